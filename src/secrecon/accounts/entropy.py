"""Secrets: how they are drawn and how they are stored. A secret is 256 random bits; only its sha256 is kept.

A plain hash is enough for these (unlike passwords): nobody guesses 256 random bits.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable

Entropy = Callable[[int], bytes]
"""Returns that many bytes from a secure source, such as `secrets.token_bytes`."""

SECRET_BYTES = 32


def draw(entropy: Entropy) -> str:
    """A fresh secret as 43 URL-safe characters."""
    return base64.urlsafe_b64encode(entropy(SECRET_BYTES)).decode("ascii").rstrip("=")


def digest(secret: str) -> str:
    """What is stored of a secret: its sha256 in hex."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()

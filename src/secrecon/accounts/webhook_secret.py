"""The signing secret of a webhook, by the Standard Webhooks specification: `whsec_` and base64 of the key's bytes.

A signature is `v1,` and base64 of HMAC-SHA256 over `{webhook-id}.{webhook-timestamp}.{body}`. While a secret is being
replaced, a message carries a signature by each of the two, separated by a blank.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence

from secrecon.accounts.entropy import Entropy

MARK = "whsec_"
SECRET_BYTES = 32
PURPOSE = "webhook"


def draw_webhook_secret(entropy: Entropy = secrets.token_bytes) -> str:
    """A fresh secret, as its receiver is shown it."""
    return MARK + base64.b64encode(entropy(SECRET_BYTES)).decode("ascii")


def signature(keys: Sequence[str], message_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature`. `keys`: secrets with their mark; `timestamp`: seconds since the epoch."""
    content = f"{message_id}.{timestamp}.".encode() + body
    made = (hmac.new(base64.b64decode(key.removeprefix(MARK)), content, hashlib.sha256).digest() for key in keys)
    return " ".join("v1," + base64.b64encode(digest).decode("ascii") for digest in made)

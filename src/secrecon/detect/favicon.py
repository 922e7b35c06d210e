"""The favicon hash that internet-wide search engines use, so that an icon names the product behind it.

The hash is MurmurHash3 (x86, 32 bit, signed, seed 0) over the icon's base64 text in MIME form: a line feed after
every 76 characters and at the end. It is a fingerprint, not a digest: anybody can serve another product's icon, so a
match alone never carries much confidence. Nothing here fetches anything.
"""

from __future__ import annotations

import base64

import mmh3

MAX_ICON = 1_000_000


def favicon_hash(icon: bytes) -> int | None:
    """The signed 32-bit hash of an icon's bytes; None for an empty icon or one larger than MAX_ICON."""
    if not icon or len(icon) > MAX_ICON:
        return None
    value: int = mmh3.hash(base64.encodebytes(icon))
    return value

"""CPE 2.3 names (NISTIR 7695) as formatted strings, split into their eleven attributes, and product keys made of them.

A logical value is kept as it is written: `*` any, `-` not applicable. Quoting is taken off, so that `node\\.js` and
`node.js` are one product. Names are compared in lower case. Nothing here knows versions or feeds.
"""

from __future__ import annotations

import re
from typing import NamedTuple

MAX_LENGTH = 600
ANY, NA = "*", "-"
_COLON = re.compile(r"(?<!\\):")
_QUOTED = re.compile(r"\\(.)")


class Cpe(NamedTuple):
    """The attributes of a name, in the order of the specification, unquoted, lower case."""

    part: str
    vendor: str
    product: str
    version: str = ANY
    update: str = ANY
    edition: str = ANY
    language: str = ANY
    sw_edition: str = ANY
    target_sw: str = ANY
    target_hw: str = ANY
    other: str = ANY

    @property
    def key(self) -> str:
        """`a:f5:nginx`: the product, whatever its version."""
        return f"{self.part}:{self.vendor}:{self.product}"

    @property
    def qualifiers(self) -> str:
        """What besides version and update the name asks for, such as `target_sw=wordpress`; "" for nothing."""
        rest = self[5:]
        if all(value in (ANY, NA) for value in rest):
            return ""
        named = zip(self._fields[5:], rest, strict=True)
        return " ".join(f"{name}={value}" for name, value in named if value not in (ANY, NA))


def split(text: str) -> Cpe:
    """A formatted string (`cpe:2.3:a:f5:nginx:1.18.0:*:...`); missing attributes at the end are any.

    Raises ValueError for anything else.
    """
    if len(text) > MAX_LENGTH or not text.startswith("cpe:2.3:"):
        raise ValueError(f"not a CPE 2.3 name: {text[:80]!r}")
    parts = text.lower().split(":")[2:]
    if "\\" in text:
        parts = [_QUOTED.sub(r"\1", part) for part in _COLON.split(text.lower())[2:]]
    if not 3 <= len(parts) <= 11 or parts[0] not in ("a", "o", "h") or not (parts[1] and parts[2]):
        raise ValueError(f"not a CPE 2.3 name: {text[:80]!r}")
    return Cpe(*parts)


def key_of(text: str) -> str:
    """The product key of a name as feeds and the index have it, with its quoting taken off; "" where it is no name."""
    try:
        return split(text).key
    except ValueError:
        return ""

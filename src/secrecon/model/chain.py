"""The chain of a scan's event log: each event's digest covers the one before, so a changed, removed or added event shows.

sha256 over a fixed JSON writing (sorted keys, ASCII, no spaces) of sequence number, time, kind, data and the digest before.
Pure: the store writes it, a bundle carries it, `secrecon verify` recomputes it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

START = "0" * 64
"""What the first event's digest is chained to."""


def link(previous: str, seq: int, at: float, kind: str, data: Mapping[str, object]) -> str:
    """The digest (64 hex characters) of an event that follows the one whose digest is `previous`."""
    text = json.dumps(
        [seq, float(at), kind, dict(data), previous], sort_keys=True, separators=(",", ":"), ensure_ascii=True
    )
    return hashlib.sha256(text.encode("ascii")).hexdigest()

"""What can be wrong with a feed. A broken feed is never used and never replaces a good one; the message says what was
wrong with which part of it, so that the alarm it raises can be acted upon."""

from __future__ import annotations

from secrecon.model.errors import BadInput


class FeedBroken(BadInput):
    """The bytes are not a whole, well-formed feed of a known format."""


class FeedOlder(FeedBroken):
    """The file is whole, and older than the one that is kept."""

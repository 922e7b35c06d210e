"""Making hostile text safe to show, and turning times into text.

Everything that a target, a callback or a feed said passes through here once, when the report is built: control
characters, terminal escapes, bidirectional and invisible characters and lone surrogates become visible escapes such
as `\\x1b` or `\\u202e`. Each export still escapes for its own format; this is the first of the two locks. Nothing is
matched by regular expressions.
"""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

LINE_LIMIT = 2_000
BLOCK_LIMIT = 16_000
_URI_SAFE = ":/?#[]@!$&'()*+,;=%"
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


class _Visible(dict[int, str]):
    """A translation table that is worked out as characters are met; harmless ones are not remembered."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        noncharacter = code & 0xFFFE == 0xFFFE or 0xFDD0 <= code <= 0xFDEF
        if unicodedata.category(character) not in _HIDDEN and not noncharacter:
            return character
        if code > 0xFFFF:
            shown = f"\\U{code:08x}"
        elif code > 0xFF:
            shown = f"\\u{code:04x}"
        else:
            shown = f"\\x{code:02x}"
        self[code] = shown
        return shown


_LINE = _Visible({ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t"})
_BLOCK = _Visible({ord("\n"): "\n", ord("\t"): "\t", ord("\r"): "\\r"})


def line(value: str, limit: int = LINE_LIMIT) -> str:
    """`value` on one line: nothing invisible, nothing longer than `limit` characters (a note says what is left out)."""
    cut = value[:limit]
    shown = cut if cut.isprintable() else cut.translate(_LINE)
    return shown + _left_out(value, limit, " ")


def block(value: str, limit: int = BLOCK_LIMIT) -> str:
    """`value` over several lines: CRLF becomes a line feed, tabs stay, everything else invisible is shown."""
    cut = value[:limit].replace("\r\n", "\n")
    shown = cut if cut.isprintable() else cut.translate(_BLOCK)
    return shown + _left_out(value, limit, "\n")


def _left_out(value: str, limit: int, glue: str) -> str:
    if len(value) <= limit:
        return ""
    return f"{glue}[{len(value) - limit:,} more characters left out of the report]"


def iso(at: float) -> str:
    """Seconds since the epoch as ISO 8601 UTC with milliseconds, such as `2026-11-23T12:00:00.000Z`."""
    moment = datetime.fromtimestamp(round(at, 3), UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def day(moment: str) -> str:
    """An ISO time as people read it: `23 November 2026, 12:00 UTC`."""
    parsed = datetime.fromisoformat(moment)
    return f"{parsed.day} {parsed:%B %Y, %H:%M} UTC"


def clock_time(moment: str) -> str:
    """An ISO time as the time of its day: `12:00:00.123 UTC`."""
    return datetime.fromisoformat(moment).strftime("%H:%M:%S.%f")[:-3] + " UTC"


def count(number: int, one: str, many: str = "") -> str:
    """`1 finding`, `2 findings`, `1,204 findings`, `no findings`."""
    word = one if number == 1 else (many or one + "s")
    return f"{number:,} {word}" if number else f"no {word}"


def listed(items: tuple[str, ...] | list[str], most: int = 5) -> str:
    """`a`, `a and b`, `a, b and c`, `a, b and 3 more`."""
    shown = list(items)
    if len(shown) > most:
        shown = [*shown[: most - 1], f"{len(shown) - most + 1:,} more"]
    if len(shown) <= 1:
        return "".join(shown)
    return ", ".join(shown[:-1]) + " and " + shown[-1]


def is_link(url: str) -> bool:
    """True for an absolute http(s) URL in plain characters: nothing else is ever made clickable."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc) and quote(url, safe=_URI_SAFE) == url

"""Text for a PDF: only characters that the file's fonts have, places where a long word may be broken, bounded evidence.

The fonts that typst carries know Latin, Greek and Cyrillic script and common signs. Everything else (and marks that
stack on other characters, and scripts that run from right to left) is shown by its code point, such as `\\u4f60`: seen
by everyone, and never an empty box. Pure.
"""

from __future__ import annotations

from secrecon.model.record import JsonValue

BREAK = "\x01"
"""Where a word may be broken. The report's own text cannot hold it: `text` makes control characters visible."""

LONG_WORD = 24
COLUMNS = 96
_RANGES = (
    (0x20, 0x7E), (0xA0, 0xAC), (0xAE, 0x2FF), (0x384, 0x38A), (0x38C, 0x38C), (0x38E, 0x3A1), (0x3A3, 0x3FF),
    (0x400, 0x482), (0x48A, 0x4FF), (0x1E00, 0x1EFF), (0x2010, 0x2027), (0x2030, 0x205E), (0x2070, 0x2071),
    (0x2074, 0x208E), (0x20A0, 0x20BF), (0x2100, 0x211E), (0x2190, 0x23CF), (0x2500, 0x25FF), (0x2713, 0x2713),
    (0x2717, 0x2717), (0xFB00, 0xFB06), (0xFFFD, 0xFFFD),
)  # fmt: skip
_BREAK_AFTER = frozenset("/?&=.:,;_-|")


def has_glyph(code: int) -> bool:
    """Whether a code point can be shown as itself."""
    return any(first <= code <= last for first, last in _RANGES)


class _Shown(dict[int, str]):
    def __missing__(self, code: int) -> str:
        if has_glyph(code) or code in (0x0A, 0x01):
            return chr(code)
        shown = f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
        if len(self) < 10_000:
            self[code] = shown
        return shown


_SHOWN = _Shown({0x09: "    "})


def _shown(text: str) -> str:
    return text if text.isascii() and text.isprintable() else text.translate(_SHOWN)


def prose(text: str) -> str:
    """Text that wraps: every character has a glyph, and no stretch of it is too long for a line."""
    shown = _shown(text)
    if all(len(word) <= LONG_WORD for word in shown.split()):
        return shown
    pieces: list[str] = []
    run = 0
    for character in shown:
        pieces.append(character)
        run = 0 if character.isspace() else run + 1
        if run >= LONG_WORD or (run >= LONG_WORD // 2 and character in _BREAK_AFTER):
            pieces.append(BREAK)
            run = 0
    return "".join(pieces)


def listing(text: str, most_lines: int, most_characters: int) -> str:
    """Evidence as lines of at most `COLUMNS` characters; what is over the limits is counted in a last line."""
    cut = text[:most_characters]
    shown = _shown(cut)
    lines = [part for row in shown.split("\n") for part in _folded(row)]
    left = len(text) - len(cut) + sum(len(row) for row in lines[most_lines:])
    kept = lines[:most_lines]
    if left:
        kept.append(f"[{left:,} more characters: see the JSON export]")
    return "\n".join(kept).rstrip("\n")


def _folded(row: str) -> list[str]:
    parts = []
    while len(row) > COLUMNS:
        at = row.rfind(" ", COLUMNS // 2, COLUMNS) + 1 or COLUMNS
        parts.append(row[:at])
        row = row[at:]
    return [*parts, row]


def plain(value: dict[str, JsonValue]) -> dict[str, JsonValue]:
    """The same document in ASCII alone, each other character by its code point."""
    return {key: _plain(item) for key, item in value.items()}


def _plain(value: JsonValue) -> JsonValue:
    if isinstance(value, str):
        return value.encode("ascii", "backslashreplace").decode("ascii")
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value

"""What a regular expression cannot match without: one piece of text that stands in it as it is.

Most patterns of templates are never found, and most hold such a piece (`X-Powered-By: PHP/` in `X-Powered-By: PHP/([0-9.]+)`).
Looking for it is so much cheaper than the pattern that most need not even be compiled. Only what is certain is said: a
pattern with anything that this does not know (flags, alternatives outside of groups, odd escapes, large repeats) needs
nothing. A pattern that needs something is always one that RE2 accepts; tests hold both against RE2.
"""

from __future__ import annotations

MOST = 2_000
LEAST = 3
MAX_REPEATED = 1_000
MAX_REPEATED_GROUP = 50
MAX_GROUPS = 20
_FLAGS = {
    b"(?i)": True,
    b"(?m)": False,
    b"(?s)": False,
    b"(?is)": True,
    b"(?si)": True,
    b"(?im)": True,
    b"(?mi)": True,
}
_CLASSES = frozenset(b"dwsDWS")
_LITERALS = frozenset(b"\"'/-.:=<>()[]{}?+*|^$,;&%!@#~`\\ _")
_BLANKS = {0x6E: 10, 0x72: 13, 0x74: 9}
_PLAIN = (frozenset(range(32, 127)) | frozenset(_BLANKS.values())) - frozenset(b"\\^$.|?*+()[]{}")


class _Unknown(Exception):
    """The pattern holds something that is not known here."""


class _Reader:
    """Reads a pattern once. `runs`: the pieces that every match holds."""

    def __init__(self, source: bytes) -> None:
        self._source = source
        self._at = 0
        self._run = bytearray()
        self._groups = 0
        self._repeats = 0
        self.runs: list[bytes] = []
        self.any_case = False

    def read(self) -> None:
        """Raises _Unknown."""
        source = self._source
        while self._at < len(source):
            char = source[self._at]
            if char == 0x28 and not self._flags():  # (
                self._group()
                self._after(None, group=True)
            elif char == 0x28:
                self._place()
            elif char == 0x5B:  # [
                self._class()
                self._after(None)
            elif char == 0x5C:  # \
                self._escape()
            elif char == 0x2E:  # .
                self._at += 1
                self._after(None)
            elif char in b"^$":
                self._at += 1
                self._place()
            elif char in _PLAIN:
                self._at += 1
                self._after(char)
            else:
                raise _Unknown
        self._end()

    def _flags(self) -> bool:
        """Flags for the rest, where they begin here: that case makes no difference is then taken for all of it."""
        end = self._source.find(b")", self._at, self._at + 6)
        flags = self._source[self._at : end + 1]
        if flags not in _FLAGS:
            return False
        self.any_case = self.any_case or _FLAGS[flags]
        self._at = end + 1
        return True

    def _end(self) -> None:
        if self._run:
            self.runs.append(bytes(self._run))
            self._run.clear()

    def _after(self, literal: int | None, *, group: bool = False) -> None:
        """What follows an atom: whether and how often it is repeated."""
        least, repeated = self._repeat(group=group)
        if literal is None or least == 0:
            self._end()
            return
        self._run.append(literal)
        if repeated:
            self._end()

    def _place(self) -> None:
        """What holds at a place and takes no text."""
        self._end()
        self._begin()

    def _repeat(self, *, group: bool) -> tuple[int, bool]:
        """(at least how often, whether that was said)."""
        following = self._source[self._at : self._at + 1]
        if not following or following not in b"*+?{":
            return 1, False
        self._at += 1
        least = 1 if following == b"+" else 0
        if following == b"{":
            least = self._counted(group=group)
        if self._source[self._at : self._at + 1] == b"?":
            self._at += 1
        if self._source[self._at : self._at + 1] in (b"*", b"+", b"?", b"{"):
            raise _Unknown
        return least, True

    def _counted(self, *, group: bool) -> int:
        end = self._source.find(b"}", self._at)
        least, _, most = self._source[self._at : end].partition(b",")
        self._at = end + 1
        if end < 0 or not least.isdigit() or (most and not most.isdigit()) or len(least + most) > 8:
            raise _Unknown
        low = int(least)
        high = int(most) if most else low
        self._repeats += high
        if high < low or self._repeats > (MAX_REPEATED_GROUP if group else MAX_REPEATED):
            raise _Unknown
        return low

    def _escape(self) -> None:
        char = self._source[self._at + 1 : self._at + 2]
        self._at += 2
        if char and char[0] in _CLASSES:
            self._after(None)
        elif char and char[0] in _LITERALS:
            self._after(char[0])
        elif char and char[0] in _BLANKS:
            self._after(_BLANKS[char[0]])
        elif char == b"b":
            self._place()
        else:
            raise _Unknown

    def _class(self) -> None:
        """`[...]` of plain characters, ranges between letters or digits, and known escapes."""
        source, at = self._source, self._at + 1
        at += source[at : at + 1] == b"^"
        start = at
        while source[at : at + 1] != b"]":
            char = source[at : at + 1]
            if char == b"\\":
                inside = source[at + 1 : at + 2]
                if not inside or not (inside[0] in _CLASSES or inside[0] in _LITERALS or inside[0] in _BLANKS):
                    raise _Unknown
                at += 2
                if source[at : at + 1] == b"-" and source[at + 1 : at + 2] != b"]":
                    raise _Unknown
                continue
            if not char or char == b"[" or not (32 <= char[0] < 127 or char in b"\t\n\r"):
                raise _Unknown
            if source[at + 1 : at + 2] == b"-" and source[at + 2 : at + 3] != b"]":
                last = source[at + 2 : at + 3]
                if not (char.isalnum() and last.isalnum() and char <= last):
                    raise _Unknown
                at += 3
                continue
            if char == b"-" and at != start and source[at + 1 : at + 2] != b"]":
                raise _Unknown
            at += 1
        if at == start:
            raise _Unknown
        self._at = at + 1

    def _group(self) -> None:
        """A group, with alternatives in it: what is inside is only understood, not needed."""
        self._groups += 1
        source, depth = self._source, 0
        kept, self._run, runs = self._run, bytearray(), self.runs
        self.runs = []
        while True:
            char = source[self._at : self._at + 1]
            if char == b"(":
                depth += 1
                self._at += 1
                if source[self._at : self._at + 1] == b"?":
                    if source[self._at : self._at + 2] != b"?:":
                        raise _Unknown
                    self._at += 2
                self._begin()
            elif char == b")":
                depth -= 1
                self._at += 1
                if depth == 0:
                    break
                self._after(None, group=True)
            elif char == b"|":
                self._at += 1
                self._begin()
            elif char == b"[":
                self._class()
                self._after(None)
            elif char == b"\\":
                self._escape()
            elif char and char in b"^$":
                self._at += 1
                self._place()
            elif char and (char == b"." or char[0] in _PLAIN):
                self._at += 1
                self._after(None)
            else:
                raise _Unknown
            if depth > MAX_GROUPS:
                raise _Unknown
        self._run, self.runs = kept, runs

    def _begin(self) -> None:
        """Here nothing can be repeated: at the beginning of an alternative, or after a mere place."""
        if self._source[self._at : self._at + 1] in (b"*", b"+", b"?", b"{"):
            raise _Unknown


def needed(source: bytes) -> tuple[bytes, bool]:
    """The longest piece that every match of the pattern holds, b"" where none is known, and whether case makes no
    difference: the piece is in lower case then, for a text in lower case."""
    if len(source) > MOST:
        return b"", False
    reader = _Reader(source)
    try:
        reader.read()
    except _Unknown:
        return b"", False
    longest = max(reader.runs, key=len, default=b"")
    if len(longest) < LEAST:
        return b"", False
    return (longest.lower() if reader.any_case else longest), reader.any_case

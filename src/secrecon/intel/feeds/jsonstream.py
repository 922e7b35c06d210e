"""Reading a large JSON object (RFC 8259) piece by piece: its plain members, and the elements of its arrays one at a time.

Feeds are one object whose bulk is one array, such as NVD's `vulnerabilities`. Only one element is in memory at once;
its size and depth are bounded. Anything that is not exactly one whole object raises FeedBroken: a feed that was cut off
must not pass for a short one. Duplicate keys inside an element: the last one wins, as everywhere in JSON practice.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NoReturn

from secrecon.intel.feeds.errors import FeedBroken

MAX_ELEMENT = 16_000_000
"""Characters of one element or plain member."""
_SPACE = re.compile(r"[ \t\r\n]*")


@dataclass(frozen=True, slots=True)
class Member:
    """A plain member (`index` -1), or one element of the array `key`."""

    key: str
    value: object
    index: int = -1


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def load(text: str | bytes, what: str) -> object:
    """A small JSON text. Raises FeedBroken naming `what`."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise FeedBroken(f"{what} is not JSON: {_short(error)}") from error


def members(chunks: Iterable[bytes]) -> Iterator[Member]:
    """Every member of the one object that the bytes are; arrays element by element. Raises FeedBroken."""
    reader = _Reader(chunks)
    reader.expect("{")
    if reader.peek() == "}":
        reader.take()
    else:
        while True:
            key = reader.value()
            if not isinstance(key, str):
                reader.fail("a member's name is not a string")
            reader.expect(":")
            if reader.peek() == "[":
                yield from _elements(reader, key)
            else:
                yield Member(key, reader.value())
            if reader.separator("}"):
                break
    reader.end()


def _elements(reader: _Reader, key: str) -> Iterator[Member]:
    reader.take()
    if reader.peek() == "]":
        reader.take()
        return
    index = 0
    while True:
        yield Member(key, reader.value(), index)
        index += 1
        if reader.separator("]"):
            return


class _Reader:
    """A window over the text. What was read is dropped."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("strict")
        self._text = ""
        self._at = 0
        self._passed = 0
        self._ended = False

    def fail(self, problem: str) -> NoReturn:
        raise FeedBroken(f"not a whole JSON object: {problem}, at character {self._passed + self._at:,}")

    def peek(self) -> str:
        """The next character that is not white space."""
        while True:
            self._at = _after_space(self._text, self._at)
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                self.fail("it ends early")

    def take(self) -> str:
        char = self.peek()
        self._at += 1
        return char

    def expect(self, char: str) -> None:
        if self.take() != char:
            self._at -= 1
            self.fail(f"{char!r} is missing")

    def separator(self, close: str) -> bool:
        """True at the closing bracket, False after a comma."""
        char = self.take()
        if char not in (",", close):
            self._at -= 1
            self.fail(f"',' or {close!r} is missing")
        return char == close

    def value(self) -> object:
        """The next value, whole."""
        self.peek()
        wanted = 0
        while True:
            try:
                value, after = _DECODER.raw_decode(self._text, self._at)
            except RecursionError:
                self.fail("it is nested too deeply")
            except ValueError as error:
                problem = _short(error)
            else:
                # a number at the very end of the window may go on beyond it
                if after < len(self._text) or self._ended:
                    self._at = after
                    return value
                problem = "it ends early"
            have = len(self._text) - self._at
            if have > MAX_ELEMENT:
                self.fail(f"one value is longer than {MAX_ELEMENT:,} characters, or {problem}")
            wanted = max(2 * have, wanted)
            while len(self._text) - self._at < wanted and self._more():
                pass
            if len(self._text) - self._at == have and self._ended:
                self._last(problem)

    def _last(self, problem: str) -> None:
        """Nothing more comes: what does not parse now never will."""
        try:
            _DECODER.raw_decode(self._text, self._at)
        except (ValueError, RecursionError):
            self.fail(problem)

    def end(self) -> None:
        """Only white space may follow."""
        while True:
            if _after_space(self._text, self._at) < len(self._text):
                self.fail("something follows its end")
            self._at = len(self._text)
            if not self._more():
                return

    def _more(self) -> bool:
        if self._ended:
            return False
        chunk = next(self._chunks, None)
        try:
            text = self._decoder.decode(b"" if chunk is None else chunk, chunk is None)
        except UnicodeDecodeError as error:
            raise FeedBroken(f"the feed is not UTF-8: {error.reason}") from error
        self._ended = chunk is None
        self._passed += self._at
        self._text = self._text[self._at :] + text
        self._at = 0
        return not self._ended or bool(text)


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return at if found is None else found.end()


def _short(error: Exception) -> str:
    return str(error).split("\n")[0][:120]

"""A tokenizer for hostile HTML: tags with their attributes, in document order, in time linear in the bytes.

There is no tree here on purpose. A tree builder does what the HTML standard tells it to, and the standard lets 25 kB
of unclosed formatting elements become hundreds of megabytes of nodes, and 200,000 attributes on one tag or 400,000
nested `<div>` minutes of work. Links and forms need only the tokens (WHATWG HTML 13.2.5, the states that matter):
comments, raw-text elements and quoted values are told apart, everything else is skipped. Bounds: body bytes, tags,
attributes a tag, bytes a value. What was cut is said.
"""

from __future__ import annotations

import html as entities
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

MAX_BODY = 2_000_000
MAX_TAGS = 30_000
MAX_ATTRIBUTES = 60
MAX_VALUE = 4_000
_MARKUP = re.compile(rb"<(?:/|!|\?|[A-Za-z])")
_NAME = re.compile(rb"[A-Za-z][^ \t\n\f\r/>]*")
_ATTRIBUTE = re.compile(rb"[ \t\n\f\r/]*([^ \t\n\f\r/>][^ \t\n\f\r/>=]*)(?:[ \t\n\f\r]*(=)[ \t\n\f\r]*)?")
_UNQUOTED = re.compile(rb"[^ \t\n\f\r>]*")
# Python's own `re` for these: each is one run of a character class, so linear whatever the bytes, and ten times as fast.
_LABELLED = frozenset({"a", "button"})
MAX_LABEL = 200
_MARKUP_OR_END = re.compile(rb"<[^>]*>?")
_RAW_TEXT = frozenset({"script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes"})


@dataclass(frozen=True, slots=True)
class Tag:
    """One start or end tag. `name` and attribute names are lower-case; values have their entities resolved.

    `text`: the content of a raw-text element (script, style, textarea, title), bytes as they came; of a link or a button
    the words that it begins with, for they say what it does.
    """

    name: str
    closing: bool = False
    attributes: dict[str, str] = field(default_factory=dict)
    text: bytes = b""

    def get(self, name: str) -> str:
        """The attribute's value, "" where absent."""
        return self.attributes.get(name, "")


@dataclass(frozen=True, slots=True)
class Document:
    """The tags of a page. `cut`: why something was left out, "" where all was read."""

    tags: tuple[Tag, ...]
    cut: str = ""

    @property
    def title(self) -> str:
        """The first title's text, entities resolved, white space folded, at most 200 characters."""
        for tag in self.tags:
            if tag.name == "title" and not tag.closing:
                return " ".join(unescape(tag.text[:MAX_VALUE]).split())[:200]
        return ""


def looks_like_html(content_type: str, body: bytes) -> bool:
    """True where a browser would render the body as HTML: by its type, or by its first bytes where it has none."""
    if content_type:
        return content_type in ("text/html", "application/xhtml+xml")
    head = body[:1_000].lstrip().lower()
    return head.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<!--"))


def read_html(body: bytes) -> Document:
    """Every tag of `body`, within the bounds."""
    cut = f"only the first {MAX_BODY} bytes of the page were read" if len(body) > MAX_BODY else ""
    tags: list[Tag] = []
    for tag in _tags(body[:MAX_BODY]):
        if len(tags) >= MAX_TAGS:
            return Document(tuple(tags), f"only the first {MAX_TAGS} tags of the page were read")
        tags.append(tag)
    return Document(tuple(tags), cut)


def unescape(raw: bytes) -> str:
    """UTF-8 text with HTML entities resolved; never fails, at most MAX_VALUE bytes are looked at."""
    return entities.unescape(raw[:MAX_VALUE].decode("utf-8", "replace"))


def _tags(body: bytes) -> Iterator[Tag]:
    lower = body.lower()
    position = 0
    while (markup := _MARKUP.search(body, position)) is not None:
        start: int = markup.start()
        if body.startswith(b"<!--", start):
            position = _after(body, b"-->", start + 2)
            continue
        closing = body.startswith(b"</", start)
        name_at = start + 1 + closing
        found = _NAME.match(body, name_at)
        if found is None:
            position = _after(body, b">", name_at)
            continue
        name = found.group(0)[:40].decode("latin-1").lower()
        if closing:
            position = _after(body, b">", found.end())
            yield Tag(name, closing=True)
            continue
        attributes, position = _attributes(body, found.end())
        text = b""
        if name in _RAW_TEXT:
            end = lower.find(b"</" + name.encode("latin-1"), position)
            end = len(body) if end < 0 else end
            text, position = body[position:end], end
        elif name in _LABELLED:
            text = _label(body, name, position)
        yield Tag(name, False, attributes, text)


def _label(body: bytes, name: str, position: int) -> bytes:
    """The words inside a link or a button, without the markup around them."""
    inside = body[position : position + MAX_LABEL]
    lower, mark = inside.lower(), name.encode("ascii")
    ends = [end for end in (lower.find(b"</" + mark), lower.find(b"<" + mark)) if end >= 0]
    words: bytes = _MARKUP_OR_END.sub(b" ", inside[: min(ends, default=MAX_LABEL)])
    return b" ".join(words.split())


def _after(body: bytes, mark: bytes, position: int) -> int:
    """Where the text behind `mark` begins; the end of the body where there is no mark."""
    found = body.find(mark, position)
    return len(body) if found < 0 else found + len(mark)


def _attributes(body: bytes, position: int) -> tuple[dict[str, str], int]:
    """The attributes of a start tag, and where its content begins. The first of two with one name counts."""
    attributes: dict[str, str] = {}
    for _ in range(MAX_ATTRIBUTES):
        found = _ATTRIBUTE.match(body, position)
        if found is None:
            break
        name = found.group(1)[:80].decode("latin-1").lower()
        position = found.end()
        value = b""
        if found.group(2):
            quote = body[position : position + 1]
            if quote in (b'"', b"'"):
                end = body.find(quote, position + 1)
                end = len(body) if end < 0 else end
                value, position = body[position + 1 : end], end + 1
            else:
                unquoted = _UNQUOTED.match(body, position)
                end = unquoted.end() if unquoted is not None else position
                value, position = body[position:end], end
        attributes.setdefault(name, unescape(value))
    return attributes, _after(body, b">", position)

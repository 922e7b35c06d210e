"""Questions to hostile documents: XPath (lxml) and JSON (jq). Bounded in size; no entities, no network, no environment.

A template's jq program may use only what always ends and reads nothing but the document: no loops, no definitions, no
patterns, no `env`. XPath gets one extra function, `matches`, which is linear-time.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence

import jq
import re2
from lxml import etree

from secrecon.templates.errors import DslError
from secrecon.templates.patterns import compile_pattern

MAX_DOCUMENT = 2 * 1024 * 1024
MAX_JSON = 2 * 1024 * 1024
MAX_ANSWERS = 1000
MAX_ANSWERED = 4 * 1024 * 1024
MAX_QUESTION = 1000
_KEPT = 4096
_JQ_WORDS = frozenset({
    "if", "then", "elif", "else", "end", "and", "or", "not", "as", "empty", "null", "true", "false", "select",
    "map", "map_values", "keys", "keys_unsorted", "values", "nulls", "objects", "arrays", "strings", "numbers",
    "booleans", "scalars", "iterables", "length", "type", "has", "in", "contains", "inside", "to_entries",
    "from_entries", "with_entries", "add", "any", "all", "flatten", "first", "last", "sort", "sort_by", "unique",
    "unique_by", "reverse", "min", "max", "min_by", "max_by", "group_by", "tostring", "tonumber",
    "ascii_downcase", "ascii_upcase", "startswith", "endswith", "ltrimstr", "rtrimstr", "join", "tojson",
})  # fmt: skip
_JQ_PART = re2.compile(r'"(?:[^"\\]|\\.)*"|\$?\??//|\.[A-Za-z_]\w*|\$\w+|@\w+|[A-Za-z_]\w*|\\\(')


class JsonQuestion:
    """A jq program. Never changes; compiled when it is first used, or before by `compile_json_question`."""

    __slots__ = ("_compiled", "source")

    def __init__(self, source: str) -> None:
        self.source = source
        self._compiled: object = None

    @property
    def compiled(self) -> object:
        if self._compiled is None:
            self._compiled = jq.compile(self.source)
        return self._compiled

    def ask(self, text: bytes) -> tuple[bytes, ...]:
        """The answers, scalars as text, else JSON; nothing where it is no JSON or the question does not fit it."""
        if len(text) > MAX_JSON:
            return ()
        answers: list[bytes] = []
        size = 0
        try:
            for value in self.compiled.input_text(text.decode("utf-8")):  # type: ignore[attr-defined]
                answers.append(_shown(value))
                size += len(answers[-1])
                if len(answers) >= MAX_ANSWERS or size > MAX_ANSWERED:
                    break
        except (ValueError, RecursionError):  # no JSON, a question that does not fit, or one too deep to show
            return tuple(answers)
        return tuple(answers)


def _shown(value: object) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "replace")
    if value is None:
        return b"null"
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False, sort_keys=True).encode("utf-8", "replace")


@functools.lru_cache(maxsize=_KEPT)
def compile_json_question(source: str) -> JsonQuestion:
    """Raises DslError where it is no jq program, or one that is not allowed."""
    if len(source) > MAX_QUESTION:
        raise DslError(f"a jq program of {len(source)} characters; at most {MAX_QUESTION} are read")
    for found in _JQ_PART.finditer(source):
        word = found.group()
        if word[0] in "$@\\" or "\\(" in word or (word[0] not in '".?/' and word not in _JQ_WORDS):
            raise DslError(f"a jq program may not use {word[:40]} here")
    question = JsonQuestion(source)
    try:
        _ = question.compiled
    except ValueError as error:
        raise DslError(f"not a jq program: {str(error).splitlines()[0][:200]}") from error
    return question


class PathQuestion:
    """An XPath. Never changes; compiled when it is first used, or before by `compile_path`."""

    __slots__ = ("_compiled", "source")

    def __init__(self, source: str) -> None:
        self.source = source
        self._compiled: etree.XPath | None = None

    @property
    def compiled(self) -> etree.XPath:
        if self._compiled is None:
            self._compiled = etree.XPath(self.source, extensions={(None, "matches"): _matches})
        return self._compiled

    def find(self, document: etree._Element) -> tuple[object, ...]:
        """The nodes (elements or attribute values) in document order."""
        try:
            found = self.compiled(document)
        except (etree.XPathError, DslError, ValueError):
            return ()
        return tuple(found[:MAX_ANSWERS]) if isinstance(found, list) else (found,)


def _matches(_: object, value: object, pattern: str) -> bool:
    texts = value if isinstance(value, list) else [value]
    compiled = compile_pattern(pattern.encode())
    return any(compiled.found_in(str(text).encode("utf-8", "replace")) for text in texts)


@functools.lru_cache(maxsize=_KEPT)
def compile_path(source: str) -> PathQuestion:
    """Raises DslError where it is no XPath."""
    if len(source) > MAX_QUESTION:
        raise DslError(f"an XPath of {len(source)} characters; at most {MAX_QUESTION} are read")
    question = PathQuestion(source)
    try:
        _ = question.compiled
    except (etree.XPathError, ValueError) as error:
        raise DslError(f"not an XPath: {error}") from error
    return question


def read_document(text: bytes) -> etree._Element | None:
    """XML where it begins so, else HTML; None where it is too large or nothing can be read."""
    if not text.strip() or len(text) > MAX_DOCUMENT:
        return None
    quiet = {"no_network": True, "huge_tree": False, "recover": True}
    xml = text.lstrip().startswith(b"<?xml")
    parser = etree.XMLParser(resolve_entities=False, load_dtd=False, **quiet) if xml else etree.HTMLParser(**quiet)
    try:
        root: etree._Element | None = etree.fromstring(text, parser)
    except (etree.LxmlError, ValueError):
        return None
    return root


def node_text(node: object, attribute: str) -> bytes:
    """An element's inner text or one of its attributes; an attribute node is its own text."""
    if isinstance(node, etree._Element):
        shown = _attribute(node, attribute) if attribute else "".join(map(str, _texts(node)))
    else:
        shown = str(node)
    return shown.encode("utf-8", "replace")


def _attribute(node: etree._Element, name: str) -> str:
    """Nothing where there is no such attribute, or can be none of that name."""
    try:
        return str(node.get(name, ""))
    except ValueError:
        return ""


def _texts(node: etree._Element) -> Sequence[object]:
    return list(node.itertext())

"""Matchers and extractors of a block, from YAML to their compiled form. A field that is foreign to the kind is refused.

One without anything to look for is accepted, as in the reference, and finds nothing.
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Sequence

from secrecon.templates.documents import compile_json_question, compile_path
from secrecon.templates.errors import TemplateInvalid
from secrecon.templates.extractors import DslTake, Extractor, JsonTake, KeyTake, PathTake, RegexTake, Take
from secrecon.templates.fields import Fields, compiled, condition_at, integer, text_at
from secrecon.templates.matchers import (
    BinaryTest,
    Condition,
    DslTest,
    Matcher,
    PathTest,
    RegexTest,
    SizeTest,
    StatusTest,
    WordTest,
)
from secrecon.templates.operators import Operators
from secrecon.templates.patterns import Pattern, compile_pattern
from secrecon.templates.render import Text
from secrecon.templates.yamltree import Node, Scalar

MATCHER_KINDS = ("status", "size", "word", "regex", "binary", "dsl", "xpath")
EXTRACTOR_KINDS = ("regex", "kval", "xpath", "json", "dsl")


def pattern_at(node: Scalar) -> Pattern:
    return compiled(lambda text: compile_pattern(text.encode("utf-8", "replace")), node)


def read_operators(block: Fields) -> Operators:
    matchers = read_matchers(block.items("matchers"))
    extractors = tuple(_extractor(node) for node in block.items("extractors"))
    return Operators(matchers, extractors, every=block.choice("matchers-condition", ("and", "or"), "or") == "and")


def read_matchers(nodes: Sequence[Node]) -> tuple[Matcher, ...]:
    return tuple(_matcher(node) for node in nodes)


def _matcher(node: Node) -> Matcher:
    fields = Fields(node, "a matcher")
    kind = fields.choice("type", MATCHER_KINDS, "")
    fields.what = f"a {kind} matcher"
    every = fields.choice("condition", ("and", "or"), "or") == "and"
    collect = fields.flag("match-all")
    part = "" if kind == "dsl" else fields.text("part").strip()
    name, negative, internal = fields.text("name").strip(), fields.flag("negative"), fields.flag("internal")
    test = _MATCHERS[kind](fields, every, collect)
    fields.done()
    return Matcher(test, part or "body", name, negative, internal)


def _status(fields: Fields, every: bool, collect: bool) -> Condition:
    return StatusTest(tuple(integer(item, "a status") for item in fields.scalars("status")))


def _size(fields: Fields, every: bool, collect: bool) -> Condition:
    return SizeTest(tuple(integer(item, "a size") for item in fields.scalars("size")))


def _word(fields: Fields, every: bool, collect: bool) -> Condition:
    lowered = fields.flag("case-insensitive")
    hexadecimal = fields.choice("encoding", ("hex", ""), "") == "hex"
    words = tuple(_one_word(item, lowered=lowered, hexadecimal=hexadecimal) for item in fields.scalars("words"))
    return WordTest(words, every, collect, lowered)


def _one_word(node: Scalar, *, lowered: bool, hexadecimal: bool) -> Text | bytes:
    if hexadecimal:
        try:
            return binascii.unhexlify(node.text)
        except (binascii.Error, ValueError):
            return text_at(node)
    return text_at(node, node.text.lower() if lowered else node.text)


def _regex(fields: Fields, every: bool, collect: bool) -> Condition:
    fields.choice("encoding", ("hex", ""), "")
    return RegexTest(tuple(pattern_at(item) for item in fields.scalars("regex")), every, collect)


def _binary(fields: Fields, every: bool, collect: bool) -> Condition:
    fields.choice("encoding", ("hex", ""), "")
    return BinaryTest(tuple(_one_binary(item) for item in fields.scalars("binary")), every)


def _one_binary(node: Scalar) -> bytes:
    try:
        return binascii.unhexlify(node.text)
    except (binascii.Error, ValueError) as error:
        raise TemplateInvalid(f"not hexadecimal: {node.text[:40]}", node.line) from error


def _dsl(fields: Fields, every: bool, collect: bool) -> Condition:
    return DslTest(tuple(condition_at(item) for item in fields.scalars("dsl")), every)


def _xpath(fields: Fields, every: bool, collect: bool) -> Condition:
    return PathTest(tuple(compiled(compile_path, item) for item in fields.scalars("xpath")), every)


_MATCHERS: dict[str, Callable[[Fields, bool, bool], Condition]] = {
    "status": _status,
    "size": _size,
    "word": _word,
    "regex": _regex,
    "binary": _binary,
    "dsl": _dsl,
    "xpath": _xpath,
}


def _extractor(node: Node) -> Extractor:
    fields = Fields(node, "an extractor")
    kind = fields.choice("type", EXTRACTOR_KINDS, "")
    fields.what = f"a {kind} extractor"
    part = fields.text("part").strip()
    name, internal = fields.text("name").strip(), fields.flag("internal")
    fields.flag("case-insensitive")  # keys are lower-cased in any case
    take = _take(kind, fields)
    fields.done()
    return Extractor(take, part or "body", name, internal)


def _take(kind: str, fields: Fields) -> Take:
    items = fields.scalars(kind)
    if kind == "regex":
        group = fields.integer("group")
        if group < 0:
            raise TemplateInvalid("the group of a regex extractor is 0 or more", fields.line_of("group"))
        return RegexTake(tuple(pattern_at(item) for item in items), group)
    if kind == "kval":
        return KeyTake(tuple(item.text.strip().lower() for item in items))
    if kind == "xpath":
        return PathTake(tuple(compiled(compile_path, item) for item in items), fields.text("attribute").strip())
    if kind == "json":
        fields.integer("group")  # templates carry it; it means nothing here
        return JsonTake(tuple(compiled(compile_json_question, item) for item in items))
    return DslTake(tuple(condition_at(item) for item in items))

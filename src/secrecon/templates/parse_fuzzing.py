"""The `fuzzing` list of an http section and its pre-condition, from YAML to rules."""

from __future__ import annotations

from secrecon.templates.errors import TemplateInvalid
from secrecon.templates.fields import Fields, scalar, text_at
from secrecon.templates.fuzzing import PARTS, Fuzzing, Kind, Rule
from secrecon.templates.operators import Operators
from secrecon.templates.parse_operators import pattern_at, read_matchers
from secrecon.templates.render import Text
from secrecon.templates.yamltree import Node, Table

MAX_RULES = 100


def read_fuzzing(block: Fields) -> Fuzzing | None:
    """None where the section has no rules. Raises TemplateInvalid."""
    nodes, before = block.items("fuzzing"), block.items("pre-condition")
    every = block.choice("pre-condition-operator", ("and", "or"), "or") == "and"
    condition = Operators(read_matchers(before), (), every=every) if before else None
    if not nodes:
        return None
    if len(nodes) > MAX_RULES:
        raise TemplateInvalid(f"more than {MAX_RULES} fuzzing rules", block.line_of("fuzzing"))
    return Fuzzing(tuple(_rule(node) for node in nodes), condition)


def _rule(node: Node) -> Rule:
    fields = Fields(node, "a fuzzing rule")
    parts = [item.text.strip() for item in fields.scalars("parts")] or [
        fields.text("part", "query").strip() or "query"
    ]
    for part in parts:
        if part not in PARTS:
            raise TemplateInvalid(
                f"a fuzzing rule's part is one of {', '.join(PARTS)}, not {part[:40]}", fields.line
            )
    fields.node("part")
    kind = Kind(fields.choice("type", tuple(Kind), Kind.REPLACE))
    patterns = tuple(pattern_at(item) for item in fields.scalars("replace-regex"))
    if (kind is Kind.REPLACE_REGEX) != (len(patterns) == 1):
        raise TemplateInvalid(
            "a fuzzing rule of type replace-regex, and no other, has one replace-regex", fields.line
        )
    made = Rule(
        parts=tuple(dict.fromkeys(parts)),
        texts=_texts(fields),
        kind=kind,
        every=fields.choice("mode", ("single", "multiple"), "multiple") == "multiple",
        keys=frozenset(item.text.strip().lower() for item in fields.scalars("keys")),
        key_patterns=tuple(pattern_at(item) for item in fields.scalars("keys-regex")),
        value_patterns=tuple(pattern_at(item) for item in fields.scalars("values")),
        pattern=patterns[0] if patterns else None,
    )
    fields.done()
    return made


def _texts(fields: Fields) -> tuple[tuple[str, Text], ...]:
    """A list of what is put in everywhere, or a table of what is put in by key."""
    node = fields.node("fuzz")
    if isinstance(node, Table):
        return tuple((name, text_at(scalar(value, "what is put in"))) for name, value in node.entries.items())
    texts = tuple(("", text_at(item)) for item in fields.scalars("fuzz"))
    if not texts:
        raise TemplateInvalid("a fuzzing rule has no fuzz: nothing to put in", fields.line)
    return texts

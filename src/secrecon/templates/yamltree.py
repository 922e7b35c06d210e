"""YAML to a small tree that knows its lines; scalars stay text, for a schema to type them.

Pure-Python events only (no C loader, no tags, no constructors). Bounded before and while it is read: bytes, depth, nodes.
An alias counts as all the nodes it stands for, so a bomb of anchors is refused when it is written, not when it bursts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import yaml

from secrecon.templates.errors import TemplateInvalid

MAX_BYTES = 2 * 1024 * 1024
MAX_DEPTH = 30
MAX_NODES = 100_000


@dataclass(frozen=True, slots=True)
class Scalar:
    text: str
    line: int
    quoted: bool
    size: int = 1


@dataclass(frozen=True, slots=True)
class Sequence:
    items: tuple[Node, ...]
    line: int
    size: int


@dataclass(frozen=True, slots=True)
class Table:
    entries: dict[str, Node]
    line: int
    size: int


Node: TypeAlias = "Scalar | Sequence | Table"


class _Reader:
    def __init__(self, text: str) -> None:
        self._events: Iterator[yaml.Event] = yaml.parse(text, Loader=yaml.SafeLoader)
        self._anchors: dict[str, Node] = {}
        self._nodes = 0

    def document(self) -> Node | None:
        for event in self._events:
            if isinstance(event, yaml.NodeEvent):
                root = self._node(event, 1)
                self._only_one()
                return root
        return None

    def _only_one(self) -> None:
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                raise TemplateInvalid("a second YAML document in the file", _line(event))

    def _node(self, event: yaml.NodeEvent, depth: int) -> Node:
        line = _line(event)
        if depth > MAX_DEPTH:
            raise TemplateInvalid(f"YAML nested deeper than {MAX_DEPTH}", line)
        node: Node
        if isinstance(event, yaml.AliasEvent):
            anchor = event.anchor or ""
            if anchor not in self._anchors:
                raise TemplateInvalid(f"the alias {anchor[:40]} stands for nothing that came before", line)
            node = self._anchors[anchor]
            self._count(node.size, line)
            return node
        self._count(1, line)
        if isinstance(event, yaml.ScalarEvent):
            node = Scalar(event.value, line, quoted=event.style is not None)
        elif isinstance(event, yaml.SequenceStartEvent):
            items = tuple(self._node(inner, depth + 1) for inner in self._until(yaml.SequenceEndEvent))
            node = Sequence(items, line, 1 + sum(item.size for item in items))
        else:
            node = self._table(line, depth)
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _table(self, line: int, depth: int) -> Table:
        entries: dict[str, Node] = {}
        size = 1
        for event in self._until(yaml.MappingEndEvent):
            key = self._node(event, depth + 1)
            if not isinstance(key, Scalar):
                raise TemplateInvalid("a key must be plain text", key.line)
            if key.text in entries:
                raise TemplateInvalid(f"the key {key.text[:60]} is there twice", key.line)
            value = self._node(_as_node(next(self._events)), depth + 1)
            entries[key.text] = value
            size += 1 + value.size
        return Table(entries, line, size)

    def _until(self, end: type[yaml.Event]) -> Iterator[yaml.NodeEvent]:
        while True:
            event = next(self._events)
            if isinstance(event, end):
                return
            yield _as_node(event)

    def _count(self, nodes: int, line: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise TemplateInvalid(f"YAML of more than {MAX_NODES} values", line)


def _as_node(event: yaml.Event) -> yaml.NodeEvent:
    if isinstance(event, yaml.NodeEvent):
        return event
    raise TemplateInvalid("YAML that ends too early", _line(event))


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def read_tree(source: bytes) -> Table:
    """The file as a table. Raises TemplateInvalid with the reason and the line."""
    if len(source) > MAX_BYTES:
        raise TemplateInvalid(f"a template of {len(source)} bytes; at most {MAX_BYTES} are read", 1)
    try:
        text = source.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TemplateInvalid("not UTF-8 text", source.count(b"\n", 0, error.start) + 1) from error
    try:
        root = _Reader(text).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise TemplateInvalid(
            f"not YAML: {error.problem or error.context}", mark.line + 1 if mark else 1
        ) from error
    except yaml.YAMLError as error:
        raise TemplateInvalid(f"not YAML: {str(error).splitlines()[0][:200]}", 1) from error
    if not isinstance(root, Table):
        raise TemplateInvalid("a template is a table of fields", root.line if root else 1)
    return root

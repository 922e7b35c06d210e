"""YAML to a small tree that knows its lines; scalars stay text, for a schema to type them.

Events only (no tags, no constructors), from libyaml where PyYAML was built with it, which every wheel is. Bounded before
and while it is read: bytes, depth, nodes. Nothing here calls itself, so that depth costs no stack. An alias counts as all
the nodes it stands for, so a bomb of anchors is refused when it is written, not when it bursts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import yaml

from secrecon.templates.errors import TemplateInvalid

MAX_BYTES = 2 * 1024 * 1024
MAX_DEPTH = 30
MAX_NODES = 100_000
_Loader: type[yaml.SafeLoader | yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Scalar(NamedTuple):
    text: str
    line: int
    quoted: bool
    size: int = 1


class Sequence(NamedTuple):
    items: tuple[Node, ...]
    line: int
    size: int


class Table(NamedTuple):
    entries: dict[str, Node]
    line: int
    size: int


Node: TypeAlias = "Scalar | Sequence | Table"


class _Open:
    """A sequence or a table whose end has not come. `key`: the one that waits for its value."""

    __slots__ = ("anchor", "entries", "items", "key", "line", "size")

    def __init__(self, event: yaml.NodeEvent, line: int) -> None:
        self.entries: dict[str, Node] | None = {} if isinstance(event, yaml.MappingStartEvent) else None
        self.items: list[Node] = []
        self.key: str | None = None
        self.line = line
        self.size = 1
        self.anchor = event.anchor

    def closed(self) -> Node:
        if self.entries is None:
            return Sequence(tuple(self.items), self.line, self.size)
        return Table(self.entries, self.line, self.size)

    def take(self, node: Node) -> None:
        self.size += node.size
        entries = self.entries
        if entries is None:
            self.items.append(node)
        elif self.key is not None:
            entries[self.key] = node
            self.key = None
        elif not isinstance(node, Scalar):
            raise TemplateInvalid("a key must be plain text", node.line)
        elif node.text in entries:
            raise TemplateInvalid(f"the key {node.text[:60]} is there twice", node.line)
        else:
            self.key = node.text


def _document(next_event: Callable[[], yaml.Event | None]) -> Node | None:
    """The first document's root; None where there is none. A second document is an error."""
    anchors: dict[str, Node] = {}
    waiting: list[_Open] = []
    root: Node | None = None
    nodes = 0
    while True:
        event = next_event()
        node: Node
        if isinstance(event, yaml.ScalarEvent):
            nodes += 1
            node = Scalar(event.value, _line(event), bool(event.style))
            if event.anchor:
                anchors[event.anchor] = node
        elif isinstance(event, yaml.CollectionStartEvent):
            nodes += 1
            opened = _Open(event, _line(event))
            _bounded(len(waiting) + 1, nodes, opened.line)
            waiting.append(opened)
            continue
        elif isinstance(event, yaml.CollectionEndEvent):
            opened = waiting.pop()
            node = opened.closed()
            if opened.anchor:
                anchors[opened.anchor] = node
        elif isinstance(event, yaml.AliasEvent):
            node = _aliased(anchors, event)
            nodes += node.size
        elif event is None or isinstance(event, yaml.StreamEndEvent):
            return root
        elif isinstance(event, yaml.DocumentStartEvent) and root is not None:
            raise TemplateInvalid("a second YAML document in the file", _line(event))
        else:
            continue
        if nodes > MAX_NODES or len(waiting) >= MAX_DEPTH:
            _bounded(len(waiting) + 1, nodes, _line(event))
        if waiting:
            waiting[-1].take(node)
        else:
            root = node


def _bounded(depth: int, nodes: int, line: int) -> None:
    if depth > MAX_DEPTH:
        raise TemplateInvalid(f"YAML nested deeper than {MAX_DEPTH}", line)
    if nodes > MAX_NODES:
        raise TemplateInvalid(f"YAML of more than {MAX_NODES} values", line)


def _aliased(anchors: dict[str, Node], event: yaml.AliasEvent) -> Node:
    anchor = event.anchor or ""
    if anchor not in anchors:
        raise TemplateInvalid(f"the alias {anchor[:40]} stands for nothing that came before", _line(event))
    return anchors[anchor]


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
        root = _document(_Loader(text).get_event)
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

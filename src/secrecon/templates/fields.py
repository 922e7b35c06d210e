"""Reading a table's fields by their type, with the exact reason and line where one is wrong.

`Fields` remembers which fields were read, so that what is left over is told as unknown and never silently ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from secrecon.templates.dsl.functions.refused import REASONS
from secrecon.templates.dsl.program import Program
from secrecon.templates.errors import DslError, TemplateInvalid, TemplateRefused
from secrecon.templates.render import Text, compile_condition, compile_text
from secrecon.templates.yamltree import Node, Scalar, Sequence, Table

T = TypeVar("T")
_TRUE = frozenset({"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y"})
_FALSE = frozenset({"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N", ""})
_MAX_INTEGER = (1 << 31) - 1


class Fields:
    """One table being read. `what` names it in messages."""

    def __init__(self, table: Node, what: str) -> None:
        if not isinstance(table, Table):
            raise TemplateInvalid(f"{what} must be a table of fields", table.line)
        self._entries = table.entries
        self.what = what
        self.line = table.line
        self._read: set[str] = set()

    def has(self, name: str) -> bool:
        return name in self._entries

    def node(self, name: str) -> Node | None:
        self._read.add(name)
        return self._entries.get(name)

    def line_of(self, name: str) -> int:
        return self._entries[name].line if name in self._entries else self.line

    def done(self) -> None:
        """Raises TemplateInvalid for the first field that nobody read."""
        for name, node in self._entries.items():
            if name not in self._read:
                raise TemplateInvalid(f"unknown field {name[:60]} in {self.what}", node.line)

    def text(self, name: str, default: str = "") -> str:
        node = self.node(name)
        return default if node is None else scalar(node, f"{name} of {self.what}").text

    def wanted(self, name: str) -> str:
        value = self.text(name).strip()
        if not value:
            raise TemplateInvalid(f"{self.what} has no {name}", self.line_of(name))
        return value

    def flag(self, name: str, *, default: bool = False) -> bool:
        node = self.node(name)
        if node is None:
            return default
        value = scalar(node, f"{name} of {self.what}").text
        if value in _TRUE or value in _FALSE:
            return value in _TRUE
        raise TemplateInvalid(f"{name} of {self.what} must be true or false, not {value[:40]}", node.line)

    def integer(self, name: str, default: int = 0) -> int:
        node = self.node(name)
        return default if node is None else integer(node, f"{name} of {self.what}")

    def choice(self, name: str, choices: Iterable[str], default: str) -> str:
        node = self.node(name)
        value = default if node is None else scalar(node, f"{name} of {self.what}").text.strip().lower()
        allowed = tuple(choices)
        if value not in allowed:
            raise TemplateInvalid(
                f"{name} of {self.what} is one of {', '.join(allowed)}, not {value[:40]}", self.line_of(name)
            )
        return value

    def items(self, name: str) -> tuple[Node, ...]:
        """A list; a single scalar stands for a list of one."""
        node = self.node(name)
        if node is None:
            return ()
        if isinstance(node, Sequence):
            return node.items
        if isinstance(node, Scalar):
            return (node,) if node.text or node.quoted else ()
        raise TemplateInvalid(f"{name} of {self.what} must be a list", node.line)

    def scalars(self, name: str) -> tuple[Scalar, ...]:
        return tuple(scalar(item, f"an item in {name} of {self.what}") for item in self.items(name))

    def table(self, name: str) -> tuple[tuple[str, Node], ...]:
        node = self.node(name)
        if node is None:
            return ()
        if not isinstance(node, Table):
            raise TemplateInvalid(f"{name} of {self.what} must be a table", node.line)
        return tuple(node.entries.items())


def scalar(node: Node, what: str) -> Scalar:
    if not isinstance(node, Scalar):
        raise TemplateInvalid(f"{what} must be text", node.line)
    return node


def integer(node: Node, what: str) -> int:
    written = scalar(node, what).text.strip()
    digits = written[1:] if written[:1] == "-" else written
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 10 or abs(int(written)) > _MAX_INTEGER:
        raise TemplateInvalid(f"{what} must be a whole number, not {written[:40]}", node.line)
    return int(written)


def compiled(compile_it: Callable[[str], T], node: Scalar, text: str | None = None) -> T:
    """What `compile_it` makes of the scalar, its error told with the scalar's line."""
    try:
        return compile_it(node.text if text is None else text)
    except DslError as error:
        raise TemplateInvalid(str(error), node.line) from error


def text_at(node: Scalar, text: str | None = None) -> Text:
    made = compiled(compile_text, node, text)
    _offered(made.calls, node)
    return made


def condition_at(node: Scalar) -> Program:
    made = compiled(compile_condition, node)
    _offered(made.calls, node)
    return made


def _offered(calls: frozenset[str], node: Scalar) -> None:
    for name in sorted(calls):
        if name in REASONS:
            raise TemplateRefused(f"{name}: {REASONS[name]}", node.line, policy="by policy" in REASONS[name])

"""Workflows: a template that recognises something, and the templates to run where it did.

A step names a template by its path, or several by their tags. Its subtemplates run where it matched; under `matchers` only
those of the matcher or extractor whose name was told. Nothing is run here: this reads the file and finds the templates.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from secrecon.templates.catalog import Entry
from secrecon.templates.errors import TemplateInvalid
from secrecon.templates.fields import Fields
from secrecon.templates.parse import read_info
from secrecon.templates.template import Info
from secrecon.templates.yamltree import Node, Scalar, Table, read_tree
from secrecon.templates.yamltree import Sequence as Sequence_

MAX_STEPS = 2_000
MAX_DEPTH = 10
FOREIGN = ("http", "requests", "dns", "ssl", "tcp", "network", "code", "javascript", "headless", "file")


@dataclass(frozen=True, slots=True)
class Branch:
    """Steps that run where one of `names` was told (all of them where `every`)."""

    names: tuple[str, ...]
    every: bool
    steps: tuple[Step, ...]

    def taken(self, told: frozenset[str]) -> bool:
        return told.issuperset(self.names) if self.every else not told.isdisjoint(self.names)


@dataclass(frozen=True, slots=True)
class Step:
    """`entries` run in order. `steps`: what runs where one of them matched; `branches`: where certain names were told."""

    entries: tuple[Entry, ...]
    steps: tuple[Step, ...] = ()
    branches: tuple[Branch, ...] = ()


@dataclass(frozen=True, slots=True)
class Workflow:
    """A workflow with its templates found. `missing`: what it names that is not in the set, "path or tags"."""

    id: str
    info: Info
    steps: tuple[Step, ...]
    missing: tuple[str, ...]


def read_workflow(source: bytes, entries: Sequence[Entry]) -> Workflow:
    """The workflow in a file; `entries` is the set its templates are in. Raises TemplateInvalid."""
    fields = Fields(read_tree(source), "the workflow")
    for name in FOREIGN:
        if fields.has(name):
            raise TemplateInvalid("a workflow holds no other section", fields.line_of(name))
    reader = _Reader(entries)
    steps = tuple(reader.steps(fields.items("workflows"), 0))
    if not steps:
        raise TemplateInvalid("the workflow has no steps", fields.line_of("workflows"))
    return Workflow(fields.wanted("id"), read_info(fields), steps, tuple(dict.fromkeys(reader.missing)))


class _Reader:
    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries
        self._count = 0
        self.missing: list[str] = []

    def steps(self, nodes: Sequence[Node], depth: int) -> Iterator[Step]:
        for node in nodes:
            self._count += 1
            fields = Fields(node, "a step of the workflow")
            if depth > MAX_DEPTH or self._count > MAX_STEPS:
                raise TemplateInvalid(f"more than {MAX_DEPTH} levels or {MAX_STEPS} steps", fields.line)
            branches = tuple(self._branch(item, depth) for item in fields.items("matchers"))
            below = tuple(self.steps(fields.items("subtemplates"), depth + 1))
            entries = self._found(fields)
            fields.done()
            yield Step(entries, below, branches)

    def _branch(self, node: Node, depth: int) -> Branch:
        fields = Fields(node, "a matcher of the workflow")
        names = tuple(item.text.strip() for item in fields.scalars("name") if item.text.strip())
        every = fields.choice("condition", ("and", "or"), "and") == "and"
        if not names:
            raise TemplateInvalid("a matcher of the workflow has no name", fields.line)
        steps = tuple(self.steps(fields.items("subtemplates"), depth + 1))
        fields.done()
        return Branch(names, every, steps)

    def _found(self, fields: Fields) -> tuple[Entry, ...]:
        path = fields.text("template").strip()
        tags = frozenset(
            word.strip().lower() for item in fields.scalars("tags") for word in item.text.split(",") if word.strip()
        )
        if path:
            wanted = PurePosixPath(path)
            found = tuple(entry for entry in self._entries if _is(entry.path, wanted))
        elif tags:
            found = tuple(entry for entry in self._entries if tags & set(entry.template.info.tags))
        else:
            raise TemplateInvalid("a step of the workflow names neither a template nor tags", fields.line)
        if not found:
            self.missing.append(path or ",".join(sorted(tags)))
        return found


def _is(path: str, wanted: PurePosixPath) -> bool:
    """The same file, or a file in the folder that is named; the set's root may lie above or below what is written."""
    have = PurePosixPath(path)
    if wanted.suffix not in (".yaml", ".yml"):
        return str(have).startswith(f"{wanted}/") or f"/{wanted}/" in f"/{have}"
    short, long = sorted((have.parts, wanted.parts), key=len)
    return long[-len(short) :] == short


def named_in(source: bytes) -> tuple[tuple[str, ...], bool]:
    """The template paths that a workflow file names, and whether it also chooses by tags. Raises TemplateInvalid."""
    paths: dict[str, None] = {}
    tags = False
    waiting: list[Node] = [read_tree(source)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Sequence_):
            waiting += node.items
        elif isinstance(node, Table):
            for key, value in node.entries.items():
                if key == "template" and isinstance(value, Scalar):
                    paths[value.text.strip()] = None
                elif key != "info":
                    tags = tags or key == "tags"
                    waiting.append(value)
    return tuple(paths), tags

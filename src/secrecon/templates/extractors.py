"""Extractors: values taken out of what came back. Pure; each gives its values once, in the order they were found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from secrecon.templates.documents import JsonQuestion, PathQuestion, node_text, read_document
from secrecon.templates.dsl.program import Program
from secrecon.templates.dsl.run import SYSTEM, Ambient
from secrecon.templates.dsl.values import inward, text_of
from secrecon.templates.errors import DslError, MissingVariable
from secrecon.templates.matchers import Data, part_of
from secrecon.templates.patterns import Pattern

MAX_VALUES = 10_000
MAX_EXTRACTED = 4 * 1024 * 1024


class Take(Protocol):
    def values(self, data: Data, part: str, ambient: Ambient) -> Iterable[bytes]: ...


@dataclass(frozen=True, slots=True)
class Extractor:
    """`internal`: its values are variables of later requests, not results."""

    take: Take
    part: str = "body"
    name: str = ""
    internal: bool = False

    def extract(self, data: Data, ambient: Ambient = SYSTEM) -> tuple[bytes, ...]:
        found: dict[bytes, None] = {}
        size = 0
        for value in self.take.values(data, self.part, ambient):
            found[value] = None
            size += len(value)
            if len(found) >= MAX_VALUES or size > MAX_EXTRACTED:
                break
        return tuple(found)


@dataclass(frozen=True, slots=True)
class RegexTake:
    """All matches that do not overlap; `group` 0 is the whole match."""

    patterns: tuple[Pattern, ...]
    group: int = 0

    def values(self, data: Data, part: str, ambient: Ambient) -> Iterable[bytes]:
        text = part_of(data, part)
        if text is None:
            return
        for pattern in self.patterns:
            if not pattern.absent_from(text) and self.group <= pattern.groups:
                yield from pattern.matches(text, self.group)


@dataclass(frozen=True, slots=True)
class KeyTake:
    """Values of the data by name: headers, cookies, whatever else is there."""

    keys: tuple[str, ...]

    def values(self, data: Data, part: str, ambient: Ambient) -> Iterable[bytes]:
        for key in self.keys:
            if key in data:
                yield text_of(inward(data[key]))


@dataclass(frozen=True, slots=True)
class PathTake:
    questions: tuple[PathQuestion, ...]
    attribute: str = ""

    def values(self, data: Data, part: str, ambient: Ambient) -> Iterable[bytes]:
        text = part_of(data, part)
        document = read_document(text) if text else None
        if document is None:
            return
        for question in self.questions:
            for node in question.find(document):
                value = node_text(node, self.attribute)
                if value:
                    yield value


@dataclass(frozen=True, slots=True)
class JsonTake:
    questions: tuple[JsonQuestion, ...]

    def values(self, data: Data, part: str, ambient: Ambient) -> Iterable[bytes]:
        text = part_of(data, part)
        for question in self.questions if text else ():
            yield from question.ask(text or b"")


@dataclass(frozen=True, slots=True)
class DslTake:
    """A missing variable is passed over; any other error ends this extractor."""

    programs: tuple[Program, ...]

    def values(self, data: Data, part: str, ambient: Ambient) -> Iterable[bytes]:
        for program in self.programs:
            try:
                value = text_of(program.run(data, ambient))
            except MissingVariable:
                continue
            except DslError:
                return
            if value:
                yield value

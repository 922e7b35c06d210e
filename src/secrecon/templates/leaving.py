"""What a template may send, read without sending: its texts as written, and filled in with example values.

For the policy. An example value stands for whatever only a run would know; variables, constants and payloads are worked
out as a run would. Pure, bounded, and the same for the same template.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from secrecon.templates.dsl.run import Ambient
from secrecon.templates.errors import DslError
from secrecon.templates.execution.scope import is_wish
from secrecon.templates.execution.subject import parse_subject, target_variables
from secrecon.templates.flowscript import FlowScript
from secrecon.templates.payloads import Payloads
from secrecon.templates.render import Formula, Text, compile_text
from secrecon.templates.template import HttpBlock, Template

EXAMPLE_TARGET = "http://target.example"
EXAMPLE_CALLBACK = "callback.example"
EXAMPLE_VALUE = b"1"
MAX_SETS = 300
"""Payload sets that are filled in; values beyond are read as they are written."""
MAX_VALUES = 20_000
MAX_FILLED = 20_000
MAX_CHARACTERS = 8_000_000
_ROOTS = ("{{BaseURL}}", "{{RootURL}}", EXAMPLE_TARGET)


class Examples(Mapping[str, object]):
    """`known`, and an example for every other name."""

    def __init__(self, known: Mapping[str, object]) -> None:
        self.known = dict(known)

    def __getitem__(self, name: str) -> object:
        if name in self.known:
            return self.known[name]
        return EXAMPLE_CALLBACK.encode() if is_wish(name) else EXAMPLE_VALUE

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str)

    def __iter__(self) -> Iterator[str]:
        return iter(self.known)

    def __len__(self) -> int:
        return len(self.known)


@dataclass(frozen=True, slots=True)
class Leaving:
    """`texts`: everything as written, and filled in where that differs. `targets`: (method, request target),
    filled in. `complete`: False where there was more than is read."""

    texts: tuple[str, ...]
    targets: tuple[tuple[str, str], ...]
    methods: frozenset[str]
    complete: bool


def leaving(template: Template) -> Leaving:
    """Everything that a template may send, from all its blocks, whether or not its flow comes to them."""
    reader = _Reader(template)
    for block in template.http:
        reader.http(block)
    for talk in template.tcp:
        reader.listed(talk.payloads)
        for text in (*talk.hosts, *(item.data for item in talk.inputs)):
            reader.text(text, talk.payloads)
    for lookup in template.dns:
        reader.text(lookup.name, None)
    return Leaving(tuple(reader.texts), tuple(reader.targets), methods(template), reader.complete)


def methods(template: Template) -> frozenset[str]:
    """Every method that a template uses."""
    found = {block.method for block in template.http if block.paths}
    for block in template.http:
        for raw in block.raws:
            words = raw.text.source.lstrip().split(None, 1)
            found |= {words[0].upper()} if words else set()
    return frozenset(found)


@dataclass(slots=True)
class _Reader:
    """Collects, each text once, until there is too much."""

    template: Template
    texts: dict[str, None] = field(default_factory=dict)
    targets: dict[tuple[str, str], None] = field(default_factory=dict)
    complete: bool = True
    _known: dict[str, object] = field(default_factory=dict)
    _ambient: Ambient = field(default_factory=lambda: _same_ambient())
    _size: int = 0

    def __post_init__(self) -> None:
        template = self.template
        self._known |= _target_names()
        self._known |= {
            name: value.encode("utf-8", "surrogateescape") for name, value in template.constants.items()
        }
        for name, value in template.constants.items():
            self._add(f"{name}={value}")
        for name, worth in template.variables.entries:
            self._variable(
                name, worth if isinstance(worth, tuple) else (worth,), single=not isinstance(worth, tuple)
            )
        if isinstance(template.flow, FlowScript):
            self._add(template.flow.source)

    def http(self, block: HttpBlock) -> None:
        self.listed(block.payloads)
        for text in block.paths:
            for shape in self.text(text, block.payloads):
                self.targets[block.method, _path(shape)] = None
        for raw in block.raws:
            for shape in self.text(raw.text, block.payloads):
                self.targets[_request_target(shape)] = None
            self._add(f"{raw.annotations.host}\n{raw.annotations.sni}")
        for name, value in block.headers:
            self.text(value, block.payloads, f"{name}: ")
        for rule in block.fuzzing.rules if block.fuzzing is not None else ():
            for name, value in rule.texts:
                self.text(value, block.payloads, f"{name}: " if name else "")
        if block.body is not None:
            self.text(block.body, block.payloads)
        if block.digest_username:
            self._add(f"password={block.digest_password}")

    def listed(self, payloads: Payloads | None) -> None:
        for _, values in payloads.lists if payloads is not None else ():
            self.complete = self.complete and len(values) <= MAX_VALUES
            for value in values[:MAX_VALUES]:
                self._add(value)

    def text(self, text: Text, payloads: Payloads | None, before: str = "") -> Sequence[str]:
        """Take a text in, as written and filled in; its shapes, the filled-in ones where there are any."""
        self._add(before + text.source)
        shapes = list(dict.fromkeys(self._fillings(text, payloads)))
        for shape in shapes:
            self._add(before + shape)
        return shapes or [text.source]

    def _fillings(self, text: Text, payloads: Payloads | None) -> Iterator[str]:
        """Once for each payload set that makes a difference; nothing where no place changes the text."""
        if text.names <= _target_names().keys() and not any(isinstance(piece, Formula) for piece in text.pieces):
            return
        for row in _sets(payloads, text.names):
            if not self.complete:
                return
            scope = Examples(self._known)
            for name, value in row.items():
                scope.known[name] = self._payload(value, scope)
            yield self._rendered(text, scope)

    def _variable(self, name: str, texts: tuple[Text, ...], *, single: bool) -> None:
        for text in texts:
            self._add(f"{name}={text.source}")
        if name in self._known:
            return
        scope = Examples(self._known)
        made = tuple(self._rendered(text, scope).encode("latin-1", "replace") for text in texts)
        self._known[name] = made[0] if single else made

    def _payload(self, value: str, scope: Examples) -> bytes:
        try:
            return compile_text(value).render(scope, self._ambient)
        except DslError:
            return value.encode("utf-8", "surrogateescape")

    def _rendered(self, text: Text, scope: Examples) -> str:
        """Filled in; as written where that does not work out with example values. What its expressions hold is taken in part
        by part, as a choice may send another one to a real target."""
        for piece in text.pieces:
            for value in piece.program.each(scope, self._ambient) if isinstance(piece, Formula) else ():
                if isinstance(value, bytes):
                    self._add(value.decode("latin-1"))
        try:
            return text.render(scope, self._ambient).decode("latin-1")
        except DslError:
            return text.source

    def _add(self, text: str) -> None:
        if text in self.texts:
            return
        self._size += len(text)
        if len(self.texts) >= MAX_FILLED + MAX_VALUES or self._size > MAX_CHARACTERS:
            self.complete = False
            return
        self.texts[text] = None


def _same_ambient() -> Ambient:
    """Chance that is the same each time, so that a template is judged the same each time."""
    return Ambient(lambda: 0.0, random.Random(0), lambda seconds: None)  # noqa: S311


@functools.lru_cache(maxsize=1)
def _target_names() -> Mapping[str, object]:
    return target_variables(parse_subject(EXAMPLE_TARGET), cut_slash=False)


def _sets(payloads: Payloads | None, names: frozenset[str]) -> Iterator[dict[str, str]]:
    """Payload sets for a text that reads `names`, each value once as far as there is room."""
    lists = payloads.lists if payloads is not None else ()
    longest = max((len(values) for name, values in lists if name in names), default=1)
    for at in range(min(longest, MAX_SETS)):
        yield {name: values[at % len(values)] for name, values in lists}


def _path(text: str) -> str:
    for root in _ROOTS:
        text = text.removeprefix(root)
    return text


def _request_target(text: str) -> tuple[str, str]:
    line = text.lstrip().partition("\n")[0].strip()
    method, _, rest = line.partition(" ")
    cut = rest.rfind(" HTTP/")
    return method.upper(), (rest[:cut] if cut >= 0 else rest).strip()

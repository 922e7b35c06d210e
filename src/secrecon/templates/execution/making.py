"""From an item of a block's sequence to a request: variables and payloads filled in, annotations applied, nothing left open.

A name that has no value ends the block; `Unfilled` says which. Braces around no letter, and literals alone, are text.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import re2

from secrecon.templates.dsl.program import compile_expression
from secrecon.templates.dsl.run import Ambient
from secrecon.templates.errors import DslError
from secrecon.templates.execution import building
from secrecon.templates.execution.building import Built
from secrecon.templates.execution.scope import Scope
from secrecon.templates.execution.session import Session
from secrecon.templates.execution.signing import signed, signer_from
from secrecon.templates.execution.subject import Subject
from secrecon.templates.fuzzing import Ask, written
from secrecon.templates.rawrequest import MAX_TIMEOUT, RawRequest
from secrecon.templates.render import Text, compile_text
from secrecon.templates.template import HttpBlock

_KEPT = 32_768
_SHORT = 1_000
_PLACES = (b"{{", "§".encode(), b"%7")
"""Without one of these a text has no place to fill in."""
_LEFT = re2.compile(rb"(?:%7[Bb]|\{){2}([^}]+?)(?:%7[Dd]|\}){2}")
_PORT = re2.compile(r"^\{\{(BaseURL|RootURL)\}\}:(\d{1,5})")
_SLASH = re2.compile(r"^\{\{[a-zA-Z]+\}\}/")


@dataclass(frozen=True, slots=True)
class Item:
    """One request of the sequence: a path or a raw block, its place from 1 on."""

    number: int
    text: Text
    raw: RawRequest | None


@dataclass(frozen=True, slots=True)
class Made:
    """A request with what it was made from."""

    built: Built
    scope: Scope
    payload: Mapping[str, bytes]


class Unfilled(DslError):
    """A place in a request has no value; the block ends. `names`: what has none."""

    def __init__(self, message: str, names: frozenset[str] = frozenset()) -> None:
        super().__init__(message)
        self.names = names


def items_of(block: HttpBlock) -> Iterator[Item]:
    """The block's sequence: its paths, or its raw requests where it has none."""
    for number, text in enumerate(block.paths, 1):
        yield Item(number, text, None)
    if not block.paths:
        for number, raw in enumerate(block.raws, 1):
            yield Item(number, raw.text, raw)


class Maker:
    """Makes the requests of one block in one execution."""

    def __init__(self, session: Session, block: HttpBlock) -> None:
        self._session = session
        self._block = block

    def make(self, item: Item, payload: Mapping[str, bytes], dynamic: Mapping[str, object]) -> Made:
        """The request for `item`. Raises Unfilled, and DslError where it cannot be made."""
        session, block = self._session, self._block
        subject, source, cut_slash = session.subject, item.text, False
        if item.raw is None:
            port, rest, cut_slash = _beginning(source.source)
            if port:
                subject, source = subject.at_port(port), compile_text(rest)
        scope = session.variables(dynamic, subject, cut_slash=cut_slash)
        known = scope.known
        assert isinstance(known, dict)
        filled = {name: _payload(value, scope, session) for name, value in payload.items()}
        known.update(filled)
        if session.template.self_contained:
            known.update(session.template.constants)
        if not block.skip_variables_check:
            self._check(source, scope, item.number)
        rendered = source.render(scope, session.ambient)
        built = self._build(item, rendered, subject, scope)
        if block.signature:
            built = signed(built, signer_from(scope.known), session.ambient.now())
        if not block.skip_variables_check:
            self._check_wire(built.wire, item.number)
        return Made(built, scope, filled)

    def mutated(self, ask: Ask, payload: Mapping[str, bytes]) -> Made:
        """The target's own request with something put in. Raises Unfilled, and DslError where it cannot be made."""
        session = self._session
        subject = session.subject
        scope = session.variables({}, subject, cut_slash=False)
        known = scope.known
        assert isinstance(known, dict)
        filled = {name: _payload(value, scope, session) for name, value in payload.items()}
        known.update(filled)
        left = ask.text.unresolved(scope)
        if left and not self._block.skip_variables_check:
            raise Unfilled(f"what is put in needs {', '.join(sorted(set(left))[:5])}, which has no value")
        path, headers = written(subject.path, subject.query, ask, ask.text.render(scope, session.ambient))
        own = tuple(
            (name, value.render(scope, session.ambient).decode("latin-1")) for name, value in self._block.headers
        )
        url = f"{subject.origin}{path}".encode("latin-1", "replace")
        built = building.from_url(url, replace(subject, path="", query=""), "GET", (*own, *headers), None)
        return Made(built, scope, filled)

    def _build(self, item: Item, rendered: bytes, subject: Subject, scope: Scope) -> Built:
        block, ambient = self._block, self._session.ambient
        headers = tuple((name, value.render(scope, ambient).decode("latin-1")) for name, value in block.headers)
        if self._session.template.self_contained:
            subject = replace(subject, path="", query="")
        if item.raw is None:
            body = None if block.body is None else block.body.render(scope, ambient)
            return building.from_url(rendered, subject, block.method, headers, body)
        automerge = not block.disable_path_automerge
        if self._session.template.self_contained:
            subject, parts = building.self_contained(rendered)
            target = parts.path or "/"
            built = building.assemble(
                subject.origin, subject.origin, parts.method, target, (*parts.headers, *headers), parts.body
            )
        elif block.unsafe:
            built = building.unsafe(rendered, subject, automerge=automerge)
        else:
            built = building.from_raw(rendered, subject, headers, automerge=automerge)
            if block.body is not None:
                body = block.body.render(scope, ambient)
                built = building.assemble(
                    built.origin, built.connect, built.method, built.target, built.headers, body, subject.written
                )
        return self._annotated(built, item.raw, scope)

    def _annotated(self, built: Built, raw: RawRequest, scope: Scope) -> Built:
        notes, ambient = raw.annotations, self._session.ambient
        if notes.host:
            built = replace(built, connect=building.other_host(_filled(notes.host, scope, ambient), built.origin))
        if notes.sni:
            name = notes.sni if notes.sni != "interactsh-url" else "{{interactsh-url}}"
            wire_host = {key.lower(): value for key, value in built.headers}.get("host", built.origin.host)
            sni = wire_host.partition(":")[0] if name == "request.host" else _filled(name, scope, ambient)
            built = replace(built, sni=sni)
        return replace(built, timeout=min(notes.timeout, MAX_TIMEOUT)) if notes.timeout else built

    def _check(self, source: Text, scope: Scope, number: int) -> None:
        texts = [source, *(value for _, value in self._block.headers)]
        if self._block.body is not None:
            texts.append(self._block.body)
        left = [name for text in texts for name in text.unresolved(scope)]
        if left:
            told = ", ".join(sorted(set(left))[:5])
            raise Unfilled(f"request {number} needs {told}, which has no value", frozenset(left))

    def _check_wire(self, wire: bytes, number: int) -> None:
        """What payloads and values brought in counts too."""
        if b"{{" not in wire and b"%7B%7B" not in wire and b"%7b%7b" not in wire:
            return
        for match in _LEFT.finditer(wire):
            inside = match.group(1)
            if any(65 <= char <= 90 or 97 <= char <= 122 for char in inside) and not _literal(inside):
                raise Unfilled(
                    f"request {number} still holds {match.group(0)[:60].decode('latin-1')}, which has no value"
                )


@functools.lru_cache(maxsize=_KEPT)
def _beginning(source: str) -> tuple[int, str, bool]:
    """`{{BaseURL}}:8080/x` is the target on port 8080: that port, 0 for none, the text without it, and whether it goes on
    with a slash of its own."""
    port, match = 0, _PORT.match(source)
    if match is not None and 0 < int(match.group(2)) < 65_536:
        port, source = int(match.group(2)), f"{{{{{match.group(1)}}}}}{source[match.end() :]}"
    return port, source, bool(_SLASH.match(source))


def _payload(value: bytes, scope: Scope, session: Session) -> bytes:
    if len(value) < _SHORT and not any(sign in value for sign in _PLACES):
        return value
    return compile_text(value.decode("utf-8", "surrogateescape")).render(scope, session.ambient)


def _filled(text: str, scope: Scope, ambient: Ambient) -> str:
    return compile_text(text).render(scope, ambient).decode("latin-1")


def _literal(inside: bytes) -> bool:
    """True for an expression of literals alone, such as `7*7`."""
    try:
        program = compile_expression(inside.decode("latin-1"))
        program.run({})
    except DslError:
        return False
    return not program.names

"""One http block: its requests in order, what each response means, and what later requests learn from it.

All items of the sequence for one payload set, then the next set. Blocks with payloads share no history between requests,
unless an extracted value must travel from one to the next. A name that cannot be filled in ends the block silently for
the verdict, and is told as a problem: it could not be tested.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, replace

import re2

from secrecon.templates.dsl.program import compile_expression
from secrecon.templates.dsl.run import Ambient
from secrecon.templates.errors import DslError
from secrecon.templates.execution import building
from secrecon.templates.execution.asks import Answer, Ask, Trouble, WaitAsk
from secrecon.templates.execution.building import Built
from secrecon.templates.execution.events import Found, Waiting, results
from secrecon.templates.execution.following import Hop, Manner, exchange
from secrecon.templates.execution.scope import Minted, Scope, placeholders
from secrecon.templates.execution.session import Session
from secrecon.templates.execution.subject import Subject
from secrecon.templates.operators import Verdict
from secrecon.templates.payloads import Payloads
from secrecon.templates.rawrequest import MAX_TIMEOUT, RawRequest
from secrecon.templates.render import Text, compile_text
from secrecon.templates.template import HttpBlock

MAX_ITERATED = 1_000
_LEFT = re2.compile(rb"(?:%7[Bb]|\{){2}([^}]+?)(?:%7[Dd]|\}){2}")
_PORT = re2.compile(r"^\{\{(BaseURL|RootURL)\}\}:(\d{1,5})")
_SLASH = re2.compile(r"^\{\{[a-zA-Z]+\}\}/")
Dynamic = dict[str, bytes | tuple[bytes, ...]]


@dataclass(frozen=True, slots=True)
class _Item:
    """One request of the sequence: a path or a raw block, its place from 1 on."""

    number: int
    text: Text
    raw: RawRequest | None


@dataclass(frozen=True, slots=True)
class _Made:
    """A request with what it was made from."""

    built: Built
    scope: Scope
    payload: Mapping[str, bytes]


class _Unfilled(DslError):
    """A place in a request has no value; the block ends. `names`: what has none."""

    def __init__(self, message: str, names: frozenset[str] = frozenset()) -> None:
        super().__init__(message)
        self.names = names


class HttpRun:
    """One run of a block. `number` of `total`: which http block of the template it is."""

    def __init__(self, session: Session, block: HttpBlock, number: int, total: int) -> None:
        self._session = session
        self._block = block
        self._number = number
        self._total = total
        self._items = tuple(_items(block))
        self._listens = listens(block)
        self._alone = _shares_nothing(block, len(self._items))
        self._minted: list[Minted] = []
        self._extracted = _extracted_names(session)
        self._timeout = max((item.raw.annotations.timeout for item in self._items if item.raw), default=0.0)

    def run(self) -> Generator[Ask, Answer, bool]:
        """Whether anything matched."""
        matched = False
        payloads = self._payloads()
        for at, payload in enumerate(self._sets(payloads)):
            dynamic: Dynamic = {}
            history: dict[str, object] = {}
            for item in self._items:
                if item.raw is not None and item.raw.annotations.once and at:
                    continue
                for picked in self._picks(dynamic):
                    if self._alone:
                        history = {}
                    try:
                        verdict = yield from self._request(item, payload, picked, history)
                    except _Unfilled as error:
                        if not error.names or not error.names <= self._extracted:
                            self._session.trouble(Trouble.INVALID, str(error))
                        return matched
                    except DslError as error:
                        self._session.trouble(Trouble.INVALID, f"request {item.number} cannot be built: {error}")
                        continue
                    if verdict is None:
                        continue
                    dynamic.update(verdict.dynamic)
                    matched = matched or verdict.matched
                    if verdict.matched and self._stops:
                        return True
        return matched

    @property
    def _stops(self) -> bool:
        session = self._session
        return (
            self._block.stop_at_first_match
            or session.template.stop_at_first_match
            or session.options.stop_at_first_match
        )

    def _payloads(self) -> Payloads | None:
        made, asked = self._block.payloads, self._session.options.attack
        return replace(made, attack=asked) if made is not None and asked is not None else made

    def _sets(self, payloads: Payloads | None) -> Iterator[dict[str, bytes]]:
        """Payload sets as they are written; each is filled in when its request is made."""
        if payloads is None:
            yield {}
            return
        yield from payloads.written()

    def _picks(self, dynamic: Dynamic) -> Iterator[dict[str, bytes]]:
        """The values that the next request is made with: the first of each, or one after the other (`iterate-all`)."""
        lists = {name: value if isinstance(value, tuple) else (value,) for name, value in dynamic.items()}
        rounds = max((len(values) for values in lists.values()), default=1) if self._block.iterate_all else 1
        for at in range(min(rounds, MAX_ITERATED)):
            yield {name: values[min(at, len(values) - 1)] for name, values in lists.items() if values}

    def _request(
        self, item: _Item, payload: Mapping[str, bytes], dynamic: Mapping[str, object], history: dict[str, object]
    ) -> Generator[Ask, Answer, Verdict | None]:
        session, block = self._session, self._block
        made = self._make(item, payload, dynamic)
        seconds = session.passed_time()
        if seconds:
            yield WaitAsk(seconds)
        self._minted += made.scope.minted
        session.wanting = session.wanting or made.scope.wanting
        manner = Manner(block, session.options.sni, self._timeout, session.options.redirects)
        session.asked += 1
        hops = yield from exchange(made.built, manner, session.jar, session.ambient)
        if hops[-1].answer.reply is None and len(hops) > 1:
            hops = hops[:-1]  # a redirect that could not be followed is the answer itself
        if hops[-1].answer.reply is None:
            self._failed(made, hops[-1])
            return None
        session.answered += 1
        best: Verdict | None = None
        duration = sum(hop.answer.reply.waited for hop in hops if hop.answer.reply is not None)
        for at in range(len(hops) - 1, -1, -1):
            data = self._data(made, hops, at, duration, history, item.number)
            verdict = self._judge(made, hops[at], data)
            best = verdict if best is None else _joined(best, verdict)
            if verdict.matched and self._stops:
                break
        seconds = session.passed_time()
        if seconds:
            yield WaitAsk(seconds)
        if best is not None:
            session.keep_dynamic(best.dynamic)
        return best

    def _make(self, item: _Item, payload: Mapping[str, bytes], dynamic: Mapping[str, object]) -> _Made:
        session, block = self._session, self._block
        subject, source = session.subject, item.text
        if item.raw is None:
            subject, source = _at_port(subject, source)
        scope = session.variables(
            dynamic, subject, cut_slash=item.raw is None and bool(_SLASH.match(source.source))
        )
        known = scope.known
        assert isinstance(known, dict)
        filled = {name: _payload(value, scope, session) for name, value in payload.items()}
        known.update(filled)
        if session.template.self_contained:
            known.update(session.template.constants)
        if not block.skip_variables_check:
            self._check(source, scope, item.number)
        written = source.render(scope, session.ambient)
        built = self._build(item, written, subject, scope)
        if not block.skip_variables_check:
            self._check_wire(built.wire, item.number)
        return _Made(built, scope, filled)

    def _build(self, item: _Item, written: bytes, subject: Subject, scope: Scope) -> Built:
        block, ambient = self._block, self._session.ambient
        headers = tuple((name, value.render(scope, ambient).decode("latin-1")) for name, value in block.headers)
        if item.raw is None:
            body = None if block.body is None else block.body.render(scope, ambient)
            return building.from_url(written, subject, block.method, headers, body)
        automerge = not block.disable_path_automerge
        if self._session.template.self_contained:
            subject, parts = building.self_contained(written)
            target = parts.path or "/"
            built = building.assemble(
                subject.origin, subject.origin, parts.method, target, (*parts.headers, *headers), parts.body
            )
        elif block.unsafe:
            built = building.unsafe(written, subject, automerge=automerge)
        else:
            built = building.from_raw(written, subject, headers, automerge=automerge)
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
            raise _Unfilled(f"request {number} needs {told}, which has no value", frozenset(left))

    def _check_wire(self, wire: bytes, number: int) -> None:
        """What payloads and values brought in counts too."""
        if b"{{" not in wire and b"%7B%7B" not in wire and b"%7b%7b" not in wire:
            return
        for match in _LEFT.finditer(wire):
            inside = match.group(1)
            if any(65 <= char <= 90 or 97 <= char <= 122 for char in inside) and not _literal(inside):
                raise _Unfilled(
                    f"request {number} still holds {match.group(0)[:60].decode('latin-1')}, which has no value"
                )

    def _data(
        self, made: _Made, hops: list[Hop], at: int, duration: float, history: dict[str, object], number: int
    ) -> dict[str, object]:
        """What the operators see of one hop."""
        session, hop = self._session, hops[at]
        reply = hop.answer.reply
        assert reply is not None
        seen: dict[str, object] = dict(made.payload)
        seen.update(hop.answer.data if at == len(hops) - 1 else hop.answer.bare)
        seen.update(
            {
                "host": session.subject.url.encode("utf-8", "surrogateescape"),
                "type": b"http",
                "matched": hop.built.url.encode("latin-1", "replace"),
                "request": hop.built.wire,
                "duration": duration,
                "template-id": session.template.id.encode(),
                "template-path": session.prepared.path.encode(),
                "ip": reply.address.encode(),
            }
        )
        session.keep("http", self._number, self._total, self._block.id, seen)
        if session.shares:
            seen.update(session.context)
        seen.update(placeholders(tuple(made.scope.minted)))
        data = {**made.scope.known, **history, **seen}
        if self._block.indexed:
            numbered = {f"{name}_{number}": value for name, value in seen.items()}
            history.update(numbered)
            data.update(numbered)
        return data

    def _judge(self, made: _Made, hop: Hop, data: dict[str, object]) -> Verdict:
        session = self._session
        verdict = self._block.operators.judge(data, session.ambient)
        if verdict.results or self._listens or session.options.status:
            shown = self._shown(made, hop)
            session.found += results(shown, verdict)
            if session.options.status and not verdict.matched:
                session.found.append(replace(shown, held=False))
            self._await(shown, data, made)
        return verdict

    def _await(self, shown: Found, data: Mapping[str, object], made: _Made) -> None:
        """Keep a request whose verdict may change with a callback: with all addresses so far where histories matter."""
        if not self._listens:
            return
        minted = self._minted if self._block.indexed else made.scope.minted
        if minted:
            tokens = frozenset(item.token for item in minted)
            self._session.waiting.append(Waiting(shown, self._block.operators, data, tokens, self._stops))

    def _failed(self, made: _Made, hop: Hop) -> None:
        """No answer. A callback may come all the same, so the request is kept with what there is."""
        session = self._session
        session.trouble(hop.answer.trouble or Trouble.BROKEN, hop.answer.reason)
        shown = self._shown(made, hop)
        if session.options.status:
            session.found.append(replace(shown, held=False, failed=hop.answer.reason))
        data = {**made.scope.known, "host": session.subject.url.encode("utf-8", "surrogateescape"), "type": b"http"}
        self._await(shown, data, made)

    def _shown(self, made: _Made, hop: Hop) -> Found:
        session, built, reply = self._session, hop.built, hop.answer.reply
        return Found(
            template=session.template,
            protocol="http",
            host=session.subject.url,
            matched=built.url,
            request=built.wire,
            response=b"" if reply is None else _response(hop),
            address=reply.address if reply is not None else "",
            meta=made.payload,
            built=built,
        )


def _response(hop: Hop) -> bytes:
    value = hop.answer.data["response"]
    assert isinstance(value, bytes)
    return value


def listens(block: HttpBlock) -> bool:
    """Whether the block's operators look at callbacks."""
    return any(name.startswith("interactsh_") for name in block.operators.reads)


def _extracted_names(session: Session) -> frozenset[str]:
    """The names that responses may give a value. Where one has none the product simply did not answer as hoped for."""
    template = session.template
    operators = [block.operators for block in template.http] + [block.operators for block in template.dns]
    operators += [block.operators for block in template.ssl] + [block.operators for block in template.tcp]
    return frozenset(each.name for one in operators for each in one.extractors if each.name)


def _items(block: HttpBlock) -> Iterator[_Item]:
    for number, text in enumerate(block.paths, 1):
        yield _Item(number, text, None)
    if not block.paths:
        for number, raw in enumerate(block.raws, 1):
            yield _Item(number, raw.text, raw)


def _shares_nothing(block: HttpBlock, items: int) -> bool:
    """Blocks with payloads run side by side in the reference, so that no request sees the history of another; but not
    where a named internal value goes from one request to the next."""
    carries = any(each.internal and each.name for each in block.operators.extractors)
    return block.payloads is not None and not (carries and items > 1)


def _at_port(subject: Subject, source: Text) -> tuple[Subject, Text]:
    """`{{BaseURL}}:8080/x` is the target on port 8080."""
    match = _PORT.match(source.source)
    if match is None or not 0 < int(match.group(2)) < 65_536:
        return subject, source
    name = match.group(1)
    rest = source.source[match.end() :]
    return subject.at_port(int(match.group(2))), compile_text(f"{{{{{name}}}}}{rest}")


def _payload(value: bytes, scope: Scope, session: Session) -> bytes:
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


def _joined(first: Verdict, second: Verdict) -> Verdict:
    """Two hops of one request read as one."""
    return Verdict(
        first.matched or second.matched,
        first.results + second.results,
        {**second.extracted, **first.extracted},
        {**second.dynamic, **first.dynamic},
    )

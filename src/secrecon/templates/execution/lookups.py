"""dns, ssl and tcp blocks: one question each, and the operators over what came back."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import replace

from secrecon.model.errors import BadInput
from secrecon.templates.errors import DslError
from secrecon.templates.execution.asks import (
    Answer,
    Ask,
    DnsAnswer,
    DnsAsk,
    TcpAnswer,
    TcpAsk,
    TcpStep,
    TlsAnswer,
    TlsAsk,
    Trouble,
    WaitAsk,
)
from secrecon.templates.execution.events import Found, Waiting, results
from secrecon.templates.execution.scope import Scope, placeholders
from secrecon.templates.execution.session import Session
from secrecon.templates.execution.subject import split_authority
from secrecon.templates.operators import Operators
from secrecon.templates.render import Text, compile_text
from secrecon.templates.template import DnsBlock, SslBlock, TcpBlock

MAX_READ = 4 * 1024 * 1024
Steps = Generator[Ask, Answer, bool]


def run_dns(session: Session, block: DnsBlock, number: int, total: int) -> Steps:
    """Look the block's name up and judge the answer."""
    scope, name = yield from session.knowing(lambda: _named(session, block.name))
    name = name.strip().rstrip(".")
    if not name:
        return False
    session.asked += 1
    answer = yield DnsAsk(name, block.type, block.class_, block.recursion, block.retries)
    assert isinstance(answer, DnsAnswer)
    if answer.trouble is not None:
        session.trouble(answer.trouble, answer.reason)
        return False
    session.answered += 1
    seen: dict[str, object] = {
        **answer.sections,
        "body": answer.sections.get("raw", b""),
        "rcode": answer.rcode,
        "host": session.subject.origin.host.encode(),
        "matched": name.encode(),
        "type": b"dns",
        "request": f"{name}.\tIN\t{block.type}".encode(),
    }
    shown = Found(session.template, "dns", session.subject.url, name, response=answer.sections.get("raw", b""))
    return (yield from _judged(session, block.operators, scope, seen, shown, ("dns", number, total, block.id)))


def run_ssl(session: Session, block: SslBlock, number: int, total: int) -> Steps:
    """Shake hands with the block's address and judge what that showed."""
    scope, address = yield from session.knowing(lambda: _named(session, block.address))
    host, port = _place(address, 443)
    session.asked += 1
    answer = yield TlsAsk(host, port, session.options.sni, block.min_version, block.max_version)
    assert isinstance(answer, TlsAnswer)
    if answer.trouble is not None:
        session.trouble(answer.trouble, answer.reason)
        return False
    session.answered += 1
    seen: dict[str, object] = {
        **answer.facts,
        "response": answer.document,
        "body": answer.document,
        "host": session.subject.origin.host.encode(),
        "matched": address.encode(),
        "type": b"ssl",
        "ip": answer.address.encode(),
    }
    shown = Found(
        session.template, "ssl", session.subject.url, address, response=answer.document, address=answer.address
    )
    return (yield from _judged(session, block.operators, scope, seen, shown, ("ssl", number, total, block.id)))


def run_tcp(session: Session, block: TcpBlock, number: int, total: int) -> Steps:
    """Every address and payload set of the block, until the first match where it says so."""
    matched = False
    sets: Iterator[dict[str, bytes]] = block.payloads.written() if block.payloads is not None else iter([{}])
    for payload in sets:
        for written in block.hosts:
            held = yield from _conversation(session, block, written, payload, (number, total))
            matched = matched or held
            if held and (block.stop_at_first_match or session.template.stop_at_first_match):
                return True
    return matched


def _conversation(
    session: Session, block: TcpBlock, written: Text, payload: Mapping[str, bytes], place: tuple[int, int]
) -> Steps:
    scope, ask = yield from session.knowing(lambda: _talk(session, block, written, payload))
    host, port, steps = ask.host, ask.port, ask.steps
    session.asked += 1
    answer = yield ask
    assert isinstance(answer, TcpAnswer)
    if answer.trouble is not None:
        session.trouble(answer.trouble, answer.reason)
        return False
    session.answered += 1
    everything = b"".join(answer.reads) + answer.rest
    seen: dict[str, object] = {
        **payload,
        **{step.name: read for step, read in zip(steps, answer.reads, strict=False) if step.name},
        "request": b"".join(step.data for step in steps),
        "data": answer.rest or everything,
        "raw": everything,
        "body": answer.rest or everything,
        "response": everything,
        "host": session.subject.origin.host.encode(),
        "matched": f"{host}:{port}".encode(),
        "port": str(port).encode(),
        "type": b"tcp",
        "ip": answer.address.encode(),
    }
    shown = Found(
        session.template,
        "tcp",
        session.subject.url,
        f"{host}:{port}",
        request=b"".join(step.data for step in steps),
        response=everything,
        address=answer.address,
        meta=payload,
    )
    return (yield from _judged(session, block.operators, scope, seen, shown, ("tcp", *place, block.id)))


def _named(session: Session, text: Text) -> tuple[Scope, str]:
    scope = _scope(session)
    return scope, _filled(session, text, scope)


def _talk(session: Session, block: TcpBlock, written: Text, payload: Mapping[str, bytes]) -> tuple[Scope, TcpAsk]:
    scope = _scope(session, payload)
    address = _filled(session, written, scope)
    tls = address.lower().startswith("tls://")
    host, port = _place(address.partition("://")[2] if "://" in address else address, _port(session, block, scope))
    steps = tuple(
        TcpStep(_data(session, item.data, scope, hexadecimal=item.hexadecimal), min(item.read, MAX_READ), item.name)
        for item in block.inputs
    )
    return scope, TcpAsk(host, port, tls, steps, min(block.read_size, MAX_READ), block.read_all)


def _scope(session: Session, payload: Mapping[str, bytes] | None = None) -> Scope:
    scope = session.variables({}, session.subject, cut_slash=False)
    if payload:
        known = scope.known
        assert isinstance(known, dict)
        known.update(
            {
                name: compile_text(value.decode("utf-8", "surrogateescape")).render(scope, session.ambient)
                for name, value in payload.items()
            }
        )
    return scope


def _filled(session: Session, text: Text, scope: Scope) -> str:
    """The text with everything filled in. Raises DslError where something has no value."""
    left = text.unresolved(scope)
    if left:
        raise DslError(f"it needs {', '.join(sorted(left)[:5])}, which has no value")
    return text.render(scope, session.ambient).decode("utf-8", "replace")


def _data(session: Session, text: Text, scope: Scope, *, hexadecimal: bool) -> bytes:
    data = text.render(scope, session.ambient)
    if not hexadecimal:
        return data
    try:
        return bytes.fromhex(data.decode("ascii"))
    except ValueError as error:
        raise DslError("an input of type hex is not hexadecimal") from error


def _place(address: str, default: int) -> tuple[str, int]:
    try:
        return split_authority(address.partition("/")[0], default)
    except BadInput as error:
        raise DslError(str(error)) from error


def _port(session: Session, block: TcpBlock, scope: Scope) -> int:
    written = _filled(session, block.port, scope).partition(",")[0].strip()
    if written.isascii() and written.isdigit() and 0 < int(written[:6]) < 65_536:
        return int(written)
    return session.subject.origin.port


def _judged(
    session: Session,
    operators: Operators,
    scope: Scope,
    seen: dict[str, object],
    shown: Found,
    place: tuple[str, int, int, str],
) -> Steps:
    protocol, number, total, id_ = place
    seen["template-id"] = session.template.id.encode()
    session.keep(protocol, number, total, id_, seen)
    if session.shares:
        seen.update(session.context)
    seen.update(placeholders(tuple(scope.minted)))
    data = {**scope.known, **seen}
    verdict = yield from session.knowing(lambda: operators.judge(data, session.ambient))
    if verdict.undecided:
        session.trouble(Trouble.INVALID, f"the answer cannot be judged: {verdict.undecided}")
    session.found += results(shown, verdict)
    if session.options.status and not verdict.matched:
        session.found.append(replace(shown, held=False))
    session.wanting = session.wanting or scope.wanting
    if scope.minted and any(name.startswith("interactsh_") for name in operators.reads):
        tokens = frozenset(item.token for item in scope.minted)
        session.waiting.append(Waiting(shown, operators, data, tokens, False))
    session.keep_dynamic(verdict.dynamic)
    seconds = session.passed_time()
    if seconds:
        yield WaitAsk(seconds)
    return verdict.matched

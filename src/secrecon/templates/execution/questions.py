"""What expressions ask of the network (`resolve`, `jarm`), as asks like all others.

An expression that needs an answer is interrupted, the answer is asked for, and the expression is worked out again. The
answers are kept for the execution.
"""

from __future__ import annotations

from collections.abc import Generator

from secrecon.model.errors import BadInput
from secrecon.templates.dsl.run import Ambient, Question
from secrecon.templates.errors import DslError
from secrecon.templates.execution.asks import Answer, Ask, DnsAnswer, DnsAsk, TcpAnswer, TcpAsk, TcpStep, Trouble
from secrecon.templates.execution.subject import split_authority
from secrecon.templates.jarm import READ, fingerprint, hellos

MAX_QUESTIONS = 20
Told = tuple[bytes | None, Trouble | None, str]
"""The answer or None; the trouble, where it is one of the network; the reason."""


def learn(question: Question, ambient: Ambient) -> Generator[Ask, Answer, Told]:
    """The answer to one question."""
    if question.kind == "resolve":
        return (yield from _resolve(question))
    return (yield from _jarm(question, ambient))


def _resolve(question: Question) -> Generator[Ask, Answer, Told]:
    kind = question.detail.upper()
    answer = yield DnsAsk(question.about, kind)
    assert isinstance(answer, DnsAnswer)
    if answer.trouble is not None:
        return None, answer.trouble, answer.reason
    for row in (line.split(b"\t") for line in answer.sections.get("raw", b"").split(b"\n")):
        if len(row) > 4 and row[3] == kind.encode():
            value = row[4].strip().split(b" ")[-1] if kind in ("MX", "SRV") else row[4].strip().strip(b'"')
            return value.rstrip(b".") if kind in ("MX", "SRV", "NS", "CNAME", "PTR") else value, None, ""
    return None, None, f"{question.about} has no {kind} record"


def _jarm(question: Question, ambient: Ambient) -> Generator[Ask, Answer, Told]:
    try:
        host, port = split_authority(question.about, 443)
    except BadInput as error:
        return None, None, str(error)
    heard: list[bytes] = []
    for hello in hellos(host, ambient.chance):
        answer = yield TcpAsk(host, port, False, (TcpStep(hello, READ),), 0)
        assert isinstance(answer, TcpAnswer)
        if answer.trouble is not None and (not heard or answer.trouble in (Trouble.REFUSED, Trouble.SKIPPED)):
            return None, answer.trouble, answer.reason
        heard.append(answer.reads[0] if answer.reads else b"")
    return fingerprint(heard).encode(), None, ""


def told_of(told: Told, question: Question) -> bytes:
    """The answer. Raises DslError where there is none."""
    value, _, reason = told
    if value is None:
        raise DslError(f"{question.kind}: {reason}")
    return value

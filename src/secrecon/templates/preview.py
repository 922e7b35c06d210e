"""What a template would ask of a target, built as a run builds it and never sent: every ask is answered with "not asked".

All blocks are shown whether or not a flow would come to them. What only a run would know (a token from a page, a
cookie) has an example value, `<name>`, or 1 where a text in angle brackets does not do.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from secrecon.templates.dsl.run import Ambient
from secrecon.templates.execution.asks import (
    Answer,
    Ask,
    DnsAnswer,
    DnsAsk,
    HttpAnswer,
    HttpAsk,
    TcpAnswer,
    TcpAsk,
    TlsAnswer,
    TlsAsk,
    Trouble,
    WaitAsk,
    Waited,
)
from secrecon.templates.execution.run import Outcome, execute
from secrecon.templates.execution.scope import is_wish
from secrecon.templates.execution.session import Options, prepare
from secrecon.templates.execution.subject import Subject, target_variables
from secrecon.templates.leaving import EXAMPLE_CALLBACK
from secrecon.templates.payloads import Payloads
from secrecon.templates.render import Text, compile_text
from secrecon.templates.template import Template

MAX_ASKS = 20
_NOT_ASKED = "not asked"
Shown = HttpAsk | DnsAsk | TlsAsk | TcpAsk


@dataclass(frozen=True, slots=True)
class Preview:
    """`asks`: the first of them, in order. `more`: there are others. `examples`: names that only a run would fill in.
    `problems`: what could not be built, and why. `callbacks`: how many addresses the shown asks carry."""

    asks: tuple[Shown, ...]
    more: bool
    examples: tuple[str, ...]
    problems: tuple[str, ...]
    callbacks: int


def preview(template: Template, subject: Subject, options: Options, most: int = MAX_ASKS) -> Preview:
    """The asks of `template` on `subject`."""
    names = tuple(sorted(_unknown(template, subject, options)))
    found = _driven(template, subject, options, {name: f"<{name}>".encode() for name in names}, most)
    if found.problems and names:
        other = _driven(template, subject, options, dict.fromkeys(names, b"1"), most)
        if len(other.problems) < len(found.problems):
            found = other
    return replace(found, examples=names)


def _driven(
    template: Template, subject: Subject, options: Options, examples: Mapping[str, object], most: int
) -> Preview:
    ambient = Ambient(lambda: 0.0, random.Random(0), lambda seconds: None)  # noqa: S311 - the same each time
    minted = 0

    def mint() -> tuple[str, str]:
        nonlocal minted
        minted += 1
        return EXAMPLE_CALLBACK, f"callback-{minted}"

    whole = replace(template, flow=None)
    steps = execute(prepare(whole, ambient), subject, options, ambient, mint, passed=examples)
    asks: list[Shown] = []
    try:
        ask = next(steps)
        while len(asks) < most:
            if isinstance(ask, HttpAsk | DnsAsk | TlsAsk | TcpAsk):
                asks.append(ask)
            ask = steps.send(_no_answer(ask))
    except StopIteration as end:
        outcome: Outcome = end.value
        problems = tuple(reason for _, reason in outcome.problems if reason != _NOT_ASKED)
        return Preview(tuple(asks), False, (), problems, minted)
    steps.close()
    return Preview(tuple(asks), True, (), (), minted)


def _no_answer(ask: Ask) -> Answer:
    if isinstance(ask, WaitAsk):
        return Waited()
    if isinstance(ask, HttpAsk):
        return HttpAnswer(None, Trouble.SKIPPED, _NOT_ASKED)
    if isinstance(ask, DnsAsk):
        return DnsAnswer(trouble=Trouble.SKIPPED, reason=_NOT_ASKED)
    if isinstance(ask, TlsAsk):
        return TlsAnswer(trouble=Trouble.SKIPPED, reason=_NOT_ASKED)
    return TcpAnswer(trouble=Trouble.SKIPPED, reason=_NOT_ASKED)


def _unknown(template: Template, subject: Subject, options: Options) -> frozenset[str]:
    """The names that the template's texts read and that neither it nor the target gives a value."""
    known = {name for name, _ in template.variables.entries} | template.constants.keys() | options.given.keys()
    known |= target_variables(subject, cut_slash=False).keys()
    read: set[str] = set()
    for text in _texts(template):
        read |= text.names
    for payloads in _payloads(template):
        known |= {name for name, _ in payloads.lists}
        for _, values in payloads.lists:
            read |= {name for value in values[:MAX_ASKS] if "{{" in value for name in compile_text(value).names}
    return frozenset(name for name in read - known if not is_wish(name))


def _texts(template: Template) -> Iterator[Text]:
    for block in template.http:
        yield from block.paths
        yield from (raw.text for raw in block.raws)
        yield from (value for _, value in block.headers)
        yield from (block.body,) if block.body is not None else ()
    for talk in template.tcp:
        yield from (*talk.hosts, talk.port, *(item.data for item in talk.inputs))
    yield from (lookup.name for lookup in template.dns)
    yield from (shake.address for shake in template.ssl)
    for _, value in template.variables.entries:
        yield from value if isinstance(value, tuple) else (value,)


def _payloads(template: Template) -> Iterator[Payloads]:
    blocks = (*(block.payloads for block in template.http), *(talk.payloads for talk in template.tcp))
    yield from (payloads for payloads in blocks if payloads is not None)

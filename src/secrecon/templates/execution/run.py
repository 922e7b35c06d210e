"""A whole template on one target: its blocks in order, or as its flow says.

Without a flow every block runs, whatever the ones before found. With one, a call is true where a matcher of its blocks
matched, or where blocks without matchers gave something.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import dataclass

from secrecon.templates.dsl.run import Ambient
from secrecon.templates.errors import DslError
from secrecon.templates.execution import lookups
from secrecon.templates.execution.asks import Answer, Ask, Trouble
from secrecon.templates.execution.cookies import Jar
from secrecon.templates.execution.events import Found, Waiting
from secrecon.templates.execution.http import HttpRun
from secrecon.templates.execution.scope import Mint
from secrecon.templates.execution.session import Options, Prepared, Session
from secrecon.templates.execution.subject import Subject
from secrecon.templates.flow import Ask as Call
from secrecon.templates.flow import Both, Either, Flow, Not, Step, When
from secrecon.templates.flowscript import Answered, FlowScript


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an execution came to. `matched`: some block matched. `asked` and `answered` count requests, redirects not
    among them. `problems`: what could not be tested and why, in order. `wanting`: a callback address was wished for and
    there was no listener. `dynamic`: what was extracted, for a workflow to pass on. `statuses`: of every HTTP
    answer."""

    matched: bool
    found: tuple[Found, ...]
    waiting: tuple[Waiting, ...]
    asked: int
    answered: int
    problems: tuple[tuple[Trouble, str], ...]
    wanting: bool
    dynamic: Mapping[str, object]
    statuses: frozenset[int] = frozenset()


def execute(
    prepared: Prepared,
    subject: Subject,
    options: Options,
    ambient: Ambient,
    mint: Mint,
    *,
    jar: Jar | None = None,
    passed: Mapping[str, object] | None = None,
) -> Generator[Ask, Answer, Outcome]:
    """Run the template. `jar` and `passed`: cookies and values of the workflow that it is part of. Never raises for what
    the template or the target did; that is in the outcome."""
    session = Session(prepared, subject, options, ambient, mint, jar=jar, passed=passed)
    matched = False
    try:
        matched = yield from _whole(session)
    except DslError as error:
        session.trouble(Trouble.INVALID, str(error))
    except RecursionError:
        session.trouble(Trouble.INVALID, "the template is nested too deep")
    except Exception as error:  # noqa: BLE001 - told as a failed attempt: one template never ends a scan
        session.trouble(Trouble.INVALID, f"an error of SecRecon's own: {type(error).__name__}: {str(error)[:200]}")
    return Outcome(
        matched=matched,
        found=tuple(session.found),
        waiting=tuple(session.waiting),
        asked=session.asked,
        answered=session.answered,
        problems=tuple(dict.fromkeys(session.problems)),
        wanting=session.wanting,
        dynamic={name: value for name, value in session.context.items() if name not in (passed or {})},
        statuses=frozenset(session.statuses),
    )


def _whole(session: Session) -> Generator[Ask, Answer, bool]:
    flow = session.template.flow
    if isinstance(flow, FlowScript):
        return (yield from _script(session, flow))
    if flow is not None:
        return (yield from _flow(session, flow))
    matched = False
    for protocol, number in _places(session):
        try:
            held = yield from _block(session, protocol, number)
        except DslError as error:
            session.trouble(Trouble.INVALID, f"{protocol} block {number}: {error}")
            continue
        matched = matched or held
    return matched


def _places(session: Session) -> list[tuple[str, int]]:
    """(protocol, number from 1) of each block, in file order."""
    counts: dict[str, int] = {}
    places = []
    for protocol in session.template.sections:
        counts[protocol] = counts.get(protocol, 0) + 1
        places.append((protocol, counts[protocol]))
    return places


def _block(session: Session, protocol: str, number: int) -> Generator[Ask, Answer, bool]:
    template = session.template
    if protocol == "http":
        return (yield from HttpRun(session, template.http[number - 1], number, len(template.http)).run())
    if protocol == "dns":
        return (yield from lookups.run_dns(session, template.dns[number - 1], number, len(template.dns)))
    if protocol == "ssl":
        return (yield from lookups.run_ssl(session, template.ssl[number - 1], number, len(template.ssl)))
    return (yield from lookups.run_tcp(session, template.tcp[number - 1], number, len(template.tcp)))


def _call(session: Session, call: Call) -> Generator[Ask, Answer, bool]:
    """The blocks that a flow's call names, all of them where it names none."""
    template = session.template
    ids = {
        "http": [block.id for block in template.http],
        "dns": [block.id for block in template.dns],
        "ssl": [block.id for block in template.ssl],
        "tcp": [block.id for block in template.tcp],
    }[call.protocol]
    numbers = [ids.index(each) + 1 if each in ids else each for each in call.blocks] or range(1, len(ids) + 1)
    matched = False
    for number in numbers:
        if not isinstance(number, int) or not 1 <= number <= len(ids):
            raise DslError(f"the flow asks for {call.protocol}({number}), which is not there")
        held = yield from _block(session, call.protocol, number)
        matched = matched or held
    return matched


def _flow(session: Session, flow: Flow) -> Generator[Ask, Answer, bool]:
    matched = False
    for statement in flow.statements:
        held = yield from _step(session, statement)
        matched = matched or held
    return matched


def _step(session: Session, step: Step) -> Generator[Ask, Answer, bool]:
    match step:
        case Call():
            return (yield from _call(session, step))
        case Not(inner):
            held = yield from _step(session, inner)
            return not held
        case Both(steps):
            for each in steps:
                if not (yield from _step(session, each)):
                    return False
            return True
        case Either(steps):
            for each in steps:
                if (yield from _step(session, each)):
                    return True
            return False
        case When(condition, statements):
            held = yield from _step(session, condition)
            for each in statements if held else ():
                held = yield from _step(session, each)
            return held


def _script(session: Session, script: FlowScript) -> Generator[Ask, Answer, bool]:
    """A flow in JavaScript, one call after the other."""
    given = session.options.given
    start = {**given, **session.context}
    answered: list[Answered] = []
    matched = False
    while True:
        turn = script.turn(start, answered)
        session.context.update(turn.sets)
        if turn.ask is None:
            return matched
        held = yield from _call(session, turn.ask)
        matched = matched or held
        answered.append(Answered(held, {**given, **session.context}))

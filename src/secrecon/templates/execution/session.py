"""What one execution of a template on one target keeps: its variables, cookies, context, and what it found.

Variables, low to high: what earlier requests extracted, the context (flows and templates of several blocks), the target's
own, those given by the user, the template's `variables:`, its constants, payloads.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from secrecon.templates.dsl.run import Ambient, Question, Unanswered
from secrecon.templates.errors import DslError
from secrecon.templates.execution.asks import Answer, Ask, Trouble
from secrecon.templates.execution.cookies import Jar
from secrecon.templates.execution.events import Found, Waiting
from secrecon.templates.execution.following import Past
from secrecon.templates.execution.questions import MAX_QUESTIONS, Told, learn, told_of
from secrecon.templates.execution.scope import Mint, Scope, is_wish
from secrecon.templates.execution.signing import DEFAULTS
from secrecon.templates.execution.subject import Subject, target_variables
from secrecon.templates.payloads import Attack
from secrecon.templates.render import Text
from secrecon.templates.template import Template

T = TypeVar("T")
_RUNTIME = frozenset({"BaseURL", "RootURL", "Hostname", "Host", "Port", "Path", "File", "Query", "Scheme", "Input"}) | {
    "FQDN", "RDN", "DN", "TLD", "SD", "ip"
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for. `given`: variables by `-V`. `sni`: the TLS name for every request. `attack`: in place of
    the template's. `status`: report blocks that did not match too. `fuzzing`: templates
    that change the target's own request may."""

    given: Mapping[str, bytes] = field(default_factory=dict)
    sni: str = ""
    redirects: bool = True
    attack: Attack | None = None
    status: bool = False
    stop_at_first_match: bool = False
    fuzzing: bool = False


@dataclass(frozen=True, slots=True)
class Prepared:
    """A template with what is fixed once it is loaded. `once`: its variables where they depend on nothing of a run, so
    that a random one is the same for every target; None where they are worked out for each request."""

    template: Template
    once: Mapping[str, object] | None
    path: str = ""


def prepare(template: Template, ambient: Ambient, path: str = "") -> Prepared:
    """`template` ready to run."""
    names = {name for _, value in template.variables.entries for text in _texts(value) for name in text.names}
    own = {name for name, _ in template.variables.entries}
    if any(is_wish(name) or name in _RUNTIME or name not in own | template.constants.keys() for name in names):
        return Prepared(template, None, path)
    return Prepared(template, template.variables.evaluate(template.constants, ambient), path)


def _texts(value: Text | tuple[Text, ...]) -> tuple[Text, ...]:
    return value if isinstance(value, tuple) else (value,)


class Session:
    """State of one execution. A workflow gives its own `jar`, and what is extracted goes on to the
    next. `shares`: whether blocks see what earlier ones learned."""

    def __init__(
        self,
        prepared: Prepared,
        subject: Subject,
        options: Options,
        ambient: Ambient,
        mint: Mint,
        *,
        jar: Jar | None = None,
        passed: Mapping[str, object] | None = None,
    ) -> None:
        self.prepared = prepared
        self.template = prepared.template
        self.subject = subject
        self.options = options
        self.waits: list[float] = []
        self.ambient = Ambient(ambient.now, ambient.chance, self.waits.append, self._look)
        self._told: dict[Question, Told] = {}
        self.jar = jar if jar is not None else Jar()
        self.past = Past()
        self.context: dict[str, object] = dict(passed or {})
        self.shares = len(self.template.sections) > 1 or self.template.flow is not None or jar is not None
        self.host = subject.url.encode("utf-8", "surrogateescape")
        self.found: list[Found] = []
        self.waiting: list[Waiting] = []
        self.problems: list[tuple[Trouble, str]] = []
        self.wanting = False
        self.statuses: set[int] = set()
        self.asked = 0
        self.answered = 0
        self._mint = mint
        self._once = prepared.once
        own = {name for name, _ in self.template.variables.entries}
        if self._once is not None and not own.isdisjoint(
            options.given
        ):  # others may be made of the one that is given
            self._once = None

    def variables(self, dynamic: Mapping[str, object], subject: Subject, *, cut_slash: bool) -> Scope:
        """The variables for a request, payloads not yet among them. Raises DslError."""
        template, given = self.template, self.options.given
        if template.self_contained:  # it has no target, and what was learned stands above what was given
            own = DEFAULTS if any(block.signature for block in template.http) else {}
            known: dict[str, object] = {**self.context, **given, **dynamic}
        else:
            known = {**dynamic, **self.context, **target_variables(subject, cut_slash=cut_slash), **given}
        scope = Scope(known, self._mint)
        once = self._once
        if once is None:
            probe = Scope({**known, **template.constants}, self._mint)
            made = template.variables.evaluate(probe, self.ambient)
            scope.minted += probe.minted
            scope.wanting = probe.wanting
            known.update(made)
        elif once:
            known.update({name: value for name, value in once.items() if name not in known})
        known.update(template.constants)
        if template.self_contained:
            known.update({name: value for name, value in own.items() if name not in known})
        return scope

    def knowing(self, work: Callable[[], T]) -> Generator[Ask, Answer, T]:
        """What `work` gives, done again until everything that its expressions ask of the network is known."""
        while True:
            waits = len(self.waits)
            try:
                return work()
            except Unanswered as stopped:
                del self.waits[waits:]
                question = stopped.question
            if len(self._told) >= MAX_QUESTIONS:
                raise DslError(f"its expressions ask the network more than {MAX_QUESTIONS} questions")
            told = self._told[question] = yield from learn(question, self.ambient)
            if told[1] is not None:
                self.trouble(told[1], f"{question.kind}: {told[2]}")

    def _look(self, question: Question) -> bytes:
        told = self._told.get(question)
        if told is None:
            raise Unanswered(question)
        return told_of(told, question)

    def keep(self, protocol: str, number: int, total: int, id_: str, data: Mapping[str, object]) -> None:
        """Put a response's variables into the context, for later blocks."""
        if not self.shares:
            return
        prefix = id_ or (f"{protocol}_{number}" if total > 1 else protocol)
        self.context.update({f"{prefix}_{name}": value for name, value in data.items()})

    def keep_dynamic(self, dynamic: Mapping[str, object]) -> None:
        """Put extracted values into the context under their own names: of several, a flow sees the list, blocks without
        one the first."""
        if self.shares:
            firsts = self.template.flow is None and len(self.template.sections) > 1
            self.context.update(
                {
                    name: value[0] if firsts and isinstance(value, tuple) else value
                    for name, value in dynamic.items()
                }
            )

    def trouble(self, kind: Trouble, reason: str) -> None:
        """Something could not be tested."""
        self.problems.append((kind, reason))

    def passed_time(self) -> float:
        """Seconds that expressions asked to wait since this was last called."""
        seconds = sum(self.waits)
        self.waits.clear()
        return seconds

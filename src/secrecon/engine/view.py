"""What a phase may look at: everything the scan has learned so far, and a way to mint callback payloads.

A view is rebuilt from the stored chunks whenever a worker picks the scan up, so a phase must keep no state of its
own between rounds: whatever it needs to know later, it yields as a fact, a finding or an attempt.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from secrecon.model.asset import (
    Asset,
    Fact,
    Link,
    Page,
    RequestShape,
    Resolution,
    Service,
    Suspect,
    Technology,
    ToldName,
)
from secrecon.model.finding import Finding
from secrecon.model.interaction import Interaction, OastSelfTest, Payload
from secrecon.model.scan import Attempt, ScanSpec

F = TypeVar("F", bound=Fact)


class Mint(Protocol):
    """Makes one callback payload for one probe; None where the scan has no listener.

    `first`: an address of the target's own that the payload's name leads to once, before it leads to the listener; None
    where the listener's names cannot do that.
    """

    def __call__(
        self, *, check: str, asset: str, location: str, technique: str, first: str = ""
    ) -> Payload | None: ...


@dataclass(slots=True)
class ScanView:
    """The scan so far. Facts and findings are unique by key; insertion order is kept.

    `interactions` are the callbacks of this scan up to now (own ones included, marked). `now`: seconds since the
    epoch when this round began.
    """

    spec: ScanSpec
    mint: Mint
    now: float = 0.0
    facts: dict[str, Fact] = field(default_factory=dict)
    findings: dict[str, Finding] = field(default_factory=dict)
    attempts: dict[tuple[str, str], Attempt] = field(default_factory=dict)
    payloads: dict[str, Payload] = field(default_factory=dict)
    interactions: dict[str, Interaction] = field(default_factory=dict)
    self_test: OastSelfTest | None = None

    def add(self, facts: Iterable[Fact], findings: Iterable[Finding], attempts: Iterable[Attempt]) -> None:
        """Take in what a round learned. A fact already known stays as first seen."""
        for fact in facts:
            self.facts.setdefault(fact.key, fact)
        for finding in findings:
            self.findings[finding.fingerprint] = finding
        for attempt in attempts:
            self.attempts[attempt.check, attempt.asset] = attempt

    def of(self, kind: type[F]) -> tuple[F, ...]:
        """Every fact of one type, in the order met."""
        return tuple(fact for fact in self.facts.values() if isinstance(fact, kind))

    @property
    def assets(self) -> tuple[Asset, ...]:
        return self.of(Asset)

    @property
    def resolutions(self) -> tuple[Resolution, ...]:
        return self.of(Resolution)

    @property
    def told(self) -> tuple[ToldName, ...]:
        return self.of(ToldName)

    @property
    def services(self) -> tuple[Service, ...]:
        return self.of(Service)

    @property
    def web(self) -> tuple[Service, ...]:
        """The services that speak http or https, each with its origin."""
        return tuple(service for service in self.of(Service) if service.origin is not None)

    @property
    def technologies(self) -> tuple[Technology, ...]:
        return self.of(Technology)

    @property
    def pages(self) -> tuple[Page, ...]:
        return self.of(Page)

    @property
    def links(self) -> tuple[Link, ...]:
        return self.of(Link)

    @property
    def shapes(self) -> tuple[RequestShape, ...]:
        return self.of(RequestShape)

    @property
    def suspects(self) -> tuple[Suspect, ...]:
        return self.of(Suspect)

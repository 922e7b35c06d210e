"""Small real parts for tests of the floors above the engine: a bendable clock, an engine of trivial chunks, a queue.

The engine keeps the contract of the real one (progress, payloads before requests, one commit per round, stop asked for),
so whatever runs over it runs over the real one too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from argon2 import PasswordHasher

from secrecon.accounts.caller import Caller
from secrecon.accounts.passwords import Passwords
from secrecon.engine.ports import ScanLog
from secrecon.model.asset import Asset, AssetType, Fact, Service
from secrecon.model.errors import TargetError
from secrecon.model.finding import Evidence, EvidenceLevel, Finding, Severity
from secrecon.model.interaction import Payload
from secrecon.model.record import Chunk, Progress
from secrecon.model.scan import Attempt, EngineInfo, Outcome, PhaseName, ScanSpec
from secrecon.net.hooks import HookSender
from secrecon.net.resolver import Resolver
from secrecon.service.context import Context, Policy
from secrecon.service.people import add_user, create_key
from secrecon.store.database import Database, Transaction, sqlite_url

PASSWORD = "a phrase that nobody guesses"
START = 1_795_000_000.0  # 2026-11-18
ALLOW = ("shop.acme.test", "acme.test", "*.acme.test", "127.0.0.0/8")


class BentClock:
    """A clock that tests move: `at` is the wall clock. Sleeping moves it and gives others a turn."""

    def __init__(self, at: float = START) -> None:
        self.at = at

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds
        await asyncio.sleep(0)


def finding_of(spec: ScanSpec, check: str = "exposure.git", **changes: object) -> Finding:
    """A finding on the scan's own origin."""
    found = Finding(
        check=check,
        title="Git repository can be read",
        severity=Severity.HIGH,
        asset=str(spec.target.origin),
        location="/.git/HEAD",
        evidence_level=EvidenceLevel.BEHAVIOUR,
        confidence=0.95,
        evidence=(Evidence("http", "the file starts with ref:", "GET /.git/HEAD", "ref: refs/heads/main"),),
        description="The repository is served.",
        impact="Anyone can read the source.",
        remediation="Do not serve it.",
    )
    return Finding(**{**{name: getattr(found, name) for name in found.__slots__}, **changes})


def payload_of(spec: ScanSpec, token: str, technique: str = "direct") -> Payload:
    """A payload as the SSRF phase mints them."""
    return Payload(
        token=token,
        url=f"http://{token}.cb.test/",
        hostname=f"{token}.cb.test",
        scan_id=spec.scan_id,
        check="ssrf.callback",
        asset=str(spec.target.origin),
        location="GET /fetch query:url",
        technique=technique,
        request="GET /fetch?url=...",
        curl="curl ...",
        created=START,
    )


@dataclass
class LittleEngine:
    """Three steps, one finding. `broken`: the step that raises. `gate`: when set, `verify` waits for it. `facts`: what it sees
    besides."""

    broken: str = ""
    gate: asyncio.Event | None = None
    payloads: Sequence[str] = ()
    facts: Sequence[Fact] = ()
    closed: list[str] = field(default_factory=list)
    ran: list[tuple[str, str, int]] = field(default_factory=list)
    info: EngineInfo = field(default_factory=lambda: EngineInfo("0.0.0", "0" * 64))

    def steps(self, spec: ScanSpec) -> tuple[tuple[str, PhaseName], ...]:
        return (
            ("resolve", PhaseName.RESOLVE),
            ("exposures", PhaseName.VERIFY),
            ("synthesis", PhaseName.SYNTHESIS),
        )

    async def run_chunk(self, spec: ScanSpec, step: str, round_: int, log: ScanLog) -> Chunk:
        self.ran.append((spec.scan_id, step, round_))
        if step == self.broken:
            raise TargetError("a phase that breaks")
        phase = dict(self.steps(spec))[step]
        percent = {"resolve": 10, "exposures": 50, "synthesis": 95}[step]
        await log.progress(Progress(phase, percent, f"{step}, round {round_}"))
        if step == "exposures" and self.gate is not None:
            await self.gate.wait()
        if step == "exposures" and self.payloads:
            await log.keep_payloads([payload_of(spec, token) for token in self.payloads])
        chunk = self._chunk(spec, phase, step, round_)
        await log.commit(chunk)
        return chunk

    async def close(self, scan_id: str) -> None:
        self.closed.append(scan_id)

    def _chunk(self, spec: ScanSpec, phase: PhaseName, step: str, round_: int) -> Chunk:
        origin = spec.target.origin
        attempt = Attempt(phase, f"{step}.check", str(origin), Outcome.DONE, "", 1)
        if step == "resolve":
            facts = (
                Asset(AssetType.DOMAIN, spec.target.host, "dns"),
                Asset(AssetType.IP, "127.0.0.1", "dns", spec.target.host),
                Service(spec.target.host, "127.0.0.1", origin.port, origin.scheme, origin),
                *self.facts,
            )
            return Chunk(phase, step, round_, facts, (), (attempt,), False, 2, 100)
        if step == "exposures":
            more = round_ == 0
            return Chunk(phase, step, round_, (), (finding_of(spec),), (attempt,), more, 3, 300)
        return Chunk(phase, step, round_, (), (), (), False, 0, 0)


class ListQueue:
    """Remembers what was put in the queue. `before`: called inside the accepting transaction."""

    def __init__(self, before: Callable[[], None] = lambda: None) -> None:
        self.entries: list[str] = []
        self._before = before

    async def enqueue(self, tx: Transaction, scan_id: str, account_id: int, soon: bool = False) -> None:
        self._before()
        self.entries.append(scan_id)

    async def withdraw(self, scan_id: str) -> bool:
        if scan_id not in self.entries:
            return False
        self.entries.remove(scan_id)
        return True

    def take(self, scan_id: str) -> None:
        """A worker takes the scan."""
        self.entries.remove(scan_id)


def quick_passwords() -> Passwords:
    """The real hasher with the least cost it allows."""
    return Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


async def make_context(folder: Path, **changes: object) -> Context:
    """A context over a fresh SQLite file in `folder`, or the `db` given; every part can be replaced."""
    if "db" not in changes:
        db = Database(sqlite_url(folder / "secrecon.db"))
        await db.migrate()
        changes = {"db": db, **changes}
    parts: dict[str, object] = {
        "queue": ListQueue(),
        "clock": BentClock(),
        "policy": make_policy(),
        "engine": LittleEngine(),
        "hooks": HookSender(("127.0.0.0/8", "::1"), Resolver((("127.0.0.1", 9),), timeout=0.2)),
        "passwords": quick_passwords(),
    }
    return Context(**{**parts, **changes})  # type: ignore[arg-type]


def make_policy(**changes: object) -> Policy:
    """A policy that allows the lab's names; nothing is looked up outside."""
    parts: dict[str, object] = {"allow": ALLOW, "resolver": Resolver((("127.0.0.1", 9),), timeout=0.2)}
    return Policy(**{**parts, **changes})  # type: ignore[arg-type]


async def make_user(ctx: Context, email: str = "ada@acme.test", plan: str = "business") -> Caller:
    """A user with an account of their own."""
    return await add_user(ctx, email, PASSWORD, plan)


async def make_key(ctx: Context, caller: Caller) -> str:
    """A key of the caller's account."""
    return (await create_key(ctx, caller, "test")).key

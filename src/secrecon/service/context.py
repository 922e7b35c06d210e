"""What every use case is given: the database, the queue, the clock, the policy, and ways to reach the running parts.

Built once by the composition root. Nothing here is global; a test builds its own. The protocols say what the service
needs of rooms that it must not choose itself, so that a worker, a web process and a test can each bring their own.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from secrecon.accounts.passwords import Passwords
from secrecon.accounts.plans import DEFAULT_PLANS, Plan
from secrecon.accounts.vault import Vault, fresh_vault
from secrecon.engine.ports import ScanLog
from secrecon.model.language import Language
from secrecon.model.record import Chunk
from secrecon.model.scan import FULL_BUDGET, QUICK_BUDGET, Budget, EngineInfo, PhaseName, ScanMode, ScanSpec
from secrecon.model.webhook import HookUrl
from secrecon.net.clock import Clock
from secrecon.net.hooks import HookReply
from secrecon.net.resolver import Resolver
from secrecon.service.bell import Bell
from secrecon.service.room import Room
from secrecon.store.database import Database, Transaction

DB_SCAN_ID_BITS = 52
MIN_FREE_BYTES = 200_000_000


class ScanQueue(Protocol):
    """Where accepted scans wait for a worker. `jobs` has one."""

    async def enqueue(self, tx: Transaction, scan_id: str, account_id: int, soon: bool = False) -> None:
        """Put the scan in the queue, in the transaction that accepts it: both happen or neither.
        `soon`: a small scan that somebody waits for, which does not wait for the others."""
        ...

    async def withdraw(self, scan_id: str) -> bool:
        """Take a scan that still waits out of the queue; False where it does not wait any more."""
        ...


class ScanEngine(Protocol):
    """The engine as the service needs it."""

    @property
    def info(self) -> EngineInfo: ...

    def steps(self, spec: ScanSpec) -> tuple[tuple[str, PhaseName], ...]: ...

    async def run_chunk(self, spec: ScanSpec, step: str, round_: int, log: ScanLog) -> Chunk: ...

    async def close(self, scan_id: str) -> None: ...


class HookPost(Protocol):
    """Sends webhooks, through a gate of its own. `net` has one."""

    async def judge(self, url: HookUrl) -> Sequence[str]:
        """The addresses it may go to. Raises ScopeRefused, or the TargetError family."""
        ...

    async def post(self, url: HookUrl, headers: Mapping[str, str], body: bytes) -> HookReply:
        """Send `body`. Raises ScopeRefused, and the TargetError family where no answer came."""
        ...


class ListenerView(Protocol):
    """The callback listener of this process."""

    @property
    def running(self) -> bool: ...

    @property
    def public_url(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator decided. `allow`: scope exceptions. `base_url`: where users reach us, "" where unknown.

    `reports_need_key`: no report can be read by its link alone. `min_free_bytes`: less free disk is not ready.
    """

    allow: tuple[str, ...]
    resolver: Resolver
    plans: Mapping[str, Plan] = field(default_factory=lambda: DEFAULT_PLANS)
    reports_need_key: bool = False
    base_url: str = ""
    questions_an_hour: int = 60
    data_dir: Path | None = None
    min_free_bytes: int = MIN_FREE_BYTES
    budgets: Mapping[ScanMode, Budget] = field(
        default_factory=lambda: {ScanMode.QUICK: QUICK_BUDGET, ScanMode.FULL: FULL_BUDGET}
    )


@dataclass(frozen=True, slots=True)
class Draws:
    """Where ids come from: a secure random source, passed in so that a test can make two of them collide. `mark`: what
    keeps data apart from words in one question to a language model."""

    scan_id: Callable[[], str] = lambda: secrets.token_hex(16)
    mark: Callable[[], str] = lambda: secrets.token_hex(12)
    db_scan_id: Callable[[], int] = lambda: 1 + secrets.randbelow(2**DB_SCAN_ID_BITS - 1)


@dataclass(frozen=True)
class Context:
    """Everything a use case may use. `listener`: None where no listener runs in this process. `vault`: seals stored secrets.
    `language`: the language model, None where none is configured."""

    db: Database
    queue: ScanQueue
    clock: Clock
    policy: Policy
    engine: ScanEngine
    hooks: HookPost
    listener: ListenerView | None = None
    language: Language | None = None
    draws: Draws = field(default_factory=Draws)
    bell: Bell = field(default_factory=Bell)
    room: Room = field(default_factory=Room)
    passwords: Passwords = field(default_factory=Passwords)
    vault: Vault = field(default_factory=fresh_vault)

"""Schedules as nouns: when a target is scanned again, in whose time zone, and within which hours.

`accounts.timetable` works out the moments; nothing here knows the time.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from secrecon.model.scan import ScanMode


class RunOutcome(StrEnum):
    """How one moment of a schedule went. `missed`: nothing was running then, or too late; `skipped`: the scan before was
    still running; `refused`: the scan was not accepted, for the reason told."""

    STARTED = "started"
    MISSED = "missed"
    SKIPPED = "skipped"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Window:
    """The hours of a day in which scanning is allowed, in minutes since midnight, local time. `until` below `begin` means
    over midnight; both equal mean the whole day."""

    begin: int = 0
    until: int = 0

    @property
    def whole_day(self) -> bool:
        return self.begin == self.until

    def holds(self, minute: int) -> bool:
        """Whether the minute of a day lies within."""
        if self.whole_day:
            return True
        if self.begin < self.until:
            return self.begin <= minute < self.until
        return minute >= self.begin or minute < self.until

    def left(self, minute: int) -> int:
        """Minutes from `minute`, which must lie within, to the end; a day for the whole day."""
        return 1_440 if self.whole_day else (self.until - minute) % 1_440

    def waits(self, minute: int) -> int:
        """Minutes from `minute` to when it is next within; 0 where it is."""
        return 0 if self.holds(minute) else (self.begin - minute) % 1_440


@dataclass(frozen=True, slots=True)
class Plan:
    """What a user asks for. `cron`: five fields; `zone`: an IANA name; `spread`: seconds, so that many schedules of one
    moment do not start at once; `catch_up`: run once after a downtime in place of what was missed."""

    name: str
    target: str
    mode: ScanMode
    cron: str
    zone: str
    window: Window = Window()
    spread: int = 0
    catch_up: bool = False


@dataclass(frozen=True, slots=True)
class Schedule:
    """A plan of an account. `due`: the moment that comes next; `next_run`: the same with its spread, and put off into the
    window. `disabled_why`: "" while it is on."""

    id: int
    account_id: int
    user_id: int
    plan: Plan
    due: float
    next_run: float | None
    last_scan_id: str | None
    created: float
    disabled_why: str


@dataclass(frozen=True, slots=True)
class ScheduleRun:
    """One moment, or several in a row that went alike (`times`). `at`: when it was dealt with."""

    id: int
    schedule_id: int
    due: float
    at: float
    outcome: RunOutcome
    scan_id: str | None
    detail: str
    times: int

"""The callbacks of a scan as one line of time over all inputs: what came when, from where, and how long after its probe.

What one caller does at one place in quick succession, as when it follows redirects, is one moment, so that a burst does
not push everything else away. Pure: the hits come ordered by time from `assemble`, already safe to show.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from secrecon.report.document import CallbackHit
from secrecon.report.text import count

TOGETHER = 2.0
"""Seconds between two equal callbacks that are told as one moment."""
MINUTE, HOUR, DAY = 60.0, 3_600.0, 86_400.0


@dataclass(frozen=True, slots=True)
class Moment:
    """One or several (`times`) callbacks in quick succession that differ in nothing but the time.

    `at`, `until`: ISO times of the first and the last. `day`: its date where that is another than the moment's
    before, else "". `after`: how long after its probe the first one came, in words; "" where that is not known.
    """

    at: str
    until: str
    day: str
    protocol: str
    remote_address: str
    place: str
    technique: str
    own: bool
    after: str
    times: int


def moments(hits: Iterable[CallbackHit]) -> tuple[Moment, ...]:
    """The hits, which are in the order of their time, with equal ones that are not far apart joined."""
    runs: list[list[CallbackHit]] = []
    latest: dict[tuple[object, ...], list[CallbackHit]] = {}
    for hit in hits:
        run = latest.get(_kind(hit))
        if run is None or _seconds(run[-1].at, hit.at) > TOGETHER:
            run = latest[_kind(hit)] = []
            runs.append(run)
        run.append(hit)
    days = ["", *(run[0].at[:10] for run in runs)]
    return tuple(
        _moment(run, days[number + 1] if days[number + 1] != days[number] else "")
        for number, run in enumerate(runs)
    )


def _kind(hit: CallbackHit) -> tuple[object, ...]:
    return (hit.protocol, hit.remote_address, hit.own, hit.check, hit.asset, hit.location, hit.technique)


def _moment(run: list[CallbackHit], day: str) -> Moment:
    first = run[0]
    return Moment(
        at=first.at,
        until=run[-1].at,
        day=day,
        protocol=first.protocol,
        remote_address=first.remote_address,
        place=f"{first.asset} {first.location}".strip(),
        technique=first.technique,
        own=first.own,
        after=_after(first),
        times=len(run),
    )


def _after(hit: CallbackHit) -> str:
    """`less than 0.1 s`, `0.2 s`, `4 minutes`, `3 hours`, `2 days`; "" without a probe, or where clocks disagree."""
    if hit.probe_sent_at is None:
        return ""
    seconds = _seconds(hit.probe_sent_at, hit.at)
    if seconds < 0:
        return ""
    if seconds < 0.1:
        return "less than 0.1 s"
    if seconds < MINUTE:
        return f"{seconds:.1f} s"
    for unit, name, below in ((MINUTE, "minute", HOUR), (HOUR, "hour", 2 * DAY), (DAY, "day", float("inf"))):
        if seconds < below:
            return count(int(seconds // unit), name)
    return ""


def _seconds(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()

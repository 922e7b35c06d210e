"""Walking a signed zone along its NSEC records (RFC 4034 section 4): each names the next one. Pure but for the asking.

NSEC3 (RFC 5155) has digests in place of names: such a zone is told as not walkable, its digests are not collected. Servers
that make records up for each question (RFC 4470) tell nothing either. Bounded in steps; a chain that does not go up ends.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from secrecon.model.dns import DnsAnswer

MAX_STEPS = 2_000
HOSTS = frozenset({"A", "AAAA", "CNAME"})

Ask = Callable[[str, str], Awaitable[DnsAnswer]]
"""(name, type) -> answer; raises TargetError where there is none."""


@dataclass(frozen=True, slots=True)
class Walk:
    """`hosts`: names that have an address or an alias. `names`: all. `end`: why the walk ended, "" for the whole zone;
    `walkable` False: the zone cannot be walked, and `end` says why."""

    hosts: tuple[str, ...] = ()
    names: int = 0
    asked: int = 0
    end: str = ""
    walkable: bool = True


async def walk(zone: str, ask: Ask) -> Walk:
    """Every name of `zone` that its NSEC records tell of. Raises what `ask` raises at its first question."""
    answer = await ask(zone, "NSEC")
    first = _next(answer, zone)
    if first is None:
        return Walk(asked=2, walkable=False, end=await _why_not(zone, ask))
    hosts: list[str] = []
    current, steps, kinds = zone, 1, frozenset[str]()
    step: tuple[str, frozenset[str]] | None = first
    while step is not None and steps <= MAX_STEPS:
        following, kinds = step
        if current != zone and kinds & HOSTS:
            hosts.append(current)
        if following == zone:
            return Walk(tuple(hosts), steps, steps)
        if following.startswith("\\000"):
            return Walk(tuple(hosts), steps, steps, "its server makes the records up for each question", False)
        if not following.endswith("." + zone) or _order(following) <= _order(current):
            return Walk(tuple(hosts), steps, steps, f"the chain of NSEC records does not go on after {current}")
        current, steps = following, steps + 1
        step = _next(await ask(current, "NSEC"), current)
    if step is None:
        return Walk(tuple(hosts), steps, steps, f"{current} has no NSEC record")
    return Walk(tuple(hosts), steps, steps, f"the limit of {MAX_STEPS} names was reached")


async def _why_not(zone: str, ask: Ask) -> str:
    if (await ask(zone, "NSEC3PARAM")).values("NSEC3PARAM"):
        return "the zone is signed with NSEC3, which has digests in place of names"
    return "the zone has no NSEC records"


def _next(answer: DnsAnswer, name: str) -> tuple[str, frozenset[str]] | None:
    """The next name and the types that `name` has, from its NSEC record."""
    for record in answer.records:
        if record.type == "NSEC" and record.name == name:
            following, *kinds = record.value.split()
            return following.rstrip(".").lower(), frozenset(kinds)
    return None


def _order(name: str) -> tuple[str, ...]:
    """Canonical order (RFC 4034 section 6.1): by label, from the right."""
    return tuple(reversed(name.split(".")))

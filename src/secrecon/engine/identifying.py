"""Holds the dialogue with open ports: `detect.service_inquiry` says what to ask, this asks it through the network.

A dialogue never raises for what the service did. What the scope, the budget or a stop ended is told by its type, so that
the ledger can say what is not known. Patterns are matched in a thread: what they read is hostile.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from secrecon.detect.service_inquiry import MOST_HEARD, Ask, Heard, Inquiry, MorePatterns, Told, inquire
from secrecon.detect.service_rules import HTTP, ServiceRules
from secrecon.model.asset import Service, TlsInfo
from secrecon.model.errors import BudgetSpent, ScopeRefused, TargetError
from secrecon.model.http import HttpRequest
from secrecon.model.scan import Outcome
from secrecon.model.target import Origin
from secrecon.net.network import Network

CONNECTION_CAP = 65_536
MOST_NAMES = 20


@dataclass(frozen=True, slots=True)
class OpenPort:
    """`names`: every name of the target that leads to `address`; the first stands for it."""

    names: tuple[str, ...]
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Identified:
    """What became of one open port. `told` None: the dialogue did not come to its end, as `outcome` and `reason` say.
    `web`: the services of its origins, where it speaks http."""

    place: OpenPort
    told: Told | None
    outcome: Outcome = Outcome.DONE
    reason: str = ""
    tls: TlsInfo | None = None
    web: tuple[Service, ...] = ()
    requests: int = 0


async def identify(network: Network, rules: ServiceRules, more: MorePatterns | None, place: OpenPort) -> Identified:
    """Find out what listens on an open port."""
    try:
        told, asked = await _dialogue(network, inquire(rules, place.port, more), place)
        tls = await _certificate(network, place) if told.tls else None
        web = await _web(network, place, told, tls) if told.protocol == HTTP else ()
    except ScopeRefused as error:
        return Identified(place, None, Outcome.BLOCKED, str(error))
    except BudgetSpent as error:
        return Identified(place, None, Outcome.SKIPPED, str(error))
    except TargetError as error:  # its name does not resolve any more
        return Identified(place, None, Outcome.FAILED, str(error))
    return Identified(place, told, tls=tls, web=web, requests=asked)


async def _dialogue(network: Network, inquiry: Inquiry, place: OpenPort) -> tuple[Told, int]:
    step: Ask | Told = next(inquiry)
    asked = 0
    while isinstance(step, Ask):
        asked += 1
        step = await asyncio.to_thread(_next, inquiry, await _say(network, place, step))
    return step, asked


def _next(inquiry: Inquiry, heard: Heard) -> Ask | Told:
    try:
        return inquiry.send(heard)
    except StopIteration as stop:
        told: Told = stop.value
        return told


async def _say(network: Network, place: OpenPort, ask: Ask) -> Heard:
    try:
        data = await network.greet(
            place.names[0],
            place.address,
            place.port,
            ask.data,
            tls=ask.tls,
            patience=ask.patience,
            most=MOST_HEARD,
        )
    except TargetError as error:
        return Heard(failed=str(error))
    return Heard(data)


async def _certificate(network: Network, place: OpenPort) -> TlsInfo | None:
    try:
        return await network.tls(place.names[0], place.port)
    except TargetError:
        return None  # the dialogue itself went through; the service is told without its certificate


async def _web(network: Network, place: OpenPort, told: Told, tls: TlsInfo | None) -> tuple[Service, ...]:
    """The origins that answer on the port: of names that are shown the same page, the first alone."""
    found: list[Service] = []
    pages: set[bytes] = set()
    for name in place.names[:MOST_NAMES]:
        origin = Origin("https" if told.tls else "http", name, place.port)
        try:
            exchange = await network.http(HttpRequest(origin), body_cap=CONNECTION_CAP)
        except TargetError:
            continue
        reply = exchange.reply
        page = hashlib.sha256(f"{reply.status}".encode() + reply.body).digest()
        if page in pages:
            continue
        pages.add(page)
        banner = (reply.header("server") or "")[:200]
        found.append(Service(name, reply.address, place.port, origin.scheme, origin, banner, reply.tls or tls))
    return tuple(found)


def same_page_names(item: Identified) -> Sequence[str]:
    """Names that were shown the page of another, or nothing, or that were not asked."""
    kept = {service.host for service in item.web}
    return [name for name in item.place.names if name not in kept]

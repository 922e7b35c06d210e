"""Every template of our own, run once on both of its twins and on every innocent server, all side by side.

One server holds all twins, at an address each; one callback listener knows addresses by a path, another by names. The
tests look at what came of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import time
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.engine.habits import Habit, reply
from tests.engine.habits import serving as habit_serving
from tests.engine.innocents import INNOCENTS

from secrecon.app.armory import own_folder
from secrecon.app.settings import Settings
from secrecon.app.template_run import OwnListener
from secrecon.cli.local_server import free_port
from secrecon.engine.templating.asker import Asker
from secrecon.engine.templating.driver import Attempted, Job, Runner, by_lookup_alone, needs_callback
from secrecon.lab.addresses import claim_block, listen_everywhere
from secrecon.lab.fetcher import Fetcher
from secrecon.lab.names import Names
from secrecon.lab.server import SitesApp, serving
from secrecon.lab.site import Site
from secrecon.lab.twins import MODULES, every_twin
from secrecon.lab.twins.site import site_of
from secrecon.lab.zone import Zone
from secrecon.model.scan import Budget
from secrecon.model.target import Origin, Target, TargetKind
from secrecon.net.clock import SystemClock
from secrecon.net.gate import ScopeGate
from secrecon.net.network import Network
from secrecon.net.resolver import Resolver
from secrecon.templates.catalog import Catalog, load
from secrecon.templates.dsl.run import Ambient
from secrecon.templates.execution.events import Found
from secrecon.templates.execution.session import Options, prepare
from secrecon.templates.execution.subject import Subject
from secrecon.templates.template import Template

VULNERABLE, FIXED, WORDY = "the vulnerable twin", "the fixed twin", "a page with every word of the template"
DOMAIN = "cb.test"
PATIENCE = 3.0
"""Seconds that callbacks may take at most; they have come when the twin answers."""


def own_files() -> Sequence[Path]:
    """The files of the set."""
    return sorted(own_folder().rglob("*.yaml"))


def own_catalog() -> Catalog:
    """The set, loaded."""
    return load([own_folder()], random.Random(1))


def wordy(template: Template) -> Habit:
    """A server that answers everything with all the words that the template looks for: a wiki about the flaw, say."""
    source = next(file for file in own_files() if file.stem == template.id).read_text("utf-8")
    matchers = source[source.index("matchers") :]
    words = re.findall(r"'([^']{2,90})'", matchers) + re.findall(r'- "([^"]{2,90})"', matchers)
    page = f"<html><body>{' '.join(word.replace(chr(92), '') for word in words)}</body></html>"
    return lambda asked: reply(page)


@dataclass(slots=True)
class Verdicts:
    """By template id and server: attempts, and what held there. `server`: a twin or an innocent's name."""

    attempts: dict[tuple[str, str], list[Attempted]] = field(default_factory=lambda: defaultdict(list))
    found: dict[tuple[str, str], list[Found]] = field(default_factory=lambda: defaultdict(list))


def judge(templates: Sequence[Template]) -> Verdicts:
    """What `templates` find where."""
    return asyncio.run(_judge(templates))


async def _judge(templates: Sequence[Template]) -> Verdicts:
    verdicts, names = Verdicts(), Names(Zone("acme.test"), DOMAIN)
    twins = every_twin()
    known = [template for template in templates if template.id in twins]
    async with contextlib.AsyncExitStack() as stack:
        places: list[tuple[Template, str, Origin]] = []
        sites: dict[str, Site] = {}
        for fixed, name in ((False, VULNERABLE), (True, FIXED)):
            block = claim_block()
            stack.callback(block.claim.close)
            for at, template in enumerate(known, 1):
                sites[block.address(at)] = site_of(template.id, twins[template.id], fixed, Fetcher(names))
                places.append((template, name, Origin("http", block.address(at), 0)))
        port, sockets = listen_everywhere(tuple(sites), ())
        await stack.enter_async_context(serving(SitesApp(sites), sockets, []))
        places = [(template, name, Origin("http", origin.host, port)) for template, name, origin in places]
        for habit in INNOCENTS:
            server = await stack.enter_async_context(habit_serving(habit))
            where = Origin("http", "127.0.0.1", server.port)
            places += [(template, habit.__name__, where) for template in templates]
        for template in templates:
            server = await stack.enter_async_context(habit_serving(wordy(template)))
            places.append((template, WORDY, Origin("http", "127.0.0.1", server.port)))
        by_address = [place for place in places if not by_lookup_alone(place[0])]
        await _run(by_address, Settings(oast_http_port=0, oast_dns_port=0), verdicts)
        named = [place for place in places if needs_callback(place[0])]
        if named:
            dns_port = free_port()
            names.callback_dns = ("127.0.0.1", dns_port)
            settings = Settings(oast_http_port=0, oast_dns_port=dns_port, oast_domain=DOMAIN)
            await _run(named, settings, verdicts)
    return verdicts


def judge_others(templates: Sequence[Template], every: int) -> Verdicts:
    """What `templates` find on the vulnerable twins of other products: all of the same module, and of the rest each
    `every`-th. The keys name the twin's template."""
    return asyncio.run(_judge_others(templates, every))


async def _judge_others(templates: Sequence[Template], every: int) -> Verdicts:
    verdicts, names, twins = Verdicts(), Names(Zone("acme.test"), DOMAIN), every_twin()
    module = {name: at for at, one in enumerate(MODULES) for name in one.TWINS}
    async with contextlib.AsyncExitStack() as stack:
        block = claim_block()
        stack.callback(block.claim.close)
        hosts = {name: block.address(at) for at, name in enumerate(sorted(twins), 1)}
        sites = {host: site_of(name, twins[name], False, Fetcher(names)) for name, host in hosts.items()}
        port, sockets = listen_everywhere(tuple(sites), ())
        await stack.enter_async_context(serving(SitesApp(sites), sockets, []))
        places = [
            (template, name, Origin("http", host, port))
            for first, template in enumerate(templates)
            for at, (name, host) in enumerate(hosts.items())
            if name != template.id and (module[name] == module.get(template.id) or (at + first) % every == 0)
        ]
        by_address = [place for place in places if not by_lookup_alone(place[0])]
        await _run(by_address, Settings(oast_http_port=0, oast_dns_port=0), verdicts)
    return verdicts


async def _run(places: Sequence[tuple[Template, str, Origin]], settings: Settings, verdicts: Verdicts) -> None:
    ambient = Ambient(time.time, random.SystemRandom(), lambda seconds: None)
    ready = {template.id: prepare(template, ambient) for template, _, _ in places}
    jobs = {Job(ready[t.id], Subject(origin, origin.authority)): (t.id, name) for t, name, origin in places}
    listener = OwnListener(settings, "127.0.0.1")
    await listener.start()
    network = _network({origin for _, _, origin in places})
    try:
        runner = Runner(Asker(network, SystemClock(), timeout=5.0), Options(), ambient, listener)
        async for attempt in runner.run(tuple(jobs)):
            verdicts.attempts[jobs[attempt.job]].append(attempt)
            verdicts.found[jobs[attempt.job]] += [found for found in attempt.found if found.held]
        wanted = {
            place for job, place in jobs.items() if needs_callback(job.prepared.template) and place[1] == VULNERABLE
        }
        until = time.monotonic() + PATIENCE
        while wanted and time.monotonic() < until:
            for job, found in await runner.callbacks_now():
                verdicts.found[jobs[job]].append(found)
                wanted.discard(jobs[job])
            await asyncio.sleep(0.02)
    finally:
        await network.close()
        await listener.stop()


def _network(origins: Collection[Origin]) -> Network:
    target = Target(TargetKind.ORGANISATION, "localhost", Origin("http", "localhost", 80), "/")
    resolver = Resolver((("127.0.0.1", 9),), timeout=0.5)
    budget = Budget(requests=1_000_000, bytes=10_000_000_000, seconds=600.0, rate=5_000.0, in_flight=32)
    return Network(ScopeGate(target, ("127.0.0.0/8",), resolver, tuple(origins)), resolver, budget, SystemClock())

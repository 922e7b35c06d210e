"""Templates go through their rounds once each: in order of what is known, within the share, and after a take-over too."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import pytest
from tests.engine.conftest import Site, make_spec
from tests.engine.phases.web_views import no_mint

from secrecon.engine.memory import MemoryLog
from secrecon.engine.phase import Ground, Judgement
from secrecon.engine.phases import templates
from secrecon.engine.phases.templates import SPENT, Armed, TemplatesPhase
from secrecon.engine.ports import Callbacks
from secrecon.engine.view import ScanView
from secrecon.model.asset import Service, Technology
from secrecon.model.finding import EvidenceLevel, Finding, Severity
from secrecon.model.probe import Asked, Reply
from secrecon.model.scan import Attempt, Budget, Outcome
from secrecon.model.target import Origin, parse_target
from secrecon.net.clock import SystemClock
from secrecon.net.gate import ScopeGate
from secrecon.net.network import Network
from secrecon.net.resolver import Resolver
from secrecon.oast.callbacks import EmbeddedCallbacks
from secrecon.templates.parse import parse_template
from secrecon.templates.policy import classify


def armed(name: str, *, tags: str = "made-up", cve: str = "", method: str = "GET") -> Armed:
    source = f"id: {name}\ninfo:\n  name: n\n  author: a\n  severity: low\n  tags: {tags}\n"
    source += f"  classification: {{cve-id: {cve}}}\n" if cve else ""
    source += f"http:\n  - method: {method}\n    path: ['{{{{BaseURL}}}}/{name}']\n"
    source += "    matchers: [{type: word, words: [never]}]\n"
    template = parse_template(source.encode(), lambda path: b"", random.Random(1))
    return Armed(template, classify(template))


def view_of(site: Site, *, requests: int = 5_000) -> ScanView:
    view = ScanView(spec=make_spec(site.url, budget=Budget(requests=requests)), mint=no_mint)
    origin = Origin("http", "127.0.0.1", site.port)
    service = Service("127.0.0.1", "127.0.0.1", site.port, "http", origin, "")
    view.add([service, Technology(service.asset, "Acme", "", "", "header", 1.0)], (), ())
    return view


def ground_for(site: Site, failure: str = "", callbacks: Callbacks | None = None) -> Ground:
    resolver = Resolver((("127.0.0.1", 9),), timeout=0.5)
    gate = ScopeGate(parse_target(site.url), ("127.0.0.0/8",), resolver)
    network = Network(gate, resolver, Budget(rate=1e6, requests=100_000), SystemClock())

    async def told(done: int, total: int) -> None:
        return None

    async def deaf() -> str:
        return failure

    async def ask(probes: Sequence[Asked], *, keep: bool) -> list[Reply]:
        raise AssertionError("templates ask by themselves")

    return Ground(network, MemoryLog(0.0, lambda told: None), callbacks, asyncio.Event(), told, deaf, ask)


async def through(phase: TemplatesPhase, view: ScanView, ground: Ground, first: int = 0) -> list[Judgement]:
    """Every round from `first` on, with what came of each put into the view."""
    every: list[Judgement] = []
    more, round_ = True, first
    while more:
        judged, more = await phase.hold(view, round_, ground)
        keep(view, judged)
        every += judged
        round_ += 1
    await ground.network.close()
    return every


def keep(view: ScanView, judged: Sequence[Judgement]) -> None:
    view.add((), (), [item for item in judged if isinstance(item, Attempt)])


def asked(site: Site) -> list[str]:
    return [line.split()[1][1:] for line in site.requests]


@pytest.fixture(autouse=True)
def small_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(templates, "CHUNK", 2)


async def test_what_is_known_comes_first_and_everything_once(site: Site) -> None:
    loaded = [armed(f"t{at}") for at in range(5)]
    loaded += [armed("product", tags="acme"), armed("named", cve="CVE-2020-0001"), armed("writes", method="PUT")]
    view = view_of(site)
    finding = Finding(
        "cve.CVE-2020-0001", "t", Severity.LOW, view.web[0].asset, "/", EvidenceLevel.VERSION_RANGE, 0.6,
        evidence=(), description="", impact="", remediation="", cve_id="CVE-2020-0001",
    )  # fmt: skip
    view.add((), [finding], ())
    judged = await through(TemplatesPhase(lambda: loaded, SystemClock()), view, ground_for(site))
    assert set(asked(site)[:2]) == {"named", "product"}
    assert sorted(asked(site)) == sorted(["named", "product", *(f"t{at}" for at in range(5))])
    lines = [item.check for item in judged if isinstance(item, Attempt)]
    assert sorted(lines) == sorted(f"template.{each.template.id}" for each in loaded)
    refused = next(i for i in judged if isinstance(i, Attempt) and i.check == "template.writes")
    assert refused.outcome is Outcome.SKIPPED
    assert "by policy" in refused.reason


async def test_another_process_goes_on_where_the_first_one_stopped(site: Site) -> None:
    loaded = [armed(f"t{at}") for at in range(7)]
    view = view_of(site)
    ground = ground_for(site)
    first = TemplatesPhase(lambda: loaded, SystemClock())
    judged, more = await first.hold(view, 0, ground)
    keep(view, judged)
    assert more
    await first.hold(view, 1, ground)  # its end was never stored
    await ground.network.close()
    again = asked(site)[2:4]
    rest = await through(TemplatesPhase(lambda: loaded, SystemClock()), view, ground_for(site), first=1)
    assert sorted(asked(site)) == sorted([*(f"t{at}" for at in range(7)), *again])
    assert len(view.attempts) == 7
    assert len(rest) == 5


async def test_a_round_that_is_asked_for_again_is_the_same_round(site: Site) -> None:
    loaded = [armed(f"t{at}") for at in range(4)]
    phase, view, ground = TemplatesPhase(lambda: loaded, SystemClock()), view_of(site), ground_for(site)
    one, _ = await phase.hold(view, 0, ground)
    two, _ = await phase.hold(view, 0, ground)
    await ground.network.close()
    assert one == two


async def test_what_the_share_has_no_room_for_is_told(site: Site) -> None:
    loaded = [armed(f"t{at}") for at in range(6)]
    view = view_of(site, requests=10)
    judged = await through(TemplatesPhase(lambda: loaded, SystemClock()), view, ground_for(site))
    assert sorted(asked(site)) == ["t0", "t1", "t2", "t3"]
    spent = [item.check for item in judged if isinstance(item, Attempt) and item.reason == SPENT]
    assert spent == ["template.t4", "template.t5"]


async def test_the_set_is_loaded_and_planned_beside_the_loop(site: Site) -> None:
    """While a set is loaded the loop turns on."""
    turned = asyncio.Event()
    loop = asyncio.get_running_loop()

    def load() -> Sequence[Armed]:
        asyncio.run_coroutine_threadsafe(_set(turned), loop).result(10)
        return [armed("one")]

    await through(TemplatesPhase(load, SystemClock()), view_of(site), ground_for(site))
    assert turned.is_set()
    assert asked(site) == ["one"]


async def _set(event: asyncio.Event) -> None:
    event.set()


@pytest.mark.parametrize("failure", ["", "the listener is gone"])
async def test_silence_is_no_answer_where_the_listener_failed_meanwhile(
    site: Site, failure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(templates, "CALLBACK_SECONDS", 0.1)
    source = (
        "id: waits\ninfo: {name: n, author: a, severity: low, tags: oast}\nhttp:\n  - method: GET\n"
        "    path: ['{{BaseURL}}/?u={{interactsh-url}}']\n"
        "    matchers: [{type: word, part: interactsh_protocol, words: [http]}]\n"
    )
    waits = parse_template(source.encode(), lambda path: b"", random.Random(1))
    loaded = [Armed(waits, classify(waits)), armed("quiet")]
    callbacks = EmbeddedCallbacks(address="127.0.0.1", http_port=9, domain="", clock=SystemClock())
    phase = TemplatesPhase(lambda: loaded, SystemClock())
    judged = await through(phase, view_of(site), ground_for(site, failure, callbacks))
    found = {item.check: (item.outcome, item.reason) for item in judged if isinstance(item, Attempt)}
    assert found["template.quiet"] == (Outcome.DONE, "")
    outcome, reason = found["template.waits"]
    assert outcome is (Outcome.BLOCKED if failure else Outcome.DONE)
    assert failure in reason

import asyncio
import random
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, replace

import pytest
from tests.engine.conftest import Watched, make_spec
from tests.engine.phases.callback_site import TRUSTED, App, Met, query

from secrecon.engine.phase import Judgement
from secrecon.engine.phases import ssrf
from secrecon.engine.phases.behaviour import BehaviourPhase
from secrecon.engine.phases.ssrf import SsrfPhase
from secrecon.engine.pipeline import Engine
from secrecon.engine.ports import Callbacks
from secrecon.engine.view import ScanView
from secrecon.model.asset import InputPlace, Parameter, RequestShape, Resolution
from secrecon.model.finding import Severity
from secrecon.model.probe import Reply
from secrecon.model.scan import EngineInfo, Outcome, ScanMode
from secrecon.net.clock import SystemClock
from secrecon.net.resolver import Resolver
from secrecon.oast.callbacks import EmbeddedCallbacks
from secrecon.oast.listener import Listener, ListenerConfig


@dataclass
class World:
    """The application, the listener, and a scan's log that hears it."""

    app: App
    listener: Listener
    resolver: Resolver
    watched: Watched
    domain: str = "cb.test"
    address: str = "127.0.0.1"

    async def scan(
        self, shapes: Sequence[RequestShape], mode: ScanMode = ScanMode.QUICK, listen: bool = True
    ) -> None:
        callbacks: Callbacks | None = None
        if listen:
            callbacks = EmbeddedCallbacks(
                address=self.address,
                http_port=self.listener.http_port,
                domain=self.domain,
                clock=SystemClock(),
                source=random.Random(5),
            )
        engine = Engine(
            phases=[_Here(self.app.origin, shapes), BehaviourPhase(), SsrfPhase()],
            info=lambda: EngineInfo("test", "0" * 64),
            clock=SystemClock(),
            resolver=self.resolver,
            callbacks=callbacks,
            listener_origins=callbacks.origins if isinstance(callbacks, EmbeddedCallbacks) else (),
        )
        await engine.run(replace(make_spec(str(self.app.origin)), mode=mode), self.watched.log)

    @property
    def found(self) -> dict[str, Severity]:
        return {f.location: f.severity for f in self.watched.log.findings.values() if f.check == "ssrf.callback"}


class _Here(Met):
    """The stand-in crawl, which also says where the target is."""

    def judge(self, view: ScanView, round_: int, replies: Sequence[Reply]) -> Iterable[Judgement]:
        yield Resolution("127.0.0.1", ("127.0.0.1",))
        yield from super().judge(view, round_, replies)


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(ssrf, "SHORT_WAIT", 0.5)
    monkeypatch.setattr(ssrf, "FINAL_WAIT", 0.6)
    watched = Watched()

    config = ListenerConfig("127.0.0.1", 0, 0, domain="cb.test")
    listener = Listener(config, lambda hits: watched.log.hear(hits), SystemClock())
    await listener.start()
    resolver = Resolver([("127.0.0.1", listener.dns_port)], 1.0)
    app = App(resolver)
    server = await asyncio.start_server(app.serve, "127.0.0.1", 0)
    app.port = server.sockets[0].getsockname()[1]
    yield World(app, listener, resolver, watched)
    server.close()
    await asyncio.gather(*app.tasks, return_exceptions=True)
    await listener.stop()


def everything(world: World) -> list[RequestShape]:
    origin = world.app.origin
    example = f"{TRUSTED}/logo.txt"
    return [
        query(origin, "/fetch", "url", example),
        query(origin, "/echo", "url", example),
        query(origin, "/queue", "target"),
        query(origin, "/uptime", "url"),
        query(origin, "/preview", "url", example),
        query(origin, "/proxy", "url", f"{origin}/news"),
        query(origin, "/go", "next", "/news"),
        RequestShape(
            origin,
            "POST",
            "/api/import",
            (Parameter("source.url", InputPlace.JSON, example), Parameter("name", InputPlace.JSON, "x")),
            "openapi",
            "application/json",
        ),
        RequestShape(
            origin,
            "POST",
            "/avatar",
            (Parameter("name", InputPlace.FORM), Parameter("image_url", InputPlace.FORM)),
            "form",
        ),
    ]


async def test_every_kind_is_proven_and_the_twin_is_not(world: World) -> None:
    await world.scan(everything(world))
    assert world.found == {
        "GET /fetch query:url": Severity.CRITICAL,
        "GET /queue query:target": Severity.HIGH,
        "GET /uptime query:url": Severity.MEDIUM,
        "GET /preview query:url": Severity.CRITICAL,
        "GET /proxy query:url": Severity.CRITICAL,
        "POST /api/import json:source.url": Severity.CRITICAL,
        "POST /avatar form:image_url": Severity.CRITICAL,
    }
    findings = {f.location: f for f in world.watched.log.findings.values()}
    assert "redirect" in findings["GET /proxy query:url"].evidence[0].summary
    assert world.watched.log.attempts["ssrf.callback", str(world.app.origin)].outcome is Outcome.DONE
    assert all(f.oast_verified for f in findings.values() if f.check == "ssrf.callback")


async def test_a_full_scan_names_the_header_and_repeats_it_alone(world: World) -> None:
    await world.scan([], ScanMode.FULL)
    assert world.found == {"GET / header:Referer": Severity.HIGH}
    (finding,) = (f for f in world.watched.log.findings.values() if f.check == "ssrf.callback")
    assert any("alone" in evidence.summary for evidence in finding.evidence)


async def test_a_full_scan_tests_inputs_whose_names_say_nothing(world: World) -> None:
    await world.scan([query(world.app.origin, "/fetch", "zz")])
    attempt = world.watched.log.attempts["ssrf.callback", str(world.app.origin)]
    assert attempt.outcome is Outcome.SKIPPED
    assert "need a full scan: 1" in attempt.reason


async def test_without_a_domain_addresses_prove_requests_and_the_ledger_tells_the_gap(world: World) -> None:
    world.domain = ""
    await world.scan(everything(world)[:4])
    assert world.found == {"GET /fetch query:url": Severity.CRITICAL, "GET /queue query:target": Severity.HIGH}
    attempt = world.watched.log.attempts["ssrf.callback", str(world.app.origin)]
    assert attempt.outcome is Outcome.DONE
    assert "SECRECON_OAST_DOMAIN" in attempt.reason


async def test_without_a_listener_nothing_is_sent_and_nothing_is_clean(world: World) -> None:
    await world.scan([query(world.app.origin, "/fetch", "url")], listen=False)
    attempt = world.watched.log.attempts["ssrf.callback", str(world.app.origin)]
    assert attempt.outcome is Outcome.SKIPPED
    assert "no callback listener" in attempt.reason
    assert world.found == {}


async def test_a_listener_that_cannot_be_reached_blocks_the_check(world: World) -> None:
    await world.listener.stop()
    await world.scan([query(world.app.origin, "/fetch", "url")])
    attempt = world.watched.log.attempts["ssrf.callback", str(world.app.origin)]
    assert attempt.outcome is Outcome.BLOCKED
    assert "SECRECON_OAST" in attempt.reason
    assert not any("cb.test" in target for target in world.app.seen)


async def test_a_target_without_inputs_is_not_clean(world: World) -> None:
    await world.scan([])
    attempt = world.watched.log.attempts["ssrf.callback", str(world.app.origin)]
    assert (attempt.outcome, attempt.reason) == (
        Outcome.SKIPPED,
        "no inputs to test were found; request headers are tested in a full scan only",
    )


async def test_requests_that_may_change_data_are_left_out_and_told(world: World) -> None:
    shapes = [query(world.app.origin, "/fetch", "url"), query(world.app.origin, "/delete", "url")]
    await world.scan(shapes)
    attempt = world.watched.log.attempts["ssrf.callback", str(world.app.origin)]
    assert "/delete was left out" in attempt.reason
    assert not any("/delete" in target for target in world.app.seen)

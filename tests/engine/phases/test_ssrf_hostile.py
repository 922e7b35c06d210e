"""Targets that make probing hard: forms of thousands of fields, bodies of any depth, replies that never come, links that
act. The work stays bounded, nothing that announces an action is asked for, and the ledger says what was not tested."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from tests.engine.conftest import Watched, make_spec
from tests.engine.phases.callback_site import Met
from tests.engine.phases.web_views import view_of

from secrecon.detect.content import read_content
from secrecon.engine.phases import ssrf
from secrecon.engine.phases.ssrf import SsrfPhase
from secrecon.engine.pipeline import Engine
from secrecon.model.asset import InputPlace, Parameter, RequestShape
from secrecon.model.http import HttpReply, HttpRequest
from secrecon.model.interaction import OastReach, OastSelfTest, Payload
from secrecon.model.probe import HttpProbe
from secrecon.model.scan import Budget, EngineInfo, Outcome, ScanMode
from secrecon.model.target import Origin
from secrecon.net.clock import SystemClock
from secrecon.net.resolver import Resolver
from secrecon.oast.callbacks import EmbeddedCallbacks

SHOP = Origin("http", "shop.acme.test", 80)


@dataclass
class Silent:
    """A server that answers requests without a payload, and never those with one. `seen`: request lines."""

    port: int = 0
    seen: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                self.seen.append(head.split("\r\n")[0])
                if "127.0.0.1%3A" in head or "127.0.0.1:9/" in head:
                    await asyncio.sleep(60)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            return
        finally:
            writer.close()


class Unheard(EmbeddedCallbacks):
    """A listener that is always reachable and never called."""

    async def self_test(self, network: object, log: object, addresses: object) -> OastSelfTest:
        return OastSelfTest(OastReach.REACHABLE, OastReach.REACHABLE, "", "http://127.0.0.1:9")


@pytest.fixture
async def silent(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Silent]:
    monkeypatch.setattr(ssrf, "SHORT_WAIT", 0.1)
    monkeypatch.setattr(ssrf, "FINAL_WAIT", 0.1)
    site = Silent()
    server = await asyncio.start_server(site.serve, "127.0.0.1", 0)
    site.port = server.sockets[0].getsockname()[1]
    yield site
    server.close()


async def test_a_target_that_hangs_on_payloads_is_not_tried_again_and_not_clean(silent: Silent) -> None:
    origin = Origin("http", "127.0.0.1", silent.port)
    shapes = [RequestShape(origin, "GET", f"/f{n}", (Parameter("url", InputPlace.QUERY),), "t") for n in range(4)]
    clock = SystemClock()
    engine = Engine(
        phases=[Met(origin, shapes), SsrfPhase()],
        info=lambda: EngineInfo("test", "0" * 64),
        clock=clock,
        resolver=Resolver((("127.0.0.1", 9),), timeout=0.5),
        callbacks=Unheard(address="127.0.0.1", http_port=9, domain="", clock=clock),
    )
    watched = Watched()
    spec = make_spec(str(origin), budget=Budget(seconds=2.0))
    await asyncio.wait_for(engine.run(spec, watched.log), 30)
    attempt = watched.log.attempts["ssrf.callback", str(origin)]
    assert attempt.outcome is not Outcome.DONE
    assert sum("/f0" in line for line in silent.seen) == 1, "no way around a filter is tried where nothing answers"


def _view(*shapes: RequestShape, mode: ScanMode = ScanMode.FULL) -> list[HttpProbe]:
    view = view_of(str(SHOP), SHOP)
    object.__setattr__(view, "mint", _mint)
    view.add(shapes, (), ())
    view.self_test = OastSelfTest(OastReach.REACHABLE, OastReach.REACHABLE, "", "http://127.0.0.1:9")
    return [probe for probe in SsrfPhase().plan(view, 0) if isinstance(probe, HttpProbe)]


_minted = iter(range(1_000_000))


def _mint(*, check: str, asset: str, location: str, technique: str, first: str = "") -> Payload:
    token = f"{next(_minted):033d}"
    return Payload(token, f"http://127.0.0.1:9/{token}", "", "s", check, asset, location, technique, "", "", 1.0)


def test_ten_thousand_fields_cost_few_requests_and_the_page_says_that_it_was_cut() -> None:
    fields = "".join(f'<input name="url{n}">' for n in range(10_000))
    body = f'<form action="/save" method="post">{fields}</form>'.encode()
    reply = HttpReply(
        200, "OK", (("Content-Type", "text/html"),), body, b"", body, b"", False, (), 0.1, "127.0.0.1"
    )
    content = read_content(HttpRequest(SHOP), reply, lambda _: True)
    assert any("first fields of 1 forms" in note for note in content.notes)
    (shape,) = content.shapes
    sent = [probe for probe in _view(shape) if probe.request.target == "/save"]
    assert 0 < len(sent) <= 10
    assert all(len(probe.request.body) < 64_000 for probe in sent)


def test_names_of_any_depth_make_bodies_of_some_depth() -> None:
    deep = Parameter(".".join("a" * 500) + ".url", InputPlace.JSON)
    probes = [p for p in _view(RequestShape(SHOP, "POST", "/j", (deep,), "t")) if p.request.target == "/j"]
    assert probes
    assert max(probe.request.body.count(b"{") for probe in probes) <= 12
    xml = Parameter(".".join("b" * 500), InputPlace.XML)
    probes = [p for p in _view(RequestShape(SHOP, "POST", "/x", (xml,), "t")) if p.request.target == "/x"]
    assert max(probe.request.body.count(b"</b>") for probe in probes) <= 12


def test_what_announces_an_action_or_asks_for_an_amount_is_not_touched() -> None:
    def asked(path: str, *parameters: tuple[str, str], method: str = "POST") -> RequestShape:
        place = InputPlace.FORM if method == "POST" else InputPlace.QUERY
        return RequestShape(SHOP, method, path, tuple(Parameter(n, place, v) for n, v in parameters), "t")

    probes = _view(
        asked("/account/delete", ("url", "")),
        asked("/logout", ("next_url", ""), method="GET"),
        asked("/pay", ("callback_url", "")),
        asked("/manage", ("action", "delete"), ("url", "")),
        asked("/thumbnail", ("size", "64"), ("src", "http://a.test/x.png"), method="GET"),
    )
    own = [probe.request for probe in probes if probe.request.target != "/" and probe.request.raw is None]
    assert {request.target.partition("?")[0] for request in own} == {"/thumbnail"}
    assert all("size=64" in request.target for request in own if "?" in request.target)


def test_a_path_that_repeats_its_placeholder_is_not_written() -> None:
    repeated = RequestShape(
        SHOP, "GET", "/{url}" * 2_000, (Parameter("url", InputPlace.PATH, "http://a.test"),), "t"
    )
    assert all("127.0.0.1" not in p.request.target for p in _view(repeated) if p.request.raw is None)

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from tests.engine.conftest import Watched, make_engine, make_spec
from tests.engine.phases.callback_site import App, Met, query

from secrecon.engine.phases.behaviour import BehaviourPhase
from secrecon.model.asset import RequestShape
from secrecon.model.scan import Outcome, ScanMode, Touch
from secrecon.net.resolver import Resolver


@pytest.fixture
async def app() -> AsyncIterator[App]:
    running = App(Resolver([("127.0.0.1", 9)], 0.2))
    server = await asyncio.start_server(running.serve, "127.0.0.1", 0)
    running.port = server.sockets[0].getsockname()[1]
    yield running
    server.close()
    await asyncio.sleep(0)


async def scanned(
    app: App,
    shapes: list[RequestShape],
    pages: tuple[str, ...] = (),
    *,
    mode: ScanMode = ScanMode.FULL,
    touch: Touch = Touch.ACTIVE,
) -> Watched:
    watched = Watched()
    spec = replace(make_spec(str(app.origin), touch=touch), mode=mode)
    await make_engine([Met(app.origin, shapes, pages), BehaviourPhase()]).run(spec, watched.log)
    return watched


@pytest.mark.parametrize("mode", ScanMode)
async def test_an_open_redirect_is_found_and_its_twin_is_not(app: App, mode: ScanMode) -> None:
    shapes = [query(app.origin, "/go", "next", "/account"), query(app.origin, "/go-safe", "next", "/account")]
    watched = await scanned(app, shapes, mode=mode)
    assert {(f.check, f.location) for f in watched.log.findings.values()} == {
        ("behaviour.open-redirect", "GET /go query:next")
    }
    attempt = watched.log.attempts["behaviour.open-redirect", str(app.origin)]
    assert attempt.outcome is Outcome.DONE
    assert not any(".invalid" in target for target in app.seen if not target.startswith("GET /go"))


async def test_credentials_shared_with_anyone_are_found_and_public_data_is_not(app: App) -> None:
    watched = await scanned(app, [], ("/api/me", "/api/public", "/style.css"))
    assert [(f.check, f.location) for f in watched.log.findings.values()] == [
        ("behaviour.cors-credentials", "GET /api/me header:Origin")
    ]
    assert watched.log.attempts["behaviour.cors-credentials", str(app.origin)].outcome is Outcome.DONE
    assert "GET /style.css" not in app.seen


async def test_without_destinations_the_redirect_check_is_skipped_and_says_so(app: App) -> None:
    watched = await scanned(app, [query(app.origin, "/fetch", "id", "7")])
    attempt = watched.log.attempts["behaviour.open-redirect", str(app.origin)]
    assert attempt.outcome is Outcome.SKIPPED
    assert attempt.reason == "not applicable: no input that looks like a destination was found"


async def test_a_target_that_is_not_authorized_is_not_touched(app: App) -> None:
    watched = await scanned(app, [query(app.origin, "/go", "next")], touch=Touch.LIGHT)
    assert app.seen == []
    assert {a.outcome for (c, _), a in watched.log.attempts.items() if c.startswith("behaviour")} == {
        Outcome.SKIPPED
    }


async def test_what_may_change_data_is_left_alone(app: App) -> None:
    shapes = [query(app.origin, "/logout", "next"), replace(query(app.origin, "/go", "next"), method="DELETE")]
    watched = await scanned(app, shapes)
    assert not any("next" in target for target in app.seen)
    assert not watched.log.findings

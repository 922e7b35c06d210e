"""The fingerprint step against a real server on loopback, through the whole engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from tests.engine.conftest import Watched, make_engine, make_spec

from secrecon.detect.fingerprint import Fingerprints
from secrecon.engine.phases.fingerprint import CHECK, MISSING_PATH, FingerprintPhase
from secrecon.engine.phases.probe import ProbePhase
from secrecon.model.asset import Link, Technology
from secrecon.model.scan import Outcome

JQUERY = b"/*! jQuery v3.4.1 | (c) JS Foundation and other contributors | jquery.org/license */"


@dataclass
class Routes:
    """A server that answers by path: (status, content type, body). Everything else is a 404 that tells a version."""

    pages: dict[str, tuple[int, str, bytes]] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                path = head.split(b" ")[1].decode()
                self.asked.append(path)
                if path in self.silent:
                    return
                missing = (404, "text/html", b"<html><h3>Apache Tomcat/9.0.30</h3></html>")
                status, kind, body = self.pages.get(path, missing)
                start = f"HTTP/1.1 {status} X\r\nServer: nginx/1.18.0 (Ubuntu)\r\nContent-Type: {kind}\r\n"
                writer.write(start.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            return
        finally:
            writer.close()


@pytest.fixture
async def routes() -> AsyncIterator[Routes]:
    running = Routes()
    server = await asyncio.start_server(running.serve, "127.0.0.1", 0)
    running.port = server.sockets[0].getsockname()[1]
    yield running
    server.close()
    await asyncio.sleep(0)


async def scan(url: str) -> Watched:
    watched = Watched()
    engine = make_engine((ProbePhase(), FingerprintPhase(Fingerprints.load)))
    await engine.run(make_spec(url), watched.log)
    return watched


def technologies(watched: Watched) -> dict[str, str]:
    return {f.name: f.version for f in watched.log.facts.values() if isinstance(f, Technology)}


async def test_header_error_page_and_script_each_tell(routes: Routes) -> None:
    page = b'<html><link rel=icon href="/i.ico"><script src="/js/jquery.min.js"></script><script src="/app.js"></script>'
    routes.pages = {
        "/": (200, "text/html", page),
        "/js/jquery.min.js": (200, "text/javascript", JQUERY),
        "/app.js": (200, "text/javascript", b"run()"),
        "/i.ico": (200, "image/x-icon", b"\0\0\1\0"),
    }
    watched = await scan(routes.origin)
    assert technologies(watched) == {"nginx": "1.18.0", "tomcat": "9.0.30", "jquery": "3.4.1"}
    nginx = next(f for f in watched.log.facts.values() if isinstance(f, Technology) and f.name == "nginx")
    assert (nginx.distribution, nginx.asset) == ("Ubuntu", routes.origin)
    assert {"/", MISSING_PATH, "/i.ico", "/js/jquery.min.js", "/app.js"} == set(routes.asked)
    attempt = watched.log.attempts[CHECK, routes.origin]
    assert (attempt.outcome, attempt.reason) == (Outcome.DONE, "")


async def test_without_an_icon_link_the_usual_place_is_asked(routes: Routes) -> None:
    routes.pages = {"/": (200, "text/html", b"<html>plain</html>")}
    watched = await scan(routes.origin)
    assert "/favicon.ico" in routes.asked
    assert not [fact for fact in watched.log.facts.values() if isinstance(fact, Link)]


async def test_scripts_of_other_origins_are_not_fetched_but_read_by_address(routes: Routes) -> None:
    page = b'<html><script src="http://cdn.acme.test/ajax/libs/jquery/1.12.4/jquery.min.js"></script>'
    routes.pages = {"/": (200, "text/html", page)}
    watched = await scan(routes.origin)
    assert technologies(watched)["jquery"] == "1.12.4"
    assert not [path for path in routes.asked if "jquery" in path]


async def test_few_scripts_are_fetched_and_telling_ones_first(routes: Routes) -> None:
    tags = "".join(f'<script src="/s{n}.js"></script>' for n in range(20))
    page = f'<html>{tags}<script src="/lib/jquery.js"></script>'.encode()
    routes.pages = {"/": (200, "text/html", page), "/lib/jquery.js": (200, "text/javascript", JQUERY)}
    watched = await scan(routes.origin)
    assert technologies(watched)["jquery"] == "3.4.1"
    assert len([path for path in routes.asked if path.endswith(".js")]) == 4


async def test_a_script_that_does_not_answer_leaves_its_name_and_a_reason(routes: Routes) -> None:
    routes.pages = {"/": (200, "text/html", b'<html><script src="/jquery.min.js"></script>')}
    routes.silent = {"/jquery.min.js"}
    watched = await scan(routes.origin)
    assert technologies(watched)["jquery"] == ""
    attempt = watched.log.attempts[CHECK, routes.origin]
    assert attempt.outcome is Outcome.DONE
    assert "versions may be missing" in attempt.reason


async def test_the_path_of_the_target_is_looked_at_too(routes: Routes) -> None:
    routes.pages = {
        "/": (200, "text/html", b"<html>plain</html>"),
        "/app": (200, "text/html", b'<html><meta name="generator" content="WordPress 6.4.2"></html>'),
    }
    watched = await scan(routes.origin + "/app")
    assert technologies(watched)["wordpress"] == "6.4.2"


async def test_a_start_page_that_does_not_answer_is_not_called_done(routes: Routes) -> None:
    """The probe step needs one answer, so the page falls silent after it."""
    routes.pages = {"/": (200, "text/html", b"<html>plain</html>")}
    phase = FingerprintPhase(Fingerprints.load)
    watched = Watched()
    engine = make_engine((ProbePhase(),))
    spec = make_spec(routes.origin)
    await engine.run(spec, watched.log)
    routes.silent = {"/", MISSING_PATH}
    await make_engine((phase,)).run(spec, watched.log)
    assert watched.log.attempts[CHECK, routes.origin].outcome in (Outcome.FAILED, Outcome.TIMED_OUT)
    assert "/favicon.ico" not in routes.asked

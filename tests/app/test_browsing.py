"""`--browser`: refused where something is missing, and a whole scan of an application that only scripts show."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from secrecon.app.browsing import need_browser
from secrecon.app.oneshot import OneShot
from secrecon.app.settings import Settings
from secrecon.model.asset import RequestShape
from secrecon.model.errors import OperatorError
from secrecon.model.scan import Outcome, ScanMode

APP = b"""<!doctype html><title>app</title><div id=app></div><script src=/assets/main.js></script>"""
MAIN = b"""const parts = ['no', 'te', 's'], go = (m, b) => fetch(['/rest', parts.join('')].join('/'), {method: m, body: b,
  headers: b ? {'content-type': 'application/json'} : {}});
go('GET').then(r => r.json()).then(found => { document.getElementById('app').innerHTML =
  found.map(n => '<a href="/' + parts.join('') + '/' + n + '">' + n + '</a>').join('') });
go('POST', JSON.stringify({address: 'http://example.test/'}));"""


class App(BaseHTTPRequestHandler):
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(f"GET {self.path}")
        found = {
            "/": (b"text/html", APP),
            "/assets/main.js": (b"text/javascript", MAIN),
            "/rest/notes": (b"application/json", b'["first"]'),
        }.get(self.path)
        if self.path.startswith("/notes/"):
            found = (b"text/html", APP)
        kind, body = found or (b"text/plain", b"no such page")
        self.send_response(200 if found else 404)
        self.send_header("content-type", kind.decode())
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.asked.append(f"POST {self.path}")
        self.send_error(405)

    def log_message(self, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def app() -> Iterator[str]:
    App.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), App)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join(5)


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.xdist_group("rendering")
def test_an_application_that_only_scripts_show(app: str, tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path,
        dns_servers=("127.0.0.1:9",),
        scope_allow=("127.0.0.1",),
        chromium_sandbox=os.geteuid() != 0,
    )
    record = asyncio.run(OneShot(settings, app, ScanMode.QUICK, (), browser=True).run())
    shapes = {(fact.method, fact.path) for fact in record.facts if isinstance(fact, RequestShape)}
    lines = [item for item in record.attempts if item.check == "crawl.browser"]
    assert ("POST", "/rest/notes") in shapes, "a request whose address only a running script knows"
    assert "GET /notes/first" in App.asked, "and a page"
    assert "POST /rest/notes" not in App.asked
    assert [line.outcome for line in lines] == [Outcome.DONE]


def test_a_missing_part_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OperatorError, match="no program that can be run"):
        need_browser(Settings(chromium=tmp_path / "none"))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(OperatorError, match="apt install chromium"):
        need_browser(Settings())
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(OperatorError, match=r"secrecon\[browser\]"):
        OneShot(Settings(data_dir=tmp_path), "http://127.0.0.1:1", ScanMode.QUICK, (), browser=True)

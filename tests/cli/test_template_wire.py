"""What --rate, --concurrency and --sni of `secrecon templates run` come to on the wire, as the server sees it."""

from __future__ import annotations

import contextlib
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.certificates import make_certificate
from tests.cli.test_template_run import Shell, get, put, run

__all__ = ["run"]  # the fixture

PATIENCE = 10.0


@dataclass
class Counted:
    """`arrived`: when each request was read; `most`: how many were under way at once. A request of `/held...` is answered
    once `together` of them are there, or `crowded` was given up."""

    port: int = 0
    together: int = 1
    arrived: list[float] = field(default_factory=list)
    now: int = 0
    most: int = 0
    told: list[str | None] = field(default_factory=list)
    change: threading.Condition = field(default_factory=threading.Condition)

    def hold(self) -> None:
        with self.change:
            self.arrived.append(time.monotonic())
            self.now += 1
            self.most = max(self.most, self.now)
            self.change.notify_all()
            self.change.wait_for(lambda: self.most >= self.together, PATIENCE)

    def let_go(self) -> None:
        with self.change:
            self.now -= 1


@contextlib.contextmanager
def counting(together: int = 1, tls: ssl.SSLContext | None = None) -> Iterator[Counted]:
    seen = Counted(together=together)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            seen.hold()
            seen.let_go()  # before the answer, so that who waits for it cannot be counted beside the next
            self.send_response(200)
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(b"hello")

        def log_message(self, *_: object) -> None:
            """Quiet."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def handle_error(self, *_: object) -> None:
            """A client that left is no error."""

    httpd = Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        httpd.socket = tls.wrap_socket(httpd.socket, server_side=True)
    seen.port = httpd.server_address[1]
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join(5)


def many(folder: Path, count: int) -> Path:
    for number in range(count):
        put(folder, f"asks-{number}", get(f"/{number}"))
    return folder


@pytest.mark.parametrize("limit", [1, 3])
def test_no_more_are_under_way_than_concurrency_allows_and_as_many(tmp_path: Path, run: Shell, limit: int) -> None:
    with counting(together=limit) as server:
        ran = run(
            "-t", many(tmp_path, 9), "-u", f"http://127.0.0.1:{server.port}",
            "--concurrency", str(limit), "--rate", "1000", "--jsonl",
        )  # fmt: skip
    assert (ran.code, len(ran.records)) == (0, 9), ran.err
    assert (server.most, len(server.arrived)) == (limit, 9)


@pytest.mark.parametrize(("rate", "at_once"), [(20, 1), (20, 4)])
def test_requests_leave_no_faster_than_the_rate(tmp_path: Path, run: Shell, rate: int, at_once: int) -> None:
    """A machine that is busy is slower, never faster; `at_once` of them may leave together."""
    with counting() as server:
        ran = run(
            "-t", many(tmp_path, 12), "-u", f"http://127.0.0.1:{server.port}",
            "--concurrency", str(at_once), "--rate", str(rate), "--jsonl",
        )  # fmt: skip
    assert (ran.code, len(server.arrived)) == (0, 12), ran.err
    took = max(server.arrived) - min(server.arrived)
    assert took >= (12 - at_once) / rate * 0.8


def test_the_name_given_is_told_in_every_handshake(tmp_path: Path, run: Shell) -> None:
    certificate, key = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    folder = tmp_path / "set"
    folder.mkdir()
    with counting(tls=context) as server:
        context.sni_callback = lambda connection, name, which: server.told.append(name)
        url = f"https://localhost:{server.port}"
        for given, name in ((("--sni", "other.test"), "other.test"), ((), "localhost")):
            server.told.clear()
            ran = run("-t", many(folder, 3), "-u", url, "--jsonl", *given)
            assert (ran.code, len(ran.records)) == (0, 3), ran.err
            assert set(server.told) == {name}

"""The running server on the wire: what is no HTTP, what comes through a proxy, and what its log may hold."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import websockets.sync.client
from websockets.exceptions import InvalidStatus

from secrecon.cli.local_server import LocalServer

pytestmark = [pytest.mark.slow]

WRONG = "a wrong password that must not be logged"


@dataclass
class Front:
    """A server that believes a proxy on 127.0.0.1, and a key."""

    server: LocalServer
    key: str


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    settings = {
        "SECRECON_OAST_HTTP_PORT": "0",
        "SECRECON_OAST_DNS_PORT": "0",
        "SECRECON_LOG_LEVEL": "debug",
        "SECRECON_LOG_FORMAT": "json",
        "SECRECON_TRUSTED_PROXIES": "127.0.0.1",
    }
    with LocalServer(tmp_path_factory.mktemp("front") / "data", settings) as server:
        yield Front(server, server.account("ada@acme.test", "business"))


def say(front: Front, raw: bytes) -> bytes:
    heard = b""
    with socket.create_connection(("127.0.0.1", front.server.port), timeout=10) as stream:
        stream.sendall(raw)
        stream.shutdown(socket.SHUT_WR)
        while part := stream.recv(65_536):
            heard += part
    return heard


@pytest.mark.parametrize(
    "raw",
    [
        b"hello\r\n\r\n",
        b"GET /api/\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/v1/scan HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        b"GET / HTTP/1.1\r\nHost: x\r\nbad name: 1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 100_000,
    ],
)
def test_what_is_no_request_is_a_problem_too(front: Front, raw: bytes) -> None:
    head, _, body = say(front, raw).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"content-type: application/problem+json" in head.lower()
    assert b"x-content-type-options: nosniff" in head.lower()
    assert json.loads(body)["detail"].startswith("What arrived is not a readable HTTP/1.1 request")


def test_a_broken_chunk_gets_one_answer(front: Front) -> None:
    head = f"POST /api/v1/scan HTTP/1.1\r\nHost: x\r\nX-API-Key: {front.key}\r\n".encode()
    heard = say(front, head + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n")
    assert heard.count(b"HTTP/1.1 400 ") == 1
    assert heard.startswith(b"HTTP/1.1 400 ")


def tries(front: Front, address: str, times: int) -> list[int]:
    found: list[int] = []
    with httpx.Client(base_url=front.server.base, headers={"X-Forwarded-For": address}) as browser:
        for number in range(times):
            form = re.search('name="csrf" value="([^"]+)"', browser.get("/sign-in").text)
            assert form is not None
            fields = {"csrf": form[1], "email": f"user{number}@acme.test", "password": WRONG}
            found.append(browser.post("/sign-in", data=fields).status_code)
    return found


def test_one_client_behind_the_proxy_does_not_shut_out_another(front: Front) -> None:
    assert tries(front, "198.51.100.1", 21)[-1] == 429
    assert tries(front, "198.51.100.2", 1) == [403]
    assert tries(front, "203.0.113.9, 198.51.100.1", 1) == [429], "what the client itself wrote does not count"


def test_the_log_is_json_and_holds_no_secret(front: Front) -> None:
    password = (front.server.data_dir / "password").read_text().strip()
    with httpx.Client(base_url=front.server.base, headers={"X-Forwarded-For": "198.51.100.3"}) as browser:
        form = re.search('name="csrf" value="([^"]+)"', browser.get("/sign-in").text)
        assert form is not None
        fields = {"csrf": form[1], "email": "ada@acme.test", "password": password}
        assert browser.post("/sign-in", data=fields).status_code == 303
        token = browser.cookies["secrecon"]
        assert browser.get("/api/assets").status_code == 200
        assert browser.get("/api/v1/credits", headers={"X-API-Key": front.key}).status_code == 200
    with pytest.raises(InvalidStatus):
        websockets.sync.client.connect(f"ws://127.0.0.1:{front.server.port}/ws/scan/{'0' * 32}")
    say(front, b"nonsense\r\n\r\n")
    log = front.server.log.read_text("utf-8")
    events = [json.loads(line)["event"] for line in log.splitlines()]
    assert "Invalid HTTP request received." in events
    assert not [event for event in events if "handshake" in event]
    for secret in (password, token, front.key, form[1], WRONG):
        assert secret not in log


def test_a_database_taken_away_makes_the_server_unready(tmp_path: Path) -> None:
    settings = {"SECRECON_OAST_HTTP_PORT": "0", "SECRECON_OAST_DNS_PORT": "0"}
    with LocalServer(tmp_path / "data", settings) as server:
        file = server.data_dir / "secrecon.db"
        file.rename(file.with_suffix(".aside"))
        answer = httpx.get(f"{server.base}/readyz")
        assert (answer.status_code, answer.json()["detail"]) == (503, "Not ready: database")
        file.with_suffix(".aside").rename(file)
        assert httpx.get(f"{server.base}/readyz").status_code == 200

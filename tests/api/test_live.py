"""Live events over a real server: server-sent events and WebSocket, resumed, kept alive, ended."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import websockets
from tests.live import LiveServer, live_server
from websockets.exceptions import InvalidStatus

from secrecon.api.live import frame, with_heartbeat
from secrecon.api.problem import MEDIA_TYPE
from secrecon.model.record import ScanEvent

Found = list[tuple[int, str, dict[str, object]]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live_server(Path(tmp_path_factory.mktemp("live"))) as server:
        yield server


def start(server: LiveServer) -> str:
    answer = httpx.post(
        f"{server.base}/api/v1/scan", json={"target": server.target}, headers={"X-API-Key": server.key}
    )
    assert answer.status_code == 202
    return str(answer.json()["scan_id"])


def finished(server: LiveServer) -> str:
    scan_id = start(server)
    for _ in range(300):
        if httpx.get(f"{server.base}/api/scan/{scan_id}/status").json()["status"] == "complete":
            return scan_id
        time.sleep(0.1)
    raise AssertionError("the scan did not end")


def read_stream(server: LiveServer, scan_id: str, after: str = "", most: int = 1000) -> Found:
    """What an EventSource would see, up to `most` events."""
    found: Found = []
    headers = {"Last-Event-ID": after} if after else {}
    with httpx.stream("GET", f"{server.base}/api/scan/{scan_id}/events", headers=headers, timeout=30) as answer:
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        event: dict[str, str] = {}
        for line in answer.iter_lines():
            if line:
                name, _, value = line.partition(": ")
                event[name] = value
            elif "data" in event:
                found.append((int(event["id"]), event["event"], json.loads(event["data"])))
                event = {}
                if len(found) == most:
                    break
    return found


def test_a_stream_tells_everything_and_ends(server: LiveServer) -> None:
    found = read_stream(server, start(server))
    assert [seq for seq, _, _ in found] == list(range(1, len(found) + 1))
    assert found[-1][1] == "done"
    for seq, kind, data in found:
        assert set(data) == {"seq", "at", "kind", "data"}
        assert (data["seq"], data["kind"]) == (seq, kind)


def test_a_stream_goes_on_after_the_last_event_seen(server: LiveServer) -> None:
    scan_id = start(server)
    first = read_stream(server, scan_id, most=3)
    rest = read_stream(server, scan_id, after=str(first[-1][0]))
    assert [seq for seq, _, _ in first + rest] == list(range(1, len(first + rest) + 1))
    assert rest[-1][1] == "done"


def test_after_the_end_there_is_nothing_to_reconnect_for(server: LiveServer) -> None:
    scan_id = finished(server)
    last = read_stream(server, scan_id)[-1][0]
    url = f"{server.base}/api/scan/{scan_id}/events"
    assert httpx.get(url, headers={"Last-Event-ID": str(last)}).status_code == 204
    for wrong in ("x", "-1", "1.5", "9" * 30):
        answer = httpx.get(url, headers={"Last-Event-ID": wrong})
        assert (answer.status_code, answer.json()["field"]) == (400, "Last-Event-ID")


async def messages(server: LiveServer, scan_id: str, query: str = "") -> tuple[list[dict[str, object]], int | None]:
    url = f"{server.base.replace('http', 'ws', 1)}/ws/scan/{scan_id}{query}"
    found: list[dict[str, object]] = []
    async with asyncio.timeout(30), websockets.connect(url) as socket:
        async for message in socket:
            found.append(json.loads(message))
    return found, socket.close_code


async def test_a_socket_tells_the_same_and_closes(server: LiveServer) -> None:
    scan_id = await asyncio.to_thread(start, server)
    found, code = await messages(server, scan_id)
    assert code == 1000
    assert found == [data for _, _, data in await asyncio.to_thread(read_stream, server, scan_id)]


async def test_a_socket_goes_on_after_the_last_event_seen(server: LiveServer) -> None:
    scan_id = await asyncio.to_thread(finished, server)
    every, _ = await messages(server, scan_id)
    rest, code = await messages(server, scan_id, "?after=4")
    assert (rest, code) == (every[4:], 1000)
    none, code = await messages(server, scan_id, f"?after={len(every)}")
    assert (none, code) == ([], 1000)


@pytest.mark.parametrize(("query", "status"), [("", 404), ("?after=x", 400)])
async def test_a_socket_is_refused_in_words(server: LiveServer, query: str, status: int) -> None:
    with pytest.raises(InvalidStatus) as caught:
        await messages(server, "0" * 32, query)
    assert caught.value.response.status_code == status
    assert caught.value.response.headers["Content-Type"] == MEDIA_TYPE
    assert caught.value.response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/ws/", "/ws/scan", "/ws/nothing", "/", "/api/v1/scans"])
async def test_a_socket_elsewhere_is_an_unknown_path(server: LiveServer, path: str) -> None:
    with pytest.raises(InvalidStatus) as caught:
        async with asyncio.timeout(30), websockets.connect(server.base.replace("http", "ws", 1) + path):
            pass
    answer = caught.value.response
    assert (answer.status_code, answer.headers["Content-Type"]) == (404, MEDIA_TYPE)
    assert "/ws/scan/{scan_id}" in json.loads(answer.body)["detail"]


async def test_a_watcher_that_leaves_or_talks_hurts_nobody(server: LiveServer) -> None:
    scan_id = await asyncio.to_thread(start, server)
    url = f"{server.base.replace('http', 'ws', 1)}/ws/scan/{scan_id}"
    async with asyncio.timeout(30), websockets.connect(url) as socket:
        await socket.send("{" * 1000)
        await socket.recv()
    found, code = await messages(server, scan_id)
    assert (found[-1]["kind"], code) == ("done", 1000)


async def test_silence_is_filled_with_heartbeats() -> None:
    async def slow() -> AsyncIterator[ScanEvent]:
        yield ScanEvent(1, 0.0, "progress", {})
        await asyncio.sleep(0.25)
        yield ScanEvent(2, 0.0, "done", {})

    found = [event and event.seq async for event in with_heartbeat(slow(), 0.1)]
    assert found[0] == 1
    assert found[-1] == 2
    assert found[1:-1] == [None] * len(found[1:-1])
    assert len(found) >= 3


def test_a_frame_is_one_event_whatever_it_says() -> None:
    text = "line\nid: 9\n\nevent: done\r\ndata: x\u2028"
    lines = frame(ScanEvent(7, 0.0, "progress", {"message": text})).decode().split("\n")
    assert lines[0] == "id: 7"
    assert lines[1] == "event: progress"
    assert lines[3:] == ["", ""]
    assert json.loads(lines[2].removeprefix("data: "))["data"] == {"message": text}

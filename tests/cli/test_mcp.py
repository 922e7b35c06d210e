"""`secrecon mcp` with the SDK's own client over standard input and output, against a live server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp_types import CallToolResult, TextContent
from tests.live import LiveServer, live_server

from secrecon.service.tools import TOOLS

COMMAND = Path(sys.executable).parent / "secrecon"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live_server(tmp_path_factory.mktemp("live")) as made:
        started = httpx.post(
            f"{made.base}/api/v1/scan", json={"target": made.target}, headers={"X-API-Key": made.key}
        ).json()
        until = time.monotonic() + 60
        while time.monotonic() < until:
            if httpx.get(made.base + started["status_url"]).json()["status"] == "complete":
                break
            time.sleep(0.1)
        yield made


def parameters(server: LiveServer, key: str) -> StdioServerParameters:
    return StdioServerParameters(
        command=str(COMMAND), args=["mcp", "--url", server.base], env={**os.environ, "SECRECON_API_KEY": key}
    )


def text_of(result: CallToolResult) -> str:
    assert isinstance(result.content[0], TextContent)
    return result.content[0].text


async def test_an_agent_lists_and_uses_the_tools(server: LiveServer) -> None:
    async with Client(stdio_client(parameters(server, server.key))) as client:
        listed = await client.list_tools()
        assert {tool.name for tool in listed.tools} == set(TOOLS)
        for tool in listed.tools:
            assert tool.input_schema == TOOLS[tool.name].schema
            assert tool.annotations is not None
            assert tool.annotations.read_only_hint is True
        found = await client.call_tool("list_findings", {"severity": "high"})
        assert not found.is_error
        items = json.loads(text_of(found))["findings"]
        assert items[0]["title"] == "Git repository can be read"
        one = await client.call_tool("read_finding", {"finding_id": items[0]["finding_id"]})
        assert json.loads(text_of(one))["remediation"] == "Do not serve it."
        unknown = await client.call_tool("read_finding", {"finding_id": 4_711})
        assert unknown.is_error
        assert "No such finding" in text_of(unknown)
        wrong = await client.call_tool("list_findings", {"severity": "terrible"})
        assert wrong.is_error
        assert "severity" in text_of(wrong)
        absent = await client.call_tool("start_scan", {})
        assert absent.is_error


@pytest.mark.parametrize(
    ("key", "url", "words"),
    [
        ("", "", "SECRECON_API_KEY"),
        ("sra_wrong", "", ""),
        ("sra_wrong", "http://127.0.0.1:9", "is it running"),
        ("sra_wrong", "ftp://127.0.0.1", "--url must begin with"),
    ],
    ids=["no-key", "wrong-key", "no-server", "no-address"],
)
def test_what_is_missing_is_told_in_one_line(server: LiveServer, key: str, url: str, words: str) -> None:
    done = subprocess.run(
        [str(COMMAND), "mcp", "--url", url or server.base],
        env={**os.environ, "SECRECON_API_KEY": key},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3
    assert done.stdout == ""
    assert words in done.stderr
    assert done.stderr.startswith("secrecon: ")
    assert len(done.stderr.splitlines()) == 1
    assert not key or key not in done.stderr

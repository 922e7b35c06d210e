"""`secrecon scan` as its user runs it: formats, exit codes, Ctrl-C, and targets that misbehave."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from secrecon.lab.process import LabProcess

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "secrecon", "scan", *words]


def environment(lab: LabProcess | None = None) -> dict[str, str]:
    outside = {name: value for name, value in os.environ.items() if not name.startswith("SECRECON_")}
    if lab is None:
        return {**outside, "SECRECON_DNS_SERVERS": "127.0.0.1:9"}
    servers = " ".join(f"{host}:{port}" for host, port in lab.description.name_servers)
    return {
        **outside,
        "SECRECON_DNS_SERVERS": servers,
        "SECRECON_TLS_CA": lab.description.ca_file,
        "SECRECON_RATE": "400",
    }


def run(*words: str, lab: LabProcess | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*words), env=environment(lab), capture_output=True, text=True, timeout=120, check=False
    )


def test_a_vulnerable_origin_reaches_the_threshold(lab: LabProcess, tmp_path: Path) -> None:
    output = tmp_path / "report.html"
    target = str(lab.description.address_origin("fetch"))
    done = run(
        target,
        "--mode",
        "full",
        "--allow",
        lab.description.allow,
        "--output",
        str(output),
        "--fail-on",
        "high",
        lab=lab,
    )
    assert done.returncode == 1, done.stderr
    assert "Grade" in done.stderr
    assert "callback" in done.stderr
    assert str(output) in done.stderr
    assert "<html" in output.read_text("utf-8")


def test_its_safe_twin_is_clean(lab: LabProcess) -> None:
    target = str(lab.description.address_origin("fetch-safe"))
    done = run(
        target, "--mode", "full", "--allow", lab.description.allow, "--fail-on", "medium", "--quiet", lab=lab
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["oast_self_test"]["reachable"] is True
    assert [f["check"] for f in report["findings"] if f["severity"] in ("critical", "high", "medium")] == []


@pytest.mark.parametrize("format_", ["json", "md", "sarif", "cyclonedx", "openvex"])
def test_every_format_comes_on_stdout_alone(lab: LabProcess, format_: str) -> None:
    target = str(lab.description.address_origin("apache"))
    done = run(target, "--allow", lab.description.allow, "--format", format_, lab=lab)
    assert done.returncode in (0, 2), done.stderr
    assert "CVE-2021-41773" in done.stdout
    if format_ != "md":
        json.loads(done.stdout)


def test_a_baseline_lets_pass_what_is_known_and_the_ending_chooses_the_format(
    lab: LabProcess, tmp_path: Path
) -> None:
    target, first, paper = str(lab.description.address_origin("apache")), tmp_path / "a.json", tmp_path / "b.pdf"
    words = (target, "--allow", lab.description.allow, "--fail-on", "high")
    assert run(*words, "--output", str(first), lab=lab).returncode == 1
    done = run(*words, "--output", str(paper), "--baseline", str(first), lab=lab)
    assert done.returncode in (0, 2), done.stderr
    assert "more known from the baseline" in done.stderr
    assert paper.read_bytes().startswith(b"%PDF-")


def test_a_format_that_cannot_say_nothing_writes_no_file(tmp_path: Path) -> None:
    file = tmp_path / "x.openvex.json"
    done = run("https://nowhere.invalid", "--output", str(file))
    assert done.returncode == 2, done.stderr
    assert "No report was written" in done.stderr
    assert not file.exists()


def test_without_allow_only_light_checks_are_made_and_that_is_said(lab: LabProcess) -> None:
    done = subprocess.run(
        command(str(lab.description.address_origin("fetch")), "--quiet"),
        env={**environment(lab), "SECRECON_SCOPE_ALLOW": lab.description.allow},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    report = json.loads(done.stdout)
    assert report["touch"] == "light"
    assert report["oast_interactions"] == []
    ssrf = [c for c in report["coverage"]["checks"] if c["check"] == "ssrf.callback"]
    assert {c["outcome"] for c in ssrf} == {"skipped"}
    assert "not authorized" in ssrf[0]["reason"]
    assert report["risk_score"] != "A"


@pytest.mark.parametrize(
    ("target", "rule"),
    [
        ("http://127.0.0.1:9", "loopback"),
        ("http://169.254.169.254/latest", "metadata"),
        ("http://0x7f000001", "loopback"),
    ],
)
def test_private_addresses_are_refused_without_allow(target: str, rule: str) -> None:
    done = run(target)
    assert done.returncode == 3
    assert rule in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("ftp://example.com",),
        ("",),
        ("http://127.0.0.1:9", "--allow", "not a network"),
        ("http://127.0.0.1:9", "--fail-on", "sometimes"),
        ("http://127.0.0.1:9", "--format", "docx"),
        ("http://127.0.0.1:9", "--fail-on", "high", "--baseline", __file__),
        ("http://127.0.0.1:9", "--fail-on", "grade:C", "--baseline", __file__),
        ("http://127.0.0.1:9", "--allow", "127.0.0.1", "--output", "/nonexistent/folder/report.json"),
    ],
)
def test_bad_words_end_in_one_clear_line(words: tuple[str, ...]) -> None:
    done = run(*words)
    assert done.returncode == 3
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.strip()


def test_a_name_that_does_not_resolve_ends_as_not_tested() -> None:
    done = run("https://nowhere.invalid", "--quiet")
    assert done.returncode == 2, done.stderr
    report = json.loads(done.stdout)
    assert report["findings"] == []
    assert report["coverage"]["summary"]["tested"] is False
    assert report["risk_score"] not in ("A", "B")


class Rogue:
    """A server of one bad habit, in a thread. `met`: somebody has connected."""

    def __init__(self, habit: str) -> None:
        self.habit = habit
        self.port = 0
        self._ready = threading.Event()
        self.met = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self) -> Rogue:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.met.set()
        try:
            await reader.readuntil(b"\r\n\r\n")
            if self.habit == "hangs":
                await asyncio.sleep(600)
            elif self.habit == "redirects for ever":
                writer.write(
                    b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                )
            elif self.habit == "closes mid-header":
                writer.write(b"HTTP/1.1 200 OK\r\nServer: x")
            elif self.habit == "never stops":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n")
                for _ in range(10_000_000_000 // 65536):
                    writer.write(b"a" * 65536)
                    await writer.drain()
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            return
        finally:
            writer.close()


@pytest.fixture
def rogue(request: pytest.FixtureRequest) -> Iterator[Rogue]:
    with Rogue(str(request.param)) as server:
        yield server


@pytest.mark.parametrize("rogue", ["redirects for ever", "closes mid-header", "never stops"], indirect=True)
def test_a_target_that_misbehaves_gets_a_finished_scan(rogue: Rogue) -> None:
    done = run(f"http://127.0.0.1:{rogue.port}", "--allow", "127.0.0.1", "--quiet")
    assert done.returncode in (0, 2), done.stderr
    report = json.loads(done.stdout)
    assert report["status"] == "complete"
    assert report["bytes_received"] < 300_000_000
    if rogue.habit == "closes mid-header":
        assert done.returncode == 2
        assert report["coverage"]["summary"]["tested"] is False


@pytest.mark.parametrize("rogue", ["hangs"], indirect=True)
def test_ctrl_c_ends_at_once_with_a_report_that_says_what_was_not_run(rogue: Rogue, tmp_path: Path) -> None:
    output = tmp_path / "report.json"
    process = subprocess.Popen(
        command(f"http://127.0.0.1:{rogue.port}", "--allow", "127.0.0.1", "--output", str(output)),
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert rogue.met.wait(60)
    time.sleep(1)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=20)
    assert time.monotonic() - began < 5
    assert process.returncode == 2, told
    report = json.loads(output.read_text("utf-8"))
    assert report["cancelled"] is True
    assert "crawl" in report["coverage"]["phases_not_run"]
    assert "stopped before its end" in told

"""`secrecon retest` as people run it: another process, the same data dir, a live server with a real queue."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from tests.little import LittleEngine, finding_of
from tests.live import LiveServer, live_server

from secrecon.model.record import Chunk
from secrecon.model.scan import Attempt, Outcome, PhaseName, ScanSpec

pytestmark = pytest.mark.slow
COMMAND = Path(sys.executable).parent / "secrecon"


class Answering(LittleEngine):
    """Finds, or does not find, and says how the check went."""

    outcome: Outcome = Outcome.DONE
    there: bool = True

    def _chunk(self, spec: ScanSpec, phase: PhaseName, step: str, round_: int) -> Chunk:
        chunk = super()._chunk(spec, phase, step, round_)
        if step != "exposures":
            return chunk
        why = "" if self.outcome is Outcome.DONE else "the firewall answered"
        line = Attempt(phase, "exposure.git", str(spec.target.origin), self.outcome, why, 1)
        return replace(chunk, findings=(finding_of(spec),) if self.there else (), attempts=(line,))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("live")


@pytest.fixture(scope="module")
def engine() -> Answering:
    return Answering()


@pytest.fixture(scope="module")
def server(folder: Path, engine: Answering) -> Iterator[LiveServer]:
    with live_server(folder, engine) as made:
        yield made


@pytest.fixture(scope="module")
def number(server: LiveServer) -> int:
    """The number of a finding that a scan saw."""
    with httpx.Client(base_url=server.base, headers={"X-API-Key": server.key}) as client:
        started = client.post("/api/v1/scan", json={"target": server.target}).json()
        until = time.monotonic() + 60
        while client.get(started["status_url"]).json()["status"] != "complete":
            assert time.monotonic() < until, "the scan did not end"
            time.sleep(0.1)
        return int(client.get("/api/v1/findings").json()["items"][0]["id"])


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, "retest", *arguments, "--data-dir", folder],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "NO_COLOR": "1"},
    )


@pytest.mark.parametrize(
    ("there", "outcome", "code", "words"),
    [
        (True, Outcome.DONE, 1, "still there: the same check found it again at the same place"),
        (False, Outcome.BLOCKED, 2, "could not test: exposure.git was blocked on https://shop.acme.test"),
        (False, Outcome.DONE, 0, "not found: everything that found it ran again and did not find it"),
    ],
    ids=["still-there", "could-not-test", "not-found"],
)
def test_the_exit_code_says_what_came_of_it(
    folder: Path,
    server: LiveServer,
    engine: Answering,
    number: int,
    there: bool,
    outcome: Outcome,
    code: int,
    words: str,
) -> None:
    engine.there, engine.outcome = there, outcome
    done = run(folder, server.email, str(number))
    assert (done.returncode, done.stderr) == (code, "")
    assert done.stdout.startswith(words)
    assert "Traceback" not in done.stdout


def test_what_is_unknown_is_told(folder: Path, server: LiveServer) -> None:
    done = run(folder, server.email, "4711")
    assert done.returncode == 3
    assert "No such finding" in done.stderr
    assert "Traceback" not in done.stderr

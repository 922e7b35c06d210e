"""The GitHub Action and the GitLab job, run as their runners run them: the shell steps out of the YAML, on a live server."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from tests.live import LiveServer, live_server

ROOT = Path(__file__).parents[2]
ACTION = ROOT / "action.yml"
BASH = ["bash", "--noprofile", "--norc", "-eo", "pipefail"]
GITLAB = ROOT / "ci" / "secrecon.gitlab-ci.yml"


@dataclass
class Ran:
    """How a run ended, and what it left."""

    code: int
    said: str
    outputs: dict[str, str] = field(default_factory=dict)
    summary: str = ""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with live_server(tmp_path_factory.mktemp("pipelines")) as running:
        yield running


def shell(
    command: list[str], script: str, folder: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    base = {"PATH": os.environ["PATH"], "HOME": str(folder), "LANG": "C.UTF-8"}
    return subprocess.run(
        [*command, "-c", script],
        cwd=folder,
        env={**base, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def filled(text: str, known: dict[str, str]) -> str:
    return re.sub(r"\$\{\{ (\S+) \}\}", lambda match: known[match[1]], text)


def action(server: LiveServer, folder: Path, **given: str) -> Ran:
    """The composite action's shell steps one after the other, with GitHub's expressions filled in as GitHub does."""
    document: dict[str, Any] = yaml.safe_load(ACTION.read_text("utf-8"))
    inputs = {name: str(about.get("default", "")) for name, about in document["inputs"].items()}
    inputs |= {"server": server.base, "api-key": server.key, "target": server.target, "mode": "quick"}
    inputs |= {"poll-seconds": "0.1"} | {name.replace("_", "-"): value for name, value in given.items()}
    assert not any(about.get("required") and not inputs[name] for name, about in document["inputs"].items())
    known = {f"inputs.{name}": value for name, value in inputs.items()}
    files = {name: folder / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    ran = Ran(0, "")
    for step in document["runs"]["steps"]:
        if "run" not in step:
            continue
        assert "${{" not in step["run"], "what comes from outside reaches a script by its environment"
        for file in files.values():
            file.touch()
        environment = {name: filled(value, known) for name, value in step.get("env", {}).items()}
        environment |= {name: str(file) for name, file in files.items()} | {"RUNNER_TEMP": str(folder)}
        done = shell(BASH, step["run"], folder, environment)
        ran.said += done.stdout + done.stderr
        for line in files["GITHUB_OUTPUT"].read_text().splitlines():
            name, _, value = line.partition("=")
            known[f"steps.{step.get('id')}.outputs.{name}"] = value
        files["GITHUB_OUTPUT"].unlink()
        ran.code = done.returncode
        if ran.code:
            break
    ran.outputs = {n: filled(o["value"], {**known_all(document), **known}) for n, o in document["outputs"].items()}
    ran.summary = files["GITHUB_STEP_SUMMARY"].read_text()
    return ran


def known_all(document: dict[str, Any]) -> dict[str, str]:
    """Outputs of steps that did not run are empty."""
    return {
        match: ""
        for about in document["outputs"].values()
        for match in re.findall(r"\$\{\{ (\S+) \}\}", about["value"])
    }


def gitlab(server: LiveServer, folder: Path, **given: str) -> Ran:
    """The job's script as GitLab's runner runs it: one shell, ended by the first command that fails."""
    document: dict[str, Any] = yaml.safe_load(GITLAB.read_text("utf-8"))
    environment = {name: str(value) for name, value in document["variables"].items()}
    environment |= {"SECRECON_SERVER": server.base + "/", "SECRECON_API_KEY": server.key}
    environment |= {
        "SECRECON_TARGET": server.target,
        "SECRECON_MODE": "quick",
        "SECRECON_POLL_SECONDS": "0.1",
        **given,
    }
    done = shell(["sh", "-e"], "\n".join(document["secrecon"]["script"]), folder, environment)
    left = folder / "secrecon.env"
    outputs = dict(row.split("=", 1) for row in left.read_text().splitlines()) if left.exists() else {}
    return Ran(done.returncode, done.stdout + done.stderr, outputs)


def test_the_docs_name_every_input_with_its_default() -> None:
    text = (ROOT / "docs" / "ci.md").read_text("utf-8")
    document: dict[str, Any] = yaml.safe_load(ACTION.read_text("utf-8"))
    rows = dict(re.findall(r"^\| `([a-z-]+)` \|\s*`?([^`|]*?)`?\s*\|", text, re.MULTILINE))
    assert {name: rows.get(name) for name in document["inputs"]} == {
        name: str(about.get("default", "")).strip() for name, about in document["inputs"].items()
    }
    assert all(f"`{name}`" in text for name in [*document["outputs"]])


def test_the_action_passes_uploads_and_tells(server: LiveServer, tmp_path: Path) -> None:
    ran = action(server, tmp_path)
    assert (ran.code, ran.outputs["exit-code"]) == (0, "0"), ran.said
    assert "Attempt 1: " in ran.said
    log = json.loads((tmp_path / "secrecon.sarif").read_text())
    assert log["version"] == "2.1.0"
    assert len(log["runs"][0]["results"]) == 1
    assert re.fullmatch(r"[0-9a-f]{32}", ran.outputs["scan-id"])
    assert ran.outputs["risk-score"] in tuple("ABCDF")
    assert "| severity | findings |" in ran.summary
    assert "No findings at the threshold" in ran.summary
    assert server.key not in ran.said


def test_the_action_fails_at_the_threshold_and_a_baseline_makes_it_pass(server: LiveServer, tmp_path: Path) -> None:
    first = action(server, tmp_path, fail_on="high")
    assert first.code == 1, first.said
    assert "::error::1 finding at the threshold." in first.said
    (tmp_path / "again").mkdir()
    again = action(server, tmp_path / "again", fail_on="high", baseline=first.outputs["report-id"])
    assert again.code == 0, again.said
    assert "No new findings at the threshold (1 more known from the baseline)" in again.said


def test_the_action_says_why_nothing_began(server: LiveServer, tmp_path: Path) -> None:
    ran = action(server, tmp_path, target="ftp://x.test\n::set-env name=EVIL::1")
    assert ran.code == 3
    assert "::error::The scan was not accepted:" in ran.said
    assert not re.search(r"^::set-env", ran.said, re.MULTILINE)
    ran = action(server, tmp_path, api_key="sra_unknown")
    assert ran.code == 3


def test_the_action_says_when_the_threshold_is_unknown(server: LiveServer, tmp_path: Path) -> None:
    ran = action(server, tmp_path, fail_on="everything")
    assert ran.code == 3
    assert "unknown threshold" in ran.said


def test_the_gitlab_job_passes_fails_and_compares(server: LiveServer, tmp_path: Path) -> None:
    calm = gitlab(server, tmp_path)
    assert calm.code == 0, calm.said
    assert "No findings at the threshold" in calm.said
    for name in ("secrecon-report.json", "secrecon-report.html", "secrecon-report.sarif"):
        assert (tmp_path / name).stat().st_size > 500
    assert server.key not in calm.said
    failed = gitlab(server, tmp_path, SECRECON_FAIL_ON="high")
    assert (failed.code, "1 finding at the threshold." in failed.said) == (1, True)
    report = calm.outputs["SECRECON_REPORT_ID"]
    known = gitlab(server, tmp_path, SECRECON_FAIL_ON="high", SECRECON_BASELINE=report)
    assert known.code == 0, known.said
    assert gitlab(server, tmp_path, SECRECON_API_KEY="sra_unknown").code == 3
    assert "set it to what is scanned" in gitlab(server, tmp_path, SECRECON_TARGET="").said


def test_a_verdict_is_for_whoever_may_read_the_report(server: LiveServer, tmp_path: Path) -> None:
    report = action(server, tmp_path).outputs["report-id"]
    url = f"{server.base}/api/scan/{report}/verdict"
    assert httpx.get(url).json() == {
        "exit_code": 0,
        "words": httpx.get(url).json()["words"],
        "findings": [],
        "known": 0,
    }
    assert len(httpx.get(url, params={"fail_on": "low"}).json()["findings"]) == 1
    assert httpx.get(url, params={"fail_on": "grade:C", "baseline": report}).status_code == 400
    assert httpx.get(url, params={"baseline": "12345"}).status_code == 404
    assert httpx.get(f"{server.base}/api/scan/4242/verdict").status_code == 404

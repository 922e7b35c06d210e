"""The four client examples of the API document, run as they are against `secrecon serve` and the lab.

Replaced before running: the host, the key, the target; in the workflow also its expressions, as GitHub would. They wait
15 and 30 seconds between polls, so they run side by side.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from secrecon.cli.local_server import LocalServer, free_port, lab_environment
from secrecon.lab.process import LabProcess

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
HOST, KEY, TARGET = "https://secrecon.dev", "sra_your_key", "https://example.com"
PATIENCE = 220


@dataclass(frozen=True)
class Where:
    """What is put in for the document's host, key and target."""

    base: str
    key: str
    target: str


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[tuple[Where, Where]]:
    """The whole product with an authorized target without, and one with, a finding of the CISA catalogue."""
    port = free_port()
    with LabProcess(tmp_path / "lab", ("127.0.0.1", port)) as lab:
        where = lab.description
        environment = {**lab_environment(where, port), "SECRECON_SCANS_AT_ONCE": "5"}
        with LocalServer(tmp_path / "data", environment) as server:
            calm, known = (str(where.origin(name)) for name in ("fetch", "apache"))
            key = server.account("ada@example.com", "enterprise", calm, known)
            yield Where(server.base, key, calm), Where(server.base, key, known)


def run(command: list[str], folder: Path, **environment: str) -> Ran:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command,
        cwd=folder,
        env={"PATH": path, "HOME": str(folder), "LANG": "C.UTF-8", **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def example(name: str, server: Where) -> str:
    text = (EXAMPLES / name).read_text()
    assert HOST in text
    return text.replace(HOST, server.base).replace(KEY, server.key).replace(TARGET, server.target)


def written(name: str, server: Where, folder: Path) -> str:
    (folder / name).write_text(example(name, server))
    return name


def shell(server: Where, folder: Path) -> Ran:
    return run(["bash", written("curl.sh", server, folder)], folder)


def python(server: Where, folder: Path) -> Ran:
    return run([sys.executable, written("scan.py", server, folder)], folder)


def node(server: Where, folder: Path) -> Ran:
    return run(["node", written("scan.mjs", server, folder)], folder)


def workflow(server: Where, folder: Path) -> Ran:
    """The workflow's three steps one after the other, the way a runner runs them."""
    document = yaml.safe_load(example("security-scan.yml", server))
    known = {"secrets.SECRECON_API_KEY": server.key, "vars.SCAN_TARGET": server.target}
    out = ""
    for number, step in enumerate(document["jobs"]["scan"]["steps"]):
        script = re.sub(r"\$\{\{ (\S+) \}\}", lambda match: known[match[1]], step["run"])
        file, outputs = folder / f"step{number}.sh", folder / f"outputs{number}"
        file.write_text(script)
        outputs.touch()
        ran = run(["bash", "-e", str(file)], folder, GITHUB_OUTPUT=str(outputs))
        out += ran.out
        if ran.code != 0:
            return Ran(ran.code, out, f"{step['name']}: {ran.err}")
        for line in outputs.read_text().splitlines():
            name, _, value = line.partition("=")
            known[f"steps.{step['id']}.outputs.{name}"] = value
    return Ran(0, out, "")


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_the_documents_examples_run_as_they_are(servers: tuple[Where, Where], tmp_path: Path) -> None:
    calm, known = servers
    jobs = [(shell, calm), (python, calm), (node, calm), (workflow, calm), (workflow, known)]
    with ThreadPoolExecutor(len(jobs)) as pool:
        running = []
        for number, (part, where) in enumerate(jobs):
            folder = tmp_path / f"{number}-{part.__name__}"
            folder.mkdir()
            running.append(pool.submit(part, where, folder))
        by_shell, by_python, by_node, passes, fails = (future.result() for future in running)
    assert (by_shell.code, by_shell.err) == (0, "")
    assert "Status: complete" in by_shell.out
    assert '"risk_score"' in by_shell.out
    assert '"KEV_Status"' in by_shell.out
    assert (by_python.code, by_python.err) == (0, "")
    assert re.search(r"^Scan started: [0-9a-f]{32}$", by_python.out, re.MULTILINE)
    assert re.search(r"^Risk: [A-F] \| Findings: [1-9]\d* \| KEV: 0$", by_python.out, re.MULTILINE)
    assert (by_node.code, by_node.err) == (0, "")
    assert re.search(r"^Risk: [A-F] \| Findings: [1-9]\d* \| CISA KEV: 0$", by_node.out, re.MULTILINE)
    assert (passes.code, passes.err) == (0, "")
    assert re.search(r"^Attempt \d+: complete$", passes.out, re.MULTILINE)
    assert "CISA KEV findings: 0" in passes.out
    assert fails.code == 1
    assert re.search(r"^::error::[1-9]\d* CISA KEV finding\(s\) detected!$", fails.out, re.MULTILINE)


def test_the_examples_are_the_documents_words() -> None:
    """What a reader copies is what is tested: the names that the document's examples show are all there."""
    assert (EXAMPLES / "curl.sh").read_text().count(HOST) == 3
    assert "time.sleep(15)" in (EXAMPLES / "scan.py").read_text()
    assert "setTimeout(r, 15000)" in (EXAMPLES / "scan.mjs").read_text()
    steps = yaml.safe_load((EXAMPLES / "security-scan.yml").read_text())["jobs"]["scan"]["steps"]
    assert [step["name"] for step in steps] == [
        "Start SecRecon Scan",
        "Wait for completion",
        "Fail if critical KEV findings",
    ]

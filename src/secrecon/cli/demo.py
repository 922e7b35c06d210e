"""`secrecon demo`: the whole product on the bundled lab, from nothing to a report, over the real REST API.

Starts the lab and a server as processes of their own on loopback, makes an account, authorizes the lab, creates an API
key, submits a full scan with it, shows live progress, saves the report, and holds it against the lab's ground truth.
Everything is ended by its process id when the command ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import click
from pydantic import BaseModel
from rich.console import Console

from secrecon.cli.show import LiveProgress, SeenReport, print_summary
from secrecon.lab.process import LabProcess
from secrecon.lab.truth import load_truth, score
from secrecon.model.errors import OperatorError
from secrecon.model.scan import PhaseName

EMAIL = "demo@example.com"
START_SECONDS = 30.0
SCAN_SECONDS = 600.0
CALLBACK_DOMAIN = "cb.test"


class Started(BaseModel):
    """The 202 answer."""

    scan_id: str
    db_scan_id: int


class Status(BaseModel):
    """A poll of the status."""

    status: str
    phase: PhaseName | None
    current_message: str
    current_progress: int
    vulnerabilities_found: int
    services_found: int
    interactions: int = 0
    requests: int = 0


@click.command()
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo-out"),
    show_default=True,
    help="Folder for the report and the demo's database.",
)
def demo(output: Path) -> None:
    """Scan the bundled lab through the REST API and show the report.

    Exit code 0 when everything that the lab hides was found and nothing else.
    """
    console = Console(stderr=True)
    data = output / f"data-{time.strftime('%Y%m%d-%H%M%S')}"
    try:
        data.mkdir(parents=True)
    except OSError as error:
        raise OperatorError(f"{data} cannot be made: {error.strerror}; choose another --output") from error
    began = time.monotonic()
    dns_port = _free_port()
    with LabProcess(data / "lab", ("127.0.0.1", dns_port), CALLBACK_DOMAIN) as lab:
        where = lab.description
        environment = {
            "SECRECON_DATA_DIR": str(data),
            "SECRECON_DATABASE_URL": "",
            "SECRECON_SCOPE_ALLOW": f"{where.allow} 127.0.0.1",
            "SECRECON_DNS_SERVERS": " ".join(f"{host}:{port}" for host, port in where.name_servers),
            "SECRECON_WEB_PORTS": f"{where.http_port} {where.tls_port}",
            "SECRECON_TLS_CA": where.ca_file,
            "SECRECON_OAST_DOMAIN": CALLBACK_DOMAIN,
            "SECRECON_OAST_HOST": "127.0.0.1",
            "SECRECON_OAST_HTTP_PORT": "0",
            "SECRECON_OAST_DNS_PORT": str(dns_port),
            "SECRECON_LOG_LEVEL": "warning",
        }
        console.print(
            f"  The lab runs: {len(where.addresses)} hosts below {where.domain}, on loopback", markup=False
        )
        key = _account(environment, where.domain)
        with _server(environment, data / "server.log") as base:
            console.print(
                f"  The server runs at {base}; sign in as {EMAIL} (password in {data}/password)", markup=False
            )
            body = _scan(console, base, key, where.domain)
            html = _call(f"{base}/api/scan/{body.db_scan_id}/report?format=html", key)
            document = json.loads(_call(f"{base}/api/scan/{body.db_scan_id}", key))
        traps = lab.traps()
        truth = load_truth(where, ca_trusted=True)
    (output / "report.html").write_bytes(html)
    (output / "report.json").write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    print_summary(console, document)
    findings = SeenReport.model_validate(document).findings
    result = score(truth, [(f.check, f.asset, f.location, f.evidence_level) for f in findings])
    console.print()
    console.print(result.table(), markup=False, highlight=False)
    sprung = {name: count for name, count in traps.items() if count}
    console.print(f"  Traps sprung: {sprung or 'none'}", markup=False)
    console.print(f"  Took {time.monotonic() - began:.0f} s", markup=False)
    console.print(f"\n  HTML report: {(output / 'report.html').resolve()}", markup=False, highlight=False)
    console.print(f"  JSON report: {(output / 'report.json').resolve()}\n", markup=False, highlight=False)
    sys.exit(0 if result.perfect and not sprung else 1)


def _scan(console: Console, base: str, key: str, target: str) -> Started:
    """Submit a full scan over the REST API and follow it to its end."""
    wish = json.dumps({"target": target, "scan_mode": "full"}).encode()
    started = Started.model_validate_json(_call(f"{base}/api/v1/scan", key, wish))
    console.print(f"  Scan {started.scan_id} of {target} was accepted\n", markup=False)
    end = time.monotonic() + SCAN_SECONDS
    with LiveProgress(console) as live:
        while time.monotonic() < end:
            status = Status.model_validate_json(_call(f"{base}/api/scan/{started.scan_id}/status", key))
            counters = {
                "services": status.services_found,
                "findings": status.vulnerabilities_found,
                "callbacks": status.interactions,
                "requests": status.requests,
            }
            live.update(status.phase, status.current_progress, status.current_message, counters)
            if status.status == "complete":
                return started
            if status.status == "error":
                raise OperatorError(f"the scan ended in error: {status.current_message}")
            time.sleep(0.3)
    raise OperatorError(f"the scan did not end within {SCAN_SECONDS:.0f} s")


def _call(url: str, key: str, body: bytes | None = None) -> bytes:
    headers = {"X-API-Key": key, "Content-Type": "application/json"}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(url, body, headers)  # noqa: S310 - always http://127.0.0.1
    try:
        with opener.open(request, timeout=60) as answer:
            read: bytes = answer.read()
            return read
    except urllib.error.HTTPError as error:
        raise OperatorError(
            f"{url} answered {error.code}: {error.read(2000).decode('utf-8', 'replace')}"
        ) from error
    except OSError as error:
        raise OperatorError(f"{url} did not answer: {error}") from error


def _account(environment: Mapping[str, str], domain: str) -> str:
    """An enterprise account that may test the lab; its API key is returned."""
    password = secrets.token_urlsafe(18)
    folder = Path(environment["SECRECON_DATA_DIR"])
    file = os.open(folder / "password", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(file, "w") as opened:
        opened.write(password + "\n")
    _secrecon(environment, "users", "add", EMAIL, "--plan", "enterprise", "--password-stdin", given=password)
    _secrecon(environment, "targets", "authorize", EMAIL, domain)
    return _secrecon(environment, "keys", "create", EMAIL).strip()


def _secrecon(environment: Mapping[str, str], *words: str, given: str = "") -> str:
    command = [sys.executable, "-m", "secrecon", *words]
    done = subprocess.run(
        command,
        env={**os.environ, **environment},
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode != 0:
        raise OperatorError(f"secrecon {' '.join(words)} failed: {done.stderr.strip()}")
    return done.stdout


@contextlib.contextmanager
def _server(environment: Mapping[str, str], log: Path) -> Iterator[str]:
    """A running server; its base URL. Ended by its process id."""
    port = _free_port()
    command = [sys.executable, "-m", "secrecon", "serve", "--host", "127.0.0.1", "--port", str(port)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=output, stderr=output)
        try:
            base = f"http://127.0.0.1:{port}"
            _await_ready(process, base, log)
            yield base
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await_ready(process: subprocess.Popen[bytes], base: str, log: Path) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        if process.poll() is not None:
            raise OperatorError(f"the server ended at its start: {log.read_text('utf-8', 'replace')[-2000:]}")
        try:
            with opener.open(f"{base}/readyz", timeout=2):
                return
        except OSError:
            time.sleep(0.1)  # not yet
    raise OperatorError(f"the server was not ready within {START_SECONDS:.0f} s: see {log}")


def _free_port() -> int:
    """A port that is free on 127.0.0.1 for both TCP and UDP."""
    for _ in range(50):
        with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagram:
            stream.bind(("127.0.0.1", 0))
            port: int = stream.getsockname()[1]
            try:
                datagram.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OperatorError("no free port was found on 127.0.0.1")

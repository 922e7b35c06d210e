"""A SecRecon server as a process of its own on loopback, with an account and a key: what the demo and the tests drive.

Everything goes the user's way: settings in the environment, accounts by the command line, scans by the REST API. The
process is ended by its id.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import BaseModel

from secrecon.lab.description import LabDescription
from secrecon.model.errors import OperatorError
from secrecon.model.record import JsonValue
from secrecon.model.scan import PhaseName

START_SECONDS = 30.0
STOP_SECONDS = 30.0


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


def lab_environment(lab: LabDescription, callback_dns_port: int) -> dict[str, str]:
    """The settings under which a server may scan the lab, with its callback listener where the lab looks for it."""
    return {
        "SECRECON_DATABASE_URL": "",
        "SECRECON_SCOPE_ALLOW": lab.allow,
        "SECRECON_DNS_SERVERS": " ".join(f"{host}:{port}" for host, port in lab.name_servers),
        "SECRECON_WEB_PORTS": f"{lab.http_port} {lab.tls_port}",
        "SECRECON_SERVICE_PORTS": lab.scan_ports,
        "SECRECON_TLS_CA": lab.ca_file,
        "SECRECON_OAST_DOMAIN": lab.callback_domain,
        "SECRECON_OAST_HOST": "127.0.0.1",
        "SECRECON_OAST_HTTP_PORT": "0",
        "SECRECON_OAST_DNS_PORT": str(callback_dns_port),
        "SECRECON_LOG_LEVEL": "warning",
        "SECRECON_RATE": "400",
    }


@dataclass
class LocalServer:
    """`with LocalServer(folder, environment) as server:` runs `secrecon serve`. `port` is chosen where it is 0 and stays the same
    over restarts."""

    data_dir: Path
    environment: Mapping[str, str]
    port: int = 0
    _process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.port = self.port or free_port()

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.data_dir / "server.log"

    def __enter__(self) -> Self:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start and wait until ready. Raises OperatorError with the end of the log where it does not come up."""
        command = [sys.executable, "-m", "secrecon", "serve", "--host", "127.0.0.1", "--port", str(self.port)]
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(command, env=self._environment(), stdout=output, stderr=output)
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if self._process.poll() is not None:
                raise OperatorError(f"the server ended at its start: {self.log_end()}")
            try:
                self.get("/readyz")
            except OperatorError:
                time.sleep(0.1)
            else:
                return
        self.stop()
        raise OperatorError(f"the server was not ready within {START_SECONDS:.0f} s: {self.log_end()}")

    def stop(self) -> None:
        """SIGTERM, and SIGKILL where that is not enough."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """SIGKILL: as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def log_end(self) -> str:
        """The last 2,000 characters of the server's log."""
        return self.log.read_text("utf-8", "replace")[-2000:]

    def account(self, email: str, plan: str, *targets: str) -> str:
        """Add a user on `plan` who may test `targets`; returns an API key. The password is kept in the data dir."""
        password = secrets.token_urlsafe(18)
        file = os.open(self.data_dir / "password", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(file, "w") as opened:
            opened.write(password + "\n")
        self.command("users", "add", email, "--plan", plan, "--password-stdin", given=password)
        for target in targets:
            self.command("targets", "authorize", email, target)
        return self.command("keys", "create", email).strip()

    def command(self, *words: str, given: str = "") -> str:
        """Run a `secrecon` command under the server's settings; its standard output. Raises OperatorError."""
        done = subprocess.run(
            [sys.executable, "-m", "secrecon", *words],
            env=self._environment(),
            input=given,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode != 0:
            raise OperatorError(f"secrecon {' '.join(words)} failed: {done.stderr.strip()}")
        return done.stdout

    def get(self, path: str, key: str = "", body: bytes | None = None) -> bytes:
        """GET, or POST where there is a body. Raises OperatorError for anything but success."""
        url = f"{self.base}{path}"
        headers = {"X-API-Key": key} if key else {}
        request = urllib.request.Request(url, body, headers)  # noqa: S310 - always http://127.0.0.1
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=60) as answer:
                read: bytes = answer.read()
                return read
        except urllib.error.HTTPError as error:
            words = error.read(2000).decode("utf-8", "replace")
            raise OperatorError(f"{url} answered {error.code}: {words}") from error
        except OSError as error:
            raise OperatorError(f"{url} did not answer: {error}") from error

    def submit(self, key: str, target: str, mode: str = "full") -> Started:
        """POST /api/v1/scan."""
        wish = json.dumps({"target": target, "scan_mode": mode}).encode()
        return Started.model_validate_json(self.get("/api/v1/scan", key, wish))

    def status(self, scan_id: str) -> Status:
        """GET /api/scan/{scan_id}/status."""
        return Status.model_validate_json(self.get(f"/api/scan/{scan_id}/status"))

    def report(self, db_scan_id: int, key: str) -> dict[str, JsonValue]:
        """GET /api/scan/{db_scan_id}."""
        document = json.loads(self.get(f"/api/scan/{db_scan_id}", key))
        if not isinstance(document, dict):
            raise OperatorError(f"the report {db_scan_id} is not a JSON object")
        return document

    def _environment(self) -> dict[str, str]:
        outside = {name: value for name, value in os.environ.items() if not name.startswith("SECRECON_")}
        return {**outside, **self.environment, "SECRECON_DATA_DIR": str(self.data_dir)}


def free_port() -> int:
    """A port that is free on 127.0.0.1 for both TCP and UDP. Raises OperatorError."""
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

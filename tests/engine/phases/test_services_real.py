"""Real servers on loopback, named by the services step: PostgreSQL, which the tests bring, and whichever of OpenSSH, Redis and
memcached this machine has. Each that is absent is skipped with the reason."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.databases import PostgresServer
from tests.engine.conftest import make_engine, make_spec

from secrecon.detect.service_rules import ServiceRules
from secrecon.engine.memory import MemoryLog
from secrecon.engine.phases.resolve import ResolvePhase
from secrecon.engine.phases.services import ServicesPhase
from secrecon.model.asset import Service
from secrecon.model.scan import Budget
from secrecon.net.clock import SystemClock

HOST = "127.0.0.1"
START_SECONDS = 10.0


def program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin")
    if found is None:
        assert "CI" not in os.environ, f"{name} is missing: scripts/system installs it in CI"
        pytest.skip(f"{name} is not installed here: apt-get install openssh-server redis-server memcached")
    return found


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        port: int = sock.getsockname()[1]
        return port


@contextlib.contextmanager
def running(command: list[str], port: int, user: str | None = None) -> Iterator[None]:
    """A server for as long as the block lasts, once its port accepts."""
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", user=user
    ) as process:
        try:
            end = time.monotonic() + START_SECONDS
            while True:
                with contextlib.suppress(OSError), socket.create_connection((HOST, port), 1):
                    break
                assert process.poll() is None, f"{command[0]} ended at once"
                assert time.monotonic() < end, f"{command[0]} does not listen"
                time.sleep(0.02)
            yield
        finally:
            process.kill()


def said(*command: str) -> str:
    """What a program prints, on either stream."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    return done.stdout + done.stderr


async def seen(port: int, own: str = "") -> tuple[Service, set[str]]:
    """What the step says of one port, and the checks of its findings. `own`: the probe to give that port to, as the server
    cannot have its usual one here."""
    rules = ServiceRules.load()
    if own:
        rules.probes[own] = rules.probes[own].model_copy(update={"ports": (port,)})
    log = MemoryLog(SystemClock().now(), lambda _: None)
    phases = [ResolvePhase(), ServicesPhase(rules, (port,))]
    spec = replace(make_spec(HOST), budget=Budget(connects=10, requests=50))
    await make_engine(phases).run(spec, log)  # type: ignore[arg-type]
    (service,) = [fact for fact in log.facts.values() if isinstance(fact, Service)]
    return service, {finding.check for finding in log.findings.values()}


@pytest.mark.postgres
async def test_postgresql(postgres_server: PostgresServer) -> None:
    service, checks = await seen(postgres_server.port, "postgresql")
    assert (service.protocol, service.product, service.version) == ("postgresql", "postgresql", "")
    assert checks == {"service.database"}


async def test_openssh() -> None:
    port, sshd = free_port(), program("sshd")
    with tempfile.TemporaryDirectory() as folder:
        key = Path(folder) / "key"
        said(program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", str(key))
        command = [sshd, "-D", "-e", "-f", "/dev/null", "-h", str(key), "-p", str(port)]
        command += ["-o", f"ListenAddress={HOST}", "-o", "UsePAM=no", "-o", f"PidFile={folder}/pid"]
        if os.geteuid() == 0:  # as root it wants a user of its own, which only its package makes
            shutil.chown(folder, "nobody")
            shutil.chown(key, "nobody")
        with running(command, port, "nobody" if os.geteuid() == 0 else None):
            service, checks = await seen(port)
    assert (service.protocol, service.product, checks) == ("ssh", "openssh", set())
    assert f"OpenSSH_{service.version.partition('p')[0]}" in said(sshd, "-V")


@pytest.mark.slow
async def test_redis_with_and_without_a_password() -> None:
    server = program("redis-server")
    version = said(server, "--version")
    for words, open_ in ([], True), (["--requirepass", "secret-of-the-test"], False):
        port = free_port()
        with running([server, "--port", str(port), "--bind", HOST, "--save", "", *words], port):
            service, checks = await seen(port)
        assert (service.protocol, service.product) == ("redis", "redis"), "by how it refuses a web request"
        assert checks == {"service.redis-open" if open_ else "service.database"}
        assert not open_ or f"v={service.version} " in version


async def test_memcached() -> None:
    server, port = program("memcached"), free_port()
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    with running([server, "-l", HOST, "-p", str(port), "-U", "0", *user], port):
        service, checks = await seen(port, "memcached")
    assert (service.protocol, service.product) == ("memcached", "memcached")
    assert service.version in said(server, "--version")
    assert checks == {"service.memcached-open"}

"""The lab, once per test process, and servers on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from secrecon.cli.local_server import LocalServer, free_port, lab_environment
from secrecon.lab.process import LabProcess


@dataclass
class Deployment:
    """A running server with an enterprise account that may test the lab."""

    lab: LabProcess
    server: LocalServer
    key: str


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabProcess]:
    with LabProcess(tmp_path_factory.mktemp("lab")) as running:
        yield running


@pytest.fixture
def deployment(lab: LabProcess, tmp_path: Path) -> Iterator[Deployment]:
    port = free_port()
    lab.set_callback_dns("127.0.0.1", port)
    where = lab.description
    with LocalServer(tmp_path / "data", lab_environment(where, port)) as server:
        origins = [str(where.origin(name)) for name in ("fetch", "apache")]
        key = server.account("ada@example.com", "enterprise", where.domain, *origins)
        yield Deployment(lab, server, key)

"""Starting a server where something is wrong: one clear message that says what to do, exit code 3, nothing left running."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from secrecon.cli.local_server import LocalServer, free_port

pytestmark = [pytest.mark.slow]


def quiet_environment(**more: str) -> dict[str, str]:
    ports = {"SECRECON_OAST_HTTP_PORT": "0", "SECRECON_OAST_DNS_PORT": "0", "SECRECON_LOG_LEVEL": "info"}
    return {**ports, **more}


def serve(data_dir: Path, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    outside = {name: value for name, value in os.environ.items() if not name.startswith("SECRECON_")}
    return subprocess.run(
        [sys.executable, "-m", "secrecon", "serve", "--port", "0", "--data-dir", str(data_dir), *words],
        env={**outside, **quiet_environment(**settings)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def complains(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    for word in words:
        assert word in done.stderr


def test_a_second_server_on_the_same_data_dir(tmp_path: Path) -> None:
    with LocalServer(tmp_path / "data", quiet_environment()):
        complains(serve(tmp_path / "data"), "in use by the process", "--data-dir")


def test_a_web_port_in_use(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        complains(serve(tmp_path, "--port", str(port)), f"127.0.0.1:{port}", "--port")


def test_a_callback_port_in_use(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        complains(serve(tmp_path, SECRECON_OAST_HTTP_PORT=port), port, "SECRECON_OAST_HTTP_PORT")


def test_a_bad_setting(tmp_path: Path) -> None:
    complains(serve(tmp_path, SECRECON_SCANS_AT_ONCE="many"), "SECRECON_SCANS_AT_ONCE", "docs/settings.md")


def test_a_bad_scope_entry(tmp_path: Path) -> None:
    complains(serve(tmp_path, SECRECON_SCOPE_ALLOW="10.0.0.0/99"), "10.0.0.0/99")


def test_a_data_dir_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    complains(serve(tmp_path / "file" / "data"), "cannot be made", "SECRECON_DATA_DIR")


def test_a_database_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "secrecon.db").write_bytes(b"this is not a database\n" * 500)
    complains(serve(tmp_path), "secrecon.db")


def test_a_database_server_that_is_not_there(tmp_path: Path) -> None:
    url = f"postgresql+asyncpg://u:topsecret@127.0.0.1:{free_port()}/x"
    done = serve(tmp_path, SECRECON_DATABASE_URL=url)
    complains(done, "127.0.0.1")
    assert "topsecret" not in done.stderr


def test_a_ca_file_that_is_none(tmp_path: Path) -> None:
    complains(serve(tmp_path, SECRECON_TLS_CA="/nonexistent/ca.pem"), "SECRECON_TLS_CA", "/nonexistent/ca.pem")


def test_a_plans_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "plans.yaml").write_text("team: {scans: lots}\n")
    complains(serve(tmp_path, SECRECON_PLANS_FILE=str(tmp_path / "plans.yaml")), "SECRECON_PLANS_FILE", "team")


def test_sigterm_ends_it_cleanly(tmp_path: Path) -> None:
    server = LocalServer(tmp_path / "data", quiet_environment())
    server.data_dir.mkdir()
    server.start()
    process = server._process
    assert process is not None
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert "Traceback" not in server.log_end()
    server.start()
    server.stop()

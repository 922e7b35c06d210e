"""Starting and ending the lab: fast, quiet, side by side with others, gone when told or when its parent is gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from secrecon.lab.description import read_description
from secrecon.lab.process import LabProcess
from secrecon.model.errors import OperatorError


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_two_labs_run_side_by_side(lab: LabProcess, tmp_path: Path) -> None:
    with LabProcess(tmp_path) as other:
        assert other.description.allow != lab.description.allow
        assert other.description.http_port > 0
        assert httpx.get(str(other.description.address_origin("www")), trust_env=False).status_code == 200


def test_it_uses_no_time_while_nobody_asks(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "secrecon.lab", "--data-dir", str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        read_description(process.stdout.readline().decode())
        before = _cpu_seconds(process.pid)
        time.sleep(1.0)
        assert _cpu_seconds(process.pid) - before <= 0.02
        process.terminate()
        assert process.wait(5) == 0


@pytest.mark.parametrize("how", ["sigterm", "end of input"])
def test_it_ends_when_told(tmp_path: Path, how: str) -> None:
    command = [sys.executable, "-m", "secrecon.lab", "--data-dir", str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        described = read_description(process.stdout.readline().decode())
        if how == "sigterm":
            process.send_signal(signal.SIGTERM)
        else:
            process.stdin.close()
        assert process.wait(5) == 0
    # Another lab may have taken the block since; the port that this one's process held is free again either way.
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{described.control_port}/lab", trust_env=False)


def test_keys_are_for_the_owner_only(tmp_path: Path) -> None:
    with LabProcess(tmp_path) as running:
        assert Path(running.description.ca_file).is_file()
    assert (tmp_path / "tls").stat().st_mode & 0o077 == 0
    assert all(p.stat().st_mode & 0o077 == 0 for p in (tmp_path / "tls").glob("*.acme.test.pem"))


@pytest.mark.parametrize("bad", ["8.8.8.8:53", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:x", "localhost:53"])
def test_a_callback_server_off_loopback_is_refused(tmp_path: Path, bad: str) -> None:
    command = [sys.executable, "-m", "secrecon.lab", "--data-dir", str(tmp_path), "--callback-dns", bad]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False)
    assert done.returncode == 2
    assert b"loopback address and port" in done.stderr


def test_a_lab_that_does_not_start_says_so(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="ended before it was ready"), LabProcess(tmp_path, ("8.8.8.8", 53)):
        pass


def test_the_description_is_only_there_while_it_runs(tmp_path: Path) -> None:
    process = LabProcess(tmp_path)
    with pytest.raises(OperatorError):
        _ = process.description


@pytest.mark.parametrize("line", ["", "{}", "[1]", "not json"])
def test_a_first_line_that_is_no_description_is_refused(line: str) -> None:
    with pytest.raises(OperatorError):
        read_description(line)

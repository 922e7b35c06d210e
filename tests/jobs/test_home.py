"""One server per data folder, and the same executor id after a restart."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from secrecon.jobs.home import ID_NAME, Home
from secrecon.model.errors import OperatorError


def test_a_second_server_is_told_who_is_there(tmp_path: Path) -> None:
    with Home(tmp_path / "data"):
        with pytest.raises(OperatorError, match=f"in use by the process {os.getpid()}"):
            Home(tmp_path / "data")
        with Home(tmp_path / "other"):
            pass
    with Home(tmp_path / "data"):
        pass


def test_the_id_stays_and_differs_between_folders(tmp_path: Path) -> None:
    ids = []
    for name in ("one", "one", "two"):
        with Home(tmp_path / name) as home:
            ids.append(home.executor_id)
    assert ids[0] == ids[1] != ids[2]
    assert len(ids[0]) == 32


def test_a_killed_server_leaves_the_folder_free(tmp_path: Path) -> None:
    code = "import sys, time; from pathlib import Path; from secrecon.jobs.home import Home;"
    code += "home = Home(Path(sys.argv[1])); print('ready', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == b"ready\n"
        with pytest.raises(OperatorError, match=f"in use by the process {server.pid}"):
            Home(tmp_path)
        server.send_signal(signal.SIGKILL)
        server.wait(10)
    with Home(tmp_path):
        pass


def test_a_damaged_id_is_told(tmp_path: Path) -> None:
    (tmp_path / ID_NAME).write_text("../../etc\n")
    with pytest.raises(OperatorError, match=r"executor-id is damaged"):
        Home(tmp_path)
    (tmp_path / ID_NAME).write_text("ab" * 16)
    with Home(tmp_path) as home:
        assert home.executor_id == "ab" * 16


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OperatorError, match="cannot be written"):
        Home(tmp_path / "file" / "data")

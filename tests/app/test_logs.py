"""What goes to the log: one line's worth of an error, and never the values of variables."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import structlog
from secrecon.app.logs import configure_logs
from secrecon.app.settings import Settings
configure_logs(Settings(log_format="{form}"))
def broken(secret):
    raise ValueError("it broke")
try:
    broken("s3cret-" + "value")
except ValueError:
    structlog.get_logger("x").exception("a phase broke")
"""


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_traceback_shows_no_values(form: str) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM.replace("{form}", form)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert "it broke" in done.stderr
    assert "a phase broke" in done.stderr
    assert "s3cret-value" not in done.stderr

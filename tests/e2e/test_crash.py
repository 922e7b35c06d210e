"""kill -9 in the middle of a scan, a restart, and the scan ends with the same findings, each once."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from tests.e2e.conftest import Deployment

from secrecon.cli.local_server import Status
from secrecon.model.record import JsonValue

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
END_SECONDS = 150.0


def wait(deployment: Deployment, scan_id: str, least: int) -> Status:
    """Poll until the progress is at least `least` percent or the scan has ended."""
    end = time.monotonic() + END_SECONDS
    while time.monotonic() < end:
        status = deployment.server.status(scan_id)
        if status.current_progress >= least or status.status in ("complete", "error"):
            return status
        time.sleep(0.05)
    raise AssertionError(f"the scan did not reach {least} %: {status}")


def prints(report: dict[str, JsonValue]) -> Counter[str]:
    findings = report["findings"]
    assert isinstance(findings, list)
    return Counter(str(f["fingerprint"]) for f in findings if isinstance(f, dict))


def test_a_killed_server_finishes_the_scan_after_its_restart(deployment: Deployment) -> None:
    server, target = deployment.server, str(deployment.lab.description.origin("fetch"))
    undisturbed = server.submit(deployment.key, target)
    assert wait(deployment, undisturbed.scan_id, 100).status == "complete"
    wanted = prints(server.report(undisturbed.db_scan_id, deployment.key))
    assert wanted

    killed = server.submit(deployment.key, target)
    for least in (10, 40, 70, 90):
        status = wait(deployment, killed.scan_id, least)
        server.kill()
        server.start()
        after = server.status(killed.scan_id)
        assert after.current_progress >= status.current_progress, "progress never goes down"
    final = wait(deployment, killed.scan_id, 100)
    assert final.status == "complete", server.log_end()
    report = server.report(killed.db_scan_id, deployment.key)
    assert prints(report) == wanted
    assert set(prints(report).values()) == {1}
    assert report["error"] is None

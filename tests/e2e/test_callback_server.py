"""A scan whose callbacks come through a callback server elsewhere, and a callback that comes while nobody asks for it."""

from __future__ import annotations

import re
import time
import urllib.request
from pathlib import Path

import pytest
from tests.cli.test_oast import serving

from secrecon.cli.local_server import LocalServer, free_port, lab_environment
from secrecon.lab.process import LabProcess
from secrecon.model.record import JsonValue

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


def findings(report: dict[str, JsonValue]) -> list[dict[str, JsonValue]]:
    found = report["findings"]
    assert isinstance(found, list)
    return [item for item in found if isinstance(item, dict) and item["oast_verified"]]


def test_proof_through_a_server_and_a_hit_while_nobody_asks(lab: LabProcess, tmp_path: Path) -> None:
    target = str(lab.description.address_origin("fetch"))
    with serving(tmp_path, "--token", "secret") as (_, port, _):
        environment = {
            **lab_environment(lab.description, free_port()),
            "SECRECON_OAST_SERVER": f"http://127.0.0.1:{port}",
            "SECRECON_OAST_TOKEN": "secret",
        }
        server = LocalServer(tmp_path / "server", environment)
        with server:
            key = server.account("ada@example.com", "enterprise", target)
            started = server.submit(key, target, "quick")
            while server.status(started.scan_id).status not in ("complete", "error"):
                time.sleep(0.3)
            report = server.report(started.db_scan_id, key)
        assert report["oast_self_test"]["http"] == "reachable", report["oast_self_test"]  # type: ignore[index,call-overload]
        proven = findings(report)
        assert {finding["severity"] for finding in proven} >= {"critical"}, proven
        version = report["version"]
        callbacks = report["oast_interactions"]
        assert isinstance(callbacks, list)
        assert callbacks
        token = re.search(r"[a-z0-9]{33}", str(proven[0]["evidence"]))
        assert token is not None
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        opener.open(f"http://127.0.0.1:{port}/{token[0]}", timeout=5).read()
        with server:
            for _ in range(100):
                later = server.report(started.db_scan_id, key)
                if later["version"] != version:
                    break
                time.sleep(0.2)
        assert later["version"] == 2
        heard = later["oast_interactions"]
        assert isinstance(heard, list)
        assert len(heard) == len(callbacks) + 1

"""The flaws that two of the old versions show, and that their twins refuse."""

from __future__ import annotations

import http.client

import pytest

from secrecon.lab.process import LabProcess

APACHE = "/cgi-bin/.%2e/.%2e/.%2e/.%2e/etc/passwd"
GRAFANA = "/public/plugins/alertlist/../../../../../../../../etc/passwd"


def _raw_get(lab: LabProcess, host: str, path: str) -> tuple[int, str]:
    """http.client sends the path untouched, which httpx does not."""
    origin = lab.description.address_origin(host)
    connection = http.client.HTTPConnection(origin.host, origin.port, timeout=5)
    try:
        connection.request("GET", path)
        reply = connection.getresponse()
        return reply.status, reply.read().decode()
    finally:
        connection.close()


@pytest.mark.parametrize(("host", "path"), [("apache", APACHE), ("grafana", GRAFANA)])
def test_the_old_version_gives_the_file(lab: LabProcess, host: str, path: str) -> None:
    status, body = _raw_get(lab, host, path)
    assert status == 200
    assert body.startswith("root:x:0:0:")


@pytest.mark.parametrize(
    ("host", "path"),
    [("apache-fixed", APACHE), ("apache-backport", APACHE), ("grafana-fixed", GRAFANA), ("nginx", APACHE)],
)
def test_the_twin_does_not(lab: LabProcess, host: str, path: str) -> None:
    status, body = _raw_get(lab, host, path)
    assert status in (400, 404)
    assert "root:" not in body


def test_a_path_that_only_names_the_file_gets_nothing(lab: LabProcess) -> None:
    assert _raw_get(lab, "apache", "/cgi-bin/etc/passwd")[0] == 404
    assert _raw_get(lab, "grafana", "/public/plugins/alertlist/etc/passwd")[0] == 404

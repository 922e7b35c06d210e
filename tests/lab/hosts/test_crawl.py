"""The shop: everything a crawl can follow is there, and every trap counts exactly when it is sprung."""

from __future__ import annotations

import httpx
import pytest

from secrecon.lab.process import LabProcess


def _send(lab: LabProcess, method: str, path: str) -> httpx.Response:
    return httpx.request(method, f"{lab.description.address_origin('shop')}{path}", trust_env=False, timeout=5)


@pytest.mark.parametrize(
    ("path", "needle"),
    [
        ("/", 'action="/account/delete"'),
        ("/robots.txt", "Sitemap: /sitemap.xml"),
        ("/sitemap.xml", "/items?page=2</loc>"),
        ("/openapi.json", "/api/v2/stock"),
        ("/app.js", "/api/v2/search?q="),
        ("/contact", '<textarea name="message">'),
        ("/search?q=anvil", 'value="anvil"'),
        ("/internal/", "Only robots.txt leads here"),
        ("/api/v2/session", '"items"'),
    ],
)
def test_what_a_crawl_can_find(lab: LabProcess, path: str, needle: str) -> None:
    reply = _send(lab, "GET", path)
    assert reply.status_code == 200
    assert needle in reply.text


@pytest.mark.parametrize(
    ("method", "path", "trap"),
    [
        ("GET", "/thumbnail?item=3&size=999999999", "size-changed"),
        ("GET", "/thumbnail?item=3&size=9999999", "size-changed"),
        ("GET", "/logout?token=a1b2c3", "logout-followed"),
        ("GET", "/logout?token=http://x.cb.test/", "logout-changed"),
        ("GET", "/items/delete?id=3", "delete-followed"),
        ("GET", "/items/delete?id=4", "delete-changed"),
        ("POST", "/account/delete", "delete-posted"),
    ],
)
def test_a_trap_counts_when_it_is_sprung(lab: LabProcess, method: str, path: str, trap: str) -> None:
    before = lab.traps()
    _send(lab, method, path)
    after = lab.traps()
    assert {name for name in after if after[name] != before[name]} == {trap}


@pytest.mark.parametrize("path", ["/thumbnail?item=3&size=64", "/", "/calendar?month=2", "/items?page=x"])
def test_harmless_requests_spring_nothing(lab: LabProcess, path: str) -> None:
    before = lab.traps()
    assert _send(lab, "GET", path).status_code == 200
    assert lab.traps() == before


def test_a_crawl_that_walks_the_endless_calendar_is_counted(lab: LabProcess) -> None:
    before = lab.traps()["calendar-lost"]
    for month in range(70):
        _send(lab, "GET", f"/calendar?month={month}")
    assert lab.traps()["calendar-lost"] > before

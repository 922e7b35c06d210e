"""Takeover candidates: an alias to nobody outside, or a service's page for an unclaimed name; never a proof."""

from __future__ import annotations

from secrecon.detect.takeover import load_claimable, missing_target, service_of, unclaimed_page
from secrecon.model.dns import NameAnswer
from secrecon.model.finding import EvidenceLevel, Severity
from secrecon.model.http import HttpReply

ZONE = "acme.test"


def reply(status: int, body: bytes) -> HttpReply:
    return HttpReply(status, "", (), body, b"", body, b"", False, (), 0.0, "192.0.2.1")


def test_an_alias_to_a_missing_name_outside_is_a_candidate() -> None:
    answer = NameAnswer("old.acme.test", "NXDOMAIN", (), ("mid.acme.test", "x.azurewebsites.net"))
    finding = missing_target(answer, ZONE, "127.0.0.1:53")
    assert finding is not None
    assert finding.severity is Severity.MEDIUM
    assert finding.evidence_level is EvidenceLevel.BANNER
    assert "Azure App Service" in finding.evidence[0].summary
    assert finding.evidence[0].response.splitlines()[0] == "old.acme.test CNAME mid.acme.test"
    assert "may be" in finding.title
    unknown = missing_target(NameAnswer("old.acme.test", "NXDOMAIN", (), ("x.example",)), ZONE, "")
    assert unknown is not None
    assert unknown.severity is Severity.LOW


def test_an_alias_to_a_missing_name_of_the_zone_itself_is_none() -> None:
    assert missing_target(NameAnswer("old.acme.test", "NXDOMAIN", (), ("gone.acme.test",)), ZONE, "") is None


def test_a_services_own_page_for_an_unclaimed_name_is_a_candidate_and_another_page_is_not() -> None:
    answer = NameAnswer("blog.acme.test", "NOERROR", ("192.0.2.1",), ("acme.github.io",))
    service = service_of(answer.aliases)
    assert service is not None
    url = "https://blog.acme.test/"
    shown = unclaimed_page(answer, service, url, reply(404, b"<p>There isn't a GitHub Pages site here.</p>"))
    assert shown is not None
    assert shown.confidence < 0.7
    assert unclaimed_page(answer, service, url, reply(404, b"<p>Not found</p>")) is None
    assert unclaimed_page(answer, service, url, reply(200, b"There isn't a GitHub Pages site here.")) is None


def test_every_service_can_be_told_by_its_dns_or_its_page() -> None:
    ids = [service.id for service in load_claimable()]
    assert len(set(ids)) == len(ids) >= 15
    for service in load_claimable():
        assert service.absent != bool(service.page), service.id
        assert all(text == text.lower() for text in service.page)
        assert all(suffix.count(".") for suffix in service.suffixes)
    assert service_of(("notgithub.io.example",)) is None

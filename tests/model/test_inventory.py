"""Facts of every kind become assets, each with the ledger line that later tells whether it was looked for again."""

from __future__ import annotations

from secrecon.model.asset import Asset, AssetType, Resolution, Service, Technology, TlsInfo, ToldName
from secrecon.model.inventory import NEVER, looked, sightings
from secrecon.model.scan import Attempt, Outcome, PhaseName
from secrecon.model.target import Origin, parse_target

ORGANISATION, ORIGIN = parse_target("acme.test"), parse_target("https://acme.test:8443")
TLS = TlsInfo(
    "TLSv1.3", "x", "CN=acme.test", "CN=CA", ("acme.test", "www.acme.test"), "2026-01-01", "2027-01-01", False, True, "",
    "ab" * 32, "rsa", 2048, "sha256",
)  # fmt: skip
WEB = Origin("https", "acme.test", 8443)


def test_a_service_brings_its_certificate() -> None:
    facts = (
        Asset(AssetType.DOMAIN, "acme.test", "target"),
        Resolution("acme.test", ("192.0.2.9", "192.0.2.1")),
        Asset(AssetType.IP, "192.0.2.9", "dns", "acme.test"),
        Service("acme.test", "192.0.2.9", 8443, "https", WEB, "nginx", TLS),
        Service("acme.test", "192.0.2.9", 22, "ssh", None, "OpenSSH"),
        Technology(str(WEB), "nginx", "", "", "", 0.5),
    )
    seen = {one.key: one for one in sightings(facts, ORGANISATION)}
    domain = seen[AssetType.DOMAIN, "acme.test"]
    assert domain.detail == {"addresses": "192.0.2.1 192.0.2.9"}
    assert list(domain.looks) == [("resolve.addresses", "acme.test")]
    assert list(seen[AssetType.IP, "192.0.2.9"].parents) == ["acme.test"]
    web = seen[AssetType.SERVICE, "https://acme.test:8443"]
    assert (list(web.parents), list(web.looks)) == (
        ["acme.test"],
        [("probe.web", "acme.test"), ("services.ports", "192.0.2.9")],
    )
    assert list(seen[AssetType.SERVICE, "acme.test:22"].looks) == [("services.ports", "192.0.2.9")]
    certificate = seen[AssetType.CERTIFICATE, f"sha256:{'ab' * 32}"]
    assert certificate.detail["names"] == "acme.test www.acme.test"
    assert list(certificate.parents) == ["https://acme.test:8443"]
    assert seen[AssetType.TECHNOLOGY, "nginx on https://acme.test:8443"].detail == {"name": "nginx"}


def test_an_origin_is_its_own_line_of_the_ledger() -> None:
    (service,) = sightings((Service("acme.test", "192.0.2.9", 8443, "https", WEB),), ORIGIN)
    assert list(service.looks) == [("probe.web", "https://acme.test:8443")]


def test_every_source_must_have_looked() -> None:
    names, told = ("discover.names", "acme.test"), ("dns.zone-transfer", "acme.test")
    facts = tuple(
        Asset(AssetType.SUBDOMAIN, "www.acme.test", source, "acme.test") for source in ("wordlist", "zone-transfer")
    )
    (seen,) = sightings(facts, ORGANISATION)
    assert list(seen.looks) == [names, told]
    attempts = {names: Attempt(PhaseName.DISCOVER, *names, Outcome.DONE)}
    assert not looked(seen.looks, attempts)
    attempts[told] = Attempt(PhaseName.DISCOVER, *told, Outcome.DONE)
    assert looked(seen.looks, attempts)
    attempts[told] = Attempt(PhaseName.DISCOVER, *told, Outcome.SKIPPED, "no server")
    assert not looked(seen.looks, attempts)


def test_hostile_details_are_bounded() -> None:
    (service,) = sightings((Service("acme.test", "x" * 9_999, 8443, "https", WEB, "b" * 9_999),), ORIGIN)
    assert max(len(value) for value in service.detail.values()) == 300


def test_a_name_keeps_every_source_and_its_address_is_looked_for_where_it_is() -> None:
    facts = (
        Asset(AssetType.SUBDOMAIN, "shop.acme.test", "wordlist", "acme.test"),
        ToldName("shop.acme.test", "wordlist"),
        ToldName("shop.acme.test", "passive:certs"),
        ToldName("nobody.acme.test", "passive:certs"),
        Asset(AssetType.IP, "192.0.2.9", "dns", "shop.acme.test"),
    )
    name, address = sightings(facts, ORGANISATION)
    assert list(name.sources) == ["wordlist", "passive:certs"]
    assert list(name.looks) == [("discover.names", "acme.test")]
    assert list(address.looks) == [("discover.names", "acme.test")]
    (linked,) = sightings(
        (Asset(AssetType.SUBDOMAIN, "old.acme.test", "passive:certs", "acme.test"),), ORGANISATION
    )
    assert list(linked.looks) == [NEVER]


def test_a_quick_scan_says_nothing_of_what_only_a_full_one_looks_for() -> None:
    line = ("probe.web", "acme.test")
    done = {line: Attempt(PhaseName.PROBE, *line, Outcome.DONE)}
    assert looked([line], done)
    assert not looked([line], done, shallow=True)
    path = ("exposure.env", "https://acme.test")
    assert looked([path], {path: Attempt(PhaseName.VERIFY, *path, Outcome.DONE)}, shallow=True)


def test_ports_that_gave_no_answer_are_not_closed() -> None:
    line = ("services.ports", "192.0.2.9")
    for reason, ran in (
        ("200 ports tried: 3 open, 197 closed", True),
        (
            "200 ports tried: 3 open, 190 closed; 7 gave no answer, so whether something listens there is not known",
            False,
        ),
    ):
        assert looked([line], {line: Attempt(PhaseName.PROBE, *line, Outcome.DONE, reason)}) is ran

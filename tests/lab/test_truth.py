"""Scoring: what counts as found, weak, missed, false, and neither."""

from __future__ import annotations

import pytest

from secrecon.lab.description import LabDescription
from secrecon.lab.truth import Score, Seen, Truth, load_truth, read_truth_file, score
from secrecon.model.finding import EvidenceLevel

DNS = ("127.77.1.2", 5353)
NAMES = (
    "dev", "fetch", "fetch-safe", "apache", "apache-fixed", "apache-backport", "nginx-backport", "plain", "plain-safe",
    "go", "tls-good", "tls-expired", "tls-self-signed", "headers",
)  # fmt: skip


@pytest.fixture
def lab() -> LabDescription:
    addresses = {f"{label}.acme.test": f"127.77.1.{10 + n}" for n, label in enumerate(NAMES)}
    tls = tuple(f"{label}.acme.test" for label in NAMES if label.startswith("tls-"))
    return LabDescription(
        "acme.test", 8080, 8443, DNS, (DNS,), "127.77.1.0/24", 9, "/lab/ca.pem", "cb.test", addresses, tls
    )


@pytest.fixture
def truth(lab: LabDescription) -> Truth:
    return load_truth(lab, ca_trusted=False)


def _perfect(truth: Truth) -> list[Seen]:
    rows: list[Seen] = []
    for e in truth.expected:
        port = {"http": ":8080", "https": ":8443", "": ""}[e.scheme]
        asset = f"{e.scheme}://{e.host}{port}" if e.scheme else e.host
        rows.append((e.check, asset, e.locations[0], e.min_evidence))
    return rows


def _one(truth: Truth, *seen: Seen) -> Score:
    return score(truth.of_hosts(), seen)


def test_a_perfect_scan_scores_perfectly(truth: Truth) -> None:
    result = score(truth, _perfect(truth))
    assert result.perfect
    assert (result.recall, result.precision) == (1.0, 1.0)
    assert "false positives (precision 1.000)" in result.table()


def test_a_scan_that_finds_nothing_misses_everything(truth: Truth) -> None:
    result = score(truth, [])
    assert (result.recall, len(result.missed)) == (0.0, len(truth.expected))
    assert result.table().count("MISSED") == len(truth.expected)


def test_every_line_matters(truth: Truth) -> None:
    rows = _perfect(truth)
    for index in range(len(rows)):
        result = score(truth, rows[:index] + rows[index + 1 :])
        assert len(result.missed) == 1, rows[index]


def test_finding_the_same_twice_counts_once(truth: Truth) -> None:
    rows = _perfect(truth)
    assert score(truth, rows + rows).perfect
    git = ("exposure.git", "http://dev.acme.test:8080", "/.git/config", "behaviour")
    assert score(truth, [*rows, git]).perfect


@pytest.mark.parametrize(
    "seen",
    [
        ("ssrf.callback", "http://fetch-safe.acme.test:8080", "GET /fetch query:url", "callback"),
        ("ssrf.callback", "http://fetch.acme.test:8080", "GET /fetch query:other", "callback"),
        ("exposure.env", "http://fetch.acme.test:8080", "/.env", "behaviour"),
        ("hygiene.plain-http", "http://plain-safe.acme.test:8080", "", "behaviour"),
        ("tls.untrusted", "http://tls-expired.acme.test:8443", "", "behaviour"),
        ("cve.CVE-2021-41773", "http://apache-fixed.acme.test:8080", "apache", "version_range"),
        ("cve.CVE-2021-41773", "http://apache-backport.acme.test:8080", "apache", "banner"),
        ("cve.CVE-2021-44790", "http://apache-backport.acme.test:8080", "apache", "version_range"),
        ("cve.CVE-2021-23017", "http://nginx-backport.acme.test:8080", "nginx", "version_range"),
        ("cve.CVE-2000-0001", "http://apache.acme.test:8080", "php", "version_range"),
        ("made.up", "nowhere.example", "", "behaviour"),
    ],
)
def test_what_the_truth_does_not_list_is_false(truth: Truth, seen: Seen) -> None:
    result = score(truth, [*_perfect(truth), seen])
    assert result.false_positives == (seen,)
    assert not result.missed
    assert "FALSE" in result.table()


@pytest.mark.parametrize(
    "seen",
    [
        ("cve.CVE-2021-42013", "http://apache.acme.test:8080", "apache", "version_range"),
        ("cve.CVE-2021-44790", "http://apache-backport.acme.test:8080", "Apache HTTP Server", "banner"),
        ("hygiene.plain-http", "http://dev.acme.test:8080", "", "behaviour"),
        ("tls.untrusted", "https://tls-expired.acme.test:8443", "", "behaviour"),
    ],
)
def test_what_counts_neither_way(truth: Truth, seen: Seen) -> None:
    result = score(truth, [*_perfect(truth), seen])
    assert (result.perfect, result.tolerated) == (True, 1)


def test_too_little_evidence_is_weak_and_missed(truth: Truth) -> None:
    rows = [r if r[0] != "cve.CVE-2021-41773" else (*r[:3], EvidenceLevel.BANNER) for r in _perfect(truth)]
    result = score(truth, rows)
    assert [e.check for e in result.weak] == [e.check for e in result.missed] == ["cve.CVE-2021-41773"]
    assert not result.false_positives


def test_a_single_host_by_its_address(lab: LabDescription, truth: Truth) -> None:
    address = lab.address_origin("fetch")
    only = truth.of_hosts("fetch.acme.test")
    seen = ("ssrf.callback", str(address), "GET /fetch query:url", "callback")
    assert score(only, [seen]).perfect
    assert not score(only, []).perfect


def test_nothing_expected_and_nothing_found_is_perfect(truth: Truth) -> None:
    assert _one(truth).recall == 1.0
    assert _one(truth).precision == 1.0


def test_trusting_the_labs_authority_changes_the_truth(
    lab: LabDescription, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SECRECON_TLS_CA", raising=False)
    assert any(e.check == "tls.untrusted" for e in load_truth(lab).expected)
    monkeypatch.setenv("SECRECON_TLS_CA", "/lab/ca.pem")
    trusting = load_truth(lab)
    assert not any(e.check == "tls.untrusted" for e in trusting.expected)
    expired: Seen = ("tls.untrusted", "https://tls-expired.acme.test:8443", "", "behaviour")
    assert score(trusting, [expired]).false_positives == (expired,)


def test_every_vulnerable_host_has_a_twin() -> None:
    file = read_truth_file()
    information = {"exposure.api-docs", "ssrf.third-party", "service.database"}
    on_a_twin = {t.host for t in file.twins}
    lonely = {
        (e.check, e.host)
        for e in file.expected
        if e.check not in information
        and e.host not in on_a_twin
        and not any(t.twin_of == e.host and (e.check in t.checks or not t.checks) for t in file.twins)
    }
    assert lonely == {
        ("tls.untrusted", "tls-no-hsts.acme.test"),
        ("behaviour.open-redirect", "reader.acme.test"),
        ("dns.takeover", "old-campaign.acme.test"),  # docs.acme.test is an alias too, and no host of its own
    }


def test_the_truth_lists_each_finding_once() -> None:
    keys = [(e.check, e.scheme, e.host, e.locations) for e in read_truth_file().expected]
    assert len(keys) == len(set(keys))
    assert len({e.host for e in read_truth_file().expected}) >= 20

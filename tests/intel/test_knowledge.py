"""The curated core and the feeds together: which of them counts, what lowers confidence, and what a distribution says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.intel import madeup

from secrecon.detect.packaged import read_banner
from secrecon.intel import ssvc
from secrecon.intel.aliases import load_aliases
from secrecon.intel.core import load_core
from secrecon.intel.index.build import build
from secrecon.intel.knowledge import Knowledge, Known, dates_of, feeds_of
from secrecon.intel.lookup import Index
from secrecon.intel.records import SsvcPoints
from secrecon.model.asset import Technology
from secrecon.model.confidence import Doubt, Ground, confidence
from secrecon.model.finding import EvidenceLevel, Severity

IN_RANGE_WITH_CONDITION = confidence(Ground.VERSION, Doubt.CONDITION)
BACKPORT_POSSIBLE = confidence(Ground.VERSION, Doubt.BACKPORT)
IN_RANGE = confidence(Ground.VERSION)

NGINX = "cpe:2.3:a:f5:nginx"


@pytest.fixture(scope="module")
def knowledge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Knowledge]:
    folder = tmp_path_factory.mktemp("feeds")
    below = madeup.match
    records = [
        madeup.cve("CVE-2026-1000", [madeup.node(below("a:nginx:nginx", endExcluding="1.20.0"))]),
        madeup.cve("CVE-2021-23017", [madeup.node(below("a:f5:nginx", endExcluding="9.0"))]),
        madeup.cve(
            "CVE-2026-1001",
            [
                madeup.node(
                    below("a:acme:shop", endExcluding="2.0"),
                )
            ],
            score=None,
        ),
        madeup.cve("CVE-2026-1002", [madeup.node(below("a:acme:shop"))], score=5.3),
        madeup.cve(
            "CVE-2026-1003",
            [
                madeup.node(below("a:acme:shop", endExcluding="2.0")),
                madeup.node(below("o:acme:os", vulnerable=False)),
            ],
            joined=True,
        ),
        madeup.cve("CVE-2026-1006", [madeup.node(below(r"a:joomla:joomla\!", endExcluding="3.9.0"))]),
        madeup.cve("CVE-2026-1004", [madeup.node(below("a:openbsd:openssh", endExcluding="8.5"))]),
        *(
            madeup.cve(f"CVE-2026-2{number:03}", [madeup.node(below("a:acme:many", endExcluding="2.0"))])
            for number in range(70)
        ),
    ]
    osv = [
        madeup.osv_record(
            "DSA-1",
            "Debian:11",
            "openssh",
            {"introduced": "0"},
            {"fixed": "1:8.4p1-5+deb11u3"},
            aliases=["CVE-2026-1004"],
        ),
        madeup.osv_record(
            "UBUNTU-CVE-2026-1004",
            "Ubuntu:Pro:18.04:LTS",
            "openssh",
            {"introduced": "0"},
            {"fixed": "1:7.6p1-4ubuntu0.7+esm4"},
            aliases=["CVE-2026-1004"],
        ),
        madeup.osv_record(
            "USN-1",
            "Ubuntu:Pro:18.04:LTS",
            "openssh",
            {"introduced": "0"},
            {"fixed": "1:7.6p1-4ubuntu0.7+esm9"},
            aliases=["CVE-2026-1004", "CVE-2026-9999"],
        ),
        madeup.osv_record(
            "PYSEC-1", "PyPI", "gunicorn", {"introduced": "0"}, {"fixed": "22.0"}, aliases=["CVE-2026-1005"]
        ),
    ]
    files = madeup.sources(
        folder,
        nvd=madeup.nvd(*records),
        kev=madeup.kev("CVE-2026-1001", "CVE-2026-2069"),
        epss=madeup.epss({"CVE-2026-1000": (0.7, 0.98)}),
        ssvc=madeup.ssvc({"CVE-2026-1000": ("active", "yes", "total")}),
        osv=madeup.osv(*osv),
        retirejs=madeup.retire(),
    )
    build(folder / "i", files)
    index = Index(folder / "i")
    yield Knowledge(load_core(), load_aliases(), index, dates_of(index))
    index.close()


def seen(
    name: str, version: str, cpe: str = "", distribution: str = "", package: str = "", package_version: str = ""
) -> Technology:
    return Technology("http://a.test", name, version, cpe, "header", 0.95, distribution, package, package_version)


def ids(known: Known) -> list[str]:
    return [match.cve.id for match in known.matches]


def test_the_core_counts_for_what_it_holds_and_the_feeds_for_the_rest(knowledge: Knowledge) -> None:
    known = knowledge.look_up(seen("nginx", "1.18.0", NGINX))
    assert "CVE-2026-1000" in ids(known)
    assert "CVE-2021-23017" in ids(known)
    assert "CVE-2021-23017" not in ids(knowledge.look_up(seen("nginx", "1.25.0", NGINX)))
    alone = replace(knowledge, index=None, dates={}).look_up(seen("nginx", "1.18.0", NGINX))
    assert "CVE-2026-1000" not in ids(alone)
    assert "CVE-2021-23017" in ids(alone)


def test_a_name_with_quoted_characters_is_found(knowledge: Knowledge) -> None:
    assert "CVE-2026-1006" in ids(knowledge.look_up(seen("joomla", "3.8.0", r"cpe:2.3:a:joomla:joomla\!")))


def test_marks_of_exploitation_carry_the_dates_of_their_feeds(knowledge: Knowledge) -> None:
    match = next(
        m for m in knowledge.look_up(seen("nginx", "1.18.0", NGINX)).matches if m.cve.id == "CVE-2026-1000"
    )
    assert (match.epss, match.kev, match.ssvc) == (0.7, False, "Act")
    assert (match.threat.epss_date, match.threat.epss_percentile) == ("2026-11-24", 0.98)
    assert match.threat.kev_date == "2026-11-19"
    assert "mission and well-being taken as medium" in match.threat.ssvc_points
    assert match.threat.cvss_provider == "nvd@nist.gov"
    assert "by nvd" in match.reason


def test_what_is_exploited_comes_first_and_what_is_not_scored_says_so(knowledge: Knowledge) -> None:
    known = knowledge.look_up(seen("shop", "1.0", "cpe:2.3:a:acme:shop"))
    assert ids(known)[0] == "CVE-2026-1001"
    first, *rest = known.matches
    assert (first.kev, first.threat.kev_due, first.threat.kev_ransomware) == (True, "2026-11-22", True)
    assert first.cve.severity is Severity.MEDIUM
    assert "No provider has scored it" in first.cve.impact
    by_id = {match.cve.id: match for match in rest}
    assert by_id["CVE-2026-1002"].confidence < IN_RANGE_WITH_CONDITION
    assert "names no versions" in by_id["CVE-2026-1002"].reason
    assert by_id["CVE-2026-1003"].confidence == IN_RANGE_WITH_CONDITION
    assert "only with acme:os" in by_id["CVE-2026-1003"].reason
    together = knowledge.look_up(seen("shop", "1.0", "cpe:2.3:a:acme:shop"), ["o:acme:os"])
    assert next(m for m in together.matches if m.cve.id == "CVE-2026-1003").confidence == IN_RANGE


def test_a_distribution_makes_it_possible_and_its_own_word_settles_it(knowledge: Knowledge) -> None:
    ssh = "cpe:2.3:a:openbsd:openssh"
    (doubt,) = knowledge.look_up(seen("openssh", "8.4p1", ssh, distribution="Debian")).matches
    assert (doubt.level, doubt.confidence) == (EvidenceLevel.BANNER, BACKPORT_POSSIBLE)
    assert "may have backported" in doubt.reason
    package = {"distribution": "Debian", "package": "deb/debian:11/openssh"}
    (old,) = knowledge.look_up(
        seen("openssh", "8.4p1", ssh, package_version="1:8.4p1-5+deb11u1", **package)
    ).matches
    assert (old.level, old.confidence) == (EvidenceLevel.VERSION_RANGE, IN_RANGE)
    assert "is affected" in old.reason
    mended = knowledge.look_up(seen("openssh", "8.4p1", ssh, package_version="1:8.4p1-5+deb11u3", **package))
    assert (mended.matches, mended.mended) == ((), ("CVE-2026-1004",))


@pytest.mark.parametrize(
    ("banner", "expected"),
    [
        ("SSH-2.0-OpenSSH_8.4p1 Debian-5+deb11u3", "mended"),
        ("SSH-2.0-OpenSSH_8.4p1 Debian-5+deb11u2", "affected"),
        ("SSH-2.0-OpenSSH_7.6p1 Ubuntu-4ubuntu0.7+esm4", "mended"),  # by the record of the CVE, not by the advisory
        ("SSH-2.0-OpenSSH_7.6p1 Ubuntu-4ubuntu0.7", "affected"),
        ("SSH-2.0-OpenSSH_7.9p1 Debian-10+deb10u2", "doubt"),
        ("SSH-2.0-OpenSSH_8.0 FreeBSD-20240701", "doubt"),
        ("SSH-2.0-OpenSSH_8.0", "range"),
        ("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3", "outside"),
    ],
)
def test_a_banner_gets_the_answer_of_whoever_built_it(knowledge: Knowledge, banner: str, expected: str) -> None:
    told = read_banner(banner)
    assert told is not None
    known = knowledge.look_up(
        seen(
            told.product,
            told.version,
            "cpe:2.3:a:openbsd:openssh",
            told.distribution,
            told.package,
            told.package_version,
        )
    )
    matches = tuple(match for match in known.matches if match.cve.id == "CVE-2026-1004")  # the core knows others
    if expected in ("mended", "outside"):
        assert matches == ()
        assert known.mended == (("CVE-2026-1004",) if expected == "mended" else ())
        return
    (match,) = matches
    sure = expected != "doubt"
    assert match.level is (EvidenceLevel.VERSION_RANGE if sure else EvidenceLevel.BANNER)
    assert match.confidence == (IN_RANGE if sure else BACKPORT_POSSIBLE)
    assert ("is affected" in match.reason) is (expected == "affected")
    assert ("may have backported" in match.reason) is bool(told.distribution)


def test_packages_are_looked_up_by_their_own_rules(knowledge: Knowledge) -> None:
    known = knowledge.look_up(seen("gunicorn", "21.2.0rc1"))
    assert "CVE-2026-1005" in ids(known)
    match = next(m for m in known.matches if m.cve.id == "CVE-2026-1005")
    assert match.cve.fix == "Update to 22.0 or later."
    assert "CVE-2026-1005" not in ids(knowledge.look_up(seen("gunicorn", "22.0")))


def test_a_flood_shows_the_most_pressing_and_counts_the_rest(knowledge: Knowledge) -> None:
    known = knowledge.look_up(seen("many", "1.0", "cpe:2.3:a:acme:many"))
    assert (len(known.matches), known.more) == (60, 10)
    assert ids(known)[0] == "CVE-2026-2069"


def test_without_a_version_there_are_candidates_and_no_matches(knowledge: Knowledge) -> None:
    known = knowledge.look_up(seen("shop", "", "cpe:2.3:a:acme:shop"))
    assert (known.known, known.matches, known.candidates) == (True, (), 3)
    assert knowledge.look_up(seen("unheard", "1.0")) == Known(False)


def test_reports_name_every_feed_or_say_that_there_is_none(knowledge: Knowledge) -> None:
    names = {feed.name: feed for feed in feeds_of(knowledge)}
    assert names["kev-file"].date == "2026-11-19"
    assert names["nvd-file"].rows == 77
    assert len(names["nvd-file"].digest) == 64
    (core,) = feeds_of(replace(knowledge, index=None))
    assert "secrecon feeds sync" in core.note
    assert core.date in replace(knowledge, index=None).data


def test_the_ssvc_tree_never_falls_when_a_point_gets_worse() -> None:
    order = {
        "exploitation": ("none", "poc", "active"),
        "automatable": ("no", "yes"),
        "impact": ("partial", "total"),
    }
    for mission in ssvc.Mission:
        for e in order["exploitation"]:
            for a in order["automatable"]:
                for i in order["impact"]:
                    rank = ssvc.decide(SsvcPoints(e, a, i), mission).rank
                    for worse in (SsvcPoints("active", a, i), SsvcPoints(e, "yes", i), SsvcPoints(e, a, "total")):
                        assert ssvc.decide(worse, mission).rank >= rank
                    assert ssvc.decide(SsvcPoints(e, a, i), ssvc.Mission.HIGH).rank >= rank
    assert ssvc.decide(SsvcPoints("active", "yes", "total"), ssvc.Mission.HIGH) is ssvc.Decision.ACT
    assert ssvc.decide(SsvcPoints("none", "no", "partial")) is ssvc.Decision.TRACK

"""The accuracy measurement's own judgement: what did not run is never clean, and a miss or a false alarm always fails.

The packages themselves are installed by `make accuracy`, outside of the tests; here are its verdicts and its table, its
table of pairs, what it reads of the command line's output, and the programs without a vulnerability.
"""

from __future__ import annotations

import http.client
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from benchmarks.accuracy import score, strangers
from benchmarks.accuracy.asking import claims, looking_for, read, template_id
from benchmarks.accuracy.install import APPS, NotInstalled, installed
from benchmarks.accuracy.nouns import Age, Measured, Pair, Registry, Seen, Side, Stranger, Verdict
from benchmarks.accuracy.pairs import PAIRS
from benchmarks.accuracy.programs import NotStarted, free_port, running

CVE = "CVE-2020-0001"
PAIR = Pair("one", CVE, Registry.PYPI, "thing", "1", "2", start=("thing",))


def measured(old: Side, fixed: Side) -> Measured:
    return Measured(PAIR, {Age.OLD: old, Age.FIXED: fixed})


FOUND = Side(ours=Verdict.FOUND, community=Verdict.FOUND)
CLEAN = Side(ours=Verdict.CLEAN, community=Verdict.CLEAN)
BROKEN = Side("could not be installed (npm: no such version)")


class TestVerdicts:
    def test_a_claimed_cve_is_found_whatever_the_template_is_called(self) -> None:
        assert score.verdict(Seen(("x",), frozenset({CVE}), 5), CVE, ["y"]) is Verdict.FOUND

    def test_nothing_claimed_by_templates_that_ran_is_clean(self) -> None:
        assert score.verdict(Seen(ran=1), CVE, [CVE]) is Verdict.CLEAN

    def test_a_template_that_failed_makes_it_untested(self) -> None:
        assert score.verdict(Seen(ran=3, failed={CVE: "timed out"}), CVE, [CVE]) is Verdict.UNTESTED

    def test_no_run_at_all_is_untested_not_clean(self) -> None:
        assert score.verdict(Seen(), CVE, [CVE]) is Verdict.UNTESTED

    def test_a_set_without_a_template_says_so(self) -> None:
        assert score.verdict(Seen(ran=3), CVE, []) is Verdict.NONE

    def test_another_cve_is_a_false_alarm_unless_the_version_has_it(self) -> None:
        pair = Pair("one", CVE, Registry.PYPI, "a", "1", "2", start=("a",), has={Age.OLD: ("CVE-2020-0002",)})
        seen = Seen(cves=frozenset({CVE, "CVE-2020-0002", "CVE-2020-0003"}))
        assert score.false_alarms(seen, pair, Age.OLD) == ("CVE-2020-0003",)
        assert score.false_alarms(seen, pair, Age.FIXED) == (CVE, "CVE-2020-0002", "CVE-2020-0003")


class TestFigures:
    def test_only_pairs_that_ran_are_counted(self) -> None:
        figures = score.figures([measured(FOUND, CLEAN), measured(BROKEN, CLEAN)], ours=True)
        assert (figures.pairs, figures.recall, figures.false_positives) == (1, 1.0, 0)

    def test_nothing_tried_has_no_recall(self) -> None:
        assert score.figures([measured(BROKEN, BROKEN)], ours=True).recall is None

    def test_untested_on_the_old_version_is_a_miss(self) -> None:
        figures = score.figures([measured(Side(ours=Verdict.UNTESTED), CLEAN)], ours=True)
        assert (figures.recall, figures.untested) == (0.0, 1)

    def test_every_false_alarm_is_counted_once(self) -> None:
        fixed = Side(ours=Verdict.FOUND, community=Verdict.CLEAN, false_alarms=(CVE, "CVE-2020-0009"))
        assert score.figures([measured(FOUND, fixed)], ours=True).false_positives == 2
        assert score.figures([measured(FOUND, fixed)], ours=False).false_positives == 0


class TestComplaints:
    def test_a_good_run_has_none(self) -> None:
        same = Stranger("same", 0, 3, 80, 8000)
        assert score.complaints([measured(FOUND, CLEAN)], [same], strict=True) == []

    @pytest.mark.parametrize(
        ("old", "fixed", "word"),
        [
            (CLEAN, CLEAN, "is not found"),
            (Side(ours=Verdict.NONE), CLEAN, "is looked for by none"),
            (Side(ours=Verdict.UNTESTED), CLEAN, "could not be tested"),
            (FOUND, Side(ours=Verdict.UNTESTED), "could not test"),
            (FOUND, Side(ours=Verdict.FOUND, false_alarms=(CVE,)), "which it does not have"),
        ],
    )
    def test_a_miss_and_a_false_alarm_fail(self, old: Side, fixed: Side, word: str) -> None:
        (said,) = score.complaints([measured(old, fixed)], [], strict=False)
        assert word in said

    def test_what_could_not_be_installed_fails_where_it_is_asked_for(self) -> None:
        one = measured(BROKEN, CLEAN)
        assert score.complaints([one], [], strict=False) == []
        assert score.complaints([one], [], strict=True) == [f"thing 1: {BROKEN.problem}"]

    def test_a_stranger_on_which_something_is_found_fails(self) -> None:
        (said,) = score.complaints([], [Stranger("echo", 1, None, 80, which=("CVE-2020-0003",))], strict=False)
        assert said == "echo: our rules find CVE-2020-0003"

    def test_a_stranger_that_did_not_run_fails(self) -> None:
        assert score.complaints([], [Stranger("echo", None, None, problem="no port")], strict=False) == [
            "echo: no port"
        ]


def test_the_table_shows_what_did_not_run_as_that() -> None:
    lines = score.table([measured(BROKEN, CLEAN)], community=True)
    assert lines[2] == (
        f"| thing | {CVE} | 1 | could not be installed (npm: no such version) | did not run | 2 | not found | not found |"
    )
    assert score.summary([measured(BROKEN, CLEAN)], community=True)[1] == (
        "our rules: recall nothing to measure, false positives 0, pairs that could not be tested 0"
    )
    assert score.strangers_table([Stranger("echo", None, None)], community=False)[2] == "| echo | did not run |"


def test_a_failure_is_not_read_as_a_verdict() -> None:
    lines = [
        json.dumps({"template-id": "a", "matcher-status": False, "info": {}, "error": "connection refused"}),
        json.dumps({"template-id": "b", "matcher-status": False, "info": {}}),
        json.dumps({"template-id": "c", "matcher-status": True, "info": {"classification": {"cve-id": CVE}}}),
    ]
    seen = read(lines)
    assert (seen.found, seen.cves, seen.ran) == (("c",), frozenset({CVE}), 2)
    assert seen.failed == {"a": "connection refused"}


def test_a_template_claims_what_it_is_classified_as() -> None:
    assert claims("CVE-2020-0001", "cve-2020-0002") == {"CVE-2020-0002"}
    assert claims("CVE-2020-0001", ["CVE-2020-0002", "CVE-2020-0003"]) == {"CVE-2020-0002", "CVE-2020-0003"}
    assert claims("cve-2020-0001", None) == {"CVE-2020-0001"}
    assert claims("phpinfo", "") == set()


def test_templates_are_found_by_what_they_look_for(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(f"id: other-name\ninfo:\n  classification:\n    cve-id: {CVE}\n")
    (tmp_path / "CVE-2020-0002.yaml").write_text("id: CVE-2020-0002\n")
    (tmp_path / "c.yaml").write_bytes(b"\xff\x00 not a template")
    found = looking_for(tmp_path)
    assert {cve: [template_id(file) for file in files] for cve, files in found.items()} == {
        CVE: ["other-name"],
        "CVE-2020-0002": ["CVE-2020-0002"],
    }


class TestPairs:
    def test_there_are_enough_and_no_two_are_alike(self) -> None:
        assert len(PAIRS) >= 12
        assert len({pair.name for pair in PAIRS}) == len({pair.cve for pair in PAIRS}) == len(PAIRS)

    def test_every_app_is_used_and_is_there(self) -> None:
        assert {folder.name for folder in APPS.iterdir() if folder.is_dir()} == {
            pair.app for pair in PAIRS if pair.app
        }

    @pytest.mark.parametrize("pair", PAIRS, ids=[pair.name for pair in PAIRS])
    def test_it_serves_on_a_port_of_its_own(self, pair: Pair) -> None:
        assert any("{port}" in word for word in pair.start)
        assert pair.old != pair.fixed

    def test_what_was_never_installed_says_why(self, tmp_path: Path) -> None:
        with pytest.raises(NotInstalled, match="nothing was installed"):
            installed(PAIR, Age.OLD, tmp_path)
        (tmp_path / "one-1").mkdir()
        (tmp_path / "one-1/.failed").write_text("uv: no such version")
        with pytest.raises(NotInstalled, match="uv: no such version"):
            installed(PAIR, Age.OLD, tmp_path)


class TestPrograms:
    def test_one_that_ends_at_once_gives_its_last_words(self, tmp_path: Path) -> None:
        words = [sys.executable, "-c", "print('no such module'); raise SystemExit(4)"]
        with (
            pytest.raises(NotStarted, match="ended with 4: no such module"),
            running(words, tmp_path, {}, free_port(), "/", 20.0, tmp_path / "log"),
        ):
            pytest.fail("it is not up")

    def test_one_that_never_answers_is_given_up_and_ended(self, tmp_path: Path) -> None:
        words = [sys.executable, "-c", "import time; time.sleep(600)"]
        with (
            pytest.raises(NotStarted, match="did not answer within 0 s"),
            running(words, tmp_path, {}, free_port(), "/", 0.4, tmp_path / "log"),
        ):
            pytest.fail("it is not up")


@pytest.fixture(scope="module", params=strangers.KINDS)
def stranger(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    port, folder = free_port(), tmp_path_factory.mktemp("stranger")
    words = [sys.executable, strangers.__file__, request.param, str(port)]
    with running(words, folder, {}, port, "/", 20.0, folder / "log"):
        yield request.param, port


def test_a_stranger_answers_everything_in_its_way(stranger: tuple[str, int]) -> None:
    kind, port = stranger
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("POST", "/etc/%70asswd?name=m4rk", body=b"field=b0dy", headers={"X-Sent": "h3ad"})
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    sent = {"m4rk", "b0dy", "h3ad"}
    wanted = {"same": (200, set()), "echo": (200, sent), "decoded": (200, sent | {"/etc/passwd"}),
              "reflect": (200, sent), "away": (302, set())}[kind]  # fmt: skip
    assert (answer.status, {word for word in {*sent, "/etc/passwd"} if word in body}) == wanted
    if kind == "reflect":
        assert {"h3ad", "m4rk", "b0dy"} <= set(answer.headers.values())
    if kind == "away":
        assert answer.headers["Location"] == "/login?next=/etc/%70asswd?name=m4rk"

"""Matching on an index: boundaries exactly, joined products, updates, rough and unknown versions, held against a model."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.intel.madeup import cve, match, node, nvd, sources

from secrecon.intel.index.build import build
from secrecon.intel.index.tables import IndexBroken, Writer
from secrecon.intel.lookup import Index, Result

SHOP, OS, ROUTER = "a:acme:shop", "o:acme:os", "h:acme:router"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    folder = tmp_path_factory.mktemp("index")
    records = [
        cve("CVE-2026-0001", [node(match(SHOP, startIncluding="1.2.0", endExcluding="1.4.0"))]),
        cve("CVE-2026-0002", [node(match(SHOP, startExcluding="1.2.0", endIncluding="1.4.0"))], score=5.3),
        cve("CVE-2026-0003", [node(match(SHOP, "1.3.0"), match(SHOP, "1.5.0", update="rc1"))]),
        cve("CVE-2026-0004", [node(match(SHOP, "1.5.0", update="-"))]),
        cve(
            "CVE-2026-0005",
            [node(match(SHOP, endExcluding="3.0")), node(match(OS, "-", vulnerable=False))],
            joined=True,
        ),
        cve("CVE-2026-0006", [node(match("a:acme:old"))]),
        cve(
            "CVE-2026-0007",
            [node(match("o:acme:firmware", endExcluding="5.0.0")), node(match(ROUTER, "-", vulnerable=False))],
            joined=True,
        ),
        cve("CVE-2026-0008", [node(match("a:acme:strange", endExcluding="7-foo"))]),
        cve("CVE-2026-0009", [node(match("a:acme:shop2", "-"))]),
        cve(
            "CVE-2026-0010", [node(match("a:acme:pair", endExcluding="2.0"), match("a:acme:other"), operator="AND")]
        ),
        cve(
            "CVE-2026-0011",
            [node(match("a:acme:not", endExcluding="2.0")), node(match(OS, vulnerable=False), negate=True)],
            joined=True,
        ),
        cve(
            "CVE-2026-0012",
            [node(match("a:acme:ssh", endExcluding="8.5"), match("a:acme:ssh", "8.5", update="p1"))],
        ),
        cve("CVE-2026-0013", [node(match("a:acme:ssh", "8.7p2"))]),
        cve("CVE-2026-0014", [node(match("a:acme:letters", startIncluding="1.0.2", endExcluding="1.0.2zi"))]),
        cve("CVE-2026-0015", [node(match("a:acme:letters", startIncluding="1.0.2", endIncluding="1.0.2v"))]),
        cve("CVE-2026-0017", [node(match("a:acme:whole", startExcluding="1.9.x", endIncluding="2.4.x"))]),
        cve("CVE-2026-0018", [node(match("a:acme:whole", "3.0.x"))]),
        cve("CVE-2026-0016", [node(match("a:acme:branch", startIncluding="8.1.x", endExcluding="8.2.x"))]),
    ]
    build(folder / "i", sources(folder, nvd=nvd(*records)))
    made = Index(folder / "i")
    yield made
    made.close()


def ids(result: Result) -> list[str]:
    return [found.cve_id[-2:] for found in result.matches]


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("1.1.9", ["05"]),
        ("1.2.0", ["01", "05"]),
        ("1.2.1", ["01", "05", "02"]),
        ("1.3.0", ["01", "03", "05", "02"]),
        ("1.4.0", ["05", "02"]),
        ("1.4.0.1", ["05"]),
        ("1.5.0", ["04", "05"]),
        ("1.5.0-rc1", ["03", "05"]),
        ("1.5.0rc2", ["05"]),
        ("3.0.0", []),
    ],
)
def test_boundaries_and_updates(index: Index, version: str, expected: list[str]) -> None:
    assert ids(index.match([SHOP], version)) == expected


def test_a_rule_says_who_and_how(index: Index) -> None:
    found = index.match([SHOP], "1.2.1").matches
    assert [(match.provider, match.rule) for match in found if match.cve_id.endswith("01")] == [
        ("nvd", "acme:shop >= 1.2, < 1.4")
    ]


def test_what_else_must_be_there(index: Index) -> None:
    (alone,) = index.match([SHOP], "1.1", whole=True).matches
    assert alone.conditions == ("with acme:os",)
    (together,) = index.match([SHOP], "1.1", [OS], whole=True).matches
    assert together.conditions == ()
    (firmware,) = index.match(["o:acme:firmware"], "4.0.0").matches
    assert firmware.conditions == ("with acme:router",)
    (pair,) = index.match(["a:acme:pair"], "1.0").matches
    assert pair.conditions == ("with acme:other in every version",)


def test_what_must_not_be_there(index: Index) -> None:
    (match,) = index.match(["a:acme:not"], "1.0").matches
    assert match.conditions == ("without acme:os in every version",)
    assert index.match(["a:acme:not"], "1.0", [OS]).matches == ()


def test_a_record_without_versions_says_little(index: Index) -> None:
    (match,) = index.match(["a:acme:old"], "7.0").matches
    assert not match.named
    assert "every version" in match.rule


def test_unknown_and_rough_and_unordered_versions_are_no_matches(index: Index) -> None:
    unknown = index.match([SHOP], "")
    assert unknown.matches == ()
    assert len(unknown.candidates) == 5
    rough = index.match([SHOP], "1")
    assert ids(rough) == ["05"]
    assert [name[-2:] for name in rough.undecided] == ["01", "02", "03", "04"]
    assert index.match([SHOP], "1.5").undecided == ("CVE-2026-0004", "CVE-2026-0003")[::-1]
    assert index.match([SHOP], "3.0").undecided == ()
    assert ids(index.match([SHOP], "3.0")) == []
    assert index.match(["o:acme:firmware"], "5.0").undecided == ()
    assert ids(index.match(["o:acme:firmware"], "4.0")) == ["07"]
    assert index.match(["a:acme:strange"], "7-bar").undecided == ("CVE-2026-0008",)
    assert index.match(["a:acme:nothing"], "1.0") == Result(False)


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("1.9.0", []),
        ("1.9.99", []),
        ("1.10.0", ["17"]),
        ("2.4.0", ["17"]),
        ("2.4.30", ["17"]),
        ("2.4.30-rc1", ["17"]),
        ("2.4", ["17"]),
        ("2.5.0", []),
        ("2.5.0-rc1", []),
        ("3.0.0", ["18"]),
        ("3.0.7", ["18"]),
        ("3.0.7p1", ["18"]),
        ("3.1.0", []),
    ],
)
def test_a_branch_as_a_limit_is_all_of_it(index: Index, version: str, expected: list[str]) -> None:
    found = index.match(["a:acme:whole"], version)
    assert (ids(found), found.undecided) == (expected, ())


def test_a_branch_is_told_as_people_write_it(index: Index) -> None:
    (match,) = index.match(["a:acme:whole"], "2.0.0").matches
    assert match.rule == "acme:whole > 1.9.x, <= 2.4.x"


def test_a_record_that_names_no_version_is_undecided(index: Index) -> None:
    assert index.match(["a:acme:shop2"], "1.0") == Result(True, undecided=("CVE-2026-0009",))
    decided = index.match([SHOP], "3.0")
    assert (decided.decided, decided.undecided) == (5, ())


def test_packaging_behind_the_numbers(index: Index) -> None:
    assert ids(index.match(["a:acme:ssh"], "8.4p1", by_base=True)) == ["12"]
    assert ids(index.match(["a:acme:ssh"], "8.5p1")) == ["12"]
    assert ids(index.match(["a:acme:ssh"], "8.5p2")) == []
    assert ids(index.match(["a:acme:ssh"], "8.5p1", by_base=True)) == ["12"]
    assert ids(index.match(["a:acme:ssh"], "8.7p2", by_base=True)) == ["13"]
    assert ids(index.match(["a:acme:ssh"], "8.7p1", by_base=True)) == []


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("1.0.2k", ["14", "15"]),
        ("1.0.2k-fips", ["14", "15"]),
        ("1.0.2v", ["14", "15"]),
        ("1.0.2w", ["14"]),
        ("1.0.2zh", ["14"]),
        ("1.0.2zi", []),
        ("1.0.1zz", []),
    ],
)
def test_letters_behind_the_numbers(index: Index, version: str, expected: list[str]) -> None:
    result = index.match(["a:acme:letters"], version)
    assert (sorted(ids(result)), result.undecided) == (expected, ())


def test_a_limit_that_names_a_branch(index: Index) -> None:
    found = {
        version: ids(index.match(["a:acme:branch"], version)) for version in ("8.0.9", "8.1.0", "8.1.7", "8.2.0")
    }
    assert found == {"8.0.9": [], "8.1.0": ["16"], "8.1.7": ["16"], "8.2.0": []}


def test_a_file_of_another_version_is_refused(tmp_path: Path) -> None:
    with Writer(tmp_path / "i") as writer:
        writer.about = {"format": 0}
    with pytest.raises(IndexBroken, match="another version"):
        Index(tmp_path / "i")


VERSIONS = st.lists(st.integers(0, 3), min_size=3, max_size=3).map(lambda parts: ".".join(map(str, parts)))
LIMITS = st.fixed_dictionaries(
    {},
    optional={
        "startIncluding": VERSIONS,
        "startExcluding": VERSIONS,
        "endIncluding": VERSIONS,
        "endExcluding": VERSIONS,
    },
).filter(lambda limits: len({name[:3] for name in limits}) == len(limits))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rules=st.lists(st.one_of(LIMITS, VERSIONS), min_size=1, max_size=12))
def test_every_version_is_placed_as_the_numbers_say(tmp_path: Path, rules: list[dict[str, str] | str]) -> None:
    records = [
        cve(
            f"CVE-2026-{1000 + number}",
            [node(match(SHOP, rule) if isinstance(rule, str) else match(SHOP, limits=rule))],
        )
        for number, rule in enumerate(rules)
    ]
    build(tmp_path / "p", sources(tmp_path, nvd=nvd(*records)))
    index = Index(tmp_path / "p")
    for parts in itertools.product(range(4), repeat=3):
        version = ".".join(map(str, parts))
        expected = {f"CVE-2026-{1000 + number}" for number, rule in enumerate(rules) if holds(rule, parts)}
        result = index.match([SHOP], version)
        assert {found.cve_id for found in result.matches} == expected, version
        assert result.undecided == ()
    index.close()


def holds(rule: dict[str, str] | str, version: tuple[int, ...]) -> bool:
    """The model: numbers compared as tuples."""

    def numbers(text: str) -> tuple[int, ...]:
        return tuple(map(int, text.split(".")))

    if isinstance(rule, str):
        return numbers(rule) == version
    return (
        ("startIncluding" not in rule or version >= numbers(rule["startIncluding"]))
        and ("startExcluding" not in rule or version > numbers(rule["startExcluding"]))
        and ("endIncluding" not in rule or version <= numbers(rule["endIncluding"]))
        and ("endExcluding" not in rule or version < numbers(rule["endExcluding"]))
    )

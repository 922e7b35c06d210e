"""The zone's answers: exact names, chains, wildcards, empty names, and names that are not there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrecon.lab.zone import Zone


@pytest.fixture
def zone() -> Zone:
    made = Zone("acme.test")
    made.add("acme.test", "SOA", "ns1.acme.test. hostmaster.acme.test. 1 2 3 4 5")
    made.add("www.acme.test", "A", "127.0.0.2", "127.0.0.3")
    made.add("docs.acme.test", "CNAME", "www.acme.test.")
    made.add("gone.acme.test", "CNAME", "elsewhere.example.")
    made.add("loop.acme.test", "CNAME", "loop.acme.test.")
    made.add("*.wild.acme.test", "A", "127.0.0.9")
    made.add("deep.tree.acme.test", "A", "127.0.0.4")
    return made


def test_a_name_has_its_addresses(zone: Zone) -> None:
    assert zone.addresses("www.acme.test") == ("127.0.0.2", "127.0.0.3")


def test_an_alias_leads_to_the_addresses(zone: Zone) -> None:
    assert [s.type for s in zone.find("docs.acme.test", "A").sets] == ["CNAME", "A"]


def test_an_alias_out_of_the_zone_ends_there(zone: Zone) -> None:
    found = zone.find("gone.acme.test", "A")
    assert [s.type for s in found.sets] == ["CNAME"]
    assert found.exists


def test_a_loop_ends(zone: Zone) -> None:
    assert zone.addresses("loop.acme.test") == ()


@pytest.mark.parametrize("name", ["a.wild.acme.test", "x.y.wild.acme.test"])
def test_the_wildcard_answers_for_every_name_below_it(zone: Zone, name: str) -> None:
    assert zone.addresses(name) == ("127.0.0.9",)


@pytest.mark.parametrize("name", ["nope.acme.test", "x.www.acme.test"])
def test_a_name_that_is_not_there_does_not_exist(zone: Zone, name: str) -> None:
    found = zone.find(name, "A")
    assert (found.sets, found.exists) == ((), False)


@pytest.mark.parametrize(
    ("name", "type_"), [("tree.acme.test", "A"), ("wild.acme.test", "A"), ("www.acme.test", "MX")]
)
def test_a_name_without_such_records_exists_and_is_empty(zone: Zone, name: str, type_: str) -> None:
    found = zone.find(name, type_)
    assert (found.sets, found.exists) == ((), True)


def test_a_transfer_begins_and_ends_with_the_soa(zone: Zone) -> None:
    sets = list(zone.transfer())
    assert sets[0] == sets[-1] == zone.soa()
    assert sum(1 for s in sets if s.type == "SOA") == 2


@given(st.lists(st.sampled_from(["a", "b", "wild", "www", "tree", "deep"]), min_size=1, max_size=6))
def test_any_name_below_the_apex_gets_an_answer(labels: list[str]) -> None:
    small = Zone("t")
    small.add("t", "SOA", "n. h. 1 2 3 4 5")
    small.add("*.wild.t", "A", "127.0.0.9")
    name = ".".join([*labels, "t"])
    assert small.holds(name)
    assert bool(small.addresses(name)) == (len(labels) > 1 and labels[-1] == "wild")

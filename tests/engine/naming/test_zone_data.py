"""Records, wildcards and walks: what they tell, and that hostile ones end."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from secrecon.engine.naming import walk as walking
from secrecon.engine.naming.records import included, names_in
from secrecon.engine.naming.search import Search
from secrecon.engine.naming.walk import walk
from secrecon.engine.naming.wildcards import learn
from secrecon.engine.naming.zones import walk_zone
from secrecon.model.dns import DnsAnswer, DnsRecord, NameAnswer
from secrecon.model.errors import TargetTimeout
from secrecon.model.scan import Attempt, Outcome
from secrecon.net.network import Network

ZONE = "acme.test"


def records(type_: str, *values: str, name: str = ZONE) -> DnsAnswer:
    return DnsAnswer(name, type_, "NOERROR", tuple(DnsRecord(name, type_, 60, value) for value in values), "")


def test_records_tell_of_names() -> None:
    assert [*names_in(records("MX", "10 mx.acme.test", "bad"))] == [("mx.acme.test", "MX")]
    assert [*names_in(records("SRV", "1 2 5060 sip.acme.test", "1 2"))] == [("sip.acme.test", "SRV")]
    assert [*names_in(records("SOA", "ns1.acme.test. admin.acme.test. 1 2 3 4 5"))] == [("ns1.acme.test.", "SOA")]
    policy = (
        '"v=spf1 a:out.acme.test/24 include:_spf." "acme.test exists:%{i}.acme.test redirect=last.acme.test -all"'
    )
    assert [name for name, _ in names_in(records("TXT", policy, '"include:nothing.acme.test"'))] == [
        "out.acme.test",
        "_spf.acme.test",
        "last.acme.test",
    ]
    assert [*included(records("TXT", policy))] == ["_spf.acme.test", "last.acme.test"]
    assert [*names_in(records("TXT", "", '"v=spf1"'))] == []


def answer(label: str, *addresses: str, alias: str = "") -> NameAnswer:
    return NameAnswer(f"{label}.{ZONE}", "NOERROR", addresses, (alias,) if alias else ())


ASKED = tuple(f"r{number}.{ZONE}" for number in range(4))


def test_a_wildcard_explains_its_own_answers_and_no_others() -> None:
    wild = learn(ZONE, ASKED, [answer("r0", "192.0.2.1"), answer("r1", "192.0.2.2"), answer("r2", "192.0.2.1")], [])
    assert wild.explains(answer("www", "192.0.2.2"))
    assert not wild.explains(answer("www", "192.0.2.1", "192.0.2.9"))
    assert not wild.explains(answer("www", "192.0.2.1", alias="cdn.example"))
    nothing = learn(ZONE, ASKED, [], [])
    assert not nothing.there
    assert not nothing.explains(answer("www", "192.0.2.2"))


def test_a_wildcard_alias_is_compared_by_its_target_also_with_the_label_in_it() -> None:
    wild = learn(ZONE, ASKED, [answer(f"r{n}", f"192.0.2.{n}", alias=f"r{n}.park.example") for n in range(4)], [])
    assert wild.explains(answer("www", "192.0.2.77", alias="www.park.example"))
    assert not wild.explains(answer("test", "192.0.2.77", alias="lb.acme.test"))
    assert not wild.explains(answer("www", "192.0.2.1"))


def test_where_every_random_name_has_another_address_no_address_proves_anything() -> None:
    wild = learn(ZONE, ASKED, [answer(f"r{n}", f"192.0.2.{n}") for n in range(4)], [])
    assert wild.varies
    assert wild.explains(answer("www", "198.51.100.1"))
    assert not wild.explains(answer("www", "198.51.100.1", alias="real.example"))


def test_a_place_nobody_answered_for_is_not_known_and_names_below_it_are_not_counted() -> None:
    wild = learn(ZONE, ASKED, [], ASKED)
    assert not wild.tested
    assert wild.explains(answer("www", "192.0.2.2"))


def zone_of(chain: dict[str, str]) -> walking.Ask:
    async def ask(name: str, type_: str) -> DnsAnswer:
        if type_ == "NSEC" and name in chain:
            return records("NSEC", chain[name], name=name)
        return DnsAnswer(name, type_, "NOERROR", (), "")

    return ask


async def test_a_walk_tells_every_host_of_the_zone() -> None:
    chain = {ZONE: f"a.{ZONE}. NS SOA", f"a.{ZONE}": f"b.{ZONE}. A RRSIG", f"b.{ZONE}": f"x.b.{ZONE}. TXT"}
    chain[f"x.b.{ZONE}"] = f"{ZONE}. CNAME"
    walked = await walk(ZONE, zone_of(chain))
    assert (walked.hosts, walked.names, walked.end) == ((f"a.{ZONE}", f"x.b.{ZONE}"), 4, "")


@pytest.mark.parametrize(
    ("chain", "end"),
    [
        ({ZONE: f"b.{ZONE}. A", f"b.{ZONE}": f"a.{ZONE}. A", f"a.{ZONE}": f"b.{ZONE}. A"}, "does not go on"),
        ({ZONE: "b.elsewhere.test. A"}, "does not go on"),
        ({ZONE: f"\\000.{ZONE}. A"}, "makes the records up"),
        ({ZONE: f"b.{ZONE}. A"}, "has no NSEC"),
        ({}, "has no NSEC records"),
    ],
)
async def test_hostile_and_broken_chains_end(chain: dict[str, str], end: str) -> None:
    assert end in (await walk(ZONE, zone_of(chain))).end


async def test_an_endless_chain_ends_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walking, "MAX_STEPS", 20)
    asked: list[str] = []

    async def ask(name: str, type_: str) -> DnsAnswer:
        asked.append(name)
        return records("NSEC", f"n{len(asked):04d}.{ZONE}. A", name=name)

    walked = await walk(ZONE, ask)
    assert "limit of 20 names" in walked.end
    assert len(asked) == 21


async def test_nsec3_is_told_as_not_walkable_and_silence_is_raised() -> None:
    async def hashed(name: str, type_: str) -> DnsAnswer:
        return records("NSEC3PARAM", "1 0 5 AB", name=name) if type_ == "NSEC3PARAM" else records("NSEC")

    walked = await walk(ZONE, hashed)
    assert not walked.walkable
    assert "NSEC3" in walked.end

    async def silent(name: str, type_: str) -> DnsAnswer:
        raise TargetTimeout("nobody answered", "resolve")

    with pytest.raises(TargetTimeout):
        await walk(ZONE, silent)


async def test_a_walk_ends_soon_after_the_scan_was_cancelled() -> None:
    stop = asyncio.Event()
    asked: list[str] = []

    class Endless:
        async def dns(self, name: str, type_: str) -> DnsAnswer:
            asked.append(name)
            if len(asked) == 3:
                stop.set()
            return records("NSEC", f"n{len(asked):04d}.{ZONE}. A", name=name)

    (line,) = await walk_zone(Search(ZONE, cast(Network, Endless()), "seed", stop), ZONE)
    assert isinstance(line, Attempt)
    assert (len(asked), line.outcome) == (3, Outcome.FAILED)
    assert "cancelled" in line.reason

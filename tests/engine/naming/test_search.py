"""The search against a made-up DNS: wildcards at every level, silence, hostile numbers; and names told of later."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import cast

import pytest
from tests.engine.phases.web_views import view_of

from secrecon.engine.naming import search as searching
from secrecon.engine.naming.candidates import random_names
from secrecon.engine.naming.search import Search
from secrecon.engine.phase import Ground
from secrecon.engine.phases.names import CERTIFICATES, MET, MetNamesPhase, NamesPhase
from secrecon.model.asset import Asset, AssetType, Resolution, Service, TlsInfo, ToldName
from secrecon.model.dns import DnsAnswer, NameAnswer, SweepResult
from secrecon.model.errors import Unresolvable
from secrecon.model.finding import Finding
from secrecon.model.probe import Asked, Reply
from secrecon.model.scan import Attempt, Outcome, ScanMode
from secrecon.net.network import Network

ZONE, SEED = "acme.test", "seed"


class MadeUp:
    """A network whose DNS is a mapping of names to an address, an alias (with `>`) or "" for none; `*.` is a wildcard."""

    def __init__(self, zone: Mapping[str, str], silent: Sequence[str] = ()) -> None:
        self.zone, self.silent, self.asked = zone, silent, 0

    async def sweep(self, names: Sequence[str], stop: asyncio.Event | None = None) -> SweepResult:
        self.asked += len(names)
        quiet = tuple(name for name in names if name.endswith(tuple(self.silent)) and self.silent)
        found = [self._answer(name) for name in names if name not in quiet]
        return SweepResult(tuple(a for a in found if a is not None), len(names), len(names), silent=quiet)

    def _answer(self, name: str) -> NameAnswer | None:
        above = name
        while name not in self.zone and "." in above:
            above = above.partition(".")[2]
            if f"*.{above}" in self.zone:
                return self._as(name, self.zone[f"*.{above}"])
            if above in self.zone:
                return None
        return self._as(name, self.zone[name]) if name in self.zone else None

    def _as(self, name: str, value: str) -> NameAnswer:
        if value.startswith(">"):
            return NameAnswer(name, "NXDOMAIN", (), (value[1:],))
        return NameAnswer(name, "NOERROR", tuple(value.split()))

    async def dns(self, name: str, type_: str) -> DnsAnswer:
        if name.endswith(".gone.example"):
            return DnsAnswer(name, type_, "NXDOMAIN", (), "127.0.0.1:53")
        raise Unresolvable(f"{name} does not exist")


def search_in(network: MadeUp) -> Search:
    return Search(ZONE, cast(Network, network), SEED, asyncio.Event())


async def test_a_wildcard_zone_yields_its_real_names_only() -> None:
    zone = {"*.acme.test": "192.0.2.1", "www.acme.test": "192.0.2.9", "mail.acme.test": "192.0.2.1"}
    zone |= {"b.acme.test": "", "*.b.acme.test": "192.0.2.2", "x.b.acme.test": "192.0.2.1"}
    search = search_in(MadeUp(zone))
    await search.look_up([f"{word}.acme.test" for word in ("www", "mail", "api", "b", "x.b", "y.b")], "wordlist")
    assert set(search.found) == {"www.acme.test", "x.b.acme.test"}
    assert set(search.alike) == {"mail.acme.test", "api.acme.test", "y.b.acme.test"}
    assert {wildcard.parent for wildcard in search.wildcards} == {"acme.test", "b.acme.test"}
    assert "b.acme.test" in search.empty


async def test_what_the_zone_itself_tells_needs_no_comparison() -> None:
    search = search_in(MadeUp({"*.acme.test": "192.0.2.1"}))
    search.tell(["a.acme.test"], "zone-transfer")
    search.tell(["b.acme.test"], "passive:log")
    await search.look_up(search.pending())
    assert set(search.found) == {"a.acme.test"}
    assert set(search.alike) == {"b.acme.test"}


async def test_silence_is_neither_there_nor_absent_and_below_it_nothing_counts() -> None:
    search = search_in(MadeUp({"www.acme.test": "192.0.2.1"}, silent=(".quiet.acme.test",)))
    await search.look_up(["www.acme.test", "a.quiet.acme.test", "no.acme.test"])
    assert search.silent == {"a.quiet.acme.test"}
    assert search.absent == {"no.acme.test"}
    deaf = search_in(MadeUp({"www.acme.test": "192.0.2.1"}, silent=random_names(SEED, ZONE)))
    await deaf.look_up(["www.acme.test"])
    assert not deaf.found
    assert not deaf.wild[ZONE].tested


async def test_ten_thousand_told_names_are_bounded_and_the_rest_told() -> None:
    search = search_in(MadeUp({}))
    search.tell((f"n{number}.acme.test" for number in range(10_000)), "certificate")
    assert len(search.sources) == searching.MAX_TOLD
    assert search.over == 10_000 - searching.MAX_TOLD
    search.tell(["x.elsewhere.test", "bad name.acme.test", "*.acme.test", "\x00.acme.test"], "certificate")
    assert search.over == 10_000 - searching.MAX_TOLD


def tls(*names: str) -> TlsInfo:
    return TlsInfo("TLSv1.3", "c", "s", "i", names, "", "", False, True, "", "ab", "rsa", 2048, "sha256")


def ground(network: MadeUp, stop: asyncio.Event) -> Ground:
    async def ask(probes: Sequence[Asked], *, keep: bool) -> list[Reply]:
        return [Reply(probe, Outcome.FAILED, "refused", "ConnectFailed") for probe in probes]

    async def told(done: int, total: int) -> None:
        return None

    async def deaf() -> str:
        return ""

    return Ground(cast(Network, network), None, None, stop, told, deaf, ask)  # type: ignore[arg-type]


async def test_names_in_certificates_and_on_pages_are_looked_up_and_keep_their_source() -> None:
    zone = {"in-cert.acme.test": "192.0.2.1", "on-page.acme.test": "192.0.2.2", "old.acme.test": ">x.gone.example"}
    view = view_of(ZONE, mode=ScanMode.FULL)
    service = Service(
        "acme.test", "192.0.2.9", 443, "https", None, "", tls("acme.test", "*.in-cert.acme.test", "n.o.test")
    )
    view.add([service, Resolution("acme.test", ("192.0.2.9",)), ToldName("on-page.acme.test", "crawl")], (), ())
    view.add([ToldName("old.acme.test", "crawl"), ToldName("dead.acme.test", "crawl")], (), ())
    judged, more = await NamesPhase((80,)).hold(view, 0, ground(MadeUp(zone), asyncio.Event()))
    assert not more
    names = {item.value for item in judged if isinstance(item, Asset) and item.type is AssetType.SUBDOMAIN}
    assert names == {"in-cert.acme.test"}
    judged, _ = await MetNamesPhase((80,)).hold(view, 0, ground(MadeUp(zone), asyncio.Event()))
    names = {item.value for item in judged if isinstance(item, Asset) and item.type is AssetType.SUBDOMAIN}
    assert names == {"in-cert.acme.test", "on-page.acme.test", "old.acme.test"}
    assert {item.asset for item in judged if isinstance(item, Finding)} == {"old.acme.test"}
    sources = {(item.name, item.source) for item in judged if isinstance(item, ToldName)}
    assert ("in-cert.acme.test", "certificate") in sources
    assert ("on-page.acme.test", "crawl") in sources
    lines = {(item.check, item.asset): item for item in judged if isinstance(item, Attempt)}
    assert lines[MET, ZONE].outcome is Outcome.DONE
    assert ("probe.web", "on-page.acme.test") in lines


@pytest.mark.parametrize("target", ["https://acme.test/", "192.0.2.1"])
async def test_an_origin_and_an_address_have_no_names_to_look_up(target: str) -> None:
    view = view_of(target, mode=ScanMode.FULL)
    assert list(NamesPhase().checks(view)) == []
    assert await NamesPhase().hold(view, 0, ground(MadeUp({}), asyncio.Event())) == ([], False)


async def test_a_certificate_with_ten_thousand_names_is_told_as_not_looked_up_in_full() -> None:
    view = view_of(ZONE, mode=ScanMode.FULL)
    names = tuple(f"n{number}.acme.test" for number in range(10_000))
    view.add([Service("acme.test", "192.0.2.9", 443, "https", None, "", tls(*names))], (), ())
    network = MadeUp({})
    judged, _ = await NamesPhase((80,)).hold(view, 0, ground(network, asyncio.Event()))
    (line,) = [item for item in judged if isinstance(item, Attempt) and item.check == CERTIFICATES]
    assert line.outcome is Outcome.SKIPPED
    assert f"{10_000 - searching.MAX_TOLD} more were not looked up" in line.reason
    assert network.asked <= searching.MAX_TOLD

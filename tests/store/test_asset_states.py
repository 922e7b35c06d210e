"""What changed between scans of a target: appeared, changed, gone where the same check ran again, else not looked at."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from secrecon.model.asset import Asset, AssetType, Fact, Resolution, Service, Technology
from secrecon.model.inventory import AssetFilter, ChangeKind
from secrecon.model.record import Chunk
from secrecon.model.scan import Attempt, Outcome, PhaseName, Revisit
from secrecon.model.target import Origin
from secrecon.store import asset_states, assets, chunks, events, scans

if TYPE_CHECKING:
    from tests.store.conftest import Shelf

ZONE = "acme.test"
WEB = Origin("https", "www.acme.test", 443)
NAME = Asset(AssetType.SUBDOMAIN, "www.acme.test", "wordlist", ZONE)
ADDRESSES = Resolution("www.acme.test", ("192.0.2.7",))
SERVICE = Service("www.acme.test", "192.0.2.7", 443, "https", WEB, "nginx")
NGINX = Technology(str(WEB), "nginx", "1.18.0", "cpe:2.3:a:f5:nginx", "header Server", 0.9)
BACKUP = Asset(AssetType.SENSITIVE_PATH, f"{WEB}/backup.zip", "exposure.backup-archive", str(WEB))
ALL: tuple[Fact, ...] = (NAME, ADDRESSES, SERVICE, NGINX, BACKUP)
LINES = {
    "discover.names": ZONE,
    "probe.web": "www.acme.test",
    "fingerprint.web": str(WEB),
    "exposure.backup-archive": str(WEB),
}


def done(*, but: str = "", outcome: Outcome = Outcome.BLOCKED, reason: str = "a wall") -> tuple[Attempt, ...]:
    return tuple(
        Attempt(
            PhaseName.VERIFY,
            check,
            asset,
            outcome if check == but else Outcome.DONE,
            reason if check == but else "",
        )
        for check, asset in LINES.items()
    )


async def scan(
    shelf: Shelf,
    number: int,
    facts: tuple[Fact, ...] = ALL,
    attempts: tuple[Attempt, ...] | None = None,
    revisit: tuple[Revisit, ...] = (),
) -> str:
    """One whole scan of acme.test that saw `facts`."""
    scan_id = await shelf.add_scan(number, ZONE, at=1000.0 * number)
    at = 1000.0 * number + 10
    what = Chunk(PhaseName.VERIFY, "exposures", 0, facts, (), done() if attempts is None else attempts, False, 1, 1)
    async with shelf.db.transaction() as tx:
        await chunks.commit_chunk(tx, scan_id, what, at)
        row = await scans.locked(tx, scan_id)
        await asset_states.settle(tx, replace(row, spec=replace(row.spec, revisit=revisit)), at)
    return scan_id


async def changes(shelf: Shelf, scan_id: str) -> set[tuple[ChangeKind, str]]:
    async with shelf.db.reading() as tx:
        found = await asset_states.changes_of(tx, shelf.account_id, None, 100, scan_id=scan_id)
    return {(change.kind, change.value) for change in found}


async def test_the_first_scan_is_the_baseline_and_the_same_again_is_no_change(shelf: Shelf) -> None:
    first = await scan(shelf, 1)
    second = await scan(shelf, 2)
    assert await changes(shelf, first) == set()
    assert await changes(shelf, second) == set()
    async with shelf.db.reading() as tx:
        known = await assets.list_of(tx, shelf.account_id, AssetFilter(), None, 10)
    name = next(asset for asset in known if asset.type is AssetType.SUBDOMAIN)
    assert (name.scan_id, name.last_scan_id, name.first_seen, name.last_seen) == (first, second, 1010.0, 2010.0)
    assert (name.detail, name.parents, name.sources) == ({"addresses": "192.0.2.7"}, (ZONE,), ("wordlist",))
    assert {asset.type for asset in known} == {
        AssetType.SUBDOMAIN,
        AssetType.SERVICE,
        AssetType.TECHNOLOGY,
        AssetType.SENSITIVE_PATH,
    }


async def test_what_is_new_has_appeared_and_what_differs_has_changed(shelf: Shelf) -> None:
    await scan(shelf, 1, (NAME, ADDRESSES, SERVICE, NGINX))
    moved = Resolution("www.acme.test", ("192.0.2.8",))
    second = await scan(shelf, 2, (NAME, moved, SERVICE, replace(NGINX, version="1.20.1"), BACKUP))
    assert await changes(shelf, second) == {
        (ChangeKind.APPEARED, BACKUP.value),
        (ChangeKind.CHANGED, "www.acme.test"),
        (ChangeKind.CHANGED, f"nginx on {WEB}"),
    }
    async with shelf.db.reading() as tx:
        told = await asset_states.changes_of(tx, shelf.account_id, None, 10, kind=ChangeKind.CHANGED)
        log = await events.after(tx, second, 0, 1000)
    assert {change.value: change.detail for change in told} == {
        "www.acme.test": {"addresses": ["192.0.2.7", "192.0.2.8"]},
        f"nginx on {WEB}": {"version": ["1.18.0", "1.20.1"]},
    }
    summary = log[-1]
    assert (summary.kind, summary.data["appeared"], summary.data["changed"]) == ("asset_changes", 1, 2)
    assert [event.data["change"] for event in log if event.kind == "asset_change"].count("changed") == 2


async def test_gone_needs_the_same_check_to_have_run_to_its_end(shelf: Shelf) -> None:
    await scan(shelf, 1)
    without = tuple(fact for fact in ALL if fact not in (NAME, ADDRESSES))
    for number, but, reason in (
        (2, "discover.names", "a wall"),
        (4, "discover.names", "3 of 40 were not answered"),
    ):
        outcome = Outcome.BLOCKED if number == 2 else Outcome.DONE
        blocked = await scan(shelf, number, without, done(but=but, outcome=outcome, reason=reason))
        assert await changes(shelf, blocked) == {(ChangeKind.NOT_LOOKED, "www.acme.test")}
        again = await scan(shelf, number + 10, without, done(but=but))
        assert await changes(shelf, again) == set(), "told once"
        assert await changes(shelf, await scan(shelf, number + 20)) == set(), "seen again as it was"
    ran = await scan(shelf, 40, without)
    assert await changes(shelf, ran) == {(ChangeKind.GONE, "www.acme.test")}
    async with shelf.db.reading() as tx:
        gone = await assets.list_of(tx, shelf.account_id, AssetFilter(gone=True), None, 10)
    assert [(asset.value, asset.gone) for asset in gone] == [("www.acme.test", 40_010.0)]
    back = await scan(shelf, 41)
    assert await changes(shelf, back) == {(ChangeKind.APPEARED, "www.acme.test")}
    async with shelf.db.reading() as tx:
        assert await assets.list_of(tx, shelf.account_id, AssetFilter(gone=True), None, 10) == ()


async def test_a_sensitive_path_is_gone_only_where_it_was_asked_for_again(shelf: Shelf) -> None:
    await scan(shelf, 1)
    without = tuple(fact for fact in ALL if fact is not BACKUP)
    async with shelf.db.reading() as tx:
        revisit = await asset_states.revisits(tx, shelf.account_id, "https://acme.test")
        assert await asset_states.revisits(tx, shelf.account_id, "https://other.test") == ()
    assert revisit == (Revisit(BACKUP.value, "exposure.backup-archive"),)
    unasked = await scan(shelf, 2, without)
    assert await changes(shelf, unasked) == {(ChangeKind.NOT_LOOKED, BACKUP.value)}
    asked = await scan(shelf, 3, without, revisit=revisit)
    assert await changes(shelf, asked) == {(ChangeKind.GONE, BACKUP.value)}


async def test_a_name_known_from_a_link_alone_is_never_called_gone(shelf: Shelf) -> None:
    linked = Asset(AssetType.SUBDOMAIN, "old.acme.test", "crawl", ZONE)
    await scan(shelf, 1, (*ALL, linked))
    second = await scan(shelf, 2)
    assert await changes(shelf, second) == {(ChangeKind.NOT_LOOKED, "old.acme.test")}


async def test_a_version_that_is_missing_is_a_change_only_where_the_check_ran(shelf: Shelf) -> None:
    await scan(shelf, 1)
    hidden = tuple(replace(fact, version="") if isinstance(fact, Technology) else fact for fact in ALL)
    blocked = await scan(shelf, 2, hidden, done(but="fingerprint.web"))
    assert await changes(shelf, blocked) == set()
    ran = await scan(shelf, 3, hidden)
    assert await changes(shelf, ran) == {(ChangeKind.CHANGED, f"nginx on {WEB}")}


async def test_thousands_of_assets_settle_and_tell_a_bounded_number_of_events(shelf: Shelf) -> None:
    many = tuple(Asset(AssetType.SUBDOMAIN, f"h{n}.acme.test", "wordlist", ZONE) for n in range(2_000))
    await scan(shelf, 1, many)
    second = await scan(shelf, 2, many[:-700])
    async with shelf.db.reading() as tx:
        (summary,) = [
            event for event in await events.after(tx, second, 0, 100_000) if event.kind == "asset_changes"
        ]
        singles = sum(event.kind == "asset_change" for event in await events.after(tx, second, 0, 100_000))
        gone = await assets.count_by_type(tx, shelf.account_id, AssetFilter(gone=True))
    assert (summary.data["gone"], summary.data["seen"], singles) == (700, 1_300, asset_states.MAX_EVENTS)
    assert gone == {AssetType.SUBDOMAIN: 700}

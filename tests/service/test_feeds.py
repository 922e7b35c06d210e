"""Feeds over loopback HTTP and from files: what is good is taken in, what is broken is an alarm and replaces nothing."""

from __future__ import annotations

import lzma
import random
import resource
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.intel import madeup
from tests.little import BentClock
from tests.net.feedhost import FeedHost, feed_host

from secrecon.intel.feeds.kinds import Kind
from secrecon.intel.feeds.sources import Source
from secrecon.intel.index.tables import Reader
from secrecon.intel.lookup import Index
from secrecon.model.errors import BadInput, Conflict, OperatorError
from secrecon.net.feeds import FeedFetcher
from secrecon.service.feed_bundle import export_bundle, import_bundle, is_bundle
from secrecon.service.feeds import FeedOutcome, feeds_health, import_files, kept_feeds, rebuild, sync_feeds
from secrecon.service.feeds_state import FeedEntry, FeedStore, current_index

SHOP = "a:acme:shop"
NOW = 1_795_600_000.0  # 2026-11-25
DAY = 86_400.0


def nvd_of(count: int) -> bytes:
    node = madeup.node(madeup.match(SHOP, endExcluding="2.0"))
    return madeup.nvd(*(madeup.cve(f"CVE-2026-{1000 + number}", [node]) for number in range(count)))


@pytest.fixture
async def host() -> AsyncIterator[FeedHost]:
    async with feed_host() as made:
        made.files = {
            "/nvd": nvd_of(20),
            "/kev": madeup.kev("CVE-2026-1000"),
            "/epss": madeup.epss({"CVE-2026-1000": (0.5, 0.9)}),
        }
        yield made


@pytest.fixture
def store(tmp_path: Path) -> FeedStore:
    return FeedStore(tmp_path / "data")


def sources(host: FeedHost) -> list[Source]:
    return [
        Source("nvd-2026", Kind.NVD, host.url("/nvd")),
        Source("kev", Kind.KEV, host.url("/kev"), key_name="cisa", key_header="X-Key"),
        Source("epss", Kind.EPSS, host.url("/epss")),
    ]


async def sync(store: FeedStore, host: FeedHost, clock: BentClock, **more: object) -> dict[str, FeedOutcome]:
    async with FeedFetcher(clock, random.Random(1), stall=0.5) as fetcher:
        outcomes = await sync_feeds(store, sources(host), fetcher, clock, {"cisa": "k3y"}, **more)  # type: ignore[arg-type]
    return {outcome.name: outcome for outcome in outcomes}


def states(store: FeedStore, host: FeedHost, now: float = NOW) -> dict[str, str]:
    return {feed.name: feed.state for feed in feeds_health(store, sources(host), now)}


async def test_sync_twice(store: FeedStore, host: FeedHost) -> None:
    clock = BentClock(NOW)
    assert set(states(store, host).values()) == {"missing"}
    first = await sync(store, host, clock)
    assert all(outcome.changed and not outcome.problem for outcome in first.values())
    assert host.asked[1][1]["x-key"] == "k3y"
    index = store.index_path(store.load())
    assert index is not None
    built = index.stat().st_mtime_ns
    again = await sync(store, host, clock)
    assert not any(outcome.changed for outcome in again.values())
    assert all("if-none-match" in headers for _, headers in host.asked[3:])
    assert store.index_path(store.load()) == index
    assert index.stat().st_mtime_ns == built
    assert set(states(store, host).values()) == {"good"}
    assert states(store, host, NOW + 30 * DAY) == {"nvd-2026": "stale", "kev": "stale", "epss": "stale"}


async def test_only_what_is_due(store: FeedStore, host: FeedHost) -> None:
    clock = BentClock(NOW)
    await sync(store, host, clock)
    assert await sync(store, host, clock, due_only=True) == {}
    clock.at += 25 * 3600
    assert len(await sync(store, host, clock, due_only=True)) == 3


@pytest.mark.parametrize(
    ("path", "body", "fault", "words"),
    [
        ("/nvd", nvd_of(17), "", "more than a tenth is missing"),
        ("/nvd", nvd_of(20)[:-50], "", "not a whole JSON object"),
        ("/nvd", b"", "", "empty"),
        ("/nvd", b"<html>Sign in</html>", "", "none of those"),
        ("/nvd", madeup.kev("CVE-2026-1000"), "", "not nvd"),
        ("/kev", madeup.kev("CVE-2026-1000", date="2027-01-01"), "", "in the future"),
        ("/kev", madeup.kev("CVE-2026-1000", date="2026-10-01"), "", "older than the kept"),
        ("/epss", b"\x1f\x8b" + b"\0" * 30, "", "damaged"),
        ("/epss", None, "404", "404"),
        ("/epss", None, "hang", "did not answer"),
    ],
)
async def test_a_feed_that_is_broken_replaces_nothing(
    store: FeedStore, host: FeedHost, path: str, body: bytes | None, fault: str, words: str
) -> None:
    clock = BentClock(NOW)
    await sync(store, host, clock)
    before = store.load()
    kept = {name: entry.sha256 for name, entry in before.entries.items()}
    if body is not None:
        host.files[path] = body
    host.faults[path] = [fault] * 9 if fault else []
    outcomes = await sync(store, host, clock)
    name = {"/nvd": "nvd-2026"}.get(path, path.strip("/"))
    assert words in outcomes[name].problem
    assert [outcome.name for outcome in outcomes.values() if outcome.problem] == [name]
    after = store.load()
    assert {name: entry.sha256 for name, entry in after.entries.items()} == kept
    assert after.index == before.index
    assert states(store, host)[name] == "alarm"
    path_of = current_index(store.root.parent)
    assert path_of is not None
    Reader(path_of).verify()


async def test_an_alarm_ends_when_the_feed_is_good_again(store: FeedStore, host: FeedHost) -> None:
    clock = BentClock(NOW)
    await sync(store, host, clock)
    host.files["/nvd"] = nvd_of(5)
    await sync(store, host, clock)
    assert states(store, host)["nvd-2026"] == "alarm"
    taken = await sync(store, host, clock, smaller=frozenset({"nvd-2026"}))
    assert taken["nvd-2026"].rows == 5
    assert states(store, host)["nvd-2026"] == "good"


async def test_an_interrupted_sync_goes_on_where_it_was(store: FeedStore, host: FeedHost) -> None:
    clock = BentClock(NOW)
    host.faults["/nvd"] = ["cut:2000", "404"]
    assert (await sync(store, host, clock))["nvd-2026"].problem
    outcomes = await sync(store, host, clock)
    assert not outcomes["nvd-2026"].problem
    assert any(headers.get("range") == "bytes=2000-" for _, headers in host.asked)


def test_files_by_hand_whatever_their_names(store: FeedStore, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    (folder / "http").mkdir(parents=True)
    (folder / "http" / "one.yaml").write_text("id: one\ninfo:\n  name: One\n  author: us\n", "utf-8")
    (folder / "helper.txt").write_text("admin\n", "utf-8")
    (folder / "link.yaml").symlink_to("/etc/passwd")
    files = {
        "renamed.bin": nvd_of(3),
        "nvdcve-2.0-2024.json": nvd_of(2),
        "k": madeup.kev("CVE-2026-1000"),
        "o.zip": madeup.osv(madeup.osv_record("P-1", "PyPI", "a", {"introduced": "0"})),
        "r.json": madeup.retire(),
        "s": madeup.ssvc({"CVE-2026-1000": ("poc", "no", "total")}),
        "junk": b"\x00\x01",
    }
    for name, body in files.items():
        (tmp_path / name).write_bytes(body)
    outcomes = import_files(store, [*(tmp_path / name for name in files), folder], NOW)
    assert [outcome.name for outcome in outcomes] == [
        "nvd-renamed", "nvd-2024", "kev", "osv-pypi", "retirejs", "ssvc", "junk", "templates",
    ]  # fmt: skip
    assert [outcome.name for outcome in outcomes if outcome.problem] == ["junk"]
    unpacked = store.templates_path(store.load())
    assert unpacked is not None
    assert sorted(path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file()) == [
        "helper.txt",
        "http/one.yaml",
    ]
    path = current_index(store.root.parent)
    assert path is not None
    index = Index(path)
    assert len(index.match([SHOP], "1.0").matches) == 3
    index.close()


def test_a_bundle_is_taken_in_where_its_key_is_trusted(store: FeedStore, tmp_path: Path) -> None:
    (tmp_path / "n.json").write_bytes(nvd_of(4))
    (tmp_path / "k.json").write_bytes(madeup.kev("CVE-2026-1000"))
    import_files(store, [tmp_path / "n.json", tmp_path / "k.json"], NOW)
    made = export_bundle(store, tmp_path / "bundle", NOW)
    assert is_bundle(made.path)
    assert not is_bundle(tmp_path / "n.json")
    assert (store.root / "signing.key").stat().st_mode & 0o777 == 0o600
    other = FeedStore(tmp_path / "other")
    with pytest.raises(BadInput, match=f"--trust {made.key}"):
        import_bundle(other, made.path, NOW)
    assert other.load().entries == {}
    outcomes = import_bundle(other, made.path, NOW + DAY, trust=made.key)
    assert [(outcome.name, outcome.changed, outcome.problem) for outcome in outcomes] == [
        ("kev", True, ""),
        ("nvd-n", True, ""),
    ]
    assert other.load().entries["kev"].fetched == NOW
    assert other.load().index == store.load().index
    again = import_bundle(other, made.path, NOW + DAY)
    assert not any(outcome.changed for outcome in again)


def test_a_bundle_that_was_changed_brings_nothing_or_an_alarm(store: FeedStore, tmp_path: Path) -> None:
    (tmp_path / "n.json").write_bytes(nvd_of(4))
    import_files(store, [tmp_path / "n.json"], NOW)
    made = export_bundle(store, tmp_path / "bundle", NOW)
    whole = made.path.read_bytes()
    listed, file = whole.index(b'"rows": 4'), whole.index(b"CVE-2026-1002")
    other = FeedStore(tmp_path / "other")
    changed = tmp_path / "changed"
    changed.write_bytes(whole[: listed + 8] + b"9" + whole[listed + 9 :])
    with pytest.raises(BadInput, match="changed after it was signed"):
        import_bundle(other, changed, NOW, trust=made.key)
    changed.write_bytes(whole[: file + 12] + b"9" + whole[file + 13 :])
    (outcome,) = import_bundle(other, changed, NOW, trust=made.key)
    assert "not what the bundle's list says" in outcome.problem
    for cut in (100, 700, 3000, len(whole) // 2):
        changed.write_bytes(whole[:cut])
        fresh = FeedStore(tmp_path / f"cut-{cut}")
        try:
            outcomes = import_bundle(fresh, changed, NOW, trust=made.key)
        except BadInput:
            outcomes = []
        assert not any(outcome.changed for outcome in outcomes)
        assert not fresh.load().index
    with pytest.raises(BadInput, match="nothing to export"):
        export_bundle(FeedStore(tmp_path / "empty"), tmp_path / "none", NOW)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "../../evil"},
        {"name": "x" * 81},
        {"name": 5},
        {"kind": "none"},
        {"fetched": "never"},
        {"fetched": float("nan")},
        {"rows": "many"},
        {"date": "soon"},
    ],
)
def test_a_list_with_a_field_that_is_none_is_refused(wrong: dict[str, object]) -> None:
    good = {"name": "nvd-n", "kind": "nvd", "fetched": NOW, "rows": 4, "date": "2026-11-20"}
    assert FeedEntry.read(good).rows == 4
    with pytest.raises((ValueError, TypeError)):
        FeedEntry.read({**good, **wrong})


def test_a_bundle_from_the_future_does_not_stay_fresh_for_ever(store: FeedStore, tmp_path: Path) -> None:
    (tmp_path / "n.json").write_bytes(nvd_of(4))
    import_files(store, [tmp_path / "n.json"], NOW + 1000 * DAY)
    made = export_bundle(store, tmp_path / "bundle", NOW)
    other = FeedStore(tmp_path / "other")
    import_bundle(other, made.path, NOW, trust=made.key)
    assert (other.load().entries["nvd-n"].fetched, other.load().entries["nvd-n"].checked) == (NOW, NOW)


def test_files_that_begin_alike_are_feeds_of_their_own(store: FeedStore, tmp_path: Path) -> None:
    for page in ("nvd.page.1.json", "nvd.page.2.json"):
        (tmp_path / page).write_bytes(nvd_of(4))
    outcomes = import_files(store, [tmp_path / "nvd.page.1.json", tmp_path / "nvd.page.2.json"], NOW)
    assert [outcome.name for outcome in outcomes] == ["nvd-nvd-page-1", "nvd-nvd-page-2"]


def test_what_stays_is_told_beside_a_problem(store: FeedStore, tmp_path: Path) -> None:
    (tmp_path / "n.json").write_bytes(nvd_of(40))
    import_files(store, [tmp_path / "n.json"], NOW)
    (tmp_path / "n.json").write_bytes(nvd_of(4))
    (outcome,) = import_files(store, [tmp_path / "n.json"], NOW)
    assert (outcome.rows, "more than a tenth is missing" in outcome.problem) == (40, True)


def test_a_full_disk_leaves_no_part_and_an_alarm(store: FeedStore, tmp_path: Path) -> None:
    (tmp_path / "n.json").write_bytes(nvd_of(4))
    (tmp_path / "m.json").write_bytes(nvd_of(2_000))
    import_files(store, [tmp_path / "n.json"], NOW)
    before = store.load().index
    (tmp_path / "m.json.xz").write_bytes(lzma.compress((tmp_path / "m.json").read_bytes()))
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = (tmp_path / "m.json.xz").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (max(size, 20_000) + 1_000, most))
    try:
        with pytest.raises(OperatorError, match="scans use the one before"):
            import_files(store, [tmp_path / "m.json.xz"], NOW)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    manifest = store.load()
    assert (manifest.index, "cannot be written" in manifest.index_alarm) == (before, True)
    assert [path.name for path in (store.root / "index").iterdir()] == [before]
    assert rebuild(store, NOW).index_alarm == ""


def test_one_at_a_time_and_a_broken_state_is_told(store: FeedStore, tmp_path: Path) -> None:
    with store.locked(), pytest.raises(Conflict, match="being changed"):
        import_files(store, [], NOW)
    (store.root / "manifest.json").write_text("{}", "utf-8")
    with pytest.raises(OperatorError, match="cannot be understood"):
        store.load()


def test_an_index_is_built_again_where_it_was_lost(store: FeedStore, tmp_path: Path) -> None:
    (tmp_path / "n.json").write_bytes(nvd_of(4))
    import_files(store, [tmp_path / "n.json"], NOW)
    path = store.index_path(store.load())
    assert path is not None
    path.write_bytes(b"damaged")
    again = store.index_path(rebuild(store, NOW))
    assert again is not None
    Reader(again).verify()
    for leftover in ("a.index", "b.index.new"):
        (store.root / "index" / leftover).write_bytes(b"x")
    store.save(replace(store.load(), index_of=""))
    import_files(store, [], NOW)
    assert [path.name for path in (store.root / "index").iterdir()] == [again.name]


async def test_what_is_kept_is_told_and_what_cannot_be_read_is_an_alarm(store: FeedStore, host: FeedHost) -> None:
    data = store.root.parent
    assert kept_feeds(None, NOW) == kept_feeds(data, NOW) == []
    await sync(store, host, BentClock(NOW))
    host.files["/kev"] = b"\x1b[31m"
    await sync(store, host, BentClock(NOW))
    told = {feed.name: feed for feed in kept_feeds(data, NOW)}
    assert [name for name, feed in told.items() if feed.state == "alarm"] == ["kev"]
    assert "\x1b" not in told["kev"].problem
    (store.root / "manifest.json").write_text("[]", "utf-8")
    (broken,) = kept_feeds(data, NOW)
    assert (broken.state, "cannot be understood" in broken.problem) == ("alarm", True)


def test_an_older_file_by_hand_is_no_trouble_of_the_feed(store: FeedStore, tmp_path: Path) -> None:
    """Neither where it is smaller too, as last year's scores are."""
    scores = {f"CVE-2026-{1000 + number}": (0.5, 0.9) for number in range(20)}
    (tmp_path / "new").write_bytes(madeup.epss(scores))
    older = madeup.epss({"CVE-2026-1000": (0.5, 0.9)}, date="2025-08-17")
    (tmp_path / "old").write_bytes(older)
    import_files(store, [tmp_path / "new"], NOW)
    (outcome,) = import_files(store, [tmp_path / "old"], NOW)
    assert "old: it is dated 2025-08-17, older than the kept one" in outcome.problem
    assert (outcome.changed, outcome.rows) == (False, 20)
    (feed,) = feeds_health(store, [], NOW)
    assert (feed.state, feed.problem, feed.rows) == ("good", "", 20)


def test_a_file_that_tells_nothing_is_an_alarm_of_the_feed_that_its_name_tells(
    store: FeedStore, tmp_path: Path
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "cat.jpg").write_bytes(b"x")
    for name in ("known_exploited_vulnerabilities.json", "nvdcve-2.0-2024.json.xz", "cat.jpg"):
        (tmp_path / name).write_bytes(b"" if name.startswith("known") else b"what is this")
    paths = [
        tmp_path / name for name in ("known_exploited_vulnerabilities.json", "nvdcve-2.0-2024.json.xz", "cat.jpg")
    ]
    kev, nvd, cat, pictures = import_files(store, [*paths, folder], NOW)
    assert (kev.name, kev.problem) == ("kev", "known_exploited_vulnerabilities.json: the file is empty")
    assert nvd.name == "nvd-2024"
    assert "none of those that can be read" in nvd.problem
    assert cat.name == "cat.jpg"
    assert cat.problem.startswith("not used: ")
    assert pictures.name == "pictures"
    assert "A folder is taken for a set of templates" in pictures.problem
    assert {feed.name: feed.state for feed in feeds_health(store, [], NOW)} == {"kev": "alarm", "nvd-2024": "alarm"}


def test_a_folder_is_called_what_the_operator_calls_it(store: FeedStore, tmp_path: Path) -> None:
    folder = tmp_path / "checks"
    folder.mkdir()
    for number in range(20):
        (folder / f"{number}.yaml").write_text(f"id: one-{number}\ninfo:\n  name: One\n  author: us\n", "utf-8")
    import_files(store, [folder], NOW)
    for number in range(1, 20):
        (folder / f"{number}.yaml").unlink()
    (outcome,) = import_files(store, [folder], NOW)
    assert outcome.problem.startswith("checks: it has 1 records where the kept one has 20")

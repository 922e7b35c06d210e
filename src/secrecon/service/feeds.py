"""Vulnerability feeds: fetch them, take them in from files, build the index, and say how they are.

One process changes them at a time (`FeedStore.locked`). Each feed stands for itself: one that fails leaves an alarm and its
last good copy, and the others go on. The index is rebuilt when any file has changed and swapped in one step; whoever
has the old one open keeps it.
"""

from __future__ import annotations

import contextlib
import datetime
import itertools
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from secrecon.intel.feeds.errors import FeedBroken, FeedOlder
from secrecon.intel.feeds.kinds import ABOUT, Kind
from secrecon.intel.feeds.sniff import sniff
from secrecon.intel.feeds.sources import Source
from secrecon.intel.index.build import FORMAT, TABLES, SourceFile, build
from secrecon.intel.index.tables import IndexBroken, Reader
from secrecon.model.errors import OperatorError, TargetError
from secrecon.net.clock import Clock
from secrecon.net.feeds import FeedAsk, FeedFetcher
from secrecon.report.text import line
from secrecon.service.feed_intake import Given, admit, alarmed, name_of, named_by
from secrecon.service.feeds_state import FeedEntry, FeedStore, Manifest

DAY = 86_400.0
Told = Callable[[str, int, int], None]
"""Told of a name, how much is done and of how much (0: unknown)."""


def nobody(name: str, done: int, of: int) -> None:
    """Tells nobody."""


@dataclass(frozen=True, slots=True)
class FeedOutcome:
    """What became of one feed. `problem` "": it is good. `changed`: new content was taken in."""

    name: str
    changed: bool
    rows: int
    date: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class FeedHealth:
    """A feed as people are told of it. Times are epoch seconds, 0 for never. Texts are safe to show."""

    name: str
    kind: Kind
    state: Literal["good", "stale", "alarm", "missing"]
    date: str
    rows: int
    skipped: int
    fetched: float
    checked: float
    problem: str
    attribution: str
    digest: str


async def sync_feeds(
    store: FeedStore,
    sources: Sequence[Source],
    fetcher: FeedFetcher,
    clock: Clock,
    keys: Mapping[str, str],
    told: Told = nobody,
    *,
    due_only: bool = False,
    smaller: frozenset[str] = frozenset(),
) -> list[FeedOutcome]:
    """Fetch every feed of the list that has changed and rebuild the index. `keys`: by the name of a key. `due_only`: leave out
    what was asked for within its `refresh`. `smaller`: feeds that may have shrunk.

    Raises Conflict where another process is at it.
    """
    outcomes: list[FeedOutcome] = []
    with store.locked():
        for source in sources:
            manifest = store.load()
            known = manifest.entries.get(source.name)
            if due_only and known is not None and clock.now() - known.checked < source.refresh * 3600 - 60:
                continue
            manifest, outcome = await _fetch(
                store, manifest, source, fetcher, clock, keys, told, smaller=source.name in smaller
            )
            store.save(manifest)
            outcomes.append(outcome)
        manifest = indexed(store, store.load(), clock.now(), told)
        store.save(replace(manifest, synced=clock.now()))
        store.sweep(manifest)
    return outcomes


async def _fetch(
    store: FeedStore,
    manifest: Manifest,
    source: Source,
    fetcher: FeedFetcher,
    clock: Clock,
    keys: Mapping[str, str],
    told: Told,
    *,
    smaller: bool,
) -> tuple[Manifest, FeedOutcome]:
    known = manifest.entries.get(source.name)
    have = known is not None and known.sha256 and store.blob(known.sha256).exists() and known.url == source.url
    key = keys.get(source.key_name, "") if source.key_name else ""
    ask = FeedAsk(
        source.url,
        etag=known.etag if known and have else "",
        modified=known.modified if known and have else "",
        secret={source.key_header: key} if key else {},
        pace=source.key_pace if key else source.pace,
    )
    part = store.part / source.name
    try:
        reply = await fetcher.fetch(ask, part, lambda done, of: told(source.name, done, of))
        if not reply.changed and known is not None:
            fine = replace(known, checked=clock.now(), alarm="", alarm_at=0.0)
            return manifest.having(fine), FeedOutcome(source.name, False, known.rows, known.date)
        given = Given(
            source.name,
            part,
            True,
            source.kind,
            source.delta,
            source.url,
            reply.etag,
            reply.modified,
            smaller,
        )
        manifest = admit(store, manifest, given, clock.now())
    except (FeedBroken, TargetError) as error:
        if isinstance(error, FeedBroken):
            part.unlink(missing_ok=True)
        return alarmed(manifest, source.name, source.kind, str(error), clock.now()), FeedOutcome(
            source.name, False, known.rows if known else 0, known.date if known else "", str(error)
        )
    entry = manifest.entries[source.name]
    changed = known is None or known.sha256 != entry.sha256
    return manifest, FeedOutcome(source.name, changed, entry.rows, entry.date)


def import_files(
    store: FeedStore, paths: Sequence[Path], now: float, told: Told = nobody, *, smaller: bool = False
) -> list[FeedOutcome]:
    """Take in files of any known format, told by their content, and rebuild the index. A folder is a set of templates.

    A file that cannot be used is an outcome with its problem; the others are taken in.
    """
    outcomes: list[FeedOutcome] = []
    with store.locked():
        for path in paths:
            manifest = store.load()
            told(path.name, 0, 0)
            with _as_file(store, path) as file:
                manifest, outcome = _import(store, manifest, path, file, now, smaller=smaller)
            store.save(manifest)
            outcomes.append(outcome)
        manifest = indexed(store, store.load(), now, told)
        store.save(manifest)
        store.sweep(manifest)
    return outcomes


def _import(
    store: FeedStore, manifest: Manifest, path: Path, file: Path, now: float, *, smaller: bool
) -> tuple[Manifest, FeedOutcome]:
    """`path`: what the operator gave; `file`: the same as one file. One that is whole and merely older than the kept one is
    no trouble of the feed."""
    try:
        with file.open("rb") as opened:
            kind = sniff(opened)
        name, delta = name_of(path, kind)
    except (FeedBroken, OSError) as error:
        return _unread(manifest, path, str(error), now)
    known = manifest.entries.get(name)
    try:
        manifest = admit(store, manifest, Given(name, file, False, kind, delta, smaller=smaller), now)
    except FeedBroken as error:
        problem = f"{path.name}: {str(error).removeprefix(f'{name}: ')}"
        kept = known or FeedEntry(name, kind)
        if not isinstance(error, FeedOlder):
            manifest = alarmed(manifest, name, kind, problem, now)
        return manifest, FeedOutcome(name, False, kept.rows, kept.date, problem)
    entry = manifest.entries[name]
    return manifest, FeedOutcome(name, known is None or known.sha256 != entry.sha256, entry.rows, entry.date)


def _unread(manifest: Manifest, path: Path, problem: str, now: float) -> tuple[Manifest, FeedOutcome]:
    """A file of which nothing can be told: an alarm on the feed that its name tells, where it tells one."""
    if path.is_dir():
        problem += ". A folder is taken for a set of templates; give other files one by one"
    meant = named_by(path)
    if meant is None:
        return manifest, FeedOutcome(path.name, False, 0, "", f"not used: {problem}")
    name, kind = meant
    kept = manifest.entries.get(name) or FeedEntry(name, kind)
    problem = f"{path.name}: {problem}"
    return alarmed(manifest, name, kind, problem, now), FeedOutcome(name, False, kept.rows, kept.date, problem)


@contextmanager
def _as_file(store: FeedStore, path: Path) -> Iterator[Path]:
    """The path, or where it is a folder a tar of its files, the same bytes for the same files."""
    if not path.is_dir():
        yield path
        return
    packed = store.part / "folder.tar"
    try:
        with tarfile.open(packed, "w") as archive:
            for file in sorted(path.rglob("*")):
                if file.is_file() and not file.is_symlink():
                    info = tarfile.TarInfo(file.relative_to(path).as_posix())
                    info.size = file.stat().st_size
                    with file.open("rb") as body:
                        archive.addfile(info, body)
        yield packed
    except OSError as error:
        raise OperatorError(f"{error.filename or path} cannot be read or packed: {error.strerror}") from error
    finally:
        packed.unlink(missing_ok=True)


def feeds_health(store: FeedStore, sources: Sequence[Source], now: float) -> list[FeedHealth]:
    """Every feed that is kept or that a sync would fetch, in the order of the list."""
    manifest = store.load()
    named = {source.name: source.kind for source in sources}
    names = list(dict.fromkeys(itertools.chain(named, manifest.entries)))
    return [_health(manifest.entries.get(name) or FeedEntry(name=name, kind=named[name]), now) for name in names]


def _health(entry: FeedEntry, now: float) -> FeedHealth:
    about = ABOUT[entry.kind]
    state: Literal["good", "stale", "alarm", "missing"] = "good"
    problem = ""
    if entry.alarm:
        state, problem = "alarm", line(entry.alarm, 500)
    elif not entry.sha256:
        state, problem = "missing", "never fetched: run `secrecon feeds sync`, or import its file"
    elif about.stale_days and _age_days(entry, now) > about.stale_days:
        state, problem = "stale", f"{_age_days(entry, now)} days old; expected within {about.stale_days}"
    return FeedHealth(
        line(entry.name, 80),
        entry.kind,
        state,
        entry.date,
        entry.rows,
        entry.skipped,
        entry.fetched,
        entry.checked,
        problem,
        about.attribution,
        entry.sha256,
    )


def _age_days(entry: FeedEntry, now: float) -> int:
    """Years of NVD are as old as their last check: they change by the modified file. So is what has no date of its own."""
    if entry.kind is Kind.NVD or not entry.date:
        return int((now - max(entry.checked, entry.fetched)) // DAY)
    date = datetime.date.fromisoformat(entry.date)
    return (datetime.datetime.fromtimestamp(now, datetime.UTC).date() - date).days


def kept_feeds(data_dir: Path | None, now: float) -> list[FeedHealth]:
    """The feeds that an installation has, or had trouble with; none where it never had any. What cannot be read is an alarm
    of its own, so that silence is never taken for health."""
    if data_dir is None:
        return []
    store = FeedStore(data_dir)
    try:
        manifest = store.load()
    except OperatorError as error:
        return [FeedHealth("feeds", Kind.NVD, "alarm", "", 0, 0, 0.0, 0.0, str(error), "", "")]
    made = [_health(entry, now) for _, entry in sorted(manifest.entries.items())]
    if manifest.index_alarm:
        made.append(FeedHealth("index", Kind.NVD, "alarm", "", 0, 0, 0.0, 0.0, manifest.index_alarm, "", ""))
    return made


def rebuild(store: FeedStore, now: float, told: Told = nobody) -> Manifest:
    """Build the index anew from what is kept, whatever it was built from."""
    with store.locked():
        manifest = indexed(store, replace(store.load(), index_of=""), now, told)
        store.save(manifest)
        store.sweep(manifest)
    return manifest


def indexed(store: FeedStore, manifest: Manifest, now: float, told: Told) -> Manifest:
    """The manifest with an index of all kept files; the one before where nothing changed, or where building failed."""
    sources: dict[Kind, list[SourceFile]] = {}
    for name, entry in sorted(manifest.entries.items()):
        if entry.sha256 and entry.kind in TABLES:
            sources.setdefault(entry.kind, []).append(SourceFile(name, entry.sha256, store.blob(entry.sha256)))
    of = f"{FORMAT}-{manifest.digest}"
    if not sources or (of == manifest.index_of and store.index_path(manifest) is not None):
        return manifest
    name = f"{of[:40]}.index"
    previous = _previous(store, manifest)
    try:
        build(store.root / "index" / name, sources, previous, lambda file, rows: told(f"index: {file}", rows, 0))
    except FeedBroken as error:
        return replace(manifest, index_alarm=str(error))
    except OSError as error:
        problem = f"the index cannot be written: {error.strerror or error}"
        with contextlib.suppress(
            OperatorError
        ):  # a full disk may not hold this either; the error below is told anyway
            store.save(replace(manifest, index_alarm=problem))
        raise OperatorError(
            f"{problem}; scans use the one before. Free some disk and run `secrecon feeds rebuild`"
        ) from error
    finally:
        if previous is not None:
            previous.close()
    return replace(manifest, index=name, index_of=of, index_built=now, index_alarm="")


def _previous(store: FeedStore, manifest: Manifest) -> Reader | None:
    path = store.index_path(manifest)
    if path is None:
        return None
    try:
        return Reader(path)
    except (IndexBroken, OSError):
        return None

"""The feeds of one data dir with the settings applied: the list of sources, the keys, and what scans look things up in."""

from __future__ import annotations

import datetime
import random
import sys
import threading
from dataclasses import replace
from pathlib import Path

import structlog

from secrecon.app.settings import Settings
from secrecon.intel.aliases import load_aliases
from secrecon.intel.core import Core, load_core
from secrecon.intel.feeds.sources import Source, parse, shipped
from secrecon.intel.index.tables import IndexBroken
from secrecon.intel.knowledge import Knowledge, dates_of, feeds_of
from secrecon.intel.lookup import Index
from secrecon.model.errors import OperatorError
from secrecon.model.scan import FeedInfo
from secrecon.net.clock import SystemClock
from secrecon.net.feeds import FeedFetcher
from secrecon.service.context import Context
from secrecon.service.feeds import FeedOutcome, Told, sync_feeds
from secrecon.service.feeds_state import FeedEntry, FeedStore
from secrecon.worker.feeds import FeedKeeper

log_ = structlog.get_logger("secrecon.feeds")


def feed_sources(settings: Settings, now: float) -> tuple[Source, ...]:
    """The operator's list, or the shipped one. Raises OperatorError where it cannot be read."""
    year = datetime.datetime.fromtimestamp(now, datetime.UTC).year
    if settings.feeds_file is None:
        return shipped(year)
    try:
        text = settings.feeds_file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorError(f"SECRECON_FEEDS_FILE: {settings.feeds_file} cannot be read: {error}") from error
    return parse(text, year, str(settings.feeds_file))


async def sync(settings: Settings, told: Told, *, due_only: bool, smaller: frozenset[str]) -> list[FeedOutcome]:
    """Fetch what has changed, with the settings' list and keys."""
    clock = SystemClock()
    keys = dict(pair.split("=", 1) for pair in settings.feed_keys)
    async with FeedFetcher(clock, random.SystemRandom()) as fetcher:
        return await sync_feeds(
            FeedStore(settings.data_dir),
            feed_sources(settings, clock.now()),
            fetcher,
            clock,
            keys,
            told,
            due_only=due_only,
            smaller=smaller,
        )


def keeper(settings: Settings, ctx: Context) -> FeedKeeper:
    """What a worker looks after the feeds with."""
    feeds = (sys.executable, "-P", "-m", "secrecon", "feeds")
    where = ("--quiet", "--data-dir", str(settings.data_dir))
    library = Library(settings, load_core())
    store = FeedStore(settings.data_dir)
    fetch = (*feeds, "sync", "--due", *where) if settings.feeds_refresh else ()
    return FeedKeeper(ctx, store, library.current, fetch, (*feeds, "rebuild", *where))


def index_trouble(store: FeedStore) -> str:
    """Why the index that is kept cannot be used, "" where it can or there is none."""
    manifest = store.load()
    path = store.index_path(manifest)
    if manifest.index_alarm:
        return f"it could not be rebuilt: {manifest.index_alarm}; scans use the one before"
    try:
        if path is not None:
            Index(path).close()
    except (IndexBroken, OSError) as error:
        return f"{error}: run `secrecon feeds rebuild`; scans use the curated core alone"
    return ""


def _left(entry: FeedEntry) -> str:
    return "the last good copy was used" if entry.sha256 else "nothing of it was used"


class Library:
    """What scans look things up in: the core, and the index in use, which is opened again when it was replaced. Whoever took
    one keeps it to the end. `broken`: why the index cannot be used, "" where it can or there is none."""

    def __init__(self, settings: Settings, core: Core) -> None:
        self._store = FeedStore(settings.data_dir)
        self._lock = threading.Lock()
        self._known = Knowledge(core, load_aliases())
        self.broken = ""

    def current(self) -> Knowledge:
        """The newest state. An index that cannot be read is told in the log, and the core stands alone."""
        manifest = self._store.load()
        path = self._store.index_path(manifest)
        with self._lock:
            open_now = self._known.index.path if self._known.index is not None else None
            if path != open_now:
                self._known, self.broken = replace(self._known, index=None, dates={}), ""
                index = self._opened(path) if path is not None else None
                if index is not None:
                    self._known = replace(self._known, index=index, dates=dates_of(index))
            return self._known

    def feeds(self) -> tuple[FeedInfo, ...]:
        """What reports say of it, and of feeds that have an alarm."""
        try:
            known, manifest = self.current(), self._store.load()
        except OperatorError as error:
            log_.error("the feeds cannot be read", error=str(error))
            return feeds_of(replace(self._known, index=None, dates={}))
        alarms = {entry.name: entry.alarm for entry in manifest.entries.values() if entry.alarm}
        made = [
            replace(feed, note=f"alarm: {alarms.pop(feed.name)}; the last good copy was used")
            if feed.name in alarms
            else feed
            for feed in feeds_of(known)
        ]
        if self.broken:
            made.append(FeedInfo("index", "", 0, "", f"alarm: {self.broken}; the curated core was used alone"))
        made += [
            FeedInfo(entry.name, entry.date, entry.rows, entry.sha256, f"alarm: {entry.alarm}; {_left(entry)}")
            for name, entry in sorted(manifest.entries.items())
            if name in alarms
        ]
        return tuple(made)

    def _opened(self, path: Path) -> Index | None:
        try:
            return Index(path)
        except (IndexBroken, OSError) as error:
            self.broken = str(error)
            log_.error("the index cannot be used: run `secrecon feeds rebuild`", error=str(error))
            return None

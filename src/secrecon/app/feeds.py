"""The feeds of one data dir with the settings applied: the list of sources, the keys, and what scans look things up in."""

from __future__ import annotations

import datetime
import random
import threading
import weakref

from secrecon.app.settings import Settings
from secrecon.intel.feeds.sources import Source, parse, shipped
from secrecon.intel.lookup import Index
from secrecon.model.errors import OperatorError
from secrecon.net.clock import SystemClock
from secrecon.net.feeds import FeedFetcher
from secrecon.service.feeds import FeedOutcome, Told, sync_feeds
from secrecon.service.feeds_state import FeedStore


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


class Library:
    """The index in use, opened once and again when it was replaced. Whoever took it keeps the one they took."""

    def __init__(self, settings: Settings) -> None:
        self._store = FeedStore(settings.data_dir)
        self._lock = threading.Lock()
        self._open: weakref.WeakValueDictionary[str, Index] = weakref.WeakValueDictionary()
        self._current: Index | None = None

    def current(self) -> Index | None:
        """The newest index; None where no feed was ever taken in."""
        path = self._store.index_path(self._store.load())
        with self._lock:
            if path is None:
                self._current = None
            elif self._current is None or self._current.path != path:
                self._current = self._open[path.name] = Index(path)
            return self._current

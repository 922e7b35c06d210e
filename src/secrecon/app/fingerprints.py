"""The fingerprints that scans use: the shipped ones, and beside them those of a feed, read again where it was replaced.

A feed's file that cannot be read is told in the log and in reports, and the shipped ones stand alone. Nothing here stops a scan.
"""

from __future__ import annotations

import threading

import structlog

from secrecon.app.settings import Settings
from secrecon.detect.fingerprint import Fingerprints
from secrecon.detect.wappalyzer import read
from secrecon.intel.feeds.errors import FeedBroken
from secrecon.intel.feeds.kinds import Kind
from secrecon.intel.feeds.opening import whole
from secrecon.model.errors import OperatorError
from secrecon.model.scan import FeedInfo
from secrecon.service.feed_intake import MAX_FINGERPRINTS
from secrecon.service.feeds_state import FeedEntry, FeedStore

FEED = Kind.FINGERPRINTS.value
log_ = structlog.get_logger("secrecon.fingerprints")


class Prints:
    """Whoever took a set keeps it to the end."""

    def __init__(self, settings: Settings) -> None:
        self._store = FeedStore(settings.data_dir)
        self._own = Fingerprints.load()
        self._lock = threading.Lock()
        self._of = ""
        self._current = self._own
        self._feeds: tuple[FeedInfo, ...] = ()

    def current(self) -> Fingerprints:
        """The newest set."""
        self._refresh()
        return self._current

    def feeds(self) -> tuple[FeedInfo, ...]:
        """What reports say of the feed; nothing where there is none."""
        self._refresh()
        return self._feeds

    def _refresh(self) -> None:
        try:
            entry = self._store.load().entries.get(FEED)
        except OperatorError as error:
            log_.error("the feeds cannot be read", error=str(error))
            return
        with self._lock:
            of = entry.sha256 if entry is not None else ""
            if of == self._of:
                return
            self._of, self._current, self._feeds = of, self._own, ()
            if entry is not None and of:
                self._take(entry)

    def _take(self, entry: FeedEntry) -> None:
        try:
            with self._store.blob(entry.sha256).open("rb") as file:
                found = read(whole(file, MAX_FINGERPRINTS), self._own.all)
            self._current = self._own.with_more(found.fingerprints, entry.sha256)
            note = found.note
        except (FeedBroken, OSError, ValueError) as error:
            log_.error("the fingerprints of a feed cannot be used", error=str(error))
            note = f"alarm: {error}; the shipped fingerprints were used alone"
        self._feeds = (FeedInfo(entry.name, entry.date, entry.rows, entry.sha256, note),)

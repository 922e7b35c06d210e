"""Where the templates of scans lie: the ones that ship with SecRecon, and the set that a feed brought.

`service.feeds_state` keeps the feed's set: a folder named by the digest of its archive, complete before the manifest names
it, so a reader sees the old one or the new one. The version before stays for whoever is still reading.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from secrecon.app.settings import Settings
from secrecon.service.feeds_state import FeedStore


def own_folder() -> Path:
    """Where the shipped templates are."""
    return Path(str(resources.files("secrecon"))) / "rules" / "templates"


def fed_folder(settings: Settings) -> Path | None:
    """The set that a feed brought; None where none did."""
    store = FeedStore(settings.data_dir)
    return store.templates_path(store.load())

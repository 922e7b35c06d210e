"""The templates that scans run: those that ship with SecRecon, and the operator's own directory, loaded when first needed."""

from __future__ import annotations

import datetime
import functools
import random
from importlib import resources
from pathlib import Path

import structlog

from secrecon.app.settings import Settings
from secrecon.engine.phases.templates import Armed
from secrecon.model.errors import OperatorError
from secrecon.model.scan import FeedInfo
from secrecon.templates.catalog import Catalog, digest_of, load
from secrecon.templates.policy import classify

OWN = "templates that ship with SecRecon"
GIVEN = "templates of the operator"
log_ = structlog.get_logger("secrecon.templates")


def own_folder() -> Path:
    """Where the shipped templates are."""
    return Path(str(resources.files("secrecon"))) / "rules" / "templates"


class Armory:
    """Every template that a scan may run. Shipped ones win where the operator's directory has the same id."""

    def __init__(self, settings: Settings) -> None:
        self._kept = settings.template_cache
        self._folders = [
            folder for folder in (own_folder(), settings.templates) if folder is not None and folder.is_dir()
        ]
        if settings.templates is not None and not settings.templates.is_dir():
            raise OperatorError(f"SECRECON_TEMPLATES: {settings.templates} is not a directory")

    @functools.cached_property
    def _catalog(self) -> Catalog:
        catalog = load(self._folders, random.SystemRandom(), kept=self._kept, judged=True)
        if catalog.note:
            log_.warning("templates not kept", reason=catalog.note)
        for problem in catalog.problems:
            log_.warning("template not used", file=problem.where, reason=problem.reason)
        return catalog

    @functools.cached_property
    def _armed(self) -> tuple[Armed, ...]:
        return tuple(
            Armed(entry.template, entry.safety or classify(entry.template), entry.path)
            for entry in self._catalog.entries
            if not entry.template.self_contained and not entry.template.watches
        )

    def armed(self) -> tuple[Armed, ...]:
        """The templates with their levels."""
        return self._armed

    def feeds(self) -> tuple[FeedInfo, ...]:
        """What reports say of the sets: how many files, how new, and their digest. Nothing is compiled for this."""
        return tuple(_feed(folder, OWN if folder == own_folder() else GIVEN) for folder in self._folders)


def _feed(folder: Path, name: str) -> FeedInfo:
    digest, rows, newest = digest_of(folder)
    date = datetime.datetime.fromtimestamp(newest, datetime.UTC).date().isoformat()
    return FeedInfo(name, date, rows, digest)

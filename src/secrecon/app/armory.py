"""The templates that scans run: those that ship with SecRecon, the operator's own directory, and the set that a feed brought.

Loaded when first needed, and again where a feed brought another set. What was handed out stays as it was: a running scan
keeps the set that it began with.
"""

from __future__ import annotations

import datetime
import os
import random
from collections.abc import Sequence
from pathlib import Path

import structlog

from secrecon.app.settings import Settings
from secrecon.app.signed import UNSIGNED, signature_gate
from secrecon.app.template_sets import fed_folder
from secrecon.app.template_sets import own_folder as own_folder
from secrecon.engine.phases.templates import Armed, Unusable
from secrecon.model.errors import OperatorError
from secrecon.model.scan import FeedInfo, Outcome
from secrecon.templates.catalog import Catalog, Problem, digest_of, load
from secrecon.templates.errors import TemplateRefused
from secrecon.templates.policy import classify

OWN = "templates that ship with SecRecon"
GIVEN = "templates of the operator"
FED = "templates of a feed"
MAX_TOLD = 100
log_ = structlog.get_logger("secrecon.templates")


class Armory:
    """Every template that a scan may run. Of two with the same id the shipped one wins, then the operator's."""

    def __init__(self, settings: Settings) -> None:
        if settings.templates is not None and not settings.templates.is_dir():
            raise OperatorError(f"SECRECON_TEMPLATES: {settings.templates} is not a directory")
        self._kept = settings.template_cache
        self._gate = signature_gate(settings)
        self._given = settings.templates
        self._settings = settings
        self._armed: tuple[tuple[Path, ...], tuple[Armed, ...]] = ((), ())
        self._unusable: tuple[Unusable, ...] = ()
        self._feeds: tuple[tuple[Path, ...], tuple[FeedInfo, ...]] = ((), ())

    def armed(self) -> tuple[Armed, ...]:
        """The templates with their levels. The same tuple until a feed brings another set."""
        folders = self._folders()
        if self._armed[0] != folders:
            self._armed = (folders, self._loaded(folders))
        return self._armed[1]

    def unusable(self) -> tuple[Unusable, ...]:
        """The files of the operator's own directory that cannot run, as of the last `armed`; the first hundred, and then
        one line for the rest. Of a feed's set thousands cannot; `templates validate` lists those."""
        return self._unusable

    def feeds(self) -> tuple[FeedInfo, ...]:
        """What reports say of the sets: how many files, how new, and their digest. Nothing is compiled for this."""
        folders = self._folders()
        if self._feeds[0] != folders:
            self._feeds = (folders, tuple(_feed(folder, self._name(folder)) for folder in folders))
        return self._feeds[1]

    def _folders(self) -> tuple[Path, ...]:
        found = (own_folder(), self._given, fed_folder(self._settings))
        return tuple(folder for folder in found if folder is not None and folder.is_dir())

    def _name(self, folder: Path) -> str:
        return OWN if folder == own_folder() else GIVEN if folder == self._given else FED

    def _loaded(self, folders: tuple[Path, ...]) -> tuple[Armed, ...]:
        catalog = load(folders, random.SystemRandom(), kept=self._kept, judged=True, gate=self._gate)
        _tell(catalog)
        given = self._given
        if given is not None:
            self._unusable = _unusable([item for item in catalog.problems if os.path.lexists(given / item.path)])
        return tuple(
            Armed(entry.template, entry.safety or classify(entry.template), entry.path)
            for entry in catalog.entries
            if not entry.template.self_contained and not entry.template.watches
        )


def _unusable(problems: Sequence[Problem]) -> tuple[Unusable, ...]:
    found = []
    for problem in problems[:MAX_TOLD]:
        policy = isinstance(problem.error, TemplateRefused) and problem.error.policy
        outcome, why = (Outcome.SKIPPED, "by policy: ") if policy else (Outcome.FAILED, "")
        found.append(Unusable(problem.path, outcome, f"{why}{problem.where}: {problem.reason}"))
    more = len(problems) - len(found)
    if more:
        found.append(
            Unusable("more", Outcome.FAILED, f"{more:,} more files cannot be used; `templates validate` lists all")
        )
    return tuple(found)


def _tell(catalog: Catalog) -> None:
    """What cannot be used, to the log. What has no valid signature is one line, as it may be the whole set."""
    if catalog.note:
        log_.warning("templates not kept", reason=catalog.note)
    unsigned = [problem for problem in catalog.problems if problem.reason.startswith(UNSIGNED)]
    if unsigned:
        log_.warning("templates not used", count=len(unsigned), first=unsigned[0].where, reason=unsigned[0].reason)
    for problem in catalog.problems:
        if not problem.reason.startswith(UNSIGNED):
            log_.warning("template not used", file=problem.where, reason=problem.reason)


def _feed(folder: Path, name: str) -> FeedInfo:
    digest, rows, newest = digest_of(folder)
    date = datetime.datetime.fromtimestamp(newest, datetime.UTC).date().isoformat()
    return FeedInfo(name, date, rows, digest)

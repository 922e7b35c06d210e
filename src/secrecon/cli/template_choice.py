"""What `secrecon templates run` was asked for: which templates, which targets, which of them the policy leaves out.

Everything here is settled before the first byte is sent, and what is left out is told with the reason.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from secrecon.app.settings import Settings
from secrecon.app.signed import UNSIGNED, signature_gate
from secrecon.app.workflow_files import load_workflow
from secrecon.model.errors import BadInput, OperatorError
from secrecon.model.scan import Touch
from secrecon.templates.catalog import Catalog, Choice, Entry, Problem, load
from secrecon.templates.policy import classify, decide
from secrecon.templates.workflow import Workflow

MAX_SHOWN = 10
MAX_TARGETS = 100_000
MAX_LIST = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Chosen:
    """`entries`: what runs. `problems`: files that cannot be used. `intrusive` and `alone`: how many the policy left out,
    and how many that bring their own address. `filtered`: how many the filters left out."""

    entries: tuple[Entry, ...]
    workflows: tuple[Workflow, ...]
    problems: tuple[Problem, ...]
    intrusive: tuple[Entry, ...]
    alone: int
    filtered: int

    def notes(self) -> Iterator[str]:
        """What people are told of it, for stderr."""
        unsigned = [problem for problem in self.problems if problem.reason.startswith(UNSIGNED)]
        others = [problem for problem in self.problems if not problem.reason.startswith(UNSIGNED)]
        for problem in others[:MAX_SHOWN]:
            yield f"not used: {problem.where}: {problem.reason}"
        if len(others) > MAX_SHOWN:
            yield f"not used: {len(others) - MAX_SHOWN:,} more; `secrecon templates validate` lists all"
        for problem in unsigned[:MAX_SHOWN]:
            yield f"refused: {problem.where}: {problem.reason}"
        if unsigned:
            yield f"refused: {len(unsigned):,} without a signature of a trusted key"
        if self.intrusive:
            first = self.intrusive[0].template.id
            yield (
                f"left out: {len(self.intrusive):,} intrusive (--intrusive runs them; `secrecon templates explain {first}` "
                "and the like say why)"
            )
        if self.alone:
            yield f"left out: {self.alone:,} that bring their own address (--allow-self-contained runs them)"
        for workflow in self.workflows:
            for name in workflow.missing:
                yield f"{workflow.id}: not in the set: {name}"


def choose(
    settings: Settings,
    paths: Sequence[Path],
    flows: Sequence[Path],
    choice: Choice,
    *,
    intrusive: bool,
    alone: bool,
) -> Chosen:
    """The templates of a run. Naming a file, or a template by its id, asks for exactly that one; what only lies in a folder
    runs as far as the policy lets it. Raises BadInput where nothing is left to run, OperatorError."""
    if not paths and not flows:
        raise BadInput("nothing to run: give templates with -t or a workflow with -w", "template")
    touch = Touch.INTRUSIVE if intrusive else Touch.ACTIVE
    gate = signature_gate(settings)
    catalog = load(paths, random.SystemRandom(), kept=settings.template_cache, judged=True, gate=gate)
    taken = [entry for entry in catalog.entries if choice.takes(entry.template)]
    asked = [entry for entry in taken if alone or not entry.template.self_contained]
    left = tuple(entry for entry in asked if not _allowed(entry, choice, touch))
    out = {entry.template.id for entry in left}
    workflows = [load_workflow(file, paths, gate, touch) for file in flows]
    chosen = Chosen(
        tuple(entry for entry in asked if entry.template.id not in out),
        tuple(workflow for workflow, _ in workflows),
        (*catalog.problems, *(problem for _, used in workflows for problem in used.problems)),
        left,
        len(taken) - len(asked),
        len(catalog.entries) - len(taken),
    )
    if not chosen.entries and not chosen.workflows:
        raise BadInput(_nothing(paths, catalog, chosen), "template")
    return chosen


def _allowed(entry: Entry, choice: Choice, touch: Touch) -> bool:
    if entry.named or entry.template.id.lower() in choice.ids:
        return True
    return decide(entry.safety or classify(entry.template), touch).allowed


def _nothing(paths: Sequence[Path], catalog: Catalog, chosen: Chosen) -> str:
    """Why there is nothing to run, with the first reason there is."""
    notes = "; ".join(chosen.notes())
    if notes:
        return f"nothing to run: {notes}"
    if chosen.filtered:
        return f"nothing to run: the filters leave none of {chosen.filtered:,} templates"
    return f"nothing to run: there is no .yaml file in {', '.join(map(str, paths))}"


def targets_of(given: Sequence[str], lists: Sequence[Path]) -> tuple[str, ...]:
    """Targets from the command line and from files with one a line; blank lines and `#` comments do not count. Raises
    OperatorError for a file that cannot be read, BadInput for one that holds none."""
    found: dict[str, None] = {target.strip(): None for target in given if target.strip()}
    for file in lists:
        before = len(found)
        try:
            with file.open("rb") as opened:
                text = opened.read(MAX_LIST + 1)
        except OSError as error:
            raise OperatorError(f"the target list {file} cannot be read: {error.strerror}") from error
        if len(text) > MAX_LIST:
            raise BadInput(f"the target list {file} is larger than {MAX_LIST:,} bytes", "list")
        lines = (line.strip() for line in text.decode("utf-8", "replace").splitlines())
        found.update({line: None for line in lines if line and not line.startswith("#")})
        if len(found) == before and not given:
            raise BadInput(f"the target list {file} holds no target", "list")
        if len(found) > MAX_TARGETS:
            raise BadInput(f"more than {MAX_TARGETS:,} targets", "list")
    return tuple(found)

"""Finds the templates that a workflow file names: beside it, in the folders above it, or in the set that was given."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from secrecon.model.errors import BadInput, OperatorError
from secrecon.model.scan import Touch
from secrecon.templates.catalog import MAX_ABOVE, Catalog, Gate, Problem, load
from secrecon.templates.errors import TemplateInvalid, TemplateRefused
from secrecon.templates.policy import classify, decide
from secrecon.templates.workflow import Workflow, named_in, read_workflow
from secrecon.templates.yamltree import MAX_BYTES


def load_workflow(
    file: Path, given: Sequence[Path], gate: Gate | None = None, touch: Touch = Touch.ACTIVE
) -> tuple[Workflow, Catalog]:
    """The workflow in `file` with its templates, looked for in `given` first. What goes further than `touch` is a problem
    of the set. Raises BadInput, OperatorError."""
    try:
        with file.open("rb") as opened:
            source = opened.read(MAX_BYTES + 1)
    except OSError as error:
        raise OperatorError(f"the workflow {file} cannot be read: {error.strerror}") from error
    with _told(file):
        paths, tags = named_in(source)
    above = [file.resolve().parent, *file.resolve().parents[1:MAX_ABOVE], Path.cwd()]
    folders = [path.resolve() for path in given if path.is_dir()]
    if tags:
        wanted = folders or [_root_of(file.resolve())]
    else:
        wanted = [found for path in paths if (found := _first(path, [*folders, *above])) is not None]
    catalog = load(wanted, random.SystemRandom(), judged=True, gate=gate)
    problems = list(catalog.problems)
    entries = []
    for entry in catalog.entries:
        decision = decide(entry.safety or classify(entry.template), touch)
        if decision.allowed:
            entries.append(entry)
        else:
            problems.append(Problem(entry.path, TemplateRefused(decision.why, 0, policy=True)))
    with _told(file):
        workflow = read_workflow(source, entries)
    return workflow, replace(catalog, problems=tuple(problems))


@contextlib.contextmanager
def _told(file: Path) -> Iterator[None]:
    """What is wrong with the workflow, with its name."""
    try:
        yield
    except TemplateInvalid as error:
        raise BadInput(f"the workflow {file} cannot be used: {error}", "workflow") from error


def _first(path: str, folders: Sequence[Path]) -> Path | None:
    """A template or a folder of them below one of `folders`. Paths that leave the folder are not followed."""
    for folder in folders:
        found = (folder / path).resolve()
        if found.exists() and found.is_relative_to(folder):
            return found
    return None


def _root_of(file: Path) -> Path:
    """The set that a workflow file lies in: what its folder `workflows` is in, else its own folder."""
    for folder in file.parents[:MAX_ABOVE]:
        if folder.name == "workflows":
            return folder.parent
    return file.parent

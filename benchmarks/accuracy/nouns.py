"""The words of the accuracy measurement: a pair of versions, how it is installed and started, and what was seen.

A pair is one public vulnerability of one real package: a version that has it and the one that repaired it. Nothing here
installs, starts or asks anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Registry(StrEnum):
    """Where a package comes from, by that registry's ordinary client."""

    PYPI = "PyPI"
    NPM = "npm"
    MAVEN = "Maven Central"


class Age(StrEnum):
    """Which of the two versions."""

    OLD = "old"
    FIXED = "fixed"


@dataclass(frozen=True, slots=True)
class Pair:
    """One vulnerability, two versions.

    `package`: the package whose version differs; `others`: what is installed beside it (`name==1`, `name@1`, `g:a:1`, and
    `g:a:1!` without what that depends on).
    `app`: the folder below `apps/` whose files are copied beside the packages; it holds our own small program where the
    package is a library. `prepare`: commands after the install; `start`: the command that serves. In commands, paths and
    variables `{env}` is the environment's folder, `{app}` the copy of the app, `{port}` the port, `{version}` the version.
    `ready`: a path that answers once the program is up; `target`: the path that is given to the templates.
    `python`: the interpreter for PyPI; `until`: for PyPI, nothing newer than this day.
    `has`: other vulnerabilities that the version really has, which may be found without being a false alarm.
    """

    name: str
    cve: str
    registry: Registry
    package: str
    old: str
    fixed: str
    start: tuple[str, ...]
    app: str = ""
    others: tuple[str, ...] = ()
    prepare: tuple[tuple[str, ...], ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    ready: str = "/"
    target: str = "/"
    python: str = "3.11"
    until: str = ""
    has: Mapping[Age, tuple[str, ...]] = field(default_factory=dict)
    patience: float = 60.0
    kev: bool = False

    def version(self, age: Age) -> str:
        return self.old if age is Age.OLD else self.fixed


class Verdict(StrEnum):
    """What one set of templates said of one program."""

    FOUND = "found"
    CLEAN = "not found"
    UNTESTED = "could not test"
    NONE = "no template"
    NO_PROGRAM = "no program"


@dataclass(frozen=True, slots=True)
class Seen:
    """The answer of one run of `secrecon templates run`. `found`: template ids; `cves`: the CVE ids that those claim;
    `ran`: how many templates came to a verdict; `failed`: template id to the reason it came to none."""

    found: tuple[str, ...] = ()
    cves: frozenset[str] = frozenset()
    ran: int = 0
    failed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Side:
    """One version of a pair, measured. `problem`: why it could not be installed or started, "" where it ran."""

    problem: str = ""
    ours: Verdict = Verdict.NO_PROGRAM
    community: Verdict = Verdict.NO_PROGRAM
    false_alarms: tuple[str, ...] = ()
    besides: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Measured:
    pair: Pair
    sides: Mapping[Age, Side]

    @property
    def ran(self) -> bool:
        """Both versions served."""
        return not any(side.problem for side in self.sides.values())


@dataclass(frozen=True, slots=True)
class Stranger:
    """A program that has no vulnerability and answers like one that has them all. Counts are results; None: not run."""

    name: str
    ours: int | None
    community: int | None
    ours_ran: int = 0
    community_ran: int = 0
    which: tuple[str, ...] = ()
    problem: str = ""

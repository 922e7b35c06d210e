"""Which feeds there are and where they come from: the shipped list, or the operator's own in its place. Format: rules/feeds.yaml.

Read strictly: an unknown key or a wrong value names the entry. Nothing is fetched here.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from secrecon.intel.feeds.kinds import Kind
from secrecon.model.errors import OperatorError

FIRST_YEAR = 2002


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Key(_Strict):
    name: str = Field(pattern=r"^[a-z0-9-]+$")
    header: str = Field(pattern=r"^[A-Za-z0-9-]+$")
    pace: int = Field(0, ge=0)


class _Entry(_Strict):
    name: Annotated[str, Field(pattern=r"^[a-z0-9{}-]+$", max_length=60)]
    kind: Kind
    url: Annotated[str, Field(pattern=r"^https?://[^\s]+$", max_length=400)]
    years: int | None = Field(None, ge=FIRST_YEAR)
    pace: int = Field(0, ge=0)
    key: _Key | None = None
    delta: bool = False
    refresh: int = Field(24, ge=1, le=24 * 90)


@dataclass(frozen=True, slots=True)
class Source:
    """One feed. `pace`: requests per 30 seconds, 0 for no limit. `key_name`: under which a key may be given, "" for none, and
    the header it goes into; `key_pace`: the pace with it. `delta`: may be of any size. `refresh`: hours."""

    name: str
    kind: Kind
    url: str
    pace: int = 0
    key_name: str = ""
    key_header: str = ""
    key_pace: int = 0
    delta: bool = False
    refresh: int = 24


_LIST = TypeAdapter(list[_Entry])


def shipped(year: int) -> tuple[Source, ...]:
    """The list that comes with SecRecon. `year`: the present one."""
    text = (resources.files("secrecon") / "rules" / "feeds.yaml").read_text("utf-8")
    return parse(text, year, "rules/feeds.yaml")


def parse(text: str, year: int, where: str) -> tuple[Source, ...]:
    """The feeds of a list. Raises OperatorError naming `where` and the entry."""
    try:
        entries = _LIST.validate_python(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise OperatorError(f"{where} is not YAML: {error}") from error
    except ValidationError as error:
        raise OperatorError(f"{where} does not fit: {error}") from error
    found: dict[str, Source] = {}
    for entry in entries:
        for made in _expanded(entry, year):
            if made.name in found:
                raise OperatorError(f"{where} names the feed {made.name} twice")
            found[made.name] = made
    return tuple(found.values())


def _expanded(entry: _Entry, year: int) -> list[Source]:
    years = [""] if entry.years is None else [str(number) for number in range(entry.years, year + 1)]
    return [
        Source(
            entry.name.replace("{year}", each),
            entry.kind,
            entry.url.replace("{year}", each),
            entry.pace,
            entry.key.name if entry.key else "",
            entry.key.header if entry.key else "",
            entry.key.pace if entry.key else 0,
            entry.delta,
            entry.refresh,
        )
        for each in years
    ]

"""The JSON shapes of schedules: as `shapes`, only shapes and how a window is written, no rules."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from secrecon.api import shapes
from secrecon.model.errors import BadInput
from secrecon.model.schedule import Window

_WINDOW = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-3]):([0-5][0-9])", re.ASCII)

Name = Annotated[str, Field(min_length=1, max_length=100, examples=["Every night"])]
Target = Annotated[str, Field(min_length=1, max_length=2048, examples=["https://example.com"])]
Cron = Annotated[
    str,
    Field(max_length=100, description="minute hour day-of-month month day-of-week", examples=["0 2 * * *"]),
]
Zone = Annotated[str, Field(max_length=64, description="IANA name", examples=["Europe/Berlin"])]
WindowText = Annotated[
    str | None,
    Field(
        max_length=11,
        description="HH:MM-HH:MM, local: scans begin within it and end with it. Null: any time.",
        examples=["22:00-06:00"],
    ),
]
Spread = Annotated[int, Field(ge=0, le=21_600, description="Seconds by which the start is spread at most.")]
CatchUp = Annotated[bool, Field(description="After a downtime, run once in place of what was missed.")]


class ScheduleBody(BaseModel):
    """A schedule to be made."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Name
    target: Target
    scan_mode: shapes.Mode = "quick"
    cron: Cron
    zone: Zone = "UTC"
    window: WindowText = None
    spread: Spread = 0
    catch_up: CatchUp = False


class SchedulePatch(BaseModel):
    """What to change; what is left out stays."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Name | None = None
    target: Target | None = None
    scan_mode: shapes.Mode | None = None
    cron: Cron | None = None
    zone: Zone | None = None
    window: WindowText = None
    spread: Spread | None = None
    catch_up: CatchUp | None = None
    enabled: bool | None = None


class ScheduleLine(shapes.Shape):
    """A schedule. `next_run_at`: null while it is off, for the reason in `disabled_why`."""

    id: int
    name: str
    target: str
    scan_mode: shapes.Mode
    cron: str
    zone: str
    window: str | None
    spread: int
    catch_up: bool
    enabled: bool
    disabled_why: str
    next_run_at: str | None
    last_scan_id: str | None
    created_at: shapes.Time


class ScheduleRunLine(shapes.Shape):
    """One moment of a schedule, or `times` in a row that went alike."""

    id: int
    due_at: shapes.Time
    at: shapes.Time
    outcome: str
    scan_id: str | None
    detail: str
    times: int


def read_window(text: str | None) -> Window:
    """`22:00-06:00` as a window; None or "" for the whole day. Raises BadInput."""
    if not text:
        return Window()
    found = _WINDOW.fullmatch(text)
    if found is None:
        raise BadInput("window must be HH:MM-HH:MM, such as 22:00-06:00", "window")
    hours = [int(part) for part in found.groups()]
    window = Window(hours[0] * 60 + hours[1], hours[2] * 60 + hours[3])
    if window.whole_day:
        raise BadInput("window begins when it ends: leave it out for the whole day", "window")
    return window


def write_window(window: Window) -> str | None:
    """The window as `read_window` takes it."""
    if window.whole_day:
        return None
    return f"{window.begin // 60:02}:{window.begin % 60:02}-{window.until // 60:02}:{window.until % 60:02}"

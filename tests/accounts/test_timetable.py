"""When schedules are due: cron fields, time zones, the days on which clocks change, windows, spread."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrecon.accounts.timetable import check_plan, next_moment, put_off, seconds_left
from secrecon.model.errors import BadInput
from secrecon.model.scan import ScanMode
from secrecon.model.schedule import Plan, Window

BERLIN = "Europe/Berlin"


def plan(cron: str, zone: str = "UTC", window: Window = Window(), spread: int = 0) -> Plan:  # noqa: B008 - frozen
    return Plan("Nightly", "shop.acme.test", ScanMode.QUICK, cron, zone, window, spread)


def at(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def series(chosen: Plan, begin: str, count: int, zone: str = "UTC") -> list[str]:
    moment, told = at(begin, zone), []
    for _ in range(count):
        found = next_moment(chosen, moment, 1)
        assert found is not None
        moment = found.due
        told.append(datetime.fromtimestamp(moment, UTC).isoformat(sep=" ")[:16])
    return told


@pytest.mark.parametrize(
    ("cron", "zone", "begin", "told"),
    [
        ("0 2 * * *", "UTC", "2026-11-26 02:00", ["2026-11-27 02:00", "2026-11-28 02:00"]),
        ("30 6 * * 1", "UTC", "2026-11-26 00:00", ["2026-11-30 06:30", "2026-12-07 06:30"]),
        ("0 0 29 2 *", "UTC", "2026-11-26 00:00", ["2028-02-29 00:00"]),
        ("0 0 L * *", "UTC", "2026-11-26 00:00", ["2026-11-30 00:00", "2026-12-31 00:00"]),
        # Berlin jumps from 02:00 to 03:00 on 29 March 2026: 02:30 is not there and runs right after the jump
        ("30 2 * * *", BERLIN, "2026-03-28 12:00", ["2026-03-29 01:00", "2026-03-30 00:30"]),
        # and goes back from 03:00 to 02:00 on 25 October: 02:30 comes twice and runs once
        ("30 2 * * *", BERLIN, "2026-10-24 12:00", ["2026-10-25 00:30", "2026-10-26 01:30"]),
        # every hour goes by real time through both
        ("0 * * * *", BERLIN, "2026-03-29 00:30", ["2026-03-29 00:00", "2026-03-29 01:00", "2026-03-29 02:00"]),
        ("0 9 * * *", "Asia/Kolkata", "2026-11-26 10:00", ["2026-11-27 03:30"]),
    ],
)
def test_moments(cron: str, zone: str, begin: str, told: list[str]) -> None:
    assert series(plan(cron, zone), begin, len(told), zone) == told


@pytest.mark.parametrize(
    ("cron", "zone", "field"),
    [
        ("", "UTC", "cron"),
        ("* * * *", "UTC", "cron"),
        ("* * * * * *", "UTC", "cron"),
        ("60 * * * *", "UTC", "cron"),
        ("@daily", "UTC", "cron"),
        ("0 0 30 2 *", "UTC", "cron"),
        ("a b c d e", "UTC", "cron"),
        ("* * * * *" + " " * 200, "UTC", "cron"),
        ("\u0660 * * * *", "UTC", "cron"),
        ("0 2 * * *", "Mars/Olympus", "zone"),
        ("0 2 * * *", "../../etc/passwd", "zone"),
        ("0 2 * * *", "", "zone"),
        ("0 2 * * *", "Europe/Berlin\0", "zone"),
    ],
)
def test_what_makes_no_sense_is_refused(cron: str, zone: str, field: str) -> None:
    with pytest.raises(BadInput) as refused:
        check_plan(plan(cron, zone), at("2026-11-26 00:00"))
    assert refused.value.field == field


def test_a_window_puts_off_and_ends() -> None:
    night = plan("0 12 * * *", BERLIN, Window(22 * 60, 6 * 60))
    first = check_plan(night, at("2026-11-26 00:00", BERLIN))
    assert first.due == at("2026-11-26 12:00", BERLIN)
    assert first.run == at("2026-11-26 22:00", BERLIN)
    assert put_off(night, at("2026-11-26 23:59", BERLIN)) == at("2026-11-26 23:59", BERLIN)
    assert put_off(night, at("2026-11-27 06:00", BERLIN)) == at("2026-11-27 22:00", BERLIN)
    assert seconds_left(night, at("2026-11-26 22:00", BERLIN)) == 8 * 3_600
    assert seconds_left(night, at("2026-11-27 05:59", BERLIN)) == 60
    assert seconds_left(plan("0 12 * * *"), at("2026-11-26 22:00")) is None


@given(
    st.integers(0, 1_439),
    st.integers(0, 1_439),
    st.floats(1.7e9, 1.9e9),
    st.sampled_from(["UTC", BERLIN, "America/Lima"]),
)
def test_what_was_put_off_is_within_the_window(begin: int, until: int, now: float, zone: str) -> None:
    chosen = plan("0 * * * *", zone, Window(begin, until))
    then = put_off(chosen, now)
    assert now <= then <= now + 26 * 3_600
    local = datetime.fromtimestamp(then, ZoneInfo(zone))
    minute = local.hour * 60 + local.minute
    skipped = local.utcoffset() != datetime.fromtimestamp(now, ZoneInfo(zone)).utcoffset()  # a day with a jump
    assert skipped or chosen.window.holds(minute)


def test_the_spread_is_bounded_and_the_same_for_everybody() -> None:
    chosen = plan("0 2 * * *", spread=600)
    runs = [next_moment(chosen, at("2026-11-26 00:00"), number) for number in range(50)]
    offsets = {run.run - run.due for run in runs if run is not None}
    assert len(offsets) > 25
    assert all(0 <= offset <= 600 for offset in offsets)
    assert runs[7] == next_moment(chosen, at("2026-11-26 00:00"), 7)

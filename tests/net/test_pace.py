"""Pacing on a clock that the test turns by hand."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrecon.model.errors import BudgetSpent
from secrecon.model.http import HttpReply
from secrecon.net.pace import Pace, retry_seconds

FOREVER = float("inf")


class HandClock:
    """Sleeping moves it on at once."""

    def __init__(self) -> None:
        self.at = 1000.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds
        await asyncio.sleep(0)


def reply(status: int, retry: str | None = None) -> HttpReply:
    headers = () if retry is None else (("RETRY-after", retry),)
    return HttpReply(status, "", headers, b"", b"", b"", b"", False, (), 0.0, "192.0.2.1")


async def once(pace: Pace, host: str = "a", status: int = 200, retry: str | None = None) -> float:
    began = await pace.enter(host, FOREVER)
    pace.answered(host, reply(status, retry), began)
    pace.leave(host)
    return began


async def test_the_rate_holds_after_a_burst() -> None:
    clock = HandClock()
    pace = Pace(10.0, 5, clock)
    times = [await once(pace) for _ in range(105)]
    assert times[4] == pytest.approx(1000.0)
    assert times[5] > 1000.05
    assert times[-1] - times[0] == pytest.approx(9.9, abs=0.3)
    await once(pace, "other")
    assert clock.at == times[-1]


async def test_a_burst_is_no_more_than_a_seconds_worth() -> None:
    pace = Pace(2.0, 25, HandClock())
    times = [await once(pace) for _ in range(10)]
    assert times[-1] - times[0] >= 4.0 - 1e-6


async def test_in_flight_is_bounded() -> None:
    pace = Pace(1e6, 3, HandClock())
    for _ in range(3):
        await pace.enter("a", FOREVER)
    fourth = asyncio.create_task(pace.enter("a", FOREVER))
    await asyncio.sleep(0.01)
    assert not fourth.done()
    pace.leave("a")
    await fourth


async def test_a_turn_after_the_deadline_is_refused_at_once_and_costs_no_slot() -> None:
    clock = HandClock()
    pace = Pace(1.0, 1, clock)
    await once(pace)
    await once(pace)
    for _ in range(5):
        with pytest.raises(BudgetSpent) as caught:
            await pace.enter("a", clock.at + 0.1)
        assert caught.value.limit == "seconds"
    await once(pace)


async def test_429_and_503_slow_down_and_are_remembered() -> None:
    clock = HandClock()
    pace = Pace(10.0, 1, clock)
    await once(pace, status=429, retry="7")
    began = clock.at
    await once(pace)
    assert clock.at - began >= 7.0
    assert "429" in pace.slowed["a"]
    assert "5 requests per second" in pace.slowed["a"]
    await once(pace, "b", status=503)
    assert "503" in pace.slowed["b"]
    await once(pace, "c", status=500)
    assert "c" not in pace.slowed


async def test_slowing_down_has_a_floor_and_counts_a_burst_once() -> None:
    clock = HandClock()
    pace = Pace(16.0, 8, clock)
    begun = [await pace.enter("a", FOREVER) for _ in range(8)]
    clock.at += 0.1
    for began in begun:
        pace.answered("a", reply(429), began)
        pace.leave("a")
    assert "8 requests per second" in pace.slowed["a"]
    for _ in range(20):
        clock.at += 10
        await once(pace, status=429)
    assert "1 requests per second" in pace.slowed["a"]


async def test_a_run_of_broken_connections_slows_down_only_where_it_worked_before() -> None:
    pace = Pace(10.0, 1, HandClock())
    for host, served in (("dead", False), ("blocking", True)):
        if served:
            await once(pace, host)
        for _ in range(4):
            began = await pace.enter(host, FOREVER)
            pace.broke(host, began)
            pace.leave(host)
    assert "dead" not in pace.slowed
    assert "3 connections" in pace.slowed["blocking"]


def test_retry_after_is_capped() -> None:
    assert retry_seconds("5", 0.0) == 5.0
    assert retry_seconds("999999999999", 0.0) == 30.0
    assert retry_seconds("Thu, 01 Jan 1970 00:00:10 GMT", 0.0) == 10.0
    assert retry_seconds("Thu, 01 Jan 1970 00:00:10 GMT", 60.0) == 0.0
    for odd in (None, "", "-5", "soon", "1e9", "9" * 200, "Thu, 99 Foo 1970"):
        assert retry_seconds(odd, 0.0) == 0.0


@given(st.text(max_size=60))
def test_any_retry_after_is_between_zero_and_the_cap(value: str) -> None:
    assert 0.0 <= retry_seconds(value, 1_000_000.0) <= 30.0

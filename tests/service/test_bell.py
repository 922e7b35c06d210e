"""The bell wakes who waits for that scan, and nobody else."""

from __future__ import annotations

import asyncio
import time

import pytest

from secrecon.model.errors import Exhausted
from secrecon.service.bell import Bell


async def test_it_wakes_everybody_who_waits_for_the_scan() -> None:
    bell = Bell()
    waiting = [asyncio.create_task(bell.wait("a", 30.0)) for _ in range(3)]
    other = asyncio.create_task(bell.wait("b", 0.3))
    await asyncio.sleep(0)
    bell.ring("a")
    await asyncio.wait_for(asyncio.gather(*waiting), 5)
    assert not other.done()
    await other


async def test_silence_ends_with_the_time_given() -> None:
    began = time.monotonic()
    await Bell().wait("a", 0.1)
    assert 0.05 < time.monotonic() - began < 5


async def test_a_ring_nobody_waits_for_is_lost_and_leaves_nothing() -> None:
    bell = Bell()
    bell.ring("a")
    await bell.wait("a", 0.01)
    assert bell._waiting == {}


def test_there_is_room_for_so_many_and_no_more() -> None:
    bell = Bell(room=1)
    bell.check_room()
    with bell.watcher(), pytest.raises(Exhausted):
        bell.check_room()
    bell.check_room()


def test_one_client_cannot_take_all_the_room() -> None:
    bell = Bell(room=3, room_of_one=1)
    with bell.watcher("192.0.2.1"):
        bell.check_room("192.0.2.2")
        with pytest.raises(Exhausted, match="from this address"):
            bell.check_room("192.0.2.1")
    bell.check_room("192.0.2.1")
    assert not bell._watchers

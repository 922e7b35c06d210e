"""Payloads and what came back on them: found by token however late, bounded, never another account's."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from secrecon.model.interaction import CallbackProtocol, Interaction, Payload
from secrecon.store import events, interactions, payloads, scans
from secrecon.store.interactions import HitCounts

if TYPE_CHECKING:
    from tests.store.conftest import Shelf

HIT = Interaction("hit-1", "t" * 33, CallbackProtocol.HTTP, "127.1.2.3", "GET /\x00 HTTP/1.1", 1010.0)


@pytest.fixture
async def payload(shelf: Shelf) -> Payload:
    scan_id = await shelf.add_scan()
    made = Payload(
        "t" * 33,
        "http://cb.test/x",
        "",
        scan_id,
        "ssrf.callback",
        "http://a.test",
        "GET /f query:u",
        "url",
        "",
        "",
        1.0,
    )
    async with shelf.db.transaction() as tx:
        await payloads.add(tx, [made, replace(made, token="u" * 33)])
        await payloads.add(tx, [replace(made, check="again")])
        await payloads.add(tx, [])
    return made


async def test_a_hit_finds_its_payload_and_tells_the_watchers(shelf: Shelf, payload: Payload) -> None:
    async with shelf.db.transaction() as tx:
        assert await interactions.add(tx, HIT) == payload
        assert await interactions.add(tx, HIT) is None
        assert await interactions.of_scan(tx, payload.scan_id) == (HIT,)
        (event,) = await events.after(tx, payload.scan_id, 0, 10)
        assert (await scans.counts(tx, payload.scan_id)).interactions == 1
    assert (event.kind, event.data["protocol"], event.data["check"]) == ("interaction", "http", "ssrf.callback")


async def test_a_token_we_never_gave_out_is_dropped(shelf: Shelf, payload: Payload) -> None:
    async with shelf.db.transaction() as tx:
        assert await interactions.add(tx, replace(HIT, token="z" * 33)) is None
        assert await payloads.find(tx, "z" * 33) is None
        assert [item.token[0] for item in await payloads.of_scan(tx, payload.scan_id)] == ["t", "u"]


async def test_a_flood_on_one_token_is_cut_off(shelf: Shelf, payload: Payload) -> None:
    async def hit(number: int) -> bool:
        async with shelf.db.transaction() as tx:
            return await interactions.add(tx, replace(HIT, id=f"hit-{number}"), cap=3) is not None

    assert [await hit(number) for number in range(5)] == [True] * 3 + [False] * 2
    same = await asyncio.gather(*(hit(1) for _ in range(3)))
    assert same == [False] * 3


async def test_counts_leave_out_our_own_hits(shelf: Shelf, payload: Payload) -> None:
    async with shelf.db.transaction() as tx:
        await interactions.add(tx, HIT)
        await interactions.add(tx, replace(HIT, id="own", own=True))
        await interactions.add(tx, replace(HIT, id="dns", protocol=CallbackProtocol.DNS))
        assert await interactions.of_account(tx, shelf.account_id) == HitCounts(dns=1, http=1)
        assert await interactions.of_account(tx, shelf.account_id + 1) == HitCounts(0, 0)

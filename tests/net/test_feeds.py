"""Fetching feeds from a provider that breaks off, is busy, redirects, lies and hangs."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.little import BentClock
from tests.net.feedhost import FeedHost, feed_host

from secrecon.model.errors import ConnectFailed, ProtocolBroken, TargetTimeout
from secrecon.net.feeds import FeedAsk, FeedFetcher

BODY = bytes(range(256)) * 4_000


@pytest.fixture
async def host() -> AsyncIterator[FeedHost]:
    async with feed_host() as made:
        made.files["/feed"] = BODY
        yield made


@pytest.fixture
async def fetcher() -> AsyncIterator[FeedFetcher]:
    async with FeedFetcher(BentClock(), random.Random(1), stall=0.5) as made:
        yield made


async def test_a_file_and_then_nothing_new(host: FeedHost, fetcher: FeedFetcher, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    reply = await fetcher.fetch(
        FeedAsk(host.url("/feed")), tmp_path / "f", lambda done, of: told.append((done, of))
    )
    assert (tmp_path / "f").read_bytes() == BODY
    assert reply.changed
    assert told[-1] == (len(BODY), len(BODY))
    again = await fetcher.fetch(FeedAsk(host.url("/feed"), etag=reply.etag), tmp_path / "g")
    assert not again.changed
    assert not (tmp_path / "g").exists()


async def test_a_broken_line_is_continued_where_it_broke(
    host: FeedHost, fetcher: FeedFetcher, tmp_path: Path
) -> None:
    host.faults["/feed"] = ["cut:300000", "cut:200000"]
    reply = await fetcher.fetch(FeedAsk(host.url("/feed")), tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == BODY
    assert reply.resumed >= 300_000
    ranges = [headers.get("range", "") for _, headers in host.asked]
    assert ranges[0] == ""
    assert all(ranges[1:])


async def test_a_part_of_another_version_is_not_mixed_in(
    host: FeedHost, fetcher: FeedFetcher, tmp_path: Path
) -> None:
    host.faults["/feed"] = ["cut:300000", "404"]
    with pytest.raises(ProtocolBroken, match="404"):
        await fetcher.fetch(FeedAsk(host.url("/feed")), tmp_path / "f")
    host.files["/feed"] = BODY[::-1]
    reply = await fetcher.fetch(FeedAsk(host.url("/feed")), tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == BODY[::-1]
    assert reply.resumed == 0


async def test_without_a_strong_validator_it_begins_anew(
    host: FeedHost, fetcher: FeedFetcher, tmp_path: Path
) -> None:
    host.faults["/feed"] = ["cut:1000"]
    (tmp_path / "f").write_bytes(b"something else")
    await fetcher.fetch(FeedAsk(host.url("/feed")), tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == BODY


async def test_busy_providers_are_waited_for_as_they_ask(host: FeedHost, tmp_path: Path) -> None:
    clock = BentClock()
    async with FeedFetcher(clock, random.Random(1)) as fetcher:
        host.faults["/feed"] = ["429:7", "503"]
        began = clock.at
        await fetcher.fetch(FeedAsk(host.url("/feed")), tmp_path / "f")
        assert clock.at - began >= 8
        host.faults["/feed"] = ["429:100000"]
        with pytest.raises(ProtocolBroken, match="try again in 100000"):
            await fetcher.fetch(FeedAsk(host.url("/feed")), tmp_path / "g")
        host.faults["/feed"] = ["503"] * 9
        with pytest.raises(ProtocolBroken, match="503"):
            await fetcher.fetch(FeedAsk(host.url("/feed")), tmp_path / "g")
        assert len(host.faults["/feed"]) == 4


async def test_the_pace_of_a_provider_is_kept(host: FeedHost, tmp_path: Path) -> None:
    clock = BentClock()
    async with FeedFetcher(clock, random.Random(1)) as fetcher:
        began = clock.at
        for _ in range(7):
            await fetcher.fetch(FeedAsk(host.url("/feed"), pace=3), tmp_path / "f")
        assert clock.at - began >= 60


async def test_keys_go_to_their_host_alone(host: FeedHost, fetcher: FeedFetcher, tmp_path: Path) -> None:
    async with feed_host() as other:
        other.files["/there"] = b"there"
        host.faults["/feed"] = [f"redirect:{other.url('/there')}"]
        await fetcher.fetch(FeedAsk(host.url("/feed"), secret={"apiKey": "s3cret"}), tmp_path / "f")
        assert (tmp_path / "f").read_bytes() == b"there"
        assert host.asked[0][1]["apikey"] == "s3cret"
        assert "apikey" not in other.asked[0][1]


@pytest.mark.parametrize("to", ["file:///etc/passwd", "gopher://127.0.0.1/", "http://127.0.0.1:999999/", "/feed"])
async def test_redirects_that_are_not_followed(
    host: FeedHost, fetcher: FeedFetcher, tmp_path: Path, to: str
) -> None:
    host.faults["/feed"] = [f"redirect:{to}"] * 10
    with pytest.raises(ProtocolBroken, match="redirected"):
        await fetcher.fetch(FeedAsk(host.url("/feed")), tmp_path / "f")


async def test_limits(host: FeedHost, fetcher: FeedFetcher, tmp_path: Path) -> None:
    with pytest.raises(ProtocolBroken, match="larger than"):
        await fetcher.fetch(FeedAsk(host.url("/feed"), max_bytes=1000), tmp_path / "f")
    host.faults["/feed"] = ["hang"] * 9
    with pytest.raises(TargetTimeout, match="did not answer"):
        await fetcher.fetch(FeedAsk(host.url("/feed")), tmp_path / "f")
    with pytest.raises(ConnectFailed, match="cannot be reached"):
        await fetcher.fetch(FeedAsk("http://127.0.0.1:1/feed"), tmp_path / "f")
    for words in ("http://127.0.0.1:999999/", "ftp://127.0.0.1/x"):
        with pytest.raises(ProtocolBroken):
            await fetcher.fetch(FeedAsk(words), tmp_path / "f")

"""Names told apart by their pages: only a page of its own counts, and a server that is busy or changes says nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import cast

import pytest

from secrecon.engine.naming.pages import compare
from secrecon.engine.naming.search import Search
from secrecon.model.dns import NameAnswer, SweepResult
from secrecon.model.errors import ConnectFailed
from secrecon.model.http import HttpExchange, HttpReply, HttpRequest
from secrecon.model.scan import Attempt, Outcome
from secrecon.net.network import Network

ZONE = "acme.test"
Page = Callable[[str, int], tuple[int, bytes]]
"""(name, how many were asked before) -> status and body."""


class Everything:
    """A zone that answers every name with one address, and a web server on port 80."""

    def __init__(self, page: Page) -> None:
        self.page, self.asked = page, 0

    async def sweep(self, names: Sequence[str], stop: asyncio.Event | None = None) -> SweepResult:
        answers = tuple(NameAnswer(name, "NOERROR", ("192.0.2.1",)) for name in names)
        return SweepResult(answers, len(names), len(names))

    async def http(
        self, request: HttpRequest, *, follow: int = 0, body_cap: int | None = None, user: str = ""
    ) -> HttpExchange:
        if request.origin.port != 80:
            raise ConnectFailed("refused")
        status, body = self.page(request.origin.host, self.asked)
        self.asked += 1
        return HttpExchange(request, HttpReply(status, "", (), body, b"", body, b"", False, (), 0.1, "192.0.2.1"))


def park(name: str) -> bytes:
    return f"<title>Park</title><p>{name} is free, order it today at our desk".encode()


def own(name: str) -> bytes:
    return " ".join(f"the department number {n} of {name} writes" for n in range(30)).encode()


async def compared(page: Page, names: Iterable[str] = ("real", "fake")) -> tuple[set[str], Attempt]:
    search = Search(ZONE, cast(Network, Everything(page)), "seed", asyncio.Event())
    search.tell((f"{name}.{ZONE}" for name in names), "passive:log")
    await search.look_up(search.pending())
    (line,) = await compare(search, (80, 81))
    assert isinstance(line, Attempt)
    return set(search.found), line


async def test_a_page_of_its_own_makes_a_name_real() -> None:
    found, line = await compared(lambda name, _: (200, own(name) if name.startswith("real.") else park(name)))
    assert found == {f"real.{ZONE}"}
    assert line.outcome is Outcome.DONE
    assert "1 are names of their own" in line.reason


@pytest.mark.parametrize("status", [429, 503])
async def test_a_busy_server_makes_no_name_real(status: int) -> None:
    found, line = await compared(
        lambda name, _: (status, b"slow") if name.startswith("real.") else (200, park(name))
    )
    assert found == set()
    assert line.outcome is Outcome.SKIPPED


async def test_a_server_that_turns_us_away_meanwhile_makes_no_name_real() -> None:
    found, line = await compared(lambda name, asked: (403, b"blocked") if asked >= 2 else (200, park(name)))
    assert found == set()
    assert "no web server told names apart" in line.reason


async def test_pages_that_differ_each_time_tell_nothing() -> None:
    found, line = await compared(lambda name, asked: (200, f"{asked} ".encode() * 900 if asked % 2 else own(name)))
    assert found == set()
    assert line.outcome is Outcome.SKIPPED


async def test_more_than_the_limit_are_told_as_not_compared() -> None:
    found, line = await compared(lambda name, _: (200, park(name)), (f"n{number}" for number in range(300)))
    assert found == set()
    assert "180 names were not compared" in line.reason
    assert line.outcome is Outcome.SKIPPED

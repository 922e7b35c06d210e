"""What was fetched is not fetched again, whatever the next phase would have followed or read at most."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import cast

import pytest

from secrecon.engine.asking import Memo
from secrecon.model.http import HttpExchange, HttpReply, HttpRequest
from secrecon.model.probe import HttpProbe
from secrecon.model.target import Origin
from secrecon.net.network import Network

ORIGIN = Origin("http", "shop.acme.test", 80)
REPLY = HttpReply(200, "OK", (), b"x" * 100, b"", b"x" * 100, b"", False, (), 0.1, "192.0.2.1")


@dataclass
class Door:
    """A network that counts. `reply`: what everything is answered with."""

    reply: HttpReply
    asked: list[str] = field(default_factory=list)

    async def http(
        self, request: HttpRequest, follow: int = 0, body_cap: int | None = None, user: bool = False
    ) -> HttpExchange:
        self.asked.append(request.target)
        return HttpExchange(request, self.reply)


def probe(follow: int = 0, cap: int | None = None) -> HttpProbe:
    return HttpProbe("a.check", "asset", HttpRequest(ORIGIN, target="/a"), follow=follow, body_cap=cap)


@pytest.mark.parametrize(
    ("reply", "first", "second", "sent"),
    [
        (REPLY, probe(), probe(), 1),
        (REPLY, probe(3, 2_000_000), probe(0, 65_536), 1),
        (REPLY, probe(0, 65_536), probe(3, None), 1),
        (REPLY, probe(0, 65_536), probe(0, 50), 2),
        (replace(REPLY, truncated=True), probe(0, 100), probe(0, 65_536), 2),
        (replace(REPLY, truncated=True), probe(0, 100), probe(0, 100), 1),
        (replace(REPLY, status=302), probe(0), probe(3), 2),
    ],
)
async def test_a_whole_reply_serves_everybody(
    reply: HttpReply, first: HttpProbe, second: HttpProbe, sent: int
) -> None:
    memo, door = Memo(), Door(reply)
    for one in (first, second):
        found = await memo.fetch(cast("Network", door), one)
        assert found.reply == reply
    assert len(door.asked) == sent

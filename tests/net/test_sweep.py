"""The DNS sweep against name servers that lose, dawdle, refuse, lie and break off: nothing is missed, nothing made up."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

import pytest

from secrecon.model.dns import SweepResult
from secrecon.net import dnspacket, sweep
from secrecon.net.resolver import Server
from secrecon.net.sweep import Sweeper

NAMES = [f"n{number}.acme.test" for number in range(2_000)]
THERE = dict.fromkeys(NAMES[::40], "192.0.2.7")

Twist = Callable[[bytes, bytes], Iterable[tuple[float, bytes]]]
"""(query, answer) -> what is sent and after how many seconds."""


@dataclass
class Server53(asyncio.DatagramProtocol):
    """Answers A questions from `zone`, everything else is absent; `twist` says what becomes of each answer."""

    zone: dict[str, str]
    twist: Twist = lambda query, answer: [(0.0, answer)]
    asked: int = 0
    names: set[str] = field(default_factory=set)
    transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.asked += 1
        loop = asyncio.get_running_loop()
        for delay, wire in self.twist(data, self.answer(data)):
            if delay:
                loop.call_later(delay, self.send, wire, addr)
            else:
                self.send(wire, addr)

    def send(self, wire: bytes, addr: tuple[str, int]) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.sendto(wire, addr)

    def answer(self, query: bytes) -> bytes:
        name, at = dnspacket.read_name(query, dnspacket.HEADER)
        self.names.add(name)
        asks_a = query[at : at + 2] == b"\0\1"
        value = self.zone.get(name) if asks_a else None
        known = name in self.zone
        head = (
            query[:2]
            + b"\x81"
            + (b"\x80" if known else b"\x83")
            + b"\0\1"
            + (b"\0\1" if value else b"\0\0")
            + b"\0\0\0\0"
        )
        out = head + query[dnspacket.HEADER :]
        if not value:
            return out
        if value[0].isdigit():
            return out + b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + bytes(map(int, value.split(".")))
        target = dnspacket.encode_name(value)
        return out + b"\xc0\x0c\0\5\0\1\0\0\0\x3c" + len(target).to_bytes(2) + target


def _same(one: Server53) -> Server53:
    return one


@contextlib.asynccontextmanager
async def servers(*twisted: Server53, port: int = 0) -> AsyncIterator[list[Server]]:
    loop = asyncio.get_running_loop()
    transports, where = [], []
    for one in twisted:
        transport, _ = await loop.create_datagram_endpoint(partial(_same, one), local_addr=("127.0.0.1", port))
        transports.append(transport)
        where.append(transport.get_extra_info("sockname"))
    try:
        yield where
    finally:
        for transport in transports:
            transport.close()


async def swept(*twisted: Server53, names: Iterable[str] = NAMES, rate: float = 1e6) -> SweepResult:
    async with servers(*twisted) as where:
        return await Sweeper(where, rate=rate).names(names)


def found(result: SweepResult) -> dict[str, str]:
    return {answer.name: answer.addresses[0] for answer in result.answers if answer.addresses}


async def test_every_name_is_told_of_and_none_made_up() -> None:
    result = await swept(Server53(THERE))
    assert found(result) == THERE
    assert (result.asked, result.silent, result.refused, result.notes) == (2_000, (), (), ())
    least = 2_000 + len(THERE) + 1  # A, AAAA of what exists, one test of the server
    assert least <= result.sent < 1.2 * least  # the kernel may drop some where the server is slow to read


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same rules with shorter waits."""
    for name, value in (("PATIENCE", 0.15), ("MIN_PATIENCE", 0.1), ("TICK", 0.01), ("DEAD_SECONDS", 0.6)):
        monkeypatch.setattr(sweep, name, value)


@pytest.mark.usefixtures("hasty")
async def test_a_line_that_loses_5_percent_each_way_misses_nothing() -> None:
    dice = random.Random(5)

    def lossy(query: bytes, answer: bytes) -> list[tuple[float, bytes]]:
        return [] if dice.random() < 0.0975 else [(0.0, answer)]  # 1 - 0.95 squared

    server = Server53(THERE, lossy)
    result = await swept(server)
    assert found(result) == THERE
    assert (result.silent, result.refused, result.notes) == ((), (), ())
    assert server.names == {*NAMES, *(name for name in server.names if name.endswith(".invalid"))}


@pytest.mark.usefixtures("hasty")
async def test_servers_slower_than_the_first_patience_miss_nothing() -> None:
    """Answers later than the wait still count, and the wait becomes as long as the server needs."""
    dice = random.Random(6)

    def slow(query: bytes, answer: bytes) -> list[tuple[float, bytes]]:
        return [] if dice.random() < 0.05 else [(0.2 + dice.random() / 5, answer)]

    server, names = Server53(THERE, slow), NAMES[:600]
    result = await swept(server, names=names)
    assert found(result) == {name: THERE[name] for name in names if name in THERE}
    assert (result.silent, result.notes) == ((), ())
    assert server.asked < 1.7 * len(names)


@pytest.mark.usefixtures("hasty")
async def test_a_silent_server_and_one_that_refuses_are_left_out_and_told() -> None:
    refusing = Server53({}, lambda query, answer: [(0.0, answer[:3] + b"\x85" + answer[4:])])
    result = await swept(Server53(THERE), Server53({}, lambda query, answer: []), refusing)
    assert found(result) == THERE
    assert (result.silent, result.refused) == ((), ())
    assert any("gave no answer" in note for note in result.notes) or any("refuses" in note for note in result.notes)


@pytest.mark.usefixtures("hasty")
async def test_when_nobody_answers_every_name_is_silent_and_the_sweep_ends() -> None:
    result = await swept(Server53({}, lambda query, answer: []), names=NAMES[:300])
    assert set(result.silent) == set(NAMES[:300])
    assert not result.answers
    assert result.notes


@pytest.mark.usefixtures("hasty")
async def test_a_closed_port_is_told_and_nothing_hangs() -> None:
    async with servers(Server53({})) as where:
        closed = where[0]
    result = await Sweeper([closed], rate=1e6).names(NAMES[:50])
    assert set(result.silent) == set(NAMES[:50])


@pytest.mark.usefixtures("hasty")
async def test_what_fails_everywhere_is_refused_not_absent() -> None:
    def failing(query: bytes, answer: bytes) -> list[tuple[float, bytes]]:
        return [(0.0, answer[:3] + b"\x82" + answer[4:]) if b"\x02n7\x04" in query else (0.0, answer)]

    result = await swept(Server53(THERE, failing), names=NAMES[:60])
    assert result.refused == ("n7.acme.test",)
    assert found(result) == {name: THERE[name] for name in NAMES[:60] if name in THERE}


async def test_answers_with_a_wrong_id_question_or_sender_are_ignored() -> None:
    """Forged answers come first and from the right port; the true one still counts."""
    poison = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x06\x06\x06\x06"

    def forged(query: bytes, answer: bytes) -> list[tuple[float, bytes]]:
        head = b"\x81\x80\0\1\0\1\0\0\0\0"
        other = bytes((query[0] ^ 0x55, query[1])) + head + query[12:] + poison
        wrong = query[:2] + head + dnspacket.question("other.test", 1) + poison
        asked = query[:2] + b"\x01" + head[1:] + query[12:] + poison  # no answer at all: a question
        return [(0.0, wire) for wire in (other, wrong, asked, b"", query[:2], answer)]

    result = await swept(Server53(THERE, forged), names=NAMES[:200])
    assert found(result) == {name: THERE[name] for name in NAMES[:200] if name in THERE}

    async with servers(Server53({}, lambda query, answer: [])) as where:
        stranger, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
        )
        quiet = Server53({})

        def from_elsewhere(query: bytes, answer: bytes) -> list[tuple[float, bytes]]:
            assert quiet.transport is not None
            stranger.sendto(query[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + query[12:] + poison, quiet_client[0])
            return [(0.05, answer)]

        quiet_client: list[tuple[str, int]] = []

        class Noted(Server53):
            def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
                quiet_client[:] = [addr]
                super().datagram_received(data, addr)

        quiet = Noted({}, from_elsewhere)
        result = await swept(quiet, names=["x.acme.test"])
        stranger.close()
        assert where
    assert result.answers == ()


async def test_a_server_that_invents_answers_is_left_out_and_told() -> None:
    liar = Server53(
        {},
        lambda query, answer: [
            (
                0.0,
                query[:2]
                + b"\x81\x80\0\1\0\1\0\0\0\0"
                + query[12:]
                + b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x06\x06\x06\x06",
            )
        ],
    )
    result = await swept(liar, Server53(THERE), names=NAMES[:100])
    assert found(result) == {name: THERE[name] for name in NAMES[:100] if name in THERE}
    assert any("invents answers" in note for note in result.notes)
    assert liar.asked == 1


async def test_letters_in_another_case_dangling_aliases_and_names_without_address() -> None:
    zone = {"a.acme.test": "gone.elsewhere.test", "b.acme.test": ""}

    def shouted(query: bytes, answer: bytes) -> list[tuple[float, bytes]]:
        if b"\x01a" in query[12:15]:
            answer = answer[:3] + b"\x83" + answer[4:]
        at = 12 + len(query) - 12 - 4
        return [(0.0, answer[:12] + answer[12:at].upper() + answer[at:])]

    result = await swept(Server53(zone, shouted), names=["a.acme.test", "b.acme.test", "c.acme.test"])
    told = {answer.name: (answer.rcode, answer.aliases, answer.addresses) for answer in result.answers}
    assert told == {
        "a.acme.test": ("NXDOMAIN", ("gone.elsewhere.test",), ()),
        "b.acme.test": ("NOERROR", (), ()),
    }


async def test_a_truncated_answer_is_asked_for_over_tcp_and_64_kilobytes_are_survived() -> None:
    record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        size = int.from_bytes(await reader.readexactly(2))
        query = await reader.readexactly(size)
        body = b"".join(record + (0x0A000000 + n).to_bytes(4) for n in range(4_000))
        wire = query[:2] + b"\x81\x80\0\1\x0f\xa0\0\0\0\0" + query[12:] + body
        writer.write(len(wire).to_bytes(2) + wire)
        await writer.drain()
        writer.close()

    cut = Server53({"big.acme.test": ""}, lambda query, answer: [(0.0, answer[:2] + b"\x83" + answer[3:])])
    stream = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with stream, servers(cut, port=stream.sockets[0].getsockname()[1]) as where:
        result = await Sweeper(where, rate=1e6).names(["big.acme.test"])
    (answer,) = result.answers
    assert len(answer.addresses) == dnspacket.MAX_ADDRESSES
    assert answer.addresses[0] == "10.0.0.0"


async def test_a_stop_ends_the_sweep_and_the_rest_is_silent() -> None:
    server = Server53({}, lambda query, answer: [])
    async with servers(server) as where:
        sweeper = Sweeper(where, rate=1e6)
        sweeper._honest = tuple(where)
        result = await sweeper.names(NAMES[:500], stopped=lambda: "stop" if server.asked else "")
    assert len(result.silent) == 500
    assert server.asked < 500


async def test_the_rate_is_kept_and_names_that_cannot_be_are_not_asked() -> None:
    server = Server53({})
    began = asyncio.get_running_loop().time()
    result = await swept(server, names=[*NAMES[:60], "ü.acme.test", "a" * 64 + ".acme.test", "a..b"], rate=100)
    assert asyncio.get_running_loop().time() - began > 0.4
    assert server.asked == 61
    assert (result.asked, result.silent) == (63, ())


@pytest.mark.usefixtures("hasty")
async def test_two_servers_that_both_lose_hand_each_other_the_names_they_lost() -> None:
    dice = random.Random(7)

    def lossy(query: bytes, answer: bytes) -> list[tuple[float, bytes]]:
        return [] if dice.random() < 0.3 else [(0.0, answer)]

    result = await swept(Server53(THERE, lossy), Server53(THERE, lossy), names=NAMES[:400])
    assert found(result) == {name: THERE[name] for name in NAMES[:400] if name in THERE}
    assert result.silent == ()

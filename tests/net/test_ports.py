"""The connect scan against real sockets on loopback: what is open, closed, silent or untried is never mixed up."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from secrecon.model.errors import BudgetSpent, ScopeRefused
from secrecon.model.scan import Budget
from secrecon.net.ports import NO_ROUTE, NO_SOCKETS, Aim, PortSweep, SweepLimits, Swept, _itself

if TYPE_CHECKING:
    from tests.net.conftest import FakeDns, MakeNetwork

FAST = SweepLimits(rate=1e6, connects=100_000, until=float("inf"), first_timeout=0.2, least_timeout=0.2)


@contextlib.contextmanager
def listening(count: int, address: str = "127.0.0.1") -> Iterator[list[int]]:
    with contextlib.ExitStack() as stack:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        sockets = [stack.enter_context(socket.create_server((address, 0), family=family)) for _ in range(count)]
        yield [each.getsockname()[1] for each in sockets]


@contextlib.contextmanager
def silent(address: str = "127.0.0.1") -> Iterator[int]:
    """A port that drops what comes: its queue is full and nobody accepts."""
    with contextlib.ExitStack() as stack:
        full = stack.enter_context(socket.socket())
        full.bind((address, 0))
        full.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        yield full.getsockname()[1]


def closed_ports(count: int, address: str = "127.0.0.1") -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((address, 0))
        return [each.getsockname()[1] for each in sockets]


def run(jobs: list[tuple[str, list[int]]], limits: SweepLimits = FAST) -> list[Swept]:
    return PortSweep(jobs, limits, time.monotonic, threading.Event()).run()


async def _told(done: int, total: int) -> None:
    assert 0 <= done <= total


def test_open_closed_and_silent_ports_are_told_apart() -> None:
    with listening(3) as is_open, silent() as mute:
        is_closed = closed_ports(40)
        (found,) = run([("127.0.0.1", [*is_closed, *is_open, mute, *is_open])])
    assert found.open == tuple(sorted(is_open))
    assert found.closed == tuple(sorted(is_closed))
    assert (found.silent, found.untried) == ((mute,), ())
    assert found.attempts == 40 + 3 + 2, "each once, the silent one twice as the address does answer"


def test_addresses_are_scanned_side_by_side_each_with_its_own_answer() -> None:
    with listening(1, "127.0.0.2") as two, listening(1, "::1") as six:
        found = run([("127.0.0.1", two), ("127.0.0.2", two), ("::1", six)])
    assert [each.open for each in found] == [(), tuple(two), tuple(six)]
    assert found[0].closed == tuple(two)


def test_a_socket_connected_to_itself_is_no_open_port() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.connect(sock.getsockname())
        assert _itself(sock)
    with listening(1) as (port,), socket.create_connection(("127.0.0.1", port)) as sock:
        assert not _itself(sock)


def test_a_spent_budget_and_a_stop_leave_ports_untried_not_closed() -> None:
    ports = closed_ports(50)
    (found,) = run([("127.0.0.1", ports)], replace(FAST, connects=20))
    assert (len(found.closed), len(found.untried), found.attempts) == (20, 30, 20)
    (late,) = run([("127.0.0.1", ports)], replace(FAST, until=0.0))
    assert (late.untried, late.attempts) == (tuple(sorted(ports)), 0)
    stop = threading.Event()
    stop.set()
    (stopped,) = PortSweep([("127.0.0.1", ports)], FAST, time.monotonic, stop).run()
    assert stopped.untried == tuple(sorted(ports))


@pytest.mark.parametrize(("code", "trouble"), [(errno.ENETUNREACH, NO_ROUTE), (errno.EADDRNOTAVAIL, NO_SOCKETS)])
def test_what_this_machine_lacks_is_told_and_no_port_is_called_closed(
    monkeypatch: pytest.MonkeyPatch, code: int, trouble: str
) -> None:
    class Lacking(socket.socket):
        def connect_ex(self, address: object) -> int:
            return code

    monkeypatch.setattr("secrecon.net.ports.socket.socket", Lacking)
    monkeypatch.setattr("secrecon.net.ports.LOCAL_TRIES", 3)
    (found,) = run([("127.0.0.1", [1, 2, 3])])
    assert found == Swept(untried=(1, 2, 3), trouble=trouble)


def test_the_pace_of_an_address_is_kept() -> None:
    limits = replace(FAST, rate=200.0, per_address=5)
    began = time.monotonic()
    (found,) = run([("127.0.0.1", closed_ports(45))], limits)
    assert len(found.closed) == 45
    assert time.monotonic() - began > 0.15, "40 of them at 200 a second, after a burst of 5"


async def test_the_gate_comes_first_and_a_moved_name_is_not_followed(
    network: MakeNetwork, dns_server: FakeDns
) -> None:
    dns_server.zone["acme.test", "A"] = ["127.0.0.2"]
    net = network("acme.test", resolver=dns_server.resolver())
    with listening(1, "127.0.0.2") as ports:
        aims = [Aim("acme.test", "127.0.0.2", tuple(ports)), Aim("acme.test", "127.0.0.3", (1,))]
        aims += [Aim("evil.test", "127.0.0.2", tuple(ports))]
        found = await net.scan_ports(aims, asyncio.Event(), _told)
    assert found[0].swept.open == tuple(ports)
    assert [isinstance(each.failure, ScopeRefused) for each in found] == [False, True, True]
    assert found[2].swept == Swept(untried=tuple(ports))
    assert net.connects == 1
    refusing = network("acme.test", allow=(), resolver=dns_server.resolver())
    (refused,) = await refusing.scan_ports(aims[:1], asyncio.Event(), _told)
    assert isinstance(refused.failure, ScopeRefused)
    assert refusing.connects == 0


async def test_an_origin_lets_no_other_port_be_swept(network: MakeNetwork) -> None:
    with listening(2) as ports:
        net = network(f"http://127.0.0.1:{ports[0]}/")
        first, both = await net.scan_ports(
            [Aim("127.0.0.1", "127.0.0.1", (ports[0],)), Aim("127.0.0.1", "127.0.0.1", tuple(ports))],
            asyncio.Event(),
            _told,
        )
    assert first.swept.open == (ports[0],)
    assert isinstance(both.failure, ScopeRefused)
    assert both.swept.open == ()


async def test_connections_have_a_budget_of_their_own(network: MakeNetwork) -> None:
    ports = tuple(closed_ports(30))
    net = network("127.0.0.1", budget=Budget(rate=10_000.0, connects=10))
    (found,) = await net.scan_ports([Aim("127.0.0.1", "127.0.0.1", ports)], asyncio.Event(), _told)
    assert (len(found.swept.closed), len(found.swept.untried), net.requests) == (10, 20, 0)
    assert isinstance(found.failure, BudgetSpent)


async def test_a_stop_ends_a_slow_sweep_at_once(network: MakeNetwork) -> None:
    net = network("127.0.0.1", budget=Budget(rate=0.5))
    stop = asyncio.Event()
    task = asyncio.create_task(
        net.scan_ports([Aim("127.0.0.1", "127.0.0.1", tuple(closed_ports(400)))], stop, _told)
    )
    await asyncio.sleep(0.2)
    began = time.monotonic()
    stop.set()
    (found,) = await task
    assert time.monotonic() - began < 1.0
    assert found.swept.untried
    assert not set(found.swept.untried) & set(found.swept.closed)


async def test_a_greeting_is_heard_from_that_address_only(network: MakeNetwork, dns_server: FakeDns) -> None:
    async def hello(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-toy\r\n" + await reader.read(4))
        writer.close()

    server = await asyncio.start_server(hello, "127.0.0.3", 0)
    port = server.sockets[0].getsockname()[1]
    dns_server.zone["acme.test", "A"] = ["127.0.0.2", "127.0.0.3"]
    net = network("acme.test", resolver=dns_server.resolver())
    heard = await net.greet("acme.test", "127.0.0.3", port, b"ping", tls=False, patience=1.0, most=100)
    assert (heard, net.requests) == (b"SSH-2.0-toy\r\nping", 1)
    with pytest.raises(ScopeRefused):
        await net.greet("acme.test", "127.0.0.4", port, b"", tls=False, patience=1.0, most=100)
    server.close()
    await server.wait_closed()

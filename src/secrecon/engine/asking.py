"""Turns probes into replies: the only place of the engine that awaits the network.

Every probe gets exactly one reply; a failure is a reply too, with the outcome that the ledger will show. Identical
GETs of one scan are sent once (`Memo`). Cancellation stops what is in flight and marks the rest as not run.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Sequence

from secrecon.model.dns import DnsAnswer, DnsRecord
from secrecon.model.errors import BudgetSpent, ScopeRefused, TargetError, TargetTimeout
from secrecon.model.http import HttpExchange
from secrecon.model.probe import Asked, DnsProbe, HttpProbe, Reply, TlsProbe, ZoneTransferProbe
from secrecon.model.scan import Outcome
from secrecon.net.network import Network

ADDRESS = "ADDRESS"
"""The DnsProbe type that asks for a name's addresses the way a connection would find them."""

IN_FLIGHT = 256
PER_HOST = 10
MEMO_BYTES = 64_000_000
STOPPED = "cancelled before it was run"


class Memo:
    """Exchanges of plain GETs, so that several phases may plan the same request. Bounded by body bytes.

    A reply that came whole and led nowhere else serves whoever asks for no less than it holds, however many redirects they
    would have followed. A request under way is waited for rather than sent again. Failures are not kept.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[object, ...], HttpExchange] = OrderedDict()
        self._size = 0
        self._under_way: dict[tuple[object, ...], asyncio.Future[HttpExchange]] = {}

    async def fetch(self, network: Network, probe: HttpProbe) -> HttpExchange:
        """The exchange for `probe`, from memory where the same one was made before."""
        request = probe.request
        if request.method != "GET" or request.raw is not None or probe.payload is not None:
            return await network.http(request, follow=probe.follow, body_cap=probe.body_cap, user=probe.user)
        key = (request, probe.follow, probe.body_cap, probe.user)
        for known in (key, (request, probe.user)):
            kept = self._kept.get(known)
            if kept is not None and (
                known == key or probe.body_cap is None or len(kept.reply.body) <= probe.body_cap
            ):
                self._kept.move_to_end(known)
                return kept
        if key in self._under_way:
            return await asyncio.shield(self._under_way[key])
        future: asyncio.Future[HttpExchange] = asyncio.get_running_loop().create_future()
        self._under_way[key] = future
        try:
            exchange = await network.http(request, follow=probe.follow, body_cap=probe.body_cap, user=probe.user)
        except BaseException as error:
            if isinstance(error, Exception):
                future.set_exception(error)
                future.exception()  # read once: a waiter may or may not exist
            else:
                future.cancel()
            raise
        finally:
            del self._under_way[key]
        future.set_result(exchange)
        whole = not (exchange.redirects or exchange.reply.truncated or 300 <= exchange.reply.status < 400)
        self._keep((request, probe.user) if whole else key, exchange)
        return exchange

    def _keep(self, key: tuple[object, ...], exchange: HttpExchange) -> None:
        before = self._kept.pop(key, None)
        self._size += _size(exchange) - (0 if before is None else _size(before))
        self._kept[key] = exchange
        while self._size > MEMO_BYTES and self._kept:
            _, dropped = self._kept.popitem(last=False)
            self._size -= _size(dropped)


def _size(exchange: HttpExchange) -> int:
    return sum(len(reply.body) + len(reply.raw_body) + len(reply.raw_head) for _, reply in exchange.hops)


async def ask(network: Network, memo: Memo, probe: Asked) -> Reply:
    """Ask one probe. Never raises for what the target, the scope or the budget did; those are replies."""
    try:
        return await _send(network, memo, probe)
    except TargetTimeout as error:
        return Reply(probe, Outcome.TIMED_OUT, str(error), type(error).__name__, received=error.received)
    except TargetError as error:
        return Reply(probe, Outcome.FAILED, str(error), type(error).__name__, received=error.received)
    except ScopeRefused as error:
        return Reply(probe, Outcome.BLOCKED, str(error), type(error).__name__)
    except BudgetSpent as error:
        return Reply(probe, Outcome.SKIPPED, str(error), type(error).__name__)


async def _send(network: Network, memo: Memo, probe: Asked) -> Reply:
    if isinstance(probe, HttpProbe):
        return Reply(probe, Outcome.DONE, http=await memo.fetch(network, probe))
    if isinstance(probe, TlsProbe):
        return Reply(probe, Outcome.DONE, tls=await network.tls(probe.host, probe.port))
    if isinstance(probe, ZoneTransferProbe):
        return Reply(probe, Outcome.DONE, dns=await network.transfer(probe.zone, probe.server))
    if probe.type == ADDRESS:
        return Reply(probe, Outcome.DONE, dns=await _addresses(network, probe))
    return Reply(probe, Outcome.DONE, dns=await network.dns(probe.name, probe.type))


async def _addresses(network: Network, probe: DnsProbe) -> DnsAnswer:
    resolution = await network.addresses(probe.name)
    chain = tuple(DnsRecord(probe.name, "CNAME", 0, name) for name in resolution.cnames)
    found = tuple(
        DnsRecord(probe.name, "AAAA" if ":" in address else "A", 0, address) for address in resolution.addresses
    )
    return DnsAnswer(probe.name, ADDRESS, "NOERROR", chain + found, "")


def _host(probe: Asked) -> str:
    """Whom a probe is for: the host it connects to, or the name servers."""
    if isinstance(probe, HttpProbe):
        return probe.request.origin.host
    return probe.host if isinstance(probe, TlsProbe) else ""


async def ask_all(
    network: Network,
    memo: Memo,
    probes: Sequence[Asked],
    stop: asyncio.Event,
    answered: Callable[[int], Awaitable[None]],
) -> list[Reply]:
    """Ask every probe and answer in the order planned; hosts are asked side by side, so that a slow one holds up
    nobody else. At most PER_HOST probes of one host and IN_FLIGHT of all are under way (the network paces as well).

    `answered` is awaited with the count so far after each reply. When `stop` is set, requests in flight are
    abandoned and what is left is answered as skipped.
    """
    replies: list[Reply | None] = [None] * len(probes)
    slots = asyncio.Semaphore(IN_FLIGHT)
    count = 0

    async def work(queue: Iterator[int]) -> None:
        nonlocal count
        for index in queue:
            async with slots:
                if stop.is_set():
                    return
                replies[index] = await ask(network, memo, probes[index])
            count += 1
            await answered(count)

    hosts: dict[str, list[int]] = {}
    for index, probe in enumerate(probes):
        hosts.setdefault(_host(probe), []).append(index)
    workers = [
        asyncio.create_task(work(queue))
        for indexes in hosts.values()
        for queue in [iter(indexes)] * min(PER_HOST, len(indexes))
    ]
    stopper = asyncio.create_task(stop.wait())
    try:
        pending: set[asyncio.Task[object]] = {*workers}
        while pending:
            done, rest = await asyncio.wait({*pending, stopper}, return_when=asyncio.FIRST_COMPLETED)
            if stopper in done:
                break
            pending = rest - {stopper}
            for task in done:
                task.result()
    finally:
        for task in (*workers, stopper):
            task.cancel()
        await asyncio.gather(*workers, stopper, return_exceptions=True)
    return [reply or Reply(probe, Outcome.SKIPPED, STOPPED) for reply, probe in zip(replies, probes, strict=True)]

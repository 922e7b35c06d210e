"""Answers the asks of template executions through the network, equal ones once.

Many templates ask the same thing of a target. Such an ask is sent once and its answer shared, while it is under way
too; what is kept is bounded in bytes. A connection that breaks before a byte of the reply is tried once more, where
asking twice does no harm. A host that fails again and again is left alone, and that is told.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from secrecon.engine.templating import lookups
from secrecon.engine.templating.troubles import trouble_of
from secrecon.model.errors import BadInput, BudgetSpent, ConnectionBroken, ScopeRefused, TargetError, Unresolvable
from secrecon.model.http import HttpReply, HttpRequest
from secrecon.model.target import Origin
from secrecon.net.client import REPEATABLE, RawSend
from secrecon.net.clock import Clock
from secrecon.net.network import Network
from secrecon.templates.execution.asks import (
    Answer,
    Ask,
    DnsAsk,
    HttpAnswer,
    HttpAsk,
    TcpAsk,
    TlsAsk,
    Trouble,
    WaitAsk,
    Waited,
)

MEMO_BYTES = 64_000_000
BODY_CAP = 10_000_000
MAX_ERRORS = 30
MAX_WAIT = 60.0
RETRY_SECONDS = 0.2
_TO_TLS = b"The plain HTTP request was sent to HTTPS port"
_Key = tuple[Origin, bytes, str, int]
_DOWN = (Trouble.UNREACHABLE, Trouble.TIMEOUT)


class Asker:
    """For one scan or run. `timeout`: seconds for a request where the template says nothing, 0 for the network's own."""

    def __init__(self, network: Network, clock: Clock, *, timeout: float = 0.0, body_cap: int = BODY_CAP) -> None:
        self._network = network
        self._clock = clock
        self._timeout = timeout
        self._body_cap = body_cap
        self._memo: OrderedDict[_Key, HttpAnswer] = OrderedDict()
        self._size = 0
        self._under_way: dict[tuple[_Key, float], asyncio.Future[HttpAnswer]] = {}
        self._errors: dict[tuple[str, int], int] = {}
        self._gone: dict[str, str] = {}
        self._to_tls: set[Origin] = set()
        self.sent = 0
        self.shared = 0

    def known(self, ask: Ask) -> HttpAnswer | None:
        """The answer to an ask that was asked before; None where it must be asked."""
        if not isinstance(ask, HttpAsk) or not ask.shared:
            return None
        answer = self._memo.get((ask.origin, ask.wire, ask.sni, ask.body_cap))
        if answer is not None:
            self.shared += 1
        return answer

    async def answer(self, ask: Ask) -> Answer:
        """Ask it. Never raises for what the target, the scope or the budget did."""
        if isinstance(ask, WaitAsk):
            await self._clock.sleep(min(ask.seconds, MAX_WAIT))
            return Waited()
        if isinstance(ask, DnsAsk):
            return await lookups.dns(self._network, ask)
        if isinstance(ask, TlsAsk):
            return await lookups.tls(self._network, ask)
        if isinstance(ask, TcpAsk):
            return await lookups.tcp(self._network, ask)
        return await self._http(ask)

    async def _http(self, ask: HttpAsk) -> HttpAnswer:
        if not ask.shared:
            return await self._send(ask)
        key = (ask.origin, ask.wire, ask.sni, ask.body_cap)
        flight = (key, ask.timeout)  # one that waits less may fail where this one would not
        waiting = self._under_way.get(flight)
        if waiting is not None:
            self.shared += 1
            return await asyncio.shield(waiting)
        future = self._under_way[flight] = asyncio.get_running_loop().create_future()
        try:
            answer = await self._send(ask)
        except BaseException:
            future.cancel()
            raise
        finally:
            del self._under_way[flight]
        future.set_result(answer)
        if answer.reply is not None:
            self._keep(key, answer)
        return answer

    async def _send(self, ask: HttpAsk) -> HttpAnswer:
        origin = ask.origin
        if origin in self._to_tls:
            origin = Origin("https", origin.host, origin.port)
        where = (origin.host, origin.port)
        why = self._gone.get(origin.host)
        if why is not None:
            return HttpAnswer(None, Trouble.UNREACHABLE, why)
        if self._errors.get(where, 0) >= MAX_ERRORS:
            reason = f"{origin.host}:{origin.port} failed {MAX_ERRORS} times in a row and was left alone"
            return HttpAnswer(None, Trouble.SKIPPED, reason)
        answer = await self._exchange(ask, origin)
        if answer.reply is not None:
            self._errors.pop(where, None)
            if origin.scheme == "http" and answer.reply.status == 400 and _TO_TLS in answer.reply.body:
                self._to_tls.add(origin)
                return await self._send(ask)
            return answer
        self._to_tls.discard(ask.origin)  # it does not speak TLS after all
        if answer.trouble in _DOWN and not ask.timeout:
            self._errors[where] = self._errors.get(where, 0) + 1
        return answer

    async def _exchange(self, ask: HttpAsk, origin: Origin) -> HttpAnswer:
        request = HttpRequest(origin, ask.method, raw=ask.wire)
        raw = RawSend(request, origin, ask.sni, ask.timeout or self._timeout, ask.fresh)
        cap = ask.body_cap or self._body_cap
        try:
            try:
                return HttpAnswer(await self._raw(raw, cap))
            except ConnectionBroken:
                if ask.method not in REPEATABLE:
                    raise  # it may have been acted upon
                await self._clock.sleep(RETRY_SECONDS)
                return HttpAnswer(await self._raw(raw, cap))
        except Unresolvable as error:
            self._gone[origin.host] = str(error)
            return HttpAnswer(None, Trouble.UNREACHABLE, str(error))
        except (TargetError, ScopeRefused, BudgetSpent, BadInput) as error:
            return HttpAnswer(None, trouble_of(error), str(error))

    async def _raw(self, raw: RawSend, cap: int) -> HttpReply:
        self.sent += 1
        return await self._network.raw(raw, cap)

    def _keep(self, key: _Key, answer: HttpAnswer) -> None:
        self._memo[key] = answer
        self._size += _weight(answer)
        while self._size > MEMO_BYTES and len(self._memo) > 1:
            _, dropped = self._memo.popitem(last=False)
            self._size -= _weight(dropped)


def _weight(answer: HttpAnswer) -> int:
    """Bytes that a kept answer holds: the reply, and its text once more where templates read it."""
    reply = answer.reply
    return 2_000 if reply is None else 2_000 + 3 * len(reply.body) + len(reply.raw_body) + 3 * len(reply.raw_head)

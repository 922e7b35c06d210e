"""TCP connect scan: which ports of which addresses accept a connection. Non-blocking sockets and one epoll, in a thread (Linux).

Addresses come pinned from the gate; nothing here resolves or judges a name, and nothing is ever sent: a connection that
is accepted is closed again. A port is *open* (accepted), *closed* (refused, RFC 9293 section 3.5.1), *silent* (no answer in
time, or an ICMP message in its place: not known, and never called closed), or *untried* (stopped, out of time or out
of budget). On loopback a socket may connect to itself when the kernel happens to give it the port it asks for; such a
port is closed. Paced per address, bounded in flight by address and in all.
"""

from __future__ import annotations

import errno
import math
import resource
import select
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from secrecon.model.errors import BudgetSpent, ScopeRefused, TargetError

FIRST_TIMEOUT = 2.5
"""Seconds for an address that has not answered yet; a lost SYN is sent again by the kernel after one second."""
LEAST_TIMEOUT = 1.3
RTT_FACTOR = 4.0
PER_ADDRESS = 64
IN_ALL = 512
RETRY_AT_MOST = 64
"""Silent ports of an address that does answer are tried once more, unless they are this many: that is a firewall."""
SOURCE_PORTS_WAIT = 0.05
LOCAL_TRIES = 100
TICK = 0.1
BATCH = 128

_KIND = int(socket.SOCK_STREAM) | int(socket.SOCK_NONBLOCK)
"""A plain number, as an enum's arithmetic would cost a microsecond a port."""
_REFUSED = frozenset({errno.ECONNREFUSED, errno.ECONNRESET})
_HERE = frozenset({errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS, errno.ENOMEM, errno.EAGAIN})
"""Troubles of this machine that pass: no descriptor, no source port."""
_NO_ROUTE = frozenset({errno.ENETUNREACH, errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT})
NO_ROUTE, NO_SOCKETS = "this machine has no route to the address", "this machine had no sockets left"


@dataclass(frozen=True, slots=True)
class SweepLimits:
    """`rate`: connections a second and address. `connects`: attempts in all. `until`: when to end (monotonic seconds)."""

    rate: float
    connects: int
    until: float
    per_address: int = PER_ADDRESS
    in_all: int = IN_ALL
    first_timeout: float = FIRST_TIMEOUT
    least_timeout: float = LEAST_TIMEOUT


@dataclass(frozen=True, slots=True)
class Swept:
    """What became of an address's ports; each is in exactly one of the four. `attempts`: connections begun, retries too.
    `trouble`: what of this machine kept ports untried, "" for nothing."""

    open: tuple[int, ...] = ()
    closed: tuple[int, ...] = ()
    silent: tuple[int, ...] = ()
    untried: tuple[int, ...] = ()
    attempts: int = 0
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Aim:
    """Ports to try on one of a host's addresses."""

    host: str
    address: str
    ports: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Aimed:
    """What became of an aim; `failure`: why none of its ports was tried."""

    swept: Swept
    failure: ScopeRefused | TargetError | BudgetSpent | None = None


@dataclass(slots=True)
class _Address:
    """One address under way. `gap`: seconds between two connections; `next_at`: when the next may begin."""

    address: str
    family: int
    queue: deque[int]
    gap: float
    timeout: float
    next_at: float = 0.0
    open: set[int] = field(default_factory=set)
    closed: set[int] = field(default_factory=set)
    silent: dict[int, None] = field(default_factory=dict)
    untried: set[int] = field(default_factory=set)
    flying: deque[_Flight] = field(default_factory=deque)
    in_flight: int = 0
    attempts: int = 0
    retried: bool = False
    trouble: str = ""

    @property
    def answers(self) -> bool:
        return bool(self.open or self.closed)


@dataclass(slots=True)
class _Flight:
    """One connection under way; `sock` is None once it ended."""

    of: _Address
    port: int
    began: float
    sock: socket.socket | None


class PortSweep:
    """One scan. `run` blocks: it belongs into a thread. `done`: how many ports have an answer or were given up."""

    def __init__(
        self,
        jobs: Sequence[tuple[str, Sequence[int]]],
        limits: SweepLimits,
        monotonic: Callable[[], float],
        stop: threading.Event,
    ) -> None:
        self._limits = limits
        self._monotonic = monotonic
        self._stop = stop
        self._all = [self._address(address, ports) for address, ports in jobs]
        self._in_all = min(limits.in_all, max(16, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2))
        self._left = limits.connects
        self._flying: dict[int, _Flight] = {}
        self._troubles = 0
        self.done = 0
        self.total = sum(len(item.queue) for item in self._all)

    def _address(self, address: str, ports: Sequence[int]) -> _Address:
        family = int(socket.AF_INET6 if ":" in address else socket.AF_INET)
        gap = 1.0 / max(self._limits.rate, 0.01)
        return _Address(address, family, deque(dict.fromkeys(ports)), gap, self._limits.first_timeout)

    def run(self) -> list[Swept]:
        """Scan to the end, the stop or the limit; one result per job, in their order."""
        with select.epoll() as events:
            try:
                while not self._over():
                    self._round(events)
            finally:
                self._abandon()
        return [_result(item) for item in self._all]

    def _over(self) -> bool:
        if self._stop.is_set() or self._monotonic() >= self._limits.until:
            return True
        return not self._flying and not any(item.queue for item in self._all)

    def _round(self, events: select.epoll) -> None:
        """Begin what may begin, hear what answered, give up what is late."""
        now = self._monotonic()
        wait = min(self._begin(item, events, now) for item in self._all)
        if self._flying or 0 < wait < math.inf:
            answered = events.poll(min(wait, TICK))
            now = self._monotonic()
            for number, _ in answered:
                self._answered(self._flying.pop(number), now)
        for item in self._all:
            self._give_up(item, now)

    def _begin(self, item: _Address, events: select.epoll, now: float) -> float:
        """Begin connections to one address; seconds until the next may, for all that is known now."""
        item.next_at = max(item.next_at, now - item.gap * self._limits.per_address)
        begun = 0
        while item.queue:
            if item.in_flight >= self._limits.per_address or len(self._flying) >= self._in_all:
                return math.inf
            if item.next_at > now:
                return item.next_at - now
            if begun >= BATCH:
                return 0.0
            if self._left <= 0:
                item.untried.update(item.queue)
                item.queue.clear()
                break
            if not self._connect(item, events, now):
                return SOURCE_PORTS_WAIT
            item.next_at += item.gap
            begun += 1
        return math.inf

    def _connect(self, item: _Address, events: select.epoll, now: float) -> bool:
        """Begin one connection; False where this machine cannot just now."""
        port = item.queue[0]
        try:
            sock = socket.socket(item.family, _KIND)
        except OSError as error:
            return self._trouble(item, error.errno or 0)
        code = sock.connect_ex((item.address, port))
        if code in _HERE or code in _NO_ROUTE:
            sock.close()
            return self._trouble(item, code)
        item.queue.popleft()
        item.attempts += 1
        self._left -= 1
        self._troubles = 0
        if code == errno.EINPROGRESS:
            flight = _Flight(item, port, now, sock)
            item.flying.append(flight)
            item.in_flight += 1
            number = sock.fileno()
            self._flying[number] = flight
            events.register(number, select.EPOLLOUT)
        else:
            self._settle(item, port, code, sock, 0.0)
        return True

    def _trouble(self, item: _Address, code: int) -> bool:
        """Trouble that passes is waited for; where it does not, the address is given up."""
        self._troubles += 1
        lasting = code not in _HERE or (self._troubles > LOCAL_TRIES and not self._flying)
        if lasting:
            item.trouble = NO_ROUTE if code in _NO_ROUTE else NO_SOCKETS
            item.untried.update(item.queue)
            item.queue.clear()
        return False

    def _answered(self, flight: _Flight, now: float) -> None:
        sock, item = flight.sock, flight.of
        assert sock is not None
        flight.sock = None
        item.in_flight -= 1
        self._settle(
            item, flight.port, sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR), sock, now - flight.began
        )

    def _settle(self, item: _Address, port: int, code: int, sock: socket.socket, took: float) -> None:
        """Write down what `code` says of a port; closes the socket, which takes it out of the epoll too."""
        if item.retried:
            item.silent.pop(port, None)
        else:
            self.done += 1
        if code in _REFUSED or (code == 0 and _itself(sock)):
            item.closed.add(port)
        elif code == 0:
            item.open.add(port)
        else:
            item.silent[port] = None
        sock.close()
        if code == 0 or code in _REFUSED:
            timeout = max(self._limits.least_timeout, 1.0 + RTT_FACTOR * took)
            if timeout < item.timeout:
                item.timeout = timeout

    def _give_up(self, item: _Address, now: float) -> None:
        flying = item.flying
        while flying and (flying[0].sock is None or flying[0].began + item.timeout <= now):
            flight = flying.popleft()
            if flight.sock is not None:
                del self._flying[flight.sock.fileno()]
                item.in_flight -= 1
                self._settle(item, flight.port, errno.ETIMEDOUT, flight.sock, 0.0)
        if item.queue or item.in_flight or item.retried:
            return
        item.retried = True
        if item.answers and 0 < len(item.silent) <= RETRY_AT_MOST:
            item.gap *= 2
            item.queue.extend(item.silent)

    def _abandon(self) -> None:
        """Close what is under way; its ports, and those that were not begun, were not tried."""
        for item in self._all:
            for flight in item.flying:
                if flight.sock is not None:
                    flight.sock.close()
                    item.untried.add(flight.port)
            item.untried.update(item.queue)
            item.untried -= item.silent.keys()  # these were, once


def _itself(sock: socket.socket) -> bool:
    """True for a socket that is connected to itself, which happens on loopback only."""
    try:
        return bool(sock.getsockname() == sock.getpeername())
    except OSError:  # it was accepted and is gone already
        return False


def _result(item: _Address) -> Swept:
    def ordered(ports: Iterator[int]) -> tuple[int, ...]:
        return tuple(sorted(ports))

    return Swept(
        ordered(iter(item.open)),
        ordered(iter(item.closed)),
        ordered(iter(item.silent)),
        ordered(iter(item.untried)),
        item.attempts,
        item.trouble,
    )


def moved(host: str, address: str) -> ScopeRefused:
    """The refusal of an address that a host has not any more."""
    return ScopeRefused(
        f"scope rule off-target refuses {address}: {host} does not lead there any more", "off-target"
    )


def left_of(ports: Sequence[int], swept: Swept) -> tuple[int, ...]:
    """Those of `ports` that were not tried yet, in their order."""
    untried = set(swept.untried)
    return tuple(port for port in dict.fromkeys(ports) if port in untried)


def added(before: Swept, now: Swept) -> Swept:
    """What two stretches of one sweep came to."""
    return Swept(
        tuple(sorted({*before.open, *now.open})),
        tuple(sorted({*before.closed, *now.closed})),
        tuple(sorted({*before.silent, *now.silent})),
        now.untried,
        before.attempts + now.attempts,
        now.trouble,
    )

"""The DNS sweep: thousands of names looked up over our own UDP sockets (docs/adr/0009).

One connected socket per name server, so that only its own datagrams arrive; random ids; an answer counts where id and
question fit. As many questions are in flight as a server keeps up with, at most MAX_WINDOW. What gets no answer is asked
again after everything else, up to TRIES times, of another server where there is one; an answer that comes late still
counts. A truncated answer is asked for over TCP. A server that is silent, refuses or invents names is left out, and told.
Only name servers are contacted here; which ones is decided by the caller, behind the scope gate.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from secrecon.model.dns import NameAnswer, SweepResult
from secrecon.net import dnspacket
from secrecon.net.dnspacket import ONE_QUESTION, BrokenPacket, Told
from secrecon.net.resolver import Server

FIRST_WINDOW, MIN_WINDOW, MAX_WINDOW = 100, 4, 250
RATE = 1_000.0
"""Questions a second that one name server gets at most."""
TRIES = 7
TICK = 0.02
BATCH = 128
PATIENCE, MIN_PATIENCE, MAX_PATIENCE = 1.0, 0.4, 5.0
LATE_SECONDS = 15.0
DEAD_SECONDS = 8.0
"""A server that has owed answers for so long, and gave none, is not asked any more."""
DEAD_TRIES = 10
SAMPLE = 100
MANY_REFUSALS = 30
MAX_REFUSALS = 3
MAX_TCP = 200
TCP_SECONDS = 5.0
NOERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5
_CODES = {NOERROR: "NOERROR", NXDOMAIN: "NXDOMAIN", SERVFAIL: "SERVFAIL"}


@dataclass(slots=True, eq=False)
class _Name:
    """One name while it is looked up. `refusals`: servers that answered and failed."""

    name: str
    question: bytes
    tries: int = 0
    done: bool = False
    refusals: int = 0


@dataclass(slots=True, eq=False)
class _Sent:
    """One question that left. `lapsed`: nobody waits for it any more, but its answer would still count."""

    name: _Name
    at: float
    lapsed: bool = False


@dataclass(slots=True, eq=False)
class _Lane:
    """One name server, its socket, and how it is doing. `again`: names it lost, for another to ask where there is one."""

    server: Server
    sock: socket.socket
    window: float = FIRST_WINDOW
    pending: dict[bytes, _Sent] = field(default_factory=dict)
    order: deque[tuple[bytes, _Sent]] = field(default_factory=deque)
    late: deque[tuple[bytes, _Sent]] = field(default_factory=deque)
    again: deque[_Name] = field(default_factory=deque)
    in_flight: int = 0
    sent: int = 0
    answered: int = 0
    lost: int = 0
    refused: int = 0
    strays: int = 0
    sample: int = 0
    sample_lost: int = 0
    owed_since: float = 0.0
    owed: int = 0
    rtt: float = 0.0
    swing: float = 0.0
    tokens: float = 0.0
    dead: str = ""

    @property
    def patience(self) -> float:
        if self.answered < DEAD_TRIES:
            return PATIENCE
        return min(MAX_PATIENCE, max(MIN_PATIENCE, self.rtt + 6 * self.swing))

    def heard(self, took: float) -> None:
        """An answer came after so many seconds."""
        if not self.answered:
            self.rtt, self.swing = took, took / 2
        else:
            self.swing += (abs(took - self.rtt) - self.swing) / 4
            self.rtt += (took - self.rtt) / 8
        self.answered += 1
        self.sample += 1
        self.owed = 0

    def __str__(self) -> str:
        return f"{self.server[0]}:{self.server[1]}"


class Sweeper:
    """Sweeps through `servers`, each asked at most `rate` questions a second.

    `random_label`: a label that nobody has registered, for the test whether a server invents answers.
    """

    def __init__(
        self,
        servers: Sequence[Server],
        *,
        rate: float = RATE,
        random_label: Callable[[], str] = lambda: secrets.token_hex(8),
    ) -> None:
        self._servers = tuple(servers)
        self._rate = rate
        self._random_label = random_label
        self._honest: tuple[Server, ...] | None = None
        self._notes: tuple[str, ...] = ()

    async def names(self, names: Iterable[str], stopped: Callable[[], str] = lambda: "") -> SweepResult:
        """Look every name up: A, then AAAA where the name exists. Names that no DNS name can be do not exist.

        `stopped`: asked many times a second; what it answers, if not "", ends the sweep and the rest is silent.
        """
        servers, sent = await self._ready()
        wanted = list(dict.fromkeys(names))
        first = await self._of_type(servers, wanted, dnspacket.A, stopped)
        there = [name for name, told in first.told.items() if told.rcode == NOERROR]
        second = await self._of_type(servers, there, dnspacket.AAAA, stopped)
        answers = [
            _answer(name, told, second.told.get(name)) for name, told in first.told.items() if told.rcode in _CODES
        ]
        return SweepResult(
            answers=tuple(answers),
            asked=len(wanted),
            sent=sent + first.sent + second.sent,
            silent=(*first.silent, *second.silent),
            refused=(*first.refused, *second.refused),
            notes=tuple(dict.fromkeys((*self._notes, *first.notes, *second.notes))),
        )

    async def _ready(self) -> tuple[tuple[Server, ...], int]:
        """The servers that say the truth of a name that cannot exist (RFC 6761); all of them where none does."""
        if self._honest is not None:
            return self._honest, 0
        name, sent, honest, notes = f"{self._random_label()}.invalid", 0, [], []
        tests = (self._of_type((server,), [name], dnspacket.A, lambda: "") for server in self._servers)
        for server, found in zip(self._servers, await asyncio.gather(*tests), strict=True):
            sent += found.sent
            told = found.told.get(name)
            if told is None or not told.addresses:
                honest.append(server)
            else:
                notes.append(f"{server[0]}:{server[1]} invents answers: it has addresses for a name below .invalid")
        if not honest and notes:
            notes.append("no other name server is set, so they were asked all the same")
        self._honest, self._notes = tuple(honest) or self._servers, tuple(notes)
        return self._honest, sent

    async def _of_type(
        self, servers: Sequence[Server], names: Sequence[str], type_: int, stopped: Callable[[], str]
    ) -> _Found:
        sweep = _Sweep(servers, _questions(names, type_), self._rate)
        await sweep.run(stopped)
        told = {name: found for name, (found, _) in sweep.told.items()}
        large = sweep.truncated[:MAX_TCP]
        answers = await asyncio.gather(*(_over_tcp(name, server) for name, server in large))
        refused = [*sweep.refused, *(name.name for name, _ in sweep.truncated[MAX_TCP:])]
        for (name, _), answer in zip(large, answers, strict=True):
            if answer is None:
                refused.append(name.name)
            else:
                told[name.name] = answer
        notes = tuple(f"{lane} {lane.dead}" for lane in sweep.lanes if lane.dead)
        return _Found(told, sum(lane.sent for lane in sweep.lanes) + len(large), sweep.silent, refused, notes)


@dataclass(frozen=True, slots=True)
class _Found:
    """What a sweep for one type brought."""

    told: dict[str, Told]
    sent: int
    silent: Sequence[str]
    refused: Sequence[str]
    notes: tuple[str, ...]


def _answer(name: str, told: Told, more: Told | None) -> NameAnswer:
    addresses = dict.fromkeys((*told.addresses, *(more.addresses if more is not None else ())))
    return NameAnswer(name, _CODES[told.rcode], tuple(addresses), told.aliases or (more.aliases if more else ()))


def _questions(names: Iterable[str], type_: int) -> Iterable[tuple[str, bytes]]:
    """Each name with its question; what cannot be a DNS name is left out. The parts after the first dot are encoded once."""
    tails: dict[str, bytes] = {}
    for name in names:
        label, _, parent = name.partition(".")
        tail = tails.get(parent)
        try:
            if tail is None:
                tail = tails[parent] = dnspacket.question(parent, type_)
            raw = label.encode("ascii")
        except ValueError:
            continue
        if 0 < len(raw) < 64 and len(raw) + len(tail) <= dnspacket.MAX_NAME + 3:
            yield name, bytes((len(raw),)) + raw + tail


async def _over_tcp(name: _Name, server: Server) -> Told | None:
    """The answer for a name over TCP; None where it cannot be had or read."""
    try:
        async with asyncio.timeout(TCP_SECONDS):
            reader, writer = await asyncio.open_connection(*server)
            try:
                query = os.urandom(2) + ONE_QUESTION + name.question
                writer.write(len(query).to_bytes(2) + query)
                wire = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
            finally:
                writer.close()
        if wire[:2] != query[:2] or not _answers(wire, name.question):
            return None
        return dnspacket.read(wire)
    except (OSError, TimeoutError, asyncio.IncompleteReadError, BrokenPacket):
        return None


class _Sweep:
    """One list of names and one type."""

    def __init__(self, servers: Sequence[Server], names: Iterable[tuple[str, bytes]], rate: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._fresh = deque(_Name(name, question) for name, question in names)
        self._open = len(self._fresh)
        self._rate = rate
        self._ids = b""
        self._id_at = 0
        self._last_tick = self._loop.time()
        self._over: asyncio.Future[None] = self._loop.create_future()
        self.told: dict[str, tuple[Told, Server]] = {}
        self.truncated: list[tuple[_Name, Server]] = []
        self.silent: list[str] = []
        self.refused: list[str] = []
        self.lanes: list[_Lane] = []
        for server in servers:
            self._open_lane(server)

    def _open_lane(self, server: Server) -> None:
        family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM)
        lane = _Lane(server, sock)
        self.lanes.append(lane)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            sock.connect(server)
        except OSError as error:
            lane.dead = f"cannot be asked: {error.strerror or error}"

    async def run(self, stopped: Callable[[], str]) -> None:
        """To the end, or until `stopped` names a reason; what is open then is silent."""
        try:
            for lane in self.lanes:
                if not lane.dead:
                    self._loop.add_reader(lane.sock, self._readable, lane)
            while self._open and not self._over.done():
                self._tick()
                if stopped() or all(lane.dead for lane in self.lanes):
                    break
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(asyncio.shield(self._over), TICK)
        finally:
            for lane in self.lanes:
                self._loop.remove_reader(lane.sock)
                lane.sock.close()
        self._give_up()

    def _give_up(self) -> None:
        left = {entry.name.name: entry.name for lane in self.lanes for entry in lane.pending.values()}
        left |= {name.name: name for lane in self.lanes for name in lane.again}
        left |= {name.name: name for name in self._fresh}
        for name in left.values():
            if not name.done:
                name.done = True
                self._unanswered(name)

    def _tick(self) -> None:
        """What time brings: questions without an answer lapse, tokens are added, more is sent."""
        now = self._loop.time()
        elapsed, self._last_tick = now - self._last_tick, now
        for lane in self.lanes:
            if lane.dead:
                continue
            lane.tokens = min(lane.tokens + elapsed * self._rate, self._rate / 10 + 1)
            self._lapse(lane, now)
            self._judge(lane, now)
            self._send(lane, now)

    def _lapse(self, lane: _Lane, now: float) -> None:
        patience, order, late = lane.patience, lane.order, lane.late
        while order and (order[0][1].lapsed or order[0][1].name.done or now - order[0][1].at >= patience):
            key, entry = order.popleft()
            if entry.lapsed:
                continue
            entry.lapsed = True
            lane.in_flight -= 1
            late.append((key, entry))
            if not entry.name.done:
                self._lost(lane, entry, now)
        while late and now - late[0][1].at > LATE_SECONDS:
            key, entry = late.popleft()
            if lane.pending.get(key) is entry:
                del lane.pending[key]

    def _lost(self, lane: _Lane, entry: _Sent, now: float) -> None:
        lane.lost += 1
        lane.sample += 1
        lane.sample_lost += 1
        if not lane.owed:
            lane.owed_since = entry.at
        lane.owed += 1
        self._retry(entry.name, lane)

    def _retry(self, name: _Name, lane: _Lane) -> None:
        if name.tries < TRIES and name.refusals < MAX_REFUSALS:
            lane.again.append(name)
        else:
            self._close(name)
            self._unanswered(name)

    def _unanswered(self, name: _Name) -> None:
        (self.refused if name.refusals else self.silent).append(name.name)

    def _close(self, name: _Name) -> None:
        if not name.done:
            name.done = True
            self._open -= 1
            if not self._open and not self._over.done():
                self._over.set_result(None)

    def _judge(self, lane: _Lane, now: float) -> None:
        """The window by the share that is lost, not by single losses: a line that loses 5 % is used to the full."""
        if lane.sample >= SAMPLE:
            share = lane.sample_lost / lane.sample
            if share > 0.2:
                lane.window = max(MIN_WINDOW, lane.window / 2)
            elif share < 0.1:
                lane.window = min(MAX_WINDOW, lane.window * 1.5)
            lane.sample = lane.sample_lost = 0
        if lane.owed >= DEAD_TRIES and now - lane.owed_since > DEAD_SECONDS:
            lane.dead = f"gave no answer for {DEAD_SECONDS:.0f} seconds"
        elif lane.refused >= MANY_REFUSALS and lane.refused == lane.answered:
            lane.dead = "refuses to answer"
        if lane.dead:
            self._bury(lane)

    def _bury(self, lane: _Lane) -> None:
        self._loop.remove_reader(lane.sock)
        for entry in lane.pending.values():
            if not entry.lapsed and not entry.name.done:
                entry.lapsed = True
                lane.again.append(entry.name)
        lane.pending.clear()
        lane.order.clear()
        lane.late.clear()
        lane.in_flight = 0

    def _send(self, lane: _Lane, now: float) -> None:
        """Fill the window of `lane`: names not asked yet, then those to be asked again."""
        send, pending = lane.sock.send, lane.pending
        while lane.in_flight < lane.window and lane.tokens >= 1 and not lane.dead:
            name = self._next(lane)
            if name is None:
                return
            key = self._id(pending)
            try:
                send(key + ONE_QUESTION + name.question)
            except BlockingIOError:
                self._fresh.appendleft(name)
                return
            except OSError as error:
                self._fresh.appendleft(name)
                self._unreachable(lane, error)
                return
            name.tries += 1
            entry = _Sent(name, now)
            pending[key] = entry
            lane.order.append((key, entry))
            lane.in_flight += 1
            lane.sent += 1
            lane.tokens -= 1

    def _next(self, lane: _Lane) -> _Name | None:
        if self._fresh:
            return self._fresh.popleft()
        alone = sum(not other.dead for other in self.lanes) < 2
        for other in self.lanes:
            while other.again and (alone or other is not lane):
                name = other.again.popleft()
                if not name.done:
                    return name
        return None

    def _unreachable(self, lane: _Lane, error: OSError) -> None:
        """The kernel says that nobody is there; a few such words in a row are believed."""
        if not lane.owed:
            lane.owed_since = self._loop.time()
        lane.owed += 1
        if lane.owed >= DEAD_TRIES and not lane.answered:
            lane.dead = f"cannot be reached: {error.strerror or error}"
            self._bury(lane)

    def _id(self, taken: dict[bytes, _Sent]) -> bytes:
        while True:
            if self._id_at >= len(self._ids):
                self._ids, self._id_at = os.urandom(2048), 0
            key = self._ids[self._id_at : self._id_at + 2]
            self._id_at += 2
            if key not in taken:
                return key

    def _readable(self, lane: _Lane) -> None:
        receive, pending, now = lane.sock.recv, lane.pending, self._loop.time()
        for _ in range(BATCH):
            try:
                wire = receive(4096)
            except BlockingIOError:
                break
            except OSError as error:
                self._unreachable(lane, error)
                break
            entry = pending.get(wire[:2])
            if entry is None or not _answers(wire, entry.name.question):
                lane.strays += 1
                continue
            del pending[wire[:2]]
            lane.heard(now - entry.at)
            lane.in_flight -= not entry.lapsed
            entry.lapsed = True
            if not entry.name.done:
                self._take(lane, entry.name, wire)
        if lane.tokens >= 1 and not self._over.done():
            self._send(lane, now)

    def _take(self, lane: _Lane, name: _Name, wire: bytes) -> None:
        """An answer, by its header: most say that there is no such name, and nothing more is read of those."""
        rcode = wire[3] & 15
        if rcode == NXDOMAIN and wire[6:8] == b"\x00\x00":
            self._close(name)
        elif wire[2] & 2:
            self.truncated.append((name, lane.server))
            self._close(name)
        elif rcode in (NOERROR, NXDOMAIN) or (rcode == SERVFAIL and wire[6:8] != b"\x00\x00"):
            self._keep(lane, name, wire)
        else:
            lane.refused += 1
            name.refusals += 1
            self._retry(name, lane)

    def _keep(self, lane: _Lane, name: _Name, wire: bytes) -> None:
        try:
            told = dnspacket.read(wire)
        except BrokenPacket:
            name.refusals += 1
            self._retry(name, lane)
            return
        self.told[name.name] = (told, lane.server)
        self._close(name)


def _answers(wire: bytes, question: bytes) -> bool:
    """True where `wire` is an answer to `question`; a server may change the case of the letters."""
    if len(wire) < dnspacket.HEADER or not wire[2] & 0x80 or wire[4:6] != b"\x00\x01":
        return False
    echoed = wire[dnspacket.HEADER : dnspacket.HEADER + len(question)]
    return echoed == question or echoed.lower() == question

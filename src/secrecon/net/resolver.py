"""Name lookups over our own UDP and TCP sockets: who answered, what exactly, and within one total time limit.

Ids are random, each query has its own connected socket (so a random port), and an answer counts only where id,
source and question fit. A truncated answer is asked again over TCP. CNAME chains are bounded. The hosts file and
`localhost` mean what users expect (RFC 6761). Nothing is cached here: the gate pins what it has judged.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import dns.message
import dns.rcode

from secrecon.model.asset import Resolution
from secrecon.model.dns import DnsAnswer, DnsRecord
from secrecon.model.errors import (
    ConnectFailed,
    NamingFailed,
    ProtocolBroken,
    TargetError,
    TargetTimeout,
    Unresolvable,
)
from secrecon.model.target import is_ip, legacy_ipv4
from secrecon.net import dnswire

MAX_CHAIN = 8
MAX_RECORDS = 500
MAX_ADDRESSES = 64
MAX_TRANSFER_RECORDS = 20_000
MAX_TRANSFER_BYTES = 8_000_000
MAX_SPARE_RECORDS = 6_000
"""Records of a transfer that are read and not kept: the rest of the last message, and sections that hold none."""
LARGE_MESSAGE = 4_096
TRANSFER_SECONDS = 20.0
MAX_FILE = 1_000_000
ROUNDS = 2
UNHELPFUL = frozenset({"SERVFAIL", "REFUSED", "NOTIMP", "FORMERR"})

Server = tuple[str, int]


class Resolver:
    """Asks `servers` (address, port) in order; none given means those of /etc/resolv.conf.

    `timeout`: seconds for one whole query, retries and TCP included. `authority_port`: where name servers are asked
    for a zone; a server that is one of `servers` is asked on its own port. `rate`: questions a second that a sweep may
    put to each of `servers`.
    """

    def __init__(
        self,
        servers: Sequence[Server] = (),
        timeout: float = 3.0,
        *,
        authority_port: int = 53,
        rate: float = 1_000.0,
        hosts: Path = Path("/etc/hosts"),
        settings: Path = Path("/etc/resolv.conf"),
        random_id: Callable[[], int] = lambda: secrets.randbelow(65536),
    ) -> None:
        self.servers: tuple[Server, ...] = tuple(servers) or _system_servers(settings)
        self.rate = rate
        self._timeout = timeout
        self._authority_port = authority_port
        self._hosts_file = hosts
        self._hosts: tuple[float, dict[str, tuple[str, ...]]] = (-1.0, {})
        self._random_id = random_id

    def port_of(self, address: str) -> int:
        """The port on which the name server at `address` is asked for a transfer."""
        return next((port for host, port in self.servers if host == address), self._authority_port)

    async def addresses(self, name: str) -> Resolution:
        """Every address of `name`, A before AAAA, with the CNAME chain.

        Raises Unresolvable where there is none, TargetTimeout (stage resolve) where no server answered.
        """
        bare = name.rstrip(".").lower()
        if is_ip(bare):
            return Resolution(bare, (bare,))
        dotted = legacy_ipv4(bare)
        if dotted is not None:
            return Resolution(bare, (dotted,))
        local = self._local(bare)
        if local:
            return Resolution(bare, local)
        results = await asyncio.gather(self._chase(bare, "A"), self._chase(bare, "AAAA"), return_exceptions=True)
        found: list[str] = []
        chain: tuple[str, ...] = ()
        for result in results:
            if isinstance(result, tuple):
                found.extend(address for address in result[0] if address not in found)
                chain = chain or result[1]
            elif not isinstance(result, TargetError):
                raise result
        if found:
            return Resolution(bare, tuple(found[:MAX_ADDRESSES]), chain)
        failures = [result for result in results if isinstance(result, TargetError)]
        if failures:
            raise failures[0]
        raise Unresolvable(f"{bare} exists but has no address")

    async def query(self, name: str, type_: str) -> DnsAnswer:
        """What the first helpful server says. Raises TargetTimeout (stage resolve) where none answers."""
        message, server = await self.message(dnswire.make_query(name, type_, self._random_id()), name, type_)
        return _answer(name, type_, message, server)

    async def whole(
        self, name: str, type_: str, class_: str, *, recursion: bool
    ) -> tuple[dns.message.Message, str]:
        """The whole answer to a query of any class, and the server that gave it. Raises as `query` does."""
        query = dnswire.make_query(name, type_, self._random_id(), class_=class_, recursion=recursion)
        message, server = await self.message(query, name, type_)
        return message, f"{server[0]}:{server[1]}"

    async def message(
        self, query: dns.message.QueryMessage, name: str, type_: str
    ) -> tuple[dns.message.Message, Server]:
        """What the first helpful server answers to `query`, and which one that was."""
        attempts = [server for _ in range(ROUNDS) for server in self.servers]
        patience = self._timeout / max(1, len(attempts))
        unhelpful: tuple[dns.message.Message, Server] | None = None
        try:
            async with asyncio.timeout(self._timeout):
                for server in attempts:
                    message = await _ask(query, server, patience)
                    if message is None:
                        continue
                    if dnswire.rcode_of(message) not in UNHELPFUL:
                        return message, server
                    unhelpful = unhelpful or (message, server)
        except TimeoutError:
            pass
        if unhelpful is not None:
            return unhelpful
        asked = ", ".join(f"{host}:{port}" for host, port in self.servers)
        raise TargetTimeout(
            f"no DNS server answered for {name} ({type_}) within {self._timeout} s: {asked}", "resolve"
        )

    async def transfer(self, zone: str, server_address: str, port: int = 53) -> DnsAnswer:
        """All of `zone` by AXFR over TCP. An unwilling server shows in `rcode`; records are then empty.

        Raises ConnectFailed, TargetTimeout, ProtocolBroken. Bounded in time, bytes and records.
        """
        query = dnswire.make_query(zone, "AXFR", self._random_id())
        where = f"{server_address}:{port}"
        records: list[DnsRecord] = []
        try:
            async with asyncio.timeout(TRANSFER_SECONDS), _tcp((server_address, port)) as (reader, writer):
                _send(writer, query)
                async for message in _messages(reader, query.id):
                    rcode = dnswire.rcode_of(message)
                    if message.rcode() != dns.rcode.NOERROR or not message.answer:
                        return DnsAnswer(zone, "AXFR", rcode, (), where)
                    records.extend(dnswire.records_of(message.answer, MAX_TRANSFER_RECORDS - len(records)))
                    if records[0].type != "SOA":
                        raise ProtocolBroken(f"{where} began the transfer of {zone} without its SOA record")
                    if _complete(records) or len(records) >= MAX_TRANSFER_RECORDS:
                        return DnsAnswer(zone, "AXFR", rcode, tuple(records), where)
        except TimeoutError as error:
            raise TargetTimeout(f"{where} did not finish the transfer of {zone}", "total") from error
        except OSError as error:
            raise ConnectFailed(f"{where} cannot be reached for a zone transfer: {error}") from error
        raise ProtocolBroken(f"{where} ended the transfer of {zone} early, after {len(records)} records")

    def _local(self, name: str) -> tuple[str, ...]:
        """What the hosts file says; `localhost` and names below it are loopback whatever anybody says."""
        if name == "localhost" or name.endswith(".localhost"):
            return ("127.0.0.1", "::1")
        try:
            changed = self._hosts_file.stat().st_mtime
        except OSError:
            return ()
        if changed != self._hosts[0]:
            self._hosts = (changed, _read_hosts(self._hosts_file))
        return self._hosts[1].get(name, ())

    async def _chase(self, name: str, type_: str) -> tuple[list[str], tuple[str, ...]]:
        """Addresses of one family and the chain of names that led to them."""
        chain: list[str] = []
        current = name
        while True:
            answer = await self.query(current, type_)
            if answer.rcode not in ("NOERROR", "NXDOMAIN"):
                raise NamingFailed(f"{name} cannot be resolved: {answer.server} answers {answer.rcode}")
            aliases = {record.name: record.value for record in answer.records if record.type == "CNAME"}
            while current in aliases:
                current = aliases[current]
                if current in chain or current == name or len(chain) >= MAX_CHAIN:
                    raise Unresolvable(
                        f"{name} cannot be resolved: its CNAME chain loops or is longer than {MAX_CHAIN}"
                    )
                chain.append(current)
            found = [record.value for record in answer.records if record.type == type_ and record.name == current]
            if found or not aliases:
                if not found and answer.rcode == "NXDOMAIN":
                    raise Unresolvable(f"{name} does not exist (NXDOMAIN)")
                return found, tuple(chain)
            if answer.rcode == "NXDOMAIN":
                raise Unresolvable(f"{name} leads to {current}, which does not exist (NXDOMAIN)")


def _answer(name: str, type_: str, message: dns.message.Message, server: Server) -> DnsAnswer:
    records = dnswire.records_of(message.answer, MAX_RECORDS)
    return DnsAnswer(
        name.rstrip(".").lower(), type_, dnswire.rcode_of(message), records, f"{server[0]}:{server[1]}"
    )


class _Listen(asyncio.DatagramProtocol):
    """Waits for the one datagram that answers `query`; everything else is ignored."""

    def __init__(self, query: dns.message.QueryMessage, answer: asyncio.Future[dns.message.Message | None]) -> None:
        self._query = query
        self._answer = answer

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        if self._answer.done():
            return
        message = dnswire.read_answer(self._query, data)
        if message is not None:
            self._answer.set_result(message)

    def error_received(self, exc: Exception) -> None:
        if not self._answer.done():
            self._answer.set_result(None)


async def _ask(query: dns.message.QueryMessage, server: Server, patience: float) -> dns.message.Message | None:
    """The answer of one server, or None where it gave none in time."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[dns.message.Message | None] = loop.create_future()
    try:
        async with asyncio.timeout(patience):
            transport, _ = await loop.create_datagram_endpoint(lambda: _Listen(query, answer), remote_addr=server)
            try:
                transport.sendto(query.to_wire())
                message = await answer
            finally:
                transport.close()
            if message is None or not dnswire.is_truncated(message):
                return message
            return await _ask_tcp(query, server)
    except (TimeoutError, OSError):
        return None


async def _ask_tcp(query: dns.message.QueryMessage, server: Server) -> dns.message.Message | None:
    async with _tcp(server) as (reader, writer):
        _send(writer, query)
        try:
            size = int.from_bytes(await reader.readexactly(2))
            return dnswire.read_answer(query, await reader.readexactly(size))
        except asyncio.IncompleteReadError:
            return None


def _send(writer: asyncio.StreamWriter, query: dns.message.QueryMessage) -> None:
    wire = query.to_wire()
    writer.write(len(wire).to_bytes(2) + wire)


@contextlib.asynccontextmanager
async def _tcp(server: Server) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(*server)
    try:
        yield reader, writer
    finally:
        writer.close()


async def _messages(reader: asyncio.StreamReader, id_: int) -> AsyncIterator[dns.message.Message]:
    """The messages of a transfer, until the server closes, says something unreadable or more than is kept.

    Names are compressed, so a message can take long to read: a large one is read beside the event loop.
    """
    total, left = 0, MAX_TRANSFER_RECORDS + MAX_SPARE_RECORDS
    while total < MAX_TRANSFER_BYTES:
        try:
            size = int.from_bytes(await reader.readexactly(2))
            wire = await reader.readexactly(size)
        except asyncio.IncompleteReadError:
            return
        total += size
        if size > LARGE_MESSAGE:
            message = await asyncio.to_thread(dnswire.read_message, wire, transfer=True, limit=left)
        else:
            message = dnswire.read_message(wire, transfer=True, limit=left)
        left -= dnswire.record_count(wire)
        if message is None or message.id != id_:
            return
        yield message


def _complete(records: Sequence[DnsRecord]) -> bool:
    return len(records) > 1 and records[-1].type == "SOA"


def _system_servers(path: Path) -> tuple[Server, ...]:
    found = [words[1] for words in _words(path) if words[0] == "nameserver" and len(words) > 1]
    return tuple((server, 53) for server in found[:3]) or (("127.0.0.1", 53),)


def _read_hosts(path: Path) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for address, *names in _words(path):
        if not is_ip(address):
            continue
        for name in names:
            key = name.rstrip(".").lower()
            if address not in found.get(key, ()):
                found[key] = (*found.get(key, ()), address)
    return found


def _words(path: Path) -> Iterator[list[str]]:
    """The words of each line of a small settings file, comments dropped; nothing where it cannot be read."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            text = file.read(MAX_FILE)
    except OSError:
        return
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if words:
            yield words

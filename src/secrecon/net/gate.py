"""The scope gate: what may be contacted at all, asked before every connection and on every redirect.

Two questions, both must be answered yes: does the host belong to the target, and is every address it resolves to one
that no rule refuses (contract: "Two modes, and what may be touched")? The answer is a tuple of pinned addresses, and
connections go to those and nowhere else, so a name that changes its answer later is looked up and judged again
before it is used. Only the operator's allow list opens an exception, by address, block or name.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from secrecon.model.errors import BadInput, ScopeRefused, TargetError, Unresolvable
from secrecon.model.target import Origin, Target, TargetKind, is_ip, normalise_host
from secrecon.net.addresses import METADATA_NAMES, Block, read_address, refused_rule
from secrecon.net.clock import Clock, SystemClock
from secrecon.net.resolver import Resolver

__all__ = ["AllowList", "ScopeGate", "refused_rule", "screen"]

PIN_SECONDS = 30.0
MAX_PINS = 10_000


class AllowList:
    """The operator's exceptions: addresses, CIDR blocks, host names, and `*.suffix` for the names below one.

    A block allows the addresses in it. A name allows that name wherever it resolves. Raises BadInput for an entry
    that is none of these; a bare `*` is none.
    """

    def __init__(self, entries: Iterable[str] = ()) -> None:
        self._blocks: list[Block] = []
        self._names: set[str] = set()
        self._suffixes: list[str] = []
        for entry in entries:
            self._add(entry.strip().lower())

    def _add(self, entry: str) -> None:
        if not entry:
            return
        if "/" in entry:
            try:
                self._blocks.append(ipaddress.ip_network(entry, strict=False))
            except ValueError as error:
                raise BadInput(f"allow list entry {entry!r} is not a CIDR block: {error}", "allow") from error
            return
        address = read_address(entry)
        if address is not None:
            self._blocks.append(ipaddress.ip_network(address))
        elif entry.startswith("*."):
            self._suffixes.append("." + self._name(entry[2:], entry))
        else:
            self._names.add(self._name(entry, entry))

    def _name(self, text: str, entry: str) -> str:
        try:
            return normalise_host(text)
        except BadInput as error:
            raise BadInput(
                f"allow list entry {entry!r} is not a host name, *.suffix, address or CIDR block", "allow"
            ) from error

    def allows_address(self, address: str) -> bool:
        """True where an entry names this address or a block that holds it."""
        parsed = read_address(address)
        return parsed is not None and any(parsed in block for block in self._blocks)

    def allows_name(self, name: str) -> bool:
        """True where an entry names this host."""
        return name in self._names or any(name.endswith(suffix) for suffix in self._suffixes)


def as_allow_list(allow: AllowList | Sequence[str]) -> AllowList:
    """`allow` as an AllowList."""
    return allow if isinstance(allow, AllowList) else AllowList(allow)


def judge_addresses(host: str, addresses: Iterable[str], allow: AllowList) -> None:
    """Raise ScopeRefused where any of `addresses`, the answers for `host`, may not be contacted."""
    for address in addresses:
        rule = refused_rule(address)
        if rule is not None and not allow.allows_address(address):
            where = host if host == address else f"{host} (address {address})"
            raise ScopeRefused(
                f"scope rule {rule} refuses {where}; only the operator can permit it, in SECRECON_SCOPE_ALLOW", rule
            )


async def resolve_checked(host: str, allow: AllowList, resolver: Resolver) -> tuple[str, ...]:
    """Every address of `host`, all of them judged. Raises ScopeRefused, Unresolvable or TargetTimeout."""
    if is_ip(host):
        judge_addresses(host, (host,), allow)
        return (host,)
    if allow.allows_name(host):
        return _ordered((await resolver.addresses(host)).addresses)
    if host in METADATA_NAMES:
        raise ScopeRefused(f"scope rule metadata refuses {host}, a cloud metadata service", "metadata")
    found = (await resolver.addresses(host)).addresses
    judge_addresses(host, found, allow)
    if not found:
        raise Unresolvable(f"{host} has no address")
    return _ordered(found)


def _ordered(addresses: Sequence[str]) -> tuple[str, ...]:
    """IPv4 first: a scanner's host more often lacks IPv6 than IPv4, and the fallback goes down the list."""
    return tuple(sorted(addresses, key=lambda address: ":" in address))


async def screen(target: Target, allow: AllowList | Sequence[str], resolver: Resolver) -> None:
    """Refuse a target when it is submitted. A name that cannot be resolved now is not refused: the scan will say so."""
    try:
        await resolve_checked(_clean(target.host), as_allow_list(allow), resolver)
    except TargetError:
        return


def _clean(host: str) -> str:
    """The host as it would be contacted. An impossible one is refused by the rule `unreadable`."""
    if "%" in host:
        raise ScopeRefused(f"scope rule link-local refuses {host!r}: it carries a zone id", "link-local")
    try:
        return normalise_host(host)
    except BadInput as error:
        raise ScopeRefused(f"scope rule unreadable refuses {host!r}: {error}", "unreadable") from error


@dataclass(frozen=True, slots=True)
class _Pin:
    addresses: tuple[str, ...]
    until: float


class ScopeGate:
    """The gate of one scan. `also`: origins outside the target that may be contacted (our own callback listener); where
    one is written with an address, that address and port are admitted as they stand, since the operator set them."""

    def __init__(
        self,
        target: Target,
        allow: AllowList | Sequence[str],
        resolver: Resolver,
        also: tuple[Origin, ...] = (),
        *,
        clock: Clock | None = None,
        pin_seconds: float = PIN_SECONDS,
    ) -> None:
        self.target = target
        self._allow = as_allow_list(allow)
        self._resolver = resolver
        self._also = also
        self._clock = clock or SystemClock()
        self._pin_seconds = pin_seconds
        self._pins: dict[str, _Pin] = {}
        self._looking: dict[str, asyncio.Task[tuple[str, ...]]] = {}
        self._in_scope: set[Origin] = set()

    async def admit(self, where: Origin | str, port: int = 0) -> tuple[str, ...]:
        """The pinned addresses that a connection to `where` may use.

        `where`: an origin, or a host with `port`. Raises ScopeRefused, Unresolvable, or TargetTimeout (resolve).
        """
        if isinstance(where, Origin):
            if where in self._also and is_ip(where.host):
                return (where.host,)
            if where not in self._in_scope:
                self._check_origin(where)
            pin = self._pins.get(where.host)
            if pin is not None and pin.until > self._clock.monotonic():
                return pin.addresses
            return await self._pin(_clean(where.host))
        host = _clean(where)
        self._check_host(host, port)
        return await self._pin(host)

    async def admit_ports(self, host: str, ports: Sequence[int]) -> tuple[str, ...]:
        """As `admit`, for all of `ports` of one host: one that is not the target's refuses them all."""
        host = _clean(host)
        for port in ports:
            self._check_host(host, port)
        return await self._pin(host)

    async def admit_redirect(self, origin: Origin) -> tuple[str, ...]:
        """As `admit`, for an origin that a reply points to. Our own listener is not admitted then: a target that sends
        us there would make us call ourselves, which looks like a callback and proves nothing."""
        if origin in self._also and not self.target.covers_origin(origin):
            raise ScopeRefused(f"scope rule own-listener refuses a redirect to {origin}", "own-listener")
        return await self.admit(origin)

    async def admit_server(self, zone: str, server: str) -> tuple[str, ...]:
        """The addresses of a name server of `zone`, which must belong to the target; the server itself may be run by
        somebody else, as most are, but must not be at a refused address."""
        if not self.target.covers_name(_clean(zone)):
            raise ScopeRefused(
                f"scope rule off-target refuses zone {zone}: not in {self.target.host}", "off-target"
            )
        return await self._pin(_clean(server))

    def _check_origin(self, origin: Origin) -> None:
        cleaned = Origin(origin.scheme, _clean(origin.host), origin.port)
        if not self.target.covers_origin(cleaned) and cleaned not in self._also:
            self._off_target(str(origin))
        if len(self._in_scope) < MAX_PINS:
            self._in_scope.add(origin)

    def _check_host(self, host: str, port: int) -> None:
        if any(host == origin.host and port == origin.port for origin in self._also):
            return
        covered = self.target.covers_name(host)
        if self.target.kind is TargetKind.ORIGIN:
            covered = covered and port == self.target.origin.port
        if not covered:
            self._off_target(f"{host}:{port}")

    def _off_target(self, what: str) -> None:
        raise ScopeRefused(f"scope rule off-target refuses {what}: the target is {self.target.url}", "off-target")

    async def _pin(self, host: str) -> tuple[str, ...]:
        pin = self._pins.get(host)
        if pin is not None and pin.until > self._clock.monotonic():
            return pin.addresses
        # However many wait for the name, it is looked up once; each of them gets the same verdict.
        task = self._looking.get(host)
        if task is None:
            task = self._looking[host] = asyncio.create_task(self._look_up(host))
        return await asyncio.shield(task)

    async def _look_up(self, host: str) -> tuple[str, ...]:
        self._pins.pop(host, None)
        try:
            addresses = await resolve_checked(host, self._allow, self._resolver)
        finally:
            del self._looking[host]
        if len(self._pins) >= MAX_PINS:
            self._pins.clear()
        self._pins[host] = _Pin(addresses, self._clock.monotonic() + self._pin_seconds)
        return addresses

"""A second, larger lab organisation for the search for names: orga.test with 300 names, of which each can be found in one way.

Guessable names, variations, two levels of places, wildcards at two levels with names of their own below them, a zone that
one server hands out, a zone that can be walked, one that cannot, chains of aliases, aliases that lead to nobody, names that
only records or certificate logs tell of. Made by rule, so that it is the same everywhere. Pure but for its servers, which
listen on loopback; no scan of the demo meets it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from secrecon.lab.addresses import claim_block, listen_everywhere
from secrecon.lab.nameserver import Responder, name_servers
from secrecon.lab.zone import Zone

APEX = "orga.test"
NAMES = 300
STRICT_SERVER, OPEN_SERVER, WEB, WILD, FIRST_HOST = 2, 3, 4, 5, 20
GONE = "azurewebsites.net"


@dataclass(frozen=True, slots=True)
class Organisation:
    """Zones and truth. `hosts`: every name that must be found, the apex not among them. `dangling`: those whose alias leads to
    nobody outside. `told`: names that only the certificate log tells of; `stale`: what it tells of that is gone. `pages`: names
    below a wildcard with a page of their own, at the wildcard's address."""

    zones: tuple[Zone, ...]
    hosts: frozenset[str]
    dangling: frozenset[str]
    told: tuple[str, ...]
    stale: tuple[str, ...]
    pages: frozenset[str]

    def certificate_log(self) -> bytes:
        """What a certificate log answers, in crt.sh's form."""
        rows = [{"common_name": name, "name_value": f"{name}\n*.{name}"} for name in (*self.told, *self.stale)]
        rows.append(
            {"common_name": "elsewhere.example", "name_value": "elsewhere.example\n*.test\nbad name.orga.test"}
        )
        return json.dumps(rows).encode()


@dataclass(slots=True)
class _Maker:
    """Fills the zones; every host gets the next address of the block."""

    block: str
    words: Sequence[str]
    apex: Zone
    hosts: dict[str, None]

    def address(self) -> str:
        return f"{self.block}.{FIRST_HOST + len(self.hosts) % 230}"

    def host(self, name: str, zone: Zone | None = None) -> str:
        (zone or self.apex).add(name, "A", self.address())
        self.hosts.setdefault(name)
        return name

    def alias(self, name: str, target: str) -> str:
        self.apex.add(name, "CNAME", f"{target}.")
        self.hosts.setdefault(name)
        return name

    def hidden(self, what: str, number: int) -> str:
        """A label that nobody guesses."""
        return f"{what[0]}{hashlib.sha256(f'{what} {number}'.encode()).hexdigest()[:9]}"


def make_organisation(block: str, words: Sequence[str]) -> Organisation:
    """The organisation in the addresses `block`.N. `words`: the word list, whose labels the guessable names have."""
    apex, corp, cloud, vault, gone = (
        Zone(name) for name in (APEX, f"corp.{APEX}", f"cloud.{APEX}", f"vault.{APEX}", GONE)
    )
    maker = _Maker(block, words, apex, {})
    for zone in (apex, corp, cloud, vault, gone):
        zone.add(zone.apex, "SOA", f"ns1.{APEX}. hostmaster.{APEX}. 1 3600 900 1209600 60")
        zone.add(zone.apex, "NS", f"ns1.{APEX}.", f"ns2.{APEX}.")
    for zone in (corp, cloud, vault):
        apex.add(zone.apex, "NS", f"ns1.{APEX}.", f"ns2.{APEX}.")
    apex.add(APEX, "A", f"{block}.{WEB}")
    for name, number in ((f"ns1.{APEX}", STRICT_SERVER), (f"ns2.{APEX}", OPEN_SERVER)):
        apex.add(name, "A", f"{block}.{number}")
        maker.hosts.setdefault(name)
    _guessable(maker)
    _records(maker)
    pages = _wildcards(maker)
    dangling = _aliases(maker)
    for number in range(55):
        maker.host(f"{maker.hidden('corp', number)}.corp.{APEX}", corp)
    for number in range(3):
        maker.host(f"{words[number * 5]}.vault.{APEX}", vault)
    vault.add(vault.apex, "NSEC3PARAM", "1 0 5 AB12CD34")
    told = tuple(maker.host(f"{maker.hidden('told', number)}.{APEX}") for number in range(12))
    for number in range(NAMES - len(maker.hosts)):
        maker.host(f"{maker.hidden('walk', number)}.cloud.{APEX}", cloud)
    _sign(cloud)
    stale = tuple(f"{maker.hidden('stale', number)}.{APEX}" for number in range(9))
    hosts = frozenset(maker.hosts)
    return Organisation((apex, corp, cloud, vault, gone), hosts, dangling, told, stale, pages)


def _guessable(maker: _Maker) -> None:
    """Words at the top, places with words below them, and variations that no list has."""
    skip = {"apps", "corp", "cloud", "vault", "dev", "staging", "eu", "customers", "ns1", "ns2", "edge-cache1"}
    top = [word for word in maker.words[3::17] if word not in skip][:70]
    for word in top:
        maker.host(f"{word}.{APEX}")
    maker.host(f"dev.{APEX}")
    for place, every in ((f"dev.{APEX}", 11), (f"staging.{APEX}", 17), (f"internal.eu.{APEX}", 29)):
        for word in maker.words[5:250:every][:10]:
            maker.host(f"{word}.{place}")
    plain = [word for word in top if word.isalpha() and f"{word}2" not in maker.words][:10]
    for word in plain:
        maker.host(f"{word}2.{APEX}")
    for name in ("edge-cache2", "edge-cache3"):  # the first of them is told of by a record
        maker.host(f"{name}.{APEX}")
    for number in range(5):  # IPv6 alone
        name = f"{maker.words[251 + number * 31]}.{APEX}"
        if name not in maker.hosts:
            maker.apex.add(name, "AAAA", f"::{number + 2:x}")
            maker.hosts.setdefault(name)


def _records(maker: _Maker) -> None:
    """Names that only records tell of; and records that tell of nothing here."""
    apex = maker.apex
    for number, name in enumerate(("relay-zrh7", "relay-zrh9")):
        apex.add(APEX, "MX", f"{number} {maker.host(f'{name}.{APEX}')}.")
    apex.add(f"_sip._tcp.{APEX}", "SRV", f"1 1 5060 {maker.host(f'callgate-a4.{APEX}')}.")
    sender = maker.host(f"sender-k2.{APEX}")
    first = maker.host(f"edge-cache1.{APEX}")
    apex.add(APEX, "TXT", f'"v=spf1 a:{sender} include:_spf.{APEX} include:spf.elsewhere.example mx -all"')
    apex.add(f"_spf.{APEX}", "TXT", f'"v=spf1 a:{first} exists:%{{i}}.{APEX} ~all"')


def _wildcards(maker: _Maker) -> frozenset[str]:
    """Wildcards at two levels and one that is an alias, with names of their own below; the last by their pages alone."""
    apex, web = maker.apex, f"{maker.block}.{WILD}"
    apex.add(f"*.apps.{APEX}", "A", web)
    apex.add(f"*.eu.apps.{APEX}", "A", f"{maker.block}.{WEB}", web)
    apex.add(f"*.customers.{APEX}", "CNAME", f"front.{APEX}.")
    apex.add(f"front.{APEX}", "A", web)
    maker.hosts.setdefault(f"front.{APEX}")
    for place, every in ((f"apps.{APEX}", 13), (f"eu.apps.{APEX}", 23), (f"customers.{APEX}", 31)):
        for word in maker.words[7:250:every][:6]:
            maker.host(f"{word}.{place}")
    pages = [f"{word}.apps.{APEX}" for word in maker.words[8:30:7]]
    for name in pages:
        apex.add(name, "A", web)
        maker.hosts.setdefault(name)
    return frozenset(pages)


def _aliases(maker: _Maker) -> frozenset[str]:
    """Chains of aliases, one into another zone, one that loops; and aliases that lead to nobody, here and elsewhere."""
    words = [word for word in maker.words[11:1200:41] if f"{word}.{APEX}" not in maker.hosts]
    names = iter([f"{word}.{APEX}" for word in words])
    last = maker.host(f"pages-lb-77.{APEX}")
    chain = maker.alias(f"pages-mid-31.{APEX}", last)
    maker.alias(next(names), chain)
    maker.alias(next(names), last)
    maker.alias(next(names), f"{maker.hidden('corp', 1)}.corp.{APEX}")
    maker.alias(next(names), f"gone-inside.{APEX}")
    dangling = [maker.alias(next(names), f"orga-{number}.{GONE}") for number in range(3)]
    dangling += [maker.alias(next(names), f"orga-{number}.provider.invalid") for number in range(2)]
    return frozenset(dangling)


def _sign(zone: Zone) -> None:
    """The zone's chain of NSEC records (RFC 4034), each with the types of its name."""
    names = sorted(zone.records, key=lambda name: tuple(reversed(name.split("."))))
    for name, following in zip(names, [*names[1:], names[0]], strict=True):
        zone.add(name, "NSEC", f"{following}. {' '.join(sorted(zone.records[name]))} RRSIG NSEC")


@dataclass(frozen=True, slots=True)
class Running:
    """The organisation's servers. `dns`: both name servers, of which the second hands out one zone. `web_port`: where the
    wildcards' web server answers; `log_url`: the certificate log, with {domain}. `allow`: the block of addresses."""

    organisation: Organisation
    dns: tuple[tuple[str, int], ...]
    web_port: int
    log_url: str
    allow: str


async def _nobody(wire: bytes, name: str) -> bytes | None:
    return None


@contextlib.asynccontextmanager
async def running_organisation(words: Sequence[str]) -> AsyncIterator[Running]:
    """Serve the organisation on loopback until the block ends."""
    block = claim_block()
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(contextlib.closing(block.claim))
        made = make_organisation(block.address(1).rpartition(".")[0], words)
        apex, corp, *others = made.zones
        strict = Responder(apex, False, _nobody, (corp, *others))
        generous = Responder(corp, True, _nobody, (apex, *others))
        at = (block.address(STRICT_SERVER), block.address(OPEN_SERVER))
        dns_port = await stack.enter_async_context(name_servers({at[0]: strict, at[1]: generous}))
        web_port, sockets = listen_everywhere([block.address(WEB), block.address(WILD)], ())

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                start = await reader.readexactly(4)
                if start == b"GET ":  # and not the beginning of a TLS handshake
                    head = (start + await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                    writer.write(_page(made, head))
                    await writer.drain()
            writer.close()

        for listener in sockets:
            stack.callback((await asyncio.start_server(answer, sock=listener)).close)
        log_url = f"http://{block.address(WEB)}:{web_port}/log?q=%25.{{domain}}&output=json"
        yield Running(made, tuple((address, dns_port) for address in at), web_port, log_url, block.cidr)


def _page(made: Organisation, head: str) -> bytes:
    """The certificate log; a page of its own for some names; the same page with the name in it for every other."""
    hosts = [line.partition(":")[2].strip() for line in head.split("\r\n") if line.lower().startswith("host:")]
    name = hosts[0].rpartition(":")[0].lower() if hosts else ""
    if head.startswith("GET /log?"):
        body, kind = made.certificate_log(), "application/json"
    elif name in made.pages:
        shown = " ".join(f"department {number} of {name} writes about its own work" for number in range(20))
        body, kind = f"<title>{name}</title><p>{shown}".encode(), "text/html"
    else:
        body, kind = (
            f"<title>Park</title><p>{name} is free. Order your own place at our front desk today.".encode(),
            "text/html",
        )
    told = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return told.encode() + body

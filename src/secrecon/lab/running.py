"""A running lab: addresses, ports, certificates, name servers and sites put together, and taken down again."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from secrecon.lab.addresses import HTTP_PORTS, TLS_PORTS, Block, claim_block, listen_everywhere
from secrecon.lab.certificates import Authority, make_authority
from secrecon.lab.control import ControlApp, parse_callback_dns
from secrecon.lab.description import LabDescription
from secrecon.lab.fetcher import Fetcher
from secrecon.lab.hosts import crawl, every_site, hazards, members, ssrf_graph
from secrecon.lab.names import Names
from secrecon.lab.nameserver import Responder, name_servers
from secrecon.lab.server import SitesApp, serving
from secrecon.lab.services import HOSTS, ServiceHosts
from secrecon.lab.site import Site
from secrecon.lab.truth import Truth, load_truth
from secrecon.lab.world import World
from secrecon.lab.zone import Zone
from secrecon.model.target import Origin

DOMAIN = "acme.test"
STRICT_SERVER, OPEN_SERVER = 2, 3
FIRST_SERVICE_HOST = 4
FIRST_SITE = 20


@dataclass(slots=True)
class Lab:
    """A lab that runs in this process."""

    description: LabDescription
    truth: Truth
    _world: World

    @property
    def domain(self) -> str:
        return self.description.domain

    @property
    def http_port(self) -> int:
        return self.description.http_port

    @property
    def tls_port(self) -> int:
        return self.description.tls_port

    @property
    def dns(self) -> tuple[str, int]:
        """The name server to use for scans of the lab."""
        return self.description.dns

    @property
    def allow(self) -> str:
        """The block of addresses that a scan of the lab must be allowed."""
        return self.description.allow

    def origin(self, label: str) -> Origin:
        """The origin of a host, by label or full name."""
        return self.description.origin(label)

    @property
    def traps(self) -> Mapping[str, int]:
        """How often each trap was sprung."""
        return dict(self._world.traps)

    @property
    def callback_dns(self) -> tuple[str, int] | None:
        """Where names below the callback domain are looked up."""
        return self._world.names.callback_dns

    @callback_dns.setter
    def callback_dns(self, server: tuple[str, int] | None) -> None:
        self._world.names.callback_dns = parse_callback_dns(*server) if server is not None else None


@contextlib.asynccontextmanager
async def running_lab(
    data_dir: Path, callback_dns: tuple[str, int] | None = None, callback_domain: str = "cb.test"
) -> AsyncIterator[Lab]:
    """Start the whole lab; it ends with the block. `data_dir` receives certificates and throwaway keys."""
    checked = parse_callback_dns(*callback_dns) if callback_dns is not None else None
    zone = Zone(DOMAIN)
    names = Names(zone, callback_domain, checked)
    world = World(DOMAIN, names, Fetcher(names), data_dir)
    world.traps.update(dict.fromkeys((*crawl.TRAPS, *hazards.TRAPS, *members.TRAPS, *ssrf_graph.TRAPS), 0))
    sites = every_site(world)
    block = claim_block()
    with contextlib.closing(block.claim):
        for number, site in enumerate(sites):
            world.addresses[world.name(site.label)] = block.address(FIRST_SITE + number)
        for number, host in enumerate(HOSTS):
            world.addresses[world.name(host.label)] = block.address(FIRST_SERVICE_HOST + number)
        _fill_zone(zone, world, block)
        authority = make_authority(data_dir / "tls", dt.datetime.now(dt.UTC).replace(microsecond=0))
        async with contextlib.AsyncExitStack() as stack:
            lab = await _start(stack, world, sites, block, authority)
            yield lab
            for task in list(world.tasks):
                task.cancel()
            await asyncio.gather(*world.tasks, return_exceptions=True)


async def _start(
    stack: contextlib.AsyncExitStack, world: World, sites: Sequence[Site], block: Block, authority: Authority
) -> Lab:
    plain = [site for site in sites if not site.tls]
    encrypted = [site for site in sites if site.tls]
    world.tls_sites.update(world.name(site.label) for site in encrypted)
    world.http_port, http_sockets = listen_everywhere([_address(world, site) for site in plain], HTTP_PORTS)
    world.tls_port, tls_sockets = listen_everywhere([_address(world, site) for site in encrypted], TLS_PORTS)
    contexts = [authority.context(site.tls, world.name(site.label), _address(world, site)) for site in encrypted]
    app = SitesApp({_address(world, site): site for site in sites}, world.asked)
    quiet = [listener for site, listener in zip(plain, http_sockets, strict=True) if site.raw is None]
    await stack.enter_async_context(serving(app, quiet, list(zip(tls_sockets, contexts, strict=True))))
    for site, listener in zip(plain, http_sockets, strict=True):
        if site.raw is not None:
            stack.callback((await asyncio.start_server(site.raw, sock=listener)).close)
    services = ServiceHosts()
    await services.start(stack, HOSTS, {host.label: world.addresses[world.name(host.label)] for host in HOSTS})
    strict = Responder(world.names.zone, False, world.names.forward)
    generous = Responder(world.names.zone, True, world.names.forward)
    strict_at, generous_at = block.address(STRICT_SERVER), block.address(OPEN_SERVER)
    dns_port = await stack.enter_async_context(name_servers({strict_at: strict, generous_at: generous}))
    control_port, control_sockets = listen_everywhere(["127.0.0.1"], ())
    description = LabDescription(
        domain=DOMAIN,
        http_port=world.http_port,
        tls_port=world.tls_port,
        dns=(strict_at, dns_port),
        name_servers=((strict_at, dns_port), (generous_at, dns_port)),
        allow=block.cidr,
        control_port=control_port,
        ca_file=str(authority.ca_file),
        callback_domain=world.names.callback_domain,
        addresses=dict(world.addresses),
        tls_names=tuple(sorted(world.tls_sites)),
        services=tuple((world.name(label), kind, port) for (label, kind), port in services.ports.items()),
    )
    await stack.enter_async_context(serving(ControlApp(world, lambda: description), control_sockets, []))
    return Lab(description, load_truth(description), world)


def _address(world: World, site: Site) -> str:
    return world.addresses[world.name(site.label)]


def _fill_zone(zone: Zone, world: World, block: Block) -> None:
    """The records: every site, two name servers, mail, text, an alias, a dangling alias, and a wildcard."""
    apex = zone.apex
    zone.add(apex, "SOA", f"ns1.{apex}. hostmaster.{apex}. 2026010501 3600 900 1209600 60")
    zone.add(apex, "NS", f"ns1.{apex}.", f"ns2.{apex}.")
    zone.add(apex, "MX", f"10 mail.{apex}.")
    zone.add(apex, "TXT", '"v=spf1 mx -all"', '"acme-verification=lab"')
    zone.add(f"_dmarc.{apex}", "TXT", '"v=DMARC1; p=reject"')
    zone.add(f"ns1.{apex}", "A", block.address(STRICT_SERVER))
    zone.add(f"ns2.{apex}", "A", block.address(OPEN_SERVER))
    for name, address in world.addresses.items():
        zone.add(name, "A", address)
    zone.add(f"docs.{apex}", "CNAME", f"www.{apex}.")
    zone.add(f"old-campaign.{apex}", "CNAME", "acme-campaign.provider.invalid.")
    zone.add(f"*.wild.{apex}", "A", world.addresses[f"tenants.{apex}"])

"""From settings to real parts: the only place that picks implementations."""

from __future__ import annotations

import random
import ssl
from collections.abc import Awaitable, Callable, Sequence
from importlib import resources
from pathlib import Path

from secrecon import __version__
from secrecon.app.armory import Armory
from secrecon.app.feeds import Library
from secrecon.app.fingerprints import Prints
from secrecon.app.nmap_file import NmapFile
from secrecon.app.rules_digest import rules_digest
from secrecon.app.settings import Settings, server_address
from secrecon.detect.name_sources import NameSource, chosen, read_sources
from secrecon.detect.service_rules import ServiceRules
from secrecon.engine.phase import Dialogue, Phase
from secrecon.engine.phases.behaviour import BehaviourPhase
from secrecon.engine.phases.crawl import CrawlPhase
from secrecon.engine.phases.discover import DiscoverPhase
from secrecon.engine.phases.exposures import ExposuresPhase
from secrecon.engine.phases.fingerprint import FingerprintPhase
from secrecon.engine.phases.hygiene import HygienePhase
from secrecon.engine.phases.match import MatchPhase
from secrecon.engine.phases.names import MetNamesPhase, NamesPhase
from secrecon.engine.phases.probe import ProbePhase
from secrecon.engine.phases.resolve import ResolvePhase
from secrecon.engine.phases.services import ServicesPhase
from secrecon.engine.phases.ssrf import SsrfPhase
from secrecon.engine.phases.synthesis import SynthesisPhase
from secrecon.engine.phases.templates import TemplatesPhase
from secrecon.engine.pipeline import Engine
from secrecon.intel.core import Core, load_core
from secrecon.model.errors import OperatorError
from secrecon.model.scan import EngineInfo
from secrecon.net.clock import Clock, SystemClock
from secrecon.net.passive import PassiveFetcher
from secrecon.net.rendering import OpenBrowser
from secrecon.net.resolver import Resolver
from secrecon.net.tls import trust_also
from secrecon.oast.callbacks import EmbeddedCallbacks, ServerCallbacks
from secrecon.oast.client import Gap, Identity, OastClient, ServerOptions
from secrecon.oast.dnswire import Zone
from secrecon.oast.hits import OnHits
from secrecon.oast.listener import Listener, ListenerConfig
from secrecon.oast.sessions import Sessions


def trust_operator_ca(settings: Settings) -> None:
    """Trust the operator's own authorities beside the system's, for the verdict on certificates."""
    if settings.tls_ca is None:
        return
    try:
        trust_also(settings.tls_ca)
    except OSError as error:  # ssl.SSLError is one
        raise OperatorError(
            f"SECRECON_TLS_CA: {settings.tls_ca} cannot be used as a PEM file of authorities: {error}"
        ) from error


def build_resolver(settings: Settings) -> Resolver:
    """The resolver that scans use."""
    return Resolver(tuple(server_address(text) for text in settings.dns_servers), rate=settings.dns_rate)


def name_sources(settings: Settings) -> tuple[NameSource, ...]:
    """The passive sources of names that are switched on. Raises OperatorError where the list or the choice is wrong."""
    shipped = Path(str(resources.files("secrecon.rules").joinpath("names/sources.yaml")))
    listed = read_sources(settings.name_sources_file or shipped)
    try:
        return chosen(listed, settings.name_sources)
    except ValueError as error:
        raise OperatorError(f"SECRECON_NAME_SOURCES: {error}; see docs/subdomains.md") from error


def build_phases(
    settings: Settings,
    core: Core,
    armory: Armory | None = None,
    clock: Clock | None = None,
    library: Library | None = None,
    prints: Prints | None = None,
    browser: OpenBrowser | None = None,
) -> Sequence[Phase | Dialogue]:
    """The pipeline in order."""
    armory, clock = armory or Armory(settings), clock or SystemClock()
    library = library or Library(settings, core)
    prints, services = prints or Prints(settings), ServiceRules.load()
    return (
        ResolvePhase(),
        DiscoverPhase(ports=settings.web_ports, sources=name_sources(settings), fetch=PassiveFetcher().fetch),
        ProbePhase(settings.web_ports),
        NamesPhase(settings.web_ports),
        ServicesPhase(services, services.chosen(settings.service_ports), NmapFile(settings, services).patterns),
        FingerprintPhase(prints.current),
        CrawlPhase(browser),
        MetNamesPhase(settings.web_ports),
        MatchPhase(library.current),
        HygienePhase(),
        ExposuresPhase(),
        BehaviourPhase(),
        TemplatesPhase(armory.armed, clock, armory.unusable),
        SsrfPhase(),
        SynthesisPhase(),
    )


def build_listener(
    settings: Settings,
    on_hits: OnHits | None,
    clock: Clock,
    sessions: Sessions | None = None,
    tls: ssl.SSLContext | None = None,
    zone: Zone | None = None,
    kept: Callable[[], Awaitable[None]] | None = None,
) -> Listener:
    """The callback listener, not yet started."""
    config = ListenerConfig(
        host=settings.oast_host,
        http_port=settings.oast_http_port,
        dns_port=settings.oast_dns_port,
        domain=settings.oast_domain,
        addresses=(settings.oast_address or settings.oast_host,),
        https_port=settings.oast_https_port,
        smtp_port=settings.oast_smtp_port,
        ldap_port=settings.oast_ldap_port,
        token=settings.oast_token,
        wildcard=settings.oast_wildcard and sessions is not None,
        dynamic=settings.oast_dynamic,
        per_second_and_client=settings.oast_rate,
    )
    return Listener(config, on_hits, clock, random.SystemRandom(), sessions=sessions, tls=tls, zone=zone, kept=kept)


def build_zone(settings: Settings) -> Zone:
    """What the listener's DNS side is authoritative for."""
    return Zone(settings.oast_domain.strip(".").lower(), (settings.oast_address or settings.oast_host,))


def build_callbacks(
    settings: Settings, http_port: int, clock: Clock, turn: Callable[[str, str], None] | None = None
) -> EmbeddedCallbacks:
    """The callbacks that scans use, for a listener bound to `http_port`. `turn`: of its zone."""
    return EmbeddedCallbacks(
        address=settings.oast_address or settings.oast_host,
        http_port=http_port,
        domain=settings.oast_domain,
        clock=clock,
        source=random.SystemRandom(),
        turn=turn,
    )


def build_client(
    settings: Settings,
    clock: Clock,
    on_gap: Callable[[Gap], None],
    identity: Identity | None = None,
    heard: float = 0.0,
) -> OastClient:
    """A client of the callback server that the settings name, not yet started."""
    ca = str(settings.tls_ca) if settings.tls_ca is not None else ""
    options = ServerOptions(token=settings.oast_token, ca=ca)
    source = random.SystemRandom()
    return OastClient(settings.oast_server, clock, options, source, identity, on_gap, heard)


def build_info(library: Library, armory: Armory | None = None, prints: Prints | None = None) -> EngineInfo:
    """What every report says of the engine: version, rules and data."""
    known = library.feeds()
    rest = [feed for source in (prints, armory) if source is not None for feed in source.feeds()]
    names = {feed.name for feed in known}
    return EngineInfo(__version__, rules_digest(), (*known, *(feed for feed in rest if feed.name not in names)))


def build_engine(
    settings: Settings,
    clock: Clock,
    resolver: Resolver,
    callbacks: EmbeddedCallbacks | ServerCallbacks | None,
    browser: OpenBrowser | None = None,
) -> Engine:
    """The engine with every phase. `browser`: opens Chromium for scans that ask for it."""
    core, armory = load_core(), Armory(settings)
    library, prints = Library(settings, core), Prints(settings)
    return Engine(
        phases=build_phases(settings, core, armory, clock, library, prints, browser),
        info=lambda: build_info(library, armory, prints),
        clock=clock,
        resolver=resolver,
        callbacks=callbacks,
        listener_origins=callbacks.origins if callbacks else (),
    )

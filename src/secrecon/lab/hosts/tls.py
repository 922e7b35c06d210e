"""Hosts that speak https only: a good one, and one for each mistake. The pages behind them are the same."""

from __future__ import annotations

from secrecon.lab import certificates
from secrecon.lab.site import Site, text_page
from secrecon.lab.world import World


def sites(world: World) -> list[Site]:
    """One host for each TLS set-up, and one without HSTS."""
    routes = {("GET", "/"): text_page("Secure page", "<p>This page was sent encrypted.</p>")}
    return [
        Site("tls-good", routes, tls=certificates.GOOD),
        Site("tls-expired", routes, tls=certificates.EXPIRED),
        Site("tls-self-signed", routes, tls=certificates.SELF_SIGNED),
        Site("tls-wrong-name", routes, tls=certificates.WRONG_NAME),
        Site("tls-old", routes, tls=certificates.OLD),
        Site("tls-weak", routes, tls=certificates.WEAK),
        Site("tls-no-hsts", routes, {"strict-transport-security": ""}, tls=certificates.GOOD),
    ]

"""The lab's hosts, grouped by theme. Each module has `sites(world)`; `every_site` is all of them."""

from __future__ import annotations

from secrecon.lab.hosts import (
    banners,
    behaviour,
    crawl,
    exposures,
    flaws,
    hazards,
    home,
    hygiene,
    lookalikes,
    members,
    odd,
    ssrf,
    ssrf_channels,
    ssrf_edge,
    ssrf_forms,
    ssrf_graph,
    ssrf_innocent,
    ssrf_products,
    ssrf_tools,
    tls,
)
from secrecon.lab.site import Site
from secrecon.lab.world import World

THEMES = (
    home,
    ssrf,
    ssrf_channels,
    ssrf_tools,
    ssrf_edge,
    ssrf_forms,
    ssrf_graph,
    ssrf_products,
    ssrf_innocent,
    exposures,
    lookalikes,
    banners,
    behaviour,
    hygiene,
    tls,
    crawl,
    odd,
    flaws,
    hazards,
    members,
)


def every_site(world: World) -> tuple[Site, ...]:
    """Every host of the lab, in a fixed order: the order of their addresses."""
    return tuple(site for theme in THEMES for site in theme.sites(world))

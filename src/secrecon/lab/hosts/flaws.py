"""Products with a flaw that a template of our own proves, and the mended version of each.

They are the twins of those templates, as hosts: a full scan of the lab shows what the templates say on a network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from secrecon.lab.site import Site, text_page
from secrecon.lab.twins.site import twin_site
from secrecon.lab.world import World

FLAWS: Mapping[str, str] = {
    "struts": "CVE-2017-5638",
    "bigip": "CVE-2020-5902",
    "log4j": "CVE-2021-44228",
    "spring": "CVE-2022-22963",
    "confluence": "CVE-2023-22527",
    "moveit": "CVE-2023-34362",
    "screenconnect": "CVE-2024-1709",
    "gateway": "CVE-2024-24919",
    "teamcity": "CVE-2024-27198",
    "mobile": "CVE-2025-4427",
}
"""The template by the label of the host with the flaw; the mended one has `-fixed` after it."""


ASKED_AT_THE_FRONT = ("struts", "log4j")
"""Hosts whose front page is the one that has the flaw; the others get a plain one beside the twin."""


def sites(world: World) -> list[Site]:
    """Each pair of hosts."""
    return [_host(label, fixed, world) for label in FLAWS for fixed in (False, True)]


def _host(label: str, fixed: bool, world: World) -> Site:
    name = label + ("-fixed" if fixed else "")
    site = twin_site(name, FLAWS[label], fixed, world.fetcher)
    if label in ASKED_AT_THE_FRONT:
        return site
    return replace(site, routes={("GET", "/"): text_page("Acme at work", "<p>Please sign in with your card.</p>")})

"""Look-alikes of products with an endpoint that fetches and that no page links to, and their mended twins.

`maps` looks like a map server whose demonstration form relays requests, `store` like a shop whose framework resizes
pictures from anywhere. The twins have the same front pages and endpoints, and a list of allowed hosts.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from secrecon.lab.hosts.ssrf import refused, trusted
from secrecon.lab.hosts.ssrf_forms import fields_of
from secrecon.lab.hosts.ssrf_tools import fetch_and_show
from secrecon.lab.site import Site, page
from secrecon.lab.world import World


def sites(world: World) -> list[Site]:
    """The look-alikes and their twins."""
    return [
        _maps(world, "maps", careless=True),
        _maps(world, "maps-safe", careless=False),
        _store(world, "store", careless=True),
        _store(world, "store-safe", careless=False),
    ]


def _maps(world: World, label: str, careless: bool) -> Site:
    def index(request: Request) -> Response:
        return page("GeoServer: Welcome", "<p>Maps of where the anvils fell.</p>")

    async def relay(request: Request) -> Response:
        url = (await fields_of(request)).get("url", "")
        return await fetch_and_show(world, url) if careless or trusted(world, url) else refused()

    return Site(label, {("GET", "/"): index, ("POST", "/geoserver/TestWfsPost"): relay})


def _store(world: World, label: str, careless: bool) -> Site:
    def index(request: Request) -> Response:
        return page(
            "Store", '<p>Anvils.</p><script id="__NEXT_DATA__" type="application/json">{"page":"/"}</script>'
        )

    async def image(request: Request) -> Response:
        query = request.query_params
        if query.get("w") != "64" or query.get("q") != "75":
            return page("Bad request", "<p>w and q must be sizes that we know.</p>", 400)
        url = query.get("url", "")
        return await fetch_and_show(world, url) if careless or trusted(world, url) else refused()

    return Site(label, {("GET", "/"): index, ("GET", "/_next/image"): image})

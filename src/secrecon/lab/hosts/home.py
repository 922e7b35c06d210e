"""The organisation's own front: home page, trusted static files, and a wildcard host. All of them clean."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from secrecon.lab.site import Site, page, raw, text_page
from secrecon.lab.world import World

FEED = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0"><channel><title>Acme news</title>'
    "<link>http://acme.test/</link><description>Nothing new.</description></channel></rss>\n"
)
STATUS_TEXT = "Acme static files: all systems normal.\n"


def sites(world: World) -> list[Site]:
    """Apex, www, static and the wildcard's host."""

    def home(request: Request) -> Response:
        links = "".join(
            f'<li><a href="{world.origin(label)}/">{label}</a></li>' for label in ("shop", "static", "tls-good")
        )
        return page("Acme", f"<p>We make everything.</p><ul>{links}<li><a href='/about'>About us</a></li></ul>")

    about = text_page("About Acme", "<p>Founded in 1949, mostly for roadrunners.</p>")
    front = {("GET", "/"): home, ("GET", "/about"): about}
    static = {
        ("GET", "/"): text_page(
            "Acme static files", '<p><a href="/logo.txt">logo</a> <a href="/feed.xml">feed</a></p>'
        ),
        ("GET", "/logo.txt"): raw(STATUS_TEXT, "text/plain; charset=utf-8"),
        ("GET", "/feed.xml"): raw(FEED, "application/rss+xml"),
    }
    wild = {("GET", "/"): text_page("Acme tenants", "<p>Every tenant's name leads here.</p>")}
    return [Site("", front), Site("www", front), Site("static", static), Site("tenants", wild)]

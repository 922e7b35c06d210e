"""The twins of the exposed files: four hosts on which a careless check finds everything and a careful one nothing.

`soft404` answers 200 with a page for whatever is asked, and never the same page; `forbidden` answers 403;
`lookalike` has files of the right names without what makes them dangerous; `catchall` shows one front page for all.
"""

from __future__ import annotations

from html import escape
from itertools import count

from starlette.requests import Request
from starlette.responses import Response

from secrecon.lab import certificates
from secrecon.lab.hosts.exposures import BINARY, HTML, JSON, TEXT
from secrecon.lab.site import Handler, Routes, Site, page, raw, text_page
from secrecon.lab.world import World

WORDS = (
    "anvil",
    "rocket",
    "spring",
    "magnet",
    "catapult",
    "dynamite",
    "glue",
    "roller",
    "skate",
    "umbrella",
    "balloon",
)
ARTICLE = (
    "<p>An alphabetical list of the prices of anvils since 1949, with sources, and an essay on phpinfo() and the "
    "Apache server status page, which every administrator should know how to switch off.</p>"
    '<p><a href="/">Home</a></p>'
)


def sites(world: World) -> list[Site]:
    """The four twins."""
    return [
        Site("soft404", {("GET", "/"): _front("Everything store")}, fallback=_always_different()),
        Site("forbidden", {("GET", "/"): _front("Members only")}, fallback=_forbidden),
        Site("lookalike", _lookalikes()),
        Site("catchall", {}, fallback=_front("Single page application")),
    ]


def _front(title: str) -> Handler:
    return text_page(title, '<p>Welcome. <a href="/files/">Documents</a></p>')


def _always_different() -> Handler:
    counter = count()

    def shown(request: Request) -> Response:
        turn = next(counter)
        picks = " ".join(WORDS[(turn * 7 + step * 5) % len(WORDS)] for step in range(6 + turn % 9))
        asked = escape(request.url.path)
        return page(
            f"No luck {turn}",
            f"<p>We looked for <b>{asked}</b> and did not find it (case {turn * 7919 % 99991}).</p>"
            f"<p>Perhaps you want: {picks}</p>",
        )

    return shown


def _forbidden(request: Request) -> Response:
    return page("Forbidden", "<p>You may not see this.</p>", 403)


def _lookalikes() -> Routes:
    return {
        ("GET", "/"): text_page(
            "Look again", '<p><a href="/files/">Index of prices</a><script src="/static/app.js"></script>'
        ),
        ("GET", "/.git/HEAD"): raw("This folder is kept empty on purpose.\n", TEXT),
        ("GET", "/.git/config"): raw("There is no repository here.\n", TEXT),
        ("GET", "/.svn/entries"): raw("none\n", TEXT),
        ("GET", "/.svn/wc.db"): raw("moved\n", TEXT),
        ("GET", "/.env"): raw("# Settings live in the secret store, not in this file.\n", TEXT),
        ("GET", "/.DS_Store"): raw(b"", BINARY),
        ("GET", "/static/app.js"): raw(
            "console.log('hello')\n//# sourceMappingURL=app.js.map\n", "text/javascript"
        ),
        ("GET", "/static/app.js.map"): raw('{"message": "source maps are not published"}\n', JSON),
        ("GET", "/backup.zip"): raw("This archive has been moved to tape.\n", "application/zip"),
        ("GET", "/dump.sql"): raw("-- The nightly dump is encrypted and kept elsewhere.\n", "application/sql"),
        ("GET", "/wp-config.php.bak"): raw("<?php\n// Settings come from the environment.\n", BINARY),
        ("GET", "/server.key"): raw(certificates.throwaway_public_key(), BINARY),
        ("GET", "/.htpasswd"): raw("# Users are in the directory service.\n", BINARY),
        ("GET", "/server-status"): raw("<html><title>Status</title><h1>All servers are up</h1></html>\n", HTML),
        ("GET", "/phpinfo.php"): text_page(
            "What phpinfo() tells", "<p>An article about the function phpinfo().</p>"
        ),
        ("GET", "/actuator/env"): raw('{"timestamp":"2026-01-05","status":404,"error":"Not Found"}\n', JSON),
        ("GET", "/files/"): text_page("Index of anvil prices", ARTICLE),
    }

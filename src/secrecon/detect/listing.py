"""Is this page a directory listing that a server made by itself, or an article that is called one?

A listing has the heading its server writes (nginx, Apache, lighttpd, Caddy, Python, Jetty, Node's serve-index, IIS)
naming the very folder that was asked for, and links to entries beneath that folder. An article titled "Index of ..."
has neither. Nothing is requested here.
"""

from __future__ import annotations

from urllib.parse import unquote

import re2

from secrecon.detect.html import read_html, unescape
from secrecon.detect.links import resolve
from secrecon.model.target import Origin

MAX_BODY = 200_000
_HEADING = re2.compile(
    rb"(?is)<(?:title|h1|h2)[^>]*>\s*(?:Index of|Directory listing for|Directory listing of|Directory:|"
    rb"listing directory)\s*(?:<[^>]*>\s*)*(/[^<]*)"
)
_IIS = re2.compile(rb"(?i)<H1>[^<]* - (/[^<]*)</H1><hr>")
_CADDY = re2.compile(rb"(?is)<h1>\s*(?:<a href=\"[./]*\">[^<]*</a>/?\s*)+</h1>.*(?:<th>|class=\"name\")")


def listed_entries(origin: Origin, target: str, body: bytes) -> tuple[str, ...]:
    """The names that a listing of the folder `target` shows; () where the page is no listing."""
    path = target.split("?", 1)[0]
    page = body[:MAX_BODY]
    if not path.endswith("/") or not (_heading_names(page, path) or _CADDY.search(page) is not None):
        return ()
    names: dict[str, None] = {}
    for tag in read_html(page).tags:
        if tag.name != "a" or tag.closing or not tag.get("href") or tag.get("href").startswith(("?", "#")):
            continue
        place = resolve(origin, path, tag.get("href"))
        if place is None or place[0] != origin or _is_parent(place[1], path):
            continue
        if not place[1].startswith(path):
            return ()  # a link to elsewhere: a page that people made
        name = place[1][len(path) :].split("?", 1)[0]
        if name and "/" not in name.rstrip("/"):
            names.setdefault(unquote(name)[:200])
    return tuple(names)


def _heading_names(page: bytes, path: str) -> bool:
    """True where a server's heading names the folder `path`."""
    for pattern in (_HEADING, _IIS):
        found = pattern.search(page)
        if found is not None:
            shown = unescape(found.group(1)).strip().rstrip("/")
            return unquote(shown) == unquote(path).rstrip("/")
    return False


def _is_parent(target: str, path: str) -> bool:
    folder = target.split("?", 1)[0]
    return folder.endswith("/") and path.startswith(folder)

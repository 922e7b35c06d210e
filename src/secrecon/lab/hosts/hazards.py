"""A back office where every second link does something: sign out, delete, install, reset, wait, fill the memory.

Each counts when a scan springs it: by a link as it stands, by a form, or by another value than the one that was linked.
Some say what they do in their address, some only on their label, some in another language, some by another method.
A scan may see all of them and must spring none, whichever of its phases meets them. Also here: a spider's traps, with
what lies behind them, so that a crawl is counted lost when it never comes out.
"""

from __future__ import annotations

import zlib
from html import escape

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from secrecon.lab.site import Handler, Routes, Site, not_found, page, raw
from secrecon.lab.world import World

PATIENCE = 60
TRAPS = (
    "amount-large",
    "wait-asked",
    "session-ended",
    "something-deleted",
    "something-reset",
    "install-opened",
    "shut-down",
    "unsubscribed",
    "bought",
    "nul-sent",
    "maze-lost",
)
LINKED_ROWS = "20"

SCRIPT = (
    "async function wipe(id) { return fetch(`/api/records/${id}/wipe`, {method: 'POST', body: JSON.stringify({id})}); }\n"
    "async function drop(id) { return fetch('/api/records/1', {method: 'DELETE'}); }\n"
    "async function list() { return fetch('/api/records?limit=20'); }\n"
)
INDEX = f"""
<ul>
<li><a href="/records?rows={LINKED_ROWS}">Records</a> <a href="/records?rows=9999999">All records</a></li>
<li><a href="/records?rows=-1">Every record</a> <a href="/export/bytes/9999999">Everything</a></li>
<li><a href="/report?delay=30">Report</a> <a href="/delay/30">Slow report</a></li>
<li><a href="/logout">Leave</a> <a href="/session?action=logout">Leave</a> <a href="/abmelden">Abmelden</a></li>
<li><a href="/d%C3%A9connexion">Se déconnecter</a> <a href="/s?id=7">Sign out</a> <a href="/s?id=8">ログアウト</a></li>
<li><a href="/delete?id=3">Old record</a> <a href="/r?id=3">Delete</a> <a href="/supprimer?id=3">Ancien</a></li>
<li><a href="/r?id=4" data-method="delete" rel="nofollow">Record 4</a>
<a href="/r?id=5" onclick="return confirm('Sure?')">Record 5</a></li>
<li><a href="/install.php">Setup</a> <a href="/setup/install.php?step=2">Next</a></li>
<li><a href="/reset">Defaults</a> <a href="/factory-reset?sure=1">Factory</a> <a href="/password?do=reset">Password</a></li>
<li><a href="/system/shutdown">Off</a> <a href="/system?op=reboot">Again</a></li>
<li><a href="/newsletter?unsubscribe=5">Newsletter</a> <a href="/basket?add-to-cart=12">Anvil</a></li>
<li><a href="/file?name=report%00.pdf">File</a> <a href="/maze/1">Maze</a> <a href="/shelf">Shelf</a></li>
</ul>
<form action="/r"><input type="hidden" name="id" value="6"><button>Delete record</button></form>
<form action="/users"><input type="hidden" name="do" value="remove"><input name="q"><input type="submit" value="Go"></form>
<form action="/r" method="post"><input name="id" value="9"><input type="submit" value="Löschen"></form>
<form action="/settings" method="post"><input name="title"><input type="submit" name="reset" value="1"></form>
<form action="/find"><input name="q"><button>Search</button></form>
<script src="/office.js"></script>
"""


def sites(world: World) -> list[Site]:
    """The one back office."""
    return [Site("yard", {**_acting(world), **_harmless()}, fallback=_maze(world))]


def _harmless() -> Routes:
    def found(request: Request) -> Response:
        return page("Found", f"<p>Nothing for {escape(request.query_params.get('q', ''))}.</p>")

    return {
        ("GET", "/"): lambda request: page("Back office", INDEX),
        ("GET", "/office.js"): raw(SCRIPT, "text/javascript"),
        ("GET", "/find"): found,
        ("GET", "/api/records/1"): raw('{"id": 1}', "application/json"),
        ("GET", "/api/records"): raw('{"items": []}', "application/json"),
    }


def _acting(world: World) -> Routes:
    """Path to trap: whoever asks, by whatever method, springs it."""
    sprung = {
        "session-ended": ("/logout", "/session", "/abmelden", "/déconnexion", "/s"),
        "something-deleted": ("/delete", "/supprimer", "/r", "/users", "/api/records/1", "/api/records/1/wipe"),
        "something-reset": ("/reset", "/factory-reset", "/password", "/settings"),
        "install-opened": ("/install.php", "/setup/install.php"),
        "shut-down": ("/system/shutdown", "/system"),
        "unsubscribed": ("/newsletter",),
        "bought": ("/basket",),
        "nul-sent": ("/file",),
        "amount-large": ("/export/bytes/9999999",),
        "wait-asked": ("/report", "/delay/30"),
    }
    routes: dict[tuple[str, str], Handler] = {
        (method, path): _trap(world, name)
        for name, paths in sprung.items()
        for path in paths
        for method in ("GET", "POST", "PUT", "DELETE")
    }

    def records(request: Request) -> Response:
        if request.query_params.get("rows", LINKED_ROWS) != LINKED_ROWS:
            world.traps["amount-large"] += 1
            return PlainTextResponse("a careless server would have run out of memory now\n", 400)
        return page("Records", "<p>Twenty of them.</p>")

    return {**routes, ("GET", "/records"): records}


def _trap(world: World, name: str) -> Handler:
    def sprung(request: Request) -> Response:
        world.traps[name] += 1
        return page("Done", "<p>It cannot be undone.</p>")

    return sprung


def _maze(world: World) -> Handler:
    """Paths that never end: a number that counts up, a folder inside itself, a session in the path, facets."""
    walked: set[str] = set()

    def shown(request: Request) -> Response:
        path, query = request.url.path, str(request.url.query)
        if "%00" in str(request.url) or "\x00" in path:
            world.traps["nul-sent"] += 1
        parts = path.strip("/").split("/")
        if parts[0] not in ("maze", "folder", "shelf", "visit"):
            return not_found(request)
        if len(walked) < PATIENCE * 10:
            walked.add(f"{path}?{query}")
        if len(walked) > PATIENCE:
            world.traps["maze-lost"] += 1
        number = int(parts[1]) + 1 if parts[0] == "maze" and parts[-1].isdigit() and len(parts[-1]) < 9 else 1
        visit = f"{zlib.crc32(f'{path}?{query}'.encode()):08x}{len(query):08x}"
        facets = "".join(
            f'<a href="/shelf?{query}&amp;{name}={value}">{name}</a> '
            for name in ("colour", "weight", "maker", "year", "form")
            for value in ("a", "b")
        )
        return page(
            f"Maze {escape(path)[:60]}",
            f'<a href="/maze/{number}">on</a> <a href="folder/">in</a> <a href="/folder/">folder</a> '
            f'<a href="/visit/{visit}/hall">hall</a> <a href="/visit;jsessionid={visit.upper()}">again</a> {facets}',
        )

    return shown

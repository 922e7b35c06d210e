"""Products that tell their version: one with a known flaw, one fixed, one whose distribution may have mended it.

The apache and grafana hosts with a flaw also show it: a path that climbs out of the web root gets a file that every
system has (invented here). The fixed and backported twins refuse the same path.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from secrecon.lab.site import Handler, Routes, Site, not_found, page, raw, text_page
from secrecon.lab.world import World

PASSWD = (
    "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
    "www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n"
)
JQUERY_OLD, JQUERY_NEW = "1.12.4", "3.7.1"
GRAFANA_OLD, GRAFANA_NEW = "8.3.0", "13.0.2"


def sites(world: World) -> list[Site]:
    """Web servers, an application and a script library, by version."""
    return [
        _server("apache", "Apache/2.4.49 (Unix)", _apache_climb),
        _server("apache-fixed", "Apache/2.4.68 (Unix)", _refuse_climb),
        _server("apache-backport", "Apache/2.4.52 (Ubuntu)", _refuse_climb),
        _server("nginx", "nginx/1.18.0"),
        _server("nginx-fixed", "nginx/1.30.4"),
        _server("nginx-backport", "nginx/1.18.0 (Ubuntu)"),
        _grafana("grafana", GRAFANA_OLD, _grafana_climb),
        _grafana("grafana-fixed", GRAFANA_NEW, not_found),
        _jquery("jquery", JQUERY_OLD),
        _jquery("jquery-fixed", JQUERY_NEW),
    ]


def _server(label: str, banner: str, fallback: Handler = not_found) -> Site:
    shown = text_page("It works!", "<p>The default page of a web server.</p>")
    return Site(label, {("GET", "/"): shown}, {"server": banner}, fallback)


def _raw_path(request: Request) -> str:
    path = request.scope.get("raw_path", b"")
    return path.decode("latin-1").lower() if isinstance(path, bytes) else ""


def _apache_climb(request: Request) -> Response:
    path = _raw_path(request)
    climbs = path.count("/.%2e") + path.count("/%2e.") + path.count("/%2e%2e")
    inside = path.startswith(("/cgi-bin/", "/icons/"))
    if inside and climbs >= 4 and path.endswith("/etc/passwd"):
        return Response(PASSWD, headers={"content-type": "text/plain"})
    return not_found(request)


def _refuse_climb(request: Request) -> Response:
    if "%2e" in _raw_path(request):
        return page("Bad Request", "<p>Your browser sent a request that this server could not understand.</p>", 400)
    return not_found(request)


def _grafana_climb(request: Request) -> Response:
    path = _raw_path(request)
    climbs = path.count("/..") + path.count("/%2e%2e")
    if path.startswith("/public/plugins/") and climbs >= 4 and path.endswith("/etc/passwd"):
        return Response(PASSWD, headers={"content-type": "text/plain"})
    return not_found(request)


def _grafana(label: str, version: str, fallback: Handler) -> Site:
    settings = (
        f'{{"settings":{{"buildInfo":{{"version":"{version}","commit":"914fcedb72","edition":"Open Source"}}}}}}'
    )

    def login(request: Request) -> Response:
        return page(
            "Grafana",
            '<div id="reactRoot" class="grafana-app"></div><p>Loading Grafana</p>'
            f"<script>window.grafanaBootData = {settings};</script>",
            head=f'<link rel="icon" type="image/png" href="/public/img/fav32.png"><meta name="grafana" content="{version}">',
        )

    health = raw(
        f'{{"commit":"914fcedb72","database":"ok","version":"{version}"}}\n', "application/json; charset=UTF-8"
    )
    routes: Routes = {("GET", "/"): login, ("GET", "/login"): login, ("GET", "/api/health"): health}
    return Site(label, routes, fallback=fallback)


def _jquery(label: str, version: str) -> Site:
    path = f"/js/jquery-{version}.min.js"
    script = (
        f"/*! jQuery v{version} | (c) OpenJS Foundation and other contributors | jquery.org/license */\n"
        f'(function(w){{w.jQuery=w.$={{fn:{{jquery:"{version}"}}}}}})(window);\n'
    )
    index = text_page("Gallery", f'<p>Pictures of anvils.</p><script src="{path}"></script>')
    return Site(label, {("GET", "/"): index, ("GET", path): raw(script, "text/javascript")})

"""Packages that programs are built from: frameworks, development servers, dashboards and servlet containers.

Each does what the real package was seen to do where it was installed in both versions and asked (docs/accuracy.md).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote

from secrecon.lab.twins.shapes import PASSWD, Answer, Asked, Told, absent, as_json, denied, moved, plain, shown

_WEB_XML = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<web-app version="3.0"><display-name>little</display-name></web-app>\n'
)
_HEX = "763203f93f18a3f1f5d14f74197580e4"


def _climbs(path: str, below: str) -> bool:
    """Whether a path that is decoded once leaves a folder four deep and ends at the file that every Unix has."""
    return path.startswith(below) and path.count("../") >= 5 and path.endswith("/etc/passwd")


def django(asked: Asked, fixed: bool) -> Told:
    """Adds the missing slash; the fix escapes the second of two leading ones."""
    if asked.path == "/":
        return shown("Pages", "<h1>Pages</h1>")
    if asked.path.endswith("/"):
        return shown("Page", "<h1>Page</h1>")
    path = asked.path + "/"
    return moved("/%2F" + path[2:] if fixed and path.startswith("//") else path, 301)


def notebook(asked: Asked, fixed: bool) -> Told:
    """Takes the slash off; the fix takes off all leading ones but one."""
    if asked.path == "/":
        return moved("/tree?")
    path = asked.path.rstrip("/")
    if path == asked.path:
        return absent()
    return moved("/" + path.lstrip("/") if fixed else path)


def pypiserver(asked: Asked, fixed: bool) -> Told:
    """Sends a name to its page below /simple/; what follows a line break in it is a header of its own."""
    if asked.path == "/":
        return shown("Welcome to pypiserver!", "<h1>Welcome to pypiserver!</h1>")
    path, added = asked.plain.rstrip("/"), {}
    head, breaks, rest = path.partition("\r\n")
    if breaks and not fixed:
        name, _, value = rest.partition(":")
        added[name] = value.strip() + "/simple/"
    where = "/simple" + (head if breaks else path).replace("\r", "").replace("\n", "") + "/"
    return Told("", 303, headers={"Location": where, **added})


def pyload(asked: Asked, fixed: bool) -> Told:
    """Renders its information page for everybody; the fix asks for a login."""
    if asked.path != "/render/info.html":
        return shown("Login - pyLoad", "<form method='post'></form>") if asked.path == "/" else absent()
    if fixed:
        return moved("/login?next=" + asked.path)
    settings = "{&#39;ENV&#39;: &#39;production&#39;, &#39;SECRET_KEY&#39;: b&#39;\\x8d\\xf1invented&#39;, "
    return shown(
        "System Information", f"<td>{settings}&#39;SESSION_COOKIE_NAME&#39;: &#39;pyload_session&#39;}}</td>"
    )


def gradio_method(asked: Asked, fixed: bool) -> Told:
    """Calls what it is told to on component 1; the fix knows no function that was not offered."""
    if asked.path != "/component_server" or asked.method != "POST":
        return shown("Gradio") if asked.path == "/" else absent()
    if fixed:
        return as_json({"detail": "Function not found."}, 404)
    call = asked.document
    if isinstance(call, dict) and call.get("component_id") == "1" and call.get("fn_name") == "as_example":
        return as_json(call.get("data"))
    return plain("Internal Server Error", 500)


def gradio_file(asked: Asked, fixed: bool) -> Told:
    """Opens what stands after /file/."""
    if asked.path == "/":
        return shown("Gradio")
    if _climbs(asked.plain, "/file/"):
        return (
            shown("500 Internal Server Error", "", 500) if fixed else plain(PASSWD, kind="application/octet-stream")
        )
    return absent()


def litestar(asked: Asked, fixed: bool) -> Told:
    """Serves below /static; the fix takes out the dots before it compares."""
    if _climbs(asked.path, "/static/") and not fixed:
        return plain(PASSWD, kind="application/octet-stream")
    detail = f"no file or directory match the path {asked.path[8:]} was found"
    return Told(f'{{"status_code":404,"detail":"{detail}"}}', 404, "application/json")


def nicegui(asked: Asked, fixed: bool) -> Told:
    """A page whose map has a folder of its own."""
    folder = f"/_nicegui/1.4.20/resources/{_HEX}"
    if asked.path == "/":
        return shown("NiceGUI", f'<script>createApp({{"resource_path": "{folder}"}})</script>')
    if _climbs(asked.plain, folder + "/") and not fixed:
        return plain(PASSWD)
    return shown("NiceGUI", "<h1>404</h1>", 404)


def st(asked: Asked, fixed: bool) -> Told:
    """Serves below /public, and decodes last."""
    if asked.path == "/":
        return shown("Home")
    climbs = asked.path.startswith("/public/") and asked.path.lower().count("/%2e%2e") >= 5
    if climbs and asked.path.endswith("/etc/passwd") and not fixed:
        tag = '"65024-737-1779294449000"'
        return Told(PASSWD, kind="application/octet-stream", headers={"ETag": tag})
    return absent()


def total(asked: Asked, fixed: bool) -> Told:
    """Serves files with a known ending, one folder up when it is asked to."""
    if asked.path == "/":
        return shown("Home")
    if asked.plain == "/../node_modules/total.js/index.js" and ".%2e" in asked.path.lower() and not fixed:
        source = "'use strict';const Qs=require('querystring');const Crypto=require('crypto');"
        return plain(source + "const Child=require('child_process');", kind="text/javascript; charset=utf-8")
    return shown("404: Not Found", "<b>404</b>", 404)


def swagger_ui(asked: Asked, fixed: bool) -> Told:
    """Serves its own folder beside the documentation."""
    if asked.path in ("/documentation", "/documentation/"):
        return shown("Swagger UI", '<div id="swagger-ui"></div>')
    if asked.path == "/documentation/package.json" and not fixed:
        return Told(
            '{\n  "name": "@fastify/swagger-ui",\n  "version": "2.0.1"\n}\n', kind="application/json; charset=UTF-8"
        )
    return as_json({"message": f"Route GET:{asked.path} not found", "error": "Not Found", "statusCode": 404}, 404)


def next_static(asked: Asked, fixed: bool) -> Told:
    """Serves files of the build folder."""
    if asked.path == "/":
        return shown("Home", '<div id="__next"><h1>Home</h1></div>')
    if asked.path == "/_next/static/../server/pages-manifest.json" and not fixed:
        pages = {"/_app": "static/abc/pages/_app.js", "/": "static/abc/pages/index.js"}
        return Told(as_json(pages).body, kind="application/json; charset=UTF-8")
    return absent()


def node_red(asked: Asked, fixed: bool) -> Told:
    """Serves scripts of its widgets."""
    if asked.path == "/":
        return shown("Node-RED")
    if _climbs(asked.plain, "/ui_base/js/") and "%2f" in asked.path.lower() and not fixed:
        return plain(PASSWD, kind="application/octet-stream")
    return absent()


def _jetty(ways: str) -> Answer:
    """A container whose WEB-INF can be reached by paths that `ways`, a pattern, matches."""
    pattern = re.compile(ways)

    def answer(asked: Asked, fixed: bool) -> Told:
        if pattern.fullmatch(asked.target) and not fixed:
            return Told(_WEB_XML, kind="application/xml")
        return shown("Home", "<h1>Home</h1>") if asked.path == "/" else absent()

    return answer


def jetty_leak(asked: Asked, fixed: bool) -> Told:
    """Names the character it did not like; the old version with what lay around it."""
    bad = next(
        (value for value in asked.headers.values() if any(ord(char) < 32 and char != "\t" for char in value)), ""
    )
    if not bad:
        return absent()
    code = next(ord(char) for char in bad if ord(char) < 32)
    reason = f"Illegal character 0x{code:x}"
    if not fixed:
        reason += rf" in state=HEADER_VALUE in 'GET / HTTP/1.1\r\nX...: \x{code:02x}<<<{bad[1:]}\r\n\r\n>>>earlier'"
    return plain(reason, 400)


def config_server(asked: Asked, fixed: bool) -> Told:
    """Gives the settings of an application whose name is a part of a path."""
    parts = asked.path.strip("/").split("/")
    if len(parts) != 2:
        return as_json({"status": 404, "error": "Not Found"}, 404)
    name = unquote(unquote(parts[0]))
    sources: list[dict[str, object]] = []
    if name.count("../") >= 5 and name.partition("#")[0].endswith("/etc/passwd"):
        if fixed:
            return as_json({"status": 400, "error": "Bad Request"}, 400)
        lines = [line.partition(":") for line in PASSWD.decode().splitlines()]
        sources = [{"name": f"file:/srv/{name}.properties", "source": {user: rest for user, _, rest in lines}}]
    return as_json({"name": unquote(parts[0]), "profiles": [parts[1]], "propertySources": sources})


def jolokia(asked: Asked, fixed: bool) -> Told:
    """Repeats a type that it does not know, as the type of answer that it is asked for."""
    if not asked.path.startswith("/jolokia/"):
        return denied() if asked.path == "/" else absent()
    wanted = asked.values.get("mimeType", "text/plain")
    known = "text/plain" if fixed and wanted not in ("text/plain", "application/json") else wanted
    kind = asked.plain.removeprefix("/jolokia/")
    said = f"java.lang.IllegalArgumentException: No type with name '{kind}' exists"
    return plain('{"stacktrace":"' + said + '","status":400}', kind=f"{known};charset=utf-8")


TWINS: Mapping[str, Answer] = {
    "CVE-2014-3744": st,
    "CVE-2015-2080": jetty_leak,
    "CVE-2018-1000129": jolokia,
    "CVE-2018-14574": django,
    "CVE-2019-6802": pypiserver,
    "CVE-2019-8903": total,
    "CVE-2020-26215": notebook,
    "CVE-2020-5284": next_static,
    "CVE-2020-5410": config_server,
    "CVE-2021-28164": _jetty(r"/%2e/WEB-INF/web\.xml"),
    "CVE-2021-28169": _jetty(r"/concat\?/%2557EB-INF/web\.xml"),
    "CVE-2021-3223": node_red,
    "CVE-2021-34429": _jetty(r"/(?:%u002e|\.%00)/WEB-INF/web\.xml"),
    "CVE-2021-43831": gradio_file,
    "CVE-2024-1561": gradio_method,
    "CVE-2024-21644": pyload,
    "CVE-2024-22207": swagger_ui,
    "CVE-2024-32005": nicegui,
    "CVE-2024-32982": litestar,
}

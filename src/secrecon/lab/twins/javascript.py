"""What runs on Node.js: frameworks, their development servers, and products made with them."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping

from secrecon.lab.twins.data import compact
from secrecon.lab.twins.shapes import PASSWD, Answer, Asked, Told, absent, moved, plain, shown

_SCRIPT = "text/javascript"


def _vite(asked: Asked) -> Told:
    """What the development server says to anything that is allowed, or not."""
    if asked.path == "/":
        return shown("Vite App", '<script type="module" src="/@vite/client"></script>')
    if asked.path.startswith("/@fs/"):
        message = "The request id is outside of Vite serving allow list."
        return shown("403 Restricted", f"<h1>403 Restricted</h1><p>{message}</p>", 403)
    return absent()


def vite_raw(asked: Asked, fixed: bool) -> Told:
    """5.4.14 and 5.4.15: a query that ends with question marks."""
    if not fixed and asked.path == "/@fs/etc/passwd" and asked.query in ("raw??", "import&raw??"):
        return plain(f"export default {json.dumps(PASSWD.decode())}", kind=_SCRIPT)
    return _vite(asked)


def vite_inline(asked: Asked, fixed: bool) -> Told:
    """6.2.3 and 6.2.4: a file as a part of a script."""
    if fixed or asked.path != "/@fs/etc/passwd":
        return _vite(asked)
    if asked.query == "raw?import":
        return plain(f"export default {json.dumps(PASSWD.decode())}", kind=_SCRIPT)
    if asked.query != "inline=1.wasm?init":
        return _vite(asked)
    data = base64.b64encode(PASSWD).decode()
    begin = 'import initWasm from "/@id/__x00__vite/wasm-helper.js"\nexport default opts => initWasm(opts, '
    return plain(f'{begin}"data:application/octet-stream;base64,{data}")', kind=_SCRIPT)


def next_middleware(asked: Asked, fixed: bool) -> Told:
    """15.2.2 takes the caller's word for how often the middleware ran; 15.2.3 knows its own requests."""
    page = '<div id="__next"></div><script src="/_next/static/chunks/main-app.js"></script>'
    if asked.path == "/":
        return shown("Home", page)
    if asked.path == "/login":
        return shown("Sign in", page)
    if asked.path not in ("/dashboard", "/dashboard/team"):
        return shown("404: This page could not be found.", page, 404)
    runs = asked.header("x-middleware-subrequest").split(":").count("middleware")
    return shown("Dashboard", page) if runs >= 5 and not fixed else moved("/login", 307)


def server_components(asked: Asked, fixed: bool) -> Told:
    """Next.js 15.5.6 with React 19.1.1, and 15.5.7: how the values of an action are read."""
    if asked.method != "POST" or not asked.header("next-action"):
        return shown("Home", '<script src="/_next/static/chunks/main-app.js"></script>')
    parts = dict(re.findall(r'name="(\d+)"\r\n\r\n(.*?)\r\n--', asked.text, re.S))
    reference = re.search(r'"\$(\d+):(\w+):(\w+)"', parts.get("0", ""))
    known = reference is None or f'"{reference[2]}"' in parts.get(reference[1], "")
    if known or fixed:
        return plain("Server action not found.", 404, "text/plain")
    return plain('0:{"a":"$@1","f":"","b":"dev"}\n1:E{"digest":"2971658870"}\n', 500, "text/x-component")


def n8n(asked: Asked, fixed: bool) -> Told:
    """1.120.3 and 1.120.4, as their settings say."""
    if asked.path != "/rest/settings":
        return shown("n8n.io - Workflow Automation", '<div id="app"></div>') if asked.path == "/" else absent()
    version = "1.120.4" if fixed else "1.120.3"
    said = {"settingsMode": "public", "instanceId": "ab" * 32, "versionCli": version, "releaseChannel": "stable"}
    return compact({"data": said}, kind="application/json; charset=utf-8")


def ghost(asked: Asked, fixed: bool) -> Told:
    """5.42.0 looks at the path before it decodes it; 5.42.1 after."""
    if asked.path == "/":
        return shown("A blog", '<meta name="generator" content="Ghost 5.42">')
    if fixed or asked.path != "/assets/built%2F..%2F..%2F/package.json":
        return absent()
    engines = {"ghost": ">=5.0.0"}
    theme = {
        "name": "casper",
        "version": "5.4.9",
        "engines": engines,
        "keywords": ["ghost", "theme", "ghost-theme"],
    }
    return plain(json.dumps(theme, indent=4), kind="application/json; charset=UTF-8")


TWINS: Mapping[str, Answer] = {
    "CVE-2023-32235": ghost,
    "CVE-2025-29927": next_middleware,
    "CVE-2025-30208": vite_raw,
    "CVE-2025-31125": vite_inline,
    "CVE-2025-55182": server_components,
    "CVE-2025-68613": n8n,
}

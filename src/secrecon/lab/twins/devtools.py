"""What developers and operators work with: code hosts, gateways, registries, frameworks of other languages."""

from __future__ import annotations

import re
from collections.abc import Mapping

from secrecon.lab.twins.data import compact
from secrecon.lab.twins.shapes import PASSWD, Answer, Asked, Told, absent, denied, plain, shown


def gitlab(asked: Asked, fixed: bool) -> Told:
    """14.5.1 checks pipelines for strangers, 14.5.2 for users."""
    if asked.path != "/api/v4/ci/lint":
        return shown("Sign in · GitLab", "<form></form>") if asked.path in ("/", "/users/sign_in") else absent()
    said = asked.document
    if fixed or not isinstance(said, dict):
        return compact({"message": "401 Unauthorized"}, 401)
    remote = re.search(r"remote: '(http[^']+)'", str(said.get("content")))
    wanted = (remote[1],) if remote else ()
    error = (
        f"Included file `{wanted[0]}` is empty or does not exist!" if wanted else "jobs config should contain a job"
    )
    told = compact({"status": "invalid", "errors": [error], "warnings": []})
    return Told(told.body, told.status, told.kind, fetches=wanted)


def gogs(asked: Asked, fixed: bool) -> Told:
    """The footers of 0.13.3 and 0.13.4."""
    if asked.path not in ("/", "/user/login"):
        return absent()
    version = "0.13.4" if fixed else "0.13.3"
    footer = f"<footer>© 2025 Gogs Version: {version} Page: <strong>1ms</strong></footer>"
    return shown("Gogs", footer, Set_Cookie="i_like_gogs=0123456789abcdef; Path=/; HttpOnly")


def adminer(asked: Asked, fixed: bool) -> Told:
    """The login pages of 4.7.8 and 4.7.9."""
    if asked.path not in ("/adminer.php", "/adminer/"):
        return shown("Shop", "<p>Shop</p>") if asked.path == "/" else absent()
    version = "4.7.9" if fixed else "4.7.8"
    link = "<a href='https://www.adminer.org/' target=\"_blank\" rel=\"noreferrer noopener\" id='h1'>Adminer</a>"
    return shown("Login - Adminer", f'<h1>{link} <span class="version">{version}</span></h1><form></form>')


def apisix(asked: Asked, fixed: bool) -> Told:
    """2.12.0 hands a caller's address header on to each request of a batch; 2.12.1 writes its own."""
    inside = {
        "status": 401,
        "reason": "Unauthorized",
        "body": '{"error_msg":"failed to check token"}\n',
        "headers": {},
    }
    outside = {"status": 403, "reason": "Forbidden", "body": "<h1>403 Forbidden</h1>\r\n", "headers": {}}
    if asked.path.startswith("/apisix/admin/"):
        return shown("403 Forbidden", "<center><h1>403 Forbidden</h1></center><hr><center>openresty</center>", 403)
    if asked.path != "/apisix/batch-requests" or asked.method != "POST":
        return compact({"error_msg": "404 Route Not Found"}, 404)
    said = asked.document
    if not isinstance(said, dict) or "pipeline" not in said:
        return compact({"error_msg": "invalid request body: empty body"}, 400)
    local = said.get("headers", {}).get("X-Real-IP") == "127.0.0.1"
    return compact([inside if local and not fixed else outside])


def nacos(asked: Asked, fixed: bool) -> Told:
    """1.4.0 and 1.4.1 with authentication on."""
    if asked.path != "/nacos/v1/auth/users":
        return shown("Nacos", "<div id='root'></div>") if asked.path in ("/", "/nacos/") else absent()
    if fixed or not asked.header("user-agent").startswith("Nacos-Server"):
        return compact({"status": 403, "error": "Forbidden", "message": "unknown user!", "path": asked.path}, 403)
    values = asked.values
    first = {"username": "nacos", "password": "$2a$10$" + 53 * "."}
    number = int(values.get("pageNo", "1"))
    items = [first] if number == 1 else []
    return compact({"totalCount": 1, "pageNumber": number, "pagesAvailable": 1, "pageItems": items})


def aiohttp(asked: Asked, fixed: bool) -> Told:
    """3.9.1 and 3.9.2 with static files and follow_symlinks."""
    server = {"server": "Python/3.11 aiohttp/3.9.2" if fixed else "Python/3.11 aiohttp/3.9.1"}
    climbs = (
        asked.path.startswith("/static/") and asked.path.count("../") >= 8 and asked.path.endswith("/etc/passwd")
    )
    if climbs and not fixed:
        return Told(PASSWD, 200, "application/octet-stream", server)
    found = asked.path == "/"
    return Told("Hello" if found else "404: Not Found", 200 if found else 404, "text/plain; charset=utf-8", server)


def rails(asked: Asked, fixed: bool) -> Told:
    """5.2.2 looks for a file by what the Accept header says; 5.2.2.1 takes known kinds only."""
    if asked.path not in ("/", "/robots.txt"):
        return absent()
    accept = asked.header("accept")
    if accept.count("../") >= 8 and accept.endswith("/etc/passwd{{"):
        return denied(406) if fixed else plain(PASSWD, kind="text/html; charset=utf-8")
    return shown("Chapters", "<h1>README</h1>")


TWINS: Mapping[str, Answer] = {
    "CVE-2019-5418": rails,
    "CVE-2021-21311": adminer,
    "CVE-2021-29441": nacos,
    "CVE-2021-39935": gitlab,
    "CVE-2022-24112": apisix,
    "CVE-2024-23334": aiohttp,
    "CVE-2025-8110": gogs,
}

"""What watches other machines: dashboards and pollers that strangers should not reach."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from urllib.parse import unquote

from secrecon.lab.twins.shapes import PASSWD, Answer, Asked, Told, absent, as_json, moved, plain, shown


def grafana(asked: Asked, fixed: bool) -> Told:
    """8.3.0 joins what follows a plugin's name to its folder; 8.3.1 cleans it first."""
    found = re.fullmatch(r"/public/plugins/(\w+)/(.*)", asked.path)
    if found is None:
        return shown("Grafana", "<div>Loading Grafana</div>") if asked.path in ("/", "/login") else absent()
    if found[1] not in ("alertlist", "text"):
        return as_json({"message": "Plugin not found"}, 404)
    climbs = found[2].count("../") >= 8 and found[2].endswith("../etc/passwd")
    if fixed or not climbs:
        return as_json({"message": "Plugin file not found"}, 404)
    return plain(PASSWD, kind="text/plain; charset=utf-8")


def kibana(asked: Asked, fixed: bool) -> Told:
    """6.6.0 and 6.6.1, as their headers say."""
    said = {"kbn-name": "kibana", "kbn-version": "6.6.1" if fixed else "6.6.0"}
    if asked.path == "/":
        return Told("", 302, headers={"Location": "/app/kibana", **said})
    if asked.path != "/app/kibana":
        return Told('{"statusCode":404,"error":"Not Found"}', 404, "application/json; charset=utf-8", said)
    return Told("<!DOCTYPE html><html><title>Kibana</title></html>", headers=said)


def zabbix(asked: Asked, fixed: bool) -> Told:
    """5.4.8 takes the name from an unsigned cookie; 5.4.9 refuses such a cookie."""
    if asked.path != "/index_sso.php":
        return shown("Zabbix", '<form action="index.php">Username</form>') if asked.path == "/" else absent()
    name = _saml_name(asked.header("cookie"))
    if name is None:
        return moved("https://idp.acme.test/saml2/http-redirect/sso?SAMLRequest=fZJ")
    if name == "Admin" and not fixed:
        return moved("zabbix.php?action=dashboard.view")
    unknown = "Incorrect user name or password or account is temporarily blocked."
    warning = "Session initialization error." if fixed else unknown
    return shown(
        "Zabbix", f"<output><h1>You are not logged in</h1><li>{warning}</li><button>Login</button></output>"
    )


def _saml_name(cookie: str) -> str | None:
    found = re.search(r"zbx_session=([^;]+)", cookie)
    try:
        said = json.loads(base64.b64decode(unquote(found[1]))) if found else None
    except (ValueError, binascii.Error):
        return None
    return str(said["saml_data"]["username_attribute"]) if isinstance(said, dict) and "saml_data" in said else None


def cacti(asked: Asked, fixed: bool) -> Told:
    """1.2.22 takes the client's address from a header; 1.2.23 from the connection."""
    if asked.path != "/remote_agent.php":
        return shown("Login to Cacti", "<form></form>") if asked.path in ("/", "/index.php") else absent()
    if fixed or asked.header("x-forwarded-for") != "127.0.0.1":
        refusal = "FATAL: Client authorization failed.  You are not authorized to use this service"
        return plain(refusal, kind="text/html; charset=UTF-8")
    return plain("[]" if asked.values.get("action") == "polldata" else "", kind="text/html; charset=UTF-8")


TWINS: Mapping[str, Answer] = {
    "CVE-2019-7609": kibana,
    "CVE-2021-43798": grafana,
    "CVE-2022-23131": zabbix,
    "CVE-2022-46169": cacti,
}

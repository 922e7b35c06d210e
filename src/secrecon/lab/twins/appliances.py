"""Gateways, firewalls, load balancers and cameras: files and interfaces that a strange path, header or token opens."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote_plus

from secrecon.lab.twins.evaluating import evaluated, product_in
from secrecon.lab.twins.shapes import PASSWD, Answer, Asked, Told, absent, as_json, denied, moved, plain, shown

SMB_CONF = "[global]\n\tencrypt passwords = yes\n\tname resolve order = lmhosts wins host bcast\n"
PORTAL_LUA = (
    'dofile("/+CSCOE+/include/common.lua")\nlocal INTERNAL_PASSWORD_ENABLED, CONF_VIRTUAL_KEYBOARD = 1, 2\n'
)
SSLVPND = b"\x7fELF\x02\x01\x01\x00" + bytes(120)
_URI = re.compile(r'URI="(http://[^"]+)"')


def citrix(asked: Asked, fixed: bool) -> Told:
    if asked.path == "/vpn/../vpns/cfg/smb.conf":
        return denied() if fixed else plain(SMB_CONF)
    return moved("/vpn/index.html")


def bigip_file(asked: Asked, fixed: bool) -> Told:
    if asked.path == "/tmui/login.jsp/..;/tmui/locallb/workspace/fileRead.jsp" and not fixed:
        return as_json({"output": PASSWD.decode() if asked.values.get("fileName") == "/etc/passwd" else ""})
    return absent() if "..;" in asked.path else shown("BIG-IP&reg;- Redirect")


def bigip_interface(lets_in: str) -> Answer:
    """The REST interface. `lets_in`: what the token's header must be for the flaw, where a name is sent along."""
    version = {
        "kind": "tm:sys:version:versionstats",
        "selfLink": "https://localhost/mgmt/tm/sys/version?ver=15.1.2",
        "entries": {"0": {"nestedStats": {"entries": {"Product": {"description": "BIG-IP"}}}}},
    }

    def answer(asked: Asked, fixed: bool) -> Told:
        token = (
            "X-F5-Auth-Token" in asked.header("connection")
            if lets_in == "hop"
            else (asked.headers.get("x-f5-auth-token") == "")
        )
        named = asked.header("authorization").startswith("Basic ")
        if asked.path == "/mgmt/tm/sys/version" and token and named and not fixed:
            return as_json(version)
        return as_json(
            {"code": 401, "message": "Authorization failed: no user authentication header", "restOperationId": 1},
            401,
        )

    return answer


def fortios_language(asked: Asked, fixed: bool) -> Told:
    if asked.path != "/remote/fgt_lang":
        return moved("/remote/login")
    name = f"/migadmin/lang/{asked.values.get('lang', '')}.json"[:63]
    return plain(b"var fgt_lang = " + SSLVPND) if name.endswith("/bin/sslvpnd") and not fixed else absent()


def fortios_internal(asked: Asked, fixed: bool) -> Told:
    trusted = "127.0.0.1" in asked.header("forwarded") and asked.header("user-agent") == "Report Runner"
    if not trusted or fixed or not asked.path.startswith("/api/v2/cmdb/"):
        return shown("401", "Unauthorized", 401)
    return as_json(
        {
            "http_method": "GET",
            "results": {"output": "more"},
            "vdom": "root",
            "path": "system",
            "name": "console",
            "status": "success",
            "serial": "FGVM00TM00000000",
            "version": "v7.2.1",
            "build": 1254,
        }
    )


def fortiweb(asked: Asked, fixed: bool) -> Told:
    token = asked.header("authorization").removeprefix("Bearer ")
    left, _, right = token.rpartition("'/**/or/**/")[2].partition("=")
    if "'/**/or/**/" in token and left.strip("'") == right.strip("'") and not fixed:
        return as_json({"device": {"model": "FortiWeb-VM", "version": "7.4.3"}})
    return as_json({"error": {"message": "unauthorized"}}, 401)


def pulse(asked: Asked, fixed: bool) -> Told:
    climbs = asked.path.startswith("/dana-na/../dana/html5acc/guacamole/../") and asked.path.endswith("/etc/passwd")
    if climbs and not fixed:
        return plain(PASSWD, kind="application/octet-stream")
    return moved("/dana-na/auth/url_default/welcome.cgi")


def connect_secure(asked: Asked, fixed: bool) -> Told:
    if asked.path == "/api/v1/totp/user-backup-code/../../system/system-information" and not fixed:
        system = {"hardware-model": "ISA-V", "os-name": "ive-os", "os-version": "22.3R1"}
        return as_json({"software-inventory": {}, "system-information": system})
    return denied()


def connect_secure_saml(asked: Asked, fixed: bool) -> Told:
    if asked.path != "/dana-ws/saml20.ws":
        return absent()
    fetched = _URI.search(asked.text.partition("RetrievalMethod")[2])
    return Told("", 200, "text/xml", fetches=(fetched.group(1),) if fetched and not fixed else ())


def epmm_ping(open_path: str) -> Answer:
    """An interface whose ping answers strangers at `open_path`."""

    def answer(asked: Asked, fixed: bool) -> Told:
        if asked.path == open_path and not fixed:
            return as_json({"results": {"apiVersion": 2.0, "vspVersion": "VSP 11.4.1.0 Build 9 "}})
        return shown("401", "Unauthorized", 401)

    return answer


def epmm_format(asked: Asked, fixed: bool) -> Told:
    if asked.path != "/mifs/rs/api/v2/featureusage" or fixed:
        return shown("401", "Unauthorized", 401)
    value = evaluated(unquote_plus(asked.values.get("format", "")), "${", "}")
    told = f"Format '{value}' is invalid. Valid formats are 'json', 'csv'."
    return as_json({"messages": [{"type": "Error", "localizedMessage": told}]}, 400)


def panos(way: str) -> Answer:
    """A management that shows its pages to whoever comes by `way`: a header, or a path."""

    def answer(asked: Asked, fixed: bool) -> Told:
        by_header = way == "header" and asked.header("x-pan-authcheck") == "off" and asked.path.startswith("/php/")
        if (by_header or asked.path == way) and not fixed:
            return shown("Zero Touch Provisioning", "<h2>Zero Touch Provisioning (ZTP)</h2>")
        return moved("/php/login.php")

    return answer


def checkpoint(asked: Asked, fixed: bool) -> Told:
    if asked.path != "/clients/MyCRL" or asked.method != "POST":
        return absent()
    climbs = asked.text.startswith("aCSHELL/../") and asked.text.endswith("/etc/passwd")
    return plain(PASSWD, kind="application/octet-stream") if climbs and not fixed else denied()


def asa_translation(asked: Asked, fixed: bool) -> Told:
    if asked.path != "/+CSCOT+/translation-table":
        return moved("/+CSCOE+/logon.html")
    climbs = asked.values.get("lang") == "../" and asked.values.get("textdomain") == "/+CSCOE+/portal_inc.lua"
    return plain(PORTAL_LUA, kind="application/octet-stream") if climbs and not fixed else plain("")


def asa_list(asked: Asked, fixed: bool) -> Told:
    if asked.path == "/+CSCOU+/../+CSCOE+/files/file_list.json" and not fixed:
        return plain(
            "[{'name':'sessions','size':0,'type':'1','mdate':1589,'path':'///sessions'}]", kind="application/json"
        )
    return moved("/+CSCOE+/logon.html")


def junos(asked: Asked, fixed: bool) -> Told:
    page = "<html><head><title>Juniper Web Device Manager</title></head><body></body></html>"
    sets = asked.values.get("PHPRC") == "/dev/fd/0" and asked.text.strip() == 'auto_prepend_file="/etc/passwd"'
    return Told((PASSWD.decode() if sets and not fixed else "") + page)


def sonicwall(asked: Asked, fixed: bool) -> Told:
    if asked.path != "/cgi-bin/supportInstaller" or asked.header("user-agent") != "MSIE":
        return absent()
    field = asked.form.get("customerTID", "")
    told = product_in(field) if "UNION SELECT" in field and not fixed else ""
    return shown("Virtual Assist", f'<input name="supporterName" value="{told}">')


def hikvision(asked: Asked, fixed: bool) -> Told:
    if asked.path == "/System/deviceInfo" and asked.values.get("auth") == "YWRtaW46MTEK" and not fixed:
        device = "<model>DS-2CD2032-I</model><firmwareVersion>V5.3.0</firmwareVersion>"
        return plain(
            f'<?xml version="1.0"?><DeviceInfo version="1.0">{device}</DeviceInfo>', kind="application/xml"
        )
    return shown("Document Error: Unauthorized", status=401)


TWINS: Mapping[str, Answer] = {
    "CVE-2017-7921": hikvision,
    "CVE-2018-0296": asa_list,
    "CVE-2018-13379": fortios_language,
    "CVE-2019-11510": pulse,
    "CVE-2019-19781": citrix,
    "CVE-2019-7481": sonicwall,
    "CVE-2020-3452": asa_translation,
    "CVE-2020-5902": bigip_file,
    "CVE-2021-22986": bigip_interface("empty"),
    "CVE-2022-1388": bigip_interface("hop"),
    "CVE-2022-40684": fortios_internal,
    "CVE-2023-35078": epmm_ping("/mifs/aad/api/v2/ping"),
    "CVE-2023-35082": epmm_ping("/mifs/asfV3/api/v2/ping"),
    "CVE-2023-36845": junos,
    "CVE-2023-46805": connect_secure,
    "CVE-2024-0012": panos("header"),
    "CVE-2024-21893": connect_secure_saml,
    "CVE-2024-24919": checkpoint,
    "CVE-2025-0108": panos("/unauth/%252e%252e/php/ztp_gate.php/PAN_help/x.css"),
    "CVE-2025-25257": fortiweb,
    "CVE-2025-4427": epmm_format,
}

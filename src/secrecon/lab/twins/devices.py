"""Routers, recorders and what manages them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from secrecon.lab.twins.shapes import PASSWD, WIN_INI, Answer, Asked, Told, absent, denied, moved, plain, shown


def _vigorconnect(asked: Asked, fixed: bool, path: str, name: str) -> Told:
    """1.6.0-B3 and 1.6.1: what stands for a file's name in the query."""
    if asked.path != path:
        return shown("VigorConnect", "<div></div>") if asked.path == "/" else absent()
    value = asked.values.get(name, "")
    if fixed or value.count("../") < 6 or not value.endswith("/etc/passwd"):
        return denied(404)
    return plain(PASSWD, kind="application/octet-stream")


def vigorconnect_download(asked: Asked, fixed: bool) -> Told:
    """A file for download."""
    return _vigorconnect(asked, fixed, "/ACSServer/DownloadFileServlet", "show_file_name")


def vigorconnect_map(asked: Asked, fixed: bool) -> Told:
    """The picture of a map."""
    return _vigorconnect(asked, fixed, "/ACSServer/WebServlet", "filename")


def nvms(asked: Asked, fixed: bool) -> Told:
    """NVMS-1000, and one that stays in its folder."""
    if asked.path == "/Pages/login.htm":
        return shown("NVMS-1000", "<input id='username'>")
    if asked.path.startswith("/../../../") and asked.path.endswith("/windows/win.ini"):
        return denied(400) if fixed else plain(WIN_INI)
    return moved("/Pages/login.htm") if asked.path == "/" else absent()


def dir859(asked: Asked, fixed: bool) -> Told:
    """1.06 climbs to where a service's name leads; one that takes known services only."""
    if asked.path != "/hedwig.cgi":
        return shown("D-LINK SYSTEMS, INC. | WIRELESS ROUTER", "<form></form>") if asked.path == "/" else absent()
    service = re.search(r"<service>([^<]+)</service>", asked.text)
    leads = service is not None and service[1].endswith("/htdocs/webinc/getcfg/DHCPS6.BRIDGE-1.xml")
    if fixed or not leads or "uid=" not in asked.header("cookie"):
        said = (
            "<hedwig>\n\t<result>FAILED</result>\n\t<node></node>\n\t<message>Not authorized</message>\n</hedwig>"
        )
    else:
        said = (
            "<module>\n\t<service>DHCPS6.BRIDGE-1</service>\n\t<inf><dhcps6></dhcps6></inf>\n\t<dhcps6>\n\t\t<seqno>1</seqno>"
            "\n\t</dhcps6>\n</module>"
        )
    return plain(f'<?xml version="1.0" encoding="utf-8"?>\n{said}\n', kind="text/xml")


def archer(asked: Asked, fixed: bool) -> Told:
    """Firmware of 2014 and of 2015."""
    if asked.path.startswith("/login/..") and asked.path.endswith("/etc/passwd"):
        return denied(404) if fixed else plain(PASSWD, kind="text/html")
    return shown("TL-WR841N", "<form></form>") if asked.path == "/" else absent()


TWINS: Mapping[str, Answer] = {
    "CVE-2015-3035": archer,
    "CVE-2019-20085": nvms,
    "CVE-2021-20123": vigorconnect_download,
    "CVE-2021-20124": vigorconnect_map,
    "CVE-2024-0769": dir859,
}

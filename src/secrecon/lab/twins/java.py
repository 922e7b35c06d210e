"""Java servers and build servers: doors that a strange path opens, and objects built from what strangers send."""

from __future__ import annotations

import re
from collections.abc import Mapping

from secrecon.lab.twins.shapes import PASSWD, Answer, Asked, Told, absent, denied, moved, plain, shown

_STRING = re.compile(r"<string>(http://[^<]+)</string>")
WEBLOGIC_LOGIN = """<form action="/console/j_security_check"><input name="j_username"></form>
Oracle WebLogic Server Administration Console"""
WEBLOGIC_HOME = (
    '<h1>Oracle WebLogic Server Administration Console</h1><a href="/console/console.portal?_nfpb=true&amp;_pageLabel=HomePage1">'
    "Home</a><a>Log Out</a>"
)


def weblogic_console(way: str) -> Answer:
    """A console that shows its pages to whoever comes by `way`."""

    def answer(asked: Asked, fixed: bool) -> Told:
        if asked.path == way and not fixed:
            return shown("Home Page - base_domain - WLS Console", WEBLOGIC_HOME)
        if asked.path.startswith("/console/"):
            return shown("Oracle WebLogic Server Administration Console", WEBLOGIC_LOGIN)
        return absent()

    return answer


def weblogic_wsat(asked: Asked, fixed: bool) -> Told:
    if asked.path != "/wls-wsat/CoordinatorPortType" or fixed:
        return absent()
    fetched = _STRING.search(asked.text) if "<java>" in asked.text and "openStream" in asked.text else None
    fault = "<S:Envelope><S:Body><S:Fault><faultcode>S:Server</faultcode></S:Fault></S:Body></S:Envelope>"
    return Told(fault, 500, "text/xml", fetches=(fetched.group(1),) if fetched else ())


def jboss_methods(asked: Asked, fixed: bool) -> Told:
    if asked.path != "/jmx-console/HtmlAdaptor":
        return absent()
    if asked.method in ("GET", "POST") or fixed:
        challenge = {"WWW-Authenticate": 'Basic realm="JBoss JMX Console"'}
        return Told("<h1>HTTP Status 401</h1>", 401, headers=challenge)
    return shown("JBoss JMX Management Console")


def jenkins_version(asked: Asked, fixed: bool) -> Told:
    return shown("Sign in [Jenkins]", "<form></form>", X_Jenkins="2.426.3" if fixed else "2.426.2")


def jenkins_stapler(asked: Asked, fixed: bool) -> Told:
    if not asked.path.endswith("/checkScript"):
        return absent()
    if not asked.path.startswith("/securityRealm/user/") or fixed:
        return denied()
    script = asked.values.get("value", "")
    complaint = f"startup failed:\nScript1.groovy: 1: unexpected token: ) @ line 1, column {script.find(')') + 1}."
    return shown("", f"<div class=error>{complaint}</div>")


def teamcity_jsp(asked: Asked, fixed: bool) -> Told:
    page = asked.values.get("jsp", "")
    if page == "/app/rest/server;.jsp" and not fixed:
        body = '<?xml version="1.0"?><server version="2023.11.3 (build 147512)" versionMajor="2023" buildNumber="147512"/>'
        return plain(body, kind="application/xml")
    return absent() if page else shown("Authentication required", status=401)


def teamcity_climb(asked: Asked, fixed: bool) -> Told:
    if asked.path == "/res/../admin/diagnostic.jsp" and not fixed:
        return shown("Diagnostics &mdash; TeamCity", "<a>Debug Logging</a>")
    return absent() if asked.path.startswith("/res/") else moved("/login.html", 302)


def nexus_file(asked: Asked, fixed: bool) -> Told:
    climbs = asked.path.startswith("/%2F%2F") and asked.path.endswith("..%2Fetc%2Fpasswd")
    return plain(PASSWD, kind="application/octet-stream") if climbs and not fixed else absent()


def liferay(asked: Asked, fixed: bool) -> Told:
    version = "7.2.1 CE GA2" if fixed else "7.2.0 CE GA1"
    return shown("Home", Liferay_Portal=f"Liferay Community Edition Portal {version} (Mueller / Build 7200)")


TWINS: Mapping[str, Answer] = {
    "CVE-2010-0738": jboss_methods,
    "CVE-2017-10271": weblogic_wsat,
    "CVE-2018-1000861": jenkins_stapler,
    "CVE-2020-14750": weblogic_console("/console/css/%252E./console.portal"),
    "CVE-2020-14882": weblogic_console("/console/css/%252e%252e%252fconsole.portal"),
    "CVE-2020-7961": liferay,
    "CVE-2024-23897": jenkins_version,
    "CVE-2024-27198": teamcity_jsp,
    "CVE-2024-27199": teamcity_climb,
    "CVE-2024-4956": nexus_file,
}

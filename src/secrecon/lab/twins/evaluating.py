"""Java applications that take a part of a request for an expression. A twin knows products of two numbers, nothing else:
an expression of another shape is text to it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote, unquote_plus

from secrecon.lab.twins.shapes import PASSWD, Answer, Asked, Told, absent, as_json, denied, moved, plain, shown

_PRODUCT = re.compile(r"(\d{1,6})\*(\d{1,6})")
_URL = re.compile(r"""https?://[^\s'"<>|]+""")
_JNDI = re.compile(r"\$\{jndi:\w+://([^/:}]+)")


def evaluated(text: str, opening: str, closing: str) -> str:
    """`text` with each product between the marks worked out."""
    pattern = re.compile(re.escape(opening) + r"\(?(\d{1,6})\*(\d{1,6})\)?" + re.escape(closing))
    return pattern.sub(lambda found: str(int(found.group(1)) * int(found.group(2))), text)


def product_in(text: str) -> str:
    """The first product in `text`, worked out; "" where there is none."""
    found = _PRODUCT.search(text)
    return str(int(found.group(1)) * int(found.group(2))) if found else ""


def struts_content_type(asked: Asked, fixed: bool) -> Told:
    kind = asked.header("content-type")
    page = shown("Showcase", "<p>Struts showcase</p>")
    if fixed or not kind.startswith("%{") or "addHeader('X-Sum'" not in kind:
        return page
    return Told(page.body, headers={"X-Sum": f"of{product_in(kind)}"})


def struts_namespace(asked: Asked, fixed: bool) -> Told:
    folder, _, action = asked.plain.rpartition("/")
    if not action.endswith(".action"):
        return shown("Showcase")
    return moved(f"{folder if fixed else evaluated(folder, '${', '}')}/register2.action")


def struts_tags(asked: Asked, fixed: bool) -> Told:
    given = asked.values.get("id", "")
    worked = given if fixed else evaluated(given, "%{", "}")
    safe = worked.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return shown("Item", f'<a id="{safe}" href="/item.action">item</a>')


def struts_redirect(asked: Asked, fixed: bool) -> Told:
    prefix, mark, rest = unquote(asked.query).partition("redirect:")
    if fixed or prefix or not mark:
        return shown("Showcase", "<p>Struts showcase</p>")
    return moved("/" + evaluated(rest, "${", "}"))


def confluence_path(asked: Asked, fixed: bool) -> Told:
    if not fixed and asked.plain.startswith("/${") and 'setHeader("X-Sum"' in asked.plain:
        return Told("", 302, headers={"X-Sum": f"of{product_in(asked.plain)}", "Location": "/login.action"})
    return moved("/login.action?os_destination=%2Findex.action")


def confluence_fields(asked: Asked, fixed: bool) -> Told:
    if not asked.path.startswith("/pages/"):
        return moved("/login.action")
    given = asked.form.get("queryString", "")
    inner = re.fullmatch(r"(\w*)\\u0027\+\{(\d+)\*(\d+)\}\+\\u0027", given)
    if inner and not fixed:
        given = f"{inner[1]}{{{int(inner[2]) * int(inner[3])}=null}}"
    return shown("Variables", f'<form><input type="hidden" name="queryString" value="{given}"/></form>')


def confluence_label(asked: Asked, fixed: bool) -> Told:
    if asked.path != "/template/aui/text-inline.vm" or fixed:
        return absent()
    given = asked.form.get("label", "")
    inner = re.fullmatch(r"(\w*)\\u0027\+\((\d+)\*(\d+)\)\+\\u0027", given)
    return shown("", f"<span>{inner[1]}{int(inner[2]) * int(inner[3])}</span>" if inner else "<span></span>")


def confluence_widget(asked: Asked, fixed: bool) -> Told:
    document = asked.document
    if asked.path != "/rest/tinymce/1/macro/preview" or not isinstance(document, dict):
        return absent()
    file = document["macro"]["params"].get("_template", "")
    inside = PASSWD.decode() if file == "file:///etc/passwd" and not fixed else "<p>The widget cannot be shown.</p>"
    return shown("Preview", f'<div class="wiki-content">\n{inside}</div>')


def web_xml(package: str) -> Answer:
    """A program folder that a semicolon lets one into."""
    descriptor = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<web-app><filter><filter-class>{package}.web.Filter</filter-class></filter>'
        "<servlet><servlet-name>action</servlet-name></servlet></web-app>\n"
    )

    def answer(asked: Asked, fixed: bool) -> Told:
        inside = asked.path.startswith("/s/") and asked.path.endswith("/_/;/WEB-INF/web.xml")
        return plain(descriptor, kind="application/xml") if inside and not fixed else absent()

    return answer


def bitbucket(asked: Asked, fixed: bool) -> Told:
    if asked.path == "/rest/api/latest/repos":
        return as_json({"size": 1, "values": [{"slug": "anvils", "public": True, "project": {"key": "ACME"}}]})
    if asked.path != "/rest/api/latest/projects/ACME/repos/anvils/archive":
        return as_json({"errors": [{"message": "not found"}]}, 404)
    _, zero, option = asked.values.get("prefix", "").partition("\0")
    if not zero or fixed:
        return as_json({"errors": [{"message": "The prefix is not valid"}]}, 400)
    said = f"error: unknown option `{option.lstrip('-')}'\nusage: git archive [<options>] <tree-ish> [<path>...]"
    return as_json({"errors": [{"message": f"'/usr/bin/git archive' exited with code 129 saying: {said}"}]}, 500)


def ofbiz_program(asked: Asked, fixed: bool) -> Told:
    if not asked.path.startswith("/webtools/control/"):
        return absent()
    if fixed or not asked.path.endswith("/ProgramExport"):
        return shown("OFBiz: Login", '<form action="/webtools/control/login"></form>')
    return shown("OFBiz", f"<p>java.lang.Exception: of{product_in(asked.form.get('groovyProgram', ''))}</p>")


def ofbiz_ping(asked: Asked, fixed: bool) -> Told:
    given = asked.values
    empty = given.get("USERNAME") == "" == given.get("PASSWORD") and given.get("requirePasswordChange") == "Y"
    if asked.path == "/webtools/control/ping" and empty and not fixed:
        return plain("PONG")
    return shown("OFBiz: Login", '<form action="/webtools/control/login"></form>')


def log4j(asked: Asked, fixed: bool) -> Told:
    logged = [asked.header("user-agent"), asked.header("x-api-version"), unquote(asked.target)]
    names = [found.group(1) for text in logged if (found := _JNDI.search(text))]
    return Told("<p>Hello</p>", looks_up=() if fixed else tuple(names))


def spring_function(asked: Asked, fixed: bool) -> Told:
    expression = asked.header("spring.cloud.function.routing-expression")
    if asked.path != "/functionRouter" or asked.method != "POST":
        return absent()
    fetched = _URL.search(expression)
    return Told(
        '{"status":500,"error":"Internal Server Error","path":"/functionRouter"}',
        500,
        "application/json",
        fetches=(fetched.group(0),) if fetched and not fixed else (),
    )


def spring_binding(asked: Asked, fixed: bool) -> Told:
    bound = "class.module.classLoader.DefaultAssertionStatus" in asked.values
    return shown("Bad Request", status=400) if bound and not fixed else shown("Greetings")


def seam(asked: Asked, fixed: bool) -> Told:
    if asked.path != "/admin-console/login.seam":
        return absent()
    outcome = asked.values.get("actionOutcome", "")
    return moved(outcome if fixed else evaluated(outcome, "#{", "}"))


def nexus_preview(asked: Asked, fixed: bool) -> Told:
    document = asked.document
    if asked.path != "/service/extdirect" or not isinstance(document, dict):
        return absent()
    if fixed:
        return as_json({"tid": 8, "method": "previewAssets", "result": {"success": False}, "type": "rpc"})
    wanted = {entry["property"]: entry["value"] for entry in document["data"][0]["filter"]}["expression"]
    left, _, right = wanted.partition("==")
    total = 3 if product_in(left) == right else 0
    body = f'{{"tid":8,"action":"coreui_Component","method":"previewAssets","result":{{"total":{total},"success":true}}}}'
    return plain(body, kind="application/json")


def aem_debug(asked: Asked, fixed: bool) -> Told:
    if asked.path != "/adminui/debug" or fixed:
        return denied()
    if asked.values.get("debug") != "OGNL":
        return shown("")
    return plain(f"{product_in(asked.values.get('expression', ''))}\n", kind="text/html")


def workspace_one(asked: Asked, fixed: bool) -> Told:
    if asked.path != "/catalog-portal/ui/oauth/verify":
        return absent()
    device = unquote_plus(asked.values.get("deviceUdid", ""))
    shown_device = device if fixed else evaluated(device, "${", "?c}")
    page = f"<p>Authorization context is not valid: device id: {shown_device}, device type: null</p>"
    return shown("Error", page, 400)


TWINS: Mapping[str, Answer] = {
    "CVE-2010-1871": seam,
    "CVE-2013-2251": struts_redirect,
    "CVE-2017-5638": struts_content_type,
    "CVE-2018-11776": struts_namespace,
    "CVE-2019-3396": confluence_widget,
    "CVE-2019-7238": nexus_preview,
    "CVE-2020-17530": struts_tags,
    "CVE-2021-26084": confluence_fields,
    "CVE-2021-26085": web_xml("com.atlassian.confluence"),
    "CVE-2021-26086": web_xml("com.atlassian.jira"),
    "CVE-2021-44228": log4j,
    "CVE-2022-22954": workspace_one,
    "CVE-2022-22963": spring_function,
    "CVE-2022-22965": spring_binding,
    "CVE-2022-26134": confluence_path,
    "CVE-2022-36804": bitbucket,
    "CVE-2023-22527": confluence_label,
    "CVE-2023-51467": ofbiz_ping,
    "CVE-2024-38856": ofbiz_program,
    "CVE-2025-54253": aem_debug,
}

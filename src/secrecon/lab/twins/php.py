"""PHP itself, its tools and what is built on it: how each ends up running or calling what a stranger names.

No twin runs PHP. The few words that a check may say (an echo of a product, a digest, a formatted number) are computed
here by hand; anything else gets what the product says to nonsense.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from urllib.parse import unquote_plus

from secrecon.lab.twins.shapes import Answer, Asked, Told, absent, as_json, denied, plain, shown

_ECHO = re.compile(r"echo '(\w*)'\.\((\d+)\*(\d+)\)\.'(\w*)';")
_INPUT = "auto_prepend_file=php://input"


def echoed(code: str) -> str:
    """What a line of PHP prints that echoes the product of two numbers between two words; "" for any other code."""
    found = _ECHO.search(code)
    return f"{found[1]}{int(found[2]) * int(found[3])}{found[4]}" if found else ""


def formatted(text: str) -> str:
    """What PHP's sprintf makes of `%07d` where it is given a list, which counts as 1; `%%` is a percent sign."""
    counted = re.sub(r"%0(\d)d", lambda match: "1".zfill(int(match[1])), text)
    return counted.replace("%%", "%")


def _front(asked: Asked) -> Told | None:
    return shown("Welcome", "<p>A small site.</p>") if asked.path in ("/", "/index.php") else None


def cgi_soft_hyphen(asked: Asked, fixed: bool) -> Told:
    """8.3.7 on a Windows of a code page that turns a soft hyphen into a dash; 8.3.8 looks for both."""
    options = asked.query.replace("+", " ").replace("%3d", "=")
    if not fixed and asked.path in ("/index.php", "/php-cgi/php-cgi.exe") and f"%ADd {_INPUT}" in options:
        return plain(echoed(asked.text), kind="text/html; charset=UTF-8")
    if asked.path.endswith("php-cgi.exe"):
        return denied()
    return _front(asked) or absent()


def cgi_options(asked: Asked, fixed: bool) -> Told:
    """5.3.11 and 5.3.12 as a CGI program."""
    options = unquote_plus(asked.query)
    taken = asked.path in ("/", "/index.php") and "=" not in asked.query and f"-d {_INPUT}" in options
    if taken and not fixed:
        return plain(echoed(asked.text), kind="text/html")
    return _front(asked) or absent()


def phpunit(asked: Asked, fixed: bool) -> Told:
    """4.8.27 evaluates the body; 4.8.28 reads its standard input, which a web server leaves empty."""
    if asked.path != "/vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php":
        return _front(asked) or absent()
    return plain("" if fixed or asked.method != "POST" else echoed(asked.text), kind="text/html; charset=UTF-8")


def ignition(asked: Asked, fixed: bool) -> Told:
    """Ignition 2.5.1 opens the file that a solution names; 2.5.2 leaves files alone that are no views."""
    if asked.path != "/_ignition/execute-solution":
        return _front(asked) or absent()
    said = asked.document
    if asked.method != "POST" or not isinstance(said, dict):
        return as_json({"message": "The GET method is not supported for this route."}, 405)
    parameters = said.get("parameters")
    if not str(said.get("solution", "")).endswith("MakeViewVariableOptionalSolution") or not parameters:
        return as_json({"message": "The given data was invalid.", "errors": {"solution": ["not runnable"]}}, 422)
    if fixed:
        return plain("", 200, "text/html; charset=UTF-8")
    error = f"file_get_contents({parameters['viewFile']}): failed to open stream: No such file or directory"
    return as_json({"message": error, "exception": "ErrorException", "file": "/app/vendor/facade/x.php"}, 500)


def _thinkphp(asked: Asked, fixed: bool) -> Told | None:
    values = {name.lower(): value for name, value in asked.values.items()}
    route = values.get("s", "").lower().lstrip("/")
    if not route.startswith("index/"):
        return None
    if fixed:
        return shown("System Error", "<h1>Illegal controller name: \\think\\request</h1>", 404)
    if route == "index/\\think\\request/input" and values.get("filter") == "md5":
        return plain(_md5(values["data"]), kind="text/html; charset=utf-8")
    if route == "index/\\think\\app/invokefunction" and values.get("vars[0]") == "md5":
        return plain(_md5(values["vars[1][]"]) + _md5(values["vars[1][]"]), kind="text/html; charset=utf-8")
    return shown("System Error", "<h1>Method does not exist</h1>", 500)


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def nonecms(asked: Asked, fixed: bool) -> Told:
    """NoneCms 1.3 on ThinkPHP 5.0.22 and on 5.0.24."""
    found = _thinkphp(asked, fixed) if asked.path == "/index.php" else None
    return found or _front(asked) or absent()


def thinkphp(asked: Asked, fixed: bool) -> Told:
    """A ThinkPHP product below /public."""
    found = _thinkphp(asked, fixed) if asked.path in ("/public//", "/public/index.php") else None
    return found or _front(asked) or absent()


def glpi(asked: Asked, fixed: bool) -> Told:
    """GLPI 10.0.2 serves htmLawed's test page; 10.0.3 does not ship it."""
    if asked.path == "/":
        return shown("GLPI - Authentication", '<form action="/front/login.php" method="post"></form>')
    if fixed or asked.path != "/vendor/htmlawed/htmlawed/htmLawedTest.php":
        return absent()
    form = asked.form
    same = form.get("sid", "") and f"sid={form['sid']}" in asked.header("cookie")
    out = formatted(form.get("text", "")) if same and form.get("hhook") == "sprintf" else form.get("text", "")
    return shown("htmLawed (1.2.6) test", f'<form></form><div id="outputR">{out}</div>')


def vbulletin(asked: Asked, fixed: bool) -> Told:
    """5.5.4 and its Patch Level 1: a widget of PHP that comes with the request."""
    form = asked.form
    if asked.method == "POST" and form.get("routestring") == "ajax/render/widget_php":
        code = form.get("widgetConfig[code]", "")
        return plain("" if fixed else echoed(code), kind="text/html; charset=UTF-8")
    return _front(asked) or absent()


def vbulletin_nested(asked: Asked, fixed: bool) -> Told:
    """5.6.2 and its Patch Level 1: the same widget inside a tab."""
    if asked.path != "/ajax/render/widget_tabbedcontainer_tab_panel":
        return _front(asked) or absent()
    form = asked.form
    if fixed or form.get("subWidgets[0][template]") != "widget_php":
        return as_json({"template": "", "css_links": []})
    return plain(echoed(form.get("subWidgets[0][config][code]", "")), kind="text/html; charset=UTF-8")


TWINS: Mapping[str, Answer] = {
    "CVE-2012-1823": cgi_options,
    "CVE-2017-9841": phpunit,
    "CVE-2018-20062": nonecms,
    "CVE-2019-16759": vbulletin,
    "CVE-2019-9082": thinkphp,
    "CVE-2020-17496": vbulletin_nested,
    "CVE-2021-3129": ignition,
    "CVE-2022-35914": glpi,
    "CVE-2024-4577": cgi_soft_hyphen,
}

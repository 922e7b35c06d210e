"""Administration and user panels of hosts, mail, files and telephones."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote

from secrecon.lab.twins.data import compact
from secrecon.lab.twins.shapes import Answer, Asked, Told, absent, moved, shown

_KERNEL = "Linux version 5.15.0-91-generic (buildd@acme) (gcc (Ubuntu 11.4.0) 11.4.0) #101-Ubuntu SMP\n"


def owncloud(asked: Asked, fixed: bool) -> Told:
    """graphapi 0.3.0 ships a library's test page; 0.3.1 does not."""
    if asked.path == "/":
        return moved("/login")
    page = "/apps/graphapi/vendor/microsoft/microsoft-graph/tests/GetPhpInfo.php/.css"
    if fixed or asked.path != page:
        return shown("ownCloud", "<p>Please log in</p>") if asked.path == "/login" else absent()
    style = "<style>body {background-color: #fff;}" + "table {border-collapse: collapse;}" * 40 + "</style>"
    rows = "<tr><td class='e'>setting</td><td class='v'>value</td></tr>" * 400
    secret = "<tr><td class='e'>OWNCLOUD_ADMIN_PASSWORD</td><td class='v'>invented</td></tr>"
    head = f"<!DOCTYPE html><html><head>{style}<title>PHP 8.0.30 - phpinfo()</title></head>"
    return Told(f"{head}<body><h1>PHP Version 8.0.30</h1><table>{rows}{secret}</table></body></html>")


def freepbx(asked: Asked, fixed: bool) -> Told:
    """Module endpoint 17.0.2 puts the brand into SQL; 17.0.3 is not loaded before the login."""
    if asked.path != "/admin/ajax.php":
        return shown("FreePBX Administration", "<form></form>") if asked.path in ("/", "/admin/") else absent()
    values = asked.values
    if fixed or values.get("module") != "FreePBX\\modules\\endpoint\\ajax" or values.get("command") != "model":
        return compact({"error": "ajaxRequest declined - Referrer"}, 403)
    found = re.search(r"' AND EXTRACTVALUE\(1,CONCAT\(0x7e,\((\d+)\*(\d+)\),0x7e\)\) --", values.get("brand", ""))
    if found is None:
        return compact({"status": True, "model": []})
    error = f"SQLSTATE[HY000]: General error: 1105 XPATH syntax error: '~{int(found[1]) * int(found[2])}~'"
    return compact({"error": {"type": "PDOException", "message": error, "file": "ajax.php"}}, 500)


def _state(asked: Asked, fixed: bool, paths: tuple[str, ...]) -> Told:
    """What CyberPanel tells of a state file. 2.3.8 wants a session first."""
    if asked.path not in paths:
        return shown("Login - CyberPanel", "<form></form>") if asked.path == "/" else absent()
    if fixed:
        return moved("/")
    said = asked.document
    name = said.get("statusfile") if isinstance(said, dict) else None
    if asked.method == "POST":
        return compact({"error_message": "CSRF verification failed.", "status": 0}, 403)
    if not isinstance(name, str):
        return compact({"abort": 0, "error_message": "'statusfile'", "requestStatus": ""})
    text = _KERNEL if unquote(name) == "/etc/../proc/version" else f"cat: {name}: No such file or directory\n"
    return compact({"abort": 0, "error_message": "None", "requestStatus": text, "installed": 0})


def cyberpanel_reset(asked: Asked, fixed: bool) -> Told:
    """The state of a reset of DNS or FTP."""
    return _state(asked, fixed, ("/dns/getresetstatus", "/ftp/getresetstatus"))


def cyberpanel_upgrade(asked: Asked, fixed: bool) -> Told:
    """The state of an upgrade of the database."""
    return _state(asked, fixed, ("/dataBases/upgrademysqlstatus",))


def webmin(asked: Asked, fixed: bool) -> Told:
    """The Server header of 1.920 and of 1.930."""
    server = "MiniServ/1.930" if fixed else "MiniServ/1.920"
    if asked.path != "/":
        return shown("404 - Page not found", "<h1>Error - File not found</h1>", 404, Server=server)
    page = '<form action="/session_login.cgi" method="post"></form>'
    return shown("Login to Webmin", page, Server=server)


def roundcube(asked: Asked, fixed: bool) -> Told:
    """The login page of 1.6.10 and of 1.6.11."""
    if asked.path not in ("/", "/webmail/"):
        return absent()
    number = 10611 if fixed else 10610
    script = f'rcmail.set_env({{"task":"login","standard_windows":false,"rcversion":{number},"cookie_domain":""}});'
    return shown("Roundcube Webmail :: Welcome", f"<form></form><script>{script}</script>")


TWINS: Mapping[str, Answer] = {
    "CVE-2019-15107": webmin,
    "CVE-2023-49103": owncloud,
    "CVE-2024-51378": cyberpanel_reset,
    "CVE-2024-51567": cyberpanel_upgrade,
    "CVE-2025-49113": roundcube,
    "CVE-2025-57819": freepbx,
}

"""Web servers: what they do with paths that climb out of the web root."""

from __future__ import annotations

from collections.abc import Mapping

from secrecon.lab.twins.shapes import PASSWD, Answer, Asked, Told, absent, plain, shown


def apache_dots(asked: Asked, fixed: bool) -> Told:
    """2.4.49 decodes a dot after it has looked for dots; 2.4.51 refuses any."""
    path = asked.path.lower()
    if path == "/":
        return shown("It works!", "<p>It works!</p>")
    if fixed and "%2e" in path:
        return shown("400 Bad Request", "<h1>Bad Request</h1>", 400)
    climbs = path.count("/.%2e") + path.count("/%2e%2e")
    if path.startswith(("/cgi-bin/", "/icons/")) and climbs >= 4 and path.endswith("/etc/passwd"):
        return plain(PASSWD)
    return absent()


def apache_twice(asked: Asked, fixed: bool) -> Told:
    """2.4.50 misses a dot whose escape is itself escaped."""
    path = asked.path.lower()
    if path == "/":
        return shown("It works!", "<p>It works!</p>")
    if fixed and "%%32%65" in path:
        return shown("400 Bad Request", "<h1>Bad Request</h1>", 400)
    climbs = path.count("/%%32%65%%32%65")
    if path.startswith(("/cgi-bin/", "/icons/")) and climbs >= 4 and path.endswith("/etc/passwd"):
        return plain(PASSWD)
    return absent()


def apache_proxy(asked: Asked, fixed: bool) -> Told:
    """2.4.48 cuts a socket path that is too long and connects to what follows the bar."""
    path, bar, address = asked.query.partition("|")
    if path.startswith("unix:") and bar and len(path) > 4096 and not fixed:
        return Told("", 502, fetches=(address,))
    return shown("Shop", "<p>Welcome</p>")


TWINS: Mapping[str, Answer] = {
    "CVE-2021-40438": apache_proxy,
    "CVE-2021-41773": apache_dots,
    "CVE-2021-42013": apache_twice,
}

"""The cookies of one template on one target: enough of RFC 6265 for a session to hold.

Domain, path and Secure are respected; expiry only where a cookie is taken back (Max-Age 0 or below). Values are text of
the target and bounded.
"""

from __future__ import annotations

from secrecon.model.http import HttpReply
from secrecon.model.target import Origin, is_ip
from secrecon.templates.execution.replydata import cookie_pairs

MAX_COOKIES = 100
MAX_VALUE = 8_192
_Key = tuple[str, str, str]


class Jar:
    """Cookies by (domain, path, name), in the order first set."""

    def __init__(self) -> None:
        self._kept: dict[_Key, tuple[str, bool, bool]] = {}

    def store(self, origin: Origin, target: str, reply: HttpReply) -> None:
        """Keep what `reply` to a request for `target` at `origin` sets."""
        for name, value, written in cookie_pairs(reply):
            attributes = _attributes(written)
            domain, only = origin.host, True
            asked = attributes.get("domain", "").lstrip(".").lower()
            if asked and asked != origin.host:
                if is_ip(origin.host) or not origin.host.endswith("." + asked) or "." not in asked:
                    continue
                domain, only = asked, False
            elif asked:
                only = False
            path = attributes.get("path", "")
            if not path.startswith("/"):
                path = target.partition("?")[0].rpartition("/")[0] or "/"
            key = (domain, path, name)
            age = attributes.get("max-age", "")
            if age.lstrip("-").isdigit() and int(age) <= 0:
                self._kept.pop(key, None)
            elif len(value) <= MAX_VALUE and (key in self._kept or len(self._kept) < MAX_COOKIES):
                self._kept[key] = (value, only, "secure" in attributes)

    def header(self, origin: Origin, target: str) -> str:
        """The value of the Cookie header for a request, "" for none."""
        if not self._kept:
            return ""
        asked = target.partition("?")[0] or "/"
        sent = [
            f"{name}={value}"
            for (domain, path, name), (value, only, secure) in self._kept.items()
            if (origin.host == domain or (not only and origin.host.endswith("." + domain)))
            and (asked == path or asked.startswith(path if path.endswith("/") else path + "/"))
            and (not secure or origin.scheme == "https")
        ]
        return "; ".join(sent)


def _attributes(written: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in written.split(";")[:20]:
        name, _, value = part.strip().partition("=")
        found[name.strip().lower()] = value.strip()
    return found

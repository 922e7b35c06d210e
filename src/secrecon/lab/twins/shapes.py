"""What a twin is asked and what it tells: plain values, so that a twin is a few lines without any server in them.

`Asked` keeps the request's target as it was on the wire, because many flaws live in what a server does to it. `Told` may
name addresses that the product would fetch or look up: whoever serves the twin does so, in the lab only.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

PASSWD = (
    b"root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
    b"bin:x:2:2:bin:/bin:/usr/sbin/nologin\nwww-data:x:33:33:www-data:/var/www:/usr/sbin/nologin\n"
)
"""A file that every Unix has, as a flaw that reads files would give it; invented."""
WIN_INI = (
    b"; for 16-bit app support\r\n[fonts]\r\n[extensions]\r\n[mci extensions]\r\n[files]\r\n[Mail]\r\nMAPI=1\r\n"
)
"""The same for Windows."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request. `target`: path and query as they were sent. `headers`: lower-case names, several values joined by `, `."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def path(self) -> str:
        """The path as sent, with its escapes and dots."""
        return self.target.partition("?")[0]

    @property
    def plain(self) -> str:
        """The path with its escapes decoded once."""
        return unquote(self.path)

    @property
    def query(self) -> str:
        """What follows the question mark, as sent."""
        return self.target.partition("?")[2]

    @property
    def values(self) -> Mapping[str, str]:
        """The query's values by name; the last one of a name."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    @property
    def form(self) -> Mapping[str, str]:
        """The values of a posted form."""
        return dict(parse_qsl(self.body.decode("latin-1"), keep_blank_values=True))

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    @property
    def document(self) -> object:
        """The body as JSON; None where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    def header(self, name: str) -> str:
        """A header's value, "" where it was not sent."""
        return self.headers.get(name.lower(), "")


@dataclass(frozen=True, slots=True)
class Told:
    """A reply. `fetches`: http addresses that the product fetches before it answers; `looks_up`: names that it resolves."""

    body: bytes | str = b""
    status: int = 200
    kind: str = "text/html; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)
    fetches: tuple[str, ...] = ()
    looks_up: tuple[str, ...] = ()


Answer = Callable[[Asked, bool], Told]
"""`answer(asked, fixed)`: what the product says; `fixed` for the version without the flaw."""


def shown(title: str, body: str = "", status: int = 200, **headers: str) -> Told:
    """An HTML page. Underscores in header names stand for dashes."""
    page = f"<!doctype html><html><head><title>{title}</title></head><body>{body}</body></html>"
    return Told(page, status, headers={name.replace("_", "-"): value for name, value in headers.items()})


def as_json(document: object, status: int = 200) -> Told:
    """A JSON reply."""
    return Told(json.dumps(document), status, "application/json;charset=UTF-8")


def plain(body: bytes | str, status: int = 200, kind: str = "text/plain") -> Told:
    """A reply as it is."""
    return Told(body, status, kind)


def moved(where: str, status: int = 302) -> Told:
    """A redirect."""
    return Told("", status, headers={"Location": where})


def absent() -> Told:
    """What most paths get."""
    return shown("Not Found", "<p>There is no such page here.</p>", 404)


def denied(status: int = 403) -> Told:
    """What a protected path gives to strangers."""
    return shown("Forbidden", "<p>You may not see this.</p>", status)

"""What a scan may log in with, and the words about it that may be shown. The values never are.

Given with a scan's request, kept sealed, sent to the target's own hosts only. Every part is checked here, once, strictly:
a header that could smuggle another one, a login page outside of the target, a text that no browser would send are
refused before anything is stored. Nothing here is ever printed: `repr` shows names, not values (RFC 6265, 6750, 9110).
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass, field

from secrecon.model.errors import BadInput
from secrecon.model.target import Origin, Target, TargetKind, normalise_host, parse_target

MAX_HEADERS, MAX_COOKIES, MAX_FIELDS, MAX_HOSTS = 20, 40, 20, 20
MAX_NAME, MAX_VALUE, MAX_TEXT = 200, 8_192, 200
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_OURS = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "cookie", "te", "upgrade", "expect", "trailer"}
)
_PROVES = (
    "pass",
    "pw",
    "secret",
    "pin",
    "code",
    "token",
    "key",
    "otp",
    "word",
    "answer",
    "clave",
    "contras",
    "senha",
)
"""In the name of a field that takes what only the user knows, whatever else the name says."""
Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class FormLogin:
    """A form to send. `url`: the page it is on. `fields`: what is typed into which field; the others keep their values."""

    url: str
    fields: Pairs = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Login:
    """`check_url`: a page that tells whether one is logged in ("" for the page that the login is on, or "/"), and
    `check_text` what only a user who is logged in sees there ("" for none). `hosts`: names of the target beside its own
    that the credentials may be sent to."""

    headers: Pairs = field(default=(), repr=False)
    cookies: Pairs = field(default=(), repr=False)
    form: FormLogin | None = None
    check_url: str = ""
    check_text: str = ""
    hosts: tuple[str, ...] = ()

    @property
    def told(self) -> str:
        """What kind of credentials these are, in words that may be shown."""
        parts = [f"the header {name}" for name, _ in self.headers]
        parts += [f"{len(self.cookies)} cookies" if len(self.cookies) > 1 else "a cookie"] if self.cookies else []
        parts += ["a form"] if self.form is not None else []
        return ", ".join(parts)

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every value that must not be shown; the name of the user is none."""
        fields = [pair for pair in (self.form.fields if self.form is not None else ()) if not _is_name(pair[0])]
        words = [
            word for _, value in self.headers for word in (value, value.partition(" ")[2], _basic_password(value))
        ]
        return tuple(filter(None, (*words, *(value for _, value in (*self.cookies, *fields)))))


def checked_login(login: Login, target: Target) -> Login:
    """`login` with its addresses made whole, or BadInput naming the field, never a value."""
    if not (login.headers or login.cookies or login.form):
        raise BadInput("authentication: give headers, cookies, bearer or form", "authentication")
    _check_pairs(login.headers, "headers", MAX_HEADERS)
    _check_pairs(login.cookies, "cookies", MAX_COOKIES)
    for name, _ in login.headers:
        if name.lower() in _OURS:
            instead = "; use cookies" if name.lower() == "cookie" else ""
            raise BadInput(f"authentication.headers: {name} cannot be set{instead}", "authentication.headers")
    for _, value in login.cookies:
        if any(char in value for char in ';, "\\') or not value.isascii():
            raise BadInput(
                "authentication.cookies: a value holds what no cookie may: encode it as the server does",
                "authentication.cookies",
            )
    form = login.form
    if form is not None:
        if not 1 <= len(form.fields) <= MAX_FIELDS:
            raise BadInput(f"authentication.form.fields: give 1 to {MAX_FIELDS}", "authentication.form.fields")
        for name, value in form.fields:
            if not 0 < len(name) <= MAX_NAME or len(value) > MAX_VALUE or "\0" in name + value:
                raise BadInput(
                    "authentication.form.fields: a name or value is empty or too long", "authentication.form"
                )
        form = FormLogin(_inside(form.url, target, "form.url"), form.fields)
    if len(login.check_text) > MAX_TEXT:
        raise BadInput(f"authentication.check_text: at most {MAX_TEXT} characters", "authentication.check_text")
    check = _inside(login.check_url, target, "check_url") if login.check_url else ""
    return Login(login.headers, login.cookies, form, check, login.check_text, _hosts(login.hosts, target))


def _check_pairs(pairs: Pairs, what: str, most: int) -> None:
    name_of = f"authentication.{what}"
    if len(pairs) > most:
        raise BadInput(f"{name_of}: at most {most}", name_of)
    for name, value in pairs:
        if not 0 < len(name) <= MAX_NAME or not _TOKEN.issuperset(name):
            raise BadInput(f"{name_of}: a name is not one that HTTP knows", name_of)
        if not 0 < len(value) <= MAX_VALUE or not all(
            " " <= char <= "~" or "\xa0" <= char <= "\xff" for char in value
        ):
            raise BadInput(
                f"{name_of}: the value of {name} is empty, too long or holds what no header may", name_of
            )


def _inside(text: str, target: Target, what: str) -> str:
    """A page of the target as a whole URL; a path is one of the target's own origin."""
    name = f"authentication.{what}"
    if text.startswith("/") and not text.startswith("//"):
        text = str(target.origin) + text
    try:
        place = parse_target(text)
    except BadInput as error:
        raise BadInput(f"{name}: {error}", name) from error
    if place.kind is not TargetKind.ORIGIN or not target.covers_origin(place.origin):
        raise BadInput(f"{name} must be a page of the target, as a path or an http(s) URL", name)
    return str(place.origin) + place.path


def _hosts(names: Iterable[str], target: Target) -> tuple[str, ...]:
    hosts = tuple(normalise_host(name) for name in names)
    if len(hosts) > MAX_HOSTS:
        raise BadInput(f"authentication.hosts: at most {MAX_HOSTS}", "authentication.hosts")
    for host in hosts:
        if not target.covers_name(host):
            raise BadInput(f"authentication.hosts: {host} is no host of the target", "authentication.hosts")
    return hosts


def _is_name(name: str) -> bool:
    """True for a field that takes who somebody is, not what only they know."""
    return any(
        word in name.lower() for word in ("user", "mail", "login", "account", "tenant", "remember")
    ) and not any(word in name.lower() for word in _PROVES)


def _basic_password(value: str) -> str:
    """The password of a header for Basic authentication (RFC 7617), "" for any other."""
    scheme, _, packed = value.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(packed.strip(), validate=True).decode("utf-8").partition(":")[2]
    except ValueError:
        return ""


def place_of(url: str) -> tuple[Origin, str]:
    """The origin and the request target of a checked URL."""
    place = parse_target(url)
    return place.origin, place.path

"""Request headers (and the request's own target) that some servers act upon, and what each carries of our address.

Headers that are read independently share one request, each with an address of its own, so that a hit names the header;
those that may upset a server, or each other, are kept apart. Nothing is sent here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from secrecon.detect.ssrf_payloads import bare
from secrecon.model.http import HttpRequest
from secrecon.model.interaction import Payload
from secrecon.model.target import Origin

REQUEST_TARGET = "request-target"
"""The name of the input that is the request's target in absolute form (RFC 9112 3.2.2)."""


class HeaderForm(StrEnum):
    """What a header holds: a URL, a host, or one of three special notations."""

    URL = "url"
    HOST = "host"
    FORWARDED = "forwarded"
    MAIL = "mail"
    LINE = "line"


@dataclass(frozen=True, slots=True)
class HeaderInput:
    """A request header that some servers act upon."""

    name: str
    form: HeaderForm


def _of(form: HeaderForm, *names: str) -> tuple[HeaderInput, ...]:
    return tuple(HeaderInput(name, form) for name in names)


HEADER_GROUPS: tuple[tuple[HeaderInput, ...], ...] = (
    (
        *_of(HeaderForm.URL, "Referer", "X-Callback-Url", "X-Webhook-Url", "X-Image-Url", "X-Proxy-Url"),
        *_of(HeaderForm.URL, "X-Wap-Profile", "Profile", "X-Forwarded-Url", "Destination", "Contact"),
        HeaderInput("From", HeaderForm.MAIL),
    ),
    (
        *_of(HeaderForm.HOST, "X-Forwarded-Host", "X-Host", "X-Forwarded-Server", "X-Original-Host"),
        *_of(HeaderForm.HOST, "X-HTTP-Host-Override", "X-Backend-Host", "Proxy-Host"),
        HeaderInput("Forwarded", HeaderForm.FORWARDED),
    ),
    (
        *_of(HeaderForm.HOST, "X-Forwarded-For", "X-Real-IP", "X-Client-IP", "True-Client-IP"),
        *_of(HeaderForm.HOST, "CF-Connecting-IP", "X-Cluster-Client-IP", "X-Originating-IP", "Client-IP"),
    ),
    _of(HeaderForm.URL, "X-Original-URL", "X-Rewrite-URL"),
    _of(HeaderForm.HOST, "Host"),
    _of(HeaderForm.LINE, REQUEST_TARGET),
)
EVERYWHERE = 3
"""How many of the groups are tried on every page; the others only on the first page of a site."""


def header_value(header: HeaderInput, payload: Payload) -> str:
    """What `header` carries for `payload`."""
    authority = bare(payload)
    match header.form:
        case HeaderForm.HOST:
            return authority
        case HeaderForm.FORWARDED:
            return f'for="{payload.hostname or "unknown"}";host="{authority}";proto=http'
        case HeaderForm.MAIL:
            return f"postmaster@{payload.hostname or authority}"
        case _:
            return payload.url


def header_of(name: str) -> HeaderInput | None:
    """The header of that name that is tested, or None."""
    return next((header for group in HEADER_GROUPS for header in group if header.name == name), None)


def header_request(origin: Origin, path: str, carried: list[tuple[HeaderInput, Payload]]) -> HttpRequest:
    """The request that carries a payload in each of the headers."""
    if carried[0][0].form is HeaderForm.LINE:
        url = carried[0][1].url
        lines = f"GET {url} HTTP/1.1\r\nHost: {origin.authority}\r\nConnection: close\r\n\r\n"
        return HttpRequest(origin, "GET", url, raw=lines.encode("ascii"))
    headers = tuple((header.name, header_value(header, payload)) for header, payload in carried)
    return HttpRequest(origin, "GET", path, headers)

"""Which inputs look as if they hold an address: by their name's words and by the value they were seen with.

Pure ranking, shared by the SSRF and the open redirect checks. A high rank proves nothing; it decides what is asked
first and what a quick scan asks at all. Also here: addresses that stand inside a value (JSON in a query, a list of
options) or are written in Base64, and how another address is put into their place.
"""

from __future__ import annotations

import base64
import binascii
from urllib.parse import urlsplit

import re2

from secrecon.model.asset import InputPlace, Parameter

MAX_NAME = 200
ADDRESS_HERE, HOST_HERE = "{address}", "{host}"


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_STRONG = _set(
    "url urls uri uris link links src source href dest destination callback webhook hook feed rss image img avatar "
    "picture photo logo icon thumbnail proxy fetch load download remote target site website endpoint server preview "
    "import upstream forward origin address ping rpc wsdl schema xml sitemap manifest banner hostname host domain"
)
_WEAK = _set(
    "file path page next return redirect redir goto to out continue view show open document doc template include "
    "reference ref resource content html pdf svg media video audio ip port service api uploadurl back location"
)
_REDIRECT = _set(
    "next return returnto returnurl redirect redir redirecturl redirecturi goto go to out continue url uri dest "
    "destination target back backurl success failure cancel after forward ref referer referrer location link r u jump "
    "callback service relaystate view"
)
_EXTENSIONS = _set(
    "html htm php asp aspx jsp js css json xml txt pdf png jpg jpeg gif svg ico zip csv md doc docx xls yml yaml"
)
_MARKUP = _set("html htm markup markdown svg template")
_EMBEDDED = re2.compile(r"https?://[^\s\"'<>\\,;|)\]}]+")
_BASE64 = re2.compile(r"^[A-Za-z0-9+/_-]{16,}={0,2}$")
_GLUED = ("url", "uri", "link", "src", "href", "host", "domain", "endpoint", "webhook", "callback", "redirect")


def fetch_rank(parameter: Parameter) -> int:
    """How likely a server fetches what this input says: 0 no sign, 1 weak, 2 by name, 3 by value."""
    if looks_like_url(parameter.value) or holds_url(parameter.value):
        return 3
    words = words_of(parameter.name)
    if words & _STRONG or "".join(_split(parameter.name)).endswith(_GLUED):
        return 2
    return 1 if words & _WEAK or looks_like_host(parameter.value) else 0


def holds_markup(parameter: Parameter) -> bool:
    """True where a document is expected that a server may render: by the name's words, or because it begins with `<`."""
    return bool(words_of(parameter.name) & _MARKUP) or parameter.value.lstrip()[:1] == "<"


def holds_url(value: str) -> bool:
    """True for a value that has an address inside, or is one in Base64."""
    return ADDRESS_HERE in value or HOST_HERE in value or bool(_embedded(value)) or bool(_decoded(value))


def url_in(value: str) -> str:
    """The address that `value` is or holds, "" for none."""
    return value.strip() if looks_like_url(value) else _decoded(value) or _embedded(value)


def put_into(value: str, address: str) -> str:
    """`address` in the way that `value` holds one: alone, inside its other text, in Base64, or where the value says
    `{address}`, or `{host}` for what stands behind the scheme."""
    if ADDRESS_HERE in value or HOST_HERE in value:
        bare = address.partition("://")[2] or address
        return value.replace(ADDRESS_HERE, address).replace(HOST_HERE, bare.rstrip("/"))
    if looks_like_url(value):
        return address
    if _decoded(value):
        made = base64.urlsafe_b64encode(address.encode("utf-8", "replace")).decode("ascii")
        return made if value.endswith("=") else made.rstrip("=")
    found = _embedded(value)
    return value.replace(found, address) if found else address


def _embedded(value: str) -> str:
    """The first address inside other text; "" for none, or where the value is nothing else."""
    text = value[:2_048]
    found = _EMBEDDED.search(text)
    return found.group(0) if found is not None and len(found.group(0)) < len(text.strip()) else ""


def _decoded(value: str) -> str:
    """The address that `value` is in Base64 (plain or URL-safe, padded or not), "" for none."""
    text = value.strip()
    if len(text) > 2_048 or _BASE64.search(text) is None:
        return ""
    plain = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        decoded = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return ""
    return decoded if looks_like_url(decoded) else ""


def redirect_rank(parameter: Parameter) -> int:
    """How likely a browser is sent where this input says: 0 no sign, 1 by name, 2 by name and value."""
    if parameter.place not in (InputPlace.QUERY, InputPlace.FORM, InputPlace.PATH):
        return 0
    words = words_of(parameter.name)
    named = bool(words & _REDIRECT) or "".join(_split(parameter.name)).endswith(("url", "uri", "redirect", "goto"))
    valued = looks_like_url(parameter.value) or parameter.value.startswith("/")
    if named:
        return 2 if valued else 1
    return 1 if valued else 0


def words_of(name: str) -> frozenset[str]:
    """`imageUrl`, `image_url`, `data[image-url]`, `image.URL` are all the words image and url."""
    return frozenset(_split(name))


def looks_like_url(value: str) -> bool:
    """An absolute or scheme-relative http(s) address."""
    text = value.strip().lower()[:2_048]
    return text.startswith(("http://", "https://")) or (
        text.startswith("//") and looks_like_host(text[2:].split("/")[0])
    )


def looks_like_host(value: str) -> bool:
    """A name with a dot whose last label is letters, or a dotted quad; a port may follow. No file names."""
    host = value.strip().lower()[:260].partition("/")[0].partition(":")[0]
    labels = host.split(".")
    if len(labels) < 2 or not all(
        label and label.replace("-", "").isalnum() and label.isascii() for label in labels
    ):
        return False
    if all(label.isdigit() for label in labels):
        return len(labels) == 4
    return labels[-1].isalpha() and labels[-1] not in _EXTENSIONS


def host_in(value: str) -> str:
    """The authority (host and port) of the address in `value`, or ""."""
    text = value.strip()[:2_048]
    if not looks_like_url(text):
        return text.partition("/")[0] if looks_like_host(text) else ""
    try:
        return urlsplit(text).netloc.rpartition("@")[2]
    except ValueError:
        return ""


def _split(name: str) -> list[str]:
    words: list[str] = []
    word = ""
    before = ""
    for char in name[:MAX_NAME]:
        if not (char.isascii() and char.isalpha()):
            words.append(word)
            word = ""
        elif char.isupper() and before.islower():
            words.append(word)
            word = char
        else:
            word += char
        before = char
    words.append(word)
    return [word.lower() for word in words if word]

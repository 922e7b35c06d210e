"""Which pages are of one kind, and which addresses lead round in circles.

Two views of a page: what its address looks like once numbers, ids, dates and session ids are taken out (`kind`), and
what its markup looks like once the text is (`structure`). A hundred addresses of one kind whose pages all have one
structure are one page to a scanner. And what a spider's trap looks like from outside: folders inside themselves, paths
without end. Pure; time linear in what is read (RFC 3986 for paths and queries).
"""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import unquote_plus

import re2

from secrecon.detect.acting import asks_amount, words_of
from secrecon.detect.html import Tag
from secrecon.detect.links import shape

MAX_SEGMENTS = 16
MAX_REPEATED = 2
MAX_QUERY = 40
MAX_TAGS = 4_000
_SESSION_PATH = re2.compile(
    r"(?i);(?:jsessionid|phpsessid|sid|sessionid|cfid|cftoken)=[^/?;]*|/\([SAF]\([0-9A-Za-z_-]+\)\)"
)
_SESSION_NAMES = words_of(
    """
    jsessionid phpsessid sid sessid sessionid session_id aspsessionid cfid cftoken zenid oscsid
    utm_source utm_medium utm_campaign utm_term utm_content gclid fbclid
    """
)
_TOKEN = re2.compile(r"^[0-9A-Za-z_-]{10,}$")
_TURNS = re2.compile(r"[0-9]+|[A-Za-z]+")
_INLINE = words_of(
    """
    a abbr acronym b bdi bdo big br cite code data dfn em font i img kbd mark q s samp small span strike strong sub sup
    time tt u var wbr p hr
    """
)
_NAMED = frozenset({"input", "select", "textarea", "form"})


@lru_cache(maxsize=2_048)
def canonical(target: str) -> str:
    """`target` without what only tells visits apart: session ids in path and query, and the order of parameters."""
    path, mark, query = target.partition("?")
    path = str(_SESSION_PATH.sub("", path))
    if not mark:
        return path
    pairs = [pair for pair in query.split("&")[:MAX_QUERY] if pair and _name(pair) not in _SESSION_NAMES]
    return path + ("?" + "&".join(sorted(set(pairs))) if pairs else "")


@lru_cache(maxsize=2_048)
def kind(target: str) -> str:
    """What the addresses of one kind of page have in common: ids, dates, numbers and random tokens collapsed."""
    path, mark, query = canonical(target).partition("?")
    segments = ["*" if _is_token(segment) else segment for segment in path.split("/")]
    return shape("/".join(segments) + mark + query)


@lru_cache(maxsize=2_048)
def siblings(target: str) -> str:
    """The folder that a page lies in with the form of its name, `/docs/*.html`: for kinds that only words tell apart."""
    path, _, query = kind(target).partition("?")
    folder, _, last = path.rpartition("/")
    stem, dot, ending = last.rpartition(".")
    return f"{folder}/*{dot + ending if stem else ''}" + ("?" if query else "")


def amounts(target: str) -> tuple[tuple[str, str], ...]:
    """The inputs of an address that say how much or how long, with their values: another value is not asked for."""
    pairs = [pair.partition("=") for pair in target.partition("?")[2].split("&")[:MAX_QUERY]]
    return tuple((name, value) for name, _, value in pairs if asks_amount(unquote_plus(name)))


def endless(target: str) -> str:
    """Why an address looks like one of endlessly many, "" where it does not."""
    segments = [segment for segment in target.partition("?")[0].split("/") if segment]
    if len(segments) > MAX_SEGMENTS:
        return f"a path of more than {MAX_SEGMENTS} folders"
    if segments and max(Counter(segments).values()) > MAX_REPEATED:
        return "a folder inside itself"
    pairs = list(itertools.pairwise(segments))
    if pairs and max(Counter(pairs).values()) > 1:
        return "folders that repeat"
    names = [_name(pair) for pair in target.partition("?")[2].split("&") if pair]
    if len(names) > len(set(names)) + 3:
        return "a parameter given again and again"
    return ""


def structure(tags: Iterable[Tag]) -> str:
    """What a page's markup looks like: 16 hex characters, the same for pages that differ in text, in how many rows a list
    has and in what is emphasised; another one where a form, a field or a part of the page is new."""
    pairs: set[tuple[str, str]] = set()
    before = ""
    for tag in itertools.islice((tag for tag in tags if not tag.closing), MAX_TAGS):
        if tag.name in _INLINE:
            continue
        name = f"{tag.name}:{tag.get('name')[:40]}" if tag.name in _NAMED else tag.name
        pairs.add((before, name))
        before = name
    text = "\n".join(f"{first} {second}" for first, second in sorted(pairs))
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


def _name(pair: str) -> str:
    return pair.partition("=")[0].lower()


def _is_token(segment: str) -> bool:
    """A path segment that looks drawn at random: letters and digits taking turns."""
    return _TOKEN.search(segment) is not None and len(_TURNS.findall(segment)) > 4

"""Names worth asking for: the word list, variations of names that were found, and names that cannot exist. Pure.

A name is lower case without the final dot. Everything a source says is hostile: what is no host name below the zone is
dropped here, and every list that grows with what was found is bounded.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from importlib import resources

import re2

MAX_PERMUTATIONS = 1_500
MAX_LEVELS = 8
DEEP_WORDS = 250
"""How many of the list's first words are tried below a name that has names below it."""
RANDOM_LABELS = 4
SETTINGS = (
    "dev",
    "test",
    "stage",
    "staging",
    "qa",
    "uat",
    "preprod",
    "prod",
    "demo",
    "beta",
    "old",
    "new",
    "internal",
)
"""Words by which one host's twins are told apart."""
_NUMBERS = re2.compile(r"[0-9]+")
_NAME = re2.compile(r"^(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$")
_SERVICES = (
    "_sip._tcp _sip._udp _sips._tcp _sipfederationtls._tcp _xmpp-client._tcp _xmpp-server._tcp _ldap._tcp _ldaps._tcp "
    "_kerberos._tcp _kerberos._udp _kpasswd._tcp _gc._tcp _autodiscover._tcp _caldav._tcp _caldavs._tcp _carddav._tcp "
    "_carddavs._tcp _imap._tcp _imaps._tcp _pop3s._tcp _submission._tcp _submissions._tcp _matrix._tcp _matrix-fed._tcp "
    "_minecraft._tcp _stun._udp _turn._udp _h323cs._tcp _vlmcs._tcp _ntp._udp _mongodb._tcp _ldap._tcp.dc._msdcs"
)


@cache
def load_words() -> tuple[str, ...]:
    """Our own list of labels, those that are there most often first."""
    text = resources.files("secrecon.rules").joinpath("words/subdomains.txt").read_text("utf-8")
    return tuple(line for line in text.splitlines() if line and not line.startswith("#"))


def clean(name: str, zone: str) -> str:
    """`name` as a host name below `zone` (a leading `*.` dropped), or "" where it is none."""
    bare = name.strip().rstrip(".").lower().removeprefix("*.")
    if len(bare) > 253 or not bare.endswith("." + zone) or not _NAME.match(bare):
        return ""
    return bare if bare.count(".") - zone.count(".") <= MAX_LEVELS else ""


def parent(name: str) -> str:
    """The name one level up."""
    return name.partition(".")[2]


def parents(names: Iterable[str], zone: str) -> tuple[str, ...]:
    """Every name between `names` and `zone`, neither included, the highest first."""
    found: dict[str, None] = {}
    for name in names:
        above = parent(name)
        while above != zone and above.endswith("." + zone):
            found.setdefault(above)
            above = parent(above)
    return tuple(sorted(found, key=lambda name: (name.count("."), name)))


def random_names(seed: str, above: str) -> tuple[str, ...]:
    """Names below `above` that nobody has registered; the same for the same seed."""
    digest = hashlib.sha256(f"wildcard {seed} {above}".encode()).hexdigest()
    width = 64 // RANDOM_LABELS
    labels = (digest[at : at + width] for at in range(0, 64, width))
    return tuple(f"{label}.{above}" for label in labels)


def service_names(zone: str) -> tuple[str, ...]:
    """Names of service records (RFC 2782) that tell of hosts."""
    return tuple(f"{service}.{zone}" for service in _SERVICES.split())


def words_below(above: str, words: Sequence[str]) -> Iterator[str]:
    """Each word as a name below `above`."""
    return (f"{word}.{above}" for word in words)


def permutations(names: Iterable[str], zone: str) -> tuple[str, ...]:
    """Names that the found ones make likely, in turns: the neighbours of numbers, the twins of settings, and both joined to a
    name's first label. At most MAX_PERMUTATIONS, none of them in `names`."""
    known = sorted(set(names), key=lambda name: (name.count("."), len(name), name))
    found: dict[str, None] = {}
    turns = itertools.chain.from_iterable(itertools.zip_longest(*(list(_variations(name)) for name in known[:400])))
    for name in turns:
        if name is not None and name not in known and clean(name, zone):
            found.setdefault(name)
            if len(found) >= MAX_PERMUTATIONS:
                break
    return tuple(found)


def _variations(name: str) -> Iterator[str]:
    label, _, above = name.partition(".")
    for match in itertools.islice(_NUMBERS.finditer(label), 2):
        number = match.group(0)
        if len(number) > 4:
            continue
        for step in (1, -1, 2, 3, 4):
            value = int(number) + step
            if value >= 0:
                yield f"{label[: match.start()]}{value:0{len(number)}d}{label[match.end() :]}.{above}"
    for word, other in itertools.permutations(SETTINGS, 2):
        for joined in _swapped(label, word, other):
            yield f"{joined}.{above}"
    if not _NUMBERS.search(label):
        for tail in ("1", "2", "01", "02", "-1", "3", "-01"):
            yield f"{label}{tail}.{above}"
    if not any(word in label for word in SETTINGS):
        for word in SETTINGS[:9]:
            yield from (f"{label}-{word}.{above}", f"{word}-{label}.{above}", f"{word}.{label}.{above}")
    for word in ("api", "admin", "app", "web", "db", "cdn", "static", "backup"):
        if word not in label:
            yield f"{label}-{word}.{above}"


def _swapped(label: str, word: str, other: str) -> Iterator[str]:
    """`label` with `word`, where it stands between hyphens or ends, replaced by `other`."""
    parts = label.split("-")
    if word in parts:
        yield "-".join(other if part == word else part for part in parts)
    elif len(parts) == 1 and label != word and label.endswith(word):
        yield label[: -len(word)] + other

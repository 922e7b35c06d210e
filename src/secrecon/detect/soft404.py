"""What a server answers for a page that does not exist, learned from names that cannot exist.

Many sites answer 200, or a redirect, for everything. A handful of random names is asked for first (derived from the
scan's id, so that a plan made twice is the same); what comes back is the model. A later reply that looks like a model
of its kind is not a page. Where the samples themselves differ from each other, likeness proves nothing and the
content of the reply must decide: the model then says None. Comparison is by status, redirect target and a simhash of
the words with the requested name taken out; all bounded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import re2

from secrecon.model.http import HttpReply
from secrecon.model.target import Origin

MAX_BODY = 60_000
MAX_WORDS = 4_000
NEAR = 8
"""Simhashes of 64 bits that differ in at most this many bits are alike."""
_WORD = re2.compile(rb"[A-Za-z]{2,}|[0-9]+")
_MISSING = (404, 410)
_WALLS = (401, 403, 406, 429)


class Kind(StrEnum):
    """Servers route by how a path looks, so each look has its own samples."""

    PLAIN = "plain"
    FOLDER = "folder"
    SCRIPT = "script"
    DOTTED = "dotted"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Sample:
    """What one missing name gave. `simhash`: of the words of the body; `place`: where a redirect led."""

    kind: Kind
    status: int
    place: str
    simhash: int
    size: int


@dataclass(frozen=True, slots=True)
class Soft404:
    """What an origin does for missing pages."""

    samples: tuple[Sample, ...] = ()

    def is_soft404(self, target: str, reply: HttpReply) -> bool | None:
        """True: this is how a missing page looks. False: it is not. None: cannot be told, content must decide."""
        if reply.status in _MISSING:
            return True
        if not self.samples:
            return None
        alike = [s for s in self.samples if s.kind is kind_of(target)] or list(self.samples)
        mine = _sample(target, reply)
        same = [sample for sample in alike if sample.status == reply.status]
        if not same:
            return False
        if any(_near(mine, sample) for sample in same):
            return True
        if len(same) > 1 and not all(_near(same[0], sample) for sample in same[1:]):
            return None
        return False

    @property
    def wall(self) -> int:
        """The status with which everything that does not exist is refused (403, 429, ...), 0 for none."""
        statuses = {sample.status for sample in self.samples}
        return next(iter(statuses)) if len(statuses) == 1 and statuses <= set(_WALLS) else 0

    @property
    def honest(self) -> bool:
        """True where every missing name was answered with 404 or 410."""
        return bool(self.samples) and all(sample.status in _MISSING for sample in self.samples)


def sample_targets(scan_id: str, origin: Origin) -> tuple[str, ...]:
    """Request targets that cannot exist, two of each common kind; the same for the same scan and origin."""
    digest = hashlib.sha256(f"{scan_id} {origin}".encode()).hexdigest()
    names = [f"{'abcdefgh'[index]}{digest[index * 8 : index * 8 + 7]}" for index in range(8)]
    return (
        f"/{names[0]}",
        f"/{names[1]}",
        f"/{names[2]}/",
        f"/{names[3]}.php",
        f"/.{names[4]}",
        f"/.{names[5]}/{names[6]}",
        f"/{names[6]}.zip",
        f"/{names[7]}.json",
    )


def siblings(seed: str, origin: Origin, target: str) -> tuple[str, str]:
    """Two request targets that cannot exist, in the folder of `target` and with its ending: what a server that answers
    everything there, or everything that ends so, answers too."""
    digest = hashlib.sha256(f"sibling {seed} {origin} {target}".encode()).hexdigest()
    path, mark, query = target.partition("?")
    folder, slash, last = path.rstrip("/").rpartition("/") if path.endswith("/") else path.rpartition("/")
    tail = "/" if path.endswith("/") and last else ""
    dot = "." if last.startswith(".") else ""
    _, point, ending = last[len(dot) :].partition(".")
    names = (f"{dot}{'mnpq'[index]}{digest[index * 12 : index * 12 + 9]}" for index in range(2))
    one, other = (f"{folder}{slash or '/'}{name}{point}{ending}{tail}{mark}{query}" for name in names)
    return one, other


def learn(replies: Iterable[tuple[str, HttpReply]]) -> Soft404:
    """The model from what the sample targets gave."""
    return Soft404(tuple(_sample(target, reply) for target, reply in replies))


def kind_of(target: str) -> Kind:
    """How a path looks to a server that routes."""
    path = target.split("?", 1)[0]
    last = path.rsplit("/", 1)[-1]
    if "/." in path:
        return Kind.DOTTED
    if not last:
        return Kind.FOLDER
    if last.lower().endswith((".php", ".asp", ".aspx", ".jsp", ".do", ".cgi")):
        return Kind.SCRIPT
    return Kind.FILE if "." in last else Kind.PLAIN


def _sample(target: str, reply: HttpReply) -> Sample:
    name = target.split("?", 1)[0].strip("/")
    place = (reply.header("location") or "")[:2_000].replace(name, "") if name else ""
    body = reply.body[:MAX_BODY]
    for part in dict.fromkeys((name, name.rsplit("/", 1)[-1])):
        if len(part) > 3:
            body = body.replace(part.encode("latin-1", "replace"), b"")
    return Sample(kind_of(target), reply.status, place, simhash(body), len(body))


def _near(one: Sample, other: Sample) -> bool:
    if 300 <= one.status < 400:
        return one.place == other.place
    sizes = sorted((one.size, other.size))
    if sizes[1] > 2 * sizes[0] + 400:
        return False
    return (one.simhash ^ other.simhash).bit_count() <= NEAR


def simhash(body: bytes) -> int:
    """A 64-bit hash of overlapping word pairs: few changed words change few bits. Digits count as one word."""
    weights = [0] * 64
    before = b""
    for index, found in enumerate(_WORD.finditer(body)):
        if index >= MAX_WORDS:
            break
        word = found.group(0).lower()
        word = b"0" if word.isdigit() else word
        value = int.from_bytes(hashlib.blake2b(before + b" " + word, digest_size=8).digest(), "big")
        before = word
        for bit in range(64):
            weights[bit] += 1 if value >> bit & 1 else -1
    return sum(1 << bit for bit in range(64) if weights[bit] > 0)

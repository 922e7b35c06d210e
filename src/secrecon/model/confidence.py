"""How sure a finding is: one pure function of its evidence, the same for every check.

What a check rests on (its ground) gives the number, what speaks against it (doubts) takes from it, and further independent
detections take away half of the doubt that is left, up to what the evidence level allows. No check has a number of its own. The
tables are in docs/grade.md, which is held against this module.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from secrecon.model.finding import EvidenceLevel


class Ground(StrEnum):
    """What a finding rests on, weakest first within its level."""

    SIGN = "sign"
    DEAD_ALIAS = "dead_alias"
    VERSION = "version"
    MATCHERS = "matchers"
    REPLY = "reply"
    HANDSHAKE = "handshake"
    CONTENT = "content"
    RECORDS = "records"
    LATE_LOOKUP = "late_lookup"
    LOOKUP = "lookup"
    LATE_REQUEST = "late_request"
    LOOKUP_AND_MATCHERS = "lookup_and_matchers"
    REQUEST = "request"
    REQUEST_ALONE = "request_alone"
    READABLE = "readable"


class Doubt(StrEnum):
    """What speaks against a finding."""

    CONDITION = "condition"
    BACKPORT = "backport"
    NO_VERSIONS = "no_versions"
    UNKNOWN_SERVICE = "unknown_service"
    NOT_CONFIRMED = "not_confirmed"
    OUR_EGRESS = "our_egress"
    OUR_RESOLVER = "our_resolver"


GROUNDS: dict[Ground, tuple[EvidenceLevel, float, str]] = {
    Ground.SIGN: (EvidenceLevel.BANNER, 0.3, "a behaviour that has other explanations too"),
    Ground.DEAD_ALIAS: (EvidenceLevel.BANNER, 0.6, "an alias leads to a name or service where nobody answers"),
    Ground.VERSION: (EvidenceLevel.VERSION_RANGE, 0.6, "the version is inside the affected range"),
    Ground.MATCHERS: (EvidenceLevel.BEHAVIOUR, 0.92, "the matchers of a template hold"),
    Ground.REPLY: (EvidenceLevel.BEHAVIOUR, 0.95, "a reply shows it, in its headers or its page"),
    Ground.HANDSHAKE: (EvidenceLevel.BEHAVIOUR, 0.97, "a TLS handshake shows it"),
    Ground.CONTENT: (
        EvidenceLevel.BEHAVIOUR,
        0.98,
        "a reply holds what nothing else would: that file, or our own host",
    ),
    Ground.RECORDS: (EvidenceLevel.BEHAVIOUR, 0.99, "the whole zone was handed out"),
    Ground.LATE_LOOKUP: (EvidenceLevel.CALLBACK, 0.5, "a lookup after a template had stopped listening"),
    Ground.LOOKUP: (EvidenceLevel.CALLBACK, 0.6, "a lookup of a name that only the probe had"),
    Ground.LATE_REQUEST: (EvidenceLevel.CALLBACK, 0.8, "a request after a template had stopped listening"),
    Ground.LOOKUP_AND_MATCHERS: (EvidenceLevel.CALLBACK, 0.85, "a lookup, and the template's other matchers hold"),
    Ground.REQUEST: (EvidenceLevel.CALLBACK, 0.95, "a request with a token that only the probe had"),
    Ground.REQUEST_ALONE: (
        EvidenceLevel.CALLBACK,
        0.97,
        "the same where nothing else in the probe could cause it, or a template's matchers hold beside it",
    ),
    Ground.READABLE: (EvidenceLevel.CALLBACK, 0.99, "a request, and our listener's answer in the target's reply"),
}
"""Each ground's level, its confidence where nothing speaks against it, and what it is in words."""

DOUBTS: dict[Doubt, tuple[float, float, str]] = {
    Doubt.CONDITION: (2 / 3, 1.0, "the flaw also needs a setting or platform that was not seen"),
    Doubt.BACKPORT: (1 / 2, 1.0, "a distribution built the package and may have mended it"),
    Doubt.NO_VERSIONS: (1.0, 0.25, "the record names no versions, so every one matches"),
    Doubt.UNKNOWN_SERVICE: (2 / 3, 1.0, "the alias leads to no service that is known to let others claim names"),
    Doubt.NOT_CONFIRMED: (1 / 2, 1.0, "a template asked for the flaw itself and did not see it"),
    Doubt.OUR_EGRESS: (1.0, 0.5, "every request came from the address that our own requests come from"),
    Doubt.OUR_RESOLVER: (1.0, 0.4, "every lookup came through the resolver that we use ourselves"),
}
"""For each doubt: what it multiplies the confidence by, what the confidence is at most, and what it is in words."""

MOST: dict[EvidenceLevel, float] = {
    EvidenceLevel.BANNER: 0.6,
    EvidenceLevel.VERSION_RANGE: 0.6,
    EvidenceLevel.BEHAVIOUR: 0.99,
    EvidenceLevel.CALLBACK: 0.99,
}
"""What no number of detections exceeds: versions add up to no proof, and nothing is certain."""


def confidence(ground: Ground, *doubts: Doubt, sighting: float = 1.0) -> float:
    """How sure a finding on this ground is, in hundredths; never surer than the `sighting` (0.0-1.0) of what it is about."""
    return min(doubted(GROUNDS[ground][1], *doubts), sighting)


def doubted(value: float, *doubts: Doubt) -> float:
    """A confidence after what speaks against it; each doubt counts once."""
    most = 1.0
    for doubt in sorted(set(doubts)):
        factor, limit, _ = DOUBTS[doubt]
        value, most = value * factor, min(most, limit)
    return min(round(value, 2), most)


def together(detections: Iterable[tuple[EvidenceLevel, float]]) -> float:
    """How sure one finding is that several independent detections (their level and confidence), at least one, tell of.

    The strongest level decides, and the surest of it counts whole. Each further one of that level halves the doubt that is left,
    up to MOST. Weaker ones never lower it and never raise it above what they say themselves. The same check seeing it again, in a
    retest or the next scan, is no detection of its own: what misled it once misleads it again.
    """
    every = list(detections)
    top = max((level for level, _ in every), key=lambda level: level.rank)
    same = [value for level, value in every if level is top]
    doubt = 1.0 - max(same)
    for _ in same[1:]:
        doubt /= 2
    agreed = min(round(1.0 - doubt, 2), MOST[top])
    return max(agreed, max(value for _, value in every))

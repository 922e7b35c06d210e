"""Aliases that lead to nobody: candidates for a takeover, with what speaks for it. Pure.

A candidate is never proof: that would take claiming the name at the service, which is not done. What is told is the chain of
aliases and either that its last name does not exist, or the page that a service shows for a name which nobody claims.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

import yaml

from secrecon.model.confidence import Doubt, Ground, confidence
from secrecon.model.dns import NameAnswer
from secrecon.model.finding import Evidence, EvidenceLevel, Finding, Severity
from secrecon.model.http import HttpReply

CHECK = "dns.takeover"
MAX_PAGE = 60_000


@dataclass(frozen=True, slots=True)
class Claimable:
    """A service; fields as in rules/names/takeovers.yaml."""

    id: str
    title: str
    suffixes: tuple[str, ...]
    absent: bool = False
    status: tuple[int, ...] = ()
    page: tuple[str, ...] = ()

    def shows(self, reply: HttpReply) -> str:
        """The words of an unclaimed name's page that `reply` holds, "" where they are not all there."""
        body = reply.body[:MAX_PAGE].decode("utf-8", "replace").lower()
        found = bool(self.page) and reply.status in self.status and any(words in body for words in self.page)
        return next(words for words in self.page if words in body) if found else ""


@cache
def load_claimable() -> tuple[Claimable, ...]:
    """Our list of services."""
    text = resources.files("secrecon.rules").joinpath("names/takeovers.yaml").read_text("utf-8")
    return tuple(
        Claimable(
            **{
                **row,
                "suffixes": tuple(row["suffixes"]),
                "status": tuple(row.get("status", ())),
                "page": tuple(row.get("page", ())),
            }
        )
        for row in yaml.safe_load(text)
    )


def service_of(aliases: Sequence[str]) -> Claimable | None:
    """The service that one of the aliases belongs to."""
    for service in load_claimable():
        if any(alias.endswith(suffix) for alias in aliases for suffix in service.suffixes):
            return service
    return None


def missing_target(answer: NameAnswer, zone: str, server: str) -> Finding | None:
    """The finding for a name whose aliases end at a name that does not exist; None where that name is the zone's own, which
    nobody else can claim."""
    last = answer.aliases[-1]
    if last == zone or last.endswith("." + zone):
        return None
    service = service_of(answer.aliases)
    known = service is not None
    summary = f"{answer.name} is an alias of {last}, and {last} does not exist (NXDOMAIN)"
    if service is not None:
        summary += f"; it belongs to {service.title}"
    evidence = Evidence(
        kind="dns",
        summary=summary,
        request=f"A {answer.name}",
        response="\n".join([*_chain(answer), f"{last} NXDOMAIN" + (f" (said by {server})" if server else "")]),
        matcher="an alias to a name outside the target, and the answer NXDOMAIN for that name",
        curl=f"dig {answer.name} A",
    )
    return _finding(answer, last, evidence, Severity.MEDIUM if known else Severity.LOW, known)


def unclaimed_page(answer: NameAnswer, service: Claimable, url: str, reply: HttpReply) -> Finding | None:
    """The finding for a name whose alias leads to `service`, where `reply` is that service's page for a name nobody claims."""
    words = service.shows(reply)
    if not words:
        return None
    last = answer.aliases[-1]
    evidence = Evidence(
        kind="http",
        summary=f"{answer.name} is an alias of {last} at {service.title}, which shows its page for a name nobody claims",
        request=f"GET {url}",
        response="\n".join([*_chain(answer), f"HTTP status {reply.status}, with the text: {words}"]),
        matcher=f"an alias to {service.title} and the text {words!r}",
        curl=f"curl -i '{url}'",
    )
    return _finding(answer, last, evidence, Severity.MEDIUM, known=True)


def _chain(answer: NameAnswer) -> list[str]:
    links = (answer.name, *answer.aliases)
    return [f"{one} CNAME {other}" for one, other in itertools.pairwise(links)]


def _finding(answer: NameAnswer, last: str, evidence: Evidence, severity: Severity, known: bool) -> Finding:
    doubts = () if known else (Doubt.UNKNOWN_SERVICE,)
    return Finding(
        check=CHECK,
        title=f"{answer.name} may be open to a takeover: its alias leads to nobody",
        severity=severity,
        asset=answer.name,
        location=last,
        evidence_level=EvidenceLevel.BANNER,
        confidence=confidence(Ground.DEAD_ALIAS, *doubts),
        evidence=(evidence,),
        description=(
            f"The name {answer.name} is an alias (CNAME) of {last}, where nobody answers for it any more. This is a candidate: "
            "whether somebody else could claim that name was not tried, and some services do not let them."
        ),
        impact=(
            "Whoever can claim the name that the alias leads to serves pages, and gets certificates and cookies, under a name of "
            "the organisation."
        ),
        remediation=(
            f"Delete the record of {answer.name}, or claim {last} again at the service it belongs to. Delete records before the "
            "service that they lead to is given up."
        ),
        references=("https://developer.mozilla.org/en-US/docs/Web/Security/Subdomain_takeovers",),
        cwe=("CWE-350",),
    )

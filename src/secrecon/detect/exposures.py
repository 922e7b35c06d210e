"""Files that should not be public: which paths to ask for, and whether a reply is the thing itself.

A path that answers 200 proves nothing. Every rule has a content check (magic bytes, keys, lines that only the real
thing has), web pages are refused unless the thing is one, and a reply that looks like the origin's missing pages never
counts. What was read is masked before it becomes evidence: names stay, values go. Pure; nothing is sent.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import re2

from secrecon.detect.acting import acting_word
from secrecon.detect.evidence import http_evidence
from secrecon.detect.exposure_rules import ExposureRules, Proof, Rule
from secrecon.detect.listing import listed_entries
from secrecon.detect.masking import mask_body
from secrecon.detect.soft404 import Soft404
from secrecon.model.confidence import Ground, confidence
from secrecon.model.finding import Evidence, EvidenceLevel, Finding
from secrecon.model.http import HttpExchange
from secrecon.model.target import Origin, is_ip

MAX_EVIDENCE = 5
MAX_FOLDERS = 20
MAX_COPIES = 10
DERIVED_ORDER = 10_000
_COPY_ENDINGS = (".bak", "~", ".old")
_SCRIPTS = (".php", ".phtml", ".asp", ".aspx", ".jsp")
_PAGE = re2.compile(
    rb"(?i)\A(?:\xef\xbb\xbf)?\s*(?:<!--[^>]*-->\s*)?<(?:!doctype html|html|head|body|title|meta|div|p[ >])"
)


@dataclass(frozen=True, slots=True)
class Exposed:
    """One path that is what its name says."""

    rule: Rule
    exchange: HttpExchange
    evidence: Evidence


def rules_for(rules: Iterable[Rule], origin: Origin) -> tuple[Rule, ...]:
    """The rules with `{host}` and `{name}` filled in; left out where the host has no name."""
    host = origin.host
    labels = host.split(".")
    name = labels[1] if labels[0] == "www" and len(labels) > 2 else labels[0]
    filled: list[Rule] = []
    for rule in rules:
        if "{" in rule.path:
            if is_ip(host):
                continue
            rule = replace(rule, path=rule.path.replace("{host}", host).replace("{name}", name))
        filled.append(rule)
    return tuple(filled)


def derived_rules(rules: ExposureRules, targets: Iterable[str], maps: Iterable[str]) -> tuple[Rule, ...]:
    """Rules from what the crawl met: folders to be listed, copies of scripts, source maps. Bounded."""
    folders: dict[str, None] = {}
    copies: dict[str, None] = {}
    for target in targets:
        path = target.split("?", 1)[0]
        if acting_word(path):
            continue
        parts = path.split("/")
        for depth in range(2, min(len(parts), 6)):
            folders.setdefault("/".join(parts[:depth]) + "/")
        if path.lower().endswith(_SCRIPTS) and len(copies) < MAX_COPIES:
            copies.setdefault(path)
    found = [
        Rule(path, rules.proofs["source-map"], DERIVED_ORDER) for path in list(dict.fromkeys(maps))[:MAX_COPIES]
    ]
    found += [Rule(path, rules.proofs["listing"], DERIVED_ORDER) for path in list(folders)[:MAX_FOLDERS]]
    for path in copies:
        name = "php-source" if path.lower().endswith((".php", ".phtml")) else "asp-source"
        found += [Rule(path + ending, rules.proofs[name], DERIVED_ORDER) for ending in _COPY_ENDINGS]
    return tuple(found)


def judge(rule: Rule, exchange: HttpExchange, missing: Soft404) -> Exposed | None:
    """The exposure in one exchange, or None. `missing`: how the origin answers for what does not exist."""
    request, reply = exchange.request, exchange.reply
    if exchange.redirects or missing.is_soft404(request.target, reply) is True:
        return None
    body = reply.body[: rule.proof.cap]
    if not proves(rule.proof, request.origin, request.target, reply.status, body):
        return None
    words, shown = rule.proof.words, mask_body(body, rule.proof.mask)
    if rule.proof.listing:
        names = ", ".join(listed_entries(request.origin, request.target, body)[:5])
        words = f"{words}: {names}"
    where = _first_match(rule.proof, shown)
    summary = f"GET {request.target} answered {reply.status} with {rule.proof.words}"
    return Exposed(rule, exchange, http_evidence(request, reply, words, summary, around=where, body=shown))


def proves(proof: Proof, origin: Origin, target: str, status: int, body: bytes) -> bool:
    """Whether `body` is the thing itself."""
    if status not in proof.status or not body.strip():
        return False
    if proof.listing:
        return bool(listed_entries(origin, target, body))
    if not proof.page and _PAGE.search(body) is not None:
        return False
    if proof.magic and not body.startswith(proof.magic):
        return False
    if any(pattern.search(body) is not None for pattern in proof.none):
        return False
    if not all(pattern.search(body) is not None for pattern in proof.all):
        return False
    if proof.any and not any(pattern.search(body) is not None for pattern in proof.any):
        return False
    return not proof.json_keys or _has_keys(body, proof)


def _has_keys(body: bytes, proof: Proof) -> bool:
    """Whether the body is a JSON object with the keys; one that was cut at the cap is judged by its text."""
    try:
        value: object = json.loads(body)
    except (ValueError, RecursionError):
        if len(body) < proof.cap or not body.lstrip().startswith(b"{"):
            return False
        return all(b'"' + key.encode() + b'"' in body for key in proof.json_keys)
    return isinstance(value, dict) and all(value.get(key) not in (None, [], {}) for key in proof.json_keys)


def _first_match(proof: Proof, shown: bytes) -> int:
    for pattern in (*proof.all, *proof.any):
        found = pattern.search(shown)
        if found is not None:
            return found.start()
    return 0


def findings(rules: ExposureRules, origin: Origin, exposed: Sequence[Exposed]) -> tuple[Finding, ...]:
    """One finding per check: the first path in rule order is its location, the others are further evidence."""
    groups: dict[str, list[Exposed]] = {}
    for item in sorted(exposed, key=lambda e: (e.rule.order, e.exchange.request.target)):
        groups.setdefault(item.rule.proof.check, []).append(item)
    return tuple(_finding(rules, origin, check, group) for check, group in groups.items())


def _finding(rules: ExposureRules, origin: Origin, check: str, group: Sequence[Exposed]) -> Finding:
    entry = rules.checks[check]
    paths = list(dict.fromkeys(item.exchange.request.target for item in group))
    also = f" Found at: {', '.join(paths[:20])}." if len(paths) > 1 else ""
    return Finding(
        check=check,
        title=entry.title,
        severity=entry.severity,
        asset=str(origin),
        location=paths[0],
        evidence_level=EvidenceLevel.BEHAVIOUR,
        confidence=confidence(Ground.CONTENT),
        evidence=tuple(item.evidence for item in group[:MAX_EVIDENCE]),
        description=entry.description + also,
        impact=entry.impact,
        remediation=entry.remediation,
        references=entry.references,
        cwe=entry.cwe,
    )

"""What a template's results mean for a scan: a finding of its own, or more about one that a version suggested.

A template that proves its CVE by behaviour or a callback lifts the version's finding; one that ran and found nothing
says so there and takes confidence away. A template that only compares versions proves no more than a version. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import re2

from secrecon.detect.evidence import excerpt, printable
from secrecon.engine.templating.driver import Attempted, Job
from secrecon.model.confidence import Doubt, Ground, confidence, together
from secrecon.model.confidence import doubted as doubted_by
from secrecon.model.finding import Evidence, EvidenceLevel, Finding, Severity
from secrecon.model.trace import lines_of
from secrecon.templates.execution.events import Found
from secrecon.templates.matchers import DslTest
from secrecon.templates.template import Template

MAX_REQUEST, MAX_RESPONSE, MAX_TEXT = 2_000, 3_000, 1_500
MAX_REFERENCES, MAX_PLACE = 12, 300
BY_VERSION = "Possible, by its version: "
CLEAN = "asked, and the answer did not confirm it"
_GROUND = {
    EvidenceLevel.VERSION_RANGE: Ground.VERSION,
    EvidenceLevel.BEHAVIOUR: Ground.MATCHERS,
    EvidenceLevel.CALLBACK: Ground.REQUEST_ALONE,
}
_TARGET = re2.compile(r"^\{\{(?:BaseURL|RootURL|Path)\}\}")
_MARKER = re2.compile(r"\{\{([^{}]+)\}\}")


def check_of(template: Template) -> str:
    """The stable id of the check that a template is."""
    cves = cve_ids(template)
    return f"cve.{cves[0]}" if len(cves) == 1 else f"template.{template.id}"


def line_of(template: Template) -> str:
    """The template's own line in the coverage ledger."""
    return f"template.{template.id}"


def cve_ids(template: Template) -> tuple[str, ...]:
    """The CVE ids that a template names, in upper case."""
    written = template.info.classification.get("cve-id", "").replace("[", " ").replace("]", " ").replace(",", " ")
    return tuple(word.upper() for word in written.split() if word.upper().startswith("CVE-"))


def finding_for(job: Job, asset: str, found: Sequence[Found], known: Mapping[str, Finding]) -> Finding:
    """One finding for everything that a template found on an asset. `known`: the scan's findings by fingerprint."""
    first = max(found, key=lambda item: item.callback is not None)
    template, info = first.template, first.template.info
    level = _level(template, found)
    ground = _GROUND[level]
    if level is EvidenceLevel.CALLBACK and all(f.callback is None or f.callback.protocol == "dns" for f in found):
        ground = Ground.LOOKUP_AND_MATCHERS
    sure = confidence(ground)
    evidence = tuple(_evidence(template, item) for item in found[:3])
    before = _suggested(template, asset, known)
    if before is not None:
        return _lifted(before, template, level, sure, evidence)
    location = _location(first, asset)
    same = _at_the_place(template, asset, location, known)
    if same is not None:
        return _joined(same, template, level, sure, evidence)
    cves = cve_ids(template)
    return Finding(
        check=check_of(template),
        title=(BY_VERSION if level is EvidenceLevel.VERSION_RANGE else "") + _title(template),
        severity=severity_of(info.severity),
        asset=asset,
        location=location,
        evidence_level=level,
        confidence=sure,
        evidence=evidence,
        description=_text(info.description) or f"The template {template.id} matched.",
        impact=_text(info.impact or info.metadata.get("impact", "") or info.description),
        remediation=_text(info.remediation or info.metadata.get("remediation", ""))
        or "Update the product to a version in which this is fixed; the references say which.",
        references=tuple(ref for ref in info.references if ref.startswith("https://"))[:MAX_REFERENCES],
        cve_id=cves[0] if cves else None,
        cwe=tuple(
            word for word in info.classification.get("cwe-id", "").replace(",", " ").split() if "CWE-" in word
        ),
        cvss_score=_score(info.classification.get("cvss-score", "")),
        cvss_vector=info.classification.get("cvss-metrics") or None,
        kev=("kev" in info.tags) if cves else None,
        oast_verified=level is EvidenceLevel.CALLBACK,
        found_by=(line_of(template),),
    )


def doubted(attempt: Attempted, asset: str, known: Mapping[str, Finding]) -> Finding | None:
    """The version's finding that a template for its CVE did not confirm, with less confidence; None where there is none,
    or where that was said before."""
    template = attempt.job.prepared.template
    before = _suggested(template, asset, known)
    if before is None or any(template.id in item.summary for item in before.evidence) or _by_version(template):
        return None
    told = Evidence(kind="http", summary=f"template {template.id}: {CLEAN} ({attempt.requests} requests)")
    words = f"{before.description} The template {template.id} asked for the flaw itself and did not see it."
    return replace(
        before,
        confidence=doubted_by(before.confidence, Doubt.NOT_CONFIRMED),
        evidence=(*before.evidence, told),
        description=words[:MAX_TEXT],
    )


def severity_of(written: str) -> Severity:
    """A template's severity; unknown counts as info."""
    try:
        return Severity(written.lower())
    except ValueError:
        return Severity.INFO


def _suggested(template: Template, asset: str, known: Mapping[str, Finding]) -> Finding | None:
    cves = cve_ids(template)
    levels = (EvidenceLevel.BANNER, EvidenceLevel.VERSION_RANGE)
    return next(
        (f for f in known.values() if f.cve_id in cves and f.asset == asset and f.evidence_level in levels), None
    )


def _at_the_place(template: Template, asset: str, location: str, known: Mapping[str, Finding]) -> Finding | None:
    """What is known of the same problem at the same place: the same CVE shown by another template, or, for a template
    without a CVE, the file that an own check found exposed there. A start page is no place that could tell two problems apart."""
    cves = cve_ids(template)
    for finding in known.values():
        if finding.asset != asset or finding.location != location:
            continue
        if finding.cve_id is not None and finding.cve_id in cves:
            return finding
        if not cves and finding.check.startswith("exposure.") and location not in ("", "/"):
            return finding
    return None


def _joined(
    before: Finding, template: Template, level: EvidenceLevel, sure: float, evidence: tuple[Evidence, ...]
) -> Finding:
    """One finding with the evidence of both: the stronger level, the confidence of both, the worse severity. Said once each."""
    told = {item.summary for item in before.evidence}
    more = tuple(item for item in evidence if item.summary not in told)
    stronger = level.rank > before.evidence_level.rank
    detections = [(before.evidence_level, before.confidence)]
    if line_of(template) not in before.found_by:
        detections.append((level, sure))
    return replace(
        before,
        severity=max(before.severity, severity_of(template.info.severity), key=lambda severity: severity.rank),
        evidence_level=level if stronger else before.evidence_level,
        confidence=max(sure, together(detections)),
        evidence=(*more, *before.evidence) if stronger else (*before.evidence, *more),
        oast_verified=before.oast_verified or level is EvidenceLevel.CALLBACK,
        found_by=tuple(dict.fromkeys((*(before.found_by or lines_of(before.check)), line_of(template)))),
    )


def _lifted(
    before: Finding, template: Template, level: EvidenceLevel, sure: float, evidence: tuple[Evidence, ...]
) -> Finding:
    """The version's finding, now verified; what the version said stays as evidence."""
    found_by = (*(before.found_by or lines_of(before.check)), line_of(template))
    if level.rank <= before.evidence_level.rank:
        return replace(before, evidence=(*before.evidence, *evidence), found_by=found_by)
    how = "by a callback" if level is EvidenceLevel.CALLBACK else "by its behaviour"
    title = before.title.removeprefix(BY_VERSION)
    return replace(
        before,
        title=title,
        evidence_level=level,
        confidence=together(((before.evidence_level, before.confidence), (level, sure))),
        evidence=(*evidence, *before.evidence),
        description=f"{_text(template.info.description)} Verified on the target {how}.".strip()[:MAX_TEXT],
        oast_verified=before.oast_verified or level is EvidenceLevel.CALLBACK,
        found_by=found_by,
    )


def _level(template: Template, found: Sequence[Found]) -> EvidenceLevel:
    if any(item.callback is not None for item in found):
        return EvidenceLevel.CALLBACK
    return EvidenceLevel.VERSION_RANGE if _by_version(template) else EvidenceLevel.BEHAVIOUR


def _by_version(template: Template) -> bool:
    """True where the verdict is a comparison of version numbers, or the template says that it rests on a version."""
    if template.info.metadata.get("evidence", "").strip().lower() == "version":
        return True
    tests = [matcher.test for block in template.http for matcher in block.operators.matchers]
    return any(
        "compare_versions" in program.calls
        for test in tests
        if isinstance(test, DslTest)
        for program in test.programs
    )


def _title(template: Template) -> str:
    cves = cve_ids(template)
    name = _text(template.info.name)[:200]
    return f"{name} ({cves[0]})" if len(cves) == 1 and cves[0] not in name else name


def _location(found: Found, asset: str) -> str:
    """Where on the asset it was found, the same in every scan: without the query, and with `*` for what the template
    filled in, which may be random or the target's. A payload stays, because it says which of several."""
    made = [value for name, value in found.template.constants.items() if name.startswith("randstr")]
    path = _starred(found.matched.removeprefix(asset).partition("?")[0][:MAX_PLACE] or "/", made)
    for block in found.template.http:
        payloads = (
            frozenset(name for name, _ in block.payloads.lists) if block.payloads is not None else frozenset()
        )
        written = [text.source for text in block.paths]
        written += [([*raw.text.source.split(None, 2), "", ""])[1] for raw in block.raws]
        for one in written:
            place = _as_written(path, _starred(_TARGET.sub("", one).partition("?")[0], made), payloads)
            if place:
                return place
    return path


def _starred(path: str, made: Sequence[str]) -> str:
    for value in made:
        path = path.replace(value, "*")
    return path


def _as_written(path: str, written: str, payloads: frozenset[str]) -> str:
    """`path` with what `written` leaves open as `*`; "" where it is another path."""
    parts = _MARKER.split(written)
    pattern = "".join(re2.escape(part) if at % 2 == 0 else "(.+?)" for at, part in enumerate(parts))
    match = re2.fullmatch(pattern, path)
    if match is None:
        return ""
    filled = (
        part if at % 2 == 0 else match.group(at // 2 + 1) if part.strip() in payloads else "*"
        for at, part in enumerate(parts)
    )
    return "".join(filled)


def _evidence(template: Template, found: Found) -> Evidence:
    what = ", ".join(part for part in (found.matcher, found.extractor) if part)
    values = ", ".join(printable(value)[:80] for value in found.extracted[:5])
    callback = found.callback
    return Evidence(
        kind="callback"
        if callback is not None
        else found.protocol
        if found.protocol in ("http", "dns")
        else "http",
        summary=f"template {template.id}" + (f" ({what})" if what else "") + (f": {values}" if values else ""),
        request=excerpt(found.request, MAX_REQUEST),
        response=excerpt(found.response, MAX_RESPONSE),
        matcher=f"the matchers of template {template.id} hold" + (f": {what}" if what else ""),
        callback=""
        if callback is None
        else f"{callback.protocol} from {callback.address}\n{excerpt(callback.request, MAX_REQUEST)}",
        curl=found.curl,
    )


def _text(written: str) -> str:
    return " ".join(written.split())[:MAX_TEXT]


def _score(written: str) -> float | None:
    try:
        score = float(written)
    except ValueError:
        return None
    return score if 0 < score <= 10 else None

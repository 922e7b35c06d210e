"""Everything that is known of a technology: the curated core first, then the index of feeds where there is one.

The core wins for the CVEs it holds: its ranges were gone through by hand. Marks of exploitation come from the feeds, where
they have them. Without an index the core stands alone, and `note` says so. A match is a lead, never a proof: its level is
VERSION_RANGE at most, and BANNER where a distribution may have mended the flaw under an unchanged version.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from secrecon.intel import packages, ssvc
from secrecon.intel.aliases import Aliases
from secrecon.intel.core import Core, CveRecord, severity_of
from secrecon.intel.cpe import key_of
from secrecon.intel.lookup import Index, Matched, Result
from secrecon.intel.match import (
    CveMatch,
    look_up,
)
from secrecon.intel.records import CveFacts, PackageFlaw
from secrecon.intel.scores import shown
from secrecon.intel.versions import Placement
from secrecon.model.asset import Technology
from secrecon.model.confidence import Doubt, Ground, confidence
from secrecon.model.finding import EvidenceLevel, Severity, Threat
from secrecon.model.scan import FeedInfo

UNSCORED = Severity.MEDIUM
"""What a CVE without any score counts as, told as such."""
MOST_SHOWN = 60
"""CVEs of one technology that become findings of their own, the most pressing first; the ledger names how many more."""
_SENTENCE = re.compile(r"^(.{20,180}?[.!?])\s", re.DOTALL)
WORDS = {
    "critical": Severity.CRITICAL,
    "high": Severity.HIGH,
    "moderate": Severity.MEDIUM,
    "medium": Severity.MEDIUM,
    "low": Severity.LOW,
}


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one technology. `known`: the core or a feed has the product. `decided`: how many CVEs could be placed;
    `undecided`: those that could not; `more`: matches beyond those shown; `candidates`: CVEs where the version is not known;
    `mended`: CVEs that the version says and that the distribution says its package has mended."""

    known: bool
    matches: tuple[CveMatch, ...] = ()
    decided: int = 0
    undecided: tuple[str, ...] = ()
    more: int = 0
    candidates: int = 0
    mended: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Knowledge:
    """`index` None: no feed was ever taken in. `dates`: kind of feed to the newest date its files give themselves."""

    core: Core
    aliases: Aliases
    index: Index | None = None
    dates: dict[str, str] = field(default_factory=dict)

    @property
    def data(self) -> str:
        """What a look-up rests on, for evidence."""
        if self.index is None:
            return f"curated core of {self.core.date}"
        nvd = self.dates.get("nvd") or "none"
        return f"curated core of {self.core.date} and feeds (NVD {nvd}, index {self.index.path.stem[:14]})"

    def look_up(self, technology: Technology, present: Collection[str] = ()) -> Known:
        """The CVEs that may apply, most pressing first. `present`: product keys that run on the same host."""
        curated = look_up(self.core, technology)
        held = {cve.id for cve in curated.product.cves} if curated.product else set()
        keys = self._keys(technology, curated.product.cpe if curated.product else ())
        result = self._result(technology, keys, present, curated.product.parts if curated.product else 0)
        flaws = self._flaws(technology)
        known = curated.product is not None or result.known or bool(flaws)
        if not technology.version:
            return Known(known, candidates=len(held.union(result.candidates)))
        unknown = set(result.undecided).difference(held).union(curated.undecided)
        found = {match.cve.id: self._marked(match) for match in curated.matches}
        for matched in result.matches:
            made = self._of_feed(technology, matched) if matched.cve_id not in held else None
            if made is not None:
                found[made.cve.id] = made
        for match in self._of_packages(technology, flaws, found.keys() | held, unknown):
            found.setdefault(match.cve.id, match)
        own = self._of_distribution(technology)
        kept = [held_to for match in found.values() if (held_to := _held_to(technology, match, own))]
        mended = tuple(sorted(found.keys() - {match.cve.id for match in kept}))
        kept.sort(key=_pressing)
        placed = len(held) - len(curated.undecided) + result.decided
        undecided = tuple(sorted(unknown - found.keys()))
        more = max(0, len(kept) - MOST_SHOWN)
        return Known(known, tuple(kept[:MOST_SHOWN]), placed, undecided, more, mended=mended)

    def _result(self, technology: Technology, keys: list[str], present: Collection[str], parts: int) -> Result:
        if self.index is None:
            return Result(False)
        by_base = any(key in self.aliases.packaged for key in keys)
        return self.index.match(keys, technology.version, present, by_base=by_base, parts=parts)

    def _flaws(self, technology: Technology) -> tuple[PackageFlaw, ...]:
        package = self.aliases.packages.get(technology.name, "")
        return self.index.flaws(package) if self.index is not None and package else ()

    def _keys(self, technology: Technology, curated: Iterable[str]) -> list[str]:
        keys = (key_of(cpe) for cpe in (technology.cpe, *curated))
        return list(dict.fromkeys(alias for key in keys if key for alias in self.aliases.of(key)))

    def _marked(self, match: CveMatch) -> CveMatch:
        """With what the feeds say of its exploitation; the core's own mark where they say nothing."""
        return CveMatch(
            match.cve,
            match.name,
            match.level,
            match.confidence,
            match.reason,
            *self._marks(
                match.cve.id,
                match.cve.kev,
                match.cve.kev_added,
                match.cve.cvss_score,
                "secrecon",
                match.cve.checked,
            ),
        )

    def _marks(
        self, cve_id: str, kev: bool, added: str, score: float | None, provider: str, scored: str
    ) -> tuple[float | None, bool, str | None, Threat]:
        """EPSS, KEV, SSVC and what they rest on."""
        of = provider if score is not None else ""
        when = scored if score is not None else ""
        index = self.index
        if index is None or not cve_id.startswith("CVE-"):
            date = self.core.kev_catalogue if cve_id.startswith("CVE-") else ""
            return None, kev, None, Threat(kev_added=added, kev_date=date, cvss_provider=of, cvss_date=when)
        entry, epss, points = index.kev(cve_id), index.epss(cve_id), index.ssvc(cve_id)
        listed = entry is not None if index.has("kev") else kev
        threat = Threat(
            epss_percentile=epss.percentile if epss else None,
            epss_date=self.dates.get("epss", "") if epss else "",
            kev_added=entry.added if entry else (added if listed else ""),
            kev_due=entry.due if entry else "",
            kev_ransomware=entry.ransomware if entry else False,
            kev_date=self.dates.get("kev", "") if index.has("kev") else self.core.kev_catalogue,
            ssvc_points=ssvc.words(points) if points else "",
            ssvc_date=points.at[:10] if points else "",
            cvss_provider=of,
            cvss_date=when,
        )
        return epss.score if epss else None, listed, str(ssvc.decide(points)) if points else None, threat

    def _of_feed(self, technology: Technology, matched: Matched) -> CveMatch | None:
        assert self.index is not None
        facts = self.index.facts(matched.cve_id)
        if facts is None or facts.rejected:
            return None
        told = f"{technology.name} {technology.version} is in the affected range ({matched.rule}, by {matched.provider})"
        cve = self._record(facts, matched)
        return self._made(technology, cve, told, matched.conditions, named=matched.named, facts=facts)

    def _record(self, facts: CveFacts, matched: Matched) -> CveRecord:
        metric = shown(facts.metrics)
        sentence = _SENTENCE.match(facts.description + " ")
        needs = " and ".join(matched.conditions)
        return CveRecord(
            id=facts.id,
            title=(sentence[1] if sentence else facts.description)[:180].rstrip(". ") or facts.id,
            severity=severity_of(metric.score) if metric else UNSCORED,
            cvss_score=metric.score if metric else None,
            cvss_vector=metric.vector if metric else None,
            cwe=facts.cwe,
            kev=False,
            kev_added="",
            affected=(),
            needs=needs,
            summary=facts.description or "The record has no description.",
            impact="As the record above describes."
            + ("" if metric else " No provider has scored it; it is counted as medium."),
            fix=f"Update to a version outside of the affected range ({matched.rule}); the references name the vendor's advice.",
            references=facts.references,
            checked=facts.modified[:10],
            differs="",
        )

    def _of_packages(
        self, technology: Technology, flaws: Iterable[PackageFlaw], held: Collection[str], unknown: set[str]
    ) -> Iterator[CveMatch]:
        for flaw in flaws:
            name = flaw.cves[0] if flaw.cves else flaw.id
            if name in held:
                continue
            placement = packages.place(flaw, technology.version)
            if placement is Placement.UNKNOWN:
                unknown.add(name)
            if placement is Placement.INSIDE:
                limits = packages.words(flaw)
                told = f"{technology.name} {technology.version} is in the affected range ({limits}, by {flaw.provider})"
                cve = self._package_record(flaw, name, technology.version)
                yield self._made(technology, cve, told, (), named=True, facts=None)

    def _package_record(self, flaw: PackageFlaw, name: str, version: str) -> CveRecord:
        assert self.index is not None
        facts = self.index.facts(name) if name.startswith("CVE-") else None
        metric = shown(facts.metrics) if facts else None
        fix = packages.fix_for(flaw, version)
        severity = severity_of(metric.score) if metric else WORDS.get(flaw.severity, UNSCORED)
        text = flaw.summary or (facts.description if facts else "")
        return CveRecord(
            id=name,
            title=(text.split("\n")[0][:180].rstrip(". ") or name),
            severity=severity,
            cvss_score=metric.score if metric else None,
            cvss_vector=metric.vector if metric else None,
            cwe=facts.cwe if facts else (),
            kev=False,
            kev_added="",
            affected=(),
            needs="",
            summary=text or "The record has no description.",
            impact="As the record above describes.",
            fix=f"Update to {fix} or later."
            if fix
            else "Update to a version that is not affected; the references name it.",
            references=flaw.references or (facts.references if facts else ()),
            checked=facts.modified[:10] if facts else "",
            differs="",
        )

    def _made(
        self,
        technology: Technology,
        cve: CveRecord,
        reason: str,
        conditions: tuple[str, ...],
        *,
        named: bool,
        facts: CveFacts | None,
    ) -> CveMatch:
        level, doubts = EvidenceLevel.VERSION_RANGE, [Doubt.CONDITION] if conditions else []
        if technology.distribution:
            level = EvidenceLevel.BANNER
            doubts.append(Doubt.BACKPORT)
            reason += f"; the banner names {technology.distribution}, which may have backported the fix"
            reason += " without changing the version"
        if not named:
            doubts.append(Doubt.NO_VERSIONS)
            reason += "; the record names no versions, so every one matches"
        if conditions:
            reason += f"; it also applies only {' and '.join(conditions)}, which was not seen"
        metric = shown(facts.metrics) if facts else None
        marks = self._marks(
            cve.id, False, "", cve.cvss_score, metric.provider if metric else "nvd", self.dates.get("nvd", "")
        )
        sure = confidence(Ground.VERSION, *doubts, sighting=technology.confidence)
        return CveMatch(cve, technology.name, level, sure, reason, *marks)

    def _of_distribution(self, technology: Technology) -> dict[str, list[PackageFlaw]]:
        """What the distribution says of the package that was seen, by CVE: its own record of the CVE before advisories that
        speak of several. Ubuntu keeps the fixes of its long support apart (`pro`)."""
        if self.index is None or not technology.package or not technology.package_version:
            return {}
        keys = [technology.package]
        if technology.package.startswith("deb/ubuntu:"):
            keys.append(technology.package.replace("deb/ubuntu:", "deb/ubuntu:pro:", 1))
        said: dict[str, list[PackageFlaw]] = {}
        for flaw in (flaw for key in keys for flaw in self.index.flaws(key)):
            for name in (flaw.id, *flaw.aliases):
                said.setdefault(name, []).append(flaw)
        return {name: [flaw for flaw in flaws if flaw.id.endswith(name)] or flaws for name, flaws in said.items()}


def _held_to(technology: Technology, match: CveMatch, said: Mapping[str, Sequence[PackageFlaw]]) -> CveMatch | None:
    """The match as the distribution's own word leaves it: affected, or None where it mended the flaw; as it is, with a doubt,
    where it says nothing."""
    flaws = said.get(match.cve.id, ())
    answers = {packages.place(flaw, technology.package_version) for flaw in flaws}
    direct = any(flaw.id.endswith(match.cve.id) for flaw in flaws)
    if Placement.OUTSIDE in answers and (direct or Placement.INSIDE not in answers):
        return None
    if Placement.INSIDE not in answers:
        return replace(match, reason=f"{match.reason}; {_unsaid(technology)}") if technology.package else match
    doubts = (Doubt.CONDITION,) if match.cve.needs else ()
    who = flaws[0].ecosystem
    return replace(
        match,
        level=EvidenceLevel.VERSION_RANGE,
        confidence=confidence(Ground.VERSION, *doubts, sighting=technology.confidence),
        reason=f"{match.reason}; {who} says that its package {technology.package_version} is affected",
    )


def _unsaid(technology: Technology) -> str:
    name = technology.package.rpartition("/")[2]
    return (
        f"no feed here says whether {technology.distribution}'s package {name} {technology.package_version} has it"
    )


def feeds_of(knowledge: Knowledge) -> tuple[FeedInfo, ...]:
    """What reports say of the data that scans are looked up in."""
    index = knowledge.index
    note = (
        ""
        if index is not None
        else "no feeds: run `secrecon feeds sync` or import feed files to know more than the core"
    )
    core = knowledge.core.feed
    shown_core = FeedInfo(
        core.name, core.date, core.rows, core.digest, f"{core.note}; {note}" if note else core.note
    )
    about = index.about if index is not None else None
    if not isinstance(about, dict):
        return (shown_core,)
    made = [
        FeedInfo(str(file["name"]), str(file["date"]), int(file["rows"]), str(file.get("sha256", "")))
        for files in about.values()
        for file in files
    ]
    return (shown_core, *made)


def dates_of(index: Index) -> dict[str, str]:
    """Kind of feed to the newest date that its files give themselves."""
    about = index.about
    if not isinstance(about, dict):
        return {}
    return {str(kind): max((str(file["date"]) for file in files), default="") for kind, files in about.items()}


def _pressing(match: CveMatch) -> tuple[bool, float, int, float, str]:
    """Known to be exploited first, then likely, then severe."""
    return (
        not match.kev,
        -(match.epss or 0.0) if (match.epss or 0.0) >= 0.1 else 0.0,
        -match.cve.severity.rank,
        -(match.cve.cvss_score or 0.0),
        match.cve.id,
    )

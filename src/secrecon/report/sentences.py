"""Whether a sentence that a language model wrote says only what the data says. Pure; doubt means no.

A sentence is held against the findings that it cites and nothing else: each name, version, CVE, date and number in it must
be one of theirs, a count must be their number, a severity their severity; proof, exploitation and callbacks may be claimed only
where the findings carry them; denials, reassurance, remarks about the past and words that the findings do not hold are refused.
This throws away good sentences too: what is lost is told by rules instead. Reasons are for people and tests.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from secrecon.model.finding import EvidenceLevel, FindingStatus, Severity
from secrecon.report import wordlists
from secrecon.report.briefing import finding_data
from secrecon.report.causes import host_of
from secrecon.report.document import Facts, ReportFinding

MOST_LETTERS = 420
LEAST_WORDS = 4
GROUNDED = 0.55
_WORD = re.compile(r"[A-Za-z]+(?:'[a-z]+)?")
_NOUNS = (
    r"(?:findings?|problems?|issues?|vulnerabilit(?:y|ies)|flaws?|weakness(?:es)?|holes?|risks?|exposures?"
    r"|misconfigurations?|defects?|cves?|gaps?|threats?)"
)
COUNT = re.compile(
    rf"(?<![\w.,/:-])(\d[\d,]*|{'|'.join(wordlists.NUMBERS)})\s+((?:[a-z-]+[\s,]+){{0,4}}?){_NOUNS}\b(?!-)",
    re.IGNORECASE,
)
_QUANTITY = re.compile(
    rf"\b(?:{'|'.join(wordlists.QUANTITIES)})\b(?:\s+[a-z-]+){{0,3}}?\s+{_NOUNS}\b", re.IGNORECASE
)
_WHOLE = re.compile(r"\b(?:there (?:is|are)|in total|total of|overall|altogether|in all|only|scan found)\b", re.I)
SEVERITY = re.compile(r"\b(critical|high|medium|low)\b(?!-)", re.IGNORECASE)
_DOUBT = re.compile(
    r"\b(?:(?:must|should|needs? to|has to|have to|to|is to|are to)(?: first)? be|not(?: yet)?(?: been)?|never|un)[ -]?"
    r"(?:confirmed|verified|proven|shown|established|demonstrated)\b",
    re.IGNORECASE,
)
_GRADE = re.compile(r"\b(?:grade|graded|rating|rated|score)\b", re.IGNORECASE)
_DATES = (
    (re.compile(r"\b(\d{1,2} [A-Z][a-z]{2,8} \d{4})\b"), "%d %B %Y"),
    (re.compile(r"\b([A-Z][a-z]{2,8} \d{1,2},? \d{4})\b"), "%B %d %Y"),
    (re.compile(r"\b(\d{4}-\d{2}-\d{2})\b"), "%Y-%m-%d"),
)
_MONTH = re.compile(
    r"\b(?:january|february|april|june|july|august|september|october|november|december)\b", re.IGNORECASE
)
_ODD = re.compile(
    r"[<>{}|\\^~`]|\]\(|\*\*|__|://\S*@|[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)
_EDGES = ".,;:!?()[]\"'“”‘’…*_"
_PIECES = re.compile(r"[/:=?&,;()\[\]\"'\s]+")


@dataclass(frozen=True, slots=True)
class Cited:
    """The findings that a sentence speaks of, with what may be said of them."""

    findings: tuple[ReportFinding, ...]
    tokens: frozenset[str]
    stems: frozenset[str]


class Checker:
    """Checks the sentences of one report."""

    def __init__(self, facts: Facts, letter: str) -> None:
        self._facts = facts
        self._letter = letter
        self._by_id = {finding.id: finding for finding in facts.findings}
        self._scan_tokens = tokens_of([facts.subject, facts.target, host_of(facts.target)])

    def objection(self, text: str, ids: Sequence[int]) -> str:
        """Why a sentence is refused, "" where it may stand."""
        findings = tuple(self._by_id[number] for number in ids if number in self._by_id)
        if not ids or len(findings) != len(ids):
            return "it cites no finding, or one that is not in the report"
        if not all(finding.counts for finding in findings):
            return "it speaks of a finding that was closed"
        corpus = _corpus(findings)
        cited = Cited(findings, tokens_of(corpus) | self._scan_tokens, _stems(corpus) | wordlists.VOCABULARY)
        text = " ".join(text.split())
        for check in (_form, self._counts, self._severities, _claims, _denials, _kinds, self._names, _grounded):
            reason = check(text, cited)
            if reason:
                return reason
        return ""

    def _counts(self, text: str, cited: Cited) -> str:
        quantity = _QUANTITY.search(text)
        if quantity and {finding.id for finding in cited.findings} != set(self._by_id):
            return f"{quantity.group(0)!r} is said of findings that are not all"
        for match in COUNT.finditer(text):
            number = number_of(match.group(1))
            levels = {Severity(word.lower()) for word in SEVERITY.findall(match.group(2))}
            mine = [f for f in cited.findings if not levels or f.severity in levels]
            if number != len(mine):
                return f"it counts {match.group(0)!r} and cites {len(mine)}"
            every = [f for f in self._facts.findings if not levels or f.severity in levels]
            if _WHOLE.search(text) and number != len(every):
                return f"it counts {match.group(0)!r} and the report has {len(every)}"
        return ""

    def _severities(self, text: str, cited: Cited) -> str:
        said = {word.lower() for word in SEVERITY.findall(text)}
        if len(said) > 1:
            return "it gives two severities"
        levels = {str(finding.severity) for finding in cited.findings}
        if said and levels != said:
            return f"it says {said.pop()} of findings that are {', '.join(sorted(levels))}"
        ranks = [finding.severity.rank for finding in cited.findings]
        words = words_of(text)
        if words & wordlists.GRAVE and min(ranks) < Severity.HIGH.rank:
            return "it calls grave what is not high or critical"
        if words & wordlists.SLIGHT and max(ranks) > Severity.LOW.rank:
            return "it calls slight what is more than low"
        if words & wordlists.MIDDLING and set(ranks) != {Severity.MEDIUM.rank}:
            return "it calls moderate what is not medium"
        return ""

    def _names(self, text: str, cited: Cited) -> str:
        """Everything that is not plain words: names, paths, versions, numbers, dates, the grade."""
        rest, reason = self._without_dates(text, cited)
        if reason:
            return reason
        rest = COUNT.sub(" ", rest)
        for raw in rest.split():
            token = raw.strip(_EDGES).casefold()
            if token and is_technical(token) and not is_known(token, cited.tokens):
                return f"{token!r} is not in the findings that it cites"
        reason = _scores(text, cited)
        if not reason and _GRADE.search(text):
            letters = set(re.findall(r"\b[A-F]\b", text)) - {"A"} | set(
                re.findall(r"\b(?:grade|rating|is|of) (A)\b", text)
            )
            if letters - {self._letter}:
                return "it gives another grade"
        return reason

    def _without_dates(self, text: str, cited: Cited) -> tuple[str, str]:
        known = {finding.threat.kev_due[:10] for finding in cited.findings}
        known |= {finding.threat.kev_added[:10] for finding in cited.findings}
        known |= {(self._facts.finished or "")[:10]}
        for pattern, form in _DATES:
            for found in pattern.findall(text):
                try:
                    date = datetime.strptime(found.replace(",", ""), form).date().isoformat()
                except ValueError:
                    return text, f"{found!r} is no date"
                if date not in known:
                    return text, f"{found!r} is no date of the findings that it cites"
            text = pattern.sub(" ", text)
        return text, "it speaks of a month" if _MONTH.search(text) else ""


def _form(text: str, cited: Cited) -> str:
    words = text.split()
    if not len(words) >= LEAST_WORDS or len(text) > MOST_LETTERS:
        return "it is too short or too long to be a sentence"
    if _ODD.search(text):
        return "it holds markup or invisible characters"
    if not text.isascii() and any(ord(char) > 0x24F and char not in "–—‘’“”…•" for char in text):
        return "it is not in English letters"
    return ""


def _claims(text: str, cited: Cited) -> str:
    """Claims that need more than a finding's existence."""
    words = words_of(text)
    shown = {EvidenceLevel.BEHAVIOUR, EvidenceLevel.CALLBACK}
    levels = {finding.evidence_level for finding in cited.findings}
    if _DOUBT.search(text) and levels & shown:
        return "it doubts what is shown"
    if words_of(_DOUBT.sub(" ", text)) & wordlists.PROOF and levels - shown:
        return "it calls proven what rests on a version"
    if words & wordlists.CALLED and not all(finding.oast_verified for finding in cited.findings):
        return "it tells of a callback that there was none of"
    if words & wordlists.EXPLOITED and not all(finding.is_kev for finding in cited.findings):
        return "it calls exploited what no catalogue lists"
    if "ransomware" in words and not all(finding.threat.kev_ransomware for finding in cited.findings):
        return "it tells of ransomware that no catalogue names"
    if words & wordlists.CLOSED and not all(finding.status is FindingStatus.ACCEPTED for finding in cited.findings):
        return "it calls settled what is open"
    for refused, reason in wordlists.NEVER:
        if words & refused:
            return reason
    lower = f" {' '.join(text.lower().split())} "
    for phrase in wordlists.NEVER_PHRASES:
        if phrase in lower:
            return f"it says {phrase.strip()!r}"
    return ""


def _denials(text: str, cited: Cited) -> str:
    """A denial beside a word for danger is a reassurance, and no scan can give one."""
    words = words_of(text)
    denied = words & wordlists.DENIALS or any(word.endswith("n't") for word in words)
    if denied and (words & wordlists.DANGER or SEVERITY.search(text)):
        return "it denies a danger"
    return ""


def _kinds(text: str, cited: Cited) -> str:
    """A kind of flaw that a sentence names must be one of every finding that it cites, so that none is taken for another."""
    lower = " ".join(text.lower().split())
    corpora = [" ".join(_corpus((finding,))).lower() for finding in cited.findings]
    for names in wordlists.KINDS:
        said = next((name for name in names if name in lower), "")
        if said and not all(any(name in corpus for name in names) for corpus in corpora):
            return f"it says {said!r} of a finding that is none"
    return ""


def _scores(text: str, cited: Cited) -> str:
    lower = text.lower()
    for name, known in (
        ("cvss", {f"{f.cvss_score:.1f}" for f in cited.findings if f.cvss_score is not None}),
        ("epss", {f"{f.epss:.1%}".rstrip("%") for f in cited.findings if f.epss is not None}),
    ):
        said = set(re.findall(r"(?<![\d.-])\d{1,3}\.\d+(?![\d.]*\d)", lower)) if name in lower else set()
        if said and not said & known:
            return f"it gives another {name.upper()}"
    return ""


def _grounded(text: str, cited: Cited) -> str:
    """Most of its words must be the findings' own or those that any report uses."""
    content = [word for word in words_of(text) if len(word) > 3 and word not in wordlists.COMMON]
    own = sum(_stem(word) in cited.stems for word in content)
    if content and own < GROUNDED * len(content):
        return "most of its words are not about the findings that it cites"
    return ""


def _corpus(findings: Iterable[ReportFinding]) -> list[str]:
    texts: list[str] = []
    for finding in findings:
        texts.extend(str(value) for value in finding_data(finding, "").values())
        texts.extend((host_of(finding.asset), *finding.cwe))
    return texts


def tokens_of(texts: Iterable[str]) -> frozenset[str]:
    """Every word of the texts as it stands, and its pieces between separators."""
    found: set[str] = set()
    for text in texts:
        for raw in text.split():
            found.update((raw.casefold(), raw.strip(_EDGES).casefold()))
            found.update(piece.strip(_EDGES).casefold() for piece in _PIECES.split(raw))
    found.discard("")
    return frozenset(found)


def is_known(token: str, tokens: frozenset[str]) -> bool:
    """Whether a name is one of `tokens`, or a term that names nothing."""
    bare = token.removesuffix("'s").removesuffix("’s")
    return token in tokens or bare in tokens or bare.rstrip("/") in tokens or bare in wordlists.TERMS


def is_technical(token: str) -> bool:
    """Whether a word is more than a plain one: a name, a number, a path, a version."""
    local = token in ("localhost",)
    return local or any(
        char.isdigit() or char in "./\\_@:=%#$&+" or (ord(char) > 0x24F and char not in "–—‘’“”…•")
        for char in token
    )


def _stems(texts: Iterable[str]) -> frozenset[str]:
    return frozenset(_stem(word) for text in texts for word in words_of(text))


def words_of(text: str) -> set[str]:
    """The plain words of a text, in lower case."""
    return {word.lower() for word in _WORD.findall(text.replace("’", "'"))}


def _stem(word: str) -> str:
    return word[:5]


def number_of(text: str) -> int:
    """What a counting word or some digits count."""
    lower = text.lower()
    return wordlists.NUMBERS[lower] if lower in wordlists.NUMBERS else int(text.replace(",", ""))

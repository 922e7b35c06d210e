"""Which words a report shows: those of the rules, or a language model's where they hold against the data.

Pure, so a stored draft is judged anew each time the report is made: a late callback or a decision of a person can make a
sentence untrue that was true when it was written. Whatever the model did, the sections are the same: its sentences stand
in the director's and the engineer's, and what they leave out of the findings the rules' points tell.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from secrecon.model.draft import Audience, Draft, DraftSentence
from secrecon.report.document import Facts, Section, Sentence
from secrecon.report.sentences import Checker
from secrecon.report.text import count, line

DETERMINISTIC, MODEL = "deterministic", "model"
BY_RULES = "Written by rules from the data of this scan; no language model took part."
IN_A_PARAGRAPH = 4
TOLD_ABOVE = "The rest, in the words of the rules:"


@dataclass(frozen=True, slots=True)
class Written:
    """The narrative as shown, whose words it is made of, and that in a sentence for people."""

    sections: tuple[Section, ...]
    source: str
    note: str


@dataclass(frozen=True, slots=True)
class Judged:
    """A draft's sentences that hold, and why each of the others does not."""

    kept: tuple[DraftSentence, ...]
    refused: tuple[tuple[DraftSentence, str], ...]


def judge(facts: Facts, letter: str, draft: Draft) -> Judged:
    """Hold each sentence of a draft against the report's data. `letter`: the grade."""
    checker = Checker(facts, letter)
    kept: list[DraftSentence] = []
    refused: list[tuple[DraftSentence, str]] = []
    seen: set[str] = set()
    for sentence in draft.sentences:
        reason = checker.objection(sentence.text, sentence.findings)
        if not reason and sentence.text.casefold() in seen:
            reason = "it was said before"
        seen.add(sentence.text.casefold())
        if reason:
            refused.append((sentence, reason))
        else:
            kept.append(sentence)
    return Judged(tuple(kept), tuple(refused))


def written(facts: Facts, letter: str, told: tuple[Section, ...], draft: Draft | None) -> Written:
    """The narrative: `told` by the rules, with what holds of the model's `draft` in it."""
    if draft is None:
        return Written(told, DETERMINISTIC, BY_RULES)
    name = line(draft.model, 100)
    if draft.failure:
        return _fallen_back(told, name, line(draft.failure, 300))
    judged = judge(facts, letter, draft)
    kept, lost = len(judged.kept), len(judged.refused) + draft.refused
    if not kept or kept < lost:
        what = f"{lost} of its {count(kept + lost, 'sentence')} did not hold against the data"
        return _fallen_back(told, name, what if kept + lost else "it wrote nothing")
    note = f"In part written by the language model {name}, each sentence held against the data: {kept} of {kept + lost} stand."
    if draft.version != facts.version:
        note += f" It wrote for version {draft.version} of this report."
    return Written(tuple(_mixed(section, judged.kept) for section in told), MODEL, note)


def _fallen_back(told: tuple[Section, ...], name: str, why: str) -> Written:
    note = f"Written by rules from the data of this scan. The language model {name} was asked in vain: {why}."
    return Written(told, DETERMINISTIC, note)


def _mixed(section: Section, kept: tuple[DraftSentence, ...]) -> Section:
    """A section with the model's sentences first, then the rules' points on what those do not speak of.

    The rules' paragraphs stay: they tell counts, what was not tested and what was closed.
    """
    if section.audience not in (Audience.DIRECTOR, Audience.ENGINEER):
        return section
    mine = [Sentence(line(said.text), said.findings) for said in kept if said.audience == section.audience]
    if not mine or not section.points or not any(point.findings for point in section.points):
        return section
    spoken = {finding for sentence in mine for finding in sentence.findings}
    left = tuple(point for point in section.points if not set(point.findings) <= spoken)
    prose = (*_without_announcement(section.prose), *_paragraphs(mine))
    return Section(section.title, section.audience, (*prose, (Sentence(TOLD_ABOVE),)) if left else prose, left)


def _without_announcement(prose: tuple[tuple[Sentence, ...], ...]) -> Iterable[tuple[Sentence, ...]]:
    """The paragraphs without sentences that lead up to the list: other sentences come in between now."""
    for paragraph in prose:
        kept = tuple(sentence for sentence in paragraph if not sentence.text.endswith(":"))
        if kept:
            yield kept


def _paragraphs(sentences: list[Sentence]) -> Iterable[tuple[Sentence, ...]]:
    for at in range(0, len(sentences), IN_A_PARAGRAPH):
        yield tuple(sentences[at : at + IN_A_PARAGRAPH])

"""Which words a report shows: those of the rules, or a language model's where they hold against the data.

Pure, so a stored draft is judged anew each time the report is made: a late callback or a decision of a person can make a
sentence untrue that was true when it was written. Whatever the model did, the sections are the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from secrecon.model.draft import Draft
from secrecon.report.document import Coverage, Facts, Section
from secrecon.report.text import line

DETERMINISTIC, MODEL = "deterministic", "model"
BY_RULES = "Written by rules from the data of this scan; no language model took part."


@dataclass(frozen=True, slots=True)
class Written:
    """The narrative as shown, whose words it is made of, and that in a sentence for people."""

    sections: tuple[Section, ...]
    source: str
    note: str


def written(facts: Facts, coverage: Coverage, told: tuple[Section, ...], draft: Draft | None) -> Written:
    """The narrative: `told` by the rules, with what holds of the model's `draft` in it."""
    if draft is None:
        return Written(told, DETERMINISTIC, BY_RULES)
    why = line(draft.failure or "it wrote nothing", 300)
    note = f"Written by rules from the data of this scan. The language model {line(draft.model, 100)} was asked: {why}."
    return Written(told, DETERMINISTIC, note)

"""What a language model wrote about a scan, as it was written: kept beside the scan, believed by nobody.

Each time a report is made, every sentence is held against the data as it is then (`report.sentences`); what fails is
left out. Text here came from outside and is bounded, never trusted. No model's key and no prompt is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

MOST_SENTENCES = 80
MOST_LETTERS = 600


class Audience(StrEnum):
    """For whom a part of the narrative is written."""

    DIRECTOR = "director"
    ENGINEER = "engineer"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class DraftSentence:
    """One sentence and the database ids of the findings that it says it speaks of."""

    audience: Audience
    text: str
    findings: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Draft:
    """`failure`: why there is no usable text, "" otherwise. `refused`: lines that could not be read as sentences.

    `version`: of the report it was written for. Tokens are as the model's server counted them, 0 where it did not say.
    """

    model: str
    sentences: tuple[DraftSentence, ...]
    failure: str = ""
    refused: int = 0
    version: int = 1
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0

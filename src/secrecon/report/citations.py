"""Whether a sentence of the assistant's answer may be shown: its citations and its facts must come from what was looked up.

Pure. `Known` collects, over one conversation, what tools returned for this caller and what the user asked; every name, number
and CVE in a sentence must be in it, every cited finding must have been returned, and a count of nothing must not contradict
it. Looser than `report.sentences`, since a conversation speaks of more than one report's findings. It splits streamed text
into sentences too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from secrecon.model.record import JsonValue
from secrecon.report import wordlists
from secrecon.report.sentences import COUNT, SEVERITY, is_known, is_technical, number_of, tokens_of, words_of

MOST_LETTERS = 1_000
CITED = re.compile(r"\[\s*findings?\s*#?(\d{1,19}(?:\s*(?:,|and|;)\s*#?\d{1,19})*)\s*\]", re.IGNORECASE)
_NUMBER = re.compile(r"\d{1,19}")
_END = re.compile(r"(?<=[.!?])[\"”']?(?:\s*\[[^\[\]\n]{0,200}\][.!?]?)*\s+(?=\S)|\n+")
_EDGES = ".,;:!?()[]\"'“”‘’…*_-"
_REASSURES = wordlists.NEVER[0][0]


@dataclass(slots=True)
class Known:
    """What a conversation may speak of. `severities`: of each finding that a tool returned, by id."""

    tokens: set[str] = field(default_factory=set)
    severities: dict[int, str] = field(default_factory=dict)
    titles: dict[int, str] = field(default_factory=dict)
    open: set[int] = field(default_factory=set)
    looked: int = 0

    def learn(self, result: JsonValue) -> None:
        """Take in what a tool returned."""
        self.looked += 1
        for value in _leaves(result):
            self.tokens |= tokens_of([value])
        for found in _findings(result):
            number = found["finding_id"]
            if isinstance(number, int):
                self.severities[number] = str(found.get("severity", ""))
                self.titles[number] = str(found.get("title", ""))
                if found.get("status") not in ("fixed", "false_positive"):
                    self.open.add(number)

    def hear(self, text: str) -> None:
        """Take in what the user said: names in it may be spoken of."""
        self.tokens |= tokens_of([text[:10_000]])


def cited_in(sentence: str) -> tuple[int, ...]:
    """The ids of the findings that a sentence cites, each once."""
    found = [int(number) for group in CITED.findall(sentence) for number in _NUMBER.findall(group)]
    return tuple(dict.fromkeys(found))


def objection(sentence: str, known: Known) -> str:
    """Why a sentence is left out, "" where it may be shown."""
    cited = cited_in(sentence)
    if any(number not in known.severities for number in cited):
        return "it cites a finding that is not among yours"
    text = " ".join(CITED.sub(" ", sentence).split())
    if len(text) > MOST_LETTERS:
        return "it is too long"
    said = {word.lower() for word in SEVERITY.findall(text)}
    levels = {known.severities[number] for number in cited}
    if cited and len(said) == 1 and said != levels:
        return "it gives a finding another severity"
    words = words_of(text)
    denies = words & wordlists.DENIALS or any(word.endswith("n't") for word in words)
    if words & _REASSURES and not denies:
        return "it reassures"
    return _wrong_count(text, cited, known) or _unknown_name(text, known)


def _wrong_count(text: str, cited: tuple[int, ...], known: Known) -> str:
    for match in COUNT.finditer(text):
        number = number_of(match.group(1))
        levels = {word.lower() for word in SEVERITY.findall(match.group(2))}
        if number == 0:
            hidden = [n for n in known.open if not levels or known.severities[n] in levels]
            if hidden or not known.looked:
                return f"it says {match.group(0)!r} and there are some"
        elif str(number) not in known.tokens and number != len(cited):
            return f"it counts {match.group(0)!r}, which nothing bears out"
    return ""


def _unknown_name(text: str, known: Known) -> str:
    names = frozenset(known.tokens)
    for raw in COUNT.sub(" ", text).split():
        token = raw.strip(_EDGES).casefold()
        if token and is_technical(token) and not is_known(token, names) and not _is_list_mark(raw):
            return f"it names {token[:60]!r}, which was not looked up"
    return ""


def _is_list_mark(raw: str) -> bool:
    return raw.rstrip(".)").isdigit() and len(raw) <= 3 and raw[-1] in ".)"


def _leaves(value: JsonValue) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _leaves(item)
    elif isinstance(value, list):
        yield str(len(value))
        for item in value:
            yield from _leaves(item)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _findings(value: JsonValue) -> Iterator[dict[str, JsonValue]]:
    if isinstance(value, dict):
        if "finding_id" in value:
            yield value
        for item in value.values():
            yield from _findings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _findings(item)


class Splitter:
    """Cuts streamed text into sentences. A sentence is given out once something follows it, the last at the end."""

    def __init__(self) -> None:
        self._held = ""

    def feed(self, piece: str) -> list[str]:
        """The sentences that are whole now, each with the blank or line end that follows it."""
        self._held += piece
        found = []
        while True:
            match = _END.search(self._held)
            if match is None or match.end() == len(self._held):
                break
            if self._held[match.end()] == "[" and "\n" not in match.group(
                0
            ):  # a citation belongs to what it follows
                break
            found.append(self._held[: match.end()])
            self._held = self._held[match.end() :]
        if len(self._held) > 4 * MOST_LETTERS:
            found.append(self._held)
            self._held = ""
        return found

    def rest(self) -> list[str]:
        """What is left at the end."""
        held, self._held = self._held, ""
        return [held] if held.strip() else []

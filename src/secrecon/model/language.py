"""Talking to a language model, as nouns: what is asked, what comes back, how much it may cost.

The model is an outside thing: `net.language` speaks to it, whoever asks is given something that is a `Language`. Whatever it
answers is untrusted text. A tool call is a wish of the model's; the one who asked decides whether and how it is granted.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from secrecon.model.record import JsonValue

LETTERS_A_TOKEN = 3
"""A cautious guess for bounding what is sent: English has about four letters to a token, JSON and code fewer."""


@dataclass(frozen=True, slots=True)
class LanguageLimits:
    """What one question may cost: `seconds` in all, tries again included; tokens sent (guessed) and received (told to the
    model's server, and cut off here); `retries` after a failure that may pass."""

    seconds: float = 60.0
    tokens_in: int = 12_000
    tokens_out: int = 1_500
    retries: int = 1

    @property
    def letters_in(self) -> int:
        """The most characters that may be sent."""
        return self.tokens_in * LETTERS_A_TOKEN


@dataclass(frozen=True, slots=True)
class Turn:
    """What one side of a conversation said."""

    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool that the model may wish for. `schema`: JSON Schema of its arguments, an object."""

    name: str
    description: str
    schema: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A wish of the model's. `arguments`: JSON text as the model wrote it, unchecked."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolAnswer:
    """What a tool gave back, as text."""

    call: ToolCall
    text: str


@dataclass(frozen=True, slots=True)
class Step:
    """One round of tool use after the last turn: what the model said and wished, and what it was given."""

    text: str
    answers: tuple[ToolAnswer, ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """The whole of one answer. `cut`: it ended at a limit, not where the model wanted. Tokens: 0 where not told."""

    text: str
    calls: tuple[ToolCall, ...]
    tokens_in: int
    tokens_out: int
    cut: bool


OnText = Callable[[str], Awaitable[None]]
"""Awaited with each piece of text as it comes."""


class Language(Protocol):
    """A language model that can be asked."""

    @property
    def name(self) -> str:
        """The model's name, as shown in reports."""
        ...

    @property
    def limits(self) -> LanguageLimits: ...

    async def ask(
        self,
        system: str,
        turns: Sequence[Turn],
        on_text: OnText,
        steps: Sequence[Step] = (),
        tools: Sequence[Tool] = (),
    ) -> Reply:
        """Ask once. Raises LanguageFailed where no whole answer came within the limits; what came before was told."""
        ...

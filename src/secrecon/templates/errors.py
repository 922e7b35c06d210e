"""Why a template, or an expression in one, cannot be used. Drawn under `model.errors.BadInput`: its author is to blame.

TemplateError(BadInput)
├── TemplateInvalid     it does not follow the language; carries the line
├── TemplateRefused     it asks for what this engine does not do, by policy or not yet; carries the line
└── DslError            an expression cannot be read or computed
    ├── MissingVariable it names something that has no value
    ├── OverLimit       it asks for more than this engine does: what it would have said is not known
    └── FunctionRefused it calls a function that this engine does not offer; the message says why
"""

from __future__ import annotations

from secrecon.model.errors import BadInput


class TemplateError(BadInput):
    """A template cannot be used. `str(error)` says why, and may be shown."""


class TemplateInvalid(TemplateError):
    """The template breaks a rule of the language. `line` is 1-based; `reason` is the message without it."""

    def __init__(self, reason: str, line: int) -> None:
        super().__init__(f"line {line}: {reason}")
        self.reason = reason
        self.line = line


class TemplateRefused(TemplateError):
    """Well-formed, and refused. `policy` is True where it is refused on purpose, False where it is not built."""

    def __init__(self, reason: str, line: int, *, policy: bool) -> None:
        super().__init__(f"line {line}: {reason}")
        self.reason = reason
        self.line = line
        self.policy = policy


class DslError(TemplateError):
    """An expression cannot be read or computed."""


class MissingVariable(DslError):
    """The expression names something that has no value."""

    def __init__(self, name: str) -> None:
        super().__init__(f"No parameter '{name}' found")
        self.name = name


class OverLimit(DslError):
    """The expression asks for more bytes or seconds than this engine gives, so nobody knows what it would have said."""


class FunctionRefused(DslError):
    """The function exists in the language and is not offered here."""

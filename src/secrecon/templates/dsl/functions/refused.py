"""Functions of the language that are not offered here, each with its reason. Calling one is an error that says it.

They are known by name, so that a template that calls one is refused with this reason and not as if it were misspelt.
"""

from __future__ import annotations

from secrecon.templates.dsl.functions.declare import Function, ranged
from secrecon.templates.dsl.run import Run
from secrecon.templates.dsl.values import Value
from secrecon.templates.errors import FunctionRefused

REASONS = {
    "generate_java_gadget": "not built, by policy: a deserialization gadget runs code on the target",
    "generate_dotnet_gadget": "not built, by policy: a deserialization gadget runs code on the target",
    "cookie_unsign": "not built, by policy: it guesses a signing key from a word list",
    "llm_prompt": "not built, by policy: what a target says is never sent to a language model",
    "public_ip": "not built, by policy: only a server that is neither the target nor ours could tell it",
    "wappalyzer": "not built, by policy: technologies are told by the scan's own fingerprints, with their evidence",
}


def _refuser(name: str) -> Function:
    def refuse(_: Run, *values: Value) -> Value:
        raise FunctionRefused(f"{name}: {REASONS[name]}")

    return ranged(name, 0, None, refuse)


REFUSED: tuple[Function, ...] = tuple(_refuser(name) for name in REASONS)

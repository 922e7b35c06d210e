"""The expression language of templates: `evaluate` for one use, `compile_expression` to parse once and run many.

Own lexer, parser and compiler; numbers are floats and text is bytes, as the reference has it. Nothing here is Python's
`eval`. An expression comes from a template and its values from a target, so length, depth, output and work are bounded.
"""

from __future__ import annotations

from collections.abc import Mapping

from secrecon.templates.dsl.program import Program, compile_expression
from secrecon.templates.dsl.values import Value, outward

__all__ = ["Program", "Value", "compile_expression", "evaluate"]


def evaluate(expression: str, variables: Mapping[str, object]) -> object:
    """The value of `expression`. Text in `variables` may be `str` (UTF-8) or `bytes`; numbers, booleans, lists too.

    The result is a bool, a float, None, a list, or text: `str` where its bytes are UTF-8, else `bytes`. Raises DslError.
    """
    return outward(compile_expression(expression).run(variables))

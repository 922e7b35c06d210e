"""Properties of the expression language: an independent model of its operators, functions on any values, round trips.

The model here is small and written from the specification's table alone: levels of precedence, groups from the left, types.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from secrecon.templates.dsl import evaluate
from secrecon.templates.dsl.functions.refused import REASONS
from secrecon.templates.dsl.functions.registry import FUNCTIONS
from secrecon.templates.errors import DslError
from secrecon.templates.render import compile_text

TABLE = (("**",), ("*", "/", "%"), ("+", "-"), ("<<", ">>"), ("&", "|", "^"), ("==", "!=", "<", ">", "<=", ">="))
LOGIC = (("&&",), ("||",))
TIGHTNESS = {operator: level for level, group in enumerate((*TABLE, *LOGIC)) for operator in group}
NUMBERS = st.integers(0, 9).map(float)
TEXTS = st.text("abc12 ", max_size=4)
SLOW = {"wait_for"}


class Wrong(Exception):
    """What the model says where the language says an error."""


def both(kind: type, left: object, right: object) -> bool:
    return type(left) is kind and type(right) is kind


def model(operator: str, left: object, right: object) -> object:
    if operator in ("==", "!="):
        return (type(left) is type(right) and left == right) is (operator == "==")
    if operator == "+" and (isinstance(left, str) or isinstance(right, str)):
        return shown(left) + shown(right)
    if operator in ("<", ">", "<=", ">=") and (both(float, left, right) or both(str, left, right)):
        compare: dict[str, Callable[[float, float], bool]] = {
            "<": lambda a, b: a < b, ">": lambda a, b: a > b, "<=": lambda a, b: a <= b, ">=": lambda a, b: a >= b,
        }  # fmt: skip
        return compare[operator](left, right)  # type: ignore[arg-type]
    if not both(float, left, right):
        raise Wrong
    assert isinstance(left, float)
    assert isinstance(right, float)
    return numbers(operator, left, right)


def numbers(operator: str, left: float, right: float) -> float:
    match operator:
        case "**":
            try:
                return math.pow(left, right)
            except OverflowError:
                return math.inf
        case "*":
            return left * right
        case "/":
            return (
                left / right
                if right
                else math.nan
                if not left or math.isnan(left)
                else math.copysign(math.inf, left)
            )
        case "%":
            return math.fmod(left, right) if right and not math.isinf(left) else math.nan
        case "+":
            return left + right
        case "-":
            return left - right
    if not (abs(left) < 2**62 and abs(right) < 2**62):
        raise Wrong
    one, two = int(left), int(right)
    match operator:
        case "<<":
            return float(((one << two) + 2**63) % 2**64 - 2**63) if 0 <= two < 64 else shifted_out(two, 0)
        case ">>":
            return float(one >> two) if 0 <= two < 64 else shifted_out(two, -1 if one < 0 else 0)
        case "&":
            return float(one & two)
        case "|":
            return float(one | two)
    return float(one ^ two)


def shifted_out(count: int, left: int) -> float:
    if count < 0:
        raise Wrong
    return float(left)


def shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value == int(value) else repr(value)
    return str(value)


def grouped(items: list[object]) -> object:
    """The value of operand, operator, operand, ...: the loosest operator furthest to the right is applied last."""
    if len(items) == 1:
        return items[0]
    at = max(range(1, len(items), 2), key=lambda place: (TIGHTNESS[str(items[place])], place))
    operator = str(items[at])
    left = grouped(items[:at])
    if operator in ("&&", "||"):
        if not isinstance(left, bool):
            raise Wrong
        if left is (operator == "||"):
            return left
        right = grouped(items[at + 1 :])
        if not isinstance(right, bool):
            raise Wrong
        return right
    return model(operator, left, grouped(items[at + 1 :]))


def spelled(item: object) -> str:
    if isinstance(item, bool):
        return "true" if item else "false"
    return f"{item:g}" if isinstance(item, float) else f"'{item}'" if item not in TIGHTNESS else str(item)


@st.composite
def chains(draw: st.DrawFn, operands: st.SearchStrategy[object], operators: list[str]) -> list[object]:
    items: list[object] = [draw(operands)]
    for _ in range(draw(st.integers(1, 6))):
        items += [draw(st.sampled_from(operators)), draw(operands)]
    return items


def agrees(items: list[object]) -> None:
    expression = " ".join(spelled(item) for item in items)
    try:
        expected = grouped(items)
    except Wrong:
        with pytest.raises(DslError):
            evaluate(expression, {})
        return
    value = evaluate(expression, {})
    if isinstance(expected, float) and isinstance(value, float):
        assert value == expected or (math.isnan(value) and math.isnan(expected)), expression
    else:
        assert (type(value), value) == (type(expected), expected), expression


@given(chains(NUMBERS, [operator for group in TABLE[:5] for operator in group]))
@settings(max_examples=300)
def test_arithmetic_agrees_with_the_model(items: list[object]) -> None:
    agrees(items)


@given(chains(st.one_of(NUMBERS, TEXTS, st.booleans()), list(TIGHTNESS)))
@settings(max_examples=400)
def test_every_operator_on_every_type_agrees_with_the_model(items: list[object]) -> None:
    assume(not any(isinstance(item, float) and abs(item) > 2**40 for item in items))
    agrees(items)


@given(chains(st.booleans(), ["&&", "||", "==", "!="]))
def test_logic_agrees_with_the_model(items: list[object]) -> None:
    agrees(items)


@given(st.booleans(), st.sampled_from(["nobody", "1", "substr('a', 9)", "1 < 'a'"]))
def test_what_decides_first_ends_it(left: bool, broken: str) -> None:
    """The other side is not looked at where the first decides, and is an error where it does not."""
    for operator, decides in (("&&", False), ("||", True)):
        expression = f"{spelled(left)} {operator} {broken}"
        if left is decides:
            assert evaluate(expression, {}) is left
        else:
            with pytest.raises(DslError):
                evaluate(expression, {})


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.floats(),
    st.integers(-(2**70), 2**70),
    st.binary(max_size=40),
    st.text(max_size=20),
    st.lists(st.one_of(st.binary(max_size=5), st.floats()), max_size=3),
)


@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - SLOW - {"waitfor"}))
@given(arguments=st.lists(VALUES, max_size=4))
@settings(max_examples=12)
def test_a_function_gives_a_value_or_says_why_not(name: str, arguments: list[object]) -> None:
    variables = {f"v{at}": value for at, value in enumerate(arguments)}
    try:
        evaluate(f"{name}({', '.join(variables)})", variables)
    except DslError as error:
        assert str(error)  # noqa: PT017
    else:
        assert name not in REASONS


@given(VALUES, VALUES)
def test_equality_is_the_same_both_ways_and_the_opposite_of_its_opposite(one: object, other: object) -> None:
    known = {"a": one, "b": other}
    equal = evaluate("a == b", known)
    assert equal is evaluate("b == a", known)
    assert equal is not evaluate("a != b", known)


@given(st.one_of(st.booleans(), st.floats(allow_nan=False), st.binary(max_size=20)))
def test_equality_has_types(value: object) -> None:
    assert evaluate("a == a", {"a": value}) is True
    assert evaluate("to_string(a) == a", {"a": value}) is isinstance(value, bytes)


@pytest.mark.parametrize(
    "pair",
    [
        ("base64", "base64_decode"), ("hex_encode", "hex_decode"), ("url_encode", "url_decode"),
        ("gzip", "gzip_decode"), ("zlib", "zlib_decode"), ("deflate", "inflate"),
    ],
)  # fmt: skip
@given(body=st.binary(max_size=300))
def test_what_is_packed_comes_back(pair: tuple[str, str], body: bytes) -> None:
    pack, unpack = pair
    back = evaluate(f"{unpack}({pack}(body))", {"body": body})
    assert (back.encode() if isinstance(back, str) else back) == body


@given(st.binary(max_size=300))
def test_bytes_are_what_is_encoded(body: bytes) -> None:
    known = {"body": body}
    assert evaluate("base64(body)", known) == base64.b64encode(body).decode()
    assert evaluate("hex_encode(body)", known) == body.hex()
    assert evaluate("len(body)", known) == len(body)
    assert str(evaluate("base64_py(body)", known)).replace("\n", "") == base64.b64encode(body).decode()
    assert evaluate("reverse(reverse(x))", {"x": body.hex()}) == body.hex()


@given(st.text(max_size=20))
def test_a_value_of_a_response_is_data(value: str) -> None:
    """Whatever a response said, it is in the text as it was said, and nothing of it is worked out."""
    injected = value + "{{md5('a')}}{{v}}"
    text = compile_text("<{{v}}>")
    assert text.render({"v": injected}) == b"<" + injected.encode("utf-8", "surrogateescape") + b">"


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("true ? 1 : 2", 1), ("false ? 1 : 2", 2), ("false ? 1 : true ? 2 : 3", 2), ("(true ? 1 : 2) + 1", 2),
        ("contains('abc', 'b':'x')", True), ("contains('abc', 'x':'b')", False), ("none ?? 1", 1), ("none : 1", 1),
        ("true ? none ?? 4 : 2", 4),
    ],
)  # fmt: skip
def test_choices(expression: str, value: object) -> None:
    """A colon that belongs to no question mark chooses what is there, as in the reference."""
    assert evaluate(expression, {"none": None}) == value

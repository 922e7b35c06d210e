"""The expression language as a whole: types, precedence, pitfalls, bounds. Expected values come from its specification."""

from __future__ import annotations

import contextlib
import math
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from secrecon.templates.dsl import compile_expression, evaluate
from secrecon.templates.dsl.values import number_text
from secrecon.templates.errors import DslError, MissingVariable


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 + 2 * 3", 7),
        ("(1 + 2) * 3", 9),
        ("2 ** 3 ** 2", 64),
        ("-2 ** 2", 4),
        ("10 - 4 - 3", 3),
        ("7 % 4", 3),
        ("-7 % 4", -3),
        ("0x1F", 31),
        (".5 + .5", 1),
        ("1 / 0", math.inf),
        ("1 << 4 | 1", 17),
        ("~0", -1),
        ("-1 >> 1", -1),
        ("6 & 3 ^ 1", 3),
        ("1 + 2 << 1", 6),
        ("1 < 2 && 2 < 3", True),
        ("1 == 1 == true", True),
        ("false || true && false", False),
        ("!true || true", True),
        ("!!true", True),
        ("true ? 'a' : 'b'", "a"),
        ("false ? 'a' : 'b'", "b"),
        ("false ? 'a' : true ? 'b' : 'c'", "b"),
        ("false ? 1", None),
        ("nothing ?? 'x'", "x"),
        ("2 in (1, 2, 3)", True),
        ("'2' in (1, 2, 3)", False),
        ("'b' in items", True),
        ("'a' + 1 + 2", "a12"),
        ("1 + 2 + 'a'", "3a"),
        ("'x' + true", "xtrue"),
        ("'abc' =~ 'b.'", True),
        ("'abc' !~ '^b'", True),
        ("'a' < 'b'", True),
        ("[content-type]", "text/html"),
        ("[a\\]b]", "odd"),
        ("page.title", "Home"),
        ("()", []),
        ("(1, 'a')", [1, "a"]),
        ("''", ""),
    ],
)
def test_operators_and_precedence(expression: str, expected: object) -> None:
    variables = {
        "nothing": None,
        "items": ["a", "b"],
        "content-type": b"text/html",
        "a]b": "odd",
        "page": {"title": "Home"},
    }
    found = evaluate(expression, variables)
    assert found == expected
    assert isinstance(found, bool) is isinstance(expected, bool)


def test_pitfall_5_a_backslash_in_a_literal_drops_itself() -> None:
    assert evaluate(r'"a\nb"', {}) == "anb"
    assert evaluate(r'"\d"', {}) == "d"
    assert evaluate(r'regex("\\d", "7")', {}) is True
    assert evaluate(r'regex("\d", "7")', {}) is False
    assert evaluate(r'"say \"hi\""', {}) == 'say "hi"'


def test_pitfall_6_equality_is_typed() -> None:
    assert evaluate('"200" == 200', {}) is False
    assert evaluate("status_code == 200", {"status_code": 200}) is True
    assert evaluate("true == 1", {}) is False
    assert evaluate('"200" != 200', {}) is True


def test_pitfall_7_a_literal_that_looks_like_a_date_is_a_number() -> None:
    assert evaluate('"2022-01-13"', {}) == 1642032000
    assert evaluate('"2022-01-13 16:30:10"', {}) == 1642091410
    assert evaluate('"2022-01-13T16:30:10+02:00"', {}) == 1642084210
    assert evaluate('"2022-01-13T16:30:10.5Z"', {}) == 1642091410
    assert evaluate('len("2022-01-13")', {}) == 10
    assert evaluate('"3:04PM" < 0', {}) is True
    assert evaluate('"2022-13-13"', {}) == "2022-13-13"
    assert evaluate('"2022-01-13 "', {}) == "2022-01-13 "
    assert evaluate("body", {"body": "2022-01-13"}) == "2022-01-13"


def test_pitfall_12_text_is_bytes_not_characters() -> None:
    assert evaluate("len(body)", {"body": "ü"}) == 2
    assert evaluate("len(body)", {"body": b"\xff\xfe\x00"}) == 3
    assert evaluate("md5(body)", {"body": b"\xff"}) == "00594fd4f42ba43fc1ca0427a0576295"
    assert evaluate('hex_decode("ff00")', {}) == b"\xff\x00"
    assert evaluate("hex_encode(body)", {"body": b"\x80\xff"}) == "80ff"


def test_only_the_quote_that_opened_a_literal_closes_it() -> None:
    assert evaluate('"it\'s"', {}) == "it's"
    assert evaluate("contains(body, '\"id\"')", {"body": '{"id":1}'}) is True


def test_logic_short_circuits_and_needs_booleans() -> None:
    assert evaluate("false && missing", {}) is False
    assert evaluate("true || missing", {}) is True
    for expression in ("1 && true", "true && 1", "'a' || false", "!1", "1 ? 2 : 3"):
        with pytest.raises(DslError, match="boolean"):
            evaluate(expression, {})


@pytest.mark.parametrize(
    "expression",
    [
        "'a' < 1",
        "true < false",
        "'a' - 1",
        "-'a'",
        "true + 1",
        "1 in 1",
        "1 =~ 'a'",
        "1 << -1",
        "~(1/0)",
        "page.none",
    ],
)
def test_a_wrong_type_is_an_error(expression: str) -> None:
    with pytest.raises(DslError):
        evaluate(expression, {"page": {"title": "Home"}})


def test_a_missing_variable_is_named() -> None:
    with pytest.raises(MissingVariable, match="No parameter 'x' found") as caught:
        evaluate("len(x) > 1", {})
    assert caught.value.name == "x"


@pytest.mark.parametrize(
    ("expression", "told"),
    [
        ("", "empty"),
        ("1 +", "too early"),
        ("(1", "too early"),
        ("1)", "unexpected operator"),
        ("'a", "never closed"),
        ("1.2.3", "not a number"),
        ("nope(1)", "no function nope"),
        ("len()", "takes 1 arguments, not 0"),
        ("substr('a')", "takes 2 to 3"),
        ("starts_with('a')", "takes 2 or more"),
        ("a b", "unexpected name 'b'"),
        ("1 @ 2", "unexpected character"),
        ("regex('(', 'a')", "not a regular expression"),
    ],
)
def test_a_wrong_expression_says_what_is_wrong(expression: str, told: str) -> None:
    with pytest.raises(DslError, match=told.replace("(", r"\(")):
        evaluate(expression, {"a": 1, "b": 1})


@pytest.mark.parametrize(
    "expression",
    [
        "repeat('a', 99999999999)",
        "repeat(repeat(repeat('a', 10000), 10000), 10000)",
        "repeat('a', '9223372036854775807')",
        "padding('a', 'b', 1e9, 'prefix')".replace("1e9", "1000000000"),
        "rand_base(100000000)",
        "replace(repeat('a', 9000000), 'a', repeat('b', 9000000))",
        "replace_regex(repeat('a', 9000000), 'a', repeat('b', 1000))",
        "join(repeat('a', 1000000), split(repeat('b', 1000000), ''))",
        "+".join(["repeat('a', 9000000)"] * 10),
        "9" * 500,
        "(" * 5000 + "1" + ")" * 5000,
        "1" + "+1" * 20000,
        "split(repeat('ab', 5000000), 'a')",
    ],
)
def test_bombs_end_quickly_in_an_error(expression: str) -> None:
    started = time.monotonic()
    with pytest.raises(DslError):
        evaluate(expression, {})
    assert time.monotonic() - started < 5


def test_a_long_chain_is_no_nesting() -> None:
    assert evaluate("1" + "+1" * 4000, {}) == 4001
    assert evaluate("!" * 4000 + "true", {}) is True


def test_a_program_is_parsed_once_and_tells_what_it_needs() -> None:
    program = compile_expression("contains(tolower(body), token) && status_code == 200")
    assert program is compile_expression("contains(tolower(body), token) && status_code == 200")
    assert program.names == {"body", "token", "status_code"}
    assert program.calls == {"contains", "to_lower"}
    assert program.run({"body": "A-B", "token": "a-b", "status_code": 200}) is True
    assert program.run({"body": "A-B", "token": "a-c", "status_code": 200}) is False


@pytest.mark.parametrize(
    ("number", "shown"),
    [(5.0, "5"), (0.1, "0.1"), (1e21, "1" + "0" * 21), (1e-7, "0.0000001"), (-2.5, "-2.5"), (math.inf, "+Inf")],
)
def test_numbers_are_shown_as_the_shortest_decimal(number: float, shown: str) -> None:
    assert number_text(number) == shown


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_shown_numbers_read_back_as_themselves(number: float) -> None:
    assert float(number_text(number)) == number


@given(st.text(max_size=60))
@example("[")
@example("'\udc80'")
@example("'\ud800'")
@example("1" * 350 + ".")
def test_any_text_is_read_or_refused(expression: str) -> None:
    with contextlib.suppress(DslError):
        evaluate(expression, {"a": 1})


_NODES = st.recursive(
    st.sampled_from(["1", "2.5", "'a'", "true", "body", "n", "missing", "(1,2)", "'2022-01-01'"]),
    lambda inner: st.one_of(
        st.tuples(
            inner,
            st.sampled_from(["+", "-", "*", "/", "%", "**", "<<", "&", "==", "<", "&&", "||", "in", "=~", "??"]),
            inner,
        ).map(lambda parts: f"({parts[0]} {parts[1]} {parts[2]})"),
        st.tuples(
            st.sampled_from(["len", "md5", "to_upper", "reverse", "sort", "uniq", "split", "repeat", "regex"]),
            inner,
            inner,
        ).map(lambda parts: f"{parts[0]}({parts[1]}, {parts[2]})"),
        inner.map(lambda one: f"to_string({one})"),
        inner.map(lambda one: f"!{one}"),
    ),
    max_leaves=12,
)


@given(_NODES, st.binary(max_size=40))
def test_any_tree_gives_a_value_or_an_error(expression: str, body: bytes) -> None:
    with contextlib.suppress(DslError):
        evaluate(expression, {"body": body, "n": 7})


@given(st.binary(max_size=200))
def test_text_of_any_bytes_survives(body: bytes) -> None:
    for there, back in (
        ("base64", "base64_decode"),
        ("hex_encode", "hex_decode"),
        ("url_encode", "url_decode"),
        ("gzip", "gzip_decode"),
        ("zlib", "zlib_decode"),
        ("deflate", "inflate"),
    ):
        assert compile_expression(f"{back}({there}(body))").run({"body": body}) == body


@given(st.text(max_size=30), st.text(max_size=10))
def test_searching_agrees_with_python(text: str, part: str) -> None:
    variables = {"text": text, "part": part}
    assert evaluate("contains(text, part)", variables) is (part in text)
    assert evaluate("starts_with(text, part)", variables) is text.startswith(part)
    assert evaluate("len(concat(text, part))", variables) == len((text + part).encode())
    assert evaluate("reverse(reverse(text))", variables) == text

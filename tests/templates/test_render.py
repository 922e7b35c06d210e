"""Filling in text: what is a name, what is an expression, what stays as it is, and that data is never read again."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrecon.templates.errors import DslError
from secrecon.templates.render import compile_condition, compile_text


@pytest.mark.parametrize(
    ("source", "filled"),
    [
        ("/a?x={{token}}", b"/a?x=t0k"),
        ("§token§", b"t0k"),
        ("a § b", "a § b".encode()),
        ("{{unknown}}", b"{{unknown}}"),
        ("{{to_upper(token)}}", b"T0K"),
        ("{{base64('{{token}}')}}", b"dDBr"),
        ("{{md5('{{to_upper(token)}}')}}", b"52682c92953602605166486f6f934ba1"),
        ("{{concat('}}', token)}}", b"}}t0k"),
        ("{{n + 1}}", b"6"),
        ("{{1+1}}", b"{{1+1}}"),
        ('{{"a"+"b"}}', b'{{"a"+"b"}}'),
        ("{{other + 1}}", b"{{other + 1}}"),
        ("{{{{token}}}}", b"{{t0k}}"),
        ("${{7*7}}", b"${{7*7}}"),
        ("{{", b"{{"),
        ("{{}}", b"{{}}"),
        ("{{token}}{{token}}", b"t0kt0k"),
        ("{{bytes}}", b"\xff\x00"),
        ("{{template-id}}", b"x-1"),
    ],
)
def test_what_is_filled_in(source: str, filled: bytes) -> None:
    variables = {"token": "t0k", "n": 5, "bytes": b"\xff\x00", "template-id": "x-1"}
    assert compile_text(source).render(variables) == filled


def test_what_was_filled_in_is_never_read_again() -> None:
    hostile = {"token": "{{md5('x')}}{{secret}}", "secret": "s3cr3t"}
    assert compile_text("a {{token}} b").render(hostile) == b"a {{md5('x')}}{{secret}} b"
    assert compile_text("{{concat('{{token}}', '!')}}").render(hostile) == b"{{md5('x')}}{{secret}}!"
    quoted = {"token": "') + secret + ('", "secret": "s3cr3t"}
    assert compile_text("{{to_lower('{{token}}')}}").render(quoted) == b"') + secret + ('"


def test_each_occurrence_is_computed_for_itself() -> None:
    first, second = compile_text("{{rand_base(20)}} {{rand_base(20)}}").render({}).split()
    assert first != second


def test_an_expression_that_fails_is_an_error() -> None:
    with pytest.raises(DslError, match="No parameter 'missing' found"):
        compile_text("{{md5(missing)}}").render({})


def test_pitfall_9_unresolved_names_are_told_and_braces_without_letters_do_not_count() -> None:
    text = compile_text("{{token}} {{md5(token)}} {{other}} {{123}} {{1+1}} {{n + 1}} %7B%7B")
    assert text.unresolved({"token": 1}) == ("other", "n")
    assert text.unresolved({"token": 1, "other": 1, "n": 1}) == ()
    assert text.names == {"token", "other", "123", "n"}
    assert text.calls == {"md5"}


def test_places_inside_the_literals_of_a_condition() -> None:
    program = compile_condition("contains(body, '{{token}}') && !contains(body, '{{unknown}}')")
    assert program.run({"body": "a t0k b", "token": "t0k"}) is True
    assert program.run({"body": "a {{unknown}} t0k", "token": "t0k"}) is False


def test_bounds() -> None:
    with pytest.raises(DslError, match="places"):
        compile_text("{{a}}" * 501)
    with pytest.raises(DslError, match="longer than"):
        compile_text("{{a}}{{a}}").render({"a": b"x" * 6_000_000})
    inner = "(" * 48 + "md5(x)" + ")" * 48
    nested = "{{" + "(" * 48 + "md5('{{" + inner + "}}')" + ")" * 48 + "}}"
    assert compile_text(nested).render({"x": 1}) in (
        nested.encode(),
        compile_text("{{md5(md5(x))}}").render({"x": 1}),
    )
    started = time.monotonic()
    for hostile in ("{{'x'+'" * 9000 + "}}" * 40, "{{" * 30_000 + "}}" * 40, "§a" * 60_000, "{{a" * 20_000 + "}}"):
        with contextlib.suppress(DslError):
            compile_text(hostile)
    assert time.monotonic() - started < 10
    assert compile_text("{{" * 5000).render({}) == b"{{" * 5000


@given(st.text(alphabet="{}§ab1+('\")", max_size=40), st.binary(max_size=10))
def test_any_text_can_be_filled_in(source: str, value: bytes) -> None:
    text = compile_text(source)
    assert text.render({}) == source.encode() or text.calls or text.names
    text.render({"a": value, "b": value, "ab": 1})

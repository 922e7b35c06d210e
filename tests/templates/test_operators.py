"""Matchers and extractors: every kind with a response that has it and one that has not, and the pitfalls by name."""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytest

from secrecon.templates.documents import compile_json_question, compile_path
from secrecon.templates.errors import DslError
from secrecon.templates.extractors import DslTake, Extractor, JsonTake, KeyTake, PathTake, RegexTake
from secrecon.templates.matchers import (
    BinaryTest,
    Condition,
    DslTest,
    Matcher,
    PathTest,
    RegexTest,
    SizeTest,
    StatusTest,
    WordTest,
)
from secrecon.templates.operators import Operators, Result
from secrecon.templates.patterns import compile_pattern
from secrecon.templates.render import compile_condition, compile_text

YES: Mapping[str, object] = {
    "status_code": 200,
    "body": b'<html><body><a href="/x">one</a><a href="/y">two</a>Version: 1.2.3 \xde\xad</body></html>',
    "all_headers": b"HTTP/1.1 200 OK\r\nServer: nginx\r\n\r\n",
    "server": b"nginx",
    "json": b'{"a": [{"n": "x"}, {"n": "y"}], "v": 1.5, "t": true}',
    "token": "one",
}
NO: Mapping[str, object] = {
    "status_code": 404,
    "body": b"nothing",
    "all_headers": b"HTTP/1.1 404 Not Found\r\n\r\n",
    "json": b"[",
    "token": "one",
}


def words(*values: str, every: bool = False, collect: bool = False, case_insensitive: bool = False) -> WordTest:
    return WordTest(tuple(compile_text(value) for value in values), every, collect, case_insensitive)


def dsl(*expressions: str, every: bool = False) -> DslTest:
    return DslTest(tuple(compile_condition(expression) for expression in expressions), every)


def regex(*patterns: str) -> RegexTest:
    return RegexTest(tuple(compile_pattern(pattern.encode()) for pattern in patterns))


@pytest.mark.parametrize(
    ("test", "part"),
    [
        (StatusTest((200, 302)), ""),
        (SizeTest((len(b"nginx"),)), "server"),
        (words("absent", "Version"), "body"),
        (words("Version", "href", every=True), "body"),
        (words("absent", "Version", every=True, collect=True), "body"),
        (words("version: 1", case_insensitive=True), "body"),
        (words(">{{token}}<"), "body"),
        (words("Server: nginx"), "header"),
        (words("</html>HTTP/1.1 200"), "all"),
        (regex("absent", r"Version: (\d+)"), "body"),
        (BinaryTest((b"\xde\xad",)), "body"),
        (dsl("status_code == 200 && contains(body, '>{{token}}<')"), ""),
        (PathTest((compile_path("//a[@href='/x']"),)), "body"),
    ],
)
def test_each_kind_matches_what_has_it_and_not_what_has_not(test: Condition, part: str) -> None:
    assert Matcher(test, part).matches(YES) is True
    assert Matcher(test, part).matches(NO) is False
    assert Matcher(test, part, negative=True).matches(YES) is False


def test_pitfall_1_the_header_part_begins_with_the_status_line() -> None:
    assert Matcher(words("HTTP/1.1 200 OK"), "header").matches(YES)
    assert not Matcher(words("HTTP/1.1 200 OK"), "header").matches(NO)


@pytest.mark.parametrize(
    "test", [words("x"), regex("x"), SizeTest((1,)), BinaryTest((b"x",)), PathTest((compile_path("//x"),))]
)
def test_pitfall_2_a_missing_part_never_matches_even_when_negative(test: Condition) -> None:
    assert Matcher(test, "raw").matches(YES) is False
    assert Matcher(test, "raw", negative=True).matches(YES) is False


def test_a_status_of_a_request_that_failed_is_not_inverted() -> None:
    assert Matcher(StatusTest((200,)), negative=True).matches({}) is False
    assert Matcher(StatusTest((200,)), negative=True).matches(NO) is True


def test_an_error_in_an_expression_is_false_under_and_and_skipped_under_or() -> None:
    assert Matcher(dsl("missing == 1", "status_code == 200")).matches(YES)
    assert not Matcher(dsl("missing == 1", "status_code == 200", every=True)).matches(YES)
    assert not Matcher(dsl("status_code", every=True)).matches(YES)
    assert Matcher(dsl("len(body)", "status_code == 200", every=True)).matches(YES)
    assert Matcher(dsl("compare_versions(server, '< 1')"), negative=True).matches(YES)


def test_case_insensitive_lowers_the_text_not_what_is_filled_in() -> None:
    data = {"body": b"TOKEN", "mark": "TOKEN"}
    assert Matcher(words("token", case_insensitive=True)).matches(data)
    assert not Matcher(words("{{mark}}", case_insensitive=True)).matches(data)


def take(kind: object, part: str = "body", name: str = "", *, internal: bool = False) -> Extractor:
    return Extractor(kind, part, name, internal)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("extractor", "expected"),
    [
        (take(RegexTake((compile_pattern(rb'href="(/\w)"'),), 1)), (b"/x", b"/y")),
        (take(RegexTake((compile_pattern(rb"Version"), compile_pattern(rb"V[a-z]+")))), (b"Version",)),
        (take(RegexTake((compile_pattern(rb"Version"),), 3)), ()),
        (take(KeyTake(("server", "absent"))), (b"nginx",)),
        (take(PathTake((compile_path("//a"),))), (b"one", b"two")),
        (take(PathTake((compile_path("//a"),), "href")), (b"/x", b"/y")),
        (take(PathTake((compile_path("//a/@href"),))), (b"/x", b"/y")),
        (
            take(JsonTake((compile_json_question(".a[].n"), compile_json_question(".v"))), "json"),
            (b"x", b"y", b"1.5"),
        ),
        (take(JsonTake((compile_json_question(".a[0]"),)), "json"), (b'{"n":"x"}',)),
        (take(DslTake((compile_condition("missing"), compile_condition("len(server)")))), (b"5",)),
        (take(DslTake((compile_condition("1 + true"), compile_condition("len(server)")))), ()),
    ],
)
def test_each_extractor_takes_what_is_there(extractor: Extractor, expected: tuple[bytes, ...]) -> None:
    assert extractor.extract(YES) == expected
    assert extractor.extract(NO) == ()


def test_xml_is_read_without_entities() -> None:
    body = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a><b>one</b><c>&e;</c></a>'
    assert take(PathTake((compile_path("/a/b"),))).extract({"body": body}) == (b"one",)
    assert take(PathTake((compile_path("/a/c"),))).extract({"body": body}) == (b"&e;",)


def test_xpath_has_a_linear_matches() -> None:
    question = compile_path("//a[matches(@href, '^/x$')]")
    assert take(PathTake((question,))).extract(YES) == (b"one",)
    assert take(PathTake((compile_path("//a[matches(@href, '(')]"),))).extract(YES) == ()


@pytest.mark.parametrize(
    "program",
    [
        "env", "$ENV.PATH", "input", "def f: f; f", "range(1e9)", "[recurse(.)]", 'test("(a+)+$")', "repeat(.)", '"\\(env)"',
        "@sh", "limit(1; .)", "while(true; .)", "reduce .[] as $x (0; .)", ".a[", "inputs", "debug", "now", "halt",
    ],
)  # fmt: skip
def test_a_jq_program_that_could_run_on_or_look_around_is_refused(program: str) -> None:
    with pytest.raises(DslError):
        compile_json_question(program)


def test_hostile_documents_are_bounded() -> None:
    started = time.monotonic()
    path, question = take(PathTake((compile_path("//a//b"),))), take(JsonTake((compile_json_question("..|.a?"),)))
    deep = b'{"a":' * 5000 + b"1" + b"}" * 5000
    wide = b'{"a":' * 500 + b'"' + b"x" * 100_000 + b'"' + b"}" * 500
    assert sum(map(len, question.extract({"body": wide}))) < 10_000_000
    for body in (deep, b"<a>" * 200_000, b"[" * 1_000_000, b"\x00" * 100, b"<?xml ", b'{"a":' * 50_000):
        path.extract({"body": body})
        question.extract({"body": body})
    assert time.monotonic() - started < 10


def test_pitfall_8_under_or_every_named_matcher_that_hits_is_a_result() -> None:
    block = Operators(
        (
            Matcher(words("Version"), name="version"),
            Matcher(words("absent"), name="absent"),
            Matcher(words("nginx"), "header", name="nginx"),
        )
    )
    verdict = block.judge(YES)
    assert verdict.results == (Result(matcher="version"), Result(matcher="nginx"))
    assert not block.judge(NO).matched


def test_under_and_all_must_match_and_names_are_not_told() -> None:
    both = (Matcher(words("Version"), name="a"), Matcher(StatusTest((200,)), name="b"))
    assert Operators(both, every=True).judge(YES).results == (Result(),)
    one = (Matcher(words("Version")), Matcher(StatusTest((500,))))
    assert Operators(one, every=True).judge(YES).matched is False


def test_matchers_see_what_was_extracted_and_dynamic_values_outlive_a_miss() -> None:
    version = take(RegexTake((compile_pattern(rb"Version: ([\d.]+)"),), 1), name="v", internal=True)
    old = Operators((Matcher(dsl("compare_versions(v, '< 2.0')")),), (version,)).judge(YES)
    assert (old.matched, old.results, old.extracted, old.dynamic) == (True, (Result(),), {}, {"v": b"1.2.3"})
    new = Operators((Matcher(dsl("compare_versions(v, '< 1.0')")),), (version,)).judge(YES)
    assert (new.matched, new.results, new.dynamic) == (False, (), {"v": b"1.2.3"})


def test_several_internal_values_are_a_list_and_numbered() -> None:
    links = take(RegexTake((compile_pattern(rb'href="(/\w)"'),), 1), name="link", internal=True)
    verdict = Operators((), (links,)).judge(YES)
    assert verdict.dynamic == {"link": (b"/x", b"/y"), "link0": b"/x", "link1": b"/y"}
    assert verdict.results == ()
    assert verdict.matched is True
    assert Operators((), (links,)).judge(NO).matched is False


def test_extractors_without_matchers_make_the_results() -> None:
    block = Operators((), (take(KeyTake(("server",)), name="srv"), take(RegexTake((compile_pattern(b"one"),)))))
    verdict = block.judge(YES)
    assert verdict.results == (Result(extractor="srv"),)
    assert verdict.extracted == {"srv": (b"nginx",), "": (b"one",)}
    assert block.judge(NO).results == ()


def test_internal_matchers_are_true_for_a_flow_and_not_shown() -> None:
    verdict = Operators((Matcher(words("Version"), internal=True),)).judge(YES)
    assert (verdict.matched, verdict.results) == (True, ())


def test_a_block_without_operators_is_true_and_shows_nothing() -> None:
    assert (Operators().judge(YES).matched, Operators().judge(YES).results) == (True, ())


FAR = "contains(repeat(token, 40000000), 'never')"
"""More than an expression may produce."""


@pytest.mark.parametrize(
    ("expressions", "every", "matched", "undecided"),
    [
        ((FAR,), False, False, True),
        ((FAR,), True, False, True),
        ((FAR, "status_code == 200"), False, True, False),
        (("status_code == 404", FAR), False, False, True),
        (("status_code == 404", FAR), True, False, False),
        (("contains(missing, 'x')",), False, False, False),
    ],
)
def test_an_expression_that_goes_too_far_leaves_it_undecided_and_not_clean(
    expressions: tuple[str, ...], every: bool, matched: bool, undecided: bool
) -> None:
    for negative in (False, True):
        verdict = Operators((Matcher(dsl(*expressions, every=every), negative=negative),)).judge(YES)
        if undecided:
            assert not verdict.matched
            assert "produces more than" in verdict.undecided
        else:
            assert (verdict.matched, verdict.undecided) == (matched is not negative, "")


def test_another_matcher_may_decide_all_the_same() -> None:
    far, page, other = Matcher(dsl(FAR)), Matcher(dsl("status_code == 200")), Matcher(dsl("status_code == 404"))
    assert Operators((far, page)).judge(YES).matched
    assert Operators((far, other)).judge(YES).undecided
    assert not Operators((other, far), every=True).judge(YES).undecided

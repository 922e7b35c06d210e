"""Flows in JavaScript: each call is answered in turn, and whatever a script does it ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from secrecon.templates.errors import DslError
from secrecon.templates.flow import Ask
from secrecon.templates.flowscript import Answered, FlowScript

Answer = Callable[[Ask, Mapping[str, object]], Answered]


def played(
    source: str, answer: Answer, start: Mapping[str, object] | None = None
) -> list[tuple[Ask, dict[str, object]]]:
    """Every call that the script makes, with what it had set by then."""
    script = FlowScript(source)
    answered: list[Answered] = []
    calls: list[tuple[Ask, dict[str, object]]] = []
    while True:
        turn = script.turn(start or {}, answered)
        if turn.ask is None:
            return calls
        calls.append((turn.ask, dict(turn.sets)))
        answered.append(answer(turn.ask, turn.sets))


def always(matched: bool, **context: object) -> Answer:
    return lambda ask, sets: Answered(matched, context)


def numbers(calls: list[tuple[Ask, dict[str, object]]]) -> list[int | str]:
    return [ask.blocks[0] for ask, _ in calls]


@pytest.mark.parametrize(("matched", "expected"), [(True, [1, 2, 3]), (False, [1])])
def test_a_condition_decides_what_is_called(matched: bool, expected: list[int]) -> None:
    calls = played("if (http(1)) {\n  http(2) && http(3)\n}", always(matched))
    assert numbers(calls) == expected


def test_lines_without_semicolons_are_calls_of_their_own() -> None:
    assert numbers(played("http(1)\nhttp('two')\nhttp(3)", always(False))) == [1, "two", 3]


def test_a_loop_over_extracted_values_sets_each_before_its_call() -> None:
    source = 'http(1)\nfor (let name of iterate(template.project)) {\n  set("project", name)\n  http(2)\n}'
    calls = played(source, always(True, project=(b"alpha", b"b\xe9ta")))
    assert [sets.get("project") for _, sets in calls] == [None, b"alpha", b"b\xe9ta"]


def test_one_value_and_none_are_iterated_too() -> None:
    source = 'http(1)\nfor (let x of iterate(template.x, template.none, [template.x])) { set("y", x); http(2) }'
    assert len(played(source, always(True, x=b"1"))) == 3


def test_values_are_computed_as_javascript_does() -> None:
    source = """http(1)
const digits = template.secret.replace('psyduck', '').match(/\\d+/g).map(v => parseInt(v).toString(16).padStart(2, '0'));
set("hex", '0x' + digits.join(''));
http(2)"""
    calls = played(source, always(True, secret=b"psyduck1,22,255"))
    assert calls[1][1] == {"hex": b"0x0116ff"}


def test_bytes_come_back_as_they_went_in() -> None:
    every = bytes(range(256))
    calls = played('http(1); set("copy", template.raw); http(2)', always(True, raw=every))
    assert calls[1][1]["copy"] == every


def test_what_was_passed_in_is_there_before_the_first_call() -> None:
    source = "if (!template.hasOwnProperty('username')) { http('anonymous') } else { http('login') }"
    assert numbers(played(source, always(True))) == ["anonymous"]
    assert numbers(played(source, always(True), {"username": b"x"})) == ["login"]


def test_a_script_that_catches_everything_is_still_held_at_its_call() -> None:
    source = "for (let i = 0; i < 3; i++) { try { http(i + 1) } catch (e) { set('caught', '1') } }"
    calls = played(source, always(True))
    assert numbers(calls) == [1, 2, 3]
    assert all("caught" not in sets for _, sets in calls)


def test_duplicates_are_told_apart_by_the_language_s_own_helper() -> None:
    source = 'var d = new Dedupe(); d.Add("a", ["b", "a"]); for (let v of d.Values()) { set("v", v); http(1) }'
    assert [sets["v"] for _, sets in played(source, always(True))] == [b"a", b"b"]


def test_the_written_calls_are_told() -> None:
    asks = FlowScript("if (http(1)) { set('x', 1); dns(\"name\"); http(1, 'b') }\nhttp()").asks()
    assert asks == (Ask("http", (1,)), Ask("dns", ("name",)), Ask("http", (1, "b")), Ask("http", ()))


@pytest.mark.parametrize(
    "source",
    [
        "while (true) {}",
        "let a = []; for (;;) { a.push('x'.repeat(100000)) }",
        "function f() { return f() } f()",
        "/(a+)+$/.test('a'.repeat(60) + 'b')",
        "throw 1",
        "undefinedName.x",
        "http({})",
        "set('x', 'x'.repeat(2 ** 30))",
    ],
)
def test_a_hostile_script_ends_with_an_error(source: str) -> None:
    with pytest.raises(DslError):
        FlowScript(source).turn({}, [])


def test_endless_calls_are_bounded() -> None:
    with pytest.raises(DslError, match="more than 400 calls"):
        played("while (true) { http(1) }", always(True))


def test_there_is_no_clock_and_no_chance_to_branch_on() -> None:
    for source in ("new Date()", "Math.random()", "Date.now()"):
        with pytest.raises(DslError):
            FlowScript(source).turn({}, [])


@pytest.mark.parametrize("source", ["if (", "http(1) http(2)", "a" * 20_000, "}"])
def test_what_is_no_script_is_refused_when_read(source: str) -> None:
    with pytest.raises(DslError):
        FlowScript(source)


def test_only_variables_that_the_script_names_are_given_to_it() -> None:
    calls = played("http(1); if (template.small) http(2)", always(True, small=b"1", body=b"x" * 10_000_000))
    assert numbers(calls) == [1, 2]


def test_variables_of_too_many_bytes_are_told() -> None:
    with pytest.raises(DslError, match="at most"):
        played("http(1); if (template.body) http(2)", always(True, body=b"x" * 10_000_000))

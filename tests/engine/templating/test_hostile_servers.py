"""Servers that mean ill: redirects without end, values without end, bytes that drip, answers that look like templates.

Each run ends, in bounded time and memory, and what could not be tested is told as such.
"""

from __future__ import annotations

import pytest
from tests.engine.templating.stage import Reply, Stage, ambient, made, network
from tests.engine.templating.test_sharing import plain, run_all, template

from secrecon.engine.templating.asker import Asker
from secrecon.engine.templating.driver import Attempted, Job, Runner
from secrecon.model.scan import Outcome
from secrecon.net.clock import SystemClock
from secrecon.templates.execution import http as execution
from secrecon.templates.execution.session import Options
from secrecon.templates.execution.subject import parse_subject

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_redirects_without_end_stop_at_the_limit(stage: Stage) -> None:
    stage.play([Reply(status=302, headers=["Location: <<origin>><<echo:GET (\\S+)>>a"])])
    attempts, _ = await run_all(stage, [plain("follows", "/", "    redirects: true\n    max-redirects: 4\n")])
    assert attempts[0].outcome is Outcome.DONE
    assert len(stage.received) == 5
    stage.play([Reply(status=302, headers=["Location: /" + "x" * 9_000])])
    attempts, _ = await run_all(stage, [plain("long", "/", "    redirects: true\n")])
    assert len(stage.received) == 1


async def test_a_redirect_out_of_the_scope_is_not_followed(stage: Stage) -> None:
    stage.play([Reply(status=302, headers=["Location: http://127.0.0.9:1/"])])
    attempts, _ = await run_all(stage, [plain("away", "/", "    redirects: true\n")])
    assert attempts[0].outcome is Outcome.DONE
    assert len(stage.received) == 1


async def test_values_without_end_are_cut_and_do_not_multiply_requests(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "MAX_ITERATED", 20)
    body = " ".join(f"v{at}" for at in range(60_000))
    stage.play([Reply("/list", body=body)])
    text = (
        "http:\n  - raw:\n      - |\n        GET /list HTTP/1.1\n        Host: {{Hostname}}\n\n"
        "      - |\n        GET /item?v={{v}} HTTP/1.1\n        Host: {{Hostname}}\n\n"
        "    iterate-all: true\n    extractors:\n      - {type: regex, name: v, internal: true, regex: ['v[0-9]+']}\n"
        "    matchers: [{type: word, words: [never]}]\n"
    )
    attempts, _ = await run_all(stage, [template("many", text)])
    assert attempts[0].outcome is Outcome.DONE
    assert len(stage.received) == 21
    stage.play([Reply("/list", body="v" + "1" * 6_000_000)])
    attempts, _ = await run_all(stage, [template("long", text)])
    assert attempts[0].outcome in (Outcome.DONE, Outcome.FAILED)


async def test_what_a_server_says_is_never_an_expression(stage: Stage) -> None:
    stage.play([Reply("/a", body="token={{md5('x')}}{{interactsh-url}}{{BaseURL}};")])
    text = (
        "http:\n  - raw:\n      - |\n        GET /a HTTP/1.1\n        Host: {{Hostname}}\n\n"
        "      - |\n        GET /b HTTP/1.1\n        Host: {{Hostname}}\n        X-T: {{t}}\n\n"
        "    skip-variables-check: true\n    extractors:\n"
        "      - {type: regex, name: t, internal: true, group: 1, regex: ['token=(.*);']}\n"
    )
    await run_all(stage, [template("echoes", text)])
    assert b"X-T: {{md5('x')}}{{interactsh-url}}{{BaseURL}}\r\n" in stage.received[1]


async def test_an_answer_that_drips_ends_at_the_timeout_and_is_not_clean(stage: Stage) -> None:
    stage.play([Reply(late=30.0)])
    attempts = await _with_timeout(stage, 0.5)
    assert attempts[0].outcome in (Outcome.TIMED_OUT, Outcome.FAILED)
    assert attempts[0].reason


async def _with_timeout(stage: Stage, seconds: float) -> list[Attempted]:
    net = network()
    runner = Runner(Asker(net, SystemClock(), timeout=seconds), Options(), ambient())
    try:
        job = Job(made(PLAIN), parse_subject(stage.origin))
        return [attempt async for attempt in runner.run([job])]
    finally:
        await net.close()


PLAIN = (
    "id: made-up\ninfo:\n  name: Made up\n  author: us\nhttp:\n  - path: ['{{BaseURL}}/']\n"
    "    matchers: [{type: word, words: [never]}]\n"
)


@pytest.mark.parametrize(
    "raw",
    ["", "\r\n\r\n", "HTTP/1.1 999999 X\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", "\x00" * 500,
     "HTTP/1.1 200 OK\r\n" + "X: y\r\n" * 20_000 + "\r\n",
     "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd"],
)  # fmt: skip
async def test_answers_that_break_every_rule_end_one_template_only(stage: Stage, raw: str) -> None:
    stage.play([Reply("/bad", raw=raw or " "), Reply("/good")])
    attempts, _ = await run_all(stage, [plain("bad", "/bad"), plain("good", "/good")])
    outcomes = {each.job.prepared.template.id: each for each in attempts}
    assert outcomes["good"].outcome is Outcome.DONE
    assert outcomes["bad"].outcome is Outcome.DONE or outcomes["bad"].reason


async def test_an_error_of_our_own_is_a_failed_attempt_and_ends_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("made up")

    stage.play([Reply()])
    monkeypatch.setattr(execution.HttpRun, "_data", broken)
    attempts, _ = await run_all(stage, [plain("one", "/a"), plain("two", "/b")])
    assert [each.outcome for each in attempts] == [Outcome.FAILED, Outcome.FAILED]
    assert "an error of SecRecon's own: ZeroDivisionError: made up" in attempts[0].reason


async def test_an_attribute_that_can_have_no_such_name_is_none(stage: Stage) -> None:
    stage.play([Reply(body="<a href='x'>y</a>")])
    text = "http:\n  - path: ['{{BaseURL}}/']\n    extractors: [{type: xpath, xpath: ['//a'], attribute: '{'}]\n"
    attempts, _ = await run_all(stage, [template("odd", text)])
    assert (attempts[0].outcome, attempts[0].found) == (Outcome.DONE, ())


async def test_an_answer_that_is_too_much_for_an_expression_is_not_clean(stage: Stage) -> None:
    stage.play([Reply(body="a" * 6_000_000)])
    text = "http:\n  - path: ['{{BaseURL}}/']\n    matchers:\n      - {type: dsl, dsl: [\"contains(concat(body, body), 'b')\"]}\n"
    attempts, _ = await run_all(stage, [template("doubles", text)])
    assert attempts[0].outcome is Outcome.FAILED
    assert "the answer cannot be judged" in attempts[0].reason

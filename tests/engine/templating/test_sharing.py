"""Several templates on one target: answers that are shared, templates that look at all answers, failures that stay alone."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from tests.engine.templating.stage import Reply, Stage, ambient, made, network, shown

from secrecon.engine.templating.asker import Asker
from secrecon.engine.templating.driver import Attempted, Job, Runner
from secrecon.model.scan import Outcome
from secrecon.net.clock import SystemClock
from secrecon.templates.execution.events import Found
from secrecon.templates.execution.session import Options, Prepared
from secrecon.templates.execution.subject import parse_subject

pytestmark = pytest.mark.asyncio(loop_scope="module")


def template(name: str, text: str) -> Prepared:
    return made(f"id: {name}\ninfo:\n  name: Made up\n  author: us\n{text}")


def plain(name: str, path: str, more: str = "") -> Prepared:
    return template(
        name,
        f"http:\n  - path: ['{{{{BaseURL}}}}{path}']\n{more}    matchers: [{{type: dsl, dsl: ['status_code < 400']}}]\n",
    )


async def run_all(
    stage: Stage, prepared: Sequence[Prepared], watchers: Sequence[Prepared] = (), concurrency: int = 25
) -> tuple[list[Attempted], list[tuple[Job, Found]]]:
    net = network()
    runner = Runner(Asker(net, SystemClock()), Options(), ambient(), concurrency=concurrency, watchers=watchers)
    subject = parse_subject(stage.origin)
    try:
        attempts = [attempt async for attempt in runner.run([Job(each, subject) for each in prepared])]
    finally:
        await net.close()
    return attempts, runner.noticed_now()


async def test_equal_requests_are_sent_once_and_judged_by_each(stage: Stage) -> None:
    """Those under way at the same moment too; whoever follows a redirect has a verdict of its own."""
    stage.play(
        [Reply(to="GET /a", status=302, headers=["Location: /b"], late=0.02), Reply(to="GET /b", status=404)]
    )
    prepared = [plain(f"stays-{at}", "/a") for at in range(10)]
    prepared += [plain(f"follows-{at}", "/a", "    host-redirects: true\n") for at in range(10)]
    prepared += [plain("other", "/a", "    headers: {X-Other: a}\n")]
    random.Random(1).shuffle(prepared)
    attempts, _ = await run_all(stage, prepared)
    found = {each.job.prepared.template.id: [item.matched for item in each.found] for each in attempts}
    assert all(len(matched) == 1 for matched in found.values())
    assert sorted(stage.lines) == ["GET /a", "GET /a", "GET /b"]


async def test_cookies_are_one_templates_own(stage: Stage) -> None:
    stage.play([Reply(to="GET /1", headers=["Set-Cookie: s=1"]), Reply(to="GET /2")])
    two = "http:\n  - path: ['{{BaseURL}}/1', '{{BaseURL}}/2']\n    matchers: [{type: status, status: [200]}]\n"
    await run_all(stage, [template("two", two), plain("one", "/2")], concurrency=1)
    with_cookie = [b"Cookie: s=1" in request for request in stage.received if b"GET /2" in request]
    assert with_cookie == [True, False]


async def test_a_post_is_never_shared(stage: Stage) -> None:
    stage.play([Reply()])
    await run_all(stage, [plain(f"p-{at}", "/a", "    method: POST\n    body: x\n") for at in range(3)])
    assert stage.lines == ["POST /a"] * 3


async def test_templates_that_look_at_all_answers_see_each_once(stage: Stage) -> None:
    watcher = template(
        "watcher",
        "http:\n  - global-matchers: true\n    matchers: [{type: regex, name: key, regex: ['AKIA[0-9A-Z]{16}']}]\n"
        "    extractors: [{type: regex, name: shown, regex: ['AKIA[0-9A-Z]{4}']}]\n",
    )
    stage.play([Reply(to="GET /a", body="key = AKIAAAAABBBBCCCCDDDD"), Reply(to="GET /b", body="none")])
    prepared = [plain("one", "/a"), plain("two", "/a"), plain("three", "/b")]
    attempts, noticed = await run_all(stage, prepared, [watcher])
    assert [(job.prepared.template.id, shown(found), found.matched) for job, found in noticed] == [
        ("watcher", "key=AKIAAAAA", f"{stage.origin}/a")
    ]
    assert all(len(attempt.found) == 1 for attempt in attempts)
    _, noticed = await run_all(stage, prepared)
    assert noticed == []


async def test_a_template_that_looks_at_answers_asks_nothing_itself(stage: Stage) -> None:
    stage.play([Reply()])
    watcher = template(
        "watcher", "http:\n  - global-matchers: true\n    matchers: [{type: status, status: [200]}]\n"
    )
    attempts, _ = await run_all(stage, [watcher])
    assert stage.lines == []
    assert attempts[0].outcome is Outcome.SKIPPED
    assert "not asked for" in attempts[0].reason


async def test_one_that_fails_stays_alone(stage: Stage) -> None:
    stage.play([Reply()])
    broken = template("broken", "http:\n  - path: ['{{BaseURL}}/{{nobody}}']\n")
    attempts, _ = await run_all(stage, [broken, plain("sound", "/a")])
    assert {each.job.prepared.template.id: each.outcome for each in attempts} == {
        "broken": Outcome.FAILED,
        "sound": Outcome.DONE,
    }


async def test_a_host_that_never_answers_is_left_alone_and_that_is_told(stage: Stage) -> None:
    stage.play([Reply(drop=True)])
    text = 'http:\n  - raw: ["@Host: 127.0.0.1:1\\nGET /{{p}} HTTP/1.1\\nHost: x\\n\\n"]\n'
    text += f"    payloads: {{p: [{', '.join(str(at) for at in range(40))}]}}\n"
    attempts, _ = await run_all(stage, [template("many", text)])
    assert attempts[0].outcome is Outcome.FAILED
    attempts, _ = await run_all(stage, [template("many", text), template("more", text)], concurrency=1)
    assert attempts[1].outcome is Outcome.SKIPPED
    assert "left alone" in attempts[1].reason


async def test_what_is_random_when_a_template_is_loaded_is_the_same_for_every_target(stage: Stage) -> None:
    """`{{randstr}}` always, and variables where none of them depends on a run; others differ from request to request."""
    text = """
variables: {{made: "{0}{{{{rand_base(8)}}}}"}}
http:
  - path: ["{{{{BaseURL}}}}/{{{{randstr}}}}/{{{{made}}}}", "{{{{BaseURL}}}}/{{{{randstr}}}}/{{{{made}}}}"]
"""
    for depends, alike in (("", True), ("{{Host}}", False)):
        stage.play([Reply()])
        prepared = template("fixed", text.format(depends))
        await run_all(stage, [prepared])
        await run_all(stage, [prepared])
        fixed, once = zip(*(line.split("/")[1:] for line in stage.lines), strict=True)
        assert (len(fixed), len(set(fixed))) == (4, 1)
        assert (len(set(once)) == 1) is alike

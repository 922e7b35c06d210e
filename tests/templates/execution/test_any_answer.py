"""Whatever a target answers, an execution goes on to its end and says what it came to: nothing a target says is an error.

Every template of the differential suite is driven with answers that nobody would give. Nothing is connected here.
"""

from __future__ import annotations

import random
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secrecon.model.http import HttpReply
from secrecon.templates.dsl.run import Ambient
from secrecon.templates.execution.asks import (
    Answer,
    Ask,
    DnsAnswer,
    DnsAsk,
    HttpAnswer,
    HttpAsk,
    TcpAnswer,
    TcpAsk,
    TlsAnswer,
    TlsAsk,
    Trouble,
    Waited,
)
from secrecon.templates.execution.events import Callback, judge_callback
from secrecon.templates.execution.run import Outcome, execute
from secrecon.templates.execution.session import Options, Prepared, prepare
from secrecon.templates.execution.subject import parse_subject
from secrecon.templates.parse import parse_template

CASES = Path(__file__).parents[2] / "engine" / "templating" / "cases"
HEAD = "id: made-up\ninfo:\n  name: Made up\n  author: us\n"
MOST = 2_000
OTHERS = (
    "dns:\n  - name: '{{FQDN}}'\n    type: TXT\n    matchers: [{type: regex, part: answer, regex: ['v=(.+)']}]\n"
    "    extractors: [{type: regex, group: 1, regex: ['v=(.+)']}]\n",
    "ssl:\n  - address: '{{Host}}:{{Port}}'\n    matchers: [{type: dsl, dsl: ['not_after < 5 || self_signed']}]\n",
    "tcp:\n  - host: ['{{Hostname}}', 'tls://{{Hostname}}']\n    inputs: [{data: '{{to_upper(Host)}}', read: 4, name: a}]\n"
    "    matchers: [{type: word, part: a, words: [x]}, {type: dsl, dsl: ['jarm(Hostname) == data']}]\n",
    "http:\n  - path: ['{{BaseURL}}/{{resolve(Host)}}']\n    matchers: [{type: dsl, dsl: ['contains(cname, body)']}]\n",
)
NAMES = st.sampled_from(
    ["Location", "Set-Cookie", "Content-Type", "WWW-Authenticate", "Content-Length", "X-One", "x"]
)
VALUES = st.one_of(
    st.text(st.characters(max_codepoint=255), max_size=30),
    st.sampled_from(["/a", "http://[", "http://a:99999/", "Digest nonce=1", "a=b; Max-Age=0", "text/html; charset=gbk"]),
)  # fmt: skip
BODIES = st.one_of(
    st.binary(max_size=200),
    st.sampled_from([b"{{md5('a')}}", b"v1 v2 v3", b'{"a":[1,{"b":null}]}', b"<?xml version='1.0'?><a/>", b"link=a token=x"]),
)  # fmt: skip


@st.composite
def replies(draw: st.DrawFn) -> HttpAnswer:
    if draw(st.integers(0, 9)) == 0:
        return HttpAnswer(None, draw(st.sampled_from(list(Trouble))), "because")
    status = draw(st.sampled_from([200, 200, 200, 201, 302, 307, 401, 404, 500, 999]))
    headers = tuple(draw(st.lists(st.tuples(NAMES, VALUES), max_size=4)))
    body, head = draw(BODIES), draw(st.sampled_from([b"HTTP/1.1 200 OK", b"HTTP/0.9", b""]))
    return HttpAnswer(HttpReply(status, "", headers, body, head, body, b"", False, (), 0.1, "192.0.2.1", None, 0.1))


def templates() -> Iterator[object]:
    for file in sorted(CASES.glob("*.yaml")):
        for case in yaml.safe_load(file.read_text()):
            text = str(case["template"]).replace("<<port>>", "81")
            yield pytest.param(text, dict(case.get("files", {})), id=f"{file.stem}: {case['name']}")
    for number, text in enumerate(OTHERS):
        yield pytest.param(text, {}, id=f"other {number}")


def ambient() -> Ambient:
    return Ambient(lambda: 1_795_000_000.0, random.Random(1), lambda seconds: None)


def ready(text: str, files: dict[str, str]) -> Prepared:
    def helper(path: str) -> bytes:
        return files[path].encode()

    return prepare(parse_template((HEAD + text).encode(), helper, random.Random(1)), ambient())


def drive(
    steps: Generator[Ask, Answer, Outcome], chance: random.Random, given: list[HttpAnswer]
) -> tuple[Outcome, int]:
    """To the end. Answers are taken from `given` round and round, or made by chance."""
    asked = 0
    try:
        ask = next(steps)
        while asked < MOST:
            ask = steps.send(_answered(ask, chance, given[asked % len(given)]))
            asked += 1
    except StopIteration as end:
        outcome: Outcome = end.value
        return outcome, asked
    raise AssertionError("it never ends")


def _answered(ask: Ask, chance: random.Random, http: HttpAnswer) -> Answer:
    fails = {"trouble": chance.choice(list(Trouble)), "reason": "because"} if chance.random() < 0.2 else {}
    body = http.reply.body if http.reply is not None else b""
    if isinstance(ask, HttpAsk):
        assert ask.wire
        return http
    if isinstance(ask, DnsAsk):
        return DnsAnswer(sections={"raw": b"a\t1\tIN\tCNAME\tb.\n\t\t\t\n" + body, "answer": body}, **fails)  # type: ignore[arg-type]
    if isinstance(ask, TlsAsk):
        return TlsAnswer(facts={"not_after": body, "self_signed": chance.random() < 0.5}, document=body, **fails)  # type: ignore[arg-type]
    if isinstance(ask, TcpAsk):
        return TcpAnswer(reads=(body,) * chance.randrange(3), rest=body, **fails)  # type: ignore[arg-type]
    return Waited()


@pytest.mark.parametrize(("text", "files"), list(templates()))
@given(given_=st.lists(replies(), min_size=1, max_size=4), seed=st.integers(0, 99))
@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_any_answer_comes_to_an_end(text: str, files: dict[str, str], given_: list[HttpAnswer], seed: int) -> None:
    minted = iter(range(100_000))

    def mint() -> tuple[str, str]:
        token = f"t{next(minted)}"
        return f"{token}.cb.test", token

    prepared = ready(text, files)
    subject = parse_subject("http://app.acme.test/shop/item?x=1&y=2")
    options = Options(fuzzing=True, status=True, given={"key": b"k"})
    outcome, asked = drive(execute(prepared, subject, options, ambient(), mint), random.Random(seed), given_)
    assert outcome.answered <= outcome.asked <= max(asked, outcome.asked)
    for waiting in outcome.waiting:
        for protocol in ("dns", "http", "smtp"):
            for found in judge_callback(waiting, Callback(protocol, b"\xff GET /", b"", "192.0.2.9"), ambient()):
                assert found.callback is not None
    for found in outcome.found:
        assert isinstance(found.curl, str)

"""The fourteen places where a second engine is known to differ in its verdict, each by its number in the specification.

Each has a template and a server where the right reading matches, and one where only the wrong reading would.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests.engine.templating.stage import Came, Hits, Reply, Stage, made, run

from secrecon.model.scan import Outcome
from secrecon.templates.dsl import evaluate
from secrecon.templates.errors import DslError

pytestmark = pytest.mark.asyncio(loop_scope="module")
ONE = "http:\n  - path: ['{{BaseURL}}/']\n"
RAW = """http:
  - raw:
      - "GET /1 HTTP/1.1\\nHost: {{Hostname}}\\n\\n"
      - "GET /2 HTTP/1.1\\nHost: {{Hostname}}\\n\\n"
"""


async def play(
    stage: Stage, text: str, script: Sequence[Reply], target: str = "", hits: Hits | None = None
) -> Came:
    stage.play(script)
    return await run(made(text), stage.origin + target, hits=hits)


async def found(stage: Stage, text: str, *script: Reply, target: str = "") -> list[str]:
    return (await play(stage, text, script, target)).found


async def test_pitfall_01_the_header_part_has_the_status_line_and_sorted_canonical_names(stage: Stage) -> None:
    text = ONE + "    matchers: [{type: word, part: header, words: ["
    headers = ("x-powered-BY: php", "Accept-Ranges: none")
    reply = Reply(raw="HTTP/1.1 200 OK\r\n" + "\r\n".join(headers) + "\r\nContent-Length: 0\r\n\r\n")
    for words in ("HTTP/1.1 200 OK", "X-Powered-By: php", "Accept-Ranges: none\\r\\nX-Powered-By: php"):
        assert await found(stage, text + f'"{words}"]}}]\n', reply) == ["-"], words
    for words in ("x-powered-BY: php", "X-Powered-By: php\\r\\nAccept-Ranges", "HTTP/1.1 200 Said"):
        assert await found(stage, text + f'"{words}"]}}]\n', reply) == [], words


async def test_pitfall_02_a_missing_part_is_false_even_when_negative(stage: Stage) -> None:
    text = ONE + "    matchers: [{type: word, part: x_gone, negative: true, words: [bad]}]\n"
    assert await found(stage, text, Reply(headers=["X-Gone: good"])) == ["-"]
    assert await found(stage, text, Reply(headers=["X-Gone: bad"])) == []
    assert await found(stage, text, Reply()) == []


async def test_pitfall_03_operators_look_at_every_redirect(stage: Stage) -> None:
    text = ONE + "    redirects: true\n    matchers: [{type: word, part: location, words: ['/secret']}]\n"
    turn = Reply(to="GET /", status=302, headers=["Location: /secret"])
    assert await found(stage, text, turn, Reply(to="GET /secret", body="the end")) == ["-"]
    assert await found(stage, text, Reply(body="Location: /secret")) == []


async def test_pitfall_04_payload_requests_share_no_history(stage: Stage) -> None:
    text = RAW.replace("GET /1", "GET /1{{p}}") + "    payloads: {p: [a, b]}\n"
    text += "    matchers: [{type: dsl, dsl: ['status_code_1 == 200 && status_code_2 == 200']}]\n"
    assert await found(stage, text, Reply()) == []
    assert len(stage.lines) == 4
    assert await found(stage, text.replace("    payloads: {p: [a, b]}\n", "").replace("{{p}}", ""), Reply()) == [
        "-"
    ]


async def test_pitfall_05_a_backslash_in_a_literal_drops_itself(stage: Stage) -> None:
    text = ONE + "    matchers:\n      - type: dsl\n        dsl: ['regex(\"v%s+\", body)']\n"
    assert await found(stage, text % r"\\d", Reply(body="v12")) == ["-"]
    assert await found(stage, text % r"\d", Reply(body="v12")) == []
    assert await found(stage, text % r"\d", Reply(body="vddd")) == ["-"]


async def test_pitfall_06_equality_has_types(stage: Stage) -> None:
    text = ONE + "    matchers: [{type: dsl, dsl: ['%s']}]\n"
    assert await found(stage, text % "status_code == 200", Reply()) == ["-"]
    for wrong in ('status_code == "200"', 'content_length == "0"', "content_length == false"):
        assert await found(stage, text % wrong, Reply()) == [], wrong


async def test_pitfall_07_a_literal_that_looks_like_a_date_is_a_number(stage: Stage) -> None:
    text = ONE + "    matchers: [{type: dsl, dsl: ['%s']}]\n"
    assert await found(stage, text % 'contains(body, "2022-01-13")', Reply(body="1642032000")) == ["-"]
    assert await found(stage, text % 'contains(body, "2022-01-13")', Reply(body="on 2022-01-13")) == []
    assert await found(stage, text % 'contains(body, "2022-01-1x")', Reply(body="on 2022-01-1x")) == ["-"]


async def test_pitfall_08_or_gives_a_result_for_each_name(stage: Stage) -> None:
    text = ONE + "    matchers: [{type: word, name: a, words: [a]}, {type: word, name: b, words: [b]}]\n"
    assert await found(stage, text, Reply(body="ab")) == ["a", "b"]
    assert await found(stage, text, Reply(body="b")) == ["b"]
    assert await found(stage, text + "    matchers-condition: and\n", Reply(body="ab")) == ["-"]


async def test_pitfall_09_a_name_without_a_value_ends_the_block(stage: Stage) -> None:
    text = RAW.replace("GET /1", "GET /{{nobody}}") + "    matchers: [{type: status, status: [200]}]\n"
    came = await play(stage, text, [Reply()])
    assert (came.found, stage.lines) == ([], [])
    assert came.attempt.outcome is Outcome.FAILED  # silent for the verdict, and told: it was not tested
    assert await found(stage, text.replace("{{nobody}}", "1"), Reply()) == ["-", "-"]


@pytest.mark.parametrize(
    ("target", "path", "raw"),
    [
        ("", "/a", "/a"), ("/", "/a", "/a"), ("/app", "/app/a", "/app/a"), ("/app/", "/app/a", "/app/a"),
        ("/app/a", "/app/a/a", "/app/a"), ("/app?x=1", "/app/a?x=1", "/app/a?x=1"),
    ],
)  # fmt: skip
async def test_pitfall_10_slashes_and_merged_paths(stage: Stage, target: str, path: str, raw: str) -> None:
    text = "http:\n  - path: ['{{BaseURL}}/a']\n"
    text += '  - raw: ["GET /a HTTP/1.1\\nHost: {{Hostname}}\\n\\n"]\n'
    await play(stage, text, [Reply()], target)
    assert stage.lines == [f"GET {path}", f"GET {raw}"]


async def test_pitfall_11_duration_ends_with_the_headers(stage: Stage) -> None:
    text = ONE + "    matchers: [{type: dsl, dsl: ['duration >= 0.8']}]\n"
    assert await found(stage, text, Reply(late=0.85, body="x")) == ["-"]
    assert await found(stage, text, Reply(pause=0.85, body="x")) == []
    redirected = text.replace("    matchers", "    redirects: true\n    matchers")
    slow = Reply(to="GET /", status=302, headers=["Location: /b"], late=0.45)
    assert await found(stage, redirected, slow, Reply(to="GET /b", late=0.45)) == ["-", "-"]


async def test_pitfall_12_text_is_bytes(stage: Stage) -> None:
    text = ONE + "    matchers: [{type: dsl, dsl: ['%s']}]\n"
    body = "\xff\xfe\x80"
    assert await found(stage, text % "len(body) == 3", Reply(body=body, charset="latin-1")) == ["-"]
    assert await found(stage, text % "len(body) == 3", Reply(body=body, charset="utf-8")) == []
    hashed = 'md5(body) == "45a6eeda47eb0845d0095f2f0576e2f7" && base64(body) == "//6A"'
    assert await found(stage, text % hashed, Reply(body=body, charset="latin-1")) == ["-"]


async def test_pitfall_13_each_marker_is_an_address_of_its_own(stage: Stage) -> None:
    text = "http:\n  - path: ['{{BaseURL}}/?a={{interactsh-url}}&b={{interactsh-url}}']\n"
    text += "    matchers: [{type: word, part: interactsh_protocol, words: [http]}]\n"
    hits = Hits(["http"])
    came = await play(stage, text, [Reply()], hits=hits)
    assert stage.lines == ["GET /?a=t0x.cb.test&b=t1x.cb.test"]
    assert hits.kept == ["t0x", "t1x"]
    assert came.found == ["-", "-"]


async def test_pitfall_14_history_is_switched_on_by_the_text_alone(stage: Stage) -> None:
    """`body_1` is there for an extractor that names it in an expression, and not where no text holds `_` and a digit."""
    text = RAW + '    matchers: [{type: dsl, dsl: [\'contains(concat("", to_string(%s)), "one")\']}]\n'
    script = [Reply(to="GET /1", body="one"), Reply(to="GET /2", body="two")]
    assert await found(stage, text % "body_1", *script) == ["-", "-"]
    kval = RAW + "    extractors: [{type: kval, name: v, kval: [body_1]}]\n"
    assert await found(stage, kval, *script) == []
    num = kval + "    matchers: [{type: dsl, dsl: ['status_code == 200 || num_1 == 1']}]\n"
    assert await found(stage, num, *script) == ["v=one", "v=one"]


@pytest.mark.parametrize(
    ("expression", "value"),
    [('"200" == 200', False), (r'regex("\\d", "7")', True), (r'regex("\d", "7")', False), ("len('ü')", 2)],
)
async def test_pitfalls_5_6_and_12_in_the_language_alone(expression: str, value: object) -> None:
    assert evaluate(expression, {}) == value
    with pytest.raises(DslError):
        evaluate("1 && true", {})

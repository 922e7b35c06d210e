"""Reading templates: what they become, and the exact reason and line of every refusal. All templates here are our own."""

from __future__ import annotations

import contextlib
import random
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secrecon.templates.errors import TemplateError, TemplateInvalid, TemplateRefused
from secrecon.templates.parse import parse_template, read_draft
from secrecon.templates.payloads import Attack
from secrecon.templates.template import Redirects, Template

HEAD = "id: made-up\ninfo:\n  name: Made up\n  author: us\n  severity: low\n"
FUZZ = HEAD + "http:\n  - fuzzing: [{"
GET = "http:\n  - path:\n      - '{{BaseURL}}/a'\n"


def no_file(path: str) -> bytes:
    raise FileNotFoundError(path)


def parsed(text: str, files: dict[str, bytes] | None = None) -> Template:
    known = files or {}

    def helper(path: str) -> bytes:
        return known[path] if path in known else no_file(path)

    return parse_template(text.encode(), helper, random.Random(1))


def test_a_whole_http_template() -> None:
    made = parsed(
        """
id: made-up
info:
  name: Made up
  author: a, b
  severity: High
  tags: [CVE, kev]
  reference: https://example.test/1
  classification:
    cve-id: CVE-2020-0001
    cvss-score: 9.8
  metadata:
    max-request: 2
variables:
  num: "{{rand_int(1, 9)}}"
  both: "{{num}}-{{num}}"
http:
  - method: post
    path:
      - "{{BaseURL}}/a"
      - "{{BaseURL}}/b"
    headers:
      X-Token: "{{token}}"
    body: |
      a=1
      b={{num}}
    host-redirects: true
    max-redirects: 2
    stop-at-first-match: true
    matchers-condition: and
    matchers:
      - type: word
        part: body_2
        words: ["{{num}}"]
      - type: status
        status: [200, 302]
    extractors:
      - type: regex
        name: v
        group: 1
        regex: ['v=(\\d+)']
# a digest line is a comment
"""
    )
    (block,) = made.http
    assert (made.id, made.info.severity, made.info.authors) == ("made-up", "high", ("a", "b"))
    assert made.info.tags == ("cve", "kev")
    assert made.info.classification["cve-id"] == "CVE-2020-0001"
    assert (block.method, len(block.paths), block.redirects, block.max_redirects) == (
        "POST",
        2,
        Redirects.SAME_HOST,
        2,
    )
    assert block.body is not None
    assert block.body.render({"num": 3}) == b"a=1\r\nb=3\r\n"
    assert (block.indexed, block.stop_at_first_match, block.operators.every) == (True, True, True)
    data = {"body_2": b"3 v=7", "body": b"v=7", "status_code": 200, "num": 3}
    assert block.operators.judge(data).matched
    assert not block.operators.judge({**data, "num": 4}).matched
    values = made.variables.evaluate({})
    assert isinstance(values["num"], bytes)
    assert values["both"] == values["num"] + b"-" + values["num"]
    assert made.variables.evaluate({"num": "x"}) == {"both": b"x-x"}


def test_dns_ssl_and_tcp_templates() -> None:
    dns = parsed(
        HEAD
        + "dns:\n  - name: 'x.{{FQDN}}'\n    type: TXT\n    matchers:\n      - type: word\n        words: [a]\n"
    )
    assert (dns.dns[0].type, dns.dns[0].name.render({"FQDN": "a.test"})) == ("TXT", b"x.a.test")
    ssl = parsed(HEAD + "ssl:\n  - address: '{{Host}}:{{Port}}'\n    max_version: tls10\n")
    assert ssl.ssl[0].max_version == "tls10"
    tcp = parsed(
        HEAD
        + "network:\n  - host: ['{{Hostname}}']\n    port: 22\n    inputs:\n      - data: '0a0b'\n        type: hex\n"
        "        read: 10\n    read-size: 99\n"
    )
    assert (tcp.sections, tcp.tcp[0].read_size, tcp.tcp[0].inputs[0].hexadecimal) == (("tcp",), 99, True)


def test_randstr_is_one_value_for_a_loaded_template_also_in_patterns() -> None:
    made = parsed(HEAD + GET + "    body: '{{randstr}} {{randstr_1}} {{randstr}}'\n    matchers:\n      - type: regex\n"
                  "        regex: ['^{{randstr}}$']\n")  # fmt: skip
    body = made.http[0].body
    assert body is not None
    first, second, third = body.render({}).split()
    assert first == third != second
    assert len(first) == 27
    assert made.constants == {"randstr": first.decode(), "randstr_1": second.decode()}
    assert made.http[0].operators.judge({"body": first}).matched


@pytest.mark.parametrize(
    ("text", "reason", "line"),
    [
        ("a: [1\n", "not YAML", 2),
        ("- a", "a template is a table", 1),
        ("", "a template is a table", 1),
        ("info: {}", "has no id", 1),
        ("id: a b\ninfo: {}", "not an id", 1),
        ("id: a", "has no info", 1),
        ("id: a\ninfo:\n  name: n", "no author", 3),
        ("id: a\ninfo:\n  author: n", "no name", 3),
        (HEAD + "  colour: red\n" + GET, None, None),
        (HEAD, "no section", 1),
        (HEAD + GET + "    colour: red\n", "unknown field colour in an http section", 9),
        (HEAD + "http:\n  - method: GET\n", "neither path nor raw", 7),
        (HEAD + GET + "    method: 'GET /'\n", "not a method", 9),
        (HEAD + GET + "    redirects: maybe\n", "must be true or false", 9),
        (HEAD + GET + "    max-redirects: many\n", "must be a whole number", 9),
        (HEAD + GET + "    redirects: true\n    host-redirects: true\n", "exclude each other", 10),
        (HEAD + GET + "    matchers:\n      - type: wrod\n", "is one of", 10),
        (HEAD + GET + "    matchers:\n      - type: status\n        words: [a]\n", "unknown field words", 11),
        (HEAD + GET + "    matchers:\n      - type: regex\n        regex: ['(']\n", "not a regular expression", 11),
        (HEAD + GET + "    matchers:\n      - type: binary\n        binary: [xx]\n", "not hexadecimal", 11),
        (HEAD + GET + "    matchers:\n      - type: dsl\n        dsl:\n          - 'len(body'\n", "too early", 12),
        (HEAD + GET + "    matchers:\n      - type: xpath\n        xpath: ['//[']\n", "not an XPath", 11),
        (HEAD + GET + "    extractors:\n      - type: json\n        json: ['.a[']\n", "not a jq program", 11),
        (HEAD + GET + "    extractors:\n      - type: json\n        json: [env]\n", "may not use env", 11),
        (
            HEAD + GET + "    payloads:\n      a: [1]\n      b: [2]\n    body: '{{a}}{{b}}'\n",
            "exactly one payload list",
            10,
        ),
        (HEAD + GET + "    payloads:\n      a: gone.txt\n    body: '{{a}}'\n", "cannot be read", 10),
        (HEAD + "flow: http(1) && dns(1)\n" + GET, "asks for dns, which is not there", 6),
        (FUZZ + "fuzz: [a], part: tail}]\n", "part is one of", 7),
        (FUZZ + "part: query}]\n", "nothing to put in", 7),
        (FUZZ + "fuzz: [a], type: replace-regex}]\n", "has one replace-regex", 7),
        (FUZZ + "fuzz: [a], replace-regex: a}]\n", "has one replace-regex", 7),
        (FUZZ + "fuzz: [a], colour: red}]\n", "unknown field colour in a fuzzing rule", 7),
        (FUZZ + "fuzz: [a]}]\n    unsafe: true\n", "fuzzing excludes", 7),
        (HEAD + GET + "    fuzzing: [{fuzz: [a]}]\n", "fuzzing excludes", 9),
        (
            FUZZ + "fuzz: [a]}]\n    matchers: [{type: word, part: body_2, words: [a]}]\n",
            "excludes names with numbers",
            7,
        ),
        (HEAD + "flow: http(1) http(1)\n" + GET, "need && or ||", 6),
        ("id: a\nid: b", "is there twice", 2),
        ("a: &x [1]\nb: *y", "stands for nothing", 2),
        ("a: b\n---\nc: d", "second YAML document", 2),
        ("a: " + "[" * 100 + "]" * 100, "nested deeper", 1),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, reason: str | None, line: int | None) -> None:
    if reason is None:
        assert parsed(text).id
        return
    with pytest.raises(TemplateInvalid) as caught:
        parsed(text)
    assert reason in caught.value.reason
    assert (caught.value.line, caught.value.reason) == (line, caught.value.reason)
    assert str(caught.value) == f"line {line}: {caught.value.reason}"


@pytest.mark.parametrize(
    ("operator", "indexed"),
    [
        ("matchers:\n      - type: dsl\n        dsl: ['status_code_2 == 200']", True),
        ("matchers:\n      - type: word\n        part: body_1\n        words: [a]", True),
        ("extractors:\n      - type: dsl\n        dsl: [num_1]", True),
        ("matchers:\n      - type: word\n        part: set_cookie\n        words: [a_1]", False),
    ],
)
def test_pitfall_14_history_is_kept_where_a_part_or_expression_has_an_index_even_by_chance(
    operator: str, indexed: bool
) -> None:
    assert parsed(HEAD + GET + f"    {operator}\n").http[0].indexed is indexed


@pytest.mark.parametrize("section", ["code", "javascript", "headless", "file"])
def test_what_runs_code_is_refused_by_policy(section: str) -> None:
    with pytest.raises(TemplateRefused, match="by policy") as caught:
        parsed(HEAD + GET + f"{section}:\n  - source: id\n")
    assert (caught.value.policy, caught.value.line) == (True, 10)


@pytest.mark.parametrize(
    ("text", "reason", "policy"),
    [
        (HEAD + "workflows:\n  - template: a.yaml\n", "workflows is not built", False),
        (HEAD + GET + "    race: true\n", "many times at one moment", True),
        (HEAD + GET + "    pipeline: true\n", "past the pace", True),
        (HEAD + GET + "    analyzer:\n      name: time_delay\n", "makes the target wait", True),
        (HEAD + GET + '    body: \'{{generate_java_gadget("dns", "x", "raw")}}\'\n', "gadget runs code", True),
        (HEAD + GET + "    body: '{{base64(\"{{public_ip()}}\")}}'\n", "neither the target nor ours", True),
        (
            HEAD + GET + "    payloads:\n      a: ../../etc/passwd\n    body: '{{a}}'\n",
            "below the template directory",
            True,
        ),
        (
            HEAD + GET + "    payloads:\n      a: /etc/passwd\n    body: '{{a}}'\n",
            "below the template directory",
            True,
        ),
    ],
)
def test_what_is_refused_says_why(text: str, reason: str, policy: bool) -> None:
    with pytest.raises(TemplateRefused) as caught:
        parsed(text)
    assert reason in caught.value.reason
    assert caught.value.policy is policy


def test_a_draft_tells_what_the_template_is_even_when_it_is_refused() -> None:
    draft = read_draft((HEAD + GET + "code:\n  - source: id\n").encode(), random.Random(1))
    assert (draft.sections, draft.target_facing_http) == (("http", "code"), True)
    alone = read_draft((HEAD + "self-contained: true\n" + GET).encode(), random.Random(1))
    assert alone.target_facing_http is False


def test_payloads_from_lists_files_lines_and_levels() -> None:
    block = (
        GET
        + "    attack: {attack}\n    payloads:\n      a: list.txt\n      b: |\n        x\n        y\n      c:\n        low: [l]\n"
    )
    text = HEAD + block + "      unused: [1, 2]\n    body: '{{a}}{{b}}{{c}}'\n"
    files = {"list.txt": b"1\r\n\r\n2\n3"}
    bomb = parsed(text.replace("{attack}", "clusterbomb"), files).http[0].payloads
    assert bomb is not None
    assert (bomb.attack, bomb.count) == (Attack.CLUSTERBOMB, 6)
    assert [row["a"] + row["b"] + row["c"] for row in bomb.sets({})] == [
        b"1xl",
        b"1yl",
        b"2xl",
        b"2yl",
        b"3xl",
        b"3yl",
    ]
    fork = parsed(text.replace("{attack}", "pitchfork"), files).http[0].payloads
    assert fork is not None
    assert [row["a"] + row["b"] for row in fork.sets({})] == [b"1x"]


def test_payload_values_are_filled_in_and_unused_lists_dropped() -> None:
    made = (
        parsed(HEAD + GET + "    payloads:\n      a: ['{{token}}!', b]\n      z: [1]\n    body: '{{a}}'\n")
        .http[0]
        .payloads
    )
    assert made is not None
    assert list(made.sets({"token": "t"})) == [{"a": b"t!"}, {"a": b"b"}]
    assert parsed(HEAD + GET + "    payloads:\n      zz: [1]\n").http[0].payloads is None


def bomb_of_aliases() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{at}: &a{at} [{', '.join([f'*a{at - 1}'] * 10)}]" for at in range(1, 10)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    "text",
    [
        bomb_of_aliases(),
        "a: &a [*a]",
        "{" * 5000,
        "a: " + "[" * 5000,
        "a:\n" + "".join(" " * at + f"b{at}:\n" for at in range(1, 3000)),
        "x: y\n" * 3,
        "a: '" + "x" * 3_000_000 + "'",
        HEAD + GET + "    attack: clusterbomb\n    payloads:\n"
        + "".join(f"      p{at}: [{', '.join(map(str, range(100)))}]\n" for at in range(4))
        + "    body: '{{p0}}{{p1}}{{p2}}{{p3}}'\n",
        HEAD + GET + "    matchers:\n      - type: regex\n        regex: ['((a{100}){100}){100}']\n",
        HEAD + "http:\n" + "  - path: [a]\n" * 200,
        HEAD + "http:\n  - path: [" + "a, " * 1500 + "b]\n",
    ],
)  # fmt: skip
def test_bombs_are_refused_quickly(text: str) -> None:
    started = time.monotonic()
    with pytest.raises(TemplateInvalid):
        parsed(text)
    assert time.monotonic() - started < 10


def test_bytes_that_are_no_text_are_refused_with_their_line() -> None:
    with pytest.raises(TemplateInvalid, match="not UTF-8") as caught:
        parse_template(b"id: a\ninfo: \xff\n", no_file, random.Random(1))
    assert caught.value.line == 2


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_as_a_template_error(source: bytes) -> None:
    with pytest.raises(TemplateError):
        parse_template(source, no_file, random.Random(1))


_VALUES = st.recursive(
    st.one_of(st.sampled_from(["true", "1", "x", "{{a}}", "", "{{md5(", "word", "../x"]), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["type", "words", "part", "a"]), inner, max_size=3),
    ),
    max_leaves=6,
)


_FIELDS = st.sampled_from([
    "path", "raw", "matchers", "extractors", "payloads", "headers", "body", "attack", "threads", "method", "redirects",
    "matchers-condition", "unsafe",
])  # fmt: skip


@settings(max_examples=150)
@given(st.dictionaries(_FIELDS, _VALUES, max_size=5))
def test_any_shape_of_a_block_is_read_or_refused(block: dict[str, object]) -> None:
    def quote(value: object) -> str:
        if isinstance(value, dict):
            return "{" + ", ".join(f"{quote(key)}: {quote(item)}" for key, item in value.items()) + "}"
        if isinstance(value, list):
            return "[" + ", ".join(map(quote, value)) + "]"
        return '"' + "".join(f"\\U{ord(char):08x}" for char in str(value)) + '"'

    with contextlib.suppress(TemplateError):
        parsed(HEAD + f"http:\n  - {quote(block)}\n")

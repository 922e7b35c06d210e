"""Templates that are wrong, hostile or no templates at all: refused with the reason and the line, in bounded time and memory."""

from __future__ import annotations

import copy
import os
import random
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secrecon.templates.catalog import Catalog, load
from secrecon.templates.errors import TemplateInvalid, TemplateRefused
from secrecon.templates.parse import parse_template
from secrecon.templates.policy import classify
from secrecon.templates.template import Template
from secrecon.templates.workflow import read_workflow

HEAD = "id: made-up\ninfo:\n  name: Made up\n  author: us\n"
GET = HEAD + "http:\n  - path: ['{{BaseURL}}/{{a}}']\n"


def no_file(path: str) -> bytes:
    raise FileNotFoundError(path)


def parsed(source: str | bytes) -> Template:
    text = source.encode("utf-8", "surrogatepass") if isinstance(source, str) else source
    return parse_template(text, no_file, random.Random(1))


def outcome(source: str | bytes) -> Template | TemplateInvalid | TemplateRefused:
    """The template, or why it is none; any other error is the test's to fail on."""
    try:
        return parsed(source)
    except (TemplateInvalid, TemplateRefused) as error:
        return error


@pytest.fixture
def seconds() -> Iterator[None]:
    """Refusing costs little: processor time, not the clock of a busy machine; and memory that is not kept."""
    begun, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert time.process_time() - begun < 5
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400_000


BOMBS = {
    "aliases": HEAD + "a0: &a0 [x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)),
    "an alias of itself": HEAD + "variables: &a\n  b: *a\n",
    "nesting": HEAD + "variables:\n  a: " + "[" * 5_000 + "]" * 5_000,
    "nested tables": HEAD + "variables: " + "{a: " * 3_000 + "1" + "}" * 3_000,
    "two documents": GET + "---\n" + GET,
    "a tag that makes objects": HEAD + "variables: !!python/object/apply:os.system ['id']\n",
    "many values": HEAD + "variables: [" + "a," * 150_000 + "]\n",
    "payload product": GET + "    attack: clusterbomb\n    payloads:\n"
    + "".join(f"      {name}: [{','.join(map(str, range(200)))}]\n" for name in "abc")
    + "    body: '{{a}}{{b}}{{c}}'\n",
    "many payloads": GET + "    payloads:\n      a: |\n" + "        v\n" * 210_000,
    "pattern": GET + "    matchers:\n      - type: regex\n        regex: ['(((a{1,900}){1,900}){1,900})']\n",
    "long pattern": GET + f"    matchers:\n      - type: regex\n        regex: ['{'(a|b)' * 50_000}']\n",
    "expression nesting": GET + f"    matchers:\n      - type: dsl\n        dsl: [\"{'(' * 4_000}1{')' * 4_000}\"]\n",
    "long expression": GET + f"    matchers:\n      - type: dsl\n        dsl: [\"{'1+' * 60_000}1 == 2\"]\n",
    "braces": GET + f"    body: '{'{{' * 40_000}'\n",
    "many blocks": HEAD + "http:\n" + "  - path: ['{{BaseURL}}/']\n" * 500,
    "many requests": HEAD + "http:\n  - path:\n" + "      - '{{BaseURL}}/'\n" * 3_000,
    "a flow without end": GET + "flow: 'for(;;){}'\n",
    "a flow of calls": GET + "flow: '" + "http(1) && " * 20_000 + "http(1)'\n",
    "a flow of parentheses": GET + f"flow: '{'(' * 9_000}http(1){')' * 9_000}'\n",
    "xpath": GET + f"    matchers:\n      - type: xpath\n        xpath: ['{'//a' * 20_000}']\n",
    "xpath with a zero": GET + '    matchers:\n      - type: xpath\n        xpath: ["\\0"]\n',
    "jq": GET + "    extractors:\n      - type: json\n        json: ['[range(1e9)]']\n",
    "hexadecimal": GET + "    matchers:\n      - type: binary\n        binary: ['0g']\n",
    "an id of blanks": GET.replace("made-up", "a b"),
    "bytes": "\x00\x01\x02",
    "no table": "- a\n- b\n",
    "nothing": "",
    "a lone surrogate": GET.replace("Made up", "\ud800"),
}  # fmt: skip
HARMLESS = {"a flow without end", "a flow of calls", "braces"}
"""What is valid, and bounded when it runs."""


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_with_a_reason_and_a_line(name: str, seconds: None) -> None:
    made = outcome(BOMBS[name])
    if isinstance(made, Template):
        assert name in HARMLESS
        classify(made)
    else:
        assert made.line >= 1
        assert 3 < len(made.reason) < 400


def test_a_template_of_a_hundred_megabytes_is_not_read_whole(tmp_path: Path, seconds: None) -> None:
    huge = tmp_path / "huge.yaml"
    with huge.open("wb") as opened:
        opened.truncate(100 * 1024 * 1024)
    helper = tmp_path / "words.txt"
    with helper.open("wb") as opened:
        opened.truncate(100 * 1024 * 1024)
    (tmp_path / "words.yaml").write_text(GET + "    payloads:\n      a: words.txt\n")
    assert reasons(load([tmp_path], random.Random(1))) == {
        "huge.yaml": "a template of 2097153 bytes; at most 2097152 are read",
        "words.yaml": "words.txt: a payload file of 4194305 bytes; at most 4194304 are read",
    }


def reasons(catalog: Catalog) -> dict[str, str]:
    return {problem.path: problem.reason for problem in catalog.problems}


def test_what_is_no_plain_file_is_never_opened(tmp_path: Path, seconds: None) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    (tmp_path / "secret.txt").write_text("secret\n")
    os.mkfifo(folder / "pipe.yaml")
    os.mkfifo(folder / "pipe.txt")
    (folder / "device.yaml").symlink_to("/dev/zero")
    (folder / "device.txt").symlink_to("/dev/zero")
    (folder / "loop.yaml").symlink_to(folder / "loop.yaml")
    (folder / "around").symlink_to(folder)
    (folder / "dir.yaml").mkdir()
    paths = (
        "pipe.txt",
        "device.txt",
        "../secret.txt",
        "/etc/hostname",
        "around/../../secret.txt",
        "dir.yaml",
        "a\0b",
    )
    for at, path in enumerate(paths):
        text = path.replace("\0", "\\0")
        (folder / f"p{at}.yaml").write_text(
            GET.replace("made-up", f"p{at}") + f'    payloads:\n      a: "{text}"\n'
        )
    catalog = load([folder], random.Random(1))
    assert [entry.path for entry in catalog.entries] == []
    told = reasons(catalog)
    assert {f"p{at}.yaml" for at in range(len(paths))} <= told.keys()
    assert "secret\n" not in str(told)
    for odd in ("pipe.yaml", "device.yaml"):
        named = load([folder / odd], random.Random(1))
        assert named.entries == ()
        assert "not a plain file" in named.problems[0].reason


def test_a_workflow_that_includes_itself_or_nests_without_end_is_refused() -> None:
    itself = HEAD + "workflows:\n  - template: made-up.yaml\n"
    assert read_workflow(itself.encode(), ()).missing == ("made-up.yaml",)
    deep = "".join(f"{'  ' * (2 * n)}  - template: a.yaml\n{'  ' * (2 * n)}    subtemplates:\n" for n in range(14))
    with pytest.raises(TemplateInvalid):
        read_workflow((HEAD + "workflows:\n" + deep + "  " * 29 + "- template: a.yaml\n").encode(), ())
    many = HEAD + "workflows:\n" + "  - template: a.yaml\n" * 2_500
    with pytest.raises(TemplateInvalid, match="2000 steps"):
        read_workflow(many.encode(), ())


WHOLE = yaml.safe_load(
    HEAD
    + r"""
  severity: high
  tags: a,b
  reference: [https://a.test]
  classification: {cve-id: CVE-2020-1, cvss-score: 9.8}
  metadata: {max-request: 2}
variables: {a: "{{rand_base(5)}}", b: [x, y]}
constants: {c: d}
flow: http(1) && http(2)
stop-at-first-match: true
http:
  - method: POST
    path: ["{{BaseURL}}/{{n}}"]
    headers: {X-A: "{{a}}"}
    body: "x={{m}}"
    attack: pitchfork
    payloads: {n: ["1", "2"], m: ["3"]}
    redirects: true
    max-redirects: 3
    matchers-condition: and
    matchers:
      - {type: word, part: body, words: [a], condition: or, negative: true, name: w}
      - {type: status, status: [200]}
      - {type: regex, regex: ["a(b)"]}
      - {type: dsl, dsl: ["status_code == 200 && len(body) > 1"]}
      - {type: size, size: [1]}
      - {type: binary, binary: ["00ff"]}
      - {type: xpath, xpath: ["//a"]}
    extractors:
      - {type: regex, regex: ["a"], group: 1, name: e, internal: true}
      - {type: kval, kval: [server]}
      - {type: json, json: [".a"]}
      - {type: xpath, xpath: ["//a"], attribute: href}
      - {type: dsl, dsl: ["to_upper(body)"]}
  - raw: ["@timeout: 5s\nGET / HTTP/1.1\nHost: {{Hostname}}\n\n"]
    unsafe: true
    threads: 2
dns:
  - {name: "{{FQDN}}", type: A, class: inet, recursion: true, retries: 2}
ssl:
  - {address: "{{Host}}:{{Port}}", min_version: tls10}
tcp:
  - host: ["{{Hostname}}"]
    port: "80"
    inputs: [{data: "00", type: hex, read: 5, name: n}]
    read-size: 20
"""
)
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=20), st.binary(max_size=5),
    st.just([]), st.just({}), st.lists(st.text(max_size=4), max_size=3),
    st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=2),
    st.sampled_from(["{{", "{{a", "}}", "((", "[", "\\", "§", "{{md5(", "http(9)", "/../..",
                     "-1", "1e9", "\0", "%", "{{interactsh-url}}"]),
)  # fmt: skip


def _places(node: object, path: tuple[object, ...] = ()) -> Iterator[tuple[object, ...]]:
    yield path
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in pairs:
        yield from _places(value, (*path, key))


PLACES = [path for path in _places(WHOLE) if path]


@st.composite
def mutants(draw: st.DrawFn) -> object:
    """The whole template with one to three places made something else, gone, doubled or put elsewhere."""
    whole = copy.deepcopy(WHOLE)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(PLACES))
        node = whole
        try:
            for key in path[:-1]:
                node = node[key]
            how = draw(st.sampled_from(["odd", "odd", "gone", "wrapped", "other name", "list of it"]))
            if how == "gone":
                del node[path[-1]]
            elif how == "wrapped":
                node[path[-1]] = {"a": node[path[-1]]}
            elif how == "list of it":
                node[path[-1]] = [node[path[-1]]] * 3
            elif how == "other name" and isinstance(node, dict):
                node[draw(st.text(max_size=6))] = node.pop(path[-1])
            else:
                node[path[-1]] = draw(ODD)
        except (KeyError, IndexError, TypeError, AttributeError):
            continue  # an earlier change took the place away
    return whole


def test_the_whole_template_is_valid() -> None:
    assert len(parsed(yaml.safe_dump(WHOLE)).http) == 2


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutants())
def test_a_wrong_type_anywhere_is_refused_with_a_line_or_harmless(whole: object) -> None:
    source = yaml.safe_dump(whole, allow_unicode=True)
    made = outcome(source)
    if isinstance(made, Template):
        classify(made)
    else:
        assert 1 <= made.line <= source.count("\n") + 2


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400), st.integers(0, 400), st.binary(max_size=8))
def test_garbage_is_refused(noise: bytes, at: int, bit: bytes) -> None:
    for source in (noise, GET.encode()[:at] + bit + GET.encode()[at:]):
        made = outcome(source)
        if isinstance(made, Template):
            classify(made)
        else:
            assert made.line >= 1

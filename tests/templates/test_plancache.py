"""What was compiled comes back the same, and a file that is not whole, not ours or not of this engine is as good as none."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
import os
import random
import typing
from collections.abc import Callable
from pathlib import Path

import pytest

from secrecon.app.armory import own_folder
from secrecon.templates import extractors, flow, flowscript, matchers, plancache, plans
from secrecon.templates.catalog import Catalog, load
from secrecon.templates.documents import JsonQuestion, PathQuestion
from secrecon.templates.dsl.program import Program
from secrecon.templates.matchers import RegexTest, WordTest
from secrecon.templates.parse import Draft
from secrecon.templates.patterns import Pattern
from secrecon.templates.plans import NOUNS, NotPlain, Reader, Writer
from secrecon.templates.template import Template

HEAD = "id: {id}\ninfo:\n  name: Made up\n  author: us\n  severity: low\n  tags: a,b\n"
EVERYTHING = (
    HEAD.format(id="everything")
    + r"""
variables:
  one: "{{to_lower('AB')}}"
  list: ["{{one}}", "x"]
constants:
  fixed: 7
flow: http(1) && !(dns() || http("second"))
http:
  - raw:
      - |
        @timeout: 20s
        GET /{{one}} HTTP/1.1
        Host: {{Hostname}}

    attack: pitchfork
    payloads:
      one: [a, "\xff"]
    unsafe: true
    matchers-condition: and
    matchers:
      - {type: word, words: ["a{{md5('{{one}}')}}", plain], part: header, case-insensitive: true}
      - {type: word, words: ["00ff"], encoding: hex, negative: true}
      - {type: regex, regex: ['a(b+)c', '[a-z]{2,4}']}
      - {type: binary, binary: ["504b0304"]}
      - {type: status, status: [200, 302]}
      - {type: size, size: [1]}
      - {type: dsl, dsl: ["contains(body, 'x') && status_code_1 == 200"], name: told, internal: true}
      - {type: xpath, xpath: ["//a"]}
    extractors:
      - {type: regex, regex: ['a(b+)c'], group: 1, name: got, internal: true}
      - {type: kval, kval: [server]}
      - {type: json, json: ['.a[]']}
      - {type: xpath, xpath: ["//a"], attribute: href}
      - {type: dsl, dsl: ["len(body)"]}
  - id: second
    method: POST
    path: ["{{BaseURL}}/§one§"]
    body: "x\ny"
    headers: {A: "{{one}}"}
    host-redirects: true
    matchers: [{type: word, words: [x]}]
dns:
  - name: "{{FQDN}}"
    type: TXT
    matchers: [{type: word, words: [x]}]
"""
)
SCRIPT = (
    HEAD.format(id="script")
    + """
flow: |
  for (let a of ["x"]) { set("a", a); http(1); }
http:
  - path: ["{{BaseURL}}/"]
    matchers: [{type: word, words: [x]}]
tcp:
  - host: ["{{Hostname}}"]
    port: 21
    inputs: [{data: "00", type: hex, read: 10, name: b}]
    matchers: [{type: word, words: [x]}]
ssl:
  - address: "{{Host}}:{{Port}}"
    matchers: [{type: dsl, dsl: ["expired == true"]}]
"""
)
CHANCE = (
    HEAD.format(id="chance")
    + 'http:\n  - path: ["{{BaseURL}}/{{randstr}}"]\n    matchers: [{type: word, words: [x]}]\n'
)
HELPED = HEAD.format(id="helped") + (
    'http:\n  - path: ["{{BaseURL}}/{{word}}"]\n    payloads: {word: helpers/words.txt}\n'
    "    matchers: [{type: word, words: [x]}]\n"
)
WRONG = HEAD.format(id="wrong") + 'http:\n  - path: ["{{BaseURL}}"]\n    matchers: [{type: regex, regex: ["("]}]\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "set"
    (root / "helpers").mkdir(parents=True)
    (root / "helpers" / "words.txt").write_text("first\nsecond\n")
    for name, text in (("a", EVERYTHING), ("b", SCRIPT), ("c", CHANCE), ("d", HELPED), ("e", WRONG)):
        (root / f"{name}.yaml").write_text(text)
    return root


def read(folder: Path, kept: Path | None, seed: int = 1) -> Catalog:
    return load([folder], random.Random(seed), kept=kept, judged=True)


def plain(catalog: Catalog) -> object:
    writer = Writer()
    made = [(e.path, writer.plain(e.template), writer.plain(e.safety)) for e in catalog.entries]
    return made, writer.shared, [(p.where, p.reason) for p in catalog.problems], catalog.digest


@pytest.fixture
def compilations(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the templates that were compiled."""
    found: list[str] = []
    before: Callable[..., Template] = Draft.compile

    def noted(draft: object, helper: Callable[[str], bytes]) -> Template:
        made = before(draft, helper)
        found.append(made.id)
        return made

    monkeypatch.setattr(Draft, "compile", noted)
    return found


def the_file(kept: Path) -> Path:
    (file,) = kept.iterdir()
    return file


def test_what_was_kept_comes_back_the_same(folder: Path, tmp_path: Path, compilations: list[str]) -> None:
    without = read(folder, None)
    first = read(folder, tmp_path / "kept")
    compilations.clear()
    second = read(folder, tmp_path / "kept")
    assert plain(without) == plain(first) == plain(second)
    assert compilations == ["chance"]
    assert (first.note, second.note) == ("", "")
    before = the_file(tmp_path / "kept").stat()
    assert (before.st_mode & 0o777, before.st_uid) == (0o600, os.geteuid())


def test_kept_parts_do_what_compiled_parts_do(folder: Path, tmp_path: Path) -> None:
    read(folder, tmp_path / "kept")
    data = {
        "body": b"xabbc <a href='/y'>",
        "all_headers": b"Plain: 1",
        "status_code": 200,
        "one": b"z",
        "server": b"s",
    }
    for entry, again in zip(read(folder, None).entries, read(folder, tmp_path / "kept").entries, strict=True):
        for block, other in zip(entry.template.http, again.template.http, strict=True):
            assert block.operators.judge(data) == other.operators.judge(data)
            assert block.operators.reads == other.operators.reads
            for mine, theirs in zip(block.operators.matchers, other.operators.matchers, strict=True):
                assert mine.matches(data) == theirs.matches(data)
            for text, same in zip(block.paths, other.paths, strict=True):
                assert text.render(data) == same.render(data)


def test_chance_is_another_at_each_reading(folder: Path, tmp_path: Path) -> None:
    def value(seed: int) -> str:
        catalog = read(folder, tmp_path / "kept", seed)
        return next(e.template for e in catalog.entries if e.template.id == "chance").constants["randstr"]

    assert len({value(1), value(2), value(3)}) == 3


def test_a_changed_payload_file_is_read_again(folder: Path, tmp_path: Path, compilations: list[str]) -> None:
    read(folder, tmp_path / "kept")
    compilations.clear()
    (folder / "helpers" / "words.txt").write_text("third\n")
    helped = next(e for e in read(folder, tmp_path / "kept").entries if e.template.id == "helped").template
    assert helped.http[0].payloads is not None
    assert helped.http[0].payloads.lists == (("word", ("third",)),)
    assert compilations == ["chance", "helped"]
    (folder / "helpers" / "words.txt").unlink()
    assert plain(read(folder, tmp_path / "kept")) == plain(read(folder, None))


def test_a_changed_template_is_read_again_and_a_removed_one_forgotten(folder: Path, tmp_path: Path) -> None:
    read(folder, tmp_path / "kept")
    size = the_file(tmp_path / "kept").stat().st_size
    (folder / "b.yaml").write_text(SCRIPT.replace("words: [x]", "words: [changed]"))
    assert plain(read(folder, tmp_path / "kept")) == plain(read(folder, None))
    (folder / "a.yaml").unlink()
    assert plain(read(folder, tmp_path / "kept")) == plain(read(folder, None))
    assert the_file(tmp_path / "kept").stat().st_size < size


def cut(content: bytes) -> bytes:
    return content[:-1]


def changed(content: bytes) -> bytes:
    return content.replace(b"Made up", b"Made xp", 1)


def of_another_engine(content: bytes) -> bytes:
    return content.replace(plancache.engine().encode(), b"0" * 64)


def signed(document: object) -> Callable[[bytes], bytes]:
    """A whole file of ours that says something else."""

    def made(content: bytes) -> bytes:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        return content.partition(b"\n")[0][:-64] + hashlib.sha256(body).hexdigest().encode() + b"\n" + body

    return made


@pytest.mark.parametrize(
    "damage",
    [
        cut,
        changed,
        of_another_engine,
        lambda content: b"",
        lambda content: b"\x80\x04N." + content,
        lambda content: os.urandom(5_000),
        signed(b"{"),
        signed(b"[" * 100_000),
        signed([]),
        signed({"shared": [], "plans": []}),
        signed({"shared": [[0, 5]], "plans": {}}),
        signed({"shared": [], "plans": {"a": [1, None, [1]]}}),
        signed({"shared": [], "plans": {"a": [[10**9], None, [1]]}}),
        signed({"shared": [], "plans": {"a": [["os.system", "x"], None, [1]]}}),
        signed({"shared": [], "plans": {"a": [[11, 1], None, [1]]}}),
        signed({"shared": [], "plans": {"a": [[9, 0, "no such word"], None, [1]]}}),
    ],
)
def test_a_damaged_or_foreign_file_is_as_good_as_none(
    folder: Path, tmp_path: Path, damage: Callable[[bytes], bytes], compilations: list[str]
) -> None:
    expected = plain(read(folder, tmp_path / "kept"))
    file = the_file(tmp_path / "kept")
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    compilations.clear()
    assert plain(read(folder, tmp_path / "kept")) == expected
    assert len(compilations) == 4
    assert the_file(tmp_path / "kept").read_bytes() == whole


def test_a_file_that_others_may_write_is_not_believed(
    folder: Path, tmp_path: Path, compilations: list[str]
) -> None:
    read(folder, tmp_path / "kept")
    the_file(tmp_path / "kept").chmod(0o666)
    compilations.clear()
    read(folder, tmp_path / "kept")
    assert len(compilations) == 4
    assert the_file(tmp_path / "kept").stat().st_mode & 0o777 == 0o600


def test_a_link_in_its_place_is_not_followed(folder: Path, tmp_path: Path) -> None:
    read(folder, tmp_path / "kept")
    file = the_file(tmp_path / "kept")
    elsewhere = tmp_path / "elsewhere"
    file.rename(elsewhere)
    file.symlink_to(elsewhere)
    before = elsewhere.read_bytes()
    assert plain(read(folder, tmp_path / "kept")) == plain(read(folder, None))
    assert not file.is_symlink()
    assert elsewhere.read_bytes() == before


def test_a_folder_that_cannot_be_written_is_told(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file")
    catalog = read(folder, tmp_path / "kept")
    assert catalog.note.startswith("what was compiled could not be kept for the next start")
    assert len(catalog.entries) == 4


def test_the_oldest_sets_are_forgotten(tmp_path: Path) -> None:
    for at in range(plancache.MAX_FILES + 3):
        root = tmp_path / f"set{at}"
        root.mkdir()
        (root / "b.yaml").write_text(SCRIPT)
        read(root, tmp_path / "kept")
    assert len(list((tmp_path / "kept").iterdir())) == plancache.MAX_FILES


def test_the_shipped_templates_come_back_the_same(tmp_path: Path) -> None:
    first = read(own_folder(), tmp_path)
    assert plain(first) == plain(read(own_folder(), tmp_path))
    assert first.note == ""


def parts(hint: object) -> set[object]:
    found = {hint}
    for inner in typing.get_args(hint):
        found |= parts(inner)
    return found


def test_a_plan_can_hold_every_noun_that_a_template_is_made_of() -> None:
    """A new noun in the language belongs into `plans.NOUNS`."""
    nouns: set[type] = set()
    waiting: list[object] = [Template]
    modules = (matchers, extractors, flow, flowscript)
    while waiting:
        kind = waiting.pop()
        if not isinstance(kind, type) or not dataclasses.is_dataclass(kind) or kind in nouns or kind is Program:
            continue
        nouns.add(kind)
        spaces = {name: value for module in modules for name, value in vars(module).items()}
        for hint in typing.get_type_hints(kind, localns=spaces).values():
            waiting += parts(hint)
    for module in (matchers, extractors):
        nouns |= {
            kind
            for _, kind in inspect.getmembers(module, inspect.isclass)
            if dataclasses.is_dataclass(kind) and (hasattr(kind, "holds") or hasattr(kind, "values"))
        }
    assert nouns <= {*NOUNS, Pattern, JsonQuestion, PathQuestion}
    assert {RegexTest, WordTest, flow.Ask} <= nouns


def test_what_is_no_noun_is_refused_both_ways() -> None:
    with pytest.raises(NotPlain):
        Writer().plain(object())
    with pytest.raises((LookupError, TypeError, ValueError)):
        Reader([]).noun([len(NOUNS) + plans._FIRST])

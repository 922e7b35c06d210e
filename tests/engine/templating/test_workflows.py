"""Workflows: what one template recognises decides which come next; one cookie jar, extracted values passed on."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from tests.engine.templating.stage import Reply, Stage, ambient, made, network, shown

from secrecon.engine.templating.asker import Asker
from secrecon.engine.templating.driver import Runner
from secrecon.net.clock import SystemClock
from secrecon.templates.catalog import Entry
from secrecon.templates.execution.session import Options, prepare
from secrecon.templates.execution.subject import parse_subject
from secrecon.templates.workflow import Workflow, read_workflow

pytestmark = pytest.mark.asyncio(loop_scope="module")
HEAD = "id: flow\ninfo:\n  name: Made up\n  author: us\nworkflows:\n"
SEES = """
http:
  - path: ["{{BaseURL}}/see"]
    matchers: [{type: word, name: wiki, words: [wiki]}, {type: word, name: shop, words: [shop]}]
    extractors: [{type: regex, name: version, group: 1, regex: ["v(\\\\d+)"]}]
"""
SET: Mapping[str, tuple[str, str]] = {
    "tech/see.yaml": ("", SEES),
    "cves/wiki.yaml": (
        "wiki",
        "http:\n  - path: ['{{BaseURL}}/wiki']\n    matchers: [{type: status, status: [200]}]\n",
    ),
    "cves/shop.yaml": (
        "shop",
        "http:\n  - path: ['{{BaseURL}}/shop/{{version}}']\n    matchers: [{type: status, status: [200]}]\n",
    ),
    "other/tagged.yaml": (
        "shop",
        "http:\n  - path: ['{{BaseURL}}/tagged']\n    matchers: [{type: status, status: [200]}]\n",
    ),
}


def entries() -> list[Entry]:
    found = []
    for path, (tags, text) in SET.items():
        name = path.partition("/")[2].removesuffix(".yaml")
        head = f"id: {name}\ninfo:\n  name: Made up\n  author: us\n  tags: {tags or 'tech'}\n"
        found.append(Entry(path, made(head + text).template))
    return found


def workflow(text: str) -> Workflow:
    return read_workflow((HEAD + text).encode(), entries())


async def walk(stage: Stage, text: str) -> list[str]:
    net = network()
    runner = Runner(Asker(net, SystemClock()), Options(), ambient())
    try:
        attempts = await runner.flow(
            workflow(text),
            parse_subject(stage.origin),
            lambda entry: prepare(entry.template, ambient(), entry.path),
        )
    finally:
        await net.close()
    return [f"{each.job.prepared.template.id}: {', '.join(map(shown, each.found))}" for each in attempts]


async def test_subtemplates_run_where_the_first_matched(stage: Stage) -> None:
    text = "  - template: tech/see.yaml\n    subtemplates:\n      - template: cves/wiki.yaml\n      - tags: shop\n"
    stage.play([Reply(to="GET /see", body="wiki v3")])
    assert await walk(stage, text) == ["see: wiki=3", "wiki: ", "shop: ", "tagged: "]
    stage.play([Reply(to="GET /see", body="none")])
    assert await walk(stage, text) == ["see: "]


async def test_a_matchers_name_chooses(stage: Stage) -> None:
    text = """  - template: tech/see.yaml
    matchers:
      - name: wiki
        subtemplates: [{template: cves/wiki.yaml}]
      - name: shop
        subtemplates: [{template: cves/shop.yaml}]
"""
    stage.play([Reply(to="GET /see", body="the shop"), Reply(to="GET /wiki")])
    assert await walk(stage, text) == ["see: shop", "shop: "]
    stage.play([Reply(to="GET /see", body="wiki"), Reply(to="GET /wiki")])
    assert await walk(stage, text) == ["see: wiki", "wiki: -"]
    stage.play([Reply(to="GET /see", body="wiki shop"), Reply(to="GET /wiki")])
    assert await walk(stage, text) == ["see: wiki, shop", "wiki: -", "shop: "]


async def test_several_names_need_all_unless_or(stage: Stage) -> None:
    text = """  - template: tech/see.yaml
    matchers:
      - name: [wiki, shop]
        condition: CONDITION
        subtemplates: [{template: cves/wiki.yaml}]
"""
    stage.play([Reply(to="GET /see", body="wiki")])
    assert len(await walk(stage, text.replace("        condition: CONDITION\n", ""))) == 1
    assert len(await walk(stage, text.replace("CONDITION", "and"))) == 1
    assert len(await walk(stage, text.replace("CONDITION", "or"))) == 2


async def test_values_and_cookies_go_on(stage: Stage) -> None:
    """What only a named extractor told is a variable of what follows; the jar is one."""
    text = "  - template: tech/see.yaml\n    subtemplates:\n      - template: cves/shop.yaml\n"
    only = SEES.replace(
        "    matchers: [{type: word, name: wiki, words: [wiki]}, {type: word, name: shop, words: [shop]}]\n", ""
    )
    stage.play(
        [Reply(to="GET /see", body="v7", headers=["Set-Cookie: s=1"]), Reply(to="GET /shop/7", has="Cookie: s=1")]
    )
    found = entries()
    head = "id: see\ninfo:\n  name: Made up\n  author: us\n"
    found[0] = Entry("tech/see.yaml", made(head + only).template)
    net = network()
    runner = Runner(Asker(net, SystemClock()), Options(), ambient())
    flow = read_workflow((HEAD + text).encode(), found)
    try:
        attempts = await runner.flow(
            flow, parse_subject(stage.origin), lambda entry: prepare(entry.template, ambient(), entry.path)
        )
    finally:
        await net.close()
    assert [[shown(item) for item in each.found] for each in attempts] == [["version=7"], ["-"]]

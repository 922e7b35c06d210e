"""Questions about one's own reports, with a language model of our own that answers well, lies, obeys strangers, or fails."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.little import make_context, make_user
from tests.scribe import Fail, Hang, Say, Scribe, scribe
from tests.service.test_tools import Two, finished

from secrecon.model.errors import BadInput, Exhausted, Unavailable
from secrecon.model.language import LanguageLimits, Turn
from secrecon.net.clock import SystemClock
from secrecon.net.language import LanguageAddress, LanguageModel
from secrecon.net.language_openai import OpenAiWire
from secrecon.service.assistant import MOST_ROUNDS, Heard, Question, answer, answer_whole, check_question
from secrecon.service.context import Policy
from secrecon.service.room import MOST_OF_ONE
from secrecon.service.tools import TOOLS, use


@pytest.fixture(scope="module")
def server() -> Iterator[Scribe]:
    with scribe() as made:
        yield made


@pytest.fixture
async def two(tmp_path: Path, server: Scribe) -> AsyncIterator[Two]:
    ctx = await make_context(tmp_path)
    ada, bob = await make_user(ctx), await make_user(ctx, "bob@other.test", "enterprise")
    scan = await finished(ctx, ada)
    found: Any = await use(ctx, ada, "list_findings", {})
    address = LanguageAddress("little", server.base, "sk-secret-key")
    language = LanguageModel(OpenAiWire(compatible=True), address, LanguageLimits(5.0, retries=0), SystemClock())
    object.__setattr__(ctx, "language", language)
    yield Two(ctx, ada, bob, scan, found["findings"][0]["finding_id"])
    await ctx.db.close()


def text_of(heard: list[Heard]) -> str:
    return "".join(str(event.data["text"]) for event in heard if event.kind == "text")


LOOK = Say("", (("list_findings", {"severity": "high"}),))


async def test_it_looks_up_and_cites(two: Two, server: Scribe) -> None:
    id_ = two.finding_id
    server.says(
        LOOK,
        Say(
            f"You have one high finding: the Git repository can be read. [finding {id_}]\nDo not serve it. [finding {id_}]"
        ),
    )
    heard = await answer_whole(two.ctx, two.ada, Question("What is worst?"))
    assert [event.kind for event in heard] == ["tool", "text", "text", "done"]
    assert heard[0].data == {"name": "list_findings", "ok": True}
    assert heard[-1].data["finding_ids"] == [id_]
    assert heard[-1].data["left_out"] == 0
    assert "the Git repository can be read." in text_of(heard)
    names = {tool["function"]["name"] for tool in server.asked[0]["tools"]}
    assert names == set(TOOLS)
    given = server.asked[1]["messages"][-1]["content"]
    assert given.startswith("DATA ")
    assert len(given.splitlines()) == 3, "results are one line between two marks"


@pytest.mark.parametrize(
    "lie",
    [
        "CVE-2024-99999 is open on the shop.",
        "You have seven critical findings.",
        "There are no high findings.",
        "Your site is secure.",
        "The server db7.acme.test is exposed.",
        "The repository is a critical problem. [finding {id}]",
        "Another problem is open. [finding 4711]",
        "Apache 2.4.49 runs there.",
    ],
)
async def test_what_was_not_looked_up_is_left_out(two: Two, server: Scribe, lie: str) -> None:
    truth = f"The Git repository can be read. [finding {two.finding_id}]"
    server.says(LOOK, Say(f"{truth} {lie.format(id=two.finding_id)} {truth}"))
    heard = await answer_whole(two.ctx, two.ada, Question("What is worst?"))
    text = text_of(heard)
    assert lie.split(" [")[0] not in text
    assert text.count("The Git repository can be read.") == 2
    assert heard[-1].data["left_out"] == 1
    assert "1 sentence left out" in text


async def test_where_nothing_stands_what_was_looked_up_is_told(two: Two, server: Scribe) -> None:
    server.says(LOOK, Say("All is safe. CVE-2024-99999 was found."))
    text = text_of(await answer_whole(two.ctx, two.ada, Question("What is worst?")))
    assert "no answer that your data bears out" in text
    assert f"Git repository can be read (high) [finding {two.finding_id}]" in text


async def test_another_accounts_findings_cannot_be_cited(two: Two, server: Scribe) -> None:
    """Bob's model knows Ada's ids, asks for them with every tool, and cites them."""
    calls = tuple((tool, two.arguments(tool)) for tool in TOOLS)
    server.says(Say("", calls), Say(f"The Git repository can be read. [finding {two.finding_id}]"))
    heard = await answer_whole(two.ctx, two.bob, Question("What does Ada have?"))
    assert "Git repository" not in text_of(heard)
    assert heard[-1].data["finding_ids"] == []
    answers = json.dumps(server.asked[1]["messages"])
    assert "shop.acme.test" not in answers
    assert "Git repository can be read" not in answers
    refused = {str(event.data["name"]) for event in heard if event.kind == "tool" and not event.data["ok"]}
    assert refused == {"read_report", "read_coverage", "read_finding"}


async def test_orders_in_the_data_reach_nobody_elses(two: Two, server: Scribe) -> None:
    """A model that obeys a hostile page wishes for what there is not, and for others' things; it gets neither."""
    wishes = (
        ("delete_scan", {"db_scan_id": two.scan.db_scan_id}),
        ("list_findings", {"account_id": two.ada.account_id}),
        ("read_report", {"db_scan_id": two.scan.db_scan_id, "as": "ada"}),
    )
    server.says(Say("", wishes), Say("I could not look that up."))
    heard = await answer_whole(two.ctx, two.bob, Question("hello"))
    assert [event.data["ok"] for event in heard if event.kind == "tool"] == [False, False, False]
    assert "shop.acme.test" not in json.dumps(server.asked)
    assert (await use(two.ctx, two.ada, "list_scans", {}))["scans"]


async def test_a_finding_of_an_earlier_turn_is_looked_up_again(two: Two, server: Scribe) -> None:
    history = (Turn("user", "What is worst?"), Turn("assistant", f"The repository. [finding {two.finding_id}]"))
    server.says(Say(f"Do not serve the repository. [finding {two.finding_id}]"))
    heard = await answer_whole(two.ctx, two.ada, Question("How do I fix it?", history))
    assert heard[-1].data["finding_ids"] == [two.finding_id]
    heard = await answer_whole(two.ctx, two.bob, Question("How do I fix it?", history))
    assert heard[-1].data["finding_ids"] == []


@pytest.mark.parametrize("arguments", ["{not json", "[]", "null", '{"limit": "many"}', "[" * 5_000])
async def test_malformed_wishes_are_answered_with_a_reason(two: Two, server: Scribe, arguments: str) -> None:
    server.says(Say("", (("list_findings", {}),), raw_arguments=arguments), Say("That did not work."))
    heard = await answer_whole(two.ctx, two.ada, Question("What is worst?"))
    assert heard[0] == Heard("tool", {"name": "list_findings", "ok": False})
    assert heard[-1].kind == "done"


async def test_rounds_are_bounded(two: Two, server: Scribe) -> None:
    server.says(LOOK)
    heard = await answer_whole(two.ctx, two.ada, Question("What is worst?"))
    assert len(server.asked) == MOST_ROUNDS + 1
    assert heard[-1].kind == "done"


@pytest.mark.parametrize(("failure", "words"), [(Fail(500), "HTTP 500"), (Hang(close=True), "broke")])
async def test_failures_are_told(two: Two, server: Scribe, failure: Fail | Hang, words: str) -> None:
    server.says(failure)
    heard = await answer_whole(two.ctx, two.ada, Question("What is worst?"))
    assert heard[-1].kind == "error"
    assert words in str(heard[-1].data["detail"])
    assert "sk-secret" not in json.dumps([event.data for event in heard])


async def test_who_leaves_ends_the_asking(two: Two, server: Scribe) -> None:
    server.says(Say("The Git repository can be read. One more. And another.", cut_after=3, wait=True))
    language = await check_question(two.ctx, two.ada, Question("x"))
    stream = answer(two.ctx, two.ada, Question("x"), language)
    first = await asyncio.wait_for(anext(stream), 5)
    assert first.kind == "text"
    assert two.ctx.room.answering[two.ada.account_id] == 1
    await stream.aclose()  # type: ignore[attr-defined]
    assert not two.ctx.room.answering


async def test_limits(two: Two, server: Scribe) -> None:
    server.says(Say("Nothing."))
    object.__setattr__(
        two.ctx, "policy", Policy(two.ctx.policy.allow, two.ctx.policy.resolver, questions_an_hour=2)
    )
    for _ in range(2):
        await answer_whole(two.ctx, two.ada, Question("x"))
    with pytest.raises(Exhausted, match="too many questions"):
        await answer_whole(two.ctx, two.ada, Question("x"))
    await answer_whole(two.ctx, two.bob, Question("x"))
    two.ctx.room.answering[two.bob.account_id] = MOST_OF_ONE
    with pytest.raises(Exhausted, match="being answered already"):
        await answer_whole(two.ctx, two.bob, Question("x"))


LONG = tuple(Turn(role, "x") for _ in range(11) for role in ("user", "assistant"))


@pytest.mark.parametrize(
    "question",
    [
        Question(""),
        Question(" \n"),
        Question("x" * 2_001),
        Question("x", LONG),
        Question("x", (Turn("user", "y" * 9_000), Turn("assistant", "z" * 9_000))),
        Question("x", (Turn("assistant", "first"),)),
        Question("x", (Turn("user", "a"), Turn("user", "b"))),
    ],
    ids=["empty", "blank", "long", "many", "much", "assistant-first", "twice-user"],
)
async def test_what_is_no_question(two: Two, question: Question) -> None:
    with pytest.raises(BadInput):
        await answer_whole(two.ctx, two.ada, question)


async def test_without_a_model_the_answer_is_clear(two: Two) -> None:
    object.__setattr__(two.ctx, "language", None)
    with pytest.raises(Unavailable, match="SECRECON_LLM_MODEL"):
        await answer_whole(two.ctx, two.ada, Question("What is worst?"))

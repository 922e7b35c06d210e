"""The client of language models against a server of our own: both wires, and every way in which a server fails."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

import pytest
from tests.scribe import Answer, Fail, Hang, Raw, Say, Scribe, scribe

from secrecon.model.errors import LanguageFailed
from secrecon.model.language import LanguageLimits, Reply, Step, Tool, ToolAnswer, Turn
from secrecon.net.clock import SystemClock
from secrecon.net.language import LanguageAddress, LanguageModel, Wire
from secrecon.net.language_anthropic import AnthropicWire
from secrecon.net.language_openai import OpenAiWire

KEY = "sk-never-shown-5150"
TEXT = "The shop fetches any address that it is given.\nNothing else was seen.\n"
TOOL = Tool("list_findings", "Findings of the account.", {"type": "object", "properties": {}, "required": []})


class NoWait(SystemClock):
    """Does not wait between tries."""

    async def sleep(self, seconds: float) -> None:
        self.slept = seconds


@pytest.fixture(scope="module")
def server() -> Iterator[Scribe]:
    with scribe() as made:
        yield made


def model(server: Scribe, provider: str = "compatible", **limits: float) -> LanguageModel:
    base = server.anthropic if provider == "anthropic" else server.base
    address = LanguageAddress("little", base, KEY)
    wire: Wire = AnthropicWire() if provider == "anthropic" else OpenAiWire(compatible=provider == "compatible")
    return LanguageModel(wire, address, LanguageLimits(**{"seconds": 20.0, "retries": 0, **limits}), NoWait())  # type: ignore[arg-type]


async def ask(asked: LanguageModel, **more: object) -> tuple[Reply, str]:
    told: list[str] = []

    async def tell(text: str) -> None:
        told.append(text)

    reply = await asked.ask("Be brief.", [Turn("user", "What is wrong?")], tell, **more)  # type: ignore[arg-type]
    return reply, "".join(told)


@pytest.mark.parametrize("provider", ["compatible", "openai", "anthropic"])
async def test_text_comes_in_pieces_and_whole(server: Scribe, provider: str) -> None:
    server.says(Say(TEXT))
    reply, told = await ask(model(server, provider))
    assert reply.text == told == TEXT
    assert (reply.tokens_in, reply.tokens_out, reply.cut, reply.calls) == (700, 90, False, ())
    assert "Be brief." in str(server.asked[0])
    assert server.asked[0]["stream"] is True
    assert KEY in str(server.heads[0])
    assert "tools" not in server.asked[0] or server.asked[0]["tools"] == []


@pytest.mark.parametrize("provider", ["compatible", "anthropic"])
async def test_tools_are_wished_for_and_answered(server: Scribe, provider: str) -> None:
    server.says(Say("Let me look.", (("list_findings", {"limit": 3}),)))
    reply, _ = await ask(model(server, provider), tools=(TOOL,))
    assert [(call.name, call.arguments.replace(" ", "")) for call in reply.calls] == [
        ("list_findings", '{"limit":3}')
    ]
    server.says(Say("There are two."))
    step = Step("Let me look.", (ToolAnswer(reply.calls[0], '{"items": []}'),))
    reply, _ = await ask(model(server, provider), tools=(TOOL,), steps=(step,))
    assert reply.text == "There are two."
    assert '{"items": []}' in str(server.asked[0]).replace('\\"', '"')


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Fail(401), "refused our key"),
        (Fail(404), "knows neither this model"),
        (Fail(429), "a limit is used up"),
        (Fail(500), "answered HTTP 500"),
        (Fail(302, "", (("Location", "http://127.0.0.1:1/elsewhere"),)), "could not be read"),
        (Hang(close=True), "broke before the answer was whole"),
        (Say(TEXT, cut_after=3), "broke|could not be read"),
        (Raw(b"data: {not json\n\n"), "could not be read"),
        (Raw(b"\xff\xfe\x00garbage"), "could not be read"),
        (Raw(b'data: {"choices": 7}\n\n'), "could not be read"),
    ],
    ids=["401", "404", "429", "500", "redirect", "closed", "cut", "no-json", "no-text", "no-shape"],
)
@pytest.mark.parametrize("provider", ["compatible", "anthropic"])
async def test_failures_are_told_in_our_words(server: Scribe, provider: str, answer: Answer, words: str) -> None:
    server.says(answer)
    with pytest.raises(LanguageFailed, match=words) as caught:
        await ask(model(server, provider))
    assert "sk-" not in str(caught.value)
    assert len(server.asked) == 1


async def test_what_may_pass_is_tried_again(server: Scribe) -> None:
    server.says(Fail(503), Say(TEXT))
    reply, told = await ask(model(server, retries=1))
    assert reply.text == told == TEXT
    assert len(server.asked) == 2
    server.says(Fail(401), Say(TEXT))
    with pytest.raises(LanguageFailed):
        await ask(model(server, retries=3))
    assert len(server.asked) == 1


@pytest.mark.parametrize("answer", [Hang(), Say(TEXT, cut_after=2, wait=True)], ids=["silence", "stalls"])
async def test_time_is_bounded(server: Scribe, answer: Answer) -> None:
    server.says(answer)
    begun = time.monotonic()
    with pytest.raises(LanguageFailed, match="no whole answer within"):
        await ask(model(server, seconds=0.4))
    assert time.monotonic() - begun < 10


async def test_length_is_bounded(server: Scribe) -> None:
    server.says(Say("word " * 5_000))
    reply, told = await ask(model(server, tokens_out=50))
    assert reply.cut
    assert len(told) <= 50 * 6
    server.says(Raw(b": " + b"x" * 1_000_000, times=9))
    with pytest.raises(LanguageFailed, match="more than 4,000,000 bytes"):
        await ask(model(server))


async def test_nobody_there() -> None:
    address = LanguageAddress("little", "http://127.0.0.1:9/v1", KEY)
    with pytest.raises(LanguageFailed, match="SECRECON_LLM_BASE_URL"):
        await ask(LanguageModel(OpenAiWire(compatible=True), address, LanguageLimits(5.0, retries=0), NoWait()))


async def test_the_environment_changes_nothing(server: Scribe, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "OPENAI_BASE_URL", "ANTHROPIC_BASE_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.setenv(name, "another-key")
    server.says(Say(TEXT))
    for provider in ("compatible", "anthropic"):
        await ask(model(server, provider))
    assert "another-key" not in str(server.heads)


async def test_the_key_is_shown_nowhere(server: Scribe, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server.says(Fail(401, '{"error": {"message": "bad key ' + KEY + '"}}'))
    asked = model(server)
    with pytest.raises(LanguageFailed) as caught:
        await ask(asked)
    assert KEY not in caplog.text
    assert KEY not in str(caught.value) + repr(asked) + repr(asked._address)

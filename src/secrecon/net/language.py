"""The way to a language model: one question at a time through pydantic-ai, to the one address that the operator set.

OpenAI-compatible servers (cloud or local) and Anthropic's API. The client follows no redirect, takes no proxy from the
environment, contacts no origin but the base URL's, reads a bounded number of bytes and ends in bounded time. What an error
answer says is not passed on: servers repeat parts of keys there. Importing this module and a wire takes seconds of CPU
time (the libraries are large), so the composition root does it only where a model is configured. This is no scan traffic:
the scope gate is for targets, and an address that the operator set may be loopback.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import httpx2
from pydantic_ai.direct import model_request_stream
from pydantic_ai.exceptions import AgentRunError, ModelHTTPError
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    PartDeltaEvent,
    PartStartEvent,
    SystemPromptPart,
    TextPart,
    TextPartDelta,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition

from secrecon.model.errors import LanguageFailed
from secrecon.model.language import LanguageLimits, OnText, Reply, Step, Tool, ToolCall, Turn
from secrecon.net.clock import Clock

CONNECT_SECONDS = 10.0
MOST_BYTES = 4_000_000
MOST_CALLS = 8
LETTERS_OUT = 6
PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
WAIT = 1.0
_BROKEN = (httpx2.HTTPError, httpx2.StreamError, AgentRunError, ValueError, TypeError)
"""What a server that answers nonsense makes the libraries raise; ValueError and TypeError are their parsers'."""


@dataclass(frozen=True, slots=True)
class LanguageAddress:
    """Where a model is. `key` is shown by nothing: it is left out of the repr."""

    model: str
    base_url: str
    key: str = field(repr=False)


class Wire(Protocol):
    """One provider's way of speaking: `language_openai` and `language_anthropic` have them."""

    @property
    def broken(self) -> type[Exception]:
        """What its library raises by itself."""
        ...

    def model(self, address: LanguageAddress, client: httpx2.AsyncClient) -> Model:
        """The library's model object over `client`, without retries: those are ours, and count against the seconds."""
        ...


class _TooLong(httpx2.StreamError):
    """The answer has more bytes than are read."""


class _Bounded(httpx2.AsyncByteStream):
    """A reply's body that ends in an error after `MOST_BYTES`."""

    def __init__(self, inner: httpx2.AsyncByteStream) -> None:
        self._inner = inner

    async def __aiter__(self) -> AsyncIterator[bytes]:
        seen = 0
        async for part in self._inner:
            seen += len(part)
            if seen > MOST_BYTES:
                raise _TooLong("the answer is too long")
            yield part

    async def aclose(self) -> None:
        await self._inner.aclose()


class _OneDoor(httpx2.AsyncBaseTransport):
    """Lets requests through to one origin alone."""

    def __init__(self, base_url: str) -> None:
        self._inner = httpx2.AsyncHTTPTransport(trust_env=False)
        self._origin = _origin(httpx2.URL(base_url))

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if _origin(request.url) != self._origin:
            raise httpx2.UnsupportedProtocol("only the configured base URL is contacted")
        reply = await self._inner.handle_async_request(request)
        assert isinstance(reply.stream, httpx2.AsyncByteStream), "an async transport answers with an async stream"
        return httpx2.Response(
            reply.status_code, headers=reply.headers, stream=_Bounded(reply.stream), extensions=reply.extensions
        )

    async def aclose(self) -> None:
        await self._inner.aclose()


def _origin(url: httpx2.URL) -> tuple[str, str, int]:
    return url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80)


class LanguageModel:
    """`Language` over a real server. Opens a connection for each question and keeps none."""

    def __init__(self, wire: Wire, address: LanguageAddress, limits: LanguageLimits, clock: Clock) -> None:
        self._wire = wire
        self._address = address
        self._limits = limits
        self._clock = clock

    @property
    def name(self) -> str:
        return self._address.model

    @property
    def limits(self) -> LanguageLimits:
        return self._limits

    async def ask(
        self,
        system: str,
        turns: Sequence[Turn],
        on_text: OnText,
        steps: Sequence[Step] = (),
        tools: Sequence[Tool] = (),
    ) -> Reply:
        """As `Language` says. Tried again only while nothing of the answer was told."""
        messages = _messages(system, turns, steps)
        told = 0

        async def tell(text: str) -> None:
            nonlocal told
            told += len(text)
            await on_text(text)

        try:
            async with asyncio.timeout(self._limits.seconds):
                for left in range(self._limits.retries, -1, -1):
                    try:
                        return await self._once(messages, tools, tell)
                    except (*_BROKEN, self._wire.broken) as error:
                        if told or not left or not _may_pass(error):
                            raise LanguageFailed(_words(error)) from error
                    await self._clock.sleep(WAIT)
        except TimeoutError as error:
            raise LanguageFailed(f"no whole answer within {self._limits.seconds:.0f} s") from error
        raise AssertionError("the loop returns or raises")

    async def _once(self, messages: list[ModelMessage], tools: Sequence[Tool], tell: OnText) -> Reply:
        most = self._limits.tokens_out * LETTERS_OUT
        said, cut = 0, False
        parameters = ModelRequestParameters(
            function_tools=[
                ToolDefinition(name=t.name, parameters_json_schema=dict(t.schema), description=t.description)
                for t in tools
            ]
        )
        settings = ModelSettings(max_tokens=self._limits.tokens_out)
        async with (
            httpx2.AsyncClient(
                transport=_OneDoor(self._address.base_url),
                timeout=httpx2.Timeout(self._limits.seconds, connect=min(CONNECT_SECONDS, self._limits.seconds)),
                follow_redirects=False,
                trust_env=False,
            ) as client,
            model_request_stream(
                self._wire.model(self._address, client),
                messages,
                model_settings=settings,
                model_request_parameters=parameters,
                instrument=False,
            ) as stream,
        ):
            async for event in stream:
                piece = _piece(event)
                if not piece:
                    continue
                said += len(piece)
                if said > most:
                    cut = True
                    break
                await tell(piece)
            response = stream.get()
        if response.finish_reason is None and not cut:
            raise httpx2.RemoteProtocolError("the stream ended without saying that it does")
        return _reply(response, cut)


def _messages(system: str, turns: Sequence[Turn], steps: Sequence[Step]) -> list[ModelMessage]:
    messages: list[ModelMessage] = []
    for turn in turns:
        if turn.role == "user":
            lead = [] if messages else [SystemPromptPart(system)]
            messages.append(ModelRequest(parts=[*lead, UserPromptPart(turn.text)]))
        else:
            messages.append(ModelResponse(parts=[TextPart(turn.text)]))
    for step in steps:
        said = [TextPart(step.text)] if step.text else []
        calls = [ToolCallPart(a.call.name, a.call.arguments, a.call.id) for a in step.answers]
        messages.append(ModelResponse(parts=[*said, *calls]))
        given = [ToolReturnPart(a.call.name, a.text, a.call.id) for a in step.answers]
        messages.append(ModelRequest(parts=given))
    return messages


def _piece(event: object) -> str:
    if isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
        return event.part.content
    if isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
        return event.delta.content_delta
    return ""


def _reply(response: ModelResponse, cut: bool) -> Reply:
    text = "".join(part.content for part in response.parts if isinstance(part, TextPart))
    calls = [part for part in response.parts if isinstance(part, ToolCallPart)][:MOST_CALLS]
    return Reply(
        text=text,
        calls=tuple(ToolCall(part.tool_call_id, part.tool_name, _arguments(part.args)) for part in calls),
        tokens_in=max(response.usage.input_tokens, 0),
        tokens_out=max(response.usage.output_tokens, 0),
        cut=cut or response.finish_reason not in ("stop", "tool_call"),
    )


def _arguments(given: str | Mapping[str, object] | None) -> str:
    if given is None:
        return "{}"
    return given if isinstance(given, str) else json.dumps(given)


def _may_pass(error: BaseException) -> bool:
    """Whether the same question may be answered a moment later."""
    if isinstance(error, ModelHTTPError):
        return error.status_code in PASSING
    return not isinstance(error, _TooLong | httpx2.UnsupportedProtocol)


def _words(error: BaseException) -> str:
    """What went wrong, without a word of the server's own."""
    if isinstance(error, ModelHTTPError):
        status = error.status_code
        if status in (401, 403):
            return f"its server refused our key (HTTP {status}): see SECRECON_LLM_API_KEY"
        if status == 404:
            return "its server knows neither this model nor this path (HTTP 404): see SECRECON_LLM_MODEL"
        if status == 429:
            return "its server said that a limit is used up (HTTP 429)"
        return f"its server answered HTTP {status}"
    if isinstance(error, _TooLong):
        return f"its answer had more than {MOST_BYTES:,} bytes"
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, httpx2.ConnectError | httpx2.ConnectTimeout):
            return "its server could not be reached: see SECRECON_LLM_BASE_URL"
        if isinstance(seen, httpx2.TransportError):
            return "the connection to its server broke before the answer was whole"
        if isinstance(seen, _TooLong):
            return f"its answer had more than {MOST_BYTES:,} bytes"
        seen = seen.__cause__
    return "its answer could not be read"

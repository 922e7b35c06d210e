"""A language model of our own on loopback: it speaks the wire of OpenAI's chat completions and of Anthropic's messages.

What it answers is a script that a test sets: text and tool calls streamed in small pieces, or one of the ways in which a
server fails. It remembers every request, headers included.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Say:
    """An answer. `calls`: (name, arguments) of tools. `cut_after`: pieces after which the connection ends."""

    text: str = ""
    calls: tuple[tuple[str, dict[str, Any]], ...] = ()
    cut_after: int | None = None
    wait: bool = False
    raw_arguments: str | None = None


@dataclass(frozen=True)
class Fail:
    """An HTTP status, a body and headers."""

    status: int
    body: str = '{"error": {"message": "the key sk-secret-1234 is wrong"}}'
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Raw:
    """Bytes of an event stream as they are. `times`: how often, for a flood."""

    body: bytes
    times: int = 1


@dataclass(frozen=True)
class Hang:
    """Nothing comes; or the connection is closed at once."""

    close: bool = False


Answer = Say | Fail | Raw | Hang
Script = Callable[[dict[str, Any]], Answer]


@dataclass
class Scribe:
    """The running server. `asked`: bodies; `heads`: headers; both in order of arrival."""

    port: int
    script: Script = lambda body: Say("Nothing to say.")
    asked: list[dict[str, Any]] = field(default_factory=list)
    heads: list[dict[str, str]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def anthropic(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def says(self, *answers: Answer) -> None:
        """Answer these in order; the last one again and again."""
        left = list(answers)
        self.script = lambda body: left.pop(0) if len(left) > 1 else left[0]
        self.asked.clear()
        self.heads.clear()


@contextlib.contextmanager
def scribe() -> Iterator[Scribe]:
    """A model server for the block."""

    class Handler(_Handler):
        pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    made = Scribe(server.server_address[1])
    Handler.scribe = made
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield made
    finally:
        made.over.set()
        server.shutdown()
        server.server_close()
        thread.join(10)


class _Handler(BaseHTTPRequestHandler):
    scribe: Scribe
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        """Says nothing."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.scribe.asked.append(body)
        self.scribe.heads.append(dict(self.headers.items()))
        answer = self.scribe.script(body)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._answer(answer, self.path.endswith("/messages"))
        self.close_connection = True

    def _answer(self, answer: Answer, anthropic: bool) -> None:
        if isinstance(answer, Hang):
            if not answer.close:
                self.scribe.over.wait(20)
            return
        if isinstance(answer, Fail):
            data = answer.body.encode()
            self.send_response(answer.status)
            for name, value in answer.headers:
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        if isinstance(answer, Raw):
            for _ in range(answer.times):
                self.wfile.write(answer.body)
            return
        events = _messages(answer) if anthropic else _completions(answer)
        for number, event in enumerate(events):
            if number == answer.cut_after:
                if answer.wait:
                    self.scribe.over.wait(20)
                return
            self.wfile.write(event)
            self.wfile.flush()


def _pieces(text: str) -> list[str]:
    return [text[at : at + 23] for at in range(0, len(text), 23)]


def _completions(answer: Say) -> Iterator[bytes]:
    def event(delta: dict[str, Any], finish: str | None = None, usage: dict[str, int] | None = None) -> bytes:
        chunk = {
            "id": "c1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "little",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
            "usage": usage,
        }
        return f"data: {json.dumps(chunk)}\n\n".encode()

    yield event({"role": "assistant", "content": ""})
    for piece in _pieces(answer.text):
        yield event({"content": piece})
    for number, (name, arguments) in enumerate(answer.calls):
        given = json.dumps(arguments) if answer.raw_arguments is None else answer.raw_arguments
        called = {"index": number, "id": f"call{number}", "type": "function"}
        yield event({"tool_calls": [{**called, "function": {"name": name, "arguments": given}}]})
    usage = {"prompt_tokens": 700, "completion_tokens": 90, "total_tokens": 790}
    yield event({}, "tool_calls" if answer.calls else "stop", usage)
    yield b"data: [DONE]\n\n"


def _messages(answer: Say) -> Iterator[bytes]:
    def event(kind: str, **more: Any) -> bytes:
        return f"event: {kind}\ndata: {json.dumps({'type': kind, **more})}\n\n".encode()

    usage = {"input_tokens": 700, "output_tokens": 1}
    message = {"id": "m1", "type": "message", "role": "assistant", "model": "little", "content": [], "usage": usage}
    yield event("message_start", message={**message, "stop_reason": None, "stop_sequence": None})
    index = 0
    if answer.text:
        yield event("content_block_start", index=index, content_block={"type": "text", "text": ""})
        for piece in _pieces(answer.text):
            yield event("content_block_delta", index=index, delta={"type": "text_delta", "text": piece})
        yield event("content_block_stop", index=index)
        index += 1
    for number, (name, arguments) in enumerate(answer.calls):
        block = {"type": "tool_use", "id": f"call{number}", "name": name, "input": {}}
        yield event("content_block_start", index=index, content_block=block)
        given = json.dumps(arguments) if answer.raw_arguments is None else answer.raw_arguments
        delta = {"type": "input_json_delta", "partial_json": given}
        yield event("content_block_delta", index=index, delta=delta)
        yield event("content_block_stop", index=index)
        index += 1
    stop = {"stop_reason": "tool_use" if answer.calls else "end_turn", "stop_sequence": None}
    yield event("message_delta", delta=stop, usage={"output_tokens": 90})
    yield event("message_stop")

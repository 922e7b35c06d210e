"""The control side of the Interactsh protocol, without I/O: a request in, a reply out, and interactions as sealed JSON.

The words of the messages are the protocol's own, because clients compare them. Whatever the verb, /register, /deregister,
/poll and /metrics are these calls; OPTIONS is answered before the token is asked for. The token and secrets are compared
in constant time. Randomness and time are passed in.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qs

from secrecon.model.oast import Heard
from secrecon.oast import dnstext
from secrecon.oast.baskets import Basket
from secrecon.oast.sealing import IV_LENGTH, same, seal, secret_digest
from secrecon.oast.sessions import Batch, Refused, Sessions

MAX_TEXT = 65_536
SLICE = 50
QUERY_TYPES = frozenset(("A", "NS", "CNAME", "SOA", "PTR", "MX", "TXT", "AAAA"))
CALLS = ("/register", "/deregister", "/poll", "/metrics")
_REASONS = {200: "OK", 204: "No Content", 400: "Bad Request", 401: "Unauthorized", 429: "Too Many Requests"}


@dataclass(frozen=True, slots=True)
class Call:
    """A control request that was understood. `name`: its path. `ack`: of a poll, "" where its client asks for none."""

    name: str
    correlation: str = ""
    secret: str = ""
    public_key: str = ""
    ack: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. `body` is whole."""

    status: int
    body: bytes = b""
    kind: str = "application/json; charset=utf-8"


class Control:
    """`token` "": none is asked for. `metrics`: what /metrics tells, None: there is no such path."""

    def __init__(
        self,
        sessions: Sessions,
        source: random.Random,
        *,
        token: str = "",
        origin: str = "*",
        metrics: Callable[[], Mapping[str, object]] | None = None,
        extra: Basket | None = None,
        everything: Basket | None = None,
    ) -> None:
        self.sessions = sessions
        self._source = source
        self._token = secret_digest(token) if token else b""
        self._origin = origin
        self._metrics = metrics
        self._extra = extra
        self._everything = everything

    def takes(self, target: str) -> bool:
        """Whether a request target is one of ours."""
        path = target.partition("?")[0]
        return path in CALLS and (path != "/metrics" or self._metrics is not None)

    def read(self, method: str, target: str, authorization: str, body: bytes) -> Call | Reply:
        """A request for one of our paths: what it asks for, or the answer that it has earned already."""
        if method == "OPTIONS":
            return Reply(204)
        if self._token and not same(secret_digest(authorization), self._token):
            return Reply(401)
        path, _, query = target.partition("?")
        if path == "/metrics":
            return Call(path)
        if path == "/poll":
            return _read_poll(path, query)
        return _read_json(path, body)

    def answer(self, call: Call, now: float) -> Reply | Batch:
        """Do what is asked. A batch becomes a reply by `poll_parts`."""
        try:
            if call.name == "/register":
                self.sessions.register(call.public_key, call.secret, call.correlation, now)
                return _message("registration successful")
            if call.name == "/deregister":
                self.sessions.deregister(call.correlation, call.secret)
                for basket in filter(None, (self._extra, self._everything)):
                    basket.forget(call.correlation)
                return _message("deregistration successful")
            if call.name == "/poll":
                return self.sessions.poll(call.correlation, call.secret, now, call.ack)
        except Refused as error:
            return _error(f"{_REFUSED[call.name]}: {error}")
        return Reply(200, _json(dict(self._metrics() if self._metrics else {})))

    def poll_parts(self, batch: Batch) -> Iterator[bytes]:
        """A poll's body in parts, each of them quick to make, so that the caller can breathe in between."""
        shared = self._extra.read(batch.correlation) if self._extra is not None else ()
        tail = f'"extra":{json.dumps(shared) if shared else "null"},"aes_key":{json.dumps(batch.wrapped)}'
        if self._everything is not None and (seen := self._everything.read(batch.correlation)):
            tail += f',"tlddata":{json.dumps(seen)}'
        if batch.name:
            tail += f',"batch":"{batch.name}"'
        if not batch.items:
            yield f'{{"data":null,{tail}}}\n'.encode("ascii")
            return
        yield b'{"data":['
        for start in range(0, len(batch.items), SLICE):
            sealed = (
                f'"{seal(batch.key, self._source.randbytes(IV_LENGTH), interaction_json(heard, bool(batch.name)))}"'
                for heard in batch.items[start : start + SLICE]
            )
            yield ("," if start else "").encode("ascii") + ",".join(sealed).encode("ascii")
        yield f"],{tail}}}\n".encode("ascii")

    def wire(self, reply: Reply, *, length: int | None = None, close: bool = True, server: str = "") -> bytes:
        """A reply's bytes; with `length` the head alone, for a body of that many bytes that follows."""
        lines = [
            f"HTTP/1.1 {reply.status} {_REASONS[reply.status]}",
            f"Access-Control-Allow-Origin: {self._origin}",
            "Access-Control-Allow-Credentials: true",
            "Access-Control-Allow-Headers: Content-Type, Authorization",
            f"Connection: {'close' if close else 'keep-alive'}",
        ]
        if server:
            lines.append(f"Server: {server}")
        if reply.status != 204:
            lines.append(f"Content-Length: {len(reply.body) if length is None else length}")
        if reply.body or length:
            lines += [f"Content-Type: {reply.kind}", "X-Content-Type-Options: nosniff"]
        return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + reply.body


def interaction_json(heard: Heard, with_id: bool = False) -> bytes:
    """An interaction as its client reads it. `with_id`: for clients that may be given it twice."""
    request, response = heard.request, heard.response
    if heard.protocol == "dns":
        request, response = dnstext.text(request), dnstext.text(response)
    shown = {
        "protocol": heard.protocol,
        "unique-id": heard.token,
        "full-id": heard.full_id,
        "q-type": heard.query_type if heard.query_type in QUERY_TYPES else "",
        "raw-request": request[:MAX_TEXT].decode("utf-8", "replace"),
        "raw-response": response[:MAX_TEXT].decode("utf-8", "replace"),
        "smtp-from": heard.sender,
        "remote-address": heard.remote_address,
        "timestamp": _timestamp(heard.at),
        "event-id": heard.id if with_id else "",
    }
    return _json({key: value for key, value in shown.items() if value or key in _ALWAYS})


_ALWAYS = frozenset(("protocol", "unique-id", "full-id", "remote-address", "timestamp"))
_REFUSED = {
    "/register": "could not set id and public key",
    "/deregister": "could not remove id",
    "/poll": "could not get interactions",
}


def _read_poll(path: str, query: str) -> Call | Reply:
    given = parse_qs(query[:4096], keep_blank_values=True, max_num_fields=None, errors="replace")
    id_, secret, ack = (given.get(name, [""])[0] for name in ("id", "secret", "ack"))
    if not id_:
        return _error("no id specified for poll")
    if not secret:
        return _error("no secret specified for poll")
    return Call(path, id_[:64], secret[:512], ack=ack[:64])


def _read_json(path: str, body: bytes) -> Call | Reply:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        return _error(f"could not decode json body: {str(error)[:120]}")
    if not isinstance(found, dict):
        return _error("could not decode json body: it is no object")
    texts = [found.get(name, "") for name in ("correlation-id", "secret-key", "public-key")]
    correlation, secret, public_key = (text if isinstance(text, str) else "" for text in texts)
    if not all(isinstance(text, str) for text in texts):
        return _error("could not decode json body: its values must be strings")
    return Call(path, correlation, secret, public_key)


def _timestamp(at: float) -> str:
    moment = datetime.fromtimestamp(at, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond:06d}000Z"


TOO_MANY = Reply(429, b'{"error":"too many requests, try again later"}\n')


def _message(words: str) -> Reply:
    return Reply(200, _json({"message": words}))


def _error(words: str) -> Reply:
    return Reply(400, _json({"error": words}))


def _json(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode("ascii") + b"\n"

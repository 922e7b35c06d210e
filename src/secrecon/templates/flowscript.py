"""Flows that are real JavaScript (`set("x", iterate(template.links)[0])`, loops, functions), for the few that need it.

A script cannot wait for an answer from the network, and this room must not block; so a script is run from its start
again and again: calls that were answered before return what they returned, the first one that was not ends the run and
tells what to do next. That is exact because a script here sees nothing but those answers: no clock, no chance, no door.
Time, memory and the number of calls are bounded. The engine is quickjs-ng, which interrupts endless patterns as well.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import quickjs
import re2

from secrecon.templates.errors import DslError
from secrecon.templates.flow import MAX_FLOW, PROTOCOLS, Ask

MAX_CALLS = 400
MAX_SECONDS = 1.0
MAX_MEMORY = 64 * 1024 * 1024
MAX_CONTEXT = 4 * 1024 * 1024
_CALL = re2.compile(r"\b(http|dns|ssl|tcp)\s*\(([^()]*)\)")
_NAMED = re2.compile(r"""^\s*(?:([0-9]{1,4})|"([^"]{1,100})"|'([^']{1,100})')\s*$""")

# What a script finds: the calls, the context, and the few helpers of the language. `__turn` is told by the host.
_PRELUDE = """
var template = {}; var __calls = 0; var __sets = {}; var __next = null;
Date.now = undefined; Math.random = undefined; globalThis.Date = undefined;
function __ask(protocol, blocks) {
  if (__next !== null) { throw new Error("paused"); }
  if (__calls < __turn.answers.length) {
    var answer = __turn.answers[__calls++];
    template = answer.context;
    for (var name in __sets) { if (!(name in template)) { template[name] = __sets[name]; } }
    return answer.matched;
  }
  __next = { protocol: protocol, blocks: blocks, sets: Object.assign({}, __sets) };
  throw new Error("paused");
}
function set(name, value) {
  if (__next !== null) { return; }
  __sets[String(name)] = value === undefined ? null : value;
  template[String(name)] = value;
}
function iterate() {
  var flat = [];
  function add(value) {
    if (value === null || value === undefined) { return; }
    if (Array.isArray(value)) { value.forEach(add); } else { flat.push(value); }
  }
  for (var i = 0; i < arguments.length; i++) { add(arguments[i]); }
  return flat;
}
function log() { return arguments[0]; }
class Dedupe {
  constructor() { this.seen = []; }
  Add() { iterate.apply(null, arguments).forEach((v) => { if (!this.seen.includes(v)) { this.seen.push(v); } }); }
  Values() { return this.seen; }
}
"""


@dataclass(frozen=True, slots=True)
class Answered:
    """What one call came to: whether it matched, and the template's context after it."""

    matched: bool
    context: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Turn:
    """What a script wants next. `ask` None: it has ended. `sets`: every variable it has set so far."""

    ask: Ask | None
    sets: Mapping[str, bytes | tuple[bytes, ...]]


@dataclass(frozen=True, slots=True)
class FlowScript:
    """A flow in JavaScript. Raises DslError where it is too long or cannot be read."""

    source: str

    def __post_init__(self) -> None:
        if len(self.source) > MAX_FLOW:
            raise DslError(f"a flow of {len(self.source)} characters; at most {MAX_FLOW} are read")
        try:
            _context().eval(f"new Function({json.dumps(self.source)})")
        except quickjs.JSException as error:
            raise DslError(f"the flow is not JavaScript that can be read: {_told(error)}") from error

    def asks(self) -> tuple[Ask, ...]:
        """The calls that are written out in the script, each once; computed ones are not seen."""
        found: dict[Ask, None] = {}
        for protocol, arguments in _CALL.findall(self.source):
            named = [_NAMED.match(part) for part in arguments.split(",") if part.strip()]
            if all(named):
                blocks = tuple(_block(match.groups()) for match in named if match)
                found[Ask(protocol, blocks)] = None
        return tuple(found)

    def turn(self, start: Mapping[str, object], answered: Sequence[Answered]) -> Turn:
        """What comes after `answered`. `start`: the context before the first call. Raises DslError for a script that
        fails, takes too long or calls too often."""
        if len(answered) > MAX_CALLS:
            raise DslError(f"the flow makes more than {MAX_CALLS} calls")
        told = {
            "start": self._seen(start),
            "answers": [{"matched": item.matched, "context": self._seen(item.context)} for item in answered],
        }
        document = json.dumps(told)
        if len(document) > MAX_CONTEXT:
            raise DslError(
                f"the flow's variables come to {len(document)} bytes; at most {MAX_CONTEXT} are given to it"
            )
        engine = _context()
        engine.eval(f"var __turn = JSON.parse({json.dumps(document)});{_PRELUDE}; template = __turn.start;")
        for protocol in PROTOCOLS:
            engine.eval(f"function {protocol}() {{ return __ask({protocol!r}, Array.from(arguments)); }}")
        try:
            engine.eval(self.source)
        except quickjs.JSException as error:
            if engine.eval("__next === null"):
                raise DslError(f"the flow failed: {_told(error)}") from error
        state = json.loads(engine.eval("JSON.stringify(__next || {sets: __sets})"))
        ask = Ask(state["protocol"], tuple(_asked(state["blocks"]))) if "protocol" in state else None
        return Turn(ask, {name: _value(value) for name, value in state["sets"].items()})

    def _seen(self, context: Mapping[str, object]) -> dict[str, object]:
        """The variables whose names stand in the script; others cannot matter to it."""
        return {name: _shown(value) for name, value in context.items() if name in self.source}


def _context() -> quickjs.Context:
    engine = quickjs.Context()
    engine.set_memory_limit(MAX_MEMORY)
    engine.set_time_limit(MAX_SECONDS)
    return engine


def _told(error: quickjs.JSException) -> str:
    return " ".join(str(error).split())[:200]


def _block(groups: tuple[str | None, str | None, str | None]) -> int | str:
    number, double, single = groups
    return int(number) if number else double or single or ""


def _asked(blocks: Sequence[object]) -> list[int | str]:
    found: list[int | str] = []
    for block in blocks:
        if isinstance(block, bool) or not isinstance(block, int | str):
            raise DslError(f"a flow's call takes numbers and ids, not {str(block)[:40]!r}")
        found.append(block)
    return found


def _shown(value: object) -> object:
    """A value as the script sees it: bytes as text of the same bytes, so that nothing is lost on the way back."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, list | tuple):
        return [_shown(item) for item in value]
    if isinstance(value, str | bool | int | float) or value is None:
        return value
    return str(value)


def _value(value: object) -> bytes | tuple[bytes, ...]:
    """What a script set, as template variables are: bytes, or a list of them."""
    if isinstance(value, list):
        return tuple(_bytes(item) for item in value)
    return _bytes(value)


def _bytes(value: object) -> bytes:
    if value is None:
        return b""
    if isinstance(value, bool):
        return b"true" if value else b"false"
    text = value if isinstance(value, str) else json.dumps(value)
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")

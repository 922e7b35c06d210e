"""What an execution reports: results, and requests whose verdict waits for a callback.

A result carries what the reference's record has. A waiting request keeps the data its operators saw; when a callback
arrives they are asked again, with the callback added, each callback alone.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from secrecon.templates.dsl.run import Ambient
from secrecon.templates.errors import DslError
from secrecon.templates.execution.building import Built
from secrecon.templates.operators import Operators, Verdict
from secrecon.templates.template import Template

_REPLAY_MAX = 8_000


@dataclass(frozen=True, slots=True)
class Callback:
    """A hit on a minted address. `protocol`: dns, http, https, smtp, ldap. `request` and `response` as they went."""

    protocol: str
    request: bytes
    response: bytes
    address: str


@dataclass(frozen=True, slots=True)
class Found:
    """One result. `host`: the target as given; `matched`: what it was found at; `meta`: payload values; `failed`: for
    `matcher-status`, why nothing could be judged; `held` False: the block was asked and did not match."""

    template: Template
    protocol: str
    host: str
    matched: str
    matcher: str = ""
    extractor: str = ""
    extracted: tuple[bytes, ...] = ()
    request: bytes = b""
    response: bytes = b""
    address: str = ""
    meta: Mapping[str, bytes] = field(default_factory=dict)
    built: Built | None = None
    callback: Callback | None = None
    held: bool = True
    failed: str = ""

    @property
    def curl(self) -> str:
        """A command that asks the same, as well as curl can; "" where it cannot."""
        if self.built is None or self.built.raw:
            return ""
        return curl_of(self.built.method, self.built.url, self.built.headers, self.built.body)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request that carried callback addresses and whose operators look for a hit on them. `tokens`: the addresses."""

    shown: Found
    operators: Operators
    data: Mapping[str, object]
    tokens: frozenset[str]
    stop: bool


def results(shown: Found, verdict: Verdict) -> list[Found]:
    """One result for each that the verdict tells."""
    every = tuple(value for values in verdict.extracted.values() for value in values)
    found = []
    for result in verdict.results:
        values = verdict.extracted.get(result.extractor, ()) if result.extractor else tuple(dict.fromkeys(every))
        found.append(replace(shown, matcher=result.matcher, extractor=result.extractor, extracted=values))
    return found


def judge_callback(waiting: Waiting, callback: Callback, ambient: Ambient) -> list[Found]:
    """What a callback makes of a waiting request; nothing where the operators still do not match."""
    request = callback.request.lower() if callback.protocol == "dns" else callback.request
    data = {
        **waiting.data,
        "interactsh_protocol": callback.protocol.encode(),
        "interactsh_request": request,
        "interactsh_response": callback.response,
        "interactsh_ip": callback.address.encode(),
    }
    try:
        verdict = waiting.operators.judge(data, ambient)
    except DslError:
        return []
    return results(replace(waiting.shown, callback=callback), verdict) if verdict.matched else []


def curl_of(method: str, url: str, headers: tuple[tuple[str, str], ...], body: bytes) -> str:
    """A command that asks the same, as well as curl can."""
    parts = ["curl", "-sk", "-i", "--path-as-is", "-X", method]
    for name, value in headers:
        parts += ["-H", f"{name}: {value}"]
    if body:
        parts += ["--data-binary", body[:_REPLAY_MAX].decode("utf-8", "backslashreplace")]
    return shlex.join([*parts, url])

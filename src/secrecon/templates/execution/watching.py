"""Templates that ask nothing and look at the answers to all others (`global-matchers`). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from secrecon.templates.dsl.run import Ambient
from secrecon.templates.errors import DslError
from secrecon.templates.execution.asks import HttpAnswer, HttpAsk
from secrecon.templates.execution.events import Found, results
from secrecon.templates.execution.session import Prepared
from secrecon.templates.execution.subject import Subject


def watched(
    watchers: Sequence[Prepared], subject: Subject, ask: HttpAsk, answer: HttpAnswer, ambient: Ambient
) -> Iterator[tuple[Prepared, Found]]:
    """What the templates see in one answer; each answer is to be shown once. A template that fails sees nothing."""
    reply = answer.reply
    if reply is None:
        return
    words = ask.wire.partition(b"\r\n")[0].split(b" ")
    url = f"{ask.origin}{words[1].decode('latin-1') if len(words) > 1 else ''}"
    data = {
        **answer.data,
        "host": subject.url.encode("utf-8", "surrogateescape"),
        "type": b"http",
        "matched": url.encode("latin-1", "replace"),
        "request": ask.wire,
        "duration": reply.waited,
        "ip": reply.address.encode(),
    }
    response = answer.data["response"]
    for prepared in watchers:
        shown = Found(
            prepared.template,
            "http",
            subject.url,
            url,
            request=ask.wire,
            response=response if isinstance(response, bytes) else b"",
            address=reply.address,
        )
        for block in prepared.template.http:
            try:
                verdict = block.operators.judge({**data, **prepared.template.constants}, ambient)
            except DslError:
                continue
            for found in results(shown, verdict):
                yield prepared, found

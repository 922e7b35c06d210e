"""Tells an answer from a refusal: a reply that a filter, a rate limit or a dying application gave says nothing.

429 and 503 always mean "not now". 401, 403, 406, 407 and other 5xx may be how a page honestly answers, so where a round
met them, a page that cannot exist is asked for afterwards: when that is refused too, so was the scan. Such replies keep
their exchange (what they show may still be read), but their outcome is BLOCKED, which the ledger never counts as tested.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import replace

from secrecon.engine.asking import Memo, ask_all
from secrecon.model.http import HttpRequest
from secrecon.model.probe import HttpProbe, Reply
from secrecon.model.scan import Outcome
from secrecon.model.target import Origin
from secrecon.net.network import Network

CONTROL = "recon.control"
CONTROL_CAP = 4_096
_LATER = frozenset({429, 503})
_REFUSALS = frozenset({401, 403, 406, 407, *_LATER})


def is_refusal(status: int) -> bool:
    """True for a status that a wall would answer with; it may be an honest answer all the same."""
    return status in _REFUSALS or 500 <= status <= 599


async def told_apart(
    network: Network, memo: Memo, seed: str, replies: Sequence[Reply], stop: asyncio.Event
) -> list[Reply]:
    """`replies` with those that were refusals marked as BLOCKED. `seed`: makes the control page's name, which must be
    new for each round."""
    doubtful = list(
        dict.fromkeys(
            reply.probe.request.origin
            for reply in replies
            if isinstance(reply.probe, HttpProbe) and _status(reply) and is_refusal(_status(reply))
        )
    )
    if not doubtful:
        return list(replies)
    walls = await controls(network, memo, seed, doubtful, stop)
    return [_judged(reply, walls) for reply in replies]


async def controls(
    network: Network, memo: Memo, seed: str, origins: Sequence[Origin], stop: asyncio.Event
) -> dict[Origin, Reply]:
    """What each origin says to a page that cannot exist. `seed`: as above."""
    asked = [
        HttpProbe(CONTROL, str(o), HttpRequest(o, target=_missing(seed, o)), body_cap=CONTROL_CAP) for o in origins
    ]
    answers = await ask_all(network, memo, asked, stop, _unheard)
    return dict(zip(origins, answers, strict=True))


def refusal(status: int, control: Reply) -> str:
    """Why an answer with `status` says nothing, judged by what the origin said to a page that cannot exist; "" where it
    is an answer."""
    if not is_refusal(status):
        return ""
    if control.http is None:
        return f"the server answered {status}, and then did not answer at all: {control.reason}"
    if is_refusal(control.http.reply.status):
        refused = control.http.reply.status
        also = "" if refused == status else f" and {refused}"
        return f"the server answers {status}{also} even for pages that cannot exist, so what lies behind cannot be told"
    if status in _LATER:
        why = "too many requests" if status == 429 else "not available now"
        return f"the server answered {status} ({why}); try again later or from an address it allows"
    return ""


def _judged(reply: Reply, walls: dict[Origin, Reply]) -> Reply:
    status = _status(reply)
    if not status or not is_refusal(status) or not isinstance(reply.probe, HttpProbe):
        return reply
    reason = refusal(status, walls[reply.probe.request.origin])
    return replace(reply, outcome=Outcome.BLOCKED, reason=reason) if reason else reply


def _status(reply: Reply) -> int:
    """The status of an HTTP reply that came; 0 for anything else."""
    return reply.http.reply.status if reply.http is not None and reply.outcome is Outcome.DONE else 0


def _missing(seed: str, origin: Origin) -> str:
    return "/" + hashlib.sha256(f"control {seed} {origin}".encode()).hexdigest()[:14]


async def _unheard(_: int) -> None:
    """Controls are not part of the progress."""

"""Templates that found nothing because the target turned them away are not clean.

429 and 503 are no answers. For 401, 403 and the like a page that cannot exist is asked for, once for each origin: who is
refused there too was refused before (`engine.walls`). What was found stays found.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from secrecon.engine.asking import Memo
from secrecon.engine.templating.driver import Attempted
from secrecon.engine.walls import controls, is_refusal, refusal
from secrecon.model.scan import Outcome
from secrecon.net.network import Network


def is_doubtful(attempt: Attempted) -> bool:
    """Whether what looks clean may be a refusal."""
    return attempt.outcome is Outcome.DONE and any(map(is_refusal, attempt.statuses))


async def told_apart(
    network: Network, seed: str, attempts: Sequence[Attempted], stop: asyncio.Event
) -> list[Attempted]:
    """`attempts` with those that were turned away as blocked. `seed`: makes the name of the page that cannot exist."""
    origins = list(dict.fromkeys(item.job.subject.origin for item in attempts if is_doubtful(item)))
    if not origins or stop.is_set():
        return list(attempts)
    walls = await controls(network, Memo(), seed, origins, stop)
    told = []
    for item in attempts:
        why = ""
        if is_doubtful(item) and not any(found.held for found in item.found):
            control = walls[item.job.subject.origin]
            why = next(filter(None, (refusal(status, control) for status in sorted(item.statuses))), "")
        told.append(replace(item, outcome=Outcome.BLOCKED, reason=why) if why else item)
    return told

"""Pages in a browser: once the walk is at its end, a few pages of each service are opened in Chromium, so that what exists
only after scripts have run is known too: links, forms, and the requests that scripts make.

The start page first, then one page of each kind, those that only rendering showed included; eleven a service. One line
of the ledger for each service (`crawl.browser`) says how many, and why not more.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterable, Sequence
from urllib.parse import parse_qsl

from secrecon.detect.acting import acting_word, refusal
from secrecon.detect.links import query_parameters
from secrecon.engine.crawling.walk import BROWSER, Walk
from secrecon.engine.phase import Ground, Judgement
from secrecon.model.asset import InputPlace, Parameter, RequestShape
from secrecon.model.errors import BudgetSpent, OperatorError, TargetError
from secrecon.model.scan import Attempt, Outcome, PhaseName
from secrecon.model.target import Origin
from secrecon.net.rendering import OpenBrowser, Rendered, Renderer, Wish

PAGES = 11
MAX_FIELDS, MAX_DEPTH, MAX_VALUE = 40, 4, 500


async def render_pages(walk: Walk, ground: Ground, open_browser: OpenBrowser | None) -> list[Judgement]:
    """Render pages of every service that has no line yet; what was learned, a line for each service included."""
    origins = [origin for origin in walk.origins if not walk.was_rendered(origin)]
    judged: list[Judgement] = []
    lines: dict[Origin, Attempt] = {}
    if not origins:
        return []
    if open_browser is None:
        why = "not installed: Chromium or playwright is missing on the machine that ran the scan"
        return [*walk.tell(_line(origin, Outcome.SKIPPED, why, 0) for origin in origins)]
    try:
        async with open_browser(ground.network, refusal) as browser:
            for origin in origins:
                if not ground.stop.is_set():
                    found, lines[origin] = await _service(walk, ground, browser, origin)
                    judged += found
    except OperatorError as error:
        lines |= {o: _line(o, Outcome.FAILED, str(error), 0) for o in origins if o not in lines}
    left = [_line(o, Outcome.SKIPPED, "cancelled before it was run", 0) for o in origins if o not in lines]
    return [*judged, *walk.tell([*lines.values(), *left])]


async def _service(
    walk: Walk, ground: Ground, browser: Renderer, origin: Origin
) -> tuple[list[Judgement], Attempt]:
    judged: list[Judgement] = []
    before, opened = ground.network.requests, 0
    troubles: dict[str, None] = {}
    refused: dict[str, None] = {}
    unsent, spent = 0, ""
    while opened + len(troubles) < PAGES and not ground.stop.is_set():
        target = walk.to_render(origin)
        if target is None:
            break
        try:
            page = await _unless_stopped(browser, origin, target, ground.stop)
        except BudgetSpent as error:
            spent = str(error)
            break
        except TargetError as error:
            troubles.setdefault(f"{target[:60]}: {error}"[:200])
            continue
        if page is None:
            break
        opened += 1
        if page.trouble:
            troubles.setdefault(f"{target[:60]}: {page.trouble}"[:200])
        refused |= dict.fromkeys(page.refused)
        unsent += sum(not wish.sent for wish in page.wishes)
        shapes = [shape for wish in page.wishes for shape in _shape(wish)]
        judged += await asyncio.to_thread(walk.learn_rendered, page, shapes)
    said = [f"{opened} pages rendered"]
    if unsent:
        said.append(f"{unsent} requests of scripts were noted and not sent")
    if refused:
        said.append(f"out of scope and not asked: {', '.join(list(refused)[:4])}")
    said += list(troubles)[:2]
    outcome = Outcome.DONE
    if ground.stop.is_set():
        outcome, said = Outcome.SKIPPED, ["cancelled", *said]
    elif spent:
        outcome, said = Outcome.SKIPPED, [spent, *said]
    elif not opened:
        outcome = Outcome.FAILED if troubles else Outcome.SKIPPED
        said = said if troubles else ["not applicable: no page that a browser would show"]
    return judged, _line(origin, outcome, "; ".join(said), ground.network.requests - before)


async def _unless_stopped(browser: Renderer, origin: Origin, target: str, stop: asyncio.Event) -> Rendered | None:
    """The page; None where a stop was asked for meanwhile."""
    work = asyncio.ensure_future(browser.render(origin, target))
    stopper = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({work, stopper}, return_when=asyncio.FIRST_COMPLETED)
        return work.result() if work.done() else None
    finally:
        for task in (work, stopper):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, TargetError, BudgetSpent):  # `result` has raised it
                await task


def _line(origin: Origin, outcome: Outcome, reason: str, requests: int) -> Attempt:
    return Attempt(PhaseName.CRAWL, BROWSER, str(origin), outcome, reason[:400], requests)


def _shape(wish: Wish) -> Iterable[RequestShape]:
    """The request that a script made, as one with inputs; none where making it would act, or it has none."""
    path, _, query = wish.target.partition("?")
    if acting_word(wish.target) or refusal(wish.target):
        return
    fields = _fields(wish)
    parameters = (*query_parameters(query), *fields)
    if wish.method in ("GET", "HEAD") and not parameters:
        return
    media = "application/json" if any(field.place is InputPlace.JSON for field in fields) else ""
    method = "GET" if wish.method == "HEAD" else wish.method
    if method in ("GET", "POST", "PUT", "PATCH"):
        yield RequestShape(wish.origin, method, path, parameters, "browser", media)


def _fields(wish: Wish) -> Sequence[Parameter]:
    if "json" in wish.content_type or wish.body[:1] == "{":
        try:
            value: object = json.loads(wish.body)
        except (ValueError, RecursionError):
            return ()
        return list(_flat("", value, MAX_DEPTH))[:MAX_FIELDS]
    if wish.content_type == "application/x-www-form-urlencoded":
        pairs = parse_qsl(wish.body, keep_blank_values=True)[:MAX_FIELDS]
        return [Parameter(name[:100], InputPlace.FORM, value[:MAX_VALUE]) for name, value in pairs if name]
    return ()


def _flat(name: str, value: object, depth: int) -> Iterable[Parameter]:
    """The plain values of a JSON body, each under its path."""
    if isinstance(value, dict) and depth:
        for key, item in list(value.items())[:MAX_FIELDS]:
            yield from _flat(f"{name}.{key}"[:100] if name else str(key)[:100], item, depth - 1)
    elif name and isinstance(value, str | int | float):
        text = json.dumps(value) if isinstance(value, bool) else str(value)
        yield Parameter(name, InputPlace.JSON, text[:MAX_VALUE])

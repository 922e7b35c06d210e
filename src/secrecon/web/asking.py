"""The ask box of a report page: a form that works without script, and the page that shows its answer.

With script the same question goes to the API's stream. The answer's text is checked by the service; here it is only shown.
"""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.responses import Response

from secrecon.model.errors import UserError
from secrecon.service.assistant import Heard, Question, answer_whole
from secrecon.service.clients import client_of
from secrecon.service.listing import read_id
from secrecon.service.reports import read_report
from secrecon.web.access import CheckedForm, Here, SignedIn
from secrecon.web.pages import show

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer as the page shows it. `problem`: why there is none, or not all of it."""

    text: str
    cited: tuple[int, ...]
    model: str
    problem: str


@router.post("/reports/{db_scan_id}/ask")
async def ask(request: Request, desk: Here, visitor: SignedIn, db_scan_id: str, form: CheckedForm) -> Response:
    """Answer a question about a report, whole. A question that cannot be answered says why, on the same page."""
    number = read_id(db_scan_id, "There is no such report.")
    report = await read_report(desk.ctx, number, visitor.caller, client_of(request))
    message = form.get("message", "")
    question = Question(message, db_scan_id=report.facts.db_scan_id)
    status = 200
    try:
        answered = _answered(await answer_whole(desk.ctx, visitor.caller, question))
    except UserError as error:
        answered, status = Answered("", (), "", str(error)), error.status
    by_id = {finding.id: finding for finding in report.facts.findings}
    cited = [by_id[number] for number in answered.cited if number in by_id]
    return show(
        "ask.html.j2",
        request,
        visitor,
        status,
        facts=report.facts,
        message=message,
        answered=answered,
        cited=cited,
    )


def _answered(heard: list[Heard]) -> Answered:
    text = "".join(str(event.data["text"]) for event in heard if event.kind == "text")
    last = heard[-1]
    if last.kind == "error":
        return Answered(text, (), "", str(last.data["detail"]))
    ids = last.data["finding_ids"]
    cited = tuple(number for number in ids if isinstance(number, int)) if isinstance(ids, list) else ()
    return Answered(text, cited, str(last.data["model"]), "")

"""What a callback to a template's payload means that came when nobody listened for the template any more. Pure.

The template's other conditions cannot be checked then, so the finding says that a probe was called back, what it was and
how to have it judged. It is never said that the template matched.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from secrecon.detect.evidence import printable
from secrecon.model.confidence import Ground, confidence
from secrecon.model.finding import Evidence, EvidenceLevel, Finding, Severity
from secrecon.model.interaction import CallbackProtocol, Interaction, Payload

PREFIX = "template."
MAX_TEXT = 2_000


def is_template(payload: Payload) -> bool:
    """Whether a template gave the payload out."""
    return payload.check.startswith(PREFIX)


def late_hits(payload: Payload, interactions: Iterable[Interaction], ends: Sequence[float]) -> list[Interaction]:
    """The callbacks that came after the round in which the payload was sent had ended. `ends`: when each round did."""
    end = min((at for at in ends if at >= payload.created), default=None)
    if end is None:
        return []
    mine = (hit for hit in interactions if hit.token == payload.token and not hit.own and hit.at > end)
    return sorted(mine, key=lambda hit: hit.at)


def late_finding(payload: Payload, hits: Sequence[Interaction]) -> Finding:
    """One finding for the late callbacks of a payload, at least one."""
    requests = [hit for hit in hits if hit.protocol is not CallbackProtocol.DNS]
    first = (requests or list(hits))[0]
    name = payload.check.removeprefix(PREFIX)
    what = f"{first.protocol.upper()} from {first.remote_address}"
    at = datetime.fromtimestamp(first.at, UTC).isoformat(timespec="milliseconds")
    raw = printable(first.raw[:MAX_TEXT].encode("utf-8", "replace"))
    return Finding(
        check=payload.check,
        title=f"A probe of the template {name} was called back late",
        severity=Severity.MEDIUM,
        asset=payload.asset,
        location=payload.location or "/",
        evidence_level=EvidenceLevel.CALLBACK,
        confidence=confidence(Ground.LATE_REQUEST if requests else Ground.LATE_LOOKUP),
        evidence=(
            Evidence(
                "callback",
                f"{what} for {payload.token}",
                payload.request,
                "",
                f"the callback carries the token {payload.token}, which only this probe was given",
                f"{what} at {at}\n{raw}",
            ),
        ),
        description=(
            f"An address that the template {name} gave to {payload.asset} was contacted by {what} after the template had "
            "stopped listening, so its other conditions were not checked. Something on the target's side acts on what it "
            "is sent, with delay."
        ),
        impact="What the template describes, where its other conditions hold too.",
        remediation="Run the template again to have it judged, and look at what processes this input later.",
        oast_verified=bool(requests),
    )

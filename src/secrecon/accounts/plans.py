"""Plans: what an account may do. Settings, not data: an installation can replace the table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from secrecon.model.errors import BadInput, Forbidden, OperatorError


@dataclass(frozen=True, slots=True)
class Plan:
    """`scans` a calendar month and `stored_reports`: None for no limit. `api`: whether keys may start scans."""

    name: str
    scans: int | None
    api: bool
    stored_reports: int | None

    @property
    def title(self) -> str:
        return self.name.capitalize()


DEFAULT_PLANS: Mapping[str, Plan] = {
    plan.name: plan
    for plan in (
        Plan("professional", scans=3, api=False, stored_reports=10),
        Plan("business", scans=5, api=True, stored_reports=50),
        Plan("enterprise", scans=None, api=True, stored_reports=None),
    )
}


def plan_of(plans: Mapping[str, Plan], name: str) -> Plan:
    """The plan of an account. One that is no longer in the table is the operator's to mend."""
    if name not in plans:
        raise OperatorError(f"an account has the plan {name!r}, which the plan table no longer holds: add it again")
    return plans[name]


def check_plan(plans: Mapping[str, Plan], name: str) -> Plan:
    """The plan that someone named. Raises BadInput listing the ones there are."""
    if name not in plans:
        raise BadInput(f"there is no plan {name!r}: choose one of {', '.join(plans)}", "plan")
    return plans[name]


def require_api(plans: Mapping[str, Plan], name: str) -> None:
    """Raise Forbidden, in the documented words, where the plan has no API."""
    if plan_of(plans, name).api:
        return
    titles = [plan.title for plan in plans.values() if plan.api]
    words = " or ".join(filter(None, (", ".join(titles[:-1]), titles[-1]))) if titles else "different"
    article = "an" if words[0] in "AEIOU" else "a"
    raise Forbidden(f"API access requires {article} {words} plan (current: {name}).")

"""The SSVC decision of a coordinator: CISA's tree (SSVC guide, November 2022) over the points that CISA publishes.

The fourth point, how much the organisation's mission and public well-being depend on the system, nobody can publish: it is the
operator's. Where it is not told it is taken as medium, and the decision says so. Without published points there is no decision.
"""

from __future__ import annotations

from enum import StrEnum

from secrecon.intel.records import SsvcPoints


class Decision(StrEnum):
    """What to do about it, least urgent first."""

    TRACK = "Track"
    TRACK_CLOSELY = "Track*"
    ATTEND = "Attend"
    ACT = "Act"

    @property
    def rank(self) -> int:
        """0 (Track) to 3 (Act)."""
        return list(Decision).index(self)


class Mission(StrEnum):
    """How much depends on the system."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


_T, _C, _A, _X = Decision.TRACK, Decision.TRACK_CLOSELY, Decision.ATTEND, Decision.ACT
_TREE: dict[tuple[str, str, str], tuple[Decision, Decision, Decision]] = {
    ("none", "no", "partial"): (_T, _T, _T),
    ("none", "no", "total"): (_T, _T, _C),
    ("none", "yes", "partial"): (_T, _T, _A),
    ("none", "yes", "total"): (_T, _T, _A),
    ("poc", "no", "partial"): (_T, _T, _C),
    ("poc", "no", "total"): (_T, _C, _A),
    ("poc", "yes", "partial"): (_T, _T, _A),
    ("poc", "yes", "total"): (_T, _C, _A),
    ("active", "no", "partial"): (_T, _T, _A),
    ("active", "no", "total"): (_T, _A, _X),
    ("active", "yes", "partial"): (_A, _A, _X),
    ("active", "yes", "total"): (_A, _X, _X),
}
"""(exploitation, automatable, technical impact) to the decision for low, medium and high mission and well-being."""


def decide(points: SsvcPoints, mission: Mission = Mission.MEDIUM) -> Decision:
    """The decision for points as CISA writes them."""
    return _TREE[points.exploitation, points.automatable, points.impact][list(Mission).index(mission)]


def words(points: SsvcPoints, mission: Mission = Mission.MEDIUM) -> str:
    """The decision with what it rests on."""
    return (
        f"{decide(points, mission)} (exploitation {points.exploitation}, automatable {points.automatable}, "
        f"technical impact {points.impact}; mission and well-being taken as {mission})"
    )

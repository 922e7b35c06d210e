"""More or better evidence never makes a finding less sure, and no doubt makes it surer."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from secrecon.model.confidence import DOUBTS, GROUNDS, MOST, Doubt, Ground, confidence, doubted, together
from secrecon.model.finding import EvidenceLevel

GROUND, DOUBT, LEVEL = st.sampled_from(Ground), st.sampled_from(Doubt), st.sampled_from(EvidenceLevel)
DOUBTED = st.frozensets(DOUBT)
SURE = st.integers(1, 99).map(lambda number: number / 100)
DETECTION = GROUND.map(lambda ground: (GROUNDS[ground][0], GROUNDS[ground][1]))
DETECTIONS = st.lists(DETECTION, min_size=1, max_size=8)


@given(GROUND, DOUBTED, SURE)
def test_it_stays_within_its_level_and_its_sighting(
    ground: Ground, doubts: frozenset[Doubt], sighting: float
) -> None:
    assert 0.0 < confidence(ground, *doubts) <= MOST[GROUNDS[ground][0]] < 1.0
    assert confidence(ground, *doubts, sighting=sighting) <= sighting


@given(GROUND, DOUBTED, DOUBT)
def test_a_doubt_never_makes_it_surer(ground: Ground, doubts: frozenset[Doubt], more: Doubt) -> None:
    assert confidence(ground, *doubts, more) <= confidence(ground, *doubts)
    assert confidence(ground, *doubts, more, more) == confidence(ground, more, *doubts)


@given(GROUND, GROUND, DOUBTED)
def test_a_better_ground_is_never_less_sure_under_the_same_doubts(
    one: Ground, other: Ground, doubts: frozenset[Doubt]
) -> None:
    weaker, stronger = sorted((one, other), key=lambda ground: GROUNDS[ground][1])
    assert confidence(weaker, *doubts) <= confidence(stronger, *doubts)


@given(GROUND, SURE, SURE)
def test_a_surer_sighting_never_lowers_it(ground: Ground, one: float, other: float) -> None:
    assert confidence(ground, sighting=min(one, other)) <= confidence(ground, sighting=max(one, other))


@given(DETECTIONS, DETECTION)
def test_one_more_detection_of_the_same_level_or_a_weaker_one_never_lowers_it(
    detections: list[tuple[EvidenceLevel, float]], more: tuple[EvidenceLevel, float]
) -> None:
    every = [*detections, more]
    after = together(every)
    assert max(value for _, value in every) <= after <= max(MOST.values())
    assert together(every[::-1]) == after, "in any order"
    if more[0].rank <= max(level.rank for level, _ in detections):
        assert after >= together(detections)


@given(st.lists(SURE, min_size=1, max_size=8), LEVEL)
def test_alone_it_counts_whole_and_many_of_a_level_stay_below_its_bound(
    values: list[float], level: EvidenceLevel
) -> None:
    assert together([(level, values[0])]) == values[0]
    assert together([(level, value) for value in values]) <= max(MOST[level], *values)


def test_what_it_comes_to() -> None:
    assert confidence(Ground.VERSION, Doubt.CONDITION) == 0.4
    assert confidence(Ground.VERSION, Doubt.BACKPORT) == 0.3
    assert confidence(Ground.VERSION, Doubt.BACKPORT, Doubt.CONDITION) == 0.2
    assert confidence(Ground.VERSION, Doubt.NO_VERSIONS) == 0.25
    assert confidence(Ground.VERSION, sighting=0.5) == 0.5
    assert doubted(confidence(Ground.VERSION), Doubt.NOT_CONFIRMED) == 0.3
    assert together([(EvidenceLevel.BEHAVIOUR, 0.92), (EvidenceLevel.BEHAVIOUR, 0.92)]) == 0.96
    assert together([(EvidenceLevel.BEHAVIOUR, 0.98), (EvidenceLevel.VERSION_RANGE, 0.6)]) == 0.98
    assert together([(EvidenceLevel.VERSION_RANGE, 0.6)] * 5) == 0.6


def test_every_ground_and_doubt_is_told() -> None:
    assert set(GROUNDS) == set(Ground)
    assert set(DOUBTS) == set(Doubt)
    assert set(MOST) == set(EvidenceLevel)

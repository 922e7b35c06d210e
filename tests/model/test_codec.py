"""Every noun that is stored comes back equal, and nothing else is accepted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrecon.model.asset import Asset, AssetType, Fact, Link, Page, RequestShape, Resolution, Service, Technology
from secrecon.model.codec import as_json, dump, fact_kind, load, load_fact
from secrecon.model.errors import BadInput
from secrecon.model.finding import Finding
from secrecon.model.interaction import Interaction, OastSelfTest, Payload
from secrecon.model.record import Chunk
from secrecon.model.scan import Attempt, EngineInfo, ScanSpec

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
st.register_type_strategy(str, text)
st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))
facts = st.one_of(*(st.builds(kind) for kind in (Asset, Link, Page, RequestShape, Resolution, Service, Technology)))


@given(facts)
def test_facts_survive_storage(fact: Fact) -> None:
    assert load_fact(fact_kind(fact), dump(fact)) == fact


@pytest.mark.parametrize(
    "kind",
    [Finding, Attempt, Payload, Interaction, OastSelfTest, ScanSpec, EngineInfo, Chunk],
    ids=lambda k: k.__name__,
)
def test_every_other_noun_survives_storage(kind: type[object]) -> None:
    @given(st.builds(kind))
    def check(noun: object) -> None:
        assert load(kind, dump(noun)) == noun
        assert isinstance(as_json(noun), dict)

    check()


@pytest.mark.parametrize("stored", ["", "{}", "[]", "null", '{"type":"domain"}', "{" * 5000, "\x00"])
def test_damaged_text_is_refused(stored: str) -> None:
    with pytest.raises(BadInput, match="Asset"):
        load(Asset, stored)


def test_half_a_surrogate_pair_becomes_a_question_mark() -> None:
    broken = Asset(AssetType.SENSITIVE_PATH, "a\ud83db", "dns\udc80")
    mended = Asset(AssetType.SENSITIVE_PATH, "a?b", "dns?")
    assert load(Asset, dump(broken)) == mended
    assert as_json(broken) == as_json(mended)


def test_an_unknown_kind_of_fact_is_refused() -> None:
    with pytest.raises(BadInput, match="unknown kind"):
        load_fact("spaceship", "{}")

"""Streamed text is cut into the same sentences however it comes, and none is lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from secrecon.report.citations import Known, Splitter, cited_in, objection

TEXT = "Version 2.4.49 runs, e.g. there. [finding 3] It is old! [finding 4, 5]\n- One\n- Two [finding 6]. The end"
PARTS = [
    "Version 2.4.49 runs, e.g. ",
    "there. [finding 3] ",
    "It is old! [finding 4, 5]\n",
    "- One\n",
    "- Two [finding 6]. ",
    "The end",
]


@given(st.lists(st.integers(1, len(TEXT)), max_size=30))
def test_pieces_do_not_matter(cuts: list[int]) -> None:
    splitter = Splitter()
    at, found = 0, []
    for cut in sorted({*cuts, len(TEXT)}):
        found += splitter.feed(TEXT[at:cut])
        at = cut
    found += splitter.rest()
    assert "".join(found) == TEXT
    assert [number for sentence in found for number in cited_in(sentence)] == [3, 4, 5, 6]
    assert any(cited_in(sentence) == (3,) and "there" in sentence for sentence in found)


@given(st.lists(st.text(max_size=60), max_size=20))
def test_any_stream_comes_through_whole(pieces: list[str]) -> None:
    splitter = Splitter()
    found = [sentence for piece in pieces for sentence in splitter.feed(piece)] + splitter.rest()
    whole = "".join(pieces)
    assert "".join(found).strip() == whole.strip()


@given(st.text(max_size=300))
def test_any_text_is_judged(text: str) -> None:
    assert isinstance(objection(text, Known()), str)


def test_parts_are_sentences() -> None:
    splitter = Splitter()
    assert splitter.feed(TEXT) + splitter.rest() == PARTS

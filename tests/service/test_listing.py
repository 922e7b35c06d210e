"""Ids out of addresses: a number that could be one, or something that is not there."""

from __future__ import annotations

import pytest

from secrecon.model.errors import NotFound
from secrecon.service.listing import MAX_ID, read_id


@pytest.mark.parametrize(("text", "number"), [("1", 1), ("007", 7), (str(MAX_ID), MAX_ID)])
def test_an_id_is_read(text: str, number: int) -> None:
    assert read_id(text, "No such thing.") == number


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "1.5", "x", "\u0663", " 1", str(MAX_ID + 1), "0" * 17, "9" * 5_000]
)
def test_what_is_none_is_not_there(text: str) -> None:
    with pytest.raises(NotFound, match="No such thing"):
        read_id(text, "No such thing.")

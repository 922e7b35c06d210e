"""Names that texts mention: those below the zone, whatever stands around them, and nobody else's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrecon.detect import mentions
from secrecon.detect.mentions import names_in

ZONE = "acme.test"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (b"var api=\"https://API.Acme.test:8443/v1\",b='b.acme.test'", ("api.acme.test", "b.acme.test")),
        (b"a.acme.test,b.acme.test;c.acme.test", ("a.acme.test", "b.acme.test", "c.acme.test")),
        (b"go?u=https%3A%2F%2Fx.acme.test%2Fy", ("x.acme.test",)),
        (b"mail to it@mx.acme.test.", ("mx.acme.test",)),
        (b"a.acme.test.example b.acme.tests notacme.test", ()),
        (b"acme.test and .acme.test", ()),
        (b"", ()),
    ],
)
def test_names_in_text(text: bytes, names: tuple[str, ...]) -> None:
    assert names_in(text, ZONE) == names


@given(st.binary(max_size=400))
def test_any_bytes_are_searched(noise: bytes) -> None:
    assert all(name.endswith(f".{ZONE}") for name in names_in(noise + b" www.acme.test " + noise, ZONE))


def test_a_text_of_a_million_names_is_bounded() -> None:
    text = b" ".join(b"n%d.acme.test" % number for number in range(200_000))
    assert len(names_in(text, ZONE)) == mentions.MAX_NAMES
    assert names_in(b"x" * 5_000_000 + b" www.acme.test", ZONE) == ()

"""CPE 2.3 names are split with their quoting taken off; what is none is refused."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrecon.intel.cpe import key_of, split


def test_attributes() -> None:
    name = split("cpe:2.3:a:Acme:Node\\.js_c\\+\\+:1.0\\:2:rc1:*:*:lts:linux:*:*")
    assert name.key == "a:acme:node.js_c++"
    assert (name.version, name.update) == ("1.0:2", "rc1")
    assert name.qualifiers == "sw_edition=lts target_sw=linux"
    assert split("cpe:2.3:a:f5:nginx").version == "*"
    assert split("cpe:2.3:o:acme:os:-:*:*:*:*:*:*:*").qualifiers == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nginx",
        "cpe:/a:f5:nginx",
        "cpe:2.3:a:f5",
        "cpe:2.3:x:f5:nginx",
        "cpe:2.3:a::nginx",
        "cpe:2.3:a:b:c" + ":*" * 9,
        "cpe:2.3:a:f5:" + "n" * 700,
    ],
)
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a CPE"):
        split(text)


@given(st.text(max_size=60))
def test_no_text_does_harm(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert len(split(f"cpe:2.3:a:{text}")) == 11


def test_the_key_of_a_name_has_no_quoting() -> None:
    assert key_of(r"cpe:2.3:a:joomla:joomla\!") == "a:joomla:joomla!"
    assert key_of("cpe:2.3:a:F5:nginx:1.18.0") == "a:f5:nginx"
    assert key_of("") == key_of("cpe:/a:f5:nginx") == ""

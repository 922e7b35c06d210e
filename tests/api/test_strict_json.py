"""Bodies that two parsers could read in two ways are refused, in words, and never crash the reader."""

from __future__ import annotations

import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from secrecon.api.shapes import ScanBody
from secrecon.api.strict_json import MAX_DEPTH, read_model, read_object
from secrecon.model.errors import BadInput

TEXT = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.text(TEXT),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(TEXT), inner),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"nonsense", "not JSON"),
        (b'{"target":', "not JSON"),
        (b'{"target":"a"} {"target":"b"}', "not JSON"),
        (b'["target"]', "must be a JSON object"),
        (b'"target"', "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (b'\xff\xfe{"a":1}', "not UTF-8"),
        (b'{"target":"\xe9"}', "not UTF-8"),
        (b'{"target":"a","target":"b"}', "appears twice"),
        (b'{"a":{"b":1,"b":2}}', "appears twice"),
        (b'{"a":[{"b":1,"b":2}]}', "appears twice"),
        (b'{"target":"a\\u0000b"}', "NUL"),
        (b'{"a\\u0000":1}', "NUL"),
        (b'{"a":["\\u0000"]}', "NUL"),
        (b'{"target":"\\ud800"}', "surrogate"),
        (b'{"a":' + b"9" * 5000 + b"}", "digits"),
        (b'{"a":1e999}', "out of range"),
        (b'{"a":NaN}', "NaN"),
        (b'{"a":-Infinity}', "Infinity"),
        (b'{"a":' * 50_000, "nested deeper"),
        (b"[" * 100_000, "nested deeper"),
    ],
)
def test_refuses_in_words(body: bytes, words: str) -> None:
    with pytest.raises(BadInput) as caught:
        read_object(body)
    assert words in str(caught.value)


def test_brackets_in_strings_are_no_nesting() -> None:
    text = "[" * (MAX_DEPTH * 2) + '\\" {'
    assert read_object(json.dumps({"a": text}).encode()) == {"a": text}


def test_a_byte_order_mark_is_forgiven() -> None:
    assert read_object(b'\xef\xbb\xbf{"a":1}') == {"a": 1}


@given(st.dictionaries(st.text(TEXT), JSON))
def test_reads_what_json_writes(value: dict[str, object]) -> None:
    text = json.dumps(value)
    assume(text.count("[") + text.count("{") <= MAX_DEPTH)
    assert read_object(text.encode()) == value


@given(st.binary(max_size=400))
def test_any_bytes_are_an_object_or_bad_input(raw: bytes) -> None:
    try:
        assert isinstance(read_object(raw), dict)
    except BadInput:
        return


@pytest.mark.parametrize(
    ("body", "field", "words"),
    [
        ({}, "target", "target is required"),
        ({"target": None}, "target", "string"),
        ({"target": 5}, "target", "string"),
        ({"target": ["example.com"]}, "target", "string"),
        ({"target": ""}, "target", "at least 1"),
        ({"target": "a" * 2049}, "target", "at most 2048"),
        ({"target": "example.com", "scan_mode": "deep"}, "scan_mode", "'quick' or 'full'"),
        ({"target": "example.com", "scan_mode": None}, "scan_mode", "'quick' or 'full'"),
        ({"target": "example.com", "scan_mode": True}, "scan_mode", "'quick' or 'full'"),
        ({"target": "example.com", "speed": 9}, "speed", "unknown field 'speed'"),
    ],
)
def test_a_wrong_field_is_named(body: dict[str, object], field: str, words: str) -> None:
    with pytest.raises(BadInput) as caught:
        read_model(ScanBody, json.dumps(body).encode())
    assert caught.value.field == field
    assert words in str(caught.value)


def test_scan_mode_is_quick_unless_said() -> None:
    assert read_model(ScanBody, b'{"target":"example.com"}').scan_mode == "quick"

"""Where a webhook may go, as text: read as it is meant, or refused with the reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrecon.model.errors import BadInput
from secrecon.model.webhook import parse_hook_url


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("https://Hooks.Example.com", "https://hooks.example.com/"),
        ("https://hooks.example.com:443/a?b=c", "https://hooks.example.com/a?b=c"),
        ("https://hooks.example.com:8443", "https://hooks.example.com:8443/"),
        ("http://[::1]:8000/x", "http://[::1]:8000/x"),
        ("https://127.0.0.1?x", "https://127.0.0.1/?x"),
    ],
)
def test_a_url_is_read_and_written_alike(text: str, told: str) -> None:
    assert str(parse_hook_url(text)) == told
    assert str(parse_hook_url(told)) == told


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hooks.example.com",
        "ftp://hooks.example.com/",
        "file:///etc/passwd",
        "https://",
        "https:///x",
        "https://user:secret@hooks.example.com/",
        "https://hooks.example.com/#part",
        "https://hooks.example.com:0/",
        "https://hooks.example.com:99999/",
        "https://hooks.example.com:http/",
        "https://[::1/",
        "https://hooks.exam ple.com/",
        "https://hooks.example.com/\n",
        "https://hooks.example.com/\u00e9",
        "https://" + "a" * 3_000,
        "https://-bad-.example.com/",
    ],
)
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadInput) as refused:
        parse_hook_url(text)
    assert refused.value.field == "url"


@given(st.text(max_size=60))
def test_any_text_is_a_url_or_bad_input(text: str) -> None:
    try:
        url = parse_hook_url("https://" + text)
    except BadInput:
        return
    assert str(parse_hook_url(str(url))) == str(url)

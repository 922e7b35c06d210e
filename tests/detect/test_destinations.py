import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrecon.detect.destinations import (
    fetch_rank,
    host_in,
    looks_like_host,
    looks_like_url,
    redirect_rank,
    words_of,
)
from secrecon.model.asset import InputPlace, Parameter


def query(name: str, value: str = "") -> Parameter:
    return Parameter(name, InputPlace.QUERY, value)


@pytest.mark.parametrize(
    ("name", "value", "rank"),
    [
        ("anything", "http://example.com/x", 3),
        ("q", "//cdn.example.com/a.js", 3),
        ("url", "", 2),
        ("imageUrl", "", 2),
        ("image_url", "", 2),
        ("data[avatar-src]", "", 2),
        ("imageurl", "", 2),
        ("source.url", "", 2),
        ("callback", "", 2),
        ("WebHookURL", "", 2),
        ("next", "", 1),
        ("file", "", 1),
        ("q", "example.com", 1),
        ("q", "hello", 0),
        ("curly", "", 0),
        ("id", "7", 0),
        ("name", "report.pdf", 0),
    ],
)
def test_names_and_values_rank_inputs(name: str, value: str, rank: int) -> None:
    assert fetch_rank(query(name, value)) == rank


@pytest.mark.parametrize(
    ("parameter", "rank"),
    [
        (query("next", "/account"), 2),
        (query("returnUrl"), 1),
        (query("redirect_uri", "https://x.example/"), 2),
        (query("page", "/home"), 1),
        (query("id", "5"), 0),
        (Parameter("next", InputPlace.HEADER, "/x"), 0),
        (Parameter("next", InputPlace.JSON, "/x"), 0),
    ],
)
def test_redirect_inputs(parameter: Parameter, rank: int) -> None:
    assert redirect_rank(parameter) == rank


@pytest.mark.parametrize(
    ("text", "host", "url"),
    [
        ("example.com", True, False),
        ("example.com:8080/x", True, False),
        ("192.0.2.1", True, False),
        ("1.2", False, False),
        ("1.5.0-beta", False, False),
        ("index.php", False, False),
        ("http://x", False, True),
        ("HTTPS://X.example", False, True),
        ("//x.example/y", False, True),
        ("//comment", False, False),
        ("a b.c", False, False),
        ("", False, False),
    ],
)
def test_what_looks_like_a_host_or_url(text: str, host: bool, url: bool) -> None:
    assert (looks_like_host(text), looks_like_url(text)) == (host, url)


def test_the_authority_of_a_value() -> None:
    assert host_in("http://user@static.acme.test:8080/logo.txt") == "static.acme.test:8080"
    assert host_in("static.acme.test:81/x") == "static.acme.test:81"
    assert host_in("hello") == ""
    assert host_in("http://[bad/") == ""


@given(st.text(max_size=60), st.text(max_size=60))
def test_nothing_makes_it_fail(name: str, value: str) -> None:
    parameter = query(name, value)
    assert 0 <= fetch_rank(parameter) <= 3
    assert 0 <= redirect_rank(parameter) <= 2
    host_in(value)
    assert all(word.islower() for word in words_of(name))

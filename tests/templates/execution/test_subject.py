"""What a target is read as, and the variables that come from it."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrecon.model.errors import BadInput
from secrecon.templates.execution.subject import parse_subject, split_authority, target_variables


def variables(target: str, *, cut_slash: bool = False) -> dict[str, str]:
    found = target_variables(parse_subject(target), cut_slash=cut_slash)
    return {name: value.decode() for name, value in found.items() if isinstance(value, bytes)}


def test_every_variable_of_a_target() -> None:
    assert variables("https://App.shop.acme.co.uk:8443/a/b%20c/d.php?x=1&y#z") == {
        "BaseURL": "https://App.shop.acme.co.uk:8443/a/b%20c/d.php",
        "RootURL": "https://App.shop.acme.co.uk:8443",
        "Hostname": "App.shop.acme.co.uk:8443",
        "Host": "app.shop.acme.co.uk",
        "Port": "8443",
        "Path": "/a/b%20c",
        "File": "d.php",
        "Query": "?x=1&y",
        "Scheme": "https",
        "Input": "https://App.shop.acme.co.uk:8443/a/b%20c/d.php",
        "FQDN": "app.shop.acme.co.uk",
        "RDN": "acme.co.uk",
        "DN": "acme",
        "TLD": "co.uk",
        "SD": "app.shop",
    }


@pytest.mark.parametrize(
    ("target", "name", "value"),
    [
        ("http://a.test", "BaseURL", "http://a.test"),
        ("http://a.test/", "BaseURL", "http://a.test/"),
        ("http://a.test/", "Path", "/"),
        ("http://a.test/b", "Path", "/"),
        ("http://a.test/b", "File", "b"),
        ("http://a.test", "Port", "80"),
        ("https://a.test", "Port", "443"),
        ("https://a.test", "Query", ""),
        ("http://[::1]:8080/x", "Hostname", "[::1]:8080"),
        ("http://[::1]:8080/x", "Host", "::1"),
        ("http://10.0.0.1/x", "FQDN", "10.0.0.1"),
        ("http://10.0.0.1/x", "RDN", ""),
        ("http://acme.com", "SD", ""),
        ("http://user:word@acme.com/", "Hostname", "acme.com"),
        ("acme.com/x", "BaseURL", "http://acme.com/x"),
    ],
)
def test_a_variable_at_its_edges(target: str, name: str, value: str) -> None:
    assert variables(target)[name] == value


def test_one_slash_is_cut_where_the_text_goes_on_with_its_own() -> None:
    assert variables("http://a.test/b/", cut_slash=True)["BaseURL"] == "http://a.test/b"
    assert variables("http://a.test/b//", cut_slash=True)["BaseURL"] == "http://a.test/b/"
    assert variables("http://a.test/b/", cut_slash=True)["RootURL"] == "http://a.test"


@pytest.mark.parametrize(
    "target",
    ["", "ftp://a.test", "http://", "http://a.test:0", "http://a.test:70000", "http://a b/", "http://[::1"],
)
def test_what_is_no_target_is_told(target: str) -> None:
    with pytest.raises(BadInput):
        parse_subject(target)


@given(st.text(max_size=60))
def test_any_text_is_a_target_or_an_error(text: str) -> None:
    with contextlib.suppress(BadInput):
        subject = parse_subject(text)
        assert 0 < subject.origin.port < 65_536
        target_variables(subject, cut_slash=True)
    with contextlib.suppress(BadInput):
        split_authority(text, 80)

"""Passive sources: each shipped one reads its documented form; whatever else comes is refused or bounded."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrecon.detect import name_sources
from secrecon.detect.name_sources import NameSource, chosen, read_sources
from secrecon.model.errors import OperatorError, ProtocolBroken

SHIPPED = {
    source.id: source
    for source in read_sources(Path(str(resources.files("secrecon.rules").joinpath("names/sources.yaml"))))
}
DOMAIN = "acme.test"

ANSWERS: dict[str, tuple[object, set[str]]] = {
    "crtsh": (
        [{"common_name": "www.acme.test", "name_value": "a.acme.test\n*.b.acme.test"}],
        {"www.acme.test", "a.acme.test", "*.b.acme.test"},
    ),
    "certspotter": ([{"id": "7", "dns_names": ["c.acme.test"]}], {"c.acme.test"}),
    "otx": ({"passive_dns": [{"hostname": "d.acme.test", "address": "192.0.2.1"}]}, {"d.acme.test"}),
    "virustotal": ({"data": [{"id": "e.acme.test", "type": "domain"}], "links": {}}, {"e.acme.test"}),
    "securitytrails": ({"subdomains": ["f"], "meta": {}}, {"f.acme.test"}),
    "shodan": ({"subdomains": ["g"], "data": []}, {"g.acme.test"}),
}


@pytest.mark.parametrize("id_", sorted(SHIPPED))
def test_each_shipped_source_reads_its_form(id_: str) -> None:
    source = SHIPPED[id_]
    assert source.terms
    assert source.about.startswith("https://")
    url = source.first(DOMAIN)
    if id_ == "hackertarget":
        names, _ = source.read(url, b"h.acme.test,192.0.2.1\nAPI count exceeded\n", DOMAIN)
        assert names == ("h.acme.test",)
        return
    document, expected = ANSWERS[id_]
    names, _ = source.read(url, json.dumps(document).encode(), DOMAIN)
    assert set(names) == expected


def test_a_key_is_in_the_header_or_url_and_in_no_other_text() -> None:
    spotter, shodan, vt = chosen(list(SHIPPED.values()), ("certspotter=abc", "shodan=def", "virustotal"))
    assert spotter.headers() == {"Authorization": "Bearer abc"}
    assert "key=def" in shodan.first(DOMAIN)
    assert not vt.ready
    assert vt.headers() == {}
    assert "abc" not in repr(spotter)


def test_the_next_page_must_be_on_the_same_service() -> None:
    vt, spotter = SHIPPED["virustotal"], SHIPPED["certspotter"]
    url = vt.first(DOMAIN)
    same = json.dumps({"data": [], "links": {"next": "https://www.virustotal.com/api/v3/next"}}).encode()
    other = json.dumps({"data": [], "links": {"next": "https://evil.example/"}}).encode()
    assert vt.read(url, same, DOMAIN)[1] == "https://www.virustotal.com/api/v3/next"
    assert vt.read(url, other, DOMAIN)[1] == ""
    first = spotter.first(DOMAIN)
    _, second = spotter.read(first, b'[{"id": "41", "dns_names": []}, {"id": "42", "dns_names": []}]', DOMAIN)
    assert second == f"{first}&after=42"
    assert spotter.read(second, b'[{"id": "43", "dns_names": []}]', DOMAIN)[1] == f"{first}&after=43"
    assert spotter.read(second, b"[]", DOMAIN)[1] == ""
    assert spotter.read(second, b'[{"id": "4&x=", "dns_names": []}]', DOMAIN)[1] == ""


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(wire: bytes) -> None:
    try:
        names, _ = SHIPPED["crtsh"].read("https://crt.sh/", wire, DOMAIN)
    except ProtocolBroken:
        return
    assert all(isinstance(name, str) for name in names)


def test_depth_and_number_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ProtocolBroken):
        SHIPPED["crtsh"].read("https://crt.sh/", b"[" * 200_000, DOMAIN)
    monkeypatch.setattr(name_sources, "MAX_NAMES", 10)
    many = json.dumps([{"name_value": f"n{number}.acme.test"} for number in range(500)]).encode()
    assert len(SHIPPED["crtsh"].read("https://crt.sh/", many, DOMAIN)[0]) <= 11


@pytest.mark.parametrize(
    "text",
    [
        "nothing: here",
        "- [a]",
        "- {id: a, title: b, url: https://x/}",
        "- {id: a, title: b, url: ftp://x/, names: [lines]}",
        "- {id: a, title: b, url: http://192.0.2.1/, names: [lines]}",
        "- {id: a, title: b, url: https://x/, names: lines}",
        "- {id: a, title: b, url: https://x/, names: [lines], key: maybe}",
        "- {id: a, title: b, url: https://x/, names: [lines], secret: s}",
        "{",
    ],
)
def test_a_wrong_list_is_refused_in_words(tmp_path: Path, text: str) -> None:
    path = tmp_path / "sources.yaml"
    path.write_text(text)
    with pytest.raises(OperatorError, match=r"sources\.yaml"):
        read_sources(path)


def test_an_unknown_source_is_named() -> None:
    with pytest.raises(ValueError, match="no source of names is called 'nope'"):
        chosen([NameSource("a", "A", "https://x/", ("lines",))], ("nope",))

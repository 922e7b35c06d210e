"""A feed of fingerprints: read leniently, used beside our own in one pass, never instead of them, and named in the evidence."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.detect.test_fingerprint import ASSET, HTML, exchange

from secrecon.detect.fingerprint import Fingerprints
from secrecon.detect.fingerprint_patterns import PatternSet
from secrecon.detect.wappalyzer import CONFIDENCE, Imported, read

FILE = {
    "apps": {
        "Acme Shop": {
            "cats": [6],
            "headers": {"X-Shop": "acme/([\\d.]+)\\;version:\\1", "X-Only": ""},
            "cookies": {"shopsess": ""},
            "scriptSrc": ["/(?:v\\d/)?shop[^()]([\\d.]+)\\.js\\;version:\\1\\;confidence:50"],
            "implies": ["PHP\\;confidence:50", "Acme Engine", "Unheard"],
            "cpe": "cpe:2.3:a:acme:shop:*:*:*:*:*:*:*:*",
        },
        "Acme Engine": {"cats": [1], "html": "<!-- acme-engine -->", "js": {"acme": "", "acme.version": ""}},
        "nginx": {"cats": [22], "headers": {"server": "nginx(?:/([\\d.]+))?\\;version:\\1"}},
        "Another Name": {"cats": [1], "html": "boom", "cpe": "cpe:2.3:a:f5:nginx:*:*:*:*:*:*:*:*"},
        "Bad": {
            "cats": [1],
            "scriptSrc": ["(?!no)look", "(unclosed", "a{1,9999}", "x" * 500, "ab"],
            "html": [7, None, "caf\u00e9 page", {"a": 1}],
            "headers": ["list"],
            "meta": {"generator": ["Bad ([a-z]+)\\;version:\\1"], "with space": "x"},
            "dom": ["a", "b"],
            "implies": {"x": 1},
        },
        "Worse": "text",
    }
}


@pytest.fixture(scope="module")
def own() -> Fingerprints:
    return Fingerprints.load()


@pytest.fixture(scope="module")
def imported(own: Fingerprints) -> Imported:
    return read(json.dumps(FILE).encode(), own.all)


@pytest.fixture(scope="module")
def together(own: Fingerprints, imported: Imported) -> Fingerprints:
    return own.with_more(imported.fingerprints, "feed")


def test_what_is_used_and_what_is_not_is_counted(imported: Imported) -> None:
    assert [entry.id for entry in imported.fingerprints] == ["acme-shop", "acme-engine", "bad"]
    assert (imported.technologies, imported.ours) == (6, 2)
    # of Acme Engine: two that need a browser; of Bad: five scripts, one page text, one meta tag, two of a browser; Worse
    assert imported.left_out == 2 + 5 + 1 + 1 + 2 + 1
    assert "3 of 6 technologies are used, 2 are told by our own" in imported.note
    assert imported.fingerprints[0].implies == ("php", "acme-engine")


def test_sightings_name_the_feed_and_carry_version_and_cpe(together: Fingerprints) -> None:
    page = '<html><script src="/v2/shop-3.1.4.js"></script><meta name="generator" content="Bad abc"></html>'
    headers = (HTML, ("X-Shop", "acme/2.7.0."), ("Set-Cookie", "shopsess=1"))
    found = {(t.name, t.version): t for t in together.identify(ASSET, exchange(page, headers))}
    shop = found["acme-shop", "2.7.0"]
    assert (shop.cpe, shop.confidence) == ("cpe:2.3:a:acme:shop", CONFIDENCE)
    assert shop.evidence == "header x-shop: acme/2.7.0. (told by wappalyzergo)"
    assert found["acme-shop", "3.1.4"].confidence == CONFIDENCE / 2
    assert found["php", ""].evidence == "implied by acme-shop (told by wappalyzergo)"
    assert ("bad", "") in found  # letters alone are no version


def test_our_own_win(together: Fingerprints) -> None:
    (nginx,) = together.identify(ASSET, exchange("boom", (HTML, ("Server", "nginx/1.18.0"))))
    assert (nginx.name, nginx.version) == ("nginx", "1.18.0")
    assert "wappalyzergo" not in nginx.evidence


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"apps": {}}', b'{"apps": 7}', b"{", b"[" * 100_000])
def test_what_is_no_such_file_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read(text)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=20)
    | st.sampled_from(["(a)\\;version:\\1", "[", "(("]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["Server", "x"]), inner, max_size=2)
    ),
    max_leaves=6,
)
FIELDS = st.dictionaries(
    st.sampled_from(["headers", "cookies", "meta", "html", "scriptSrc", "scripts", "js", "cpe", "implies"]), JSON
)


@given(st.dictionaries(st.text(min_size=1, max_size=12), FIELDS | JSON, min_size=1, max_size=4))
def test_whatever_it_holds_nothing_breaks(apps: dict[str, object]) -> None:
    found = read(json.dumps({"apps": apps}).encode())
    Fingerprints(found.fingerprints).identify(ASSET, exchange("<html>ab</html>", (HTML, ("Server", "a"))))


@pytest.mark.skipif("SECRECON_TEST_DATA" not in os.environ, reason="no test data: set SECRECON_TEST_DATA")
def test_a_real_file_is_used_and_one_pass_finds_what_each_pattern_does(own: Fingerprints) -> None:
    (file,) = Path(os.environ["SECRECON_TEST_DATA"]).glob("fingerprints/wappalyzergo-fingerprints*.json.gz")
    found = read(gzip.decompress(file.read_bytes()), own.all)
    assert len(found.fingerprints) > 5_000
    patterns = [
        condition.pattern
        for entry in found.fingerprints
        for signal in entry.signals
        for condition in signal.conditions
        if condition.kind == "script"
    ]
    texts = [
        b"https://cdn.test/npm/chart.js@2.9.4/dist/Chart.min.js",
        b"https://js.stripe.com/v3/",
        b"https://shop.test/wp-content/plugins/woocommerce/assets/js/a.js?ver=4.1.0",
    ]
    whole = PatternSet(patterns)
    for text in texts:
        one_by_one = [number for number in range(len(patterns)) if whole.search(number, text) is not None]
        assert one_by_one
        assert list(whole.matching(text)) == one_by_one

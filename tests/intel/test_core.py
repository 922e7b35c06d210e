"""The curated core is read strictly: what contradicts itself is refused, with file and entry named."""

from __future__ import annotations

import pytest

from secrecon.intel.core import FEED_NAME, load_core, parse_core
from secrecon.intel.versions import Range
from secrecon.model.errors import OperatorError
from secrecon.model.finding import Severity

MANIFEST = "date: 2026-11-23\nkev_catalogue: 2026-10-16\n"
PRODUCT = """
id: thing
name: Thing
cpe: ['cpe:2.3:a:vendor:thing']
fingerprints: [thing]
scheme: dotted
parts: 3
cves:
  - id: CVE-2020-0001
    title: A flaw of the thing
    severity: critical
    cvss: {vector: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H', score: 9.8}
    cwe: [CWE-22]
    kev: {listed: true, added: 2021-11-03}
    affected: [{introduced: 1.0.0, fixed: 1.2.0}, {exactly: 2.0.0}]
    needs: an option that is off by default
    summary: A path is not checked before it is opened.
    impact: A stranger can read files of the server.
    fix: Update the thing to 1.2.0 or later.
    references: ['https://vendor.test/1']
    checked: 2026-11-23
"""


def test_a_good_core_is_read() -> None:
    core = parse_core({"_core.yaml": MANIFEST, "thing.yaml": PRODUCT})
    (product,) = core.products
    (cve,) = product.cves
    assert (core.date, core.kev_catalogue) == ("2026-11-23", "2026-10-16")
    assert cve.affected == (Range("1.0.0", fixed="1.2.0"), Range("2.0.0", last="2.0.0"))
    assert (cve.severity, cve.cvss_score, cve.kev, cve.kev_added) == (Severity.CRITICAL, 9.8, True, "2021-11-03")
    assert core.feed.name == FEED_NAME
    assert (core.feed.rows, core.feed.date) == (1, "2026-11-23")
    assert len(core.feed.digest) == 64


def test_the_digest_follows_the_content() -> None:
    one = parse_core({"_core.yaml": MANIFEST, "thing.yaml": PRODUCT})
    again = parse_core({"thing.yaml": PRODUCT, "_core.yaml": MANIFEST})
    other = parse_core({"_core.yaml": MANIFEST, "thing.yaml": PRODUCT.replace("1.2.0", "1.2.1")})
    assert one.digest == again.digest != other.digest


def test_a_product_is_found_by_name_or_by_cpe() -> None:
    core = parse_core({"_core.yaml": MANIFEST, "thing.yaml": PRODUCT})
    assert core.product("thing", "") is core.products[0]
    assert core.product("other-name", "cpe:2.3:a:vendor:thing:1.0") is core.products[0]
    assert core.product("other-name", "cpe:2.3:a:vendor:thingy") is None
    assert core.product("other-name", "") is None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("score: 9.8", "score: 9.7"), "CVE-2020-0001.*9.8"),
        (("severity: critical", "severity: high"), "CVE-2020-0001"),
        (("CVSS:3.1/AV:N", "CVSS:3.1/AV:Q"), "CVE-2020-0001"),
        (("{listed: true, added: 2021-11-03}", "{listed: true}"), "CVE-2020-0001"),
        (("{listed: true, added: 2021-11-03}", "{listed: false, added: 2021-11-03}"), "CVE-2020-0001"),
        (("introduced: 1.0.0, fixed: 1.2.0", "introduced: 1.2.0, fixed: 1.0.0"), "CVE-2020-0001.*empty"),
        (("introduced: 1.0.0, fixed: 1.2.0", "introduced: 1.0.0"), "CVE-2020-0001"),
        (("introduced: 1.0.0, fixed: 1.2.0", "introduced: 1.0.0, fixed: 1.2.0-x"), "CVE-2020-0001"),
        (("exactly: 2.0.0", "exactly: 2.0.0, introduced: 1.0.0"), "CVE-2020-0001"),
        (("https://vendor.test/1", "http://vendor.test/1"), "CVE-2020-0001"),
        (("fix: Update the thing to 1.2.0 or later.", "fix: ''"), "CVE-2020-0001"),
        (("scheme: dotted", "scheme: guess"), "thing.yaml"),
        (("parts: 3", "parts: 3\nextra: 1"), "thing.yaml"),
        (("id: thing", "id: ["), "thing.yaml"),
    ],
)
def test_a_contradiction_is_refused(change: tuple[str, str], told: str) -> None:
    assert change[0] in PRODUCT
    with pytest.raises(OperatorError, match=f"(?s){told}"):
        parse_core({"_core.yaml": MANIFEST, "thing.yaml": PRODUCT.replace(*change, 1)})


def test_names_are_used_once() -> None:
    with pytest.raises(OperatorError, match="twice"):
        parse_core(
            {"_core.yaml": MANIFEST, "a.yaml": PRODUCT, "b.yaml": PRODUCT.replace("id: thing", "id: thing2")}
        )


def test_a_core_without_its_manifest_is_no_core() -> None:
    with pytest.raises(OperatorError, match="reinstall"):
        parse_core({"thing.yaml": PRODUCT})


def test_the_shipped_core_loads() -> None:
    core = load_core()
    assert core.feed.rows >= 60
    assert str(len(core.products)) in core.feed.note

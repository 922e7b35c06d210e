"""Fingerprint files are read strictly: an error names the file and the entry."""

from __future__ import annotations

import pytest

from secrecon.detect.fingerprint_format import Condition, parse_files
from secrecon.model.errors import OperatorError

GOOD = """
category: server
technologies:
  - id: thing
    name: Thing
    cpe: cpe:2.3:a:vendor:thing
    implies: [other]
    signals:
      - header: {Server: '^Thing/{v}'}
        status: [200, 404]
        confidence: 0.95
      - html: ['one', 'two']
  - id: other
    name: Other
    signals: [{title: '^Other$'}]
"""


def test_a_good_file_is_read() -> None:
    thing, other = parse_files({"a.yaml": GOOD})
    assert (thing.id, thing.category, thing.cpe, thing.implies) == (
        "thing",
        "server",
        "cpe:2.3:a:vendor:thing",
        ("other",),
    )
    header, status = thing.signals[0].conditions
    assert header == Condition("header", "server", r"^Thing/(?P<version>\d+(?:\.\d+)+)")
    assert status.pattern == "200,404"
    assert [condition.pattern for condition in thing.signals[1].conditions] == ["one", "two"]
    assert other.signals[0].confidence == 0.9


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("cpe: cpe:2.3:a:vendor:thing", "cpe: vendor:thing"), "entry thing"),
        (("implies: [other]", "implies: [nobody]"), "nobody"),
        (("'^Thing/{v}'", "'^Thing/(('"), "entry thing"),
        (("'^Thing/{v}'", "'^Thing/(?=x)'"), "entry thing"),
        (("header: {Server", "heading: {Server"), "entry thing"),
        (("confidence: 0.95", "confidence: 1.5"), "entry thing"),
        (("id: other", "id: thing"), "twice"),
        (("title: '^Other$'", "status: [200]"), "entry other"),
        (("title: '^Other$'", "title: ''"), "entry other"),
        (("title: '^Other$'", "title: 'Ö'"), "entry other"),
        (("category: server", "kind: server"), "a.yaml"),
        (("technologies:", "technologies: ["), "a.yaml"),
        (("name: Other", "name: 7"), "entry other"),
    ],
)
def test_a_bad_file_is_refused_by_name(change: tuple[str, str], told: str) -> None:
    assert change[0] in GOOD
    with pytest.raises(OperatorError, match=told):
        parse_files({"a.yaml": GOOD.replace(*change)})

"""Pages of one kind: by what their addresses have in common, and by how they are built."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrecon.detect.html import read_html
from secrecon.detect.pagekind import amounts, canonical, endless, kind, siblings, structure


def built(body: str) -> str:
    return structure(read_html(body.encode()).tags)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("/a;jsessionid=AB12?x=1", "/a?x=1"),
        ("/a?b=2&a=1", "/a?a=1&b=2"),
        ("/(S(abc123))/a", "/a"),
        ("/a?PHPSESSID=1f&x=1", "/a?x=1&utm_source=mail"),
        ("/a?", "/a"),
    ],
)
def test_visits_of_one_page(one: str, other: str) -> None:
    assert canonical(one) == canonical(other)


def test_other_pages() -> None:
    assert canonical("/a?x=1") != canonical("/a?x=2")
    assert canonical("/a;v=1") != canonical("/a")


def test_kinds() -> None:
    assert kind("/s/8f3ab2c9d1e4/x") == kind("/s/1a2b3c4d5e6f/x")
    assert kind("/item/12?b=1&a=2") == kind("/item/7?a=9&b=3")
    assert kind("/winter-2024-sale") == kind("/winter-2023-sale")
    assert kind("/about") != kind("/contact")
    assert siblings("/docs/install.html") == siblings("/docs/upgrade.html") != siblings("/docs/install.txt")
    assert siblings("/docs/a?x=1") != siblings("/docs/a")


def test_what_leads_round_in_circles() -> None:
    assert endless("/a/b/a/b")
    assert endless("/a/a/a")
    assert endless("/" + "/".join(f"x{n}" for n in range(20)))
    assert endless("/?" + "&".join(["c=1"] * 6))
    assert endless("/en/docs/en/") == ""
    assert endless("/a?b=1&b=2") == ""


def test_amounts_with_their_values() -> None:
    assert amounts("/x?pageSize=20&q=a") == (("pageSize", "20"),)


def test_pages_that_differ_in_text_and_in_rows_are_built_alike() -> None:
    page = "<html><body><div><ul><li><a href=/1>one</a></li>{}</ul></div></body></html>"
    row = "<li><a href=/2>an<b>oth</b>er</a></li>"
    assert built(page.format(row)) == built(page.format(row * 30))


def test_a_new_part_or_a_new_field_is_another_structure() -> None:
    assert built("<div><p>x</p></div>") != built("<div><table><tr><td>x</td></tr></table></div>")
    assert built("<form><input name=q></form>") != built("<form><input name=url></form>")


@given(st.text(max_size=300))
def test_never_raises(text: str) -> None:
    target = "/" + text
    kind(target)
    siblings(target)
    endless(target)
    assert canonical(canonical(target)) == canonical(target)

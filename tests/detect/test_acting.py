"""What must be left alone: by its words in several languages, its label, its attributes, and what it asks for."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrecon.detect.acting import (
    acting_attribute,
    acting_label,
    acting_word,
    asks_amount,
    holds_nul,
    oversized,
    refusal,
)


@pytest.mark.parametrize(
    "target",
    [
        "/user/abmelden",
        "/" + quote("déconnexion"),
        "/cerrar-sesion",
        "/cerrarSesion.do",
        "/" + quote("löschen") + "/3",
        "/supprimer?id=1",
        "/eliminar/3",
        "/items/3/usun",
        "/" + quote("登出"),
        "/a?do=" + quote("выйти"),
        "/log_me_out",
        "/?logout",
        "/?logout=1",
        "/x?action=doLogout",
        "/x?_method=DELETE",
        "/x?http_method=put",
        "/shop/?add-to-cart=12",
        "/x?op=run&id=1",
        "/wp-cron.php",
        "/setup/install.php?step=2",
        "/admin/factory-reset",
        "/system/poweroff",
        "/list?unsubscribe=abc",
        "/api/users/5/deactivate",
        "/account/Abbestellen.aspx",
    ],
)
def test_words_that_act(target: str) -> None:
    assert acting_word(target)


@pytest.mark.parametrize(
    "target",
    [
        "/users/add",
        "/docs/installation-guide",
        "/blog/how-we-removed-it",
        "/search?q=start",
        "/items?start=20",
        "/news/" + quote("überblick"),
        "/import",
        "/run/7",
        "/profile?tab=orders",
        "/cafe/menu",
        "/x?method=get",
        "/clear-coats",
        "/events?type=party",
    ],
)
def test_words_that_do_not(target: str) -> None:
    assert acting_word(target) == ""


@pytest.mark.parametrize(
    "label", ["Delete", " Log out ", "Sign out", "Konto löschen", "削除", "Remove item", "Reset"]
)
def test_labels_that_act(label: str) -> None:
    assert acting_label(label)


@pytest.mark.parametrize(
    "label", ["", "Orders", "About us", "How we delete the data of those who left us", "Undeleted", "Archive"]
)
def test_labels_that_do_not(label: str) -> None:
    assert acting_label(label) == ""


def test_attributes_that_act() -> None:
    assert acting_attribute({"data-method": "DELETE"}) == "delete"
    assert acting_attribute({"onclick": "return confirm('sure?')"})
    assert acting_attribute({"data-turbo-confirm": ""})
    assert acting_attribute({"data-method": "get", "onclick": "open()"}) == ""


@pytest.mark.parametrize(
    "target",
    [
        "/x?size=9999999",
        "/x?size=1e9",
        "/x?limit=-1",
        "/x?limit=all",
        "/x?size=10MB",
        "/x?bytes=2k",
        "/x?n=0xffffff",
        "/x?delay=3",
        "/x?sleep=60s",
        "/x?timeout=5000ms",
        "/delay/10",
        "/bytes/100000",
        "/x?depth=5000",
        "/x?imageWidth=20000",
        "/x?anzahl=99999",
    ],
)
def test_amounts_that_are_too_large(target: str) -> None:
    assert oversized(target)


@pytest.mark.parametrize(
    "target",
    [
        "/x?size=64",
        "/x?limit=100",
        "/x?delay=1",
        "/x?timeout=500ms",
        "/delay/1",
        "/bytes/64",
        "/x?id=9999999",
        "/2026/5000",
    ],
)
def test_amounts_that_are_not(target: str) -> None:
    assert oversized(target) == ""


def test_names_of_amounts() -> None:
    assert all(map(asks_amount, ("size", "pageSize", "max_depth", "delaySeconds", "Limit", "perPage")))
    assert not any(map(asks_amount, ("id", "url", "depthcharge", "name", "q")))


def test_nul_bytes_however_they_are_written() -> None:
    assert holds_nul("/a%00b")
    assert holds_nul("/a%2500b")
    assert not holds_nul("/a%20b")
    assert refusal("/a?f=x%00.png") == "NUL"


@given(st.text(max_size=300))
def test_never_raises(text: str) -> None:
    acting_label(text)
    asks_amount(text)
    refusal("/" + text)

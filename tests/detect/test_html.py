"""The tokenizer: what browsers see as tags, and nothing that makes it slow or large."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrecon.detect.html import MAX_TAGS, looks_like_html, read_html


def test_tags_attributes_and_entities() -> None:
    document = read_html(b"<TITLE> A &amp;\n B </title><A HREF='/x?a=1&amp;b=2' data-x=y disabled>t</a><br/>")
    link = next(tag for tag in document.tags if tag.name == "a")
    assert document.title == "A & B"
    assert link.attributes == {"href": "/x?a=1&b=2", "data-x": "y", "disabled": ""}
    assert [tag.name for tag in document.tags if tag.closing] == ["title", "a"]


def test_comments_scripts_and_quoted_values_hide_tags() -> None:
    document = read_html(
        b"<!-- <a href=/1> --><script>var x='<a href=/2>'</script><p title='<a href=/3>'><textarea><a href=/4></textarea>"
    )
    assert [tag.name for tag in document.tags if not tag.closing] == ["script", "p", "textarea"]
    assert document.tags[0].text == b"var x='<a href=/2>'"


def test_the_first_of_two_attributes_counts() -> None:
    assert read_html(b"<a href=/1 href=/2>").tags[0].get("href") == "/1"


@pytest.mark.parametrize(
    "body",
    [
        b"<div>" * 400_000,
        b"<a " + b"".join(b"a%d=1 " % i for i in range(200_000)) + b">",
        b"".join(b"<i a=%d><p>" % i for i in range(100_000)),
        b"<" * 2_000_000,
        b"<!--" * 500_000,
        b"<a x='" * 300_000,
        b"<script>" * 250_000,
        b"&#" + b"9" * 1_000_000,
        b"<a href='&#" + b"9" * 1_000_000 + b"'>",
    ],
)
def test_pages_made_to_hang_a_parser_do_not(body: bytes) -> None:
    before = time.perf_counter()
    document = read_html(body)
    assert len(document.tags) <= MAX_TAGS
    assert time.perf_counter() - before < 5


def test_a_page_of_a_million_tags_is_cut_and_says_so() -> None:
    assert str(MAX_TAGS) in read_html(b"<b>" * 600_000).cut
    assert read_html(b"<b>" * 10).cut == ""


def test_html_is_told_by_type_or_by_its_first_bytes() -> None:
    assert looks_like_html("text/html", b"")
    assert looks_like_html("", b"\n<!DOCTYPE html><p>")
    assert not looks_like_html("application/json", b"<html>")
    assert not looks_like_html("", b"key = <html>")


@given(st.binary(max_size=600))
def test_never_raises(body: bytes) -> None:
    document = read_html(body)
    assert document.title is not None
    assert len(document.tags) <= len(body)


@given(st.text(alphabet="<>/='\" !-adhrefscipt&#;", max_size=300))
def test_never_raises_on_markup_soup(text: str) -> None:
    read_html(text.encode())

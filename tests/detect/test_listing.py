"""Listings of real servers, and pages that are only called so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrecon.detect.listing import listed_entries
from secrecon.model.target import Origin

OPS = Origin("http", "ops.acme.test", 8080)
NGINX = (
    b"<html>\r\n<head><title>Index of /my%20files/</title></head>\r\n<body>\r\n<h1>Index of /my files/</h1><hr><pre>"
    b'<a href="../">../</a>\r\n<a href="sub/">sub/</a>  05-Jan-2026\r\n<a href="a%20b.txt">a b.txt</a></pre></body>'
)
APACHE = (
    b'<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN">\n<html><head><title>Index of /files</title></head><body>'
    b'<h1>Index of /files</h1><table><tr><th><a href="?C=N;O=D">Name</a></th></tr><tr><td>'
    b'<a href="/">Parent Directory</a></td></tr><tr><td><a href="dump.sql">dump.sql</a></td></tr></table>'
)
PYTHON = (
    b'<!DOCTYPE HTML><html lang="en"><head><title>Directory listing for /files/</title></head><body>'
    b'<h1>Directory listing for /files/</h1><hr><ul><li><a href="a.txt">a.txt</a></li></ul>'
)
IIS = (
    b"<html><head><title>ops - /files/</title></head><body><H1>ops - /files/</H1><hr><pre>"
    b'<A HREF="/">[To Parent Directory]</A><br> <A HREF="/files/a.txt">a.txt</A>'
)


@pytest.mark.parametrize(
    ("target", "body", "names"),
    [
        ("/my%20files/", NGINX, ("sub/", "a b.txt")),
        ("/files/", APACHE, ("dump.sql",)),
        ("/files/", PYTHON, ("a.txt",)),
        ("/files/", IIS, ("a.txt",)),
    ],
)
def test_listings(target: str, body: bytes, names: tuple[str, ...]) -> None:
    assert listed_entries(OPS, target, body) == names


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<title>Index of anvil prices</title><h1>Index of anvil prices</h1><a href='a.txt'>a</a>",
        NGINX,
        APACHE.replace(b"/files", b"/other"),
        PYTHON.replace(b"<li>", b"<li><a href='/shop/buy'>Buy</a>"),
        b"<h1>Index of /files/</h1><a href='../'>../</a>",
        b"<p>Index of /files/</p><a href='a.txt'>a</a>",
    ],
)
def test_pages_that_are_none(body: bytes) -> None:
    assert listed_entries(OPS, "/files/", body) == ()


def test_only_folders_are_listed() -> None:
    assert listed_entries(OPS, "/files", APACHE) == ()


@given(st.binary(max_size=300))
def test_never_raises(body: bytes) -> None:
    listed_entries(OPS, "/files/", b"<h1>Index of /files/</h1>" + body)

import zlib

import pytest

from secrecon.oast.answers import MAX_HOPS, answer_for, hops
from secrecon.oast.httpcatch import HttpCatcher, markers, page
from secrecon.oast.tokens import marker

TOKEN = "abcdefghij0123456789" + "nonce67890123"
MARK = marker(TOKEN)


def walked(path: str) -> list[tuple[str, str]]:
    """Status and path of every step."""
    steps: list[tuple[str, str]] = []
    while path:
        made = answer_for(path, (TOKEN,), MARK)
        assert len(steps) <= MAX_HOPS
        steps.append((made.status[:3], path))
        path = made.location
    return steps


def test_a_chain_leads_step_by_step_to_its_end() -> None:
    assert walked("/" + hops(302, 307, 308)) == [
        ("302", "/hop-302-307-308"),
        ("307", "/hop-307-308"),
        ("308", "/hop-308"),
        ("200", "/hop-end"),
    ]


def test_without_a_domain_the_token_stays_in_the_path() -> None:
    assert [path for _, path in walked(f"/{TOKEN}/{hops(301)}")] == [f"/{TOKEN}/hop-301", f"/{TOKEN}/hop-end"]


@pytest.mark.parametrize(
    "path",
    [
        "/hop-",
        "/hop-200",
        "/hop-302-",
        "/hop-302-javascript",
        "/hop-302/../x",
        "/hop-" + "-".join(["302"] * 6),
        "/hop-３０２",
    ],
)
def test_nothing_else_redirects(path: str) -> None:
    made = answer_for(path, (TOKEN,), MARK)
    assert (made.status, made.location) == ("200 OK", "")


def test_where_a_redirect_leads_is_never_what_the_client_said() -> None:
    made = answer_for("//evil.example/hop-302", (TOKEN,), MARK)
    assert made.location == "/hop-end"
    assert answer_for("/hop-302", (), "").status.startswith("404")


@pytest.mark.parametrize("name", ["x.txt", "x.json", "x.xml", "x.dtd", "x.css", "x.svg", "x.png", "x.html", ""])
def test_every_document_holds_the_marker(name: str) -> None:
    assert MARK.encode() in answer_for("/" + name, (TOKEN,), MARK).body


def test_the_picture_is_one() -> None:
    body = answer_for("/x.PNG", (TOKEN,), MARK).body
    assert body.startswith(b"\x89PNG\r\n\x1a\n")
    at = 8
    while at < len(body):
        size = int.from_bytes(body[at : at + 4])
        chunk, crc = body[at + 4 : at + 8 + size], body[at + 8 + size : at + 12 + size]
        assert zlib.crc32(chunk) == int.from_bytes(crc)
        at += 12 + size
    assert at == len(body)


def test_the_catcher_sends_the_redirect() -> None:
    catcher = HttpCatcher()
    catcher.feed(f"GET /hop-308 HTTP/1.1\r\nHost: {TOKEN}.cb.test\r\n\r\n".encode())
    caught = catcher.caught()
    wire = page(caught, markers(caught.tokens))
    assert wire.startswith(b"HTTP/1.1 308 ")
    assert b"\r\nLocation: /hop-end\r\n" in wire

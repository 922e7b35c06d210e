import json

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrecon.oast.httpcatch import (
    CONTINUE,
    MAX_BODY,
    MAX_HEAD,
    Caught,
    HttpCatcher,
    markers,
    page,
    printable,
    reflection,
)
from secrecon.oast.tokens import marker

TOKEN = "abcdefghij0123456789" + "nonce67890123"
OTHER = "zyxwvutsrq9876543210" + "other67890123"


def catch(data: bytes, step: int = 4096) -> Caught:
    catcher = HttpCatcher()
    for start in range(0, len(data), step):
        catcher.feed(data[start : start + step])
    return catcher.caught()


def wire(caught: Caught) -> bytes:
    return page(caught, markers(caught.tokens))


def parts(wire: bytes, method: bytes = b"GET") -> tuple[int, dict[str, str], bytes]:
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target=b"/", headers=[("Host", "x")]))
    client.receive_data(wire)
    response = client.next_event()
    assert isinstance(response, h11.Response)
    body = b""
    while isinstance(event := client.next_event(), h11.Data):
        body += event.data
    return response.status_code, {k.decode(): v.decode() for k, v in response.headers}, body


@pytest.mark.parametrize(
    "request_",
    [
        f"GET / HTTP/1.1\r\nHost: {TOKEN}.cb.test:8880\r\n\r\n",
        f"GET / HTTP/1.1\r\nhOST:www.{TOKEN.upper()}.cb.test\r\n\r\n",
        f"GET /{TOKEN} HTTP/1.1\r\nHost: 127.0.0.1:8880\r\n\r\n",
        f"GET /a/b?x={TOKEN}&y=1 HTTP/1.0\r\n\r\n",
        f"GET http://{TOKEN}.cb.test/ HTTP/1.1\r\nHost: x\r\n\r\n",
        f"GET /http%3A%2F%2F{TOKEN}%2F HTTP/1.1\nHost: x\n\n",
        f"POST / HTTP/1.1\r\nHost: pre{TOKEN}post.cb.test\r\nContent-Length: 3\r\n\r\nabc",
        f"GET /{TOKEN}",
    ],
)
def test_a_token_in_host_path_or_query_is_caught_and_answered_with_its_marker(request_: str) -> None:
    caught = catch(request_.encode())
    assert TOKEN in caught.tokens
    status, _, body = parts(wire(caught))
    assert status == 200
    assert marker(TOKEN).encode() in body


@pytest.mark.parametrize(
    "request_",
    [
        f"GET / HTTP/1.1\r\nHost: x\r\nReferer: http://{TOKEN}.cb.test/\r\n\r\n",
        f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 33\r\n\r\n{TOKEN}",
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_a_token_that_was_only_repeated_is_not_caught(request_: str) -> None:
    caught = catch(request_.encode())
    assert caught.tokens == ()
    status, _, body = parts(wire(caught))
    assert status == 404
    assert marker(TOKEN).encode() not in body


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/x.json", "application/json"),
        ("/x.xml?a=1", "application/xml"),
        ("/robots.txt", "text/plain"),
        ("/", "text/html"),
        ("/x.PNG", "image/png"),
    ],
)
def test_the_answer_fits_the_extension(path: str, kind: str) -> None:
    caught = catch(f"GET {path} HTTP/1.1\r\nHost: {TOKEN}.cb.test\r\n\r\n".encode())
    _, headers, body = parts(wire(caught))
    assert headers["content-type"].startswith(kind)
    assert headers["x-content-type-options"] == "nosniff"
    assert marker(TOKEN).encode() in body
    if kind == "application/json":
        assert json.loads(body) == {"data": marker(TOKEN)}


def test_nothing_else_that_was_sent_comes_back() -> None:
    caught = catch(
        f"GET /<script>alert(1)</script>?q=evil HTTP/1.1\r\nHost: {TOKEN}.cb.test\r\nX-Evil: evil\r\n\r\n".encode()
    )
    assert b"evil" not in wire(caught)
    assert b"script" not in wire(caught)
    assert TOKEN.encode() not in wire(caught)


def test_head_gets_no_body() -> None:
    answer = wire(catch(f"HEAD / HTTP/1.1\r\nHost: {TOKEN}.cb.test\r\n\r\n".encode()))
    assert answer.endswith(b"\r\n\r\n")
    assert parts(answer, b"HEAD")[0] == 200


def test_a_client_that_waits_for_100_is_told_to_go_on() -> None:
    catcher = HttpCatcher()
    head = f"POST /{TOKEN} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n".encode()
    assert catcher.feed(head) == CONTINUE
    assert not catcher.complete
    assert catcher.feed(b"ok") == b""
    assert catcher.complete


def test_head_and_body_are_bounded() -> None:
    catcher = HttpCatcher()
    for _ in range(100):
        catcher.feed(b"GET /" + b"a" * 8192)
    assert catcher.complete
    assert len(catcher._buffer) <= MAX_HEAD + MAX_BODY
    huge = HttpCatcher()
    huge.feed(b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 50 + b"\r\n\r\n")
    for _ in range(MAX_BODY // 1024 + 1):
        huge.feed(b"b" * 1024)
    assert huge.complete
    assert len(huge.caught().raw) <= MAX_HEAD + MAX_BODY
    assert not huge.caught().clear


@pytest.mark.parametrize(
    ("headers", "clear"),
    [
        ("Content-Length: 3", True),
        ("X: y", True),
        ("Content-Length: 3\r\nContent-Length: 3", False),
        ("Content-Length: 3\r\nContent-Length: 4", False),
        ("Content-Length: +3", False),
        ("Content-Length: 3, 3", False),
        ("Content-Length: 0x3", False),
        ("Transfer-Encoding: chunked", False),
        ("Transfer-Encoding : chunked\r\nContent-Length: 3", False),
        ("tRANSFER-eNCODING: xchunked\r\nContent-Length: 3", False),
        ("Connection: close", False),
    ],
)
def test_only_a_request_with_one_readable_length_may_be_followed_by_another(headers: str, clear: bool) -> None:
    caught = catch(
        f"POST /{TOKEN} HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\nabcGET /smuggled HTTP/1.1\r\n\r\n".encode()
    )
    assert caught.clear is clear
    assert caught.tokens == (TOKEN,)
    assert bool(caught.rest) is clear


def test_a_session_reads_its_label_backwards() -> None:
    assert reflection(f"a.pre-{TOKEN}.cb.test:80", TOKEN) == f"pre-{TOKEN}"[::-1]
    assert reflection(f"<b>{TOKEN}</b>.cb.test", TOKEN) == TOKEN[::-1]
    assert reflection("x", TOKEN) == TOKEN[::-1]


def test_several_tokens_are_all_caught() -> None:
    caught = catch(f"GET /?a={OTHER} HTTP/1.1\r\nHost: {TOKEN}.cb.test\r\n\r\n".encode())
    assert set(caught.tokens) == {TOKEN, OTHER}


def test_the_raw_text_is_printable() -> None:
    caught = catch(b"GET /\x1b[31m\xff HTTP/1.1\r\nHost: x\r\n\r\n")
    assert printable(caught.raw).startswith("GET /\\x1b[31m\\xff HTTP/1.1\nHost: x")
    assert caught.raw.startswith(b"GET /\x1b[31m\xff")


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_no_bytes_make_it_fail(chunks: list[bytes]) -> None:
    catcher = HttpCatcher()
    for chunk in chunks:
        catcher.feed(chunk)
    parts(wire(catcher.caught()))


@given(
    st.binary(max_size=30),
    st.sampled_from([b"\r\n", b"\n", b"\r\n\r\n"]),
    st.binary(max_size=30),
    st.integers(1, 7),
)
def test_the_answer_does_not_depend_on_how_the_bytes_arrive(
    path: bytes, end: bytes, rest: bytes, step: int
) -> None:
    data = b"GET /" + path + b" HTTP/1.1" + end + b"Host: " + TOKEN.encode() + b".cb.test" + end + rest
    whole, slow = HttpCatcher(), HttpCatcher()
    whole.feed(data)
    for start in range(0, len(data), step):
        slow.feed(data[start : start + step])
    assert whole.caught().tokens == slow.caught().tokens

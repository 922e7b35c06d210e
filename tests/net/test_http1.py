"""The tolerant parser: odd replies, any split, bounded memory, and h11's reading of the well-formed ones."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secrecon.model.errors import ProtocolBroken
from secrecon.net.head import MAX_LENGTH_DIGITS, read_head
from secrecon.net.http1 import Limits, ReplyParser

SMALL = Limits(head=300, body=64, chunk_line=40, trailers=60, interim=3)


def read(data: bytes, method: str = "GET", limits: Limits | None = None, cuts: Sequence[int] = ()) -> ReplyParser:
    parser = ReplyParser(method, limits or Limits())
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, end in itertools.pairwise(edges):
        if start < end and parser.feed(data[start:end]):
            return parser
    parser.eof()
    return parser


def outcome(data: bytes, method: str, limits: Limits, cuts: Sequence[int]) -> tuple[object, ...]:
    try:
        parser = read(data, method, limits, cuts)
    except ProtocolBroken:
        return ("broken",)
    assert parser.head is not None
    head = parser.head
    body = parser.body()
    return (
        head.status,
        head.reason,
        head.headers,
        body,
        parser.raw_head,
        parser.raw_body,
        parser.truncated,
        head.problems,
    )


def test_a_plain_reply() -> None:
    parser = read(b"HTTP/1.1 200 OK\r\nSeRvEr: x\r\nX-A: 1\r\nx-a:2 \r\nContent-Length: 5\r\n\r\nhello")
    assert parser.head is not None
    assert (parser.head.status, parser.head.reason) == (200, "OK")
    assert parser.head.headers == (("SeRvEr", "x"), ("X-A", "1"), ("x-a", "2"), ("Content-Length", "5"))
    assert (parser.body(), parser.raw_body) == (b"hello", b"hello")
    assert parser.raw_head.endswith(b"Content-Length: 5\r\n\r\n")
    assert parser.head.problems == []
    assert parser.reusable


HEAD = b"HTTP/1.1 200 OK\r\n"
ODD: list[tuple[bytes, int, bytes, list[str]]] = [
    (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok", 200, b"ok", ["bare-lf"]),
    (b"HTTP/1.1 200 OK\nContent-Length: 2\r\n\nok", 200, b"ok", ["bare-lf"]),
    (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", ["no-reason"]),
    (b"HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok", 200, b"ok", []),
    (b"HTTP/1.1  404  Not\r\nContent-Length: 2\r\n\r\nok", 404, b"ok", ["odd-status-line"]),
    (b"HTTP/2 200\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", ["odd-status-line"]),
    (b"http/1.1 200 fine\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", ["odd-status-line"]),
    (b"ICY 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", ["odd-status-line"]),
    (b"HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", ["odd-status-line"]),
    (b"\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", ["leading-blank-lines"]),
    (HEAD + b"A: 1\r\n  two\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", ["obs-fold"]),
    (HEAD + b"Content-Length:\r\n 2\r\n\r\nok", 200, b"ok", ["obs-fold"]),
    (HEAD + b"Content-Length : 2\r\n\r\nok", 200, b"ok", ["space-before-colon"]),
    (HEAD + b"nonsense\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", ["no-colon"]),
    (HEAD + b": x\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", ["empty-name"]),
    (HEAD + b"b\xe4d n@me: x\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", ["odd-name"]),
    (HEAD + b"A: b\0c\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", ["control-character"]),
    (HEAD + b"A: b\rc\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", ["control-character"]),
    (HEAD + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", ["duplicate-content-length"]),
    (HEAD + b"Content-Length: 2, 2\r\n\r\nok", 200, b"ok", ["duplicate-content-length"]),
    (HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nokk", 200, b"ok", ["conflicting-content-length"]),
    (
        HEAD + b"Content-Length: \xb2, 2\r\nContent-Length: 3\r\n\r\nokk",
        200,
        b"ok",
        ["bad-content-length", "conflicting-content-length"],
    ),
    (
        HEAD + b"Content-Length: " + b"9" * 5000 + b", 2\r\nContent-Length: 3\r\n\r\nokk",
        200,
        b"ok",
        ["bad-content-length", "conflicting-content-length"],
    ),
    (HEAD + b"Content-Length: -2\r\n\r\nok", 200, b"ok", ["bad-content-length"]),
    (HEAD + b"Content-Length: +2\r\n\r\nok", 200, b"ok", ["bad-content-length"]),
    (HEAD + b"Content-Length: \xb2\r\n\r\nok", 200, b"ok", ["bad-content-length"]),
    (HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\nok", 200, b"ok", ["bad-content-length"]),
    (HEAD + b"Content-Length: 9\r\n\r\nok", 200, b"ok", ["early-close"]),
    (
        HEAD + b"Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        200,
        b"ok",
        ["length-and-transfer-encoding"],
    ),
    (HEAD + b"Transfer-Encoding: x\r\n\r\nok", 200, b"ok", ["odd-transfer-encoding", "unknown-coding"]),
    (HEAD + b"Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", ["odd-transfer-encoding"]),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\nok\n0\n\n", 200, b"ok", ["bare-lf-in-chunks"]),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\nzz\r\n", 200, b"ok", ["bad-chunk-size"]),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\n-2\r\nok\r\n0\r\n\r\n", 200, b"", ["bad-chunk-size"]),
    (
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 16 + b"\r\nok\r\n0\r\n\r\n",
        200,
        b"",
        ["bad-chunk-size"],
    ),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nokXX0\r\n\r\n", 200, b"ok", ["bad-chunk-end"]),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nok", 200, b"ok", ["early-close"]),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"0" * 5000, 200, b"", ["long-chunk-line"]),
    (HEAD + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok", 200, b"ok", ["bad-gzip"]),
]


@pytest.mark.parametrize(("data", "status", "body", "problems"), ODD)
def test_odd_replies_are_read_and_noted(data: bytes, status: int, body: bytes, problems: list[str]) -> None:
    parser = read(data)
    assert parser.head is not None
    assert parser.head.status == status
    assert parser.body() == body
    assert sorted(parser.head.problems) == problems
    assert parser.reusable == ({"no-reason", "duplicate-content-length", "bad-gzip"}.issuperset(problems))


FINE: list[tuple[str, bytes, bytes]] = [
    (
        "GET",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n3 \r\n!!!\r\n0\r\nX: y\r\n\r\n",
        b"hello!!!",
    ),
    ("GET", HEAD + b"\r\nuntil close", b"until close"),
    ("HEAD", HEAD + b"Content-Length: 500\r\n\r\n", b""),
    ("GET", b"HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n", b""),
    ("GET", b"HTTP/1.1 304 No\r\nTransfer-Encoding: chunked\r\n\r\n", b""),
    (
        "GET",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 X\r\nA: b\r\n\r\n" + HEAD + b"Content-Length: 2\r\n\r\nok",
        b"ok",
    ),
    ("GET", b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\nbytes", b""),
    ("GET", b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", b"ok"),
    ("GET", HEAD + b"Content-Length: 0\r\n\r\n", b""),
]


@pytest.mark.parametrize(("method", "data", "body"), FINE)
def test_proper_replies_have_no_problems(method: str, data: bytes, body: bytes) -> None:
    parser = read(data, method)
    assert parser.head is not None
    assert (parser.body(), parser.head.problems) == (body, [])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"SSH-2.0-OpenSSH_9\r\n",
        b"<html>hello</html>",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20_000,
        b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70_000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 50,
        b"\r\n" * 5000,
    ],
)
def test_what_is_no_http_is_refused(data: bytes) -> None:
    with pytest.raises(ProtocolBroken) as caught:
        read(data)
    assert caught.value.received == data[: len(caught.value.received)]


def test_the_body_cap_ends_the_reply() -> None:
    for framing in (b"Content-Length: 1000\r\n\r\n", b"\r\n", b"Content-Length: 65\r\n\r\n"):
        parser = ReplyParser("GET", SMALL)
        assert parser.feed(HEAD + framing + b"x" * 65)
        assert (parser.truncated, len(parser.body()), parser.reusable) == (True, 64, False)
    parser = ReplyParser("GET", SMALL)
    assert parser.feed(HEAD + b"Content-Length: 64\r\n\r\n" + b"x" * 64)
    assert not parser.truncated


def test_tiny_chunks_cannot_outgrow_the_cap() -> None:
    parser = ReplyParser("GET", Limits(body=10_000))
    parser.feed(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    sent = 0
    while not parser.feed(b"1;" + b"e" * 1000 + b"\r\na\r\n"):
        sent += 1
        assert sent < 100
    assert parser.truncated
    assert len(parser.raw_body) <= 10_000


def test_endless_trailers_end() -> None:
    parser = ReplyParser("GET", Limits(trailers=1000))
    parser.feed(HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n")
    for _ in range(1000):
        if parser.feed(b"A: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n"):
            break
    assert parser.head is not None
    assert (parser.body(), parser.head.problems) == (b"a", ["long-trailers"])


def test_header_count_is_bounded() -> None:
    parser = read(HEAD + b"A: b\r\n" * 2000 + b"Content-Length: 2\r\n\r\nok")
    assert parser.head is not None
    assert len(parser.head.headers) == 512
    assert "too-many-headers" in parser.head.problems
    assert not parser.reusable


def test_bytes_after_the_reply_cost_the_connection() -> None:
    assert not read(HEAD + b"Content-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n").reusable
    assert not read(HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nmore").reusable


def test_connection_options() -> None:
    assert not read(HEAD + b"Connection: Close\r\nContent-Length: 0\r\n\r\n").reusable
    assert not read(b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n").reusable
    assert read(b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 0\r\n\r\n").reusable


PIECES = st.sampled_from(
    [
        b"HTTP/1.1 200 OK",
        b"HTTP/1.0 302 ",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"ICY 200",
        b"\r\n",
        b"\n",
        b"\r",
        b" ",
        b"\t",
        b":",
        b"\0",
        b"Content-Length: 5\r\n",
        b"Content-Length: 70\r\n",
        b"content-length : 3\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Content-Encoding: deflate\r\n",
        b"Connection: close\r\n",
        b"\r\n\r\n",
        b"5\r\nhello\r\n",
        b"5;x=y\nhello\n",
        b"0\r\n\r\n",
        b"0\r\nA: b\r\n\r\n",
        b"fffffff\r\n",
        b"x" * 50,
    ]
)
REPLIES = st.one_of(
    st.lists(PIECES, max_size=14).map(b"".join),
    st.lists(PIECES, max_size=12).map(lambda pieces: HEAD + b"".join(pieces)),
    st.lists(PIECES, max_size=8).map(lambda p: HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"".join(p)),
    st.binary(max_size=200).map(lambda data: HEAD + data),
    st.binary(max_size=200),
)


@settings(max_examples=600, deadline=None)
@given(REPLIES, st.sampled_from(["GET", "HEAD"]), st.lists(st.integers(0, 2000), max_size=12))
def test_any_split_reads_the_same(data: bytes, method: str, cuts: list[int]) -> None:
    whole = outcome(data, method, SMALL, ())
    assert outcome(data, method, SMALL, cuts) == whole
    assert outcome(data, method, SMALL, range(len(data))) == whole


@settings(max_examples=300, deadline=None)
@given(REPLIES)
def test_nothing_kept_outgrows_the_limits(data: bytes) -> None:
    parser = ReplyParser("GET", SMALL)
    try:
        for index in range(len(data)):
            if parser.feed(data[index : index + 1]):
                break
    except ProtocolBroken:
        assert len(parser.received) <= SMALL.head + 1
        return
    assert len(parser.raw_head) <= SMALL.head
    assert len(parser.raw_body) <= SMALL.body
    if parser.head is not None:
        assert len(parser.body()) <= SMALL.body


TOKENS = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ-_0123456789", min_size=1, max_size=12)
VALUES = st.text("abc ABC0129;=/\"'()<>@,\xe4\xff", max_size=30).map(str.strip)
RESERVED = {"content-length", "transfer-encoding", "connection", "content-encoding"}


@settings(max_examples=300, deadline=None)
@given(
    st.integers(200, 599),
    st.lists(st.tuples(TOKENS, VALUES), max_size=8),
    st.lists(st.binary(min_size=1, max_size=40), max_size=5),
    st.sampled_from(["length", "chunked", "close"]),
    st.lists(st.integers(0, 500), max_size=5),
)
def test_well_formed_replies_read_as_h11_reads_them(
    status: int, pairs: list[tuple[str, str]], parts: list[bytes], framing: str, cuts: list[int]
) -> None:
    headers = [(name, value) for name, value in pairs if name.lower() not in RESERVED]
    body = b"".join(parts)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers).encode("latin-1")
    wire = f"HTTP/1.1 {status} Fine\r\n".encode() + lines
    if framing == "length":
        wire += b"Content-Length: %d\r\n\r\n" % len(body) + body
    elif framing == "chunked":
        chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
        wire += b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
    else:
        wire += b"\r\n" + body
    peer = h11.Connection(h11.CLIENT)
    peer.send(h11.Request(method="GET", target="/", headers=[("Host", "x")]))
    peer.send(h11.EndOfMessage())
    peer.receive_data(wire)
    event = peer.next_event()
    assert isinstance(event, h11.Response)
    theirs = b""
    if framing == "close":
        peer.receive_data(b"")
    while isinstance(data := peer.next_event(), h11.Data):
        theirs += bytes(data.data)
    ours = read(wire, "GET", Limits(), cuts)
    assert ours.head is not None
    assert ours.head.status == event.status_code
    assert ours.body() == theirs
    assert ours.head.problems == []
    raw = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers.raw_items()]
    assert list(ours.head.headers) == raw


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["Content-Length", "Transfer-Encoding", "Connection", "Content-Encoding", "Status"]),
            st.text("0123456789 ,;+-\xb2\xb3\xbd\tabchunkedgzip", max_size=30),
        ),
        max_size=6,
    )
)
def test_no_framing_headers_make_it_fail(fields: list[tuple[str, str]]) -> None:
    head = read_head(
        ("HTTP/1.1 200 OK\r\n" + "".join(f"{n}: {v}\r\n" for n, v in fields) + "\r\n").encode("latin-1")
    )
    assert -1 <= head.length < 10**MAX_LENGTH_DIGITS

"""Evidence: escaped, bounded, masked, and a command that a shell reads back word for word."""

from __future__ import annotations

import shlex
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrecon.detect.evidence import (
    MAX_BODY,
    MAX_HEAD,
    curl_command,
    excerpt,
    http_evidence,
    mask_all,
    masked,
    printable,
)
from secrecon.model.http import HttpReply, HttpRequest
from secrecon.model.target import Origin

SHOP = Origin("http", "shop.acme.test", 8080)


def reply(
    body: bytes = b"hello", head: bytes = b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\n", address: str = ""
) -> HttpReply:
    return HttpReply(200, "OK", (), body, head, body, b"", False, (), 0.1, address)


def test_shows_request_head_body_and_words() -> None:
    evidence = http_evidence(
        HttpRequest(SHOP, target="/a?b=1"), reply(b"it \x00works"), "the word works", "It works"
    )
    assert evidence.kind == "http"
    assert evidence.request == "GET /a?b=1 HTTP/1.1\nHost: shop.acme.test:8080\n\n"
    assert evidence.response == "HTTP/1.1 200 OK\nServer: x\n\nit \\x00works"
    assert evidence.matcher == "the word works"
    assert evidence.summary == "It works"
    assert evidence.curl == "curl -s -i -g --path-as-is 'http://shop.acme.test:8080/a?b=1'"


def test_a_secret_is_masked_everywhere_even_across_the_cut() -> None:
    secret = b"s3cr3t-value-of-some-length"
    body = b"x" * (MAX_BODY - 5) + secret + b"y" * 100
    evidence = http_evidence(
        HttpRequest(SHOP), reply(body, b"HTTP/1.1 200 OK\r\nX-Key: " + secret + b"\r\n\r\n"), "", "", mask=[secret]
    )
    assert b"s3c" not in evidence.response.encode()
    assert "X-Key: s3***" in evidence.response


def test_short_secrets_leave_nothing() -> None:
    assert masked("abc") == "***"
    assert mask_all(b"pin=1234;", [b"1234"]) == b"pin=***;"


def test_the_cut_says_how_much_is_missing_and_can_be_around_a_place() -> None:
    body = b"a" * 5_000 + b"NEEDLE" + b"b" * 5_000
    shown = excerpt(body, 300, around=5_000)
    assert "NEEDLE" in shown
    assert shown.startswith("[...] ")
    assert shown.endswith("more bytes]")
    assert "NEEDLE" not in excerpt(body, 300)


def test_a_large_window_keeps_the_place() -> None:
    body = b"a" * 1_000_000 + b"NEEDLE" + b"b" * 1_000_000
    assert "NEEDLE" in excerpt(body, 300, around=1_000_000)


def test_a_head_is_bounded() -> None:
    evidence = http_evidence(HttpRequest(SHOP), reply(b"", b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 100_000), "", "")
    assert len(evidence.response) < MAX_HEAD + 100


def test_private_addresses_are_pinned_and_public_ones_are_not() -> None:
    assert "--resolve shop.acme.test:8080:127.0.0.9" in curl_command(HttpRequest(SHOP), reply(address="127.0.0.9"))
    assert "--resolve" not in curl_command(HttpRequest(SHOP), reply(address="93.184.216.34"))


def test_a_method_headers_and_a_binary_body_survive_the_shell() -> None:
    request = HttpRequest(SHOP, "PUT", "/it's", (("X-A", "b'c $(id) `id`"),), b"%s\\ \x00\xff'\n")
    command = curl_command(request)
    pipe, _, rest = command.partition(" | ")
    assert subprocess.run(["sh", "-c", pipe], capture_output=True, check=True).stdout == request.body
    words = shlex.split(rest)
    assert words[-1] == "http://shop.acme.test:8080/it's"
    assert "X-A: b'c $(id) `id`" in words
    assert words[words.index("-X") + 1] == "PUT"


def test_raw_requests_replay_byte_for_byte() -> None:
    raw = b"GET /\\..%00 HTTP/1.0\r\nX: \xff\r\n\r\n"
    command = curl_command(HttpRequest(SHOP, raw=raw))
    pipe, _, rest = command.partition(" | ")
    assert subprocess.run(["sh", "-c", pipe], capture_output=True, check=True).stdout == raw
    assert rest == "nc shop.acme.test 8080"


@pytest.mark.parametrize(
    "request_", [HttpRequest(SHOP, raw=b"x" * 10_000), HttpRequest(SHOP, "POST", "/a", (), b"a=" + b"'" * 9_000)]
)
def test_a_very_long_request_says_why_it_has_no_command(request_: HttpRequest) -> None:
    command = curl_command(request_)
    assert command.startswith("# No command: with its whole request it would be ")
    assert len(command) < 400
    assert subprocess.run(["sh", "-c", command], capture_output=True, check=True).stdout == b""


@given(st.binary(max_size=400))
def test_printable_never_lets_a_control_byte_through(data: bytes) -> None:
    assert all(char in "\n\t" or 0x20 <= ord(char) < 0x7F for char in printable(data))


@given(st.text(max_size=200), st.text(max_size=200), st.binary(max_size=200))
def test_any_command_splits_into_its_words(target: str, value: str, body: bytes) -> None:
    command = curl_command(HttpRequest(SHOP, "POST", "/" + target, (("X-V", value),), body))
    assert all(char.isprintable() or char in "\n\t" for char in command)
    assert shlex.split(command.rpartition(" | ")[2] or command)
    http_evidence(HttpRequest(SHOP, target="/" + target), reply(body), value, value, mask=[value])

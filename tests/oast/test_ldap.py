import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.oast.talk import TOKEN

from secrecon.oast.ldap import MAX_MESSAGE, START_TLS, LdapCatcher


def ber(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    if len(body) < 0x80:
        return bytes((tag, len(body))) + body
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(size))) + size + body


def message(number: int, op: bytes) -> bytes:
    return ber(0x30, ber(0x02, bytes((number,))), op)


def search(base: str, filter_: bytes = ber(0x87, b"objectClass"), *names: bytes) -> bytes:
    numbers = ber(0x0A, b"\x00"), ber(0x0A, b"\x03"), ber(0x02, b"\x00"), ber(0x02, b"\x1e"), ber(0x01, b"\x00")
    asked = ber(0x30, *(ber(0x04, name) for name in names))
    return ber(0x63, ber(0x04, base.encode()), *numbers, filter_, asked)


BIND = ber(0x60, ber(0x02, b"\x03"), ber(0x04, b""), ber(0x80, b""))


def test_a_bind_succeeds_and_a_search_finds_nothing() -> None:
    catcher = LdapCatcher()
    assert catcher.feed(message(1, BIND)).reply == message(1, ber(0x61, b"\x0a\x01\x00\x04\x00\x04\x00"))
    step = catcher.feed(message(2, search(f"dc={TOKEN.upper()},dc=cb,dc=test", ber(0x87, b"cn"), b"a", b"b")))
    assert step.reply == message(2, ber(0x65, b"\x0a\x01\x00\x04\x00\x04\x00"))
    (found,) = step.searches
    assert found.tokens == (TOKEN,)
    assert found.request.decode().splitlines() == [
        "Type=Search",
        f"BaseDn=dc={TOKEN.upper()},dc=cb,dc=test",
        "Filter=7",
        "FilterString=(cn=*)",
        "Attributes=a,b",
        "TimeLimit=30",
    ]
    assert catcher.feed(message(3, b"\x42\x00")).close


@pytest.mark.parametrize("base", [TOKEN, f"o={TOKEN},x=y", f"pre{TOKEN}post", f"{TOKEN}.cb.test", f"a/{TOKEN}"])
def test_a_token_is_found_wherever_it_stands_in_the_name(base: str) -> None:
    (found,) = LdapCatcher().feed(message(1, search(base))).searches
    assert TOKEN in found.tokens


def test_a_token_in_a_filter_or_in_a_bind_counts() -> None:
    inside = ber(0xA0, ber(0xA3, ber(0x04, b"uid"), ber(0x04, TOKEN.encode())), ber(0xA2, ber(0x87, b"x")))
    (found,) = LdapCatcher().feed(message(1, search("", inside))).searches
    assert found.tokens == (TOKEN,)
    assert b"FilterString=(&(uid=" in found.request
    named = ber(0x60, ber(0x02, b"\x03"), ber(0x04, f"cn={TOKEN}".encode()), ber(0x80, b"secret"))
    (bound,) = LdapCatcher().feed(message(1, named)).searches
    assert bound.tokens == (TOKEN,)
    assert b"secret" not in bound.request


def test_starttls_forgets_what_came_in_the_same_breath() -> None:
    ask = message(1, ber(0x77, ber(0x80, START_TLS)))
    assert not LdapCatcher().feed(ask).encrypt
    catcher = LdapCatcher(tls=True)
    step = catcher.feed(ask + message(2, search(TOKEN)))
    assert step.encrypt
    assert step.searches == []
    catcher.encrypted()
    assert len(catcher.feed(message(2, search(TOKEN))).searches) == 1


def test_changes_are_not_done() -> None:
    reply = LdapCatcher().feed(message(1, ber(0x68, ber(0x04, b"x")))).reply
    assert reply == message(1, ber(0x69, b"\x0a\x01\x35\x04\x00\x04\x00"))


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\n",
        b"\x30\x84\x7f\xff\xff\xff",
        b"\x30\x85\x00\x00\x00\x00\x01",
        b"\x30\x80",
        b"\x30\x00",
        message(1, ber(0x63, b"\x04\x05ab")),
        ber(0x30, ber(0x02, b"12345"), BIND),
        message(1, search("x", ber(0xA2) * 1 + b"\x99\x01")),
    ],
)
def test_what_is_no_ldap_ends_the_connection(garbage: bytes) -> None:
    step = LdapCatcher().feed(garbage)
    assert step.close
    assert step.searches == []


def test_nesting_and_sizes_are_bounded() -> None:
    deep = ber(0x87, b"x")
    for _ in range(30):
        deep = ber(0xA2, deep)
    assert LdapCatcher().feed(message(1, search("x", deep))).close
    assert LdapCatcher().feed(message(1, search("x" * MAX_MESSAGE))).close
    assert LdapCatcher().feed(message(1, BIND) * 300).close


@given(st.lists(st.one_of(st.binary(max_size=40), st.just(message(1, search("a")))), max_size=8))
def test_no_bytes_make_it_fail(chunks: list[bytes]) -> None:
    catcher = LdapCatcher(tls=True)
    for chunk in chunks:
        if catcher.feed(chunk).close:
            break


@given(st.data())
def test_a_message_with_changed_bytes_does_not_make_it_fail(data: st.DataObject) -> None:
    wire = bytearray(message(1, search(TOKEN, ber(0xA0, ber(0x87, b"x")), b"a")))
    for _ in range(data.draw(st.integers(1, 4))):
        wire[data.draw(st.integers(0, len(wire) - 1))] = data.draw(st.integers(0, 255))
    LdapCatcher().feed(bytes(wire))

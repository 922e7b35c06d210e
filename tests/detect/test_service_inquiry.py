"""The dialogue with an open port, against services that are functions: what was said, and what is believed in the end."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from secrecon.detect.service_inquiry import MOST_ASKED, Ask, Heard, Told, inquire
from secrecon.detect.service_rules import Meaning, ServiceRules

RULES = ServiceRules.load()
NO_TLS = Heard(failed="no TLS here")
Service = Callable[[Ask], Heard]


class More:
    """A second source of patterns that knows one greeting."""

    def meaning(self, said: bytes, data: bytes) -> Meaning | None:
        return Meaning("odd", "oddserver", "1.2", sure=0.8, told_by="more") if data.startswith(b"ODD") else None


def hold(port: int, service: Service, more: More | None = None) -> tuple[Told, list[Ask]]:
    asks: list[Ask] = []
    dialogue = inquire(RULES, port, more)
    ask = next(dialogue)
    while True:
        asks.append(ask)
        try:
            ask = dialogue.send(service(ask))
        except StopIteration as stop:
            return stop.value, asks


def says(greeting: bytes) -> Service:
    return lambda ask: NO_TLS if ask.tls else Heard(greeting)


def answers(table: dict[bytes, bytes]) -> Service:
    return lambda ask: NO_TLS if ask.tls else Heard(table.get(ask.data, b""))


def test_a_greeting_is_enough() -> None:
    told, asks = hold(2222, says(b"SSH-2.0-OpenSSH_9.2p1\r\n"))
    assert (told.name, told.product, told.version) == ("ssh", "openssh", "9.2p1")
    assert [ask.data for ask in asks] == [b""]


def test_a_silent_web_server_is_found_on_any_port() -> None:
    get = RULES.probes["http"].data
    told, asks = hold(4711, answers({get: b"HTTP/1.1 200 OK\r\n\r\n"}))
    assert (told.name, told.said) == ("http", get)
    assert [ask.data for ask in asks] == [b"", get]


def test_a_port_of_its_own_is_asked_its_own_question_first() -> None:
    _, asks = hold(11211, answers({}))
    assert [ask.probe for ask in asks if not ask.tls] == ["greeting", "memcached", "http"]


def test_redis_elsewhere_is_known_by_how_it_refuses_http_and_is_then_asked() -> None:
    get, info = RULES.probes["http"].data, RULES.probes["redis"].data
    refusal = b"-ERR wrong number of arguments for 'get' command\r\n"
    told, _ = hold(7777, answers({get: refusal, info: b"$30\r\n# Server\r\nredis_version:6.0.16\r\n"}))
    assert (told.name, told.version, told.exposes, told.said) == ("redis", "6.0.16", ("redis-open",), info)
    closed, _ = hold(7777, answers({get: refusal, info: b"-NOAUTH Authentication required.\r\n"}))
    assert (closed.name, closed.version, closed.exposes) == ("redis", "", ("database",))


def test_inside_tls_everything_begins_anew() -> None:
    def imaps(ask: Ask) -> Heard:
        return Heard(b"* OK Dovecot ready.\r\n") if ask.tls else Heard()

    told, _ = hold(993, imaps)
    assert (told.name, told.tls, told.product) == ("imaps", True, "dovecot")

    def https(ask: Ask) -> Heard:
        if ask.tls:
            return Heard(b"HTTP/1.1 200 OK\r\n\r\n" if ask.data else b"")
        return Heard(b"HTTP/1.1 400 Bad Request\r\n\r\n" if ask.data else b"")

    told, _ = hold(4711, https)
    assert (told.protocol, told.name) == ("http", "https")
    told, _ = hold(4711, lambda ask: Heard())
    assert (told.name, told.tls) == ("tls", True), "TLS that says nothing is TLS and no more"


def test_an_echo_is_no_debugger() -> None:
    told, _ = hold(5005, lambda ask: NO_TLS if ask.tls else Heard(ask.data))
    assert (told.protocol, told.exposes) == ("echo", ())
    told, _ = hold(5005, answers({b"JDWP-Handshake": b"JDWP-Handshake"}))
    assert (told.protocol, told.exposes) == ("jdwp", ("jdwp-open",))


def test_a_printer_is_listened_to_only() -> None:
    told, asks = hold(9100, says(b""))
    assert [ask.data for ask in asks] == [b""]
    assert "nothing is said" in told.reason


def test_what_nothing_fits_is_unknown_with_its_reason() -> None:
    mute, _ = hold(4711, says(b""))
    assert (mute.name, mute.reason) == ("unknown", "it accepts connections and says nothing")
    odd, asks = hold(4711, says(b"\x00\x01\x02 odd words"))
    assert (odd.name, odd.heard[:3]) == ("unknown", b"\x00\x01\x02")
    assert len(asks) == 1, "who greets is not asked further"
    gone, _ = hold(4711, lambda ask: Heard(failed="refused"))
    assert gone.reason.endswith("refused")


def test_other_patterns_add_what_ours_do_not_name() -> None:
    told, _ = hold(4711, says(b"ODD server 1.2\r\n"), More())
    assert (told.protocol, told.product, told.told_by) == ("odd", "oddserver", "more")
    told, _ = hold(22, says(b"SSH-2.0-OpenSSH_9.2p1\r\n"), More())
    assert told.told_by == "our own patterns"


@given(
    st.integers(1, 65535), st.lists(st.tuples(st.booleans(), st.binary(max_size=60)), max_size=40), st.booleans()
)
@settings(max_examples=150)
def test_a_dialogue_ends_whatever_is_answered(port: int, script: list[tuple[bool, bytes]], helped: bool) -> None:
    lines = iter(script)

    def anything(ask: Ask) -> Heard:
        failed, data = next(lines, (False, b""))
        return Heard(failed="broken") if failed else Heard(data)

    told, asks = hold(port, anything, More() if helped else None)
    assert told.protocol
    assert len(asks) <= 3 * MOST_ASKED

import pytest

from secrecon.detect.evidence import sent_bytes
from secrecon.detect.ssrf import (
    HEADER_GROUPS,
    MAX_EVIDENCE,
    PLACEHOLDER,
    Bypass,
    Technique,
    bypasses,
    finding_for,
    header_of,
    header_value,
    merged,
    told,
    value_for,
)
from secrecon.model.asset import InputPlace, Parameter
from secrecon.model.finding import EvidenceLevel, Finding, Severity
from secrecon.model.http import HttpExchange, HttpReply, HttpRequest
from secrecon.model.interaction import CallbackProtocol, Interaction, Payload
from secrecon.model.target import Origin
from secrecon.oast.tokens import find_tokens, marker

TOKEN = "abcdefghij0123456789" + "nonce67890123"
HOST = f"{TOKEN}.cb.test"
ORIGIN = Origin("http", "fetch.acme.test", 8080)
MARK = marker(TOKEN)


def payload(location: str = "GET /fetch query:url", technique: str = "direct", named: bool = True) -> Payload:
    url = f"http://{HOST}:8880/" if named else f"http://192.0.2.7:8880/{TOKEN}"
    return Payload(
        TOKEN, url, HOST if named else "", "scan", "ssrf.callback", str(ORIGIN), location, technique, "", "", 1.0
    )


def hit(
    protocol: CallbackProtocol = CallbackProtocol.HTTP, *, token: str = TOKEN, own: bool = False
) -> Interaction:
    raw = f"GET / HTTP/1.1\nHost: {HOST}" if protocol is CallbackProtocol.HTTP else f"{HOST} IN A"
    return Interaction(f"id {protocol} {own}", token, protocol, "192.0.2.9", raw, 1_800_000_000.5, "", own)


def exchange(body: str) -> HttpExchange:
    request = HttpRequest(ORIGIN, target=f"/fetch?url=http%3A%2F%2F{HOST}%3A8880%2F")
    reply = HttpReply(200, "OK", (), body.encode(), b"", body.encode(), b"", False, (), 0.1, "127.0.0.1")
    return HttpExchange(request, reply)


def test_nothing_came_nothing_is_found() -> None:
    assert finding_for(payload(), [], exchange(MARK), MARK) is None


def test_our_own_hits_and_those_of_other_tokens_prove_nothing() -> None:
    assert finding_for(payload(), [hit(own=True), hit(token="x" * 33)], exchange(MARK), MARK) is None


def test_a_request_whose_answer_comes_back_is_the_worst() -> None:
    found = finding_for(payload(), [hit(CallbackProtocol.DNS), hit()], exchange(f"<pre>{MARK}</pre>"), MARK)
    assert found is not None
    assert (found.severity, found.confidence) == (Severity.CRITICAL, 0.99)
    assert (found.check, found.location, found.asset) == ("ssrf.callback", "GET /fetch query:url", str(ORIGIN))
    assert found.evidence_level is EvidenceLevel.CALLBACK
    assert found.oast_verified
    (evidence,) = found.evidence
    assert evidence.kind == "callback"
    assert "192.0.2.9" in evidence.callback
    assert "2027-01-15T08:00:00.500+00:00" in evidence.callback
    assert MARK in evidence.response
    assert "GET /fetch?url=" in evidence.request


def test_an_echo_of_the_url_is_not_a_readable_reply() -> None:
    found = finding_for(payload(), [hit()], exchange(f"you gave http://{HOST}/"), MARK)
    assert found is not None
    assert (found.severity, found.confidence) == (Severity.HIGH, 0.95)
    assert "Blind" in found.title


def test_a_lookup_alone_says_that_only_a_lookup_is_proven() -> None:
    found = finding_for(payload(), [hit(CallbackProtocol.DNS)], exchange(MARK), MARK)
    assert found is not None
    assert (found.severity, found.confidence) == (Severity.MEDIUM, 0.6)
    assert "Only the lookup is proven" in found.description
    assert found.oast_verified


def test_a_late_callback_is_judged_without_its_reply() -> None:
    carried = told(payload(), exchange("").request)
    found = finding_for(carried, [hit()])
    assert found is not None
    assert found.evidence[0].request.startswith("GET /fetch?url=")
    unknown = finding_for(payload(), [hit()])
    assert unknown is not None
    assert "GET /fetch query:url" in unknown.evidence[0].request
    assert unknown.fingerprint == found.fingerprint


def test_the_command_asks_for_a_fresh_address() -> None:
    found = finding_for(payload(), [hit()], exchange(""), MARK)
    assert found is not None
    note, command = found.evidence[0].curl.split("\n", 1)
    assert note.startswith(f"# {PLACEHOLDER}.cb.test:8880 stands for")
    assert command.startswith("curl ")
    assert TOKEN not in command
    assert PLACEHOLDER in command


def test_hostile_callback_text_is_made_printable_and_bounded() -> None:
    evil = Interaction("i", TOKEN, CallbackProtocol.HTTP, "192.0.2.9", "GET /\x1b[2J é" + "A" * 90_000, 1.0)
    found = finding_for(payload(), [evil])
    assert found is not None
    assert "\x1b" not in found.evidence[0].callback
    assert len(found.evidence[0].callback) < 10_000


def test_header_findings_name_the_header() -> None:
    found = finding_for(payload("GET / header:X-Forwarded-Host", "header-alone"), [hit()])
    assert found is not None
    assert "X-Forwarded-Host" in found.title
    assert "X-Forwarded-Host" in found.remediation
    shared = finding_for(payload("GET / header:X-Forwarded-Host", "header"), [hit()])
    assert shared is not None
    assert merged([shared, found]).evidence[0] == found.evidence[0]


def test_several_techniques_are_one_finding_with_the_strongest_words() -> None:
    by_dns = finding_for(payload(), [hit(CallbackProtocol.DNS)])
    by_http = finding_for(payload(technique="trusted-userinfo static.acme.test"), [hit()])
    assert by_dns is not None
    assert by_http is not None
    one = merged([by_dns, by_http])
    assert one.severity is Severity.HIGH
    assert one.evidence == (*by_http.evidence, *by_dns.evidence)
    assert len(merged([by_dns, by_http, by_dns]).evidence) == 2
    many: list[Finding] = [by_http] * 3
    assert len(merged(many).evidence) <= MAX_EVIDENCE


@pytest.mark.parametrize("named", [True, False])
def test_every_way_of_writing_the_address_still_carries_the_token(named: bool) -> None:
    parameter = Parameter("url", InputPlace.QUERY, "http://static.acme.test:8080/logo.txt")
    made = payload(named=named)
    tried = bypasses(parameter, ORIGIN, 2, named)
    assert len(tried) == len(set(tried))
    for bypass in tried:
        assert find_tokens(value_for(bypass, made)) == (TOKEN,), bypass
    techniques = {bypass.technique for bypass in tried}
    assert (Technique.PREFIX_DOMAIN in techniques) is named


def test_the_addresses_as_written() -> None:
    def written(technique: Technique, trusted: str = "static.acme.test:8080") -> str:
        return value_for(Bypass(technique, trusted), payload())

    assert written(Technique.DIRECT) == f"http://{HOST}:8880/"
    assert written(Technique.SCHEME_RELATIVE) == f"//{HOST}:8880/"
    assert written(Technique.BARE_HOST) == f"{HOST}:8880"
    assert written(Technique.USERINFO) == f"http://static.acme.test:8080@{HOST}:8880/"
    assert written(Technique.PREFIX_DOMAIN) == f"http://static.acme.test.{HOST}:8880/"
    assert written(Technique.IN_PATH) == f"http://{HOST}:8880/static.acme.test:8080"
    assert written(Technique.IN_QUERY) == f"http://{HOST}:8880/?static.acme.test:8080"
    assert written(Technique.IN_FRAGMENT) == f"http://{HOST}:8880/#static.acme.test:8080"


def test_the_trusted_hosts_are_the_example_and_the_target_itself() -> None:
    parameter = Parameter("url", InputPlace.QUERY, "http://static.acme.test/x")
    trusted = [b.trusted for b in bypasses(parameter, ORIGIN, 0, True) if b.technique is Technique.USERINFO]
    assert trusted == ["static.acme.test", "fetch.acme.test:8080"]


def test_headers_carry_the_token_and_can_be_sent() -> None:
    names = [header.name for group in HEADER_GROUPS for header in group]
    assert len(names) == len(set(names))
    for name in names:
        header = header_of(name)
        assert header is not None
        for named in (True, False):
            value = header_value(header, payload(named=named))
            assert TOKEN in find_tokens(value), name
            assert b"\r\n\r\n" in sent_bytes(HttpRequest(ORIGIN, headers=((name, value),)))
    assert header_of("X-Nope") is None

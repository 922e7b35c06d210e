from secrecon.detect.evidence import sent_bytes
from secrecon.detect.ssrf import MAX_EVIDENCE, PLACEHOLDER, finding_for, followed_codes, merged, place_of, told
from secrecon.detect.ssrf_headers import HEADER_GROUPS, header_of, header_request
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


def test_headers_carry_the_token_and_can_be_sent() -> None:
    names = [header.name for group in HEADER_GROUPS for header in group]
    assert len(names) == len(set(names))
    for name in names:
        header = header_of(name)
        assert header is not None
        for named in (True, False):
            sent = sent_bytes(header_request(ORIGIN, "/p", [(header, payload(named=named))]))
            assert TOKEN in find_tokens(sent.decode()), name
            assert sent.endswith(b"\r\n\r\n")
    assert header_of("X-Nope") is None


def test_what_a_proven_fetch_follows_is_added_to_the_words_of_the_strongest() -> None:
    def line(path: str) -> Interaction:
        return Interaction(
            f"id {path}", TOKEN, CallbackProtocol.HTTP, "192.0.2.9", "raw", 1.0, f"GET {path} HTTP/1.1"
        )

    plain = finding_for(payload(), [hit()], exchange(MARK), MARK)
    hops = [line("/hop-301-302-303-307-308"), line("/hop-302-303-307-308"), line("/hop-303-307-308")]
    further = finding_for(payload(technique="our-redirects direct"), hops)
    stopped = finding_for(payload(technique="our-redirects direct"), hops[:1])
    gopher = finding_for(payload(technique="gopher"), [hit()])
    ftp = finding_for(payload(technique="ftp"), [hit(CallbackProtocol.DNS)])
    assert plain is not None
    assert further is not None
    assert stopped is not None
    assert gopher is not None
    assert ftp is not None
    one = merged([ftp, gopher, further, plain])
    assert one.severity is Severity.CRITICAL
    assert "follows redirects (301, 302)" in one.description
    assert "connects for gopher:" in one.description
    assert "no proof, that this scheme" in one.description
    assert merged([one, further]).description == one.description
    assert "redirect" not in stopped.description.partition("\n\n")[2]


def test_redirects_are_read_from_the_first_lines() -> None:
    assert followed_codes([]) == []
    assert followed_codes(["GET /hop-end HTTP/1.1"]) == ["301", "302", "303", "307", "308"]
    assert followed_codes([f"GET /{TOKEN}/hop-308?x HTTP/1.1", "\x00", "GET"]) == ["301", "302", "303", "307"]


def test_the_place_of_an_input_is_read_from_its_location() -> None:
    assert place_of("GET /a query:my name") == ("query", "my name")
    assert place_of("POST /x json:a:b") == ("json", "a:b")
    found = finding_for(payload("GET / header:request-target", "header-alone"), [hit()])
    assert found is not None
    assert "the request's target" in found.title

from secrecon.detect.ssrf import CHECK, THIRD_PARTY, finding_for, settled
from secrecon.detect.third_parties import third_parties, third_party_of
from secrecon.model.finding import Severity
from secrecon.model.interaction import CallbackProtocol, Interaction, Payload

TOKEN = "abcdefghij0123456789" + "nonce67890123"


def payload(token: str = TOKEN) -> Payload:
    url = f"http://{token}.cb.test/"
    return Payload(
        token, url, f"{token}.cb.test", "s", CHECK, "http://a.test:80", "GET /f query:url", "direct", "", "", 1.0
    )


def hit(agent: str, protocol: CallbackProtocol = CallbackProtocol.HTTP, token: str = TOKEN) -> Interaction:
    raw = f"GET / HTTP/1.1\nHost: {token}.cb.test\nUser-Agent: {agent}\n"
    return Interaction(f"{agent}{protocol}{token}", token, protocol, "192.0.2.9", raw, 1.0)


def test_known_by_the_name_they_give_themselves() -> None:
    found = third_party_of(hit("Mozilla/5.0 (compatible; Discordbot/2.0)").raw)
    assert found is not None
    assert (found.name, found.kind) == ("Discord", "preview")
    assert third_party_of(hit("python-requests/2.32").raw) is None
    assert third_party_of("User-Agent: Slackbot in the first line is no header") is None
    assert third_party_of("") is None
    assert third_party_of("GET / HTTP/1.1\n" + "X: y\n" * 100_000) is None
    agents = [party.agent for party in third_parties()]
    assert len(agents) == len(set(agents)) >= 40


def test_a_preview_is_information_and_no_forgery() -> None:
    found = finding_for(payload(), [hit("Slackbot 1.0"), hit("", CallbackProtocol.DNS)])
    assert found is not None
    assert (found.check, found.severity, found.oast_verified) == (THIRD_PARTY, Severity.INFO, False)
    assert "Slack" in found.description
    assert found.confidence < 0.5


def test_one_request_by_somebody_else_is_enough_for_a_proof() -> None:
    found = finding_for(payload(), [hit("Slackbot 1.0"), hit("acme-fetcher/1.0")])
    assert found is not None
    assert (found.check, found.severity) == (CHECK, Severity.HIGH)


def test_lookups_beside_a_third_party_are_its_own() -> None:
    other = "b" * 33
    passed_on = finding_for(payload(), [hit("Slackbot 1.0")])
    looked_up = finding_for(payload(other), [hit("", CallbackProtocol.DNS, other)])
    fetched = finding_for(payload(other), [hit("curl", CallbackProtocol.HTTP, other)])
    assert passed_on is not None
    assert looked_up is not None
    assert fetched is not None
    assert settled([passed_on, looked_up]) == [passed_on]
    assert settled([looked_up]) == [looked_up]
    assert {f.check for f in settled([passed_on, fetched])} == {CHECK, THIRD_PARTY}

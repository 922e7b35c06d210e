from secrecon.detect.ssrf_signs import CHECK, difference, sign_finding
from secrecon.model.finding import Severity
from secrecon.model.http import HttpExchange, HttpReply, HttpRequest
from secrecon.model.target import Origin

ORIGIN = Origin("http", "a.test", 80)


def got(status: int = 200, body: str = "", elapsed: float = 0.1) -> HttpExchange:
    reply = HttpReply(status, "", (), body.encode(), b"", body.encode(), b"", False, (), elapsed, "127.0.0.1")
    return HttpExchange(HttpRequest(ORIGIN, target="/f?url=x"), reply)


def test_the_same_for_all_is_no_sign() -> None:
    assert difference(got(400, "refused"), [got(400, "refused"), got(400, "refused")]) == ""


def test_one_comparison_is_not_enough() -> None:
    assert difference(got(504), [got(502)]) == ""
    assert difference(got(504), []) == ""


def test_a_status_only_for_ours() -> None:
    assert "504" in difference(got(504), [got(502), got(502)])
    assert difference(got(504), [got(502), got(500)]) == ""


def test_words_of_the_error() -> None:
    words = difference(
        got(502, "Connection timed out"), [got(502, "Could not resolve a"), got(502, "Could not resolve b")]
    )
    assert "timed out" in words
    assert difference(got(502, "timed out"), [got(502, "refused"), got(502, "no route")]) == ""


def test_time() -> None:
    assert "took 5.0 s" in difference(got(elapsed=5.0), [got(elapsed=0.1), got(elapsed=0.3)])
    assert difference(got(elapsed=5.0), [got(elapsed=0.1), got(elapsed=4.0)]) == ""


def test_it_is_told_as_a_sign() -> None:
    found = sign_finding("http://a.test:80", "GET /f query:url", got(504), "the status is 504")
    assert (found.check, found.severity, found.oast_verified) == (CHECK, Severity.INFO, False)
    assert found.confidence <= 0.3
    assert "not proven" in found.title

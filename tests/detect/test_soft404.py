"""How an origin answers for nothing: honest, one page for all, always another page, redirects, walls."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from secrecon.detect.soft404 import Kind, Soft404, kind_of, learn, sample_targets, simhash
from secrecon.model.http import Headers, HttpReply
from secrecon.model.target import Origin

SHOP = Origin("http", "shop.acme.test", 80)
TARGETS = sample_targets("s" * 32, SHOP)
TEXT = "the quick brown fox jumps over a lazy dog while nine wizards brew tea and pack seven boxes of jam"
WORDS = TEXT.split()


def reply(status: int, body: str = "", headers: Headers = ()) -> HttpReply:
    return HttpReply(status, "", headers, body.encode(), b"", body.encode(), b"", False, (), 0.1, "127.0.0.1")


def page(title: str, *, turn: int = 0) -> str:
    return f"<html><title>{title}</title><p>{' '.join(WORDS)}</p><p>case {turn}</p></html>"


def test_samples_are_the_same_for_the_same_scan_and_differ_between_scans() -> None:
    assert sample_targets("s" * 32, SHOP) == TARGETS
    assert sample_targets("t" * 32, SHOP) != TARGETS
    assert len(set(TARGETS)) == len(TARGETS)
    assert {kind_of(target) for target in TARGETS} == set(Kind)


def test_an_honest_server() -> None:
    model = learn((target, reply(404, page("Not found"))) for target in TARGETS)
    assert model.honest
    assert model.is_soft404("/x", reply(404, page("Not found"))) is True
    assert model.is_soft404("/x", reply(200, page("Not found"))) is False


def test_one_page_for_everything_even_with_the_name_in_it() -> None:
    model = learn((target, reply(200, page(f"No {target}", turn=i))) for i, target in enumerate(TARGETS))
    assert not model.honest
    assert model.is_soft404("/backup.zip", reply(200, page("No /backup.zip", turn=99))) is True
    assert model.is_soft404("/.git/HEAD", reply(200, "ref: refs/heads/main\n")) is False
    assert (
        model.is_soft404("/about", reply(200, "<html><title>About</title><p>We sell anvils since 1949.</p>"))
        is False
    )


def test_a_page_that_always_differs_leaves_it_to_the_content() -> None:
    bodies = [" ".join(WORDS[(i * 7 + n * (i + 3)) % len(WORDS)] for n in range(12)) for i in range(len(TARGETS))]
    model = learn((target, reply(200, body)) for target, body in zip(TARGETS, bodies, strict=True))
    assert model.is_soft404("/x", reply(200, "anvils and rockets and springs and magnets")) is None


def test_redirects_are_compared_by_where_they_lead() -> None:
    model = learn((target, reply(302, "", (("Location", f"/login?next={target}"),))) for target in TARGETS)
    assert model.is_soft404("/admin", reply(302, "", (("Location", "/login?next=/admin"),))) is True
    assert model.is_soft404("/old", reply(302, "", (("Location", "/new"),))) is False


def test_walls() -> None:
    assert learn((target, reply(403, "no")) for target in TARGETS).wall == 403
    assert learn((target, reply(404, "no")) for target in TARGETS).wall == 0
    assert Soft404().wall == 0


def test_without_samples_nothing_can_be_told_except_404() -> None:
    assert Soft404().is_soft404("/x", reply(200, "x")) is None
    assert Soft404().is_soft404("/x", reply(404, "x")) is True


@given(st.binary(max_size=500), st.text(max_size=40), st.integers(100, 599))
def test_never_raises(body: bytes, target: str, status: int) -> None:
    answer = HttpReply(status, "", (("Location", target),), body, b"", body, b"", False, (), 0.1, "")
    assert learn([("/" + target, answer)]).is_soft404("/" + target, answer) is True
    assert 0 <= simhash(body) < 1 << 64

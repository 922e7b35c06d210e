"""Who is told of a request: sessions by their ids, our scans by what may be theirs, and nobody of what nobody asked for."""

import random

from tests.oast.talk import CORRELATION, PUBLIC, SECRET, TOKEN

from secrecon.model.oast import Heard
from secrecon.net.clock import SystemClock
from secrecon.oast.intake import Intake
from secrecon.oast.sessions import SessionLimits, Sessions
from secrecon.oast.tokens import ALPHABET, find_tokens, new_token

SOURCE = random.Random(6)


def intake(own: list[Heard] | None = None) -> tuple[Intake, Sessions]:
    sessions = Sessions(SessionLimits(), SOURCE)
    sessions.register(PUBLIC, SECRET, CORRELATION, 0.0)
    return Intake(SystemClock(), SOURCE, sessions, None if own is None else own.append), sessions


def take(to: Intake, name: str) -> None:
    to.take("dns", "192.0.2.1", find_tokens(name), name, b"q")


def test_a_sessions_hit_is_not_our_scans() -> None:
    own: list[Heard] = []
    to, sessions = intake(own)
    take(to, f"A.{TOKEN.upper()}.x.test")
    (item,) = sessions.poll(CORRELATION, SECRET, 0.0).items
    assert (item.token, item.full_id) == (TOKEN, f"A.{TOKEN.upper()}")
    assert own == []


def test_our_scans_are_told_of_what_may_be_theirs() -> None:
    own: list[Heard] = []
    to, _ = intake(own)
    minted = new_token(SOURCE)
    for name in (f"{minted}.cb.test", f"pre{minted}.cb.test", f"{'x' * 15}{minted}{'y' * 15}.cb.test"):
        own.clear()
        take(to, name)
        assert minted in {heard.token for heard in own}
        assert len(own) <= 4
    own.clear()
    take(to, "w" * 33 + ".cb.test")  # of the right length, so it may be an old one
    assert len(own) == 1


def test_long_words_do_not_fill_the_queue() -> None:
    own: list[Heard] = []
    to, _ = intake(own)
    for _ in range(200):
        take(to, "".join(SOURCE.choices(ALPHABET, k=63)) + ".cb.test")
    assert len(own) < 10


def test_where_no_scans_are_held_strangers_are_not_kept() -> None:
    to, sessions = intake(None)
    take(to, f"{'z' * 33}.cb.test")
    assert sessions.held == 0

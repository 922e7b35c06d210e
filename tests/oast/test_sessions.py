import random

import pytest
from tests.oast.talk import CORRELATION, PUBLIC, SECRET, TOKEN

from secrecon.model.oast import Heard
from secrecon.oast.sealing import unlock_key
from secrecon.oast.sessions import DAY, OWED_TO_TOKEN, Refused, SessionLimits, Sessions

OTHER = "zyxwvutsrq9876543210"


def heard(number: int, token: str = TOKEN, size: int = 10) -> Heard:
    return Heard(f"{number:032x}", token, token, "dns", "192.0.2.1", float(number), b"x" * size)


def made(limits: SessionLimits | None = None, *, keeping: bool = False) -> Sessions:
    sessions = Sessions(limits or SessionLimits(), random.Random(1), keeping=keeping)
    sessions.register(PUBLIC, SECRET, CORRELATION, 0.0)
    return sessions


def ids(items: tuple[Heard, ...]) -> list[int]:
    return [int(item.id, 16) for item in items]


@pytest.mark.parametrize(
    "name", ["", "short", CORRELATION.upper(), "-" * 20, CORRELATION + "a", "é" * 20, "a" * 19 + "\n"]
)
def test_ids_of_another_length_or_alphabet_are_refused(name: str) -> None:
    with pytest.raises(Refused, match="20 lower-case letters and digits"):
        made().register(PUBLIC, SECRET, name, 0.0)


@pytest.mark.parametrize("key", ["", "x", "AAAA", PUBLIC[:200], PUBLIC * 40])
def test_a_key_that_is_none_is_refused_and_leaves_no_session(key: str) -> None:
    sessions = made()
    with pytest.raises(Refused, match="could not read public Key"):
        sessions.register(key, SECRET, OTHER, 0.0)
    assert OTHER not in sessions


def test_a_second_registration_is_refused_and_keeps_the_first_alive() -> None:
    sessions = made()
    sessions.hear(heard(1), 0.0)
    with pytest.raises(Refused, match="correlation-id provided already exists"):
        sessions.register(PUBLIC, "another", CORRELATION, 29 * DAY)
    assert ids(sessions.poll(CORRELATION, SECRET, 58 * DAY).items) == [1]


@pytest.mark.parametrize("secret", ["", "x", SECRET.upper(), SECRET + " ", SECRET[:-1]])
def test_only_the_exact_secret_opens_a_session(secret: str) -> None:
    sessions = made()
    with pytest.raises(Refused, match="invalid secret key passed for user"):
        sessions.poll(CORRELATION, secret, 0.0)
    with pytest.raises(Refused, match="invalid secret key passed for deregister"):
        sessions.deregister(CORRELATION, secret)
    assert CORRELATION in sessions


def test_a_poll_without_acknowledgement_empties_the_basket() -> None:
    sessions = made()
    for number in range(3):
        sessions.hear(heard(number), 0.0)
    assert ids(sessions.poll(CORRELATION, SECRET, 0.0).items) == [0, 1, 2]
    assert sessions.poll(CORRELATION, SECRET, 0.0).items == ()
    assert sessions.held == 0


def test_what_is_not_acknowledged_comes_again_under_the_same_name() -> None:
    sessions = made()
    sessions.hear(heard(1), 0.0)
    first = sessions.poll(CORRELATION, SECRET, 0.0, "1")
    sessions.hear(heard(2), 0.0)
    again = sessions.poll(CORRELATION, SECRET, 0.0, "1")
    assert (again.name, ids(again.items)) == (first.name, [1])
    after = sessions.poll(CORRELATION, SECRET, 0.0, first.name)
    assert ids(after.items) == [2]
    assert ids(sessions.poll(CORRELATION, SECRET, 0.0, first.name).items) == [2]
    assert sessions.poll(CORRELATION, SECRET, 0.0, after.name).items == ()
    assert sessions.held == 0


def test_two_who_poll_for_one_session_both_come_on() -> None:
    sessions = made()
    names, got = ["1", "1"], [set[int](), set[int]()]
    for number in range(6):
        sessions.hear(heard(number), 0.0)
        for who in (0, 1):
            batch = sessions.poll(CORRELATION, SECRET, 0.0, names[who])
            names[who] = batch.name or "1"
            got[who] |= set(ids(batch.items))
    assert got[0] | got[1] == set(range(6))


def test_a_client_that_stops_to_acknowledge_loses_nothing() -> None:
    sessions = made()
    sessions.hear(heard(1), 0.0)
    sessions.poll(CORRELATION, SECRET, 0.0, "1")
    sessions.hear(heard(2), 0.0)
    assert ids(sessions.poll(CORRELATION, SECRET, 0.0).items) == [1, 2]


def test_a_flood_on_one_payload_leaves_room_for_the_others_of_its_session() -> None:
    sessions = made(SessionLimits(items=500))
    for number in range(5_000):
        sessions.hear(heard(number), 0.0)
    other = CORRELATION + "b" * 13
    assert sessions.hear(heard(9_999, other), 0.0)
    items = sessions.poll(CORRELATION, SECRET, 0.0).items
    assert len(items) == 500
    assert items[-1].token == other
    assert sessions.dropped == 4_501


def test_a_flood_on_one_session_leaves_what_the_others_are_owed() -> None:
    sessions = made(SessionLimits(total_bytes=1_000_000))
    sessions.register(PUBLIC, SECRET, OTHER, 0.0)
    for number in range(2_000):
        sessions.hear(heard(number, size=4_000), 0.0)
    assert sessions.held <= 1_000_000
    mine = [sessions.hear(heard(number, OTHER + "c" * 13), 0.0) for number in range(OWED_TO_TOKEN)]
    assert all(mine)
    assert len(sessions.poll(OTHER, SECRET, 0.0).items) == OWED_TO_TOKEN


def test_sessions_are_limited_and_forgotten_when_nobody_touches_them() -> None:
    sessions = made(SessionLimits(sessions=1, ttl=100.0))
    with pytest.raises(Refused, match="too many sessions"):
        sessions.register(PUBLIC, SECRET, OTHER, 50.0)
    assert sessions.expire(99.0) == 0
    assert sessions.expire(100.0) == 1
    sessions.register(PUBLIC, SECRET, OTHER, 101.0)
    with pytest.raises(Refused, match="could not get correlation-id from cache"):
        sessions.poll(CORRELATION, SECRET, 101.0)


def test_registering_an_old_id_again_starts_empty_with_another_key() -> None:
    sessions = made(SessionLimits(ttl=10.0))
    before = sessions.poll(CORRELATION, SECRET, 0.0).key
    sessions.hear(heard(1), 0.0)
    sessions.register(PUBLIC, SECRET, CORRELATION, 20.0)
    after = sessions.poll(CORRELATION, SECRET, 20.0)
    assert after.items == ()
    assert after.key != before
    assert sessions.held == 0


def test_a_kept_session_opens_with_its_secret_alone() -> None:
    sessions = made(keeping=True)
    key = sessions.poll(CORRELATION, SECRET, 0.0).key
    sessions.hear(heard(1), 0.0)
    changes = sessions.take_changes()
    (kept,) = changes.sessions
    assert key not in kept.locked
    assert SECRET.encode() not in kept.locked + kept.digest
    with pytest.raises(ValueError, match="damaged"):
        unlock_key(kept.locked, "another", CORRELATION)
    restarted = Sessions(SessionLimits(), random.Random(2), keeping=True)
    restarted.restore(kept, changes.heard.values())
    with pytest.raises(Refused, match="invalid secret"):
        restarted.poll(CORRELATION, "another", 1.0)
    batch = restarted.poll(CORRELATION, SECRET, 1.0)
    assert (batch.key, batch.wrapped, ids(batch.items)) == (key, kept.wrapped, [1])
    assert restarted.take_changes().done == [heard(1).id]


def test_what_was_fetched_before_it_was_kept_is_never_kept() -> None:
    sessions = made(keeping=True)
    sessions.hear(heard(1), 0.0)
    sessions.poll(CORRELATION, SECRET, 0.0)
    changes = sessions.take_changes()
    assert not changes.heard
    assert not changes.done


def test_what_could_not_be_kept_is_tried_again() -> None:
    sessions = made(keeping=True)
    changes = sessions.take_changes()
    sessions.hear(heard(1), 0.0)
    sessions.give_back(changes)
    again = sessions.take_changes()
    assert [kept.correlation for kept in again.sessions] == [CORRELATION]
    assert list(again.heard) == [heard(1).id]

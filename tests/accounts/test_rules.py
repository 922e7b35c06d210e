"""Plans, months, authorizations, limits and the audit log."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa

from secrecon.accounts import audit, targets, throttling
from secrecon.accounts import credits as credit_rules
from secrecon.accounts.audit import Action
from secrecon.accounts.caller import Caller
from secrecon.accounts.plans import DEFAULT_PLANS, Plan, check_plan, plan_of, require_api
from secrecon.accounts.targets import Proof, covers
from secrecon.accounts.throttling import Limit
from secrecon.model.errors import BadInput, Exhausted, Forbidden, OperatorError
from secrecon.model.target import parse_target
from secrecon.store import audit as log
from secrecon.store import idempotency, tables
from secrecon.store import targets as stored_targets
from secrecon.store.database import Database
from secrecon.store.users import User

if TYPE_CHECKING:
    from tests.accounts.conftest import HandClock


def test_plans_without_the_api_are_told_in_the_documented_words() -> None:
    with pytest.raises(Forbidden) as error:
        require_api(DEFAULT_PLANS, "professional")
    assert str(error.value) == "API access requires a Business or Enterprise plan (current: professional)."
    require_api(DEFAULT_PLANS, "business")
    require_api(DEFAULT_PLANS, "enterprise")
    one = {"tiny": Plan("tiny", 1, False, 1), "agency": Plan("agency", 9, True, 9)}
    with pytest.raises(Forbidden, match=r"requires an Agency plan \(current: tiny\)"):
        require_api(one, "tiny")


def test_unknown_plans() -> None:
    with pytest.raises(BadInput, match="professional, business, enterprise"):
        check_plan(DEFAULT_PLANS, "gold")
    with pytest.raises(OperatorError, match="'gold'"):
        plan_of(DEFAULT_PLANS, "gold")


@pytest.mark.parametrize(
    ("at", "month", "following"),
    [
        ("2026-11-23T12:00:00", "2026-11", "2026-12-01"),
        ("2026-12-31T23:59:59", "2026-12", "2027-01-01"),
        ("2027-01-01T00:00:00", "2027-01", "2027-02-01"),
        ("2028-02-29T00:00:00", "2028-02", "2028-03-01"),
    ],
)
def test_months_are_calendar_months_in_utc(at: str, month: str, following: str) -> None:
    moment = datetime.fromisoformat(at).replace(tzinfo=UTC).timestamp()
    assert credit_rules.month_of(moment) == month
    assert credit_rules.next_month(moment) == datetime.fromisoformat(following).replace(tzinfo=UTC).timestamp()


async def test_credits_run_out_and_come_back_with_the_month(db: Database, clock: HandClock, user: User) -> None:
    plan = DEFAULT_PLANS["professional"]
    async with db.transaction() as tx:
        for number in range(3):
            await credit_rules.take_credit(tx, clock, user.account_id, plan, f"{number:032x}")
        with pytest.raises(Exhausted, match=r"professional plan has 3.*2026-12-01") as error:
            await credit_rules.take_credit(tx, clock, user.account_id, plan, "f" * 32)
        empty = await credit_rules.balance(tx, clock, user.account_id, plan)
        clock.time = empty.resets_at
        full = await credit_rules.balance(tx, clock, user.account_id, plan)
        await credit_rules.take_credit(tx, clock, user.account_id, plan, "e" * 32)
        free = await credit_rules.balance(tx, clock, user.account_id, DEFAULT_PLANS["enterprise"])
        assert await credit_rules.give_back_credit(tx, clock, f"{0:032x}")
        after = await credit_rules.balance(tx, clock, user.account_id, plan)
    assert (empty.used, empty.remaining) == (3, 0)
    assert error.value.retry_after == empty.resets_at - 1_795_000_000
    assert (full.used, full.remaining) == (0, 3)
    assert (free.used, free.limit, free.remaining) == (1, None, None)
    assert after.used == 1  # the credit went back to the month it came from


@pytest.mark.parametrize(
    ("authorized", "wanted", "enough"),
    [
        ("example.com", "example.com", True),
        ("example.com", "https://api.example.com", True),
        ("example.com", "http://a.b.example.com:8080/x", True),
        ("example.com", "sub.example.com", True),
        ("example.com", "notexample.com", False),
        ("example.com", "example.com.evil.test", False),
        ("sub.example.com", "example.com", False),
        ("https://example.com", "https://example.com/path", True),
        ("https://example.com", "example.com", False),
        ("https://example.com", "http://example.com", False),
        ("https://example.com", "https://example.com:8443", False),
        ("https://example.com", "https://www.example.com", False),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080", True),
        ("127.0.0.1", "http://127.0.0.1:8080", True),
        ("127.0.0.1", "http://127.0.0.2", False),
    ],
)
async def test_what_an_authorization_covers(
    db: Database, clock: HandClock, user: User, authorized: str, wanted: str, enough: bool
) -> None:
    assert covers(parse_target(authorized), parse_target(wanted)) is enough
    async with db.transaction() as tx:
        made = await targets.authorize(
            tx, clock, user.account_id, parse_target(authorized), Proof.OPERATOR, "the operator"
        )
        found = await targets.find_authorization(tx, clock, user.account_id, parse_target(wanted))
        assert found == (made if enough else None)
        assert await targets.find_authorization(tx, clock, user.account_id + 1, parse_target(wanted)) is None


async def test_an_authorization_has_its_time(db: Database, clock: HandClock, user: User) -> None:
    target = parse_target("example.com")
    now = clock.time
    async with db.transaction() as tx:
        made = await targets.authorize(
            tx, clock, user.account_id, target, Proof.DNS, "ann", not_before=now + 10, not_after=now + 20
        )
        for moment, there in ((now, False), (now + 10, True), (now + 19, True), (now + 20, False)):
            clock.time = moment
            assert (await targets.find_authorization(tx, clock, user.account_id, target) is not None) is there
        clock.time = now + 15
        assert await stored_targets.revoke(tx, user.account_id, made.id, clock.time)
        assert not await stored_targets.revoke(tx, user.account_id, made.id, clock.time)
        assert await targets.find_authorization(tx, clock, user.account_id, target) is None
        assert await stored_targets.list_of(tx, user.account_id) == ()
        with pytest.raises(BadInput, match="over before it begins"):
            await targets.authorize(tx, clock, user.account_id, target, Proof.DNS, "ann", not_after=now)


@pytest.mark.parametrize("suffix", ["com", "co.uk", "github.io"])
async def test_a_public_suffix_is_nobodys(db: Database, clock: HandClock, user: User, suffix: str) -> None:
    async with db.transaction() as tx:
        with pytest.raises(BadInput, match="public suffix"):
            await targets.authorize(tx, clock, user.account_id, parse_target(suffix), Proof.OPERATOR, "op")


async def test_limits_count_and_open_again(db: Database, clock: HandClock) -> None:
    limit = Limit("test", 2, 60.0, "too many tries")
    async with db.transaction() as tx:
        assert [await throttling.count(tx, clock, limit, "1.2.3.4") for _ in range(2)] == [None, None]
        assert await throttling.refusal(tx, clock, limit, "1.2.3.5") is None
        before = await throttling.refusal(tx, clock, limit, "1.2.3.4")
        clock.time += 20
        third = await throttling.count(tx, clock, limit, "1.2.3.4")
        assert await throttling.count(tx, clock, limit, "1.2.3.5") is None
        clock.time += 40
        assert await throttling.refusal(tx, clock, limit, "1.2.3.4") is None
        assert await throttling.count(tx, clock, limit, "1.2.3.4") is None
        await throttling.count(tx, clock, limit, "1.2.3.4")
        await throttling.forgive(tx, limit, "1.2.3.4")
        assert await throttling.refusal(tx, clock, limit, "1.2.3.4") is None
    assert before is not None
    assert third is not None
    assert (str(third), third.retry_after) == ("too many tries: wait 40 s", 40)


async def test_an_answer_is_kept_for_its_key_and_time(db: Database, user: User) -> None:
    async def claim(body: str, answer: str, at: float) -> idempotency.KeptAnswer | None:
        async with db.transaction() as tx:
            return await idempotency.claim(tx, user.account_id, "key-1\x00", body, answer, at=at, since=at - 100)

    assert await claim("b1", "a1", 1000.0) is None
    assert await claim("b2", "a2", 1050.0) == idempotency.KeptAnswer("b1", "a1", 1000.0)
    assert await claim("b3", "a3", 1101.0) is None
    async with db.transaction() as tx:
        assert await idempotency.find(tx, user.account_id, "key-1\x00", 1000.0) == idempotency.KeptAnswer(
            "b3", "a3", 1101.0
        )
        assert await idempotency.remove_old(tx, 2000.0) == 1


async def test_the_audit_log_shows_any_change(db: Database, clock: HandClock, user: User) -> None:
    caller = Caller(user.account_id, user.email, "business", "key")
    for number in range(5):
        clock.time += 0.1
        async with db.transaction() as tx:
            await audit.record(tx, clock, caller, Action.SCAN_SUBMITTED, f"scan {number}\x00", {"n": number})
    async with db.transaction() as tx:
        await audit.record(tx, clock, None, Action.SIGN_IN_FAILED, "bob@example.com")
        assert await log.first_broken(tx, batch=2) is None
        lines = await log.lines(tx, 0, 100, user.account_id)
        assert [line.actor for line in lines] == ["key:ann@example.com"] * 5
        assert [line.seq for line in await log.lines(tx, 4, 100)] == [5, 6]


@pytest.mark.parametrize(
    "damage",
    [
        sa.update(tables.audit_log).where(tables.audit_log.c.seq == 3).values(subject="another"),
        sa.update(tables.audit_log).where(tables.audit_log.c.seq == 3).values(at=5.0),
        sa.delete(tables.audit_log).where(tables.audit_log.c.seq == 3),
    ],
    ids=["subject", "time", "removed"],
)
async def test_a_changed_audit_line_is_found(
    db: Database, clock: HandClock, user: User, damage: sa.UpdateBase
) -> None:
    for number in range(5):
        async with db.transaction() as tx:
            await audit.record(tx, clock, None, Action.KEY_CREATED, f"key {number}")
    async with db.transaction() as tx:
        await tx.connection.execute(damage)
        assert await log.first_broken(tx, batch=2) == 3

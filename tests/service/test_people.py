"""Signing in, sessions, keys: what is right works, what is wrong says little and is counted."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from tests.little import PASSWORD, BentClock, make_policy

from secrecon.accounts.caller import Caller
from secrecon.accounts.throttling import KEY_MISS, SIGN_IN_BY_CLIENT
from secrecon.model.errors import BadInput, Conflict, Exhausted, Forbidden, NotFound
from secrecon.service.context import Context
from secrecon.service.housekeeping import tidy
from secrecon.service.people import (
    WRONG_SIGN_IN,
    add_user,
    authorize_target,
    caller_from_key,
    caller_from_session,
    create_key,
    find_session,
    list_keys,
    list_targets,
    operator_for,
    reports_need_key,
    revoke_key,
    session_cookie,
    set_reports_need_key,
    sign_in,
    sign_out,
)

HERE = "192.0.2.1"


async def test_a_session_begins_and_ends(ctx: Context, ada: Caller) -> None:
    signed = await sign_in(ctx, " ADA@acme.test ", PASSWORD, HERE)
    assert signed.caller == replace(ada, via="session")
    assert await caller_from_session(ctx, signed.token) == signed.caller
    known = await find_session(ctx, signed.token)
    assert known is not None
    assert known.csrf == signed.csrf != signed.token
    await sign_out(ctx, signed.token)
    await sign_out(ctx, signed.token)
    assert await caller_from_session(ctx, signed.token) is None
    assert await caller_from_session(ctx, "nonsense") is None


async def test_wrong_email_and_wrong_password_are_told_alike(ctx: Context, ada: Caller) -> None:
    told = set()
    for email, password in (("ada@acme.test", "wrong"), ("nobody@acme.test", PASSWORD), ("", ""), ("a\0b", "x")):
        with pytest.raises(Forbidden) as caught:
            await sign_in(ctx, email, password, HERE)
        told.add(str(caught.value))
    assert told == {WRONG_SIGN_IN}


async def test_guessing_a_password_is_slowed_down(ctx: Context, ada: Caller, clock: BentClock) -> None:
    for _ in range(SIGN_IN_BY_CLIENT.most):
        with pytest.raises(Forbidden):
            await sign_in(ctx, "ada@acme.test", "wrong", HERE)
    with pytest.raises(Exhausted) as caught:
        await sign_in(ctx, "ada@acme.test", PASSWORD, HERE)
    assert (await sign_in(ctx, "ada@acme.test", PASSWORD, "192.0.2.2")).caller.account_id == ada.account_id
    clock.at += caught.value.retry_after
    await sign_in(ctx, "ada@acme.test", PASSWORD, HERE)


async def test_guesses_made_at_once_are_slowed_down_too(ctx: Context, ada: Caller) -> None:
    tries = (sign_in(ctx, f"user{number}@acme.test", "a wrong guess", HERE) for number in range(60))
    results = await asyncio.gather(*tries, return_exceptions=True)
    looked_at = [result for result in results if isinstance(result, Forbidden)]
    assert len(looked_at) == SIGN_IN_BY_CLIENT.most
    assert sum(isinstance(result, Exhausted) for result in results) == 60 - SIGN_IN_BY_CLIENT.most


async def test_signing_in_rightly_is_never_slowed_down(ctx: Context, ada: Caller) -> None:
    for _ in range(SIGN_IN_BY_CLIENT.most + 5):
        await sign_in(ctx, "ada@acme.test", PASSWORD, HERE)


async def test_bad_keys_are_counted_good_ones_are_not_hindered(ctx: Context, ada: Caller) -> None:
    good = await create_key(ctx, ada, "ci")
    for _ in range(KEY_MISS.most):
        with pytest.raises(Forbidden):
            await caller_from_key(ctx, "sra_guess", HERE)
    with pytest.raises(Exhausted):
        await caller_from_key(ctx, "sra_guess", HERE)
    assert await caller_from_key(ctx, good.key, HERE) == replace(ada, via="key")


async def test_keys_are_listed_without_themselves_and_can_be_revoked(
    ctx: Context, ada: Caller, bob: Caller
) -> None:
    new = await create_key(ctx, ada, " ci ")
    (view,) = await list_keys(ctx, ada)
    assert (view.id, view.name, view.prefix, view.revoked) == (new.id, "ci", new.prefix, None)
    assert new.key.startswith("sra_")
    assert new.key not in repr(view)
    with pytest.raises(NotFound):
        await revoke_key(ctx, bob, new.id)
    await revoke_key(ctx, ada, new.id)
    (view,) = await list_keys(ctx, ada)
    assert view.revoked is not None
    with pytest.raises(Forbidden):
        await caller_from_key(ctx, new.key, HERE)
    assert await list_keys(ctx, bob) == ()


async def test_a_plan_without_the_api_makes_no_keys(ctx: Context) -> None:
    poor = await add_user(ctx, "eve@poor.test", PASSWORD, "professional")
    with pytest.raises(Forbidden, match="Business or Enterprise"):
        await create_key(ctx, poor, "ci")


async def test_users_are_checked_before_they_are_added(ctx: Context, ada: Caller) -> None:
    with pytest.raises(Conflict):
        await add_user(ctx, "ADA@acme.test", PASSWORD, "business")
    for email, password, plan in (
        ("no address", PASSWORD, "business"),
        ("new@acme.test", "short", "business"),
        ("new@acme.test", PASSWORD, "platinum"),
    ):
        with pytest.raises(BadInput):
            await add_user(ctx, email, password, plan)
    with pytest.raises(NotFound):
        await operator_for(ctx, "new@acme.test")


async def test_targets_are_listed_for_their_account(ctx: Context, ada: Caller, bob: Caller) -> None:
    operator = await operator_for(ctx, ada.email)
    for target in ("acme.test", "https://shop.acme.test:8443"):
        await authorize_target(ctx, operator, ada.email, target)
    first = await list_targets(ctx, ada, None, 1)
    second = await list_targets(ctx, ada, first.next_cursor, 1)
    assert [page.items[0].target for page in (first, second)] == ["https://shop.acme.test:8443", "acme.test"]
    assert second.next_cursor is None
    assert (await list_targets(ctx, bob)).items == ()


async def test_the_accounts_switch_is_kept(ctx: Context, ada: Caller, bob: Caller) -> None:
    await set_reports_need_key(ctx, ada, True)
    assert [await reports_need_key(ctx, caller) for caller in (ada, bob)] == [True, False]


def test_https_binds_the_cookie_to_the_host(ctx: Context) -> None:
    assert session_cookie(ctx) == "secrecon"
    https = replace(ctx, policy=make_policy(base_url="https://scan.acme.test"))
    assert session_cookie(https) == "__Host-secrecon"


async def test_what_is_over_is_forgotten(ctx: Context, ada: Caller, clock: BentClock) -> None:
    signed = await sign_in(ctx, "ada@acme.test", PASSWORD, HERE)
    with pytest.raises(Forbidden):
        await sign_in(ctx, "ada@acme.test", "wrong", HERE)
    assert await tidy(ctx) == 0
    assert await caller_from_session(ctx, signed.token) is not None
    clock.at += 15 * 86_400.0
    assert await tidy(ctx) == 3
    assert await tidy(ctx) == 0

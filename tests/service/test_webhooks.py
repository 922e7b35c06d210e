"""Webhooks end to end: what happens is told to whoever listens, signed, at least once, and nobody else's business."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

import pytest
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError
from tests.hookhost import HookHost, receiving
from tests.little import BentClock

from secrecon.accounts.caller import Caller
from secrecon.accounts.vault import fresh_vault
from secrecon.model.errors import BadInput, Conflict, NotFound, ScopeRefused
from secrecon.model.webhook import CHOICES, DeliveryState, HookEvent, HookUrl
from secrecon.net.hooks import HookReply, HookSender
from secrecon.service import delivering
from secrecon.service.announce import announce, feed_unhealthy
from secrecon.service.answers import ScanRequest
from secrecon.service.context import Context
from secrecon.service.delivering import AGAIN, LEASE, Delivered, Deliverer
from secrecon.service.housekeeping import DELIVERIES_SECONDS, tidy
from secrecon.service.people import authorize_target, operator_for
from secrecon.service.running import ScanRunner
from secrecon.service.scans import submit_scan
from secrecon.service.webhooks import (
    MOST,
    HookChange,
    change_webhook,
    create_webhook,
    list_deliveries,
    list_webhooks,
    remove_webhook,
    replay_delivery,
    rotate_webhook,
    try_webhook,
)
from secrecon.store import webhooks
from secrecon.store.tables import user

ALL = tuple(kind.value for kind in CHOICES)
TARGET = "https://shop.acme.test"


@pytest.fixture
def clock() -> BentClock:
    """The receivers' library holds timestamps against the real clock."""
    return BentClock(float(int(time.time())))


@pytest.fixture
async def host() -> AsyncIterator[HookHost]:
    async with receiving() as host:
        yield host


def deliverer(ctx: Context) -> Deliverer:
    return Deliverer(ctx, random.Random(7))


async def scan(ctx: Context, caller: Caller) -> None:
    await authorize_target(ctx, await operator_for(ctx, caller.email), caller.email, "shop.acme.test")
    accepted = await submit_scan(ctx, caller, ScanRequest(TARGET))
    runner = ScanRunner(ctx)
    for step in await runner.steps(accepted.scan_id):
        await runner.run_step(accepted.scan_id, step, 0)
    await runner.finish(accepted.scan_id)
    await runner.finish(accepted.scan_id)


async def test_a_finished_scan_is_told_once_signed_and_to_its_own_account(
    ctx: Context, ada: Caller, bob: Caller, host: HookHost
) -> None:
    made = await create_webhook(ctx, ada, "Alerts", host.url("/ada"), ALL)
    await create_webhook(ctx, bob, "Bob's", host.url("/bob"), ALL)
    await scan(ctx, ada)
    result = await deliverer(ctx).deliver_due()
    assert (result.tried, result.arrived) == (2, 2)
    assert {taken.path for taken in host.taken} == {"/ada"}
    bodies = {}
    for taken in host.taken:
        body = Verifier(made.secret).verify(taken.body, taken.headers)
        bodies[body["type"]] = body
        with pytest.raises(WebhookVerificationError):
            Verifier(made.secret).verify(taken.body + b" ", taken.headers)
    assert bodies["scan.finished"]["data"]["status"] == "complete"
    assert bodies["scan.finished"]["data"]["findings"]["high"] == 1
    assert bodies["scan.finished"]["data"]["target"] == TARGET
    fresh = bodies["finding.new"]["data"]
    assert (fresh["count"], fresh["findings"][0]["severity"]) == (1, "high")
    assert (await deliverer(ctx).deliver_due()).tried == 0


async def test_a_scan_that_finds_the_same_again_tells_no_new_finding(
    ctx: Context, ada: Caller, host: HookHost
) -> None:
    await create_webhook(ctx, ada, "Alerts", host.url(), ["finding.new"])
    await scan(ctx, ada)
    await scan(ctx, ada)
    assert (await deliverer(ctx).deliver_due()).arrived == 1
    assert (await deliverer(ctx).deliver_due()).tried == 0


async def test_a_scan_that_fails_is_told_too(ctx: Context, ada: Caller, host: HookHost) -> None:
    await create_webhook(ctx, ada, "Alerts", host.url(), ["scan.finished"])
    accepted = await submit_scan(ctx, ada, ScanRequest(TARGET))
    runner = ScanRunner(ctx)
    await runner.steps(accepted.scan_id)
    await runner.failed(accepted.scan_id, "a bug")
    await deliverer(ctx).deliver_due()
    (taken,) = host.taken
    assert json.loads(taken.body)["data"]["status"] == "error"


async def test_nothing_is_told_where_the_transaction_fails(ctx: Context, ada: Caller, host: HookHost) -> None:
    await create_webhook(ctx, ada, "Alerts", host.url(), ALL)
    with pytest.raises(ZeroDivisionError):
        async with ctx.db.transaction() as tx:
            await announce(ctx, tx, ada.account_id, HookEvent.SCAN_FINISHED, {})
            raise ZeroDivisionError
    assert (await deliverer(ctx).deliver_due()).tried == 0


async def test_what_fails_is_tried_again_and_then_given_up(
    ctx: Context, ada: Caller, host: HookHost, clock: BentClock
) -> None:
    made = await create_webhook(ctx, ada, "Alerts", host.url(), ALL)
    await try_webhook(ctx, ada, made.webhook.id)
    host.faults = ["500", "redirect:http://127.0.0.1/", "close"] + ["500"] * 20
    sender = deliverer(ctx)
    seen = []
    while (await sender.deliver_due()).tried:
        (item,) = (await list_deliveries(ctx, ada, made.webhook.id)).items
        seen.append(item)
        if item.next_try is not None:
            pause = item.next_try - clock.now()
            assert 0.8 * AGAIN[item.tries - 1] < pause < 1.2 * AGAIN[item.tries - 1]
            assert (await sender.deliver_due()).tried == 0, "not before its time"
            clock.at = item.next_try
    assert len(seen) == len(AGAIN) + 1
    assert seen[-1].state is DeliveryState.FAILED
    assert "500" in seen[0].last_error
    assert "redirect is not followed" in seen[1].last_error
    assert seen[2].last_status is None
    assert len({taken.headers["webhook-id"] for taken in host.taken}) == 1


async def test_a_replay_arrives_under_the_same_id(ctx: Context, ada: Caller, host: HookHost) -> None:
    made = await create_webhook(ctx, ada, "Alerts", host.url(), ALL)
    waiting = await try_webhook(ctx, ada, made.webhook.id)
    with pytest.raises(Conflict, match="still waits"):
        await replay_delivery(ctx, ada, made.webhook.id, waiting.id)
    await deliverer(ctx).deliver_due()
    await replay_delivery(ctx, ada, made.webhook.id, waiting.id)
    await deliverer(ctx).deliver_due()
    assert [taken.headers["webhook-id"] for taken in host.taken] == [waiting.message_id] * 2
    (item,) = (await list_deliveries(ctx, ada, made.webhook.id)).items
    assert (item.state, item.tries) == (DeliveryState.DELIVERED, 1)


async def test_a_worker_that_dies_while_sending_is_followed_by_another(
    ctx: Context, ada: Caller, host: HookHost, clock: BentClock
) -> None:
    made = await create_webhook(ctx, ada, "Alerts", host.url(), ALL)
    await try_webhook(ctx, ada, made.webhook.id)
    async with ctx.db.transaction() as tx:
        ((delivery, _),) = await webhooks.due(tx, clock.now(), 8, 2)
        assert await webhooks.claim(tx, delivery, clock.now() + LEASE)
        assert not await webhooks.claim(tx, delivery, clock.now() + LEASE), "one worker only"
    assert (await deliverer(ctx).deliver_due()).tried == 0
    clock.at += LEASE
    assert (await deliverer(ctx).deliver_due()).arrived == 1


async def test_workers_at_once_send_each_message_once(ctx: Context, ada: Caller, host: HookHost) -> None:
    made = await create_webhook(ctx, ada, "Alerts", host.url(), ALL)
    for _ in range(12):
        await try_webhook(ctx, ada, made.webhook.id)
    workers = [deliverer(ctx) for _ in range(4)]
    for _ in range(12):
        await asyncio.gather(*(worker.deliver_due() for worker in workers))
    assert len(host.taken) == 12
    assert len({taken.headers["webhook-id"] for taken in host.taken}) == 12


async def test_a_slow_receiver_does_not_hold_up_the_others(
    ctx: Context, ada: Caller, bob: Caller, host: HookHost
) -> None:
    slow = await create_webhook(ctx, ada, "Slow", host.url(), ALL)
    quick = await create_webhook(ctx, bob, "Quick", host.url("/bob"), ALL)
    for _ in range(30):
        await try_webhook(ctx, ada, slow.webhook.id)
    await try_webhook(ctx, bob, quick.webhook.id)
    await deliverer(ctx).deliver_due()
    assert "/bob" in {taken.path for taken in host.taken}


async def test_a_message_that_breaks_the_sender_does_not_keep_others_back(
    ctx: Context, ada: Caller, bob: Caller, host: HookHost
) -> None:
    class Breaking(HookSender):
        async def post(self, url: HookUrl, headers: Mapping[str, str], body: bytes) -> HookReply:
            if url.target == "/odd":
                raise ZeroDivisionError
            return await super().post(url, headers, body)

    odd = await create_webhook(ctx, ada, "Odd", host.url("/odd"), ALL)
    other = await create_webhook(ctx, bob, "Other", host.url("/bob"), ALL)
    await try_webhook(ctx, ada, odd.webhook.id)
    await try_webhook(ctx, bob, other.webhook.id)
    hooks = Breaking(["127.0.0.1"], ctx.policy.resolver)
    assert (await deliverer(replace(ctx, hooks=hooks)).deliver_due()).arrived == 1
    (kept,) = (await list_deliveries(ctx, ada, odd.webhook.id)).items
    assert (kept.state, kept.last_error[:9]) == (DeliveryState.WAITING, "not sent:")


async def test_both_secrets_sign_for_a_day(ctx: Context, ada: Caller, host: HookHost, clock: BentClock) -> None:
    made = await create_webhook(ctx, ada, "Alerts", host.url(), ALL)
    fresh = await rotate_webhook(ctx, ada, made.webhook.id)
    assert fresh.secret != made.secret
    await try_webhook(ctx, ada, made.webhook.id)
    await deliverer(ctx).deliver_due()
    for secret in (made.secret, fresh.secret):
        Verifier(secret).verify(host.taken[0].body, host.taken[0].headers)
    clock.at += 86_401
    await try_webhook(ctx, ada, made.webhook.id)
    await deliverer(ctx).deliver_due()
    assert len(host.taken[1].headers["webhook-signature"].split(" ")) == 1


async def test_a_receiver_that_is_gone_is_asked_no_more(ctx: Context, ada: Caller, host: HookHost) -> None:
    made = await create_webhook(ctx, ada, "Alerts", host.url(), ALL)
    await try_webhook(ctx, ada, made.webhook.id)
    host.faults = ["410"]
    await deliverer(ctx).deliver_due()
    (hook,) = await list_webhooks(ctx, ada)
    assert "410" in hook.disabled_why
    with pytest.raises(Conflict, match="switched off"):
        await try_webhook(ctx, ada, hook.id)
    await change_webhook(ctx, ada, hook.id, HookChange(enabled=True))
    await try_webhook(ctx, ada, hook.id)
    await deliverer(ctx).deliver_due()
    assert len(host.taken) == 2


async def test_one_that_nothing_reaches_for_days_is_switched_off(
    ctx: Context, ada: Caller, host: HookHost, clock: BentClock
) -> None:
    made = await create_webhook(ctx, ada, "Alerts", host.url(), ALL)
    await try_webhook(ctx, ada, made.webhook.id)
    host.faults = ["500"] * 20
    for _ in range(20):
        await deliverer(ctx).deliver_due()
        clock.at += 86_400
    (hook,) = await list_webhooks(ctx, ada)
    assert "5 days" in hook.disabled_why


async def test_a_secret_that_does_not_open_is_told_and_not_sent(ctx: Context, ada: Caller, host: HookHost) -> None:
    made = await create_webhook(ctx, ada, "Alerts", host.url(), ALL)
    await try_webhook(ctx, ada, made.webhook.id)
    await deliverer(replace(ctx, vault=fresh_vault())).deliver_due()
    (item,) = (await list_deliveries(ctx, ada, made.webhook.id)).items
    assert "rotate the secret" in item.last_error
    assert host.taken == []


async def test_secrets_lie_sealed_in_the_database(ctx: Context, ada: Caller, host: HookHost) -> None:
    made = await create_webhook(ctx, ada, "Alerts", host.url(), ALL)
    async with ctx.db.reading() as tx:
        (stored,) = await webhooks.list_of(tx, ada.account_id)
    assert made.secret.removeprefix("whsec_") not in stored.secret


@pytest.mark.parametrize(
    ("name", "url", "events", "error"),
    [
        ("", "http://127.0.0.1/", ALL, BadInput),
        ("x" * 101, "http://127.0.0.1/", ALL, BadInput),
        ("Alerts", "ftp://127.0.0.1/", ALL, BadInput),
        ("Alerts", "http://127.0.0.1/", (), BadInput),
        ("Alerts", "http://127.0.0.1/", ("scan.began",), BadInput),
        ("Alerts", "http://127.0.0.1/", ("webhook.test",), BadInput),
        ("Alerts", "https://10.1.2.3/", ALL, ScopeRefused),
        ("Alerts", "http://169.254.169.254/", ALL, ScopeRefused),
        ("Alerts", "https://167772161/", ALL, (BadInput, ScopeRefused)),
    ],
)
async def test_what_cannot_be_a_webhook_is_refused(
    ctx: Context, ada: Caller, name: str, url: str, events: tuple[str, ...], error: type[Exception]
) -> None:
    with pytest.raises(error):
        await create_webhook(ctx, ada, name, url, events)
    assert await list_webhooks(ctx, ada) == ()


async def test_an_account_has_at_most_twenty(ctx: Context, ada: Caller, host: HookHost) -> None:
    for number in range(MOST):
        await create_webhook(ctx, ada, f"No. {number}", host.url(), ALL)
    with pytest.raises(Conflict, match="at most"):
        await create_webhook(ctx, ada, "One more", host.url(), ALL)


async def test_another_account_sees_and_changes_nothing(
    ctx: Context, ada: Caller, bob: Caller, host: HookHost
) -> None:
    made = await create_webhook(ctx, ada, "Alerts", host.url(), ALL)
    hook, delivery = made.webhook.id, await try_webhook(ctx, ada, made.webhook.id)
    assert await list_webhooks(ctx, bob) == ()
    for forbidden in (
        change_webhook(ctx, bob, hook, HookChange(enabled=False)),
        rotate_webhook(ctx, bob, hook),
        remove_webhook(ctx, bob, hook),
        try_webhook(ctx, bob, hook),
        list_deliveries(ctx, bob, hook),
        replay_delivery(ctx, bob, hook, delivery.id),
    ):
        with pytest.raises(NotFound):
            await forbidden
    assert (await list_webhooks(ctx, ada))[0] == made.webhook


async def test_one_that_is_removed_is_not_sent_to(ctx: Context, ada: Caller, host: HookHost) -> None:
    made = await create_webhook(ctx, ada, "Alerts", host.url(), ALL)
    await try_webhook(ctx, ada, made.webhook.id)
    await remove_webhook(ctx, ada, made.webhook.id)
    assert (await deliverer(ctx).deliver_due()).tried == 0


async def test_few_credits_are_told_once_and_none_once(ctx: Context, ada: Caller, host: HookHost) -> None:
    await create_webhook(ctx, ada, "Alerts", host.url(), ["credits.low"])
    for _ in range(5):
        await submit_scan(ctx, ada, ScanRequest(TARGET))
    await deliverer(ctx).deliver_due()
    left = sorted(json.loads(taken.body)["data"]["remaining"] for taken in host.taken)
    assert left == [0, 1]


async def test_an_unhealthy_feed_is_told_to_operators_once_a_day(
    ctx: Context, ada: Caller, bob: Caller, host: HookHost, clock: BentClock
) -> None:
    await create_webhook(ctx, ada, "Alerts", host.url("/ada"), ALL)
    await create_webhook(ctx, bob, "Alerts", host.url("/bob"), ALL)
    async with ctx.db.transaction() as tx:
        await tx.connection.execute(user.update().where(user.c.id == bob.user_id).values(is_admin=True))
    for _ in range(3):
        await feed_unhealthy(ctx, "kev", "it shrank by 40 %")
    await deliverer(ctx).deliver_due()
    clock.at += 86_400
    await feed_unhealthy(ctx, "kev", "it shrank by 40 %")
    await deliverer(ctx).deliver_due()
    assert [taken.path for taken in host.taken] == ["/bob", "/bob"]


async def test_the_log_is_forgotten_after_a_month_but_not_what_waits(
    ctx: Context, ada: Caller, host: HookHost, clock: BentClock
) -> None:
    made = await create_webhook(ctx, ada, "Alerts", host.url(), ALL)
    await try_webhook(ctx, ada, made.webhook.id)
    await deliverer(ctx).deliver_due()
    await try_webhook(ctx, ada, made.webhook.id)
    clock.at += DELIVERIES_SECONDS + 1
    await tidy(ctx)
    (item,) = (await list_deliveries(ctx, ada, made.webhook.id)).items
    assert item.state is DeliveryState.WAITING


async def test_the_loop_goes_on_after_what_nobody_foresaw(ctx: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds: list[int] = []
    again = asyncio.Event()

    class Odd(Deliverer):
        async def deliver_due(self) -> Delivered:
            rounds.append(1)
            if len(rounds) == 1:
                raise ZeroDivisionError
            again.set()
            return Delivered(0, 0)

    monkeypatch.setattr(delivering, "LOOK_EVERY", 0.01)
    running = asyncio.create_task(Odd(ctx, random.Random(7)).run())
    await asyncio.wait_for(again.wait(), 5)
    running.cancel()


async def test_the_loop_sends_at_the_ring(ctx: Context, ada: Caller, host: HookHost) -> None:
    made = await create_webhook(ctx, ada, "Alerts", host.url(), ALL)
    task = asyncio.create_task(deliverer(ctx).run())
    await asyncio.sleep(0)
    await try_webhook(ctx, ada, made.webhook.id)
    async with asyncio.timeout(10):
        await host.arrived.wait()
    task.cancel()

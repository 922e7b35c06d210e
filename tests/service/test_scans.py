"""Accepting scans: the order of checks, one transaction, nothing charged for what is not accepted."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
from tests.little import START, BentClock, ListQueue, LittleEngine, make_context, make_user

from secrecon.accounts.caller import Caller
from secrecon.model.errors import (
    BadInput,
    Conflict,
    Exhausted,
    Forbidden,
    InternalError,
    NotFound,
    ScopeRefused,
    SecReconError,
)
from secrecon.model.login import FormLogin, Login
from secrecon.model.scan import ScanMode, ScanStatus, Touch
from secrecon.service.answers import ScanRequest
from secrecon.service.bell import Bell
from secrecon.service.context import Context, Draws
from secrecon.service.people import authorize_target, operator_for, read_credits
from secrecon.service.reports import read_report
from secrecon.service.running import ScanRunner
from secrecon.service.scan_log import StoredScanLog
from secrecon.service.scans import (
    cancel_scan,
    events_after,
    list_scans,
    read_status,
    read_watchable,
    submit_scan,
    watch,
)
from secrecon.store import audit, logins, scans

QUICK = ScanRequest("https://shop.acme.test", via_api=True)
FULL = ScanRequest("https://shop.acme.test", ScanMode.FULL, via_api=True)
DAY = 86_400.0


async def used(ctx: Context, caller: Caller) -> int:
    return (await read_credits(ctx, caller)).used


async def stored(ctx: Context, caller: Caller) -> int:
    return len((await list_scans(ctx, caller)).items)


async def run(ctx: Context, scan_id: str) -> None:
    runner = ScanRunner(ctx)
    for step in await runner.steps(scan_id):
        round_ = 0
        while await runner.run_step(scan_id, step, round_):
            round_ += 1
    await runner.finish(scan_id)


async def test_an_accepted_scan_is_stored_charged_and_queued(ctx: Context, ada: Caller, queue: ListQueue) -> None:
    accepted = await submit_scan(ctx, ada, ScanRequest("HTTPS://Shop.Acme.TEST:443/", via_api=True))
    assert accepted.target == "https://shop.acme.test"
    assert accepted.status is ScanStatus.RUNNING
    assert accepted.plan == "business"
    assert len(accepted.scan_id) == 32
    assert 0 < accepted.db_scan_id < 2**53
    assert queue.entries == [accepted.scan_id]
    assert await used(ctx, ada) == 1
    view = await read_status(ctx, accepted.scan_id)
    assert (view.status, view.phase, view.current_progress) == (ScanStatus.STARTING, None, 0)
    async with ctx.db.reading() as tx:
        assert [line.subject for line in await audit.lines(tx, 0, 100) if line.action == "scan.submitted"] == [
            accepted.scan_id
        ]


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (ScanRequest("", via_api=True), BadInput),
        (ScanRequest("ftp://shop.acme.test", via_api=True), BadInput),
        (ScanRequest("not a domain", via_api=True), BadInput),
        (ScanRequest("http://10.0.0.1/", via_api=True), ScopeRefused),
        (ScanRequest("http://2852039166/", via_api=True), ScopeRefused),
        (ScanRequest("http://[::ffff:10.0.0.1]/", via_api=True), ScopeRefused),
        (FULL, Forbidden),
    ],
)
async def test_what_is_refused_costs_nothing(
    ctx: Context, ada: Caller, queue: ListQueue, request_: ScanRequest, error: type[SecReconError]
) -> None:
    with pytest.raises(error):
        await submit_scan(ctx, ada, request_, "key-1")
    assert await used(ctx, ada) == 0
    assert await stored(ctx, ada) == 0
    assert queue.entries == []
    accepted = await submit_scan(ctx, ada, QUICK, "key-1")  # the key was not used up either
    assert not accepted.replayed
    assert await used(ctx, ada) == 1


async def test_the_plan_is_judged_before_the_target(ctx: Context) -> None:
    poor = await make_user(ctx, "eve@acme.test", "professional")
    with pytest.raises(
        Forbidden, match=r"^API access requires a Business or Enterprise plan \(current: professional\)\.$"
    ):
        await submit_scan(ctx, poor, ScanRequest("", via_api=True))
    assert (await submit_scan(ctx, poor, replace(QUICK, via_api=False))).plan == "professional"


async def test_scope_is_judged_before_credit(ctx: Context, ada: Caller) -> None:
    for _ in range(5):
        await submit_scan(ctx, ada, QUICK)
    with pytest.raises(ScopeRefused) as refused:
        await submit_scan(ctx, ada, ScanRequest("http://169.254.169.254/", via_api=True))
    assert refused.value.rule
    with pytest.raises(Forbidden, match="targets authorize"):
        await submit_scan(ctx, ada, FULL)
    with pytest.raises(Exhausted) as spent:
        await submit_scan(ctx, ada, QUICK)
    assert "2026-12-01" in str(spent.value)
    assert spent.value.retry_after == 1_796_083_200 - START
    assert await stored(ctx, ada) == 5


async def test_credits_come_back_with_the_month(ctx: Context, ada: Caller, clock: BentClock) -> None:
    for _ in range(5):
        await submit_scan(ctx, ada, QUICK)
    clock.at = 1_796_083_200.0 - 1
    with pytest.raises(Exhausted):
        await submit_scan(ctx, ada, QUICK)
    clock.at += 1
    await submit_scan(ctx, ada, QUICK)
    assert await used(ctx, ada) == 1


async def test_enterprise_is_never_limited(ctx: Context, bob: Caller) -> None:
    for _ in range(12):
        await submit_scan(ctx, bob, QUICK)
    found = await read_credits(ctx, bob)
    assert (found.limit, found.remaining, found.used) == (None, None, 12)


async def test_twenty_at_once_with_five_credits(ctx: Context, ada: Caller, queue: ListQueue) -> None:
    results = await asyncio.gather(*(submit_scan(ctx, ada, QUICK) for _ in range(20)), return_exceptions=True)
    accepted = [item for item in results if not isinstance(item, BaseException)]
    assert len(accepted) == 5
    assert all(isinstance(item, Exhausted) for item in results if isinstance(item, BaseException))
    assert await used(ctx, ada) == 5
    assert await stored(ctx, ada) == 5
    assert len({scan.db_scan_id for scan in accepted}) == 5


async def test_a_queue_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        raise RuntimeError("no queue")

    ctx = await make_context(tmp_path, queue=ListQueue(fail))
    ada = await make_user(ctx)
    with pytest.raises(RuntimeError):
        await submit_scan(ctx, ada, QUICK, "key-1")
    assert await used(ctx, ada) == 0
    assert await stored(ctx, ada) == 0
    await ctx.db.close()


async def test_a_report_id_that_is_taken_is_drawn_again(tmp_path: Path) -> None:
    numbers = iter([7, 7, 7, 9])
    ctx = await make_context(tmp_path, draws=Draws(db_scan_id=lambda: next(numbers)))
    ada = await make_user(ctx)
    assert (await submit_scan(ctx, ada, QUICK)).db_scan_id == 7
    assert (await submit_scan(ctx, ada, QUICK)).db_scan_id == 9
    await ctx.db.close()


async def test_a_broken_random_source_is_noticed(tmp_path: Path) -> None:
    ctx = await make_context(tmp_path, draws=Draws(db_scan_id=lambda: 7))
    ada = await make_user(ctx)
    await submit_scan(ctx, ada, QUICK)
    with pytest.raises(InternalError):
        await submit_scan(ctx, ada, QUICK)
    assert await used(ctx, ada) == 1
    await ctx.db.close()


class TestIdempotency:
    async def test_the_same_key_and_body_answer_the_same_for_one_credit(self, ctx: Context, ada: Caller) -> None:
        first = await submit_scan(ctx, ada, QUICK, "k")
        again = await submit_scan(ctx, ada, QUICK, "k")
        assert again.replayed
        assert replace(again, replayed=False) == first
        assert await used(ctx, ada) == 1

    async def test_another_body_is_a_conflict(self, ctx: Context, ada: Caller) -> None:
        await submit_scan(ctx, ada, QUICK, "k")
        with pytest.raises(Conflict):
            await submit_scan(ctx, ada, ScanRequest("https://acme.test", via_api=True), "k")
        assert await used(ctx, ada) == 1

    async def test_keys_belong_to_their_account(self, ctx: Context, ada: Caller, bob: Caller) -> None:
        first = await submit_scan(ctx, ada, QUICK, "k")
        other = await submit_scan(ctx, bob, QUICK, "k")
        assert other.scan_id != first.scan_id

    async def test_a_key_is_free_again_after_a_day(self, ctx: Context, ada: Caller, clock: BentClock) -> None:
        first = await submit_scan(ctx, ada, QUICK, "k")
        clock.at += DAY
        assert (await submit_scan(ctx, ada, QUICK, "k")).scan_id == first.scan_id
        clock.at += 1
        assert (await submit_scan(ctx, ada, QUICK, "k")).scan_id != first.scan_id

    async def test_at_once_they_are_one_scan(self, ctx: Context, ada: Caller) -> None:
        results = await asyncio.gather(*(submit_scan(ctx, ada, QUICK, "k") for _ in range(10)))
        assert len({item.scan_id for item in results}) == 1
        assert sum(not item.replayed for item in results) == 1
        assert await used(ctx, ada) == 1

    async def test_a_replay_is_answered_when_the_credits_are_gone(self, ctx: Context, ada: Caller) -> None:
        first = await submit_scan(ctx, ada, QUICK, "k")
        for _ in range(4):
            await submit_scan(ctx, ada, QUICK)
        assert (await submit_scan(ctx, ada, QUICK, "k")).scan_id == first.scan_id


class TestTouch:
    async def spec_touch(self, ctx: Context, scan_id: str) -> tuple[Touch, str]:
        async with ctx.db.reading() as tx:
            scan = await scans.by_scan_id(tx, scan_id)
        assert scan is not None
        return scan.spec.touch, scan.spec.authorized_by

    async def test_quick_on_what_nobody_authorized_stays_light(self, ctx: Context, ada: Caller) -> None:
        accepted = await submit_scan(ctx, ada, QUICK)
        assert await self.spec_touch(ctx, accepted.scan_id) == (Touch.LIGHT, "")

    async def test_authorized_targets_are_checked_actively(self, ctx: Context, ada: Caller) -> None:
        operator = await operator_for(ctx, ada.email)
        await authorize_target(ctx, operator, ada.email, "acme.test")
        for wish in (QUICK, FULL):
            accepted = await submit_scan(ctx, ada, wish)
            touch, by = await self.spec_touch(ctx, accepted.scan_id)
            assert touch is Touch.ACTIVE
            assert ada.email in by

    async def test_an_authorization_is_the_accounts_own_and_ends(
        self, ctx: Context, ada: Caller, bob: Caller, clock: BentClock
    ) -> None:
        operator = await operator_for(ctx, ada.email)
        await authorize_target(ctx, operator, ada.email, "acme.test", not_after=clock.at + 10)
        with pytest.raises(Forbidden):
            await submit_scan(ctx, bob, FULL)
        await submit_scan(ctx, ada, FULL)
        clock.at += 10
        with pytest.raises(Forbidden):
            await submit_scan(ctx, ada, FULL)

    async def test_callers_cannot_authorize_themselves(self, ctx: Context, ada: Caller) -> None:
        with pytest.raises(Forbidden):
            await authorize_target(ctx, replace(ada, via="session"), ada.email, "acme.test")


class TestCancel:
    async def test_a_scan_that_waits_ends_at_once(self, ctx: Context, ada: Caller, queue: ListQueue) -> None:
        accepted = await submit_scan(ctx, ada, QUICK)
        view = await cancel_scan(ctx, ada, accepted.scan_id)
        assert (view.status, view.cancelled) == (ScanStatus.COMPLETE, True)
        assert queue.entries == []
        await run(ctx, accepted.scan_id)  # a worker that had it in hand changes nothing
        assert (await read_status(ctx, accepted.scan_id)).cancelled

    async def test_a_cancelled_scan_ends_complete_and_says_what_was_not_run(
        self, ctx: Context, ada: Caller, engine: LittleEngine, queue: ListQueue
    ) -> None:
        accepted = await submit_scan(ctx, ada, QUICK)
        queue.take(accepted.scan_id)
        view = await cancel_scan(ctx, ada, accepted.scan_id)
        assert (view.stopping, view.cancelled) == (True, False)
        await run(ctx, accepted.scan_id)
        view = await read_status(ctx, accepted.scan_id)
        assert (view.status, view.cancelled, view.stopping) == (ScanStatus.COMPLETE, True, False)
        assert [phase.value for phase in view.not_run] == ["resolve", "verify", "synthesis"]
        assert engine.ran == []
        assert await used(ctx, ada) == 1

    async def test_it_can_be_asked_twice_and_too_late(self, ctx: Context, ada: Caller) -> None:
        accepted = await submit_scan(ctx, ada, QUICK)
        await run(ctx, accepted.scan_id)
        for _ in range(2):
            view = await cancel_scan(ctx, ada, accepted.scan_id)
            assert (view.status, view.cancelled, view.stopping) == (ScanStatus.COMPLETE, False, False)

    async def test_others_cannot_see_that_it_exists(self, ctx: Context, ada: Caller, bob: Caller) -> None:
        accepted = await submit_scan(ctx, ada, QUICK)
        told = []
        for scan_id in (accepted.scan_id, "f" * 32, "nonsense", "\0" * 32, ""):
            with pytest.raises(NotFound) as caught:
                await cancel_scan(ctx, bob, scan_id)
            told.append(str(caught.value))
        assert len(set(told)) == 1
        assert not (await read_status(ctx, accepted.scan_id)).stopping


class TestWatching:
    async def test_events_have_no_gaps_and_end_with_done(self, ctx: Context, ada: Caller) -> None:
        accepted = await submit_scan(ctx, ada, QUICK)
        await run(ctx, accepted.scan_id)
        seen = [event async for event in watch(ctx, accepted.scan_id)]
        assert [event.seq for event in seen] == list(range(1, len(seen) + 1))
        assert seen[-1].kind == "done"
        assert {"phase_started", "progress", "fact", "finding", "attempt", "phase_done"} <= {e.kind for e in seen}

    async def test_a_watcher_sees_events_as_they_come(
        self, ctx: Context, ada: Caller, engine: LittleEngine
    ) -> None:
        engine.gate = asyncio.Event()
        accepted = await submit_scan(ctx, ada, QUICK)
        running = asyncio.create_task(run(ctx, accepted.scan_id))
        kinds: list[str] = []
        async with asyncio.timeout(20):
            async for event in watch(ctx, accepted.scan_id):
                kinds.append(event.kind)
                if event.data.get("phase") == "verify":
                    engine.gate.set()
        await running
        assert kinds[-1] == "done"

    async def test_a_watcher_resumes_where_it_stopped(self, ctx: Context, ada: Caller) -> None:
        accepted = await submit_scan(ctx, ada, QUICK)
        await run(ctx, accepted.scan_id)
        every = [event.seq async for event in watch(ctx, accepted.scan_id)]
        rest = [event.seq async for event in watch(ctx, accepted.scan_id, 3)]
        assert rest == every[3:]
        assert [event async for event in watch(ctx, accepted.scan_id, every[-1])] == []
        assert [event.seq for event in await events_after(ctx, accepted.scan_id, 2, 2)] == [3, 4]

    async def test_an_unknown_scan_has_no_events(self, ctx: Context) -> None:
        with pytest.raises(NotFound):
            await events_after(ctx, "0" * 32, 0)
        with pytest.raises(NotFound):
            await anext(watch(ctx, "0" * 32))

    async def test_progress_never_goes_down(self, ctx: Context, ada: Caller) -> None:
        accepted = await submit_scan(ctx, ada, QUICK)
        await run(ctx, accepted.scan_id)
        percents = [int(str(e.data["percent"])) async for e in watch(ctx, accepted.scan_id) if e.kind == "progress"]
        assert percents
        assert percents == sorted(percents)
        view = await read_status(ctx, accepted.scan_id)
        assert view.current_progress == 100
        assert (view.vulnerabilities_found, view.services_found, view.assets_found) == (1, 1, 2)


async def test_lists_page_through_everything_once(ctx: Context, bob: Caller, ada: Caller) -> None:
    made = [(await submit_scan(ctx, bob, QUICK)).scan_id for _ in range(7)]
    await submit_scan(ctx, ada, QUICK)
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(10):
        page = await list_scans(ctx, bob, cursor, 3)
        seen += [scan.scan_id for scan in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == made[::-1]


@pytest.mark.parametrize("cursor", ["", "x", "MTIz", "YWZ0ZXI6LTE", "é", "a" * 500])
async def test_a_cursor_we_never_wrote_is_refused(ctx: Context, ada: Caller, cursor: str) -> None:
    with pytest.raises(BadInput):
        await list_scans(ctx, ada, cursor)


@pytest.mark.parametrize("limit", [0, -1, 201])
async def test_a_page_has_bounds(ctx: Context, ada: Caller, limit: int) -> None:
    with pytest.raises(BadInput):
        await list_scans(ctx, ada, None, limit)


async def test_a_watcher_that_leaves_makes_room(ctx: Context, ada: Caller) -> None:
    accepted = await submit_scan(ctx, ada, QUICK)
    await run(ctx, accepted.scan_id)
    narrow = replace(ctx, bell=Bell(room=1))
    watching = watch(narrow, accepted.scan_id)
    await anext(watching)
    with pytest.raises(Exhausted):
        await read_watchable(narrow, accepted.scan_id)
    async for _ in watching:
        pass
    assert (await read_watchable(narrow, accepted.scan_id)).scan_id == accepted.scan_id


LOGIN = Login(form=FormLogin("/login", (("user", "wile"), ("password", "rocket-skates"))), check_text="Hello")
LOGGED_IN = replace(QUICK, login=LOGIN)


async def test_a_log_in_is_sealed_given_to_the_engine_alone_and_gone_with_the_end(
    ctx: Context, ada: Caller
) -> None:
    accepted = await submit_scan(ctx, ada, LOGGED_IN)
    async with ctx.db.reading() as tx:
        kept = await logins.find(tx, accepted.scan_id)
        scan = await scans.by_scan_id(tx, accepted.scan_id)
        lines = await audit.lines(tx, 0, 100)
    assert kept is not None
    assert "rocket-skates" not in kept + repr(scan) + repr(lines)
    details = [json.loads(line.detail) for line in lines if line.action == "scan.submitted"]
    assert [detail["login"] for detail in details] == ["a form"]
    given = (await StoredScanLog(ctx, accepted.scan_id).so_far()).login
    assert given is not None
    assert given.form == FormLogin("https://shop.acme.test/login", LOGIN.form.fields if LOGIN.form else ())
    await run(ctx, accepted.scan_id)
    async with ctx.db.reading() as tx:
        assert await logins.find(tx, accepted.scan_id) is None


async def test_a_log_in_that_points_elsewhere_costs_nothing(ctx: Context, ada: Caller) -> None:
    elsewhere = replace(LOGIN, check_url="https://evil.test/")
    with pytest.raises(BadInput, match="check_url"):
        await submit_scan(ctx, ada, replace(QUICK, login=elsewhere))
    assert await used(ctx, ada) == 0


async def test_another_password_is_another_request(ctx: Context, ada: Caller) -> None:
    first = await submit_scan(ctx, ada, LOGGED_IN, "key-1")
    again = await submit_scan(ctx, ada, LOGGED_IN, "key-1")
    assert (again.scan_id, again.replayed) == (first.scan_id, True)
    other = replace(LOGIN, form=FormLogin("/login", (("user", "wile"), ("password", "other"))))
    with pytest.raises(Conflict):
        await submit_scan(ctx, ada, replace(QUICK, login=other), "key-1")


async def test_the_report_of_a_scan_that_logs_in_is_for_its_account_alone(
    ctx: Context, ada: Caller, bob: Caller
) -> None:
    """It shows what only users of the target see, so its link alone is not enough, however it was started."""
    open_, closed = [await submit_scan(ctx, ada, replace(wish, via_api=True)) for wish in (QUICK, LOGGED_IN)]
    await read_report(ctx, open_.db_scan_id, None, "192.0.2.1")
    await read_report(ctx, closed.db_scan_id, ada, "192.0.2.1")
    for caller in (None, bob):
        with pytest.raises(NotFound):
            await read_report(ctx, closed.db_scan_id, caller, "192.0.2.1")

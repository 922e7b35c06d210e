"""The ledger: what was not answered is never shown as done."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from secrecon.engine.ledger import attempts_from, merge
from secrecon.model.probe import DnsProbe, Reply, Skip
from secrecon.model.scan import Attempt, Outcome, PhaseName

CRAWL = PhaseName.CRAWL
KEY = ("check", "asset")
probe = DnsProbe("check", "asset", "x.test", "A")


def replies(*outcomes: Outcome) -> list[Reply]:
    return [Reply(probe, outcome, "" if outcome is Outcome.DONE else f"why {outcome}") for outcome in outcomes]


def test_all_answered_is_done() -> None:
    attempt = attempts_from(CRAWL, replies(*[Outcome.DONE] * 3), [])[KEY]
    assert attempt == Attempt(CRAWL, *KEY, Outcome.DONE, "", 3)


def test_a_single_failure_keeps_its_reason() -> None:
    attempt = attempts_from(CRAWL, replies(Outcome.BLOCKED), [])[KEY]
    assert (attempt.outcome, attempt.reason) == (Outcome.BLOCKED, "why blocked")


def test_a_few_unanswered_of_many_are_told_but_done() -> None:
    attempt = attempts_from(CRAWL, replies(*[Outcome.DONE] * 19, Outcome.TIMED_OUT), [])[KEY]
    assert attempt.outcome is Outcome.DONE
    assert attempt.reason == "1 of 20: why timed_out"


def test_most_unanswered_takes_the_commonest_failure() -> None:
    attempt = attempts_from(CRAWL, replies(Outcome.DONE, Outcome.TIMED_OUT, Outcome.TIMED_OUT, Outcome.FAILED), [])[
        KEY
    ]
    assert attempt.outcome is Outcome.TIMED_OUT
    assert attempt.reason.startswith("3 of 4 requests were not answered; why timed_out")


def test_requests_that_never_left_are_not_counted() -> None:
    assert attempts_from(CRAWL, replies(Outcome.SKIPPED, Outcome.SKIPPED), [])[KEY].requests == 0


def test_a_skip_is_a_line_of_its_own() -> None:
    attempt = attempts_from(CRAWL, [], [Skip("check", "asset", "not wanted")])[KEY]
    assert (attempt.outcome, attempt.reason) == (Outcome.SKIPPED, "not wanted")


def test_rounds_of_one_phase_add_up_and_the_worst_stays() -> None:
    first = attempts_from(CRAWL, replies(Outcome.TIMED_OUT), [])
    second = attempts_from(CRAWL, replies(Outcome.DONE), [])
    (merged,) = merge(first, second, [])
    assert (merged.outcome, merged.requests) == (Outcome.TIMED_OUT, 2)


def test_another_phase_starts_anew() -> None:
    earlier = {KEY: Attempt(PhaseName.PROBE, *KEY, Outcome.FAILED, "then", 5)}
    (merged,) = merge(earlier, attempts_from(CRAWL, replies(Outcome.DONE), []), [])
    assert merged == Attempt(CRAWL, *KEY, Outcome.DONE, "", 1)


def test_what_the_phase_judged_wins_and_keeps_the_count() -> None:
    judged = Attempt(CRAWL, *KEY, Outcome.FAILED, "every path answers 200")
    (merged,) = merge({}, attempts_from(CRAWL, replies(Outcome.DONE, Outcome.DONE), []), [judged])
    assert (merged.outcome, merged.reason, merged.requests) == (Outcome.FAILED, "every path answers 200", 2)


@given(st.lists(st.sampled_from(Outcome), min_size=1, max_size=40))
def test_done_means_nine_in_ten_were_answered(outcomes: list[Outcome]) -> None:
    attempt = attempts_from(CRAWL, replies(*outcomes), [])[KEY]
    answered = outcomes.count(Outcome.DONE)
    assert (attempt.outcome is Outcome.DONE) == (answered >= 0.9 * len(outcomes))
    assert bool(attempt.reason) == (answered < len(outcomes))

"""Callbacks in one line of time: nothing lost, nothing out of order, runs joined, times told."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.report.conftest import make_record, with_callback

from secrecon import report as reports
from secrecon.model.interaction import CallbackProtocol
from secrecon.report.document import CallbackHit
from secrecon.report.page import MOST_MOMENTS, to_html
from secrecon.report.text import iso
from secrecon.report.timeline import moments

SENT = 1_795_400_000.0


def hit_at(
    seconds: float, location: str = "GET /fetch url", *, own: bool = False, sent: float | None = SENT
) -> CallbackHit:
    return CallbackHit(
        id=f"h{seconds}",
        protocol="http",
        at=iso(SENT + seconds),
        remote_address="127.0.0.2",
        query="",
        raw="GET / HTTP/1.1",
        own=own,
        token="t" * 33,
        check="ssrf.callback",
        asset="http://shop.test",
        location=location,
        technique="direct-url",
        probe_sent_at=None if sent is None else iso(sent),
    )


@given(st.lists(st.tuples(st.integers(0, 400_000), st.sampled_from("ab"), st.booleans()), max_size=30))
def test_every_hit_is_in_one_moment_and_days_are_said_once(made: list[tuple[int, str, bool]]) -> None:
    hits = [hit_at(at, place, own=own) for at, place, own in sorted(made)]
    shown = moments(hits)
    assert sum(moment.times for moment in shown) == len(hits)
    assert [moment.at for moment in shown] == sorted(moment.at for moment in shown)
    assert all(moment.at <= moment.until for moment in shown)
    said = [moment.day for moment in shown if moment.day]
    assert said == sorted({moment.at[:10] for moment in shown})


def test_a_burst_is_one_moment_and_a_pause_ends_it() -> None:
    first, second, third = moments([hit_at(1), hit_at(2, "GET /other url"), hit_at(2.5), hit_at(4.5), hit_at(7)])
    assert (first.times, first.at, first.until) == (3, iso(SENT + 1), iso(SENT + 4.5))
    assert (second.place, second.times) == ("http://shop.test GET /other url", 1)
    assert (third.times, third.at) == (1, iso(SENT + 7))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.04, "less than 0.1 s"),
        (0.25, "0.2 s"),
        (59, "59.0 s"),
        (61, "1 minute"),
        (3_599, "59 minutes"),
        (7_300, "2 hours"),
        (4 * 86_400 + 5, "4 days"),
        (-3, ""),
    ],
)
def test_how_long_after_its_probe(seconds: float, words: str) -> None:
    (moment,) = moments([hit_at(seconds)])
    assert moment.after == words


def test_a_hit_of_no_probe_says_no_delay() -> None:
    (moment,) = moments([hit_at(5, sent=None)])
    assert moment.after == ""


def test_the_page_tells_them_in_the_order_of_time_with_our_own_marked() -> None:
    page = to_html(reports.build(with_callback(make_record()))).decode()
    told = page[page.index('<ol class="moments">') : page.index("By the place that was probed")]
    assert told.index("<b>DNS</b>") < told.index("<b>HTTP</b>")
    assert told.count("our own traffic, proves nothing") == 1
    assert "after the probe" in told


def test_many_moments_stay_closed_and_hostile_text_stays_text() -> None:
    record = with_callback(make_record())
    (hit,) = (hit for hit in record.interactions if not hit.own)
    many = tuple(
        replace(
            hit,
            id=f"m{number}",
            at=hit.at + 3 * number,
            protocol=(CallbackProtocol.HTTP, CallbackProtocol.DNS)[number % 2],
            remote_address="<script>",
        )
        for number in range(MOST_MOMENTS + 5)
    )
    page = to_html(reports.build(replace(record, interactions=many))).decode()
    assert "5 later moments" in page
    assert "<script>" not in page

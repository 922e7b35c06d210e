"""What the terminal shows: text from targets stays inert, numbers stay true."""

from __future__ import annotations

import io
import json

from rich.console import Console

from secrecon.cli.show import LiveProgress, plain, print_summary
from secrecon.model.scan import PhaseName


def console() -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, width=200, force_terminal=False), out


def document(**changes: object) -> dict[str, object]:
    finding = {
        "check": "ssrf.callback",
        "title": "\x1b[31mred\u202e [bold]x[/bold]",
        "severity": "high",
        "asset": "http://a.test",
        "location": "GET / query:u",
        "evidence_level": "callback",
        "oast_verified": True,
    }
    coverage = {"summary": {"enough": True, "gaps": ["SSRF"], "assessing_checks": {"applicable": 10, "done": 9}}}
    whole = {
        "target": "http://a.test",
        "risk_score": "D",
        "cancelled": False,
        "findings": [finding],
        "coverage": coverage,
    }
    return {**whole, **changes}


def test_hostile_text_is_shown_inert() -> None:
    terminal, out = console()
    print_summary(terminal, document())
    assert "\x1b" not in out.getvalue()
    assert "\u202e" not in out.getvalue()
    assert "[bold]x[/bold]" in out.getvalue()


def test_the_summary_tells_counts_coverage_and_gaps() -> None:
    terminal, out = console()
    print_summary(terminal, json.loads(json.dumps(document())))
    for words in ("Grade", "D", "1 high", "callback", "9 of 10 checks ran", "Gap: SSRF"):
        assert words in out.getvalue()


def test_nothing_found_is_never_called_clean() -> None:
    terminal, out = console()
    print_summary(terminal, document(findings=[], cancelled=True))
    assert "nothing found in what was tested" in out.getvalue()
    assert "stopped before its end" in out.getvalue()


def test_many_findings_are_cut_and_counted() -> None:
    terminal, out = console()
    one = document()["findings"]
    assert isinstance(one, list)
    print_summary(terminal, document(findings=one * 45))
    assert "and 5 more in the report" in out.getvalue()


def test_plain_keeps_one_bounded_line() -> None:
    assert plain("a\r\nb\tc\x00") == "a\ufffd\ufffdb\ufffdc\ufffd"
    assert len(plain("x" * 1000, 50)) == 50


def test_without_a_terminal_each_phase_is_one_line() -> None:
    terminal, out = console()
    with LiveProgress(terminal) as live:
        live.update(PhaseName.CRAWL, 10, "Crawling", {"findings": 1})
        live.update(PhaseName.CRAWL, 20, "Crawling more", {"findings": 2})
        live.update(PhaseName.OAST, 80, "Waiting", {"findings": 3})
    lines = out.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("[ 10 %] crawl: Crawling")

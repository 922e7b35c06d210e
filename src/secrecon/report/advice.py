"""What to do about what was not tested: for each reason in the ledger the next step that would close the gap.

Reasons are our own words (engine and detect write them) around words of targets; they are only compared with fixed
phrases, first match wins, and where none fits the outcome decides. Pure.
"""

from __future__ import annotations

from secrecon.model.scan import Outcome

LISTENER = "make the callback listener reachable for the target (docs/callbacks.md) and scan again"
AUTHORIZE = "have the target authorized for active checks and scan again"
PHRASES: tuple[tuple[str, str], ...] = (
    (
        "logged in:",
        "check the credentials, the log-in page and the text that tells (docs/crawling.md), and scan again",
    ),
    ("not authorized", AUTHORIZE),
    ("listener", LISTENER),
    ("callback", LISTENER),
    ("full scan", "run a full scan of a target that is authorized for it"),
    ("curated core has no record", "compare these products with their makers' advisories"),
    ("version unknown", "take the versions from the hosts themselves and compare them with the makers' advisories"),
    (
        "no technology with a version",
        "take the installed versions from the hosts themselves (their package manager)",
    ),
    ("too rough to place", "take the exact version from the host itself"),
    ("pages that cannot exist", "let the scanner's address through what refuses it, and scan these hosts again"),
    ("addresses were not visited", "scan the parts of the site one by one, by the path they begin at"),
    ("while crawling and not scanned", "scan these hosts too"),
    ("budget", "scan fewer hosts at once, so that each gets its share of the requests"),
    ("the limit is", "scan fewer hosts at once, so that every input gets its turn"),
    ("start page answered", "make the start page answer without a login or an error, and scan again"),
    ("cancelled", "start the scan again and let it end"),
    ("no web service answered", "check that the service runs and that the scanner can reach it, and scan again"),
)
BY_OUTCOME = {
    Outcome.BLOCKED: "let the scanner's address through the filter in front of these hosts, and scan again",
    Outcome.TIMED_OUT: "scan again at a quieter time, or from nearer",
    Outcome.FAILED: "check that the service answers the scanner, and scan again",
    Outcome.SKIPPED: "remove what is named here, and scan again",
}


def next_step(outcome: Outcome, reason: str) -> str:
    """What to do about one line of the ledger that is not done; without a full stop."""
    told = reason.lower()
    for phrase, step in PHRASES:
        if phrase in told:
            return step
    return BY_OUTCOME.get(outcome, BY_OUTCOME[Outcome.SKIPPED])

"""docs/sensitive-paths.md, written from the list itself: `python -m tests.rules.paths_page` writes it, a test compares it."""

from __future__ import annotations

from pathlib import Path

from secrecon.detect.exposure_rules import load_rules
from secrecon.model.scan import FULL_BUDGET

PAGE = Path(__file__).resolve().parents[2] / "docs" / "sensitive-paths.md"
HEAD = """# Sensitive paths

Files and pages that should not be public: which paths a scan asks for, in which order, and when it believes what it
gets. The
list is ours, in `src/secrecon/rules/exposures/`; this page is written from it by `python -m tests.rules.paths_page`.

{paths:,} paths, {proofs} proofs, {checks} kinds of exposure.

## Which paths are asked for
- A quick scan asks for the first {quick}.
- A full scan asks every web service for the first {first}. Where many services share the scan's requests, the likeliest
  stay.
- Then come the groups below: first those that something on the service makes likely (a product, a path that the crawl met,
  something that was seen in the first round), then the whole list by yield, the likeliest of every group before the
  less likely of
  any. At most {more:,} of these a service, and together no more than leaves room for what comes after. The line
  `exposure.full-list` of the coverage ledger says for each service how many of the list were asked for.
- Folders, copies of scripts and source maps that the crawl leads to are asked for besides, and every sensitive path
  that an earlier
  scan of the target saw, in quick scans too.

What another phase has fetched is not fetched again. All requests are GET, and of each reply at most 64 KiB are read.

## When a reply is believed
A path that answers 200 proves nothing. A reply counts only where

1. its content is the thing itself: a reference and nothing else in `.git/HEAD`, the first bytes of an archive, keys at
   the top level
   of a JSON document, lines that only a dump has. A web page is refused unless the thing is one;
2. it does not look like the pages with which the service answers for names that cannot exist, which were asked for
   before, for
   names, folders, scripts, dot files and other files apart;
3. two names that cannot exist beside it, in the same folder and with the same ending, are not answered with such a
   thing too. So a
   server that makes an archive for every `.zip`, or one folder that answers everything, shows nothing.

Secrets are masked before a reply becomes evidence: names stay, values go. Where a server refuses even what cannot
exist, or begins
to turn the scan away meanwhile, the checks are told as blocked, never as clean.

## The groups

| group | what it holds | paths | likely where |
|---|---|---|---|
"""


def page() -> str:
    """The page as it should be."""
    rules = load_rules()
    head = HEAD.format(
        paths=len(rules.paths),
        proofs=len(rules.proofs),
        checks=len(rules.checks),
        quick=len(rules.quick),
        first=len({rule.path for rule in rules.rules}),
        more=FULL_BUDGET.paths,
    )
    lines = []
    for group in rules.groups:
        signs = [
            *(f"`{check}` was seen" for check in sorted(group.hits)),
            *(f"the product is {name}" for name in sorted(group.technologies)),
            *(f"a path ends in `{ending}`" for ending in group.endings),
        ]
        count = len({rule.path for rule in group.rules})
        lines.append(f"| {group.name} | {group.about} | {count} | {', '.join(signs)} |")
    checks = [f"| `{entry.id}` | {entry.title} | {entry.severity} |" for entry in rules.checks.values()]
    return (
        head
        + "\n".join(lines)
        + "\n\n## What is found\n\n| check | what it shows | severity |\n|---|---|---|\n"
        + "\n".join(checks)
        + "\n"
    )


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")

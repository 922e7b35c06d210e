"""docs/own-templates.md, written from the set itself: `python -m tests.rules.own_page` writes it, a test compares it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.rules.verdicts import own_catalog

from secrecon.templates.catalog import Entry

PAGE = Path(__file__).resolve().parents[2] / "docs" / "own-templates.md"
EVIDENCE = {
    "behaviour": "the target's own answer shows the flaw",
    "callback": "the target contacts our listener",
    "version": "the target tells a version that has the flaw; nothing is proven",
}
HEAD = """# Our own templates

What ships with SecRecon in `src/secrecon/rules/templates/`, how each is held to what it says, and how to add one: see
[templates.md](templates.md). This page is written from the templates by `python -m tests.rules.own_page`.
"""


def page() -> str:
    """The page as it should be."""
    entries = own_catalog().entries
    kinds = Counter(entry.template.info.metadata["evidence"] for entry in entries)
    listed = sum("kev" in entry.template.info.tags for entry in entries)
    parts = [
        HEAD,
        f"{len(entries)} templates, {listed} of them for flaws that are known to be exploited (CISA's list).\n",
        "| evidence | templates | what it means |\n|---|---|---|",
        *(f"| {name} | {kinds[name]} | {meaning} |" for name, meaning in EVIDENCE.items()),
    ]
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.path.partition("/")[0], []).append(entry)
    for group, members in sorted(groups.items()):
        parts.append(
            f"\n## {group}\n\n| template | what it shows | severity | evidence | exploited |\n|---|---|---|---|---|"
        )
        parts += [_row(entry) for entry in sorted(members, key=lambda entry: entry.template.id)]
    return "\n".join(parts) + "\n"


def _row(entry: Entry) -> str:
    info = entry.template.info
    exploited = "yes" if "kev" in info.tags else ""
    name = info.name.replace("|", "\\|")
    return f"| `{entry.template.id}` | {name} | {info.severity} | {info.metadata['evidence']} | {exploited} |"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")

"""`secrecon diff` and `explain-diff`: two scans of one target held against each other, from files or from the database.

OLD and NEW are JSON reports (`--format json`), or numbers of stored reports. Nothing is asked of a server or a target.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from secrecon.app.context import open_context
from secrecon.app.logs import configure_logs
from secrecon.app.settings import load_settings
from secrecon.cli.options import data_dir_option
from secrecon.cli.show import SEVERITY_STYLE, plain
from secrecon.model.errors import BadInput, OperatorError
from secrecon.report.diff import Change, Diff, DiffLine, compare, diff_document
from secrecon.report.snapshot import MOST_BYTES, Snapshot, read_snapshot, snapshot_of
from secrecon.service.context import Context
from secrecon.store import records

TITLES = {
    Change.REGRESSED: ("Regressed: fixed before, and back", "bold red"),
    Change.NEW: ("New", "bold red"),
    Change.NOT_RETESTED: ("Not re-tested: nobody knows", "bold yellow"),
    Change.FIXED: ("Fixed: looked for again, and not found", "bold green"),
    Change.UNCHANGED: ("Unchanged", "dim"),
}
MOST_LINES = 200
_FORMAT = click.option(
    "--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True
)


@click.command()
@click.argument("old")
@click.argument("new")
@_FORMAT
@click.option("--all", "every", is_flag=True, help="List the unchanged findings too.")
@data_dir_option
def diff(old: str, new: str, format_: str, every: bool, data_dir: Path | None) -> None:
    """What changed from the scan OLD to the scan NEW of one target.

    Each is a JSON report file or the number of a stored report. "Fixed" means that the same check ran again on the same asset, to
    its end, and did not find it.
    """
    found = _read(old, new, data_dir)
    if format_ == "json":
        click.echo(json.dumps(diff_document(found), indent=2))
        return
    console = Console(highlight=False)
    _head(console, found)
    for change, (title, style) in TITLES.items():
        lines = found.of(change)
        if change is Change.UNCHANGED and not every:
            lines = tuple(item for item in lines if item.differs)
            title = "Unchanged, but told otherwise"
        if lines:
            console.print(Text(f"\n  {title} ({len(lines)})", style))
        for item in lines[:MOST_LINES]:
            _line(console, item)
        if len(lines) > MOST_LINES:
            console.print(Text(f"    and {len(lines) - MOST_LINES:,} more: --format json lists all", "dim"))


@click.command("explain-diff")
@click.argument("old")
@click.argument("new")
@_FORMAT
@data_dir_option
def explain_diff(old: str, new: str, format_: str, data_dir: Path | None) -> None:
    """Why the scans OLD and NEW of one target differ: the target, our rules, a feed, or what was covered."""
    found = _read(old, new, data_dir)
    if format_ == "json":
        click.echo(json.dumps(diff_document(found), indent=2))
        return
    console = Console(highlight=False)
    _head(console, found)
    console.print(Text("\n  What the two scans were made with", "bold"))
    for reason in found.between:
        console.print(Text(f"    {reason.because}: {plain(reason.words, 400)}"))
    if not found.between:
        console.print(Text("    the same rules, the same data, the same mode"))
    changed = [item for item in found.lines if item.reasons]
    console.print(Text(f"\n  Why findings differ ({len(changed)})", "bold"))
    for item in changed[:MOST_LINES]:
        _line(console, item)
        for reason in item.reasons:
            console.print(Text(f"        {reason.because}: {plain(reason.words, 400)}"))
    if not changed:
        console.print(Text("    no finding differs"))


def _head(console: Console, found: Diff) -> None:
    console.print(Text(f"\n  {plain(found.later.target)}", "bold"))
    console.print(Text(f"  from {found.earlier.name} to {found.later.name}", "dim"))
    told = ", ".join(f"{number} {str(change).replace('_', ' ')}" for change, number in found.counts.items())
    console.print(Text(f"  {told}"))


def _line(console: Console, item: DiffLine) -> None:
    seen = item.seen
    differs = f"  ({'; '.join(item.differs)})" if item.differs else ""
    severity = Text(f"    {seen.severity:<9}", SEVERITY_STYLE[seen.severity])
    console.print(
        severity + Text(f"{plain(seen.title, 100)}") + Text(f"  {plain(seen.place, 120)}", "dim") + differs
    )


def _read(old: str, new: str, data_dir: Path | None) -> Diff:
    snapshots = {name: _from_file(name) for name in (old, new) if not name.isdigit()}
    numbers = [name for name in (old, new) if name.isdigit()]
    if numbers:
        snapshots |= _stored(numbers, data_dir)
    return compare(snapshots[old], snapshots[new])


def _from_file(name: str) -> Snapshot:
    try:
        with Path(name).open("rb") as opened:
            text = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise BadInput(
            f"{name} cannot be read ({error.strerror}): give a JSON report or the number of a stored one"
        ) from error
    return read_snapshot(text, name)


def _stored(numbers: list[str], data_dir: Path | None) -> dict[str, Snapshot]:
    settings = load_settings(data_dir=data_dir)
    configure_logs(settings, quiet=True)

    async def load(ctx: Context) -> dict[str, Snapshot]:
        async with ctx.db.reading() as tx:
            now = ctx.clock.now()
            return {number: snapshot_of(await records.load_record(tx, int(number), now)) for number in numbers}

    async def run() -> dict[str, Snapshot]:
        async with open_context(settings) as ctx:
            return await load(ctx)

    if any(len(number) > 16 for number in numbers):
        raise OperatorError("a report's number has 16 digits at most")
    return asyncio.run(run())

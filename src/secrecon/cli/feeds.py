"""`secrecon feeds`: fetch vulnerability feeds, take them in from files, say how they are, and pack them for another machine.

Exit code 0 when everything is good, 1 when a feed has an alarm, 3 for an error of the command itself.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from secrecon.app.feeds import feed_sources, index_trouble, sync
from secrecon.app.settings import load_settings
from secrecon.cli.options import data_dir_option
from secrecon.cli.show import plain, stderr_console
from secrecon.report.text import count
from secrecon.service.feed_bundle import export_bundle, import_bundle, is_bundle
from secrecon.service.feeds import FeedHealth, FeedOutcome, Told, feeds_health, import_files, rebuild
from secrecon.service.feeds_state import FeedStore

EXIT_ALARM = 1
WIDE = 700
"""Characters of a line that says what became of a feed."""
smaller_option = click.option(
    "--accept-smaller",
    is_flag=True,
    help="A feed that shrank or is older than the kept one is right: take it.",
)


@click.group()
def feeds() -> None:
    """Vulnerability feeds: fetch, import, export, and how they are."""


@feeds.command("sync")
@click.option("--due", is_flag=True, help="Only feeds that were not asked for within their refresh time.")
@click.option(
    "--accept-smaller", "smaller", multiple=True, metavar="FEED", help="A feed that may have shrunk. Repeatable."
)
@click.option("--quiet", is_flag=True, help="No progress on standard error.")
@data_dir_option
def sync_command(due: bool, smaller: tuple[str, ...], quiet: bool, data_dir: Path | None) -> None:
    """Fetch every feed that has changed and rebuild the index. Goes on where it was interrupted."""
    settings = load_settings(data_dir=data_dir)
    with _progress(quiet) as told:
        outcomes = asyncio.run(sync(settings, told, due_only=due, smaller=frozenset(smaller)))
    _end(outcomes, FeedStore(settings.data_dir))


@feeds.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path), metavar="FILE...")
@click.option("--trust", default="", metavar="KEY", help="Trust bundles signed with this public key from now on.")
@smaller_option
@click.option("--quiet", is_flag=True, help="No progress on standard error.")
@data_dir_option
def import_command(
    files: tuple[Path, ...], trust: str, accept_smaller: bool, quiet: bool, data_dir: Path | None
) -> None:
    """Take in feed files of any known format (told by their content), a bundle of `feeds export`, or a folder of templates."""
    settings = load_settings(data_dir=data_dir)
    store = FeedStore(settings.data_dir)
    bundles = [path for path in files if path.is_file() and is_bundle(path)]
    others = [path for path in files if path not in bundles]
    outcomes: list[FeedOutcome] = []
    with _progress(quiet) as told:
        for path in bundles:
            outcomes += import_bundle(store, path, time.time(), told, trust=trust, smaller=accept_smaller)
        if others:
            outcomes += import_files(store, others, time.time(), told, smaller=accept_smaller)
    _end(outcomes, store)


@feeds.command("rebuild")
@click.option("--quiet", is_flag=True, help="No progress on standard error.")
@data_dir_option
def rebuild_command(quiet: bool, data_dir: Path | None) -> None:
    """Make the index anew from the files that are kept, such as after an upgrade or where it was damaged."""
    store = FeedStore(load_settings(data_dir=data_dir).data_dir)
    with _progress(quiet) as told:
        rebuild(store, time.time(), told)
    _end([], store)


@feeds.command("status")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@data_dir_option
def status_command(as_json: bool, data_dir: Path | None) -> None:
    """How old, how large and how healthy every feed is. Exit code 1 where one has an alarm."""
    settings = load_settings(data_dir=data_dir)
    store, now = FeedStore(settings.data_dir), time.time()
    health = feeds_health(store, feed_sources(settings, now), now)
    manifest, trouble = store.load(), index_trouble(store)
    if as_json:
        index = {"file": manifest.index, "built": manifest.index_built, "alarm": trouble}
        click.echo(json.dumps({"feeds": [asdict(feed) for feed in health], "index": index}, indent=2))
    else:
        _table(health)
        click.echo(_index_line(store))
    sys.exit(EXIT_ALARM if trouble or any(feed.state == "alarm" for feed in health) else 0)


@feeds.command("export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE")
@data_dir_option
def export_command(file: Path, data_dir: Path | None) -> None:
    """Write every feed into one signed FILE for a machine without a network; prints the key that it must trust."""
    settings = load_settings(data_dir=data_dir)
    made = export_bundle(FeedStore(settings.data_dir), file, time.time())
    click.echo(f"{made.feeds} feeds, {made.size / 1e6:,.1f} MB, in {file}", err=True)
    click.echo(f"on the other machine: secrecon feeds import {file.name} --trust {made.key}", err=True)
    click.echo(made.key)


@contextmanager
def _progress(quiet: bool) -> Iterator[Told]:
    console = stderr_console()
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(30),
        TextColumn("{task.fields[told]}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        task = bar.add_task("", total=None, told="")

        def told(name: str, done: int, of: int) -> None:
            bar.update(task, description=name, completed=done, total=of or None, told=f"{done:,}" if done else "")

        yield told


def _end(outcomes: list[FeedOutcome], store: FeedStore) -> None:
    for outcome in outcomes:
        state = outcome.problem or ("taken in" if outcome.changed else "unchanged")
        dated = f" of {outcome.date}" if outcome.date else ""
        stays = "kept as before: " if outcome.problem else ""
        rows = f"{stays}{count(outcome.rows, 'record')}{dated}" if outcome.rows else "nothing kept"
        click.echo(plain(f"{outcome.name}: {state} ({rows})", WIDE))
    click.echo(_index_line(store))
    alarms = [outcome.name for outcome in outcomes if outcome.problem]
    if alarms or index_trouble(store):
        sys.exit(EXIT_ALARM)


def _index_line(store: FeedStore) -> str:
    manifest, trouble = store.load(), index_trouble(store)
    if trouble:
        return f"the index has an alarm: {plain(trouble)}"
    path = store.index_path(manifest)
    if path is None:
        return "no index: scans use the curated core alone"
    return f"index {manifest.index[:14]}, {path.stat().st_size / 1e6:,.1f} MB, in use"


def _table(health: list[FeedHealth]) -> None:
    table = Table(box=None, pad_edge=False)
    for title, justify in (
        ("feed", "left"),
        ("state", "left"),
        ("records", "right"),
        ("date", "left"),
        ("", "left"),
    ):
        table.add_column(title, justify="right" if justify == "right" else "left", overflow="fold")
    for feed in health:
        table.add_row(
            plain(feed.name), feed.state, f"{feed.rows:,}" if feed.rows else "", feed.date, plain(feed.problem)
        )
    Console(width=None if sys.stdout.isatty() else 140, highlight=False, markup=False).print(table)

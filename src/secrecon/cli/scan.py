"""`secrecon scan TARGET`: a whole scan in this process, with no server and no account.

`--allow` names what the operator may test: it is the authorization for active checks on the target and opens the scope
gate for private addresses. Progress goes to stderr; the report to `--output` or stdout. Ctrl-C ends the scan at once,
keeps what was found, and says what was not run; a second one leaves without a report.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import BinaryIO

import click
import uvloop
from rich.console import Console

from secrecon import report as reports
from secrecon.app.logs import configure_logs
from secrecon.app.oneshot import OneShot
from secrecon.app.settings import load_settings
from secrecon.cli.login import read_login
from secrecon.cli.show import LiveProgress, print_summary, stderr_console
from secrecon.model.errors import BadInput, Conflict, OperatorError
from secrecon.model.record import Chunk, Progress, ScanRecord
from secrecon.model.scan import ScanMode
from secrecon.report import Baseline, Report
from secrecon.report.gate import FailOn


def _fail_on(_: click.Context, __: click.Parameter, value: str | None) -> FailOn | None:
    return reports.parse_fail_on(value) if value else None


@click.command()
@click.argument("target")
@click.option("--mode", type=click.Choice([str(m) for m in ScanMode]), default="quick", show_default=True)
@click.option(
    "--format", "format_", type=click.Choice(reports.FORMATS), help="Report format (json unless --output says)."
)
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write the report to.")
@click.option(
    "--fail-on", callback=_fail_on, help="critical|high|medium|low|kev|grade:C: exit 1 when it is reached."
)
@click.option(
    "--baseline",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="An earlier JSON or SARIF report: --fail-on counts only what is new since then.",
)
@click.option(
    "--allow",
    multiple=True,
    metavar="CIDR_OR_HOST",
    help="What you may test: authorizes active checks, and opens private addresses. Repeatable.",
)
@click.option(
    "--ports",
    metavar="PORTS",
    help="Ports that a full scan tries on each host: top:N, all, none, or 22,80,8000-8100.",
)
@click.option(
    "--templates",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Templates that a full scan runs beside those that ship with SecRecon.",
)
@click.option(
    "--intrusive",
    is_flag=True,
    help="With --allow: run templates too that write, delete, run commands, log in or make the target wait.",
)
@click.option(
    "--browser",
    is_flag=True,
    help="Render some pages of each service in Chromium, which must be installed, to see what only scripts make.",
)
@click.option(
    "--login",
    type=click.File("rb"),
    metavar="FILE",
    help="Log in: a JSON file as the API's `authentication` (headers, cookies, bearer, form); - reads it from stdin.",
)
@click.option(
    "--header", multiple=True, metavar="'NAME: VALUE'", help="Send this header to the target's hosts. Repeatable."
)
@click.option(
    "--cookie", multiple=True, metavar="NAME=VALUE", help="Send this cookie to the target's hosts. Repeatable."
)
@click.option(
    "--require-signed", is_flag=True, help="Run only templates signed by a key of SECRECON_TEMPLATE_KEYS."
)
@click.option("--quiet", is_flag=True, help="No progress and no summary.")
def scan(
    target: str,
    mode: str,
    format_: str | None,
    output: Path | None,
    fail_on: FailOn | None,
    baseline: Path | None,
    allow: tuple[str, ...],
    ports: str | None,
    templates: Path | None,
    intrusive: bool,
    browser: bool,
    login: BinaryIO | None,
    header: tuple[str, ...],
    cookie: tuple[str, ...],
    require_signed: bool,
    quiet: bool,
) -> None:
    """Scan TARGET (a domain or an http(s) URL) and write a report.

    Exit code: 0 clean, 1 findings at the threshold of --fail-on, 2 could not test enough, 3 error.
    """
    format_ = format_ or reports.format_of(output.name if output else "")
    if format_ == "pdf" and output is None and sys.stdout.isatty():
        raise BadInput("a PDF is not for a terminal: name a file with --output", "output")
    known = _read_baseline(baseline, fail_on)
    settings = load_settings(
        scope_allow=(*load_settings().scope_allow, *allow) or None,
        service_ports=ports,
        templates=templates,
        require_signed=require_signed or None,
    )
    configure_logs(settings, quiet=True)
    if output is not None:
        _check_writable(output)
    if intrusive and not allow:
        raise BadInput("--intrusive needs --allow, which says that you may test the target", "intrusive")
    user = read_login(login, header, cookie)
    one = OneShot(settings, target, ScanMode(mode), allow, intrusive=intrusive, login=user, browser=browser)
    console = stderr_console()
    record = uvloop.run(_run(one, console, quiet))
    report = reports.build(record)
    written = _give(report, format_, output, console)
    if not quiet:
        print_summary(console, reports.as_document(report))
        if output is not None and written:
            console.print(f"\n  Report: {output.resolve()}", soft_wrap=True)
    verdict = reports.judge(report, fail_on, known)
    if not quiet and fail_on is not None:
        console.print(f"  {verdict.words}", soft_wrap=True)
    sys.exit(verdict.exit_code)


def _give(report: Report, format_: str, output: Path | None, console: Console) -> bool:
    """Write the report. False where the format has nothing to say of this one; the scan's result stands all the same."""
    try:
        body, _, _ = reports.render(report, format_)
    except Conflict as nothing:
        if output is not None:
            output.unlink(missing_ok=True)
        console.print(f"  No report was written: {nothing}", soft_wrap=True)
        return False
    if output is None:
        sys.stdout.buffer.write(body)
        sys.stdout.buffer.flush()
    else:
        _write(output, body)
    return True


async def _run(one: OneShot, console: Console, quiet: bool) -> ScanRecord:
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()

    def interrupted() -> None:
        if one.stopping and task is not None:
            task.cancel()
        one.stop()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupted)
    live = LiveProgress(console)
    one.watch = lambda item: None if quiet else _show(live, one, item)
    try:
        if quiet:
            return await one.run()
        with live:
            return await one.run()
    except asyncio.CancelledError:
        raise click.Abort from None


def _show(live: LiveProgress, one: OneShot, item: Progress | Chunk) -> None:
    if isinstance(item, Progress):
        live.update(item.phase, item.percent, item.message, one.counters())


def _read_baseline(path: Path | None, fail_on: FailOn | None) -> Baseline | None:
    """The baseline, read before the scan, not after it."""
    if path is None:
        return None
    if fail_on is None or fail_on.grade:
        raise BadInput("--baseline needs --fail-on with critical, high, medium, low or kev", "baseline")
    try:
        return reports.read_baseline(path.read_bytes())
    except OSError as error:
        raise OperatorError(f"{path} cannot be read: {error.strerror}; choose another --baseline") from error


def _check_writable(output: Path) -> None:
    """Fail before the scan, not after it."""
    if not output.parent.is_dir():
        raise OperatorError(f"the folder {output.parent} does not exist: create it or choose another --output")
    try:
        output.open("ab").close()
    except OSError as error:
        raise OperatorError(f"{output} cannot be written: {error.strerror}; choose another --output") from error


def _write(output: Path, body: bytes) -> None:
    try:
        output.write_bytes(body)
    except OSError as error:
        raise OperatorError(f"the report could not be written to {output}: {error.strerror}") from error

"""`secrecon templates run`: templates on targets, results as JSON lines with the reference's keys or as plain lines.

Results go to stdout, everything else to stderr. Exit code: 0 the run ended, whatever it found; 2 it was stopped, or not
one template could be tested; 3 an error: nothing to run, a bad option, a file that cannot be read. Ctrl-C ends the run
after what is under way, keeping what was found; a second one leaves at once.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import click
import uvloop

from secrecon.app.logs import configure_logs
from secrecon.app.settings import load_settings
from secrecon.app.template_run import Limits, TemplateRun
from secrecon.cli.show import stderr_console
from secrecon.cli.template_choice import MAX_SHOWN, Chosen, choose, targets_of
from secrecon.engine.templating.driver import Job
from secrecon.model.errors import BadInput
from secrecon.model.scan import Outcome
from secrecon.net.clock import SystemClock
from secrecon.oast.client import OastClient, ServerOptions
from secrecon.templates.catalog import Choice
from secrecon.templates.execution.events import Found
from secrecon.templates.execution.session import Options
from secrecon.templates.payloads import Attack

PROGRESS_SECONDS = 5.0
NOWHERE = "localhost"
"""The target of templates that bring their own address, where none was given."""


@click.command("run")
@click.option(
    "-t",
    "--template",
    "paths",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="File or directory.",
)
@click.option(
    "-w", "--workflow", "flows", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("-u", "--target", "targets", multiple=True, metavar="URL_OR_HOST", help="Repeatable.")
@click.option(
    "-l", "--list", "lists", multiple=True, type=click.Path(path_type=Path), help="File with one target a line."
)
@click.option("-V", "--var", "given", multiple=True, metavar="NAME=VALUE", help="A variable for templates.")
@click.option("--tags", multiple=True, help="Only templates with one of these tags (comma or repeated).")
@click.option("--exclude-tags", multiple=True)
@click.option("--severity", multiple=True, help="Only these severities.")
@click.option("--exclude-severity", multiple=True)
@click.option("--id", "ids", multiple=True, help="Only these templates.")
@click.option("--exclude-id", "no_ids", multiple=True)
@click.option("--oast-server", metavar="URL", envvar="SECRECON_OAST_SERVER",
              help="An Interactsh server; without it our own listener is used.")  # fmt: skip
@click.option("--oast-token", metavar="TOKEN", envvar="SECRECON_OAST_TOKEN")
@click.option("--rate", type=click.FloatRange(0.01), default=150.0, show_default=True, help="Requests per second.")
@click.option(
    "--concurrency", type=click.IntRange(1, 1000), default=25, show_default=True, help="Templates at once."
)
@click.option("--timeout", type=click.FloatRange(0.1, 300), default=10.0, show_default=True, metavar="S")
@click.option("--sni", default="", metavar="NAME", help="The name for TLS handshakes.")
@click.option("--no-redirects", is_flag=True, help="Follow none, whatever templates say.")
@click.option("--attack-type", type=click.Choice([str(a) for a in Attack]), help="In place of the templates' own.")
@click.option("--matcher-status", is_flag=True, help="Tell what did not match too.")
@click.option("--allow-self-contained", is_flag=True, help="Run templates that bring their own address.")
@click.option("--fuzz", is_flag=True, help="Run templates that change the target's own request, value by value.")
@click.option("--global-matchers", is_flag=True, help="Run templates that look at the answers to all others.")
@click.option(
    "--intrusive", is_flag=True, help="Run what writes, deletes, runs commands, logs in or makes targets wait, too."
)
@click.option("--require-signed", is_flag=True, help="Run only templates that a trusted key has signed.")
@click.option(
    "--trusted-key",
    "keys",
    multiple=True,
    type=click.Path(path_type=Path),
    help="PEM file of a key or certificate whose signatures are believed. Repeatable.",
)
@click.option("--scan-all-ips", is_flag=True, help="Ask every address of a host, each as a target.")
@click.option("--cooldown", type=click.FloatRange(0, 600), default=5.0, show_default=True, metavar="S",
              help="How long callbacks are waited for at the end.")  # fmt: skip
@click.option("--jsonl", is_flag=True, help="One JSON object a line.")
@click.option("--silent", is_flag=True, help="Nothing on stderr but errors.")
def run(
    paths: tuple[Path, ...],
    flows: tuple[Path, ...],
    targets: tuple[str, ...],
    lists: tuple[Path, ...],
    given: tuple[str, ...],
    tags: tuple[str, ...],
    exclude_tags: tuple[str, ...],
    severity: tuple[str, ...],
    exclude_severity: tuple[str, ...],
    ids: tuple[str, ...],
    no_ids: tuple[str, ...],
    oast_server: str | None,
    oast_token: str | None,
    rate: float,
    concurrency: int,
    timeout: float,
    sni: str,
    no_redirects: bool,
    attack_type: str | None,
    matcher_status: bool,
    allow_self_contained: bool,
    fuzz: bool,
    global_matchers: bool,
    intrusive: bool,
    require_signed: bool,
    keys: tuple[Path, ...],
    scan_all_ips: bool,
    cooldown: float,
    jsonl: bool,
    silent: bool,
) -> None:
    """Run templates on targets. Naming a target here is the permission to test that host; test only what you own or
    were asked to test.

    A template whose file or id is named runs whatever it does; of a folder, intrusive ones are left out unless asked
    for. Exit code: 0 ended, 2 stopped or nothing could be tested, 3 error.
    """
    settings = load_settings(require_signed=require_signed or None, template_keys=tuple(map(str, keys)) or None)
    choice = Choice(
        _words(tags), _words(severity), _words(ids), _words(exclude_tags), _words(exclude_severity), _words(no_ids)
    )
    chosen = choose(settings, paths, flows, choice, intrusive=intrusive, alone=allow_self_contained)
    options = Options(
        given=given_of(given),
        sni=sni,
        redirects=not no_redirects,
        attack=Attack(attack_type) if attack_type else None,
        status=matcher_status,
        fuzzing=fuzz,
    )
    configure_logs(settings, quiet=True)
    for note in () if silent else chosen.notes():
        click.echo(_printable(note), err=True)
    server = None
    if oast_server:
        ca = str(settings.tls_ca) if settings.tls_ca is not None else ""
        server = OastClient(oast_server, SystemClock(), ServerOptions(oast_token or "", ca=ca, fallback=True))
    one = TemplateRun(
        settings,
        [entry for entry in chosen.entries if not (entry.template.watches and global_matchers)],
        _targets(targets, lists, chosen),
        options,
        Limits(rate, concurrency, timeout, cooldown, scan_all_ips),
        server,
        chosen.workflows,
        [entry for entry in chosen.entries if entry.template.watches and global_matchers],
    )
    uvloop.run(_run(one, jsonl=jsonl, silent=silent))
    sys.exit(_exit_code(one))


def _targets(given: tuple[str, ...], lists: tuple[Path, ...], chosen: Chosen) -> tuple[str, ...]:
    """Raises BadInput where there is none and some template needs one."""
    targets = targets_of(given, lists)
    if not targets and (chosen.workflows or not all(entry.template.self_contained for entry in chosen.entries)):
        raise BadInput("no target: give one with -u, or a file of them with -l", "target")
    return targets or (NOWHERE,)


def _exit_code(one: TemplateRun) -> int:
    """0 where the run ended and something was tested: what could not be tested must not look like a clean result."""
    outcomes = one.tally.outcomes
    untested = bool(outcomes) and not outcomes[Outcome.DONE]
    return 2 if one.stop.is_set() or untested else 0


async def _run(one: TemplateRun, *, jsonl: bool, silent: bool) -> None:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def interrupted() -> None:
        if one.stop.is_set() and task is not None:
            task.cancel()
        one.stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupted)
    progress = _Progress(one, silent=silent)
    try:
        with progress:
            async for job, found in one.results(progress.told):
                click.echo(json.dumps(record(job, found)) if jsonl else line(found))
    except asyncio.CancelledError:
        raise click.Abort from None
    except BrokenPipeError:
        one.stop.set()
    if not silent:
        _summarise(one)


class _Progress:
    """How far the run is: a line that is rewritten on a terminal, elsewhere a line every few seconds."""

    def __init__(self, one: TemplateRun, *, silent: bool) -> None:
        self._one = one
        self._console = stderr_console()
        terminal = self._console.is_terminal and not silent
        self._status = self._console.status("") if terminal else None
        self._plain = not terminal and not silent
        self._next = time.monotonic() + PROGRESS_SECONDS

    def __enter__(self) -> None:
        if self._status is not None:
            self._status.start()

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()

    async def told(self, done: int, total: int) -> None:
        words = f"{done:,} of {total:,} attempts, {self._one.tally.found:,} found"
        if self._status is not None:
            self._status.update(words)
        elif self._plain and time.monotonic() >= self._next:
            self._next = time.monotonic() + PROGRESS_SECONDS
            click.echo(words, err=True)


def record(job: Job, found: Found) -> dict[str, object]:
    """A result with the keys of the reference's JSON lines."""
    template, subject = found.template, job.subject
    info = template.info
    shown: dict[str, object] = {
        "template-id": template.id,
        "template-path": job.prepared.path,
        "info": {
            "name": info.name,
            "author": list(info.authors),
            "tags": list(info.tags),
            "description": info.description,
            "reference": list(info.references),
            "severity": info.severity,
            "classification": dict(info.classification),
            "metadata": dict(info.metadata),
        },
        "type": found.protocol,
        "host": subject.origin.host,
        "port": str(subject.origin.port),
        "scheme": subject.origin.scheme,
        "url": subject.url,
        "path": subject.path or "/",
        "matched-at": found.matched,
        "extracted-results": [_text(value) for value in found.extracted],
        "request": _text(found.request),
        "response": _text(found.response),
        "ip": found.address,
        "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "curl-command": found.curl,
        "matcher-status": found.held,
    }
    for key, value in (
        ("matcher-name", found.matcher),
        ("extractor-name", found.extractor),
        ("error", found.failed),
    ):
        if value:
            shown[key] = value
    if found.meta:
        shown["meta"] = {name: _text(value) for name, value in found.meta.items()}
    if found.callback is not None:
        shown["interaction"] = {
            "protocol": found.callback.protocol,
            "raw-request": _text(found.callback.request),
            "raw-response": _text(found.callback.response),
            "remote-address": found.callback.address,
        }
    return {key: value for key, value in shown.items() if value not in ("", [], {})}


def line(found: Found) -> str:
    """A result for people."""
    name = found.template.id + "".join(f":{part}" for part in (found.matcher, found.extractor) if part)
    values = f" [{', '.join(_text(value) for value in found.extracted[:MAX_SHOWN])}]" if found.extracted else ""
    mark = "" if found.held else f" no match{': ' + found.failed if found.failed else ''}"
    shown = f"[{found.template.info.severity}] [{name}] [{found.protocol}] {found.matched}{values}{mark}"
    return _printable(shown)


def _printable(text: str) -> str:
    """On one line, and without anything that a terminal would act on."""
    return "".join(char if char.isprintable() else "?" for char in text)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")


def _words(given: tuple[str, ...]) -> frozenset[str]:
    return frozenset(word.strip().lower() for text in given for word in text.split(",") if word.strip())


def given_of(pairs: tuple[str, ...]) -> Mapping[str, bytes]:
    """Variables as they are written on the command line. Raises BadInput."""
    found: dict[str, bytes] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise BadInput(f"-V takes NAME=VALUE, not {pair[:60]!r}", "var")
        found[name.strip()] = value.encode("utf-8", "surrogateescape")
    return found


def _summarise(one: TemplateRun) -> None:
    tally = one.tally
    rest = ", ".join(f"{count:,} {outcome.replace('_', ' ')}" for outcome, count in tally.outcomes.items())
    click.echo(
        f"{sum(tally.outcomes.values()):,} attempts ({rest or 'none'}), {tally.asked:,} requests asked for, "
        f"{tally.sent:,} sent, {tally.found:,} found",
        err=True,
    )
    for reason, count in tally.reasons.most_common(MAX_SHOWN):
        click.echo(f"  not tested, {count:,} times: {_printable(reason)[:200]}", err=True)
    if one.stop.is_set():
        click.echo("stopped before the end: what is above is not everything", err=True)

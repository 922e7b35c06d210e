"""`secrecon templates run`: templates on targets, results as JSON lines with the reference's keys or as plain lines.

Results go to stdout, everything else to stderr. The exit code is 0 for a run that ended, whatever it found.
"""

from __future__ import annotations

import asyncio
import json
import random
import signal
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import click
import uvloop

from secrecon.app.logs import configure_logs
from secrecon.app.settings import load_settings
from secrecon.app.template_run import Limits, TemplateRun
from secrecon.app.workflow_files import load_workflow
from secrecon.cli.show import stderr_console
from secrecon.engine.templating.driver import Job
from secrecon.model.errors import BadInput
from secrecon.net.clock import SystemClock
from secrecon.oast.client import OastClient, ServerOptions
from secrecon.templates.catalog import Catalog, Choice, load
from secrecon.templates.execution.events import Found
from secrecon.templates.execution.session import Options
from secrecon.templates.payloads import Attack

MAX_SHOWN = 10


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
@click.option("-u", "--target", "targets", multiple=True, required=True, metavar="URL_OR_HOST", help="Repeatable.")
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
@click.option("--scan-all-ips", is_flag=True, help="Ask every address of a host, not only the first that answers.")
@click.option("--cooldown", type=click.FloatRange(0, 600), default=5.0, show_default=True, metavar="S",
              help="How long callbacks are waited for at the end.")  # fmt: skip
@click.option("--jsonl", is_flag=True, help="One JSON object a line.")
@click.option("--silent", is_flag=True, help="Nothing on stderr but errors.")
def run(
    paths: tuple[Path, ...],
    flows: tuple[Path, ...],
    targets: tuple[str, ...],
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
    scan_all_ips: bool,
    cooldown: float,
    jsonl: bool,
    silent: bool,
) -> None:
    """Run templates on targets. Naming a target here is the permission to test that host; test only what you own or
    were asked to test."""
    if not paths and not flows:
        raise BadInput("nothing to run: give templates with -t or a workflow with -w", "template")
    choice = Choice(
        _words(tags), _words(severity), _words(ids), _words(exclude_tags), _words(exclude_severity), _words(no_ids)
    )
    settings = load_settings()
    catalog = load(paths, random.SystemRandom(), kept=settings.template_cache)
    workflows = [load_workflow(file, paths) for file in flows]
    entries = [entry for entry in catalog.entries if choice.takes(entry.template)]
    alone = [entry for entry in entries if entry.template.self_contained]
    if not allow_self_contained:
        entries = [entry for entry in entries if not entry.template.self_contained]
    watchers = [entry for entry in entries if entry.template.watches and global_matchers]
    entries = [entry for entry in entries if not entry.template.watches]
    options = Options(
        given=given_of(given),
        sni=sni,
        redirects=not no_redirects,
        attack=Attack(attack_type) if attack_type else None,
        status=matcher_status,
        fuzzing=fuzz,
    )
    configure_logs(settings, quiet=True)
    if not silent:
        _tell_problems(catalog, 0 if allow_self_contained else len(alone))
        for workflow, used in workflows:
            _tell_problems(used, 0)
            for name in workflow.missing:
                click.echo(f"{workflow.id}: not in the set: {name}", err=True)
    server = None
    if oast_server:
        server = OastClient(oast_server, SystemClock(), ServerOptions(token=oast_token or "", fallback=True))
    one = TemplateRun(
        settings,
        entries,
        targets,
        options,
        Limits(rate, concurrency, timeout, cooldown),
        server,
        [flow for flow, _ in workflows],
        watchers,
    )
    uvloop.run(_run(one, jsonl=jsonl, silent=silent))


async def _run(one: TemplateRun, *, jsonl: bool, silent: bool) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, one.stop.set)
    console = stderr_console()
    status = console.status("") if not silent and console.is_terminal else None

    async def told(done: int, total: int) -> None:
        if status is not None:
            status.update(f"{done:,} of {total:,} attempts, {one.tally.found:,} found")

    if status is not None:
        status.start()
    try:
        async for job, found in one.results(told):
            click.echo(json.dumps(record(job, found)) if jsonl else line(found))
    finally:
        if status is not None:
            status.stop()
    if not silent:
        _summarise(one)


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
        "host": found.host,
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
    return "".join(char if char.isprintable() else "?" for char in shown)


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


def _tell_problems(catalog: Catalog, alone: int) -> None:
    if catalog.note:
        click.echo(catalog.note, err=True)
    for problem in catalog.problems[:MAX_SHOWN]:
        click.echo(f"not used: {problem.where}: {problem.reason}", err=True)
    if len(catalog.problems) > MAX_SHOWN:
        click.echo(
            f"not used: {len(catalog.problems) - MAX_SHOWN} more; `secrecon templates validate` lists all", err=True
        )
    if alone:
        click.echo(f"left out: {alone} that bring their own address (--allow-self-contained runs them)", err=True)


def _summarise(one: TemplateRun) -> None:
    tally = one.tally
    rest = ", ".join(f"{count:,} {outcome.replace('_', ' ')}" for outcome, count in tally.outcomes.items())
    click.echo(
        f"{sum(tally.outcomes.values()):,} attempts ({rest or 'none'}), {tally.asked:,} requests asked for, "
        f"{tally.sent:,} sent, {tally.found:,} found",
        err=True,
    )
    for reason, count in tally.reasons.most_common(5):
        click.echo(f"  {count:,} x {''.join(c if c.isprintable() else '?' for c in reason)[:200]}", err=True)

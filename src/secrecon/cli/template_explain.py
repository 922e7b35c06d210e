"""`secrecon templates explain ID_OR_FILE`: what a template would send to a target, how much, to whom, and whether it may.

Nothing is sent. The requests are built as a run builds them, with example values where only a run would know.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from secrecon.app.settings import load_settings
from secrecon.app.signed import read_keys
from secrecon.app.template_sets import fed_folder, own_folder
from secrecon.cli.template_run import given_of
from secrecon.engine.phases.templates import requests_of
from secrecon.engine.templating.driver import needs_callback
from secrecon.model.errors import BadInput
from secrecon.model.scan import Touch
from secrecon.templates.catalog import Entry, load
from secrecon.templates.execution.asks import DnsAsk, HttpAsk, TcpAsk
from secrecon.templates.execution.session import Options
from secrecon.templates.execution.subject import parse_subject
from secrecon.templates.leaving import EXAMPLE_TARGET
from secrecon.templates.policy import Safety, classify, decide
from secrecon.templates.preview import Preview, Shown, preview

MAX_TEXT = 2_000
MAX_SHOWN = 10
_WHERE = (
    ("a scan of a target that you may only look at", Touch.LIGHT),
    ("a full scan of an authorized target", Touch.ACTIVE),
    ("a full scan with --intrusive", Touch.INTRUSIVE),
)


@click.command("explain")
@click.argument("name", metavar="ID_OR_FILE")
@click.option(
    "-t",
    "--template",
    "paths",
    multiple=True,
    type=click.Path(exists=True, path_type=Path),
    help="Where to look for the id: a file or directory; without it, what scans run.",
)
@click.option("-u", "--target", default=EXAMPLE_TARGET, show_default=True, metavar="URL_OR_HOST")
@click.option("-V", "--var", "given", multiple=True, metavar="NAME=VALUE", help="A variable for the template.")
@click.option("--all", "whole", is_flag=True, help="Every request and all of it, not only the first ones.")
def explain(name: str, paths: tuple[Path, ...], target: str, given: tuple[str, ...], whole: bool) -> None:
    """Say what a template would send, and why it is or is not allowed. Nothing is sent."""
    entry, signature = _entry(name, paths)
    safety = entry.safety or classify(entry.template)
    shown = preview(
        entry.template,
        parse_subject(target),
        Options(given=given_of(given), fuzzing=True),
        2_000 if whole else MAX_SHOWN,
    )
    for line in (
        *_head(entry, safety),
        f"signature: {signature}",
        *_amount(entry, shown),
        *_asks(shown, whole=whole),
    ):
        click.echo(_printable(line))


def _entry(name: str, paths: Sequence[Path]) -> tuple[Entry, str]:
    """The template in a file, or the one of a set with that id, and what its signature says. Raises BadInput."""
    file = Path(name)
    settings = load_settings()
    keys = read_keys(settings)
    verdicts: list[str] = []

    def heard(root: Path, source: bytes) -> str:
        verdicts.append(keys.check(source).reason)
        return ""

    if file.suffix in (".yaml", ".yml") or file.is_file():
        if not file.is_file():
            raise BadInput(f"there is no file {name}", "template")
        catalog = load([file], random.SystemRandom(), gate=heard)
        if not catalog.entries:
            problem = catalog.problems[0]
            raise BadInput(f"{problem.where}: {problem.reason}", "template")
        return catalog.entries[0], verdicts[0]
    used = (own_folder(), settings.templates, fed_folder(settings))
    folders = list(paths) or [folder for folder in used if folder is not None]
    catalog = load(folders, random.SystemRandom(), kept=settings.template_cache, judged=True)
    found = next((entry for entry in catalog.entries if entry.template.id.lower() == name.lower()), None)
    if found is not None:
        place = next((folder / found.path for folder in folders if (folder / found.path).is_file()), None)
        return found, keys.check(place.read_bytes()).reason if place is not None else "unknown"
    stem = next((item for item in catalog.problems if Path(item.path).stem.lower() == name.lower()), None)
    if stem is not None:
        raise BadInput(f"{stem.where}: {stem.reason}", "template")
    where = ", ".join(map(str, folders))
    raise BadInput(f"no template {name[:80]!r} in {where}: give a file, or a folder with -t", "template")


def _head(entry: Entry, safety: Safety) -> Iterator[str]:
    info = entry.template.info
    yield f"{entry.template.id}: {info.name} [{info.severity}]"
    yield f"file: {entry.path}"
    yield f"level: {safety.level}"
    if not safety.reasons:
        yield f"  {safety.words}"
    for reason in safety.reasons:
        yield f"  {reason.why}" + (f": {reason.text}" if reason.text else "")
    for where, touch in _WHERE:
        decision = decide(safety, touch)
        why = "" if decision.allowed else decision.why
        yield f"{where}: " + (f"does not run it: {_never(entry) or why}" if _never(entry) or why else "runs it")


def _never(entry: Entry) -> str:
    """Why no scan runs it, whatever its level."""
    if entry.template.watches:
        return "it looks at the answers to others; `templates run --global-matchers` does"
    if entry.template.fuzzes:
        return "it changes the target's own request; `templates run --fuzz` does"
    if entry.template.self_contained:
        return "it brings its own address; `templates run --allow-self-contained` does"
    return ""


def _amount(entry: Entry, shown: Preview) -> Iterator[str]:
    template = entry.template
    if template.fuzzes:
        yield "requests to one target: as many as it has values to change"
    else:
        yield f"requests to one target: {requests_of(template):,} at most, redirects not among them"
    hosts = dict.fromkeys(_host(ask) for ask in shown.asks)
    yield f"hosts: {', '.join(hosts) or 'none'}"
    if shown.callbacks or needs_callback(template):
        yield "callbacks: it waits for the target to call back; without a listener it is told as not tested"
    if template.self_contained:
        yield "self-contained: it brings its own address and runs only with --allow-self-contained"
    if shown.examples:
        yield f"example values stand for: {', '.join(shown.examples[:20])}"
    for problem in shown.problems:
        yield f"cannot be built: {problem}"


def _asks(shown: Preview, *, whole: bool) -> Iterator[str]:
    for number, ask in enumerate(shown.asks, 1):
        yield ""
        yield f"{number}. {_title(ask)}"
        text = _text(ask)
        cut = len(text) if whole else MAX_TEXT
        for line in text[:cut].splitlines():
            yield f"   {line}"
        if len(text) > cut:
            yield f"   ... {len(text) - cut:,} characters more (--all shows them)"
    if shown.more:
        yield ""
        yield "more requests follow (--all shows them)"


def _host(ask: Shown) -> str:
    if isinstance(ask, HttpAsk):
        return ask.origin.authority
    return "the resolver" if isinstance(ask, DnsAsk) else f"{ask.host}:{ask.port}"


def _title(ask: Shown) -> str:
    if isinstance(ask, HttpAsk):
        return f"http to {ask.origin}"
    if isinstance(ask, DnsAsk):
        return f"dns: {ask.name} {ask.type}"
    if isinstance(ask, TcpAsk):
        return f"{'tls' if ask.tls else 'tcp'} to {ask.host}:{ask.port}"
    return f"tls handshake with {ask.host}:{ask.port}"


def _text(ask: Shown) -> str:
    if isinstance(ask, HttpAsk):
        return ask.wire.decode("utf-8", "replace").replace("\r\n", "\n")
    if isinstance(ask, TcpAsk):
        return "\n".join(repr(step.data)[2:-1] for step in ask.steps if step.data)
    return ""


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)

"""`make accuracy`: real packages, old and fixed, before the templates; prints what each said. See docs/accuracy.md.

First every pair is installed (the only part that uses the network). Then the measurement goes on in namespaces of its
own, where there is no network but loopback, so that neither an old program nor a template can reach or be reached by
anything else. Without them nothing is measured. One program at a time.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from benchmarks.accuracy import score
from benchmarks.accuracy.asking import NotAsked, ask, looking_for, template_id
from benchmarks.accuracy.install import ROOT, Environment, NotInstalled, install, installed, placed
from benchmarks.accuracy.nouns import Age, Measured, Pair, Seen, Side, Stranger, Verdict
from benchmarks.accuracy.pairs import PAIRS
from benchmarks.accuracy.programs import NotStarted, free_port, running
from benchmarks.accuracy.strangers import KINDS

OURS = ROOT / "src/secrecon/rules/templates"
BUILD = ROOT / "build/accuracy"
APART = "SECRECON_ACCURACY_APART"


def main() -> int:
    options = _options()
    chosen = [pair for pair in PAIRS if _wanted(pair, options)]
    BUILD.mkdir(parents=True, exist_ok=True)
    if os.environ.get(APART) is None:
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
        for pair in chosen:
            for age in Age:
                _tell(f"install {pair.package} {pair.version(age)}: {_installed(pair, age) or 'ready'}")
        return _apart()
    community = looking_for(options.templates) if options.templates else None
    ours = looking_for(OURS)
    with tempfile.TemporaryDirectory() as data:
        measured = [_measure(pair, ours, community, Path(data)) for pair in chosen]
        strangers = [] if options.no_strangers else [_meet(kind, options.templates, Path(data)) for kind in KINDS]
    _print(measured, strangers, community=community is not None)
    if options.json:
        options.json.write_text(json.dumps([_plain(each) for each in measured], indent=1))
    wrong = score.complaints(measured, strangers, strict=options.strict)
    for complaint in wrong:
        print(f"not as it should be: {complaint}", file=sys.stderr)
    return 1 if wrong else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make accuracy", description=__doc__)
    parser.add_argument("--templates", type=Path, metavar="DIR", help="a community set to run beside ours")
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME", help="only these pairs (name or CVE)")
    parser.add_argument("--no-pairs", action="store_true", help="only the programs without a vulnerability")
    parser.add_argument("--strict", action="store_true", help="what could not be installed or started fails too")
    parser.add_argument(
        "--no-strangers", action="store_true", help="leave out the programs without a vulnerability"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was measured")
    return parser.parse_args()


def _wanted(pair: Pair, options: argparse.Namespace) -> bool:
    return not options.no_pairs and (not options.only or bool({pair.name, pair.cve} & set(options.only)))


def _installed(pair: Pair, age: Age) -> str:
    try:
        install(pair, age, BUILD)
    except NotInstalled as error:
        return f"could not be installed: {error}"
    return ""


def _apart() -> int:
    """This program again, where only loopback exists, the callback listener is the name server, and no process outlives
    the measurement, however it ends."""
    words = [sys.executable, "-m", "benchmarks.accuracy", *sys.argv[1:]]
    flags = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    flags += [] if os.geteuid() == 0 else ["--map-root-user"]
    names = BUILD / "resolv.conf"
    names.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    inside = 'ip link set lo up && mount --bind "$0" /etc/resolv.conf && exec "$@"'
    shell = ["unshare", *flags, "sh", "-c", inside, str(names)]
    if not (shutil.which("unshare") and shutil.which("ip")):
        _tell("nothing measured: this needs unshare (util-linux) and ip (iproute2)")
        return 3
    made = subprocess.run([*shell, "true"], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        _tell(f"nothing measured: this machine lets us make no network namespace ({made.stderr.strip()})")
        return 3
    return subprocess.run([*shell, *words], cwd=ROOT, env={**os.environ, APART: "yes"}, check=False).returncode


def _measure(
    pair: Pair, ours: dict[str, list[Path]], community: dict[str, list[Path]] | None, data: Path
) -> Measured:
    sides = {}
    for age in Age:
        side = _side(pair, age, ours, community, data)
        _tell(f"{pair.cve} {pair.package} {pair.version(age)}: {side.problem or f'ours {side.ours}'}"
              + (f", community {side.community}" if community is not None and not side.problem else "")
              + "".join(f"; {note}" for note in side.notes))  # fmt: skip
        sides[age] = side
    return Measured(pair, sides)


def _side(
    pair: Pair, age: Age, ours: dict[str, list[Path]], community: dict[str, list[Path]] | None, data: Path
) -> Side:
    port = free_port()
    try:
        environment = installed(pair, age, BUILD)
    except NotInstalled as error:
        return Side(f"could not be installed ({error})")
    log = environment.folder / "said.log"
    url = f"http://127.0.0.1:{port}{pair.target}"
    try:
        with placed(environment, pair) as there, _serving(pair, there, port, log):
            seen = _asked([OURS], url, data)
            theirs = _asked(community.get(pair.cve, []), url, data) if community is not None else Seen()
    except (NotStarted, NotInstalled) as error:
        return Side(f"could not be started ({error})")
    return Side(
        ours=score.verdict(seen, pair.cve, map(template_id, ours.get(pair.cve, []))),
        community=score.verdict(theirs, pair.cve, map(template_id, (community or {}).get(pair.cve, []))),
        false_alarms=score.false_alarms(seen, pair, age),
        besides=seen.found,
        notes=tuple(f"{name}: {reason}" for each in (seen, theirs) for name, reason in each.failed.items()),
    )


def _serving(pair: Pair, there: Environment, port: int, log: Path) -> AbstractContextManager[None]:
    words = [there.fill(word, port) for word in pair.start]
    return running(words, there.app, there.variables(pair, port), port, pair.ready, pair.patience, log)


def _asked(templates: Sequence[Path], url: str, data: Path) -> Seen:
    if not templates:
        return Seen()
    try:
        return ask(templates, url, data)
    except NotAsked as error:
        return Seen(failed={"(the command)": str(error)})


def _meet(kind: str, community: Path | None, data: Path) -> Stranger:
    """One program without a vulnerability, before all templates."""
    port = free_port()
    words = [sys.executable, str(Path(__file__).with_name("strangers.py")), kind, str(port)]
    try:
        with running(words, ROOT, dict(os.environ), port, "/", 20.0, BUILD / f"{kind}.log"):
            url = f"http://127.0.0.1:{port}/"
            seen = ask([OURS], url, data)
            theirs = ask([community], url, data, status=False) if community else None
    except (NotStarted, NotAsked) as error:
        return Stranger(kind, None, None, problem=str(error))
    _tell(f"{kind}: ours find {len(seen.found)}" + (f", community {len(theirs.found)}" if theirs else ""))
    if theirs is None:
        return Stranger(kind, len(seen.found), None, seen.ran, which=seen.found)
    return Stranger(kind, len(seen.found), len(theirs.found), seen.ran, theirs.ran, seen.found)


def _print(measured: Sequence[Measured], strangers: Sequence[Stranger], *, community: bool) -> None:
    lines = []
    if measured:
        lines = [*score.table(measured, community=community), "", *score.summary(measured, community=community)]
    if strangers:
        lines += ["", *score.strangers_table(strangers, community=community)]
    print("\n".join(lines))


def _plain(each: Measured) -> dict[str, object]:
    shown: Callable[[Verdict], str] = str
    sides = {
        str(age): {
            "version": each.pair.version(age),
            "problem": side.problem,
            "ours": shown(side.ours),
            "community": shown(side.community),
            "found": list(side.besides),
            "wrongly": list(side.false_alarms),
            "notes": list(side.notes),
        }
        for age, side in each.sides.items()
    }
    return {"package": each.pair.package, "cve": each.pair.cve, **sides}


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

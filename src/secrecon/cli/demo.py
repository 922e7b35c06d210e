"""`secrecon demo`: the whole product on the bundled lab, from nothing to a report, over the real REST API.

Starts the lab and a server as processes of their own on loopback, makes an account, authorizes the lab, creates an API
key, submits a full scan with it, shows live progress, saves the report, and holds it against the lab's ground truth.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import click
from rich.console import Console

from secrecon.cli.local_server import LocalServer, Started, free_port, lab_environment
from secrecon.cli.show import LiveProgress, SeenReport, print_summary, stderr_console
from secrecon.lab.process import LabProcess
from secrecon.lab.truth import load_truth, score
from secrecon.model.errors import OperatorError

EMAIL = "demo@example.com"
SCAN_SECONDS = 600.0
CALLBACK_DOMAIN = "cb.test"


@click.command()
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo-out"),
    show_default=True,
    help="Folder for the report and the demo's database.",
)
def demo(output: Path) -> None:
    """Scan the bundled lab through the REST API and show the report.

    Exit code 0 when everything that the lab hides was found and nothing else.
    """
    console = stderr_console()
    data = output / f"data-{time.strftime('%Y%m%d-%H%M%S')}"
    try:
        data.mkdir(parents=True)
    except OSError as error:
        raise OperatorError(f"{data} cannot be made: {error.strerror}; choose another --output") from error
    began, dns_port = time.monotonic(), free_port()
    with LabProcess(data / "lab", ("127.0.0.1", dns_port), CALLBACK_DOMAIN) as lab:
        where = lab.description
        console.print(f"  The lab runs: {len(where.addresses)} hosts below {where.domain}, on loopback")
        with LocalServer(data, lab_environment(where, dns_port)) as server:
            key = server.account(EMAIL, "enterprise", where.domain)
            console.print(f"  The server runs at {server.base}")
            started = _scan(console, server, key, where.domain)
            document = server.report(started.db_scan_id, key)
            html = server.get(f"/api/scan/{started.db_scan_id}/report?format=html", key)
        traps = {name: count for name, count in lab.traps().items() if count}
    (output / "report.html").write_bytes(html)
    (output / "report.json").write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    print_summary(console, document)
    findings = SeenReport.model_validate(document).findings
    truth = load_truth(where, ca_trusted=True)
    result = score(truth, [(f.check, f.asset, f.location, f.evidence_level) for f in findings])
    console.print("\n  Held against what the lab hides:")
    console.print(result.table(), soft_wrap=True)
    console.print(f"  Traps sprung: {traps or 'none'}")
    console.print(f"  Took {time.monotonic() - began:.0f} s")
    console.print(f"\n  HTML report: {(output / 'report.html').resolve()}", soft_wrap=True)
    console.print(f"  JSON report: {(output / 'report.json').resolve()}\n", soft_wrap=True)
    sys.exit(0 if result.perfect and not traps else 1)


def _scan(console: Console, server: LocalServer, key: str, target: str) -> Started:
    """Submit a full scan over the REST API and follow it to its end."""
    started = server.submit(key, target)
    console.print(f"  Scan {started.scan_id} of {target} was accepted\n")
    end = time.monotonic() + SCAN_SECONDS
    with LiveProgress(console) as live:
        while time.monotonic() < end:
            status = server.status(started.scan_id)
            counters = {
                "services": status.services_found,
                "findings": status.vulnerabilities_found,
                "callbacks": status.interactions,
                "requests": status.requests,
            }
            live.update(status.phase, status.current_progress, status.current_message, counters)
            if status.status == "complete":
                return started
            if status.status == "error":
                raise OperatorError(f"the scan ended in error: {status.current_message}; see {server.log}")
            time.sleep(0.3)
    raise OperatorError(f"the scan did not end within {SCAN_SECONDS:.0f} s; see {server.log}")

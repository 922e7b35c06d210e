"""`secrecon serve` (everything in one process) and `secrecon worker` (no web server)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click
import uvloop

from secrecon.app.logs import configure_logs
from secrecon.app.server import serve as run_server
from secrecon.app.server import work as run_worker
from secrecon.app.settings import load_settings

_data_dir = click.option(
    "--data-dir", type=click.Path(file_okay=False, path_type=Path), help="As SECRECON_DATA_DIR."
)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535))
@_data_dir
def serve(host: str, port: int, data_dir: Path | None) -> None:
    """Run the server: API, dashboard, worker and callback listener in one process."""
    settings = load_settings(data_dir=data_dir)
    configure_logs(settings)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run_server(settings, host, port))


@click.command()
@_data_dir
def worker(data_dir: Path | None) -> None:
    """Run a worker with its callback listener and no web server. Needs PostgreSQL beside a `secrecon serve`."""
    settings = load_settings(data_dir=data_dir)
    configure_logs(settings)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run_worker(settings))

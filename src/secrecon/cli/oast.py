"""`secrecon oast serve`: the callback listener as a server of its own, for our scans elsewhere and for any client of the
Interactsh protocol.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import click
import uvloop

from secrecon.app.callback_server import serve_callbacks
from secrecon.app.logs import configure_logs
from secrecon.app.settings import load_settings

_PORT = click.IntRange(0, 65535)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def oast() -> None:
    """The callback server."""


@oast.command()
@click.option("--domain", help="The domain delegated to this server. As SECRECON_OAST_DOMAIN.")
@click.option("--host", help="Address to listen on. As SECRECON_OAST_HOST.")
@click.option("--address", help="Address that the domain's names resolve to; without it, --host.")
@click.option("--http-port", type=_PORT, help="As SECRECON_OAST_HTTP_PORT.")
@click.option("--dns-port", type=_PORT, help="UDP and TCP. As SECRECON_OAST_DNS_PORT.")
@click.option("--https-port", type=_PORT, help="Not served without it. As SECRECON_OAST_HTTPS_PORT.")
@click.option("--smtp-port", type=_PORT, help="Not served without it. As SECRECON_OAST_SMTP_PORT.")
@click.option("--ldap-port", type=_PORT, help="Not served without it. As SECRECON_OAST_LDAP_PORT.")
@click.option("--cert", type=_FILE, help="Certificate chain for HTTPS and STARTTLS, PEM; reloaded when it changes.")
@click.option("--key", type=_FILE, help="Its key, PEM.")
@click.option("--acme", metavar="URL", help="Get the certificate from this ACME authority, agreeing to its terms.")
@click.option("--acme-email", metavar="EMAIL", help="Address that the authority may write to.")
@click.option("--token", help="Clients must show it; without it anyone may register. As SECRECON_OAST_TOKEN.")
@click.option(
    "--wildcard", is_flag=True, default=None, help="Show holders of the token everything that reaches the domain."
)
@click.option("--dynamic", is_flag=True, default=None, help="Let clients write the answers to their payloads.")
@click.option("--data-dir", type=click.Path(file_okay=False, path_type=Path), help="As SECRECON_DATA_DIR.")
def serve(
    domain: str | None,
    host: str | None,
    address: str | None,
    http_port: int | None,
    dns_port: int | None,
    https_port: int | None,
    smtp_port: int | None,
    ldap_port: int | None,
    cert: Path | None,
    key: Path | None,
    acme: str | None,
    acme_email: str | None,
    token: str | None,
    wildcard: bool | None,
    dynamic: bool | None,
    data_dir: Path | None,
) -> None:
    """Run a callback server: DNS, HTTP, and HTTPS, SMTP and LDAP where they have a port. Sessions survive a restart."""
    settings = load_settings(
        data_dir=data_dir,
        oast_domain=domain,
        oast_host=host,
        oast_address=address,
        oast_http_port=http_port,
        oast_dns_port=dns_port,
        oast_https_port=https_port,
        oast_smtp_port=smtp_port,
        oast_ldap_port=ldap_port,
        oast_cert=cert,
        oast_key=key,
        oast_acme=acme,
        oast_acme_email=acme_email,
        oast_token=token,
        oast_wildcard=wildcard,
        oast_dynamic=dynamic,
    )
    configure_logs(settings)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve_callbacks(settings))

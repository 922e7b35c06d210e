"""`secrecon verify`: is a signed bundle what it was when it was made? Offline, with nothing but the file and a public key.

Exit 0: as signed. 1: something was changed, or another key signed it. 3: the file is no bundle.
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from secrecon.cli.show import plain
from secrecon.model.errors import BadInput
from secrecon.report.proof import Proof, check_bundle

MAX_KEY_FILE = 10_000


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--key", help="The public key that must have signed it: 64 hex digits, or a file that holds them.")
def verify(file: Path, key: str | None) -> None:
    """Check the signed bundle FILE and name every later change."""
    wanted = None if key is None else _key(key)
    try:
        with file.open("rb") as opened:
            proof = check_bundle(opened, file.stat().st_size, wanted)
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror}") from error
    _tell(proof, file)
    sys.exit(0 if proof.good else 1)


def _tell(proof: Proof, file: Path) -> None:
    for change in proof.changes:
        click.echo(f"CHANGED  {plain(change, 500)}")
    if proof.trusted is False:
        click.echo(f"KEY      signed by {proof.key}, not by the key that was asked for")
    if not proof.good:
        click.echo(f"\n{plain(str(file))} is NOT as it was signed.")
        return
    click.echo(f"target      {plain(proof.target)}")
    click.echo(
        f"scan        {plain(proof.scan_id)}, finished {plain(proof.finished)}, report version {proof.version}"
    )
    click.echo(f"allowed by  {plain(proof.allowed_by) or 'not recorded'}")
    click.echo(f"signed by   {proof.key}")
    click.echo(
        f"\n{plain(str(file))} is as it was signed: {proof.files} files, {proof.events} events in an unbroken chain."
    )
    if proof.trusted is None:
        click.echo(
            "Whose key that is, the file cannot prove. Compare it with `secrecon keys signing` or GET /api/signing-key of the "
            "installation that made it, or give it with --key."
        )


def _key(given: str) -> str:
    text = given.strip()
    if not _is_key(text):
        try:
            with Path(given).open("rb") as opened:
                text = opened.read(MAX_KEY_FILE).decode("ascii", "replace").strip()
        except OSError as error:
            raise BadInput(
                f"--key {plain(given, 100)} is neither 64 hex digits nor a file that can be read"
            ) from error
    if not _is_key(text):
        raise BadInput(f"--key {plain(given, 100)} does not hold 64 hex digits")
    return text.lower()


def _is_key(text: str) -> bool:
    return len(text) == 64 and set(text.lower()) <= set("0123456789abcdef")

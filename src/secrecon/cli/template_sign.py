"""`secrecon templates sign`: the operator's own signature on the operator's own templates, in the files themselves."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import click

from secrecon.model.errors import BadInput, OperatorError
from secrecon.templates.catalog import files_below, read_below
from secrecon.templates.errors import TemplateError
from secrecon.templates.signatures import MAX_KEY_FILE, fragment_of, sign, signing_key
from secrecon.templates.yamltree import MAX_BYTES, read_tree


@click.command("sign")
@click.argument(
    "paths", nargs=-1, required=True, metavar="FILE_OR_DIR...", type=click.Path(exists=True, path_type=Path)
)
@click.option(
    "--key",
    "key_file",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="PEM file of a private key on the curve P-256, without a passphrase.",
)
def sign_command(paths: tuple[Path, ...], key_file: Path) -> None:
    """Sign templates: each file gets a digest line at its end, in place of an older one.

    `openssl ecparam -name prime256v1 -genkey -noout -out key.pem` makes a key, and
    `openssl ec -in key.pem -pubout -out public.pem` what others trust.
    """
    try:
        key = signing_key(str(key_file), key_file.read_bytes()[: MAX_KEY_FILE + 1])
    except OSError as error:
        raise OperatorError(f"the key file {key_file} cannot be read: {error.strerror}") from error
    files = [
        file for path in paths for file in (files_below(path.resolve()) if path.is_dir() else (path.resolve(),))
    ]
    if not files:
        raise BadInput("there is no .yaml file to sign", "paths")
    for file in files:
        _replace(file, sign(_source(file), key))
    click.echo(f"signed {len(files):,} files with the key {fragment_of(key.public_key())}")


def _source(file: Path) -> bytes:
    """The bytes of a template. Raises OperatorError for what cannot be read or is none: nothing else is signed."""
    try:
        source = read_below(file.parent, file, MAX_BYTES)
        read_tree(source)
    except OSError as error:
        raise OperatorError(f"{file} cannot be read: {error.strerror or error}") from error
    except TemplateError as error:
        raise BadInput(f"{file} is not signed: {error}", "paths") from error
    return source


def _replace(file: Path, content: bytes) -> None:
    """As a whole: a reader sees the old file or the new one. Raises OperatorError."""
    try:
        descriptor, written = tempfile.mkstemp(prefix=".sign-", dir=file.parent)
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(content)
        os.chmod(written, file.stat().st_mode & 0o777)
        os.replace(written, file)
    except OSError as error:
        raise OperatorError(f"{file} cannot be written: {error.strerror}") from error

"""Which templates the operator's keys let through: reads the keys that the settings name, and asks each file's signature.

No key ships with SecRecon: whose signature counts is the operator's decision. What ships with SecRecon comes with the
package and is not asked for one.
"""

from __future__ import annotations

from pathlib import Path

from secrecon.app.settings import Settings
from secrecon.app.template_sets import own_folder
from secrecon.model.errors import OperatorError
from secrecon.templates.catalog import Gate
from secrecon.templates.signatures import MAX_KEY_FILE, Signed, TrustedKeys, trusted_keys

UNSIGNED = "not run, as a signature is required"


def read_keys(settings: Settings) -> TrustedKeys:
    """The operator's keys. Raises OperatorError for a file that cannot be read or holds none."""
    return trusted_keys((name, _read(Path(name))) for name in settings.template_keys)


def signature_gate(settings: Settings) -> Gate | None:
    """None where every file may be used. Raises OperatorError where signatures are required and no key is named."""
    if not settings.require_signed:
        return None
    keys = read_keys(settings)
    if not keys.keys:
        raise OperatorError(
            "signed templates are required and no key is trusted: name PEM files in SECRECON_TEMPLATE_KEYS or with --trusted-key"
        )
    own = own_folder().resolve()

    def gate(root: Path, source: bytes) -> str:
        if root == own or own in root.parents:
            return ""
        verdict = keys.check(source)
        return "" if verdict.signed is Signed.VALID else f"{UNSIGNED}: {verdict.reason}"

    return gate


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(MAX_KEY_FILE + 1)
    except OSError as error:
        raise OperatorError(f"the key file {file} cannot be read: {error.strerror}") from error

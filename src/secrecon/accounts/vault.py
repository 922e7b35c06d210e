"""The vault: secrets that must be used again, such as a webhook's signing key or a log-in for a target, are stored sealed.

What only has to be recognised (API keys, sessions) is hashed instead, see `entropy`. One key per installation lies beside
the database, never inside it: a stolen database copy opens nothing. Each purpose has a subkey of its own (HKDF, RFC 5869),
so that what was sealed for one thing cannot be passed off as another; sealing is Fernet (AES-128-CBC, HMAC-SHA256).
"""

from __future__ import annotations

import base64
import contextlib
import os
import secrets
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from secrecon.accounts.entropy import Entropy
from secrecon.model.errors import OperatorError

KEY_BYTES = 32
KEY_FILE = "secret.key"


class Vault:
    """Seals and opens. `key`: 32 random bytes of this installation; `told`: where they come from, for errors."""

    def __init__(self, key: bytes, told: str = "the key of this installation") -> None:
        if len(key) != KEY_BYTES:
            raise OperatorError(f"{told} must hold {KEY_BYTES} bytes in base64; it holds {len(key)}")
        self._key = key
        self._told = told

    def seal(self, secret: str, purpose: str) -> str:
        """`secret` as ASCII text that only this installation can open, and only for the same `purpose`."""
        return self._fernet(purpose).encrypt(secret.encode("utf-8", "surrogatepass")).decode("ascii")

    def open(self, sealed: str, purpose: str) -> str:
        """What was sealed. Raises OperatorError where the key is another one, or the text was changed."""
        try:
            return self._fernet(purpose).decrypt(sealed.encode("ascii")).decode("utf-8", "surrogatepass")
        except (InvalidToken, UnicodeError) as error:
            raise OperatorError(
                f"a stored secret ({purpose}) does not open with {self._told}: put the key back that the database"
                " was used with, or enter the secret again"
            ) from error

    def subkey(self, purpose: str) -> bytes:
        """32 bytes that only this installation knows and that stay the same: the seed of a key pair, say."""
        return HKDF(SHA256(), KEY_BYTES, salt=None, info=f"secrecon {purpose}".encode()).derive(self._key)

    def _fernet(self, purpose: str) -> Fernet:
        return Fernet(base64.urlsafe_b64encode(self.subkey(purpose)))


def fresh_vault(entropy: Entropy = secrets.token_bytes) -> Vault:
    """A vault whose key nobody else has: what it sealed is lost with it."""
    return Vault(entropy(KEY_BYTES))


def vault_at(file: Path, entropy: Entropy = secrets.token_bytes) -> Vault:
    """The vault whose key is in `file`, which is made (mode 0600) where it is missing; two starts at once agree on one.

    Raises OperatorError for a file that cannot be read, or holds something else.
    """
    try:
        if not file.exists():
            _make(file, entropy)
        text = file.read_text("ascii").strip()
        return Vault(base64.b64decode(text, altchars=b"-_", validate=True), str(file))
    except OSError as error:
        raise OperatorError(f"the key file {file} cannot be used: {error.strerror}") from error
    except ValueError as error:
        raise OperatorError(f"{file} does not hold {KEY_BYTES} bytes in base64; put the right key back") from error


def _make(file: Path, entropy: Entropy) -> None:
    """Written whole under another name first, then linked: a crash leaves no half a key, and the first one wins."""
    part = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(base64.urlsafe_b64encode(entropy(KEY_BYTES)) + b"\n")
            opened.flush()
            os.fsync(opened.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(part, file)
    finally:
        part.unlink()

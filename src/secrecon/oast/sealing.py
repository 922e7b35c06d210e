"""The cryptography of the callback protocol: RSA-OAEP around one AES key per session, AES-256 around each item.

Nothing here authenticates: the protocol has no MAC, so an opened item counts as what it says only where it is the JSON
that was expected. Servers before 2026 sealed in CFB mode, later ones in CTR; the first 16 bytes look the same in both.
We seal in CTR and open either. Randomness is passed in, except where the library pads (OAEP).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives import hashes, keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

KEY_LENGTH = 32
IV_LENGTH = 16
RSA_LEAST = 1_024
RSA_MOST = 8_192
MAX_KEY_TEXT = 16_384
_OAEP = padding.OAEP(mgf=padding.MGF1(algorithm=hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
_AT_REST = b"secrecon oast session key 1"


def load_public_key(text: str) -> rsa.RSAPublicKey:
    """The key of a registration: base64 around PEM around SubjectPublicKeyInfo, whatever the PEM's label says.

    Raises ValueError with a reason.
    """
    if len(text) > MAX_KEY_TEXT:
        raise ValueError("the key is too long")
    try:
        pem = base64.b64decode(text, validate=False).decode("ascii")
        lines = [line.strip() for line in pem.replace("\r", "\n").split("\n")]
        der = base64.b64decode("".join(line for line in lines if line and ":" not in line and line[0] != "-"))
        key = serialization.load_der_public_key(der)
    except (binascii.Error, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError("not base64 of a PEM public key") from error
    if not isinstance(key, rsa.RSAPublicKey):
        raise ValueError("not an RSA key")
    if not RSA_LEAST <= key.key_size <= RSA_MOST:
        raise ValueError(f"{key.key_size} bits; it must have {RSA_LEAST} to {RSA_MOST}")
    return key


def public_key_text(key: rsa.RSAPublicKey) -> str:
    """A key as a registration carries it."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return base64.b64encode(key.public_bytes(serialization.Encoding.PEM, form)).decode("ascii")


def wrap(key: rsa.RSAPublicKey, session_key: bytes) -> str:
    """A session's AES key as a poll carries it."""
    return base64.b64encode(key.encrypt(session_key, _OAEP)).decode("ascii")


def unwrap(key: rsa.RSAPrivateKey, wrapped: str) -> bytes:
    """The AES key of a poll. Raises ValueError where it is none of ours."""
    try:
        session_key = key.decrypt(base64.b64decode(wrapped), _OAEP)
    except (binascii.Error, ValueError) as error:
        raise ValueError("the session key cannot be unwrapped") from error
    if len(session_key) != KEY_LENGTH:
        raise ValueError(f"the session key has {len(session_key)} bytes instead of {KEY_LENGTH}")
    return session_key


def seal(session_key: bytes, iv: bytes, text: bytes) -> str:
    """One item. `iv`: 16 random bytes, never used twice."""
    encryptor = Cipher(algorithms.AES(session_key), modes.CTR(iv)).encryptor()
    return base64.b64encode(iv + encryptor.update(text)).decode("ascii")


def open_item(session_key: bytes, item: str) -> dict[str, object]:
    """One item's JSON, sealed in CTR or in CFB mode. Raises ValueError where it is neither."""
    try:
        blob = base64.b64decode(item)
    except ValueError as error:  # binascii.Error is one
        raise ValueError("an item is not base64") from error
    if len(blob) <= IV_LENGTH:
        raise ValueError("an item is too short")
    iv, sealed = blob[:IV_LENGTH], blob[IV_LENGTH:]
    for mode in (modes.CTR(iv), CFB(iv)):
        text = Cipher(algorithms.AES(session_key), mode).decryptor().update(sealed)
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict) and isinstance(found.get("protocol"), str):
            return found
    raise ValueError("an item cannot be read in either mode")


def secret_digest(secret: str) -> bytes:
    """What is kept of a session's secret."""
    return hashlib.sha256(b"secrecon oast secret 1\0" + secret.encode("utf-8", "surrogatepass")).digest()


def same(given: bytes, kept: bytes) -> bool:
    """Whether two digests are equal, in a time that tells nothing."""
    return hmac.compare_digest(given, kept)


def lock_key(session_key: bytes, secret: str, correlation: str) -> bytes:
    """A session's AES key as it is kept at rest (RFC 3394): only whoever has the session's secret opens it."""
    return keywrap.aes_key_wrap(_at_rest(secret, correlation), session_key)


def unlock_key(locked: bytes, secret: str, correlation: str) -> bytes:
    """The AES key back. Raises ValueError where what was kept is damaged."""
    try:
        return keywrap.aes_key_unwrap(_at_rest(secret, correlation), locked)
    except keywrap.InvalidUnwrap as error:
        raise ValueError("the kept session key is damaged") from error


def _at_rest(secret: str, correlation: str) -> bytes:
    return hmac.digest(_AT_REST + correlation.encode("ascii"), secret.encode("utf-8", "surrogatepass"), "sha256")

"""Functions that hash, sign and encrypt. What a template encrypts with is its own key; no secret of ours is involved.

MD5 and SHA-1 are here because products under test use them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import math
from collections.abc import Callable

import mmh3
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from secrecon.templates.dsl.functions.declare import Function, fixed, ranged
from secrecon.templates.dsl.functions.encoding import minified, read_json
from secrecon.templates.dsl.run import Run
from secrecon.templates.dsl.values import Value, text_of, text_only, whole
from secrecon.templates.errors import DslError

_HMAC = {
    b"sha1": "sha1",
    b"sha-1": "sha1",
    b"sha256": "sha256",
    b"sha-256": "sha256",
    b"sha512": "sha512",
    b"sha-512": "sha512",
}
_JWT = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}
_JWT_KEYED = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EDDSA"})


def _hash(name: str) -> Callable[[Run, Value], Value]:
    return lambda run, value: hashlib.new(name, text_of(value), usedforsecurity=False).hexdigest().encode()


def _mmh3(_: Run, value: Value) -> Value:
    return str(mmh3.hash(text_of(value), 0, signed=True)).encode()


def _hmac_hex(_: Run, algorithm: Value, data: Value, key: Value) -> Value:
    name = _HMAC.get(text_of(algorithm))
    if name is None:
        raise DslError("hmac knows sha1, sha256 and sha512")
    return (
        hmac.new(text_only(key, "the key of hmac"), text_only(data, "the data of hmac"), name).hexdigest().encode()
    )


def _aes_cbc(_: Run, plain: Value, key: Value, start: Value) -> Value:
    padder = PKCS7(128).padder()
    padded = padder.update(text_only(plain, "the text of aes_cbc")) + padder.finalize()
    try:
        mode = modes.CBC(text_only(start, "the IV of aes_cbc"))
        encryptor = Cipher(algorithms.AES(text_only(key, "the key of aes_cbc")), mode).encryptor()
    except ValueError as error:
        raise DslError("aes_cbc needs a key of 16, 24 or 32 bytes and an IV of 16") from error
    return encryptor.update(padded) + encryptor.finalize()


def _aes_gcm(run: Run, key: Value, plain: Value) -> Value:
    try:
        cipher = AESGCM(text_only(key, "the key of aes_gcm"))
    except ValueError as error:
        raise DslError("aes_gcm needs a key of 16, 24 or 32 bytes") from error
    nonce = run.ambient.chance.randbytes(12)
    return nonce + cipher.encrypt(nonce, text_only(plain, "the text of aes_gcm"), None)


def _rsa_encrypt(_: Run, plain: Value, pem: Value) -> Value:
    try:
        key = load_pem_public_key(text_only(pem, "the key of rsa_encrypt"))
        if not isinstance(key, RSAPublicKey):
            raise DslError("rsa_encrypt needs an RSA public key")
        sealed = key.encrypt(text_only(plain, "the text of rsa_encrypt"), rsa_padding.PKCS1v15())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise DslError("rsa_encrypt: the key cannot be read, or the text is too long for it") from error
    return base64.b64encode(sealed)


def _jwt(run: Run, content: Value, algorithm: Value = b"", key: Value = b"", expiry: Value = None) -> Value:
    claims = read_json(text_only(content, "the claims of generate_jwt"), "generate_jwt")
    if not isinstance(claims, dict):
        raise DslError("generate_jwt: the claims are no JSON object")
    named = text_only(algorithm, "the algorithm of generate_jwt").decode("utf-8", "replace")
    upper = named.upper()
    if upper in _JWT_KEYED:
        raise DslError(f"generate_jwt: {upper} needs a private key, which the language cannot hold")
    if upper not in (*_JWT, "", "NONE"):
        raise DslError(f"generate_jwt: no algorithm {named[:20]}")
    body = minified(claims)
    if expiry is not None:
        now = math.floor(run.ambient.now())
        timed = b'"iat":%d,"exp":%d}' % (now, whole(expiry, "the expiry of generate_jwt"))
        body = b"{" + timed if body == b"{}" else body[:-1] + b"," + timed
    header = minified({"alg": named if upper == "NONE" else upper or "NONE", "typ": "JWT"})
    signed = _base64url(header) + b"." + _base64url(body)
    if upper not in _JWT:
        return signed + b"."
    return signed + b"." + _base64url(hmac.digest(text_only(key, "the key of generate_jwt"), signed, _JWT[upper]))


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


DIGESTS: tuple[Function, ...] = (
    fixed("md5", 1, _hash("md5")),
    fixed("sha1", 1, _hash("sha1")),
    fixed("sha256", 1, _hash("sha256")),
    fixed("sha512", 1, _hash("sha512")),
    fixed("mmh3", 1, _mmh3),
    fixed("hmac", 3, _hmac_hex),
    fixed("aes_cbc", 3, _aes_cbc),
    fixed("aes_gcm", 2, _aes_gcm),
    fixed("rsa_encrypt", 2, _rsa_encrypt),
    ranged("generate_jwt", 2, 4, _jwt),
)

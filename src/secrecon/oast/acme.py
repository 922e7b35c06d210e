"""A certificate for the domain and everything in it, from an ACME authority that asks our own DNS (RFC 8555, DNS-01).

The protocol is the `acme` library's; here is when to ask, where the proof is put (a TXT record of our zone) and what is kept
(the account's key, the certificate and its key, in one folder). Until the first one is there, a certificate that nobody
trusts is served, so that the ports are open. A failure leaves what is in use, and is tried again with growing patience.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import requests
import structlog
from acme import challenges, errors, messages
from acme.client import ClientNetwork, ClientV2
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from josepy.errors import Error as JoseError
from josepy.jwa import ES256
from josepy.jwk import JWKEC
from josepy.util import ComparableECKey

from secrecon import __version__
from secrecon.model.errors import OperatorError
from secrecon.net.clock import Clock
from secrecon.oast.dnswire import Zone

CHALLENGE = "_acme-challenge"
LOOK_EVERY = 6 * 3_600.0
RETRY_LEAST, RETRY_MOST = 60.0, 6 * 3_600.0
SHARE_LEFT = 1 / 3
"""A certificate is renewed when this share of its life is left."""
ORDER_SECONDS = 180.0
PLACEHOLDER = "not yet certified"
log_ = structlog.get_logger("secrecon.oast")


@dataclass(frozen=True, slots=True)
class Authority:
    """`directory`: its URL. `email`: where it may write to, "" for nowhere. `ca`: a PEM file to trust for the authority's
    own https, "" for the system's. `timeout`: seconds for each of its answers."""

    directory: str
    email: str = ""
    ca: str = ""
    timeout: int = 30


class AcmeCertificate:
    """Keeps `folder`'s certificate for `zone`'s domain good. `changed` is called when there is a new one.

    Raises OperatorError where there is no domain, or the folder cannot be written.
    """

    def __init__(
        self, authority: Authority, zone: Zone, folder: Path, clock: Clock, changed: Callable[[], object]
    ) -> None:
        self._authority = authority
        self._zone = zone
        self._folder = folder
        self._clock = clock
        self._changed = changed

    async def keep(self) -> None:
        """Renew when it is time, for ever."""
        wait = RETRY_LEAST
        while True:
            if not self.due():
                await self._clock.sleep(LOOK_EVERY)
                continue
            try:
                await self.renew()
                wait = RETRY_LEAST
            except OperatorError as error:
                log_.error("no certificate came from the authority; it is tried again", error=str(error))
                await self._clock.sleep(wait * random.SystemRandom().uniform(0.8, 1.2))
                wait = min(wait * 2, RETRY_MOST)

    def due(self) -> bool:
        """Whether there is none for the domain, or little of its life is left."""
        try:
            found = x509.load_pem_x509_certificate(chain_file(self._folder).read_bytes())
            names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except (OSError, ValueError, x509.ExtensionNotFound):
            return True
        wanted = {self._zone.domain, f"*.{self._zone.domain}"}
        if PLACEHOLDER in found.issuer.rfc4514_string() or wanted - set(names.get_values_for_type(x509.DNSName)):
            return True
        whole = found.not_valid_after_utc - found.not_valid_before_utc
        return self._clock.now() > (found.not_valid_after_utc - whole * SHARE_LEFT).timestamp()

    async def renew(self) -> None:
        """Get a new certificate and put it to use. Raises OperatorError; then nothing has changed."""
        try:
            key, chain = await asyncio.to_thread(self._order)
        except (errors.Error, messages.Error, requests.RequestException, JoseError, OSError) as error:
            raise OperatorError(
                f"{self._authority.directory} gave no certificate for {self._zone.domain}: {str(error) or type(error).__name__};"
                " check that the domain's name servers are this machine and that port 53 leads to the listener"
            ) from error
        finally:
            self._zone.remove(CHALLENGE, "TXT")
        write_pair(self._folder, key, chain)
        self._changed()
        log_.info("a new certificate is in use", domain=self._zone.domain)

    def _order(self) -> tuple[bytes, bytes]:
        """(key, chain) as PEM. Runs in a thread, because the library waits."""
        account_key = _account_key(self._folder)
        network = ClientNetwork(
            account_key,
            alg=ES256,
            user_agent=f"secrecon/{__version__}",
            timeout=self._authority.timeout,
        )
        if self._authority.ca:
            network.session.verify = network.verify_ssl = self._authority.ca  # type: ignore[assignment]
        client = ClientV2(ClientV2.get_directory(self._authority.directory, network), net=network)
        wish = messages.NewRegistration.from_data(email=self._authority.email or None, terms_of_service_agreed=True)
        try:
            client.new_account(wish)
        except errors.ConflictError as error:  # the account that is there already
            known = messages.RegistrationResource(uri=error.location, body=messages.Registration())
            network.account = client.query_registration(known)
        key = ec.generate_private_key(ec.SECP256R1())
        order = client.new_order(_request(key, self._zone.domain))
        chosen = [(_dns_challenge(authorization), authorization) for authorization in order.authorizations]
        for challenge, _ in chosen:
            self._zone.add(CHALLENGE, "TXT", f'"{challenge.validation(account_key)}"')
        for challenge, _ in chosen:
            client.answer_challenge(challenge, challenge.response(account_key))
        deadline = datetime.now() + timedelta(seconds=ORDER_SECONDS)
        done = client.poll_and_finalize(order, deadline)
        return _pem(key), done.fullchain_pem.encode("ascii")


def chain_file(folder: Path) -> Path:
    """Where the certificate and its issuers are."""
    return folder / "certificate.pem"


def key_file(folder: Path) -> Path:
    """Where its key is."""
    return folder / "key.pem"


def prepare(folder: Path, domain: str, now: float) -> None:
    """Make `folder` with a certificate that nobody trusts, where there is none yet. Raises OperatorError."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise OperatorError(
            f"{folder} cannot be made: {error.strerror}; give the server's user the right to"
        ) from error
    if chain_file(folder).exists() and key_file(folder).exists():
        return
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, PLACEHOLDER)])
    begin = datetime.fromtimestamp(now, UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=1))
        .add_extension(_names(domain), critical=False)
        .sign(key, hashes.SHA256())
    )
    write_pair(folder, _pem(key), made.public_bytes(serialization.Encoding.PEM))


def write_pair(folder: Path, key: bytes, chain: bytes) -> None:
    """Put a key and its certificate in place. Raises OperatorError."""
    for file, data in ((key_file(folder), key), (chain_file(folder), chain)):
        fresh = file.with_suffix(".new")
        try:
            with contextlib.suppress(FileNotFoundError):
                fresh.unlink()
            with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
                opened.write(data)
                opened.flush()
                os.fsync(opened.fileno())
            fresh.replace(file)
        except OSError as error:
            raise OperatorError(f"{file} cannot be written: {error.strerror}") from error


def _account_key(folder: Path) -> JWKEC:
    file = folder / "account.pem"
    if not file.exists():
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
            opened.write(_pem(ec.generate_private_key(ec.SECP256R1())))
    key = serialization.load_pem_private_key(file.read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise OSError(f"{file} holds another kind of key")
    return JWKEC(key=ComparableECKey(key))


def _dns_challenge(authorization: messages.AuthorizationResource) -> messages.ChallengeBody:
    for challenge in authorization.body.challenges:
        if isinstance(challenge.chall, challenges.DNS01):
            return challenge
    raise errors.ClientError("the authority offers no DNS-01 challenge")


def _request(key: ec.EllipticCurvePrivateKey, domain: str) -> bytes:
    made = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    made = made.add_extension(_names(domain), critical=False)
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _names(domain: str) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.DNSName(domain), x509.DNSName(f"*.{domain}")])


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())

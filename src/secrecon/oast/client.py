"""A client of any Interactsh-compatible server, over HTTP: one session, endless payload hosts, polls that lose nothing
that the server keeps.

A server is the operator's infrastructure, so it is contacted directly and not through a scan's gate. What it answers is
bounded and believed in nothing but its words. The token never travels unencrypted or to an unverified server unless
that is asked for. A session that the server has forgotten is registered again under the same id, so that payloads given
out stay good, and `on_gap` is told between which moments hits may be lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import ipaddress
import json
import random
import ssl
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Self

import httpx
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from secrecon.model.errors import OperatorError
from secrecon.net.clock import Clock
from secrecon.oast.sealing import open_item, public_key_text, unwrap
from secrecon.oast.tokens import find_tokens, is_token, new_correlation, new_nonce

KEY_BITS = 2_048
TIMEOUT = 10.0
KEEP_ALIVE = 60.0
MAX_REPLY = 33_554_432
MAX_ITEMS = 20_000
MAX_TEXT = 65_536
MAX_SEEN = 50_000
EVICTED = "could not get correlation-id from cache"
TAKEN = "already exists"
REGISTERED = "registration successful"


@dataclass(frozen=True, slots=True)
class ServerHit:
    """One interaction as a server tells it. `at`: epoch seconds, by the server's clock."""

    id: str
    protocol: str
    token: str
    full_id: str
    remote_address: str
    request: str
    response: str
    query_type: str
    sender: str
    at: float


@dataclass(frozen=True, slots=True)
class Gap:
    """The server forgot the session at some time between `since` and `until` (epoch seconds): hits may be lost."""

    since: float
    until: float


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How to talk to a server. `ca`: a PEM file to trust beside the system's authorities. `verify` False: any
    certificate. `bare_token`: send the token over plain http or to an unverified server too. `fallback`: plain http
    where https cannot be reached and the server was named without a scheme."""

    token: str = ""
    verify: bool = True
    ca: str = ""
    bare_token: bool = False
    fallback: bool = False
    timeout: float = TIMEOUT


@dataclass(frozen=True, slots=True)
class Identity:
    """What a session is: keep it to go on with the session after a restart. `key`: PKCS#8 PEM."""

    correlation: str
    secret: str
    key: str

    @classmethod
    def fresh(cls, source: random.Random) -> Self:
        """A new session's identity."""
        key = rsa.generate_private_key(public_exponent=65_537, key_size=KEY_BITS)
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        secret = str(uuid.UUID(int=source.getrandbits(128), version=4))
        return cls(new_correlation(source), secret, pem.decode("ascii"))

    def private_key(self) -> rsa.RSAPrivateKey:
        """The RSA key. Raises ValueError for text that is none."""
        key = serialization.load_pem_private_key(self.key.encode("ascii", "replace"), None)
        if not isinstance(key, rsa.RSAPrivateKey):
            raise ValueError("not an RSA key")
        return key


class OastClient:
    """One session on a server. `start` before anything else; one `poll` at a time. `identity`: of an earlier session, and
    `heard`: when that was last polled (0: never registered), so that `on_gap` is told where the server has forgotten it."""

    def __init__(
        self,
        server: str,
        clock: Clock,
        options: ServerOptions | None = None,
        source: random.Random | None = None,
        identity: Identity | None = None,
        on_gap: Callable[[Gap], None] = lambda gap: None,
        heard: float = 0.0,
    ) -> None:
        self.options = options or ServerOptions()
        self._bases = _bases(server, self.options.fallback)
        self.base = self._bases[0]
        self._check_token(self.base)
        self._clock = clock
        self._source = source or random.SystemRandom()
        self._told_gap = on_gap
        self.gaps: list[Gap] = []
        self._given = identity
        self.identity = identity or Identity("", "", "")
        self._key: rsa.RSAPrivateKey | None = None
        self._http: httpx.AsyncClient | None = None
        self._wrapped = ""
        self._session_key = b""
        self._batch = ""
        self._seen: dict[str, None] = {}
        self._heard = heard
        self._kept_alive = 0.0

    @property
    def heard(self) -> float:
        """When the server was last polled with success (epoch seconds), 0 for never."""
        return self._heard

    async def start(self) -> None:
        """Register. Raises OperatorError where the server cannot be used."""
        if self._http is None:
            self._http = httpx.AsyncClient(
                verify=self._trust(), timeout=self.options.timeout, trust_env=False, follow_redirects=False
            )
        for _ in range(3):
            given = self._given
            fresh = given if given is not None else await asyncio.to_thread(Identity.fresh, self._source)
            self.identity = fresh
            self._key = self.identity.private_key()
            answer = await self._register_anywhere()
            if answer == REGISTERED or (self._given and TAKEN in answer):
                if answer == REGISTERED and given is not None and self._heard:
                    self._on_gap(Gap(self._heard, self._clock.now()))
                self._heard = self._kept_alive = self._clock.now()
                return
            if TAKEN not in answer:
                check = "SECRECON_OAST_TOKEN" if "401" in answer or "403" in answer else "SECRECON_OAST_SERVER"
                raise OperatorError(
                    f"the callback server {self.base} refused the registration: {answer}; check {check}"
                )
        raise OperatorError(f"the callback server {self.base} says of every new id that it exists already")

    def mint(self, *, own: bool = False) -> tuple[str, str]:
        """(host as it goes into texts, token) of a fresh payload. On a server that is an address, the host is the
        address with the token as path."""
        token = self.identity.correlation + new_nonce(self._source, own=own)
        url = httpx.URL(self.base)
        authority = url.netloc.decode("ascii")
        return (f"{authority}/{token}" if is_address(url.host) else f"{token}.{authority}"), token

    async def poll(self) -> list[ServerHit]:
        """What arrived since the last time, each once. Raises OperatorError where the server cannot be asked; then
        nothing is known, and nothing is lost that the server keeps."""
        await self._keep_alive()
        identity = self.identity
        query = {"id": identity.correlation, "secret": identity.secret, "ack": self._batch or "1"}
        status, body = await self._ask("GET", "/poll", params=query)
        if status != 200:
            if EVICTED not in _words(body):
                raise OperatorError(f"the callback server {self.base} refused a poll: {status} {_words(body)}")
            await self._again()
            return []
        hits = self._open(body)
        self._heard = self._clock.now()
        return hits

    async def close(self) -> None:
        """Deregister, as far as that is possible, and close the connections."""
        if self._http is None:
            return
        with contextlib.suppress(OperatorError):
            await self._ask(
                "POST",
                "/deregister",
                content={"correlation-id": self.identity.correlation, "secret-key": self.identity.secret},
            )
        await self.leave()

    async def leave(self) -> None:
        """Close the connections and keep the session on the server, for an identity that is used again."""
        if self._http is not None:
            await self._http.aclose()
            self._http = None

    async def _register_anywhere(self) -> str:
        for number, base in enumerate(self._bases):
            self.base = base
            try:
                self._check_token(base)
                return await self._register()
            except OperatorError:
                if number == len(self._bases) - 1:
                    raise
        raise AssertionError("there is always one address")

    async def _register(self) -> str:
        """The server's message or error."""
        assert self._key is not None, "start comes first"
        content = {
            "public-key": public_key_text(self._key.public_key()),
            "secret-key": self.identity.secret,
            "correlation-id": self.identity.correlation,
        }
        status, body = await self._ask("POST", "/register", content=content)
        words = _words(body)
        return words if words or status == 200 else f"HTTP status {status}"

    async def _keep_alive(self) -> None:
        """Say again that we are here; the server's refusal, because it knows us, is what is hoped for."""
        if self._clock.now() - self._kept_alive < KEEP_ALIVE:
            return
        if await self._register() == REGISTERED:
            self._forgotten()
        self._kept_alive = self._clock.now()

    def _on_gap(self, gap: Gap) -> None:
        self.gaps.append(gap)
        self._told_gap(gap)

    async def _again(self) -> None:
        answer = await self._register()
        if answer != REGISTERED and TAKEN not in answer:
            raise OperatorError(f"the callback server {self.base} forgot the session and refuses it now: {answer}")
        self._kept_alive = self._clock.now()
        self._forgotten()

    def _forgotten(self) -> None:
        now = self._clock.now()
        self._batch = ""
        self._on_gap(Gap(self._heard, now))
        self._heard = now

    async def _ask(
        self, method: str, path: str, params: dict[str, str] | None = None, content: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        assert self._http is not None, "start comes first"
        headers = {"Authorization": self.options.token} if self.options.token else {}
        body = bytearray()
        try:
            async with (
                asyncio.timeout(self.options.timeout * 3),
                self._http.stream(method, self.base + path, params=params, json=content, headers=headers) as reply,
            ):
                async for part in reply.aiter_bytes():
                    body += part
                    if len(body) > MAX_REPLY:
                        raise OperatorError(f"the callback server {self.base} answers more than {MAX_REPLY} bytes")
                return reply.status_code, bytes(body)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            why = str(error) or type(error).__name__
            raise OperatorError(
                f"the callback server {self.base} cannot be asked: {why}; check the address and that it runs"
            ) from error

    def _open(self, body: bytes) -> list[ServerHit]:
        try:
            reply = json.loads(body)
            data, extra = reply.get("data") or [], reply.get("extra") or []
            wrapped, batch = reply.get("aes_key", ""), reply.get("batch", "")
            if not isinstance(data, list) or not isinstance(extra, list) or not isinstance(wrapped, str):
                raise TypeError
        except (ValueError, AttributeError, TypeError, RecursionError) as error:
            raise OperatorError(
                f"the callback server {self.base} answers a poll with something else than JSON of the protocol"
            ) from error
        found = [hit for item in data[:MAX_ITEMS] if (hit := self._opened(item, wrapped)) is not None]
        found += [hit for item in extra[:MAX_ITEMS] if (hit := self._shared(item)) is not None]
        self._batch = batch if isinstance(batch, str) else ""
        return [hit for hit in found if self._new(hit.id)]

    def _opened(self, item: object, wrapped: str) -> ServerHit | None:
        assert self._key is not None, "start comes first"
        if not isinstance(item, str):
            return None
        try:
            if wrapped != self._wrapped:
                self._session_key, self._wrapped = unwrap(self._key, wrapped), wrapped
            return _hit(open_item(self._session_key, item), self._clock.now(), item)
        except ValueError:
            return None

    def _shared(self, item: object) -> ServerHit | None:
        """An item of the basket that all clients of a token share, where it carries our id."""
        if not isinstance(item, str) or self.identity.correlation not in item.lower():
            return None
        try:
            found = json.loads(item)
        except (ValueError, RecursionError):
            return None
        if not isinstance(found, dict):
            return None
        token = _text(found, "unique-id") or next(
            (t for t in find_tokens(_text(found, "raw-request")) if t.startswith(self.identity.correlation)), ""
        )
        return _hit({**found, "unique-id": token}, self._clock.now(), item)

    def _new(self, id_: str) -> bool:
        if id_ in self._seen:
            return False
        self._seen[id_] = None
        while len(self._seen) > MAX_SEEN:
            del self._seen[next(iter(self._seen))]
        return True

    def _trust(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if not self.options.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        elif self.options.ca:
            try:
                context.load_verify_locations(self.options.ca)
            except OSError as error:  # ssl.SSLError is one
                raise OperatorError(f"{self.options.ca} is no PEM file of authorities: {error}") from error
        return context

    def _check_token(self, base: str) -> None:
        url, options = httpx.URL(base), self.options
        if not options.token or options.bare_token or _is_loopback(url.host):
            return
        if url.scheme != "https" or not options.verify:
            raise OperatorError(
                f"the token would be readable on its way to {base}: use https with a certificate that can be verified"
            )


def _bases(server: str, fallback: bool) -> tuple[str, ...]:
    text = server.strip().rstrip("/")
    named = text if "://" in text else f"https://{text}"
    try:
        url = httpx.URL(named)
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme not in ("http", "https") or not url.host or url.path not in ("", "/") or url.userinfo:
        raise OperatorError(f"{server[:200]!r} is no callback server: give http(s)://HOST[:PORT]")
    return (named, f"http://{text}") if fallback and "://" not in text else (named,)


def _hit(found: dict[str, object], now: float, sealed: str) -> ServerHit | None:
    """An interaction's JSON, bounded; None where it carries no token."""
    token = _text(found, "unique-id").lower()
    if not is_token(token):
        return None
    return ServerHit(
        id=_text(found, "event-id")[:64] or hashlib.sha256(sealed.encode("utf-8", "replace")).hexdigest()[:32],
        protocol=_text(found, "protocol").lower()[:16],
        token=token,
        full_id=_text(found, "full-id")[:1024],
        remote_address=_bare(_text(found, "remote-address"))[:64],
        request=_text(found, "raw-request")[:MAX_TEXT],
        response=_text(found, "raw-response")[:MAX_TEXT],
        query_type=_text(found, "q-type")[:16],
        sender=_text(found, "smtp-from")[:1024],
        at=_moment(_text(found, "timestamp"), now),
    )


def _text(found: dict[str, object], key: str) -> str:
    value = found.get(key)
    return value if isinstance(value, str) else ""


def _moment(text: str, now: float) -> float:
    """RFC 3339 with up to nine decimals as epoch seconds; `now` for what cannot be read."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        return now


def _words(body: bytes) -> str:
    """The message or error of a reply, as short printable text."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    words = ""
    if isinstance(found, dict):
        words = _text(found, "message") or _text(found, "error")
    words = words or body[:200].decode("utf-8", "replace")
    return "".join(char if char.isprintable() else "?" for char in words[:300])


def _bare(address: str) -> str:
    """An address without its port."""
    for candidate in (address, address.rpartition(":")[0].strip("[]")):
        with contextlib.suppress(ValueError):
            return str(ipaddress.ip_address(candidate))
    return address


def is_address(host: str) -> bool:
    """Whether a host is written as an IP address."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    return is_address(host) and ipaddress.ip_address(host.strip("[]")).is_loopback

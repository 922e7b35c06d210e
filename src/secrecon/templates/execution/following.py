"""One request with everything that belongs to it: redirects, cookies, and the second try that digest asks for.

Redirects are followed as the block says. Each hop is an ask of its own, so whoever drives this judges each destination
anew. Credentials stay behind when a redirect leaves the host.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator
from dataclasses import dataclass, replace
from urllib.parse import urljoin

import re2

from secrecon.model.errors import BadInput
from secrecon.model.http import HttpReply
from secrecon.model.target import Origin
from secrecon.templates.dsl.run import Ambient
from secrecon.templates.errors import DslError
from secrecon.templates.execution.asks import Answer, Ask, HttpAnswer, HttpAsk
from secrecon.templates.execution.building import Built, assemble
from secrecon.templates.execution.cookies import Jar
from secrecon.templates.execution.subject import parse_subject
from secrecon.templates.template import HttpBlock, Redirects

MAX_LOCATION = 8_192
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PRIVATE = frozenset({"authorization", "cookie", "www-authenticate", "host"})
_BODY = frozenset({"content-type", "content-length", "content-encoding", "transfer-encoding"})
_FIELD = re2.compile(r'([a-zA-Z]+)=(?:"([^"]*)"|([^\s,]+))')
_HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256, "": hashlib.md5}


@dataclass(frozen=True, slots=True)
class Hop:
    built: Built
    answer: HttpAnswer


class Past:
    """What an execution has sent. An answer that another template got to an equal request will do for the first asking,
    and only until something was sent that may have changed the target."""

    def __init__(self) -> None:
        self._sent: set[tuple[Origin, bytes]] = set()
        self._changed = False

    def shares(self, built: Built) -> bool:
        """Whether a shared answer will do for `built`, which is sent now."""
        key = (built.connect, built.wire)
        plain = built.method in ("GET", "HEAD") and not built.raw
        shared = plain and not self._changed and key not in self._sent
        self._changed = self._changed or not plain
        self._sent.add(key)
        return shared


@dataclass(frozen=True, slots=True)
class Manner:
    """How a block's requests are made. `timeout`: seconds, 0 for the driver's; `follow` False: no redirects at all."""

    block: HttpBlock
    sni: str = ""
    timeout: float = 0.0
    follow: bool = True


def exchange(
    built: Built, manner: Manner, jar: Jar, past: Past, ambient: Ambient
) -> Generator[Ask, Answer, list[Hop]]:
    """Every hop, the first first. The last has no reply where it failed."""
    hops = [(yield from _once(built, manner, jar, past))]
    block = manner.block
    reply = hops[-1].answer.reply
    if block.digest_username and reply is not None and reply.status == 401:
        again = _with_digest(built, reply, block, ambient)
        if again is not None:
            hops = [(yield from _once(again, manner, jar, past))]
    wanted = block.redirects if manner.follow else Redirects.NONE
    first = hops[0].built
    while wanted is not Redirects.NONE and len(hops) <= block.max_redirects:
        reply = hops[-1].answer.reply
        following = _following(hops[-1].built, reply) if reply is not None else None
        if following is None or not _allowed(first, following, wanted):
            break
        hops.append((yield from _once(following, manner, jar, past)))
    return hops


def _once(built: Built, manner: Manner, jar: Jar, past: Past) -> Generator[Ask, Answer, Hop]:
    built = _with_cookies(built, jar)
    ask = HttpAsk(
        origin=built.connect,
        method=built.method,
        wire=built.wire,
        sni=built.sni or manner.sni,
        timeout=built.timeout or manner.timeout,
        body_cap=manner.block.max_size,
        fresh=built.fresh,
        shared=past.shares(built),
    )
    answer = yield ask
    assert isinstance(answer, HttpAnswer)
    if answer.reply is not None:
        jar.store(built.origin, built.target, answer.reply)
    return Hop(built, answer)


def _with_cookies(built: Built, jar: Jar) -> Built:
    """The jar's cookies behind those that the template wrote."""
    held = "" if built.raw else jar.header(built.origin, built.target)
    if not held:
        return built
    own = [value for name, value in built.headers if name.lower() == "cookie"]
    others = tuple(pair for pair in built.headers if pair[0].lower() != "cookie")
    return _again(built, (*others, ("Cookie", "; ".join([*own, held]))))


def _again(built: Built, headers: tuple[tuple[str, str], ...]) -> Built:
    made = assemble(built.origin, built.connect, built.method, built.target, headers, built.body)
    return replace(made, sni=built.sni, timeout=built.timeout, fresh=built.fresh or made.fresh)


def _following(built: Built, reply: HttpReply) -> Built | None:
    """The request that a redirect asks for, or None where there is none to make."""
    location = reply.header("location") if reply.status in _REDIRECTS else None
    if not location or len(location) > MAX_LOCATION:
        return None
    try:
        there = parse_subject(urljoin(built.url, location.strip()))
    except (BadInput, ValueError):
        return None
    target = (there.path or "/") + (f"?{there.query}" if there.query else "")
    headers, method, body = built.headers, built.method, built.body
    if there.origin != built.origin:
        headers = _without(headers, _PRIVATE)
    if reply.status in (301, 302, 303) and method not in ("GET", "HEAD"):
        method, body, headers = "GET", b"", _without(headers, _BODY)
    try:
        made = assemble(there.origin, there.origin, method, _printable(target), headers, body)
    except DslError:
        return None
    return replace(made, timeout=built.timeout, fresh=built.fresh)


def _printable(target: str) -> str:
    return "".join(
        char if "!" <= char <= "\xff" and char != "\x7f" else f"%{ord(char) & 255:02X}" for char in target
    )


def _without(headers: tuple[tuple[str, str], ...], names: frozenset[str]) -> tuple[tuple[str, str], ...]:
    return tuple(pair for pair in headers if pair[0].lower() not in names)


def _allowed(first: Built, following: Built, wanted: Redirects) -> bool:
    if wanted is Redirects.SAME_HOST:
        said = {name.lower(): value for name, value in first.headers}.get("host", first.origin.authority)
        return following.origin.authority == said or following.origin.authority == first.origin.authority
    if wanted is Redirects.SAME_SCHEME:
        return following.origin.scheme == first.origin.scheme
    return True


def _with_digest(built: Built, reply: HttpReply, block: HttpBlock, ambient: Ambient) -> Built | None:
    """The request with an Authorization for the challenge (RFC 7616, qop auth); None where it cannot be answered."""
    challenge = next((value for value in reply.all("www-authenticate") if value.lower().startswith("digest")), "")
    fields = {name.lower(): quoted or bare for name, quoted, bare in _FIELD.findall(challenge[6:8_000])}
    hashed = _HASHES.get(fields.get("algorithm", "").upper())
    if not challenge or hashed is None or "nonce" not in fields:
        return None

    def digest(text: str) -> str:
        return hashed(text.encode("utf-8", "replace")).hexdigest()

    realm, nonce, cnonce = fields.get("realm", ""), fields["nonce"], f"{ambient.chance.getrandbits(64):016x}"
    user, secret = block.digest_username, digest(f"{block.digest_username}:{realm}:{block.digest_password}")
    asked = digest(f"{built.method}:{built.target}")
    said = [f'username="{user}"', f'realm="{realm}"', f'nonce="{nonce}"', f'uri="{built.target}"']
    if "auth" in fields.get("qop", "").replace(" ", "").split(","):
        answer = digest(f"{secret}:{nonce}:00000001:{cnonce}:auth:{asked}")
        said += ["qop=auth", "nc=00000001", f'cnonce="{cnonce}"']
    else:
        answer = digest(f"{secret}:{nonce}:{asked}")
    said.append(f'response="{answer}"')
    said += [f'opaque="{fields["opaque"]}"'] if "opaque" in fields else []
    said += [f"algorithm={fields['algorithm']}"] if fields.get("algorithm") else []
    others = _without(built.headers, frozenset({"authorization"}))
    return _again(built, (*others, ("Authorization", "Digest " + ", ".join(said))))

"""Sending webhooks: one POST to an address that was judged, over a connection whose certificate is verified.

A webhook's URL is a user's word, so it is met like a target: every address of its name is checked and the connection goes to
one of those (`net.gate`), https alone unless the operator allowed the place, no redirect is followed, no proxy is taken from
the environment, and of the answer only the status and a few bytes are read, within seconds.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from secrecon.model.errors import ConnectFailed, ScopeRefused, TargetTimeout
from secrecon.model.target import is_ip
from secrecon.model.webhook import HookUrl
from secrecon.net.gate import AllowList, resolve_checked
from secrecon.net.resolver import Resolver

SECONDS = 15.0
MAX_ANSWER = 1_000
MAX_WAIT = 86_400.0


@dataclass(frozen=True, slots=True)
class HookReply:
    """`retry_after`: seconds the receiver asked us to wait, 0 where it did not. `text`: the start of its answer."""

    status: int
    retry_after: float
    text: str


class HookSender:
    """`allow`: private places that webhooks may reach, by the operator's word. `ca`: authorities beside the system's."""

    def __init__(
        self, allow: Sequence[str], resolver: Resolver, ca: Path | None = None, seconds: float = SECONDS
    ) -> None:
        self._allow = AllowList(allow)
        self._resolver = resolver
        self._seconds = seconds
        self._tls = ssl.create_default_context()
        if ca is not None:
            self._tls.load_verify_locations(ca)

    async def judge(self, url: HookUrl) -> tuple[str, ...]:
        """The addresses that a delivery may go to. Raises ScopeRefused, Unresolvable or TargetTimeout."""
        addresses = await resolve_checked(url.host, self._allow, self._resolver)
        allowed = self._allow.allows_name(url.host) or all(map(self._allow.allows_address, addresses))
        if url.scheme == "http" and not allowed:
            raise ScopeRefused(
                f"a webhook to {url.host} must use https: plain http is for places that the operator lists in"
                " SECRECON_WEBHOOK_ALLOW",
                "plain-http",
            )
        return addresses

    async def post(self, url: HookUrl, headers: Mapping[str, str], body: bytes) -> HookReply:
        """Send `body`. Raises ScopeRefused, and the TargetError family where no answer came."""
        addresses = await self.judge(url)
        if not addresses:
            raise ConnectFailed(f"{url.host} has no address")
        try:
            async with asyncio.timeout(self._seconds):
                return await self._post(url, addresses[0], headers, body)
        except TimeoutError as error:
            raise TargetTimeout(f"{url.host} did not answer within {self._seconds:.0f} s", "total") from error
        except (httpx.HTTPError, ssl.SSLError) as error:
            raise ConnectFailed(f"{url.host}:{url.port}: {str(error) or type(error).__name__}") from error

    async def _post(self, url: HookUrl, address: str, headers: Mapping[str, str], body: bytes) -> HookReply:
        where = f"[{address}]" if ":" in address else address
        host = str(url)[len(url.scheme) + 3 :].partition("/")[0]
        extensions = {} if is_ip(url.host) else {"sni_hostname": url.host}
        async with (
            httpx.AsyncClient(verify=self._tls, trust_env=False, timeout=self._seconds) as client,
            client.stream(
                "POST",
                f"{url.scheme}://{where}:{url.port}{url.target}",
                headers={**headers, "Host": host, "Accept-Encoding": "identity"},
                content=body,
                extensions=extensions,
            ) as reply,
        ):
            text = b""
            async for piece in reply.aiter_raw():
                text += piece[: MAX_ANSWER - len(text)]
                if len(text) >= MAX_ANSWER:
                    break
            return HookReply(reply.status_code, _wait(reply.headers), text.decode("utf-8", "replace"))


def _wait(headers: httpx.Headers) -> float:
    """`Retry-After` in seconds (RFC 9110, 10.2.3); dates are not worth a guess at the other's clock."""
    text = headers.get("retry-after", "").strip()
    return min(float(text), MAX_WAIT) if text.isascii() and text.isdigit() and len(text) < 10 else 0.0

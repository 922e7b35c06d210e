"""Asking passive sources of names: our own well-formed traffic to services that the operator switched on, never to targets.

One GET at a time, bounded in size and time, no redirect followed (a key must not travel on). What arrives is only bytes;
what they mean is judged elsewhere. A URL may hold a key, so no error shows more of it than its host.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from urllib.parse import urlsplit

import httpx

from secrecon.model.errors import ConnectFailed, ProtocolBroken, TargetTimeout

AGENT = "SecRecon"
SECONDS = 60.0
MAX_WAIT = 15.0
TRIES = 2
PATIENT = frozenset({429, 502, 503, 504})


class PassiveFetcher:
    """Fetches one answer at a time. `seconds`: for a whole answer, the wait for a busy service included."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds

    async def fetch(self, url: str, headers: Mapping[str, str], max_bytes: int) -> bytes:
        """The body at `url`. Raises ConnectFailed, TargetTimeout, or ProtocolBroken for any status but 200."""
        host = urlsplit(url).hostname or ""
        try:
            async with asyncio.timeout(self._seconds), self._client() as client:
                for left in reversed(range(TRIES)):
                    async with client.stream("GET", url, headers=dict(headers)) as reply:
                        if reply.status_code == 200:
                            return await _body(reply, host, max_bytes)
                        wait = _wait(reply)
                        if reply.status_code not in PATIENT or not left or wait > MAX_WAIT:
                            raise ProtocolBroken(f"{host} answered {reply.status_code}")
                    await asyncio.sleep(wait)
        except TimeoutError as error:
            raise TargetTimeout(f"{host} did not answer within {self._seconds:.0f} s", "total") from error
        except httpx.TimeoutException as error:
            raise TargetTimeout(f"{host} did not answer in time", "total") from error
        except httpx.HTTPError as error:
            raise ConnectFailed(f"{host} cannot be reached: {type(error).__name__}") from error
        raise ProtocolBroken(f"{host} did not answer")

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            timeout=httpx.Timeout(self._seconds, connect=10.0),
            follow_redirects=False,
            headers={"User-Agent": AGENT, "Accept": "application/json, text/plain"},
        )


async def _body(reply: httpx.Response, host: str, max_bytes: int) -> bytes:
    body = bytearray()
    async for part in reply.aiter_bytes():
        body += part
        if len(body) > max_bytes:
            raise ProtocolBroken(f"{host} answered with more than {max_bytes} bytes")
    return bytes(body)


def _wait(reply: httpx.Response) -> float:
    told = reply.headers.get("retry-after", "")
    return float(told) if told.isascii() and told.isdigit() else 2.0

"""A client of a SecRecon server's own REST API, for commands that work against a running one.

Contacts the one address it is given, follows no redirect (a key must not travel on), takes no proxy from the environment, and
tells a problem's `detail` as the error. The key is in no message and no representation.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import TracebackType

import httpx

from secrecon.model.errors import OperatorError, UserError
from secrecon.model.record import JsonValue

SECONDS = 60.0
MOST_BYTES = 5_000_000


class Refused(UserError):
    """The server answered with a problem; the message is its `detail`."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class OwnApi:
    """`base`: such as http://127.0.0.1:8000. Use as an async context manager."""

    def __init__(self, base: str, key: str) -> None:
        self._base = base.rstrip("/")
        self._client = httpx.AsyncClient(
            headers={"X-API-Key": key}, timeout=SECONDS, follow_redirects=False, trust_env=False
        )

    async def __aenter__(self) -> OwnApi:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def get(self, path: str) -> JsonValue:
        """What `path` answers. Raises Refused for a problem, OperatorError where the server cannot be used."""
        return await self._ask("GET", path, None)

    async def post(self, path: str, body: Mapping[str, JsonValue]) -> JsonValue:
        """What `path` answers to `body`. Errors as of `get`."""
        return await self._ask("POST", path, body)

    async def _ask(self, method: str, path: str, body: Mapping[str, JsonValue] | None) -> JsonValue:
        raw = bytearray()
        try:
            async with self._client.stream(method, self._base + path, json=body) as reply:
                async for part in reply.aiter_bytes():
                    raw += part
                    if len(raw) > MOST_BYTES:
                        raise OperatorError(
                            f"{self._base} answered more than {MOST_BYTES:,} bytes: is it a SecRecon server?"
                        )
                status = reply.status_code
            answer: JsonValue = json.loads(raw)
        except httpx.HTTPError as error:
            raise OperatorError(
                f"the server at {self._base} cannot be used ({type(error).__name__}): is it running, and is the address right?"
            ) from error
        except (ValueError, RecursionError) as error:
            raise OperatorError(f"{self._base} does not answer as a SecRecon server does") from error
        if status >= 300:
            detail = answer.get("detail") if isinstance(answer, dict) else None
            raise Refused(str(detail or f"HTTP {status}")[:500], status)
        return answer

"""The lab's control door on 127.0.0.1: traps sprung, and where the callback listener's name server is.

`GET /traps`: counters. `GET /asked`: requests of each host. `GET /lab`: the description. `POST /callback-dns` with
`{"host": "127.0.0.1", "port": N}`.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from secrecon.lab.description import LabDescription
from secrecon.lab.site import read_body
from secrecon.lab.world import World
from secrecon.model.errors import BadInput

MAX_BODY = 1_000


def parse_callback_dns(host: object, port: object) -> tuple[str, int]:
    """A loopback address and port. Raises BadInput: the lab never asks anyone else."""
    if not isinstance(host, str) or not isinstance(port, int) or isinstance(port, bool) or not 0 < port < 65536:
        raise BadInput("callback DNS is an address and a port", "callback_dns")
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise BadInput("callback DNS must be a loopback address", "callback_dns")
    return host, port


class ControlApp:
    """The ASGI application of the control door."""

    def __init__(self, world: World, describe: Callable[[], LabDescription]) -> None:
        self._world = world
        self._describe = describe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        response = await self._answer(request)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        asked = (request.method, request.url.path)
        if asked == ("GET", "/traps"):
            return JSONResponse(dict(self._world.traps))
        if asked == ("GET", "/asked"):
            return JSONResponse(dict(self._world.asked))
        if asked == ("GET", "/lab"):
            return Response(self._describe().to_json(), headers={"content-type": "application/json"})
        if asked == ("POST", "/callback-dns"):
            return await self._set_callback_dns(request)
        return JSONResponse({"error": "unknown"}, 404)

    async def _set_callback_dns(self, request: Request) -> Response:
        try:
            wanted = json.loads(await read_body(request, MAX_BODY))
            if not isinstance(wanted, dict):
                raise BadInput("the body is not an object")
            self._world.names.callback_dns = parse_callback_dns(wanted.get("host"), wanted.get("port"))
        except (ValueError, BadInput) as error:
            return JSONResponse({"error": str(error)[:200]}, 400)
        return JSONResponse({"callback_dns": list(self._world.names.callback_dns)})

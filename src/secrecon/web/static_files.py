"""The style sheet and scripts of the dashboard, read once, served under a path that holds their digest.

Exactly the listed files exist, so no path can lead anywhere else. A page names them by digest and browsers keep them for
ever; after an upgrade the digest is another one.
"""

from __future__ import annotations

import hashlib
from importlib.resources import files

from fastapi import APIRouter, Request
from starlette.responses import Response

from secrecon.model.errors import NotFound

_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
_NAMES = ("app.css", "shell.js", "live.js", "ask.js", "copy.js", "mark.svg")
_FILES = {name: (files("secrecon.web") / "static" / name).read_bytes() for name in _NAMES}
DIGEST = hashlib.sha256(b"\0".join(_FILES[name] for name in _NAMES)).hexdigest()[:12]

router = APIRouter(include_in_schema=False)


def address(name: str) -> str:
    """Where a page finds a static file. An unknown name is a bug of the page and raises KeyError."""
    _FILES[name]
    return f"/static/{DIGEST}/{name}"


@router.get("/favicon.ico")
async def favicon(request: Request) -> Response:
    """The mark, for pages that name no icon of their own."""
    return await static_file(request, "", "mark.svg")


@router.get("/static/{digest}/{name}")
async def static_file(request: Request, digest: str, name: str) -> Response:
    """One of the files. An older digest gets today's file, but may not keep it."""
    if name not in _FILES:
        raise NotFound("There is no such file.")
    fresh = digest == DIGEST
    headers = {
        "Cache-Control": "public, max-age=31536000, immutable" if fresh else "no-cache",
        "ETag": f'"{DIGEST}"',
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    }
    if request.headers.get("If-None-Match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return Response(_FILES[name], headers=headers, media_type=_TYPES[name.rpartition(".")[2]])

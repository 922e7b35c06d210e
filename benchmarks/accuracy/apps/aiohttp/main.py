"""Serves its folder `public` with links followed, as projects do that keep their assets elsewhere."""

import sys
from pathlib import Path

from aiohttp import web

app = web.Application()
public = Path(__file__).parent / "public"
app.router.add_static("/static/", public, follow_symlinks=True)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]))

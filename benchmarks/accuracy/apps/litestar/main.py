"""Serves its folder `public` below /static."""

import sys
from pathlib import Path

import uvicorn
from litestar import Litestar
from litestar.static_files import create_static_files_router

public = Path(__file__).parent / "public"
app = Litestar(route_handlers=[create_static_files_router(path="/static", directories=[public])])
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]))

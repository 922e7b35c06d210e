"""A page with a map."""

import sys

from nicegui import ui


@ui.page("/")
def home() -> None:
    ui.leaflet(center=(51.5, -0.1))


ui.run(host="127.0.0.1", port=int(sys.argv[1]), show=False, reload=False)

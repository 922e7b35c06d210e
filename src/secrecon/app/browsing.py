"""Where Chromium is, and how it is opened for a scan: both it and playwright are optional."""

from __future__ import annotations

import importlib.util
import shutil
from functools import partial
from pathlib import Path

from secrecon.app.settings import Settings
from secrecon.model.errors import OperatorError
from secrecon.net.rendering import OpenBrowser

_NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


def need_browser(settings: Settings) -> OpenBrowser:
    """How a browser is opened. Raises OperatorError that says what to install."""
    if importlib.util.find_spec("playwright") is None:
        raise OperatorError("--browser needs the package playwright: pip install 'secrecon[browser]'")
    named = settings.chromium
    found = str(named) if named is not None else next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        raise OperatorError(
            "--browser needs Chromium: install it (Debian: apt install chromium) or name it in SECRECON_CHROMIUM"
        )
    if shutil.which(found) is None:
        raise OperatorError(f"SECRECON_CHROMIUM names {found}, which is no program that can be run")
    from secrecon.net.browser import open_browser  # noqa: PLC0415 - it needs playwright, which is optional

    return partial(open_browser, Path(found), sandbox=settings.chromium_sandbox)

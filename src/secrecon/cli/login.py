"""What `secrecon scan` logs in with: a file in the API's shape, and headers and cookies from the command line.

A command line is seen by everybody on the machine, so a password belongs into the file. No error repeats a value.
"""

from __future__ import annotations

from dataclasses import replace
from typing import BinaryIO

from secrecon.api.login_body import LoginBody
from secrecon.api.strict_json import read_model
from secrecon.model.errors import BadInput
from secrecon.model.login import Login

MAX_FILE = 100_000


def read_login(file: BinaryIO | None, headers: tuple[str, ...], cookies: tuple[str, ...]) -> Login | None:
    """The log-in that the options say, None where they say none. Raises BadInput."""
    if file is None and not headers and not cookies:
        return None
    login = Login()
    if file is not None:
        raw = file.read(MAX_FILE + 1)
        if len(raw) > MAX_FILE:
            raise BadInput(f"--login: the file is larger than {MAX_FILE} bytes", "login")
        login = read_model(LoginBody, raw).login()
    named = [_pair(text, ":", "--header takes 'NAME: VALUE'") for text in headers]
    kept = [_pair(text, "=", "--cookie takes NAME=VALUE") for text in cookies]
    return replace(login, headers=(*login.headers, *named), cookies=(*login.cookies, *kept))


def _pair(text: str, mark: str, usage: str) -> tuple[str, str]:
    name, found, value = text.partition(mark)
    if not found or not name.strip() or not value.strip():
        raise BadInput(usage, usage.split()[0].lstrip("-"))
    return name.strip(), value.strip()

"""`authentication` of a scan's request: strict, and no answer repeats a secret."""

from __future__ import annotations

import io
import json

import httpx
import pytest
from tests.api.conftest import Person

from secrecon.cli.login import read_login
from secrecon.model.errors import BadInput
from secrecon.model.login import FormLogin

SECRET = "rocket-skates-1949"
FORM = {"url": "/login", "fields": {"user": "wile", "password": SECRET}}


async def post(client: httpx.AsyncClient, ada: Person, authentication: object) -> httpx.Response:
    body = {"target": "https://shop.acme.test", "authentication": authentication}
    return await client.post("/api/v1/scan", json=body, headers=ada.key)


@pytest.mark.parametrize(
    "authentication",
    [
        {"form": FORM, "check_url": "/me", "check_text": "Hello"},
        {"headers": {"X-Key": SECRET}, "cookies": {"sid": SECRET}, "bearer": SECRET},
        None,
    ],
)
async def test_accepted(client: httpx.AsyncClient, ada: Person, authentication: object) -> None:
    answer = await post(client, ada, authentication)
    assert answer.status_code == 202
    assert SECRET not in answer.text


@pytest.mark.parametrize(
    "authentication",
    [
        {},
        SECRET,
        {"password": SECRET},
        {"form": {**FORM, "secret": SECRET}},
        {"form": {"url": "/login", "fields": {"password": [SECRET]}}},
        {"form": {"url": f"https://evil.test/{SECRET}", "fields": {"a": "b"}}},
        {"form": {"url": "/login", "fields": {}}},
        {"headers": {"Host": SECRET}},
        {"headers": {"X-Key": f"{SECRET}\r\nX: 1"}},
        {"bearer": ""},
        {"bearer": SECRET + "x" * 9_000},
        {"cookies": {"sid": f"{SECRET}; a=b"}},
        {"form": FORM, "check_url": "http://169.254.169.254/"},
        {"form": FORM, "hosts": ["evil.test"]},
    ],
)
async def test_refused_without_a_word_of_the_secret(
    client: httpx.AsyncClient, ada: Person, authentication: object
) -> None:
    answer = await post(client, ada, authentication)
    assert answer.status_code == 400, answer.text
    assert answer.json()["field"].startswith("authentication")
    assert SECRET not in answer.text


def test_the_command_line_reads_the_same_shape() -> None:
    file = io.BytesIO(json.dumps({"form": FORM, "bearer": "abc"}).encode())
    login = read_login(file, ("X-Key: 1: 2",), ("sid=a=b",))
    assert login is not None
    assert login.headers == (("Authorization", "Bearer abc"), ("X-Key", "1: 2"))
    assert login.cookies == (("sid", "a=b"),)
    assert login.form == FormLogin("/login", (("user", "wile"), ("password", SECRET)))
    assert read_login(None, (), ()) is None


@pytest.mark.parametrize(
    ("raw", "headers", "cookies"),
    [
        (b"{", (), ()),
        (b'{"user": "rocket-skates-1949"}', (), ()),
        (None, ("nonsense",), ()),
        (None, (), ("nonsense",)),
    ],
)
def test_what_cannot_be_read_is_told_without_it(
    raw: bytes | None, headers: tuple[str, ...], cookies: tuple[str, ...]
) -> None:
    with pytest.raises(BadInput) as caught:
        read_login(io.BytesIO(raw) if raw is not None else None, headers, cookies)
    assert SECRET not in str(caught.value)

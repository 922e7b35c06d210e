"""Puts the API on a FastAPI application: routes, errors, the shield, the OpenAPI document. Called by floor 6 and tests.

The dashboard's router may be mounted on the same application before or after; its pages get the same shield, and its
error page is what people see for paths that are not the API's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

from fastapi import FastAPI

from secrecon.api import agent, assets, findings, lists, live, scans, schedules, system, webhooks
from secrecon.api.metrics import Metrics, MetricsPolicy
from secrecon.api.openapi import Document, make_document
from secrecon.api.problem import ErrorPage, install_errors
from secrecon.api.shield import Shield
from secrecon.service.context import Context
from secrecon.service.people import session_cookie

BODY_CAP = 65_536
ROUTERS = (
    scans.router,
    agent.router,
    live.router,
    findings.router,
    lists.router,
    assets.router,
    webhooks.router,
    schedules.router,
    system.router,
)


@dataclass(frozen=True, slots=True)
class ApiOptions:
    """What a deployment chooses. `page` answers errors on paths that are not the API's; None answers them in JSON."""

    metrics: MetricsPolicy = field(default_factory=MetricsPolicy)
    body_cap: int = BODY_CAP
    page: ErrorPage | None = None


def install_api(app: FastAPI, ctx: Context, options: ApiOptions) -> None:
    """Mount every route of the API on `app`, with its errors, security headers and document."""
    app.state.secrecon = ctx
    app.state.metrics = Metrics()
    app.state.metrics_policy = options.metrics
    for router in ROUTERS:
        app.include_router(router)
    install_errors(app, options.page, [route for router in ROUTERS for route in router.routes])
    app.add_middleware(
        Shield,
        body_cap=options.body_cap,
        https=ctx.policy.base_url.startswith("https://"),
        counter=app.state.metrics,
        clock=ctx.clock,
        page=options.page,
    )

    @cache
    def document() -> Document:
        return make_document(app, base_url=ctx.policy.base_url, session_cookie=session_cookie(ctx))

    app.openapi = document  # type: ignore[method-assign]


def create_app(ctx: Context, options: ApiOptions | None = None) -> FastAPI:
    """An application that is the API alone."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    install_api(app, ctx, options or ApiOptions())
    return app

"""Puts the dashboard on an application: one router for all pages, and the page that errors are shown with.

Usage, by the composition root: `install_api(app, ctx, ApiOptions(page=error_page))`, then `install_web(app, ctx)`. The
API's error handlers turn house errors into problems; `error_page` shows them to people. Without them errors would
surface as plain 500s.
"""

from __future__ import annotations

from fastapi import APIRouter, Depends, FastAPI, Request

from secrecon.service.context import Context
from secrecon.web import (
    asking,
    assets,
    deciding,
    integrations,
    inventory,
    reading,
    scanning,
    schedules,
    settings,
    signing,
    static_files,
)
from secrecon.web.access import Desk
from secrecon.web.grades import Grades
from secrecon.web.pages import error_page

__all__ = ["create_web", "error_page", "install_web"]


def create_web(ctx: Context) -> APIRouter:
    """Every page of the dashboard, and its static files."""
    desk = Desk(ctx, Grades())

    def place(request: Request) -> None:
        request.state.desk = desk

    router = APIRouter(include_in_schema=False, dependencies=[Depends(place)])
    parts = (
        static_files,
        signing,
        scanning,
        reading,
        deciding,
        asking,
        inventory,
        assets,
        integrations,
        schedules,
        settings,
    )
    for part in parts:
        router.include_router(part.router)
    return router


def install_web(app: FastAPI, ctx: Context) -> None:
    """Mount the dashboard on `app`, beside the API."""
    app.include_router(create_web(ctx))

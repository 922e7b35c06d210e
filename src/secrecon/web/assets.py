"""The assets pages: the list with its filters, one asset with its notes, what changed, and the surface.

Every filter is in the address, so that a page can be shared and reloaded; what a filter cannot be is ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from secrecon.model.asset import AssetType
from secrecon.model.errors import BadInput
from secrecon.model.inventory import AssetFilter, ChangeKind, Criticality
from secrecon.service.asset_export import FORMATS, export
from secrecon.service.inventory import (
    NO_ASSET,
    count_assets,
    known_targets,
    list_assets,
    list_changes,
    note_asset,
    read_asset,
)
from secrecon.service.listing import read_id
from secrecon.service.surface import read_surface
from secrecon.web.access import CheckedForm, Desk, Here, SignedIn, Visitor
from secrecon.web.pages import go, show
from secrecon.web.surface_picture import WIDTH, draw, grow, more_words

router = APIRouter()
SHOWN = 50
NODES = 70
"""How many nodes the picture and its tree show: what one can still read."""
MAX_WORDS = 200
Cursor = Annotated[str | None, Query(max_length=100)]


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the reader wants to see, as the address says it."""

    wanted: AssetFilter

    @property
    def query(self) -> str:
        """The filter as a query, without what is not set."""
        wanted = self.wanted
        values = {
            "type": wanted.type or "",
            "q": wanted.text,
            "tag": wanted.tag,
            "owner": wanted.owner,
            "criticality": wanted.criticality or "",
            "gone": "" if wanted.gone is None else str(wanted.gone).lower(),
            "target": wanted.target,
        }
        return urlencode({name: value for name, value in values.items() if value})

    @property
    def is_set(self) -> bool:
        """Whether anything beside the type is chosen."""
        return replace(self.wanted, type=None) != AssetFilter()

    def of_type(self, type_: AssetType | None) -> str:
        """The same filter for another type, as an address."""
        query = Chosen(replace(self.wanted, type=type_)).query
        return f"/assets?{query}" if query else "/assets"


def read_chosen(query: Mapping[str, str]) -> Chosen:
    """The filter of a query; what it cannot be is ignored."""

    def words(name: str, most: int = MAX_WORDS) -> str:
        return query.get(name, "").strip()[:most]

    type_, level, gone = words("type"), words("criticality"), words("gone")
    return Chosen(
        AssetFilter(
            type=AssetType(type_) if type_ in tuple(AssetType) else None,
            text=words("q"),
            tag=words("tag").lower(),
            owner=words("owner"),
            criticality=Criticality(level) if level in tuple(Criticality) else None,
            gone={"true": True, "false": False}.get(gone),
            target=words("target", 2_048),
        )
    )


@router.get("/assets")
async def assets_page(request: Request, desk: Here, visitor: SignedIn, cursor: Cursor = None) -> Response:
    """What the scans saw, newest first, as far as the filter leaves it."""
    chosen = read_chosen(request.query_params)
    listing = await list_assets(desk.ctx, visitor.caller, chosen.wanted, cursor, SHOWN)
    counts = await count_assets(desk.ctx, visitor.caller, replace(chosen.wanted, type=None))
    return show(
        "assets.html.j2",
        request,
        visitor,
        listing=listing,
        chosen=chosen,
        wanted=chosen.wanted,
        counts=counts,
        types=list(AssetType),
        levels=list(Criticality),
        targets=await known_targets(desk.ctx, visitor.caller),
        first=cursor is None,
        tab="list",
    )


@router.get("/assets/export")
async def export_page(request: Request, desk: Here, visitor: SignedIn) -> Response:
    """What the filter leaves, as a file."""
    format_ = request.query_params.get("format", "csv")
    if format_ not in FORMATS:
        raise BadInput(f"format must be one of {', '.join(FORMATS)}", "format")
    wanted = read_chosen(request.query_params).wanted
    headers = {"Content-Disposition": f'attachment; filename="assets.{format_}"', "Cache-Control": "no-store"}
    parts = export(desk.ctx, visitor.caller, format_, wanted)
    return StreamingResponse(parts, media_type=FORMATS[format_], headers=headers)


@router.get("/assets/changes")
async def changes_page(request: Request, desk: Here, visitor: SignedIn, cursor: Cursor = None) -> Response:
    """What became of the assets from scan to scan."""
    kind = request.query_params.get("kind", "")
    kind = kind if kind in tuple(ChangeKind) else ""
    target = request.query_params.get("target", "").strip()[:2_048]
    listing = await list_changes(
        desk.ctx, visitor.caller, cursor, SHOWN, target=target, kind=ChangeKind(kind) if kind else None
    )
    return show(
        "asset_changes.html.j2",
        request,
        visitor,
        listing=listing,
        kinds=list(ChangeKind),
        kind=kind,
        target=target,
        targets=await known_targets(desk.ctx, visitor.caller),
        query=urlencode({name: value for name, value in (("kind", kind), ("target", target)) if value}),
        first=cursor is None,
        tab="changes",
    )


@router.get("/assets/surface")
async def surface_page(request: Request, desk: Here, visitor: SignedIn) -> Response:
    """The surface as a picture, and the same as a tree."""
    target = request.query_params.get("target", "").strip()[:2_048]
    root = request.query_params.get("root", "").strip()[:2_048]
    surface = await read_surface(desk.ctx, visitor.caller, target=target, root=root, limit=NODES)
    return show(
        "asset_surface.html.j2",
        request,
        visitor,
        surface=surface,
        picture=draw(surface),
        box_width=WIDTH,
        tree=grow(surface),
        more=more_words,
        target=target,
        root=root,
        targets=await known_targets(desk.ctx, visitor.caller),
        tab="surface",
    )


@router.get("/assets/{asset_id}")
async def asset_page(request: Request, desk: Here, visitor: SignedIn, asset_id: str) -> Response:
    """One asset: what is known of it, what became of it, and what people note."""
    return await _asset(request, desk, visitor, asset_id)


@router.post("/assets/{asset_id}")
async def note_page(request: Request, desk: Here, visitor: SignedIn, asset_id: str, form: CheckedForm) -> Response:
    """Notes from the form of the page above."""
    try:
        await note_asset(
            desk.ctx,
            visitor.caller,
            _id(asset_id),
            tags=form.get("tags", "").replace(",", " ").split(),
            owner=form.get("owner", ""),
            criticality=form.get("criticality", ""),
        )
    except BadInput as error:
        return await _asset(request, desk, visitor, asset_id, error=str(error), form=form)
    return go(f"/assets/{_id(asset_id)}")


def _id(text: str) -> int:
    return read_id(text, NO_ASSET)


async def _asset(
    request: Request,
    desk: Desk,
    visitor: Visitor,
    asset_id: str,
    *,
    error: str = "",
    form: Mapping[str, str] | None = None,
) -> Response:
    asset = await read_asset(desk.ctx, visitor.caller, _id(asset_id))
    changes = await list_changes(desk.ctx, visitor.caller, None, SHOWN, asset_id=asset.id)
    noted = form or {
        "tags": ", ".join(asset.tags),
        "owner": asset.owner,
        "criticality": asset.criticality or "",
    }
    return show(
        "asset.html.j2",
        request,
        visitor,
        400 if error else 200,
        asset=asset,
        changes=changes,
        levels=list(Criticality),
        noted={name: noted.get(name, "")[:1_000] for name in ("tags", "owner", "criticality")},
        error=error,
    )

"""The inventory over HTTP: the list with its filters, notes, exports, the change feed and the surface graph.

Each way of reading exists twice, for keys below `/api/v1/` and for the dashboard's session; changing a note takes a key
here and a form there. Parse, call the service, shape the answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi import Path as PathParameter
from pydantic import WithJsonSchema
from starlette.convertors import Convertor, register_url_convertor
from starlette.responses import StreamingResponse

from secrecon.accounts.caller import Caller
from secrecon.api import answer, shapes
from secrecon.api.access import Ctx, KeyCaller, SessionCaller
from secrecon.api.lists import Cursor, Limit, read_limit
from secrecon.api.openapi import KEY, SESSION, problems
from secrecon.api.strict_json import read_model
from secrecon.model.asset import AssetType
from secrecon.model.errors import BadInput
from secrecon.model.inventory import AssetFilter, ChangeKind, Criticality
from secrecon.service.asset_export import FORMATS, export
from secrecon.service.context import Context
from secrecon.service.inventory import (
    list_assets,
    list_changes,
    note_asset,
    read_criticality,
)
from secrecon.service.listing import DEFAULT_LIMIT
from secrecon.service.surface import DEFAULT_NODES, MAX_NODES, read_surface


class Digits(Convertor[str]):
    """A path part that can be an id; other words, such as `changes`, are other paths and take their own methods."""

    regex = "[0-9]{1,18}"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("digits", Digits())
router = APIRouter(tags=["assets"])

TYPES = tuple(kind.value for kind in AssetType)
KINDS = tuple(kind.value for kind in ChangeKind)
LEVELS = tuple(level.value for level in Criticality)
MAX_TEXT = 200
_TEXT = {"type": "string", "maxLength": MAX_TEXT}
_TARGET = {"type": "string", "maxLength": 2048}

Type = Annotated[str | None, Query(description="Only assets of this type"), WithJsonSchema({"enum": list(TYPES)})]
Words = Annotated[str, Query(description="Only where value or details hold this text"), WithJsonSchema(_TEXT)]
Tag = Annotated[str, Query(description="Only with this tag"), WithJsonSchema(_TEXT)]
Owner = Annotated[str, Query(description="Only of this owner, in any case"), WithJsonSchema(_TEXT)]
Level = Annotated[
    str, Query(description="Only of this criticality"), WithJsonSchema({"type": "string", "enum": list(LEVELS)})
]
Gone = Annotated[
    str | None,
    Query(description="true: only what is gone; false: only what is not"),
    WithJsonSchema({"enum": ["true", "false"]}),
]
OfTarget = Annotated[str, Query(description="Only of this target, as its scans name it"), WithJsonSchema(_TARGET)]
Format = Annotated[
    str, Query(description="The document's format"), WithJsonSchema({"type": "string", "enum": list(FORMATS)})
]
Kind = Annotated[str | None, Query(description="Only changes of this kind"), WithJsonSchema({"enum": list(KINDS)})]
OfScan = Annotated[str, Query(description="Only what this scan found out"), WithJsonSchema(_TEXT)]
Root = Annotated[
    str, Query(description="Only this asset (its value) and what is below it"), WithJsonSchema(_TARGET)
]
Nodes = Annotated[
    str,
    Query(description="How many nodes the graph may have"),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": MAX_NODES, "default": DEFAULT_NODES}),
]
AssetId = Annotated[
    str,
    PathParameter(description="The id of an asset, as the list has it"),
    WithJsonSchema({"type": "integer", "minimum": 1, "maximum": shapes.MAX_ID, "example": 4}),
]
NOTES: dict[str, object] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": shapes.AssetNotes.model_json_schema(),
                "example": {"tags": ["shop", "pci"], "owner": "web team", "criticality": "high"},
            }
        },
    }
}
EXPORTED: dict[int | str, dict[str, object]] = {
    200: {
        "description": "Every asset that the filter leaves, newest first",
        "content": {
            "text/csv": {"schema": {"type": "string"}},
            "application/json": {"schema": {"type": "array", "items": {"type": "object"}}},
        },
    }
}


def read_type(text: str | None) -> AssetType | None:
    """The asset type asked for."""
    if text is None:
        return None
    if text not in TYPES:
        raise BadInput(f"type must be one of {', '.join(TYPES)}", "type")
    return AssetType(text)


def read_kind(text: str | None) -> ChangeKind | None:
    """The kind of change asked for."""
    if text is None:
        return None
    if text not in KINDS:
        raise BadInput(f"kind must be one of {', '.join(KINDS)}", "kind")
    return ChangeKind(text)


def _bounded(name: str, text: str, most: int = MAX_TEXT) -> str:
    if len(text) > most:
        raise BadInput(f"{name} is longer than {most} characters", name)
    return text.strip()


def read_filter(
    type_: str | None, q: str, tag: str, owner: str, criticality: str, gone: str | None, target: str
) -> AssetFilter:
    """The filter of a query. Raises BadInput naming the field."""
    if gone not in (None, "true", "false"):
        raise BadInput("gone must be true or false", "gone")
    return AssetFilter(
        type=read_type(type_),
        text=_bounded("q", q),
        tag=_bounded("tag", tag).lower(),
        owner=_bounded("owner", owner),
        criticality=read_criticality(criticality),
        gone=None if gone is None else gone == "true",
        target=_bounded("target", target, 2_048),
    )


@router.get(
    "/api/assets",
    response_model=shapes.Page[shapes.AssetLine],
    responses=problems(400, 401),
    openapi_extra=SESSION,
    operation_id="listAssetsBySession",
    summary="Assets of the account (dashboard)",
)
async def assets_by_session(
    ctx: Ctx,
    caller: SessionCaller,
    type: Type = None,  # noqa: A002
    q: Words = "",
    tag: Tag = "",
    owner: Owner = "",
    criticality: Level = "",
    gone: Gone = None,
    target: OfTarget = "",
    cursor: Cursor = None,
    limit: Limit = str(DEFAULT_LIMIT),
) -> shapes.Page[shapes.AssetLine]:
    """Everything discovered across all scans."""
    wanted = read_filter(type, q, tag, owner, criticality, gone, target)
    return await _assets(ctx, caller, wanted, cursor, limit)


@router.get(
    "/api/v1/assets",
    response_model=shapes.Page[shapes.AssetLine],
    responses=problems(400, 401, 403, 429),
    openapi_extra=KEY,
    operation_id="listAssets",
    summary="Assets of the account",
)
async def assets_by_key(
    ctx: Ctx,
    caller: KeyCaller,
    type: Type = None,  # noqa: A002
    q: Words = "",
    tag: Tag = "",
    owner: Owner = "",
    criticality: Level = "",
    gone: Gone = None,
    target: OfTarget = "",
    cursor: Cursor = None,
    limit: Limit = str(DEFAULT_LIMIT),
) -> shapes.Page[shapes.AssetLine]:
    """Everything discovered across all scans: domains, subdomains, addresses, services, technologies, certificates,
    sensitive paths; newest first. Every filter given must hold."""
    wanted = read_filter(type, q, tag, owner, criticality, gone, target)
    return await _assets(ctx, caller, wanted, cursor, limit)


async def _assets(
    ctx: Context, caller: Caller, wanted: AssetFilter, cursor: str | None, limit: str
) -> shapes.Page[shapes.AssetLine]:
    return answer.page(await list_assets(ctx, caller, wanted, cursor, read_limit(limit)), answer.asset_line)


@router.get(
    "/api/v1/assets/export",
    response_class=StreamingResponse,
    responses={**EXPORTED, **problems(400, 401, 403, 429)},
    openapi_extra=KEY,
    operation_id="exportAssets",
    summary="Assets as CSV or JSON",
)
async def export_(
    ctx: Ctx,
    caller: KeyCaller,
    format: Format = "json",  # noqa: A002
    type: Type = None,  # noqa: A002
    q: Words = "",
    tag: Tag = "",
    owner: Owner = "",
    criticality: Level = "",
    gone: Gone = None,
    target: OfTarget = "",
) -> StreamingResponse:
    """The whole list in one document, sent as it is read. No cell of the CSV is a formula to a spreadsheet."""
    return send_export(ctx, caller, format, read_filter(type, q, tag, owner, criticality, gone, target))


def send_export(ctx: Context, caller: Caller, format_: str, wanted: AssetFilter) -> StreamingResponse:
    """The export as a download. Raises BadInput for a format that there is none of."""
    if format_ not in FORMATS:
        raise BadInput(f"format must be one of {', '.join(FORMATS)}", "format")
    made = FORMATS[format_]
    headers = {"Content-Disposition": f'attachment; filename="assets.{format_}"', "Cache-Control": "no-store"}
    parts: AsyncIterator[bytes] = export(ctx, caller, format_, wanted)
    return StreamingResponse(parts, media_type=made, headers=headers)


@router.get(
    "/api/v1/assets/changes",
    response_model=shapes.Page[shapes.AssetChangeLine],
    responses=problems(400, 401, 403, 429),
    openapi_extra=KEY,
    operation_id="listAssetChanges",
    summary="What changed between scans",
)
async def changes(
    ctx: Ctx,
    caller: KeyCaller,
    kind: Kind = None,
    target: OfTarget = "",
    scan_id: OfScan = "",
    cursor: Cursor = None,
    limit: Limit = str(DEFAULT_LIMIT),
) -> shapes.Page[shapes.AssetChangeLine]:
    """What appeared, changed or is gone between the scans of a target, newest first. `gone` means that the check that saw
    an asset before ran to its end again and did not see it; where it did not, the asset was not looked at again. The first
    scan of a target is what later ones are compared with, and has no changes."""
    found = await list_changes(
        ctx,
        caller,
        cursor,
        read_limit(limit),
        target=_bounded("target", target, 2_048),
        scan_id=_bounded("scan_id", scan_id),
        kind=read_kind(kind),
    )
    return answer.page(found, answer.asset_change_line)


@router.get(
    "/api/v1/assets/graph",
    response_model=shapes.SurfaceAnswer,
    responses=problems(400, 401, 403, 429),
    openapi_extra=KEY,
    operation_id="assetGraph",
    summary="The surface as a graph",
)
async def graph(
    ctx: Ctx,
    caller: KeyCaller,
    target: OfTarget = "",
    root: Root = "",
    limit: Nodes = str(DEFAULT_NODES),
) -> shapes.SurfaceAnswer:
    """Domains, names, addresses, services and open findings, each below what it belongs to. Of a node's children the worst
    come first; what is not shown is counted in `hidden`. Ask again with `root` to see more below one asset."""
    if not limit.isascii() or not limit.isdigit() or len(limit) > 6:
        raise BadInput(f"limit must be between 1 and {MAX_NODES}", "limit")
    found = await read_surface(
        ctx,
        caller,
        target=_bounded("target", target, 2_048),
        root=_bounded("root", root, 2_048),
        limit=int(limit),
    )
    return answer.surface(found)


@router.patch(
    "/api/v1/assets/{asset_id:digits}",
    response_model=shapes.AssetLine,
    responses=problems(400, 401, 403, 404, 413, 429),
    openapi_extra={**KEY, **NOTES},
    operation_id="noteAsset",
    summary="Note tags, owner and criticality of an asset",
)
async def note(request: Request, ctx: Ctx, caller: KeyCaller, asset_id: AssetId) -> shapes.AssetLine:
    """Changes the notes that are given; an empty list or text takes a note away. No scan touches them. An asset of another
    account is 404, as one that does not exist."""
    body = read_model(shapes.AssetNotes, await request.body())
    changed = await note_asset(
        ctx, caller, int(asset_id), tags=body.tags, owner=body.owner, criticality=body.criticality
    )
    return answer.asset_line(changed)

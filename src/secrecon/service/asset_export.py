"""The inventory as one document, CSV (RFC 4180) or JSON, written as it is read: memory does not grow with the account.

A cell that a spreadsheet could take for a formula is made inert the way the report's CSV does it.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime

from secrecon.accounts.caller import Caller
from secrecon.model.inventory import AssetFilter
from secrecon.report.table import inert
from secrecon.service.answers import AssetRecord
from secrecon.service.context import Context
from secrecon.service.inventory import every_asset

FORMATS: Mapping[str, str] = {"csv": "text/csv; charset=utf-8", "json": "application/json"}
COLUMNS = (
    "id",
    "type",
    "value",
    "sources",
    "parents",
    "first_seen",
    "last_seen",
    "gone_since",
    "scan_id",
    "last_scan_id",
    "owner",
    "criticality",
    "tags",
    "detail",
)
_PART = 200


def export(ctx: Context, caller: Caller, format_: str, wanted: AssetFilter) -> AsyncIterator[bytes]:
    """The document in parts. `format_`: a key of FORMATS."""
    return _csv(ctx, caller, wanted) if format_ == "csv" else _json(ctx, caller, wanted)


def fields(asset: AssetRecord) -> dict[str, object]:
    """An asset as the JSON export has it; times are ISO 8601, UTC."""
    return {
        "id": asset.id,
        "type": asset.type.value,
        "value": asset.value,
        "sources": list(asset.sources),
        "parents": list(asset.parents),
        "first_seen": _iso(asset.first_seen),
        "last_seen": _iso(asset.last_seen),
        "gone_since": None if asset.gone is None else _iso(asset.gone),
        "scan_id": asset.scan_id,
        "last_scan_id": asset.last_scan_id,
        "owner": asset.owner,
        "criticality": asset.criticality.value if asset.criticality else "",
        "tags": list(asset.tags),
        "detail": dict(asset.detail),
    }


async def _csv(ctx: Context, caller: Caller, wanted: AssetFilter) -> AsyncIterator[bytes]:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n", quoting=csv.QUOTE_MINIMAL)
    writer.writerow(COLUMNS)
    yield b"\xef\xbb\xbf"
    count = 0
    async for asset in every_asset(ctx, caller, wanted):
        writer.writerow([_cell(value) for value in fields(asset).values()])
        count += 1
        if count % _PART == 0:
            yield _taken(text)
    yield _taken(text)


async def _json(ctx: Context, caller: Caller, wanted: AssetFilter) -> AsyncIterator[bytes]:
    text = io.StringIO()
    text.write("[")
    count = 0
    async for asset in every_asset(ctx, caller, wanted):
        text.write(",\n" if count else "\n")
        text.write(json.dumps(fields(asset)))
        count += 1
        if count % _PART == 0:
            yield _taken(text)
    text.write("\n]\n")
    yield _taken(text)


def _taken(text: io.StringIO) -> bytes:
    part = text.getvalue().encode("utf-8", "replace")
    text.seek(0)
    text.truncate()
    return part


def _cell(value: object) -> str:
    if isinstance(value, list):
        return inert(" ".join(str(item) for item in value))
    if isinstance(value, dict):
        return inert("; ".join(f"{name}: {item}" for name, item in value.items()))
    return "" if value is None else inert(str(value))


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

"""Signed bundles: a finished scan's report with evidence, manifest and event log, signed with the key of this installation.

The key pair comes from the installation's secret (`accounts.vault`), so it is made with that on first use and the same on every
node that shares it. A bundle names who asked for the scan and who allowed it, so it is for the account alone, never by link.
"""

from __future__ import annotations

import asyncio

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from secrecon import report
from secrecon.accounts.audit import Action
from secrecon.accounts.caller import Caller
from secrecon.model.errors import Conflict, Forbidden, NotFound
from secrecon.model.record import ScanRecord
from secrecon.report.bundle import Permission, Signer, make_bundle, moment, name_of
from secrecon.service.context import Context
from secrecon.service.reports import NO_REPORT, read_record
from secrecon.store import audit, events, scans
from secrecon.store.database import Reading

PURPOSE = "signing of bundles (Ed25519)"
OURS_ALONE = (
    "A signed bundle names who asked for the scan and who allowed it, so it needs a key or a session of its account. The report "
    "itself can be read in the other formats."
)
NOT_ENDED = "The scan has not ended yet: a bundle proves what a finished scan came to. Poll its status first."


def signer_of(ctx: Context) -> Signer:
    """The key of this installation."""
    key = Ed25519PrivateKey.from_private_bytes(ctx.vault.subkey(PURPOSE))
    return Signer(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw), key.sign)


def public_key(ctx: Context) -> str:
    """What `secrecon verify --key` takes: the public key of this installation, hex."""
    return signer_of(ctx).public.hex()


async def read_bundle(ctx: Context, db_scan_id: int, caller: Caller | None, client: str) -> tuple[bytes, str]:
    """A finished scan's bundle and its file name. Raises NotFound as for reports, Forbidden for whoever reads by link, and
    Conflict for a scan that still runs."""
    record = await read_record(ctx, db_scan_id, caller, client)
    async with ctx.db.reading() as tx:
        scan = await scans.by_db_id(tx, db_scan_id)
        if scan is None:
            raise NotFound(NO_REPORT)
        if caller is None or caller.account_id != scan.account_id:
            raise Forbidden(OURS_ALONE)
        if not record.status.is_final:
            raise Conflict(NOT_ENDED)
        chained = await events.chained(tx, scan.scan_id)
        permission = await _permission(tx, scan.account_id, record)
    made = await asyncio.to_thread(report.build, record)
    content = await asyncio.to_thread(make_bundle, record, made, chained, permission, signer_of(ctx))
    return content, name_of(made)


async def _permission(tx: Reading, account_id: int, record: ScanRecord) -> Permission:
    asked = await audit.about(tx, account_id, Action.SCAN_SUBMITTED.value, record.spec.scan_id)
    return Permission(
        submitted_by="" if asked is None else asked.actor,
        submitted_at="" if asked is None else moment(asked.at),
        authorized_by=record.spec.authorized_by,
    )

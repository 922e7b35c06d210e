"""What is worth remembering for ever: sign-ins, keys, authorizations, scans, changes of plan. Never a secret.

Record last in a transaction: the log's end is held until the transaction ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from secrecon.accounts.caller import Caller
from secrecon.model.record import JsonValue
from secrecon.net.clock import Clock
from secrecon.store import audit
from secrecon.store.database import Transaction


class Action(StrEnum):
    """Everything that is audited."""

    USER_ADDED = "user.added"
    SIGNED_IN = "user.signed-in"
    SIGN_IN_FAILED = "user.sign-in-failed"
    SIGNED_OUT = "user.signed-out"
    KEY_CREATED = "key.created"
    KEY_REVOKED = "key.revoked"
    TARGET_AUTHORIZED = "target.authorized"
    TARGET_REVOKED = "target.revoked"
    SCAN_SUBMITTED = "scan.submitted"
    SCAN_CANCELLED = "scan.cancelled"
    FINDING_DECIDED = "finding.decided"
    ASSET_NOTED = "asset.noted"
    SCHEDULE_CREATED = "schedule.created"
    SCHEDULE_CHANGED = "schedule.changed"
    SCHEDULE_REMOVED = "schedule.removed"
    WEBHOOK_CREATED = "webhook.created"
    WEBHOOK_CHANGED = "webhook.changed"
    WEBHOOK_ROTATED = "webhook.rotated"
    WEBHOOK_REMOVED = "webhook.removed"
    PLAN_CHANGED = "plan.changed"
    REPORTS_NEED_KEY_CHANGED = "reports-need-key.changed"


async def record(
    tx: Transaction,
    clock: Clock,
    caller: Caller | None,
    action: Action,
    subject: str,
    detail: Mapping[str, JsonValue] | None = None,
) -> None:
    """Append a line: `caller` (None: nobody signed in, or the system itself) did `action` to `subject`."""
    await audit.append(
        tx,
        actor="system" if caller is None else f"{caller.via}:{caller.email}",
        action=action.value,
        subject=subject,
        at=clock.now(),
        account_id=None if caller is None else caller.account_id,
        detail=detail,
    )

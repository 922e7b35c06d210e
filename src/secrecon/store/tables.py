"""The tables, in SQLAlchemy Core. One shape for SQLite and PostgreSQL.

Times are seconds since the epoch. Nouns are JSON text written by `model.codec`. Text that a target chose is never part
of a unique index itself (PostgreSQL bounds an index row): its sha256 is. Plans are settings, not a table.
A change here needs a migration; a test holds the two against each other.
"""

from __future__ import annotations

import hashlib

import sqlalchemy as sa

METADATA = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_TIME: sa.Double[float] = sa.Double()
_DIGEST = sa.String(64)


class SafeText(sa.types.TypeDecorator[str]):
    """Text with what no database can hold replaced on the way in: NUL by U+FFFD, half a surrogate pair by "?"."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        return None if value is None else clean(value)


def clean(text: str) -> str:
    """`text` as any database can hold it."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def digest(*parts: str) -> str:
    """sha256 hex over `parts`: the fixed-size stand-in for hostile text in a unique index."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def storable(number: int) -> int:
    """`number` where a column can hold it, else -1, which no row has: for numbers that a caller made up."""
    return number if 0 <= number < 2**63 else -1


def _id() -> sa.Column[int]:
    return sa.Column("id", _ID, primary_key=True, autoincrement=True)


def _account() -> sa.Column[int]:
    return sa.Column("account_id", _ID, sa.ForeignKey("account.id"), nullable=False)


def _scan() -> sa.Column[str]:
    return sa.Column("scan_id", sa.String(32), sa.ForeignKey("scan.scan_id", ondelete="CASCADE"), nullable=False)


account = sa.Table(
    "account",
    METADATA,
    _id(),
    sa.Column("plan", sa.String(64), nullable=False),
    sa.Column("reports_need_key", sa.Boolean, nullable=False),
    sa.Column("created", _TIME, nullable=False),
)

user = sa.Table(
    "user",
    METADATA,
    _id(),
    _account(),
    sa.Column("email", sa.String(320), nullable=False, unique=True),
    sa.Column("password_hash", sa.String(255), nullable=False),
    sa.Column("is_admin", sa.Boolean, nullable=False),
    sa.Column("created", _TIME, nullable=False),
    sa.Column("disabled", _TIME),
)

session = sa.Table(
    "session",
    METADATA,
    sa.Column("token_hash", _DIGEST, primary_key=True),
    sa.Column("user_id", _ID, sa.ForeignKey("user.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("csrf", sa.String(64), nullable=False),
    sa.Column("created", _TIME, nullable=False),
    sa.Column("last_seen", _TIME, nullable=False),
    sa.Column("expires", _TIME, nullable=False, index=True),
)

api_key = sa.Table(
    "api_key",
    METADATA,
    _id(),
    _account(),
    sa.Column("user_id", _ID, sa.ForeignKey("user.id"), nullable=False),
    sa.Column("key_hash", _DIGEST, nullable=False, unique=True),
    sa.Column("name", SafeText, nullable=False),
    sa.Column("prefix", sa.String(16), nullable=False),
    sa.Column("created", _TIME, nullable=False),
    sa.Column("expires", _TIME),
    sa.Column("last_used", _TIME),
    sa.Column("revoked", _TIME),
    sa.Index("ix_api_key_account_id", "account_id"),
)

credit_usage = sa.Table(
    "credit_usage",
    METADATA,
    sa.Column("account_id", _ID, sa.ForeignKey("account.id"), primary_key=True, autoincrement=False),
    sa.Column("month", sa.String(7), primary_key=True),
    sa.Column("used", sa.Integer, nullable=False),
)

credit_ledger = sa.Table(
    "credit_ledger",
    METADATA,
    sa.Column("scan_id", sa.String(32), primary_key=True),
    _account(),
    sa.Column("month", sa.String(7), nullable=False),
    sa.Column("taken", _TIME, nullable=False),
    sa.Column("refunded", _TIME),
)

authorized_target = sa.Table(
    "authorized_target",
    METADATA,
    _id(),
    _account(),
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("proof", sa.String(16), nullable=False),
    sa.Column("authorized_by", SafeText, nullable=False),
    sa.Column("created", _TIME, nullable=False),
    sa.Column("not_before", _TIME),
    sa.Column("not_after", _TIME),
    sa.Column("revoked", _TIME),
    sa.Index("ix_authorized_target_account_id_host", "account_id", "host"),
)

audit_log = sa.Table(
    "audit_log",
    METADATA,
    sa.Column("seq", _ID, primary_key=True, autoincrement=False),
    sa.Column("account_id", _ID),
    sa.Column("at", _TIME, nullable=False),
    sa.Column("actor", SafeText, nullable=False),
    sa.Column("action", sa.String(64), nullable=False),
    sa.Column("subject", SafeText, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("previous", _DIGEST, nullable=False),
    sa.Column("digest", _DIGEST, nullable=False),
    sa.Index("ix_audit_log_account_id_seq", "account_id", "seq"),
)

idempotency = sa.Table(
    "idempotency",
    METADATA,
    sa.Column("account_id", _ID, sa.ForeignKey("account.id"), primary_key=True, autoincrement=False),
    sa.Column("key_digest", _DIGEST, primary_key=True),
    sa.Column("body_digest", _DIGEST, nullable=False),
    sa.Column("answer", sa.Text, nullable=False),
    sa.Column("created", _TIME, nullable=False, index=True),
)

throttle = sa.Table(
    "throttle",
    METADATA,
    sa.Column("bucket", sa.String(32), primary_key=True),
    sa.Column("key_digest", _DIGEST, primary_key=True),
    sa.Column("hits", sa.Integer, nullable=False),
    sa.Column("until", _TIME, nullable=False, index=True),
)

scan = sa.Table(
    "scan",
    METADATA,
    _id(),
    sa.Column("scan_id", sa.String(32), nullable=False, unique=True),
    sa.Column("db_scan_id", sa.BigInteger, nullable=False, unique=True),
    _account(),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("mode", sa.String(16), nullable=False),
    sa.Column("spec", sa.Text, nullable=False),
    sa.Column("engine", sa.Text, nullable=False),
    sa.Column("via_api", sa.Boolean, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("phase", sa.String(16)),
    sa.Column("percent", sa.Integer, nullable=False),
    sa.Column("message", SafeText, nullable=False),
    sa.Column("cancel_requested", _TIME),
    sa.Column("cancelled", sa.Boolean, nullable=False),
    sa.Column("error", SafeText, nullable=False),
    sa.Column("not_run", sa.Text, nullable=False),
    sa.Column("created", _TIME, nullable=False),
    sa.Column("started", _TIME),
    sa.Column("finished", _TIME),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("requests", sa.BigInteger, nullable=False),
    sa.Column("received", sa.BigInteger, nullable=False),
    sa.Column("self_test", sa.Text),
    sa.Column("last_seq", sa.Integer, nullable=False),
    sa.Column("archived", _TIME),
    sa.Column("pinned", sa.Boolean, nullable=False),
    sa.Column("retest_of", _ID),
    sa.Index("ix_scan_retest_of", "retest_of"),
    sa.Index("ix_scan_account_id_id", "account_id", "id"),
    sa.Index("ix_scan_status", "status"),
)

scan_chunk = sa.Table(
    "scan_chunk",
    METADATA,
    _id(),
    _scan(),
    sa.Column("step", sa.String(64), nullable=False),
    sa.Column("round", sa.Integer, nullable=False),
    sa.Column("phase", sa.String(16), nullable=False),
    sa.Column("more", sa.Boolean, nullable=False),
    sa.Column("requests", sa.BigInteger, nullable=False),
    sa.Column("received", sa.BigInteger, nullable=False),
    sa.Column("at", _TIME, nullable=False),
    sa.UniqueConstraint("scan_id", "step", "round"),
)

scan_fact = sa.Table(
    "scan_fact",
    METADATA,
    _id(),
    _scan(),
    sa.Column("key_digest", _DIGEST, nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("fact", sa.Text, nullable=False),
    sa.UniqueConstraint("scan_id", "key_digest"),
)

attempt = sa.Table(
    "attempt",
    METADATA,
    _id(),
    _scan(),
    sa.Column("key_digest", _DIGEST, nullable=False),
    sa.Column("check", SafeText, nullable=False),
    sa.Column("asset", SafeText, nullable=False),
    sa.Column("outcome", sa.String(16), nullable=False),
    sa.Column("attempt", sa.Text, nullable=False),
    sa.UniqueConstraint("scan_id", "key_digest"),
)

finding = sa.Table(
    "finding",
    METADATA,
    _id(),
    _account(),
    sa.Column("target_digest", _DIGEST, nullable=False),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("fingerprint", sa.String(32), nullable=False),
    sa.Column("check", SafeText, nullable=False),
    sa.Column("asset", SafeText, nullable=False),
    sa.Column("severity", sa.String(16), nullable=False),
    sa.Column("finding", sa.Text, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("first_seen", _TIME, nullable=False),
    sa.Column("last_seen", _TIME, nullable=False),
    sa.Column("first_scan_id", sa.String(32), nullable=False),
    sa.Column("last_scan_id", sa.String(32), nullable=False),
    sa.Column("decision", sa.Text),
    sa.Column("revision", sa.Integer, nullable=False, server_default="0"),
    sa.UniqueConstraint("account_id", "target_digest", "fingerprint"),
)

scan_finding = sa.Table(
    "scan_finding",
    METADATA,
    _id(),
    _scan(),
    sa.Column("finding_id", _ID, sa.ForeignKey("finding.id"), nullable=False, index=True),
    sa.Column("fingerprint", sa.String(32), nullable=False),
    sa.Column("severity", sa.String(16), nullable=False),
    sa.Column("finding", sa.Text, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("at", _TIME, nullable=False),
    sa.UniqueConstraint("scan_id", "fingerprint"),
)

scan_event = sa.Table(
    "scan_event",
    METADATA,
    sa.Column("scan_id", sa.String(32), sa.ForeignKey("scan.scan_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("at", _TIME, nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("data", sa.Text, nullable=False),
    sa.Column("digest", _DIGEST),
)

scan_draft = sa.Table(
    "scan_draft",
    METADATA,
    sa.Column("scan_id", sa.String(32), sa.ForeignKey("scan.scan_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("draft", sa.Text, nullable=False),
    sa.Column("at", _TIME, nullable=False),
)

payload = sa.Table(
    "payload",
    METADATA,
    sa.Column("token", sa.String(64), primary_key=True),
    _scan(),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Column("created", _TIME, nullable=False),
    sa.Index("ix_payload_scan_id", "scan_id"),
)

interaction = sa.Table(
    "interaction",
    METADATA,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("token", sa.String(64), sa.ForeignKey("payload.token", ondelete="CASCADE"), nullable=False),
    _scan(),
    sa.Column("protocol", sa.String(8), nullable=False),
    sa.Column("own", sa.Boolean, nullable=False),
    sa.Column("at", _TIME, nullable=False),
    sa.Column("interaction", sa.Text, nullable=False),
    sa.Index("ix_interaction_token", "token"),
    sa.Index("ix_interaction_scan_id", "scan_id"),
)

callback_session = sa.Table(
    "callback_session",
    METADATA,
    sa.Column("home", sa.String(32), primary_key=True),
    sa.Column("correlation", sa.String(32), primary_key=True),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.Column("wrapped", sa.Text, nullable=False),
    sa.Column("locked", sa.LargeBinary, nullable=False),
    sa.Column("created", _TIME, nullable=False),
    sa.Column("seen", _TIME, nullable=False),
)

callback_heard = sa.Table(
    "callback_heard",
    METADATA,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("home", sa.String(32), nullable=False),
    sa.Column("correlation", sa.String(32), nullable=False),
    sa.Column("token", sa.String(64), nullable=False),
    sa.Column("full_id", SafeText, nullable=False),
    sa.Column("protocol", sa.String(8), nullable=False),
    sa.Column("remote_address", sa.String(64), nullable=False),
    sa.Column("at", _TIME, nullable=False),
    sa.Column("request", sa.LargeBinary, nullable=False),
    sa.Column("response", sa.LargeBinary, nullable=False),
    sa.Column("query_type", sa.String(16), nullable=False),
    sa.Column("sender", SafeText, nullable=False),
    sa.Index("ix_callback_heard_home_correlation", "home", "correlation"),
)

scan_login = sa.Table(
    "scan_login",
    METADATA,
    sa.Column("scan_id", sa.String(32), sa.ForeignKey("scan.scan_id", ondelete="CASCADE"), primary_key=True),
    sa.Column("sealed", sa.Text, nullable=False),
    sa.Column("at", _TIME, nullable=False),
)

callback_identity = sa.Table(
    "callback_identity",
    METADATA,
    sa.Column("server_digest", _DIGEST, primary_key=True),
    sa.Column("server", sa.Text, nullable=False),
    sa.Column("correlation", sa.String(32), nullable=False),
    sa.Column("secret", sa.String(256), nullable=False),
    sa.Column("key", sa.Text, nullable=False),
    sa.Column("created", _TIME, nullable=False),
    sa.Column("heard", _TIME, nullable=False),
)

asset = sa.Table(
    "asset",
    METADATA,
    _id(),
    _account(),
    sa.Column("type", sa.String(32), nullable=False),
    sa.Column("value_digest", _DIGEST, nullable=False),
    sa.Column("value", SafeText, nullable=False),
    sa.Column("source", SafeText, nullable=False),
    sa.Column("first_seen", _TIME, nullable=False),
    sa.Column("last_seen", _TIME, nullable=False),
    sa.Column("scan_id", sa.String(32), nullable=False),
    sa.Column("last_scan_id", sa.String(32), nullable=False, server_default=sa.text("''")),
    sa.Column("sources", SafeText, nullable=False, server_default="[]"),
    sa.Column("parents", SafeText, nullable=False, server_default="[]"),
    sa.Column("detail", SafeText, nullable=False, server_default="{}"),
    sa.Column("gone", _TIME),
    sa.Column("tags", sa.Text, nullable=False, server_default="[]"),
    sa.Column("owner", SafeText, nullable=False, server_default=sa.text("''")),
    sa.Column("criticality", sa.String(16), nullable=False, server_default=sa.text("''")),
    sa.UniqueConstraint("account_id", "type", "value_digest"),
    sa.Index("ix_asset_account_id_id", "account_id", "id"),
)

asset_state = sa.Table(
    "asset_state",
    METADATA,
    sa.Column("account_id", _ID, sa.ForeignKey("account.id"), primary_key=True, autoincrement=False),
    sa.Column("target_digest", _DIGEST, primary_key=True),
    sa.Column(
        "asset_id", _ID, sa.ForeignKey("asset.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    ),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("detail", SafeText, nullable=False),
    sa.Column("looks", SafeText, nullable=False),
    sa.Column("scan_id", sa.String(32), nullable=False),
    sa.Column("at", _TIME, nullable=False),
    sa.Index("ix_asset_state_asset_id", "asset_id"),
)

asset_change = sa.Table(
    "asset_change",
    METADATA,
    _id(),
    _account(),
    sa.Column("asset_id", _ID, sa.ForeignKey("asset.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("target_digest", _DIGEST, nullable=False),
    sa.Column("target", sa.Text, nullable=False),
    sa.Column("scan_id", sa.String(32), nullable=False),
    sa.Column("kind", sa.String(32), nullable=False),
    sa.Column("detail", SafeText, nullable=False),
    sa.Column("at", _TIME, nullable=False),
    sa.Index("ix_asset_change_account_id_id", "account_id", "id"),
)

webhook = sa.Table(
    "webhook",
    METADATA,
    _id(),
    _account(),
    sa.Column("name", SafeText, nullable=False),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("events", sa.Text, nullable=False),
    sa.Column("secret", sa.Text, nullable=False),
    sa.Column("old_secret", sa.Text),
    sa.Column("old_until", _TIME),
    sa.Column("created", _TIME, nullable=False),
    sa.Column("disabled", _TIME),
    sa.Column("disabled_why", SafeText, nullable=False),
    sa.Index("ix_webhook_account_id", "account_id"),
)

webhook_delivery = sa.Table(
    "webhook_delivery",
    METADATA,
    _id(),
    sa.Column("webhook_id", _ID, sa.ForeignKey("webhook.id", ondelete="CASCADE"), nullable=False),
    sa.Column("message_id", sa.String(40), nullable=False),
    sa.Column("event", sa.String(32), nullable=False),
    sa.Column("body", SafeText, nullable=False),
    sa.Column("dedup", _DIGEST),
    sa.Column("created", _TIME, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("next_try", _TIME, index=True),
    sa.Column("delivered", _TIME),
    sa.Column("last_try", _TIME),
    sa.Column("last_status", sa.Integer),
    sa.Column("last_error", SafeText, nullable=False),
    sa.UniqueConstraint("webhook_id", "dedup"),
    sa.Index("ix_webhook_delivery_webhook_id_id", "webhook_id", "id"),
)

schedule = sa.Table(
    "schedule",
    METADATA,
    _id(),
    _account(),
    sa.Column("user_id", _ID, sa.ForeignKey("user.id"), nullable=False),
    sa.Column("plan", SafeText, nullable=False),
    sa.Column("due", _TIME, nullable=False),
    sa.Column("next_run", _TIME, index=True),
    sa.Column("last_scan_id", sa.String(32)),
    sa.Column("created", _TIME, nullable=False),
    sa.Column("disabled_why", SafeText, nullable=False),
    sa.Index("ix_schedule_account_id", "account_id"),
)

schedule_run = sa.Table(
    "schedule_run",
    METADATA,
    _id(),
    sa.Column("schedule_id", _ID, sa.ForeignKey("schedule.id", ondelete="CASCADE"), nullable=False),
    sa.Column("due", _TIME, nullable=False),
    sa.Column("at", _TIME, nullable=False),
    sa.Column("outcome", sa.String(16), nullable=False),
    sa.Column("scan_id", sa.String(32)),
    sa.Column("detail", SafeText, nullable=False),
    sa.Column("times", sa.Integer, nullable=False),
    sa.Index("ix_schedule_run_schedule_id_id", "schedule_id", "id"),
)

"""What people decide about findings, retests, and the chain of the event log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0005"
down_revision = "r0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns. No version before this one could record a decision, so there is none to carry over."""
    op.add_column("finding", sa.Column("decision", sa.Text(), nullable=True))
    op.add_column("finding", sa.Column("revision", sa.Integer(), nullable=False, server_default="0"))
    op.add_column(
        "scan", sa.Column("retest_of", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True)
    )
    op.create_index("ix_scan_retest_of", "scan", ["retest_of"], unique=False)
    op.add_column("scan_event", sa.Column("digest", sa.String(length=64), nullable=True))

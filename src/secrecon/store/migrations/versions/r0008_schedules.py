"""Schedules of accounts, and how their moments went."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0008"
down_revision = "r0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the two tables."""
    key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "schedule",
        sa.Column("id", key, autoincrement=True, nullable=False),
        sa.Column("account_id", key, nullable=False),
        sa.Column("user_id", key, nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("due", sa.Double(), nullable=False),
        sa.Column("next_run", sa.Double(), nullable=True),
        sa.Column("last_scan_id", sa.String(length=32), nullable=True),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("disabled_why", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_schedule_account_id_account")),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("fk_schedule_user_id_user")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedule")),
    )
    op.create_index("ix_schedule_account_id", "schedule", ["account_id"], unique=False)
    op.create_index(op.f("ix_schedule_next_run"), "schedule", ["next_run"], unique=False)
    op.create_table(
        "schedule_run",
        sa.Column("id", key, autoincrement=True, nullable=False),
        sa.Column("schedule_id", key, nullable=False),
        sa.Column("due", sa.Double(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("scan_id", sa.String(length=32), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["schedule_id"], ["schedule.id"], name=op.f("fk_schedule_run_schedule_id_schedule"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedule_run")),
    )
    op.create_index("ix_schedule_run_schedule_id_id", "schedule_run", ["schedule_id", "id"], unique=False)

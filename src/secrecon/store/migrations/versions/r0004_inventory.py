"""An inventory that remembers: where each asset stands per target, what changed between scans, and what people note."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0004"
down_revision = "r0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Widen `asset`; make the two tables. Assets of before name the scan that saw them first as the last one too."""
    for column in (
        sa.Column("last_scan_id", sa.String(length=32), nullable=False, server_default=sa.text("''")),
        sa.Column("sources", sa.Text(), nullable=False, server_default="[]"),
        sa.Column("parents", sa.Text(), nullable=False, server_default="[]"),
        sa.Column("detail", sa.Text(), nullable=False, server_default="{}"),
        sa.Column("gone", sa.Double(), nullable=True),
        sa.Column("tags", sa.Text(), nullable=False, server_default="[]"),
        sa.Column("owner", sa.Text(), nullable=False, server_default=sa.text("''")),
        sa.Column("criticality", sa.String(length=16), nullable=False, server_default=sa.text("''")),
    ):
        op.add_column("asset", column)
    op.execute("UPDATE asset SET last_scan_id = scan_id")
    op.create_index("ix_asset_account_id_id", "asset", ["account_id", "id"], unique=False)
    big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "asset_state",
        sa.Column("account_id", big, autoincrement=False, nullable=False),
        sa.Column("target_digest", sa.String(length=64), nullable=False),
        sa.Column("asset_id", big, autoincrement=False, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("looks", sa.Text(), nullable=False),
        sa.Column("scan_id", sa.String(length=32), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_asset_state_account_id_account")),
        sa.ForeignKeyConstraint(
            ["asset_id"], ["asset.id"], name=op.f("fk_asset_state_asset_id_asset"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("account_id", "target_digest", "asset_id", name=op.f("pk_asset_state")),
    )
    op.create_index("ix_asset_state_asset_id", "asset_state", ["asset_id"], unique=False)
    op.create_table(
        "asset_change",
        sa.Column("id", big, autoincrement=True, nullable=False),
        sa.Column("account_id", big, nullable=False),
        sa.Column("asset_id", big, nullable=False),
        sa.Column("target_digest", sa.String(length=64), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("scan_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name=op.f("fk_asset_change_account_id_account")),
        sa.ForeignKeyConstraint(
            ["asset_id"], ["asset.id"], name=op.f("fk_asset_change_asset_id_asset"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_asset_change")),
    )
    op.create_index("ix_asset_change_asset_id", "asset_change", ["asset_id"], unique=False)
    op.create_index("ix_asset_change_account_id_id", "asset_change", ["account_id", "id"], unique=False)

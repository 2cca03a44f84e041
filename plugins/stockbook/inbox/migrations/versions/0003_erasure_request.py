"""Requests of people to be forgotten, until they are worked off; what names them is gone then."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "erasure_request",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("sought", sa.Text),
        sa.Column("requested_at_utc", sa.DateTime, nullable=False),
        sa.Column("done_at_utc", sa.DateTime),
        sa.Column("rows_erased", sa.BigInteger),
        sa.Column("note", sa.String(200)),
        sqlite_autoincrement=True,
    )


def downgrade() -> None:
    op.drop_table("erasure_request")

"""The events of webhooks."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_key = sa.String(160).with_variant(sa.String(160, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "inbox_event",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("source", sa.String(32), nullable=False),
        sa.Column("account", sa.String(64), nullable=False),
        sa.Column("event_key", _key, nullable=False),
        sa.Column("event_type", sa.String(100), nullable=False),
        sa.Column("subject_kind", sa.String(40)),
        sa.Column("subject_id", sa.String(100)),
        sa.Column("occurred_text", sa.String(40)),
        sa.Column("received_at_utc", sa.DateTime, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("drained_at_utc", sa.DateTime),
        sa.Column("drained_run_id", sa.String(250)),
        sa.UniqueConstraint("source", "account", "event_key", name="uq_inbox_event_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_inbox_event_drained", "inbox_event", ["drained_at_utc", "id"])


def downgrade() -> None:
    op.drop_table("inbox_event")

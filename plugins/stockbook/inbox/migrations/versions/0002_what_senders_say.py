"""What senders say of themselves in the head of an event: version, shop and merchant; and how it was read."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_COLUMNS = {"api_version": 40, "shop_id": 100, "merchant_id": 100, "reading": 200}


def upgrade() -> None:
    for name, length in _COLUMNS.items():
        op.add_column("inbox_event", sa.Column(name, sa.String(length)))


def downgrade() -> None:
    for name in reversed(_COLUMNS):
        op.drop_column("inbox_event", name)

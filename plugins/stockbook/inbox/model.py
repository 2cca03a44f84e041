"""The inbox as SQLAlchemy maps it. The schema itself is made by the migrations; a test compares the two."""

from datetime import UTC, datetime

from sqlalchemy import BigInteger, DateTime, Dialect, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """An instant: aware in Python, a zone-less time in UTC in the database."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    """The tables of the inbox's database."""


class InboxRow(Base):
    """One event; see ``InboxEvent``."""

    __tablename__ = "inbox_event"
    __table_args__ = (
        UniqueConstraint("source", "account", "event_key", name="uq_inbox_event_key"),
        Index("ix_inbox_event_drained", "drained_at_utc", "id"),
        # without it SQLite would give the number of a dropped row again
        {"sqlite_autoincrement": True},
    )

    # SQLite numbers rows by itself only under the type INTEGER, which holds 64 bits there
    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    source: Mapped[str] = mapped_column(String(32))
    account: Mapped[str] = mapped_column(String(64))
    # compared byte by byte everywhere: the keys of mergeable events are looked up by their beginning
    event_key: Mapped[str] = mapped_column(String(160).with_variant(String(160, collation="C"), "postgresql"))
    event_type: Mapped[str] = mapped_column(String(100))
    subject_kind: Mapped[str | None] = mapped_column(String(40))
    subject_id: Mapped[str | None] = mapped_column(String(100))
    occurred_text: Mapped[str | None] = mapped_column(String(40))
    received_at_utc: Mapped[datetime] = mapped_column(UtcDateTime)
    payload: Mapped[str] = mapped_column(Text)
    api_version: Mapped[str | None] = mapped_column(String(40))
    shop_id: Mapped[str | None] = mapped_column(String(100))
    merchant_id: Mapped[str | None] = mapped_column(String(100))
    reading: Mapped[str | None] = mapped_column(String(200))
    drained_at_utc: Mapped[datetime | None] = mapped_column(UtcDateTime)
    drained_run_id: Mapped[str | None] = mapped_column(String(250))


class RequestRow(Base):
    """One request to be forgotten; see ``requests.Request``."""

    __tablename__ = "erasure_request"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    sought: Mapped[str | None] = mapped_column(Text)
    requested_at_utc: Mapped[datetime] = mapped_column(UtcDateTime)
    done_at_utc: Mapped[datetime | None] = mapped_column(UtcDateTime)
    rows_erased: Mapped[int | None] = mapped_column(BigInteger)
    note: Mapped[str | None] = mapped_column(String(200))

"""
A batch of the inbox's events into ``staging.webhook_events``, a row for each subject, each event once.

SHOPLINE's events go on from there into the tables of its fulfillment orders.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

import duckdb
import msgspec

from stockbook.declarations import Table
from stockbook.inbox.event import AS_NEWEST, BY_ID_ALONE, MARK, key_of_body
from stockbook.sql_text import quoted
from stockbook.staging import shopline
from stockbook.staging.load_log import add_rows, drained
from stockbook.staging.merge import Counts, Stamp, count_of
from stockbook.staging.python_rows import make_table
from stockbook.warehouse.casts import within
from stockbook.webhooks import second_bodies
from stockbook.webhooks.event_fields import Item, text_of_item

if TYPE_CHECKING:
    from stockbook.inbox.event import InboxEvent


class StagedBatch(NamedTuple):
    """Events and rows that are new, events without a subject by source and account, findings in sentences."""

    events: int
    items: int
    nameless: Counter[tuple[str, str]]
    notes: list[str]


class _Row(msgspec.Struct):
    inbox_id: int
    account: str
    source: str
    event_id: str
    item_no: int
    event_type: str
    occurred_text: str | None
    received_at_utc: str
    subject_kind: str | None
    subject_id: str | None
    payload: str | None
    api_version: str | None
    shop_id: str | None
    merchant_id: str | None
    reading: str | None
    key_of_body: str | None


_TYPES = {
    "inbox_id": "bigint",
    "account": "varchar",
    "source": "varchar",
    "event_id": "varchar",
    "item_no": "integer",
    "event_type": "varchar",
    "occurred_text": "varchar",
    "received_at_utc": "timestamp",
    "subject_kind": "varchar",
    "subject_id": "varchar",
    "payload": "json",
    "api_version": "varchar",
    "shop_id": "varchar",
    "merchant_id": "varchar",
    "reading": "varchar",
    "key_of_body": "varchar",
}


def stage(
    con: duckdb.DuckDBPyConnection,
    batch: "Sequence[InboxEvent]",
    tables: dict[str, Table],
    stamp: Stamp,
    zone: ZoneInfo,
) -> StagedBatch:
    """Stage a batch. ``zone`` is that of times without one."""
    arrived = [row for event in batch for row in _rows(event)]
    make_table(con, "arrived", _TYPES, arrived)
    second_bodies.tell_apart(con)
    first_no = 1 + int(con.execute("select coalesce(max(received_no), 0) from staging.webhook_events").fetchall()[0][0])
    _find_fresh(con, tables["staging.webhook_events"], first_no, zone)
    shops = con.execute("select distinct account from fresh where source = ? order by 1", [shopline.SOURCE]).fetchall()
    columns = ", ".join(tables["staging.webhook_events"].columns)
    con.execute(
        f"""
        insert into staging.webhook_events
            (account, {columns}, _run_id, _loaded_at, _first_seen_at, _last_seen_at, _deleted_at, _row_hash)
        select account, {columns}, $run_id, $loaded_at, $observed_at, $observed_at, null, hash({columns})
        from fresh
        """,
        stamp._asdict(),
    )
    [(events, items)] = con.execute(
        "select count(distinct (account, source, event_id)), count(*) from fresh"
    ).fetchall()
    nameless = _nameless(con)
    unknown = _set_aside(con, stamp)
    _write_rows(con, Counter(row.account for row in arrived), stamp)
    con.execute("drop table fresh")
    con.execute("drop table arrived")
    notes = [note for (account,) in shops for note in shopline.take(con, tables, account, first_no, stamp)]
    return StagedBatch(int(events), int(items), nameless, unknown + notes)


def _find_fresh(con: duckdb.DuckDBPyConnection, table: Table, first_no: int, zone: ZoneInfo) -> None:
    """Make ``fresh`` of the rows of ``arrived`` whose event is not in staging, numbered from ``first_no``."""
    is_possible = within(table.columns["occurred_at"], "local_at")
    con.execute(
        f"""
        create or replace temp table fresh as
        with

        unknown as (

            select *
            from arrived as a
            anti join staging.webhook_events as e
                on a.account = e.account and a.source = e.source and a.event_id = e.event_id
            -- an event that came twice within a batch is the first one, with all its items
            qualify inbox_id = min(inbox_id) over (partition by account, source, event_id)

        ),

        timed as (

            select
                *,
                staging.local_of(occurred_text, {quoted(zone.key)}) as local_at
            from unknown

        )

        select
            account,
            source,
            event_id,
            item_no,
            event_type,
            occurred_text,
            case when {is_possible} then local_at end as occurred_at,
            case
                when {is_possible} then staging.utc_of_text(occurred_text, local_at, {quoted(zone.key)})
            end as occurred_at_utc,
            received_at_utc,
            cast($first_no - 1 + row_number() over (order by inbox_id, item_no) as bigint) as received_no,
            subject_kind,
            staging.id_of(subject_id) as subject_id,
            case when reading is null or reading = $as_newest then payload end as payload,
            api_version,
            shop_id,
            merchant_id,
            reading is not null as is_unknown_version,
            case when source = 'fulfillment_cz' then staging.truth_of(payload ->> '$.data.note') end as has_note,
            case when reading <> $as_newest then reading end as misfit
        from timed
        """,
        {"first_no": first_no, "as_newest": AS_NEWEST},
    )


def _set_aside(con: duckdb.DuckDBPyConnection, stamp: Stamp) -> list[str]:
    """
    Put what of ``fresh`` has a body of an undeclared version that does not fit into quarantine; findings in sentences.

    It stays there until a body about the same subject fits, of an event that names none until one of its topic does.
    """
    if count_of(con, "select count(*) from staging.quarantine where table_name = 'webhook_events'"):
        con.execute(f"delete from staging.quarantine as q using fresh as f where {_IS_FOLLOWED}")
    if not count_of(con, "select count(*) from fresh where is_unknown_version"):
        return []
    con.execute(
        """
        insert into staging.quarantine
            (account, table_name, row_key, reason, fields, _run_id, _first_seen_at, parent_key)
        select
            account,
            'webhook_events',
            concat_ws('/', source, event_id, item_no),
            'version ' || api_version || ' is not declared, and its body is another one',
            to_json(string_split(misfit, ', ')),
            $run_id,
            $observed_at,
            coalesce(subject_id, event_type)
        from fresh
        where misfit is not null
        """,
        {"run_id": stamp.run_id, "observed_at": stamp.observed_at},
    )
    rows = con.execute(
        """
        select source, account, api_version, count(*), count(misfit)
        from fresh
        where is_unknown_version
        group by all
        order by all
        """
    ).fetchall()
    return [
        f"warning: {count:,} events of {source} (account {account}) have bodies of version {version}, which is not "
        f"declared: they were read as those of the newest one; {misfits:,} do not fit and are in quarantine."
        for source, account, version, count, misfits in rows
    ]


_IS_FOLLOWED = (
    "q.table_name = 'webhook_events' and q.account = f.account and f.misfit is null "
    "and q.parent_key in (f.subject_id, f.event_type)"
)


def _nameless(con: duckdb.DuckDBPyConnection) -> Counter[tuple[str, str]]:
    rows = con.execute(
        """
        select source, account, count(*)
        from fresh
        -- fulfillment orders of SHOPLINE have findings of their own; an app is the whole subscription
        where subject_id is null and not starts_with(event_type, 'fulfillment') and subject_kind <> 'app'
        group by all
        order by all
        """
    ).fetchall()
    return Counter({(source, account): count for source, account, count in rows})


def _write_rows(con: duckdb.DuckDBPyConnection, received: Counter[str], stamp: Stamp) -> None:
    """What became of each item of a batch (``arrived``, of which ``fresh`` are new)."""
    rows = con.execute(
        """
        select
            a.account,
            count(*) filter (f.event_id is not null) as new,
            count(*) filter (f.event_id is null) as repeated
        from (
            select *, inbox_id = min(inbox_id) over (partition by account, source, event_id) as is_first
            from arrived
        ) as a
        semi join staging.webhook_events as e
            on a.account = e.account and a.source = e.source and a.event_id = e.event_id
        left join fresh as f
            on
                a.account = f.account
                and a.source = f.source
                and a.event_id = f.event_id
                and a.item_no = f.item_no
                and a.is_first
        group by a.account
        """
    ).fetchall()
    done = {account: Counts(new, 0, 0, 0, 0, repeated=repeated) for account, new, repeated in rows}
    for account, count in received.items():
        counts = done.get(account, Counts(0, 0, 0, 0, 0))._replace(received=count)
        add_rows(con, drained(stamp, account, "webhook_events"), counts)


def _rows(event: "InboxEvent") -> Iterator[_Row]:
    """A row for each item of an event: of most one."""
    by_id = event.source == BY_ID_ALONE
    own_key = key_of_body(event) if by_id else None
    items = [(event.subject_id, event.payload or None)]
    if event.payload.startswith("["):
        listed = msgspec.json.decode(event.payload, type=list[Item])
        items = [(item.subject_id, text_of_item(item)) for item in listed]
    for number, (subject_id, payload) in enumerate(items, start=1):
        yield _Row(
            event.id,
            event.account,
            event.source,
            event.event_key.partition(MARK)[0] if by_id else event.event_key,
            number,
            event.event_type,
            event.occurred_text,
            event.received_at_utc.astimezone(UTC).replace(tzinfo=None).isoformat(),
            event.subject_kind,
            subject_id,
            payload,
            event.api_version,
            event.shop_id,
            event.merchant_id,
            event.reading,
            own_key,
        )

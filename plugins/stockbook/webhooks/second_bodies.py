"""Events whose id another body had before: each body is an event of its own."""

import duckdb

from stockbook.inbox.event import BY_ID_ALONE


def tell_apart(con: duckdb.DuckDBPyConnection) -> None:
    """
    Give events of ``arrived`` whose id another body had before a key of their own: the id says nothing of the body.

    The inbox forgets what was drained, staging does not, and of who is forgotten only here all bodies are alike.
    """
    content = """
        hash(list(
            (event_type, subject_kind, staging.id_of(subject_id), occurred_text, cast(payload as varchar))
            order by item_no
        ))
    """
    con.execute(
        f"""
        update arrived as a
        set event_id = a.key_of_body
        from (
            select *
            from (
                select account, event_id, inbox_id, {content} as content
                from arrived
                where source = $source
                group by all
                union all
                select account, event_id, 0, {content}
                from staging.webhook_events
                semi join arrived
                    using (account, source, event_id)
                where source = $source
                group by all
            )
            qualify content <> first_value(content) over (partition by account, event_id order by inbox_id)
        ) as other
        where a.inbox_id = other.inbox_id
        """,
        {"source": BY_ID_ALONE},
    )

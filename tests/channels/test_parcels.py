"""Parcels of three systems: rows in, parcels and months out."""

from datetime import date

from order_rows import Orders, Seen, at, utc


def test_parcels_are_counted_with_and_without_items() -> None:
    """A package without items is a parcel, an order without any is counted beside; own labels stand apart."""
    orders = Orders()
    orders.con.execute("insert into staging.deliveries (account, delivery_id, name) values ('main', 25, 'DPD')")
    for name in ("two", "bare", "own"):
        orders.order(name, "2025-03-04 09:00", Seen("sent", "2025-03-05 02:15"), out="2025-03-04 10:00", delivery_id=25)
    orders.order("open", "2025-03-04 09:00", delivery_id=25)
    orders.con.execute("update staging.orders set tracking_number = 'hash-' || order_id")
    orders.con.execute("""
        insert into staging.order_parcels (account, order_id, package_id, parcel_no) values
            ('main', 'two', 'p1', 1), ('main', 'two', 'p2', 2), ('main', 'own', 'p3', 1)
    """)
    orders.con.execute("""
        insert into staging.order_packages (account, order_id, package_id, item_no, variant_id, quantity) values
            ('main', 'two', 'p1', 1, 1, 3), ('main', 'two', 'p1', 2, 2, 4), ('main', 'own', 'p3', 1, 1, 1)
    """)
    orders.con.execute("insert into staging.order_labels (account, order_id, label_no) values ('main', 'own', 1)")
    orders.build("2025-03-06 02:15", "reports.parcels_monthly")

    parcels = orders.rows("marts.fct_parcel", "order_id, parcel_no")
    assert [
        (row["order_id"], row["package_id"], row["tracking_number"], row["lines"], row["pieces"], row["shipped_date"])
        for row in parcels
    ] == [
        ("own", "p3", "hash-own", 1, 1, date(2025, 3, 4)),
        ("two", "p1", None, 2, 7, date(2025, 3, 4)),
        ("two", "p2", None, None, None, date(2025, 3, 4)),
    ]
    months = orders.rows("reports.parcels_monthly", "has_own_label")
    assert [
        (row["carrier"], row["has_own_label"], row["orders"], row["orders_without_parcels"], row["orders_of_several"],
         row["parcels"], row["parcels_without_items"], row["pieces"], row["parcels_per_order"])
        for row in months
    ] == [
        ("DPD", False, 2, 1, 1, 2, 1, 7, 2.0),
        ("DPD", True, 1, 0, 0, 1, 0, 1, 1.0),
    ]  # fmt: skip


def test_tracking_numbers_of_the_channels_are_parcels() -> None:
    """One row a number; SHOPLINE's fulfillment without one is a parcel, a cancelled one is none."""
    orders = Orders()
    orders.con.execute(
        """
        insert into staging.flickrocket_fulfillments (account, fulfillment_id, created_text, created_at, created_at_utc,
            status, shipping_model) values ('main', '7', '', ?, ?, 100, 'Parcel 1')
        """,
        [at("2025-03-04 09:00"), utc("2025-03-04 09:00")],
    )
    orders.con.execute("""
        insert into staging.flickrocket_fulfillments_history (account, fulfillment_id, status, _version, _valid_from)
        values ('main', '7', 100, 1, '2025-03-05 02:15')
    """)
    orders.con.execute("""
        insert into staging.flickrocket_tracking_numbers (account, fulfillment_id, parcel_no, tracking_number)
        values ('main', '7', 1, 'a'), ('main', '7', 2, 'b')
    """)
    for name, status in (("f1", "success"), ("f2", "success"), ("f3", "cancelled")):
        orders.con.execute(
            """
            insert into staging.shopline_fulfillments (account, fulfillment_id, order_id, status, tracking_company,
                created_at_utc, event_count, last_received_at_utc, last_received_no)
            values ('main', ?, '9', ?, 'DHL', ?, 1, ?, 1)
            """,
            [name, status, utc("2025-02-28 23:30"), utc("2025-03-01 09:00")],
        )
    orders.con.execute("""
        insert into staging.shopline_tracking_numbers (account, fulfillment_id, parcel_no, tracking_number)
        values ('main', 'f1', 1, 'x'), ('main', 'f1', 2, 'y'), ('main', 'f3', 1, 'z')
    """)
    orders.build("2025-03-06 02:15", "reports.parcels_monthly")

    assert [
        (row["system"], row["parcel_no"], row["tracking_number"], row["carrier"], row["evidence"])
        for row in orders.rows("marts.fct_parcel", "system, parcel_no")
    ] == [
        ("flickrocket", 1, "a", "Parcel 1", "tracking_number"),
        ("flickrocket", 2, "b", "Parcel 1", "tracking_number"),
        ("shopline", 1, "x", "DHL", "tracking_number"),
        ("shopline", 2, "y", "DHL", "tracking_number"),
        ("shopline", 3, None, "DHL", "fulfillment"),
    ]
    assert [
        (row["system"], row["month"], row["orders"], row["parcels"])
        for row in orders.rows("reports.parcels_monthly", "system")
    ] == [("flickrocket", date(2025, 3, 1), 1, 2), ("shopline", date(2025, 2, 1), 1, 3)]


def test_a_carrier_is_one_however_it_is_typed() -> None:
    """Blanks, case and accents part no carrier in two; an order of two carriers is of neither alone."""
    orders = Orders()
    sent = {
        "a": ["DHL"],
        "b": ["dhl\u00a0"],
        "c": ["\u010cP"],
        "d": ["c\u030cp"],
        "e": ["DHL", "PPL"],
        "f": ["", "null"],
        "g": ["dhl", "DHL"],
    }
    for order_id, carriers in sent.items():
        for number, carrier in enumerate(carriers):
            orders.con.execute(
                """
                insert into staging.shopline_fulfillments (account, fulfillment_id, order_id, status, tracking_company,
                    created_at_utc, event_count, last_received_at_utc, last_received_no)
                values ('main', ?, ?, 'success', ?, ?, 1, ?, 1)
                """,
                [f"{order_id}{number}", order_id, carrier, utc("2025-03-03 10:00"), utc("2025-03-03 10:00")],
            )
    orders.build("2025-03-06 02:15", "reports.parcels_monthly")

    by_carrier = {row["carrier"]: (row["orders"], row["parcels"]) for row in orders.rows("reports.parcels_monthly")}
    assert by_carrier == {"DHL": (3, 4), "\u010cP": (2, 2), "DHL, PPL": (1, 2), "unknown": (1, 2)}


def test_a_weight_below_zero_is_none() -> None:
    """It is counted as not weighed, and takes nothing off the month; a shipping model is one whatever its case."""
    orders = Orders()
    for name, model, grams in (("1", "Parcel", 100), ("2", "parcel", -40), ("3", "PARCEL", 7), ("4", None, None)):
        orders.con.execute(
            """
            insert into staging.flickrocket_fulfillments (account, fulfillment_id, created_text, created_at,
                created_at_utc, status, shipping_model) values ('main', ?, '', ?, ?, 100, ?)
            """,
            [name, at("2025-03-04 09:00"), utc("2025-03-04 09:00"), model],
        )
        orders.con.execute(
            """
            insert into staging.flickrocket_fulfillment_lines (account, fulfillment_id, line_no, quantity, weight_grams)
            values ('main', ?, 1, 2, ?)
            """,
            [name, grams],
        )
    orders.build("2025-03-06 02:15", "reports.carrier_weight_monthly")

    columns = "shipping_model", "fulfillments", "unweighed_lines", "weight_grams_least", "weight_grams_most"
    rows = orders.rows("reports.carrier_weight_monthly", "fulfillments desc")
    assert [tuple(row[name] for name in columns) for row in rows] == [
        ("PARCEL", 3, 1, 107, 214),
        (None, 1, 1, None, None),
    ]

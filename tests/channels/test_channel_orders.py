"""Orders of the channels and those of the warehouse: which is which, and where the two sides differ."""

from pathlib import Path
from shutil import copytree

import pytest
from model_runner import POLICY
from order_rows import Orders, Seen, at, utc

from stockbook.channels import policy
from stockbook.errors import ConfigError

NIGHT = "2025-03-10 02:15"
DAY = "2025-03-04 09:00"


class Channels(Orders):
    """A warehouse with orders, and what the channels told of theirs."""

    def shopline(
        self, own: str, order_id: str | None, status: str = "open", created: str = DAY, quantity: int | None = 1,
        window: tuple[str, str] | None = None,
    ) -> None:  # fmt: skip  # one line per argument says no more
        """A fulfillment order of SHOPLINE with its only event and, where it has pieces, one line."""
        first, last = (utc(day) for day in window) if window else (None, None)
        self.con.execute(
            """
            insert into staging.shopline_fulfillment_orders (account, fulfillment_order_id, order_id, status,
                min_delivery_at_utc, max_delivery_at_utc, created_at_utc, is_whole, event_count, first_received_at_utc,
                last_received_at_utc, last_received_no)
            values ('main', ?, ?, ?, ?, ?, ?, true, 1, ?, ?, 1)
            """,
            [own, order_id, status, first, last, utc(created), utc(created), utc(created)],
        )
        self.con.execute(
            """
            insert into staging.shopline_fulfillment_order_events (account, fulfillment_order_id, received_no, role,
                event_id, event_type, received_at_utc, status)
            values ('main', ?, 1, 'subject', 'e', 'fulfillment_orders/create', ?, ?)
            """,
            [own, utc(created), status],
        )
        if quantity is not None:
            self.con.execute(
                """
                insert into staging.shopline_fulfillment_order_lines (account, fulfillment_order_id, line_id, quantity,
                    fulfillable_quantity)
                values ('main', ?, '1', ?, ?)
                """,
                [own, quantity, quantity],
            )

    def parcel(self, own: str, order_id: str, name: str, shipment_status: str = "confirmed", at_: str = DAY) -> None:
        """A fulfillment of SHOPLINE."""
        self.con.execute(
            """
            insert into staging.shopline_fulfillments (account, fulfillment_id, order_id, name, status, shipment_status,
                updated_at_utc, event_count, last_received_at_utc, last_received_no)
            values ('main', ?, ?, ?, 'success', ?, ?, 1, ?, 1)
            """,
            [own, order_id, name, shipment_status, utc(at_), utc(at_)],
        )

    def flickrocket(self, order_id: str, status: int = 0, quantity: int = 1, created: str = DAY) -> None:
        """A physical order of FlickRocket with one line."""
        self.con.execute(
            """
            insert into staging.flickrocket_fulfillments (account, fulfillment_id, created_text, created_at,
                created_at_utc, status)
            values ('main', ?, ?, ?, ?, ?)
            """,
            [order_id, created, at(created), utc(created), status],
        )
        self.con.execute(
            """
            insert into staging.flickrocket_fulfillment_lines (account, fulfillment_id, line_no, quantity)
            values ('main', ?, 1, ?)
            """,
            [order_id, quantity],
        )

    def warehouse(
        self, order_id: str, remote_number: str, status: str = "in_expedition", pieces: int = 1, created: str = DAY
    ) -> None:
        """An order of the warehouse under a remote number."""
        self.order(order_id, created, Seen(status, created), pieces=pieces)
        self.con.execute("update staging.orders set remote_number = ? where order_id = ?", [remote_number, order_id])

    def joins(self, as_of: str = NIGHT, policy_dir: Path = POLICY) -> dict[str, tuple[object, ...]]:
        """The orders of all systems: order id -> (join state, order of the other side, written alike)."""
        self.build(as_of, "marts.fct_channel_order", policy_dir)
        return {
            row["order_id"]: (row["join_state"], row["joined_order_id"], row["is_exact_join"])
            for row in self.rows("marts.fct_channel_order")
        }

    def differences(self, as_of: str = NIGHT, policy_dir: Path = POLICY) -> list[tuple[object, ...]]:
        """What the sides do not say alike: order, difference, since when."""
        self.build(as_of, "reports.channel_reconciliation", policy_dir)
        rows = self.rows("reports.channel_reconciliation", "order_id, difference")
        return [(row["order_id"], row["difference"], row["since_utc"]) for row in rows]


def policy_dir(tmp_path: Path, text: str) -> Path:
    """The project's policies with this ``channels.yml``."""
    folder = Path(copytree(POLICY, tmp_path / "policy"))
    (folder / "channels.yml").write_text(text)
    return folder


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("grace_hours: -1", "grace_hours: expected 0 to 744 hours"),
        (
            "channels: [{system: shopline}, {system: shopline}]",
            r"channels\[1\].system: shopline is written a second time",
        ),
        ("channels: [{system: shopline, recognised_by: '['}]", "recognised_by: expected a regular expression"),
        ("channels: [{system: shopline, join: [{channel: id, warehouse: number}]}]", "channel: expected one of"),
        (
            "accounts: [{system: shopline, account: a, warehouse_account: b}, "
            "{system: shopline, account: a, warehouse_account: c}]",
            "'a' of shopline is written a second time",
        ),
    ],
)
def test_a_wrong_rule_is_named(tmp_path: Path, text: str, said: str) -> None:
    """File, line, field, what was expected and what came."""
    with pytest.raises(ConfigError, match=rf"channels.yml line \d+, .*{said}|channels.yml line \d+, {said}"):
        policy.read(policy_dir(tmp_path, text))


def test_an_order_is_joined_by_its_number_whatever_zeros_and_case() -> None:
    """The same text comes before one that differs by leading zeros, case, blanks or a #; the join says which it was."""
    shop = Channels()
    shop.flickrocket("1001")
    shop.flickrocket("0077ab")
    shop.warehouse("plain", "1001")
    shop.warehouse("zeros", "0001001")
    shop.warehouse("case", " #77AB ")
    joins = shop.joins()

    assert joins["1001"] == ("matched", "plain", True)
    assert joins["plain"] == ("matched", "1001", True)
    assert joins["zeros"] == ("not_expected", None, None)
    assert joins["0077ab"] == ("matched", "case", False)


def test_rules_are_asked_in_order() -> None:
    """The order's id is asked first, then the number that its parcels carry; a fulfillment order stands for itself."""
    shop = Channels()
    shop.shopline("fo1", "21057401932826316660000001")
    shop.shopline("fo2", "21057401932826316660000002")
    shop.shopline("fo3", None)
    shop.parcel("p1", "21057401932826316660000001", "#1001.1")
    shop.parcel("p2", "21057401932826316660000002", "#1002.2")
    shop.warehouse("by-id", "21057401932826316660000001")
    shop.warehouse("not-this", "1001")
    shop.warehouse("by-number", "1002")
    joins = shop.joins()

    assert joins["21057401932826316660000001"] == ("matched", "by-id", True)
    assert joins["21057401932826316660000002"] == ("matched", "by-number", True)
    assert joins["fo3"] == ("unmatched", None, None)
    assert joins["not-this"] == ("not_expected", None, None)


def test_an_order_that_names_two_names_none() -> None:
    """Both sides say so, it is listed and not compared; a cancelled order that was entered again does not count."""
    shop = Channels()
    shop.flickrocket("1", quantity=9)
    shop.warehouse("a", "1")
    shop.warehouse("b", "1")
    shop.flickrocket("2")
    shop.warehouse("c", "2", "cancelled")
    shop.warehouse("d", "2")
    joins = shop.joins()

    assert joins["1"] == ("several", None, True)
    assert joins["a"] == joins["b"] == ("shared", "1", True)
    assert joins["2"] == ("matched", "d", True)
    assert joins["c"] == ("not_expected", None, None)
    assert shop.differences() == [("1", "several_warehouse_orders", utc(DAY))]


def test_two_orders_that_name_one_share_it() -> None:
    """Neither is compared with it; both are listed."""
    shop = Channels()
    shop.flickrocket("7", quantity=3)
    shop.flickrocket("07", quantity=4)
    shop.warehouse("a", "7")
    joins = shop.joins()

    assert joins["7"] == ("shared", "a", True)
    assert joins["07"] == ("shared", "a", False)
    assert joins["a"][:2] == ("several", None)
    assert shop.differences() == [
        ("07", "shared_warehouse_order", utc(DAY)),
        ("7", "shared_warehouse_order", utc(DAY)),
    ]


def test_what_was_sold_and_never_reached_the_warehouse_is_listed() -> None:
    """From its creation, once the grace is over; what the channel cancelled or nobody forwards is not missed."""
    shop = Channels()
    shop.flickrocket("old")
    shop.flickrocket("young", created="2025-03-09 12:00")
    shop.shopline("gone", "off", "cancelled")
    shop.warehouse("known-nowhere", "21057401932826316660000009")
    shop.warehouse("before-it-was-heard", "21057401932826316660000008", created="2025-03-04 08:59")

    assert shop.differences() == [
        ("known-nowhere", "missing_in_channel", utc(DAY)),
        ("old", "missing_in_warehouse", utc(DAY)),
    ]


def test_a_channel_that_is_not_forwarded_misses_nothing(tmp_path: Path) -> None:
    """Nor does one without rules, nor any without the file."""
    shop = Channels()
    shop.flickrocket("1")
    shop.shopline("fo", "2")
    folder = policy_dir(tmp_path, "channels: [{system: flickrocket, is_forwarded: false}]")

    assert shop.differences(policy_dir=folder) == []
    assert {state for state, _, _ in shop.joins(policy_dir=folder).values()} == {"not_expected"}


def test_an_account_of_another_name_is_joined(tmp_path: Path) -> None:
    """Accounts go together by name, or as channels.yml says."""
    shop = Channels()
    shop.flickrocket("1")
    shop.con.execute("update staging.flickrocket_fulfillments set account = 'second'")
    shop.con.execute("update staging.flickrocket_fulfillment_lines set account = 'second'")
    shop.warehouse("a", "1")
    text = (POLICY / "channels.yml").read_text().rstrip().removesuffix("accounts:")
    folder = policy_dir(
        tmp_path, f"{text}accounts: [{{system: flickrocket, account: second, warehouse_account: main}}]\n"
    )

    assert shop.joins()["1"][0] == "unmatched"
    assert shop.joins(policy_dir=folder)["1"] == ("matched", "a", True)


def test_other_pieces_and_another_state_are_differences() -> None:
    """Since the later of both sides; a held order is open to the other side, unknown states are not compared."""
    shop = Channels()
    shop.flickrocket("pieces", quantity=2)
    shop.warehouse("a", "pieces", created="2025-03-05 10:00")
    shop.shopline("fo1", "closed-there", "closed", created="2025-03-06 08:00")
    shop.warehouse("b", "closed-there")
    shop.shopline("fo2", "held-there", "on_hold")
    shop.warehouse("c", "held-there")
    shop.shopline("fo3", "strange", "lost_in_space")
    shop.warehouse("d", "strange", "sent")
    shop.shopline("fo4", "no-lines", "open", quantity=None)
    shop.warehouse("e", "no-lines", pieces=5)

    assert shop.differences() == [
        ("closed-there", "differing_state", utc("2025-03-06 08:00")),
        ("pieces", "differing_quantity", utc("2025-03-05 10:00")),
    ]


def test_an_order_is_put_together_of_its_fulfillment_orders() -> None:
    """Cancelled parts are not wanted any more; it is shipped when all others are."""
    shop = Channels()
    shop.shopline("a", "1", "closed", quantity=2)
    shop.shopline("b", "1", "cancelled", quantity=5)
    shop.shopline("c", "2", "closed", quantity=2)
    shop.shopline("d", "2", "on_hold", quantity=3)
    shop.build(NIGHT, "marts.fct_channel_order")

    assert {row["order_id"]: (row["state"], row["quantity"]) for row in shop.rows("marts.fct_channel_order")} == {
        "1": ("shipped", 2),
        "2": ("held", 5),
    }


def test_open_and_held_fulfillment_orders_are_listed_with_their_reasons() -> None:
    """What is done is not; a window that is over is told."""
    shop = Channels()
    shop.shopline("done", "1", "closed")
    shop.shopline("held", "2", "on_hold", window=("2025-03-05 08:00", "2025-03-06 18:00"))
    shop.shopline("odd", "3", "lost_in_space")
    shop.con.execute("""
        insert into staging.shopline_fulfillment_order_holds (account, fulfillment_order_id, hold_no, reason)
        values ('main', 'held', 1, 'out of stock'), ('main', 'held', 2, 'address')
    """)
    shop.build(NIGHT, "reports.shopline_open")

    assert [
        (row["fulfillment_order_id"], row["state"], row["hold_reasons"], row["is_window_over"])
        for row in shop.rows("reports.shopline_open", "fulfillment_order_id")
    ] == [("held", "held", "out of stock, address", True), ("odd", "unknown", None, False)]


def test_the_channel_s_promise_stands_beside_ours() -> None:
    """Late behind the window, overdue while nothing is delivered; the parcels tell where the warehouse does not."""
    window = ("2025-03-05 08:00", "2025-03-06 18:00")
    shop = Channels()
    for number, status in enumerate(("open", "open", "open", "cancelled"), start=1):
        shop.shopline(f"fo{number}", str(number), status, window=window)
    shop.shopline("fo5", "5", window=("2025-03-11 08:00", "2025-03-12 18:00"))
    shop.parcel("p1", "1", "#1.1", "delivered", "2025-03-06 12:00")
    shop.parcel("p2", "2", "#2.1", "delivered", "2025-03-07 12:00")
    shop.parcel("p5", "5", "#5.1", "delivered", "2025-03-09 12:00")
    shop.warehouse("w", "3")
    shop.build(NIGHT, "reports.channel_promises")
    rows = {row["order_id"]: row for row in shop.rows("reports.channel_promises")}

    assert {order: (row["promise_state"], row["is_early"], row["delivered_by"]) for order, row in rows.items()} == {
        "1": ("on_time", False, "shopline"),
        "2": ("late", False, "shopline"),
        "3": ("overdue", False, None),
        "4": ("excluded", False, None),
        "5": ("on_time", True, "shopline"),
    }
    # created on Tuesday at nine, due the same day at six; the window ends two days later
    assert (rows["3"]["sla_state"], rows["3"]["hours_for_carrier"]) == ("overdue", 48.0)


def test_orders_before_a_channel_was_heard_are_not_missed_there() -> None:
    """What has a number of SHOPLINE's and is older than its first order known here may have been known to it."""
    shop = Channels()
    shop.warehouse("older", "21057401932826316660000008", created="2025-03-01 12:00")
    assert shop.differences() == []

    shop.shopline("gone", "off", "cancelled")

    assert shop.differences() == []

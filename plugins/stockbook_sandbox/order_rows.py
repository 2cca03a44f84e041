"""Orders as bytes of JSON: rendered again only when a milestone of theirs has passed."""

from stockbook_sandbox import lives, money, people
from stockbook_sandbox.batches import DAMAGED, GOOD, NO_LABEL
from stockbook_sandbox.json_text import boolean, quoted, string_or_null
from stockbook_sandbox.localtime import day_text, local_of
from stockbook_sandbox.order_facts import is_answered, is_postponed, problem_source, ticket_count
from stockbook_sandbox.parcels import parcels
from stockbook_sandbox.shop import Shop
from stockbook_sandbox.variant_text import VariantText

DELIVERIES = (
    (1, "Kurýr na adresu", 0), (2, "Výdejní místo", 1), (3, "Pošta do ruky", 0), (5, "Box", 1), (8, "Kurýr večer", 0),
    (9, "Osobní odběr", 0),
)  # fmt: skip
_DELIVERY_STATUS = {"sent": '"inTransit"', "delivered": '"delivered"', "returned": '"returned"'}
_EXPEDITION_STATUS = {
    "created": "waiting", "waiting_for_storage": "waiting", "in_expedition": "inProgress",
    "problem_in_expedition": "problem", "cancelled": "waiting", "not_sent": "problem",
}  # fmt: skip


class OrderRows:
    """The orders of one shop."""

    def __init__(self, shop: Shop, variants: VariantText) -> None:
        """Nothing is rendered yet."""
        self.shop, self._variants = shop, variants
        self._orders: dict[int, tuple[tuple[int, bool, bool], bytes]] = {}

    def order(self, n: int, clock: int) -> bytes:
        """An order as it is at an instant."""
        shop = self.shop
        passed = shop.milestones_passed(n, clock)
        released = int(shop.begun.released[n])
        state = passed, int(shop.demand.created[n]) < released > clock, is_answered(shop, n, passed, clock)
        cached = self._orders.get(n)
        if cached and cached[0] == state:
            return cached[1]
        row = self._render_order(n, *state).encode()
        self._orders[n] = state, row
        return row

    def _render_order(self, n: int, passed: int, on_hold: bool, answered: bool) -> str:
        shop = self.shop
        d = shop.demand
        first = int(shop.lives.starts[n])
        kinds = [lives.KINDS[kind] for kind in shop.lives.kind[first : first + passed].tolist()]
        status = lives.STATUS_AFTER[kinds[-1]]
        is_packed = "packed" in kinds
        who = people.person(int(d.person[n]))
        delivery, method, _ = DELIVERIES[int(shop.order_delivery[n])]
        value = int(shop.order_value[n])
        cod = bool(shop.order_is_cod[n])
        due = value + 89 * money.SCALE if cod else 0
        invoice = (
            quoted(people.invoice(n, shop.invoice_bytes)) if shop.order_chance[0, n] < shop.shares.invoice else "null"
        )
        day = int(shop.begun.dispatch_day[n])
        shipment = _DELIVERY_STATUS.get(status, "null") if "sent" in kinds else "null"
        label = quoted(people.tracking_number(n)) if is_packed else "null" if n % 2 else '""'
        note = people.text("note", n) if shop.order_chance[2, n] < shop.shares.note else ""
        status_note = people.text("status", n) if status in ("problem_in_expedition", "not_sent") else ""
        low, high = int(shop.line_start[n]), int(shop.line_start[n + 1])
        lines = list(zip(d.line_variant[low:high].tolist(), d.line_quantity[low:high].tolist(), strict=True))
        products = ",".join([f"{self._variants.line_head[v]}{q}}}" for v, q in lines])
        items = packages = ""
        if is_packed:
            items = ",".join(self._stock_items(n, lines))
            packages = self._packages(n, lines)
        return (
            f'{{"id":"{shop.order_uuid[n]}","number":"{shop.order_number[n]}","remote_number":{quoted(d.remote_number[n])},'
            f'"currency_id":"{d.currency[n]}","on_hold":{boolean(on_hold)},"status":"{status}","status_note":{quoted(status_note)},'
            f'"expedition":{{"status":"{_EXPEDITION_STATUS.get(status, "done")}",'
            f'"problem":{self._problem(n, status, answered)}}},'
            f'"recipient":{{"email":{quoted(who.email)},"phone":"{who.phone}","firstname":{quoted(who.firstname)},'
            f'"surname":{quoted(who.surname)},"street":{quoted(who.street)},"city":{quoted(who.city)},'
            f'"zipcode":{quoted(who.zipcode)},"company":{quoted(who.company)}}},'
            f'"delivery":{{"id":{delivery},"value":{money.text(value)},"name":{quoted(method)},'
            f'"tracking_number":{label},"status":{shipment}}},'
            f'"payment":{{"cod":{boolean(cod)},"variable_symbol":"{people.variable_symbol(n)}","price":{money.text(due)}}},'
            f'"products":[{products}],"stock_items":[{items}],"packages":[{packages}],'
            f'"invoice":{invoice},"damaged":{boolean(bool(shop.is_damaged_sale[n]))},"note":{quoted(note)},"tickets":[{self._ticket(n)}],'
            f'"dispatch_date":{string_or_null(day_text(day) if day >= 0 else None)},'
            f'"created":"{local_of(int(d.created[n])).isoformat(sep=" ")}"}}'
        )

    def _stock_items(self, n: int, lines: list[tuple[int, int]]) -> list[str]:
        """What the lines were filled from; a line of two batches is two items."""
        quality = DAMAGED if self.shop.is_damaged_sale[n] else GOOD
        batches, item = self.shop.batches, self._variants.stock_item
        items: list[str] = []
        for v, q in lines:
            parts = batches.taken.get((n, v)) if v in batches.tracked else None
            items += [item(v, n, label, f'"quantity":{pieces}', quality) for label, pieces in parts or ((NO_LABEL, q),)]
        return items

    def _problem(self, n: int, status: str, answered: bool) -> str:
        if status != "problem_in_expedition":  # a solved problem leaves no trace: only polling sees it
            return "null"
        solution = quoted(people.text("solution", n)) if answered else "null"
        description = quoted(people.text("problem", n)) if n % 6 else '""'
        photos = ",".join(quoted(people.picture("problem", 4 * n + place)) for place in range(n % 4))
        return (
            f'{{"source":"{problem_source(n)}","description":{description},'
            f'"solution":{solution},"postponed":{boolean(is_postponed(n))},"photos":[{photos}]}}'
        )

    def _ticket(self, n: int) -> str:
        if self.shop.order_chance[1, n] >= self.shop.shares.ticket:
            return ""
        labels = ("", "B")[: ticket_count(n)]
        return ",".join(
            f'{{"barcode":"{people.tracking_number(n)}{letter}","data":{quoted(people.label(n))}}}' for letter in labels
        )

    def _packages(self, n: int, lines: list[tuple[int, int]]) -> str:
        packages = []
        for own, group in parcels(self.shop, n, lines):
            items = ",".join([self._variants.item_head[v] + f'"quantity":{q}}}' for v, q in group])
            packages.append(f'{{"id":"{own}","items":[{items}]}}')
        return ",".join(packages)

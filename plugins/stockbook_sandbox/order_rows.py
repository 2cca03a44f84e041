"""Orders as bytes of JSON: rendered again only when a milestone of theirs has passed."""

from stockbook_sandbox import lives, money, people
from stockbook_sandbox.json_text import boolean, quoted, string_or_null
from stockbook_sandbox.localtime import day_text, local_of
from stockbook_sandbox.shop import Shop
from stockbook_sandbox.variant_text import VariantText

DELIVERIES = (
    (1, "Kurýr na adresu", 0), (2, "Výdejní místo", 1), (3, "Pošta do ruky", 0), (5, "Box", 1), (8, "Kurýr večer", 0),
    (9, "Osobní odběr", 0),
)  # fmt: skip
_PROBLEM_SOURCES = ("packing", "picking", "address")
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
        self._orders: dict[int, tuple[tuple[int, bool], bytes]] = {}

    def order(self, n: int, clock: int) -> bytes:
        """An order as it is at an instant."""
        shop = self.shop
        passed = shop.milestones_passed(n, clock)
        released = int(shop.begun.released[n])
        state = passed, int(shop.demand.created[n]) < released > clock
        cached = self._orders.get(n)
        if cached and cached[0] == state:
            return cached[1]
        row = self._render_order(n, passed, state[1]).encode()
        self._orders[n] = state, row
        return row

    def _render_order(self, n: int, passed: int, on_hold: bool) -> str:
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
            items = ",".join([self._variants.stock_item(v, n, f'"quantity":{q}') for v, q in lines])
            packages = self._packages(n, lines)
        return (
            f'{{"id":"{shop.order_uuid[n]}","number":"{shop.order_number[n]}","remote_number":{quoted(d.remote_number[n])},'
            f'"currency_id":"{d.currency[n]}","on_hold":{boolean(on_hold)},"status":"{status}","status_note":{quoted(status_note)},'
            f'"expedition":{{"status":"{_EXPEDITION_STATUS.get(status, "done")}",'
            f'"problem":{self._problem(n, status)}}},'
            f'"recipient":{{"email":{quoted(who.email)},"phone":"{who.phone}","firstname":{quoted(who.firstname)},'
            f'"surname":{quoted(who.surname)},"street":{quoted(who.street)},"city":{quoted(who.city)},'
            f'"zipcode":{quoted(who.zipcode)},"company":{quoted(who.company)}}},'
            f'"delivery":{{"id":{delivery},"value":{money.text(value)},"name":{quoted(method)},'
            f'"tracking_number":{label},"status":{shipment}}},'
            f'"payment":{{"cod":{boolean(cod)},"variable_symbol":"{people.variable_symbol(n)}","price":{money.text(due)}}},'
            f'"products":[{products}],"stock_items":[{items}],"packages":[{packages}],'
            f'"invoice":{invoice},"damaged":false,"note":{quoted(note)},"tickets":[{self._ticket(n)}],'
            f'"dispatch_date":{string_or_null(day_text(day) if day >= 0 else None)},'
            f'"created":"{local_of(int(d.created[n])).isoformat(sep=" ")}"}}'
        )

    def _problem(self, n: int, status: str) -> str:
        if status != "problem_in_expedition":  # a solved problem leaves no trace: only polling sees it
            return "null"
        solution = quoted(people.text("solution", n)) if n % 2 else "null"
        photo = quoted(people.picture("problem", n))
        return (
            f'{{"source":"{_PROBLEM_SOURCES[n % 3]}","description":{quoted(people.text("problem", n))},'
            f'"solution":{solution},"postponed":{boolean(n % 4 == 0)},"photos":[{photo}]}}'
        )

    def _ticket(self, n: int) -> str:
        if self.shop.order_chance[1, n] >= self.shop.shares.ticket:
            return ""
        return f'{{"barcode":"{people.tracking_number(n)}","data":{quoted(people.label(n))}}}'

    def _packages(self, n: int, lines: list[tuple[int, int]]) -> str:
        half = len(lines) // 2
        groups = [lines[:half], lines[half:]] if len(lines) > 1 and n % 11 == 0 else [lines]
        tail = self.shop.order_uuid[n][9:]
        packages = []
        for place, group in enumerate(groups):
            items = ",".join([self._variants.item_head[v] + f'"quantity":{q}}}' for v, q in group])
            packages.append(f'{{"id":"{place:08x}-{tail}","items":[{items}]}}')
        return ",".join(packages)

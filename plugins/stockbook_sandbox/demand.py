"""What customers ordered and when: invented, or a real order history replayed."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from stockbook.errors import ConfigError
from stockbook_sandbox import catalogue as cat
from stockbook_sandbox import money
from stockbook_sandbox.history import read_goods
from stockbook_sandbox.localtime import DAY, NEVER, ZONE, Ints, day_number, to_local, to_utc

# the catalogue is priced in koruny; what is ordered in euros is charged in euros
KORUNY_PER_EURO = 25


@dataclass
class Demand:
    """
    Orders sorted by creation, and their lines sorted by order.

    ``return_*``: pieces of a line that came back, and the instant its cancellation was written (a real history only).
    """

    created: Ints
    person: Ints
    remote_number: list[str]
    currency: list[str]
    line_order: Ints
    line_variant: Ints
    line_quantity: Ints
    line_amount: Ints
    """Price of a piece on the order, in millionths."""
    return_line: Ints
    return_quantity: Ints
    return_at: Ints


def invent(
    rng: np.random.Generator, catalogue: cat.Catalogue, orders: int, first: date, last: date, never_sold: float = 0.05
) -> Demand:
    """``orders`` orders between two local days, with seasons, evenings, few favourites, the hour that comes twice."""
    days = day_number(last) - day_number(first) + 1
    day = np.arange(days)
    weights = 1 + 0.15 * np.sin(day / 9) + 0.9 * np.exp(-(((day - 275) / 25) ** 2))
    weights *= np.where((day_number(first) + day + 3) % 7 >= 5, 0.75, 1.0)
    hours = np.array([2, 1, 1, 1, 1, 1, 2, 4, 7, 9, 9, 8, 7, 7, 7, 7, 7, 7, 8, 9, 11, 11, 8, 4], dtype=float)
    local = (
        (day_number(first) + rng.choice(days, orders, p=weights / weights.sum())) * DAY
        + rng.choice(24, orders, p=hours / hours.sum()) * 3600
        + rng.integers(0, 3600, orders)
    )
    created = to_utc(local, rng.integers(0, 2, orders))
    repeated = fold_hour_between(first, last)
    if repeated is not None:
        moved = rng.choice(orders, min(6, orders), replace=False)
        created[moved] = repeated - 3600 * (np.arange(len(moved)) % 2) + rng.integers(0, 3600, len(moved))
    created.sort()

    pieces = np.flatnonzero(catalogue.carton_of < 0)
    sold = rng.permutation(pieces)[: max(1, int(len(pieces) * (1 - never_sold)))]
    popularity = 1 / (np.arange(len(sold)) + 3) ** 0.8
    lines_of = np.minimum(rng.geometric(0.45, orders), min(12, len(sold)))
    line_order = np.repeat(np.arange(orders), lines_of)
    line_variant = sold[rng.choice(len(sold), len(line_order), p=popularity / popularity.sum())]
    quantity = np.minimum(rng.geometric(0.7, len(line_order)), 12)
    # one line per variant and order
    _, first_lines = np.unique(line_order * len(catalogue.variant_id) + line_variant, return_index=True)
    first_lines.sort()
    line_order, line_variant, quantity = line_order[first_lines], line_variant[first_lines], quantity[first_lines]
    none = np.zeros(0, dtype=np.int64)
    person = rng.integers(0, max(1, orders * 2 // 3), orders)
    is_euro = rng.random(orders) < 0.08
    retail = catalogue.prices[cat.RETAIL][line_variant]
    return Demand(
        created=created,
        person=person,
        remote_number=[f"{first.year}{n:06d}" for n in range(1, orders + 1)],
        currency=np.where(is_euro, "EUR", "CZK").tolist(),
        line_order=line_order,
        line_variant=line_variant,
        line_quantity=quantity.astype(np.int64),
        line_amount=np.where(is_euro[line_order], money.rounded(retail // KORUNY_PER_EURO), retail),
        return_line=none,
        return_quantity=none,
        return_at=none,
    )


def fold_hour_between(first: date, last: date) -> int | None:
    """The instant at which the repeated hour's second pass begins, when it lies between two local days."""
    start, end = day_number(first) * DAY, (day_number(last) + 1) * DAY
    hours = np.arange(start, end, 3600)
    offsets = to_local(hours) - hours
    back = np.flatnonzero(np.diff(offsets) < 0)
    return int(hours[back[0] + 1]) if len(back) else None


def replay(rng: np.random.Generator, path: Path, suppliers: int, date_format: str = "") -> tuple[cat.Catalogue, Demand]:
    """
    A real order history in the layout of the Online Retail data set (CSV or Parquet).

    Invoices become orders, their goods lines products; lines of one stock code on one invoice are
    folded. Lines without a price that no customer ordered are stock corrections and are left out. ``date_format`` is
    how the file writes its times, where that cannot be seen of its rows.
    """
    import duckdb

    path = Path(path)
    if not path.is_file():
        raise ConfigError(
            f"An order history was expected at {path.name}; there is no such file: give --orders a CSV or Parquet."
        )
    with duckdb.connect() as con:
        read_goods(con, path, ZONE.key, date_format)
        con.execute(
            """
            create table lines as
            select
                invoice,
                code,
                sum(quantity)::bigint as quantity,
                round(sum(quantity * amount) / sum(quantity))::bigint as amount,
                epoch(min(local_time))::bigint as local_time,
                coalesce(max(customer), '') as customer,
                min(line) as line
            from goods
            where not starts_with(invoice, 'C') and not starts_with(invoice, 'A')
                and quantity > 0 and (amount > 0 or customer is not null)
            group by invoice, code
            """
        )
        lines = con.execute(
            """
            select
                dense_rank() over (order by o.at, o.invoice) - 1 as order_no,
                l.code, l.quantity, l.amount, o.at, o.invoice, o.customer
            from lines as l
            join (
                select invoice, min(local_time) as at, max(customer) as customer from lines group by invoice
            ) as o using (invoice)
            order by o.at, o.invoice, l.line
            """
        ).fetchnumpy()
        credits = con.execute(
            """
            select epoch(local_time)::bigint, customer, code, -quantity
            from goods
            where starts_with(invoice, 'C') and quantity < 0 and customer is not null
            order by local_time, line
            """
        ).fetchall()
        names = dict(
            con.execute(
                """
                select code, arg_max(name, (n, name)) from (
                    select code, name, count(*) as n
                    from goods
                    where name is not null and name = upper(name)
                    group by all
                ) group by code
                """
            ).fetchall()
        )
    if not len(lines["order_no"]):
        raise ConfigError(f"{path.name} was expected to hold at least one invoice of goods; it holds none.")

    codes, line_variant = np.unique(np.asarray(lines["code"], dtype=str), return_inverse=True)
    line_order = np.asarray(lines["order_no"], dtype=np.int64)
    line_amount = np.asarray(lines["amount"], dtype=np.int64)
    first_line = np.searchsorted(line_order, np.arange(int(line_order[-1]) + 1))
    customers = np.asarray(lines["customer"], dtype=str)[first_line]
    invoices = np.asarray(lines["invoice"], dtype=str)[first_line]
    _, person = np.unique(np.where(customers == "", invoices, customers), return_inverse=True)
    created = to_utc(np.asarray(lines["at"], dtype=np.int64)[first_line])
    quantity = np.asarray(lines["quantity"], dtype=np.int64)
    returns = _match_credits(credits, codes, customers, created, line_order, line_variant, quantity)
    demand = Demand(
        created=created,
        person=person.astype(np.int64),
        remote_number=invoices.tolist(),
        currency=["GBP"] * len(created),
        line_order=line_order,
        line_variant=line_variant.astype(np.int64),
        line_quantity=quantity,
        line_amount=line_amount,
        return_line=returns[:, 0],
        return_quantity=returns[:, 1],
        return_at=returns[:, 2],
    )
    return _catalogue_of(rng, codes.tolist(), names, line_variant, line_amount, suppliers), demand


def _match_credits(
    credits: list[tuple[int, str, str, int]],
    codes: np.ndarray,
    customers: np.ndarray,
    created: Ints,
    line_order: Ints,
    line_variant: Ints,
    quantity: Ints,
) -> Ints:
    """Rows (line, quantity, instant): each credit taken from the customer's latest earlier orders of that code."""
    number = {code: n for n, code in enumerate(codes.tolist())}
    bought: dict[tuple[str, int], list[int]] = {}
    distinct, customer_of = np.unique(customers, return_inverse=True)
    rank = {customer: n for n, customer in enumerate(distinct.tolist())}
    pairs = {rank.get(customer, -1) * len(codes) + number.get(code, -1) for _, customer, code, _ in credits}
    key = customer_of[line_order] * len(codes) + line_variant
    for line in np.flatnonzero(np.isin(key, np.array(sorted(pairs), dtype=np.int64))).tolist():
        bought.setdefault((str(customers[line_order[line]]), int(line_variant[line])), []).append(line)
    left = quantity.copy()
    rows: list[tuple[int, int, int]] = []
    for local, customer, code, pieces in credits:
        at = int(to_utc(np.array([local]))[0])
        open_pieces = pieces
        for line in reversed(bought.get((customer, number.get(code, -1)), [])):
            if created[line_order[line]] < at and left[line] and open_pieces:
                taken = min(open_pieces, int(left[line]))
                left[line] -= taken
                open_pieces -= taken
                rows.append((line, taken, at))
    return np.array(rows, dtype=np.int64).reshape(-1, 3)


def _catalogue_of(
    rng: np.random.Generator, codes: list[str], names: dict[str, str], line_variant: Ints, amount: Ints, suppliers: int
) -> cat.Catalogue:
    stems = [code[:5] for code in codes]
    products = sorted(set(stems))
    number = {stem: n for n, stem in enumerate(products)}
    product = np.array([number[stem] for stem in stems])
    name_of = {
        stem: names.get(code, f"ARTICLE {stem}") for stem, code in reversed(list(zip(stems, codes, strict=True)))
    }
    order = np.lexsort((amount, line_variant))
    counts = np.bincount(line_variant, minlength=len(codes))
    retail = amount[order][np.cumsum(counts) - counts + counts // 2]
    purchase = money.rounded((retail * rng.uniform(0.4, 0.65, len(codes))).astype(np.int64))
    return cat.Catalogue(
        product_id=cat.ids_with_gaps(rng, 20_000, len(products)),
        product_name=[name_of[stem] for stem in products],
        product_category=rng.integers(0, 11, len(products)),
        variant_id=cat.ids_with_gaps(rng, 50_000, len(codes)),
        variant_product=product,
        variant_name=[code[5:] for code in codes],
        code=[f"DS{int(code[:5]):08d}{'-' if code[5:] else ''}{code[5:]}" for code in codes],
        ext_code=codes,
        ext_kind=np.array([cat.NUMBER_CODE if code.isdigit() and code[0] != "0" else cat.TEXT_CODE for code in codes]),
        prices=np.stack([purchase, money.rounded(retail * 8 // 10), retail]),
        supplier=rng.integers(0, suppliers, len(products))[product],
        carton_of=np.full(len(codes), -1),
        carton_pieces=np.zeros(len(codes), dtype=np.int64),
        added_at=np.full(len(codes), -NEVER),
        removed_at=np.full(len(codes), NEVER),
        tracks_expiration=rng.random(len(codes)) < 0.05,
    )

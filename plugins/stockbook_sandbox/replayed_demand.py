"""A real order history replayed: its invoices as orders, its goods as the catalogue."""

from pathlib import Path
from typing import Any

import numpy as np

from stockbook.errors import ConfigError
from stockbook_sandbox import catalogue as cat
from stockbook_sandbox import money
from stockbook_sandbox.demand import Demand
from stockbook_sandbox.history import read_goods
from stockbook_sandbox.localtime import NEVER, ZONE, Ints, to_utc

Credit = tuple[int, str, str, int]
"""Local time, customer, code, pieces."""


def replay(rng: np.random.Generator, path: Path, suppliers: int, date_format: str = "") -> tuple[cat.Catalogue, Demand]:
    """
    A real order history in the layout of the Online Retail data set (CSV or Parquet).

    Invoices become orders, their goods lines products; lines of one stock code on one invoice are
    folded. Lines without a price that no customer ordered are stock corrections and are left out. ``date_format`` is
    how the file writes its times, where that cannot be seen of its rows.
    """
    lines, credits, names = _read_history(Path(path), date_format)
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


def _read_history(path: Path, date_format: str) -> tuple[dict[str, Any], list[Credit], dict[str, str]]:
    """The lines of all orders as columns, the credits, and names by code."""
    import duckdb

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
    return lines, credits, names


def _match_credits(
    credits: list[Credit],
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

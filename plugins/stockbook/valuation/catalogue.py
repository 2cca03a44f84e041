"""The catalogue as the valuation needs it: purchase prices by day, and which version of a variant stood when."""

from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from stockbook.valuation.decimal_arrays import scaled
from stockbook.valuation.replay import DefaultCosts, Flags, Ints, Money
from stockbook.valuation.versions import in_force

MIDNIGHT_EPOCH = "date '1970-01-01'"


@dataclass(frozen=True)
class Catalogue:
    """
    Prices and versions of all variants in ``valuation_variant``, by batch and variant.

    Variant v of batch b stands at ``first[b] + v`` of the starts; ``starts[place]`` to ``starts[place + 1]`` are
    its rows, oldest first. ``version_from`` is in microseconds, the first version's without limit.
    """

    first: Ints
    price_starts: Ints
    price_from_day: Ints
    price: Money
    price_is_known: Flags
    version_starts: Ints
    version_from: Ints
    version_key: pa.Array

    @classmethod
    def read(cls, con: duckdb.DuckDBPyConnection, first: Ints) -> "Catalogue":
        """All there is of the variants that were put into batches; each batch's places begin at ``first``."""
        # the last version of a day counts, and a variant no longer listed keeps its last price
        prices = con.sql(f"""
            select
                v.place,
                date_diff('day', {MIDNIGHT_EPOCH}, cast(h._valid_from as date)) as from_day,
                case when h.price_purchase >= 0 then h.price_purchase end as price
            from staging.variants_history as h
            inner join valuation_variant as v on h.account = v.account and h.variant_id = v.variant_id
            order by v.place, h._valid_from, h._version
        """).to_arrow_table()
        # versions follow each other without a gap: where one ends the next begins
        versions = con.sql("""
            select
                v.place,
                coalesce(epoch_us(d.valid_from), -9223372036854775808) as valid_from,
                d.variant_key
            from marts.dim_variant as d
            inner join valuation_variant as v on d.account = v.account and d.variant_id = v.variant_id
            order by v.place, d.valid_from nulls first
        """).to_arrow_table()
        places = int(first[-1])
        return cls(
            first=first,
            price_starts=_starts(prices.column("place").to_numpy(), places),
            price_from_day=prices.column("from_day").to_numpy().astype(np.int64),
            price=scaled(prices.column("price")),
            price_is_known=prices.column("price").is_valid().to_numpy().astype(np.bool_),
            version_starts=_starts(versions.column("place").to_numpy(), places),
            version_from=versions.column("valid_from").to_numpy().astype(np.int64),
            version_key=versions.column("variant_key").combine_chunks(),
        )

    def default_costs(self, batch: int) -> DefaultCosts:
        """Those of one batch."""
        starts = self.price_starts[self.first[batch] : self.first[batch + 1] + 1]
        rows = slice(starts[0], starts[-1])
        return DefaultCosts(
            start=starts - starts[0],
            from_day=self.price_from_day[rows],
            price=self.price[rows],
            is_known=self.price_is_known[rows],
        )

    def variant_keys(self, batch: int, variant: Ints, moved_at: Any) -> pa.Array:
        """The version in force at each movement, by the variant's number in the batch; NULL where there is none."""
        starts = self.version_starts[self.first[batch] : self.first[batch + 1] + 1]
        rows = slice(int(starts[0]), int(starts[-1]))
        # copied: of what cannot be written to, numba makes another function
        item = np.array(variant, np.int64)
        version = in_force(starts - starts[0], self.version_from[rows], item, moved_at.view(np.int64))
        return pa.DictionaryArray.from_arrays(pa.array(version, mask=version < 0), self.version_key[rows])


def _starts(place: Ints, places: int) -> Ints:
    counts = np.bincount(place, minlength=places)
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)

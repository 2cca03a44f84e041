"""The invented catalogue: categories, products, variants, and what changes in it over the year."""

from dataclasses import dataclass, field

import numpy as np

from stockbook_sandbox import money
from stockbook_sandbox.localtime import DAY, NEVER, Flags, Ints

PURCHASE, WHOLESALE, RETAIL = 0, 1, 2
TEXT_CODE, NUMBER_CODE, NULL_CODE = 0, 1, 2

_THINGS = (
    "Hrnek", "Talíř", "Svícen", "Polštář", "Deka", "Lampa", "Vázička", "Miska", "Prkénko", "Zástěra", "Utěrka", "Košík",
    "Rámeček", "Zápisník", "Taška", "Peněženka", "Šátek", "Ponožky", "Čepice", "Batoh", "Láhev", "Termoska", "Svíčka",
)  # fmt: skip
_KINDS = ("modrý", "zelený", "pruhovaný", "tečkovaný", "lněný", "bavlněný", "dřevěný", "keramický", "skleněný", "šedý")
_SIZES = ("", "S", "M", "L", "XL")
_CATEGORIES = (
    (0, "Domácnost"), (1, "Kuchyně"), (1, "Ložnice"), (1, "Osvětlení"), (0, "Oblečení"), (5, "Doplňky"), (5, "Tašky"),
    (0, "Dárky"), (8, "Papírnictví"), (8, "Svíčky a vůně"),
)  # fmt: skip


@dataclass
class Catalogue:
    """
    Products and variants as parallel columns; amounts in millionths.

    Variants are sorted by id. ``carton_of`` of a carton is the index of the variant in it, -1 elsewhere.
    """

    product_id: Ints
    product_name: list[str]
    product_category: Ints
    variant_id: Ints
    variant_product: Ints
    variant_name: list[str]
    code: list[str]
    ext_code: list[str]
    ext_kind: Ints
    prices: Ints
    """One row per kind of price (PURCHASE, WHOLESALE, RETAIL), one column per variant."""
    supplier: Ints
    carton_of: Ints
    carton_pieces: Ints
    added_at: Ints
    removed_at: Ints
    tracks_expiration: Flags
    tracks_batch: Flags = field(default_factory=lambda: np.zeros(0, dtype=bool))
    tracks_lot: Flags = field(default_factory=lambda: np.zeros(0, dtype=bool))
    inactive_from: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """When a variant is switched off (NEVER for most), and when it is switched on again."""
    inactive_until: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    is_unpriced: Flags = field(default_factory=lambda: np.zeros(0, dtype=bool))
    """Which variants the catalogue names no purchase price of."""
    change_at: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """Changes of prices sorted by time, with variant, kind and new amount beside it."""
    change_variant: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    change_kind: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    change_amount: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    renames: list[tuple[int, int, str]] = field(default_factory=list)
    """(instant, product index, new name), sorted."""

    @property
    def categories(self) -> list[tuple[int, int, str]]:
        """(id, parent id, name); parent 0 is the top."""
        return [(n, parent, name) for n, (parent, name) in enumerate(_CATEGORIES, start=1)]

    def prices_at(self, clock: int) -> Ints:
        """The price matrix at an instant."""
        prices = self.prices.copy()
        seen = int(np.searchsorted(self.change_at, clock, side="right"))
        # repeated indices: the last assignment wins, which is the latest change
        prices[self.change_kind[:seen], self.change_variant[:seen]] = self.change_amount[:seen]
        return prices

    def purchase_at(self, variant: Ints, at: Ints) -> Ints:
        """Purchase price of each variant at each instant."""
        price: Ints = self.prices[PURCHASE][variant]
        for when, which, kind, amount in zip(
            self.change_at, self.change_variant, self.change_kind, self.change_amount, strict=True
        ):
            if kind == PURCHASE:
                price = np.where((variant == which) & (at >= when), amount, price)
        return price

    def names_at(self, clock: int) -> list[str]:
        """Product names at an instant."""
        names = list(self.product_name)
        for at, product, name in self.renames:
            if at <= clock:
                names[product] = name
        return names

    def is_listed(self, clock: int) -> Flags:
        """Which variants the catalogue shows at an instant."""
        return (self.added_at <= clock) & (clock < self.removed_at)

    def is_active(self, clock: int) -> Flags:
        """Which variants are switched on at an instant."""
        return ~((self.inactive_from <= clock) & (clock < self.inactive_until))


def ids_with_gaps(rng: np.random.Generator, first: int, count: int, widest: int = 4) -> Ints:
    """Ascending ids that begin near ``first`` and leave gaps, as ids shared with other customers do."""
    return first + np.cumsum(rng.integers(1, widest + 1, count)).astype(np.int64)


def ext_codes(rng: np.random.Generator, count: int) -> tuple[list[str], Ints]:
    """The shop's codes: words, digits with and without leading zeros; and how an order prints each."""
    shape = rng.choice(4, count, p=(0.55, 0.2, 0.15, 0.1))
    codes = []
    for number, kind in enumerate(shape.tolist()):
        if kind == 1:
            codes.append(str(10_000 + number))
        elif kind == 2:
            codes.append(f"00{1_000 + number}")
        else:
            codes.append(f"SKU-{number:05d}")
    return codes, np.choose(shape, (TEXT_CODE, NUMBER_CODE, TEXT_CODE, NULL_CODE)).astype(np.int64)


def invent(rng: np.random.Generator, variants: int, suppliers: int) -> Catalogue:
    """A catalogue of ``variants`` variants, about one in thirty of them a carton of another."""
    cartons = max(1, variants // 30)
    pieces = variants - cartons
    product = np.repeat(np.arange(pieces), rng.choice((1, 2, 3, 4), pieces, p=(0.6, 0.2, 0.1, 0.1)))[:pieces]
    products = int(product[-1]) + 1
    number_in_product = np.arange(pieces) - np.searchsorted(product, product)
    several = np.bincount(product)[product] > 1
    carton_of = rng.choice(np.flatnonzero(~several), min(cartons, int((~several).sum())), replace=False)
    carton_of.sort()
    carton_pieces = rng.choice((6, 10, 12, 20), len(carton_of)).astype(np.int64)
    codes, kinds = ext_codes(rng, pieces)
    base = [f"DS{10_000_000 + 37 * n:08d}" for n in range(pieces)]
    retail = money.rounded((np.exp(rng.normal(5.6, 0.8, pieces)) * money.SCALE).astype(np.int64), 0)
    retail = np.where(rng.random(pieces) < 0.3, retail - 100_000, retail)
    purchase = money.rounded((retail * rng.uniform(0.35, 0.65, pieces)).astype(np.int64))
    supplier = rng.integers(0, suppliers, products)[product]
    return Catalogue(
        product_id=ids_with_gaps(rng, 20_000, products),
        product_name=[f"{_THINGS[n % len(_THINGS)]} {_KINDS[n // 7 % len(_KINDS)]} {n:04d}" for n in range(products)],
        product_category=rng.integers(0, len(_CATEGORIES) + 1, products),
        variant_id=ids_with_gaps(rng, 50_000, pieces + len(carton_of)),
        variant_product=np.concatenate([product, product[carton_of]]),
        variant_name=[_SIZES[n + 1] if many else "" for n, many in zip(number_in_product, several, strict=True)]
        + [f"karton {n} ks" for n in carton_pieces],
        code=base + [f"{base[n]}-C{k}" for n, k in zip(carton_of, carton_pieces, strict=True)],
        ext_code=codes + [f"{codes[n]}-K{k}" for n, k in zip(carton_of, carton_pieces, strict=True)],
        ext_kind=np.concatenate([kinds, np.zeros(len(carton_of), dtype=np.int64)]),
        prices=_with_cartons(np.stack([purchase, money.rounded(retail * 8 // 10), retail]), carton_of, carton_pieces),
        supplier=np.concatenate([supplier, supplier[carton_of]]),
        carton_of=np.concatenate([np.full(pieces, -1), carton_of]),
        carton_pieces=np.concatenate([np.zeros(pieces, dtype=np.int64), carton_pieces]),
        added_at=np.full(pieces + len(carton_of), -NEVER),
        removed_at=np.full(pieces + len(carton_of), NEVER),
        tracks_expiration=rng.random(pieces + len(carton_of)) < 0.08,
    )


def _with_cartons(prices: Ints, carton_of: Ints, carton_pieces: Ints) -> Ints:
    return np.concatenate([prices, prices[:, carton_of] * carton_pieces], axis=1)


def add_changes(rng: np.random.Generator, catalogue: Catalogue, start: int, end: int) -> None:
    """Let prices change on a handful of days and a few products be renamed between two instants."""
    days = max(1, (end - start) // DAY)
    is_piece = np.flatnonzero(catalogue.carton_of < 0)
    parts = []
    for kind, occasions, share in ((PURCHASE, 4, 0.04), (RETAIL, 8, 0.06), (WHOLESALE, 2, 0.03)):
        for _ in range(min(occasions, max(1, days // 20))):
            at = start + int(rng.integers(1, max(2, days))) * DAY + int(rng.integers(6, 20)) * 3600
            chosen = rng.choice(is_piece, max(1, int(len(is_piece) * share)), replace=False)
            new = money.rounded((catalogue.prices[kind][chosen] * rng.uniform(0.85, 1.2, len(chosen))).astype(np.int64))
            parts.append((np.full(len(chosen), at), chosen, np.full(len(chosen), kind), new))
    columns = [np.concatenate(column).astype(np.int64) for column in zip(*parts, strict=True)]
    order = np.argsort(columns[0], kind="stable")
    catalogue.change_at, catalogue.change_variant = columns[0][order], columns[1][order]
    catalogue.change_kind, catalogue.change_amount = columns[2][order], columns[3][order]
    chosen = rng.choice(len(catalogue.product_name), max(1, len(catalogue.product_name) // 60), replace=False)
    catalogue.renames = sorted(
        (start + int(rng.integers(1, max(2, days))) * DAY + 9 * 3600, int(n), f"{catalogue.product_name[n]} NOVÝ")
        for n in chosen
    )


def add_traits(rng: np.random.Generator, catalogue: Catalogue, start: int, end: int) -> None:
    """Decide what is tracked of each variant beside its expiry, and switch a few off, some of them for a while."""
    count = len(catalogue.variant_id)
    expires = catalogue.tracks_expiration
    catalogue.tracks_batch = expires & (rng.random(count) < 0.85)
    catalogue.tracks_lot = (expires & (rng.random(count) < 0.25)) | (rng.random(count) < 0.01)
    is_off = rng.random(count) < 0.02
    is_off[rng.integers(0, count)] = True
    since = rng.integers(start, end, count)
    is_back = rng.random(count) < 0.3
    catalogue.inactive_from = np.where(is_off, since, NEVER)
    catalogue.inactive_until = np.where(is_off & is_back, since + rng.integers(5, 40, count) * DAY, NEVER)
    catalogue.is_unpriced = np.zeros(count, dtype=bool)

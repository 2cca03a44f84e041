"""
The valuation again, slow and obvious: the yardstick of the engine.

One method and basis at a time, Decimal with 50 digits, lists and dictionaries, every rule of
docs/valuation.md spelled out where it applies. Shares no code with the engine.
"""

import math
from collections import defaultdict
from dataclasses import dataclass, field, replace
from decimal import Context, Decimal, localcontext
from fractions import Fraction

FIFO, AVERAGE = "fifo", "average"
LANDED, BARE = "landed", "bare"
POOLS = ("sellable", "damaged")
FIGURES = ((FIFO, LANDED), (FIFO, BARE), (AVERAGE, LANDED), (AVERAGE, BARE))
ZERO = Decimal(0)


@dataclass(frozen=True)
class Move:
    """One movement as the warehouse tells it. ``at`` sorts; ``day`` is its local day."""

    id: int
    variant: int
    direction: str
    quantity: int
    damaged: int = 0
    price: Decimal | None = None
    extra: Decimal | None = None
    at: int = 0
    order: str | None = None
    transformation: int | None = None
    receiving: int | None = None

    @property
    def day(self) -> int:
        return self.at

    @property
    def pieces(self) -> int:
        return self.quantity + self.damaged

    def of(self, pool: str) -> int:
        return self.quantity if pool == "sellable" else self.damaged


@dataclass(frozen=True)
class Line:
    """A line of a receiving: pieces counted, damaged ones included, or announced; its price or none."""

    pieces: int
    price: Decimal | None


# lines by receiving and variant, in the order of their list
Lines = dict[tuple[int, int], list[Line]]
Defaults = dict[int, list[tuple[int, Decimal | None]]]


@dataclass
class Layer:
    receipt: int
    left: int
    cost: Decimal
    missing: bool


@dataclass
class Shortage:
    issue: int
    left: int
    rate: Decimal
    missing: bool
    unknown: int = 0


@dataclass
class Pool:
    """One pool of one variant under one method and basis."""

    layers: list[Layer] = field(default_factory=list)
    shortages: list[Shortage] = field(default_factory=list)
    average: Decimal = ZERO
    last_cost: Decimal | None = None
    average_is_known: bool = False
    unknown: int = 0  # pieces on hand without a cost, under the average
    last_unknown: Fraction = Fraction(0)  # the share of them in what gave the average's last cost

    @property
    def on_hand(self) -> int:
        return sum(layer.left for layer in self.layers)

    @property
    def pieces(self) -> int:
        return self.on_hand - sum(shortage.left for shortage in self.shortages)

    @property
    def missing(self) -> int:
        return sum(part.left for part in [*self.layers, *self.shortages] if part.missing)

    @property
    def all_unknown(self) -> int:
        return self.unknown + sum(shortage.unknown for shortage in self.shortages)


@dataclass
class Taken:
    """What an order took of a variant, or what a transformation's OUTs took."""

    pieces: int = 0
    cost: Decimal = ZERO
    returned: int = 0
    taken_back: Decimal = ZERO
    missing: int = 0
    unknown: int = 0


@dataclass
class Books:
    """All a run of the reference gives, for one method and basis."""

    cogs: dict[tuple[int, str], Decimal] = field(default_factory=dict)
    settlement: dict[tuple[int, str], Decimal] = field(default_factory=lambda: defaultdict(lambda: ZERO))
    received: dict[tuple[int, str], Decimal] = field(default_factory=dict)
    source: dict[int, str | None] = field(default_factory=dict)
    unit_cost: dict[int, Decimal] = field(default_factory=dict)
    slices: list[tuple[int, int | None, str, int]] = field(default_factory=list)
    # pieces, value, pieces without a cost by FIFO and under the average
    balance: dict[tuple[int, str, int], tuple[int, Decimal, int, int]] = field(default_factory=dict)
    unknown: dict[tuple[int, str], int] = field(default_factory=lambda: defaultdict(int))
    layers: list[tuple[int, str, int]] = field(default_factory=list)


def linked_groups(moves: list[Move]) -> dict[int, list[Move]]:
    """Transformations whose OUTs all sort before their INs, with pieces on both sides."""
    groups: dict[int, list[Move]] = defaultdict(list)
    for move in moves:
        if move.transformation is not None and move.order is None and move.pieces:
            groups[move.transformation].append(move)
    linked = {}
    for number, group in groups.items():
        outs = [place for place, move in enumerate(group) if move.direction == "out"]
        ins = [place for place, move in enumerate(group) if move.direction == "in"]
        if outs and ins and max(outs) < min(ins):
            linked[number] = group
    return linked


def weights(outputs: list[Move]) -> dict[int, Decimal]:
    """The share of each IN in what left."""
    prices = [move.price for move in outputs]
    by_price = [
        price * move.pieces for price, move in zip(prices, outputs, strict=True) if price is not None and price >= 0
    ]
    if len(by_price) < len(outputs) or sum(by_price) <= 0:
        by_price = [Decimal(move.pieces) for move in outputs]
    return {move.id: share / sum(by_price) for move, share in zip(outputs, by_price, strict=True)}


def replay_order(moves: list[Move]) -> list[Move]:
    """By time, then id; but an IN of a transformation waits for its group's last OUT of the same time."""
    by_time = sorted(moves, key=lambda move: (move.at, move.id))
    legs = [move for move in by_time if move.transformation is not None and move.order is None and move.pieces]
    last_out = {move.transformation: move for move in legs if move.direction == "out"}
    waiting: dict[int, list[Move]] = defaultdict(list)
    for move in legs:
        out = last_out.get(move.transformation)
        if move.direction == "in" and out is not None and move.at == out.at and move.id < out.id:
            waiting[out.id].append(move)
    late = {move.id for behind in waiting.values() for move in behind}
    ordered = []
    for move in by_time:
        if move.id not in late:
            ordered += [move, *waiting[move.id]]
    return ordered


def line_prices(moves: list[Move], lines: Lines) -> dict[int, Decimal]:
    """What the lines of their receivings say of movements in replay order: one piece after the other takes its line."""
    costs = {}
    stacks = {key: [line for line in several for _ in range(line.pieces)] for key, several in lines.items()}
    for move in moves:
        if move.direction == "out" or move.receiving is None or (move.receiving, move.variant) not in lines:
            continue
        key = move.receiving, move.variant
        last_priced = [line for line in lines[key] if line.price is not None and line.price >= 0][-1:]
        stack = stacks[key]
        of = [stack.pop(0) if stack else None for _ in range(move.pieces)]
        prices = [line.price for line in [line or (last_priced or [None])[0] for line in of] if line]
        priced = [price for price in prices if price is not None and price >= 0]
        if priced:
            costs[move.id] = sum(priced, ZERO) / len(priced)
    return costs


def in_proportion(some: int, of: int, among: int) -> int:
    """Pieces of unknown cost among some, rounded up."""
    return math.ceil(Fraction(some * among, of))


def books(moves: list[Move], method: str, basis: str, defaults: Defaults, lines: Lines | None = None) -> Books:
    """Replay ``moves``. ``defaults``: versions of a variant's default cost, (from day, price)."""
    with localcontext(Context(prec=50)):
        return _Run(method, basis, defaults, lines or {}).books(replay_order(moves))


class _Run:
    def __init__(self, method: str, basis: str, defaults: Defaults, lines: Lines) -> None:
        self.method, self.basis, self.defaults, self.lines = method, basis, defaults, lines
        self.out = Books()
        self.pools: dict[tuple[int, str], Pool] = defaultdict(Pool)
        self.receipt: dict[int, tuple[Decimal, Decimal]] = {}
        self.orders: dict[tuple[str, int], Taken] = defaultdict(Taken)
        self.transformed: dict[int, Taken] = defaultdict(Taken)
        self.fixed: dict[int, Taken] = {}
        self.moves: dict[int, Move] = {}
        self.issue_missing: dict[int, int] = defaultdict(int)
        self.was_short: set[int] = set()

    def books(self, moves: list[Move]) -> Books:
        groups = linked_groups(moves)
        self.line_price = line_prices(moves, self.lines)
        self.linked = {move.id: number for number, group in groups.items() for move in group}
        self.weight = {
            key: share
            for group in groups.values()
            for key, share in weights([move for move in group if move.direction == "in"]).items()
        }
        for move in moves:
            self.moves[move.id] = move
            self.out.source[move.id] = None
            if move.pieces == 0:
                continue
            if move.direction == "in":
                self.receive(move)
            else:
                self.issue(move)
            for pool in POOLS:
                if move.of(pool):
                    self.write(move, pool)
        for (variant, name), pool in self.pools.items():
            self.out.layers += [(layer.receipt, name, layer.left) for layer in pool.layers]
            self.out.slices += [(shortage.issue, None, name, shortage.left) for shortage in pool.shortages]
            del variant
        for move in moves:
            if move.pieces and move.direction == "out":
                self.out.source[move.id] = self.issue_source(move)
        return self.out

    def issue_source(self, move: Move) -> str:
        open_ones = {shortage.issue for pool in self.pools.values() for shortage in pool.shortages}
        if self.issue_missing[move.id]:
            return "missing"
        if move.id in open_ones:
            return "provisional"
        return "settled" if move.id in self.was_short else "stock"

    def write(self, move: Move, name: str) -> None:
        pool = self.pools[move.variant, name]
        value = (
            sum((layer.left * layer.cost for layer in pool.layers), ZERO)
            if self.method == FIFO
            else pool.average * pool.on_hand
        ) - sum((shortage.left * shortage.rate for shortage in pool.shortages), ZERO)
        self.out.balance[move.variant, name, move.day] = (pool.pieces, value, pool.missing, pool.all_unknown)

    def default_cost(self, variant: int, day: int) -> Decimal | None:
        versions = self.defaults.get(variant, [])
        in_force = [price for since, price in versions if since <= day]
        return in_force[-1] if in_force else versions[0][1] if versions else None

    def stated_cost(self, move: Move) -> tuple[str, Decimal]:
        if move.price is not None and move.price >= 0:
            return "price", move.price
        if move.id in self.line_price:
            return "receiving_line", self.line_price[move.id]
        if move.variant in self.receipt:
            return "last_receipt", self.receipt[move.variant][1]
        default = self.default_cost(move.variant, move.day)
        return ("missing", ZERO) if default is None else ("default_cost", default)

    def cost_of_receipt(self, move: Move) -> tuple[str, Decimal, bool]:
        """Source, cost of a piece, and whether some of it is unknown under the average."""
        extra = (move.extra or ZERO) if self.basis == LANDED else ZERO
        if move.order is not None:
            taken = self.orders[move.order, move.variant]
            linked = min(move.pieces, taken.pieces - taken.returned)
            source, cost = ("order", ZERO) if linked == move.pieces else self.stated_cost(move)
            whole = cost * (move.pieces - linked)
            unknown = source == "missing"
            if linked:
                still_out = taken.pieces - taken.returned
                back = max(ZERO, (taken.cost - taken.taken_back) / still_out) * linked
                taken.taken_back += back
                whole += back
                unknown = unknown or taken.unknown > 0
                source = "missing" if taken.missing else source
            taken.returned += linked
            return source, whole / move.pieces, unknown
        if move.id in self.linked:
            number = self.linked[move.id]
            if number not in self.fixed:
                self.fixed[number] = replace(self.transformed[number])
            source = "missing" if self.transformed[number].missing else "transformation"
            cost = self.fixed[number].cost * self.weight[move.id] / move.pieces + extra
            return source, cost, self.transformed[number].unknown > 0
        source, cost = self.stated_cost(move)
        if source in ("price", "receiving_line"):
            self.receipt[move.variant] = (cost + (move.extra or ZERO), cost)
        return source, cost + extra, source == "missing"

    def receive(self, move: Move) -> None:
        source, cost, unknown = self.cost_of_receipt(move)
        self.out.source[move.id], self.out.unit_cost[move.id] = source, cost
        missing = source == "missing"
        for name in POOLS:
            left = move.of(name)
            if not left:
                continue
            self.out.received[move.id, name] = cost * left
            pool = self.pools[move.variant, name]
            was_short = bool(pool.shortages)
            while left and pool.shortages:
                shortage = pool.shortages[0]
                pieces = min(left, shortage.left)
                self.settle(shortage, name, move, pieces, cost, missing, unknown)
                left -= pieces
                shortage.left -= pieces
                if not shortage.left:
                    pool.shortages.pop(0)
            if was_short and not pool.shortages and not missing:
                pool.last_cost, pool.last_unknown = cost, Fraction(int(unknown))
            if left:
                on_hand = pool.on_hand
                pool.average_is_known = not missing or (on_hand > 0 and pool.average_is_known)
                pool.average = (pool.average * on_hand + cost * left) / (on_hand + left)
                pool.layers.append(Layer(move.id, left, cost, missing))
                pool.unknown += left if unknown else 0

    def settle(
        self, shortage: Shortage, name: str, receipt: Move, pieces: int, cost: Decimal, missing: bool, unknown: bool
    ) -> None:
        amount = pieces * (cost - shortage.rate)
        change = pieces * (int(missing) - int(shortage.missing))
        still = in_proportion(shortage.unknown, shortage.left, shortage.left - pieces)
        unknown_change = pieces * int(unknown) - (shortage.unknown - still)
        shortage.unknown = still
        self.out.unknown[shortage.issue, name] += unknown_change
        self.out.settlement[shortage.issue, name] += amount
        self.out.slices.append((shortage.issue, receipt.id, name, pieces))
        issue = self.moves[shortage.issue]
        self.issue_missing[issue.id] += change
        if issue.order is not None:
            self.orders[issue.order, issue.variant].cost += amount
            self.orders[issue.order, issue.variant].missing += change
            self.orders[issue.order, issue.variant].unknown += unknown_change
        if issue.id in self.linked:
            self.transformed[self.linked[issue.id]].cost += amount
            self.transformed[self.linked[issue.id]].missing += change
            self.transformed[self.linked[issue.id]].unknown += unknown_change

    def issue(self, move: Move) -> None:
        whole = ZERO
        for name in POOLS:
            if move.of(name):
                self.out.cogs[move.id, name] = self.issue_from(self.pools[move.variant, name], move, name)
                whole += self.out.cogs[move.id, name]
        self.out.unit_cost[move.id] = whole / move.pieces
        for taken in self.takers(move):
            taken.pieces += move.pieces
            taken.cost += whole
            taken.missing += self.issue_missing[move.id]
            taken.unknown += sum(self.out.unknown[move.id, name] for name in POOLS)

    def takers(self, move: Move) -> list[Taken]:
        if move.order is not None:
            return [self.orders[move.order, move.variant]]
        return [self.transformed[self.linked[move.id]]] if move.id in self.linked else []

    def issue_from(self, pool: Pool, move: Move, name: str) -> Decimal:
        left = move.of(name)
        cogs = ZERO
        on_hand, unknown = pool.on_hand, pool.unknown
        if on_hand and pool.average_is_known:
            pool.last_unknown = Fraction(unknown, on_hand)
            if self.method == AVERAGE:
                pool.last_cost = pool.average
        if on_hand:
            taken = min(left, on_hand)
            self.out.unknown[move.id, name] += in_proportion(unknown, on_hand, taken)
            pool.unknown = in_proportion(unknown, on_hand, on_hand - taken)
        while left and pool.layers:
            layer = pool.layers[0]
            pieces = min(left, layer.left)
            cogs += pieces * (layer.cost if self.method == FIFO else pool.average)
            self.out.slices.append((move.id, layer.receipt, name, pieces))
            if layer.missing:
                self.issue_missing[move.id] += pieces
            elif self.method == FIFO:
                pool.last_cost = layer.cost
            left -= pieces
            layer.left -= pieces
            if not layer.left:
                pool.layers.pop(0)
        if left:
            rate = self.provisional(pool, move)
            owed = left if rate is None else math.ceil(pool.last_unknown * left)
            pool.last_cost = pool.last_cost if rate is None else rate
            pool.shortages.append(Shortage(move.id, left, rate or ZERO, rate is None, owed))
            self.out.unknown[move.id, name] += owed
            self.was_short.add(move.id)
            self.issue_missing[move.id] += left if rate is None else 0
            cogs += left * (rate or ZERO)
        return cogs

    def provisional(self, pool: Pool, move: Move) -> Decimal | None:
        if pool.last_cost is not None:
            return pool.last_cost
        if move.variant in self.receipt:
            return self.receipt[move.variant][0 if self.basis == LANDED else 1]
        return self.default_cost(move.variant, move.day)

"""The answer in sentences: figures that add up as they are written, and in words what is not known."""

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from math import floor

from babel import Locale
from babel.numbers import format_decimal, format_percent

from stockbook.morning.answer import Answer, PromiseAnswer, StockAnswer
from stockbook.morning.texts import Texts
from stockbook.morning.written import day_of, points_of, signed, whole_money

# more would be a table
PARTS_SHOWN = 4


def sentences(answer: Answer, currency: str, texts: Texts, locale: Locale) -> list[str]:
    """What the stock is worth and why, and whether orders left on time."""
    return [_stock(answer.stock, currency, texts, locale), _promise(answer.promise, texts, locale)]


def add_up(amounts: Sequence[Decimal], total: int) -> list[int]:
    """Whole amounts that add up to ``total``, each less than one off: the largest fractions are rounded up."""
    whole = [floor(amount) for amount in amounts]
    by_fraction = sorted(range(len(amounts)), key=lambda number: whole[number] - amounts[number])
    for number in by_fraction[: total - sum(whole)]:
        whole[number] += 1
    return whole


def _stock(stock: StockAnswer, currency: str, texts: Texts, locale: Locale) -> str:
    day = day_of(stock.day, texts.of_words)
    if stock.value is None:
        return texts("answer.stock.unknown", day=day)
    value = whole_money(stock.value, currency, locale)
    if stock.change is None:
        return texts("answer.stock.first", day=day, value=value)
    change = int(stock.change.quantize(Decimal(1), ROUND_HALF_UP))
    parts = _parts(stock, change, texts, locale)
    if not change:
        return texts("answer.stock.same", day=day, value=value, parts=parts)
    key = "answer.stock.more" if change > 0 else "answer.stock.less"
    return texts(key, day=day, value=value, change=whole_money(abs(change), currency, locale), parts=parts)


def _parts(stock: StockAnswer, change: int, texts: Texts, locale: Locale) -> str:
    largest = sorted(stock.parts.items(), key=lambda part: -abs(part[1]))
    named = dict(largest[:PARTS_SHOWN])
    rest = stock.rest + sum((gained for _, gained in largest[PARTS_SHOWN:]), Decimal(0))
    amounts = [*named.values(), *([rest] if rest else [])]
    names = [texts.code("happened", happened) for happened in named] + [texts("happened.rest")]
    rounded = zip(names, add_up(amounts, change), strict=False)
    written = [f"{name}\xa0{signed(whole, locale)}" for name, whole in rounded if whole]
    return texts("answer.stock.parts", parts=", ".join(written)) if written else texts("answer.stock.no_parts")


def _promise(promise: PromiseAnswer, texts: Texts, locale: Locale) -> str:
    day = day_of(promise.day, texts.of_words)
    if not promise.due:
        return texts("answer.promise.none", day=day)
    states = dict(promise.states)
    # of what no state is known the rest is named, as of the stock
    states["other"] = promise.due - (promise.on_time or 0) - sum(states.values())
    listed = ", ".join(
        f"{texts.code('state', state)}\xa0{format_decimal(count, locale=locale)}"
        for state, count in states.items()
        if count
    )
    words = {
        "day": day,
        "due": texts("count.orders", n=promise.due, count=format_decimal(promise.due, locale=locale)),
        "states": texts("answer.promise.states", states=listed) if listed else "",
    }
    if promise.rate is None:
        return texts("answer.promise.undecided", **words)
    return texts(
        "answer.promise",
        on_time=format_decimal(promise.on_time or 0, locale=locale),
        rate=_percent(promise.rate, locale),
        range=_range(promise, texts, locale),
        compared=_compared(promise, texts, locale),
        **words,
    )


def _range(promise: PromiseAnswer, texts: Texts, locale: Locale) -> str:
    if promise.sure is None or promise.possible is None or promise.sure == promise.possible:
        return ""
    sure, possible = _percent(promise.sure, locale), _percent(promise.possible, locale)
    return texts("answer.promise.range", sure=sure, possible=possible)


def _compared(promise: PromiseAnswer, texts: Texts, locale: Locale) -> str:
    if promise.rate is None or promise.before is None:
        return texts("answer.promise.before_unknown")
    gained = promise.rate - promise.before
    if not gained.quantize(Decimal("0.001"), ROUND_HALF_UP):
        return texts("answer.promise.as_before")
    key = "answer.promise.more" if gained > 0 else "answer.promise.less"
    return texts(key, points=points_of(gained, locale))


def _percent(share: Decimal, locale: Locale) -> str:
    return str(format_percent(share, "#,##0.0\xa0%", locale=locale))

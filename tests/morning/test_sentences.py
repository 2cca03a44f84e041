"""The answer in sentences: what is written adds up, and what is not known is said."""

import random
from datetime import date
from decimal import Decimal

import msgspec
import pytest
from babel import Locale
from full_summary import answer

from stockbook.morning.answer import Answer, PromiseAnswer, StockAnswer
from stockbook.morning.sentences import add_up, sentences
from stockbook.morning.texts import Texts

ENGLISH, CZECH = Locale.parse("en_GB"), Locale.parse("cs_CZ")
DAY = date(2026, 2, 28)


def said(of: Answer, locale: Locale = ENGLISH) -> list[str]:
    """The sentences, with plain blanks."""
    return [sentence.replace("\xa0", " ") for sentence in sentences(of, "CZK", Texts(locale), locale)]


def test_the_answer_names_every_part_and_the_rest() -> None:
    """Worth, change, its parts largest first, and what no part explains; orders in every state, and the range."""
    assert said(answer()) == [
        "Stock was worth CZK 1,507,367 at the end of Sat 28 Feb, CZK 16,480 less than the day before: "
        "issues -21,004, receipts +4,527, the rest -3.",
        "Of 222 orders due in the 7 days to Sat 28 Feb, 200 left on time: 93.0 % of those decided, between 91.0 % and "
        "94.0 % as far as is known, 3.0 percentage points more than in the 7 days before. The others: late 12, "
        "overdue 3, not due yet 1, cancelled before they were due 2, not known 4.",
    ]
    assert said(answer(), CZECH)[0] == (
        "Sklad měl na konci dne so 28. 2. hodnotu 1 507 367 Kč, o 16 480 Kč nižší než den předtím: "
        "výdeje -21 004, příjmy +4 527, zbytek -3."
    )


@pytest.mark.parametrize(
    ("stock", "text"),
    [
        ({"value": None}, "What stock was worth at the end of Sat 28 Feb is not known."),
        ({"change": None}, "CZK 1,507,367 at the end of Sat 28 Feb; what it was worth the day before is not known."),
        ({"change": Decimal(0), "parts": {}, "rest": Decimal(0)}, "as the day before: nothing moved."),
        ({"change": Decimal("0.3"), "parts": {"find": Decimal("0.3")}, "rest": Decimal(0)}, "nothing moved."),
        (
            {"change": Decimal(5), "parts": {"receipt": Decimal(9), "damage": Decimal(-4)}, "rest": Decimal(0)},
            "CZK 5 more than the day before: receipts +9, damaged goods -4.",
        ),
        (
            {
                "change": Decimal(7),
                "parts": {
                    kind: Decimal(1) for kind in ("find", "return", "damage", "receipt", "opening", "settlement")
                },
                "rest": Decimal(1),
            },
            "finds +1, returns +1, damaged goods +1, receipts +1, the rest +3.",
        ),
    ],
)
def test_stock_that_nobody_knows_or_that_did_not_move(stock: dict[str, object], text: str) -> None:
    """Unknown is said as unknown; more parts than four are the rest."""
    assert said(msgspec.structs.replace(answer(), stock=_with(answer().stock, stock)))[0].endswith(text)


@pytest.mark.parametrize(
    ("promise", "text"),
    [
        ({"due": 0}, "No order was due in the 7 days to Sat 28 Feb."),
        ({"due": None, "on_time": None, "states": {}, "rate": None}, "No order was due in the 7 days to Sat 28 Feb."),
        (
            {"rate": None, "on_time": 0, "due": 4, "states": {"unknown": 4}},
            "whether it left on time. The others: not known 4.",
        ),
        ({"before": None}, "; the rate of the 7 days before is not known. The others"),
        ({"before": Decimal("0.9301")}, ", as in the 7 days before."),
        ({"before": Decimal("0.98")}, "5.0 percentage points less than in the 7 days before."),
        ({"sure": Decimal("0.93"), "possible": Decimal("0.93")}, "93.0 % of those decided, 3.0 percentage points more"),
        ({"due": 1, "on_time": 1, "states": {}}, "Of 1 order due in the 7 days to Sat 28 Feb, 1 left on time"),
        ({"states": {"late": 12}}, "The others: late 12, other 10."),
    ],
)
def test_a_promise_that_is_not_decided_is_said_so(promise: dict[str, object], text: str) -> None:
    """No order, none decided, no week before; the states and on time are all orders due."""
    assert text in said(msgspec.structs.replace(answer(), promise=_with(answer().promise, promise)))[1]


def test_whole_amounts_add_up_to_the_whole_total() -> None:
    """However the parts fall, each is less than one off and their sum is the total as it is written."""
    drawn = random.Random(7)
    for _ in range(500):
        amounts = [Decimal(drawn.randint(-(10**7), 10**7)) / 1000 for _ in range(drawn.randint(1, 6))]
        total = round(sum(amounts))
        whole = add_up(amounts, total)
        assert sum(whole) == total
        assert all(abs(part - amount) < 1 for part, amount in zip(whole, amounts, strict=True))


def _with(part: StockAnswer | PromiseAnswer, changed: dict[str, object]) -> object:
    return msgspec.structs.replace(part, **changed)

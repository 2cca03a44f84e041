"""What polls and movements allow to claim, against orders whose whole life is known."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import proof_size
import pytest
from order_rows import Orders, Seen, at, policy_folder

from stockbook.sla.calendar import public_holidays

START = at("2025-04-14 07:00")  # the week before Easter
NIGHTS = [at("2025-04-15 02:15") + timedelta(days=number) for number in range(16)]
NOW = NIGHTS[-1]
HOLIDAYS = set(public_holidays("CZ", START.date(), at("2025-12-31").date()))


@dataclass(frozen=True)
class Life:
    """What really happened to an order: (when, status, on hold) in order of time, and when its goods left."""

    steps: list[tuple[datetime, str, bool]]
    waits_end: datetime
    left: datetime | None
    cancelled: datetime | None
    waited: bool

    def at(self, moment: datetime) -> tuple[str, bool]:
        """Status and hold at a moment not before the creation."""
        _, status, is_on_hold = [step for step in self.steps if step[0] <= moment][-1]
        return status, is_on_hold


def a_life(chance: Random) -> Life:
    """
    An order that may be held, wait for stock, leave, be delivered or be cancelled; minutes apart or days.

    What is delivered may come back for an exchange, which is held and waits days later.
    """

    def pause() -> timedelta:
        return timedelta(minutes=chance.choice([chance.randint(1, 60), chance.randint(60, 4 * 24 * 60)]))

    moment = START + timedelta(minutes=chance.randint(0, 3 * 24 * 60))
    steps = []
    waited = False
    for status, is_on_hold in (("created", True), ("waiting_for_storage", False)):
        if chance.random() < 0.3:
            steps.append((moment, status, is_on_hold))
            moment += pause()
            waited = True
    waits_end = moment
    steps.append((moment, "in_expedition", False))
    moment += pause()
    end = chance.choice(["leaves", "leaves", "leaves", "cancelled", "stays"])
    if end == "cancelled":
        steps.append((moment, "cancelled", False))
        return Life(steps, waits_end, None, moment, waited)
    if end == "stays":
        return Life(steps, waits_end, None, None, waited)
    left = moment
    for status in ("packed", "sent", "delivered"):
        steps.append((moment, status, False))
        moment += pause()
    if chance.random() < 0.3:
        for status, is_on_hold in (("created", chance.random() < 0.5), ("waiting_for_storage", False)):
            moment += timedelta(days=1)
            steps.append((moment, status, is_on_hold))
    return Life(steps, waits_end, left, None, waited)


def due(eligible: datetime) -> datetime:
    """Due time by counting days one by one (local; no clock changes in these weeks)."""
    day = eligible.date()

    def works() -> bool:
        return day.weekday() < 5 and day not in HOLIDAYS

    if not works() or eligible.hour >= 12:
        day += timedelta(days=1)
        while not works():
            day += timedelta(days=1)
    return datetime.combine(day, at("2025-01-01 18:00").time())


def truth(life: Life) -> str:
    """The state of an order as of NOW, all being known."""
    promised = due(life.waits_end)
    if life.left is not None and life.left <= NOW:
        return "on_time" if life.left <= promised else "late"
    if life.cancelled is not None and life.cancelled <= NOW:
        return "excluded" if life.cancelled <= promised else "late"
    if life.waits_end > NOW:
        return "pending"
    return "overdue" if promised < NOW else "pending"


def as_polled(life: Life) -> list[Seen]:
    """What a poll every night saw."""
    seen: list[Seen] = []
    for night in NIGHTS:
        if night >= life.steps[0][0]:
            status, is_on_hold = life.at(night)
            if seen and (seen[-1].status, seen[-1].on_hold) == (status, is_on_hold):
                seen[-1].last = night.isoformat()
            else:
                seen.append(Seen(status, night.isoformat(), on_hold=is_on_hold))
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, proof_size.of(ci=1, proof=100) + 1))
def test_what_is_claimed_is_true(tmp_path: Path, seed: int) -> None:
    """With widen every claim is the truth; by default it is for every order that never waited, and all are claimed."""
    chance = Random(seed)
    histories = [a_life(chance) for _ in range(300)]
    orders = Orders()
    for number, life in enumerate(histories):
        out = life.left.isoformat() if life.left is not None and life.left <= NOW else None
        orders.order(f"o{number}", life.steps[0][0].isoformat(), *as_polled(life), out=out)
    really = {f"o{number}": truth(life) for number, life in enumerate(histories)}
    never_waited = {f"o{number}" for number, life in enumerate(histories) if not life.waited}
    folder = policy_folder(tmp_path, unseen_waits="widen")

    widened = orders.fulfillment(NOW.isoformat(), folder)
    assumed = orders.fulfillment(NOW.isoformat())

    def claims(fulfillments: dict[str, dict[str, object]]) -> dict[str, object]:
        return {name: row["sla_state"] for name, row in fulfillments.items() if row["sla_state"] != "unknown"}

    assert claims(widened) == {name: really[name] for name in claims(widened)}
    by_default = {name: state for name, state in claims(assumed).items() if name in never_waited}
    assert by_default == {name: really[name] for name in by_default}
    left = {name for name in never_waited if really[name] in ("on_time", "late") and assumed[name]["dispatch_at_utc"]}
    assert left <= set(by_default)
    impossible = {
        name: (really[name], row["could_be_on_time"], row["could_be_late"])
        for name, row in widened.items()
        if (really[name] == "on_time" and not row["could_be_on_time"])
        or (really[name] in ("late", "overdue") and not row["could_be_late"])
    }
    assert impossible == {}

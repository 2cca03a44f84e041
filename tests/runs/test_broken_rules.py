"""What `stockbook check` and the report of a run say of rules that do not hold."""

from stockbook.runs.check_outcome import Outcome
from stockbook.runs.report import broken


def outcome(success: bool | None, severity: str) -> Outcome:
    """A rule over places, asked: two rows break it, of which two are named."""
    keys = [{"account": "main", "place_id": number} for number in (7, 8)] if success is False else []
    return Outcome("marts.dim_delivery_place", "a place has a town", severity, success, "2 rows", 2, keys, None)


def test_a_warning_is_told_like_a_failure() -> None:
    """What holds, and what had nothing to check, is not told."""
    said = broken([outcome(True, "fail"), outcome(False, "warn"), outcome(None, "warn")])

    keys = "account=main, place_id=7; account=main, place_id=8"
    assert said == [f"warn: marts.dim_delivery_place: a place has a town: 2 rows (e.g. {keys})"]

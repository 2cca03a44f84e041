"""Before set-up is complete nothing is red; once there are books, what is missing is."""

from pathlib import Path

import pytest
from night_rig import KEY

from stockbook.orchestration.readiness import missing_for_a_drain, missing_for_a_night
from stockbook.settings import Settings


@pytest.mark.parametrize(
    ("key", "conn_ids", "night_waits_for", "drain_waits_for"),
    [
        ("", [], ["the key", "a connection"], ["the key", "a connection"]),
        (KEY, [], ["a connection"], ["a connection"]),
        ("", ["fulfillment_cz"], ["the key"], ["the key"]),
        (KEY, ["flickrocket"], ["a connection"], []),
        (KEY, ["shopline__b"], ["a connection"], []),
        (KEY, ["fulfillment_cz__second"], [], []),
        (KEY, ["fulfillment_cz", "flickrocket"], [], []),
    ],
)
def test_what_a_first_run_waits_for(
    tmp_path: Path, key: str, conn_ids: list[str], night_waits_for: list[str], drain_waits_for: list[str]
) -> None:
    """Each missing part is named with its next step; with books in the home nothing is skipped any more."""
    settings = Settings.load({"STOCKBOOK_HOME": str(tmp_path), "STOCKBOOK_HASH_KEY": key})
    night, drain = (missing(settings, lambda: conn_ids) for missing in (missing_for_a_night, missing_for_a_drain))

    for missing, expected in ((night, night_waits_for), (drain, drain_waits_for)):
        assert (missing is None) == (not expected)
        assert [part for part in ("the key", "a connection") if missing and f"{part} " in missing] == expected
        assert missing is None or "stockbook doctor" in missing

    (tmp_path / "landing").mkdir()
    assert missing_for_a_night(settings, lambda: conn_ids) is None
    assert missing_for_a_drain(settings, lambda: conn_ids) is None

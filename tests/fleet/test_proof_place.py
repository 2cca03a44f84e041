"""What a proof lays on a disk does not outlive it."""

from pathlib import Path

from stockbook.fleet import proof_place


def test_what_a_killed_proof_left_is_removed_and_what_another_searches_is_not(tmp_path: Path) -> None:
    """Whoever comes next removes the one, and leaves the other and the homes."""
    (tmp_path / "main").mkdir()
    (tmp_path / "proof-killed" / "store").mkdir(parents=True)
    with proof_place.opened(tmp_path) as place:
        (place / "book").touch()

        proof_place.discard_left(tmp_path)

        assert {path.name for path in tmp_path.iterdir()} == {"main", place.name}
        assert (place / "book").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["main"]

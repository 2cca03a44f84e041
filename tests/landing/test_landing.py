"""Pages on disk: whole, verified, and kept from one attempt of a night to the next."""

from pathlib import Path

import pytest

from stockbook.errors import LandingDamaged
from stockbook.landing.earlier_pages import ANSWERED
from stockbook.landing.folder import ListingFolder, Part, landed
from stockbook.landing.manifest import MANIFEST, Manifest, read_manifest
from stockbook.landing.pages import read_page, verify

ASKED = {"floor": "0"}


def folder(tmp_path: Path, **parameters: str) -> ListingFolder:
    return ListingFolder(tmp_path / "night" / "main" / "api.things", {**ASKED, **parameters}, "2025-03-03 08:00:00")


def commit(part: Part, rows: int = 1) -> None:
    part.commit(rows=rows, distinct_keys=rows, promised_total=rows, proof="totalCount")


def finished(tmp_path: Path) -> tuple[Path, Manifest]:
    place = folder(tmp_path)
    part = place.part("whole")
    part.write(b'{"id":1}\n', 1)
    part.write(b'{"id":2}\n', 1)
    commit(part, 2)
    return place.path, place.finish(api="api", listing="things", proof="totalCount")


def test_a_page_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    """Two pages, their rows and a manifest that says complete; the journal is kept as what was answered."""
    path, manifest = finished(tmp_path)

    assert [read_page(path, page) for page in manifest.pages] == [b'{"id":1}\n', b'{"id":2}\n']
    assert sorted(file.name for file in path.iterdir()) == [
        ANSWERED,
        MANIFEST,
        "page-00001.ndjson.zst",
        "page-00002.ndjson.zst",
    ]
    assert read_manifest(path) == manifest
    assert (manifest.night, manifest.account, manifest.rows) == ("night", "main", 2)


@pytest.mark.parametrize("damage", ["flipped", "short", "missing"])
def test_a_damaged_page_is_not_loaded(tmp_path: Path, damage: str) -> None:
    """A byte changed, bytes cut off, a file gone: each is one sentence that says what to do."""
    path, manifest = finished(tmp_path)
    file = path / manifest.pages[1].file
    content = file.read_bytes()
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(content[:-1] + (bytes([content[-1] ^ 1]) if damage == "flipped" else b""))

    with pytest.raises(LandingDamaged, match=r"page-00002.*run the night again"):
        verify(path, manifest)


def test_a_damaged_manifest_is_told(tmp_path: Path) -> None:
    """A manifest that is no JSON of ours is not taken for a missing one."""
    path, _ = finished(tmp_path)
    (path / MANIFEST).write_bytes(b'{"complete": tru')

    with pytest.raises(LandingDamaged, match="cannot be read"):
        read_manifest(path)


def test_complete_parts_outlive_a_killed_night(tmp_path: Path) -> None:
    """What was committed is kept; pages of the part that was being read are removed."""
    place = folder(tmp_path)
    done, begun = place.part("2025-03-01"), place.part("2025-03-02")
    done.write(b'{"id":1}\n', 1)
    begun.write(b'{"id":2}\n', 1)
    commit(done)

    again = folder(tmp_path)

    assert list(again.units) == ["2025-03-01"]
    assert sorted(file.name for file in again.path.iterdir()) == ["journal.ndjson", "page-00001.ndjson.zst"]
    later = again.part("2025-03-02")
    later.write(b'{"id":2}\n', 1)
    assert [page.file for page in later.pages] == ["page-00002.ndjson.zst"]


def test_a_line_cut_off_in_the_journal_costs_only_its_part(tmp_path: Path) -> None:
    """A kill in the middle of recording a part leaves that part unread, not the folder unreadable."""
    place = folder(tmp_path)
    for name in ("a", "b"):
        part = place.part(name)
        part.write(b'{"id":1}\n', 1)
        commit(part)
    journal = place.path / "journal.ndjson"
    journal.write_bytes(journal.read_bytes()[:-10])

    again = folder(tmp_path)

    assert list(again.units) == ["a"]
    part = again.part("b")
    commit(part, 0)
    assert list(folder(tmp_path).units) == ["a", "b"]


def test_parts_of_another_plan_are_not_kept(tmp_path: Path) -> None:
    """Pages answer the parameters they were read for."""
    part = folder(tmp_path).part("a")
    part.write(b'{"id":1}\n', 1)
    commit(part)

    assert not folder(tmp_path, floor="7").units


def test_a_damaged_part_is_read_again(tmp_path: Path) -> None:
    """A page that changed since it was committed takes its part with it."""
    place = folder(tmp_path)
    part = place.part("a")
    part.write(b'{"id":1}\n', 1)
    commit(part)
    (place.path / part.pages[0].file).write_bytes(b"x")

    assert not folder(tmp_path).units


def test_a_discarded_part_leaves_nothing(tmp_path: Path) -> None:
    """When a walk begins anew, the pages of its first pass are void."""
    place = folder(tmp_path)
    part = place.part("whole")
    part.write(b'{"id":1}\n', 1)
    part.discard()
    part.write(b'{"id":2}\n', 1)
    commit(part)
    manifest = place.finish(api="api", listing="things", proof="totalCount")

    assert [read_page(place.path, page) for page in manifest.pages] == [b'{"id":2}\n']
    assert len(list(place.path.glob("page-*"))) == 1


def test_a_landed_listing_is_taken_only_for_the_same_question(tmp_path: Path) -> None:
    """A manifest answers its own parameters; a damaged one is read again, and that is noted."""
    path, manifest = finished(tmp_path)
    notes: list[str] = []

    assert landed(path, ASKED, notes.append) == manifest
    assert landed(path, {"floor": "7"}, notes.append) is None
    assert not notes
    (path / manifest.pages[0].file).unlink()
    assert landed(path, ASKED, notes.append) is None
    assert "read again" in notes[0]

"""Landed listings written anew: rows without what may not stay, and every proof of the manifest as it was."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from stockbook.landing.answer_journal import Answer
from stockbook.landing.earlier_pages import ANSWERED, earlier_answers
from stockbook.landing.folder import JOURNAL, ListingFolder
from stockbook.landing.manifest import MANIFEST, Undeclared, read_manifest
from stockbook.landing.pages import lines_of, link_page, read_page, verify
from stockbook.landing.rewriting import Rewriting

PARAMETERS = {"declarations": "d", "hash_key": "k", "projection": "3"}


def listing(place: Path, night: str, rows: list[list[str]], finish: bool = True) -> Path:
    """A landed listing with a page for each list of rows, all of them in one part with their answers."""
    path = place / night / "main" / "fulfillment_cz.orders"
    folder = ListingFolder(path, PARAMETERS, "2026-03-01 02:15:00")
    part = folder.part("whole")
    for number, names in enumerate(rows):
        page = part.write(b"".join(json.dumps({"who": name}).encode() + b"\n" for name in names), len(names))
        undeclared = [Undeclared("contact.#0123456789ab", "string", 1)]
        folder.record(
            Answer(
                part="whole", offset=number, keys=[*names], total=9, page=page, body=f"b{number}", undeclared=undeclared
            )
        )
    part.undeclared.update({("contact.#0123456789ab", "string"): 1})
    part.commit(rows=9, distinct_keys=9, promised_total=9, proof="totalCount")
    if finish:
        folder.finish(api="fulfillment_cz", listing="orders", proof="totalCount")
    return path


def without_anna(before_writing: Callable[[], object] = lambda: None) -> Rewriting:
    """A rewriting that takes Anna from rows, and her name from undeclared fields."""
    return Rewriting(
        lambda line: line.replace(b"anna", b"nobody") if b"anna" in line else None,
        lambda path: "*" if path.endswith("#0123456789ab") else path,
        before_writing,
    )


def test_rows_change_and_what_was_proved_does_not(tmp_path: Path) -> None:
    """Pages, manifest and journal agree; numbers of rows, keys and totals are those that were proved."""
    path = listing(tmp_path, "2026-03-01", [["anna", "ben"], ["carl"]])
    before = read_manifest(path)
    rewriting = without_anna()

    assert rewriting.rewrite(path) == 1

    after = read_manifest(path)
    assert before is not None
    assert after is not None
    verify(path, after)
    assert list(lines_of(path, after.pages)) == [b'{"who": "nobody"}', b'{"who": "ben"}', b'{"who": "carl"}']
    assert after.undeclared == [Undeclared("*", "string", 1)]
    assert (after.rows, after.distinct_keys, after.proof) == (before.rows, before.distinct_keys, before.proof)
    assert after.pages[1] == before.pages[1]
    assert rewriting.digests == {before.pages[0].sha256: after.pages[0].sha256}
    # the next night takes the page by the digest of the answer it came in
    earlier = earlier_answers(path, PARAMETERS)["b0"]
    assert earlier.answer.page == after.pages[0]
    link_page(path, earlier.answer.page, tmp_path, 1)
    names = {file.name for file in path.iterdir()}
    assert names == {MANIFEST, ANSWERED, *(page.file for page in after.pages)}
    assert without_anna().rewrite(path) == 0
    assert {file.name for file in path.iterdir()} == names


def test_a_page_of_several_nights_stays_one_file(tmp_path: Path) -> None:
    """It was linked and not copied, and is again: the disk does not fill with what was erased."""
    first = listing(tmp_path, "2026-03-01", [["anna", "ben"]])
    second = listing(tmp_path, "2026-03-02", [["anna", "ben"]])
    rewriting = without_anna()

    assert rewriting.rewrite(first) + rewriting.rewrite(second) == 2

    pages = [next(path.glob("page-*")) for path in (first, second)]
    assert pages[0].stat().st_ino == pages[1].stat().st_ino


@pytest.mark.parametrize("step", range(3))
def test_killed_at_any_step_it_is_whole_and_done_again(
    step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the new page counts, before the journal, before the manifest: the old listing holds until then."""
    path = listing(tmp_path, "2026-03-01", [["anna", "ben"]])
    name = ("_placed", "_rewrite_journal", "write_manifest")[step]
    place = "stockbook.landing.rewriting" + ("." if name == "write_manifest" else ".Rewriting.") + name

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(place, killed)
        with pytest.raises(KeyboardInterrupt):
            without_anna().rewrite(path)

    manifest = read_manifest(path)
    assert manifest is not None
    verify(path, manifest)
    assert without_anna().rewrite(path) == 1
    manifest = read_manifest(path)
    assert manifest is not None
    assert b"anna" not in read_page(path, manifest.pages[0])
    assert len(list(path.glob("page-*"))) == 1


def test_a_listing_that_was_being_read_is_read_again(tmp_path: Path) -> None:
    """It has no manifest that could be written anew; one without the person goes on where it was."""
    with_her = listing(tmp_path, "2026-03-01", [["anna"]], finish=False)
    without = tmp_path / "2026-03-02" / "main" / "fulfillment_cz.orders"
    ListingFolder(without, PARAMETERS, "x").part("whole").write(b'{"who": "ben"}\n', 1)

    assert (without_anna().rewrite(with_her), without_anna().rewrite(without)) == (1, 0)
    assert not with_her.exists()
    assert (without / JOURNAL).exists()

"""A person who was forgotten does not come back with a backup from before."""

from datetime import timedelta
from pathlib import Path

import pytest
from backed_up import back_up, nobody
from night_rig import Rig
from shared_home import FIRST, copy_of, small_shop

from stockbook.backup import integrity
from stockbook.backup.restore import restore
from stockbook.backup.store import Folder
from stockbook.clock import ManualClock, SystemClock
from stockbook.erasure import reapply
from stockbook.erasure.forgetting import forget
from stockbook.erasure.search import Search
from stockbook.erasure.spelling import Kind, hashes
from stockbook_sandbox import people, running

pytestmark = pytest.mark.slow

NOW = SystemClock().utc().replace(microsecond=0) + timedelta(hours=1)
# in whatever zone: the second is taken two days later
OF_THE_FIRST = NOW.date() + timedelta(days=1)


def test_a_backup_from_before_is_erased_by_the_newest_list(home_after_a_night: Path, tmp_path: Path) -> None:
    """A search of every file finds nobody, and the list came from the store."""
    shop, clock = small_shop(), ManualClock(NOW)
    email = next(mail for n in shop.demand.person.tolist() if (mail := people.person(n).email))
    with running(shop, FIRST) as server:
        rig, raw, new = (Rig(server, tmp_path / name) for name in ("home", "raw", "new"))
        copy_of(home_after_a_night, rig.home)
        settings, store = rig.settings, Folder(tmp_path / "store")
        back_up(settings, store, NOW)
        forget(settings, clock, Kind.email, email)
        erased = settings.home.joinpath("erasures.jsonl").read_bytes()
        assert [text for good, text in integrity.looks(settings, clock, deep=True) if not good] == []
        back_up(settings, store, NOW + timedelta(days=2))
        search = Search([email, *hashes(email, Kind.email, settings.hash_key or b"")])
        assert search.hits(settings.home) == []

        # the backup from before still has them
        restore(raw.settings, store, clock, nobody, OF_THE_FIRST)
        assert search.hits(raw.home)
        restore(new.settings, store, clock, reapply, OF_THE_FIRST)
        assert search.hits(new.home) == []
        assert new.settings.home.joinpath("erasures.jsonl").read_bytes().startswith(erased)

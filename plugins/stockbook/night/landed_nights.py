"""
Books made again from landed pages, without asking an API.

The nights that were loaded are loaded once more, in the order in which they were read and each as of its
own moment, by the code that loads every night; observed history comes out as it was.
"""

from collections.abc import Collection
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from stockbook.declarations import Table, of_listing
from stockbook.errors import ConfigError, LandingDamaged
from stockbook.landing.manifest import MANIFEST, Manifest, read_manifest
from stockbook.night import landings
from stockbook.staging.load import Landed


class LandedNight(NamedTuple):
    """
    A night that was loaded: its folder's name, its as_of (local), when it was opened (UTC), its complete listings.

    ``whole``: it read everything of every account.
    """

    name: str
    as_of: datetime
    opened_at: datetime
    listings: list[Landed]
    whole: bool


def loaded_nights(
    landing: Path, tables: dict[str, Table], without: Collection[str] = ()
) -> tuple[list[LandedNight], list[str]]:
    """
    The nights to load again, in order, and in words what is left out.

    Folders ``without`` are as good as gone. An account begins with its first reading of everything: what came before it
    is left out, and so is a listing that no table is fed by any more. Raises ConfigError when there is no night, or no
    such reading of an account, LandingDamaged for a listing whose manifest is gone.
    """
    nights: list[LandedNight] = []
    left_out: list[str] = []
    begun: set[str] = set()
    waiting: set[str] = set()
    for name, as_of, opened_at in landings.loaded(landing):
        if name in without:
            continue
        listings: list[Landed] = []
        for account, landed in _by_account(landing / name).items():
            declared = [item for item in landed if of_listing(tables, item.manifest.api, item.manifest.listing)]
            left_out += [
                f"{name}: {account} {item.manifest.listing} feeds no table" for item in landed if item not in declared
            ]
            if account not in begun and not _is_whole(declared):
                waiting.add(account)
                left_out.append(f"{name}: {account} is not read from its beginning")
                continue
            begun.add(account)
            listings += declared
        if listings:
            nights.append(LandedNight(name, as_of, opened_at, listings, _is_whole(listings)))
    if waiting - begun or not nights:
        who = f"account {', '.join(sorted(waiting - begun))}" if waiting - begun else "any account"
        raise ConfigError(
            f"{landing} was expected to hold a loaded night that read everything of {who}, and holds none: "
            "run a night with full_refresh instead."
        )
    return nights, left_out


def reach(landing: Path, tables: dict[str, Table], without: Collection[str] = ()) -> str:
    """What books made again from the landed pages would know, and what they would not, in a sentence."""
    try:
        nights, _ = loaded_nights(landing, tables, without)
    except ConfigError:
        return (
            "landed pages: no night that read everything is left, so the books cannot be made again from them "
            "(`stockbook repair` would refuse): a backup is the way back, or a night with --full-refresh begins anew"
        )
    except LandingDamaged as error:
        return f"landed pages: the books cannot be made again from them: {error}"
    return (
        f"landed pages: {len(nights)} nights, the first as of {nights[0].as_of}; books made again from them know"
        " nothing that was observed before it, nor what webhooks reported"
    )


def _by_account(night: Path) -> dict[str, list[Landed]]:
    landed: dict[str, list[Landed]] = {}
    for folder in sorted(path for path in night.glob("*/*") if path.is_dir()):
        manifest = read_manifest(folder)
        if manifest is None:
            raise LandingDamaged(
                f"{'/'.join(folder.parts[-3:])} was loaded and its {MANIFEST} is gone: expected the landing as it was "
                "written. Bring the folder back from a backup, or run a night with full_refresh."
            )
        landed.setdefault(manifest.account, []).append(Landed(manifest, folder))
    return landed


def _is_whole(landed: list[Landed]) -> bool:
    return all(_reads_everything(item.manifest) for item in landed)


def _reads_everything(manifest: Manifest) -> bool:
    if manifest.listing == "movements":
        return not manifest.floor
    if manifest.listing in ("orders", "fulfillments"):
        return not manifest.parameters.get("orders_from")
    return True

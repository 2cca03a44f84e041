"""Modules that Great Expectations imports and no rule of ours uses are loaded at their first use."""

import sys
from pathlib import Path

import pytest

from stockbook.checks.deferred import deferred


@pytest.fixture
def parcel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a package that can be imported, and of which nothing is loaded."""
    folder = tmp_path / "some_parcel"
    folder.mkdir()
    (folder / "__init__.py").write_text("weight = 7\n\n\ndef twice():\n    return 2 * weight\n")
    (folder / "label.py").write_text("text = 'fragile'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("some_parcel", "some_parcel.label"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return "some_parcel"


def test_a_deferred_module_is_loaded_at_its_first_use(parcel: str) -> None:
    """Who imported it meanwhile has all of it then; who imports it later has the module itself."""
    with deferred(parcel):
        import some_parcel  # type: ignore[import-not-found]  # made by the fixture
    assert parcel not in sys.modules
    assert not hasattr(some_parcel, "__warningregistry__")
    assert parcel not in sys.modules

    assert (some_parcel.weight, some_parcel.twice()) == (7, 14)
    assert sys.modules[parcel] is not some_parcel
    assert sys.modules[parcel].twice is some_parcel.twice


def test_a_module_that_is_used_at_once_is_loaded_at_once(parcel: str) -> None:
    """Names and submodules can be imported of it, too."""
    with deferred(parcel):
        from some_parcel import weight
        from some_parcel.label import text

        assert (weight, text) == (7, "fragile")
    assert sys.modules[parcel].weight == 7


def test_what_is_loaded_or_not_installed_stays_as_it_is() -> None:
    """A module that somebody has is theirs; one that nobody has is missing as ever."""
    with deferred("json", "no_such_module"):
        import json

        assert json.loads("[1]") == [1]
        with pytest.raises(ModuleNotFoundError):
            import no_such_module  # type: ignore[import-not-found]  # noqa: F401  # there is none

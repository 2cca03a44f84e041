"""
The words of pages and mails: one catalogue a language, in ``texts/``; a text that is missing in one is an error.

A text is a line of YAML, or several by the plural forms that its language has (``one``, ``few``, ``other``), chosen by
the count ``n``. Names in braces are filled in. Texts for pages may hold markup; what is filled in is escaped.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from babel import Locale
from markupsafe import Markup

from stockbook import yaml_file
from stockbook.errors import DeclarationError

FOLDER = Path(__file__).parent / "texts"
FALLBACK = "en"

Text = str | dict[str, str]


class Texts:
    """The catalogue of a locale; of a language without one the English texts."""

    def __init__(self, locale: Locale, catalogue: Mapping[str, Text] | None = None) -> None:
        self.language = locale.language if (FOLDER / f"{locale.language}.yml").exists() else FALLBACK
        # names of days and months go with the words around them
        self.of_words = locale if locale.language == self.language else Locale.parse("en_GB")
        self._catalogue = catalogue if catalogue is not None else catalogue_of(self.language)

    def __call__(self, key: str, **words: object) -> str:
        """A text for mails, and for places of a page that hold no markup."""
        return self._chosen(key, words).format(**words)

    def markup(self, key: str, **words: object) -> Markup:
        """The same for a page: its own markup stays, what is filled in is escaped."""
        return Markup(self._chosen(key, words)).format(**words)  # noqa: S704  # our own files

    def code(self, kind: str, value: str) -> str:
        """A value of a closed set in words; one that the catalogue does not know as it stands in the data."""
        key = f"{kind}.{value}"
        return self(key) if key in self._catalogue else value.replace("_", " ")

    def _chosen(self, key: str, words: Mapping[str, object]) -> str:
        try:
            text = self._catalogue[key]
        except KeyError:
            raise DeclarationError(
                f"texts/{self.language}.yml has no text {key!r}: each language has every one."
            ) from None
        if isinstance(text, str):
            return text
        n = words["n"]
        if not isinstance(n, int):
            raise TypeError(f"the text {key!r} is chosen by a whole number n; got {n!r}")
        return text[self.of_words.plural_form(abs(n))]


@cache
def catalogue_of(language: str) -> dict[str, Text]:
    """The texts of a language by their keys."""
    texts: dict[str, Text] = yaml_file.read(FOLDER / f"{language}.yml")
    return texts


def languages() -> list[str]:
    """Those that have a catalogue."""
    return sorted(file.stem for file in FOLDER.glob("*.yml"))

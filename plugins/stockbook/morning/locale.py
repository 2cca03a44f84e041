"""How numbers and times of the pages and mails are written."""

import os

from babel import Locale, UnknownLocaleError

from stockbook.errors import ConfigError
from stockbook.settings import Settings

DEFAULT = "en_GB"


def locale_of(settings: Settings) -> Locale:
    """How numbers and times are written. Raises ConfigError for an unknown locale."""
    try:
        return Locale.parse(settings.locale)
    except (UnknownLocaleError, ValueError):
        raise ConfigError(
            f"STOCKBOOK_LOCALE must be a locale such as en_GB or cs_CZ; got {settings.locale!r}."
        ) from None


def locale_if_known() -> Locale:
    """The same for a page that says what is wrong with the settings: English where the locale itself is."""
    try:
        return Locale.parse(os.environ.get("STOCKBOOK_LOCALE") or DEFAULT)
    except (UnknownLocaleError, ValueError):
        return Locale.parse(DEFAULT)

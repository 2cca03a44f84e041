"""How numbers and times of the pages and mails are written."""

from babel import Locale, UnknownLocaleError

from stockbook.errors import ConfigError
from stockbook.settings import Settings


def locale_of(settings: Settings) -> Locale:
    """How numbers and times are written. Raises ConfigError for an unknown locale."""
    try:
        return Locale.parse(settings.locale)
    except (UnknownLocaleError, ValueError):
        raise ConfigError(
            f"STOCKBOOK_LOCALE must be a locale such as en_GB or cs_CZ; got {settings.locale!r}."
        ) from None

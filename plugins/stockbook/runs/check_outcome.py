"""What came of a check, as the log of steps and the run report tell it."""

from typing import Any

import msgspec


class Outcome(msgspec.Struct, omit_defaults=True):
    """
    What came of one rule. ``sample_keys`` never hold personal data: they are columns of the grain.

    ``success`` is None where the rule's table, or the one its query reads first, has no rows: nothing was proven.
    ``carried_from`` is the run that asked, where nothing had changed since.
    """

    suite: str
    expectation: str
    severity: str
    success: bool | None
    observed: str | None
    failing_rows: int | None
    sample_keys: list[dict[str, Any]]
    query: str | None
    carried_from: str | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Table and sentence of the rule."""
        return self.suite, self.expectation

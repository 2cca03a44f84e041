"""
The one tree of errors.

Every message is one sentence that says what was expected, what came and what to do.
None ever carries a token, a header or a person's data: messages end up in logs, run
reports and mails.
"""

from collections.abc import Iterator
from contextlib import contextmanager


class StockbookError(Exception):
    """Anything Stockbook itself reports. Catch this to catch them all."""


class ConfigError(StockbookError):
    """
    A setting, connection, parameter or policy file is missing or wrong. Trying again does not help.

    ``problems`` are its sentences: whoever corrects a file wants to see all of them at once.
    """

    def __init__(self, *problems: str) -> None:
        """One sentence for each problem."""
        super().__init__(" ".join(problems))
        self.problems = problems


class Problems:
    """Gathers what several looks find wrong, so that all of it is reported and not only the first."""

    def __init__(self) -> None:
        """Nothing is wrong yet."""
        self.found: list[str] = []

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """Keep the problems of a ConfigError raised inside, and go on behind the block."""
        try:
            yield
        except ConfigError as error:
            self.found += [problem for problem in error.problems if problem not in self.found]

    def settle(self) -> None:
        """Raise ConfigError with everything found; nothing when there is nothing."""
        if self.found:
            raise ConfigError(*self.found)


class DeclarationError(ConfigError):
    """A ``.yml`` beside a model contradicts itself or the model."""


class QuestionRefused(StockbookError):
    """A metric cannot answer what it was asked; the message has the reason."""


class Interrupted(StockbookError):
    """Somebody pressed Ctrl-C in a command."""


def is_interrupt(error: BaseException) -> bool:
    """Whether an error is Ctrl-C: of Python, or of a query of DuckDB that it met."""
    return isinstance(error, KeyboardInterrupt | Interrupted) or (
        isinstance(error, RuntimeError) and str(error) == "Query interrupted"
    )


def reason_of(error: BaseException) -> str:
    """Why something failed, to be read by anybody: what is not ours may quote anything and stays in the log."""
    if is_interrupt(error):
        return "somebody stopped it (Ctrl-C): run it again, it goes on or begins anew"
    return str(error) if isinstance(error, StockbookError) else f"an unexpected {type(error).__name__}"


def first_line(error: BaseException | str) -> str:
    """The first line of a message, without the full stop; its type where it says nothing, as MemoryError does."""
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


class RunLocked(StockbookError):
    """Another run holds the lock of this home."""


class SourceError(StockbookError):
    """A source did not give what it promises. ``status`` is the HTTP status, where that was the answer."""

    status: int | None = None


class Unreachable(SourceError):
    """No answer: name, connection, TLS, time-out or deadline. Trying later may help."""


class Unauthorized(SourceError):
    """The source refused the credentials (401, 403, invalid_grant). Final until someone changes them."""


class BadAnswer(SourceError):
    """An answer that is not what docs/apis says: status, body ``code``, content type, JSON."""


class ListingIncomplete(SourceError):
    """A listing ended without its proof: fewer distinct rows than promised, or more."""


class ClockWrong(StockbookError):
    """The machine's clock and a source's, or the books', are hours apart."""


class LandingDamaged(StockbookError):
    """A landed page or manifest is missing, truncated or altered."""


class StagingRefused(StockbookError):
    """Staging refused a load: too many rows broke their declaration, or a ledger contradicts itself."""


class WarehouseDamaged(StockbookError):
    """A DuckDB file is not what was written to it. The message says how to get it back."""


class DiskRefused(StockbookError):
    """The disk did not take what was written: full, over a quota, read-only or broken."""


class ModelFailed(StockbookError):
    """A model could not be built."""


class CheckFailed(StockbookError):
    """A check of severity ``fail`` did not hold."""


class PublishFailed(StockbookError):
    """The warehouse could not be published; readers keep the previous file."""


class CloseRefused(StockbookError):
    """A month cannot be closed, or not so; the message has the next step."""


class UnknownOrder(ConfigError):
    """No order is known by what names the one of a person who is to be forgotten."""


class ErasureUnproven(StockbookError):
    """Something of people who were to be forgotten is still found; the message says where."""


class NotifyFailed(StockbookError):
    """A notifier did not take the alerts; they stay unsent and are sent after the next night."""


class InboxUnavailable(StockbookError):
    """An event could not be made durable: its sender must send it again."""


class FleetUnavailable(StockbookError):
    """What machines of a fleet share does not answer. Trying later may help; readers keep what was published."""


class StoreUnavailable(FleetUnavailable):
    """The object store did not answer, or did not take what was written to it."""


class ControlUnavailable(FleetUnavailable):
    """The control database did not answer."""


class LakeUnavailable(FleetUnavailable):
    """The lake's catalog or its files did not answer."""


class CommitUnknown(LakeUnavailable):
    """The connection broke while the lake committed: whether it did is to be looked up."""


class StoreDamaged(StockbookError):
    """An object of the store is missing or not what was written to it."""


class HoldingLost(FleetUnavailable):
    """The session that held an account has ended: nothing more of its step may be kept."""


WORTH_ANOTHER_TRY = (Unreachable, BadAnswer, ListingIncomplete, InboxUnavailable, FleetUnavailable)
"""What another try of the same step may heal."""

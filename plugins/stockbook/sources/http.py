"""
The HTTP client of an account: one session, retries with jitter, one budget.

A request gives what its reader makes of the body, or one error that says what kind of trouble it is: Unauthorized is
final until somebody changes the credentials, BadAnswer is final, Unreachable may heal.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.utils import parsedate_to_datetime
from random import Random
from threading import Event, Lock
from typing import TypeVar
from urllib.parse import urlencode

import tenacity
import urllib3

from stockbook.bounded_http import Limits, OverLimit, Unsendable, connections, open_answer, whole
from stockbook.clock import Clock
from stockbook.connections import Account
from stockbook.errors import Unauthorized
from stockbook.projection.body_encoding import in_utf8
from stockbook.projection.envelope import Denied, Garbled
from stockbook.sources.budget import Budget
from stockbook.sources.credentials import Credentials
from stockbook.sources.request_errors import Again, RequestErrors

T = TypeVar("T")

# seconds between two sentences of requests that fail, and the wait that is worth one
_NOTED_EVERY, _LONG_WAIT = 15.0, 3.0
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "gzip, deflate", "User-Agent": "stockbook"}


def _say_nothing(_: str) -> None:
    pass


@dataclass(frozen=True)
class RetryPolicy:
    """
    How long to insist.

    Waits (seconds) double from ``floor`` to ``ceiling``, each drawn between half and all of it; a
    ``Retry-After`` is kept between ``floor`` and ``longest_retry_after``. No try begins
    later than ``deadline`` seconds after the first. ``connect`` and ``read`` are socket time-outs.
    """

    tries: int = 10
    floor: float = 0.5
    ceiling: float = 30.0
    longest_retry_after: float = 120.0
    deadline: float = 300.0
    connect: float = 10.0
    read: float = 120.0


@dataclass
class Tally:
    """What reading cost; several threads may count."""

    requests: int = 0
    bytes_received: int = 0
    _lock: Lock = field(default_factory=Lock, repr=False, compare=False)

    def add(self, requests: int = 0, bytes_received: int = 0) -> None:
        """Count more."""
        with self._lock:
            self.requests += requests
            self.bytes_received += bytes_received


class Stopped(Exception):  # no error: the reading was called off
    """The client was stopped while it waited or before it sent a request."""


def retry_after_seconds(text: str | None, now: datetime) -> float | None:
    """
    The wait a ``Retry-After`` header asks for, in seconds; None when absent or unreadable.

    Reads seconds (fractions too) and HTTP dates; a date in the past asks for 0. ``now`` is aware: urllib3's own
    ``parse_retry_after`` reads the system's clock, and no fractions.
    """
    if text is None:
        return None
    text = text.strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            moment = parsedate_to_datetime(text)
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = (moment - now).total_seconds()
        return max(seconds, 0.0)
    # "nan", "inf" and negative numbers are numbers to float() and nonsense here
    return seconds if 0 <= seconds < float("inf") else None


def answered_at(headers: Mapping[str, str]) -> datetime | None:
    """When the source says it made an answer, aware; what a cache kept is as much older as its ``Age`` says."""
    try:
        moment = parsedate_to_datetime(headers.get("Date", ""))
        moment += timedelta(seconds=int(headers.get("Age", "0")))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


class Client:
    """The HTTP client of one account. Safe to use from several threads."""

    def __init__(
        self,
        account: Account,
        credentials: Credentials,
        clock: Clock,
        *,
        policy: RetryPolicy | None = None,
        budget: Budget | None = None,
        jitter: Random | None = None,
        limits: Limits | None = None,
        note: Callable[[str], None] = _say_nothing,
    ) -> None:
        """
        Open a session with as many pooled connections as the account may use; no answer goes beyond ``limits``.

        ``note`` hears now and then of requests that have to be tried again.
        """
        self._account = account
        self._credentials = credentials
        self._clock = clock
        self._errors = RequestErrors(account)
        self._policy = policy or RetryPolicy()
        self._budget = budget or Budget(clock, account.requests_per_second, account.max_connections, account.burst)
        self._jitter = jitter or Random()  # noqa: S311  # jitter needs no secrecy
        self._stop = Event()
        self._limits = limits or Limits()
        self._note = note
        self._noted_at = -_NOTED_EVERY
        self._http = connections(account.base_url, self._limits, account.max_connections + 1)
        self._timeout = urllib3.Timeout(connect=self._policy.connect, read=self._policy.read)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def stop(self) -> None:
        """Let every thread that waits or wants to ask raise Stopped."""
        self._stop.set()

    def go_on(self) -> None:
        """Raise Stopped once the client was told to stop."""
        if self._stop.is_set():
            raise Stopped

    def _sleep(self, seconds: float) -> None:
        # second by second, so that one listing's failure does not wait for another's Retry-After
        until = self._clock.monotonic() + seconds
        while (left := until - self._clock.monotonic()) > 0:
            self.go_on()
            self._clock.sleep(min(left, 1.0))

    def close(self) -> None:
        """Close pooled connections."""
        self._http.clear()

    def get(
        self, path: str, parameters: Sequence[tuple[str, str]], read: Callable[[bytes], T], tally: Tally | None = None
    ) -> T:
        """
        What ``read`` makes of the answer to ``GET path``.

        ``read`` raises Garbled or Denied where the body is no answer; that counts as a failed try.
        Raises Unauthorized, BadAnswer or Unreachable.
        """
        tally = tally if tally is not None else Tally()
        began = self._clock.monotonic()
        renewed = False

        def one_try() -> T:
            nonlocal renewed
            try:
                return self._try(path, parameters, read, tally)
            except Unauthorized as refusal:
                # 403 is a right the account lacks: another token of it lacks it too
                if renewed or refusal.status != 401 or not self._credentials.renew():
                    raise
                renewed = True
                return self._try(path, parameters, read, tally)

        def stop(state: tenacity.RetryCallState) -> bool:
            spent = self._clock.monotonic() - began
            return state.attempt_number >= self._policy.tries or spent + state.upcoming_sleep > self._policy.deadline

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Again),
            wait=self._wait,
            stop=stop,
            sleep=self._sleep,
            before_sleep=self._say_so,
            reraise=True,
        )
        try:
            return retrying(one_try)
        except Again as last:
            raise last.error from None

    def _say_so(self, state: tenacity.RetryCallState) -> None:
        failure = state.outcome.exception() if state.outcome else None
        now = self._clock.monotonic()
        # all threads ask a source that is down: one of them says it
        is_new = state.upcoming_sleep >= _LONG_WAIT and now - self._noted_at >= _NOTED_EVERY
        if isinstance(failure, Again) and is_new:
            self._noted_at = now
            tries = f"try {state.attempt_number} of {self._policy.tries}"
            self._note(f"{failure.so_far} ({tries}): asked again in {state.upcoming_sleep:.0f} s.")

    def _wait(self, state: tenacity.RetryCallState) -> float:
        policy = self._policy
        failure = state.outcome.exception() if state.outcome else None
        if isinstance(failure, Again) and failure.retry_after is not None:
            wait = min(max(failure.retry_after, policy.floor), policy.longest_retry_after)
            self._budget.close_for(wait)
            return wait
        longest = min(policy.ceiling, policy.floor * 2 ** min(state.attempt_number, 30))
        return float(self._jitter.uniform(max(policy.floor, longest / 2), longest))

    def _try(self, path: str, parameters: Sequence[tuple[str, str]], read: Callable[[bytes], T], tally: Tally) -> T:
        with self._budget.request():
            self.go_on()
            tally.add(requests=1)
            body = self._body(path, parameters)
        tally.add(bytes_received=len(body))
        try:
            return read(body)
        except Denied as denied:
            text = f"status 200 with code {denied.code} in its body"
            raise self._errors.of_status(path, denied.code, text) from None
        except Garbled as garbled:
            raise self._errors.garbled(path, garbled) from None

    def _body(self, path: str, parameters: Sequence[tuple[str, str]]) -> bytes:
        try:
            response = open_answer(
                self._http,
                "GET",
                self._account.base_url + path + (f"?{urlencode(parameters)}" if parameters else ""),
                _HEADERS | {"Authorization": self._credentials.authorization()},
                self._timeout,
            )
            with response:
                charset = self._check(path, response)
                return self._in_utf8(path, whole(response, self._limits), charset)
        except OverLimit as limit:
            raise self._errors.over_limit(path, limit) from None
        except Unsendable:
            raise self._errors.unsendable() from None
        # the cause is not chained: its text quotes the whole address
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._errors.no_answer(path, error) from None

    def _in_utf8(self, path: str, body: bytes, charset: str) -> bytes:
        try:
            return in_utf8(body, charset) if charset else body
        except (LookupError, UnicodeError):
            raise self._errors.other_charset(path, charset) from None

    def _check(self, path: str, response: urllib3.BaseHTTPResponse) -> str:
        """The charset that the answer names, if it is one to be read."""
        status = response.status
        if 300 <= status < 400:
            raise self._errors.redirect(path, status)
        if not 200 <= status < 300:
            retry_after = retry_after_seconds(response.headers.get("Retry-After"), self._clock.utc())
            raise self._errors.of_status(path, status, f"status {status}", retry_after)
        self._check_clock(response.headers)
        head = Message()
        head["Content-Type"] = response.headers.get("Content-Type", "")
        kind = head.get_content_type()
        if not (kind.endswith(("/json", "+json"))):
            raise self._errors.not_json(path, kind)
        return head.get_content_charset() or ""

    def _check_clock(self, headers: Mapping[str, str]) -> None:
        """A clock that jumped would date the night, and with it all that the source says of now, wrongly."""
        # a sandbox lives in a time of its own
        apart, now = None if self._account.sandbox else self._limits.apart, self._clock.utc()
        made_at = None if apart is None else answered_at(headers)
        if apart is not None and made_at is not None and abs(made_at - now) > apart:
            raise self._errors.clocks_differ(made_at, now)

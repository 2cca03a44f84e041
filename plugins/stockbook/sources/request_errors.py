"""
The errors of an account's requests.

Messages name connection, path and status and say what to do, never a token, a header or a body.
"""

import re
from datetime import datetime

from stockbook.bounded_http import OverLimit
from stockbook.connections import Account
from stockbook.errors import BadAnswer, ClockWrong, ConfigError, SourceError, Unauthorized, Unreachable
from stockbook.projection.envelope import Garbled
from stockbook.reaching import advice

_RETRYABLE = frozenset({408, 425, 429, 500, 502, 503, 504})
_PUSHED_BACK = frozenset({429, 503})


class Again(Exception):  # no error yet: the request is tried again
    """
    A try that may be repeated: the error to raise when it is not, what to say until then, and the wait the server
    asked for.
    """

    def __init__(self, error: SourceError, so_far: str, retry_after: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.so_far = so_far
        self.retry_after = retry_after


class RequestErrors:
    """What is raised for the requests of one account."""

    def __init__(self, account: Account) -> None:
        """Name its connection."""
        self._account = account

    def unsendable(self) -> ConfigError:
        """The token has letters that no header can carry."""
        return ConfigError(
            f"The token of connection {self._account.conn_id} must be of letters an HTTP header can carry; it has "
            "a line break or others. Copy it again into the connection."
        )

    def garbled(self, path: str, garbled: Garbled) -> Again:
        """The body is no page."""
        return Again(
            BadAnswer(
                f"{self._request(path)} answered with status 200, but {garbled}; expected a page of JSON. "
                "Run again later; if it stays so, the API has changed."
            ),
            self._no_page(path),
        )

    def no_answer(self, path: str, error: Exception) -> Again:
        """The connection failed, or broke off."""
        return Again(
            Unreachable(
                f"{self._request(path)} got no whole answer from {self._account.base_url} ({type(error).__name__}): "
                f"{advice(error)}, then run again."
            ),
            f"{self._request(path)} got no whole answer ({type(error).__name__})",
        )

    def over_limit(self, path: str, limit: OverLimit) -> Exception:
        """The answer is too long, or takes too long."""
        if limit.is_late:
            # a line that was slow may be quick the next time
            return Again(
                Unreachable(
                    f"{self._request(path)}: {limit}. Run again later; where the line is that slow, raise "
                    "STOCKBOOK_ANSWER_SECONDS."
                ),
                f"{self._request(path)}: {limit}",
            )
        # another try would cost as much and bring the same
        return BadAnswer(
            f"{self._request(path)}: {limit}. Check the host of the connection; where pages are that large, raise "
            "STOCKBOOK_ANSWER_MEGABYTES."
        )

    def redirect(self, path: str, status: int) -> BadAnswer:
        """The answer names another address."""
        return BadAnswer(
            f"{self._request(path)} answered with a redirect ({status}), which is not followed, "
            "so the token goes nowhere else: put the API's own address into the connection's host. Where it is that "
            "already, the network sends you to a login or a proxy of its own."
        )

    def clocks_differ(self, source_time: datetime, machine_time: datetime) -> ClockWrong:
        """The answer says another time than this machine."""
        return ClockWrong(
            f"Connection {self._account.conn_id}: this machine's clock says {machine_time:%Y-%m-%d %H:%M} UTC and the "
            f"source answered at {source_time:%Y-%m-%d %H:%M} UTC. A night is dated by the clock, so nothing was read: "
            "set it (`timedatectl` shows it), then run the night again."
        )

    def not_json(self, path: str, kind: str) -> Again:
        """The answer is of another content type."""
        return Again(
            BadAnswer(
                f"{self._request(path)} answered with {_content_kind(kind)}; expected JSON. "
                "Check the host of the connection; a proxy or a maintenance page may stand before the API."
            ),
            self._no_page(path),
        )

    def other_charset(self, path: str, charset: str) -> Again:
        """The answer's bytes are not of the charset it names, or nobody knows that one."""
        charset = charset if re.fullmatch(r"[\w.:-]{1,40}", charset) else "a charset without a name"
        return Again(
            BadAnswer(
                f"{self._request(path)} answered in {charset}, by its head, and its bytes are neither that nor UTF-8; "
                "expected JSON in UTF-8. Ask who runs the API, or the proxy before it."
            ),
            self._no_page(path),
        )

    def of_status(self, path: str, status: int, text: str, retry_after: float | None = None) -> Exception:
        """The status, or the code in the body, says that the request failed."""
        request = self._request(path)
        if status in (401, 403):
            refusal = Unauthorized(
                f"{request} was refused ({text}): the token of connection {self._account.conn_id} is wrong, expired or "
                "lacks the right; put a valid one into the connection."
            )
            refusal.status = status
            return refusal
        if status in _RETRYABLE or status >= 500 or not 400 <= status < 500:
            wait = retry_after if status in _PUSHED_BACK else None
            error = Unreachable(f"{request} answered {text} to every try: run again later.")
            return Again(error, f"{request} answered {text}", wait)
        what = "Trying again would not help."
        if status == 404:
            what = (
                f"The host of the connection is {self._account.base_url}: does it name a path that belongs to the API, "
                f"or another server? Left empty it is the vendor's. {what}"
            )
        final = BadAnswer(f"{request} answered {text}; expected status 200 with JSON. {what}")
        final.status = status
        return final

    def _no_page(self, path: str) -> str:
        return f"{self._request(path)} answered with no page that can be read"

    def _request(self, path: str) -> str:
        return f"Connection {self._account.conn_id}: GET {path}"


def _content_kind(kind: str) -> str:
    """A content type as it may be quoted: known words only, a header is not to be repeated."""
    return kind if kind in ("text/html", "text/plain", "text/xml", "application/xml") else "another content type"

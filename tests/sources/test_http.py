"""Asking an API that answers badly: real HTTP on loopback, a clock that moves only when somebody sleeps on it."""

import dataclasses
import json
import socket
import threading
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from random import Random

import msgspec
import pytest
from loopback import TOKEN, Answer, Request, account_at, as_json, serving

from stockbook.bounded_http import Limits
from stockbook.clock import APART, ManualClock, SystemClock
from stockbook.errors import BadAnswer, ClockWrong, SourceError, Unauthorized, Unreachable
from stockbook.projection import envelope
from stockbook.sources.budget import Budget
from stockbook.sources.credentials import credentials_of
from stockbook.sources.http import Client, RetryPolicy, Tally, answered_at, retry_after_seconds

START = datetime(2025, 3, 3, 8, tzinfo=UTC)
GOOD = as_json({"code": 200, "message": "", "totalCount": 0, "data": []})
SECRETS = (TOKEN, "secret-body", "secret-header")


class Script:
    """Gives the answers in turn; the last one again and again."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[Request] = []

    def __call__(self, request: Request) -> Answer:
        self.asked.append(request)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def read(body: bytes) -> int:
    rows, _ = envelope.data_rows(body, envelope.names_are_unique(body))
    return len(rows)


def ask(
    server: Callable[[Request], Answer],
    clock: ManualClock | None = None,
    policy: RetryPolicy | None = None,
    **account: str,
) -> int:
    with (
        serving(server) as url,
        Client(
            tried := account_at(url, **account),
            credentials_of(tried),
            clock or ManualClock(START),
            policy=policy,
            jitter=Random(1),
        ) as client,
    ):
        return client.get("/v2/fulfillment/orders", [("limit", "100")], read)


@pytest.mark.parametrize(
    "bad",
    [
        Answer(status=429),
        Answer(status=408),
        Answer(status=500),
        Answer(status=503),
        as_json({"code": 500, "message": "secret-body"}),
        as_json({"code": 429, "message": "secret-body"}),
        Answer(b"<html>secret-body</html>", kind="text/html"),
        Answer(b"<html>secret-body</html>"),
        Answer(GOOD.body[:-5]),
        Answer(GOOD.body, cut=50),
        Answer(b'{"code":200,"data":[{"name":"\xff}]}'),
        as_json({"code": 200, "message": ""}),
        Answer(b"", 200),
    ],
)
def test_a_bad_answer_is_asked_again(bad: Answer) -> None:
    """Overload, a failure in the body, HTML, cut or broken JSON: the next good answer counts."""
    script = Script(bad, bad, GOOD)

    assert ask(script) == 0
    assert len(script.asked) == 3


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (Answer(b"secret-body", 503, {"X-Secret": "secret-header"}), Unreachable),
        (as_json({"code": 500, "message": "secret-body"}), Unreachable),
        (Answer(b"secret-body", kind="text/html"), BadAnswer),
        (Answer(b"secret-body"), BadAnswer),
        (Answer(GOOD.body, cut=50), Unreachable),
    ],
)
def test_trouble_that_stays_ends_in_one_sentence(bad: Answer, error: type[SourceError]) -> None:
    """The message names connection, path and what came, and no secret."""
    with pytest.raises(error, match="Connection fulfillment_cz: GET /v2/fulfillment/orders") as raised:
        ask(Script(bad))

    assert not any(secret in str(raised.value) for secret in SECRETS)
    assert raised.value.__cause__ is None


CZECH = '{"code":200,"data":[{"name":"Žluťoučký kůň"}]}'


@pytest.mark.parametrize(
    ("charset", "sent_in"),
    [
        ("windows-1250", "windows-1250"),
        ('"ISO-8859-2"', "iso-8859-2"),
        ("utf-16", "utf-16"),
        ("UTF-16LE", "utf-16-le"),
        # a server's habit: JSON is UTF-8
        ("iso-8859-1", "utf-8"),
        ("no-such-charset; q=1", "utf-8"),
        ("utf-8", "utf-8"),
    ],
)
def test_a_body_is_read_by_the_charset_it_names(charset: str, sent_in: str) -> None:
    """Unless it is UTF-8 all the same."""
    names: list[str] = []

    def noted(body: bytes) -> int:
        names.extend(row["name"] for row in json.loads(body)["data"])
        return len(names)

    with serving(Script(Answer(CZECH.encode(sent_in), kind=f"application/json; charset={charset}"))) as url:
        tried = account_at(url)
        with Client(tried, credentials_of(tried), ManualClock(START)) as client:
            client.get("/v2/fulfillment/orders", [], noted)

    assert names == ["Žluťoučký kůň"]


@pytest.mark.parametrize(
    ("charset", "named"), [("utf-16", "utf-16"), ("no-such-charset", "no-such-charset"), ("x" * 50, "without a name")]
)
def test_a_body_that_is_not_of_its_charset_is_refused(charset: str, named: str) -> None:
    """With the charset, and nothing of the body."""
    with pytest.raises(BadAnswer, match=f"answered in .*{named}, by its head"):
        ask(Script(Answer(CZECH.encode("windows-1250") + b" ", kind=f"application/json; charset={charset}")))


@pytest.mark.parametrize("bad", [Answer(status=401), Answer(status=403), as_json({"code": 401, "message": ""})])
def test_a_refused_token_is_final(bad: Answer) -> None:
    """One request, and the message says which connection to mend."""
    script = Script(bad)
    with pytest.raises(Unauthorized, match="token of connection fulfillment_cz"):
        ask(script)

    assert len(script.asked) == 1


@pytest.mark.parametrize("bad", [Answer(status=404), Answer(status=422), as_json({"code": 400, "message": ""})])
def test_a_wrong_question_is_final(bad: Answer) -> None:
    """Asking the same again would get the same answer."""
    script = Script(bad)
    with pytest.raises(BadAnswer, match="would not help"):
        ask(script)

    assert len(script.asked) == 1


def test_a_redirect_is_not_followed() -> None:
    """The token must not travel to another host."""
    followed = Script(GOOD)
    with serving(followed) as elsewhere, pytest.raises(BadAnswer, match="redirect"):
        ask(Script(Answer(status=302, headers={"Location": elsewhere})))

    assert not followed.asked


@pytest.mark.parametrize(("source", "header"), [("fulfillment_cz", TOKEN), ("flickrocket", f"Bearer {TOKEN}")])
def test_each_api_gets_its_token_its_way(source: str, header: str) -> None:
    """fulfillment.cz takes the raw token, FlickRocket a bearer token."""
    script = Script(GOOD)
    ask(script, source=source, conn_id=source)

    assert script.asked[0].headers["Authorization"] == header


def test_nobody_listening_is_unreachable() -> None:
    """A closed port is told with the host, after the tries of the policy."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    account = account_at(url)
    with (
        Client(account, credentials_of(account), ManualClock(START)) as client,
        pytest.raises(Unreachable, match=url),
    ):
        client.get("/v2/fulfillment/orders", [], read)


def test_waits_grow_between_floor_and_ceiling_until_the_deadline() -> None:
    """No try begins after the deadline, and no wait is shorter than the floor."""
    clock, policy = ManualClock(START), RetryPolicy(tries=1000, floor=1, ceiling=8, deadline=60)
    script = Script(Answer(status=500))
    with pytest.raises(Unreachable):
        ask(script, clock, policy)

    assert 60 / 8 <= len(script.asked) <= 60 / 4 + 3
    assert 40 < clock.monotonic() <= 60


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("7", 7.0),
        ("0", 0.5),
        ("Mon, 03 Mar 2025 08:00:09 GMT", 9.0),
        ("Mon, 03 Mar 2025 07:00:00 GMT", 0.5),
        ("86400", 120.0),
    ],
)
def test_retry_after_is_kept_between_floor_and_ceiling(header: str, wait: float) -> None:
    """Seconds and dates are heard; zero, the past and a whole day are brought to the policy's bounds."""
    clock = ManualClock(START)
    ask(Script(Answer(status=429, headers={"Retry-After": header}), GOOD), clock)

    assert clock.monotonic() == pytest.approx(wait)


@pytest.mark.parametrize("header", ["soon", "", "nan", "inf", "-5", "Mon, 99 Foo 2025", "1e999"])
def test_a_retry_after_that_says_nothing_is_not_heard(header: str) -> None:
    """Garbage falls back to the policy's own wait."""
    assert retry_after_seconds(header, START) is None


def test_a_busy_source_is_left_alone_by_every_thread() -> None:
    """While one thread waits out a Retry-After, no other asks."""
    clock = ManualClock(START)
    budget = Budget(clock, 0, 4)
    budget.close_for(30)
    with budget.request():
        assert clock.monotonic() == 30


@pytest.mark.parametrize(("per_second", "burst", "seconds"), [(2.0, 1, 4.5), (0.0, 1, 0.0), (2.0, 5, 2.5)])
def test_the_budget_holds_its_rate(per_second: float, burst: int, seconds: float) -> None:
    """Ten requests at two a second take four and a half seconds, two less with a bucket of five; 0 is no limit."""
    clock = ManualClock(START)
    budget = Budget(clock, per_second, 4, burst)
    for _ in range(10):
        with budget.request():
            pass

    assert clock.monotonic() == pytest.approx(seconds)


def test_the_budget_is_shared_by_threads() -> None:
    """Never more requests at once than the account allows."""
    at_once, most, lock = 0, 0, threading.Lock()
    all_in = threading.Barrier(2, timeout=5)

    def answer(request: Request) -> Answer:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        all_in.wait()
        with lock:
            at_once -= 1
        return GOOD

    with serving(answer) as url:
        account = account_at(url, max_connections=2)
        with Client(account, credentials_of(account), ManualClock(START)) as client:
            threads = [threading.Thread(target=client.get, args=("/v2/fulfillment/orders", [], read)) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

    assert most == 2


class Rotating:
    """Credentials that have one fresh token to give."""

    def __init__(self) -> None:
        self.token = "old"
        self.fresh = ["new"]

    def authorization(self) -> str:
        return self.token

    def renew(self) -> bool:
        if not self.fresh:
            return False
        self.token = self.fresh.pop()
        return True


def test_a_refused_token_is_renewed_once() -> None:
    """A 401 asks the credentials for a fresh token; a second 401 is final."""

    def answer(request: Request) -> Answer:
        return GOOD if request.headers["Authorization"] == "new" else Answer(status=401)

    with serving(answer) as url, Client(account_at(url), Rotating(), ManualClock(START)) as client:
        tally = Tally()
        assert client.get("/v2/fulfillment/orders", [], read, tally) == 0
        assert tally == Tally(requests=2, bytes_received=len(GOOD.body))


def test_a_big_body_comes_whole() -> None:
    """A body of many network packets is given to its reader in one piece."""
    rows = [{"id": number, "text": "x" * 100} for number in range(20_000)]

    assert ask(Script(as_json({"code": 200, "message": "", "totalCount": 1, "data": rows}))) == len(rows)


def test_a_body_is_decoded_as_it_was_encoded() -> None:
    """Parameters go out as they were given, a list as a repeated name[]."""
    script = Script(GOOD)
    with serving(script) as url:
        account = account_at(url)
        with Client(account, credentials_of(account), ManualClock(START)) as client:
            client.get(
                "/v2/fulfillment/orders", [("ids[]", "a b"), ("ids[]", "č"), ("limit", "2")], msgspec.json.decode
            )

    assert script.asked[0].query == {"ids[]": ["a b", "č"], "limit": ["2"]}


@pytest.mark.parametrize(("ahead", "is_told"), [(-2, True), (-0.5, False), (0.5, False), (2, True)])
def test_a_clock_hours_away_from_the_sources_is_told(ahead: float, is_told: bool) -> None:
    """Both times and the next step are in the sentence, and nothing is tried again; half an hour is none of it."""
    script = Script(GOOD)
    clock = ManualClock(SystemClock().utc() + timedelta(hours=ahead))
    with serving(script) as url:
        account = dataclasses.replace(account_at(url), sandbox=False)
        limits = Limits(apart=APART)
        with (
            Client(account, credentials_of(account), clock, jitter=Random(1), limits=limits) as client,
            pytest.raises(ClockWrong, match=r"clock says .* UTC and the source\s+answered at .* UTC.*timedatectl")
            if is_told
            else nullcontext(),
        ):
            client.get("/v2/fulfillment/orders", [("limit", "100")], read)

    assert len(script.asked) == 1


@pytest.mark.parametrize(
    ("headers", "made_at"),
    [
        ({"Date": "Mon, 03 Mar 2025 08:00:00 GMT"}, START),
        ({"Date": "Mon, 03 Mar 2025 07:59:00 GMT", "Age": "60"}, START),
        ({"Date": "soon"}, None),
        ({"Date": "Mon, 03 Mar 2025 08:00:00 GMT", "Age": "old"}, None),
        ({}, None),
    ],
)
def test_when_an_answer_was_made(headers: dict[str, str], made_at: datetime | None) -> None:
    """Its date, and as much later as a cache says that it kept it; nothing where that cannot be read."""
    assert answered_at(headers) == made_at


def test_a_source_that_stays_down_is_told_of_while_it_is_asked_again() -> None:
    """Not of a short wait, and every fifteen seconds at most; without the body."""
    notes: list[str] = []
    clock = ManualClock(START)
    with (
        serving(lambda _: as_json({"code": 500, "message": "secret-body"}, status=500)) as url,
        Client(tried := account_at(url), credentials_of(tried), clock, jitter=Random(1), note=notes.append) as client,
        pytest.raises(Unreachable),
    ):
        client.get("/v2/fulfillment/orders", [("limit", "100")], read)

    assert notes[0] == (
        "Connection fulfillment_cz: GET /v2/fulfillment/orders answered status 500 (try 3 of 10): asked again in 4 s."
    )
    assert len(notes) in range(4, 8)

"""Faults on order: each kind spoils exactly what it says, when it is told to."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
import requests
from checkout import PROJECT

from stockbook.errors import ConfigError
from stockbook_sandbox import Running, Shop, running
from stockbook_sandbox.faults import KINDS

DOCUMENT = PROJECT / "docs" / "sandbox.md"


@pytest.fixture(scope="module")
def served() -> Iterator[Running]:
    """A small shop, served."""
    with running(Shop.small(), datetime(2025, 11, 20, 2, 15)) as server:
        yield server


@pytest.fixture
def right(served: Running) -> requests.Response:
    """The undisturbed answer."""
    served.faults([])
    return get(served)


def get(served: Running) -> requests.Response:
    """A page of movements."""
    address = f"{served.url}/v2/fulfillment/warehouse-movements?limit=20"
    return requests.get(address, headers={"Authorization": served.token}, timeout=10)


def under(served: Running, **rule: Any) -> requests.Response:
    """A page of movements under one rule."""
    served.faults([rule])
    return get(served)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_status_with_retry_after(served: Running, status: int) -> None:
    """The status is answered, with Retry-After to the letter."""
    answer = under(served, kind="status", status=status, retry_after="soon, perhaps")

    assert (answer.status_code, answer.headers["Retry-After"]) == (status, "soon, perhaps")


def test_html_instead_of_json(served: Running) -> None:
    """A page for people, with HTTP 200."""
    answer = under(served, kind="html")

    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")


def test_a_code_in_the_body_that_the_status_hides(served: Running) -> None:
    """HTTP says 200, the body does not."""
    answer = under(served, kind="body_code", status=503)

    assert (answer.status_code, answer.json()["code"]) == (200, 503)


def test_a_truncated_body_is_no_json(served: Running, right: requests.Response) -> None:
    """Half of the right bytes, honestly counted."""
    assert under(served, kind="truncated").content == right.content[: len(right.content) // 2]


def test_a_wrong_content_type(served: Running, right: requests.Response) -> None:
    """The right bytes under a wrong label."""
    answer = under(served, kind="content_type")

    assert (answer.content, answer.headers["Content-Type"]) == (right.content, "text/plain; charset=utf-8")


@pytest.mark.parametrize("share", [0, 0.5, 1])
def test_a_dropped_connection(served: Running, share: float) -> None:
    """The client sees the connection end before the promised bytes."""
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        under(served, kind="drop", share=share)


def test_a_stall_is_longer_than_a_short_time_out(served: Running) -> None:
    """A client that waits less than the stall times out."""
    served.faults([{"kind": "stall", "seconds": 1.0, "count": 1}])

    with pytest.raises(requests.ReadTimeout):
        requests.get(f"{served.url}/v2/fulfillment/orders", headers={"Authorization": served.token}, timeout=(5, 0.2))


def test_rows_that_repeat_vanish_or_come_in_small_pages(served: Running, right: requests.Response) -> None:
    """The last row twice, the last row missing, and pages of two rows that lose nothing."""
    rows = right.json()["data"]

    assert under(served, kind="repeat_row").json()["data"] == [*rows, rows[-1]]
    assert under(served, kind="lost_row").json()["data"] == rows[:-1]
    assert under(served, kind="short_page", rows=2).json()["data"] == rows[:2]


def test_a_total_that_is_wrong(served: Running, right: requests.Response) -> None:
    """TotalCount is off by the delta, and so is FlickRocket's count."""
    served.faults([{"kind": "wrong_total", "delta": -3}])
    count = requests.get(
        f"{served.url}/api/prices/count.json", headers={"Authorization": f"Bearer {served.token}"}, timeout=10
    ).json()["count"]

    assert get(served).json()["totalCount"] == right.json()["totalCount"] - 3
    assert count == len(served.shop.flickrocket.prices(served.sandbox.now)) - 3


def test_any_text_can_be_replaced(served: Running) -> None:
    """The other spelling of the documentation: variantId."""
    answer = under(served, kind="replace", find='"variant_id"', text='"variantId"')

    assert all("variantId" in row and "variant_id" not in row for row in answer.json()["data"])


def test_rules_hit_the_nth_request_a_path_and_a_number_of_times(served: Running) -> None:
    """``nth`` counts matching requests, ``count`` limits the hits, other paths are left alone."""
    path = "/v2/fulfillment/warehouse-*"
    served.faults([{"kind": "status", "path": path, "nth": 2}])
    assert [get(served).status_code for _ in range(3)] == [200, 503, 200]

    served.faults([{"kind": "status", "path": path, "count": 2}])
    assert [get(served).status_code for _ in range(3)] == [503, 503, 200]
    assert served.fault_hits()[0]["hits"] == 2

    served.faults([{"kind": "status", "path": "/v2/fulfillment/orders"}])
    assert get(served).status_code == 200


def test_probability_is_drawn_from_the_seed(served: Running) -> None:
    """The same seed spoils the same requests."""
    rule = {"kind": "status", "probability": 0.4, "seed": 7}

    def outcome() -> list[int]:
        served.faults([rule])
        return [get(served).status_code for _ in range(25)]

    first = outcome()
    assert first == outcome()
    assert set(first) == {200, 503}


def test_rules_come_over_http_too(served: Running) -> None:
    """POST puts rules in force, GET shows their hits, DELETE ends them, nonsense is 400."""
    control = f"{served.url}/_sandbox/faults"
    requests.post(control, json=[{"kind": "status"}], timeout=10)
    assert get(served).status_code == 503
    assert requests.get(control, timeout=10).json()[0]["hits"] == 1
    assert requests.post(control, json={"kind": "status"}, timeout=10).status_code == 400
    requests.delete(control, timeout=10)
    assert get(served).status_code == 200


@pytest.mark.parametrize("rule", [{"kind": "gremlin"}, {"kind": "status", "colour": 1}, {"status": 500}])
def test_a_rule_that_is_not_understood_is_refused(served: Running, rule: dict[str, Any]) -> None:
    """An unknown kind or key is an error, not a fault that never happens."""
    with pytest.raises(ConfigError):
        served.faults([rule])


def test_every_fault_is_documented() -> None:
    """docs/sandbox.md names each kind with the sentence the code has for it."""
    text = DOCUMENT.read_text()

    assert [kind for kind, sentence in KINDS.items() if f"| `{kind}` | {sentence} |" not in text] == []

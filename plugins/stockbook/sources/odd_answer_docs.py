"""What is made of answers that are not as declared, as docs/sources.md prints it; see ``projection/odd_rows.py``."""

_BEFORE = """\
## What is read of an answer that is not as declared

Every row received is loaded, known from before (it came twice, lies below a ledger's floor), waits above a
ledger's ceiling, or is in `staging.quarantine` with its key and the reason; `meta.listing` and `meta.loaded_rows`
count each, and a night in which they do not add up to the rows received is red (*every row received is
somewhere*). The same rules hold in every listing, at every level of nesting; those marked ¹ hold for webhooks too.
"""

_AFTER = """\
What is set aside is tried again with the next delivery of its row. A part in quarantine names its row in `parent_key`.
"""

ODDITIES = (
    (
        "`[]` where an object is declared ¹",
        "an empty object, as PHP writes one",
    ),
    (
        '`{"0": ..., "2": ...}` where a list is declared, names whole numbers ¹',
        "that list, in the order of the numbers; `{}` is an empty list",
    ),
    (
        '`null`, `false` or `""` where an object or a list is declared ¹',
        "nothing; the list of rows itself (`data`) must be there",
    ),
    (
        "a list of one object where an object is declared",
        "that object",
    ),
    (
        "another value where an object is declared, an object or a list where a value is",
        "the row is set aside; of a list's element (a line, a parcel's item) only that, and the row keeps its head",
    ),
    (
        "something else where a list is declared",
        "one part is set aside in its place; the row keeps its head",
    ),
    (
        "a row that is no object or has no key",
        "set aside without a key",
    ),
    (
        "a name twice in one object",
        "readers differ in which they take: the row or part is set aside; of a webhook `?` stands in its place "
        "(FlickRocket's, whose hash goes over names, is refused). Within what is left out it decides nothing; in the "
        "envelope the answer is refused",
    ),
    (
        "a byte order mark before the JSON ¹",
        "skipped",
    ),
    (
        "a body that is not UTF-8, and whose head names another charset (`application/json; charset=windows-1250`)",
        "read by that charset; where its bytes do not fit, or nobody knows it, the listing is red",
    ),
    (
        "half of a surrogate pair, NUL, bytes that are no UTF-8, control characters ¹",
        "U+FFFD, counted in `meta.listing` and told in the run report (of webhooks in the receiver's log, and a tab or "
        "line end that nobody escaped stays)",
    ),
    (
        "a number of thousands of digits, `1e400`, lists nested thousands deep",
        "the row or part is set aside, where it would be read; a webhook is refused with 422",
    ),
    (
        "a whole number beyond the bound of its column (below; ids and all without one 10^15)",
        "the row or part is set aside",
    ),
    (
        "a movement of another direction than in and out; negative pieces of a movement, receiving, parcel, request or "
        "line of FlickRocket; a rate that is not above zero",
        "the row or part is set aside",
    ),
    (
        "a row again, on its page or another, whether the total counts it once or twice",
        "it is loaded once and counted as repeated; a ledger that is truly out of order is red",
    ),
    (
        "rows of one key on one page, rates of a currency for one day, or elements of one key in one list, with other "
        "values",
        "none is believed, be they parts of a count by warehouse, two receivings of one number or two amounts of one "
        "price in euro: they are set aside, and the listing is red where many are",
    ),
    (
        "a list that is empty, or has less than half of its rows, and a total that says the same",
        "it is believed, and what is absent is gone; where there were 20 rows and more, the run report warns",
    ),
    (
        "a field nobody declared ¹",
        "left out, counted in `meta.undeclared_field` (of webhooks told in the log). Its name is told "
        "once ten rows of different keys of one reading had it; until then a keyed hash of it stands "
        "there (`#...`), and of more than fifty such names their number (`*`)",
    ),
)
"""(what came, what it is taken for)"""


def render() -> list[str]:
    """The section of the file."""
    rows = [f"| {came} | {taken} |" for came, taken in ODDITIES]
    return [_BEFORE, "| what came | what it is taken for |", "|---|---|", *rows, "", _AFTER.rstrip()]

"""
The listings of FlickRocket.

A list hangs under the plural name of its resource. A list of one may come under the singular
name, and under either name as a bare object: the reading accepts every form. Field names that the
documentation does not print stand in ``include/sources/flickrocket_fields.yml``.
"""

from stockbook.projection.listing import Listing

API = "flickrocket"

LISTINGS: tuple[Listing, ...] = (
    Listing(
        api=API,
        name="prices",
        path="/api/prices.json",
        key=("id",),
        walk="offset",
        proof="count.json",
        deletes="absence",
        envelope=("prices", "price"),
        count_path="/api/prices/count.json",
        about="Price models with an amount per currency and per country; one call gives them all.",
    ),
    Listing(
        api=API,
        name="fulfillments",
        path="/api/fulfillments.json",
        key=("id",),
        key_is_number=False,
        walk="followed",
        proof="count.json",
        deletes="never",
        envelope=("fulfillments", "fulfillment"),
        count_path="/api/fulfillments/count.json",
        one_path="/api/fulfillments/{id}.json",
        renamed="fulfillments",
        about="Physical orders by date, and by id those not shipped yet; with what is known they add up to the count.",
    ),
    Listing(
        api=API,
        name="currency_rates",
        path="/api/currency_rates.json",
        key=("currency",),
        key_is_number=False,
        key_with=("date",),
        walk="offset",
        proof="empty page",
        deletes="never",
        envelope=("currency_rates", "currency_rate"),
        about="Units of each currency that one euro buys; how many days it goes back is not documented.",
    ),
    Listing(
        api=API,
        name="products",
        path="/api/products.json",
        key=("id",),
        walk="pages",
        proof="count.json",
        deletes="absence",
        envelope=("products", "product"),
        count_path="/api/products/count.json",
        where_served=True,
        about="Products and the prices they point at, in numbered pages of fifty.",
    ),
)

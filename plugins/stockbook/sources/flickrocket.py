"""
The listings of FlickRocket.

A list hangs under the plural name of its resource. A list of one may come under the singular
name, and under either name as a bare object: the reading accepts every form.
"""

from stockbook.sources.listing import Listing

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
)

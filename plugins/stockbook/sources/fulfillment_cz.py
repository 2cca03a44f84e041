"""
The listings of fulfillment.cz, client API v2.

Page limits are the documented maxima; the server may serve fewer. Array parameters go out as
``ids[]=``: the page names no encoding, PHP-style repetition is the likely one.
"""

from stockbook.sources.listing import Listing

API = "fulfillment_cz"
_BASE = "/v2/fulfillment"

LISTINGS: tuple[Listing, ...] = (
    Listing(
        api=API,
        name="stock_levels",
        path=f"{_BASE}/warehouse-variants",
        key=("variant_id", "variantId"),
        walk="offset",
        page_limit=1000,
        proof="totalCount",
        deletes="absence",
        read_first=True,
        about="Stock per variant at the moment of the call; no history, no time stamp.",
    ),
    Listing(
        api=API,
        name="movements",
        path=f"{_BASE}/warehouse-movements",
        key=("id",),
        walk="ledger",
        page_limit=1000,
        proof="floor passed",
        deletes="never",
        names_orders="fulfillment_order_id",
        about="The ledger, newest first; read down to the committed id less an overlap.",
    ),
    Listing(
        api=API,
        name="orders",
        path=f"{_BASE}/orders",
        key=("id",),
        key_is_number=False,
        walk="documents",
        page_limit=100,
        proof="totalCount",
        deletes="never",
        about="Orders by day of creation, and by id what is open or was named by a movement.",
    ),
    Listing(
        api=API,
        name="receivings",
        path=f"{_BASE}/warehouse-preloads",
        key=("id",),
        walk="offset",
        page_limit=1000,
        proof="totalCount",
        deletes="absence",
        about="Announced and received goods-in.",
    ),
    Listing(
        api=API,
        name="products",
        path=f"{_BASE}/products",
        key=("id",),
        walk="offset",
        page_limit=100,
        proof="totalCount",
        deletes="absence",
        about="The catalogue: products with their variants.",
    ),
    Listing(
        api=API,
        name="categories",
        path=f"{_BASE}/product-categories",
        key=("id",),
        walk="offset",
        page_limit=1000,
        proof="totalCount",
        deletes="absence",
        about="The tree of categories.",
    ),
    Listing(
        api=API,
        name="deliveries",
        path=f"{_BASE}/deliveries",
        key=("id",),
        walk="offset",
        proof="empty page",
        deletes="absence",
        about="Delivery methods; the page knows neither paging nor a total.",
    ),
    Listing(
        api=API,
        name="stock_requests",
        path=f"{_BASE}/warehouse-requests",
        key=("id",),
        walk="offset",
        page_limit=1000,
        proof="totalCount",
        deletes="absence",
        about="Unmet demand per variant.",
    ),
    Listing(
        api=API,
        name="replenishment_rules",
        path=f"{_BASE}/transformation-replenishment",
        key=("variant_ext_code",),
        key_is_number=False,
        walk="offset",
        proof="totalCount",
        deletes="absence",
        about="Rules of automatic un-boxing; the page knows no paging.",
    ),
)

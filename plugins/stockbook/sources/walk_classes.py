"""The class of every ``walk`` that a listing may declare."""

from stockbook.projection.listing import Walk
from stockbook.sources.fulfillment_window import FulfillmentWindow
from stockbook.sources.ledger import Ledger
from stockbook.sources.listing_walk import ListingWalk
from stockbook.sources.offset_listing import NumberedPages, OffsetListing, OncePerRow
from stockbook.sources.orders_by_day import OrdersByDay

WALKS: dict[Walk, type[ListingWalk]] = {
    "offset": OffsetListing,
    "once_per_row": OncePerRow,
    "numbered_pages": NumberedPages,
    "ledger": Ledger,
    "orders_by_day": OrdersByDay,
    "fulfillment_window": FulfillmentWindow,
}

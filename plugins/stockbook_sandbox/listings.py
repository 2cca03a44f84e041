"""
The GET endpoints of fulfillment.cz v2: which listing answers which path.

A listing answers with a Page of rendered rows; the server wraps it in the envelope. Parameters it
does not know are ignored; limits above the maximum are lowered to it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from stockbook_sandbox.catalogue_listings import CatalogueListings
from stockbook_sandbox.json_rows import Renderer
from stockbook_sandbox.movement_listing import MovementListing
from stockbook_sandbox.order_listings import OrderListings
from stockbook_sandbox.query import Page, Query
from stockbook_sandbox.shop import Shop
from stockbook_sandbox.stock_listings import StockListings


@dataclass(frozen=True)
class Readings:
    """How the sandbox reads what the documentation leaves open."""

    id_from: Literal["inclusive", "exclusive"] = "inclusive"
    movements_by: Literal["id", "created"] = "id"
    """What "newest first" means."""
    orders_by: Literal["created", "-created"] = "created"
    """The order of orders without ``sort``."""
    catalogue: Literal["all", "active"] = "all"
    """Which variants are shown without ``active``."""


@dataclass
class Fulfillment:
    """The listings of one shop."""

    shop: Shop
    readings: Readings = field(default_factory=Readings)

    def __post_init__(self) -> None:
        """One renderer for all: a row is rendered once."""
        render = Renderer(self.shop)
        self.catalogue = CatalogueListings(self.shop, render, self.readings.catalogue)
        self.orders = OrderListings(self.shop, render, self.readings.orders_by)
        self.stock = StockListings(self.shop, render)
        self.movements = MovementListing(self.shop, render, self.readings.id_from, self.readings.movements_by)


Listing = Callable[[Query, int], Page]


def routes(listings: Fulfillment) -> Mapping[str, Listing]:
    """Path below ``/v2/fulfillment`` -> listing (variants of a product are routed by the server)."""
    catalogue, orders, stock = listings.catalogue, listings.orders, listings.stock
    return {
        "products": catalogue.products,
        "product-categories": catalogue.categories,
        "warehouse-preloads": stock.receivings,
        "transformation-replenishment": catalogue.replenishment,
        "orders": orders.orders,
        "deliveries": orders.deliveries,
        "delivery-places": orders.delivery_places,
        "warehouse-variants": stock.stock_levels,
        "warehouse-requests": stock.requests,
        "warehouse-movements": listings.movements.movements,
    }

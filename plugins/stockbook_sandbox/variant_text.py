"""What rows of orders, parcels and receivings say of a variant, as beginnings of JSON objects made once."""

from functools import lru_cache

from stockbook_sandbox import people
from stockbook_sandbox.batches import GOOD, Label
from stockbook_sandbox.catalogue import NULL_CODE, NUMBER_CODE
from stockbook_sandbox.json_text import quoted, string_or_null
from stockbook_sandbox.shop import Shop


class VariantText:
    """``line_head`` begins a line of an order, ``item_head`` an item of a parcel or of stock; one per variant."""

    def __init__(self, shop: Shop) -> None:
        """Make the beginnings of all variants."""
        self.shop = shop
        c = shop.catalogue
        base = [c.product_name[p] for p in c.variant_product.tolist()]
        names = [f"{name} {size}".strip() for name, size in zip(base, c.variant_name, strict=True)]
        self.line_head: list[str] = []
        self.item_head: list[str] = []
        for n, (code, ext_code) in enumerate(zip(c.code, c.ext_code, strict=True)):
            kind = int(c.ext_kind[n])
            ext = "null" if kind == NULL_CODE else ext_code if kind == NUMBER_CODE else quoted(ext_code)
            item_ext = "null" if kind == NULL_CODE else quoted(ext_code)
            self.line_head.append(
                f'{{"name":{quoted(names[n])},"image":{quoted(people.picture("variant", n))},'
                f'"code":{quoted(code)},"ext_code":{ext},"quantity":'
            )
            self.item_head.append(f'{{"variant_id":{c.variant_id[n]},"code":{quoted(code)},"ext_code":{item_ext},')

    def stock_item(self, variant: int, source: int, label: Label, quantity: str, quality: int = GOOD) -> str:
        """An item of stock. ``source`` is the order or receiving it belongs to."""
        # the documentation's table says int, its sample a UUID: both occur
        number = int(self.shop.catalogue.variant_id[variant])
        inventory = str(number * 10 + 1) if variant % 2 else f'"{number:08x}-0000-4000-8000-{source:012x}"'
        return (
            f'{self.item_head[variant]}"inventory_id":{inventory},"quality":{quality},{_label_text(label)},{quantity}}}'
        )


@lru_cache(maxsize=10_000)
def _label_text(label: Label) -> str:
    return (
        f'"expiration":{string_or_null(label.expiration)},"batch_number":{string_or_null(label.batch_number)},'
        f'"lot_id":{string_or_null(label.lot_id)}'
    )

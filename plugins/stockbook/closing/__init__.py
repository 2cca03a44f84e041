"""Months that are closed: figures that a person signed, stored for ever, chained by digests."""

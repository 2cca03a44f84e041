"""
What the stock is worth: the cost replay that SQL cannot say simply.

``replay`` takes arrays and gives arrays (no file, no database); ``program`` is the one door to
the warehouse. The rules are those of docs/valuation.md.
"""

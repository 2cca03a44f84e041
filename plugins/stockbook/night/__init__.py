"""The steps of a night in their order."""

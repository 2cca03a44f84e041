"""The replay of what was known on a day."""

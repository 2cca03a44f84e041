"""Talking to the APIs: which listings exist, how each is walked, and what proves it complete."""

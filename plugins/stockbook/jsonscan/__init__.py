"""JSON by the byte, compiled."""

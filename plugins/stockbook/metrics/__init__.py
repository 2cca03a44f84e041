"""Figures: each one declared once, in ``include/metrics``, and made into SQL for whoever shows it."""

"""A run of the night: its context, its lock, its report."""

"""Backups of a home in a folder or any store: consistent while nights run, incremental, proven, and brought back."""

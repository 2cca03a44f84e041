"""Pages on disk as they came, less what must never land, with a manifest that says *complete*."""

"""The morning after: what a night published, as figures and charts for people, in one page without a server."""

"""The dashboards: what they show (``bi/superset/dashboards.yml``), a bundle Superset imports, Superset on loopback."""

"""What libpq is told so that a database that is away makes a step red within a minute, in its own words."""

# a server that is gone without a word is found out within half a minute
ALIVE = {
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}

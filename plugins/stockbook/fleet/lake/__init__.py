"""One lake for the figures of all accounts: published one account at a time, read by everybody."""

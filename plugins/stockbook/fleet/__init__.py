"""Nights of many accounts on several machines: homes that travel, who holds one, and where readers read."""

"""A page's body reduced to declared lines."""

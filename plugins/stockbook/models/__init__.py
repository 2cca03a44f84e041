"""The order of models from their SQL, and building them."""

"""Which columns a column is made of, and which only sway it: from SQL, from programs, back to the field on the wire."""

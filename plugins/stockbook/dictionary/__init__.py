"""The data dictionary: one page a table, made of the declarations alone."""

"""Orders of the channels and money in one currency: policy files and rate files in, tables that models join out."""

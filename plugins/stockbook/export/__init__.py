"""Out of the published file: tables, answers and packs as CSV, Parquet and workbooks, written whole or not at all."""

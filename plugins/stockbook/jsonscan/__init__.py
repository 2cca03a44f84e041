"""
The fast path: JSON read byte by byte in compiled code, for large listings.

It is a second way beside the plain one and gives the same rows. Pages are projected by ``scan`` instead of msgspec,
landed rows become columns by ``columns`` instead of DuckDB's JSON reader. What these are not sure of, they leave to
the plain way. The rest of Stockbook imports ``fast_path`` only, which holds the one switch
(``STOCKBOOK_JSON_FAST_PATH``) and the sizes from which the fast path pays.

What it saves: at a first load of 387 MB, 14 of 39 CPU seconds. At a night with little new, nothing: unchanged pages
are hard-linked before anything is parsed, and small listings never load this code. A real first load is limited by
the few requests a second that the source allows.

Why it stays: replacements by msgspec's typed decoding and by DuckDB's or Arrow's readers, in 400 lines, were judged
to miss a quarter of dlt's time at a first load. Delete the folder when a library gets there, or when first loads do
not matter to you: without it ``scanner_of`` of ``projection.page`` is None and ``staging.text_rows`` has one class.

Why two functions are so long: ``scan_kernel.project`` and ``columns_kernel.mark_cells`` are one loop over all bytes.
Taken apart into compiled functions, inlined or not, they ran at 80 % and 50 % of their speed.

How to measure: ``python benchmarks/extract_load.py`` prints the first load with the switch on and off in one run.
"""

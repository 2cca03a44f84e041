"""``python -m stockbook``."""

from stockbook.cli import main

main()

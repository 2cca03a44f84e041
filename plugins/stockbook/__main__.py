"""``python -m stockbook``."""

from stockbook.cli.main import main

main()

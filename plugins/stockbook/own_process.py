"""What a process of ours is told of the environment that it is started in."""

import os
import sys

# what Python and the C library need; everything else may be a secret
_PASSED = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "SYSTEMROOT")


def environ(*beginnings: str) -> dict[str, str]:
    """What it needs to run and to import what we can; and variables that begin so."""
    passed = {name: text for name, text in os.environ.items() if name in _PASSED or name.startswith(beginnings)}
    # in Airflow's tasks and in tests the path is more than the environment says
    return passed | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}

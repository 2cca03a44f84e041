"""
Run several commands of Superset's command line in one process; each start of Superset costs eight seconds.

Reads a JSON array of commands (arrays of words) from standard input, so that no password stands in the process list.
"""

import json
import sys

from flask.cli import ScriptInfo
from superset.app import create_app
from superset.cli.main import superset

app = create_app()
for words in json.load(sys.stdin):
    print(f"superset {words[0]}", flush=True)
    superset.main(args=words, standalone_mode=False, obj=ScriptInfo(create_app=lambda: app))

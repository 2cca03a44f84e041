"""Superset as `make bi` serves it: on loopback, over the published file, with nothing fetched from elsewhere."""

import json
import os
import sys

# the folder of this file, which Superset reads without making it a module's
sys.path.insert(0, os.environ["BI_FOLDER"])

import doors
from sqlalchemy.engine import URL

# whoever asks reaches the published file and nothing else of this machine
doors.use()
_home = os.environ["BI_HOME"]
SECRET_KEY = os.environ["BI_SECRET"]
SQLALCHEMY_DATABASE_URI = URL.create("sqlite", database=f"{_home}/superset.db").render_as_string()
APP_NAME = "Stockbook"
# as people of STOCKBOOK_LOCALE write them
D3_FORMAT = json.loads(os.environ["BI_FIGURES"])
# one process on one machine: counters in memory are enough, and say so
RATELIMIT_STORAGE_URI = "memory://"
# a new night must show on the next query
CACHE_CONFIG = {"CACHE_TYPE": "NullCache"}
DATA_CACHE_CONFIG = {"CACHE_TYPE": "NullCache"}
FILTER_STATE_CACHE_CONFIG = {"CACHE_TYPE": "SimpleCache", "CACHE_DEFAULT_TIMEOUT": 86400}
EXPLORE_FORM_DATA_CACHE_CONFIG = {"CACHE_TYPE": "SimpleCache", "CACHE_DEFAULT_TIMEOUT": 86400}
# told apart by colour-blind people too (plugins/stockbook/bi/charts.py)
EXTRA_CATEGORICAL_COLOR_SCHEMES = [
    {
        "id": "stockbook",
        "description": "Told apart by everybody",
        "label": "Stockbook",
        "isDefault": True,
        "colors": ["#0072B2", "#EE6002", "#BF2600", "#00A685", "#AA79F2", "#8C5446"],
    }
]
FEATURE_FLAGS = {"ALERT_REPORTS": False}
# the file is published by this project itself; nobody uploads
UPLOAD_EXTENSIONS: set[str] = set()
# nothing is asked of another machine, the counting pixel in Superset's pages included
TALISMAN_CONFIG = {
    "content_security_policy": {
        "base-uri": ["'self'"],
        "default-src": ["'self'"],
        "img-src": ["'self'", "blob:", "data:"],
        "worker-src": ["'self'", "blob:"],
        "connect-src": ["'self'"],
        "object-src": "'none'",
        "style-src": ["'self'", "'unsafe-inline'"],
        "font-src": ["'self'"],
        "script-src": ["'self'", "'strict-dynamic'"],
    },
    "content_security_policy_nonce_in": ["script-src"],
    "force_https": False,
    "session_cookie_secure": False,
}

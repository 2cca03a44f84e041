"""
What the steps of an account's night import, for a process that forks them.

A Celery worker that imports this as it starts (docs/fleet.md) has it once, in place of each of its tasks. No file and
no connection is opened here, which two processes would share.
"""

import psycopg

from stockbook.alerts import failed_night, outbox
from stockbook.checks import dialect, expectation, results, run
from stockbook.fleet import night, summary
from stockbook.fleet.lake import lake
from stockbook.models import build
from stockbook.models.programs import PROGRAMS
from stockbook.morning import mail, pack_mail, publish_files
from stockbook.night import plans
from stockbook.sources import credentials, extract
from stockbook.staging import load
from stockbook.warehouse import connect, publish, schema
from stockbook.webhooks import drain, subscriptions

IMPORTED = (
    *(psycopg, failed_night, outbox, dialect, expectation, results, run, night, summary, lake, build, mail, pack_mail),
    *(publish_files, plans, credentials, extract, load, connect, publish, schema, drain, subscriptions),
    *(program.load() for program in PROGRAMS.values()),
)

"""
Every setting there is: its name, its default, the least it may be, and what docs/running.md says of it.

``python -m stockbook.setting_list`` prints the table of that document.
"""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Setting:
    """
    A variable of the environment. One with ``least`` is a number.

    ``shown`` is the default in words, where it is no value that could be written.
    """

    name: str
    text: str
    default: str | float = ""
    shown: str = ""
    least: float | None = None
    is_whole: bool = False


_ALL = (
    Setting(
        "STOCKBOOK_HOME",
        "everything a night writes",
        shown="`data` of the project",
    ),
    Setting(
        "STOCKBOOK_HASH_KEY",
        "secret of the personal-data hash, at least 16 characters; for ever the same: a home remembers it (as"
        " a keyed digest in `state/hash-key.fingerprint`) and its nights and receiver refuse another ([when "
        "the key is lost](#when-the-key-is-lost))",
        shown=(
            "the file `hash-key` in the Airflow home, which `stockbook setup` makes; without either a night "
            "refuses to start"
        ),
    ),
    Setting(
        "STOCKBOOK_FERNET_KEY",
        "key that rotating tokens are kept encrypted with, in `state/state.db` under the home",
        shown="Airflow's",
    ),
    Setting(
        "STOCKBOOK_INBOX_URL",
        "database of the webhook inbox; several receivers share a PostgreSQL: "
        "`postgresql://user:password@host/database` (`pip install 'stockbook[postgres]'`)",
        shown="SQLite in `state/inbox.db` under the home",
    ),
    Setting(
        "STOCKBOOK_INBOX_DAYS",
        "`inbox_days` of `retention.yml` where that is silent ([retention.md](retention.md)): the earlier place of it",
        default=30,
        least=3,
        is_whole=True,
    ),
    Setting(
        "STOCKBOOK_HOOKS_HEADER_BYTES",
        "how long the head of a webhook's request may be; this and the next four hold before its secret is "
        "checked ([webhooks.md](webhooks.md#what-a-stranger-can-take))",
        default=16_384,
        least=1_024,
        is_whole=True,
    ),
    Setting(
        "STOCKBOOK_HOOKS_HEADER_SECONDS",
        "how long that head may take",
        default=10,
        least=0.1,
    ),
    Setting(
        "STOCKBOOK_HOOKS_BODY_SECONDS",
        "how long the body may take",
        default=10,
        least=0.1,
    ),
    Setting(
        "STOCKBOOK_HOOKS_CONNECTIONS",
        "how many connections may wait unproven, in all",
        default=500,
        least=1,
        is_whole=True,
    ),
    Setting(
        "STOCKBOOK_HOOKS_CONNECTIONS_PER_ADDRESS",
        "how many of one address",
        default=100,
        least=1,
        is_whole=True,
    ),
    Setting(
        "STOCKBOOK_HOOKS_TRUSTED_PROXIES",
        "addresses or networks that the limit of one address does not count, comma separated",
        shown="none",
    ),
    Setting(
        "STOCKBOOK_HOOKS_CERTIFICATE",
        "the certificate that senders of webhooks see, for `stockbook health`: `https://<host>` as they reach it, or "
        "the path of its PEM file",
        shown="that of Airflow's API server (`[api] ssl_cert`), if it has one",
    ),
    Setting(
        "STOCKBOOK_METRICS_TOKEN",
        "secret that opens the receiver's `/stockbook/metrics`, at least 16 characters "
        "([watching.md](watching.md#metrics))",
        shown="none: nobody reads them there",
    ),
    Setting(
        "STOCKBOOK_POLICY_DIR",
        "promises, calendars, status texts, valuation",
        shown="`policy` of `STOCKBOOK_EXTRA_DIR`, else `include/policy` of the project, else the one Stockbook brings",
    ),
    Setting(
        "STOCKBOOK_MODELS_DIR",
        "models and declarations (`include/sql`)",
        shown="the one Stockbook brings",
    ),
    Setting(
        "STOCKBOOK_EXTRA_DIR",
        "a folder of your own with models, metrics and dashboards, which upgrades leave alone "
        "([own_reports.md](own_reports.md)); each of its models, and all its checks together, may take as long as a "
        "reader may (`STOCKBOOK_READER_SECONDS`)",
        shown="none",
    ),
    Setting(
        "STOCKBOOK_EXTRA_FAILS",
        "what is red when something in that folder is wrong: `own` = what is wrong there and what reads it, "
        "`night` = the whole night",
        default="own",
    ),
    Setting(
        "STOCKBOOK_ZONE",
        "zone of every zone-less time of the APIs, and of the schedule",
        default="Europe/Prague",
    ),
    Setting(
        "STOCKBOOK_SCHEDULE",
        "when `stockbook_nightly` starts, in that zone; `none` = never by itself",
        default="15 2 * * *",
    ),
    Setting(
        "STOCKBOOK_DRAIN_SCHEDULE",
        "when `stockbook_webhooks_drain` takes the inbox, in that zone; `none` = never by itself (a night "
        "takes it in any case)",
        default="*/15 * * * *",
    ),
    Setting(
        "STOCKBOOK_CONNECTIONS",
        "connection ids kept where they cannot be listed ([above](#connections)), comma separated",
        shown="none",
    ),
    Setting(
        "STOCKBOOK_ORDERS_WINDOW_DAYS",
        "days of creation that are read again every night, final orders too: they can be restored or "
        "returned. Older orders that are not final are asked by id, however old",
        default=35,
        least=1,
        is_whole=True,
    ),
    Setting(
        "STOCKBOOK_MOVEMENTS_OVERLAP",
        "ledger ids read again every night: a lower id may become visible after a higher one",
        default=5_000,
        least=0,
        is_whole=True,
    ),
    Setting(
        "STOCKBOOK_MOVEMENTS_OVERLAP_HOURS",
        "the same in hours; whichever reaches lower counts",
        default=72,
        least=0,
    ),
    Setting(
        "STOCKBOOK_QUARANTINE_SHARE",
        "share of a table's rows that may break their declaration before the night is red; `quarantine_share`"
        " in the table's `.yml` overrides it for that table",
        default=0.01,
        least=0,
    ),
    Setting(
        "STOCKBOOK_ANSWER_MEGABYTES",
        "the most a page of a source may be, on the wire and unpacked: what is longer is left at that "
        "(`BadAnswer`) and not asked for again, unless Airflow tries the task again. Up to `max_connections` "
        "pages are in memory at a time",
        default=256,
        least=1,
    ),
    Setting(
        "STOCKBOOK_ANSWER_SECONDS",
        "the most a whole answer may take, from the request to its last byte, however often a byte comes "
        "(`Unreachable`); tried again as other failures are, and no try begins later than 300 s after the "
        "first",
        default=300,
        least=1,
    ),
    Setting(
        "STOCKBOOK_LANDING_DAYS",
        "`landed_pages_days` of `retention.yml` where that is silent ([retention.md](retention.md)): the earlier place "
        "of it",
        default=90,
        least=0,
        is_whole=True,
    ),
    Setting(
        "STOCKBOOK_BACKUP_TO",
        "where backups go: a folder of another disk, or `s3://bucket/prefix`, `gs://…`, `az://…`, `sftp://…` "
        "([backup.md](backup.md)); keys of object stores come from the variables of the store's own",
        shown="none: `stockbook backup` needs `--to`",
    ),
    Setting(
        "STOCKBOOK_BACKUP_KEEP",
        "of how many of the last days, weeks and months that have backups the newest stays",
        default="7,5,12",
    ),
    Setting(
        "STOCKBOOK_MAINTENANCE_SCHEDULE",
        "when `stockbook_maintenance` starts, in the zone of `STOCKBOOK_ZONE`; `none` = never by itself",
        default="30 4 * * *",
    ),
    Setting(
        "STOCKBOOK_LOCK_LEASE_SECONDS",
        "how long a run may lie between two steps before another may take over",
        default=300,
        least=1,
    ),
    Setting(
        "STOCKBOOK_ALERT_NOTIFIER",
        "who is told of new alerts, below",
        shown="none: alerts stand in `reports.alerts` and in the run report",
    ),
    Setting(
        "STOCKBOOK_REPORT_NOTIFIER",
        "who is sent the morning report; JSON as for alerts, templates over `subject`, `text`, `html`",
        shown="none: the report lies beside the published file",
    ),
    Setting(
        "STOCKBOOK_PACKS_NOTIFIER",
        "who is sent the workbook and the journal of a closed month, on the first working day after the close; JSON as "
        "for alerts, templates over `subject`, `text`, `html`, `files`",
        shown="none: they lie in `packs` beside the published file",
    ),
    Setting(
        "STOCKBOOK_LOCALE",
        "language and figures of morning report, mails, page in Airflow and dashboards: English, or Czech by `cs_CZ`",
        default="en_GB",
    ),
    Setting(
        "STOCKBOOK_MEMORY_LIMIT",
        "memory of DuckDB in a step of a night",
        default="2GB",
    ),
    Setting(
        "STOCKBOOK_THREADS",
        "threads of DuckDB, and models and checks at once; each has one in a shop without a table above 122,880 rows",
        default=os.cpu_count() or 1,
        shown="all cores",
        least=1,
        is_whole=True,
    ),
    Setting(
        "STOCKBOOK_JSON_FAST_PATH",
        "whether compiled code reads large first loads (`plugins/stockbook/jsonscan`); `no` reads every page "
        "and listing the plain way, with the same rows and about half more CPU time at a first load",
        default="yes",
    ),
    Setting(
        "STOCKBOOK_GROUP_READABLE",
        "whether the group of the user that runs Stockbook may read what is written under the homes of "
        "Stockbook, Airflow and Superset (modes 0750 and 0640); else it is the user's alone (0700 and 0600). "
        "Keys and tokens always are",
        default="no",
    ),
    Setting(
        "STOCKBOOK_READER_MEMORY",
        "memory of one reader of the published file (`sql`, the prompt, `stockbook.read`; all of Superset's "
        "questions together)",
        default="1GB",
    ),
    Setting(
        "STOCKBOOK_READER_DISK",
        "what a reader's sorts and temporary tables may put on the disk (`tmp/readers` under the home) when "
        "memory does not hold them",
        default="4GB",
    ),
    Setting(
        "STOCKBOOK_READER_SECONDS",
        "how long a reader may ask; then it is interrupted, and a sentence says so. 0 = no limit",
        default=300,
        least=0,
    ),
    Setting(
        "STOCKBOOK_MCP_TOKEN",
        "secret that opens the analyst server over HTTP, at least 16 characters; or in a file, `--token-file` "
        "([analyst.md](analyst.md#over-http))",
        shown="none: it is served over stdio only",
    ),
    Setting(
        "STOCKBOOK_MCP_ROWS",
        "rows of an answer of the analyst server at most; this and the next five are told with the error of who goes "
        "beyond them ([analyst.md](analyst.md#limits))",
        default=500,
        least=1,
        is_whole=True,
    ),
    Setting(
        "STOCKBOOK_MCP_KILOBYTES",
        "size of such an answer",
        default=200,
        least=1,
        is_whole=True,
    ),
    Setting(
        "STOCKBOOK_MCP_SECONDS",
        "how long one of its questions may take",
        default=30,
        least=0.1,
    ),
    Setting(
        "STOCKBOOK_MCP_MEMORY",
        "memory of DuckDB for one of its questions; the process that asks may have twice as much",
        default="512MB",
    ),
    Setting(
        "STOCKBOOK_MCP_DISK",
        "what such a question may put on the disk (`tmp/readers` under the home) when memory does not hold it",
        default="1GB",
    ),
    Setting(
        "STOCKBOOK_MCP_AT_ONCE",
        "how many of its questions are answered at a time; others wait",
        default=2,
        least=1,
        is_whole=True,
    ),
    Setting(
        "STOCKBOOK_STORE",
        "the object store of a fleet of machines: `s3://bucket/prefix`, `gs://…`, `az://…` or `file:///folder`; keys "
        "come from the variables of the store's own (`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL` …), never from the "
        "address",
        shown="none: one machine, one home",
    ),
    Setting(
        "STOCKBOOK_CONTROL_URL",
        "the control database of a fleet: `postgresql://user@host/database`, the password in the file "
        "`PGPASSFILE` names; goes together with the store and the lake",
        shown="none",
    ),
    Setting(
        "STOCKBOOK_LAKE",
        "the catalog of the lake that readers of a fleet attach: `postgres:dbname=… host=… user=…`",
        shown="none",
    ),
    Setting(
        "STOCKBOOK_SCRATCH",
        "where a worker of a fleet keeps the homes of accounts while it works on them; a cache, safe to remove",
        shown="`scratch` under the home",
    ),
    Setting(
        "STOCKBOOK_ACCOUNTS",
        "the accounts of a fleet: `file:FILE`, `table` (`fleet_account` of the control database) or "
        "connection ids, comma separated",
        shown="every connection that is listed",
    ),
)
SETTINGS = {setting.name: setting for setting in _ALL}


def number_of(name: str) -> float:
    """The default of a setting that is a number."""
    return float(SETTINGS[name].default)


def text_of(name: str) -> str:
    """The default of a setting that is a text."""
    return str(SETTINGS[name].default)


def markdown() -> str:
    """The table of docs/running.md."""
    rows = ["| variable | default | at least | meaning |", "|---|---|---|---|"]
    for setting in SETTINGS.values():
        value = f"`{setting.default}`" if isinstance(setting.default, str) else f"{setting.default:g}"
        least = "" if setting.least is None else f"{setting.least:g}"
        rows.append(f"| `{setting.name}` | {setting.shown or value} | {least} | {setting.text} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    print(markdown(), end="")

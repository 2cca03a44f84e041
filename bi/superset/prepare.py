"""
Prepare Superset in one process; each start of it costs eight seconds.

Reads JSON from standard input, so that no password stands in the process list: ``commands`` of its command line
(arrays of words), ``bundle`` (path of the dashboards), ``owner`` (username) and ``viewer`` (username and password).
"""

import json
import sys
from zipfile import ZipFile

from doors import SHARED
from flask.cli import ScriptInfo
from superset.app import create_app
from superset.cli.main import superset

ROLE = "Dashboard viewer"
DATABASE = "Stockbook"
# beside what Superset lets anybody have who only looks
ALSO = {
    ("menu_access", "Dashboards"),
    ("can_csv", "Superset"),
    ("can_view_chart_as_table", "Dashboard"),
    # from a figure to its rows
    ("can_drill", "Dashboard"),
    ("can_samples", "Datasource"),
    ("can_get_drill_info", "Dataset"),
    ("can_read", "SecurityRestApi"),
    ("can_log", "Superset"),
    ("can_recent_activity", "Log"),
}


def import_bundle(path: str, owner: str) -> None:
    """
    Import the dashboards with their charts and data sets, in place of those that are there.

    Superset's own command for dashboards leaves charts and data sets of an earlier version as they are.
    """
    from superset import security_manager as manager
    from superset.commands.importers.v1.assets import ImportAssetsCommand
    from superset.commands.importers.v1.utils import get_contents_from_bundle
    from superset.utils.core import override_user

    with ZipFile(path) as zipped:
        contents = get_contents_from_bundle(zipped)
    contents["metadata.yaml"] = contents["metadata.yaml"].replace("type: Dashboard", "type: assets")
    with override_user(user=manager.find_user(username=owner)):
        ImportAssetsCommand(contents).run()


def make_viewer(username: str, password: str) -> None:
    """
    Make a login that sees the dashboards and the data behind them, and nothing else: no SQL Lab, nothing to change.

    The role is made anew each time, so that nothing stays in it that a later version takes away.
    """
    from superset import security_manager as manager
    from superset.extensions import db
    from superset.models.core import Database

    database = db.session.query(Database).filter_by(database_name=DATABASE).one()
    role = manager.add_role(ROLE) or manager.find_role(ROLE)
    pairs = manager.PUBLIC_ROLE_PERMISSIONS | ALSO | {("database_access", database.perm)}
    wanted = [manager.find_permission_view_menu(permission, view) for permission, view in sorted(pairs)]
    role.permissions = [permission for permission in wanted if permission is not None]
    user = manager.find_user(username=username)
    if user is None:
        user = manager.add_user(username, "Stockbook", "viewer", "viewer@localhost", role, password=password)
    user.roles = [role]
    db.session.commit()


told = json.load(sys.stdin)
app = create_app()
# each data set is looked for twice, and opening the file takes longer than looking
SHARED.all_stay = True
for words in told["commands"]:
    print(f"superset {words[0]}", flush=True)
    superset.main(args=words, standalone_mode=False, obj=ScriptInfo(create_app=lambda: app))
with app.app_context():
    print("the dashboards", flush=True)
    import_bundle(told["bundle"], told["owner"])
    print("the viewer", flush=True)
    make_viewer(**told["viewer"])

"""DuckDB and pandas: a parameter does not bring it in, a frame is still to be had."""

import subprocess
import sys
from pathlib import Path

ASKED = """
import sys
from pathlib import Path
from stockbook.settings import Settings
from stockbook.warehouse.connect import writer
with writer(Settings.load({"STOCKBOOK_HOME": sys.argv[1]})) as con:
    print(con.execute("select ?", ["a text"]).fetchall(), "pandas" in sys.modules)
    print(con.execute("select len(?)", [["a", None]]).fetchall(), "pandas" in sys.modules)
    print(con.execute("select 7 as n").df()["n"].tolist(), "pandas" in sys.modules)
"""


def test_a_parameter_does_not_import_pandas_and_a_frame_does(tmp_path: Path) -> None:
    """The writer's file is asked with texts and lists of them without pandas; who asks for a frame gets pandas' own."""
    done = subprocess.run(
        [sys.executable, "-c", ASKED, str(tmp_path / "home")], capture_output=True, text=True, check=True
    )

    assert done.stdout.splitlines() == ["[('a text',)] False", "[(2,)] False", "[7] True"]

"""Superset's own engine, in its own Python, as its SQL Lab uses it."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from checkout import PROJECT

PROGRAM = """
import json, os, sys
sys.path.insert(0, os.environ["BI_FOLDER"])
from sqlalchemy import create_engine, pool
import doors
doors.use()
frame = __import__("pandas").DataFrame({"secret": [1]})
engine = create_engine(f"duckdb:///{sys.argv[1]}", poolclass=pool.NullPool)
told = {}
# somebody else is at it too
other = engine.raw_connection()
for statement in json.load(sys.stdin):
    con = engine.raw_connection()
    try:
        cursor = con.cursor()
        cursor.execute(statement)
        cursor.fetchall()
        told[statement] = None
    except Exception as error:
        told[statement] = f"{type(error).__name__}: {error}"
    finally:
        con.close()
print(json.dumps(told))
"""


def answers(
    address: str, statements: Sequence[str], home: Path, variables: Mapping[str, str] | None = None
) -> tuple[dict[str, str | None], str]:
    """What it raises for each statement, None when it answers, and everything it printed; skips without Superset."""
    python = PROJECT / ".venv-bi" / "bin" / "python"
    if not python.exists():
        pytest.skip("needs Superset in .venv-bi: `make test` installs it")
    ended = subprocess.run(
        [str(python), "-c", PROGRAM, address],
        input=json.dumps(statements),
        capture_output=True,
        text=True,
        env={
            "PATH": os.environ["PATH"],
            "BI_FOLDER": str(PROJECT / "bi" / "superset"),
            "BI_HOME": str(home),
            "BI_PACKAGE": str(PROJECT / "plugins" / "stockbook"),
            **(variables or {}),
        },
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    error_by_statement: dict[str, str | None] = json.loads(ended.stdout.splitlines()[-1])
    return error_by_statement, ended.stdout + ended.stderr

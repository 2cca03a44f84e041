"""Connections inside Airflow: what a task or the API server sees of the places they are in."""

import os
from typing import Any

from airflow.configuration import AIRFLOW_HOME
from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException

from stockbook.connections import RawConnection
from stockbook.errors import Unreachable
from stockbook.places import Places, raw_connection


def in_airflow(conn_id: str) -> RawConnection | None:
    """
    A connection from wherever Airflow keeps it; None when Airflow says that there is none.

    Raises Unreachable when it says nothing: an account must not be left out because a server is away.
    """
    try:
        return raw_connection(Connection.get(conn_id))
    except AirflowNotFoundException:
        # raised as well when the API server gave no answer
        _require_answer(conn_id)
        return None


def _require_answer(conn_id: str) -> None:
    from airflow.sdk.exceptions import ErrorType
    from airflow.sdk.execution_time import comms, task_runner

    supervisor: Any = getattr(task_runner, "SUPERVISOR_COMMS", None)
    if supervisor is None:
        return
    answer = supervisor.send(comms.GetConnection(conn_id=conn_id))
    if isinstance(answer, comms.ErrorResponse) and answer.error is not ErrorType.CONNECTION_NOT_FOUND:
        raise Unreachable(
            f"Airflow was asked for connection {conn_id} and did not answer ({answer.error.value}): "
            "see whether its API server is up; the task is tried again."
        )


# Airflow has a home also where the variable is not set
os.environ.setdefault("AIRFLOW_HOME", AIRFLOW_HOME)
PLACES = Places(in_airflow, os.environ)

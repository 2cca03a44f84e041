"""How every account stands: what readers see, how its last night went, who is at work on it."""

from datetime import datetime, timedelta
from typing import NamedTuple

from stockbook.fleet.run_log import FleetRun
from stockbook.fleet.work import Fleet, moment
from stockbook.health.parts import LATE


class Standing(NamedTuple):
    """One account, in words."""

    account: str
    published: str
    night: str = ""
    is_red: bool = False
    at_work: str = ""
    is_listed: bool = True

    def text(self) -> str:
        """One line of it."""
        gone = "" if self.is_listed else f"in no list any more; `stockbook fleet remove {self.account}` hides it"
        words = [self.published, "RED at " + self.night if self.is_red else self.night, self.at_work, gone]
        return f"{self.account}  {'; '.join(filter(None, words))}"


def idleness(run: FleetRun, standing: list[Standing]) -> str:
    """What there is to say of a run that did not end and that nobody works on: between two steps, or killed."""
    if run.status != "running" or any(line.at_work for line in standing):
        return ""
    return (
        "Nobody is at work on it at this moment: where that stays so, its process was killed, and "
        f"`stockbook fleet run --name {run.run_id}` goes on with it; so does the next run."
    )


def lateness(run: FleetRun, now: datetime) -> str:
    """What there is to say where no run followed this one."""
    hours = (now - run.opened_at) // timedelta(hours=1)
    return f"No run was begun for {hours} hours: does Airflow's scheduler run?" if now - run.opened_at > LATE else ""


def standings(fleet: Fleet, run_name: str = "") -> tuple[FleetRun | None, list[Standing]]:
    """The latest run of the fleet (or one by its name), and every account, listed or begun."""
    listed = {account.name for account in fleet.accounts()}
    books, holders = fleet.control.books(), fleet.control.held()
    run = fleet.run_log.run(run_name) if run_name or books else None
    nights = fleet.run_log.nights(run.run_id) if run else {}
    lines = []
    for name in sorted(listed | books.keys()):
        book, night, holder = books.get(name), nights.get(name), holders.get(name)
        is_red = night is not None and night.status == "red"
        how = "" if night is None else f"{night.step}: {night.reason}" if is_red else night.status
        lines.append(
            Standing(
                name,
                f"published as of {moment(book.published_as_of if book else None)}",
                how,
                is_red,
                f"at work: {holder.step} on {holder.machine} since {holder.since:%H:%M:%S} UTC" if holder else "",
                name in listed,
            )
        )
    return run, lines

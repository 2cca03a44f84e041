"""Nights whose figures were signed, and what a night does that is started again at the as_of of one."""

from datetime import datetime, timedelta
from pathlib import Path

from stockbook.closing.landed import read_all


def apart(as_of: datetime, closes: Path) -> datetime:
    """
    ``as_of``, unless a close was signed at it: then the first second behind it at which none was.

    Staging keeps what a night saw by its as_of, and in place of what an earlier attempt at it saw. So a night that was
    signed stays what it was, and what is seen afterwards is told apart from it. Raises LandingDamaged.
    """
    signed = {close.known_at for close in read_all(closes)}
    while as_of in signed:
        as_of = (as_of + timedelta(seconds=1)).replace(fold=as_of.fold)
    return as_of

"""Places at which drills and fault tests let a pump die or stand still.

They do nothing unless the process was started with one of the variables below, which no
setting names: SOCIALHUB_CRASH_AT with a point's name (hit each time, or only the first
process with a path in SOCIALHUB_CRASH_ONCE, which leaves its number there; another
signal than SIGKILL in SOCIALHUB_CRASH_SIGNAL), or SOCIALHUB_CRASH_ORDERS with a folder
into which orders are put while everything runs.
"""

from __future__ import annotations

import os
from pathlib import Path

#: In the order in which a delivery comes by.
POINTS = ("after_claim", "after_intent", "before_send", "after_answer", "before_write")


def crash_point(name: str) -> None:
    """Die here when a fault test asks for it (a signal to this very process)."""
    if orders := os.environ.get("SOCIALHUB_CRASH_ORDERS"):
        _obey(Path(orders) / name)
    if os.environ.get("SOCIALHUB_CRASH_AT") != name:
        return
    if once := os.environ.get("SOCIALHUB_CRASH_ONCE"):
        try:
            with open(once, "x") as file:
                file.write(str(os.getpid()))
        except FileExistsError:
            return
    os.kill(os.getpid(), int(os.environ.get("SOCIALHUB_CRASH_SIGNAL", "9")))


def _obey(order: Path) -> None:
    """Take an order (a file with the number of a signal), if there is one.

    It is renamed to NAME-PID, so exactly one process takes it, and tells which.
    """
    taken = order.with_name(f"{order.name}-{os.getpid()}")
    try:
        # Read before it is taken: whoever gave the order tidies it away at once.
        number = int(order.read_text())
        order.rename(taken)
    except FileNotFoundError:
        return
    os.kill(os.getpid(), number)

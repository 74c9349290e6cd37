"""Wake-ups for the monitor cluster, and the wish of the supervisor that pumps end."""

from __future__ import annotations

import os
from pathlib import Path

from django.db import transaction


def stop_wanted() -> bool:
    """The supervisor asks running pumps to end."""
    path = os.environ.get("SOCIALHUB_STOP_FILE", "")
    return bool(path) and Path(path).exists()


def wake_review() -> None:
    """A credential changed its state: have incidents looked at now, not in a minute."""
    _wake("monitoring.tasks.review_incidents")


def wake_check() -> None:
    _wake("monitoring.tasks.check_credentials")


def _wake(task: str) -> None:
    # By name: monitoring stands above publishing. A lost wake-up costs a minute.
    from django_q.tasks import async_task

    transaction.on_commit(lambda: async_task(task, cluster="monitor"), robust=True)

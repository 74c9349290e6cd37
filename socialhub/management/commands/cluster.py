"""`manage.py cluster publish|monitor`: one cluster of the queue under its watchdog."""

from __future__ import annotations

import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from socialhub.supervisor import AlreadyRunning, Supervisor


class Command(BaseCommand):
    help = "Run one cluster, watch its sign of life, restart it when it goes silent."
    # What a cluster needs is told by its sign of life, not by checks of the pages.
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", choices=sorted(settings.Q_CLUSTER["ALT_CLUSTERS"]))

    def handle(self, *args: Any, name: str, **options: Any) -> None:
        try:
            code = Supervisor(name).run()
        except AlreadyRunning as exc:
            raise CommandError(
                f"The {name} cluster runs already on this host from "
                f"{settings.DATA_DIR} ({exc}); stop that one first."
            ) from exc
        if code:
            sys.exit(code)

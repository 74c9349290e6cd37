"""`manage.py system_check`: the page of the same name, for scripts."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from socialhub import system


class Command(BaseCommand):
    help = "Check what SocialHub needs; exit code 1 when a line is red."
    # A missing table is one of the things that this command tells.
    requires_system_checks = ()
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--json", action="store_true", help="print one JSON object for programs"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        lines = system.run()
        if options["json"]:
            answer = {"red": system.is_red(lines), "lines": [asdict(x) for x in lines]}
            self.stdout.write(json.dumps(answer))
        else:
            for line in lines:
                mark = {system.OK: "ok ", system.BAD: "RED", system.NOTE: " ! "}
                self.stdout.write(f"{mark[line.state]}  {line.title}: {line.found}")
                if line.cure:
                    self.stdout.write(f"     {line.cure}")
        if system.is_red(lines):
            sys.exit(1)

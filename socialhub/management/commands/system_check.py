"""`manage.py system_check`: the page of the same name, for scripts."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from socialhub import app_checks, system

MARKS = {system.OK: "ok ", system.BAD: "RED", system.NOTE: " ! ", system.UNKNOWN: " ? "}
TOLD = ("key", "title", "state", "found", "cure")


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
        lines: list[Any] = [*system.run()]
        if lines[0].state != system.BAD:
            lines += app_checks.run()
        red = system.is_red(lines)
        if options["json"]:
            told = [{name: getattr(x, name) for name in TOLD} for x in lines]
            self.stdout.write(json.dumps({"red": red, "lines": told}))
        else:
            for line in lines:
                self.stdout.write(f"{MARKS[line.state]}  {line.title}: {line.found}")
                if line.cure:
                    self.stdout.write(f"     {line.cure}")
        if red:
            sys.exit(1)

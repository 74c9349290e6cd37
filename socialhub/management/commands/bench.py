"""`manage.py bench NAME`: measure, print progress on standard error, one JSON line last."""

from typing import Any

from django.core.management.base import CommandParser

from socialhub.drills.calendar_bench import CalendarBench
from socialhub.drills.fairness import Fairness
from socialhub.drills.growth import Growth
from socialhub.drills.health_bench import HealthBench
from socialhub.drills.pages_bench import PagesBench
from socialhub.drills.publish_bench import PublishBench
from socialhub.drills.punctuality import Punctuality
from socialhub.drills.recode_bench import RecodeBench
from socialhub.drills.runner import SandboxedCommand
from socialhub.drills.takeover import Takeover
from socialhub.drills.upload_bench import UploadBench


class Command(SandboxedCommand):
    help = "Measure something in a sandbox of its own."
    word = "bench"
    parts = {
        "calendar": CalendarBench(),
        "fairness": Fairness(),
        "growth": Growth(),
        "health": HealthBench(),
        "pages": PagesBench(),
        "publish": PublishBench(),
        "punctuality": Punctuality(),
        "recode": RecodeBench(),
        "takeover": Takeover(),
        "upload": UploadBench(),
    }

    def handle(self, *args: Any, **options: Any) -> None:
        if options["accounts"] is None:
            options["accounts"] = self.parts[options["name"]].account_count
        super().handle(*args, **options)

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--deliveries", type=int, default=1000)
        parser.add_argument(
            "--posts",
            type=int,
            default=2000,
            help="in the visible month (calendar, pages)",
        )
        parser.add_argument(
            "--accounts", type=int, default=None, help="default: 100; pages: 200"
        )
        parser.add_argument(
            "--credentials",
            type=int,
            default=50_000,
            help="all of them are due; health looks at as many as its rounds of 20 s"
            " take, and tells how many (looks)",
        )
        parser.add_argument(
            "--latency-ms", type=int, default=0, help="what the stub lets callers wait"
        )
        parser.add_argument(
            "--clusters", type=int, default=1, help="publish clusters (PostgreSQL)"
        )
        parser.add_argument(
            "--rows",
            type=int,
            default=None,
            help="finished deliveries in the tables (growth: the largest size; pages: all)",
        )
        parser.add_argument(
            "--rounds", type=int, default=3, help="how often; medians are told"
        )
        parser.add_argument(
            "--page",
            action="append",
            default=[],
            metavar="NAME",
            help="only pages with this name, as in the table (pages); * stands for any"
            " letters, and the option can be repeated",
        )
        parser.add_argument(
            "--size", default="2G", help="of the file (upload), such as 200M or 2G"
        )
        parser.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="a setting of the engine that is measured",
        )

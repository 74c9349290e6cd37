"""`manage.py simulate NAME`: days in minutes, against pretended platforms."""

from django.core.management.base import CommandParser

from socialhub.drills.runner import SandboxedCommand
from socialhub.simulation.limits import Limits


class Command(SandboxedCommand):
    help = "Let days pass on a clock of its own, in a sandbox; one JSON line last."
    word = "simulate"
    parts = {"limits": Limits()}

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--days", type=int, default=3)
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument(
            "--start",
            action="append",
            metavar="ISO",
            help="when to begin, UTC (more than once: one run each; default: the days "
            "before both clock changes in California)",
        )

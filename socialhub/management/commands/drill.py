"""`manage.py drill NAME`: do the faults, compare with the platforms' own record."""

from django.core.management.base import CommandParser

from socialhub.drills.crash import Crash
from socialhub.drills.health import Health
from socialhub.drills.kinds import AllKinds
from socialhub.drills.runner import SandboxedCommand
from socialhub.drills.story import Story


class Command(SandboxedCommand):
    help = "Act out a story in a sandbox of its own; one JSON line last."
    word = "drill"
    parts = {
        "crash": Crash(),
        "health": Health(),
        "platforms": AllKinds(),
        "story": Story(),
    }

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--deliveries", type=int, default=2000)
        parser.add_argument("--credentials", type=int, default=500)
        parser.add_argument("--days", type=int, default=90)
        parser.add_argument(
            "--seed", type=int, default=1, help="the same blows in the same order"
        )
        parser.add_argument(
            "--broker",
            choices=["orm", "redis"],
            default="orm",
            help="the queue: in the database, or in the Redis of TEST_REDIS_URL",
        )
        parser.add_argument(
            "--clusters", type=int, default=2, help="publish clusters, each as a host"
        )
        parser.add_argument(
            "--only",
            nargs="+",
            metavar="PLATFORM",
            help="of the platforms drill: these alone",
        )

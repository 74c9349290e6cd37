"""`manage.py export`: the export of the page of that name, for operators."""

from __future__ import annotations

import json
import shutil
import time
from argparse import ArgumentTypeError
from datetime import date, datetime, timedelta
from datetime import time as clock
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts.models import Brand
from accounts.zones import zone_names
from publishing import exporting, incoming
from publishing.export_tables import WHAT
from publishing.jobs import Refused

#: Between two lines about how far it is.
TOLD_EVERY_S = 2.0


class Told:
    """Shows how far it is; never has to stop."""

    is_over = False

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.result: dict[str, Any] = {}
        self._at = time.monotonic()

    def store(self, **changes: Any) -> None:
        self.result = changes.get("result", self.result)
        if time.monotonic() - self._at > TOLD_EVERY_S:
            self._at = time.monotonic()
            self.stream.write(f"{changes['done']} of {changes['total']}")

    def beat(self) -> None:
        """Nobody waits for a sign of life."""


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text} is no day such as 2026-12-03") from None


class Command(BaseCommand):
    help = (
        "Write everything of brands into a ZIP of open formats. Prints one JSON object: "
        "file, size_bytes, files, counts, lost (media files that could not be read)."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="where to write the ZIP")
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("--brand", action="append", help="a name; may be repeated")
        which.add_argument("--all", action="store_true", help="all brands")
        parser.add_argument(
            "--what",
            default=",".join(WHAT),
            help=f"some of {', '.join(WHAT)}; a comma between them",
        )
        parser.add_argument("--from", dest="begin", type=_day, help="first day")
        parser.add_argument("--to", dest="end", type=_day, help="last day")
        parser.add_argument(
            "--zone", default="UTC", help="on whose clock the days are, and the README"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        file: Path = options["file"]
        if file.exists():
            raise CommandError(f"{file} exists. Choose another name.")
        if not file.parent.is_dir():
            raise CommandError(f"{file.parent} is no folder.")
        if options["zone"] not in zone_names():
            raise CommandError(f"{options['zone']} is no time zone.")
        what = [word for word in options["what"].split(",") if word]
        if not what or set(what) - set(WHAT):
            raise CommandError(f"--what takes some of {', '.join(WHAT)}.")
        brands = Brand.objects.all()
        if options["brand"]:
            brands = brands.filter(name__in=options["brand"])
            known = set(brands.values_list("name", flat=True))
            if unknown := sorted(set(options["brand"]) - known):
                raise CommandError(f"There is no brand {', '.join(unknown)}.")
        zone = ZoneInfo(options["zone"])
        asked = {
            "what": what,
            "begin": _midnight(options["begin"], zone),
            "end": _midnight(options["end"], zone, days=1),
        }
        scope = exporting.scope_of(
            brands.values_list("pk", flat=True), asked, is_all=options["all"]
        )
        need = exporting.size_of(scope).bytes
        if shutil.disk_usage(file.parent).free < need:
            raise CommandError(
                f"{file.parent} has no room for {need // incoming.MB} MB."
            )
        folder = file.with_name(f"{file.name}.part")
        told = Told(self.stderr)
        title = _title(options)
        exporting.note(None, scope)
        try:
            with timezone.override(zone):
                maker = exporting.Maker(
                    scope, folder, {}, told, title=title, zone=options["zone"]
                )
                maker.run()
            (folder / exporting.WHOLE).rename(file)
        except Refused as refused:
            raise CommandError(str(refused)) from refused
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        answer = {**told.result, "file": str(file)}
        del answer["name"]
        self.stdout.write(json.dumps(answer))


def _midnight(day: date | None, zone: ZoneInfo, days: int = 0) -> str:
    if day is None:
        return ""
    return datetime.combine(day + timedelta(days=days), clock(), zone).isoformat()


def _title(options: dict[str, Any]) -> str:
    return "all brands" if options["all"] else ", ".join(sorted(options["brand"]))

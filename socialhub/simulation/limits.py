"""`manage.py simulate limits`: does the ledger keep us from every refusal?"""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import CommandError
from django.db import connection

from ..drills.runner import Part, say
from ..sandbox import Sandbox
from .days import Days, Tally

#: The days before both changes of California's clock; the second one has a month's end.
STARTS = ("2026-03-07T00:00", "2026-10-31T00:00")
COLUMNS = (
    ("posts", "posts"),
    ("admitted", "at once"),
    ("held", "held"),
    ("released", "released"),
    ("overheld", "overheld"),
    ("overheld_max_s", "for at most"),
    ("late_because_of_figures", "by figures"),
    ("refused_by_platform", "refused"),
    ("refused_while_unknown", "unknown"),
    ("figures_read", "figures"),
    ("figures_refused", "not read"),
)


def moment(text: str) -> datetime:
    """A start as typed; without a zone it is UTC."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise CommandError(f"{text!r} is no date and time such as 2026-03-07T00:00")
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def total(tallies: list[Tally]) -> Tally:
    whole = Tally()
    for tally in tallies:
        for field in fields(Tally):
            sums = getattr(whole, field.name) + getattr(tally, field.name)
            setattr(whole, field.name, sums)
    whole.overheld_max_s = max((tally.overheld_max_s for tally in tallies), default=0)
    return whole


def table(tallies: dict[str, Tally]) -> str:
    lines = ["platform   " + "".join(f"{head:>13}" for _, head in COLUMNS)]
    for slug, tally in [*tallies.items(), ("all", total(list(tallies.values())))]:
        numbers = "".join(f"{getattr(tally, name):>13}" for name, _ in COLUMNS)
        lines.append(f"{slug:<11}{numbers}")
    for slug, tally in tallies.items():
        for key, count in tally.held_by.most_common():
            lines.append(f"  {slug}: {count} held by {key}")
    return "\n".join(lines)


class Limits(Part):
    def prepare(self, box: Sandbox, options: dict[str, Any]) -> None:
        for start in options["start"] or STARTS:
            moment(start)
        box.manage("migrate", "--verbosity", "0")

    def inside(self, options: dict[str, Any]) -> None:
        from accounts.models import RateBucket

        tallies: list[Tally] = []
        still_held = 0
        for start in options["start"] or STARTS:
            # Each start is a world of its own.
            RateBucket.objects.all().delete()
            run = Days(moment(start), options["days"], options["seed"], say)
            found = run.run()
            say(f"from {start}, {options['days']} days, seed {options['seed']}:")
            say(table(found))
            tallies += found.values()
            still_held += run.still_held
        whole = total(tallies)
        figures = {
            "posts": whole.posts,
            "admitted": whole.admitted,
            "held": whole.held,
            "released": whole.released,
            "still_held": still_held,
            "overheld": whole.overheld,
            "overheld_max_s": whole.overheld_max_s,
            "refused_by_platform": whole.refused_by_platform,
            "refused_while_unknown": whole.refused_while_unknown,
            "late_because_of_figures": whole.late_because_of_figures,
            "figures_read": whole.figures_read,
            "days": options["days"],
            "seed": options["seed"],
            "database": connection.vendor,
        }
        print(json.dumps(figures), flush=True)  # noqa: T201
        # Without any post held and any figures read, nothing was put to the test.
        proven = whole.held and whole.figures_read
        missed = whole.refused_by_platform or whole.late_because_of_figures
        if missed or not proven:
            raise SystemExit(1)

"""The reliability report: on-time share, delay, trouble by cause and time to repair, by
week and brand.

Each week is worked out by a periodic job from its deliveries and attempts, over and over
while it may still change; pages, files and mails read the rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.db.models import Sum
from django.utils import formats, timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.causes import explain
from accounts.charts import Chart
from accounts.models import Brand, Network
from accounts.reading import told
from publishing.models import Attempt, Delivery

from .models import WeekFigures

Status = Delivery.Status
#: later than this is not on time, as everywhere (`Delivery.is_late`)
ON_TIME = timedelta(minutes=1)
#: So many weeks before this one may still change: they are worked out again.
SETTLING = 4
#: and so many when there are none yet
FIRST_TIME = 26
KEPT_WEEKS = 104
#: what the page can show
PERIODS = (4, 12, 26, 52)
COUNTED = [status for status in Status.values if status != Status.CANCELLED]
HOLD = "hold:"
#: Causes that charts name; the rest is summed up.
NAMED_CAUSES = 8


# ---------------------------------------------------------------- working it out


def zone_of(brand: Brand) -> ZoneInfo:
    try:
        return ZoneInfo(brand.time_zone)
    except (KeyError, ValueError, OSError):
        return ZoneInfo(settings.DEFAULT_READER_TIME_ZONE)


def monday_of(day: date) -> date:
    return day - timedelta(days=day.weekday())


def roll(now: datetime | None = None) -> None:
    """Write the rows of the weeks that may have changed. Safe to run twice."""
    now = now or timezone.now()
    zones: dict[str, tuple[ZoneInfo, list[int]]] = {}
    for brand in Brand.objects.only("time_zone"):
        zone = zone_of(brand)
        zones.setdefault(zone.key, (zone, []))[1].append(brand.pk)
    count = SETTLING if WeekFigures.objects.exists() else FIRST_TIME
    for zone, brands in zones.values():
        this = monday_of(now.astimezone(zone).date())
        for number in range(count + 1):
            _write(brands, this - timedelta(weeks=number), zone, now)
    oldest = monday_of(now.date()) - timedelta(weeks=KEPT_WEEKS)
    WeekFigures.objects.filter(week__lt=oldest).delete()


def _write(brands: Sequence[int], week: date, zone: ZoneInfo, now: datetime) -> None:
    rows = figures(brands, week, zone, now)
    of_week = WeekFigures.objects.filter(brand__in=brands, week=week)
    with transaction.atomic():
        known = {(row.brand_id, row.network): row.pk for row in of_week}
        made = {(row.brand_id, row.network) for row in rows}
        gone = [pk for key, pk in known.items() if key not in made]
        if gone:
            WeekFigures.objects.filter(pk__in=gone).delete()
        WeekFigures.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["brand", "network", "week"],
            update_fields=[*NUMBERS, "computed_at"],
        )


NUMBERS = (
    *("due", "on_time", "late", "failed", "waiting", "median_delay_s"),
    *("repaired", "median_repair_s", "causes"),
)


def figures(
    brands: Sequence[int], week: date, zone: ZoneInfo, now: datetime
) -> list[WeekFigures]:
    """One week of these brands, not saved. Two queries, over that week's rows alone."""
    start = datetime.combine(week, time(), zone)
    end = datetime.combine(week + timedelta(days=7), time(), zone)
    due = Delivery.objects.filter(
        status__in=COUNTED,
        due_at__gte=start,
        due_at__lt=min(end, now),
        post__brand__in=brands,
    )
    troubles = _troubles(due)
    found: dict[tuple[int, str], _Sums] = {}
    for pk, brand, network, status, due_at, published_at, cause, hold in due.order_by(
        "pk"
    ).values_list(
        "pk",
        "post__brand",
        "account__network",
        "status",
        "due_at",
        "published_at",
        "cause",
        "hold",
    ):
        sums = found.setdefault((brand, network), _Sums())
        first, last_cause = troubles.get(pk, (None, ""))
        if status == Status.HELD:
            last_cause = last_cause or cause or HOLD + hold
        elif status == Status.FAILED:
            last_cause = cause or last_cause
        sums.add(status, due_at, published_at, first, last_cause)
    return [
        WeekFigures(
            brand_id=brand,
            network=network,
            week=week,
            computed_at=now,
            **sums.numbers(),
        )
        for (brand, network), sums in found.items()
    ]


def _troubles(due: Any) -> dict[int, tuple[datetime, str]]:
    """By delivery: when its first try went wrong, and why its last one that did."""
    found: dict[int, tuple[datetime, str]] = {}
    attempts = (
        Attempt.objects.filter(delivery__in=due, closed_at__isnull=False)
        .exclude(cause="")
        .order_by("delivery", "number")
        .values_list("delivery_id", "closed_at", "cause")
    )
    for pk, at, cause in attempts:
        assert at is not None
        found[pk] = (found[pk][0] if pk in found else at, cause)
    return found


@dataclass
class _Sums:
    counts: Counter[str] = field(default_factory=Counter)
    causes: Counter[str] = field(default_factory=Counter)
    delays: list[float] = field(default_factory=list)
    repairs: list[float] = field(default_factory=list)

    def add(
        self,
        status: str,
        due_at: datetime,
        published_at: datetime | None,
        first_trouble: datetime | None,
        cause: str,
    ) -> None:
        self.counts["due"] += 1
        if cause:
            self.causes[cause] += 1
        if status == Status.PUBLISHED and published_at:
            delay = max(timedelta(), published_at - due_at)
            self.counts["on_time" if delay <= ON_TIME else "late"] += 1
            self.delays.append(delay.total_seconds())
            if first_trouble:
                took = max(timedelta(), published_at - first_trouble)
                self.repairs.append(took.total_seconds())
        else:
            self.counts["failed" if status == Status.FAILED else "waiting"] += 1

    def numbers(self) -> dict[str, Any]:
        names = ("due", "on_time", "late", "failed", "waiting")
        return {name: self.counts[name] for name in names} | {
            "median_delay_s": round(median(self.delays)) if self.delays else None,
            "repaired": len(self.repairs),
            "median_repair_s": round(median(self.repairs)) if self.repairs else None,
            "causes": dict(self.causes),
        }


# ---------------------------------------------------------------- reading it


@dataclass
class Line:
    """One week, of one brand or of all. Shares are per cent; seconds may be None."""

    week: date
    brand: str
    due: int
    on_time: int
    late: int
    failed: int
    waiting: int
    median_delay_s: int | None
    repaired: int
    median_repair_s: int | None
    causes: dict[str, int]

    @property
    def share(self) -> float | None:
        return round(100 * self.on_time / self.due, 1) if self.due else None


@dataclass(frozen=True)
class Report:
    """lines: by week and brand, newest first; weeks: their sums, oldest first, with a
    line for weeks in which nothing was due."""

    brand: Brand | None
    network: str
    first: date
    last: date
    lines: Sequence[Line]
    weeks: Sequence[Line]
    computed_at: datetime | None
    has_other_network: bool

    @property
    def total(self) -> Line:
        return _sum(self.last, self.weeks)

    @property
    def causes(self) -> list[tuple[str, int]]:
        """In words, most first."""
        named = Counter[str]()
        for cause, count in self.total.causes.items():
            named[cause_words(cause)] += count
        return named.most_common()

    @property
    def drawn_causes(self) -> list[tuple[str, int]]:
        """The same for a chart: those that are rare are summed up."""
        most = self.causes[:NAMED_CAUSES]
        rest = sum(count for _name, count in self.causes[NAMED_CAUSES:])
        return [*most, (_("Others"), rest)] if rest else most


def report(
    brands: Iterable[Brand],
    brand: Brand | None,
    weeks: int,
    network: str,
    today: date,
    *,
    complete: bool = False,
) -> Report:
    """Of `brand`, or of all `brands`. complete: ends with the last whole week.

    Two queries, over a row per brand and week.
    """
    last = monday_of(today) - timedelta(weeks=int(complete))
    first = last - timedelta(weeks=weeks - 1)
    names = {row.pk: row.name for row in ([brand] if brand else brands)}
    within = WeekFigures.objects.filter(
        brand__in=names, week__gte=first, week__lte=last
    )
    rows = list(within.filter(network=network).order_by("-week", "brand"))
    other = within.exclude(network=network).aggregate(due=Sum("due"))["due"]
    lines = sorted(
        (_line(row, names[row.brand_id]) for row in rows),
        key=lambda line: (-line.week.toordinal(), line.brand.lower()),
    )
    return Report(
        brand=brand,
        network=network,
        first=first,
        last=last,
        lines=lines,
        weeks=[
            _sum(week, [line for line in lines if line.week == week])
            for week in (first + timedelta(weeks=n) for n in range(weeks))
        ],
        computed_at=max((row.computed_at for row in rows), default=None),
        has_other_network=bool(other),
    )


def _line(row: WeekFigures, name: str) -> Line:
    return Line(row.week, name, **{key: getattr(row, key) for key in NUMBERS})


def _sum(week: date, lines: Sequence[Line]) -> Line:
    """Medians do not add up: that of several is the middle one of theirs, each weighed
    by its posts."""
    causes = Counter[str]()
    for line in lines:
        causes.update(line.causes)
    names = ("due", "on_time", "late", "failed", "waiting", "repaired")
    return Line(
        week=week,
        brand="",
        median_delay_s=_middle(
            (line.median_delay_s, line.on_time + line.late) for line in lines
        ),
        median_repair_s=_middle(
            (line.median_repair_s, line.repaired) for line in lines
        ),
        causes=dict(causes),
        **{name: sum(getattr(line, name) for line in lines) for name in names},
    )


def _middle(pairs: Iterable[tuple[int | None, int]]) -> int | None:
    known = sorted((value, weight) for value, weight in pairs if value is not None)
    half = sum(weight for _value, weight in known) / 2
    passed = 0
    for value, weight in known:
        passed += weight
        if passed >= half:
            return value
    return None


# ---------------------------------------------------------------- in words


def cause_words(cause: str) -> str:
    if cause.startswith(HOLD):
        hold = cause.removeprefix(HOLD)
        known = dict(Delivery.Hold.choices)
        return str(known.get(hold, hold))
    return str(explain(cause).head)


def span_words(seconds: int | None) -> str:
    """ "42 s", "12 min", "3 h 5 min", "2 d 4 h"; a dash for None."""
    if seconds is None:
        return "–"
    if seconds < 120:
        return _("%(n)s s") % {"n": seconds}
    minutes = seconds // 60
    if minutes < 120:
        return _("%(n)s min") % {"n": minutes}
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return _("%(h)s h %(m)s min") % {"h": hours, "m": minutes}
    return _("%(d)s d %(h)s h") % {"d": hours // 24, "h": hours % 24}


def share_words(share: float | None) -> str:
    if share is None:
        return "–"
    return _("%(n)s %%") % {"n": formats.number_format(f"{share:g}")}


def summary(found: Report) -> str:
    total = found.total
    if not total.due:
        return _("Nothing was due in this time.")
    return ngettext(
        "%(n)s post was due, %(share)s went out on time (within a minute); median delay "
        "%(delay)s; %(failed)s failed; median time to repair %(repair)s.",
        "%(n)s posts were due, %(share)s went out on time (within a minute); median delay "
        "%(delay)s; %(failed)s failed; median time to repair %(repair)s.",
        total.due,
    ) % {
        "n": total.due,
        "share": share_words(total.share),
        "delay": span_words(total.median_delay_s),
        "failed": total.failed,
        "repair": span_words(total.median_repair_s),
    }


def charts(found: Report) -> list[tuple[str, str, Chart]]:
    """(id, title, chart): nothing where nothing was due."""
    if not found.total.due:
        return []
    labels = [told(line.week, _("j M")) for line in found.weeks]

    def by_week(title: str, tone: str, values: list[Any], words: list[str]) -> Chart:
        sets = [{"label": title, "tone": tone, "values": values}]
        lines = [
            (told(line.week, _("j M Y")), text)
            for line, text in zip(found.weeks, words, strict=True)
        ]
        shown = [text for text in words if text != "–"]
        summary = _("Last: %(last)s.") % {"last": shown[-1]} if shown else ""
        data = {"type": "bar", "labels": labels, "sets": sets}
        return Chart(data, summary, [_("Week of"), title], lines[::-1])

    share = _("On time, per cent")
    delay, repair = _("Median delay, seconds"), _("Median time to repair, minutes")
    trouble = _("Posts with this trouble")
    weeks = found.weeks
    drawn = [
        (
            "on-time",
            _("On time (per cent)"),
            by_week(
                share,
                "ok",
                [line.share for line in weeks],
                [share_words(line.share) for line in weeks],
            ),
        ),
        (
            "delay",
            _("Median delay (seconds)"),
            by_week(
                delay,
                "warn",
                [line.median_delay_s for line in weeks],
                [span_words(line.median_delay_s) for line in weeks],
            ),
        ),
    ]
    causes = found.causes
    if causes:
        most = found.drawn_causes
        data = {
            "type": "bar",
            "across": True,  # the names are sentences
            "labels": [name for name, _count in most],
            "sets": [
                {
                    "label": trouble,
                    "tone": "bad",
                    "values": [count for _name, count in most],
                }
            ],
        }
        summary = _("Most often: %(name)s (%(n)s).") % {
            "name": causes[0][0],
            "n": causes[0][1],
        }
        chart = Chart(data, summary, [_("Cause"), trouble], causes)
        drawn.append(("causes", _("Trouble by cause"), chart))
        minutes = [
            None
            if line.median_repair_s is None
            else round(line.median_repair_s / 60, 1)
            for line in weeks
        ]
        words = [span_words(line.median_repair_s) for line in weeks]
        chart = by_week(repair, "info", minutes, words)
        drawn.append(("repair", _("Median time to repair (minutes)"), chart))
    return drawn


def brands_of(user: Any) -> list[Brand]:
    return list(Brand.objects.visible_to(user).distinct().order_by("name"))


def network_of(asked: str) -> str:
    return asked if asked in Network.values else Network.LIVE

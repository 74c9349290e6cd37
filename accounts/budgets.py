"""What posting costs where a platform takes money, and what of a budget is left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from urllib.parse import urlencode

from platforms import parts, registry
from platforms.base import MONEY, Bucket, Draft, Identity, PublishJob
from platforms.limits import period

from .limit_pages import WindowLine, line_of
from .limits import BucketId, kept_for_publishing, rules
from .models import PlatformApp, RateBucket

#: units of a budget in a dollar
MILLS = 1000


@dataclass(frozen=True)
class Budget:
    """One app's money. planned_units: what posts will cost before the month ends.

    post, with_link, used, size and planned as people read them.
    """

    line: WindowLine
    planned_units: int
    post: str
    with_link: str

    @property
    def is_set(self) -> bool:
        return self.line.size is not None

    @property
    def is_short(self) -> bool:
        """Whether what is planned costs more than is left."""
        left = self.line.free
        return left is not None and self.planned_units > left

    @property
    def used(self) -> str:
        return dollars(self.line.used)

    @property
    def size(self) -> str:
        return dollars(self.line.size or 0)

    @property
    def planned(self) -> str:
        return dollars(self.planned_units)

    @property
    def query(self) -> str:
        """Of the page that sets it."""
        return urlencode(self.line.bucket._asdict())


def dollars(units: int) -> str:
    """Units of MONEY as "$12.40" or "$0.015"."""
    amount = Decimal(units) / MILLS
    return f"${amount:,.2f}" if units % 10 == 0 else f"${amount:,.3f}"


def of_app(app: PlatformApp, now: datetime) -> Budget | None:
    """None where the platform takes no money. Three queries, and those for its posts."""
    rule = _money(app.platform)
    line = line_of(_bucket(app, rule), now) if rule else None
    if rule is None or line is None:
        return None
    planned = needed([line], now)[line.bucket]
    return Budget(line, planned, *map(dollars, prices(app.platform)))


def without(apps: Iterable[PlatformApp]) -> set[int]:
    """Which of our apps spend money without a budget, by primary key. One query."""
    wanted = {
        _bucket(app, rule): app.pk for app in apps if (rule := _money(app.platform))
    }
    if not wanted:
        return set()
    rows = RateBucket.objects.filter(
        subject__in=[bucket.subject for bucket in wanted], size_set__isnull=False
    )
    known = {BucketId(*row) for row in rows.values_list("platform", "key", "subject")}
    return {pk for bucket, pk in wanted.items() if bucket not in known}


def needed(lines: Sequence[WindowLine], now: datetime) -> Mapping[BucketId, int]:
    """What planned posts will cost before their budgets end, of those that are money."""
    ends = {}
    for line in lines:
        if line.unit == MONEY:
            rule = rules(line.bucket.platform)[line.bucket.key]
            _begin, end = period(rule, now.timestamp())
            ends[line.bucket] = datetime.fromtimestamp(end, UTC)
    if not ends:
        return {}
    return dict.fromkeys(ends, 0) | dict(kept_for_publishing(ends, now))


@cache
def prices(slug: str) -> tuple[int, int]:
    """What one post costs, and one with a link in it; by our rows of the calls."""
    return cost(slug, Draft("News")), cost(slug, Draft("News https://example.com/a"))


def cost(slug: str, draft: Draft) -> int:
    """What this post costs there, all its parts; 0 where no money is taken."""
    rule = _money(slug)
    if rule is None:
        return 0
    job = PublishJob(
        marker="0" * 32,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        draft=draft,
        account=Identity("1", "user", "", "", ""),
    )
    units = parts.draws(registry.platform(slug), job, looking=False)
    return units.get(rule.key, 0)


def cost_without_links(slug: str, draft: Draft) -> int:
    """The same if there were no link in any of its words."""
    wordless = tuple(replace(part, text="News") for part in draft.parts)
    return cost(slug, replace(draft, text="News", link_url="", parts=wordless))


def _money(slug: str) -> Bucket | None:
    """The platform's rule about an app's money, if it takes any."""
    buckets = registry.spec(slug).buckets
    return next((b for b in buckets if (b.unit, b.partition) == (MONEY, "app")), None)


def _bucket(app: PlatformApp, rule: Bucket) -> BucketId:
    return BucketId(app.platform, rule.key, f"app:{app.pk}")

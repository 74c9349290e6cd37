"""Calendar and list: filters that live in the address, and rows ready to show.

Every function makes a fixed number of queries, however many rows there are.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property, lru_cache
from operator import itemgetter
from typing import Any
from urllib.parse import urlencode

from django.db import connection
from django.db.models import DateTimeField, F, Func, Prefetch, Q, TextField
from django.db.models.functions import Cast, Now
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.fixed_query import SAMPLE_TIME, FixedQuery, Reader, Seen, instance
from accounts.models import Brand, ConnectedAccount
from accounts.names import called
from accounts.zones import zone_called, zone_names
from platforms import registry

from . import light, long_lists, looks, stops
from . import offered as offers
from .composing import wording_as_sent, wording_of
from .models import (
    Delivery,
    DeliveryQuerySet,
    NativePost,
    Post,
    PostQuerySet,
    SavedView,
)
from .native_models import NativePostQuerySet
from .risk import Risk, Sky, accounts_with_access, read_variants, risks
from .threatened import threatened, threatened_for
from .wording import Trouble, held_in_short, next_sentence, person, trouble

CARDS_PER_DAY = 3
EXCERPT = 60
RISK_DAYS = 7
AT_RISK = "at_risk"
NEEDS_ME = "needs_me"
#: the tab of posts that were made at the network itself
NATIVE = "native"
#: what `Filters.native` may be
WITHOUT, ONLY = "without", "only"
#: Calendar and list stop here in each direction, so that a date always exists.
FIRST_YEAR, LAST_YEAR = 2000, 2100


# ---------------------------------------------------------------- filters


@dataclass(frozen=True)
class Filters:
    """What the address says. Empty strings: all. Ids are kept as typed."""

    brand: str = ""
    platform: str = ""
    account: str = ""
    status: str = ""
    owner: str = ""
    label: str = ""
    #: posts made at the network itself: "" with the others, or WITHOUT, or ONLY
    native: str = ""
    #: whose clock is shown, where it is not the reader's; narrows nothing down
    zone: str = ""

    @classmethod
    def read(cls, query: Mapping[str, str]) -> Filters:
        values = {name: str(query.get(name, "")) for name in cls.__dataclass_fields__}
        for name in ("brand", "account", "owner", "label"):
            if not values[name].isdecimal() or len(values[name]) > 15:
                values[name] = ""
        if values["zone"] not in zone_names():
            values["zone"] = ""
        if values["platform"] not in registry.PLATFORMS:
            values["platform"] = ""
        if values["status"] not in {*Delivery.Status.values, AT_RISK, NEEDS_ME}:
            values["status"] = ""
        if values["native"] not in {WITHOUT, ONLY}:
            values["native"] = ""
        return cls(**values)

    def query(self, **more: Any) -> str:
        """The address's query, with more keys in front; empty ones left out."""
        pairs = {**more, **self.__dict__}
        return urlencode({key: value for key, value in pairs.items() if value})

    @property
    def composer_query(self) -> str:
        """What of it a new post begins with: "brand=3&zone=UTC&", or nothing."""
        pairs = {"brand": self.brand, "zone": self.zone}
        query = urlencode({key: value for key, value in pairs.items() if value})
        return f"{query}&" if query else ""

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Those that are set."""
        return [(key, value) for key, value in self.__dict__.items() if value]

    @property
    def any(self) -> bool:
        """Whether it narrows something down."""
        return any(value for key, value in self.pairs if key != "zone")

    def natives(self, rows: NativePostQuerySet) -> NativePostQuerySet:
        """Those have no owner, label or state of ours."""
        if self.native == WITHOUT or self.status or self.owner or self.label:
            return rows.none()
        if self.brand:
            rows = rows.filter(account__brand=int(self.brand))
        if self.platform:
            rows = rows.filter(account__platform=self.platform)
        if self.account:
            rows = rows.filter(account=int(self.account))
        return rows

    def deliveries(self, rows: DeliveryQuerySet) -> DeliveryQuerySet:
        """Narrowed down; `at_risk` is not a column: see `narrowed`."""
        if self.native == ONLY:
            return rows.none()
        if self.brand:
            rows = rows.filter(post__brand=int(self.brand))
        if self.platform:
            rows = rows.filter(account__platform=self.platform)
        if self.account:
            rows = rows.filter(account=int(self.account))
        if self.owner:
            owner = int(self.owner)
            rows = rows.filter(
                Q(post__owner=owner) | Q(post__owner=None, post__author=owner)
            )
        if self.label:
            rows = rows.filter(post__labels=int(self.label))
        if self.status == AT_RISK:
            rows = rows.filter(status=Delivery.Status.SCHEDULED)
        elif self.status == NEEDS_ME:
            rows = _needs_me(rows)
        elif self.status:
            rows = rows.filter(status=self.status)
        return rows

    def drafts(self, rows: PostQuerySet) -> PostQuerySet:
        rows = rows.filter(state=Post.State.DRAFT)
        if self.status or self.native == ONLY:
            return rows.none()
        if self.brand:
            rows = rows.filter(brand=int(self.brand))
        if self.platform:
            rows = rows.filter(accounts__platform=self.platform)
        if self.account:
            rows = rows.filter(accounts=int(self.account))
        if self.owner:
            owner = int(self.owner)
            rows = rows.filter(Q(owner=owner) | Q(owner=None, author=owner))
        if self.label:
            rows = rows.filter(labels=int(self.label))
        # Only these find a post more than once.
        joined = self.platform or self.account or self.label
        return rows.distinct() if joined else rows


@dataclass(frozen=True)
class Choices:
    """What the filter form offers to this person: mostly (value, words) for a select."""

    brands: Sequence[Brand]
    platforms: Sequence[tuple[str, str]]
    accounts: Sequence[tuple[int, str]]
    statuses: Sequence[tuple[str, Any]]
    owners: Sequence[tuple[int, str]]
    labels: Sequence[tuple[int, str]]
    views: Sequence[SavedView]
    zones: Sequence[tuple[str, str]]
    #: whom posts can be given to, where that was asked for
    people: Sequence[tuple[int, str]] = ()

    @property
    def brand_names(self) -> list[tuple[int, str]]:
        return [(brand.pk, brand.name) for brand in self.brands]


def choices(
    user: Any, page: str = SavedView.Page.CALENDAR, *, with_people: bool = False
) -> Choices:
    """page: whose saved views are offered; with_people: also whom posts can be given
    to. One query."""
    offered = offers.to(user, page, with_people=with_people)
    slugs = sorted({platform for _pk, _name, _two, platform in offered.accounts})
    names = {slug: registry.spec(slug).name for slug in slugs}
    zones = {"UTC", timezone.get_current_timezone_name()}
    zones |= {brand.time_zone for brand in offered.brands}
    several = len(offered.brands) > 1
    return Choices(
        offered.brands,
        list(names.items()),
        [
            (pk, f"{name} ({names[platform]})")
            for pk, name, _two, platform in offered.accounts
        ],
        [
            (NEEDS_ME, gettext_lazy("Needs me")),
            (AT_RISK, gettext_lazy("At risk")),
            *Delivery.Status.choices,
        ],
        [_called(line) for line in offered.owners],
        # With the brand's name where there are several.
        [
            (pk, f"{name} ({brand})" if several else name)
            for pk, name, _two, brand in offered.labels
        ],
        offered.views,
        [(zone, zone) for zone in sorted(zones)],
        [_called(line) for line in offered.people],
    )


def _called(line: offers.Line) -> tuple[int, str]:
    pk, first, username, last = line
    return pk, called(first, last, username)


# ---------------------------------------------------------------- rows


@dataclass(frozen=True)
class Row:
    """A delivery, or a draft when `delivery` is None, with what is said about it."""

    post: Post
    delivery: Delivery | None = None
    risks: tuple[Risk, ...] = ()
    #: its text, and the key of its first file that has a small picture, where they were
    #: read beside the post (`light_rows`)
    beside: tuple[str, int | None] | None = None
    #: how who looks after it is called, where that was read beside the post (`listed`)
    whose: str | None = None

    @cached_property
    def risk(self) -> Risk | None:
        """The gravest reason why it will not go out when due."""
        return self.risks[0] if self.risks else None

    @property
    def at(self) -> datetime | None:
        return self.delivery.due_at if self.delivery else self.post.due_at

    @cached_property
    def excerpt(self) -> str:
        if self.beside is not None:
            text = self.beside[0]
        else:
            text = wording_of(self.delivery) if self.delivery else self.post.text
        return excerpt(text, self.post.link_url)

    @property
    def picture(self) -> int | None:
        """The key of the first of its files that has a small picture."""
        if self.beside is not None:
            return self.beside[1]
        assets = (use.asset for use in self.post.media.all())
        return next((asset.pk for asset in assets if asset.preview), None)

    @property
    def looked_after_by(self) -> str:
        if self.whose is not None:
            return self.whose
        return person(self.post.looked_after_by)

    @cached_property
    def trouble(self) -> Trouble | None:
        return trouble(self.delivery) if self.delivery else None

    @property
    def held_why(self) -> str:
        return held_in_short(self.delivery) if self.delivery else ""

    @cached_property
    def next_step(self) -> str:
        if self.delivery is None:
            return _("Finish it and schedule it.")
        return next_sentence(self.delivery, self.risk)


@dataclass(frozen=True)
class NativeRow:
    """A post made at the network itself, as calendar and list show it."""

    native: NativePost

    @property
    def account(self) -> ConnectedAccount:
        return self.native.account

    @property
    def at(self) -> datetime:
        return self.native.posted_at

    @property
    def look(self) -> looks.Look:
        return looks.native()

    @property
    def excerpt(self) -> str:
        return cut(self.native.text) or _("Without text")

    @property
    def address(self) -> str:
        """Of the post there, where the network tells one."""
        return self.native.permalink or self.account.get_absolute_url()


def excerpt(text: str, link: str) -> str:
    """The beginning of a post's text, or what it has instead."""
    return cut(text) or cut(link) or _("Files only")


def cut(text: str) -> str:
    """As much of it as a card has room for."""
    text = " ".join(text.split())
    return text if len(text) <= EXCERPT else text[: EXCERPT - 1].rstrip() + "…"


def native_rows(natives: NativePostQuerySet) -> list[NativeRow]:
    return [NativeRow(row) for row in natives.select_related("account")]


def rows_of(deliveries: Iterable[Delivery]) -> list[Row]:
    """With what is said of each, by a fixed number of queries."""
    rows = list(deliveries)
    found = risks(rows)
    stops.name_holds(rows)
    return [Row(row.post, row, found.get(row.pk, ())) for row in rows]


def light_rows(
    keys: Collection[int], drafts: Iterable[Post] = (), sky: Sky | None = None
) -> list[Row]:
    """Rows for cards, which show one risk at most: of these deliveries and drafts.

    Without those that are no more. A fixed number of queries, and hardly more than the
    columns that cards show.
    """
    unsent = list(drafts)
    shown: list[light.Shown] = []
    if keys:
        shown, partly = light.deliveries(list(keys), sky)
        if partly:
            whole = list(Delivery.objects.filter(pk__in=partly).for_pages())
            stops.name_holds(whole)
            shown += [light.Shown(row, wording_as_sent(row), None) for row in whole]
    posts = list({one.delivery.post_id for one in shown} | {one.pk for one in unsent})
    if not posts:
        return []
    own = light.wordings(posts)
    pictures = light.pictures(posts)
    found = [Row(post, beside=(post.text, pictures.get(post.pk))) for post in unsent]
    for delivery, sent, risk in shown:
        post = delivery.post
        text = sent or own.get((post.pk, delivery.account.platform), post.text)
        beside = (text, pictures.get(post.pk))
        found.append(Row(post, delivery, (risk,) if risk else (), beside))
    return found


def for_rows(deliveries: DeliveryQuerySet) -> DeliveryQuerySet:
    """With all that a row shows.

    Accounts come by a query of their own: one object, and one decryption of its
    credential, for all rows of an account.
    """
    return deliveries.select_related(
        "post__brand", "post__author", "post__owner"
    ).prefetch_related(
        "account__credential__app",
        "account__credential__parent__parent",
        "account__owner",
        "post__variants",
        "post__media__asset",
    )


def of_post(post: Post) -> list[Delivery]:
    """A post's deliveries with all that a row shows. Two queries.

    The post comes with its brand, author, owner, variants and media.
    """
    accounts = ConnectedAccount.objects.select_related(
        "credential__app", "credential__parent__parent", "owner"
    )
    rows = Delivery.objects.filter(post=post).prefetch_related(
        Prefetch("account", accounts)
    )
    found = list(rows.order_by("account__platform", "account__name"))
    for row in found:
        row.post = post
    return found


_NAMES = ("first_name", "last_name", "username")


def _listed(keys: list[int]) -> Any:
    people = {
        f"{who}_{name}": F(f"post__{who}__{name}")
        for who in ("owner", "author")
        for name in _NAMES
    }
    # The number of steps is all that a row shows of a brand.
    return (
        Delivery.objects.filter(pk__in=keys)
        .order_by()
        .select_related("post")
        .annotate(**people, steps=F("post__brand__approval_steps"))
    )


_by_key = FixedQuery(_listed, [-7], keeps_plan=True)


def listed_rows(keys: Sequence[int]) -> list[Row]:
    """Of these deliveries, in that order, without those that are no more: what the list
    of posts shows. By a fixed number of queries, as `rows_of`."""
    by_key = {row.pk: row for row in _by_key.objects(list(keys))}
    accounts = accounts_with_access({row.account_id for row in by_key.values()})
    deliveries = [
        by_key[key]
        for key in keys
        if key in by_key and by_key[key].account_id in accounts
    ]
    for row in deliveries:
        row.account = accounts[row.account_id]
        steps = row.steps
        brand = {"id": row.post.brand_id, "approval_steps": steps}
        row.post.brand = instance(Brand, brand)
    read_variants([row.post for row in deliveries])
    found = risks(deliveries, light=True)
    stops.name_holds(deliveries)
    return [
        Row(row.post, row, found.get(row.pk, ()), whose=_looked_after(row))
        for row in deliveries
    ]


def _looked_after(row: Any) -> str:
    names = [
        [getattr(row, f"{who}_{n}") for n in _NAMES] for who in ("owner", "author")
    ]
    owner, author = names
    return called(*(author if owner[-1] is None else owner))


# ---------------------------------------------------------------- calendar


@dataclass
class Day:
    date: date
    is_today: bool
    is_past: bool
    in_month: bool
    #: the first ones, as many as a day has room for
    cards: list[Row | NativeRow] = field(default_factory=list)
    count: int = 0

    @property
    def more(self) -> int:
        return self.count - len(self.cards)

    @property
    def iso(self) -> str:
        return self.date.isoformat()


@dataclass(frozen=True)
class Calendar:
    """weeks: rows of seven days, Monday first. previous and next: a day inside them."""

    view: str
    day: date
    title: str
    weeks: list[list[Day]]
    previous: date
    next: date
    at_risk: int

    @property
    def weekdays(self) -> list[Day]:
        return self.weeks[0]

    @property
    def total(self) -> int:
        return sum(day.count for week in self.weeks for day in week)


def read_day(text: str, today: date) -> date:
    """A date from the address; today when it is none."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return today
    return day if FIRST_YEAR <= day.year < LAST_YEAR else today


def reader_today() -> date:
    return timezone.localdate()


def instants(first: date, last: date) -> tuple[datetime, datetime]:
    """Start of the first day and end of the last in the reader's zone, as UTC."""
    zone = timezone.get_current_timezone()
    start = datetime.combine(first, time.min, zone).astimezone(UTC)
    end = datetime.combine(last + timedelta(days=1), time.min, zone).astimezone(UTC)
    return start, end


def written(name: str) -> Cast:
    """A field's time as the database writes it, in UTC: to put thousands in order takes
    no more, and to make a datetime of each takes longer than to read them."""
    return Cast(name, TextField())


def in_order(at: datetime) -> str:
    """Comes behind all earlier times as `written` has them, and before all others."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _going(
    reader: Any, start: datetime, stop: datetime, filters: Filters
) -> DeliveryQuerySet:
    # Naming every status leads by the index of states and due times.
    rows = filters.deliveries(
        Delivery.objects.visible_to(reader).filter(
            status__in=Delivery.Status.values, due_at__gte=start, due_at__lt=stop
        )
    )
    return narrowed(rows, filters)


def _ours(reader: Any, start: datetime, stop: datetime, filters: Filters) -> Any:
    found = _going(reader, start, stop, filters).order_by("due_at", "pk")
    return found.values_list(written("due_at"), "post", "pk")


def _keys(reader: Any, start: datetime, stop: datetime, filters: Filters) -> Any:
    """In no order: to put thousands in order takes the database longer than us."""
    found = _going(reader, start, stop, filters).order_by()
    return found.values_list(written("due_at"), "pk")


def _drafts(reader: Any, start: datetime, stop: datetime, filters: Filters) -> Any:
    drafts = filters.drafts(
        Post.objects.visible_to(reader).filter(due_at__gte=start, due_at__lt=stop)
    )
    return drafts.values_list(written("due_at"), "pk")


def _natives(reader: Any, start: datetime, stop: datetime, filters: Filters) -> Any:
    made_there = filters.natives(NativePost.objects.visible_to(reader))
    return made_there.between(start, stop).values_list(written("posted_at"), "pk")


_KINDS = (_ours, _drafts, _natives)
_STOP = SAMPLE_TIME + timedelta(days=1)
#: Mostly nothing is filtered, and the queries are the same for everybody.
_unfiltered = {
    rows_of: Seen(
        lambda reader, start, stop, rows_of=rows_of: rows_of(
            reader, start, stop, Filters()
        ),
        SAMPLE_TIME,
        _STOP,
        for_all=True,
    )
    for rows_of in (*_KINDS, _keys)
}


def in_period(
    user: Any, start: datetime, stop: datetime, filters: Filters
) -> tuple[Sequence[Any], Sequence[Any], Sequence[Any]]:
    """What stands in the calendar between these times, each as `written` has it:
    deliveries (time, post, key) in order, drafts (time, post), and posts made at the
    network (time, key). Three queries."""
    ours, drafts, natives = (_of(f, user, start, stop, filters) for f in _KINDS)
    return ours, drafts, natives


def _of(
    kind: Any, user: Any, start: datetime, stop: datetime, filters: Filters
) -> Sequence[Any]:
    if filters.any:
        return list(kind(user, start, stop, filters))
    return _unfiltered[kind].rows(user, start, stop)


def calendar(user: Any, view: str, day: date, filters: Filters) -> Calendar:
    """Month or week around a day. Five queries and their prefetches at most."""
    today = reader_today()
    if view == "week":
        first = day - timedelta(days=day.weekday())
        last = first + timedelta(days=6)
        previous, following = first - timedelta(days=7), last + timedelta(days=1)
        since = date_format(first, _("j M"))
        until = date_format(last, _("j M Y"))
        title = f"{since} – {until}"
    else:
        view = "month"
        first_of_month = day.replace(day=1)
        following = (first_of_month + timedelta(days=32)).replace(day=1)
        end = following - timedelta(days=1)
        first = first_of_month - timedelta(days=first_of_month.weekday())
        last = end + timedelta(days=6 - end.weekday())
        previous = (first_of_month - timedelta(days=1)).replace(day=1)
        title = date_format(first_of_month, "F Y")
    start, stop = instants(first, last)
    days = {
        at: Day(at, at == today, at < today, view == "week" or at.month == day.month)
        for at in (first + timedelta(days=n) for n in range((last - first).days + 1))
    }
    ordered = list(days.values())
    begins = [in_order(instants(one.date, one.date)[0]) for one in ordered]
    # Only what has room is read and judged: a month may have thousands.
    ours, drafts, natives = (
        _cut(sorted(_of(kind, user, start, stop, filters)), begins)
        for kind in (_keys, _drafts, _natives)
    )
    keys: list[int] = []
    unsent: list[int] = []
    beside: list[int] = []
    for one, sent, unfinished, theirs in zip(
        ordered, ours, drafts, natives, strict=True
    ):
        mine = len(sent) + len(unfinished)
        one.count = mine + len(theirs)
        soonest = [(when, keys, key) for when, key in sent[:CARDS_PER_DAY]]
        soonest += [(when, unsent, post) for when, post in unfinished[:CARDS_PER_DAY]]
        soonest.sort(key=itemgetter(0))
        for _when, among, key in soonest[:CARDS_PER_DAY]:
            among.append(key)
        # What is our own comes first where there is no room for all.
        left = max(0, CARDS_PER_DAY - mine)
        beside += [key for _when, key in theirs[:left]]

    def day_of(at: datetime | None) -> Day:
        return ordered[bisect_right(begins, in_order(at or start)) - 1]

    sky = Sky.now_seen(timezone.now())
    for row in light_rows(keys, light.drafts(unsent), sky):
        day_of(row.at).cards.append(row)
    if beside:
        for native in native_rows(NativePost.objects.filter(pk__in=beside)):
            day_of(native.at).cards.append(native)
    for one in ordered:
        one.cards.sort(key=lambda row: row.at or start)
    weeks = [ordered[n : n + 7] for n in range(0, len(ordered), 7)]
    return Calendar(
        view, day, title, weeks, previous, following, risks_ahead(user, filters, sky)
    )


def _cut(entries: list[Any], begins: Sequence[str]) -> Iterator[list[Any]]:
    """Those of each day, of entries that begin with their time, in its order."""
    ends = [bisect_left(entries, (begin,)) for begin in begins[1:]]
    yield from (
        entries[first:last]
        for first, last in zip([0, *ends], [*ends, len(entries)], strict=True)
    )


def narrowed(deliveries: DeliveryQuerySet, filters: Filters) -> DeliveryQuerySet:
    """Only those at risk where the filters want them; else all, and no query."""
    if filters.status != AT_RISK:
        return deliveries
    return deliveries.filter(pk__in=[one.pk for one in threatened(deliveries)])


def risks_ahead(user: Any, filters: Filters, sky: Sky | None = None) -> int:
    """How many posts of the next seven days will not go out as things stand."""
    now = timezone.now()
    sky = sky or Sky.now_seen(now)
    until = now + timedelta(days=RISK_DAYS)
    whatever_state = replace(filters, status="")
    if not whatever_state.any:
        found = threatened_for(user, until, sky)
        return sum(one.due_at >= now for one in found)
    rows = whatever_state.deliveries(
        Delivery.objects.visible_to(user).filter(
            status=Delivery.Status.SCHEDULED, due_at__gte=now, due_at__lt=until
        )
    )
    return len(threatened(rows, sky))


# ---------------------------------------------------------------- list

TABS = {
    NEEDS_ME: gettext_lazy("Needs me"),
    "upcoming": gettext_lazy("Upcoming"),
    "published": gettext_lazy("Published"),
    "drafts": gettext_lazy("Drafts"),
    "all": gettext_lazy("All"),
    NATIVE: gettext_lazy("Made at the network"),
}


def _needs_me(rows: DeliveryQuerySet) -> DeliveryQuerySet:
    """As the menu and the failure desk count them: without what was put aside."""
    # The database's clock: the words of this query are kept.
    return rows.needs_person().awake(Now())


class WhenDue(Func):
    """The due time, by which PostgreSQL sorts what it has found.

    By the column itself it walks the index of all due times to the first page of a list,
    past all that ever went out, for it takes the few for spread among them.
    """

    arity = 1
    template = "%(expressions)s"
    output_field = DateTimeField()

    def as_postgresql(self, compiler: Any, connection: Any, **more: Any) -> Any:
        more["template"] = "(%(expressions)s + interval '0 seconds')"
        return self.as_sql(compiler, connection, **more)


def tab_deliveries(rows: DeliveryQuerySet, tab: str) -> DeliveryQuerySet:
    if tab == NEEDS_ME:
        return _needs_me(rows).order_by(WhenDue("due_at"), "pk")
    if tab == "upcoming":
        return rows.open().order_by(WhenDue("due_at"), "pk")
    if tab == "published":
        return _published(rows).order_by("-published_at", "-pk")
    return rows.order_by("-due_at", "-pk")


def _published(rows: DeliveryQuerySet) -> DeliveryQuerySet:
    # Said by what it is not: by its status SQLite would sort all that ever went out.
    others = set(Delivery.Status.values) - {Delivery.Status.PUBLISHED}
    return rows.filter(published_at__isnull=False).exclude(status__in=others)


@dataclass(frozen=True)
class Tab:
    """count: as `long_lists.count` counts."""

    key: str
    label: Any
    count: int
    is_current: bool

    @property
    def count_words(self) -> str:
        return long_lists.in_words(self.count)


def tabs(
    rows: DeliveryQuerySet,
    drafts: PostQuerySet,
    natives: NativePostQuerySet,
    current: str,
) -> list[Tab]:
    """The tabs with their numbers: one query."""
    return _tabs(long_lists.counts(_under_tabs(rows, drafts, natives)), current)


def tabs_of_all(reader: Any, current: str) -> list[Tab]:
    """The same where nothing is filtered: the query is put together once."""
    words = _words_of_all(connection.vendor, reader.pk, bool(reader.is_superuser))
    return _tabs(long_lists.answer(*words), current)


@lru_cache(maxsize=500)
def _words_of_all(
    _vendor: str, pk: int, is_superuser: bool
) -> tuple[str, tuple[Any, ...]]:
    reader, nothing = Reader(pk, is_superuser), Filters()
    return long_lists.words(
        _under_tabs(
            nothing.deliveries(Delivery.objects.visible_to(reader)),
            nothing.drafts(Post.objects.visible_to(reader)),
            nothing.natives(NativePost.objects.visible_to(reader)),
        )
    )


def _under_tabs(
    rows: DeliveryQuerySet, drafts: PostQuerySet, natives: NativePostQuerySet
) -> list[Any]:
    """What each of TABS shows."""
    shown = {
        NEEDS_ME: _needs_me(rows),
        "upcoming": rows.open(),
        "published": _published(rows),
        "drafts": drafts,
        "all": rows,
        NATIVE: natives,
    }
    return [shown[key] for key in TABS]


def _tabs(counted: Iterable[int], current: str) -> list[Tab]:
    numbers = dict(zip(TABS, counted, strict=True))
    return [
        Tab(key, label, numbers[key], key == current) for key, label in TABS.items()
    ]


def tabs_of_risks(number: int, current: str) -> list[Tab]:
    """The same of so many that are at risk: those are scheduled, all of them."""
    return [
        Tab(key, label, number if key in _TABS_OF_RISKS else 0, key == current)
        for key, label in TABS.items()
    ]


_TABS_OF_RISKS = ("upcoming", "all")


def risks_under(tab: str, keys: list[int]) -> list[int]:
    """In the tab's order. keys: by due time."""
    if tab not in _TABS_OF_RISKS:
        return []
    return keys if tab == "upcoming" else keys[::-1]


def zone_note(zone: str) -> str:
    """The zone with its offset now: "Europe/Berlin (UTC+01:00)"."""
    offset = datetime.now(zone_called(zone)).strftime("%z")
    return f"{zone} (UTC{offset[:3]}:{offset[3:]})"

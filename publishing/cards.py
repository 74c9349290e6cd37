"""The calendar's cards: a light answer, however full the month is.

First only keys and times of the period are read. What a cell has no room for is counted,
and only the posts that are shown are read whole: so a month of 2,000 posts costs little
more than one of 100.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Any, NamedTuple

from django.urls import reverse
from django.utils import timezone, translation
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from . import light, looks, slots
from .composing import CHANGEABLE
from .listing import (
    Filters,
    NativeRow,
    Row,
    in_order,
    in_period,
    instants,
    light_rows,
    native_rows,
)
from .models import Delivery, NativePost, Post

#: Cards in a cell: a day of the month, an hour of the week, a day of the list.
ROOM = {"month": 3, "week": 3, "list": 15}
#: Of the queues' open slots so many stand in an hour beside the cards.
MOST_OPEN = 2
#: The longest period that is answered, in days: six weeks of a month view.
MOST_DAYS = 42
#: Posts that a day's panel shows; the list of posts has pages.
MOST_IN_PANEL = 200

Status = Delivery.Status


class Place(NamedTuple):
    """A post at a time of the calendar. keys: of its deliveries there; none of a draft.

    when: as `listing.written` has it. native: of one that was made at the network itself; then there is no post of ours.
    """

    when: str
    post_id: int
    keys: tuple[int, ...]
    native: int = 0


class Timed:
    """What stands at a time of the calendar. local: `at` on the reader's clock."""

    at: Any
    local: datetime

    @property
    def time(self) -> str:
        """With the short name of the reader's zone: "09:00 CET"."""
        local = self.local
        return f"{local.hour:02}:{local.minute:02} {local.tzname()}"

    @property
    def minute(self) -> str:
        """As the calendar's script reckons with it: "2026-11-24T09:00"."""
        return self.local.isoformat()[:16]


@dataclass(frozen=True)
class NativeCard(Timed):
    """A post that somebody made at the network itself: to look at there."""

    row: NativeRow
    at: datetime
    local: datetime

    picture = None
    why = ""
    can_move = False

    @property
    def platforms(self) -> list[str]:
        return [self.row.account.platform]

    @property
    def who(self) -> str:
        return self.row.account.name

    @property
    def excerpt(self) -> str:
        return self.row.excerpt

    @property
    def look(self) -> looks.Look:
        return self.row.look

    @property
    def permalink(self) -> str:
        return self.row.native.permalink

    @property
    def address(self) -> str:
        return self.row.address

    def light(self, language: str | None) -> dict[str, Any]:
        """As `Card.light`. u: where it leads instead of to a post of ours."""
        look = self.look
        return {
            "id": f"n{self.row.native.pk}",
            "s": self.minute,
            "t": self.time,
            "p": self.platforms,
            "a": self.who,
            "x": self.excerpt,
            "c": look[:2],
            "w": look.word,
            "u": self.address,
        }


@dataclass(frozen=True)
class Card(Timed):
    """One post at one time, with the deliveries that go then; a draft has none."""

    post: Post
    rows: Sequence[Row]
    at: datetime
    local: datetime
    #: of those of its rows that have one
    _sent: list[Delivery] = field(init=False, repr=False)
    statuses: list[str] = field(init=False, repr=False)

    @property
    def excerpt(self) -> str:
        return self.rows[0].excerpt

    @property
    def picture(self) -> int | None:
        return self.rows[0].picture

    @property
    def address(self) -> str:
        return self.post.get_absolute_url()

    @property
    def platforms(self) -> list[str]:
        return list(dict.fromkeys([one.account.platform for one in self._sent]))

    @property
    def who(self) -> str:
        if len(self._sent) == 1:
            return self._sent[0].account.name
        names = list(dict.fromkeys(one.account.name for one in self._sent))
        if not names:
            return self.post.brand.name
        text = ngettext("%(n)s account", "%(n)s accounts", len(self.rows))
        return text % {"n": len(self.rows)} if len(names) > 1 else names[0]

    def __post_init__(self) -> None:
        # Read a dozen times each, by hundreds of cards.
        sent = [row.delivery for row in self.rows if row.delivery]
        object.__setattr__(self, "_sent", sent)
        object.__setattr__(self, "statuses", [one.status for one in sent])

    @property
    def look(self) -> looks.Look:
        return self.look_in(translation.get_language())

    def look_in(self, language: str | None) -> looks.Look:
        """language: the active one."""
        found, worst = looks.together(
            self.post, self.statuses, short=True, language=language
        )
        if worst == Status.HELD and self._unapproved:
            return looks.waiting(self._unapproved)
        if worst == Status.SCHEDULED and self._risky:
            return looks.at_risk()
        return looks.ended(self._sent, worst) or found

    @property
    def _unapproved(self) -> Delivery | None:
        holds = (one for one in self._sent if one.hold == Delivery.Hold.APPROVAL)
        return next(holds, None)

    @property
    def _risky(self) -> Row | None:
        return next((row for row in self.rows if row.risks), None)

    @property
    def why(self) -> str:
        """Why it will not go, does not go or did not go; "" when there is nothing to say."""
        if risky := self._risky:
            assert risky.risk is not None
            return risky.risk.sentence
        by_status = {row.delivery.status: row for row in self.rows if row.delivery}
        if failed := by_status.get(Status.FAILED):
            found = failed.trouble
            return f"{found.head}." if found else ""
        if Status.UNCERTAIN in by_status:
            return _("May be live; we are looking.")
        if held := by_status.get(Status.HELD):
            return held.held_why
        return ""

    @property
    def can_move(self) -> bool:
        if self.post.state == Post.State.DRAFT:
            return True
        return any(status in CHANGEABLE for status in self.statuses)

    @property
    def permalink(self) -> str:
        return next((one.permalink for one in self._sent), "")

    @property
    def seen(self) -> str:
        return self.post.due_at.isoformat() if self.post.due_at else ""

    def light(self, language: str | None) -> dict[str, Any]:
        """For the calendar's script. s: the reader's wall clock, which it reckons with.

        language: the active one.
        """
        look = self.look_in(language)
        found: dict[str, Any] = {
            "id": self.post.pk,
            "s": self.minute,
            "t": self.time,
            "p": self.platforms,
            "a": self.who,
            "x": self.excerpt,
            "c": look[:2],
            "w": look.word,
        }
        if why := self.why:
            found["y"] = why
        if picture := self.picture:
            found["m"] = picture
        if self.post.series_id:
            found["r"] = 1
        if self.can_move:
            found["v"] = self.seen
        return found


# ---------------------------------------------------------------- reading


def period(user: Any, first: date, last: date, filters: Filters) -> list[Place]:
    """What stands in the calendar on these days, by time: keys only. Three queries."""
    start, stop = instants(first, last)
    ours, drafts, natives = in_period(user, start, stop, filters)
    at: dict[tuple[str, int], list[int]] = {}
    for when, post_id, key in ours:
        at.setdefault((when, post_id), []).append(key)
    places = [Place(when, post, tuple(keys)) for (when, post), keys in at.items()]
    places += [Place(when, pk, ()) for when, pk in drafts]
    places += [Place(when, 0, (), pk) for when, pk in natives]
    return sorted(places)


def cards_of(places: Iterable[Place]) -> list[Card | NativeCard]:
    """The posts themselves, by a fixed number of queries."""
    places = list(places)
    keys = [key for place in places for key in place.keys]
    drafts = [p.post_id for p in places if not p.keys and not p.native]
    natives: dict[int, NativeRow] = {}
    if made_there := [place.native for place in places if place.native]:
        found_there = native_rows(NativePost.objects.filter(pk__in=made_there))
        natives = {row.native.pk: row for row in found_there}
    found = light_rows(keys, light.drafts(drafts))
    rows = {row.delivery.pk: row for row in found if row.delivery}
    drafted = {row.post.pk: row for row in found if row.delivery is None}
    cards: list[Card | NativeCard] = []
    # Which zone it is is asked for once: hundreds of cards cost most of that.
    zone = timezone.get_current_timezone()
    for place in places:
        if place.native:
            if place.native in natives:
                native = natives[place.native]
                at = native.at
                cards.append(NativeCard(native, at, at.astimezone(zone)))
            continue
        # What went away between the two queries is not there.
        mine = [rows[key] for key in place.keys if key in rows]
        if not place.keys and place.post_id in drafted:
            mine = [drafted[place.post_id]]
        if mine and (due_at := mine[0].at):
            local = due_at.astimezone(zone)
            cards.append(Card(mine[0].post, mine, due_at, local))
    return cards


# The same weeks are looked at again and again.
@lru_cache(maxsize=500)
def _cells(
    view: str, first: date, last: date, zone: tzinfo
) -> tuple[list[str], list[str]]:
    """When each cell begins (`listing.in_order`), and how the script calls it: hours of a
    week, days else. An hour that a clock change repeats has one name twice. zone: the
    active one."""
    begins: list[str] = []
    names: list[str] = []
    if view != "week":
        for n in range((last - first).days + 1):
            day = first + timedelta(days=n)
            begins.append(in_order(instants(day, day)[0]))
            names.append(day.isoformat())
        return begins, names
    start, stop = instants(first, last)
    # Zones differ from UTC by quarters of an hour.
    quarter = timedelta(minutes=15)
    for n in range((stop - start) // quarter):
        at = start + n * quarter
        name = f"{at.astimezone(zone).isoformat()[:13]}:00"
        if not names or names[-1] != name:
            begins.append(in_order(at))
            names.append(name)
    return begins, names


def answer(
    user: Any, view: str, first: date, last: date, filters: Filters
) -> dict[str, Any]:
    """What the calendar's script draws: cards, and how many a cell has no room for."""
    room = ROOM[view]
    cells: dict[str, list[Place]] = {}
    begins, names = _cells(view, first, last, timezone.get_current_timezone())
    for place in period(user, first, last, filters):
        cell = names[bisect_right(begins, place.when) - 1]
        cells.setdefault(cell, []).append(place)
    shown: list[Place] = []
    more = []
    for cell, places in cells.items():
        fits = room
        if len(places) > room and view == "week":
            fits = room - 1  # the count takes a line of its own
        # Where there is no room for all, what is our own comes first.
        shown += sorted(sorted(places, key=lambda place: bool(place.native))[:fits])
        if len(places) > fits:
            more.append([cell, len(places) - fits])
    language = translation.get_language()
    found: dict[str, Any] = {
        "cards": [card.light(language) for card in cards_of(shown)],
        "more": more,
        "total": sum(map(len, cells.values())),
    }
    if view == "week":
        found["open"] = _open(slots.open_slots(user, first, last, filters))
    return found


def _open(coming: Iterable[slots.SlotTime]) -> list[list[str]]:
    """Time, queue and address of each, as many as an hour has room for."""
    hours: dict[str, list[list[str]]] = {}
    zone = timezone.get_current_timezone()
    for slot in coming:
        at = slot.due_at.astimezone(zone).isoformat()[:16]
        some = hours.setdefault(at[:13], [])
        if len(some) < MOST_OPEN:
            some.append([at, slot.queue.name, slot.compose_url])
    return [line for some in hours.values() for line in some]


def day_panel(user: Any, day: date, filters: Filters) -> dict[str, Any]:
    """All posts of one day, for the panel beside the calendar."""
    places = period(user, day, day, filters)
    query = filters.query(tab="all", day=day.isoformat())
    return {
        "day": day,
        "title": date_format(day, _("l j F Y")),
        "cards": cards_of(places[:MOST_IN_PANEL]),
        "hidden": max(0, len(places) - MOST_IN_PANEL),
        "list_url": f"{reverse('post_list')}?{query}",
    }

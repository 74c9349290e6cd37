"""Platforms that enforce their windows as their documents say, and count for themselves.

Nothing here knows how we count: each platform is written down from its documents
alone, its clock included. Times are seconds since 1970 on the platform's own clock;
`skew_s` is how far that is ahead of ours.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

MINUTE = 60
QUARTER = 15 * MINUTE
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class Window:
    """One count of one partition. `figures` is the part that reading figures took."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.used = 0
        self.figures = 0

    def room(self, now: float) -> int:
        self.turn(now)
        return self.size - self.used

    def turn(self, now: float) -> None:
        """Begin anew when the window has ended."""
        raise NotImplementedError

    def add(self, units: int, now: float, figures: bool) -> None:
        self.turn(now)
        self.used += units
        self.figures += units if figures else 0

    def ends_at(self, now: float) -> float:
        """When all of it is free again, as far as the platform would say."""
        raise NotImplementedError


class FromFirst(Window):
    """Opens with its first call and refills completely at its end."""

    def __init__(self, size: int, length: float) -> None:
        super().__init__(size)
        self.length = length
        self.began: float | None = None

    def turn(self, now: float) -> None:
        if self.began is not None and now >= self.began + self.length:
            self.began, self.used, self.figures = None, 0, 0

    def add(self, units: int, now: float, figures: bool) -> None:
        self.turn(now)
        if self.began is None:
            self.began = now
        super().add(units, now, figures)

    def ends_at(self, now: float) -> float:
        return (now if self.began is None else self.began) + self.length


class Numbered(Window):
    """Windows of a calendar: each moment belongs to the one that `number` tells."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.current: object = None

    def number(self, now: float) -> object:
        raise NotImplementedError

    def turn(self, now: float) -> None:
        if (number := self.number(now)) != self.current:
            self.current, self.used, self.figures = number, 0, 0


class Aligned(Numbered):
    """End at whole multiples of their length since 1970; a day ends at 00:00 UTC."""

    def __init__(self, size: int, length: int = DAY) -> None:
        super().__init__(size)
        self.length = length

    def number(self, now: float) -> int:
        return int(now // self.length)

    def ends_at(self, now: float) -> float:
        return (now // self.length + 1) * self.length


class Month(Numbered):
    """begins_s: how long after midnight of the 1st, UTC, a month begins."""

    def __init__(self, size: int, begins_s: int = 0) -> None:
        super().__init__(size)
        self.begins_s = begins_s

    def number(self, now: float) -> tuple[int, int]:
        day = datetime.fromtimestamp(now - self.begins_s, UTC)
        return day.year, day.month

    def ends_at(self, now: float) -> float:
        first = datetime.fromtimestamp(now - self.begins_s, UTC).replace(day=1)
        after = (first + timedelta(days=32)).replace(day=1)
        midnight = after.replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight.timestamp() + self.begins_s


def sunday(year: int, month: int, which: int) -> date:
    """The first, second ... Sunday of a month."""
    first = date(year, month, 1)
    return first + timedelta(days=(6 - first.weekday()) % 7 + 7 * (which - 1))


def pacific(now: float) -> datetime:
    """The clock on a wall in California, by the law of 2007: summer time from the
    second Sunday in March to the first in November, each time at two o'clock."""
    moment = datetime.fromtimestamp(now, UTC).replace(tzinfo=None)
    winter, summer = moment - timedelta(hours=8), moment - timedelta(hours=7)
    begin = datetime.combine(sunday(winter.year, 3, 2), datetime.min.time())
    end = datetime.combine(sunday(winter.year, 11, 1), datetime.min.time())
    two = timedelta(hours=2)
    if winter >= begin + two and summer < end + two:
        return summer
    return winter


class PacificDay(Numbered):
    def number(self, now: float) -> date:
        return pacific(now).date()

    def ends_at(self, now: float) -> float:
        today = self.number(now)
        hour = (now // HOUR + 1) * HOUR
        while self.number(hour) == today:
            hour += HOUR
        return hour


class Moving(Window):
    """The calls of the last `length` seconds, each kept with its own moment."""

    def __init__(self, size: int, length: float) -> None:
        super().__init__(size)
        self.length = length
        self.log: deque[tuple[float, int, bool]] = deque()

    def turn(self, now: float) -> None:
        while self.log and self.log[0][0] <= now - self.length:
            _, units, figures = self.log.popleft()
            self.used -= units
            self.figures -= units if figures else 0

    def add(self, units: int, now: float, figures: bool) -> None:
        super().add(units, now, figures)
        self.log.append((now, units, figures))

    def ends_at(self, now: float) -> float:
        return (self.log[-1][0] if self.log else now) + self.length


class Who(NamedTuple):
    """Whose call it is: our registration, the token, and the account it acts for."""

    app: int
    token: int
    account: int


class Ask(NamedTuple):
    """A call: `times` in a row, for `things` (posts asked for) each.

    link: the post that is made has a link in it. part: of a thread, which one it is for.
    """

    key: str
    times: int = 1
    things: int = 1
    link: bool = False
    part: int = 1


@dataclass
class Reply:
    """status 200, or the refusal. windows: keys of those that were full."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    full: tuple[tuple[str, object], ...] = ()
    #: windows whose size this answer tells, in its headers or its body
    tells: tuple[tuple[str, object], ...] = ()


class Pretended:
    """One platform."""

    slug = ""
    #: windows that refused calls fill as well
    counts_refused: frozenset[str] = frozenset()

    def __init__(self, skew_s: float = 0.0) -> None:
        self.skew_s = skew_s
        self._windows: dict[tuple[str, object], Window] = {}
        #: calls that are on their way: units per window
        self._coming: dict[tuple[str, object], int] = {}

    def draws(self, ask: Ask, who: Who) -> Iterator[tuple[str, object, int]]:
        """(window, whose, units) of this call."""
        raise NotImplementedError

    def make(self, name: str, whose: object) -> Window:
        """A window that nobody has used yet."""
        raise NotImplementedError

    def is_private(self, name: str, whose: object) -> bool:
        """Whether nobody could know this size before an answer told it."""
        return False

    def window(self, name: str, whose: object) -> Window:
        found = self._windows.get((name, whose))
        if found is None:
            found = self._windows[name, whose] = self.make(name, whose)
        return found

    def answer(self, ask: Ask, who: Who, now: float, *, figures: bool) -> Reply:
        """Count the call and answer it. now: on our clock."""
        now += self.skew_s
        drawn = [(n, w, self.window(n, w), u) for n, w, u in self.draws(ask, who)]
        full = [(n, w) for n, w, window, units in drawn if window.room(now) < units]
        for name, _, window, units in drawn:
            if not full or name in self.counts_refused:
                window.add(units, now, figures)
        reply = Reply(429 if full else 200, full=tuple(full))
        self.tell(reply, ask, who, now)
        return reply

    def tell(self, reply: Reply, ask: Ask, who: Who, now: float) -> None:
        """Write into an answer what it says of the windows."""

    # -- questions that only the simulation may ask

    def expect(self, asks: Iterable[Ask], who: Who, sign: int = 1) -> None:
        """These calls are on their way (sign 1), or have come or were never made (-1)."""
        for ask in asks:
            for name, whose, units in self.draws(ask, who):
                here = self._coming.get((name, whose), 0)
                self._coming[name, whose] = here + sign * units

    def would_admit(
        self,
        asks: Iterable[Ask],
        who: Who,
        now: float,
        *,
        without_figures: bool = False,
    ) -> bool:
        """Whether all of these would pass now, after those that are on their way.

        without_figures: had no figures been read in these windows.
        """
        now += self.skew_s
        needed: dict[tuple[str, object], int] = {}
        for ask in asks:
            for name, whose, units in self.draws(ask, who):
                needed[name, whose] = needed.get((name, whose), 0) + units
        for (name, whose), units in needed.items():
            window = self.window(name, whose)
            room = window.room(now) - self._coming.get((name, whose), 0)
            room += window.figures if without_figures else 0
            if room < units:
                return False
        return True

    def figures_took(self, asks: Iterable[Ask], who: Who, now: float) -> bool:
        """Whether figures have a part in any window that these draw on."""
        for ask in asks:
            for name, whose, _ in self.draws(ask, who):
                window = self.window(name, whose)
                window.turn(now + self.skew_s)
                if window.figures:
                    return True
        return False


# https://docs.x.com/x-api/fundamentals/rate-limits and the pay-per-use price list
X_TABLE: dict[str, tuple[int | None, int | None, int]] = {
    # per user in 15 minutes, per app, length of the app's window
    "POST /2/tweets": (100, 10_000, DAY),
    "GET /2/tweets": (5_000, 3_500, QUARTER),
    "GET /2/users/me": (75, None, 0),
    "GET /2/users/:id/tweets": (900, 10_000, QUARTER),
    "POST /2/media/upload": (500, 50_000, DAY),
    "POST /2/media/metadata": (500, 50_000, DAY),
}


class X(Pretended):
    """posts_per_app: what the app's plan allows in 24 h; posts_per_user: a plan's cap
    in 24 h, told by headers only; budgets: app -> thousandths of a dollar in a month.
    """

    slug = "x"
    private = frozenset({"user day"})

    def __init__(
        self,
        skew_s: float,
        posts_per_app: int,
        posts_per_user: int,
        budgets: Mapping[int, int],
    ) -> None:
        super().__init__(skew_s)
        self.posts_per_app = posts_per_app
        self.posts_per_user = posts_per_user
        self.budgets = budgets

    def is_private(self, name: str, whose: object) -> bool:
        plan = self.posts_per_app != X_TABLE["POST /2/tweets"][1]
        return name == "user day" or (plan and name == "POST /2/tweets of the app")

    def make(self, name: str, whose: object) -> Window:
        if name == "user day":
            return FromFirst(self.posts_per_user, DAY)
        if name == "money":
            assert isinstance(whose, int)
            return Month(self.budgets[whose])
        if name == "reads":
            return Month(3_000_000)
        call, _, of = name.rpartition(" of the ")
        user, app, length = X_TABLE[call]
        if of == "user":
            assert user is not None
            return FromFirst(user, QUARTER)
        assert app is not None
        return FromFirst(
            self.posts_per_app if call == "POST /2/tweets" else app, length
        )

    def draws(self, ask: Ask, who: Who) -> Iterator[tuple[str, object, int]]:
        user, app, _ = X_TABLE[ask.key]
        if user is not None:
            yield f"{ask.key} of the user", (who.app, who.account), ask.times
        if app is not None:
            yield f"{ask.key} of the app", who.app, ask.times
        price = 0
        if ask.key == "POST /2/tweets":
            yield "user day", (who.app, who.account), ask.times
            price = 200 if ask.link else 15
        elif ask.key in {"GET /2/tweets", "GET /2/users/:id/tweets"}:
            yield "reads", who.app, ask.times * ask.things
            price = 5 * ask.things
        elif ask.key == "GET /2/users/me":
            price = 10
        elif ask.key == "POST /2/media/metadata":
            price = 5
        if price:
            yield "money", who.app, ask.times * price

    def answer(self, ask: Ask, who: Who, now: float, *, figures: bool) -> Reply:
        reply = super().answer(ask, who, now, figures=figures)
        if any(name == "money" for name, _ in reply.full):
            reply.status = 402
        return reply

    def tell(self, reply: Reply, ask: Ask, who: Who, now: float) -> None:
        user, app, length = X_TABLE[ask.key]
        of_user = f"{ask.key} of the user", (who.app, who.account)
        of_app = f"{ask.key} of the app", who.app
        shown = [("x-rate-limit", of_user if user else of_app)]
        if app and length == DAY:
            shown.append(("x-app-limit-24hour", of_app))
        if ask.key == "POST /2/tweets":
            shown.append(("x-user-limit-24hour", ("user day", of_user[1])))
        for prefix, which in shown:
            window = self.window(*which)
            reply.headers[f"{prefix}-limit"] = str(window.size)
            reply.headers[f"{prefix}-remaining"] = str(max(0, window.room(now)))
            reply.headers[f"{prefix}-reset"] = str(int(window.ends_at(now)))
        reply.tells = tuple(which for _, which in shown)


# https://learn.microsoft.com/en-us/linkedin/shared/api-guide/concepts/rate-limits
class LinkedIn(Pretended):
    """Two counts for each endpoint, both until 00:00 UTC; no header tells anything.

    tiers: app -> (size of the application's count, of a member's).
    """

    slug = "linkedin"

    def __init__(self, skew_s: float, tiers: Mapping[int, tuple[int, int]]) -> None:
        super().__init__(skew_s)
        self.tiers = tiers

    def make(self, name: str, whose: object) -> Window:
        assert isinstance(whose, tuple)
        app, member = self.tiers[whose[0]]
        return Aligned(member if name.endswith("member") else app)

    def draws(self, ask: Ask, who: Who) -> Iterator[tuple[str, object, int]]:
        if not ask.key.startswith("PUT {"):  # the upload address is no endpoint
            yield f"{ask.key} application", (who.app,), ask.times
            yield f"{ask.key} member", (who.app, who.token), ask.times


# https://developers.google.com/youtube/data/determine_quota_cost
class YouTube(Pretended):
    slug = "youtube"
    SIZES = {"Video Uploads": 100, "Search": 100, "default": 10_000}
    #: whoever asks pays, also for nonsense
    COSTS = {
        "PUT {session}": 0,
        "GET channels.list": 1,
        "GET videos.list": 1,
        "GET playlistItems.list": 1,
        "POST thumbnails.set": 50,
        "POST playlistItems.insert": 50,
    }

    def make(self, name: str, whose: object) -> Window:
        return PacificDay(self.SIZES[name])

    def draws(self, ask: Ask, who: Who) -> Iterator[tuple[str, object, int]]:
        if ask.key == "POST videos.insert":
            yield "Video Uploads", who.app, ask.times
        elif ask.key == "GET search.list":
            yield "Search", who.app, ask.times
        else:
            yield "default", who.app, ask.times * self.COSTS[ask.key]


# https://docs.joinmastodon.org/api/rate-limits/ and rack_attack.rb
class Mastodon(Pretended):
    """own: sizes of servers that changed the defaults, (window, app) -> size."""

    slug = "mastodon"
    SIZES = {
        "authenticated": (300, 5 * MINUTE),
        "user": (1500, 5 * MINUTE),
        "media": (30, 30 * MINUTE),
        "statuses": (300, 3 * HOUR),
        "paging": (300, 15 * MINUTE),
    }

    def __init__(self, skew_s: float, own: Mapping[tuple[str, int], int]) -> None:
        super().__init__(skew_s)
        self.own = own

    def is_private(self, name: str, whose: object) -> bool:
        assert isinstance(whose, tuple)
        return (name, whose[0]) in self.own

    def make(self, name: str, whose: object) -> Window:
        assert isinstance(whose, tuple)
        size, length = self.SIZES[name]
        return Aligned(self.own.get((name, whose[0]), size), length)

    def draws(self, ask: Ask, who: Who) -> Iterator[tuple[str, object, int]]:
        yield "authenticated", (who.app, who.token), ask.times
        yield "user", (who.app, who.account), ask.times
        if ask.key == "POST /api/v2/media":
            yield "media", (who.app, who.account), ask.times
        elif ask.key == "POST /api/v1/statuses":
            yield "statuses", (who.app, who.account), ask.times
        elif ask.key.endswith("?max_id"):
            yield "paging", (who.app, who.account), ask.times

    def tell(self, reply: Reply, ask: Ask, who: Who, now: float) -> None:
        drawn = [(name, whose) for name, whose, _ in self.draws(ask, who)]
        shown = min(drawn, key=lambda which: self.window(*which).room(now))
        if ask.key == "POST /api/v1/statuses":
            shown = next(which for which in drawn if which[0] == "statuses")
        window = self.window(*shown)
        reset = datetime.fromtimestamp(window.ends_at(now), UTC)
        reply.headers = {
            "x-ratelimit-limit": str(window.size),
            "x-ratelimit-remaining": str(max(0, window.room(now))),
            "x-ratelimit-reset": f"{reset:%Y-%m-%dT%H:%M:%S.%f}Z",
        }
        reply.tells = (shown,)


# https://docs.bsky.app/docs/advanced-guides/rate-limits
class Bluesky(Pretended):
    slug = "bluesky"

    def make(self, name: str, whose: object) -> Window:
        size, length = {
            "address": (3000, 5 * MINUTE),
            "points in an hour": (5000, HOUR),
            "points in a day": (35_000, DAY),
            "blobs": (1000, DAY),
        }[name]
        return FromFirst(size, length)

    def draws(self, ask: Ask, who: Who) -> Iterator[tuple[str, object, int]]:
        yield "address", "ours", ask.times
        if ask.key == "POST com.atproto.repo.putRecord":
            yield "points in an hour", who.account, 2 * ask.times
            yield "points in a day", who.account, 2 * ask.times
        elif ask.key == "POST com.atproto.repo.uploadBlob":
            yield "blobs", who.account, ask.times

    def tell(self, reply: Reply, ask: Ask, who: Who, now: float) -> None:
        drawn = [(name, whose) for name, whose, _ in self.draws(ask, who)]
        shown = min(drawn, key=lambda which: self.window(*which).room(now))
        window = self.window(*shown)
        assert isinstance(window, FromFirst)
        reply.headers = {
            "ratelimit-limit": str(window.size),
            "ratelimit-remaining": str(max(0, window.room(now))),
            "ratelimit-reset": str(int(window.ends_at(now))),
            "ratelimit-policy": f"{window.size};w={int(window.length)}",
        }
        reply.tells = (shown,)

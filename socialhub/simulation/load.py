"""A busy agency: its accounts, its posts of some days, and what reads figures for it."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from platforms import parts, registry
from platforms.base import PublishJob

from . import pretended_meta as meta
from . import pretended_more as more
from .pretended import (
    Ask,
    Bluesky,
    LinkedIn,
    Mastodon,
    Pretended,
    Who,
    X,
    YouTube,
)
from .steps import Kind, job, kind_on, steps

MINUTE, HOUR, DAY = 60, 3600, 86_400


@dataclass(frozen=True)
class SetSize:
    """A size that an admin knows from the platform's own pages."""

    platform: str
    key: str
    who: Who
    size: int


#: app and tokens of each cast; an account's number is its token's times ten and more
X_APP, X_POOR = 1, 2
SHARE, DEVELOPMENT = 3, 4
PROJECT = 5
META = 6
SERVER, SMALL_SERVER = 7, 8
PDS = 9
PAGES, PROFILES = 10, 11
CREATORS = 12
BOARDS, TRIAL = 13, 14
SNAPS = 15
BROKER, RELAY = 16, 17
QUOTAS = {601: 50, 602: 50, 603: 100, 604: 25}
#: posts in a month by plan: of each profile at Ayrshare, of the whole app at Outstand
PLAN, RELAY_PLAN = 30, 60


def accounts(app: int, count: int, *, tokens: int | None = None) -> list[Who]:
    """Who acts on an app: accounts 101, 102 ... of app 1, spread over its tokens."""
    return [
        Who(app, app * 10 + n % (tokens or count), app * 100 + 1 + n)
        for n in range(count)
    ]


CAST: dict[str, list[Who]] = {
    "x": [*accounts(X_APP, 12), *accounts(X_POOR, 3)],
    "linkedin": [*accounts(SHARE, 8, tokens=2), *accounts(DEVELOPMENT, 6)],
    "youtube": accounts(PROJECT, 8),
    "instagram": accounts(META, 4),
    "facebook": accounts(PAGES, 5, tokens=2),
    "threads": accounts(PROFILES, 4),
    "tiktok": accounts(CREATORS, 5),
    "pinterest": [*accounts(BOARDS, 4), *accounts(TRIAL, 3)],
    "snapchat": accounts(SNAPS, 4),
    "mastodon": [*accounts(SERVER, 4), *accounts(SMALL_SERVER, 2)],
    "bluesky": accounts(PDS, 8),
    "ayrshare": accounts(BROKER, 4, tokens=2),
    "outstand": accounts(RELAY, 4),
}


def pretended(rng: random.Random) -> dict[str, Pretended]:
    """The platforms, each with a clock some seconds away from ours."""

    def skew() -> float:
        return rng.uniform(-3, 3)

    return {
        "x": X(
            skew(),
            posts_per_app=600,
            posts_per_user=150,
            budgets={X_APP: 150_000, X_POOR: 3_000},
        ),
        "linkedin": LinkedIn(skew(), {SHARE: (100_000, 150), DEVELOPMENT: (500, 100)}),
        "youtube": YouTube(skew()),
        "instagram": meta.Instagram(skew(), 4_000, 200, 60, QUOTAS),
        "mastodon": Mastodon(skew(), {("authenticated", SMALL_SERVER): 120}),
        "bluesky": Bluesky(skew()),
        "facebook": meta.Facebook(skew(), 4_800, 200, 90),
        "threads": meta.Threads(skew(), 48_000),
        "tiktok": more.TikTok(skew()),
        "pinterest": more.Pinterest(skew(), frozenset({TRIAL})),
        "snapchat": more.Snapchat(skew()),
        "ayrshare": more.Ayrshare(
            skew(), {who.token: PLAN for who in CAST["ayrshare"]}
        ),
        "outstand": more.Outstand(skew(), minute=60, plan=RELAY_PLAN),
    }


def sizes_set() -> list[SetSize]:
    """What an admin typed in: money, plans, tiers, and the sizes that Meta shows."""
    rows = [
        SetSize("x", "credits", CAST["x"][0], 150_000),
        SetSize("x", "credits", CAST["x"][-1], 3_000),
    ]
    for call in ("POST /rest/posts", "POST /rest/images"):
        members = [who for who in CAST["linkedin"] if who.app == DEVELOPMENT]
        rows.append(SetSize("linkedin", f"{call}:app", members[0], 500))
        rows += [SetSize("linkedin", f"{call}:member", who, 100) for who in members]
    rows.append(SetSize("instagram", "app_calls", CAST["instagram"][0], 200))
    rows += [SetSize("instagram", "user_calls", who, 60) for who in CAST["instagram"]]
    rows += [SetSize("instagram", "calls", who, 4_000) for who in CAST["instagram"]]
    rows.append(SetSize("facebook", "app_calls", CAST["facebook"][0], 200))
    people = {who.token: who for who in CAST["facebook"]}.values()
    rows += [SetSize("facebook", "user_calls", who, 90) for who in people]
    rows += [SetSize("facebook", "page_calls", who, 4_800) for who in CAST["facebook"]]
    rows.append(SetSize("pinterest", "trial_calls", CAST["pinterest"][-1], 1_000))
    rows.append(SetSize("pinterest", "trial_writes", CAST["pinterest"][-1], 300))
    profiles = {who.token: who for who in CAST["ayrshare"]}.values()
    rows += [SetSize("ayrshare", "posts", who, PLAN) for who in profiles]
    rows.append(SetSize("outstand", "posts", CAST["outstand"][0], RELAY_PLAN))
    return rows


@dataclass
class Post:
    """A delivery: what the platform will be asked, in order, and when it is due."""

    number: int
    platform: str
    who: Who
    due: float
    asks: tuple[Ask, ...]
    draws: Mapping[str, int]
    #: as the real publishing code sees it
    job: PublishJob
    sent_at: float | None = None
    was_held: bool = False
    #: held although the platform would have taken it
    was_overheld: bool = False
    figures_in_the_way: bool = False
    refused: int = 0


# ---------------------------------------------------------------- posts


#: The one row whose price is that of one post, and not of one call.
PER_POST = "GET /2/tweets"


def drawn(platform: str, asks: Sequence[Ask]) -> dict[str, int]:
    """What calls outside a publish draw, by our own rows of them."""
    units: dict[str, int] = {}
    for ask in asks:
        for key, price in row(platform, ask.key).items():
            per_post = ask.key == PER_POST and key in {"post_reads", "credits"}
            count = ask.times * (ask.things if per_post else 1)
            units[key] = units.get(key, 0) + price * count
    return units


def row(platform: str, call: str) -> Mapping[str, int]:
    return registry.spec(platform).call(call).draws


class Posts:
    """All posts of some days, numbered; made by chance, but the same for each seed."""

    def __init__(
        self,
        rng: random.Random,
        start: datetime,
        days: int,
        cast: Mapping[str, Sequence[Who]],
    ) -> None:
        self.rng = rng
        self.start = start
        self.days = days
        self.cast = cast
        self.made: list[Post] = []
        #: posts of one kind are alike: the job, and what we would reserve for it
        self._known: dict[tuple[str, Kind], tuple[PublishJob, Mapping[str, int]]] = {}

    def make(self) -> list[Post]:
        kinds = {
            "x": self._x,
            "linkedin": self._linkedin,
            "youtube": self._youtube,
            "instagram": self._instagram,
            "mastodon": self._mastodon,
            "bluesky": self._bluesky,
            "facebook": self._facebook,
            "threads": self._threads,
            "tiktok": self._tiktok,
            "pinterest": self._pinterest,
            "snapchat": self._snapchat,
            "ayrshare": self._ayrshare,
            "outstand": self._outstand,
        }
        for day in range(self.days):
            for platform, cast in self.cast.items():
                kinds[platform](day, cast)
        self.made.sort(key=lambda post: (post.due, post.number))
        return self.made

    def _x(self, day: int, cast: Sequence[Who]) -> None:
        for who in cast:
            if who.app == X_POOR:
                self.over_the_day("x", who, day, 12)
                continue
            self.over_the_day("x", who, day, 40)
        if day % 3 == 1:
            # More than a quarter of an hour, and in the end the app's day, admits.
            self.burst("x", cast[0], day, 10 * HOUR, 130)

    def _linkedin(self, day: int, cast: Sequence[Who]) -> None:
        for who in cast:
            self.over_the_day("linkedin", who, day, 22 if who.app == SHARE else 75)
        # A quarter to midnight UTC: what does not fit goes with the next day.
        for who in cast:
            if who.account % 3 == 1:
                self.burst("linkedin", who, day, DAY - 15 * MINUTE, 40)

    def _youtube(self, day: int, cast: Sequence[Who]) -> None:
        for who in cast:
            self.over_the_day("youtube", who, day, 12)
        # On both sides of midnight Pacific, in winter and in summer time.
        for minute in (6 * 60 + 55, 7 * 60 + 5, 7 * 60 + 40, 8 * 60 + 5):
            self.burst("youtube", self.rng.choice(cast), day, minute * 60, 9)

    def _instagram(self, day: int, cast: Sequence[Who]) -> None:
        for who in cast:
            self.over_the_day("instagram", who, day, QUOTAS[who.account] * 11 // 10)

    def _mastodon(self, day: int, cast: Sequence[Who]) -> None:
        for who in cast:
            self.over_the_day("mastodon", who, day, 40)
            self.burst("mastodon", who, day, 9 * HOUR + 30, 25)

    def _bluesky(self, day: int, cast: Sequence[Who]) -> None:
        for n, who in enumerate(cast):
            self.over_the_day("bluesky", who, day, 400 if n == 0 else 20)

    def _facebook(self, day: int, cast: Sequence[Who]) -> None:
        for who in cast:
            self.over_the_day("facebook", who, day, 40)
        # More reels than a Page may have in 24 hours.
        self.burst("facebook", cast[0], day, 15 * HOUR, 32, Kind(film=True))

    def _threads(self, day: int, cast: Sequence[Who]) -> None:
        for n, who in enumerate(cast):
            self.over_the_day("threads", who, day, 30)
            if n == 0:
                self.burst("threads", who, day, 8 * HOUR, 240, Kind(1))
            if n == 1:
                # A thread's later parts are replies.
                self.burst("threads", who, day, 20 * HOUR, 190, Kind(parts=6))

    def _tiktok(self, day: int, cast: Sequence[Who]) -> None:
        for who in cast:
            self.over_the_day("tiktok", who, day, 6)
        for who in cast[:2]:
            self.burst("tiktok", who, day, 17 * HOUR, 9, Kind(1))
            self.burst("tiktok", who, day, 18 * HOUR, 9, Kind(film=True))

    def _pinterest(self, day: int, cast: Sequence[Who]) -> None:
        for who in cast:
            self.over_the_day("pinterest", who, day, 110 if who.app == TRIAL else 30)
        self.burst("pinterest", cast[0], day, 12 * HOUR, 130, Kind(1))

    def _snapchat(self, day: int, cast: Sequence[Who]) -> None:
        for who in cast:
            self.over_the_day("snapchat", who, day, 20)
            self.burst("snapchat", who, day, 9 * HOUR + 30, 40, Kind(1))

    def _ayrshare(self, day: int, cast: Sequence[Who]) -> None:
        for who in cast:
            self.over_the_day("ayrshare", who, day, 12)
            # On both sides of seven past midnight, when its month begins.
            for minute in (2, 9):
                self.burst("ayrshare", who, day, minute * MINUTE, 3)

    def _outstand(self, day: int, cast: Sequence[Who]) -> None:
        for who in cast:
            self.over_the_day("outstand", who, day, 10)
        self.burst("outstand", cast[0], day, 11 * HOUR, 30)

    def over_the_day(self, platform: str, who: Who, day: int, count: int) -> None:
        """Most on the full five minutes in working hours, as people plan them."""
        for _ in range(count):
            hour = self.rng.triangular(0, 24, 13)
            second = int(hour * HOUR)
            if self.rng.random() < 0.8:
                second -= second % (5 * MINUTE)
            self.add(platform, who, day, min(second, DAY - 1))

    def burst(
        self,
        platform: str,
        who: Who,
        day: int,
        second: int,
        count: int,
        kind: Kind | None = None,
    ) -> None:
        """All due at one second. kind: of each; None: as it comes."""
        for _ in range(count):
            self.add(platform, who, day, second, kind)

    def add(
        self, platform: str, who: Who, day: int, second: int, kind: Kind | None = None
    ) -> None:
        kind = kind_on(platform, kind or self._some_kind(platform))
        made, draws = self._of_kind(platform, kind)
        due = self.start + timedelta(days=day, seconds=second)
        self.made.append(
            Post(
                number=len(self.made),
                platform=platform,
                who=who,
                due=due.timestamp(),
                asks=steps(platform, kind),
                draws=draws,
                job=made,
            )
        )

    def _some_kind(self, platform: str) -> Kind:
        images = self.rng.choice((0, 1, 1, 2, 4))
        link = self.rng.random() < 0.2
        film = self.rng.random() < 0.4
        # A reel is rare on a Page; what most of them are is filled by a burst.
        film = film and platform != "facebook"
        return Kind(images, link, film, self.rng.choice((1, 1, 1, 2, 3)))

    def _of_kind(
        self, platform: str, kind: Kind
    ) -> tuple[PublishJob, Mapping[str, int]]:
        """The job, and what the real publishing code would reserve for it."""
        if (platform, kind) not in self._known:
            made = job(platform, kind)
            draws = parts.draws(registry.platform(platform), made, looking=False)
            self._known[platform, kind] = made, draws
        return self._known[platform, kind]


def taken(post: Post, made: Sequence[Ask]) -> Mapping[str, int]:
    """What these calls of a post really drew, by our own rows of them."""
    calls = [(ask.key, ask.part) for ask in made for _ in range(ask.times)]
    return parts.draws_of_calls(registry.platform(post.platform), calls, post.job)


# ---------------------------------------------------------------- besides the posts

#: what one greedy round of reading figures asks for each account
FIGURES: dict[str, tuple[Ask, ...]] = {
    "x": (Ask("GET /2/tweets", things=100),),
    # LinkedIn's reading calls share no window with its publishing ones.
    "linkedin": (),
    "youtube": (Ask("GET videos.list", times=25), Ask("GET search.list")),
    "instagram": (
        Ask("GET /:media/insights", times=50),
        Ask("GET /:ig?business_discovery", times=20),
    ),
    "mastodon": (Ask("GET /api/v1/statuses/:id", times=60),),
    "bluesky": (Ask("GET com.atproto.repo.listRecords", times=100),),
    # No figures, but read beside them: which Pages there are, and what a token is good for.
    "facebook": (
        Ask("GET /:post/insights", times=50),
        Ask("GET /me/accounts", times=12),
        Ask("GET /debug_token", times=12),
    ),
    "threads": (Ask("GET /:media/insights", times=100),),
    "tiktok": (
        Ask("POST /v2/video/query/", times=60),
        Ask("POST /v2/video/list/", times=60),
    ),
    "pinterest": (
        Ask("GET /pins/:id/analytics", times=25),
        Ask("GET /pins/:id", times=50),
    ),
    "snapchat": (Ask("GET /public_profiles/:id/stats", times=20),),
    "ayrshare": (Ask("POST /analytics/post", times=60),),
    "outstand": (Ask("GET /posts/:id/analytics", times=8),),
}
#: rounds that it would like to make each time, one after the other
GREED = 4

#: the daily look whether an account's access still works
HEALTH: dict[str, tuple[Ask, ...]] = {
    "x": (Ask("GET /2/users/me"),),
    "linkedin": (Ask("GET /v2/userinfo"),),
    "youtube": (Ask("GET channels.list"),),
    "instagram": (Ask("GET /:ig/content_publishing_limit"),),
    "mastodon": (Ask("GET /api/v1/accounts/verify_credentials"),),
    "bluesky": (Ask("GET com.atproto.server.getSession"),),
    "facebook": (Ask("GET /debug_token"), Ask("GET /:page")),
    "threads": (Ask("GET /:user/threads_publishing_limit"),),
    "tiktok": (Ask("GET /v2/user/info/"),),
    "pinterest": (Ask("GET /user_account"),),
    "snapchat": (Ask("GET /public_profiles/:id"),),
    "ayrshare": (Ask("GET /user"),),
    "outstand": (Ask("GET /social-accounts"),),
}

#: the look for a post whose answer was lost
LOOK: dict[str, tuple[Ask, ...]] = {
    "x": (Ask("GET /2/users/:id/tweets", things=5),),
    "linkedin": (Ask("GET /rest/posts"),),
    "youtube": (Ask("GET playlistItems.list"),),
    "instagram": (Ask("GET /:ig/media"),),
    "mastodon": (Ask("GET /api/v1/accounts/:id/statuses"),),
    "bluesky": (Ask("GET com.atproto.repo.getRecord"),),
    "facebook": (Ask("GET /:page/published_posts"),),
    "threads": (Ask("GET /:container"), Ask("GET /me/threads")),
    "tiktok": (Ask("POST /v2/post/publish/status/fetch/"),),
    "pinterest": (Ask("GET /boards/:id/pins"),),
    "snapchat": (Ask("GET /public_profiles/:id/stories"),),
    "ayrshare": (Ask("GET /history"),),
    "outstand": (Ask("GET /posts"),),
}

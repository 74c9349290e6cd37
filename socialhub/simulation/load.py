"""A busy agency: its accounts, its posts of some days, and what reads figures for it."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module
from io import BytesIO

from platforms import registry
from platforms.base import Draft, Identity, MediaFile, PublishJob

from .pretended import (
    Ask,
    Bluesky,
    Instagram,
    LinkedIn,
    Mastodon,
    Pretended,
    Who,
    X,
    YouTube,
)

MINUTE, HOUR, DAY = 60, 3600, 86_400
#: platforms whose steps are not written yet: what they draw is told by their windows
TO_COME = frozenset({"youtube", "instagram"})


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
QUOTAS = {601: 50, 602: 50, 603: 100, 604: 25}


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
    "mastodon": [*accounts(SERVER, 4), *accounts(SMALL_SERVER, 2)],
    "bluesky": accounts(PDS, 8),
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
        "instagram": Instagram(skew(), QUOTAS, calls=4_000, app_hour=200),
        "mastodon": Mastodon(skew(), {("authenticated", SMALL_SERVER): 120}),
        "bluesky": Bluesky(skew()),
    }


def sizes_set() -> list[SetSize]:
    """What an admin typed in: money, tiers and the sizes that Meta shows per account."""
    rows = [
        SetSize("x", "credits", CAST["x"][0], 150_000),
        SetSize("x", "credits", CAST["x"][-1], 3_000),
    ]
    for call in ("POST /rest/posts", "POST /rest/images"):
        members = [who for who in CAST["linkedin"] if who.app == DEVELOPMENT]
        rows.append(SetSize("linkedin", f"{call}:app", members[0], 500))
        rows += [SetSize("linkedin", f"{call}:member", who, 100) for who in members]
    rows.append(SetSize("instagram", "app_calls", CAST["instagram"][0], 200))
    rows += [SetSize("instagram", "calls", who, 4_000) for who in CAST["instagram"]]
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
    #: as the real publishing code sees it; None where there is none yet
    job: PublishJob | None
    sent_at: float | None = None
    was_held: bool = False
    #: held although the platform would have taken it
    was_overheld: bool = False
    figures_in_the_way: bool = False
    refused: int = 0


# ---------------------------------------------------------------- posts


def image(n: int) -> MediaFile:
    return MediaFile(
        key=str(n),
        mime_type="image/png",
        size_bytes=1000,
        width=100,
        height=100,
        alt_text="A picture",
        sha256="0" * 64,
        file_name=f"{n}.png",
        open=lambda: BytesIO(b"x" * 1000),
    )


def job(images: int, link: bool) -> PublishJob:
    """A delivery as the real publishing code sees it."""
    return PublishJob(
        marker="a" * 32,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        draft=Draft(
            text="News https://example.com/a" if link else "News",
            media=tuple(image(n) for n in range(images)),
        ),
        account=Identity("42", "user", "Acme", "acme", ""),
    )


def steps(platform: str, images: int, link: bool, extras: bool) -> tuple[Ask, ...]:
    """The calls of one publish, as the platform's documents describe it.

    extras: YouTube's thumbnail and playlist.
    """
    if platform == "x":
        upload = (Ask("POST /2/media/upload"), Ask("POST /2/media/metadata"))
        return (*upload * images, Ask("POST /2/tweets", link=link))
    if platform == "linkedin":
        upload = (Ask("POST /rest/images"), Ask("PUT {uploadUrl}"))
        return (*upload * images, Ask("POST /rest/posts"))
    if platform == "youtube":
        more = (Ask("POST thumbnails.set"), Ask("POST playlistItems.insert"))
        return (
            Ask("POST videos.insert"),
            Ask("GET videos.list"),
            *(more if extras else ()),
        )
    if platform == "instagram":
        containers = Ask("POST /:ig/media", times=images + 1 if images > 1 else 1)
        poll = Ask("GET /:container", times=2)
        return (containers, poll, Ask("POST /:ig/media_publish"))
    if platform == "mastodon":
        return (*(Ask("POST /api/v2/media"),) * images, Ask("POST /api/v1/statuses"))
    blobs = (Ask("POST com.atproto.repo.uploadBlob"),) * images
    return (*blobs, Ask("POST com.atproto.repo.putRecord"))


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
    if platform in TO_COME:
        draws: dict[str, dict[str, int]] = import_module(
            f"platforms.{platform}.windows"
        ).DRAWS
        return draws[call]
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
        self._jobs: dict[tuple[int, bool], PublishJob] = {}
        self._draws: dict[tuple[str, tuple[Ask, ...]], Mapping[str, int]] = {}

    def make(self) -> list[Post]:
        kinds = {
            "x": self._x,
            "linkedin": self._linkedin,
            "youtube": self._youtube,
            "instagram": self._instagram,
            "mastodon": self._mastodon,
            "bluesky": self._bluesky,
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

    def over_the_day(self, platform: str, who: Who, day: int, count: int) -> None:
        """Most on the full five minutes in working hours, as people plan them."""
        for _ in range(count):
            hour = self.rng.triangular(0, 24, 13)
            second = int(hour * HOUR)
            if self.rng.random() < 0.8:
                second -= second % (5 * MINUTE)
            self.add(platform, who, day, min(second, DAY - 1))

    def burst(self, platform: str, who: Who, day: int, second: int, count: int) -> None:
        for _ in range(count):
            self.add(platform, who, day, second)

    def add(self, platform: str, who: Who, day: int, second: int) -> None:
        images = self.rng.choice((0, 1, 1, 2, 4))
        link = self.rng.random() < 0.2
        extras = self.rng.random() < 0.4
        if platform == "linkedin":
            images = min(images, 1)
        made = None if platform in TO_COME else self._job(images, link)
        asks = steps(platform, images, link, extras)
        due = self.start + timedelta(days=day, seconds=second)
        self.made.append(
            Post(
                number=len(self.made),
                platform=platform,
                who=who,
                due=due.timestamp(),
                asks=asks,
                draws=self._reserve(platform, made, asks),
                job=made,
            )
        )

    def _job(self, images: int, link: bool) -> PublishJob:
        if (images, link) not in self._jobs:
            self._jobs[images, link] = job(images, link)
        return self._jobs[images, link]

    def _reserve(
        self, platform: str, made: PublishJob | None, asks: tuple[Ask, ...]
    ) -> Mapping[str, int]:
        """What we would reserve: by the real publishing code where it is there."""
        key = (platform, asks)
        if key not in self._draws:
            if made is None:
                self._draws[key] = drawn(platform, asks)
            else:
                real = registry.platform(platform)
                self._draws[key] = real.draws(made, looking=False)
        return self._draws[key]


def taken(post: Post, made: Sequence[Ask]) -> Mapping[str, int]:
    """What these calls of a post really drew, by our own rows of them."""
    if post.job is None:
        return drawn(post.platform, made)
    keys = [ask.key for ask in made for _ in range(ask.times)]
    return registry.platform(post.platform).draws_of_calls(keys, post.job)


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
}

#: the look for a post whose answer was lost
LOOK: dict[str, tuple[Ask, ...]] = {
    "x": (Ask("GET /2/users/:id/tweets", things=5),),
    "linkedin": (Ask("GET /rest/posts"),),
    "youtube": (Ask("GET playlistItems.list"),),
    "instagram": (Ask("GET /:ig/media"),),
    "mastodon": (Ask("GET /api/v1/accounts/:id/statuses"),),
    "bluesky": (Ask("GET com.atproto.repo.getRecord"),),
}

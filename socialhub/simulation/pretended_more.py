"""TikTok, Pinterest, Snapchat, Ayrshare and Outstand as `pretended` platforms, from
their documents alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .pretended import (
    DAY,
    MINUTE,
    Aligned,
    Ask,
    FromFirst,
    Month,
    Moving,
    Pretended,
    Reply,
    Who,
    Window,
)


# https://developers.tiktok.com/doc/tiktok-api-v2-rate-limit
class TikTok(Pretended):
    """Minutes that slide, each endpoint by itself; and a creator's posts in 24 hours."""

    slug = "tiktok"
    PER_TOKEN = {
        "POST /v2/post/publish/video/init/": 6,
        "POST /v2/post/publish/content/init/ (DIRECT_POST)": 6,
        "POST /v2/post/publish/creator_info/query/": 20,
        "POST /v2/post/publish/status/fetch/": 30,
    }
    PER_APP = {
        "GET /v2/user/info/": 600,
        "POST /v2/video/list/": 600,
        "POST /v2/video/query/": 600,
    }
    POSTS_PER_CREATOR = 15

    def make(self, name: str, whose: object) -> Window:
        if name == "creator":
            return Moving(self.POSTS_PER_CREATOR, DAY)
        return Moving((self.PER_TOKEN | self.PER_APP)[name], MINUTE)

    def draws(self, ask: Ask, who: Who) -> Iterator[tuple[str, object, int]]:
        if ask.key in self.PER_TOKEN:
            yield ask.key, who.token, ask.times
        elif ask.key in self.PER_APP:
            yield ask.key, who.app, ask.times
        if "/init/" in ask.key:
            yield "creator", who.account, ask.times


# https://developers.pinterest.com/docs/reference/rate-limits/
class Pinterest(Pretended):
    """trial: apps that have a day of 1000 calls, 300 of them writing."""

    slug = "pinterest"
    SIZES = {"read": 1_000, "write": 100, "analytics": 60}
    #: Calls of one person leave one after another: so many fit into a second.
    AT_ONCE = 10

    def __init__(self, skew_s: float, trial: frozenset[int]) -> None:
        super().__init__(skew_s)
        self.trial = trial

    def make(self, name: str, whose: object) -> Window:
        if name == "second":
            return Aligned(100, 1)
        if name.startswith("trial"):
            return Aligned(1_000 if name == "trial" else 300, DAY)
        return Aligned(self.SIZES[name], MINUTE)

    def draws(self, ask: Ask, who: Who) -> Iterator[tuple[str, object, int]]:
        if ask.key == "POST {upload_url}":  # Amazon's
            return
        kind = "write"
        if ask.key.endswith("/analytics"):
            kind = "analytics"
        elif ask.key.startswith("GET"):
            kind = "read"
        yield kind, (who.app, who.token), ask.times
        yield "second", (who.app, who.token), min(ask.times, self.AT_ONCE)
        if who.app in self.trial:
            yield "trial", who.app, ask.times
            if kind == "write":
                yield "trial writes", who.app, ask.times

    def tell(self, reply: Reply, ask: Ask, who: Who, now: float) -> None:
        drawn = [(name, whose) for name, whose, _ in self.draws(ask, who)]
        if not drawn:
            return
        shown = min(drawn, key=lambda which: self.window(*which).room(now))
        window = self.window(*shown)
        reply.headers = {
            "x-ratelimit-limit": str(window.size),
            "x-ratelimit-remaining": str(max(0, window.room(now))),
            "x-ratelimit-reset": str(int(window.ends_at(now) - now)),
        }
        reply.tells = (shown,)


# https://developers.snap.com/api/marketing-api (rate limits)
class Snapchat(Pretended):
    """So many a second on average: here of a minute."""

    slug = "snapchat"
    PER_SECOND = {"app": 20, "token": 10}

    def make(self, name: str, whose: object) -> Window:
        return Moving(self.PER_SECOND[name] * MINUTE, MINUTE)

    def draws(self, ask: Ask, who: Who) -> Iterator[tuple[str, object, int]]:
        yield "app", who.app, ask.times
        yield "token", who.token, ask.times


# https://www.ayrshare.com/docs (rate limits, quotas)
class Ayrshare(Pretended):
    """plans: profile (token) -> posts in a month, which begins at seven past."""

    slug = "ayrshare"
    BEGINS_S = 7 * MINUTE
    #: failed and blocked posts count
    counts_refused = frozenset({"posts"})

    def __init__(self, skew_s: float, plans: Mapping[int, int]) -> None:
        super().__init__(skew_s)
        self.plans = plans

    def make(self, name: str, whose: object) -> Window:
        assert isinstance(whose, int)
        if name == "posts":
            return Month(self.plans[whose], self.BEGINS_S)
        return FromFirst(300, 5 * MINUTE)

    def draws(self, ask: Ask, who: Who) -> Iterator[tuple[str, object, int]]:
        yield "requests", who.token, ask.times
        if ask.key == "POST /post":
            yield "posts", who.token, ask.times

    def tell(self, reply: Reply, ask: Ask, who: Who, now: float) -> None:
        window = self.window("requests", who.token)
        reply.headers["x-ratelimit-max"] = str(window.size)
        reply.headers["x-ratelimit-count"] = str(window.size - window.room(now))


# https://www.outstand.so/docs (rate limits)
class Outstand(Pretended):
    """minute: what this organisation gets, told by headers only; plan: posts a month."""

    slug = "outstand"

    def __init__(self, skew_s: float, minute: int, plan: int) -> None:
        super().__init__(skew_s)
        self.minute = minute
        self.plan = plan

    def make(self, name: str, whose: object) -> Window:
        if name == "posts":
            return Month(self.plan)
        if name == "day":
            return Aligned(50_000)
        return Aligned(self.minute, MINUTE)

    def draws(self, ask: Ask, who: Who) -> Iterator[tuple[str, object, int]]:
        yield "minute", who.app, ask.times
        yield "day", who.app, ask.times
        if ask.key == "POST /posts":
            yield "posts", who.app, ask.times

    def tell(self, reply: Reply, ask: Ask, who: Who, now: float) -> None:
        window = self.window("minute", who.app)
        reply.headers = {
            "x-ratelimit-limit": str(window.size),
            "x-ratelimit-remaining": str(max(0, window.room(now))),
            "x-ratelimit-reset": str(int(window.ends_at(now))),
        }

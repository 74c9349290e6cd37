"""Facebook, Instagram and Threads as `pretended` platforms, from Meta's documents alone.

Business use case windows are of an app and an account, and last 24 hours; those of the
platform are of an app or a person, and last one hour. Calls made while throttled still
count; posts and containers that were not made do not.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from .pretended import DAY, HOUR, Ask, Moving, Pretended, Reply, Who, Window

APP, PERSON, BUSINESS = "app in an hour", "person in an hour", "business use case"


class Meta(Pretended):
    """calls: of one account in 24 hours; app_hour, person_hour: of all its tokens' app,
    and of one person, in an hour.

    The real sizes follow from how many people see an account or use an app, and so are
    known to an admin only.
    """

    counts_refused = frozenset({APP, PERSON, BUSINESS})
    #: calls with a person's token, and with none but the app's
    of_person: frozenset[str] = frozenset()
    of_app: frozenset[str] = frozenset()
    #: windows of 24 hours: their size, and the call that fills each
    sizes: Mapping[str, int] = {}
    fills: Mapping[str, str] = {}

    def __init__(
        self, skew_s: float, calls: int, app_hour: int = 0, person_hour: int = 0
    ) -> None:
        super().__init__(skew_s)
        self.calls = calls
        self.app_hour = app_hour
        self.person_hour = person_hour

    def make(self, name: str, whose: object) -> Window:
        if name == APP:
            return Moving(self.app_hour, HOUR)
        if name == PERSON:
            return Moving(self.person_hour, HOUR)
        return Moving(self.calls if name == BUSINESS else self.sizes[name], DAY)

    def draws(self, ask: Ask, who: Who) -> Iterator[tuple[str, object, int]]:
        if ask.key in self.of_person | self.of_app:
            yield APP, who.app, ask.times
            if ask.key in self.of_person:
                yield PERSON, who.token, ask.times
            return
        if "rupload" in ask.key:  # another host, which only takes bytes
            return
        yield BUSINESS, (who.app, who.account), ask.times
        if name := self.fills.get(ask.key):
            yield name, who.account, ask.times


# https://developers.facebook.com/docs/graph-api/overview/rate-limiting
class Facebook(Meta):
    slug = "facebook"
    of_person = frozenset({"GET /me/accounts"})
    of_app = frozenset({"GET /debug_token"})
    sizes = {"reels": 30}
    fills = {"POST /:page/video_reels?upload_phase=finish": "reels"}


# https://developers.facebook.com/docs/instagram-platform/content-publishing
class Instagram(Meta):
    """quotas: account -> posts in moving 24 hours (`quota_total`)."""

    slug = "instagram"
    of_person = frozenset({"GET /:ig?business_discovery"})
    sizes = {"containers": 400}
    fills = {"POST /:ig/media": "containers", "POST /:ig/media_publish": "posts"}

    def __init__(
        self,
        skew_s: float,
        calls: int,
        app_hour: int,
        person_hour: int,
        quotas: Mapping[int, int],
    ) -> None:
        super().__init__(skew_s, calls, app_hour, person_hour)
        self.quotas = quotas

    def make(self, name: str, whose: object) -> Window:
        if name == "posts":
            assert isinstance(whose, int)
            return Moving(self.quotas[whose], DAY)
        return super().make(name, whose)

    def is_private(self, name: str, whose: object) -> bool:
        return name == "posts"

    def tell(self, reply: Reply, ask: Ask, who: Who, now: float) -> None:
        if reply.status == 200 and ask.key == "GET /:ig/content_publishing_limit":
            window = self.window("posts", who.account)
            window.turn(now)
            # From the answer's body, as our client keeps it.
            told = {"total": window.size, "used": window.used}
            reply.headers["x-content-publishing-usage"] = json.dumps(told)
            reply.tells = (("posts", who.account),)


# https://developers.facebook.com/docs/threads/overview
class Threads(Meta):
    """Its calls are 4800 for each of at least 10 impressions."""

    slug = "threads"
    sizes = {"posts": 250, "replies": 1_000}
    fills = {
        "POST /:user/threads_publish": "posts",
        "POST /:user/threads_publish (part)": "replies",
    }

    def tell(self, reply: Reply, ask: Ask, who: Who, now: float) -> None:
        if reply.status == 200 and ask.key == "GET /:user/threads_publishing_limit":
            told = {}
            for name in self.sizes:
                window = self.window(name, who.account)
                window.turn(now)
                told[name] = [window.used, window.size]
            reply.headers["x-publishing-limit-usage"] = json.dumps(told)
            reply.tells = tuple((name, who.account) for name in self.sizes)

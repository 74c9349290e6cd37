"""How late does a single post leave on an idle system?"""

from __future__ import annotations

import json
import statistics
import time
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from ..sandbox import Sandbox, wait_for
from .runner import Part, say
from .world import Practice, adopt, make_delivery, make_people

POSTS = 20
#: due times that share no beat with any poll of the engine
GAP_S = 0.83


class Punctuality(Part):
    def prepare(self, box: Sandbox, options: dict[str, Any]) -> None:
        box.migrate()
        box.start_practice()
        box.start_clusters(["publish"])

    def inside(self, options: dict[str, Any]) -> None:
        from publishing.tasks import running_pumps

        practice = Practice()
        user, brand = make_people()
        made = practice.add_account("mastodon", "punctual")
        account = adopt("mastodon", made, brand, user)
        say("waiting for the publishing engine")
        wait_for(running_pumps, 60, name="a pump")
        time.sleep(1)
        start = timezone.now() + timedelta(seconds=3)
        due: dict[str, datetime] = {}
        for n in range(POSTS):
            text = f"Punctual post {n}"
            due[text] = start + timedelta(seconds=n * GAP_S)
            make_delivery(account, text, due[text])
        say(f"{POSTS} posts, one each {GAP_S} s")

        def arrived() -> list[dict[str, Any]] | None:
            posts = practice.posts("mastodon")
            return posts if len(posts) >= POSTS else None

        posts = wait_for(arrived, POSTS * GAP_S + 60, name="all posts", every=1.0)
        late = sorted(
            (datetime.fromisoformat(p["arrived_at"]) - due[p["text"]]).total_seconds()
            for p in posts
        )
        figures = {
            "posts": len(posts),
            "lateness_p50_s": round(statistics.median(late), 3),
            "lateness_p99_s": round(late[-1], 3),
            "earliest_s": round(late[0], 3),
            "database": connection.vendor,
        }
        print(json.dumps(figures), flush=True)  # noqa: T201

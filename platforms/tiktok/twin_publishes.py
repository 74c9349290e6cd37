"""What becomes of a publish at TikTok, by the practice network's clock.

A publish is a document: what was asked, which bytes have come, and when TikTok is done
with them. Its state is read off the clock, so nothing runs in the background.
Source: https://developers.tiktok.com/doc/content-posting-api-reference-get-video-status.
"""

from __future__ import annotations

import secrets
from typing import Any

from ..practice.framework import Doc
from .twin_calls import DAY_S, Calls, Refused

#: An upload must end within it.
UPLOAD_LIFE_S = 3600
MOST_OF_ONE = 10_000
PUBLIC = "PUBLIC_TO_EVERYONE"
COMPLETE = "PUBLISH_COMPLETE"
IN_INBOX = "SEND_TO_USER_INBOX"
FAILED = "FAILED"


class Publishes(Calls):
    # ------------------------------------------------------------ its life

    def new_publish(self, prefix: str, **facts: Any) -> Doc:
        """A publish without bytes. facts: user, kind, mode, source, arrived_at, texts."""
        id = f"{prefix}.{self._next_id('publish', prefix + '.')}"
        publish = {
            "id": id,
            "title": "",
            "description": "",
            "privacy": "",
            "flags": {},
            "size": 0,
            "received": 0,
            "created_at": self.time(),
            "got_at": None,
            "done_at": None,
            "stuck": False,
            "fail": "",
            "ended": "",
            "posted_at": None,
            "post_id": "",
            "cover": 0,
            "files": [],
            **facts,
        }
        self.put("publish", id, publish)
        made = f"{int(self.time() * 1000):015d}-{id}"
        self.put(f"of:{publish['user']}", made, {"publish": id})
        self.put("active", publish["user"], {"at": self.time()})
        return publish

    def publishes_of(self, user: str, since: float = 0) -> list[Doc]:
        """One user's, oldest first; quick, however many others there are."""
        rows = self.world.page(
            self.slug,
            f"of:{user}",
            MOST_OF_ONE,
            above=f"{int(since * 1000):015d}",
            oldest_first=True,
        )
        docs = [self.get("publish", row["publish"]) for _, row in rows]
        return [doc for doc in docs if doc]

    def _next_id(self, kind: str, prefix: str = "") -> str:
        """An int64 beyond 2^53, as TikTok's: seconds, then what makes it the only one."""
        id = (int(self.time()) << 32) + secrets.randbelow(1 << 31)
        while self.get(kind, f"{prefix}{id}"):
            id += 1
        return str(id)

    def got_bytes(self, publish: Doc, files: list[Doc], fail: str, at: float) -> Doc:
        """All bytes are there at `at`: from here on it is TikTok's work.

        fail: what TikTok will find wrong with them.
        """
        ends = self.setting("processing_ends")
        publish |= {
            "files": files,
            "got_at": at,
            "done_at": at + self.setting("processing_s"),
            "stuck": ends == "never",
            "fail": fail if ends in ("by_content", "never") else ends,
            "post_id": self._next_id("post"),
        }
        self.put("post", publish["post_id"], {"publish": publish["id"]})
        self.put("publish", publish["id"], publish)
        return publish

    def status_of(self, publish: Doc) -> tuple[str, str]:
        """(status, fail_reason) as they are now."""
        now = self.time()
        is_file = publish["source"] == "FILE_UPLOAD"
        if publish["ended"]:
            return FAILED, publish["ended"]
        if publish["got_at"] is None and now >= publish["created_at"] + UPLOAD_LIFE_S:
            return FAILED, "internal"
        is_done = publish["done_at"] is not None and now >= publish["done_at"]
        if not is_done or publish["stuck"]:
            return f"PROCESSING_{'UPLOAD' if is_file else 'DOWNLOAD'}", ""
        if publish["fail"]:
            return FAILED, publish["fail"]
        if publish["mode"] == "draft" and publish["posted_at"] is None:
            return IN_INBOX, ""
        return COMPLETE, ""

    def downloaded(self, publish: Doc) -> int:
        """Bytes that TikTok has fetched so far."""
        spent = self.time() - publish["created_at"]
        whole = publish["got_at"] - publish["created_at"]
        share = 1.0 if spent >= whole else spent / whole
        return int(share * sum(file["size"] for file in publish["files"]))

    def fail_running(self, user: str, reason: str) -> None:
        for publish in self.publishes_of(user):
            if self.status_of(publish)[0].startswith("PROCESSING"):
                self.put("publish", publish["id"], {**publish, "ended": reason})

    # ------------------------------------------------------------ what can be seen

    def is_live(self, publish: Doc) -> bool:
        return self.status_of(publish)[0] == COMPLETE

    def live_at(self, publish: Doc) -> float:
        posted = publish["posted_at"]
        return float(publish["done_at"] if posted is None else posted)

    def is_public(self, publish: Doc) -> bool:
        """Live, meant for everybody, and through moderation."""
        if not self.is_live(publish) or publish["privacy"] != PUBLIC:
            return False
        return self.time() >= self.live_at(publish) + self.setting("moderation_s")

    def live_posts(self, user: str = "") -> list[Doc]:
        """Publishes that are live, of one user or of all, oldest first."""
        docs = (
            self.publishes_of(user) if user else [doc for _, doc in self.all("publish")]
        )
        return sorted(filter(self.is_live, docs), key=self.live_at)

    def post_url(self, publish: Doc) -> str:
        user = self.get("user", publish["user"]) or {}
        kind = "photo" if publish["kind"] == "photo" else "video"
        return f"{self.web}/@{user['username']}/{kind}/{publish['post_id']}"

    def caption(self, publish: Doc) -> str:
        texts = (publish["title"], publish["description"])
        return "\n".join(text for text in texts if text)

    # ------------------------------------------------------------ caps

    def check_caps(self, user: Doc, mode: str) -> None:
        """What stands in the way of one more publish; mode: direct or draft."""
        if mode == "direct" and user["banned"]:
            raise Refused(403, "spam_risk_user_banned_from_posting")
        since = self.time() - DAY_S
        own = [
            doc
            for doc in self.publishes_of(user["open_id"], since)
            if self.status_of(doc)[0] != FAILED
        ]
        posts = sum(doc["mode"] == "direct" for doc in own)
        posts += self.setting("posts_elsewhere")
        if mode == "direct" and posts >= self.setting("posts_per_day"):
            raise Refused(403, "spam_risk_too_many_posts")
        waiting = [d for d in own if d["mode"] == "draft" and d["posted_at"] is None]
        if mode == "draft" and len(waiting) >= self.setting("drafts_per_day"):
            raise Refused(403, "spam_risk_too_many_pending_share")
        cap = self.setting("user_cap")
        if cap is None and not self.setting("audited"):
            cap = 5
        if cap is None:
            return
        active = {id for id, doc in self.all("active") if doc["at"] > since}
        if len(active - {user["open_id"]}) >= cap:
            raise Refused(403, "reached_active_user_cap")

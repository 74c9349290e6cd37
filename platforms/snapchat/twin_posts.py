"""What a public profile publishes: stories, spotlights, saved stories; lists, deletion.

A story has an end and no text; a spotlight goes through moderation; a saved story stays.
All three are documents of kind "post", told apart by their `sort`.
Source: https://developers.snap.com/api/marketing-api/Public-Profile-API/
ProfileAssetManagement .
"""

from __future__ import annotations

import re
import secrets
import uuid
from typing import Any

from werkzeug.wrappers import Request

from ..practice.framework import Doc, arrived_at
from .twin_calls import (
    DAY_S,
    Caller,
    Refused,
    api,
    invalid,
    missing,
    sent_json,
    text_of,
)
from .twin_media import Media

LIVES = {"ONE_DAY": 1, "TWO_DAYS": 2, "THREE_DAYS": 3, "ONE_WEEK": 7}
BOTH = ("IMAGE", "VIDEO")
STORY_MIN_S = 5
SPOTLIGHT_SIDES = (540, 960)
MAX_DESCRIPTION = 160
MAX_TITLE = 45
MAX_SNAPS = 20
PAGE = 50
#: the last part of a path -> what stands in an entry of its list
SORTS = {
    "stories": "story",
    "spotlights": "spotlight",
    "saved_stories": "saved_story",
}
PROFILE = "/v1/public_profiles/<id>"


class Posts(Media):
    # ------------------------------------------------------------ publishing

    @api("POST", f"{PROFILE}/stories", "POST /public_profiles/:id/stories", commit=True)
    def create_story(self, request: Request, caller: Caller, id: str) -> Doc:
        profile = self.profile_for(caller, id)
        body = sent_json(request)
        life = body.get("customized_ttl", {"ttl": "ONE_DAY"})
        if not isinstance(life, dict) or life.get("ttl") not in LIVES:
            raise invalid(f"customized_ttl: ttl is one of {', '.join(LIVES)}")
        media = self.postable(profile, body.get("media_id"))
        self.check_file(media, BOTH, STORY_MIN_S)
        ends_at = self.time() + LIVES[life["ttl"]] * DAY_S
        post = self._new_post(request, profile, "stories", [media], ends_at=ends_at)
        return {"story_id": post["id"]} if self.setting("tells_story_id") else {}

    @api(
        "POST",
        f"{PROFILE}/spotlights",
        "POST /public_profiles/:id/spotlights",
        commit=True,
    )
    def create_spotlight(self, request: Request, caller: Caller, id: str) -> Doc:
        profile = self.profile_for(caller, id)
        body = sent_json(request)
        if not re.fullmatch(r"[a-z]{2}_[A-Z]{2}", str(body.get("locale"))):
            raise invalid("locale: one such as en_US is wanted")
        text = text_of(body, "description", MAX_DESCRIPTION)
        if not isinstance(body.get("skip_save_to_profile", False), bool):
            raise invalid("skip_save_to_profile: true or false is wanted")
        media = self.postable(profile, body.get("media_id"))
        self.check_file(media, ("VIDEO",), self.setting("spotlight_min_s"))
        width, height = media["file"]["width"], media["file"]["height"]
        is_upright = width < height
        if not is_upright or width < SPOTLIGHT_SIDES[0] or height < SPOTLIGHT_SIDES[1]:
            raise invalid("The video must be upright, at least 540 x 960")
        post = self._new_post(
            request,
            profile,
            "spotlights",
            [media],
            text=text,
            verdict=self.setting("moderation_ends"),
            checked_at=self.time() + self.setting("moderation_s"),
        )
        return {"spotlight_id": post["id"]}

    @api(
        "POST",
        f"{PROFILE}/saved_stories",
        "POST /public_profiles/:id/saved_stories",
        commit=True,
    )
    def create_saved_stories(self, request: Request, caller: Caller, id: str) -> Doc:
        """Each entry stands for itself: some may be made and others refused."""
        profile = self.profile_for(caller, id)
        wanted = sent_json(request).get("saved_stories")
        if not isinstance(wanted, list) or not wanted:
            raise invalid("saved_stories: a list is wanted")
        entries, refusals = [], []
        for entry in wanted:
            try:
                shown = self._save_story(request, profile, entry)
                entries.append({"sub_request_status": "SUCCESS", "saved_story": shown})
            except Refused as refusal:
                refusals.append(refusal)
                reason = refusal.code if refusal.status == 0 else refusal.message
                entries.append(
                    {"sub_request_status": "ERROR", "sub_request_error_reason": reason}
                )
        if len(refusals) == len(wanted):
            raise refusals[0]
        status = {"request_status": "PARTIAL"} if refusals else {}
        return {**status, "saved_stories": entries}

    def _save_story(self, request: Request, profile: Doc, entry: object) -> Doc:
        if not isinstance(entry, dict):
            raise invalid("saved_stories: an entry is an object")
        title = text_of(entry, "title", MAX_TITLE, 1)
        sources = entry.get("snap_sources")
        if not isinstance(sources, list) or not 1 <= len(sources) <= MAX_SNAPS:
            raise invalid(f"snap_sources: 1 to {MAX_SNAPS} are wanted")
        media = []
        for source in sources:
            id = source.get("media_id") if isinstance(source, dict) else None
            media.append(self.postable(profile, id))
            self.check_file(media[-1], BOTH, STORY_MIN_S)
        post = self._new_post(request, profile, "saved_stories", media, text=title)
        return {"id": post["id"], "title": title}

    def _new_post(
        self,
        request: Request,
        profile: Doc,
        sort: str,
        media: list[Doc],
        **facts: Any,
    ) -> Doc:
        limit, since = self.setting("posts_per_day"), self.time() - DAY_S
        own = [] if limit is None else self.posts_of(profile["id"])
        recent = [doc for doc in own if doc["created_at"] > since]
        if limit is not None and len(recent) >= limit:
            raise Refused(429, "", "Too many posts today")
        id = str(uuid.uuid4())
        if sort == "spotlights":
            id = f"W7_{secrets.token_urlsafe(32)}"
        post: Doc = {
            "id": id,
            "sort": sort,
            "profile": profile["id"],
            "media": [doc["id"] for doc in media],
            "text": "",
            "ends_at": None,
            "verdict": "",
            "checked_at": None,
            "deleted": False,
            "created_at": self.time(),
            "arrived_at": arrived_at(request),
            **facts,
        }
        self.put("post", id, post)
        self.put(f"of:{profile['id']}", id, {})
        for doc in media:
            self.put("media", doc["id"], {**doc, "posted_at": self.time()})
        return post

    # ------------------------------------------------------------ reading back

    def posts_of(self, profile: str) -> list[Doc]:
        """One profile's, oldest first; quick, however many others there are."""
        docs = [self.get("post", id) for id, _ in self.all(f"of:{profile}")]
        return [doc for doc in docs if doc]

    def status_of(self, post: Doc) -> str:
        """SUBMITTED, LIVE, REJECTED; of a story also ENDED."""
        if post["checked_at"] is not None and self.time() < post["checked_at"]:
            return "SUBMITTED"
        if post["ends_at"] is not None and self.time() >= post["ends_at"]:
            return "ENDED"
        return str(post["verdict"] or "LIVE")

    def is_there(self, post: Doc) -> bool:
        return not post["deleted"] and self.status_of(post) in ("SUBMITTED", "LIVE")

    def _shown(self, post: Doc) -> Doc:
        shown: Doc = {
            "id": post["id"],
            "profile_id": post["profile"],
            "created_at": self.stamp(post["created_at"]),
        }
        if post["sort"] == "saved_stories":
            shown["title"] = post["text"]
        if post["sort"] == "spotlights":
            is_caption = self.setting("text_in") == "caption"
            texts = (post["text"], "") if is_caption else ("", post["text"])
            shown |= {"status": self.status_of(post), "caption": texts[0]}
            shown["title"] = texts[1]
        if post["ends_at"] is not None:
            shown["expires_at"] = self.stamp(post["ends_at"])
        entry = {"sub_request_status": "SUCCESS", SORTS[post["sort"]]: shown}
        return entry

    def _list(self, request: Request, caller: Caller, id: str, sort: str) -> Doc:
        self.profile_for(caller, id)
        told = request.args.get("limit", str(PAGE))
        if not re.fullmatch(r"[0-9]{1,3}", told) or not 1 <= int(told) <= PAGE:
            raise invalid(f"limit: 1 to {PAGE} is wanted")
        seen_until = self.time() - self.setting("list_lag_s")
        posts = [
            post
            for post in reversed(self.posts_of(id))
            if post["sort"] == sort
            and post["created_at"] <= seen_until
            and not post["deleted"]
            and self.status_of(post) != "ENDED"
        ]
        ids = [post["id"] for post in posts]
        cursor = request.args.get("cursor", "")
        if cursor and cursor not in ids:
            raise invalid("cursor: it is not known")
        start, limit = ids.index(cursor) if cursor else 0, int(told)
        answer: Doc = {sort: [self._shown(p) for p in posts[start : start + limit]]}
        if following := ids[start + limit : start + limit + 1]:
            link = f"{request.base_url}?limit={limit}&cursor={following[0]}"
            answer["paging"] = {"next_page_id": following[0], "next_link": link}
        return answer

    @api("GET", f"{PROFILE}/stories", "GET /public_profiles/:id/stories")
    def stories(self, request: Request, caller: Caller, id: str) -> Doc:
        return self._list(request, caller, id, "stories")

    @api("GET", f"{PROFILE}/spotlights", "GET /public_profiles/:id/spotlights")
    def spotlights(self, request: Request, caller: Caller, id: str) -> Doc:
        return self._list(request, caller, id, "spotlights")

    @api("GET", f"{PROFILE}/saved_stories", "GET /public_profiles/:id/saved_stories")
    def saved_stories(self, request: Request, caller: Caller, id: str) -> Doc:
        return self._list(request, caller, id, "saved_stories")

    def own_post(self, caller: Caller, id: str, sort: str, post_id: str) -> Doc:
        self.profile_for(caller, id)
        post = self.get("post", post_id)
        if not post or post["profile"] != id or post["sort"] != sort:
            raise missing(f"{sort} {post_id}")
        if post["deleted"] or self.status_of(post) == "ENDED":
            raise missing(f"{sort} {post_id}")
        return post

    @api(
        "GET",
        f"{PROFILE}/<any(stories, spotlights, saved_stories):sort>/<post_id>",
        "GET /public_profiles/:id/:sort/:post",
    )
    def one(
        self, request: Request, caller: Caller, id: str, sort: str, post_id: str
    ) -> Doc:
        return {sort: [self._shown(self.own_post(caller, id, sort, post_id))]}

    @api(
        "DELETE",
        f"{PROFILE}/<any(stories, spotlights, saved_stories):sort>/<post_id>",
        "DELETE /public_profiles/:id/:sort/:post",
    )
    def delete(
        self, request: Request, caller: Caller, id: str, sort: str, post_id: str
    ) -> Doc:
        post = self.own_post(caller, id, sort, post_id)
        if not self.setting("can_delete"):
            raise Refused(405, "", "Method not allowed")
        self.put("post", post_id, {**post, "deleted": True})
        return {}

"""What TikTok tells of a user and of their public posts.

Private posts, and posts in moderation, are in no list and have no figures.
Sources: https://developers.tiktok.com/doc/tiktok-api-v2-get-user-info,
https://developers.tiktok.com/doc/tiktok-api-v2-video-list, .../tiktok-api-v2-video-query.
"""

from __future__ import annotations

from werkzeug.wrappers import Request

from ..practice.framework import Doc
from .twin_calls import Caller, Refused, api, invalid, part_of, sent_json
from .twin_posts import Posts, number

HOUR_S = 3600
PAGE = (10, 20)
MAX_IDS = 20
#: field -> the scope that it needs
USER_FIELDS = {
    **dict.fromkeys(
        (
            "open_id",
            "union_id",
            "avatar_url",
            "avatar_url_100",
            "avatar_large_url",
            "display_name",
        ),
        "user.info.basic",
    ),
    **dict.fromkeys(
        (
            "bio_description",
            "profile_deep_link",
            "profile_web_link",
            "is_verified",
            "username",
        ),
        "user.info.profile",
    ),
    **dict.fromkeys(
        ("follower_count", "following_count", "likes_count", "video_count"),
        "user.info.stats",
    ),
}
VIDEO_FIELDS = frozenset(
    [
        "id",
        "create_time",
        "cover_image_url",
        "share_url",
        "video_description",
        "duration",
        "height",
        "width",
        "title",
        "embed_html",
        "embed_link",
        "like_count",
        "comment_count",
        "share_count",
        "view_count",
        "is_aigc",
    ]
)


def asked_fields(request: Request) -> list[str]:
    fields = [name for name in request.args.get("fields", "").split(",") if name]
    if not fields:
        raise invalid("fields is required")
    return fields


class Figures(Posts):
    @api("GET", "/v2/user/info/", ("user.info.basic",))
    def user_info(self, request: Request, caller: Caller) -> Doc:
        fields = asked_fields(request)
        if wrong := [name for name in fields if name not in USER_FIELDS]:
            raise invalid(f"fields is invalid: {', '.join(wrong)}")
        if any(USER_FIELDS[name] not in caller.scopes for name in fields):
            raise Refused(400, "scope_permission_missed")
        shown = self._user_shown(caller.user)
        return {"user": {name: shown[name] for name in fields}}

    def _user_shown(self, user: Doc) -> Doc:
        picture = f"{self.web}/avatar/{user['open_id']}"
        profile = f"{self.web}/@{user['username']}"
        public = [p for p in self.live_posts(user=user["open_id"]) if self.is_public(p)]
        return {
            "open_id": user["open_id"],
            "union_id": user["union_id"],
            "avatar_url": picture,
            "avatar_url_100": picture,
            "avatar_large_url": picture,
            "display_name": user["name"],
            "bio_description": f"{user['name']}, practising.",
            "profile_deep_link": profile,
            "profile_web_link": profile,
            "is_verified": False,
            "username": user["username"],
            "follower_count": 1200,
            "following_count": 35,
            "likes_count": sum(self._figures(post)["like_count"] for post in public),
            "video_count": len(public),
        }

    @api("POST", "/v2/video/list/", ("video.list",))
    def video_list(self, request: Request, caller: Caller) -> Doc:
        fields = self._video_fields(request)
        body = sent_json(request)
        count = number(body, "max_count", PAGE[0])
        before = number(body, "cursor", 0)
        if not 1 <= count <= PAGE[1]:
            raise invalid(f"max_count is invalid: 1 to {PAGE[1]}")
        listed = [
            post
            for post in reversed(self._public(caller))
            if not before or self._ms(post) < before
        ]
        if self.setting("short_pages"):
            count = max(1, count // 2)
        page = listed[:count]
        return {
            "videos": [self._video_shown(post, fields) for post in page],
            "cursor": self._ms(page[-1]) if page else before,
            "has_more": len(listed) > count,
        }

    @api("POST", "/v2/video/query/", ("video.list",))
    def video_query(self, request: Request, caller: Caller) -> Doc:
        fields = self._video_fields(request)
        ids = part_of(sent_json(request), "filters").get("video_ids")
        is_list = isinstance(ids, list) and all(isinstance(id, str) for id in ids)
        if not isinstance(ids, list) or not is_list or not 1 <= len(ids) <= MAX_IDS:
            raise invalid(f"video_ids is invalid: 1 to {MAX_IDS} ids")
        known = {post["post_id"]: post for post in self._public(caller)}
        found = [known[id] for id in ids if id in known]
        return {"videos": [self._video_shown(post, fields) for post in found]}

    def _public(self, caller: Caller) -> list[Doc]:
        """What the lists show of the caller's, oldest first."""
        return [
            post
            for post in self.live_posts(user=caller.id)
            if self.is_public(post)
            and (post["kind"] == "video" or self.setting("photos_listed"))
        ]

    def _ms(self, publish: Doc) -> int:
        return int(self.live_at(publish) * 1000)

    def _video_fields(self, request: Request) -> list[str]:
        fields = asked_fields(request)
        if wrong := [name for name in fields if name not in VIDEO_FIELDS]:
            raise invalid(f"fields is invalid: {', '.join(wrong)}")
        return fields

    def _video_shown(self, publish: Doc, fields: list[str]) -> Doc:
        file = publish["files"][0]
        url, text = self.post_url(publish), self.caption(publish)[:150]
        shown = {
            "id": publish["post_id"],
            "create_time": int(self.live_at(publish)),
            "cover_image_url": f"{self.web}/avatar/{publish['user']}",
            "share_url": url,
            "video_description": text,
            "duration": round(file.get("duration_s", 0)),
            "height": file.get("height", 0),
            "width": file.get("width", 0),
            "title": text,
            "embed_html": f'<blockquote cite="{url}"></blockquote>',
            "embed_link": url,
            "is_aigc": publish["flags"].get("is_aigc", False),
            **self._figures(publish),
        }
        return {name: shown[name] for name in fields}

    def _figures(self, publish: Doc) -> dict[str, int]:
        """Totals that grow fast at first, then slower, and are the same for all."""
        hours = max(0.0, self.time() - self.live_at(publish)) / HOUR_S
        reach = 400 + int(publish["post_id"]) % 1600
        views = int(reach * hours / (hours + 24))
        return {
            "view_count": views,
            "like_count": views // 14,
            "comment_count": views // 120,
            "share_count": views // 80,
        }

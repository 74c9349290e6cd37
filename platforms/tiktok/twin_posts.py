"""Publishing at TikTok: creator info, direct posts, drafts, status, cancel.

Sources: https://developers.tiktok.com/docs/en/content-posting-api-reference-direct-post,
.../content-posting-api-reference-photo-post (2026-09-11),
https://developers.tiktok.com/doc/content-posting-api-reference-upload-video.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from werkzeug.wrappers import Request

from ..practice.framework import Doc, Token, arrived_at
from .twin_calls import (
    Caller,
    Refused,
    api,
    digest,
    invalid,
    part_of,
    sent_json,
    units,
)
from .twin_media import Media, photo_problem, plan_problem, video_problem
from .twin_publishes import PUBLIC

VIDEO = "/v2/post/publish/video/init/"
INBOX = "/v2/post/publish/inbox/video/init/"
CONTENT = "/v2/post/publish/content/init/"
ANY: tuple[str, ...] = ("video.publish", "video.upload")
MAX_CAPTION = 2200
MAX_PHOTO_TITLE = 90
MAX_PHOTO_TEXT = 4000
MAX_PHOTOS = 35
VIDEO_FLAGS = (
    "disable_duet",
    "disable_stitch",
    "disable_comment",
    "brand_content_toggle",
    "brand_organic_toggle",
    "is_aigc",
)
PHOTO_FLAGS = (
    "disable_comment",
    "auto_add_music",
    "brand_content_toggle",
    "brand_organic_toggle",
)


def scopes_of_content(request: Request) -> tuple[str, ...]:
    """By the mode that the body names; a body that names none is refused later."""
    body = request.get_json(force=True, silent=True)
    mode = body.get("post_mode") if isinstance(body, dict) else None
    return {"DIRECT_POST": ANY[:1], "MEDIA_UPLOAD": ANY[1:]}.get(str(mode), ANY)


def text(part: Mapping[str, Any], name: str, most: int) -> str:
    value = part.get(name, "")
    if not isinstance(value, str) or units(value) > most:
        raise invalid(f"{name} is invalid: at most {most} UTF-16 code units")
    return value


def flags(part: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, bool]:
    for name in names:
        if not isinstance(part.get(name, False), bool):
            raise invalid(f"{name} is invalid: it is a boolean")
    return {name: part.get(name, False) for name in names}


def number(part: Mapping[str, Any], name: str, default: int | None = None) -> int:
    value = part.get(name, default)
    if type(value) is not int:
        raise invalid(f"{name} is invalid: it is an integer")
    return value


def privacy_options(user: Mapping[str, Any]) -> list[str]:
    widest = "FOLLOWER_OF_CREATOR" if user["private"] else PUBLIC
    return [widest, "MUTUAL_FOLLOW_FRIENDS", "SELF_ONLY"]


class Posts(Media):
    # ------------------------------------------------------------ creator info

    @api("POST", "/v2/post/publish/creator_info/query/", ("video.publish",))
    def creator_info(self, request: Request, caller: Caller) -> Doc:
        sent_json(request)
        user = caller.user
        try:
            self.check_caps(user, "direct")
        except Refused as refusal:
            raise Refused(200, refusal.code, refusal.message) from None
        return {
            "creator_avatar_url": f"{self.web}/avatar/{caller.id}",
            "creator_username": user["username"],
            "creator_nickname": user["name"],
            "privacy_level_options": privacy_options(user),
            "comment_disabled": user["comment_disabled"],
            "duet_disabled": user["duet_disabled"],
            "stitch_disabled": user["stitch_disabled"],
            "max_video_post_duration_sec": user["max_duration_s"],
        }

    # ------------------------------------------------------------ inits

    @api("POST", VIDEO, ("video.publish",), commit=True)
    def video(self, request: Request, caller: Caller) -> Doc:
        self.check_caps(caller.user, "direct")
        body = sent_json(request)
        post = part_of(body, "post_info")
        facts = {
            "title": text(post, "title", MAX_CAPTION),
            "flags": flags(post, VIDEO_FLAGS),
            "cover": number(post, "video_cover_timestamp_ms", 0),
        }
        source = self._video_source(body)
        facts["privacy"] = self._privacy(post, caller.user)
        return self._new_video(request, caller, source, "direct", facts)

    @api("POST", INBOX, ("video.upload",), commit=True)
    def inbox_video(self, request: Request, caller: Caller) -> Doc:
        self.check_caps(caller.user, "draft")
        source = self._video_source(sent_json(request))
        return self._new_video(request, caller, source, "draft", {})

    @api("POST", CONTENT, scopes_of_content, commit=True)
    def content(self, request: Request, caller: Caller) -> Doc:
        try:
            return self._content(request, caller)
        except Refused:
            self.forget_pulled(request)
            raise

    def _content(self, request: Request, caller: Caller) -> Doc:
        body = sent_json(request)
        mode = {"DIRECT_POST": "direct", "MEDIA_UPLOAD": "draft"}.get(
            body.get("post_mode", "")
        )
        if not mode:
            raise invalid("post_mode is invalid")
        self.check_caps(caller.user, mode)
        if body.get("media_type") != "PHOTO":
            raise invalid("media_type is invalid")
        is_bare = mode == "draft" and "post_info" not in body
        post = {} if is_bare else part_of(body, "post_info")
        facts: Doc = {
            "title": text(post, "title", MAX_PHOTO_TITLE),
            "description": text(post, "description", MAX_PHOTO_TEXT),
        }
        urls = self._photo_source(body, facts)
        if mode == "direct":
            facts["flags"] = flags(post, PHOTO_FLAGS) | flags(body, ("is_aigc",))
            facts["privacy"] = self._privacy(post, caller.user)
        elif self.setting("old_phone"):
            raise Refused(400, "app_version_check_failed")
        self._check_ownership(urls)
        return self._new_pull(request, caller, urls, mode, "photo", facts)

    # ------------------------------------------------------------ their sources

    def _video_source(self, body: Doc) -> Doc:
        source = part_of(body, "source_info")
        if source.get("source") == "PULL_FROM_URL":
            if self.address_problem(source.get("video_url")) == "invalid":
                raise invalid("video_url is invalid")
            return source
        if source.get("source") != "FILE_UPLOAD":
            raise invalid("source is invalid")
        problem = plan_problem(
            number(source, "video_size"),
            number(source, "chunk_size"),
            number(source, "total_chunk_count"),
            is_strict=self.setting("strict_chunks"),
        )
        if problem:
            raise invalid(problem)
        return source

    def _photo_source(self, body: Doc, facts: Doc) -> list[str]:
        source = part_of(body, "source_info")
        if source.get("source") != "PULL_FROM_URL":
            raise invalid("source is invalid: photos are pulled from their addresses")
        urls = source.get("photo_images")
        if not isinstance(urls, list) or not 1 <= len(urls) <= MAX_PHOTOS:
            raise invalid(f"photo_images is invalid: 1 to {MAX_PHOTOS} addresses")
        if any(self.address_problem(url) == "invalid" for url in urls):
            raise invalid("photo_images is invalid: https addresses are wanted")
        facts["cover"] = number(source, "photo_cover_index", 0)
        if not 0 <= facts["cover"] < len(urls):
            raise invalid("photo_cover_index is invalid")
        return urls

    def _privacy(self, post: Doc, user: Doc) -> str:
        level = post.get("privacy_level")
        if level not in privacy_options(user):
            raise Refused(403, "privacy_level_option_mismatch")
        is_hidden = user["private"] and level == "SELF_ONLY"
        if not self.setting("audited") and not is_hidden:
            code = "unaudited_client_can_only_post_to_private_accounts"
            raise Refused(403, code)
        return str(level)

    def _check_ownership(self, urls: list[str]) -> None:
        if any(self.address_problem(url) for url in urls):
            raise Refused(403, "url_ownership_unverified")

    # ------------------------------------------------------------ the publish

    def _new_video(
        self, request: Request, caller: Caller, source: Doc, mode: str, facts: Doc
    ) -> Doc:
        if source["source"] == "PULL_FROM_URL":
            urls = [source["video_url"]]
            self._check_ownership(urls)
            return self._new_pull(request, caller, urls, mode, "video", facts)
        token = Token("up", 24).made
        publish = self.new_publish(
            "v_inbox_file~v2" if mode == "draft" else "v_pub_file~v2-1",
            user=caller.id,
            kind="video",
            mode=mode,
            source="FILE_UPLOAD",
            size=source["video_size"],
            chunk=source["chunk_size"],
            count=source["total_chunk_count"],
            arrived_at=arrived_at(request),
            upload=Token("u", 9).made,
            **self._allowed(facts, caller.user),
        )
        upload = {"publish": publish["id"], "token": digest(token)}
        self.put("upload", publish["upload"], upload)
        url = self.upload_url(publish, token)
        return {"publish_id": publish["id"], "upload_url": url}

    def _new_pull(
        self,
        request: Request,
        caller: Caller,
        urls: list[str],
        mode: str,
        kind: str,
        facts: Doc,
    ) -> Doc:
        prefix = "v_inbox_url~v2" if mode == "draft" else "v_pub_url~v2"
        publish = self.new_publish(
            prefix if kind == "video" else "p_pub_url~v2",
            user=caller.id,
            kind=kind,
            mode=mode,
            source="PULL_FROM_URL",
            arrived_at=arrived_at(request),
            **self._allowed(facts, caller.user),
        )
        found = self.pulled(request, urls)
        files = [file for file in found if file]
        fail = "" if len(files) == len(urls) else f"{kind}_pull_failed"
        longest = caller.user["max_duration_s"]
        for file in files:
            fail = fail or (
                video_problem(file, longest) if kind == "video" else photo_problem(file)
            )
        at = self.time() + self.setting("download_s")
        self.got_bytes(publish, self.kept(files), fail, at)
        return {"publish_id": publish["id"]}

    def _allowed(self, facts: Doc, user: Doc) -> Doc:
        """What the account forbids is off, whatever was asked."""
        if "flags" not in facts:
            return facts
        off = {
            f"disable_{name}": True
            for name in ("comment", "duet", "stitch")
            if user[f"{name}_disabled"]
        }
        return {**facts, "flags": {**facts["flags"], **off}}

    # ------------------------------------------------------------ afterwards

    def _own_publish(self, request: Request, caller: Caller) -> Doc:
        id = sent_json(request).get("publish_id")
        publish = self.get("publish", id) if isinstance(id, str) else None
        if not publish:
            raise Refused(400, "invalid_publish_id")
        if publish["user"] != caller.id:
            raise Refused(400, "token_not_authorized_for_specified_publish_id")
        return publish

    @api("POST", "/v2/post/publish/status/fetch/", ANY)
    def status(self, request: Request, caller: Caller) -> Doc:
        publish = self._own_publish(request, caller)
        status, reason = self.status_of(publish)
        ids = [int(publish["post_id"])] if self.is_public(publish) else []
        shown: Doc = {
            "status": status,
            "fail_reason": reason,
            "publicaly_available_post_id": ids,
        }
        if publish["source"] == "FILE_UPLOAD":
            return {**shown, "uploaded_bytes": publish["received"]}
        return {**shown, "downloaded_bytes": self.downloaded(publish)}

    @api("POST", "/v2/post/publish/cancel/", ANY)
    def cancel(self, request: Request, caller: Caller) -> None:
        publish = self._own_publish(request, caller)
        is_pull = publish["source"] == "PULL_FROM_URL"
        if publish["ended"] or not is_pull or self.time() >= publish["got_at"]:
            raise Refused(400, "publish_not_cancellable")
        self.put("publish", publish["id"], {**publish, "ended": "publish_cancelled"})

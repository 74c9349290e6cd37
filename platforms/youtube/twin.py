"""YouTube in the practice network, written from Google's documentation.

Hosts below this twin's address: `/accounts` is accounts.google.com, `/oauth2`
oauth2.googleapis.com, `/api` www.googleapis.com, `/analytics`
youtubeanalytics.googleapis.com, `/web` www.youtube.com, `/hub`
pubsubhubbub.appspot.com. What Google does not document
is a switch.
Source: https://developers.google.com/youtube/v3 (revision 20261104).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, ClassVar

from werkzeug.wrappers import Request, Response

from ..practice import pages
from ..practice.framework import Doc, Refusal, json_response, route
from ..practice.moving import KEPT_BYTES
from ..practice.switches import Switch
from .twin_calls import (
    Refused,
    api_off,
    exact,
    invalid,
    units_used_up,
)
from .twin_captions import CAPTION_SWITCHES, Captions
from .twin_channels import CHANNEL_SWITCHES, Channels, new_channel_id
from .twin_figures import FIGURE_SWITCHES, comment_failed
from .twin_hub import HUB_SWITCHES
from .twin_login import (
    CLIENT_ID,
    CLIENT_SECRET,
    CONNECT_SCOPES,
    LOGIN_SWITCHES,
    SCOPES,
    Login,
    oauth_error,
)
from .twin_upload import UPLOAD_SWITCHES, Upload
from .twin_videos import VIDEO_SWITCHES

QUOTA_SWITCHES = (
    Switch("api_enabled", "The API is switched on in our project", True),
    Switch("units_per_day", "Units of our project per Pacific day", 10_000),
    Switch("uploads_per_day", "Uploads of our project per Pacific day", 100),
    Switch("batch_stats_per_day", "batchGetStats per Pacific day", 10_000),
    Switch("storm_of_401", "So many next calls are answered 401 for nothing", 0),
)


class YouTubeTwin(Login, Upload, Captions, Channels):
    slug: ClassVar[str] = "youtube"
    name: ClassVar[str] = "YouTube"
    SWITCHES = (
        *LOGIN_SWITCHES,
        *QUOTA_SWITCHES,
        *UPLOAD_SWITCHES,
        *VIDEO_SWITCHES,
        *CAPTION_SWITCHES,
        *CHANNEL_SWITCHES,
        *FIGURE_SWITCHES,
        *HUB_SWITCHES,
    )

    # ------------------------------------------------------------ for the panel

    def seed(self) -> None:
        if self.get("app", CLIENT_ID):
            return
        self.put(
            "app",
            CLIENT_ID,
            {"name": "SocialHub", "secret": CLIENT_SECRET, "redirect_uris": []},
        )
        for id, name in (
            ("107700000000000000001", "Ada Acme"),
            ("107700000000000000002", "Ana Baker"),
            ("107700000000000000003", "Nora Novak"),
        ):
            self.add_google(id, name)
        ada, ana = "107700000000000000001", "107700000000000000002"
        self.add_channel("UCpracticeAcmeTools00001", ada, "Acme Tools", "@acmetools")
        self.add_channel("UCpracticeAcmeGarden0002", ada, "Acme Garden", "@acmegarden")
        self.add_channel(
            "UCpracticeAnaBakes000003", ana, "Ana Bakes", "@anabakes", confirmed=False
        )

    def add_account(self, handle: str, name: str, **options: Any) -> Doc:
        """options: scopes, confirmed (by telephone; default yes), has_channel.

        A handle that exists already gets one more pair of tokens.
        """
        if unknown := set(options) - {"scopes", "confirmed", "has_channel"}:
            raise TypeError(f"unknown {', '.join(sorted(unknown))}")
        bare = re.sub(r"[^\w.-]", "-", handle.removeprefix("@"))
        if not re.fullmatch(r"[\w.-]{3,30}", bare):
            raise ValueError(f"YouTube takes 3 to 30 letters or digits, not {handle!r}")
        scopes = [str(scope) for scope in options.get("scopes", CONNECT_SCOPES)]
        if unknown := set(scopes) - set(SCOPES):
            raise ValueError(f"Google has no scope {sorted(unknown)[0]}")
        known = self.get("handle", f"@{bare.lower()}")
        channel = self.get("channel", known["channel"]) if known else None
        if not channel:
            google = f"1077{self.world.count(self.slug, 'google') + 1:017}"
            self.add_google(google, name)
            channel = {"id": "", "google": google, "handle": "", "title": name}
            if options.get("has_channel", True):
                channel = self.add_channel(
                    new_channel_id(),
                    google,
                    name,
                    f"@{bare}",
                    confirmed=bool(options.get("confirmed", True)),
                )
        self.put("grant", channel["google"], {"scopes": scopes})
        answer = self.issue(channel["google"], channel["id"], scopes, refresh=True)
        return {
            "external_id": channel["id"] or channel["google"],
            "handle": channel["handle"],
            "name": channel["title"],
            "kind": "channel",
            "url": f"{self.url}/web/channel/{channel['id']}",
            "access_token": answer["access_token"],
            "refresh_token": answer["refresh_token"],
            "expires_in": answer["expires_in"],
            "refresh_expires_in": answer.get("refresh_token_expires_in"),
            "scopes": scopes,
            "extra": {},
        }

    def not_found(self, request: Request) -> Response:
        return Refused(404, "notFound", "Not Found").response()

    def refuse(self, request: Request, refusal: Refusal) -> Response:
        if "/oauth2/" in request.path:
            return self._refuse_oauth(refusal)
        seconds = refusal.retry_after_s
        minute = "Quota exceeded for quota metric 'Queries' and limit 'Queries per"
        minute += " minute' of service 'youtube.googleapis.com'."
        after = {"Retry-After": str(int(seconds))} if seconds is not None else {}
        is_comment = "omment" in refusal.call
        bad = Refused(400, "badRequest", "Bad Request")
        texts = {500: "internalError", 502: "badGateway", 504: "gatewayTimeout"}
        trouble = texts.get(refusal.status, "backendError")
        answers = {
            "rate_limited": Refused(429, "rateLimitExceeded", minute, headers=after),
            "rate_limited_no_headers": Refused(
                403, "userRateLimitExceeded", "User Rate Limit Exceeded", "usageLimits"
            ),
            "server_error": Refused(refusal.status, trouble, "Backend Error"),
            "bad_request_after_write": comment_failed() if is_comment else bad,
            "duplicate": Refused(409, "duplicate", "The entity already exists."),
            "content_refused": comment_failed()
            if is_comment
            else invalid("invalidVideoMetadata", "The request metadata is invalid."),
            "version_ended": Refused(410, "deprecated", "The API version has ended."),
            "app_suspended": api_off(),
            "no_credits": units_used_up(),
        }
        return answers[refusal.kind].response()

    def _refuse_oauth(self, refusal: Refusal) -> Response:
        if refusal.kind == "server_error":
            return oauth_error(refusal.status, "internal_failure", "Backend Error")
        if refusal.kind.startswith("rate_limited"):
            answer = oauth_error(429, "rate_limit_exceeded", "Rate Limit Exceeded")
            if refusal.retry_after_s is not None:
                answer.headers["Retry-After"] = str(int(refusal.retry_after_s))
            return answer
        if refusal.kind == "app_suspended":
            return oauth_error(401, "deleted_client", "The OAuth client was deleted.")
        return json_response({"error": "invalid_request"}, 400)

    def posts(self) -> list[Doc]:
        return [
            {
                "id": id,
                "account": video["channel"],
                "text": "\n\n".join(
                    filter(None, [video["title"], video["description"]])
                ),
                "url": self._permalink(video),
                "created_at": exact(video["created_at"]),
                "arrived_at": video["arrived_at"],
                "media": 1,
                "alt_texts": [],
                "link": "",
                "marker": "",
                "media_kinds": ["video"],
                "media_sha256": [video["sha256"]],
                "thumbnail": video["thumbnail"],
                "captions": [one["language"] for one in video.get("tracks", [])],
                "privacy": self.privacy(video),
                "choices": {
                    "license": video["license"],
                    "no_embedding": not video["embeddable"],
                    "hide_stats": not video["publicStatsViewable"],
                    "recorded_on": video.get("recordingDate", "")[:10],
                },
            }
            for id, video in self.all("video", deleted=False)
        ]

    # ------------------------------------------------------------ for readers

    def _permalink(self, video: Doc) -> str:
        if self.is_short(video):
            return f"{self.url}/web/shorts/{video['id']}"
        return f"{self.url}/web/watch?v={video['id']}"

    @route("GET", "/", browser=True)
    def home(self, request: Request) -> Response:
        rows = [video for _, video in self.all("video", deleted=False)]
        listed = [v for v in rows if self._is_listed(v)]
        return self._show("latest videos", reversed(listed[-50:]))

    def _is_listed(self, video: Doc) -> bool:
        return self.is_shown(video) and self.privacy(video) == "public"

    @route("GET", "/web/channel/<id>", browser=True)
    def channel_page(self, request: Request, id: str) -> Response:
        channel = self.get("channel", id)
        if not channel:
            return pages.no_page(self)
        listed = [v for v in self.videos_of(id) if self._is_listed(v)]
        return self._show(channel["title"], listed[:50])

    @route("GET", "/web/@<handle>", browser=True)
    def handle_page(self, request: Request, handle: str) -> Response:
        known = self.get("handle", f"@{handle.lower()}")
        return self.channel_page(request, known["channel"] if known else "")

    @route("GET", "/web/watch", browser=True)
    def watch(self, request: Request) -> Response:
        return self._permalink_page(request.args.get("v", ""))

    @route("GET", "/web/shorts/<id>", browser=True)
    def short(self, request: Request, id: str) -> Response:
        return self._permalink_page(id)

    def _permalink_page(self, id: str) -> Response:
        video = self.get("video", id)
        if not video or video["deleted"]:
            return pages.no_page(self)
        return self._show("a video", [video])

    def _show(self, title: str, videos: Iterable[Doc]) -> Response:
        return pages.posts_page(self, title, map(self._view, videos))

    def _view(self, video: Doc) -> pages.PostView:
        channel = self.get("channel", video["channel"]) or {}
        film = f"{self.url}/web/file/{video['id']}"
        pictures = []
        if video["size"] <= KEPT_BYTES:
            pictures.append(pages.Picture(film, video["title"], "video"))
        if video["thumbnail"]:
            still = self.thumbnails(video["id"])["high"]["url"]
            pictures.append(pages.Picture(still, "Thumbnail"))
        return pages.PostView(
            author=channel["title"],
            handle=channel["handle"],
            text="\n\n".join(filter(None, [video["title"], video["description"]])),
            when=exact(video["created_at"]),
            url=self._permalink(video),
            pictures=pictures,
            notes=self._notes(video),
        )

    def _notes(self, video: Doc) -> list[str]:
        notes = [f"Captions: {one['language']}" for one in video.get("tracks", [])]
        state = self.upload_status(video)
        if state == "uploaded":
            notes.append("YouTube still works on this video: nobody else sees it yet.")
        elif state != "processed":
            notes.append(f"Nobody sees this video: {state}, {video['fate'][1]}.")
        if self.privacy(video) == "private":
            at = video.get("publish_at")
            until = f" until {exact(at)}" if at else ""
            notes.append(f"Private{until}: only its owner sees this page on YouTube.")
        elif self.privacy(video) == "unlisted":
            notes.append("Unlisted: only who has the link sees it.")
        if video["license"] == "creativeCommon":
            notes.append(
                "Licence: Creative Commons, others may use it with attribution."
            )
        if not video["embeddable"]:
            notes.append("Other websites cannot show this video.")
        if date := video.get("recordingDate"):
            notes.append(f"Recorded on {date[:10]}.")
        comments = self._comments(video["id"])
        return [*notes, *(f"Comment: {doc['text']}" for doc in reversed(comments))]

    @route("GET", "/web/file/<id>", browser=True)
    def film(self, request: Request, id: str) -> Response:
        found = self.world.get_blob(self.slug, id)
        video = self.get("video", id)
        if not found or not video or video["deleted"]:
            return pages.no_page(self)
        mime = found[0] if found[0].startswith("video/") else "video/mp4"
        safe = {"X-Content-Type-Options": "nosniff"}
        return Response(found[1], headers=safe, content_type=mime)

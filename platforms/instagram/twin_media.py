"""What an Instagram account publishes: containers, their publishing, media, comments.

Both variants use the same calls, on hosts and with tokens of their own: images, reels,
carousels of both, stories. With Facebook Login videos can also be sent to the upload
host, `/rupload`.
Source: https://developers.facebook.com/docs/instagram-platform/content-publishing/ .
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import string
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from werkzeug.wrappers import Request, Response

from ..facebook import twin_errors as errors
from ..facebook.twin_accounts import Accounts
from ..facebook.twin_errors import GraphError, instagram
from ..facebook.twin_fields import (
    Field,
    is_true,
    listed,
    nested,
    params,
    text_of,
    time_of,
)
from ..facebook.twin_graph import DAY_S, FACEBOOK, Caller
from ..facebook.twin_pictures import Picture, fetch, look_at, stand_in
from ..facebook.twin_videos import Film, Videos, uploading_phase
from ..practice.framework import Doc, Route, arrived_at, route

MAX_CAPTION = 2_200
MAX_HASHTAGS = 30
MAX_MENTIONS = 20
MAX_ALT = 1_000
MAX_BYTES = 8 * 1024 * 1024
MAX_CONTAINERS = 400
RATIOS = (4 / 5, 1.91)
CHILDREN = (2, 10)
LISTED = 1_000
MAX_COLLABORATORS = 3
NAME = re.compile(r"[A-Za-z0-9_.]{1,30}")
COVER = "instagram.cover"
#: what decides that followers see a trial reel
TRIALS = ("MANUAL", "SS_PERFORMANCE")
LABELS = ("is_ai_generated", "is_paid_partnership")
#: of a container, and of what becomes of it
SAID = ("location", "audio_name", "trial", "labels")
#: product -> seconds, bytes, width to height
FILMS = {
    "REELS": ((3, 15 * 60), 300 * 1024 * 1024, (0.01, 10)),
    "STORY": ((3, 60), 100 * 1024 * 1024, (0.1, 10)),
}
MAX_WIDTH = 1920
RATES = (23, 60)
#: media_type -> what becomes of it
PRODUCTS = {"REELS": "REELS", "STORIES": "STORY", "VIDEO": "REELS"}
LETTERS = string.ascii_letters + string.digits + "-_"
CREATE = "POST /:ig/media"
#: permission -> its names with Facebook Login and with Instagram Login
NAMES = {
    "basic": ("instagram_basic", "instagram_business_basic"),
    "publish": ("instagram_content_publish", "instagram_business_content_publish"),
    "comments": ("instagram_manage_comments", "instagram_business_manage_comments"),
    "figures": ("instagram_manage_insights", "instagram_business_manage_insights"),
}


def not_ready() -> GraphError:
    return instagram(
        9007,
        2207027,
        "Media ID is not available",
        "Media Not Ready",
        "The media is not ready for publishing, please wait for a moment",
    )


def gone() -> GraphError:
    text = "The requested resource does not exist"
    return instagram(24, 2207008, text, "Media Not Found")


def quota_full() -> GraphError:
    return instagram(
        9,
        2207042,
        "Application request limit reached",
        "Publishing Limit Reached",
        "You reached the maximum number of posts that can be published in 24 hours",
    )


def wrong_ratio() -> GraphError:
    text = "The aspect ratio is not supported."
    return instagram(36003, 2207009, text, "Aspect Ratio Not Supported")


def unplayable(film: Film, product: str) -> bool:
    """Whether Instagram's machines refuse what is in the file."""
    (least, most), size, ratios = FILMS[product]
    found = film.found
    if found is None or not found.video or not found.height:
        return True
    fits = (
        "mp4" in found.container,
        film.index_first,
        film.size <= size,
        found.video in ("h264", "hevc"),
        found.audio in ("", "aac"),
        least <= found.duration_s <= most,
        RATES[0] <= found.rate <= RATES[1],
        found.width <= MAX_WIDTH,
        ratios[0] <= found.width / found.height <= ratios[1],
    )
    return not all(fits)


def _is_tag(row: Any, *, with_place: bool) -> bool:
    """A place belongs to images, and is needed there."""
    if not isinstance(row, dict) or not NAME.fullmatch(str(row.get("username", ""))):
        return False
    if set(row) - {"username", "x", "y"} or with_place != ("x" in row and "y" in row):
        return False
    place = [row[name] for name in ("x", "y") if name in row]
    return all(isinstance(n, int | float) and 0 <= n <= 1 for n in place)


class Media(Accounts, Videos):
    FETCHES: ClassVar[Mapping[str, str]] = {CREATE: "image_url"}
    FETCHED_VIDEOS: ClassVar[Mapping[str, str]] = {CREATE: "video_url"}

    def prepare(self, route: Route, request: Request) -> None:
        super().prepare(route, request)
        url = text_of(params(request), "cover_url") if route.call == CREATE else ""
        if not url:
            return
        with self.world.transaction():
            believed = self.setting("believe_the_address")
        request.environ[COVER] = stand_in().data if believed else fetch(url)

    # ------------------------------------------------------------ who may

    def reach_account(self, caller: Caller, ig: str, *names: str) -> Doc:
        """The account, if this token reaches it and has the permissions (basic always)."""
        account = self.get("ig", ig)
        if not account:
            raise errors.missing_object(ig)
        if caller.kind == "IG":
            if caller.ig != ig:
                raise errors.missing_object(ig)
            for name in ("basic", *names):
                self.need(caller, NAMES[name][1], code=10)
        else:
            self.need_instagram(caller, account)
            for name in names:
                self.need_instagram(caller, account, NAMES[name][0])
            self._need_advertising(caller, ig)
        if account["account_type"] == "PERSONAL":
            raise GraphError(10, "(#10) The user is not an Instagram Business")
        return account

    def _need_advertising(self, caller: Caller, ig: str) -> None:
        """A Page role that comes by a portfolio wants one permission more."""
        page = self.page_of_ig(ig) or {}
        role = self.role(caller.person, page.get("id", "")) or {"through": ""}
        may = [self.has_scope(caller.token, s) for s in ("ads_read", "ads_management")]
        if role["through"] and not any(may):
            raise errors.lacks("ads_read", 10)

    def _may_publish(self, caller: Caller, ig: str) -> Doc:
        account = self.reach_account(caller, ig, "publish")
        if caller.kind != "IG":
            page = self.page_of_ig(ig) or {}
            role = self.role(caller.person, page.get("id", "")) or {"tasks": []}
            held = {name.removeprefix("PROFILE_PLUS_") for name in role["tasks"]}
            if held.isdisjoint({"MANAGE", "CREATE_CONTENT", "FULL_CONTROL"}):
                raise errors.lacks("instagram_content_publish", 10)
        if account["restricted"]:
            raise instagram(
                25,
                2207050,
                "The Instagram account is restricted",
                "Account Restricted",
                "The account is inactive, checkpointed or restricted. Sign in to the "
                "Instagram app and complete any actions it asks for.",
            )
        return account

    # ------------------------------------------------------------ containers

    @route("POST", "/graph/<version>/<id>/media", call=CREATE)
    @route("POST", "/ig/<version>/<id>/media", call=CREATE)
    def create(self, request: Request, version: str, id: str) -> Response:
        def work(caller: Caller) -> Doc:
            ig = self.own_id(caller, id)
            self._may_publish(caller, ig)
            values = params(request)
            made = self._recent(f"containers:{ig}", self.time() - DAY_S)
            if made >= MAX_CONTAINERS:
                raise quota_full()
            return self._new_container(request, values, ig)

        return self.graph(request, version, work, instagram=self._instagram_of(request))

    def own_id(self, caller: Caller, id: str) -> str:
        return caller.ig if id == "me" and caller.ig else id

    def _new_container(
        self, request: Request, values: Mapping[str, Any], ig: str
    ) -> Doc:
        """The answer to a new container: its id, and where to send its bytes to."""
        media_type = text_of(values, "media_type")
        is_child = is_true(values.get("is_carousel_item"))
        caption = text_of(values, "caption")
        alt = text_of(values, "alt_text")
        has_caption = not is_child and media_type != "STORIES"
        container: Doc = {
            "ig": ig,
            "kind": "child" if is_child else "image",
            "product": PRODUCTS.get(media_type, "FEED"),
            "caption": caption if has_caption else "",
            "alt": alt,
            "children": [],
            "state": "IN_PROGRESS" if self.setting("image_polls") else "FINISHED",
            "error": "",
            "polls": 0,
            "refused": False,
            "created_at": self.time(),
        }
        self._check_texts(caption, alt)
        container |= self._people(values, media_type, is_child)
        container |= self._said(values, media_type, is_child)
        if text_of(values, "cover_url"):
            container["cover"] = self._cover(request, media_type)
        id = self.next_id(17_889_455_560_000_000)
        answer: Doc = {"id": id}
        is_story = media_type == "STORIES"
        if media_type == "CAROUSEL":
            container |= {"kind": "carousel", "children": self._children(values, ig)}
        elif text_of(values, "upload_type") == "resumable":
            if self.host_of(request) != FACEBOOK:
                raise errors.wrong("upload_type is not supported here")
            answer["uri"] = self._resumable(container, values, id)
        elif media_type in ("REELS", "VIDEO") or (
            is_story and text_of(values, "video_url")
        ):
            self._video(container, request, values, id)
        elif media_type in ("", "IMAGE", "STORIES"):
            url = text_of(values, "image_url")
            picture = self._fetched(request, url, any_ratio=is_story)
            container |= self.keep_picture(id, picture)
        else:
            raise instagram(100, 2207023, f"The media type {media_type} is unknown.")
        self.put("container", id, {**container, "id": id})
        self.put(f"containers:{ig}", id, {"at": self.time()})
        return answer

    def _video(
        self, container: Doc, request: Request, values: Mapping[str, Any], id: str
    ) -> None:
        """It is fetched and looked into later: what is wrong shows in the status."""
        if not text_of(values, "video_url"):
            raise errors.needed("video_url")
        if text_of(values, "media_type") == "VIDEO" and container["kind"] != "child":
            container["kind"] = "video"
        container |= {"state": "IN_PROGRESS", "thumb": text_of(values, "thumb_offset")}
        film = self.video_at(request)
        if film is None:
            container["error"] = "2207052"
        else:
            container |= self._judged(container, film)
            container |= self.keep_video(id, film)

    def _resumable(self, container: Doc, values: Mapping[str, Any], id: str) -> str:
        media_type = text_of(values, "media_type")
        if media_type not in PRODUCTS or text_of(values, "video_url"):
            raise errors.wrong("upload_type needs a video's media_type and no address")
        if media_type == "VIDEO" and container["kind"] != "child":
            container["kind"] = "video"
        container |= {"state": "IN_PROGRESS", "awaits": True, "moving": True}
        container["thumb"] = text_of(values, "thumb_offset")
        return f"{self.url}/rupload/ig-api-upload/v26.0/{id}"

    def _judged(self, container: Doc, film: Film) -> Doc:
        """What the status will say of the file."""
        error = "2207026" if unplayable(film, container["product"]) else ""
        length_ms = film.found.duration_s * 1000 if film.found else 0
        is_asked = not container.get("cover")  # that one wins
        if not error and is_asked and float(container["thumb"] or 0) > length_ms:
            error = "2207057"
        return {"error": str(self.setting("video_error") or error)}

    @route(
        "POST",
        "/rupload/ig-api-upload/<version>/<id>",
        call="POST rupload /ig-api-upload/:container",
        large=True,
    )
    def upload(self, request: Request, version: str, id: str) -> Response:
        def take(caller: Caller) -> tuple[str, Doc]:
            container = self.get("container", id)
            if not container or not container.get("awaits"):
                raise errors.missing_object(id)
            self._may_publish(caller, container["ig"])
            if self.state_of(container) == "EXPIRED":
                raise gone()
            return "container", container

        def done(film: Film) -> None:
            container = self.get("container", id) or {}
            container |= self._judged(container, film) | self.keep_video(id, film)
            container |= {"awaits": False, "sent_at": self.time()}
            self.put("container", id, container)

        return self.rupload(request, version, take, done)

    def _check_texts(self, caption: str, alt: str) -> None:
        hashtags = re.findall(r"(?<!\w)#\w+", caption)
        if len(caption) > MAX_CAPTION or len(hashtags) > MAX_HASHTAGS:
            text = "The caption was too long"
            raise instagram(36004, 2207010, text, "Caption Too Long")
        if len(re.findall(r"(?<!\w)@[\w.]+", caption)) > MAX_MENTIONS:
            text = "The caption has too many mentions"
            raise instagram(100, 2207040, text, "Too Many Tags")
        if len(alt) > MAX_ALT:
            raise errors.wrong("alt_text is too long")

    def _people(
        self, values: Mapping[str, Any], media_type: str, is_child: bool
    ) -> Doc:
        """Who made it together, and who is seen in it."""
        found: Doc = {"collaborators": [], "user_tags": []}
        if "collaborators" in values:
            names = nested(values, "collaborators")
            if media_type == "STORIES" or is_child:
                raise errors.wrong("collaborators are not supported for this media")
            if len(names) > MAX_COLLABORATORS:
                raise errors.wrong("A post has at most 3 collaborators")
            if not all(isinstance(one, str) and NAME.fullmatch(one) for one in names):
                raise errors.wrong("Param collaborators must be usernames.")
            found["collaborators"] = names
        if "user_tags" in values:
            rows = nested(values, "user_tags")
            is_video = media_type in PRODUCTS and "image_url" not in values
            if media_type == "CAROUSEL" or (is_child and is_video):
                raise errors.wrong("user_tags are not supported for this media")
            if not all(_is_tag(row, with_place=not is_video) for row in rows):
                raise errors.wrong("Param user_tags is invalid.")
            found["user_tags"] = [row["username"] for row in rows]
        return found

    def _said(self, values: Mapping[str, Any], media_type: str, is_child: bool) -> Doc:
        """The place, the name of the sound, the trial and the labels."""
        found: Doc = {"location": text_of(values, "location_id")}
        if found["location"]:
            if is_child or media_type == "STORIES":
                raise errors.wrong("location_id is not supported for this media")
            is_number = found["location"].isdecimal()
            if not is_number or found["location"] in self.setting("places_unknown"):
                raise errors.wrong("INSTAGRAM_PLATFORM_API__INVALID_LOCATION_ID")
        is_reel = media_type == "REELS" and not is_child
        found["audio_name"] = text_of(values, "audio_name")
        if found["audio_name"] and not is_reel:
            raise errors.wrong("audio_name is supported for reels only")
        found["trial"] = ""
        if "trial_params" in values:
            asked = values["trial_params"]
            try:
                asked = json.loads(asked) if isinstance(asked, str) else asked
            except ValueError:
                asked = None
            known = [{"graduation_strategy": one} for one in TRIALS]
            if not is_reel or asked not in known:
                raise errors.wrong("Param trial_params is invalid.")
            if not self.setting("trials_allowed"):
                text = "This account cannot publish trial reels"
                raise instagram(100, 2207081, text, "Trial Reels Not Available")
            found["trial"] = asked["graduation_strategy"]
        labels = [name for name in LABELS if is_true(values.get(name))]
        if labels and is_child:
            raise errors.wrong(f"{labels[0]} belongs to the carousel")
        return found | {"labels": labels}

    def _cover(self, request: Request, media_type: str) -> str:
        """The sum of the picture that stands for a reel."""
        if media_type != "REELS":
            raise errors.wrong("cover_url is supported for reels only")
        data = request.environ.get(COVER)
        if not isinstance(data, bytes):
            text = "Only photo or video can be accepted as media type."
            raise instagram(9004, 2207052, text, "Media download has failed")
        if len(data) > MAX_BYTES:
            text = "The image size is too large."
            raise instagram(36000, 2207004, text, "Image size too large")
        if look_at(data).format != "JPEG":
            text = "The image format is not supported."
            raise instagram(36001, 2207005, text, "Image Format Not Supported")
        return hashlib.sha256(data).hexdigest()

    def _fetched(self, request: Request, url: str, *, any_ratio: bool) -> Picture:
        if not url:
            raise errors.needed("image_url")
        picture = self.picture_at(request, url)
        if picture is None:
            raise instagram(
                9004,
                2207052,
                "Only photo or video can be accepted as media type.",
                "Media download has failed",
                f"The media could not be fetched from this URI: {url}",
            )
        if len(picture.data) > MAX_BYTES:
            raise instagram(
                36000,
                2207004,
                "The image size is too large.",
                "Image size too large",
                "The image is too large to download. It should be less than 8 MiB.",
            )
        known = ("JPEG", "PNG") if self.setting("png_accepted") else ("JPEG",)
        if picture.format not in known:
            text = "The image format is not supported."
            raise instagram(36001, 2207005, text, "Image Format Not Supported")
        fits = RATIOS[0] <= picture.width / picture.height <= RATIOS[1]
        if not fits and not any_ratio:
            raise wrong_ratio()
        return picture

    def _children(self, values: Mapping[str, Any], ig: str) -> list[str]:
        given = values.get("children")
        if isinstance(given, str) and not given.lstrip().startswith("["):
            ids = [part.strip() for part in given.split(",") if part.strip()]
        else:
            ids = [str(id) for id in nested(values, "children")]
        docs = [self.get("container", id) for id in ids]
        fit = all(doc and doc["ig"] == ig and doc["kind"] == "child" for doc in docs)
        if not fit or not CHILDREN[0] <= len(ids) <= CHILDREN[1]:
            text = "A carousel needs between 2 and 10 items"
            raise instagram(100, 2207028, text, "Carousel Invalid")
        return ids

    def state_of(self, container: Doc) -> str:
        if container["state"] == "PUBLISHED":
            return "PUBLISHED"
        age = self.time() - container["created_at"]
        if age >= DAY_S:
            return "EXPIRED"
        children = [self.get("container", id) for id in container["children"]]
        states = [self.state_of(child) for child in children if child]
        if {"ERROR", "EXPIRED"} & set(states):
            return "ERROR"
        if "IN_PROGRESS" in states or container.get("awaits"):
            return "IN_PROGRESS"
        begun_at = float(container.get("sent_at") or container["created_at"])
        worked_s = self.time() - begun_at
        if container["state"] == "IN_PROGRESS" and (
            worked_s >= self.setting("processing_s")
        ):
            return self._outcome(container)
        return str(container["state"])

    def _outcome(self, container: Doc) -> str:
        return "ERROR" if container.get("error") else "FINISHED"

    def _polled(self, container: Doc) -> str:
        """The state as this look sees it; the first looks see it at work."""
        polls = container["polls"] + (not container.get("awaits"))
        looks = self.setting(
            "video_polls" if container.get("moving") else "image_polls"
        )
        if container["state"] == "IN_PROGRESS" and polls > looks:
            container = {**container, "state": self._outcome(container)}
        self.put("container", container["id"], {**container, "polls": polls})
        return self.state_of(container)

    def _container_shown(self, container: Doc, fields: Mapping[str, Field]) -> Doc:
        state = self._polled(container)
        words = {
            "IN_PROGRESS": "In Progress: Media is still being processed.",
            "FINISHED": "Finished: Media has been uploaded and it is ready to be "
            "published.",
            "PUBLISHED": "Published: Media has been successfully published.",
            "EXPIRED": "Expired: Media was not published within 24 hours.",
            "ERROR": "Error: Media upload has failed with error code "
            + (container.get("error") or "2207032"),
        }
        known: dict[str, Callable[[Field], Any]] = {
            "id": lambda f: container["id"],
            "status_code": lambda f: state,
            "status": lambda f: words[state],
            "copyright_check_status": lambda f: None,
            "video_status": lambda f: self._video_status(container, state),
        }
        return self.pick("IGContainer", fields, known)

    def _video_status(self, container: Doc, state: str) -> Doc | None:
        """Of a container whose bytes are sent; not of one that is fetched."""
        if "awaits" not in container:
            return None
        upload = container.get("upload")
        phases = {"FINISHED": "complete", "PUBLISHED": "complete", "ERROR": "error"}
        working = "not_started" if container["awaits"] else "in_progress"
        return {
            "uploading_phase": uploading_phase(upload, "bytes_transferred"),
            "processing_phase": {"status": phases.get(state, working)},
        }

    # ------------------------------------------------------------ publishing

    @route(
        "POST",
        "/graph/<version>/<id>/media_publish",
        call="POST /:ig/media_publish",
        commit=True,
    )
    @route(
        "POST",
        "/ig/<version>/<id>/media_publish",
        call="POST /:ig/media_publish",
        commit=True,
    )
    def publish(self, request: Request, version: str, id: str) -> Response:
        def work(caller: Caller) -> Any:
            ig = self.own_id(caller, id)
            account = self._may_publish(caller, ig)
            container = self._publishable(params(request), ig)
            if self.setting("first_publish_not_ready") and not container["refused"]:
                self.put("container", container["id"], {**container, "refused": True})
                return self.refused(not_ready())
            if self._usage_of(ig) >= self.setting("quota_total"):
                raise quota_full()
            return {"id": self._new_media(caller, request, account, container)}

        return self.graph(request, version, work, instagram=self._instagram_of(request))

    def _publishable(self, values: Mapping[str, Any], ig: str) -> Doc:
        id = text_of(values, "creation_id")
        if not id:
            raise errors.needed("creation_id")
        container = self.get("container", id)
        if not container or container["ig"] != ig:
            raise gone()
        if container["kind"] in ("child", "video"):
            text = "A carousel item cannot be published alone"
            raise instagram(100, 2207089, text, "Media Type Invalid")
        state = self.state_of(container)
        if state in ("EXPIRED", "PUBLISHED"):
            raise gone()
        if state == "ERROR":
            text = "The media could not be created"
            raise instagram(-1, 2207032, text, "Create Media Failed")
        if state != "FINISHED":
            raise not_ready()
        return container

    def _new_media(
        self, caller: Caller, request: Request, account: Doc, container: Doc
    ) -> str:
        id = self.next_id(17_920_238_420_000_000)
        pictures = container["children"] or [container["id"]]
        media = {
            "id": id,
            "ig": account["id"],
            "container": container["id"],
            "kind": "CAROUSEL_ALBUM"
            if container["children"]
            else ("VIDEO" if container.get("moving") else "IMAGE"),
            "product": container.get("product", "FEED"),
            "caption": container["caption"],
            "shortcode": "D" + "".join(secrets.choice(LETTERS) for _ in range(10)),
            "pictures": pictures,
            "collaborators": container["collaborators"],
            "cover": container.get("cover", ""),
            **{name: container.get(name) for name in SAID},
            "thumb": "" if container.get("cover") else container.get("thumb", ""),
            "children": [
                self.next_id(17_895_695_660_000_000) for _ in container["children"]
            ],
            "comments_off": False,
            "person": caller.person,
            "deleted": False,
            "created_at": self.time(),
            "arrived_at": arrived_at(request),
        }
        self.put("media", id, media)
        self.put("shortcode", media["shortcode"], {"id": id})
        shelf = "stories" if media["product"] == "STORY" else "grid"
        self.put(f"{shelf}:{account['id']}", id, {"at": self.time()})
        self.put(f"published:{account['id']}", id, {"at": self.time()})
        self.put("container", container["id"], {**container, "state": "PUBLISHED"})
        return id

    def _recent(self, kind: str, since: float) -> int:
        rows = self.world.page(self.STORE, kind, LISTED)
        return sum(1 for _, row in rows if since < row["at"] <= self.time())

    def _usage_of(self, ig: str, since: float = 0) -> int:
        return self._recent(f"published:{ig}", max(since, self.time() - DAY_S))

    @route(
        "GET",
        "/graph/<version>/<id>/content_publishing_limit",
        call="GET /:ig/content_publishing_limit",
    )
    @route(
        "GET",
        "/ig/<version>/<id>/content_publishing_limit",
        call="GET /:ig/content_publishing_limit",
    )
    def publishing_limit(self, request: Request, version: str, id: str) -> Response:
        def work(caller: Caller) -> Doc:
            ig = self.own_id(caller, id)
            self.reach_account(caller, ig, "publish")
            since = time_of(params(request), "since") or 0
            config = {
                "quota_total": self.setting("quota_total"),
                "quota_duration": DAY_S,
            }
            known: dict[str, Callable[[Field], Any]] = {
                "quota_usage": lambda f: self._usage_of(ig, since),
                "config": lambda f: config,
            }
            fields = self.wanted(request, "quota_usage")
            return {"data": [self.pick("ContentPublishingLimit", fields, known)]}

        return self.graph(request, version, work, instagram=self._instagram_of(request))

    # ------------------------------------------------------------ reading back

    def node(self, caller: Caller, id: str, request: Request) -> Doc:
        if container := self.get("container", id):
            self.reach_account(caller, container["ig"], "publish")
            return self._container_shown(container, self.wanted(request, "id"))
        if self.get("media", id):
            media = self.visible_media(caller, id)
            return self._media_shown(caller, media, self.wanted(request, "id"))
        return super().node(caller, id, request)

    def change_node(self, caller: Caller, id: str, values: Mapping[str, Any]) -> Any:
        if not self.get("media", id):
            return super().change_node(caller, id, values)
        media = self.visible_media(caller, id)
        enabled = is_true(values.get("comment_enabled"), default=True)
        self.put("media", id, {**media, "comments_off": not enabled})
        return {"success": True}

    def delete_node(self, caller: Caller, id: str) -> Any:
        if not self.get("media", id):
            return super().delete_node(caller, id)
        media = self.visible_media(caller, id)
        if caller.kind == "IG":
            raise errors.missing_object(id, "delete")
        self.need(caller, "instagram_manage_contents", media["ig"], code=10)
        self.put("media", id, {**media, "deleted": True})
        for shelf in ("grid", "stories"):
            self.drop(f"{shelf}:{media['ig']}", id)
        return {"success": True}

    def visible_media(self, caller: Caller, id: str, *names: str) -> Doc:
        media = self.get("media", id)
        if not media or media["deleted"]:
            raise errors.missing_object(id)
        self.reach_account(caller, media["ig"], *names)
        return media

    @route("GET", "/graph/<version>/<id>/media", call="GET /:ig/media")
    @route("GET", "/ig/<version>/<id>/media", call="GET /:ig/media")
    def media_list(self, request: Request, version: str, id: str) -> Response:
        def work(caller: Caller) -> Doc:
            ig = self.own_id(caller, id)
            self.reach_account(caller, ig)
            values = params(request)
            since, until = time_of(values, "since"), time_of(values, "until")
            fields = self.wanted(request, "id")
            seen_until = self.time() - self.setting("media_delay_s")
            rows = [
                (media["id"], media)
                for media in self.media_of(ig, LISTED)
                if media["created_at"] <= seen_until
                and (not media.get("trial") or self.setting("trials_listed"))
                and (since is None or media["created_at"] >= since)
                and (until is None or media["created_at"] <= until)
            ]
            found = listed(request, self.address_of(request), rows)
            found["data"] = [
                self._media_shown(caller, media, fields) for media in found["data"]
            ]
            return found

        return self.graph(request, version, work, instagram=self._instagram_of(request))

    def media_of(self, ig: str, limit: int, shelf: str = "grid") -> list[Doc]:
        """Media that are there, newest first. shelf: grid or stories."""
        rows = self.world.page(self.STORE, f"{shelf}:{ig}", limit)
        docs = [self.get("media", id) for id, _ in rows]
        return [media for media in docs if media and not media["deleted"]]

    @route("GET", "/graph/<version>/<id>/stories", call="GET /:ig/stories")
    @route("GET", "/ig/<version>/<id>/stories", call="GET /:ig/stories")
    def stories(self, request: Request, version: str, id: str) -> Response:
        def work(caller: Caller) -> Doc:
            ig = self.own_id(caller, id)
            self.reach_account(caller, ig)
            fields, now = self.wanted(request, "id"), self.time()
            rows = [
                (media["id"], media)
                for media in self.media_of(ig, LISTED, "stories")
                if now - DAY_S < media["created_at"]
                and media["created_at"] <= now - self.setting("media_delay_s")
            ]
            found = listed(request, self.address_of(request), rows)
            found["data"] = [
                self._media_shown(caller, media, fields) for media in found["data"]
            ]
            return found

        return self.graph(request, version, work, instagram=self._instagram_of(request))

    def permalink(self, media: Doc) -> str:
        where = "reel" if media.get("product") == "REELS" else "p"
        if media.get("product") == "STORY":
            username = (self.get("ig", media["ig"]) or {})["username"]
            where = f"stories/{username}"
        return f"{self.base_url}/instagram/www/{where}/{media['shortcode']}/"

    def _media_shown(
        self, caller: Caller, media: Doc, fields: Mapping[str, Field]
    ) -> Doc:
        account = self.get("ig", media["ig"]) or {}
        first = self.get("container", media["pictures"][0]) or {}
        known: dict[str, Callable[[Field], Any]] = {
            "id": lambda f: media["id"],
            "ig_id": lambda f: media["id"],
            "caption": lambda f: self._caption(caller, media) or None,
            "permalink": lambda f: self.permalink(media),
            "shortcode": lambda f: media["shortcode"],
            "media_type": lambda f: media["kind"],
            "media_product_type": lambda f: media.get("product", "FEED"),
            "media_url": lambda f: self.picture_url(media["pictures"][0]),
            "timestamp": lambda f: self.stamp(media["created_at"]),
            "username": lambda f: account.get("username"),
            "alt_text": lambda f: first.get("alt") or None,
            "like_count": lambda f: self.likes_of(media),
            "comments_count": lambda f: len(self.comments_on(media)),
            "is_comment_enabled": lambda f: not media["comments_off"],
            "children": lambda f: (
                {"data": [{"id": child} for child in media["children"]]}
                if media["children"]
                else None
            ),
        }
        return self.pick("IGMedia", fields, known)

    def likes_of(self, media: Doc) -> int | None:
        """None: the account hides them."""
        if self.setting("likes_hidden"):
            return None
        return int(self.setting("impressions")) // 10

    def comments_on(self, media: Doc, **only: Any) -> list[Doc]:
        """Those that are there, oldest first."""
        rows = self.all("comment", of=media["id"], deleted=False, **only)
        return [doc for _, doc in rows]

    def _caption(self, caller: Caller, media: Doc) -> str:
        """Without the @ unless the caller's person may do what an admin may."""
        page = self.page_of_ig(media["ig"]) or {}
        role = self.role(caller.person, page.get("id", "")) or {"tasks": []}
        is_admin = caller.kind == "IG" or bool(
            {"MANAGE", "PROFILE_PLUS_FULL_CONTROL"} & set(role["tasks"])
        )
        caption = str(media["caption"])
        if self.setting("strip_at") or not is_admin:
            return caption.replace("@", "")
        return caption

"""Videos, reels and stories of a Page: sent, worked on, published, read back.

What is finished is accepted, and not yet visible: the work on it shows in its status,
and so does what was wrong with it. A video by a handle of the resumable upload
(`/:app/uploads`) is not played; the chunks of `/:page/videos` are.
Sources: https://developers.facebook.com/documentation/video-api/guides/reels-publishing ;
https://developers.facebook.com/documentation/video-api/page-stories-api ;
https://developers.facebook.com/docs/graph-api/reference/page/videos/ (v26.0).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from werkzeug.wrappers import Request, Response

from ..practice.framework import Doc, Route, route
from . import twin_errors as errors
from .twin_errors import GraphError
from .twin_fields import Field, listed, params, text_of, time_of
from .twin_graph import DAY_S, Caller
from .twin_posts import Posts
from .twin_videos import NOTHING_SENT, Film, Videos, look_into, uploading_phase

VIDEOS, REELS, STORIES = "videos", "video_reels", "video_stories"
EDGES = {f"POST /:page/{edge}": edge for edge in (VIDEOS, REELS, STORIES)}
PHASES = ("start", "transfer", "finish")
CODECS = ("h264", "hevc", "vp9", "av1", "libdav1d")
#: reels and stories: seconds, pictures per second, width and height at least
LENGTHS = {REELS: (3, 90), STORIES: (3, 60)}
RATES = (24, 60)
LEAST = (540, 960)
MAX_REELS = 30


def upload_trouble(text: str) -> GraphError:
    return GraphError(6001, f"(#6001) {text}")


def wrong_with(film: Film, edge: str) -> tuple[int, str] | None:
    """(code, words) of what Facebook's machines refuse in a file."""
    found = film.found
    if found is None or found.video not in CODECS or not found.height:
        return 6000, "There was a problem with the video file"
    if edge == VIDEOS:
        return None
    least_s, most_s = LENGTHS[edge]
    checks = (
        (1363040, abs(found.width / found.height - 9 / 16) < 0.01, "aspect ratio"),
        (
            1363127,
            found.width >= LEAST[0] and found.height >= LEAST[1],
            "resolution",
        ),
        (1363128, least_s <= found.duration_s <= most_s, "duration"),
        (1363129, RATES[0] <= found.rate <= RATES[1], "frame rate"),
    )
    for code, fits, what in checks:
        if not fits:
            return code, f"The {what} of the video is not supported"
    return None


class Films(Posts, Videos):
    FETCHED_VIDEOS: ClassVar[Mapping[str, str]] = {"POST /:page/videos": "file_url"}

    def call_of(self, route: Route, request: Request) -> Route:
        """Only the last phase of an upload is seen by anybody."""
        if route.call not in EDGES:
            return super().call_of(route, request)
        phase = text_of(params(request), "upload_phase")
        if phase not in PHASES:
            return route
        call = f"{route.call}?upload_phase={phase}"
        return replace(route, call=call, commit=phase == "finish")

    # ------------------------------------------------------------ sending

    @route(
        "POST", "/graph/<version>/<id>/videos", call="POST /:page/videos", commit=True
    )
    def videos(self, request: Request, version: str, id: str) -> Response:
        def work(caller: Caller) -> Doc:
            page, values = self._page_to_post(caller, id), params(request)
            phase = text_of(values, "upload_phase")
            if phase == "start":
                return self._begin_chunks(page, values)
            if phase == "transfer":
                return self._take_chunk(page, request, values)
            if phase == "finish":
                session = self.get("session", text_of(values, "upload_session_id"))
                video = self._unfinished(session["video"] if session else "", page)
                return self._finished(caller, request, video, values)
            return self._fetched_video(caller, request, page, values)

        return self.graph(request, version, work)

    def _begin_chunks(self, page: Doc, values: Mapping[str, Any]) -> Doc:
        size = text_of(values, "file_size")
        if not size.isdecimal() or not 0 < int(size) < 10**11:
            raise errors.needed("file_size")
        video = self._new_video(page, VIDEOS)
        session = self.next_id(550_000_000_000)
        self.put("session", session, {"video": video["id"]})
        upload = {"size": int(size), "got": 0}
        self.put("video", video["id"], {**video, "upload": upload})
        offsets = self._offsets(upload)
        return {"upload_session_id": session, "video_id": video["id"], **offsets}

    def _offsets(self, upload: Doc) -> Doc:
        end = min(upload["size"], upload["got"] + self.setting("chunk_bytes"))
        return {"start_offset": str(upload["got"]), "end_offset": str(end)}

    def _take_chunk(
        self, page: Doc, request: Request, values: Mapping[str, Any]
    ) -> Doc:
        session = self.get("session", text_of(values, "upload_session_id"))
        video = self._unfinished(session["video"] if session else "", page)
        upload, sent = video["upload"], request.files.get("video_file_chunk")
        if sent is None:
            raise errors.needed("video_file_chunk")
        data = sent.read()
        offsets = self._offsets(upload)
        most = int(offsets["end_offset"]) - upload["got"]
        if text_of(values, "start_offset") != offsets["start_offset"]:
            raise upload_trouble("The start offset is not the one that is expected")
        if not 0 < len(data) <= most:
            raise upload_trouble("The chunk has another length than was asked for")
        path = self.world.file(self.STORE, video["id"])
        with path.open("r+b" if upload["got"] else "wb") as file:
            file.seek(upload["got"])
            file.write(data)
        upload = {**upload, "got": upload["got"] + len(data)}
        video = {**video, "upload": upload}
        if upload["got"] == upload["size"]:
            with path.open("rb") as file:
                film = look_into(file)
            path.unlink()
            video |= self._judged(video, film)
        self.put("video", video["id"], video)
        return self._offsets(upload)

    def _fetched_video(
        self, caller: Caller, request: Request, page: Doc, values: Mapping[str, Any]
    ) -> Doc:
        if text_of(values, "fbuploader_video_file_chunk"):
            raise errors.wrong("The practice network does not play upload handles")
        if not text_of(values, "file_url"):
            raise errors.needed("file_url")
        film = self.video_at(request)
        if film is None:
            raise GraphError(389, "(#389) Unable to fetch video file from URL.")
        video = self._new_video(page, VIDEOS)
        video["upload"] = {"size": film.size, "got": film.size}
        video |= self._judged(video, film)
        self._finished(caller, request, video, values)
        return {"id": video["id"]}

    @route(
        "POST",
        "/graph/<version>/<id>/video_reels",
        call="POST /:page/video_reels",
        commit=True,
    )
    @route(
        "POST",
        "/graph/<version>/<id>/video_stories",
        call="POST /:page/video_stories",
        commit=True,
    )
    def reels_and_stories(self, request: Request, version: str, id: str) -> Response:
        edge = request.path.rsplit("/", 1)[-1]

        def work(caller: Caller) -> Doc:
            page, values = self._page_to_post(caller, id), params(request)
            phase = text_of(values, "upload_phase")
            if phase == "start":
                video = self._new_video(page, edge)
                host = f"{self.url}/rupload/video-upload/{version}"
                return {
                    "video_id": video["id"],
                    "upload_url": f"{host}/{video['id']}",
                }
            if phase != "finish":
                raise errors.wrong("upload_phase must be one of {start, finish}")
            video = self._unfinished(text_of(values, "video_id"), page)
            if video["edge"] != edge:
                raise errors.missing_object(video["id"], "post")
            self._check_finish(page, edge, values)
            return self._finished(caller, request, video, values)

        return self.graph(request, version, work)

    def _check_finish(self, page: Doc, edge: str, values: Mapping[str, Any]) -> None:
        if edge != REELS:
            return
        if text_of(values, "video_state") != "PUBLISHED":
            raise errors.wrong("The practice network plays video_state=PUBLISHED only")
        rows = self.world.page(self.STORE, f"reels:{page['id']}", MAX_REELS)
        recent = [row for _, row in rows if row["at"] > self.time() - DAY_S]
        if len(recent) >= MAX_REELS:
            raise errors.throttled(613)

    @route(
        "POST",
        "/rupload/video-upload/<version>/<id>",
        call="POST rupload /video-upload/:video",
        large=True,
    )
    def upload(self, request: Request, version: str, id: str) -> Response:
        def take(caller: Caller) -> tuple[str, Doc]:
            video = self.get("video", id) or {}
            page = self.get("page", video.get("page", ""))
            if not page or video["edge"] == VIDEOS:
                raise errors.missing_object(id)
            self._page_to_post(caller, page["id"])
            video = self._unfinished(id, page)
            if self._is_whole(video):
                raise errors.missing_object(id)
            return "video", video

        def done(film: Film) -> None:
            video = self.get("video", id) or {}
            self.put("video", id, video | self._judged(video, film))

        return self.rupload(request, version, take, done)

    # ------------------------------------------------------------ what becomes of it

    def _new_video(self, page: Doc, edge: str) -> Doc:
        id = self.next_id(122_300_000_000_000_000)
        video = {
            "id": id,
            "page": page["id"],
            "edge": edge,
            "upload": NOTHING_SENT,
            "error": None,
            "looks": 0,
            "whole_at": None,
            "post": "",
            "settled": False,
            "description": "",
            "title": "",
            "created_at": self.time(),
        }
        self.put("video", id, video)
        return video

    def _judged(self, video: Doc, film: Film) -> Doc:
        """What is remembered of a file that is there as a whole."""
        facts = self.keep_video(video["id"], film)
        error = wrong_with(film, video["edge"])
        forced = self.setting("video_error")
        if forced:
            error = (int(forced), "There was a problem with the video")
        return facts | {"error": error, "whole_at": self.time()}

    def _is_whole(self, video: Doc) -> bool:
        return video["whole_at"] is not None

    def _is_over(self, video: Doc) -> bool:
        """Not published in the time that an upload has."""
        age = self.time() - video["created_at"]
        return not video["post"] and age >= self.setting("video_session_s")

    def _unfinished(self, id: str, page: Doc) -> Doc:
        video = self.get("video", id)
        if not video or video["page"] != page["id"] or self._is_over(video):
            raise errors.missing_object(id, "post")
        if video["post"]:
            raise errors.wrong("The video has been published already")
        return video

    def _finished(
        self, caller: Caller, request: Request, video: Doc, values: Mapping[str, Any]
    ) -> Doc:
        """Accepted: it is published when the work on it is done."""
        if not self._is_whole(video):
            raise errors.wrong("The video has not been uploaded")
        page = self.get("page", video["page"]) or {}
        text, edge = text_of(values, "description"), video["edge"]
        if edge == STORIES:
            text = ""
        post = self._new_post(caller, request, page, text, "", [], published=False)
        self.put("post", post["id"], {**post, "video": video["id"], "edge": edge})
        if edge == REELS:
            self.put(f"reels:{page['id']}", video["id"], {"at": self.time()})
        video |= {"post": post["id"], "description": text}
        self.put("video", video["id"], {**video, "title": text_of(values, "title")})
        told: Doc = {"success": True}
        if edge == STORIES or (edge == REELS and self.setting("reel_post_id")):
            told["post_id"] = int(self._post_number(video))
        return told

    def _post_number(self, video: Doc) -> str:
        return str(video["post"]).rpartition("_")[2]

    def _is_worked_on(self, video: Doc) -> bool:
        if not self._is_whole(video):
            return False
        passed_s = self.time() - video["whole_at"]
        is_done = video["looks"] > self.setting("video_polls")
        return not is_done and passed_s < self.setting("video_processing_s")

    def settle(self) -> None:
        for id, video in self.all("video", settled=False):
            if not video["post"] or self._is_worked_on(video):
                continue
            self.put("video", id, {**video, "settled": True})
            post = self.get("post", video["post"])
            if post and not video["error"]:
                shown = {"published": True, "created_at": self.time()}
                self.put("post", post["id"], {**post, **shown})

    # ------------------------------------------------------------ reading back

    def node(self, caller: Caller, id: str, request: Request) -> Doc:
        video = self.get("video", id)
        if not video:
            return super().node(caller, id, request)
        post = self.get("post", video["post"]) or {}
        if not self.sees_page(caller, video["page"]) or post.get("deleted"):
            raise errors.missing_object(id)
        self.need_to_read(caller, video["page"])
        fields = self.wanted(request, "id")
        if "status" in fields and self._is_whole(video):
            self.put("video", id, {**video, "looks": video["looks"] + 1})
        self.settle()
        return self._video_shown(self.get("video", id) or {}, fields)

    def delete_node(self, caller: Caller, id: str) -> Any:
        video = self.get("video", id)
        if not video or not video["post"]:
            return super().delete_node(caller, id)
        return super().delete_node(caller, video["post"])

    def _video_shown(self, video: Doc, fields: Mapping[str, Field]) -> Doc:
        post = self.get("post", video["post"])
        is_out = bool(post and post["published"])
        number = self._post_number(video)
        told = video["post"] if self.setting("post_id_of_video") == "full" else number
        known: dict[str, Callable[[Field], Any]] = {
            "id": lambda f: video["id"],
            "status": lambda f: self._status(video),
            "published": lambda f: is_out,
            "post_id": lambda f: told if is_out else None,
            "permalink_url": lambda f: self.permalink(post) if post else None,
            "description": lambda f: video["description"] or None,
            "title": lambda f: video["title"] or None,
            "created_time": lambda f: self.stamp(video["created_at"]),
            "updated_time": lambda f: self.stamp(video["created_at"]),
            "length": lambda f: video.get("duration_s"),
        }
        return self.pick("Video", fields, known)

    def _status(self, video: Doc) -> Doc:
        post = self.get("post", video["post"])
        is_out = bool(post and post["published"])
        word = "processing" if self._is_worked_on(video) else "ready"
        working = "in_progress" if self._is_worked_on(video) else "complete"
        if not self._is_whole(video):
            word, working = "uploading", "not_started"
        processing: Doc = {"status": working}
        publishing: Doc = {"status": "not_started", "publish_status": "draft"}
        if video["post"]:
            publishing["status"] = "complete" if is_out else "in_progress"
        if is_out:
            publishing |= {"publish_status": "published"}
            publishing["publish_time"] = int(post["created_at"]) if post else 0
        if self._is_over(video):
            word = "expired"
        elif video["error"] and not self._is_worked_on(video):
            word = "error"
            code, text = video["error"]
            told: Doc = {"errors": [{"code": code, "message": text}]}
            if self.setting("phase_error") == "error":
                told = {"error": {"message": text}}
            processing = {"status": "error", **told}
            if video["post"]:
                publishing |= {"status": "error", "publish_status": "error"}
        return {
            "video_status": word,
            "uploading_phase": uploading_phase(
                video["upload"], self.setting("bytes_spelled")
            ),
            "processing_phase": processing,
            "publishing_phase": publishing,
        }

    @route("GET", "/graph/<version>/<id>/video_reels", call="GET /:page/video_reels")
    def list_reels(self, request: Request, version: str, id: str) -> Response:
        def work(caller: Caller) -> Doc:
            rows = [
                {
                    "id": post["video"],
                    "description": post["message"],
                    "updated_time": self.stamp(post["created_at"]),
                }
                for post in self._out(caller, request, id, (REELS,))
            ]
            answer = listed(
                request, self.address_of(request), [(row["id"], row) for row in rows]
            )
            return answer

        return self.graph(request, version, work)

    def _out(
        self, caller: Caller, request: Request, id: str, edges: tuple[str, ...]
    ) -> list[Doc]:
        """Posts of these edges since the time that is asked for, newest first."""
        page = self._me(caller, id)
        if not self.sees_page(caller, page):
            raise errors.missing_object(id)
        self.need_to_read(caller, page)
        self.settle()
        since = time_of(params(request), "since") or 0
        seen_until = self.time() - self.setting("list_delay_s")
        return [
            post
            for post in self._posts_of(page, 500)
            if post.get("edge") in edges
            and post["published"]
            and since <= post["created_at"] <= seen_until
        ]

    # ------------------------------------------------------------ stories

    @route(
        "POST",
        "/graph/<version>/<id>/photo_stories",
        call="POST /:page/photo_stories",
        commit=True,
    )
    def photo_stories(self, request: Request, version: str, id: str) -> Response:
        def work(caller: Caller) -> Doc:
            page, number = self._page_to_post(caller, id), ""
            number = text_of(params(request), "photo_id")
            (photo,) = self._attached(caller, page, [{"media_fbid": number}])
            post = self._new_post(caller, request, page, "", "", [photo])
            self.put("post", post["id"], {**post, "edge": "photo_stories"})
            return {"success": True, "post_id": int(post["id"].rpartition("_")[2])}

        return self.graph(request, version, work)

    @route("GET", "/graph/<version>/<id>/stories", call="GET /:page/stories")
    def list_stories(self, request: Request, version: str, id: str) -> Response:
        def work(caller: Caller) -> Doc:
            found = self._out(caller, request, id, (STORIES, "photo_stories"))
            rows = [
                {
                    "post_id": post["id"].rpartition("_")[2],
                    "status": "PUBLISHED",
                    "creation_time": str(int(post["created_at"])),
                    "media_type": "video" if post.get("video") else "photo",
                    "media_id": post.get("video") or post["photos"][0],
                    "url": self.permalink(post),
                }
                for post in found
                if self.time() - post["created_at"] < DAY_S
            ]
            pairs = [(row["post_id"], row) for row in rows]
            return listed(request, self.address_of(request), pairs)

        return self.graph(request, version, work)

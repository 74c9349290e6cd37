"""History, figures, comments and files at Ayrshare.

Sources: https://www.ayrshare.com/docs/apis/history/get-history,
https://www.ayrshare.com/docs/apis/analytics/post.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets
import shutil

from werkzeug.wrappers import Request, Response

from ..practice.aggregator import milli, moment
from ..practice.framework import Doc, Route, body_of, json_response, route
from ..practice.pulled import pull
from .twin_calls import DAY_S, Caller, Refused, sent_json, wrong
from .twin_posts import Posts
from .twin_profiles import PAID
from .twin_sending import TEXTS

MAX_BASE64_BYTES = 10 * 1024 * 1024
DATA = re.compile(r"data:([\w.+-]+/[\w.+-]+);base64,(.+)", re.DOTALL)
STATES = {
    "success",
    "error",
    "processing",
    "pending",
    "paused",
    "deleted",
    "awaiting approval",
}
#: figure -> its share of the views, as each network calls them
FIGURES: dict[str, dict[str, float]] = {
    "facebook": {"likeCount": 0.05, "commentsCount": 0.01, "sharesCount": 0.01},
    "instagram": {"likeCount": 0.05, "commentsCount": 0.01, "viewsCount": 1},
    "linkedin": {"impressionCount": 1, "clickCount": 0.02, "likeCount": 0.03},
    "pinterest": {"impression": 1, "pinClick": 0.02, "outboundClick": 0.01, "save": 0},
    "threads": {"views": 1, "likes": 0.05, "replies": 0.01, "reposts": 0},
    "tiktok": {"videoViews": 1, "likeCount": 0.05},
    "youtube": {"views": 1, "likes": 0.05, "comments": 0.01},
}
OTHERS = {"likeCount": 0.05, "impressionCount": 1.0}
#: networks whose figures are late by a day
LATE = ("tiktok", "youtube", "pinterest")


def number(request: Request, name: str, default: int, most: int) -> int:
    value = request.args.get(name, str(default))
    least = 1 if name == "limit" else 0
    if not value.isdecimal() or not least <= int(value) <= most:
        raise wrong(f"{name} is a number of {least} to {most}.", "get")
    return int(value)


class History(Posts):
    @route("GET", "/api/history", call="GET /history")
    def history(self, request: Request) -> Response:
        return self.api(request, self._history)

    def _history(self, request: Request, caller: Caller) -> Response:
        limit = number(request, "limit", 25, 1000)
        now = self.time()
        key = hashlib.sha256(caller.id.encode() + request.query_string).hexdigest()
        kept = self.get("history", key)
        if limit > 25 and kept and kept["at"] + self.setting("history_cache_s") > now:
            return json_response(kept["body"], kept["status"])
        found = self._matching(request, caller)[:limit]
        if found:
            body: Doc = {
                "history": [self.shown(post) for post in found],
                "count": len(found),
                "refId": caller.id,
                "lastUpdated": milli(now),
                "nextUpdate": milli(now + self.setting("history_cache_s")),
            }
            status = 200
        else:
            none = {"code": 221, "action": "get", "status": "error"}
            body, status = {"history": none, "count": 0}, 400
        self.put("history", key, {"at": now, "body": body, "status": status})
        return json_response(body, status)

    def _matching(self, request: Request, caller: Caller) -> list[Doc]:
        """Newest first."""
        asked, now = request.args, self.time()
        days = number(request, "lastDays", 30, 10_000)
        first = now - days * DAY_S if days else 0.0
        last = now - self.setting("history_lag_s")
        for name in ("startDate", "endDate"):
            if name in asked and moment(asked[name]) is None:
                raise wrong(f"{name} is not a valid UTC date.", "get")
        first = moment(asked.get("startDate")) or first
        last = min(moment(asked.get("endDate")) or last, last)
        state, kind = asked.get("status", ""), asked.get("type", "")
        if state and state not in STATES:
            raise wrong("status is unknown.", "get")
        if kind not in ("", "immediate", "scheduled"):
            raise wrong("type is immediate or scheduled.", "get")
        wanted = {name for name in asked.get("platforms", "").split(",") if name}
        rows = [post for _, post in reversed(self.all("post", profile=caller.id))]
        return [
            post
            for post in rows
            if first <= post["created_at"] <= last
            and (not wanted or wanted & set(post["platforms"]))
            and (not state or self.shown(post)["status"] == state)
            and (not kind or (kind == "scheduled") == (post["type"] == "scheduled"))
        ]

    @route("GET", "/api/history/<network>", call="GET /history/:platform")
    def native_history(self, request: Request, network: str) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            if network not in self.linked(caller.profile):
                raise Refused(400, 156, TEXTS[156], "get")
            limit = number(request, "limit", 25, 500)
            rows = self.all("native", network=network, account=caller.id, deleted=False)
            posts = [
                {
                    "id": id,
                    "post": doc["text"],
                    "postUrl": doc["url"],
                    "created": milli(doc["created_at"]),
                }
                for id, doc in reversed(rows)
            ][:limit]
            body = {"status": "success", "posts": posts, "refId": caller.id}
            return json_response(body)

        return self.api(request, work)

    @route("GET", "/api/error-explainer", call="GET /error-explainer")
    def explain(self, request: Request) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            code = number(request, "code", 0, 9999)
            if code not in TEXTS:
                raise Refused(404, 404, "The code is not known.", "get")
            kind = "user-action" if code in (156, 161, 272) else "developer-fix"
            body = {"code": code, "cause": TEXTS[code], "class": kind}
            return json_response({"status": "success", **body})

        return self.api(request, work)

    # ------------------------------------------------------------ figures

    @route("POST", "/api/analytics/post", call="POST /analytics/post")
    def post_figures(self, request: Request) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            natives = self._natives(caller, sent_json(request), "get")
            body: Doc = {}
            errors = []
            for network, native in natives.items():
                if network == "gmb" or not native:
                    text = "There are no figures for this post."
                    errors.append({"code": 186, "platform": network, "message": text})
                    continue
                age = self.time() - native["created_at"]
                late = DAY_S if network in LATE else 0
                views = int(max(0.0, age - late) / 3600 * 12)
                shares = FIGURES.get(network, OTHERS)
                figures = {name: int(views * share) for name, share in shares.items()}
                body[network] = {
                    "id": native["id"],
                    "postUrl": native["url"],
                    "analytics": figures,
                    "lastUpdated": milli(self.time()),
                    "nextUpdate": milli(self.time() + 600),
                }
            if errors:
                return json_response({**body, "status": "partial", "errors": errors})
            return json_response({**body, "status": "success"})

        return self.api(request, work, plans=PAID)

    def _natives(self, caller: Caller, body: Doc, action: str) -> dict[str, Doc | None]:
        """network -> its post, of an Ayrshare id or (searchPlatformId) of its own."""
        if body.get("searchPlatformId"):
            native = self.get("native", str(body.get("id", "")))
            if not native or native["account"] != caller.id:
                raise Refused(404, 114, "The post id was not found.", action)
            return {native["network"]: native}
        post = self.own_post(caller, body.get("id"), action)
        wanted = body.get("platforms") or list(post["results"])
        return {
            network: self._native_of(post["results"][network])
            if network in post["results"]
            else None
            for network in wanted
        }

    @route("POST", "/api/analytics/social", call="POST /analytics/social")
    def account_figures(self, request: Request) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            wanted = sent_json(request).get("platforms")
            linked = self.linked(caller.profile)
            if not isinstance(wanted, list) or not wanted:
                raise wrong("platforms is required.", "get")
            body: Doc = {
                network: {"analytics": {"followersCount": 1200, "postsCount": 7}}
                for network in wanted
                if network in linked
            }
            missing = [network for network in wanted if network not in linked]
            if missing:
                errors = [{"code": 156, "platform": name} for name in missing]
                return json_response({**body, "status": "partial", "errors": errors})
            return json_response({**body, "status": "success"})

        return self.api(request, work, plans=PAID)

    # ------------------------------------------------------------ comments

    @route("GET", "/api/comments/<id>", call="GET /comments/:id")
    def comments(self, request: Request, id: str) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            is_native = request.args.get("searchPlatformId") == "true"
            asked = {"id": id, "searchPlatformId": is_native}
            kept = self.get("comments", id)
            now = self.time()
            if kept and kept["at"] + self.setting("comments_cache_s") > now:
                return json_response(kept["body"])
            body: Doc = {}
            for network, native in self._natives(caller, asked, "get").items():
                if native and network not in ("pinterest", "gmb"):
                    body[network] = [
                        {
                            "comment": comment["text"],
                            "commentId": comment["id"],
                            "created": milli(comment["at"]),
                            "from": {"id": "1", "username": comment["by"] or "us"},
                            "likeCount": 0,
                            "postId": native["id"],
                        }
                        for comment in native["comments"]
                    ]
            body["status"] = "success"
            self.put("comments", id, {"at": now, "body": body})
            return json_response(body)

        return self.api(request, work, plans=PAID)

    @route("POST", "/api/comments", call="POST /comments", commit=True)
    def comment(self, request: Request) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            body = sent_json(request)
            text = body.get("comment")
            if not isinstance(text, str) or not text.strip():
                raise wrong("comment is required.", "comment")
            answer: Doc = {}
            for network, native in self._natives(caller, body, "comment").items():
                if network in ("pinterest", "gmb"):
                    words = f"{network} does not support comments."
                    raise wrong(words, "comment")
                if native:
                    made = self._add_comment(native, text)
                    row = {"status": "success", "commentId": made, "comment": text}
                    answer[network] = row
            return json_response({**answer, "status": "success", "id": body["id"]})

        return self.api(request, work, plans=PAID)

    @route(
        "POST",
        "/api/comments/reply/<id>",
        call="POST /comments/reply/:id",
        commit=True,
    )
    def reply(self, request: Request, id: str) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            text = sent_json(request).get("comment")
            if not isinstance(text, str) or not text.strip():
                raise wrong("comment is required.", "comment")
            for _, native in self.all("native", account=caller.id):
                if any(comment["id"] == id for comment in native["comments"]):
                    made = self._add_comment(native, text)
                    row = {"status": "success", "commentId": made}
                    answer = {native["network"]: row, "status": "success"}
                    return json_response(answer)
            raise Refused(404, 114, "The comment id was not found.", "comment")

        return self.api(request, work, plans=PAID)

    # ------------------------------------------------------------ files

    @route("POST", "/api/media/upload", call="POST /media/upload")
    def upload(self, request: Request) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            body = sent_json(request)
            found = DATA.fullmatch(str(body.get("file", "")))
            try:
                data = base64.b64decode(found[2], validate=True) if found else b""
            except binascii.Error:
                data = b""
            if not found or not data:
                raise wrong("file is a data address with base64.", "upload")
            if len(data) > MAX_BASE64_BYTES:
                raise wrong("file is larger than 10 MB.", "upload")
            doc = self._new_file(caller, str(body.get("fileName", "file")), found[1])
            doc["description"] = str(body.get("description", ""))
            self.world.file(self.slug, doc["file"]).write_bytes(data)
            self.put("file", doc["id"], {**doc, "is_there": True})
            return json_response(self._show_file(doc))

        return self.api(request, work)

    def _new_file(self, caller: Caller, name: str, mime: str) -> Doc:
        id = secrets.token_hex(10)
        return {
            "id": id,
            "file": secrets.token_hex(16),
            "profile": caller.id,
            "name": re.sub(r"[^\w.-]", "-", name) or "file",
            "mime": mime,
            "description": "",
            "is_there": False,
        }

    def _show_file(self, doc: Doc) -> Doc:
        return {
            "id": doc["id"],
            "url": f"{self.url}/media/{doc['id']}/{doc['name']}",
            "fileName": doc["name"],
            "description": doc["description"],
        }

    @route("GET", "/api/media/uploadUrl", call="GET /media/uploadUrl")
    def upload_url(self, request: Request) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            name = request.args.get("fileName", "")
            kind = request.args.get("contentType", "")
            if not name or not kind:
                raise wrong("fileName and contentType are required.", "get")
            types = {"mp4": "video/mp4", "jpg": "image/jpeg", "png": "image/png"}
            doc = self._new_file(caller, name, types.get(kind, kind))
            self.put("file", doc["id"], doc)
            body = {
                "accessUrl": self._show_file(doc)["url"],
                "contentType": doc["mime"],
                "uploadUrl": f"{self.url}/store/{doc['file']}",
            }
            return json_response(body)

        return self.api(request, work, plans=PAID)

    @route("PUT", "/store/<file>", call="PUT uploadUrl", large=True)
    def store(self, request: Request, file: str) -> Response:
        rows = self.all("file", file=file)
        if not rows or request.mimetype != rows[0][1]["mime"]:
            return Response("<Error><Code>SignatureDoesNotMatch</Code></Error>", 403)
        with self.world.file(self.slug, file).open("wb") as kept:
            shutil.copyfileobj(body_of(request), kept)
        id, doc = rows[0]
        self.put("file", id, {**doc, "is_there": True})
        return Response(status=200)

    @route("GET", "/media/<id>/<name>", call="GET accessUrl", browser=True)
    def hand_out(self, request: Request, id: str, name: str) -> Response:
        doc = self.get("file", id)
        if not doc or not doc["is_there"]:
            return Response("Not Found", 404)
        data = self.world.file(self.slug, doc["file"]).read_bytes()
        safe = {"X-Content-Type-Options": "nosniff"}
        return Response(data, headers=safe, content_type=doc["mime"])

    @route("GET", "/api/media", call="GET /media")
    def list_files(self, request: Request) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            rows = self.all("file", profile=caller.id, is_there=True)
            return json_response({"media": [self._show_file(doc) for _, doc in rows]})

        return self.api(request, work)

    @route("POST", "/api/media/urlExists", call="POST /media/urlExists")
    def url_exists(self, request: Request) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            url = str(sent_json(request).get("mediaUrl", ""))
            found = request.environ.get("ayrshare.exists")
            if not found:
                text = f"Nothing can be had from {url}."
                raise Refused(400, 101, text, "get")
            body = {"status": "success", "exists": True, "contentType": found}
            return json_response(body)

        return self.api(request, work)

    def prepare(self, route: Route, request: Request) -> None:
        super().prepare(route, request)
        if request.path.endswith("/media/urlExists"):
            body = request.get_json(force=True, silent=True)
            url = str(body.get("mediaUrl", "")) if isinstance(body, dict) else ""
            if pull(url, MAX_BASE64_BYTES, self.AGENT):
                kind = self.look(url)["kind"]
                mime = {"video": "video/mp4", "image": "image/jpeg"}.get(kind, "")
                request.environ["ayrshare.exists"] = mime or "text/html"

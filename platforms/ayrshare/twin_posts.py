"""Posts at Ayrshare: to several networks at once, now or later, with parts that fail.

A post is one document; its `results` hold what each network said last.
Sources: https://www.ayrshare.com/docs/apis/post/post,
https://www.ayrshare.com/docs/apis/history/get-history.
"""

from __future__ import annotations

import secrets
import string
from typing import Any

from werkzeug.wrappers import Request, Response

from ..practice.aggregator import milli, moment
from ..practice.framework import Doc, Route, arrived_at, json_response, route
from ..practice.pulled import may_be_pulled
from .twin_calls import NETWORKS, Caller, Refused, sent_json, wrong
from .twin_profiles import stamp
from .twin_sending import OPTIONS, Sending

KNOWN = {
    *OPTIONS.values(),
    *(
        [
            "post",
            "platforms",
            "mediaUrls",
            "isVideo",
            "scheduleDate",
            "validateScheduled",
            "idempotencyKey",
            "shortenLinks",
            "autoHashtag",
            "autoSchedule",
            "autoRepost",
            "requiresApproval",
            "notes",
            "disableComments",
            "firstComment",
        ]
    ),
}


def new_id() -> str:
    letters = string.ascii_letters + string.digits
    return "".join(secrets.choice(letters) for _ in range(20))


class Posts(Sending):
    # ------------------------------------------------------------ creating

    def _answer(self, caller: Caller, body: Doc, status: int = 200) -> Response:
        """With a Profile-Key the answer is the one item of a list."""
        if caller.by_key:
            inner = {**body, "profileTitle": caller.profile["title"]}
            body = {"status": body["status"], "posts": [inner]}
        return json_response(body, status)

    @route("POST", "/api/post", call="POST /post", commit=True)
    def create(self, request: Request) -> Response:
        return self.api(request, self._create)

    def _create(self, request: Request, caller: Caller) -> Response:
        body = sent_json(request)
        self._burn(caller, body.get("idempotencyKey"))
        post = self._drafted(request, caller, body)
        if self.posted_this_month(caller.id) >= self.setting("posts_per_month"):
            raise Refused(403, 106, "The monthly post quota is exceeded.", "post")
        now = self.time()
        is_later = post["due"] > now or post["approval"]
        if is_later:
            errors = []
            if body.get("validateScheduled", True):
                errors = self._errors(caller.profile, post, None)
            post["status"] = "awaiting approval" if post["approval"] else "pending"
            if errors:
                post |= {"status": "error", "errors": errors}
            self.put("post", post["id"], post)
            if errors:
                return self._answer(caller, self._told(post), 400)
            if not post["approval"]:
                self.soon(post["due"])
            told = {"status": "scheduled", "scheduleDate": milli(post["due"])}
            if post["approval"]:
                told = {"status": post["status"]}
            return self._answer(caller, {**self._told(post), **told})
        looks = request.environ.get("ayrshare.looks", {})
        self.put("post", post["id"], post)
        self._send_out(caller.profile, post, looks)
        codes = [error["code"] for error in post["errors"]]
        status = 429 if codes == [435] else 400 if codes else 200
        return self._answer(caller, self._told(post), status)

    def _told(self, post: Doc) -> Doc:
        return {
            "status": post["status"],
            "errors": post["errors"],
            "postIds": list(post["results"].values()),
            "id": post["id"],
            "refId": post["profile"],
            "post": post["text"],
        }

    def _burn(self, caller: Caller, key: Any) -> None:
        """A key counts from its first sight on, whatever becomes of the post."""
        if key is None:
            return
        if not isinstance(key, str) or not key:
            raise wrong("idempotencyKey is a string.", "post")
        id = f"{caller.id}:{key}"
        if self.get("burnt", id):
            text = "The idempotencyKey has been used before."
            raise Refused(400, self.setting("idempotency_code"), text, "post")
        self.put("burnt", id, {"at": self.time()})

    def prepare(self, route: Route, request: Request) -> None:
        """What was due goes out; the files of this request are fetched."""
        super().prepare(route, request)
        if route.call in ("POST /post", "POST /validate/post"):
            body = request.get_json(force=True, silent=True)
            urls = body.get("mediaUrls") if isinstance(body, dict) else None
            due = moment(body.get("scheduleDate")) if isinstance(body, dict) else None
            if isinstance(urls, list) and (due is None or due <= self.time()):
                named = [url for url in urls if isinstance(url, str)]
                looks = {url: self.look(url) for url in named}
                request.environ["ayrshare.looks"] = looks

    def _drafted(self, request: Request, caller: Caller, body: Doc) -> Doc:
        """A post as a document; a `Refused` says what is wrong with the request."""
        if unknown := set(body) - KNOWN:
            raise wrong(f"Unknown parameter {sorted(unknown)[0]}.", "post")
        text, platforms = body.get("post"), body.get("platforms")
        if not isinstance(text, str | dict):
            raise wrong("post is required.", "post")
        if not isinstance(platforms, list) or not platforms:
            raise wrong("platforms is required.", "post")
        if platforms == ["all"]:
            platforms = list(self.linked(caller.profile))
        strange = [name for name in platforms if name not in NETWORKS]
        if strange:
            raise wrong(f"Unknown platform {strange[0]}.", "post")
        urls = body.get("mediaUrls") or []
        if not isinstance(urls, list) or not all(
            isinstance(url, str) and may_be_pulled(url) for url in urls
        ):
            raise wrong("mediaUrls is a list of https addresses.", "post")
        if text == "" and not urls:
            raise wrong("post is empty and there are no mediaUrls.", "post")
        options = {name: body.get(key, {}) for name, key in OPTIONS.items()}
        if not all(isinstance(value, dict) for value in options.values()):
            raise wrong("The options of a network are an object.", "post")
        due = now = self.time()
        if "scheduleDate" in body:
            at = moment(body["scheduleDate"])
            if at is None or (at < now and not self.setting("past_date_is_now")):
                raise wrong("scheduleDate is not a valid UTC date.", "post")
            due = max(at, now)
        return {
            "id": new_id(),
            "profile": caller.id,
            "text": text,
            "platforms": list(dict.fromkeys(platforms)),
            "urls": urls,
            "options": options,
            "first_comment": body.get("firstComment") or {},
            "notes": body.get("notes", ""),
            "approval": bool(body.get("requiresApproval")),
            "type": "scheduled" if due > now else "now",
            "status": "processing",
            "paused": False,
            "retried": False,
            "created_at": now,
            "arrived_at": arrived_at(request),
            "due": due,
            "errors": [],
            "results": {},
        }

    # ------------------------------------------------------------ other calls

    @route("POST", "/api/validate/post", call="POST /validate/post")
    def validate(self, request: Request) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            post = self._drafted(request, caller, sent_json(request))
            looks = request.environ.get("ayrshare.looks", {})
            files = [looks.get(url, {"url": url, "kind": ""}) for url in post["urls"]]
            is_now = post["type"] == "now"
            errors = self._errors(caller.profile, post, files if is_now else None)
            status = "error" if errors else "success"
            body = {"status": status, "errors": errors, "postIds": []}
            return json_response(body, 400 if errors else 200)

        return self.api(request, work)

    def own_post(self, caller: Caller, id: object, action: str) -> Doc:
        post = self.get("post", id) if isinstance(id, str) and id else None
        if not post or post["profile"] != caller.id:
            raise Refused(404, 114, "The post id was not found.", action)
        return post

    @route("GET", "/api/post/<id>", call="GET /post/:id")
    def read(self, request: Request, id: str) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            return json_response(self.shown(self.own_post(caller, id, "get")))

        return self.api(request, work)

    def shown(self, post: Doc) -> Doc:
        """A post as the history shows it."""
        profile = self.get("profile", post["profile"]) or {}
        as_text = self.setting("schedule_date_as") == "text"
        return {
            "id": post["id"],
            "post": post["text"],
            "platforms": post["platforms"],
            "status": "paused" if post["paused"] else post["status"],
            "type": post["type"],
            "mediaUrls": post["urls"],
            "errors": post["errors"],
            "postIds": list(post["results"].values()),
            "created": milli(post["created_at"]),
            "scheduleDate": milli(post["due"]) if as_text else stamp(post["due"]),
            "notes": post["notes"],
            "profileTitle": profile["title"],
        }

    @route("PATCH", "/api/post", call="PATCH /post")
    def change(self, request: Request) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            body = sent_json(request)
            post = self.own_post(caller, body.get("id"), "patch")
            if post["status"] not in ("pending", "awaiting approval"):
                raise wrong("Only a post that is still to come can change.", "patch")
            if "scheduleDate" in body:
                at = moment(body["scheduleDate"])
                if at is None:
                    raise wrong("scheduleDate is not a valid UTC date.", "patch")
                post["due"] = max(at, self.time())
            if body.get("approved") is True:
                post["status"] = "pending"
            post["notes"] = body.get("notes", post["notes"])
            post["paused"] = bool(body.get("scheduledPause", post["paused"]))
            self.put("post", post["id"], post)
            self.soon(post["due"])
            answer = {"status": "success", "id": post["id"], "refId": caller.id}
            return json_response(answer)

        return self.api(request, work)

    @route("PUT", "/api/post/retry", call="PUT /post/retry", commit=True)
    def retry(self, request: Request) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            post = self.own_post(caller, sent_json(request).get("id"), "retry")
            may = any(error.get("retryAvailable") for error in post["errors"])
            if post["status"] != "error" or not may or post["retried"]:
                raise wrong("The post cannot be retried.", "retry")
            post |= {"status": "pending", "retried": True, "due": self.time() + 5}
            self.put("post", post["id"], post)
            self.soon(post["due"])
            return json_response({"status": "success", "id": post["id"]})

        return self.api(request, work)

    @route("DELETE", "/api/post", call="DELETE /post", commit=True)
    def delete(self, request: Request) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            body = sent_json(request)
            if body.get("deleteAllScheduled"):
                rows = self.all("post", profile=caller.id, status="pending")
                ids = [id for id, _ in rows]
            else:
                ids = body.get("bulk") or [body.get("id")]
            by_hand = bool(body.get("markManualDeleted"))
            answers = [self._delete(caller, id, by_hand) for id in ids]
            failed = any(answer["status"] == "error" for answer in answers)
            answer = answers[0] if len(ids) == 1 else {"posts": answers}
            return json_response(answer, 400 if failed else 200)

        return self.api(request, work)

    def _delete(self, caller: Caller, id: object, by_hand: bool) -> Doc:
        post = self.own_post(caller, id, "delete")
        if post["status"] == "deleted":
            raise Refused(400, 383, "The post is already deleted.", "delete")
        answer: Doc = {}
        kept = [n for n in post["results"] if not NETWORKS[n].deletes]
        if by_hand and not kept:
            text = "The networks of this post can delete it themselves."
            raise Refused(400, 382, text, "delete")
        for network, result in post["results"].items():
            row = {"action": "delete", "status": "success", "id": result["id"]}
            if network in kept and not by_hand:
                text = f"{NETWORKS[network].label} posts cannot be deleted."
                row |= {"status": "error", "code": 170, "message": text}
            else:
                native = self._native_of(result)
                if native:
                    self.put("native", native["id"], {**native, "deleted": True})
            answer[network] = row
        is_kept = bool(kept) and not by_hand
        if not is_kept:
            self.put("post", post["id"], {**post, "status": "deleted"})
        return {**answer, "status": "error" if is_kept else "success", "id": post["id"]}

    def _native_of(self, result: Doc) -> Doc | None:
        id = result["id"]
        if id == "pending":
            id = result["idShare"].removeprefix("v_pub_")
        return self.get("native", id)

"""Posts at Outstand: taken at once, published some seconds later, per account.

Sources: https://www.outstand.so/docs/create-a-post,
https://www.outstand.so/docs/post-lifecycle, https://www.outstand.so/docs/idempotency.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from werkzeug.wrappers import Request, Response

from ..practice.aggregator import body_for, exact, milli, moment
from ..practice.framework import Doc, Route, arrived_at, json_response, route
from ..practice.pulled import may_be_pulled
from ..practice.switches import Switch
from ..practice.telling import Again
from .twin_accounts import Accounts
from .twin_calls import API, DAY_S, NETWORKS, ORG, Refused, invalid, sent_json, short_id

MAX_AHEAD_S = 30 * DAY_S
KEY_LIFE_S = DAY_S
CREATE = "POST /posts"
KNOWN = {
    "accounts",
    "content",
    "containers",
    "scheduledAt",
    "processMedia",
    *NETWORKS,
}
#: of a network's object: what a post is told to be
SAID = ("isAiGenerated", "collaborators", "locationId", "trialReel")
INSTAGRAM = {
    "publishAsStory",
    "isAiGenerated",
    "collaborators",
    "userTags",
    "locationId",
    "altText",
    "reelCoverUrl",
    "reelThumbOffset",
    "trialReel",
    "content",
}
TRIALS = ("MANUAL", "SS_PERFORMANCE")
POST_SWITCHES = (
    Switch("publish_after_s", "A post is published after (seconds)", 3),
    Switch("never_published", "Posts stay in the queue", False),
    Switch("failing_networks", "Networks that refuse every post", []),
    Switch("failure_text", "What they say", "The network refused the post."),
    Switch("posts_per_month", "Posts to one account in a month", 50_000),
    Switch("created_status", "Status of a post that was taken", 201, ("200", "201")),
    Switch(
        "replay_header",
        "A repeat is marked with",
        "Idempotency-Replayed",
        ("Idempotency-Replayed", "Idempotency-Replay"),
    ),
    Switch("other_body_status", "A key with another body", 409, ("409", "422")),
    Switch("errors_replayed", "A key gives a first error again, too", False),
    Switch("posts_lag_s", "Lists show a post after (seconds)", 0),
    Switch("failures_told", "post.published names failed accounts too", False),
    Switch("webhook_url", "Webhooks go to", ""),
    Switch("webhook_secret", "Secret of webhooks", ""),
)


class Posts(Accounts):
    AGAIN = Again((10, 25, 60, 130, 300), most=6)

    # ------------------------------------------------------------ creating

    @route("POST", f"{API}/posts", call=CREATE, commit=True)
    def create(self, request: Request) -> Response:
        return self.api(request, self._once)

    def _once(self, request: Request) -> Response:
        """A key gives its first answer again for a day, for the same body only."""
        key = request.headers.get("Idempotency-Key", "")
        if not key:
            return self._create(request)
        seen = hashlib.sha256(request.get_data()).hexdigest()
        known = self.get("key", key)
        if known and known["at"] + KEY_LIFE_S > self.time():
            if known["body"] != seen:
                text = "The Idempotency-Key was used with another body."
                raise Refused(int(self.setting("other_body_status")), text)
            answer = json_response(known["answer"], known["status"])
            answer.headers[self.setting("replay_header")] = "true"
            return answer
        try:
            answer = self._create(request)
        except Refused as refused:
            answer = refused.response()
        if answer.status_code < 400 or self.setting("errors_replayed"):
            kept = {"answer": answer.get_json(), "status": answer.status_code}
            self.put("key", key, {"body": seen, "at": self.time(), **kept})
        return answer

    def _create(self, request: Request) -> Response:
        body = sent_json(request)
        if unknown := sorted(set(body) - KNOWN):
            raise invalid(unknown[0], "Unrecognized key")
        accounts = self._resolved(body.get("accounts"))
        containers = self._containers(body)
        self._check_instagram(body.get("instagram", {}))
        due = self._due_at(body.get("scheduledAt"))
        if body.get("processMedia") and "outstand.unusable" in request.environ:
            raise Refused(422, "Media cannot be used", "The video cannot be fixed.")
        month, used = self._used_this_month()
        if used + len(accounts) > self.setting("posts_per_month"):
            text = "The monthly post quota is exhausted."
            raise Refused(429, "Quota exhausted", text)
        self.put("month", ORG, {"month": month, "used": used + len(accounts)})
        now = self.time()
        post: Doc = {
            "id": short_id(),
            "containers": containers,
            "options": {name: body[name] for name in NETWORKS if name in body},
            "scheduled_at": due,
            "due": (due or now) + self.setting("publish_after_s"),
            "created_at": now,
            "arrived_at": arrived_at(request),
            "published_at": None,
            "state": "queued",
            "results": {
                account["id"]: {
                    "status": "pending",
                    "error": None,
                    "platformPostId": None,
                    "platformPostUrl": None,
                    "publishedAt": None,
                }
                for account in accounts
            },
        }
        self.put("post", post["id"], post)
        self.soon(post["due"])
        answer = {"success": True, "post": self.show_post(post), "warnings": []}
        return json_response(answer, int(self.setting("created_status")))

    def _check_instagram(self, options: object) -> None:
        if not isinstance(options, dict):
            raise invalid("instagram", "Expected an object")
        if unknown := sorted(set(options) - INSTAGRAM):
            raise invalid(f"instagram.{unknown[0]}", "Unrecognized key")
        names = options.get("collaborators", [])
        if not isinstance(names, list) or len(names) > 3:
            raise invalid("instagram.collaborators", "At most 3 names")
        for name in ("publishAsStory", "isAiGenerated"):
            if not isinstance(options.get(name, False), bool):
                raise invalid(f"instagram.{name}", "Expected a boolean")
        if not str(options.get("locationId", "0")).isdecimal():
            raise invalid("instagram.locationId", "Expected a number")
        trial = options.get("trialReel", {"graduationStrategy": TRIALS[0]})
        known = [{"graduationStrategy": one} for one in TRIALS]
        if trial not in known:
            raise invalid("instagram.trialReel", "Invalid graduationStrategy")

    def _resolved(self, named: object) -> list[Doc]:
        """By id, network or user name. What is unknown is dropped without a word."""
        if not isinstance(named, list) or not named:
            raise invalid("accounts", "At least one account is required")
        found: dict[str, Doc] = {}
        for name in named:
            for account in self.connected():
                known = (account["id"], account["network"], account["username"])
                if name in known:
                    found[account["id"]] = account
        if not found:
            raise invalid("accounts", "No account could be resolved")
        return list(found.values())

    def _containers(self, body: Mapping[str, Any]) -> list[Doc]:
        given = body.get("containers")
        if given is None:
            given = [{"content": body.get("content", "")}]
        if not isinstance(given, list) or not given:
            raise invalid("containers", "Expected a list")
        made = []
        for container in given:
            if not isinstance(container, dict) or set(container) - {"content", "media"}:
                raise invalid("containers", "Unrecognized key")
            text, media = container.get("content", ""), container.get("media") or []
            if not isinstance(text, str) or not isinstance(media, list):
                raise invalid("containers", "Expected content and media")
            files = [self._file(item) for item in media]
            if not text.strip() and not files:
                raise invalid("containers", "Content or media is required")
            made.append({"id": short_id(), "content": text, "media": files})
        return made

    def _file(self, item: object) -> Doc:
        """An item of `media` with its address."""
        if not isinstance(item, dict):
            raise invalid("media", "Expected an object")
        name, url = item.get("filename", ""), item.get("url")
        if not isinstance(name, str) or len(name) > 255:
            raise invalid("filename", "At most 255 characters")
        if "id" in item and url is None:
            doc = self.get("media", str(item["id"]))
            if not doc or doc["status"] != "active":
                raise Refused(404, "Media not found")
            url = self.media_url(doc)
        if not isinstance(url, str) or not may_be_pulled(url):
            raise invalid("media", "Invalid url")
        return {"url": url, "filename": name}

    def media_url(self, doc: Doc) -> str:
        return f"{self.url}/media/{doc['id']}.{doc['filename'].rpartition('.')[2]}"

    def _due_at(self, value: object) -> float | None:
        if value is None:
            return None
        at = moment(value)
        if at is None:
            raise invalid("scheduledAt", "Invalid datetime")
        now = self.time()
        if at > now + MAX_AHEAD_S:
            raise invalid("scheduledAt", "At most 30 days ahead")
        return at if at > now else None

    def _used_this_month(self) -> tuple[str, int]:
        month = exact(self.time())[:7]
        known = self.get("month", ORG)
        return month, known["used"] if known and known["month"] == month else 0

    def prepare(self, route: Route, request: Request) -> None:
        """What was due goes out; with processMedia, files are looked into at once."""
        super().prepare(route, request)
        if route.call != CREATE:
            return
        body = request.get_json(force=True, silent=True)
        if not isinstance(body, dict) or not body.get("processMedia"):
            return
        try:
            with self.world.transaction():
                containers = self._containers(body)
        except Refused:
            return
        for url in [item["url"] for c in containers for item in c["media"]]:
            if self.look(url)["kind"] not in ("image", "video"):
                request.environ["outstand.unusable"] = url

    # ------------------------------------------------------------ going out

    def due(self) -> list[Doc]:
        if self.setting("never_published"):
            return []
        now = self.time()
        rows = self.all("post", state="queued")
        return [post for _, post in rows if post["due"] <= now]

    def addresses(self, post: Doc) -> list[str]:
        return [item["url"] for c in post["containers"] for item in c["media"]]

    def carry_out(self, id: str, looks: Mapping[str, Doc]) -> None:
        post = self.get("post", id)
        if not post or post["state"] != "queued":
            return
        if not set(self.addresses(post)) <= set(looks):
            return  # changed in the meantime: the next look is for its new files
        now = self.time()
        for account_id, result in post["results"].items():
            account = self.get("account", account_id) or {}
            error = self._error(account, post, looks)
            if error:
                result |= {"status": "failed", "error": error}
                continue
            result |= {"status": "published", "publishedAt": milli(post["due"])}
            if not self._is_draft(account["network"], post):
                native = self._publish(account, post, looks)
                result |= {
                    "platformPostId": native["id"],
                    "platformPostUrl": native["url"],
                }
        states = {result["status"] for result in post["results"].values()}
        is_out = "published" in states
        post |= {"state": "done", "published_at": now if is_out else None}
        self.put("post", id, post)
        self._tell_of(post, is_out)

    def _is_draft(self, network: str, post: Doc) -> bool:
        """TikTok gets a draft, which a person finishes in the app, unless asked."""
        mode = post["options"].get("tiktok", {}).get("postMode", "MEDIA_UPLOAD")
        return network == "tiktok" and mode != "DIRECT_POST"

    def _error(self, account: Doc, post: Doc, looks: Mapping[str, Doc]) -> str:
        network = account["network"]
        label = NETWORKS[network].label
        if account["removed"] or not account["is_active"]:
            return f"{label}: the access token has expired."
        if network in self.setting("failing_networks"):
            return str(self.setting("failure_text"))
        for container in post["containers"]:
            files = [looks[item["url"]] for item in container["media"]]
            wrong = self.wrong_with(network, container["content"], files)
            words = {
                "long": "the text is too long.",
                "media": "the media is missing or not supported.",
                "fetch": "the media could not be downloaded.",
            }
            if wrong:
                return f"{label}: {words[wrong]}"
        most = NETWORKS[network].most
        used = self.within_day(network, account["id"], self.time())
        return f"{label}: daily limit reached." if most and used >= most else ""

    def _publish(self, account: Doc, post: Doc, looks: Mapping[str, Doc]) -> Doc:
        """One post on the network for each container; the first stands for all."""
        network, count = account["network"], len(post["containers"])
        options = post["options"].get(network, {})
        alt = options.get("altText")
        made = [
            self.publish_native(
                network,
                account["id"],
                container["content"],
                [looks[item["url"]] for item in container["media"]],
                alts=[alt] if alt else [],
                at=post["due"],
                arrived=post["arrived_at"],
                note=f"Part {number} of {count}" if count > 1 else "",
                place="stories" if options.get("publishAsStory") is True else "",
                said={name: options[name] for name in SAID if name in options},
            )
            for number, container in enumerate(post["containers"], 1)
        ]
        return made[0]

    def choices_of(self, native: Doc) -> Doc:
        if native["network"] != "instagram":
            return {}
        said = native.get("said", {})
        return {
            "collaborators": said.get("collaborators", []),
            "location": said.get("locationId", ""),
            "trial": said.get("trialReel", {}).get("graduationStrategy", ""),
            "ai_generated": said.get("isAiGenerated", False),
        }

    # ------------------------------------------------------------ telling

    def _tell_of(self, post: Doc, is_out: bool) -> None:
        rows = []
        for id, result in post["results"].items():
            account = self.get("account", id) or {}
            row = {
                "accountId": id,
                "network": account["network"],
                "username": account["username"],
            }
            if result["status"] == "published":
                names = ("platformPostId", "platformPostUrl")
                row |= {name: result[name] for name in names}
            elif is_out and not self.setting("failures_told"):
                continue
            else:
                row["error"] = result["error"]
            rows.append(row)
        data: Doc = {"postId": post["id"], "orgId": ORG, "socialAccounts": rows}
        if is_out:
            data["publishedAt"] = milli(post["published_at"])
        self.tell_event("post.published" if is_out else "post.error", data)

    def tell_event(self, event: str, data: Doc) -> None:
        """One address for the whole organisation, set in the dashboard."""
        payload = {"event": event, "timestamp": milli(self.time()), "data": data}
        key = str(self.setting("webhook_secret")).encode()
        made = hmac.new(key, body_for(payload), hashlib.sha256).hexdigest()
        headers = {
            "User-Agent": "Outstand-Webhooks/1.0",
            "X-Outstand-Signature": f"sha256={made}",
        }
        self.tell(str(self.setting("webhook_url")), payload, headers)

    # ------------------------------------------------------------ reading, changing

    def show_post(self, post: Doc) -> Doc:
        def shown(id: str, result: Doc) -> Doc:
            account = self.get("account", id) or {}
            more = {
                name: value
                for name, value in self.show_account(account).items()
                if name in ("network", "username", "network_data")
            }
            return {"id": id, **more, **result}

        at, out = post["scheduled_at"], post["published_at"]
        return {
            "id": post["id"],
            "orgId": ORG,
            "publishedAt": milli(out) if out else None,
            "scheduledAt": milli(at) if at else None,
            "scheduled": bool(at),
            "isDraft": False,
            "createdAt": milli(post["created_at"]),
            "socialAccounts": [shown(*row) for row in post["results"].items()],
            "containers": post["containers"],
        }

    def own_post(self, id: str) -> Doc:
        post = self.get("post", id)
        if not post or post["state"] == "cancelled":
            raise Refused(404, "Post not found")
        return post

    @route("GET", f"{API}/posts/<id>", call="GET /posts/:id")
    def read(self, request: Request, id: str) -> Response:
        def work(request: Request) -> Response:
            post = self.show_post(self.own_post(id))
            return json_response({"success": True, "post": post})

        return self.api(request, work)

    @route("GET", f"{API}/posts", call="GET /posts")
    def list_posts(self, request: Request) -> Response:
        return self.api(request, self._list)

    def _list(self, request: Request) -> Response:
        limit, offset = self.window_of(request)
        bounds: dict[str, float] = {}
        for what in ("created", "scheduled"):
            for side in ("after", "before"):
                name = f"{what}_{side}"
                if name in request.args:
                    at = moment(request.args[name])
                    if at is None:
                        raise invalid(name, "Invalid datetime")
                    bounds[name] = at
        old = self.time() - self.setting("posts_lag_s")
        account = request.args.get("social_account_id")
        rows = [
            self.show_post(post)
            for _, post in reversed(self.all("post"))
            if post["state"] != "cancelled"
            and post["created_at"] <= old
            and (account is None or account in post["results"])
            and self._within(post, bounds)
        ]
        page = rows[offset : offset + limit]
        about = {"limit": limit, "offset": offset, "total": len(rows)}
        body = {"success": True, "data": page, "posts": page, "pagination": about}
        return json_response(body)

    def _within(self, post: Doc, bounds: Mapping[str, float]) -> bool:
        for name, bound in bounds.items():
            what, _, side = name.partition("_")
            at = post[f"{what}_at"]
            if at is None or (at < bound if side == "after" else at > bound):
                return False
        return True

    @route("PATCH", f"{API}/posts/<id>", call="PATCH /posts/:id")
    def change(self, request: Request, id: str) -> Response:
        def work(request: Request) -> Response:
            post, body = self.own_post(id), sent_json(request)
            if unknown := sorted(set(body) - {"scheduledAt", "containers"}):
                raise invalid(unknown[0], "Unrecognized key")
            if post["state"] != "queued":
                raise Refused(409, "Post is already published")
            answer: Doc = {"success": True}
            if "containers" in body:
                post["containers"] = self._containers(body)
            if "scheduledAt" in body:
                at = self._due_at(body["scheduledAt"])
                after = self.setting("publish_after_s")
                post |= {"scheduled_at": at, "due": (at or self.time()) + after}
                answer["rescheduled"] = True
            self.put("post", id, post)
            self.soon(post["due"])
            return json_response({**answer, "post": self.show_post(post)})

        return self.api(request, work)

    @route("DELETE", f"{API}/posts/<id>", call="DELETE /posts/:id")
    def cancel(self, request: Request, id: str) -> Response:
        def work(request: Request) -> Response:
            post = self.own_post(id)
            if post["state"] != "queued":
                raise Refused(409, "Post is already published")
            self.put("post", id, {**post, "state": "cancelled"})
            return json_response({"success": True})

        return self.api(request, work)

    @route(
        "DELETE",
        f"{API}/posts/<id>/remote",
        call="DELETE /posts/:id/remote",
        commit=True,
    )
    def delete_remote(self, request: Request, id: str) -> Response:
        def work(request: Request) -> Response:
            post = self.own_post(id)
            refused = []
            for account_id, result in post["results"].items():
                native = self.get("native", str(result["platformPostId"]))
                if not native:
                    continue
                if not NETWORKS[native["network"]].deletes:
                    refused.append(account_id)
                    continue
                self.put("native", native["id"], {**native, "deleted": True})
                result["status"] = "deleted"
            self.put("post", id, post)
            if refused:
                text = "Instagram posts cannot be deleted."
                raise Refused(400, "Invalid payload", text)
            return json_response({"success": True, "post": self.show_post(post)})

        return self.api(request, work)

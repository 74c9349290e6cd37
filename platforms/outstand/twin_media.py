"""Files, figures and comments at Outstand.

Sources: https://www.outstand.so/docs/get-upload-url,
https://www.outstand.so/docs/get-post-analytics.
"""

from __future__ import annotations

import secrets
import shutil

from werkzeug.wrappers import Request, Response

from ..practice.aggregator import milli
from ..practice.framework import Doc, body_of, json_response, route
from .twin_calls import API, DAY_S, Refused, invalid, sent_json
from .twin_posts import Posts

UPLOAD_S = 3600
KEPT_S = 60 * DAY_S


class Media(Posts):
    @route("POST", f"{API}/media/upload", call="POST /media/upload")
    def upload(self, request: Request) -> Response:
        def work(request: Request) -> Response:
            body = sent_json(request)
            name, mime = body.get("filename"), body.get("content_type")
            if not isinstance(name, str) or not 1 <= len(name) <= 255:
                raise invalid("filename", "1 to 255 characters")
            if not isinstance(mime, str) or "/" not in mime:
                raise invalid("content_type", "Required")
            id = f"m_{secrets.token_hex(6)}"
            doc = {
                "id": id,
                "file": secrets.token_hex(16),
                "filename": name,
                "mime": mime,
                "size": None,
                "status": "pending",
                "ends": self.time() + UPLOAD_S,
                "created_at": self.time(),
            }
            self.put("media", id, doc)
            data = {
                "id": id,
                "upload_url": f"{self.url}/store/{doc['file']}",
                "expires_in": UPLOAD_S,
            }
            return self.wrapped(data)

        return self.api(request, work)

    @route("PUT", "/store/<file>", call="PUT upload_url", large=True)
    def store(self, request: Request, file: str) -> Response:
        """The store behind Outstand: an address is the right to write there."""
        rows = self.all("media", file=file)
        doc = rows[0][1] if rows else None
        is_over = not doc or doc["ends"] <= self.time()
        if not doc or is_over or request.mimetype != doc["mime"]:
            code = "AccessDenied" if is_over else "SignatureDoesNotMatch"
            return Response(f"<Error><Code>{code}</Code></Error>", 403)
        with self.world.file(self.slug, file).open("wb") as kept:
            shutil.copyfileobj(body_of(request), kept)
            self.put("media", doc["id"], {**doc, "size": kept.tell()})
        return Response(status=200)

    @route("POST", f"{API}/media/<id>/confirm", call="POST /media/:id/confirm")
    def confirm(self, request: Request, id: str) -> Response:
        def work(request: Request) -> Response:
            doc = self.get("media", id)
            if not doc:
                raise Refused(404, "Media not found")
            if doc["size"] is None or sent_json(request).get("size") != doc["size"]:
                raise invalid("size", "The file is not there or has another size")
            doc |= {"status": "active", "ends": self.time() + KEPT_S}
            self.put("media", id, doc)
            return self.wrapped(self._show_media(doc))

        return self.api(request, work)

    def _show_media(self, doc: Doc) -> Doc:
        return {
            "id": doc["id"],
            "filename": doc["filename"],
            "url": self.media_url(doc),
            "content_type": doc["mime"],
            "size": doc["size"],
            "status": doc["status"],
            "created_at": milli(doc["created_at"]),
            "expires_at": milli(doc["ends"]),
        }

    @route("GET", f"{API}/media", call="GET /media")
    def list_media(self, request: Request) -> Response:
        def work(request: Request) -> Response:
            limit, offset = self.window_of(request)
            rows = [doc for _, doc in self.all("media", status="active")]
            shown = [self._show_media(doc) for doc in rows][offset : offset + limit]
            return json_response({"success": True, "data": shown, "count": len(rows)})

        return self.api(request, work)

    @route("GET", "/media/<name>", browser=True)
    def hand_out(self, request: Request, name: str) -> Response:
        doc = self.get("media", name.partition(".")[0])
        if not doc or doc["status"] != "active" or doc["ends"] <= self.time():
            return Response("Not Found", 404)
        data = self.world.file(self.slug, doc["file"]).read_bytes()
        safe = {"X-Content-Type-Options": "nosniff"}
        return Response(data, headers=safe, content_type=doc["mime"])

    # ------------------------------------------------------------ figures

    def _figures(self, native: Doc) -> Doc:
        """They grow with the practice clock."""
        hours = (self.time() - native["created_at"]) / 3600
        views = int(hours * 12)
        return {
            "likes": views // 20,
            "comments": len(native["comments"]),
            "shares": 0,
            "views": views,
            "impressions": views,
            "reach": views * 3 // 4,
            "engagement_rate": 0.05,
            "platform_specific": {},
        }

    @route("GET", f"{API}/posts/<id>/analytics", call="GET /posts/:id/analytics")
    def post_figures(self, request: Request, id: str) -> Response:
        def work(request: Request) -> Response:
            post, rows, total = self.own_post(id), [], 0
            for account_id, result in post["results"].items():
                native = self.get("native", str(result["platformPostId"]))
                if not native or native["deleted"]:
                    continue
                figures = self._figures(native)
                total += figures["views"]
                account = {"id": account_id, "network": native["network"]}
                rows.append(
                    {
                        "social_account": account,
                        "platform_post_id": native["id"],
                        "metrics": figures,
                    }
                )
            body = {
                "success": True,
                "post": self.show_post(post),
                "metrics_by_account": rows,
                "aggregated_metrics": {"views": total},
            }
            return json_response(body)

        return self.api(request, work)

    @route(
        "GET",
        f"{API}/social-accounts/<id>/metrics",
        call="GET /social-accounts/:id/metrics",
    )
    def account_figures(self, request: Request, id: str) -> Response:
        def work(request: Request) -> Response:
            account = self.own_account(id)
            bounds = [request.args.get(name, "0") for name in ("since", "until")]
            if not all(bound.isdecimal() for bound in bounds):
                raise invalid("since", "Expected seconds")
            rows = self.all("native", account=id, deleted=False)
            body = {
                "account_id": id,
                "network": account["network"],
                "followers_count": 1200,
                "following_count": 10,
                "posts_count": len(rows),
                "engagement": {},
                "platform_specific": {},
                "period": {"since": int(bounds[0]), "until": int(bounds[1])},
                "fetched_at": milli(self.time()),
            }
            return self.wrapped(body)

        return self.api(request, work)

    # ------------------------------------------------------------ comments

    @route("GET", f"{API}/posts/<id>/comments", call="GET /posts/:id/comments")
    def comments(self, request: Request, id: str) -> Response:
        def work(request: Request) -> Response:
            rows = [
                {
                    "id": comment["id"],
                    "text": comment["text"],
                    "createdAt": milli(comment["at"]),
                    "network": native["network"],
                    "username": comment["by"],
                }
                for native in self._natives(id)
                for comment in native["comments"]
            ]
            return json_response({"success": True, "data": rows})

        return self.api(request, work)

    def _natives(self, id: str) -> list[Doc]:
        results = self.own_post(id)["results"].values()
        found = [self.get("native", str(row["platformPostId"])) for row in results]
        return [native for native in found if native and not native["deleted"]]

    @route(
        "POST",
        f"{API}/posts/<id>/comments",
        call="POST /posts/:id/comments",
        commit=True,
    )
    def comment(self, request: Request, id: str) -> Response:
        def work(request: Request) -> Response:
            text = sent_json(request).get("text")
            if not isinstance(text, str) or not text.strip():
                raise invalid("text", "Required")
            natives = self._natives(id)
            if not natives:
                raise Refused(409, "Post is not published yet")
            for native in natives:
                account = self.get("account", native["account"]) or {}
                row = {"id": secrets.token_hex(8), "text": text, "at": self.time()}
                native["comments"].append({**row, "by": account["username"]})
                self.put("native", native["id"], native)
            return json_response({"success": True}, 201)

        return self.api(request, work)

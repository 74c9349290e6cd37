"""Counts of a status, the conversation around it, and who is told of a mention.

Sources: https://docs.joinmastodon.org/methods/statuses/#context,
https://docs.joinmastodon.org/methods/notifications/#get.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar

from werkzeug.wrappers import Request, Response

from platforms.practice.framework import Doc, json_response

from .twin_calls import ApiError, Who, api
from .twin_media import Media

NAMED = re.compile(r"(?<![\w/])@(\w+)\b(?!@)")
#: (ancestors, descendants, levels) that a caller without a token sees, and one with it
ANONYMOUS, KNOWN = (40, 60, 20), (4096, 4096, 4096)
MOST_NOTICES = 80


class Figures(Media):
    has_readers: ClassVar[bool] = True

    # ------------------------------------------------------------ counts

    def counts_of(self, id: str) -> dict[str, int]:
        favourites = int(self._is("favourites"))
        return {
            "replies_count": self.world.count(self.slug, f"replies:{id}"),
            "reblogs_count": favourites // 2,
            "favourites_count": favourites,
            "quotes_count": 0,
        }

    def note_replies(self, id: str, doc: Doc) -> None:
        """Remember what a new status answers and whom it names."""
        if doc["reply_to"]:
            self.put(f"replies:{doc['reply_to']}", id, {})
        for account, _person in self.named_in(doc["text"]):
            if account != doc["account"]:
                self.put(f"named:{account}", id, {})

    def named_in(self, text: str) -> list[tuple[str, Doc]]:
        """(id, account) of the accounts here that a text names."""
        names = dict.fromkeys(NAMED.findall(text))
        return [row for name in names for row in self.all("account", username=name)]

    # ------------------------------------------------------------ the conversation

    def _visible(self, id: str, who: Who) -> Doc:
        doc = self.get("status", id)
        hidden = doc is not None and doc["visibility"] in ("private", "direct")
        if doc is None or (hidden and doc["account"] != who.id):
            raise ApiError(404, "Record not found")
        return doc

    def below(self, id: str, levels: int = KNOWN[2]) -> list[tuple[str, Doc]]:
        """Everything that answers a status, the answers below what they answer."""
        found: list[tuple[str, Doc]] = []
        for reply, _ in self.all(f"replies:{id}") if levels else []:
            if doc := self.get("status", reply):
                found += [(reply, doc), *self.below(reply, levels - 1)]
        return found

    @api(
        "GET",
        "/api/v1/statuses/<id>/context",
        "GET /api/v1/statuses/:id/context",
        "read:statuses",
        anonymous=True,
    )
    def context(self, request: Request, who: Who, id: str) -> Response:
        doc = self._visible(id, who)
        above, below, levels = KNOWN if who.token else ANONYMOUS
        ancestors: list[tuple[str, Doc]] = []
        while doc["reply_to"] and len(ancestors) < above:
            parent = self.get("status", doc["reply_to"])
            if parent is None:
                break
            ancestors.insert(0, (doc["reply_to"], parent))
            doc = parent
        return json_response(
            {
                "ancestors": self._readable(ancestors, who),
                "descendants": self._readable(self.below(id, levels), who)[:below],
            }
        )

    def _readable(self, rows: list[tuple[str, Doc]], who: Who) -> list[Doc]:
        return [
            self._status_json(id, doc, who)
            for id, doc in rows
            if doc["visibility"] in ("public", "unlisted") or self._is_in(doc, who)
        ]

    def _is_in(self, doc: Doc, who: Who) -> bool:
        """Whether somebody wrote a status or is named in it."""
        named = [account for account, _ in self.named_in(doc["text"])]
        return bool(who.id) and who.id in (doc["account"], *named)

    def _status_json(self, id: str, doc: Doc, who: Who, later: bool = False) -> Doc:
        """A status as the REST API shows it: the twin's own part."""
        raise NotImplementedError

    # ------------------------------------------------------------ mentions

    @api(
        "GET",
        "/api/v1/notifications",
        "GET /api/v1/notifications",
        "read:notifications",
    )
    def notifications(self, request: Request, who: Who) -> Response:
        args = request.args
        wanted = args.getlist("types[]")
        barred = args.getlist("exclude_types[]")
        is_wanted = (not wanted or "mention" in wanted) and "mention" not in barred
        limit = args.get("limit", 40, type=int)
        rows = self.world.page(
            self.slug,
            f"named:{who.id}",
            min(MOST_NOTICES, limit if limit > 0 else 40),
            below=args.get("max_id", ""),
            above=args.get("min_id") or args.get("since_id") or "",
            oldest_first=bool(args.get("min_id")),
        )
        if args.get("min_id"):
            rows.reverse()
        shown = [self._notice(id, who) for id, _ in rows] if is_wanted else []
        response = json_response([notice for notice in shown if notice])
        if rows:
            address = f"{self.url}/api/v1/notifications"
            response.headers["Link"] = (
                f'<{address}?max_id={rows[-1][0]}>; rel="next",'
                f' <{address}?min_id={rows[0][0]}>; rel="prev"'
            )
        return response

    def _notice(self, id: str, who: Who) -> Doc | None:
        doc = self.get("status", id)
        if doc is None:
            return None
        status: Doc = self._status_json(id, doc, who, True)
        facts: dict[str, Any] = {"id": id, "type": "mention"}
        author = status["account"]
        return facts | {
            "created_at": status["created_at"],
            "account": author,
            "status": status,
        }

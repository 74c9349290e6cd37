"""What twins of vendors share that publish to other networks: the files that they
fetch, the posts on the networks behind them, their pages, and what they tell an app.

The networks behind a vendor are its own here: they have nothing to do with the twins of
the same names, and know little more than their limits.
"""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
import sqlite3
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, ClassVar

from werkzeug.wrappers import Request, Response

from . import pages
from .framework import Doc, Route, iso, route
from .moving import KEPT_BYTES, measured
from .pulled import pull, still
from .telling import Telling

logger = logging.getLogger(__name__)

MOST_BYTES = 1024 * 1024 * 1024
#: Work that is due within so many seconds is done without being asked for.
SOON_S = 60
MIMES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}


@dataclass(frozen=True)
class Network:
    """A network behind a vendor. wants: "" for text alone, or image, video, media.
    most: posts of one account in 24 hours."""

    label: str
    text: int
    wants: str = ""
    most: int | None = None
    deletes: bool = True


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def milli(at: float) -> str:
    """UTC with milliseconds and Z."""
    moment = datetime.fromtimestamp(at, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def exact(at: float) -> str:
    return iso(datetime.fromtimestamp(at, UTC))


def moment(value: object) -> float | None:
    """Seconds of an ISO 8601 time with its zone."""
    if not isinstance(value, str) or "T" not in value:
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    return at.timestamp() if at.tzinfo else None


class Aggregator(Telling):
    NETWORKS: ClassVar[Mapping[str, Network]] = {}
    AGENT: ClassVar[str]

    def time(self) -> float:
        return self.world.now().timestamp()

    def take(self, name: str) -> bool:
        """Whether one of the trouble's turns is left; it is used up."""
        left = self.setting(name)
        if left:
            self.set_setting(name, left - 1)
        return bool(left)

    # ------------------------------------------------------------ what is due

    def prepare(self, route: Route, request: Request) -> None:
        super().prepare(route, request)
        self.settle()

    def settle(self) -> None:
        """Do what was due before now. Not inside of a transaction: files are fetched."""
        with self.world.transaction():
            due = self.due()
        for post in due:
            looks = {url: self.look(url) for url in self.addresses(post)}
            with self.world.transaction():
                self.carry_out(str(post["id"]), looks)

    def due(self) -> list[Doc]:
        raise NotImplementedError

    def addresses(self, post: Doc) -> list[str]:
        """Of the files that are fetched when the post goes out."""
        raise NotImplementedError

    def carry_out(self, id: str, looks: Mapping[str, Doc]) -> None:
        """Publish, unless somebody was first. looks: what is behind each address."""
        raise NotImplementedError

    def soon(self, at: float) -> None:
        """Have `settle` run at a time that is near, also if nobody asks by then."""
        wait = at - self.time()
        if wait <= SOON_S:
            timer = threading.Timer(max(0.0, wait) + 0.05, self._settle_alone)
            timer.daemon = True
            timer.start()

    def _settle_alone(self) -> None:
        try:
            self.settle()
        except sqlite3.ProgrammingError:
            logger.debug("the practice network stopped before the work was due")

    # ------------------------------------------------------------ files

    def look(self, url: str) -> Doc:
        """What is behind an address: {"url", "kind", "sha256", "size"}; the kind is
        image, video, unreadable, or "" when nothing can be had."""
        found = pull(url, MOST_BYTES, self.AGENT)
        if found is None or found.too_long:
            return {"url": url, "kind": "", "sha256": "", "size": 0}
        picture = still(found.file)
        found.file.seek(0)
        film = None if picture else measured(found.file)
        kind = "image" if picture else "video" if film and film.video else "unreadable"
        mime = MIMES.get(picture.format, "image/gif") if picture else "video/mp4"
        if kind != "unreadable" and found.size <= KEPT_BYTES:
            with self.world.transaction():
                self.world.put_blob(self.slug, found.sha256, mime, found.read())
        return {"url": url, "kind": kind, "sha256": found.sha256, "size": found.size}

    @route("GET", "/web/files/<sha256>", browser=True)
    def show_file(self, request: Request, sha256: str) -> Response:
        blob = self.world.get_blob(self.slug, sha256)
        if not blob:
            return pages.no_page(self)
        safe = {"X-Content-Type-Options": "nosniff"}
        return Response(blob[1], headers=safe, content_type=blob[0])

    # ------------------------------------------------------------ the networks

    def publish_native(
        self,
        network: str,
        account: str,
        text: str,
        files: Iterable[Doc],
        *,
        alts: Iterable[str] = (),
        at: float,
        arrived: str,
        note: str = "",
        place: str = "",
        said: Mapping[str, Any] = MappingProxyType({}),
    ) -> Doc:
        """A post on a network behind the vendor. note: what its page says of it. place:
        reels or stories, "" for a usual post. said: what was asked for besides."""
        id = str(secrets.randbelow(9 * 10**15) + 10**15)
        native = {
            "id": id,
            "network": network,
            "account": account,
            "text": text,
            "files": list(files),
            "alts": list(alts),
            "created_at": at,
            "arrived_at": arrived,
            "url": "/".join(filter(None, [self.url, "web", network, place, id])),
            "note": note,
            "said": dict(said),
            "comments": [],
            "deleted": False,
        }
        self.put("native", id, native)
        return native

    def within_day(self, network: str, account: str, at: float) -> int:
        """How many posts the account has there in the 24 hours before."""
        rows = self.all("native", network=network, account=account)
        return sum(at - 86_400 < doc["created_at"] <= at for _, doc in rows)

    def wrong_with(self, network: str, text: str, looks: Iterable[Doc]) -> str:
        """Why a network does not want it: long, media, fetch, or ""."""
        rule, kinds = self.NETWORKS[network], [look["kind"] for look in looks]
        if len(text) > rule.text:
            return "long"
        if "" in kinds:
            return "fetch"
        wanted = {"image": {"image"}, "video": {"video"}}
        fits = wanted.get(rule.wants, {"image", "video"})
        if "unreadable" in kinds or (rule.wants and not fits & set(kinds)):
            return "media"
        return ""

    def posts(self) -> list[Doc]:
        self.settle()
        return [
            {
                "id": id,
                "account": doc["account"],
                "text": doc["text"],
                "url": doc["url"],
                "created_at": exact(doc["created_at"]),
                "arrived_at": doc["arrived_at"],
                "media": len(doc["files"]),
                "alt_texts": doc["alts"],
                "link": "",
                "marker": "",
                "media_kinds": [file["kind"] for file in doc["files"]],
                "media_sha256": [file["sha256"] for file in doc["files"]],
                "network": doc["network"],
                "said": doc.get("said", {}),
                "choices": self.choices_of(doc),
            }
            for id, doc in self.all("native", deleted=False)
        ]

    def choices_of(self, native: Doc) -> Doc:
        """What was chosen for it, as people call that, with the values."""
        return {}

    def own_comments(self) -> list[Doc]:
        return [
            {
                "id": comment["id"],
                "text": comment["text"],
                "post": id,
                "account": doc["account"],
                "arrived_at": exact(comment["at"]),
            }
            for id, doc in self.all("native", deleted=False)
            for comment in doc["comments"]
            if comment["by"] in ("", self.user_of(doc["account"]))
        ]

    def user_of(self, account: str) -> str:
        """What comments of the account itself are signed with."""
        return ""

    @route("GET", "/", browser=True)
    def home(self, request: Request) -> Response:
        rows = [doc for _, doc in self.all("native", deleted=False)]
        return self._show("latest posts", reversed(rows[-50:]))

    @route("GET", "/web/<network>/<place>/<id>", browser=True)
    def placed(self, request: Request, network: str, place: str, id: str) -> Response:
        return self.permalink(request, network, id)

    @route("GET", "/web/<network>/<id>", browser=True)
    def permalink(self, request: Request, network: str, id: str) -> Response:
        doc = self.get("native", id)
        if not doc or doc["deleted"] or doc["network"] != network:
            return pages.no_page(self)
        return self._show(f"a post on {self.NETWORKS[network].label}", [doc])

    def _show(self, title: str, natives: Iterable[Doc]) -> Response:
        return pages.posts_page(self, title, map(self._view, natives))

    def _view(self, native: Doc) -> pages.PostView:
        label = self.NETWORKS[native["network"]].label
        alts = [*native["alts"], *[""] * len(native["files"])]
        return pages.PostView(
            author=self.name_of(native["account"]),
            handle=f"on {label}, by {self.name}",
            text=native["text"],
            when=exact(native["created_at"]),
            url=native["url"],
            pictures=[
                pages.Picture(
                    f"{self.url}/web/files/{file['sha256']}", alt, file["kind"]
                )
                for file, alt in zip(native["files"], alts, strict=False)
            ],
            notes=[
                *filter(None, [native["note"]]),
                *(f"{name}: {value}" for name, value in native.get("said", {}).items()),
                *(f"Comment: {comment['text']}" for comment in native["comments"]),
            ],
        )

    def name_of(self, account: str) -> str:
        raise NotImplementedError

    # ------------------------------------------------------------ webhooks

    def tell(self, url: str, payload: Doc, headers: Mapping[str, str]) -> None:
        """What happened to an app. headers: of the vendor; the body is the JSON that
        `body_for` makes."""
        headers = {"Content-Type": "application/json", **headers}
        self.note_event("", url, body_for(payload).decode(), headers)
        self.tell_due()


def body_for(payload: Mapping[str, Any]) -> bytes:
    """The bytes that a signature is made over."""
    return json.dumps(payload).encode()

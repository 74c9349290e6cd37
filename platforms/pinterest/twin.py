"""Pinterest in the practice network, written from Pinterest's documentation.

Hosts below this twin's address: `/www` is www.pinterest.com (sign-in, and pages for
readers), `/api` api.pinterest.com, `/sandbox` api-sandbox.pinterest.com, `/upload` the
storage that takes videos. Each subject has a module of its own (`twin_*.py`).
Source: https://developers.pinterest.com/docs/api/v5/ (v5).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, ClassVar

from werkzeug.wrappers import Request, Response

from ..practice import pages
from ..practice.framework import Doc, route
from .twin_figures import Figures
from .twin_world import API, CONNECT_SCOPES, SANDBOX, SCOPES, exact

OPTIONS = {"scopes", "account_type", "sandbox", "boards"}


class PinterestTwin(Figures):
    slug: ClassVar[str] = "pinterest"
    name: ClassVar[str] = "Pinterest"

    # ------------------------------------------------------------ for the panel

    def add_account(self, handle: str, name: str, **options: Any) -> Doc:
        """options: scopes, account_type (PINNER or BUSINESS), sandbox (a token of a day
        for the sandbox), boards (names; [] for none). `extra` names the boards.

        What a handle cannot have (hyphen, dot, space) becomes an underscore. A handle
        that exists already gets one more pair of tokens.
        """
        if strange := set(options) - OPTIONS:
            raise ValueError(f"Pinterest does not take {', '.join(sorted(strange))}")
        scopes = [str(scope) for scope in options.get("scopes", CONNECT_SCOPES)]
        if wrong := set(scopes) - SCOPES.keys():
            raise ValueError(f"Pinterest has no permission {', '.join(sorted(wrong))}")
        kind = str(options.get("account_type", "BUSINESS"))
        if kind not in ("PINNER", "BUSINESS"):
            raise ValueError(f"Pinterest has PINNER and BUSINESS, not {kind!r}")
        place = SANDBOX if options.get("sandbox") else API
        username = re.sub(r"[-. ]", "_", handle.removeprefix("@"))
        known = self.get("username", username.lower())
        user = self.user(known["id"]) if known else self.add_user(username, name, kind)
        boards = self.boards_of(place, user["id"])
        if not boards:
            boards = [
                self.add_board(place, user["id"], str(title), "PUBLIC")
                for title in options.get("boards", ["Ideas"])
            ]
        answer = self.issue(place, user["id"], scopes, "authorization_code")
        is_sandbox = place == SANDBOX
        return {
            "external_id": user["id"],
            "handle": f"@{user['username']}",
            "name": user["name"],
            "kind": "user",
            "url": self.profile_url(user["username"]),
            "access_token": answer["access_token"],
            "refresh_token": "" if is_sandbox else answer["refresh_token"],
            "expires_in": answer["expires_in"],
            "refresh_expires_in": (
                None if is_sandbox else answer["refresh_token_expires_in"]
            ),
            "scopes": scopes,
            "extra": {
                "account_type": user["account_type"],
                "boards": [{"id": b["id"], "name": b["name"]} for b in boards],
            },
        }

    def posts(self) -> list[Doc]:
        """The Pins of production."""
        return [
            {
                "id": id,
                "account": pin["user"],
                "text": self._text_of(pin),
                "url": self.permalink(pin),
                "created_at": exact(pin["created_at"]),
                "arrived_at": pin["arrived_at"],
                "media": 1 if pin["video"] else len(pin["pictures"]),
                "alt_texts": [pin["alt"]],
                "media_kinds": (
                    ["video"] if pin["video"] else ["image"] * len(pin["pictures"])
                ),
                "media_sha256": self._hashes(pin),
                "thumbnail": pin["pictures"][0]["sha256"] if pin["video"] else "",
                "link": pin["link"],
                "marker": "",
                "choices": self._choices(pin),
                "sent_images": sum(bool(p.get("was_sent")) for p in pin["pictures"]),
            }
            for id, pin in self.all("pin", place=API, deleted=False)
            if self.board_is_there(pin["board"])
        ]

    def _text_of(self, pin: Doc) -> str:
        return "\n\n".join(filter(None, (pin["title"], pin["description"])))

    def _choices(self, pin: Doc) -> Doc:
        """What stands beside the Pin's own words, by the names of our choices."""
        found: Doc = {"dominant_color": pin["color"]}
        if pin["creative"] == "CAROUSEL":
            found |= {
                f"item_{name}s": [
                    picture.get(name) or "" for picture in pin["pictures"]
                ]
                for name in ("title", "description", "link")
            }
        return found

    def _hashes(self, pin: Doc) -> list[str]:
        if pin["video"]:
            return [(self.get("media", pin["video"]) or {})["facts"]["sha256"]]
        return [picture["sha256"] for picture in pin["pictures"]]

    def permalink(self, pin: Doc) -> str:
        return f"{self.url}/www/pin/{pin['id']}/"

    # ------------------------------------------------------------ for readers

    @route("GET", "/", browser=True)
    def home(self, request: Request) -> Response:
        newest = [pin for _, pin in self.all("pin", place=API, deleted=False)][-50:]
        return self._show("latest Pins", filter(self._is_public, reversed(newest)))

    @route("GET", "/www/<username>/", browser=True)
    def profile(self, request: Request, username: str) -> Response:
        user = self.user_named(username)
        if not user:
            return pages.no_page(self)
        pins = reversed(self.pins_of(API, user["id"])[-50:])
        return self._show(user["name"], filter(self._is_public, pins))

    @route("GET", "/www/pin/<id>/", browser=True)
    def permalink_page(self, request: Request, id: str) -> Response:
        """Also of the sandbox and of secret boards: whoever has the address may look."""
        pin = self.get("pin", id)
        if not pin or pin["deleted"] or not self.board_is_there(pin["board"]):
            return pages.no_page(self)
        return self._show("a Pin", [pin])

    def _is_public(self, pin: Doc) -> bool:
        board = self.get("board", pin["board"]) or {}
        return not board["deleted"] and board["privacy"] != "SECRET"

    def _show(self, title: str, pins: Iterable[Doc]) -> Response:
        return pages.posts_page(self, title, map(self._view, pins))

    def _view(self, pin: Doc) -> pages.PostView:
        user, board = self.user(pin["user"]), self.get("board", pin["board"]) or {}
        shown = [
            pages.Picture(self.file_url(picture["id"]), pin["alt"])
            for picture in pin["pictures"]
        ]
        if pin["video"]:
            shown = [pages.Picture(self.file_url(pin["video"]), pin["alt"], "video")]
        notes = [f"Board: {board['name']}"]
        if pin["place"] == SANDBOX:
            notes.append("In the sandbox")
        return pages.PostView(
            author=user["name"],
            handle=f"@{user['username']}",
            text=self._text_of(pin),
            when=exact(pin["created_at"]),
            url=self.permalink(pin),
            pictures=shown,
            link=(pin["link"], "") if pin["link"] else None,
            notes=notes,
        )

"""Who the account is, its boards and their sections.

Source: https://developers.pinterest.com/docs/api/v5/boards-list/ (v5).
"""

from __future__ import annotations

from typing import Any

from werkzeug.wrappers import Request, Response

from ..practice.framework import Doc, route
from .twin_calls import Caller, Refused, invalid
from .twin_login import PLACE, PinterestLogin

#: Lists go back so far.
LISTED = 1_000
PRIVACIES = ("PUBLIC", "PROTECTED", "SECRET")
#: what `privacy` of a list lets through
FILTERS = {
    "ALL": PRIVACIES,
    "PUBLIC": ("PUBLIC",),
    "PROTECTED": ("PROTECTED",),
    "SECRET": ("SECRET",),
    "PUBLIC_AND_SECRET": ("PUBLIC", "SECRET"),
}


class Boards(PinterestLogin):
    @route("GET", f"{PLACE}/user_account", call="GET /user_account")
    def user_account(self, request: Request, place: str) -> Response:
        return self.api(request, place, "GET /user_account", self._account)

    def _account(self, caller: Caller) -> Doc:
        user = caller.user
        boards = self.boards_of(caller.place, caller.id)
        pins = self.world.count(self.slug, f"pins of {caller.id} {caller.place}")
        is_business = user["account_type"] == "BUSINESS"
        return {
            "id": user["id"],
            "username": user["username"],
            "account_type": user["account_type"],
            "business_name": user["name"] if is_business else None,
            "profile_image": f"{self.url}/www/{user['username']}/picture",
            "website_url": "https://acme.example" if is_business else None,
            "about": "Practice only",
            "board_count": len(boards),
            "pin_count": pins,
            "follower_count": user["followers"],
            "following_count": 17,
            "monthly_views": self.setting("impressions") * pins,
        }

    def pins_of(self, place: str, user: str) -> list[Doc]:
        """Pins that are there, oldest first; of many the newest."""
        rows = self.world.page(self.slug, f"pins of {user} {place}", LISTED)
        docs = [self.get("pin", id) for id, _ in reversed(rows)]
        return [doc for doc in docs if doc and self.board_is_there(doc["board"])]

    def board_is_there(self, id: str) -> bool:
        board = self.get("board", id)
        return bool(board and not board["deleted"])

    # ------------------------------------------------------------ boards

    def board(self, caller: Caller, id: str, *, scope: str) -> Doc:
        """The caller's board; scope: what a secret one needs."""
        if not id.isdecimal():
            raise invalid(f"{id!r} does not match '^\\\\d+$'")
        board = self.get("board", id)
        if not board or board["deleted"] or board["place"] != caller.place:
            raise Refused(404, 40, "Board not found.")
        is_own, is_secret = board["user"] == caller.id, board["privacy"] == "SECRET"
        if not is_own and is_secret:
            raise Refused(404, 40, "Board not found.")
        if not is_own:
            raise Refused(401, 7, "You are not authorized to access this board.")
        if is_secret:
            self.need(caller, scope)
        return board

    @route("GET", f"{PLACE}/boards", call="GET /boards")
    def boards(self, request: Request, place: str) -> Response:
        def work(caller: Caller) -> Doc:
            privacy = request.args.get("privacy", "ALL")
            if privacy not in FILTERS:
                raise invalid(f"{privacy!r} is not one of {list(FILTERS)}")
            shown = [
                board
                for board in self.boards_of(place, caller.id)
                if board["privacy"] in FILTERS[privacy]
                and (board["privacy"] != "SECRET" or caller.has("boards:read_secret"))
            ]
            pins = self.pins_of(place, caller.id)
            return self.listed(request, shown, lambda b: self.board_shown(b, pins))

        return self.api(request, place, "GET /boards", work)

    def board_shown(self, board: Doc, pins: list[Doc]) -> Doc:
        """pins: of the account, oldest first."""
        pins = [pin for pin in pins if pin["board"] == board["id"]]
        covers = [self.file_url(pin["pictures"][0]["id"]) for pin in pins]
        changed = max([board["created_at"], *(pin["created_at"] for pin in pins)])
        return {
            "id": board["id"],
            "name": board["name"],
            "description": board["description"],
            "privacy": board["privacy"],
            "owner": {"username": self.user(board["user"])["username"]},
            "created_at": self.stamp(board["created_at"]),
            "board_pins_modified_at": self.stamp(changed),
            "pin_count": len(pins),
            "follower_count": 7,
            "collaborator_count": 0,
            "media": {
                "image_cover_url": covers[-1] if covers else None,
                "pin_thumbnail_urls": covers[-5:],
            },
            "is_ads_only": False,
        }

    def file_url(self, id: str) -> str:
        return f"{self.url}/www/files/{id}"

    @route("POST", f"{PLACE}/boards", call="POST /boards")
    def create_board(self, request: Request, place: str) -> Response:
        def work(caller: Caller) -> Response:
            body = self.body(request)
            name, privacy = _name(body), body.get("privacy", "PUBLIC")
            description = body.get("description") or ""
            if privacy not in PRIVACIES:
                raise invalid(f"{privacy!r} is not one of {list(PRIVACIES)}")
            if not isinstance(description, str):
                raise invalid(f"{description!r} is not of type 'string'")
            if privacy == "SECRET":
                self.need(caller, "boards:write_secret")
            names = [board["name"] for board in self.boards_of(place, caller.id)]
            if name.casefold() in map(str.casefold, names):
                text = "You already have a board with this name."
                raise Refused(400, 58, text)
            board = self.add_board(place, caller.id, name, privacy, description)
            return self.json(self.board_shown(board, []), 201)

        return self.api(request, place, "POST /boards", work)

    # ------------------------------------------------------------ sections

    @route("GET", f"{PLACE}/boards/<id>/sections", call="GET /boards/:id/sections")
    def sections(self, request: Request, place: str, id: str) -> Response:
        def work(caller: Caller) -> Doc:
            board = self.board(caller, id, scope="boards:read_secret")
            rows = [doc for _, doc in self.all("section", board=board["id"])]
            return self.listed(request, rows, _section_shown)

        return self.api(request, place, "GET /boards/:id/sections", work)

    @route("POST", f"{PLACE}/boards/<id>/sections", call="POST /boards/:id/sections")
    def create_section(self, request: Request, place: str, id: str) -> Response:
        def work(caller: Caller) -> Response:
            board = self.board(caller, id, scope="boards:write_secret")
            name = _name(self.body(request))
            if self.all("section", board=board["id"], name=name):
                text = "A section with this name exists on the board."
                raise Refused(409, 409, text)
            section = {
                "id": self.next_id(549_755_995_001),
                "board": board["id"],
                "name": name,
            }
            self.put("section", section["id"], section)
            return self.json(_section_shown(section), 201)

        return self.api(request, place, "POST /boards/:id/sections", work)


def _name(body: Doc) -> str:
    name: Any = body.get("name")
    if name is None:
        raise invalid("'name' is a required property")
    if not isinstance(name, str) or not 1 <= len(name.strip()) <= 180:
        raise invalid(f"{name!r} is not a name")
    return name.strip()


def _section_shown(section: Doc) -> Doc:
    return {"id": section["id"], "name": section["name"]}

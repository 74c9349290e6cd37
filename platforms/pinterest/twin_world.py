"""Who and what there is on Pinterest in the practice network, and what can be switched.

Production and sandbox are two places: tokens, boards and pins of one are unknown in the
other.
Source: https://developers.pinterest.com/docs/dev-tools/sandbox/ (v5).
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime

from ..practice.framework import Doc, iso
from ..practice.switches import Switch, SwitchedTwin

APP_ID = "1490001"
APP_SECRET = "practice-pinterest-secret"
DAY_S = 24 * 3600
#: the part of a path that names the place
API, SANDBOX = "api", "sandbox"

SCOPES = {
    "user_accounts:read": "see your profile and your figures",
    "user_accounts:write": "follow and unfollow for you",
    "boards:read": "see your public boards",
    "boards:write": "create and change your boards",
    "boards:read_secret": "see your secret boards",
    "boards:write_secret": "create and change your secret boards",
    "pins:read": "see your Pins and their figures",
    "pins:write": "create and delete your Pins",
    "pins:read_secret": "see your secret Pins",
    "pins:write_secret": "create and delete your secret Pins",
}
CONNECT_SCOPES = (
    *("boards:read", "boards:write", "pins:read", "pins:write"),
    "user_accounts:read",
)

_LOGIN = (
    Switch("tier", "Access of the app", "standard", ("standard", "trial", "none")),
    Switch("app_state", "State of the app", "active", ("active", "deactivated")),
    Switch("code_life_s", "Life of a sign-in code (seconds)", 600),
    Switch("access_life_s", "Life of an access token (seconds)", 30 * DAY_S),
    Switch("refresh_life_s", "Life of a refresh token (seconds)", 60 * DAY_S),
    Switch("sandbox_life_s", "Life of a sandbox token (seconds)", DAY_S),
    Switch("old_app", "The app is older than 25 September 2025", False),
    Switch("refresh_ends_old", "A refresh ends the old refresh token", True),
    Switch("refresh_ends_access", "A refresh ends the old access token", False),
    Switch("dead_refresh", "Answer to a dead refresh token", 400, ("400", "401")),
    Switch("password_change_ends_tokens", "A new password ends tokens", True),
)
_CALLS = (
    Switch(
        "missing_scope",
        "Answer to a missing permission",
        "401/3",
        ("401/3", "403/29"),
    ),
    Switch("old_bodies", 'Errors carry "status": "failure" too', False),
    Switch("limit_headers", "Answers tell what is left of a limit", True),
    Switch("limits", 'Other limits, as {"org_write": 5}', {}),
    Switch("pins_per_day", "Pins of one person in 24 hours (against spam)", None),
    Switch("spam_block", "Pins are blocked as spam", False),
)
_PINS = (
    Switch("image_mb", "Largest picture (MB)", 10),
    Switch("fetch_fails", "So many next pictures cannot be fetched", 0),
    Switch(
        "believe_the_address", "Do not fetch pictures, believe their address", False
    ),
    Switch("list_delay_s", "Lists show a new Pin after (seconds)", 0),
    Switch(
        "list_order", "Lists of Pins begin with the", "newest", ("newest", "oldest")
    ),
    Switch("normalise_link", "Links come back normalised", False),
    Switch("upload_life_s", "An upload may begin for (seconds)", 3600),
    Switch("video_processing_s", "Processing of a video (seconds)", 5),
    Switch("video_polls", "Or so many looks until it is ready (empty: time)", None),
    Switch(
        "processing_ends",
        "Processing of a video ends",
        "by_content",
        ("by_content", "failed", "never"),
    ),
    Switch("media_reuse", "One video may serve several Pins", True),
    Switch("impressions", "Impressions that every Pin gets on its first day", 120),
)


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def exact(at: float) -> str:
    return iso(datetime.fromtimestamp(at, UTC))


class PinterestWorld(SwitchedTwin):
    SWITCHES = (*_LOGIN, *_CALLS, *_PINS)

    def time(self) -> float:
        return self.world.now().timestamp()

    def stamp(self, at: float) -> str:
        """Whole seconds of UTC, without a zone."""
        return exact(at)[:19]

    def next_id(self, first: int) -> str:
        """A number of one length that grows with each one made; odd if `first` is."""
        made = (self.get("counter", str(first)) or {"made": 0})["made"]
        self.put("counter", str(first), {"made": made + 1})
        return str(first + 2 * made)

    def seed(self) -> None:
        if self.get("app", APP_ID):
            return
        app = {"id": APP_ID, "name": "SocialHub", "secret": APP_SECRET}
        self.put("app", APP_ID, {**app, "redirect_uris": []})
        garden = self.add_user("acmegarden", "Acme Garden", "BUSINESS")
        for place in (API, SANDBOX):
            for name, privacy in (
                ("Spring", "PUBLIC"),
                ("Recipes", "PUBLIC"),
                ("Drafts", "SECRET"),
            ):
                self.add_board(place, garden["id"], name, privacy)
        ana = self.add_user("anaplants", "Ana Plants", "PINNER")
        self.add_board(API, ana["id"], "Balcony", "PUBLIC")
        self.add_user("newpinner", "New Pinner", "PINNER")

    def add_user(self, username: str, name: str, account_type: str) -> Doc:
        if not re.fullmatch(r"[A-Za-z0-9_]{3,30}", username):
            raise ValueError(
                f"Pinterest takes 3 to 30 letters, digits or _, not {username!r}"
            )
        id = self.next_id(549_755_885_175)
        user: Doc = {
            "id": id,
            "username": username,
            "name": name,
            "account_type": account_type,
            "followers": 905,
            "deactivated": False,
            "spam": False,
        }
        self.put("user", id, user)
        self.put("username", username.lower(), {"id": id})
        return user

    def add_board(
        self, place: str, user: str, name: str, privacy: str, description: str = ""
    ) -> Doc:
        id = self.next_id(549_755_985_001)
        board: Doc = {
            "id": id,
            "place": place,
            "user": user,
            "name": name,
            "privacy": privacy,
            "description": description,
            "created_at": self.time(),
            "deleted": False,
        }
        self.put("board", id, board)
        return board

    def user(self, id: str) -> Doc:
        """Somebody who is known to be there."""
        found = self.get("user", id)
        assert found is not None, id
        return found

    def user_named(self, name: str) -> Doc | None:
        """By id or by username, with or without @."""
        known = self.get("username", name.removeprefix("@").lower())
        return self.get("user", known["id"] if known else name)

    def boards_of(self, place: str, user: str) -> list[Doc]:
        rows = self.all("board", place=place, user=user, deleted=False)
        return [board for _, board in rows]

    def profile_url(self, username: str) -> str:
        return f"{self.url}/www/{username}/"

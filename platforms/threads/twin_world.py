"""Who there is on Threads in the practice network, and what of it can be switched.

Source: https://developers.facebook.com/documentation/threads/overview (v1.0).
"""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime

from ..practice.framework import Doc, iso
from ..practice.switches import Switch, SwitchedTwin
from ..practice.telling import order_switch

#: Of Threads itself: the Meta app that it belongs to has other numbers.
APP_ID = "1122334455667788"
APP_SECRET = "practice-threads-secret"
DAY_S = 24 * 3600
#: Profiles have numbers beyond 2^53, odd ones, so that a float cannot hold them.
FIRST_USER = 17_841_400_000_000_009

SCOPES = {
    "threads_basic": "see your profile and your posts",
    "threads_content_publish": "post for you",
    "threads_read_replies": "read the replies to your posts",
    "threads_manage_replies": "reply for you, and hide replies",
    "threads_manage_insights": "see your figures",
    "threads_delete": "delete your posts",
    "threads_manage_mentions": "see who mentions you",
    "threads_keyword_search": "search posts",
    "threads_location_tagging": "tag places",
    "threads_profile_discovery": "look up public profiles",
    "threads_share_to_instagram": "share your posts to Instagram",
}

_LOGIN = (
    Switch("app_state", "State of the app", "active", ("active", "disabled")),
    Switch("code_life_s", "Life of a sign-in code (seconds)", 3600),
    Switch("short_life_s", "Life of a short token (seconds)", 3600),
    Switch("long_life_s", "Life of a long token (seconds)", 5_183_944),
    Switch("omit_expires_in", "Leave expires_in out of token answers", False),
    Switch("user_id_as", "user_id in a code's answer", "number", ("number", "text")),
    Switch("too_young_code", "Code for a refresh within 24 h", 100, ("100", "190")),
    Switch("refresh_ends_old", "A refresh ends the old token", False),
    Switch("private_refresh", "Tokens of private profiles can be refreshed", True),
    Switch("grant_days", "A permission grant lasts (days)", 90),
    Switch("login_renews_grant", "A sign-in renews the permission grant", True),
    Switch("deauthorize_url", "Address that learns of a removed app", ""),
    Switch("data_deletion_url", "Address that learns of data to delete", ""),
    Switch("webhook_url", "Address that learns of replies", ""),
    order_switch("webhook_order"),
)
_CALLS = (
    Switch("status_190", "Status of a dead token", 400, ("400", "401")),
    Switch("missing_scope_code", "Code for a missing permission", 10, ("10", "200")),
    Switch("status_throttled", "Status of too many calls", 400, ("400", "403", "429")),
    Switch("calls", "Calls of one profile in 24 hours", 48_000),
    Switch("full_code", "Code when they are used up", 4, ("4", "17", "32", "613")),
    Switch(
        "throttle",
        "Refuse as too many calls now",
        "no",
        ("no", "4", "17", "32", "613"),
    ),
    Switch("regain_minutes", "Minutes until a full profile is free", 12),
    Switch("json_drops_optional", "JSON bodies lose optional parameters", True),
)
_POSTS = (
    Switch("quota_total", "Posts of one profile in 24 hours", 250),
    Switch("reply_quota_total", "Replies of one profile in 24 hours", 1000),
    Switch("delete_quota_total", "Deletions of one profile in 24 hours", 100),
    Switch("text_polls", "So many looks see a text still at work", 0),
    Switch("image_polls", "So many looks see a picture still at work", 1),
    Switch("video_polls", "So many looks see a video still at work", 2),
    Switch("processing_s", "All is ready at the latest after (seconds)", 30),
    Switch("processing_ends", "Processing ends", "by_content", ("by_content", "never")),
    Switch("processing_error", "Media end in ERROR with (empty: by content)", ""),
    Switch("propagation_s", "A new container is unknown for (seconds)", 0),
    Switch("first_publish_not_found", "The first publish is always too early", False),
    Switch("moov_first", "Videos whose index is at their end are refused", False),
    Switch(
        "unreachable_image",
        "A picture that cannot be fetched is refused",
        "at_create",
        ("at_create", "in_status"),
    ),
    Switch("fetch_fails", "So many next files cannot be fetched", 0),
    Switch("believe_the_address", "Do not fetch files, believe their address", False),
    Switch("list_delay_s", "Lists show a new post after (seconds)", 0),
    Switch("period_required", "Views of a profile want period=day", False),
    Switch("impressions", "Views that every new post has", 120),
)
SWITCHES = (*_LOGIN, *_CALLS, *_POSTS)


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def exact(at: float) -> str:
    return iso(datetime.fromtimestamp(at, UTC))


class ThreadsWorld(SwitchedTwin):
    """Profiles, each of one person, and the counters of numbers."""

    SWITCHES = SWITCHES

    def time(self) -> float:
        return self.world.now().timestamp()

    def stamp(self, at: float) -> str:
        return exact(at)[:19] + "+0000"

    def next_id(self, first: int) -> str:
        """A number of one length that grows with each one made."""
        made = (self.get("counter", str(first)) or {"made": 0})["made"] + 1
        self.put("counter", str(first), {"made": made})
        return str(first + made)

    def seed(self) -> None:
        if self.get("app", APP_ID):
            return
        app = {"id": APP_ID, "name": "SocialHub", "secret": APP_SECRET}
        self.put("app", APP_ID, {**app, "redirect_uris": []})
        self.add_user("acmebakery", "Acme Bakery")
        self.add_user("acmetools", "Acme Tools")
        self.add_user("anabakes", "Ana Bakes")
        self.add_user("quietbaker", "The Quiet Baker", is_private=True)

    def add_user(self, username: str, name: str, *, is_private: bool = False) -> Doc:
        if not re.fullmatch(r"[A-Za-z0-9._]{1,30}", username):
            raise ValueError(
                f"Threads takes 1 to 30 letters, digits, . or _, not {username!r}"
            )
        made = self.world.count(self.slug, "user")
        id = str(FIRST_USER + 2 * made)
        user: Doc = {
            "id": id,
            "username": username,
            "name": name,
            "is_private": is_private,
            "is_verified": False,
            "followers": 1_200,
            "restricted": "",
            "password_no": 0,
            "checkpoint": False,
        }
        self.put("user", id, user)
        self.put("username", username.lower(), {"id": id})
        return user

    def user(self, id: str) -> Doc:
        """A profile that is known to be there."""
        found = self.get("user", id)
        assert found is not None, id
        return found

    def user_named(self, name: str) -> Doc | None:
        """By id or by username, with or without @."""
        known = self.get("username", name.removeprefix("@").lower())
        return self.get("user", known["id"] if known else name)

    def profile_url(self, username: str) -> str:
        return f"{self.url}/www/@{username}"

"""X in the practice network, written from X's documentation and never from our client.

The order of checks on a call: token, app, credits, rate, schema, scope and account,
media, text and duplicates, create. What X does not document is a switch: a document
of kind "setting" whose default stands in `SWITCHES`.
Sources: https://docs.x.com/x-api/fundamentals/response-codes-and-errors,
https://docs.x.com/x-api/fundamentals/rate-limits,
https://docs.x.com/fundamentals/authentication/oauth-2-0/authorization-code.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
import string
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, ClassVar
from urllib.parse import urlencode, urlsplit

from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from ..practice import pages
from ..practice.framework import (
    Doc,
    Person,
    Refusal,
    Token,
    arrived_at,
    iso,
    route,
)
from ..practice.moving import KEPT_BYTES
from ..practice.switches import Switch
from . import twin_text
from .twin_calls import (
    DAY,
    ENDPOINTS,
    EPOCH_MS,
    ID,
    PREMIUM_PLANS,
    QUARTER,
    Caller,
    Refused,
    digest,
    forbidden,
    invalid,
    sent_json,
)
from .twin_media import KINDS, MEDIA_SWITCHES, Media

CLIENT_ID = "practice-x"
CLIENT_SECRET = "practice-x-secret"

SWITCHES = (
    Switch("field_names", "Field names", "old", ("old", "new")),
    Switch("app_state", "State of the app", "active", ("active", "suspended")),
    Switch("code_life_s", "Life of a code (seconds)", 30),
    Switch("access_life_s", "Life of an access token (seconds)", 7200),
    Switch("refresh_life_s", "Life of a refresh token (seconds)", 180 * 86400),
    Switch("refresh_reuse_kills_family", "A used refresh token ends all", True),
    Switch("old_access_survives_refresh", "Old access token outlives a refresh", True),
    Switch("password_change_ends_tokens", "A new password ends tokens", True),
    Switch(
        "credits_milli_usd", "Credits (thousandths of a dollar; empty: endless)", None
    ),
    Switch(
        "credits_body",
        "Answer without credits",
        "CreditsDepleted",
        ("CreditsDepleted", "credits-depleted"),
    ),
    Switch(
        "rate_limit_body",
        "Answer over a limit",
        "plain",
        ("plain", "code_88", "simulator", "usage_capped"),
    ),
    Switch("limits", 'Other limits, as {"POST /2/tweets user": 5}', {}),
    Switch("user_posts_per_day", "Posts per user and day (old plans)", None),
    Switch("posts_per_3_hours", "Posts per user and 3 hours", None),
    Switch("duplicate_window_s", "Same text counts as duplicate for (seconds)", 86400),
    Switch(
        "too_long_status", "Status for a text that is too long", 403, ("403", "400")
    ),
    Switch("visible_after_s", "The timeline shows a post after (seconds)", 0),
    Switch(
        "delete_unknown_status", "Status for deleting what is gone", 404, ("404", "200")
    ),
    Switch("blocked_hosts", "Hosts that X blocks", ["blocked.example"]),
    *MEDIA_SWITCHES,
)

SCOPES = {
    "tweet.read": "read posts",
    "tweet.write": "create and delete posts",
    "tweet.moderate.write": "hide and show replies",
    "users.read": "read profiles",
    "users.email": "read your email address",
    "media.write": "upload pictures and video",
    "offline.access": "stay signed in until you remove the app",
    "follows.read": "read whom you follow",
    "like.read": "read your likes",
}
CONNECT_SCOPES = (
    "tweet.read",
    "tweet.write",
    "users.read",
    "media.write",
    "offline.access",
)

EDIT_WINDOW_S = 3600
MAX_EDITS = 5
LIMIT = 280
PREMIUM_LIMIT = 25_000


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


TWEET_FIELDS = words(
    "article attachments author_id card_uri community_id context_annotations "
    "conversation_id created_at display_text_range edit_controls "
    "edit_history_tweet_ids entities geo id in_reply_to_user_id lang "
    "non_public_metrics note_tweet organic_metrics possibly_sensitive "
    "promoted_metrics public_metrics referenced_tweets reply_settings source text "
    "withheld"
)
USER_FIELDS = words(
    "affiliation created_at description entities id location most_recent_tweet_id "
    "name pinned_tweet_id profile_banner_url profile_image_url protected "
    "public_metrics subscription_type url username verified verified_type withheld"
)
MEDIA_FIELDS = words(
    "alt_text duration_ms height media_key non_public_metrics organic_metrics "
    "preview_image_url public_metrics type url variants width"
)
TWEET_EXPANSIONS = words(
    "attachments.media_keys author_id referenced_tweets.id in_reply_to_user_id"
)
TWEET_READS = frozenset({"tweet.fields", "expansions", "media.fields", "user.fields"})

CREATE_KEYS = words(
    "text media reply quote_tweet_id poll reply_settings made_with_ai "
    "paid_partnership community_id share_with_followers edit_options geo nullcast "
    "for_super_followers_only card_uri direct_message_deep_link"
)
CREATE_PARTS = {
    "media": words(
        "media_ids tagged_user_ids title description embeddable preview_media_id "
        "call_to_actions"
    ),
    "reply": words(
        "in_reply_to_tweet_id exclude_reply_user_ids auto_populate_reply_metadata"
    ),
    "poll": frozenset({"options", "duration_minutes", "reply_settings"}),
    "edit_options": frozenset({"previous_post_id"}),
    "geo": frozenset({"place_id"}),
}
CREATE_FLAGS = (
    "made_with_ai",
    "paid_partnership",
    "share_with_followers",
    "nullcast",
    "for_super_followers_only",
)
REPLY_SETTINGS = ("following", "mentionedUsers", "subscribers", "verified")

PERMISSION_TEXT = "You are not permitted to perform this action."
REPLY_TEXT = (
    "Reply to this conversation is not allowed because you have not been mentioned or "
    "otherwise engaged by the author of the post you are replying to."
)
BAD_CODE = "Value passed for the authorization code was invalid."
BAD_REFRESH = "Value passed for the token was invalid."


@dataclass
class Reading:
    """What a read wants besides the defaults, in the old names."""

    tweet: frozenset[str] = frozenset()
    user: frozenset[str] = frozenset()
    media: frozenset[str] = frozenset()
    expansions: frozenset[str] = frozenset()
    tweets: dict[str, Doc] = field(default_factory=dict)
    users: dict[str, Doc] = field(default_factory=dict)
    pictures: dict[str, Doc] = field(default_factory=dict)
    errors: list[Doc] = field(default_factory=list)


def x_time(ms: int) -> str:
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{ms % 1000:03d}Z"


def exact(at: float) -> str:
    return iso(datetime.fromtimestamp(at, UTC))


class XTwin(Media):
    slug: ClassVar[str] = "x"
    name: ClassVar[str] = "X"
    endings = (
        ("expire", "Let the access token expire"),
        ("revoke", "Remove the app"),
        ("password_changed", "Password changed"),
        ("suspend", "Suspend the account"),
        ("restore", "Undo"),
    )
    SWITCHES = SWITCHES

    # ------------------------------------------------------------ world

    def seed(self) -> None:
        if self.get("app", CLIENT_ID):
            return
        self.put(
            "app",
            CLIENT_ID,
            {"name": "SocialHub", "secret": CLIENT_SECRET, "redirect_uris": []},
        )
        self._add_user("1234500001", "acmetools", "Acme Tools", "Premium")
        self._add_user("1234500002", "anabakes", "Ana Bakes", "None")

    def _add_user(self, id: str, username: str, name: str, plan: str) -> Doc:
        user = {
            "id": id,
            "username": username,
            "name": name,
            "created_at": "2019-03-02T09:00:00.000Z",
            "subscription_type": plan,
            "protected": False,
            "suspended": False,
            "most_recent": None,
            "count": 0,
        }
        self.put("user", id, user)
        self.put("handle", username.lower(), {"user": id})
        return user

    def people(self) -> list[Person]:
        return [
            Person(
                id,
                user["name"],
                f"@{user['username']}",
                "" if user["subscription_type"] == "None" else "Premium",
            )
            for id, user in self.all("user")
        ]

    def add_account(self, handle: str, name: str, **options: Any) -> Doc:
        """options: subscription_type (None, Basic, Premium, PremiumPlus), scopes.

        What a handle cannot have (hyphen, dot, space) becomes an underscore.
        A handle that exists already gets one more pair of tokens.
        """
        username = re.sub(r"[-. ]", "_", handle.removeprefix("@"))
        if not re.fullmatch(r"\w{1,15}", username, re.ASCII):
            raise ValueError(f"X takes 1 to 15 letters, digits or _, not {handle!r}")
        plan = str(options.get("subscription_type", "None"))
        if plan not in ("None", *PREMIUM_PLANS):
            raise ValueError(f"X has no plan {plan!r}")
        known = self.get("handle", username.lower())
        if known:
            user = self.get("user", known["user"])
            assert user is not None
        else:
            user = self._add_user(self._next_user_id(), username, name, plan)
        scopes = [str(scope) for scope in options.get("scopes", CONNECT_SCOPES)]
        answer = self._issue(user["id"], scopes, self._grant())
        return {
            "external_id": user["id"],
            "handle": f"@{user['username']}",
            "name": user["name"],
            "kind": "user",
            "url": f"{self.web}/{user['username']}",
            "access_token": answer["access_token"],
            "refresh_token": answer.get("refresh_token", ""),
            "expires_in": answer["expires_in"],
            "refresh_expires_in": (
                self.setting("refresh_life_s") if "refresh_token" in answer else None
            ),
            "scopes": scopes,
            "extra": {
                "subscription_type": user["subscription_type"],
                "protected": user["protected"],
            },
        }

    def _next_user_id(self) -> str:
        return str(max(int(id) for id, _ in self.all("user")) + 1)

    def account_of(self, request: Request) -> str:
        header = request.headers.get("Authorization", "")
        secret = header.partition(" ")[2]
        if "refresh_token" in request.form:
            secret = request.form["refresh_token"]
        token = self.get("token", digest(secret))
        return str(token["user"]) if token else ""

    def not_found(self, request: Request) -> Response:
        return self._problem(
            Refused(
                404,
                "Not Found Error",
                f"Could not find the path [{request.path}].",
                "resource-not-found",
            )
        )

    def app_credentials(self) -> tuple[str, str]:
        app = self.get("app", CLIENT_ID)
        return CLIENT_ID, app["secret"] if app else ""

    # ------------------------------------------------------------ tokens

    def _grant(self) -> str:
        return secrets.token_hex(8)

    def _issue(self, user: str, scopes: list[str], grant: str) -> Doc:
        """A new pair (or single token) of one grant, as the token endpoint answers."""
        now = self.time()
        access = Token("practice-x", 48).made
        life = self.setting("access_life_s")
        common = {
            "grant": grant,
            "user": user,
            "client": CLIENT_ID,
            "scopes": scopes,
            "issued_at": now,
            "state": "live",
        }
        answer: Doc = {
            "token_type": "bearer",
            "expires_in": life,
            "access_token": access,
            "scope": " ".join(scopes),
        }
        if "offline.access" in scopes:
            refresh = Token("practice-x-refresh", 48).made
            self.put(
                "token",
                digest(refresh),
                {
                    **common,
                    "kind": "refresh",
                    "expires_at": now + self.setting("refresh_life_s"),
                },
            )
            answer["refresh_token"] = refresh
        self.put(
            "token",
            digest(access),
            {**common, "kind": "access", "expires_at": now + life},
        )
        return answer

    def tokens(self) -> list[Doc]:
        names = {id: user["name"] for id, user in self.all("user")}
        return [
            {
                "id": id[:12],
                "account": token["user"],
                "person": names.get(token["user"], token["user"]),
                "kind": token["kind"],
                "state": self._state(token),
                "issued_at": exact(token["issued_at"]),
                "expires_at": exact(token["expires_at"]),
                "scopes": token["scopes"],
            }
            for id, token in self.all("token")
        ]

    def end_tokens(self, account: str, how: str) -> int:
        """`restore` takes back everything that was done here to the account."""
        user = self._find_user(account)
        kind, _, scope = how.partition(":")
        every = self.all("token", user=user["id"])
        live = [(id, token) for id, token in every if self._state(token) == "live"]
        if kind == "restore":
            self.put("user", user["id"], {**user, "suspended": False})
            ended = [(id, token) for id, token in every if "before" in token]
            for id, token in ended:
                before = token.pop("before")
                self.put("token", id, {**token, **before})
            return len(ended) or (len(live) if user["suspended"] else 0)
        if kind == "suspend":
            self.put("user", user["id"], {**user, "suspended": True})
            return len(live)
        if kind == "expire":
            chosen = [(id, token) for id, token in live if token["kind"] == "access"]
            change: Doc = {"expires_at": self.time()}
        elif kind == "revoke":
            chosen, change = live, {"state": "revoked"}
        elif kind == "password_changed":
            ends = self.setting("password_change_ends_tokens")
            chosen, change = (live if ends else []), {"state": "revoked"}
        elif kind == "scope_lost" and scope in SCOPES:
            chosen = [(id, token) for id, token in live if scope in token["scopes"]]
            change = {}
        else:
            raise ValueError(f"X cannot end tokens by {how!r}")
        for id, token in chosen:
            before = {
                name: token[name] for name in ("expires_at", "state", "scopes")
            } | token.get("before", {})
            if kind == "scope_lost":
                change = {"scopes": [name for name in token["scopes"] if name != scope]}
            self.put("token", id, {**token, **change, "before": before})
        return len(chosen)

    def _find_user(self, account: str) -> Doc:
        known = self.get("handle", account.removeprefix("@").lower())
        user = self.get("user", known["user"] if known else account)
        if not user:
            raise ValueError(f"X has no account {account!r}")
        return user

    # ------------------------------------------------------------ sign-in

    @route("GET", "/web/i/oauth2/authorize", browser=True)
    def authorize(self, request: Request) -> Response:
        asked = request.args
        problem = self._authorize_problem(asked)
        if problem:
            return pages.error_page(self, "something went wrong", problem)
        names = (
            "response_type",
            "client_id",
            "redirect_uri",
            "state",
            "code_challenge",
            "code_challenge_method",
        )
        wanted = asked["scope"].split()
        app = self.get("app", asked["client_id"])
        assert app is not None
        return pages.consent_page(
            self,
            app["name"],
            hidden=[
                *((name, asked[name]) for name in names),
                ("asked", asked["scope"]),
            ],
            people=self.people(),
            scopes=[(name, SCOPES[name]) for name in wanted],
            may_untick=True,
            note="The real X has no ticks here: it grants all or nothing.",
        )

    @route("POST", "/web/i/oauth2/authorize", browser=True)
    def consent(self, request: Request) -> Response:
        form = dict(request.form)
        form["scope"] = form.get("asked", "")
        problem = self._authorize_problem(form)
        if problem:
            return pages.error_page(self, "something went wrong", problem)
        state = form["state"]
        if form.get("decision") != "allow":
            return self._back(
                form["redirect_uri"], {"error": "access_denied", "state": state}
            )
        if not self.get("user", form.get("person", "")):
            return pages.error_page(
                self, "something went wrong", "Choose who signs in."
            )
        ticked = set(request.form.getlist("scope"))
        code = Token("practice-x-code", 32).made
        self.put(
            "code",
            digest(code),
            {
                "user": form["person"],
                "client": form["client_id"],
                "redirect_uri": form["redirect_uri"],
                "challenge": form["code_challenge"],
                "method": form["code_challenge_method"],
                "scopes": [name for name in form["asked"].split() if name in ticked],
                "expires_at": self.time() + self.setting("code_life_s"),
                "used": False,
            },
        )
        return self._back(form["redirect_uri"], {"state": state, "code": code})

    def _authorize_problem(self, asked: Mapping[str, str]) -> str:
        """What X's page would say instead of asking; "" when all is well."""
        app = self.get("app", asked.get("client_id", ""))
        if not app:
            return "The client_id is not known."
        if not self._may_return_to(asked.get("redirect_uri", ""), app):
            return "The redirect_uri is not one of the app's callback URLs."
        if asked.get("response_type") != "code":
            return "The response_type must be code."
        if not 1 <= len(asked.get("state", "")) <= 500:
            return "A state of at most 500 characters is needed."
        if not asked.get("code_challenge"):
            return "A code_challenge is needed."
        if asked.get("code_challenge_method") not in ("S256", "plain"):
            return "The code_challenge_method must be S256 or plain."
        wanted = asked.get("scope", "").split()
        if not wanted or not set(wanted) <= SCOPES.keys():
            return "The scope is missing or names something that X has not."
        return ""

    def _may_return_to(self, address: str, app: Doc) -> bool:
        """Registered exactly, or a loopback address of the machine that practises."""
        if address in app["redirect_uris"]:
            return True
        try:
            parts = urlsplit(address)
        except ValueError:
            return False
        is_loopback = parts.hostname in ("localhost", "127.0.0.1", "::1")
        return parts.scheme in ("http", "https") and is_loopback

    def _back(self, address: str, answer: Mapping[str, str]) -> Response:
        joint = "&" if urlsplit(address).query else "?"
        return redirect(f"{address}{joint}{urlencode(answer)}", 302)

    @route("POST", "/2/oauth2/token")
    def token(self, request: Request) -> Response:
        refused = self._client_refused(request)
        if refused:
            return refused
        grant_type = request.form.get("grant_type")
        if grant_type == "authorization_code":
            return self._exchange(request.form)
        if grant_type == "refresh_token":
            return self._refresh(request.form)
        return self._oauth_error(400, "unsupported_grant_type")

    @route("POST", "/2/oauth2/revoke")
    def revoke(self, request: Request) -> Response:
        refused = self._client_refused(request)
        if refused:
            return refused
        id = digest(request.form.get("token", ""))
        token = self.get("token", id)
        if token:
            self.put("token", id, {**token, "state": "revoked"})
            if token["kind"] == "refresh":
                self._end_family(token["grant"])
        return self._json({"revoked": True})

    def _client_refused(self, request: Request) -> Response | None:
        basic = request.authorization
        if not basic or basic.type != "basic":
            return self._oauth_error(
                401, "unauthorized_client", "Missing valid authorization header"
            )
        app = self.get("app", basic.username or "")
        given = (basic.password or "").encode()
        if not app or not hmac.compare_digest(given, app["secret"].encode()):
            return self._oauth_error(401, "invalid_client")
        return None

    def _exchange(self, form: Mapping[str, str]) -> Response:
        id = digest(form.get("code", ""))
        code = self.get("code", id)
        if not code or code["used"] or code["expires_at"] <= self.time():
            return self._oauth_error(400, "invalid_request", BAD_CODE)
        verifier = form.get("code_verifier", "")
        if code["method"] == "S256":
            hashed = hashlib.sha256(verifier.encode()).digest()
            shown = base64.urlsafe_b64encode(hashed).decode().rstrip("=")
        else:
            shown = verifier
        fits = (
            43 <= len(verifier) <= 128
            and hmac.compare_digest(shown.encode(), code["challenge"].encode())
            and form.get("redirect_uri") == code["redirect_uri"]
        )
        if not fits:
            return self._oauth_error(400, "invalid_request", BAD_CODE)
        self.put("code", id, {**code, "used": True})
        return self._json(self._issue(code["user"], code["scopes"], self._grant()))

    def _refresh(self, form: Mapping[str, str]) -> Response:
        id = digest(form.get("refresh_token", ""))
        token = self.get("token", id)
        refused = self._oauth_error(400, "invalid_request", BAD_REFRESH)
        if not token or token["kind"] != "refresh":
            return refused
        if token["state"] == "used" and self.setting("refresh_reuse_kills_family"):
            self._end_family(token["grant"])
            return refused
        if self._state(token) != "live":
            return refused
        self.put("token", id, {**token, "state": "used"})
        if not self.setting("old_access_survives_refresh"):
            self._end_family(token["grant"], kind="access")
        return self._json(self._issue(token["user"], token["scopes"], token["grant"]))

    def _end_family(self, grant: str, **only: str) -> None:
        for id, token in self.all("token", grant=grant, **only):
            if token["state"] == "live":
                self.put("token", id, {**token, "state": "revoked"})

    def _oauth_error(self, status: int, error: str, description: str = "") -> Response:
        body = {"error": error}
        if description:
            body["error_description"] = description
        return self._json(body, status)

    # ------------------------------------------------------------ reading

    def _list(
        self, query: Mapping[str, str], name: str, allowed: frozenset[str]
    ) -> frozenset[str]:
        """A comma list of a query in the old names, each value known."""
        if name not in query:
            return frozenset()
        spelled = self._spelled(name)
        if not query[name]:
            raise invalid(
                (f"The `{spelled}` query parameter can not be empty", {spelled: []})
            )
        known = {self._spelled(value): value for value in allowed}
        chosen = query[name].split(",")
        wrong = [value for value in chosen if value not in known]
        if wrong:
            raise invalid(
                (
                    f"The `{spelled}` query parameter value [{wrong[0]}] is not one of "
                    f"[{','.join(sorted(known))}]",
                    {spelled: [query[name]]},
                )
            )
        return frozenset(known[value] for value in chosen)

    def _reading(
        self,
        query: Mapping[str, str],
        expansions: frozenset[str] = TWEET_EXPANSIONS,
    ) -> Reading:
        return Reading(
            tweet=self._list(query, "tweet.fields", TWEET_FIELDS),
            user=self._list(query, "user.fields", USER_FIELDS),
            media=self._list(query, "media.fields", MEDIA_FIELDS),
            expansions=self._list(query, "expansions", expansions),
        )

    def _number(
        self, query: Mapping[str, str], name: str, low: int, high: int, default: int
    ) -> int:
        value = query.get(name, str(default))
        if not re.fullmatch(r"[0-9]{1,9}", value) or not low <= int(value) <= high:
            raise invalid(
                (
                    f"The `{name}` query parameter value [{value}] is not between "
                    f"{low} and {high}",
                    {name: [value]},
                )
            )
        return int(value)

    def _moment(self, query: Mapping[str, str], name: str) -> int | None:
        """An RFC 3339 time as epoch milliseconds."""
        value = query.get(name)
        if value is None:
            return None
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None or "T" not in value:
            raise invalid(
                (
                    f"The `{name}` query parameter value [{value}] is not a valid "
                    "RFC 3339 date-time",
                    {name: [value]},
                )
            )
        if moment < datetime(2010, 11, 6, tzinfo=UTC):
            raise invalid(
                (
                    f"The `{name}` query parameter value [{value}] must be on or after "
                    "2010-11-06T00:00Z",
                    {name: [value]},
                )
            )
        return round(moment.timestamp() * 1000)

    def _not_found(self, kind: str, name: str, value: str) -> Doc:
        return {
            "value": value,
            "detail": f"Could not find {kind} with {name}: [{value}].",
            "title": "Not Found Error",
            "resource_type": kind,
            "parameter": name,
            "resource_id": value,
            "type": self._type("resource-not-found"),
        }

    def _tweet_json(self, tweet: Doc, reading: Reading, caller: Caller) -> Doc:
        """A post in the fields asked for; empty fields are left out."""
        wanted = reading.tweet
        shown: Doc = {
            "id": tweet["id"],
            "text": tweet["text"],
            self._spelled("edit_history_tweet_ids"): tweet["history"],
        }
        user = tweet["user"]
        media = [self.get("media", id) for id in tweet["media"]]
        keys = [doc["media_key"] for doc in media if doc]
        references = []
        if tweet["reply_to"]:
            references = [{"type": "replied_to", "id": tweet["reply_to"]}]
        figures = tweet["figures"]
        public = {
            self._spelled("retweet_count"): figures["reposts"],
            "reply_count": figures["replies"],
            "like_count": figures["likes"],
            "quote_count": figures["quotes"],
            "bookmark_count": figures["bookmarks"],
            "impression_count": figures["impressions"],
        }
        values: Doc = {
            "author_id": user,
            "created_at": x_time(tweet["created_ms"]),
            "conversation_id": tweet["conversation"],
            "entities": {"urls": tweet["urls"]} if tweet["urls"] else None,
            "attachments": {"media_keys": keys} if keys else None,
            "referenced_tweets": references,
            "in_reply_to_user_id": tweet["reply_to_user"],
            "note_tweet": tweet["note"],
            "public_metrics": public,
            "reply_settings": tweet["reply_settings"] or "everyone",
            "lang": "und",
            "possibly_sensitive": False,
        }
        for name in ("non_public_metrics", "organic_metrics"):
            if name not in wanted:
                continue
            is_recent = tweet["created_ms"] > (self.time() - 30 * DAY) * 1000
            if user != caller.id or not is_recent:
                reading.errors.append(self._not_authorized(tweet["id"], name))
            elif name == "non_public_metrics":
                values[name] = {
                    "impression_count": figures["impressions"],
                    "url_link_clicks": figures["clicks"],
                    "user_profile_clicks": figures["profile_clicks"],
                    "engagements": figures["clicks"] + figures["profile_clicks"],
                }
            else:
                values[name] = public
        for name, value in values.items():
            if name in wanted and value not in (None, [], {}):
                shown[self._spelled(name)] = value
        if "attachments.media_keys" in reading.expansions:
            for doc in media:
                if doc:
                    reading.pictures[doc["media_key"]] = self._media_json(
                        doc, reading.media
                    )
        if "author_id" in reading.expansions:
            author = self.get("user", user)
            assert author is not None
            reading.users[user] = self._user_json(author, reading.user)
        if "referenced_tweets.id" in reading.expansions and tweet["reply_to"]:
            parent = self.get("tweet", tweet["reply_to"])
            if parent and not parent["deleted"]:
                inner = Reading(tweet=wanted)
                reading.tweets[parent["id"]] = self._tweet_json(parent, inner, caller)
        self._bill(5, f"tweet {tweet['id']}")
        return shown

    def _not_authorized(self, id: str, name: str) -> Doc:
        return {
            "resource_id": id,
            "parameter": name,
            "resource_type": "tweet",
            "field": name,
            "section": "data",
            "title": "Field Authorization Error",
            "detail": f"Sorry, you are not authorized to access '{name}' on the Tweet"
            f" with id: [{id}].",
            "type": self._type("not-authorized-for-field"),
        }

    def _user_json(self, user: Doc, wanted: frozenset[str]) -> Doc:
        is_paying = user["subscription_type"] in PREMIUM_PLANS
        shown: Doc = {
            "id": user["id"],
            "name": user["name"],
            "username": user["username"],
        }
        values: Doc = {
            "created_at": user["created_at"],
            "profile_image_url": "https://pbs.twimg.com/profile_images/1/a_normal.jpg",
            "protected": user["protected"],
            "verified": is_paying,
            "verified_type": "blue" if is_paying else "none",
            "subscription_type": user["subscription_type"],
            "most_recent_tweet_id": user["most_recent"],
            "public_metrics": {
                "followers_count": 5502,
                "following_count": 652,
                self._spelled("tweet_count"): user["count"],
                "listed_count": 47,
            },
        }
        for name, value in values.items():
            if name in wanted and value is not None:
                shown[self._spelled(name)] = value
        return shown

    def _included(self, answer: Doc, reading: Reading) -> Doc:
        includes: Doc = {}
        for name, docs in (
            ("media", reading.pictures),
            ("users", reading.users),
            ("tweets", reading.tweets),
        ):
            if docs:
                includes[name] = list(docs.values())
        if includes:
            answer["includes"] = includes
        if reading.errors:
            answer["errors"] = reading.errors
        return answer

    @route("GET", "/2/users/me")
    def me(self, request: Request) -> Response:
        return self._api(request, "GET /2/users/me", self._me)

    def _me(self, request: Request, caller: Caller) -> Response:
        query = self._query(request, {"user.fields", "tweet.fields", "expansions"})
        reading = self._reading(
            query, frozenset({"most_recent_tweet_id", "pinned_tweet_id"})
        )
        self._permit(caller, "GET /2/users/me")
        answer: Doc = {"data": self._user_json(caller.user, reading.user)}
        newest = caller.user["most_recent"]
        if newest and "most_recent_tweet_id" in reading.expansions:
            tweet = self.get("tweet", newest)
            assert tweet is not None
            reading.tweets[newest] = self._tweet_json(tweet, reading, caller)
        self._bill(10, f"user {caller.id}")
        return self._json(self._included(answer, reading))

    @route("GET", "/2/tweets")
    def lookup(self, request: Request) -> Response:
        return self._api(request, "GET /2/tweets", self._lookup)

    def _lookup(self, request: Request, caller: Caller) -> Response:
        query = self._query(request, {"ids", *TWEET_READS})
        if not query.get("ids"):
            raise invalid(("The `ids` query parameter can not be empty", {"ids": []}))
        ids = query["ids"].split(",")
        if len(ids) > 100:
            raise invalid(
                (
                    "The number of values in the `ids` query parameter list "
                    f"[{len(ids)}] is not between 1 and 100",
                    {"ids": ids},
                )
            )
        for id in ids:
            self._id("ids", id)
        reading = self._reading(query)
        self._permit(caller, "GET /2/tweets")
        return self._found(ids, reading, caller, "ids", many=True)

    @route("GET", "/2/tweets/<id>", call="GET /2/tweets/:id")
    def one(self, request: Request, id: str) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            reading = self._reading(self._query(request, TWEET_READS))
            self._id("id", id)
            self._permit(caller, "GET /2/tweets/:id")
            return self._found([id], reading, caller, "id", many=False)

        return self._api(request, "GET /2/tweets/:id", work)

    def _found(
        self, ids: list[str], reading: Reading, caller: Caller, name: str, *, many: bool
    ) -> Response:
        """Posts by id: a missing one is an entry of `errors` in a 200."""
        shown = []
        for id in ids:
            tweet = self.get("tweet", id)
            if tweet and not tweet["deleted"]:
                shown.append(self._tweet_json(tweet, reading, caller))
            else:
                missing = self._not_found("tweet", name, id)
                reading.errors.append(
                    {**missing, "detail": f"Could not find tweet with {name}: [{id}]."}
                )
        answer: Doc = {}
        if shown:
            answer["data"] = shown if many else shown[0]
        return self._json(self._included(answer, reading))

    @route("GET", "/2/users/<id>/tweets", call="GET /2/users/:id/tweets")
    def timeline(self, request: Request, id: str) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            return self._timeline(request, caller, id)

        return self._api(request, "GET /2/users/:id/tweets", work)

    def _timeline(self, request: Request, caller: Caller, user: str) -> Response:
        names = (
            "max_results pagination_token since_id until_id start_time end_time exclude"
        )
        query = self._query(request, {*names.split(), *TWEET_READS})
        reading = self._reading(query)
        size = self._number(query, "max_results", 5, 100, 10)
        since = int(self._id("since_id", query.get("since_id", "0")))
        until = int(self._id("until_id", query.get("until_id", "9" * 19)))
        start = self._moment(query, "start_time")
        end = self._moment(query, "end_time")
        excluded = self._list(query, "exclude", frozenset({"replies", "retweets"}))
        before = self._page(query)
        self._id("id", user)
        self._permit(caller, "GET /2/users/:id/tweets")
        if not self.get("user", user):
            return self._json({"errors": [self._not_found("user", "id", user)]})
        seen_until = (self.time() - self.setting("visible_after_s")) * 1000
        oldest_seen = 800 if "replies" in excluded else 3200
        newest = self.world.page(self.slug, f"timeline:{user}", oldest_seen)
        fitting = [
            id
            for id, row in newest
            if since < int(id) < until
            and (before is None or int(id) < before)
            and (start is None or row["at"] >= start)
            and (end is None or row["at"] < end)
            and row["at"] <= seen_until
            and not ("replies" in excluded and row["is_reply"])
        ]
        ids = fitting[:size]
        meta: Doc = {"result_count": len(ids)}
        answer: Doc = {}
        if ids:
            tweets = [self.get("tweet", id) for id in ids]
            answer["data"] = [
                self._tweet_json(tweet, reading, caller) for tweet in tweets if tweet
            ]
            meta |= {"newest_id": ids[0], "oldest_id": ids[-1]}
        if len(fitting) > size:
            meta["next_token"] = f"7140dibdnow{int(ids[-1]):x}"
        answer = self._included(answer, reading)
        answer["meta"] = meta
        return self._json(answer)

    def _page(self, query: Mapping[str, str]) -> int | None:
        token = query.get("pagination_token")
        if token is None:
            return None
        match = re.fullmatch(r"7140dibdnow([0-9a-f]{1,16})", token)
        if not match:
            raise invalid(
                (
                    f"The `pagination_token` query parameter value [{token}] is not "
                    "valid",
                    {"pagination_token": [token]},
                )
            )
        return int(match[1], 16)

    # ------------------------------------------------------------ publishing

    @route("POST", "/2/tweets", commit=True)
    def create(self, request: Request) -> Response:
        return self._api(request, "POST /2/tweets", self._create)

    def _create(self, request: Request, caller: Caller) -> Response:
        self._query(request, ())
        body = sent_json(request)
        self._check_schema(body)
        self._permit(caller, "POST /2/tweets")
        text = unicodedata.normalize("NFC", body.get("text") or "")
        media = self._attachable(body, caller)
        previous = self._edited(body, caller)
        self._check_text(text, caller)
        parent = self._replied_to(body, caller)
        reply_to = parent["id"] if parent else None
        said = digest(json.dumps([text, reply_to]))
        if self.setting("media_makes_unique"):
            said = digest(said + ",".join(doc["id"] for doc in media))
        self._check_duplicate(text, said, caller)
        arrived = arrived_at(request)
        tweet = self._store(body, text, media, parent, previous, said, caller, arrived)
        has_url = bool(twin_text.urls(text))
        self._bill(200 if has_url else 15)
        answer = {
            "id": tweet["id"],
            "text": tweet["text"],
            self._spelled("edit_history_tweet_ids"): tweet["history"],
        }
        return self._json({"data": answer}, 201)

    def _check_schema(self, body: Doc) -> None:
        """The request's shape, with the rules that the OpenAPI file states."""
        wrong: list[str] = []
        for name in body:
            if name not in CREATE_KEYS:
                wrong.append(
                    f"$.{name}: is not defined in the schema and the schema does not "
                    "allow additional properties"
                )
        for name, keys in CREATE_PARTS.items():
            if name not in body:
                continue
            part = body[name]
            if not isinstance(part, dict):
                wrong.append(f"$.{name}: an object is expected")
                continue
            wrong += [
                f"$.{name}.{key}: is not defined in the schema and the schema does not "
                "allow additional properties"
                for key in part
                if key not in keys
            ]
        if "text" in body and not isinstance(body["text"], str):
            wrong.append("$.text: a string is expected")
        for name in CREATE_FLAGS:
            if name in body and not isinstance(body[name], bool):
                wrong.append(f"$.{name}: a boolean is expected")
        if body.get("reply_settings", "following") not in REPLY_SETTINGS:
            wrong.append(f"$.reply_settings: is not one of {list(REPLY_SETTINGS)}")
        if not wrong:
            wrong = [*self._wrong_parts(body)]
        if wrong:
            raise invalid(*((message, {}) for message in wrong))

    def _wrong_parts(self, body: Doc) -> Iterable[str]:
        if "media" in body:
            ids = body["media"].get("media_ids")
            if not isinstance(ids, list) or not 1 <= len(ids) <= 4:
                yield "$.media.media_ids: there must be 1 to 4 items in the array"
            elif not all(isinstance(id, str) and ID.fullmatch(id) for id in ids):
                yield "$.media.media_ids: does not match the pattern ^[0-9]{1,19}$"
            people = body["media"].get("tagged_user_ids", [])
            if not isinstance(people, list) or len(people) > 10:
                yield "$.media.tagged_user_ids: there must be at most 10 items"
        if "reply" in body:
            parent = body["reply"].get("in_reply_to_tweet_id")
            if not isinstance(parent, str) or not ID.fullmatch(parent):
                yield "$.reply.in_reply_to_tweet_id: is missing but it is required"
        if "edit_options" in body:
            edited = body["edit_options"].get("previous_post_id")
            if not isinstance(edited, str) or not ID.fullmatch(edited):
                yield "$.edit_options.previous_post_id: is missing but it is required"
        if "poll" in body:
            options = body["poll"].get("options")
            minutes = body["poll"].get("duration_minutes")
            if not isinstance(options, list) or not 2 <= len(options) <= 4:
                yield "$.poll.options: there must be 2 to 4 items in the array"
            elif not all(isinstance(o, str) and 1 <= len(o) <= 25 for o in options):
                yield "$.poll.options: each must be 1 to 25 characters long"
            if type(minutes) is not int or not 5 <= minutes <= 10080:
                yield "$.poll.duration_minutes: must be between 5 and 10080"
        parts = [
            name
            for name in ("media", "poll", "quote_tweet_id", "card_uri")
            if name in body
        ]
        if len(parts) > 1:
            yield f"$: {' and '.join(parts)} are mutually exclusive"
        if not body.get("text") and not parts:
            yield "$: one of text or media is required"

    def _check_text(self, text: str, caller: Caller) -> None:
        is_paying = caller.user["subscription_type"] in PREMIUM_PLANS
        limit = PREMIUM_LIMIT if is_paying else LIMIT
        if twin_text.weighted_length(text) > limit:
            if self.setting("too_long_status") == 400:
                raise Refused(
                    400,
                    "Invalid Request",
                    "Your Tweet text is too long.",
                    errors=[
                        {"code": 186, "message": "Tweet needs to be a bit shorter."}
                    ],
                )
            raise forbidden(PERMISSION_TEXT)
        if twin_text.INVALID.intersection(text):
            raise forbidden(PERMISSION_TEXT)
        if len(twin_text.cashtags(text)) > 1:
            raise forbidden("A post can have a maximum of one cashtag.")
        blocked = self.setting("blocked_hosts")
        for url in twin_text.urls(text):
            if urlsplit(url.expanded).hostname in blocked:
                raise forbidden("The Tweet contains an invalid URL.")

    def _replied_to(self, body: Doc, caller: Caller) -> Doc | None:
        if "quote_tweet_id" in body:
            raise forbidden("Quoting this post is not allowed for your plan.")
        if "reply" not in body:
            return None
        parent = self.get("tweet", body["reply"]["in_reply_to_tweet_id"])
        if not parent or parent["deleted"]:
            raise forbidden(
                "You attempted to reply to a Tweet that is deleted or not visible to "
                "you."
            )
        is_own = parent["user"] == caller.id
        if not is_own and not twin_text.mentions(
            parent["sent"], caller.user["username"]
        ):
            raise forbidden(REPLY_TEXT)
        return parent

    def _edited(self, body: Doc, caller: Caller) -> Doc | None:
        """The version that a post replaces: own, recent, and not edited too often."""
        if "edit_options" not in body:
            return None
        previous = self.get("tweet", body["edit_options"]["previous_post_id"])
        may = (
            previous
            and not previous["deleted"]
            and previous["user"] == caller.id
            and previous["history"][-1] == previous["id"]
            and caller.user["subscription_type"] in PREMIUM_PLANS
            and len(previous["history"]) <= MAX_EDITS
            and previous["first_ms"] > (self.time() - EDIT_WINDOW_S) * 1000
        )
        if not may:
            raise forbidden(PERMISSION_TEXT)
        return previous

    def _check_duplicate(self, text: str, said: str, caller: Caller) -> None:
        last = self.get("said", f"{caller.id} {said}")
        if not text or not last:
            return
        tweet = self.get("tweet", last["tweet"])
        is_recent = self.time() < last["at"] + self.setting("duplicate_window_s")
        if is_recent and tweet and not tweet["deleted"]:
            raise self._duplicate()

    def _duplicate(self) -> Refused:
        return forbidden(
            "You are not allowed to create a Tweet with duplicate content."
        )

    def _store(
        self,
        body: Doc,
        text: str,
        media: list[Doc],
        parent: Doc | None,
        previous: Doc | None,
        said: str,
        caller: Caller,
        arrived: str,
    ) -> Doc:
        now = self.time()
        id = self._new_id("tweet")
        created_ms = (int(id) >> 22) + EPOCH_MS
        made: dict[str, str] = {}

        def shorten(address: str) -> str:
            return made.setdefault(address, self._short_link())

        shown, links = twin_text.rewrite(text, shorten)
        if media:
            link = self._short_link()
            start = len(shown) + 1 if shown else 0
            shown = f"{shown} {link}" if shown else link
            kind = "photo" if media[0]["category"] == "tweet_image" else "video"
            links.append(
                {
                    "start": start,
                    "end": start + len(link),
                    "url": link,
                    "expanded_url": self._permalink(caller.user, id) + f"/{kind}/1",
                    "display_url": "pic.x.com/" + link.rsplit("/", 1)[-1],
                    "media_key": media[0]["media_key"],
                }
            )
        note = None
        if twin_text.weighted_length(text) > LIMIT:
            note = {"text": shown, "entities": {"urls": links}}
            links = [link for link in links if link["end"] < LIMIT]
            shown = shown[: LIMIT - 1] + "…"
        history = [*(previous["history"] if previous else []), id]
        tweet = {
            "id": id,
            "user": caller.id,
            "sent": text,
            "text": shown,
            "note": note,
            "urls": links,
            "media": [doc["id"] for doc in media],
            "created_ms": created_ms,
            "first_ms": previous["first_ms"] if previous else created_ms,
            "arrived_at": arrived,
            "reply_to": parent["id"] if parent else None,
            "reply_to_user": parent["user"] if parent else None,
            "conversation": parent["conversation"] if parent else id,
            "reply_settings": body.get("reply_settings"),
            "poll": body.get("poll"),
            "history": history,
            "deleted": False,
            "figures": dict.fromkeys(
                (
                    "reposts",
                    "replies",
                    "likes",
                    "quotes",
                    "bookmarks",
                    "impressions",
                    "clicks",
                    "profile_clicks",
                ),
                0,
            ),
        }
        self.put("tweet", id, tweet)
        place = {"at": created_ms, "is_reply": bool(parent)}
        self.put(f"timeline:{caller.id}", id, place)
        self.put("said", f"{caller.id} {said}", {"tweet": id, "at": now})
        if previous:
            for old in previous["history"]:
                version = self.get("tweet", old)
                assert version is not None
                self.put("tweet", old, {**version, "history": history})
                self.drop(f"timeline:{caller.id}", old)
        count = caller.user["count"] + (0 if previous else 1)
        self.put("user", caller.id, {**caller.user, "most_recent": id, "count": count})
        return tweet

    def _short_link(self) -> str:
        letters = string.ascii_letters + string.digits
        return "https://t.co/" + "".join(secrets.choice(letters) for _ in range(10))

    def _permalink(self, user: Doc, id: str) -> str:
        return f"{self.web}/{user['username']}/status/{id}"

    @route("DELETE", "/2/tweets/<id>", call="DELETE /2/tweets/:id")
    def delete(self, request: Request, id: str) -> Response:
        def work(request: Request, caller: Caller) -> Response:
            return self._delete(request, caller, id)

        return self._api(request, "DELETE /2/tweets/:id", work)

    def _delete(self, request: Request, caller: Caller, id: str) -> Response:
        self._query(request, ())
        self._id("id", id)
        self._permit(caller, "DELETE /2/tweets/:id")
        tweet = self.get("tweet", id)
        if not tweet or tweet["deleted"]:
            if self.setting("delete_unknown_status") == 404:
                missing = self._not_found("tweet", "id", id)
                raise Refused(
                    404,
                    missing["title"],
                    missing["detail"],
                    "resource-not-found",
                    resource_type="tweet",
                    parameter="id",
                    resource_id=id,
                    value=id,
                )
            return self._json({"data": {"deleted": True}})
        if tweet["user"] != caller.id:
            raise forbidden("You are not authorized to delete this Tweet.")
        for version in tweet["history"]:
            doc = self.get("tweet", version)
            assert doc is not None
            self.put("tweet", version, {**doc, "deleted": True})
            self.drop(f"timeline:{caller.id}", version)
        left = self.world.page(self.slug, f"timeline:{caller.id}", 1)
        newest = left[0][0] if left else None
        count = max(0, caller.user["count"] - 1)
        self.put(
            "user", caller.id, {**caller.user, "most_recent": newest, "count": count}
        )
        self._bill(10)
        return self._json({"data": {"deleted": True}})

    # ------------------------------------------------------------ pages

    @route("GET", "/", browser=True)
    def home(self, request: Request) -> Response:
        newest = [tweet for _, tweet in self.world.page(self.slug, "tweet", 100)]
        alive = [tweet for tweet in newest if not tweet["deleted"]]
        return self._show("latest posts", alive[:50])

    @route("GET", "/web/<username>", browser=True)
    def profile(self, request: Request, username: str) -> Response:
        known = self.get("handle", username.lower())
        user = self.get("user", known["user"]) if known else None
        if not user:
            return pages.no_page(self)
        newest = self.world.page(self.slug, f"timeline:{user['id']}", 50)
        tweets = [self.get("tweet", id) for id, _ in newest]
        title = f"{user['name']} (@{user['username']})"
        return self._show(title, [tweet for tweet in tweets if tweet])

    @route("GET", "/web/<username>/status/<id>", browser=True)
    @route("GET", "/web/<username>/status/<id>/photo/<number>", browser=True)
    @route("GET", "/web/<username>/status/<id>/video/<number>", browser=True)
    @route("GET", "/web/i/web/status/<id>", browser=True)
    def permalink(
        self, request: Request, id: str, username: str = "", number: str = "1"
    ) -> Response:
        tweet = self.get("tweet", id)
        if not tweet or tweet["deleted"]:
            return pages.no_page(self)
        return self._show("a post", [tweet])

    def _show(self, title: str, tweets: Iterable[Doc]) -> Response:
        return pages.posts_page(self, title, map(self._view, tweets))

    def _view(self, tweet: Doc) -> pages.PostView:
        user = self.get("user", tweet["user"])
        assert user is not None
        found = twin_text.urls(tweet["sent"])
        link = None
        if found:
            link = (found[-1].expanded, twin_text.display(found[-1].expanded))
        media = [doc for id in tweet["media"] if (doc := self.get("media", id))]
        notes = []
        if tweet["reply_to"]:
            notes.append(f"Reply to {tweet['reply_to']}")
        if len(tweet["history"]) > 1:
            notes.append("Edited")
        if tweet["poll"]:
            notes.append("Poll: " + " / ".join(tweet["poll"]["options"]))
        return pages.PostView(
            author=user["name"],
            handle=f"@{user['username']}",
            text=tweet["sent"],
            when=x_time(tweet["created_ms"]),
            url=self._permalink(user, tweet["id"]),
            pictures=[
                pages.Picture(
                    f"{self.web}/media/{doc['id']}", doc["alt"], KINDS[doc["category"]]
                )
                for doc in media
                if doc["size"] <= KEPT_BYTES
            ],
            link=link,
            notes=notes,
        )

    def posts(self) -> list[Doc]:
        shown = []
        users = {id: user for id, user in self.all("user")}
        files = dict(self.all("media"))
        for id, tweet in self.all("tweet"):
            if tweet["deleted"] or tweet["history"][-1] != id:
                continue
            found = twin_text.urls(tweet["sent"])
            media = [files[id] for id in tweet["media"]]
            shown.append(
                {
                    "id": id,
                    "account": tweet["user"],
                    "text": tweet["sent"],
                    "url": self._permalink(users[tweet["user"]], id),
                    "created_at": exact(tweet["created_ms"] / 1000),
                    "arrived_at": tweet["arrived_at"],
                    "media": len(media),
                    "media_kinds": [KINDS[doc["category"]] for doc in media],
                    "media_sha256": [doc.get("sha256", "") for doc in media],
                    "alt_texts": [doc["alt"] for doc in media],
                    "link": found[-1].expanded if found else "",
                    "marker": "",
                }
            )
        return shown

    # ------------------------------------------------------------ faults

    def refuse(self, request: Request, refusal: Refusal) -> Response:
        kind = refusal.kind
        if kind == "rate_limited":
            return self._rate_limited(request, refusal)
        if kind == "html_error":
            return Response(
                "<!DOCTYPE html><html><head><title>Just a moment...</title></head>"
                "<body>Checking your browser before you go on.</body></html>",
                403,
                content_type="text/html; charset=UTF-8",
            )
        answers: dict[str, Refused] = {
            "rate_limited_no_headers": self._too_many(),
            "server_error": self._trouble(refusal.status),
            "bad_request_after_write": invalid(("Something is wrong.", {})),
            "duplicate": self._duplicate(),
            "app_suspended": self._not_enrolled(),
            "no_credits": self._no_credits(),
            "content_refused": forbidden(PERMISSION_TEXT),
        }
        return self._problem(answers.get(kind, self._trouble(500)))

    def _trouble(self, status: int) -> Refused:
        if status == 500:
            return Refused(
                500,
                "Internal Server Error",
                "Something is broken. Please post on the forum if this goes on.",
            )
        phrase = HTTPStatus(status).phrase
        return Refused(status, phrase, phrase)

    def _rate_limited(self, request: Request, refusal: Refusal) -> Response:
        wait = QUARTER if refusal.retry_after_s is None else refusal.retry_after_s
        endpoint = ENDPOINTS.get(refusal.call)
        size = endpoint.user[0] if endpoint and endpoint.user else 100
        response = self._problem(self._too_many())
        response.headers["x-rate-limit-limit"] = str(size)
        response.headers["x-rate-limit-remaining"] = "0"
        response.headers["x-rate-limit-reset"] = str(int(self.time() + wait))
        if refusal.retry_after_s is not None:
            response.headers["retry-after"] = str(int(wait))
        return response

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
from .twin_events import EVENT_SWITCHES
from .twin_figures import FIGURE_SWITCHES, Figures
from .twin_media import KINDS, MEDIA_SWITCHES, spoken
from .twin_reading import exact, words, x_time

CLIENT_ID = "practice-x"
CLIENT_SECRET = "practice-x-secret"

SWITCHES = (
    Switch("field_names", "Field names", "old", ("old", "new")),
    Switch("plan", "Plan of the app", "pay-per-use", ("pay-per-use", "enterprise")),
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
    *FIGURE_SWITCHES,
    *MEDIA_SWITCHES,
    *EVENT_SWITCHES,
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
    "tweet.moderate.write",
    "offline.access",
)

EDIT_WINDOW_S = 3600
MAX_EDITS = 5
LIMIT = 280
PREMIUM_LIMIT = 25_000


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


class XTwin(Figures):
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
        readers = {row["id"] for _, row in self.all("reader")}
        return [
            Person(
                id,
                user["name"],
                f"@{user['username']}",
                "" if user["subscription_type"] == "None" else "Premium",
            )
            for id, user in self.all("user")
            if id not in readers
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
            self.tell_revoked(user["id"])
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
        if not body.get("text") and not {"media", "quote_tweet_id", "card_uri"} & {
            *parts
        }:
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
            if self.setting("plan") != "enterprise":
                raise forbidden("Quoting this post is not allowed for your plan.")
            quoted = self.get("tweet", str(body["quote_tweet_id"]))
            if not quoted or quoted["deleted"]:
                raise forbidden(
                    "You attempted to quote a Tweet that is deleted or not visible to "
                    "you."
                )
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
            "quotes": str(body.get("quote_tweet_id") or ""),
            "reply_to": parent["id"] if parent else None,
            "reply_to_user": parent["user"] if parent else None,
            "conversation": parent["conversation"] if parent else id,
            "reply_settings": body.get("reply_settings"),
            "poll": body.get("poll"),
            "history": history,
            "deleted": False,
        }
        self.put("tweet", id, tweet)
        place = {"at": created_ms, "is_reply": bool(parent)}
        self.put(f"timeline:{caller.id}", id, place)
        if parent:
            self.put(f"replies:{parent['id']}", id, {})
        self.put("said", f"{caller.id} {said}", {"tweet": id, "at": now})
        if previous:
            for old in previous["history"]:
                version = self.get("tweet", old)
                assert version is not None
                self.put("tweet", old, {**version, "history": history})
                self.drop(f"timeline:{caller.id}", old)
                self.drop(f"replies:{version['reply_to']}", old)
        self._tell_of(tweet, parent)
        count = caller.user["count"] + (0 if previous else 1)
        self.put("user", caller.id, {**caller.user, "most_recent": id, "count": count})
        return tweet

    def _tell_of(self, tweet: Doc, parent: Doc | None) -> None:
        payload: Doc = {
            "id": tweet["id"],
            "author_id": tweet["user"],
            "text": tweet["text"],
            "created_at": x_time(tweet["created_ms"]),
        }
        self.tell("post.create", tweet["user"], payload)
        if parent and parent["user"] != tweet["user"]:
            above = {"type": "replied_to", "id": parent["id"]}
            payload["conversation_id"] = tweet["conversation"]
            payload[self._spelled("referenced_tweets")] = [above]
            self.tell("post.reply.create", parent["user"], payload)

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
            self.drop(f"replies:{doc['reply_to']}", version)
        gone = {"id": id, "author_id": caller.id}
        self.tell("post.delete", caller.id, gone)
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
        if tweet.get("quotes"):
            notes.append(f"Quotes {tweet['quotes']}")
        if len(tweet["history"]) > 1:
            notes.append("Edited")
        if tweet["poll"]:
            notes.append("Poll: " + " / ".join(tweet["poll"]["options"]))
        notes += [f"Captions: {code}" for code in spoken(media)]
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
        readers = {row["id"] for _, row in self.all("reader")}
        for id, tweet in self.all("tweet"):
            is_readers = tweet["user"] in readers
            if tweet["deleted"] or is_readers or tweet["history"][-1] != id:
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
                    "captions": [said.lower() for said in spoken(media)],
                    "link": found[-1].expanded if found else "",
                    "poll": (tweet["poll"] or {}).get("options", []),
                    "marker": "",
                    "reply_to": tweet["reply_to"] or "",
                    "quotes": tweet.get("quotes", ""),
                }
            )
        return shown

    def comment_as_reader(self, post: str, by: str, text: str, under: str = "") -> str:
        """A reply of theirs, which mentions the author and so summons them to answer."""
        parent = self.get("tweet", under or post)
        if not parent or parent["deleted"]:
            raise ValueError("There is no such post.")
        if under and parent["conversation"] != post:
            raise ValueError("There is no such reply below that post.")
        author = self.get("user", parent["user"])
        assert author is not None
        reader = Caller(self._reader(by), frozenset(), "")
        text = f"@{author['username']} {text}"
        said = digest(json.dumps([text, parent["id"]]))
        now = iso(self.world.now())
        return str(self._store({}, text, [], parent, None, said, reader, now)["id"])

    def _reader(self, name: str) -> Doc:
        known = self.get("reader", name)
        if not known:
            known = {"id": self._next_user_id()}
            username = re.sub(r"[^A-Za-z0-9_]", "", name)[:15] or "reader"
            self._add_user(known["id"], username, name, "None")
            self.put("reader", name, known)
        user = self.get("user", known["id"])
        assert user is not None
        return user

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
            # As X answered to its first version (unverified for v2).
            "version_ended": Refused(410, "Gone", "This version has been retired."),
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

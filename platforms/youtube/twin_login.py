"""Google's sign-in in the practice network: consent, codes, tokens, their ends.

Hosts below the twin's address: `/accounts` is accounts.google.com, `/oauth2`
oauth2.googleapis.com.
Source: https://developers.google.com/identity/protocols/oauth2/web-server.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import ClassVar
from urllib.parse import urlencode, urlsplit

from werkzeug.datastructures import MultiDict
from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from ..practice import pages
from ..practice.framework import Doc, Person, Token, json_response, route
from ..practice.switches import Switch
from .twin_calls import (
    ANALYTICS,
    DAY_S,
    FORCE_SSL,
    MANAGE,
    READONLY,
    SCOPE,
    UPLOAD,
    Calls,
    digest,
    exact,
)

CLIENT_ID = "123456789012-practice.apps.googleusercontent.com"
CLIENT_SECRET = "GOCSPX-practice-youtube"

SIGN_IN_SCOPES = {
    "openid": "know who you are on Google",
    "email": "see your email address",
    "profile": "see your name and picture",
}
SCOPES = {
    UPLOAD: "upload videos",
    READONLY: "see your channel, videos and playlists",
    MANAGE: "manage your channel",
    FORCE_SSL: "see, edit and delete videos, comments and captions",
    ANALYTICS: "see YouTube Analytics reports",
    **SIGN_IN_SCOPES,
}
CONNECT_SCOPES = (UPLOAD, READONLY, FORCE_SSL)

LOGIN_SWITCHES = (
    Switch("client_state", "Our app at Google", "active", ("active", "deleted")),
    Switch(
        "publishing_status",
        "Consent screen (in Testing, an access lives 7 days)",
        "production",
        ("production", "testing"),
    ),
    Switch("access_life_s", "Life of an access token (seconds)", 3600),
    Switch("code_life_s", "Life of a code (seconds)", 600),
    Switch("grant_life_s", "The person grants for (seconds; empty: endless)", None),
    Switch("unused_life_s", "An unused refresh token dies after", 180 * DAY_S),
    Switch("refresh_tokens_kept", "Live refresh tokens per person and app", 100),
    Switch("new_refresh_token", "A refresh brings a new refresh token too", False),
    Switch(
        "bad_code_says",
        "Words for a used or unknown code",
        "Bad Request",
        ("Bad Request", "Malformed auth code."),
    ),
)
ASKED = (
    "client_id",
    "redirect_uri",
    "response_type",
    "access_type",
    "prompt",
    "state",
    "include_granted_scopes",
    "code_challenge",
    "code_challenge_method",
)
DEAD = "Token has been expired or revoked."


def oauth_error(status: int, error: str, text: str, **more: str) -> Response:
    body = {"error": error, "error_description": text, **more}
    return json_response(body, status)


def is_loopback(address: str) -> bool:
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    here = parts.hostname in ("localhost", "127.0.0.1", "::1")
    return here and parts.scheme in ("http", "https") and not parts.fragment


class Login(Calls):
    endings: ClassVar[tuple[tuple[str, str], ...]] = (
        ("expire", "Let the access token expire"),
        ("expire_grant", "Let the whole access expire"),
        ("revoke", "Remove the app's access"),
        ("password_changed", "Password changed"),
        ("invalid_rapt", "The company wants a new sign-in"),
        ("admin_policy", "An administrator restricts the app"),
        ("role_lost", "Role lost"),
        ("suspend", "Suspend the channel"),
        ("close", "Close the channel"),
        ("restore", "Undo"),
    )

    # ------------------------------------------------------------ consent

    @route("GET", "/accounts/o/oauth2/v2/auth", browser=True)
    def authorize(self, request: Request) -> Response:
        asked = request.args
        if problem := self._problem(asked):
            return self._wrong(problem)
        prompts = asked.get("prompt", "").split()
        if "none" in prompts:
            return self._back(asked, error="interaction_required")
        wanted = asked["scope"].split()
        more_than_one = len(set(wanted) - set(SIGN_IN_SCOPES)) > 1
        return pages.consent_page(
            self,
            (self.get("app", asked["client_id"]) or {})["name"],
            hidden=[
                *((name, asked[name]) for name in ASKED if name in asked),
                ("asked", asked["scope"]),
            ],
            people=self.people(),
            scopes=[(name, SCOPES[name]) for name in wanted],
            may_untick=more_than_one,
            note=""
            if self.setting("publishing_status") == "production"
            else "Google has not verified this app: it is being tested.",
        )

    @route("POST", "/accounts/o/oauth2/v2/auth", browser=True)
    def consent(self, request: Request) -> Response:
        form = request.form.to_dict() | {"scope": request.form.get("asked", "")}
        if problem := self._problem(form):
            return self._wrong(problem)
        if form.get("decision") != "allow":
            return self._back(form, error="access_denied")
        who = self._chosen(form.get("person", ""))
        if not who:
            return self._wrong("Choose who signs in.")
        scopes = self._allowed(request.form)
        if not scopes:
            return self._back(form, error="access_denied")
        google, channel = who
        grant = self.get("grant", google)
        is_first = not grant
        known = list(grant["scopes"]) if grant else []
        every = [*known, *(scope for scope in scopes if scope not in known)]
        self.put("grant", google, {"scopes": every})
        if form.get("include_granted_scopes") == "true":
            scopes = every
        is_offline = form.get("access_type") == "offline"
        is_asked_anew = "consent" in form.get("prompt", "").split()
        code = "4/0" + Token("practice", 40).made
        self.put(
            "code",
            digest(code),
            {
                "google": google,
                "channel": channel,
                "client": form["client_id"],
                "redirect_uri": form["redirect_uri"],
                "scopes": scopes,
                "offline": is_offline,
                "refresh": is_offline and (is_first or is_asked_anew),
                "challenge": form.get("code_challenge", ""),
                "method": form.get("code_challenge_method", "plain"),
                "expires_at": self.time() + self.setting("code_life_s"),
                "used": False,
            },
        )
        prompt = {"prompt": "consent"} if is_first or is_asked_anew else {}
        shown = " ".join(scopes)
        return self._back(form, code=code, scope=shown, authuser="0", **prompt)

    def _allowed(self, form: MultiDict[str, str]) -> list[str]:
        """What was ticked; one permission alone has no ticks."""
        asked = form.get("asked", "").split()
        if len(set(asked) - set(SIGN_IN_SCOPES)) <= 1:
            return asked
        ticked = form.getlist("scope")
        return [name for name in asked if name in ticked or name in SIGN_IN_SCOPES]

    def _chosen(self, person: str) -> tuple[str, str] | None:
        """(Google account, channel or "") of a choice on the page."""
        if channel := self.get("channel", person):
            return channel["google"], channel["id"]
        return (person, "") if self.get("google", person) else None

    def people(self) -> list[Person]:
        """A Google account and one of its channels, or an account that has none."""
        owners = {doc["google"] for _, doc in self.all("channel")}
        names = {id: doc["name"] for id, doc in self.all("google")}
        shown = [
            Person(
                id, doc["title"], doc["handle"], f"Channel of {names[doc['google']]}"
            )
            for id, doc in self.all("channel")
        ]
        return shown + [
            Person(id, name, "", "Google account without a channel")
            for id, name in names.items()
            if id not in owners
        ]

    def _problem(self, asked: Mapping[str, str]) -> str:
        """What Google's page says instead of asking; "" when all is well."""
        app = self.get("app", asked.get("client_id", ""))
        if not app:
            return "Error 401: invalid_client. The OAuth client was not found."
        if self.setting("client_state") == "deleted":
            return "Error 401: deleted_client. The OAuth client was deleted."
        address = asked.get("redirect_uri", "")
        if address not in app["redirect_uris"] and not is_loopback(address):
            return "Error 400: redirect_uri_mismatch."
        if asked.get("response_type") != "code":
            return "Error 400: invalid_request. response_type must be code."
        wanted = asked.get("scope", "").split()
        if not wanted:
            return "Error 400: invalid_request. Missing required parameter: scope."
        if unknown := set(wanted) - set(SCOPES):
            return f"Error 400: invalid_scope. {' '.join(sorted(unknown))}"
        if asked.get("access_type", "online") not in ("online", "offline"):
            return "Error 400: invalid_request. Invalid access_type."
        prompts = set(asked.get("prompt", "").split())
        if not prompts <= {"none", "consent", "select_account"} or (
            "none" in prompts and len(prompts) > 1
        ):
            return "Error 400: invalid_request. Invalid prompt."
        if asked.get("code_challenge_method", "S256") not in ("S256", "plain"):
            return "Error 400: invalid_request. Invalid code_challenge_method."
        return ""

    def _wrong(self, text: str) -> Response:
        return pages.error_page(self, "access blocked", text)

    def _back(self, asked: Mapping[str, str], **answer: str) -> Response:
        if "state" in asked:
            answer["state"] = asked["state"]
        address = asked["redirect_uri"]
        joint = "&" if urlsplit(address).query else "?"
        return redirect(f"{address}{joint}{urlencode(answer)}", 302)

    # ------------------------------------------------------------ the token endpoint

    @route("POST", "/oauth2/token", call="POST token")
    def token(self, request: Request) -> Response:
        form = request.form
        app = self.get("app", form.get("client_id", ""))
        if not app:
            text = "The OAuth client was not found."
            return oauth_error(401, "invalid_client", text)
        if self.setting("client_state") == "deleted":
            return oauth_error(401, "deleted_client", "The OAuth client was deleted.")
        given = form.get("client_secret", "").encode()
        if not hmac.compare_digest(given, str(app["secret"]).encode()):
            return oauth_error(401, "invalid_client", "Unauthorized")
        grant_type = form.get("grant_type", "")
        if grant_type == "authorization_code":
            return self._exchange(form)
        if grant_type == "refresh_token":
            return self._refresh(form)
        text = f"Invalid grant_type: {grant_type}"
        return oauth_error(400, "unsupported_grant_type", text)

    def _exchange(self, form: Mapping[str, str]) -> Response:
        if not form.get("code"):
            text = "Missing required parameter: code"
            return oauth_error(400, "invalid_request", text)
        id = digest(form["code"])
        code = self.get("code", id)
        is_over = not code or code["used"] or code["expires_at"] <= self.time()
        if not code or is_over or code["client"] != form["client_id"]:
            return oauth_error(400, "invalid_grant", self.setting("bad_code_says"))
        if form.get("redirect_uri") != code["redirect_uri"]:
            return oauth_error(400, "redirect_uri_mismatch", "Bad Request")
        if wrong := self._verifier_wrong(code, form.get("code_verifier", "")):
            return oauth_error(400, "invalid_grant", wrong)
        self.put("code", id, {**code, "used": True})
        answer = self.issue(
            code["google"], code["channel"], code["scopes"], refresh=code["refresh"]
        )
        return json_response(answer)

    def _verifier_wrong(self, code: Doc, verifier: str) -> str:
        if not code["challenge"]:
            return ""
        if not verifier:
            return "Missing code verifier."
        shown = verifier
        if code["method"] == "S256":
            hashed = hashlib.sha256(verifier.encode()).digest()
            shown = base64.urlsafe_b64encode(hashed).decode().rstrip("=")
        fits = hmac.compare_digest(shown.encode(), str(code["challenge"]).encode())
        return "" if fits and 43 <= len(verifier) <= 128 else "Invalid code verifier."

    def _refresh(self, form: Mapping[str, str]) -> Response:
        id = digest(form.get("refresh_token", ""))
        token = self.get("token", id)
        if not token or token["type"] != "refresh":
            return oauth_error(400, "invalid_grant", "Bad Request")
        now = self.time()
        is_unused = token["used_at"] + self.setting("unused_life_s") <= now
        if self.state(token) != "live" or is_unused:
            return oauth_error(400, "invalid_grant", DEAD)
        policy = (self.get("google", token["google"]) or {}).get("policy", "")
        if policy == "invalid_rapt":
            text = "reauth related error (invalid_rapt)"
            return oauth_error(400, "invalid_grant", text, error_subtype=policy)
        if policy:
            text = "Access to your account data is restricted by policies."
            return oauth_error(400, "admin_policy_enforced", text)
        self.put("token", id, {**token, "used_at": now})
        answer = self.issue(
            token["google"],
            token["channel"],
            token["scopes"],
            refresh=self.setting("new_refresh_token"),
            ends=token["expires_at"],
        )
        return json_response(answer)

    def issue(
        self,
        google: str,
        channel: str,
        scopes: list[str],
        *,
        refresh: bool,
        ends: float | None = None,
    ) -> Doc:
        """New tokens of one consent, as the token endpoint answers. ends: when a
        refresh token dies that follows on another one."""
        now, life = self.time(), self.setting("access_life_s")
        common = {
            "google": google,
            "channel": channel,
            "scopes": scopes,
            "issued_at": now,
            "used_at": now,
            "state": "live",
        }
        access = "ya29." + Token("practice", 48).made
        expires = {"type": "access", "expires_at": now + life}
        self.put("token", digest(access), {**common, **expires})
        answer: Doc = {
            "access_token": access,
            "expires_in": life - 1,
            "scope": " ".join(scopes),
            "token_type": "Bearer",
        }
        if not refresh:
            return answer
        whole = self.setting("grant_life_s")
        if self.setting("publishing_status") == "testing":
            whole = min(whole or 7 * DAY_S, 7 * DAY_S)
        if whole and ends is None:
            ends = now + whole
        secret = "1//0" + Token("practice", 48).made
        kept = {"type": "refresh", "expires_at": ends}
        self.put("token", digest(secret), {**common, **kept})
        self._end_the_oldest(google)
        answer["refresh_token"] = secret
        if ends is not None:
            answer["refresh_token_expires_in"] = int(ends - now)
        return answer

    def _end_the_oldest(self, google: str) -> None:
        """More living refresh tokens than Google keeps: the oldest die silently."""
        rows = self.all("token", google=google, type="refresh", state="live")
        for id, token in rows[: -self.setting("refresh_tokens_kept")]:
            self.put("token", id, {**token, "state": "revoked"})

    @route("GET", "/oauth2/tokeninfo", call="GET tokeninfo")
    def tokeninfo(self, request: Request) -> Response:
        token = self.get("token", digest(request.args.get("access_token", "")))
        if not token or token["type"] != "access" or self.state(token) != "live":
            return oauth_error(400, "invalid_token", "Invalid Value")
        shown = {
            "azp": CLIENT_ID,
            "aud": CLIENT_ID,
            "scope": " ".join(token["scopes"]),
            "exp": str(int(token["expires_at"])),
            "expires_in": str(int(token["expires_at"] - self.time())),
            "access_type": "offline",
        }
        if set(token["scopes"]) & set(SIGN_IN_SCOPES):
            shown["sub"] = token["google"]
        return json_response(shown)

    @route("POST", "/oauth2/revoke", call="POST revoke")
    def revoke(self, request: Request) -> Response:
        token = self.get("token", digest(request.values.get("token", "")))
        if not token or self.state(token) != "live":
            return oauth_error(400, "invalid_token", "Token expired or revoked")
        self._remove_grant(token["google"])
        return json_response({})

    def _remove_grant(self, google: str) -> list[tuple[str, Doc]]:
        """Whatever channel was chosen: a person's consent to the app is one."""
        self.drop("grant", google)
        rows = self.all("token", google=google, state="live")
        for id, token in rows:
            self.put("token", id, {**token, "state": "revoked"})
        return rows

    # ------------------------------------------------------------ for the panel

    def app_credentials(self) -> tuple[str, str]:
        return CLIENT_ID, CLIENT_SECRET

    def tokens(self) -> list[Doc]:
        names = {id: doc["title"] for id, doc in self.all("channel")}
        names |= {id: doc["name"] for id, doc in self.all("google")}
        rows = []
        for id, token in self.all("token"):
            account = token["channel"] or token["google"]
            ends = token["expires_at"]
            rows.append(
                {
                    "id": id[:12],
                    "account": account,
                    "person": names.get(account, account),
                    "kind": token["type"],
                    "state": self.state(token),
                    "issued_at": exact(token["issued_at"]),
                    "expires_at": exact(ends) if ends is not None else "",
                    "scopes": token["scopes"],
                }
            )
        return rows

    def end_tokens(self, account: str, how: str) -> int:
        """`restore` takes back everything that was done here to the account."""
        channel = self.get("channel", account)
        if not channel and not self.get("google", account):
            raise ValueError(f"YouTube has no account {account!r}")
        google = channel["google"] if channel else account
        kind, _, scope = how.partition(":")
        every = self.all("token", google=google)
        if channel:
            own = [(id, t) for id, t in every if t["channel"] == channel["id"]]
        else:
            own = every
        live = [(id, token) for id, token in own if self.state(token) == "live"]
        states = {"suspend": "Suspended", "close": "Closed", "role_lost": "role_lost"}
        policies = {"invalid_rapt": "invalid_rapt", "admin_policy": "restricted"}
        if kind == "restore":
            return self._restore(google, channel, own)
        if kind == "password_changed":
            return 0  # ends tokens with rights in Gmail only
        if kind in states and channel:
            self.put("channel", channel["id"], {**channel, "state": states[kind]})
            return len(live)
        if kind in policies:
            known = self.get("google", google) or {}
            self.put("google", google, {**known, "policy": policies[kind]})
            return len(live)
        now = self.time()
        changes: list[Doc]
        if kind == "expire":
            live = [(id, token) for id, token in live if token["type"] == "access"]
            changes = [{"expires_at": now} for _ in live]
        elif kind == "expire_grant":
            changes = [{"expires_at": now} for _ in live]
        elif kind == "revoke":
            live = [(id, token) for id, token in every if self.state(token) == "live"]
            changes = [{"state": "revoked"} for _ in live]
            self.drop("grant", google)
        elif kind == "scope_lost" and self._full(scope) in SCOPES:
            lost = self._full(scope)
            live = [(id, token) for id, token in live if lost in token["scopes"]]
            changes = [
                {"scopes": [name for name in token["scopes"] if name != lost]}
                for _, token in live
            ]
        else:
            raise ValueError(f"YouTube cannot end tokens by {how!r}")
        for (id, token), change in zip(live, changes, strict=True):
            before = {name: token[name] for name in change} | token.get("before", {})
            self.put("token", id, {**token, **change, "before": before})
        return len(live)

    def _full(self, scope: str) -> str:
        return scope if scope in SCOPES else SCOPE + scope

    def _restore(
        self, google: str, channel: Doc | None, own: list[tuple[str, Doc]]
    ) -> int:
        known = self.get("google", google) or {}
        self.put("google", google, {**known, "policy": ""})
        if channel:
            self.put("channel", channel["id"], {**channel, "state": ""})
        for id, token in own:
            before = token.pop("before", {})
            self.put("token", id, {**token, **before})
        return len(own)

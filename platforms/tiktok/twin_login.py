"""Signing in at TikTok: consent, codes, tokens, refresh, revocation, and their ends.

Sources: https://developers.tiktok.com/doc/login-kit-web,
https://developers.tiktok.com/docs/en/oauth-refresh-a-user-access-token (2026-11-02).
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from ..practice import pages
from ..practice.framework import Doc, Token, route
from .twin_calls import digest
from .twin_hooks import DEVELOPER_REVOKED, USER_REMOVED, Hooks

CLIENT_KEY = "practicetiktok"
CLIENT_SECRET = "practice-tiktok-secret"
SCOPES = {
    "user.info.basic": "read your name and picture",
    "user.info.profile": "read your profile: username, links, bio",
    "user.info.stats": "read your counts: followers, likes, videos",
    "video.list": "read your public videos",
    "video.upload": "send drafts to your inbox",
    "video.publish": "post to your profile",
}
COOKIE = "practice_tiktok"
#: parameters of the consent page that come back with its form
KEPT = (
    "client_key",
    "response_type",
    "redirect_uri",
    "state",
    "code_challenge",
    "code_challenge_method",
)
WRONG_REDIRECT = "Redirect_uri is not matched with the uri when requesting code."
MALFORMED = "The request parameters are malformed."
NO_SECRET = "Client secret is missed in request."


def loopback(address: str) -> bool:
    """What TikTok takes from desktop apps, and what practising happens on."""
    try:
        parts = urlsplit(address)
        has_port = parts.port is not None
    except ValueError:
        return False
    is_here = parts.hostname in ("localhost", "127.0.0.1", "::1")
    return parts.scheme in ("http", "https") and is_here and has_port


class Login(Hooks):
    # ------------------------------------------------------------ consent

    @route("GET", "/www/v2/auth/authorize/", browser=True)
    def authorize(self, request: Request) -> Response:
        asked = request.args
        if problem := self._authorize_problem(asked):
            return pages.error_page(self, "something went wrong", problem)
        wanted = asked.get("scope", "").split(",")
        if refused := self._refused_scopes(asked, wanted):
            return refused
        signed_in = request.cookies.get(COOKIE, "")
        if asked.get("disable_auto_auth") != "1" and self._knows(signed_in, wanted):
            return self._with_code(asked, signed_in, wanted)
        return pages.consent_page(
            self,
            (self.get("app", asked["client_key"]) or {})["name"],
            hidden=[
                *((name, asked[name]) for name in KEPT if name in asked),
                ("asked", asked.get("scope", "")),
            ],
            people=self.people(),
            scopes=[(name, SCOPES[name]) for name in wanted],
            may_untick=True,
        )

    @route("POST", "/www/v2/auth/authorize/", browser=True)
    def consent(self, request: Request) -> Response:
        form = request.form
        if problem := self._authorize_problem(form):
            return pages.error_page(self, "something went wrong", problem)
        asked = form.get("asked", "").split(",")
        if refused := self._refused_scopes(form, asked):
            return refused
        if form.get("decision") != "allow":
            text = "User cancelled the authorization"
            return self._back(form, error="access_denied", error_description=text)
        user = self.get("user", form.get("person", ""))
        if not user:
            text = "Choose who signs in."
            return pages.error_page(self, "something went wrong", text)
        targets = self.setting("sandbox_targets")
        if targets and user["username"] not in targets:
            text = "non_sandbox_target: this account is not in the app's sandbox."
            return pages.error_page(self, "something went wrong", text)
        ticked = set(form.getlist("scope"))
        answer = self._with_code(
            form, user["open_id"], [name for name in asked if name in ticked]
        )
        answer.set_cookie(COOKIE, user["open_id"], httponly=True, samesite="Lax")
        return answer

    def _authorize_problem(self, asked: Mapping[str, str]) -> str:
        """What TikTok's page says instead of asking; "" when all is well."""
        app = self.get("app", asked.get("client_key", ""))
        address = asked.get("redirect_uri", "")
        if not app or self.setting("app_state") == "rejected":
            return "client_key: the app is not known."
        if address not in app["redirect_uris"] and not loopback(address):
            return "redirect_uri: it is not one of the app's."
        if urlsplit(address).query or urlsplit(address).fragment:
            return "redirect_uri: it may have no query and no fragment."
        if asked.get("response_type") != "code":
            return "unsupported_response_type: it must be code."
        if not asked.get("state"):
            return "state: it is missing."
        if self.setting("app_type") == "desktop" and not asked.get("code_challenge"):
            return "code_challenge: it is missing."
        if asked.get("code_challenge_method", "S256") != "S256":
            return "code_challenge_method: it must be S256."
        return ""

    def _refused_scopes(
        self, asked: Mapping[str, str], wanted: list[str]
    ) -> Response | None:
        approved = self.setting("app_scopes") or list(SCOPES)
        wrong = [n for n in wanted if n not in approved or n not in SCOPES]
        if not wrong:
            return None
        text = f"The app has no approval for {', '.join(wrong)}"
        return self._back(asked, error="invalid_scope", error_description=text)

    def _knows(self, open_id: str, wanted: list[str]) -> bool:
        """Whether this browser's user has given all of it before."""
        return any(
            set(wanted) <= set(token["scopes"])
            for _, token in self.all("token", user=open_id, use="refresh")
            if self.state(token) == "live"
        )

    def _with_code(
        self, asked: Mapping[str, str], open_id: str, scopes: list[str]
    ) -> Response:
        # As TikTok's: it has signs that must be decoded from the address once.
        code = f"{Token('practice-code', 32).made}*{secrets.randbelow(10)}!4730.e1"
        doc = {
            "user": open_id,
            "client": asked["client_key"],
            "redirect_uri": asked["redirect_uri"],
            "challenge": asked.get("code_challenge", ""),
            "scopes": scopes,
            "expires_at": self.time() + self.setting("code_life_s"),
            "used": False,
        }
        self.put("code", digest(code), doc)
        return self._back(asked, code=code, scopes=",".join(scopes))

    def _back(self, asked: Mapping[str, str], **answer: str) -> Response:
        query = urlencode({**answer, "state": asked["state"]})
        made = redirect(f"{asked['redirect_uri']}?{query}", 302)
        assert isinstance(made, Response)
        return made

    # ------------------------------------------------------------ token endpoint

    @route("POST", "/api/v2/oauth/token/", call="POST /v2/oauth/token/")
    def token(self, request: Request) -> Response:
        form = request.form
        if refused := self._client_refused(request):
            return refused
        grants = {
            "authorization_code": self._exchange,
            "refresh_token": self._refresh,
            "client_credentials": self._client_token,
        }
        grant = grants.get(form.get("grant_type", ""))
        if not grant:
            return self.oauth_error(
                "unsupported_grant_type", "The grant type is unknown."
            )
        return grant(form)

    def _client_refused(self, request: Request) -> Response | None:
        form = request.form
        if not form or not request.path.endswith("/"):
            return self.oauth_error("invalid_request", MALFORMED)
        if not form.get("client_secret"):
            return self.oauth_error("invalid_request", NO_SECRET)
        app = self.get("app", form.get("client_key", ""))
        given = form["client_secret"].encode()
        is_app = app and hmac.compare_digest(given, app["secret"].encode())
        if not is_app or self.setting("app_state") == "rejected":
            text = "Client key or secret is incorrect."
            return self.oauth_error("invalid_client", text)
        return None

    def _exchange(self, form: Mapping[str, str]) -> Response:
        id = digest(form.get("code", ""))
        code = self.get("code", id)
        is_dead = not code or code["used"] or code["expires_at"] <= self.time()
        if not code or is_dead or code["client"] != form["client_key"]:
            return self.oauth_error("invalid_grant", "Authorization code is expired.")
        if form.get("redirect_uri") != code["redirect_uri"]:
            return self.oauth_error("invalid_request", WRONG_REDIRECT)
        if code["challenge"] and not _proves(form, code["challenge"]):
            text = "Code verifier or code challenge is invalid."
            return self.oauth_error("invalid_request", text)
        self.put("code", id, {**code, "used": True})
        return self._handed_out(
            self.issue(code["user"], code["scopes"], secrets.token_hex(8))
        )

    def _refresh(self, form: Mapping[str, str]) -> Response:
        id = digest(form.get("refresh_token", ""))
        token = self.get("token", id)
        if not token or token["use"] != "refresh" or not self._may_refresh(token):
            text = "Refresh token is invalid or expired."
            return self.oauth_error("invalid_grant", text)
        if self.setting("refresh_ends_old_access"):
            self._end_all(token["user"], grant=token["grant"], use="access")
        if self.setting("rotation") == "never":
            answer = self.issue(
                token["user"], token["scopes"], token["grant"], is_alone=True
            )
            left = int(token["expires_at"] - self.time())
            known = {"refresh_token": form["refresh_token"], "refresh_expires_in": left}
            return self._handed_out({**answer, **known})
        if token["state"] == "live":
            self.put("token", id, {**token, "state": "used", "used_at": self.time()})
        ends_at = token["expires_at"] if self.setting("rotation_keeps_end") else None
        return self._handed_out(
            self.issue(token["user"], token["scopes"], token["grant"], ends_at=ends_at)
        )

    def _may_refresh(self, token: Doc) -> bool:
        if token["state"] == "used":
            since = self.time() - token["used_at"]
            return bool(since < self.setting("refresh_grace_s"))
        return self.state(token) == "live"

    def _client_token(self, form: Mapping[str, str]) -> Response:
        made = f"clt.{Token().made}"
        life = {"expires_in": 7200, "token_type": "Bearer"}
        return self._handed_out({"access_token": made, **life})

    def _handed_out(self, answer: Doc) -> Response:
        made = self.json(answer, 200, self.log_id())
        made.headers["Cache-Control"] = "no-store"
        return made

    @route("POST", "/api/v2/oauth/revoke/", call="POST /v2/oauth/revoke/")
    def revoke(self, request: Request) -> Response:
        if refused := self._client_refused(request):
            return refused
        token = self.get("token", digest(request.form.get("token", "")))
        if not token or token["use"] != "access" or self.state(token) != "live":
            return self.oauth_error("invalid_request", "The access token is unknown.")
        self._end_all(token["user"])
        self.authorization_ended(token["user"], DEVELOPER_REVOKED)
        return self.json({}, 200, self.log_id())

    def issue(
        self,
        user: str,
        scopes: list[str],
        grant: str,
        *,
        ends_at: float | None = None,
        is_alone: bool = False,
    ) -> Doc:
        """A new pair (or an access token alone), as the token endpoint answers.

        ends_at: of the refresh token, when it is not a whole life from now.
        """
        now, life = self.time(), self.setting("access_life_s")
        if ends_at is None:
            ends_at = now + self.setting("refresh_life_s")
        made = {"access": f"act.{Token().made}", "refresh": f"rft.{Token().made}"}
        ends = {"access": now + life, "refresh": ends_at}
        if is_alone:
            del made["refresh"]
        for use, secret in made.items():
            doc = {
                "use": use,
                "user": user,
                "scopes": scopes,
                "grant": grant,
                "issued_at": now,
                "expires_at": ends[use],
                "state": "live",
            }
            self.put("token", digest(secret), doc)
        return {
            "access_token": made["access"],
            "expires_in": life,
            "open_id": user,
            "refresh_expires_in": int(ends_at - now),
            "refresh_token": made.get("refresh", ""),
            "scope": ",".join(scopes),
            "token_type": "Bearer",
        }

    # ------------------------------------------------------------ their ends

    def _end_all(self, user: str, **only: str) -> None:
        for id, token in self.all("token", user=user, **only):
            if token["state"] == "live":
                self.put("token", id, {**token, "state": "revoked"})

    def end_tokens(self, account: str, how: str) -> int:
        """`restore` takes back everything that was done here to the account."""
        user = self.find_user(account)
        every = self.all("token", user=user["open_id"])
        live = [(id, token) for id, token in every if self.state(token) == "live"]
        kind, _, scope = how.partition(":")
        if kind == "restore":
            return self._restore(user, every)
        marks: dict[str, Doc] = {
            "suspend": {"banned": True},
            "go_private": {"private": True},
            "go_public": {"private": False},
        }
        if kind in marks:
            self.put("user", user["open_id"], {**user, **marks[kind]})
            return len(live)
        change: Doc = {"state": "revoked"}
        if kind == "expire":
            live = [(id, token) for id, token in live if token["use"] == "access"]
            change = {"expires_at": self.time()}
        elif kind == "password_changed":
            live = live if self.setting("password_change_ends_tokens") else []
        elif kind == "scope_lost" and scope in SCOPES:
            live = [(id, token) for id, token in live if scope in token["scopes"]]
        elif kind != "revoke":
            raise ValueError(f"TikTok cannot end tokens by {how!r}")
        for id, token in live:
            if kind == "scope_lost":
                change = {"scopes": [n for n in token["scopes"] if n != scope]}
            before = {name: token[name] for name in ("expires_at", "state", "scopes")}
            before |= token.get("before", {})
            self.put("token", id, {**token, **change, "before": before})
        if kind == "revoke":
            self.authorization_ended(user["open_id"], USER_REMOVED)
        return len(live)

    def _restore(self, user: Doc, every: list[tuple[str, Doc]]) -> int:
        is_banned = user["banned"]
        self.put("user", user["open_id"], {**user, "banned": False})
        ended = [(id, token) for id, token in every if "before" in token]
        for id, token in ended:
            before = token.pop("before")
            self.put("token", id, {**token, **before})
        live = [token for _, token in every if self.state(token) == "live"]
        return len(ended) or (len(live) if is_banned else 0)

    def find_user(self, account: str) -> Doc:
        """By open_id or username; ValueError for nobody."""
        known = self.get("username", account.removeprefix("@").lower())
        user = self.get("user", known["user"] if known else account)
        if not user:
            raise ValueError(f"TikTok has no account {account!r}")
        return user


def _proves(form: Mapping[str, Any], challenge: str) -> bool:
    """TikTok's own PKCE: the challenge is the SHA-256 in lower-case hex."""
    verifier = str(form.get("code_verifier", ""))
    if not re.fullmatch(r"[A-Za-z0-9\-._~]{43,128}", verifier):
        return False
    made = hashlib.sha256(verifier.encode()).hexdigest()
    return hmac.compare_digest(made.encode(), challenge.encode())

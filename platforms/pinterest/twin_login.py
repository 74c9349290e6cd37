"""Signing in with Pinterest: the dialog, and the token endpoint.

Source: https://developers.pinterest.com/docs/getting-started/authentication/ (v5).
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from ..practice import pages
from ..practice.framework import Doc, Person, Token, route
from .twin_calls import NOT_PERMITTED, Calls, Refused, no_access
from .twin_tokens import LEGACY_S
from .twin_world import SCOPES, digest

PLACE = "/<any(api,sandbox):place>/v5"


class PinterestLogin(Calls):
    # ------------------------------------------------------------ the dialog

    @route("GET", "/www/oauth/", browser=True)
    def authorize(self, request: Request) -> Response:
        asked = request.args
        if problem := self._problem_of(asked):
            return pages.error_page(self, "something went wrong", problem)
        names = ("client_id", "redirect_uri", "response_type", "state")
        kept = [(name, asked[name]) for name in names if name in asked]
        return pages.consent_page(
            self,
            (self.get("app", asked["client_id"]) or {})["name"],
            hidden=[*kept, ("asked", asked.get("scope", ""))],
            people=self.people(),
            scopes=[(name, SCOPES[name]) for name in self._asked(asked)],
            may_untick=True,
        )

    @route("POST", "/www/oauth/", browser=True)
    def allow(self, request: Request) -> Response:
        form = request.form
        problem = self._problem_of(form)
        is_allowed = form.get("decision") == "allow"
        if is_allowed and not self.get("user", form.get("person", "")):
            problem = problem or "Choose who signs in."
        if problem:
            return pages.error_page(self, "something went wrong", problem)
        if not is_allowed:
            return self._back_to(form, {"error": "access_denied"})
        ticked = form.getlist("scope")
        code = Token("c0de-practice", 32).made
        self.put(
            "code",
            digest(code),
            {
                "user": form["person"],
                "redirect_uri": form["redirect_uri"],
                "scopes": [name for name in self._asked(form) if name in ticked],
                "expires_at": self.time() + self.setting("code_life_s"),
                "used": False,
            },
        )
        return self._back_to(form, {"code": code})

    def _asked(self, asked: Mapping[str, str]) -> list[str]:
        return asked.get("asked", asked.get("scope", "")).replace(",", " ").split()

    def _problem_of(self, asked: Mapping[str, str]) -> str:
        """What Pinterest's page would say instead of asking; "" when all is well."""
        app = self.get("app", asked.get("client_id", ""))
        if not app or self.setting("app_state") == "deactivated":
            return "The client_id is not known."
        if not self._may_return_to(asked.get("redirect_uri", ""), app):
            return "The redirect_uri is not one that is registered, byte for byte."
        if asked.get("response_type") != "code":
            return "The response_type must be code."
        scopes = self._asked(asked)
        if not scopes or not set(scopes) <= SCOPES.keys():
            return "The scope is missing or names something that Pinterest has not."
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

    def _back_to(self, asked: Mapping[str, str], answer: dict[str, str]) -> Response:
        address = asked["redirect_uri"]
        if "state" in asked:
            answer["state"] = asked["state"]
        joint = "&" if urlsplit(address).query else "?"
        response = redirect(f"{address}{joint}{urlencode(answer)}", 302)
        assert isinstance(response, Response)
        return response

    def people(self) -> list[Person]:
        return [
            Person(
                id,
                user["name"],
                f"@{user['username']}",
                "Business account" if user["account_type"] == "BUSINESS" else "",
            )
            for id, user in self.all("user")
        ]

    # ------------------------------------------------------------ tokens

    @route("POST", f"{PLACE}/oauth/token", call="POST /oauth/token")
    def token(self, request: Request, place: str) -> Response:
        try:
            self._check_client(request)
            grants = {
                "authorization_code": self._exchange,
                "refresh_token": self._refresh,
                "client_credentials": self._own_access,
            }
            grant = grants.get(request.form.get("grant_type", ""))
            if not grant:
                raise Refused(400, 1, "Invalid grant type.")
            return self.json(grant(place, request.form))
        except Refused as refused:
            return self.refused(refused)

    @route("POST", f"{PLACE}/oauth/token/revoke", call="POST /oauth/token/revoke")
    def revoke(self, request: Request, place: str) -> Response:
        """It is there for system users only."""
        try:
            self._check_client(request)
            raise Refused(403, 29, NOT_PERMITTED)
        except Refused as refused:
            return self.refused(refused)

    def _check_client(self, request: Request) -> None:
        basic = request.authorization
        if not basic or basic.type != "basic":
            raise no_access()
        app = self.get("app", basic.username or "")
        given = (basic.password or "").encode()
        if not app or not hmac.compare_digest(given, str(app["secret"]).encode()):
            raise no_access()
        if self.setting("app_state") == "deactivated":
            raise no_access()

    def _exchange(self, place: str, form: Mapping[str, str]) -> Doc:
        id = digest(form.get("code", ""))
        code = self.get("code", id)
        is_good = code and not code["used"] and code["expires_at"] > self.time()
        if not code or not is_good or form.get("redirect_uri") != code["redirect_uri"]:
            raise Refused(400, 1, "Invalid authorization code.")
        self.put("code", id, {**code, "used": True})
        is_legacy = self.setting("old_app") and form.get("continuous_refresh") != "true"
        return self.issue(
            place,
            code["user"],
            code["scopes"],
            "authorization_code",
            legacy_end=self.time() + LEGACY_S if is_legacy else 0.0,
        )

    def _refresh(self, place: str, form: Mapping[str, str]) -> Doc:
        secret = form.get("refresh_token", "")
        token = self.live_token(secret, "refresh", place)
        if not token:
            if self.setting("dead_refresh") == 401:
                raise no_access()
            raise Refused(400, 1, "Invalid refresh token.")
        scopes = form.get("scope", "").replace(",", " ").split() or token["scopes"]
        if not set(scopes) <= set(token["scopes"]):
            raise Refused(400, 1, "Invalid scope.")
        if self.setting("refresh_ends_access"):
            for id, other in self.all("token", family=token["family"]):
                if other["kind"] == "access":
                    self.end_token(id, other)
        if self.setting("refresh_ends_old") and not token["legacy"]:
            self.end_token(digest(secret), token)
        return self.issue(
            place,
            token["user"],
            scopes,
            "refresh_token",
            family=token["family"],
            legacy_end=token["expires_at"] if token["legacy"] else 0.0,
        )

    def _own_access(self, place: str, form: Mapping[str, str]) -> Doc:
        """A token that acts as the account which owns the app."""
        scopes = form.get("scope", "").replace(",", " ").split()
        if not scopes or not set(scopes) <= SCOPES.keys():
            raise Refused(400, 1, "Invalid scope.")
        owner = self.user_named("acmegarden")
        assert owner is not None
        return self.issue(place, owner["id"], scopes, "client_credentials")

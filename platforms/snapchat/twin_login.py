"""Signing in at accounts.snapchat.com: consent, codes, tokens, and their ends.

Source: https://developers.snap.com/api/marketing-api/Ads-API/authentication .
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from ..practice import pages
from ..practice.framework import Doc, Token, json_response, route
from .twin_calls import Calls, digest

CLIENT_ID = "5nap0000-0000-4000-8000-0000practice"
CLIENT_SECRET = "practice-snapchat-secret"
SCOPES = {
    "snapchat-profile-api": "post to your public profiles and read their figures",
    "snapchat-marketing-api": "see your organizations and their ads",
}
KEPT = ("client_id", "redirect_uri", "response_type", "state")


def loopback(address: str) -> bool:
    """A place where practising happens; Snap itself takes https only."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    is_here = parts.hostname in ("localhost", "127.0.0.1", "::1")
    return parts.scheme in ("http", "https") and is_here


class Login(Calls):
    # ------------------------------------------------------------ consent

    @route("GET", "/accounts/login/oauth2/authorize", browser=True)
    def authorize(self, request: Request) -> Response:
        asked = request.args
        if problem := self._authorize_problem(asked, asked.get("scope", "")):
            return pages.error_page(self, "something went wrong", problem)
        wanted = asked["scope"].split()
        return pages.consent_page(
            self,
            (self.get("app", asked["client_id"]) or {})["name"],
            hidden=[
                *((name, asked[name]) for name in KEPT if name in asked),
                ("asked", asked["scope"]),
            ],
            people=self.people(),
            scopes=[(name, SCOPES[name]) for name in wanted],
            may_untick=False,
        )

    @route("POST", "/accounts/login/oauth2/authorize", browser=True)
    def consent(self, request: Request) -> Response:
        form = request.form
        if problem := self._authorize_problem(form, form.get("asked", "")):
            return pages.error_page(self, "something went wrong", problem)
        if form.get("decision") != "allow":
            return self._back(form, {"error": "access_denied"})
        person = form.get("person", "")
        if not self.get("person", person):
            text = "Choose who signs in."
            return pages.error_page(self, "something went wrong", text)
        code = Token("practice-snap", 24).made
        doc = {
            "person": person,
            "client": form["client_id"],
            "redirect_uri": form["redirect_uri"],
            "scopes": form["asked"].split(),
            "expires_at": self.time() + self.setting("code_life_s"),
            "used": False,
        }
        self.put("code", digest(code), doc)
        return self._back(form, {"code": code})

    def _authorize_problem(self, asked: Mapping[str, str], scope: str) -> str:
        """What the page says instead of asking; "" when all is well."""
        app = self.get("app", asked.get("client_id", ""))
        address = asked.get("redirect_uri", "")
        if not app:
            return "The client_id is not known."
        if address not in app["redirect_uris"] and not loopback(address):
            return "The redirect_uri is not one of the app's."
        if asked.get("response_type") != "code":
            return "The response_type must be code."
        wanted = scope.split()
        if not wanted or not set(wanted) <= SCOPES.keys():
            return "The scope is missing or names something that Snap has not."
        return ""

    def _back(self, asked: Mapping[str, str], answer: Mapping[str, str]) -> Response:
        state = {"state": asked["state"]} if "state" in asked else {}
        joint = "&" if urlsplit(asked["redirect_uri"]).query else "?"
        query = urlencode({**answer, **state})
        made = redirect(f"{asked['redirect_uri']}{joint}{query}", 302)
        assert isinstance(made, Response)
        return made

    # ------------------------------------------------------------ token endpoint

    @route(
        "POST",
        "/accounts/login/oauth2/access_token",
        call="POST /login/oauth2/access_token",
    )
    def token(self, request: Request) -> Response:
        form = request.form
        app = self.get("app", form.get("client_id", ""))
        given = form.get("client_secret", "").encode()
        if not app or not hmac.compare_digest(given, app["secret"].encode()):
            return json_response({"error": "invalid_client"}, 401)
        if form.get("grant_type") == "authorization_code":
            return self._exchange(form)
        if form.get("grant_type") == "refresh_token":
            return self._refresh(form)
        return json_response({"error": "unsupported_grant_type"}, 400)

    def _exchange(self, form: Mapping[str, str]) -> Response:
        id = digest(form.get("code", ""))
        code = self.get("code", id)
        if not code or code["used"] or code["expires_at"] <= self.time():
            return self._dead("The code is not valid, or not any more.")
        if form.get("redirect_uri") != code["redirect_uri"]:
            return self._dead("The redirect_uri is another one.")
        self.put("code", id, {**code, "used": True})
        answer = self.issue(code["person"], code["scopes"], secrets.token_hex(8))
        return json_response(answer)

    def _refresh(self, form: Mapping[str, str]) -> Response:
        id = digest(form.get("refresh_token", ""))
        token = self.get("token", id)
        if not token or token["use"] != "refresh" or self.state(token) != "live":
            return self._dead("The refresh token is not valid.")
        how = self.setting("rotation")
        if how == "new_and_old_ends":
            self.put("token", id, {**token, "state": "used"})
        answer = self.issue(
            token["person"], token["scopes"], token["grant"], is_alone=how == "none"
        )
        return json_response(answer)

    def _dead(self, text: str) -> Response:
        body = {"error": "invalid_grant", "error_description": text}
        return json_response(body, int(self.setting("invalid_grant_status")))

    def issue(
        self, person: str, scopes: list[str], grant: str, *, is_alone: bool = False
    ) -> Doc:
        """A new pair, or an access token alone, as the token endpoint answers."""
        now, life = self.time(), self.setting("access_life_s")
        made = {"access": Token("eyPractice", 64).made}
        if not is_alone:
            made["refresh"] = Token("hCgPractice", 32).made
        for use, secret in made.items():
            doc = {
                "use": use,
                "person": person,
                "scopes": scopes,
                "grant": grant,
                "issued_at": now,
                "expires_at": now + life if use == "access" else None,
                "state": "live",
            }
            self.put("token", digest(secret), doc)
        answer = {
            "access_token": made["access"],
            "token_type": "Bearer",
            "expires_in": life,
            "scope": " ".join(scopes),
        }
        return answer | {f"{use}_token": secret for use, secret in made.items()}

    # ------------------------------------------------------------ their ends

    def end_tokens(self, account: str, how: str) -> int:
        """`restore` takes back everything that was done here to the profile."""
        profile = self.find_profile(account)
        every = [
            (id, token)
            for id, token in self.all("token")
            if token["person"] in {*profile["roles"], *profile["lost_roles"]}
        ]
        live = [(id, token) for id, token in every if self.state(token) == "live"]
        kind, _, scope = how.partition(":")
        if kind == "restore":
            return self._restore(profile, every)
        if kind == "role_lost":
            lost = {
                "roles": [],
                "lost_roles": profile["roles"] or profile["lost_roles"],
            }
            self.put("profile", profile["id"], {**profile, **lost})
            return len(live)
        if kind == "suspend":
            self.put("profile", profile["id"], {**profile, "suspended": True})
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
            raise ValueError(f"Snapchat cannot end tokens by {how!r}")
        for id, token in live:
            if kind == "scope_lost":
                change = {"scopes": [n for n in token["scopes"] if n != scope]}
            before = {name: token[name] for name in ("expires_at", "state", "scopes")}
            before |= token.get("before", {})
            self.put("token", id, {**token, **change, "before": before})
        return len(live)

    def _restore(self, profile: Doc, every: list[tuple[str, Doc]]) -> int:
        is_changed = profile["suspended"] or bool(profile["lost_roles"])
        again = profile["roles"] or profile["lost_roles"]
        back = {"suspended": False, "roles": again, "lost_roles": []}
        self.put("profile", profile["id"], {**profile, **back})
        ended = [(id, token) for id, token in every if "before" in token]
        for id, token in ended:
            before = token.pop("before")
            self.put("token", id, {**token, **before})
        live = [token for _, token in every if self.state(token) == "live"]
        return len(ended) or (len(live) if is_changed else 0)

    def find_profile(self, account: str) -> Doc:
        """By id or username; ValueError for none."""
        known = self.get("username", account.removeprefix("@").lower())
        profile = self.get("profile", known["profile"] if known else account)
        if not profile:
            raise ValueError(f"Snapchat has no profile {account!r}")
        return profile

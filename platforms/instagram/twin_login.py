"""Instagram with Instagram Login: dialog, short and long token, refresh, identity.

Source: https://developers.facebook.com/documentation/instagram-platform/
instagram-api-with-instagram-login/business-login .
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from typing import Any

from werkzeug.wrappers import Request, Response

from ..facebook import twin_errors as errors
from ..facebook.twin_accounts import Accounts
from ..facebook.twin_errors import GraphError
from ..facebook.twin_fields import Field, params, text_of
from ..facebook.twin_graph import DAY_S, INSTAGRAM, Caller
from ..facebook.twin_login import back_to, loopback
from ..facebook.twin_tokens import INSTAGRAM_SCOPES
from ..facebook.twin_world import APP_ID, INSTAGRAM_APP_ID, digest
from ..practice import pages
from ..practice.framework import Doc, Person, Token, route

BASIC = "instagram_business_basic"


class InstagramLogin(Accounts):
    # ------------------------------------------------------------ the dialog

    @route("GET", "/www/oauth/authorize", browser=True)
    def authorize(self, request: Request) -> Response:
        asked = request.args
        if refused := self._authorize_refused(asked):
            return refused
        names = ("client_id", "redirect_uri", "response_type", "state")
        kept = [(name, asked[name]) for name in names if name in asked]
        return pages.consent_page(
            self,
            (self.get("app", asked["client_id"]) or {})["name"],
            hidden=[*kept, ("asked", asked.get("scope", ""))],
            people=self._instagram_people(),
            scopes=[(name, INSTAGRAM_SCOPES[name]) for name in self._asked(asked)],
            may_untick=True,
        )

    def _instagram_people(self) -> list[Person]:
        return [
            Person(id, doc["name"], f"@{doc['username']}", "Professional account")
            for id, doc in self.all("ig")
            if doc["account_type"] != "PERSONAL"
        ]

    @route("POST", "/www/oauth/authorize", browser=True)
    def allow(self, request: Request) -> Response:
        form = request.form
        if refused := self._authorize_refused(form):
            return refused
        if form.get("decision") != "allow":
            return back_to(
                form,
                error="access_denied",
                error_reason="user_denied",
                error_description="The user denied your request",
            )
        ig = form.get("person", "")
        if not self.get("ig", ig):
            text = "Choose the account that signs in."
            return pages.error_page(self, "something went wrong", text)
        ticked = " ".join(form.getlist("scope")).replace(",", " ").split()
        asked = {*ticked, *self._asked(form)}
        scopes = {
            name: "granted" if name in ticked else "declined"
            for name in INSTAGRAM_SCOPES
            if name in asked
        }
        self.give(form["client_id"], ig, scopes)
        code = Token("AQBx-practice", 48).made
        self.put(
            "ig_code",
            digest(code),
            {
                "app": form["client_id"],
                "ig": ig,
                "redirect_uri": form["redirect_uri"],
                "expires_at": self.time() + self.setting("ig_code_life_s"),
                "used": False,
            },
        )
        answer = back_to(form, code=code)
        answer.headers["Location"] += "#_"
        return answer

    def _asked(self, asked: Mapping[str, str]) -> list[str]:
        return asked.get("asked", asked.get("scope", "")).replace(",", " ").split()

    def _authorize_refused(self, asked: Mapping[str, str]) -> Response | None:
        text = ""
        id, address = asked.get("client_id", ""), asked.get("redirect_uri", "")
        app = self._instagram_app(id)
        if not app or self.setting("app_state") == "disabled":
            text = "Invalid platform app."
        elif address not in app["redirect_uris"] and not loopback(address):
            text = "Invalid redirect_uri."
        elif asked.get("response_type", "code") != "code":
            text = "response_type must be code."
        elif wrong := [n for n in self._asked(asked) if n not in INSTAGRAM_SCOPES]:
            text = f"Invalid scope: {', '.join(wrong)}."
        if not text:
            return None
        return pages.error_page(self, "something went wrong", text)

    def _instagram_app(self, id: str) -> Doc | None:
        known = [INSTAGRAM_APP_ID]
        if self.setting("one_app_for_both"):
            known.append(APP_ID)
        return self.get("app", id) if id in known else None

    # ------------------------------------------------------------ tokens

    @route("POST", "/api/oauth/access_token", call="POST /oauth/access_token")
    def short_token(self, request: Request) -> Response:
        values = params(request)
        app = self._instagram_app(text_of(values, "client_id"))
        given = text_of(values, "client_secret").encode()
        if not app or not hmac.compare_digest(given, str(app["secret"]).encode()):
            return self._exchange_refused("Error validating client secret")
        if text_of(values, "grant_type") != "authorization_code":
            return self._exchange_refused("Invalid grant_type")
        id = digest(text_of(values, "code").removesuffix("#_"))
        code = self.get("ig_code", id)
        is_ended = not code or code["used"] or code["expires_at"] <= self.time()
        if not code or is_ended or code["app"] != app["id"]:
            text = "Matching code was not found or was already used"
            return self._exchange_refused(text)
        if text_of(values, "redirect_uri") != code["redirect_uri"]:
            return self._exchange_refused("Error validating verification code")
        self.put("ig_code", id, {**code, "used": True})
        life = self.setting("ig_short_life_s")
        secret, token = self.issue_instagram(
            app["id"], code["ig"], life_s=life, long=False
        )
        scopes = self.granted_scopes(self.grant_of(token))
        user = (self.get("ig", code["ig"]) or {})["scoped_id"]
        listed = self.setting("permissions_as") == "list"
        answer: Doc = {
            "access_token": secret,
            "user_id": int(user),
            "permissions": scopes if listed else ",".join(scopes),
        }
        if self.setting("token_shape") == "nested":
            answer = {"data": [{**answer, "user_id": user}]}
        return self.json(answer)

    def _exchange_refused(self, text: str) -> Response:
        body = {"error_type": "OAuthException", "code": 400, "error_message": text}
        return self.json(body, 400)

    @route("GET", "/ig/access_token", call="GET /access_token")
    def long_token(self, request: Request) -> Response:
        def work(token: Doc) -> Doc:
            values = params(request)
            app = self.get("app", token["app"]) or {}
            given = text_of(values, "client_secret").encode()
            if text_of(values, "grant_type") != "ig_exchange_token":
                raise errors.wrong("Invalid grant_type")
            if not hmac.compare_digest(given, str(app["secret"]).encode()):
                raise GraphError(1, "Error validating client secret.", status=400)
            if token["long"]:
                raise errors.wrong("The access token is not a short-lived one")
            return self._longer(token)

        return self._with_token(request, work)

    @route("GET", "/ig/refresh_access_token", call="GET /refresh_access_token")
    def refresh(self, request: Request) -> Response:
        def work(token: Doc) -> Doc:
            if text_of(params(request), "grant_type") != "ig_refresh_token":
                raise errors.wrong("Invalid grant_type")
            if not token["long"]:
                raise errors.wrong("Only a long-lived access token can be refreshed")
            if not self.has_scope(token, BASIC):
                raise errors.lacks(BASIC, 10)
            if self.time() - token["issued_at"] < DAY_S:
                text = "The access token is less than 24 hours old"
                code = int(self.setting("too_young_code"))
                raise GraphError(code, f"(#{code}) {text}")
            answer = self._longer(token)
            if self.setting("refresh_ends_old"):
                id = digest(self.secret_of(request))
                self.put("token", id, {**token, "session_no": -1})
            scopes = self.granted_scopes(self.grant_of(token))
            return {**answer, "permissions": ",".join(scopes)}

        return self._with_token(request, work)

    def _with_token(self, request: Request, work: Callable[[Doc], Doc]) -> Response:
        try:
            caller = self._caller(request, INSTAGRAM)
            return self.json(work(caller.token))
        except GraphError as refused:
            return self.refused(refused)

    def _longer(self, token: Doc) -> Doc:
        life = self.setting("long_life_s")
        secret, _ = self.issue_instagram(
            token["app"], token["ig"], life_s=life, long=True
        )
        return {"access_token": secret, "token_type": "bearer", "expires_in": life}

    # ------------------------------------------------------------ nodes

    @route("GET", "/ig/<version>/<id>", call="GET /:id")
    def read_instagram(self, request: Request, version: str, id: str) -> Response:
        return self.read_node(request, version, id)

    @route("POST", "/ig/<version>/<id>", call="POST /:id")
    def write_instagram(self, request: Request, version: str, id: str) -> Response:
        return self.write_node(request, version, id)

    @route("DELETE", "/ig/<version>/<id>", call="DELETE /:id")
    def remove_instagram(self, request: Request, version: str, id: str) -> Response:
        return self.remove_node(request, version, id)

    def node(self, caller: Caller, id: str, request: Request) -> Doc:
        if caller.kind != "IG" or not self.get("ig", id):
            return super().node(caller, id, request)
        if caller.ig != id:
            raise errors.missing_object(id)
        self.need(caller, BASIC, code=10)
        account = self.get("ig", id) or {}
        picture = f"{self.url}/www/{id}/picture"
        known: dict[str, Callable[[Field], Any]] = {
            "id": lambda f: account["scoped_id"],
            "user_id": lambda f: account["id"],
            "username": lambda f: account["username"],
            "name": lambda f: account["name"],
            "account_type": lambda f: account["account_type"],
            "profile_picture_url": lambda f: picture,
            "followers_count": lambda f: 1_200,
            "follows_count": lambda f: 10,
            "media_count": lambda f: self.media_count(id),
        }
        return self.pick("IGUser", self.wanted(request, "id"), known)

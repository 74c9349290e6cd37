"""Signing in with Threads: dialog, short and long token, refresh, introspection.

Sources: https://developers.facebook.com/docs/threads/get-started/
get-access-tokens-and-permissions ; .../get-started/long-lived-tokens .
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping

from werkzeug.wrappers import Request, Response

from ..facebook import twin_errors as errors
from ..facebook.twin_errors import GraphError
from ..facebook.twin_fields import params, text_of
from ..facebook.twin_login import back_to, loopback
from ..practice import pages
from ..practice.framework import Doc, Person, Token, route
from .twin_graph import Caller, ThreadsGraph
from .twin_world import DAY_S, SCOPES, digest

BASIC = "threads_basic"


class ThreadsLogin(ThreadsGraph):
    # ------------------------------------------------------------ the dialog

    @route("GET", "/www/oauth/authorize", browser=True)
    def authorize(self, request: Request) -> Response:
        asked = request.args
        if refused := self._dialog_refused(asked):
            return refused
        names = ("client_id", "redirect_uri", "response_type", "state")
        kept = [(name, asked[name]) for name in names if name in asked]
        app = self.get("app", asked["client_id"])
        assert app is not None
        return pages.consent_page(
            self,
            app["name"],
            hidden=[*kept, ("asked", asked.get("scope", ""))],
            people=self.people(),
            scopes=[(name, SCOPES[name]) for name in self._asked(asked)],
            may_untick=True,
        )

    @route("POST", "/www/oauth/authorize", browser=True)
    def allow(self, request: Request) -> Response:
        form = request.form
        if refused := self._dialog_refused(form):
            return refused
        if form.get("decision") != "allow":
            return back_to(
                form,
                error="access_denied",
                error_reason="user_denied",
                error_description="The user denied your request",
            )
        user = form.get("person", "")
        if not self.get("user", user):
            return self._dead_end("Choose the profile that signs in.")
        ticked = {BASIC, *form.getlist("scope")}
        scopes = [name for name in self._asked(form) if name in ticked]
        self.give(user, scopes)
        code = Token("AQBx-practice", 48).made
        self.put(
            "code",
            digest(code),
            {
                "user": user,
                "scopes": scopes,
                "redirect_uri": form["redirect_uri"],
                "expires_at": self.time() + self.setting("code_life_s"),
                "used": False,
            },
        )
        answer = back_to(form, code=code)
        answer.headers["Location"] += "#_"
        return answer

    def _asked(self, asked: Mapping[str, str]) -> list[str]:
        return asked.get("asked", asked.get("scope", "")).replace(",", " ").split()

    def _dialog_refused(self, asked: Mapping[str, str]) -> Response | None:
        scopes, address = self._asked(asked), asked.get("redirect_uri", "")
        app = self.get("app", asked.get("client_id", ""))
        if not app or self.setting("app_state") == "disabled":
            text = "No app ID that Threads knows was sent with the request."
            return self._dead_end(f"{text} Error code: 4476002.")
        if address not in app["redirect_uris"] and not loopback(address):
            return self._dead_end("Blocked: the redirect URI is not registered.")
        if asked.get("response_type") != "code":
            return self._dead_end("response_type must be code.")
        if wrong := [name for name in scopes if name not in SCOPES]:
            return self._dead_end(f"Invalid scopes: {', '.join(wrong)}.")
        if BASIC not in scopes:
            return self._dead_end(f"{BASIC} must be among the scopes.")
        return None

    def _dead_end(self, text: str) -> Response:
        return pages.error_page(self, "something went wrong", text)

    def people(self) -> list[Person]:
        return [
            Person(
                id,
                user["name"],
                f"@{user['username']}",
                "Private profile" if user["is_private"] else "",
            )
            for id, user in self.all("user")
        ]

    # ------------------------------------------------------------ tokens

    @route("POST", "/graph/oauth/access_token", call="POST /oauth/access_token")
    @route("POST", "/graph/v1.0/oauth/access_token", call="POST /oauth/access_token")
    def short_token(self, request: Request) -> Response:
        values = params(request)
        app = self._app_of(values)
        if not app:
            return self._exchange_refused("Error validating client secret")
        if text_of(values, "grant_type") != "authorization_code":
            return self._exchange_refused("Invalid grant_type")
        id = digest(text_of(values, "code"))
        code = self.get("code", id)
        if not code or code["used"] or code["expires_at"] <= self.time():
            text = "Matching code was not found or was already used"
            return self._exchange_refused(text)
        if text_of(values, "redirect_uri") != code["redirect_uri"]:
            return self._exchange_refused("Error validating verification code")
        self.put("code", id, {**code, "used": True})
        secret, _ = self.issue(code["user"], code["scopes"], long=False)
        is_number = self.setting("user_id_as") == "number"
        user = int(code["user"]) if is_number else code["user"]
        return self.json({"access_token": secret, "user_id": user})

    def _app_of(self, values: Mapping[str, object]) -> Doc | None:
        app = self.get("app", text_of(values, "client_id"))
        given = text_of(values, "client_secret").encode()
        if not app or not hmac.compare_digest(given, str(app["secret"]).encode()):
            return None
        return app

    def _exchange_refused(self, text: str) -> Response:
        body = {"error_type": "OAuthException", "code": 400, "error_message": text}
        return self.json(body, 400)

    @route("GET", "/graph/oauth/access_token", call="GET /oauth/access_token")
    @route("GET", "/graph/v1.0/oauth/access_token", call="GET /oauth/access_token")
    def app_token(self, request: Request) -> Response:
        values = params(request)
        app = self._app_of(values)
        if not app:
            return self._exchange_refused("Error validating client secret")
        if text_of(values, "grant_type") != "client_credentials":
            return self._exchange_refused("Invalid grant_type")
        token = f"TH|{app['id']}|{self.app_key()}"
        return self.json({"access_token": token, "token_type": "bearer"})

    @route("GET", "/graph/access_token", call="GET /access_token")
    @route("GET", "/graph/v1.0/access_token", call="GET /access_token")
    def long_token(self, request: Request) -> Response:
        def work(token: Doc) -> Doc:
            values = params(request)
            app = self.get("app", token["app"]) or {}
            given = text_of(values, "client_secret").encode()
            if text_of(values, "grant_type") != "th_exchange_token":
                raise errors.wrong("Invalid grant_type")
            if not hmac.compare_digest(given, str(app["secret"]).encode()):
                raise GraphError(1, "Error validating client secret.", status=400)
            if token["long"]:
                raise errors.wrong("The access token is not a short-lived one")
            return self._longer(token)

        return self._with_token(request, work)

    @route("GET", "/graph/refresh_access_token", call="GET /refresh_access_token")
    @route("GET", "/graph/v1.0/refresh_access_token", call="GET /refresh_access_token")
    def refresh(self, request: Request) -> Response:
        def work(token: Doc) -> Doc:
            if text_of(params(request), "grant_type") != "th_refresh_token":
                raise errors.wrong("Invalid grant_type")
            if not token["long"]:
                raise errors.wrong("Only a long-lived access token can be refreshed")
            if BASIC not in self.scopes_of(token):
                raise errors.lacks(BASIC, 10)
            is_private = self.user(token["user"])["is_private"]
            if is_private and not self.setting("private_refresh"):
                text = "The access token of a private profile cannot be refreshed"
                raise errors.wrong(text)
            if self.time() - token["issued_at"] < DAY_S:
                code = int(self.setting("too_young_code"))
                text = "The access token is less than 24 hours old"
                raise GraphError(code, f"(#{code}) {text}")
            self.renew_grant(token["user"])
            answer = self._longer(token)
            if self.setting("refresh_ends_old"):
                id = digest(self.secret_of(request))
                self.put("token", id, {**token, "session_no": -1})
            return answer

        return self._with_token(request, work)

    def _with_token(self, request: Request, work: Callable[[Doc], Doc]) -> Response:
        try:
            caller = self.caller_of(request)
            if not caller.user:
                raise errors.cannot_parse()
            return self.json(work(caller.token))
        except GraphError as refused:
            return self.refused(refused)

    def _longer(self, token: Doc) -> Doc:
        secret, life = self.issue(token["user"], token["scopes"], long=True)
        answer: Doc = {"access_token": secret, "token_type": "bearer"}
        if not self.setting("omit_expires_in"):
            answer["expires_in"] = life
        return answer

    # ------------------------------------------------------------ introspection

    @route("GET", "/graph/<version>/debug_token", call="GET /debug_token")
    def debug_token(self, request: Request, version: str) -> Response:
        def work(caller: Caller) -> Doc:
            inspected = text_of(params(request), "input_token")
            if not inspected:
                raise errors.needed("input_token")
            return {"data": self._inspected(inspected)}

        return self.graph(request, version, work)

    def _inspected(self, secret: str) -> Doc:
        token = self.get("token", digest(secret))
        if not token:
            told = errors.cannot_parse()
            error = {"code": told.code, "message": told.message}
            return {"is_valid": False, "scopes": [], "error": error}
        app = self.get("app", token["app"]) or {}
        shown: Doc = {
            "type": "USER",
            "application": app["name"],
            "data_access_expires_at": int(self.grant(token["user"])["ends_at"]),
            "expires_at": int(token["expires_at"]),
            "issued_at": int(token["issued_at"]),
            "is_valid": True,
            "scopes": self.scopes_of(token),
            "user_id": token["user"],
        }
        if subcode := self.death(token):
            text = self.death_text(token, subcode)
            error = {"code": 190, "subcode": subcode, "message": text}
            shown |= {"is_valid": False, "scopes": [], "error": error}
        return shown

"""Facebook Login: the dialog, the exchanges, and reading and revoking the grant.

Sources: https://developers.facebook.com/documentation/facebook-login/guides/
access-tokens/get-long-lived ; https://developers.facebook.com/docs/graph-api/reference/
debug_token (v26.0).
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit

from markupsafe import Markup
from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from ..practice import html, pages
from ..practice.framework import Doc, Token, route
from . import twin_errors as errors
from .twin_errors import GraphError
from .twin_fields import listed, params, text_of
from .twin_graph import Caller, Graph
from .twin_tokens import SCOPES
from .twin_world import digest

TICK = Markup(
    '<label class="tick"><input type="checkbox" name="{}" value="{}" checked>'
    "<span>{}</span></label>"
)
RADIO = Markup(
    '<label class="tick"><input type="radio" name="person" value="{}" required{}>'
    '<span>{} <span class="note">{}</span></span></label>'
)
DIALOG = Markup(
    '<form method="post" action="">{fields}<h2>Sign in as</h2>{people}'
    "<h2>{app} asks for</h2>{scopes}"
    "<h2>Pages and Instagram accounts</h2>"
    '<p class="note">Only those of the person above count. All ticked: later ones as '
    "well.</p>{pages}"
    '<p class="row"><button name="decision" value="allow">Allow</button>'
    '<button class="second" name="decision" value="cancel" formnovalidate>'
    "Cancel</button></p></form>"
)
APPS = Markup(
    "<section><h2>{person}</h2>{apps}</section>",
)
APP = Markup(
    '<form method="post" action=""><input type="hidden" name="grant" value="{id}">'
    '<p>{name}: {scopes}</p><label class="tick"><input type="checkbox" name="delete"'
    ' value="yes"><span>Delete what {name} knows about me as well</span></label>'
    "<p><button>Remove {name}</button></p></form>"
)


def loopback(address: str) -> bool:
    """An address of this machine, which needs no registration in the practice app."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    if "#" in address or parts.scheme not in ("http", "https"):
        return False
    return parts.hostname in ("localhost", "127.0.0.1", "::1")


def back_to(asked: Mapping[str, str], **answer: str) -> Response:
    address = asked["redirect_uri"]
    if "state" in asked:
        answer["state"] = asked["state"]
    joint = "&" if urlsplit(address).query else "?"
    response = redirect(f"{address}{joint}{urlencode(answer)}", 302)
    assert isinstance(response, Response)
    return response


class Login(Graph):
    # ------------------------------------------------------------ the dialog

    @route("GET", "/www/<version>/dialog/oauth", browser=True)
    def dialog(self, request: Request, version: str) -> Response:
        asked = request.args
        if refused := self._dialog_refused(asked, version):
            return refused
        names = ("client_id", "redirect_uri", "response_type", "state", "auth_type")
        kept = [(name, asked[name]) for name in names if name in asked]
        kept += [("asked", asked.get("scope", "")), ("chooses_pages", "yes")]
        people = [doc for _, doc in self.all("person")]
        choices = html.join(
            RADIO.format(
                who["id"],
                Markup(" checked") if number == 0 else "",
                who["name"],
                who["handle"],
            )
            for number, who in enumerate(people)
        )
        wanted = self._asked_scopes(asked)
        body = DIALOG.format(
            fields=html.hidden(kept),
            people=choices,
            app=(self.get("app", asked["client_id"]) or {})["name"],
            scopes=html.join(
                TICK.format("scope", name, f"{name}: {SCOPES[name]}") for name in wanted
            ),
            pages=html.join(self._page_ticks(who) for who in people),
        )
        title = f"{self.name}: sign in with Facebook"
        return html.page(title, body, self.base_url, kind="narrow")

    def _page_ticks(self, person: Doc) -> Markup:
        rows = []
        for role in self.roles_of(person["id"]):
            page = self.get("page", role["page"])
            assert page is not None
            key = f"{person['id']}:{page['id']}"
            rows.append(TICK.format("page", key, page["name"]))
            if page["ig"]:
                key = f"{person['id']}:{page['ig']}"
                name = f"Instagram: {(self.get('ig', page['ig']) or {})['username']}"
                rows.append(TICK.format("instagram", key, name))
        return Markup("<details><summary>Of {}</summary>{}</details>").format(
            person["name"], html.join(rows)
        )

    @route("POST", "/www/<version>/dialog/oauth", browser=True)
    def decide(self, request: Request, version: str) -> Response:
        form = request.form
        if refused := self._dialog_refused(form, version):
            return refused
        if form.get("decision") != "allow":
            return back_to(
                form,
                error="access_denied",
                error_reason="user_denied",
                error_description="Permissions error",
            )
        person = form.get("person", "")
        if not self.get("person", person):
            text = "Choose who signs in."
            return pages.error_page(self, "something went wrong", text)
        ticked = " ".join(form.getlist("scope")).replace(",", " ").split()
        self._consent(request, person, ticked)
        code = Token("AQB-practice", 48).made
        self.put(
            "code",
            digest(code),
            {
                "app": form["client_id"],
                "person": person,
                "redirect_uri": form["redirect_uri"],
                "expires_at": self.time() + self.setting("code_life_s"),
                "used": False,
            },
        )
        return back_to(form, code=code)

    def _asked_scopes(self, asked: Mapping[str, str]) -> list[str]:
        names = asked.get("asked", asked.get("scope", "")).replace(",", " ").split()
        return ["public_profile", *(n for n in names if n != "public_profile")]

    def _dialog_refused(
        self, asked: Mapping[str, str], version: str
    ) -> Response | None:
        try:
            self._check_version(version)
        except GraphError as refused:
            return pages.error_page(self, "something went wrong", refused.message)
        app = self.get("app", asked.get("client_id", ""))
        address = asked.get("redirect_uri", "")
        if not app:
            text = "Invalid App ID: the provided app ID does not look like a valid one."
            return pages.error_page(self, "something went wrong", text)
        if address not in app["redirect_uris"] and not loopback(address):
            text = "URL blocked: the redirect URI is not one that the app registered."
            return pages.error_page(self, "something went wrong", text)
        if self.setting("app_state") == "disabled":
            text = "App not active: this app is not currently accessible."
            return pages.error_page(self, "something went wrong", text)
        if asked.get("response_type", "code") != "code":
            text = "The practice network knows response_type=code only."
            return pages.error_page(self, "something went wrong", text)
        wrong = [name for name in self._asked_scopes(asked) if name not in SCOPES]
        if wrong:
            text = f"Invalid Scopes: {', '.join(wrong)}."
            return pages.error_page(self, "something went wrong", text)
        return None

    def _consent(self, request: Request, person: str, ticked: list[str]) -> None:
        form = request.form
        types = form.get("auth_type", "").split(",")
        grant = self.grant(form["client_id"], person)
        may_ask_again = "rerequest" in types or not self.setting("rerequest_needed")
        scopes: dict[str, str] = {}
        for name in {*ticked, *self._asked_scopes(form)}:
            was = "" if grant["removed"] else self.scope_status(grant, name)
            allowed = name in ticked and (was != "declined" or may_ask_again)
            scopes[name] = "granted" if allowed else "declined"
        chosen, igs = None, None
        if "chooses_pages" in form:
            owned = [role["page"] for role in self.roles_of(person)]
            chosen = self._chosen(form.getlist("page"), person, owned)
            docs = [self.get("page", page) for page in owned]
            linked = [doc["ig"] for doc in docs if doc and doc["ig"]]
            igs = self._chosen(form.getlist("instagram"), person, linked)
        again = "reauthorize" in types
        scopes["public_profile"] = "granted"
        ordered = {name: scopes[name] for name in SCOPES if name in scopes}
        self.give(form["client_id"], person, ordered, chosen, igs, reauthorize=again)

    def _chosen(
        self, ticked: list[str], person: str, all_of_them: list[str]
    ) -> list[str] | None:
        """None when nothing was unticked: then later ones belong to it as well."""
        kept = [id for id in all_of_them if f"{person}:{id}" in ticked]
        return None if len(kept) == len(all_of_them) else kept

    # ------------------------------------------------------------ exchanges

    @route("GET", "/graph/<version>/oauth/access_token", call="GET /oauth/access_token")
    @route(
        "POST", "/graph/<version>/oauth/access_token", call="GET /oauth/access_token"
    )
    def access_token(self, request: Request, version: str) -> Response:
        values = params(request)
        try:
            self._check_version(version)
            app = self._app_of(values)
            self.check_app(app)
            grant_type = text_of(values, "grant_type")
            if grant_type == "client_credentials":
                token = f"{app}|{self.app_key(app)}"
                return self.json({"access_token": token, "token_type": "bearer"})
            if grant_type == "fb_exchange_token":
                return self._lengthen(app, text_of(values, "fb_exchange_token"))
            return self._exchange(app, values)
        except GraphError as refused:
            return self.refused(refused)

    def _app_of(self, values: Mapping[str, object]) -> str:
        id = text_of(values, "client_id")
        app = self.get("app", id)
        if not app:
            text = (
                "Missing client_id parameter."
                if not id
                else (
                    "Error validating application. Cannot get application info due to a "
                    "system error."
                )
            )
            raise GraphError(101, text)
        given = text_of(values, "client_secret")
        if not hmac.compare_digest(given.encode(), str(app["secret"]).encode()):
            raise GraphError(1, "Error validating client secret.", status=400)
        return id

    def _exchange(self, app: str, values: Mapping[str, object]) -> Response:
        secret = text_of(values, "code")
        if not secret:
            raise errors.wrong("Missing authorization code")
        id = digest(secret)
        code = self.get("code", id)
        if not code or code["app"] != app:
            raise errors.wrong("Invalid verification code format.")
        if code["used"]:
            raise errors.wrong("This authorization code has been used.", 36009)
        if code["expires_at"] <= self.time():
            raise errors.wrong("This authorization code has expired.", 36007)
        if text_of(values, "redirect_uri") != code["redirect_uri"]:
            text = (
                "Error validating verification code. Please make sure your redirect_uri "
                "is identical to the one you used in the OAuth dialog request"
            )
            raise errors.wrong(text, 36008)
        self.put("code", id, {**code, "used": True})
        secret, token = self.issue_user(app, code["person"], long=False)
        return self._token_answer(secret, token)

    def _lengthen(self, app: str, secret: str) -> Response:
        token = self.get("token", digest(secret))
        if not token or token["type"] != "USER" or token["app"] != app:
            raise errors.cannot_parse()
        if subcode := self.death(token):
            raise self.death_error(token, subcode)
        # A long token can be exchanged, but that gives it no longer life.
        ends = token["expires_at"] if token["long"] else None
        secret, token = self.issue_user(
            app, token["person"], long=True, expires_at=ends
        )
        return self._token_answer(secret, token)

    def _token_answer(self, secret: str, token: Doc) -> Response:
        answer: Doc = {"access_token": secret, "token_type": "bearer"}
        if not self.setting("omit_expires_in"):
            answer["expires_in"] = int(token["expires_at"] - self.time())
        return self.json(answer)

    # ------------------------------------------------------------ reading the grant

    @route("GET", "/graph/<version>/debug_token", call="GET /debug_token")
    def debug_token(self, request: Request, version: str) -> Response:
        def work(caller: Caller) -> Doc:
            if caller.kind not in ("APP", "USER"):
                raise errors.wrong("You must provide an app access token")
            secret = text_of(params(request), "input_token")
            if not secret:
                raise errors.needed("input_token")
            return {"data": self._inspected(secret, caller.app)}

        return self.graph(request, version, work)

    def _inspected(self, secret: str, app: str) -> Doc:
        token = self.get("token", digest(secret))
        name = (self.get("app", app) or {})["name"]
        if self.app_of_secret(secret) == app:
            facts: Doc = {"app_id": app, "type": "APP", "application": name}
            return facts | {"is_valid": True, "scopes": []}
        if not token or token["type"] == "IG":
            parse = errors.cannot_parse()
            error = {"code": parse.code, "message": parse.message}
            return {"error": error, "is_valid": False, "scopes": []}
        if token["app"] != app:
            text = "The App_id in the input_token did not match the Viewing App"
            raise errors.wrong(text)
        shown: Doc = {"app_id": app, "type": token["type"]}
        if subcode := self.death(token):
            text = self.death_text(token, subcode)
            error = {"code": 190, "subcode": subcode, "message": text}
            return shown | {
                "is_valid": False,
                "scopes": [],
                "user_id": token["person"],
                "error": error,
            }
        grant = self.grant_of(token)
        scopes = self.granted_scopes(grant)
        shown |= {
            "application": name,
            "data_access_expires_at": int(grant["data_access_at"]),
            "expires_at": int(token["expires_at"]),
            "is_valid": True,
        }
        if token["long"]:
            shown["issued_at"] = int(token["issued_at"])
        if token["page"]:
            shown["profile_id"] = token["page"]
        granular = []
        for scope in scopes:
            if scope.startswith(("pages_", "instagram_")) or scope == "read_insights":
                chosen = self.targets(grant, scope)
                only = {} if chosen is None else {"target_ids": chosen}
                granular.append({"scope": scope, **only})
        return shown | {
            "user_id": token["person"],
            "scopes": scopes,
            "granular_scopes": granular,
        }

    @route("GET", "/graph/<version>/me/permissions", call="GET /me/permissions")
    def permissions(self, request: Request, version: str) -> Response:
        def work(caller: Caller) -> Doc:
            self._only_user(caller)
            grant = self.grant_of(caller.token)
            rows = [
                (name, {"permission": name, "status": status})
                for name, status in grant["scopes"].items()
            ]
            where = self.address_of(request)
            return {"data": listed(request, where, rows, limit=100)["data"]}

        return self.graph(request, version, work)

    @route("DELETE", "/graph/<version>/me/permissions", call="DELETE /me/permissions")
    def revoke(self, request: Request, version: str) -> Response:
        def work(caller: Caller) -> Doc:
            self._only_user(caller)
            key = f"{caller.app} {caller.person}"
            self._remove_apps([(key, self.grant_of(caller.token))])
            return {"success": True}

        return self.graph(request, version, work)

    @route(
        "DELETE",
        "/graph/<version>/me/permissions/<permission>",
        call="DELETE /me/permissions/:permission",
    )
    def revoke_one(self, request: Request, version: str, permission: str) -> Response:
        def work(caller: Caller) -> Doc:
            self._only_user(caller)
            grant = self.grant_of(caller.token)
            if permission not in grant["scopes"]:
                raise errors.wrong(f"Invalid permission {permission}")
            scopes = {**grant["scopes"], permission: "declined"}
            self.change("grant", f"{caller.app} {caller.person}", scopes=scopes)
            return {"success": True}

        return self.graph(request, version, work)

    def _only_user(self, caller: Caller) -> None:
        if caller.kind != "USER":
            text = "(#100) This method must be called with a user access token"
            raise GraphError(100, text)

    # ------------------------------------------------------------ what a person sees

    @route("GET", "/www/settings/apps", browser=True)
    def apps_page(self, request: Request) -> Response:
        """Apps and websites: where a person removes our app."""
        sections = []
        for id, doc in [*self.all("person"), *self.all("ig")]:
            rows = [
                APP.format(
                    id=key,
                    name=(self.get("app", grant["app"]) or {})["name"],
                    scopes=", ".join(self.granted_scopes(grant)) or "nothing",
                )
                for key, grant in self.apps_of(id)
            ]
            if rows:
                sections.append(APPS.format(person=doc["name"], apps=html.join(rows)))
        empty = Markup('<p class="quiet">No app has access.</p>')
        body = html.join(sections) or empty
        body += Markup("<h2>What Meta told the app</h2>{}").format(
            html.table(
                ["When (UTC)", "What", "Where", "Result"],
                [
                    [
                        row["at"][:19].replace("T", " "),
                        row["kind"].replace("_", " "),
                        row["url"],
                        f"{row['state']} {row['status'] or ''} {row['detail']}",
                    ]
                    for row in reversed(self.callbacks())
                ],
                "Nothing yet.",
            )
        )
        return html.page(f"{self.name}: apps and websites", body, self.base_url)

    @route("POST", "/www/settings/apps", browser=True)
    def remove_app(self, request: Request) -> Response:
        id = request.form.get("grant", "")
        grant = self.get("grant", id)
        if not grant:
            return pages.no_page(self)
        deletion = request.form.get("delete") == "yes"
        self._remove_apps([(id, grant)], deletion=deletion)
        answer = redirect(f"{self.url}/www/settings/apps", 303)
        assert isinstance(answer, Response)
        return answer

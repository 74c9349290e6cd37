"""The practice network's Mastodon: one instance, or one GoToSocial, by a switch.

Sources: https://docs.joinmastodon.org/ (methods, rate limits, scopes) and the server's
own texts; GoToSocial: https://docs.gotosocial.org/.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import urlencode, urlsplit

from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from platforms.practice.framework import (
    Doc,
    Person,
    Refusal,
    arrived_at,
    iso,
    json_response,
    route,
)
from platforms.practice.moving import KEPT_BYTES
from platforms.practice.pages import (
    Picture,
    PostView,
    consent_page,
    error_page,
    posts_page,
)

from . import twin_text
from .twin_calls import SWITCHES, ApiError, Who, api, rate_headers, sent_fields
from .twin_figures import Figures
from .twin_media import DESCRIPTION, MIME_TYPES, kind_of

CLIENT_ID = "practice-mastodon"
CLIENT_SECRET = "practice-mastodon-secret"
OOB = "urn:ietf:wg:oauth:2.0:oob"

#: where an attachment's type is spelled otherwise by those who compare
KINDS = {"gifv": "gif"}
CODE_LIFE_S = 600
KEY_LIFE_S = 3600

SCOPES: dict[str, str] = {
    "profile": "see who you are",
    "read": "read everything in your account",
    "read:accounts": "see accounts",
    "read:statuses": "see your posts, private ones too",
    "read:notifications": "see your notifications",
    "write": "change everything in your account",
    "write:statuses": "publish and delete posts",
    "write:media": "upload images and videos",
    "follow": "change your relationships",
    "push": "send you push notifications",
}
DEFAULT_SCOPES = [
    "profile",
    "read:statuses",
    "read:notifications",
    "write:statuses",
    "write:media",
]


INVALID_GRANT = (
    "The provided authorization grant is invalid, expired, revoked, does not match the"
    " redirection URI used in the authorization request, or was issued to another"
    " client."
)
INVALID_SCOPE = "The requested scope is invalid, unknown, or malformed."
INVALID_CLIENT = (
    "Client authentication failed due to unknown client, no client authentication"
    " included, or unsupported authentication method."
)
TEMPORARY = "There was a temporary problem serving your request, please try again"


class MastodonTwin(Figures):
    slug = "mastodon"
    name = "Mastodon"
    endings: ClassVar[tuple[tuple[str, str], ...]] = (
        ("revoke", "Revoke"),
        ("password_changed", "Password changed"),
        ("expire", "Let it expire"),
        ("app_removed", "App removed"),
        ("suspend", "Freeze the account"),
        ("move", "Account moves away"),
        ("restore", "Restore"),
    )

    # ------------------------------------------------------------ for the panel

    def seed(self) -> None:
        if self.get("app", CLIENT_ID) is None:
            self.put(
                "app",
                CLIENT_ID,
                {
                    "id": "1",
                    "name": "SocialHub practice",
                    "website": None,
                    "scopes": [*SCOPES],
                    "redirect_uris": [],
                    "secret": CLIENT_SECRET,
                },
            )
        if not self.all("account"):
            self._add_person("ana", "Ana Lopez")
            self._add_person("acme", "Acme Tools")
            self._add_person("ben", "Ben Okafor")

    def people(self) -> list[Person]:
        readers = {reader["id"] for _, reader in self.all("reader")}
        return [
            Person(
                id,
                doc["name"],
                f"@{doc['username']}",
                "" if doc["state"] == "active" else doc["state"],
            )
            for id, doc in self.all("account")
            if id not in readers
        ]

    def add_account(self, handle: str, name: str, **options: Any) -> Doc:
        """options: scopes (a list). A handle that is there already gets a new token."""
        username = handle.lstrip("@").split("@")[0]
        if not username.replace("_", "a").replace(".", "a").isalnum():
            raise ValueError(f"{handle!r} is no Mastodon handle")
        scopes = list(options.pop("scopes", DEFAULT_SCOPES))
        if options:
            raise TypeError(f"unknown: {', '.join(options)}")
        known = self.all("account", username=username)
        id = known[0][0] if known else self._add_person(username, name)
        token = self._issue(id, CLIENT_ID, scopes)
        return {
            "external_id": self._external(id),
            "handle": username,
            "name": name,
            "kind": "user",
            "url": f"{self.url}/@{username}",
            "access_token": token,
            "refresh_token": "",
            "expires_in": None,
            "refresh_expires_in": None,
            "scopes": scopes,
            "extra": {
                "instance": self.url,
                "client_id": CLIENT_ID,
                "client_secret": CLIENT_SECRET,
            },
        }

    def app_credentials(self) -> tuple[str, str]:
        return CLIENT_ID, CLIENT_SECRET

    def tokens(self) -> list[Doc]:
        names = {id: doc["username"] for id, doc in self.all("account")}
        return [
            {
                "id": doc["serial"],
                "account": self._external(doc["account"]),
                "person": f"@{names.get(doc['account'], '')}",
                "state": doc["state"],
                "issued_at": doc["issued_at"],
                "scopes": doc["scopes"],
                "app": doc["app"],
            }
            for _, doc in self.all("token")
            if doc["account"]
        ]

    def end_tokens(self, account: str, how: str) -> int:
        id = self._find(account)
        ended = {
            "expire": "expired",
            "revoke": "revoked",
            "password_changed": "revoked",
            "app_removed": "deleted",
            "restore": "live",
        }
        states = {"suspend": "disabled", "move": "moved", "restore": "active"}
        lost = how.removeprefix("scope_lost:") if how.startswith("scope_lost:") else ""
        if not (how in ended or how in states or lost):
            raise ValueError(f"Mastodon has no {how!r}")
        if lost and lost not in SCOPES:
            raise ValueError(f"Mastodon has no scope {lost!r}")
        tokens = self.all("token", account=id)
        if how in states:
            doc = self.get("account", id) or {}
            self.put("account", id, {**doc, "state": states[how]})
        for token, doc in tokens:
            if how in ended:
                doc["state"] = ended[how]
            if how == "restore":
                doc["scopes"] = doc["granted"]
            if lost:
                doc["scopes"] = [s for s in doc["scopes"] if s != lost]
            self.put("token", token, doc)
        return len(tokens)

    def switches(self) -> list[Doc]:
        return [
            {"name": name, "label": label, "value": self._is(name), "choices": choices}
            for name, (label, _default, choices) in SWITCHES.items()
        ]

    def set_switch(self, name: str, value: str) -> None:
        if name not in SWITCHES:
            raise ValueError(f"Mastodon has no switch {name!r}")
        choices = [choice for choice, _words in SWITCHES[name][2]]
        if choices and value not in choices:
            raise ValueError(f"{name} is one of {', '.join(choices)}")
        if not choices and not value.isdecimal():
            raise ValueError(f"{name} is a whole number")
        self.put("setting", name, {"value": value})

    def account_of(self, request: Request) -> str:
        token = self._token(request)
        return self._external(token["account"]) if token and token["account"] else ""

    def not_found(self, request: Request) -> Response:
        if "/api/" in request.path:
            return json_response({"error": "Not Found"}, 404)
        return error_page(self, "Not here", "There is no such page.", 404)

    def refuse(self, request: Request, refusal: Refusal) -> Response:
        text = {
            "duplicate": (422, "Validation failed: Uri has already been taken"),
            "app_suspended": (401, "The access token is invalid"),
            "content_refused": (403, "This action is not allowed"),
            "bad_request_after_write": (400, "Bad Request"),
            "rate_limited_no_headers": (429, "Too many requests"),
            # What it answers to a path that it does not have.
            "version_ended": (404, "Not Found"),
        }
        if refusal.kind == "rate_limited":
            wait = refusal.retry_after_s or 300.0
            reset = iso(self.world.now() + timedelta(seconds=wait))
            return json_response(
                {"error": "Too many requests"}, 429, rate_headers(300, 0, reset)
            )
        if refusal.kind in text:
            status, words = text[refusal.kind]
            return json_response({"error": words}, status)
        if refusal.status == 503:
            return json_response({"error": TEMPORARY}, 503)
        body = "<!DOCTYPE html><html><body><h1>We're sorry, but something went wrong"
        return Response(
            f"{body} on our end.</h1></body></html>",
            refusal.status,
            mimetype="text/html",
        )

    def posts(self) -> list[Doc]:
        self._publish_due()
        found = []
        readers = {reader["id"] for _, reader in self.all("reader")}
        for id, doc in self.all("status"):
            if doc["account"] in readers:
                continue
            media = [d for m in doc["media"] if (d := self.get("media", m))]
            links = twin_text.urls_in(doc["text"])
            found.append(
                {
                    "id": id,
                    "account": self._external(doc["account"]),
                    "text": doc["text"],
                    "url": self._permalink(id, doc),
                    "created_at": doc["created_at"],
                    "arrived_at": doc["arrived_at"],
                    "media": len(media),
                    "media_kinds": [KINDS.get(k := kind_of(m), k) for m in media],
                    "media_sha256": [m.get("sha256", "") for m in media],
                    "alt_texts": [m.get("description") or "" for m in media],
                    "link": doc["text"][slice(*links[0])] if links else "",
                    "poll": (doc["poll"] or {}).get("options", []),
                    "marker": doc["key"],
                    "reply_to": doc["reply_to"] or "",
                    "quotes": doc.get("quotes", ""),
                    "choices": {
                        "hide_totals": _is_on((doc["poll"] or {}).get("hide_totals")),
                        "quote_approval_policy": doc.get("quote_policy", ""),
                        "visibility": doc["visibility"],
                        "sensitive": doc["sensitive"],
                    },
                    "focus": [m["focus"] for m in media],
                    "thumbnail": "".join(m.get("thumbnail", "") for m in media),
                }
            )
        return found

    def comment_as_reader(self, post: str, by: str, text: str, under: str = "") -> str:
        above = self.get("status", under or post)
        if above is None:
            raise ValueError("There is no such post.")
        if under and under not in dict(self.below(post)):
            raise ValueError("There is no such reply below that post.")
        author = self.get("account", above["account"]) or {}
        known = self.get("reader", by)
        if known is None:
            username = re.sub(r"[^a-z0-9_]", "_", by.lower())[:30]
            known = {"id": self._add_person(username, by)}
            self.put("reader", by, known)
        return self._publish(
            {
                "account": known["id"],
                "text": f"@{author['username']} {text}",
                "spoiler": "",
                "visibility": above["visibility"],
                "language": "en",
                "sensitive": False,
                "media": [],
                "poll": None,
                "reply_to": under or post,
                "edited_at": None,
                "key": "",
                "app": CLIENT_ID,
                "arrived_at": iso(self.world.now()),
            }
        )

    # ------------------------------------------------------------ small things

    def _external(self, account_id: str) -> str:
        return f"{self.url.partition('://')[2]}/{account_id}"

    def _find(self, account: str) -> str:
        """An account's id from its external id, id or handle; ValueError if unknown."""
        id = account.rpartition("/")[2]
        if self.get("account", id) is not None:
            return id
        known = self.all("account", username=account.lstrip("@").split("@")[0])
        if not known:
            raise ValueError(f"Mastodon has no account {account!r}")
        return known[0][0]

    def _add_person(self, username: str, name: str) -> str:
        id = self._new_id()
        self.put(
            "account",
            id,
            {
                "username": username,
                "name": name,
                "state": "active",
                "privacy": "public",
                "created_at": iso(self.world.now()),
            },
        )
        return id

    def _issue(self, account: str, app: str, scopes: list[str]) -> str:
        token = secrets.token_urlsafe(32)
        self.put(
            "token",
            token,
            {
                "serial": secrets.token_hex(4),
                "account": account,
                "app": app,
                "scopes": scopes,
                "granted": scopes,
                "state": "live",
                "issued_at": iso(self.world.now()),
            },
        )
        return token

    # ------------------------------------------------------------ the server itself

    @api("GET", "/api/v2/instance", "GET /api/v2/instance", anonymous=True)
    def instance(self, request: Request, who: Who) -> Response:
        facts = {
            "domain": urlsplit(self.url).netloc,
            "title": "Practice instance",
            "version": self._version(),
            "source_url": "https://github.com/mastodon/mastodon",
            "description": "Part of the practice network.",
            "languages": ["en"],
            "configuration": self._configuration(),
            "registrations": {"enabled": False, "approval_required": False},
            "rules": [],
        }
        if self._modern:
            facts["api_versions"] = {"mastodon": 10}
        return json_response(facts)

    @api("GET", "/api/v1/instance", "GET /api/v1/instance", anonymous=True)
    def instance_v1(self, request: Request, who: Who) -> Response:
        return json_response(
            {
                "uri": urlsplit(self.url).netloc,
                "title": "Practice instance",
                "short_description": "Part of the practice network.",
                "version": self._version(),
                "languages": ["en"],
                "registrations": False,
                "configuration": self._configuration(),
                "rules": [],
            }
        )

    def _version(self) -> str:
        if self._gotosocial:
            return "0.20.1"
        return "4.6.0" if self._modern else "4.2.1"

    def _configuration(self) -> Doc:
        limits = self._content_limits()
        media: Doc = {
            "supported_mime_types": MIME_TYPES,
            **self._media_limits(),
        }
        if self._modern or self._gotosocial:
            media["description_limit"] = DESCRIPTION
        return {
            "statuses": {
                "max_characters": limits["characters"],
                "max_media_attachments": limits["media"],
                "characters_reserved_per_url": limits["per_url"],
            },
            "media_attachments": media,
            "polls": {
                "max_options": limits["poll"],
                "max_characters_per_option": 50,
                "min_expiration": 300,
                "max_expiration": 2_629_746,
            },
        }

    @route("GET", "/.well-known/nodeinfo", call="discovery")
    def nodeinfo_links(self, request: Request) -> Response:
        schema = "http://nodeinfo.diaspora.software/ns/schema/2.0"
        link = {"rel": schema, "href": f"{self.url}/nodeinfo/2.0"}
        return json_response({"links": [link]})

    @route("GET", "/nodeinfo/2.0", call="discovery")
    def nodeinfo(self, request: Request) -> Response:
        return json_response(
            {
                "version": "2.0",
                "software": {"name": self._is("flavour"), "version": self._version()},
                "protocols": ["activitypub"],
                "services": {"outbound": [], "inbound": []},
                "usage": {"users": {"total": len(self.all("account"))}},
                "openRegistrations": False,
                "metadata": {},
            }
        )

    @route("GET", "/.well-known/oauth-authorization-server", call="discovery")
    def discovery(self, request: Request) -> Response:
        if not self._modern:
            return self.not_found(request)
        return json_response(
            {
                "issuer": f"{self.url}/",
                "service_documentation": "https://docs.joinmastodon.org/",
                "authorization_endpoint": f"{self.url}/oauth/authorize",
                "token_endpoint": f"{self.url}/oauth/token",
                "app_registration_endpoint": f"{self.url}/api/v1/apps",
                "revocation_endpoint": f"{self.url}/oauth/revoke",
                "userinfo_endpoint": f"{self.url}/oauth/userinfo",
                "scopes_supported": [*SCOPES],
                "response_types_supported": ["code"],
                "response_modes_supported": ["query", "fragment", "form_post"],
                "code_challenge_methods_supported": ["S256"],
                "grant_types_supported": ["authorization_code", "client_credentials"],
                "token_endpoint_auth_methods_supported": [
                    "client_secret_basic",
                    "client_secret_post",
                ],
            }
        )

    # ------------------------------------------------------------ apps and consent

    @api("POST", "/api/v1/apps", "POST /api/v1/apps", anonymous=True, app_token=True)
    def register_app(self, request: Request, who: Who) -> Response:
        sent = sent_fields(request)
        uris = sent.get("redirect_uris") or ""
        listed = uris if isinstance(uris, list) else str(uris).split()
        name = str(sent.get("client_name") or "")
        if not name:
            raise ApiError(422, "Validation failed: Application name can't be blank")
        if not listed or not all(_absolute(uri) for uri in listed):
            raise ApiError(
                422, "Validation failed: Redirect URI must be an absolute URI."
            )
        scopes = str(sent.get("scopes") or "read").split()
        known = set(SCOPES) - (set() if self._knows_profile() else {"profile"})
        if not set(scopes) <= known:
            raise ApiError(
                422, "Validation failed: Scopes doesn't match configured on the server."
            )
        client_id = secrets.token_urlsafe(24)
        app = {
            "id": self._new_id()[-9:],
            "name": name,
            "website": sent.get("website") or None,
            "scopes": scopes,
            "redirect_uris": listed,
            "secret": secrets.token_urlsafe(24),
        }
        self.put("app", client_id, app)
        answer = {
            "id": app["id"],
            "name": name,
            "website": app["website"],
            "redirect_uri": "\n".join(listed),
            "client_id": client_id,
            "client_secret": app["secret"],
            "vapid_key": "BPractice",
        }
        if self._modern:
            answer |= {
                "scopes": scopes,
                "redirect_uris": listed,
                "client_secret_expires_at": 0,
            }
        return json_response(answer)

    @api(
        "GET",
        "/api/v1/apps/verify_credentials",
        "GET /api/v1/apps/verify_credentials",
        app_token=True,
    )
    def verify_app(self, request: Request, who: Who) -> Response:
        assert who.token is not None
        app = self.get("app", who.token["app"])
        if app is None:
            raise ApiError(401, "The access token is invalid")
        return json_response(
            {"name": app["name"], "website": app["website"], "scopes": app["scopes"]}
        )

    def _knows_profile(self) -> bool:
        return self._modern or self._gotosocial

    @route("GET", "/oauth/authorize", browser=True)
    def authorize_page(self, request: Request) -> Response:
        app, scopes, problem = self._asked(request)
        if problem is not None:
            return problem
        assert app is not None
        return consent_page(
            self,
            app["name"],
            hidden=[],
            people=self.people(),
            scopes=[(scope, SCOPES[scope]) for scope in scopes],
            may_untick=True,
            note="Real servers ask for all of it or nothing. Here you may leave some out,"
            " to see what SocialHub makes of it.",
        )

    @route("POST", "/oauth/authorize", browser=True)
    def authorize(self, request: Request) -> Response:
        app, scopes, problem = self._asked(request)
        if problem is not None:
            return problem
        assert app is not None
        target = request.args["redirect_uri"]
        if request.form.get("decision") != "allow":
            denied = "The resource owner or authorization server denied the request."
            return self._send_back(request, error="access_denied", description=denied)
        person = request.form.get("person", "")
        if self.get("account", person) is None:
            return error_page(self, "Who are you?", "Choose one of the people.")
        granted = [s for s in scopes if s in request.form.getlist("scope")]
        code = secrets.token_urlsafe(32)
        challenge = request.args.get("code_challenge", "") if self._modern else ""
        self.put(
            "code",
            code,
            {
                "app": request.args["client_id"],
                "account": person,
                "scopes": granted,
                "redirect_uri": target,
                "challenge": challenge,
                "expires": self.world.now().timestamp() + CODE_LIFE_S,
            },
        )
        if target == OOB:
            return error_page(self, "Your code", code, 200)
        return self._send_back(request, code=code)

    def _asked(self, request: Request) -> tuple[Doc | None, list[str], Response | None]:
        """(app, scopes asked for, None), or what to answer instead."""
        app = self.get("app", request.args.get("client_id", ""))
        if app is None:
            return (
                None,
                [],
                error_page(self, "invalid_client", INVALID_CLIENT, 401),
            )
        target = request.args.get("redirect_uri", "")
        if not self._may_return_to(app, target):
            text = "The redirect uri included is not valid."
            return None, [], error_page(self, "invalid_request", text, 400)
        if request.args.get("response_type") != "code":
            text = "The authorization server does not support this response type."
            problem = self._send_back(
                request, error="unsupported_response_type", description=text
            )
            return None, [], problem
        scopes = (request.args.get("scope") or "read").split()
        allowed = [s for s in app["scopes"] if s != "profile" or self._knows_profile()]
        if not all(s in allowed or s.split(":")[0] in allowed for s in scopes) or (
            not set(scopes) <= set(SCOPES)
        ):
            problem = self._send_back(
                request, error="invalid_scope", description=INVALID_SCOPE
            )
            return None, [], problem
        method = request.args.get("code_challenge_method", "S256")
        if self._modern and request.args.get("code_challenge") and method != "S256":
            problem = self._send_back(
                request,
                error="invalid_code_challenge_method",
                description="The code_challenge_method must be S256.",
            )
            return None, [], problem
        return app, scopes, None

    def _may_return_to(self, app: Doc, target: str) -> bool:
        if app["secret"] == CLIENT_SECRET and not app["redirect_uris"]:
            # The practice app is the same for everybody on this computer.
            host = urlsplit(target).hostname
            return host in ("127.0.0.1", "localhost", "::1")
        return target in app["redirect_uris"]

    def _send_back(
        self,
        request: Request,
        *,
        code: str = "",
        error: str = "",
        description: str = "",
    ) -> Response:
        target = request.args["redirect_uri"]
        if target == OOB:
            return error_page(self, error, description)
        values = {"code": code, "error": error, "error_description": description}
        if "state" in request.args:
            values["state"] = request.args["state"]
        query = urlencode({k: v for k, v in values.items() if v})
        joint = "&" if urlsplit(target).query else "?"
        response = redirect(f"{target}{joint}{query}", 302)
        assert isinstance(response, Response)
        return response

    @route("POST", "/oauth/token", call="POST /oauth/token")
    def token(self, request: Request) -> Response:
        sent = _oauth_fields(request)
        app = self._client(request, sent)
        if app is None:
            return _oauth_error(401, "invalid_client", INVALID_CLIENT)
        client_id, doc = app
        if sent.get("grant_type") == "client_credentials":
            scopes = str(sent.get("scope") or "read").split()
            if not set(scopes) <= set(doc["scopes"]):
                return _oauth_error(400, "invalid_scope", INVALID_SCOPE)
            return self._token_answer("", client_id, scopes)
        if sent.get("grant_type") != "authorization_code":
            text = (
                "The authorization grant type is not supported by the authorization"
                " server."
            )
            return _oauth_error(400, "unsupported_grant_type", text)
        code = self.get("code", str(sent.get("code", "")))
        if code is not None:
            self.drop("code", str(sent["code"]))
        verifier = str(sent.get("code_verifier") or "")
        if (
            code is None
            or code["app"] != client_id
            or code["redirect_uri"] != sent.get("redirect_uri")
            or code["expires"] < self.world.now().timestamp()
            or (code["challenge"] and code["challenge"] != _s256(verifier))
        ):
            return _oauth_error(400, "invalid_grant", INVALID_GRANT)
        return self._token_answer(code["account"], client_id, code["scopes"])

    def _token_answer(self, account: str, app: str, scopes: list[str]) -> Response:
        return json_response(
            {
                "access_token": self._issue(account, app, scopes),
                "token_type": "Bearer",
                "scope": " ".join(scopes),
                "created_at": int(self.world.now().timestamp()),
            }
        )

    def _client(self, request: Request, sent: Doc) -> tuple[str, Doc] | None:
        """The app that proves itself by its secret, in the body or by Basic."""
        auth = request.authorization
        if auth is not None and auth.type == "basic":
            id, secret = auth.username or "", auth.password or ""
        else:
            id = str(sent.get("client_id") or "")
            secret = str(sent.get("client_secret") or "")
        app = self.get("app", id)
        if app is None or not hmac.compare_digest(
            app["secret"].encode(), secret.encode()
        ):
            return None
        return id, app

    @route("POST", "/oauth/revoke", call="POST /oauth/revoke")
    def revoke(self, request: Request) -> Response:
        sent = _oauth_fields(request)
        app = self._client(request, sent)
        token = str(sent.get("token") or "")
        doc = self.get("token", token) if token else None
        if app is None or not token or (doc is not None and doc["app"] != app[0]):
            text = "You are not authorized to revoke this token"
            return _oauth_error(403, "unauthorized_client", text)
        if doc is not None:
            self.put("token", token, {**doc, "state": "revoked"})
        return json_response({})

    # ------------------------------------------------------------ who is it

    @api(
        "GET",
        "/api/v1/accounts/verify_credentials",
        "GET /api/v1/accounts/verify_credentials",
        "profile",
        "read:accounts",
    )
    def verify_credentials(self, request: Request, who: Who) -> Response:
        answer = self._account_json(who.id, who.account)
        answer["source"] = {
            "privacy": who.account["privacy"],
            "sensitive": False,
            "language": "en",
            "note": "",
            "fields": [],
            "follow_requests_count": 0,
        }
        answer["role"] = {
            "id": "-99",
            "name": "",
            "permissions": "65536",
            "color": "",
            "highlighted": False,
        }
        return json_response(answer)

    def _account_json(self, id: str, doc: Doc) -> Doc:
        latest = self.world.page(self.slug, f"by:{id}", 1)
        moved: Doc = {}
        if doc["state"] == "moved":
            there = {"id": "9", "acct": f"{doc['username']}@elsewhere.example"}
            moved = {"moved": {**there, "username": doc["username"]}}
        return {
            **moved,
            "id": id,
            "username": doc["username"],
            "acct": doc["username"],
            "display_name": doc["name"],
            "locked": False,
            "bot": False,
            "created_at": doc["created_at"][:11] + "00:00:00.000Z",
            "url": f"{self.url}/@{doc['username']}",
            "avatar": f"{self.url}/avatar.png",
            "followers_count": int(self._is("followers")),
            "following_count": 0,
            "statuses_count": self.world.count(self.slug, f"by:{id}"),
            "last_status_at": latest[0][1]["day"] if latest else None,
        }

    # ------------------------------------------------------------ statuses

    @api(
        "POST",
        "/api/v1/statuses",
        "POST /api/v1/statuses",
        "write:statuses",
        commit=True,
    )
    def post_status(self, request: Request, who: Who) -> Response:
        sent = sent_fields(request)
        key = request.headers.get("Idempotency-Key", "")
        if key and not self._gotosocial:
            known = self.get("key", f"{who.id}:{key}")
            now = self.world.now().timestamp()
            if known is not None and known["at"] + KEY_LIFE_S > now:
                return self._replay(known, who)
        if who.account["state"] == "moved":
            text = "Forbidden: account has moved" if self._gotosocial else ""
            raise ApiError(403, text or "This action is not allowed")
        draft = self._draft(sent, who)
        size, used, reset = self._draw("statuses", who.id, 0)
        limited = self._is("rate_limits") == "on" and not self._gotosocial
        if limited and used >= size:
            return json_response(
                {"error": "Too many requests"}, 429, rate_headers(size, 0, reset)
            )
        draft |= {"key": key, "arrived_at": arrived_at(request)}
        assert who.token is not None
        draft["app"] = who.token["app"]
        later = self._when(sent)
        if later is None:
            id, kind = self._publish(draft), "status"
            doc = self.get("status", id)
            assert doc is not None
            response = json_response(self._status_json(id, doc, who))
        else:
            id, kind = self._new_id(), "scheduled"
            self.put("scheduled", id, {**draft, "due": iso(later)})
            response = json_response(self._scheduled_json(id))
        if key and not self._gotosocial:
            at = self.world.now().timestamp()
            self.put("key", f"{who.id}:{key}", {"id": id, "kind": kind, "at": at})
        if limited:
            size, used, reset = self._draw("statuses", who.id)
            response.headers.update(rate_headers(size, size - used, reset))
        return response

    def _replay(self, known: Doc, who: Who) -> Response:
        """The key was honoured within the hour: the first result, whatever came now."""
        doc = self.get(known["kind"], known["id"])
        if doc is None:
            raise ApiError(404, "Record not found")
        if known["kind"] == "scheduled":
            return json_response(self._scheduled_json(known["id"]))
        return json_response(self._status_json(known["id"], doc, who))

    def _draft(self, sent: Doc, who: Who) -> Doc:
        text = str(sent.get("status") or "")
        spoiler = str(sent.get("spoiler_text") or "")
        poll = sent.get("poll")
        media_ids = sent.get("media_ids") or []
        if not isinstance(media_ids, list):
            media_ids = [media_ids]
        reply_to = sent.get("in_reply_to_id") or None
        if reply_to is not None and self.get("status", str(reply_to)) is None:
            raise ApiError(404, "Record not found")
        quoted = sent.get("quoted_status_id") if self._modern else None
        if quoted and self.get("status", str(quoted)) is None:
            raise ApiError(404, "Record not found")
        media = self._attachable([str(id) for id in media_ids], bool(poll), who)
        if not text and spoiler and not self._gotosocial:
            text, spoiler = spoiler, ""
        self._check_length(text, spoiler, bool(media or poll))
        if poll:
            poll = self._poll(poll)
        policy = str(sent.get("quote_approval_policy") or "") if self._modern else ""
        if policy not in ("", "public", "followers", "nobody"):
            raise ApiError(
                422,
                "Validation failed: Quote approval policy is not included in the list",
            )
        visibility = str(sent.get("visibility") or who.account["privacy"])
        known = ["public", "unlisted", "private", "direct"]
        if visibility not in [*known, *(["mutuals_only"] if self._gotosocial else [])]:
            raise ApiError(
                422, "Validation failed: Visibility is not included in the list"
            )
        return {
            "account": who.id,
            "text": text,
            "spoiler": spoiler,
            "visibility": visibility,
            "language": sent.get("language") or "en",
            "sensitive": str(sent.get("sensitive")).lower() in ("true", "1", "on"),
            "media": media,
            "poll": poll or None,
            "reply_to": str(reply_to) if reply_to else None,
            "quotes": str(quoted or ""),
            "quote_policy": policy,
            "edited_at": None,
        }

    def _check_length(self, text: str, spoiler: str, has_more: bool) -> None:
        limit = self._content_limits()["characters"]
        if self._gotosocial:
            if not text.strip() and not has_more:
                raise ApiError(
                    400, "Bad Request: status contains no text, media or poll"
                )
            if len(text) + len(spoiler) > limit:
                raise ApiError(
                    400, f"Bad Request: text with spoiler exceed max chars ({limit})"
                )
            return
        if not text.strip() and not has_more:
            raise ApiError(422, "Validation failed: Text can't be blank")
        if twin_text.count(text, spoiler) > limit:
            raise ApiError(
                422, f"Validation failed: Text character limit of {limit} exceeded"
            )

    def _poll(self, sent: Any) -> Doc:
        """Within the limits that the server announces; its words are Mastodon's own
        (unverified)."""
        limits = self._configuration()["polls"]
        sent = sent if isinstance(sent, dict) else {}
        options = sent.get("options")
        options = [str(o) for o in options] if isinstance(options, list) else []
        most, longest = limits["max_options"], limits["max_characters_per_option"]
        try:
            expires_in = float(sent.get("expires_in") or 0)
        except (TypeError, ValueError):
            expires_in = 0
        wrong = ""
        if len(options) < 2 or not all(o.strip() for o in options):
            wrong = "Poll options must have more than one item"
        elif len(options) > most:
            wrong = f"Poll options can't contain more than {most} items"
        elif any(len(o) > longest for o in options):
            wrong = f"Poll options can't be longer than {longest} characters each"
        elif len(set(options)) < len(options):
            wrong = "Poll options contain duplicate items"
        elif expires_in < limits["min_expiration"]:
            wrong = "Poll expires at is too soon"
        elif expires_in > limits["max_expiration"]:
            wrong = "Poll expires at is too far into the future"
        if wrong:
            status = 400 if self._gotosocial else 422
            raise ApiError(status, f"Validation failed: {wrong}")
        return {**sent, "options": options}

    def _when(self, sent: Doc) -> datetime | None:
        """When a scheduled status is due; None: now (a past time is dropped)."""
        value = sent.get("scheduled_at")
        if not value:
            return None
        try:
            at = datetime.fromisoformat(str(value))
        except ValueError:
            raise ApiError(422, "Validation failed: Scheduled at is invalid") from None
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        now = self.world.now()
        if at <= now:
            return None
        if at < now + timedelta(minutes=5) and not self._gotosocial:
            raise ApiError(
                422,
                "Validation failed: Scheduled at The scheduled date must be in the"
                " future",
            )
        return at

    def _publish(self, draft: Doc) -> str:
        id = self._new_id()
        at = iso(self.world.now())
        self.put("status", id, {**draft, "created_at": at})
        self.put(f"by:{draft['account']}", id, {"day": at[:10]})
        self.note_replies(id, draft)
        for media_id in draft["media"]:
            media = self.get("media", media_id)
            if media is not None:
                self.put("media", media_id, {**media, "status": id})
        return id

    def _publish_due(self) -> None:
        """What a server's background job would have done by now."""
        now = iso(self.world.now())
        due = [(id, doc) for id, doc in self.all("scheduled") if doc["due"] <= now]
        for id, doc in due:
            del doc["due"]
            with self.world.transaction():
                self.drop("scheduled", id)
                self._publish(doc)

    def _scheduled_json(self, id: str) -> Doc:
        doc = self.get("scheduled", id)
        assert doc is not None
        return {
            "id": id,
            "scheduled_at": f"{doc['due'][:23]}Z",
            "params": {
                "text": doc["text"],
                "media_ids": doc["media"] or None,
                "visibility": doc["visibility"],
                "idempotency": doc["key"] or None,
            },
            "media_attachments": [
                self._media_json(m, self.get("media", m) or {}) for m in doc["media"]
            ],
        }

    @api(
        "GET",
        "/api/v1/scheduled_statuses",
        "GET /api/v1/scheduled_statuses",
        "read:statuses",
    )
    def scheduled(self, request: Request, who: Who) -> Response:
        self._publish_due()
        mine = self.all("scheduled", account=who.id)
        return json_response([self._scheduled_json(id) for id, _doc in mine])

    @api(
        "DELETE",
        "/api/v1/scheduled_statuses/<id>",
        "DELETE /api/v1/scheduled_statuses/:id",
        "write:statuses",
    )
    def cancel_scheduled(self, request: Request, who: Who, id: str) -> Response:
        self._publish_due()
        doc = self.get("scheduled", id)
        if doc is None or doc["account"] != who.id:
            raise ApiError(404, "Record not found")
        self.drop("scheduled", id)
        return json_response({})

    @api(
        "GET",
        "/api/v1/statuses/<id>",
        "GET /api/v1/statuses/:id",
        "read:statuses",
        anonymous=True,
        app_token=True,
    )
    def get_status(self, request: Request, who: Who, id: str) -> Response:
        return json_response(self._status_json(id, self._visible(id, who), who, True))

    @api(
        "GET",
        "/api/v1/statuses",
        "GET /api/v1/statuses",
        "read:statuses",
        anonymous=True,
        app_token=True,
    )
    def get_statuses(self, request: Request, who: Who) -> Response:
        answer = []
        for id in request.args.getlist("id[]")[:20]:
            doc = self.get("status", id)
            open_to_all = doc and doc["visibility"] in ("public", "unlisted")
            if doc and (open_to_all or doc["account"] == who.id):
                answer.append(self._status_json(id, doc, who, True))
        return json_response(answer)

    def _own(self, id: str, who: Who) -> Doc:
        doc = self.get("status", id)
        if doc is None or doc["account"] != who.id:
            raise ApiError(404, "Record not found")
        return doc

    @api(
        "GET",
        "/api/v1/statuses/<id>/source",
        "GET /api/v1/statuses/:id/source",
        "read:statuses",
    )
    def source(self, request: Request, who: Who, id: str) -> Response:
        doc = self._own(id, who)
        return json_response(
            {"id": id, "text": doc["text"], "spoiler_text": doc["spoiler"]}
        )

    @api(
        "PUT",
        "/api/v1/statuses/<id>",
        "PUT /api/v1/statuses/:id",
        "write:statuses",
        commit=True,
    )
    def edit_status(self, request: Request, who: Who, id: str) -> Response:
        doc = self._own(id, who)
        sent = sent_fields(request)
        text = str(sent.get("status") or "")
        spoiler = str(sent.get("spoiler_text") or "")
        self._check_length(text, spoiler, bool(doc["media"] or doc["poll"]))
        at = iso(self.world.now())
        doc |= {"text": text, "spoiler": spoiler, "edited_at": at}
        self.put("status", id, doc)
        return json_response(self._status_json(id, doc, who))

    @api(
        "DELETE",
        "/api/v1/statuses/<id>",
        "DELETE /api/v1/statuses/:id",
        "write:statuses",
        commit=True,
    )
    def delete_status(self, request: Request, who: Who, id: str) -> Response:
        doc = self._own(id, who)
        answer = self._status_json(id, doc, who)
        self.drop("status", id)
        self.drop(f"by:{who.id}", id)
        self.drop(f"replies:{doc['reply_to']}", id)
        for media_id in doc["media"]:
            media = self.get("media", media_id)
            if media is not None:
                self.put("media", media_id, {**media, "status": None})
        return json_response({**answer, "text": doc["text"]})

    @api(
        "GET",
        "/api/v1/accounts/<account>/statuses",
        "GET /api/v1/accounts/:id/statuses",
        "read:statuses",
        anonymous=True,
        app_token=True,
    )
    def account_statuses(self, request: Request, who: Who, account: str) -> Response:
        self._publish_due()
        if self.get("account", account) is None:
            raise ApiError(404, "Record not found")
        args = request.args
        limit = args.get("limit", 20, type=int)
        limit = min(40, limit if limit > 0 else 20)
        only_media = args.get("only_media", "") in ("true", "1")
        no_replies = args.get("exclude_replies", "") in ("true", "1")
        if args.get("pinned", "") in ("true", "1"):
            return json_response([])
        forward = bool(args.get("min_id"))
        chosen: list[tuple[str, Doc]] = []
        below = args.get("max_id", "")
        above = args.get("min_id") or args.get("since_id") or ""
        while len(chosen) < limit:
            rows = self.world.page(
                self.slug,
                f"by:{account}",
                limit,
                below=below,
                above=above,
                oldest_first=forward,
            )
            for id, _ in rows:
                doc = self.get("status", id)
                if doc is None or (only_media and not doc["media"]):
                    continue
                if no_replies and doc["reply_to"]:
                    continue
                if doc["visibility"] in ("private", "direct") and who.id != account:
                    continue
                chosen.append((id, doc))
            if len(rows) < limit:
                break
            if forward:
                above = rows[-1][0]
            else:
                below = rows[-1][0]
        chosen = chosen[:limit]
        if forward:
            chosen.reverse()
        answer = [self._status_json(id, doc, who, True) for id, doc in chosen]
        response = json_response(answer)
        if chosen:
            kept = [(k, v) for k, v in args.items() if not k.endswith("_id")]
            older = urlencode([*kept, ("max_id", chosen[-1][0])])
            newer = urlencode([*kept, ("min_id", chosen[0][0])])
            address = f"{self.url}/api/v1/accounts/{account}/statuses"
            response.headers["Link"] = (
                f'<{address}?{older}>; rel="next", <{address}?{newer}>; rel="prev"'
            )
        return response

    def _permalink(self, id: str, doc: Doc) -> str:
        author = self.get("account", doc["account"]) or {"username": "gone"}
        middle = "statuses/" if len(id) == 26 else ""
        return f"{self.url}/@{author['username']}/{middle}{id}"

    def _status_json(self, id: str, doc: Doc, who: Who, later: bool = False) -> Doc:
        """later: the server has had time to fetch the link's preview."""
        author = self.get("account", doc["account"]) or {}
        media = [(m, self.get("media", m)) for m in doc["media"]]
        body = twin_text.content(doc["text"], self.url, spans=not self._gotosocial)
        answer: Doc = {
            "id": id,
            "created_at": f"{doc['created_at'][:23]}Z",
            "in_reply_to_id": doc["reply_to"],
            "sensitive": doc["sensitive"],
            "spoiler_text": doc["spoiler"],
            "visibility": doc["visibility"],
            "language": doc["language"],
            "uri": f"{self.url}/users/{author['username']}/statuses/{id}",
            "url": self._permalink(id, doc),
            **self.counts_of(id),
            "edited_at": f"{doc['edited_at'][:23]}Z" if doc["edited_at"] else None,
            "content": body,
            "reblog": None,
            "account": {
                "id": doc["account"],
                "username": author["username"],
                "acct": author["username"],
                "display_name": author["name"],
                "url": f"{self.url}/@{author['username']}",
            },
            "media_attachments": [self._media_json(m, d) for m, d in media if d],
            "mentions": [
                {
                    "id": named,
                    "username": person["username"],
                    "acct": person["username"],
                    "url": f"{self.url}/@{person['username']}",
                }
                for named, person in self.named_in(doc["text"])
            ],
            "tags": [
                {"name": tag.lower(), "url": f"{self.url}/tags/{tag.lower()}"}
                for tag in twin_text.HASHTAG.findall(doc["text"])
            ],
            "emojis": [],
            "card": self._card(doc) if later else None,
            "poll": self._poll_json(id, doc),
        }
        if who.id == doc["account"]:
            app = self.get("app", doc["app"]) or {"name": "", "website": None}
            answer["application"] = {"name": app["name"], "website": app["website"]}
        return answer

    def _poll_json(self, id: str, doc: Doc) -> Doc | None:
        options = (doc["poll"] or {}).get("options")
        if not isinstance(options, list):
            return None
        several = _is_on(doc["poll"].get("multiple"))
        # Each answer has half of the votes of the one before.
        votes = [int(self._is("poll_votes")) >> n for n in range(len(options))]
        ends = datetime.fromisoformat(doc["created_at"]) + timedelta(
            seconds=float(doc["poll"].get("expires_in") or 0)
        )
        is_told = not _is_on(doc["poll"].get("hide_totals")) or ends <= self.world.now()
        return {
            "id": id,
            "expires_at": iso(ends),
            "expired": ends <= self.world.now(),
            "multiple": several,
            "votes_count": sum(votes),
            "voters_count": max(votes, default=0) if several else None,
            "options": [
                {"title": str(title), "votes_count": count if is_told else None}
                for title, count in zip(options, votes, strict=True)
            ],
            "emojis": [],
        }

    def _card(self, doc: Doc) -> Doc | None:
        links = twin_text.urls_in(doc["text"])
        if not links or doc["media"]:
            return None
        url = doc["text"][slice(*links[0])]
        title = urlsplit(url).netloc
        return {"url": url, "title": title, "description": "", "type": "link"}

    # ------------------------------------------------------------ pages for readers

    @route("GET", "/", browser=True)
    def home_page(self, request: Request) -> Response:
        self._publish_due()
        newest = self.world.page(self.slug, "status", 50)
        return self._posts_page("The latest posts", newest)

    @route("GET", "/@<username>", browser=True)
    def profile_page(self, request: Request, username: str) -> Response:
        known = self.all("account", username=username)
        if not known:
            return error_page(self, "Not here", "There is no such account.", 404)
        id, account = known[0]
        rows = self.world.page(self.slug, f"by:{id}", 50)
        posts = [(s, doc) for s, _ in rows if (doc := self.get("status", s))]
        return self._posts_page(account["name"], posts)

    @route("GET", "/@<username>/<id>", browser=True)
    def status_page(self, request: Request, username: str, id: str) -> Response:
        doc = self.get("status", id)
        if doc is None or f"@{username}" not in self._permalink(id, doc).split("/"):
            return error_page(self, "Not here", "There is no such post.", 404)
        author = self.get("account", doc["account"]) or {"name": ""}
        return self._posts_page(f"A post by {author['name']}", [(id, doc)])

    @route("GET", "/@<username>/statuses/<id>", browser=True)
    def status_page_gotosocial(
        self, request: Request, username: str, id: str
    ) -> Response:
        return self.status_page(request, username, id)

    @route("GET", "/tags/<tag>", browser=True)
    def tag_page(self, request: Request, tag: str) -> Response:
        newest = self.world.page(self.slug, "status", 500)
        tagged = [
            (id, doc)
            for id, doc in newest
            if tag.lower()
            in [t.lower() for t in twin_text.HASHTAG.findall(doc["text"])]
        ]
        return self._posts_page(f"#{tag}", tagged)

    def _posts_page(self, title: str, posts: list[tuple[str, Doc]]) -> Response:
        return posts_page(self, title, [self._view(id, doc) for id, doc in posts])

    def _view(self, id: str, doc: Doc) -> PostView:
        author = self.get("account", doc["account"]) or {"name": "", "username": ""}
        media = [(m, self.get("media", m)) for m in doc["media"]]
        card = self._card(doc)
        notes = []
        if doc["visibility"] != "public":
            notes.append(f"Visibility: {doc['visibility']}")
        if doc["spoiler"]:
            notes.append(f"Content warning: {doc['spoiler']}")
        if doc["poll"]:
            notes.append("Poll: " + " / ".join(doc["poll"]["options"]))
        return PostView(
            author=author["name"],
            handle=f"@{author['username']}",
            text=doc["text"],
            when=f"{doc['created_at'][:16].replace('T', ' ')} UTC",
            url=self._permalink(id, doc),
            pictures=[
                Picture(f"{self.url}/media/{m}", d["description"] or "", kind_of(d))
                for m, d in media
                if d and (d["size"] <= KEPT_BYTES or kind_of(d) == "image")
            ],
            link=(card["url"], card["title"]) if card else None,
            notes=notes,
        )


# ---------------------------------------------------------------- plain functions


def _oauth_error(status: int, error: str, description: str) -> Response:
    return json_response({"error": error, "error_description": description}, status)


def _s256(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def _is_on(value: Any) -> bool:
    """A flag as forms and JSON send it."""
    return str(value).lower() in ("true", "1", "on")


def _absolute(uri: object) -> bool:
    if uri == OOB:
        return True
    parts = urlsplit(str(uri))
    return bool(parts.scheme and parts.netloc and not parts.fragment)


def _oauth_fields(request: Request) -> Doc:
    """As `sent_fields`; a body that cannot be read names no client."""
    try:
        return sent_fields(request)
    except ApiError:
        return {}

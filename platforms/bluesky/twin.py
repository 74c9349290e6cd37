"""The practice network's Bluesky: entryway, data server, directory and public view in one.

Sources: https://docs.bsky.app, https://atproto.com/specs/{xrpc,record-key} and the
reference server in https://github.com/bluesky-social/atproto (packages/pds).
"""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

from werkzeug.wrappers import Request, Response

from platforms.practice.framework import (
    Doc,
    Person,
    Refusal,
    Route,
    arrived_at,
    iso,
    json_response,
    route,
)
from platforms.practice.pages import Picture, PostView, error_page, posts_page

from . import twin_repo as repo
from .twin_repo import POST, Invalid
from .twin_video import VideoService

PUT = "com.atproto.repo.putRecord"
#: what a post replies to that stands alone
_ALONE: Doc = {"parent": {"uri": ""}}
#: Toy secrets of the practice world, shown in its panel.
APP_PASSWORD = "prac-tice-pass-word"
MAIN_PASSWORD = "practice-main-password"
DOMAIN = ".practice.example"

ACCESS_LIFE_S = 120 * 60
REFRESH_LIFE_S = 90 * 86_400
GRACE_S = 2 * 3600
BLOB_UPLOAD_LIMIT = 52_428_800
JSON_LIMIT = 150 * 1024
RECORD_JSON_LIMIT = 1024 * 1024
ACCESS_SCOPES = (
    "com.atproto.access",
    "com.atproto.appPass",
    "com.atproto.appPassPrivileged",
)
THREAD = "app.bsky.feed.defs#threadViewPost"
REFRESH_SCOPE = "com.atproto.refresh"
#: What the session of an app password says of itself.
APP_PASSWORD_SCOPE = "com.atproto.appPass"

#: (size, seconds); a window opens with its first use.
LIMITS = {
    "ip": (3000, 300),
    "writes_hour": (5000, 3600),
    "writes_day": (35_000, 86_400),
    "session": (30, 300),
    "session_day": (300, 86_400),
    "blob": (1000, 86_400),
}

ON_OFF = [("on", "On"), ("off", "Off")]
#: name -> (label, default, choices); [] takes a whole number.
SWITCHES: dict[str, tuple[str, str, list[tuple[str, str]]]] = {
    "rate_limits": ("Limits on how often", "on", ON_OFF),
    "retry_after": (
        "Says in Retry-After how long to wait (older servers do not)",
        "on",
        ON_OFF,
    ),
    "email_code": ("Wants an e-mail code with the main password", "off", ON_OFF),
    "public_delay_s": ("Seconds until a post is in the public view", "2", []),
    "blob_life_s": ("Seconds that an unused upload is kept", "21600", []),
    "likes": ("Likes that every post has", "4", []),
    "followers": ("Followers that every account has", "0", []),
    "blocked_replies": ("So many replies to a post are of blocked people", "0", []),
    "video_polls": ("So many looks see a video still at work", "2", []),
    "video_limit": ("Videos of one account in a day", "25", []),
    "email_confirmed": ("E-mail addresses are confirmed (else no video)", "on", ON_OFF),
    "service_auth": ("Signs tokens for other services", "on", ON_OFF),
    "job_wrapped": ("The answer to a video stands in jobStatus", "off", ON_OFF),
    "video_failure": (
        "How every video ends",
        "none",
        [
            ("none", "Well"),
            *(
                (word, word)
                for word in (
                    "validation_failure",
                    "encoding_failure",
                    "pds_upload_failure",
                    "pds_upload_unsupported_blob_size",
                    "generic_failure",
                )
            ),
        ],
    ),
}


class XrpcError(Exception):
    def __init__(self, status: int, name: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": name, "message": message}


class Session:
    """Who calls: the account and what the token says."""

    def __init__(self, did: str, account: Doc, claims: Doc) -> None:
        self.did = did
        self.account = account
        self.claims = claims


def xrpc(
    method: str,
    nsid: str,
    *,
    auth: str = "access",
    draws: Mapping[str, int] | None = None,
    commit: bool = False,
) -> Callable[[Callable[..., Response]], Callable[..., Response]]:
    """One method by its NSID. auth: access, refresh or none.

    draws: units per bucket of the account, besides the one that everybody has by IP.
    """

    def mark(handler: Callable[..., Response]) -> Callable[..., Response]:
        @functools.wraps(handler)
        def guarded(self: BlueskyTwin, request: Request) -> Response:
            return self._guarded(request, handler, auth, draws or {})

        return route(method, f"/xrpc/{nsid}", call=nsid, commit=commit)(guarded)

    return mark


class BlueskyTwin(VideoService):
    slug = "bluesky"
    name = "Bluesky"
    loses_scopes = False
    has_readers = True
    endings: ClassVar[tuple[tuple[str, str], ...]] = (
        ("revoke", "Delete the app password"),
        ("password_changed", "Password changed"),
        ("expire", "Let the access run out"),
        ("expire_refresh", "Let the sign-in run out"),
        ("suspend", "Take the account down"),
        ("deactivate", "Deactivate the account"),
        ("restore", "Restore"),
    )

    # ------------------------------------------------------------ for the panel

    def seed(self) -> None:
        if self.get("key", "jwt") is None:
            self.put("key", "jwt", {"hex": secrets.token_hex(32)})
        if not self.all("account"):
            self._add_person(f"acme{DOMAIN}", "Acme Tools")
            self._add_person(f"ana{DOMAIN}", "Ana Lopez")
            self._add_person(f"ben{DOMAIN}", "Ben Okafor")

    def people(self) -> list[Person]:
        found = []
        readers = {reader["did"] for _, reader in self.all("reader")}
        for did, doc in self.all("account"):
            if did in readers:
                continue
            words = f"app password: {', '.join(doc['app_passwords']) or 'none'}"
            if doc["state"] != "active":
                words += f"; {doc['state']}"
            found.append(Person(did, doc["name"], doc["handle"], words))
        return found

    def add_account(self, handle: str, name: str, **options: Any) -> Doc:
        """A handle without a dot gets the practice domain; one that is there already
        gets a new session."""
        if options:
            raise TypeError(f"unknown: {', '.join(options)}")
        handle = handle.lstrip("@").lower()
        handle = handle if "." in handle else handle + DOMAIN
        known = self.get("handle", handle)
        did = known["did"] if known else self._add_person(handle, name)
        session = self._open_session(did, APP_PASSWORD)
        return {
            "external_id": did,
            "handle": handle,
            "name": name,
            "kind": "user",
            "url": f"{self.url}/app/profile/{handle}",
            "access_token": session["accessJwt"],
            "refresh_token": session["refreshJwt"],
            "expires_in": ACCESS_LIFE_S,
            "refresh_expires_in": REFRESH_LIFE_S,
            "scopes": [APP_PASSWORD_SCOPE],
            "extra": {
                "pds": self.url,
                "did": did,
                "handle": handle,
                "app_password": APP_PASSWORD,
            },
        }

    def tokens(self) -> list[Doc]:
        handles = {did: doc["handle"] for did, doc in self.all("account")}
        now = self.world.now().timestamp()
        found = []
        for id, doc in self.all("session"):
            state = "live"
            if doc["dead_upto"] >= doc["generation"] or doc["refresh_until"] <= now:
                state = "expired"
            if doc["revoked"]:
                state = "revoked"
            found.append(
                {
                    "id": id,
                    "account": doc["did"],
                    "person": handles.get(doc["did"], ""),
                    "state": state,
                    "issued_at": doc["issued_at"],
                }
            )
        return found

    def end_tokens(self, account: str, how: str) -> int:
        if how not in dict(self.endings):
            raise ValueError(f"Bluesky has no {how!r}")
        did = self._did_of(account)
        person = self.get("account", did) if did else None
        if did is None or person is None:
            raise ValueError(f"Bluesky has no account {account!r}")
        states = {
            "suspend": "takendown",
            "deactivate": "deactivated",
            "restore": "active",
        }
        person["state"] = states.get(how, person["state"])
        if how == "revoke":
            person["app_passwords"] = []
        if how == "restore":
            person["app_passwords"] = [APP_PASSWORD]
        self.put("account", did, person)
        sessions = self.all("session", did=did)
        for id, doc in sessions:
            if how in ("revoke", "password_changed"):
                # An access token that is out keeps working until its own end.
                doc["revoked"] = True
            if how in ("expire", "expire_refresh"):
                doc["dead_upto"] = doc["generation"]
            if how == "expire_refresh":
                doc["refresh_until"] = 0
            if how == "restore":
                until = self.world.now().timestamp() + REFRESH_LIFE_S
                doc |= {"revoked": False, "dead_upto": 0, "refresh_until": until}
            self.put("session", id, doc)
        return len(sessions)

    def switches(self) -> list[Doc]:
        return [
            {"name": name, "label": label, "value": self._is(name), "choices": choices}
            for name, (label, _default, choices) in SWITCHES.items()
        ]

    def set_switch(self, name: str, value: str) -> None:
        if name not in SWITCHES:
            raise ValueError(f"Bluesky has no switch {name!r}")
        choices = [choice for choice, _words in SWITCHES[name][2]]
        if choices and value not in choices:
            raise ValueError(f"{name} is one of {', '.join(choices)}")
        if not choices and not value.isdecimal():
            raise ValueError(f"{name} is a whole number")
        self.put("setting", name, {"value": value})

    def account_of(self, request: Request) -> str:
        try:
            claims = self._claims(request)
            return str(claims.get("sub") or claims["iss"])
        except (XrpcError, Invalid, KeyError):
            pass
        if request.path.endswith("com.atproto.server.createSession"):
            sent = request.get_json(force=True, silent=True)
            typed = sent.get("identifier") if isinstance(sent, dict) else ""
            return self._did_of(str(typed or "")) or ""
        return ""

    def not_found(self, request: Request) -> Response:
        if "/xrpc/" in request.path:
            return _error(501, "MethodNotImplemented", "Method Not Implemented")
        return error_page(self, "nothing here", "There is no such page.", 404)

    def refuse(self, request: Request, refusal: Refusal) -> Response:
        if refusal.kind == "rate_limited":
            wait = int(refusal.retry_after_s or 300)
            return self._too_many(3000, 300, self.world.now().timestamp() + wait)
        known = {
            "rate_limited_no_headers": (
                429,
                "RateLimitExceeded",
                "Rate Limit Exceeded",
            ),
            "duplicate": (
                400,
                "InvalidSwap",
                f"Record was at {repo.record_cid({'practice': 'another record'})}",
            ),
            "content_refused": (
                400,
                "InvalidRequest",
                f"Invalid {POST} record: refused by the practice network at"
                " $.record.text",
            ),
            "bad_request_after_write": (400, "InvalidRequest", "Bad Request"),
            "version_ended": (501, "MethodNotImplemented", "Method Not Implemented"),
            "app_suspended": (403, "Forbidden", "Forbidden"),
        }
        errors = {
            502: (502, "UpstreamFailure", "Upstream Failure"),
            503: (503, "NotEnoughResources", "Not Enough Resources"),
            504: (
                504,
                "UpstreamTimeout",
                "Operation timed out, please try again.",
            ),
        }
        internal = (500, "InternalServerError", "Internal Server Error")
        return _error(*known.get(refusal.kind, errors.get(refusal.status, internal)))

    def posts(self) -> list[Doc]:
        found = []
        readers = {reader["did"] for _, reader in self.all("reader")}
        for id, _ in self.all("post"):
            did, _, rkey = id.partition("/")
            if did in readers:
                continue
            doc = self.get(f"record:{did}:{POST}", rkey)
            if doc is None:
                continue
            record = _shown(doc)
            pictures = self._pictures(did, record)
            found.append(
                {
                    "id": f"at://{did}/{POST}/{rkey}",
                    "account": did,
                    "text": record["text"],
                    "url": self._permalink(did, rkey),
                    "created_at": doc["indexed_at"],
                    "arrived_at": doc["arrived_at"],
                    "media": len(pictures),
                    "alt_texts": [picture.alt for picture in pictures],
                    "media_kinds": [picture.kind for picture in pictures],
                    "media_sha256": self._sums(did, record),
                    "captions": _captions(record),
                    "card_picture": self._thumb_sum(did, record),
                    "link": _first_link(record),
                    "marker": rkey,
                    "reply_to": (record.get("reply") or _ALONE)["parent"]["uri"],
                    "quotes": _quoted(record),
                    "choices": {
                        "reply_control": self._gate_of(did, rkey),
                        "label": ", ".join(_labels(record)),
                        "tags": record.get("tags", []),
                    },
                }
            )
        return found

    def call_of(self, route: Route, request: Request) -> Route:
        """Who may answer is a record of its own, which is no post."""
        if route.call != PUT:
            return route
        sent = request.get_json(force=True, silent=True)
        collection = sent.get("collection") if isinstance(sent, dict) else ""
        if collection != repo.GATE:
            return route
        return replace(route, call=f"{PUT} ({repo.GATE})", commit=False)

    def _gate_of(self, did: str, rkey: str) -> str:
        """Who may answer a thread, by its rules; "": everybody, "nobody": no one.

        A record under another key than the post's, or of another post, does nothing.
        """
        gate = self.get(f"record:{did}:{repo.GATE}", rkey)
        value = _shown(gate) if gate else {}
        if value.get("post") != f"at://{did}/{POST}/{rkey}" or "allow" not in value:
            return ""
        kinds = {rule["$type"].partition("#")[2] for rule in value["allow"]}
        rules = [name for name in repo.GATE_RULES if name in kinds]
        return "+".join(rules) or "nobody"

    def comment_as_reader(self, post: str, by: str, text: str, under: str = "") -> str:
        above = self._record_at(under or post)
        root = self._record_at(post)
        if above is None or root is None:
            raise ValueError("There is no such post.")
        did, _, rkey = post.removeprefix("at://").partition(f"/{POST}/")
        if self._gate_of(did, rkey):
            # Readers here are mentioned by nobody and follow nobody.
            raise ValueError("Not everybody may reply to this post.")
        known = self.get("reader", by)
        if known is None:
            name = re.sub(r"[^a-z0-9]+", "-", by.lower()).strip("-") or "reader"
            known = {"did": self._add_person(f"{name}{DOMAIN}", by)}
            self.put("reader", by, known)
        ends = {"root": (post, root), "parent": (under or post, above)}
        record = {
            "$type": POST,
            "text": text,
            "createdAt": iso(self.world.now()),
            "reply": {
                end: {"uri": uri, "cid": doc["cid"]} for end, (uri, doc) in ends.items()
            },
        }
        rkey = self._new_tid()
        cid, now = repo.record_cid(record), iso(self.world.now())
        self._write(known["did"], POST, rkey, record, cid, [], "valid", now)
        return f"at://{known['did']}/{POST}/{rkey}"

    def _record_at(self, uri: str) -> Doc | None:
        did, _, rest = uri.removeprefix("at://").partition("/")
        collection, _, rkey = rest.partition("/")
        return self.get(f"record:{did}:{collection}", rkey)

    # ------------------------------------------------------------ small things

    def _is(self, name: str) -> str:
        doc = self.get("setting", name)
        return str(doc["value"]) if doc else SWITCHES[name][1]

    @property
    def _key(self) -> bytes:
        doc = self.get("key", "jwt")
        assert doc is not None
        return bytes.fromhex(doc["hex"])

    def _add_person(self, handle: str, name: str) -> str:
        digest = hashlib.sha256(f"practice {handle}".encode()).digest()
        did = f"did:plc:{base64.b32encode(digest).decode().lower()[:24]}"
        self.put("handle", handle, {"did": did})
        self.put(
            "account",
            did,
            {
                "handle": handle,
                "name": name,
                "state": "active",
                "app_passwords": [APP_PASSWORD],
                "created_at": iso(self.world.now()),
            },
        )
        return did

    def _did_of(self, typed: str) -> str | None:
        """The DID of a handle or DID that is known here."""
        if typed.startswith("did:"):
            return typed if self.get("account", typed) else None
        doc = self.get("handle", typed.lstrip("@").lower())
        return str(doc["did"]) if doc else None

    def _did_document(self, did: str, account: Doc) -> Doc:
        return {
            "@context": ["https://www.w3.org/ns/did/v1"],
            "id": did,
            "alsoKnownAs": [f"at://{account['handle']}"],
            "verificationMethod": [],
            "service": [
                {
                    "id": "#atproto_pds",
                    "type": "AtprotoPersonalDataServer",
                    "serviceEndpoint": self.url,
                }
            ],
        }

    def _server_did(self) -> str:
        return f"did:web:{urlsplit(self.base_url).netloc.replace(':', '%3A')}"

    def _permalink(self, did: str, rkey: str) -> str:
        account = self.get("account", did) or {"handle": did}
        return f"{self.url}/app/profile/{account['handle']}/post/{rkey}"

    # ------------------------------------------------------------ the way in

    def _guarded(
        self,
        request: Request,
        handler: Callable[..., Response],
        auth: str,
        draws: Mapping[str, int],
    ) -> Response:
        counted: list[tuple[int, int, int, float]] = []
        try:
            counted.append(self._draw("ip", request.remote_addr or "unknown", 1))
            self._admit(counted)
            session = None
            if auth != "none":
                session = self._session(request, auth)
                for key, units in draws.items():
                    counted.append(self._draw(key, session.did, units))
            elif draws:
                person = self.account_of(request) or "unknown"
                partition = f"{person}:{request.remote_addr}"
                for key, units in draws.items():
                    counted.append(self._draw(key, partition, units))
            self._admit(counted)
            response = (
                handler(self, request, session) if session else handler(self, request)
            )
        except XrpcError as exc:
            response = json_response(exc.body, exc.status)
        except Invalid as exc:
            response = _error(400, exc.name, str(exc))
        except _TooMany as exc:
            return self._too_many(*exc.window)
        if self._is("rate_limits") == "on":
            size, period, used, until = _tightest(counted)
            response.headers.update(_rate_headers(size, period, size - used, until))
        return response

    def _draw(
        self, key: str, partition: str, units: int
    ) -> tuple[int, int, int, float]:
        """(size, seconds, used, end of the window) after taking `units`."""
        size, period = LIMITS[key]
        now = self.world.now().timestamp()
        doc = self.get("bucket", f"{key}:{partition}")
        if doc is None or doc["until"] <= now:
            doc = {"until": now + period, "used": 0}
        doc["used"] += units
        self.put("bucket", f"{key}:{partition}", doc)
        return size, period, doc["used"], doc["until"]

    def _admit(self, counted: list[tuple[int, int, int, float]]) -> None:
        size, period, used, until = _tightest(counted)
        if used > size and self._is("rate_limits") == "on":
            raise _TooMany((size, period, until))

    def _too_many(self, size: int, period: int, until: float) -> Response:
        response = _error(429, "RateLimitExceeded", "Rate Limit Exceeded")
        response.headers.update(_rate_headers(size, period, 0, until))
        if self._is("retry_after") == "on":
            wait = max(1, round(until - self.world.now().timestamp()))
            response.headers["Retry-After"] = str(wait)
        return response

    def _claims(self, request: Request) -> Doc:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if not scheme:
            raise XrpcError(401, "AuthMissing", "Authentication Required")
        if scheme.lower() != "bearer":
            raise Invalid("Unexpected authorization type", "InvalidToken")
        return repo.read_jwt(token.strip(), self._key)

    def _session(self, request: Request, kind: str, expired: bool = False) -> Session:
        """The caller by a token of that kind, or the server's refusal.

        expired: let one through whose time is over.
        """
        claims = self._claims(request)
        wanted = (REFRESH_SCOPE,) if kind == "refresh" else ACCESS_SCOPES
        if claims.get("scope") not in wanted:
            raise Invalid("Bad token scope", "InvalidToken")
        doc = self.get("session", claims["sid"])
        over = claims["exp"] <= self.world.now().timestamp()
        if kind == "access" and doc and claims["generation"] <= doc["dead_upto"]:
            over = True
        if over and not expired:
            raise Invalid("Token has expired", "ExpiredToken")
        account = self.get("account", claims["sub"])
        if account is None:
            raise XrpcError(403, "AccountNotFound", "Could not find account")
        if account["state"] == "takendown":
            raise XrpcError(401, "AccountTakedown", "Account has been taken down")
        if account["state"] == "deactivated" and kind == "access":
            raise XrpcError(401, "AccountDeactivated", "Account is deactivated")
        return Session(claims["sub"], account, claims)

    # ------------------------------------------------------------ sessions

    def _open_session(self, did: str, password: str) -> Doc:
        now = self.world.now()
        id = secrets.token_hex(8)
        main = password == MAIN_PASSWORD
        self.put(
            "session",
            id,
            {
                "did": did,
                "scope": "com.atproto.access" if main else APP_PASSWORD_SCOPE,
                "generation": 0,
                "dead_upto": 0,
                "revoked": False,
                "refresh_until": now.timestamp() + REFRESH_LIFE_S,
                "issued_at": iso(now),
            },
        )
        return self._tokens_for(id, secrets.token_urlsafe(24))

    def _tokens_for(self, id: str, jti: str) -> Doc:
        """New tokens of a session; `jti` is the refresh token's own id."""
        doc = self.get("session", id)
        assert doc is not None
        now = int(self.world.now().timestamp())
        doc["generation"] += 1
        doc["refresh_until"] = now + REFRESH_LIFE_S
        self.put("session", id, doc)
        if self.get("refresh", jti) is None:
            until = now + REFRESH_LIFE_S
            self.put("refresh", jti, {"session": id, "until": until, "next": None})
        common = {
            "sub": doc["did"],
            "aud": self._server_did(),
            "iat": now,
            "sid": id,
            "generation": doc["generation"],
        }
        access = {**common, "scope": doc["scope"], "exp": now + ACCESS_LIFE_S}
        refresh = {**common, "scope": REFRESH_SCOPE, "jti": jti}
        refresh["exp"] = now + REFRESH_LIFE_S
        return {
            "accessJwt": repo.jwt("at+jwt", access, self._key),
            "refreshJwt": repo.jwt("refresh+jwt", refresh, self._key),
        }

    def _about(self, did: str, account: Doc) -> Doc:
        about = {
            "handle": account["handle"],
            "did": did,
            "didDoc": self._did_document(did, account),
            "emailConfirmed": True,
            "active": account["state"] == "active",
        }
        if account["state"] != "active":
            about["status"] = account["state"]
        return about

    @xrpc(
        "POST",
        "com.atproto.server.createSession",
        auth="none",
        draws={"session": 1, "session_day": 1},
    )
    def create_session(self, request: Request) -> Response:
        sent = _input(request, JSON_LIMIT)
        identifier = _text(sent, "identifier")
        password = _text(sent, "password")
        did = self._did_of(identifier)
        account = self.get("account", did) if did else None
        accepted = [*account["app_passwords"], MAIN_PASSWORD] if account else []
        good = [
            word
            for word in accepted
            if hmac.compare_digest(word.encode(), password.encode())
        ]
        if did is None or account is None or not good:
            raise XrpcError(
                401, "AuthenticationRequired", "Invalid identifier or password"
            )
        if account["state"] == "takendown":
            raise XrpcError(401, "AccountTakedown", "Account has been taken down")
        wants_code = good == [MAIN_PASSWORD] and self._is("email_code") == "on"
        if wants_code and not sent.get("authFactorToken"):
            raise XrpcError(
                401,
                "AuthFactorTokenRequired",
                "A sign in code has been sent to your email address",
            )
        tokens = self._open_session(did, password)
        about = {**self._about(did, account), "emailAuthFactor": wants_code}
        return json_response({**tokens, **about})

    @xrpc("POST", "com.atproto.server.refreshSession", auth="refresh")
    def refresh_session(self, request: Request, session: Session) -> Response:
        jti = session.claims["jti"]
        doc = self.get("refresh", jti)
        owner = self.get("session", session.claims["sid"])
        now = self.world.now().timestamp()
        if doc is None or owner is None or owner["revoked"]:
            raise Invalid("Token has been revoked", "ExpiredToken")
        if owner["refresh_until"] <= now:
            raise Invalid("Token has expired", "ExpiredToken")
        if doc["next"] is not None and doc["until"] <= now:
            raise Invalid("Token has been revoked", "ExpiredToken")
        if doc["next"] is None:
            # A used token lives on for the grace time and leads to one successor, so
            # that an answer that got lost can be asked for again.
            doc |= {"next": secrets.token_urlsafe(24)}
            doc["until"] = min(doc["until"], now + GRACE_S)
            self.put("refresh", jti, doc)
        tokens = self._tokens_for(doc["session"], doc["next"])
        return json_response({**tokens, **self._about(session.did, session.account)})

    @route(
        "POST",
        "/xrpc/com.atproto.server.deleteSession",
        call="com.atproto.server.deleteSession",
    )
    def delete_session(self, request: Request) -> Response:
        try:
            session = self._session(request, "refresh", expired=True)
        except XrpcError as exc:
            return json_response(exc.body, exc.status)
        except Invalid as exc:
            return _error(400, exc.name, str(exc))
        doc = self.get("session", session.claims["sid"])
        if doc is not None:
            self.put("session", session.claims["sid"], {**doc, "revoked": True})
        return Response("", 200)

    @xrpc("GET", "com.atproto.server.getSession")
    def get_session(self, request: Request, session: Session) -> Response:
        return json_response(self._about(session.did, session.account))

    @xrpc("GET", "com.atproto.server.describeServer", auth="none")
    def describe_server(self, request: Request) -> Response:
        return json_response(
            {
                "did": self._server_did(),
                "availableUserDomains": [DOMAIN],
                "inviteCodeRequired": True,
                "links": {},
                "contact": {},
                "blobUploadLimit": BLOB_UPLOAD_LIMIT,
            }
        )

    @route("GET", "/xrpc/_health", call="_health")
    def server_health(self, request: Request) -> Response:
        return json_response({"version": "0.4.0-practice"})

    @xrpc("GET", "com.atproto.server.getServiceAuth")
    def get_service_auth(self, request: Request, session: Session) -> Response:
        if self._is("service_auth") == "off":
            raise XrpcError(501, "MethodNotImplemented", "Method Not Implemented")
        audience = request.args.get("aud", "")
        if not audience.startswith("did:"):
            raise Invalid("aud is no DID")
        now = int(self.world.now().timestamp())
        until = request.args.get("exp", str(now + 60))
        if not until.isdecimal() or not now < int(until) <= now + 3600:
            raise Invalid("The expiry is too far away", "BadExpiration")
        method = request.args.get("lxm", "")
        token = self.service_token(session.did, audience, method, int(until))
        return json_response({"token": token})

    # ------------------------------------------------------------ who is who

    @xrpc("GET", "com.atproto.identity.resolveHandle", auth="none")
    def resolve_handle(self, request: Request) -> Response:
        handle = request.args.get("handle", "")
        did = self._did_of(handle) if not handle.startswith("did:") else None
        if did is None:
            raise Invalid("Unable to resolve handle")
        return json_response({"did": did})

    @route("GET", "/plc/<did>", call="plc.directory")
    def directory(self, request: Request, did: str) -> Response:
        account = self.get("account", did)
        if account is None:
            return json_response({"message": f"DID not registered: {did}"}, 404)
        response = json_response(self._did_document(did, account))
        response.mimetype = "application/did+ld+json"
        return response

    # ------------------------------------------------------------ blobs

    @xrpc("POST", "com.atproto.repo.uploadBlob", draws={"blob": 1})
    def upload_blob(self, request: Request, session: Session) -> Response:
        body = request.get_data()
        if not body:
            raise Invalid("Request body is empty")
        if len(body) > BLOB_UPLOAD_LIMIT:
            raise XrpcError(413, "PayloadTooLarge", "request entity too large")
        cid = repo.blob_cid(body)
        mime = repo.sniff(body, request.mimetype)
        known = self.get(f"blob:{session.did}", cid)
        self.put(
            f"blob:{session.did}",
            cid,
            {
                "mime": mime,
                "size": len(body),
                "sha256": hashlib.sha256(body).hexdigest(),
                "at": self.world.now().timestamp(),
                "used": known["used"] if known else False,
            },
        )
        self.world.put_blob(self.slug, cid, mime, body)
        return json_response(
            {
                "blob": {
                    "$type": "blob",
                    "ref": {"$link": cid},
                    "mimeType": mime,
                    "size": len(body),
                }
            }
        )

    def _check_blobs(self, did: str, blobs: list[tuple[Doc, int, str]]) -> list[str]:
        """The CIDs of a record's blobs; Invalid when one is not there or does not fit."""
        life = float(self._is("blob_life_s"))
        now = self.world.now().timestamp()
        cids = []
        for blob, largest, accepted in blobs:
            cid = blob["ref"]["$link"]
            stored = self.get(f"blob:{did}", cid)
            if stored and not stored["used"] and stored["at"] + life < now:
                self.drop(f"blob:{did}", cid)
                stored = None
            if stored is None:
                raise Invalid(f"Could not find blob: {cid}", "BlobNotFound")
            if stored["size"] > largest:
                raise Invalid(
                    f"This file is too large. It is {stored['size']} bytes but the"
                    f" maximum size is {largest} bytes.",
                    "InvalidSize",
                )
            if blob["mimeType"] != stored["mime"]:
                raise Invalid(
                    "Referenced Mimetype does not match stored mimetype. Expected:"
                    f" {blob['mimeType']}, Got: {stored['mime']}",
                    "InvalidMimeType",
                )
            if not stored["mime"].startswith(accepted):
                raise Invalid(
                    f"Wrong type of file. It is {stored['mime']} but it must match"
                    f" {accepted}*.",
                    "InvalidMimeType",
                )
            cids.append(cid)
        return cids

    @route("GET", "/xrpc/com.atproto.sync.getBlob", browser=True)
    def get_blob(self, request: Request) -> Response:
        cid = request.args.get("cid", "")
        known = self.get(f"blob:{request.args.get('did', '')}", cid)
        found = self.world.get_blob(self.slug, cid) if known else None
        if found is None:
            return _error(400, "BlobNotFound", "Blob not found")
        response = Response(found[1], mimetype=found[0])
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
        return response

    # ------------------------------------------------------------ records

    @xrpc(
        "POST",
        PUT,
        draws={"writes_hour": 2, "writes_day": 2},
        commit=True,
    )
    def put_record(self, request: Request, session: Session) -> Response:
        sent = _input(request, RECORD_JSON_LIMIT)
        collection, rkey = self._place(sent, session), _text(sent, "rkey")
        repo.check_key(collection, rkey)
        record, status, blobs = self._prepare(sent, collection, session)
        cid = repo.record_cid(record)
        current = self.get(f"record:{session.did}:{collection}", rkey)
        uri = f"at://{session.did}/{collection}/{rkey}"
        if current is not None and current["cid"] == cid:
            # Asked before the swap is: an identical record is never a conflict.
            return json_response({"uri": uri, "cid": cid, "validationStatus": status})
        if "swapRecord" in sent:
            at = current["cid"] if current else None
            if sent["swapRecord"] != at:
                raise Invalid(f"Record was at {at or 'null'}", "InvalidSwap")
        self._check_commit(sent, session.did)
        commit = self._write(
            session.did,
            collection,
            rkey,
            record,
            cid,
            blobs,
            status,
            arrived_at(request),
        )
        answer = {"uri": uri, "cid": cid, "commit": commit}
        return json_response({**answer, "validationStatus": status})

    @xrpc(
        "POST",
        "com.atproto.repo.createRecord",
        draws={"writes_hour": 3, "writes_day": 3},
        commit=True,
    )
    def create_record(self, request: Request, session: Session) -> Response:
        sent = _input(request, RECORD_JSON_LIMIT)
        collection = self._place(sent, session)
        rkey = str(sent.get("rkey") or self._new_tid())
        repo.check_key(collection, rkey)
        record, status, blobs = self._prepare(sent, collection, session)
        cid = repo.record_cid(record)
        self._check_commit(sent, session.did)
        if self.get(f"record:{session.did}:{collection}", rkey) is not None:
            raise XrpcError(500, "InternalServerError", "Internal Server Error")
        commit = self._write(
            session.did,
            collection,
            rkey,
            record,
            cid,
            blobs,
            status,
            arrived_at(request),
        )
        uri = f"at://{session.did}/{collection}/{rkey}"
        answer = {"uri": uri, "cid": cid, "commit": commit}
        return json_response({**answer, "validationStatus": status})

    @xrpc(
        "POST",
        "com.atproto.repo.deleteRecord",
        draws={"writes_hour": 1, "writes_day": 1},
        commit=True,
    )
    def delete_record(self, request: Request, session: Session) -> Response:
        sent = _input(request, JSON_LIMIT)
        collection, rkey = self._place(sent, session), _text(sent, "rkey")
        kind = f"record:{session.did}:{collection}"
        current = self.get(kind, rkey)
        if current is None:
            return json_response({})
        if sent.get("swapRecord") not in (None, current["cid"]):
            raise Invalid(f"Record was at {current['cid']}", "InvalidSwap")
        self._check_commit(sent, session.did)
        self.drop(kind, rkey)
        self.drop("post", f"{session.did}/{rkey}")
        value: Doc = current["value"]
        if reply := value.get("reply"):
            uri = f"at://{session.did}/{collection}/{rkey}"
            self.drop(f"replies:{reply['parent']['uri']}", uri)
        return json_response({"commit": self._new_commit(session.did)})

    def _place(self, sent: Doc, session: Session) -> str:
        """The collection; only one's own repository can be written."""
        if self._did_of(_text(sent, "repo")) != session.did:
            raise XrpcError(401, "AuthenticationRequired", "Authentication Required")
        return _text(sent, "collection")

    def _prepare(
        self, sent: Doc, collection: str, session: Session
    ) -> tuple[Doc, str, list[str]]:
        """(record, validation status, CIDs of its blobs)."""
        if not isinstance(sent.get("record"), dict):
            raise Invalid("Input/record must be an object")
        record: Doc = {"$type": collection, **sent["record"]}
        if sent.get("validate") is False:
            return record, "unknown", []
        status, blobs = repo.check_record(collection, record)
        if sent.get("validate") is True and status == "unknown":
            raise Invalid(f"Lexicon not found: lex:{collection}")
        return record, status, self._check_blobs(session.did, blobs)

    def _check_commit(self, sent: Doc, did: str) -> None:
        head = self.get("head", did) or {"cid": "null"}
        if sent.get("swapCommit") not in (None, head["cid"]):
            raise Invalid(f"Commit was at {head['cid']}", "InvalidSwap")

    def _write(
        self,
        did: str,
        collection: str,
        rkey: str,
        record: Doc,
        cid: str,
        blobs: list[str],
        status: str,
        arrived: str,
    ) -> Doc:
        for blob in blobs:
            stored = self.get(f"blob:{did}", blob)
            if stored is not None:
                self.put(f"blob:{did}", blob, {**stored, "used": True})
        self.put(
            f"record:{did}:{collection}",
            rkey,
            {
                "cid": cid,
                "value": record,
                "checked": status == "valid",
                "indexed_at": iso(self.world.now()),
                "arrived_at": arrived,
            },
        )
        if collection == POST:
            self.put("post", f"{did}/{rkey}", {})
            if status == "valid":
                self._tell(did, rkey, record)
        return self._new_commit(did)

    def _tell(self, did: str, rkey: str, record: Doc) -> None:
        """Remember what a post answers, and let those know whom it is about."""
        uri = f"at://{did}/{POST}/{rkey}"
        reply = record.get("reply")
        if reply:
            self.put(f"replies:{reply['parent']['uri']}", uri, {})
        told: dict[str, str] = {}
        for kind, _words, leads in _facets(record):
            if kind == "mention":
                told[leads] = "mention"
        for end in (reply["root"], reply["parent"]) if reply else ():
            told[_did_in(end["uri"])] = "reply"
        about = reply["parent"]["uri"] if reply else None
        for person, reason in told.items():
            if person != did and not self.get(f"told:{person}", uri):
                self.put(f"told:{person}", uri, {})
                notice = {"uri": uri, "reason": reason, "about": about}
                self.put(f"notice:{person}", self._new_tid(), notice)

    def _replies_to(self, uri: str) -> list[str]:
        """URIs of the posts that answer one, oldest first."""
        return [id for id, _ in self.all(f"replies:{uri}")]

    def _new_commit(self, did: str) -> Doc:
        rev = self._new_tid()
        commit = {"cid": repo.record_cid({"did": did, "rev": rev}), "rev": rev}
        self.put("head", did, commit)
        return commit

    def _new_tid(self) -> str:
        now = int(self.world.now().timestamp() * 1_000_000)
        return repo.tid(now, secrets.randbelow(1024))

    def _repo(self, request: Request) -> tuple[str, str]:
        """(DID, collection) of a reading call."""
        typed = request.args.get("repo", "")
        did = self._did_of(typed)
        if did is None:
            raise Invalid(f"Could not find repo: {typed}")
        collection = request.args.get("collection", "")
        if not collection:
            raise Invalid('Params must have the property "collection"')
        return did, collection

    @xrpc("GET", "com.atproto.repo.getRecord", auth="none")
    def get_record(self, request: Request) -> Response:
        did, collection = self._repo(request)
        rkey = request.args.get("rkey", "")
        doc = self.get(f"record:{did}:{collection}", rkey)
        uri = f"at://{did}/{collection}/{rkey}"
        wanted = request.args.get("cid")
        if doc is None or (wanted and wanted != doc["cid"]):
            raise Invalid(f"Could not locate record: {uri}", "RecordNotFound")
        return json_response({"uri": uri, "cid": doc["cid"], "value": doc["value"]})

    @xrpc("GET", "com.atproto.repo.listRecords", auth="none")
    def list_records(self, request: Request) -> Response:
        did, collection = self._repo(request)
        limit = _limit(request, 50, 100)
        forward = request.args.get("reverse") == "true"
        cursor = request.args.get("cursor", "")
        rows = self.world.page(
            self.slug,
            f"record:{did}:{collection}",
            limit,
            below="" if forward else cursor,
            above=cursor if forward else "",
            oldest_first=forward,
        )
        answer: Doc = {
            "records": [
                {
                    "uri": f"at://{did}/{collection}/{rkey}",
                    "cid": doc["cid"],
                    "value": doc["value"],
                }
                for rkey, doc in rows
            ]
        }
        if rows:
            answer["cursor"] = rows[-1][0]
        return json_response(answer)

    # ------------------------------------------------------------ the public view

    def _seen(self, request: Request, did: str, doc: Doc) -> bool:
        """The public view is late; through one's own data server it is complete."""
        if self.account_of(request) == did:
            return True
        delay = timedelta(seconds=float(self._is("public_delay_s")))
        return datetime.fromisoformat(doc["indexed_at"]) + delay <= self.world.now()

    def _post_view(self, did: str, rkey: str, doc: Doc) -> Doc:
        account = self.get("account", did) or {"handle": "handle.invalid", "name": ""}
        uri = f"at://{did}/{POST}/{rkey}"
        likes = int(self._is("likes"))
        return {
            "uri": uri,
            "cid": doc["cid"],
            "author": {
                "did": did,
                "handle": account["handle"],
                "displayName": account["name"],
            },
            "record": doc["value"],
            "replyCount": self.world.count(self.slug, f"replies:{uri}"),
            "repostCount": likes // 2,
            "likeCount": likes,
            "quoteCount": self._quotes_of(uri),
            "bookmarkCount": 0,
            "indexedAt": f"{doc['indexed_at'][:23]}Z",
            "labels": [],
        }

    def _quotes_of(self, uri: str) -> int:
        """How many posts quote this one."""
        users = [did for did, _ in self.all("account")]
        rows = (doc for did in users for _, doc in self.all(f"record:{did}:{POST}"))
        return sum(_quoted(_shown(doc)) == uri for doc in rows)

    def _actor(self, request: Request) -> str:
        did = self._did_of(request.args.get("actor", ""))
        if did is None:
            raise Invalid("Profile not found")
        return did

    @xrpc("GET", "app.bsky.feed.getAuthorFeed", auth="none")
    def author_feed(self, request: Request) -> Response:
        did = self._actor(request)
        limit = _limit(request, 50, 100)
        below = request.args.get("cursor", "")
        rows = self.world.page(self.slug, f"record:{did}:{POST}", limit, below=below)
        no_replies = request.args.get("filter") == "posts_no_replies"
        feed = [
            {"post": self._post_view(did, rkey, doc)}
            for rkey, doc in rows
            if self._seen(request, did, doc)
            and not (no_replies and "reply" in doc["value"])
        ]
        answer: Doc = {"feed": feed}
        if len(rows) == limit:
            answer["cursor"] = rows[-1][0]
        return json_response(answer)

    def _by_uri(self, request: Request, uri: str) -> Doc | None:
        did, _, rest = uri.removeprefix("at://").partition("/")
        collection, _, rkey = rest.partition("/")
        known = self._did_of(did)
        doc = self.get(f"record:{known}:{collection}", rkey) if known else None
        if known is None or doc is None or not self._seen(request, known, doc):
            return None
        return self._post_view(known, rkey, doc)

    @xrpc("GET", "app.bsky.feed.getPosts", auth="none")
    def get_posts(self, request: Request) -> Response:
        uris = request.args.getlist("uris")
        if not 1 <= len(uris) <= 25:
            raise Invalid("uris must have between 1 and 25 elements")
        found = [self._by_uri(request, uri) for uri in uris]
        return json_response({"posts": [post for post in found if post]})

    @xrpc("GET", "app.bsky.feed.getPostThread", auth="none")
    def post_thread(self, request: Request) -> Response:
        uri = request.args.get("uri", "")
        post = self._by_uri(request, uri)
        if post is None:
            raise Invalid(f"Post not found: {uri}", "NotFound")
        depth = _number(request, "depth", 6, 1000)
        height = _number(request, "parentHeight", 80, 1000)
        thread = self._thread(request, post, depth)
        self._add_parents(request, thread, height)
        return json_response({"thread": thread})

    def _thread(self, request: Request, post: Doc, depth: int) -> Doc:
        thread: Doc = {"$type": THREAD, "post": post}
        if not depth:
            return thread
        blocked = int(self._is("blocked_replies"))
        replies: list[Doc] = []
        for uri in self._replies_to(post["uri"]):
            reply = self._by_uri(request, uri)
            if reply and len(replies) < blocked:
                author = {"did": reply["author"]["did"]}
                kind = "app.bsky.feed.defs#blockedPost"
                shown = {"$type": kind, "uri": uri, "blocked": True}
                replies.append({**shown, "author": author})
            elif reply:
                replies.append(self._thread(request, reply, depth - 1))
        return {**thread, "replies": replies}

    def _add_parents(self, request: Request, thread: Doc, height: int) -> None:
        while height and (reply := thread["post"]["record"].get("reply")):
            uri = reply["parent"]["uri"]
            parent = self._by_uri(request, uri)
            if not parent:
                kind = "app.bsky.feed.defs#notFoundPost"
                thread["parent"] = {"$type": kind, "uri": uri, "notFound": True}
                return
            thread["parent"] = {"$type": THREAD, "post": parent}
            thread, height = thread["parent"], height - 1

    @xrpc("GET", "app.bsky.actor.getProfile", auth="none")
    def get_profile(self, request: Request) -> Response:
        did = self._actor(request)
        account = self.get("account", did) or {}
        return json_response(
            {
                "did": did,
                "handle": account["handle"],
                "displayName": account["name"],
                "followersCount": int(self._is("followers")),
                "followsCount": 0,
                "postsCount": self.world.count(self.slug, f"record:{did}:{POST}"),
                "createdAt": account["created_at"],
            }
        )

    @xrpc("GET", "app.bsky.notification.listNotifications")
    def notifications(self, request: Request, session: Session) -> Response:
        limit = _limit(request, 50, 100)
        wanted = request.args.getlist("reasons")
        below = request.args.get("cursor", "")
        kind = f"notice:{session.did}"
        rows = self.world.page(self.slug, kind, limit, below=below)
        shown = []
        for _, notice in rows:
            post = self._by_uri(request, notice["uri"])
            if not post or (wanted and notice["reason"] not in wanted):
                continue
            row = {name: post[name] for name in ("uri", "cid", "author", "record")}
            about = notice["about"]
            row |= {"reason": notice["reason"], "indexedAt": post["indexedAt"]}
            row |= {"reasonSubject": about} if about else {}
            shown.append({**row, "isRead": False, "labels": []})
        answer: Doc = {"notifications": shown}
        if len(rows) == limit:
            answer["cursor"] = rows[-1][0]
        return json_response(answer)

    # ------------------------------------------------------------ pages for readers

    @route("GET", "/", browser=True)
    def home_page(self, request: Request) -> Response:
        views = []
        for id, _ in self.all("post")[:-51:-1]:
            did, _, rkey = id.partition("/")
            doc = self.get(f"record:{did}:{POST}", rkey)
            if doc is not None:
                views.append(self._view(did, rkey, doc))
        return posts_page(self, "The latest posts", views)

    @route("GET", "/app", browser=True)
    def app_page(self, request: Request) -> Response:
        return self.home_page(request)

    @route("GET", "/app/profile/<actor>", browser=True)
    def profile_page(self, request: Request, actor: str) -> Response:
        did = self._did_of(actor)
        account = self.get("account", did) if did else None
        if did is None or account is None:
            return error_page(self, "nothing here", "There is no such account.", 404)
        rows = self.world.page(self.slug, f"record:{did}:{POST}", 50)
        views = [self._view(did, rkey, doc) for rkey, doc in rows]
        return posts_page(self, account["name"], views)

    @route("GET", "/app/profile/<actor>/post/<rkey>", browser=True)
    def post_page(self, request: Request, actor: str, rkey: str) -> Response:
        did = self._did_of(actor)
        doc = self.get(f"record:{did}:{POST}", rkey) if did else None
        if did is None or doc is None:
            return error_page(self, "nothing here", "There is no such post.", 404)
        view = self._view(did, rkey, doc)
        return posts_page(self, f"A post by {view.author}", [view])

    def _pictures(self, did: str, record: Doc) -> list[Picture]:
        embed = _media_of(record)
        embed = embed.get("media") or embed
        if "video" in embed:
            url = self._blob_url(did, embed["video"])
            return [Picture(url, embed.get("alt", ""), "video")]
        images = embed.get("images") or embed.get("items") or []
        return [
            Picture(self._blob_url(did, image["image"]), image["alt"])
            for image in images
        ]

    def _sums(self, did: str, record: Doc) -> list[str]:
        """SHA-256 of its files, in the order of the post."""
        embed = _media_of(record)
        embed = embed.get("media") or embed
        images = embed.get("images") or embed.get("items") or []
        blobs = [image["image"] for image in images]
        blobs += [embed["video"]] if "video" in embed else []
        docs = [self.get(f"blob:{did}", blob["ref"]["$link"]) for blob in blobs]
        return [doc.get("sha256", "") if doc else "" for doc in docs]

    def _thumb_sum(self, did: str, record: Doc) -> str:
        """SHA-256 of the picture on a link's card, "" without one."""
        blob = (_media_of(record).get("external") or {}).get("thumb")
        doc = self.get(f"blob:{did}", blob["ref"]["$link"]) if blob else None
        return str(doc.get("sha256", "")) if doc else ""

    def _blob_url(self, did: str, blob: Doc) -> str:
        cid = blob["ref"]["$link"]
        where = f"did={quote(did)}&cid={quote(cid)}"
        return f"{self.url}/xrpc/com.atproto.sync.getBlob?{where}"

    def _view(self, did: str, rkey: str, doc: Doc) -> PostView:
        account = self.get("account", did) or {"name": did, "handle": did}
        record = _shown(doc)
        pictures = self._pictures(did, record)
        external = _media_of(record).get("external")
        link = (external["uri"], external["title"]) if external else None
        if external and "thumb" in external:
            thumb = self._blob_url(did, external["thumb"])
            pictures.append(Picture(thumb, f"Preview of {external['title']}"))
        notes = [external["description"]] if external else []
        gate = self._gate_of(did, rkey)
        return PostView(
            author=account["name"],
            handle=f"@{account['handle']}",
            text=record["text"],
            when=f"{doc['indexed_at'][:16].replace('T', ' ')} UTC",
            url=self._permalink(did, rkey),
            pictures=pictures,
            link=link,
            notes=[
                *filter(None, notes),
                *([f"Quotes {_quoted(record)}"] if _quoted(record) else []),
                *(f"Captions: {language}" for language in _captions(record)),
                *_facet_notes(record),
                *(f"Warning: {label}" for label in _labels(record)),
                *([f"May reply: {gate}"] if gate else []),
            ],
        )


# ---------------------------------------------------------------- plain functions


def _labels(record: Doc) -> list[str]:
    """What its author warns of."""
    labels = record.get("labels") or {}
    return [one["val"] for one in labels.get("values", [])]


def _captions(record: Doc) -> list[str]:
    """The languages of a video's captions."""
    return [one["lang"] for one in _media_of(record).get("captions", [])]


def _media_of(record: Doc) -> Doc:
    """What is embedded besides a quoted post."""
    embed: Doc = record.get("embed") or {}
    return dict(embed.get("media") or embed)


def _quoted(record: Doc) -> str:
    """The address of the post that is quoted."""
    embed: Doc = record.get("embed") or {}
    kind = str(embed.get("$type", ""))
    if kind == "app.bsky.embed.recordWithMedia":
        embed = embed["record"]
    elif kind != "app.bsky.embed.record":
        return ""
    return str(embed["record"]["uri"])


class _TooMany(Exception):
    def __init__(self, window: tuple[int, int, float]) -> None:
        super().__init__("too many requests")
        self.window = window


def _tightest(
    counted: list[tuple[int, int, int, float]],
) -> tuple[int, int, int, float]:
    return min(counted, key=lambda window: window[0] - window[2])


def _rate_headers(size: int, period: int, left: int, until: float) -> dict[str, str]:
    return {
        "RateLimit-Limit": str(size),
        "RateLimit-Remaining": str(max(0, left)),
        "RateLimit-Reset": str(int(until)),
        "RateLimit-Policy": f"{size};w={period}",
    }


def _error(status: int, name: str, message: str) -> Response:
    return json_response({"error": name, "message": message}, status)


def _input(request: Request, largest: int) -> Doc:
    body = request.get_data()
    if len(body) > largest:
        raise XrpcError(413, "PayloadTooLarge", "request entity too large")
    if request.mimetype != "application/json":
        raise Invalid(
            f"Wrong request encoding (Content-Type): {request.mimetype or 'none'}"
        )
    try:
        value = json.loads(body)
    except ValueError:
        raise Invalid("Unable to parse the request body as JSON") from None
    if not isinstance(value, dict):
        raise Invalid("Input must be an object")
    return value


def _text(sent: Doc, name: str) -> str:
    if name not in sent:
        raise Invalid(f'Input must have the property "{name}"')
    if not isinstance(sent[name], str):
        raise Invalid(f"Input/{name} must be a string")
    return str(sent[name])


def _number(request: Request, name: str, default: int, largest: int) -> int:
    value = request.args.get(name, str(default))
    if not value.isdecimal() or int(value) > largest:
        raise Invalid(f"{name} must be between 0 and {largest}")
    return int(value)


def _did_in(uri: str) -> str:
    return uri.removeprefix("at://").partition("/")[0]


def _limit(request: Request, default: int, largest: int) -> int:
    value = request.args.get("limit", str(default))
    if not value.isdecimal() or not 1 <= int(value) <= largest:
        raise Invalid(f"limit must be between 1 and {largest}")
    return int(value)


def _shown(doc: Doc) -> Doc:
    """The record as far as a reader can see it: of one that was written unchecked, the
    text only."""
    value: Doc = doc["value"]
    return value if doc["checked"] else {"text": str(value.get("text", ""))}


def _facets(record: Doc) -> list[tuple[str, str, str]]:
    """(kind, the words it stands on, where it leads) by the UTF-8 offsets."""
    text = str(record.get("text", "")).encode()
    found = []
    for facet in record.get("facets") or []:
        part = text[facet["index"]["byteStart"] : facet["index"]["byteEnd"]]
        for feature in facet["features"]:
            kind = str(feature.get("$type", "")).partition("#")[2]
            leads = feature.get("uri") or feature.get("did") or feature.get("tag") or ""
            found.append((kind, part.decode("utf-8", "replace"), str(leads)))
    return found


def _facet_notes(record: Doc) -> list[str]:
    return [f"{kind}: {words} → {leads}" for kind, words, leads in _facets(record)]


def _first_link(record: Doc) -> str:
    external = _media_of(record).get("external")
    if external:
        return str(external["uri"])
    links = [leads for kind, _words, leads in _facets(record) if kind == "link"]
    return links[0] if links else ""

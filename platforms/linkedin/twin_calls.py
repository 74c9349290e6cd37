"""Around every call of LinkedIn's API: token, version, protocol, scope, daily numbers.

Sources, under https://learn.microsoft.com/en-us/linkedin/ :
shared/api-guide/concepts/rate-limits, shared/api-guide/concepts/error-handling,
marketing/versioning.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any

from werkzeug.wrappers import Request, Response

from ..practice.framework import Doc, iso
from ..practice.switches import SwitchedTwin

#: version -> the day on which it ends
VERSIONS = {
    "202511": date(2026, 11, 16),
    "202601": date(2027, 1, 15),
    "202602": date(2027, 2, 15),
    "202603": date(2027, 3, 16),
    "202604": date(2027, 4, 15),
    "202605": date(2027, 5, 15),
    "202606": date(2027, 6, 15),
    "202607": date(2027, 7, 15),
    "202608": date(2027, 8, 17),
    "202609": date(2027, 9, 15),
}

POST_ROLES = (
    "ADMINISTRATOR",
    "CONTENT_ADMINISTRATOR",
    "DIRECT_SPONSORED_CONTENT_POSTER",
)
PERSON = re.compile(r"urn:li:person:[A-Za-z0-9_-]+")
ORGANIZATION = re.compile(r"urn:li:organization:[0-9]+")


@dataclass(frozen=True)
class Endpoint:
    """A call: its name in refusals, and the scopes of which one is enough.

    refusal: what stands in place of the usual sentence about missing permissions.
    """

    key: str
    resource: str
    scopes: tuple[str, ...]
    versioned: bool = True
    restli_method: str = ""
    refusal: str = ""


IMAGE_REFUSAL = (
    "Accessing this image resource is forbidden for the given member and application"
)
WRITE = ("w_member_social", "w_organization_social")
READ = ("r_organization_social", "r_member_social")
ADMIN = ("rw_organization_admin",)
PAGE_READ = ("rw_organization_admin", "r_organization_social")
IMAGE_READ = ("r_organization_social", "w_organization_social")
#: comments and reactions, by the kind of the post's author
FEED_READ = {"page": "r_organization_social_feed", "member": "w_member_social_feed"}
FEED_WRITE = {"page": "w_organization_social_feed", "member": "w_member_social_feed"}
VIDEO_READ = (*IMAGE_READ, "w_member_social")
ENDPOINTS = {
    row.key: row
    for row in (
        Endpoint("GET /v2/userinfo", "userinfo.GET", ("profile",), versioned=False),
        Endpoint("GET /v2/me", "me.GET", ("r_basicprofile",), versioned=False),
        Endpoint(
            "GET /rest/organizationAcls",
            "organizationAcls.FINDER-{q}",
            ADMIN,
            restli_method="FINDER",
        ),
        Endpoint(
            "GET /rest/organizationAuthorizations/{key}",
            "organizationAuthorizations.GET",
            ADMIN,
            restli_method="GET",
        ),
        Endpoint(
            "GET /rest/organizationAuthorizations",
            "organizationAuthorizations.BATCH_FINDER-{bq}",
            ADMIN,
            restli_method="BATCH_FINDER",
        ),
        *(
            Endpoint(
                f"{verb} /rest/eventSubscriptions/{{key}}",
                f"eventSubscriptions.{method}",
                ADMIN,
                restli_method=method,
            )
            for verb, method in (
                ("PUT", "UPDATE"),
                ("GET", "GET"),
                ("DELETE", "DELETE"),
            )
        ),
        Endpoint(
            "GET /rest/organizations/{id}",
            "organizations.GET",
            PAGE_READ,
            restli_method="GET",
        ),
        Endpoint(
            "GET /rest/organizationsLookup",
            "organizationsLookup.BATCH_GET",
            PAGE_READ,
            restli_method="BATCH_GET",
        ),
        Endpoint(
            "POST /rest/images?action=initializeUpload",
            "partnerApiImages.ACTION-initializeUpload",
            WRITE,
            restli_method="ACTION",
        ),
        Endpoint(
            "GET /rest/images/{urn}",
            "partnerApiImages.GET",
            IMAGE_READ,
            restli_method="GET",
            refusal=IMAGE_REFUSAL,
        ),
        Endpoint(
            "GET /rest/images",
            "partnerApiImages.BATCH_GET",
            IMAGE_READ,
            restli_method="BATCH_GET",
            refusal=IMAGE_REFUSAL,
        ),
        *(
            Endpoint(
                f"POST /rest/{name}?action={action}",
                f"partnerApi{name.title()}.ACTION-{action}",
                WRITE,
                restli_method="ACTION",
            )
            for name, action in (
                ("videos", "initializeUpload"),
                ("videos", "finalizeUpload"),
                ("documents", "initializeUpload"),
            )
        ),
        *(
            Endpoint(
                f"GET /rest/{name}/{{urn}}",
                f"partnerApi{name.title()}.GET",
                scopes,
                restli_method="GET",
                refusal=IMAGE_REFUSAL.replace("image", name.removesuffix("s")),
            )
            # Many tokens of members read videos; a switch takes it from all.
            for name, scopes in (("videos", VIDEO_READ), ("documents", IMAGE_READ))
        ),
        Endpoint(
            "POST /rest/posts",
            "partnerApiPostsExternal.CREATE",
            WRITE,
            restli_method="CREATE",
        ),
        Endpoint(
            "POST /rest/posts/{urn}",
            "partnerApiPostsExternal.PARTIAL_UPDATE",
            WRITE,
            restli_method="PARTIAL_UPDATE",
        ),
        Endpoint(
            "GET /rest/posts/{urn}",
            "partnerApiPostsExternal.GET",
            READ,
            restli_method="GET",
        ),
        Endpoint(
            "GET /rest/posts?q=author",
            "partnerApiPostsExternal.FINDER-author",
            READ,
            restli_method="FINDER",
        ),
        Endpoint(
            "DELETE /rest/posts/{urn}",
            "partnerApiPostsExternal.DELETE",
            WRITE,
            restli_method="DELETE",
        ),
        *(
            Endpoint(
                f"GET /rest/{name}", f"{name}.FINDER-{{q}}", scopes, True, "FINDER"
            )
            for name, scopes in (
                ("organizationalEntityShareStatistics", ADMIN),
                ("organizationalEntityFollowerStatistics", ADMIN),
                ("organizationPageStatistics", ADMIN),
                ("memberCreatorPostAnalytics", ("r_member_postAnalytics",)),
            )
        ),
        Endpoint(
            "GET /rest/networkSizes/{urn}",
            "networkSizes.GET",
            PAGE_READ,
            restli_method="GET",
        ),
        *(
            Endpoint(key, resource, tuple(scopes.values()), True, method)
            for key, resource, scopes, method in (
                ("GET /rest/socialMetadata/{urn}", "socialMetadata", FEED_READ, "GET"),
                (
                    "POST /rest/socialMetadata/{urn}",
                    "socialMetadata.PARTIAL_UPDATE",
                    FEED_WRITE,
                    "PARTIAL_UPDATE",
                ),
                ("GET /rest/socialActions/{urn}", "socialActions", FEED_READ, "GET"),
                (
                    "GET /rest/socialActions/{urn}/comments",
                    "comments.GET_ALL",
                    FEED_READ,
                    "GET_ALL",
                ),
                (
                    "POST /rest/socialActions/{urn}/comments",
                    "comments.CREATE",
                    FEED_WRITE,
                    "CREATE",
                ),
                (
                    "DELETE /rest/socialActions/{urn}/comments/{id}",
                    "comments.DELETE",
                    FEED_WRITE,
                    "DELETE",
                ),
                ("POST /rest/reactions", "reactions.CREATE", FEED_WRITE, "CREATE"),
            )
        ),
    )
}


class Refused(Exception):
    """A refusal in LinkedIn's words; input_error: it stands inside `inputErrors`."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        service_code: int | None = None,
        input_error: Doc | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body: Doc = {"status": status, "message": message}
        if input_error is not None:
            self.body |= {
                "errorDetailType": "com.linkedin.common.error.BadRequest",
                "message": "com.linkedin.content.common.exception."
                f"BadRequestResponseException: {message}",
                "errorDetails": {"inputErrors": [{**input_error, "code": code}]},
            }
        else:
            self.body["code"] = code
        if service_code is not None:
            self.body["serviceErrorCode"] = service_code


def denied(message: str) -> Refused:
    return Refused(403, "ACCESS_DENIED", message, service_code=100)


def no_role() -> Refused:
    """The author or owner is not this member, nor a Page that they may post for."""
    return denied(
        "Unpermitted fields present in REQUEST_BODY: Data Processing Exception while "
        "processing fields [/author]"
    )


def wrong_field(code: str, path: str, text: str) -> Refused:
    return Refused(
        400,
        code,
        text,
        input_error={"description": text, "input": {"inputPath": {"fieldPath": path}}},
    )


def wrong_schema(*lines: str) -> Refused:
    return Refused(422, "UNPROCESSABLE_ENTITY", "\n".join(lines))


def wrong_query(text: str) -> Refused:
    return Refused(400, "ILLEGAL_ARGUMENT", text)


def not_found() -> Refused:
    return Refused(404, "NOT_FOUND", "Could not find entity")


def missing(path: str) -> str:
    return (
        f"ERROR :: {path} :: field is required but not found and has no default value"
    )


def unknown(path: str) -> str:
    return f"ERROR :: {path} :: unrecognized field found but not allowed"


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).hexdigest()


def text_digest(*parts: Any) -> str:
    return digest(json.dumps(parts, sort_keys=True))


def exact(at: float) -> str:
    return iso(datetime.fromtimestamp(at, UTC))


def sent_json(request: Request) -> Doc:
    try:
        body = json.loads(request.get_data())
    except ValueError:
        raise Refused(400, "BAD_REQUEST", "Request body is not valid JSON") from None
    if not isinstance(body, dict):
        raise wrong_schema("ERROR ::  :: a record is expected")
    return body


@dataclass(frozen=True)
class Caller:
    member: Doc
    scopes: frozenset[str]
    version: str = ""

    @property
    def urn(self) -> str:
        return f"urn:li:person:{self.member['id']}"


class Calls(SwitchedTwin):
    # ------------------------------------------------------------ world

    def time(self) -> float:
        return self.world.now().timestamp()

    def time_ms(self) -> int:
        return int(self.time() * 1000)

    @cached_property
    def www(self) -> str:
        return f"{self.url}/www"

    # ------------------------------------------------------------ around every call

    def _json(self, data: Any, status: int = 200) -> Response:
        response = Response(json.dumps(data), status, content_type="application/json")
        return self._stamped(response)

    def _empty(self, status: int, **headers: str) -> Response:
        response = Response(b"", status)
        del response.headers["Content-Type"]
        for name, value in headers.items():
            response.headers[name.replace("_", "-")] = value
        return self._stamped(response)

    def _stamped(self, response: Response) -> Response:
        response.headers["x-li-uuid"] = base64.b64encode(
            secrets.token_bytes(16)
        ).decode()
        response.headers["x-li-fabric"] = "prod-practice"
        response.headers["x-li-request-id"] = secrets.token_hex(8)
        response.headers["x-restli-protocol-version"] = "2.0.0"
        return response

    def not_found(self, request: Request) -> Response:
        body = {"status": 404, "code": "RESOURCE_NOT_FOUND"}
        return self._json(
            {**body, "message": f"No virtual resource found for {request.path}"}, 404
        )

    def _api(
        self, request: Request, key: str, work: Callable[[Caller], Response]
    ) -> Response:
        """Run the checks that come before the schema, then `work`."""
        endpoint = ENDPOINTS[key]
        try:
            caller = self._caller(request)
            if endpoint.versioned:
                version = self._check_version(request)
                caller = Caller(caller.member, caller.scopes, version)
                self._check_protocol(request, endpoint)
            self._check_scope(request, endpoint, caller)
            self._draw(endpoint, caller)
            return work(caller)
        except Refused as refusal:
            return self._json(refusal.body, refusal.status)

    def _caller(self, request: Request) -> Caller:
        header = request.headers.get("Authorization", "")
        scheme, _, secret = header.partition(" ")
        if scheme.lower() != "bearer" or not secret:
            raise Refused(
                401,
                "EMPTY_ACCESS_TOKEN",
                "Empty oauth2 access token",
                service_code=65604,
            )
        token = self.get("token", digest(secret))
        member = self.get("member", token["member"]) if token else None
        if not token or not member or token["kind"] != "access":
            raise Refused(
                401, "INVALID_ACCESS_TOKEN", "Invalid access token", service_code=65600
            )
        age = self.time() - token["issued_at"]
        # Below zero: the practice network's clock was set back.
        is_fresh = 0 <= age < self.setting("fresh_token_refused_s")
        if token["state"] != "live" or is_fresh:
            raise Refused(
                401,
                "REVOKED_ACCESS_TOKEN",
                "The token used in the request has been revoked by the user",
                service_code=65601,
            )
        if token["expires_at"] <= self.time():
            raise Refused(
                401,
                "EXPIRED_ACCESS_TOKEN",
                "The token used in the request has expired",
                service_code=65602,
            )
        if self.setting("app_state") == "suspended":
            raise self._app_suspended()
        if member["suspended"]:
            raise denied("The member account is restricted")
        return Caller(member, frozenset(token["scopes"]))

    def _app_suspended(self) -> Refused:
        return denied("Application is suspended")

    def _check_version(self, request: Request) -> str:
        version = request.headers.get("Linkedin-Version", "").strip()
        if not version:
            raise Refused(
                400,
                "VERSION_MISSING",
                "A version must be present. Please specify a version by adding the "
                "Linkedin-Version header.",
            )
        ends = VERSIONS.get(version)
        is_alive = ends is not None and self.world.now().date() < ends
        if version in self.setting("extra_versions"):
            is_alive = True
        if not is_alive or version in self.setting("ended_versions"):
            raise self._version_ended(version)
        return version

    def _version_ended(self, version: str) -> Refused:
        return Refused(
            426, "NONEXISTENT_VERSION", f"Requested version {version}01 is not active"
        )

    def _check_protocol(self, request: Request, endpoint: Endpoint) -> None:
        """Rest.li 2.0: its header, its method, and what must and must not be encoded."""
        is_two = request.headers.get("X-Restli-Protocol-Version") == "2.0.0"
        if self.setting("strict_protocol") and not is_two:
            raise wrong_query("X-Restli-Protocol-Version must be 2.0.0")
        method = request.headers.get("X-RestLi-Method", "").upper()
        wanted = endpoint.restli_method
        if (method and method != wanted) or (not method and wanted == "PARTIAL_UPDATE"):
            raise Refused(
                400, "BAD_REQUEST", f"Invalid X-RestLi-Method [{method}] for {wanted}"
            )
        raw = str(request.environ.get("RAW_URI") or "")
        path, _, query = raw.partition("?")
        if "urn:" in path:
            raise not_found()
        # A member of List(...) keeps its own encoding, so %28 and %29 are only wrong
        # where they stand for the structure itself.
        if "urn:" in query or re.search(r"List%28|=%28", query, re.IGNORECASE):
            raise wrong_query("Invalid query parameters passed to request")

    def _check_scope(
        self, request: Request, endpoint: Endpoint, caller: Caller
    ) -> None:
        enough = not caller.scopes.isdisjoint(endpoint.scopes)
        if endpoint.key == "GET /v2/userinfo":
            enough = {"openid", "profile"} <= caller.scopes
        if not enough:
            raise self._no_scope(endpoint, caller, request.args)

    def _no_scope(
        self,
        endpoint: Endpoint,
        caller: Caller,
        query: Mapping[str, str] | None = None,
    ) -> Refused:
        if endpoint.refusal:
            return denied(endpoint.refusal)
        names = {"q": "", "bq": "", **(query or {})}
        resource = endpoint.resource.replace("{q}", names["q"])
        resource = resource.replace("{bq}", names["bq"])
        version = f"{caller.version}01" if endpoint.versioned else "NO_VERSION"
        return denied(f"Not enough permissions to access: {resource}.{version}")

    def _draw(self, endpoint: Endpoint, caller: Caller) -> None:
        """Count a call of this UTC day for the member and for the app."""
        app, member = 100_000, 150
        if endpoint.key == "GET /v2/userinfo":
            app, member = 100_000, 500
        elif self.setting("tier") == "development":
            app, member = 500, 100
        changed = self.setting("limits")
        day = f"{self.world.now():%Y-%m-%d}"
        rows = (
            ("MEMBER", f"{day} {endpoint.key} {caller.member['id']}", "member", member),
            ("APPLICATION", f"{day} {endpoint.key}", "application", app),
        )
        used = {}
        for word, id, kind, size in rows:
            size = changed.get(f"{endpoint.key} {kind}", size)
            used[id] = (self.get("bucket", id) or {"used": 0})["used"]
            if used[id] >= size:
                raise self._too_many(word)
        for id, count in used.items():
            self.put("bucket", id, {"used": count + 1})

    def _too_many(self, word: str) -> Refused:
        return Refused(
            429,
            "TOO_MANY_REQUESTS",
            f"Resource level throttle {word} DAY limit for calls to this resource is "
            "reached.",
            service_code=101,
        )

    def _query(self, request: Request, *allowed: str) -> dict[str, str]:
        for name in request.args:
            if name not in (*allowed, "fields", "projection"):
                raise denied(
                    "Unpermitted fields present in PARAMETER: Data Processing Exception"
                    f" while processing fields [/{name}]"
                )
        return dict(request.args)

    def _number(
        self, query: Mapping[str, str], name: str, default: int, low: int, high: int
    ) -> int:
        value = query.get(name, str(default))
        if not re.fullmatch(r"[0-9]{1,9}", value) or not low <= int(value) <= high:
            raise wrong_query(
                f"Query parameter {name} must be between {low} and {high}"
            )
        return int(value)

    def _urn(self, query: Mapping[str, str], name: str, kind: re.Pattern[str]) -> str:
        value = query.get(name, "")
        if not kind.fullmatch(value):
            raise wrong_query(f"Query parameter {name} is missing or no such URN")
        return value

    def _listed(self, query: Mapping[str, str], name: str) -> list[str]:
        match = re.fullmatch(r"List\((.*)\)", query.get(name, ""))
        if not match or not match[1]:
            raise wrong_query(f"Array parameter '{name}' value is invalid")
        return match[1].split(",")

    def _found(self, docs: Mapping[str, Doc | None]) -> Doc:
        """The answer of a batch: what was found, and 404 for the rest."""
        lost = [id for id, doc in docs.items() if doc is None]
        return {
            "results": {id: doc for id, doc in docs.items() if doc is not None},
            "statuses": dict.fromkeys(lost, 404),
            "errors": {id: not_found().body for id in lost},
        }

    # ------------------------------------------------------------ roles

    def _role(self, caller: Caller, urn: str) -> str:
        """The role that the member holds at a Page that is in order, else ""."""
        id = urn.rsplit(":", 1)[-1]
        acl = self.get("acl", f"{caller.member['id']} {id}")
        page = self.get("page", id)
        if not acl or acl["state"] != "APPROVED" or not page or page["suspended"]:
            return ""
        return str(acl["role"])

    def _check_author(self, caller: Caller, author: str, endpoint: Endpoint) -> None:
        """The member of the token, or a Page at which the member may post."""
        if PERSON.fullmatch(author):
            if author != caller.urn:
                raise no_role()
            needed = "w_member_social"
        else:
            if self._role(caller, author) not in POST_ROLES:
                raise no_role()
            needed = "w_organization_social"
        if needed not in caller.scopes:
            raise self._no_scope(endpoint, caller)

"""LinkedIn in the practice network, written from its documentation, never our client.

The order of checks on a call: token, version, scope, daily buckets, schema, author and
role, media, duplicate, create. What LinkedIn does not document is a switch.
Sources, all under https://learn.microsoft.com/en-us/linkedin/ :
shared/authentication/authorization-code-flow, shared/api-guide/concepts/rate-limits,
shared/api-guide/concepts/error-handling, marketing/versioning,
marketing/community-management/shares/posts-api, .../shares/images-api,
.../organizations/organization-access-control-by-role.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import secrets
import string
from collections.abc import Collection, Iterable, Mapping
from typing import Any, ClassVar
from urllib.parse import quote, urlencode, urlsplit

from werkzeug.utils import redirect
from werkzeug.wrappers import Request, Response

from ..practice import pages
from ..practice.framework import (
    Doc,
    Person,
    Refusal,
    Token,
    arrived_at,
    route,
)
from ..practice.switches import Switch
from . import twin_text
from .twin_calls import (
    ENDPOINTS,
    ORGANIZATION,
    PERSON,
    POST_ROLES,
    Caller,
    Endpoint,
    Refused,
    denied,
    digest,
    exact,
    missing,
    not_found,
    sent_json,
    text_digest,
    unknown,
    wrong_field,
    wrong_query,
    wrong_schema,
)
from .twin_events import EVENT_SWITCHES
from .twin_figures import FIGURE_SWITCHES, Figures
from .twin_media import ASSETS

CLIENT_ID = "practice-linkedin"
CLIENT_SECRET = "practice-linkedin-secret"

SCOPES = {
    "openid": "sign you in",
    "profile": "see your name and picture",
    "email": "see your email address",
    "r_basicprofile": "see your basic profile",
    "w_member_social": "post, comment and like as you",
    "w_member_social_feed": "comment and react as you",
    "w_organization_social": "post for your Pages",
    "r_organization_social": "read the posts of your Pages",
    "w_organization_social_feed": "comment and react for your Pages",
    "r_organization_social_feed": "read comments and reactions of your Pages",
    "rw_organization_admin": "manage your Pages and see their figures",
    "r_organization_followers": "see the followers of your Pages",
    "r_member_postAnalytics": "see the figures of your posts",
    "r_member_profileAnalytics": "see how many follow you",
}
APP_SCOPES = [
    name
    for name in SCOPES
    if name not in ("r_organization_followers", "r_member_profileAnalytics")
]
SWITCHES = (
    Switch("app_state", "State of the app", "active", ("active", "suspended")),
    Switch("app_scopes", "Permissions that the app's products grant", APP_SCOPES),
    Switch("programmatic_refresh", "The app gets refresh tokens", False),
    Switch("fresh_token_refused_s", "A new token answers 65601 for (seconds)", 0),
    Switch("consent_skipped_when_live", "Skip the page while a token lives", False),
    Switch("code_life_s", "Life of a code (seconds)", 1800),
    Switch("access_life_s", "Life of an access token (seconds)", 5_184_000),
    Switch("refresh_life_s", "Life of a refresh token (seconds)", 31_536_000),
    Switch("scope_delimiter", "Scopes in a token answer", "comma", ("comma", "space")),
    Switch("password_change_ends_tokens", "A new password ends tokens", True),
    Switch("ended_versions", "Versions that have ended early", []),
    Switch("extra_versions", "Versions beyond the documented ones", []),
    Switch("strict_protocol", "Demand X-Restli-Protocol-Version 2.0.0", True),
    Switch("tier", "Daily numbers", "share", ("share", "development")),
    Switch("limits", 'Other daily numbers, as {"POST /rest/posts member": 5}', {}),
    Switch("duplicate_live_s", "Same content is a duplicate for (seconds)", 600),
    Switch("duplicate_deleted_s", "The same after a deletion (seconds)", 86400),
    Switch("finder_delay_s", "The list of posts shows a new one after (seconds)", 0),
    Switch("delete_gone_status", "Deleting what is gone", 204, ("204", "404")),
    Switch("image_processing_s", "Processing of an image (seconds)", 1),
    Switch("upload_url_life_s", "Life of an upload address (seconds)", 86400),
    Switch("video_processing_s", "Processing of a video (seconds)", 5),
    Switch("video_url_life_s", "Life of a video's upload addresses (s)", 2_592_000),
    Switch("upload_token", "uploadToken of a video", ""),
    Switch("finalize_again", "A second end of an upload", "same", ("same", "refused")),
    Switch("finalize_wants_announced", "An end wants all that was announced", True),
    Switch("beside_refused", "Refused beside videos (thumbnail, captions)", []),
    Switch("members_read", "Tokens of members read their videos", True),
    Switch("content_admin_may_upload", "Content admins may upload files", True),
    Switch(
        "page_field",
        "Name of the Page field",
        "organization",
        ("organization", "organizationTarget"),
    ),
    Switch("verdict_form", "Form of a verdict", "short", ("short", "long")),
    *FIGURE_SWITCHES,
    *EVENT_SWITCHES,
)

ROLES = (
    *POST_ROLES,
    "RECRUITING_POSTER",
    "LEAD_CAPTURE_ADMINISTRATOR",
    "LEAD_GEN_FORMS_MANAGER",
    "ANALYST",
    "CURATOR",
)
ACL_STATES = ("APPROVED", "REQUESTED", "REJECTED", "REVOKED")
ACTION_TYPES = (
    "ORGANIC_SHARE_CREATE",
    "ORGANIC_SHARE_EDIT",
    "ORGANIC_SHARE_DELETE",
    "ORGANIC_SHARE_VIEW_AS_AUTHOR",
)
POST_KEYS = {
    "author",
    "commentary",
    "visibility",
    "distribution",
    "lifecycleState",
    "isReshareDisabledByAuthor",
    "content",
    "reshareContext",
    "contentLandingPage",
    "contentCallToActionLabel",
}
REQUIRED_KEYS = (
    "author",
    "commentary",
    "visibility",
    "distribution",
    "lifecycleState",
)
VISIBILITIES = ("PUBLIC", "CONNECTIONS", "LOGGED_IN", "CONTAINER")
POLL_DURATIONS = ("ONE_DAY", "THREE_DAYS", "SEVEN_DAYS", "FOURTEEN_DAYS")
MAX_COMMENTARY = 3000
MAX_ALT = 4086
POST_URN = re.compile(r"urn:li:(?:share|ugcPost):[0-9]+")
ACTIVITY_URN = re.compile(r"urn:li:activity:[0-9]+")
AUTHORIZATION_KEY = re.compile(
    r"\(impersonator:(?P<person>urn:li:person:[\w-]+),"
    r"organization:(?P<page>urn:li:organization:[0-9]+),"
    r"action:\(organizationContentAuthorizationAction:"
    r"\(actionType:(?P<action>\w+)\)\)\)"
)
AUTHORIZATION_ACTIONS = re.compile(
    r"List\(\(authorizationAction:\(organizationContentAuthorizationAction:"
    r"\(actionType:(?P<action>\w+)\)\)\)\)"
)
BAD_REFRESH = (
    "The provided authorization grant or refresh token is invalid, expired or revoked."
)
BAD_CODE = (
    "Unable to retrieve access token: appid/redirect uri/code verifier does not match "
    "authorization code. Or authorization code expired. Or external member binding "
    "exists"
)


class LinkedInTwin(Figures):
    slug: ClassVar[str] = "linkedin"
    name: ClassVar[str] = "LinkedIn"
    endings = (
        ("expire", "Let the access token expire"),
        ("revoke", "Remove the app"),
        ("password_changed", "Password changed"),
        ("role_lost", "Take the Page role away"),
        ("suspend", "Restrict the account"),
        ("restore", "Undo"),
    )
    SWITCHES = SWITCHES

    def seed(self) -> None:
        if self.get("app", CLIENT_ID):
            return
        self.put(
            "app",
            CLIENT_ID,
            {"name": "SocialHub", "secret": CLIENT_SECRET, "redirect_uris": []},
        )
        ana = self._add_member("a1B2c3D4e5", "Ana", "Lopez", "analopez")
        self._add_member("b5E6n7O8k9", "Ben", "Okafor", "benokafor")
        for id, name, vanity in (
            ("1234567", "Acme Tools", "acmetools"),
            ("7654321", "Acme Bakery", "acmebakery"),
        ):
            self._add_page(id, name, vanity)
            self._give_role(ana["id"], id, "ADMINISTRATOR")

    def _add_member(self, id: str, given: str, family: str, vanity: str) -> Doc:
        member = {
            "id": id,
            "given": given,
            "family": family,
            "vanity": vanity,
            "suspended": False,
        }
        self.put("member", id, member)
        self.put("vanity", vanity.lower(), {"urn": f"urn:li:person:{id}"})
        return member

    def _add_page(self, id: str, name: str, vanity: str) -> Doc:
        page = {"id": id, "name": name, "vanity": vanity, "suspended": False}
        self.put("page", id, page)
        self.put("vanity", vanity.lower(), {"urn": f"urn:li:organization:{id}"})
        return page

    def _give_role(self, member: str, page: str, role: str) -> None:
        self.put(
            "acl",
            f"{member} {page}",
            {"member": member, "page": page, "role": role, "state": "APPROVED"},
        )

    def _full_name(self, member: Doc) -> str:
        return f"{member['given']} {member['family']}".strip()

    def _members(self) -> list[Person]:
        return [
            Person(f"urn:li:person:{id}", self._full_name(doc), doc["vanity"], "Member")
            for id, doc in self.all("member")
        ]

    def people(self) -> list[Person]:
        """Members, who can sign in, and the Pages that they manage, which cannot."""
        names = {id: self._full_name(doc) for id, doc in self.all("member")}
        admins: dict[str, list[str]] = {}
        for _, acl in self.all("acl", state="APPROVED"):
            admins.setdefault(acl["page"], []).append(names[acl["member"]])
        return self._members() + [
            Person(
                f"urn:li:organization:{id}",
                page["name"],
                page["vanity"],
                f"Page of {', '.join(admins.get(id, ['nobody']))}",
            )
            for id, page in self.all("page")
        ]

    def add_account(self, handle: str, name: str, **options: Any) -> Doc:
        """options: kind (member or organization), role and admin (the member's URN) of
        an organization, scopes. A new Page without `admin` gets a member of its own.
        """
        kind = options.get("kind", "member")
        vanity = handle.removeprefix("@")
        if not vanity:
            raise ValueError("LinkedIn wants a handle")
        known = self.get("vanity", vanity.lower())
        urn = known["urn"] if known else ""
        if kind == "member":
            if urn and not PERSON.fullmatch(urn):
                raise ValueError(f"{vanity} is a Page already")
            member = self.get("member", urn.rsplit(":", 1)[-1]) if urn else None
            member = member or self._new_member(name, vanity)
            urn = f"urn:li:person:{member['id']}"
        elif kind == "organization":
            if urn and not ORGANIZATION.fullmatch(urn):
                raise ValueError(f"{vanity} is a member already")
            member = self._admin_of(urn, name, vanity, options)
            urn = urn or str((self.get("vanity", vanity.lower()) or {})["urn"])
        else:
            raise ValueError(f"LinkedIn has members and organizations, not {kind!r}")
        scopes = [str(s) for s in options.get("scopes", self.setting("app_scopes"))]
        answer = self._issue(member["id"], scopes)
        person = f"urn:li:person:{member['id']}"
        path = "company" if kind == "organization" else "in"
        return {
            "external_id": urn,
            "handle": vanity,
            "name": self._author_name(urn),
            "kind": kind,
            "url": f"{self.www}/{path}/{quote(vanity)}/",
            "access_token": answer["access_token"],
            "refresh_token": answer.get("refresh_token", ""),
            "expires_in": answer["expires_in"],
            "refresh_expires_in": answer.get("refresh_token_expires_in"),
            "scopes": scopes,
            "extra": {"member": person, "member_name": self._full_name(member)},
        }

    def _new_member(self, name: str, vanity: str) -> Doc:
        given, _, family = name.partition(" ")
        letters = string.ascii_letters + string.digits
        id = "".join(secrets.choice(letters) for _ in range(10))
        return self._add_member(id, given, family, vanity)

    def _admin_of(
        self, urn: str, name: str, vanity: str, options: Mapping[str, Any]
    ) -> Doc:
        """The member who acts for a Page, which is made when `urn` is empty."""
        role = str(options.get("role", "ADMINISTRATOR"))
        if role not in ROLES:
            raise ValueError(f"LinkedIn has no role {role!r}")
        page = urn.rsplit(":", 1)[-1]
        admin = str(options.get("admin", ""))
        member = self.get("member", admin.rsplit(":", 1)[-1]) if admin else None
        if admin and not member:
            raise ValueError(f"LinkedIn has no member {admin!r}")
        if not member and page:
            acls = self.all("acl", page=page, state="APPROVED")
            member = self.get("member", acls[0][1]["member"]) if acls else None
        if not member:
            member = self._new_member(f"Admin of {name}", f"{vanity}-admin")
        if not page:
            page = str(max([int(id) for id, _ in self.all("page")], default=1) + 1)
            self._add_page(page, name, vanity)
        if not self.get("acl", f"{member['id']} {page}"):
            self._give_role(member["id"], page, role)
        return member

    def app_credentials(self) -> tuple[str, str]:
        app = self.get("app", CLIENT_ID)
        return CLIENT_ID, app["secret"] if app else ""

    def account_of(self, request: Request) -> str:
        """The Page where the request names one, else the member of the token."""
        named = self._named_in(request)
        if named:
            return named
        secret = request.headers.get("Authorization", "").partition(" ")[2]
        for field in ("refresh_token", "token"):
            secret = request.form.get(field, secret)
        token = self.get("token", digest(secret))
        return f"urn:li:person:{token['member']}" if token else ""

    def _named_in(self, request: Request) -> str:
        path = request.path
        address = re.search(r"/dms-uploads/([\w-]+)/", path)
        named = re.search(r"urn:li:(?:image|video|document):[\w-]+", path)
        if address or named:
            urns = [named[0]] if named else []
            if address:
                urns = [f"urn:li:{kind}:{address[1]}" for kind in ASSETS]
            owners = [found["owner"] for urn in urns if (found := self.asset(urn))]
            return str(owners[0]) if owners else ""
        if post := POST_URN.search(path) or ACTIVITY_URN.search(path):
            found = self.get("post", self._post_behind(post[0]))
            return str(found["author"]) if found else ""
        for field in ("author", "organization", "organizationalEntity", "actor"):
            if field in request.args:
                return request.args[field]
        if page := ORGANIZATION.search(path):
            return page[0]
        if request.method == "POST" and request.is_json:
            body = request.get_json(silent=True)
            if isinstance(body, dict):
                inner = body.get("initializeUploadRequest")
                owner = inner.get("owner") if isinstance(inner, dict) else None
                author = body.get("author", owner)
                return author if isinstance(author, str) else ""
        return ""

    # ------------------------------------------------------------ tokens

    def _issue(self, member: str, scopes: list[str], refresh: Doc | None = None) -> Doc:
        """A new access token as the token endpoint answers; `refresh`: the one used."""
        now = self.time()
        common = {"member": member, "scopes": scopes, "issued_at": now, "state": "live"}
        answer: Doc = {}
        life = self.setting("access_life_s")
        if refresh is not None:
            left = int(refresh["expires_at"] - now)
            life = min(life, left)
            answer |= {"refresh_token_expires_in": left}
        elif self.setting("programmatic_refresh"):
            secret = Token("practice-linkedin-refresh", 360).made
            whole = self.setting("refresh_life_s")
            self.put(
                "token",
                digest(secret),
                {**common, "kind": "refresh", "expires_at": now + whole},
            )
            answer |= {"refresh_token": secret, "refresh_token_expires_in": whole}
        access = Token("practice-linkedin", 360).made
        self.put(
            "token",
            digest(access),
            {**common, "kind": "access", "expires_at": now + life},
        )
        joint = "," if self.setting("scope_delimiter") == "comma" else " "
        answer |= {
            "access_token": access,
            "expires_in": life,
            "scope": joint.join(sorted(scopes)),
            "token_type": "Bearer",
        }
        if "openid" in scopes:
            answer["id_token"] = self._id_token(member, now)
        return answer

    def _id_token(self, member: str, now: float) -> str:
        """The shape of a signed claim; the practice network signs with the secret."""

        def part(data: bytes) -> str:
            return base64.urlsafe_b64encode(data).decode().rstrip("=")

        claims = {
            "iss": "https://www.linkedin.com/oauth",
            "aud": CLIENT_ID,
            "sub": member,
            "iat": int(now),
            "exp": int(now) + 3600,
        }
        head = part(b'{"alg":"HS256","typ":"JWT"}')
        signed = f"{head}.{part(json.dumps(claims).encode())}"
        key = self.app_credentials()[1].encode()
        signature = hmac.new(key, signed.encode(), hashlib.sha256).digest()
        return f"{signed}.{part(signature)}"

    def _state(self, token: Doc) -> str:
        if token["state"] != "live":
            return "revoked"
        return "expired" if token["expires_at"] <= self.time() else "live"

    def tokens(self) -> list[Doc]:
        """One row for each account that a token can act for: a member's token also
        serves the Pages that the member manages (state revoked: the role is gone)."""
        names = {id: self._full_name(doc) for id, doc in self.all("member")}
        titles = {id: page["name"] for id, page in self.all("page")}
        acls: dict[str, list[Doc]] = {}
        for _, acl in self.all("acl"):
            acls.setdefault(acl["member"], []).append(acl)
        rows = []
        for id, token in self.all("token"):
            state = self._state(token)
            row = {
                "id": id[:12],
                "account": f"urn:li:person:{token['member']}",
                "person": names[token["member"]],
                "kind": token["kind"],
                "state": state,
                "issued_at": exact(token["issued_at"]),
                "expires_at": exact(token["expires_at"]),
                "scopes": token["scopes"],
            }
            rows.append(row)
            if token["kind"] == "refresh":
                continue
            for acl in acls.get(token["member"], []):
                has_role = acl["state"] == "APPROVED"
                rows.append(
                    row
                    | {
                        "id": f"{id[:12]}-{acl['page']}",
                        "account": f"urn:li:organization:{acl['page']}",
                        "person": f"{titles[acl['page']]} ({names[token['member']]})",
                        "state": state if has_role else "revoked",
                    }
                )
        return rows

    def end_tokens(self, account: str, how: str) -> int:
        """For a Page: of all members with a role there. `restore` takes back what was
        done here; role_lost counts roles, everything else counts tokens."""
        urn = self._find(account)
        kind, _, scope = how.partition(":")
        id = urn.rsplit(":", 1)[-1]
        is_page = bool(ORGANIZATION.fullmatch(urn))
        acls = self.all("acl", **{"page" if is_page else "member": id})
        members = {acl["member"] for _, acl in acls} if is_page else {id}
        every = [
            (key, token)
            for member in sorted(members)
            for key, token in self.all("token", member=member)
        ]
        live = [(key, token) for key, token in every if self._state(token) == "live"]
        subject = "page" if is_page else "member"
        if kind in ("suspend", "restore"):
            doc = self.get(subject, id)
            assert doc is not None
            self.put(subject, id, {**doc, "suspended": kind == "suspend"})
            if kind == "suspend":
                return len(live)
            lifted = len(live) if doc["suspended"] else 0
            ended = [row for row in every if "before" in row[1]]
            lost = [row for row in acls if row[1]["state"] == "REVOKED"]
            for key, token in ended:
                before = token.pop("before")
                self.put("token", key, {**token, **before})
            for key, acl in lost:
                self.put("acl", key, {**acl, "state": "APPROVED"})
            return len(ended) + len(lost) + lifted
        if kind == "role_lost":
            held = [row for row in acls if row[1]["state"] == "APPROVED"]
            for key, acl in held:
                self.put("acl", key, {**acl, "state": "REVOKED"})
            return len(held)
        if kind == "expire":
            chosen = [(key, token) for key, token in live if token["kind"] == "access"]
            change: Doc = {"expires_at": self.time()}
        elif kind == "revoke":
            chosen, change = live, {"state": "revoked"}
        elif kind == "password_changed":
            ends = self.setting("password_change_ends_tokens")
            chosen, change = (live if ends else []), {"state": "revoked"}
        elif kind == "scope_lost" and scope in SCOPES:
            chosen = [(key, token) for key, token in live if scope in token["scopes"]]
            change = {}
        else:
            raise ValueError(f"LinkedIn cannot end tokens by {how!r}")
        for key, token in chosen:
            before = {
                name: token[name] for name in ("expires_at", "state", "scopes")
            } | token.get("before", {})
            if kind == "scope_lost":
                change = {"scopes": [name for name in token["scopes"] if name != scope]}
            self.put("token", key, {**token, **change, "before": before})
        return len(chosen)

    def _find(self, account: str) -> str:
        """The URN of a member or Page, given it or its handle; ValueError."""
        known = self.get("vanity", account.removeprefix("@").lower())
        urn = str(known["urn"]) if known else account
        if not self._subject(urn):
            raise ValueError(f"LinkedIn has no account {account!r}")
        return urn

    def _subject(self, urn: str) -> Doc | None:
        """The member or Page behind a URN."""
        id = urn.rsplit(":", 1)[-1]
        if PERSON.fullmatch(urn):
            return self.get("member", id)
        return self.get("page", id) if ORGANIZATION.fullmatch(urn) else None

    # ------------------------------------------------------------ sign-in

    @route("GET", "/www/oauth/v2/authorization", browser=True)
    def authorize(self, request: Request) -> Response:
        asked = request.args
        refused = self._authorize_refused(asked)
        if refused:
            return refused
        wanted = asked["scope"].split()
        signed_in = request.cookies.get("practice_linkedin_member", "")
        if self.setting("consent_skipped_when_live") and self._has_live(
            signed_in, wanted
        ):
            return self._give_code(signed_in, asked)
        app = self.get("app", asked["client_id"])
        assert app is not None
        names = ("response_type", "client_id", "redirect_uri", "state", "scope")
        return pages.consent_page(
            self,
            app["name"],
            hidden=[(name, asked[name]) for name in names if name in asked],
            people=self._members(),
            scopes=[(name, SCOPES[name]) for name in wanted],
            may_untick=False,
            note="All or nothing: LinkedIn does not let people untick a permission.",
            sign_in_cancel=True,
        )

    @route("POST", "/www/oauth/v2/authorization", browser=True)
    def consent(self, request: Request) -> Response:
        form = request.form
        refused = self._authorize_refused(form)
        if refused:
            return refused
        decision = form.get("decision")
        if decision == "cancel_login":
            return self._back(
                form,
                error="user_cancelled_login",
                error_description="The user cancelled LinkedIn login",
            )
        if decision != "allow":
            return self._back(
                form,
                error="user_cancelled_authorize",
                error_description="The user cancelled the authorization",
            )
        member = form.get("person", "").rsplit(":", 1)[-1]
        if not self.get("member", member):
            return pages.error_page(
                self, "something went wrong", "Choose who signs in."
            )
        return self._give_code(member, form)

    def _authorize_refused(self, asked: Mapping[str, str]) -> Response | None:
        app = self.get("app", asked.get("client_id", ""))
        address = asked.get("redirect_uri", "")
        if not app or not self._may_return_to(address, app):
            return pages.error_page(
                self,
                "Bummer, something went wrong",
                "The client_id or the redirect_uri does not match a registered app.",
            )
        if asked.get("response_type") != "code":
            return self._back(
                asked,
                error="unsupported_response_type",
                error_description="The response_type must be code",
            )
        granted = self.setting("app_scopes")
        for name in asked.get("scope", "").split() or [""]:
            if name not in granted or name not in SCOPES:
                return self._back(
                    asked,
                    error="unauthorized_scope_error",
                    error_description=f'Scope "{name}" is not authorized for your '
                    "application",
                )
        return None

    def _may_return_to(self, address: str, app: Doc) -> bool:
        """Registered (its query is ignored), or a loopback address of this machine."""
        try:
            parts = urlsplit(address)
        except ValueError:
            return False
        if parts.fragment or "#" in address:
            return False
        if address.partition("?")[0] in app["redirect_uris"]:
            return True
        is_loopback = parts.hostname in ("localhost", "127.0.0.1", "::1")
        return parts.scheme in ("http", "https") and is_loopback

    def _has_live(self, member: str, wanted: Iterable[str]) -> bool:
        return any(
            token["kind"] == "access"
            and self._state(token) == "live"
            and set(token["scopes"]) == set(wanted)
            for _, token in self.all("token", member=member)
        )

    def _give_code(self, member: str, asked: Mapping[str, str]) -> Response:
        code = Token("practice-linkedin-code", 48).made
        self.put(
            "code",
            digest(code),
            {
                "member": member,
                "client": asked["client_id"],
                "redirect_uri": asked["redirect_uri"],
                "scopes": asked["scope"].split(),
                "expires_at": self.time() + self.setting("code_life_s"),
                "used": False,
            },
        )
        response = self._back(asked, code=code)
        response.set_cookie(
            "practice_linkedin_member", member, httponly=True, samesite="Lax"
        )
        return response

    def _back(self, asked: Mapping[str, str], **answer: str) -> Response:
        address = asked["redirect_uri"]
        if "state" in asked:
            answer["state"] = asked["state"]
        joint = "&" if urlsplit(address).query else "?"
        return redirect(f"{address}{joint}{urlencode(answer)}", 302)

    @route("POST", "/www/oauth/v2/accessToken", call="POST /oauth/v2/accessToken")
    def access_token(self, request: Request) -> Response:
        form = request.form
        needed = {
            "authorization_code": ("code", "redirect_uri"),
            "refresh_token": ("refresh_token",),
        }.get(form.get("grant_type", ""))
        if needed is None:
            return self._oauth_error(
                400, "unsupported_grant_type", "The grant type is not supported"
            )
        refused = self._client_refused(form, needed)
        if refused:
            return refused
        if form["grant_type"] == "refresh_token":
            return self._refresh(form)
        return self._exchange(form)

    def _client_refused(
        self, form: Mapping[str, str], needed: Iterable[str]
    ) -> Response | None:
        for name in (*needed, "client_id", "client_secret"):
            if not form.get(name):
                return self._oauth_error(
                    400,
                    "invalid_request",
                    f'A required parameter "{name}" is missing',
                )
        app = self.get("app", form["client_id"])
        given = form["client_secret"].encode()
        if not app or not hmac.compare_digest(given, app["secret"].encode()):
            return self._oauth_error(
                401, "invalid_client", "Client authentication failed"
            )
        return None

    def _exchange(self, form: Mapping[str, str]) -> Response:
        id = digest(form["code"])
        code = self.get("code", id)
        if not code or code["used"]:
            return self._oauth_error(
                401,
                "invalid_request",
                "Unable to retrieve access token: authorization code not found",
            )
        fits = form["redirect_uri"] == code["redirect_uri"]
        if not fits or code["expires_at"] <= self.time():
            return self._oauth_error(400, "invalid_redirect_uri", BAD_CODE)
        self.put("code", id, {**code, "used": True})
        for key, token in self.all("token", member=code["member"]):
            if token["state"] == "live" and set(token["scopes"]) != set(code["scopes"]):
                self.put("token", key, {**token, "state": "revoked"})
        return self._json(self._issue(code["member"], code["scopes"]))

    def _refresh(self, form: Mapping[str, str]) -> Response:
        token = self.get("token", digest(form["refresh_token"]))
        if not token or token["kind"] != "refresh" or self._state(token) != "live":
            return self._oauth_error(400, "invalid_request", BAD_REFRESH)
        answer = self._issue(token["member"], token["scopes"], token)
        return self._json({**answer, "refresh_token": form["refresh_token"]})

    @route(
        "POST", "/www/oauth/v2/introspectToken", call="POST /oauth/v2/introspectToken"
    )
    def introspect(self, request: Request) -> Response:
        form = request.form
        refused = self._client_refused(form, ("token",))
        if refused:
            return refused
        token = self.get("token", digest(form["token"]))
        if not token:
            return self._json({"active": False})
        state = self._state(token)
        status = "active" if state == "live" else state
        return self._json(
            {
                "active": status == "active",
                "client_id": form["client_id"],
                "authorized_at": int(token["issued_at"]),
                "created_at": int(token["issued_at"]),
                "status": status,
                "expires_at": int(token["expires_at"]),
                "scope": ",".join(sorted(token["scopes"])),
                "auth_type": "3L",
            }
        )

    @route("POST", "/www/oauth/v2/revoke", call="POST /oauth/v2/revoke")
    def revoke(self, request: Request) -> Response:
        refused = self._client_refused(request.form, ("token",))
        if refused:
            return refused
        id = digest(request.form["token"])
        token = self.get("token", id)
        if token:
            self.put("token", id, {**token, "state": "revoked"})
        return self._json({})

    def _oauth_error(self, status: int, error: str, description: str) -> Response:
        body = {"error": error, "error_description": description}
        return self._json(body, status)

    # ------------------------------------------------------------ who is it

    @route("GET", "/api/v2/userinfo", call="GET /v2/userinfo")
    def userinfo(self, request: Request) -> Response:
        def work(caller: Caller) -> Response:
            member = caller.member
            shown: Doc = {
                "sub": member["id"],
                "name": self._full_name(member),
                "given_name": member["given"],
                "family_name": member["family"],
                "locale": {"country": "US", "language": "en"},
            }
            if "email" in caller.scopes:
                shown |= {
                    "email": f"{member['vanity']}@example.com",
                    "email_verified": True,
                }
            return self._json(shown)

        return self._api(request, "GET /v2/userinfo", work)

    @route("GET", "/api/v2/me", call="GET /v2/me")
    def me(self, request: Request) -> Response:
        def work(caller: Caller) -> Response:
            member = caller.member
            return self._json(
                {
                    "id": member["id"],
                    "localizedFirstName": member["given"],
                    "localizedLastName": member["family"],
                    "localizedHeadline": "At work in the practice network",
                    "vanityName": member["vanity"],
                }
            )

        return self._api(request, "GET /v2/me", work)

    @route("GET", "/api/rest/organizationAcls", call="GET /rest/organizationAcls")
    def organization_acls(self, request: Request) -> Response:
        def work(caller: Caller) -> Response:
            query = self._query(
                request, "q", "role", "state", "start", "count", "organization"
            )
            start = self._number(query, "start", 0, 0, 10_000)
            count = self._number(query, "count", 10, 1, 100)
            if query.get("role", ROLES[0]) not in ROLES:
                raise wrong_query("Query parameter role has an unknown value")
            if query.get("state", ACL_STATES[0]) not in ACL_STATES:
                raise wrong_query("Query parameter state has an unknown value")
            if query.get("q") == "roleAssignee":
                rows = self.all("acl", member=caller.member["id"])
            elif query.get("q") == "organization":
                urn = self._urn(query, "organization", ORGANIZATION)
                if self._role(caller, urn) != "ADMINISTRATOR":
                    raise denied("Member does not have permission to read ACLs")
                rows = self.all("acl", page=urn.rsplit(":", 1)[-1])
            else:
                raise wrong_query("Query parameter q must name a finder")
            fitting = [
                acl
                for _, acl in rows
                if acl["role"] == query.get("role", acl["role"])
                and acl["state"] == query.get("state", acl["state"])
            ]
            page_field = self.setting("page_field")
            return self._json(
                {
                    "paging": {"start": start, "count": count, "links": []},
                    "elements": [
                        {
                            "role": acl["role"],
                            page_field: f"urn:li:organization:{acl['page']}",
                            "roleAssignee": f"urn:li:person:{acl['member']}",
                            "state": acl["state"],
                        }
                        for acl in fitting[start : start + count]
                    ],
                }
            )

        return self._api(request, "GET /rest/organizationAcls", work)

    @route(
        "GET",
        "/api/rest/organizationAuthorizations/<path:key>",
        call="GET /rest/organizationAuthorizations/{key}",
    )
    def authorization(self, request: Request, key: str) -> Response:
        def work(caller: Caller) -> Response:
            match = AUTHORIZATION_KEY.fullmatch(key)
            if not match or match["action"] not in ACTION_TYPES:
                raise wrong_query("Invalid key for organizationAuthorizations")
            if match["person"] != caller.urn:
                raise denied("The impersonator is not the member of this token")
            page = match["page"]
            return self._json(self._verdict(caller, page, match["action"]))

        return self._api(request, "GET /rest/organizationAuthorizations/{key}", work)

    @route(
        "GET",
        "/api/rest/organizationAuthorizations",
        call="GET /rest/organizationAuthorizations",
    )
    def authorizations(self, request: Request) -> Response:
        def work(caller: Caller) -> Response:
            query = self._query(request, "bq", "authorizationActions", "start", "count")
            match = AUTHORIZATION_ACTIONS.fullmatch(
                query.get("authorizationActions", "")
            )
            is_known = query.get("bq") == "authorizationActionsAndImpersonator"
            if not is_known or not match or match["action"] not in ACTION_TYPES:
                raise wrong_query("Invalid query parameters passed to request")
            acls = [acl for _, acl in self.all("acl", member=caller.member["id"])]
            verdicts = [
                self._verdict(
                    caller, f"urn:li:organization:{acl['page']}", match["action"]
                )
                for acl in acls
            ]
            paging = {"start": 0, "count": 10, "links": []}
            return self._json({"elements": [{"elements": verdicts, "paging": paging}]})

        return self._api(request, "GET /rest/organizationAuthorizations", work)

    def _verdict(self, caller: Caller, page: str, action: str) -> Doc:
        word = "approved" if self._role(caller, page) in POST_ROLES else "denied"
        if self.setting("verdict_form") == "long":
            word = f"com.linkedin.organization.{word.capitalize()}"
        return {
            "impersonator": caller.urn,
            "organization": page,
            "action": {
                "organizationContentAuthorizationAction": {"actionType": action}
            },
            "status": {word: {}},
        }

    @route("GET", "/api/rest/organizations/<id>", call="GET /rest/organizations/{id}")
    def organization(self, request: Request, id: str) -> Response:
        def work(caller: Caller) -> Response:
            shown = self._page_json(id)
            if not shown:
                raise not_found()
            return self._json(shown)

        return self._api(request, "GET /rest/organizations/{id}", work)

    @route(
        "GET",
        "/api/rest/organizationsLookup",
        call="GET /rest/organizationsLookup",
    )
    def organizations_lookup(self, request: Request) -> Response:
        def work(caller: Caller) -> Response:
            ids = self._listed(self._query(request, "ids"), "ids")
            if not all(id.isdecimal() for id in ids):
                raise wrong_query("Array parameter 'ids' value is invalid")
            return self._json(self._found({id: self._page_json(id) for id in ids}))

        return self._api(request, "GET /rest/organizationsLookup", work)

    def _page_json(self, id: str) -> Doc | None:
        page = self.get("page", id)
        if not page:
            return None
        return {
            "id": int(page["id"]),
            "localizedName": page["name"],
            "vanityName": page["vanity"],
        }

    # ------------------------------------------------------------ publishing

    @route("POST", "/api/rest/posts", call="POST /rest/posts", commit=True)
    def create(self, request: Request) -> Response:
        def work(caller: Caller) -> Response:
            self._query(request)
            body = sent_json(request)
            self._check_schema(body)
            author = body["author"]
            self._check_author(caller, author, ENDPOINTS["POST /rest/posts"])
            self._check_content(body)
            said = text_digest(author, body["commentary"], body.get("content"))
            self._check_duplicate(said)
            urn = self._store(body, said, arrived_at(request))
            return self._empty(201, x_restli_id=urn, location=f"/posts/{quote(urn)}")

        return self._api(request, "POST /rest/posts", work)

    def _check_schema(self, body: Doc) -> None:
        wrong = [
            missing(f"/{name}") for name in REQUIRED_KEYS if body.get(name) is None
        ]
        wrong += [unknown(f"/{name}") for name in body if name not in POST_KEYS]
        for name, kind in (
            ("author", str),
            ("commentary", str),
            ("visibility", str),
            ("lifecycleState", str),
            ("distribution", dict),
            ("content", dict),
            ("reshareContext", dict),
            ("isReshareDisabledByAuthor", bool),
        ):
            if body.get(name) is not None and not isinstance(body[name], kind):
                wrong.append(f"ERROR :: /{name} :: cannot be coerced to its type")
        if wrong:
            raise wrong_schema(*wrong)
        author = body["author"]
        if not author.startswith(("urn:li:person:", "urn:li:organization:")):
            raise wrong_field(
                "INVALID_URN_TYPE", "author", "Author has a wrong URN type"
            )
        if not PERSON.fullmatch(author) and not ORGANIZATION.fullmatch(author):
            raise wrong_field("INVALID_URN_ID", "author", "Author has a wrong URN id")
        allowed = [*VISIBILITIES]
        if ORGANIZATION.fullmatch(author):
            allowed.remove("CONNECTIONS")
        self._check_value(body, "visibility", allowed)
        self._check_value(body, "lifecycleState", ("PUBLISHED",))
        self._check_distribution(body["distribution"])
        commentary = body["commentary"]
        if twin_text.utf16_length(commentary) > MAX_COMMENTARY:
            raise wrong_field(
                "FIELD_LENGTH_TOO_LONG", "commentary", "Commentary is too long"
            )
        has_more = body.get("content") or body.get("reshareContext")
        if not commentary.strip() and not has_more:
            raise wrong_field(
                "INVALID_VALUE_BLANK_FIELD", "commentary", "Commentary is blank"
            )
        if body.get("content"):
            self._check_content_shape(body["content"])

    def _check_value(self, body: Doc, name: str, allowed: Collection[str]) -> None:
        if body.get(name) not in allowed:
            raise wrong_field(
                "INVALID_VALUE_FOR_FIELD", name, f"{name} has a value it cannot have"
            )

    def _check_distribution(self, distribution: Doc) -> None:
        known = ("feedDistribution", "targetEntities", "thirdPartyDistributionChannels")
        wrong = [
            unknown(f"/distribution/{name}")
            for name in distribution
            if name not in known
        ]
        if "feedDistribution" not in distribution:
            wrong.append(missing("/distribution/feedDistribution"))
        if wrong:
            raise wrong_schema(*wrong)
        self._check_value(distribution, "feedDistribution", ("MAIN_FEED", "NONE"))

    def _check_content_shape(self, content: Doc) -> None:
        kinds = ("media", "multiImage", "article", "poll")
        wrong = [unknown(f"/content/{name}") for name in content if name not in kinds]
        if len(content) != 1 or not isinstance(next(iter(content.values())), dict):
            wrong.append("ERROR :: /content :: union type must have exactly one member")
        if wrong:
            raise wrong_schema(*wrong)
        if "article" in content:
            self._check_article(content["article"])
        elif "poll" in content:
            self._check_poll(content["poll"])
        else:
            self._check_media_shape(content)

    def _check_article(self, article: Doc) -> None:
        known = ("source", "title", "description", "thumbnail", "thumbnailAltText")
        wrong = [
            missing(f"/content/article/{name}")
            for name in ("source", "title")
            if not isinstance(article.get(name), str) or not article[name]
        ]
        wrong += [
            unknown(f"/content/article/{name}") for name in article if name not in known
        ]
        if wrong:
            raise wrong_schema(*wrong)
        try:
            parts = urlsplit(article["source"])
        except ValueError:
            parts = urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise wrong_field("INVALID_URL", "content/article/source", "URL is invalid")
        for name, size in (("title", 400), ("description", 4000)):
            if twin_text.utf16_length(str(article.get(name, ""))) > size:
                raise wrong_field(
                    "FIELD_LENGTH_TOO_LONG",
                    f"content/article/{name}",
                    f"{name} is too long",
                )

    def _check_poll(self, poll: Doc) -> None:
        question, options = poll.get("question"), poll.get("options")
        settings = poll.get("settings")
        wrong = [
            missing(f"/content/poll/{name}")
            for name, value, kind in (
                ("question", question, str),
                ("options", options, list),
                ("settings", settings, dict),
            )
            if not isinstance(value, kind)
        ]
        if wrong:
            raise wrong_schema(*wrong)
        assert isinstance(options, list)
        assert isinstance(settings, dict)
        texts = [o.get("text") if isinstance(o, dict) else None for o in options]
        if not 2 <= len(texts) <= 4 or not all(isinstance(t, str) and t for t in texts):
            raise wrong_field(
                "INVALID_VALUE_FOR_FIELD", "content/poll/options", "2 to 4 options"
            )
        too_long = len(str(question)) > 140 or any(len(str(t)) > 30 for t in texts)
        if too_long:
            raise wrong_field(
                "FIELD_LENGTH_TOO_LONG", "content/poll", "Poll is too long"
            )
        self._check_value(settings, "duration", POLL_DURATIONS)

    def _check_media_shape(self, content: Doc) -> None:
        if "media" in content:
            rows, path = [content["media"]], "/content/media"
        else:
            rows = content["multiImage"].get("images")
            path = "/content/multiImage/images"
            if not isinstance(rows, list):
                raise wrong_schema(missing(path))
            if not 2 <= len(rows) <= 20:
                raise wrong_field(
                    "INVALID_VALUE_FOR_FIELD", path[1:], "There must be 2 to 20 images"
                )
        for row in rows:
            if not isinstance(row, dict) or not isinstance(row.get("id"), str):
                raise wrong_schema(missing(f"{path}/id"))
            if row["id"].startswith("urn:li:document:") and not row.get("title"):
                raise wrong_schema(missing(f"{path}/title"))
            strange = [
                unknown(f"{path}/{name}")
                for name in row
                if name not in ("id", "altText", "title")
            ]
            if strange:
                raise wrong_schema(*strange)
            alt = row.get("altText", "")
            if not isinstance(alt, str):
                raise wrong_schema(f"ERROR :: {path}/altText :: cannot be coerced")
            if twin_text.utf16_length(alt) > MAX_ALT:
                raise wrong_field(
                    "FIELD_LENGTH_TOO_LONG",
                    f"{path[1:]}/altText",
                    "altText is too long",
                )

    def _check_content(self, body: Doc) -> None:
        """The state of every image that a post names, and the post that it shares."""
        context = body.get("reshareContext")
        if context:
            parent = self.get("post", str(context.get("parent", "")))
            if not parent or parent["deleted_at"]:
                raise wrong_field(
                    "INVALID_URN_ID", "reshareContext/parent", "No such post"
                )
        for urn in self._media_of(body.get("content") or {}):
            asset = self.asset(urn)
            if not asset or asset["owner"] != body["author"]:
                is_video = urn.startswith("urn:li:video:")
                code = "INVALID_VIDEO_ID" if is_video else "INVALID_IMAGE_ID"
                raise wrong_field(code, "content", f"{urn} is not a valid media id")
            status = self._asset_status(asset)
            if status == "PROCESSING" and asset.get("kind") == "video":
                raise Refused(
                    422, "UNPROCESSABLE_ENTITY", "The video media is still processing"
                )
            if status == "WAITING_UPLOAD":
                raise wrong_field(
                    "MEDIA_ASSET_WAITING_UPLOAD",
                    "content",
                    "Media asset is waiting upload",
                )
            if status == "PROCESSING_FAILED":
                raise wrong_field(
                    "MEDIA_ASSET_PROCESSING_FAILED",
                    "content",
                    "Media asset processing failed",
                )

    def _media_of(self, content: Doc) -> list[str]:
        if "media" in content:
            return [content["media"]["id"]]
        if "multiImage" in content:
            return [row["id"] for row in content["multiImage"]["images"]]
        thumbnail = content.get("article", {}).get("thumbnail")
        return [str(thumbnail)] if thumbnail else []

    def _check_duplicate(self, said: str) -> None:
        last = self.get("said", said)
        post = self.get("post", last["urn"]) if last else None
        if not post:
            return
        now = self.time()
        if post["deleted_at"]:
            ends = post["deleted_at"] + self.setting("duplicate_deleted_s")
        else:
            ends = post["created_at"] + self.setting("duplicate_live_s")
        if now < ends:
            raise self._duplicate(post["urn"])

    def _duplicate(self, urn: str) -> Refused:
        return Refused(
            422,
            "DUPLICATE_POST",
            f"Content is a duplicate of {urn}",
            input_error={"description": "Duplicate post is detected", "input": {}},
        )

    def _store(self, body: Doc, said: str, arrived: str) -> str:
        number = self.time_ms() << 22
        content = body.get("content") or {}
        shown = str((content.get("media") or {}).get("id", ""))
        is_moving = shown.startswith(("urn:li:video:", "urn:li:document:"))
        is_other = bool(content.keys() & {"poll", "multiImage"}) or is_moving
        kind = "ugcPost" if is_other else "share"
        while self.get("number", str(number)):
            number += 1
        urn = f"urn:li:{kind}:{number}"
        text = twin_text.parse(body["commentary"])
        now = self.time()
        self.put("number", str(number), {"urn": urn})
        self.put(
            "post",
            urn,
            {
                **body,
                "urn": urn,
                "commentary": text.stored,
                "shown": text.shown,
                "created_at": now,
                "modified_at": now,
                "arrived_at": arrived,
                "edited": False,
                "deleted_at": None,
            },
        )
        self.put(f"timeline:{body['author']}", str(number), {"urn": urn, "at": now})
        self.put("said", said, {"urn": urn})
        return urn

    def _post_state(self, post: Doc) -> str:
        """As LinkedIn tells it; a post whose picture failed stays invisible."""
        assets = [self.asset(urn) for urn in self._media_of(post.get("content") or {})]
        states = {self._asset_status(asset) for asset in assets if asset}
        if "PROCESSING_FAILED" in states:
            return "PUBLISH_FAILED"
        return "PUBLISH_REQUESTED" if "PROCESSING" in states else "PUBLISHED"

    def _post_json(self, post: Doc) -> Doc:
        created = int(post["created_at"] * 1000)
        shown = {
            "id": post["urn"],
            "author": post["author"],
            "commentary": post["commentary"],
            "visibility": post["visibility"],
            "distribution": post["distribution"],
            "lifecycleState": self._post_state(post),
            "lifecycleStateInfo": {"isEditedByAuthor": post["edited"]},
            "isReshareDisabledByAuthor": post.get("isReshareDisabledByAuthor", False),
            "createdAt": created,
            "publishedAt": created,
            "lastModifiedAt": int(post["modified_at"] * 1000),
        }
        for name in ("content", "reshareContext"):
            if post.get(name):
                shown[name] = post[name]
        return shown

    # ------------------------------------------------------------ reading, deleting

    @route("GET", "/api/rest/posts/<urn>", call="GET /rest/posts/{urn}")
    def read(self, request: Request, urn: str) -> Response:
        key = "GET /rest/posts/{urn}"

        def work(caller: Caller) -> Response:
            self._query(request, "viewContext")
            post = self._live_post(urn)
            self._check_reader(caller, post["author"], ENDPOINTS[key])
            return self._json(self._post_json(post))

        return self._api(request, key, work)

    def _check_reader(self, caller: Caller, author: str, endpoint: Endpoint) -> None:
        """Posts of members are closed: no new app is granted r_member_social."""
        if not ORGANIZATION.fullmatch(author):
            raise self._no_scope(endpoint, caller)
        if self._role(caller, author) not in POST_ROLES:
            raise denied(
                "Unpermitted fields present in PARAMETER: Data Processing Exception "
                "while processing fields [/author]"
            )

    @route("GET", "/api/rest/posts", call="GET /rest/posts?q=author")
    def find(self, request: Request) -> Response:
        key = "GET /rest/posts?q=author"

        def work(caller: Caller) -> Response:
            names = ("q", "author", "start", "count", "sortBy", "isDsc", "viewContext")
            query = self._query(request, *names)
            if query.get("q") != "author":
                raise wrong_query("Query parameter q must name a finder")
            start = self._number(query, "start", 0, 0, 10_000)
            count = self._number(query, "count", 10, 1, 100)
            if query.get("sortBy", "CREATED") not in ("CREATED", "LAST_MODIFIED"):
                raise wrong_query("Query parameter sortBy has an unknown value")
            author = query.get("author", "")
            if not PERSON.fullmatch(author) and not ORGANIZATION.fullmatch(author):
                raise wrong_query("Query parameter author is missing or no such URN")
            self._check_reader(caller, author, ENDPOINTS[key])
            posts = self._posts_of(author, start + count + 100)
            if query.get("sortBy") == "LAST_MODIFIED":
                posts.sort(key=lambda post: float(post["modified_at"]), reverse=True)
            return self._json(
                {
                    "paging": {"start": start, "count": count, "links": []},
                    "elements": [
                        self._post_json(post) for post in posts[start : start + count]
                    ],
                }
            )

        return self._api(request, key, work)

    def _posts_of(self, author: str, limit: int) -> list[Doc]:
        """Posts that the list shows by now, newest first."""
        seen_until = self.time() - self.setting("finder_delay_s")
        rows = self.world.page(self.slug, f"timeline:{author}", limit)
        posts = [self.get("post", row["urn"]) for _, row in rows]
        return [post for post in posts if post and post["created_at"] <= seen_until]

    @route("POST", "/api/rest/posts/<urn>", call="POST /rest/posts/{urn}", commit=True)
    def update(self, request: Request, urn: str) -> Response:
        key = "POST /rest/posts/{urn}"

        def work(caller: Caller) -> Response:
            body = sent_json(request)
            patch = body.get("patch")
            change = patch.get("$set") if isinstance(patch, dict) else None
            if not isinstance(change, dict) or not isinstance(
                change.get("commentary"), str
            ):
                raise wrong_schema(missing("/patch/$set/commentary"))
            strange = [
                unknown(f"/patch/$set/{name}")
                for name in change
                if name != "commentary"
            ]
            if strange:
                raise wrong_schema(*strange)
            post = self._live_post(urn)
            self._check_author(caller, post["author"], ENDPOINTS[key])
            if twin_text.utf16_length(change["commentary"]) > MAX_COMMENTARY:
                raise wrong_field(
                    "FIELD_LENGTH_TOO_LONG", "commentary", "Commentary is too long"
                )
            text = twin_text.parse(change["commentary"])
            new = {"commentary": text.stored, "shown": text.shown, "edited": True}
            self.put("post", urn, {**post, **new, "modified_at": self.time()})
            return self._empty(204)

        return self._api(request, key, work)

    @route("DELETE", "/api/rest/posts/<urn>", call="DELETE /rest/posts/{urn}")
    def delete(self, request: Request, urn: str) -> Response:
        key = "DELETE /rest/posts/{urn}"

        def work(caller: Caller) -> Response:
            post = self.get("post", urn)
            if not post:
                raise not_found()
            self._check_author(caller, post["author"], ENDPOINTS[key])
            if post["deleted_at"]:
                if self.setting("delete_gone_status") == 404:
                    raise not_found()
                return self._empty(204)
            self.put("post", urn, {**post, "deleted_at": self.time()})
            self.drop(f"timeline:{post['author']}", urn.rsplit(":", 1)[-1])
            return self._empty(204)

        return self._api(request, key, work)

    # ------------------------------------------------------------ pages

    @route("GET", "/", browser=True)
    def home(self, request: Request) -> Response:
        newest = self.world.page(self.slug, "number", 100)
        posts = [self.get("post", row["urn"]) for _, row in newest]
        alive = [post for post in posts if post and self._is_visible(post)]
        return self._show("latest posts", alive[:50])

    @route("GET", "/www/in/<vanity>/", browser=True)
    @route("GET", "/www/company/<vanity>/", browser=True)
    def profile(self, request: Request, vanity: str) -> Response:
        known = self.get("vanity", vanity.lower())
        if not known:
            return pages.no_page(self)
        posts = self._posts_of(known["urn"], 50)
        visible = [post for post in posts if self._is_visible(post)]
        return self._show(self._author_name(known["urn"]), visible)

    @route("GET", "/www/feed/update/<urn>/", browser=True)
    def permalink(self, request: Request, urn: str) -> Response:
        post = self.get("post", urn)
        if not post or not self._is_visible(post):
            return pages.no_page(self)
        return self._show("a post", [post])

    def _is_visible(self, post: Doc) -> bool:
        return not post["deleted_at"] and self._post_state(post) != "PUBLISH_FAILED"

    def _author_name(self, urn: str) -> str:
        subject = self._subject(urn)
        assert subject is not None
        return self._full_name(subject) if "given" in subject else str(subject["name"])

    def _show(self, title: str, posts: Iterable[Doc]) -> Response:
        return pages.posts_page(self, title, map(self._view, posts))

    def _media_shown(self, post: Doc) -> list[tuple[Doc, Doc]]:
        """(as the post names it, the asset), in the order of the post."""
        content = post.get("content") or {}
        if "media" in content:
            rows = [content["media"]]
        else:
            rows = content.get("multiImage", {}).get("images", [])
        assets = [(row, self.asset(row["id"])) for row in rows]
        return [(row, asset) for row, asset in assets if asset]

    def _pictures(self, post: Doc) -> list[pages.Picture]:
        return [
            pages.Picture(
                self._asset_url(asset), row.get("altText", ""), _kind_of(asset)
            )
            for row, asset in self._media_shown(post)
            if asset.get("kind") != "document"
        ]

    def _view(self, post: Doc) -> pages.PostView:
        content = post.get("content") or {}
        pictures = self._pictures(post)
        link = None
        notes = [
            f"Document: {row.get('title')}"
            for row, asset in self._media_shown(post)
            if asset.get("kind") == "document"
        ]
        for _row, asset in self._media_shown(post):
            if "thumbnail" in asset.get("beside", {}):
                still = f"{self.www}/dms/video/{asset['asset']}-thumbnail"
                pictures.append(pages.Picture(still, "Thumbnail"))
            if said := asset.get("beside", {}).get("captions"):
                words = f"Captions: {said['language']}, {said['cues']} lines"
                notes.append(words)
        if "article" in content:
            article = content["article"]
            link = (article["source"], article["title"])
            thumbnail = self.get("image", str(article.get("thumbnail", "")))
            if thumbnail:
                alt = article.get("thumbnailAltText", "")
                pictures = [pages.Picture(self._asset_url(thumbnail), alt)]
            if article.get("description"):
                notes.append(article["description"])
        if "poll" in content:
            options = [option["text"] for option in content["poll"]["options"]]
            notes.append(f"Poll: {content['poll']['question']} {' / '.join(options)}")
        if post.get("reshareContext"):
            notes.append(f"Reshare of {post['reshareContext']['parent']}")
        if post["edited"]:
            notes.append("Edited")
        notes += [f"Comment: {doc['text']}" for doc in self._comments(post)]
        is_page = bool(ORGANIZATION.fullmatch(post["author"]))
        return pages.PostView(
            author=self._author_name(post["author"]),
            handle="Page" if is_page else "Member",
            text=post["shown"],
            when=exact(post["created_at"]),
            url=self._permalink(post["urn"]),
            pictures=pictures,
            link=link,
            notes=notes,
        )

    def _permalink(self, urn: str) -> str:
        return f"{self.www}/feed/update/{urn}/"

    def posts(self) -> list[Doc]:
        shown = []
        for urn, post in self.all("post"):
            if not self._is_visible(post):
                continue
            media = self._media_shown(post)
            content = post.get("content") or {}
            article, poll = content.get("article", {}), content.get("poll", {})
            beside = media[0][1].get("beside", {}) if media else {}
            card = self.get("image", str(article.get("thumbnail", ""))) or {}
            said = beside.get("captions")
            shown.append(
                {
                    "id": urn,
                    "account": post["author"],
                    "text": post["shown"],
                    "url": self._permalink(urn),
                    "created_at": exact(post["created_at"]),
                    "arrived_at": post["arrived_at"],
                    "media": len(media),
                    "alt_texts": [row.get("altText", "") for row, _ in media],
                    "media_kinds": [_kind_of(asset) for _, asset in media],
                    "media_sha256": [asset.get("sha256", "") for _, asset in media],
                    "link": article.get("source", ""),
                    "quotes": (post.get("reshareContext") or {}).get("parent", ""),
                    "card_picture": card.get("sha256", ""),
                    "poll": [option["text"] for option in poll.get("options", ())],
                    "thumbnail": beside.get("thumbnail", {}).get("sha256", ""),
                    "captions": [str(said["language"]).lower()] if said else [],
                    "marker": "",
                }
            )
        return shown

    # ------------------------------------------------------------ faults

    def has_version(self, request: Request) -> bool:
        return "/rest/" in request.path

    def refuse(self, request: Request, refusal: Refusal) -> Response:
        kind = refusal.kind
        if kind == "html_error":
            return Response(
                "<html><head><title>502 Bad Gateway</title></head>"
                "<body>502 Bad Gateway</body></html>",
                502,
                content_type="text/html",
            )
        version = request.headers.get("Linkedin-Version", "202609")
        answers: dict[str, Refused] = {
            "rate_limited": self._too_many("MEMBER"),
            "rate_limited_no_headers": self._too_many("MEMBER"),
            "server_error": self._trouble(refusal.status),
            "bad_request_after_write": Refused(400, "BAD_REQUEST", "Bad request"),
            "duplicate": self._duplicate(self._last_post(request)),
            "version_ended": self._version_ended(version),
            "app_suspended": self._app_suspended(),
            "content_refused": Refused(
                400,
                "INVALID_VALUE_FOR_FIELD",
                "The content is not accepted",
                input_error={
                    "description": "The content is not accepted",
                    "input": {"inputPath": {"fieldPath": "commentary"}},
                },
            ),
        }
        refused = answers.get(kind, self._trouble(500))
        response = self._json(refused.body, refused.status)
        if kind == "rate_limited" and refusal.retry_after_s is not None:
            response.headers["Retry-After"] = str(int(refusal.retry_after_s))
        return response

    def _last_post(self, request: Request) -> str:
        """The newest post of the request's author: what a duplicate answer names."""
        newest = self.world.page(self.slug, f"timeline:{self.account_of(request)}", 1)
        return (
            str(newest[0][1]["urn"]) if newest else "urn:li:share:1000000000000000000"
        )

    def _trouble(self, status: int) -> Refused:
        code, message = {
            503: ("SERVICE_UNAVAILABLE", "Service Unavailable"),
            504: ("GATEWAY_TIMEOUT", "Gateway Timeout"),
            502: ("BAD_GATEWAY", "Bad Gateway"),
        }.get(status, ("INTERNAL_SERVER_ERROR", "Internal Server Error"))
        return Refused(status, code, message)


def _kind_of(asset: Doc) -> str:
    kind = str(asset.get("kind", "image"))
    return "gif" if kind == "image" and asset["type"] == "image/gif" else kind

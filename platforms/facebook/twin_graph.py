"""Around every Graph call: version, token, proof, limits, permission, answer.

The order of checks is that of the fact sheet: version, a token is there, it parses, it
lives, appsecret_proof, throttles (which count refused calls as well), object, permission
and task, parameters, content.
Source: https://developers.facebook.com/docs/graph-api/overview/rate-limiting (v26.0).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from werkzeug.wrappers import Request, Response

from ..practice.framework import Doc, Refusal
from . import twin_errors as errors
from .twin_errors import GraphError
from .twin_fields import Field, params, parse_fields, text_of
from .twin_tokens import MetaTokens
from .twin_world import NODES, VERSION, digest

HOUR_S = 3600
DAY_S = 24 * HOUR_S
#: A window is counted in so many slots.
SLOTS = 24
FACEBOOK, INSTAGRAM = "facebook", "instagram"


@dataclass(frozen=True)
class Caller:
    """Whose token it is. kind: APP, USER, PAGE or IG (Instagram Login)."""

    secret: str
    kind: str
    app: str
    token: Doc

    @property
    def person(self) -> str:
        return str(self.token.get("person", ""))

    @property
    def page(self) -> str:
        return str(self.token.get("page", ""))

    @property
    def ig(self) -> str:
        return str(self.token.get("ig", ""))


class Graph(MetaTokens):
    #: where the Graph API of each host lies below this twin's address
    HOSTS: ClassVar[Mapping[str, str]] = {FACEBOOK: "/graph"}

    # ------------------------------------------------------------ the frame of a call

    def graph(
        self,
        request: Request,
        version: str,
        work: Callable[[Caller], Any],
        *,
        instagram: str = "",
    ) -> Response:
        """Run the checks, then `work`, whose answer is sent as JSON.

        instagram: the account whose own limit the call draws on, if it is one of
        Instagram's publishing calls.
        """
        caller: Caller | None = None
        try:
            self._check_version(version)
            host = self.host_of(request)
            caller = self._caller(request, host)
            self._check_proof(request, caller)
            self._draw(request, caller, instagram)
            with self.world.transaction():
                answer = work(caller)
            response = answer if isinstance(answer, Response) else self.json(answer)
        except GraphError as refused:
            response = self.refused(refused)
        if caller:
            self._usage(response, caller, instagram)
        return response

    def json(self, data: Any, status: int = 200) -> Response:
        response = Response(json.dumps(data), status, mimetype="application/json")
        response.headers["facebook-api-version"] = "v26.0"
        response.headers["x-fb-trace-id"] = "practice"
        return response

    def refused(self, error: GraphError) -> Response:
        return self.json(error.body(), self._status_of(error))

    def _status_of(self, error: GraphError) -> int:
        if error.status:
            return error.status
        if error.code in (102, 190):
            return int(self.setting("status_190"))
        if error.throttles:
            return int(self.setting("status_throttled"))
        if error.is_permission and error.subcode is None:
            return int(self.setting("status_permission"))
        return {1: 500, 2: 500, 104: 401, 803: 404}.get(error.code, 400)

    def not_found(self, request: Request) -> Response:
        return self.refused(errors.unknown_path(request.path))

    def host_of(self, request: Request) -> str:
        for host, below in self.HOSTS.items():
            if request.path.startswith(f"/{self.slug}{below}/"):
                return host
        return FACEBOOK

    def address_of(self, request: Request) -> str:
        """The request's own address, for the links of a list."""
        return f"{self.base_url}{request.path}"

    def _check_version(self, version: str) -> None:
        if version in self.setting("ended_versions"):
            raise errors.version_ended(version)
        if not VERSION.fullmatch(version) or int(version[1:].partition(".")[0]) > 26:
            raise errors.unknown_path(f"/{version}")

    # ------------------------------------------------------------ who calls

    def secret_of(self, request: Request) -> str:
        scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() in ("bearer", "oauth") and secret:
            return secret.strip()
        return text_of(params(request), "access_token")

    def app_of_secret(self, secret: str) -> str:
        """The app whose token `APPID|APPSECRET` (or a granted one) it is, else ""."""
        id, bar, rest = secret.partition("|")
        app = self.get("app", id) if bar else None
        if not app:
            return ""
        known = (str(app["secret"]), self.app_key(id))
        fits = [hmac.compare_digest(rest.encode(), one.encode()) for one in known]
        return id if any(fits) else ""

    def app_key(self, app: str) -> str:
        """What stands behind the bar of a granted app token."""
        return "kQ" + digest(f"app token of {app}")[:25]

    def _caller(self, request: Request, host: str) -> Caller:
        secret = self.secret_of(request)
        if not secret:
            raise errors.no_token(int(self.setting("no_token_code")))
        token = self.get("token", digest(secret))
        is_foreign = token and (token["type"] == "IG") is not (host == INSTAGRAM)
        if not token or is_foreign:
            app = self.app_of_secret(secret) if host == FACEBOOK else ""
            if not app:
                raise errors.cannot_parse()
            self.check_app(app)
            return Caller(secret, "APP", app, {})
        self.check_app(token["app"])
        if subcode := self.death(token):
            raise self.death_error(token, subcode)
        return Caller(secret, token["type"], token["app"], token)

    def check_app(self, app: str) -> None:
        if self.setting("app_state") == "disabled":
            raise errors.blocked()

    def _check_proof(self, request: Request, caller: Caller) -> None:
        proof = text_of(params(request), "appsecret_proof")
        if not proof:
            # Instagram's own host and the token endpoints want none.
            if self.setting("require_proof") and caller.kind in ("USER", "PAGE"):
                raise errors.proof_missing()
            return
        app = self.get("app", caller.app)
        assert app is not None
        key, text = str(app["secret"]).encode(), caller.secret.encode()
        right = hmac.new(key, text, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(proof.encode(), right.encode()):
            raise errors.proof_wrong()

    # ------------------------------------------------------------ limits

    def _draw(self, request: Request, caller: Caller, instagram: str) -> None:
        """Count the call; refuse it when a window is full or the panel says so."""
        full: GraphError | None = None
        for name, key, width_s, code in self._windows(caller, instagram):
            if self._use(f"{name} {key}", width_s, draw=True) > self.setting(name):
                full = full or errors.throttled(code)
        forced = self._forced(request, caller, instagram)
        if forced or full:
            raise forced or full or errors.throttled(4)

    def _windows(
        self, caller: Caller, instagram: str
    ) -> list[tuple[str, str, int, int]]:
        """(switch with the size, partition, seconds, error code). BUC goes first: where
        both systems could apply, only it does."""
        if instagram:
            return [("instagram_calls", instagram, DAY_S, 80002)]
        if caller.kind == "IG":
            return [("instagram_calls", caller.ig, DAY_S, 80002)]
        if caller.kind == "PAGE":
            return [("page_calls", caller.page, DAY_S, 80001)]
        windows = [("app_calls", caller.app, HOUR_S, 4)]
        if caller.kind == "USER":
            windows.append(("user_calls", caller.person, HOUR_S, 17))
        return windows

    def _forced(
        self, request: Request, caller: Caller, instagram: str
    ) -> GraphError | None:
        wanted = self.setting("throttle")
        code, _, subcode = wanted.partition("/")
        is_buc = bool(instagram) or caller.kind in ("PAGE", "IG")
        fits = {
            "4": not is_buc,
            "341": not is_buc,
            "17": caller.kind == "USER" and not instagram,
            "32": caller.kind == "USER" and not instagram,
            "80001": caller.kind == "PAGE" and not instagram,
            "80002": bool(instagram) or caller.kind == "IG",
            "613": request.method == "POST",
            "368": request.method == "POST",
        }.get(code, False)
        if not fits:
            return None
        number = int(subcode) if subcode else None
        return (
            errors.spam(number)
            if code == "368"
            else errors.throttled(int(code), number)
        )

    def _use(self, id: str, width_s: int, *, draw: bool = False) -> int:
        """Calls of the window that ends now, this one included if it is drawn."""
        slot = int(self.time() // (width_s / SLOTS))
        bucket = self.get("bucket", id) or {"slots": {}}
        slots = {
            key: count
            for key, count in bucket["slots"].items()
            # Later ones: the practice network's clock was set back.
            if slot - SLOTS < int(key) <= slot
        }
        if draw:
            slots[str(slot)] = slots.get(str(slot), 0) + 1
            self.put("bucket", id, {"slots": slots})
        return sum(slots.values())

    def _percent(self, name: str, key: str, width_s: int) -> int:
        used = self._use(f"{name} {key}", width_s)
        return max(1, math.ceil(100 * used / max(1, self.setting(name))))

    def _usage(self, response: Response, caller: Caller, instagram: str) -> None:
        """The usage headers of an answer, in per cent."""
        for name, key, width_s, _code in self._windows(caller, instagram):
            used = self._percent(name, key, width_s)
            if name == "app_calls":
                self.app_usage(response, used)
            elif name != "user_calls":
                minutes = self.setting("regain_minutes")
                is_full = used > 100 or self._is_forced(name)
                self.business_usage(response, name, key, used, minutes * is_full)

    def _is_forced(self, name: str) -> bool:
        code = {"page_calls": "80001", "instagram_calls": "80002"}.get(name)
        return bool(self.setting("throttle") == code)

    def app_usage(self, response: Response, used: int) -> None:
        usage = {"call_count": used, "total_time": 1, "total_cputime": 1}
        response.headers["x-app-usage"] = json.dumps(usage)

    def business_usage(
        self, response: Response, window: str, key: str, used: int, minutes: int
    ) -> None:
        row = {
            "type": "pages" if window == "page_calls" else "instagram",
            "call_count": max(used, 100) if minutes else used,
            "total_cputime": 1,
            "total_time": 1,
            "estimated_time_to_regain_access": minutes,
        }
        usage = json.dumps({key: [row]})
        response.headers["x-business-use-case-usage"] = usage

    # ------------------------------------------------------------ permission

    def need(self, caller: Caller, scope: str, target: str = "", *, code: int) -> None:
        """code: what a missing permission is answered with unless the panel says so."""
        if caller.token and self.has_scope(caller.token, scope, target):
            return
        told = self.setting("lost_permission_code")
        code = code if told == "natural" else int(told)
        raise (
            errors.may_not_post()
            if (code == 200 and scope == "pages_manage_posts")
            else errors.lacks(scope, code)
        )

    def need_to_read(self, caller: Caller, page: str) -> None:
        self.need(caller, "pages_read_engagement", page, code=10)

    def need_to_post(self, caller: Caller, page: str) -> None:
        if caller.kind != "PAGE" or caller.page != page:
            raise errors.may_not_post()
        for scope in ("pages_manage_posts", "pages_read_engagement", "pages_show_list"):
            self.need(caller, scope, page, code=200)
        self.need_task(caller, page, "CREATE_CONTENT")
        doc = self.get("page", page)
        if doc and doc["restricted"]:
            raise errors.page_restricted()

    def need_task(self, caller: Caller, page: str, task: str) -> None:
        role = self.role(caller.person, page)
        tasks = role["tasks"] if role else []
        held = [name.removeprefix("PROFILE_PLUS_") for name in tasks]
        if task not in held and "FULL_CONTROL" not in held:
            raise errors.may_not_post()

    def sees_page(self, caller: Caller, page: str) -> bool:
        """Whether a Page exists for this token: (7) of the order of checks."""
        if not self.get("page", page):
            return False
        if caller.kind == "PAGE":
            return caller.page == page
        return caller.kind == "USER" and self.role(caller.person, page) is not None

    # ------------------------------------------------------------ what is shown

    def wanted(self, request: Request, default: str) -> dict[str, Field]:
        return parse_fields(text_of(params(request), "fields") or default)

    def pick(
        self,
        node: str,
        fields: Mapping[str, Field],
        known: Mapping[str, Callable[[Field], Any]],
    ) -> Doc:
        """The wanted fields of a node; what is None is left out, `id` always comes."""
        shown: Doc = {}
        for name, wanted in fields.items():
            if name not in known:
                raise errors.no_field(name, node)
            value = known[name](wanted)
            if value is not None:
                shown[name] = value
        if "id" not in shown and "id" in known:
            shown["id"] = known["id"](Field())
        return shown

    def page_shown(self, caller: Caller, page: Doc, fields: Mapping[str, Field]) -> Doc:
        id = page["id"]
        known: dict[str, Callable[[Field], Any]] = {
            "id": lambda f: id,
            "name": lambda f: page["name"],
            "username": lambda f: page["username"],
            "category": lambda f: page["category"],
            "category_list": lambda f: [{"id": "2515", "name": page["category"]}],
            "followers_count": lambda f: page["followers"],
            "fan_count": lambda f: page["followers"],
        }
        role = self.role(caller.person, id)
        known |= {
            "tasks": lambda f: role["tasks"] if role else None,
            "access_token": lambda f: self._page_token(caller, page),
            "link": lambda f: self.page_url(page),
            "picture": lambda f: {"data": {"url": f"{self.url}/www/{id}/picture"}},
            "instagram_business_account": lambda f: self._linked(caller, page, f),
            "connected_instagram_account": lambda f: self._linked(caller, page, f),
        }
        return self.pick("Page", fields, known)

    def _page_token(self, caller: Caller, page: Doc) -> str | None:
        if caller.kind == "PAGE":
            return caller.secret
        if caller.kind != "USER" or not self.role(caller.person, page["id"]):
            return None
        if not self.has_scope(caller.token, "pages_show_list", page["id"]):
            return None
        return self.issue_page(caller.token, page["id"])

    def _linked(self, caller: Caller, page: Doc, wanted: Field) -> Doc | None:
        account = self.get("ig", page["ig"]) if page["ig"] else None
        may = caller.token and self.has_scope(
            caller.token, "instagram_basic", page["ig"]
        )
        if not account or not may:
            return None
        return self.ig_shown(account, wanted.inner or parse_fields("id"))

    def ig_shown(self, account: Doc, fields: Mapping[str, Field]) -> Doc:
        """An Instagram account by its professional account id."""
        known: dict[str, Callable[[Field], Any]] = {
            "id": lambda f: account["id"],
            "ig_id": lambda f: account["id"],
            "username": lambda f: account["username"],
            "name": lambda f: account["name"],
            "biography": lambda f: "Practice only",
            "website": lambda f: None,
            "profile_picture_url": lambda f: f"{self.url}/www/{account['id']}/picture",
            "followers_count": lambda f: self.setting("followers"),
            "follows_count": lambda f: 10,
            "media_count": lambda f: self.media_count(account["id"]),
        }
        return self.pick("IGUser", fields, known)

    def media_count(self, ig: str) -> int:
        return self.world.count(self.STORE, f"grid:{ig}")

    # ------------------------------------------------------------ faults

    def call_of_id(self, id: str) -> str:
        """How a call names the kind of thing that stands behind an id."""
        kind = self.kind_of(id)
        return dict(NODES).get(kind, ":id")

    def refusal_for(
        self, request: Request, refusal: Refusal, own: Mapping[str, GraphError]
    ) -> Response:
        """The answer to a fault; `own`: the twin's words for some of them."""
        caller = self._known_caller(request)
        instagram = self._instagram_of(request)
        answers = {
            "server_error": errors.trouble(2),
            "bad_request_after_write": errors.format_unsupported(),
            "duplicate": errors.duplicate(),
            "content_refused": errors.abusive(),
            "version_ended": errors.version_ended(self._version_of(request)),
            "app_suspended": errors.blocked(),
            "no_credits": GraphError(
                3,
                "(#3) Application does not have the capability to make this API call.",
            ),
            **own,
        }
        windows = self._windows(caller, instagram) if caller else []
        limits = refusal.kind.startswith("rate_limited")
        if not limits or not windows:
            return self.refused(answers.get(refusal.kind) or errors.throttled(4))
        name, key, _width, code = windows[-1]
        response = self.refused(errors.throttled(code))
        minutes = math.ceil((refusal.retry_after_s or 60) / 60)
        if refusal.kind == "rate_limited_no_headers":
            return response
        if name in ("page_calls", "instagram_calls"):
            self.business_usage(response, name, key, 100, minutes)
        else:
            self.app_usage(response, 100)
        return response

    def _known_caller(self, request: Request) -> Caller | None:
        try:
            return self._caller(request, self.host_of(request))
        except GraphError:
            return None

    def _version_of(self, request: Request) -> str:
        parts = request.path.split("/")
        return next((part for part in parts if VERSION.fullmatch(part)), "v26.0")

    def _instagram_of(self, request: Request) -> str:
        """The Instagram account that the request's path is about, "" for none."""
        id = self.id_in(request)
        kind = self.kind_of(id) if id else ""
        doc = self.get(kind, id) if kind in ("ig", "container", "media") else None
        return str(doc.get("ig") or doc["id"]) if doc else ""

    def id_in(self, request: Request) -> str:
        """The Graph id of the path (the first part that names something) or "me"."""
        for part in request.path.split("/")[2:]:
            if part == "me" or (part[:1].isdigit() and self.kind_of(part)):
                return part
        return ""

    def token_doc(self, request: Request) -> Doc | None:
        secret = self.secret_of(request)
        return self.get("token", digest(secret)) if secret else None

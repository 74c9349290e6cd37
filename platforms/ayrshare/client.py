"""Ayrshare's REST API: one method per call, always for one profile.

Source: https://www.ayrshare.com/docs (2026-10-04).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from ..base import (
    Ability,
    After,
    Comment,
    CommentPage,
    Figure,
    Figures,
    Identity,
    PlatformClient,
    Proof,
    TokenSet,
    Verdict,
)
from ..errors import (
    AmbiguousOutcome,
    AuthExpired,
    AuthRevoked,
    Cause,
    DuplicateContent,
    InvalidContent,
    NotFound,
    PermissionMissing,
    PlatformError,
    RateLimited,
    Reach,
    TransientError,
    as_kind,
)
from ..http import Answer, redact, without
from .hook import ACTIONS
from .spec import HISTORY_LIMIT, KEY_WORDS, SPEC

_CONTENT, _KEY = Reach.POST, Reach.TOKEN
#: code -> class, cause, whom it concerns
CODES: dict[int, tuple[type[PlatformError], Cause, Reach]] = {
    101: (InvalidContent, Cause.UNKNOWN_REFUSAL, _CONTENT),
    # The API key is our app's: no reconnect mends it.
    102: (PermissionMissing, Cause.APP_REFUSED, Reach.APP),
    106: (RateLimited, Cause.PLAN_LIMIT, _KEY),
    107: (DuplicateContent, Cause.DUPLICATE_TEXT, _CONTENT),
    108: (AmbiguousOutcome, Cause.ANSWER_LOST, _CONTENT),
    110: (DuplicateContent, Cause.DUPLICATE_TEXT, _CONTENT),
    114: (NotFound, Cause.NOT_THERE, _CONTENT),
    132: (InvalidContent, Cause.TEXT_TOO_LONG, _CONTENT),
    137: (DuplicateContent, Cause.DUPLICATE_TEXT, _CONTENT),
    138: (InvalidContent, Cause.MEDIA_REFUSED, _CONTENT),
    # A profile's name; profiles are not made here yet.
    146: (DuplicateContent, Cause.ALREADY_THERE, _CONTENT),
    # Of one network of the profile: the profile itself is well.
    156: (PermissionMissing, Cause.NETWORK_UNLINKED, _CONTENT),
    161: (PermissionMissing, Cause.NETWORK_UNLINKED, _CONTENT),
    169: (PermissionMissing, Cause.NOT_ALLOWED, Reach.APP),
    192: (NotFound, Cause.NOT_THERE, _CONTENT),
    221: (NotFound, Cause.NOT_THERE, _CONTENT),
    272: (PermissionMissing, Cause.NETWORK_UNLINKED, _CONTENT),
    288: (TransientError, Cause.MEDIA_NOT_READY, _CONTENT),
    361: (PermissionMissing, Cause.NOT_ALLOWED, _CONTENT),
    362: (PermissionMissing, Cause.NETWORK_UNLINKED, _CONTENT),
    382: (InvalidContent, Cause.UNKNOWN_REFUSAL, _CONTENT),
    383: (NotFound, Cause.NOT_THERE, _CONTENT),
    435: (RateLimited, Cause.DAILY_LIMIT, _KEY),
    436: (AmbiguousOutcome, Cause.ANSWER_LOST, _CONTENT),
    479: (InvalidContent, Cause.MEDIA_NOT_PUBLIC, _CONTENT),
    485: (NotFound, Cause.NOT_THERE, _CONTENT),
    # Of the page on which networks are linked: another address of it is wanted.
    501: (AuthExpired, Cause.CODE_REFUSED, _CONTENT),
    502: (AuthExpired, Cause.CODE_REFUSED, _CONTENT),
    503: (AuthExpired, Cause.CODE_REFUSED, _CONTENT),
}
SHORT_WAIT_S = 60.0
#: The plan does not allow a call.
NOT_IN_PLAN = "169"
#: A webhook has no end that is told; it is set anew long before this.
EVENTS_FOR = timedelta(days=7)
#: Names of figures, which differ from network to network.
FIGURES: dict[Figure, tuple[str, ...]] = {
    Figure.LIKES: ("likeCount", "likes"),
    Figure.COMMENTS: ("commentsCount", "commentCount", "comments", "replies"),
    Figure.SHARES: ("sharesCount", "shareCount", "shares", "reposts"),
    Figure.REACH: ("reachCount", "reach"),
    Figure.VIEWS: ("viewsCount", "videoViews", "views"),
    Figure.IMPRESSIONS: ("impressionCount", "impression", "impressionsCount"),
    Figure.SAVES: ("savedCount", "save"),
    Figure.CLICKS: ("clickCount", "pinClick", "outboundClick"),
}


@dataclass(frozen=True)
class Sent:
    """What Ayrshare says of a post at one network.

    status: success, error, pending, processing, scheduled ...; post_id: Ayrshare's,
    social_id: the network's, "" until it is known.
    """

    post_id: str
    status: str
    social_id: str = ""
    url: str = ""
    text: str = ""
    notes: str = ""
    created_at: datetime | None = None
    error: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_out(self) -> bool:
        return self.status == "success" and self.social_id not in ("", "pending")


class AyrshareClient(PlatformClient):
    spec = SPEC
    proves_by_fixed_paths = True
    #: what signs events, while it is told
    _hook_secret = ""

    # --- connecting

    def take_key(self, key: str) -> TokenSet:
        """The Profile-Key, or our own API key for the primary profile."""
        token = key or self.environment.client_secret
        return TokenSet(access_token=token, issued_at=datetime.now(UTC))

    def identities(self) -> Sequence[Identity]:
        return [self._profile(self.user())]

    def user(self) -> dict[str, Any]:
        answer = self._said("GET /user", "/user")
        data = answer.data()
        if not data.get("refId"):
            raise _unreadable(answer, mutates=False)
        return data

    def _profile(self, data: Mapping[str, Any]) -> Identity:
        number = str(data["refId"])
        names = [
            str(row.get("displayName") or "") for row in _rows(data, "displayNames")
        ]
        title = str(data.get("title") or next(filter(None, names), number))
        pictures = [
            str(row.get("userImage") or "") for row in _rows(data, "displayNames")
        ]
        return Identity(
            external_id=number,
            kind="profile",
            name=title,
            handle=title,
            url="",
            avatar_url=next(filter(None, pictures), ""),
            extra={"networks": networks_of(data)},
        )

    def prove(self) -> Proof:
        """Whether the key lives, and a network is linked that it could publish to.

        Which ones `server_limits` tells. A network's consent may end by itself: the
        first to end is the profile's.
        """
        data = self.user()
        linked = networks_of(data)
        publish = Verdict(True, detail=", ".join(linked))
        if not linked:
            publish = Verdict(False, Cause.NETWORK_UNLINKED, "no network is linked")
        unknown = Verdict(None, detail="it depends on the plan")
        return Proof(
            abilities={
                Ability.PUBLISH: publish,
                Ability.READ: Verdict(True),
                Ability.FIGURES: unknown,
            },
            identity=self._profile(data),
            data_access_ends_at=_first_end(data, linked),
            tells_data_access=True,
            limits=self._limits(data),
        )

    def calls_of_proof(self) -> Mapping[str, int]:
        return {"GET /user": 1}

    def server_limits(self) -> dict[str, Any]:
        """The networks that are linked, by name: what a post may be sent to."""
        return self._limits(self.user())

    def _limits(self, data: Mapping[str, Any]) -> dict[str, Any]:
        names = self.spec.options_by_key["network"].choices
        linked = networks_of(data)
        return {"networks": {slug: names.get(slug, slug) for slug in linked}}

    # --- posts

    def create(self, body: Mapping[str, Any], network: str) -> Sent:
        """Publish now. A 400 may carry a success: then it is one."""
        key = "POST /post"
        answer = self.http.request(
            "POST",
            self.host("api") + "/post",
            call=self.spec.call(key).key,
            mutates=True,
            headers=self._headers(),
            json=dict(body),
        )
        sent = _sent(_wrapped(answer.data()), network)
        if sent.status == "success":
            if sent.post_id:
                return sent
            # It is out, and nobody knows as what.
            raise _unreadable(answer, mutates=True)
        if not answer.ok or _wrapped(answer.data()).get("status") == "error":
            raise self.error_from(answer, mutates=True)
        if not sent.post_id:
            raise _unreadable(answer, mutates=True)
        return sent

    def post(self, post_id: str, network: str) -> Sent:
        answer = self.send(
            "GET /post/:id",
            f"{self.host('api')}/post/{quote(post_id, safe='')}",
            headers=self._headers(),
        )
        sent = _sent(_wrapped(answer.data()), network)
        if not sent.post_id:
            raise _unreadable(answer, mutates=False)
        return sent

    def history(self, network: str, days: int) -> list[Sent]:
        """Posts to a network, newest first; up to a minute old."""
        params = {
            "limit": str(HISTORY_LIMIT),
            "lastDays": str(days),
            "platforms": network,
        }
        url = self.host("api") + "/history"
        try:
            answer = self.send(
                "GET /history", url, headers=self._headers(), params=params
            )
        except NotFound as error:
            if error.code == "221":  # there are none, which is a 400 here
                return []
            raise
        data = answer.data()
        if not isinstance(data.get("history"), list):
            raise _unreadable(answer, mutates=False)
        return [_sent(row, network) for row in _rows(data, "history")]

    def delete_post(self, external_id: str) -> None:
        try:
            self._said("DELETE /post", "/post", json={"id": external_id})
        except NotFound:
            return

    def calls_of(self, what: After) -> Mapping[str, int]:
        return {
            After.FIGURES: {"POST /analytics/post": 1},
            After.COMMENTS: {"GET /comments/:id": 1},
            After.ANSWER: {"POST /comments/reply/:id": 1},
            After.DELETE: {"DELETE /post": 1},
        }.get(what, {})

    def figures(self, external_id: str) -> Figures:
        """Up to three days late, and only on some plans."""
        answer = self._said(
            "POST /analytics/post", "/analytics/post", json={"id": external_id}
        )
        told: Mapping[str, Any] = {}
        for value in answer.data().values():
            if isinstance(value, dict) and isinstance(value.get("analytics"), dict):
                told = value["analytics"]
        values = {
            figure: int(told[name])
            for figure, names in FIGURES.items()
            for name in reversed(names)
            if isinstance(told.get(name), int)
        }
        return Figures(values, datetime.now(UTC))

    def comments(self, external_id: str, after: str = "") -> CommentPage:
        """All of them on one page, up to ten minutes old."""
        answer = self._said(
            "GET /comments/:id", f"/comments/{quote(external_id, safe='')}"
        )
        data = answer.data()
        found = [
            _comment(row, network)
            for network in self.spec.options_by_key["network"].choices
            for row in _rows(data, network)
        ]
        return CommentPage(tuple(found))

    def comment(self, external_id: str, text: str, network: str = "") -> str:
        """network: where to; "": to all where the post is. The id, as lists tell it."""
        body: dict[str, Any] = {"id": external_id, "comment": text}
        if network:
            body["platforms"] = [network]
        try:
            answer = self._said("POST /comments", "/comments", json=body)
        except PermissionMissing as error:
            if error.code == NOT_IN_PLAN:
                # Posts are in the plan, and go on.
                raise as_kind(PermissionMissing, error, reach=Reach.POST) from error
            raise
        number = _dict(answer.data(), network).get("commentId")
        return f"{network}:{number}" if number else ""

    def ask_for_events(
        self,
        account_id: str,
        callback: str,
        secret: str,
        *,
        app_number: str = "",
        app_token: str = "",
    ) -> datetime | None:
        """A profile's own webhook wins over that of the whole account; the same again
        takes its place."""
        self._hook_secret = secret
        for action in ACTIONS:
            body = {"action": action, "url": callback, "secret": secret}
            self._said("POST /hook/webhook", "/hook/webhook", json=body)
        return datetime.now(UTC) + EVENTS_FOR

    def reply(self, comment_id: str, text: str) -> str:
        network, _sep, number = comment_id.partition(":")
        answer = self._said(
            "POST /comments/reply/:id",
            f"/comments/reply/{quote(number, safe='')}",
            json={"comment": text, "platforms": [network], "searchPlatformId": True},
        )
        return str(_dict(answer.data(), network).get("commentId") or "")

    def _said(self, key: str, path: str, **kwargs: Any) -> Answer:
        """An answer that refuses nothing: a refusal may come with HTTP 200."""
        url = self.host("api") + path
        answer = self.send(key, url, headers=self._headers(), **kwargs)
        if answer.data().get("status") == "error":
            raise self.error_from(answer, self.spec.call(key).mutates)
        return answer

    def _headers(self) -> dict[str, str]:
        """A Profile-Key never stands alone; our own key needs none."""
        api_key = self.environment.client_secret
        headers = {"Authorization": f"Bearer {api_key}"}
        if self.access.token and self.access.token != api_key:
            headers["Profile-Key"] = self.access.token
        return headers

    @property
    def _secrets(self) -> list[str]:
        keys = (self.environment.client_secret, self.access.token, self._hook_secret)
        # Shorter ones would tear holes into any text.
        return [key for key in keys if len(key) >= 6]

    # --- Ayrshare's table of errors

    def error_from(self, answer: Answer, mutates: bool) -> PlatformError:
        status, data = answer.status, _wrapped(answer.data())
        code, said = _code_and_words(data)
        # One with HTTP 200 still has what was sent to it.
        text = without(self._secrets, redact(said) or answer.text())
        facts: dict[str, Any] = {
            "status": status,
            "code": str(code or ""),
            "request_id": answer.request_id,
        }
        if status >= 500 or status == 408:
            if mutates:
                return AmbiguousOutcome(text, cause=Cause.PLATFORM_TROUBLE, **facts)
            return TransientError(
                text, reach=Reach.PLATFORM, retry_after=answer.retry_after, **facts
            )
        if code in CODES:
            error, cause, reach = CODES[code]
            if error is AmbiguousOutcome and not mutates:
                error = TransientError
            more: dict[str, Any] = {}
            if error is RateLimited:
                more["retry_after"] = answer.retry_after or _wait_of(data)
            if code == 106:
                more = {"reset_at": _next_month(datetime.now(UTC))}
            return error(text, cause=cause, reach=reach, **more, **facts)
        if status == 429:
            wait_s = answer.retry_after or SHORT_WAIT_S
            return RateLimited(text, retry_after=wait_s, **facts)
        if KEY_WORDS in said.lower():
            return DuplicateContent(text, cause=Cause.ALREADY_THERE, **facts)
        if status < 300 and data.get("status") == "error":
            return InvalidContent(text, cause=Cause.UNKNOWN_REFUSAL, **facts)
        if not data or (status < 400 and not mutates):
            return TransientError(text, reach=Reach.PLATFORM, **facts)
        if status < 300:
            return InvalidContent(text, cause=Cause.UNKNOWN_REFUSAL, **facts)
        if status == 401:
            return AuthRevoked(text, cause=Cause.TOKEN_INVALID, **facts)
        if status == 402:
            return PermissionMissing(text, reach=Reach.APP, **facts)
        if status == 403:
            suspended = "suspend" in said.lower()
            cause = Cause.ACCOUNT_SUSPENDED if suspended else Cause.NOT_ALLOWED
            return PermissionMissing(text, cause=cause, **facts)
        if status in (404, 410):
            return NotFound(text, **facts)
        return InvalidContent(text, cause=Cause.UNKNOWN_REFUSAL, **facts)


def networks_of(data: Mapping[str, Any]) -> list[str]:
    """Linked networks; the list is absent when there are none."""
    found = data.get("activeSocialAccounts")
    return [str(name) for name in found] if isinstance(found, list) else []


def _first_end(data: Mapping[str, Any], linked: Collection[str]) -> datetime | None:
    """When the first of these networks wants a new consent; None: none of them."""
    ends = [
        moment(row.get("refreshRequired"))
        for row in _rows(data, "displayNames")
        if row.get("platform") in linked
    ]
    now = datetime.now(UTC)
    return min((at for at in ends if at and at > now), default=None)


def moment(value: Any) -> datetime | None:
    """A time, as a text or as an object around one; None for anything else."""
    if isinstance(value, dict):
        value = value.get("utc")
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _wrapped(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """With a Profile-Key an answer about a post stands in a list of one."""
    rows = _rows(data, "posts")
    return rows[0] if rows else data


def _sent(data: Mapping[str, Any], network: str) -> Sent:
    row = next(
        (one for one in _rows(data, "postIds") if one.get("platform") == network), {}
    )
    errors = [e for e in _rows(data, "errors") if e.get("platform") in (network, None)]
    status = str(row.get("status") or data.get("status") or "")
    return Sent(
        post_id=str(data.get("id") or ""),
        status=status,
        social_id=str(row.get("id") or ""),
        url=str(row.get("postUrl") or ""),
        text=str(data.get("post") or ""),
        notes=str(data.get("notes") or ""),
        created_at=moment(data.get("created")),
        error=errors[0] if errors else {},
    )


def _comment(row: Mapping[str, Any], network: str) -> Comment:
    """Its id begins with the network, which an answer has to name."""
    who = _dict(row, "from")
    number = str(row.get("commentId") or "")
    return Comment(
        external_id=f"{network}:{number}",
        text=str(row.get("comment") or ""),
        author=str(who.get("username") or who.get("name") or row.get("userName") or ""),
        published_at=moment(row.get("created")),
    )


def _code_and_words(data: Mapping[str, Any]) -> tuple[int | None, str]:
    """From the first error, or the answer itself, or within the history, or of a network
    by its name."""
    of_networks = [
        row
        for row in data.values()
        if isinstance(row, dict) and row.get("status") == "error"
    ]
    for row in (*_rows(data, "errors"), data, _dict(data, "history"), *of_networks):
        code = row.get("code")
        if isinstance(code, int) or row.get("message"):
            number = code if isinstance(code, int) else None
            return number, str(row.get("message") or "")
    return None, ""


def _wait_of(data: Mapping[str, Any]) -> float | None:
    """Seconds that stand in the details of an error."""
    for row in (*_rows(data, "errors"), data):
        if isinstance(row.get("details"), int | float):
            return max(0.0, float(row["details"]))
    return None


def _next_month(now: datetime) -> datetime:
    """When the posts of a plan begin anew: on the 1st at 00:07 UTC."""
    year, month = (now.year + 1, 1) if now.month == 12 else (now.year, now.month + 1)
    return datetime(year, month, 1, 0, 7, tzinfo=UTC)


def _rows(data: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    rows = data.get(name)
    found = rows if isinstance(rows, list) else []
    return [row for row in found if isinstance(row, dict)]


def _dict(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    inner = data.get(name)
    return inner if isinstance(inner, dict) else {}


def _unreadable(answer: Answer, mutates: bool) -> PlatformError:
    kind = AmbiguousOutcome if mutates else TransientError
    return kind(
        "no usable data in it",
        cause=Cause.ANSWER_UNREADABLE,
        status=answer.status,
        request_id=answer.request_id,
    )

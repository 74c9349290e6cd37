"""Outstand's REST API: one method per call.

Sources contradict each other on wrappers and names of headers, so both are read.
Source: https://www.outstand.so/docs (as quoted up to 2026-10).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from ..base import (
    Ability,
    After,
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
    Cause,
    DuplicateContent,
    InvalidContent,
    NotFound,
    PermissionMissing,
    PlatformError,
    RateLimited,
    Reach,
    TransientError,
)
from ..http import Answer, redact
from .spec import ORGANISATION, SPEC

PAGE = 100
LOOK_PAGE = 50
#: of linked accounts; each is one of the minute's few calls
MAX_PAGES = 4
SHORT_WAIT_S = 60.0
FIGURES: dict[Figure, str] = {
    Figure.LIKES: "likes",
    Figure.COMMENTS: "comments",
    Figure.SHARES: "shares",
    Figure.VIEWS: "views",
    Figure.IMPRESSIONS: "impressions",
    Figure.REACH: "reach",
}


@dataclass(frozen=True)
class Sent:
    """A post as it stands at one account. status: pending, published, failed, "" when
    the post does not name the account."""

    post_id: str
    status: str
    url: str = ""
    error: str = ""
    text: str = ""
    created_at: datetime | None = None
    published_at: datetime | None = None


class OutstandClient(PlatformClient):
    spec = SPEC
    proves_by_fixed_paths = True

    # --- connecting

    def take_key(self, key: str) -> TokenSet:
        """There is one key for all, which is our app's."""
        return TokenSet(
            access_token=self.environment.client_secret, issued_at=datetime.now(UTC)
        )

    def identities(self) -> Sequence[Identity]:
        """The organisation, and the accounts that are linked to it, each with the key."""
        rows = list(self._accounts())
        if not rows:
            return []
        organisation = str(rows[0].get("orgId") or "organization")
        key = self.take_key("")
        return [
            Identity(
                organisation,
                ORGANISATION,
                "Outstand",
                "",
                "",
                can_publish=False,
                tokens=None,
            ),
            *(_identity(row, key) for row in rows),
        ]

    def _accounts(self) -> Iterator[Mapping[str, Any]]:
        for page in range(MAX_PAGES):
            params = {"limit": str(PAGE), "offset": str(page * PAGE)}
            answer = self._get("GET /social-accounts", "/social-accounts", params)
            rows = answer.data().get("data")
            if not isinstance(rows, list):
                raise _unreadable(answer, mutates=False)
            yield from (row for row in rows if isinstance(row, dict) and row.get("id"))
            if len(rows) < PAGE:
                return

    def prove(self) -> Proof:
        """Whether the key lives, and Outstand's own access to the network does."""
        if self.access.kind == ORGANISATION:
            next(self._accounts(), None)
            return Proof(dict.fromkeys(Ability, Verdict(True)))
        row = next(
            (r for r in self._accounts() if str(r["id"]) == self.access.external_id),
            None,
        )
        verdict = Verdict(True)
        if row is None:
            verdict = Verdict(
                False, Cause.NETWORK_UNLINKED, "the account is not linked"
            )
        elif not row.get("isActive"):
            verdict = Verdict(False, Cause.NETWORK_UNLINKED, "Outstand lost its access")
        identity = _identity(row, None) if row else None
        return Proof(dict.fromkeys(Ability, verdict), identity)

    def calls_of_proof(self) -> Mapping[str, int]:
        return {"GET /social-accounts": MAX_PAGES}

    # --- posts

    def create(self, body: Mapping[str, Any], key: str) -> Sent:
        """Hand a post over; what became of it tells `post`. A repeat with the same key
        within a day gives the first answer."""
        answer = self.send(
            "POST /posts",
            self.host("api") + "/posts",
            headers={**self._headers(), "Idempotency-Key": key},
            json=dict(body),
        )
        sent = self._sent(_post_of(answer.data()))
        if not sent.post_id:
            raise _unreadable(answer, mutates=True)
        return sent

    def post(self, post_id: str) -> Sent:
        answer = self._get("GET /posts/:id", f"/posts/{quote(post_id, safe='')}", {})
        sent = self._sent(_post_of(answer.data()))
        if not sent.post_id:
            raise _unreadable(answer, mutates=False)
        return sent

    def posts_since(self, since: datetime, page: int) -> list[Sent]:
        """Posts to this account, newest first."""
        params = {
            "social_account_id": self.access.external_id,
            "created_after": since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "limit": str(LOOK_PAGE),
            "offset": str(page * LOOK_PAGE),
        }
        answer = self._get("GET /posts", "/posts", params)
        data = answer.data()
        rows = data.get("posts", data.get("data"))
        if not isinstance(rows, list):
            raise _unreadable(answer, mutates=False)
        return [self._sent(row) for row in rows if isinstance(row, dict)]

    def _sent(self, post: Mapping[str, Any]) -> Sent:
        row = next(
            (
                one
                for one in _rows(post, "socialAccounts")
                if str(one.get("id")) == self.access.external_id
            ),
            {},
        )
        texts = [str(one.get("content") or "") for one in _rows(post, "containers")]
        return Sent(
            post_id=str(post.get("id") or ""),
            status=str(row.get("status") or ""),
            url=str(row.get("platformPostUrl") or ""),
            error=str(row.get("error") or ""),
            text="\n\n".join(texts) or str(post.get("content") or ""),
            created_at=moment(post.get("createdAt")),
            published_at=moment(row.get("publishedAt")),
        )

    def comment(self, external_id: str, text: str) -> str:
        """Its id, "" where the answer does not tell: what it looks like is not
        documented."""
        answer = self.send(
            "POST /posts/:id/comments",
            f"{self.host('api')}/posts/{quote(external_id, safe='')}/comments",
            headers=self._headers(),
            json={"text": text},
        )
        data = answer.data()
        for row in (data.get("comment"), data.get("data"), data):
            if isinstance(row, dict) and row.get("id"):
                return str(row["id"])
        return ""

    def delete_post(self, external_id: str) -> None:
        """At the network as well; not every network allows it."""
        try:
            self.send(
                "DELETE /posts/:id/remote",
                f"{self.host('api')}/posts/{quote(external_id, safe='')}/remote",
                headers=self._headers(),
            )
        except NotFound:
            return

    def calls_of(self, what: After) -> Mapping[str, int]:
        return {
            After.FIGURES: {"GET /posts/:id/analytics": 1},
            After.DELETE: {"DELETE /posts/:id/remote": 1},
        }.get(what, {})

    def figures(self, external_id: str) -> Figures:
        path = f"/posts/{quote(external_id, safe='')}/analytics"
        data = self._get("GET /posts/:id/analytics", path, {}).data()
        told: Mapping[str, Any] = {}
        for row in _rows(data, "metrics_by_account"):
            who = row.get("social_account")
            metrics = row.get("metrics")
            if isinstance(who, dict) and str(who.get("id")) == self.access.external_id:
                told = metrics if isinstance(metrics, dict) else {}
        values = {
            figure: int(told[name])
            for figure, name in FIGURES.items()
            if isinstance(told.get(name), int)
        }
        return Figures(values, datetime.now(UTC))

    def _get(self, key: str, path: str, params: Mapping[str, str]) -> Answer:
        url = self.host("api") + path
        return self.send(key, url, headers=self._headers(), params=dict(params))

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.environment.client_secret}"}

    # --- Outstand's table of errors

    def error_from(self, answer: Answer, mutates: bool) -> PlatformError:
        status, data = answer.status, answer.data()
        said = " ".join(str(data[n]) for n in ("error", "message") if data.get(n))
        text = redact(said) or answer.text()
        facts: dict[str, Any] = {
            "status": status,
            "code": str(data.get("error") or "")[:60],
            "request_id": answer.request_id,
        }
        if status >= 500 or status == 408:
            if mutates:
                return AmbiguousOutcome(text, cause=Cause.PLATFORM_TROUBLE, **facts)
            return TransientError(
                text, reach=Reach.PLATFORM, retry_after=answer.retry_after, **facts
            )
        if status == 429:
            if "quota" in said.lower():  # waiting a minute does not mend it
                return RateLimited(
                    text, cause=Cause.PLAN_LIMIT, reach=Reach.APP, **facts
                )
            wait_s = answer.retry_after or SHORT_WAIT_S
            return RateLimited(text, reach=Reach.APP, retry_after=wait_s, **facts)
        if not data or status < 400:
            return TransientError(text, reach=Reach.PLATFORM, **facts)
        if status == 401:  # the key is our app's: no reconnect mends it
            return PermissionMissing(
                text, cause=Cause.APP_REFUSED, reach=Reach.APP, **facts
            )
        if status == 402:
            return PermissionMissing(
                text, cause=Cause.PLAN_LIMIT, reach=Reach.APP, **facts
            )
        if status == 403:
            return PermissionMissing(text, reach=Reach.POST, **facts)
        if status in (404, 410):
            return NotFound(text, **facts)
        if status == 409:
            return DuplicateContent(text, cause=Cause.ALREADY_THERE, **facts)
        if status == 422:
            return InvalidContent(text, cause=Cause.MEDIA_REFUSED, **facts)
        return InvalidContent(text, cause=Cause.UNKNOWN_REFUSAL, **facts)


def moment(value: Any) -> datetime | None:
    """A time as it is written for machines; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _identity(row: Mapping[str, Any], key: TokenSet | None) -> Identity:
    """Only what is named here is taken: rows may hold tokens of the networks."""
    network = str(row.get("network") or "")
    username = str(row.get("username") or "")
    return Identity(
        external_id=str(row["id"]),
        kind=network,
        name=str(row.get("nickname") or username or row["id"]),
        handle=username,
        url="",
        avatar_url=str(row.get("profile_picture_url") or ""),
        can_publish=bool(row.get("isActive")),
        extra={"network": network},
        tokens=key,
    )


def _post_of(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Some answers are wrapped otherwise than others, or not at all."""
    for name in ("post", "data"):
        inner = data.get(name)
        if isinstance(inner, dict):
            return _post_of(inner)
    return data


def _rows(data: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    rows = data.get(name)
    found = rows if isinstance(rows, list) else []
    return [row for row in found if isinstance(row, dict)]


def _unreadable(answer: Answer, mutates: bool) -> PlatformError:
    kind = AmbiguousOutcome if mutates else TransientError
    return kind(
        "no usable data in it",
        cause=Cause.ANSWER_UNREADABLE,
        status=answer.status,
        request_id=answer.request_id,
    )

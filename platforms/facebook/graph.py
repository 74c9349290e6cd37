"""Meta's Graph API: what Facebook and Instagram have in common.

One token travels in the Authorization header, its proof (`appsecret_proof`) in the
query. The HTTP status says little: `error.code` and `error.error_subcode` decide.
Source: https://developers.facebook.com/docs/graph-api/guides/error-handling (v26.0).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from ..base import Observation, PlatformClient, TokenSet, life_s
from ..errors import (
    ABOUT_ACCESS,
    AmbiguousOutcome,
    AuthExpired,
    AuthRevoked,
    Cause,
    DuplicateContent,
    InvalidContent,
    NotFound,
    PermissionMissing,
    PlatformDown,
    PlatformError,
    RateLimited,
    Reach,
    TransientError,
    as_kind,
)
from ..http import Answer, redact

#: Rows of one page of a list, and pages that are read of one at most.
PAGE_SIZE = 100
MAX_PAGES = 50
MINUTE_S, HOUR_S = 60, 3600

#: How tokens of Facebook, Instagram and Threads begin.
TOKEN = re.compile(r"\b(?:EAA|IGAA|THAA)\w{6,}")
#: Tokens that are their own permission to be renewed cannot be so on their first day.
RENEWS_AFTER = timedelta(hours=24)

# ---------------------------------------------------------------- the table of errors


@dataclass(frozen=True)
class Means:
    """What a code says. wait_s: until it is worth another try, where nothing tells."""

    error: type[PlatformError]
    cause: Cause | None = None
    reach: Reach | None = None
    wait_s: float | None = None

    def make(self, text: str, facts: Mapping[str, Any], **more: Any) -> PlatformError:
        more.setdefault("retry_after", self.wait_s)
        return self.error(text, cause=self.cause, reach=self.reach, **facts, **more)


_EXPIRED = Means(AuthExpired, Cause.TOKEN_EXPIRED)
_INVALID = Means(AuthExpired, Cause.TOKEN_INVALID)
_LOCKED = Means(AuthRevoked, Cause.ACCOUNT_LOCKED)
#: A person has to act at Meta; the token stays good.
_ACT = Means(PermissionMissing, Cause.ACCOUNT_LOCKED)
_MEDIA = Means(InvalidContent, Cause.MEDIA_REFUSED)
_LINK = Means(InvalidContent, Cause.LINK_REFUSED)
_TEXT = Means(InvalidContent, Cause.TEXT_REFUSED)
_PASSING = Means(TransientError)
_TWICE = Means(DuplicateContent)

#: What ends a token: subcodes of 190 and 102.
TOKEN_ENDS: dict[int, Means] = {
    458: Means(AuthRevoked, Cause.TOKEN_REVOKED),
    459: _LOCKED,  # a checkpoint; the same token can come back
    460: Means(AuthRevoked, Cause.PASSWORD_CHANGED),
    463: _EXPIRED,
    464: _LOCKED,
    467: Means(AuthRevoked, Cause.TOKEN_REVOKED),
    490: _EXPIRED,
    492: Means(AuthRevoked, Cause.ROLE_LOST),
}

#: Seven digits; Meta sends them as subcode, a few as code.
BY_SUBCODE: dict[int, Means] = {
    1346003: _TEXT,
    1404102: _TEXT,
    1363040: _MEDIA,
    1363127: _MEDIA,
    1363128: _MEDIA,
    1363129: _MEDIA,
    1366046: _MEDIA,
    1366051: _TWICE,
    1363047: _PASSING,
    1609010: _PASSING,
    1404006: _ACT,
    1404078: _ACT,
    1404112: _ACT,
    4854002: _ACT,
    1609005: _LINK,
    1609008: _LINK,
    2061006: _LINK,
    1390008: Means(RateLimited, wait_s=30 * MINUTE_S),
}

BY_CODE: dict[int, Means] = {
    3: Means(PermissionMissing, Cause.APP_REFUSED, Reach.APP),
    4: Means(RateLimited, reach=Reach.APP, wait_s=15 * MINUTE_S),
    17: Means(RateLimited, wait_s=15 * MINUTE_S),
    32: Means(RateLimited, wait_s=15 * MINUTE_S),
    324: _MEDIA,
    341: Means(RateLimited, reach=Reach.APP, wait_s=HOUR_S),
    # "Temporarily blocked" for a policy: hours to days, and no token is at fault.
    368: Means(RateLimited, wait_s=6 * HOUR_S),
    382: _MEDIA,
    389: _MEDIA,
    506: _TWICE,
    613: Means(RateLimited, wait_s=15 * MINUTE_S),
    803: Means(NotFound),
    6000: _MEDIA,
    6001: _PASSING,
}
#: Limits of one business object (80001 Pages, 80002 Instagram).
BUSINESS_LIMITS = range(80000, 80015)
#: Trouble of Meta's servers, whatever the status says; those below zero are Instagram's.
OF_SERVERS = {1, 2, -1, -2}
#: An answer could not be made in the wanted form, after the object was created.
AFTER_WRITING = {1772107}


@dataclass(frozen=True)
class Fault:
    """Meta's envelope: {"error": {"message", "type", "code", "error_subcode", ...}}."""

    code: int
    subcode: int
    #: judged as Meta said it; redaction takes words for secrets
    said: str
    #: localised and fit for people; "" when there is none
    for_people: str = ""
    trace_id: str = ""

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Fault | None:
        """None: no envelope of Meta's. debug_token says `subcode` for the second code."""
        inner = data.get("error")
        if not isinstance(inner, dict):
            return None
        return cls(
            _number(inner.get("code")),
            _number(inner.get("error_subcode") or inner.get("subcode")),
            str(inner.get("message") or ""),
            str(inner.get("error_user_msg") or ""),
            str(inner.get("fbtrace_id") or ""),
        )

    @property
    def fine(self) -> int:
        """The number of seven digits: most come as the subcode, a few as the code."""
        return self.code if self.code >= 1_000_000 else self.subcode

    @property
    def name(self) -> str:
        return f"{self.code}/{self.subcode}" if self.subcode else str(self.code)

    @property
    def text(self) -> str:
        """For people and logs. "access token: The session" holds no token, but reads as
        one to the redaction; what looks like a token of Meta's is taken out instead."""
        words = " ".join(filter(None, (self.for_people, self.said)))
        return redact(TOKEN.sub("[removed]", words.replace("token: ", "token - ")))


# ---------------------------------------------------------------- a grant


@dataclass(frozen=True)
class Granted:
    """What debug_token says of a living token."""

    scopes: tuple[str, ...]
    expires_at: datetime | None
    data_access_ends_at: datetime | None
    issued_at: datetime | None
    #: scope -> objects that it is granted for; a scope that is missing here holds for all
    targets: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def covers(self, scope: str, *objects: str) -> bool:
        """Granted, and for one of these objects (Page or Instagram account)."""
        if scope not in self.scopes:
            return False
        return scope not in self.targets or bool(self.targets[scope] & set(objects))

    def lacking(self, scopes: Sequence[str], *objects: str) -> list[str]:
        return [scope for scope in scopes if not self.covers(scope, *objects)]

    def is_data_access_over(self, now: datetime) -> bool:
        return self.data_access_ends_at is not None and self.data_access_ends_at <= now


class GraphClient(PlatformClient):
    """Sends calls to the Graph API and reads its envelopes."""

    @property
    def graph_host(self) -> str:
        """Name of the host that serves the Graph API for this client."""
        return "graph"

    @property
    def version(self) -> str:
        return self.environment.api_version or self.spec.api_version

    @property
    def app_token(self) -> str:
        return f"{self.environment.client_id}|{self.environment.client_secret}"

    def proof(self, token: str) -> str:
        """appsecret_proof: made anew from token and secret, so both may change."""
        secret = self.environment.client_secret.encode()
        return hmac.new(secret, token.encode(), hashlib.sha256).hexdigest()

    def graph(
        self,
        key: str,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        token: str = "",
        **kwargs: Any,
    ) -> Answer:
        """One call with a token (the client's own unless given) and its proof."""
        token = token or self.access.token
        query = dict(params or {})
        if self.environment.client_secret:
            query["appsecret_proof"] = self.proof(token)
        return self.send(
            key,
            f"{self.host(self.graph_host)}/{self.version}/{path}",
            headers={"Authorization": f"Bearer {token}"},
            params=query,
            **kwargs,
        )

    def pages_of(
        self, key: str, path: str, params: Mapping[str, str], *, limit: int = PAGE_SIZE
    ) -> Iterator[list[dict[str, Any]]]:
        """The pages of a list. A page may be empty and yet have a next one.

        `paging.next` is never followed: it is an address with the token in it.
        """
        after = ""
        for _ in range(MAX_PAGES):
            query = {**params, "limit": str(limit)} | (
                {"after": after} if after else {}
            )
            answer = self.graph(key, path, query)
            before = after
            rows, after = self.rows_of(answer)
            yield rows
            if not after or after == before:
                return

    @staticmethod
    def rows_of(answer: Answer) -> tuple[list[dict[str, Any]], str]:
        """One page of a list, and the cursor of the next ("": this was the last)."""
        data = answer.data()
        rows = data.get("data")
        if not isinstance(rows, list):
            raise unreadable(answer, mutates=False)
        paging = data.get("paging")
        paging = paging if isinstance(paging, dict) else {}
        cursors = paging.get("cursors")
        cursors = cursors if isinstance(cursors, dict) else {}
        after = str(cursors.get("after") or "") if paging.get("next") else ""
        return [row for row in rows if isinstance(row, dict)], after

    # --- figures

    def insights(self, key: str, path: str, metrics: Sequence[str]) -> dict[str, Any]:
        """Metric -> value of one post, those that are told; {}: nothing is told.

        One call; where one of the metrics is not known for this post, one for each.
        """
        try:
            rows, _after = self.rows_of(
                self.graph(key, path, {"metric": ",".join(metrics)})
            )
        except InvalidContent as error:
            if not error.code.startswith("100"):
                raise
            rows = []
            for metric in metrics:
                try:
                    more, _after = self.rows_of(
                        self.graph(key, path, {"metric": metric})
                    )
                except InvalidContent:
                    continue  # this kind of post has it not
                rows += more
        return values_of(rows)

    # --- tokens

    def token_answer(self, key: str, url: str, params: Mapping[str, str]) -> TokenSet:
        """Ask an endpoint that hands out tokens. AuthRevoked: what was given is dead."""
        now = datetime.now(UTC)
        answer = self.http.request(
            key.split(" ", 1)[0],
            url,
            call=self.spec.call(key).key,
            mutates=False,
            params=dict(params),
        )
        if not answer.ok:
            raise self.exchange_error(answer)
        return self.tokens_from(answer, answer.data(), now)

    def tokens_from(
        self, answer: Answer, data: Mapping[str, Any], now: datetime
    ) -> TokenSet:
        if not data.get("access_token"):
            raise unreadable(answer, mutates=False)
        lives_s = life_s(data.get("expires_in"), self.spec.token_life_s)
        return TokenSet(
            access_token=str(data["access_token"]),
            issued_at=now,
            expires_at=now + timedelta(seconds=lives_s) if lives_s else None,
        )

    def trade_code(self, key: str, url: str, code: str, redirect_uri: str) -> Answer:
        """What Instagram and Threads give for the code of a sign-in of their own. key:
        of the call's row."""
        answer = self.http.request(
            "POST",
            url,
            call=self.spec.call(key).key,
            mutates=False,
            data={
                "client_id": self.environment.client_id,
                "client_secret": self.environment.client_secret,
                "grant_type": "authorization_code",
                "redirect_uri": redirect_uri,
                # They append it to their redirect; it is no part of the code.
                "code": code.removesuffix("#_"),
            },
        )
        if not answer.ok:
            raise self.exchange_error(answer)
        return answer

    def exchange_error(self, answer: Answer) -> PlatformError:
        """Why no token came: the code, the old token, our app, or trouble at Meta."""
        if "error_message" in answer.data() and answer.status < 500:
            return _flat_exchange_error(answer)
        fault = Fault.of(answer.data())
        if fault is None or answer.status >= 500:
            return self.error_from(answer, mutates=False)
        facts = facts_of(answer, fault)
        lower = fault.said.lower()
        if fault.subcode in {36007, 36009} or "authorization code" in lower:
            return AuthRevoked(fault.text, cause=Cause.CODE_REFUSED, **facts)
        if fault.code in {1, 100, 101} or fault.subcode == 36008:
            # Secret, app id or redirect address: no person is at fault.
            return PermissionMissing(
                fault.text, cause=Cause.APP_REFUSED, reach=Reach.APP, **facts
            )
        return self.error_from(answer, mutates=False)

    def renewing_itself(self, tokens: TokenSet) -> TokenSet:
        """The tokens where the access token is its own permission to be renewed."""
        return replace(
            tokens,
            refresh_token=tokens.access_token,
            refresh_expires_at=tokens.expires_at,
        )

    def renewed_by_itself(self, ask: Callable[[str], TokenSet]) -> TokenSet:
        """A new token for one that is its own permission to be renewed.

        ask: sends the call with the token. TransientError while the token is younger
        than a day, AuthRevoked after its end: then only a person helps.
        """
        if self.access.issued_at is not None:
            age = datetime.now(UTC) - self.access.issued_at
            if age < RENEWS_AFTER:
                raise TransientError(
                    f"{self.spec.name} renews no token that is younger than a day",
                    retry_after=(RENEWS_AFTER - age).total_seconds(),
                )
        try:
            return ask(self.access.refresh_token or self.access.token)
        except AuthExpired as error:
            raise as_kind(AuthRevoked, error, cause=error.cause) from error
        except InvalidContent as error:
            # "Too young" has no code of its own, and ends nothing.
            wait_s = RENEWS_AFTER.total_seconds() / 4
            raise as_kind(TransientError, error, retry_after=wait_s) from error

    def debug_token(self, token: str = "", *, by: str = "") -> Granted:
        """What Meta knows of a token. Costs app quota only; works for dead tokens.

        by: the token to ask with, the app's own unless given. Raises AuthExpired,
        AuthRevoked or PermissionMissing for one that is dead.
        """
        inspected = token or self.access.token
        try:
            answer = self.graph(
                "GET /debug_token",
                "debug_token",
                {"input_token": inspected},
                token=by or self.app_token,
            )
        except (AuthExpired, AuthRevoked) as error:
            # Refused was the app's own token: its id or secret is wrong here.
            raise PermissionMissing(
                error.detail,
                cause=Cause.APP_REFUSED,
                reach=Reach.APP,
                status=error.status,
                code=error.code,
                request_id=error.request_id,
            ) from error
        data = answer.data().get("data")
        if not isinstance(data, dict):
            raise unreadable(answer, mutates=False)
        if data.get("is_valid") is not True:
            fault = Fault.of(data)
            if fault is None:
                if data.get("is_valid") is not False:
                    raise unreadable(answer, mutates=False)
                fault = Fault(190, 0, "debug_token: not valid")
            facts = facts_of(answer, fault)
            raise self.token_error(fault, facts)
        targets = {
            str(row.get("scope")): frozenset(str(one) for one in row["target_ids"])
            for row in data.get("granular_scopes") or []
            if isinstance(row, dict) and isinstance(row.get("target_ids"), list)
        }
        return Granted(
            tuple(str(scope) for scope in data.get("scopes") or []),
            _time(data.get("expires_at")),
            _time(data.get("data_access_expires_at")),
            _time(data.get("issued_at")),
            targets,
        )

    # --- errors

    def token_error(self, fault: Fault, facts: Mapping[str, Any]) -> PlatformError:
        return TOKEN_ENDS.get(fault.subcode, _INVALID).make(fault.text, facts)

    def error_from(self, answer: Answer, mutates: bool) -> PlatformError:
        fault = Fault.of(answer.data())
        if fault is None:
            return self._by_status(answer, mutates)
        facts = facts_of(answer, fault)
        known = self.own_error(fault, facts, mutates) or self._known(fault, facts)
        if answer.status >= 500 and known is not None and known.outcome in ABOUT_ACCESS:
            # A server in trouble proves nothing of a token or of our app.
            return self._trouble(answer, mutates, fault.text, facts)
        if known is not None:
            return known
        if fault.code in {4, 17, 32, 341, 613} or fault.code in BUSINESS_LIMITS:
            return self._limited(answer, fault, facts)
        if fault.fine in AFTER_WRITING:
            kind = AmbiguousOutcome if mutates else TransientError
            return kind(fault.text, cause=Cause.ANSWER_UNREADABLE, **facts)
        if fault.code in OF_SERVERS or answer.status >= 500:
            return self._trouble(answer, mutates, fault.text, facts)
        # Of a parameter (100) Meta says so as well: it alone is over.
        if fault.code != 100 and _ends_version(fault):
            return PlatformDown(
                fault.text, cause=Cause.VERSION_ENDED, reach=Reach.APP, **facts
            )
        if fault.code == 100 or fault.code == 2500:
            return self._bad_request(fault, facts)
        if fault.code == 10 or 200 <= fault.code <= 299:
            return self._not_permitted(fault, facts)
        if answer.status == 429:
            return self._limited(answer, fault, facts)
        return InvalidContent(fault.text, cause=Cause.UNKNOWN_REFUSAL, **facts)

    def own_error(
        self, fault: Fault, facts: Mapping[str, Any], mutates: bool
    ) -> PlatformError | None:
        """What this platform's codes mean beside those that all share."""
        return None

    def _known(self, fault: Fault, facts: Mapping[str, Any]) -> PlatformError | None:
        code, sub = fault.code, fault.subcode
        lower = fault.said.lower()
        if "appsecret_proof" in lower:
            return PermissionMissing(
                fault.text, cause=Cause.APP_REFUSED, reach=Reach.APP, **facts
            )
        if code == 190 and not sub and "permission(s) must be granted" in lower:
            # The token is well: github.com/gitroomhq/postiz-app/pull/1912 (2026-08-18).
            return self._not_permitted(fault, facts)
        if code in {190, 102}:
            return self.token_error(fault, facts)
        if code == 104 or (code == 2500 and "token" in lower):
            return AuthRevoked(fault.text, cause=Cause.TOKEN_INVALID, **facts)
        if means := BY_SUBCODE.get(fault.fine):
            return means.make(fault.text, facts)
        if code == 368 and "already posted" in lower:
            return DuplicateContent(fault.text, **facts)
        if code in {4, 17, 32, 341, 613}:
            return None  # the answer's headers know how long
        means = BY_CODE.get(code)
        return means.make(fault.text, facts) if means else None

    def _limited(
        self, answer: Answer, fault: Fault, facts: Mapping[str, Any]
    ) -> PlatformError:
        """Too much. Calls made while it lasts count too, so the wait is a long one."""
        means = BY_CODE.get(fault.code) or Means(RateLimited, wait_s=15 * MINUTE_S)
        told = answer.retry_after
        if told is None:
            told = regain_s(answer.headers)
        return means.make(
            fault.text, facts, **({} if told is None else {"retry_after": told})
        )

    def _trouble(
        self, answer: Answer, mutates: bool, text: str, facts: Mapping[str, Any]
    ) -> PlatformError:
        """An answer 500 did publish at times: github.com/arsduo/koala/issues/699."""
        if mutates:
            return AmbiguousOutcome(text, cause=Cause.PLATFORM_TROUBLE, **facts)
        return TransientError(
            text, reach=Reach.PLATFORM, retry_after=answer.retry_after, **facts
        )

    def _bad_request(self, fault: Fault, facts: Mapping[str, Any]) -> PlatformError:
        lower = fault.said.lower()
        if fault.subcode == 33:
            return NotFound(fault.text, **facts)
        if "missing permission" in lower or "requires the '" in lower:
            # 100 without a subcode is how a missing scope may look as well.
            return self._not_permitted(fault, facts)
        return InvalidContent(fault.text, cause=Cause.UNKNOWN_REFUSAL, **facts)

    def _not_permitted(self, fault: Fault, facts: Mapping[str, Any]) -> PlatformError:
        """Scope or role: Meta's words name both. `prove` tells them apart."""
        lower = fault.said.lower()
        if "api access blocked" in lower:
            return PermissionMissing(
                fault.text, cause=Cause.APP_SUSPENDED, reach=Reach.APP, **facts
            )
        cause = Cause.NOT_ALLOWED if fault.code == 210 else Cause.SCOPE_MISSING
        return PermissionMissing(fault.text, cause=cause, **facts)

    def _by_status(self, answer: Answer, mutates: bool) -> PlatformError:
        """No envelope: a proxy or a page, hence nothing of the Graph API's own."""
        text, facts = answer.text(), facts_of(answer, None)
        if answer.status == 429:
            wait = answer.retry_after
            return RateLimited(
                text, retry_after=15 * MINUTE_S if wait is None else wait, **facts
            )
        if answer.status >= 500:
            return self._trouble(answer, mutates, text, facts)
        return TransientError(text, reach=Reach.PLATFORM, **facts)


# ---------------------------------------------------------------- usage headers

APP_USAGE, BUSINESS_USAGE = "x-app-usage", "x-business-use-case-usage"


def usage_of(headers: Mapping[str, str]) -> Iterator[tuple[str, float, float | None]]:
    """(type, highest per cent, seconds until it opens again) of each window told.

    type: "app", or that of the business use case ("pages", "instagram"). Keys of the
    business header are not always the object that was asked for.
    """
    app = _object(headers.get(APP_USAGE))
    if app:
        yield "app", _highest(app), None
    for rows in _object(headers.get(BUSINESS_USAGE)).values():
        for row in rows if isinstance(rows, list) else []:
            if isinstance(row, dict):
                minutes = row.get("estimated_time_to_regain_access")
                wait_s = 60.0 * minutes if isinstance(minutes, int | float) else 0.0
                yield str(row.get("type") or ""), _highest(row), wait_s or None


def regain_s(headers: Mapping[str, str]) -> float | None:
    """The longest wait that the usage headers tell; None when they tell none."""
    return max((wait for _, _, wait in usage_of(headers) if wait), default=None)


def full_windows(
    headers: Mapping[str, str],
    now: datetime,
    buckets: Mapping[str, str],
    draws: Mapping[str, int],
) -> list[Observation]:
    """Windows that are used up, by usage type -> bucket.

    Meta tells per cent, never units: nothing can be learnt of a window that has room.
    """
    found = []
    for kind, percent, wait_s in usage_of(headers):
        key = buckets.get(kind, "")
        if percent >= 100 and key in draws:
            ends = now + timedelta(seconds=HOUR_S if wait_s is None else wait_s)
            found.append(Observation(key, None, 0, ends, now))
    return found


def _highest(row: Mapping[str, Any]) -> float:
    names = ("call_count", "total_time", "total_cputime", "total_cpu_time")
    values = [row.get(name) for name in names]
    return max((float(v) for v in values if isinstance(v, int | float)), default=0.0)


def _object(text: str | None) -> dict[str, Any]:
    try:
        value = json.loads(text or "")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


# ---------------------------------------------------------------- small things


def facts_of(answer: Answer, fault: Fault | None) -> dict[str, Any]:
    return {
        "status": answer.status,
        "code": fault.name if fault else "",
        "request_id": (fault.trace_id if fault else "") or answer.request_id,
    }


def unreadable(answer: Answer, mutates: bool) -> PlatformError:
    kind = AmbiguousOutcome if mutates else TransientError
    return kind(
        "no usable data in it", cause=Cause.ANSWER_UNREADABLE, **facts_of(answer, None)
    )


def not_ours(error: PlatformError) -> PlatformError:
    """An account of ours that Meta does not show us any more."""
    return as_kind(PermissionMissing, error, cause=Cause.NOT_ALLOWED)


def _flat_exchange_error(answer: Answer) -> PlatformError:
    """{"error_type", "code", "error_message"}: how a code is refused that was not
    Facebook's."""
    data = answer.data()
    said = str(data.get("error_message") or "")
    lower, text = said.lower(), redact(said)
    facts = {**facts_of(answer, None), "code": str(data.get("code") or "")}
    if any(word in lower for word in ("client", "redirect", "platform app")):
        return PermissionMissing(
            text, cause=Cause.APP_REFUSED, reach=Reach.APP, **facts
        )
    return AuthRevoked(text, cause=Cause.CODE_REFUSED, **facts)


def values_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Metric -> value of a list of insights, those that are told."""
    told = {str(row.get("name")): insight_value(row) for row in rows}
    return {name: value for name, value in told.items() if value is not None}


def insight_value(row: Mapping[str, Any]) -> Any:
    """A metric's value, which stands in one of two places: a number or a mapping."""
    series, total = row.get("values"), row.get("total_value")
    first = series[0] if isinstance(series, list) and series else total
    value = first.get("value") if isinstance(first, dict) else None
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number or isinstance(value, dict) else None


def total_of(row: Mapping[str, Any], name: str) -> int | None:
    """The number of a list that was asked for with `summary(true)`."""
    inner = row.get(name)
    summary = inner.get("summary") if isinstance(inner, dict) else None
    count = summary.get("total_count") if isinstance(summary, dict) else None
    return count if isinstance(count, int) else None


def graph_time(value: Any) -> datetime | None:
    """Meta's "2026-10-05T09:00:03+0000", aware; None for anything else."""
    try:
        at = datetime.fromisoformat(str(value or ""))
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _ends_version(fault: Fault) -> bool:
    lower = fault.said.lower()
    return "version" in lower and any(
        word in lower
        for word in ("deprecated", "no longer", "expired", "not available", "ended")
    )


def _number(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return 0


def _time(value: Any) -> datetime | None:
    """Seconds since 1970; 0 means that there is no end."""
    seconds = _number(value)
    return datetime.fromtimestamp(seconds, UTC) if 0 < seconds < 10**11 else None

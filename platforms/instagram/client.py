"""Instagram's Graph API for professional accounts: one method per call.

The same paths at two hosts: graph.facebook.com with the token of the linked Page, or
graph.instagram.com with the account's own. Neither host takes the other's tokens.
Source: https://developers.facebook.com/docs/instagram-platform (v26.0).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ..base import (
    Ability,
    After,
    Comment,
    CommentPage,
    Figure,
    Figures,
    Identity,
    MediaFile,
    Proof,
    RecentPosts,
    RemotePost,
    TokenSet,
    Verdict,
    read_recent,
)
from ..errors import (
    AmbiguousOutcome,
    AuthRevoked,
    Cause,
    InvalidContent,
    NotFound,
    PermissionMissing,
    PlatformError,
    RateLimited,
    Reach,
    TransientError,
)
from ..facebook.containers import Container
from ..facebook.graph import (
    HOUR_S,
    Fault,
    Granted,
    Means,
    graph_time,
    not_ours,
    unreadable,
)
from ..facebook.upload import UploadClient
from ..http import Answer
from .spec import FACEBOOK, INSTAGRAM, NEEDED, SPEC

PROFILE = "username,name,account_type,profile_picture_url,followers_count"
MEDIA_FIELDS = "id,caption,timestamp,media_type,media_product_type,permalink"
#: Instagram's name -> ours; "views" took the place of impressions and plays.
METRICS = {
    "views": Figure.IMPRESSIONS,
    "reach": Figure.REACH,
    "likes": Figure.LIKES,
    "comments": Figure.COMMENTS,
    "saved": Figure.SAVES,
    "shares": Figure.SHARES,
}
_ANSWER_FIELDS = "id,text,timestamp,username,from"
COMMENT_FIELDS = f"{_ANSWER_FIELDS},like_count,hidden,replies{{{_ANSWER_FIELDS}}}"
COMMENTS_PAGE = 50
#: What the answer about posts left is kept under, beside the headers of other calls.
QUOTA = "x-content-publishing-usage"

_MEDIA = Means(InvalidContent, Cause.MEDIA_REFUSED)
_NEW_TRY = Means(TransientError, Cause.MEDIA_REFUSED)
_TAGS = Means(InvalidContent, Cause.TOO_MANY_TAGS)
_TEXT = Means(InvalidContent, Cause.TEXT_REFUSED)
_UNREADABLE = Means(InvalidContent, Cause.MEDIA_TYPE)
_TOO_BIG = Means(InvalidContent, Cause.MEDIA_TOO_LARGE)
_SHAPE = Means(InvalidContent, Cause.MEDIA_SHAPE)
_LONG = Means(InvalidContent, Cause.TEXT_TOO_LONG)
_NOT_READY = Means(TransientError, Cause.MEDIA_NOT_READY, wait_s=10)
_NOT_FETCHED = Means(TransientError, Cause.MEDIA_NOT_PUBLIC)
_DAY = Means(RateLimited, Cause.DAILY_LIMIT, wait_s=HOUR_S)
#: Checkpoint or restriction: it recovers with the same token.
_LOCKED = Means(PermissionMissing, Cause.ACCOUNT_LOCKED)

#: Instagram's subcodes; they stand in the status of a container as well.
SUBCODES: dict[int, Means] = {
    2207001: Means(TransientError),
    2207003: Means(TransientError, wait_s=30),
    2207004: _TOO_BIG,
    2207005: _UNREADABLE,
    2207006: Means(NotFound),
    2207009: _SHAPE,
    2207010: _LONG,
    2207020: Means(TransientError, Cause.MEDIA_EXPIRED),
    2207023: _MEDIA,
    2207026: _UNREADABLE,
    2207027: _NOT_READY,
    2207028: Means(InvalidContent, Cause.TOO_MANY_MEDIA),
    2207032: _NEW_TRY,
    2207035: _TEXT,
    2207036: _TEXT,
    2207037: _TEXT,
    2207040: _TAGS,
    2207042: _DAY,
    2207050: _LOCKED,
    2207051: Means(RateLimited, wait_s=3 * HOUR_S),
    2207052: _NOT_FETCHED,
    2207053: _NEW_TRY,
    2207057: _MEDIA,
    2207076: _NEW_TRY,
    2207077: _NEW_TRY,
    2207081: Means(InvalidContent, Cause.OPTION_UNKNOWN),  # no trial reels
    2207082: _NEW_TRY,
    2207089: _MEDIA,
}
#: Codes that say enough without their subcode.
CODES: dict[int, Means] = {
    9: _DAY,
    25: _LOCKED,
    352: _UNREADABLE,
    9004: _NOT_FETCHED,
    9007: _NOT_READY,
    36000: _TOO_BIG,
    36001: _UNREADABLE,
    36003: _SHAPE,
    36004: _LONG,
}
#: Not there as a container: never made, over, or published already.
CONTAINER_UNKNOWN = 2207008
#: In the words of a refusal: there is no such place.
PLACE_UNKNOWN = "INVALID_LOCATION_ID"
#: How much of the account's newest posts is read at a time.
RECENT_PAGES, RECENT_PAGE = 3, 50


class InstagramClient(UploadClient):
    spec = SPEC

    @property
    def variant(self) -> str:
        return FACEBOOK if self.access.extra.get("variant") == FACEBOOK else INSTAGRAM

    @property
    def graph_host(self) -> str:
        return "facebook" if self.variant == FACEBOOK else "graph"

    # --- connecting, by Instagram's own sign-in

    def exchange_code(
        self, code: str, redirect_uri: str, verifier: str | None
    ) -> TokenSet:
        """Trade the code (1 h, once) for a token, and that at once for one of 60 days."""
        now = datetime.now(UTC)
        url = f"{self.host('api')}/oauth/access_token"
        answer = self.trade_code("POST /oauth/access_token", url, code, redirect_uri)
        data = _flat(answer.data())
        short = self.tokens_from(answer, data, now)
        long = self._token(
            "GET /access_token",
            "access_token",
            {
                "grant_type": "ig_exchange_token",
                "client_secret": self.environment.client_secret,
                "access_token": short.access_token,
            },
        )
        return replace(long, scopes=_scopes(data.get("permissions")))

    def refresh(self) -> TokenSet:
        """A new token for 60 days; the old one counts as replaced.

        TransientError while the token is younger than a day, AuthRevoked after its end:
        then only a person helps. Accounts that came through Facebook have none.
        """
        if self.variant == FACEBOOK:
            raise AuthRevoked(
                "a Page's token is not renewed; sign in again",
                cause=Cause.TOKEN_EXPIRED,
            )
        return self.renewed_by_itself(
            lambda token: self._token(
                "GET /refresh_access_token",
                "refresh_access_token",
                {"grant_type": "ig_refresh_token", "access_token": token},
            )
        )

    def _token(self, key: str, path: str, params: Mapping[str, str]) -> TokenSet:
        """These endpoints have no version in their address."""
        now = datetime.now(UTC)
        answer = self.send(key, f"{self.host('graph')}/{path}", params=dict(params))
        tokens = self.tokens_from(answer, answer.data(), now)
        return replace(
            self.renewing_itself(tokens),
            scopes=_scopes(answer.data().get("permissions")),
            extra={"variant": INSTAGRAM},
        )

    def identities(self) -> Sequence[Identity]:
        return [self.profile()]

    def profile(self) -> Identity:
        """The account itself. `user_id` is its id in paths and events, not `id`."""
        if self.variant == FACEBOOK:
            fields = "id,username,name,profile_picture_url,followers_count"
            answer = self._on_account("GET /:ig", "", {"fields": fields})
            number = answer.data().get("id")
        else:
            answer = self.graph("GET /me", "me", {"fields": f"user_id,{PROFILE}"})
            number = answer.data().get("user_id")
        data = answer.data()
        if not number:
            raise unreadable(answer, mutates=False)
        handle = str(data.get("username") or "")
        kind = str(data.get("account_type") or "")
        return Identity(
            external_id=str(number),
            kind="instagram",
            name=str(data.get("name") or handle or number),
            handle=handle,
            url=f"{self.host('www')}/{handle}/" if handle else "",
            avatar_url=str(data.get("profile_picture_url") or ""),
            can_publish=kind != "PERSONAL",
            extra={"variant": self.variant} | ({"account_type": kind} if kind else {}),
        )

    # --- health

    def prove(self) -> Proof:
        """Life and scopes, whether the account is still there, and the right to post.

        debug_token exists for the Facebook variant only; the other's scopes are those
        of its last token. The posting right is told by the call for the posts left. Of
        figures only the scope tells: without it Meta answers with empty lists.
        """
        grant = self.debug_token() if self.variant == FACEBOOK else None
        ends_at = grant.data_access_ends_at if grant else None
        abilities = {a: self._verdict(grant, a) for a in Ability}
        identity: Identity | None = None
        try:
            identity = self.profile()
        except PermissionMissing as error:
            if error.reach is Reach.APP:
                raise
            abilities = {
                # A scope that is missing says more than "no".
                a: v if v.ok is False else Verdict(False, error.cause, error.detail)
                for a, v in abilities.items()
            }
        if identity is not None and not identity.can_publish:
            abilities[Ability.PUBLISH] = Verdict(
                False, Cause.NOT_ALLOWED, "the account is not a professional one"
            )
        elif identity is not None and abilities[Ability.PUBLISH].ok is not False:
            abilities[Ability.PUBLISH] = self._may_post()
        return Proof(
            abilities=abilities,
            identity=identity,
            scopes=(grant.scopes if grant else self.access.scopes) or None,
            expires_at=grant.expires_at if grant else None,
            data_access_ends_at=ends_at,
        )

    def calls_of_proof(self) -> Mapping[str, int]:
        profile = {"GET /me": 1}
        if self.variant == FACEBOOK:
            profile = {"GET /debug_token": 1, "GET /:ig": 1}
        return {**profile, "GET /:ig/content_publishing_limit": 1}

    def _verdict(self, grant: Granted | None, ability: Ability) -> Verdict:
        needed = NEEDED[self.variant][ability]
        if grant is not None:
            if grant.is_data_access_over(datetime.now(UTC)):
                # Permissions of Instagram are not exempt from it, as those of Pages are.
                return Verdict(False, Cause.DATA_ACCESS_ENDED)
            missing = self._missing(grant, needed)
        elif not self.access.scopes:
            return Verdict(None, detail="the granted scopes are not known")
        else:
            missing = [scope for scope in needed if scope not in self.access.scopes]
        if missing:
            return Verdict(False, Cause.SCOPE_MISSING, " ".join(missing))
        return Verdict(True)

    def _may_post(self) -> Verdict:
        try:
            self.posts_left()
        except PermissionMissing as error:
            if error.reach is Reach.APP:
                raise
            return Verdict(False, error.cause, error.detail)
        return Verdict(True)

    def posts_left(self) -> tuple[int, int | None]:
        """Posts of the last 24 h, and how many there may be; answers only who may post."""
        key = "GET /:ig/content_publishing_limit"
        answer = self._on_account(
            key, "content_publishing_limit", {"fields": "config,quota_usage"}
        )
        rows = answer.data().get("data")
        row = rows[0] if isinstance(rows, list) and rows else None
        if not isinstance(row, dict) or not isinstance(row.get("quota_usage"), int):
            raise unreadable(answer, mutates=False)
        config = row.get("config")
        total = config.get("quota_total") if isinstance(config, dict) else None
        used, total = row["quota_usage"], total if isinstance(total, int) else None
        if total is not None:
            # The ledger of limits learns from what answers tell, header or not.
            told = json.dumps({"used": used, "total": total})
            self.http.usage[key] = {**self.http.usage.get(key, {}), QUOTA: told}
        return used, total

    # --- containers and posts

    def create_container(self, form: Mapping[str, str]) -> str:
        """Have a file fetched, or put a carousel together. Nobody sees a container."""
        # A form: some optional parameters were ignored in JSON.
        answer = self._on_account("POST /:ig/media", "media", data=dict(form))
        number = answer.data().get("id")
        if not number:
            raise unreadable(answer, mutates=False)
        return str(number)

    def container(self, number: str) -> Container:
        """How far a container is. NotFound when there is none (any more)."""
        answer = self.graph(
            "GET /:container", number, {"fields": "id,status_code,status"}
        )
        status = answer.data().get("status_code")
        if not status:
            raise unreadable(answer, mutates=False)
        return Container(str(status), str(answer.data().get("status") or ""))

    def send_video(self, number: str, file: MediaFile, offset: int) -> None:
        """Send the bytes of a container that waits for them. Facebook variant only."""
        self.send_file(
            "POST rupload /ig-api-upload/:container",
            f"ig-api-upload/{self.version}/{number}",
            file,
            offset,
        )

    def sent_bytes(self, number: str) -> int:
        """How many bytes of its video a container has."""
        answer = self.graph("GET /:container", number, {"fields": "id,video_status"})
        status = answer.data().get("video_status")
        phase = status.get("uploading_phase") if isinstance(status, dict) else None
        count = phase.get("bytes_transferred") if isinstance(phase, dict) else None
        if not isinstance(count, int):
            raise unreadable(answer, mutates=False)
        return count

    def publish(self, container: str) -> str:
        """Publish a container; the id of the post. A container goes out once.

        AmbiguousOutcome also when it is said to be unknown: that is how one that is
        live already is answered.
        """
        answer = self._on_account(
            "POST /:ig/media_publish", "media_publish", data={"creation_id": container}
        )
        number = answer.data().get("id")
        if not number:
            raise unreadable(answer, mutates=True)
        return str(number)

    def media(self, number: str) -> dict[str, Any]:
        """One post; `permalink`, `caption` and others may be absent."""
        fields = f"{MEDIA_FIELDS},shortcode"
        return self.graph("GET /:media", number, {"fields": fields}).data()

    def media_since(
        self, since: datetime, limit: int, after: str = ""
    ) -> tuple[list[dict[str, Any]], str]:
        """Posts since then, newest first, and where to go on ("": the end).

        Captions come without "@" for people who do not administer the account.
        """
        query = {
            "fields": MEDIA_FIELDS,
            "since": str(int(since.timestamp())),
            "limit": str(limit),
        }
        if after:
            query["after"] = after
        answer = self._on_account("GET /:ig/media", "media", query)
        return self.rows_of(answer)

    def stories(self) -> list[dict[str, Any]]:
        """Stories of the last 24 hours: they stand in no other list."""
        query = {"fields": "id,media_type,timestamp,permalink"}
        answer = self._on_account("GET /:ig/stories", "stories", query)
        return self.rows_of(answer)[0]

    def delete_post(self, external_id: str) -> None:
        """Delete a post; one that is gone counts as deleted. Facebook variant only."""
        if self.variant != FACEBOOK:
            raise NotImplementedError("Instagram's own sign-in cannot delete posts")
        try:
            self.graph("DELETE /:media", external_id)
        except NotFound:
            return

    # --- figures and comments

    def calls_of(self, what: After) -> Mapping[str, int]:
        asks_grant = {"GET /debug_token": 1} if self.variant == FACEBOOK else {}
        figures = {"GET /:media/insights": 1 + len(METRICS), "GET /:media": 1}
        deletes = {"DELETE /:media": 1} if self.variant == FACEBOOK else {}
        return {
            After.FIGURES: figures | asks_grant,
            After.COMMENTS: {"GET /:media/comments": 1} | asks_grant,
            After.ANSWER: {"POST /:comment/replies": 1},
            After.DELETE: deletes,
            After.HIDE: {"POST /:comment": 1},
            After.REMOVE: {"DELETE /:comment": 1},
            After.RECENT: {"GET /:ig/media": RECENT_PAGES},
        }.get(what, {})

    def recent_posts(self, since: datetime) -> RecentPosts:
        """Posts and reels. Stories, which live for a day, are left out."""

        def page(cursor: str | None) -> tuple[list[dict[str, Any]], str]:
            return self.media_since(since, RECENT_PAGE, cursor or "")

        return read_recent(since, RECENT_PAGES, page, remote_of)

    def figures(self, external_id: str) -> Figures:
        """Counted since it went out; of a story while it stands (24 h).

        PermissionMissing: without the permission Instagram answers with an empty list,
        as where nothing is counted yet; what was granted tells them apart.
        """
        needed = NEEDED[self.variant]
        path = f"{external_id}/insights"
        try:
            told = self.insights("GET /:media/insights", path, list(METRICS))
            if not told:
                self._must_have(needed[Ability.FIGURES])
                told = self._counts(external_id)
        except NotFound:
            self._must_have(needed[Ability.READ])
            raise
        values = {
            METRICS[name]: value
            for name, value in told.items()
            if name in METRICS and isinstance(value, int)
        }
        return Figures(values, datetime.now(UTC))

    def _counts(self, number: str) -> dict[str, Any]:
        """What is counted of a post without insights; likes may be hidden."""
        fields = {"fields": "id,like_count,comments_count"}
        row = self.graph("GET /:media", number, fields).data()
        return {"likes": row.get("like_count"), "comments": row.get("comments_count")}

    def comments(self, external_id: str, after: str = "") -> CommentPage:
        """Comments, each with the answers to it."""
        query = {"fields": COMMENT_FIELDS, "limit": str(COMMENTS_PAGE)}
        if after:
            query["after"] = after
        path = f"{external_id}/comments"
        try:
            rows, more = self.rows_of(self.graph("GET /:media/comments", path, query))
        except NotFound:
            self._must_have(NEEDED[self.variant][Ability.READ])
            raise
        found = (one for row in rows for one in _thread(row))
        return CommentPage(tuple(found), more)

    def comment(self, external_id: str, text: str) -> str:
        return self._wrote(
            self.graph(
                "POST /:media/comments",
                f"{external_id}/comments",
                data={"message": text},
            )
        )

    def reply(self, comment_id: str, text: str) -> str:
        """Answer below a comment; answers take none themselves (`flat_answers`)."""
        return self._wrote(
            self.graph(
                "POST /:comment/replies",
                f"{comment_id}/replies",
                data={"message": text},
            )
        )

    def set_hidden(self, comment_id: str, hidden: bool) -> None:
        value = "true" if hidden else "false"
        self.graph("POST /:comment", comment_id, data={"hide": value})

    def delete_comment(self, comment_id: str) -> None:
        """With the answers to it."""
        try:
            self.graph("DELETE /:comment", comment_id)
        except NotFound:
            return

    @staticmethod
    def _wrote(answer: Answer) -> str:
        # Asked for fields, Instagram writes the comment and then tells an error.
        if not answer.data().get("id"):
            raise unreadable(answer, mutates=True)
        return str(answer.data()["id"])

    def _must_have(self, scopes: Sequence[str]) -> None:
        """PermissionMissing when one of them is not granted (any more)."""
        if self.variant == FACEBOOK:
            missing = self._missing(self.debug_token(), scopes)
        elif self.access.scopes:
            missing = [scope for scope in scopes if scope not in self.access.scopes]
        else:
            missing = []
        if missing:
            raise PermissionMissing(" ".join(missing), cause=Cause.SCOPE_MISSING)

    def _missing(self, grant: Granted, scopes: Sequence[str]) -> list[str]:
        return [
            scope
            for scope in scopes
            if not (
                grant.covers(scope, self.access.external_id)
                if scope.startswith("instagram_")
                else scope in grant.scopes
            )
        ]

    def _on_account(
        self,
        key: str,
        edge: str,
        params: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> Answer:
        """A call on the account: were it not found, its Page is not linked any more."""
        path = "/".join(filter(None, (self.access.external_id, edge)))
        try:
            return self.graph(key, path, params, **kwargs)
        except NotFound as error:
            if error.code.endswith(str(CONTAINER_UNKNOWN)):
                raise
            raise not_ours(error) from error

    # --- Instagram's part of the table of errors

    def own_error(
        self, fault: Fault, facts: Mapping[str, Any], mutates: bool
    ) -> PlatformError | None:
        if "not an instagram business" in fault.said.lower():
            return PermissionMissing(fault.text, cause=Cause.NOT_ALLOWED, **facts)
        if PLACE_UNKNOWN in fault.text:
            return InvalidContent(fault.text, cause=Cause.OPTION_UNKNOWN, **facts)
        if fault.fine == CONTAINER_UNKNOWN:
            kind = AmbiguousOutcome if mutates else NotFound
            return kind(fault.text, cause=Cause.MEDIA_EXPIRED, **facts)
        if fault.fine == 2207001 and mutates:
            return AmbiguousOutcome(fault.text, cause=Cause.PLATFORM_TROUBLE, **facts)
        means = SUBCODES.get(fault.fine) or CODES.get(fault.code)
        return means.make(fault.text, facts) if means else None


def _thread(row: Mapping[str, Any]) -> Iterator[Comment]:
    """A comment and the answers that come along with it."""
    number = str(row.get("id") or "")
    if not number:
        return
    yield _comment(row, "")
    below = row.get("replies")
    answers = below.get("data") if isinstance(below, dict) else None
    for answer in answers if isinstance(answers, list) else []:
        if isinstance(answer, dict) and answer.get("id"):
            yield _comment(answer, number)


def _comment(row: Mapping[str, Any], parent: str) -> Comment:
    who = row.get("from")
    named = who.get("username") if isinstance(who, dict) else ""
    return Comment(
        external_id=str(row["id"]),
        text=str(row.get("text") or ""),
        author=str(row.get("username") or named or ""),
        published_at=graph_time(row.get("timestamp")),
        parent_id=parent,
        hidden=row.get("hidden") is True,
    )


def _flat(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The token's answer: documented inside of a list, seen without it."""
    rows = data.get("data")
    first = rows[0] if isinstance(rows, list) and rows else None
    return first if isinstance(first, dict) else data


def _scopes(value: Any) -> tuple[str, ...]:
    """Permissions as a list, or as a text with commas."""
    names = value if isinstance(value, list) else str(value or "").split(",")
    return tuple(name for name in (str(n).strip() for n in names) if name)


def remote_of(row: Mapping[str, Any]) -> RemotePost:
    return RemotePost(
        external_id=str(row["id"]),
        permalink=str(row.get("permalink") or ""),
        text=str(row.get("caption") or ""),
        published_at=graph_time(row.get("timestamp")),
    )

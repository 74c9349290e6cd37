"""Threads' API: one method per call.

Meta's envelopes, with hosts, apps and tokens of its own. Parameters go as query or
form: in JSON, optional ones were ignored.
Source: https://developers.facebook.com/documentation/threads (v1.0).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
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
    Proof,
    RecentPosts,
    RemotePost,
    TokenSet,
    Verdict,
    read_recent,
)
from ..errors import (
    Cause,
    InvalidContent,
    NotFound,
    PermissionMissing,
    PlatformError,
    RateLimited,
    Reach,
    TransientError,
    as_kind,
)
from ..facebook.containers import Container
from ..facebook.graph import (
    HOUR_S,
    Fault,
    Granted,
    GraphClient,
    Means,
    graph_time,
    insight_value,
    unreadable,
)
from ..http import Answer
from .spec import (
    DELETE,
    FIRST_RENEWAL,
    GRANT_LIFE,
    INTROSPECTS,
    MANAGE_REPLIES,
    NEEDED,
    PUBLISH,
    SPEC,
)

PROFILE = "id,username,name,threads_profile_picture_url,threads_biography,is_verified"
MEDIA_FIELDS = "id,text,timestamp,permalink,media_type,is_quote_post"
COMMENT_FIELDS = (
    "id,text,timestamp,username,permalink,root_post,replied_to,is_reply,"
    "is_reply_owned_by_me,hide_status"
)
#: kind of quota -> its bucket, and the scope that it wants
QUOTAS = {
    "": ("posts", PUBLISH),
    "reply_": ("replies", MANAGE_REPLIES),
    "delete_": ("deletes", DELETE),
}
#: What the answer about posts left is kept under, beside the headers of other calls.
QUOTA = "x-publishing-limit-usage"
#: Threads' name -> ours; several add up.
METRICS = {
    "views": Figure.IMPRESSIONS,
    "likes": Figure.LIKES,
    "replies": Figure.COMMENTS,
    "reposts": Figure.SHARES,
    "quotes": Figure.SHARES,
    "shares": Figure.SHARES,
}
SHOWN = {"", "NOT_HUSHED", "UNHUSHED"}

#: A container or post that is not there, or not yet at the server that was asked.
NOT_SPREAD = 4279009
_NOT_READY = Means(TransientError, Cause.MEDIA_NOT_READY, wait_s=3)
_NOT_FETCHED = Means(TransientError, Cause.MEDIA_NOT_PUBLIC)
_DAY = Means(RateLimited, Cause.DAILY_LIMIT, wait_s=HOUR_S)
SUBCODES: dict[int, Means] = {
    NOT_SPREAD: _NOT_READY,
    4476002: Means(PermissionMissing, Cause.APP_REFUSED, Reach.APP),
    4279013: Means(PermissionMissing, Cause.ACCOUNT_LOCKED),
    2207042: _DAY,
    2207051: Means(RateLimited, wait_s=3 * HOUR_S),
    2207052: _NOT_FETCHED,
}
CODES: dict[int, Means] = {
    9: _DAY,
    24: _NOT_READY,
}
#: Words of a refusal with code 100, in lower case.
WORDS: dict[str, Means] = {
    "link_limit_exceeded": Means(InvalidContent, Cause.TOO_MANY_LINKS),
    "at most 500 characters": Means(InvalidContent, Cause.TEXT_TOO_LONG),
    "could not be fetched": _NOT_FETCHED,
}
#: What the account only passed on.
REPOST = "REPOST_FACADE"
#: How much of the account's newest posts is read at a time.
RECENT_PAGES, RECENT_PAGE = 3, 50
#: of the account's posts, in which one that is to be quoted is looked for
QUOTE_PAGES, QUOTE_PAGE = 5, 100
#: Threads takes no earlier time.
FIRST_POSTS = datetime.fromtimestamp(1_688_540_400, UTC)


class ThreadsClient(GraphClient):
    spec = SPEC

    def graph(
        self,
        key: str,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        token: str = "",
        **kwargs: Any,
    ) -> Answer:
        """One call with a token, the client's own unless given, as a parameter."""
        given = {**(params or {}), "access_token": token or self.access.token}
        url = f"{self.host('graph')}/{self.version}/{path}"
        if key.startswith("POST "):
            return self.send(key, url, data=given, **kwargs)
        return self.send(key, url, params=given, **kwargs)

    # --- connecting

    def exchange_code(
        self, code: str, redirect_uri: str, verifier: str | None
    ) -> TokenSet:
        """Trade the code (1 h, once) for a token, and that at once for one of 60 days."""
        url = f"{self.host('graph')}/oauth/access_token"
        answer = self.trade_code("POST /oauth/access_token", url, code, redirect_uri)
        short = self.tokens_from(answer, answer.data(), datetime.now(UTC))
        long = self._token(
            "GET /access_token",
            "access_token",
            {
                "grant_type": "th_exchange_token",
                "client_secret": self.environment.client_secret,
                "access_token": short.access_token,
            },
        )
        grant = self.granted(long.access_token)
        assert long.issued_at is not None
        soon = long.issued_at + FIRST_RENEWAL if FIRST_RENEWAL else None
        return replace(
            long,
            scopes=grant.scopes if grant else (),
            refresh_expires_at=soon or long.refresh_expires_at,
            data_access_ends_at=grant.data_access_ends_at if grant else None,
        )

    def refresh(self) -> TokenSet:
        """A new token for 60 days, which renews the person's permission as well."""
        tokens = self.renewed_by_itself(
            lambda token: self._token(
                "GET /refresh_access_token",
                "refresh_access_token",
                {"grant_type": "th_refresh_token", "access_token": token},
            )
        )
        assert tokens.issued_at is not None
        return replace(tokens, data_access_ends_at=tokens.issued_at + GRANT_LIFE)

    def _token(self, key: str, path: str, params: Mapping[str, str]) -> TokenSet:
        """These endpoints have no version in their address."""
        now = datetime.now(UTC)
        answer = self.send(key, f"{self.host('graph')}/{path}", params=dict(params))
        tokens = self.tokens_from(answer, answer.data(), now)
        return self.renewing_itself(tokens)

    def identities(self) -> Sequence[Identity]:
        return [self.profile()]

    def profile(self) -> Identity:
        answer = self.graph("GET /me", "me", {"fields": PROFILE})
        data = answer.data()
        if not data.get("id"):
            raise unreadable(answer, mutates=False)
        # A number larger than 2^53 in some answers, a text in others.
        number, handle = str(data["id"]), str(data.get("username") or "")
        return Identity(
            external_id=number,
            kind="user",
            name=str(data.get("name") or handle or number),
            handle=handle,
            url=f"{self.host('www')}/@{handle}" if handle else "",
            avatar_url=str(data.get("threads_profile_picture_url") or ""),
        )

    # --- health

    def prove(self) -> Proof:
        """Life and scopes, the profile, and by the posts left the right to post.

        Of figures only the scope tells.
        """
        grant = self.granted()
        scopes = (grant.scopes if grant else ()) or self.access.scopes
        abilities = {a: self._verdict(grant, scopes, a) for a in Ability}
        identity: Identity | None = None
        try:
            identity = self.profile()
            if abilities[Ability.PUBLISH].ok is not False:
                abilities[Ability.PUBLISH] = self._may_post(scopes)
        except PermissionMissing as error:
            if error.reach is Reach.APP:
                raise
            abilities = {
                # A scope that is missing says more than "no".
                a: v if v.ok is False else Verdict(False, error.cause, error.detail)
                for a, v in abilities.items()
            }
        return Proof(
            abilities=abilities,
            identity=identity,
            scopes=scopes or None,
            expires_at=grant.expires_at if grant else None,
            data_access_ends_at=grant.data_access_ends_at if grant else None,
        )

    def calls_of_proof(self) -> Mapping[str, int]:
        return {
            "GET /oauth/access_token": 1,
            "GET /debug_token": 1,
            "GET /me": 1,
            "GET /:user/threads_publishing_limit": 1,
        }

    def granted(self, token: str = "") -> Granted | None:
        """What Threads knows of a token; None where it does not tell.

        Raises AuthExpired or AuthRevoked for one that is said to be dead. A refusal of
        the question itself proves nothing: how it has to be asked is not documented.
        """
        if not INTROSPECTS:
            return None
        try:
            app = self.token_answer(
                "GET /oauth/access_token",
                f"{self.host('graph')}/oauth/access_token",
                {
                    "client_id": self.environment.client_id,
                    "client_secret": self.environment.client_secret,
                    "grant_type": "client_credentials",
                },
            )
            return self.debug_token(token, by=app.access_token)
        except (InvalidContent, NotFound, PermissionMissing):
            return None

    def _verdict(
        self, grant: Granted | None, scopes: Sequence[str], ability: Ability
    ) -> Verdict:
        if grant is not None and grant.is_data_access_over(datetime.now(UTC)):
            return Verdict(False, Cause.DATA_ACCESS_ENDED)
        if not scopes:
            return Verdict(None, detail="the granted scopes are not known")
        missing = [scope for scope in NEEDED[ability] if scope not in scopes]
        if missing:
            return Verdict(False, Cause.SCOPE_MISSING, " ".join(missing))
        return Verdict(True)

    def _may_post(self, scopes: Sequence[str]) -> Verdict:
        try:
            self.quotas(scopes)
        except PermissionMissing as error:
            if error.reach is Reach.APP:
                raise
            return Verdict(False, error.cause, error.detail)
        return Verdict(True)

    def quotas(self, scopes: Sequence[str]) -> dict[str, tuple[int, int]]:
        """Bucket -> (used, total) of the last 24 h; answers only who may post.

        scopes: those of the token; each quota but that of posts wants its own.
        """
        key = "GET /:user/threads_publishing_limit"
        kinds = {
            kind: bucket
            for kind, (bucket, scope) in QUOTAS.items()
            if scope in {PUBLISH, *scopes}
        }
        fields = ",".join(f"{kind}quota_usage,{kind}config" for kind in kinds)
        path = f"{self.access.external_id}/threads_publishing_limit"
        answer = self.graph(key, path, {"fields": fields})
        rows = answer.data().get("data")
        row = rows[0] if isinstance(rows, list) and rows else None
        if not isinstance(row, dict) or not isinstance(row.get("quota_usage"), int):
            raise unreadable(answer, mutates=False)
        found = {}
        for kind, bucket in kinds.items():
            used, config = row.get(f"{kind}quota_usage"), row.get(f"{kind}config")
            total = config.get("quota_total") if isinstance(config, dict) else None
            if isinstance(used, int) and isinstance(total, int):
                found[bucket] = (used, total)
        # The ledger of limits learns from what answers tell, header or not.
        told = {QUOTA: json.dumps(found)}
        self.http.usage[key] = {**self.http.usage.get(key, {}), **told}
        return found

    # --- containers and posts

    def create_container(self, form: Mapping[str, str]) -> str:
        """Prepare a post, or a part of one. Nobody sees a container."""
        path = f"{self.access.external_id}/threads"
        key = "POST /:user/threads"
        if "reply_to_id" in form:
            key = "POST /:user/threads (part)"
        return self._id_of(self.graph(key, path, form), mutates=False)

    def container(self, number: str) -> Container:
        """How far a container is. Its field is `status`, other than Instagram's.

        TransientError(MEDIA_NOT_READY): not known there, perhaps not yet.
        """
        fields = {"fields": "id,status,error_message"}
        answer = self.graph("GET /:container", number, fields)
        status = answer.data().get("status")
        if not status:
            raise unreadable(answer, mutates=False)
        return Container(str(status), str(answer.data().get("error_message") or ""))

    def publish(self, container: str, *, is_reply: bool = False) -> str:
        """Publish a container; the id of the post. A container goes out once.

        TransientError(MEDIA_NOT_READY): it is not known yet where it was asked for.
        """
        key = "POST /:user/threads_publish"
        if is_reply:
            key = "POST /:user/threads_publish (part)"
        path = f"{self.access.external_id}/threads_publish"
        answer = self.graph(key, path, {"creation_id": container})
        return self._id_of(answer, mutates=True)

    @staticmethod
    def _id_of(answer: Answer, mutates: bool) -> str:
        if not (number := answer.data().get("id")):
            raise unreadable(answer, mutates=mutates)
        return str(number)

    def media(self, number: str) -> dict[str, Any]:
        """One post; `permalink` and `text` may be absent."""
        fields = f"{MEDIA_FIELDS},shortcode"
        return self._of_post("GET /:media", number, {"fields": fields}).data()

    def posts_since(
        self,
        since: datetime,
        limit: int,
        after: str = "",
        *,
        replies: bool = False,
    ) -> tuple[list[dict[str, Any]], str]:
        """Posts since then without replies, or replies alone (with `replied_to`), newest
        first, and where to go on ("": the end)."""
        query = {
            "fields": f"{MEDIA_FIELDS},replied_to" if replies else MEDIA_FIELDS,
            "since": str(int(since.timestamp())),
            "limit": str(limit),
        }
        if after:
            query["after"] = after
        key, path = "GET /me/threads", "me/threads"
        if replies:
            key, path = "GET /me/replies", "me/replies"
        return self.rows_of(self.graph(key, path, query))

    def quoted(self, address: str) -> str:
        """The id of a post of this account by its address, of the newest 500. NotFound:
        Threads tells no app the ids of other people's posts."""
        code = address.rstrip("/").rpartition("/post/")[2]
        after = ""
        for _page in range(QUOTE_PAGES):
            rows, after = self.posts_since(FIRST_POSTS, QUOTE_PAGE, after)
            for row in rows:
                if code and str(row.get("permalink") or "").endswith(f"/post/{code}"):
                    return str(row["id"])
            if not after:
                break
        raise NotFound("no post of this account has that address")

    def delete_post(self, external_id: str) -> None:
        """Delete a post; one that is gone counts as deleted. 100 a day."""
        try:
            self._of_post("DELETE /:media", external_id)
        except NotFound:
            return

    # --- figures and comments

    def calls_of(self, what: After) -> Mapping[str, int]:
        return {
            After.FIGURES: {"GET /:media/insights": 1},
            After.COMMENTS: {"GET /:media/conversation": 1},
            After.ANSWER: {"POST /:user/threads (reply)": 1},
            After.DELETE: {"DELETE /:media": 1},
            After.HIDE: {"POST /:reply/manage_reply": 1},
            After.RECENT: {"GET /me/threads": RECENT_PAGES},
        }.get(what, {})

    def recent_posts(self, since: datetime) -> RecentPosts:
        """Without replies, and without what the account only passed on."""

        def page(cursor: str | None) -> tuple[list[dict[str, Any]], str]:
            return self.posts_since(since, RECENT_PAGE, cursor or "")

        def post_of(row: Mapping[str, Any]) -> RemotePost | None:
            return None if row.get("media_type") == REPOST else remote_of(row)

        return read_recent(since, RECENT_PAGES, page, post_of)

    def figures(self, external_id: str) -> Figures:
        """Counted since it went out. Reposts have none."""
        answer = self._of_post(
            "GET /:media/insights",
            f"{external_id}/insights",
            {"metric": ",".join(METRICS)},
        )
        rows, _after = self.rows_of(answer)
        values: dict[Figure, int] = {}
        for row in rows:
            figure, value = METRICS.get(str(row.get("name"))), insight_value(row)
            if figure is not None and isinstance(value, int):
                values[figure] = values.get(figure, 0) + value
        return Figures(values, datetime.now(UTC))

    def comments(self, external_id: str, after: str = "") -> CommentPage:
        """Replies of every depth, flattened, the newest first."""
        query = {"fields": COMMENT_FIELDS} | ({"after": after} if after else {})
        path = f"{external_id}/conversation"
        rows, more = self.rows_of(
            self._of_post("GET /:media/conversation", path, query)
        )
        found = (_comment(row, external_id) for row in rows if row.get("id"))
        return CommentPage(tuple(found), more)

    def reply(self, comment_id: str, text: str) -> str:
        """Answer in one call: there is no container to ask after a lost answer."""
        form = {
            "media_type": "TEXT",
            "text": text,
            "reply_to_id": comment_id,
            "auto_publish_text": "true",
        }
        path = f"{self.access.external_id}/threads"
        answer = self.graph("POST /:user/threads (reply)", path, form)
        return self._id_of(answer, mutates=True)

    def set_hidden(self, comment_id: str, hidden: bool) -> None:
        """The replies below it are hidden with it."""
        form = {"hide": "true" if hidden else "false"}
        path = f"{comment_id}/manage_reply"
        self._of_post("POST /:reply/manage_reply", path, form)

    def _of_post(
        self, key: str, path: str, params: Mapping[str, str] | None = None
    ) -> Answer:
        """A call about a post that has long been out: unknown means gone."""
        try:
            return self.graph(key, path, params)
        except TransientError as error:
            if error.code.endswith(str(NOT_SPREAD)):
                raise as_kind(NotFound, error) from error
            raise

    # --- Threads' part of the table of errors

    def own_error(
        self, fault: Fault, facts: Mapping[str, Any], mutates: bool
    ) -> PlatformError | None:
        means = SUBCODES.get(fault.fine) or CODES.get(fault.code)
        if means is None and fault.code == 100 and not fault.subcode:
            lower = fault.said.lower()
            means = next((m for words, m in WORDS.items() if words in lower), None)
        return means.make(fault.text, facts) if means else None


def _comment(row: Mapping[str, Any], post: str) -> Comment:
    above = row.get("replied_to")
    parent = str(above.get("id") or "") if isinstance(above, dict) else ""
    return Comment(
        external_id=str(row["id"]),
        text=str(row.get("text") or ""),
        author=str(row.get("username") or ""),
        published_at=graph_time(row.get("timestamp")),
        permalink=str(row.get("permalink") or ""),
        parent_id="" if parent == post else parent,
        hidden=str(row.get("hide_status") or "") not in SHOWN,
    )


def remote_of(row: Mapping[str, Any]) -> RemotePost:
    return RemotePost(
        external_id=str(row["id"]),
        permalink=str(row.get("permalink") or ""),
        text=str(row.get("text") or ""),
        published_at=graph_time(row.get("timestamp")),
    )

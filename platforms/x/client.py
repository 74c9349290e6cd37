"""X API v2: one method per call. Source: https://docs.x.com/x-api (2026-09)."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import IO, Any, NoReturn
from urllib.parse import quote

from ..base import (
    Ability,
    After,
    Comment,
    CommentPage,
    Figure,
    Figures,
    Identity,
    MediaFile,
    MediaKind,
    PlatformClient,
    Proof,
    RecentPosts,
    RemotePost,
    TokenSet,
    Verdict,
    life_s,
    read_recent,
)
from ..captions import language_name
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
)
from ..http import MAX_WAIT_S, Answer, FilePart, redact
from .spec import MEDIA, MEDIA_LIFE_S, PAGE, READ, SPEC, WRITE

#: A token younger than this that is refused was revoked: it cannot have expired.
FRESH = timedelta(minutes=5)
#: Posts before this id have no creation time in it.
FIRST_SNOWFLAKE = 29_700_859_247
USER_FIELDS = (
    "created_at,profile_image_url,protected,subscription_type,verified,verified_type"
)
#: The query parameter was renamed in 2026-08, and values of it with it.
POST_FIELDS = {
    "tweet.fields": "created_at,entities,attachments,referenced_tweets,note_tweet",
    "post.fields": "created_at,entities,attachments,referenced_posts,note_post",
}

#: What only the author sees of a post is told for so long; asked for later, it is an
#: error beside the post.
PRIVATE_FOR = timedelta(days=30)
PUBLIC_FIGURES = "created_at,public_metrics"
OWN_FIGURES = f"{PUBLIC_FIGURES},non_public_metrics"
#: X's names, old and new -> ours
METRICS = {
    "impression_count": Figure.IMPRESSIONS,
    "like_count": Figure.LIKES,
    "reply_count": Figure.COMMENTS,
    "retweet_count": Figure.SHARES,
    "repost_count": Figure.SHARES,
    "quote_count": Figure.SHARES,
    "bookmark_count": Figure.SAVES,
}
REPLY_FIELDS = {
    "tweet.fields": "author_id,created_at,in_reply_to_user_id,referenced_tweets,"
    "entities,note_tweet",
    "post.fields": "author_id,created_at,in_reply_to_user_id,referenced_posts,"
    "entities,note_post",
}

#: Part of X's text in a 403 -> what it means. Texts change without notice, so what
#: matches none of them is a refusal without a known reason.
REFUSALS: tuple[tuple[str, type[PlatformError], Cause, Reach], ...] = (
    ("duplicate content", DuplicateContent, Cause.DUPLICATE_TEXT, Reach.POST),
    ("reply to this conversation", PermissionMissing, Cause.NOT_ALLOWED, Reach.POST),
    ("quoting this post", PermissionMissing, Cause.NOT_ALLOWED, Reach.POST),
    ("deleted or not visible to you", NotFound, Cause.PARENT_GONE, Reach.POST),
    ("one cashtag", InvalidContent, Cause.TEXT_REFUSED, Reach.POST),
    ("invalid url", InvalidContent, Cause.LINK_REFUSED, Reach.POST),
    ("post a video longer", InvalidContent, Cause.VIDEO_TOO_LONG, Reach.POST),
    ("text is too long", InvalidContent, Cause.TEXT_TOO_LONG, Reach.POST),
    ("not permitted to perform", InvalidContent, Cause.UNKNOWN_REFUSAL, Reach.POST),
    ("not authorized to delete", PermissionMissing, Cause.NOT_ALLOWED, Reach.POST),
    ("is suspended", PermissionMissing, Cause.ACCOUNT_SUSPENDED, Reach.TOKEN),
    ("unlock", PermissionMissing, Cause.ACCOUNT_LOCKED, Reach.TOKEN),
    ("temporarily locked", PermissionMissing, Cause.ACCOUNT_LOCKED, Reach.TOKEN),
)
#: Last segment of a problem type in a 403 -> cause and reach of PermissionMissing.
PROBLEMS: dict[str, tuple[Cause, Reach]] = {
    "user-suspended": (Cause.ACCOUNT_SUSPENDED, Reach.TOKEN),
    "unsupported-authentication": (Cause.NOT_ALLOWED, Reach.TOKEN),
    "oauth1-permissions": (Cause.APP_REFUSED, Reach.APP),
    "client-forbidden": (Cause.APP_REFUSED, Reach.APP),
    "not-authorized-for-resource": (Cause.NOT_ALLOWED, Reach.POST),
}


#: Events come without an end that is told.
EVENTS_MARGIN = timedelta(days=2)
#: X's name for SRT
SRT_TYPE = "text/srt"
CATEGORIES = {MediaKind.GIF: "tweet_gif", MediaKind.VIDEO: "tweet_video"}
#: The longest time that we let X name until the next question.
LONGEST_WAIT_S = 600.0
#: Pages of the account's newest posts that are read at a time.
RECENT_PAGES = 2


@dataclass(frozen=True)
class Processing:
    """What X tells of its work on a file.

    state: pending, in_progress, succeeded or failed; "": it told nothing. wait_s: until
    the next question. code and detail: why it failed.
    """

    state: str
    wait_s: float
    ends_at: datetime | None = None
    code: str = ""
    detail: str = ""


class XClient(PlatformClient):
    spec = SPEC
    proves_by_fixed_paths = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._fields_name = "tweet.fields"

    # --- connecting

    def exchange_code(
        self, code: str, redirect_uri: str, verifier: str | None
    ) -> TokenSet:
        """Trade the code (alive for 30 s, once) for tokens. AuthRevoked: code refused."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier or "",
        }
        return self._tokens(form, Cause.CODE_REFUSED, mutates=False)

    def refresh(self) -> TokenSet:
        """Renew; the refresh token works once and a new one comes with the answer.

        AmbiguousOutcome: the answer was lost, so the stored refresh token may be used
        up; try the stored access token, then one more refresh, before giving up.
        """
        form = {
            "grant_type": "refresh_token",
            "refresh_token": self.access.refresh_token,
        }
        return self._tokens(form, Cause.REFRESH_REFUSED, mutates=True)

    def revoke(self) -> None:
        for token in (self.access.token, self.access.refresh_token):
            if not token:
                continue
            try:
                self._oauth("revoke", {"token": token}, Cause.TOKEN_REVOKED, False)
            except AuthRevoked:
                continue  # it was dead already

    def _tokens(self, form: dict[str, str], refused: Cause, mutates: bool) -> TokenSet:
        now = datetime.now(UTC)
        answer = self._oauth("token", form, refused, mutates)
        data = answer.data()
        if not data.get("access_token"):
            raise _unreadable(answer, mutates)
        lives_s = life_s(data.get("expires_in"), self.spec.token_life_s)
        return TokenSet(
            access_token=str(data["access_token"]),
            refresh_token=str(data.get("refresh_token") or ""),
            issued_at=now,
            expires_at=now + timedelta(seconds=lives_s),
            scopes=tuple(str(data.get("scope") or "").split()),
        )

    def _oauth(
        self, name: str, form: dict[str, str], refused: Cause, mutates: bool
    ) -> Answer:
        key = self.spec.call(f"POST /2/oauth2/{name}").key
        answer = self.http.request(
            "POST",
            f"{self.host('api')}/2/oauth2/{name}",
            call=key,
            mutates=mutates,
            data=form,
            auth=(self.environment.client_id, self.environment.client_secret),
        )
        if answer.ok:
            return answer
        raise self._oauth_error(answer, refused, mutates)

    def _oauth_error(
        self, answer: Answer, refused: Cause, mutates: bool
    ) -> PlatformError:
        if answer.status in (402, 429) or answer.status >= 500 or not answer.data():
            return self.error_from(answer, mutates)
        data = answer.data()
        code = str(data.get("error") or "")
        said = str(data.get("error_description") or "")
        text = redact(said)
        facts = _facts(answer, code=code)
        # A dead refresh token is "invalid_request" here; the text tells it from a
        # request that is wrong in itself.
        if code == "invalid_grant" or (
            answer.status == 400 and said.lower().startswith("value passed for")
        ):
            return AuthRevoked(text, cause=refused, **facts)
        # Everything else is about our app's credentials; no account is at fault.
        return PermissionMissing(
            text or answer.text(), cause=Cause.APP_REFUSED, reach=Reach.APP, **facts
        )

    def identities(self) -> Sequence[Identity]:
        return [self.me()]

    def prove(self) -> Proof:
        """One User read. X says nothing of scopes here: they are those of the grant."""
        identity = self.me()
        granted = self.access.scopes
        publish = _verdict(granted, WRITE)
        if publish.ok and not set(MEDIA) <= set(granted):
            publish = Verdict(
                True, detail="no images, no videos: media.write is missing"
            )
        return Proof(
            abilities={
                Ability.PUBLISH: publish,
                Ability.READ: _verdict(granted, READ),
                Ability.FIGURES: _verdict(granted, READ),
            },
            identity=identity,
            scopes=granted or None,
        )

    def calls_of_proof(self) -> Mapping[str, int]:
        return {"GET /2/users/me": 1}

    def me(self) -> Identity:
        """The account of the token (75 calls in 15 min; one User read a day)."""
        answer = self._get(
            "GET /2/users/me", "/2/users/me", {"user.fields": USER_FIELDS}
        )
        user = answer.data().get("data") or {}
        if not user.get("id"):
            raise _unreadable(answer, mutates=False)
        handle = str(user.get("username") or "")
        return Identity(
            external_id=str(user["id"]),
            kind="user",
            name=str(user.get("name") or handle),
            handle=handle,
            url=f"{self.host('web')}/{handle}",
            avatar_url=str(user.get("profile_image_url") or ""),
            extra={
                "subscription_type": str(user.get("subscription_type") or "None"),
                "protected": bool(user.get("protected", False)),
                "verified_type": str(user.get("verified_type") or ""),
            },
        )

    # --- events

    def ask_for_events(
        self,
        account_id: str,
        callback: str,
        secret: str,
        *,
        app_number: str = "",
        app_token: str = "",
    ) -> datetime | None:
        """Deleted posts and replies of an account. Two to six calls; X asks the callback
        before it answers. Each event costs."""
        by_app = {"Authorization": f"Bearer {app_token}"}
        hook_id = self._webhook(callback, by_app)
        rows = self._subscriptions(account_id, hook_id, by_app)
        known = {str(row.get("event_type")) for row in rows}
        for kind, headers in (
            ("post.delete", by_app),
            # What others do is told to the account's own token alone.
            ("post.reply.create", self._bearer()),
        ):
            if kind in known:
                continue
            self.send(
                "POST /2/activity/subscriptions",
                self.host("api") + "/2/activity/subscriptions",
                headers=headers,
                json={
                    "event_type": kind,
                    "filter": {"user_id": account_id},
                    "webhook_id": hook_id,
                },
            )
        # It may end without a word, so nothing is relied on for longer than the next look.
        return datetime.now(UTC) + EVENTS_MARGIN

    def stop_events(self, account_id: str, callback: str, *, app_token: str) -> None:
        by_app = {"Authorization": f"Bearer {app_token}"}
        ours = self._registered(callback, by_app)
        if ours is None:
            return
        for row in self._subscriptions(account_id, str(ours.get("id")), by_app):
            number = quote(str(row.get("subscription_id")), safe="")
            try:
                self.send(
                    "DELETE /2/activity/subscriptions/:id",
                    f"{self.host('api')}/2/activity/subscriptions/{number}",
                    headers=by_app,
                )
            except NotFound:
                continue  # it was gone already

    def _registered(
        self, callback: str, headers: Mapping[str, str]
    ) -> dict[str, Any] | None:
        url = self.host("api") + "/2/webhooks"
        rows = _rows(self.send("GET /2/webhooks", url, headers=dict(headers)))
        return next((row for row in rows if row.get("url") == callback), None)

    def _webhook(self, callback: str, headers: Mapping[str, str]) -> str:
        """The id of our address there, registered and valid."""
        url = self.host("api") + "/2/webhooks"
        known = self._registered(callback, headers)
        if known is None:
            answer = self.send(
                "POST /2/webhooks", url, headers=dict(headers), json={"url": callback}
            )
            known = _data(answer)
            if not known.get("id"):
                raise _unreadable(answer, mutates=False)
        elif known.get("valid") is False:
            self.send(
                "PUT /2/webhooks/:id",
                f"{url}/{quote(str(known.get('id')), safe='')}",
                headers=dict(headers),
            )
        return str(known.get("id"))

    def _subscriptions(
        self, account_id: str, hook_id: str, headers: Mapping[str, str]
    ) -> list[dict[str, Any]]:
        """Those by which events of the account come to the address."""
        answer = self.send(
            "GET /2/activity/subscriptions",
            self.host("api") + "/2/activity/subscriptions",
            headers=dict(headers),
        )
        return [
            row
            for row in _rows(answer)
            if str(row.get("webhook_id")) == hook_id
            and str(_dict(row.get("filter")).get("user_id")) == account_id
        ]

    # --- media

    def upload_image(self, file: MediaFile) -> tuple[str, datetime]:
        """Send one image; return its media id and until when it can be posted."""
        now = datetime.now(UTC)
        with file.open() as stream:
            answer = self.send(
                "POST /2/media/upload",
                self.host("api") + "/2/media/upload",
                headers=self._bearer(),
                data={"media_category": "tweet_image"},
                upload=_part_of(file, stream, file.size_bytes),
            )
        return _media_id(answer, now)

    def begin_upload(self, file: MediaFile) -> tuple[str, datetime]:
        """Open a session for a video or GIF; return its media id and its end.

        One that is not used costs nothing.
        """
        now = datetime.now(UTC)
        answer = self.send(
            "POST /2/media/upload/initialize",
            self.host("api") + "/2/media/upload/initialize",
            headers=self._bearer(),
            json={
                "media_type": file.mime_type,
                "total_bytes": file.size_bytes,
                "media_category": CATEGORIES[file.kind],
            },
        )
        return _media_id(answer, now)

    def begin_captions(self, size: int) -> tuple[str, datetime]:
        """The same for a file of SRT, of so many bytes."""
        now = datetime.now(UTC)
        answer = self.send(
            "POST /2/media/upload/initialize",
            self.host("api") + "/2/media/upload/initialize",
            headers=self._bearer(),
            json={
                "media_type": SRT_TYPE,
                "total_bytes": size,
                "media_category": "subtitles",
            },
        )
        return _media_id(answer, now)

    def append_captions(self, media_id: str, data: bytes) -> None:
        """All of it: it is smaller than a part may be."""
        self.send(
            "POST /2/media/upload/:id/append",
            self._upload_url(media_id, "append"),
            headers=self._bearer(),
            data={"segment_index": "0"},
            upload=FilePart(
                "media", BytesIO(data), len(data), "captions.srt", SRT_TYPE
            ),
        )

    def tie_captions(self, video_id: str, captions_id: str, language: str) -> None:
        """Show uploaded captions with an uploaded video. Sent again, it is as before."""
        self.send(
            "POST /2/media/subtitles",
            self.host("api") + "/2/media/subtitles",
            headers=self._bearer(),
            json={
                "id": video_id,
                "media_category": "TweetVideo",
                "subtitles": {
                    "id": captions_id,
                    "language_code": language.partition("-")[0].upper(),
                    "display_name": language_name(language),
                },
            },
        )

    def append(
        self, media_id: str, file: MediaFile, index: int, part_bytes: int
    ) -> datetime | None:
        """Send the part with this number, from 0; return the session's end when told.

        Sent again, it takes the place of the one that is there.
        """
        start = index * part_bytes
        length = min(part_bytes, file.size_bytes - start)
        with file.open() as stream:
            stream.seek(start)
            answer = self.send(
                "POST /2/media/upload/:id/append",
                self._upload_url(media_id, "append"),
                headers=self._bearer(),
                data={"segment_index": str(index)},
                upload=_part_of(file, stream, length),
            )
        return _epoch(str(_data(answer).get("expires_at") or ""))

    def finish_upload(self, media_id: str) -> Processing:
        """Tell X that it has all parts. A repeat may be refused: ask for the state."""
        now = datetime.now(UTC)
        answer = self.send(
            "POST /2/media/upload/:id/finalize",
            self._upload_url(media_id, "finalize"),
            headers=self._bearer(),
        )
        return _processing(answer, now)

    def upload_state(self, media_id: str) -> Processing:
        now = datetime.now(UTC)
        params = {"command": "STATUS", "media_id": media_id}
        return _processing(
            self._get("GET /2/media/upload", "/2/media/upload", params), now
        )

    def _upload_url(self, media_id: str, verb: str) -> str:
        return f"{self.host('api')}/2/media/upload/{quote(media_id, safe='')}/{verb}"

    def set_alt_text(self, media_id: str, alt_text: str) -> None:
        self.send(
            "POST /2/media/metadata",
            self.host("api") + "/2/media/metadata",
            headers=self._bearer(),
            json={"id": media_id, "metadata": {"alt_text": {"text": alt_text}}},
        )

    # --- posts

    def create(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create a post; return its `data` ("id", "text" with t.co links and escapes).

        X has no idempotency key. AmbiguousOutcome on 5xx and lost answers: look first.
        """
        answer = self.send(
            "POST /2/tweets",
            self.host("api") + "/2/tweets",
            headers=self._bearer(),
            json=dict(body),
        )
        data = answer.data().get("data")
        if not isinstance(data, dict) or not data.get("id"):
            raise _unreadable(answer, mutates=True)
        return data

    def delete_post(self, external_id: str) -> None:
        """Delete a post; one that is gone already counts as deleted."""
        try:
            self.send(
                "DELETE /2/tweets/:id",
                f"{self.host('api')}/2/tweets/{int(external_id)}",
                headers=self._bearer(),
            )
        except NotFound:
            return

    def posts_since(
        self,
        user_id: str,
        since: datetime,
        page_token: str = "",
        *,
        exclude: str = "",
    ) -> tuple[list[dict[str, Any]], str]:
        """Five posts at most, newest first, and the token of the next page ("": none).

        exclude: kinds that are left out, "replies,retweets".

        A new post may be missing for seconds. Costs up to five Post reads. Fields come
        by their old or their new names.
        """
        params = {
            "max_results": "5",
            "start_time": since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        if page_token:
            params["pagination_token"] = page_token
        if exclude:
            params["exclude"] = exclude
        answer = self._timeline(user_id, params)
        data = answer.data()
        rows = data.get("data") or []
        meta = data.get("meta") or {}
        # A missing object is 200 with `errors`: no posts would then be no answer.
        if not answer.data() or (not rows and data.get("errors")):
            self._raise_partial(answer)
        return list(rows), str(meta.get("next_token") or "")

    def _timeline(self, user_id: str, params: dict[str, str]) -> Answer:
        key, path = "GET /2/users/:id/tweets", f"/2/users/{int(user_id)}/tweets"
        return self._with_fields(key, path, params, POST_FIELDS)

    def _with_fields(
        self,
        key: str,
        path: str,
        params: Mapping[str, str],
        fields: Mapping[str, str],
    ) -> Answer:
        """fields: the values by the old and by the new name of the parameter."""
        name = self._fields_name
        try:
            return self._get(key, path, {**params, name: fields[name]})
        except InvalidContent as error:
            # X refuses unknown parameters; the other vocabulary is then the known one.
            if name != "tweet.fields" or name not in error.detail:
                raise
        self._fields_name = "post.fields"
        return self._get(key, path, {**params, "post.fields": fields["post.fields"]})

    def _raise_partial(self, answer: Answer, post: bool = False) -> NoReturn:
        """post: what is missing is a post, and not the account."""
        kind = _problem_kind(answer.data())
        facts = _facts(answer, code=kind)
        text = redact("; ".join(_texts(answer.data()))) or answer.text()
        if kind == "resource-not-found" and post:
            raise NotFound(text, **facts)
        if kind == "resource-not-found":
            raise NotFound(text, cause=Cause.ACCOUNT_GONE, reach=Reach.TOKEN, **facts)
        raise TransientError(text, cause=Cause.ANSWER_UNREADABLE, **facts)

    # --- figures and comments

    def calls_of(self, what: After) -> Mapping[str, int]:
        return {
            After.FIGURES: {"GET /2/tweets": 1},
            After.COMMENTS: {"GET /2/tweets/search/recent": 1},
            After.ANSWER: {"POST /2/tweets": 1},
            After.DELETE: {"DELETE /2/tweets/:id": 1},
            After.HIDE: {"PUT /2/tweets/:id/hidden": 1},
            After.RECENT: {"GET /2/users/:id/tweets": RECENT_PAGES},
        }.get(what, {})

    def recent_posts(self, since: datetime) -> RecentPosts:
        """Five a page, and few pages: each post that is read costs, once a day."""
        user_id = self.access.external_id

        def page(token: str | None) -> tuple[list[dict[str, Any]], str]:
            return self.posts_since(
                user_id, since, token or "", exclude="replies,retweets"
            )

        def post_of(row: Mapping[str, Any]) -> RemotePost | None:
            post_id = str(row.get("id") or "")
            return RemotePost(
                external_id=post_id,
                permalink=self.permalink(post_id, self.access.handle),
                text=written(row),
                published_at=moment(row.get("created_at")) or created_at(post_id),
            )

        return read_recent(since, RECENT_PAGES, page, post_of)

    def figures(self, external_id: str) -> Figures:
        """One Post read, free when the post was read on that UTC day. Clicks for 30
        days only."""
        now = datetime.now(UTC)
        born = created_at(external_id)
        is_new = born is not None and now - born < PRIVATE_FOR
        wanted = OWN_FIGURES if is_new else PUBLIC_FIGURES
        answer = self._with_fields(
            "GET /2/tweets",
            "/2/tweets",
            {
                "ids": str(int(external_id)),
                "expansions": "attachments.media_keys",
                "media.fields": "public_metrics",
            },
            dict.fromkeys(POST_FIELDS, wanted),
        )
        rows = answer.data().get("data")
        if not isinstance(rows, list) or not rows:
            # A missing post is 200 with `errors`.
            self._raise_partial(answer, post=True)
        values: dict[Figure, int] = {}
        for name, count in _dict(rows[0].get("public_metrics")).items():
            if name in METRICS and isinstance(count, int):
                figure = METRICS[name]
                values[figure] = values.get(figure, 0) + count
        clicks = _dict(rows[0].get("non_public_metrics")).get("url_link_clicks")
        if isinstance(clicks, int):
            values[Figure.CLICKS] = clicks
        for media in _dict(answer.data().get("includes")).get("media") or []:
            views = _dict(_dict(media).get("public_metrics")).get("view_count")
            if isinstance(views, int):
                values[Figure.VIEWS] = values.get(Figure.VIEWS, 0) + views
        return Figures(values, now)

    def comments(self, external_id: str, after: str = "") -> CommentPage:
        """Replies of every depth of the last seven days, ours too, the newest first.

        Each reply on the page is a Post read.
        """
        params = {
            "query": f"conversation_id:{int(external_id)}",
            "max_results": str(PAGE),
            "expansions": "author_id",
        } | ({"next_token": after} if after else {})
        answer = self._with_fields(
            "GET /2/tweets/search/recent",
            "/2/tweets/search/recent",
            params,
            REPLY_FIELDS,
        )
        data = answer.data()
        rows = data.get("data") or []
        if not data or (not rows and data.get("errors")):
            self._raise_partial(answer, post=True)
        people = {
            str(user.get("id")): str(user.get("username") or "")
            for user in _dict(data.get("includes")).get("users") or []
            if isinstance(user, dict)
        }
        found = [
            self._comment(row, external_id, people)
            for row in rows
            # The conversation begins with the post itself.
            if isinstance(row, dict) and str(row.get("id")) not in {"", external_id}
        ]
        token = str(_dict(data.get("meta")).get("next_token") or "")
        return CommentPage(tuple(found), token)

    def _comment(
        self, row: Mapping[str, Any], post: str, people: Mapping[str, str]
    ) -> Comment:
        number, author = str(row["id"]), people.get(str(row.get("author_id")), "")
        above = row.get("referenced_tweets") or row.get("referenced_posts") or []
        parent = next(
            (str(one.get("id")) for one in above if one.get("type") == "replied_to"),
            "",
        )
        return Comment(
            external_id=number,
            text=written(row),
            author=author,
            published_at=moment(row.get("created_at")) or created_at(number),
            permalink=self.permalink(number, author),
            parent_id="" if parent == post else parent,
        )

    def reply(self, comment_id: str, text: str) -> str:
        """Answer a post. Self-serve apps may only where its author has mentioned us."""
        body = {"text": text, "reply": {"in_reply_to_tweet_id": str(int(comment_id))}}
        return str(self.create(body)["id"])

    def set_hidden(self, comment_id: str, hidden: bool) -> None:
        """Replies in conversations that this account began; others are refused (403)."""
        answer = self.send(
            "PUT /2/tweets/:id/hidden",
            f"{self.host('api')}/2/tweets/{int(comment_id)}/hidden",
            headers=self._bearer(),
            json={"hidden": hidden},
        )
        if _dict(answer.data().get("data")).get("hidden") is not hidden:
            raise TransientError("X did not say that the reply is hidden or shown")

    def _get(self, key: str, path: str, params: Mapping[str, str]) -> Answer:
        return self.send(
            key, self.host("api") + path, headers=self._bearer(), params=dict(params)
        )

    def _bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access.token}"}

    def permalink(self, post_id: str, handle: str) -> str:
        return f"{self.host('web')}/{handle or 'i/web'}/status/{post_id}"

    # --- X's table of errors (https://docs.x.com, response codes and errors)

    def error_from(self, answer: Answer, mutates: bool) -> PlatformError:
        status, data = answer.status, answer.data()
        kind = _problem_kind(data)
        # Judged as X said it; redaction may take words for secrets.
        said = "; ".join(_texts(data))
        text = redact(said) or answer.text()
        facts = _facts(answer, code=kind or str(data.get("title") or ""))
        if status == 401 and data:
            return self._refused_token(text, facts)
        if status == 401:  # not in X's words: something in between refused it
            return TransientError(text, reach=Reach.PLATFORM, **facts)
        if status == 402:
            return RateLimited(
                text, cause=Cause.CREDITS_USED_UP, reach=Reach.APP, **facts
            )
        if status == 403:
            return self._forbidden(answer, kind, said, facts)
        if status in (404, 410):
            return NotFound(text, **facts)
        if status == 429:
            return _rate_limited(answer, kind, text, facts)
        if status in (408, 500, 502, 503, 504) or status >= 500:
            if mutates:
                return AmbiguousOutcome(text, cause=Cause.PLATFORM_TROUBLE, **facts)
            return TransientError(
                text,
                cause=Cause.PLATFORM_TROUBLE,
                reach=Reach.PLATFORM,
                retry_after=answer.retry_after,
                **facts,
            )
        if status == 413:
            return InvalidContent(text, cause=Cause.MEDIA_TOO_LARGE, **facts)
        if status == 400:
            return InvalidContent(text, cause=_bad_request_cause(said), **facts)
        if status == 409 or status < 400:
            return TransientError(text, **facts)
        return InvalidContent(text, cause=Cause.UNKNOWN_REFUSAL, **facts)

    def _refused_token(self, text: str, facts: dict[str, Any]) -> PlatformError:
        # X answers the same for expired, revoked and malformed. A token that cannot
        # have expired yet was revoked.
        issued_at = self.access.issued_at
        if issued_at is not None and datetime.now(UTC) - issued_at < FRESH:
            return AuthRevoked(text, cause=Cause.TOKEN_REVOKED, **facts)
        return AuthExpired(text, cause=Cause.TOKEN_EXPIRED, **facts)

    def _forbidden(
        self, answer: Answer, kind: str, said: str, facts: dict[str, Any]
    ) -> PlatformError:
        text = redact(said) or answer.text()
        if not answer.data():
            # Bot protection in front of the API: nothing reached it.
            return TransientError(
                "an HTML page instead of an answer", reach=Reach.PLATFORM, **facts
            )
        if kind in PROBLEMS:
            cause, reach = PROBLEMS[kind]
            return PermissionMissing(text, cause=cause, reach=reach, **facts)
        lower = said.lower()
        for part, error, cause, reach in REFUSALS:
            if part in lower:
                return error(text, cause=cause, reach=reach, **facts)
        if lower.strip(" .;") in ("forbidden", ""):
            return PermissionMissing(text, cause=Cause.SCOPE_MISSING, **facts)
        return InvalidContent(text, cause=Cause.UNKNOWN_REFUSAL, **facts)


def created_at(post_id: str) -> datetime | None:
    """When a post was made, as its id tells; None for ids that do not tell."""
    number = int(post_id) if post_id.isdecimal() else 0
    if number < FIRST_SNOWFLAKE:
        return None
    milliseconds = (number >> 22) + 1_288_834_974_657
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def moment(value: Any) -> datetime | None:
    """A time as it is written for machines; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _verdict(granted: Sequence[str], needed: Sequence[str]) -> Verdict:
    if not granted:
        return Verdict(None, detail="the granted scopes are not known")
    missing = [scope for scope in needed if scope not in granted]
    if missing:
        return Verdict(False, Cause.SCOPE_MISSING, " ".join(missing))
    return Verdict(True)


def _facts(answer: Answer, *, code: str) -> dict[str, Any]:
    return {"status": answer.status, "code": code, "request_id": answer.request_id}


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _data(answer: Answer) -> dict[str, Any]:
    return _dict(answer.data().get("data"))


def written(row: Mapping[str, Any], without_media: bool = False) -> str:
    """A post's text as it was written: no t.co, no HTML escapes.

    without_media: X has appended a link to the media, which is taken out.
    """
    note = row.get("note_tweet") or row.get("note_post") or {}
    text = unescape(str(note.get("text") or row.get("text") or ""))
    entities = (note.get("entities") if note.get("text") else None) or row.get(
        "entities"
    )
    for entity in (entities or {}).get("urls") or []:
        short = str(entity.get("url") or "")
        full = str(entity.get("expanded_url") or "")
        if short and full:
            appended = without_media and re.search(r"/(photo|video)/1$", full)
            text = text.replace(short, "" if appended else full)
    return unicodedata.normalize("NFC", text).strip()


def unescape(text: str) -> str:
    """Undo X's three escapes only: `&copy=1` in a URL must stay as it is."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _rows(answer: Answer) -> list[dict[str, Any]]:
    rows = answer.data().get("data")
    found = rows if isinstance(rows, list) else []
    return [row for row in found if isinstance(row, dict)]


def _media_id(answer: Answer, now: datetime) -> tuple[str, datetime]:
    data = _data(answer)
    if not data.get("id"):
        raise _unreadable(answer, mutates=False)
    ends_at = _end(data, now) or now + timedelta(seconds=MEDIA_LIFE_S)
    return str(data["id"]), ends_at


def _end(data: Mapping[str, Any], now: datetime) -> datetime | None:
    life_s = _seconds(data.get("expires_after_secs"))
    return now + timedelta(seconds=life_s) if life_s else None


def _processing(answer: Answer, now: datetime) -> Processing:
    data = _data(answer)
    if not data:
        raise _unreadable(answer, mutates=False)
    info = data.get("processing_info")
    info = info if isinstance(info, dict) else {}
    error = info.get("error")
    error = error if isinstance(error, dict) else {}
    wait_s = _seconds(info.get("check_after_secs"))
    return Processing(
        state=str(info.get("state") or ""),
        wait_s=min(max(wait_s, 1.0), LONGEST_WAIT_S),
        ends_at=_end(data, now),
        code=str(error.get("name") or "")[:60],
        detail=redact(str(error.get("message") or "")),
    )


def _seconds(value: Any) -> float:
    """0 for what is no number of seconds; never longer than a window of ours."""
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        return 0.0
    return min(max(seconds, 0.0), MAX_WAIT_S) if math.isfinite(seconds) else 0.0


def _part_of(file: MediaFile, stream: IO[bytes], length: int) -> FilePart:
    return FilePart("media", stream, length, file.file_name, file.mime_type)


def _unreadable(answer: Answer, mutates: bool) -> PlatformError:
    kind = AmbiguousOutcome if mutates else TransientError
    facts = _facts(answer, code="")
    return kind("no usable data in it", cause=Cause.ANSWER_UNREADABLE, **facts)


def _problems(data: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The problem itself and those inside `errors`: X uses both places."""
    yield data
    for inner in data.get("errors") or []:
        if isinstance(inner, dict):
            yield inner


def _problem_kind(data: Mapping[str, Any]) -> str:
    """Last segment of the problem type (the host in it has changed); "" for none."""
    for problem in _problems(data):
        kind = str(problem.get("type") or "").rstrip("/").rsplit("/", 1)[-1]
        if kind and kind != "about:blank":
            return kind
    return ""


def _texts(data: Mapping[str, Any]) -> list[str]:
    texts = []
    for problem in _problems(data):
        for name in ("detail", "message"):
            if problem.get(name):
                texts.append(str(problem[name]))
    return list(dict.fromkeys(texts))


def _bad_request_cause(text: str) -> Cause:
    lower = text.lower()
    if "media ids are invalid" in lower:
        return Cause.MEDIA_EXPIRED
    if "too long" in lower:
        return Cause.TEXT_TOO_LONG
    return Cause.UNKNOWN_REFUSAL


def _rate_limited(
    answer: Answer, kind: str, text: str, facts: dict[str, Any]
) -> RateLimited:
    retry_after = answer.retry_after
    title = str(answer.data().get("title") or "")
    if kind == "usage-capped" or title == "UsageCapExceeded":
        # The plan's cap: a quarter of an hour does not mend it. Without a day's period
        # only the billing cycle or a person does.
        daily = str(answer.data().get("period") or "").lower() == "daily"
        return RateLimited(
            text,
            cause=Cause.PLAN_LIMIT,
            reach=Reach.APP,
            reset_at=_next_utc_day() if daily else None,
            **facts,
        )
    for name, reach in (("app", Reach.APP), ("user", Reach.TOKEN)):
        # With a day's bucket empty x-rate-limit-reset means nothing.
        if answer.headers.get(f"x-{name}-limit-24hour-remaining") == "0":
            return RateLimited(
                text,
                cause=Cause.DAILY_LIMIT,
                reach=reach,
                reset_at=_epoch(answer.headers.get(f"x-{name}-limit-24hour-reset")),
                retry_after=retry_after,
                **facts,
            )
    return RateLimited(
        text,
        reset_at=_epoch(answer.headers.get("x-rate-limit-reset")),
        retry_after=retry_after,
        **facts,
    )


def _epoch(value: str | None) -> datetime | None:
    if not value or not value.isdecimal() or len(value) > 11:
        return None
    return datetime.fromtimestamp(int(value), UTC)


def _next_utc_day() -> datetime:
    day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return day + timedelta(days=1)

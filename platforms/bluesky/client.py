"""One method per XRPC call of a Bluesky account's server (PDS).

Source: https://docs.bsky.app, lexicons and the reference server (2026-08-20).
"""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import quote, unquote, urlsplit

from ..base import (
    Ability,
    After,
    Comment,
    CommentPage,
    Figure,
    Figures,
    Identity,
    MediaFile,
    PlatformClient,
    PlatformSpec,
    Proof,
    RecentPosts,
    RemotePost,
    TokenSet,
    Verdict,
    read_recent,
)
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
    PlatformError,
    RateLimited,
    Reach,
    TransientError,
    as_kind,
)
from ..http import Answer, parse_json, redact
from ..transport import WholeBody
from .richtext import facets
from .spec import GATE, POST, SPEC
from .tid import tid

#: Accounts on Bluesky's own servers sign in at the entryway.
ENTRYWAY_HOSTS = "bsky.network"
#: Pages of the account's newest posts that are read at a time.
RECENT_PAGES = 2


@dataclass(frozen=True)
class Record:
    """A stored record: `at://` address, version and JSON value."""

    uri: str
    cid: str
    value: Mapping[str, Any]


#: Bluesky's name -> ours
METRICS = {
    "likeCount": Figure.LIKES,
    "replyCount": Figure.COMMENTS,
    "repostCount": Figure.SHARES,
    "quoteCount": Figure.SHARES,
    "bookmarkCount": Figure.SAVES,
}
#: Answers to answers are told down to here.
DEPTH = 6

#: A token for another service is good for so long; an hour is the most.
SERVICE_LIFE = timedelta(minutes=30)
UPLOAD_BLOB = "com.atproto.repo.uploadBlob"


@dataclass(frozen=True)
class VideoJob:
    """The work on a video. blob None: there is none yet. failure: why it failed, in
    the service's word, "" as long as it has not."""

    id: str
    state: str
    blob: Mapping[str, Any] | None
    failure: str = ""
    said: str = ""

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> VideoJob | None:
        """Documented inside of a wrapper, seen without it."""
        inner = data.get("jobStatus")
        told = inner if isinstance(inner, dict) else data
        blob = told.get("blob")
        if not told.get("jobId") and not isinstance(blob, dict):
            return None
        state = str(told.get("state") or "")
        failed = state == "JOB_STATE_FAILED"
        return cls(
            str(told.get("jobId") or ""),
            state,
            blob if isinstance(blob, dict) and blob.get("ref") else None,
            str(told.get("failureCode") or "generic_failure") if failed else "",
            redact(str(told.get("message") or "")),
        )


class BlueskyClient(PlatformClient):
    spec: ClassVar[PlatformSpec] = SPEC

    @property
    def pds(self) -> str:
        """The account's server; the entryway stands in until it is known."""
        return str(self.access.extra.get("pds") or self.host("entryway"))

    @property
    def did(self) -> str:
        return str(self.access.extra.get("did") or self.access.external_id)

    def xrpc(self, base: str, key: str, **kwargs: Any) -> Answer:
        """Send the call of the registry row `key` ("GET <nsid>") to a server."""
        nsid = key.split(" ")[1]
        return self.send(key, f"{base.rstrip('/')}/xrpc/{nsid}", **kwargs)

    def _user(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access.token}"}

    def _renewer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access.refresh_token}"}

    # ------------------------------------------------------------ who and where

    def resolve_handle(self, handle: str) -> str:
        """The DID behind a handle. NotFound when there is none."""
        try:
            answer = self.xrpc(
                self.host("public"),
                "GET com.atproto.identity.resolveHandle",
                params={"handle": handle},
            )
        except InvalidContent as error:  # "Unable to resolve handle"
            raise NotFound(
                error.detail,
                status=error.status,
                code=error.code,
                request_id=error.request_id,
            ) from error
        did = str(answer.data().get("did") or "")
        if not did.startswith("did:"):
            raise TransientError("no DID in the answer", cause=Cause.ANSWER_UNREADABLE)
        return did

    def did_document(self, did: str) -> dict[str, Any]:
        """From the directory (did:plc) or the DID's own site (did:web)."""
        if did.startswith("did:plc:"):
            url = f"{self.host('plc')}/{quote(did, safe=':')}"
        elif did.startswith("did:web:"):
            site = unquote(did.removeprefix("did:web:"))
            parts = urlsplit(f"//{site}")
            if not parts.hostname or site != parts.netloc or "@" in site:
                raise NotFound("no such DID", cause=Cause.ADDRESS_REFUSED)
            local = self.environment.allow_private and parts.hostname in {
                "localhost",
                "127.0.0.1",
            }
            url = f"{'http' if local else 'https'}://{site}/.well-known/did.json"
        else:
            raise NotFound("this kind of DID is not known", cause=Cause.NOT_THERE)
        document = self.send("GET {did document}", url).data()
        if document.get("id") != did:
            raise NotFound("the document names another account")
        return document

    def find_pds(self, did: str) -> str:
        """Base URL of the account's server, by its DID document."""
        pds = self._pds_of(self.did_document(did))
        if not pds:
            raise NotFound("the account names no server")
        return pds

    def _pds_of(self, document: Any) -> str:
        """The PDS that a DID document names, "" for none or an unsafe address."""
        services = document.get("service") if isinstance(document, dict) else None
        for service in services if isinstance(services, list) else ():
            if not isinstance(service, dict):
                continue
            if str(service.get("id") or "").endswith("#atproto_pds"):
                return self._safe_base(str(service.get("serviceEndpoint") or ""))
        return ""

    def _safe_base(self, url: str) -> str:
        """An address without its trailing slash; https unless private ones may be called."""
        try:
            parts = urlsplit(url)
        except ValueError:
            return ""
        schemes = {"https", "http"} if self.environment.allow_private else {"https"}
        if parts.scheme not in schemes or not parts.hostname or "@" in parts.netloc:
            return ""
        return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"

    # ------------------------------------------------------------ sessions

    def sign_in(
        self, identifier: str, app_password: str, pds: str = ""
    ) -> tuple[TokenSet, Identity]:
        """Open a session; 2 to 4 calls. createSession is limited to 300 a day.

        identifier: handle (with or without @), DID or e-mail address. pds: the server,
        when the user names it; else it is found from the handle. The TokenSet's extra
        holds pds, did and handle. Raises AuthRevoked(WRONG_PASSWORD),
        PermissionMissing(SECOND_FACTOR_WANTED, ACCOUNT_...), NotFound.
        """
        name = identifier.strip().removeprefix("@").strip()
        did = ""
        if pds:
            where = self._safe_base(pds if "://" in pds else f"https://{pds}")
            if not where:
                raise NotFound("no https address", cause=Cause.ADDRESS_REFUSED)
        elif "@" in name:
            where = self.host("entryway")  # an e-mail address tells no server
        else:
            did = name if name.startswith("did:") else self.resolve_handle(name.lower())
            where = self.find_pds(did)
        session = self.xrpc(
            self._session_host(where),
            "POST com.atproto.server.createSession",
            json={"identifier": name, "password": app_password},
        ).data()
        if did and session.get("did") != did:
            raise PermissionMissing(
                "the server opened a session of another account",
                cause=Cause.NOT_ALLOWED,
            )
        if pds:
            where = self._confirmed(where, str(session.get("did") or ""))
        elif not did:
            where = self._pds_of(session.get("didDoc")) or where
        tokens = self._tokens(session, where)
        if session.get("active") is False:
            raise PermissionMissing(
                f"the account is {session.get('status') or 'not active'}",
                cause=_inactive(session),
            )
        return tokens, self._identity(session, self._profile(str(session["did"])))

    def _confirmed(self, named: str, did: str) -> str:
        """The server that the account itself names, which has to be the named one.

        Any server can say that a session is of any account. Private ones, which the
        public directory need not know, are trusted by the operator.
        """
        private = self.environment.private_hosts or ()
        if not did or urlsplit(named).netloc.lower() in private:
            return named
        own = self.find_pds(did)
        if named not in {own, self._session_host(own)}:
            raise PermissionMissing(
                f"the account lives on another server: {own}", cause=Cause.NOT_ALLOWED
            )
        return own

    def _session_host(self, pds: str) -> str:
        host = urlsplit(pds).hostname or ""
        if host == ENTRYWAY_HOSTS or host.endswith("." + ENTRYWAY_HOSTS):
            return self.host("entryway")
        return pds

    def refresh(self) -> TokenSet:
        """Renew the session; the honest test of the grant, fit for once a day.

        A lost answer can be asked again for two hours. An access JWT lives up to two
        hours longer than a revoked app password; the refresh JWT does not.
        """
        try:
            session = self.xrpc(
                self.pds,
                "POST com.atproto.server.refreshSession",
                headers=self._renewer(),
            ).data()
        except AuthExpired as error:
            # 90 days unused, or not a token of this server: nothing renews it.
            raise AuthRevoked(
                error.detail,
                cause=Cause.REFRESH_REFUSED,
                status=error.status,
                code=error.code,
                request_id=error.request_id,
            ) from error
        if self.did and session.get("did") not in {None, self.did}:
            raise PermissionMissing(
                "the session belongs to another account", cause=Cause.OTHER_ACCOUNT
            )
        return self._tokens(session, self._pds_of(session.get("didDoc")) or self.pds)

    def revoke(self) -> None:
        """Close the session. One that is over already is no error."""
        try:
            self.xrpc(
                self.pds,
                "POST com.atproto.server.deleteSession",
                headers=self._renewer(),
            )
        except (AuthExpired, AuthRevoked) as error:
            if error.code not in {"ExpiredToken", "InvalidToken"}:
                raise

    def _tokens(self, session: Mapping[str, Any], pds: str) -> TokenSet:
        access, renew = session.get("accessJwt"), session.get("refreshJwt")
        did = session.get("did")
        if not (isinstance(access, str) and isinstance(renew, str) and did):
            raise TransientError(
                "no session in the answer", cause=Cause.ANSWER_UNREADABLE
            )
        claims = jwt_claims(access)
        return TokenSet(
            access_token=access,
            refresh_token=renew,
            issued_at=_unix(claims.get("iat")),
            expires_at=_unix(claims.get("exp")),
            refresh_expires_at=_unix(jwt_claims(renew).get("exp")),
            scopes=tuple(str(claims.get("scope") or "").split()),
            extra={
                "pds": pds,
                "did": str(did),
                "handle": str(session.get("handle") or self.access.handle),
            },
        )

    # ------------------------------------------------------------ identity

    def identities(self) -> Sequence[Identity]:
        session = self._get_session()
        return [self._identity(session, self._profile(str(session["did"])))]

    def prove(self) -> Proof:
        """One call with the access JWT. AuthExpired: refresh, which proves more.

        A session by app password may do all that the app does, so an active account
        has every ability. A deactivated account that names another server has moved
        there: extra["pds"] of the error.
        """
        try:
            session = self._get_session()
        except PermissionMissing as error:
            if error.code == "AccountDeactivated" and (moved := self._moved_to()):
                error.cause = Cause.ACCOUNT_MOVED
                error.extra["pds"] = moved
            raise
        verdict = Verdict(True)
        if session.get("active") is False:
            verdict = Verdict(
                False, _inactive(session), str(session.get("status") or "")
            )
        claims = jwt_claims(self.access.token)
        scopes = tuple(str(claims.get("scope") or "").split())
        return Proof(
            {
                Ability.PUBLISH: verdict,
                Ability.READ: verdict,
                Ability.FIGURES: Verdict(True),
            },
            identity=self._identity(session, {}),
            scopes=scopes or None,
            expires_at=_unix(claims.get("exp")),
        )

    def of_proof(self, error: PlatformError) -> PlatformError:
        """Methods have names and no versions. Where Bluesky's own servers do not know one
        that each server has, our program is too old for all of its accounts; where
        another server does not, that is this server's matter alone."""
        unknown = (error.status, error.code) == (501, "MethodNotImplemented")
        if unknown and self._session_host(self.pds) == self.host("entryway"):
            return as_kind(
                PermissionMissing, error, cause=Cause.VERSION_ENDED, reach=Reach.APP
            )
        return error

    def calls_of_proof(self) -> Mapping[str, int]:
        # One that was deactivated is looked up in the directory as well, which counts
        # nothing.
        return {"GET com.atproto.server.getSession": 1}

    def _get_session(self) -> dict[str, Any]:
        session = self.xrpc(
            self.pds, "GET com.atproto.server.getSession", headers=self._user()
        ).data()
        if not session.get("did"):
            raise TransientError(
                "no account in the answer", cause=Cause.ANSWER_UNREADABLE
            )
        return session

    def _moved_to(self) -> str:
        """Another server that the account names now, else ""; it is a hint only."""
        try:
            pds = self.find_pds(self.did)
        except PlatformError:
            return ""
        return pds if pds != self.pds else ""

    def _profile(self, did: str) -> dict[str, Any]:
        """Name and picture from the public view; {} where there is none.

        A self-hosted server has no view of its own, and the public one may lag: an
        account is connected without a picture rather than not at all.
        """
        try:
            return self.xrpc(
                self.host("public"),
                "GET app.bsky.actor.getProfile",
                params={"actor": did},
            ).data()
        except PlatformError:
            return {}

    def _identity(
        self, session: Mapping[str, Any], profile: Mapping[str, Any]
    ) -> Identity:
        handle = str(session.get("handle") or "")
        return Identity(
            external_id=str(session["did"]),
            kind="user",
            name=str(profile.get("displayName") or handle),
            handle=handle,
            url=f"{self.host('app')}/profile/{handle}",
            avatar_url=str(profile.get("avatar") or ""),
            can_publish=session.get("active") is not False,
        )

    # ------------------------------------------------------------ the server

    def server_limits(self) -> dict[str, Any]:
        """blob_upload_limit (bytes), where the server tells it."""
        about = self.xrpc(self.pds, "GET com.atproto.server.describeServer").data()
        limit = about.get("blobUploadLimit")
        return {"blob_upload_limit": limit} if isinstance(limit, int) else {}

    # ------------------------------------------------------------ records

    def upload_blob(self, media: MediaFile) -> dict[str, Any]:
        """The blob to put into a record. Uploaded again, the same bytes are the same.

        A blob that no record names is deleted after some hours.
        """
        with media.open() as stream:
            answer = self.xrpc(
                self.pds,
                "POST com.atproto.repo.uploadBlob",
                headers=self._user(),
                upload=WholeBody(stream, media.size_bytes, media.mime_type),
            )
        blob = answer.data().get("blob")
        if not isinstance(blob, dict) or not blob.get("ref"):
            raise TransientError("no blob in the answer", cause=Cause.ANSWER_UNREADABLE)
        return blob

    # ------------------------------------------------------------ videos

    def video_allowance(self) -> None:
        """Ask whether this account may upload a video now. Two calls.

        RateLimited: not today any more; PermissionMissing: not before the e-mail
        address is confirmed, say.
        """
        host = self.host("video")
        token = self._service(web_did(host), "app.bsky.video.getUploadLimits")
        try:
            data = self.xrpc(
                host, "GET app.bsky.video.getUploadLimits", headers=token
            ).data()
        except PlatformError as error:
            raise _not_of_the_account(error) from error
        if data.get("canUpload") is not False:
            return
        name, text = str(data.get("error") or ""), str(data.get("message") or "")
        detail = redact(f"{text} ({name})")
        left = data.get("remainingDailyVideos"), data.get("remainingDailyBytes")
        if 0 in left or "limit" in f"{name} {text}".lower():
            raise RateLimited(detail, cause=Cause.DAILY_LIMIT, retry_after=3600)
        raise PermissionMissing(
            detail, cause=Cause.ACCOUNT_LOCKED, reach=Reach.POST, code=name[:60]
        )

    def upload_video(self, media: MediaFile) -> VideoJob:
        """Send a video to the service that makes blobs of them. Two calls.

        The same file again is known there: its job, or its blob, comes back.
        """
        key = self.spec.call("POST app.bsky.video.uploadVideo").key
        query = {"did": self.did, "name": media.file_name or "video.mp4"}
        with media.open() as stream:
            answer = self.http.request(
                "POST",
                f"{self.host('video')}/xrpc/app.bsky.video.uploadVideo",
                call=key,
                mutates=False,
                headers=self._service(web_did(self.pds), UPLOAD_BLOB),
                params=query,
                upload=WholeBody(stream, media.size_bytes, media.mime_type),
            )
        job = VideoJob.of(answer.data())
        # Its word for a file that it has already is a conflict.
        if job is None or not (answer.ok or answer.status == 409):
            raise _not_of_the_account(self.error_from(answer, mutates=False))
        return job

    def video_job(self, number: str) -> VideoJob:
        """How far the work on a video is. NotFound: nobody knows of it."""
        answer = self.xrpc(
            self.host("video"),
            "GET app.bsky.video.getJobStatus",
            params={"jobId": number},
        )
        job = VideoJob.of(answer.data())
        if job is None:
            raise TransientError("no job in the answer", cause=Cause.ANSWER_UNREADABLE)
        return job

    def _service(self, audience: str, method: str) -> dict[str, str]:
        """A token that the account's server signs for one purpose at another."""
        until = datetime.now(UTC) + self.clock_offset + SERVICE_LIFE
        data = self.xrpc(
            self.pds,
            "GET com.atproto.server.getServiceAuth",
            headers=self._user(),
            params={"aud": audience, "lxm": method, "exp": int(until.timestamp())},
        ).data()
        if not data.get("token"):
            raise TransientError(
                "no token in the answer", cause=Cause.ANSWER_UNREADABLE
            )
        return {"Authorization": f"Bearer {data['token']}"}

    def put_post(self, rkey: str, record: Mapping[str, Any]) -> Record:
        """Write a post that must not be there yet.

        The identical record again answers 200; another one under this rkey raises
        DuplicateContent and changes nothing. Costs 2 points.
        """
        answer = self.xrpc(
            self.pds,
            "POST com.atproto.repo.putRecord",
            headers=self._user(),
            json={
                "repo": self.did,
                "collection": POST,
                "rkey": rkey,
                "swapRecord": None,
                "record": dict(record),
            },
        )
        data = answer.data()
        if not data.get("uri"):
            raise AmbiguousOutcome(
                "no record in the answer",
                cause=Cause.ANSWER_UNREADABLE,
                status=answer.status,
                request_id=answer.request_id,
            )
        return Record(str(data["uri"]), str(data.get("cid") or ""), record)

    def put_gate(self, rkey: str, record: Mapping[str, Any]) -> None:
        """Write who may answer the post with this rkey. Two points.

        The identical record again changes nothing; DuplicateContent: another one is
        there, of a person who was quicker.
        """
        self.xrpc(
            self.pds,
            "POST com.atproto.repo.putRecord (app.bsky.feed.threadgate)",
            headers=self._user(),
            json={
                "repo": self.did,
                "collection": GATE,
                "rkey": rkey,
                "swapRecord": None,
                "record": dict(record),
            },
        )

    def get_post(self, rkey: str) -> Record:
        """Straight from the account's server, where it is there at once.

        NotFound: it is not there.
        """
        data = self.xrpc(
            self.pds,
            "GET com.atproto.repo.getRecord",
            params={"repo": self.did, "collection": POST, "rkey": rkey},
        ).data()
        value = data.get("value")
        if not data.get("uri") or not isinstance(value, dict):
            raise TransientError(
                "no record in the answer", cause=Cause.ANSWER_UNREADABLE
            )
        return Record(str(data["uri"]), str(data.get("cid") or ""), value)

    def delete_post(self, external_id: str) -> None:
        """external_id: the `at://` address. Safe to repeat; costs 1 point."""
        self.xrpc(
            self.pds,
            "POST com.atproto.repo.deleteRecord",
            headers=self._user(),
            json={
                "repo": self.did,
                "collection": POST,
                "rkey": external_id.rsplit("/", 1)[-1],
            },
        )

    # ------------------------------------------------------------ figures and comments

    def calls_of(self, what: After) -> Mapping[str, int]:
        asks_again = {"GET com.atproto.repo.getRecord": 1}
        return {
            After.FIGURES: {"GET app.bsky.feed.getPosts": 1, **asks_again},
            After.COMMENTS: {"GET app.bsky.feed.getPostThread": 1, **asks_again},
            After.ANSWER: {
                "GET app.bsky.feed.getPosts": 1,
                "POST com.atproto.repo.putRecord": 1,
            },
            After.DELETE: {"POST com.atproto.repo.deleteRecord": 1},
            After.RECENT: {"GET com.atproto.repo.listRecords": RECENT_PAGES},
        }.get(what, {})

    def recent_posts(self, since: datetime) -> RecentPosts:
        """A hundred a page, straight from the account's server, by their keys: those of
        apps are made of the time, so that the newest come first."""

        def page(cursor: str | None) -> tuple[Sequence[Mapping[str, Any]], str]:
            query = {"repo": self.did, "collection": POST, "limit": "100"}
            data = self.xrpc(
                self.pds,
                "GET com.atproto.repo.listRecords",
                params=query | ({"cursor": cursor} if cursor else {}),
            ).data()
            rows = data.get("records")
            if not isinstance(rows, list):
                raise TransientError(
                    "no records in the answer", cause=Cause.ANSWER_UNREADABLE
                )
            return rows, str(data.get("cursor") or "")

        def post_of(row: Mapping[str, Any]) -> RemotePost | None:
            uri, value = str(row.get("uri") or ""), _part(row, "value")
            if not uri or value.get("reply"):
                return None
            return RemotePost(
                external_id=uri,
                permalink=self.permalink(self.did, uri),
                text=str(value.get("text") or ""),
                published_at=_moment(value.get("createdAt")),
            )

        return read_recent(since, RECENT_PAGES, page, post_of)

    def figures(self, external_id: str) -> Figures:
        """As the public view counts, some seconds behind. external_id: `at://`."""
        now = datetime.now(UTC)
        view = self._view(external_id)
        if view is None:
            self._must_be_there(external_id)
            return Figures({}, now)
        values: dict[Figure, int] = {}
        for name, figure in METRICS.items():
            if isinstance(view.get(name), int):
                values[figure] = values.get(figure, 0) + view[name]
        return Figures(values, now)

    def quoted(self, actor: str, rkey: str) -> tuple[str, str]:
        """Address and content (CID) of a post by its author's handle or DID. NotFound."""
        did = actor if actor.startswith("did:") else self.resolve_handle(actor)
        view = self._view(f"at://{did}/app.bsky.feed.post/{rkey}")
        if view is None or not view.get("cid"):
            raise NotFound("no such post in the public view")
        return str(view["uri"]), str(view["cid"])

    def _view(self, uri: str) -> dict[str, Any] | None:
        """A post in the public view; None: it has it not, or not yet."""
        answer = self.xrpc(
            self.host("public"), "GET app.bsky.feed.getPosts", params={"uris": uri}
        )
        posts = answer.data().get("posts")
        if not isinstance(posts, list):
            raise TransientError(
                "no posts in the answer", cause=Cause.ANSWER_UNREADABLE
            )
        return next((p for p in posts if isinstance(p, dict) and p.get("uri")), None)

    def _must_be_there(self, uri: str) -> None:
        """NotFound by the word of the account's own server: the public view may miss
        what is there."""
        self.get_post(uri.rsplit("/", 1)[-1])

    def comments(self, external_id: str, after: str = "") -> CommentPage:
        """Replies of every depth on one page, as the public view has them."""
        try:
            answer = self.xrpc(
                self.host("public"),
                "GET app.bsky.feed.getPostThread",
                params={"uri": external_id, "depth": DEPTH, "parentHeight": 0},
            )
        except InvalidContent as error:
            if error.code != "NotFound":
                raise
            self._must_be_there(external_id)
            return CommentPage(())
        thread = answer.data().get("thread")
        if not isinstance(thread, dict):
            raise TransientError(
                "no thread in the answer", cause=Cause.ANSWER_UNREADABLE
            )
        return CommentPage(tuple(self._replies(thread, external_id)))

    def _replies(self, node: Mapping[str, Any], root: str) -> Iterator[Comment]:
        """The posts below a node; what is blocked or gone has none."""
        above = str(_part(node, "post").get("uri") or "")
        below = node.get("replies")
        for one in below if isinstance(below, list) else ():
            post = _part(one, "post")
            if not post.get("uri"):
                continue
            author, record = _part(post, "author"), _part(post, "record")
            who = str(author.get("handle") or author.get("did") or "")
            yield Comment(
                external_id=str(post["uri"]),
                text=str(record.get("text") or ""),
                author=who,
                published_at=_moment(record.get("createdAt"))
                or _moment(post.get("indexedAt")),
                permalink=self.permalink(who, str(post["uri"])),
                parent_id="" if above == root else above,
            )
            yield from self._replies(one, root)

    def permalink(self, who: str, uri: str) -> str:
        return f"{self.host('app')}/profile/{who}/post/{uri.rsplit('/', 1)[-1]}"

    def reply(self, comment_id: str, text: str) -> str:
        """Answer a post by its `at://` address; the answer's address. Two points."""
        view = self._view(comment_id)
        if view is None:
            raise NotFound("the public view does not show the comment")
        parent = {"uri": comment_id, "cid": str(view.get("cid") or "")}
        above = _part(_part(view, "record"), "reply").get("root")
        now = datetime.now(UTC)
        record: dict[str, Any] = {
            "$type": POST,
            "text": text,
            "createdAt": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "reply": {
                "root": above if isinstance(above, dict) else parent,
                "parent": parent,
            },
        }
        if found := facets(text):
            record["facets"] = found
        return self.put_post(tid(now, uuid.uuid4().hex), record).uri

    # ------------------------------------------------------------ errors

    def error_from(self, answer: Answer, mutates: bool) -> PlatformError:
        """By the error's name, then by status. An expired token is a 400 here."""
        data = answer.data()
        name = str(data.get("error") or "")
        message = str(data.get("message") or data.get("error_description") or "")
        about: dict[str, Any] = {
            "status": answer.status,
            "code": name[:60],
            "request_id": answer.request_id,
        }
        detail = redact(f"{message} ({name})" if message else name) or answer.text()
        status = answer.status
        if status == 429:
            return RateLimited(
                detail,
                retry_after=answer.retry_after,
                reset_at=_unix(answer.headers.get("ratelimit-reset")),
                **about,
            )
        if status >= 500:
            return _server_error(answer, name, detail, mutates, about)
        if status == 413:
            return InvalidContent(detail, cause=Cause.MEDIA_TOO_LARGE, **about)
        if status == 415:
            return InvalidContent(detail, cause=Cause.MEDIA_TYPE, **about)
        if status == 404 or 300 <= status < 400:
            return NotFound(detail, cause=Cause.NOT_THIS_PLATFORM, **about)
        if status == 401 and (dpop := _dpop_word(answer, name)):
            return TransientError(detail, **(about | {"code": dpop}))
        if name == "ExpiredToken":
            if "revoked" in message.lower():
                return AuthRevoked(detail, **about)
            return AuthExpired(detail, **about)
        if name in {"InvalidToken", "invalid_token"}:
            # Tried once more with a refreshed token before a person is asked.
            cause = (
                Cause.TOKEN_INVALID if name == "InvalidToken" else Cause.TOKEN_EXPIRED
            )
            return AuthExpired(detail, cause=cause, **about)
        if name == "AuthenticationRequired" and "password" in message.lower():
            return AuthRevoked(detail, cause=Cause.WRONG_PASSWORD, **about)
        if row := NAMES.get(name):
            kind, cause = row
            return kind(detail, cause=cause, **about)
        if name == "InvalidRequest":
            return InvalidContent(detail, cause=_content_cause(message), **about)
        if not name:  # a proxy's page says nothing about post or token
            return TransientError(detail, **about)
        if status == 401:
            return AuthRevoked(detail, cause=Cause.TOKEN_INVALID, **about)
        if status == 403:
            return PermissionMissing(detail, **about)
        return InvalidContent(detail, cause=Cause.UNKNOWN_REFUSAL, **about)


def web_did(base: str) -> str:
    """The DID of a server by its address."""
    return "did:web:" + urlsplit(base).netloc.replace(":", "%3A")


def _not_of_the_account(error: PlatformError) -> PlatformError:
    """What the video service says of its token ends no access of the account's."""
    if error.outcome not in ABOUT_ACCESS:
        return error
    return TransientError(
        error.detail,
        status=error.status,
        code=error.code,
        request_id=error.request_id,
    )


# ---------------------------------------------------------------- tables of names


NAMES: dict[str, tuple[type[PlatformError], Cause]] = {
    "InvalidSwap": (DuplicateContent, Cause.ALREADY_THERE),
    "RecordNotFound": (NotFound, Cause.NOT_THERE),
    "BlobNotFound": (TransientError, Cause.MEDIA_EXPIRED),
    "InvalidMimeType": (InvalidContent, Cause.MEDIA_TYPE),
    "InvalidSize": (InvalidContent, Cause.MEDIA_TOO_LARGE),
    "BadExpiration": (InvalidContent, Cause.UNKNOWN_REFUSAL),
    "use_dpop_nonce": (TransientError, Cause.PLATFORM_TROUBLE),
    "invalid_dpop_proof": (TransientError, Cause.PLATFORM_TROUBLE),
    "invalid_grant": (AuthRevoked, Cause.CODE_REFUSED),
    "invalid_client": (PermissionMissing, Cause.APP_REFUSED),
    "invalid_client_metadata": (PermissionMissing, Cause.APP_REFUSED),
    "invalid_scope": (PermissionMissing, Cause.SCOPE_MISSING),
    "AuthMissing": (AuthRevoked, Cause.TOKEN_INVALID),
    "AuthenticationRequired": (AuthRevoked, Cause.TOKEN_INVALID),
    "AuthFactorTokenRequired": (PermissionMissing, Cause.SECOND_FACTOR_WANTED),
    "AccountTakedown": (PermissionMissing, Cause.ACCOUNT_SUSPENDED),
    "AccountDeactivated": (PermissionMissing, Cause.ACCOUNT_LOCKED),
    "AccountNotFound": (NotFound, Cause.ACCOUNT_GONE),
    "Forbidden": (PermissionMissing, Cause.NOT_ALLOWED),
    "ScopeMissingError": (PermissionMissing, Cause.SCOPE_MISSING),
}

#: Names of 5xx answers that tell that nothing was done.
NOT_DONE = {"UpstreamFailure", "NotEnoughResources"}


def _server_error(
    answer: Answer, name: str, detail: str, mutates: bool, about: dict[str, Any]
) -> PlatformError:
    if answer.status == 501:
        return PermissionMissing(detail, cause=Cause.VERSION_ENDED, **about)
    if mutates and name not in NOT_DONE:
        return AmbiguousOutcome(detail, cause=Cause.PLATFORM_TROUBLE, **about)
    return TransientError(detail, retry_after=answer.retry_after, **about)


def _dpop_word(answer: Answer, name: str) -> str:
    """The DPoP complaint of a 401, which stands in a header or in the body."""
    challenge = answer.headers.get("www-authenticate", "")
    for word in ("use_dpop_nonce", "invalid_dpop_proof"):
        if name == word or f'"{word}"' in challenge:
            return word
    return ""


def _content_cause(message: str) -> Cause:
    low = message.lower()
    if "grapheme too big" in low or "string too big" in low or "too long" in low:
        return Cause.TEXT_TOO_LONG
    if low in {"", "bad request"}:  # the status line again: about anything at all
        return Cause.UNKNOWN_REFUSAL
    return Cause.TEXT_REFUSED


def _inactive(session: Mapping[str, Any]) -> Cause:
    if session.get("status") in {"takendown", "suspended"}:
        return Cause.ACCOUNT_SUSPENDED
    return Cause.ACCOUNT_LOCKED


# ---------------------------------------------------------------- reading answers


def jwt_claims(token: str) -> dict[str, Any]:
    """The claims of a JWT, not verified (it is not ours to verify); {} for none."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        body = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
    except (ValueError, binascii.Error):
        return {}
    claims = parse_json(body)
    return claims if isinstance(claims, dict) else {}


def _part(data: Any, name: str) -> dict[str, Any]:
    """What stands under a name, {} when it is no object."""
    inner = data.get(name) if isinstance(data, dict) else None
    return inner if isinstance(inner, dict) else {}


def _moment(value: Any) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _unix(value: Any) -> datetime | None:
    try:
        return datetime.fromtimestamp(int(value), UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None

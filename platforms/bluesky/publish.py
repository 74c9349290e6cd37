"""How a post goes to Bluesky: one record under a key that is fixed beforehand.

A video goes to Bluesky's own service for them, which makes a blob of it in the account's
server. Where the server signs no tokens for services, an MP4 goes there as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any, ClassVar, TypeVar

from .. import captions, cards, quotes, without
from ..base import (
    Count,
    Draft,
    Finding,
    Identity,
    Level,
    Look,
    MediaFile,
    MediaKind,
    MediaRule,
    Observation,
    Platform,
    PlatformClient,
    PlatformSpec,
    PublishJob,
    RemotePost,
    Sighting,
    Step,
    StepKind,
    StepResult,
    chosen,
)
from ..checks import link_findings, media_findings, option_findings
from ..errors import (
    Cause,
    DuplicateContent,
    InvalidContent,
    NotFound,
    Outcome,
    PermissionMissing,
    PlatformError,
    TransientError,
)
from ..limits import header_number, header_time, meant_bucket
from ..text import graphemes, is_web_link, tidy, utf8_bytes, web_host, with_link
from .client import BlueskyClient, Record, VideoJob
from .richtext import facets, find_mentions
from .spec import (
    GATE,
    GIF_AS_VIDEO,
    GIFS,
    IMAGES,
    LABEL,
    MAX_BYTES,
    MAX_GRAPHEMES,
    MAX_TAG_GRAPHEMES,
    MOVING_GIFS,
    NOBODY,
    PLAIN_IMAGES,
    POST,
    PUT_GATE,
    REPLY_CONTROL,
    SPEC,
    TAGS,
)
from .tid import tid

#: A time that was fixed longer ago than this, and never sent, is fixed anew.
FRESH = timedelta(minutes=1)
#: The address of a post, as the app shows it or as an at:// URI.
QUOTED = re.compile(
    r"^(?:https?://[^/\s]+/.*?profile/(?P<web>[^/\s?#]+)/post/"
    r"|at://(?P<did>did:[^/\s]+)/app\.bsky\.feed\.post/)(?P<rkey>[\w.~-]+)/?(?:[?#]\S*)?$"
)
SELF_LABELS = "com.atproto.label.defs#selfLabels"
FORGET_BLOBS = f"blobs,video,may_upload,captions,{cards.CARD}"
#: Seconds until the work on a video is asked for again.
POLLS_S = (2, 3, 5, 10, 20, 30)
#: Asked so often in vain, a video is given up.
MAX_POLLS = 60
POLLS_AHEAD = 5
#: Uploads of one video that may fail in passing.
MAX_TRIES = 3
#: The work that failed for what is in the file.
OF_THE_FILE = {
    "validation_failure": Cause.MEDIA_REFUSED,
    "encoding_failure": Cause.MEDIA_REFUSED,
    "pds_upload_unsupported_blob_size": Cause.VIDEO_TOO_LARGE,
}


R = TypeVar("R", bound=MediaRule)


class Bluesky(Platform):
    spec: ClassVar[PlatformSpec] = SPEC
    client_class: ClassVar[type[PlatformClient]] = BlueskyClient

    # ------------------------------------------------------------ content

    def text_as_sent(self, draft: Draft) -> str:
        """A link becomes a card; beside pictures there is no card, so it is text."""
        if draft.media:
            return with_link(draft.text, draft.link_url)
        return tidy(draft.text)

    def counts(
        self, draft: Draft, limits: Mapping[str, Any] | None = None
    ) -> list[Count]:
        text = self.text_as_sent(draft)
        return [
            Count("characters", graphemes(text), MAX_GRAPHEMES),
            Count("bytes", utf8_bytes(text), MAX_BYTES),
        ]

    def check(
        self,
        draft: Draft,
        account: Identity | None = None,
        limits: Mapping[str, Any] | None = None,
    ) -> list[Finding]:
        found = link_findings(draft)
        if not tidy(draft.text) and not draft.link_url.strip() and not draft.media:
            found.append(Finding(Level.REFUSED, Cause.TEXT_EMPTY, "text"))
        over = next((count for count in self.counts(draft) if count.over), None)
        if over:
            values = {"used": over.used, "limit": over.limit, "unit": over.unit}
            found.append(Finding(Level.REFUSED, Cause.TEXT_TOO_LONG, "text", values))
        spec = self.spec
        if blob_limit := (limits or {}).get("blob_upload_limit"):
            spec = replace(
                spec,
                images=_at_most(IMAGES, int(blob_limit)),
                gifs=_at_most(GIFS, int(blob_limit)),
            )
        if chosen(SPEC, draft, account, GIF_AS_VIDEO):
            spec = replace(spec, gifs=MOVING_GIFS, mixes=())
        return [
            *found,
            *option_findings(draft, spec, account, limits),
            *_tag_findings(draft),
            *quotes.findings(draft, QUOTED.search),
            *media_findings(draft, spec),
        ]

    # ------------------------------------------------------------ steps

    def next_step(self, job: PublishJob, client: PlatformClient) -> Step:
        """Witness: blobs (list), dids (handle -> DID), created_at (ISO time), and of the
        picture of a link's card what `cards` says, there as "blob".

        Of a video on its way: may_upload (asked and allowed), video {"job", "sha256"},
        polls, tries; as_it_is: the server signs no tokens for the video service. posted
        {"uri", "cid", "at"}: it is out, and who may reply is still to be said;
        gate_tries: how often that was tried in vain.
        """
        assert isinstance(client, BlueskyClient)
        if job.witness.get("posted"):
            return Step(
                "put_gate", StepKind.REPEATABLE, lambda: self._put_gate(job, client)
            )
        if film := _film(job):
            if not job.witness.get("blobs"):
                return self._film_step(job, client, film)
            if left := _captions_left(job):
                return Step(
                    f"upload_captions:{len(job.witness.get('captions', [])) + 1}",
                    StepKind.REPEATABLE,
                    lambda: self._upload_captions(job, client, left[0]),
                )
            return self._text_step(job, client)
        number = len(job.witness.get("blobs", [])) + 1
        if number <= len(job.draft.media):
            return Step(
                f"upload_image:{number}",
                StepKind.REPEATABLE,
                lambda: self._upload(job, client, number),
            )
        if picture := cards.left(job, SPEC):
            return Step(
                "upload_card_picture",
                StepKind.REPEATABLE,
                lambda: cards.sending(
                    job, picture, lambda: {"blob": client.upload_blob(picture)}
                ),
            )
        return self._text_step(job, client)

    def _text_step(self, job: PublishJob, client: BlueskyClient) -> Step:
        handles = sorted({m.value for m in find_mentions(self.text_as_sent(job.draft))})
        if handles and "dids" not in job.witness:
            return Step(
                "resolve_mentions",
                StepKind.REPEATABLE,
                lambda: self._resolve(handles, client),
            )
        if any(uri not in self._cids(job) for uri in _above(job)):
            return Step(
                "read_parents", StepKind.REPEATABLE, lambda: self._read(job, client)
            )
        if quotes.is_to_read(job):
            return Step(
                "read_quote",
                StepKind.REPEATABLE,
                lambda: quotes.read(job, lambda link: _find_quoted(client, link)),
            )
        if self._needs_time(job, datetime.now(UTC)):
            return Step("fix_time", StepKind.REPEATABLE, self._fix_time)
        return Step("put_record", StepKind.COMMIT, lambda: self._put(job, client))

    def _upload(
        self, job: PublishJob, client: BlueskyClient, number: int
    ) -> StepResult:
        blob = client.upload_blob(job.draft.media[number - 1])
        return StepResult({"blobs": [*job.witness.get("blobs", []), blob]})

    def _upload_captions(
        self, job: PublishJob, client: BlueskyClient, file: MediaFile
    ) -> StepResult:
        said = captions.as_sent(file, SPEC)
        as_file = replace(
            file,
            mime_type=captions.VTT,
            size_bytes=len(said),
            open=lambda: BytesIO(said),
        )
        there = {"lang": file.language, "file": client.upload_blob(as_file)}
        return StepResult({"captions": [*job.witness.get("captions", []), there]})

    def _film_step(
        self, job: PublishJob, client: BlueskyClient, film: MediaFile
    ) -> Step:
        def step(name: str, run: Any) -> Step:
            return Step(name, StepKind.REPEATABLE, run)

        if job.witness.get("as_it_is"):
            return step("upload_as_it_is", lambda: self._upload_whole(client, film))
        if not job.witness.get("may_upload"):
            return step("ask_allowance", lambda: self._ask(client, film))
        if number := _video_job(job, film):
            return step("wait_video", lambda: self._wait(job, client, number))
        return step("upload_video", lambda: self._send(job, client, film))

    def _ask(self, client: BlueskyClient, film: MediaFile) -> StepResult:
        """Whether a video may be uploaded now, before its bytes are sent."""
        try:
            client.video_allowance()
        except PermissionMissing as error:
            if error.status != 501:
                raise
            if film.mime_type != "video/mp4":
                raise InvalidContent(error.detail, cause=Cause.MEDIA_TYPE) from error
            return StepResult({"as_it_is": True})
        return StepResult({"may_upload": True})

    def _upload_whole(self, client: BlueskyClient, film: MediaFile) -> StepResult:
        return StepResult({"blobs": [client.upload_blob(film)]})

    def _send(
        self, job: PublishJob, client: BlueskyClient, film: MediaFile
    ) -> StepResult:
        sent = client.upload_video(film)
        video = {"job": sent.id, "sha256": film.sha256}
        return self._came_to(job, sent, {"video": video, "polls": 0})

    def _wait(self, job: PublishJob, client: BlueskyClient, number: str) -> StepResult:
        try:
            seen = client.video_job(number)
        except NotFound as error:
            return self._again(job, error)
        polls = int(job.witness.get("polls") or 0) + 1
        return self._came_to(job, seen, {"polls": polls})

    def _came_to(
        self, job: PublishJob, seen: VideoJob, witness: dict[str, Any]
    ) -> StepResult:
        """The blob counts whatever the state says: the file may have been there."""
        if seen.blob is not None:
            return StepResult({**witness, "blobs": [dict(seen.blob)]})
        if seen.failure in OF_THE_FILE:
            cause = OF_THE_FILE[seen.failure]
            said = seen.said or seen.failure
            raise InvalidContent(said, cause=cause, code=seen.failure)
        if seen.failure or not seen.id or witness["polls"] >= MAX_POLLS:
            said = seen.said or seen.failure or seen.state
            return self._again(job, TransientError(said, code=seen.failure))
        wait_s = POLLS_S[min(witness["polls"], len(POLLS_S) - 1)]
        return StepResult(witness, wait_s=wait_s)

    def _again(self, job: PublishJob, error: PlatformError) -> StepResult:
        """Send it once more after a while, but not without end."""
        tries = int(job.witness.get("tries") or 0) + 1
        if tries >= MAX_TRIES:
            raise InvalidContent(
                error.detail,
                cause=Cause.MEDIA_REFUSED,
                status=error.status,
                code=error.code,
                request_id=error.request_id,
            ) from error
        return StepResult({"video": {}, "tries": tries}, wait_s=30)

    def _resolve(self, handles: list[str], client: BlueskyClient) -> StepResult:
        dids = {}
        for handle in handles:
            try:
                dids[handle] = client.resolve_handle(handle)
            except (NotFound, InvalidContent):
                continue  # nobody has this handle: it stays plain text
        return StepResult({"dids": dids})

    def _read(self, job: PublishJob, client: BlueskyClient) -> StepResult:
        """A reply names what is above it by its content as well (its CID)."""
        cids = {
            uri: client.get_post(uri.rsplit("/", 1)[-1]).cid
            for uri in _above(job)
            if uri not in self._cids(job)
        }
        return StepResult({"cids": {**job.witness.get("cids", {}), **cids}})

    @staticmethod
    def _cids(job: PublishJob) -> dict[str, str]:
        """By address: known from when a part went out, or read since."""
        told = {one.external_id: str(one.extra.get("cid") or "") for one in job.earlier}
        read: Mapping[str, str] = job.witness.get("cids", {})
        return {uri: cid for uri, cid in {**told, **read}.items() if cid}

    def _needs_time(self, job: PublishJob, now: datetime) -> bool:
        """The post's own time is when it goes out, and never changes once sent.

        A time of the day it was written would hide a scheduled post deep in the feeds;
        a new time on a repeat would make another record of it.
        """
        fixed = job.witness.get("created_at")
        if fixed is None:
            return True
        return job.first_sent_at is None and now - datetime.fromisoformat(fixed) > FRESH

    def _fix_time(self) -> StepResult:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        return StepResult({"created_at": now})

    def _put(self, job: PublishJob, client: BlueskyClient) -> StepResult:
        rkey = self.rkey(job)
        try:
            record = client.put_post(rkey, self.record(job))
        except DuplicateContent as error:
            if not _has_gate(job):
                # Else a look finds it, which tells what is still to be done to it.
                error.extra["external_id"] = f"at://{client.did}/{POST}/{rkey}"
                error.extra["permalink"] = self._permalink(job, client, rkey)
            raise
        except TransientError as error:
            if error.cause is Cause.MEDIA_EXPIRED:
                error.extra["forget"] = FORGET_BLOBS
            raise
        except InvalidContent as error:
            if cards.shown(job):
                raise cards.once_more_without(error) from error
            raise
        # When it went out is when the answer came; createdAt is a little earlier.
        if _has_gate(job):
            return StepResult(_posted(record, datetime.now(UTC)))
        remote = replace(self._remote(job, client, rkey, record), published_at=None)
        return StepResult(remote=remote)

    def _put_gate(self, job: PublishJob, client: BlueskyClient) -> StepResult:
        """Say who may reply; without it the post is out all the same, and it is told."""
        left: dict[str, Any] = {}
        try:
            client.put_gate(self.rkey(job), self.gate(job))
        except DuplicateContent:
            pass  # somebody has said so at Bluesky itself meanwhile
        except PlatformError as error:
            if without.FILES.is_of_all(error):
                raise
            tries = int(job.witness.get("gate_tries", 0)) + 1
            is_passing = error.outcome is Outcome.TRANSIENT
            if is_passing and tries < without.FILES.tries:
                wait_s = without.FILES.pause_s(error)
                return StepResult({"gate_tries": tries}, wait_s=wait_s)
            left = without.with_one_more(job.witness, without.REPLY_CONTROL, error)
        told = replace(job, witness={**job.witness, **left})
        return StepResult(left, remote=self._posted_remote(told, client))

    def gate(self, job: PublishJob) -> dict[str, Any]:
        """The record beside the post; the same for every attempt."""
        chosen_rules = str(chosen(SPEC, job.draft, job.account, REPLY_CONTROL))
        rules = [] if chosen_rules == NOBODY else chosen_rules.split("+")
        return {
            "$type": GATE,
            "post": job.witness["posted"]["uri"],
            "allow": [{"$type": f"{GATE}#{rule}"} for rule in rules],
            "createdAt": self._created_at(job),
        }

    def _posted_remote(self, job: PublishJob, client: BlueskyClient) -> RemotePost:
        posted = job.witness["posted"]
        record = Record(posted["uri"], posted["cid"], self.record(job))
        remote = self._remote(job, client, self.rkey(job), record)
        return replace(remote, published_at=datetime.fromisoformat(posted["at"]))

    def is_out(self, witness: Mapping[str, Any]) -> bool:
        return bool(witness.get("posted"))

    def rkey(self, job: PublishJob) -> str:
        return tid(job.created_at, job.marker)

    def record(self, job: PublishJob) -> dict[str, Any]:
        """The post's record: the same for every attempt with the same witness."""
        draft = job.draft
        text = self.text_as_sent(draft)
        record: dict[str, Any] = {
            "$type": POST,
            "text": text,
            "createdAt": self._created_at(job),
        }
        if label := chosen(SPEC, draft, job.account, LABEL):
            values = [{"val": label}]
            record["labels"] = {"$type": SELF_LABELS, "values": values}
        if (tags := _tags(draft)) and not job.earlier:
            record["tags"] = tags
        if draft.language:
            record["langs"] = [draft.language]
        if found := facets(text, job.witness.get("dids")):
            record["facets"] = found
        if job.earlier:
            root, parent = (
                {"uri": uri, "cid": self._cids(job)[uri]}
                for uri in (job.earlier[0].external_id, job.replies_to)
            )
            record["reply"] = {"root": root, "parent": parent}
        if film := _film(job):
            record["embed"] = self._video(job, film)
        elif draft.media:
            record["embed"] = self._images(job)
        elif is_web_link(draft.link_url.strip()):
            record["embed"] = self._card(job)
        if quoted := quotes.known(job):
            strong = {"uri": quoted["uri"], "cid": quoted["cid"]}
            quote: dict[str, Any] = {"$type": "app.bsky.embed.record", "record": strong}
            if media := record.get("embed"):
                kind = "app.bsky.embed.recordWithMedia"
                quote = {"$type": kind, "record": quote, "media": media}
            record["embed"] = quote
        return record

    @staticmethod
    def _created_at(job: PublishJob) -> str:
        at = datetime.fromisoformat(job.witness["created_at"])
        return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def _images(self, job: PublishJob) -> dict[str, Any]:
        images = []
        for media, blob in zip(job.draft.media, job.witness["blobs"], strict=True):
            image: dict[str, Any] = {"image": blob, "alt": media.alt_text}
            if media.width > 0 and media.height > 0:
                image["aspectRatio"] = {"width": media.width, "height": media.height}
            images.append(image)
        if len(images) <= PLAIN_IMAGES:
            return {"$type": "app.bsky.embed.images", "images": images}
        kind = "app.bsky.embed.gallery"
        items = [{"$type": f"{kind}#image", **image} for image in images]
        return {"$type": kind, "items": items}

    def _video(self, job: PublishJob, film: MediaFile) -> dict[str, Any]:
        embed: dict[str, Any] = {
            "$type": "app.bsky.embed.video",
            "video": job.witness["blobs"][0],
        }
        if alt := film.alt_text.strip():
            embed["alt"] = alt
        if film.width > 0 and film.height > 0:
            embed["aspectRatio"] = {"width": film.width, "height": film.height}
        if said := job.witness.get("captions"):
            embed["captions"] = said
        return embed

    def _card(self, job: PublishJob) -> dict[str, Any]:
        draft = job.draft
        link = draft.link_url.strip()
        external: dict[str, Any] = {
            "uri": link,
            "title": draft.link_title.strip() or web_host(link),
            "description": draft.link_description.strip(),
        }
        if blob := cards.shown(job).get("blob"):
            external["thumb"] = blob
        return {"$type": "app.bsky.embed.external", "external": external}

    def _permalink(self, job: PublishJob, client: BlueskyClient, rkey: str) -> str:
        who = job.account.handle or client.did
        return f"{client.host('app')}/profile/{who}/post/{rkey}"

    def _remote(
        self, job: PublishJob, client: BlueskyClient, rkey: str, record: Record
    ) -> RemotePost:
        created = str(record.value.get("createdAt") or "")
        try:
            at = datetime.fromisoformat(created)
        except ValueError:
            at = None
        extra: dict[str, Any] = {"cid": record.cid}
        if said := cards.notes(job):
            extra["notes"] = said
        return RemotePost(
            external_id=record.uri,
            permalink=self._permalink(job, client, rkey),
            text=str(record.value.get("text") or ""),
            published_at=at,
            extra=extra,
        )

    def id_of_link(self, permalink: str, account: Identity) -> str:
        key = permalink.partition("/post/")[2].strip("/")
        return f"at://{account.external_id}/{POST}/{key}" if key else ""

    # ------------------------------------------------------------ limits

    def calls_ahead(self, job: PublishJob, *, looking: bool) -> Mapping[str, int]:
        if looking:
            return {"GET com.atproto.repo.getRecord": 1}
        calls = {PUT_GATE: 1} if _has_gate(job) else {}
        if job.witness.get("posted"):
            return calls
        calls["POST com.atproto.repo.putRecord"] = 1
        film, blobs = _film(job), job.witness.get("blobs", [])
        if film and not blobs:
            calls |= _film_calls(job, film)
        elif uploads := len(job.draft.media) - len(blobs):
            calls["POST com.atproto.repo.uploadBlob"] = uploads
        if film and (left := _captions_left(job)):
            uploads = calls.get("POST com.atproto.repo.uploadBlob", 0) + len(left)
            calls["POST com.atproto.repo.uploadBlob"] = uploads
        if cards.left(job, SPEC):
            calls["POST com.atproto.repo.uploadBlob"] = 1
        if "dids" not in job.witness:
            text = self.text_as_sent(job.draft)
            if handles := {m.value for m in find_mentions(text)}:
                calls["GET com.atproto.identity.resolveHandle"] = len(handles)
        if quotes.is_to_read(job):
            key = "GET com.atproto.identity.resolveHandle"
            calls |= {"GET app.bsky.feed.getPosts": 1, key: calls.get(key, 0) + 1}
        if unread := _above(job) - self._cids(job).keys():
            calls["GET com.atproto.repo.getRecord"] = len(unread)
        return calls

    def observe(
        self, key: str, headers: Mapping[str, str], now: datetime
    ) -> Sequence[Observation]:
        """The tightest bucket of the call; its window's length tells which one."""
        limit = header_number(headers.get("ratelimit-limit"))
        remaining = header_number(headers.get("ratelimit-remaining"))
        if limit is None or remaining is None:
            return ()
        resets_at = header_time(headers.get("ratelimit-reset"))
        left_s = (resets_at - now).total_seconds() if resets_at else None
        length = headers.get("ratelimit-policy", "").partition(";w=")[2]
        rules = [self.spec.rules[name] for name in self.spec.call(key).draws]
        rule = meant_bucket(rules, limit, left_s, header_number(length))
        if rule is None:
            return ()
        return (Observation(rule.key, limit, remaining, resets_at, now),)

    # ------------------------------------------------------------ reconciliation

    def look(self, job: PublishJob, client: PlatformClient) -> Look:
        """Ask the account's own server for the key: certain, and at once."""
        assert isinstance(client, BlueskyClient)
        rkey = self.rkey(job)
        try:
            record = client.get_post(rkey)
        except NotFound as error:
            if error.code != "RecordNotFound":
                raise
            return Look(
                Sighting.ABSENT,
                evidence=f"no record {rkey} on the account's server",
                safe_to_repeat=True,
            )
        remote = self._remote(job, client, rkey, record)
        at = remote.published_at or datetime.now(UTC)
        left = _posted(record, at) if _has_gate(job) else {}
        return Look(Sighting.FOUND, remote, f"record {rkey}", left)


def _has_gate(job: PublishJob) -> bool:
    """Whether it is to be said who may reply: at the beginning of a thread only."""
    return bool(chosen(SPEC, job.draft, job.account, REPLY_CONTROL)) and not job.earlier


def _posted(record: Record, at: datetime) -> dict[str, Any]:
    told = {"uri": record.uri, "cid": record.cid, "at": at.isoformat()}
    return {"posted": told}


def _tags(draft: Draft) -> list[str]:
    typed = [
        str(tag).strip().removeprefix("#") for tag in draft.options.get(TAGS) or ()
    ]
    return list(dict.fromkeys(tag for tag in typed if tag))


def _tag_findings(draft: Draft) -> Iterator[Finding]:
    longest = max(map(graphemes, _tags(draft)), default=0)
    if longest > MAX_TAG_GRAPHEMES:
        values = {
            "option": SPEC.options_by_key[TAGS].name,
            "used": longest,
            "limit": MAX_TAG_GRAPHEMES,
            "unit": "characters",
        }
        cause, field = Cause.OPTION_TOO_LONG, f"option:{TAGS}"
        yield Finding(Level.REFUSED, cause, field, values)


def _above(job: PublishJob) -> set[str]:
    """Addresses of the first part and of the one before."""
    return {job.earlier[0].external_id, job.replies_to} if job.earlier else set()


def _film(job: PublishJob) -> MediaFile | None:
    """The file that is shown as a video; None for a post without one."""
    first = job.draft.media[0] if job.draft.media else None
    moves = chosen(SPEC, job.draft, job.account, GIF_AS_VIDEO)
    if first and (
        first.kind is MediaKind.VIDEO or (first.kind is MediaKind.GIF and moves)
    ):
        return first
    return None


def _find_quoted(client: BlueskyClient, link: str) -> dict[str, str]:
    found = QUOTED.search(link)
    if found is None:
        raise NotFound("no address of a post")
    uri, cid = client.quoted(found["web"] or found["did"], found["rkey"])
    return {"uri": uri, "cid": cid}


def _captions_left(job: PublishJob) -> tuple[MediaFile, ...]:
    """Those that are not there yet, in order."""
    return captions.sent(job.draft, SPEC)[len(job.witness.get("captions", [])) :]


def _video_job(job: PublishJob, film: MediaFile) -> str:
    stored = job.witness.get("video") or {}
    return str(stored["job"]) if stored.get("sha256") == film.sha256 else ""


def _film_calls(job: PublishJob, film: MediaFile) -> dict[str, int]:
    if job.witness.get("as_it_is"):
        return {"POST com.atproto.repo.uploadBlob": 1}
    calls = {"GET app.bsky.video.getJobStatus": POLLS_AHEAD}
    tokens = 0
    if not job.witness.get("may_upload"):
        calls["GET app.bsky.video.getUploadLimits"] = 1
        tokens += 1
    if not _video_job(job, film):
        calls["POST app.bsky.video.uploadVideo"] = 1
        tokens += 1
    return calls | ({"GET com.atproto.server.getServiceAuth": tokens} if tokens else {})


def _at_most(rule: R, max_bytes: int) -> R:
    """The rule on a server that takes blobs of so many bytes only."""
    return replace(rule, max_bytes=min(rule.max_bytes, max_bytes))

"""TikTok: content rules, the publishing steps, and what became of a post.

Publishing is asynchronous: a publish gets a number, and its state is asked for until it
is out. A post that not everybody may see never gets a number of its own, so it is
published without a link.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from ..base import (
    Count,
    Draft,
    Finding,
    HookEvent,
    Identity,
    Level,
    Look,
    MediaKind,
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
from ..checks import fetch_findings, link_findings, media_findings, option_findings
from ..errors import (
    Cause,
    InvalidContent,
    NotFound,
    PermissionMissing,
    PlatformDown,
    PlatformError,
    RateLimited,
    TransientError,
    as_kind,
)
from ..text import cover_index, cover_ms, tidy, with_link
from . import hook, media
from .client import (
    COMPLETE,
    FAILED,
    IN_INBOX,
    PROCESSING_UPLOAD,
    State,
    TikTokClient,
    failure,
    listed,
)
from .media import ANEW, FIRST_POLL_S, doubtful, is_whole, taken, upload_of
from .spec import (
    CAPTION_LIMIT,
    DRAFT,
    HANDOVER,
    LISTED_CHARACTERS,
    LONGEST_S,
    LOOK_BACK_S,
    PHOTO_PATH,
    PHOTO_TEXT_LIMIT,
    PHOTO_TITLE_LIMIT,
    PRIVATE,
    PUBLIC,
    PULL_VIDEOS,
    SPEC,
)

#: What the creator may do is read anew when it is older, and with each new upload.
CREATOR_LIFE = timedelta(minutes=30)
#: Seconds until the state is asked for again, from question to question.
POLLS_S = (5, 10, 20, 30)
POLL_S, LATER_POLL_S = 60, 300
#: From then on it is asked less often, and in the end not at all: TikTok promises no
#: upper bound, and posts have been seen to stay in processing.
POLL_LESS_AFTER = timedelta(hours=1)
GIVE_UP_AFTER = timedelta(hours=24)
#: A public post gets its number after moderation: a minute, at times hours.
NUMBER_WAITS_S = (10, 20, 30, 60, 60, 120, 300, 600, 1800, 3600)
#: A draft that nobody has published by then is told as left; it is not known how long
#: TikTok keeps one.
DRAFT_WAITS = timedelta(days=7)
#: A lost answer is not followed for longer than this to have a link.
NUMBER_SOON = timedelta(hours=1)
LOOK_COUNT, LOOK_PAGES = 20, 3
#: Files are fetched in vain at times, and the next time well.
MAX_TRIES = 3
#: A question that meets these is asked again: what is out stays out.
PASSING = (TransientError, RateLimited, PlatformDown)


class TikTok(Platform):
    spec = SPEC
    client_class = TikTokClient
    pull_videos = PULL_VIDEOS

    def scopes_to_ask(
        self,
        granted_to_app: Collection[str] = (),
        facts: Mapping[str, Any] | None = None,
    ) -> tuple[str, ...]:
        """One scope that our app has not refuses the whole sign-in."""
        asked = SPEC.oauth.scopes if SPEC.oauth else ()
        if not granted_to_app:
            return asked
        known = tuple(s for s in asked if s == "user.info.basic" or s in granted_to_app)
        drafts = ("video.upload",) if "video.upload" in granted_to_app else ()
        return known + drafts

    def hook_events(
        self, body: bytes, headers: Mapping[str, str], secret: str, now: datetime
    ) -> Sequence[HookEvent]:
        return hook.events(body, headers, secret, now)

    def waits_for(self, witness: Mapping[str, Any]) -> str:
        if not witness.get("inbox_at"):
            return ""
        return "It lies in TikTok's app as a draft: somebody has to publish it there."

    def is_out(self, witness: Mapping[str, Any]) -> bool:
        return bool(witness.get("publish"))

    # --- content

    def text_as_sent(self, draft: Draft) -> str:
        return with_link(unicodedata.normalize("NFC", draft.text), draft.link_url)

    def counts(
        self, draft: Draft, limits: Mapping[str, Any] | None = None
    ) -> list[Count]:
        limit = PHOTO_TEXT_LIMIT if _has_photos(draft) else CAPTION_LIMIT
        return [Count("characters", utf16(self.text_as_sent(draft)), limit)]

    def check(
        self,
        draft: Draft,
        account: Identity | None = None,
        limits: Mapping[str, Any] | None = None,
    ) -> list[Finding]:
        limits = limits or {}
        found: list[Finding] = []
        (count,) = self.counts(draft)
        if count.over:
            values = {"used": count.used, "limit": count.limit}
            found.append(Finding(Level.REFUSED, Cause.TEXT_TOO_LONG, "text", values))
        if not draft.media:
            found.append(Finding(Level.REFUSED, Cause.MEDIA_MISSING, "media"))
        fetched = replace(
            draft, media=tuple(f for f in draft.media if self._is_fetched(f.kind))
        )
        spec = self.spec
        if spec.videos and (longest := limits.get("max_video_s")):
            videos = replace(spec.videos, max_s=min(longest, LONGEST_S))
            spec = replace(spec, videos=videos)
        found += [
            *fetch_findings(fetched, account),
            *link_findings(draft),
            *media_findings(draft, spec),
        ]
        if _is_draft(self.spec, draft, account):
            # All that is decided in the app; a video comes there without a word.
            if _has_video(draft) and self.text_as_sent(draft):
                found.append(Finding(Level.WARNING, Cause.TEXT_NOT_SHOWN, "text"))
            return found
        return [
            *found,
            *option_findings(draft, spec, account, limits),
            *self._choices(draft, account, limits),
        ]

    def _is_fetched(self, kind: MediaKind) -> bool:
        return kind is MediaKind.IMAGE or self.pull_videos

    def _choices(
        self, draft: Draft, account: Identity | None, limits: Mapping[str, Any]
    ) -> list[Finding]:
        """What the choices mean together, and to this creator."""
        found: list[Finding] = []

        def say(level: Level, key: str, cause: Cause = Cause.OPTION_UNKNOWN) -> None:
            values = {"option": self.spec.options_by_key[key].name}
            found.append(Finding(level, cause, f"option:{key}", values))

        def choice(key: str) -> Any:
            return chosen(self.spec, draft, account, key)

        if choice("paid_partnership") and choice("privacy_level") == PRIVATE:
            say(Level.REFUSED, "paid_partnership")
        forced = {"comment": "allow_comment"}
        if _has_video(draft):
            forced |= {"duet": "allow_duet", "stitch": "allow_stitch"}
            cover = choice("cover_at")
            if cover is not None and cover_ms(cover, draft.media[0].duration_s) is None:
                say(Level.REFUSED, "cover_at")
        if _has_photos(draft):
            if (cover := choice("cover_photo")) is not None:
                if cover_index(cover, len(draft.media)) is None:
                    say(Level.REFUSED, "cover_photo")
            title = str(choice("title") or "")
            if len(title) <= PHOTO_TITLE_LIMIT < utf16(title):
                say(Level.REFUSED, "title", Cause.OPTION_TOO_LONG)
        for what, key in forced.items():
            # TikTok keeps it off, whatever is sent.
            if choice(key) and limits.get(f"{what}_disabled"):
                say(Level.WARNING, key)
        return found

    # --- steps

    def next_step(self, job: PublishJob, client: PlatformClient) -> Step:
        """Ask what the creator may do, hand the files over, then ask what became of it.

        Witness: "creator" {"at", "username", ...}, "publish" {"publish_id", "at"} from
        the moment at which TikTok goes on by itself, "polls", "complete_at", "tries",
        and "post_id"; of an upload see `media`.
        """
        api = cast(TikTokClient, client)
        if post_id := job.witness.get("post_id"):
            return Step(
                "permalink",
                StepKind.REPEATABLE,
                lambda: StepResult(remote=self._remote(job, api, str(post_id))),
            )
        if job.witness.get("publish"):
            return Step("state", StepKind.REPEATABLE, lambda: self._state(job, api))
        sent_by_us = self._is_sent_by_us(job)
        begun = sent_by_us and bool(upload_of(job) or doubtful(job))
        if not begun and not self._is_draft(job) and _creator(job) is None:
            return Step("creator", StepKind.REPEATABLE, lambda: self._ask(job, api))
        if sent_by_us:
            words = None if self._is_draft(job) else self.post
            return media.Sending(
                job, api, lambda: words(job) if words else None
            ).next_step()
        given = tuple(file.public_url for file in job.draft.media if file.public_url)
        return Step(
            "publish",
            StepKind.COMMIT,
            lambda: self._publish(job, api),
            gives_out=given,
        )

    def _is_draft(self, job: PublishJob) -> bool:
        return _is_draft(self.spec, job.draft, job.account)

    def _is_sent_by_us(self, job: PublishJob) -> bool:
        # A draft of a video is sent by us anyway.
        return _has_video(job.draft) and (not self.pull_videos or self._is_draft(job))

    def _ask(self, job: PublishJob, api: TikTokClient) -> StepResult:
        """What was chosen days ago may not be possible any more."""
        if not job.draft.media:
            raise InvalidContent("no file", cause=Cause.MEDIA_MISSING)
        creator = api.creator()
        level = self._choice(job, "privacy_level")
        if level is None:
            raise InvalidContent(
                "nobody chose who can see it", cause=Cause.OPTION_MISSING
            )
        if level not in creator.levels:
            raise InvalidContent(
                f"{level} is none of {', '.join(creator.levels)}",
                cause=Cause.OPTION_UNKNOWN,
            )
        length = job.draft.media[0].duration_s
        if length and creator.max_s and length > creator.max_s:
            raise InvalidContent(
                f"{length:.0f} s of at most {creator.max_s}",
                cause=Cause.VIDEO_TOO_LONG,
            )
        stored = {
            "at": datetime.now(UTC).isoformat(),
            "username": creator.username,
            "comment": creator.comment_disabled,
            "duet": creator.duet_disabled,
            "stitch": creator.stitch_disabled,
        }
        return StepResult({"creator": stored})

    def _choice(self, job: PublishJob, key: str) -> Any:
        return chosen(self.spec, job.draft, job.account, key)

    def post(self, job: PublishJob) -> dict[str, Any]:
        """`post_info`; what nobody allowed is off."""
        creator = _creator(job) or {}
        draft = job.draft

        def off(what: str) -> bool:
            return bool(creator.get(what)) or not self._choice(job, f"allow_{what}")

        text = self.text_as_sent(draft)
        info: dict[str, Any] = {
            "privacy_level": self._choice(job, "privacy_level"),
            "disable_comment": off("comment"),
            "brand_content_toggle": bool(self._choice(job, "paid_partnership")),
            "brand_organic_toggle": bool(self._choice(job, "own_brand")),
        }
        if _has_photos(draft):
            return info | {
                "title": tidy(str(self._choice(job, "title") or "")),
                "description": text,
                "auto_add_music": bool(self._choice(job, "add_music")),
            }
        info |= {
            "title": text,
            "disable_duet": off("duet"),
            "disable_stitch": off("stitch"),
            "is_aigc": bool(self._choice(job, "ai_generated")),
        }
        cover = self._choice(job, "cover_at")
        at_ms = cover_ms(cover, draft.media[0].duration_s) if cover else None
        return info | ({"video_cover_timestamp_ms": at_ms} if at_ms else {})

    def photos(self, job: PublishJob) -> dict[str, Any]:
        """What publishes photos; here the AI label stands beside the post."""
        files = job.draft.media
        index = cover_index(self._choice(job, "cover_photo") or "1", len(files))
        source = {
            "source": "PULL_FROM_URL",
            "photo_cover_index": index or 0,
            "photo_images": [file.public_url for file in files],
        }
        if self._is_draft(job):
            # Nothing else of it is kept.
            words = {
                "title": tidy(str(self._choice(job, "title") or "")),
                "description": self.text_as_sent(job.draft),
            }
            return {"post_info": words, "source_info": source}
        return {
            "is_aigc": bool(self._choice(job, "ai_generated")),
            "post_info": self.post(job),
            "source_info": source,
        }

    def _publish(self, job: PublishJob, api: TikTokClient) -> StepResult:
        """Have the files fetched: with this call the post is on its way."""
        if not all(file.public_url for file in job.draft.media):
            raise InvalidContent(
                "a file has no public address", cause=Cause.MEDIA_NOT_PUBLIC
            )
        if not job.draft.media:
            raise InvalidContent("no file", cause=Cause.MEDIA_MISSING)
        if _has_photos(job.draft) and self._is_draft(job):
            begun = api.hand_over_photos(self.photos(job))
        elif _has_photos(job.draft):
            begun = api.pull_photos(self.photos(job))
        else:
            begun = api.pull_video(self.post(job), job.draft.media[0].public_url)
        return StepResult(taken(begun.publish_id), wait_s=FIRST_POLL_S)

    # --- what became of it

    def _state(self, job: PublishJob, api: TikTokClient) -> StepResult:
        publish, now = job.witness["publish"], datetime.now(UTC)
        age = now - datetime.fromisoformat(publish["at"])
        try:
            told = api.state(publish["publish_id"])
        except PASSING:
            return StepResult(wait_s=POLL_S)
        except NotFound as gone:
            if job.witness.get("inbox_at"):
                raise as_kind(InvalidContent, gone, cause=Cause.DRAFT_LEFT) from gone
            if not job.witness.get("complete_at"):
                raise
            return StepResult(remote=RemotePost(publish["publish_id"], ""))
        if told.status == FAILED:
            return self._failed(job, told)
        if told.status == COMPLETE:
            return self._complete(job, api, told, now)
        if told.status == IN_INBOX:
            return self._in_inbox(job, publish, now)
        if age > GIVE_UP_AFTER:
            raise InvalidContent(
                f"{told.status} since {publish['at']}", cause=Cause.MEDIA_NOT_READY
            )
        polls = int(job.witness.get("polls") or 0) + 1
        wait_s = POLLS_S[polls] if polls < len(POLLS_S) else POLL_S
        if age > POLL_LESS_AFTER:
            wait_s = LATER_POLL_S
        return StepResult({"polls": polls}, wait_s=wait_s)

    def _in_inbox(
        self, job: PublishJob, publish: Mapping[str, Any], now: datetime
    ) -> StepResult:
        """Delivered, which is no publication: that takes a person in TikTok's app."""
        since = datetime.fromisoformat(job.witness.get("inbox_at") or now.isoformat())
        if now - since > DRAFT_WAITS:
            raise InvalidContent(
                f"{publish['publish_id']} in the inbox since {since.isoformat()}",
                cause=Cause.DRAFT_LEFT,
            )
        wait_s = POLL_S if now - since < POLL_LESS_AFTER else LATER_POLL_S
        return StepResult({"inbox_at": since.isoformat()}, wait_s=wait_s)

    def _failed(self, job: PublishJob, told: State) -> StepResult:
        error = failure(told, ANEW)
        tries = int(job.witness.get("tries", 0)) + 1
        if error.cause is not Cause.MEDIA_NOT_PUBLIC:
            raise error
        if tries >= MAX_TRIES:
            raise InvalidContent(
                error.detail, cause=error.cause, code=error.code, extra=error.extra
            )
        return StepResult(
            {name: None for name in ANEW} | {"tries": tries}, wait_s=POLL_S
        )

    def _complete(
        self, job: PublishJob, api: TikTokClient, told: State, now: datetime
    ) -> StepResult:
        if told.post_ids:
            post_id = told.post_ids[0]
            if "video.list" in api.access.scopes:
                return StepResult({"post_id": post_id})
            return StepResult(remote=self._built(job, api, post_id))
        since = datetime.fromisoformat(
            job.witness.get("complete_at") or now.isoformat()
        )
        waited_s = (now - since).total_seconds()
        waits = (sum(NUMBER_WAITS_S[: n + 1]) for n in range(len(NUMBER_WAITS_S)))
        next_s = next((at - waited_s for at in waits if at > waited_s), None)
        # Of a draft somebody else chose who can see it.
        may_get_one = (
            self._is_draft(job) or self._choice(job, "privacy_level") == PUBLIC
        )
        if not may_get_one or next_s is None:
            # Out, and without a number of its own: a normal end here.
            publish_id = str(job.witness["publish"]["publish_id"])
            return StepResult(remote=RemotePost(publish_id, ""))
        return StepResult({"complete_at": since.isoformat()}, wait_s=next_s)

    def _remote(self, job: PublishJob, api: TikTokClient, post_id: str) -> RemotePost:
        """The post with TikTok's own address, or the usual one if it cannot be read."""
        try:
            return listed(api.video(post_id))
        except PlatformError:
            return self._built(job, api, post_id)

    def _built(self, job: PublishJob, api: TikTokClient, post_id: str) -> RemotePost:
        username = (job.witness.get("creator") or {}).get("username")
        handle = str(username or job.account.handle)
        path = PHOTO_PATH if _has_photos(job.draft) else "video"
        address = f"{api.profile(handle)}/{path}/{post_id}" if handle else ""
        return RemotePost(post_id, address)

    # --- limits

    def calls_ahead(self, job: PublishJob, *, looking: bool) -> Mapping[str, int]:
        state, address = "POST /v2/post/publish/status/fetch/", "POST /v2/video/query/"
        if looking:
            return {state: 1, address: 1, "POST /v2/video/list/": LOOK_PAGES}
        if job.witness.get("post_id"):
            return {address: 1}
        calls = Counter({state: 1, address: 1})
        if job.witness.get("publish"):
            return calls
        is_draft = self._is_draft(job)
        asks = not is_draft and _creator(job) is None
        if asks and not (job.draft.media and upload_of(job)):
            calls["POST /v2/post/publish/creator_info/query/"] = 1
        if self._is_sent_by_us(job):
            return calls + media.calls_ahead(job, is_draft=is_draft)
        key = "POST /v2/post/publish/content/init/ (DIRECT_POST)"
        if is_draft:
            key = "POST /v2/post/publish/content/init/ (MEDIA_UPLOAD)"
        if _has_video(job.draft) and not is_draft:
            key = "POST /v2/post/publish/video/init/"
        calls[key] = 1
        return calls

    # --- reconciliation

    def look(self, job: PublishJob, client: PlatformClient) -> Look:
        """The state of a publish tells surely; where its number was lost, only a public
        post can be found, and nothing tells that there is none."""
        api = cast(TikTokClient, client)
        publish = job.witness.get("publish") or {}
        known = publish or job.witness.get("upload") or {}
        if post_id := job.witness.get("post_id"):
            return Look(
                Sighting.FOUND,
                self._remote(job, api, str(post_id)),
                "its number was told",
            )
        if known:
            return self._look_at(job, api, str(known["publish_id"]), bool(publish))
        if self._choice(job, "privacy_level") != PUBLIC:
            return Look(
                Sighting.CANNOT_TELL,
                evidence="TikTok shows an app only posts that everybody may see",
            )
        return self._search(job, api)

    def _look_at(
        self, job: PublishJob, api: TikTokClient, publish_id: str, is_taken: bool
    ) -> Look:
        """What has a number can be gone on with: asking for its state posts nothing, and
        bytes that are there already are refused."""
        try:
            told = api.state(publish_id)
        except NotFound:
            return Look(
                Sighting.CANNOT_TELL, evidence=f"TikTok does not know {publish_id}"
            )
        evidence = f"{publish_id} is {told.status} {told.fail_reason}".strip()
        if told.status == COMPLETE and told.post_ids:
            remote = self._remote(job, api, told.post_ids[0])
            return Look(Sighting.FOUND, remote, evidence)
        if told.status == COMPLETE and not self._gets_number(job):
            return Look(Sighting.FOUND, RemotePost(publish_id, ""), evidence)
        sighting = Sighting.CANNOT_TELL
        if told.status == FAILED:
            sighting = Sighting.ABSENT
        elif told.status == PROCESSING_UPLOAD and not is_taken:
            if not is_whole(told, job.draft.media[0]):
                sighting = Sighting.ABSENT
                evidence += f", {told.uploaded} bytes of it are there"
        return Look(sighting, evidence=evidence, safe_to_repeat=True)

    def _gets_number(self, job: PublishJob) -> bool:
        """It is out, and its own number is worth waiting for."""
        sent_at = job.first_sent_at or job.created_at
        lately = datetime.now(UTC) - sent_at < NUMBER_SOON
        may_get_one = (
            self._is_draft(job) or self._choice(job, "privacy_level") == PUBLIC
        )
        return lately and may_get_one

    def _search(self, job: PublishJob, api: TikTokClient) -> Look:
        since = (job.first_sent_at or job.created_at) - timedelta(seconds=LOOK_BACK_S)
        found: RemotePost | None = None
        cursor, read = 0, 0
        for number in range(LOOK_PAGES):
            try:
                rows, cursor = api.videos(LOOK_COUNT, cursor)
            except PermissionMissing as error:
                return Look(Sighting.CANNOT_TELL, evidence=f"no list: {error}")
            if number == 0:
                # Times are TikTok's; look further back, where our clock is ahead.
                since += min(api.clock_offset, timedelta())
            read += len(rows)
            for row in rows:
                if self._matches(job, row, since):
                    found = listed(row)
            oldest = rows[-1].get("create_time") if rows else None
            if not cursor or _moment(oldest) < since:
                break
        if found:
            return Look(
                Sighting.FOUND, found, f"post {found.external_id} has the same text"
            )
        # In moderation, or a kind of post that the list does not have: a person looks.
        return Look(
            Sighting.CANNOT_TELL, evidence=f"none of {read} public posts matches (yet)"
        )

    def _matches(
        self, job: PublishJob, row: Mapping[str, Any], since: datetime
    ) -> bool:
        if not row.get("id") or str(row["id"]) in job.taken:
            return False
        if _moment(row.get("create_time")) < since:
            return False
        length, told = job.draft.media[0].duration_s, row.get("duration")
        if length and told and abs(length - float(told)) > 1.5:
            return False
        ours = _beginning(self.text_as_sent(job.draft))
        said = (row.get("video_description"), row.get("title"))
        return bool(ours) and ours in {_beginning(str(text or "")) for text in said}


def utf16(text: str) -> int:
    """Code units, as TikTok counts."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _has_photos(draft: Draft) -> bool:
    return bool(draft.media) and draft.media[0].kind is MediaKind.IMAGE


def _has_video(draft: Draft) -> bool:
    return bool(draft.media) and draft.media[0].kind is MediaKind.VIDEO


def _creator(job: PublishJob) -> Mapping[str, Any] | None:
    """What was read of the creator lately enough to begin with."""
    stored = job.witness.get("creator") or {}
    if not stored:
        return None
    at = datetime.fromisoformat(stored["at"])
    return stored if datetime.now(UTC) - at < CREATOR_LIFE else None


def _moment(seconds: Any) -> datetime:
    """A time that is not told counts as now: nothing is left out because of it."""
    if not isinstance(seconds, int) or not 0 < seconds < 1 << 33:
        return datetime.now(UTC)
    return datetime.fromtimestamp(seconds, UTC)


def _is_draft(spec: PlatformSpec, draft: Draft, account: Identity | None) -> bool:
    return bool(chosen(spec, draft, account, HANDOVER) == DRAFT)


def _beginning(text: str) -> str:
    """As much of a text as TikTok's lists give."""
    text = " ".join(unicodedata.normalize("NFC", text).split())
    return text[:LISTED_CHARACTERS].rstrip()

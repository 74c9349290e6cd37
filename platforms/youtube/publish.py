"""YouTube: content rules, the publishing steps, and how a lost video is found again."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, cast

from .. import captions, without
from ..base import (
    Count,
    Draft,
    Finding,
    HookAnswer,
    HookEvent,
    Identity,
    Level,
    Look,
    MediaFile,
    MediaKind,
    Platform,
    PlatformClient,
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
)
from ..text import read_date, tidy, utf8_bytes, with_link
from . import hook
from .client import YouTubeClient, moment
from .media import Sending, file_name, made, thumbnail_of, video_of
from .spec import (
    DESCRIPTION_BYTES,
    FORBIDDEN,
    LOOK_BACK_S,
    SHORT_MAX_S,
    SLUG_SETS_FILE_NAME,
    SPEC,
    TAGS_LIMIT,
    THUMBNAIL_MIN_WIDTH,
    UNVERIFIED_MAX_S,
)

#: Seconds until a video is asked for again; hours are nothing unusual.
POLLS_S = (15, 30, 60, 120, 300)
#: Asked so often in vain, YouTube is left to it: the video is there.
MAX_POLLS = 60
#: A video that is not listed after so many questions is not waited for any more.
MISSING_POLLS = 8
#: Tries of what follows on the upload before it is left out.
MAX_TRIES = 5
TRY_AGAIN_S = 30.0
#: Pages of a playlist that are read before a video is added to it.
PLAYLIST_PAGES = 10
#: Pages of uploads that one look reads.
LOOK_PAGES = 3

THUMBNAIL, PLAYLIST = without.THUMBNAIL, without.PLAYLIST
PROCESSING = "processing"
WIDE, UPRIGHT = 16 / 9, 9 / 16
#: option -> field of a video's status that it turns off
TURNED_OFF = {"no_embedding": "embeddable", "hide_stats": "publicStatsViewable"}


class YouTube(Platform):
    spec = SPEC
    client_class = YouTubeClient

    # --- content

    def hook_events(
        self, body: bytes, headers: Mapping[str, str], secret: str, now: datetime
    ) -> Sequence[HookEvent]:
        return hook.events(body, headers, secret)

    def hook_challenge(
        self, query: Mapping[str, str], verify_token: str, secret: str
    ) -> HookAnswer:
        return hook.challenge(query, verify_token)

    def text_as_sent(self, draft: Draft) -> str:
        """The description."""
        return with_link(unicodedata.normalize("NFC", draft.text), draft.link_url)

    def counts(
        self, draft: Draft, limits: Mapping[str, Any] | None = None
    ) -> list[Count]:
        used = utf8_bytes(self.text_as_sent(draft))
        return [Count("bytes", used, DESCRIPTION_BYTES)]

    def check(
        self,
        draft: Draft,
        account: Identity | None = None,
        limits: Mapping[str, Any] | None = None,
    ) -> list[Finding]:
        found: list[Finding] = []

        def refuse(cause: Cause, field: str, **values: Any) -> None:
            found.append(Finding(Level.REFUSED, cause, field, values))

        (count,) = self.counts(draft)
        if count.over:
            values = {"used": count.used, "limit": count.limit, "unit": count.unit}
            refuse(Cause.TEXT_TOO_LONG, "text", **values)
        if _forbidden(self.text_as_sent(draft)):
            refuse(Cause.TEXT_REFUSED, "text", reason=FORBIDDEN)
        if _forbidden(title_of(draft, account)):
            refuse(Cause.TEXT_REFUSED, "option:title", option="Title")
        used = tags_length(chosen(SPEC, draft, account, "tags"))
        if used > TAGS_LIMIT:
            values = {"used": used, "limit": TAGS_LIMIT, "unit": "characters"}
            refuse(Cause.OPTION_TOO_LONG, "option:tags", option="Tags", **values)
        videos = [file for file in draft.media if file.kind is MediaKind.VIDEO]
        if not videos:
            refuse(Cause.VIDEO_MISSING, "media")
        return [
            *found,
            *option_findings(draft, SPEC, account, limits),
            *link_findings(draft),
            *_media_findings(draft, account, videos),
        ]

    # --- steps

    def next_step(self, job: PublishJob, client: PlatformClient) -> Step:
        """Open a session, send the parts; the last one is the commit. Then what follows.

        Witness: see `media`; "after" what has been done since the video is there,
        "notes" and `without.WITHOUT` what of it was left out, "tries" and "polls" of the one that is next.
        """
        api = cast(YouTubeClient, client)
        if not job.witness.get("video"):
            return self._sending(job, api).next_step()
        name = _after(job)[0]
        if file := _captions_of(job).get(name):
            return Step(
                name, StepKind.REPEATABLE, lambda: self._captions(job, api, name, file)
            )
        run = {
            THUMBNAIL: self._thumbnail,
            PROCESSING: self._processing,
            PLAYLIST: self._playlist,
        }[name]
        return Step(name, StepKind.REPEATABLE, lambda: run(job, api))

    def is_out(self, witness: Mapping[str, Any]) -> bool:
        """From the last byte on the video is there."""
        return bool(witness.get("video"))

    def body(self, job: PublishJob) -> dict[str, Any]:
        """The metadata that a session is opened with."""
        draft = job.draft

        def choice(key: str) -> Any:
            return chosen(SPEC, draft, job.account, key)

        snippet: dict[str, Any] = {
            "title": title_of(draft, job.account),
            "description": self.text_as_sent(draft),
            "categoryId": str(choice("category")),
        }
        if tags := [tidy(str(tag)) for tag in choice("tags") or ()]:
            snippet["tags"] = [tag for tag in tags if tag]
        if draft.language:
            snippet["defaultLanguage"] = draft.language
        # Both always: without a word it is public, and for everybody.
        status: dict[str, Any] = {
            "privacyStatus": str(choice("privacy")),
            "selfDeclaredMadeForKids": choice("made_for_kids") == "yes",
            "containsSyntheticMedia": bool(choice("synthetic")),
        }
        # What differs from what YouTube does without a word.
        if (licence := choice("license")) != SPEC.options_by_key["license"].default:
            status["license"] = str(licence)
        for key, field in TURNED_OFF.items():
            if choice(key):
                status[field] = False
        body = {"snippet": snippet, "status": status}
        if day := read_date(choice("recorded_on")):
            body["recordingDetails"] = {"recordingDate": f"{day}T00:00:00Z"}
        return body

    def _sending(self, job: PublishJob, api: YouTubeClient) -> Sending:
        notify = bool(chosen(SPEC, job.draft, job.account, "notify"))
        return Sending(job, api, self.body(job), notify)

    # --- what follows when the video is there: nothing of it may bring it into doubt

    def _thumbnail(self, job: PublishJob, api: YouTubeClient) -> StepResult:
        file = thumbnail_of(job)
        assert file is not None
        return self._follow(
            job, api, THUMBNAIL, lambda: api.set_thumbnail(_video_id(job), file)
        )

    def _playlist(self, job: PublishJob, api: YouTubeClient) -> StepResult:
        playlist_id = str(chosen(SPEC, job.draft, job.account, PLAYLIST))

        def add() -> None:
            # An earlier try may have added it although it was refused.
            if not _is_in(api, playlist_id, _video_id(job)):
                api.add_to_playlist(playlist_id, _video_id(job))

        return self._follow(job, api, PLAYLIST, add)

    def _captions(
        self, job: PublishJob, api: YouTubeClient, name: str, file: MediaFile
    ) -> StepResult:
        def add() -> None:
            said = captions.as_sent(file, SPEC)
            # An earlier try may have added them although its answer was lost; to look
            # costs an eighth of what a refusal would.
            has_tried = bool(job.witness.get("tries"))
            if has_tried and file.language in api.captions(_video_id(job)):
                return
            try:
                api.add_captions(_video_id(job), said, file.language)
            except DuplicateContent:
                return

        return self._follow(job, api, name, add)

    def _follow(
        self, job: PublishJob, api: YouTubeClient, name: str, run: Callable[[], None]
    ) -> StepResult:
        """Do it, try it again later, or leave it out: the video stays as it is."""
        try:
            run()
        except PlatformError as error:
            tries = int(job.witness.get("tries", 0)) + 1
            if _may_mend(error) and tries < MAX_TRIES:
                wait_s = max(TRY_AGAIN_S, error.retry_after or 0)
                return StepResult({"tries": tries}, wait_s=wait_s)
            what, _colon, language = name.partition(":")
            left = without.with_one_more(job.witness, what, error, language)
            return self._done(job, api, name, left=left)
        return self._done(job, api, name)

    def _processing(self, job: PublishJob, api: YouTubeClient) -> StepResult:
        """Wait until YouTube has made of it what people can watch."""
        polls = int(job.witness.get("polls", 0)) + 1
        wait = StepResult(
            {"polls": polls}, wait_s=POLLS_S[min(polls, len(POLLS_S)) - 1]
        )
        late = self._done(job, api, PROCESSING, "YouTube is still working on it")
        try:
            rows = api.videos([_video_id(job)], "status")
        except PlatformError as error:
            if _may_mend(error) and polls < MAX_TRIES:
                return wait
            return self._done(job, api, PROCESSING, f"its state is not known: {error}")
        if not rows:
            if polls < MISSING_POLLS:
                return wait
            return self._done(job, api, PROCESSING, "YouTube does not list it yet")
        status = rows[0].get("status") or {}
        state = status.get("uploadStatus")
        if state in ("failed", "rejected"):
            why = status.get("failureReason") or status.get("rejectionReason") or ""
            raise InvalidContent(
                f"the video is there, and {state}: {why}",
                cause=Cause.MEDIA_REFUSED,
                code=str(why),
            )
        if state == "deleted":
            raise NotFound("the video was deleted")
        if state == "uploaded":
            return wait if polls < MAX_POLLS else late
        return self._done(job, api, PROCESSING, _otherwise(self.body(job), status))

    def _done(
        self,
        job: PublishJob,
        api: YouTubeClient,
        name: str,
        note: str = "",
        left: Mapping[str, Any] = MappingProxyType({}),
    ) -> StepResult:
        """One thing is done, or left out; with the last one the post is published.

        left: as `without.with_one_more` has it."""
        notes = [*job.witness.get("notes", []), *([note] if note else [])]
        witness = {
            "after": [*job.witness.get("after", []), name],
            "notes": notes,
            "tries": 0,
            **left,
        }
        notes = witness["notes"]
        if len(_after(job)) > 1:
            return StepResult(witness)
        return StepResult(witness, remote=self._remote(job, api, notes))

    def _remote(
        self, job: PublishJob, api: YouTubeClient, notes: list[str]
    ) -> RemotePost:
        video = job.witness["video"]
        return RemotePost(
            external_id=str(video["id"]),
            permalink=api.permalink(str(video["id"]), short=_is_short(job)),
            text=self.text_as_sent(job.draft),
            published_at=moment(video.get("published_at")),
            extra={"notes": notes} if notes else {},
        )

    # --- limits

    def calls_ahead(self, job: PublishJob, *, looking: bool) -> Mapping[str, int]:
        """YouTube may work on a video for long: it is asked once per claim."""
        if looking:
            return {
                "PUT {session}?status": 1,
                "GET playlistItems.list": LOOK_PAGES,
                "GET videos.list": LOOK_PAGES,
            }
        prices = {
            THUMBNAIL: {"POST thumbnails.set": 1},
            PROCESSING: {"GET videos.list": 1},
            PLAYLIST: {
                "GET playlistItems.list": PLAYLIST_PAGES,
                "POST playlistItems.insert": 1,
            },
        }
        calls: dict[str, int] = {}
        if not job.witness.get("video"):
            # Planning sends nothing, so that no client is needed.
            calls |= Sending(
                job,
                cast(YouTubeClient, None),
                self.body(job),
                bool(chosen(SPEC, job.draft, job.account, "notify")),
            ).calls_ahead()
        for name in _after(job):
            calls |= prices.get(name, {})
        if said := sum(name in _captions_of(job) for name in _after(job)):
            tried = int(bool(job.witness.get("tries")))
            calls["POST captions.insert"] = said
            calls |= {"GET captions.list": tried} if tried else {}
        return calls

    # --- reconciliation

    def look(self, job: PublishJob, client: PlatformClient) -> Look:
        """The session tells; where it is gone, the list of uploads (2 units a page)."""
        api = cast(YouTubeClient, client)
        if job.witness.get("video"):
            remote = self._remote(job, api, [])
            return Look(Sighting.FOUND, remote, "its id was told")
        try:
            seen = self._sending(job, api).state()
        except (InvalidContent, NotFound):
            return self._search(job, api)
        if seen.video:
            found = self._found(job, api, seen.video)
            left = {"video": made(seen.video)}
            return Look(Sighting.FOUND, found, "the upload is finished", left)
        return Look(
            Sighting.ABSENT,
            evidence=f"the upload waits: it holds {seen.stored} bytes",
            safe_to_repeat=True,
        )

    def _search(self, job: PublishJob, api: YouTubeClient) -> Look:
        since = (job.first_sent_at or job.created_at) - timedelta(seconds=LOOK_BACK_S)
        try:
            found, read, complete = self._uploaded(job, api, since)
        except PermissionMissing as error:
            if error.cause is Cause.SCOPE_MISSING:
                why = "this access may not read the channel"
            elif error.code == "forbidden":
                # Asked again it would be refused again, without end.
                why = "details of a file are told to its owner alone, which we are not"
            else:
                raise
            return Look(Sighting.CANNOT_TELL, evidence=why)
        except NotFound:  # a channel that never uploaded has no list
            found, read, complete = None, 0, True
        if found is not None:
            remote = self._found(job, api, found)
            evidence = f"{remote.external_id} is the same video"
            left = {"video": made(found)}
            return Look(Sighting.FOUND, remote, evidence, left)
        if not complete:
            return Look(Sighting.CANNOT_TELL, evidence=f"more than {read} uploads")
        return Look(
            Sighting.ABSENT,
            evidence=f"the upload is over; none of {read} videos since then matches",
        )

    def _uploaded(
        self, job: PublishJob, api: YouTubeClient, since: datetime
    ) -> tuple[Mapping[str, Any] | None, int, bool]:
        """The oldest match among the channel's uploads, how many were read, and whether
        those were all since then."""
        found: Mapping[str, Any] | None = None
        read, page = 0, ""
        for number in range(LOOK_PAGES):
            rows, page = api.playlist_items(_uploads(job), page)
            if number == 0:
                # Times are YouTube's; look further back when our clock is ahead.
                since += min(timedelta(), api.clock_offset)
            recent = [row for row in rows if _is_since(row, since)]
            read += len(recent)
            ids = [_id_of_item(row) for row in recent]
            ids = [one for one in ids if one and one not in job.taken]
            if ids:
                videos = api.videos(ids, "snippet,status,fileDetails")
                found = next(
                    (v for v in reversed(videos) if self._matches(job, v)), found
                )
            if not page or len(recent) < len(rows):
                return found, read, True
        return found, read, False

    def _matches(self, job: PublishJob, video: Mapping[str, Any]) -> bool:
        file = video_of(job)
        details, snippet = video.get("fileDetails") or {}, video.get("snippet") or {}
        if file is None:
            return False
        name, size = details.get("fileName"), details.get("fileSize")
        if name and SLUG_SETS_FILE_NAME:
            return bool(name == file_name(job, file))
        if size and str(size) != str(file.size_bytes):
            return False
        wanted = self.body(job)["snippet"]
        return _alike(snippet.get("title"), wanted["title"]) and _alike(
            snippet.get("description"), wanted["description"]
        )

    def _found(
        self, job: PublishJob, api: YouTubeClient, video: Mapping[str, Any]
    ) -> RemotePost:
        number = str(video["id"])
        snippet = video.get("snippet") or {}
        return RemotePost(
            external_id=number,
            permalink=api.permalink(number, short=_is_short(job)),
            text=str(snippet.get("description") or ""),
            published_at=moment(snippet.get("publishedAt")),
        )


def title_of(draft: Draft, account: Identity | None) -> str:
    words = str(chosen(SPEC, draft, account, "title") or "")
    return " ".join(unicodedata.normalize("NFC", words).split())


def tags_length(tags: Any) -> int:
    """As YouTube counts: commas between them, and two quotes around one with a space."""
    found = [tidy(str(tag)) for tag in tags or ()]
    lengths = [len(tag) + (2 if " " in tag else 0) for tag in found if tag]
    return sum(lengths) + max(0, len(lengths) - 1)


def is_short(file: MediaFile) -> bool:
    """YouTube decides by itself: square or upright, and at most three minutes."""
    length = file.duration_s
    return (
        length is not None and length <= SHORT_MAX_S and file.height >= file.width > 0
    )


def _is_short(job: PublishJob) -> bool:
    file = video_of(job)
    return file is not None and is_short(file)


def _forbidden(text: str) -> bool:
    return any(letter in text for letter in FORBIDDEN)


def _media_findings(
    draft: Draft, account: Identity | None, videos: list[MediaFile]
) -> list[Finding]:
    spec = SPEC
    state = str((account.extra if account else {}).get("long_uploads") or "allowed")
    if state != "allowed" and spec.videos:
        spec = replace(spec, videos=replace(spec.videos, max_s=UNVERIFIED_MAX_S))
    found = media_findings(draft, spec)
    shape = UPRIGHT if videos and is_short(videos[0]) else WIDE
    for number, file in enumerate(draft.media, 1):
        if file.kind is not MediaKind.IMAGE or not file.height:
            continue
        field = f"media:{number}"
        if abs(file.width / file.height - shape) > 0.02 * shape:
            found.append(Finding(Level.WARNING, Cause.MEDIA_SHAPE, field))
        if file.width < THUMBNAIL_MIN_WIDTH and shape == WIDE:
            values = {"used": file.width, "least": THUMBNAIL_MIN_WIDTH}
            unit = {"unit": "pixels wide"}
            cause = Cause.MEDIA_TOO_SMALL
            found.append(Finding(Level.WARNING, cause, field, {**values, **unit}))
    return found


def _otherwise(body: Mapping[str, Any], status: Mapping[str, Any]) -> str:
    """What YouTube made of the settings of a video that was not asked for; "": nothing."""
    wanted = body["status"]
    found = []
    is_now = status.get("privacyStatus")
    if is_now and is_now != wanted["privacyStatus"]:
        found.append(f"YouTube made it {is_now}, not {wanted['privacyStatus']}")
    for field in ("license", *TURNED_OFF.values()):
        if field in wanted and status.get(field, wanted[field]) != wanted[field]:
            found.append(f"YouTube set {field} to {status[field]}, not {wanted[field]}")
    return "; ".join(found)


def _after(job: PublishJob) -> list[str]:
    """What is to be done when the video is there, in order."""
    names = [PROCESSING]
    if thumbnail_of(job):
        # A Short takes one only when it has been processed.
        names.insert(1 if _is_short(job) else 0, THUMBNAIL)
    if chosen(SPEC, job.draft, job.account, PLAYLIST):
        names.append(PLAYLIST)
    names += _captions_of(job)
    done = job.witness.get("after", [])
    return [name for name in names if name not in done]


def _captions_of(job: PublishJob) -> dict[str, MediaFile]:
    """Step -> file, in order."""
    files = captions.sent(job.draft, SPEC)
    return {f"{without.CAPTIONS}:{file.language}": file for file in files}


def _may_mend(error: PlatformError) -> bool:
    """Worth another try within minutes."""
    if error.outcome is Outcome.RATE_LIMITED:
        return error.cause is Cause.TOO_MANY_REQUESTS
    return error.outcome in {
        Outcome.TRANSIENT,
        Outcome.AMBIGUOUS,
        Outcome.PLATFORM_DOWN,
        Outcome.AUTH_EXPIRED,
        Outcome.NOT_FOUND,  # right after an upload
    }


def _is_in(api: YouTubeClient, playlist_id: str, video_id: str) -> bool:
    page = ""
    for _number in range(PLAYLIST_PAGES):
        rows, page = api.playlist_items(playlist_id, page)
        if any(_id_of_item(row) == video_id for row in rows):
            return True
        if not page:
            break
    return False


def _video_id(job: PublishJob) -> str:
    return str(job.witness["video"]["id"])


def _uploads(job: PublishJob) -> str:
    """The list of a channel's uploads."""
    told = str(job.account.extra.get("uploads") or "")
    return told or f"UU{job.account.external_id.removeprefix('UC')}"


def _id_of_item(row: Mapping[str, Any]) -> str:
    details, snippet = row.get("contentDetails") or {}, row.get("snippet") or {}
    resource = snippet.get("resourceId") or {}
    return str(details.get("videoId") or resource.get("videoId") or "")


def _is_since(row: Mapping[str, Any], since: datetime) -> bool:
    at = moment((row.get("snippet") or {}).get("publishedAt"))
    return at is None or at >= since


def _alike(one: Any, other: str) -> bool:
    words = unicodedata.normalize("NFC", str(one or "")).split()
    return words == other.split()

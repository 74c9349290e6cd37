"""Snapchat: content rules, an encrypted upload in parts, the post, and finding it again.

A file can be posted for a day; while Snap still works on it, a post is refused and tried
again. A story has no id and no address. A spotlight is judged by people, and is live
minutes or hours after it was posted.

Witness:
- "media" of the first file, "media:N" of another one of a saved story: {"id",
  "add_path", "finalize_path", "sha256", "ends_at", "nonce", "check", "part_bytes",
  "sent" (parts that are there), "tail" (the last block of the last part), "finished"}
- "post": {"id", "at"} of a spotlight from the moment at which Snap has it
- "polls": how often its state was asked for
- "uploads", "uploads:N": how often the file was announced.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from ..base import (
    UNNAMED,
    Count,
    Draft,
    Finding,
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
from ..checks import is_silent, link_findings, media_findings, option_findings
from ..errors import (
    Cause,
    InvalidContent,
    NotFound,
    PlatformDown,
    PlatformError,
    RateLimited,
    TransientError,
)
from ..text import tidy, with_link
from .client import LIVE, Item, SnapchatClient
from .sealed import BLOCK, Seal, SealedPart, part_bytes, sealed_bytes
from .spec import (
    DESCRIPTION_LIMIT,
    IMAGE_RATIO,
    IMAGE_WIDTH,
    LOOK_AHEAD_S,
    LOOK_BACK_S,
    LOOK_COUNT,
    MEDIA_LIFE_S,
    SAVED,
    SPEC,
    SPOTLIGHT,
    SPOTLIGHTS,
    STORY,
    TITLE_LIMIT,
)

LOCALE = re.compile(r"[a-z]{2}_[A-Z]{2}")
#: A file that ends sooner than this is not worth posting with.
MARGIN = timedelta(minutes=10)
#: Uploads of one file before a refused part is taken for a refused file.
MAX_UPLOADS = 3
#: Until Snap is asked to post a video for the first time: it transcodes it.
FIRST_TRY_S = 10
#: Then it is asked again, ever later, as long as this after the upload.
PROCESSING_WAIT_S = 5
#: Seconds until the state of a spotlight is asked for again.
POLLS_S = (10, 20, 30, 60, 60, 120, 300)
POLL_S = 600
GIVE_UP_AFTER = timedelta(hours=24)
REJECTED = "REJECTED"
#: A question that meets these is asked again: what was handed over stays there.
PASSING = (TransientError, RateLimited, PlatformDown)
#: Without these and its files it begins anew.
ANEW = "post,polls"


class Snapchat(Platform):
    spec = SPEC
    client_class = SnapchatClient

    def is_out(self, witness: Mapping[str, Any]) -> bool:
        return bool(witness.get("post"))

    # --- content

    def text_as_sent(self, draft: Draft) -> str:
        place = self._place(draft)
        text = tidy(unicodedata.normalize("NFC", draft.text))
        if place == STORY:
            return ""
        return with_link(text, draft.link_url) if place == SPOTLIGHT else text

    def counts(
        self, draft: Draft, limits: Mapping[str, Any] | None = None
    ) -> list[Count]:
        limit = TITLE_LIMIT if self._place(draft) == SAVED else DESCRIPTION_LIMIT
        return [Count("characters", len(self.text_as_sent(draft)), limit)]

    def check(
        self,
        draft: Draft,
        account: Identity | None = None,
        limits: Mapping[str, Any] | None = None,
    ) -> list[Finding]:
        found: list[Finding] = []

        def say(level: Level, cause: Cause, field: str, **values: Any) -> None:
            found.append(Finding(level, cause, field, values))

        place, text = self._place(draft), self.text_as_sent(draft)
        (count,) = self.counts(draft)
        if count.over:
            values = {"used": count.used, "limit": count.limit}
            say(Level.REFUSED, Cause.TEXT_TOO_LONG, "text", **values)
        if place == SAVED and not text:
            say(Level.REFUSED, Cause.TEXT_EMPTY, "text")
        if place == STORY and draft.text.strip():
            say(Level.WARNING, Cause.TEXT_NOT_SHOWN, "text")
        if place != SPOTLIGHT and draft.link_url.strip():
            say(Level.WARNING, Cause.TEXT_NOT_SHOWN, "link")
        if not draft.media:
            say(Level.REFUSED, Cause.MEDIA_MISSING, "media")
        elif len(draft.media) > 1 and place != SAVED:
            # Whatever their kinds.
            values = {"used": len(draft.media), "limit": 1}
            say(Level.REFUSED, Cause.TOO_MANY_MEDIA, "media", **values)
        spec = self.spec
        if place == SPOTLIGHT:
            spec = replace(spec, videos=SPOTLIGHTS)
            if draft.media and draft.media[0].kind is MediaKind.IMAGE:
                say(Level.REFUSED, Cause.VIDEO_MISSING, "media")
            locale = chosen(spec, draft, account, "locale")
            if not LOCALE.fullmatch(str(locale)):
                name = spec.options_by_key["locale"].name
                say(Level.REFUSED, Cause.OPTION_UNKNOWN, "option:locale", option=name)
        sent = replace(draft, media=self._files(draft))
        return [
            *found,
            *link_findings(draft),
            *media_findings(sent, spec),
            *_wishes(sent.media, place),
            *option_findings(draft, spec, account, limits),
        ]

    def _place(self, draft: Draft) -> str:
        return str(chosen(self.spec, draft, None, "place"))

    def _files(self, draft: Draft) -> tuple[MediaFile, ...]:
        """What is sent: a saved story alone has several."""
        return draft.media if self._place(draft) == SAVED else draft.media[:1]

    # --- steps

    def next_step(self, job: PublishJob, client: PlatformClient) -> Step:
        """Announce the file, send its parts, end the upload, post, and ask."""
        api = cast(SnapchatClient, client)
        if job.witness.get("post"):
            return Step("state", StepKind.REPEATABLE, lambda: self._state(job, api))
        files = self._files(job.draft)
        if not files:
            raise InvalidContent("no file", cause=Cause.MEDIA_MISSING)
        ids = []
        for number, file in enumerate(files, 1):
            upload = Upload(job, api, number, file, is_last=number == len(files))
            if step := upload.next_step():
                return step
            ids.append(upload.media_id)
        return Step("post", StepKind.COMMIT, lambda: self._post(job, api, ids))

    def _post(
        self, job: PublishJob, api: SnapchatClient, ids: Sequence[str]
    ) -> StepResult:
        place = self._place(job.draft)
        try:
            number = self._send_post(job, api, place, ids)
        except TransientError as error:
            if error.cause is Cause.MEDIA_EXPIRED:
                # Which of them it is, is not told.
                files = (_key(n) for n in range(1, len(ids) + 1))
                error.extra["forget"] = ",".join([*files, ANEW])
            elif error.cause is Cause.MEDIA_NOT_READY:
                error.retry_after = PROCESSING_WAIT_S
            raise
        if place == SPOTLIGHT:
            post = {"id": number, "at": datetime.now(UTC).isoformat()}
            return StepResult({"post": post, "polls": 0}, wait_s=POLLS_S[0])
        # A story has no id: then its file's stands for it, and nothing can be read.
        external_id = f"{place}/{number}" if number else f"{UNNAMED}{ids[0]}"
        return StepResult(
            remote=RemotePost(external_id, "", self.text_as_sent(job.draft))
        )

    def _send_post(
        self, job: PublishJob, api: SnapchatClient, place: str, ids: Sequence[str]
    ) -> str:
        draft, text = job.draft, self.text_as_sent(job.draft)

        def choice(key: str) -> Any:
            return chosen(self.spec, draft, job.account, key)

        if place == STORY:
            return api.post_story(ids[0], choice("lasts"))
        if place == SAVED:
            return api.save_story(text, ids)
        return api.post_spotlight(
            {
                "media_id": ids[0],
                "locale": choice("locale"),
                "description": text,
                "skip_save_to_profile": not choice("keep_on_profile"),
            }
        )

    def _state(self, job: PublishJob, api: SnapchatClient) -> StepResult:
        """Whether Snap's moderation has let the spotlight through."""
        post = job.witness["post"]
        age = datetime.now(UTC) - datetime.fromisoformat(post["at"])
        try:
            seen = api.spotlight(str(post["id"]))
        except PASSING:
            return StepResult(wait_s=POLLS_S[3])
        except NotFound:
            # Lists are late, so this one may be too.
            if age > timedelta(seconds=self.spec.look_after_s[-1]):
                raise
            return StepResult(wait_s=POLLS_S[3])
        if seen.status == REJECTED:
            raise _rejected(str(post["id"]))
        if seen.status == LIVE:
            return StepResult(remote=api.remote_of(SPOTLIGHT, seen))
        if age > GIVE_UP_AFTER:
            raise InvalidContent(
                f"{seen.status} since {post['at']}", cause=Cause.MEDIA_NOT_READY
            )
        polls = int(job.witness.get("polls") or 0) + 1
        wait_s = POLLS_S[polls] if polls < len(POLLS_S) else POLL_S
        return StepResult({"polls": polls}, wait_s=wait_s)

    # --- limits

    def calls_ahead(self, job: PublishJob, *, looking: bool) -> Mapping[str, int]:
        place = self._place(job.draft)
        state = "GET /public_profiles/:id/spotlights/:id"
        if looking:
            return {state: 1, f"GET /public_profiles/:id/{place}": 1}
        if job.witness.get("post"):
            return {state: 1}
        calls = Counter({f"POST /public_profiles/:id/{place}": 1})
        if place == SPOTLIGHT:
            calls[state] = 1
        for number, file in enumerate(self._files(job.draft), 1):
            media = _stored(job, number, file)
            if media is None:
                calls["POST /public_profiles/:id/media"] += 1
            if left := parts_left(file, media):
                calls["POST {add_path}"] += left
            if media is None or not media["finished"]:
                calls["POST {finalize_path}"] += 1
        return calls

    # --- reconciliation

    def look(self, job: PublishJob, client: PlatformClient) -> Look:
        """A spotlight that was named tells its state; else lists are read.

        They tell little: of a story only its time. More than one that may be ours, or
        more than a page of them, is for a person to tell.
        """
        api = cast(SnapchatClient, client)
        if post := job.witness.get("post"):
            return self._look_at(api, str(post["id"]))
        place = self._place(job.draft)
        rows = api.list_posts(place, LOOK_COUNT)
        since = (job.first_sent_at or job.created_at) - timedelta(seconds=LOOK_BACK_S)
        # Times are Snap's; look further back, where our clock is ahead.
        since += min(api.clock_offset, timedelta())
        found = [row for row in rows if self._matches(job, place, row, since)]
        if len(found) == 1:
            what = "time" if place == STORY else "text and time"
            return Look(
                Sighting.FOUND,
                api.remote_of(place, found[0]),
                f"{found[0].id} is the only one with its {what}",
            )
        if found:
            evidence = f"{len(found)} posts since {since:%H:%M:%S} UTC may be it"
            return Look(Sighting.CANNOT_TELL, evidence=evidence)
        if not _reaches_back(rows, since):
            return Look(Sighting.CANNOT_TELL, evidence="more posts than a list tells")
        return Look(
            Sighting.ABSENT,
            evidence=f"none of {len(rows)} posts is of {since:%H:%M:%S} UTC or later",
        )

    def _matches(self, job: PublishJob, place: str, row: Item, since: datetime) -> bool:
        if f"{place}/{row.id}" in job.taken or row.made_at is None:
            return False
        until = since + timedelta(seconds=LOOK_BACK_S + LOOK_AHEAD_S)
        if not since <= row.made_at <= until:
            return False
        return place == STORY or _plain(row.text) == _plain(
            self.text_as_sent(job.draft)
        )

    def _look_at(self, api: SnapchatClient, spotlight_id: str) -> Look:
        """Asking for its state posts nothing, so that is gone on with."""
        try:
            seen = api.spotlight(spotlight_id)
        except NotFound:
            return Look(
                Sighting.CANNOT_TELL,
                evidence=f"Snapchat does not show {spotlight_id}",
                safe_to_repeat=True,
            )
        evidence = f"{spotlight_id} is {seen.status}"
        if seen.status == LIVE:
            return Look(Sighting.FOUND, api.remote_of(SPOTLIGHT, seen), evidence)
        sighting = Sighting.CANNOT_TELL
        if seen.status == REJECTED:
            sighting = Sighting.ABSENT
        return Look(sighting, evidence=evidence, safe_to_repeat=True)


# ---------------------------------------------------------------- the upload


def parts_left(file: MediaFile, media: Mapping[str, Any] | None) -> int:
    size = sealed_bytes(file.size_bytes)
    if media is None:
        return -(-size // part_bytes(file.size_bytes))
    return -(-size // int(media["part_bytes"])) - int(media["sent"])


def _key(number: int) -> str:
    """Where the upload of a file stands in the witness."""
    return "media" if number == 1 else f"media:{number}"


def _stored(job: PublishJob, number: int, file: MediaFile) -> dict[str, Any] | None:
    """The file as it was announced, if it is this one and has time left."""
    media = job.witness.get(_key(number)) or {}
    if not media or media["sha256"] != file.sha256:
        return None
    ends_at = datetime.fromisoformat(media["ends_at"])
    return dict(media) if ends_at - MARGIN > datetime.now(UTC) else None


def _seal(api: SnapchatClient, nonce: str) -> Seal:
    return Seal.of(api.environment.client_secret, nonce)


class Upload:
    """One file on its way. number: from 1."""

    def __init__(
        self,
        job: PublishJob,
        api: SnapchatClient,
        number: int,
        file: MediaFile,
        *,
        is_last: bool,
    ) -> None:
        self.job, self.api, self.file = job, api, file
        self.key = _key(number)
        self.of = "" if number == 1 else f":{number}"
        self.is_last = is_last
        self.media = self._known(number)

    @property
    def media_id(self) -> str:
        return str((self.media or {})["id"])

    def next_step(self) -> Step | None:
        """Announce it, send its parts, end it; None: it is there."""
        media = self.media
        if media is None:
            return Step(f"announce{self.of}", StepKind.REPEATABLE, self._announce)
        if left := parts_left(self.file, media):
            return Step(
                f"upload{self.of}:{int(media['sent']) + 1}",
                StepKind.RESUMABLE,
                lambda: self._send(media, last=left == 1),
            )
        if not media["finished"]:
            return Step(
                f"finish{self.of}", StepKind.REPEATABLE, lambda: self._finish(media)
            )
        return None

    def _known(self, number: int) -> dict[str, Any] | None:
        """What was announced, if its key can be made: it hangs on our app's secret."""
        media = _stored(self.job, number, self.file)
        if media is None or _seal(self.api, media["nonce"]).check != media["check"]:
            return None
        return media

    @property
    def _uploads(self) -> str:
        return f"uploads{self.of}"

    def _announce(self) -> StepResult:
        file, now = self.file, datetime.now(UTC)
        nonce = secrets.token_hex(16)
        seal = _seal(self.api, nonce)
        made = self.api.announce(file, seal)
        media = {
            "id": made.media_id,
            "add_path": made.add_path,
            "finalize_path": made.finalize_path,
            "sha256": file.sha256,
            "ends_at": (now + timedelta(seconds=MEDIA_LIFE_S)).isoformat(),
            "nonce": nonce,
            "check": seal.check,
            "part_bytes": part_bytes(file.size_bytes),
            "sent": 0,
            "tail": seal.iv.hex(),
            "finished": False,
        }
        uploads = int(self.job.witness.get(self._uploads) or 0) + 1
        return StepResult({self.key: media, self._uploads: uploads})

    def _send(self, media: Mapping[str, Any], *, last: bool) -> StepResult:
        """Encrypt and send one part; sent again it is the same, byte for byte."""
        file, size = self.file, int(media["part_bytes"])
        start = int(media["sent"]) * size
        length = sealed_bytes(file.size_bytes) - start if last else size
        before = bytes.fromhex(media["tail"])
        number = int(media["sent"]) + 1
        with file.open() as stream:
            stream.seek(start)
            seal = _seal(self.api, media["nonce"])
            part = SealedPart(seal, stream, length, before, last=last)
            try:
                self.api.add_part(media["add_path"], number, part, length)
            except (NotFound, InvalidContent) as error:
                # Perhaps a part that is there already, for which no rule is documented.
                if int(self.job.witness.get(self._uploads) or 1) >= MAX_UPLOADS:
                    raise
                raise self._lost(error) from error
        assert len(part.tail) == BLOCK
        changes = {"sent": number, "tail": part.tail.hex()}
        return StepResult({self.key: {**media, **changes}})

    def _finish(self, media: Mapping[str, Any]) -> StepResult:
        """Tell Snap that it has all parts. A refusal may mean that it was told before;
        what the file is worth, the post tells."""
        with suppress(InvalidContent, NotFound):
            self.api.finalize(media["finalize_path"])
        is_video = self.file.kind is MediaKind.VIDEO
        return StepResult(
            {self.key: {**media, "finished": True}},
            wait_s=FIRST_TRY_S if is_video and self.is_last else None,
        )

    def _lost(self, error: PlatformError) -> TransientError:
        return TransientError(
            error.detail,
            cause=Cause.MEDIA_EXPIRED,
            status=error.status,
            code=error.code,
            request_id=error.request_id,
            extra={"forget": f"{self.key},{ANEW}"},
        )


def _wishes(files: Sequence[MediaFile], place: str) -> list[Finding]:
    """What Snap wants and does not insist on."""
    found = []
    for number, file in enumerate(files, 1):
        field = f"media:{number}"
        if file.kind is MediaKind.IMAGE and file.height:
            if abs(file.width / file.height - IMAGE_RATIO) > 0.02 * IMAGE_RATIO:
                found.append(Finding(Level.WARNING, Cause.MEDIA_SHAPE, field))
            elif file.width < IMAGE_WIDTH:
                values = {"used": file.width, "least": IMAGE_WIDTH}
                said = {**values, "unit": "pixels wide"}
                cause = Cause.MEDIA_TOO_SMALL
                found.append(Finding(Level.WARNING, cause, field, said))
        if place == SPOTLIGHT and is_silent(file):
            found.append(Finding(Level.WARNING, Cause.VIDEO_SILENT, field))
    return found


def _rejected(spotlight_id: str) -> InvalidContent:
    return InvalidContent(
        f"Snapchat's moderation rejected {spotlight_id}",
        cause=Cause.MEDIA_REFUSED,
        code=REJECTED,
        extra={"forget": f"{_key(1)},{ANEW}"},
    )


def _reaches_back(rows: list[Item], since: datetime) -> bool:
    """Nothing newer can be missing: the list is whole, or goes from new to older."""
    if len(rows) < LOOK_COUNT:
        return True
    times = [row.made_at for row in rows if row.made_at]
    whole = len(times) == len(rows) and times == sorted(times, reverse=True)
    return whole and times[-1] < since


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())

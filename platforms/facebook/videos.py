"""Facebook: videos, reels and stories, from the first byte to what can be seen.

A video of a post goes in the chunks that Facebook asks for, a reel or a video story from
an offset on to its upload host. Facebook tells the video's id before the first byte: by
that it is known whether it went out, whatever became of an answer. The last phase is
accepted at once, and shows when the work on the video is done.

Witness, of the one video: "video" {"id", "of", "edge", "made_at", "session", "start",
"end" (of the chunk that is wanted), "size"}, "ready" the id of one that is there as a
whole, "asked" {"id", "at"}: after a lost answer it was asked whether it went out,
"finished" {"id", "at", "post_id"} from the moment it was accepted, "polls", "tries".
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from ..base import (
    Look,
    MediaFile,
    PublishJob,
    RemotePost,
    Sighting,
    Step,
    StepKind,
    StepResult,
)
from ..errors import (
    AmbiguousOutcome,
    Cause,
    InvalidContent,
    NotFound,
    PlatformError,
    TransientError,
)
from .client import FacebookClient, Video
from .graph import BY_SUBCODE
from .spec import REELS, STORIES, VIDEOS
from .upload import send_rest

#: How long an upload lives is not documented; what is older is begun anew.
UPLOAD_LIFE = timedelta(hours=20)
#: Not published by then, it never will be.
WORK_LIFE = timedelta(hours=24)
#: Seconds until a video is asked for again.
POLLS_S = (5, 5, 10, 15, 30, 60, 120, 300)
#: Uploads of one file that may fail.
MAX_TRIES = 3
#: An answer about what went out counts for so long.
ASKED_LIFE = timedelta(seconds=60)
#: Looks at one video that are foreseen.
POLLS_AHEAD = 6
#: What a chunk has, as far as is known before Facebook asks for one.
CHUNK_BYTES = 1024 * 1024
SEND = "POST rupload /video-upload/:video"


def next_step(job: PublishJob, api: FacebookClient, edge: str, text: str) -> Step:
    """The step that follows on what is stored of the video."""
    return _Going(job, api, edge, text).next_step()


class _Going:
    def __init__(
        self, job: PublishJob, api: FacebookClient, edge: str, text: str
    ) -> None:
        self.job = job
        self.api = api
        self.edge = edge
        self.text = text
        self.file = job.draft.media[0]
        self.page = job.account.external_id
        self.stored = _stored(job, edge)

    def next_step(self) -> Step:
        if finished := self.job.witness.get("finished"):
            return self._step("wait_published", lambda: self._published(finished))
        if not self.stored:
            return self._step("begin_video", self._begin)
        number = str(self.stored["id"])
        if self.job.first_sent_at and not _was_asked(self.job, number):
            return self._step("ask", lambda: self._ask(number))
        if _left(self.stored):
            name = f"send_video:{self.stored['start']}"
            return Step(name, StepKind.RESUMABLE, lambda: self._send(number))
        if self.edge != VIDEOS and self.job.witness.get("ready") != number:
            return self._step("wait_video", lambda: self._wait(number))
        return Step("finish", StepKind.COMMIT, lambda: self._finish(number))

    @staticmethod
    def _step(name: str, run: Any) -> Step:
        return Step(name, StepKind.REPEATABLE, run)

    def _begin(self) -> StepResult:
        size = self.file.size_bytes
        begun = self.api.begin_video(self.page, self.edge, size)
        video = {
            "id": begun.id,
            "of": self.file.sha256,
            "edge": self.edge,
            "made_at": datetime.now(UTC).isoformat(),
            "session": begun.session,
            "start": begun.start,
            "end": begun.end or size,
            "size": size,
        }
        return StepResult({"video": video, "ready": "", "asked": {}, "polls": 0})

    def _send(self, number: str) -> StepResult:
        """The next chunk, or all that is left; where it broke, the video tells."""
        start, size = int(self.stored["start"]), int(self.stored["size"])
        end = int(self.stored["end"])
        told: dict[str, int] = {}

        def send(start: int) -> None:
            if self.edge != VIDEOS:
                self.api.send_video(number, self.file, start)
                return
            session = str(self.stored["session"])
            bounds = self.api.send_chunk(self.page, session, self.file, start, end)
            told["start"], told["end"] = bounds

        def stored(there: int) -> dict[str, Any]:
            chunk = end - start if self.edge == VIDEOS else size
            bounds = told or {"start": there, "end": min(size, there + chunk)}
            return {"video": {**self.stored, **bounds}}

        try:
            return send_rest(
                self.file, start, send, lambda: self.api.video(number).bytes, stored
            )
        except TransientError as error:
            if error.cause is Cause.MEDIA_EXPIRED:
                return self._anew(error)
            raise
        except NotFound as error:
            return self._anew(error)

    def _wait(self, number: str) -> StepResult:
        """Until Facebook has all bytes of it together."""
        seen = self._seen(number)
        if seen is None or seen.word in {"expired", "error", "upload_failed"}:
            return self._anew(_trouble(seen))
        if seen.has_all:
            return StepResult({"ready": number, "polls": 0})
        return self._again_later()

    def _ask(self, number: str) -> StepResult:
        """After a lost answer: whether it was accepted."""
        seen = self._seen(number)
        if seen is None:
            return self._anew(_trouble(seen))
        if seen.is_accepted:
            return StepResult({"finished": _finished(number, seen.post_id)})
        at = datetime.now(UTC).isoformat()
        return StepResult({"asked": {"id": number, "at": at}})

    def _finish(self, number: str) -> StepResult:
        form = {} if self.edge == STORIES else {"description": self.text}
        if self.edge == VIDEOS:
            form["upload_session_id"] = str(self.stored["session"])
        else:
            form["video_id"] = number
        if self.edge == REELS:
            form["video_state"] = "PUBLISHED"
        try:
            post_id = self.api.finish_video(self.page, self.edge, form)
        except (AmbiguousOutcome, TransientError) as error:
            error.extra["forget"] = "asked"
            raise
        return StepResult({"finished": _finished(number, post_id), "polls": 0})

    def _published(self, finished: dict[str, Any]) -> StepResult:
        number = str(finished["id"])
        seen = self.api.video(number)
        if seen.is_published:
            told = str(finished.get("post_id") or "")
            return StepResult(remote=_remote(self.job, self.api, self.edge, seen, told))
        age = datetime.now(UTC) - datetime.fromisoformat(finished["at"])
        if seen.word in {"error", "expired", "upload_failed"} or age > WORK_LIFE:
            raise _refused(seen)
        return self._again_later()

    def _seen(self, number: str) -> Video | None:
        try:
            return self.api.video(number)
        except NotFound:
            return None

    def _again_later(self) -> StepResult:
        polls = int(self.job.witness.get("polls") or 0) + 1
        wait_s = POLLS_S[min(polls, len(POLLS_S)) - 1]
        return StepResult({"polls": polls}, wait_s=wait_s)

    def _anew(self, error: PlatformError) -> StepResult:
        """Begin another upload after a while, but not without end."""
        tries = int(self.job.witness.get("tries") or 0) + 1
        if tries >= MAX_TRIES:
            raise InvalidContent(
                error.detail,
                cause=Cause.MEDIA_REFUSED,
                status=error.status,
                code=error.code,
                request_id=error.request_id,
            ) from error
        return StepResult({"video": {}, "ready": "", "tries": tries}, wait_s=10)


def look(job: PublishJob, api: FacebookClient, edge: str) -> Look:
    """Whether the video that we began is out: its own status tells.

    One that was accepted and is worked on counts as absent: before anything is
    repeated it is asked for once more, and waited for.
    """
    number = str((job.witness.get("video") or {}).get("id") or "")
    if not number:
        return Look(Sighting.ABSENT, evidence="no video was begun")
    try:
        seen = api.video(number)
    except NotFound:
        return Look(
            Sighting.CANNOT_TELL, evidence=f"Facebook does not know video {number}"
        )
    if seen.is_published:
        remote = _remote(job, api, edge, seen, "")
        return Look(Sighting.FOUND, remote, f"video {number} is published")
    what = "accepted, and worked on" if seen.is_accepted else f"{seen.word}: not sent"
    return Look(Sighting.ABSENT, evidence=f"video {number} is {what}")


def calls_ahead(job: PublishJob, edge: str) -> Counter[str]:
    calls: Counter[str] = Counter({"GET /:video": POLLS_AHEAD})
    if job.witness.get("finished"):
        return calls
    calls[_key(edge, "finish")] += 1
    stored = _stored(job, edge)
    size = job.draft.media[0].size_bytes
    left, chunk = _left(stored), int(stored.get("end", 0)) - int(stored.get("start", 0))
    if not stored:
        calls[_key(edge, "start")] += 1
        left, chunk = size, CHUNK_BYTES
    if left and edge == VIDEOS:
        calls[_key(edge, "transfer")] += -(-left // max(1, chunk))
    elif left:
        calls[SEND] += 1
    if edge != VIDEOS:
        calls["GET /:video"] += POLLS_AHEAD
    if job.first_sent_at:
        calls["GET /:video"] += 1
    return calls


def _key(edge: str, phase: str) -> str:
    return f"POST /:page/{edge}?upload_phase={phase}"


def _stored(job: PublishJob, edge: str) -> dict[str, Any]:
    """The upload that can go on; {}: there is none."""
    stored = job.witness.get("video") or {}
    file: MediaFile = job.draft.media[0]
    if (stored.get("of"), stored.get("edge")) != (file.sha256, edge):
        return {}
    ends_at = datetime.fromisoformat(stored["made_at"]) + UPLOAD_LIFE
    # What may be out is never begun anew for its age alone.
    return dict(stored) if job.first_sent_at or ends_at > datetime.now(UTC) else {}


def _left(stored: dict[str, Any]) -> int:
    return int(stored.get("size", 0)) - int(stored.get("start", 0))


def _was_asked(job: PublishJob, number: str) -> bool:
    asked = job.witness.get("asked") or {}
    if asked.get("id") != number:
        return False
    return datetime.now(UTC) - datetime.fromisoformat(asked["at"]) < ASKED_LIFE


def _finished(number: str, post_id: str) -> dict[str, str]:
    return {"id": number, "at": datetime.now(UTC).isoformat(), "post_id": post_id}


def _remote(
    job: PublishJob, api: FacebookClient, edge: str, seen: Video, post_id: str
) -> RemotePost:
    """A post by its own id, a reel by its video's: it has no other that is told."""
    number = post_id or seen.post_id
    if number and "_" not in number:
        number = f"{job.account.external_id}_{number}"
    if edge == REELS or not number:
        return RemotePost(seen.id, seen.permalink or api.address(f"reel/{seen.id}"))
    return RemotePost(number, seen.permalink or api.address(number))


def _trouble(seen: Video | None) -> TransientError:
    said = f"{seen.word} {seen.said}".strip() if seen else "the upload is gone"
    return TransientError(said, cause=Cause.MEDIA_EXPIRED)


def _refused(seen: Video) -> InvalidContent:
    """What was wrong with a video that had been accepted."""
    means = BY_SUBCODE.get(seen.code)
    cause = means.cause if means and means.error is InvalidContent else None
    said = seen.said or f"not published: {seen.word}"
    code = str(seen.code) if seen.code else ""
    return InvalidContent(said, cause=cause or Cause.MEDIA_REFUSED, code=code)

"""TikTok: a video on its way to an upload, part by part; the last part publishes it.

Nothing appears before all bytes are there, and the publish has its number before the
first of them: so a lost answer to the beginning costs nothing, and a lost answer to the
end is resolved by asking for the state. An upload lives for an hour.

Witness:
- "upload": {"publish_id", "url", "sha256", "ends_at", "part_bytes", "parts", "sent"
  (parts that are there)}
- "known": the publish id, until an answer to a part may have been lost
- "asked": when TikTok was asked last what is there
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ..base import MediaFile, PublishJob, Step, StepKind, StepResult
from ..errors import Cause, NotFound, PlatformError, TransientError
from .client import FAILED, PROCESSING_UPLOAD, State, TikTokClient, failure
from .spec import PART_BYTES, UPLOAD_LIFE_S

#: An upload that ends sooner than this is not worth going on with.
MARGIN = timedelta(minutes=1)
#: Without these it begins anew.
ANEW = ("publish", "upload", "known", "creator", "polls", "inbox_at")
#: Until TikTok is asked what became of it.
FIRST_POLL_S = 5

Stored = dict[str, Any]


def plan(size_bytes: int) -> tuple[int, int]:
    """Bytes of each part but the last, which takes the rest, and how many there are."""
    if size_bytes < 2 * PART_BYTES:
        return size_bytes, 1
    return PART_BYTES, size_bytes // PART_BYTES


def source(file: MediaFile) -> dict[str, int]:
    part_bytes, parts = plan(file.size_bytes)
    return {
        "video_size": file.size_bytes,
        "chunk_size": part_bytes,
        "total_chunk_count": parts,
    }


def taken(publish_id: str) -> Stored:
    """The witness of a publish that TikTok works on by itself from now on."""
    made = {"publish_id": publish_id, "at": datetime.now(UTC).isoformat()}
    return {"publish": made, "polls": 0}


def upload_of(job: PublishJob) -> Stored | None:
    """The upload that can go on, or None."""
    stored = job.witness.get("upload") or {}
    if not stored or stored["sha256"] != job.draft.media[0].sha256:
        return None
    ends_at = datetime.fromisoformat(stored["ends_at"])
    return dict(stored) if ends_at - MARGIN > datetime.now(UTC) else None


def doubtful(job: PublishJob) -> Stored | None:
    """The upload that may be whole at TikTok, although its last answer was lost and it
    has not been asked since. Nothing may begin anew before, however old it is."""
    stored, sent_at = job.witness.get("upload"), job.first_sent_at
    asked = job.witness.get("asked")
    if not stored or sent_at is None:
        return None
    is_told = asked and datetime.fromisoformat(asked) >= sent_at
    return None if is_told else dict(stored)


def calls_ahead(job: PublishJob, *, is_draft: bool) -> Counter[str]:
    upload = upload_of(job)
    if upload is None:
        parts = plan(job.draft.media[0].size_bytes)[1]
        first = "POST /v2/post/publish/video/init/"
        if is_draft:
            first = "POST /v2/post/publish/inbox/video/init/"
        return Counter({first: 1, "PUT {upload_url}": parts})
    return Counter({"PUT {upload_url}": int(upload["parts"]) - int(upload["sent"])})


class Sending:
    """The step that follows on what is stored of the upload.

    post: the `post_info` of the video, None of a draft.
    """

    def __init__(
        self,
        job: PublishJob,
        api: TikTokClient,
        post: Callable[[], Mapping[str, Any] | None],
    ) -> None:
        self.job = job
        self.api = api
        self.post = post
        self.file = job.draft.media[0]

    def next_step(self) -> Step:
        upload = upload_of(self.job)
        if lost := doubtful(self.job):
            return Step("ask_video", StepKind.REPEATABLE, lambda: self._ask(lost))
        if upload is None:
            return Step("begin_video", StepKind.REPEATABLE, self._begin)
        if self.job.witness.get("known") != upload["publish_id"]:
            # An answer to a part was lost.
            return Step("ask_video", StepKind.REPEATABLE, lambda: self._ask(upload))
        number = int(upload["sent"]) + 1
        if number < int(upload["parts"]):
            name = f"upload_video:{number}"
            return Step(name, StepKind.RESUMABLE, lambda: self._part(upload))
        return Step("finish_video", StepKind.COMMIT, lambda: self._finish(upload))

    def _begin(self) -> StepResult:
        now = datetime.now(UTC)
        begun = self.api.begin_upload(self.post(), source(self.file))
        part_bytes, parts = plan(self.file.size_bytes)
        upload = {
            "publish_id": begun.publish_id,
            "url": begun.upload_url,
            "sha256": self.file.sha256,
            "ends_at": (now + timedelta(seconds=UPLOAD_LIFE_S)).isoformat(),
            "part_bytes": part_bytes,
            "parts": parts,
            "sent": 0,
        }
        return StepResult(
            {
                "upload": upload,
                "known": begun.publish_id,
                "asked": now.isoformat(),
            }
        )

    def _part(self, upload: Stored) -> StepResult:
        try:
            self._put(upload, last=False)
        except TransientError as error:
            return self._unclear(upload, error)
        return self._sent(upload, int(upload["sent"]) + 1)

    def _finish(self, upload: Stored) -> StepResult:
        try:
            status = self._put(upload, last=True)
        except TransientError as error:
            if error.status is None:
                raise
            return self._unclear(upload, error)
        if status == 206:  # it says that something is missing
            return StepResult({"known": ""})
        return StepResult(taken(upload["publish_id"]), wait_s=FIRST_POLL_S)

    def _put(self, upload: Stored, *, last: bool) -> int:
        start = int(upload["sent"]) * int(upload["part_bytes"])
        length = self.file.size_bytes - start if last else int(upload["part_bytes"])
        return self.api.put_part(upload["url"], self.file, start, length, last=last)

    def _unclear(self, upload: Stored, error: TransientError) -> StepResult:
        """These bytes were not taken, or are not known to be."""
        if error.status in {403, 404, 416}:
            return self._ask(upload, error)
        error.extra["forget"] = "known"
        raise error

    def _ask(self, upload: Stored, error: TransientError | None = None) -> StepResult:
        """Go on where TikTok says that it is. error: why it is asked, if refused."""
        try:
            told = self.api.state(upload["publish_id"])
        except NotFound as gone:
            raise _lost(error or gone) from gone
        if told.status == FAILED:
            raise failure(told, ANEW)
        if is_whole(told, self.file):
            return StepResult(taken(upload["publish_id"]), wait_s=FIRST_POLL_S)
        if error is not None and error.status != 416:
            raise _lost(error)
        sent = int(upload["sent"])
        if told.uploaded is not None:
            sent = min(told.uploaded // int(upload["part_bytes"]), upload["parts"] - 1)
        if error is not None and sent == upload["sent"]:
            raise error  # it does not take what it asks for
        return self._sent(upload, sent)

    def _sent(self, upload: Stored, parts: int) -> StepResult:
        return StepResult(
            {
                "upload": {**upload, "sent": parts},
                "known": upload["publish_id"],
                "asked": datetime.now(UTC).isoformat(),
            }
        )


def is_whole(told: State, file: MediaFile) -> bool:
    """TikTok has all of it, and publishes it without our doing."""
    if told.status != PROCESSING_UPLOAD:
        return True
    return told.uploaded is not None and told.uploaded >= file.size_bytes


def _lost(error: PlatformError) -> TransientError:
    return TransientError(
        error.detail,
        cause=Cause.MEDIA_EXPIRED,
        status=error.status,
        code=error.code,
        request_id=error.request_id,
        retry_after=5,
        extra={"forget": ",".join(ANEW)},
    )

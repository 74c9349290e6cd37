"""YouTube: how a video gets there, in parts to a session.

Title, description and the rest go along when the session is opened; nobody sees
anything before the last byte, and with it the video is there. So the parts before the
last may be sent again, and the session tells afterwards whether the last one arrived:
its address is the key of a post.

Witness:
- "session" {"url", "of" (what it was opened for), "offset" (bytes that it holds),
  "ends_at"}
- "sure" the session's address while the offset is what it said last
- "sessions" how often one was opened
- "video" {"id", "published_at"} from the last byte on.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

from ..base import MediaFile, MediaKind, PublishJob, Step, StepKind, StepResult
from ..errors import (
    Cause,
    InvalidContent,
    NotFound,
    Outcome,
    PlatformError,
    TransientError,
)
from .client import Progress, YouTubeClient, moment
from .spec import GRAIN, LAST_BYTES, PART_BYTES, SESSION_LIFE_S

#: Sessions that may be lost before it is said to be the file.
MAX_SESSIONS = 5
#: After these a session goes on as it was; any other refusal is its last word.
GOES_ON = {
    Outcome.TRANSIENT,
    Outcome.AMBIGUOUS,
    Outcome.RATE_LIMITED,
    Outcome.PLATFORM_DOWN,
    Outcome.AUTH_EXPIRED,
}
#: A session that ends sooner is not worth going on with.
MARGIN = timedelta(minutes=10)

Stored = dict[str, Any]


def video_of(job: PublishJob) -> MediaFile | None:
    files = job.draft.media
    return next((file for file in files if file.kind is MediaKind.VIDEO), None)


def thumbnail_of(job: PublishJob) -> MediaFile | None:
    files = job.draft.media
    return next((file for file in files if file.kind is MediaKind.IMAGE), None)


def file_name(job: PublishJob, file: MediaFile) -> str:
    """Unique per delivery, so that the video can be told from any other."""
    suffix = PurePosixPath(file.file_name).suffix
    return f"socialhub-{job.marker}{suffix if suffix.isascii() else ''}"


def part_before_last(left: int) -> int:
    """Bytes of the next part; 0: what is left goes with the last one, the commit.

    That one is small, so that a video which was sent ahead appears on the instant.
    """
    if left <= min(LAST_BYTES, PART_BYTES):
        return 0
    return min(PART_BYTES, (left - 1) // GRAIN * GRAIN)


class Sending:
    """The video on its way: the step that follows on what is stored of it."""

    def __init__(
        self, job: PublishJob, api: YouTubeClient, body: Mapping[str, Any], notify: bool
    ) -> None:
        self.job = job
        self.api = api
        self.body = body
        self.notify = notify
        self.file = video_of(job)
        self.session = self._kept()

    def next_step(self) -> Step:
        file, session = self.file, self.session
        if file is None or session is None:
            return Step("begin_video:1", StepKind.REPEATABLE, self._begin)
        if self.job.witness.get("sure") != session["url"]:
            return Step(
                "ask_video:1", StepKind.REPEATABLE, lambda: self._ask(session, file)
            )
        offset = int(session["offset"])
        if length := part_before_last(file.size_bytes - offset):
            return Step(
                f"upload_video:1:{offset // PART_BYTES + 1}",
                StepKind.RESUMABLE,
                lambda: self._send(session, file, length),
            )
        return Step(
            "finish_video:1", StepKind.COMMIT, lambda: self._last(session, file)
        )

    def calls_ahead(self) -> Counter[str]:
        calls: Counter[str] = Counter()
        size = self.file.size_bytes if self.file else 0
        session = self.session
        if session is None:
            calls["POST videos.insert"] += 1
        elif self.job.witness.get("sure") != session["url"]:
            calls["PUT {session}?status"] += 1
        if self.job.first_sent_at:
            calls["PUT {session}?status"] += 1
        left = size - int(session["offset"] if session else 0)
        before = max(0, left - min(LAST_BYTES, PART_BYTES))
        calls["PUT {session}"] += 1 + -(-before // PART_BYTES)
        return calls

    def state(self) -> Progress:
        """What the session of the last commit says. NotFound: it is over, or none."""
        session = self.job.witness.get("session") or {}
        if not session or self.file is None:
            raise NotFound("no session is known")
        return self.api.upload_state(str(session["url"]), self.file.size_bytes)

    def _begin(self) -> StepResult:
        if self.file is None:
            raise InvalidContent("no video", cause=Cause.VIDEO_MISSING)
        url = self.api.begin_upload(
            self.body, self.file, file_name(self.job, self.file), notify=self.notify
        )
        ends_at = datetime.now(UTC) + timedelta(seconds=SESSION_LIFE_S)
        session = {
            "url": url,
            "of": self._of(),
            "offset": 0,
            "ends_at": ends_at.isoformat(),
        }
        sessions = int(self.job.witness.get("sessions", 0)) + 1
        return StepResult({"session": session, "sure": url, "sessions": sessions})

    def _ask(self, session: Stored, file: MediaFile) -> StepResult:
        return self._seen(session, self._state(session, file))

    def _last(self, session: Stored, file: MediaFile) -> StepResult:
        if self.job.first_sent_at:
            # It may have arrived, or a part of it.
            seen = self._state(session, file)
            if seen.video or part_before_last(file.size_bytes - seen.stored):
                return self._seen(session, seen)
            session = _moved(session, seen)
        return self._send(session, file, file.size_bytes - int(session["offset"]))

    def _state(self, session: Stored, file: MediaFile) -> Progress:
        url = str(session["url"])
        return self._careful(lambda: self.api.upload_state(url, file.size_bytes))

    def _send(self, session: Stored, file: MediaFile, length: int) -> StepResult:
        """The session's word counts, never what was sent."""
        url, start = str(session["url"]), int(session["offset"])
        if length:
            seen = self._careful(lambda: self.api.send_part(url, file, start, length))
        else:  # it has all, and has not said so yet
            seen = self._state(session, file)
        if seen.video is None and seen.stored <= start:
            raise TransientError(
                f"the session still holds {seen.stored} bytes",
                cause=Cause.MEDIA_NOT_READY,
                extra={"forget": "sure"},
            )
        return self._seen(session, seen)

    def _seen(self, session: Stored, seen: Progress) -> StepResult:
        if seen.video:
            return StepResult({"video": made(seen.video)})
        moved = _moved(session, seen)
        return StepResult({"session": moved, "sure": moved["url"]})

    def _careful(self, send: Callable[[], Progress]) -> Progress:
        """Sees to it that after a refusal the witness says no more than is known."""
        try:
            return send()
        except NotFound as error:
            raise self._lost(error) from error
        except PlatformError as error:
            known = error.outcome in GOES_ON
            error.extra["forget"] = "sure" if known else "session,sure"
            raise

    def _lost(self, error: PlatformError) -> PlatformError:
        """A session that is over takes what it holds with it: from the first byte."""
        facts: dict[str, Any] = {
            "status": error.status,
            "code": error.code,
            "request_id": error.request_id,
            "extra": {"forget": "session,sure"},
        }
        if int(self.job.witness.get("sessions", 1)) >= MAX_SESSIONS:
            return InvalidContent(error.detail, cause=Cause.MEDIA_REFUSED, **facts)
        return TransientError(
            error.detail, cause=Cause.MEDIA_EXPIRED, retry_after=5, **facts
        )

    def _kept(self) -> Stored | None:
        """The session that can go on, or None."""
        stored = self.job.witness.get("session") or {}
        if not stored.get("url") or stored.get("of") != self._of():
            return None
        ends_at = moment(stored.get("ends_at"))
        if ends_at is None or ends_at - MARGIN < datetime.now(UTC):
            return None
        return dict(stored)

    def _of(self) -> str:
        """What a session was opened for: another title needs another session."""
        file = self.file
        facts = [file.sha256, file.size_bytes, file.mime_type] if file else []
        words = json.dumps([*facts, self.body, self.notify], sort_keys=True)
        return hashlib.sha256(words.encode()).hexdigest()


def _moved(session: Stored, seen: Progress) -> Stored:
    url = seen.url or session["url"]
    return {**session, "url": url, "offset": seen.stored}


def made(video: Mapping[str, Any]) -> Stored:
    """What is kept of a video resource."""
    snippet = video.get("snippet")
    at = snippet.get("publishedAt") if isinstance(snippet, dict) else None
    return {"id": str(video["id"]), "published_at": str(at or "")}

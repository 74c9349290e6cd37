"""X: how files get there before the post that shows them.

An image goes in one call. A video or GIF goes in parts to a session that X keeps for a
day; then X works on it, and has to be asked. Nothing of it is public before the post,
so each step may be made again.

Witness, N being the file's number:
- "upload:N" a session: {"media_id", "sha256", "ends_at", "part_bytes", "sent" (parts
  that are there), "finished" (X knows that it has them all)}
- "unsealed:N" the session's media id until an answer to its end may have been lost
- "image:N" a file of any kind that can be posted: {"media_id", "sha256", "ends_at"}
- "alt:N" the media id that was described
- "uploads:N" how often the file was sent.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from ..base import MediaFile, MediaKind, PublishJob, Step, StepKind, StepResult
from ..errors import (
    Cause,
    InvalidContent,
    NotFound,
    PlatformError,
    TransientError,
)
from .client import Processing, XClient, moment
from .spec import MAX_PART_BYTES, MAX_PARTS, PART_BYTES

#: Uploads of one file before a refused media id is taken for a refused file.
MAX_UPLOADS = 2
#: Parts of a file, unless they would be larger than X takes or smaller than is worth it.
USUAL_PARTS = 250
#: A media id that ends sooner than this is not worth posting with.
MEDIA_MARGIN = timedelta(minutes=5)
#: X's word for a file that it will never take.
INVALID_MEDIA = "InvalidMedia"

Stored = dict[str, Any]


def next_step(job: PublishJob, x: XClient) -> Step | None:
    """The next step for the files of the post; None: all can be posted."""
    for number, file in enumerate(job.draft.media, 1):
        media_id = ready_id(job, number, file)
        if not media_id:
            return _Sending(job, x, number, file).next_step()
        if alt_of(file) and job.witness.get(f"alt:{number}") != media_id:
            return _describe(x, number, media_id, alt_of(file))
    return None


def calls_ahead(job: PublishJob) -> Counter[str]:
    """The calls that are left until all files can be posted.

    X may work on a file for long: it is asked once per claim.
    """
    calls: Counter[str] = Counter()
    for number, file in enumerate(job.draft.media, 1):
        media_id = ready_id(job, number, file)
        if not media_id and file.kind is MediaKind.IMAGE:
            calls["POST /2/media/upload"] += 1
        elif not media_id:
            session = _session(job, number, file)
            if session is None:
                calls["POST /2/media/upload/initialize"] += 1
            left = parts_of(file) if session is None else _left(session, file)
            if left:
                calls["POST /2/media/upload/:id/append"] += left
            if session is None or not session["finished"]:
                calls["POST /2/media/upload/:id/finalize"] += 1
            calls["GET /2/media/upload"] += 1
        if alt_of(file) and (
            not media_id or job.witness.get(f"alt:{number}") != media_id
        ):
            calls["POST /2/media/metadata"] += 1
    return calls


def ready_id(job: PublishJob, number: int, file: MediaFile) -> str:
    """The uploaded file's id, or "" when there is none that can still be posted."""
    stored = job.witness.get(f"image:{number}") or {}
    return str(stored["media_id"]) if _holds(stored, file) else ""


def media_ids(job: PublishJob) -> list[str]:
    numbers = range(1, len(job.draft.media) + 1)
    return [str(job.witness[f"image:{number}"]["media_id"]) for number in numbers]


def refused(job: PublishJob, error: InvalidContent) -> PlatformError:
    """What the refusal of the post's media ids means.

    New uploads mend an expired id and a lag just after uploading; a bad file not.
    """
    numbers = range(1, len(job.draft.media) + 1)
    if any(job.witness.get(f"uploads:{n}", 1) >= MAX_UPLOADS for n in numbers):
        return _bad_file(error)
    return _anew(error, *numbers)


def alt_of(file: MediaFile) -> str:
    """X has alternative texts for pictures, moving ones too, and not for videos."""
    return "" if file.kind is MediaKind.VIDEO else file.alt_text.strip()


def part_bytes(file: MediaFile) -> int:
    """Small enough to be sent in good time; of a large file larger, so that its calls
    are few, up to what X takes at most."""
    return max(
        min(MAX_PART_BYTES, max(PART_BYTES, -(-file.size_bytes // USUAL_PARTS))),
        -(-file.size_bytes // MAX_PARTS),
    )


def parts_of(file: MediaFile) -> int:
    return -(-file.size_bytes // part_bytes(file))


class _Sending:
    """One file on its way: the step that follows on what is stored of it."""

    def __init__(
        self, job: PublishJob, x: XClient, number: int, file: MediaFile
    ) -> None:
        self.job = job
        self.x = x
        self.number = number
        self.file = file
        self.session = _session(job, number, file)

    def next_step(self) -> Step:
        kind, number = self.file.kind, self.number
        if kind is MediaKind.IMAGE:
            return Step(f"upload_image:{number}", StepKind.REPEATABLE, self._image)
        session = self.session
        if session is None:
            return Step(f"begin_{kind}:{number}", StepKind.REPEATABLE, self._begin)
        if _left(session, self.file):
            name = f"upload_{kind}:{number}:{session['sent'] + 1}"
            return Step(name, StepKind.RESUMABLE, lambda: self._part(session))
        asked = session["finished"] or not self._is_unsealed(session)
        if asked:
            name = f"wait_{kind}:{number}"
            return Step(name, StepKind.REPEATABLE, lambda: self._ask(session))
        name = f"finish_{kind}:{number}"
        return Step(name, StepKind.REPEATABLE, lambda: self._finish(session))

    def _is_unsealed(self, session: Stored) -> bool:
        return bool(
            self.job.witness.get(f"unsealed:{self.number}") == session["media_id"]
        )

    def _image(self) -> StepResult:
        media_id, ends_at = self.x.upload_image(self.file)
        return StepResult({**self._ready(media_id, ends_at), **self._counted()})

    def _begin(self) -> StepResult:
        try:
            media_id, ends_at = self.x.begin_upload(self.file)
        except InvalidContent as error:
            raise _bad_file(error) from error
        session = {
            "media_id": media_id,
            "sha256": self.file.sha256,
            "ends_at": ends_at.isoformat(),
            "part_bytes": part_bytes(self.file),
            "sent": 0,
            "finished": False,
        }
        return StepResult(
            {
                f"upload:{self.number}": session,
                f"unsealed:{self.number}": media_id,
                **self._counted(),
            }
        )

    def _part(self, session: Stored) -> StepResult:
        """Sent again it takes the place of the one that is there."""
        try:
            ends_at = self.x.append(
                session["media_id"], self.file, session["sent"], session["part_bytes"]
            )
        except (InvalidContent, NotFound) as error:
            raise self._lost(error) from error
        return self._session({"sent": session["sent"] + 1}, ends_at)

    def _finish(self, session: Stored) -> StepResult:
        try:
            told = self.x.finish_upload(session["media_id"])
        except TransientError as error:
            # Its answer may be lost: X is asked before it is told again.
            error.extra["forget"] = f"unsealed:{self.number}"
            raise
        except (InvalidContent, NotFound):
            # This process, or one before it, may have told X already.
            return self._session({"finished": True}, None)
        if not told.state:
            return self._done(session, told)
        return self._told(session, told)

    def _ask(self, session: Stored) -> StepResult:
        try:
            told = self.x.upload_state(session["media_id"])
        except (InvalidContent, NotFound) as error:
            raise self._lost(error) from error
        # Until its end is told a session is "pending", and it is so for a while after:
        # the call may be lost as well as its answer. Telling X again costs nothing.
        is_known = session["finished"] or told.state not in ("", "pending")
        if not is_known:
            return StepResult({f"unsealed:{self.number}": session["media_id"]})
        if told.state:
            return self._told(session, told)
        return self._done(session, told)  # X has nothing more to do

    def _told(self, session: Stored, told: Processing) -> StepResult:
        if told.state == "succeeded":
            return self._done(session, told)
        if told.state == "failed":
            error = InvalidContent(
                told.detail, cause=Cause.MEDIA_REFUSED, code=told.code
            )
            raise error if told.code == INVALID_MEDIA else self._lost(error)
        return self._session({"finished": True}, told.ends_at, told.wait_s)

    def _done(self, session: Stored, told: Processing) -> StepResult:
        ends_at = told.ends_at or moment(session["ends_at"]) or datetime.now(UTC)
        return StepResult(self._ready(session["media_id"], ends_at))

    def _lost(self, error: PlatformError) -> PlatformError:
        """X does not know the session any more, or cannot go on with it."""
        if error.cause is Cause.MEDIA_TOO_LARGE:
            return error
        if self.job.witness.get(f"uploads:{self.number}", 1) >= MAX_UPLOADS:
            return _bad_file(error)
        return _anew(error, self.number)

    def _session(
        self, changes: Stored, ends_at: datetime | None, wait_s: float | None = None
    ) -> StepResult:
        session = {**(self.session or {}), **changes}
        if ends_at:
            session["ends_at"] = ends_at.isoformat()
        return StepResult({f"upload:{self.number}": session}, wait_s=wait_s)

    def _ready(self, media_id: str, ends_at: datetime) -> Stored:
        return {
            f"image:{self.number}": {
                "media_id": media_id,
                "sha256": self.file.sha256,
                "ends_at": ends_at.isoformat(),
            }
        }

    def _counted(self) -> Stored:
        """Uploads that ended with their time say nothing against the file."""
        name = f"uploads:{self.number}"
        before = [self.job.witness.get(f"{key}:{self.number}") for key in KEPT]
        if any(_is_over(stored) for stored in before if stored):
            return {name: 1}
        return {name: self.job.witness.get(name, 0) + 1}


#: what is stored of a file with an end
KEPT = ("upload", "image")


def _describe(x: XClient, number: int, media_id: str, alt: str) -> Step:
    def run() -> StepResult:
        x.set_alt_text(media_id, alt)
        return StepResult({f"alt:{number}": media_id})

    return Step(f"alt_text:{number}", StepKind.REPEATABLE, run)


def _session(job: PublishJob, number: int, file: MediaFile) -> Stored | None:
    """The upload that can go on, or None."""
    stored = job.witness.get(f"upload:{number}") or {}
    return dict(stored) if _holds(stored, file) else None


def _left(session: Stored, file: MediaFile) -> int:
    """Parts that X has not got yet."""
    return -(-file.size_bytes // int(session["part_bytes"])) - int(session["sent"])


def _holds(stored: Stored, file: MediaFile) -> bool:
    return is_of(stored, file.sha256)


def is_of(stored: Stored, wanted: str, name: str = "sha256") -> bool:
    """It is of this file, and there is time to post with it."""
    return stored.get(name) == wanted and not _is_over(stored)


def _is_over(stored: Stored) -> bool:
    ends_at = moment(stored.get("ends_at"))
    return bool(ends_at and ends_at - MEDIA_MARGIN < datetime.now(UTC))


def _anew(error: PlatformError, *numbers: int) -> TransientError:
    names = ("image", "upload", "unsealed", "alt")
    return TransientError(
        error.detail,
        cause=Cause.MEDIA_EXPIRED,
        retry_after=5,
        extra={"forget": ",".join(f"{name}:{n}" for n in numbers for name in names)},
        **_facts(error),
    )


def _bad_file(error: PlatformError) -> InvalidContent:
    known = isinstance(error, InvalidContent) and error.cause not in {
        Cause.UNKNOWN_REFUSAL,
        Cause.MEDIA_EXPIRED,
    }
    cause = error.cause if known else Cause.MEDIA_REFUSED
    return InvalidContent(error.detail, cause=cause, **_facts(error))


def _facts(error: PlatformError) -> dict[str, Any]:
    return {
        "status": error.status,
        "code": error.code,
        "request_id": error.request_id,
    }

"""X: captions of a video, each a file of its own that is uploaded and tied to the video.

All of it happens before the post, so that each step may be made again. The post matters
more: captions that X will not have are left out.

Witness, M being the number of the captions:
- "captions:M" {"media_id", "of" (of which file, in which language), "ends_at", "sent",
  "told" (X was told that it has all), "ready"}
- "tied:M" the media ids of the video and of the captions that X shows together
- "refused" of which files nothing more is tried; "caption_tries" of the step that is next;
- `without.WITHOUT` and "notes".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from .. import captions, without
from ..base import MediaFile, MediaKind, PublishJob, Step, StepKind, StepResult
from ..errors import Cause, InvalidContent, NotFound, Outcome, PlatformError
from . import media
from .client import XClient
from .spec import SPEC

MAY_MEND = {Outcome.TRANSIENT, Outcome.AMBIGUOUS, Outcome.NOT_FOUND}

Stored = dict[str, Any]


def next_step(job: PublishJob, x: XClient) -> Step | None:
    """The next step for the captions of the post; None: all are tied, or left out."""
    for number, file in _wanted(job):
        if step := _Sending(job, x, number, file).next_step():
            return step
    return None


def calls_ahead(job: PublishJob) -> Counter[str]:
    calls: Counter[str] = Counter()
    for number, file in _wanted(job):
        stored = _stored(job, number, file)
        if stored and _is_tied(job, number, stored):
            continue
        if not stored:
            calls["POST /2/media/upload/initialize"] += 1
        if not stored.get("sent"):
            calls["POST /2/media/upload/:id/append"] += 1
        if not stored.get("told"):
            calls["POST /2/media/upload/:id/finalize"] += 1
        if not stored.get("ready"):
            calls["GET /2/media/upload"] += 1
        calls["POST /2/media/subtitles"] += 1
    return calls


def _wanted(job: PublishJob) -> list[tuple[int, MediaFile]]:
    refused = job.witness.get("refused", ())
    listed = enumerate(captions.sent(job.draft, SPEC), 1)
    return [(number, file) for number, file in listed if _sum(file) not in refused]


def _sum(file: MediaFile) -> str:
    return f"{file.sha256}:{file.language}"


def _stored(job: PublishJob, number: int, file: MediaFile) -> Stored:
    """The upload that can go on; {}: there is none."""
    stored = job.witness.get(f"captions:{number}") or {}
    return dict(stored) if media.is_of(stored, _sum(file), "of") else {}


def _video_id(job: PublishJob) -> str:
    for number, file in enumerate(job.draft.media, 1):
        if file.kind is MediaKind.VIDEO:
            return media.ready_id(job, number, file)
    return ""


def _is_tied(job: PublishJob, number: int, stored: Stored) -> bool:
    """To the video as it is there now: it may have been sent anew."""
    pair = [_video_id(job), stored["media_id"]]
    return bool(job.witness.get(f"tied:{number}") == pair)


class _Sending:
    """One file of captions on its way."""

    def __init__(
        self, job: PublishJob, x: XClient, number: int, file: MediaFile
    ) -> None:
        self.job = job
        self.x = x
        self.number = number
        self.file = file
        self.stored = _stored(job, number, file)

    def next_step(self) -> Step | None:
        stored = self.stored
        if not stored:
            return self._step("begin", self._begin)
        if not stored["sent"]:
            return self._step("upload", self._upload)
        if not stored["told"]:
            return self._step("finish", self._finish)
        if not stored["ready"]:
            return self._step("wait", self._ask)
        if _is_tied(self.job, self.number, stored):
            return None
        return self._step("tie", self._tie)

    def _step(self, verb: str, run: Callable[[], StepResult]) -> Step:
        name = f"{verb}_captions:{self.number}"
        return Step(name, StepKind.REPEATABLE, lambda: self._careful(run))

    def _begin(self) -> StepResult:
        media_id, ends_at = self.x.begin_captions(len(self._data()))
        begun = {"sent": False, "told": False, "ready": False}
        about = {"media_id": media_id, "of": _sum(self.file)}
        return self._keep({**about, "ends_at": ends_at.isoformat(), **begun})

    def _upload(self) -> StepResult:
        self.x.append_captions(self.stored["media_id"], self._data())
        return self._keep({"sent": True})

    def _finish(self) -> StepResult:
        try:
            told = self.x.finish_upload(self.stored["media_id"])
        except (InvalidContent, NotFound):
            # This process, or one before it, may have told X already: X is asked.
            return self._keep({"told": True})
        return self._told(told.state, told.wait_s, told.detail)

    def _ask(self) -> StepResult:
        told = self.x.upload_state(self.stored["media_id"])
        return self._told(told.state, told.wait_s, told.detail)

    def _told(self, state: str, wait_s: float, detail: str) -> StepResult:
        """Of files that need no work X tells no state."""
        if state in ("", "succeeded"):
            return self._keep({"told": True, "ready": True})
        if state == "failed":
            raise InvalidContent(detail, cause=Cause.MEDIA_REFUSED)
        return self._keep({"told": True}, wait_s)

    def _tie(self) -> StepResult:
        video_id, captions_id = _video_id(self.job), str(self.stored["media_id"])
        self.x.tie_captions(video_id, captions_id, self.file.language)
        pair = [video_id, captions_id]
        return StepResult({f"tied:{self.number}": pair, "caption_tries": 0})

    def _data(self) -> bytes:
        return captions.as_sent(self.file, SPEC)

    def _keep(self, changes: Stored, wait_s: float | None = None) -> StepResult:
        stored = {**self.stored, **changes}
        witness = {f"captions:{self.number}": stored, "caption_tries": 0}
        return StepResult(witness, wait_s=wait_s)

    def _careful(self, run: Callable[[], StepResult]) -> StepResult:
        """Do it, try it again later, or go on without these captions."""
        try:
            return run()
        except PlatformError as error:
            if without.FILES.is_of_all(error):
                raise
            tries = int(self.job.witness.get("caption_tries", 0)) + 1
            # X may not know yet what it has just taken.
            is_early = error.cause is Cause.MEDIA_EXPIRED
            if (is_early or error.outcome in MAY_MEND) and tries < without.FILES.tries:
                wait_s = without.FILES.pause_s(error)
                return StepResult({"caption_tries": tries}, wait_s=wait_s)
            return self._leave_out(error)

    def _leave_out(self, error: PlatformError) -> StepResult:
        witness = self.job.witness
        more = without.with_one_more(
            witness, without.CAPTIONS, error, self.file.language
        )
        refused = [*witness.get("refused", ()), _sum(self.file)]
        return StepResult({**more, "refused": refused, "caption_tries": 0})

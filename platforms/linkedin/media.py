"""LinkedIn: how files get there before the post that shows them.

An image or a document goes by one call, a video in the parts that LinkedIn names, each
to an address of its own. Then LinkedIn works on it: it is asked where the account may
read that, and else waited for by its size. Nothing of it is public before the post, so
each step may be made again, until a post was sent: the duplicate check goes by the
file's URN.

Witness, N being the file's number:
- "image:N" a file of any kind: {"urn", "sha256", "url", "ends_at", "put_at" (once it can
  be posted)}; of a video and a document also "sent_at" (once all bytes are there), of a
  video "token", "parts" ([address, first byte, last byte] of those that are left) and
  "etags" (of those that are there, in order)
- of a video that has them besides, "thumbnail" and "captions": the addresses of what
  goes beside it, until it is there
- "uploads:N" how often it was opened, "polls:N" how often it was asked for, "tries" how
  often what goes beside it
- "left_out": what of that LinkedIn would not have; why, `without.WITHOUT` and "notes".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from .. import captions, without
from ..base import (
    Draft,
    MediaFile,
    MediaKind,
    PublishJob,
    Step,
    StepKind,
    StepResult,
)
from ..errors import (
    Cause,
    InvalidContent,
    NotFound,
    Outcome,
    PermissionMissing,
    PlatformError,
    TransientError,
    as_kind,
)
from .client import LinkedInClient
from .spec import MEDIA_SETTLES_S, SPEC

#: Uploads of one file before a refused URN is taken for a refused file.
MAX_UPLOADS = 2
#: An upload address that ends sooner than this is not worth starting with.
UPLOAD_MARGIN = timedelta(minutes=5)
#: Seconds until a file is asked for again: each look is one of 150 a day.
POLLS_S = (5, 10, 20, 40, 60)
#: Looks that are foreseen.
POLLS_AHEAD = 4
#: After so long it is no longer waited for.
GIVE_UP = timedelta(minutes=15)
PART_BYTES = 4_194_304
#: What goes beside a video, in order.
THUMBNAIL, CAPTIONS = without.THUMBNAIL, without.CAPTIONS
BESIDE = (THUMBNAIL, CAPTIONS)

Stored = dict[str, Any]


def next_step(job: PublishJob, api: LinkedInClient) -> Step | None:
    """The next step for the files of the post; None: all can be posted."""
    for number, file in _files(job):
        stored = stored_of(job, number, file)
        if not stored.get("put_at"):
            return _Sending(job, api, number, file, stored).next_step()
    return None


def calls_ahead(job: PublishJob) -> Counter[str]:
    calls: Counter[str] = Counter()
    for number, file in _files(job):
        stored = stored_of(job, number, file)
        if stored.get("put_at"):
            continue
        kind = kind_of(file)
        if not stored:
            calls[f"POST /rest/{kind}s"] += 1
        if kind == "video":
            parts = stored.get("parts", range(-(-file.size_bytes // PART_BYTES)))
            calls["PUT {uploadUrl}"] += len(parts)
            if THUMBNAIL in (stored or beside(job)):
                calls["PUT {uploadUrl}"] += 1
            if CAPTIONS in (stored or beside(job)):
                calls["POST {captionsUploadUrl}"] += 1
            if not stored.get("sent_at"):
                calls["POST /rest/videos"] += 1
        elif not stored.get("sent_at"):
            calls["PUT {uploadUrl}"] += 1
        if kind != "image":
            calls[f"GET /rest/{kind}s/:urn"] += POLLS_AHEAD
    return +calls


def shown(draft: Draft) -> tuple[MediaFile, ...]:
    """The post's files, without the image that stands for its video."""
    films = tuple(file for file in draft.media if file.kind is MediaKind.VIDEO)
    return films or draft.media


def beside(job: PublishJob) -> dict[str, MediaFile]:
    """What goes along with a video, by its name, without what was left out."""
    draft, found = job.draft, dict[str, MediaFile]()
    stills = [file for file in draft.media if file.kind is MediaKind.IMAGE]
    if stills and shown(draft) != draft.media:
        found[THUMBNAIL] = stills[0]
    if said := captions.sent(draft, SPEC):
        found[CAPTIONS] = said[0]
    left_out = job.witness.get("left_out", ())
    return {n: file for n, file in found.items() if _sum(n, file) not in left_out}


def _sum(name: str, file: MediaFile) -> str:
    return f"{name} {file.sha256} {file.language}"


def kind_of(file: MediaFile) -> str:
    """LinkedIn's word for it; an animated GIF is an image there."""
    others = {MediaKind.VIDEO: "video", MediaKind.DOCUMENT: "document"}
    return others.get(file.kind, "image")


def stored_of(job: PublishJob, number: int, file: MediaFile) -> Stored:
    """The file's upload as far as it got; {} when it has to be opened (anew)."""
    stored = dict(job.witness.get(f"image:{number}") or {})
    if stored.get("sha256") != file.sha256:
        return {}
    if stored.get("beside", []) != _sums_beside(job, file):
        return {}
    is_there = stored.get("put_at") or stored.get("sent_at")
    if not is_there and stored.get("ends_at"):
        ends_at = datetime.fromisoformat(stored["ends_at"])
        if ends_at - UPLOAD_MARGIN < datetime.now(UTC):
            return {}
    return stored


def _sums_beside(job: PublishJob, file: MediaFile) -> list[str]:
    """By which it is known whether a video went with what it is to have."""
    if file.kind is not MediaKind.VIDEO:
        return []
    return [_sum(name, one) for name, one in beside(job).items()]


def urns(job: PublishJob) -> list[str]:
    numbers = range(1, len(shown(job.draft)) + 1)
    return [str(job.witness[f"image:{number}"]["urn"]) for number in numbers]


def is_uploaded(job: PublishJob) -> bool:
    """The files of the first request are still known, so it can be repeated as it was."""
    return all(stored_of(job, n, file).get("put_at") for n, file in _files(job))


def is_just_uploaded(job: PublishJob) -> bool:
    times = [
        datetime.fromisoformat(job.witness[f"image:{number}"]["put_at"])
        for number in range(1, len(shown(job.draft)) + 1)
    ]
    settled = timedelta(seconds=MEDIA_SETTLES_S)
    return bool(times) and datetime.now(UTC) - max(times) < settled


def refused(job: PublishJob, error: InvalidContent) -> PlatformError:
    """A new upload mends an unknown file once; after that it is the file."""
    return _anew(job, error, *range(1, len(shown(job.draft)) + 1))


class _Sending:
    """One file on its way: the step that follows on what is stored of it."""

    def __init__(
        self,
        job: PublishJob,
        api: LinkedInClient,
        number: int,
        file: MediaFile,
        stored: Stored,
    ) -> None:
        self.job = job
        self.api = api
        self.number = number
        self.file = file
        self.stored = stored
        self.kind = kind_of(file)

    def next_step(self) -> Step:
        name, stored = f"{self.kind}:{self.number}", self.stored
        if not stored:
            return Step(f"init_{name}", StepKind.REPEATABLE, self._init)
        if stored.get("sent_at"):
            return Step(f"wait_{name}", StepKind.REPEATABLE, self._wait)
        if self.kind != "video":
            return Step(f"put_{name}", StepKind.REPEATABLE, self._put)
        for what in BESIDE:
            # First, so that a refusal costs no video that was sent already.
            if stored.get(what):
                return Step(
                    f"put_{what}:{self.number}", StepKind.REPEATABLE, self._beside
                )
        if stored["parts"]:
            part = len(stored["etags"]) + 1
            return Step(f"put_{name}:{part}", StepKind.RESUMABLE, self._part)
        return Step(f"finish_{name}", StepKind.REPEATABLE, self._finish)

    def _init(self) -> StepResult:
        try:
            urn, ends_at, more = self._opened()
        except PermissionMissing as error:
            if error.cause is Cause.ROLE_LOST:
                # Some roles may post text for a Page and upload no files for it: that
                # proves no lost role.
                raise as_kind(
                    PermissionMissing, error, cause=Cause.FILES_NOT_ALLOWED
                ) from error
            raise
        file = self.file
        stored = {
            "urn": urn,
            "sha256": file.sha256,
            "ends_at": ends_at.isoformat() if ends_at else "",
            **more,
        }
        uploads = self.job.witness.get(f"uploads:{self.number}", 0) + 1
        return self._result(stored, {f"uploads:{self.number}": uploads})

    def _opened(self) -> tuple[str, datetime | None, Stored]:
        """The file's name there, until when it can be sent, and what sending needs."""
        owner = self.job.account.external_id
        if self.kind != "video":
            upload = self.api.init_upload(self.kind, owner)
            return upload.urn, upload.ends_at, {"url": upload.url}
        files = beside(self.job)
        film = self.api.init_video(
            owner,
            self.file.size_bytes,
            thumbnail=THUMBNAIL in files,
            captions=CAPTIONS in files,
        )
        parts = [list(part) for part in film.parts]
        more: Stored = {"url": "", "token": film.token, "parts": parts, "etags": []}
        addresses = {THUMBNAIL: film.thumbnail, CAPTIONS: film.captions}
        more |= {name: addresses[name] for name in files if addresses[name]}
        if sums := _sums_beside(self.job, self.file):
            more["beside"] = sums
        return film.urn, film.ends_at, more

    def _put(self) -> StepResult:
        try:
            self.api.put_file(str(self.stored["url"]), self.file)
        except TransientError as error:
            raise self._forgetting(error) from error
        now = datetime.now(UTC).isoformat()
        # The signed address is of no more use: it is not kept. Posts may show an image
        # that is still worked on.
        there = {"put_at" if self.kind == "image" else "sent_at": now}
        return self._result({**self.stored, "url": "", "ends_at": "", **there})

    def _beside(self) -> StepResult:
        """One of what goes along. The post matters more: what LinkedIn will not have is
        left out, with a video that announces no more than comes."""
        name = next(name for name in BESIDE if self.stored.get(name))
        file, url = beside(self.job)[name], str(self.stored[name])
        try:
            if name == THUMBNAIL:
                self.api.put_thumbnail(url, file)
            else:
                said = captions.as_sent(file, SPEC)
                self.api.put_captions(url, said, file.language)
        except PlatformError as error:
            if without.FILES.is_of_all(error):
                raise
            if error.code == "EXPIRED_UPLOAD_URL" and isinstance(error, TransientError):
                raise self._forgetting(error) from error
            tries = int(self.job.witness.get("tries", 0)) + 1
            may_mend = error.outcome is Outcome.TRANSIENT and error.status != 403
            if may_mend and tries < without.FILES.tries:
                return StepResult({"tries": tries}, wait_s=without.FILES.pause_s(error))
            return self._leave_out(name, file, error)
        left = {key: value for key, value in self.stored.items() if key != name}
        return self._result(left, {"tries": 0})

    def _leave_out(
        self, name: str, file: MediaFile, error: PlatformError
    ) -> StepResult:
        witness = self.job.witness
        more = {
            "tries": 0,
            "left_out": [*witness.get("left_out", []), _sum(name, file)],
            **without.with_one_more(witness, name, error, file.language),
            # The new beginning is none of the file's fault.
            f"uploads:{self.number}": int(witness[f"uploads:{self.number}"]) - 1,
        }
        return self._result({}, more)

    def _part(self) -> StepResult:
        (url, first, last), *left = self.stored["parts"]
        try:
            etag = self.api.put_part(str(url), self.file, int(first), int(last))
        except TransientError as error:
            raise self._forgetting(error) from error
        etags = [*self.stored["etags"], etag]
        return self._result({**self.stored, "parts": left, "etags": etags})

    def _finish(self) -> StepResult:
        stored = self.stored
        try:
            self.api.finish_video(stored["urn"], stored["token"], stored["etags"])
        except (InvalidContent, NotFound) as error:
            raise _anew(self.job, error, self.number) from error
        sent = {"sent_at": datetime.now(UTC).isoformat(), "ends_at": "", "etags": []}
        return self._result({**stored, **sent})

    def _wait(self) -> StepResult:
        """Until LinkedIn has worked on it, as far as this account may ask."""
        age = datetime.now(UTC) - datetime.fromisoformat(self.stored["sent_at"])
        try:
            status, said = self.api.state(self.kind, str(self.stored["urn"]))
        except PermissionMissing as error:
            if error.cause not in {Cause.MEDIA_REFUSED, Cause.SCOPE_MISSING}:
                raise
            return self._by_size(age)
        if status == "AVAILABLE":
            return self._ready()
        if status == "PROCESSING_FAILED":
            raise InvalidContent(said or status, cause=Cause.MEDIA_REFUSED)
        if age > GIVE_UP:
            raise TransientError(status, cause=Cause.MEDIA_NOT_READY, retry_after=300)
        polls = int(self.job.witness.get(f"polls:{self.number}") or 0) + 1
        wait_s = POLLS_S[min(polls, len(POLLS_S)) - 1]
        return StepResult({f"polls:{self.number}": polls}, wait_s=wait_s)

    def _by_size(self, age: timedelta) -> StepResult:
        """Not to be asked for: too early a post is refused, and comes again."""
        wait_s = 10 + self.file.size_bytes / 1_000_000 - age.total_seconds()
        return StepResult(wait_s=wait_s) if wait_s > 0 else self._ready()

    def _ready(self) -> StepResult:
        now = datetime.now(UTC).isoformat()
        return self._result({**self.stored, "put_at": now})

    def _result(self, stored: Stored, more: Stored | None = None) -> StepResult:
        return StepResult({f"image:{self.number}": stored, **(more or {})})

    def _forgetting(self, error: TransientError) -> TransientError:
        """An address that is over takes the upload with it."""
        if error.cause is Cause.MEDIA_EXPIRED:
            error.extra["forget"] = f"image:{self.number}"
        return error


def _files(job: PublishJob) -> Iterator[tuple[int, MediaFile]]:
    return enumerate(shown(job.draft), 1)


def _anew(job: PublishJob, error: PlatformError, *numbers: int) -> PlatformError:
    facts: dict[str, Any] = {
        "status": error.status,
        "code": error.code,
        "request_id": error.request_id,
    }
    if any(job.witness.get(f"uploads:{n}", 1) >= MAX_UPLOADS for n in numbers):
        return InvalidContent(error.detail, cause=Cause.MEDIA_REFUSED, **facts)
    return TransientError(
        error.detail,
        cause=Cause.MEDIA_EXPIRED,
        extra={"forget": ",".join(f"image:{n}" for n in numbers)},
        **facts,
    )

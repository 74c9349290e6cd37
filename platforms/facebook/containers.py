"""Containers: how Instagram and Threads publish, each with forms and rules of its own.

A container is made, worked on there, and published once. Its status is the key of a
post: nothing else tells as surely whether one went out.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from ..base import (
    UNNAMED,
    Look,
    Platform,
    PlatformClient,
    PublishJob,
    RemotePost,
    Sighting,
    Step,
    StepKind,
    StepResult,
)
from ..errors import (
    AmbiguousOutcome,
    InvalidContent,
    PlatformError,
    TransientError,
    as_kind,
)

LOOK_COUNT = 25
LOOK_PAGES = 5
#: Clock differences allowed for when looking for a post of ours.
LOOK_BACK_S = 120
#: A container lives 24 h; one that ends within the hour is not worth starting with.
LIFE = timedelta(hours=23)
#: Files are fetched in vain at times, and the next time well.
MAX_TRIES = 3
#: Seconds until the next try.
TRY_AGAIN_S = 10
#: After so long a published container is found without its post in the list.
LISTED_AFTER = timedelta(seconds=100)
#: Until then the list is read again after so many seconds.
LIST_AGAIN_S = 20

#: The one that is published; those below a carousel are `child:N`.
TOP = "container"

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Container:
    """status: IN_PROGRESS, FINISHED, PUBLISHED, ERROR or EXPIRED, "" when it is not
    known; said: why, in words."""

    status: str
    said: str


class Containers(Platform):
    """Witness: `container` and `child:N` {"id", "of", "made_at"}, `ready:<name>` the id
    of a container that is FINISHED, `tries:<name>`, and `media_id` from the moment the
    post is out.
    """

    #: By what a post is known again, as `look` says it.
    compared: ClassVar[str] = "text"

    @abstractmethod
    def _of(self, job: PublishJob, name: str) -> str:
        """What a container is made of: with another value it has to be made anew."""

    @abstractmethod
    def _seen(self, api: Any, number: str) -> Container:
        """A container as it is now; without a status when it is not known."""

    @abstractmethod
    def _search(self, job: PublishJob, api: Any) -> tuple[RemotePost | None, bool]:
        """The oldest post since the first commit that looks like ours, and whether all
        of them were read."""

    @abstractmethod
    def _matches(
        self, job: PublishJob, row: Mapping[str, Any], since: datetime
    ) -> bool: ...

    @abstractmethod
    def _named(self, row: Mapping[str, Any]) -> RemotePost:
        """A post as the platform tells it."""

    def _why_unclear(
        self, job: PublishJob, found: RemotePost | None, complete: bool
    ) -> str:
        """Why a search says nothing of a post whose container is not known."""
        return "" if found or complete else "too many posts since then"

    # --- steps

    def is_out(self, witness: Mapping[str, Any]) -> bool:
        return bool(witness.get("media_id"))

    def _permalink(self, api: Any, media_id: str) -> Step:
        """A step of its own: what is out stays out, whatever becomes of it."""
        return Step(
            "permalink",
            StepKind.REPEATABLE,
            lambda: StepResult(remote=self._remote(api, media_id)),
        )

    def _again(self, job: PublishJob, name: str, error: PlatformError) -> StepResult:
        """Make a container anew after a while, but not without end."""
        tries = int(job.witness.get(f"tries:{name}", 0)) + 1
        if tries >= MAX_TRIES:
            raise as_kind(InvalidContent, error, cause=error.cause) from error
        return StepResult(
            {name: {}, f"ready:{name}": "", f"tries:{name}": tries}, wait_s=TRY_AGAIN_S
        )

    def _published(
        self, job: PublishJob, api: Any, name: str, number: str
    ) -> StepResult:
        """It is out already: by a call whose answer was lost."""
        if name != TOP:
            return StepResult({f"ready:{name}": number})
        listed = self._listed(job, api, _sent_at(job))
        return listed or StepResult(remote=RemotePost(f"{UNNAMED}{number}", ""))

    def _listed(
        self, job: PublishJob, api: Any, sent_at: datetime
    ) -> StepResult | None:
        """The post that a lost call has published, or a wait; None: not in the list."""
        found, _complete = self._search(job, api)
        if found is not None:
            return StepResult({"media_id": found.external_id})
        if datetime.now(UTC) - sent_at < LISTED_AFTER:
            return StepResult(wait_s=LIST_AGAIN_S)
        return None

    def _publish(self, publish: Callable[[], str]) -> StepResult:
        try:
            return StepResult({"media_id": publish()})
        except (AmbiguousOutcome, TransientError) as error:
            # Before the next try its status is read: one that is over is made anew.
            error.extra["forget"] = f"ready:{TOP}"
            raise

    def _remote(self, api: Any, media_id: str) -> RemotePost:
        """The post with its address, or without it when that cannot be read."""
        try:
            data = api.media(media_id)
        except PlatformError:
            data = {}
        return self._named({**data, "id": media_id})

    # --- the witness

    def _container(self, job: PublishJob, name: str) -> str:
        """The id of a container that can still be used; "" when it has to be made."""
        stored = job.witness.get(name) or {}
        if not stored.get("id") or stored.get("of") != self._of(job, name):
            return ""
        ends_at = datetime.fromisoformat(stored["made_at"]) + LIFE
        return str(stored["id"]) if ends_at > datetime.now(UTC) else ""

    def _is_ready(self, job: PublishJob, name: str) -> bool:
        number = self._container(job, name)
        return bool(number) and job.witness.get(f"ready:{name}") == number

    def _made(self, job: PublishJob, name: str, number: str) -> dict[str, Any]:
        return {
            "id": number,
            "of": self._of(job, name),
            "made_at": datetime.now(UTC).isoformat(),
        }

    # --- reconciliation

    def look(self, job: PublishJob, client: PlatformClient) -> Look:
        """The container's status decides; the list only tells which post it became."""
        if media_id := job.witness.get("media_id"):
            remote = self._remote(client, str(media_id))
            return Look(Sighting.FOUND, remote, "its id was told")
        number = str((job.witness.get(TOP) or {}).get("id") or "")
        seen = self._seen(client, number) if number else Container("", "")
        if seen.status not in {"", "PUBLISHED"}:
            return Look(
                Sighting.ABSENT,
                evidence=f"container {number} is {seen.status}: not published",
            )
        found, complete = self._search(job, client)
        if not seen.status and (why := self._why_unclear(job, found, complete)):
            return Look(Sighting.CANNOT_TELL, evidence=why)
        same = f"the same {self.compared}"
        if found is not None:
            what = f"container {number} is published; " if seen.status else ""
            return Look(Sighting.FOUND, found, f"{what}{found.external_id} has {same}")
        if seen.status:
            evidence = f"container {number} is published; its post is not listed"
            if datetime.now(UTC) - _sent_at(job) < LISTED_AFTER:
                return Look(Sighting.CANNOT_TELL, evidence=f"{evidence} yet")
            return Look(Sighting.FOUND, RemotePost(f"{UNNAMED}{number}", ""), evidence)
        return Look(Sighting.ABSENT, evidence=f"no post since then has {same}")

    def _oldest(
        self,
        job: PublishJob,
        api: PlatformClient,
        read: Callable[[datetime, str], tuple[Rows, str]],
    ) -> tuple[RemotePost | None, bool]:
        """As `_search`. read: the posts since then, page by page with a cursor."""
        since, cursor = since_of(job), ""
        found: RemotePost | None = None
        for number in range(LOOK_PAGES):
            rows, cursor = read(since, cursor)
            if number == 0 and api.clock_offset < -timedelta(seconds=LOOK_BACK_S / 2):
                # Times are Meta's; look further back, for our clock is ahead.
                since += api.clock_offset
                rows, cursor = read(since, "")
            for row in rows:
                if self._matches(job, row, since):
                    found = self._named(row)
            if not cursor:
                break
        return found, not cursor


def _sent_at(job: PublishJob) -> datetime:
    return job.first_sent_at or job.created_at


def since_of(job: PublishJob) -> datetime:
    """Since when a post of this job may stand in a list."""
    return _sent_at(job) - timedelta(seconds=LOOK_BACK_S)

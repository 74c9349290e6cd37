"""The picture on the card of a link, where whoever posts has to bring it along.

It is what the page shows of itself, and nobody's wording: it is sent where it can be, and
without it the post goes all the same. The first commit settles whether there is one, so
that each repetition of it is the same.

Witness, under CARD: {"sha256", and what the platform calls it there}; {"left_out": True}
where it would not have it. SHOWN: the post has it; forgotten where the post was refused
with it. "card_tries": how often it was tried in vain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .base import Draft, MediaFile, PlatformSpec, PublishJob, StepResult
from .errors import Cause, NotFound, Outcome, PlatformError, TransientError
from .without import CARD as PATIENCE
from .without import LINK_PICTURE, with_one_more

CARD, SHOWN = "card_picture", "card_shown"


def shows_card(draft: Draft, spec: PlatformSpec) -> bool:
    """Whether a post has a card of its link there, and its picture is ours to bring."""
    beside_poll = draft.poll is None or spec.poll is None or spec.poll.has_card
    rule, has_link = spec.card_picture, bool(draft.link_url.strip())
    return rule is not None and has_link and not draft.media and beside_poll


def left(job: PublishJob, spec: PlatformSpec) -> MediaFile | None:
    """The picture that is still to be sent; None: none is, or it is settled."""
    file, rule = job.draft.link_picture, spec.card_picture
    if file is None or rule is None or not shows_card(job.draft, spec):
        return None
    if file.mime_type not in rule.mime_types or file.size_bytes > rule.max_bytes:
        return None
    return None if CARD in job.witness or job.first_sent_at else file


def stored(job: PublishJob) -> Mapping[str, Any]:
    """What the witness holds of it; {}: nothing."""
    found: Mapping[str, Any] = job.witness.get(CARD) or {}
    return found


def shown(job: PublishJob) -> Mapping[str, Any]:
    """The same of one that the post shows; {}: it goes without."""
    return stored(job) if job.witness.get(SHOWN) else {}


def sending(
    job: PublishJob,
    file: MediaFile,
    send: Callable[[], dict[str, Any]],
    *,
    is_last: bool = True,
) -> StepResult:
    """One step of sending it. send: what it is called there, for the witness; is_last:
    with it the post can show the picture."""
    try:
        there = send()
    except PlatformError as error:
        if PATIENCE.is_of_all(error):
            raise
        tries = int(job.witness.get("card_tries", 0)) + 1
        if error.outcome is Outcome.TRANSIENT and tries < PATIENCE.tries:
            return StepResult({"card_tries": tries}, wait_s=PATIENCE.pause_s(error))
        return left_out(job, error)
    return StepResult({CARD: {"sha256": file.sha256, **there}, SHOWN: is_last})


def left_out(job: PublishJob, error: PlatformError) -> StepResult:
    told = with_one_more(job.witness, LINK_PICTURE, error)
    return StepResult({CARD: {"left_out": True}, SHOWN: False, **told})


def forgotten(job: PublishJob) -> StepResult:
    """The page has another one by now, or none: nothing of it is out."""
    return left_out(job, NotFound("it is not known any more", cause=Cause.NOT_THERE))


def once_more_without(error: PlatformError) -> TransientError:
    """A post that was refused with its picture is sent once more without."""
    return TransientError(
        error.detail,
        cause=error.cause,
        status=error.status,
        code=error.code,
        request_id=error.request_id,
        retry_after=PATIENCE.wait_s,
        extra={"forget": SHOWN},
    )


def notes(job: PublishJob) -> list[str]:
    """What people read at the delivery of all that did not go along."""
    told, found = list(job.witness.get("notes", ())), stored(job)
    if found and not found.get("left_out") and not shown(job):
        told.append(f"without {LINK_PICTURE}: the post was refused with it")
    return told

"""Posts of several parts: threads, and posts with a first comment.

Each part goes out as a post of its own would, with its own intent, witness and
idempotency key, and replies to the one before. The witness of the whole is that of the
part whose turn it is, and under OUT the parts that are out. Whatever ends a part, what
was lost is found or sent again for that part alone: those before it are never touched.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from . import mentions, polls, without
from .base import (
    UNNAMED,
    CommentRule,
    Count,
    Draft,
    Finding,
    Identity,
    Level,
    Look,
    Part,
    Platform,
    PlatformClient,
    PublishJob,
    RemotePost,
    Sighting,
    Step,
    StepKind,
    StepResult,
)
from .errors import Cause
from .quotes import QUOTE
from .text import GRAPHEME, tidy

#: [{"id", "link", "at", "extra"}], in order; its name is no platform's
OUT = "parts_out"
#: A look reads at most so many pages of comments.
LOOK_PAGES = 5
#: A platform's clock may be a little behind ours.
CLOCK_SLACK = timedelta(seconds=60)

# ---------------------------------------------------------------- what the parts are


def count(draft: Draft) -> int:
    """How many parts there are, the first comment among them."""
    return 1 + len(draft.parts) + bool(draft.first_comment)


def piece(draft: Draft, number: int) -> Draft:
    """Part `number`, from 1, as a draft of its own. Link and poll belong to the first."""
    if number == 1:
        return replace(draft, parts=(), first_comment="")
    if number <= 1 + len(draft.parts):
        part = draft.parts[number - 2]
    else:
        part = Part(draft.first_comment)
    return Draft(
        text=part.text,
        media=part.media,
        captions=part.captions,
        language=draft.language,
        # What is quoted belongs to the first.
        options={k: v for k, v in draft.options.items() if k != QUOTE},
    )


def pieces(draft: Draft) -> list[Draft]:
    return [piece(draft, number) for number in range(1, count(draft) + 1)]


def is_comment(draft: Draft, number: int) -> bool:
    return number > 1 + len(draft.parts)


def merged(sent: Draft, now: Draft, number: int) -> Draft:
    """The draft of today, of which `number` parts are out as they were sent."""
    if number == 0:
        return now
    first = replace(now, parts=(), first_comment="")
    said_first = ("text", "link_url", "link_title", "link_description")
    for name in (*said_first, "media", "captions", "poll"):
        first = replace(first, **{name: getattr(sent, name)})
    said = is_comment(sent, number)
    fixed = sent.parts[: number - 1]
    left = () if said else now.parts[len(fixed) :]
    comment = sent.first_comment if said else now.first_comment
    return replace(first, parts=(*fixed, *left), first_comment=comment)


# ---------------------------------------------------------------- cutting

_SENTENCE = re.compile(r"(?<=[.!?…。！？])(?:\s+)|\n\s*\n")
_WORD = re.compile(r"\s+")


def split(
    text: str,
    fits: Callable[[str], bool],
    first_fits: Callable[[str], bool] | None = None,
    most: int = 100,
) -> list[str]:
    """The text in as few pieces as go after one another, each of which fits: cut at the
    ends of sentences and paragraphs, else between words, else inside of one.

    first_fits: what holds for the first piece, which bears the link. most: the last of
    so many pieces has all the rest. Nothing is lost but the space at the cuts.
    """
    pieces: list[str] = []
    rest = tidy(text)
    while rest and len(pieces) < most - 1:
        at = _cut(rest, first_fits if first_fits and not pieces else fits)
        pieces.append(rest[:at].rstrip())
        rest = rest[at:].lstrip()
    return [*pieces, rest] if rest else pieces


def _cut(text: str, fits: Callable[[str], bool]) -> int:
    """Where the longest beginning ends that fits; at least one grapheme."""
    for pattern in (_SENTENCE, _WORD):
        ends = [match.start() for match in pattern.finditer(text)]
        if at := _last([*ends, len(text)], text, fits):
            return at
    ends = [match.end() for match in GRAPHEME.finditer(text)]
    return _last(ends, text, fits) or ends[0]


def _last(ends: Sequence[int], text: str, fits: Callable[[str], bool]) -> int:
    """The last of the places at which what stands before it fits, 0: none."""

    def good(number: int) -> bool:
        return fits(text[: ends[number]].rstrip())

    # In growing strides from the beginning: counting a long text takes its time.
    low, high = 0, 1
    while high <= len(ends) and good(high - 1):
        low, high = high, high * 2
    high = min(high, len(ends) + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if good(middle - 1) else (low, middle)
    return ends[low - 1] if low else 0


# ---------------------------------------------------------------- whose turn it is


def out(witness: Mapping[str, Any]) -> tuple[RemotePost, ...]:
    """The parts that are out, in order; of a post of one part there are none."""
    return tuple(
        RemotePost(
            external_id=part["id"],
            permalink=part["link"],
            published_at=datetime.fromisoformat(part["at"]) if part["at"] else None,
            extra=part["extra"],
        )
        for part in witness.get(OUT, ())
    )


def turn(job: PublishJob) -> PublishJob:
    """The job of the part whose turn it is. A post of one part is its own."""
    if count(job.draft) == 1:
        return job
    earlier = out(job.witness)
    number = len(earlier) + 1
    return replace(
        job,
        draft=piece(job.draft, number),
        marker=_marker(job.marker, number),
        witness={k: v for k, v in job.witness.items() if k != OUT},
        earlier=earlier,
        later=job.draft.parts[number - 1 :],
        is_comment=is_comment(job.draft, number),
    )


def _marker(marker: str, number: int) -> str:
    """A key of its own for each part."""
    if number == 1:
        return marker
    return hashlib.sha256(f"{marker}:{number}".encode()).hexdigest()[:32]


def arrived(
    draft: Draft, witness: Mapping[str, Any], remote: RemotePost, now: datetime
) -> dict[str, Any]:
    """The witness once this part is out: the next one begins with nothing else."""
    if count(draft) == 1:
        return dict(witness)
    at = remote.published_at or now
    extra = {k: v for k, v in remote.extra.items() if k != "notes"}
    if left := witness.get(without.WITHOUT):
        extra[without.WITHOUT] = left
    part = {
        "id": remote.external_id,
        "link": remote.permalink,
        "at": at.astimezone(UTC).isoformat(),
        "extra": extra,
    }
    return {OUT: [*witness.get(OUT, ()), part]}


def followed(
    draft: Draft, witness: Mapping[str, Any], remote: RemotePost, now: datetime
) -> dict[str, Any]:
    """The witness of a thread that goes out at once, of which the first part is seen
    there: the others are below it, and nobody tells their numbers."""
    witness = dict(witness)
    while (number := len(witness[OUT]) + 1) <= 1 + len(draft.parts):
        named = f"{UNNAMED}{remote.external_id}:{number}"
        part = RemotePost(named, "", published_at=remote.published_at)
        witness = arrived(draft, witness, part, now)
    return witness


def left_out(witness: Mapping[str, Any]) -> tuple[without.Left, ...]:
    """What did not go along with the parts that are out."""
    found = without.read(witness.get(without.WITHOUT))
    for part in witness.get(OUT, ()):
        found += without.read(part["extra"].get(without.WITHOUT))
    return found


def kept(witness: Mapping[str, Any]) -> dict[str, Any]:
    """What is left of a witness when the part whose turn it is begins anew."""
    return {OUT: witness[OUT]} if OUT in witness else {}


def all_out(draft: Draft, witness: Mapping[str, Any]) -> bool:
    """After `arrived`: whether nothing is left to be sent."""
    return count(draft) == 1 or len(witness.get(OUT, ())) >= count(draft)


# ---------------------------------------------------------------- steps and looks


def next_step(platform: Platform, job: PublishJob, client: PlatformClient) -> Step:
    """The next step of the part whose turn it is; it bears the number of the part."""
    part = turn(job)
    if part.is_comment:
        return Step(
            "comment", StepKind.COMMIT, lambda: _comment(platform, part, client)
        )
    step = platform.next_step(part, client)
    number = len(part.earlier) + 1
    return step if number == 1 else replace(step, name=f"part_{number}:{step.name}")


def _comment(platform: Platform, job: PublishJob, client: PlatformClient) -> StepResult:
    number = platform.write_comment(job, client, tidy(job.draft.text))
    return StepResult(remote=RemotePost(number, ""))


def look(platform: Platform, job: PublishJob, client: PlatformClient) -> Look:
    """Is the part there whose turn it is?"""
    part = turn(job)
    rule = platform.spec.first_comment
    if part.is_comment and rule is not None:
        return _look_below(part, client, rule)
    return platform.look(part, client)


def _look_below(job: PublishJob, client: PlatformClient, rule: CommentRule) -> Look:
    """Read what stands below the post: a comment of ours is one with the same words."""
    if not rule.look_call:
        return Look(Sighting.CANNOT_TELL, evidence="its comments cannot be read")
    since = (job.first_sent_at or job.created_at) - CLOCK_SLACK
    words, after, read = _words(job.draft.text), "", 0
    for _page in range(LOOK_PAGES):
        page = client.comments(job.replies_to, after)
        for comment in page.comments:
            read += 1
            at = comment.published_at
            is_ours = not comment.parent_id and _words(comment.text) == words
            if is_ours and (at is None or at >= since):
                remote = RemotePost(
                    comment.external_id, comment.permalink, comment.text, at
                )
                return Look(Sighting.FOUND, remote, "a comment has the same words")
        after = page.after
        if not after:
            evidence = f"none of {read} comments has these words"
            if rule.listed_within_s:
                # What it said at the first look may be what it says for as long again.
                late = timedelta(seconds=2 * rule.listed_within_s)
                sent_at = job.first_sent_at or job.created_at
                if datetime.now(UTC) < sent_at + late:
                    evidence += "; the list may be old"
                    return Look(Sighting.CANNOT_TELL, evidence=evidence)
            return Look(Sighting.ABSENT, evidence=evidence)
    return Look(Sighting.CANNOT_TELL, evidence=f"more than {read} comments")


def _words(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


# ---------------------------------------------------------------- limits


def draws(platform: Platform, job: PublishJob, *, looking: bool) -> dict[str, int]:
    """Units per bucket that the rest of all parts (or one look) takes at most."""
    part = turn(job)
    units = _draws(platform, part, looking)
    if not looking:
        for number in range(len(part.earlier) + 2, count(job.draft) + 1):
            later = _job_of(job, number)
            for bucket, price in _draws(platform, later, looking).items():
                units[bucket] = units.get(bucket, 0) + price
    return units


def _draws(platform: Platform, job: PublishJob, looking: bool) -> dict[str, int]:
    rule = platform.spec.first_comment
    if not job.is_comment or rule is None:
        return platform.draws(job, looking=looking)
    looks = [rule.look_call] * LOOK_PAGES if rule.look_call else []
    keys = looks if looking else [rule.call]
    return platform.draws_of_calls(keys, job)


def draws_of_calls(
    platform: Platform, calls: Iterable[tuple[str, int]], job: PublishJob
) -> dict[str, int]:
    """Units per bucket of calls that were made, each with the number of its part."""
    by_part: dict[int, list[str]] = {}
    for key, number in calls:
        by_part.setdefault(number, []).append(key)
    if count(job.draft) == 1:
        return platform.draws_of_calls(by_part.get(1, []), job)
    units: dict[str, int] = {}
    for number, keys in by_part.items():
        spent = platform.draws_of_calls(keys, _job_of(job, number))
        for bucket, price in spent.items():
            units[bucket] = units.get(bucket, 0) + price
    return units


def _job_of(job: PublishJob, number: int) -> PublishJob:
    """Part `number` before anything of it was done: good for counting only."""
    before = (RemotePost("", ""),) * (number - 1)
    return replace(
        job,
        draft=piece(job.draft, number),
        witness={},
        earlier=before,
        later=job.draft.parts[number - 1 :],
        is_comment=is_comment(job.draft, number),
    )


# ---------------------------------------------------------------- checks


def counts(
    platform: Platform, draft: Draft, limits: Mapping[str, Any] | None = None
) -> list[list[Count]]:
    """The counters of each part of the thread, without the first comment."""
    return [
        platform.counts(piece(draft, number), limits)
        for number in range(1, len(draft.parts) + 2)
    ]


def check(
    platform: Platform,
    draft: Draft,
    account: Identity | None = None,
    limits: Mapping[str, Any] | None = None,
) -> list[Finding]:
    """What the platform would refuse or spoil, in all parts."""
    first = piece(draft, 1)
    found = platform.check(first, account, limits)
    found += mentions.findings(platform.spec, first.text, limits)
    found += polls.findings(platform, first, limits)
    thread = platform.spec.thread
    total = len(draft.parts) + 1
    if draft.parts and (thread is None or not platform.takes_thread(draft, account)):
        found.append(Finding(Level.REFUSED, Cause.THREAD_IMPOSSIBLE, "text", part=2))
        return found
    for number in range(2, total + 1):
        assert thread is not None
        one = piece(draft, number)
        if one.media and not thread.has_media:
            wrong = Finding(Level.REFUSED, Cause.MEDIA_TYPE, "media", part=number)
            found.append(wrong)
            continue
        of_options = ("option:",)
        found += [
            replace(finding, part=number)
            for finding in (
                *platform.check(one, account, limits),
                *mentions.findings(platform.spec, one.text, limits),
            )
            # The choices are those of the whole, and were looked at with the first.
            if not finding.field.startswith(of_options)
        ]
    if thread is not None and total > thread.max_parts:
        values = {"used": total, "limit": thread.max_parts}
        found.append(
            Finding(
                Level.REFUSED, Cause.TOO_MANY_PARTS, "text", values, thread.max_parts
            )
        )
    return found + _check_comment(platform, draft, account)


def _check_comment(
    platform: Platform, draft: Draft, account: Identity | None
) -> list[Finding]:
    words, rule = tidy(draft.first_comment), platform.spec.first_comment
    if not draft.first_comment:
        return []
    if rule is None or not platform.takes_comment(draft, account):
        return [Finding(Level.REFUSED, Cause.COMMENT_IMPOSSIBLE, "comment")]
    if not words:
        return [Finding(Level.REFUSED, Cause.TEXT_EMPTY, "comment")]
    limit = platform.comment_limit(draft, account)
    if len(words) > limit:
        values = {"used": len(words), "limit": limit}
        return [Finding(Level.REFUSED, Cause.TEXT_TOO_LONG, "comment", values)]
    return []

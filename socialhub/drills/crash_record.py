"""What the practice network has, against what our rows say."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Count

from platforms import parts as parts_of
from platforms.errors import Outcome
from publishing.models import Attempt, Delivery

from .runner import say
from .world import Practice

Status = Delivery.Status
#: Rows whose whole story is told when something is wrong.
TOLD = 10


@dataclass
class Verdict:
    """Numbers of deliveries; `doubled` counts posts too many, `wrong` has the reasons."""

    published: int = 0
    held: int = 0
    #: to be tried later, as the row says: after a limit, or after refusals; or to be
    #: looked for later, because the network has refused calls of that account until then
    waiting: int = 0
    refused: int = 0
    #: nobody knows yet, although the platform can be read
    uncertain_left: int = 0
    #: waits for a person's word, because no app may read that account's posts
    person_decides: int = 0
    doubled: int = 0
    lost: int = 0
    #: live, but not where it belongs: a part that does not follow the one before it
    misplaced: int = 0
    #: what was to follow the first parts of threads and posts, and what of it is live
    parts: int = 0
    parts_live: int = 0
    wrong: dict[int, str] = field(default_factory=dict)


def judge(
    practice: Practice, platforms: list[str], unreadable: set[int], rest_at: datetime
) -> Verdict:
    """Compare every row with every post and comment that is live, part by part. Each
    text is unique.

    unreadable: accounts whose posts no app may read. rest_at: until when was waited;
    what is to go later than that has not been due.
    """
    live: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for platform in platforms:
        for post in practice.posts(platform):
            above = post.get("reply_to", "")
            live[post["text"]].append({**post, "platform": platform, "above": above})
        for comment in practice.comments(platform):
            above = comment["post"]
            found = {**comment, "platform": platform, "above": above, "media": 0}
            live[comment["text"]].append(found)
    verdict = Verdict()
    known = set()
    limited = set(
        Attempt.objects.filter(outcome=Outcome.RATE_LIMITED).values_list(
            "delivery__account", flat=True
        )
    )
    rows = (
        Delivery.objects.select_related("post", "account")
        .prefetch_related("post__variants")
        .annotate(pictures=Count("post__media"))
    )
    for row in rows.iterator(chunk_size=500):
        texts = _texts(row)
        known.update(texts)
        there = [live[text] for text in texts]
        verdict.parts += len(texts) - 1
        verdict.parts_live += sum(map(bool, there[1:]))
        if (
            row.status == Status.UNCERTAIN
            and row.account_id in limited
            and row.next_attempt_at
            and row.next_attempt_at > rest_at
        ):
            # It cannot be read before then: the look stands in the row.
            verdict.waiting += 1
            continue
        _judge_row(verdict, row, there, row.account_id in unreadable, rest_at)
        if row.status == Status.PUBLISHED:
            _judge_pictures(verdict, row, there[0], row.pictures)
    for text in set(live) - known:
        verdict.doubled += len(live[text])
        say(f"DOUBLED: a post that no delivery owns: {live[text]}")
    return verdict


def _texts(row: Delivery) -> list[str]:
    """The wording of each part, in order."""
    draft = row.post.draft_for(row.account.platform)
    return [piece.text for piece in parts_of.pieces(draft)]


def _ids(row: Delivery) -> list[str]:
    """Of the parts that are out, as our row has them."""
    if row.parts_out:
        return [remote.external_id for remote in parts_of.out(row.witness)]
    return [row.external_id] if row.external_id else []


def _judge_row(
    verdict: Verdict,
    row: Delivery,
    live: list[list[dict[str, Any]]],
    unreadable: bool,
    rest_at: datetime,
) -> None:
    """live: of each part, all that has its text."""
    home = [[post for post in there if _is_at_home(post, row)] for there in live]
    for number, (there, here) in enumerate(zip(live, home, strict=True), 1):
        strays = len(there) - len(here)
        if len(here) > 1 or strays:
            verdict.doubled += strays + max(0, len(here) - 1)
            verdict.wrong[row.pk] = (
                f"part {number} is live {len(there)} times, {strays} of them elsewhere"
            )
    ids = _ids(row)
    _judge_order(verdict, row, home, ids)
    # What is out stays so; whether what follows it is there is for the state to say.
    ahead = any(home[len(ids) :])
    match row.status:
        case Status.PUBLISHED:
            verdict.published += 1
            if len(ids) < len(home):
                _lost(verdict, row, f"published, but {len(ids)} of {len(home)} parts")
        case Status.UNCERTAIN:
            # Looks that a run out of time cut off count as left, too.
            verdict.person_decides += unreadable
            verdict.uncertain_left += not unreadable
            if not unreadable:
                times = len(home[len(ids)]) if len(ids) < len(home) else 0
                verdict.wrong[row.pk] = f"nobody knows; live {times} times"
        case Status.HELD | Status.FAILED | Status.CANCELLED:
            verdict.held += row.status == Status.HELD
            verdict.refused += row.status == Status.FAILED
            if ahead:
                _lost(verdict, row, f"live, but {row.status} ({row.hold or row.cause})")
        case Status.SCHEDULED if row.next_attempt_at and row.next_attempt_at > rest_at:
            verdict.waiting += 1
            if ahead:
                _lost(verdict, row, "live, and to be sent again")
        case _:
            _lost(verdict, row, f"came to no end: {row.status}")


def _is_at_home(post: dict[str, Any], row: Delivery) -> bool:
    account = str(post["account"])
    return (post["platform"], account) == (
        row.account.platform,
        row.account.external_id,
    )


def _judge_order(
    verdict: Verdict, row: Delivery, home: list[list[dict[str, Any]]], ids: list[str]
) -> None:
    """Each part that is out is live under its id, and follows the one before it."""
    above = ""
    for number, id in enumerate(ids, 1):
        found = [post for post in home[number - 1] if str(post["id"]) == id]
        if not found:
            _lost(verdict, row, f"part {number} is out, but the network has no {id!r}")
        elif str(found[0]["above"]) != above:
            verdict.misplaced += 1
            verdict.wrong[row.pk] = (
                f"part {number} follows {found[0]['above']!r} in place of {above!r}"
            )
        above = id


def _judge_pictures(
    verdict: Verdict, row: Delivery, live: list[dict[str, Any]], wanted: int
) -> None:
    for post in live:
        if str(post["id"]) == row.external_id and post["media"] != wanted:
            _lost(verdict, row, f"live with {post['media']} of {wanted} pictures")


def _lost(verdict: Verdict, row: Delivery, why: str) -> None:
    verdict.lost += 1
    verdict.wrong[row.pk] = why


def tell(verdict: Verdict, practice: Practice) -> None:
    """The story of what is wrong, and of one of each kind of hold."""
    for pk, why in list(verdict.wrong.items())[:TOLD]:
        row = Delivery.objects.select_related("account", "post").get(pk=pk)
        tell_row(row, f"WRONG: {why}", practice)
    if len(verdict.wrong) > TOLD:
        say(f"... and {len(verdict.wrong) - TOLD} more")
    held = Delivery.objects.filter(status=Status.HELD).select_related("account", "post")
    kinds: dict[tuple[str, str], list[Delivery]] = defaultdict(list)
    for row in held:
        kinds[row.hold, row.cause].append(row)
    for (hold, cause), rows in kinds.items():
        tell_row(rows[0], f"{len(rows)} held for {hold}, {cause}, such as", practice)


def tell_row(row: Delivery, why: str, practice: Practice) -> None:
    say(f"{why}: delivery {row.pk} on {row.account.platform}, {row.post.text!r}")
    say(
        f"  {row.status} hold={row.hold!r} until {_clock(row.release_at)}"
        f" cause={row.cause!r} fence={row.fence} commits={row.commit_count}"
        f" looks={row.look_count} absent={row.absent_count} id={row.external_id!r}"
        f" due={_clock(row.due_at)} next={_clock(row.next_attempt_at)}"
        f" detail={row.detail[:200]!r}"
    )
    for a in row.attempts.all():
        say(
            f"  attempt {a.number} {a.kind} by {a.worker} {_clock(a.opened_at)} to"
            f" {_clock(a.closed_at)}: {a.outcome} {a.cause} {a.step}"
            f" {a.detail[:120]!r}"
        )
        for call in a.calls:
            say(f"    {call['at']} {call['call']} {call['status']} {call['ms']} ms")
    for line in practice.record(row.account.platform, row.account.external_id):
        if line["commit"]:
            say(
                f"  network: {line['arrived_at']} {line['call']} {line['status']}"
                f" {'applied' if line['applied'] else 'not applied'} {line['fault']}"
            )


def faults_met(practice: Practice) -> Counter[str]:
    """How many requests each kind of fault really spoiled."""
    return Counter(line["fault"] for line in practice.record() if line["fault"])


def _clock(at: datetime | None) -> str:
    return f"{at:%d %H:%M:%S.%f}"[:-3] if at else "-"

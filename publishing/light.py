"""What cards show of deliveries, read with as little as that takes.

A week of the calendar shows some hundred posts. To make whole objects of their rows,
and to put the query together anew each time, is most of what that would cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from django.db.models.fields.json import KT

from accounts.fixed_query import FixedQuery, as_time, instance
from accounts.models import Brand, ConnectedAccount
from platforms.parts import OUT

from . import stops
from .composing import LEFT
from .models import Delivery, Post, PostMedia, Variant
from .risk import Risk, Sky
from .threatened import reasons_among

#: Of a thread in these states is said how much of it is out.
ENDED = (Delivery.Status.FAILED, Delivery.Status.PUBLISHED)

_OF_ACCOUNT = ("brand_id", "platform", "name")
_OF_POST = ("text", "link_url", "series_id", "due_at", "state", "brand_id")
_shown = FixedQuery(
    lambda keys: (
        Delivery.objects.filter(pk__in=keys)
        .order_by()
        .values_list(
            "pk",
            "status",
            "due_at",
            "hold",
            "cause",
            "permalink",
            "approvals_missing",
            "taken_down_at",
            "held_at",
            "next_attempt_at",
            "post_id",
            "account_id",
            KT("draft__text"),
            KT(f"witness__{OUT}"),
            "post__brand__approval_steps",
            *(f"account__{name}" for name in _OF_ACCOUNT),
            *(f"post__{name}" for name in _OF_POST),
        )
    ),
    [-7],
    keeps_plan=True,
)
_drafts = FixedQuery(
    lambda keys: Post.objects.filter(pk__in=keys).select_related("brand"),
    [-7],
    keeps_plan=True,
)
_wordings = FixedQuery(
    lambda posts: (
        Variant.objects.filter(post__in=posts, has_text=True)
        .order_by()
        .values_list("post", "platform", "text")
    ),
    [-7],
    keeps_plan=True,
)
_pictures = FixedQuery(
    lambda posts: (
        PostMedia.objects.filter(post__in=posts)
        .exclude(asset__preview="")
        .order_by("position", "pk")
        .values_list("post", "asset")
    ),
    [-7],
    keeps_plan=True,
)


class Shown(NamedTuple):
    """A delivery with what a card shows beside it. delivery: no more of it than cards
    ask for; text: as it left, else ""."""

    delivery: Delivery
    text: str
    risk: Risk | None


def deliveries(
    keys: Sequence[int], sky: Sky | None = None
) -> tuple[list[Shown], list[int]]:
    """These, but for those that ended when some of their parts were out: their keys."""
    posts: dict[int, Post] = {}
    accounts: dict[int, ConnectedAccount] = {}
    found: list[tuple[Delivery, str]] = []
    partly: list[int] = []
    for row in _shown.rows(list(keys)):
        pk, status, due_at, hold, cause, permalink, missing = row[:7]
        down_at, held_at, next_at, post_id, account_id, text, out, steps = row[7:15]
        if out is not None and status in ENDED:
            partly.append(pk)
            continue
        if account_id not in accounts:
            of_account = dict(zip(_OF_ACCOUNT, row[15:18], strict=True))
            accounts[account_id] = instance(
                ConnectedAccount, {"id": account_id, **of_account}
            )
        if post_id not in posts:
            of_post: dict[str, Any] = dict(zip(_OF_POST, row[18:], strict=True))
            of_post["due_at"] = as_time(of_post["due_at"])
            # The number of steps is all that is shown of it.
            brand = instance(
                Brand, {"id": of_post["brand_id"], "approval_steps": steps}
            )
            posts[post_id] = instance(
                Post, {"id": post_id, **of_post}, {"brand": brand}
            )
        made = instance(
            Delivery,
            {
                "id": pk,
                "status": status,
                "due_at": as_time(due_at),
                "hold": hold,
                "cause": cause,
                "permalink": permalink,
                "approvals_missing": missing,
                "taken_down_at": as_time(down_at),
                "held_at": as_time(held_at),
                "next_attempt_at": as_time(next_at),
                "post_id": post_id,
                "account_id": account_id,
                # Of what came back from the network cards ask only how much of an ended
                # thread is out, and these are none.
                "witness": {},
            },
            {"post": posts[post_id], "account": accounts[account_id]},
        )
        found.append((made, str(text) if text and status in LEFT else ""))
    stops.name_holds([row for row, _text in found])
    scheduled = [
        row.pk for row, _text in found if row.status == Delivery.Status.SCHEDULED
    ]
    why = reasons_among(scheduled, sky) if scheduled else {}
    return [Shown(row, text, why.get(row.pk)) for row, text in found], partly


def drafts(keys: Sequence[int]) -> list[Post]:
    """These posts with their brands; no query without any."""
    return _drafts.objects(list(keys)) if keys else []


def wordings(posts: Sequence[int]) -> dict[tuple[int, str], str]:
    """By post and network the texts that are not the post's own."""
    return {(post, slug): text for post, slug, text in _wordings.rows(list(posts))}


def pictures(posts: Sequence[int]) -> dict[int, int]:
    """By post the key of its first file that has a small picture."""
    found: dict[int, int] = {}
    for post, asset in _pictures.rows(list(posts)):
        found.setdefault(post, asset)
    return found

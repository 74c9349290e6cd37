"""What scheduled posts will need of the platforms' windows, told to `accounts.limits`."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from django.db.models import Q

from accounts.limits import BucketId, Need, Planned, rules, subject_of
from accounts.models import ConnectedAccount
from platforms import parts, registry
from platforms.base import MediaFile, PublishJob

from . import link_facts
from .models import Delivery, DeliveryQuerySet, prefetch_parts

Status = Delivery.Status

#: a hold that ends by itself, at `release_at`
BY_ITSELF = (Delivery.Hold.LIMIT, Delivery.Hold.PLATFORM)


def waiting(until: datetime) -> DeliveryQuerySet:
    """What will go out by itself before then."""
    return Delivery.objects.filter(
        Q(status=Status.SCHEDULED, next_attempt_at__lt=until)
        | Q(status=Status.HELD, hold__in=BY_ITSELF, release_at__lt=until)
    )


def planned(deliveries: DeliveryQuerySet) -> list[Planned]:
    """Each with what it will draw and when, by time; ref is the delivery's key.

    Without those whose account is disconnected. Nine queries at most, however many.
    """
    rows = deliveries.select_related("account__credential__app").prefetch_related(
        "post__variants", "post__media__asset"
    )
    prefetch_parts(row.post for row in rows)
    pictures = link_facts.expected(
        row.post.link_url for row in rows if row.account.spec.card_picture
    )
    found = []
    for row in rows:
        if row.account.disconnected_at is None and row.account.credential is not None:
            at = row.next_attempt_at or row.release_at or row.due_at
            need = need_of(row, pictures.get(row.post.link_url))
            found.append(Planned(at, need, row.useful_until))
    return sorted(found, key=lambda plan: plan.at)


def need_of(row: Delivery, picture: MediaFile | None = None) -> Need:
    """What the rest of this delivery takes. Needs its account's credential and app.

    picture: of its link's card, where there is or will be one.
    """
    draft = row.post.draft_for(row.account.platform, row.account)
    job = PublishJob(
        marker=row.marker,
        created_at=row.created_at,
        draft=replace(draft, link_picture=picture),
        account=row.account.identity(),
        witness=row.witness,
        first_sent_at=row.first_sent_at,
    )
    return need_for(row.account, job, row.pk)


def need_for(account: ConnectedAccount, job: PublishJob, ref: Hashable) -> Need:
    """What a job takes that goes to this account. Needs its credential and app."""
    credential = account.credential
    assert credential is not None
    return Need(
        ref=ref,
        platform=account.platform,
        network=credential.app.network,
        app_id=credential.app_id,
        credential_id=credential.pk,
        account_id=account.pk,
        draws=parts.draws(registry.platform(account.platform), job, looking=False),
    )


def kept_for_posts(
    ends: Mapping[BucketId, datetime], now: datetime
) -> Mapping[BucketId, int]:
    """Units of each window that posts will need before it ends (`register_kept`)."""
    rows = waiting(max(ends.values())).filter(_concerned(ends))
    kept: dict[BucketId, int] = {}
    for plan in planned(rows):
        for key, units in plan.need.draws.items():
            rule = rules(plan.need.platform)[key]
            bucket = BucketId(plan.need.platform, key, subject_of(rule, plan.need))
            if bucket in ends and plan.at < ends[bucket]:
                kept[bucket] = kept.get(bucket, 0) + units
    return kept


def _concerned(buckets: Iterable[BucketId]) -> Q:
    """Deliveries that can draw on one of these buckets."""
    pks: dict[str, set[str]] = {}
    for bucket in buckets:
        kind, _, pk = bucket.subject.partition(":")
        pks.setdefault(kind, set()).add(pk)
    where = Q(account__in=pks.get("account", ()))
    where |= Q(account__credential__in=pks.get("token", ()))
    where |= Q(account__credential__app__in=pks.get("app", ()))
    where |= Q(account__credential__app__network__in=pks.get("ip", ()))
    return where & Q(account__platform__in={bucket.platform for bucket in buckets})

"""What was sent to a network for a post that does not need it any more.

A delivery that ended without a post, or whose wording was changed after its files had
left, has uploads there that nobody will see. Where the network lets us delete them they
are noted here, and leave the delivery's witness in the same transaction: whoever sends it
again uploads anew, so that nothing that is noted can become part of a post. What a commit
may have used, in whatever way that ended, is never noted. `monitoring.discarding` deletes.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.causes import explain
from platforms import parts, registry
from platforms.base import PlatformSpec
from platforms.errors import Outcome

from .models import Delivery, DeliveryQuerySet, LeftUpload

Status = Delivery.Status
State = LeftUpload.State

#: Who sends a failed post again within this time finds its files there.
KEPT_AFTER_FAILURE = timedelta(days=1)
#: What was due before then is not looked through again and again.
LOOKED_BACK = timedelta(days=60)


def uploads_of(row: Delivery) -> tuple[str, ...]:
    """What can be deleted of its witness; (): nothing, or a post may show it."""
    in_doubt = (
        row.first_sent_at is not None
        or row.intent_at is not None
        or row.commit_count
        or row.repeat_is_safe
        # The network says that it has these already: only it knows where.
        or row.outcome == Outcome.DUPLICATE
    )
    if in_doubt or not row.witness:
        return ()
    platform = registry.platform(row.account.platform)
    return platform.unused_uploads(row.witness, row.account.server_limits)


def noted(row: Delivery, now: datetime) -> list[LeftUpload]:
    """Rows, not saved yet, of all that `uploads_of` tells."""
    return [
        LeftUpload(delivery_id=row.pk, external_id=number, noted_at=now, next_at=now)
        for number in uploads_of(row)
    ]


def over(now: datetime) -> DeliveryQuerySet:
    """Deliveries that ended without a post for good, with a witness."""
    slugs = [spec.slug for spec in registry.all_specs() if spec.discard_call]
    failed = Q(status=Status.FAILED) & (
        Q(failed_at__lt=now - KEPT_AFTER_FAILURE) | Q(dismissed_at__isnull=False)
    )
    rows = Delivery.objects.filter(
        Q(status=Status.CANCELLED) | failed,
        account__platform__in=slugs,
        due_at__gt=now - LOOKED_BACK,
        attempt_count__gt=0,
        lease_expires_at=None,
    )
    return rows.exclude(witness={})


def note_all(now: datetime) -> int:
    """Note what is left of deliveries that are over. Safe to run twice; how many."""
    rows = over(now).select_related("account")
    # Row by row, and no cursor that stays open while they are written (SQLite).
    keys = list(rows.order_by("pk").values_list("pk", flat=True))
    found = (rows.filter(pk=key).first() for key in keys)
    return sum(_note(row, now) for row in found if row is not None)


def _note(row: Delivery, now: datetime) -> int:
    """Of one delivery; 0 where it has changed since it was read."""
    found = noted(row, now)
    if not found:
        return 0
    with transaction.atomic():
        same = Delivery.objects.filter(
            pk=row.pk,
            status=row.status,
            fence=row.fence,
            failed_at=row.failed_at,
            lease_expires_at=None,
        )
        if not same.update(
            witness=parts.kept(row.witness), prepared_at=None, sent_bytes=0
        ):
            return 0
        LeftUpload.objects.bulk_create(found, ignore_conflicts=True)
    return len(found)


# ---------------------------------------------------------------- for the page


def sentences(delivery: Delivery) -> list[str]:
    """What became of files without a post, for the delivery's page."""
    spec = delivery.account.spec
    rows = list(delivery.left_uploads.all())
    told = [
        words % {"n": len(some), "platform": spec.name, **_why(some)}
        for state in State.values
        if (some := [row for row in rows if row.state == state])
        and (words := _words(state, len(some)))
    ]
    if _leaves_files(delivery):
        told.append(_what_comes(delivery, spec))
    return told


def _leaves_files(delivery: Delivery) -> bool:
    """It ended, and something of its files is at the network without a post."""
    is_over = delivery.status in (Status.CANCELLED, Status.FAILED)
    return is_over and bool(delivery.witness and delivery.draft.get("media"))


def _what_comes(delivery: Delivery, spec: PlatformSpec) -> str:
    if uploads_of(delivery):
        if delivery.status == Status.FAILED and not delivery.dismissed_at:
            return _(
                "Its files are at %(platform)s still, for who sends it again. A day after "
                "the failure they are deleted there."
            ) % {"platform": spec.name}
        return _("Its files at %(platform)s are deleted there in a few minutes.") % {
            "platform": spec.name
        }
    if not spec.clears_uploads:
        return _(
            "What was sent to %(platform)s for it stays there, where nobody sees it. "
            "SocialHub does not delete what a post may show."
        ) % {"platform": spec.name}
    hours = (spec.keeps_uploads_s or 0) // 3600
    if not hours:
        return _(
            "What was sent to %(platform)s for it is seen by nobody and cleared away "
            "there; it does not say when."
        ) % {"platform": spec.name}
    return ngettext(
        "What was sent to %(platform)s for it is seen by nobody and cleared away there "
        "by itself, as far as is known after about %(n)d hour.",
        "What was sent to %(platform)s for it is seen by nobody and cleared away there "
        "by itself, as far as is known after about %(n)d hours.",
        hours,
    ) % {"platform": spec.name, "n": hours}


def _words(state: str, n: int) -> str:
    if state == State.WAITING:
        return ngettext(
            "%(n)d file that no post shows will be deleted at %(platform)s.",
            "%(n)d files that no post shows will be deleted at %(platform)s.",
            n,
        )
    if state == State.GONE:
        return ngettext(
            "%(n)d file that no post shows is deleted at %(platform)s.",
            "%(n)d files that no post shows are deleted at %(platform)s.",
            n,
        )
    return ngettext(
        "%(n)d file that no post shows could not be deleted at %(platform)s: %(why)s. "
        "Nobody sees it; it can be deleted there by hand.",
        "%(n)d files that no post shows could not be deleted at %(platform)s: %(why)s. "
        "Nobody sees them; they can be deleted there by hand.",
        n,
    )


def _why(rows: list[LeftUpload]) -> dict[str, str]:
    return {"why": explain(rows[-1].cause).head} if rows[-1].cause else {"why": "–"}

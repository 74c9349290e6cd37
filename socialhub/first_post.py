"""The first post: a guided round on the practice network, with one failure to repair.

It knows its rows from the trail: who began when, with which account, and which failure
was staged. Only accounts of the practice network take part; every verb checks it.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts import practice
from accounts.models import AuditEvent, ConnectedAccount, Network
from publishing import composing
from publishing.models import Delivery, InvalidTransition, Post, StaleState

from .steps import Step, newest_of, own_events

BEGAN, STAGED, ENDED = (
    "first post begun",
    "first post failure staged",
    "first post ended",
)

Status = Delivery.Status


class NotNow(Exception):
    """It cannot be done now; the text says why, in words for people."""


def accounts_of(user: Any) -> Any:
    """The practice accounts that this person may post with."""
    return (
        ConnectedAccount.objects.visible_to(user)
        .filter(network=Network.PRACTICE)
        .connected()
        .distinct()
        .order_by("pk")
    )


@dataclass
class Round:
    """One person's round that is going on, as its rows tell."""

    user: Any
    began: AuditEvent
    account: ConnectedAccount
    post: Post | None = None
    staged: Post | None = None
    fault: str = ""

    @property
    def first(self) -> Delivery | None:
        return self.post.deliveries.first() if self.post else None

    @property
    def second(self) -> Delivery | None:
        return self.staged.deliveries.first() if self.staged else None


def current(user: Any) -> Round | None:
    """The round that was begun and not ended."""
    began = next(iter(own_events(user, BEGAN, ENDED)), None)
    if began is None or began.verb == ENDED:
        return None
    account = accounts_of(user).filter(pk=began.detail["account"]).first()
    if account is None:
        return None
    found = Round(user, began, account)
    event = next(iter(own_events(user, STAGED)), None)
    if event is not None and event.at >= began.at:
        posts = Post.objects.filter(pk=event.detail["post"], author=user)
        found.staged = posts.first()
        found.fault = str(event.detail["fault"])
    posts = _own_posts(user, began, account)
    if found.staged is not None:
        posts = posts.exclude(pk=found.staged.pk)
    found.post = posts.first()
    return found


def _own_posts(user: Any, began: AuditEvent, account: ConnectedAccount) -> Any:
    """What the person wrote since, for this practice account and no other."""
    posts = Post.objects.filter(
        author=user, created_at__gte=began.at, deliveries__account=account
    )
    others = Delivery.objects.exclude(account=account).values("post")
    return posts.exclude(pk__in=others).distinct().order_by("pk")


# ---------------------------------------------------------------- the verbs


def is_new(user: Any) -> bool:
    """Whether home offers a round: it goes on, or the person has written nothing yet."""
    if not settings.PRACTICE_NETWORK_URL:
        return False
    if last := newest_of(user, BEGAN, ENDED):
        return last == BEGAN  # going on, or over
    return not Post.objects.filter(author=user).exists()


def begin(user: Any) -> Round:
    if not settings.PRACTICE_NETWORK_URL:
        raise NotNow(_("There is no practice network here."))
    going_on = current(user)
    if going_on is not None:
        return going_on
    # Without a second person's access in the way: one that may act.
    account = next((one for one in accounts_of(user) if one.health != "broken"), None)
    if account is None:
        raise NotNow(_("There is no practice account that may act. Connect one first."))
    return Round(user, AuditEvent.write(user, BEGAN, user, account=account.pk), account)


def stage_failure(user: Any) -> None:
    """A second post, due now, that the practice network will refuse once."""
    going_on = current(user)
    if going_on is None or going_on.first is None:
        raise NotNow(_("Write the first post before."))
    if going_on.first.status != Status.PUBLISHED:
        raise NotNow(_("Wait until the first post is out."))
    if going_on.staged is not None:
        raise NotNow(_("The failure is staged already."))
    account = going_on.account
    assert account.is_practice, "a real account in a practice round"
    fault = practice.refuse_once(account.platform, account.external_id)
    if not fault:
        raise NotNow(_("The practice network does not answer. Try again in a moment."))
    saved = composing.saved_composition(going_on.first.post)
    saved.accounts = [account]
    saved.own, saved.parts, saved.comments = {}, {}, {}
    moment = timezone.now()
    saved.text = _("A practice post of %(when)s that is refused once.") % {
        "when": f"{timezone.localtime(moment):%H:%M:%S}"
    }
    when = composing.timing(
        moment.date(), moment.time(), account.brand.time_zone, now=moment
    )
    try:
        with transaction.atomic():
            result = composing.save(
                saved,
                user,
                post=None,
                token=f"first-post-{going_on.began.pk}",
                when=when,
                wall=(when.day, when.wall, when.zone),
                go=True,
            )
            AuditEvent.write(user, STAGED, user, post=result.post.pk, fault=fault)
    except IntegrityError:
        # Pressed twice at once: the other one has made the post.
        practice.forget_fault(fault)
        raise NotNow(_("The failure is staged already.")) from None


def end(user: Any) -> int:
    """Clean up: the staged fault goes, and the posts of the round that are nowhere; how
    many posts.

    What went out stays, as it does at the practice network: without its row it would be
    read there as made by somebody else. So does what is being sent.
    """
    going_on = current(user)
    if going_on is None:
        return 0
    if going_on.fault:
        practice.forget_fault(going_on.fault)
    wanted = [going_on.staged] if going_on.staged else []
    wanted += list(_own_posts(user, going_on.began, going_on.account))
    over = {Status.FAILED, Status.CANCELLED}
    gone = 0
    with transaction.atomic():
        for post in {post.pk: post for post in wanted}.values():
            rows = list(post.deliveries.select_related("account"))
            for row in rows:
                if row.status in (Status.SCHEDULED, Status.HELD):
                    with suppress(InvalidTransition, StaleState):
                        row.cancel()
            if all(row.account.is_practice and row.status in over for row in rows):
                post.deliveries.all().delete()
                post.delete()
                gone += 1
        AuditEvent.write(user, ENDED, user, posts=gone)
    return gone


# ---------------------------------------------------------------- the steps


def steps(user: Any, going_on: Round) -> list[Step]:
    """What to do next, each with its mark from the rows."""
    first, second = going_on.first, going_on.second
    compose = (
        f"{reverse('compose')}?brand={going_on.account.brand_id}"
        f"&account={going_on.account.pk}"
    )
    page = reverse("post_detail", args=[going_on.post.pk]) if going_on.post else compose
    out = first is not None and first.status == Status.PUBLISHED
    looked_for = second is not None and second.status == Status.UNCERTAIN
    failed = second is not None and (
        second.status == Status.FAILED or (second.attempt_count > 0 and not looked_for)
    )
    found = [
        Step(
            _("Write a post and look at its preview"),
            _(
                "The composer opens with %(account)s chosen. The preview beside the text "
                "shows how it will look; press “Now”, then the main button."
            )
            % {"account": going_on.account.name},
            first is not None,
            _("Write the post"),
            compose,
        )
    ]
    if going_on.account.brand.approval_steps:
        approved = first is not None and not first.approvals_missing
        found.append(
            Step(
                _("Get it approved"),
                _(
                    "%(brand)s wants a yes before a post goes out. Ask a reviewer; they "
                    "find it under “Waiting for me”."
                )
                % {"brand": going_on.account.brand.name},
                approved,
                _("See the post"),
                page,
            )
        )
    found += [
        Step(
            _("See it go out"),
            _("The post’s page says “Published” and links to it, within seconds."),
            out,
            _("See the post"),
            page,
        ),
        Step(
            _("Let one fail"),
            _(
                "The practice network will refuse the next post once. SocialHub writes "
                "that post for you."
            ),
            going_on.staged is not None,
            _("Stage the failure"),
            post=reverse("first_post_stage") if out and not going_on.staged else "",
        ),
        Step(
            _("Find it on the failure desk"),
            _(
                "This network’s refusal leaves open whether the post went out. SocialHub "
                "looks first, which takes some minutes; then it stands there."
            )
            if looked_for
            else _(
                "It says what was refused, and why. Nothing is sent again by itself."
            ),
            failed,
            _("Open the failure desk"),
            reverse("failure_desk"),
        ),
        Step(
            _("Repair it"),
            _(
                "Open its details there and press “Send again”: this time the practice "
                "network takes it."
            ),
            second is not None and second.status == Status.PUBLISHED,
            _("Open the failure desk"),
            reverse("failure_desk"),
        ),
    ]
    return found

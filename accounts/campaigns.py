"""Asking for many reconnects at once: "52 accounts end in 21 days, 9 owners, 37 done".

Each person gets one mail with all that is theirs, and one link per consent: a sign-in
that renews forty pages is asked for once. Items are done by themselves, whoever
reconnects, and reminders stop with them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Count, Exists, F, OuterRef, Q
from django.utils import timezone

from . import links
from .insiders import Insiders
from .models import (
    Brand,
    CampaignItem,
    ConnectedAccount,
    Credential,
    ReconnectCampaign,
    ReconnectLink,
)

logger = logging.getLogger(__name__)

State = CampaignItem.State
OPEN = (State.WAITING, State.ASKED)
#: A mail is in one worker's hands for so long: longer than its task may take.
LEASE = timedelta(minutes=5)

# ---------------------------------------------------------------- what to ask for


@dataclass(frozen=True)
class Ending:
    """An account whose access ends, and who is to be asked for it."""

    account: ConnectedAccount
    ends_at: datetime
    person: Any

    def days_left(self, now: datetime) -> int:
        return max(0, (self.ends_at - now).days)


def ending(user: Any, days: int, brand: Brand | None, now: datetime) -> list[Ending]:
    """Accounts that this person sees and that end within so many days, first first.

    Left out are those that an open campaign asks for already. Three queries.
    """
    rows = ConnectedAccount.objects.connected().visible_to(user).with_health()
    if brand is not None:
        rows = rows.filter(brand=brand)
    asked = CampaignItem.objects.filter(campaign__closed_at=None, state__in=OPEN)
    rows = rows.exclude(pk__in=asked.values("account")).select_related(
        "deputy", "credential__parent"
    )
    found: list[tuple[ConnectedAccount, datetime]] = []
    for account in rows.distinct():
        credential = account.credential
        if credential is None or not credential.is_active:
            continue
        at = credential.ends_at(account.platform, now)
        if at is not None and at <= now + timedelta(days=days):
            found.append((account, at))
    accounts = [account for account, _at in found]
    lookers = [p for account in accounts for p in (account.owner, account.deputy)]
    inside = Insiders(lookers, accounts)
    endings = [
        Ending(account, at, person_for(account, inside) or user)
        for account, at in found
    ]
    return sorted(endings, key=lambda e: (e.ends_at, e.account.name))


def person_for(account: ConnectedAccount, inside: Insiders) -> Any:
    """Whoever looks after it and can be reached by mail; None: nobody."""
    for person in (account.owner, account.deputy):
        if person and person.email and inside.has(person, account):
            return person
    return None


def by_person(endings: Iterable[Ending]) -> list[tuple[Any, list[Ending]]]:
    groups: dict[int, tuple[Any, list[Ending]]] = {}
    for one in endings:
        groups.setdefault(one.person.pk, (one.person, []))[1].append(one)
    return list(groups.values())


def start(
    user: Any,
    name: str,
    brand: Brand | None,
    endings: Sequence[Ending],
    remind_every_days: int,
) -> ReconnectCampaign:
    """Write it down; the mails are sent by `run`."""
    with transaction.atomic():
        campaign = ReconnectCampaign.objects.create(
            name=name,
            brand=brand,
            created_by=user,
            remind_every_days=remind_every_days,
        )
        CampaignItem.objects.bulk_create(
            CampaignItem(campaign=campaign, account=one.account, person=one.person)
            for one in endings
        )
    return campaign


def visible_to(user: Any) -> Any:
    """Of the reader's brands; those over all brands to whoever began them."""
    rows = ReconnectCampaign.objects.all()
    if not user.is_superuser:
        own = Q(brand__in=Brand.objects.visible_to(user))
        rows = rows.filter(own | Q(brand=None, created_by=user))
    return rows


class Line(NamedTuple):
    """All that a campaign's page says of one account, so that the same is drawn once."""

    pk: int
    url: str
    name: str
    platform: str
    brand: str
    state: str
    words: str
    ends_at: datetime | None
    done_at: datetime | None
    asked_at: datetime | None
    reminders: int


def line_of(item: CampaignItem, now: datetime) -> Line:
    """Needs the item with its account, and that with its brand and credential."""
    account = item.account
    credential = account.credential
    return Line(
        item.pk,
        account.get_absolute_url(),
        account.name,
        account.platform,
        account.brand.name,
        item.state,
        item.get_state_display(),
        credential.ends_at(account.platform, now) if credential else None,
        item.done_at,
        item.asked_at,
        item.reminders,
    )


def with_progress(rows: Any) -> Any:
    """total without what was left out, done, and people who are asked."""
    left_out = ~Q(items__state=State.SKIPPED)
    return rows.annotate(
        total=Count("items", filter=left_out),
        done=Count("items", filter=Q(items__state=State.DONE)),
        people=Count("items__person", filter=left_out, distinct=True),
    )


# ---------------------------------------------------------------- asking


def run(now: datetime) -> int:
    """Settle, ask whoever was not asked yet, remind the others; how many mails left.

    Safe to run twice and side by side: items are taken for a while, and marked when
    their mail has left. What a dead worker took is asked for again, with new links.
    """
    settle(now)
    sent = 0
    for campaign in ReconnectCampaign.objects.filter(closed_at=None):
        fresh = campaign.items.filter(state=State.WAITING)
        sent += _mail_each(campaign, fresh, now, is_reminder=False)
        if campaign.remind_every_days:
            since = now - timedelta(days=campaign.remind_every_days)
            due = campaign.items.filter(state=State.ASKED, asked_at__lte=since)
            due = due.filter(Q(reminded_at=None) | Q(reminded_at__lte=since))
            sent += _mail_each(campaign, due, now, is_reminder=True)
    return sent


def settle(now: datetime) -> int:
    """What was reconnected since the campaign began is done, by whomever and however."""
    rows = CampaignItem.objects.filter(campaign__closed_at=None, state__in=OPEN)
    renewed = rows.filter(
        account__disconnected_at=None,
        account__trouble="",
        account__credential__state=Credential.State.ACTIVE,
        account__credential__connected_at__gt=F("campaign__created_at"),
    )
    done = renewed.update(state=State.DONE, done_at=now)
    rows.exclude(account__disconnected_at=None).update(state=State.SKIPPED)
    goes_on = CampaignItem.objects.filter(campaign=OuterRef("pk"), state__in=OPEN)
    for campaign in ReconnectCampaign.objects.filter(~Exists(goes_on), closed_at=None):
        close(campaign, now)
    return done


def _mail_each(
    campaign: ReconnectCampaign, rows: Any, now: datetime, *, is_reminder: bool
) -> int:
    # Who was taken out of the brand meanwhile is asked no more.
    # Asked of each row: joined, a superuser's accounts would come once for each member.
    member = Brand.members.through.objects.filter(
        brand=OuterRef("account__brand"), user=OuterRef("person")
    )
    rows = rows.filter(Q(person__is_superuser=True) | Exists(member))
    rows = rows.filter(Q(sending_until=None) | Q(sending_until__lte=now))
    people = rows.exclude(person=None).values_list("person", flat=True)
    sent = 0
    for pk in sorted(set(people)):
        items = _take(rows.filter(person=pk), now)
        if not items:
            continue
        try:
            went = _mail(campaign, items, is_reminder)
        except Exception:
            # One odd mail must not hold up the others.
            logger.exception("campaign %s: mail to person %s", campaign.pk, pk)
            went = False
        # Who was handed over meanwhile is nobody's of these any more.
        still = CampaignItem.objects.filter(
            pk__in=[item.pk for item in items],
            person=pk,
            state__in=OPEN,
            sending_until=now + LEASE,
        )
        if not went:
            still.update(sending_until=None)
        elif is_reminder:
            still.update(
                sending_until=None, reminded_at=now, reminders=F("reminders") + 1
            )
        else:
            still.update(sending_until=None, state=State.ASKED, asked_at=now)
        sent += went
    return sent


def _take(rows: Any, now: datetime) -> list[CampaignItem]:
    """Take the items for one mail; none where another worker has them."""
    with transaction.atomic():
        items = list(
            rows.select_for_update(of=("self",))
            .select_related("account__credential__parent", "account__brand", "person")
            .order_by("account__platform", "account__name")
        )
        keys = [item.pk for item in items]
        CampaignItem.objects.filter(pk__in=keys).update(sending_until=now + LEASE)
    return items


def _mail(
    campaign: ReconnectCampaign, items: Sequence[CampaignItem], is_reminder: bool
) -> bool:
    """One mail to one person; the links of the mail before are over with it."""
    person = items[0].person
    if person is None or not person.is_active or not person.email:
        return False
    groups: dict[int, list[CampaignItem]] = {}
    for item in items:
        credential = item.account.credential
        root = credential.root.pk if credential else -item.account_id
        groups.setdefault(root, []).append(item)
    before = list(
        ReconnectLink.objects.open(timezone.now())
        .filter(item__in=[item.pk for item in items])
        .values_list("pk", flat=True)
    )
    made = [
        links.make(group[0].account, campaign.created_by, person=person, item=group[0])
        for group in groups.values()
    ]
    error = links.send(
        made,
        "campaign",
        groups=[
            {"url": url, "accounts": [item.account for item in group]}
            for (_link, url), group in zip(made, groups.values(), strict=True)
        ],
        count=len(items),
        is_reminder=is_reminder,
        campaign=campaign,
    )
    over = [link.pk for link, _url in made] if error else before
    for link in ReconnectLink.objects.filter(pk__in=over):
        link.withdraw()
    return not error


# ---------------------------------------------------------------- by a person's hand


def hand_over(items: Iterable[CampaignItem], person: Any, now: datetime) -> int:
    """Ask somebody else for these from now on; how many they may be asked for.

    Only people of an account's brand, and only for what is not done yet.
    """
    moved = 0
    for item in items:
        if not item.account.brand.members.filter(pk=person.pk).exists():
            continue
        changed = CampaignItem.objects.filter(pk=item.pk, state__in=OPEN).update(
            person=person,
            state=State.WAITING,
            sending_until=None,
            asked_at=None,
            reminded_at=None,
            reminders=0,
            handed_over_at=now,
        )
        moved += changed
        if changed:
            _withdraw_links([item.pk])
    return moved


def leave_out(item: CampaignItem) -> bool:
    rows = CampaignItem.objects.filter(pk=item.pk, state__in=OPEN)
    changed = rows.update(state=State.SKIPPED)
    if changed:
        _withdraw_links([item.pk])
    return bool(changed)


def take_in_again(item: CampaignItem) -> bool:
    rows = CampaignItem.objects.filter(pk=item.pk, state=State.SKIPPED)
    return bool(rows.update(state=State.WAITING, asked_at=None, reminded_at=None))


def close(campaign: ReconnectCampaign, now: datetime) -> None:
    """No more reminders; links that were sent open nothing any more."""
    rows = ReconnectCampaign.objects.filter(pk=campaign.pk, closed_at=None)
    if rows.update(closed_at=now):
        campaign.closed_at = now
        _withdraw_links(campaign.items.values_list("pk", flat=True))


def _withdraw_links(item_pks: Iterable[int]) -> None:
    now = timezone.now()
    ReconnectLink.objects.open(now).filter(item__in=list(item_pks)).update(
        withdrawn_at=now
    )


def people_for(campaign: ReconnectCampaign) -> Any:
    """Who may be asked: people of the brands of the campaign's accounts."""
    return (
        get_user_model()
        .objects.filter(
            is_active=True, brands__accounts__campaign_items__campaign=campaign
        )
        .exclude(email="")
        .distinct()
        .order_by("username")
    )

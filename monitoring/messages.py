"""Messages to people: written by what happens to posts, mailed as each of them wants."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import Q
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation

from accounts.reading import language_of, zone_of
from publishing import approving
from publishing.hooks import Words
from publishing.models import Delivery, Review

from . import quiet
from .models import AlertPreference, Message

logger = logging.getLogger(__name__)

#: Mails of one run; the rest comes with the next one, a minute later.
MOST = 50
AGAIN_AFTER = timedelta(minutes=5)
Mail = AlertPreference.Mail
#: How long before a post is due its reviewers are reminded; the key names it.
REMINDERS = (("2h", timedelta(hours=2)), ("24h", approving.REMINDED))
#: Whoever was asked so lately needs no reminder.
FRESH = timedelta(minutes=30)
#: That a post missed its time is told for so long after it, should nothing have run.
MISSED_FOR = timedelta(days=2)


def write(people: Sequence[Any], key: str, words: Words, link: str) -> None:
    """One message to each of these people, never a second one with the same key."""
    rows = []
    for person in people:
        with _as_read_by(person):
            subject, text = words()
        rows.append(
            Message(
                user=person, key=key[:120], subject=subject[:200], text=text, link=link
            )
        )
    Message.objects.bulk_create(rows, ignore_conflicts=True)


@contextmanager
def _as_read_by(person: Any) -> Iterator[None]:
    with (
        timezone.override(zone_of(person)),
        translation.override(language_of(person)),
    ):
        yield


def remind(now: datetime) -> None:
    """Before the due time of what still waits for approval: each of its reviewers, once
    a day before and once two hours before. Once it is past: its writers as well."""
    _tell_missed(now)
    waiting = Review.objects.waiting().filter(
        post__due_at__gt=now, post__due_at__lte=now + REMINDERS[-1][1]
    )
    rows = waiting.filter(asked_at__lt=now - FRESH)
    for review in rows.select_related("post__brand", "post__author"):
        assert review.post.due_at is not None
        left = review.post.due_at - now
        name = next(name for name, before in REMINDERS if left <= before)
        approving.tell_reviewers(review, when=name)


def _tell_missed(now: datetime) -> None:
    # Beginning at what is held: most reviews are of what went out long ago.
    waits = Delivery.objects.filter(
        status=Delivery.Status.HELD,
        hold=Delivery.Hold.APPROVAL,
        due_at__lte=now,
        due_at__gt=now - MISSED_FOR,
    )
    rows = Review.objects.filter(post__in=waits.values("post"), is_current=True)
    rows = rows.exclude(state=Review.State.APPROVED)
    for review in rows.select_related("post__brand", "post__author", "asked_by"):
        approving.tell_missed(review)


def send(now: datetime) -> None:
    """Mail what waits, each by one worker."""
    rows = Message.objects.filter(sent_at=None, tries__lt=Message.MAX_TRIES).filter(
        # What waits for its reader's hour is asked anew: who moves, or changes that
        # hour, takes it along.
        Q(tries=0) | Q(send_after=None) | Q(send_after__lte=now)
    )
    found = list(rows.select_related("user__profile").order_by("created_at"))
    if not found:
        return
    people = {row.user_id for row in found}
    prefs = {
        pref.user_id: pref for pref in AlertPreference.objects.filter(user__in=people)
    }
    sent = 0
    for row in found:
        if sent == MOST:
            break
        pref = prefs.get(row.user_id) or AlertPreference(user=row.user)
        person: Any = row.user
        if pref.mail == Mail.NEVER or not person.email or not person.is_active:
            # It stands on the page.
            Message.objects.filter(pk=row.pk).update(sent_at=now)
            continue
        until = _not_before(row, pref, now)
        if until is not None:
            if until != row.send_after:
                Message.objects.filter(pk=row.pk, tries=0).update(send_after=until)
        elif row.take(now):
            sent += 1
            _send(row, person, now)


def _not_before(row: Message, pref: AlertPreference, now: datetime) -> datetime | None:
    zone = zone_of(row.user)
    until = quiet.quiet_until(pref, zone, now) or now
    if pref.mail == Mail.DIGEST:
        until = quiet.next_daily(pref, zone, row.created_at)
    return until if until > now else None


def _send(row: Message, person: Any, now: datetime) -> None:
    host = urlsplit(settings.SITE_URL).hostname or "localhost"
    context = {
        "user": person,
        "row": row,
        "link": settings.SITE_URL + row.link,
        "preferences": settings.SITE_URL + reverse("alert_preferences"),
    }
    try:
        with _as_read_by(person):
            EmailMessage(
                " ".join(row.subject.split()),
                render_to_string("monitoring/mail/about_post.txt", context),
                to=[person.email],
                headers={
                    # The same at each try, so that a mail program drops a second one.
                    "Message-ID": f"<message-{row.pk}@{host}>",
                    "Auto-Submitted": "auto-generated",
                },
            ).send()
    except OSError as exc:  # smtplib's errors are OSErrors as well
        logger.warning("a message was not mailed: %s", type(exc).__name__)
        Message.objects.filter(pk=row.pk).update(send_after=now + AGAIN_AFTER)
        return
    Message.objects.filter(pk=row.pk).update(sent_at=now, send_after=None)

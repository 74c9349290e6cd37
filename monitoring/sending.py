"""Messages on their way: each taken by one worker, sent, or tried again later."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db.models import Max
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import translation
from django.utils.translation import ngettext

from accounts.fixed_query import FixedQuery
from accounts.reading import language_of, zone_of

from . import letters, quiet, webhooks
from .letters import Letter
from .models import Alert, AlertChannel, AlertPreference, Incident

logger = logging.getLogger(__name__)

#: A run takes no new message after so many seconds.
BOUND_S = 20
#: A mail server that refuses so often in a row is left alone until the next run.
REFUSALS = 3
#: These are told of what is over; the others only while it lasts.
OF_THE_PAST = (Alert.Kind.RESOLVED, Alert.Kind.TAKEN_OVER)
NO_SECRETS = (
    "incident__credential__access_token",
    "incident__credential__refresh_token",
    "incident__credential__app__client_secret",
    "incident__credential__app__hook_secret",
    "incident__credential__app__hook_token",
)


_for_people = FixedQuery(
    lambda: Alert.objects.pending().exclude(user=None).order_by().values_list("pk")[:1]
)
_for_channels = FixedQuery(
    lambda: (
        Alert.objects.pending().exclude(channel=None).order_by().values_list("pk")[:1]
    )
)


def _free(now: datetime) -> Any:
    """Messages to be sent. What is over by now is not told as if it lasted."""
    free = Alert.objects.free(now)
    free.filter(incident__state=Incident.State.RESOLVED).exclude(
        kind__in=OF_THE_PAST
    ).delete()
    return (
        free.select_related("incident__credential__app")
        .defer(*NO_SECRETS)
        .order_by("created_at", "pk")
    )


# ---------------------------------------------------------------- people


def send_mails(now: datetime) -> None:
    """Mail what is due, one message per incident, what comes daily in one mail."""
    if not _for_people.rows():
        return
    rows = list(
        _free(now).exclude(user=None).select_related("user__profile", "channel")
    )
    if not rows:
        return
    persons = {alert.user_id: alert.user for alert in rows}
    prefs = {
        pref.user_id: pref for pref in AlertPreference.objects.filter(user__in=persons)
    }
    run = _Run(now)
    for pk, person in persons.items():
        pref = prefs.get(pk) or AlertPreference(user=person)
        run.send_to(person, pref, [alert for alert in rows if alert.user_id == pk])


class _Run:
    def __init__(self, now: datetime) -> None:
        self.now, self.refusals = now, 0
        self.end = time.monotonic() + BOUND_S

    def send_to(
        self, person: Any, pref: AlertPreference, alerts: Sequence[Alert]
    ) -> None:
        zone = zone_of(person)
        last = self._last_daily(person, pref)
        daily: list[Alert] = []
        for alert in alerts:
            until = None
            if pref.mail != AlertPreference.Mail.NEVER and person.email:
                until = quiet.hold_until(alert, pref, zone, self.now, last_daily=last)
            if until != alert.send_after:
                Alert.objects.filter(pk=alert.pk, tries=0).update(send_after=until)
            if until is not None:
                continue
            if quiet.is_daily(alert, pref):
                daily.append(alert)
            else:
                self._send(person, pref, [alert])
        if daily:
            self._send(person, pref, daily)

    @staticmethod
    def _last_daily(person: Any, pref: AlertPreference) -> datetime | None:
        sent = Alert.objects.filter(user=person, tries__gt=0)
        if pref.mail != AlertPreference.Mail.DIGEST:
            sent = sent.filter(kind__in=[Alert.Kind.NOTICE, Alert.Kind.STANDBY])
        found: datetime | None = sent.aggregate(at=Max("sent_at"))["at"]
        return found

    def _send(self, person: Any, pref: AlertPreference, alerts: list[Alert]) -> None:
        if time.monotonic() > self.end or self.refusals >= REFUSALS:
            return
        zone = zone_of(person)
        by_mail = pref.mail != AlertPreference.Mail.NEVER and bool(person.email)
        mine = [alert for alert in alerts if not by_mail or alert.take(self.now)]
        body, pairs = "", list[tuple[Alert, Letter]]()
        try:
            with translation.override(language_of(person)):
                for alert in mine:
                    if letter := letters.compose(alert, zone, self.now):
                        pairs.append((alert, letter))
                    else:  # it concerns nobody any more
                        Alert.objects.filter(pk=alert.pk).delete()
                if by_mail and pairs:
                    body = _mail(person, pairs)
        except OSError as exc:  # smtplib's errors are OSErrors as well
            self.refusals += 1
            logger.warning("a mail was not sent: %s", type(exc).__name__)
            for alert in mine:
                alert.mark_failed(f"{type(exc).__name__}: {exc}", self.now)
            return
        except Exception as exc:
            # One odd message must not hold up the others.
            logger.exception("message to person %s", person.pk)
            for alert in mine:
                alert.mark_failed(type(exc).__name__, self.now)
            return
        self.refusals = 0
        for alert, letter in pairs:
            alert.mark_sent(letter.subject, body or letter.posts, self.now)


def _mail(person: Any, pairs: Sequence[tuple[Alert, Letter]]) -> str:
    """Hand one mail to the mail server; what it said. Raises OSError."""
    written = [letter for _alert, letter in pairs]
    subject = written[0].subject
    if len(written) > 1:
        rest = len(written) - 1
        words = ngettext("%(first)s, and %(n)d more", "%(first)s, and %(n)d more", rest)
        subject = words % {"first": subject, "n": rest}
    context = {
        "user": person,
        "letters": written,
        "subject": subject,
        "preferences": settings.SITE_URL + reverse("alert_preferences"),
        "site_url": settings.SITE_URL,
    }
    body = render_to_string("monitoring/mail/message.txt", context)
    message = EmailMultiAlternatives(
        subject,
        body,
        to=[person.email],
        headers=_headers([alert for alert, _letter in pairs]),
    )
    html = render_to_string("monitoring/mail/message.html", context)
    message.attach_alternative(html, "text/html")
    message.send()
    return body


def _headers(alerts: Sequence[Alert]) -> dict[str, str]:
    """For mail programs: what it is, what it belongs to, and that no machine answers.

    The id is the same at each try, so that a mail program drops a second one.
    """
    host = urlsplit(settings.SITE_URL).hostname or "localhost"
    joined = " ".join(sorted(alert.event_id for alert in alerts))
    number = uuid.uuid5(uuid.NAMESPACE_URL, joined) if len(alerts) > 1 else joined
    headers = {
        "Message-ID": f"<{number}@{host}>",
        "List-Id": f"SocialHub <alerts.{host}>",
        "List-Unsubscribe": f"<{settings.SITE_URL}{reverse('alert_preferences')}>",
        "Auto-Submitted": "auto-generated",
        "X-Auto-Response-Suppress": "All",
    }
    if len(alerts) == 1:
        headers["References"] = f"<incident-{alerts[0].incident_id}@{host}>"
    return headers


# ---------------------------------------------------------------- channels


def send_to_channels(now: datetime) -> None:
    """Call each channel with what waits for it; one that fails waits, not the others."""
    if not _for_channels.rows():
        return
    end = time.monotonic() + BOUND_S
    rows = _free(now).filter(channel__is_active=True).select_related("channel")
    failed: set[int] = set()
    # Those that failed before come last, so that dead ones cost the living no time.
    for alert in rows.order_by("tries", "created_at", "pk")[:500]:
        channel = alert.channel
        if time.monotonic() > end:
            break
        if channel.pk in failed or not alert.take(now):
            continue
        with translation.override(language_of(None)):
            letter = letters.compose(alert, zone_of(None), now)
        if letter is None:
            alert.delete()
            continue
        if not deliver(channel, alert, letter, now):
            failed.add(channel.pk)


def deliver(channel: AlertChannel, alert: Alert, letter: Letter, now: datetime) -> bool:
    """One call; False when it has to be repeated."""
    try:
        webhooks.post(channel, webhooks.event(alert, letter), letter)
    except webhooks.Refused as refused:
        logger.warning("channel %s: %s", channel.pk, refused)
        channel.note_error(str(refused))
        alert.mark_failed(str(refused), now, refused.wait)
        return False
    channel.note_ok()
    alert.mark_sent(letter.subject, letter.posts, now)
    return True

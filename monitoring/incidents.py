"""Incidents: one per root cause, one alert each, closed by themselves."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.mail import EmailMultiAlternatives
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from accounts import paused
from accounts.breakers import accounts_behind
from accounts.causes import explain
from accounts.models import ConnectedAccount, Credential
from accounts.paused import Paused
from accounts.roles import ADMIN
from publishing.models import Delivery

from .models import Alert, Incident

logger = logging.getLogger(__name__)

ACCESS, BREAKER = "access", "breaker"
#: Trouble that comes and goes is mailed once in so long.
MAILED_ONCE_IN = timedelta(hours=6)


def review() -> None:
    """Open what is wrong, close what is well again, send what was not sent yet."""
    broken: dict[str, tuple[Credential, str, str]] = {}
    for credential in Credential.objects.filter(state=Credential.State.BROKEN):
        if credential.accounts.connected().exists():
            key = f"access:{credential.pk}"
            broken[key] = (credential, credential.cause, credential.detail)
    troubled = (
        ConnectedAccount.objects.connected()
        .exclude(trouble="")
        .filter(credential__state=Credential.State.ACTIVE)
        .select_related("credential")
    )
    for account in troubled:
        assert account.credential is not None
        broken[f"account:{account.pk}"] = (
            account.credential,
            account.trouble,
            account.trouble_detail,
        )
    for key, (credential, cause, detail) in broken.items():
        found = Incident(
            dedup_key=key,
            kind=ACCESS,
            credential=credential,
            cause=cause,
            detail=detail,
        )
        _open(found, _owners(found))
    for incident in Incident.objects.open().filter(kind=ACCESS):
        if incident.dedup_key not in broken:
            incident.resolve()
    _review_breakers()
    send_alerts()


def _review_breakers() -> None:
    """A platform's or an app's trouble: one incident each while its breaker is open.

    Only admins are mailed, and only where somebody has to act: an outage passes by
    itself, and what is late because of it says so. A token's breaker is no incident: a
    limit is reached, and the time when it ends is known.
    """
    pauses = {_key(pause): pause for pause in _lasting()}
    for key, pause in pauses.items():
        row = pause.breaker
        found = Incident(
            dedup_key=key, kind=BREAKER, cause=row.cause, detail=row.detail
        )
        _open(found, _admins() if pause.needs_admin and not _mailed(key) else ())
    for incident in Incident.objects.open().filter(kind=BREAKER):
        if incident.dedup_key not in pauses:
            incident.resolve()


def _lasting() -> list[Paused]:
    """What is wrong now, or stays wrong until a person acts."""
    return [
        pause
        for pause in paused.not_closed()
        if pause.scope != "token" and (pause.is_current or pause.needs_admin)
    ]


def _key(pause: Paused) -> str:
    """Another cause is another incident: an outage may end in a refusal of our app."""
    row = pause.breaker
    word = row.cause if pause.needs_admin else "passing"
    return f"{BREAKER}:{row.platform}:{row.subject}:{word}"


def _mailed(key: str) -> bool:
    since = timezone.now() - MAILED_ONCE_IN
    before = Alert.objects.filter(incident__dedup_key=key, created_at__gte=since)
    return before.exists()


def _admins() -> Iterable[object]:
    people = get_user_model().objects.filter(is_active=True)
    return people.filter(Q(groups__name=ADMIN) | Q(is_superuser=True)).distinct()


def _open(found: Incident, people: Iterable[object]) -> None:
    if Incident.objects.open().filter(dedup_key=found.dedup_key).exists():
        return
    try:
        with transaction.atomic():
            found.save(force_insert=True)
            for user in Alert.recipients(people):
                Alert.objects.create(incident=found, user=user)
    except IntegrityError:
        return  # another worker was first


def accounts_of(incident: Incident) -> list[ConnectedAccount]:
    """The accounts that an incident of one access concerns."""
    accounts = ConnectedAccount.objects.connected().select_related("owner", "brand")
    kind, _, pk = incident.dedup_key.partition(":")
    if kind == "account":
        return list(accounts.filter(pk=pk))
    return list(accounts.filter(credential=incident.credential_id))


def _owners(incident: Incident) -> list[object]:
    """Owners; where an account has none, who connected it."""
    people: list[object] = []
    for account in accounts_of(incident):
        fallback = incident.credential.connected_by if incident.credential else None
        people.append(account.owner or fallback)
    return people


def waiting_posts(accounts: list[ConnectedAccount]) -> list[Delivery]:
    """What cannot go out meanwhile, first due first."""
    return list(
        Delivery.objects.filter(
            account__in=accounts,
            status__in=[Delivery.Status.SCHEDULED, Delivery.Status.HELD],
        ).order_by("due_at")[:500]
    )


def send_alerts() -> None:
    """Each alert leaves once: it is marked before it is handed to the mail server.

    A mail server that refuses is noted with the alert and tried again.
    """
    for alert in Alert.objects.filter(
        sent_at=None, channel=None, incident__state=Incident.State.OPEN
    ).select_related("incident__credential__app", "user"):
        taken = Alert.objects.filter(pk=alert.pk, sent_at=None).update(
            sent_at=timezone.now()
        )
        if not taken:
            continue
        try:
            _mail(alert)
        except OSError as exc:
            logger.warning("alert %s was not sent: %s", alert.pk, type(exc).__name__)
            Alert.objects.filter(pk=alert.pk).update(
                sent_at=None, error=f"{type(exc).__name__}: {exc}"[:500]
            )


def _mail(alert: Alert) -> None:
    assert alert.user is not None
    incident = alert.incident
    if incident.kind == BREAKER:
        name, context = "breaker", _breaker_context(incident)
    else:
        name, context = "incident", _access_context(incident)
    if not context:
        return  # it is over, or concerns nobody any more
    context |= {
        "user": alert.user,
        "incident": incident,
        "site_url": settings.SITE_URL,
    }
    head = render_to_string(f"monitoring/mail/{name}_subject.txt", context)
    subject = " ".join(head.split())
    body = render_to_string(f"monitoring/mail/{name}.txt", context)
    message = EmailMultiAlternatives(subject, body, to=[alert.user.email])
    html = render_to_string(f"monitoring/mail/{name}.html", context)
    message.attach_alternative(html, "text/html")
    message.send()
    Alert.objects.filter(pk=alert.pk).update(subject=subject[:200], body=body, error="")


def _access_context(incident: Incident) -> dict[str, object]:
    accounts = accounts_of(incident)
    if not accounts:
        return {}
    posts = waiting_posts(accounts)
    path = reverse("account_reconnect", args=[accounts[0].pk])
    return {
        "explanation": explain(incident.cause),
        "accounts": accounts,
        "posts": posts,
        "first_due": posts[0].due_at if posts else None,
        "link": settings.SITE_URL + path,
    }


def _breaker_context(incident: Incident) -> dict[str, object]:
    pause = next((p for p in _lasting() if _key(p) == incident.dedup_key), None)
    if pause is None:
        return {}
    accounts = ConnectedAccount.objects.connected()
    behind = list(accounts.filter(**accounts_behind(pause.breaker)))
    posts = waiting_posts(behind)
    return {
        "pause": pause,
        "account_count": len(behind),
        "posts": posts,
        "first_due": posts[0].due_at if posts else None,
        "link": settings.SITE_URL + reverse("admin:accounts_circuitbreaker_changelist"),
    }

"""One-time links to reconnect one account, for the person who can.

The secret stands in the mail and nowhere else. Opening the link only notes in the
browser's session which link it was and leads on to an address without the secret, so
that neither a mail scanner uses anything up nor a later page or log holds it.
"""

from __future__ import annotations

import logging
import smtplib
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation

from .insiders import Insiders
from .models import AuditEvent, CampaignItem, ConnectedAccount, ReconnectLink
from .reading import language_of
from .roles import is_admin

logger = logging.getLogger(__name__)

SESSION_KEY = "reconnect_link"
DONE_KEY = "reconnect_link_done"


def may_send(user: Any, account: ConnectedAccount) -> bool:
    """Admins, and whoever looks after the account."""
    return is_admin(user) or user.pk in (account.owner_id, account.deputy_id)


def make(
    account: ConnectedAccount,
    by: Any,
    *,
    person: Any = None,
    email: str = "",
    item: CampaignItem | None = None,
) -> tuple[ReconnectLink, str]:
    """A new link and its address, which cannot be had again."""
    secret = ReconnectLink.new_secret()
    link = ReconnectLink.objects.create(
        secret_hash=ReconnectLink.fingerprint(secret),
        account=account,
        item=item,
        created_by=by if by and by.pk else None,
        person=person,
        email=email or (person.email if person else ""),
        expires_at=timezone.now() + ReconnectLink.LIFE,
    )
    AuditEvent.write(by, "link_made", account, link_to=link.addressee)
    path = reverse("reconnect_link_open", args=[f"{secret}/"])
    return link, str(settings.SITE_URL).rstrip("/") + path


def send(
    links: Sequence[tuple[ReconnectLink, str]], template: str, **words: Any
) -> str:
    """One mail with all these links to the one they are for; what hindered it, or ""."""
    first = links[0][0]
    context = {
        "links": [{"link": link, "url": url} for link, url in links],
        "person": first.person,
        "by": first.created_by,
        "expires_at": first.expires_at,
        "site_url": settings.SITE_URL,
        **words,
    }
    with translation.override(language_of(first.person)):
        head = render_to_string(f"accounts/mail/{template}_subject.txt", context)
        body = render_to_string(f"accounts/mail/{template}.txt", context)
        html = render_to_string(f"accounts/mail/{template}.html", context)
    message = EmailMultiAlternatives(" ".join(head.split()), body, to=[first.email])
    message.attach_alternative(html, "text/html")
    rows = ReconnectLink.objects.filter(pk__in=[link.pk for link, _ in links])
    try:
        message.send()
    except (OSError, smtplib.SMTPException) as exc:
        # The server's words may hold the message; the kind of error is enough.
        logger.warning("a reconnect link was not sent: %s", type(exc).__name__)
        error = type(exc).__name__
        rows.update(send_error=error)
        return error
    rows.update(sent_at=timezone.now(), send_error="")
    return ""


# ---------------------------------------------------------------- in the browser


def find(secret: str) -> ReconnectLink | None:
    """By the fingerprint: what is compared is no secret any more."""
    mark = ReconnectLink.fingerprint(secret)
    return ReconnectLink.objects.filter(secret_hash=mark).first()


def of_session(request: HttpRequest) -> ReconnectLink | None:
    """The open link that this browser came by. No query for browsers without one.

    One for a person here ends with their login, and when they leave the account's brand.
    """
    key = request.session.get(SESSION_KEY)
    if not key:
        return None
    link = (
        ReconnectLink.objects.select_related(
            "created_by",
            "person",
            "account__brand",
            "account__owner",
            "account__standby",
            "account__credential__app",
            "account__credential__parent",
        )
        .filter(pk=key)
        .first()
    )
    if link is None or not link.is_open():
        return None
    person, account = link.person, link.account
    if person is not None and not Insiders([person], [account]).has(person, account):
        return None
    return link


def forget(request: HttpRequest) -> None:
    request.session.pop(SESSION_KEY, None)


def done(request: HttpRequest, words: Sequence[str]) -> HttpResponse:
    """The link is used: what it did is said once more to whoever came by it."""
    forget(request)
    request.session[DONE_KEY] = [str(word) for word in words]
    return redirect("reconnect_link_done")

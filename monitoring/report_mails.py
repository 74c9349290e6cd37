"""The reliability report by mail, on the day and hour that each reader chose."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation

from accounts.models import Network
from accounts.reading import language_of, zone_of
from accounts.roles import can_review

from . import reliability, report_csv
from .models import ReportMail

logger = logging.getLogger(__name__)

WEEKS = 12
#: Mails of one run; the rest comes with the next one.
MOST = 50
#: after the mail server refused, or a worker died; longer than a task may take
AGAIN_AFTER = timedelta(minutes=15)


def send_due(now: datetime) -> int:
    """Send what is due; how many went out. Two workers never send the same one."""
    _follow_readers()
    rows = ReportMail.objects.filter(is_on=True, next_at__lte=now)
    sent = 0
    for row in rows.select_related("user__profile", "brand").order_by("next_at")[:MOST]:
        zone = zone_of(row.user)
        again = now + AGAIN_AFTER
        mine = ReportMail.objects.filter(pk=row.pk, next_at=row.next_at)
        # What a worker takes and does not send, because it dies, is tried again as well.
        if not mine.update(next_at=again):
            continue
        try:
            language = language_of(row.user)
            with timezone.override(zone), translation.override(language):
                went = _send(row, now)
        except OSError as exc:  # smtplib's errors are OSErrors as well
            logger.warning("a report was not mailed: %s", type(exc).__name__)
            continue
        except Exception:
            # One odd report must not hold up the others; it is asked for next week.
            logger.exception("report to person %s", row.user_id)
            went = False
        taken = ReportMail.objects.filter(pk=row.pk)
        # Unless its reader has just chosen another time.
        taken.filter(next_at=again).update(next_at=row.after(now, zone))
        if went:
            taken.update(sent_at=now)
            sent += 1
    return sent


def _follow_readers() -> None:
    rows = ReportMail.objects.filter(is_on=True, next_at__isnull=False)
    for row in rows.select_related("user__profile"):
        zone = zone_of(row.user)
        if row.zone != zone.key:
            row.move_to(zone)


def _send(row: ReportMail, now: datetime) -> bool:
    """False: there is nobody to send it to, or nothing that they may see."""
    person: Any = row.user
    brands = reliability.brands_of(person)
    if not person.email or not can_review(person) or not brands:
        return False
    if row.brand and row.brand not in brands:
        return False
    today = timezone.localtime(now).date()
    found = reliability.report(
        brands, row.brand, WEEKS, Network.LIVE, today, complete=True
    )
    from .report_pdf import to_pdf  # heavy: see there

    query = f"?brand={row.brand.pk}" if row.brand else ""
    title = report_csv.title_of(found)
    period = report_csv.period_of(found)
    context = {
        "user": person,
        "title": title,
        "period": period,
        "summary": reliability.summary(found),
        "causes": found.causes[:5],
        "link": settings.SITE_URL + reverse("reliability") + query,
    }
    message = EmailMessage(
        f"{title}: {period}",
        render_to_string("monitoring/mail/report.txt", context),
        to=[person.email],
        headers={"Auto-Submitted": "auto-generated"},
    )
    name = report_csv.file_name(found)
    message.attach(f"{name}.pdf", to_pdf(found), "application/pdf")
    message.attach(f"{name}.csv", report_csv.to_csv(found), "text/csv")
    message.send()
    return True

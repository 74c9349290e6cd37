"""Messages about incidents: where they go, how people want them, and each one sent."""

from __future__ import annotations

import secrets
import uuid
from datetime import datetime, time, timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.fields import EncryptedTextField
from accounts.models import Brand


class AlertChannel(models.Model):
    """A place that incidents are told to besides people: a chat room or a program."""

    class Kind(models.TextChoices):
        SLACK = "slack", _("Slack webhook")
        MARKDOWN = "markdown", _("Mattermost or Rocket.Chat webhook")
        WEBHOOK = "webhook", _("Signed webhook")

    name = models.CharField(_("name"), max_length=100)
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    url = EncryptedTextField(_("address"))
    #: signs what a generic webhook gets
    secret = EncryptedTextField(blank=True, editable=False)
    #: null: of every brand
    brand = models.ForeignKey(
        "accounts.Brand", on_delete=models.CASCADE, null=True, blank=True
    )
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    last_ok_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_error = models.CharField(max_length=300, blank=True, editable=False)

    class Meta:
        ordering = ["name"]
        verbose_name = _("alert channel")

    def __str__(self) -> str:
        return self.name

    @property
    def is_signed(self) -> bool:
        return self.kind == self.Kind.WEBHOOK

    @property
    def host(self) -> str:
        """What may be shown of the address: whoever knows all of it can post there."""
        try:
            return urlsplit(self.url).netloc.rpartition("@")[2]
        except ValueError:
            return ""

    @staticmethod
    def new_secret() -> str:
        return secrets.token_hex(32)

    def switch(self, *, on: bool) -> None:
        """Off forgets what waits for it: old news would be of no use later."""
        AlertChannel.objects.filter(pk=self.pk).update(is_active=on)
        self.is_active = on
        if not on:
            self.alerts.filter(sent_at=None).delete()

    def note_ok(self) -> None:
        AlertChannel.objects.filter(pk=self.pk).update(
            last_ok_at=timezone.now(), last_error=""
        )

    def note_error(self, why: str) -> None:
        AlertChannel.objects.filter(pk=self.pk).update(last_error=why[:300])


class AlertPreference(models.Model):
    """How one person wants to be told. Pages show everything, whatever stands here."""

    class Mail(models.TextChoices):
        AT_ONCE = "at_once", _("At once")
        DIGEST = "digest", _("Once a day, together")
        NEVER = "never", _("Never")

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="alert_preference",
    )
    mail = models.CharField(
        _("mails"), max_length=10, choices=Mail.choices, default=Mail.AT_ONCE
    )
    #: in the person's own time zone; both or neither, may span midnight
    quiet_from = models.TimeField(_("quiet from"), null=True, blank=True)
    quiet_until = models.TimeField(_("quiet until"), null=True, blank=True)
    digest_at = models.TimeField(_("daily mail at"), default=time(8, 0))
    #: a post is due within the next hours: then quiet hours and digests do not hold it
    urgent_breaks_quiet = models.BooleanField(
        _("urgent ones always at once"), default=True
    )

    def __str__(self) -> str:
        return f"alerts of {self.user}"

    @classmethod
    def of(cls, user: Any) -> AlertPreference:
        """The person's own, or the usual ones (not saved)."""
        return cls.objects.filter(user=user.pk).first() or cls(user=user)


class AlertQuerySet(models.QuerySet["Alert"]):
    def pending(self) -> AlertQuerySet:
        """Not out yet, and not given up."""
        return self.filter(sent_at=None, tries__lt=Alert.MAX_TRIES)

    def free(self, now: datetime) -> AlertQuerySet:
        """Pending, and neither in a worker's hands nor waiting after a failure."""
        waits = Q(tries__gt=0, send_after__gt=now)
        return self.pending().exclude(waits)

    def broke(self) -> AlertQuerySet:
        """That something is wrong: not that it will be, or is solved."""
        return self.filter(kind__in=(Alert.Kind.OPENED, Alert.Kind.ESCALATED))

    def gone_out(self) -> AlertQuerySet:
        """By mail or to a channel, not only onto the pages (`Alert.left`)."""
        return self.filter(sent_at__isnull=False, tries__gt=0)

    def within_sight_of(self, reader: Any) -> AlertQuerySet:
        """To people and rooms of the reader's brands, to superusers, and to rooms of all
        brands; the others are nobody's business."""
        if reader.is_superuser:
            return self
        brands = Brand.objects.visible_to(reader).values("pk")
        people = Brand.members.through.objects.filter(brand__in=brands).values("user")
        to_people = Q(user__in=people) | Q(user=reader.pk) | Q(user__is_superuser=True)
        rooms = Q(channel__brand=None) | Q(channel__brand__in=brands)
        return self.filter(to_people | Q(channel__isnull=False) & rooms)

    def unread_by(self, user: Any) -> AlertQuerySet:
        return self.filter(user=user.pk, read_at=None)


class Alert(models.Model):
    """One message about an incident: to a person or a channel, at most one of a kind."""

    class Kind(models.TextChoices):
        OPENED = "opened", _("Something is wrong")
        NOTICE = "notice", _("Something will end")
        ESCALATED = "escalated", _("Nobody has acted")
        TAKEN_OVER = "taken_over", _("Standby access took over")
        STANDBY = "standby", _("A standby access ended")
        RESOLVED = "resolved", _("It is solved")

    incident = models.ForeignKey(
        "monitoring.Incident", on_delete=models.CASCADE, related_name="alerts"
    )
    #: one of these two
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="alerts",
    )
    channel = models.ForeignKey(
        AlertChannel,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="alerts",
    )
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.OPENED)
    #: of a notice: so many days before the end
    days = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)
    #: not before (quiet hours, digest); null: at once
    send_after = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    tries = models.PositiveSmallIntegerField(default=0)
    read_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)
    #: what the message said
    subject = models.CharField(max_length=200, blank=True)
    body = models.TextField(blank=True)

    #: A try may take so long; then another worker may take it.
    LEASE = timedelta(minutes=2)
    #: waits after failures, in minutes; the last one repeats
    WAITS_MIN = (1, 2, 5, 15, 30, 60)
    #: about two days
    MAX_TRIES = 50

    objects = AlertQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["incident", "user", "kind", "days"],
                name="alert_once_per_person",
            ),
            models.UniqueConstraint(
                fields=["incident", "channel", "kind", "days"],
                name="alert_once_per_channel",
            ),
            models.CheckConstraint(
                condition=Q(user=None) ^ Q(channel=None), name="alert_to_one"
            ),
        ]
        indexes = [
            models.Index(
                fields=["send_after"], name="alert_pending", condition=Q(sent_at=None)
            ),
            models.Index(
                fields=["user"], name="alert_unread", condition=Q(read_at=None)
            ),
        ]

    def __str__(self) -> str:
        return self.subject or self.get_kind_display()

    @property
    def event_id(self) -> str:
        """The same at each try, and in no other installation."""
        place = f"{settings.SITE_URL}/alerts/{self.pk}"
        return str(uuid.uuid5(uuid.NAMESPACE_URL, place))

    @property
    def left(self) -> bool:
        """It went out by mail or to a channel, not only onto the pages."""
        return self.sent_at is not None and self.tries > 0

    def take(self, now: datetime) -> bool:
        """Take it for one try; False when another worker has it.

        Taken for a while and not for good: what a dead worker took is sent again, with
        the same event id.
        """
        taken = Alert.objects.filter(pk=self.pk, sent_at=None, tries=self.tries).update(
            tries=F("tries") + 1, send_after=now + self.LEASE
        )
        if taken:
            self.tries += 1
        return bool(taken)

    def mark_sent(self, subject: str, body: str, now: datetime) -> None:
        Alert.objects.filter(pk=self.pk, sent_at=None).update(
            sent_at=now, send_after=None, subject=subject[:200], body=body, error=""
        )

    def mark_failed(
        self, why: str, now: datetime, wait: timedelta | None = None
    ) -> None:
        """Try again later, with growing waits; after the last try it stays as it is."""
        index = min(max(self.tries, 1), len(self.WAITS_MIN)) - 1
        pause = max(timedelta(minutes=self.WAITS_MIN[index]), wait or timedelta())
        Alert.objects.filter(pk=self.pk, sent_at=None).update(
            send_after=now + pause, error=why[:500]
        )

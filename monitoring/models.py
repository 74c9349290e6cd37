"""Signs of life, health checks, and what people are told about trouble."""

from __future__ import annotations

from datetime import time
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.fields import EncryptedTextField
from accounts.models import Credential


class Heartbeat(models.Model):
    """A worker's sign of life, end to end through its queue; silence is the alarm."""

    name = models.CharField(max_length=60, unique=True)  # "publish", "monitor"
    host = models.CharField(max_length=100, blank=True)
    beat_at = models.DateTimeField(default=timezone.now)
    #: when the supervisor last put a beat into the queue
    sent_at = models.DateTimeField(null=True, blank=True)
    restarted_at = models.DateTimeField(null=True, blank=True)
    restarts = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return self.name

    @classmethod
    def beat(cls, name: str, host: str = "") -> None:
        cls.objects.update_or_create(
            name=name, defaults={"beat_at": timezone.now(), "host": host}
        )

    @property
    def age_s(self) -> float:
        return (timezone.now() - self.beat_at).total_seconds()

    @property
    def is_silent(self) -> bool:
        return self.age_s > settings.CLUSTER_SILENT_AFTER_S


class CheckResult(models.Model):
    """One answer to the repeated question: what can this credential still do?"""

    credential = models.ForeignKey(
        Credential, on_delete=models.CASCADE, related_name="checks"
    )
    at = models.DateTimeField(default=timezone.now)
    #: proven, failing, or not told (network trouble proves nothing)
    verdict = models.CharField(max_length=10)
    cause = models.CharField(max_length=40, blank=True)
    evidence = models.TextField(blank=True)
    duration_ms = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-at"]
        indexes = [
            models.Index(fields=["credential", "-at"], name="check_by_credential")
        ]

    def __str__(self) -> str:
        return f"{self.verdict} at {self.at:%Y-%m-%d %H:%M}"


class IncidentQuerySet(models.QuerySet["Incident"]):
    def open(self) -> IncidentQuerySet:
        return self.exclude(state=Incident.State.RESOLVED)


class Incident(models.Model):
    """A lasting problem with one cause; one open per dedup key."""

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        ACKNOWLEDGED = "acknowledged", _("Somebody is on it")
        RESOLVED = "resolved", _("Solved")

    dedup_key = models.CharField(max_length=120)
    kind = models.CharField(max_length=30)  # "access", "breaker"
    credential = models.ForeignKey(
        Credential,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="incidents",
    )
    cause = models.CharField(max_length=40)
    detail = models.TextField(blank=True)
    state = models.CharField(max_length=12, choices=State.choices, default=State.OPEN)
    opened_at = models.DateTimeField(default=timezone.now)
    resolved_at = models.DateTimeField(null=True, blank=True)
    #: how many accounts and waiting posts it concerns, and the first that is due, as of
    #: the last review
    account_count = models.PositiveIntegerField(default=0)
    post_count = models.PositiveIntegerField(default=0)
    first_due_at = models.DateTimeField(null=True, blank=True)
    #: an access that ends at a known time
    ends_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    #: how far up it went: 0 owners, 1 deputies, 2 admins
    level = models.PositiveSmallIntegerField(default=0)
    escalated_at = models.DateTimeField(null=True, blank=True)

    objects = IncidentQuerySet.as_manager()

    class Meta:
        ordering = ["-opened_at"]
        verbose_name = _("incident")
        constraints = [
            models.UniqueConstraint(
                fields=["dedup_key"],
                condition=~Q(state="resolved"),
                name="incident_once_while_open",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.cause}"

    def resolve(self) -> bool:
        """True when it was open until now."""
        changed = (
            Incident.objects.open()
            .filter(pk=self.pk)
            .update(state=self.State.RESOLVED, resolved_at=timezone.now())
        )
        if changed:
            self.refresh_from_db(fields=["state", "resolved_at"])
        return bool(changed)


class AlertChannel(models.Model):
    """A place that incidents are told to besides people: a chat room or a program."""

    class Kind(models.TextChoices):
        SLACK = "slack", _("Slack-compatible webhook")
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


class Alert(models.Model):
    """One message about an incident: to a person or a channel, at most one of a kind."""

    class Kind(models.TextChoices):
        OPENED = "opened", _("Something is wrong")
        NOTICE = "notice", _("Something will end")
        ESCALATED = "escalated", _("Nobody has acted")
        TAKEN_OVER = "taken_over", _("Standby access took over")
        RESOLVED = "resolved", _("It is solved")

    incident = models.ForeignKey(
        Incident, on_delete=models.CASCADE, related_name="alerts"
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

    def __str__(self) -> str:
        return self.subject or self.kind

    @staticmethod
    def recipients(owners: Any) -> list[Any]:
        """Distinct people with an address, in order."""
        seen: dict[int, Any] = {}
        for user in owners:
            if user is not None and user.is_active and user.email:
                seen.setdefault(user.pk, user)
        return list(seen.values())

"""Signs of life, health checks, and what people are told about trouble."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

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


class Alert(models.Model):
    """One message to a person about an incident: at most one of a kind each."""

    class Kind(models.TextChoices):
        OPENED = "opened", _("Something is wrong")
        RESOLVED = "resolved", _("It is solved")

    incident = models.ForeignKey(
        Incident, on_delete=models.CASCADE, related_name="alerts"
    )
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="alerts"
    )
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.OPENED)
    created_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True, blank=True)
    error = models.TextField(blank=True)
    #: what the message said
    subject = models.CharField(max_length=200, blank=True)
    body = models.TextField(blank=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["incident", "user", "kind"], name="alert_once_per_incident"
            )
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

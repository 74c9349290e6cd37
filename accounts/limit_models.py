"""Counts of the platforms' windows, and the breakers that stop calls in vain."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from platforms import registry
from platforms.limits import Counts


class RateBucket(models.Model):
    """Our count of one window of one partition; the rule itself is in `spec.py`.

    subject: whom the partition counts: "app:3", "token:12", "account:55", or "ip:live".
    """

    platform = models.CharField(max_length=30)
    key = models.CharField(max_length=100)
    subject = models.CharField(max_length=60)
    #: units taken in the window that began at `started_at`, reserved ones included
    used = models.PositiveBigIntegerField(default=0)
    started_at = models.DateTimeField(null=True, blank=True)
    #: where its first call opens a window: when it was open at the latest, once proven
    opened_by = models.DateTimeField(null=True, blank=True)
    #: when the window ends, by the platform's own word or at the latest
    resets_at = models.DateTimeField(null=True, blank=True)
    #: [[seconds since 1970, units], ...], oldest first: see `platforms.limits.Counts`
    log = models.JSONField(default=list, blank=True)
    #: units per window as the platform's headers told, and as an admin set
    size_told = models.PositiveBigIntegerField(null=True, blank=True)
    size_set = models.PositiveBigIntegerField(
        _("size set by an admin"), null=True, blank=True
    )
    set_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True
    )
    set_at = models.DateTimeField(null=True, blank=True)
    set_reason = models.TextField(blank=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["platform", "key", "subject"]
        verbose_name = _("rate bucket")
        constraints = [
            models.UniqueConstraint(
                fields=["platform", "key", "subject"], name="rate_bucket_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.platform} {self.key} ({self.subject})"

    def counts(self) -> Counts:
        """The row's figures for `platforms.limits.Window`."""
        times = (self.started_at, self.opened_by, self.resets_at)
        started_at, opened_by, resets_at = (t.timestamp() if t else None for t in times)
        return Counts(
            self.used,
            started_at,
            opened_by,
            resets_at,
            self.log,
            self.size_told,
            self.size_set,
        )


class CircuitBreaker(models.Model):
    """Stops calls that would fail: of one token, of our app, or of a whole platform.

    A row is there only for what has failed lately; `accounts.breakers` alone writes it.
    subject: "token:12", "app:3", or "platform:live" (the practice network:
    "platform:practice").
    """

    class State(models.TextChoices):
        CLOSED = "closed", _("Calls pass")
        OPEN = "open", _("Paused")
        HALF_OPEN = "half_open", _("Trying with one")

    platform = models.CharField(max_length=30)
    subject = models.CharField(max_length=60)
    state = models.CharField(max_length=10, choices=State.choices, default=State.CLOSED)
    #: failures that count while it is closed, oldest first:
    #: [[seconds since 1970, credential, "trouble"], ...]
    failures = models.JSONField(default=list, blank=True)
    #: when a credential last got a post through meanwhile: {"12": seconds since 1970}
    successes = models.JSONField(default=dict, blank=True)
    #: how often in a row it opened; each time the wait grows
    open_count = models.PositiveIntegerField(default=0)
    opened_at = models.DateTimeField(null=True, blank=True)
    #: since when many accesses were lost at once, whatever was said of our app after that
    many_lost_at = models.DateTimeField(null=True, blank=True)
    #: when one trial may go
    retry_at = models.DateTimeField(null=True, blank=True)
    #: since when the one trial is out; a lost trial counts as failed after a while
    trial_at = models.DateTimeField(null=True, blank=True)
    #: when a look was last let through although it is not closed
    looked_at = models.DateTimeField(null=True, blank=True)
    #: the last look got an answer: further ones pass until one fails
    looks_pass = models.BooleanField(default=False)
    closed_at = models.DateTimeField(null=True, blank=True)
    cause = models.CharField(max_length=40, blank=True)
    detail = models.TextField(blank=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["platform", "subject"]
        verbose_name = _("circuit breaker")
        constraints = [
            models.UniqueConstraint(
                fields=["platform", "subject"], name="circuit_breaker_once"
            )
        ]
        indexes = [
            models.Index(
                fields=["state"],
                name="circuit_breaker_not_closed",
                condition=~models.Q(state="closed"),
            )
        ]

    def __str__(self) -> str:
        return f"{registry.spec(self.platform).name} ({self.subject}): {self.state}"

    @property
    def scope(self) -> str:
        """ "token", "app" or "platform"."""
        return self.subject.partition(":")[0]

    @property
    def subject_id(self) -> int:
        """The primary key of the credential or app; 0 for a platform."""
        tail = self.subject.partition(":")[2]
        return 0 if self.scope == "platform" else int(tail)

    @property
    def network(self) -> str:
        """ "live" or "practice" for a platform; "" for a token or an app."""
        return self.subject.partition(":")[2] if self.scope == "platform" else ""

    def opens_again_in(self, now: datetime | None = None) -> float | None:
        """Seconds until a trial; None when nothing is known or it is closed."""
        if self.state == self.State.CLOSED or self.retry_at is None:
            return None
        return max(0.0, (self.retry_at - (now or timezone.now())).total_seconds())

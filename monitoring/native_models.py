"""When the newest posts of an account are read, and what that told last."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import ConnectedAccount


class NativeReading(models.Model):
    class State(models.TextChoices):
        WAITING = "waiting", _("Not read yet")
        TOLD = "told", _("Read")
        MISSING = "missing", _("Permission missing")
        TROUBLE = "trouble", _("The last reading failed")

    account = models.OneToOneField(
        ConnectedAccount, on_delete=models.CASCADE, related_name="native_reading"
    )
    state = models.CharField(
        max_length=10, choices=State.choices, default=State.WAITING
    )
    #: None: the network lists nothing to us
    next_at = models.DateTimeField(null=True, blank=True)
    #: when it was read last, with an answer
    read_at = models.DateTimeField(null=True, blank=True)
    #: why the last reading told nothing, one of platforms.errors.Cause
    cause = models.CharField(max_length=40, blank=True)
    detail = models.TextField(blank=True)
    #: posts there that may be ours: shown once that is known
    undecided = models.PositiveSmallIntegerField(default=0)

    class Meta:
        verbose_name = _("reading of an account's posts")
        verbose_name_plural = _("readings of accounts' posts")
        indexes = [
            models.Index(
                fields=["next_at"],
                name="native_reading_due",
                condition=models.Q(next_at__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"reading of account {self.account_id}"

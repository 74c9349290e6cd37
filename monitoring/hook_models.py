"""What platforms told us by themselves: each event once, however often it comes."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import PlatformApp
from platforms.base import Hook


class WebhookEvent(models.Model):
    """A signed event, as far as it says where to look. It proves nothing by itself."""

    app = models.ForeignKey(PlatformApp, on_delete=models.CASCADE, related_name="+")
    #: of what makes it another event than every other
    digest = models.CharField(max_length=64, unique=True)
    what = models.CharField(
        max_length=20, choices=[(kind.value, kind.value) for kind in Hook]
    )
    #: the platform's ids
    account_id_there = models.CharField(max_length=300, blank=True)
    object_id = models.CharField(max_length=300, blank=True)
    received_at = models.DateTimeField(default=timezone.now, db_index=True)
    handled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-received_at"]
        verbose_name = _("webhook event")
        indexes = [
            models.Index(
                fields=["received_at"],
                name="webhook_open",
                condition=models.Q(handled_at=None),
            )
        ]

    def __str__(self) -> str:
        return f"{self.what} of {self.account_id_there}"

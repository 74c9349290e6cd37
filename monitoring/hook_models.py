"""What platforms told us by themselves: each event once, however often it comes."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import ConnectedAccount, PlatformApp
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


class HookAddress(models.Model):
    """Whether anything arrives at the address of an app, and what came last."""

    app = models.OneToOneField(
        PlatformApp, on_delete=models.CASCADE, related_name="hook_address"
    )
    #: it asked whether the address is ours, and was answered
    asked_at = models.DateTimeField(null=True, blank=True)
    #: signed by it
    received_at = models.DateTimeField(null=True, blank=True)
    #: not signed by it, or not to be read
    refused_at = models.DateTimeField(null=True, blank=True)
    refused_why = models.CharField(max_length=200, blank=True)

    class Meta:
        verbose_name = _("webhook address")
        verbose_name_plural = _("webhook addresses")

    def __str__(self) -> str:
        return str(self.app)


class HookSubscription(models.Model):
    """That we asked for an account's events, and until when they are granted."""

    account = models.OneToOneField(
        ConnectedAccount, on_delete=models.CASCADE, related_name="hook_subscription"
    )
    asked_at = models.DateTimeField(null=True, blank=True)
    granted_at = models.DateTimeField(null=True, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True)
    next_at = models.DateTimeField(default=timezone.now, db_index=True)
    #: questions since it was last granted
    tries = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("webhook subscription")

    def __str__(self) -> str:
        return str(self.account)

"""Posts that somebody made at a network itself, as its list of newest posts told them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import ConnectedAccount


class NativePostQuerySet(models.QuerySet["NativePost"]):
    def visible_to(self, user: Any) -> NativePostQuerySet:
        if user.is_superuser:
            return self
        return self.filter(account__brand__members=user.pk)

    def between(self, start: datetime, stop: datetime) -> NativePostQuerySet:
        return self.filter(posted_at__gte=start, posted_at__lt=stop)


class NativePost(models.Model):
    """A post that is on an account and that no delivery of ours made.

    It is what was read last: deleted there, it goes here with the next reading, and so
    does what turns out to be ours. Of its text the beginning is kept.
    """

    EXCERPT = 500

    account = models.ForeignKey(
        ConnectedAccount, on_delete=models.CASCADE, related_name="native_posts"
    )
    external_id = models.CharField(max_length=300)
    text = models.TextField(blank=True)
    permalink = models.CharField(max_length=1000, blank=True)
    posted_at = models.DateTimeField()
    #: when it was first read
    seen_at = models.DateTimeField(default=timezone.now)

    objects = NativePostQuerySet.as_manager()

    class Meta:
        ordering = ["-posted_at", "-pk"]
        verbose_name = _("post made at the network")
        verbose_name_plural = _("posts made at the network")
        constraints = [
            models.UniqueConstraint(
                fields=["account", "external_id"], name="native_post_once"
            )
        ]
        indexes = [
            models.Index(fields=["posted_at"], name="native_by_time"),
            models.Index(fields=["account", "posted_at"], name="native_by_account"),
        ]

    def __str__(self) -> str:
        return f"{self.external_id} of account {self.account_id}"

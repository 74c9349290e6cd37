"""Messages to one person about something that they are asked for, or that was said."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Message(models.Model):
    """Told once for each key, on the person's page of messages and by mail as they want
    to be told, in their own language."""

    #: A try may take so long; then another worker may take it.
    LEASE = timedelta(minutes=2)
    MAX_TRIES = 20

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="messages",
        db_index=False,
    )
    #: what it is about, such as "assigned:12:3"
    key = models.CharField(max_length=120)
    subject = models.CharField(max_length=200)
    text = models.TextField(blank=True)
    #: on this site
    link = models.CharField(max_length=300)
    created_at = models.DateTimeField(default=timezone.now)
    #: not before; null: at once
    send_after = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True)
    tries = models.PositiveSmallIntegerField(default=0)
    read_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-pk"]
        verbose_name = _("message")
        constraints = [
            models.UniqueConstraint(fields=["user", "key"], name="message_once")
        ]
        indexes = [
            models.Index(
                fields=["created_at"], name="message_pending", condition=Q(sent_at=None)
            ),
            models.Index(
                fields=["user"], name="message_unread", condition=Q(read_at=None)
            ),
        ]

    def __str__(self) -> str:
        return self.subject

    @classmethod
    def unread_by(cls, user: Any) -> models.QuerySet[Message]:
        return cls.objects.filter(user=user.pk, read_at=None)

    def take(self, now: Any) -> bool:
        """Take it for one try; False when another worker has it."""
        mine = Message.objects.filter(pk=self.pk, sent_at=None, tries=self.tries)
        return bool(mine.update(tries=F("tries") + 1, send_after=now + self.LEASE))

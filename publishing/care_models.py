"""Who looks after a delivery that needs somebody, until when it rests, and what people
say about it."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Care(models.Model):
    """Of a delivery that somebody took on or put aside; most have none.

    A table of its own: each post writes its delivery's row several times, and most of
    its cost is the width and the indexes of that row.
    """

    delivery = models.OneToOneField(
        "publishing.Delivery",
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="care",
    )
    assignee = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("assigned to"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    #: off the desk's first tab until then
    snoozed_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("care of a delivery")

    def __str__(self) -> str:
        return f"care of delivery {self.delivery_id}"

    @property
    def is_snoozed(self) -> bool:
        return bool(self.snoozed_until and self.snoozed_until > timezone.now())


class Note(models.Model):
    """What somebody said about a delivery, to those who see it. Never edited."""

    delivery = models.ForeignKey(
        "publishing.Delivery", on_delete=models.CASCADE, related_name="notes"
    )
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
    )
    text = models.TextField(_("comment"), max_length=2000)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["at", "pk"]
        verbose_name = _("comment on a delivery")

    def __str__(self) -> str:
        return self.text[:60]

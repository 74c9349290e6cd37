"""Files that we left at a network, and that no post will show."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class LeftUpload(models.Model):
    """One upload of a delivery that is over, or has another wording now. Nothing refers
    to it any more, so that it can be deleted there."""

    class State(models.TextChoices):
        WAITING = "waiting", _("Will be deleted")
        GONE = "gone", _("Deleted")
        STAYS = "stays", _("Could not be deleted")

    delivery = models.ForeignKey(
        "publishing.Delivery", on_delete=models.CASCADE, related_name="left_uploads"
    )
    #: as the network names it
    external_id = models.CharField(max_length=300)
    state = models.CharField(
        max_length=10, choices=State.choices, default=State.WAITING
    )
    noted_at = models.DateTimeField(default=timezone.now)
    #: null: nothing is to be done any more
    next_at = models.DateTimeField(null=True, blank=True)
    #: when it was found gone, or given up
    ended_at = models.DateTimeField(null=True, blank=True)
    #: of the last refusal; sentences come from accounts.causes
    cause = models.CharField(max_length=40, blank=True)
    detail = models.TextField(blank=True)

    class Meta:
        ordering = ["pk"]
        verbose_name = _("upload without a post")
        verbose_name_plural = _("uploads without a post")
        constraints = [
            models.UniqueConstraint(
                fields=["delivery", "external_id"], name="left_upload_once"
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_at"],
                name="left_upload_due",
                condition=Q(next_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"upload {self.external_id} of delivery {self.delivery_id}"

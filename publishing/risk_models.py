"""What was found of each scheduled delivery when it was judged last."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Judgement(models.Model):
    """Of one scheduled delivery: whether it will go out when it is due.

    A table of its own, which nothing that sends posts reads or writes: what is over is
    taken out by the job that judges (`threatened.renew`).
    """

    delivery = models.OneToOneField(
        "publishing.Delivery",
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="judgement",
    )
    #: what the job had read by then
    judged_at = models.DateTimeField()
    #: the time for which it was judged
    due_at = models.DateTimeField()
    #: the gravest reason's `Risk.root`; "": it will go
    root = models.CharField(max_length=200, blank=True)

    class Meta:
        verbose_name = _("judgement of a delivery")
        verbose_name_plural = _("judgements of deliveries")

    def __str__(self) -> str:
        return f"judgement of delivery {self.delivery_id}"

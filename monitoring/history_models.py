"""One small row per day and brand: how its accounts were."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import Brand


class HealthDay(models.Model):
    """The last state that was seen on a day (UTC); an account stands in one number.

    Kept rather than computed: a check tells of a credential, not of which accounts a
    brand had on that day, nor of what was about to end.
    """

    brand = models.ForeignKey(
        Brand, on_delete=models.CASCADE, related_name="health_days"
    )
    day = models.DateField()
    able = models.PositiveIntegerField(default=0)
    ending = models.PositiveIntegerField(default=0)
    broken = models.PositiveIntegerField(default=0)
    unproven = models.PositiveIntegerField(default=0)
    #: worked out later from the checks: what was about to end is not in it
    is_derived = models.BooleanField(default=False)

    class Meta:
        ordering = ["day"]
        verbose_name = _("day of health")
        constraints = [
            models.UniqueConstraint(fields=["brand", "day"], name="health_day_once")
        ]

    def __str__(self) -> str:
        return f"{self.brand_id} on {self.day}"

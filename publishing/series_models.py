"""Posts that come again: the rule, and the pattern that each of them is copied from."""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Brand

#: Rules are followed for at most so many days, whoever asks.
FARTHEST = timedelta(days=366 * 5)


class SeriesQuerySet(models.QuerySet["Series"]):
    def visible_to(self, user: Any) -> SeriesQuerySet:
        if user.is_superuser:
            return self
        return self.filter(brand__members=user.pk)

    def running(self) -> SeriesQuerySet:
        return self.filter(ended_at=None)


class Series(models.Model):
    """Weekdays or a day of the month, on the wall clock of a zone.

    The rows that it has made are posts with `series` and `occurrence_on`, one for each
    day of the rule: the database refuses a second one.
    """

    class Kind(models.TextChoices):
        WEEKLY = "weekly", _("On days of the week")
        MONTHLY = "monthly", _("On a day of the month")

    brand = models.ForeignKey(Brand, on_delete=models.PROTECT, related_name="series")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="series"
    )
    #: what each occurrence says; no post that is ever sent itself
    pattern = models.OneToOneField(
        "publishing.Post", on_delete=models.PROTECT, related_name="pattern_of"
    )
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.WEEKLY)
    #: every so many weeks or months
    interval = models.PositiveSmallIntegerField(default=1)
    #: "02": Monday and Wednesday; weekly ones only
    weekdays = models.CharField(max_length=7, blank=True)
    wall = models.TimeField()
    zone = models.CharField(max_length=64)
    first_on = models.DateField()
    #: no occurrence after this day; null: none is the last
    last_on = models.DateField(null=True, blank=True)
    #: so many occurrences in all; null: any number
    count = models.PositiveIntegerField(null=True, blank=True)
    useful_s = models.PositiveIntegerField(default=7200)
    ended_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = SeriesQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("series")
        verbose_name_plural = _("series")

    def __str__(self) -> str:
        return str(self.pattern)

    def days(self, until: date) -> Iterator[date]:
        """The rule's days from the first on to `until`, both ends inside the rule."""
        until = min(until, self.first_on + FARTHEST)
        if self.last_on is not None:
            until = min(until, self.last_on)
        left = self.count
        for day in self._weekly() if self.kind == self.Kind.WEEKLY else self._monthly():
            if day > until or left == 0:
                return
            if left is not None:
                left -= 1
            yield day

    def _weekly(self) -> Iterator[date]:
        chosen = sorted({int(number) for number in self.weekdays}) or [
            self.first_on.weekday()
        ]
        monday = self.first_on - timedelta(days=self.first_on.weekday())
        while True:
            for number in chosen:
                day = monday + timedelta(days=number)
                if day >= self.first_on:
                    yield day
            monday += timedelta(weeks=max(1, self.interval))

    def _monthly(self) -> Iterator[date]:
        """Months that have no such day take their last one."""
        month = self.first_on.year * 12 + self.first_on.month - 1
        while True:
            year, number = divmod(month, 12)
            last = calendar.monthrange(year, number + 1)[1]
            yield date(year, number + 1, min(self.first_on.day, last))
            month += max(1, self.interval)

    @property
    def is_dense(self) -> bool:
        """Two of its days follow each other: the same words go out within a day."""
        if self.kind == self.Kind.MONTHLY:
            return False
        days = list(self.days(self.first_on + timedelta(days=15)))
        return any((b - a).days == 1 for a, b in pairwise(days))

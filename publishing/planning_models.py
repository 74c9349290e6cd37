"""What people plan with: labels, views that are kept, queues and their slots."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.dates import WEEKDAYS_ABBR
from django.utils.translation import gettext_lazy as _

from accounts.addresses import address
from accounts.models import Brand, ConnectedAccount


class Label(models.Model):
    """A word under which posts of a brand are found again."""

    MOST_CHARS = 30

    brand = models.ForeignKey(Brand, on_delete=models.CASCADE, related_name="labels")
    name = models.CharField(_("name"), max_length=MOST_CHARS)

    class Meta:
        ordering = ["name"]
        verbose_name = _("label")
        constraints = [
            models.UniqueConstraint("brand", Lower("name"), name="label_once_per_brand")
        ]

    def __str__(self) -> str:
        return self.name


class SavedViewQuerySet(models.QuerySet["SavedView"]):
    def visible_to(self, user: Any) -> SavedViewQuerySet:
        """One's own, and those that were shared with a brand of one's."""
        shared = Q(brand__isnull=False)
        if not user.is_superuser:
            # Not joined: that would look at each view with each member of its brand.
            shared = Q(brand__in=Brand.objects.visible_to(user).values("pk"))
        return self.filter(Q(person=user.pk) | shared)


class SavedView(models.Model):
    """Filters of a page under a name. brand: whose people see it as well; None: nobody
    else does."""

    class Page(models.TextChoices):
        CALENDAR = "calendar", _("Calendar")
        POSTS = "post_list", _("Posts")

    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_views"
    )
    brand = models.ForeignKey(
        Brand, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    page = models.CharField(max_length=10, choices=Page.choices)
    name = models.CharField(_("name"), max_length=60)
    #: the address's query as `listing.Filters` writes it, with view or tab
    query = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = SavedViewQuerySet.as_manager()

    class Meta:
        ordering = ["name", "pk"]
        verbose_name = _("saved view")
        constraints = [
            models.UniqueConstraint(
                fields=["person", "page", "name"], name="saved_view_once_per_name"
            )
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return f"{address(self.page)}?{self.query}"


class QueueQuerySet(models.QuerySet["Queue"]):
    def visible_to(self, user: Any) -> QueueQuerySet:
        if user.is_superuser:
            return self
        return self.filter(brand__members=user.pk)


class Queue(models.Model):
    """Weekly slots under a name, on the wall clock of a zone, for some accounts."""

    brand = models.ForeignKey(
        Brand, verbose_name=_("brand"), on_delete=models.CASCADE, related_name="queues"
    )
    name = models.CharField(_("name"), max_length=60)
    zone = models.CharField(_("time zone"), max_length=64, default="UTC")
    accounts = models.ManyToManyField(
        ConnectedAccount, blank=True, related_name="queues", verbose_name=_("accounts")
    )

    objects = QueueQuerySet.as_manager()

    class Meta:
        ordering = ["name", "pk"]
        verbose_name = _("queue")
        constraints = [
            models.UniqueConstraint(
                fields=["brand", "name"],
                name="queue_once_per_name",
                violation_error_message=_(
                    "The brand has a queue of this name. Choose another one."
                ),
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def week(self) -> list[tuple[Any, str]]:
        """("Mon", "09:00, 14:30") of the days that have slots. Reads slots."""
        days: dict[int, list[str]] = {}
        for slot in self.slots.all():
            days.setdefault(slot.weekday, []).append(f"{slot.wall:%H:%M}")
        return [(WEEKDAYS_ABBR[day], ", ".join(days[day])) for day in sorted(days)]


class QueueSlot(models.Model):
    """A wall time of a weekday (0: Monday) in its queue's zone."""

    queue = models.ForeignKey(Queue, on_delete=models.CASCADE, related_name="slots")
    weekday = models.PositiveSmallIntegerField()
    wall = models.TimeField()

    class Meta:
        ordering = ["weekday", "wall"]
        constraints = [
            models.UniqueConstraint(
                fields=["queue", "weekday", "wall"], name="queue_slot_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.weekday} {self.wall:%H:%M}"

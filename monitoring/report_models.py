"""How reliably posts went out, week by week, and who gets that by mail."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from accounts.models import Brand, Network


class WeekFigures(models.Model):
    """The deliveries of a brand that were due in one week (Monday to Sunday in the
    brand's own zone), cancelled ones aside.

    Kept rather than computed for each reader: a median needs every row of its week.
    """

    brand = models.ForeignKey(Brand, on_delete=models.CASCADE, related_name="+")
    week = models.DateField(_("week of"))
    network = models.CharField(max_length=10, choices=Network.choices)
    due = models.PositiveIntegerField(default=0)
    on_time = models.PositiveIntegerField(default=0)
    late = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    #: held, or not decided yet
    waiting = models.PositiveIntegerField(default=0)
    median_delay_s = models.PositiveIntegerField(null=True, blank=True)
    #: went out after trouble, and how long that took from the first trouble on
    repaired = models.PositiveIntegerField(default=0)
    median_repair_s = models.PositiveIntegerField(null=True, blank=True)
    #: cause (or "hold:" and its reason) -> deliveries
    causes = models.JSONField(default=dict, blank=True)
    computed_at = models.DateTimeField()

    class Meta:
        ordering = ["week", "brand"]
        verbose_name = _("week of reliability")
        verbose_name_plural = _("weeks of reliability")
        constraints = [
            models.UniqueConstraint(
                fields=["brand", "network", "week"], name="week_figures_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.brand_id} in the week of {self.week}"


class ReportMail(models.Model):
    """A person's wish to get the report by mail, once a week."""

    class Weekday(models.IntegerChoices):
        MONDAY = 0, _("Monday")
        TUESDAY = 1, _("Tuesday")
        WEDNESDAY = 2, _("Wednesday")
        THURSDAY = 3, _("Thursday")
        FRIDAY = 4, _("Friday")
        SATURDAY = 5, _("Saturday")
        SUNDAY = 6, _("Sunday")

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="report_mail"
    )
    is_on = models.BooleanField(_("send it"), default=True)
    weekday = models.PositiveSmallIntegerField(
        _("day"), choices=Weekday.choices, default=Weekday.MONDAY
    )
    at = models.TimeField(_("time"), default=time(8))
    brand = models.ForeignKey(
        Brand,
        verbose_name=_("brand"),
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
    )
    next_at = models.DateTimeField(null=True, blank=True, db_index=True)
    #: whose clock `next_at` goes by; "": not said
    zone = models.CharField(max_length=64, blank=True, editable=False)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = _("report by mail")
        verbose_name_plural = _("reports by mail")

    def __str__(self) -> str:
        return f"report for {self.user_id}"

    def plan(self, now: datetime, zone: ZoneInfo) -> None:
        """Set the next time, or none where it is switched off; not saved."""
        self.next_at = self.after(now, zone) if self.is_on else None
        self.zone = zone.key

    def move_to(self, zone: ZoneInfo) -> bool:
        """Its reader lives by another clock by now: the same day and hour over there.
        False: another worker was first."""
        assert self.next_at is not None
        # Zones are a day apart at most, and its times a week.
        at = self.after(self.next_at - timedelta(days=3, hours=12), zone)
        mine = ReportMail.objects.filter(pk=self.pk, next_at=self.next_at)
        return bool(mine.update(next_at=at, zone=zone.key))

    def after(self, now: datetime, zone: ZoneInfo) -> datetime:
        """The next time for it after `now`, by the wall clock of the person's zone."""
        day = now.astimezone(zone).date()
        day += timedelta(days=(self.weekday - day.weekday()) % 7)
        at = datetime.combine(day, self.at, zone)
        if at <= now:
            at = datetime.combine(day + timedelta(days=7), self.at, zone)
        return at

"""Asking people to reconnect, and what platforms tell us of people who left."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class ReconnectCampaign(models.Model):
    """Many accounts that end soon, asked for at once: "52 accounts, 9 owners, 37 done"."""

    name = models.CharField(_("name"), max_length=100)
    #: null: of every brand
    brand = models.ForeignKey(
        "accounts.Brand", on_delete=models.CASCADE, null=True, blank=True
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True
    )
    created_at = models.DateTimeField(default=timezone.now)
    remind_every_days = models.PositiveSmallIntegerField(
        _("remind every"), default=3, help_text=_("Days; 0 sends no reminder.")
    )
    closed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at"]
        verbose_name = _("reconnect campaign")

    def __str__(self) -> str:
        return self.name


class CampaignItem(models.Model):
    """One account of a campaign, and who is asked for it now."""

    class State(models.TextChoices):
        WAITING = "waiting", _("Not asked yet")
        ASKED = "asked", _("Asked")
        DONE = "done", _("Reconnected")
        SKIPPED = "skipped", _("Left out")

    campaign = models.ForeignKey(
        ReconnectCampaign, on_delete=models.CASCADE, related_name="items"
    )
    account = models.ForeignKey(
        "accounts.ConnectedAccount",
        on_delete=models.CASCADE,
        related_name="campaign_items",
    )
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True
    )
    state = models.CharField(
        max_length=10, choices=State.choices, default=State.WAITING
    )
    #: until then one worker has its mail in hand; past it, that worker died
    sending_until = models.DateTimeField(null=True, blank=True)
    asked_at = models.DateTimeField(null=True, blank=True)
    reminded_at = models.DateTimeField(null=True, blank=True)
    reminders = models.PositiveSmallIntegerField(default=0)
    handed_over_at = models.DateTimeField(null=True, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["campaign", "pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "account"], name="campaign_item_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.account_id} in {self.campaign_id}: {self.state}"

    @classmethod
    def settle(cls, account_ids: Iterable[int], now: datetime) -> int:
        """Accounts that were reconnected, by whomever, are done in every campaign."""
        return cls.objects.filter(
            account__in=list(account_ids),
            campaign__closed_at=None,
            state__in=[cls.State.WAITING, cls.State.ASKED],
        ).update(state=cls.State.DONE, done_at=now)


class LinkQuerySet(models.QuerySet["ReconnectLink"]):
    def open(self, now: datetime) -> LinkQuerySet:
        return self.filter(used_at=None, withdrawn_at=None, expires_at__gt=now)


class ReconnectLink(models.Model):
    """A one-time way to reconnect one account, for the person who can.

    Only a fingerprint of its secret is kept: whoever reads the table can open none.
    """

    LIFE = timedelta(days=7)

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    secret_hash = models.CharField(max_length=64, unique=True, editable=False)
    account = models.ForeignKey(
        "accounts.ConnectedAccount",
        on_delete=models.CASCADE,
        related_name="reconnect_links",
    )
    item = models.ForeignKey(
        CampaignItem,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="links",
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    #: who shall use it; the address it went to, who may have no login here
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    email = models.EmailField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)
    send_error = models.CharField(max_length=300, blank=True)
    opened_at = models.DateTimeField(null=True, blank=True)
    used_at = models.DateTimeField(null=True, blank=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    objects = LinkQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at"]
        verbose_name = _("reconnect link")

    def __str__(self) -> str:
        return f"link for {self.account_id}"

    @staticmethod
    def new_secret() -> str:
        return secrets.token_urlsafe(32)

    @staticmethod
    def fingerprint(secret: str) -> str:
        return hashlib.sha256(secret.encode()).hexdigest()

    def is_open(self, now: datetime | None = None) -> bool:
        now = now or timezone.now()
        return not (self.used_at or self.withdrawn_at) and now < self.expires_at

    @property
    def addressee(self) -> str:
        """Whom it went to, as people here call them."""
        return str(self.person) if self.person else self.email

    def use(self) -> bool:
        """Once; False when it is over by now."""
        return self._mark("used_at")

    def withdraw(self) -> bool:
        return self._mark("withdrawn_at")

    def _mark(self, field: str) -> bool:
        now = timezone.now()
        rows = ReconnectLink.objects.open(now).filter(pk=self.pk)
        if not rows.update(**{field: now}):
            return False
        setattr(self, field, now)
        return True


class DataRequest(models.Model):
    """A platform's word that a person left our app, or wants their data deleted."""

    class Kind(models.TextChoices):
        DEAUTHORIZED = "deauthorized", _("Removed our app")
        DELETION = "deletion", _("Asked for deletion")

    platform = models.CharField(max_length=30)
    app = models.ForeignKey(
        "accounts.PlatformApp", on_delete=models.CASCADE, related_name="data_requests"
    )
    kind = models.CharField(max_length=15, choices=Kind.choices)
    subject_id = models.CharField(max_length=200)
    #: what the person may look the state up by
    code = models.CharField(max_length=40, unique=True)
    #: of the signed request: the platform sends one more than once
    digest = models.CharField(max_length=64, unique=True)
    received_at = models.DateTimeField(default=timezone.now)
    done_at = models.DateTimeField(null=True, blank=True)
    #: what was done, in numbers
    result = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ["-received_at"]
        verbose_name = _("data request")

    def __str__(self) -> str:
        return f"{self.platform}: {self.get_kind_display()}"

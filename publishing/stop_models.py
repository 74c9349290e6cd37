"""The emergency stop."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import Brand, ConnectedAccount, platform_choices
from platforms import registry


class StopQuerySet(models.QuerySet["Stop"]):
    def active(self) -> StopQuerySet:
        return self.filter(ended_at=None)

    def visible_to(self, user: Any) -> StopQuerySet:
        """Those that concern the person: of everybody, and of their own brands."""
        if user.is_superuser:
            return self
        brands = Brand.objects.visible_to(user).values("pk")
        return self.filter(
            Q(scope__in=Stop.OF_EVERYBODY)
            | Q(brand__in=brands)
            | Q(account__brand__in=brands)
        )

    def for_pages(self) -> StopQuerySet:
        return self.select_related("brand", "account", "started_by", "ended_by")


class Stop(models.Model):
    """Somebody said that nothing may go out, why, and for whom."""

    class Scope(models.TextChoices):
        EVERYTHING = "everything", _("Everything")
        BRAND = "brand", _("A brand")
        PLATFORM = "platform", _("A platform")
        ACCOUNT = "account", _("An account")

    #: Scopes that reach over brands: only admins start and end them.
    OF_EVERYBODY = (Scope.EVERYTHING, Scope.PLATFORM)

    scope = models.CharField(max_length=10, choices=Scope.choices)
    brand = models.ForeignKey(Brand, on_delete=models.PROTECT, null=True, blank=True)
    platform = models.CharField(max_length=30, choices=platform_choices, blank=True)
    account = models.ForeignKey(
        ConnectedAccount, on_delete=models.PROTECT, null=True, blank=True
    )
    reason = models.TextField(_("reason"))
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    started_at = models.DateTimeField(default=timezone.now)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="+",
        null=True,
        blank=True,
    )
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = StopQuerySet.as_manager()

    class Meta:
        ordering = ["-started_at"]
        verbose_name = _("emergency stop")
        constraints = [
            models.CheckConstraint(
                condition=(
                    Q(scope="everything", brand=None, platform="", account=None)
                    | Q(scope="brand", brand__isnull=False, platform="", account=None)
                    | (Q(scope="platform", brand=None, account=None) & ~Q(platform=""))
                    | Q(scope="account", brand=None, platform="", account__isnull=False)
                ),
                name="stop_names_its_scope",
            ),
            models.CheckConstraint(condition=~Q(reason=""), name="stop_has_a_reason"),
            models.UniqueConstraint(
                fields=["scope"],
                condition=Q(ended_at=None, scope="everything"),
                name="stop_everything_once",
            ),
            models.UniqueConstraint(
                fields=["brand"],
                condition=Q(ended_at=None, brand__isnull=False),
                name="stop_brand_once",
            ),
            models.UniqueConstraint(
                fields=["platform"],
                condition=Q(ended_at=None) & ~Q(platform=""),
                name="stop_platform_once",
            ),
            models.UniqueConstraint(
                fields=["account"],
                condition=Q(ended_at=None, account__isnull=False),
                name="stop_account_once",
            ),
        ]
        indexes = [
            models.Index(
                fields=["scope"], name="stop_active", condition=Q(ended_at=None)
            )
        ]

    def __str__(self) -> str:
        return self.what

    @property
    def what(self) -> str:
        """What is stopped: "Everything", "Brand Acme", "X", "Acme Tools (X)"."""
        if self.scope == self.Scope.BRAND:
            return gettext("Brand %(name)s") % {"name": self.brand}
        if self.scope == self.Scope.PLATFORM:
            return self.platform_name
        if self.scope == self.Scope.ACCOUNT:
            return f"{self._account.name} ({self._account.spec.name})"
        return gettext("Everything")

    @property
    def headline(self) -> str:
        """ "Publishing to X is stopped"."""
        if self.scope == self.Scope.EVERYTHING:
            return gettext("All publishing is stopped")
        if self.scope == self.Scope.BRAND:
            return gettext("Publishing for the brand %(name)s is stopped") % {
                "name": self.brand
            }
        return gettext("Publishing to %(name)s is stopped") % {"name": self.what}

    @property
    def platform_name(self) -> str:
        """Of one that was removed, its slug."""
        known = self.platform in registry.PLATFORMS
        return registry.spec(self.platform).name if known else self.platform

    @property
    def _account(self) -> ConnectedAccount:
        assert self.account is not None  # by the constraint on the scope
        return self.account

    @property
    def target(self) -> str:
        """The scope in one word, as forms and addresses carry it: "account:7"."""
        value = self.platform or self.brand_id or self.account_id
        return f"{self.scope}:{value}" if value else self.scope

    @property
    def brand_reached(self) -> int | None:
        """The brand whose people it concerns; None: everybody."""
        return self.brand_id or (self._account.brand_id if self.account_id else None)

    def covers(self, account: Any) -> bool:
        """Whether this account's posts are stopped. account: a ConnectedAccount."""
        return (
            self.scope == self.Scope.EVERYTHING
            or (self.scope == self.Scope.BRAND and account.brand_id == self.brand_id)
            or (self.scope == self.Scope.PLATFORM and self._reaches(account))
            or (self.scope == self.Scope.ACCOUNT and account.pk == self.account_id)
        )

    def _reaches(self, account: Any) -> bool:
        """Whether the account may post to the platform, by whatever road. Which network
        an aggregator is to take stands in each post: better one held too much."""
        behind = registry.platform(account.platform).networks_behind
        return account.platform == self.platform or (
            self.platform in behind(account.identity())
        )

    def covered(self) -> Q:
        """The same as `covers`, over deliveries. One query, of a platform's stop."""
        if self.scope == self.Scope.PLATFORM:
            roads = ConnectedAccount.objects.filter(platform__in=registry.aggregators())
            detours = [road.pk for road in roads if self._reaches(road)]
            return Q(account__platform=self.platform) | Q(account__in=detours)
        return {
            self.Scope.EVERYTHING: Q(),
            self.Scope.BRAND: Q(account__brand=self.brand_id),
            self.Scope.ACCOUNT: Q(account=self.account_id),
        }[self.Scope(self.scope)]

    def end(self, user: Any) -> bool:
        """End it; False when somebody was first. What it held stays held."""
        now = timezone.now()
        lasting = Stop.objects.active().filter(pk=self.pk)
        if not lasting.update(ended_at=now, ended_by=user):
            return False
        self.ended_at, self.ended_by = now, user
        return True

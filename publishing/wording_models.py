"""What a brand writes again and again, what its links carry, and what they lead to."""

from __future__ import annotations

import hashlib
from typing import Any

from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Brand

from . import tagging


class SnippetQuerySet(models.QuerySet["Snippet"]):
    def visible_to(self, user: Any) -> SnippetQuerySet:
        if user.is_superuser:
            return self
        return self.filter(brand__members=user.pk)


class Snippet(models.Model):
    """A text or a set of hashtags that is put into posts of a brand."""

    class Kind(models.TextChoices):
        TEMPLATE = "template", _("Text template")
        HASHTAGS = "hashtags", _("Hashtag set")

    MOST_CHARS = 5000

    brand = models.ForeignKey(
        Brand,
        verbose_name=_("brand"),
        on_delete=models.CASCADE,
        related_name="snippets",
    )
    kind = models.CharField(_("kind"), max_length=10, choices=Kind.choices)
    name = models.CharField(_("name"), max_length=60)
    text = models.TextField(_("text"), max_length=MOST_CHARS)

    objects = SnippetQuerySet.as_manager()

    class Meta:
        ordering = ["kind", "name", "pk"]
        verbose_name = _("text template or hashtag set")
        constraints = [
            models.UniqueConstraint(
                "brand",
                "kind",
                Lower("name"),
                name="snippet_once_per_name",
                violation_error_message=_(
                    "The brand has one of this name. Choose another name."
                ),
            )
        ]

    def __str__(self) -> str:
        return self.name


class LinkRule(models.Model):
    """What is added to the links in a brand's posts (UTM parameters).

    The parameters may hold {network}, {account}, {campaign} and {brand}. A post keeps
    the rule of the moment in which it was saved (`Post.link_tags`).
    """

    PARAMETERS = ("source", "medium", "campaign", "term", "content")

    brand = models.OneToOneField(
        Brand, on_delete=models.CASCADE, related_name="link_rule"
    )
    is_on = models.BooleanField(_("Add them to links"), default=True)
    source = models.CharField("utm_source", max_length=100, blank=True)
    medium = models.CharField("utm_medium", max_length=100, blank=True)
    campaign = models.CharField("utm_campaign", max_length=100, blank=True)
    term = models.CharField("utm_term", max_length=100, blank=True)
    content = models.CharField("utm_content", max_length=100, blank=True)
    only_own = models.BooleanField(_("Only to links to our own sites"), default=True)
    own_hosts = models.CharField(
        _("our own sites"),
        max_length=500,
        blank=True,
        help_text=_(
            "Such as example.com, shop.example.org; what stands before them (www.) "
            "belongs to them."
        ),
    )

    class Meta:
        verbose_name = _("link rule")

    def __str__(self) -> str:
        return f"{self.brand}: utm"

    @property
    def hosts(self) -> list[str]:
        return [
            host.strip().lower() for host in self.own_hosts.split(",") if host.strip()
        ]

    def as_tags(self) -> dict[str, Any]:
        """What `tagging` reads; {} when nothing is added to any link."""
        params = {
            f"utm_{name}": getattr(self, name)
            for name in self.PARAMETERS
            if getattr(self, name)
        }
        if not self.is_on or not params or (self.only_own and not self.hosts):
            return {}
        return {"params": params, "hosts": self.hosts if self.only_own else []}

    def tags_of(self, brand_name: str, campaign: str) -> dict[str, Any]:
        """What a post keeps that is saved now (`tagging`)."""
        tags = self.as_tags()
        if not tags:
            return {}
        known = {
            "campaign": tagging.plain(campaign),
            "brand": tagging.plain(brand_name),
        }
        return {**tags, "values": {key: word for key, word in known.items() if word}}


class LinkFacts(models.Model):
    """What the page behind a link says of itself: title, teaser, a small picture.

    read_at null: it was asked for and not read yet.
    """

    #: the address, hashed: too long for an index of its own
    key = models.CharField(max_length=64, unique=True)
    url = models.URLField(max_length=2000)
    asked_at = models.DateTimeField(default=timezone.now)
    read_at = models.DateTimeField(null=True, blank=True)
    title = models.CharField(max_length=300, blank=True)
    description = models.CharField(max_length=500, blank=True)
    picture = models.BinaryField(blank=True, default=b"", editable=False)
    has_picture = models.BooleanField(default=False)
    #: the same as JPEG, for networks whose cards we bring a picture to
    card = models.BinaryField(blank=True, default=b"", editable=False)
    #: the SHA-256 and the length of the latter, which is read by what sends it alone
    card_sum = models.CharField(max_length=64, blank=True, default="", editable=False)
    card_bytes = models.PositiveIntegerField(default=0, editable=False)
    #: why nothing is known, in words of ours; "": something is
    trouble = models.CharField(max_length=40, blank=True)

    class Meta:
        verbose_name = _("facts of a link")
        verbose_name_plural = _("facts of links")

    def __str__(self) -> str:
        return self.url

    @staticmethod
    def key_of(url: str) -> str:
        return hashlib.sha256(url.encode()).hexdigest()

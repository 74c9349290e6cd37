"""Approval: one wording of a post that people are asked about, and what they said."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Brand


class ReviewQuerySet(models.QuerySet["Review"]):
    def waiting(self) -> ReviewQuerySet:
        """Asked for and not decided, of posts that are still to go out."""
        # Asked of each review: with a join SQLite begins with all posts that were ever
        # scheduled.
        posts = apps.get_model("publishing.Post").objects
        to_go = posts.filter(pk=OuterRef("post"), state="scheduled")
        return self.filter(Exists(to_go), is_current=True, state=Review.State.WAITING)

    def visible_to(self, user: Any) -> ReviewQuerySet:
        if user.is_superuser:
            return self
        # As of deliveries: a join lets SQLite begin with all posts of the brands.
        member = Brand.members.through.objects.filter(
            brand=OuterRef("post__brand"), user=user.pk
        )
        return self.filter(Exists(member))


class Review(models.Model):
    """What a post says, to whom and when, as people are asked to approve it.

    Another wording, account or time is another review: an approval is of one
    fingerprint, and comes back to life when the post says exactly that again.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("Waiting for approval")
        APPROVED = "approved", _("Approved")
        SENT_BACK = "sent_back", _("Sent back")

    post = models.ForeignKey(
        "publishing.Post", on_delete=models.CASCADE, related_name="reviews"
    )
    #: of `says`: 64 hex digits
    fingerprint = models.CharField(max_length=64, editable=False)
    #: {"due_at": ISO time, "accounts": {key: name}, "drafts": {platform: draft_doc}}
    says = models.JSONField(editable=False)
    state = models.CharField(
        max_length=10, choices=State.choices, default=State.WAITING
    )
    is_current = models.BooleanField(default=True)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    asked_at = models.DateTimeField(default=timezone.now)
    decided_at = models.DateTimeField(null=True, blank=True)

    objects = ReviewQuerySet.as_manager()

    class Meta:
        ordering = ["-asked_at", "-pk"]
        verbose_name = _("review")
        constraints = [
            models.UniqueConstraint(
                fields=["post", "fingerprint"], name="review_once_per_wording"
            ),
            models.UniqueConstraint(
                fields=["post"],
                name="review_one_current",
                condition=Q(is_current=True),
            ),
        ]
        indexes = [
            models.Index(
                fields=["asked_at"],
                name="review_waiting",
                condition=Q(is_current=True, state="waiting"),
            )
        ]

    def __str__(self) -> str:
        return f"review of post {self.post_id}"


class Approval(models.Model):
    """One person's yes to a review. Two steps need two people: a person says it once."""

    review = models.ForeignKey(
        Review, on_delete=models.CASCADE, related_name="approvals", db_index=False
    )
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    step = models.PositiveSmallIntegerField()
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["step"]
        verbose_name = _("approval")
        constraints = [
            models.UniqueConstraint(
                fields=["review", "person"], name="approval_once_per_person"
            ),
            models.UniqueConstraint(
                fields=["review", "step"], name="approval_once_per_step"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.person}: {self.step}"


class Remark(models.Model):
    """What somebody said about a post to those who work on it. Never edited."""

    class Kind(models.TextChoices):
        COMMENT = "comment", _("Comment")
        APPROVED = "approved", _("Approved")
        SENT_BACK = "sent_back", _("Sent back")

    post = models.ForeignKey(
        "publishing.Post", on_delete=models.CASCADE, related_name="remarks"
    )
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.COMMENT)
    text = models.TextField(_("comment"), max_length=2000, blank=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["at", "pk"]
        verbose_name = _("comment on a post")

    def __str__(self) -> str:
        return self.text[:60]

"""What was done with many posts at once, post by post, so that it can be taken back."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from .job_models import Job


class BulkChange(models.Model):
    """One post of a run, as it was before; forgotten with the run.

    was: JSON values in the words of its kind (`bulk.Former`).
    """

    class Kind(models.TextChoices):
        MOVED = "moved", _("moved")
        CANCELLED = "cancelled", _("cancelled")
        THROWN = "thrown", _("thrown away")
        GIVEN = "given", _("given to somebody")

    class State(models.TextChoices):
        DONE = "done", _("Done")
        UNDONE = "undone", _("Taken back")
        STAYS = "stays", _("Stays")

    job = models.ForeignKey(
        Job, on_delete=models.CASCADE, related_name="changes", db_index=False
    )
    #: its place in the run
    number = models.PositiveIntegerField()
    post = models.ForeignKey(
        "publishing.Post", on_delete=models.CASCADE, related_name="bulk_changes"
    )
    kind = models.CharField(max_length=10, choices=Kind.choices)
    was = models.JSONField(default=dict, blank=True)
    #: the post's `changed_at` before and after: another one now is another post
    version_before = models.DateTimeField()
    version = models.DateTimeField()
    done_at = models.DateTimeField(default=timezone.now)
    state = models.CharField(max_length=10, choices=State.choices, default=State.DONE)
    #: a sentence: why it stays, or what else became of it when it was taken back
    note = models.TextField(blank=True)

    class Meta:
        ordering = ["pk"]
        verbose_name = _("change of many posts")
        verbose_name_plural = _("changes of many posts")
        constraints = [
            models.UniqueConstraint(
                fields=["job", "number"], name="bulk_change_once_per_run"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.number} of job {self.job_id}"

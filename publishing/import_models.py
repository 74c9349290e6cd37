"""A table of posts on its way in, row by row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Brand, ConnectedAccount

from .job_models import Job
from .models import Post


class ImportQuerySet(models.QuerySet["Import"]):
    def visible_to(self, user: Any) -> ImportQuerySet:
        """A person's own: rows may name brands that others do not see."""
        return self.filter(person=user.pk, brand__in=Brand.objects.visible_to(user))


class Import(models.Model):
    """One table that somebody has sent, what was understood of it, and how far it is."""

    class State(models.TextChoices):
        READING = "reading", _("Being read")
        LOOKED = "looked", _("Read: look at its rows")
        WRITING = "writing", _("Being imported")
        DONE = "done", _("Imported")
        UNDOING = "undoing", _("Being undone")
        UNDONE = "undone", _("Undone")
        BROKEN = "broken", _("Could not be read")

    class Order(models.TextChoices):
        """How dates such as 03/04/2026 are meant."""

        UNKNOWN = "", _("Not said")
        DAY_FIRST = "dmy", _("Day first")
        MONTH_FIRST = "mdy", _("Month first")

    #: Posts of it are there, or come: the same file once more needs a person's yes.
    COUNTED = (State.WRITING, State.DONE, State.UNDOING)

    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="imports"
    )
    #: of rows that name none
    brand = models.ForeignKey(Brand, on_delete=models.CASCADE, related_name="+")
    #: of rows that name none
    accounts = models.ManyToManyField(ConnectedAccount, blank=True, related_name="+")
    name = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64)
    size_bytes = models.PositiveBigIntegerField(default=0)
    state = models.CharField(
        max_length=10, choices=State.choices, default=State.READING
    )
    #: what works on it, or did so last
    job = models.ForeignKey(Job, on_delete=models.SET_NULL, null=True, related_name="+")
    #: a sentence: why it could not be read
    problem = models.TextField(blank=True)
    #: of rows that name no zone
    zone = models.CharField(max_length=64, default="UTC")
    date_order = models.CharField(
        max_length=3, choices=Order.choices, default=Order.UNKNOWN, blank=True
    )
    #: rows with a time are scheduled; else all are drafts
    schedules = models.BooleanField(default=True)
    #: a person wants the very file once more
    again_ok = models.BooleanField(default=False, editable=False)
    #: {"format", "encoding", "separator", "sheet", "columns": [...], "ignored": [...],
    #: "zip": name, "ambiguous": row number, "day_first": text, "month_first": text}
    facts = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = ImportQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("import")
        constraints = [
            # Of two that begin in one instant the second is refused.
            models.UniqueConstraint(
                fields=["brand", "sha256"],
                name="import_file_once",
                condition=Q(state__in=("writing", "done", "undoing"), again_ok=False),
            )
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("import_detail", args=[self.pk])

    @property
    def folder(self) -> Path:
        """Where the table and its zip lie until they have been read."""
        return Path(settings.MEDIA_ROOT) / "imports" / str(self.pk)

    def same_file(self) -> Import | None:
        """The import that has brought, or brings, this very file into its brand."""
        same = Import.objects.filter(
            brand=self.brand_id, sha256=self.sha256, state__in=self.COUNTED
        )
        return same.exclude(pk=self.pk).select_related("person").first()

    @property
    def is_busy(self) -> bool:
        return self.state in (
            self.State.READING,
            self.State.WRITING,
            self.State.UNDOING,
        )


class ImportRow(models.Model):
    """A row of the table, as it was sent or mended, and what became of it.

    number: as a spreadsheet counts. cells: column -> text (columns of `table_columns`).
    problems: [{"column", "said", "cure"}]: it cannot be imported so; notes: the same
    for what a person should know. The post is made with the row in one transaction,
    and once.
    """

    class State(models.TextChoices):
        NEW = "new", _("Not looked at yet")
        GOOD = "good", _("Can be imported")
        BAD = "bad", _("Something is wrong")
        LEFT = "left", _("Left out")
        DONE = "done", _("Imported")
        UNDONE = "undone", _("Undone")
        STAYS = "stays", _("Stays")

    table = models.ForeignKey(
        Import, on_delete=models.CASCADE, related_name="rows", db_index=False
    )
    number = models.PositiveIntegerField()
    cells = models.JSONField(default=dict)
    state = models.CharField(max_length=10, choices=State.choices, default=State.NEW)
    problems = models.JSONField(default=list, blank=True)
    notes = models.JSONField(default=list, blank=True)
    #: says the same as something else: needs the person's yes
    is_repeat = models.BooleanField(default=False)
    repeat_ok = models.BooleanField(default=False)
    #: what would be made of it: "draft", "scheduled", "queue"
    becomes = models.CharField(max_length=10, blank=True)
    due_at = models.DateTimeField(null=True, blank=True)
    post = models.ForeignKey(
        Post,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
    )
    #: of the post when it was made: what differs now was changed by somebody
    post_version = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["number"]
        verbose_name = _("row of an import")
        constraints = [
            models.UniqueConstraint(fields=["table", "number"], name="import_row_once"),
            models.UniqueConstraint(
                fields=["post"],
                name="import_row_of_post",
                condition=Q(post__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"row {self.number} of import {self.table_id}"

    @property
    def excerpt(self) -> str:
        return str(self.cells.get("text", ""))[:120]

"""Long work that a person asked for: an import, an export, its undo."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Brand

from .models import StaleState

#: A worker without a sign of life for so long has lost the work.
LEASE = timedelta(seconds=60)
#: Turns that ended without getting any further, after which it is given up.
MOST_TRIES = 5
#: What has ended is forgotten after so long, and its files with it.
KEPT_FOR = timedelta(days=7)


class JobQuerySet(models.QuerySet["Job"]):
    def of(self, user: Any) -> JobQuerySet:
        """A person's own."""
        return self.filter(person=user.pk)

    def live(self) -> JobQuerySet:
        return self.filter(state__in=Job.LIVE)

    def held(self, now: datetime) -> JobQuerySet:
        """A worker has it just now."""
        return self.filter(lease_expires_at__gt=now)

    def ready(self, now: datetime) -> JobQuerySet:
        """Waits for a worker, or has lost its own."""
        free = Q(lease_expires_at=None) | Q(lease_expires_at__lte=now)
        return self.live().filter(free).order_by("turn_at", "pk")


class Job(models.Model):
    """The row is the truth: any worker goes on where `at` says that the last one was.

    at: where it stands, in the words of its kind; only what is stored there is done.
    done, total: for the bar, in the kind's own unit.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("Waits for its turn")
        RUNNING = "running", _("In progress")
        DONE = "done", _("Done")
        FAILED = "failed", _("Broken off")
        CANCELLED = "cancelled", _("Cancelled")

    LIVE = (State.WAITING, State.RUNNING)

    kind = models.CharField(max_length=20)
    #: null: of all brands that the person sees
    brand = models.ForeignKey(
        Brand, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="jobs"
    )
    state = models.CharField(
        max_length=10, choices=State.choices, default=State.WAITING
    )
    asked = models.JSONField(default=dict, blank=True)
    at = models.JSONField(default=dict, blank=True)
    done = models.PositiveBigIntegerField(default=0)
    total = models.PositiveBigIntegerField(default=0)
    #: what it found or made, for its page
    result = models.JSONField(default=dict, blank=True)
    #: a sentence: why it was broken off
    problem = models.TextField(blank=True)
    cancel_asked_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    #: since when it waits for its next turn
    turn_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    #: counted up by each claim: a worker that wakes up late cannot write any more
    fence = models.PositiveIntegerField(default=0)
    #: turns since it last got any further
    tries = models.PositiveSmallIntegerField(default=0)

    objects = JobQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        verbose_name = _("long work")
        verbose_name_plural = _("long work")
        constraints = [
            # Begun twice in one instant, it is one.
            models.UniqueConstraint(
                fields=["person"],
                name="job_one_export_each",
                condition=Q(kind="export", state__in=("waiting", "running")),
            )
        ]
        indexes = [
            models.Index(
                fields=["turn_at"],
                name="job_live",
                condition=Q(state__in=("waiting", "running")),
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"

    @property
    def is_live(self) -> bool:
        return self.state in self.LIVE

    @property
    def percent(self) -> int:
        return min(100, self.done * 100 // self.total) if self.total else 0

    @property
    def folder(self) -> Path:
        """Its own files, beside the kept ones. Made when it is first needed."""
        return Path(settings.MEDIA_ROOT) / "work" / str(self.pk)

    # -- verbs

    def claim(self, now: datetime) -> None:
        """For one worker. StaleState: another was first."""
        same = Job.objects.filter(pk=self.pk, fence=self.fence).ready(now)
        changes = {
            "state": self.State.RUNNING,
            "lease_expires_at": now + LEASE,
            "fence": self.fence + 1,
            "tries": self.tries + 1,
        }
        self._write(same, changes)

    def store(self, **changes: Any) -> None:
        """What is done so far; it got further. StaleState: another worker has it."""
        self._mine({**changes, "lease_expires_at": timezone.now() + LEASE, "tries": 0})
        self.refresh_from_db(fields=["cancel_asked_at"])

    def beat(self) -> None:
        """A sign of life within a step that takes its time."""
        self._mine({"lease_expires_at": timezone.now() + LEASE})
        self.refresh_from_db(fields=["cancel_asked_at"])

    def let_go(self) -> None:
        """Its turn is over, and it goes on behind those that wait."""
        self._mine({"lease_expires_at": None, "turn_at": timezone.now()})

    def end(self, state: str, problem: str = "") -> None:
        self._mine(
            {
                "state": state,
                "problem": problem,
                "ended_at": timezone.now(),
                "lease_expires_at": None,
            }
        )

    def ask_cancel(self) -> bool:
        """False: it has ended already."""
        rows = Job.objects.live().filter(pk=self.pk)
        return bool(rows.update(cancel_asked_at=timezone.now(), turn_at=F("turn_at")))

    def _mine(self, changes: dict[str, Any]) -> None:
        same = Job.objects.filter(
            pk=self.pk, fence=self.fence, state=self.State.RUNNING
        )
        self._write(same, changes)

    def _write(self, same: models.QuerySet[Job], changes: dict[str, Any]) -> None:
        if not same.update(**changes):
            raise StaleState(f"{self} belongs to another worker")
        for name, value in changes.items():
            setattr(self, name, value)


def tidy(now: datetime) -> None:
    """Forget what has ended long ago, and folders that no row knows."""
    Job.objects.filter(ended_at__lt=now - KEPT_FOR).delete()
    home = Path(settings.MEDIA_ROOT) / "work"
    if not home.is_dir():
        return
    known = {str(pk) for pk in Job.objects.values_list("pk", flat=True)}
    edge = (now - timedelta(days=1)).timestamp()
    for path in home.iterdir():
        if path.name.isdecimal() and path.name not in known:
            if path.stat().st_mtime < edge:
                shutil.rmtree(path, ignore_errors=True)

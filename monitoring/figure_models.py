"""What is read of posts that are out: figures, comments, and our answers to these."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from platforms.base import After, Figure, Vote
from publishing.models import Delivery, InvalidTransition, StaleState

#: When figures are read, counted from the publication: often at first, for that is when
#: they change.
CADENCE = tuple(timedelta(hours=hours) for hours in (1, 6, 24, 3 * 24, 7 * 24, 28 * 24))


#: Keys of `MetricSnapshot.values` beside those of figures: [[answer, count or null], ...]
#: of a post's poll, and how many people chose, null where that is not told.
VOTES, VOTERS = "votes", "voters"


def next_reading(published_at: datetime, now: datetime) -> datetime | None:
    """The first point of CADENCE that is still to come; None: all are past."""
    points = (published_at + gap for gap in CADENCE)
    return next((at for at in points if at > now), None)


class Watch(models.Model):
    """A published delivery whose figures and comments are read now and then."""

    class State(models.TextChoices):
        """What the last reading told of figures; words are in `monitoring.after`."""

        WAITING = "waiting", _("Not read yet")
        TOLD = "told", _("Read")
        NO_DATA = "no_data", _("No data yet")
        MISSING = "missing", _("Figures permission missing")

    delivery = models.OneToOneField(
        Delivery, on_delete=models.CASCADE, related_name="watch"
    )
    state = models.CharField(
        max_length=10, choices=State.choices, default=State.WAITING
    )
    #: None: nothing more is read
    next_at = models.DateTimeField(null=True, blank=True)
    read_at = models.DateTimeField(null=True, blank=True)
    #: why the last reading told nothing, one of platforms.errors.Cause
    cause = models.CharField(max_length=40, blank=True)
    detail = models.TextField(blank=True)
    #: since when the platform says that the post is not there
    gone_at = models.DateTimeField(null=True, blank=True)
    comments_read_at = models.DateTimeField(null=True, blank=True)
    #: the scopes without which comments are not shown to us, by name
    comments_missing = models.CharField(max_length=200, blank=True)

    class Meta:
        verbose_name = _("watched post")
        indexes = [
            models.Index(
                fields=["next_at"],
                name="watch_due",
                condition=models.Q(next_at__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"watch of delivery {self.delivery_id}"


class MetricSnapshot(models.Model):
    """What a platform had counted of a post at a time. A figure that is not told is not
    in `values`: that is not zero."""

    delivery = models.ForeignKey(
        Delivery, on_delete=models.CASCADE, related_name="snapshots"
    )
    at = models.DateTimeField()
    #: {"impressions": 120, ...}, names of platforms.base.Figure; of a poll VOTES, VOTERS
    values = models.JSONField(default=dict)

    class Meta:
        ordering = ["at"]
        verbose_name = _("figures at a time")
        constraints = [
            models.UniqueConstraint(fields=["delivery", "at"], name="snapshot_once")
        ]

    def __str__(self) -> str:
        return f"figures of delivery {self.delivery_id} at {self.at:%Y-%m-%d %H:%M}"

    def value(self, figure: Figure) -> int | None:
        found = self.values.get(figure.value)
        return found if isinstance(found, int) else None

    @property
    def votes(self) -> list[Vote]:
        """Of the post's poll; []: it has none, or they are not told."""
        return [Vote(answer, count) for answer, count in self.values.get(VOTES, ())]

    @property
    def voters(self) -> int | None:
        found = self.values.get(VOTERS)
        return found if isinstance(found, int) else None


class PostComment(models.Model):
    """What somebody wrote below a post of ours, as it was read last."""

    delivery = models.ForeignKey(
        Delivery, on_delete=models.CASCADE, related_name="comments"
    )
    external_id = models.CharField(max_length=300)
    #: of the comment that it answers; "": it stands below the post itself
    parent_id = models.CharField(max_length=300, blank=True)
    text = models.TextField(blank=True)
    author = models.CharField(max_length=300, blank=True)
    permalink = models.CharField(max_length=1000, blank=True)
    published_at = models.DateTimeField(null=True, blank=True)
    is_hidden = models.BooleanField(default=False)
    read_at = models.DateTimeField(db_index=True)

    #: for the page: what a person did with it last, and whether we wrote it
    step: Intervention | None = None
    is_ours = False

    class Meta:
        ordering = ["published_at", "pk"]
        verbose_name = _("comment")
        constraints = [
            models.UniqueConstraint(
                fields=["delivery", "external_id"], name="comment_once"
            )
        ]

    def __str__(self) -> str:
        return f"comment {self.external_id} below delivery {self.delivery_id}"


class SentQuerySet(models.QuerySet[Any]):
    def needs(self, reader: Any, now: datetime) -> SentQuerySet:
        """What waits for a decision in the reader's brands, and what was refused of
        their own lately."""
        seen = Delivery.objects.visible_to(reader).filter(
            pk=models.OuterRef("delivery")
        )
        return self.filter(
            models.Exists(seen.order_by()),
            models.Q(state=Sent.State.UNCERTAIN, next_at=None)
            | models.Q(
                state=Sent.State.FAILED,
                author=reader.pk,
                created_at__gt=now - Sent.TOLD_FOR,
            ),
        )


class Sent(models.Model):
    """What a person has done on a post that is out. It leaves once."""

    class State(models.TextChoices):
        WAITING = "waiting", _("Goes out in a moment")
        SENDING = "sending", _("Sending")
        UNCERTAIN = "uncertain", _("Nobody knows whether it went out")
        PUBLISHED = "published", _("Sent")
        FAILED = "failed", _("Not sent")

    ENDED = (State.PUBLISHED, State.FAILED)
    TRANSITIONS: dict[str, set[str]] = {
        State.WAITING: {State.SENDING, State.WAITING},
        State.SENDING: {State.PUBLISHED, State.UNCERTAIN, State.FAILED, State.WAITING},
        # A look that did not find it hands it to a person.
        State.UNCERTAIN: {*ENDED, State.WAITING, State.UNCERTAIN},
    }
    #: A worker does not begin to send what it took longer ago.
    BEGIN_WITHIN = timedelta(seconds=20)
    #: What has been sending for so long lost its worker; nobody sends it any more.
    LOST_AFTER = timedelta(minutes=10)

    #: Home tells its author of a refusal for so long.
    TOLD_FOR = timedelta(days=3)

    delivery: models.ForeignKey[Delivery, Delivery]
    delivery_id: int
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    state = models.CharField(
        max_length=10, choices=State.choices, default=State.WAITING
    )
    created_at = models.DateTimeField(default=timezone.now)
    next_at = models.DateTimeField(default=timezone.now, null=True, blank=True)
    #: written before it leaves
    sent_at = models.DateTimeField(null=True, blank=True)
    external_id = models.CharField(max_length=300, blank=True)
    #: fencing: how often it was taken
    tries = models.PositiveSmallIntegerField(default=0)
    cause = models.CharField(max_length=40, blank=True)
    detail = models.TextField(blank=True)

    objects = SentQuerySet.as_manager()

    class Meta:
        abstract = True
        ordering = ["created_at"]

    # -- verbs

    def take(self, now: datetime) -> None:
        """For one worker: the intent stands before anything leaves. StaleState: another
        was first."""
        self._move(
            self.State.SENDING,
            sent_at=now,
            tries=self.tries + 1,
            next_at=now + self.LOST_AFTER,
        )

    def went_out(self, external_id: str) -> None:
        self._move(
            self.State.PUBLISHED,
            external_id=external_id,
            next_at=None,
            cause="",
            detail="",
        )

    def wait(self, at: datetime, cause: str, detail: str) -> None:
        """It did not leave, and may by itself later."""
        self._move(
            self.State.WAITING, next_at=at, sent_at=None, cause=cause, detail=detail
        )

    def wait_more(self, at: datetime, cause: str) -> None:
        """Something stands in its way; it has not been taken."""
        self._move(self.State.WAITING, next_at=at, cause=cause)

    def fail(self, cause: str, detail: str) -> None:
        self._move(self.State.FAILED, next_at=None, cause=cause, detail=detail)

    def doubt(self, cause: str, detail: str, look_at: datetime | None) -> None:
        """It left, and what came of it is not known. look_at None: a person tells."""
        self._move(self.State.UNCERTAIN, next_at=look_at, cause=cause, detail=detail)

    def confirm_there(self) -> None:
        """A person saw it."""
        self._of_person()
        self.went_out(self.external_id)

    def confirm_absent(self) -> None:
        """A person looked and it is not there: it may leave again."""
        self._of_person()
        self.wait(timezone.now(), "", "")

    def give_up(self) -> None:
        """A person looked, it is not there, and shall not be sent."""
        self._of_person()
        self.fail(self.cause, self.detail)

    def _of_person(self) -> None:
        if self.state != self.State.UNCERTAIN or self.next_at is not None:
            raise InvalidTransition("only what nobody can check")

    def _move(self, to: str, **changes: Any) -> None:
        if to not in self.TRANSITIONS.get(self.state, ()):
            raise InvalidTransition(f"{self.state} -> {to}")
        same = type(self)._default_manager.filter(
            pk=self.pk, state=self.state, tries=self.tries
        )
        if not same.update(state=to, **changes):
            raise StaleState(f"{self} is no longer {self.state}")
        for field, value in {"state": to, **changes}.items():
            setattr(self, field, value)

    @property
    def why(self) -> str:
        """What stands or stood in its way, in words; "": nothing."""
        from .answering import why

        return why(self)

    @property
    def waits_for_person(self) -> bool:
        return self.state == self.State.UNCERTAIN and self.next_at is None


class Answer(Sent):
    """A person's answer to a comment. After a lost answer the comments are read, and
    where that does not tell, a person does."""

    delivery = models.ForeignKey(
        Delivery, on_delete=models.CASCADE, related_name="answers"
    )
    #: of the comment that it answers, and what that says
    comment_id = models.CharField(max_length=300)
    quoted = models.TextField(blank=True)
    text = models.TextField(_("answer"))
    #: of the form that it came from: sent twice, it is one answer
    form_key = models.UUIDField(unique=True)

    class Meta(Sent.Meta):
        verbose_name = _("answer")
        indexes = [
            models.Index(
                fields=["next_at"],
                name="answer_due",
                condition=models.Q(next_at__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"answer {self.pk} below delivery {self.delivery_id}"


class Intervention(Sent):
    """A person takes a post down, hides, shows or deletes what others wrote below it, or
    has captions added that did not go along.

    Each may run twice without harm: what is gone is gone, what is there is there. So after a lost answer the
    platform is read, and where it is not so or cannot be told, the call leaves again.
    """

    class Kind(models.TextChoices):
        DELETE_POST = "delete_post", _("Delete the post")
        HIDE = "hide", _("Hide a comment")
        SHOW = "show", _("Show a comment again")
        DELETE_COMMENT = "delete_comment", _("Delete a comment")
        ADD_CAPTIONS = "add_captions", _("Add the captions")

    WORDS: dict[str, Any] = {
        Sent.State.WAITING: _("in a moment"),
        Sent.State.SENDING: _("on its way"),
        Sent.State.UNCERTAIN: _("not known whether it is done"),
        Sent.State.PUBLISHED: _("done"),
        Sent.State.FAILED: _("not done"),
    }
    AFTER: dict[str, After] = {
        Kind.DELETE_POST: After.DELETE,
        Kind.HIDE: After.HIDE,
        Kind.SHOW: After.HIDE,
        Kind.DELETE_COMMENT: After.REMOVE,
    }

    delivery = models.ForeignKey(
        Delivery, on_delete=models.CASCADE, related_name="interventions"
    )
    kind = models.CharField(max_length=20, choices=Kind.choices)
    #: what is hidden or deleted, and what it says; "" where it is the post
    comment_id = models.CharField(max_length=300, blank=True)
    quoted = models.TextField(blank=True)
    #: of a thread: ids of the parts that are gone already; of captions: their languages
    done_ids = models.JSONField(default=list, blank=True)
    done_at = models.DateTimeField(null=True, blank=True)

    class Meta(Sent.Meta):
        verbose_name = _("intervention")
        indexes = [
            models.Index(
                fields=["next_at"],
                name="intervention_due",
                condition=models.Q(next_at__isnull=False),
            )
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["delivery", "comment_id"],
                name="intervention_one_at_a_time",
                condition=~models.Q(state__in=("published", "failed")),
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} at delivery {self.delivery_id}"

    @property
    def state_words(self) -> str:
        return str(self.WORDS[self.state])

    # -- verbs

    def note_done(self, number: str) -> None:
        """One part of a thread is gone, one language is there: a later try begins behind
        it."""
        self.done_ids = [*self.done_ids, number]
        same = Intervention.objects.filter(pk=self.pk, tries=self.tries)
        same.update(done_ids=self.done_ids)

"""Signs of life, health checks, and what people are told about trouble."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, models, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.addresses import address
from accounts.fixed_query import FixedQuery
from accounts.models import ConnectedAccount, Credential


class Heartbeat(models.Model):
    """A worker's sign of life, end to end through its queue; silence is the alarm."""

    name = models.CharField(max_length=60, unique=True)  # "publish", "monitor"
    host = models.CharField(max_length=100, blank=True)
    beat_at = models.DateTimeField(default=timezone.now)
    #: when the supervisor last put a beat into the queue
    sent_at = models.DateTimeField(null=True, blank=True)
    restarted_at = models.DateTimeField(null=True, blank=True)
    restarts = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return self.name

    @classmethod
    def beat(cls, name: str, host: str = "") -> None:
        cls.objects.update_or_create(
            name=name, defaults={"beat_at": timezone.now(), "host": host}
        )

    @property
    def age_s(self) -> float:
        return (timezone.now() - self.beat_at).total_seconds()

    @property
    def is_silent(self) -> bool:
        return self.age_s > settings.CLUSTER_SILENT_AFTER_S


class CheckResult(models.Model):
    """One answer to the repeated question: what can this credential still do?"""

    credential = models.ForeignKey(
        Credential, on_delete=models.CASCADE, related_name="checks"
    )
    at = models.DateTimeField(default=timezone.now)
    #: proven, failing, or not told (network trouble proves nothing)
    verdict = models.CharField(max_length=10)
    cause = models.CharField(max_length=40, blank=True)
    evidence = models.TextField(blank=True)
    duration_ms = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["-at"]
        indexes = [
            models.Index(fields=["credential", "-at"], name="check_by_credential")
        ]

    def __str__(self) -> str:
        return f"{self.verdict} at {self.at:%Y-%m-%d %H:%M}"


class IncidentQuerySet(models.QuerySet["Incident"]):
    def open(self) -> IncidentQuerySet:
        # Said by what it is: resolved ones grow for ever, and the index leads past them.
        return self.filter(state__in=[Incident.State.OPEN, Incident.State.ACKNOWLEDGED])

    def begin(self, accounts: Collection[int], **values: Any) -> Incident | None:
        """Open one together with the accounts that it concerns, so that nobody reads it
        without its numbers. None when another worker was first."""
        try:
            with transaction.atomic():
                incident = self.create(account_count=len(accounts), **values)
                incident.name_accounts(set(accounts), set())
                return incident
        except IntegrityError:
            return None

    def visible_to(self, user: Any) -> IncidentQuerySet:
        """Those of the person's brands; a platform's own trouble concerns everybody."""
        if user.is_superuser:
            return self
        own = _of_its_accounts(Q(connectedaccount__brand__members=user.pk))
        return self.filter(Q(kind=Incident.Kind.BREAKER) | own)

    def of_person(self, user: Any) -> IncidentQuerySet:
        """Those that the person looks after, or was told of."""
        told = Alert.objects.filter(incident=OuterRef("pk"), user=user.pk)
        theirs = _of_its_accounts(
            Q(connectedaccount__owner=user.pk) | Q(connectedaccount__deputy=user.pk)
        )
        return self.filter(theirs | Q(Exists(told)))


def _of_its_accounts(which: Q) -> Q:
    """Asked of each incident that is found otherwise: few are open, and a list would
    name all that ever were."""
    link = Incident.accounts.through.objects.filter(which, incident=OuterRef("pk"))
    return Q(Exists(link))


class Incident(models.Model):
    """A lasting problem with one cause; one open per dedup key."""

    class Kind(models.TextChoices):
        ACCESS = "access", _("Access was lost")
        APP = "app", _("Our app was refused")
        BREAKER = "breaker", _("A platform has trouble")
        ENDS = "ends", _("Access ends soon")
        STANDBY = "standby", _("Standby access took over")
        STANDBY_LOST = "standby_lost", _("A standby access ended")
        UNPROVEN = "unproven", _("Nothing proves the access")

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        ACKNOWLEDGED = "acknowledged", _("Somebody is on it")
        RESOLVED = "resolved", _("Solved")

    dedup_key = models.CharField(max_length=120)
    kind = models.CharField(max_length=30, choices=Kind.choices)
    credential = models.ForeignKey(
        Credential,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="incidents",
    )
    #: whom it concerns, as of the last review; of a platform's trouble nobody by name
    accounts = models.ManyToManyField(
        ConnectedAccount, related_name="incidents", blank=True
    )
    #: "Acme Bakery (LinkedIn)" while one account alone is lost; "": the access is named
    subject = models.CharField(max_length=250, blank=True)
    cause = models.CharField(max_length=40)
    detail = models.TextField(blank=True)
    state = models.CharField(max_length=12, choices=State.choices, default=State.OPEN)
    opened_at = models.DateTimeField(default=timezone.now)
    resolved_at = models.DateTimeField(null=True, blank=True)
    #: how many accounts and waiting posts it concerns, and the first that is due, as of
    #: the last review
    account_count = models.PositiveIntegerField(default=0)
    post_count = models.PositiveIntegerField(default=0)
    first_due_at = models.DateTimeField(null=True, blank=True)
    #: an access that ends at a known time
    ends_at = models.DateTimeField(null=True, blank=True)
    acknowledged_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    #: how far up it went: 0 owners, 1 deputies, 2 admins
    level = models.PositiveSmallIntegerField(default=0)
    escalated_at = models.DateTimeField(null=True, blank=True)
    #: people who dismissed its banner
    hidden_for = models.ManyToManyField(
        settings.AUTH_USER_MODEL, related_name="+", blank=True
    )

    #: begins the key of one that turned out to be part of another
    PART = "part:"
    #: "I am on it" holds for so long
    ACKNOWLEDGED_FOR = timedelta(days=1)

    #: Nothing is at a standstill because of these.
    QUIET = (Kind.ENDS, Kind.STANDBY, Kind.STANDBY_LOST)

    objects = IncidentQuerySet.as_manager()

    class Meta:
        ordering = ["-opened_at"]
        verbose_name = _("incident")
        constraints = [
            models.UniqueConstraint(
                fields=["dedup_key"],
                condition=~Q(state="resolved"),
                name="incident_once_while_open",
            )
        ]
        indexes = [models.Index(fields=["state", "kind"], name="incident_by_state")]

    def __str__(self) -> str:
        return f"{self.kind}: {self.cause}"

    def get_absolute_url(self) -> str:
        return address("incident_detail", self.pk)

    @property
    def is_open(self) -> bool:
        return self.state != self.State.RESOLVED

    def is_taken(self, now: datetime) -> bool:
        """Somebody said less than a day ago that they are on it."""
        at = self.acknowledged_at
        return at is not None and now < at + self.ACKNOWLEDGED_FOR

    def acknowledge(self, user: Any) -> bool:
        """ "I am on it": nobody further up is told for a day. False when it is over."""
        now = timezone.now()
        changed = (
            Incident.objects.open()
            .filter(pk=self.pk)
            .update(
                state=self.State.ACKNOWLEDGED,
                acknowledged_by=user,
                acknowledged_at=now,
            )
        )
        if changed:
            self.refresh_from_db(fields=["state", "acknowledged_by", "acknowledged_at"])
        return bool(changed)

    def escalate(self, level: int, now: datetime) -> bool:
        """Go up to this level; False when another worker was first or it is settled."""
        changed = (
            Incident.objects.open()
            .filter(pk=self.pk, level=self.level)
            .filter(
                Q(acknowledged_at=None)
                | Q(acknowledged_at__lte=now - self.ACKNOWLEDGED_FOR)
            )
            .update(level=level, escalated_at=now, state=self.State.OPEN)
        )
        if changed:
            self.level, self.escalated_at = level, now
            self.state = self.State.OPEN
        return bool(changed)

    def resolve(self, now: datetime | None = None) -> bool:
        """True when it was open until now. What nobody was told yet is not told."""
        now = now or timezone.now()
        with transaction.atomic():
            changed = (
                Incident.objects.open()
                .filter(pk=self.pk)
                .update(state=self.State.RESOLVED, resolved_at=now)
            )
            if changed:
                self.alerts.filter(sent_at=None, tries=0).delete()
        if changed:
            self.refresh_from_db(fields=["state", "resolved_at"])
        return bool(changed)

    def become_part_of(self, key: str, now: datetime) -> bool:
        """Close it in silence: the incident with this key tells of it from now on."""
        closed = self.resolve(now)
        if closed:
            self.dedup_key = f"{self.PART}{key}"[:120]
            Incident.objects.filter(pk=self.pk).update(dedup_key=self.dedup_key)
        return closed

    def give_way(self, now: datetime) -> bool:
        """Close it in silence where all that it concerned is broken for another cause by
        now, which another one tells of. False: something is well again, or none does.
        """
        broken = self.accounts.broken()
        if self.accounts.healthy().exists():
            return False
        others = Incident.objects.open().exclude(pk=self.pk).filter(accounts__in=broken)
        other = others.filter(kind__in=[self.Kind.ACCESS, self.Kind.APP]).first()
        return other is not None and self.become_part_of(other.dedup_key, now)

    def name_accounts(self, wanted: set[int], stored: set[int] | None = None) -> None:
        """Keep the accounts that it concerns; two workers may do so at once.

        Once somebody was told of it, those that are well again stay named: "solved"
        speaks of all of them. stored: those that are named now, where that is known.
        """
        link = Incident.accounts.through.objects
        if stored is None:
            stored = named_accounts([self])[self.pk]
        if stored == wanted:
            return
        link.bulk_create(
            [
                Incident.accounts.through(incident_id=self.pk, connectedaccount_id=pk)
                for pk in wanted - stored
            ],
            ignore_conflicts=True,
        )
        if stored - wanted and not self.alerts.exists():
            link.filter(incident=self, connectedaccount__in=stored - wanted).delete()

    def note(self, **values: Any) -> None:
        """Store what changed of its numbers and cause, while it is open."""
        changed = {name: to for name, to in values.items() if getattr(self, name) != to}
        if changed and Incident.objects.open().filter(pk=self.pk).update(**changed):
            for name, to in changed.items():
                setattr(self, name, to)


_of_kinds = FixedQuery(
    lambda kinds: Incident.objects.open().filter(kind__in=kinds), ["a kind"]
)
_with_keys = FixedQuery(
    lambda keys: Incident.objects.open().filter(dedup_key__in=keys).order_by("pk"),
    ["a key"],
)


def named_accounts(incidents: Iterable[Incident]) -> dict[int, set[int]]:
    """The accounts that each is said to concern, as primary keys. One query."""
    named: dict[int, set[int]] = {incident.pk: set() for incident in incidents}
    link = Incident.accounts.through.objects.filter(incident__in=named)
    for incident, account in link.values_list("incident_id", "connectedaccount_id"):
        named[incident].add(account)
    return named


def open_of(*kinds: str) -> list[Incident]:
    """The open ones of these kinds, the newest first: cheap, for what asks each minute."""
    return _of_kinds.objects(list(kinds))


def open_with(keys: Collection[str]) -> list[Incident]:
    """The open ones with these dedup keys, the oldest first."""
    return _with_keys.objects(list(keys)) if keys else []


# Rows of the same app in a module of their own.
from .alert_models import Alert as Alert  # noqa: E402
from .alert_models import AlertChannel as AlertChannel  # noqa: E402
from .alert_models import AlertPreference as AlertPreference  # noqa: E402
from .figure_models import Answer as Answer  # noqa: E402
from .figure_models import Intervention as Intervention  # noqa: E402
from .figure_models import MetricSnapshot as MetricSnapshot  # noqa: E402
from .figure_models import PostComment as PostComment  # noqa: E402
from .figure_models import Watch as Watch  # noqa: E402
from .history_models import HealthDay as HealthDay  # noqa: E402
from .hook_models import HookAddress as HookAddress  # noqa: E402
from .hook_models import HookSubscription as HookSubscription  # noqa: E402
from .hook_models import WebhookEvent as WebhookEvent  # noqa: E402
from .message_models import Message as Message  # noqa: E402
from .native_models import NativeReading as NativeReading  # noqa: E402
from .report_models import ReportMail as ReportMail  # noqa: E402
from .report_models import WeekFigures as WeekFigures  # noqa: E402

"""Health over time: a row per day and brand, written from the state of that day."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta

from django.db import transaction
from django.db.models import Count, Q, Sum
from django.utils import timezone

from accounts import versions
from accounts.fixed_query import SAMPLE_DAY, FixedQuery, as_day
from accounts.health_rows import SOON, STALE
from accounts.hooks import HealthOn
from accounts.models import AccountQuerySet, ConnectedAccount, Credential

from .models import CheckResult, HealthDay

#: So many days are shown, and so many are kept.
DAYS = 90
#: Rows that are read at a time.
CHUNK = 1000
STATES = ("able", "ending", "broken", "unproven")


def note(now: datetime | None = None) -> None:
    """Write today's row of each brand over the one of an hour ago. Safe to run twice."""
    now = now or timezone.now()
    today = now.astimezone(UTC).date()
    counts = _counts(now)
    with transaction.atomic():
        if not HealthDay.objects.exists():
            HealthDay.objects.bulk_create(_past(today), ignore_conflicts=True)
        HealthDay.objects.bulk_create(
            [HealthDay(brand_id=pk, day=today, **row) for pk, row in counts.items()],
            update_conflicts=True,
            unique_fields=["brand", "day"],
            update_fields=[*STATES],
        )
        # A brand whose last account went away today.
        empty = HealthDay.objects.filter(day=today).exclude(brand__in=counts)
        empty.update(**dict.fromkeys(STATES, 0))
        HealthDay.objects.filter(day__lt=today - timedelta(days=DAYS)).delete()


def _counts(now: datetime) -> dict[int, dict[str, int]]:
    """By brand how many connected accounts are in each state, as the accounts page has
    it. The database counts; only those that may end soon are read."""
    connected = ConnectedAccount.objects.connected().filter(credential__isnull=False)
    able = Q(credential__state=Credential.State.ACTIVE, trouble="")
    ending = _ending(connected.filter(able), now)
    # Who was never proven counts from the day it was connected.
    proven = Q(credential__proven_at__gte=now - STALE) | Q(
        credential__proven_at=None, connected_at__gte=now - STALE
    )
    rows = (
        connected.order_by()
        .values_list("brand")
        .annotate(
            n=Count("pk"),
            fit=Count("pk", filter=able),
            fresh=Count("pk", filter=able & proven),
        )
    )
    counts = {}
    for brand, whole, fit, fresh in rows:
        soon = ending.get(brand, ())
        counts[brand] = {
            "able": fresh - sum(soon),
            "ending": len(soon),
            "broken": whole - fit,
            "unproven": fit - fresh - (len(soon) - sum(soon)),
        }
    return counts


def _ending(accounts: AccountQuerySet, now: datetime) -> dict[int, list[bool]]:
    """By brand, for each account that cannot post for long any more, whether it was
    proven lately."""
    until = now + SOON
    may_end = (
        Q(credential__refresh_token="", credential__expires_at__lte=until)
        | Q(credential__refresh_expires_at__lte=until)
        | Q(
            credential__renewal_refused_at__isnull=False,
            credential__expires_at__lte=until,
        )
        | Q(credential__data_access_ends_at__lte=until)
    )
    for app, platform in versions.end_until(until):
        may_end |= Q(credential__app=app, platform=platform)
    found: dict[int, list[bool]] = {}
    rows = (
        accounts.filter(may_end)
        .select_related("credential__app")
        .defer(
            "credential__access_token",
            "credential__app__client_secret",
            "credential__app__hook_secret",
            "credential__app__hook_token",
        )
        .order_by("pk")
    )
    for account in rows.iterator(chunk_size=CHUNK):
        credential = account.credential
        assert credential is not None
        ends = [end.at for end in account.ends(now) if end.stops_publishing]
        if ends and min(ends) <= until:
            lately = (credential.proven_at or account.connected_at) >= now - STALE
            found.setdefault(account.brand_id, []).append(lately)
    return found


# ---------------------------------------------------------------- before there were rows


def _past(today: date) -> list[HealthDay]:
    """The days before the first row, as the checks tell them (`is_derived`).

    Of accounts that are connected now: who has left is not known, nor what was about
    to end. It runs once, where an older version has left checks behind.
    """
    accounts: dict[int, list[tuple[int, date]]] = {}
    known = ConnectedAccount.objects.connected().filter(credential__isnull=False)
    for credential_id, brand_id, since in known.values_list(
        "credential", "brand", "connected_at"
    ):
        assert credential_id is not None
        began = since.astimezone(UTC).date()
        accounts.setdefault(credential_id, []).append((brand_id, began))
    first = today - timedelta(days=DAYS - 1)
    counts: dict[tuple[int, date], dict[str, int]] = {}
    checks = (
        CheckResult.objects.filter(
            at__gte=datetime.combine(first, time(), UTC), credential__in=accounts
        )
        .exclude(verdict="unknown")
        .order_by("credential", "at")
        .values_list("credential", "at", "verdict")
    )
    for credential_id, told in _by_credential(checks.iterator(chunk_size=CHUNK)):
        start = min(told)
        for brand_id, began in accounts[credential_id]:
            day = max(start, began)
            while day < today:
                row = counts.setdefault((brand_id, day), dict.fromkeys(STATES, 0))
                row[_state_on(day, told)] += 1
                day += timedelta(days=1)
    return [
        HealthDay(brand_id=brand_id, day=day, is_derived=True, **row)
        for (brand_id, day), row in counts.items()
    ]


def _by_credential(
    checks: Iterable[tuple[int, datetime, str]],
) -> Iterator[tuple[int, dict[date, str]]]:
    """The last word of each day, credential by credential."""
    current, told = 0, dict[date, str]()
    for credential_id, at, verdict in checks:
        if credential_id != current:
            if told:
                yield current, told
            current, told = credential_id, {}
        told[at.astimezone(UTC).date()] = verdict
    if told:
        yield current, told


def _state_on(day: date, told: Mapping[date, str]) -> str:
    """A credential that was broken stays so until a check says otherwise."""
    last = max((known for known in told if known <= day), default=None)
    if last is None:
        return "unproven"
    if told[last] == "failing":
        return "broken"
    return "able" if day - last <= STALE else "unproven"


# ---------------------------------------------------------------- for the accounts page


def over_time(brands: Sequence[int], now: datetime) -> list[HealthOn]:
    """The last DAYS days of these brands together; days without a row are left out.

    One query.
    """
    first = now.astimezone(UTC).date() - timedelta(days=DAYS - 1)
    rows = _by_day.rows(list(brands), first)
    return [HealthOn(as_day(day), *map(int, numbers)) for day, *numbers in rows]


_by_day = FixedQuery(
    lambda brands, first: (
        HealthDay.objects.filter(brand__in=brands, day__gte=first)
        .order_by("day")
        .values_list("day")
        .annotate(*(Sum(state) for state in STATES))
    ),
    [-7],
    SAMPLE_DAY,
)

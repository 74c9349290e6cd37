"""A row of numbers per day and brand, and the charts that are made of them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.charts import ends_by_week
from accounts.fixed_query import SAMPLE_DAY, FixedQuery, as_day
from accounts.health_rows import make_rows
from accounts.models import Brand, ConnectedAccount, Credential
from monitoring import history
from monitoring.models import CheckResult, HealthDay
from monitoring.tasks import note_health
from platforms.errors import Cause

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def noon() -> Any:
    with time_machine.travel(NOON, tick=False):
        yield


def change(account: ConnectedAccount, **fields: Any) -> None:
    Credential.objects.filter(pk=account.credential_id).update(**fields)


def test_each_account_stands_in_one_number(make_account: Any, brand: Brand) -> None:
    able, ending, broken, lost, old = (
        make_account("linkedin", str(n)) for n in range(5)
    )
    Credential.objects.update(proven_at=NOON)
    change(ending, expires_at=NOON + 5 * DAY)
    # Broken is broken, whatever else is true of it.
    change(broken, state="broken", expires_at=NOON + 5 * DAY, proven_at=None)
    ConnectedAccount.objects.filter(pk=lost.pk).update(trouble=Cause.ROLE_LOST)
    change(old, proven_at=NOON - 3 * DAY)
    make_account("linkedin", "gone", disconnected_at=NOON)
    note_health()
    row = HealthDay.objects.get()
    assert (row.brand, row.day) == (brand, date(2026, 11, 24))
    assert (row.able, row.ending, row.broken, row.unproven) == (1, 1, 2, 1)
    assert able.brand == brand


def test_who_was_connected_a_moment_ago_is_not_unproven(make_account: Any) -> None:
    new, ending, silent = (make_account("linkedin", str(n)) for n in range(3))
    change(ending, expires_at=NOON + 5 * DAY)
    ConnectedAccount.objects.filter(pk=silent.pk).update(connected_at=NOON - 3 * DAY)
    assert not any(a.credential.proven_at for a in (new, ending, silent))
    note_health()
    row = HealthDay.objects.get()
    assert (row.able, row.ending, row.broken, row.unproven) == (1, 1, 0, 1)


def test_a_later_look_of_the_day_replaces_the_earlier_one(make_account: Any) -> None:
    account = make_account("x")
    change(account, proven_at=NOON)
    history.note(NOON)
    change(account, state="broken")
    history.note(NOON + timedelta(hours=1))
    assert HealthDay.objects.values_list("able", "broken").get() == (0, 1)
    history.note(NOON + DAY)
    ConnectedAccount.objects.update(disconnected_at=NOON)
    history.note(NOON + DAY)
    assert list(HealthDay.objects.values_list("broken", flat=True)) == [1, 0]


def test_old_days_are_forgotten(make_account: Any, brand: Brand) -> None:
    make_account("x")
    HealthDay.objects.create(brand=brand, day=date(2026, 8, 1), able=1)
    HealthDay.objects.create(brand=brand, day=date(2026, 8, 27), able=1)
    history.note(NOON)
    days = list(HealthDay.objects.values_list("day", flat=True))
    assert days == [date(2026, 8, 27), date(2026, 11, 24)]


def test_the_past_is_worked_out_once_from_the_checks(make_account: Any) -> None:
    account = make_account("x", connected_at=NOON - 10 * DAY)
    for days, verdict in ((8, "proven"), (5, "failing"), (5, "unknown"), (2, "proven")):
        CheckResult.objects.create(
            credential=account.credential, at=NOON - days * DAY, verdict=verdict
        )
    change(account, proven_at=NOON)
    history.note(NOON)
    found = list(
        HealthDay.objects.filter(is_derived=True).values_list(
            "day__day", "able", "broken", "unproven"
        )
    )
    assert found == [
        (16, 1, 0, 0),  # proven
        (17, 1, 0, 0),
        (18, 1, 0, 0),
        (19, 0, 1, 0),  # found broken, and so until a check says otherwise
        (20, 0, 1, 0),
        (21, 0, 1, 0),
        (22, 1, 0, 0),
        (23, 1, 0, 0),
    ]
    CheckResult.objects.create(
        credential=account.credential, at=NOON - 9 * DAY, verdict="proven"
    )
    history.note(NOON + DAY)
    assert HealthDay.objects.filter(is_derived=True).count() == 8


def test_noting_costs_as_many_queries_for_many_accounts(make_account: Any) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            history.note(NOON)
        return len(seen)

    make_account("x", "0")
    history.note(NOON)
    few = queries()
    for number in range(1, 30):
        make_account("x", str(number))
    assert queries() == few


def test_days_of_several_brands_are_added_and_of_others_left_out(brand: Brand) -> None:
    other, third = (Brand.objects.create(name=name) for name in ("Other", "Third"))
    for number, one in enumerate((brand, other, third), start=1):
        for days in (0, 1, 95):
            HealthDay.objects.create(
                brand=one, day=(NOON - days * DAY).date(), able=number, broken=days
            )
    found = history.over_time([brand.pk, other.pk], NOON)
    assert [(day.day.day, day.able, day.broken) for day in found] == [
        (23, 3, 2),
        (24, 3, 0),
    ]
    assert found[0].total == 5


def test_ends_are_counted_by_the_readers_week(make_account: Any) -> None:
    # Tuesday. Sunday evening in Berlin is still this week, Monday the next.
    berlin_monday = datetime(2026, 11, 29, 23, 30, tzinfo=UTC)
    for number, at in enumerate(
        (NOON + DAY, berlin_monday, NOON + 80 * DAY, NOON + 200 * DAY)
    ):
        make_account("linkedin", str(number), expires_at=at)
    gone = make_account("linkedin", "broken", expires_at=NOON + DAY)
    change(gone, state="broken")
    rows = make_rows(list(ConnectedAccount.objects.with_health()), NOON)
    from django.utils import timezone

    with timezone.override("Europe/Berlin"):
        chart = ends_by_week(rows, NOON)
    assert chart is not None
    assert chart.data["sets"][0]["values"] == [1, 1] + [0] * 9 + [1]
    assert chart.data["labels"][:2] == ["23 Nov", "30 Nov"]
    assert chart.summary.startswith("3 accounts end in the next 12 weeks")
    assert chart.table[0] == [("Week of", "23 Nov 2026"), ("Accounts that end", 1)]
    assert ends_by_week([], NOON) is None


def test_the_accounts_page_shows_both_charts_with_their_numbers(
    make_account: Any, brand: Brand, client: Client, author: Any
) -> None:
    account = make_account("linkedin", expires_at=NOON + DAY)
    client.force_login(author)
    url = reverse("account_list")
    assert client.get(url).context["health_chart"] is None
    HealthDay.objects.create(brand=brand, day=date(2026, 11, 23), able=4, broken=2)
    HealthDay.objects.create(brand=brand, day=date(2026, 11, 24), able=6)
    page = client.get(url).content.decode()
    assert "able to post 4, then 6; reconnect needed 2, then 0; at most 2" in page
    assert "1 account ends in the next 12 weeks" in page
    assert '"values": [4, 6]' in page
    assert page.count('data-label="Cannot post"') == 2
    assert account.name in page


def test_days_that_were_lived_through_are_a_line_with_a_dent(
    make_account: Any, client: Client, author: Any
) -> None:
    """Written each hour by the job; the last word of each day stays."""
    accounts = [make_account("linkedin", f"a{number}") for number in range(3)]
    lost = Credential.objects.filter(pk=accounts[0].credential_id)
    client.force_login(author)
    url = reverse("account_list")
    for hour in range(5 * 24):
        with time_machine.travel(NOON + timedelta(hours=hour), tick=False):
            Credential.objects.update(proven_at=timezone.now())
            if hour == 30:
                lost.update(state="broken", cause="token_revoked")
            if hour == 75:
                lost.update(state="active", cause="")
            note_health()
    with time_machine.travel(NOON + timedelta(hours=5 * 24 - 1), tick=False):
        chart = client.get(url).context["health_chart"]
    able, _ending, broken, _unproven = chart.data["sets"]
    assert able["values"] == [3, 2, 2, 3, 3, 3]
    assert broken["values"] == [0, 1, 1, 0, 0, 0]
    assert len(chart.data["labels"]) == len(chart.table) == 6


def test_a_day_may_be_a_value_of_a_fixed_query(brand: Brand) -> None:
    for n in range(3):
        HealthDay.objects.create(brand=brand, day=date(2026, 3, 1 + n), able=n)
    query = FixedQuery(
        lambda first: (
            HealthDay.objects.filter(day__gte=first)
            .order_by("day")
            .values_list("day", "able")
        ),
        SAMPLE_DAY,
    )
    for _turn in range(2):
        rows = query.rows(date(2026, 3, 2))
        assert [(as_day(day), able) for day, able in rows] == [
            (date(2026, 3, 2), 1),
            (date(2026, 3, 3), 2),
        ]

"""What the engine asks of the database does not depend on what is finished long ago."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import responses
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import connection, transaction
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent, ConnectedAccount, Credential
from accounts.roles import ADMIN
from monitoring import tasks
from monitoring.models import CheckResult
from publishing import library, offered
from publishing.engine import PumpRun
from publishing.models import Delivery, MediaAsset, Post, PostMedia
from publishing.sweeps import recover_abandoned, release_held
from socialhub.drills import history, loopback
from socialhub.steps import HIDDEN

pytestmark = pytest.mark.django_db

STUB = "http://127.0.0.1:9"
#: Tables that grow for ever.
LARGE = ("publishing_delivery", "publishing_attempt", "publishing_post")
FEW, MANY = 300, 10_000
DUE = 60
Status = Delivery.Status


class InlinePump(PumpRun):
    """A pump whose calls happen at once, in the thread that may use the database."""

    def __init__(self) -> None:
        super().__init__(seconds=1, threads=DUE)
        self.pool: Any = self

    def submit(self, call: Callable[[], None]) -> None:
        call()

    def turn(self) -> None:
        now = timezone.now()
        recover_abandoned(now, self.id, self.in_flight)
        release_held(now)
        self.agenda.read(now)
        self._claim()
        while not self.results.empty():
            self.unsaved.append(self.results.get())
        self._save_results()


def analyze() -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")


@pytest.fixture
def accounts(monkeypatch, settings):
    settings.ALLOWED_PRIVATE_HOSTS = ["127.0.0.1:9"]
    monkeypatch.setenv(loopback.STUB_URL, STUB)
    monkeypatch.setattr(history, "vacuum", analyze)
    return loopback.make_accounts(20)


@pytest.fixture
def platform_api():
    with responses.RequestsMock() as mock:
        number = iter(range(10**6))

        def answer(request: Any) -> tuple[int, dict[str, str], str]:
            return 200, {}, f'{{"id": "{next(number)}", "created_at": null}}'

        mock.add_callback("POST", f"{STUB}/api/v1/statuses", answer)
        yield mock


def work_to_do(accounts, size: int) -> list[Delivery]:
    """Posts due now, one lost by its pump, one held, and the more that wait for later,
    the more are finished."""
    now = timezone.now()
    rows = loopback.make_deliveries([accounts[n % 20] for n in range(DUE)], now, "Due")
    later = [accounts[n % 20] for n in range(size // 10)]
    lost, held, *_ = loopback.make_deliveries(later, now + timedelta(days=3), "Later")
    Delivery.objects.filter(pk=lost.pk).update(
        status=Status.PUBLISHING,
        lease_owner="0" * 32,
        lease_expires_at=now - timedelta(seconds=1),
    )
    Delivery.objects.filter(pk=held.pk).update(
        status=Status.HELD,
        hold=Delivery.Hold.LIMIT,
        held_at=now,
        release_at=now - timedelta(seconds=1),
        next_attempt_at=None,
    )
    return rows


def published(rows) -> int:
    return Delivery.objects.filter(
        pk__in=[row.pk for row in rows], status=Status.PUBLISHED
    ).count()


def turns() -> None:
    """As many as bring all posts of each lane out."""
    pump = InlinePump()
    for _ in range(DUE // 20):
        pump.turn()


@contextmanager
def counted() -> Iterator[list[int]]:
    """What the database did meanwhile: steps of SQLite's machine, or rows that
    PostgreSQL read from the large tables."""
    found = [0]
    if connection.vendor == "postgresql":
        # How much is read by the indexes there are; among so few rows the planner may
        # prefer none, by the pages that other tests have left.
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
        before = _rows_read()
        yield found
        found[0] = _rows_read() - before
        return

    def step() -> int:
        found[0] += 1
        return 0

    connection.connection.set_progress_handler(step, 100)
    try:
        yield found
    finally:
        connection.connection.set_progress_handler(None, 0)


def _rows_read() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0))"
            " FROM pg_stat_xact_user_tables WHERE relname = ANY(%s)",
            [list(LARGE)],
        )
        return int(cursor.fetchone()[0])


def test_a_turn_of_the_pump_costs_the_same_among_few_and_among_many(
    accounts, platform_api
):
    costs = {}
    for size in (FEW, MANY):
        with transaction.atomic():
            history.fill(accounts, size)
            rows = work_to_do(accounts, size)
            with counted() as cost:
                turns()
            assert published(rows) == DUE
            costs[size] = cost[0]
            transaction.set_rollback(True)
    assert costs[FEW] > 0
    assert costs[MANY] <= costs[FEW] * 1.2, costs


@contextmanager
def explained(plans: dict[str, list[str]]) -> Iterator[None]:
    """Collect the plan of each query and update."""

    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith(("SELECT", "(SELECT", "UPDATE", "WITH")) and not many:
            plans[sql] = _plan(sql, params)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(wrapper):
        yield


def _plan(sql: str, params: Any) -> list[str]:
    cursor = connection.connection.cursor()
    if connection.vendor == "postgresql":
        cursor.execute(f"EXPLAIN {sql}", params)
        lines = [row[0] for row in cursor.fetchall()]
    else:
        plain = sql.replace("%s", "?").replace("%%", "%")
        cursor.execute(f"EXPLAIN QUERY PLAN {plain}", params or ())
        lines = [row[3] for row in cursor.fetchall()]
    cursor.close()
    return lines


#: A table, or an index of it, from one end to the other.
WHOLE = r"(?:SCAN|Seq Scan on) (?:{})\b"
FULL = re.compile(WHOLE.format("|".join(LARGE)))
#: All that an account ever had.
WIDE = re.compile(r"\bdelivery_by_account\b")


def test_no_query_of_the_pump_reads_a_whole_table(accounts, platform_api):
    history.fill(accounts, MANY)
    rows = work_to_do(accounts, MANY)
    # Rare, and SQLite may read all that the account has for it.
    assert release_held(timezone.now()) == 1
    plans: dict[str, list[str]] = {}
    with explained(plans):
        turns()
    assert published(rows) == DUE
    seen = [plan for sql, plan in plans.items() if LARGE[0] in sql]
    assert any("delivery_due" in line for plan in seen for line in plan)
    bad = {
        sql: plan
        for sql, plan in plans.items()
        if any(FULL.search(line) or WIDE.search(line) for line in plan)
    }
    assert bad == {}


@pytest.fixture
def member(accounts, client):
    """Signed in, in the brand of very many posts."""
    history.fill(accounts, MANY)
    reader = get_user_model().objects.create_user("ana", "ana@example.com", "pw")
    reader.groups.add(Group.objects.get_or_create(name=ADMIN)[0])
    accounts[0].brand.members.add(reader)
    client.force_login(reader, backend=settings.AUTHENTICATION_BACKENDS[0])
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
    return client


def plans_of(client: Any, address: str) -> dict[str, list[str]]:
    client.get(address)
    plans: dict[str, list[str]] = {}
    with explained(plans):
        assert client.get(address).status_code == 200
    return plans


def test_home_reads_what_is_of_today_and_not_all_that_a_brand_ever_had(member):
    plans = plans_of(member, reverse("home"))
    [went] = [plan for sql, plan in plans.items() if '"published_at" >=' in sql]
    read = [line for line in went if "delivery_published" in line]
    assert len(read) >= 2, went  # the newest, and how many
    lists = {
        sql: plan
        for sql, plan in plans.items()
        if any("publishing_post_brand_id" in line for line in plan)
    }
    # PostgreSQL knows how many posts a brand has, and may join them as it likes.
    assert lists == {} or connection.vendor == "postgresql"


def test_what_people_noted_of_themselves_is_no_look_at_all_that_they_did(member):
    post = Post.objects.first()
    reader = get_user_model().objects.get(username="ana")
    AuditEvent.objects.bulk_create(
        AuditEvent.about(reader, "post.moved", post) for _ in range(2000)
    )
    AuditEvent.write(reader, HIDDEN, reader)
    analyze()
    plans = plans_of(member, reverse("home"))
    trail = AuditEvent._meta.db_table
    found = [plan for sql, plan in plans.items() if f'"{trail}"."verb" ' in sql]
    assert found
    for plan in found:
        assert any("audit_by_target" in line for line in plan), plan
        assert not any("audit_by_actor" in line for line in plan), plan


def test_drafts_are_found_by_their_state(member):
    plans = plans_of(member, f"{reverse('post_list')}?tab=drafts")
    found = [
        plan for sql, plan in plans.items() if '"publishing_post"."state" =' in sql
    ]
    assert found
    assert all(any("post_by_state" in line for line in plan) for plan in found), found


@pytest.mark.parametrize(
    ("tab", "index"), [("published", "delivery_published"), ("all", "delivery_by_time")]
)
def test_a_page_of_a_long_list_is_read_in_the_order_of_an_index(member, tab, index):
    if connection.vendor == "postgresql":
        pytest.skip("PostgreSQL knows how many there are, and may sort few of them")
    plans = plans_of(member, f"{reverse('post_list')}?tab={tab}")
    found = [plan for plan in plans.values() if any(index in line for line in plan)]
    assert found
    # SQLite would sort all of them for the page's few.
    assert not [line for plan in found for line in plan if "FOR ORDER BY" in line]
    lists = [plan for sql, plan in plans.items() if "LIMIT 26" in sql]
    assert len(lists) == 1
    assert lists[0] in found


@pytest.mark.parametrize("tab", ["needs_me", "upcoming"])
def test_what_is_to_come_is_found_without_walking_past_all_that_went_out(member, tab):
    account = ConnectedAccount.objects.order_by("pk").first()
    later = timezone.now() + timedelta(days=1)
    rows = loopback.make_deliveries([account] * DUE, later, "Later")
    Delivery.objects.filter(pk__in=[row.pk for row in rows[::2]]).update(
        status=Status.FAILED, failed_at=timezone.now(), next_attempt_at=None
    )
    analyze()
    plans = plans_of(member, f"{reverse('post_list')}?tab={tab}")
    [(asked, listed)] = [(s, plan) for s, plan in plans.items() if "LIMIT 26" in s]
    if connection.vendor == "postgresql":
        # Among very many it would walk the index that has them in this order.
        assert 'ORDER BY ("publishing_delivery"."due_at" + interval' in asked
    assert any("delivery_by_status" in line for line in listed), listed
    assert not any("delivery_by_time" in line for line in listed), listed


@pytest.mark.parametrize("page", ["calendar", "post_list"])
def test_who_wrote_nothing_is_known_without_reading_what_others_wrote(member, page):
    """Filters offer people who wrote something; PostgreSQL would look for it among all
    posts of the brands, of which it takes every author to have written many."""
    people = get_user_model().objects
    Post.objects.update(author=people.create_user("bea"))
    people.create_user("cem")
    analyze()
    plans = plans_of(member, reverse(page))
    [found] = [
        plan
        for sql, plan in plans.items()
        if " UNION ALL " in sql and '"auth_user"' in sql
    ]
    asked = [line for line in found if "publishing_post" in line]
    assert len(asked) == 1, asked
    assert "publishing_post_author_id" in asked[0]
    owners = offered.to(people.get(username="ana"), page).owners
    names = {name for _key, _first, name, _last in owners}
    assert "bea" in names
    assert "cem" not in names


def test_a_few_posts_to_come_are_found_without_reading_all(accounts):
    if connection.vendor != "postgresql":
        pytest.skip("SQLite reads no table that it has an index into")
    history.fill(accounts, MANY)
    later = timezone.now() + timedelta(days=1)
    loopback.make_deliveries(accounts * 12, later, "Later")
    analyze()
    rows = Delivery.objects.filter(status=Status.SCHEDULED).order_by()
    plan = rows.values("post__changed_at").explain()
    assert "publishing_post_pkey" in plan
    assert "Seq Scan on publishing_post" not in plan


def test_where_a_file_stands_is_found_without_walking_past_all_posts(accounts):
    history.fill(accounts, MANY)
    first = Post.objects.order_by("pk").first()
    asset = MediaAsset.objects.create(
        brand=first.brand, kind="image", mime_type="image/png", size_bytes=1, name="a"
    )
    PostMedia.objects.create(post=first, asset=asset, position=0)
    analyze()
    with counted() as rows:
        assert library.newest_with(asset) == ([first], 1)
    assert rows[0] < 100


@pytest.mark.parametrize("page", ["account_reconnect", "account_links"])
def test_an_account_with_all_that_it_names_is_not_told_from_others(member, page):
    """It is one by its key. To tell rows of a hundred columns apart, PostgreSQL thinks
    for longer how to do it than ten other queries take."""
    account = ConnectedAccount.objects.order_by("pk").first()
    plans = plans_of(member, reverse(page, args=[account.pk]))
    found = [sql for sql in plans if '"accounts_connectedaccount"."external_id"' in sql]
    assert found
    assert not [sql for sql in found if "DISTINCT" in sql]


@pytest.mark.parametrize("tab", ["needs_me", "solved"])
def test_the_desk_finds_the_few_that_were_tried_again_among_all(member, tab):
    """Of all that went out in two months, and of all that is to come."""
    plans = plans_of(member, f"{reverse('failure_desk')}?tab={tab}")
    solved = [plan for sql, plan in plans.items() if '"attempt_count" >' in sql]
    assert len(solved) == 1 + (tab == "solved")
    for plan in solved:
        assert any("delivery_tried_again" in line for line in plan), plan
    [counted] = [plan for sql, plan in plans.items() if "FILTER (WHERE" in sql]
    assert any("delivery_put_off" in line for line in counted), counted


# ---------------------------------------------------------------- looks

CREDENTIALS = 50_000
#: As many rows as there are credentials, or more.
OF_CREDENTIALS = (
    "accounts_credential",
    "accounts_connectedaccount",
    "accounts_ratebucket",
    "monitoring_checkresult",
)


def multiply(model: Any, count: int, changes: dict[str, str], more: str = "") -> None:
    """Copies of the first row, numbered by {n}; written by the database itself."""
    table = model._meta.db_table
    values = {
        f.column: changes.get(str(f.column), f"{table}.{f.column}")
        for f in model._meta.concrete_fields
        if not f.primary_key
    }
    series = (
        "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < %s)"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({', '.join(values)}) {series}"
            f" SELECT {', '.join(values.values())} FROM {table}, s {more}"
            f" WHERE {table}.id = (SELECT min(id) FROM {table})",
            [count],
        )


@pytest.fixture
def many_credentials(accounts):
    """Copies of the first account and its credential, of which none is due."""
    Credential.objects.update(next_proof_at=timezone.now() + timedelta(hours=1))
    copies = CREDENTIALS - len(accounts)
    multiply(Credential, copies, {"subject_id": "'copy-' || n"})
    multiply(
        ConnectedAccount,
        copies,
        {"external_id": "c.subject_id", "credential_id": "c.id"},
        "JOIN accounts_credential c ON c.subject_id = 'copy-' || n",
    )
    analyze()


def test_no_query_of_looks_and_renewals_reads_all_credentials(many_credentials):
    for number, due in enumerate(Credential.objects.order_by("pk")[:DUE], CREDENTIALS):
        due.access_token = f"token-{number}"
        due.subject_id = f"{STUB.partition('://')[2]}/{number}"
        due.next_proof_at = timezone.now()
        due.save()

    def answer(request: Any) -> tuple[int, dict[str, str], str]:
        number = request.headers["Authorization"].rpartition("-")[2]
        return 200, {}, f'{{"id": "{number}"}}'

    plans: dict[str, list[str]] = {}
    with responses.RequestsMock() as mock:
        mock.add_callback("GET", f"{STUB}/api/v1/accounts/verify_credentials", answer)
        with explained(plans):
            tasks.check_credentials()
            tasks.refresh_credentials()
    assert CheckResult.objects.filter(verdict="proven").count() == DUE
    whole = re.compile(WHOLE.format("|".join(OF_CREDENTIALS)))
    assert any("credential_proof_due" in line for p in plans.values() for line in p)
    assert {s: p for s, p in plans.items() if any(map(whole.search, p))} == {}

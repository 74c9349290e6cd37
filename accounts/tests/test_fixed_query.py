"""A query whose words are worked out once answers as the ORM's own does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.db.models import F, Max, Q
from django.test.utils import CaptureQueriesContext

from accounts.fixed_query import (
    MOST_ARGUMENTS,
    SAMPLE_TIME,
    FixedQuery,
    as_time,
    at_once,
    in_one_row,
    instance,
    out_of_one,
)
from accounts.models import Brand, CircuitBreaker, ConnectedAccount

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)
State = CircuitBreaker.State


@pytest.fixture
def rows() -> list[CircuitBreaker]:
    return [
        CircuitBreaker.objects.create(
            platform="x",
            subject=f"token:{n}",
            state=State.OPEN if n % 2 else State.CLOSED,
            retry_at=NOW + timedelta(minutes=n),
            failures=[[n, n, "trouble"]],
        )
        for n in range(6)
    ]


def query() -> FixedQuery[CircuitBreaker]:
    return FixedQuery(
        lambda subjects, until: (
            CircuitBreaker.objects.filter(
                subject__in=subjects, retry_at__lte=until, state=State.OPEN
            )
            .only("platform", "subject", "retry_at", "failures")
            .order_by("pk")
        ),
        ["sample"],
        SAMPLE_TIME,
    )


def test_it_finds_what_the_orm_finds_with_any_values(rows):
    found = query()
    subjects = [row.subject for row in rows]
    assert found.objects(subjects, NOW + timedelta(minutes=3)) == [rows[1], rows[3]]
    assert found.objects(subjects[:2], NOW + timedelta(hours=1)) == [rows[1]]
    assert found.objects([], NOW + timedelta(hours=1)) == []


def test_its_values_are_what_the_fields_make_of_them(rows):
    names = ("subject", "retry_at", "looks_pass", "failures")
    listed = FixedQuery(
        lambda subjects: CircuitBreaker.objects.filter(
            subject__in=subjects
        ).values_list(*names),
        ["sample"],
    )
    assert listed.values(["token:3"]) == [
        ["token:3", NOW + timedelta(minutes=3), False, [[3, 3, "trouble"]]]
    ]
    assert listed.values([]) == []


def test_its_objects_have_real_values_and_leave_the_rest_for_later(rows):
    (found,) = query().objects(["token:3"], NOW + timedelta(hours=1))
    assert found.retry_at == NOW + timedelta(minutes=3)
    assert found.failures == [[3, 3, "trouble"]]
    assert "state" in found.get_deferred_fields()
    assert found.state == State.OPEN


def test_an_instance_comes_with_the_rows_that_it_names(django_assert_num_queries):
    brand = instance(Brand, {"id": 3, "name": "Acme"})
    account = instance(ConnectedAccount, {"id": 7, "brand_id": 3}, {"brand": brand})
    with django_assert_num_queries(0):
        assert account.brand is brand
        assert account.pk == 7
    account.brand = other = Brand(pk=4)
    assert (account.brand_id, account.brand) == (4, other)


def test_rows_are_what_the_driver_gives(rows):
    fixed = FixedQuery(
        lambda pks: (
            CircuitBreaker.objects.filter(pk__in=pks)
            .order_by("-pk")
            .values_list("pk", "subject")
        ),
        [0],
    )
    assert fixed.rows([rows[0].pk, rows[5].pk]) == [
        (rows[5].pk, "token:5"),
        (rows[0].pk, "token:0"),
    ]


@pytest.mark.skipif(connection.vendor != "sqlite", reason="how SQLite's driver reads")
@pytest.mark.parametrize("columns", [1, MOST_ARGUMENTS, 2 * MOST_ARGUMENTS + 1])
def test_rows_that_come_as_one_are_the_same_in_the_same_order(columns):
    words = ", ".join(f"value + {n}" for n in range(columns))
    sql = f"SELECT {words} FROM json_each(%s) ORDER BY value DESC"
    with connection.cursor() as cursor:
        for values in ("[1, 3, 2]", "[]"):
            cursor.execute(sql, [values])
            expected = cursor.fetchall()
            cursor.execute(in_one_row(sql, columns), [values])
            assert out_of_one(cursor.fetchone()) == expected


def test_what_never_changes_is_written_out_as_what_it_is(rows):
    fixed = FixedQuery(
        lambda subjects: (
            CircuitBreaker.objects.filter(
                subject__in=subjects, looks_pass=False, state=State.OPEN
            )
            .exclude(failures=[])
            .order_by("-pk")
            .values_list("subject")[1:3]
        ),
        ["sample"],
    )
    subjects = [row.subject for row in rows]
    assert fixed.rows(subjects) == [("token:3",), ("token:1",)]


@pytest.mark.parametrize("keeps_plan", [False, True])
def test_any_numbers_are_found_again_and_again(rows, keeps_plan):
    fixed = FixedQuery(
        lambda keys, key: CircuitBreaker.objects.filter(
            Q(pk__in=keys) | Q(pk=key)
        ).order_by("pk"),
        [-7],
        -8,
        keeps_plan=keeps_plan,
    )
    keys = [row.pk for row in rows]
    for _turn in range(8):
        assert fixed.objects(keys[:3], keys[-1]) == [*rows[:3], rows[-1]]
        assert fixed.objects([], 5_000_000_000) == []
        assert fixed.objects([keys[0], 5_000_000_000], -1) == [rows[0]]


def test_its_words_are_the_same_for_lists_of_any_length(rows):
    found = query()
    with CaptureQueriesContext(connection) as one:
        found.rows(["token:1"], NOW)
        found.rows(["token:1", "token:2", "token:3"], NOW)
    first, second = (q["sql"].partition("token:1")[0] for q in one.captured_queries)
    assert first == second
    assert found._words() is found._words()


@pytest.mark.parametrize(
    "make",
    [
        lambda value: CircuitBreaker.objects.all(),
        lambda value: CircuitBreaker.objects.filter(subject=value, pk__in=[1]),
    ],
    ids=["left out", "a list of its own"],
)
def test_a_query_that_leaves_a_value_out_or_has_other_lists_is_refused(make):
    with pytest.raises(ValueError, match="not each sample"):
        FixedQuery(make, "sample").rows("x")


def test_a_time_that_would_never_change_is_refused():
    """It would be when the process began."""
    fixed = FixedQuery(
        lambda value: CircuitBreaker.objects.filter(
            subject=value, retry_at__lte=datetime.now(UTC)
        ),
        "sample",
    )
    with pytest.raises(ValueError, match="never changes"):
        fixed.rows("x")


def test_what_looks_like_a_lists_sample_is_not_taken_for_the_list():
    fixed = FixedQuery(
        lambda keys: CircuitBreaker.objects.filter(pk__in=keys, pk__gt=0), [0]
    )
    with pytest.raises(ValueError, match="each list once"):
        fixed.rows([1, 2])


def test_one_value_may_stand_in_several_places(rows):
    fixed = FixedQuery(
        lambda at: CircuitBreaker.objects.filter(
            Q(retry_at__lt=at) | Q(retry_at=at)
        ).order_by("pk"),
        SAMPLE_TIME,
    )
    assert fixed.objects(NOW + timedelta(minutes=1)) == rows[:2]


def test_several_queries_are_answered_by_one_statement(rows):
    found = query()
    names = FixedQuery(
        lambda platform: (
            CircuitBreaker.objects.filter(platform=platform, state=State.CLOSED)
            .order_by("-pk")
            .values_list("pk", "subject")
        ),
        "sample",
    )
    until = NOW + timedelta(hours=1)
    asked = [
        (query_of_times(), (until,)),
        (names, ("x",)),
        (names, ("nobody",)),
        (query_of_times(), (NOW,)),
    ]
    at_once(*asked)
    with CaptureQueriesContext(connection) as seen:
        times, closed, none, early = at_once(*asked)
        told = times.objects()
    assert len(seen) == 1
    assert told == found.objects([row.subject for row in rows], until)
    assert [row.retry_at for row in told] == [rows[n].retry_at for n in (1, 3, 5)]
    assert closed.rows == [(rows[n].pk, f"token:{n}") for n in (4, 2, 0)]
    assert (none.rows, early.objects()) == ([], [])


def query_of_times() -> FixedQuery[CircuitBreaker]:
    return FixedQuery(
        lambda until: (
            CircuitBreaker.objects.filter(retry_at__lte=until, state=State.OPEN)
            .only("subject", "retry_at")
            .order_by("pk")
        ),
        SAMPLE_TIME,
    )


@pytest.mark.parametrize("subject", ["it's", "50 % off", "a\\b", "token:1"])
def test_what_never_changes_is_found_whatever_stands_in_it(subject):
    row = CircuitBreaker.objects.create(platform="x", subject=subject)
    fixed = FixedQuery(
        lambda pk: CircuitBreaker.objects.filter(
            pk=pk, subject=subject, looks_pass=False
        ).values_list("subject"),
        -7,
    )
    assert fixed.rows(row.pk) == [(subject,)]
    assert fixed.rows(row.pk + 1) == []


@pytest.mark.skipif(connection.vendor != "sqlite", reason="how SQLite plans")
def test_values_that_never_change_are_not_bound():
    words = query()._words()
    assert len(words.places) == 2
    assert f"'{State.OPEN}'" in words.sql


def test_what_a_query_leaves_out_is_read_when_it_is_asked_for(rows):
    found = query().objects([rows[1].subject], NOW + timedelta(hours=1))[0]
    assert found.retry_at == rows[1].retry_at
    with CaptureQueriesContext(connection) as caught:
        assert found.open_count == rows[1].open_count
    assert len(caught) == 1
    found.open_count = 7
    found.save(update_fields=["open_count"])
    assert CircuitBreaker.objects.get(pk=rows[1].pk).open_count == 7


def test_instances_are_made_of_those_rows_that_are_wanted(rows):
    subjects = [row.subject for row in rows]
    found, make = query().lazily(subjects, NOW + timedelta(hours=1))
    assert [row[0] for row in found] == [rows[1].pk, rows[3].pk, rows[5].pk]
    assert make(found[1]) == rows[3]
    assert make(found[1]).failures == [[3, 3, "trouble"]]


def test_computed_times_are_aware(rows):
    latest = FixedQuery(
        lambda until: (
            CircuitBreaker.objects.filter(retry_at__lte=until)
            .order_by()
            .values_list("state")
            .annotate(at=Max("retry_at"), never=Max("closed_at"))
        ),
        SAMPLE_TIME,
    )
    found = {
        state: (as_time(at), as_time(never))
        for state, at, never in latest.rows(NOW + timedelta(hours=1))
    }
    assert found == {
        State.OPEN: (NOW + timedelta(minutes=5), None),
        State.CLOSED: (NOW + timedelta(minutes=4), None),
    }


def test_what_many_rows_name_is_one_object(make_account):
    rows = [make_account("mastodon", str(n)) for n in range(3)]
    query = FixedQuery(
        lambda keys: (
            ConnectedAccount.objects.filter(pk__in=keys)
            .select_related("credential__app", "brand")
            .order_by("pk")
        ),
        [-7],
    )
    found = query.objects([row.pk for row in rows])
    assert found == rows
    assert len({id(row.brand) for row in found}) == 1
    assert len({id(row.credential) for row in found}) == 3
    assert [row.credential.app for row in found] == [r.credential.app for r in rows]


def test_rows_that_a_query_joins_come_with_it(make_account, author):
    account = make_account("mastodon", "1")
    alone = make_account("bluesky", "2")
    alone.credential = None
    alone.owner = author
    alone.save(update_fields=["credential", "owner"])

    def joined(keys):
        return (
            ConnectedAccount.objects.filter(pk__in=keys)
            .select_related("credential__app", "credential__parent", "owner")
            .defer("credential__access_token", "credential__app__client_secret")
            .annotate(brand_name=F("brand__name"))
            .order_by("-pk")
        )

    query = FixedQuery(joined, [-7])
    keys = [account.pk, alone.pk]
    for _turn in range(2):
        with CaptureQueriesContext(connection) as caught:
            found = query.objects(keys)
            for row, whole in zip(found, (alone, account), strict=True):
                assert row == whole
                assert row.brand_name == whole.brand.name
                assert row.owner == whole.owner
                assert (row.credential is None) is (whole.credential_id is None)
        mine = [one for one in caught if "accounts_connectedaccount" in one["sql"]]
        assert len(mine) == 1
    access, expected = found[1].credential, account.credential
    for field in type(access)._meta.concrete_fields:
        if field.name != "access_token":
            assert getattr(access, field.attname) == getattr(expected, field.attname)
    assert access.get_deferred_fields() == {"access_token"}
    assert access.app.get_deferred_fields() == {"client_secret"}
    assert (access.app.platform, access.parent) == ("mastodon", None)
    assert access.app.facts == expected.app.facts
    assert access.app.may_mention is expected.app.may_mention is False
    # What was left out is read when it is asked for.
    assert access.access_token == expected.access_token


@pytest.mark.parametrize("joined", [(), ("credential",)])
def test_documents_are_what_the_orm_makes_of_them_and_each_its_own(
    make_account, joined
):
    rows = [make_account("mastodon", str(n)) for n in range(4)]
    for row, extra in zip(rows, [{}, {"a": [1, "ü"]}, {}, []], strict=True):
        row.extra = extra
        row.save(update_fields=["extra"])

    def wanted(keys):
        found = ConnectedAccount.objects.filter(pk__in=keys).order_by("pk")
        return found.select_related(*joined) if joined else found

    keys = [row.pk for row in rows]
    found = FixedQuery(wanted, [-7]).objects(keys)
    assert [one.extra for one in found] == [one.extra for one in wanted(keys)]
    assert found[0].extra is not found[2].extra

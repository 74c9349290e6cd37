"""Writers of one SQLite file, each with a connection of its own."""

from copy import deepcopy

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import OperationalError, connection, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from accounts.models import Profile
from socialhub.sqlite import base

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        "sqlite" not in settings.DATABASES["default"]["ENGINE"],
        reason="SQLite's own; the SQLite part of the run has it",
    ),
]


@pytest.fixture
def database(tmp_path):
    """Makes connections to one file: `database(timeout=…)`."""
    made = []

    def connect(timeout: float = 20) -> BaseDatabaseWrapper:
        facts = deepcopy(settings.DATABASES["default"])
        facts |= {"NAME": str(tmp_path / "own.sqlite3")}
        facts["OPTIONS"] = facts["OPTIONS"] | {"timeout": timeout}
        defaults = {"ATOMIC_REQUESTS": False, "AUTOCOMMIT": True, "TIME_ZONE": None}
        made.append(base.DatabaseWrapper({**defaults, **facts}, "own"))
        return made[-1]

    yield connect
    for one in made:
        one.close()


def begin(connection):
    connection.ensure_connection()
    connection._start_transaction_under_autocommit()


def busy_timeout(connection):
    return connection.connection.execute("PRAGMA busy_timeout").fetchone()[0]


def test_a_writer_waits_for_the_one_before_it(database, monkeypatch):
    first, second = database(), database()
    begin(first)
    naps = []

    def nap(seconds):
        naps.append(seconds)
        if len(naps) == 3:
            first.connection.rollback()

    monkeypatch.setattr(base.time, "sleep", nap)
    begin(second)
    assert second.connection.in_transaction
    assert naps == [base.NAP_S] * 3
    assert busy_timeout(second) == 20_000  # other statements wait as ever


def test_who_waited_for_too_long_is_told(database):
    first, second = database(), database(timeout=0)
    begin(first)
    with pytest.raises(OperationalError, match="locked"):
        begin(second)
    assert busy_timeout(second) == 0
    assert not second.connection.in_transaction


def test_every_transaction_of_ours_begins_that_way():
    assert isinstance(connections["default"], base.DatabaseWrapper)
    with transaction.atomic():
        assert connection.connection.in_transaction
    assert not connection.connection.in_transaction


def test_a_thousand_rows_and_more_find_what_they_point_to():
    model = get_user_model()
    people = model.objects.bulk_create(model(username=f"p{n}") for n in range(1_100))
    Profile.objects.bulk_create(Profile(user=person) for person in people)
    found = Profile.objects.prefetch_related("user").order_by("pk")
    assert [row.user for row in found] == people

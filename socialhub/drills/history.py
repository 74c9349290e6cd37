"""Years of finished deliveries, written by the database itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.core.management.color import no_style
from django.db import connection, models, transaction
from django.utils import timezone

from accounts.models import ConnectedAccount
from publishing.models import Attempt, Delivery, Post

from .loopback import make_deliveries
from .runner import say

#: One finished delivery a minute: a million are two years.
EVERY_S = 60
#: Rows of one statement.
STEP = 100_000
ANSWER: dict[str, Any] = {
    "step": "post",
    "call": "POST /api/v1/statuses",
    "at": "2026-01-01T00:00:00.000+00:00",
    "ms": 312,
    "status": 200,
    "request_id": "0" * 32,
}


def fill(
    accounts: Sequence[ConnectedAccount], count: int, every_s: int = EVERY_S
) -> None:
    """Add deliveries that were published, each with its post and its attempt.

    The newest was published an hour ago. Of each account equally many, as bulky as
    those that the engine leaves behind.
    """
    pattern = _pattern(accounts[0], count, every_s)
    ids = [account.pk for account in accounts]
    if ids != list(range(ids[0], ids[0] + len(ids))):
        raise ValueError("the accounts are not numbered in one row")
    for done in range(0, count - 1, STEP):
        numbers = range(done + 1, min(done + STEP, count - 1) + 1)
        _copy(pattern, numbers, ids, every_s)
        say(f"{min(done + STEP, count - 1) + 1} of {count} finished deliveries")
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(
            no_style(), [Post, Delivery, Attempt]
        ):
            cursor.execute(statement)
    vacuum()


def vacuum() -> None:
    """As PostgreSQL's autovacuum would have done long ago. On SQLite nobody does."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")


def _pattern(account: ConnectedAccount, count: int, every_s: int) -> Attempt:
    """The oldest of them, written like any other; the rest are its copies."""
    at = timezone.now().replace(microsecond=0) - timedelta(
        hours=1, seconds=count * every_s
    )
    (row,) = make_deliveries([account], at, "Finished")
    Delivery.objects.filter(pk=row.pk).update(
        status=Delivery.Status.PUBLISHED,
        next_attempt_at=None,
        fence=1,
        attempt_count=1,
        commit_count=1,
        external_id="history",
        permalink="https://social.example/@bench/history",
        published_at=at,
        first_sent_at=at,
        draft={"text": row.post.text, "media": [], "options": {}},
    )
    return Attempt.objects.create(
        delivery=row,
        number=1,
        worker="bench:1",
        opened_at=at,
        closed_at=at,
        outcome="published",
        step="post",
        http_status=200,
        request_id=ANSWER["request_id"],
        calls=[ANSWER],
    )


def _copy(
    pattern: Attempt, numbers: range, accounts: Sequence[int], every_s: int
) -> None:
    """Copies with these numbers, which are also added to their primary keys."""
    row = pattern.delivery
    if connection.vendor == "postgresql":
        series = "SELECT generate_series(%s::bigint, %s::bigint) AS n"
        shifted = f"({{}} + n * interval '{every_s} seconds')"
        digest, text = "md5((id + n)::text)", "(id + n)::text"
        marker = "lpad(to_hex(id + n), 12, '0') || right(md5((id + n)::text), 20)"
    else:
        series = (
            "WITH RECURSIVE s(n) AS (SELECT %s UNION ALL SELECT n + 1 FROM s WHERE"
            " n < %s) SELECT n FROM s"
        )
        # As Django writes them: with microseconds and without a zone.
        shifted = (
            f"(strftime('%%Y-%%m-%%d %%H:%%M:%%f', {{}}, (n * {every_s}) || "
            "' seconds') || '000')"
        )
        digest, text = "printf('%%032x', id + n)", "CAST(id + n AS TEXT)"
        marker = "printf('%%012x%%020x', id + n, id + n)"
    account = f"{accounts[0]} + n %% {len(accounts)}"
    changes: dict[type[models.Model], Mapping[str, str]] = {
        Post: {"id": "id + n", "text": f"text || {text}"},
        Delivery: {
            "id": "id + n",
            "post_id": "post_id + n",
            "account_id": account,
            "marker": marker,
            "fingerprint": f"{digest} || {digest}",
            "external_id": f"'history-' || {text}",
        },
        Attempt: {"id": "id + n", "delivery_id": "delivery_id + n"},
    }
    pks = {Post: row.post_id, Delivery: row.pk, Attempt: pattern.pk}
    with transaction.atomic(), connection.cursor() as cursor:
        for model, changed in changes.items():
            names, values = [], []
            for field in model._meta.concrete_fields:
                name = str(field.column)
                value = connection.ops.quote_name(name)
                names.append(value)
                if isinstance(field, models.DateTimeField):
                    value = shifted.format(value)
                values.append(changed.get(name, value))
            cursor.execute(
                f"INSERT INTO {model._meta.db_table} ({', '.join(names)})"  # noqa: S608
                f" SELECT {', '.join(values)} FROM {model._meta.db_table},"
                f" ({series}) AS series WHERE {model._meta.db_table}.id = %s",
                [numbers[0], numbers[-1], pks[model]],
            )

"""How PostgreSQL reckons for us, where nobody has told it otherwise.

Left to itself it takes a page of a disk for four times as dear out of turn as in turn,
as disks that turn had it. For the posts of the coming week it then reads all hundred
thousand that ever were: 56 ms instead of 8 on home, where it also calls in a second
process for what one answers: 27 ms instead of 11 (least of nine turns, in alternation).
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

#: random_page_cost: as PostgreSQL's manual has it for solid disks, and for what lies in
#: memory. parallel_setup_cost: for what takes a tenth of a second and more.
OURS = {"random_page_cost": "1.1", "parallel_setup_cost": "20000"}
#: What the server, the database, the role or the address sets stays as it is.
TELL = (
    "SELECT set_config(name, ours.setting, false)"
    " FROM pg_settings JOIN unnest(%s::text[], %s::text[]) AS ours(name, setting)"
    " USING (name) WHERE source = 'default'"
)


#: What comes once more is prepared.
UNPREPARED = 1
#: The server keeps a plan of each, tens of kilobytes long.
MOST_PREPARED = 300


def tell(connection: BaseDatabaseWrapper, **_signal: Any) -> None:
    """Once for each connection."""
    if connection.vendor == "postgresql":
        connection.connection.prepare_threshold = UNPREPARED
        connection.connection.prepared_max = MOST_PREPARED
        with connection.cursor() as cursor:
            cursor.execute(TELL, [list(OURS), list(OURS.values())])


def cursor(connection: Any) -> AbstractContextManager[Any]:
    """For statements whose words stay the same: PostgreSQL plans such a one once.

    Django writes values into the words, so that each statement is a new one. These are
    sent beside them: the words have to tell what type each is of. Where queries are
    logged, they are to be read with their values.
    """
    if connection.vendor != "postgresql" or connection.queries_logged:
        found: AbstractContextManager[Any] = connection.cursor()
        return found
    from psycopg import Cursor

    connection.close_if_health_check_failed()
    connection.ensure_connection()
    with connection.wrap_database_errors:
        # As `connection.cursor()` does with Django's own.
        wrapped: AbstractContextManager[Any] = connection._prepare_cursor(
            Cursor(connection.connection)
        )
    return wrapped

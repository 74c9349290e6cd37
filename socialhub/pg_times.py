"""PostgreSQL's times, read by Python's own reader.

Django's reader takes each apart with a regular expression and puts the zone in
afterwards, many times slower, and a page of 200 accounts reads more than a thousand.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

TEXT = 0


def read(connection: BaseDatabaseWrapper, **_signal: Any) -> None:
    """Once for each connection."""
    if connection.vendor != "postgresql" or connection.timezone is not UTC:
        return
    adapters = connection.connection.adapters
    djangos: Any = adapters.get_loader(adapters.types["timestamptz"].oid, TEXT)

    class Reader(djangos):
        """Django asks it for its zone, too."""

        def load(self, data: Any) -> datetime:
            try:
                found = datetime.fromisoformat(str(data, "ascii"))
            except ValueError:  # infinity, or before our era
                return super().load(data)
            return found if found.tzinfo is UTC else super().load(data)

    adapters.register_loader("timestamptz", Reader)

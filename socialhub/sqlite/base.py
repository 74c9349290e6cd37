"""Django's SQLite backend, whose writers wait for each other without long naps."""

from __future__ import annotations

import time

from django.db import OperationalError
from django.db.backends.sqlite3 import base
from django.db.backends.sqlite3.features import DatabaseFeatures as Features

#: How long a writer naps before it asks for its turn again, in seconds.
NAP_S = 0.001
#: Python's own, for those who set none.
TIMEOUT_S = 5.0


class DatabaseFeatures(Features):
    # Django reads the rows that 1,000 others point to (`prefetch_related` along a
    # foreign key) by a tuple lookup, and without these by as many ORs in one another,
    # which SQLite refuses: "Expression tree is too large". Of one column, and none of
    # our keys has more, `(id) IN ((1), (2))` is what SQLite takes.
    supports_tuple_lookups = True


class DatabaseWrapper(base.DatabaseWrapper):
    features_class = DatabaseFeatures

    def _start_transaction_under_autocommit(self) -> None:
        """Begin; while another writes, ask again every millisecond.

        Left to itself SQLite naps up to 0.1 s between two questions. The pumps of a
        cluster write in turn, and the machine then stands idle for a third of the time
        (`bench publish` at no latency).

        OperationalError "database is locked" when the `timeout` of OPTIONS is over.
        """
        options = self.settings_dict["OPTIONS"]
        if options.get("transaction_mode") != "IMMEDIATE":
            super()._start_transaction_under_autocommit()  # type: ignore[misc]
            return
        timeout_s = options.get("timeout", TIMEOUT_S)
        end = time.monotonic() + timeout_s
        self.connection.execute("PRAGMA busy_timeout = 0")
        try:
            while not self._begun(last=time.monotonic() > end):
                time.sleep(NAP_S)
        finally:
            self.connection.execute(f"PRAGMA busy_timeout = {timeout_s * 1000:.0f}")

    def _begun(self, *, last: bool) -> bool:
        try:
            super()._start_transaction_under_autocommit()  # type: ignore[misc]
        except OperationalError as exc:
            if last or "locked" not in str(exc):
                raise
            return False
        return True

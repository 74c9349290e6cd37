"""How the whole test run is put together."""

from tests.run import LONG_FIRST, ROOT, lanes


def test_parts_that_may_run_side_by_side_share_no_database():
    databases = {"SQLite": "", "PostgreSQL": "postgres://127.0.0.1/postgres"}
    working, waiting = (
        {part.env["TEST_DATABASE_NAME"] for part in lane}
        for lane in lanes(databases, {})
    )
    assert working.isdisjoint(waiting)


def test_files_that_come_first_are_there():
    assert [path for path in LONG_FIRST if not (ROOT / path).is_file()] == []

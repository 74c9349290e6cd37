"""How the whole test run is put together."""

import pytest

from tests.run import LIVE_MARKS, LONG_FIRST, ROOT, has_live_tests, lanes


def test_parts_that_may_run_side_by_side_share_no_database():
    databases = {"SQLite": "", "PostgreSQL": "postgres://127.0.0.1/postgres"}
    working, waiting = (
        {part.env["TEST_DATABASE_NAME"] for part in lane}
        for lane in lanes(databases, {})
    )
    assert working.isdisjoint(waiting)


def test_files_that_come_first_are_there():
    assert [path for path in LONG_FIRST if not (ROOT / path).is_file()] == []


@pytest.mark.parametrize("mark", LIVE_MARKS)
@pytest.mark.parametrize("way", ["@{}", "pytestmark = {}", "pytestmark = [a, {}]"])
def test_a_file_with_one_live_test_is_read_where_only_these_are_wanted(
    tmp_path, mark, way
):
    path = tmp_path / "test_a.py"
    path.write_text(way.format(f"pytest.mark.{mark}"))
    assert has_live_tests(path)
    path.write_text("@pytest.mark.django_db")
    assert not has_live_tests(path)


def test_every_file_that_comes_first_has_live_tests():
    assert all(has_live_tests(ROOT / path) for path in LONG_FIRST)

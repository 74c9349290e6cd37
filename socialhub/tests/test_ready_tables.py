"""The databases of one run copy the tables that the first of them has got."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from socialhub import ready_tables
from socialhub.drills.runner import server_url
from socialhub.sandbox import Sandbox


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    url = server_url("same")
    with ready_tables.kept(*[url] if url else []) as shared:
        for name, value in shared.items():
            monkeypatch.setenv(name, value)
        yield


@pytest.fixture
def empty() -> Iterator[Callable[[], str]]:
    """Make an empty database of the kind of this run; its address."""
    with contextlib.ExitStack() as boxes:
        yield lambda: boxes.enter_context(Sandbox(server_url("same"))).env[
            "DATABASE_URL"
        ]


def execute(url: str, sql: str) -> list[tuple[object, ...]]:
    """The rows; what it changes is written down at once."""
    if url.startswith("sqlite"):
        with contextlib.closing(
            sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
        ) as lite:
            return list(lite.execute(sql))
    with psycopg.connect(url, autocommit=True) as server:
        done = server.execute(sql)
        return list(done.fetchall()) if done.description else []


class Maker:
    def __init__(self) -> None:
        self.made: list[str] = []

    def fill(self, url: str, kind: str = ready_tables.STARTED) -> None:
        ready_tables.fill(url, lambda: self._make(url), kind)

    def _make(self, url: str) -> None:
        self.made.append(url)
        execute(url, "CREATE TABLE ready (made_by integer)")
        execute(url, f"INSERT INTO ready VALUES ({len(self.made)})")


@pytest.mark.usefixtures("run")
def test_the_first_sandbox_makes_the_tables_and_the_others_copy_them(
    empty: Callable[[], str],
) -> None:
    maker = Maker()
    first, second, third = empty(), empty(), empty()
    for url in (first, second, third):
        maker.fill(url)
    assert maker.made == [first]
    # Each has its own from then on.
    execute(second, "DELETE FROM ready")
    rows = [execute(url, "SELECT made_by FROM ready") for url in (first, second, third)]
    assert rows == [[(1,)], [], [(1,)]]
    # What only migrations have made is another thing.
    maker.fill(fourth := empty(), ready_tables.MIGRATED)
    assert maker.made == [first, fourth]


@pytest.mark.usefixtures("run")
def test_tables_that_could_not_be_made_are_not_kept(empty: Callable[[], str]) -> None:
    def fail() -> None:
        raise RuntimeError("a migration failed")

    with pytest.raises(RuntimeError, match="a migration failed"):
        ready_tables.fill(empty(), fail)
    maker = Maker()
    maker.fill(second := empty())
    assert maker.made == [second]


@pytest.mark.usefixtures("run")
def test_the_first_folder_is_made_and_the_others_copy_it(tmp_path: Path) -> None:
    made: list[Path] = []

    def fill(own: Path) -> None:
        def make() -> None:
            made.append(own)
            (own / "css").mkdir(parents=True)
            (own / "css" / "a.css").write_text(f"{len(made)}")

        ready_tables.fill_folder(own, make)

    for name in ("first", "second", "third"):
        fill(tmp_path / name)
    assert made == [tmp_path / "first"]
    (tmp_path / "second" / "css" / "a.css").write_text("changed")
    texts = [path.read_text() for path in sorted(tmp_path.glob("*/css/a.css"))]
    assert texts == ["1", "changed", "1"]


def test_a_drill_hands_the_tables_of_a_run_on_to_its_own_sandboxes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(ready_tables.FOLDER, "/tmp/of-this-run")
    with Sandbox() as box:
        assert box.env[ready_tables.FOLDER] == "/tmp/of-this-run"


def test_without_a_run_each_sandbox_makes_its_own(
    empty: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ready_tables.FOLDER, raising=False)
    maker = Maker()
    first, second = empty(), empty()
    maker.fill(first)
    maker.fill(second)
    assert maker.made == [first, second]


def test_nothing_stays_when_the_run_is_over(
    empty: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server_url("same")
    with ready_tables.kept(*[url] if url else []) as shared:
        folder = Path(shared[ready_tables.FOLDER])
        monkeypatch.setenv(ready_tables.FOLDER, str(folder))
        maker = Maker()
        maker.fill(empty())
        maker.fill(made := empty(), ready_tables.MIGRATED)
        before = databases(made)
    assert not folder.exists()
    # The others of this server belong to whoever runs beside us.
    kept = {name for name in before if folder.name.replace("-", "_").lower() in name}
    assert len(kept) == (2 if url else 0)
    assert not kept & databases(made)


def databases(url: str) -> set[object]:
    if url.startswith("sqlite"):
        return set()
    return {name for (name,) in execute(url, "SELECT datname FROM pg_database")}

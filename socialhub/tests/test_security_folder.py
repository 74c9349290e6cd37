"""The data folder is nobody else's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from socialhub.start import check_folder


@pytest.fixture
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.usefixtures("usual_umask")
def test_other_users_of_the_machine_cannot_look_into_a_fresh_data_folder(
    tmp_path: Path,
) -> None:
    check_folder(tmp_path / "deep" / "var")

    assert (tmp_path / "deep" / "var").stat().st_mode & 0o077 == 0


@pytest.mark.usefixtures("usual_umask")
def test_a_folder_that_the_operator_made_keeps_its_permissions(tmp_path: Path) -> None:
    (tmp_path / "var").mkdir(mode=0o750)

    check_folder(tmp_path / "var")

    assert (tmp_path / "var").stat().st_mode & 0o777 == 0o750

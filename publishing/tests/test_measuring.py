"""Measuring happens in a process of its own, which is bounded and may die."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from publishing import examine, incoming, measuring, recode, reshape, spreadsheet
from publishing.measuring import UploadRefused, measured
from publishing.tests.made_files import pdf, picture, video


@pytest.fixture(autouse=True)
def own_files(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "media"


@pytest.fixture
def file(tmp_path):
    def file(data: bytes) -> Path:
        path = tmp_path / "file"
        path.write_bytes(data)
        return path

    return file


def program(tmp_path, monkeypatch, text: str) -> None:
    """Let this run in place of the program that looks."""
    path = tmp_path / "program.py"
    path.write_text(f"import sys\nsys.path.insert(0, {str(Path.cwd())!r})\n{text}")
    monkeypatch.setattr(examine, "__file__", str(path))


def test_facts_and_a_preview_come_back_and_nothing_stays_behind(file):
    with measured(file(video()), "clip.mp4") as found:
        assert found.facts["kind"] == "video"
        assert found.preview is not None
        assert found.preview.read_bytes()[:4] == b"RIFF"
    assert list(incoming.folder().iterdir()) == []


@pytest.mark.parametrize(
    ("make", "name", "sentence"),
    [
        (lambda: b"", "a.mp4", "a.mp4 is empty"),
        (lambda: b"MZ", "a.exe", "a.exe is no file that can be posted. Use a JPEG"),
        (lambda: video()[:-99], "a.mp4", "a.mp4 is damaged or not complete. Export"),
        (video, "a.jpg", "a.jpg is really an MP4 video. Rename it to a.mp4."),
        (picture, "a.mp4", "a.mp4 is really a JPEG image. Rename it to a.jpg."),
        (pdf, "noending", "noending is really a PDF document. Rename it to n"),
    ],
)
def test_a_refusal_names_file_reason_and_cure(file, make, name, sentence):
    with pytest.raises(UploadRefused) as refused, measured(file(make()), name):
        pass
    assert str(refused.value).startswith(sentence)
    assert list(incoming.folder().iterdir()) == []


def test_mp4_and_quicktime_share_their_endings(file):
    with measured(file(video()), "Clip.MOV") as found:
        assert found.facts["mime_type"] == "video/mp4"


def test_every_reason_has_its_sentence():
    source = "".join(
        Path(p.__file__).read_text() for p in (examine, recode, reshape, spreadsheet)
    )
    codes = set(re.findall(r'[Rr]efused\("(\w+)"', source))
    assert codes | {"no_room", "too_much"} == set(measuring._REASONS) | {"no_room"}


@pytest.mark.parametrize(
    "text",
    [
        "import time\ntime.sleep(60)",
        "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)",
        "from publishing import examine\nexamine.MEMORY = 300 << 20\n"
        "examine.examine = lambda *a: bytes(1 << 30)\nexamine.answer_with(examine.examine)",
    ],
    ids=["hangs", "dies", "eats memory"],
)
def test_a_file_that_takes_too_much_is_refused(file, tmp_path, monkeypatch, text):
    program(tmp_path, monkeypatch, text)
    monkeypatch.setattr(measuring, "TIMEOUT_S", 2)
    with (
        pytest.raises(UploadRefused, match="too much memory or time"),
        measured(file(picture()), "a.jpg"),
    ):
        pass


def test_a_program_that_breaks_is_a_file_that_is_damaged(file, tmp_path, monkeypatch):
    program(tmp_path, monkeypatch, "sys.exit('no idea')")
    with (
        pytest.raises(UploadRefused, match=r"a\.jpg is damaged"),
        measured(file(picture()), "a.jpg"),
    ):
        pass


def test_a_preview_that_finds_no_room_is_said_as_such(file, tmp_path, monkeypatch):
    program(
        tmp_path,
        monkeypatch,
        "from publishing import examine\n"
        "def full(*a): raise OSError(28, 'No space left on device')\n"
        "examine.examine = full\nexamine.answer_with(examine.examine)",
    )
    with (
        pytest.raises(UploadRefused, match="disk has no room"),
        measured(file(picture()), "a.jpg"),
    ):
        pass


def test_the_program_needs_nothing_of_ours():
    """It runs with -I: no folder of ours is on its path."""
    source = Path(examine.__file__).read_text()
    imported = {
        line.split()[1].split(".")[0]
        for line in map(str.strip, source.splitlines())
        if line.startswith(("import ", "from "))
    }
    assert imported <= {*sys.stdlib_module_names, "PIL", "av", "pypdf"}

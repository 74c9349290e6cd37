"""Measures a file in a process of its own, and says in words why it is refused."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from threading import BoundedSemaphore
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from platforms import captions
from platforms.base import MediaKind

from . import examine, incoming

logger = logging.getLogger(__name__)

#: Longer than any honest file needs on a busy machine; then the process is killed.
TIMEOUT_S = 60
#: Files that are measured side by side in one web process: each may take memory.
_AT_ONCE = BoundedSemaphore(2)

#: MIME type -> what people call it, and the endings that are honest about it, the
#: usual one first. Cameras and programs use the endings of MP4 and QuickTime alike.
_OFFICE = "application/vnd.openxmlformats-officedocument."
TYPES: dict[str, tuple[Any, tuple[str, ...]]] = {
    "image/jpeg": (
        gettext_lazy("a JPEG image"),
        (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    ),
    "image/png": (gettext_lazy("a PNG image"), (".png", ".apng")),
    "image/gif": (gettext_lazy("a GIF image"), (".gif",)),
    "image/webp": (gettext_lazy("a WEBP image"), (".webp",)),
    "video/mp4": (gettext_lazy("an MP4 video"), (".mp4", ".m4v", ".mov", ".qt")),
    "video/quicktime": (
        gettext_lazy("a QuickTime video"),
        (".mov", ".qt", ".mp4", ".m4v"),
    ),
    "video/webm": (gettext_lazy("a WebM video"), (".webm",)),
    "audio/mpeg": (gettext_lazy("an MP3 audio file"), (".mp3",)),
    "audio/ogg": (gettext_lazy("an Ogg audio file"), (".ogg", ".oga", ".opus")),
    "audio/wav": (gettext_lazy("a WAV audio file"), (".wav", ".wave")),
    "audio/flac": (gettext_lazy("a FLAC audio file"), (".flac",)),
    "audio/aac": (gettext_lazy("an AAC audio file"), (".aac",)),
    "audio/mp4": (gettext_lazy("an M4A audio file"), (".m4a", ".m4b", ".mp4")),
    "audio/webm": (gettext_lazy("a WebM audio file"), (".weba", ".webm")),
    "application/pdf": (gettext_lazy("a PDF document"), (".pdf",)),
    f"{_OFFICE}wordprocessingml.document": (
        gettext_lazy("a Word document"),
        (".docx",),
    ),
    f"{_OFFICE}presentationml.presentation": (
        gettext_lazy("a PowerPoint presentation"),
        (".pptx",),
    ),
    captions.SRT: (gettext_lazy("SRT captions"), (".srt",)),
    captions.VTT: (gettext_lazy("WebVTT captions"), (".vtt",)),
}

#: Reasons of `examine` as sentences with their cure.
_REASONS: dict[str, Any] = {
    "empty": gettext_lazy("%(name)s is empty. Choose the file again."),
    "unknown": gettext_lazy(
        "%(name)s is no file that can be posted. Use a JPEG, PNG, GIF or WebP image, an "
        "MP4, MOV or WebM video, an MP3, M4A, AAC, OGG, FLAC or WAV audio file, a PDF, "
        "DOCX or PPTX document, or SRT or WebVTT captions."
    ),
    "damaged": gettext_lazy(
        "%(name)s is damaged or not complete. Export it again and add it again."
    ),
    "pixels": gettext_lazy(
        "%(name)s has too many pixels: at most %(limit)s million. Make it smaller and "
        "add it again."
    ),
    "too_large": gettext_lazy(
        "%(name)s is too large: at most %(limit)s MB for a file of its kind. Make it "
        "smaller and add it again."
    ),
    "frames": gettext_lazy(
        "%(name)s has more than %(limit)s pictures. Make the animation shorter, or add "
        "it as a video."
    ),
    "no_pictures": gettext_lazy(
        "%(name)s has sound and no pictures. Add a video or an image."
    ),
    "codec": gettext_lazy(
        "%(name)s is encoded as %(codec)s, which cannot be measured. Export it as MP4 "
        "with H.264 and add it again."
    ),
    "sound_codec": gettext_lazy(
        "%(name)s is encoded as %(codec)s, which cannot be measured. Export it as MP3 or "
        "AAC and add it again."
    ),
    "video_pixels": gettext_lazy(
        "%(name)s says that its pictures are %(width)s × %(height)s, more than 8K. "
        "Export it smaller and add it again."
    ),
    "too_long": gettext_lazy(
        "%(name)s is longer than %(hours)s hours. Trim it and add it again."
    ),
    "locked": gettext_lazy(
        "%(name)s is protected by a password. Save it without one and add it again."
    ),
    "macros": gettext_lazy("%(name)s contains macros. Save it as PDF and add that."),
    "bomb": gettext_lazy(
        "%(name)s would unfold to far more than its size. Save it as PDF and add that."
    ),
    "stays_large": gettext_lazy(
        "%(name)s cannot be made small enough: at most %(limit)s KB. Choose another file."
    ),
    "only_dolby": gettext_lazy(
        "%(name)s is Dolby Vision that only Dolby's own players show in its colours. "
        "Export it as SDR, HDR10 or HLG and add that."
    ),
    "no_sheet": gettext_lazy(
        "%(name)s cannot be read as a spreadsheet. Save it anew as .xlsx, or as CSV."
    ),
    "too_much": gettext_lazy(
        "%(name)s takes too much memory or time to look into. Make it smaller or export "
        "it again, and add it again."
    ),
}


class UploadRefused(Exception):
    """The message is a sentence for the person who chose the file."""


@dataclass(frozen=True)
class Measured:
    """path: what to keep, without the place where it was taken. preview: a small
    picture of it, None when there is none. Both last as long as `measured`."""

    path: Path
    facts: dict[str, Any]
    preview: Path | None


@contextmanager
def measured(path: Path, name: str) -> Iterator[Measured]:
    """Tell what a file is by its content; UploadRefused says why not.

    name: what the person calls it; used in sentences, and refused where its ending
    says something else than its content.
    """
    with tempfile.TemporaryDirectory(prefix="look-", dir=incoming.folder()) as made:
        out = Path(made)
        facts = ask(Path(examine.__file__), str(path), str(out), name=name)
        _check_ending(name, facts["mime_type"])
        if facts["kind"] == MediaKind.CAPTIONS:
            facts["language"] = _language(path, name)
        clean, preview = out / "clean", out / "preview.webp"
        yield Measured(
            clean if clean.exists() else path,
            facts,
            preview if preview.exists() else None,
        )


def _language(path: Path, name: str) -> str:
    """What the name tells of the captions' language. UploadRefused: nobody can read
    them."""
    try:
        captions.read(path.read_bytes())
    except captions.NotCaptions:
        raise UploadRefused(_REASONS["damaged"] % {"name": name}) from None
    return captions.language_in(name)


def ask(program: Path, *arguments: str, name: str) -> dict[str, Any]:
    """What one of our programs for files has found; UploadRefused says why it did not.

    program: answers as `examine.answer_with` does. name: of the file, for sentences.
    """
    command = [sys.executable, "-IB", str(program), *arguments]
    with _AT_ONCE:
        try:
            # Our own program; the paths are ours, the name is not among them.
            answer = subprocess.run(  # noqa: S603
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise UploadRefused(_REASONS["too_much"] % {"name": name}) from None
    return told_by(answer.returncode, answer.stdout, answer.stderr, name=name)


def told_by(code: int, stdout: bytes, stderr: bytes, *, name: str) -> dict[str, Any]:
    """What a program that has ended says; UploadRefused says why it did nothing."""
    try:
        told = json.loads(stdout)
    except ValueError:
        # Killed by a limit of its own, or a library died of the file.
        last = stderr[-300:].decode(errors="replace")
        logger.warning("a file could not be read: exit %s, %s", code, last)
        died = "too_much" if code < 0 else "damaged"
        raise UploadRefused(_REASONS[died] % {"name": name}) from None
    if told.get("refused") == "no_room":
        raise UploadRefused(incoming.no_room(name))
    if "refused" in told:
        raise UploadRefused(
            _REASONS[told["refused"]] % {"name": name, **told["values"]}
        )
    facts: dict[str, Any] = told["facts"]
    return facts


def _check_ending(name: str, mime_type: str) -> None:
    kind, endings = TYPES[mime_type]
    if PurePath(name).suffix.lower() not in endings:
        raise UploadRefused(
            _("%(name)s is really %(kind)s. Rename it to %(ending)s.")
            % {"name": name, "kind": kind, "ending": PurePath(name).stem + endings[0]}
        )

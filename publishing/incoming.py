"""Where files lie while they come in: beside the kept ones, so that keeping one is a
rename, whatever its size."""

from __future__ import annotations

import errno
import hashlib
import shutil
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import TemporaryUploadedFile
from django.core.files.uploadhandler import SkipFile, TemporaryFileUploadHandler
from django.http import HttpRequest
from django.utils.translation import gettext as _

BLOCK = 1 << 20
MB = 1 << 20
#: A disk without room, a quota that is used up, a file larger than the system lets be.
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def folder() -> Path:
    path = Path(settings.MEDIA_ROOT) / "uploads"
    path.mkdir(parents=True, exist_ok=True)
    return path


def max_bytes() -> int:
    return int(settings.MEDIA_MAX_MB) * MB


def too_large(name: str) -> str:
    return _("%(name)s is too large: at most %(limit)s MB. Export it smaller.") % {
        "name": name,
        "limit": settings.MEDIA_MAX_MB,
    }


def no_room(name: str) -> str:
    return _(
        "%(name)s was not stored: SocialHub's disk has no room for it. Nothing else was "
        "lost. Tell an operator, and add it again when there is room."
    ) % {"name": name}


def has_room(size: int, where: Path | None = None) -> bool:
    """Whether so many bytes fit and leave what the database and the logs need. where:
    another folder than that of files on their way in."""
    free = shutil.disk_usage(where or folder()).free
    return size + int(settings.MEDIA_KEEP_FREE_MB) * MB <= free


def digest(blocks: Iterable[bytes]) -> str:
    found = hashlib.sha256()
    for block in blocks:
        found.update(block)
    return found.hexdigest()


def blocks_of(path: Path) -> Iterable[bytes]:
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block


class IncomingFile(TemporaryUploadedFile):
    """A file of a form, beside the kept ones."""

    def __init__(self, name: str, content_type: str, charset: str, extra: Any) -> None:
        file = tempfile.NamedTemporaryFile(  # noqa: SIM115
            suffix=".form", prefix="", dir=folder()
        )
        super(TemporaryUploadedFile, self).__init__(
            file, name, content_type, 0, charset, extra
        )


class FormFileHandler(TemporaryFileUploadHandler):
    """Takes a form's files in block by block, and never costs the form itself.

    A file that does not fit is read to its end and left out; why stands in
    `refused_files` of the request.
    """

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super(TemporaryFileUploadHandler, self).new_file(*args, **kwargs)
        try:
            self.file = IncomingFile(
                str(self.file_name),
                str(self.content_type),
                str(self.charset or ""),
                self.content_type_extra,
            )
        except OSError as exc:
            self._refuse(exc)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        if start + len(raw_data) > max_bytes():
            self._leave_out(too_large(str(self.file_name)))
        try:
            self.file.write(raw_data)
        except OSError as exc:
            self._refuse(exc)

    def file_complete(self, file_size: int) -> IncomingFile | None:
        try:
            self.file.flush()
        except OSError as exc:
            with suppress(SkipFile):
                self._refuse(exc)
            return None
        done = super().file_complete(file_size)
        assert isinstance(done, IncomingFile)
        return done

    def _refuse(self, error: OSError) -> None:
        if error.errno not in NO_ROOM:
            raise error
        self._leave_out(no_room(str(self.file_name)))

    def _leave_out(self, sentence: str) -> None:
        request = self.request
        assert request is not None
        request.refused_files = [*refused_files(request), sentence]  # type: ignore[attr-defined]
        raise SkipFile


def refused_files(request: HttpRequest) -> list[str]:
    """Sentences about files of the form that could not be taken in."""
    return getattr(request, "refused_files", [])

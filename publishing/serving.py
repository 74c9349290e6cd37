"""Handing out stored files: whole or a range of them, and harmless in a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from django.db.models.fields.files import FieldFile
from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponse,
    StreamingHttpResponse,
)
from django.http.response import HttpResponseBase
from django.utils.translation import gettext as _

from .incoming import BLOCK
from .models import MediaAsset

RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
#: Nothing in it runs or loads. Videos and sound are played by a page that the browser makes of it
#: and that loads it once more: from a sandbox it could not.
QUIET = "default-src 'none'; sandbox"
PLAYED = "default-src 'none'; media-src 'self'"


def stored(request: HttpRequest, asset: MediaAsset) -> HttpResponseBase:
    """The asset's bytes: all, or the one range that is asked for (206, or 416)."""
    stream = _open(asset.file)
    # A document may hold scripts of its own: it is saved, not shown. So are captions.
    is_shown = asset.mime_type in MediaAsset.SUFFIXES and asset.kind not in {
        MediaAsset.Kind.DOCUMENT,
        MediaAsset.Kind.CAPTIONS,
    }
    asked = RANGE.fullmatch(request.headers.get("Range", ""))
    if not is_shown or asked is None or not (asked[1] or asked[2]):
        response = _whole(stream, asset, is_shown)
    else:
        size = asset.file.size
        response = _range(stream, size, asset.mime_type, asked[1], asked[2])
    if is_shown:
        response["Accept-Ranges"] = "bytes"
    is_played = asset.kind in {MediaAsset.Kind.VIDEO, MediaAsset.Kind.AUDIO}
    return _guarded(response, PLAYED if is_played else QUIET)


def preview(asset: MediaAsset) -> HttpResponseBase:
    response = FileResponse(
        _open(asset.preview), filename="preview.webp", content_type="image/webp"
    )
    return _guarded(response, QUIET)


def archive(request: HttpRequest, path: Path, name: str) -> HttpResponseBase:
    """A file to be saved under a name; one that broke off can be gone on with."""
    stream, size = path.open("rb"), path.stat().st_size
    asked = RANGE.fullmatch(request.headers.get("Range", ""))
    kind = "application/zip"
    if asked is None or not (asked[1] or asked[2]):
        response: HttpResponseBase = FileResponse(
            stream, as_attachment=True, filename=name, content_type=kind
        )
    else:
        response = _range(stream, size, kind, asked[1], asked[2])
        response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Accept-Ranges"] = "bytes"
    response["Cache-Control"] = "private, no-store"
    return _guarded(response, QUIET)


def _whole(stream: IO[bytes], asset: MediaAsset, is_shown: bool) -> HttpResponseBase:
    known = asset.mime_type in MediaAsset.SUFFIXES
    return FileResponse(
        stream,
        as_attachment=not is_shown,
        filename=asset.public_name,
        content_type=asset.mime_type if known else "application/octet-stream",
    )


def _range(
    stream: IO[bytes], size: int, mime_type: str, first: str, last: str
) -> HttpResponseBase:
    start, end = _bounds(first, last, size)
    if start > end:
        stream.close()
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    stream.seek(start)
    return StreamingHttpResponse(
        _Part(stream, end + 1 - start),
        status=206,
        content_type=mime_type,
        headers={
            "Content-Length": str(end + 1 - start),
            "Content-Range": f"bytes {start}-{end}/{size}",
        },
    )


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    """First and last byte; the first is behind the last when there is no such range."""
    if not first:  # "-500": the last 500
        return max(0, size - int(last)), size - 1
    return int(first), min(int(last), size - 1) if last else size - 1


class _Part:
    """So many bytes of a stream; it is closed with the answer, read or not."""

    def __init__(self, stream: IO[bytes], left: int) -> None:
        self.stream = stream
        self.left = left

    def __iter__(self) -> Iterator[bytes]:
        while self.left and (block := self.stream.read(min(BLOCK, self.left))):
            self.left -= len(block)
            yield block

    def close(self) -> None:
        self.stream.close()


def _open(file: FieldFile) -> Any:
    try:
        return file.open("rb")
    except FileNotFoundError:
        raise Http404(_("The file is gone from the storage.")) from None


def _guarded(response: HttpResponseBase, policy: str) -> HttpResponseBase:
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = policy
    return response

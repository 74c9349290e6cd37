"""Keeping files: measured by content, cleaned of places, stored once."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path, PurePath
from typing import Any

from django.conf import settings
from django.core.files import File
from django.core.files.uploadedfile import UploadedFile
from django.db import IntegrityError, connection, transaction
from django.db.models import ProtectedError, Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import AuditEvent, Brand

from . import incoming
from .measuring import Measured, measured
from .measuring import UploadRefused as UploadRefused
from .models import Delivery, MediaAsset, assets_of, media_path, preview_path

#: The window of MEDIA_DAILY_MB.
DAY = timedelta(days=1)


class _Lying(File):
    """A file that lies on this disk already: a storage on the same disk renames it."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.open("rb"), name=path.name)
        self.path = path

    def temporary_file_path(self) -> str:
        return str(self.path)


def short_name(name: str | None) -> str:
    """What the person calls the file, without folders, as long as a row has room.

    Without what nobody sees: no database takes all of it, and a name must not be read
    otherwise than it is ("gpj.exe", turned round).
    """
    seen = "".join(one for one in name or "" if one.isprintable())
    return PurePath(seen.replace("\\", "/")).name[-200:].strip() or "file"


def take_upload(file: UploadedFile, brand: Brand, user: Any) -> MediaAsset:
    """Keep one file of a form for a brand; the same bytes twice are one row.

    Raises UploadRefused.
    """
    name = short_name(file.name)
    if file.size is None or file.size > incoming.max_bytes():
        raise UploadRefused(incoming.too_large(name))
    check_allowance(user, name, file.size)
    check_quota(brand, name, file.size)
    with _on_disk(file, name) as path:
        return keep(path, name, brand, user)


def check_allowance(user: Any, name: str, size: int) -> None:
    """UploadRefused when so many bytes are more than the person may add in a day."""
    limit = int(settings.MEDIA_DAILY_MB)
    if not limit:
        return
    lately = MediaAsset.objects.filter(
        uploaded_by=user.pk, created_at__gt=timezone.now() - DAY
    )
    total = lately.aggregate(total=Sum("size_bytes"))["total"] or 0
    if size + total > limit * incoming.MB:
        raise UploadRefused(
            _(
                "%(name)s is more than you may add today: at most %(limit)s MB in 24 "
                "hours. Add it tomorrow, or ask an operator to raise MEDIA_DAILY_MB."
            )
            % {"name": name, "limit": limit}
        )


def check_quota(brand: Brand, name: str, size: int) -> None:
    """UploadRefused when so many bytes more are too many for the brand's library."""
    limit = quota()
    if limit and used_bytes(brand) + size > limit:
        raise UploadRefused(
            _(
                "%(name)s does not fit: the library of %(brand)s holds at most "
                "%(limit)s MB. Delete files that are in no post, or ask an operator to "
                "raise MEDIA_BRAND_MB."
            )
            % {"name": name, "brand": brand.name, "limit": limit // incoming.MB}
        )


def quota() -> int:
    """Bytes that a brand's library may hold; 0: any number."""
    return int(settings.MEDIA_BRAND_MB) * incoming.MB


def used_bytes(brand: Brand) -> int:
    sizes = MediaAsset.objects.filter(brand=brand).aggregate(total=Sum("size_bytes"))
    return sizes["total"] or 0


@contextmanager
def _on_disk(file: UploadedFile, name: str) -> Iterator[Path]:
    if hasattr(file, "temporary_file_path"):
        yield Path(file.temporary_file_path())
        return
    with _room_for(name):
        handle, written = tempfile.mkstemp(suffix=".form", dir=incoming.folder())
        with open(handle, "wb") as copy:
            file.seek(0)
            for block in file.chunks():
                copy.write(block)
    try:
        yield Path(written)
    finally:
        Path(written).unlink(missing_ok=True)


@contextmanager
def _room_for(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        if exc.errno not in incoming.NO_ROOM:
            raise
        raise UploadRefused(incoming.no_room(name)) from exc


def keep(path: Path, name: str, brand: Brand, user: Any) -> MediaAsset:
    """Measure the file that lies there and make it the brand's; it may be moved away.

    Raises UploadRefused; then it lies there still. Reads it in blocks.
    """
    with _room_for(name), measured(path, name) as found:
        sha256 = incoming.digest(incoming.blocks_of(found.path))
        same = MediaAsset.objects.filter(sha256=sha256)
        mine = same.filter(brand=brand).first()
        if mine:
            return mine
        asset = MediaAsset(
            brand=brand,
            name=name,
            size_bytes=found.path.stat().st_size,
            sha256=sha256,
            uploaded_by=user,
        )
        asset.take_facts(found.facts)
        # Whoever deletes the same file of another brand meanwhile takes its bytes away.
        with _alone_with(sha256):
            _store(asset, found)
            asset.save()
        return asset


@contextmanager
def _alone_with(sha256: str) -> Iterator[None]:
    """A transaction in which nobody else adds or takes away these bytes.

    SQLite has one writer at a time anyway; storing is a rename on the same disk.
    """
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                number = int(sha256[:15], 16)
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [number])
        yield


def keep_made(path: Path, name: str, asset: MediaAsset, user: Any) -> MediaAsset:
    """A file that was made of another one, beside it; it takes over what was said of it.

    Raises UploadRefused. The same bytes again are the file that has them.
    """
    size = path.stat().st_size
    check_allowance(user, name, size)
    check_quota(asset.brand, name, size)
    new = keep(path, name, asset.brand, user)
    if new.original_id is None and new.pk != asset.pk:
        new.original = asset
        new.alt_text = new.alt_text or asset.alt_text
        new.folder = new.folder or asset.folder
        new.focus_x, new.focus_y = asset.focus_x, asset.focus_y
        new.save()
    return new


class StillUsed(Exception):
    """The file stands in a post, or is on its way out with one."""


def remove(asset: MediaAsset, user: Any) -> None:
    """Delete a file that no post has; its bytes go with the last row that has them.

    Raises StillUsed.
    """
    if _is_under_way(asset):
        raise StillUsed
    names = [(f.storage, str(f.name)) for f in (asset.file, asset.preview) if f]
    try:
        with _alone_with(asset.sha256):
            AuditEvent.write(user, "media_deleted", asset, sha256=asset.sha256)
            asset.delete()
            if connection.vendor == "postgresql":
                # A post that took the file meanwhile speaks up before its bytes go.
                with connection.cursor() as cursor:
                    cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            if not MediaAsset.objects.filter(sha256=asset.sha256).exists():
                for storage, name in names:
                    storage.delete(name)
    except (ProtectedError, IntegrityError):
        raise StillUsed from None


def _is_under_way(asset: MediaAsset) -> bool:
    """A post that lost the file by a change may be leaving as it was before."""
    drafts = (
        Delivery.objects.open()
        .filter(post__brand=asset.brand_id)
        .exclude(draft={})
        .values_list("draft", flat=True)
    )
    return any(asset.pk in assets_of(draft) for draft in drafts)


def _store(asset: MediaAsset, found: Measured) -> None:
    """Put the bytes where their hash says, unless they are there already."""
    storage = asset.file.storage
    asset.file.name = media_path(asset, "")
    if not _is_there(storage, str(asset.file.name), asset.size_bytes):
        with _Lying(found.path) as lying:
            os.fsync(lying.fileno())
            asset.file.name = storage.save(str(asset.file.name), lying)
    if found.preview is None:
        return
    asset.preview.name = preview_path(asset, "")
    size = found.preview.stat().st_size
    if not _is_there(storage, str(asset.preview.name), size):
        with _Lying(found.preview) as lying:
            asset.preview.name = storage.save(str(asset.preview.name), lying)


def _is_there(storage: Any, name: str, size: int) -> bool:
    with suppress(OSError):
        return bool(storage.exists(name) and storage.size(name) == size)
    return False


def for_brand(asset: MediaAsset, brand: Brand, user: Any) -> MediaAsset:
    """The asset itself, or its twin in another brand when a draft has moved there."""
    if asset.brand_id == brand.pk:
        return asset
    twin = MediaAsset.objects.filter(brand=brand, sha256=asset.sha256).first()
    if twin:
        return twin
    with _alone_with(asset.sha256):
        # Deleted meanwhile, it may have taken its bytes with it.
        if not MediaAsset.objects.filter(sha256=asset.sha256).exists():
            raise MediaAsset.DoesNotExist(asset.name)
        asset.pk = None
        asset._state.adding = True
        asset.brand, asset.uploaded_by = brand, user
        asset.folder, asset.original = "", None
        asset.save()
    return asset

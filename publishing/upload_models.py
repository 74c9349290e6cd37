"""Files on their way in from a browser, in parts."""

from __future__ import annotations

import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q, Sum
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import Brand

from . import incoming, media
from .measuring import UploadRefused
from .models import MediaAsset

#: What has not moved for so long is given up.
KEPT_FOR = timedelta(days=1)
GONE = gettext_lazy("%(name)s was given up meanwhile. Add it again.")


class UploadBusy(Exception):
    """Another request is writing or finishing it right now: ask again in a moment.

    The message is its id.
    """


class WrongOffset(Exception):
    """The part does not begin where the last one ended; look at `received_bytes`."""


class UploadQuerySet(models.QuerySet["Upload"]):
    def of(self, user: Any) -> UploadQuerySet:
        """A person's own: nobody else adds to them or sees them."""
        return self.filter(user=user.pk)

    def unfinished(self) -> UploadQuerySet:
        return self.filter(asset=None)

    def stale(self, now: datetime) -> UploadQuerySet:
        return self.filter(changed_at__lt=now - KEPT_FOR)


class Upload(models.Model):
    """One file of one person on its way in. `received_bytes` is where to go on.

    mark: by what the same file is known again after the page was left: name, size and
    time of its last change, as the browser tells them.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="uploads"
    )
    brand = models.ForeignKey(Brand, on_delete=models.CASCADE, related_name="uploads")
    name = models.CharField(max_length=200)
    mark = models.CharField(max_length=300)
    size_bytes = models.PositiveBigIntegerField()
    received_bytes = models.PositiveBigIntegerField(default=0)
    asset = models.ForeignKey(
        MediaAsset, on_delete=models.SET_NULL, null=True, related_name="uploads"
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    changed_at = models.DateTimeField(default=timezone.now, db_index=True)

    objects = UploadQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "brand", "mark"],
                condition=Q(asset=None),
                name="upload_once_unfinished",
            )
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.received_bytes} / {self.size_bytes}"

    @classmethod
    def begin(
        cls, user: Any, brand: Brand, name: str, size: int, changed: str
    ) -> Upload:
        """A new one, or the unfinished one of the same file. UploadRefused.

        changed: when the file was changed last, as the browser tells it.
        """
        name = media.short_name(name)
        mark = f"{size}:{media.short_name(changed)[:40]}:{name}"
        mine = cls.objects.of(user).unfinished()
        known = mine.filter(brand=brand, mark=mark).first()
        if known is not None:
            return known
        cls._check(user, brand, name, size)
        made, _new = cls.objects.get_or_create(
            user=user,
            brand=brand,
            mark=mark,
            asset=None,
            defaults={"name": name, "size_bytes": size},
        )
        return made

    @classmethod
    def _check(cls, user: Any, brand: Brand, name: str, size: int) -> None:
        if size <= 0:
            raise UploadRefused(
                _("%(name)s is empty. Choose the file again.") % {"name": name}
            )
        if size > incoming.max_bytes():
            raise UploadRefused(incoming.too_large(name))
        coming = cls.objects.unfinished()
        mine = coming.of(user).aggregate(total=Sum("size_bytes"))["total"] or 0
        media.check_allowance(user, name, size + mine)
        media.check_quota(brand, name, size)
        left = coming.aggregate(left=Sum(F("size_bytes") - F("received_bytes")))
        if not incoming.has_room(size + (left["left"] or 0)):
            raise UploadRefused(incoming.no_room(name))

    @property
    def path(self) -> Path:
        return incoming.folder() / f"{self.pk}.part"

    @property
    def is_whole(self) -> bool:
        return self.received_bytes == self.size_bytes

    def receive(self, offset: int, stream: IO[bytes]) -> None:
        """Write what comes, block by block; what came before a break is kept.

        Raises UploadBusy, WrongOffset, UploadRefused (no room: it can go on when there
        is), and whatever reading the stream raises.
        """
        with self._mine() as file:
            if self.asset_id is not None or offset != self.received_bytes:
                raise WrongOffset
            # A process that died here may have written more than it wrote down.
            file.truncate(offset)
            file.seek(offset)
            try:
                self._copy(stream, file)
            except OSError as exc:
                if exc.errno not in incoming.NO_ROOM:
                    raise
                raise UploadRefused(incoming.no_room(self.name)) from exc
            finally:
                # What is noted has to be there after a power cut as well.
                os.fsync(file.fileno())
                self.save(update_fields=["received_bytes", "changed_at"])

    def _copy(self, stream: IO[bytes], file: IO[bytes]) -> None:
        self.changed_at = timezone.now()
        while left := self.size_bytes - self.received_bytes:
            block = stream.read(min(incoming.BLOCK, left))
            if not block:
                return
            rest = memoryview(block)
            while rest:
                # A disk that fills up takes a part of it; that part is there.
                written = file.write(rest)
                self.received_bytes += written
                rest = rest[written:]

    def finish(self) -> MediaAsset:
        """Make the whole file a media asset; asked again, it answers the same.

        UploadRefused: it cannot be used, and is gone; UploadBusy.
        """
        with self._mine():
            if self.asset is not None:
                return self.asset
            if not self.is_whole:
                self.save(update_fields=["received_bytes"])
                raise UploadRefused(
                    _("%(name)s has not arrived whole. Add it again to go on.")
                    % {"name": self.name}
                )
            try:
                self.asset = media.keep(self.path, self.name, self.brand, self.user)
            except UploadRefused:
                self.give_up()
                raise
            self.changed_at = timezone.now()
            self.save(update_fields=["asset", "changed_at"])
        self.path.unlink(missing_ok=True)
        return self.asset

    def cancel(self) -> None:
        """The person does not want it any more. What is kept stays. UploadBusy."""
        with self._mine():
            if self.asset_id is None:
                self.give_up()

    def give_up(self) -> None:
        self.path.unlink(missing_ok=True)
        self.delete()

    @contextmanager
    def _mine(self) -> Iterator[IO[bytes]]:
        """The part file, locked against other requests, and the row as it is now.

        The system drops the lock with the process, so that a dead one keeps nobody out.
        """
        try:
            with self.path.open("ab+", buffering=0) as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise UploadBusy(self.pk) from None
                try:
                    self.refresh_from_db()
                except Upload.DoesNotExist:
                    self.path.unlink(missing_ok=True)
                    raise UploadRefused(GONE % {"name": self.name}) from None
                if self.asset_id is not None:
                    self.path.unlink(missing_ok=True)
                else:
                    # A restored backup may know of more than the disk has.
                    there = os.fstat(file.fileno()).st_size
                    self.received_bytes = min(self.received_bytes, there)
                yield file
        except OSError as exc:
            if exc.errno not in incoming.NO_ROOM:
                raise
            raise UploadRefused(incoming.no_room(self.name)) from exc


def tidy(now: datetime) -> int:
    """Give up what has not moved for a day, and files that no row knows."""
    rows = Upload.objects.stale(now)
    for upload in rows.unfinished():
        upload.path.unlink(missing_ok=True)
    gone, _each = rows.delete()
    edge = (now - KEPT_FOR).timestamp()
    for path in incoming.folder().iterdir():
        if path.stat().st_mtime >= edge:
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return gone

"""Taking image files in: measured by content, cleaned of places, kept once."""

from __future__ import annotations

import hashlib
import io
import struct
import warnings
import zlib
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from django.core.files.base import ContentFile
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _
from PIL import ExifTags, Image, ImageFile, UnidentifiedImageError

from accounts.models import Brand

from .models import MediaAsset

MAX_BYTES = 20 * 1024 * 1024
#: A small file can unfold to gigabytes; phones make up to 50 million pixels.
MAX_PIXELS = 50_000_000
#: Pillow's name of the content -> MIME type and the endings that are honest about it.
#: MPO is what phones write when a JPEG holds a second picture.
FORMATS: dict[str, tuple[str, tuple[str, ...]]] = {
    "JPEG": ("image/jpeg", (".jpg", ".jpeg", ".jpe", ".jfif")),
    "MPO": ("image/jpeg", (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo")),
    "PNG": ("image/png", (".png",)),
    "GIF": ("image/gif", (".gif",)),
    "WEBP": ("image/webp", (".webp",)),
}
ENDINGS = {ending for _mime, endings in FORMATS.values() for ending in endings}
#: What Pillow raises for files that are not what they begin like.
BROKEN = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    IndexError,
    KeyError,
    struct.error,
)
#: EXIF orientations that swap width and height for the viewer.
TURNED = {5, 6, 7, 8}


class UploadRefused(Exception):
    """The message is a sentence for the person who chose the file."""


@dataclass(frozen=True)
class Measured:
    """width and height as a viewer sees them, orientation applied."""

    data: bytes
    mime_type: str
    width: int
    height: int


def measure(data: bytes, name: str) -> Measured:
    """Tell what the bytes are and take GPS positions out; UploadRefused with the cure."""
    if not data:
        raise UploadRefused(_("%(name)s is empty.") % {"name": name})
    try:
        with warnings.catch_warnings():
            # Our own limit below says it in words.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=["JPEG", "PNG", "GIF", "WEBP"])
    except Image.DecompressionBombError:
        raise UploadRefused(_too_many_pixels(name)) from None
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as exc:
        raise UploadRefused(
            _(
                "%(name)s is not a JPEG, PNG, GIF or WebP image. Save it as one of these."
            )
            % {"name": name}
        ) from exc
    if image.width * image.height > MAX_PIXELS:
        raise UploadRefused(_too_many_pixels(name))
    mime_type, endings = FORMATS[str(image.format)]
    ending = PurePath(name).suffix.lower()
    if ending not in endings:
        raise UploadRefused(
            _("%(name)s is really a %(kind)s image. Rename it to %(ending)s.")
            % {
                "name": name,
                "kind": mime_type.partition("/")[2].upper(),
                "ending": PurePath(name).stem + endings[0],
            }
        )
    try:
        # verify() reads structure and checksums, load() the pixels: a cut file
        # passes the first and not the second.
        Image.open(io.BytesIO(data), formats=[_parser(image)]).verify()
        image.load()
        exif = image.getexif()
        tells_place = bool(exif.get_ifd(ExifTags.IFD.GPSInfo))
    except BROKEN as exc:
        raise UploadRefused(
            _("%(name)s is damaged or not complete. Export it again and add it again.")
            % {"name": name}
        ) from exc
    width, height = image.size
    orientation = exif.get(ExifTags.Base.Orientation)
    if orientation in TURNED:
        width, height = height, width
    if tells_place and mime_type == "image/jpeg":
        data = _without_gps(image, exif)
    elif tells_place and mime_type == "image/png":
        data = _png_without_notes(data, _only_turned(orientation))
    elif tells_place and mime_type == "image/webp":
        data = _webp_without_notes(data, _only_turned(orientation))
    return Measured(data, mime_type, width, height)


def _parser(image: ImageFile.ImageFile) -> str:
    return "JPEG" if image.format == "MPO" else str(image.format)


def _too_many_pixels(name: str) -> str:
    return _("%(name)s has too many pixels: at most %(limit)s million.") % {
        "name": name,
        "limit": MAX_PIXELS // 1_000_000,
    }


def _without_gps(image: ImageFile.ImageFile, exif: Image.Exif) -> bytes:
    """The same JPEG without its position; orientation and colours stay."""
    del exif[ExifTags.IFD.GPSInfo]
    out = io.BytesIO()
    # "keep" uses the picture's own tables, so that nothing is lost twice; Pillow
    # offers it for plain JPEG only. XMP can repeat the position, so it goes too.
    image.save(
        out,
        "JPEG",
        quality="keep" if image.format == "JPEG" else 95,
        exif=exif.tobytes(),
        icc_profile=image.info.get("icc_profile"),
        xmp=b"",
    )
    return out.getvalue()


def _only_turned(orientation: Any) -> bytes:
    """EXIF that says how to turn the picture and nothing else; b"" when it need not."""
    if orientation not in TURNED | {2, 3, 4}:
        return b""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return exif.tobytes().removeprefix(b"Exif\0\0")


def _png_without_notes(data: bytes, exif: bytes) -> bytes:
    """The same pixels without EXIF, XMP and other texts.

    Source: https://www.w3.org/TR/png-3/#5Chunk-layout
    """
    parts, at = [data[:8]], 8
    while at < len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4])
        kind = data[at + 4 : at + 8]
        if kind not in {b"eXIf", b"iTXt", b"tEXt", b"zTXt"}:
            parts.append(data[at:end])
        if kind == b"IHDR" and exif:
            body = b"eXIf" + exif
            sum_of_it = zlib.crc32(body).to_bytes(4)
            parts.append(len(exif).to_bytes(4) + body + sum_of_it)
        at = end
    return b"".join(parts)


def _webp_without_notes(data: bytes, exif: bytes) -> bytes:
    """The same pixels without EXIF and XMP.

    Source: https://developers.google.com/speed/webp/docs/riff_container
    """
    parts, at = [b"WEBP"], 12
    while at < len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        end = at + 8 + size + size % 2
        kind, chunk = data[at : at + 4], bytearray(data[at:end])
        if kind == b"VP8X":
            chunk[8] = chunk[8] & ~0x0C | (0x08 if exif else 0)  # EXIF and XMP flags
        if kind not in {b"EXIF", b"XMP "}:
            parts.append(bytes(chunk))
        at = end
    if exif:
        padding = b"\0" * (len(exif) % 2)
        parts.append(b"EXIF" + len(exif).to_bytes(4, "little") + exif + padding)
    body = b"".join(parts)
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def take_upload(file: UploadedFile, brand: Brand, user: Any) -> MediaAsset:
    """Store one uploaded file for a brand; the same bytes twice are one row.

    Raises UploadRefused.
    """
    name = PurePath(file.name or "image").name[-200:]
    if file.size is None or file.size > MAX_BYTES:
        raise UploadRefused(
            _("%(name)s is too large: at most %(limit)s MB.")
            % {"name": name, "limit": MAX_BYTES // 1024 // 1024}
        )
    if PurePath(name).suffix.lower() not in ENDINGS:
        raise UploadRefused(
            _("%(name)s is not an image file. Use JPEG, PNG, GIF or WebP.")
            % {"name": name}
        )
    file.seek(0)
    measured = measure(file.read(), name)
    return _keep(measured, name, brand, user)


def _keep(measured: Measured, name: str, brand: Brand, user: Any) -> MediaAsset:
    sha256 = hashlib.sha256(measured.data).hexdigest()
    same = MediaAsset.objects.filter(sha256=sha256)
    mine = same.filter(brand=brand).first()
    if mine:
        return mine
    asset = MediaAsset(
        brand=brand,
        name=name,
        mime_type=measured.mime_type,
        size_bytes=len(measured.data),
        width=measured.width,
        height=measured.height,
        sha256=sha256,
        uploaded_by=user,
    )
    other = same.first()
    if other and other.file.storage.exists(str(other.file.name)):
        asset.file.name = other.file.name
        asset.save()
    else:
        asset.file.save("", ContentFile(measured.data), save=True)
    return asset


def for_brand(asset: MediaAsset, brand: Brand, user: Any) -> MediaAsset:
    """The asset itself, or its twin in another brand when a draft has moved there."""
    if asset.brand_id == brand.pk:
        return asset
    twin = MediaAsset.objects.filter(brand=brand, sha256=asset.sha256).first()
    if twin:
        return twin
    asset.pk = None
    asset._state.adding = True
    asset.brand, asset.uploaded_by = brand, user
    asset.save()
    return asset

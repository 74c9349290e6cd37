"""The images of a Pin as its call names them: by addresses of ours, or as they are.

Pinterest fetches an address while the call waits. Where ours leads to no place that it
reaches, the images stand in the call themselves.
Source: https://developers.pinterest.com/docs/api/v5/pins-create/ (media_source, v5).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..base import (
    Draft,
    Finding,
    Identity,
    Level,
    MediaFile,
    MediaKind,
    PublishJob,
    chosen,
    lines_of,
)
from ..checks import is_outside
from ..errors import Cause
from ..text import cover_index, cover_ms, is_web_link
from .spec import (
    COVER_AT,
    COVER_AT_S,
    COVER_PHOTO,
    ITEM_LINKS,
    ITEM_WORDS,
    MAX_LINK,
    MAX_SENT,
    SPEC,
)

#: in a witness: Pinterest could not fetch them, so they are sent
AS_BYTES = "as_bytes"
#: How far a cover's shape may be from its video's: a part of it, for rounding.
SHAPE_OFF = 0.02


def film_of(draft: Draft) -> MediaFile | None:
    films = (file for file in draft.media if file.kind is MediaKind.VIDEO)
    return next(films, None)


def images_of(draft: Draft) -> tuple[MediaFile, ...]:
    """Also one that is a video's cover."""
    return tuple(file for file in draft.media if file.kind is not MediaKind.VIDEO)


def is_carousel(draft: Draft) -> bool:
    return film_of(draft) is None and len(draft.media) > 1


def has_addresses(draft: Draft, account: Identity | None) -> bool:
    """Whether Pinterest can fetch the images, as far as the addresses tell.

    The practice network runs beside us and fetches from any.
    """
    outside = account is not None and is_outside(account.url)
    urls = [file.public_url for file in images_of(draft)]
    return all(url and (is_outside(url) or not outside) for url in urls)


def can_be_sent(draft: Draft) -> bool:
    return sum(file.size_bytes for file in images_of(draft)) <= MAX_SENT


def are_sent(job: PublishJob) -> bool:
    return bool(job.witness.get(AS_BYTES)) or not has_addresses(job.draft, job.account)


def source(job: PublishJob, *, sent: bool) -> dict[str, Any]:
    """The `media_source` of the Pin. sent: with the images themselves, as files
    (`json_files`)."""
    draft, images = job.draft, images_of(job.draft)
    if film := film_of(draft):
        return _video(job, film, images[:1], sent)
    if not is_carousel(draft):
        kind = "image_base64" if sent else "image_url"
        return {"source_type": kind, **_image(images[0], sent)}
    words = [
        {
            name: line
            for name, key in ITEM_WORDS.items()
            if (line := _line(draft, key, n))
        }
        for n in range(len(images))
    ]
    pairs = zip(images, words, strict=True)
    cover = cover_index(chosen(SPEC, draft, job.account, COVER_PHOTO), len(images))
    return {
        "source_type": f"multiple_image_{'base64' if sent else 'urls'}",
        "items": [{**_image(file, sent), **said} for file, said in pairs],
        "index": cover or 0,
    }


def _image(file: MediaFile, sent: bool) -> dict[str, Any]:
    if not sent:
        return {"url": file.public_url}
    return {"content_type": file.mime_type, "data": file}


def _video(
    job: PublishJob, film: MediaFile, stills: Sequence[MediaFile], sent: bool
) -> dict[str, Any]:
    made: dict[str, Any] = {
        "source_type": "video_id",
        "media_id": str(job.witness.get("ready") or ""),
    }
    for still in stills:
        if not sent:
            return {**made, "cover_image_url": still.public_url}
        cover = {
            "cover_image_content_type": still.mime_type,
            "cover_image_data": still,
        }
        return {**made, **cover}
    typed = chosen(SPEC, job.draft, job.account, COVER_AT)
    at_ms = None if typed is None else cover_ms(typed, film.duration_s)
    second = COVER_AT_S if at_ms is None else at_ms // 1000
    return {**made, "cover_image_key_frame_time": second}


def _lines(draft: Draft, key: str) -> Sequence[str]:
    return lines_of(draft.options.get(key))


def _line(draft: Draft, key: str, number: int) -> str:
    lines = _lines(draft, key)
    return lines[number] if number < len(lines) else ""


# ---------------------------------------------------------------- checks


def findings(draft: Draft, account: Identity | None) -> Iterator[Finding]:
    """What Pinterest would refuse or leave out of the images and what is said of them."""
    if images_of(draft) and not has_addresses(draft, account):
        used = sum(file.size_bytes for file in images_of(draft))
        if used > MAX_SENT:
            values = {"used": used, "limit": MAX_SENT, "unit": "bytes"}
            yield Finding(Level.REFUSED, Cause.IMAGES_TOO_LARGE, "media", values)
    yield from _of_carousel(draft)
    if film := film_of(draft):
        yield from _of_cover(draft, film)


def _of_carousel(draft: Draft) -> Iterator[Finding]:
    def say(level: Level, cause: Cause, key: str, **values: Any) -> Finding:
        named = {"option": SPEC.options_by_key[key].name, **values}
        return Finding(level, cause, f"option:{key}", named)

    count = len(images_of(draft)) if is_carousel(draft) else 0
    for key in ITEM_WORDS.values():
        if any(_lines(draft, key)[count:]):
            yield say(Level.WARNING, Cause.OPTION_LEFT_OUT, key)
    for link in _lines(draft, ITEM_LINKS)[:count]:
        if link and (len(link) > MAX_LINK or not is_web_link(link)):
            yield say(Level.REFUSED, Cause.LINK_REFUSED, ITEM_LINKS, link=link)
    typed = chosen(SPEC, draft, None, COVER_PHOTO)
    if typed is None:
        return
    if not count:
        yield say(Level.WARNING, Cause.OPTION_LEFT_OUT, COVER_PHOTO)
    elif cover_index(typed, count) is None:
        yield say(Level.REFUSED, Cause.OPTION_UNKNOWN, COVER_PHOTO)


def _of_cover(draft: Draft, film: MediaFile) -> Iterator[Finding]:
    """It wants the shape of its video; whether another is refused is not known."""
    for number, file in enumerate(draft.media, 1):
        if file.kind is MediaKind.IMAGE and file.height and film.height:
            shape = film.width / film.height
            if abs(file.width / file.height - shape) > SHAPE_OFF * shape:
                yield Finding(Level.WARNING, Cause.MEDIA_SHAPE, f"media:{number}")
    typed = chosen(SPEC, draft, None, COVER_AT)
    facts: Mapping[str, Any] = {"option": SPEC.options_by_key[COVER_AT].name}
    field = f"option:{COVER_AT}"
    if typed is not None and images_of(draft):
        yield Finding(Level.WARNING, Cause.OPTION_LEFT_OUT, field, facts)
    elif typed is not None and cover_ms(typed, film.duration_s) is None:
        yield Finding(Level.REFUSED, Cause.OPTION_UNKNOWN, field, facts)

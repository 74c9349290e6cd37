"""What a post asks of its platform, call by call, as the platform's documents have it;
and the same post as our own publishing code sees it."""

from __future__ import annotations

from datetime import UTC, datetime
from io import BytesIO
from typing import NamedTuple

from platforms.base import Draft, Identity, MediaFile, MediaKind, Part, PublishJob

from .pretended import Ask

#: what posts only with a video, at least in these days
FILMS = frozenset({"youtube"})
#: what takes no post without a picture
NEEDS_PICTURE = frozenset({"instagram", "tiktok", "pinterest", "snapchat"})
#: what takes one picture, in these days
ONE_PICTURE = frozenset({"linkedin", "pinterest", "snapchat"})
#: where posts of several parts are written
THREADS = frozenset({"threads"})
#: what makes a video a short one
OPTIONS = {"facebook": {"placement": "reel"}, "youtube": {"playlist": "PL1"}}


class Kind(NamedTuple):
    """A sort of posts. film: a video, and on YouTube one with a picture of its own and
    a playlist. parts: of a thread."""

    images: int = 0
    link: bool = False
    film: bool = False
    parts: int = 1


def kind_on(platform: str, wanted: Kind) -> Kind:
    """The nearest that this platform takes."""
    images = wanted.images
    if platform in NEEDS_PICTURE:
        images = max(1, images)
    if platform in ONE_PICTURE:
        images = min(1, images)
    # Instagram would take a film as a reel; pictures are what fills its containers.
    film = wanted.film and platform in {"youtube", "facebook", "tiktok", "pinterest"}
    parts = wanted.parts if platform in THREADS else 1
    return Kind(images, wanted.link, film, parts)


# ---------------------------------------------------------------- as we see it


def _file(n: int, kind: MediaKind = MediaKind.IMAGE) -> MediaFile:
    film = kind == MediaKind.VIDEO
    return MediaFile(
        key=str(n),
        mime_type="video/mp4" if film else "image/png",
        size_bytes=1000,
        width=100,
        height=100,
        alt_text="A picture",
        sha256="0" * 64,
        file_name=f"{n}.mp4" if film else f"{n}.png",
        open=lambda: BytesIO(b"x" * 1000),
        kind=kind,
        duration_s=10.0 if film else None,
    )


def job(platform: str, kind: Kind) -> PublishJob:
    """A delivery as the real publishing code sees it."""
    files = [_file(n) for n in range(kind.images)]
    if platform in FILMS:
        films = [_file(99, MediaKind.VIDEO)]
        files = [*films, _file(0)] if kind.film else films
    elif kind.film:
        files = [_file(99, MediaKind.VIDEO)]
    return PublishJob(
        marker="a" * 32,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        draft=Draft(
            text="News https://example.com/a" if kind.link else "News",
            media=tuple(files),
            options=OPTIONS.get(platform, {}) if kind.film else {},
            parts=tuple(Part(f"Part {n}") for n in range(2, kind.parts + 1)),
        ),
        account=Identity("42", "user", "Acme", "acme", ""),
    )


# ---------------------------------------------------------------- as they see it


def steps(platform: str, kind: Kind) -> tuple[Ask, ...]:
    """The calls of one publish that goes well."""
    return STEPS[platform](kind)


def _x(kind: Kind) -> tuple[Ask, ...]:
    upload = (Ask("POST /2/media/upload"), Ask("POST /2/media/metadata"))
    return (*upload * kind.images, Ask("POST /2/tweets", link=kind.link))


def _linkedin(kind: Kind) -> tuple[Ask, ...]:
    upload = (Ask("POST /rest/images"), Ask("PUT {uploadUrl}"))
    return (*upload * kind.images, Ask("POST /rest/posts"))


def _youtube(kind: Kind) -> tuple[Ask, ...]:
    more = (
        Ask("POST thumbnails.set"),
        Ask("GET playlistItems.list"),
        Ask("POST playlistItems.insert"),
    )
    return (
        Ask("POST videos.insert"),
        Ask("PUT {session}"),
        Ask("GET videos.list"),
        *(more if kind.film else ()),
    )


def _facebook(kind: Kind) -> tuple[Ask, ...]:
    if kind.film:
        return (
            Ask("POST /:page/video_reels?upload_phase=start"),
            Ask("POST rupload /video-upload/:video"),
            Ask("POST /:page/video_reels?upload_phase=finish"),
            Ask("GET /:video", times=2),
        )
    photos = (Ask("POST /:page/photos"),) * kind.images
    return (*photos, Ask("POST /:page/feed"))


def _instagram(kind: Kind) -> tuple[Ask, ...]:
    boxes = kind.images + 1 if kind.images > 1 else 1
    return (
        Ask("POST /:ig/media", times=boxes),
        Ask("GET /:container", times=2 * boxes),
        Ask("POST /:ig/media_publish"),
        Ask("GET /:media"),
    )


def _threads(kind: Kind) -> tuple[Ask, ...]:
    boxes = kind.images + 1 if kind.images > 1 else 1
    asks = [
        Ask("POST /:user/threads", times=boxes),
        Ask("GET /:container", times=2 * boxes),
        Ask("POST /:user/threads_publish"),
        Ask("GET /:media"),
    ]
    for part in range(2, kind.parts + 1):
        asks += [
            Ask("POST /:user/threads (part)", part=part),
            Ask("GET /:container", part=part),
            Ask("POST /:user/threads_publish (part)", part=part),
            Ask("GET /:media", part=part),
        ]
    return tuple(asks)


def _tiktok(kind: Kind) -> tuple[Ask, ...]:
    of_film = (Ask("POST /v2/post/publish/video/init/"), Ask("PUT {upload_url}"))
    of_photos = (Ask("POST /v2/post/publish/content/init/ (DIRECT_POST)"),)
    return (
        Ask("POST /v2/post/publish/creator_info/query/"),
        *(of_film if kind.film else of_photos),
        Ask("POST /v2/post/publish/status/fetch/"),
        Ask("POST /v2/video/query/"),
    )


def _pinterest(kind: Kind) -> tuple[Ask, ...]:
    upload = (
        Ask("POST /media"),
        Ask("POST {upload_url}"),
        Ask("GET /media/:id", times=3),
    )
    return (*(upload if kind.film else ()), Ask("POST /pins"))


def _snapchat(kind: Kind) -> tuple[Ask, ...]:
    return (
        Ask("POST /public_profiles/:id/media"),
        Ask("POST {add_path}"),
        Ask("POST {finalize_path}"),
        Ask("POST /public_profiles/:id/stories"),
    )


def _mastodon(kind: Kind) -> tuple[Ask, ...]:
    files = (Ask("POST /api/v2/media"),) * kind.images
    return (*files, Ask("POST /api/v1/statuses"))


def _bluesky(kind: Kind) -> tuple[Ask, ...]:
    blobs = (Ask("POST com.atproto.repo.uploadBlob"),) * kind.images
    return (*blobs, Ask("POST com.atproto.repo.putRecord"))


STEPS = {
    "x": _x,
    "linkedin": _linkedin,
    "youtube": _youtube,
    "facebook": _facebook,
    "instagram": _instagram,
    "threads": _threads,
    "tiktok": _tiktok,
    "pinterest": _pinterest,
    "snapchat": _snapchat,
    "mastodon": _mastodon,
    "bluesky": _bluesky,
    "ayrshare": lambda kind: (Ask("POST /post"),),
    "outstand": lambda kind: (Ask("POST /posts"),),
}

"""What the rules of each kind of file refuse, with the numbers."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pytest

from accounts.causes import finding_sentence
from platforms import registry
from platforms.base import (
    DocumentRule,
    Draft,
    GifRule,
    Level,
    MediaFile,
    MediaKind,
    MediaRule,
    VideoRule,
)
from platforms.checks import media_findings
from platforms.errors import Cause
from tests.scripted_platform import SPEC

RULES = replace(
    SPEC,
    images=MediaRule(("image/jpeg",), 1000, max_count=4),
    gifs=GifRule(
        ("image/gif",),
        5000,
        max_width=1280,
        max_height=1080,
        max_frames=350,
        max_volume=300_000_000,
    ),
    videos=VideoRule(
        ("video/mp4",),
        1_000_000,
        min_bytes=1000,
        video_codecs=("h264",),
        audio_codecs=("aac",),
        min_s=3,
        max_s=140,
        min_width=32,
        max_width=1920,
        min_height=32,
        max_height=1200,
        max_pixels=2_000_000,
        min_ratio=1 / 3,
        max_ratio=3,
        min_fps=23,
        max_fps=60,
        max_bitrate=25_000_000,
        index_first=True,
        max_channels=2,
        max_audio_rate=48_000,
        pixel_formats=("yuv420p",),
        progressive=True,
        max_count=2,
    ),
    documents=DocumentRule(("application/pdf",), 5000, max_pages=300),
    mixes=(frozenset({MediaKind.IMAGE, MediaKind.VIDEO}),),
)


def file(kind: MediaKind, **changes: Any) -> MediaFile:
    mime_type = {
        MediaKind.IMAGE: "image/jpeg",
        MediaKind.GIF: "image/gif",
        MediaKind.VIDEO: "video/mp4",
        MediaKind.DOCUMENT: "application/pdf",
    }[kind]
    facts: dict[str, Any] = {
        "key": "a1",
        "mime_type": mime_type,
        "size_bytes": 1000,
        "width": 640,
        "height": 480,
        "alt_text": "A harbour",
        "sha256": "",
        "file_name": "a",
        "open": io.BytesIO,
        "kind": kind,
    }
    if kind is MediaKind.VIDEO:
        facts |= {
            "duration_s": 10.0,
            "frame_rate": 30.0,
            "video_codec": "h264",
            "audio_codec": "aac",
            "audio_channels": 2,
            "audio_rate": 48_000,
            "pixel_format": "yuv420p",
            "bitrate": 2_000_000,
        }
    return MediaFile(**(facts | changes))


def causes(*files: MediaFile) -> list[tuple[Cause, str]]:
    found = media_findings(Draft("Hi", media=files), RULES)
    return [(f.cause, f.field) for f in found if f.level is Level.REFUSED]


VIDEO, GIF, DOCUMENT = MediaKind.VIDEO, MediaKind.GIF, MediaKind.DOCUMENT


@pytest.mark.parametrize(
    ("kind", "changes", "cause"),
    [
        (VIDEO, {"mime_type": "video/webm"}, Cause.MEDIA_TYPE),
        (VIDEO, {"size_bytes": 1_000_001}, Cause.VIDEO_TOO_LARGE),
        (VIDEO, {"size_bytes": 999}, Cause.VIDEO_TOO_SMALL),
        (VIDEO, {"duration_s": 140.1}, Cause.VIDEO_TOO_LONG),
        (VIDEO, {"duration_s": 2.9}, Cause.VIDEO_TOO_SHORT),
        (VIDEO, {"video_codec": "hevc"}, Cause.VIDEO_CODEC),
        (VIDEO, {"audio_codec": "opus"}, Cause.SOUND_CODEC),
        (VIDEO, {"width": 1921, "height": 1000}, Cause.VIDEO_TOO_MANY_PIXELS),
        (VIDEO, {"width": 1900, "height": 1190}, Cause.VIDEO_TOO_MANY_PIXELS),
        (VIDEO, {"width": 32, "height": 31}, Cause.VIDEO_TOO_FEW_PIXELS),
        (VIDEO, {"width": 640, "height": 200}, Cause.VIDEO_SHAPE),
        (VIDEO, {"width": 200, "height": 640}, Cause.VIDEO_SHAPE),
        (VIDEO, {"frame_rate": 60.1}, Cause.VIDEO_FRAME_RATE),
        (VIDEO, {"frame_rate": 22.0}, Cause.VIDEO_FRAME_RATE),
        (VIDEO, {"bitrate": 25_000_001}, Cause.VIDEO_BITRATE),
        (VIDEO, {"index_first": False}, Cause.VIDEO_INDEX_LAST),
        (VIDEO, {"audio_channels": 6}, Cause.SOUND_CHANNELS),
        (VIDEO, {"audio_rate": 96_000}, Cause.SOUND_RATE),
        (VIDEO, {"pixel_format": "yuv422p"}, Cause.VIDEO_COLOURS),
        (VIDEO, {"interlaced": True}, Cause.VIDEO_INTERLACED),
        (GIF, {"mime_type": "image/webp"}, Cause.MEDIA_TYPE),
        (GIF, {"size_bytes": 5001}, Cause.MEDIA_TOO_LARGE),
        (GIF, {"width": 1281, "height": 2}, Cause.ANIMATION_TOO_LARGE),
        (GIF, {"width": 2, "height": 1081}, Cause.ANIMATION_TOO_LARGE),
        (GIF, {"frames": 351, "width": 2, "height": 2}, Cause.ANIMATION_TOO_LONG),
        (
            GIF,
            {"frames": 300, "width": 1280, "height": 1080},
            Cause.ANIMATION_TOO_LARGE,
        ),
        (DOCUMENT, {"mime_type": "text/plain"}, Cause.MEDIA_TYPE),
        (DOCUMENT, {"size_bytes": 5001}, Cause.DOCUMENT_TOO_LARGE),
        (DOCUMENT, {"pages": 301}, Cause.DOCUMENT_TOO_LONG),
    ],
)
def test_each_limit_of_a_rule_refuses_what_is_beyond_it(kind, changes, cause):
    assert causes(file(kind)) == []
    assert causes(file(kind, **changes)) == [(cause, "media:1")]


def test_what_was_not_measured_passes():
    unknown = {"duration_s": None, "frame_rate": None, "bitrate": None}
    silent = {"audio_codec": "", "width": 0, "height": 0}
    assert causes(file(VIDEO, **unknown)) == []
    assert Cause.VIDEO_SHAPE not in {c for c, _ in causes(file(VIDEO, **silent))}
    assert causes(file(DOCUMENT, pages=None)) == []


def test_kinds_stand_together_only_where_the_platform_mixes_them():
    image, video, gif = file(MediaKind.IMAGE), file(VIDEO), file(GIF)
    assert causes(image, video) == []
    assert causes(image, gif) == [(Cause.MEDIA_MIXED, "media")]
    assert causes(image, video, gif) == [(Cause.MEDIA_MIXED, "media")]


def test_each_kind_and_all_together_have_a_number():
    image, video = file(MediaKind.IMAGE), file(VIDEO)
    assert causes(video, video, video) == [(Cause.TOO_MANY_MEDIA, "media")]
    assert causes(*[image] * 3, video) == []
    assert causes(*[image] * 3, video, video) == [(Cause.TOO_MANY_MEDIA, "media")]


def test_only_images_miss_an_alternative_text_where_videos_have_none():
    warned = [
        (f.cause, f.field)
        for f in media_findings(
            Draft("Hi", media=(file(VIDEO, alt_text=""), file(GIF, alt_text=""))),
            replace(RULES, mixes=(frozenset({VIDEO, GIF}),)),
        )
    ]
    assert warned == [(Cause.ALT_TEXT_MISSING, "media:2")]


def test_a_still_shown_animation_is_a_warning():
    rules = replace(RULES, gifs=GifRule(("image/gif",), 5000, shown_still=True))
    (found,) = media_findings(Draft("Hi", media=(file(GIF),)), rules)
    assert (found.level, found.cause) == (Level.WARNING, Cause.ANIMATION_LOST)


@pytest.mark.parametrize("slug", registry.PLATFORMS)
def test_what_is_not_sent_yet_is_said_with_the_network_s_name(slug):
    platform = registry.platform(slug)
    draft = Draft("Hi", media=(file(DOCUMENT),))
    found = platform.check(draft)
    if platform.spec.documents is None:
        (kind,) = [f for f in found if f.cause is Cause.MEDIA_KIND]
        assert (kind.level, kind.field) == (Level.REFUSED, "media:1")
        assert finding_sentence(kind.cause, kind.values) == (
            f"SocialHub does not send documents to {platform.spec.name} yet"
        )
    else:
        assert Cause.MEDIA_KIND not in {f.cause for f in found}


def test_numbers_are_read_as_people_write_them():
    def sentence(**changes: Any) -> str:
        (found,) = media_findings(Draft("Hi", media=(file(VIDEO, **changes),)), RULES)
        return finding_sentence(found.cause, found.values).replace("\xa0", " ")

    assert (
        sentence(size_bytes=3 << 20) == "The video file is too large: 3.0 MB / 976.6 KB"
    )
    assert sentence(size_bytes=1_000_001).endswith(": 1000001 / 1000000 bytes")
    assert sentence(duration_s=140.25).endswith(": 140.25 / 140 seconds")
    assert sentence(duration_s=2.0).endswith(": 2, at least 3 seconds")
    assert sentence(video_codec="hevc").endswith(": hevc; it takes h264")

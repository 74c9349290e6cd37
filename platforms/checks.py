"""Findings that read the same on every network: link, number and kind of files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from .base import (
    PLAYED,
    DocumentRule,
    Draft,
    Finding,
    GifRule,
    Identity,
    Level,
    MediaFile,
    MediaKind,
    MediaRule,
    Option,
    OptionKind,
    PlatformSpec,
    VideoRule,
    chosen,
    lines_of,
)
from .errors import Cause
from .text import is_web_link, read_date
from .transport import is_public


def link_findings(draft: Draft) -> list[Finding]:
    link = draft.link_url.strip()
    if link and not is_web_link(link):
        return [Finding(Level.REFUSED, Cause.LINK_REFUSED, "link", {"link": link})]
    return []


def media_findings(draft: Draft, spec: PlatformSpec) -> list[Finding]:
    """What the spec's rules say of the files; fields are media and media:N from 1.

    spec: with its rules replaced where an account's own server announces others.
    """
    found = _number_of_files(draft, spec)
    is_played = any(file.kind in PLAYED for file in draft.media)
    has_still = spec.has_stills and (is_played or spec.needs_video)
    for number, media in enumerate(draft.media, 1):
        rule = _rule(spec, media.kind)
        if rule is None:
            values = {"kind": str(media.kind), "network": spec.name}
            field = f"media:{number}"
            found.append(Finding(Level.REFUSED, Cause.MEDIA_KIND, field, values))
        else:
            still = has_still and media.kind is MediaKind.IMAGE
            found += _Judge(media, number, still=still).findings(rule)
    return found + _caption_findings(draft, spec)


def _caption_findings(draft: Draft, spec: PlatformSpec) -> list[Finding]:
    """Those that a network does not show are left out: they hold nothing back."""
    rule, found = spec.captions, []
    has_video = MediaKind.VIDEO in {file.kind for file in draft.media}
    languages: set[str] = set()
    for number, file in enumerate(draft.captions, len(draft.media) + 1):
        field, language = f"media:{number}", file.language.lower()
        if not has_video:
            found.append(Finding(Level.REFUSED, Cause.CAPTIONS_ALONE, field))
        elif rule is None or number - len(draft.media) > rule.max_count:
            found.append(Finding(Level.WARNING, Cause.CAPTIONS_LEFT_OUT, field))
        else:
            if file.size_bytes > rule.max_bytes:
                values = {"used": file.size_bytes, "limit": rule.max_bytes}
                values_in = {**values, "unit": "bytes"}
                cause = Cause.CAPTIONS_TOO_LARGE
                found.append(Finding(Level.REFUSED, cause, field, values_in))
            if rule.needs_language and not language:
                found.append(Finding(Level.REFUSED, Cause.CAPTIONS_LANGUAGE, field))
            elif language in languages:
                found.append(Finding(Level.REFUSED, Cause.CAPTIONS_TWICE, field))
            languages.add(language)
    return found


def _rule(spec: PlatformSpec, kind: MediaKind) -> MediaRule | None:
    rules: dict[MediaKind, MediaRule | None] = {
        MediaKind.IMAGE: spec.images,
        MediaKind.GIF: spec.gifs,
        MediaKind.VIDEO: spec.videos,
        MediaKind.AUDIO: spec.audios,
        MediaKind.DOCUMENT: spec.documents,
    }
    return rules.get(kind)


def _number_of_files(draft: Draft, spec: PlatformSpec) -> list[Finding]:
    """Too many of one kind, or of all together, or kinds that exclude each other."""
    kinds = Counter(media.kind for media in draft.media)
    rules = {kind: rule for kind in kinds if (rule := _rule(spec, kind))}
    mixed = len(rules) > 1
    if mixed and not any(set(rules) <= mix for mix in spec.mixes):
        return [Finding(Level.REFUSED, Cause.MEDIA_MIXED, "media")]
    for kind, rule in rules.items():
        if kinds[kind] > rule.max_count:
            values: dict[str, Any] = {"count": kinds[kind], "limit": rule.max_count}
            return [Finding(Level.REFUSED, Cause.TOO_MANY_MEDIA, "media", values)]
    if spec.has_stills and not PLAYED.isdisjoint(rules):
        if kinds[MediaKind.IMAGE] > 1:
            values = {"count": kinds[MediaKind.IMAGE], "limit": 1}
            return [Finding(Level.REFUSED, Cause.TOO_MANY_MEDIA, "media", values)]
        return []
    together = sum(kinds[kind] for kind in rules)
    limit = max((rule.max_count for rule in rules.values()), default=0)
    if mixed and together > limit:
        values = {"count": together, "limit": limit}
        return [Finding(Level.REFUSED, Cause.TOO_MANY_MEDIA, "media", values)]
    return []


def is_silent(file: MediaFile) -> bool:
    """A video without sound, as far as it was looked into."""
    is_known = file.kind is MediaKind.VIDEO and bool(file.video_codec)
    return is_known and not file.has_audio and not file.audio_codec


#: kind -> what it has when it is too many bytes
_TOO_HEAVY = {
    MediaKind.IMAGE: Cause.MEDIA_TOO_LARGE,
    MediaKind.GIF: Cause.MEDIA_TOO_LARGE,
    MediaKind.VIDEO: Cause.VIDEO_TOO_LARGE,
    MediaKind.AUDIO: Cause.AUDIO_TOO_LARGE,
    MediaKind.DOCUMENT: Cause.DOCUMENT_TOO_LARGE,
}


class _Judge:
    """Holds one file against the rule of its kind. What was not measured passes."""

    def __init__(self, media: MediaFile, number: int, *, still: bool = False) -> None:
        self.media = media
        #: it stands for a video, and has no alternative text
        self.still = still
        self.field = f"media:{number}"
        self.found: list[Finding] = []

    def findings(self, rule: MediaRule) -> list[Finding]:
        media = self.media
        if media.mime_type not in rule.mime_types:
            self._refuse(
                Cause.MEDIA_TYPE,
                mime_type=media.mime_type,
                allowed=", ".join(rule.mime_types),
            )
        self._at_most(_TOO_HEAVY[media.kind], media.size_bytes, rule.max_bytes, "bytes")
        pixels = media.width * media.height
        many = Cause.MEDIA_TOO_LARGE
        if media.kind is MediaKind.VIDEO:
            many = Cause.VIDEO_TOO_MANY_PIXELS
        self._at_most(many, pixels, rule.max_pixels, "pixels")
        if isinstance(rule, GifRule):
            self._animation(rule)
        elif isinstance(rule, VideoRule):
            self._video(rule)
        elif isinstance(rule, DocumentRule):
            self._at_most(Cause.DOCUMENT_TOO_LONG, media.pages, rule.max_pages, "pages")
        if media.height:
            video = media.kind is MediaKind.VIDEO
            shape = Cause.VIDEO_SHAPE if video else Cause.MEDIA_SHAPE
            ratio = round(media.width / media.height, 3)
            self._at_most(shape, ratio, rule.max_ratio, "wide to high")
            self._at_least(shape, ratio, rule.min_ratio, "wide to high")
        if media.kind in {MediaKind.IMAGE, MediaKind.GIF} or rule.max_alt:
            self._alternative_text(rule)
        return self.found

    def _animation(self, rule: GifRule) -> None:
        media = self.media
        large = Cause.ANIMATION_TOO_LARGE
        self._at_most(large, media.width, rule.max_width, "pixels wide")
        self._at_most(large, media.height, rule.max_height, "pixels high")
        self._at_most(
            Cause.ANIMATION_TOO_LONG, media.frames, rule.max_frames, "pictures"
        )
        if media.frames:
            volume = media.width * media.height * media.frames
            self._at_most(large, volume, rule.max_volume, "pixels in all pictures")
        if rule.shown_still:
            self.found.append(Finding(Level.WARNING, Cause.ANIMATION_LOST, self.field))

    def _video(self, rule: VideoRule) -> None:
        media = self.media
        length, rate = media.duration_s, media.frame_rate
        self._at_most(Cause.VIDEO_TOO_LONG, length, rule.max_s, "seconds")
        self._at_least(Cause.VIDEO_TOO_SHORT, length, rule.min_s, "seconds")
        self._at_least(Cause.VIDEO_TOO_SMALL, media.size_bytes, rule.min_bytes, "bytes")
        many, few = Cause.VIDEO_TOO_MANY_PIXELS, Cause.VIDEO_TOO_FEW_PIXELS
        self._at_most(many, media.width, rule.max_width, "pixels wide")
        self._at_most(many, media.height, rule.max_height, "pixels high")
        self._at_least(few, media.width, rule.min_width, "pixels wide")
        self._at_least(few, media.height, rule.min_height, "pixels high")
        self._at_most(Cause.VIDEO_FRAME_RATE, rate, rule.max_fps, "per second")
        self._at_least(Cause.VIDEO_FRAME_RATE, rate, rule.min_fps, "per second")
        self._at_most(
            Cause.VIDEO_BITRATE, media.bitrate, rule.max_bitrate, "bits per second"
        )
        channels, sampled = media.audio_channels, media.audio_rate
        self._at_most(Cause.SOUND_CHANNELS, channels, rule.max_channels, "channels")
        self._at_most(Cause.SOUND_RATE, sampled, rule.max_audio_rate, "hertz")
        for cause, codec, allowed in (
            (Cause.VIDEO_CODEC, media.video_codec, rule.video_codecs),
            (Cause.SOUND_CODEC, media.audio_codec, rule.audio_codecs),
            (Cause.VIDEO_COLOURS, media.pixel_format, rule.pixel_formats),
        ):
            if codec and allowed and codec not in allowed:
                self._refuse(cause, codec=codec, allowed=", ".join(allowed))
        if rule.progressive and media.interlaced:
            self._refuse(Cause.VIDEO_INTERLACED)
        if rule.index_first and not media.index_first:
            self._refuse(Cause.VIDEO_INDEX_LAST)

    def _alternative_text(self, rule: MediaRule) -> None:
        if self.still:
            return
        length = len(self.media.alt_text.strip())
        if not length:
            self.found.append(
                Finding(Level.WARNING, Cause.ALT_TEXT_MISSING, self.field)
            )
        else:
            long = Cause.ALT_TEXT_TOO_LONG
            self._at_most(long, length, rule.max_alt, "characters")

    def _at_most(
        self, cause: Cause, used: float | None, limit: float | None, unit: str
    ) -> None:
        if used is not None and limit is not None and used > limit:
            self._refuse(cause, used=used, limit=limit, unit=unit)

    def _at_least(
        self, cause: Cause, used: float | None, least: float | None, unit: str
    ) -> None:
        if used is not None and least is not None and used < least:
            self._refuse(cause, used=used, least=least, unit=unit)

    def _refuse(self, cause: Cause, **values: Any) -> None:
        self.found.append(Finding(Level.REFUSED, cause, self.field, values))


def option_findings(
    draft: Draft,
    spec: PlatformSpec,
    account: Identity | None = None,
    limits: Mapping[str, Any] | None = None,
) -> list[Finding]:
    """What is open or impossible in a person's choices; fields are option:KEY.

    limits: from `server_limits`. Choices that it does not list pass.
    """
    kinds = {file.kind for file in draft.media}
    found = []
    for option in spec.options:
        if option.media and kinds.isdisjoint(option.media):
            continue
        value = chosen(spec, draft, account, option.key)
        if finding := _option_finding(option, value, limits or {}):
            found.append(finding)
    return found


def _option_finding(
    option: Option, value: Any, limits: Mapping[str, Any]
) -> Finding | None:
    field = f"option:{option.key}"
    values: dict[str, Any] = {"option": option.name}
    if value is None or value == "" or value == [] or value == ():
        if option.required:
            return Finding(Level.REFUSED, Cause.OPTION_MISSING, field, values)
        return None
    if option.kind is OptionKind.CHOICE:
        choices = limits.get(option.choices_from) or option.choices
        if choices and value not in choices:
            return Finding(Level.REFUSED, Cause.OPTION_UNKNOWN, field, values)
    elif option.kind is OptionKind.DATE:
        if read_date(value) is None:
            return Finding(Level.REFUSED, Cause.OPTION_UNKNOWN, field, values)
    elif option.max_length is not None and option.kind is not OptionKind.FLAG:
        if option.kind is OptionKind.LINES:
            value = max(lines_of(value), key=len)
        used, limit = len(value), option.max_length
        if used > limit:
            unit = "" if option.kind is OptionKind.LIST else "characters"
            values |= {"used": used, "limit": limit, "unit": unit}
            return Finding(Level.REFUSED, Cause.OPTION_TOO_LONG, field, values)
    return None


def fetch_findings(draft: Draft, account: Identity | None) -> list[Finding]:
    """Whether a platform that fetches files itself can reach ours.

    The practice network runs beside us: its accounts have addresses there, and may
    fetch from any.
    """
    outside = account is not None and is_outside(account.url)
    for media in draft.media:
        if not media.public_url or (outside and not is_outside(media.public_url)):
            return [Finding(Level.REFUSED, Cause.MEDIA_NOT_PUBLIC, "media")]
    return []


def is_outside(url: str) -> bool:
    """An address that the whole internet can call, as far as its name tells."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    try:
        return is_public(host)
    except ValueError:
        private = (".localhost", ".local", ".internal", ".lan", ".test")
        return "." in host and not host.endswith(private)

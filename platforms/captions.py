"""Captions of a video: SRT and WebVTT, read and written anew in the other format.

Times, words and the marks that both formats know stay; where on the picture words stand
is WebVTT's alone and is left out, as are its notes and styles.
Sources: https://www.w3.org/TR/webvtt1/ ; SRT has no standard, only what players read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from .base import Draft, MediaFile, MediaKind, PlatformSpec
from .errors import Cause, InvalidContent

SRT, VTT = "application/x-subrip", "text/vtt"
#: what a platform's rule calls it -> MIME type
TYPES = {"srt": SRT, "vtt": VTT}
#: Longer ones are those of films, and no network takes them.
MAX_BYTES = 4 << 20
MAX_CUES = 50_000

_TIME = r"(?:(\d{1,4}):)?([0-5]?\d):([0-5]?\d)[.,](\d{1,3})"
_TIMES = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?")
#: WebVTT's marks that SRT's players do not know: classes, voices, ruby, times
_ONLY_VTT = re.compile(r"</?(?:c|v|lang|ruby|rt)\b[^>]*>|<\d[\d:.]*>", re.I)
#: and SRT's that WebVTT does not: fonts, and places as of another format
_ONLY_SRT = re.compile(r"</?font\b[^>]*>|\{\\an?\d+\}", re.I)
_MARK = re.compile(r"</?[biu]>", re.I)
_ENTITIES = {"&amp;": "&", "&lt;": "<", "&gt;": ">", "&nbsp;": "\N{NO-BREAK SPACE}"}


#: what languages call themselves
OWN_NAMES = {
    "ar": "العربيّة",
    "bg": "Български",
    "bn": "বাংলা",
    "ca": "Català",
    "cs": "Česky",
    "da": "Dansk",
    "de": "Deutsch",
    "el": "Ελληνικά",
    "en": "English",
    "es": "Español",
    "et": "Eesti",
    "fa": "فارسی",
    "fi": "Suomi",
    "fr": "Français",
    "he": "עברית",
    "hi": "हिंदी",
    "hr": "Hrvatski",
    "hu": "Magyar",
    "id": "Bahasa Indonesia",
    "it": "Italiano",
    "ja": "日本語",
    "ko": "한국어",
    "lt": "Lietuviškai",
    "lv": "Latviešu",
    "ms": "Bahasa Melayu",
    "nb": "Norsk (bokmål)",
    "nl": "Nederlands",
    "no": "Norsk (bokmål)",
    "pl": "Polski",
    "pt": "Português",
    "ro": "Română",
    "ru": "Русский",
    "sk": "Slovensky",
    "sl": "Slovenščina",
    "sr": "Српски",
    "sv": "Svenska",
    "sw": "Kiswahili",
    "ta": "தமிழ்",
    "te": "తెలుగు",
    "th": "ภาษาไทย",
    "tr": "Türkçe",
    "uk": "Українська",
    "ur": "اردو",
    "vi": "Tiếng Việt",
    "zh": "中文",
}


class NotCaptions(ValueError):
    """It is neither SRT nor WebVTT, or a broken one of them."""


@dataclass(frozen=True)
class Cue:
    """Milliseconds from the video's beginning; `text` with <b>, <i> and <u> as marks."""

    start_ms: int
    end_ms: int
    text: str


def looks_like(data: bytes) -> bool:
    """By its beginning."""
    try:
        return bool(_kind(_lines(data[:4096], cut=True)))
    except NotCaptions:
        return False


def kind_of(data: bytes) -> str:
    """MIME type. NotCaptions."""
    found = _kind(_lines(data))
    if not found:
        raise NotCaptions
    return found


def read(data: bytes) -> list[Cue]:
    """The cues in order of their times. NotCaptions."""
    lines = _lines(data)
    kind = _kind(lines)
    if not kind:
        raise NotCaptions
    cues, at = [], 0
    while at < len(lines):
        times = _TIMES.fullmatch(lines[at])
        at += 1
        if times is None:
            continue
        words: list[str] = []
        while at < len(lines) and lines[at].strip():
            if _TIMES.fullmatch(lines[at]):
                # Without an empty line between; the line before may be a number.
                if words and words[-1].strip().isdecimal():
                    words.pop()
                break
            words.append(lines[at].rstrip())
            at += 1
        start, end = _ms(times.groups()[:4]), _ms(times.groups()[4:])
        text = _plain("\n".join(words), kind)
        if text.strip() and end > start:
            cues.append(Cue(start, end, text))
        if len(cues) > MAX_CUES:
            raise NotCaptions
    if not cues:
        raise NotCaptions
    return sorted(cues, key=lambda cue: (cue.start_ms, cue.end_ms))


def srt(cues: Sequence[Cue]) -> bytes:
    blocks = [
        f"{number}\r\n{_time(cue.start_ms, ',')} --> {_time(cue.end_ms, ',')}\r\n"
        + cue.text.replace("\n", "\r\n")
        + "\r\n"
        for number, cue in enumerate(cues, 1)
    ]
    return "\r\n".join(blocks).encode()


def vtt(cues: Sequence[Cue]) -> bytes:
    blocks = [
        f"{_time(cue.start_ms, '.')} --> {_time(cue.end_ms, '.')}\n{_escaped(cue.text)}\n"
        for cue in cues
    ]
    return "\n".join(["WEBVTT\n", *blocks]).encode()


def sent(draft: Draft, spec: PlatformSpec) -> tuple[MediaFile, ...]:
    """Those of a draft that go along; `checks` says so of the others."""
    has_video = MediaKind.VIDEO in {file.kind for file in draft.media}
    if spec.captions is None or not has_video:
        return ()
    return draft.captions[: spec.captions.max_count]


def as_sent(file: MediaFile, spec: PlatformSpec) -> bytes:
    """The file in the platform's format. InvalidContent."""
    assert spec.captions is not None
    with file.open() as stream:
        data = stream.read(MAX_BYTES)
    try:
        cues = read(data)
    except NotCaptions as error:
        raise InvalidContent("no captions", cause=Cause.MEDIA_REFUSED) from error
    made = srt(cues) if spec.captions.format == "srt" else vtt(cues)
    if len(made) > spec.captions.max_bytes:
        raise InvalidContent(f"{len(made)} bytes", cause=Cause.CAPTIONS_TOO_LARGE)
    return made


def language_in(name: str) -> str:
    """The language that a file's name tells: "clip.de.srt", "clip_pt-BR.vtt"; else ""."""
    found = re.search(r"[._ -]([a-z]{2,3})(?:[-_]([A-Z]{2}))?\.(?:srt|vtt)$", name)
    if found is None or (len(found[1]) == 3 and not found[2]):
        return ""
    return f"{found[1]}-{found[2]}" if found[2] else found[1]


def language_name(code: str) -> str:
    """What a language calls itself, for those who choose among captions; the code of one
    whose name is not known."""
    spoken, dash, where = code.partition("-")
    name = OWN_NAMES.get(spoken.lower())
    return code if name is None else f"{name} ({where})" if dash else name


def _lines(data: bytes, *, cut: bool = False) -> list[str]:
    """cut: the last letter may be a part of one."""
    if b"\0" in data:
        raise NotCaptions
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        whole = cut and error.start > len(data) - 4
        if not whole:
            # What old Windows programs write.
            text = data.decode("cp1252", "replace")
        else:
            text = data[: error.start].decode("utf-8-sig")
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _kind(lines: Sequence[str]) -> str:
    if lines and re.match(r"WEBVTT(?:[ \t]|$)", lines[0]):
        return VTT
    said = [line for line in lines if line.strip()][:2]
    if said and _TIMES.fullmatch(said[0]):
        return SRT
    is_numbered = len(said) == 2 and said[0].strip().isdecimal()
    return SRT if is_numbered and _TIMES.fullmatch(said[1]) else ""


def _ms(parts: Sequence[str | None]) -> int:
    hours, minutes, seconds, thousandths = parts
    whole = (int(hours or 0) * 60 + int(minutes or 0)) * 60 + int(seconds or 0)
    return whole * 1000 + int((thousandths or "0").ljust(3, "0"))


def _time(ms: int, point: str) -> str:
    seconds, thousandths = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{thousandths:03}"


def _plain(text: str, kind: str) -> str:
    text = (_ONLY_VTT if kind == VTT else _ONLY_SRT).sub("", text)
    if kind == VTT:
        for entity, letter in reversed(_ENTITIES.items()):
            text = text.replace(entity, letter)
    return text


def _escaped(text: str) -> str:
    """As WebVTT wants it: its marks stay, all other signs of its language do not act."""
    found, at = [], 0
    for mark in _MARK.finditer(text):
        found += [_inert(text[at : mark.start()]), mark[0].lower()]
        at = mark.end()
    return "".join([*found, _inert(text[at:])])


def _inert(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")

"""Captions are read whatever wrote them, and say the same in the other format."""

from dataclasses import replace
from io import BytesIO

import pytest

from platforms import captions
from platforms.base import CaptionRule, Draft, Level, MediaFile, MediaKind
from platforms.captions import SRT, VTT, Cue, NotCaptions
from platforms.checks import media_findings
from platforms.errors import Cause, InvalidContent
from platforms.linkedin.spec import SPEC

CUES = [
    Cue(1000, 2500, "Hello <i>there</i>"),
    Cue(3600_000, 3601_005, "Brot & Butter\nfür 3 < 4"),
]
SAID_SRT = (
    "1\r\n00:00:01,000 --> 00:00:02,500\r\nHello <i>there</i>\r\n\r\n"
    "2\r\n01:00:00,000 --> 01:00:01,005\r\nBrot & Butter\r\nfür 3 < 4\r\n"
)
SAID_VTT = (
    "WEBVTT\n\n00:00:01.000 --> 00:00:02.500\nHello <i>there</i>\n\n"
    "01:00:00.000 --> 01:00:01.005\nBrot &amp; Butter\nfür 3 &lt; 4\n"
)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (SAID_SRT.encode(), SRT),
        (b"\xef\xbb\xbf" + SAID_SRT.replace("\r\n", "\n").encode(), SRT),
        (SAID_SRT.replace("1\r\n00", "00", 1).encode(), SRT),
        (SAID_SRT.encode("cp1252"), SRT),
        (SAID_VTT.encode(), VTT),
        (SAID_VTT.replace("\n", "\r").encode(), VTT),
    ],
)
def test_what_was_written_is_read(data, kind):
    assert (captions.kind_of(data), captions.read(data)) == (kind, CUES)
    assert captions.looks_like(data)


def test_each_format_says_the_same_as_the_other():
    assert captions.srt(CUES).decode() == SAID_SRT
    assert captions.vtt(CUES).decode() == SAID_VTT
    assert captions.read(captions.srt(captions.read(captions.vtt(CUES)))) == CUES


def test_what_only_one_format_knows_is_left_out():
    styled = (
        "WEBVTT Kind: captions\n\nSTYLE\n::cue { color: red }\n\nNOTE 00:01\n\n"
        "intro\n00:01.000 --> 00:02.000 align:start line:0%\n"
        "<v Ana><c.loud>Hey</c> <00:01.500>you</v>\n"
    )
    assert captions.read(styled.encode()) == [Cue(1000, 2000, "Hey you")]
    coloured = '1\n00:00:01,000 --> 00:00:02,000\n{\\an8}<font color="red">Hey</font>\n'
    assert captions.read(coloured.encode()) == [Cue(1000, 2000, "Hey")]


def test_cues_without_an_empty_line_between_them_stay_two():
    data = b"1\n00:00:01,0 --> 00:00:02,0\nOne\n2\n00:00:02,0 --> 00:00:03,0\nTwo\n"
    assert [cue.text for cue in captions.read(data)] == ["One", "Two"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"Hello",
        b"WEBVTT\n\nNOTE nothing\n",
        b"1\n2\n3\n",
        b"WEBVTTX\n\n00:01.000 --> 00:02.000\nHi\n",
        b"1\n00:00:02,000 --> 00:00:01,000\nbackwards\n",
        SAID_SRT.encode("utf-16"),
    ],
)
def test_anything_else_is_none(data):
    with pytest.raises(NotCaptions):
        captions.read(data)


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("clip.de.srt", "de"),
        ("clip_pt-BR.vtt", "pt-BR"),
        ("my clip en.srt", "en"),
        ("clip.srt", ""),
        ("the_end.srt", ""),
    ],
)
def test_a_name_tells_the_language(name, language):
    assert captions.language_in(name) == language


def said(data=b"", **changes):
    data = data or SAID_VTT.encode()
    facts = {
        "key": "a9",
        "mime_type": VTT,
        "size_bytes": len(data),
        "width": 0,
        "height": 0,
        "alt_text": "",
        "sha256": "d" * 64,
        "file_name": "c.vtt",
        "open": lambda: BytesIO(data),
        "kind": MediaKind.CAPTIONS,
        "language": "de",
    }
    return MediaFile(**{**facts, **changes})


FILM = said(kind=MediaKind.VIDEO, mime_type="video/mp4", size_bytes=80_000)
FILM = replace(FILM, width=1280, height=720)
RULE = CaptionRule("srt", 1000, max_count=2)


@pytest.mark.parametrize(
    ("files", "rule", "expected"),
    [
        ([said()], RULE, []),
        ([said()], None, [(Level.WARNING, Cause.CAPTIONS_LEFT_OUT, "media:2")]),
        (
            [said(language="de"), said(language="en"), said(language="fr")],
            RULE,
            [(Level.WARNING, Cause.CAPTIONS_LEFT_OUT, "media:4")],
        ),
        (
            [said(size_bytes=1001)],
            RULE,
            [(Level.REFUSED, Cause.CAPTIONS_TOO_LARGE, "media:2")],
        ),
        (
            [said(language="")],
            RULE,
            [(Level.REFUSED, Cause.CAPTIONS_LANGUAGE, "media:2")],
        ),
        ([said(language="")], replace(RULE, needs_language=False), []),
        (
            [said(), said(language="DE")],
            RULE,
            [(Level.REFUSED, Cause.CAPTIONS_TWICE, "media:3")],
        ),
    ],
)
def test_captions_are_held_to_the_rule(files, rule, expected):
    spec = replace(SPEC, captions=rule, videos=replace(SPEC.videos, min_bytes=0))
    draft = Draft("", media=(FILM,), captions=tuple(files))
    found = [(f.level, f.cause, f.field) for f in media_findings(draft, spec)]
    assert found == expected


def test_captions_without_a_video_are_refused():
    (found,) = media_findings(Draft("Hi", captions=(said(),)), SPEC)
    assert (found.level, found.cause) == (Level.REFUSED, Cause.CAPTIONS_ALONE)
    assert captions.sent(Draft("Hi", captions=(said(),)), SPEC) == ()


def test_they_leave_in_the_platform_s_format():
    spec = replace(SPEC, captions=RULE)
    draft = Draft("", media=(FILM,), captions=(said(),) * 3)
    assert len(captions.sent(draft, spec)) == 2
    assert captions.as_sent(said(), spec).decode() == SAID_SRT
    with pytest.raises(InvalidContent) as caught:
        captions.as_sent(said(), replace(SPEC, captions=replace(RULE, max_bytes=9)))
    assert caught.value.cause is Cause.CAPTIONS_TOO_LARGE
    with pytest.raises(InvalidContent):
        captions.as_sent(said(b"nothing"), spec)


@pytest.mark.parametrize(
    ("code", "name"),
    [("de", "Deutsch"), ("pt-BR", "Português (BR)"), ("tlh", "tlh"), ("EN", "English")],
)
def test_a_language_is_named_as_it_names_itself(code, name):
    assert captions.language_name(code) == name

"""What is told of a file by its content alone, and what is refused."""

from __future__ import annotations

import io
import struct

import pytest
from PIL import ExifTags, Image, ImageCms

from platforms.practice.tests.made_video import sound
from publishing import examine
from publishing.examine import Refused
from publishing.tests.made_files import (
    animation,
    claiming,
    office,
    pdf,
    picture,
    red_means_green,
    slides,
    sound_only,
    upright_video,
    video,
)

WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
POWERPOINT = "application/vnd.openxmlformats-officedocument.presentationml.presentation"


@pytest.fixture
def look(tmp_path):
    def look(data: bytes) -> dict:
        path, out = tmp_path / "file", tmp_path / "out"
        path.write_bytes(data)
        out.mkdir(exist_ok=True)
        return examine.examine(path, out)

    return look


def refusal(look, data: bytes) -> str:
    with pytest.raises(Refused) as refused:
        look(data)
    return refused.value.code


def test_a_video_is_measured_and_gets_a_poster(look, tmp_path):
    assert look(video(sound="aac")) == {
        "kind": "video",
        "mime_type": "video/mp4",
        "container": "mp4",
        "index_first": True,
        "width": 64,
        "height": 48,
        "duration_s": 0.5,
        "frame_rate": 30.0,
        "video_codec": "h264",
        "audio_codec": "aac",
        "audio_channels": 2,
        "audio_rate": 48_000,
        "has_audio": True,
        "bitrate": round(len(video(sound="aac")) * 8 / 0.5),
        "pixel_format": "yuv420p",
        "interlaced": False,
        "hdr": None,
    }
    poster = Image.open(tmp_path / "out" / "preview.webp")
    assert (poster.format, poster.size) == ("WEBP", (64, 48))


@pytest.mark.parametrize(
    ("container", "codec", "mime_type", "name"),
    [
        ("mov", "libx264", "video/quicktime", "h264"),
        ("webm", "libvpx", "video/webm", "vp8"),
        ("mp4", "mpeg4", "video/mp4", "mpeg4"),
    ],
)
def test_other_containers_and_codecs_have_their_names(
    look, container, codec, mime_type, name
):
    found = look(video(container, codec))
    assert (found["mime_type"], found["video_codec"]) == (mime_type, name)
    assert found["duration_s"] == pytest.approx(0.5, abs=0.05)
    assert not found["has_audio"]


@pytest.mark.parametrize(
    ("kind", "mime_type", "container", "codec"),
    [
        ("mp3", "audio/mpeg", "mp3", "mp3"),
        ("aac", "audio/aac", "aac", "aac"),
        ("ogg", "audio/ogg", "ogg", "opus"),
        ("wav", "audio/wav", "wav", "pcm_s16le"),
        ("flac", "audio/flac", "flac", "flac"),
        ("m4a", "audio/mp4", "m4a", "aac"),
        ("weba", "audio/webm", "webm", "opus"),
    ],
)
def test_sound_alone_is_measured(look, tmp_path, kind, mime_type, container, codec):
    facts = look(sound(kind, 1.5, 8000))
    assert 1.4 < facts.pop("duration_s") < 1.6
    assert facts.pop("bitrate") > 10_000
    assert facts == {
        "kind": "audio",
        "mime_type": mime_type,
        "container": container,
        "width": 0,
        "height": 0,
        "audio_codec": codec,
        "audio_channels": 1,
        "audio_rate": 48_000 if codec == "opus" else 44_100,
        "has_audio": True,
    }
    assert not (tmp_path / "out" / "preview.webp").exists()


def test_the_cover_of_a_record_makes_no_film_of_it(look):
    """An ID3 tag with a picture before the sound (https://id3.org/id3v2.3.0)."""
    cover = b"\0image/png\0\x03\0" + picture(size=(8, 8))
    frame = b"APIC" + len(cover).to_bytes(4, "big") + b"\0\0" + cover
    length = bytes(len(frame) >> shift & 0x7F for shift in (21, 14, 7, 0))
    facts = look(b"ID3\x03\0\0" + length + frame + sound("mp3"))
    assert (facts["kind"], facts["mime_type"]) == ("audio", "audio/mpeg")


def test_an_index_at_the_end_is_told(look):
    assert look(video(index_first=False))["index_first"] is False


def test_a_video_of_a_phone_held_upright_is_upright(look, tmp_path):
    found = look(upright_video())
    assert (found["width"], found["height"]) == (48, 64)
    assert Image.open(tmp_path / "out" / "preview.webp").size == (48, 64)


def test_a_recording_that_does_not_say_how_long_it_is_is_counted(look):
    data = video("webm", "libvpx")
    # EBML "Duration", 8 bytes: made a "Void" element, which is skipped.
    at = data.index(b"\x44\x89\x88")
    silent = data[:at] + b"\xec\x89" + bytes(9) + data[at + 11 :]
    assert look(silent)["duration_s"] == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_an_animated_image_is_told_from_a_still_one(look, kind):
    found = look(animation(kind, frames=3, ms=200))
    assert (found["kind"], found["frames"]) == ("gif", 3)
    assert found["duration_s"] == pytest.approx(0.6)
    assert look(picture(kind))["kind"] == "image"


def test_a_large_image_gets_a_small_picture(look, tmp_path):
    look(picture("PNG", (900, 300)))
    assert Image.open(tmp_path / "out" / "preview.webp").size == (640, 213)


def test_documents_are_told_with_their_pages(look):
    assert look(pdf(3))["pages"] == 3
    assert look(slides(4)) == {
        "kind": "document",
        "mime_type": POWERPOINT,
        "container": "pptx",
        "width": 0,
        "height": 0,
        "pages": 4,
    }
    word = look(office())
    assert (word["mime_type"], word.get("pages")) == (WORD, None)


@pytest.mark.parametrize(
    ("data", "container"),
    [
        (b"WEBVTT\n\n00:01.000 --> 00:02.000\nHi\n", "vtt"),
        (b"\xef\xbb\xbf1\r\n00:00:01,000 --> 00:00:02,000\r\nHi\r\n", "srt"),
        (b"\n00:00:01,0 --> 00:00:02,0\nHi\n", "srt"),
    ],
)
def test_captions_are_told_from_any_other_text(look, data, container):
    found = look(data)
    assert (found["kind"], found["container"]) == ("captions", container)


def webp_with_a_wrong_length() -> bytes:
    data = animation("WEBP")
    return data[:4] + struct.pack("<I", 1 << 30) + data[8:]


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda: b"", "empty"),
        (lambda: b"<html>", "unknown"),
        (lambda: b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "unknown"),
        (lambda: b"WEBVTT\n\nno line with a time", "damaged"),
        (lambda: b"1\nonly a number\n", "unknown"),
        (lambda: b"GIF89a", "damaged"),
        (lambda: video()[:-200], "damaged"),
        (lambda: video(index_first=False)[:-200], "damaged"),
        (lambda: video()[:100], "damaged"),
        (lambda: video("webm", "libvpx")[:-100], "damaged"),
        (lambda: b"\0\0\0\x18ftypmp42" + bytes(400), "damaged"),
        (lambda: b"\x1a\x45\xdf\xa3\x84webm\0\0", "damaged"),
        (lambda: b"\x1a\x45\xdf\xa3" + bytes(100), "unknown"),
        (lambda: sound_only(), "no_pictures"),
        (lambda: sound("wav")[:-2000], "damaged"),
        (lambda: b"ID3" + bytes(400), "damaged"),
        (lambda: b"fLaC" + bytes(400), "damaged"),
        (lambda: b"OggS" + bytes(400), "damaged"),
        (lambda: video("mov", "mpeg2video"), "codec"),
        (lambda: animation("GIF")[:-3], "damaged"),
        (lambda: animation("PNG")[:-30], "damaged"),
        (lambda: webp_with_a_wrong_length(), "damaged"),
        (lambda: picture("PNG", (300, 300))[:-60], "damaged"),
        (lambda: picture("JPEG", (300, 300))[:-400], "damaged"),
        (lambda: pdf()[:-100], "damaged"),
        (lambda: b"%PDF-1.7\n" + bytes(300) + b"%%EOF", "damaged"),
        (lambda: pdf(password="secret"), "locked"),
        (lambda: office()[:-30], "damaged"),
        (lambda: office("any/thing.xml"), "unknown"),
        (lambda: office(**{"word/vbaProject.bin": b"x"}), "macros"),
        (lambda: office(**{"word/bomb.xml": bytes(120 << 20)}), "bomb"),
    ],
)
def test_what_is_damaged_hostile_or_unknown_is_refused(look, make, code):
    assert refusal(look, make()) == code


def test_a_small_image_of_huge_size_is_refused_before_it_is_unfolded(look):
    bomb = io.BytesIO()
    Image.new("1", (9000, 9000)).save(bomb, "PNG")
    assert len(bomb.getvalue()) < 100_000
    assert refusal(look, bomb.getvalue()) == "pixels"


def test_dimensions_that_only_the_container_claims_are_not_believed(look):
    found = look(claiming(video(), 65_000, 65_000))
    assert (found["width"], found["height"]) == (64, 48)


def test_a_video_of_too_many_pixels_is_refused_before_it_is_unfolded(look, monkeypatch):
    monkeypatch.setattr(examine, "MAX_VIDEO_PIXELS", 64 * 48 - 1)
    monkeypatch.setattr(examine, "_picture", None)
    assert refusal(look, video()) == "video_pixels"


def test_a_video_of_too_many_hours_is_refused(look, monkeypatch):
    monkeypatch.setattr(examine, "MAX_VIDEO_S", 0.4)
    assert refusal(look, video()) == "too_long"


def test_an_animation_of_too_many_pictures_is_refused(look, monkeypatch):
    monkeypatch.setattr(examine, "MAX_FRAMES", 2)
    assert refusal(look, animation(frames=3)) == "frames"
    # Large ones may have fewer: three of these have 600 pixels.
    monkeypatch.setattr(examine, "MAX_FRAMES", 9)
    monkeypatch.setattr(examine, "MAX_ANIMATION_PIXELS", 599)
    assert refusal(look, animation(frames=3)) == "frames"


def test_an_image_that_is_an_archive_as_well_is_an_image(look):
    assert look(picture("JPEG") + office())["mime_type"] == "image/jpeg"


def with_exif(*, gps=False, orientation=0, kind="JPEG") -> bytes:
    exif = Image.Exif()
    if orientation:
        exif[ExifTags.Base.Orientation] = orientation
    if gps:
        exif[ExifTags.IFD.GPSInfo] = {
            ExifTags.GPS.GPSLatitudeRef: "N",
            ExifTags.GPS.GPSLatitude: (52.0, 31.0, 12.0),
        }
    return picture(kind, exif=exif.tobytes())


def test_a_turned_photo_is_measured_and_previewed_as_it_is_seen(look, tmp_path):
    found = look(with_exif(orientation=6))
    assert (found["width"], found["height"]) == (30, 40)
    assert Image.open(tmp_path / "out" / "preview.webp").size == (30, 40)


def test_a_photo_of_other_colours_is_previewed_in_those_of_every_screen(look, tmp_path):
    look(picture("JPEG", icc_profile=red_means_green(), color="red"))
    with Image.open(tmp_path / "out" / "preview.webp") as preview:
        red, green, _blue = preview.convert("RGB").getpixel((20, 15))
    assert (red < 30, green > 225) == (True, True)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P"])
def test_a_profile_that_is_broken_or_of_another_kind_changes_nothing(
    look, tmp_path, mode
):
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for profile in (lab, b"broken"):
        out = io.BytesIO()
        Image.new("L", (4, 3), 90).convert(mode).save(out, "PNG", icc_profile=profile)
        look(out.getvalue())
        with Image.open(tmp_path / "out" / "preview.webp") as preview:
            assert preview.convert("L").getpixel((1, 1)) == pytest.approx(90, abs=16)


@pytest.mark.parametrize("mode", ["I;16", "CMYK", "LA", "P", "1"])
def test_images_of_every_depth_are_previewed_as_they_are(look, tmp_path, mode):
    grey = Image.new("L", (40, 30), 128)
    kind = "JPEG" if mode == "CMYK" else "PNG"
    image = grey.convert("RGB").convert(mode, palette=Image.Palette.ADAPTIVE)
    if mode == "I;16":
        image = Image.new(mode, grey.size, 128 << 8)
    elif mode == "1":
        image = grey.convert(mode, dither=Image.Dither.NONE)
    out = io.BytesIO()
    image.save(out, kind)
    look(out.getvalue())
    with Image.open(tmp_path / "out" / "preview.webp") as preview:
        shown = preview.convert("RGB").getpixel((20, 15))
    assert shown == pytest.approx((255,) * 3 if mode == "1" else (128,) * 3, abs=4)


@pytest.mark.trap("bluesky", 10)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_the_place_is_taken_out_and_the_orientation_stays(look, tmp_path, kind):
    look(with_exif(gps=True, orientation=6, kind=kind))
    exif = Image.open(tmp_path / "out" / "clean").getexif()
    assert not exif.get_ifd(ExifTags.IFD.GPSInfo)
    assert exif[ExifTags.Base.Orientation] == 6


def test_a_photo_without_a_place_is_kept_as_it_is(look, tmp_path):
    look(with_exif(orientation=3))
    assert not (tmp_path / "out" / "clean").exists()

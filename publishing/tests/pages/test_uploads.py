"""Large files come in parts: on where they broke off, each person's own, kept once."""

from __future__ import annotations

import fcntl
import io
import os
import resource
import struct
import tracemalloc
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http.request import UnreadablePostError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import Brand
from publishing import incoming, media
from publishing.measuring import UploadRefused
from publishing.models import MediaAsset, Upload
from publishing.tests.made_files import pdf, picture, video
from publishing.upload_models import UploadBusy, WrongOffset, tidy

BEGIN = reverse("upload_begin")
NEW = reverse("compose")


def begin(client, world, data: bytes, name="clip.mp4", **changes):
    facts = {"brand": world.brand.pk, "name": name, "size": len(data), "changed": "17"}
    return client.post(BEGIN, {**facts, **changes})


def put(client, address: str, data: bytes, offset: int):
    return client.put(
        address,
        data,
        content_type="application/octet-stream",
        headers={"Upload-Offset": str(offset)},
    )


@pytest.fixture
def upload(world):
    def make(data: bytes, name="clip.mp4", user=None) -> Upload:
        return Upload.begin(user or world.ana, world.brand, name, len(data), "17")

    return make


def test_a_file_comes_in_parts_and_the_composer_takes_it(ana, world):
    data = video()
    begun = begin(ana, world, data)
    assert begun.status_code == 201
    address = begun.json()["address"]
    first = put(ana, address, data[:1000], 0)
    assert (first.status_code, first["Upload-Offset"]) == (204, "1000")
    assert ana.head(address)["Upload-Offset"] == "1000"
    put(ana, address, data[1000:], 1000)
    form = {"brand": world.brand.pk, "upload": begun.json()["id"], "text": "Hello"}
    page = ana.post(reverse("media_upload"), form).content.decode()
    asset = MediaAsset.objects.get()
    assert f'name="media" value="{asset.pk}"' in page
    assert reverse("media_preview", args=[asset.pk]) in page
    assert "0:01, 64 × 48, H264, no sound" in page
    with asset.file.open() as kept:
        assert kept.read() == data
    # Asked a second time, because the answer was lost: the same file once.
    again = ana.post(reverse("media_upload"), form).content.decode()
    assert f'name="media" value="{asset.pk}"' in again
    assert MediaAsset.objects.count() == 1
    assert list(incoming.folder().iterdir()) == []


def test_what_nobody_sees_in_a_name_is_left_out(ana, world):
    data = video()
    name = "C:\\clips\\a\0b\n\u202e\x1b[31mc.mp4"
    begun = begin(ana, world, data, name, changed="1\0")
    assert begun.status_code == 201
    put(ana, begun.json()["address"], data, 0)
    ana.post(
        reverse("media_add"), {"brand": world.brand.pk, "upload": begun.json()["id"]}
    )
    assert MediaAsset.objects.get().name == "ab[31mc.mp4"
    assert [media.short_name(one) for one in ("", "\0", "..", "a/", None)] == [
        "file",
        "file",
        "..",
        "a",
        "file",
    ]


def test_the_checks_say_in_words_where_a_document_is_not_sent(ana, world):
    file = SimpleUploadedFile("plan.pdf", pdf(2))
    form = {"brand": world.brand.pk, "text": "Hello", "accounts": [world.mastodon.pk]}
    page = ana.post(NEW, {**form, "files": [file], "action": "upload"})
    said = page.content.decode()
    assert "SocialHub does not send documents to Mastodon yet" in said
    assert '<a href="#media-1">Document 1</a>' in said
    assert 'id="media-1"' in said


def test_the_same_file_begun_again_goes_on_where_it_was(ana, world):
    data = video()
    address = begin(ana, world, data).json()["address"]
    put(ana, address, data[:700], 0)
    again = begin(ana, world, data)
    assert (again.json()["address"], again["Upload-Offset"]) == (address, "700")
    other = begin(ana, world, data, changed="18")
    assert other.json()["address"] != address


class Breaking(io.BytesIO):
    """A connection that breaks after so many bytes."""

    def __init__(self, data: bytes, after: int) -> None:
        super().__init__(data[:after])

    def read(self, size=-1):
        if block := super().read(size):
            return block
        raise UnreadablePostError("gone")


def test_what_came_before_a_break_is_kept_and_the_rest_follows(upload):
    data = video()
    row = upload(data)
    with pytest.raises(UnreadablePostError):
        row.receive(0, Breaking(data, 900))
    row.refresh_from_db()
    assert row.received_bytes == 900
    row.receive(900, io.BytesIO(data[900:]))
    assert row.finish().sha256 == incoming.digest([data])


def test_bytes_that_a_killed_process_did_not_note_are_written_again(upload):
    data = video()
    row = upload(data)
    row.receive(0, io.BytesIO(data[:500]))
    with row.path.open("ab") as file:
        file.write(b"written and never noted")
    row.receive(500, io.BytesIO(data[500:]))
    assert row.path.read_bytes() == data


def test_bytes_that_are_noted_and_not_there_are_sent_again(upload):
    data = video()
    row = upload(data)
    row.receive(0, io.BytesIO(data[:500]))
    os.truncate(row.path, 200)
    with pytest.raises(WrongOffset):
        row.receive(500, io.BytesIO(data[500:]))
    assert row.received_bytes == 200
    row.receive(200, io.BytesIO(data[200:]))
    assert row.path.read_bytes() == data


def test_a_whole_file_that_is_not_there_any_more_is_not_taken(upload):
    row = upload(video())
    row.receive(0, io.BytesIO(video()))
    row.path.unlink()
    with pytest.raises(UploadRefused, match="has not arrived whole"):
        row.finish()
    row.refresh_from_db()
    assert row.received_bytes == 0


def test_a_part_at_another_place_is_refused_with_the_place(ana, world):
    data = video()
    address = begin(ana, world, data).json()["address"]
    put(ana, address, data[:500], 0)
    for offset in (0, 501):
        refused = put(ana, address, data[:500], offset)
        assert (refused.status_code, refused["Upload-Offset"]) == (409, "500")
    missing = ana.put(address, data, content_type="application/octet-stream")
    assert missing.status_code == 400
    assert Upload.objects.get().path.read_bytes() == data[:500]


def test_more_than_was_announced_is_not_written(upload):
    row = upload(b"12345")
    row.receive(0, io.BytesIO(b"1234567"))
    assert row.path.read_bytes() == b"12345"


def test_while_one_tab_sends_another_waits(ana, world):
    data = video()
    address = begin(ana, world, data).json()["address"]
    row = Upload.objects.get()
    with row.path.open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert put(ana, address, data, 0).status_code == 423
        assert ana.delete(address).status_code == 423
        with pytest.raises(UploadBusy):
            row.finish()
        form = {"brand": world.brand.pk, "upload": str(row.pk), "text": "Kept"}
        page = ana.post(NEW, {**form, "action": "upload"}).content.decode()
        assert "clip.mp4 is still being looked into" in page
        assert f'name="upload" value="{row.pk}"' in page
        assert "Kept" in page
    assert put(ana, address, data, 0).status_code == 204


def test_a_tab_that_comes_late_finds_the_file_kept(upload):
    data = video()
    row, late = upload(data), upload(data)
    assert row == late
    row.receive(0, io.BytesIO(data))
    asset = row.finish()
    with pytest.raises(WrongOffset):
        late.receive(0, io.BytesIO(data))
    assert late.finish() == asset
    with asset.file.open() as kept:
        assert kept.read() == data


def test_strangers_see_and_touch_nothing(world, ana, sign_in, client):
    address = begin(ana, world, video()).json()["address"]
    for other in (sign_in(world.adam), sign_in(world.stranger)):
        assert other.head(address).status_code == 404
        assert put(other, address, b"x", 0).status_code == 404
        assert other.delete(address).status_code == 404
    assert put(client, address, b"x", 0).status_code == 302
    assert begin(sign_in(world.stranger), world, video()).status_code == 404
    assert begin(sign_in(world.guest), world, video()).status_code == 403
    taken = {"brand": world.brand.pk, "upload": str(Upload.objects.get().pk)}
    sign_in(world.adam).post(reverse("media_upload"), taken)
    assert not MediaAsset.objects.exists()


def test_another_site_cannot_send_parts(world, ana):
    address = begin(ana, world, video()).json()["address"]
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(world.ana)
    assert put(strict, address, b"x", 0).status_code == 403
    assert strict.delete(address).status_code == 403


@pytest.mark.parametrize(
    ("size", "sentence"),
    [
        (0, "clip.mp4 is empty"),
        ("many", "clip.mp4 is empty"),
        ((4096 << 20) + 1, "clip.mp4 is too large: at most 4096 MB"),
    ],
)
def test_what_cannot_be_taken_is_said_before_it_is_sent(ana, world, size, sentence):
    refused = begin(ana, world, b"", size=size)
    assert refused.status_code == 422
    assert refused.json()["problem"].startswith(sentence)
    assert not Upload.objects.exists()


def test_what_a_person_may_add_in_a_day_counts_what_is_under_way(upload, settings):
    settings.MEDIA_DAILY_MB = 1
    upload(bytes(600_000), "a.mp4")
    with pytest.raises(UploadRefused, match=r"b\.mp4 is more than you may add"):
        upload(bytes(600_000), "b.mp4")


def test_room_that_others_were_promised_is_not_given_twice(
    upload, world, settings, monkeypatch
):
    settings.MEDIA_KEEP_FREE_MB = 1
    monkeypatch.setattr(incoming.shutil, "disk_usage", lambda _p: Usage(3 << 20))
    upload(bytes(1 << 20), "a.mp4", user=world.adam)
    with pytest.raises(UploadRefused, match=r"b\.mp4 was not stored: SocialHub"):
        upload(bytes((1 << 20) + 1), "b.mp4")
    assert upload(bytes(1 << 20), "b.mp4")


class Usage:
    def __init__(self, free: int) -> None:
        self.free = free


def test_a_file_that_cannot_be_used_is_refused_in_words_and_gone(ana, world):
    data = video()[:-99]
    begun = begin(ana, world, data).json()
    put(ana, begun["address"], data, 0)
    form = {"brand": world.brand.pk, "upload": begun["id"], "text": "My careful words"}
    page = ana.post(NEW, {**form, "action": "schedule"}).content.decode()
    assert "clip.mp4 is damaged or not complete. Export it again" in page
    assert "My careful words" in page
    assert not Upload.objects.exists()
    assert list(incoming.folder().iterdir()) == []


def test_an_unfinished_file_is_not_taken(upload):
    row = upload(video())
    row.receive(0, io.BytesIO(video()[:10]))
    with pytest.raises(UploadRefused, match="has not arrived whole"):
        row.finish()
    assert Upload.objects.exists()


def test_cancelling_removes_what_came_and_nothing_that_is_kept(ana, world, upload):
    data = video()
    address = begin(ana, world, data).json()["address"]
    path = Upload.objects.get().path
    put(ana, address, data[:9], 0)
    assert ana.delete(address).status_code == 204
    assert not path.exists()
    assert ana.delete(address).status_code == 404
    row = upload(data)
    row.receive(0, io.BytesIO(data))
    asset = row.finish()
    ana.delete(reverse("upload_part", args=[row.pk]))
    assert asset.file.storage.exists(asset.file.name)


@pytest.fixture
def full_disk():
    """No file of this process grows beyond 16 MB while it is on."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16 << 20, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_said_and_costs_nothing_that_was_there(
    ana, world, upload, full_disk
):
    at = (16 << 20) - 100
    data = bytes(300)
    row = upload(bytes(at + 300))
    row.path.touch()
    os.truncate(row.path, at)
    Upload.objects.update(received_bytes=at)
    answer = put(ana, reverse("upload_part", args=[row.pk]), data, at)
    assert answer.status_code == 507
    assert "SocialHub's disk has no room" in answer.json()["problem"]
    assert int(answer["Upload-Offset"]) == at + 100
    row.refresh_from_db()
    assert row.received_bytes == row.path.stat().st_size == at + 100


def test_a_full_disk_costs_a_plain_form_its_file_and_no_words(ana, world, monkeypatch):
    class Full(incoming.IncomingFile):
        def write(self, data):
            raise OSError(28, "No space left on device")

    kept = media.take_upload(
        SimpleUploadedFile("kept.png", picture("PNG")), world.brand, world.ana
    )
    monkeypatch.setattr(incoming, "IncomingFile", Full)
    large = SimpleUploadedFile("large.mp4", bytes(2 << 20))
    form = {"brand": world.brand.pk, "media": [kept.pk], "text": "My careful words"}
    page = ana.post(NEW, {**form, "files": [large], "action": "schedule"})
    said = page.content.decode()
    assert "large.mp4 was not stored: SocialHub&#x27;s disk has no room" in said
    assert "My careful words" in said
    assert f'name="media" value="{kept.pk}"' in said


def test_a_plain_form_takes_a_file_that_is_too_large_for_memory(ana, world):
    data = video() + box(b"free", 2 << 20)
    file = SimpleUploadedFile("clip.mp4", data)
    form = {"brand": world.brand.pk, "text": "Hi"}
    ana.post(NEW, {**form, "files": [file], "action": "upload"})
    assert MediaAsset.objects.get().sha256 == incoming.digest([data])
    assert list(incoming.folder().iterdir()) == []


def test_a_plain_form_says_which_file_is_too_large(ana, world, settings):
    settings.MEDIA_MAX_MB = 1
    file = SimpleUploadedFile("clip.mp4", bytes(2 << 20))
    form = {"brand": world.brand.pk, "text": "Still here"}
    page = ana.post(NEW, {**form, "files": [file], "action": "upload"})
    assert "clip.mp4 is too large: at most 1 MB" in page.content.decode()
    assert "Still here" in page.content.decode()


def test_the_same_bytes_in_two_brands_lie_there_once(world, upload):
    data = video()
    first = upload(data)
    first.receive(0, io.BytesIO(data))
    asset = first.finish()
    other = Brand.objects.create(name="Other")
    twin = media.take_upload(SimpleUploadedFile("b.mp4", data), other, world.ana)
    assert (twin.file.name, twin.preview.name) == (asset.file.name, asset.preview.name)
    stored = [path for path in Path(asset.file.path).parent.iterdir()]
    assert len(stored) == 1


def test_what_has_not_moved_for_a_day_is_given_up(upload, world):
    old = upload(video(), "old.mp4")
    old.receive(0, io.BytesIO(video()[:10]))
    now = timezone.now() + timedelta(days=1, minutes=1)
    Upload.objects.filter(pk=upload(video(), "new.mp4").pk).update(changed_at=now)
    stray = incoming.folder() / "left.form"
    stray.touch()
    assert tidy(now) == 1
    assert [row.name for row in Upload.objects.all()] == ["new.mp4"]
    assert not old.path.exists()
    assert not stray.exists()


def box(name: bytes, size: int) -> bytes:
    return struct.pack(">I4s", size, name) + bytes(size - 8)


class Zeros(io.RawIOBase):
    """A stream of that many zero bytes; it remembers the largest piece asked for."""

    def __init__(self, size: int) -> None:
        self.left = size
        self.most = 0

    def read(self, size=-1):
        assert size > 0
        self.most = max(self.most, size)
        size = min(size, self.left)
        self.left -= size
        return bytes(size)


def test_memory_does_not_grow_with_the_file(upload, world, tmp_path):
    size = 64 << 20
    row = Upload.begin(world.ana, world.brand, "big.mp4", size, "1")
    tracemalloc.start()
    row.receive(0, Zeros(size))
    _now, receiving = tracemalloc.get_traced_memory()
    # A real video with much of nothing behind it, which takes no room on disk.
    whole = tmp_path / "whole.mp4"
    gap = 256 << 20
    whole.write_bytes(video() + struct.pack(">I4s", gap, b"free"))
    os.truncate(whole, len(video()) + gap)
    tracemalloc.reset_peak()
    asset = media.keep(whole, "whole.mp4", world.brand, world.ana)
    _now, keeping = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert asset.size_bytes == len(video()) + gap
    assert max(receiving, keeping) < 8 << 20

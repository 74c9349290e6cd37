"""Export: everything in open formats, made over many turns, given to its person alone,
and posts that come back equal."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from datetime import date, time, timedelta

import pytest
from django.core.files.base import ContentFile
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent, Brand
from monitoring.models import Answer, MetricSnapshot, PostComment
from publishing import composing, exporting, jobs, table_columns
from publishing.models import (
    Attempt,
    Delivery,
    Import,
    Job,
    Label,
    LinkRule,
    MediaAsset,
    PartMedia,
    Post,
    PostMedia,
    Remark,
    Variant,
)
from publishing.zip_writing import Lost, Place, Taken, opened

from .conftest import make_account, make_delivery, picture

SOON = timezone.localdate() + timedelta(days=30)


@pytest.fixture(autouse=True)
def no_wake_ups(monkeypatch):
    """Turns are taken by hand."""
    monkeypatch.setattr(jobs, "wake", lambda: None)


def finish() -> None:
    for _turn in range(300):
        if not jobs.take_turn():
            return
    pytest.fail("long work has no end")


def add_file(brand, name, content, **fields) -> MediaAsset:
    asset = MediaAsset(
        brand=brand,
        name=name,
        mime_type="image/jpeg",
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        width=40,
        height=30,
        **fields,
    )
    asset.file.save(name, ContentFile(content), save=False)
    asset.save()
    return asset


def export(client, **fields) -> Job:
    what = fields.pop("what", None) or list(
        client.get(reverse("export_list")).context["what"]
    )
    keys = [one if isinstance(one, str) else one[0] for one in what]
    answer = client.post(reverse("export_list"), {"what": keys, **fields})
    assert answer.status_code == 302, answer.content.decode()
    finish()
    return Job.objects.latest("pk")


def fetch(client, job: Job) -> zipfile.ZipFile:
    assert job.state == "done", job.problem
    answer = client.get(exporting.address(job))
    assert answer.status_code == 200, answer
    packed = zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content)))
    assert packed.testzip() is None
    return packed


def lines(packed, name) -> list[dict]:
    return [json.loads(line) for line in packed.read(name).decode().splitlines()]


def cells(packed, name) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(packed.read(name).decode("utf-8-sig"))))


def rich_post(world) -> Post:
    """All that a post can have; and texts that spreadsheets and marks stumble over."""
    LinkRule.objects.create(brand=world.brand, source="hub", own_hosts="acme.example")
    one = add_file(world.brand, "a; b|c.jpg", picture(), alt_text="From the library")
    two = add_file(world.brand, "two.jpg", picture(size=(41, 30)))
    three = add_file(world.brand, "three.jpg", picture(size=(42, 30)))
    post = Post.objects.create(
        brand=world.brand,
        author=world.ana,
        text="=1+1 ist „zwei“; \n'@acme, says\n---\nGrüße 👩‍🚀 https://acme.example/a",
        link_url="https://acme.example/",
        link_title="-Title",
        link_description="+Teaser",
        poll={
            "options": ["Yes; „and no“", "a | b", "[c"],
            "minutes": 4320,
            "multiple": True,
            "question": "=Which?",
        },
        campaign="Spring Sale",
        link_tags={
            "params": {"utm_source": "old", "utm_campaign": "{campaign}"},
            "hosts": ["acme.example"],
            "values": {"campaign": "spring-sale"},
        },
    )
    # 02:30 comes twice on that night in Berlin.
    post.set_time(date(SOON.year + 1, 10, 31), time(2, 30), "Europe/Berlin")
    post.useful_until = post.due_at + timedelta(hours=5)
    post.save()
    post.accounts.set([world.x, world.mastodon])
    names = ("spring", "Ärger & Co")
    post.labels.set([Label.objects.create(brand=world.brand, name=n) for n in names])
    PostMedia.objects.create(post=post, asset=one, position=0, alt_text="")
    PostMedia.objects.create(post=post, asset=two, position=1, alt_text="two | 2")
    variant = Variant.objects.create(
        post=post,
        platform="mastodon",
        text="@acme own words",
        parts=["part 2\n---\nstill 2", "[3]"],
    )
    PartMedia.objects.create(
        variant=variant, part=3, position=0, asset=three, alt_text="three"
    )
    Variant.objects.create(
        post=post,
        platform="facebook",
        has_text=False,
        options={"placement": "reel"},
        first_comment="=first | comment",
    )
    return post


def said(post: Post) -> dict:
    """All that a post says, in values that another SocialHub has as well."""
    found = composing.saved_composition(post)

    def files(uses):
        return [(asset.sha256, alt or asset.alt_text) for asset, alt in uses]

    return {
        "brand": found.brand.name,
        "text": found.text,
        "link": (found.link_url, found.link_title, found.link_description),
        "poll": found.poll,
        "own": found.own,
        "options": found.options,
        "files": files(found.files),
        "parts": {
            slug: [(part.text, files(part.files)) for part in parts]
            for slug, parts in found.parts.items()
        },
        "comments": found.comments,
        "accounts": sorted((a.platform, a.external_id) for a in found.accounts),
        "labels": found.labels,
        "campaign": found.campaign,
        "link_tags": found.link_tags,
        "time": (post.local_date, post.local_time, post.zone),
        "instants": (post.due_at, post.useful_until),
    }


@pytest.mark.parametrize("elsewhere", [False, True])
def test_exported_posts_come_back_equal(world, ana, elsewhere):
    post = rich_post(world)
    other = Post.objects.create(brand=world.brand, author=world.ana, text="-- plain")
    before = [said(post), said(other)]
    job = export(ana, brand=world.brand.pk, what=["posts", "media"])
    packed = fetch(ana, job)
    Post.objects.all().delete()
    Label.objects.all().delete()
    data = {"brand": world.brand.pk, "zone": "UTC"}
    if elsewhere:
        # Neither the files nor their numbers are known there.
        MediaAsset.objects.all().delete()
        data["files"] = SimpleUploadedFile(
            "all.zip", (job.folder / exporting.WHOLE).read_bytes()
        )
    table = SimpleUploadedFile("posts.csv", packed.read("posts.csv"))
    ana.post(reverse("import_list"), {**data, "table": table})
    finish()
    table = Import.objects.get()
    assert [row.problems for row in table.rows.all()] == [[], []]
    ana.post(reverse("import_do", args=[table.pk]), {"action": "write"})
    finish()
    posts = Post.objects.order_by("pk")
    assert [said(one) for one in posts] == before
    assert [one.state for one in posts] == ["draft", "draft"]


def test_a_scheduled_post_comes_back_scheduled(world, ana):
    post = make_delivery(world.mastodon, world.ana, text="Soon", hours=48).post
    before = said(post)
    packed = fetch(ana, export(ana, brand=world.brand.pk, what=["posts"]))
    Delivery.objects.all().delete()
    Post.objects.all().delete()
    table = SimpleUploadedFile("posts.csv", packed.read("posts.csv"))
    data = {"brand": world.brand.pk, "zone": "Asia/Tokyo", "table": table}
    ana.post(reverse("import_list"), data)
    finish()
    ana.post(reverse("import_do", args=[Import.objects.get().pk]), {"action": "write"})
    finish()
    again = Post.objects.get()
    assert (said(again), again.state) == (before, "scheduled")
    assert again.deliveries.get().due_at == post.due_at


def fill(world) -> Delivery:
    """A row of everything, and a brand beside it."""
    delivery = make_delivery(
        world.mastodon,
        world.ana,
        text="Out",
        hours=-24,
        status="published",
        external_id="9",
        permalink="https://m.example/9",
        published_at=timezone.now() - timedelta(hours=24),
        next_attempt_at=None,
        attempt_count=1,
    )
    Attempt.objects.create(delivery=delivery, number=1, outcome="published")
    MetricSnapshot.objects.create(
        delivery=delivery,
        at=timezone.now(),
        values={"likes": 7, "votes": [["Tea", 6], ["Coffee", None]], "voters": 4},
    )
    PostComment.objects.create(
        delivery=delivery,
        external_id="c1",
        text='=cmd|"/c calc"!A0',
        author="Joe",
        read_at=timezone.now(),
    )
    Answer.objects.create(
        delivery=delivery,
        comment_id="c1",
        text="Thanks",
        author=world.ana,
        form_key="00000000-0000-0000-0000-000000000001",
    )
    Remark.objects.create(post=delivery.post, author=world.rita, text="Nice")
    world.brand.snippets.create(kind="hashtags", name="Set", text="#a #b")
    world.brand.queues.create(name="Weekly").slots.create(weekday=0, wall=time(9))
    AuditEvent.write(world.ana, "post.created", delivery.post, access_token="tok-9")
    other = Brand.objects.create(name="Other")
    world.stranger.brands.add(other)
    theirs = make_delivery(make_account(other, "x", "Theirs"), world.stranger)
    AuditEvent.write(world.stranger, "post.created", theirs.post)
    return delivery


def test_a_brand_has_all_that_is_its_own_and_nothing_else(world, sign_in):
    delivery = fill(world)
    rich_post(world)
    job = export(sign_in(world.adam), brand=world.brand.pk)
    packed = fetch(sign_in(world.adam), job)
    names = set(packed.namelist())
    sent = lines(packed, "deliveries.jsonl")
    assert [row["delivery"] for row in sent] == [delivery.pk]
    assert sent[0]["permalink"] == "https://m.example/9"
    assert sent[0]["due_at"].endswith("Z")
    assert (sent[0]["zone"], len(sent[0]["due_wall"])) == ("UTC", 16)
    assert lines(packed, "attempts.jsonl")[0]["outcome"] == "published"
    figures = lines(packed, "figures.jsonl")[0]
    assert (figures["likes"], figures["reach"]) == (7, None)
    assert (figures["votes"], figures["voters"]) == ("Tea: 6\nCoffee:", 4)
    assert lines(packed, "answers.jsonl")[0]["text"] == "Thanks"
    assert lines(packed, "remarks.jsonl")[0]["author"] == "rita"
    assert lines(packed, "queues.jsonl")[0]["slots"] == [[0, "09:00"]]
    assert len(cells(packed, "posts.csv")) == 2
    # A spreadsheet runs nothing; a program has the text as it is.
    assert cells(packed, "comments.csv")[0]["text"].startswith("'=cmd")
    assert lines(packed, "comments.jsonl")[0]["text"].startswith("=cmd")
    assert packed.read("comments.csv").startswith(b"\xef\xbb\xbf")
    # Files are as they were added, and each has its checksum.
    media = lines(packed, "media.jsonl")
    assert len(media) == 3
    for row in media:
        content = packed.read(row["file"])
        assert hashlib.sha256(content).hexdigest() == row["sha256"]
    sums = dict(
        reversed(line.split("  ", 1))
        for line in packed.read("SHA256SUMS").decode().splitlines()
    )
    assert set(sums) == names - {"SHA256SUMS"}
    for name, digest in sums.items():
        assert hashlib.sha256(packed.read(name)).hexdigest() == digest
    # Nothing of others, and no access of anybody.
    everything = b"".join(packed.read(name) for name in names)
    assert b"Theirs" not in everything
    assert b"secret-token" not in everything
    assert b"tok-9" not in everything
    verbs = {row["verb"] for row in lines(packed, "audit.jsonl")}
    assert {"post.created", "export.asked"} <= verbs
    readme = packed.read("README.txt").decode("utf-8-sig")
    for name in names:
        if name.endswith(".csv"):
            for column in cells(packed, name)[:1] or [{}]:
                assert all(f"  {head}: " in readme for head in column), name
    assert set(job.result["counts"]) == {
        table.name for table in exporting.export_tables.tables(exporting.WHAT)
    }


def test_days_limit_rows_and_take_the_files_of_their_posts_along(world, ana):
    post = rich_post(world)
    make_delivery(world.mastodon, world.ana, text="Soon", hours=48)
    MediaAsset.objects.update(created_at=timezone.now() - timedelta(days=400))
    add_file(world.brand, "old.jpg", picture(size=(43, 30))).__class__.objects.filter(
        name="old.jpg"
    ).update(created_at=timezone.now() - timedelta(days=400))
    day = post.local_date.isoformat()
    job = export(ana, brand=world.brand.pk, what=["posts", "media"], begin=day, end=day)
    packed = fetch(ana, job)
    assert [row["post"] for row in lines(packed, "posts.jsonl")] == [post.pk]
    assert len([n for n in packed.namelist() if n.startswith("media/")]) == 3


def test_who_may_export_what(world, sign_in, client):
    url = reverse("export_list")
    mine = {"brand": world.brand.pk, "what": ["posts"]}
    assert sign_in(world.rita).post(url, mine).status_code == 403
    ana, adam = sign_in(world.ana), sign_in(world.adam)
    for asked, words in [
        ({"brand": "all", "what": ["posts"]}, "Only admins export all brands"),
        ({**mine, "what": ["audit"]}, "Only admins export"),
        ({**mine, "brand": Brand.objects.create(name="B").pk}, "do not see this brand"),
        ({**mine, "what": []}, "Tick at least one"),
        ({**mine, "begin": "2026-02-02", "end": "2026-02-01"}, "lies before"),
        ({**mine, "begin": "0001-01-01"}, "Write a day"),
        ({**mine, "end": "9999-12-31"}, "Write a day"),
    ]:
        page = ana.post(url, asked)
        assert (page.status_code, words in page.content.decode()) == (422, True), words
    fill(world)
    packed = fetch(adam, export(adam, brand="all"))
    # All of theirs is not all there is.
    assert json.loads(packed.read("manifest.json"))["brands"] == ["Acme"]
    assert b"Theirs" not in packed.read("audit.jsonl")
    world.adam.is_superuser = True
    world.adam.save()
    everything = export(adam, brand="all")
    packed = fetch(adam, everything)
    assert "Other" in json.loads(packed.read("manifest.json"))["brands"]
    # It was made of more than they may see now.
    world.adam.is_superuser = False
    world.adam.save()
    page = adam.get(exporting.address(everything), follow=True)
    assert "do not see all brands of this export" in page.content.decode()
    job = export(ana, brand=world.brand.pk, what=["posts"])
    address = exporting.address(job)
    # Neither somebody else nor a stranger has it, and nobody after an hour.
    assert adam.get(address).status_code == 302
    assert client.get(address).status_code == 302
    assert ana.get(reverse("export_fetch", args=["x:y:z"])).status_code == 302
    part = ana.get(address, headers={"range": "bytes=0-3"})
    assert (part.status_code, b"".join(part.streaming_content)) == (206, b"PK\x03\x04")
    world.brand.members.remove(world.ana)
    page = ana.get(address, follow=True)
    assert "do not see this brand any more" in page.content.decode()
    world.brand.members.add(world.ana)
    assert ana.post(reverse("export_delete", args=[job.pk])).status_code == 302
    assert not job.folder.exists()
    events = AuditEvent.objects.filter(verb__startswith="export.")
    assert set(events.values_list("verb", flat=True)) >= {
        "export.asked",
        "export.deleted",
    }


def test_two_that_are_begun_in_one_instant_are_one(world, ana, monkeypatch):
    fields = {"brand": world.brand.pk, "what": ["posts"]}
    ana.post(reverse("export_list"), fields)
    # The other request has looked before this one was written.
    monkeypatch.setattr(exporting, "exports_of", lambda user: Job.objects.none())
    second = ana.post(reverse("export_list"), fields)
    assert second.status_code == 422
    assert "An export of yours is being made" in second.content.decode()
    assert Job.objects.count() == 1
    assert AuditEvent.objects.filter(verb="export.asked").count() == 1


def test_an_address_is_over_after_an_hour(world, ana, monkeypatch):
    job = export(ana, brand=world.brand.pk, what=["posts"])
    address = exporting.address(job)
    assert ana.get(address).status_code == 200
    monkeypatch.setattr(exporting, "LINK_LIFE_S", -1)
    assert ana.get(address).status_code == 302


def test_whoever_lost_a_brand_meanwhile_gets_nothing(world, ana):
    fields = {"brand": world.brand.pk, "what": ["posts"]}
    assert ana.post(reverse("export_list"), fields).status_code == 302
    world.brand.members.remove(world.ana)
    finish()
    job = Job.objects.get()
    assert (job.state, job.folder.exists()) == ("failed", False)


def test_a_full_disk_refuses_in_words(world, ana, settings):
    rich_post(world)
    settings.MEDIA_KEEP_FREE_MB = 1 << 40
    page = ana.post(
        reverse("export_list"), {"brand": world.brand.pk, "what": ["posts"]}
    )
    assert page.status_code == 422
    assert "no room for an export" in page.content.decode()
    assert not Job.objects.exists()


def test_what_the_storage_lost_is_named_and_the_rest_is_there(world, ana):
    gone = add_file(world.brand, "gone.jpg", picture())
    bad = add_file(world.brand, "bad.jpg", picture(size=(41, 30)))
    good = add_file(world.brand, "good.jpg", picture(size=(42, 30)))
    gone.file.storage.delete(gone.file.name)
    with bad.file.storage.open(bad.file.name, "r+b") as file:
        file.write(b"rot")
    job = export(ana, brand=world.brand.pk, what=["media"])
    packed = fetch(ana, job)
    assert [n for n in packed.namelist() if n.startswith("media/")] == [
        f"media/{good.pk}-good.jpg"
    ]
    readme = packed.read("README.txt").decode()
    assert f"media/{gone.pk}-gone.jpg" in readme
    assert f"media/{bad.pk}-bad.jpg" in readme
    assert (
        "2 media files could not be read"
        in ana.get(reverse("export_list")).content.decode()
    )


@pytest.mark.parametrize("point", ["export_rows", "export_block", "export_end"])
def test_a_worker_that_dies_anywhere_costs_nothing(world, ana, monkeypatch, point):
    for n in range(7):
        make_delivery(world.mastodon, world.ana, text=f"Post {n}", hours=24 + n)
    content = b"x" * 5000
    for n in range(3):
        add_file(world.brand, f"{n}.jpg", content + bytes([n]))
    monkeypatch.setattr(exporting, "STEP", 2)
    monkeypatch.setattr(exporting, "BLOCK", 1000)
    monkeypatch.setattr(jobs, "TURN_S", 0.0)
    monkeypatch.setattr(jobs.Turn, "is_over", True)
    calls = {"n": 0, "deaths": 0}

    class Killed(BaseException):
        pass

    def die(name):
        calls["n"] += name == point
        if name == point and calls["n"] % 3 == 1 and calls["deaths"] < 5:
            calls["deaths"] += 1
            raise Killed

    monkeypatch.setattr(exporting, "crash_point", die)
    fields = {"brand": world.brand.pk, "what": ["posts", "deliveries", "media"]}
    ana.post(reverse("export_list"), fields)
    job = Job.objects.get()
    for _turn in range(200):
        try:
            if not jobs.take_turn():
                break
        except Killed:
            assert not exporting.is_there(Job.objects.get())
            Job.objects.update(lease_expires_at=None)
    assert calls["deaths"]
    job = Job.objects.get()
    packed = fetch(ana, job)
    assert [row["text"] for row in lines(packed, "posts.jsonl")] == [
        f"Post {n}" for n in range(7)
    ]
    assert len(cells(packed, "deliveries.csv")) == 7
    assert [
        packed.read(n)[-1] for n in packed.namelist() if n.startswith("media/")
    ] == [0, 1, 2]
    assert len(packed.namelist()) == len(set(packed.namelist()))
    assert {path.name for path in job.folder.iterdir()} <= {exporting.WHOLE, "tables"}
    assert job.done == job.total


def test_cancelling_leaves_nothing(world, ana, monkeypatch):
    make_delivery(world.mastodon, world.ana)
    monkeypatch.setattr(jobs.Turn, "is_over", True)
    ana.post(reverse("export_list"), {"brand": world.brand.pk, "what": ["posts"]})
    jobs.take_turn()
    job = Job.objects.get()
    assert job.folder.exists()
    second = ana.post(
        reverse("export_list"), {"brand": world.brand.pk, "what": ["posts"]}
    )
    assert "An export of yours is being made" in second.content.decode()
    page = ana.post(reverse("job_cancel", args=[job.pk]), follow=True)
    assert "Nothing of it is kept." in page.content.decode()
    jobs.take_turn()
    job.refresh_from_db()
    assert (job.state, job.folder.exists()) == ("cancelled", False)


def test_many_posts_are_in_several_files_that_the_import_takes(world, ana, monkeypatch):
    from dataclasses import replace

    from publishing import export_posts, export_tables

    small = replace(export_posts.POSTS, most_rows=3)
    monkeypatch.setattr(export_tables, "_tables", [small])
    for n in range(7):
        Post.objects.create(brand=world.brand, author=world.ana, text=f"Post {n}")
    packed = fetch(ana, export(ana, brand=world.brand.pk, what=["posts"]))
    sizes = [
        len(cells(packed, name)) for name in ("posts.csv", "posts-2.csv", "posts-3.csv")
    ]
    assert sizes == [3, 3, 1]
    heads = csv.DictReader(io.StringIO(packed.read("posts-3.csv").decode("utf-8-sig")))
    known = [table_columns.known(head) for head in heads.fieldnames or ()]
    assert [head for head in known if head] == known[: known.index("")]


def test_an_operator_exports_all(world, ana, tmp_path, capsys):
    fill(world)
    file = tmp_path / "all.zip"
    call_command("export", str(file), "--all", "--zone", "Europe/Berlin")
    answer = json.loads(capsys.readouterr().out.splitlines()[-1])
    with zipfile.ZipFile(file) as packed:
        assert packed.testzip() is None
        assert answer["files"] == len(packed.namelist())
        assert b"Theirs" in packed.read("accounts.csv")
        assert b"secret-token" not in b"".join(map(packed.read, packed.namelist()))
    assert answer["counts"]["deliveries"] == 2
    assert [path.name for path in tmp_path.glob("all.zip*")] == ["all.zip"]


# ---------------------------------------------------------------- the ZIP itself


def test_a_zip_goes_on_where_it_was_and_one_process_has_it(tmp_path):
    path, at, when = tmp_path / "x.zip", Place(), timezone.now()
    blocks = [bytes([n]) * 70_000 for n in range(5)]
    for name, packed in (("stored é.bin", False), ("packed.txt", True)):
        for number, data in enumerate(blocks):
            with opened(path, at) as zip:
                if number == 0:
                    zip.begin(name, when, packed=packed)
                zip.block(data)
                at = zip.flush()
                zip.block(b"never noted")
                with pytest.raises(Taken), opened(path, at):
                    pass
        with opened(path, at) as zip:
            zip.finish(when)
            at = zip.flush()
    with opened(path, at) as zip:
        zip.begin("dropped", when, packed=False)
        zip.block(b"gone")
        zip.drop()
        zip.add("empty", when, [])
        zip.close()
    with zipfile.ZipFile(path) as found:
        assert found.namelist() == ["stored é.bin", "packed.txt", "empty"]
        assert found.testzip() is None
        assert (
            found.read("stored é.bin") == found.read("packed.txt") == b"".join(blocks)
        )
        assert found.getinfo("packed.txt").compress_size < 5000
    path.write_bytes(b"")
    with pytest.raises(Lost), opened(path, at):
        pass

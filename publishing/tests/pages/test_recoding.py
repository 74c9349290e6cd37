"""Videos made of videos: what a network would take, piece by piece, whatever dies."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import av
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from accounts.models import Profile
from platforms import registry
from platforms.base import Draft, Level, MediaFile, MediaKind
from publishing import fitting, jobs, media, recode, recoding
from publishing.measuring import UploadRefused
from publishing.models import Job, MediaAsset, PostMedia
from publishing.tests.made_files import animation, upright_video, video
from publishing.tests.pages.conftest import make_account, picture
from socialhub.sandbox import BASE_DIR, Sandbox

CLIP = MediaFile(
    key="a1",
    mime_type="video/mp4",
    size_bytes=40_000_000,
    width=1280,
    height=720,
    alt_text="",
    sha256="",
    file_name="a.mp4",
    open=io.BytesIO,
    kind=MediaKind.VIDEO,
    duration_s=30.0,
    frame_rate=30.0,
    container="mp4",
    video_codec="h264",
    audio_codec="aac",
    bitrate=10_000_000,
    has_audio=True,
)


def judge_for(slug, **options):
    """What the network refuses of a single video, with its own rules alone."""
    platform = registry.platform(slug)

    def judge(file):
        draft = Draft(text="Hello", media=(file,), options=options)
        return [
            one
            for one in platform.check(draft, None, {})
            if one.level == Level.REFUSED and one.field == "media:1"
        ]

    return judge


@pytest.mark.parametrize(
    ("slug", "options", "wrong", "said"),
    [
        ("x", {}, {"width": 1920, "height": 1080}, "1280 × 720, 0:30 long"),
        ("x", {}, {"duration_s": 3600.0}, "19:59 long"),
        ("instagram", {}, {"mime_type": "video/webm"}, "pictures and sound as they"),
        ("instagram", {}, {"index_first": False}, "pictures and sound as they"),
        ("instagram", {}, {"video_codec": "vp9"}, "1280 × 720"),
        ("instagram", {}, {"bitrate": 90_000_000}, "1280 × 720"),
        ("instagram", {}, {"frame_rate": 120.0}, "1280 × 720"),
        ("linkedin", {}, {"frame_rate": 5.0}, "1280 × 720"),
        ("linkedin", {}, {"size_bytes": 900_000_000}, "1280 × 720"),
        ("pinterest", {}, {"width": 3000, "height": 800}, "cut to 1.91 : 1"),
        ("facebook", {"placement": "reel"}, {}, "cut to 0.565 : 1"),
        ("threads", {}, {"audio_codec": "opus"}, "1280 × 720"),
        ("bluesky", {}, {"duration_s": 400.0}, "2:59 long"),
    ],
)
def test_what_a_network_refuses_of_a_video_leads_to_one_that_it_takes(
    slug, options, wrong, said
):
    judge, file = judge_for(slug, **options), replace(CLIP, **wrong)
    assert judge(file)
    recipe = fitting.cure(file, judge, (0.5, 0.5))
    assert isinstance(recipe, recoding.Recipe)
    assert said in fitting.doing(recipe, MediaAsset())
    if not recipe.copy:
        made = fitting.predicted(file, recipe)
        assert not judge(made)
        assert not {side % 2 for side in recipe.size} - {0}


@pytest.mark.parametrize(
    ("slug", "wrong"),
    [
        ("instagram", {"interlaced": True}),
        ("instagram", {"audio_channels": 6}),
        ("instagram", {"audio_rate": 96_000}),
        ("instagram", {"pixel_format": "yuv422p"}),
        ("x", {"pixel_format": "yuv420p10le", "hdr": "pq"}),
        ("x", {"interlaced": True}),
        ("threads", {"audio_rate": 96_000}),
    ],
)
def test_pictures_and_sound_that_no_screen_or_network_wants_are_encoded_anew(
    slug, wrong
):
    judge, file = judge_for(slug), replace(CLIP, **wrong)
    assert [one.level for one in judge(file)] == [Level.REFUSED]
    recipe = fitting.cure(file, judge, (0.5, 0.5))
    assert isinstance(recipe, recoding.Recipe)
    assert not recipe.copy
    assert not judge(fitting.predicted(file, recipe))


MOVING = replace(
    CLIP,
    mime_type="image/gif",
    size_bytes=900_000,
    width=480,
    height=853,
    kind=MediaKind.GIF,
    duration_s=1.2,
    frame_rate=25.0,
    frames=30,
    container="gif",
    video_codec="",
    audio_codec="",
    bitrate=None,
    has_audio=False,
)


@pytest.mark.parametrize(
    ("slug", "wrong", "least_s"),
    [
        ("instagram", {}, 3),
        ("threads", {}, 1.2),
        ("tiktok", {}, 3),
        ("youtube", {}, 1.2),
        ("pinterest", {}, 4),
        ("snapchat", {}, 5),
        ("x", {"mime_type": "image/webp"}, 1.2),
        ("x", {"frames": 400}, 1.2),
        ("x", {"frames": 1, "duration_s": None, "size_bytes": 16 << 20}, 0.5),
        ("mastodon", {"size_bytes": 60_000_000}, 1.2),
    ],
)
def test_an_animation_becomes_a_video_that_the_network_takes(slug, wrong, least_s):
    judge, file = judge_for(slug), replace(MOVING, **wrong)
    assert judge(file)
    recipe = fitting.cure(file, judge, (0.5, 0.5))
    assert isinstance(recipe, recoding.Recipe)
    assert recipe.length_s >= least_s
    assert (recipe.copy, recipe.sound) == (False, False)
    assert not judge(fitting.predicted(fitting.as_video(file), recipe))


def test_where_an_animation_stands_still_a_video_of_it_is_offered(world):
    bluesky = make_account(world.brand, "bluesky", "Acme B")
    draft = Draft(text="Hello", media=(MOVING,))
    judge = fitting.judge_of(bluesky, draft, 1)
    assert [one.level for one in judge(MOVING)] == [Level.WARNING]
    assert isinstance(fitting.cure(MOVING, judge, (0.5, 0.5)), recoding.Recipe)
    # Beside an image a video would be refused: the animation is better than nothing.
    image = replace(MOVING, kind=MediaKind.IMAGE, mime_type="image/png", frames=None)
    judge = fitting.judge_of(bluesky, replace(draft, media=(MOVING, image)), 1)
    assert fitting.cure(MOVING, judge, (0.5, 0.5)) is None


@pytest.mark.parametrize(
    ("slug", "wrong"),
    [
        ("instagram", {"duration_s": 1.0}),  # nobody makes it longer
        ("linkedin", {"size_bytes": 900}),
        ("x", {"duration_s": None, "width": 4000}),
    ],
)
def test_nothing_is_offered_that_would_not_help(slug, wrong):
    file = replace(CLIP, **wrong)
    assert judge_for(slug)(file)
    assert fitting.cure(file, judge_for(slug), (0.5, 0.5)) is None


# ---------------------------------------------------------------- the work


def kept(world, data: bytes, name: str = "a.mp4") -> MediaAsset:
    return media.take_upload(SimpleUploadedFile(name, data), world.brand, world.ana)


def recipe_of(asset: MediaAsset, **changes) -> recoding.Recipe:
    file = PostMedia(asset=asset, position=0).as_file()
    found = fitting.video_recipe(file, fitting.Wish(), (0.5, 0.5))
    assert found is not None
    return replace(found, **changes)


def run() -> Job:
    for _turn in range(30):
        if not jobs.take_turn():
            break
    return Job.objects.latest("pk")


def pictures_of(asset: MediaAsset) -> list[int]:
    """How bright each picture is, in order."""
    with asset.file.open("rb") as file, av.open(file) as container:
        return [bytes(one.planes[0])[0] for one in container.decode(video=0)]


@pytest.fixture
def small_pieces(monkeypatch):
    monkeypatch.setattr(recoding, "PIECE_PIXELS", 1)  # MIN_PIECE pictures each


def test_pieces_join_without_a_seam_and_with_their_sound(world, small_pieces):
    asset = kept(world, video(size=(160, 90), frames=75, sound="aac"))
    recoding.start(asset, recipe_of(asset), world.ana)
    job = run()
    assert job.state == "done", job.problem
    made = MediaAsset.objects.get(original=asset)
    assert len(pictures_of(made)) == 75
    worst = max(
        abs(a - b) for a, b in zip(pictures_of(made), pictures_of(asset), strict=True)
    )
    assert worst <= 6
    assert (made.facts["audio_codec"], made.facts["index_first"]) == ("aac", True)
    assert made.facts["duration_s"] == pytest.approx(2.5, abs=0.05)


def test_fewer_pictures_per_second_and_a_part_of_it(world, small_pieces):
    asset = kept(world, video(size=(160, 90), frames=90))
    part = recipe_of(asset, rate=(10, 1), start_s=1.0, length_s=1.5)
    recoding.start(asset, part, world.ana)
    assert run().state == "done"
    made = MediaAsset.objects.get(original=asset)
    assert made.facts["frame_rate"] == 10
    shown, source = pictures_of(made), pictures_of(asset)
    assert len(shown) == 15
    assert all(abs(a - b) <= 6 for a, b in zip(shown, source[30:75:3], strict=True))


def test_other_containers_and_turned_pictures_become_upright_mp4(world):
    asset = kept(world, video("webm", "libvpx-vp9", sound="libopus"), "a.webm")
    recoding.start(asset, recipe_of(asset), world.ana)
    assert run().state == "done"
    made = MediaAsset.objects.get(original=asset)
    assert (made.mime_type, made.facts["video_codec"]) == ("video/mp4", "h264")
    turned = kept(world, upright_video(), "b.mp4")
    recoding.start(turned, recipe_of(turned), world.ana)
    assert run().state == "done"
    made = MediaAsset.objects.get(original=turned)
    assert (made.width, made.height) == (turned.width, turned.height) == (48, 64)


def test_cancelled_it_ends_its_process_and_leaves_nothing(world, monkeypatch):
    asset = kept(world, video(size=(640, 360), frames=60))
    monkeypatch.setattr(recoding, "LOOK_S", 0.01)
    monkeypatch.setattr(jobs, "BEAT_S", 0.0)
    job = recoding.start(asset, recipe_of(asset), world.ana)
    begun: list[subprocess.Popen] = []
    real = subprocess.Popen

    def popen(*args, **kwargs):
        begun.append(real(*args, **kwargs))
        Job.objects.get(pk=job.pk).ask_cancel()
        return begun[-1]

    monkeypatch.setattr(recoding.subprocess, "Popen", popen)
    assert run().state == "cancelled"
    assert begun[0].returncode == -9
    assert not job.folder.exists()
    assert MediaAsset.objects.get() == asset


def test_what_is_refused_is_said_in_the_persons_language(ana, world, settings):
    Profile.objects.create(user=world.ana, language="de")
    asset = kept(world, video(size=(160, 90)))
    recoding.start(asset, recipe_of(asset), world.ana)
    settings.MEDIA_BRAND_MB = 1
    other = kept(world, picture(), "full.jpg")
    MediaAsset.objects.filter(pk=other.pk).update(size_bytes=1 << 20)
    job = run()
    assert job.state == "failed"
    assert "Mediathek" in job.problem
    page = ana.get(reverse("media_details", args=[asset.pk]))
    assert [line.job for line in page.context["jobs"]] == [job]


def test_a_machine_that_is_too_slow_makes_smaller_pieces_and_then_says_so(
    world, monkeypatch
):
    asset = kept(world, video(size=(160, 90), frames=75))
    asked: list[int] = []

    def slow(_asset, _source, _folder, _turn, **piece):
        asked.append(piece["count"])
        raise recoding._TooSlow

    monkeypatch.setattr(recoding, "_piece", slow)
    recoding.start(asset, recipe_of(asset), world.ana)
    job = run()
    assert asked[0] == 75
    assert asked == sorted(asked, reverse=True)
    assert job.state == "failed"
    assert "takes this machine too long" in job.problem


def test_pictures_that_grow_on_the_way_are_refused():
    """A bomb: the head says small, and what follows is larger than anybody needs."""

    class Examine:
        MAX_VIDEO_PIXELS = 100
        Refused = type("Refused", (Exception,), {"__init__": lambda s, c, **v: None})

    shape = recode.Shaper({"ratio": None, "size": (64, 48)}, Examine, None)
    frame = av.VideoFrame(64, 48, "yuv420p")
    with pytest.raises(Examine.Refused):
        shape(frame)


# ---------------------------------------------------------------- in the composer


@pytest.fixture
def form(world):
    def make(account, asset, **more):
        return {
            "token": "t1",
            "brand": world.brand.pk,
            "text": "Hello",
            "when": "now",
            "zone": "Europe/Berlin",
            "accounts": [account.pk],
            "media": [asset.pk],
            **more,
        }

    return make


def test_the_checks_mend_a_video_with_one_click(ana, world, form):
    account = make_account(world.brand, "threads", "Acme Threads")
    data = video("webm", "libvpx-vp9", size=(160, 90), sound="libopus")
    asset = kept(world, data, "a.webm")
    alt = {f"alt_{asset.pk}": "A clip"}
    base = form(account, asset, **alt)
    fit = f"fit:{asset.pk}:{account.pk}"
    page = ana.post(reverse("compose"), base).content.decode()
    assert f'value="{fit}"' in page
    page = ana.post(reverse("compose"), {**base, "action": fit}).content.decode()
    assert "One for Threads is being made: 0 %." in page
    assert run().state == "done"
    made = MediaAsset.objects.get(original=asset)
    checked = ana.post(reverse("compose_check"), base).content.decode()
    assert f"Take {made.name} instead" in checked
    answer = ana.post(reverse("compose"), {**base, "action": fit})
    assert answer.context["form"].attached == [(made, "A clip")]
    refused = answer.context["panel"].checks[0].refused
    assert not [line for line in refused if line.anchor.startswith("media-")]
    assert MediaAsset.objects.filter(pk=asset.pk).exists()


def test_what_a_cut_leaves_is_played_before_it_is_made(ana, world, form):
    account = make_account(world.brand, "pinterest", "Acme P")
    asset = kept(world, video(size=(300, 80), frames=150), "wide.mp4")
    asset.focus_x = 1.0
    asset.save()
    page = ana.post(reverse("compose"), form(account, asset)).content.decode()
    file = reverse("media_file", args=[asset.pk])
    (style,) = re.findall(rf'src="{file}#t=0,[45.]+" style="([^"]+)"', page)
    assert re.fullmatch(r"aspect-ratio: \d+ / \d+; object-position: 100% 50%", style)
    wide, high = map(int, re.findall(r"\d+", style)[:2])
    assert wide / high == pytest.approx(1.91, abs=0.06)
    details = ana.get(reverse("media_details", args=[asset.pk])).content.decode()
    assert style in details
    MediaAsset.objects.update(facts={**asset.facts, "video_codec": "hevc"})
    page = ana.post(reverse("compose"), form(account, asset)).content.decode()
    assert "aspect-ratio" not in page


def test_the_checks_mend_an_image_at_once_and_only_ones_own(ana, world, form, sign_in):
    account = make_account(world.brand, "instagram", "Acme IG")
    asset = kept(world, picture("PNG", (900, 300)), "wide.png")
    fit = f"fit:{asset.pk}:{account.pk}"
    base = form(account, asset, action=fit)
    sign_in(world.stranger).post(reverse("compose"), base)
    assert MediaAsset.objects.count() == 1
    answer = ana.post(reverse("compose"), base)
    made = MediaAsset.objects.get(original=asset)
    assert [one for one, _alt in answer.context["form"].attached] == [made]
    refused = answer.context["panel"].checks[0].refused
    assert not [line for line in refused if line.anchor.startswith("media-")]


def test_an_animation_in_a_later_part_of_a_thread_is_mended_with_a_click(
    ana, world, form
):
    account = make_account(world.brand, "threads", "Acme Threads")
    first = kept(world, picture("JPEG", (400, 400)), "a.jpg")
    moving = kept(world, animation("GIF"), "b.gif")
    base = form(account, first, **{f"alt_{first.pk}": "A square"})
    base |= {
        "parts_threads": ["7"],
        "part_threads_7": "More",
        "part_media_threads_7": [moving.pk],
        f"part_alt_threads_7_{moving.pk}": "It moves",
    }
    fit = f"fit:{moving.pk}:{account.pk}:7"
    checked = ana.post(reverse("compose"), base)
    assert "Part 2, file 1" in {
        line.field for line in checked.context["panel"].checks[0].refused
    }
    page = checked.content.decode()
    assert f'value="{fit}"' in page
    assert f"{reverse('media_cut', args=[moving.pk])}?ratio=" in page
    ana.post(reverse("compose"), {**base, "action": fit})
    assert run().state == "done"
    made = MediaAsset.objects.get(original=moving)
    assert (made.kind, made.facts["video_codec"]) == ("video", "h264")
    answer = ana.post(reverse("compose"), {**base, "action": fit})
    (part,) = answer.context["form"].composition().parts["threads"]
    assert part.files == ((made, "It moves"),)
    refused = answer.context["panel"].checks[0].refused
    assert "Part 2, file 1" not in {line.field for line in refused}
    # Of a part that is gone meanwhile nothing is made.
    ana.post(reverse("compose"), {**base, "action": f"fit:{moving.pk}:{account.pk}:9"})
    assert Job.objects.count() == 1


def test_the_page_of_an_animation_offers_a_video_of_it(ana, world):
    make_account(world.brand, "instagram", "Acme IG")
    asset = kept(world, animation("GIF"), "a.gif")
    address = reverse("media_details", args=[asset.pk])
    assert "Make one for Instagram" in ana.get(address).content.decode()
    ana.post(address, {"action": "fit:instagram"})
    ana.post(address, {"action": "make", "shape": "", "x": "50", "y": "50"})
    assert [run().state, Job.objects.count()] == ["done", 2]
    lengths = {one.facts["duration_s"] for one in asset.made.all()}
    assert lengths == {3.0, 0.6}  # long enough for Instagram, and as it is


# ---------------------------------------------------------------- kill -9

BEGIN = """
import django; django.setup()
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from accounts.models import Brand
from publishing import media, recoding
from publishing.tests.made_files import video
user = get_user_model().objects.create_superuser("ana", "a@example.com", "x")
brand = Brand.objects.create(name="Acme")
file = SimpleUploadedFile("a.mp4", video(size=(160, 90), frames=75))
asset = media.take_upload(file, brand, user)
recoding.start(asset, recoding.Recipe(size=(160, 90), length_s=2.5, bitrate=10**6), user)
"""
#: A worker that finds what another has left, whose lease has run out as time passes.
TURN = """
import django; django.setup()
from publishing import jobs, recoding
from publishing.models import Job, MediaAsset
def tell():
    job = Job.objects.get()
    made = MediaAsset.objects.exclude(original=None)
    print(job.state, job.done, made.count(), [one.facts["duration_s"] for one in made])
tell()
left = Job.objects.filter(state="running")
print(left.update(lease_expires_at="2000-01-01T00:00:00Z"))
recoding.PIECE_PIXELS = 1
jobs.take_turn()
tell()
"""


@pytest.mark.live
def test_a_killed_worker_costs_one_piece_and_makes_one_video():
    with Sandbox(os.environ.get("DATABASE_URL", "")) as box:
        box.migrate()

        def do(code, **more):
            return subprocess.run(
                [sys.executable, "-c", code],
                env={**box.env, **more},
                cwd=BASE_DIR,
                capture_output=True,
                text=True,
                timeout=120,
            )

        begun = do(BEGIN)
        assert begun.returncode == 0, begun.stderr
        for done in (0, 30, 60):
            killed = do(TURN, SOCIALHUB_CRASH_AT="recode_piece")
            assert killed.returncode == -9, killed.stderr
            left, ended = killed.stdout.splitlines()
            assert left.split()[1:3] == [str(done), "0"]
            assert (left.split()[0], ended) == (
                ("running", "1") if done else ("waiting", "0")
            )
        last = do(TURN)
        assert last.returncode == 0, last.stderr
        left, ended, made = last.stdout.splitlines()
        assert (left, ended) == ("running 75 0 []", "1")
        assert (made.split()[::2], made.split()[-1]) == (["done", "1"], "[2.5]")


@pytest.mark.parametrize("left", [None, 0, 3000])
def test_a_file_that_lost_its_end_in_the_storage_is_not_made_shorter(
    world, small_pieces, left
):
    asset = kept(world, video(size=(160, 90), frames=75))
    job = recoding.start(asset, recipe_of(asset), world.ana)
    jobs.take_turn(seconds=0)  # one piece is there
    path = Path(asset.file.path)
    if left is None:
        path.unlink()
    else:
        os.truncate(path, left)
    job = run()
    assert (job.state, "damaged in the storage" in job.problem) == ("failed", True)
    assert MediaAsset.objects.get() == asset
    assert not job.folder.exists()


def test_a_file_that_is_no_video_any_more_is_refused(world):
    asset = kept(world, video(size=(160, 90)))
    asset.file.storage.delete(str(asset.file.name))
    zeroes = io.BytesIO(bytes(asset.size_bytes))
    asset.file.storage.save(str(asset.file.name), zeroes)
    recoding.start(asset, recipe_of(asset), world.ana)
    job = run()
    assert (job.state, "damaged" in job.problem) == ("failed", True)
    with pytest.raises(UploadRefused):
        media.take_upload(
            SimpleUploadedFile("b.mp4", b"\0" * 64), world.brand, world.ana
        )

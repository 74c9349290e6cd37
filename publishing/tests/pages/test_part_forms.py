"""Threads and first comments in the composer, and on the pages of a delivery."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import QueryDict
from django.utils import timezone

from publishing import composing, part_forms
from publishing.models import Delivery, MediaAsset, PartMedia, Post, draft_doc
from publishing.tests.pages.conftest import make_account, picture

NEW = "/posts/new/"
Status = Delivery.Status


@pytest.fixture
def filled(world):
    tomorrow = (timezone.now() + timedelta(days=1)).date().isoformat()

    def make(**changes):
        data = {
            "token": "t1",
            "brand": world.brand.pk,
            "text": "The first part",
            "when": "at",
            "date": tomorrow,
            "time": "09:00",
            "zone": "Europe/Berlin",
            "accounts": [world.x.pk],
            "action": "schedule",
            "parts_x": ["2", "3"],
            "part_x_2": "The second part",
            "part_x_3": "The third part",
        }
        return {**data, **changes}

    return make


def test_a_thread_is_scheduled_with_its_parts_in_order(ana, filled):
    ana.post(NEW, filled(parts_x=["3", "2"]))
    draft = Post.objects.get().draft_for("x")
    assert [part.text for part in draft.parts] == ["The third part", "The second part"]
    assert Post.objects.get().draft_for("mastodon").parts == ()


def test_a_part_that_is_too_long_is_named_and_nothing_typed_is_lost(ana, filled):
    page = ana.post(NEW, filled(part_x_3="word " * 100)).content.decode()
    assert not Post.objects.exists()
    assert 'href="#id_part_x_3">Part 3' in page
    assert "The second part" in page
    assert "word word" in page
    assert "Split into parts" in page


@pytest.mark.parametrize(
    ("action", "order"),
    [
        ("part_earlier:x:3", ["3", "2"]),
        ("part_later:x:2", ["3", "2"]),
        ("part_earlier:x:2", ["2", "3"]),
        ("part_remove:x:2", ["3"]),
        ("part_add:x", ["2", "3", "4"]),
        ("part_remove:x:99", ["2", "3"]),
    ],
)
def test_buttons_work_with_and_without_scripts(ana, filled, action, order):
    whole = ana.post(NEW, filled(action=action)).content.decode()
    section = ana.post("/posts/parts/", filled(action=action)).content.decode()
    for page in (whole, section):
        places = [page.index(f'name="parts_x" value="{key}"') for key in order]
        assert places == sorted(places)
        assert page.count('name="parts_x"') == len(order)
    assert "<html" not in section
    assert not Post.objects.exists()


def test_a_button_for_a_network_that_is_not_there_changes_nothing(ana, filled):
    assert (
        ana.post("/posts/parts/", filled(action="part_add:nowhere")).status_code == 404
    )
    assert ana.post(NEW, filled(action="part_add:nowhere")).status_code == 200
    assert ana.post(NEW, filled(action="part_:")).status_code == 200


def test_splitting_cuts_at_sentences_so_that_each_part_fits(ana, world, filled):
    text = " ".join(f"This is sentence number {n} of the text." for n in range(30))
    sent = filled(action="part_split:x", text=text, parts_x=[])
    page = ana.post(NEW, sent).content.decode()
    assert 'name="own_x" value="1" data-own="x" checked' in page
    assert page.count('name="parts_x"') >= 4
    data = QueryDict(mutable=True)
    data.update(sent | {"accounts": world.x.pk, "parts_x": ""})
    request = type("Request", (), {"FILES": SimpleFiles(), "user": world.ana})()
    part_forms.Buttons(request, data, world.brand).press([world.x])
    said = [data["text_x"], *(data[f"part_x_{k}"] for k in part_forms.keys(data, "x"))]
    assert " ".join(said) == text
    assert all(words.endswith(".") and len(words) <= 280 for words in said)


class SimpleFiles:
    def getlist(self, name):
        return []


def test_a_file_of_a_part_comes_with_the_form_and_stays_with_it(ana, filled):
    file = SimpleUploadedFile("a.png", picture("PNG"), "image/png")
    answer = ana.post(
        "/posts/parts/", filled(action="part_upload:x", part_files_x_2=file)
    )
    asset = MediaAsset.objects.get()
    assert f'name="part_media_x_2" value="{asset.pk}"' in answer.content.decode()
    sent = filled(part_media_x_2=[asset.pk], **{f"part_alt_x_2_{asset.pk}": "Sea"})
    ana.post(NEW, sent)
    post = Post.objects.get()
    first, second = post.draft_for("x").parts
    assert [file.alt_text for file in first.media] == ["Sea"]
    assert not second.media
    page = ana.get(f"/posts/{post.pk}/edit/").content.decode()
    assert f'name="part_media_x_2" value="{asset.pk}"' in page
    removed = sent | {"action": f"part_file:x:2:{asset.pk}"}
    assert "part_media_x_2" not in ana.post(NEW, removed).content.decode()


def test_a_file_of_another_brand_is_no_file_here(ana, filled, other_brand):
    asset = MediaAsset.objects.create(
        brand=other_brand, name="b.png", mime_type="image/png", size_bytes=3, sha256="b"
    )
    ana.post(NEW, filled(part_media_x_2=[asset.pk]))
    assert not PartMedia.objects.exists()


@pytest.fixture
def other_brand(db):
    from accounts.models import Brand

    return Brand.objects.create(name="Other")


def test_editing_keeps_reads_back_and_removes_parts(ana, filled):
    ana.post(NEW, filled())
    post = Post.objects.get()
    page = ana.get(f"/posts/{post.pk}/edit/").content.decode()
    assert page.index("The second part") < page.index("The third part")
    ana.post(f"/posts/{post.pk}/edit/", filled(parts_x=["3"]))
    assert [p.text for p in Post.objects.get().draft_for("x").parts] == [
        "The third part"
    ]
    ana.post(f"/posts/{post.pk}/edit/", filled(parts_x=[], token="t2"))
    assert Post.objects.get().draft_for("x").parts == ()
    assert not post.variants.exists()


def test_the_same_form_sent_twice_is_no_change(ana, filled):
    ana.post(NEW, filled())
    post = Post.objects.get()
    saved = composing.saved_composition(post)
    assert composing.saved_composition(post) == saved
    ana.post(NEW, filled())
    assert Post.objects.get().changed_at == post.changed_at


@pytest.fixture
def halted(ana, filled):
    """Two of three parts are out; the third was refused."""
    ana.post(NEW, filled())
    delivery = Delivery.objects.get()
    draft = delivery.post.draft_for("x")
    out = [
        {"id": str(n), "link": f"https://x.com/a/status/{n}", "at": "", "extra": {}}
        for n in (1, 2)
    ]
    Delivery.objects.update(
        status=Status.FAILED,
        draft=draft_doc(draft),
        witness={"parts_out": out},
        external_id="1",
        permalink=out[0]["link"],
        outcome="invalid_content",
        cause="text_refused",
        next_attempt_at=None,
        failed_at=timezone.now(),
    )
    delivery.refresh_from_db()
    return delivery


def test_a_thread_that_halted_says_so_in_plain_words_with_its_ways_out(ana, halted):
    page = ana.get(halted.get_absolute_url()).content.decode()
    assert "2 of 3 parts are out" in page
    assert "what is out is not sent again" in page
    assert 'href="https://x.com/a/status/2"' in page
    assert "Part 3 is not out" in page
    for way in ("Leave it as it is", "Edit the post"):
        assert way in page
    assert (
        "2 of 3 parts are out" in ana.get(f"/posts/{halted.post_id}/").content.decode()
    )
    edit = ana.get(f"/posts/{halted.post_id}/edit/").content.decode()
    assert "what is out stays, the rest goes on when you save" in edit


def test_leaving_it_as_it_is_ends_it(ana, halted):
    ana.post(f"/deliveries/{halted.pk}/leave/")
    halted.refresh_from_db()
    assert halted.status == Status.PUBLISHED
    assert "It was left as it is" in ana.get(halted.get_absolute_url()).content.decode()


def test_saving_the_mended_post_goes_on_with_the_rest(ana, halted, filled):
    ana.post(f"/posts/{halted.post_id}/edit/", filled(part_x_3="Mended", repeat_ok="1"))
    halted.refresh_from_db()
    assert halted.status == Status.SCHEDULED
    assert halted.parts_out == 2


def test_nobody_else_leaves_it(halted, sign_in):
    from publishing.tests.pages.conftest import make_person

    stranger = sign_in(make_person("eve", "Marketing"))
    assert stranger.post(f"/deliveries/{halted.pk}/leave/").status_code == 404


def test_the_id_of_a_part_that_a_person_saw_is_told_by_its_link(world, halted):
    Delivery.objects.update(status=Status.UNCERTAIN, next_attempt_at=None)
    halted.refresh_from_db()
    halted.confirm_live("https://x.com/a/status/33")
    assert halted.status == Status.PUBLISHED
    assert halted.witness["parts_out"][-1]["id"] == "33"


def test_a_first_comment_is_kept_and_checked(ana, world, filled):
    page = ana.post(NEW, filled(comment_x="First!")).content.decode()
    assert "No first comment there" in page
    assert "First!" in page
    assert not Post.objects.exists()
    facebook = make_account(world.brand, "facebook", "Bakery")
    sent = filled(accounts=[facebook.pk], parts_x=[], comment_facebook="First!")
    ana.post(NEW, sent)
    post = Post.objects.get()
    assert post.draft_for("facebook").first_comment == "First!"
    page = ana.get(f"/posts/{post.pk}/edit/").content.decode()
    assert "First!" in page

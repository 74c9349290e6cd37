"""The composer asks what a network wants to know besides text, link and files."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse
from django.utils import timezone

from platforms import registry
from publishing.media import take_upload
from publishing.models import Post
from publishing.tests.pages.conftest import make_account, picture

NEW = "/posts/new/"
BOARDS = {"b1": "Recipes", "b2": "Shops"}


@pytest.fixture
def threads(world):
    return make_account(world.brand, "threads", "Acme T")


@pytest.fixture
def pinterest(world):
    return make_account(
        world.brand, "pinterest", "Acme P", server_limits={"boards": BOARDS}
    )


@pytest.fixture
def filled(world):
    tomorrow = (timezone.now() + timedelta(days=1)).date().isoformat()

    def make(account, **changes):
        data = {
            "token": "t1",
            "brand": world.brand.pk,
            "text": "Hello world",
            "when": "at",
            "date": tomorrow,
            "time": "09:00",
            "zone": "Europe/Berlin",
            "accounts": [account.pk],
            f"options_{account.platform}": "1",
            "action": "schedule",
        }
        return {**data, **changes}

    return make


def test_a_choice_is_kept_and_goes_out_with_the_shared_text(ana, filled, threads):
    ana.post(NEW, filled(threads, option_threads_reply_control="mentioned_only"))
    post = Post.objects.get()
    draft = post.draft_for("threads")
    assert draft.options == {"reply_control": "mentioned_only"}
    assert draft.text == "Hello world"
    page = ana.get(f"/posts/{post.pk}/edit/").content.decode()
    assert '<option value="mentioned_only" selected>' in page
    assert 'name="own_threads" value="1" data-own="threads">' in page  # not ticked


def test_what_is_the_default_anyway_is_not_stored(ana, filled, threads):
    ana.post(NEW, filled(threads, option_threads_reply_control=""))
    post = Post.objects.get()
    assert not post.variants.exists()


def test_a_choice_that_is_taken_back_is_gone_and_the_wording_stays(
    ana, filled, threads
):
    own = {"own_threads": "1", "text_threads": "Own words"}
    chosen = {"option_threads_is_spoiler_media": "1", **own}
    ana.post(NEW, filled(threads, **chosen))
    post = Post.objects.get()
    assert post.draft_for("threads").options == {"is_spoiler_media": True}
    ana.post(f"/posts/{post.pk}/edit/", filled(threads, **own))
    draft = Post.objects.get().draft_for("threads")
    assert (draft.text, draft.options) == ("Own words", {})


def test_a_board_is_chosen_for_each_account_and_has_to_be(
    ana, world, filled, pinterest, settings
):
    settings.SITE_URL = "https://hub.example.com"
    file = SimpleUploadedFile("a.jpg", picture(size=(600, 900)))
    asset = take_upload(file, world.brand, world.ana)
    data = filled(pinterest, media=[asset.pk], link_url="")
    page = ana.post(NEW, data).content.decode()
    field = f"id_option_pinterest_board_{pinterest.pk}"
    assert not Post.objects.exists()
    assert f'href="#{field}"' in page
    assert f'id="{field}"' in page
    assert "Recipes" in page
    data[f"option_pinterest_board_{pinterest.pk}"] = "b2"
    ana.post(NEW, data)
    post = Post.objects.get()
    assert post.draft_for("pinterest").options == {
        "board": {pinterest.external_id: "b2"}
    }


def test_tags_are_typed_with_commas_and_shown_so_again(ana, world, filled):
    youtube = make_account(world.brand, "youtube", "Acme Y")
    data = filled(
        youtube,
        action="draft",
        option_youtube_tags="bread, rye bread ,,",
        option_youtube_title="<Rye>",
        option_youtube_privacy="unlisted",
        option_youtube_notify="1",
    )
    ana.post(NEW, data)
    post = Post.objects.get()
    assert post.draft_for("youtube").options == {
        "tags": ["bread", "rye bread"],
        "title": "<Rye>",
        "privacy": "unlisted",
    }
    page = ana.get(f"/posts/{post.pk}/edit/").content.decode()
    assert 'value="bread, rye bread"' in page
    assert 'value="&lt;Rye&gt;"' in page
    assert 'name="option_youtube_notify" value="1" checked' in page


def test_a_flag_that_is_on_by_itself_can_be_turned_off(ana, world, filled):
    youtube = make_account(world.brand, "youtube", "Acme Y")
    ana.post(NEW, filled(youtube, action="draft"))
    assert Post.objects.get().draft_for("youtube").options == {"notify": False}


def test_what_few_posts_want_is_folded_until_it_is_chosen(ana, world, filled):
    youtube = make_account(world.brand, "youtube", "Acme Y")
    data = filled(youtube, action="draft", option_youtube_notify="1")
    fold = 'id="more-youtube" data-more'
    ana.post(NEW, data)
    page = ana.get(f"/posts/{Post.objects.get().pk}/edit/").content.decode()
    assert f"{fold}>" in page
    folded = page[page.index(fold) :].split("</details>")[0]
    assert "id_option_youtube_license" in folded
    assert "id_option_youtube_title" not in folded
    for chosen in ({"option_youtube_license": "creativeCommon"}, {}):
        data = filled(youtube, option_youtube_notify="1", **chosen)
        if not chosen:
            del data["option_youtube_notify"]  # on by itself
        page = ana.post(NEW, {**data, "action": "check"}).content.decode()
        assert f"{fold} open>" in page
        assert '<details class="sh-details" id="network-youtube" ' in page
        assert 'data-network-section="youtube" open>' in page


def test_nothing_that_has_to_be_decided_is_folded():
    for spec in registry.all_specs():
        for option in spec.options:
            assert not (option.is_rare and option.required), (spec.slug, option.key)


def test_a_copy_takes_the_choices_along(ana, filled, threads):
    ana.post(NEW, filled(threads, option_threads_topic_tag="Bread"))
    page = ana.get(f"{NEW}?copy={Post.objects.get().pk}").content.decode()
    assert 'value="Bread"' in page


def test_a_post_that_is_quoted_is_typed_checked_and_shown(ana, world):
    data = {
        "brand": world.brand.pk,
        "text": "Well said",
        "accounts": [world.mastodon.pk],
        "options_mastodon": "1",
        "option_mastodon_quote": "https://example.com/nothing",
    }
    wrong = ana.post(reverse("compose_check"), data).content.decode()
    assert "This address names no post to quote" in wrong
    host = world.mastodon.url.rpartition("/@")[0] or "https://mastodon.example"
    data["option_mastodon_quote"] = f"{host}/@anna/115999000111222333"
    answer = ana.post(reverse("compose_check"), data)
    assert "This address names no post to quote" not in answer.content.decode()
    (preview,) = answer.context["panel"].previews
    assert preview.beside == [("Quote this post", data["option_mastodon_quote"])]


def test_a_network_looks_as_it_is_now_however_often_it_was_shown(ana, threads, world):
    """What is equal to what was shown before is not made again; all else is."""
    ana.get(NEW)
    plain = ana.get(NEW).content.decode()
    assert "Own text for Threads" in plain
    assert "Own words" not in plain
    data = {
        "brand": world.brand.pk,
        "accounts": [threads.pk],
        "options_threads": "1",
        "own_threads": "1",
        "text_threads": "Own <words>",
        "option_threads_is_spoiler_media": "1",
        "action": "check",
    }
    own = ana.post(NEW, data).content.decode()
    assert "Own &lt;words&gt;" in own
    flag = own[own.index('id="id_option_threads_is_spoiler_media"') :]
    assert " checked" in flag[: flag.index("<span>")]
    assert "Own &lt;words&gt;" not in ana.get(NEW).content.decode()
    german = ana.get(NEW, headers={"accept-language": "de"}).content.decode()
    assert "Own text for Threads" not in german


def test_choices_that_an_account_has_got_since_are_offered(ana, pinterest):
    assert "Gardens" not in ana.get(NEW).content.decode()
    pinterest.server_limits = {"boards": {**BOARDS, "b3": "Gardens"}}
    pinterest.save()
    assert "Gardens" in ana.get(NEW).content.decode()


def test_a_day_is_chosen_in_a_field_for_days_and_kept(ana, filled, world):
    youtube = make_account(world.brand, "youtube", "Acme Y", kind="channel")
    chosen = {
        "option_youtube_title": "A film",
        "option_youtube_recorded_on": "2026-10-01",
        "option_youtube_notify": "1",
        "option_youtube_hide_stats": "1",
        "action": "draft",
    }
    ana.post(NEW, filled(youtube, **chosen))
    post = Post.objects.get()
    assert post.draft_for("youtube").options == {
        "title": "A film",
        "recorded_on": "2026-10-01",
        "hide_stats": True,
    }
    page = ana.get(f"/posts/{post.pk}/edit/").content.decode()
    assert '<input type="date" id="id_option_youtube_recorded_on"' in page
    assert 'name="option_youtube_recorded_on" value="2026-10-01"' in page


def test_lines_stand_for_files_in_their_order_and_are_shown_so_again(
    ana, filled, pinterest
):
    typed = "Sow\r\n\r\n Reap \r\n\r\n"
    ana.post(NEW, filled(pinterest, action="draft", option_pinterest_item_titles=typed))
    post = Post.objects.get()
    assert post.draft_for("pinterest").options == {"item_titles": ["Sow", "", "Reap"]}
    page = ana.get(f"/posts/{post.pk}/edit/").content.decode()
    assert ">\nSow\n\nReap</textarea>" in page
    assert "One line for each file, in their order" in page

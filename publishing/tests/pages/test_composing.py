"""The composer: what is refused, what is kept, what is scheduled."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime, time, timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent, Brand, Profile
from publishing import composing
from publishing.models import Delivery, MediaAsset, Post, Queue
from publishing.tests.pages.conftest import (
    make_account,
    make_delivery,
    make_person,
    picture,
)

NEW = "/posts/new/"


@pytest.fixture
def filled(world):
    tomorrow = (timezone.now() + timedelta(days=1)).date().isoformat()

    def make(**changes):
        data = {
            "token": "t1",
            "brand": world.brand.pk,
            "text": "Hello world",
            "link_url": "",
            "when": "at",
            "date": tomorrow,
            "time": "09:00",
            "zone": "Europe/Berlin",
            "accounts": [world.x.pk, world.mastodon.pk],
            "action": "schedule",
        }
        return {**data, **changes}

    return make


def page_of(answer) -> str:
    assert answer.status_code == 200
    return answer.content.decode()


def test_scheduling_makes_one_delivery_per_account_at_the_wall_time(ana, world, filled):
    answer = ana.post(NEW, filled(date="2030-07-01"))
    post = Post.objects.get()
    assert answer["Location"] == post.get_absolute_url()
    assert (post.state, post.zone, post.local_time) == (
        "scheduled",
        "Europe/Berlin",
        time(9),
    )
    dues = set(post.deliveries.values_list("due_at", "next_attempt_at"))
    at = datetime(2030, 7, 1, 7, tzinfo=UTC)
    assert dues == {(at, at)}
    assert post.deliveries.count() == 2
    assert post.useful_until == at + timedelta(hours=2)
    verbs = set(AuditEvent.objects.values_list("verb", flat=True))
    assert verbs == {"post.created", "post.scheduled"}


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        (0, "2 posts are scheduled for Mon 1 Jul 2030, 09:00 (Europe/Berlin)."),
        (1, "2 posts wait for approval, planned for Mon 1 Jul 2030, 09:00"),
    ],
)
def test_what_waits_for_approval_is_not_called_scheduled(
    ana, world, filled, steps, said
):
    world.brand.approval_steps = steps
    world.brand.save()
    form = filled(date="2030-07-01")
    assert said in page_of(ana.post(NEW, form, follow=True))


def test_who_changes_what_is_approved_reads_that_it_has_to_be_approved_again(
    ana, world, filled
):
    delivery = make_delivery(world.x, world.ana)
    address = reverse("post_edit", args=[delivery.post_id])
    assert "has to be approved again" not in page_of(ana.get(address))
    world.brand.approval_steps = 1
    world.brand.save()
    assert "What you change has to be approved again." in page_of(ana.get(address))
    page = page_of(edit_form(ana, delivery, filled, text="Mine"))
    assert "Nothing is sent before they are approved." in page


def test_a_draft_needs_nothing_but_a_brand_and_is_not_sent(ana, filled):
    ana.post(NEW, filled(action="draft", accounts=[], date="", text="Half"))
    post = Post.objects.get()
    assert (post.state, post.text, post.due_at) == ("draft", "Half", None)
    assert not Delivery.objects.exists()


def test_the_same_form_sent_twice_makes_one_post(ana, filled):
    first = ana.post(NEW, filled())
    second = ana.post(NEW, filled())
    assert first["Location"] == second["Location"]
    assert Post.objects.count() == 1
    assert Delivery.objects.count() == 2


def test_a_form_sent_again_with_new_words_changes_its_post(ana, filled):
    ana.post(NEW, filled())
    ana.post(NEW, filled(text="Better words"))
    assert Post.objects.get().text == "Better words"
    assert Delivery.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_two_clicks_at_the_same_moment_make_one_set_of_deliveries(world, filled):
    data, answers, gate = filled(), [], threading.Barrier(2)

    def click() -> None:
        client = Client()
        client.force_login(world.ana)
        gate.wait(timeout=10)
        answers.append(client.post(NEW, data)["Location"])
        connection.close()

    clicks = [threading.Thread(target=click) for _n in range(2)]
    for thread in clicks:
        thread.start()
    for thread in clicks:
        thread.join(timeout=30)
    assert len(answers) == 2
    assert len(set(answers)) == 1
    assert Post.objects.count() == 1
    assert Delivery.objects.count() == 2


def test_another_persons_token_does_not_lead_to_their_post(ana, world, sign_in, filled):
    ana.post(NEW, filled())
    other = make_person("bob", "Marketing", brand=world.brand)
    sign_in(other).post(NEW, filled(text="Mine", repeat_ok="1"))
    assert Post.objects.count() == 2


def test_what_a_network_refuses_blocks_scheduling_and_names_the_field(ana, filled):
    page = page_of(ana.post(NEW, filled(text="x" * 300)))
    assert "The text is too long: 300 / 280" in page
    assert 'href="#id_text"' in page
    assert not Post.objects.exists()


def test_an_own_wording_mends_it_for_that_network_only(ana, filled):
    ana.post(NEW, filled(text="x" * 300, own_x="1", text_x="Short"))
    post = Post.objects.get()
    assert post.draft_for("x").text == "Short"
    assert post.draft_for("mastodon").text == "x" * 300


def test_the_own_wordings_counter_and_field_are_named(ana, filled):
    page = page_of(ana.post(NEW, filled(own_x="1", text_x="y" * 281)))
    assert "281 / 280" in page
    assert 'href="#id_text_x"' in page


def test_a_warning_does_not_block(ana, world, filled):
    page = upload(ana, filled(), SimpleUploadedFile("a.jpg", picture()))
    asset = MediaAsset.objects.get()
    assert "Note:" in page
    ana.post(NEW, filled(media=[asset.pk]))
    assert Post.objects.get().media.get().asset == asset


def test_a_time_in_the_past_is_refused_with_the_cure(ana, filled):
    page = page_of(ana.post(NEW, filled(date="2020-01-01")))
    assert "is past." in page
    assert "Choose a later time, or choose Now." in page
    assert not Post.objects.exists()


@pytest.mark.parametrize("year", ["0007", "9999"])
def test_a_time_of_which_there_is_no_instant_is_refused_and_the_text_is_kept(
    ana, filled, year
):
    form = filled(date=f"{year}-12-31", time="23:59", zone="America/Sao_Paulo")
    page = ana.post(reverse("compose_check"), form).content.decode()
    assert "Date: Choose a date of this century." in page
    kept = ana.post(reverse("compose_keep"), form).json()
    assert kept["state"] == "saved"
    assert Post.objects.get().text == form["text"]
    form = filled(useful_until=f"{year}-12-31T23:59")
    assert "Useful until: Choose a date" in ana.post(NEW, form).content.decode()


def test_now_sends_at_once_whatever_the_date_says(ana, filled):
    before = timezone.now() - timedelta(seconds=2)
    ana.post(NEW, filled(when="now", date="2020-01-01"))
    for delivery in Delivery.objects.all():
        assert before <= delivery.next_attempt_at <= timezone.now()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"accounts": []}, "Choose at least one account."),
        ({"date": ""}, "Choose a date and a time, or Now."),
        ({"time": "25:99"}, "Enter a valid time."),
        ({"zone": "Mars/Base"}, "Unknown time zone"),
        ({"link_url": "javascript:alert(1)"}, "A link starts with https://"),
        ({"useful_until": "2020-01-01T10:00"}, "It would no longer be useful"),
        ({"useful_until": "soon"}, "Write it as"),
        ({"text": ""}, "Nothing to post"),
    ],
)
def test_every_refusal_is_said_and_nothing_typed_is_lost(
    ana, world, filled, changes, sentence
):
    image = upload_asset(ana, filled())
    typed = filled(
        **{
            "text": "My careful words",
            "link_title": "A title",
            "own_mastodon": "1",
            "text_mastodon": "",
            "media": [image.pk],
            f"alt_{image.pk}": "A teal square",
            **changes,
        }
    )
    if "text" in changes:
        typed["media"] = []
    page = page_of(ana.post(NEW, typed))
    assert sentence in page
    assert not Post.objects.exists()
    assert "A title" in page
    if "text" not in changes:
        assert "My careful words" in page
        assert f'name="media" value="{image.pk}"' in page
        assert "A teal square" in page


def upload(client, data, *files) -> str:
    return page_of(client.post(NEW, {**data, "files": files, "action": "upload"}))


def upload_asset(client, data) -> MediaAsset:
    upload(client, data, SimpleUploadedFile("kept.jpg", picture()))
    return MediaAsset.objects.get()


def test_a_bad_file_is_said_and_the_rest_is_kept(ana, filled):
    page = upload(
        ana,
        filled(text="Still here"),
        SimpleUploadedFile("fine.png", picture("PNG")),
        SimpleUploadedFile("bad.png", b"no image at all"),
    )
    assert "bad.png is no file that can be posted" in page
    assert "Still here" in page
    assert f'name="media" value="{MediaAsset.objects.get().pk}"' in page


def test_files_chosen_and_not_uploaded_go_along_with_schedule(ana, filled):
    file = SimpleUploadedFile("now.png", picture("PNG"))
    ana.post(NEW, filled(files=[file]))
    assert Post.objects.get().media.count() == 1


def test_a_file_too_many_is_left_out_and_named(ana, filled, monkeypatch):
    monkeypatch.setattr(composing, "MAX_FILES", 2)
    files = [
        SimpleUploadedFile(f"i{n}.png", picture("PNG", (10 + n, 10))) for n in range(3)
    ]
    page = upload(ana, filled(), *files)
    assert "i2.png was left out" in page
    assert page.count('name="media"') == 2


def test_images_can_be_moved_and_removed(ana, filled):
    files = [
        SimpleUploadedFile(f"i{n}.png", picture("PNG", (10 + n, 10))) for n in range(2)
    ]
    upload(ana, filled(), *files)
    first, second = MediaAsset.objects.order_by("pk").values_list("pk", flat=True)
    both = [first, second]
    for action in (f"earlier:{second}", f"later:{first}"):
        moved = page_of(ana.post(NEW, filled(media=both, action=action)))
        places = [moved.index(f'name="media" value="{pk}"') for pk in (second, first)]
        assert places == sorted(places)
    left = page_of(ana.post(NEW, filled(media=both, action=f"remove:{first}")))
    assert f'name="media" value="{first}"' not in left
    assert f'name="media" value="{second}"' in left


def test_images_of_other_brands_cannot_be_taken(ana, world, filled):
    other = Brand.objects.create(name="Other")
    asset = MediaAsset.objects.create(
        brand=other, name="a", mime_type="image/png", size_bytes=1, sha256="0" * 64
    )
    page = page_of(ana.post(NEW, filled(media=[asset.pk], action="check")))
    assert f'name="media" value="{asset.pk}"' not in page


def test_accounts_of_other_brands_cannot_be_chosen(ana, world, filled):
    other = Brand.objects.create(name="Other")
    account = make_account(other, "x", "Not mine")
    page = page_of(ana.post(NEW, filled(accounts=[account.pk])))
    assert "Choose at least one account." in page
    assert "Not mine" not in page


def test_an_unhealthy_account_can_be_chosen_and_is_said_to_wait(ana, world, filled):
    world.x.credential.state = "broken"
    world.x.credential.cause = "token_revoked"
    world.x.credential.save()
    page = page_of(ana.post(NEW, filled(action="check")))
    assert "Will be held: Access was withdrawn." in page
    # Of the accounts that may post the network is asked, of this one the wording only.
    assert page.count("Wording and files are fine for the network.") == 1
    ana.post(NEW, filled())
    assert Delivery.objects.filter(account=world.x).exists()


# ---------------------------------------------------------------- repeats


def test_the_same_text_to_the_same_account_needs_a_yes(ana, world, filled):
    due = (timezone.now() + timedelta(days=1)).replace(hour=12)
    hours = (due - timezone.now()).total_seconds() / 3600
    make_delivery(world.x, world.ana, text="Hello world", hours=hours)
    page = page_of(ana.post(NEW, filled()))
    assert "The same post for Acme X, by ana: goes out" in page
    assert "Send it all the same" in page
    assert Post.objects.count() == 1
    ana.post(NEW, filled(repeat_ok="1"))
    assert Post.objects.count() == 2
    newest = Post.objects.latest("pk").deliveries
    yes = dict(newest.values_list("account", "twice_allowed"))
    assert yes == {world.x.pk: True, world.mastodon.pk: False}


@pytest.mark.parametrize("other", ["days", "account", "words", "cancelled"])
def test_what_is_not_a_repeat_needs_none(ana, world, filled, other):
    make_delivery(
        world.mastodon if other == "account" else world.x,
        world.ana,
        text="Other words" if other == "words" else "Hello world",
        hours=24 * 5 if other == "days" else 24,
        status="cancelled" if other == "cancelled" else "scheduled",
    )
    ana.post(NEW, filled(accounts=[world.x.pk]))
    assert Post.objects.count() == 2


# ---------------------------------------------------------------- clock change


def test_a_skipped_hour_is_said_and_goes_an_hour_later(ana, filled):
    answer = ana.post(NEW, filled(date="2030-03-31", time="02:30"), follow=True)
    assert "02:30 does not exist on 31 March 2030 in Europe/Berlin" in page_of(answer)
    assert "It goes out at 03:30." in page_of(answer)
    assert Post.objects.get().due_at == datetime(2030, 3, 31, 1, 30, tzinfo=UTC)


def test_a_repeated_hour_is_said_and_goes_the_first_time(ana, filled):
    answer = ana.post(NEW, filled(date="2030-10-27", time="02:30"), follow=True)
    assert "02:30 comes twice on 27 October 2030" in page_of(answer)
    assert Post.objects.get().due_at == datetime(2030, 10, 27, 0, 30, tzinfo=UTC)


def test_ordinary_hours_have_no_note():
    assert composing.clock_note(date(2030, 3, 31), time(9), "Europe/Berlin") == ""
    assert composing.clock_note(date(2030, 3, 31), time(2, 30), "UTC") == ""


# ---------------------------------------------------------------- live checks


def test_live_checks_count_as_the_network_counts_and_block_the_button(ana, filled):
    page = page_of(ana.post(reverse("compose_check"), filled(text="é" * 281)))
    assert "281 / 280" in page
    assert "disabled" in page
    fine = page_of(ana.post(reverse("compose_check"), filled()))
    assert "11 / 280" in fine
    assert "disabled" not in fine
    assert not Post.objects.exists()


def test_without_scripts_the_button_stays_usable_after_an_error(ana, filled):
    page = page_of(ana.post(NEW, filled(text="x" * 300)))
    button = page[page.index('id="do-schedule"') :].partition(">")[0]
    assert "disabled" not in button


@pytest.mark.trap("x", 7)
def test_what_a_post_on_x_costs_is_said_before_it_is_scheduled(ana, world, filled):
    def said(**changes):
        page = ana.post(reverse("compose_check"), filled(**changes)).content.decode()
        return " ".join(page.split())

    plain = said()
    assert "X takes $0.015 for it." in plain
    assert "All together" not in plain  # Mastodon takes nothing
    linked = said(link_url="https://example.com/a", own_x="1", text_x="Only words")
    assert "X takes $0.20 for it, because there is a link in it" in linked
    assert "without one it would be $0.015" in linked
    own = said(text="See https://example.com/a", own_x="1", text_x="Only words")
    assert "X takes $0.015 for it." in own
    second = make_account(world.brand, "x", "Second")
    both = said(accounts=[world.x.pk, second.pk])
    assert "All together costs $0.03." in both


def test_live_checks_of_a_strangers_post_are_not_found(world, sign_in, filled):
    delivery = make_delivery(world.x, world.ana)
    data = filled(post=delivery.post_id)
    stranger = sign_in(world.stranger)
    assert stranger.post(reverse("compose_check"), data).status_code == 404


def test_the_checks_answer_to_an_empty_form(ana, world):
    assert ana.post(reverse("compose_check"), {}).status_code == 200
    assert ana.post(reverse("media_upload"), {}).status_code == 200


# ---------------------------------------------------------------- editing


def edit_form(ana, delivery, filled, **changes):
    post = delivery.post
    data = filled(
        token="",
        version=Post.objects.get(pk=post.pk).changed_at.isoformat(),
        text=post.text,
        date=post.local_date.isoformat(),
        time=post.local_time.strftime("%H:%M"),
        zone=post.zone,
        accounts=[delivery.account_id],
    )
    return ana.post(
        reverse("post_edit", args=[post.pk]), {**data, **changes}, follow=True
    )


def test_another_time_moves_what_is_still_open(ana, world, filled):
    delivery = make_delivery(world.x, world.ana)
    edit_form(ana, delivery, filled, date="2031-01-01", time="10:00", zone="UTC")
    delivery.refresh_from_db()
    at = datetime(2031, 1, 1, 10, tzinfo=UTC)
    assert delivery.due_at == delivery.next_attempt_at == at
    assert delivery.useful_until == at + timedelta(hours=2)


def test_a_held_one_that_is_moved_is_judged_anew(ana, world, filled):
    delivery = make_delivery(
        world.x, world.ana, status="held", hold="too_late", next_attempt_at=None
    )
    edit_form(ana, delivery, filled, date="2031-01-01")
    delivery.refresh_from_db()
    assert (delivery.status, delivery.hold) == ("scheduled", "")


def test_what_is_published_stays_and_is_said(ana, world, filled):
    delivery = make_delivery(world.x, world.ana)
    done = Delivery.objects.create(
        post=delivery.post,
        account=world.mastodon,
        status="published",
        external_id="1",
        due_at=delivery.due_at,
        useful_until=delivery.useful_until,
    )
    page = page_of(ana.get(reverse("post_edit", args=[delivery.post_id])))
    assert "Published: it stays as it is." in page
    edit_form(ana, delivery, filled, date="2031-01-01", text="New words")
    done.refresh_from_db()
    assert done.due_at != datetime(2031, 1, 1, 8, tzinfo=UTC)
    assert done.status == "published"
    assert done.account in delivery.post.accounts.all()


def test_a_post_whose_sending_begins_meanwhile_is_too_late(ana, world, filled):
    delivery = make_delivery(world.x, world.ana)
    Delivery.objects.create(
        post=delivery.post,
        account=world.mastodon,
        due_at=delivery.due_at,
        useful_until=delivery.useful_until,
    )
    Delivery.objects.filter(pk=delivery.pk).update(status="publishing")
    answer = edit_form(
        ana, delivery, filled, accounts=[world.mastodon.pk], date="2031-01-01"
    )
    assert "Too late to change for Acme X" in page_of(answer)
    delivery.refresh_from_db()
    assert delivery.status == "publishing"


def test_an_account_that_is_taken_off_is_cancelled(ana, world, filled):
    delivery = make_delivery(world.x, world.ana)
    edit_form(ana, delivery, filled, accounts=[world.mastodon.pk])
    delivery.refresh_from_db()
    assert delivery.status == "cancelled"
    assert Delivery.objects.get(account=world.mastodon).status == "scheduled"


def test_a_failed_one_goes_again_with_the_mended_text(ana, world, filled):
    delivery = make_delivery(
        world.x, world.ana, hours=-48, status="failed", cause="text_refused"
    )
    answer = edit_form(ana, delivery, filled, text="Mended")
    delivery.refresh_from_db()
    assert delivery.status == "scheduled", page_of(answer)
    assert delivery.useful_until > timezone.now()
    assert delivery.post.deliveries.count() == 1


def test_somebody_elses_change_is_not_overwritten_unseen(ana, world, filled):
    delivery = make_delivery(world.x, world.ana)
    old = (timezone.now() - timedelta(hours=1)).isoformat()
    page = page_of(edit_form(ana, delivery, filled, version=old, text="Mine"))
    assert "Somebody has changed this post" in page
    assert "Mine" in page
    delivery.post.refresh_from_db()
    assert delivery.post.text == "Hello"


def test_a_post_that_is_all_out_leads_to_a_copy(ana, world):
    delivery = make_delivery(world.x, world.ana, status="published", external_id="1")
    answer = ana.get(reverse("post_edit", args=[delivery.post_id]), follow=True)
    assert "Copy it to send it again." in page_of(answer)
    copied = page_of(ana.get(NEW, {"copy": delivery.post_id}))
    assert "Hello" in copied


def test_a_draft_becomes_scheduled_in_the_end(ana, world, filled):
    ana.post(NEW, filled(action="draft", own_x="1", text_x="For X"))
    post = Post.objects.get()
    page = page_of(ana.get(reverse("post_edit", args=[post.pk])))
    assert "For X" in page
    ana.post(reverse("post_edit", args=[post.pk]), filled(token=""))
    post.refresh_from_db()
    assert (post.state, post.deliveries.count()) == ("scheduled", 2)
    assert not post.variants.exists()


def test_changing_the_brand_keeps_what_was_typed(ana, world, filled):
    other = Brand.objects.create(name="Zeta")
    other.members.add(world.ana)
    make_account(other, "x", "Zeta X")
    image = upload_asset(ana, filled())
    typed = filled(brand=other.pk, text="Keep me", media=[image.pk], action="brand")
    page = page_of(ana.post(NEW, typed))
    assert "Keep me" in page
    assert "Zeta X" in page
    assert f'name="media" value="{image.pk}"' in page
    account = other.accounts.get()
    ana.post(NEW, {**typed, "accounts": [account.pk], "action": "schedule"})
    use = Post.objects.get(brand=other).media.get()
    assert use.asset.brand == other
    assert use.asset.sha256 == image.sha256


def test_without_a_brand_the_page_says_the_next_step(db, sign_in):
    person = make_person("nobody", "Marketing")
    page = page_of(sign_in(person).get(NEW))
    assert "Ask an admin to add you to a brand." in page


def test_an_account_may_be_called_anything_in_the_composer(world, ana):
    odd = '<b>{0} & "x"</b>'
    account = make_account(world.brand, "mastodon", "Odd")
    account.name = account.handle = odd
    account.save(update_fields=["name", "handle"])
    queue = Queue.objects.create(brand=world.brand, name=odd, zone="Europe/Berlin")
    Queue.objects.create(brand=world.brand, name="Empty", zone="Europe/Berlin")
    queue.accounts.add(account)
    for language, able in (("en", "Able to post"), ("de", "Sendebereit")):
        Profile.objects.update_or_create(
            user=world.ana, defaults={"language": language}
        )
        page = ana.get(f"{reverse('compose')}?account={account.pk}").content.decode()
        assert odd not in page
        escaped = "&lt;b&gt;{0} &amp; &quot;x&quot;&lt;/b&gt;"
        assert (
            f'<input type="checkbox" name="accounts" value="{account.pk}" '
            f'data-network="mastodon" checked><span>{escaped} '
            f'<span class="sh-muted">@{escaped}</span>'
        ) in page
        assert f'title="{able}">check_circle</span>' in page
        assert f'data-tick="{account.pk}">{escaped}</button>' in page
        assert page.count("data-tick=") == 1

"""A poll is typed beside the text, kept with the post, checked, shown and compared."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from platforms.base import Draft, Poll
from publishing import approving, polls
from publishing.models import Delivery, Import, Post, draft_doc, draft_from
from publishing.tests.pages.conftest import make_account
from publishing.tests.pages.test_importing import csv_of, do, good, said, send
from publishing.tests.pages.test_importing import no_wake_ups as no_wake_ups

pytestmark = pytest.mark.django_db
NEW = "/posts/new/"
TYPED = {
    "poll_option_1": " Rye ",
    "poll_option_2": "",
    "poll_option_3": "Spelt",
    "poll_minutes": "4320",
    "poll_multiple": "1",
}
RYE = Poll(("Rye", "Spelt"), 4320, True)


@pytest.fixture
def filled(world):
    tomorrow = (timezone.now() + timedelta(days=1)).date().isoformat()

    def make(*accounts, **changes):
        data = {
            "token": "t1",
            "brand": world.brand.pk,
            "text": "Which bread?",
            "when": "at",
            "date": tomorrow,
            "time": "09:00",
            "zone": "Europe/Berlin",
            "accounts": [account.pk for account in accounts],
            "action": "schedule",
            **TYPED,
        }
        return {**data, **changes}

    return make


def test_a_poll_is_kept_with_the_post_and_its_draft(ana, world, filled):
    ana.post(NEW, filled(world.mastodon))
    post = Post.objects.get()
    draft = post.draft_for("mastodon")
    assert draft.poll == RYE
    assert draft_from(draft_doc(draft)) == draft
    # What was stored before there were any is still the same.
    assert "poll" not in draft_doc(Draft("Hello"))
    page = ana.get(reverse("post_edit", args=[post.pk])).content.decode()
    assert 'name="poll_option_2" value="Spelt"' in page
    assert '<option value="4320" selected>3 days</option>' in page
    shown = ana.get(post.get_absolute_url()).content.decode()
    assert "<li>Rye</li><li>Spelt</li>" in shown
    assert "3 days, several answers" in shown
    copied = ana.get(f"{NEW}?copy={post.pk}").content.decode()
    assert 'name="poll_option_1" value="Rye"' in copied


def test_without_answers_there_is_none(ana, world, filled):
    none = dict.fromkeys(("poll_option_1", "poll_option_3"), " ")
    ana.post(NEW, filled(world.mastodon, **none))
    assert Post.objects.get().poll == {}


def test_what_a_network_refuses_names_field_cause_and_cure(ana, world, filled):
    linkedin = make_account(world.brand, "linkedin", "Acme L", kind="member")
    wrong = {"poll_option_3": "x" * 31, "link_url": "https://acme.example"}
    data = filled(world.x, linkedin, poll_minutes="20", **wrong)
    page = ana.post(NEW, data).content.decode()
    assert not Post.objects.exists()
    for words in (
        "The answer is too long: 31 / 25 characters",
        "The answer is too long: 31 / 30 characters",
        "it takes 1 day, 3 days, 7 days, 14 days",
        "The poll has no question",
        "Empty this field, and write the address into the text.",
        "People can choose only one answer there",
    ):
        assert words in page, words
    for field in ("option_2", "minutes", "question", "multiple"):
        assert f'href="#id_poll_{field}"' in page
    instagram = make_account(world.brand, "instagram", "Acme I")
    page = ana.post(NEW, filled(instagram)).content.decode()
    assert "No polls there" in page
    assert "take the account out of this post" in page


def test_each_preview_shows_it_as_its_network_does(ana, world, filled):
    linkedin = make_account(world.brand, "linkedin", "Acme L", kind="member")
    data = filled(world.x, world.mastodon, linkedin, poll_question="Which one?")
    answer = ana.post(reverse("compose_check"), data)
    shown = {
        one.spec.slug: one.pieces[0].poll for one in answer.context["panel"].previews
    }
    assert {one.answers for one in shown.values()} == {("Rye", "Spelt")}
    assert {slug: one.question for slug, one in shown.items()} == {
        "x": "",
        "mastodon": "",
        "linkedin": "Which one?",
    }
    assert [slug for slug, one in shown.items() if one.several] == ["mastodon"]
    assert answer.content.decode().count("<li>Rye</li>") == 3


def test_it_is_offered_where_a_network_of_the_brand_has_polls(ana, world):
    page = ana.get(NEW).content.decode()
    assert page.count('name="poll_option_') == 4
    world.mastodon.server_limits = {"poll_options": 6}
    world.mastodon.save()
    assert ana.get(NEW).content.decode().count('name="poll_option_') == 6
    for account in (world.x, world.mastodon):
        account.platform = "pinterest"
        account.save()
    assert 'name="poll_option_' not in ana.get(NEW).content.decode()


def test_two_people_see_whose_poll_is_whose(ana, world, filled):
    ana.post(NEW, filled(world.mastodon))
    post = Post.objects.get()
    edit = reverse("post_edit", args=[post.pk])
    mine = filled(world.mastodon, version="2020-01-01T00:00:00+00:00")
    mine = {**mine, "poll_option_1": "Oats", "poll_minutes": "60"}
    page = ana.post(edit, {**mine, "action": "schedule"}).content.decode()
    assert "Rye / Spelt" in page
    assert "Oats / Spelt" in page
    page = ana.post(edit, {**mine, "action": "theirs:poll"}).content.decode()
    assert 'name="poll_option_1" value="Rye"' in page
    assert '<option value="4320" selected>' in page


def test_another_poll_needs_another_approval(ana, world, filled):
    world.brand.approval_steps = 1
    world.brand.save()
    ana.post(NEW, filled(world.mastodon))
    post = Post.objects.get()
    approving.approve(
        world.rita, post.pk, post.reviews.get(is_current=True).fingerprint
    )
    assert Delivery.objects.get().status == "scheduled"
    edit = reverse("post_edit", args=[post.pk])
    ana.post(edit, filled(world.mastodon, poll_option_3="Oats"))
    assert Delivery.objects.get().status == "held"
    (changes,) = approving.changes([post.reviews.get(is_current=True)]).values()
    (change,) = [one for one in changes if "poll" in one.what]
    assert ("new", "Oats") in change.pieces


def test_a_table_brings_polls_and_each_bad_cell_is_named(world, ana):
    rows = [
        good(poll="Rye|Spelt", **{"poll minutes": "4320", "poll multiple": "yes"}),
        good(poll='["a|b", "c"]', text="Other"),
        good(poll="Rye|Spelt", text="Third", **{"poll minutes": "a day"}),
        good(poll="Rye|Spelt", text="Fourth", **{"poll multiple": "perhaps"}),
        good(poll="Rye", text="Fifth"),
    ]
    table = send(ana, csv_of(*rows))
    problems = [said(row) for row in table.rows.all()]
    assert problems[:2] == ["", ""]
    assert problems[2].startswith("poll minutes: “a day” is no number of minutes")
    assert problems[3].startswith("poll multiple: “perhaps”")
    assert problems[4].startswith("poll: Acme")
    assert "too few answers: 1, at least 2" in problems[4]
    do(ana, table, "write")
    found = [polls.stored(post.poll) for post in Post.objects.order_by("pk")]
    assert found == [RYE, Poll(("a|b", "c"))]
    assert Import.objects.get().state == "done"

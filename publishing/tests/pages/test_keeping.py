"""What is typed is saved by itself, and never over somebody else's words."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent
from publishing import composing
from publishing.models import Delivery, Post
from publishing.tests.pages.conftest import make_delivery, make_person

KEEP = "/posts/keep/"
TOKEN = "ab" * 16


@pytest.fixture
def typed(world):
    def make(**changes):
        data = {
            "token": TOKEN,
            "brand": world.brand.pk,
            "text": "Half a",
            "when": "at",
            "date": "2030-07-01",
            "time": "09:00",
            "zone": "Europe/Berlin",
            "accounts": [world.x.pk],
        }
        return {**data, **changes}

    return make


@pytest.fixture
def bob(world, sign_in):
    person = make_person("bob", "Marketing", brand=world.brand)
    person.first_name, person.last_name = "Bob", "Baker"
    person.save()
    return sign_in(person)


def keep(client, data, state="saved"):
    answer = client.post(KEEP, data).json()
    assert answer["state"] == state, answer
    return answer


def test_typing_makes_one_draft_and_goes_on_in_it(ana, typed):
    first = keep(ana, typed())
    assert re.fullmatch(r"Saved \d\d:\d\d", first["words"])
    assert first["url"] == reverse("post_edit", args=[first["post"]])
    same = {"post": first["post"], "version": first["version"]}
    second = keep(ana, typed(text="Half a post", **same))
    # An answer that was lost: the same form without its post leads to the same draft.
    keep(ana, typed(text="Half a post, and more"))
    post = Post.objects.get()
    assert (post.text, post.state) == ("Half a post, and more", "draft")
    assert second["version"] != first["version"]
    assert not Delivery.objects.exists()
    assert [event.verb for event in AuditEvent.objects.all()] == ["post.created"]


def test_saying_nothing_new_writes_nothing(ana, typed):
    first = keep(ana, typed())
    same = {"post": first["post"], "version": first["version"]}
    assert keep(ana, typed(**same))["version"] == first["version"]
    keep(ana, typed(token="", text=" ", accounts=[]), "nothing")
    assert Post.objects.count() == 1


def test_sending_once_more_what_has_arrived_is_no_other_window(ana, bob, typed):
    first = keep(ana, typed())
    old = {"post": first["post"], "version": first["version"]}
    there = keep(ana, typed(text="Its answer got lost", **old))
    again = keep(ana, typed(text="Its answer got lost", **old))
    assert again["version"] == there["version"]
    # Somebody else's words in between are one, as before.
    keep(bob, typed(text="Bob's", post=first["post"], version=there["version"]))
    keep(ana, typed(text="Its answer got lost", **old), "conflict")


def test_what_cannot_be_stored_is_said_and_what_is_stored_stays(ana, typed):
    first = keep(ana, typed())
    same = {"post": first["post"], "version": first["version"]}
    words = keep(ana, typed(link_url="nonsense", **same), "refused")["words"]
    assert "A link starts with https://" in words
    # A time that is not whole yet is no reason to lose the text.
    keep(ana, typed(text="Better", time="25:99", **same))
    assert Post.objects.get().text == "Better"


def test_a_scheduled_post_changes_only_when_a_person_says_so(ana, world, typed):
    delivery = make_delivery(world.x, world.ana)
    version = delivery.post.changed_at.isoformat()
    data = typed(post=delivery.post_id, version=version, text="Other")
    assert "The post changes when you save." in keep(ana, data, "kept")["words"]
    assert Post.objects.get().text == "Hello"


def test_strangers_and_the_signed_out_save_nothing(world, client, sign_in, ana, typed):
    assert client.post(KEEP, typed()).status_code == 302
    assert sign_in(world.rita).post(KEEP, typed()).status_code == 403
    post = keep(ana, typed())["post"]
    assert sign_in(world.stranger).post(KEEP, typed(post=post)).status_code == 404
    assert Post.objects.get().text == "Half a"


def test_two_people_see_both_versions_and_lose_neither(ana, bob, typed):
    first = keep(ana, typed(link_url="https://example.com/a"))
    same = {"post": first["post"], "version": first["version"]}
    keep(bob, typed(text="Bob's words", **same))
    Post.objects.update(changed_at=timezone.now() - timedelta(minutes=2, seconds=5))
    mine = typed(text="Ana's words", link_url="https://example.com/a", **same)
    said = keep(ana, mine, "conflict")["words"]
    assert said.startswith("Bob Baker changed this post 2 min ago")
    assert Post.objects.get().text == "Bob's words"
    panel = ana.post(reverse("compose_check"), mine).content.decode()
    assert "Bob Baker changed this post 2 min ago" in panel

    edit = reverse("post_edit", args=[first["post"]])
    page = ana.post(edit, {**mine, "action": "draft"})
    assert [
        (row.key, row.theirs, row.mine)
        for row in page.context["panel"].conflict.differences
    ] == [
        ("text", "Bob's words", "Ana's words"),
        ("link_url", "", "https://example.com/a"),
    ]
    assert Post.objects.get().text == "Bob's words"
    seen = re.search(r'name="seen" value="([^"]+)"', page.content.decode())[1]

    # Some of theirs can be taken, and what is replaced in the end stays in the history.
    taken = ana.post(edit, {**mine, "seen": seen, "action": "theirs:link_url"})
    assert taken.context["form"]["link_url"].value() == ""
    assert taken.context["form"]["text"].value() == "Ana's words"
    done = ana.post(edit, {**mine, "link_url": "", "seen": seen, "action": "draft"})
    assert done.cookies["saved_form"].value == TOKEN
    assert (Post.objects.get().text, Post.objects.get().link_url) == ("Ana's words", "")
    history = ana.get(done["Location"]).content.decode()
    assert "What it replaced" in history
    assert "Bob&#x27;s words" in history


def test_a_third_change_is_not_covered_by_having_seen_the_second(ana, bob, typed):
    first = keep(ana, typed())
    same = {"post": first["post"], "version": first["version"]}
    second = keep(bob, typed(text="Second", **same))
    keep(bob, typed(text="Third", post=first["post"], version=second["version"]))
    edit = reverse("post_edit", args=[first["post"]])
    data = typed(text="Mine", seen=second["version"], action="draft", **same)
    assert "Somebody has changed this post" in ana.post(edit, data).content.decode()
    assert Post.objects.get().text == "Third"


def test_every_kind_of_difference_can_be_taken(ana, bob, world, typed):
    first = keep(ana, typed())
    same = {"post": first["post"], "version": first["version"]}
    theirs = typed(
        own_x="1",
        text_x="For X",
        labels="News",
        time="11:00",
        parts_x=["2"],
        part_x_2="And then",
        accounts=[world.x.pk, world.mastodon.pk],
        **same,
    )
    keep(bob, theirs)
    edit = reverse("post_edit", args=[first["post"]])
    data = typed(**same)
    page = ana.post(edit, {**data, "action": "compare"})
    keys = [row.key for row in page.context["panel"].conflict.differences]
    assert sorted(keys) == ["accounts", "labels", "own:x", "parts:x", "time"]
    from django.http import QueryDict

    from publishing import conflicts
    from publishing.forms import PostForm

    form_data = QueryDict(mutable=True)
    for key, value in data.items():
        values = value if isinstance(value, list) else [value]
        form_data.setlist(key, [str(one) for one in values])
    post = Post.objects.get()
    for key in keys:
        conflicts.take(form_data, key, post)
    form = PostForm(form_data, user=world.ana, post=post)
    assert conflicts.between(form, post) == []
    assert form.composition() == composing.saved_composition(post)


def test_scheduling_while_the_composer_saves_by_itself_schedules(
    ana, typed, monkeypatch
):
    save = composing.save

    def slow(*args, **kwargs):
        monkeypatch.setattr(composing, "save", save)
        keep(ana, typed())
        return save(*args, **kwargs)

    monkeypatch.setattr(composing, "save", slow)
    ana.post(reverse("compose"), typed(action="schedule"))
    assert Post.objects.get().state == "scheduled"
    assert Delivery.objects.count() == 1

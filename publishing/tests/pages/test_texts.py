"""Templates, hashtag sets and link rules: made on a page, used in the composer."""

from __future__ import annotations

import pytest
from django.urls import reverse

from accounts.models import Brand
from publishing import composing
from publishing.models import Delivery, LinkRule, Post, Snippet
from publishing.tests.pages.conftest import make_account

NEW = "/posts/new/"


@pytest.fixture
def rule(world):
    return LinkRule.objects.create(
        brand=world.brand,
        source="{network}",
        medium="social",
        campaign="{campaign}",
        content="{account}",
        own_hosts="acme.example",
    )


@pytest.fixture
def filled(world):
    def make(**changes):
        data = {
            "token": "ab" * 16,
            "brand": world.brand.pk,
            "text": "Look: https://acme.example/a",
            "when": "at",
            "date": "2030-07-01",
            "time": "09:00",
            "zone": "Europe/Berlin",
            "accounts": [world.x.pk],
            "action": "schedule",
        }
        return {**data, **changes}

    return make


# -- texts


def test_a_hashtag_set_is_made_and_goes_below_the_text(ana, world, filled):
    data = {
        "brand": world.brand.pk,
        "kind": "hashtags",
        "name": "Bread",
        "text": "bread, #rye sourdough #rye",
    }
    ana.post(reverse("text_new"), data)
    snippet = Snippet.objects.get()
    assert snippet.text == "#bread #rye #sourdough"
    page = ana.post(NEW, filled(action="insert", snippet=snippet.pk))
    assert page.context["form"]["text"].value().endswith("/a\n\n#bread #rye #sourdough")
    assert not Post.objects.exists()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"text": "#a-b"}, "“#a-b” is no hashtag"),
        ({"name": "taken"}, "The brand has one of this name."),
        ({"text": " "}, "This field is required."),
    ],
)
def test_what_is_wrong_with_a_text_is_said(ana, world, changes, sentence):
    Snippet.objects.create(brand=world.brand, kind="hashtags", name="Taken", text="#a")
    data = {"brand": world.brand.pk, "kind": "hashtags", "name": "New", "text": "#a"}
    answer = ana.post(reverse("text_new"), {**data, **changes})
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert Snippet.objects.count() == 1


def test_texts_of_other_brands_are_not_there(ana, world, sign_in, filled):
    other = Brand.objects.create(name="Other")
    snippet = Snippet.objects.create(
        brand=other, kind="template", name="Secret", text="Secret words"
    )
    assert ana.get(reverse("text_edit", args=[snippet.pk])).status_code == 404
    assert ana.post(reverse("text_delete", args=[snippet.pk])).status_code == 404
    assert ana.get(reverse("link_rule", args=[other.pk])).status_code == 404
    assert "Secret" not in ana.get(reverse("text_list")).content.decode()
    page = ana.post(NEW, filled(action="insert", snippet=snippet.pk)).content.decode()
    assert "Secret words" not in page
    reviewer = sign_in(world.rita)
    assert reviewer.get(reverse("text_list")).status_code == 200
    assert reviewer.get(reverse("text_new")).status_code == 403


# -- links


def test_a_rule_is_written_and_shown_by_an_example(ana, world):
    url = reverse("link_rule", args=[world.brand.pk])
    data = {
        "is_on": "on",
        "source": "{network}",
        "only_own": "on",
        "own_hosts": "https://www.Acme.example/, shop.example.org",
    }
    ana.post(url, data)
    assert LinkRule.objects.get().own_hosts == "acme.example, shop.example.org"
    page = ana.get(reverse("text_list")).content.decode()
    assert "https://acme.example/page?utm_source=mastodon" in page
    for wrong, sentence in (
        ({"source": "{post}"}, "Between braces stands one of: {network}"),
        ({"own_hosts": "acme"}, "“acme” is no site."),
        ({"own_hosts": ""}, "Name your sites"),
        ({"source": ""}, "Fill in at least one parameter."),
    ):
        answer = ana.post(url, {**data, **wrong})
        assert answer.status_code == 422
        assert sentence in answer.content.decode()


def test_links_go_out_with_what_was_shown_and_counted(ana, world, rule, filled):
    second = make_account(world.brand, "mastodon", "Second M")
    data = filled(campaign="Spring Sale", accounts=[world.mastodon.pk, second.pk])
    panel = ana.post(reverse("compose_check"), data)
    shown = panel.context["panel"].previews[0].pieces[0]
    sent = (
        "Look: https://acme.example/a?utm_source=mastodon&utm_medium=social"
        "&utm_campaign=spring-sale&utm_content="
    )
    assert "".join(run.text for run in shown.shown) == f"{sent}acmem"
    # Mastodon counts any address as 23.
    assert shown.counts[0].used == len("Look: ") + 23
    ana.post(NEW, data)
    post = Post.objects.get()
    texts = {
        row.account_id: post.draft_for("mastodon", row.account).text
        for row in Delivery.objects.select_related("account")
    }
    assert texts == {world.mastodon.pk: f"{sent}acmem", second.pk: f"{sent}secondm"}
    # What people read and edit has nothing of it.
    assert post.text == "Look: https://acme.example/a"
    # The rule of tomorrow does not change what was seen and scheduled today.
    LinkRule.objects.update(source="other")
    assert "utm_source=mastodon" in Post.objects.get().draft_for("mastodon").text


def test_a_link_with_parameters_can_make_a_text_too_long(ana, world, rule, filled):
    bluesky = make_account(world.brand, "bluesky", "Acme Sky")
    text = "y" * 250 + " https://acme.example/a"
    page = ana.post(NEW, filled(text=text, accounts=[bluesky.pk])).content.decode()
    assert "The text is too long" in page
    LinkRule.objects.update(is_on=False)
    ana.post(NEW, filled(text=text, accounts=[bluesky.pk]))
    assert Post.objects.get().link_tags == {}


def test_the_same_post_again_is_noticed_whatever_its_links_carry(
    ana, world, rule, filled
):
    ana.post(NEW, filled(campaign="one"))
    page = ana.post(NEW, filled(token="cd" * 16, campaign="two")).content.decode()
    assert "The same post goes to the same account within a day." in page
    assert composing.saved_composition(Post.objects.get()).campaign == "one"

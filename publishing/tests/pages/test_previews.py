"""Previews: cut where readers see a cut, marked, counted as each network counts."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.urls import reverse

from platforms import registry
from platforms.base import Draft
from publishing import previews
from publishing.tests.pages.conftest import make_account


def test_links_hashtags_and_mentions_stand_apart_and_nothing_is_lost():
    text = "Fresh #bread by @ana: https://example.com/a#b, mail a@b.example"
    runs = previews.runs(text)
    assert "".join(run.text for run in runs) == text
    marks = [run.text for run in runs if run.is_mark]
    assert marks == ["#bread", "@ana", "https://example.com/a#b"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [("short", "short"), ("word " * 10, "word word word word"), ("x" * 30, "x" * 20)],
)
def test_a_long_text_is_folded_between_words(text, shown):
    first, rest = previews.folded(text, 20)
    assert (first, first + rest) == (shown, text)


@pytest.mark.trap("linkedin", 13)
def test_a_card_stands_only_where_the_network_shows_one():
    link = Draft("Look", link_url="https://www.example.com/a", link_title="Bread")
    card = previews.card_of(link, registry.spec("linkedin"))
    assert card == previews.Card("example.com", "Bread", "")
    in_text = Draft("https://example.com/b")
    assert previews.card_of(in_text, registry.spec("x")).host == "example.com"
    assert previews.card_of(link, registry.spec("instagram")) is None
    with_file = Draft(
        "Look", link_url="https://example.com", media=(SimpleNamespace(),)
    )
    assert previews.card_of(with_file, registry.spec("x")) is None


def test_the_panel_shows_one_preview_per_network_with_its_own_words(ana, world):
    second = make_account(world.brand, "x", "Acme Two")
    answer = ana.post(
        reverse("compose_check"),
        {
            "brand": world.brand.pk,
            "text": "For all",
            "own_x": "1",
            "text_x": "For X alone " + "y" * 230,
            "accounts": [world.x.pk, second.pk, world.mastodon.pk],
            "comment_facebook": "not chosen",
        },
    )
    shown = answer.context["panel"].previews
    assert [(one.spec.slug, one.others) for one in shown] == [
        ("mastodon", 0),
        ("x", 1),
    ]
    page = answer.content.decode()
    assert page.count('hx-swap-oob="true"') == 2  # previews and buttons
    assert "and 1 more account" in page
    assert "pub-counter--close" in page  # over four fifths of 280
    assert page.count("For all") == 1


def test_a_disabled_button_has_its_reason_beside_it(ana, world):
    page = ana.post(
        reverse("compose_check"), {"brand": world.brand.pk, "text": "Hi"}
    ).content.decode()
    assert 'disabled aria-describedby="why-not"' in page
    footer = page[page.index('id="compose-footer"') :]
    assert "Choose at least one account." in footer
    assert "All 2 reasons" in footer


def test_an_account_that_refuses_is_left_out_by_one_click(ana, world):
    data = {
        "brand": world.brand.pk,
        "text": "x" * 300,
        "accounts": [world.x.pk, world.mastodon.pk],
    }
    button = f'value="leave_out:{world.x.pk}"'
    panel = ana.post(reverse("compose_check"), data).content.decode()
    assert button in panel
    assert f'value="leave_out:{world.mastodon.pk}"' not in panel
    data |= {"action": f"leave_out:{world.x.pk}"}
    page = ana.post(reverse("compose"), data)
    assert [one.platform for one in page.context["form"].chosen] == ["mastodon"]
    assert page.context["form"]["text"].value() == "x" * 300


def test_what_holds_for_many_accounts_is_said_once_and_cured_by_one_click(ana, world):
    shops = [make_account(world.brand, "threads", f"Shop {n}") for n in range(4)]
    keys = [account.pk for account in shops]
    data = {
        "brand": world.brand.pk,
        "text": "x" * 600,
        "accounts": [*keys, world.mastodon.pk],
    }
    answer = ana.post(reverse("compose_check"), data)
    page, panel = answer.content.decode(), answer.context["panel"]
    said = [line.sentence for line in panel.reasons]
    assert "Threads · 4 accounts: The text is too long: 600 / 500." in said
    assert page.count('class="pub-check"') == 2
    assert "and 3 more accounts" in page
    assert "<li>Shop 3</li>" in page
    assert "Leave these 4 accounts out" in page
    out = f"leave_out:{' '.join(map(str, keys))}"
    assert f'value="{out}"' in page
    page = ana.post(reverse("compose"), data | {"action": out})
    assert [one.platform for one in page.context["form"].chosen] == ["mastodon"]


def test_what_holds_for_one_account_alone_is_said_beside_it(ana, world):
    held = make_account(world.brand, "x", "Asleep")
    held.credential.state = held.credential.State.BROKEN
    held.credential.save()
    data = {
        "brand": world.brand.pk,
        "text": "Hi",
        "accounts": [world.x.pk, held.pk],
    }
    page = ana.post(reverse("compose_check"), data).content.decode()
    assert page.count('class="pub-check"') == 2


def test_a_preview_names_what_readers_see_beside_the_text(ana, world):
    account = make_account(world.brand, "instagram", "Acme I", kind="instagram")
    answer = ana.post(
        reverse("compose_check"),
        {
            "brand": world.brand.pk,
            "text": "Together",
            "accounts": [account.pk],
            "options_instagram": "1",
            "option_instagram_collaborators": "@anna, ben",
            "option_instagram_user_tags": "",
        },
    )
    (preview,) = answer.context["panel"].previews
    assert preview.beside == [("Published together with", "@anna, ben")]
    assert "Published together with:" in answer.content.decode()


def test_a_preview_says_choices_in_words_and_none_that_nobody_made(ana, world):
    account = make_account(world.brand, "youtube", "Acme Y", kind="channel")
    form = {
        "brand": world.brand.pk,
        "text": "A film",
        "accounts": [account.pk],
        "options_youtube": "1",
        "option_youtube_license": "creativeCommon",
        "option_youtube_recorded_on": "2026-10-01",
    }
    (preview,) = ana.post(reverse("compose_check"), form).context["panel"].previews
    assert preview.beside == [
        ("Licence", "Creative Commons - Attribution"),
        ("Recorded on", "2026-10-01"),
    ]
    plain = {**form, "option_youtube_license": "youtube"}
    del plain["option_youtube_recorded_on"]
    (preview,) = ana.post(reverse("compose_check"), plain).context["panel"].previews
    assert preview.beside == []

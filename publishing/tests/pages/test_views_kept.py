"""Labels on posts, and views that are kept under a name."""

from __future__ import annotations

import pytest
from django.urls import reverse

from accounts.models import Brand
from publishing.models import Label, Post, SavedView

from .conftest import make_delivery
from .test_calendar import cards


def write(client, world, labels, text="Hello"):
    return client.post(
        reverse("compose"),
        {
            "brand": world.brand.pk,
            "text": text,
            "labels": labels,
            "accounts": [world.x.pk],
            "when": "at",
            "date": "2050-03-01",
            "time": "09:00",
            "zone": "UTC",
            "action": "schedule",
        },
    )


def test_labels_are_written_with_the_post_and_spelt_once(world, ana):
    write(ana, world, "spring,  Summer sale , spring")
    assert sorted(Label.objects.values_list("name", flat=True)) == [
        "Summer sale",
        "spring",
    ]
    write(ana, world, "SPRING", text="Another")
    assert Label.objects.count() == 2
    post = Post.objects.get(text="Another")
    assert [label.name for label in post.labels.all()] == ["spring"]
    page = ana.get(reverse("post_edit", args=[post.pk])).content.decode()
    assert 'value="spring"' in page


def test_a_label_that_is_too_long_is_refused_and_kept_as_typed(world, ana):
    answer = write(ana, world, "x" * 40)
    page = answer.content.decode()
    assert "is longer than 30 characters" in page
    assert f'value="{"x" * 40}"' in page
    assert not Post.objects.exists()


def test_calendar_and_list_are_filtered_by_label(world, ana):
    first = make_delivery(world.x, world.ana, text="With")
    make_delivery(world.x, world.ana, text="Without")
    label = Label.objects.create(brand=world.brand, name="spring")
    first.post.labels.add(label)
    assert [card["x"] for card in cards(ana, label=label.pk)] == ["With"]
    rows = ana.get(reverse("post_list"), {"tab": "all", "label": label.pk})
    assert [row.post.text for row in rows.context["rows"]] == ["With"]
    assert "spring" in ana.get(reverse("calendar")).content.decode()


def save(client, **fields):
    return client.post(
        reverse("view_save"),
        {"page": "calendar", "name": "My week", "view": "week", **fields},
        follow=True,
    )


def test_a_view_is_kept_and_replaced_under_its_name(world, ana):
    save(ana, platform="x", status="nonsense")
    view = SavedView.objects.get()
    assert view.get_absolute_url() == "/calendar/?view=week&platform=x"
    page = save(ana, platform="mastodon").content.decode()
    assert "My week" in page
    assert SavedView.objects.get().query == "view=week&platform=mastodon"
    assert "Name of the view" in save(ana, name=" ").content.decode()


def test_only_own_views_can_be_forgotten(world, ana, sign_in):
    save(ana, share=world.brand.pk, name="<b>Ours</b>")
    forget = reverse("view_forget", args=[SavedView.objects.get().pk])
    button = f'<form method="post" action="{forget}">'
    for page in ("calendar", "post_list"):
        SavedView.objects.update(page=page)
        own = ana.get(reverse(page)).content.decode()
        assert f'{button}<input type="hidden" name="csrfmiddlewaretoken"' in own
        assert 'aria-label="Forget the view &lt;b&gt;Ours&lt;/b&gt;"' in own
        others = sign_in(world.rita).get(reverse(page)).content.decode()
        assert button not in others
        for shown in (own, others):
            assert f"?{SavedView.objects.get().query}".replace("&", "&amp;") in shown
            assert '&lt;b&gt;Ours&lt;/b&gt; <span class="sh-muted">(shared)<' in shown


def test_a_view_is_shared_with_one_brand_only(world, ana, sign_in):
    save(ana, share=world.brand.pk)
    save(ana, name="Mine alone")
    rita = sign_in(world.rita).get(reverse("calendar")).content.decode()
    assert "My week" in rita
    assert "Mine alone" not in rita
    assert (
        "My week"
        not in sign_in(world.stranger).get(reverse("calendar")).content.decode()
    )
    other = Brand.objects.create(name="Globex")
    save(ana, name="Elsewhere", share=other.pk)
    assert SavedView.objects.get(name="Elsewhere").brand is None


def test_who_has_no_role_shares_nothing_and_zero_bytes_are_left_out(world, sign_in):
    save(sign_in(world.guest), share=world.brand.pk, name="A\x00B")
    view = SavedView.objects.get()
    assert (view.name, view.brand) == ("AB", None)


def test_admins_see_views_of_their_own_and_of_their_brands(world, ana, sign_in):
    save(ana, share=world.brand.pk)
    save(ana, name="Mine alone")
    world.adam.is_staff = True
    world.adam.save()
    address = reverse("admin:publishing_savedview_changelist")
    page = sign_in(world.adam).get(address).content.decode()
    assert "My week" in page
    assert "Mine alone" not in page


def test_only_its_owner_forgets_a_view(world, ana, sign_in):
    save(ana, share=world.brand.pk)
    address = reverse("view_forget", args=[SavedView.objects.get().pk])
    assert sign_in(world.rita).post(address).status_code == 404
    ana.post(address)
    assert not SavedView.objects.exists()


@pytest.mark.parametrize("page", ["calendar", "post_list"])
def test_a_page_offers_its_own_views(world, ana, page):
    save(ana, page=page, name=f"On {page}")
    assert f"On {page}" in ana.get(reverse(page)).content.decode()
    other = "post_list" if page == "calendar" else "calendar"
    assert f"On {page}" not in ana.get(reverse(other)).content.decode()

"""Two people, two tabs, a double click: what is said is what happens."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from publishing import composing
from publishing.models import Delivery, Post, StaleState, draft_doc
from publishing.tests.pages.conftest import make_delivery

Status = Delivery.Status


def form_of(delivery: Delivery, **changes: object) -> dict[str, object]:
    post = delivery.post
    data = {
        "token": "t1",
        "version": post.changed_at.isoformat(),
        "brand": post.brand_id,
        "text": post.text,
        "when": "at",
        "date": post.local_date.isoformat(),
        "time": post.local_time.strftime("%H:%M"),
        "zone": post.zone,
        "accounts": [delivery.account_id],
        "action": "schedule",
    }
    return {**data, **changes}


def edit_url(delivery: Delivery) -> str:
    return reverse("post_edit", args=[delivery.post_id])


def composition(post: Post, text: str) -> composing.Composition:
    made = composing.saved_composition(post)
    made.text = text
    return made


def test_a_decision_about_an_earlier_try_is_not_taken(world, sign_in):
    delivery = make_delivery(
        world.x, world.ana, status=Status.UNCERTAIN, next_attempt_at=None, fence=7
    )
    rita = sign_in(world.rita)
    page = rita.get(delivery.get_absolute_url()).content.decode()
    assert 'name="seen" value="7"' in page
    # Meanwhile somebody else had it sent, and that answer was lost as well.
    Delivery.objects.update(fence=9)
    for name, data in (
        ("delivery_confirm_absent", {}),
        ("delivery_confirm_live", {"permalink": "https://x.com/acme/status/1"}),
    ):
        url = reverse(name, args=[delivery.pk])
        answer = rita.post(url, {"seen": "7", **data}, follow=True)
        assert "Too late" in answer.content.decode()
    delivery.refresh_from_db()
    assert delivery.status == Status.UNCERTAIN
    rita.post(reverse("delivery_confirm_absent", args=[delivery.pk]), {"seen": "9"})
    delivery.refresh_from_db()
    assert delivery.status == Status.SCHEDULED


def test_a_scheduled_post_is_not_saved_as_an_unchecked_draft(world, ana):
    delivery = make_delivery(world.x, world.ana)
    data = form_of(delivery, action="draft", text="long " * 200)
    page = ana.post(edit_url(delivery), data).content.decode()
    delivery.post.refresh_from_db()
    assert delivery.post.text == "Hello"
    assert delivery.post.due_at is not None
    assert "long" in page


def test_a_post_that_changed_between_check_and_writing_is_not_overwritten(world, ana):
    delivery = make_delivery(world.x, world.ana)
    mine = Post.objects.get(pk=delivery.post_id)
    theirs = Post.objects.get(pk=delivery.post_id)
    theirs.text = "Theirs"
    theirs.save()
    with pytest.raises(StaleState):
        composing.save(
            composition(mine, "Mine"),
            world.ana,
            post=mine,
            token="t",
            when=composing.timing(mine.local_date, mine.local_time, mine.zone),
            wall=(None, None, "UTC"),
            go=True,
        )
    assert Post.objects.get().text == "Theirs"


def test_the_page_says_that_somebody_was_faster(world, ana, monkeypatch):
    delivery = make_delivery(world.x, world.ana)
    save = composing.save

    def slow(*args, **kwargs):
        other = Post.objects.get(pk=delivery.post_id)
        other.text = "Theirs"
        other.save()
        return save(*args, **kwargs)

    monkeypatch.setattr(composing, "save", slow)
    data = form_of(delivery, text="Mine")
    page = ana.post(edit_url(delivery), data).content.decode()
    assert "Somebody has changed this post" in page
    assert "Mine" in page
    assert Post.objects.get().text == "Theirs"


@pytest.mark.django_db(transaction=True)
def test_a_double_click_on_changes_is_one_change(world):
    delivery = make_delivery(world.x, world.ana)
    data, url = form_of(delivery, text="Mine"), edit_url(delivery)
    answers: list[int] = []
    gate = threading.Barrier(2)

    def click() -> None:
        client = Client()
        client.force_login(world.ana)
        gate.wait(timeout=10)
        answers.append(client.post(url, data).status_code)
        connection.close()

    clicks = [threading.Thread(target=click) for _n in range(2)]
    for thread in clicks:
        thread.start()
    for thread in clicks:
        thread.join(timeout=30)
    assert set(answers) <= {200, 302}
    assert 302 in answers
    assert Post.objects.get().text == "Mine"
    assert Delivery.objects.count() == 1


def test_changes_come_too_late_for_what_a_pump_has_taken(world, ana):
    delivery = make_delivery(world.x, world.ana)
    data = form_of(delivery, text="Mine")
    Delivery.objects.update(status=Status.PUBLISHING, fence=1)
    make_second = Delivery.objects.create(
        post=delivery.post,
        account=world.mastodon,
        due_at=delivery.due_at,
        useful_until=delivery.useful_until,
        next_attempt_at=delivery.due_at,
    )
    delivery.post.accounts.add(world.mastodon)
    data["accounts"] = [world.x.pk, world.mastodon.pk]
    page = ana.post(edit_url(delivery), data, follow=True).content.decode()
    assert "Too late to change for Acme X" in page
    make_second.refresh_from_db()
    assert make_second.status == Status.SCHEDULED


@pytest.mark.parametrize(
    ("status", "becomes", "words"),
    [
        (Status.PROCESSING, Status.CANCELLED, "Taken off: 1 account"),
        (Status.UNCERTAIN, Status.UNCERTAIN, "Too late to change for Acme X"),
        (Status.PUBLISHED, Status.PUBLISHED, "Too late to change for Acme X"),
    ],
)
def test_an_account_that_is_taken_off_as_its_post_leaves_is_cancelled_or_told(
    world, ana, status, becomes, words
):
    delivery = make_delivery(world.x, world.ana, text="Mine")
    make_delivery(world.mastodon, world.ana, text="-")
    Delivery.objects.filter(account=world.mastodon).update(post=delivery.post)
    delivery.post.accounts.add(world.mastodon)
    shown = ana.get(edit_url(delivery)).content.decode()
    assert f'name="open" value="{world.x.pk}"' in shown
    data = form_of(delivery, accounts=[world.mastodon.pk])
    data["open"] = [world.x.pk, world.mastodon.pk]
    fields = {"status": status, "external_id": "1" if status == "published" else ""}
    Delivery.objects.filter(pk=delivery.pk).update(**fields)
    page = ana.post(edit_url(delivery), data, follow=True).content.decode()
    assert words in page
    delivery.refresh_from_db()
    assert delivery.status == becomes
    stays = becomes != Status.CANCELLED
    assert delivery.post.accounts.filter(pk=world.x.pk).exists() == stays
    # Who has read that it is locked is told nothing of it again.
    shown = ana.get(edit_url(delivery)).content.decode()
    assert f'name="open" value="{world.x.pk}"' not in shown
    data = form_of(delivery, accounts=[world.mastodon.pk], text="Once more")
    page = ana.post(edit_url(delivery), data, follow=True).content.decode()
    assert "Too late" not in page


def test_what_went_out_is_shown_as_it_went_out(world, ana):
    delivery = make_delivery(
        world.x,
        world.ana,
        status=Status.PUBLISHED,
        external_id="1",
        published_at=timezone.now(),
    )
    delivery.draft = draft_doc(delivery.post.draft_for("x"))
    delivery.save()
    Post.objects.update(text="Changed since")
    delivery = Delivery.objects.get()
    assert composing.wording_of(delivery) == "Hello"
    waiting = make_delivery(world.mastodon, world.ana, text="First")
    waiting.draft = draft_doc(waiting.post.draft_for("mastodon"))
    waiting.post.text = "Second"
    assert composing.wording_of(waiting) == "Second"


def test_a_check_that_ran_during_a_reconnect_changes_nothing(world, monkeypatch):
    from accounts import health
    from accounts.models import Credential
    from platforms.base import TokenSet
    from platforms.errors import AuthRevoked
    from platforms.x.client import XClient

    credential = world.x.credential
    Credential.objects.update(issued_at=timezone.now() - timedelta(days=1))
    credential.refresh_from_db()

    def prove(self):
        now = Credential.objects.get(pk=credential.pk)
        now.store(TokenSet("brand-new"))
        now.save()
        raise AuthRevoked()

    monkeypatch.setattr(XClient, "prove", prove)
    assert health.check(credential).verdict == "unknown"
    assert Credential.objects.get(pk=credential.pk).is_active

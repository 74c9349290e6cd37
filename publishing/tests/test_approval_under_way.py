"""Approval where a post is on its way already: in parts, under names, between two tries."""

from __future__ import annotations

from datetime import time, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent
from monitoring import messages
from monitoring.models import Message
from platforms.base import StepResult
from platforms.errors import InvalidContent, TransientError
from publishing import approving, repeating
from publishing.models import Delivery, Post, Review, Series, Variant
from publishing.tests.test_approval import ask, come_due, mark, person, row_of
from publishing.tests.test_gates import InlinePump, turn
from publishing.tests.test_parts import out

pytestmark = pytest.mark.django_db
Status, Hold = Delivery.Status, Delivery.Hold
__all__ = ["ask", "person"]

NAMED = {"params": {"utm_campaign": "{account}"}, "hosts": [], "values": {}}


def approve(post: Any, by: Any) -> None:
    approving.approve(by, post.pk, mark(post))


def next_turn(row: Delivery) -> None:
    row.refresh_from_db()
    come_due(row)
    turn(row)


def test_links_that_name_their_account_go_out_once_approved(
    ask: Any, person: Any, script: Any
) -> None:
    post = ask(text="See https://acme.example/sale")
    Post.objects.filter(pk=post.pk).update(link_tags=NAMED)
    post.refresh_from_db()
    approving.bind(post, post.author)
    approve(post, person("rita"))
    row = row_of(post)
    next_turn(row)
    assert row.status == "published"
    assert "utm_campaign=acmetools" in row.draft["text"]


def test_the_rest_of_a_thread_goes_out_when_what_is_left_is_approved(
    ask: Any, person: Any, script: Any
) -> None:
    post, rita = ask(text="Hello"), person("rita")
    Variant.objects.create(
        post=post, platform="scripted", has_text=False, parts=["Second"]
    )
    approving.bind(post, post.author)
    approve(post, rita)
    script.answers["post"] = [out(1), InvalidContent("no")]
    row = row_of(post)
    next_turn(row)
    assert (row.status, row.parts_out) == ("failed", 1)
    # The first part cannot change any more, whatever is written.
    Post.objects.filter(pk=post.pk).update(text="Hello again")
    Variant.objects.update(parts=["Mended"])
    row.retry()
    approving.bind(post, post.author)
    approve(post, rita)
    script.answers["post"] = [out(2)]
    next_turn(row)
    assert row.status == "published"
    assert (row.draft["text"], row.draft["parts"][0]["text"]) == ("Hello", "Mended")


def edit_on_its_way(ask: Any, post: Any, script: Any) -> None:
    """Somebody saves another wording while the first is being sent, which then fails."""

    def answer(name: str) -> StepResult:
        script.asked.append(name)
        post.refresh_from_db()
        ask.edit(post, post.author, post.accounts.all(), "Another wording")
        raise TransientError

    script.answer = answer
    row = row_of(post)
    come_due(row)
    InlinePump().turn()
    row.refresh_from_db()
    del script.answer
    assert (row.status, len(script.asked)) == ("scheduled", 1)


def test_what_was_edited_while_it_left_is_asked_for_and_not_forgotten(
    ask: Any, person: Any, script: Any
) -> None:
    post, rita = ask(), person("rita")
    approve(post, rita)
    edit_on_its_way(ask, post, script)
    row = row_of(post)
    next_turn(row)
    assert (row.status, row.hold, len(script.asked)) == ("held", "approval", 1)
    approving.ask_for_changed()
    assert list(approving.waiting_for(rita).values_list("post", flat=True)) == [post.pk]
    approve(post, rita)
    next_turn(row)
    assert (row.status, row.draft["text"]) == ("published", "Another wording")


def test_nothing_new_slips_out_of_what_was_let_go(
    ask: Any, script: Any, brand: Any, author: Any
) -> None:
    post = ask(steps=0)
    brand.approval_steps = 1
    brand.save()
    approving.begin(author, brand, let_go=True)
    edit_on_its_way(ask, post, script)
    row = row_of(post)
    next_turn(row)
    assert (row.status, row.hold, len(script.asked)) == ("held", "approval", 1)


@pytest.mark.parametrize("thread", [False, True])
def test_what_failed_unasked_is_asked_for_once_it_is_changed(
    ask: Any, script: Any, brand: Any, author: Any, thread: bool
) -> None:
    post = ask(steps=0)
    if thread:
        Variant.objects.create(
            post=post, platform="scripted", has_text=False, parts=["Second"]
        )
    brand.approval_steps = 1
    row = row_of(post)
    if thread:
        script.answers["post"] = [out(1), InvalidContent("no")]
        next_turn(row)
        brand.save()
    else:
        brand.save()
        approving.begin(author, brand, let_go=True)
        script.answers["post"] = [InvalidContent("no")]
        next_turn(row)
    assert (row.status, row.parts_out) == ("failed", int(thread))
    post.refresh_from_db()
    if thread:
        Variant.objects.update(parts=["Mended"])
        approving.bind(post, author)
    else:
        ask.edit(post, author, post.accounts.all(), "Another wording")
    row.refresh_from_db()
    if row.status == "failed":
        row.retry()
    script.answers.clear()
    asked = len(script.asked)
    next_turn(row)
    assert (row.status, row.hold, len(script.asked)) == ("held", "approval", asked)


def test_occurrences_of_a_series_wait_for_approval_each(
    ask: Any, person: Any, author: Any
) -> None:
    post, rita = ask(), person("rita")
    rule = {"wall": time(9), "zone": "UTC", "first_on": post.local_date, "count": 3}
    series = repeating.start(author, post, Series(kind=Series.Kind.WEEKLY, **rule))
    posts = list(series.posts.order_by("occurrence_on"))
    assert [row_of(one).hold for one in posts] == [Hold.APPROVAL] * 3
    approve(posts[1], rita)
    assert [row_of(one).status for one in posts] == ["held", "scheduled", "held"]
    # Another wording for all that follow takes back what was approved of them.
    post.refresh_from_db()
    post.text = "Summer sale"
    post.save()
    repeating.change_following(author, post)
    assert {row_of(one).hold for one in posts[1:]} == {Hold.APPROVAL}
    assert Review.objects.waiting().filter(post__in=posts).count() == 3


def test_what_misses_its_time_unapproved_is_told_to_all_who_can_help(
    ask: Any, person: Any, author: Any
) -> None:
    post, rita = ask(), person("rita")
    sent_back = ask(text="Sent back")
    approving.send_back(rita, sent_back.pk, mark(sent_back), "Name the price")
    Message.objects.all().delete()
    later = post.due_at + timedelta(minutes=1)
    for _run in range(2):
        messages.remind(later)
    late = "Not sent, for it was not approved in time"
    told = Message.objects.values_list("user__username", "subject")
    assert sorted(told) == [
        ("ana", f"{late}: Sent back"),
        ("ana", f"{late}: Spring sale"),
        ("rita", f"{late}: Spring sale"),
    ]


@pytest.fixture
def save_brand(brand: Any, author: Any, client: Client) -> Any:
    """The brand's page, as an admin saves it."""

    def save(steps: int, **answer: str) -> str:
        client.force_login(author)
        form = {
            "name": brand.name,
            "time_zone": brand.time_zone,
            "approval_steps": str(steps),
            "members": [one.pk for one in brand.members.all()],
            **answer,
        }
        path = reverse("brand_edit", args=[brand.pk])
        return client.post(path, form, follow=True).content.decode()

    return save


def test_a_brand_that_begins_to_ask_is_asked_about_what_is_scheduled(
    ask: Any, person: Any, save_brand: Any, brand: Any, script: Any
) -> None:
    posts, rita = [ask(steps=0, text=text) for text in ("One", "Two")], person("rita")
    page = save_brand(1)
    assert "2 posts of this brand are scheduled already" in page
    assert "Choose what becomes of them." in page
    brand.refresh_from_db()
    assert brand.approval_steps == 0
    save_brand(1, scheduled_already="ask")
    assert [row_of(one).hold for one in posts] == [Hold.APPROVAL] * 2
    assert "2 posts of Acme wait for approval" in Message.objects.get(user=rita).subject
    assert approving.ask_for_changed() == 2
    assert approving.waiting_for(rita).count() == 2
    assert approving.ask_for_changed() == 0
    approve(posts[0], rita)
    row = row_of(posts[0])
    next_turn(row)
    assert row.status == "published"
    # Nobody is asked any more: what waits goes as it was planned.
    save_brand(0)
    assert row_of(posts[1]).status == "scheduled"
    event = AuditEvent.objects.filter(verb="brand changed").latest("at")
    assert event.detail["approval_steps"] == 0


def test_what_an_admin_lets_go_goes_and_a_change_of_it_is_asked_for(
    ask: Any, save_brand: Any, author: Any, script: Any
) -> None:
    posts = [ask(steps=0, text=text) for text in ("One", "Two")]
    save_brand(1, scheduled_already="let_go")
    event = AuditEvent.objects.get(verb="brand changed")
    assert (event.detail["scheduled_already"], event.detail["posts"]) == ("let_go", 2)
    row = row_of(posts[0])
    next_turn(row)
    assert row.status == "published"
    posts[1].refresh_from_db()
    ask.edit(posts[1], author, posts[1].accounts.all(), "Two, changed")
    assert row_of(posts[1]).hold == Hold.APPROVAL


def test_what_was_scheduled_as_its_brand_began_to_ask_is_held_at_its_time(
    ask: Any, brand: Any, script: Any
) -> None:
    post = ask(steps=0)
    # The scheduling was committed after the brand had looked for it.
    brand.approval_steps = 1
    brand.save()
    row = row_of(post)
    next_turn(row)
    assert (row.status, row.hold, script.asked) == ("held", "approval", [])
    assert approving.ask_for_changed() == 1
    assert Review.objects.waiting().filter(post=post).exists()


@pytest.fixture
def at_the_network(ask: Any, account: Any, make_delivery: Any, script: Any) -> Delivery:
    """The platform has it and works on it; its last answer was a trouble of its own."""
    row = make_delivery(account, due_in=timedelta(hours=1))
    Delivery.objects.filter(pk=row.pk).update(witness={"post": "done"})
    row.refresh_from_db()
    return row


def test_what_the_platform_has_waits_for_nobody_when_its_brand_begins_to_ask(
    at_the_network: Delivery, brand: Any, author: Any
) -> None:
    brand.approval_steps = 1
    brand.save()
    assert approving.begin(author, brand, let_go=False) == 0
    at_the_network.refresh_from_db()
    assert (at_the_network.status, at_the_network.hold) == ("scheduled", "")


def test_what_the_platform_has_waits_for_nobody_when_it_is_edited(
    ask: Any, at_the_network: Delivery, brand: Any, author: Any, account: Any
) -> None:
    brand.approval_steps = 1
    brand.save()
    ask.edit(at_the_network.post, author, [account], "Other words")
    at_the_network.refresh_from_db()
    assert (at_the_network.status, at_the_network.hold) == ("scheduled", "")


def test_who_changed_the_words_of_a_series_approves_none_of_its_later_posts(
    ask: Any, person: Any, author: Any, account: Any, brand: Any
) -> None:
    rita, bob = person("rita"), person("bob")
    post = ask(text="Tip of the day", due_in=timedelta(days=1))
    series = repeating.start(
        author,
        post,
        Series(
            kind="daily",
            interval=1,
            wall=post.local_time,
            zone="UTC",
            first_on=post.local_date,
        ),
    )
    post.refresh_from_db()
    ask.edit(post, bob, [account], "Tip of Bob", due_in=timedelta(days=1))
    post.refresh_from_db()
    repeating.change_following(bob, post)
    repeating.make(series, timezone.now() + timedelta(days=7))
    last = series.posts.order_by("occurrence_on").last()
    review = last.reviews.get(is_current=True)
    assert (last.text, review.asked_by) == ("Tip of Bob", author)
    assert approving.reviewers(review) == [rita]

"""Nothing goes out that people were to approve and have not, as it stands."""

from __future__ import annotations

from datetime import time, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core import mail
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from accounts import roles
from accounts.models import Profile
from monitoring import messages
from monitoring.models import Message
from publishing import approving, composing, moving, repair
from publishing.models import (
    Approval,
    Delivery,
    MediaAsset,
    Post,
    PostMedia,
    Review,
    Variant,
)

from .test_gates import turn

pytestmark = pytest.mark.django_db
Status, Hold = Delivery.Status, Delivery.Hold


@pytest.fixture
def person(brand: Any, django_user_model: Any) -> Any:
    def make(name: str, role: str = roles.REVIEWER) -> Any:
        user = django_user_model.objects.create_user(name, f"{name}@example.com", "x")
        user.groups.add(Group.objects.get_or_create(name=role)[0])
        brand.members.add(user)
        return user

    return make


@pytest.fixture
def ask(brand: Any, author: Any, account: Any) -> Any:
    """Schedule a post of a brand that asks for so many people's yes."""

    def make(steps: int = 1, text: str = "Spring sale", **when: Any) -> Any:
        brand.approval_steps = steps
        brand.save()
        return edit(None, author, [account], text, **when)

    began = timezone.now()  # or a test of two minutes would have changed the time

    def edit(
        post: Any, user: Any, accounts: Any, text: str, due_in: Any = timedelta(hours=3)
    ) -> Any:
        due = began + due_in
        when = composing.timing(due.date(), time(0), "UTC", now=due)
        return composing.save(
            composing.Composition(brand, text=text, accounts=list(accounts)),
            user,
            post=post,
            token=text,
            when=when,
            wall=(when.day, when.wall, "UTC"),
            go=True,
        ).post

    make.edit = edit  # type: ignore[attr-defined]
    return make


def mark(post: Any) -> str:
    return Review.objects.get(post=post, is_current=True).fingerprint


def row_of(post: Any) -> Delivery:
    return post.deliveries.get()


def come_due(row: Delivery) -> None:
    now = timezone.now()
    changes: dict[str, Any] = {"due_at": now}
    if row.status == Status.SCHEDULED:
        changes["next_attempt_at"] = now
    Delivery.objects.filter(pk=row.pk).update(**changes)


def test_what_nobody_approved_is_held_and_never_sent(ask: Any, script: Any) -> None:
    row = row_of(ask())
    come_due(row)
    turn(row)
    assert (row.status, row.hold, script.asked) == ("held", "approval", [])
    assert not Delivery.objects.needs_person().exists()
    for changes in (
        {"status": Status.SCHEDULED, "next_attempt_at": timezone.now()},
        {"status": Status.PUBLISHING},
        {"status": Status.PROCESSING},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            Delivery.objects.filter(pk=row.pk).update(**changes)


def test_one_step_lets_it_go_out(ask: Any, person: Any, script: Any) -> None:
    post = ask()
    approving.approve(person("rita"), post.pk, mark(post))
    row = row_of(post)
    assert (row.status, row.hold, row.approvals_missing) == ("scheduled", "", 0)
    come_due(row)
    turn(row)
    assert row.status == "published"


def test_two_steps_need_two_people_and_not_the_author(
    ask: Any, person: Any, author: Any
) -> None:
    post, rita, tom = ask(steps=2), person("rita"), person("tom")
    with pytest.raises(approving.Refused, match="own post"):
        approving.approve(author, post.pk, mark(post))
    approving.approve(rita, post.pk, mark(post))
    with pytest.raises(approving.Refused, match="somebody else"):
        approving.approve(rita, post.pk, mark(post))
    assert row_of(post).approvals_missing == 1
    review = post.reviews.get()
    with pytest.raises(IntegrityError), transaction.atomic():
        Approval.objects.create(review=review, person=rita, step=2)
    approving.approve(tom, post.pk, mark(post))
    assert row_of(post).status == "scheduled"


def test_a_brand_may_let_writers_approve_their_own(
    ask: Any, author: Any, brand: Any
) -> None:
    brand.own_approval = True
    post = ask()
    approving.approve(author, post.pk, mark(post))
    assert row_of(post).status == "scheduled"


def test_an_edit_asks_again_and_shows_what_changed(
    ask: Any, person: Any, author: Any
) -> None:
    post, rita = ask(text="Spring sale starts today"), person("rita")
    seen = mark(post)
    approving.approve(rita, post.pk, seen)
    post.refresh_from_db()
    ask.edit(post, author, post.accounts.all(), "Spring sale ends today")
    row = row_of(post)
    assert (row.status, row.approvals_missing, row.approved_as) == ("held", 1, "")
    review = post.reviews.get(is_current=True)
    texts = [
        one for one in approving.changes([review])[review.pk] if "text" in one.what
    ]
    assert ("gone", "starts") in texts[0].pieces
    assert ("new", "ends") in texts[0].pieces
    # The yes of somebody who still looks at the old wording is a yes to that alone.
    with pytest.raises(approving.Refused, match="changed while"):
        approving.approve(rita, post.pk, seen)
    assert row_of(post).status == "held"


def test_a_moved_post_waits_again_and_undo_brings_its_approval_back(
    ask: Any, person: Any, author: Any
) -> None:
    post = ask()
    approving.approve(person("rita"), post.pk, mark(post))
    day = (post.due_at + timedelta(days=1)).date()
    post.refresh_from_db()
    moved = moving.move(author, post.pk, day, None, seen=post.due_at)
    assert row_of(post).hold == Hold.APPROVAL
    moving.undo(author, moved.undo)
    row = row_of(post)
    assert (row.status, row.due_at) == ("scheduled", post.due_at)


def test_the_engine_sends_nothing_else_than_what_was_approved(
    ask: Any, person: Any, script: Any
) -> None:
    post = ask()
    approving.approve(person("rita"), post.pk, mark(post))
    # Past every page and verb.
    Post.objects.filter(pk=post.pk).update(text="Something else")
    row = row_of(post)
    come_due(row)
    turn(row)
    assert (row.status, row.hold, script.asked) == ("held", "approval", [])
    assert approving.ask_for_changed() == 1
    assert post.reviews.get(is_current=True).state == Review.State.WAITING
    approving.approve(post.brand.members.get(username="rita"), post.pk, mark(post))
    row.refresh_from_db()
    turn(row)
    assert row.status == "published"


def test_what_is_sent_back_says_why_and_waits(
    ask: Any, person: Any, author: Any
) -> None:
    post, rita = ask(), person("rita")
    with pytest.raises(approving.Refused):
        approving.send_back(rita, post.pk, mark(post), " ")
    approving.send_back(rita, post.pk, mark(post), "Name the price")
    assert row_of(post).hold == Hold.APPROVAL
    told = Message.objects.get(user=author)
    assert told.text == "Name the price"
    approving.ask_again(author, post)
    approving.approve(rita, post.pk, mark(post))
    assert row_of(post).status == "scheduled"


def test_who_wrote_what_was_sent_back_does_not_approve_it_when_another_asks(
    ask: Any, person: Any, author: Any
) -> None:
    post, rita, bob = ask(text="Spring sale"), person("rita"), person("bob")
    ask.edit(post, bob, post.accounts.all(), "Autumn sale")
    approving.send_back(rita, post.pk, mark(post), "Name the price")
    approving.ask_again(author, post)
    with pytest.raises(approving.Refused, match="somebody else"):
        approving.approve(bob, post.pk, mark(post))
    assert row_of(post).hold == Hold.APPROVAL


def test_nobody_approves_their_own_words_because_another_moves_them(
    ask: Any, person: Any, author: Any
) -> None:
    post, rita, bob = ask(text="Spring sale"), person("rita"), person("bob")
    approving.approve(rita, post.pk, mark(post))
    post.refresh_from_db()
    ask.edit(post, bob, post.accounts.all(), "Autumn sale")
    post.refresh_from_db()
    later = timedelta(hours=5)
    ask.edit(post, author, post.accounts.all(), "Autumn sale", due_in=later)
    review = post.reviews.get(is_current=True)
    assert review.asked_by == author
    assert not approving.waiting_for(bob).exists()
    assert approving.reviewers(review) == [rita]
    with pytest.raises(approving.Refused, match="somebody else"):
        approving.approve(bob, post.pk, mark(post))
    approving.approve(rita, post.pk, mark(post))
    # What rita has said yes to is nobody's own any more.
    post.refresh_from_db()
    ask.edit(post, author, post.accounts.all(), "Autumn sale", due_in=2 * later)
    assert approving.waiting_for(bob).exists()
    approving.approve(bob, post.pk, mark(post))
    assert row_of(post).status == "scheduled"


def draft_of(ask: Any, brand: Any, user: Any, post: Any, text: str) -> Any:
    """The draft of `post` with these words, as this person saves it."""
    return composing.save(
        composing.Composition(brand, text=text),
        user,
        post=post,
        token=text,
        when=None,
        wall=(None, None, "UTC"),
        go=False,
    ).post


def test_nobody_approves_the_words_they_put_into_a_draft_of_another(
    ask: Any, person: Any, author: Any, account: Any, brand: Any
) -> None:
    brand.approval_steps = 1
    brand.save()
    rita, bob = person("rita"), person("bob")
    post = draft_of(ask, brand, author, None, "Spring sale")
    post = draft_of(ask, brand, bob, post, "Autumn sale")
    ask.edit(post, author, [account], "Autumn sale")
    review = post.reviews.get()
    assert review.asked_by == author
    assert not approving.waiting_for(bob).exists()
    assert approving.reviewers(review) == [rita]
    with pytest.raises(approving.Refused, match="somebody else"):
        approving.approve(bob, post.pk, mark(post))
    approving.approve(rita, post.pk, mark(post))
    post.refresh_from_db()
    # What rita has said yes to is nobody's own any more.
    ask.edit(post, author, [account], "Winter sale")
    approving.approve(bob, post.pk, mark(post))


def test_who_opens_a_draft_and_saves_it_as_it_was_may_approve_it(
    ask: Any, person: Any, author: Any, account: Any, brand: Any
) -> None:
    brand.approval_steps = 1
    brand.save()
    bob = person("bob")
    post = draft_of(ask, brand, author, None, "Spring sale")
    post = draft_of(ask, brand, bob, post, "Spring sale")
    ask.edit(post, author, [account], "Spring sale")
    approving.approve(bob, post.pk, mark(post))
    assert row_of(post).status == "scheduled"


def test_what_a_file_is_said_to_show_is_asked_for_at_once_and_not_of_who_said_it(
    ask: Any, person: Any, author: Any, client: Client
) -> None:
    rita, bob = person("rita"), person("bob", roles.MARKETING)
    post = ask()
    asset = MediaAsset.objects.create(
        brand=post.brand, file="a.png", name="a.png", size_bytes=1, sha256="ab" * 32
    )
    PostMedia.objects.create(post=post, asset=asset, position=0)
    approving.bind(post, author)
    approving.approve(rita, post.pk, mark(post))
    assert row_of(post).status == "scheduled"
    client.force_login(bob)
    page = f"/media/{asset.pk}/details/"
    client.post(page, {"action": "save", "name": "a.png", "alt_text": "A lie"})
    assert row_of(post).hold == Hold.APPROVAL
    review = post.reviews.get(is_current=True)
    (change,) = approving.changes([review])[review.pk]
    # By the name that people know, not the one that platforms get.
    assert " ".join(text for _kind, text in change.pieces).startswith("a.png ")
    with pytest.raises(approving.Refused, match="somebody else"):
        approving.approve(bob, post.pk, mark(post))
    approving.approve(rita, post.pk, mark(post))
    assert row_of(post).status == "scheduled"


def test_approved_too_late_a_person_decides(ask: Any, person: Any, script: Any) -> None:
    post = ask(due_in=timedelta(minutes=5))
    late = timezone.now() - timedelta(minutes=1)
    Delivery.objects.filter(post=post).update(
        due_at=late - timedelta(hours=2), useful_until=late
    )
    approving.approve(person("rita"), post.pk, mark(post))
    row = row_of(post)
    turn(row)
    assert (row.status, row.hold, script.asked) == ("held", "too_late", [])


def test_a_retry_or_a_bulk_repair_is_no_way_around(ask: Any, author: Any) -> None:
    row = row_of(ask())
    with pytest.raises(Exception, match="approval"):
        row.retry()
    assert not repair.can_move(row)


def test_reviewers_hear_once_and_are_reminded_once(ask: Any, person: Any) -> None:
    rita = person("rita")
    post = ask()
    Review.objects.update(asked_at=timezone.now() - timedelta(hours=1))
    now = timezone.now()
    for _again in range(2):
        messages.remind(now)
        messages.send(now)
    assert [row.user for row in Message.objects.all()] == [rita, rita]
    assert [one.to for one in mail.outbox] == [["rita@example.com"]] * 2
    assert post.get_absolute_url() in mail.outbox[0].body
    messages.remind(now + timedelta(hours=1, minutes=30))
    assert Message.objects.count() == 3


def test_each_reader_is_told_in_their_own_language(ask: Any, person: Any) -> None:
    rita, otto = person("rita"), person("otto")
    Profile.objects.create(user=otto, language="de")
    ask()
    told = {row.user: row.subject.partition(":")[0] for row in Message.objects.all()}
    assert told == {rita: "Please approve", otto: "Bitte freigeben"}


def test_who_is_given_a_repair_is_told_once(ask: Any, person: Any, author: Any) -> None:
    row, tom = row_of(ask()), person("tom")
    for _again in range(2):
        repair.assign(author, Delivery.objects.all(), [row.pk], tom)
    told = Message.objects.get(user=tom, key__startswith="assigned")
    assert told.link == row.get_absolute_url()


def test_a_reviewer_decides_on_the_page(ask: Any, person: Any, client: Client) -> None:
    rita = person("rita")
    post = ask()
    client.force_login(rita)
    home = client.get("/").content.decode()
    assert "1 post waits for your approval" in home
    assert "wait for your approval" not in home
    page = client.get("/reviews/").content.decode()
    assert "Spring sale" in page
    assert "Waiting for approval" in page
    answer = client.post(
        f"/posts/{post.pk}/decide/",
        {"mark": mark(post), "action": "approve", "next": "/reviews/"},
        follow=True,
    )
    assert "Nothing waits for you" in answer.content.decode()
    home = client.get("/").content.decode()
    assert "your approval" not in home
    page = client.get(f"/posts/{post.pk}/").content.decode()
    assert "approved by rita" in page
    client.post(f"/posts/{post.pk}/remark/", {"text": "Well done"})
    assert "Well done" in client.get(f"/posts/{post.pk}/").content.decode()


def test_all_that_is_approved_is_told_before_and_what_changes_after(
    ask: Any, person: Any, client: Client, author: Any, make_account: Any
) -> None:
    ask()
    post = ask.edit(None, author, [make_account("x", "9")], "Summer sale")

    def choose(**options: Any) -> Any:
        variant = Variant.objects.get_or_create(
            post=post, platform="x", defaults={"has_text": False}
        )[0]
        variant.first_comment, variant.options = "Until Sunday", options
        variant.save()
        approving.bind(post, author)
        return post.reviews.get(is_current=True)

    with transaction.atomic():
        choose(reply_settings="following", made_with_ai=True)
    client.force_login(person("rita"))
    page = " ".join(client.get("/reviews/").content.decode().split())
    for words in (
        "<dt>X: Who may reply</dt><dd>Accounts that you follow</dd>",
        "<dt>X: Made with AI</dt><dd>Yes</dd>",
        '<dt>X: First comment</dt><dd class="pub-text">Until Sunday</dd>',
    ):
        assert words in page, words
    approving.approve(person("rolf"), post.pk, mark(post))
    with transaction.atomic():
        review = choose(reply_settings="verified", made_with_ai=True)
    (change,) = approving.changes([review])[review.pk]
    assert change.what == "X: Who may reply"
    words = ("Accounts that you follow", "Verified accounts")
    assert list(change.pieces) == list(zip(("gone", "new"), words, strict=True))


def test_an_account_that_came_or_went_is_named_with_its_network(
    ask: Any, person: Any, make_account: Any, author: Any
) -> None:
    ask()
    x, mastodon = make_account("x", "9"), make_account("mastodon", "77")
    bluesky = make_account("bluesky", "5")
    post = ask.edit(None, author, [x, mastodon], "Autumn sale")
    approving.approve(person("rita"), post.pk, mark(post))
    ask.edit(post, author, [x, bluesky], "Autumn sale")
    review = post.reviews.get(is_current=True)
    change = approving.changes([review])[review.pk][0]
    assert change.what == "Accounts"
    names = (f"{mastodon.name} (Mastodon)", f"{bluesky.name} (Bluesky)")
    assert list(change.pieces) == list(zip(("gone", "new"), names, strict=True))


def test_networks_with_words_of_their_own_are_named_beside_them(
    ask: Any, person: Any, client: Client, make_account: Any, author: Any
) -> None:
    ask()
    accounts = [make_account("x", "9"), make_account("mastodon", "77")]
    post = ask.edit(None, author, accounts, "Winter sale")
    Variant.objects.create(post=post, platform="mastodon", text="Toot", has_text=True)
    with transaction.atomic():
        approving.bind(post, author)
    client.force_login(person("rita"))
    page = " ".join(client.get("/reviews/").content.decode().split())
    assert 'Mastodon</p><p class="pub-text">Toot</p>' in page
    assert 'X</p><p class="pub-text">Winter sale</p>' in page


def test_a_stranger_decides_nothing(
    ask: Any, client: Client, django_user_model: Any
) -> None:
    post = ask()
    other = django_user_model.objects.create_user("eve", "eve@example.com", "x")
    other.groups.add(Group.objects.get_or_create(name=roles.REVIEWER)[0])
    client.force_login(other)
    client.post(f"/posts/{post.pk}/decide/", {"mark": mark(post), "action": "approve"})
    assert client.post(f"/posts/{post.pk}/remark/", {"text": "x"}).status_code == 404
    assert row_of(post).hold == Hold.APPROVAL


def test_fewer_steps_let_go_what_has_them(ask: Any, person: Any, brand: Any) -> None:
    post = ask(steps=2)
    approving.approve(person("rita"), post.pk, mark(post))
    brand.approval_steps = 1
    brand.save()
    approving.steps_changed(brand)
    assert row_of(post).status == "scheduled"

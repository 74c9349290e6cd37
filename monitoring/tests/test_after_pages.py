"""Figures and comments on the pages of deliveries and posts, and what people do there."""

from __future__ import annotations

import re
import uuid
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent
from accounts.roles import MARKETING, REVIEWER
from monitoring import after
from monitoring.models import Answer, MetricSnapshot, PostComment, Watch
from publishing.models import Delivery

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
X = ["tweet.read", "tweet.write", "users.read"]


@pytest.fixture
def delivery(make_account, make_delivery):
    return out(make_delivery(make_account("x", scopes=X)))


def out(delivery, hours=2):
    Delivery.objects.filter(pk=delivery.pk).update(
        status="published",
        external_id=f"90{delivery.pk}",
        published_at=timezone.now() - hours * HOUR,
        next_attempt_at=None,
    )
    delivery.refresh_from_db()
    return delivery


@pytest.fixture
def watched(delivery):
    Watch.objects.create(
        delivery=delivery,
        state=Watch.State.TOLD,
        read_at=timezone.now() - HOUR,
        next_at=timezone.now() + HOUR,
        comments_read_at=timezone.now() - HOUR,
    )
    return delivery


@pytest.fixture
def comment(watched):
    return PostComment.objects.create(
        delivery=watched,
        external_id="7",
        text="Nice <b>bread</b>",
        author="ana",
        permalink="https://x.com/ana/status/7",
        published_at=timezone.now() - HOUR,
        read_at=timezone.now(),
    )


@pytest.fixture
def page(client, author):
    client.force_login(author)

    def get(delivery):
        return client.get(delivery.get_absolute_url()).content.decode()

    return get


@pytest.fixture
def queued(monkeypatch):
    tasks = []
    monkeypatch.setattr(
        "monitoring.after_views.async_task", lambda name, **more: tasks.append(name)
    )
    return tasks


def snapshot(delivery, hours_ago, **values):
    at = timezone.now() - hours_ago * HOUR
    return MetricSnapshot.objects.create(delivery=delivery, at=at, values=values)


# ---------------------------------------------------------------- figures


@pytest.mark.parametrize(
    ("changes", "wanted", "not_wanted"),
    [
        ({"state": "no_data"}, "No data yet", "permission missing"),
        (
            {"state": "missing", "cause": "scope_missing", "detail": "read_insights"},
            "Figures permission missing: read_insights",
            "No data yet",
        ),
        ({"state": "waiting"}, "Figures have not been read yet", "No data yet"),
        (
            {"state": "told", "cause": "platform_trouble"},
            "The last reading did not come about",
            "permission missing",
        ),
    ],
)
def test_each_emptiness_has_words_of_its_own(
    watched, page, changes, wanted, not_wanted
):
    Watch.objects.update(**changes)
    shown = page(watched)
    assert wanted in shown
    assert not_wanted not in shown


def test_a_platform_that_tells_nothing_says_why(page, make_account, make_delivery):
    delivery = out(make_delivery(make_account("tiktok")))
    assert "TikTok tells apps how many comments there are" in page(delivery)


def test_a_post_that_was_deleted_there_says_so_with_the_time(watched, page):
    Watch.objects.update(gone_at=timezone.now())
    shown = page(watched)
    assert "Deleted on X, seen at" in shown
    assert "Deleted on the platform" in shown


def test_figures_stand_with_their_names_and_over_time(watched, page):
    snapshot(watched, 2, likes=1, impressions=50)
    snapshot(watched, 1, likes=3, impressions=120)
    shown = page(watched)
    assert "<dt>Reactions</dt>" in shown
    assert "120" in shown
    assert "<dt>Saves</dt>" not in shown  # not told is not zero
    assert "What people did" in shown
    assert "Reactions: 1, then 3" in shown
    assert "charts.js" in shown


def test_one_reading_is_no_line(watched, page):
    snapshot(watched, 1, likes=3)
    assert "<canvas" not in page(watched)


def test_what_is_not_out_has_no_figures(make_account, make_delivery, page):
    shown = page(make_delivery(make_account("x")))
    assert "figures-head" not in shown


def test_a_post_shows_all_its_accounts_and_their_sum(
    client, author, watched, make_account
):
    client.force_login(author)
    other = make_account("mastodon", "2", name="Acme Social")
    second = Delivery.objects.create(
        post=watched.post,
        account=other,
        due_at=timezone.now(),
        useful_until=timezone.now(),
    )
    out(second)
    snapshot(watched, 1, likes=3, impressions=120)
    snapshot(second, 1, likes=4)
    shown = client.get(watched.post.get_absolute_url()).content.decode()
    assert "Together" in shown
    table = shown[shown.index("figures-head") :]
    assert "7" in table[table.index("<tfoot>") :]
    assert "not told" in table  # Mastodon's impressions
    assert "Saves" not in table[: table.index("</table>")]


def test_a_polls_answers_stand_with_their_votes(page, client, author, watched):
    votes = [["Tea <b>", 6], ["Coffee", 2], ["Water", None]]
    snapshot(watched, 2, likes=1, votes=[["Tea <b>", 1], ["Coffee", 0]])
    snapshot(watched, 1, likes=3, votes=votes, voters=None)
    for shown in (
        page(watched),
        client.get(watched.post.get_absolute_url()).content.decode(),
    ):
        table = shown[shown.index("Poll of ") :]
        table = " ".join(table[: table.index("</table>")].split())
        rows = [re.sub(r"<[^>]+>| ", "", row) for row in table.split("<tr>")[2:]]
        assert rows == ["Tea&lt;b&gt;675%", "Coffee225%", "Water–nottold–"]
        assert "voted" not in shown


def test_of_a_poll_with_several_answers_the_shares_are_those_of_people(page, watched):
    votes = [["Tea", 6], ["Coffee", 6]]
    snapshot(watched, 1, votes=votes, voters=8)
    shown = page(watched)
    assert shown.count("75 %") == 2
    assert "8 people have voted; several answers may be chosen." in shown


@pytest.mark.parametrize("values", [{"likes": 3}, {"votes": [["Tea", 0]]}])
def test_what_nobody_chose_or_nobody_tells_has_no_share(page, watched, values):
    snapshot(watched, 1, **values)
    shown = page(watched)
    assert ("Poll of" in shown) is ("votes" in values)
    assert "0 %" not in shown


def test_a_post_compares_its_accounts_by_the_age_of_the_post(
    client, author, watched, make_account
):
    client.force_login(author)
    Delivery.objects.update(published_at=timezone.now() - 30 * HOUR)
    snapshot(watched, 29, likes=1, comments=1, impressions=900)
    assert (
        b"by the age of the post"
        not in client.get(watched.post.get_absolute_url()).content
    )
    snapshot(watched, 20, likes=3)
    shown = client.get(watched.post.get_absolute_url()).content.decode()
    assert "What people did, by the age of the post" in shown
    assert "Acme Tools (X): 3 at last" in shown
    [one] = after.aftermaths([watched], author)
    one.delivery.refresh_from_db()
    assert after._done_by_point(one) == [2, 3, None, None, None, None]


def test_pages_cost_no_more_queries_the_more_was_read(client, author, watched):
    client.force_login(author)

    def queries():
        with CaptureQueriesContext(connection) as seen:
            client.get(watched.get_absolute_url())
        return len(seen)

    snapshot(watched, 9, likes=1)
    queries()
    before = queries()
    for number in range(1, 6):
        snapshot(watched, number, likes=number)
        PostComment.objects.create(
            delivery=watched, external_id=str(number), read_at=timezone.now()
        )
    assert queries() == before


def test_a_reading_can_be_asked_for_but_not_again_at_once(
    client, author, watched, queued
):
    client.force_login(author)
    where = reverse("figures_read_now", args=[watched.pk])
    assert where in client.get(watched.get_absolute_url()).content.decode()
    client.post(where)
    assert queued == ["monitoring.tasks.collect_figures"]
    assert Watch.objects.get().next_at <= timezone.now()
    Watch.objects.update(read_at=timezone.now())
    client.post(where)
    assert len(queued) == 1
    assert where not in client.get(watched.get_absolute_url()).content.decode()


def test_a_stranger_reaches_nothing(client, comment, django_user_model, queued):
    stranger = django_user_model.objects.create_user("eve", password="x")
    stranger.groups.add(
        Group.objects.get_or_create(name=MARKETING)[0],
        Group.objects.get_or_create(name=REVIEWER)[0],
    )
    client.force_login(stranger)
    answer = queue(comment)
    for where in (
        reverse("figures_read_now", args=[comment.delivery_id]),
        reverse("comment_answer", args=[comment.pk]),
        reverse("answer_decide", args=[answer.pk]),
    ):
        assert client.post(where, {"decision": "there"}).status_code == 404
    assert queued == []


# ---------------------------------------------------------------- comments and answers


def queue(comment, **changes):
    facts = {
        "delivery": comment.delivery,
        "comment_id": comment.external_id,
        "text": "Thanks",
        "form_key": uuid.uuid4(),
    }
    return Answer.objects.create(**{**facts, **changes})


def test_comments_stand_with_their_answers_and_are_no_html(comment, page):
    PostComment.objects.create(
        delivery=comment.delivery,
        external_id="8",
        parent_id="7",
        text="Me too",
        read_at=timezone.now(),
    )
    shown = page(comment.delivery)
    assert "Nice &lt;b&gt;bread&lt;/b&gt;" in shown
    assert "Somebody on X" in shown
    assert "https://x.com/ana/status/7" in shown
    [line] = after.inbox_of(after.aftermaths([comment.delivery], None)[0]).lines
    assert [one.external_id for one in line.below] == ["8"]


def test_a_missing_permission_for_comments_has_words_of_its_own(watched, page):
    Watch.objects.update(comments_missing="pages_read_user_content")
    assert "Comments permission missing: pages_read_user_content" in page(watched)
    Watch.objects.update(comments_missing="")
    assert "Nobody has commented." in page(watched)


def test_an_answer_is_queued_once_however_often_its_form_is_sent(
    client, author, comment, queued
):
    client.force_login(author)
    where = reverse("comment_answer", args=[comment.pk])
    shown = client.get(where)
    form = {"text": " Thanks\r\na lot ", "key": shown.context["form"]["key"].value()}
    client.post(where, form)
    client.post(where, form)
    answer = Answer.objects.get()
    assert (answer.comment_id, answer.text) == ("7", "Thanks\na lot")
    assert (answer.author, answer.quoted) == (author, comment.text)
    assert queued == ["monitoring.tasks.send_answers"]
    assert AuditEvent.objects.filter(verb="delivery.answered").count() == 1
    assert (
        "Goes out in a moment"
        in client.get(comment.delivery.get_absolute_url()).content.decode()
    )


@pytest.mark.parametrize(
    ("text", "error"),
    [("  ", "Write an answer first."), ("long " * 100, "280")],
)
def test_what_is_wrong_is_said_and_what_was_typed_stays(
    client, author, comment, queued, text, error
):
    client.force_login(author)
    where = reverse("comment_answer", args=[comment.pk])
    shown = client.post(where, {"text": text, "key": uuid.uuid4()}).content.decode()
    assert error in shown
    assert text.strip() in shown
    assert queued == []


def test_where_there_are_two_levels_the_upper_one_is_answered(
    client, author, make_account, make_delivery, queued
):
    delivery = out(make_delivery(make_account("youtube", scopes=[])))
    Watch.objects.create(delivery=delivery)
    below = PostComment.objects.create(
        delivery=delivery, external_id="8", parent_id="7", read_at=timezone.now()
    )
    client.force_login(author)
    where = reverse("comment_answer", args=[below.pk])
    client.post(where, {"text": "Thanks", "key": uuid.uuid4()})
    assert Answer.objects.get().comment_id == "7"


def test_without_its_permission_nobody_is_offered_an_answer(
    client, author, make_account, make_delivery, queued
):
    account = make_account(
        "facebook", kind="page", scopes=["pages_read_engagement", "pages_show_list"]
    )
    delivery = out(make_delivery(account))
    Watch.objects.create(delivery=delivery)
    comment = PostComment.objects.create(
        delivery=delivery, external_id="7", read_at=timezone.now()
    )
    client.force_login(author)
    shown = client.get(delivery.get_absolute_url()).content.decode()
    where = reverse("comment_answer", args=[comment.pk])
    assert "Permission to answer is missing: pages_manage_engagement" in shown
    assert where not in shown
    client.post(where, {"text": "Thanks", "key": uuid.uuid4()})
    assert not Answer.objects.exists()


def test_who_may_not_write_is_offered_no_answer(
    client, brand, comment, django_user_model
):
    reader = django_user_model.objects.create_user("rae", password="x")
    brand.members.add(reader)
    client.force_login(reader)
    shown = client.get(comment.delivery.get_absolute_url()).content.decode()
    assert "People with the role Marketing or Admin can answer." in shown
    where = reverse("comment_answer", args=[comment.pk])
    assert client.get(where).status_code == 403


@pytest.mark.parametrize(
    ("decision", "state"),
    [("there", "published"), ("absent", "waiting"), ("drop", "failed")],
)
def test_a_person_decides_about_a_lost_answer(client, author, comment, decision, state):
    client.force_login(author)
    answer = queue(comment, state="uncertain", next_at=None, cause="answer_lost")
    shown = client.get(comment.delivery.get_absolute_url()).content.decode()
    assert "It is not there, send it" in shown
    where = reverse("answer_decide", args=[answer.pk])
    client.post(where, {"decision": "nonsense"})
    client.post(where, {"decision": decision})
    answer.refresh_from_db()
    assert answer.state == state
    verb = f"delivery.answer_{decision}"
    assert AuditEvent.objects.filter(verb=verb).exists()
    client.post(where, {"decision": "there"})  # too late
    answer.refresh_from_db()
    assert answer.state == state


def test_an_answer_that_is_among_the_comments_stands_there_once(comment, page):
    queue(comment, state="published", external_id="8", next_at=None)
    PostComment.objects.create(
        delivery=comment.delivery,
        external_id="8",
        parent_id="7",
        text="Thanks",
        read_at=timezone.now(),
    )
    shown = page(comment.delivery)
    assert "Thanks" in shown
    assert "Our answer" not in shown


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"state": "uncertain", "next_at": None}, True),
        ({"state": "failed", "cause": "not_allowed"}, True),
        ({"state": "failed", "author": None}, False),  # somebody else's
        ({"state": "failed", "created_at": timezone.now() - 4 * DAY}, False),
        ({"state": "published"}, False),
        ({"state": "uncertain"}, False),  # it is looked for first
    ],
)
def test_home_tells_of_answers_that_wait_for_somebody(
    client, author, comment, changes, wanted
):
    client.force_login(author)
    queue(comment, **{"author": author, **changes})
    shown = client.get(reverse("home")).content.decode()
    assert ("Answers to comments" in shown) is wanted


def test_home_tells_nobody_of_answers_of_other_brands(
    client, comment, django_user_model
):
    stranger = django_user_model.objects.create_user("eve", password="x")
    stranger.groups.add(Group.objects.get_or_create(name=REVIEWER)[0])
    queue(comment, state="uncertain", next_at=None)
    client.force_login(stranger)
    assert "Answers to comments" not in client.get(reverse("home")).content.decode()

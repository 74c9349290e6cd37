"""A person's decisions on deliveries, one by one and in groups."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent
from publishing import desk
from publishing.desk import GAP, can_send_again, groups
from publishing.models import Delivery, InvalidTransition, Stop
from publishing.tests.pages.conftest import make_account, make_delivery

Status = Delivery.Status


@pytest.fixture
def rita(world, sign_in):
    return sign_in(world.rita)


def act(client, name, delivery, **data):
    answer = client.post(reverse(name, args=[delivery.pk]), data, follow=True)
    delivery.refresh_from_db()
    assert answer.status_code == 200
    return answer.content.decode()


def test_cancel_is_kept_with_its_person(world, ana):
    delivery = make_delivery(world.x, world.ana)
    page = act(ana, "delivery_cancel", delivery)
    assert "It will not be sent to Acme X" in page
    assert delivery.status == Status.CANCELLED
    event = AuditEvent.objects.get()
    assert (event.verb, event.actor) == ("delivery.cancelled", world.ana)
    delivery.post.refresh_from_db()
    assert delivery.post.state == "cancelled"


@pytest.mark.parametrize("status", [Status.PUBLISHING, Status.UNCERTAIN])
@pytest.mark.parametrize(
    "name", ["delivery_cancel", "delivery_retry", "delivery_dismiss"]
)
def test_what_came_too_late_is_a_plain_message_and_changes_nothing(
    world, sign_in, status, name
):
    delivery = make_delivery(world.x, world.ana, status=status)
    page = act(sign_in(world.adam), name, delivery)
    assert "Too late: this has changed meanwhile" in page
    assert delivery.status == status
    assert not AuditEvent.objects.exists()


def test_a_state_that_moves_between_reading_and_writing_is_a_plain_message(
    world, ana, monkeypatch
):
    delivery = make_delivery(world.x, world.ana)
    cancel = Delivery.cancel

    def late(self):
        Delivery.objects.filter(pk=self.pk).update(status="publishing", fence=7)
        cancel(self)

    monkeypatch.setattr(Delivery, "cancel", late)
    assert "Too late" in act(ana, "delivery_cancel", delivery)
    assert delivery.status == Status.PUBLISHING


def test_send_again_puts_a_failed_one_back_into_the_queue(world, rita):
    delivery = make_delivery(world.x, world.ana, status="failed", cause="timed_out")
    act(rita, "delivery_retry", delivery)
    assert delivery.status == Status.SCHEDULED
    assert AuditEvent.objects.get().verb == "delivery.sent_again"


def test_past_its_useful_time_it_needs_a_yes(world, rita):
    delivery = make_delivery(world.x, world.ana, hours=-9, status="failed")
    assert "Its useful time is over" in act(rita, "delivery_retry", delivery)
    assert delivery.status == Status.FAILED
    act(rita, "delivery_retry", delivery, late="1")
    assert delivery.status == Status.SCHEDULED
    assert delivery.useful_until > timezone.now()


def test_one_held_too_late_offers_both_ways(world, ana, rita):
    delivery = make_delivery(
        world.x, world.ana, hours=-9, status="held", hold="too_late"
    )
    page = ana.get(delivery.get_absolute_url()).content.decode()
    assert "Send it anyway" in page
    assert "Cancel" in page
    act(rita, "delivery_retry", delivery, late="1")
    assert delivery.status == Status.SCHEDULED


def test_dismiss_keeps_the_reason_and_clears_the_desk(world, rita):
    delivery = make_delivery(world.x, world.ana, status="failed")
    act(rita, "delivery_dismiss", delivery, reason="Old news")
    assert delivery.dismissed_at
    assert AuditEvent.objects.get().detail == {"reason": "Old news"}
    desk = rita.get(reverse("failure_desk"))
    assert desk.context["desk"].tabs[0].count == 0
    assert desk.context["desk"].tabs[3].count == 1


# ---------------------------------------------------------------- nobody can tell


@pytest.fixture
def unclear(world):
    return make_delivery(
        world.x,
        world.ana,
        hours=-1,
        status="uncertain",
        next_attempt_at=None,
        first_sent_at=timezone.now(),
    )


@pytest.mark.parametrize(
    "link",
    [
        "https://x.com/acme/status/1",
        "https://www.x.com/acme/status/1",
        "https://x.example/acmex/1",
    ],
)
def test_it_is_live_with_a_plausible_link(rita, unclear, link):
    act(rita, "delivery_confirm_live", unclear, permalink=link)
    assert (unclear.status, unclear.permalink) == (Status.PUBLISHED, link)
    assert AuditEvent.objects.get().verb == "delivery.confirmed_live"


@pytest.mark.parametrize(
    ("link", "sentence"),
    [
        ("", "This field is required"),
        ("http://x.com/acme/status/1", "has to start with https://"),
        ("javascript:alert(1)//x.com/a", "has to start with https://"),
        ("https://evil.example/x.com/status/1", "This link leads to evil.example"),
        ("https://notx.com/acme/status/1", "This link leads to notx.com"),
        ("https://x.com", "not the link of one post"),
        ("https://x.com@evil.example/status/1", "not the link of one post"),
        ("https://[broken/status", "address"),
    ],
)
def test_other_links_are_refused_and_kept_in_the_field(rita, unclear, link, sentence):
    page = act(rita, "delivery_confirm_live", unclear, permalink=link)
    assert sentence in page
    assert unclear.status == Status.UNCERTAIN
    if link.startswith("https://evil"):
        assert f'value="{link}"' in page


def test_the_link_of_another_post_is_refused(rita, unclear, world):
    link = "https://x.com/acme/status/1"
    fields = {"status": "published", "external_id": "1", "permalink": link}
    make_delivery(world.x, world.ana, **fields)
    page = act(rita, "delivery_confirm_live", unclear, permalink=link)
    assert "This link belongs to another post" in page
    assert unclear.status == Status.UNCERTAIN


def test_on_the_practice_network_its_own_address_is_expected(
    rita, unclear, world, settings
):
    settings.PRACTICE_NETWORK_URL = "http://127.0.0.1:8801"
    world.x.network = "practice"
    world.x.save()
    page = act(
        rita, "delivery_confirm_live", unclear, permalink="https://x.com/a/status/1"
    )
    assert "The post is on the practice network" in page
    link = "http://127.0.0.1:8801/x/acme/status/1"
    act(rita, "delivery_confirm_live", unclear, permalink=link)
    assert unclear.permalink == link


def test_it_is_not_there_sends_it(rita, unclear):
    act(rita, "delivery_confirm_absent", unclear)
    assert unclear.status == Status.SCHEDULED


@pytest.mark.parametrize("status", [Status.PUBLISHING, Status.FAILED])
def test_only_what_nobody_can_check_can_be_decided(rita, world, status):
    delivery = make_delivery(world.x, world.ana, status=status)
    link = "https://x.com/a/status/1"
    act(rita, "delivery_confirm_live", delivery, permalink=link)
    act(rita, "delivery_confirm_absent", delivery)
    assert delivery.status == status


def test_while_we_are_still_looking_nobody_decides(rita, unclear):
    unclear.next_attempt_at = timezone.now() + timedelta(minutes=1)
    unclear.save()
    act(rita, "delivery_confirm_absent", unclear)
    assert unclear.status == Status.UNCERTAIN
    page = rita.get(unclear.get_absolute_url()).content.decode()
    assert "We look at the platform by ourselves" in page
    assert "It is not there, send it" not in page


@pytest.mark.parametrize("status", ["uncertain", "publishing", "published"])
def test_the_verb_itself_never_sends_again_what_may_be_live(world, status):
    delivery = make_delivery(world.x, world.ana, status=status, external_id="1")
    with pytest.raises(InvalidTransition):
        delivery.retry()


# ---------------------------------------------------------------- pages


def test_a_delivery_shows_its_attempts_and_a_text_for_support(world, ana):
    delivery = make_delivery(
        world.x, world.ana, status="failed", cause="text_refused", detail="Not allowed"
    )
    start = timezone.now()
    delivery.attempts.create(
        number=1,
        opened_at=start,
        closed_at=start + timedelta(milliseconds=321),
        outcome="invalid_content",
        step="post",
        http_status=403,
        code="187",
        request_id="req-77",
        detail="Not allowed",
        calls=[{"step": "post", "call": "POST /2/tweets", "ms": 300, "status": 403}],
    )
    page = ana.get(delivery.get_absolute_url()).content.decode()
    for words in (
        "The platform refused the content",
        "321 ms",
        "req-77",
        "POST /2/tweets",
        "Not allowed",
        f"Delivery {delivery.pk} (post {delivery.post_id})",
        "Change the post and send it again.",
    ):
        assert words in page, words


def test_a_published_one_shows_both_times_and_the_difference(world, ana):
    delivery = make_delivery(world.x, world.ana, hours=-1)
    delivery.status, delivery.external_id = "published", "1"
    delivery.permalink = "https://x.com/acme/status/1"
    delivery.published_at = delivery.due_at + timedelta(seconds=3)
    delivery.save()
    page = ana.get(delivery.get_absolute_url()).content.decode()
    assert "3 seconds after it was due" in page
    assert 'href="https://x.com/acme/status/1"' in page
    assert (
        delivery.permalink in ana.get(delivery.post.get_absolute_url()).content.decode()
    )


def test_a_post_is_cancelled_as_far_as_it_has_not_gone_out(world, ana):
    delivery = make_delivery(world.x, world.ana)
    sent = Delivery.objects.create(
        post=delivery.post,
        account=world.mastodon,
        status="published",
        external_id="1",
        due_at=delivery.due_at,
        useful_until=delivery.useful_until,
    )
    ana.post(reverse("post_cancel", args=[delivery.post_id]))
    delivery.refresh_from_db()
    sent.refresh_from_db()
    assert (delivery.status, sent.status) == ("cancelled", "published")


def test_next_leads_back_and_never_to_another_site(world, ana):
    for target, expected in [
        ("/desk/", "/desk/"),
        ("https://evil.example/", "/deliveries/"),
    ]:
        delivery = make_delivery(world.x, world.ana)
        address = reverse("delivery_cancel", args=[delivery.pk])
        answer = ana.post(address, {"next": target})
        assert answer["Location"].startswith(expected)


# ---------------------------------------------------------------- the desk


def test_the_desk_groups_by_cause_and_credential(world, rita):
    other = make_account(world.brand, "x", "Second X")
    for account in (world.x, world.x, other):
        make_delivery(
            account, world.ana, status="held", hold="access", cause="token_revoked"
        )
    make_delivery(world.x, world.ana, status="failed", cause="text_refused")
    shown = rita.get(reverse("failure_desk")).context["desk"].groups
    assert [len(group.deliveries) for group in shown] == [2, 1, 1]
    assert {group.trouble.head for group in shown} == {
        "Access was withdrawn",
        "The post was refused",
    }


@pytest.mark.parametrize(
    ("fields", "admin", "writer"),
    [
        (
            {"status": "held", "hold": "access", "cause": "token_revoked"},
            "Reconnect",
            "Show the account",
        ),
        ({"status": "failed", "cause": "text_too_long"}, "Edit", "Edit"),
        ({"status": "failed", "cause": "timed_out"}, "Send 1 again", "Send 1 again"),
        ({"status": "uncertain", "next_attempt_at": None}, "Decide", "Decide"),
    ],
)
def test_each_group_has_its_one_main_button(world, ana, sign_in, fields, admin, writer):
    make_delivery(world.x, world.ana, **fields)
    for client, label in ((sign_in(world.adam), admin), (ana, writer)):
        page = client.get(reverse("failure_desk")).content.decode()
        assert label in page.partition('id="group-1"')[2]


def test_what_failed_before_the_reconnect_is_sent_and_not_reconnected(world, rita):
    make_delivery(world.x, world.ana, status="failed", cause="scope_missing")
    group = rita.get(reverse("failure_desk")).content.decode()
    assert "The account is able to post again: send what has failed." in group
    assert "Reconnect the account" not in group
    assert "Send 1 again" in group


def test_a_limit_needs_no_button_and_says_when_it_goes(world, ana):
    release = timezone.now() + timedelta(hours=2)
    make_delivery(world.x, world.ana, status="held", hold="limit", release_at=release)
    page = ana.get(reverse("failure_desk"), {"tab": "retrying"}).content.decode()
    group = page.partition('id="group-1"')[2]
    assert "it goes on by itself at" in group
    assert "sh-btn--primary" not in group


def test_what_is_of_no_use_when_its_turn_comes_is_not_said_to_go_by_itself(world, ana):
    fields = {"status": "held", "hold": "limit", "cause": "daily_limit"}
    late = make_delivery(
        world.x, world.ana, **fields, release_at=timezone.now() + timedelta(days=3)
    )
    address = reverse("failure_desk")
    page = ana.get(address, {"tab": "retrying"}).content.decode()
    group = page.partition('id="group-1"')[2]
    assert "1 post is past its useful time before its turn comes" in group
    assert "goes on by itself" not in group
    assert "It could go at" in ana.get(late.get_absolute_url()).content.decode()
    soon = timezone.now() + timedelta(hours=1)
    make_delivery(world.x, world.ana, **fields, release_at=soon)
    page = ana.get(address, {"tab": "retrying"}).content.decode()
    group = page.partition('id="group-1"')[2]
    assert "it goes on by itself at" in group
    assert "1 post is past its useful time before its turn comes" in group


def test_the_tabs_tell_what_goes_by_itself_from_what_does_not(world, rita):
    now = timezone.now()
    make_delivery(world.x, world.ana, transient_count=2, cause="unreachable")
    make_delivery(world.x, world.ana, status="uncertain", next_attempt_at=now)
    make_delivery(
        world.x,
        world.ana,
        status="published",
        external_id="1",
        attempt_count=3,
        published_at=now,
    )
    make_delivery(world.x, world.ana, status="failed")
    page = rita.get(reverse("failure_desk"))
    assert [tab.count for tab in page.context["desk"].tabs] == [1, 1, 1, 1]
    for tab in ("retrying", "checking", "solved"):
        shown = rita.get(reverse("failure_desk"), {"tab": tab})
        assert len(shown.context["desk"].groups) == 1


def test_a_long_group_stands_alone_on_a_page_and_many_groups_on_several(
    world, rita, monkeypatch
):
    monkeypatch.setattr(desk, "MOST_GROUPS", 1)
    monkeypatch.setattr(desk, "MOST_OF_GROUP", 2)
    failed = {"status": "failed", "cause": "timed_out"}
    rows = [make_delivery(world.x, world.ana, text=f"P{n}", **failed) for n in range(3)]
    other = make_delivery(
        world.x, world.ana, text="Other", status="failed", cause="text_refused"
    )

    def shown(**asked: str) -> list[bool]:
        page = rita.get(reverse("failure_desk"), asked).content.decode()
        links = [f'href="{row.get_absolute_url()}"' for row in (*rows, other)]
        return [link in page for link in links]

    assert shown() == [True, True, False, False]
    assert shown(page="2") == [False, False, False, True]
    group = rita.get(reverse("failure_desk")).context["desk"].groups[0]
    assert shown(group=group.key) == [True, True, True, False]
    # All of the group are repaired, whatever stands on the page.
    page = rita.get(reverse("failure_desk")).content.decode()
    listed = ",".join(str(row.pk) for row in rows)
    assert f'name="delivery" value="{listed}"' in page


def test_what_failed_often_hides_no_other_trouble_and_is_counted_whole(
    world, rita, monkeypatch
):
    monkeypatch.setattr(desk, "MAX_ROWS", 6)
    desk._rows_of.cache_clear()
    often = [
        make_delivery(world.x, world.ana, hours=-9, status="failed", cause="timed_out")
        for _n in range(9)
    ]
    useful = make_delivery(
        world.x, world.ana, hours=-1, status="failed", cause="timed_out"
    )
    other = make_delivery(
        world.mastodon, world.ana, hours=-1, status="failed", cause="scope_missing"
    )
    try:
        page = rita.get(reverse("failure_desk"))
        shown = page.context["desk"]
        assert [group.total for group in shown.groups] == [10, 1]
        assert [row.pk for row in shown.groups[1].deliveries] == [other.pk]
        assert shown.left_out == 0
        # Of the long group so many as can be repaired at once: what is still useful,
        # then the oldest.
        wanted = [row.pk for row in (*often[:5], useful)]
        assert [row.pk for row in shown.groups[0].deliveries] == wanted
        assert "10 posts" in page.content.decode()
        assert "6 stand here, what is still useful first" in page.content.decode()
        alone = rita.get(reverse("failure_desk"), {"group": shown.groups[0].key})
        only = alone.context["desk"].only
        assert (only.total, len(only.deliveries)) == (10, 6)
    finally:
        desk._rows_of.cache_clear()


def test_what_two_stops_hold_on_one_account_is_counted_for_each(world, rita):
    for hours, number in ((30, 1), (3, 2)):
        at = timezone.now() - timedelta(hours=hours)
        Stop.objects.create(
            scope="everything",
            reason="A storm",
            started_by=world.adam,
            started_at=at,
            ended_at=at + timedelta(hours=1),
        )
        fields = {"hold": "stopped", "held_at": at + timedelta(minutes=9)}
        for _n in range(number):
            make_delivery(world.x, world.ana, status="held", hours=-hours, **fields)
    groups = rita.get(reverse("failure_desk")).context["desk"].groups
    assert [group.total for group in groups] == [2, 1]


def test_a_group_goes_again_a_minute_apart_without_the_late_ones(world, rita):
    fresh = [
        make_delivery(world.x, world.ana, status="failed", cause="timed_out")
        for _n in range(3)
    ]
    late = make_delivery(
        world.x, world.ana, hours=-30, status="failed", cause="timed_out"
    )
    refused = make_delivery(world.x, world.ana, status="failed", cause="text_refused")
    ids = [row.pk for row in (*fresh, late, refused)]
    page = rita.post(reverse("desk_send"), {"delivery": ids}, follow=True)
    words = page.content.decode()
    assert "3 posts are sent again" in words
    assert "1 is past its useful time and was left out." in words
    assert "1 cannot be sent again as it is" in words
    times = sorted(
        Delivery.objects.filter(status="scheduled").values_list(
            "next_attempt_at", flat=True
        )
    )
    assert [b - a for a, b in pairwise(times)] == [GAP, GAP]
    assert AuditEvent.objects.filter(verb="delivery.sent_again").count() == 3
    rita.post(reverse("desk_send"), {"delivery": [late.pk], "late": "1"})
    late.refresh_from_db()
    assert late.status == Status.SCHEDULED


def test_a_stranger_sends_nothing_of_another_brand(world, sign_in):
    delivery = make_delivery(world.x, world.ana, status="failed", cause="timed_out")
    stranger = sign_in(world.stranger)
    stranger.post(reverse("desk_send"), {"delivery": [delivery.pk]})
    delivery.refresh_from_db()
    assert delivery.status == Status.FAILED
    guest = sign_in(world.guest)
    assert guest.post(reverse("desk_send"), {}).status_code == 403


def test_what_would_fail_again_is_not_offered(world):
    failed = make_delivery(world.x, world.ana, status="failed", cause="token_revoked")
    assert can_send_again(failed)
    world.x.credential.state = "broken"
    world.x.credential.save()
    failed = Delivery.objects.get(pk=failed.pk)
    assert not can_send_again(failed)
    (group,) = groups([failed])
    assert group.main_button(world.adam).label == "Reconnect"


def test_content_is_mended_by_an_edit_whatever_the_account_says(world, ana):
    world.x.credential.state = "broken"
    world.x.credential.save()
    make_delivery(world.x, world.ana, status="failed", cause="text_too_long")
    (group,) = ana.get(reverse("failure_desk")).context["desk"].groups
    assert group.main_button(world.ana).label == "Edit"


def test_a_group_that_waits_for_its_account_says_so(world, sign_in):
    world.x.credential.state = "broken"
    world.x.credential.save()
    make_delivery(world.x, world.ana, status="failed", cause="timed_out")
    page = sign_in(world.adam).get(reverse("failure_desk")).content.decode()
    assert "The account has to be reconnected first." in page
    assert "Reconnect" in page.partition('id="group-1"')[2]

"""Starting and ending an emergency stop, and letting out what it held."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent
from publishing import listing, stops, valve
from publishing.models import Delivery, Stop
from publishing.tests.pages.conftest import make_account, make_delivery, make_person

STOP, HELD = "/stop/", "/held/"
Status, Hold = Delivery.Status, Delivery.Hold
MINUTE = timedelta(minutes=1)


def page_of(answer) -> str:
    return " ".join(answer.content.decode().split())


def begin(user, **fields) -> Stop:
    fields = {"scope": "everything", "reason": "A storm", **fields}
    return stops.start(user, Stop(**fields))[0]


def hold(delivery, *, late=False) -> Delivery:
    """As the engine holds what comes due while something is stopped."""
    delivery.hold_for(Hold.STOPPED)
    if late:
        Delivery.objects.filter(pk=delivery.pk).update(
            useful_until=timezone.now() - MINUTE
        )
    return delivery


@pytest.fixture
def held(world):
    """Three posts of one account that were due in the last hour, and no stop."""
    stop = begin(world.adam)
    rows = [
        hold(make_delivery(world.x, world.ana, text=f"Post {n}", hours=-1 + n / 10))
        for n in range(3)
    ]
    stops.end(world.adam, stop)
    return rows


# ---------------------------------------------------------------- starting


def test_a_stop_is_shown_before_it_begins(world, sign_in):
    first = make_delivery(world.x, world.ana, hours=1)
    make_delivery(world.mastodon, world.ana, hours=2)
    make_delivery(world.x, world.ana, hours=30)
    make_delivery(world.x, world.ana, status="publishing", hours=0)
    adam = sign_in(world.adam)
    page = page_of(
        adam.post(STOP, {"target": "everything", "reason": "A storm", "action": "look"})
    )
    assert "Stop this now: Everything?" in page
    assert "2 posts are due in the next 24 hours (2 accounts), the first at" in page
    assert timezone.localtime(first.due_at).strftime("%H:%M") in page
    assert "1 post is being sent right now and cannot be called back." in page
    assert not Stop.objects.exists()


def test_it_begins_with_its_reason_and_is_written_down(world, sign_in):
    adam = sign_in(world.adam)
    answer = adam.post(
        STOP,
        {"target": f"brand:{world.brand.pk}", "reason": "A storm", "action": "start"},
        follow=True,
    )
    stop = Stop.objects.get()
    assert (stop.scope, stop.brand, stop.reason) == ("brand", world.brand, "A storm")
    assert "Publishing for the brand Acme is stopped" in page_of(answer)
    event = AuditEvent.objects.get(verb="stop.started")
    assert (event.actor, event.detail) == (world.adam, {"reason": "A storm"})


def test_without_a_reason_nothing_stops_and_what_was_chosen_stays(world, sign_in):
    data = {"target": "platform:x", "reason": "  ", "action": "start"}
    page = page_of(sign_in(world.adam).post(STOP, data))
    assert "This field is required." in page
    assert '<option value="platform:x" selected>' in page
    assert not Stop.objects.exists()


def test_going_back_keeps_what_was_typed(world, sign_in):
    data = {"target": "platform:x", "reason": "A storm", "action": "back"}
    page = page_of(sign_in(world.adam).post(STOP, data))
    assert '<option value="platform:x" selected>' in page
    assert "A storm</textarea>" in page


def test_the_same_scope_twice_is_one_stop(world, sign_in):
    begin(world.adam)
    data = {"target": "everything", "reason": "Another", "action": "start"}
    page = page_of(sign_in(world.adam).post(STOP, data, follow=True))
    assert "All publishing is stopped already since" in page
    assert "by adam. Nothing was changed. Their reason: A storm" in page
    assert [stop.reason for stop in Stop.objects.all()] == ["A storm"]


@pytest.mark.parametrize("who", ["ana", "rita"])
def test_people_stop_what_is_theirs_and_no_more(world, sign_in, who):
    person = sign_in(getattr(world, who))
    for target in ("everything", "platform:x"):
        page = page_of(
            person.post(STOP, {"target": target, "reason": "Why", "action": "start"})
        )
        assert "Select a valid choice." in page
    person.post(
        STOP, {"target": f"account:{world.x.pk}", "reason": "Why", "action": "start"}
    )
    assert [stop.account for stop in Stop.objects.all()] == [world.x]


def test_a_stranger_stops_nothing_of_another_brand(world, sign_in):
    stranger = sign_in(world.stranger)
    for target in (f"account:{world.x.pk}", f"brand:{world.brand.pk}"):
        data = {"target": target, "reason": "Why", "action": "start"}
        assert "Select a valid choice." in page_of(stranger.post(STOP, data))
    mine = begin(world.ana, scope="brand", brand=world.brand)
    assert stranger.post(reverse("stop_end", args=[mine.pk])).status_code == 404
    assert "Acme" not in page_of(stranger.get("/"))


def test_people_without_a_role_cannot_open_the_pages(world, sign_in):
    guest = sign_in(world.guest)
    stop = begin(world.adam)
    for address in (STOP, HELD, reverse("stop_end", args=[stop.pk])):
        assert guest.get(address).status_code == 403


# ---------------------------------------------------------------- while it lasts


@pytest.mark.parametrize("path", ["/", "/calendar/", "/accounts/", "/me/", "/admin/"])
def test_every_page_says_what_is_stopped_by_whom_and_why(world, sign_in, path):
    stop = begin(world.adam, reason="A storm in <Kyoto>")
    world.ana.is_staff = True
    world.ana.save()
    page = page_of(sign_in(world.ana).get(path))
    assert (
        "<strong>All publishing is stopped</strong>: A storm in &lt;Kyoto&gt;" in page
    )
    assert "by adam" in page
    assert reverse("stop_end", args=[stop.pk]) in page
    stops.end(world.adam, stop)
    assert "All publishing is stopped" not in page_of(sign_in(world.ana).get(path))


def test_a_reader_without_a_role_sees_the_banner_but_no_button(world, sign_in):
    stop = begin(world.adam)
    page = page_of(sign_in(world.guest).get("/"))
    assert "All publishing is stopped" in page
    assert reverse("stop_end", args=[stop.pk]) not in page


def test_posts_of_the_next_day_are_at_risk_and_later_ones_are_not(world):
    begin(world.adam, scope="account", account=world.x)
    make_delivery(world.x, world.ana, hours=2)
    make_delivery(world.mastodon, world.ana, hours=2)
    make_delivery(world.x, world.ana, hours=48)
    rows = listing.rows_of(listing.for_rows(Delivery.objects.order_by("pk")))
    assert [bool(row.risk) for row in rows] == [True, False, False]
    assert (
        rows[0].risk.sentence == "Will be held: publishing is stopped. Reason: A storm"
    )


def test_a_held_post_names_the_stop_and_the_way_out(world, sign_in, ana):
    stop = begin(world.adam)
    row = hold(make_delivery(world.x, world.ana, hours=-0.1))
    for path in (row.get_absolute_url(), "/desk/"):
        page = page_of(ana.get(path))
        assert "Stopped by adam at" in page, path
        assert "Reason: A storm" in page
        assert "until the stop is ended and somebody lets it out" in page
        assert "Choose what goes out" not in page
    stops.end(world.adam, stop)
    page = page_of(ana.get("/desk/"))
    assert "Held by a stop that has ended (Everything)" in page
    assert f"{HELD}?hold=stopped&amp;stop={stop.pk}" in page
    assert "Send it now" in page_of(ana.get(row.get_absolute_url()))


def test_posts_of_many_logins_held_by_one_stop_are_one_group(world, ana):
    begin(world.adam)
    for account in (world.x, world.mastodon):
        hold(make_delivery(account, world.ana, hours=-0.1))
    page = page_of(ana.get("/desk/"))
    assert page.count('All publishing is stopped <span class="sh-muted">·') == 1


@pytest.mark.parametrize("path", ["/desk/", HELD, "/calendar/", "/posts/?tab=all"])
def test_pages_need_no_more_queries_for_more_held_posts(world, ana, path):
    def queries(count):
        for number in range(count):
            text = f"{timezone.now()} {number}"
            hold(make_delivery(world.x, world.ana, text=text, hours=-0.1))
        with CaptureQueriesContext(connection) as asked:
            assert ana.get(path).status_code == 200
        return len(asked)

    begin(world.adam)
    ana.get(path)
    assert queries(2) == queries(6)


# ---------------------------------------------------------------- ending


def test_ending_sends_nothing_and_leads_to_the_list(world, sign_in, held):
    stop = begin(world.adam)
    adam = sign_in(world.adam)
    ending = reverse("stop_end", args=[stop.pk])
    assert "3 held posts stay held" in page_of(adam.get(ending))
    answer = adam.post(ending)
    assert answer["Location"] == f"{HELD}?stop={stop.pk}"
    stop.refresh_from_db()
    assert stop.ended_by == world.adam
    assert Delivery.objects.filter(status=Status.HELD).count() == 3
    assert AuditEvent.objects.filter(verb="stop.ended", actor=world.adam).exists()
    again = adam.post(ending, follow=True)
    assert "Somebody has ended it already." in page_of(again)


def test_only_an_admin_ends_what_reaches_over_brands(world, sign_in, ana):
    stop = begin(world.adam)
    ending = reverse("stop_end", args=[stop.pk])
    assert "An admin can end it." in page_of(ana.get(ending))
    ana.post(ending)
    stop.refresh_from_db()
    assert stop.ended_at is None
    mine = begin(world.adam, scope="brand", brand=world.brand)
    ana.post(reverse("stop_end", args=[mine.pk]))
    mine.refresh_from_db()
    assert mine.ended_by == world.ana


# ---------------------------------------------------------------- letting out


def test_the_list_chooses_what_is_useful_and_says_why_not_the_rest(world, ana, held):
    hold(Delivery.objects.get(pk=held[0].pk), late=True)
    page = page_of(ana.get(HELD))
    boxes = {
        row.pk: f'value="{row.pk}" checked' in page for row in Delivery.objects.all()
    }
    assert boxes == {held[0].pk: False, held[1].pk: True, held[2].pk: True}
    assert "Its useful time is over" in page
    assert "2 posts would go out" in page


def release(client, rows, **data):
    data = {"gap_s": 60, "action": "release", "pick": [r.pk for r in rows], **data}
    return page_of(client.post(HELD, data, follow=True))


def test_chosen_posts_go_out_at_the_gap_in_the_order_of_their_times(world, ana, held):
    now = timezone.now()
    with time_machine.travel(now, tick=False):
        page = release(ana, held[:2])
    rows = list(Delivery.objects.order_by("due_at"))
    assert [row.status for row in rows] == ["scheduled", "scheduled", "held"]
    assert [row.next_attempt_at for row in rows[:2]] == [now, now + MINUTE]
    assert "2 posts go out, the last one at" in page
    assert AuditEvent.objects.filter(verb="delivery.let_out").count() == 2
    assert "It waits for its turn" in page_of(ana.get(rows[1].get_absolute_url()))


def test_what_is_past_its_useful_time_goes_only_when_the_page_said_so(world, ana, held):
    first = hold(Delivery.objects.get(pk=held[0].pk), late=True)
    assert "1 post would go out after its useful time" in release(ana, [first])
    first.refresh_from_db()
    assert first.status == Status.HELD
    release(ana, [first], late=[first.pk])
    first.refresh_from_db()
    assert first.status == Status.SCHEDULED
    assert first.useful_until > timezone.now() + 60 * MINUTE


def test_a_slow_plan_says_what_would_come_too_late(world, ana, held):
    data = {"gap_s": 3000, "action": "plan", "pick": [row.pk for row in held]}
    page = page_of(ana.post(HELD, data))
    assert "1 of them goes out after its useful time." in page
    assert f'name="late" value="{held[2].pk}"' in page
    assert not Delivery.objects.filter(status=Status.SCHEDULED).exists()


def test_what_another_stop_covers_stays(world, ana, held):
    begin(world.adam, scope="account", account=world.x)
    assert "Still stopped: Acme X (X)" in page_of(ana.get(HELD))
    assert "3 posts stay held by another stop." in release(ana, held)
    assert Delivery.objects.filter(status=Status.HELD).count() == 3


def test_an_unreadable_speed_sends_nothing(world, ana, held):
    page = release(ana, held, gap_s="soon")
    assert "Enter a whole number." in page
    assert Delivery.objects.filter(status=Status.HELD).count() == 3


def test_chosen_posts_are_cancelled_and_reviewers_cannot(world, ana, sign_in, held):
    data = {"gap_s": 20, "action": "cancel", "pick": [held[0].pk]}
    page = page_of(ana.post(HELD, data))
    assert "Cancel 1 post? It will never be sent." in page
    assert f'value="{held[0].pk}" checked' in page
    data["action"] = "cancel_sure"
    sign_in(world.rita).post(HELD, data)
    assert Delivery.objects.filter(status=Status.HELD).count() == 3
    assert "1 post is cancelled." in page_of(ana.post(HELD, data, follow=True))
    held[0].refresh_from_db()
    assert held[0].status == Status.CANCELLED
    assert held[0].post.__class__.objects.get(pk=held[0].post_id).state == "cancelled"


def test_posts_of_other_brands_are_neither_seen_nor_sent(world, sign_in, held):
    stranger = sign_in(world.stranger)
    assert "Post 0" not in page_of(stranger.get(HELD))
    release(stranger, held)
    assert Delivery.objects.filter(status=Status.HELD).count() == 3


def test_an_admin_is_told_of_held_posts_in_brands_of_others(world, sign_in, held):
    stop = Stop.objects.get()
    page = page_of(sign_in(world.stranger).get(f"{HELD}?stop={stop.pk}"))
    assert "3 more posts of brands to which you do not belong are held." in page


def test_many_posts_are_let_out_with_few_statements(
    world, held, django_assert_max_num_queries
):
    for number in range(20):
        hold(make_delivery(world.x, world.ana, text=f"More {number}", hours=-0.5))
    pks = [row.pk for row in Delivery.objects.all()]
    with django_assert_max_num_queries(12):
        done = valve.let_out(world.adam, pks, valve.Rules(), timezone.now(), yes=pks)
    assert done.sent == 23


def test_the_second_of_two_people_changes_nothing(world, ana, held):
    release(ana, held)
    times = list(Delivery.objects.values_list("next_attempt_at", flat=True))
    release(ana, held)
    assert list(Delivery.objects.values_list("next_attempt_at", flat=True)) == times


# ---------------------------------------------------------------- beside what is planned


def test_scheduled_posts_wait_behind_older_ones_of_their_account(world, held):
    now = timezone.now()
    soon = make_delivery(world.x, world.ana, text="Soon", hours=1 / 60)
    elsewhere = make_delivery(world.mastodon, world.ana, text="Soon", hours=1 / 60)
    Delivery.objects.filter(pk__in=[soon.pk, elsewhere.pk]).update(
        next_attempt_at=now + MINUTE
    )
    rows = [row.pk for row in held]
    done = valve.let_out(world.adam, rows, valve.Rules(gap=MINUTE), now, yes=())
    soon.refresh_from_db()
    elsewhere.refresh_from_db()
    assert (done.sent, done.put_off) == (3, 1)
    assert soon.next_attempt_at == now + 3 * MINUTE
    assert soon.due_at < soon.next_attempt_at
    assert elsewhere.next_attempt_at == now + MINUTE


def test_a_scheduled_post_that_would_get_too_late_keeps_its_time(world, held):
    now = timezone.now()
    soon = make_delivery(world.x, world.ana, text="Soon", hours=1 / 60)
    Delivery.objects.filter(pk=soon.pk).update(
        next_attempt_at=now + MINUTE, useful_until=now + 2 * MINUTE
    )
    rows = list(Delivery.objects.filter(status=Status.HELD).select_related("account"))
    plan = valve.plan(rows, valve.Rules(gap=MINUTE), now)
    assert plan.later == {}
    assert sorted(plan.at.values()) == [now, now + 2 * MINUTE, now + 3 * MINUTE]


def test_what_went_out_in_this_hour_counts(world, held):
    now = timezone.now()
    make_delivery(
        world.x,
        world.ana,
        hours=-0.5,
        status="published",
        external_id="p1",
        published_at=now - 30 * MINUTE,
    )
    rules = valve.Rules(per_account_hour=2)
    plan = valve.plan(list(Delivery.objects.filter(status=Status.HELD)), rules, now)
    assert sorted(plan.at.values()) == [
        now,
        now + 30 * MINUTE,
        now + 60 * MINUTE,
    ]


# ---------------------------------------------------------------- the same again


@pytest.fixture
def twin(world):
    """ "Hello" waits, because another "Hello" went out an hour ago."""
    make_delivery(
        world.x,
        world.ana,
        hours=-1,
        status="published",
        external_id="p1",
        published_at=timezone.now() - 60 * MINUTE,
    )
    row = make_delivery(world.x, world.ana, hours=-0.1)
    row.hold_for(Hold.TWICE)
    return row


def test_a_repeat_waits_for_a_yes_and_shows_what_it_repeats(world, ana, twin):
    page = page_of(ana.get(twin.get_absolute_url()))
    assert "those of a post to this account within the last 24 hours." in page
    assert "Where it was said" in page
    assert "Send it all the same" in page
    assert "Do not send" in page
    assert "Send it all the same" in page_of(ana.get("/desk/"))


def test_the_yes_sends_it_and_is_kept(world, ana, twin):
    ana.post(reverse("delivery_allow_twice", args=[twin.pk]))
    twin.refresh_from_db()
    assert (twin.status, twin.twice_allowed) == (Status.SCHEDULED, True)
    assert AuditEvent.objects.get(verb="delivery.twice_allowed").actor == world.ana


def test_the_yes_belongs_to_a_repeat_only(world, ana, sign_in, twin):
    other = make_delivery(world.mastodon, world.ana, status="held", hold="access")
    address = reverse("delivery_allow_twice", args=[other.pk])
    ana.post(address)
    other.refresh_from_db()
    assert (other.status, other.twice_allowed) == (Status.HELD, False)
    assert sign_in(world.guest).post(address).status_code == 403
    assert sign_in(world.stranger).post(address).status_code == 404


def test_a_new_wording_of_a_repeat_needs_no_yes_and_goes(world, ana, twin):
    post = twin.post
    ana.post(
        reverse("post_edit", args=[post.pk]),
        {
            "brand": world.brand.pk,
            "accounts": [world.x.pk],
            "text": "Something else",
            "when": "at",
            "date": post.local_date.isoformat(),
            "time": post.local_time.strftime("%H:%M"),
            "zone": post.zone,
            "action": "schedule",
        },
    )
    twin.refresh_from_db()
    assert (twin.status, twin.twice_allowed) == (Status.SCHEDULED, False)


def test_a_stop_covers_accounts_that_come_later(world):
    stop = begin(world.adam, scope="brand", brand=world.brand)
    late = make_account(world.brand, "linkedin", "Acme L")
    make_person("new", brand=world.brand)
    assert stops.covering(late, stops.active()) == stop

"""The failure desk's bulk repair: the preview, what each button does, who looks after
what."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts import roles
from accounts.models import AuditEvent, Brand
from publishing.desk import GAP
from publishing.models import Care, Delivery, Post
from publishing.repair_forms import snoozed_until
from publishing.tests.pages.conftest import make_account, make_delivery, make_person

Status = Delivery.Status
REPAIR = "desk_repair"


@pytest.fixture
def rita(world, sign_in):
    return sign_in(world.rita)


def failed(world, number=1, hours=-1.0, **fields):
    fields = {"status": "failed", "cause": "timed_out", **fields}
    return [
        make_delivery(world.x, world.ana, text=f"Post {n}", hours=hours, **fields)
        for n in range(number)
    ]


def repair(client, rows, action="", picked=None, late=(), **fields):
    data = {"delivery": [row.pk for row in rows], **fields}
    if action:
        chosen = rows if picked is None else picked
        data |= {"action": action, "gap_min": fields.get("gap_min", "5")}
        data |= {"pick": [row.pk for row in chosen]}
        data |= {"late": [row.pk for row in late]}
    return client.post(reverse(REPAIR), data, follow=True)


def words(answer):
    return " ".join(answer.content.decode().split())


def fresh(rows):
    for row in rows:
        row.refresh_from_db()
    return rows


# ---------------------------------------------------------------- the preview


def test_the_preview_changes_nothing_and_leaves_out_what_is_late(world, rita):
    rows = failed(world, 3)
    late = failed(world, 1, hours=-30)
    page = repair(rita, [*rows, *late])
    lines = [line for line, _text, _why in page.context["lines"]]
    assert [line.is_picked for line in lines] == [False, True, True, True]
    times = [line.goes_at for line in lines if line.goes_at]
    assert [b - a for a, b in pairwise(times)] == [GAP, GAP]
    assert "3 posts would go out" in words(page)
    assert "1 is past its useful time and is left out unless you choose it." in words(
        page
    )
    assert {row.status for row in fresh(rows)} == {Status.FAILED}
    assert not AuditEvent.objects.exists()


def test_what_its_turn_would_find_too_late_is_chosen_by_nobody_but_a_person(
    world, rita
):
    rows = failed(world, 4, hours=-1.9)
    now = timezone.now()
    Delivery.objects.update(useful_until=now + timedelta(minutes=8))
    page = repair(rita, rows)
    lines = [line for line, _text, _why in page.context["lines"]]
    assert [line.is_picked for line in lines] == [True, True, False, False]
    assert "2 posts would go out" in words(page)
    assert "The turn of 2 would come after their useful time" in words(page)
    assert words(page).count('name="late"') == 2
    # Who chooses them has seen it.
    repair(rita, rows, "send", late=rows[2:])
    assert {row.status for row in fresh(rows)} == {Status.SCHEDULED}


def test_the_preview_shows_the_times_of_another_gap(world, rita):
    rows = failed(world, 2)
    page = repair(rita, rows, "preview", gap_min="45")
    first, second = (line.goes_at for line, _text, _why in page.context["lines"])
    assert second - first == timedelta(minutes=45)
    assert "goes out after its useful time" not in words(page)
    page = repair(rita, rows, "preview", gap_min="90")
    assert "1 of them goes out after its useful time." in words(page)


def test_a_gap_that_is_no_number_keeps_what_was_typed(world, rita):
    rows = failed(world, 2)
    page = repair(rita, rows, "send", picked=rows[:1], gap_min="soon", reason="Old")
    assert "Enter a whole number." in words(page)
    assert 'value="soon"' in words(page)
    assert 'value="Old"' in words(page)
    assert [line.is_picked for line, *_ in page.context["lines"]] == [True, False]
    assert {row.status for row in fresh(rows)} == {Status.FAILED}


def test_the_number_of_queries_does_not_grow(world, rita):
    def count(rows):
        with CaptureQueriesContext(connection) as caught:
            assert repair(rita, rows).status_code == 200
        return len(caught)

    world.x.owner = world.ana
    world.x.save()
    first = failed(world, 2)
    before = count(first)
    others = [
        make_delivery(
            make_account(world.brand, "x", f"X {n}", owner=world.ana),
            world.ana,
            hours=-1,
            status="failed",
        )
        for n in range(10)
    ]
    assert count([*first, *others]) == before


def test_the_preview_says_what_has_to_be_approved_before_it_goes(world, rita):
    rows = failed(world, 2)
    Delivery.objects.filter(pk=rows[0].pk).update(approved_as=Delivery.LET_GO)
    assert "once it is approved" not in words(repair(rita, rows))
    world.brand.approval_steps = 1
    world.brand.save()
    page = words(repair(rita, rows))
    assert page.count("once it is approved") == 1
    assert "1 of them was never approved, and its brand asks for that now" in page


def test_a_long_list_scrolls_by_itself_so_that_its_buttons_stay_near(world, rita):
    rows = failed(world, 13)
    region = 'tabindex="0" role="region" aria-labelledby="list-words"'
    assert region in words(repair(rita, rows))
    assert region not in words(repair(rita, rows[:12]))


def test_what_only_its_writer_can_mend_is_given_to_them(world, rita):
    rows = failed(world, 2, cause="text_refused")
    desk = words(rita.get(reverse("failure_desk")))
    assert "Give to whoever writes it" in desk
    writer = f'<option value="{world.ana.pk}" selected>'
    assert writer in words(repair(rita, rows))
    # To nobody by itself where they are of several people.
    Post.objects.filter(pk=rows[0].post_id).update(author=world.adam)
    assert writer not in words(repair(rita, rows))


# ---------------------------------------------------------------- from the desk


def forms_of(page, address):
    """What the desk's forms for this page send, one list of fields each."""
    found = re.findall(
        rf'<form method="post" action="{reverse(address)}".*?</form>',
        page.content.decode(),
        re.S,
    )
    fields = r'name="delivery" value="([^"]*)"'
    return [re.findall(fields, form) for form in found]


def test_a_group_is_sent_whole_and_its_forms_do_not_grow_with_it(world, rita):
    rows = failed(world, 10)
    desk = rita.get(reverse("failure_desk"))
    # "Send 10 again" and "Choose what to do".
    for fields in forms_of(desk, REPAIR):
        assert len(fields) == 1
        page = rita.post(reverse(REPAIR), {"delivery": fields})
        shown = {line.delivery.pk for line, *_ in page.context["lines"]}
        assert shown == {row.pk for row in rows}
    rita.post(reverse("desk_send"), {"delivery": fields})
    assert {row.status for row in fresh(rows)} == {Status.SCHEDULED}


def test_what_else_stands_in_such_a_field_is_no_row(world, rita):
    (row,) = failed(world)
    typed = f" , -1,{row.pk},{row.pk},{'9' * 30},x;1," + "," * 5000
    page = rita.post(reverse(REPAIR), {"delivery": [typed, str(row.pk)]})
    assert [line.delivery for line, *_ in page.context["lines"]] == [row]


# ---------------------------------------------------------------- what the buttons do


def test_chosen_posts_are_sent_a_gap_apart(world, rita):
    rows = failed(world, 3)
    page = repair(rita, rows, "send", picked=rows[:2], gap_min="15")
    assert "2 posts are sent again, the last at" in words(page)
    one, two, three = fresh(rows)
    assert two.next_attempt_at - one.next_attempt_at == timedelta(minutes=15)
    assert (one.status, three.status) == (Status.SCHEDULED, Status.FAILED)
    assert AuditEvent.objects.filter(verb="delivery.sent_again").count() == 2


def test_only_targets_that_failed_are_sent(world, rita):
    (row,) = failed(world)
    live = Delivery.objects.create(
        post=row.post,
        account=world.mastodon,
        due_at=row.due_at,
        useful_until=row.useful_until,
        status="published",
        external_id="1",
        published_at=timezone.now(),
    )
    page = repair(rita, [row, live], "send")
    assert "1 post is sent again" in words(page)
    assert "1 did not fit and was left as it is." in words(page)
    row, live = fresh([row, live])
    assert (row.status, live.status) == (Status.SCHEDULED, Status.PUBLISHED)


def test_a_late_one_goes_only_with_a_yes_to_its_age(world, rita):
    (row,) = failed(world, hours=-30)
    page = repair(rita, [row], "send")
    assert "1 is past its useful time and was left out." in words(page)
    assert fresh([row])[0].status == Status.FAILED
    repair(rita, [row], "send", late=[row])
    assert fresh([row])[0].status == Status.SCHEDULED
    assert row.useful_until > timezone.now()


def test_posts_get_another_time_in_the_reader_s_zone(world, rita):
    rows = failed(world, 2, hours=-30)
    held = make_delivery(world.x, world.ana, hours=-9, status="held", hold="too_late")
    content = failed(world, 1, cause="text_too_long")
    day = (timezone.localtime() + timedelta(days=2)).date()
    sent = [*rows, held, *content]
    page = repair(rita, sent, "move", date=day.isoformat(), time="10:30")
    assert "3 posts have another time" in words(page)
    assert "1 did not fit" in words(page)
    start = timezone.make_aware(datetime.combine(day, datetime.min.time()))
    start += timedelta(hours=10, minutes=30)
    times = sorted(row.due_at for row in fresh([*rows, held]))
    assert times == [start + n * GAP for n in range(3)]
    for row in (*rows, held):
        assert row.status == Status.SCHEDULED
        assert row.next_attempt_at == row.due_at < row.useful_until
        assert (row.cause, row.hold, row.failed_at) == ("", "", None)
    assert fresh(content)[0].status == Status.FAILED


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"date": "2020-01-01", "time": "10:00"}, "This time is over."),
        ({"date": "", "time": "10:00"}, "This field is required."),
        ({"date": "soon", "time": "10:00"}, "Enter a valid date."),
        ({"date": "9999-12-31", "time": "23:30"}, "This day is too far away."),
    ],
)
def test_a_time_that_cannot_be_is_named_and_kept(world, rita, fields, says):
    rows = failed(world, 2)
    page = repair(rita, rows, "move", **fields)
    assert says in words(page)
    assert f'value="{fields["time"]}"' in words(page)
    assert {row.status for row in fresh(rows)} == {Status.FAILED}


def test_many_are_dismissed_with_one_reason(world, rita):
    rows = failed(world, 2)
    page = repair(rita, rows, "dismiss", reason="")
    assert "This field is required." in words(page)
    page = repair(rita, rows, "dismiss", reason="The campaign is over")
    assert "2 posts are taken off the desk" in words(page)
    assert all(row.dismissed_at for row in fresh(rows))
    events = AuditEvent.objects.filter(verb="delivery.dismissed")
    assert [e.detail for e in events] == [{"reason": "The campaign is over"}] * 2
    again = repair(rita, rows, "dismiss", reason="Once more")
    assert "2 did not fit" in words(again)


def test_nothing_chosen_changes_nothing(world, rita):
    rows = failed(world, 2)
    page = repair(rita, rows, "dismiss", picked=[], reason="x")
    assert "Nothing was chosen" in words(page)
    assert not any(row.dismissed_at for row in fresh(rows))


# ---------------------------------------------------------------- who looks after it


def test_work_is_assigned_and_found_again(world, rita, sign_in):
    rows = failed(world, 3)
    repair(rita, rows[:2], "assign", person=world.rita.pk)
    desk = reverse("failure_desk")
    page = rita.get(desk)
    assert [part.count for part in page.context["desk"].whose] == [3, 2, 1, 0]
    assert "with rita" in words(page)
    mine = rita.get(desk, {"whose": "mine"}).context["desk"]
    assert sum(len(group.deliveries) for group in mine.groups) == 2
    adams = sign_in(world.adam).get(desk, {"whose": "mine"}).context["desk"]
    assert adams.groups == []
    repair(rita, rows[:1], "assign", person="")
    assert Care.objects.filter(assignee=None).count() == 1


def test_nobody_is_given_what_they_may_not_see(world, rita):
    (row,) = failed(world)
    other = Brand.objects.create(name="Other")
    sten = make_person("sten", roles.REVIEWER, brand=other)
    page = repair(rita, [row], "assign", person=sten.pk)
    assert "Select a valid choice" in words(page)
    assert not Care.objects.exists()


def test_what_is_put_aside_leaves_the_desk_and_comes_back(world, rita, sign_in):
    rows = failed(world, 2)
    page = repair(rita, rows[:1], "snooze", snooze="4h")
    assert "1 post is put aside, until" in words(page)
    assert page.context["desk"].tabs[0].count == 1
    aside = rita.get(reverse("failure_desk"), {"whose": "snoozed"})
    assert "Put aside until" in words(aside)
    assert sum(len(g.deliveries) for g in aside.context["desk"].groups) == 1
    Care.objects.update(snoozed_until=timezone.now() - timedelta(seconds=1))
    assert rita.get(reverse("failure_desk")).context["desk"].tabs[0].count == 2


def test_until_monday_is_never_today():
    zone = timezone.get_default_timezone()
    monday = datetime(2026, 11, 30, 8, tzinfo=zone)
    with timezone.override(zone):
        for day in range(7):
            until = snoozed_until("monday", monday + timedelta(days=day))
            assert until == datetime(2026, 12, 7, 9, tzinfo=zone)
        tomorrow = snoozed_until("tomorrow", monday)
    assert tomorrow == datetime(2026, 12, 1, 9, tzinfo=zone)


def test_people_talk_about_a_delivery(world, rita, ana):
    (row,) = failed(world)
    url = reverse("delivery_care", args=[row.pk])
    empty = rita.post(url, {"action": "comment", "text": "  "}, follow=True)
    assert "The comment is empty" in words(empty)
    text = "Asked the agency <b>twice</b>"
    page = rita.post(url, {"action": "comment", "text": text}, follow=True)
    assert "Asked the agency &lt;b&gt;twice" in words(page)
    assert "1 comment" in words(ana.get(reverse("failure_desk")))
    page = rita.post(url, {"action": "assign", "person": world.ana.pk}, follow=True)
    assert "Assigned to ana." in words(page)
    page = rita.post(url, {"action": "snooze", "snooze": "tomorrow"}, follow=True)
    assert "Put aside until" in words(page)
    wrong = rita.post(url, {"action": "assign", "person": "99999"}, follow=True)
    assert "Choose from the list" in words(wrong)


# ---------------------------------------------------------------- strangers


def test_a_stranger_repairs_nothing(world, sign_in):
    rows = failed(world, 1)
    stranger = sign_in(world.stranger)
    for action in ("send", "move", "dismiss", "assign", "snooze"):
        repair(stranger, rows, action, reason="x", snooze="4h", date="2030-01-01")
    assert fresh(rows)[0].status == Status.FAILED
    assert not Care.objects.exists()
    url = reverse("delivery_care", args=[rows[0].pk])
    assert stranger.post(url, {"action": "comment", "text": "x"}).status_code == 404
    assert sign_in(world.guest).post(reverse(REPAIR), {}).status_code == 403
    assert sign_in(world.guest).post(url, {}).status_code == 403


def test_numbers_without_end_are_rows_that_are_not_there(rita):
    page = repair(rita, [Post(pk=int("9" * 30))], "send")
    assert "These posts need nobody any more." in words(page)


def test_what_was_put_aside_is_counted_nowhere_as_needing_somebody(world, rita):
    away, here = failed(world, 2)
    Care.objects.create(
        delivery=away, snoozed_until=timezone.now() + timedelta(minutes=5)
    )
    for asked in ({}, {"status": "needs_me"}):
        page = rita.get(reverse("post_list"), {"tab": "needs_me", **asked})
        counts = {tab.key: tab.count for tab, _url in page.context["tabs"]}
        assert counts["needs_me"] == 1
        assert here.get_absolute_url() in words(page)
        assert away.get_absolute_url() not in words(page)
    Care.objects.update(snoozed_until=timezone.now() - timedelta(seconds=2))
    page = rita.get(reverse("post_list"), {"tab": "needs_me"})
    assert away.get_absolute_url() in words(page)

"""Posts at another time: wall clocks kept, reasons given, and the way back."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone

from publishing import moving
from publishing.models import Delivery, Post, schedule

pytestmark = pytest.mark.django_db
Status = Delivery.Status


@pytest.fixture
def planned(brand, author, make_account):
    """Make a scheduled post on a wall clock."""

    def make(day: date, wall: time, zone: str, account=None, text="Hello") -> Post:
        account = account or make_account()
        post = Post.objects.create(brand=brand, author=author, text=text)
        post.set_time(day, wall, zone)
        post.save()
        post.accounts.add(account)
        schedule(post, [account])
        return post

    return make


def soon(days: int = 10) -> date:
    return timezone.localdate() + timedelta(days=days)


def last_sunday(year: int, month: int) -> date:
    day = date(year, month + 1, 1) - timedelta(days=1)
    return day - timedelta(days=(day.weekday() + 1) % 7)


def first_sunday(year: int, month: int) -> date:
    day = date(year, month, 1)
    return day + timedelta(days=(6 - day.weekday()) % 7)


YEAR = timezone.now().year + 1
#: zone, the day on which its clocks change, hours that UTC moves on the wall clock
CHANGES = [
    ("Europe/Berlin", last_sunday(YEAR, 3), -1),
    ("Europe/Berlin", last_sunday(YEAR, 10), +1),
    ("Australia/Sydney", first_sunday(YEAR, 4), +1),
    ("Australia/Sydney", first_sunday(YEAR, 10), -1),
]


@pytest.mark.parametrize(("zone", "change", "shift"), CHANGES)
def test_days_keep_the_wall_clock_over_a_clock_change(
    planned, author, zone, change, shift
):
    post = planned(change - timedelta(days=2), time(9, 7), zone)
    before = post.due_at
    with timezone.override(zone):
        moving.move(author, post.pk, change + timedelta(days=2))
    post.refresh_from_db()
    assert (post.local_time, post.zone) == (time(9, 7), zone)
    assert post.local_date == change + timedelta(days=2)
    assert post.due_at - before == timedelta(days=4, hours=shift)
    assert post.deliveries.get().due_at == post.due_at
    assert post.useful_until - post.due_at == timedelta(hours=2)


@pytest.mark.parametrize(("zone", "change", "shift"), CHANGES)
def test_a_time_that_a_reader_elsewhere_chooses_is_that_instant(
    planned, author, zone, change, shift
):
    post = planned(change - timedelta(days=2), time(9, 7), zone)
    with timezone.override("America/New_York"):
        day = timezone.localtime(post.due_at).date() + timedelta(days=4)
        moving.move(author, post.pk, day, time(11, 7))
        post.refresh_from_db()
        assert timezone.localtime(post.due_at).time() == time(11, 7)
    assert post.zone == zone
    wall = datetime.combine(post.local_date, post.local_time)
    assert post.due_at.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == wall


def test_an_hour_of_the_same_zone_keeps_the_minutes_as_they_are_given(planned, author):
    post = planned(soon(), time(9, 7), "UTC")
    with timezone.override("UTC"):
        moved = moving.move(author, post.pk, soon(11), time(14, 7))
    post.refresh_from_db()
    assert post.due_at == datetime.combine(soon(11), time(14, 7), UTC)
    assert "14:07 (UTC)" in moved.sentence
    assert moved.number == 1


def test_undo_puts_back_all_that_the_move_has_changed(planned, author):
    post = planned(soon(), time(9, 0), "Europe/Berlin")
    post.useful_until += timedelta(hours=5)
    post.save()
    row = post.deliveries.get()
    Delivery.objects.filter(pk=row.pk).update(
        status=Status.HELD,
        hold=Delivery.Hold.ACCESS,
        held_at=timezone.now(),
        next_attempt_at=None,
        useful_until=post.useful_until,
    )
    names = ("status", "hold", "held_at", "due_at", "useful_until", "next_attempt_at")
    names = (*names, "release_at", "prepare_at")
    before = Delivery.objects.values(*names).get(pk=row.pk)
    times = (post.local_date, post.local_time, post.due_at, post.useful_until)
    moved = moving.move(author, post.pk, soon(12))
    row.refresh_from_db()
    assert (row.status, row.hold) == (Status.SCHEDULED, "")
    assert row.due_at == row.next_attempt_at == moved.post.due_at
    moving.undo(author, moved.undo)
    post.refresh_from_db()
    assert Delivery.objects.values(*names).get(pk=row.pk) == before
    assert (post.local_date, post.local_time, post.due_at, post.useful_until) == times


def test_undo_is_refused_once_anything_has_changed(planned, author, django_user_model):
    post = planned(soon(), time(9, 0), "UTC")
    moved = moving.move(author, post.pk, soon(12))
    other = django_user_model.objects.create_superuser("eve", "eve@example.com", "x")
    for who, key in ((other, moved.undo), (author, moved.undo + "x")):
        with pytest.raises(moving.Refused):
            moving.undo(who, key)
    # A pump has taken it.
    Delivery.objects.filter(post=post).update(fence=1, status=Status.PUBLISHING)
    with pytest.raises(moving.Refused, match="changed since"):
        moving.undo(author, moved.undo)
    post.refresh_from_db()
    assert post.due_at == moved.post.due_at  # half of it was not written either
    Delivery.objects.filter(post=post).update(fence=0, status=Status.SCHEDULED)
    post.save()  # somebody edited it
    with pytest.raises(moving.Refused, match="changed since"):
        moving.undo(author, moved.undo)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"status": Status.PUBLISHING}, "has begun"),
        ({"status": Status.UNCERTAIN}, "has begun"),
        ({"repeat_is_safe": True}, "has begun"),
        (
            {"status": Status.UNCERTAIN, "lease_expires_at": timezone.now()},
            "has begun",
        ),
        ({"status": Status.PUBLISHED, "external_id": "1"}, "is published"),
        ({"status": Status.FAILED}, "It failed"),
        ({"status": Status.CANCELLED}, "is cancelled"),
    ],
)
def test_what_has_left_stays_and_the_reason_is_said(planned, author, fields, why):
    post = planned(soon(), time(9, 0), "UTC")
    Delivery.objects.filter(post=post).update(**fields)
    with pytest.raises(moving.Refused, match=why):
        moving.move(author, post.pk, soon(12))
    assert Post.objects.get(pk=post.pk).due_at == post.due_at


def test_a_post_whose_files_leave_ahead_is_moved_and_moved_back(planned, author):
    post = planned(soon(), time(9, 0), "UTC")
    ahead = post.due_at - timedelta(hours=1)
    rows = Delivery.objects.filter(post=post)
    rows.update(prepare_lead_s=3600, prepare_at=ahead)
    moved = moving.move(author, post.pk, soon(12))
    assert {row.prepare_at for row in rows.all()} == {ahead + timedelta(days=2)}
    moving.undo(author, moved.undo)
    assert {row.prepare_at for row in rows.all()} == {ahead}
    # On their way already, they may still be moved: what was sent may do.
    rows.update(lease_expires_at=timezone.now(), prepare_at=ahead)
    moving.move(author, post.pk, soon(12))
    assert {row.due_at for row in rows.all()} == {post.due_at + timedelta(days=2)}


def test_the_past_another_version_and_the_right_are_refused(
    planned, author, brand, django_user_model
):
    post = planned(soon(), time(9, 0), "UTC")
    with pytest.raises(moving.Refused, match="is past"):
        moving.move(author, post.pk, timezone.localdate() - timedelta(days=2))
    with pytest.raises(moving.Refused, match="moved it meanwhile"):
        moving.move(author, post.pk, soon(12), seen=post.due_at - timedelta(hours=1))
    guest = django_user_model.objects.create_user("gus", "gus@example.com", "x")
    brand.members.add(guest)
    with pytest.raises(moving.Refused, match="Your role"):
        moving.move(guest, post.pk, soon(12))
    assert Post.objects.get(pk=post.pk).due_at == post.due_at


def test_a_post_of_another_brand_is_not_there(planned, django_user_model):
    from django.contrib.auth.models import Group

    from accounts.roles import MARKETING

    post = planned(soon(), time(9, 0), "UTC")
    stranger = django_user_model.objects.create_user("sten", "s@example.com", "x")
    stranger.groups.add(Group.objects.get_or_create(name=MARKETING)[0])
    with pytest.raises(moving.Refused, match="not yours"):
        moving.move(stranger, post.pk, soon(12))


def test_a_risk_that_waits_at_the_new_time_is_named(planned, author, make_account):
    account = make_account(expires_at=timezone.now() + timedelta(days=11))
    post = planned(soon(5), time(9, 0), "UTC", account)
    with pytest.raises(moving.Refused, match=r"access to Acme Tools ends"):
        moving.move(author, post.pk, soon(20))
    # A risk that it has anyway is no reason to stay.
    late = planned(soon(20), time(9, 0), "UTC", account, text="Another")
    moving.move(author, late.pk, soon(21))


def test_the_same_words_within_a_day_are_named(planned, author, make_account):
    account = make_account()
    planned(soon(8), time(9, 0), "UTC", account, text="Same")
    post = planned(soon(5), time(9, 0), "UTC", account, text="Same")
    with pytest.raises(moving.Refused, match="says the same"):
        moving.move(author, post.pk, soon(8))
    post.deliveries.update(twice_allowed=True)
    moving.move(author, post.pk, soon(8))


def test_a_draft_moves_with_its_time(author, brand):
    post = Post.objects.create(brand=brand, author=author, text="Half")
    post.set_time(soon(), time(9, 0), "UTC")
    post.save()
    moved = moving.move(author, post.pk, soon(12))
    assert moved.number == 0
    post.refresh_from_db()
    assert (post.local_date, post.state) == (soon(12), Post.State.DRAFT)

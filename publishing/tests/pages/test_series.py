"""Posts that come again: one row a day, on the wall clock, changed from a day on."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.db import IntegrityError
from django.urls import reverse
from django.utils import timezone

from publishing import repeating, tasks, twice
from publishing.models import Delivery, Post, Series, schedule

from .test_calendar import cards


def plan(world, day: date | None = None, wall=time(9), zone="Europe/Berlin"):
    post = Post.objects.create(
        brand=world.brand, author=world.ana, text="Tip of the day"
    )
    post.set_time(day or timezone.localdate() + timedelta(days=2), wall, zone)
    post.save()
    post.accounts.add(world.x)
    schedule(post, [world.x])
    return post


def begin(client, post, action="start", **fields):
    return client.post(
        reverse("post_repeat", args=[post.pk]),
        {
            "kind": "weekly",
            "interval": "1",
            "ends": "never",
            "action": action,
            **fields,
        },
        follow=True,
    )


def rule(**fields) -> Series:
    return Series(
        **{
            "kind": "weekly",
            "weekdays": "0",
            "wall": time(9),
            "zone": "Europe/Berlin",
            "first_on": date(2027, 1, 4),  # a Monday
            **fields,
        }
    )


@pytest.mark.parametrize(
    ("fields", "days"),
    [
        ({}, ["2027-01-04", "2027-01-11", "2027-01-18", "2027-01-25"]),
        ({"weekdays": "03"}, ["2027-01-04", "2027-01-07", "2027-01-11", "2027-01-14"]),
        ({"interval": 2}, ["2027-01-04", "2027-01-18", "2027-02-01"]),
        ({"count": 2}, ["2027-01-04", "2027-01-11"]),
        ({"last_on": date(2027, 1, 11)}, ["2027-01-04", "2027-01-11"]),
        (
            {"kind": "monthly", "first_on": date(2027, 1, 31)},
            ["2027-01-31", "2027-02-28", "2027-03-31", "2027-04-30"],
        ),
    ],
)
def test_a_rule_has_its_days(fields, days):
    found = [day.isoformat() for day in rule(**fields).days(date(2028, 1, 1))]
    assert found[: len(days)] == days
    if "count" in fields or "last_on" in fields:
        assert found == days


@pytest.mark.parametrize(
    ("zone", "now", "said"),
    [
        (
            "Europe/Berlin",
            datetime(2027, 2, 1, tzinfo=UTC),
            "Every Monday, 09:00 (Europe/Berlin); now this is 08:00 UTC; "
            "from 29 Mar 2027 this is 07:00 UTC; from 1 Nov 2027 this is 08:00 UTC",
        ),
        (
            "Australia/Sydney",
            datetime(2027, 2, 1, tzinfo=UTC),
            "Every Monday, 09:00 (Australia/Sydney); now this is 22:00 UTC; "
            "from 5 Apr 2027 this is 23:00 UTC; from 4 Oct 2027 this is 22:00 UTC",
        ),
    ],
)
def test_the_preview_tells_what_clock_changes_do(zone, now, said):
    assert repeating.preview(rule(zone=zone), now).sentence == said


def test_the_preview_names_days_whose_clock_shows_its_hour_not_at_all_or_twice():
    sundays = rule(
        zone="Australia/Sydney",
        weekdays="6",
        wall=time(2, 30),
        first_on=date(2027, 3, 28),
    )
    shown = repeating.preview(sundays, datetime(2027, 3, 1, tzinfo=UTC))
    assert shown.sentence.partition("; ")[2] == (
        "now this is 15:30 UTC; from 11 Apr 2027 this is 16:30 UTC; "
        "from 10 Oct 2027 this is 15:30 UTC"
    )
    back, forward = shown.notes
    assert "02:30 comes twice on 4 April 2027 in Australia/Sydney" in back
    assert "02:30 does not exist on 3 October 2027" in forward


def test_the_preview_comes_first_and_makes_nothing(world, ana):
    post = plan(world)
    page = begin(ana, post, action="look").content.decode()
    assert "09:00 (Europe/Berlin)" in page
    assert "UTC" in page
    assert "Start the series" in page
    assert not Series.objects.exists()
    page = begin(ana, post, ends="on", last_on="2001-01-01").content.decode()
    assert "Choose a day after the first one" in page
    assert "Write how many" in begin(ana, post, ends="after").content.decode()


def test_a_series_stands_in_the_calendar_on_the_wall_clock(world, ana):
    post = plan(world)
    begin(ana, post)
    series = Series.objects.get()
    rows = list(series.posts.order_by("due_at"))
    assert rows[0].pk == post.pk
    assert len(rows) == len(list(series.days(timezone.localdate() + repeating.HORIZON)))
    for row in rows:
        assert (row.local_time, row.zone) == (time(9), "Europe/Berlin")
        assert row.local_date == row.occurrence_on
        local = row.due_at.astimezone(ZoneInfo("Europe/Berlin"))
        assert (local.date(), local.time()) == (row.local_date, time(9))
        delivery = row.deliveries.get()
        assert (delivery.due_at, delivery.account) == (row.due_at, world.x)
        assert row.text == "Tip of the day"
    card = next(card for card in cards(ana) if card["id"] == post.pk)
    assert card["r"] == 1
    # The pattern is no draft and goes nowhere.
    drafts = ana.get(reverse("post_list"), {"tab": "drafts"})
    assert drafts.context["rows"] == []
    assert not series.pattern.deliveries.exists()


def test_each_day_has_one_row_however_often_it_is_asked_for(world, ana):
    begin(ana, plan(world))
    number = Post.objects.count()
    tasks.make_occurrences()
    series = Series.objects.get()
    assert repeating.make(series, timezone.now()) == 0
    assert Post.objects.count() == number
    # Somebody else is a moment faster: the database refuses the second one.
    day = series.posts.latest("occurrence_on").occurrence_on
    assert not repeating._make_one(series.pk, day, timezone.now())
    assert Post.objects.count() == number
    twin = plan(world)
    with pytest.raises(IntegrityError):
        Post.objects.filter(pk=twin.pk).update(series=series, occurrence_on=day)


def test_time_goes_on_and_the_schedule_makes_what_is_next(world, ana):
    begin(ana, plan(world))
    series = Series.objects.get()
    last = series.posts.latest("occurrence_on").occurrence_on
    later = timezone.now() + timedelta(days=21)
    assert repeating.make_all(later) == 3
    assert series.posts.latest("occurrence_on").occurrence_on == last + timedelta(21)


def test_what_was_missed_is_not_made_up_for(world, ana):
    begin(ana, plan(world))
    series = Series.objects.get()
    much_later = timezone.now() + timedelta(days=200)
    repeating.make(series, much_later)
    made = series.posts.filter(due_at__gt=timezone.now() + timedelta(days=70))
    assert made.exists()
    assert all(post.due_at > much_later for post in made)


def test_a_cancelled_occurrence_does_not_come_back(world, ana):
    begin(ana, plan(world))
    series = Series.objects.get()
    post = series.posts.order_by("occurrence_on")[2]
    ana.post(reverse("post_cancel", args=[post.pk]))
    tasks.make_occurrences()
    rows = series.posts.filter(occurrence_on=post.occurrence_on)
    assert [row.state for row in rows] == [Post.State.CANCELLED]


def test_daily_words_do_not_trip_over_the_guard_against_doubles(world, ana):
    post = plan(world)
    look = begin(ana, post, action="look", weekdays=list("0123456")).content.decode()
    assert "The same words go to the same account within a day" in look
    begin(ana, post, weekdays=list("0123456"))
    rows = Delivery.objects.filter(post__series__isnull=False).order_by("due_at")
    assert rows.count() > 50
    assert all(row.twice_allowed for row in rows)
    first, second = rows[:2]
    Delivery.objects.filter(pk=first.pk).update(
        status="published", external_id="1", published_at=first.due_at
    )
    assert twice.others([second], second.due_at) == {}


def test_weekly_words_keep_the_guard(world, ana):
    begin(ana, plan(world))
    assert not Delivery.objects.filter(twice_allowed=True).exists()


def test_this_one_alone_or_all_that_follow(world, ana):
    begin(ana, plan(world))
    series = Series.objects.get()
    first, second, third, fourth = series.posts.order_by("occurrence_on")[:4]
    # This one alone: like any edit.
    second.text = "Only this week"
    second.set_time(second.local_date, time(10, 30), second.zone)
    second.save()
    second.deliveries.update(due_at=second.due_at, next_attempt_at=second.due_at)
    assert Post.objects.get(pk=third.pk).text == "Tip of the day"
    address = reverse("post_follow", args=[second.pk])
    assert "10:30" in ana.get(address).content.decode()
    ana.post(address)
    first.refresh_from_db()
    assert first.text == "Tip of the day"
    for row in (third, fourth):
        row.refresh_from_db()
        assert (row.text, row.local_time) == ("Only this week", time(10, 30))
        assert row.deliveries.get().due_at == row.due_at
        assert row.local_date == row.occurrence_on
    # And so are those that are made later.
    repeating.make_all(timezone.now() + timedelta(days=21))
    last = series.posts.latest("occurrence_on")
    assert (last.text, last.local_time) == ("Only this week", time(10, 30))


def test_the_composer_saves_one_or_leads_to_those_that_follow(world, ana):
    begin(ana, plan(world))
    _first, second, third = Series.objects.get().posts.order_by("occurrence_on")[:3]
    address = reverse("post_edit", args=[second.pk])
    page = ana.get(address).content.decode()
    assert "Save this post alone" in page

    def save(action, text):
        form = {
            "brand": world.brand.pk,
            "text": text,
            "accounts": [world.x.pk],
            "when": "at",
            "date": second.local_date.isoformat(),
            "time": "09:00",
            "zone": "Europe/Berlin",
            "action": action,
        }
        return ana.post(address, form)

    assert save("schedule", "Alone").url == second.get_absolute_url()
    answer = save("following", "All of them")
    assert answer.url == reverse("post_follow", args=[second.pk])
    assert Post.objects.get(pk=second.pk).text == "All of them"
    assert Post.objects.get(pk=third.pk).text == "Tip of the day"
    ana.post(answer.url)
    assert Post.objects.get(pk=third.pk).text == "All of them"


def test_accounts_that_were_taken_off_stay_off_and_the_rest_is_changed(world, ana):
    post = plan(world)
    post.accounts.add(world.mastodon)
    schedule(post, [world.mastodon])
    begin(ana, post)
    series = Series.objects.get()
    _first, second, third = series.posts.order_by("occurrence_on")[:3]
    follow = reverse("post_follow", args=[second.pk])
    second.accounts.remove(world.mastodon)
    ana.post(follow)
    third = Post.objects.get(pk=third.pk)
    states = dict(third.deliveries.values_list("account__platform", "status"))
    assert states == {"x": "scheduled", "mastodon": "cancelled"}
    Post.objects.filter(pk=second.pk).update(text="Once more")
    ana.post(follow)
    assert Post.objects.get(pk=third.pk).text == "Once more"


def test_a_series_ends_and_what_waits_is_cancelled(world, ana):
    begin(ana, plan(world))
    series = Series.objects.get()
    page = ana.get(reverse("series_detail", args=[series.pk])).content.decode()
    assert "Ending the series cancels the" in page
    ana.post(reverse("series_end", args=[series.pk]))
    assert set(Delivery.objects.values_list("status", flat=True)) == {"cancelled"}
    assert repeating.make_all(timezone.now() + timedelta(days=30)) == 0
    assert "Ended" in ana.get(reverse("series_list")).content.decode()


def test_who_may_not_write_begins_and_ends_nothing(world, ana, sign_in):
    post = plan(world)
    assert begin(sign_in(world.rita), post).status_code == 403
    assert begin(sign_in(world.stranger), post).status_code == 404
    begin(ana, post)
    series = Series.objects.get()
    for user, status in ((world.rita, 403), (world.stranger, 404)):
        client = sign_in(user)
        end = reverse("series_end", args=[series.pk])
        assert client.post(end).status_code == status
        follow = reverse("post_follow", args=[post.pk])
        assert client.post(follow).status_code == status
    series.refresh_from_db()
    assert series.ended_at is None


def test_one_broken_series_keeps_no_other_from_going_on(world, ana, monkeypatch):
    begin(ana, plan(world))
    other = plan(world, wall=time(15))
    Post.objects.filter(pk=other.pk).update(text="Another")
    begin(ana, other)
    broken = Series.objects.earliest("pk")
    make_one = repeating._make_one

    def breaks(pk, day, now):
        if pk == broken.pk:
            raise RuntimeError("broken")
        return make_one(pk, day, now)

    monkeypatch.setattr(repeating, "_make_one", breaks)
    assert repeating.make_all(timezone.now() + timedelta(days=14)) == 2


def test_an_occurrence_says_what_the_series_says_as_it_is_made(world, ana):
    post = plan(world)
    begin(ana, post)
    stale = Series.objects.select_related("pattern__brand", "author").get()
    assert str(stale.pattern) == "Tip of the day"
    post.refresh_from_db()
    Post.objects.filter(pk=post.pk).update(text="Mended", local_time=time(17))
    post.refresh_from_db()
    repeating.change_following(world.ana, post)
    # Whoever had read the series before makes the next days.
    later = timezone.now() + timedelta(days=30)
    assert repeating.make(stale, later)
    made = Post.objects.filter(series=stale, due_at__gt=later)
    assert set(made.values_list("text", "local_time")) == {("Mended", time(17))}


# ---------------------------------------------------------------- another rule


def ask(client, series, action="look", **fields):
    data = {
        "kind": "weekly",
        "interval": "1",
        "ends": "never",
        "weekdays": [str(series.first_on.weekday())],
        "first_on": timezone.localdate(timezone=ZoneInfo(series.zone)).isoformat(),
        "wall": f"{series.wall:%H:%M}",
        "zone": series.zone,
        "action": action,
        **fields,
    }
    url = reverse("series_rule", args=[series.pk])
    page = client.post(url, data)
    if action == "change" and page.status_code == 200 and "mark" not in fields:
        data["mark"] = page.context["plan"].mark
        page = client.post(url, data, follow=True)
    return page


def days_of(series) -> dict[int, tuple]:
    rows = series.posts.exclude(state="cancelled").order_by("occurrence_on")
    return {p.pk: (p.occurrence_on, p.local_time, p.local_date) for p in rows}


def test_another_day_and_time_move_what_follows_the_series(world, ana):
    begin(ana, plan(world))
    series = Series.objects.get()
    posts = list(series.posts.order_by("occurrence_on"))
    sent, edited, moved = posts[0], posts[1], posts[2]
    Delivery.objects.filter(post=sent).update(status="publishing")
    Post.objects.filter(pk=edited.pk).update(text="Only today")
    Post.objects.filter(pk=moved.pk).update(local_time=time(11))
    posts[3].deliveries.get().cancel()
    Post.objects.filter(pk=posts[3].pk).update(state="cancelled")
    before = days_of(series)
    other = str((series.first_on.weekday() + 1) % 7)
    page = ask(ana, series, weekdays=[other], wall="10:30")
    shown = page.context["plan"]
    assert [(post.pk, why) for post, why in shown.stays] == [
        (sent.pk, "Sending has begun, or is over."),
        (edited.pk, "Somebody has changed it alone."),
        (moved.pk, "Somebody has moved it."),
    ]
    assert [effect.post.pk for effect in shown.moves] == [p.pk for p in posts[4:]]
    assert days_of(series) == before
    assert "stay as they are" in page.content.decode()
    # What was looked at is done, and nothing else.
    page = ask(ana, series, "change", weekdays=[other], wall="10:30", mark="other")
    assert "have changed meanwhile" in page.content.decode()
    assert days_of(series) == before
    ask(ana, series, "change", weekdays=[other], wall="10:30")
    after = days_of(series)
    assert {pk: after[pk] for pk in (sent.pk, edited.pk, moved.pk)} == {
        pk: before[pk] for pk in (sent.pk, edited.pk, moved.pk)
    }
    for post in posts[4:]:
        day, wall, local = after[post.pk]
        assert (str(day.weekday()), wall, local) == (other, time(10, 30), day)
        assert (
            Delivery.objects.get(post=post).due_at
            == Post.objects.get(pk=post.pk).due_at
        )
    assert len({day for day, _wall, _local in after.values()}) == len(after)
    # The cancelled day stays empty; asking again changes nothing.
    assert repeating.make(Series.objects.get(), timezone.now()) == 0
    again = ask(ana, Series.objects.get(), weekdays=[other], wall="10:30").context[
        "plan"
    ]
    assert (again.moves, again.goes, again.made) == ([], [], [])


def test_fewer_days_cancel_and_more_days_make(world, ana):
    begin(ana, plan(world))
    series = Series.objects.get()
    number = series.posts.count()
    weekday = str(series.first_on.weekday())
    first = series.first_on.isoformat()
    ask(ana, series, "change", weekdays=[weekday], interval="2", first_on=first)
    kept = days_of(series)
    assert len(kept) == (number + 1) // 2
    assert Delivery.objects.filter(status="cancelled").count() == number - len(kept)
    series.refresh_from_db()
    Series.objects.update(count=3)
    page = ana.get(reverse("series_rule", args=[series.pk]))
    assert page.context["form"]["count"].value() == 3
    both = [weekday, str((int(weekday) + 3) % 7)]
    ask(ana, series, "change", weekdays=both, interval="2", first_on=first)
    after = days_of(series)
    assert {pk: after[pk] for pk in kept} == kept
    assert len(after) > len(kept)


def test_a_new_time_asks_for_approval_again(world, ana):
    begin(ana, plan(world))
    world.brand.approval_steps = 1
    world.brand.save()
    series = Series.objects.get()
    ask(ana, series, "change", wall="10:30")
    holds = set(Delivery.objects.values_list("status", "hold", "approvals_missing"))
    assert holds == {("held", "approval", 1)}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"weekdays": []}, "Choose at least one day of the week."),
        ({"first_on": "2020-01-01"}, "Choose a day from today until"),
        ({"zone": "Mars"}, "Unknown time zone"),
        ({"ends": "on", "last_on": "2020-01-01"}, "nothing comes again"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_in_words(world, ana, fields, words):
    begin(ana, plan(world))
    page = ask(ana, Series.objects.get(), **fields)
    assert (page.status_code, words in page.content.decode()) == (422, True)


def test_only_writers_of_the_brand_change_a_rule_and_none_of_an_ended_series(
    world, ana, sign_in
):
    begin(ana, plan(world))
    series = Series.objects.get()
    url = reverse("series_rule", args=[series.pk])
    assert sign_in(world.rita).get(url).status_code == 403
    assert sign_in(world.stranger).get(url).status_code == 404
    assert ana.get(url).status_code == 200
    repeating.end(world.ana, series, timezone.localdate())
    assert ana.get(url).status_code == 302

"""The pretended platforms do what their documents say, clock changes included."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from socialhub.simulation.pretended import (
    DAY,
    HOUR,
    Aligned,
    Ask,
    Bluesky,
    FromFirst,
    LinkedIn,
    Mastodon,
    Month,
    Moving,
    PacificDay,
    Who,
    X,
    YouTube,
    pacific,
)
from socialhub.simulation.pretended_meta import Facebook, Instagram, Threads
from socialhub.simulation.pretended_more import (
    Ayrshare,
    Outstand,
    Pinterest,
    Snapchat,
    TikTok,
)

ME = Who(1, 11, 101)


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize("year", [2024, 2025, 2026, 2027, 2028])
def test_californias_clock_is_right_for_every_hour_of_the_year(year):
    zone = ZoneInfo("America/Los_Angeles")
    moment = datetime(year, 1, 1, tzinfo=UTC)
    while moment.year == year:
        told = pacific(moment.timestamp())
        assert told == moment.astimezone(zone).replace(tzinfo=None), moment
        moment += timedelta(hours=1)


@pytest.mark.parametrize(
    ("moment", "ends"),
    [
        ("2026-03-07T20:00", "2026-03-08T08:00"),  # still winter
        ("2026-03-08T20:00", "2026-03-09T07:00"),  # the day had 23 hours
        ("2026-10-31T20:00", "2026-11-01T07:00"),  # still summer
        ("2026-11-01T20:00", "2026-11-02T08:00"),  # the day had 25 hours
    ],
)
def test_youtubes_day_ends_at_midnight_pacific(moment, ends):
    window = PacificDay(100)
    window.add(100, at(moment), figures=False)
    assert window.ends_at(at(moment)) == at(ends)
    assert window.room(at(ends) - 1) == 0
    assert window.room(at(ends)) == 100


def test_a_window_from_the_first_call_refills_at_once_at_its_end():
    window = FromFirst(2, 900)
    window.add(1, 1000, figures=False)
    window.add(1, 1899, figures=False)
    assert window.room(1899) == 0
    assert window.ends_at(1899) == 1900
    assert window.room(1900) == 2
    window.add(1, 5000, figures=False)
    assert window.ends_at(5000) == 5900


def test_a_moving_window_gives_back_each_call_at_its_own_time():
    window = Moving(2, DAY)
    window.add(1, 0, figures=False)
    window.add(1, HOUR, figures=True)
    assert window.room(DAY - 1) == 0
    assert window.room(DAY) == 1
    assert window.figures == 1
    assert window.room(DAY + HOUR) == 2
    assert window.figures == 0


def test_an_aligned_window_and_a_month_end_by_the_calendar():
    day = Aligned(10)
    day.add(10, at("2026-05-01T23:45"), figures=False)
    assert day.room(at("2026-05-01T23:59:59")) == 0
    assert day.room(at("2026-05-02T00:00")) == 10
    month = Month(10)
    month.add(10, at("2026-02-10T00:00"), figures=False)
    assert month.ends_at(at("2026-02-28T23:00")) == at("2026-03-01T00:00")
    assert month.room(at("2026-03-01T00:00")) == 10


def test_x_counts_user_app_day_and_money_and_a_link_costs_more():
    x = X(0, posts_per_app=10_000, posts_per_user=17, budgets={1: 1_000})
    plain, link = Ask("POST /2/tweets"), Ask("POST /2/tweets", link=True)
    for _ in range(5):
        assert x.answer(link, ME, 0, figures=False).status == 200
    refused = x.answer(plain, ME, 1, figures=False)
    assert refused.status == 402
    assert refused.full == (("money", 1),)
    # A refused call costs nothing and fills nothing.
    assert refused.headers["x-rate-limit-remaining"] == "95"
    assert refused.headers["x-user-limit-24hour-limit"] == "17"


def test_x_tells_the_end_of_the_window_that_the_first_call_opened():
    x = X(5, posts_per_app=10_000, posts_per_user=200, budgets={1: 10_000})
    for second in (100, 200):
        reply = x.answer(Ask("POST /2/tweets"), ME, second, figures=False)
        assert reply.headers["x-rate-limit-reset"] == str(105 + 900)
        assert reply.headers["x-app-limit-24hour-reset"] == str(105 + DAY)


def test_linkedins_clock_decides_when_its_day_ends():
    late = LinkedIn(-4, {1: (500, 1)})
    midnight = at("2026-05-02T00:00")
    ask = Ask("POST /rest/posts")
    assert late.answer(ask, ME, midnight - 900, figures=False).status == 200
    assert late.answer(ask, ME, midnight + 3, figures=False).status == 429
    assert late.answer(ask, ME, midnight + 4, figures=False).status == 200


def test_linkedin_counts_each_endpoint_and_each_member_on_its_own():
    linkedin = LinkedIn(0, {1: (3, 2)})
    ask = Ask("POST /rest/posts")
    other = Who(1, 12, 102)
    assert [linkedin.answer(ask, ME, 0, figures=False).status for _ in range(3)] == [
        200,
        200,
        429,
    ]
    assert linkedin.answer(ask, other, 0, figures=False).status == 200
    full = linkedin.answer(ask, other, 0, figures=False).full
    assert full == (("POST /rest/posts application", (1,)),)
    assert linkedin.answer(Ask("POST /rest/images"), ME, 0, figures=False).status == 200


def test_youtubes_uploads_and_units_are_counted_apart():
    youtube = YouTube()
    uploads = Ask("POST videos.insert", times=100)
    assert youtube.answer(uploads, ME, 0, figures=False).status == 200
    refused = youtube.answer(Ask("POST videos.insert"), ME, 0, figures=False)
    assert refused.full == (("Video Uploads", 1),)
    thumbs = Ask("POST thumbnails.set", times=200)
    assert youtube.answer(thumbs, ME, 0, figures=False).status == 200
    assert youtube.answer(Ask("GET videos.list"), ME, 0, figures=True).status == 429


def test_metas_throttled_calls_still_count_but_a_post_not_made_does_not():
    meta = Instagram(0, 1000, app_hour=2, person_hour=100, quotas={101: 1})
    publish = Ask("POST /:ig/media_publish")
    assert meta.answer(publish, ME, 0, figures=False).status == 200
    assert meta.answer(publish, ME, 1, figures=False).status == 429
    assert meta.answer(publish, ME, DAY, figures=False).status == 200
    look = Ask("GET /:ig?business_discovery")
    answers = [meta.answer(look, ME, t, figures=True).status for t in (0, 1, 1800)]
    assert answers == [200, 200, 429]
    # The refused one at half past is still in the hour.
    assert meta.answer(look, ME, 3602, figures=True).status == 200
    assert meta.answer(look, ME, 3603, figures=True).status == 429


def test_meta_tells_the_quota_of_an_account_when_asked():
    meta = Instagram(0, 1000, app_hour=200, person_hour=100, quotas={101: 25})
    meta.answer(Ask("POST /:ig/media_publish"), ME, 0, figures=False)
    asked = meta.answer(Ask("GET /:ig/content_publishing_limit"), ME, 1, figures=False)
    told = json.loads(asked.headers["x-content-publishing-usage"])
    assert told == {"total": 25, "used": 1}


def test_meta_counts_an_account_a_person_and_the_app_apart():
    meta = Facebook(0, calls=2, app_hour=3, person_hour=2)
    pages, posts = Ask("GET /me/accounts", times=2), Ask("POST /:page/feed", times=2)
    assert meta.answer(pages, ME, 0, figures=False).status == 200
    assert meta.answer(posts, ME, 0, figures=False).status == 200
    mine = meta.answer(Ask("GET /me/accounts"), ME, 1, figures=False)
    assert mine.full == (("person in an hour", ME.token),)
    # Refused ones count: the app's hour is full now as well.
    token = meta.answer(Ask("GET /debug_token"), ME, 2, figures=False)
    assert token.full == (("app in an hour", ME.app),)
    page = meta.answer(Ask("POST /:page/feed"), ME, HOUR, figures=False)
    assert page.full == (("business use case", (ME.app, ME.account)),)


def test_the_later_parts_of_a_thread_are_replies():
    meta = Threads(0, 1000)
    parts = Ask("POST /:user/threads_publish (part)", times=1_000)
    meta.calls = 10_000
    assert meta.answer(parts, ME, 0, figures=False).status == 200
    assert meta.answer(parts._replace(times=1), ME, 1, figures=False).status == 429
    first = Ask("POST /:user/threads_publish")
    assert meta.answer(first, ME, 1, figures=False).status == 200


def test_tiktoks_minute_slides_and_a_creator_has_a_day():
    tiktok, film = TikTok(), Ask("POST /v2/post/publish/video/init/")
    for second in range(0, 30, 5):
        assert tiktok.answer(film, ME, second, figures=False).status == 200
    assert tiktok.answer(film, ME, 59, figures=False).full == ((film.key, ME.token),)
    photo = Ask("POST /v2/post/publish/content/init/ (DIRECT_POST)", times=6)
    assert tiktok.answer(photo, ME, 59, figures=False).status == 200
    assert tiktok.answer(film._replace(times=3), ME, 100, figures=False).status == 200
    assert tiktok.answer(film, ME, 200, figures=False).full == (("creator", 101),)


def test_pinterests_trial_has_a_day_beside_its_minutes():
    net, pin = Pinterest(0, frozenset({ME.app})), Ask("POST /pins", times=100)
    for minute in range(3):
        reply = net.answer(pin, ME, minute * 60, figures=False)
        assert reply.status == 200
    assert reply.headers["x-ratelimit-limit"] in {"100", "300"}
    refused = net.answer(pin._replace(times=1), ME, 180, figures=False)
    assert refused.full == (("trial writes", ME.app),)
    assert refused.headers["x-ratelimit-reset"] == str(DAY - 180)
    other = ME._replace(app=2)
    assert net.answer(pin, other, 180, figures=False).status == 200


def test_snapchat_counts_on_average():
    snap, call = Snapchat(), Ask("GET /public_profiles/:id", times=600)
    assert snap.answer(call, ME, 0, figures=False).status == 200
    assert snap.answer(call, ME, 30, figures=False).full == (("token", ME.token),)
    assert snap.answer(call, ME._replace(token=12), 30, figures=False).status == 200


def test_ayrshares_month_begins_at_seven_past():
    broker, post = Ayrshare(0, {ME.token: 1}), Ask("POST /post")
    first = broker.answer(post, ME, at("2026-10-31T12:00"), figures=False)
    assert first.headers == {"x-ratelimit-max": "300", "x-ratelimit-count": "1"}
    late = broker.answer(post, ME, at("2026-11-01T00:06"), figures=False)
    assert late.full == (("posts", ME.token),)
    assert broker.answer(post, ME, at("2026-11-01T00:07"), figures=False).status == 200


def test_outstand_tells_what_a_minute_has():
    relay = Outstand(0, minute=60, plan=100)
    reply = relay.answer(Ask("POST /posts"), ME, 61, figures=False)
    assert reply.headers["x-ratelimit-limit"] == "60"
    assert reply.headers["x-ratelimit-remaining"] == "59"


def test_mastodon_tells_of_statuses_in_place_of_the_tightest():
    server = Mastodon(0, {("statuses", 1): 50})
    reply = server.answer(Ask("POST /api/v1/statuses"), ME, 60, figures=False)
    assert reply.headers["x-ratelimit-limit"] == "50"
    assert reply.headers["x-ratelimit-reset"] == "1970-01-01T03:00:00.000000Z"
    media = server.answer(Ask("POST /api/v2/media"), ME, 60, figures=False)
    assert media.headers["x-ratelimit-limit"] == "30"


def test_bluesky_tells_of_its_tightest_window_with_its_length():
    server = Bluesky(0)
    ask = Ask("POST com.atproto.repo.uploadBlob")
    reply = server.answer(ask, ME, 50, figures=False)
    assert reply.headers["ratelimit-policy"] == "1000;w=86400"
    assert reply.headers["ratelimit-reset"] == str(50 + DAY)


def test_it_tells_whether_a_post_would_have_passed_without_the_figures():
    youtube = YouTube()
    youtube.answer(Ask("GET videos.list", times=9_980), ME, 0, figures=True)
    post = [Ask("POST videos.insert"), Ask("POST thumbnails.set")]
    assert not youtube.would_admit(post, ME, 0)
    assert youtube.would_admit(post, ME, 0, without_figures=True)
    assert youtube.figures_took(post, ME, 0)
    assert not youtube.figures_took([Ask("POST videos.insert")], ME, 0)

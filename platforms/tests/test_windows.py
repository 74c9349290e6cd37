"""Windows as data, also of platforms that nobody can connect yet."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from platforms import registry
from platforms.base import WindowKind
from platforms.x.spec import LIMITS
from platforms.x.spec import SPEC as X

FOLDER = Path(__file__).resolve().parent.parent
LATER = sorted(path.parent.name for path in FOLDER.glob("*/windows.py"))


def units(calls, key):
    return next(call.draws for call in calls if call.key == key)


@pytest.fixture(params=LATER)
def windows(request):
    return import_module(f"platforms.{request.param}.windows")


def test_the_platforms_to_come_have_their_windows():
    assert {"youtube", "instagram", "facebook", "threads", "tiktok"} <= set(LATER)


def test_every_draw_points_to_a_bucket_and_every_bucket_is_drawn_on(windows):
    keys = [bucket.key for bucket in windows.BUCKETS]
    assert len(keys) == len(set(keys))
    drawn = {key for draws in windows.DRAWS.values() for key in draws}
    assert drawn == set(keys)


def test_units_and_sizes_are_positive_and_windows_have_a_length(windows):
    assert all(n > 0 for draws in windows.DRAWS.values() for n in draws.values())
    for bucket in windows.BUCKETS:
        assert bucket.size is None or bucket.size > 0
        assert bucket.window_s > 0
        assert bucket.partition in {"app", "token", "account", "ip"}


def test_no_call_alone_needs_more_than_a_whole_window(windows):
    sizes = {bucket.key: bucket.size for bucket in windows.BUCKETS}
    for call, draws in windows.DRAWS.items():
        for key, n in draws.items():
            assert sizes[key] is None or n <= sizes[key], call


def test_days_have_the_length_of_a_day(windows):
    days = {WindowKind.FIXED_UTC_DAY, WindowKind.FIXED_PACIFIC_DAY}
    for bucket in windows.BUCKETS:
        assert bucket.window not in days or bucket.window_s == 24 * 3600


def test_a_call_names_its_method_first(windows):
    methods = {"GET", "POST", "PUT", "PATCH", "DELETE"}
    assert {call.split(" ", 1)[0] for call in windows.DRAWS} <= methods


@pytest.mark.parametrize(
    ("call", "thousandths"),
    [
        ("POST /2/tweets", 15),
        ("GET /2/users/me", 10),
        ("GET /2/tweets", 5),
        ("GET /2/tweets/:id", 5),
        ("GET /2/users/:id/tweets", 25),
        ("GET /2/users/:id/mentions", 50),
        ("GET /2/tweets/search/recent", 50),
        ("DELETE /2/tweets/:id", 10),
        ("PUT /2/tweets/:id/hidden", 10),
        ("POST /2/media/metadata", 5),
    ],
)
def test_what_x_charges_is_drawn_on_its_credits(call, thousandths):
    assert units(X.calls, call)["credits"] == thousandths


def test_each_post_that_x_hands_out_is_counted_against_its_month():
    for call in X.calls:
        reads = call.draws.get("post_reads", 0)
        assert call.draws.get("credits", 0) >= reads * 5, call.key


def test_each_call_of_x_draws_on_all_windows_that_its_table_names():
    for call in X.calls:
        if call.key in LIMITS:
            user, app, _ = LIMITS[call.key]
            assert (f"{call.key}:user" in call.draws) == (user is not None)
            assert (f"{call.key}:app" in call.draws) == (app is not None)


@pytest.mark.trap("pinterest", 13)
@pytest.mark.parametrize("slug", sorted(set(LATER) & set(registry.PLATFORMS)))
def test_a_platform_that_can_be_connected_draws_as_its_windows_say(slug):
    windows, spec = import_module(f"platforms.{slug}.windows"), registry.spec(slug)
    assert spec.buckets == windows.BUCKETS
    for call, draws in windows.DRAWS.items():
        assert spec.call(call).draws == draws

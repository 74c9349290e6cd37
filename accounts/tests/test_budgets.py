"""What a platform takes money for is said, with what stops it."""

from __future__ import annotations

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts import budgets, limits
from accounts.limits import BucketId, set_size
from accounts.models import Network, PlatformApp

pytestmark = pytest.mark.django_db


@pytest.fixture
def app() -> PlatformApp:
    return PlatformApp.objects.create(
        platform="x", network=Network.LIVE, client_id="c", client_secret="s"
    )


@pytest.fixture
def admin(author, client):
    author.is_superuser = author.is_staff = True
    author.save()
    client.force_login(author)
    return client


def page(client, app: PlatformApp) -> str:
    html = client.get(reverse("platform_app_edit", args=[app.pk])).content.decode()
    return " ".join(html.split())


def credits_of(app: PlatformApp) -> BucketId:
    return BucketId("x", "credits", f"app:{app.pk}")


@pytest.mark.trap("x", 7)
def test_the_page_of_an_app_says_what_posts_cost_and_that_nothing_stops_it(admin, app):
    shown = page(admin, app)
    assert "$0.015 for each post, $0.20 when it has a link" in shown
    assert "nothing stops the spending" in shown
    assert f"{reverse('limit_size')}?platform=x&amp;key=credits" in shown
    assert "No budget" in admin.get(reverse("platform_apps")).content.decode()


def test_a_budget_shows_what_is_used_and_what_is_planned(admin, app, monkeypatch):
    set_size(credits_of(app), 50_000, None, "our plan")
    with limits.kept_only_by(lambda ends, now: dict.fromkeys(ends, 3_100)):
        shown = page(admin, app)
    assert "$0.00 of $50.00 are used this month" in shown
    assert "will cost $3.10 more" in shown
    assert "more than is left" not in shown
    with limits.kept_only_by(lambda ends, now: dict.fromkeys(ends, 50_010)):
        assert "more than is left" in page(admin, app)
    assert "No budget" not in admin.get(reverse("platform_apps")).content.decode()


def test_a_platform_that_takes_no_money_says_nothing_of_it(admin):
    app = PlatformApp.objects.create(platform="linkedin", client_id="c")
    assert budgets.of_app(app, timezone.now()) is None
    assert 'id="money"' not in page(admin, app)


def test_on_the_practice_network_nobody_pays(admin):
    app = PlatformApp.objects.create(platform="x", network=Network.PRACTICE)
    assert 'id="money"' not in page(admin, app)


def test_apps_without_a_budget_are_found_with_one_query(app, django_assert_num_queries):
    other = PlatformApp.objects.create(platform="linkedin", client_id="c")
    with django_assert_num_queries(1):
        assert budgets.without([app, other]) == {app.pk}
    set_size(credits_of(app), 1, None)
    assert budgets.without([app, other]) == set()

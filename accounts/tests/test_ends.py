"""What ends is told before it does, and only where a person has to act."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from accounts import ends
from accounts.ends import EndKind
from accounts.models import Credential, PlatformApp
from platforms import registry
from platforms.base import Ability

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def days(number: float) -> datetime:
    return NOW + timedelta(days=number)


def credential(platform: str, **fields: object) -> Credential:
    app = PlatformApp(platform=platform)
    return Credential(app=app, **{"issued_at": days(-1), **fields})


@pytest.mark.parametrize(
    ("platform", "fields", "expected"),
    [
        ("mastodon", {}, []),
        ("linkedin", {"expires_at": days(60)}, [(EndKind.ACCESS, 60)]),
        (
            "linkedin",
            {
                "expires_at": days(60),
                "refresh_token": "r",
                "refresh_expires_at": days(300),
            },
            [(EndKind.RENEWAL, 300)],
        ),
        (  # the last access token that it brought lives on
            "linkedin",
            {
                "expires_at": days(60),
                "refresh_token": "r",
                "refresh_expires_at": days(20),
            },
            [(EndKind.RENEWAL, 60)],
        ),
        ("x", {"expires_at": days(0.1), "refresh_token": "r"}, []),
        ("x", {"expires_at": days(0.1)}, [(EndKind.ACCESS, 0.1)]),
        (
            "bluesky",
            {
                "expires_at": days(0.1),
                "refresh_token": "r",
                "refresh_expires_at": days(89),
            },
            [],
        ),
        (  # nobody has renewed it for 70 days: then it is an end
            "bluesky",
            {
                "issued_at": days(-70),
                "expires_at": days(-69),
                "refresh_token": "r",
                "refresh_expires_at": days(20),
            },
            [(EndKind.RENEWAL, 20)],
        ),
        (  # renewed at three quarters of its life, and that moves its end on
            "instagram",
            {
                "issued_at": days(-44),
                "expires_at": days(16),
                "refresh_token": "r",
                "refresh_expires_at": days(16),
            },
            [],
        ),
        (
            "instagram",
            {
                "issued_at": days(-48),
                "expires_at": days(12),
                "refresh_token": "r",
                "refresh_expires_at": days(12),
            },
            [(EndKind.RENEWAL, 12)],
        ),
        ("instagram", {"data_access_ends_at": days(5)}, [(EndKind.DATA_ACCESS, 5)]),
        ("facebook", {"data_access_ends_at": days(5)}, []),
        ("mastodon", {"data_access_ends_at": days(5)}, []),
    ],
)
def test_each_platform_s_access_ends_in_its_own_way(platform, fields, expected):
    found = credential(platform, **fields).ends(now=NOW)
    assert [(end.kind, end.at) for end in found] == [
        (kind, days(number)) for kind, number in expected
    ]


def test_data_access_ends_publishing_only_where_the_platform_says_so():
    page = credential("linkedin", data_access_ends_at=days(5), expires_at=days(9))
    spec = registry.spec("linkedin")
    stopping = replace(spec, data_access_stops=tuple(Ability))
    reading = replace(spec, data_access_stops=(Ability.READ, Ability.FIGURES))
    first = ends.first_that_stops_publishing
    assert first(ends.of_credential(page, stopping, NOW)) == days(5)
    assert first(ends.of_credential(page, reading, NOW)) == days(9)
    kinds = [end.kind for end in ends.of_credential(page, reading, NOW)]
    assert kinds == [EndKind.DATA_ACCESS, EndKind.ACCESS]


def test_the_end_of_a_version_is_known_only_of_the_one_that_we_tested():
    spec = replace(
        registry.spec("linkedin"),
        api_version="202609",
        api_version_ends_at=date(2027, 9, 15),
    )
    ending = ends.of_version(spec)
    assert ending is not None
    assert (ending.kind, ending.at) == (
        EndKind.VERSION,
        datetime(2027, 9, 15, tzinfo=UTC),
    )
    assert ends.of_version(spec, "202609") == ending
    assert ends.of_version(spec, "202701") is None


@pytest.mark.django_db
def test_trust_that_ends_stops_the_instagram_account_and_not_its_page(make_account):
    """Both act with the Page's token, which has no end of its own."""
    page = make_account("facebook", "page")
    photos = make_account("instagram", "photos")
    photos.credential = page.credential
    page.credential.data_access_ends_at = days(5)
    stops = [end.stops_publishing for end in photos.ends(NOW)]
    assert stops[0] is True
    assert EndKind.DATA_ACCESS not in {end.kind for end in page.ends(NOW)}
    assert photos.credential.ends_at("instagram", NOW) == days(5)
    assert page.credential.ends_at(now=NOW) is None


@pytest.mark.django_db
def test_an_account_is_told_of_its_app_s_version_as_well(make_account):
    account = make_account("linkedin", "urn:li:person:1", expires_at=days(60))
    kinds = [end.kind for end in account.ends(NOW)]
    assert kinds == [EndKind.ACCESS, EndKind.VERSION]
    account.credential.app.api_version = "202701"
    assert [end.kind for end in account.ends(NOW)] == [EndKind.ACCESS]


@pytest.mark.django_db
def test_a_grandchild_knows_the_credential_that_all_hangs_on(make_account):
    user, page, insta = (
        make_account("linkedin", f"urn:li:person:{n}").credential for n in range(3)
    )
    page.parent, insta.parent = user, page
    assert [c.root for c in (user, page, insta)] == [user, user, user]

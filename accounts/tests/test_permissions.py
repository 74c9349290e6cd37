"""The permission registry: exact counts, plain effects, and reviews with a trace."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent, PlatformApp
from accounts.permissions import (
    abilities,
    closed_without,
    effect,
    group_of,
    groups,
    is_lacking,
    lacks,
    missing_to_post,
    rights,
)
from accounts.roles import ADMIN, MARKETING
from platforms.base import Ability, Call
from platforms.errors import Cause, PermissionMissing
from platforms.registry import spec

pytestmark = pytest.mark.django_db

TEXT_ONLY = ["tweet.read", "tweet.write", "users.read", "offline.access"]
P, R, F = Ability.PUBLISH, Ability.READ, Ability.FIGURES


@pytest.fixture
def enter(brand: Any, django_user_model: Any) -> Any:
    def make(role: str, in_brand: bool = True) -> Client:
        user = django_user_model.objects.create_user(role, f"{role}@example.com", "pw")
        user.groups.add(Group.objects.get(name=role))
        if in_brand:
            brand.members.add(user)
        client = Client()
        client.force_login(user)
        return client

    return make


def line_of(group: Any, scope: str) -> Any:
    return next(line for line in group.lines if line.scope.name == scope)


# ---------------------------------------------------------------- the rules


@pytest.mark.parametrize(
    ("slug", "key", "kind", "granted", "missing"),
    [
        ("x", "POST /2/media/upload", "user", TEXT_ONLY, ("media.write",)),
        ("x", "POST /2/tweets", "user", TEXT_ONLY, ()),
        ("mastodon", "POST /api/v2/media", "user", ["write"], ()),
        ("mastodon", "POST /api/v2/media", "user", ["read"], ("write:media",)),
        (
            "linkedin",
            "POST /rest/posts",
            "organization",
            ["w_member_social"],
            ("w_organization_social",),
        ),
        ("linkedin", "POST /rest/posts", "member", ["w_member_social"], ()),
        # A call that members cannot make at all asks nothing of them.
        ("linkedin", "GET /rest/organizationAcls", "member", ["openid"], ()),
    ],
)
def test_a_call_names_what_is_missing_for_that_kind_of_account(
    slug: str, key: str, kind: str, granted: list[str], missing: tuple[str, ...]
) -> None:
    facts = spec(slug)
    assert lacks(facts, facts.call(key), kind, granted) == missing


def test_a_permission_that_another_stands_in_for_closes_nothing() -> None:
    facts = spec("mastodon")
    assert closed_without(facts, "profile", "user", ["read:accounts"]) == []
    assert closed_without(facts, "write:media", "user", ["read:accounts"])


@pytest.mark.parametrize(
    ("calls", "words"),
    [
        ([Call("POST /p", "Publish", mutates=True)], "publishing off"),
        ([Call("POST /i", "Images")], "off: Images; other posts unaffected"),
        (
            [Call("GET /i", "Insights", ability=F)],
            "off: figures (Insights); publishing unaffected",
        ),
        (
            [Call("GET /c", "Comments", ability=R, later=True)],
            "nothing that exists today is affected; on our roadmap: Comments",
        ),
        (
            [Call(f"GET /{n}", f"F{n}", ability=R) for n in range(6)],
            "off: F0, F1, F2, F3, 2 more; publishing unaffected",
        ),
    ],
)
def test_the_effect_says_what_is_off_and_what_is_not(
    calls: list[Call], words: str
) -> None:
    assert effect(calls) == words


# ---------------------------------------------------------------- counts


def test_accounts_that_lack_a_permission_are_counted_and_listed(
    make_account: Any, enter: Any, author: Any
) -> None:
    whole = make_account("x", "1", scopes=[*TEXT_ONLY, "media.write"], name="Whole")
    for n in (2, 3):
        make_account("x", str(n), scopes=TEXT_ONLY, name=f"Text only {n}")
    make_account("x", "4", scopes=[], name="Unknown")
    group = group_of(whole.credential.app, author)
    assert group is not None
    line = line_of(group, "media.write")
    assert (line.lacking, line.known) == (2, 3)
    assert line.sentence == (
        "Without media.write on 2 accounts: off: Images, Videos and GIFs, Alt text, "
        "Captions; other posts unaffected."
    )
    assert line_of(group, "tweet.write").sentence == (
        "Nobody lacks it. Without it: publishing off."
    )
    page = enter(ADMIN).get(
        reverse("account_list"), {"lacks": "media.write", "app": group.app.pk}
    )
    words = page.content.decode()
    assert "Text only 2" in words
    assert "Text only 3" in words
    assert "Whole" not in words


def test_a_row_is_drawn_anew_where_anything_of_it_differs(
    make_account: Any, enter: Any, django_user_model: Any
) -> None:
    """Rows are kept by what they look like: each reader counts their own accounts, and
    what was noted of a review is text."""
    evil = "<script>alert(1)</script>\"'"
    app = make_account("x", "1", scopes=TEXT_ONLY, name="One").credential.app
    app.reviews = {
        "media.write": {"state": "refused", "at": "2026-11-01", "note": evil}
    }
    app.save()
    stranger = django_user_model.objects.create_user("stranger")
    stranger.groups.add(Group.objects.get(name=ADMIN))
    admin, other = enter(ADMIN), Client()
    other.force_login(stranger)
    there = "Without media.write on 1 account:"
    for _turn in range(2):
        for client, sees in ((admin, True), (other, False)):
            page = client.get(reverse("permissions")).content.decode()
            assert (there in page) is sees
            assert "<script>alert(1)" not in page
            assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    make_account("x", "2", scopes=TEXT_ONLY, name="Two")
    PlatformApp.objects.filter(pk=app.pk).update(
        reviews={"media.write": {"state": "granted", "at": "2026-11-02"}}
    )
    page = admin.get(reverse("permissions")).content.decode()
    assert "Without media.write on 2 accounts:" in page
    assert "alert(1)" not in page


def test_one_app_asks_for_its_own_accounts_alone(
    make_account: Any, author: Any, django_assert_num_queries: Any
) -> None:
    app = make_account("x", "1", scopes=TEXT_ONLY, name="Same").credential.app
    # Of one name and with the same permissions, and still another account.
    make_account("x", "2", scopes=TEXT_ONLY, name="Same")
    make_account("linkedin", "3", kind="member", scopes=["w_member_social"])
    with django_assert_num_queries(1):
        group = group_of(app, author)
    assert line_of(group, "media.write").lacking == 2


def test_members_are_not_blamed_for_permissions_of_pages(
    make_account: Any, author: Any
) -> None:
    member = make_account("linkedin", "1", kind="member", scopes=["w_member_social"])
    make_account("linkedin", "2", kind="organization", scopes=["w_member_social"])
    group = group_of(member.credential.app, author)
    line = line_of(group, "w_organization_social")
    assert (line.lacking, line.known) == (1, 1)
    assert not is_lacking(member, "w_organization_social")


def test_scopes_of_the_roadmap_are_marked_and_asked_for_together(
    make_account: Any, author: Any
) -> None:
    app = make_account("linkedin").credential.app
    group = group_of(app, author)
    line = line_of(group, "r_organization_followers")
    assert line.roadmap == "Figures"
    assert not line.today
    asked = [line.scope.name for line in group.to_ask]
    assert "w_organization_social" in asked
    assert "r_organization_followers" in asked
    assert "w_member_social" not in asked  # every app has it


def test_the_registry_costs_two_queries_whatever_there_is(
    make_account: Any, author: Any
) -> None:
    for slug in ("x", "linkedin", "mastodon", "bluesky"):
        for n in range(3):
            make_account(slug, str(n), scopes=["something"])
    with CaptureQueriesContext(connection) as seen:
        found = groups(author)
    assert len(seen) == 2
    assert {group.spec.slug for group in found} >= {"x", "linkedin", "mastodon"}


# ---------------------------------------------------------------- one account


def test_figures_without_permission_are_not_called_none(make_account: Any) -> None:
    told = make_account("linkedin", "1", kind="organization", scopes=["openid"])
    told.credential.abilities = {
        "publish": {"ok": True},
        "figures": {"ok": False, "cause": Cause.SCOPE_MISSING},
    }
    assert abilities(told)[F].words == "Permission missing: figures"
    # Nobody looked yet, but the grant says it.
    member = make_account("linkedin", "2", kind="member", scopes=["w_member_social"])
    assert abilities(member)[F].words == "Permission missing: figures"
    unknown = make_account("linkedin", "3", kind="member", scopes=[])
    assert abilities(unknown)[F].words == "Not told yet"
    assert abilities(unknown)[P].words == "Able to post"


def test_a_broken_account_tells_of_nothing_else(make_account: Any) -> None:
    account = make_account("x", trouble=Cause.ROLE_LOST)
    found = abilities(account)
    assert found[P].words == "Reconnect needed"
    assert found[P].note == "The role on the page was lost"
    assert found[F].words == "Not told"


def test_what_a_look_told_beside_a_missing_permission_is_shown(
    make_account: Any,
) -> None:
    account = make_account("x", scopes=["tweet.read", "users.read"])
    credential = account.credential
    credential.break_for(PermissionMissing(cause=Cause.SCOPE_MISSING))
    credential.abilities = {P: {"ok": True}, F: {"ok": True}}
    assert abilities(account)[F].words == "Not told", "it is from before"
    credential.abilities = {P: {"ok": False}, F: {"ok": True}}
    assert abilities(account)[P].words == "Reconnect needed"
    assert abilities(account)[F].words == "Yes"


def test_the_permission_that_posting_lacks_is_named(make_account: Any) -> None:
    lost = {"trouble": Cause.SCOPE_MISSING}
    no_media = ["tweet.read", "users.read", "media.write"]
    account = make_account("x", scopes=no_media, **lost)
    words = "Missing: tweet.write (create and delete posts)."
    assert missing_to_post([account]) == words
    page = make_account("linkedin", "2", kind="organization", scopes=["openid"], **lost)
    assert "w_organization_social (post as a Page)" in missing_to_post([account, page])
    page = make_account("facebook", "3", kind="page", scopes=["instagram_basic"])
    photos = make_account("instagram", "4", kind="instagram", **lost)
    photos.credential = page.credential
    assert "instagram_content_publish (" in missing_to_post([photos])
    unknown = make_account("mastodon", "5", scopes=[], **lost)
    well = make_account("x", "6", scopes=["tweet.read"])
    assert missing_to_post([unknown, well]) == ""


def test_what_was_given_ends_with_the_access(make_account: Any, client: Any) -> None:
    account = make_account("x", scopes=TEXT_ONLY)
    client.force_login(account.owner)

    def chips() -> tuple[bool, bool]:
        page = client.get(account.get_absolute_url()).content.decode()
        return "Granted</" in page, "Was granted</" in page

    assert chips() == (True, False)
    credential = account.credential
    # One scope is gone; what was given besides is given still.
    credential.state, credential.cause = "broken", Cause.SCOPE_MISSING
    credential.save()
    assert chips() == (True, False)
    credential.cause = Cause.TOKEN_REVOKED
    credential.save()
    assert chips() == (False, True)
    assert {right.is_over for right in rights(account) if not right.is_granted} == {
        False
    }


def test_rights_of_an_account_say_what_a_missing_one_costs(make_account: Any) -> None:
    account = make_account("x", scopes=TEXT_ONLY)
    found = {right.scope.name: right for right in rights(account)}
    assert found["tweet.write"].is_granted
    effect = found["media.write"].effect
    assert effect.startswith(
        "off: Images, Videos and GIFs, Alt text, Captions; other posts"
    )
    page = make_account("linkedin", "2", kind="organization", scopes=["openid"])
    assert "w_member_social" not in {right.scope.name for right in rights(page)}


# ---------------------------------------------------------------- pages


def test_only_admins_reach_the_registry(make_account: Any, enter: Any) -> None:
    app = make_account("linkedin").credential.app
    writer, admin = enter(MARKETING), enter(ADMIN)
    review = reverse("permission_review", args=[app.pk]) + "?scope=r_member_social"
    for url in (reverse("permissions"), review):
        assert writer.get(url).status_code == 403
        assert admin.get(url).status_code == 200
        assert Client().get(url).status_code == 302


def test_a_stranger_counts_no_accounts(make_account: Any, enter: Any) -> None:
    make_account("x", "1", scopes=TEXT_ONLY)
    answer = enter(ADMIN, in_brand=False).get(reverse("permissions"))
    lines = [line for group in answer.context["groups"] for line in group.lines]
    assert not any(line.known for line in lines)


def test_a_review_is_written_down_with_its_trace(make_account: Any, enter: Any) -> None:
    app = make_account("linkedin").credential.app
    admin = enter(ADMIN)
    url = reverse("permission_review", args=[app.pk]) + "?scope=w_organization_social"
    form = {"state": "granted", "at": "2026-11-20", "note": "Case 4711"}
    assert admin.post(url, form)["Location"] == reverse("permissions")
    app.refresh_from_db()
    assert app.reviews["w_organization_social"] == form
    assert app.granted_scopes == ["w_organization_social"]
    event = AuditEvent.objects.get(verb="app_review")
    assert event.detail == {
        "scope": "w_organization_social",
        "before": "",
        "after": "granted",
        "at": "2026-11-20",
    }
    page = admin.get(reverse("permissions")).content.decode()
    assert "Case 4711" in page
    admin.post(url, {**form, "state": "refused"})
    app.refresh_from_db()
    assert app.granted_scopes == []
    assert app.reviews["w_organization_social"]["state"] == "refused"


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"state": "granted", "at": "soon"}, "Enter a valid date."),
        ({"state": "asked", "at": "TOMORROW"}, "This day has not come yet."),
        ({"state": "refused", "at": "2206-11-20"}, "this day is very far away"),
        ({"state": "perhaps"}, "not one of the available choices"),
        ({"state": "asked", "note": "x" * 501}, "at most 500 characters"),
    ],
)
def test_a_review_that_makes_no_sense_is_refused_and_kept_in_the_form(
    make_account: Any, enter: Any, form: dict[str, str], error: str
) -> None:
    app = make_account("linkedin").credential.app
    tomorrow = timezone.localdate() + timedelta(days=1)
    form = {"note": "Kept", **form}
    form = {name: v.replace("TOMORROW", str(tomorrow)) for name, v in form.items()}
    url = reverse("permission_review", args=[app.pk]) + "?scope=w_organization_social"
    answer = enter(ADMIN).post(url, form)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert error in page
    assert form["note"] in page
    app.refresh_from_db()
    assert app.reviews == {}


def test_a_refusal_may_name_a_day_to_come(make_account: Any, enter: Any) -> None:
    app = make_account("linkedin").credential.app
    day = str(timezone.localdate() + timedelta(days=30))
    url = reverse("permission_review", args=[app.pk]) + "?scope=w_organization_social"
    assert enter(ADMIN).post(url, {"state": "refused", "at": day}).status_code == 302
    assert PlatformApp.objects.get(pk=app.pk).reviews["w_organization_social"][
        "at"
    ] == (day)


def test_a_permission_that_nobody_knows_has_no_page(
    make_account: Any, enter: Any
) -> None:
    app = make_account("linkedin").credential.app
    url = reverse("permission_review", args=[app.pk])
    assert enter(ADMIN).get(url + "?scope=all_of_it").status_code == 404


def test_the_admin_shows_the_registry_and_changes_nothing(
    make_account: Any, client: Client, author: Any
) -> None:
    account = make_account("x", "1", scopes=TEXT_ONLY)
    client.force_login(author)
    app = account.credential.app
    page = client.get(f"/admin/accounts/platformapp/{app.pk}/change/").content.decode()
    assert "Without media.write on 1 account" in page
    assert 'name="reviews"' not in page


def test_an_app_covers_the_accounts_that_its_sign_in_brings(
    make_account: Any, author: Any
) -> None:
    """Facebook's sign-in brings Instagram accounts, which need scopes of its own."""
    page = make_account("facebook", "1", kind="page", scopes=["pages_show_list"])
    account = make_account("instagram", "2", scopes=["instagram_basic"])
    account.credential.app = page.credential.app
    account.credential.save()
    group = group_of(page.credential.app, author)
    line = line_of(group, "instagram_content_publish")
    assert line.lacking == 1
    assert "publishing off" in line.sentence

"""A round of looks: who comes first, what one failure sets off, who takes over."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import breakers
from accounts.models import (
    AuditEvent,
    CircuitBreaker,
    ConnectedAccount,
    Credential,
    PlatformApp,
)
from accounts.tests.trees import BEN
from accounts.tests.trees import planted as planted
from accounts.tests.trees import sign_in as sign_in
from accounts.tests.trees import tree as tree
from accounts.tests.trees import tree_app as tree_app
from monitoring import ahead, incidents, rounds, takeovers, tasks
from monitoring.models import CheckResult, Incident
from monitoring.rounds import Looks, taken
from platforms.base import Ability, Identity, Proof, TokenSet, Verdict
from platforms.errors import (
    AuthExpired,
    AuthRevoked,
    Cause,
    PermissionMissing,
    TransientError,
)
from publishing.models import Delivery

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
FINE = Proof({Ability.PUBLISH: Verdict(True)})


def calm() -> None:
    """Nothing is due, and all were looked at a while ago."""
    now = timezone.now()
    Credential.objects.update(next_proof_at=now + HOUR, looked_at=now - HOUR)


def of(name: str) -> Credential:
    return Credential.objects.get(subject_id=name)


def causes() -> dict[str, str]:
    return dict(
        Credential.objects.filter(state="broken").values_list("subject_id", "cause")
    )


def due(*names: str) -> None:
    Credential.objects.filter(subject_id__in=names).update(next_proof_at=timezone.now())


# ---------------------------------------------------------------- before posts


@pytest.mark.parametrize(
    ("due_in", "looked_ago", "wanted"),
    [
        (23.9, 0.5, True),  # 24 h before it, not looked at since
        (23.9, 0.05, False),
        (24.1, 5, False),  # not yet
        (21, 5, False),  # the daily look and the one an hour before tell as much
        (0.9, 0.5, True),
        (0.9, 0.05, False),
        (0.1, 0.95, True),
        (0.1, 0.85, False),
        (1.1, 5, False),
        (0.5, None, True),  # never looked at
    ],
)
def test_an_account_is_looked_at_a_day_and_an_hour_before_its_next_post(
    script, make_account, make_delivery, due_in, looked_ago, wanted
):
    now = timezone.now()
    account = make_account("scripted", "me")
    looked = now - looked_ago * HOUR if looked_ago is not None else None
    Credential.objects.update(looked_at=looked)
    make_delivery(account, due_in=due_in * HOUR)
    found = [account.credential_id] if wanted else []
    assert ahead.looks_before_posts(now) == found


def test_only_the_next_post_counts_and_only_if_it_will_go(
    script, make_account, make_delivery
):
    now = timezone.now()
    busy, idle = make_account("scripted", "busy"), make_account("scripted", "idle")
    Credential.objects.update(looked_at=now - HOUR / 2)
    make_delivery(busy, "first", due_in=HOUR * 3)
    make_delivery(busy, "second", due_in=HOUR * 23.9)
    make_delivery(idle, due_in=HOUR * 23.9)
    cancelled = make_delivery(idle, "off", due_in=HOUR * 0.9)
    Delivery.objects.filter(pk=cancelled.pk).update(status="cancelled")
    assert ahead.looks_before_posts(now) == [idle.credential_id]


def test_posts_that_come_near_are_found_by_their_index():
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
    now = timezone.now()
    plan = ahead.near_posts(now, *ahead.bounds_of_looks(now)).explain()
    assert "delivery_by_status" in plan or "delivery_by_account" in plan
    assert "SCAN publishing_delivery" not in plan.replace(
        "SCAN publishing_delivery U", ""
    )


def test_whose_post_comes_near_is_looked_at_before_those_who_are_due(
    script, make_account, make_delivery, monkeypatch
):
    accounts = [make_account("scripted", f"who{n}") for n in range(4)]
    Credential.objects.update(
        next_proof_at=timezone.now() - HOUR, looked_at=timezone.now() - HOUR
    )
    last = accounts[-1]
    Credential.objects.filter(pk=last.credential_id).update(
        next_proof_at=timezone.now() + HOUR
    )
    make_delivery(last, due_in=HOUR / 2)
    tasks.check_credentials()
    looked = CheckResult.objects.order_by("pk").values_list("credential", flat=True)
    assert len(looked) == 4
    assert looked[0] == last.credential_id


@pytest.mark.parametrize(("minutes", "asked"), [(50, "refresh"), (110, "prove")])
def test_a_token_that_would_not_last_until_the_post_is_renewed_by_the_look_before_it(
    script, make_account, make_delivery, minutes, asked
):
    """A token may outlive the grant's end by hours; the renewal tells."""
    now = timezone.now()
    account = make_account(
        "scripted",
        "me",
        refresh_token="first",
        expires_at=now + timedelta(minutes=minutes),
    )
    calm()
    make_delivery(account, due_in=timedelta(minutes=59))
    script.answers["refresh"] = [AuthRevoked(cause=Cause.TOKEN_REVOKED)]
    tasks.check_credentials()
    assert script.asked == [asked]
    assert bool(causes()) is (asked == "refresh")


# ---------------------------------------------------------------- rounds


def test_after_an_outage_all_that_is_due_is_looked_at_in_one_round(
    script, make_account
):
    for number in range(60):
        make_account("scripted", f"who{number}")
    Credential.objects.update(next_proof_at=timezone.now() - HOUR)
    tasks.check_credentials()
    assert script.asked == ["prove"] * 60
    assert not Credential.objects.proof_due(timezone.now()).exists()
    assert CheckResult.objects.filter(verdict="proven").count() == 60


def test_an_outage_is_noticed_and_the_rest_is_spared(script, make_account):
    for number in range(40):
        make_account("scripted", f"who{number}")
    Credential.objects.update(next_proof_at=timezone.now() - HOUR)
    script.answers["prove"] = [TransientError()]
    tasks.check_credentials()
    assert len(script.asked) < 20
    assert causes() == {}
    assert not Credential.objects.proof_due(timezone.now()).exists()
    assert CheckResult.objects.count() == len(script.asked), "waiting is no look"


def test_two_workers_never_look_at_the_same_credential_for_the_same_due_time(
    script, make_account
):
    pks = [make_account("scripted", f"who{n}").credential_id for n in range(4)]
    past = timezone.now() - HOUR
    Credential.objects.exclude(pk=pks[3]).update(next_proof_at=past)
    Credential.objects.filter(pk=pks[1]).update(state="disconnected")
    assert [row.pk for row in taken([pks[2], pks[0], pks[1], pks[3]])] == [
        pks[2],
        pks[0],
    ]
    assert taken(pks) == []
    assert [row.pk for row in taken(pks, at_any_time={pks[3]})] == [pks[3]]


def test_what_another_worker_has_taken_since_it_was_read_is_left_to_it(
    script, make_account, monkeypatch
):
    rows = [make_account("scripted", f"who{n}").credential for n in range(40)]
    Credential.objects.update(next_proof_at=timezone.now() - HOUR)
    looks = Looks()
    looks.next_due(0, ())
    assert len(looks.next_due(1, ())) == 1
    taken([row.pk for row in rows[1:30]])
    looks.run()
    assert script.asked == ["prove"] * 10


def test_while_an_app_has_no_room_others_are_found_behind_it_and_asked_for_once(
    script, make_account, monkeypatch
):
    monkeypatch.setattr(rounds, "READ_AHEAD", 20)
    pks = [make_account("scripted", f"who{n}").credential_id for n in range(30)]
    other = make_account("scripted", "other").credential
    other.app = PlatformApp.objects.create(platform="scripted", instance_url="other")
    other.save()
    start = timezone.now() - HOUR
    for n, pk in enumerate([*pks, other.pk]):
        at = start + timedelta(seconds=n)
        Credential.objects.filter(pk=pk).update(next_proof_at=at)
    looks = Looks(threads=24)
    assert looks.next_due(24, ()) == pks[:6]
    full = [Credential.objects.get(pk=pks[0]).app_id]
    assert looks.next_due(24, full) == [other.pk]
    with CaptureQueriesContext(connection) as seen:
        assert looks.next_due(24, full) == []
        assert looks.next_due(2, ()) == pks[6:8]
        assert looks.next_due(24, full) == []
    assert len(seen) == 0


# ---------------------------------------------------------------- is it the app?


def refuse_all(script, make_account) -> None:
    """Nine accounts, of which one is looked at, and refused as all would be."""
    for number in range(9):
        make_account("scripted", f"who{number}")
    calm()
    due("who5")
    script.answers["prove"] = [AuthRevoked(cause=Cause.TOKEN_REVOKED)]
    tasks.check_credentials()
    assert len(causes()) == 4


def test_when_one_access_is_withdrawn_a_few_others_tell_that_it_is_the_app(
    script, make_account
):
    """Pinterest says the same of both, and looks come hours after one another."""
    refuse_all(script, make_account)
    asked = len(script.asked)
    assert asked <= 5, "one more look tries whether the app is well again"
    tasks.check_credentials()
    assert len(script.asked) == asked, "the others are spared"
    incidents.review()
    incident = Incident.objects.get()
    assert (incident.kind, incident.cause) == ("breaker", breakers.MANY_LOST_ACCESS)


def test_those_that_only_seemed_withdrawn_are_asked_as_soon_as_the_app_is_back(
    script, make_account
):
    """Their own next look may be a day away, and people are told to reconnect."""
    refuse_all(script, make_account)
    script.answers["prove"] = [FINE]
    CircuitBreaker.objects.update(looked_at=timezone.now() - HOUR)
    due("who7" if "who7" not in causes() else "who8")
    tasks.check_credentials()
    assert CircuitBreaker.objects.get(subject__startswith="app:").state == "closed"
    tasks.check_credentials()
    assert causes() == {}
    asked = len(script.asked)
    tasks.check_credentials()
    assert len(script.asked) == asked


def test_when_others_live_on_one_access_was_withdrawn_and_nobody_is_asked_again(
    script, make_account
):
    for number in range(9):
        make_account("scripted", f"who{number}")
    calm()
    due("who5")
    script.answers["prove"] = [AuthRevoked(cause=Cause.TOKEN_REVOKED), FINE]
    tasks.check_credentials()
    assert causes() == {"who5": Cause.TOKEN_REVOKED}
    assert script.asked == ["prove"] * 4
    tasks.check_credentials()
    assert len(script.asked) == 4
    incidents.review()
    assert Incident.objects.get().kind == "access"


def test_an_access_that_only_ran_out_has_nobody_else_asked(script, make_account):
    for number in range(4):
        make_account("scripted", f"who{number}")
    calm()
    due("who2")
    script.answers["prove"] = [AuthRevoked(cause=Cause.TOKEN_EXPIRED)]
    tasks.check_credentials()
    assert script.asked == ["prove"]


# ---------------------------------------------------------------- trees


PASSWORD = AuthRevoked(cause=Cause.PASSWORD_CHANGED)


def test_one_failure_has_the_whole_tree_looked_at_in_the_same_round(planted, tree):
    calm()
    tree.asked.clear()
    invalid = AuthRevoked(cause=Cause.TOKEN_INVALID)
    tree.answers |= {f"ana-page{n}": invalid for n in (1, 2, 3)}
    tree.answers["ana-user"] = PASSWORD
    due("page2")
    tasks.check_credentials()
    assert causes() == dict.fromkeys(
        ["ana", "page1", "page2", "page3"], Cause.PASSWORD_CHANGED
    )
    asked = [token for token in tree.asked if token.startswith("scripted")]
    assert len(asked) <= 2 * 4, "and nobody over and over"


def test_a_page_that_lost_its_role_does_not_condemn_its_siblings(planted, tree):
    calm()
    before = timezone.now()
    tree.answers["ana-page2"] = AuthRevoked(cause=Cause.ROLE_LOST)
    due("page2")
    tasks.check_credentials()
    assert causes() == {"page2": Cause.ROLE_LOST}
    proven = Credential.objects.filter(proven_at__gte=before)
    assert set(proven.values_list("subject_id", flat=True)) == {
        "ana",
        "page1",
        "page3",
    }


def test_what_a_post_found_broken_has_its_tree_looked_at_as_well(planted, tree):
    calm()
    tree.answers |= {f"ana-page{n}": PASSWORD for n in (1, 2, 3)}
    tree.answers["ana-user"] = PASSWORD
    of("page1").break_for(PASSWORD)
    tasks.check_credentials()
    assert len(causes()) == 4


def test_a_user_token_whose_time_is_over_takes_no_page_along(planted, tree):
    calm()
    tree.answers["ana-user"] = AuthExpired()
    tree.answers["ana-page1"] = AuthRevoked(cause=Cause.TOKEN_INVALID)
    due("ana")
    tasks.check_credentials()
    assert causes() == {"ana": Cause.TOKEN_EXPIRED, "page1": Cause.TOKEN_INVALID}


@pytest.fixture
def derived(tree, monkeypatch):
    """What Ana's token brings today."""
    found: list[Identity] = []
    monkeypatch.setattr(tree, "identities", lambda self: found)
    return found


def page_with(token: str, number: int = 1, **more: object) -> Identity:
    name = f"page{number}"
    return Identity(name, "page", name, "", "", tokens=TokenSet(token), **more)


def test_a_living_parent_brings_its_pages_back(planted, tree, derived):
    of("page1").break_for(PASSWORD)
    calm()
    derived.append(page_with("new-page1"))
    due("ana")
    tasks.check_credentials()
    page = of("page1")
    assert (page.state, page.access_token) == ("active", "new-page1")
    assert page.proven_at is not None
    assert page.ability(Ability.PUBLISH) is True


@pytest.mark.parametrize(
    "why", ["not listed", "same token", "not allowed", "refused anew"]
)
def test_a_page_comes_back_only_with_a_token_that_was_proven(
    planted, tree, derived, why
):
    of("page1").break_for(PASSWORD)
    tree.answers["ana-page1"] = PASSWORD
    calm()
    if why == "same token":
        derived.append(page_with("ana-page1"))
    elif why == "not allowed":
        derived.append(page_with("new-page1", can_publish=False))
    elif why == "refused anew":
        derived.append(page_with("new-page1"))
        tree.answers["new-page1"] = PermissionMissing(cause=Cause.ROLE_LOST)
    due("ana")
    tasks.check_credentials()
    page = of("page1")
    assert (page.state, page.access_token) == ("broken", "ana-page1")


# ---------------------------------------------------------------- standby access


@pytest.fixture
def backed(planted, sign_in, author):
    """Ana's first page, for which Ben stands by, with two posts that wait."""
    from accounts.connect import add_standby

    add_standby(
        sign_in(BEN, pages=(1,), photos=(1,), by="ben"), planted["page1"], author
    )
    calm()
    return ConnectedAccount.objects.get(external_id="page1")


def held(account: ConnectedAccount, make_delivery, hold: str) -> Delivery:
    delivery = make_delivery(account, hold, due_in=HOUR)
    Delivery.objects.filter(pk=delivery.pk).update(
        status="held", hold=hold, held_at=timezone.now(), next_attempt_at=None
    )
    return delivery


def test_standby_access_takes_over_in_the_round_that_finds_the_end(
    backed, tree, make_delivery
):
    waiting = [held(backed, make_delivery, hold) for hold in ("access", "permission")]
    before, standby = backed.credential, backed.standby
    tree.answers["ana-page1"] = AuthRevoked(cause=Cause.ROLE_LOST)
    due("page1")
    tasks.check_credentials()
    account = ConnectedAccount.objects.get(pk=backed.pk)
    assert (account.credential, account.standby) == (standby, before)
    assert account.health == "healthy"
    event = AuditEvent.objects.get(verb="standby_took_over", target_id=str(backed.pk))
    detail = {"from": before.pk, "to": standby.pk, "cause": Cause.ROLE_LOST}
    assert event.detail == detail
    from publishing.sweeps import release_held

    assert release_held(timezone.now()) == 2
    for delivery in waiting:
        delivery.refresh_from_db()
        assert delivery.status == "scheduled"


def test_who_took_over_is_told_at_the_same_cost_however_many_stand_by(backed, author):
    backed.credential.break_for(PASSWORD)
    assert backed.take_standby()

    def asked() -> tuple[int, int]:
        """Queries of a minute's review, and the length of the longest."""
        takeovers.review(timezone.now())
        with CaptureQueriesContext(connection) as seen:
            takeovers.review(timezone.now())
        return len(seen), max(len(query["sql"]) for query in seen)

    few = asked()
    ConnectedAccount.objects.bulk_create(
        ConnectedAccount(
            brand=backed.brand,
            credential=backed.standby,
            standby=backed.credential,
            platform=backed.platform,
            external_id=f"more{number}",
            name=f"More {number}",
        )
        for number in range(300)
    )
    assert asked() == few
    told = Incident.objects.get(kind=Incident.Kind.STANDBY)
    assert [account.pk for account in told.accounts.all()] == [backed.pk]


def test_standby_access_that_cannot_post_does_not_take_over(backed, tree):
    tree.answers["ana-page1"] = PASSWORD
    tree.answers["ben-page1"] = PermissionMissing(cause=Cause.ROLE_LOST)
    due("page1")
    tasks.check_credentials()
    account = ConnectedAccount.objects.get(pk=backed.pk)
    assert account.credential == backed.credential
    assert account.health == "broken"
    asked = tree.asked.count("scripted ben-page1")
    tasks.check_credentials()
    assert tree.asked.count("scripted ben-page1") == asked, "not every minute"


def test_what_ends_while_posting_is_replaced_before_anybody_is_told(backed, tree):
    tree.answers["ana-page1"] = AuthRevoked(cause=Cause.ROLE_LOST)
    backed.credential.break_for(AuthRevoked(cause=Cause.ROLE_LOST))
    tasks.review_incidents()
    account = ConnectedAccount.objects.get(pk=backed.pk)
    assert account.credential == backed.standby
    assert not Incident.objects.filter(kind="access").exists()


def test_access_that_came_back_meanwhile_is_not_replaced(backed):
    assert not backed.take_standby()
    backed.refresh_from_db()
    assert not AuditEvent.objects.filter(verb="standby_took_over").exists()


def test_access_that_stands_by_is_proven_like_any_other(backed, tree):
    standby = backed.standby
    due(standby.subject_id)
    Credential.objects.filter(pk=standby.pk).update(next_proof_at=timezone.now())
    before = timezone.now()
    tasks.check_credentials()
    standby.refresh_from_db()
    assert standby.proven_at >= before


def test_a_look_that_a_person_asks_for_sets_off_the_same(planted, tree):
    calm()
    tree.answers |= {f"ana-page{n}": PASSWORD for n in (1, 2, 3)}
    tree.answers["ana-user"] = PASSWORD
    tasks.check_credential(of("page1").pk)
    assert len(causes()) == 4

"""One person's consent, a token per page, and accounts that act through a page."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from accounts import health
from accounts.connect import (
    AsksFirst,
    CannotPost,
    OfferState,
    OtherIdentity,
    SamePerson,
    add_standby,
    connect,
    doubts,
    lacking,
    may_have_standby,
    offers,
    park,
    parked,
    reconnect,
    remove_standby,
)
from accounts.disconnect import WAITS, disconnect, revoke_due
from accounts.models import AuditEvent, ConnectedAccount, Credential
from accounts.released import words_of
from accounts.tests.trees import ANA, BEN
from accounts.tests.trees import planted as planted
from accounts.tests.trees import sign_in as sign_in
from accounts.tests.trees import tree as tree
from accounts.tests.trees import tree_app as tree_app
from platforms.base import Ability, Proof, Verdict
from platforms.errors import AuthRevoked, Cause, PermissionMissing, PlatformDown
from publishing.models import Delivery
from publishing.sweeps import release_held

pytestmark = pytest.mark.django_db


def reread(account):
    return ConnectedAccount.objects.select_related(
        "credential__parent", "standby__parent"
    ).get(pk=account.pk)


def token_of(account):
    return reread(account).credential.access_token


def break_tree():
    for credential in Credential.objects.all():
        credential.break_for(AuthRevoked(cause=Cause.PASSWORD_CHANGED))


# -- connecting


def test_a_page_gets_a_credential_of_its_own_and_what_acts_through_it_shares_it(
    planted,
):
    root = Credential.objects.get(parent=None)
    assert (root.kind, root.subject_id, root.access_token) == (
        "user",
        "ana",
        "ana-user",
    )
    child = planted["page1"].credential
    assert (child.parent, child.kind, child.subject_id) == (root, "page", "page1")
    assert child.granted_scopes == ["all"]
    assert planted["photo1"].credential == child
    assert planted["photo1"].platform == "photos"
    assert planted["photo1"].client().access.token == "ana-page1"
    assert Credential.objects.count() == 4


@pytest.mark.trap("facebook", 2)
def test_whose_consent_an_account_hangs_on_stands_on_its_page(planted, author, client):
    """It ends when that person changes their password, months later."""
    client.force_login(author)
    for name in ("page1", "photo1"):
        page = client.get(planted[name].get_absolute_url()).content.decode()
        given_by = page.partition("Permission given by</dt>")[2].partition("</dd>")[0]
        assert "Ana Lopez" in given_by


def test_only_the_first_few_pages_are_proven_while_one_waits(
    tree, sign_in, brand, author
):
    grant = sign_in(pages=range(40), photos=())
    connect(grant, [(i, brand) for i in grant.identities[1:]], author)
    assert len(tree.asked) == 5  # the person and four pages
    soon = Credential.objects.filter(next_proof_at__lte=timezone.now())
    assert soon.count() == 36


def test_offers_show_what_acts_through_a_page_behind_it_and_hide_the_person(
    planted, sign_in, author
):
    found = offers(sign_in(pages=(1, 4), photos=(4, 1)), author)
    assert [(o.identity.external_id, o.state) for o in found] == [
        ("page1", OfferState.CONNECTED),
        ("photo1", OfferState.CONNECTED),
        ("page4", OfferState.NEW),
        ("photo4", OfferState.NEW),
    ]
    assert (found[3].platform, found[3].through) == ("photos", "Page 4")


def test_a_later_sign_in_renews_the_tokens_of_the_pages_it_had(
    planted, sign_in, brand, author
):
    grant = sign_in(pages=(1, 2, 3, 4), by="later")
    assert lacking(grant) == []
    connect(grant, [(grant.find("page4"), brand)], author)
    assert token_of(planted["page2"]) == "later-page2"
    assert Credential.objects.filter(parent=None).count() == 1


def test_pages_left_out_of_a_later_sign_in_are_named_before_it_is_stored(
    planted, sign_in
):
    grant = sign_in(pages=(1, 4), photos=(), by="later")
    assert [a.name for a in lacking(grant)] == ["Photo 1", "Page 2", "Page 3"]


def test_a_tree_waits_encrypted_and_comes_back_whole(sign_in, author, brand):
    grant = sign_in()
    row = park(grant, author, brand=brand)
    assert "ana-page1" not in repr(grant) + str(row)
    assert parked(row.pk, author)[1].identities == grant.identities


# -- reconnecting


def test_one_reconnect_mends_the_root_and_all_pages(tree, planted, sign_in, author):
    break_tree()
    tree.asked.clear()
    done = reconnect(sign_in(by="new"), reread(planted["page2"]), author)
    assert len(done.accounts) == 4
    assert tree.asked == ["scripted new-user", "scripted new-page2"]
    assert all(reread(a).health == "healthy" for a in planted.values())
    assert token_of(planted["photo1"]) == "new-page1"
    assert AuditEvent.objects.filter(verb="mended").count() == 3


def test_what_acts_through_a_page_is_proven_itself_when_it_is_reconnected(
    tree, planted, sign_in, author
):
    break_tree()
    tree.asked.clear()
    reconnect(sign_in(by="new"), reread(planted["photo1"]), author)
    assert tree.asked == [
        "scripted new-user",
        "scripted new-page1",
        "photos new-page1",
    ]


def test_what_waited_for_the_tree_is_let_go_in_order_and_said(
    planted, sign_in, author, make_delivery
):
    first = make_delivery(planted["page1"])
    second = make_delivery(planted["page1"], "Later", due_in=timedelta(minutes=1))
    third = make_delivery(planted["page3"], due_in=timedelta(hours=3))
    late = make_delivery(planted["photo1"], due_in=timedelta(hours=-9))
    break_tree()
    now = timezone.now()
    Delivery.objects.exclude(pk=third.pk).update(
        status="held", hold=Delivery.Hold.ACCESS, held_at=now
    )
    done = reconnect(sign_in(by="new"), reread(planted["page2"]), author)
    assert words_of(done) == [
        "3 Scripted accounts and 1 Photos account are back.",
        "3 posts follow, the first at once.",
    ]
    assert release_held(timezone.now()) >= 2
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.status, second.status) == ("scheduled", "scheduled")
    assert first.next_attempt_at < second.next_attempt_at
    late.refresh_from_db()
    assert late.useful_until < now  # it needs a person's yes, so it was not counted


@pytest.mark.parametrize("token", ["new-user", "new-page2"])
@pytest.mark.parametrize(
    "answer",
    [
        AuthRevoked(),
        PermissionMissing(cause=Cause.ROLE_LOST),
        Proof({Ability.PUBLISH: Verdict(False, Cause.SCOPE_MISSING)}),
    ],
)
def test_a_token_of_the_tree_that_cannot_post_replaces_nothing(
    tree, planted, sign_in, author, token, answer
):
    break_tree()
    tree.answers[token] = answer
    with pytest.raises(CannotPost):
        reconnect(sign_in(by="new"), reread(planted["page2"]), author)
    assert token_of(planted["page2"]) == "ana-page2"
    assert not Credential.objects.filter(state="active").exists()


def test_pages_that_do_not_come_back_are_named_and_need_a_yes(planted, sign_in, author):
    break_tree()
    grant = sign_in(pages=(1,), by="new")
    with pytest.raises(AsksFirst) as asked:
        reconnect(grant, reread(planted["page1"]), author)
    assert [a.name for a in asked.value.lacking] == ["Page 2", "Page 3"]
    assert asked.value.back == 2
    assert token_of(planted["page1"]) == "ana-page1"
    done = reconnect(grant, reread(planted["page1"]), author, yes=True)
    assert words_of(done)[-1] == (
        "2 of 4 came back; for these 2 Ana Lopez has no role any more: "
        "Page 2 and Page 3."
    )
    assert reread(planted["page2"]).cause == Cause.ROLE_LOST


def test_a_page_that_is_lost_is_broken_until_a_look_tells_otherwise(
    planted, sign_in, author
):
    grant = sign_in(pages=(1,), by="new")
    reconnect(grant, reread(planted["page1"]), author, yes=True)
    lost = reread(planted["page2"])
    assert (lost.health, lost.cause) == ("broken", Cause.ROLE_LOST)
    assert lost.credential.next_proof_at <= timezone.now()
    # It is known by now: nobody is asked the same again.
    assert doubts(grant, reread(planted["page1"])) is None


def test_a_page_at_which_one_may_only_look_now_counts_as_lost(planted, sign_in, author):
    grant = sign_in(by="new")
    watched = replace(grant.find("page3"), can_publish=False)
    found = [watched if i.external_id == "page3" else i for i in grant.identities]
    grant = replace(grant, identities=tuple(found))
    assert [a.name for a in lacking(grant)] == ["Page 3"]
    done = reconnect(grant, reread(planted["page1"]), author, yes=True)
    assert [a.name for a in done.lacking] == ["Page 3"]
    assert reread(planted["page3"]).cause == Cause.ROLE_LOST


def test_the_clicked_page_has_to_be_there(planted, sign_in, author):
    with pytest.raises(CannotPost) as same:
        reconnect(sign_in(pages=(1,)), reread(planted["page2"]), author)
    assert same.value.cause == Cause.ROLE_LOST
    with pytest.raises(OtherIdentity) as other:
        reconnect(sign_in(BEN, pages=(1,)), reread(planted["page2"]), author)
    assert other.value.is_page  # nobody can sign in as it
    assert other.value.signed_in_as == "Ben Okri"


# -- by another person


def test_another_person_may_replace_all_that_is_broken(planted, sign_in, author):
    break_tree()
    grant = sign_in(BEN, pages=(1, 2))
    with pytest.raises(AsksFirst) as asked:
        reconnect(grant, reread(planted["page1"]), author)
    assert (asked.value.before, asked.value.back) == ("Ana Lopez", 3)
    assert asked.value.lacking == []
    reconnect(grant, reread(planted["page1"]), author, yes=True)
    assert token_of(planted["photo1"]) == "ben-page1"
    assert token_of(planted["page2"]) == "ben-page2"
    assert reread(planted["page3"]).credential.parent.subject_id == "ana"
    forgotten = Credential.objects.get(parent__subject_id="ana", subject_id="page1")
    assert forgotten.access_token == ""
    assert Credential.objects.get(subject_id="ana").access_token == "ana-user"


def test_where_nothing_is_broken_only_the_chosen_page_moves(planted, sign_in, author):
    grant = sign_in(BEN)
    reconnect(grant, reread(planted["page1"]), author, yes=True)
    assert token_of(planted["photo1"]) == "ben-page1"
    assert token_of(planted["page2"]) == "ana-page2"


def test_what_is_well_stays_with_its_person_when_another_page_is_lost(
    planted, sign_in, author
):
    planted["page3"].set_trouble(Cause.ROLE_LOST, "")
    reconnect(sign_in(BEN), reread(planted["page3"]), author, yes=True)
    assert token_of(planted["page3"]) == "ben-page3"
    assert token_of(planted["page1"]) == "ana-page1"
    assert token_of(planted["photo1"]) == "ana-page1"


def test_a_page_that_comes_back_by_another_person_brings_no_other_along(
    planted, sign_in, author
):
    disconnect(reread(planted["page2"]), author)
    grant = sign_in(BEN)
    reconnect(grant, reread(planted["page2"]), author, yes=True)
    assert token_of(planted["page2"]) == "ben-page2"
    assert token_of(planted["page1"]) == "ana-page1"
    assert reread(planted["page3"]).credential.root.subject_id == "ana"


def test_the_former_consent_goes_with_its_last_page(planted, sign_in, author):
    break_tree()
    reconnect(sign_in(BEN), reread(planted["page1"]), author, yes=True)
    ana = Credential.objects.get(subject_id="ana")
    assert (ana.state, ana.access_token) == ("disconnected", "")


# -- standby access


def test_a_second_person_stands_by_for_a_page_and_what_acts_through_it(
    tree, planted, sign_in, author
):
    tree.asked.clear()
    served = add_standby(sign_in(BEN), reread(planted["page1"]), author)
    assert [a.external_id for a in served] == ["page1", "photo1"]
    assert tree.asked == ["scripted ben-user", "scripted ben-page1"]
    one = reread(planted["page1"])
    assert (one.credential.access_token, one.standby.access_token) == (
        "ana-page1",
        "ben-page1",
    )
    assert one.standby.parent.subject_id == "ben"
    assert reread(planted["page2"]).standby is None


@pytest.fixture
def bens(planted, sign_in, brand, author):
    """Ben's own two pages, and Ana's third, for which he stands by."""
    grant = sign_in(BEN, pages=(4, 5), photos=())
    picks = [(i, brand) for i in grant.identities if i.can_publish]
    accounts = connect(grant, picks, author)
    with_third = sign_in(BEN, pages=(3, 4, 5), photos=(), by="ben-too")
    add_standby(with_third, reread(planted["page3"]), author)
    return {account.external_id: account for account in accounts}


def test_who_stands_by_and_leaves_their_own_pages_out_is_asked_first(
    planted, bens, sign_in, author
):
    grant = sign_in(BEN, pages=(1, 4), by="ben-new")
    with pytest.raises(AsksFirst) as asked:
        add_standby(grant, reread(planted["page1"]), author)
    assert [a.name for a in asked.value.lacking] == ["Page 3", "Page 5"]
    assert reread(planted["page1"]).standby is None
    assert token_of(bens["page4"]) == "ben-too-page4"
    assert reread(bens["page5"]).health == "healthy"
    add_standby(grant, reread(planted["page1"]), author, yes=True)
    assert reread(planted["page1"]).standby.access_token == "ben-new-page1"
    assert reread(bens["page5"]).cause == Cause.ROLE_LOST
    # It is known by now: nobody is asked the same again.
    add_standby(grant, reread(planted["page1"]), author)


def test_who_stands_by_with_less_than_they_had_is_asked_first(
    planted, bens, sign_in, author
):
    Credential.objects.filter(subject_id="ben").update(granted_scopes=["all", "more"])
    grant = sign_in(BEN, pages=(1, 3, 4, 5), by="ben-new")
    with pytest.raises(AsksFirst) as asked:
        add_standby(grant, reread(planted["page1"]), author)
    assert [scope.name for scope in asked.value.lost] == ["more"]
    assert token_of(bens["page4"]) == "ben-too-page4"


def test_who_takes_a_page_over_and_leaves_their_own_out_reads_which(
    planted, bens, sign_in, author
):
    grant = sign_in(BEN, pages=(1, 4), by="ben-new")
    question = doubts(grant, reread(planted["page1"]))
    assert question.before == "Ana Lopez"
    assert [a.name for a in question.lacking] == ["Page 3", "Page 5"]
    done = reconnect(grant, reread(planted["page1"]), author, yes=True)
    assert [a.name for a in done.accounts] == ["Page 1", "Photo 1"]
    assert [a.name for a in done.lacking] == ["Page 3", "Page 5"]


def test_the_question_to_who_stands_by_has_its_own_buttons(
    planted, bens, sign_in, author, client
):
    account = planted["page1"]
    row = park(sign_in(BEN, pages=(1, 4), by="ben-new"), author, account=account)
    client.force_login(author)
    url = f"{reverse('connect_choose')}?id={row.pk}&standby=1"
    page = client.get(url).content.decode()
    assert "Other accounts would lose their access" in page
    assert "Page 5" in page
    assert 'value="replace"' not in page
    assert reverse("account_standby", args=[account.pk]) in page
    client.post(url, {"do": "standby"})
    assert reread(account).standby.parent.subject_id == "ben"
    assert token_of(account) == "ana-page1"


def test_standby_access_is_proven_before_it_is_stored(tree, planted, sign_in, author):
    tree.answers["ben-page1"] = PermissionMissing(cause=Cause.ROLE_LOST)
    with pytest.raises(CannotPost):
        add_standby(sign_in(BEN), reread(planted["page1"]), author)
    assert not Credential.objects.filter(subject_id="ben").exists()


def test_nobody_stands_by_for_themselves_or_for_another_page(planted, sign_in, author):
    with pytest.raises(SamePerson):
        add_standby(sign_in(ANA), reread(planted["page1"]), author)
    with pytest.raises(OtherIdentity):
        add_standby(sign_in(BEN, pages=(2,)), reread(planted["page1"]), author)


def test_a_profile_has_no_standby(make_account):
    assert not may_have_standby(make_account("x", "42"))


def test_removed_standby_access_is_told_to_the_platform_and_forgotten(
    tree, planted, sign_in, author
):
    add_standby(sign_in(BEN), reread(planted["page1"]), author)
    remove_standby(reread(planted["page1"]), author)
    assert tree.revoked == []  # the photo account has it still
    remove_standby(reread(planted["photo1"]), author)
    assert tree.revoked == ["ben-user"]
    assert not Credential.objects.filter(subject_id="ben").exclude(access_token="")


def test_a_standby_that_becomes_the_access_is_no_standby_any_more(
    planted, sign_in, author
):
    add_standby(sign_in(BEN), reread(planted["page1"]), author)
    reconnect(sign_in(BEN, by="ben2"), reread(planted["page1"]), author, yes=True)
    one = reread(planted["page1"])
    assert (one.standby, one.credential.access_token) == (None, "ben2-page1")


# -- disconnecting


def test_disconnecting_one_page_keeps_the_rest(tree, planted, author):
    done = disconnect(reread(planted["page2"]), author)
    assert done.shared
    assert tree.revoked == []
    assert Credential.objects.get(subject_id="page2").access_token == ""
    assert token_of(planted["page3"]) == "ana-page3"
    assert Credential.objects.get(parent=None).is_active


def test_a_page_keeps_its_token_while_something_acts_through_it(planted, author):
    disconnect(reread(planted["page1"]), author)
    assert token_of(planted["photo1"]) == "ana-page1"


def test_the_consent_is_revoked_with_its_last_account(tree, planted, author):
    told = [disconnect(reread(account), author).told for account in planted.values()]
    assert told == [None, None, None, True]
    assert tree.revoked == ["ana-user"]
    assert not Credential.objects.exclude(access_token="").exists()
    assert set(Credential.objects.values_list("state", flat=True)) == {"disconnected"}


def test_a_platform_that_cannot_be_told_is_told_later(tree, planted, author):
    tree.answers["revoke"] = PlatformDown()
    told = [disconnect(reread(account), author).told for account in planted.values()]
    assert told[-1] is False
    root = Credential.objects.get(parent=None)
    assert (root.state, root.access_token) == ("disconnected", "ana-user")
    assert revoke_due(timezone.now()) == 0
    assert len(tree.revoked) == 1
    del tree.answers["revoke"]
    assert revoke_due(timezone.now() + WAITS[0] + timedelta(seconds=1)) == 1
    root.refresh_from_db()
    assert (root.access_token, root.revoke_after) == ("", None)


def test_a_token_is_forgotten_when_the_platform_never_answers(
    tree, planted, author, client
):
    tree.answers["revoke"] = PlatformDown()
    for account in planted.values():
        disconnect(reread(account), author)
    for number in range(1, 9):
        revoke_due(timezone.now() + timedelta(days=10 * number))
    assert len(tree.revoked) == 1 + len(WAITS)
    assert Credential.objects.get(parent=None).access_token == ""
    # The history says what is left to do there, and says it once.
    page = planted["page1"]
    assert AuditEvent.objects.filter(verb="not_told", target_id=page.pk).count() == 1
    client.force_login(author)
    shown = client.get(page.get_absolute_url()).content.decode()
    assert "remove SocialHub in its settings" in shown


def test_who_comes_back_before_the_platform_is_told_keeps_the_new_access(
    tree, planted, sign_in, brand, author
):
    tree.answers["revoke"] = PlatformDown()
    for account in planted.values():
        disconnect(reread(account), author)
    grant = sign_in(by="back")
    connect(grant, [(grant.find("page1"), brand)], author)
    assert revoke_due(timezone.now() + timedelta(days=1)) == 0
    assert len(tree.revoked) == 1
    assert token_of(planted["page1"]) == "back-page1"


# -- looks


def test_what_a_page_may_not_do_leaves_who_acts_through_it_alone(tree, planted):
    page, photo, other = (planted[n] for n in ("page1", "photo1", "page2"))
    missing = Verdict(False, Cause.SCOPE_MISSING, "posts")
    tree.answers["scripted ana-page1"] = Proof({Ability.PUBLISH: missing})
    tree.answers["scripted ana-page2"] = Proof({Ability.PUBLISH: missing})
    finding = health.check(page.credential)
    assert (finding.verdict, finding.cause, finding.changed) == (
        "failing",
        Cause.SCOPE_MISSING,
        True,
    )
    assert (reread(page).health, reread(page).cause) == ("broken", Cause.SCOPE_MISSING)
    assert reread(photo).health == "healthy"
    # Nobody acts through this one: its access is good for nothing.
    health.check(other.credential)
    assert reread(other).credential.state == Credential.State.BROKEN
    del tree.answers["scripted ana-page1"]
    health.check(reread(page).credential)
    assert reread(page).health == "healthy"

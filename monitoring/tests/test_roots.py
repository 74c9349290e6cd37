"""One cause is one incident and one mail, in whatever order its signs arrive."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from accounts.models import CircuitBreaker, ConnectedAccount, Credential
from monitoring import incidents, letters
from monitoring.models import Alert, Incident
from platforms.errors import Cause

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("script")]


@pytest.mark.parametrize("seed", [1, 2])
def test_a_tree_that_dies_in_any_order_is_one_mail_and_one_incident(
    make_tree: Any, make_delivery: Any, review: Any, seed: int
) -> None:
    tree = make_tree(pages=40, behind=12)
    due = [make_delivery(tree.pages[n], due_in=timedelta(hours=5)) for n in (3, 45)]
    members = tree.members
    random.Random(seed).shuffle(members)
    for number, member in enumerate(members[:-3]):
        tree.kill(member)
        if number % 8 == 0:
            review()
    assert mail.outbox == [], "the others are being looked at"
    for member in members[-3:]:
        tree.kill(member)
        review()
    review(1)
    incident = Incident.objects.get()
    assert incident.dedup_key == f"access:{tree.root.pk}"
    assert (incident.account_count, incident.post_count) == (52, 2)
    assert incident.first_due_at == due[0].due_at
    (told,) = mail.outbox
    assert told.subject == (
        "52 accounts of Jo Weber (Scripted): The password was changed"
    )
    assert "2 posts wait" in told.body
    assert "32 more" in told.body
    first = told.body.index(f"- {tree.pages[45].name} (")
    assert first < told.body.index(f"- {tree.pages[0].name} ("), "posts wait for it"
    assert "One reconnect renews all of them." in told.body
    tree.prove(*members[:20])
    review(2)
    assert Incident.objects.open().count() == 1
    tree.mend()
    review(3)
    review(4)
    assert not Incident.objects.open().exists()
    assert [m.subject for m in mail.outbox[1:]] == [
        "Solved: 52 accounts of Jo Weber (Scripted)"
    ]


def test_pages_that_were_not_looked_at_yet_count_when_the_password_was_changed(
    make_tree: Any, review: Any
) -> None:
    tree = make_tree(pages=4)
    tree.kill(tree.root)
    review()
    assert mail.outbox == []
    tree.prove(tree.pages[0].credential)
    for page in tree.pages[1:]:
        tree.kill(page.credential)
    review()
    assert Incident.objects.get().account_count == 3
    assert len(mail.outbox) == 1


@pytest.mark.parametrize(("due_h", "minutes"), [(1, 1), (30, 5)])
def test_what_cannot_be_looked_at_does_not_keep_the_message_back_for_long(
    make_tree: Any, make_delivery: Any, review: Any, due_h: int, minutes: int
) -> None:
    tree = make_tree(pages=3)
    make_delivery(tree.pages[0], due_in=timedelta(hours=due_h))
    tree.kill(tree.pages[0].credential)
    review()
    review(minutes - 0.5)
    assert mail.outbox == []
    review(minutes + 0.1)
    assert len(mail.outbox) == 1
    tree.kill(tree.root)
    review(minutes + 1)
    assert (Incident.objects.count(), len(mail.outbox)) == (1, 1)


def test_a_page_that_lost_its_role_is_its_own_incident(
    make_tree: Any, review: Any
) -> None:
    tree = make_tree(pages=3)
    tree.kill(tree.pages[0].credential, Cause.ROLE_LOST)
    tree.prove(tree.root, *(page.credential for page in tree.pages[1:]))
    review()
    incident = Incident.objects.get()
    assert incident.dedup_key == f"access:{tree.pages[0].credential_id}"
    assert mail.outbox[0].subject.startswith(
        "Page 0 (Scripted): The role on the page was lost"
    )
    # Of two Pages of one person that lost it, each is named.
    tree.kill(tree.pages[1].credential, Cause.ROLE_LOST)
    review(1)
    heads = [letters.incident_head(row) for row in Incident.objects.order_by("pk")]
    assert heads == [
        f"Page {n} (Scripted): The role on the page was lost" for n in (0, 1)
    ]


def test_roles_that_are_lost_at_once_are_one_mail_and_one_incident(
    make_tree: Any, review: Any
) -> None:
    """Somebody was taken out of the company's Business, which half of the Pages are of."""
    tree = make_tree(pages=40, behind=12)
    first, *rest = tree.pages[:20]
    tree.kill(first.credential, Cause.ROLE_LOST)
    tree.prove(tree.root)
    review()
    assert mail.outbox == [], "the others are being looked at"
    for page in rest:
        tree.kill(page.credential, Cause.ROLE_LOST)
    tree.prove(*(page.credential for page in tree.pages[20:40]))
    review(1)
    incident = Incident.objects.get()
    assert incident.account_count == 32
    subject = "32 accounts of Jo Weber (Scripted): The role on the page was lost"
    assert [m.subject for m in mail.outbox] == [subject]
    assert "One reconnect renews all of them." in mail.outbox[0].body
    # The first one comes back alone: of the others nothing new is to be said.
    tree.prove(first.credential)
    review(2)
    assert Incident.objects.get().state == Incident.State.OPEN
    assert Incident.objects.get().account_count == 30
    review(3)
    assert len(mail.outbox) == 1
    tree.mend()
    review(4)
    assert [m.subject for m in mail.outbox[1:]] == [
        "Solved: 32 accounts of Jo Weber (Scripted)"
    ]


@pytest.mark.parametrize("how", ["later", "well in between"])
def test_a_role_that_is_lost_another_time_is_told_anew(
    make_tree: Any, review: Any, how: str
) -> None:
    tree = make_tree(pages=3)
    one, two, three = (page.credential for page in tree.pages)
    tree.kill(one, Cause.ROLE_LOST)
    tree.prove(tree.root, two, three)
    review()
    assert len(mail.outbox) == 1
    if how == "later":
        Credential.objects.update(proven_at=None)
        Credential.objects.filter(pk=one.pk).update(
            broken_at=timezone.now() - timedelta(minutes=10)
        )
    tree.kill(two, Cause.ROLE_LOST)
    tree.prove(tree.root, three)
    review(1)
    assert [m.subject[:6] for m in mail.outbox] == ["Page 0", "Page 1"]


def test_pages_without_tokens_of_their_own_that_lose_their_role_are_one_mail(
    make_account: Any, review: Any
) -> None:
    first = make_account("scripted", "page-0", name="Page 0")
    pages = [first]
    for number in range(1, 12):
        page = make_account("scripted", f"page-{number}", name=f"Page {number}")
        spare, page.credential = page.credential, first.credential
        page.save(update_fields=["credential"])
        spare.delete()
        pages.append(page)
    for page in pages[:8]:
        page.set_trouble(Cause.ROLE_LOST, "")
    review()
    assert mail.outbox == [], "the rest is being asked about"
    for page in pages[8:]:
        page.set_trouble(Cause.ROLE_LOST, "")
    review(1)
    review(6)
    assert Incident.objects.get().account_count == 12
    assert [m.subject for m in mail.outbox] == [
        "12 accounts of Acme (Scripted): The role on the page was lost"
    ]


def test_a_page_that_was_told_first_joins_its_root_without_a_second_mail(
    make_tree: Any, review: Any
) -> None:
    tree = make_tree(pages=2)
    tree.kill(tree.pages[0].credential, Cause.NOT_ALLOWED)
    review()
    review(6)
    assert len(mail.outbox) == 1
    part = Incident.objects.get()
    tree.kill(tree.root)
    tree.kill(tree.pages[1].credential)
    review(7)
    (whole,) = Incident.objects.open()
    assert whole.dedup_key == f"access:{tree.root.pk}"
    assert whole.account_count == 2
    assert len(mail.outbox) == 1
    part.refresh_from_db()
    assert part.dedup_key == f"part:{whole.dedup_key}"
    tree.mend()
    review(8)
    assert [m.subject.split(":")[0] for m in mail.outbox[1:]] == ["Solved"]


def test_a_role_that_stays_lost_after_the_reconnect_is_told_anew(
    make_tree: Any, review: Any
) -> None:
    tree = make_tree(pages=3)
    tree.kill_all()
    review()
    tree.kill(tree.pages[0].credential, Cause.ROLE_LOST)
    tree.prove(tree.root, *(page.credential for page in tree.pages[1:]))
    review(1)
    subjects = [m.subject for m in mail.outbox]
    assert len(subjects) == 3
    # What is still lost is not called well again.
    assert "Solved: 2 accounts of Jo Weber (Scripted)" in subjects
    assert any("role on the page was lost" in words for words in subjects)


def test_what_breaks_for_another_cause_is_not_called_solved(
    make_account: Any, review: Any
) -> None:
    account = make_account("scripted", "a")
    account.set_trouble(Cause.FILES_NOT_ALLOWED, "")
    review()
    account.set_trouble(Cause.ROLE_LOST, "")
    Credential.objects.update(
        state=Credential.State.BROKEN,
        cause=Cause.ACCOUNT_SUSPENDED,
        broken_at=timezone.now(),
        looked_at=timezone.now(),
    )
    review(6)
    review(7)
    assert [m.subject for m in mail.outbox] == [
        "Acme Tools (Scripted): The role on the page is not enough for files",
        "Acme Tools (Scripted): The account is suspended",
    ]
    assert not Alert.objects.filter(sent_at=None).exists()


def test_a_users_token_that_only_ran_out_concerns_no_living_page(
    make_tree: Any, review: Any
) -> None:
    tree = make_tree(pages=3)
    tree.kill(tree.root, Cause.TOKEN_EXPIRED)
    review()
    assert not Incident.objects.exists()


def test_each_owner_hears_of_their_own_accounts(
    make_tree: Any, review: Any, brand: Any, django_user_model: Any
) -> None:
    tree = make_tree(pages=3)
    mia = django_user_model.objects.create_user("mia", "mia@example.com")
    brand.members.add(mia)
    tree.pages[1].owner = mia
    tree.pages[1].save()
    tree.kill_all()
    review()
    by_person = {m.to[0]: m for m in mail.outbox}
    assert by_person.keys() == {"ana@example.com", "mia@example.com"}
    assert by_person["mia@example.com"].subject.startswith("Page 1 (Scripted):")
    assert "Page 1" not in by_person["ana@example.com"].body
    # She may not reconnect here, so her button leads to where she can act.
    mail_to_mia = by_person["mia@example.com"].body
    assert "/reconnect/" not in mail_to_mia
    links = f"http://testserver/accounts/{tree.pages[1].pk}/links/"
    assert f"Send a link to reconnect: {links}" in mail_to_mia


def test_pages_that_share_a_token_and_lack_one_permission_are_one_incident(
    make_account: Any, review: Any
) -> None:
    one = make_account("scripted", "a")
    other = make_account("scripted", "b")
    other.credential = one.credential
    other.save()
    for account in (one, other):
        account.trouble = Cause.SCOPE_MISSING
        account.trouble_at = timezone.now()
        account.save()
    review()
    assert Incident.objects.get().account_count == 2
    assert len(mail.outbox) == 1


def test_what_a_consent_lacks_for_many_accounts_is_told_once_when_all_were_looked_at(
    make_tree: Any, review: Any
) -> None:
    tree = make_tree(pages=4, behind=3)
    *_pages, first, second, third = tree.pages
    first.set_trouble(Cause.DATA_ACCESS_ENDED, "")
    review()
    assert mail.outbox == [], "the others are being looked at"
    waits = set(Credential.objects.shaken(timezone.now()))
    assert waits == {member.pk for member in tree.members}
    for account in (second, third):
        account.set_trouble(Cause.DATA_ACCESS_ENDED, "")
    tree.prove(*tree.members)
    review(1)
    assert Incident.objects.get().account_count == 3
    (sent,) = mail.outbox
    assert sent.subject.startswith("3 accounts of Jo Weber (Scripted): ")
    assert Credential.objects.shaken(timezone.now()) == []


def test_a_suspended_app_is_one_incident_for_admins_and_no_mail_to_owners(
    make_account: Any, review: Any, brand: Any, django_user_model: Any
) -> None:
    mia = django_user_model.objects.create_user("mia", "mia@example.com")
    brand.members.add(mia)
    for number in range(5):
        account = make_account("scripted", f"a{number}", owner=mia)
        account.credential.state = Credential.State.BROKEN
        account.credential.cause = Cause.APP_SUSPENDED
        account.credential.broken_at = timezone.now()
        account.credential.save()
        review()
    incident = Incident.objects.get()
    assert (incident.kind, incident.account_count) == ("app", 5)
    assert [m.to for m in mail.outbox] == [["ana@example.com"]]
    assert "No account is at fault" in mail.outbox[0].body


def test_accounts_that_their_apps_breaker_holds_are_told_with_it(
    make_account: Any, review: Any
) -> None:
    accounts = [make_account("scripted", f"a{number}") for number in range(3)]
    for account in accounts:
        account.credential.state = Credential.State.BROKEN
        account.credential.cause = Cause.TOKEN_REVOKED
        account.credential.broken_at = timezone.now()
        account.credential.save()
    now = timezone.now()
    CircuitBreaker.objects.create(
        platform="scripted",
        subject=f"app:{accounts[0].credential.app_id}",
        state="open",
        cause="many_lost_access",
        opened_at=now,
        many_lost_at=now,
        retry_at=now + timedelta(minutes=5),
    )
    review()
    assert Incident.objects.get().kind == "breaker"
    assert len(mail.outbox) == 1
    # A trial was told what it is: the accounts are no more at fault than before.
    CircuitBreaker.objects.update(cause=Cause.APP_SUSPENDED)
    review(1)
    assert {row.kind for row in Incident.objects.all()} == {"breaker"}
    # The app is back. They are asked again before anybody is told to reconnect.
    CircuitBreaker.objects.update(state="closed", closed_at=now + timedelta(minutes=2))
    review(3)
    assert not Incident.objects.open().exists()
    Credential.objects.update(looked_at=now + timedelta(minutes=4))
    review(5)
    assert Incident.objects.open().filter(kind="access").count() == 3


def test_what_was_found_broken_and_is_well_again_meanwhile_is_not_told(
    make_account: Any, monkeypatch: Any
) -> None:
    account = make_account("scripted", "a")
    account.credential.state = Credential.State.BROKEN
    account.credential.cause = Cause.TOKEN_REVOKED
    account.credential.save()
    look = incidents._find
    seen: list[Any] = []

    def find(pauses: Any) -> Any:
        seen.append(look(pauses))
        Credential.objects.update(state=Credential.State.ACTIVE)
        return seen[-1]

    monkeypatch.setattr(incidents, "_find", find)
    incidents.review()
    assert len(seen) == 2
    assert mail.outbox == []
    assert not Alert.objects.exists()


def test_who_was_disconnected_meanwhile_is_not_said_to_be_well_again(
    make_tree: Any, review: Any
) -> None:
    tree = make_tree(pages=3)
    tree.kill_all()
    review()
    for page in tree.pages[:2]:
        ConnectedAccount.objects.filter(pk=page.pk).update(
            disconnected_at=timezone.now()
        )
    review(1)
    ConnectedAccount.objects.filter(pk=tree.pages[0].pk).update(disconnected_at=None)
    tree.mend()
    review(2)
    opened, solved = mail.outbox
    assert opened.subject.startswith("3 accounts of Jo Weber (Scripted): ")
    assert solved.subject == "Solved: 2 accounts of Jo Weber (Scripted)"
    assert "Page 1 " not in solved.body

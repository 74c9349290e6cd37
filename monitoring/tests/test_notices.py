"""21, 14, 7, 3 and 1 days before an access ends: one notice each, in one daily mail."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core import mail

from accounts.ends import End, EndKind
from accounts.models import Credential, PlatformApp
from monitoring import incidents, notices
from monitoring.models import Alert, Incident

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("script")]

ENDS = datetime(2027, 1, 31, 12, 0, tzinfo=UTC)


@pytest.fixture
def account(make_account: Any) -> Any:
    account = make_account("scripted", "a", expires_at=ENDS)
    Credential.objects.update(issued_at=ENDS - timedelta(days=60))
    return account


def day(days: float) -> None:
    """A run so many days before the end, and the mails of nine o'clock."""
    now = ENDS - timedelta(days=days, hours=3)
    notices.tell(now)
    incidents.review(now)


def told(person: str = "ana") -> list[int]:
    rows = Alert.objects.filter(kind="notice", user__username=person)
    return list(rows.order_by("-days").values_list("days", flat=True))


@pytest.fixture(autouse=True)
def _mails_leave_at_nine(monkeypatch: Any) -> None:
    monkeypatch.setattr("monitoring.sending._Run._last_daily", lambda *args: None)
    monkeypatch.setattr("monitoring.quiet.next_daily", lambda p, z, since: since)


def test_each_step_is_told_once(account: Any) -> None:
    for left in (25, 22, 21, 20, 14, 13, 7, 6, 3, 2, 1, 0):
        day(left)
        day(left)
    assert told() == [21, 14, 7, 3, 1]
    assert len(mail.outbox) == 5
    first = mail.outbox[0]
    assert first.subject == "Access ends in 21 days: Acme Tools (Scripted)"
    assert "Reconnect before then" in first.body
    assert f"/accounts/{account.pk}/reconnect/" in first.body


@pytest.mark.parametrize(
    ("runs", "steps"),
    [([22, 5], [7]), ([21, 2], [21, 3]), ([0.1], [1]), ([14, 6.5, 0.5], [14, 7, 1])],
)
def test_after_missed_days_only_the_nearest_is_told(
    account: Any, runs: list[float], steps: list[int]
) -> None:
    for left in runs:
        day(left)
    assert told() == steps


def test_who_has_renewed_hears_nothing_more(account: Any) -> None:
    day(21)
    Credential.objects.update(expires_at=ENDS + timedelta(days=60))
    day(14)
    assert told() == [21]
    assert not Incident.objects.open().exists()
    assert len(mail.outbox) == 1, "nothing broke, so nothing is solved"


def test_a_renewal_takes_back_what_waits_for_the_daily_mail(account: Any) -> None:
    now = ENDS - timedelta(days=14)
    notices.tell(now)
    Credential.objects.update(expires_at=ENDS + timedelta(days=60))
    incidents.review(now)
    assert (told(), mail.outbox) == ([], [])


def test_a_renewal_that_ends_soon_again_is_told_from_the_start(account: Any) -> None:
    day(7)
    Credential.objects.update(
        expires_at=ENDS + timedelta(days=10), issued_at=ENDS - timedelta(days=30)
    )
    day(4)
    assert told() == [14, 7]
    assert Incident.objects.filter(kind="ends").count() == 2


def test_an_access_that_was_never_given_for_longer_is_told_only_near_its_end(
    account: Any,
) -> None:
    Credential.objects.update(issued_at=ENDS - timedelta(days=10))
    for left in (10, 8, 7, 3):
        day(left)
    assert told() == [7, 3]


def test_deputies_hear_at_seven_days_and_admins_at_three(
    account: Any, brand: Any, django_user_model: Any
) -> None:
    make = django_user_model.objects.create_user
    dev = make("dev", "dev@example.com")
    mia = make("mia", "mia@example.com")
    brand.members.add(dev, mia)
    account.owner, account.deputy = mia, dev
    account.save()
    for left in (14, 7, 3, 1):
        day(left)
    assert told("mia") == [14, 7, 3, 1]
    assert told("dev") == [7, 3, 1]
    assert told("ana") == [3, 1]


def test_i_am_on_it_keeps_the_notice_with_its_owner(
    account: Any, brand: Any, django_user_model: Any
) -> None:
    account.owner = mia = django_user_model.objects.create_user("mia", "m@example.com")
    account.save()
    brand.members.add(mia)
    day(7)
    incident = Incident.objects.get()
    incident.acknowledge(mia)
    Incident.objects.update(acknowledged_at=ENDS - timedelta(days=3, hours=5))
    day(3)
    assert (told("mia"), told("ana")) == ([7, 3], [])


def test_many_accounts_of_one_person_are_one_mail(
    account: Any, make_account: Any, make_tree: Any
) -> None:
    for number in range(3):
        make_account("scripted", f"b{number}", name=f"B{number}", expires_at=ENDS)
    tree = make_tree(pages=4)
    Credential.objects.filter(pk=tree.root.pk).update(expires_at=ENDS)
    Credential.objects.update(issued_at=ENDS - timedelta(days=60))
    day(7)
    assert Incident.objects.filter(kind="ends").count() == 5
    (sent,) = mail.outbox
    assert "and 4 more" in sent.subject
    assert "B2" in sent.body
    assert "4 accounts of Jo Weber" in sent.body
    html = sent.alternatives[0][0]
    assert html.count("Reconnect</a>") == 5


@pytest.mark.parametrize("end", ["refresh_expires_at", "data_access_ends_at"])
def test_an_access_token_of_an_hour_hides_no_end_of_its_consent(
    account: Any, make_account: Any, end: str
) -> None:
    """It is renewed day after day, and its consent ends when it was always to end."""
    account.delete()
    platform = "youtube" if end == "refresh_expires_at" else "ayrshare"
    row = make_account(platform, "b", refresh_token="r").credential
    for left in (20.8, 19.8, 13.8, 12.8, 6.8, 5.8, 2.8, 1.8, 0.8):
        renewed = ENDS - timedelta(days=left, hours=4)
        Credential.objects.filter(pk=row.pk).update(
            issued_at=renewed,
            expires_at=renewed + timedelta(hours=1),
            connected_at=ENDS - timedelta(days=90),
            **{end: ENDS},
        )
        day(left)
    assert told() == [21, 14, 7, 3, 1]


def test_an_end_that_a_refused_renewal_brings_is_told_at_once(account: Any) -> None:
    """Nobody knew of it: also where no token was ever given for longer."""
    Credential.objects.update(
        refresh_token="r",
        issued_at=ENDS - timedelta(days=7),
        refresh_expires_at=ENDS + timedelta(days=30),
        refresh_after=ENDS - timedelta(days=6),
    )
    day(5.5)
    assert told() == []
    refused = ENDS - timedelta(days=5, hours=4)
    Credential.objects.update(renewal_refused_at=refused)
    day(5)
    assert told() == [], "whether it acts until then is asked first"
    Credential.objects.update(looked_at=refused)
    day(5)
    day(3)
    assert told() == [7, 3]
    assert mail.outbox[0].subject == "Access ends in 5 days: Acme Tools (Scripted)"
    assert "refused to renew our access" in mail.outbox[0].body
    assert "Reconnect before then" in mail.outbox[0].body
    Credential.objects.update(renewal_refused_at=None)
    day(2)
    assert told() == [7, 3]
    assert not Incident.objects.open().exists()


def test_after_a_standstill_a_renewal_that_is_due_is_tried_first(
    account: Any, make_account: Any
) -> None:
    """Nothing was renewed for three days, because we were not there."""
    account.delete()
    row = make_account("threads", "t", refresh_token="r", expires_at=ENDS).credential
    due = ENDS - timedelta(days=7)
    Credential.objects.update(
        issued_at=ENDS - timedelta(days=60),
        connected_at=ENDS - timedelta(days=90),
        refresh_expires_at=ENDS,
        refresh_after=due,
    )
    assert row.ends() == []
    day(4)
    assert told() == []
    # It was tried, and did not come about.
    Credential.objects.update(refresh_after=ENDS - timedelta(days=4, hours=2))
    day(4)
    assert told() == [7]
    # What is told stays told while the next try is due.
    day(3.9)
    assert Incident.objects.open().count() == 1


@pytest.fixture
def photos(account: Any, make_account: Any) -> Any:
    """An Instagram account that acts with the token of a person's Page."""
    account.delete()
    person = make_account("facebook", "person").credential
    page = make_account("facebook", "page", name="Acme Page")
    photos = make_account("instagram", "photos", name="Acme Photos")
    photos.credential.delete()
    photos.credential = page.credential
    photos.save()
    person.accounts.all().delete()
    Credential.objects.filter(pk=page.credential.pk).update(parent=person)
    Credential.objects.update(
        connected_at=ENDS - timedelta(days=90), data_access_ends_at=ENDS
    )
    return photos


def test_the_end_of_a_person_s_trust_is_told_for_what_acts_through_their_page(
    photos: Any,
) -> None:
    """It stops the Instagram account; the Page, which is exempt, goes on."""
    for left in (25, 21, 14, 7, 3, 1):
        day(left)
    assert told() == [21, 14, 7, 3, 1]
    incident = Incident.objects.open().get()
    assert [*incident.accounts.all()] == [photos]
    assert incident.credential == Credential.objects.get(children__isnull=False)
    assert "Acme Photos" in mail.outbox[0].subject


def test_that_end_is_told_although_the_person_s_own_token_is_over(photos: Any) -> None:
    """Pages outlive it, and nobody had to hear of it."""
    Credential.objects.filter(parent=None).update(state="broken", cause="token_expired")
    day(7)
    assert told() == [7]
    assert [*Incident.objects.open().get().accounts.all()] == [photos]


def test_posts_after_the_end_are_counted(account: Any, make_delivery: Any) -> None:
    late = make_delivery(account)
    type(late).objects.update(due_at=ENDS + timedelta(days=1))
    day(3)
    assert "1 post is planned for after that" in mail.outbox[0].body


def test_a_broken_access_has_no_end_to_come(account: Any) -> None:
    Credential.objects.update(state="broken", cause="token_revoked")
    notices.tell(ENDS - timedelta(days=3))
    assert not Incident.objects.exists()


def test_the_end_of_our_version_is_told_to_admins(
    account: Any, brand: Any, django_user_model: Any, monkeypatch: Any
) -> None:
    account.owner = mia = django_user_model.objects.create_user("mia", "m@example.com")
    account.save()
    Credential.objects.update(expires_at=None)
    version = End(ENDS, EndKind.VERSION)
    monkeypatch.setattr(PlatformApp, "version_end", lambda app, platform="": version)
    for left in (21, 20, 3):
        day(left)
    assert (told("ana"), told(mia.username)) == ([21, 3], [])
    assert mail.outbox[0].subject == "Scripted: the version that we use ends in 21 days"
    monkeypatch.setattr(PlatformApp, "version_end", lambda app, platform="": None)
    day(2)
    assert not Incident.objects.open().exists()

"""Access that nothing proves any more is told to admins, and breaks nobody."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core import mail
from django.utils import timezone

from accounts.models import CircuitBreaker, ConnectedAccount, Credential
from accounts.roles import ADMIN
from monitoring import incidents, tasks, unproven
from monitoring.models import Incident

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
UNPROVEN = Incident.Kind.UNPROVEN


@pytest.fixture
def silent(script: Any, make_account: Any) -> list[ConnectedAccount]:
    """Three accounts that were asked an hour ago, and last proven three days ago."""
    made = [make_account("scripted", f"s{n}", name=f"Shop {n}") for n in range(3)]
    now = timezone.now()
    Credential.objects.update(
        proven_at=now - 3 * DAY, looked_at=now - timedelta(hours=1)
    )
    ConnectedAccount.objects.update(connected_at=now - 30 * DAY)
    return made


@pytest.fixture
def admin(brand: Any, django_user_model: Any) -> Any:
    person = django_user_model.objects.create_user("ada", "ada@example.com", "pw")
    person.groups.add(Group.objects.get(name=ADMIN))
    brand.members.add(person)
    return person


def test_it_is_one_incident_for_admins_and_closes_by_itself(
    silent: Any, admin: Any, make_delivery: Any
) -> None:
    make_delivery(silent[0], "Hello", due_in=DAY)
    tasks.note_health()
    tasks.note_health()
    incident = Incident.objects.get()
    assert (incident.kind, incident.level) == (UNPROVEN, 2)
    assert (incident.account_count, incident.post_count) == (3, 1)
    incidents.review()
    (letter,) = [one for one in mail.outbox if one.to == [admin.email]]
    assert letter.subject == "3 accounts: Not proven for two days"
    assert "Posts are tried as before" in letter.body
    assert {a.health for a in ConnectedAccount.objects.all()} == {"healthy"}
    Credential.objects.update(proven_at=timezone.now())
    tasks.note_health()
    assert not Incident.objects.open().exists()
    incidents.review()
    to_admin = [one for one in mail.outbox if one.to == [admin.email]]
    assert len(to_admin) == 2, "who was told of it hears that it is over"


def test_what_turns_out_to_be_broken_is_not_called_solved(
    silent: Any, admin: Any
) -> None:
    tasks.note_health()
    incidents.review()
    Credential.objects.update(
        state=Credential.State.BROKEN,
        cause="token_revoked",
        broken_at=timezone.now(),
        looked_at=timezone.now(),
    )
    tasks.note_health()
    assert not Incident.objects.open().filter(kind=UNPROVEN).exists()
    incidents.review()
    assert not [one for one in mail.outbox if one.subject.startswith("Solved")]


def test_a_standstill_of_ours_solves_nothing(silent: Any, admin: Any) -> None:
    tasks.note_health()
    incidents.review()
    later = timezone.now() + 3 * DAY
    unproven.review(later)
    incidents.review(later)
    # The looks go on, and prove as little as before.
    Credential.objects.update(looked_at=later)
    unproven.review(later + timedelta(hours=1))
    incidents.review(later + timedelta(hours=1))
    assert Incident.objects.filter(kind=UNPROVEN).count() == 1
    assert len([one for one in mail.outbox if one.to == [admin.email]]) == 1


@pytest.mark.parametrize("why", ["stood still", "new", "broken", "told"])
def test_what_is_known_otherwise_is_not_told(silent: Any, why: str) -> None:
    now = timezone.now()
    if why == "stood still":
        Credential.objects.update(looked_at=now - 3 * DAY)
    elif why == "new":
        Credential.objects.update(proven_at=None)
        ConnectedAccount.objects.update(connected_at=now)
    elif why == "broken":
        Credential.objects.update(state=Credential.State.BROKEN, cause="token_revoked")
    else:
        CircuitBreaker.objects.create(
            platform="scripted",
            subject=f"app:{silent[0].credential.app_id}",
            state="open",
            cause="app_suspended",
            opened_at=now,
            retry_at=now + timedelta(minutes=5),
        )
        incidents.review()
    unproven.review(now)
    assert not Incident.objects.filter(kind=UNPROVEN).exists()


def test_its_page_and_card_say_what_an_admin_can_do(
    silent: Any, admin: Any, client: Any
) -> None:
    tasks.note_health()
    client.force_login(admin)
    page = client.get(Incident.objects.get().get_absolute_url()).content.decode()
    assert "Not proven for two days" in page
    assert "Shop 2" in page
    assert "/reconnect/" not in page

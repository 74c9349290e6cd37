"""What nobody acts on goes to deputies, then to admins; "I am on it" stops that."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone

from accounts.models import Credential
from monitoring import incidents, sending
from monitoring.models import Alert, Incident

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("script")]


@pytest.fixture
def people(brand: Any, django_user_model: Any) -> dict[str, Any]:
    made = {}
    for name in ("mia", "dev"):
        made[name] = django_user_model.objects.create_user(name, f"{name}@example.com")
        brand.members.add(made[name])
    return made


@pytest.fixture
def account(make_account: Any, people: dict[str, Any]) -> Any:
    account = make_account("scripted", "a", owner=people["mia"], deputy=people["dev"])
    Credential.objects.update(
        state="broken", cause="token_revoked", broken_at=timezone.now()
    )
    return account


@pytest.fixture
def after() -> Callable[[float], list[str]]:
    """Look so many hours after the start; who was mailed by then, in order."""
    start = timezone.now()

    def look(hours: float) -> list[str]:
        now: datetime = start + timedelta(hours=hours, minutes=1)
        incidents.review(now)
        return [m.to[0].partition("@")[0] for m in mail.outbox]

    return look


def test_with_a_post_due_it_goes_up_every_two_hours(
    account: Any, make_delivery: Any, after: Any
) -> None:
    make_delivery(account, due_in=timedelta(hours=20))
    assert after(0) == ["mia"]
    assert after(1.9) == ["mia"]
    assert after(2) == ["mia", "dev"]
    assert after(3.9) == ["mia", "dev"]
    assert after(4.1) == ["mia", "dev", "ana"]
    assert after(90) == ["mia", "dev", "ana"]
    assert mail.outbox[1].subject.startswith(
        "Nobody has acted yet. Acme Tools (Scripted)"
    )
    assert Incident.objects.get().level == 2


def test_who_was_taken_out_of_the_brand_hears_no_more_of_it(
    account: Any, people: dict[str, Any], brand: Any, after: Any
) -> None:
    Credential.objects.update(connected_by=people["dev"])
    brand.members.remove(*people.values())
    assert after(0) == ["ana"]
    assert after(48) == ["ana"]


def test_a_message_that_waits_is_not_sent_to_who_has_left_the_brand(
    account: Any, people: dict[str, Any], brand: Any
) -> None:
    incident = Incident.objects.create(kind="access", cause="token_revoked")
    incident.accounts.add(account)
    Alert.objects.create(incident=incident, user=people["mia"], kind="opened")
    brand.members.remove(people["mia"])
    sending.send_mails(timezone.now())
    assert not mail.outbox
    assert not Alert.objects.exists()


def test_without_a_post_it_goes_up_every_day(account: Any, after: Any) -> None:
    assert after(23) == ["mia"]
    assert after(48) == ["mia", "dev"]
    assert after(71) == ["mia", "dev"]
    assert after(73) == ["mia", "dev", "ana"]


def test_without_a_deputy_admins_are_next(account: Any, after: Any) -> None:
    account.deputy = None
    account.save()
    after(0)
    assert after(25) == ["mia", "ana"]


def test_i_am_on_it_stops_it_for_a_day(
    account: Any, make_delivery: Any, after: Any, people: Any
) -> None:
    make_delivery(account, due_in=timedelta(hours=20))
    after(0)
    incident = Incident.objects.get()
    assert incident.acknowledge(people["mia"])
    assert after(23.9) == ["mia"]
    incident.refresh_from_db()
    assert incident.state == Incident.State.ACKNOWLEDGED
    assert after(24.1) == ["mia", "dev"]


def test_what_is_solved_goes_nowhere_and_is_said_to_those_who_knew(
    account: Any, after: Any
) -> None:
    after(0)
    after(25)
    Credential.objects.update(state="active", cause="")
    assert sorted(after(25.5)[2:]) == ["dev", "mia"]
    assert {m.subject for m in mail.outbox[2:]} == {"Solved: Acme Tools (Scripted)"}


def test_two_workers_escalate_once(account: Any, after: Any) -> None:
    after(0)
    one, other = Incident.objects.get(), Incident.objects.get()
    now = timezone.now()
    assert one.escalate(1, now)
    assert not other.escalate(1, now)


def test_an_acknowledged_one_is_not_escalated_by_a_late_worker(
    account: Any, after: Any, people: Any
) -> None:
    after(0)
    late = Incident.objects.get()
    Incident.objects.get().acknowledge(people["dev"])
    assert not late.escalate(1, timezone.now())


def test_the_solved_cannot_be_acknowledged(account: Any, after: Any) -> None:
    after(0)
    incident = Incident.objects.get()
    incident.resolve()
    assert not incident.acknowledge(account.owner)
    assert Alert.objects.count() == 1

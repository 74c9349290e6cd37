"""The fire drill counts as done once it was gone through, whatever happens later."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import ConnectedAccount, Network
from monitoring.models import Alert, Incident
from publishing.models import Delivery
from socialhub.steps import drill, drill_was_done

pytestmark = pytest.mark.django_db


def test_a_later_loss_of_access_does_not_undo_the_drill(
    make_account, make_delivery, author
):
    account = make_account("x", "practice")
    ConnectedAccount.objects.update(network=Network.PRACTICE)
    assert not drill_was_done(author)
    now = timezone.now()
    hour = timedelta(hours=1)
    incident = Incident.objects.create(
        dedup_key="access:1",
        kind="access",
        credential=account.credential,
        cause="token_revoked",
        opened_at=now - 3 * hour,
        resolved_at=now - 2 * hour,
        state=Incident.State.RESOLVED,
    )
    incident.accounts.add(account)
    # On the pages alone nobody hears of it who does not look.
    alert = Alert.objects.create(incident=incident, user=author, sent_at=now)
    delivery = make_delivery(account)
    assert not drill_was_done(author)
    Delivery.objects.filter(pk=delivery.pk).update(
        held_at=now - 2 * hour, published_at=now - hour
    )
    assert not drill_was_done(author)
    Alert.objects.filter(pk=alert.pk).update(tries=1)
    assert drill_was_done(author)
    again = Incident.objects.create(
        dedup_key="access:2",
        kind="access",
        credential=account.credential,
        cause="token_revoked",
    )
    again.accounts.add(account)
    assert drill_was_done(author)


@pytest.fixture
def lost(make_account):
    account = make_account("x", "practice")
    ConnectedAccount.objects.update(network=Network.PRACTICE)
    incident = Incident.objects.create(
        dedup_key="access:1",
        kind="access",
        credential=account.credential,
        cause="token_revoked",
    )
    incident.accounts.add(account)
    return incident


def mail_step(user):
    return next(step for step in drill(user) if step.title == "The mail")


@pytest.mark.parametrize(
    ("fields", "address", "is_done", "words"),
    [
        ({"sent_at": "now", "tries": 1}, "a@b.example", True, "Mailed to ana at"),
        ({"sent_at": "now"}, "a@b.example", False, "ana wants no mails"),
        ({"sent_at": "now"}, "", False, "ana has no mail address"),
        (
            {"tries": 3, "error": "Refused", "send_after": "now"},
            "a@b.example",
            False,
            "Did not reach ana after 3 tries (Refused).",
        ),
        ({"send_after": "now"}, "a@b.example", False, "The mail to ana waits until"),
        ({}, "a@b.example", False, "The message to ana leaves in a moment."),
        (
            {"sent_at": "now", "tries": 1, "kind": "resolved"},
            "a@b.example",
            False,
            "Nobody is told yet",
        ),
    ],
)
def test_the_drill_says_what_became_of_the_message_and_why_it_did_not_leave(
    lost, author, fields, address, is_done, words
):
    author.email = address
    author.save()
    now = timezone.now()
    fields = {name: now if value == "now" else value for name, value in fields.items()}
    Alert.objects.create(incident=lost, user=author, **fields)
    step = mail_step(author)
    assert step.found.startswith(words)
    assert step.is_done is is_done
    assert step.url == f"{lost.get_absolute_url()}#told"

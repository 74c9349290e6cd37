"""The fire drill counts as done once it was gone through, whatever happens later."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import ConnectedAccount, Network
from monitoring.models import Alert, Incident
from publishing.models import Delivery
from socialhub.steps import drill_was_done

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
    Alert.objects.create(incident=incident, user=author, sent_at=now)
    delivery = make_delivery(account)
    assert not drill_was_done(author)
    Delivery.objects.filter(pk=delivery.pk).update(
        held_at=now - 2 * hour, published_at=now - hour
    )
    assert drill_was_done(author)
    again = Incident.objects.create(
        dedup_key="access:2",
        kind="access",
        credential=account.credential,
        cause="token_revoked",
    )
    again.accounts.add(account)
    assert drill_was_done(author)

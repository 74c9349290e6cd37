"""What the monitor cluster runs. Safe to run twice; bounded far below the time-out."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta

from django.utils import timezone

from accounts import breakers, campaigns, data_requests, disconnect, health, refresh
from accounts.hearing import caller_of
from accounts.models import (
    ConnectedAccount,
    Credential,
    DataRequest,
    Network,
    PendingConnection,
    RefreshAttempt,
)
from platforms import registry
from publishing import approving, public_media

from . import (
    ahead,
    answering,
    collecting,
    discarding,
    history,
    incidents,
    intervening,
    messages,
    native_posts,
    notices,
    platform_hooks,
    reliability,
    report_mails,
    sending,
    standbys,
    subscribing,
    unproven,
)
from .models import Alert, CheckResult, Heartbeat, Incident
from .rounds import Looks, Renewals, Takeovers, record

logger = logging.getLogger(__name__)

#: Check results and renewals are kept for so long.
KEEP = timedelta(days=90)


def check_credentials() -> None:
    """Prove every credential whose time has come, broken ones included."""
    looks = Looks()
    looks.run()
    if looks.changed or looks.hearing.changed:
        incidents.review()


def check_credential(credential_id: int) -> None:
    """ "Check now": one credential, at once."""
    credential = (
        Credential.objects.select_related("app", "parent")
        .filter(pk=credential_id)
        .first()
    )
    if credential is None or credential.state == Credential.State.DISCONNECTED:
        return
    try:
        breakers.let_look(caller_of(credential), timezone.now())
        found = health.check(credential, needed_for=health.BY_HAND)
        # Whoever asked is told of a limit that stands in the way, too.
        finding = record(credential, replace(found, waits=False))
    except Exception as exc:
        logger.exception("check of credential %s", credential.pk)
        finding = record(credential, exc)
    if finding.changed:
        # What hangs together with it is looked at now, and standby access asked.
        Looks().run()
    incidents.review()


def take_over() -> None:
    """What ended while posting is replaced by standby access before anybody is told."""
    if standbys.anybody(timezone.now()):
        Takeovers().run()


def refresh_credentials() -> None:
    """Renew what is due or what the next posts need, one at a time per credential."""
    now = timezone.now()
    refresh.sweep(now)
    ahead.renew_for_posts(now)
    if Renewals().run():
        review_incidents()


def review_incidents() -> None:
    take_over()
    incidents.review()
    now = timezone.now()
    approving.ask_for_changed()
    messages.remind(now)
    messages.send(now)


def tell_ends() -> None:
    """Notices of access that ends in days; a day's run that is missed costs nothing."""
    notices.tell(timezone.now())


def send_to_channels() -> None:
    sending.send_to_channels(timezone.now())


def collect_figures() -> None:
    """Figures and comments of posts whose next reading has come."""
    now = timezone.now()
    collecting.forget(now)
    collecting.take_up(now)
    collecting.Collecting().run()


def read_native_posts() -> None:
    """What people posted at the networks themselves, of accounts whose time has come."""
    native_posts.run()


def discard_uploads() -> None:
    """Delete at the networks what was uploaded there and no post will show."""
    discarding.run()


def send_answers() -> None:
    """What people do on posts that are out: send what waits, look for what was lost."""
    intervening.run()
    answering.run()


def handle_webhooks() -> None:
    """Look where platforms' events say."""
    if platform_hooks.handle():
        check_credentials()
        collect_figures()


def note_health() -> None:
    """Today's numbers for the chart on the accounts page, and what they mean."""
    history.note()
    unproven.review(timezone.now())


def tidy() -> None:
    """Forget what is over: old checks, unfinished connections, hosts that are gone."""
    from publishing.tasks import tidy_pumps

    now = timezone.now()
    CheckResult.objects.filter(at__lt=now - KEEP).delete()
    RefreshAttempt.objects.filter(started_at__lt=now - KEEP).delete()
    PendingConnection.objects.filter(expires_at__lt=now).delete()
    # Hosts come and go; the clusters' own rows stay.
    old = now - timedelta(days=7)
    Heartbeat.objects.filter(name__contains="@", beat_at__lt=old).delete()
    tidy_pumps()
    breakers.tidy(now)
    platform_hooks.tidy(now)


def handle_data_request(pk: int) -> None:
    """What a platform told of a person who left: done, and said in an incident."""
    concerned = data_requests.work(pk)
    if not concerned:
        return
    if DataRequest.objects.filter(pk=pk, kind=DataRequest.Kind.DELETION).exists():
        # The platform's words about the person's access.
        CheckResult.objects.filter(credential__in=concerned).delete()
        Incident.objects.filter(credential__in=concerned).update(detail="")
        # "4 accounts of Jo Weber (Facebook): ..."; lists say it anew without the name.
        told = Alert.objects.filter(incident__credential__in=concerned)
        told.update(subject="", body="")
    incidents.review()


def follow_up() -> None:
    """Once more what a lost task or a silent platform left undone."""
    for pk in data_requests.open_requests():
        handle_data_request(pk)
    disconnect.revoke_due(timezone.now())
    look_at_public_address()
    # Once more what a lost task left.
    platform_hooks.handle()
    subscribing.keep(timezone.now())


def look_at_public_address() -> None:
    """Whether networks that fetch files can: only where there is such an account."""
    slugs = [spec.slug for spec in registry.all_specs() if spec.fetches_files]
    accounts = ConnectedAccount.objects.filter(
        platform__in=slugs, network=Network.LIVE, disconnected_at=None
    )
    if accounts.exists():
        public_media.look()


def remind_campaigns() -> None:
    """Ask for reconnects and remind; whoever is done hears no more."""
    campaigns.run(timezone.now())


def count_weeks() -> None:
    """The weeks of the reliability report that may have changed."""
    reliability.roll()


def mail_reports() -> None:
    report_mails.send_due(timezone.now())

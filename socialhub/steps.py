"""Steps that people go through once, each with a mark that is read from the rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db.models import F, Q
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.fixed_query import FixedQuery, at_once
from accounts.models import (
    AccountQuerySet,
    AuditEvent,
    Brand,
    BrandQuerySet,
    ConnectedAccount,
    Network,
)
from accounts.names import name_of
from monitoring.models import Alert, Incident
from publishing.models import Delivery, DeliveryQuerySet
from publishing.wording import clock

from .shell_rows import Seen


@dataclass(frozen=True)
class Step:
    """What to press: a link to `url`, or a POST to `post`; neither while it is too soon."""

    title: str
    text: str
    is_done: bool
    button: str = ""
    url: str = ""
    post: str = ""
    opens_new_page: bool = False
    #: what really happened at it
    found: str = ""


#: Who dismissed the checklist stands in the trail; showing it again does, too.
HIDDEN, SHOWN = "first steps hidden", "first steps shown"


def are_hidden(user: Any) -> bool:
    """Whether this person dismissed the checklist of the set-up on home."""
    return newest_of(user, HIDDEN, SHOWN) == HIDDEN


#: Neither by whom nor in which order: databases would rather look for that, through all
#: that the person ever did.
_noted = FixedQuery(
    lambda kind, key, verbs: AuditEvent.objects.filter(
        target_type=kind, target_id=key, verb__in=verbs
    ).order_by(),
    "a kind",
    "a key",
    ["a verb"],
)


def own_events(user: Any, *verbs: str) -> list[AuditEvent]:
    """What a person noted about themselves, newest first.

    Found by whom it is about, which is a handful: what somebody did to posts may be a
    hundred thousand rows.
    """
    noted = _noted.objects(user._meta.label_lower, str(user.pk), list(verbs))
    own = [event for event in noted if event.actor_id == user.pk]
    return sorted(own, key=lambda event: event.at, reverse=True)


def newest_of(user: Any, *verbs: str) -> str:
    """Which of these the person did last; "": none of them. One query."""
    return next((event.verb for event in own_events(user, *verbs)), "")


_people = FixedQuery(
    lambda: get_user_model().objects.filter(is_active=True).values_list("pk")[:2]
)
_brand, _account, _alone, _wanting, _slots = (
    Seen(make, for_all=True)
    for make in (
        lambda reader: _brands(reader).order_by().values_list("pk")[:1],
        lambda reader: _accounts(reader).order_by().values_list("pk")[:1],
        lambda reader: (
            _accounts(reader)
            .filter(Q(owner=None) | Q(deputy=None))
            .order_by("name", "pk")
            .values_list("pk", "name")
        ),
        lambda reader: (
            _brands(reader)
            .filter(accounts__disconnected_at=None, accounts__isnull=False)
            .exclude(queues__slots__isnull=False)
            .order_by("name")
            .values_list("pk", "name", "time_zone")
            .distinct()[:1]
        ),
        lambda reader: (
            _brands(reader)
            .filter(queues__slots__isnull=False)
            .order_by()
            .values_list("pk")[:1]
        ),
    )
)


def _brands(reader: Any) -> BrandQuerySet:
    return Brand.objects.visible_to(reader)


def _accounts(reader: Any) -> AccountQuerySet:
    return ConnectedAccount.objects.visible_to(reader).connected()


def first_steps(user: Any) -> list[Step]:
    """For whoever sets SocialHub up: brand, accounts, people, slots, fire drill.

    Each mark is read from the rows: what is undone later is to be done again.
    """
    brand, account, people, alone, wanting, slots = (
        one.rows
        for one in at_once(
            _brand.of(user),
            _account.of(user),
            (_people, ()),
            _alone.of(user),
            _wanting.of(user),
            _slots.of(user),
            keeps_plan=True,
        )
    )
    steps = [
        Step(
            _("Add a brand"),
            _("A brand groups accounts and the people who post for them."),
            bool(brand),
            _("Add a brand"),
            reverse("brand_add"),
        ),
        Step(
            _("Connect accounts"),
            _(
                "Profiles and pages that posts go to. The practice network has some "
                "to begin with."
            ),
            bool(account),
            _("Connect an account"),
            reverse("account_connect"),
        ),
        _people_step(len(people), alone, has_account=bool(account)),
        _slots_step(wanting, has_slots=bool(slots)),
    ]
    if settings.PRACTICE_NETWORK_URL:
        steps.append(
            Step(
                _("Run the fire drill"),
                _("Let a practice account lose its access: do the right people hear?"),
                drill_was_done(user),
                _("Start the drill"),
                reverse("fire_drill"),
            )
        )
    return steps


def _people_step(
    people: int, alone: Sequence[tuple[Any, ...]], *, has_account: bool
) -> Step:
    """More than one person, and each account in the care of two of them."""
    title = _("Invite people and name deputies")
    if people < 2:
        text = _(
            "Each with roles and brands; a link to choose a password comes by mail."
        )
        return Step(title, text, False, _("Add a person"), reverse("person_add"))
    if not alone:
        text = _("Each account has an owner and a deputy, who hear of its trouble.")
        return Step(title, text, has_account, _("People"), reverse("people"))
    text = ngettext(
        "%(n)d account has no owner or no deputy: nobody steps in when one is away.",
        "%(n)d accounts have no owner or no deputy: nobody steps in when one is away.",
        len(alone),
    ) % {"n": len(alone)}
    pk, name = alone[0]
    button = _("Name them for %(account)s") % {"account": name}
    return Step(title, text, False, button, reverse("account_people", args=[pk]))


def _slots_step(wanting: Sequence[tuple[Any, ...]], *, has_slots: bool) -> Step:
    """Each brand with accounts has times at which its posts go, on its own clock."""
    title = _("Time zone and slots")
    if not wanting:
        text = _("Slots are the times of the week at which posts go out by themselves.")
        url = reverse("queue_list")
        return Step(title, text, has_slots, _("Queues and slots"), url)
    pk, brand, zone = wanting[0]
    text = _(
        "%(brand)s has no slots yet. Its clock is %(zone)s; another one is set on the "
        "brand’s page."
    ) % {"brand": brand, "zone": zone}
    url = f"{reverse('queue_new')}?brand={pk}"
    return Step(title, text, False, _("Add a queue with slots"), url)


def _marks(incident: Incident, posts: DeliveryQuerySet) -> tuple[bool, bool, bool]:
    """Somebody was told, a post was held, and it went out after the reconnect.

    After it was held: what was released may be out before the incident is closed.
    """
    mailed = incident.alerts.broke().gone_out().exists()
    held = posts.filter(held_at__gte=incident.opened_at)
    went_out = (
        bool(incident.resolved_at)
        and held.filter(published_at__gte=F("held_at")).exists()
    )
    return mailed, held.exists(), went_out


def _who_heard(user: Any, incident: Incident) -> str:
    """What became of each message that the access was lost, and why one did not leave."""
    alerts = Alert.objects.within_sight_of(user).filter(incident=incident).broke()
    told = [_heard(one) for one in alerts.select_related("user", "channel").reverse()]
    if told:
        return " ".join(told)
    if incident.state == Incident.State.RESOLVED:
        return _("Nobody was told before it was solved.")
    return _(
        "Nobody is told yet: all that hangs together with it is looked at first, which "
        "takes up to five minutes."
    )


def _heard(alert: Alert) -> str:
    channel, person = alert.channel, alert.user
    who = channel.name if channel else name_of(person)
    words = {"who": who, "n": alert.tries, "why": alert.error}
    if alert.sent_at and alert.left:
        words["when"] = clock(alert.sent_at)
        return (_("Told %(who)s at %(when)s.") if channel else _MAILED) % words
    if alert.sent_at:
        return (_UNWANTED if person and person.email else _NO_ADDRESS) % words
    if alert.error:
        text = ngettext(
            "Did not reach %(who)s after %(n)s try (%(why)s). It is tried again.",
            "Did not reach %(who)s after %(n)s tries (%(why)s). It is tried again.",
            alert.tries,
        )
        return text % words
    if alert.send_after and not alert.tries:
        words["when"] = clock(alert.send_after)
        return _("The mail to %(who)s waits until %(when)s, as they chose.") % words
    return _("The message to %(who)s leaves in a moment.") % words


_MAILED = gettext_lazy("Mailed to %(who)s at %(when)s.")
_UNWANTED = gettext_lazy(
    "%(who)s wants no mails: it stands on the pages here, and nowhere else."
)
_NO_ADDRESS = gettext_lazy(
    "%(who)s has no mail address, so no mail was sent. Enter one under People."
)


def drill_was_done(user: Any) -> bool:
    """One of the latest losses of access of a practice account was gone through."""
    accounts = ConnectedAccount.objects.visible_to(user).filter(
        network=Network.PRACTICE
    )
    lately = _losses(accounts).filter(resolved_at__isnull=False)
    posts = Delivery.objects.visible_to(user)
    return any(
        all(_marks(one, posts.filter(account__incidents=one)))
        for one in lately.order_by("-opened_at")[:10]
    )


def _losses(accounts: Any) -> Any:
    """Incidents in which these accounts lost their access."""
    return Incident.objects.filter(
        kind=Incident.Kind.ACCESS, accounts__in=accounts
    ).distinct()


def drill(user: Any) -> list[Step]:
    """The fire drill, told from the newest loss of access of a practice account."""
    accounts = ConnectedAccount.objects.visible_to(user).filter(
        network=Network.PRACTICE
    )
    account = accounts.connected().order_by("-connected_at").first()
    incident = _losses(accounts).order_by("-opened_at").first()
    posts = Delivery.objects.visible_to(user).filter(account__in=accounts)
    mailed = was_held = went_out = False
    heard = ""
    if incident is not None:
        heard = _who_heard(user, incident)
        # One loss may be of a whole tree of accounts: the post is of any of them.
        lost = accounts.filter(incidents=incident)
        concerned = posts.filter(account__in=lost)
        mailed, was_held, went_out = _marks(incident, concerned)
        newest = concerned.select_related("account").order_by("-pk").first()
        account = (newest.account if newest else lost.first()) or account
    page = reverse("account_detail", args=[account.pk]) if account else ""
    name = account.name if account else _("the practice account")
    return [
        Step(
            _("Connect a practice account"),
            _(
                "Choose the practice network; its sign-in page needs no password of yours. "
                "Make yourself its owner, so that the mail comes to you."
            ),
            account is not None,
            _("Connect an account"),
            reverse("account_connect"),
        ),
        Step(
            _("Write a post to it, due in about ten minutes"),
            _("It stays in the queue while the drill runs."),
            posts.exists(),
            _("Write a post"),
            reverse("compose"),
        ),
        Step(
            _("Take the access away"),
            _(
                "In the practice network's panel, revoke the token of %(name)s. This is "
                "what happens when somebody removes our app at the real network."
            )
            % {"name": name},
            incident is not None,
            _("Open the panel"),
            settings.PRACTICE_NETWORK_URL,
            opens_new_page=True,
        ),
        Step(
            _("Check now"),
            _(
                "The schedule would notice by itself; this asks at once. The account then "
                "says “Reconnect needed”, and its posts “At risk”."
            ),
            incident is not None,
            _("Check now"),
            post=reverse("account_check", args=[account.pk]) if account else "",
        ),
        Step(
            _("The mail"),
            _(
                "One mail about it goes to the owner of the account. With no mail server "
                "it lies in the folder that the system check names."
            ),
            mailed,
            _("See who was told") if incident else _("See the account"),
            f"{incident.get_absolute_url()}#told" if incident else page,
            found=heard,
        ),
        Step(
            _("The post is held"),
            _("When its time comes it is held, not failed: nothing is lost."),
            was_held,
            _("See the posts"),
            reverse("post_list"),
        ),
        Step(
            _("Reconnect"),
            _("Give the access back. Account, history and queue stay as they are."),
            bool(incident and incident.state == Incident.State.RESOLVED),
            _("Reconnect"),
            reverse("account_reconnect", args=[account.pk]) if account else "",
        ),
        Step(
            _("See it go out"),
            _("The held post goes out by itself."),
            went_out,
            _("See the posts"),
            reverse("post_list"),
        ),
    ]

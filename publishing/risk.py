"""Posts at risk: each scheduled delivery judged at its own due time."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts.causes import explain
from accounts.limits import Forecast
from platforms.errors import Cause

from . import ahead, stops
from .models import Delivery, DeliveryQuerySet, Stop

NOTHING: Mapping[Hashable, Forecast] = {}


@dataclass(frozen=True)
class Risk:
    cause: str
    sentence: str


def risk(
    delivery: Delivery,
    active: Sequence[Stop] = (),
    forecasts: Mapping[Hashable, Forecast] = NOTHING,
) -> Risk | None:
    """Why this delivery will not go out when due, or None. Needs account and credential.

    active: the emergency stops that last. One may end at any hour, so it is a risk to
    what is due within a day only. forecasts: what limits will hold, from `ahead`.
    """
    if delivery.status != Delivery.Status.SCHEDULED:
        return None
    account = delivery.account
    stop = stops.covering(account, active)
    if stop and delivery.due_at < timezone.now() + stops.AHEAD:
        return Risk("stopped", stops.will_be_held(stop))
    credential = account.credential
    if account.disconnected_at or credential is None:
        return Risk(
            Cause.ACCOUNT_GONE,
            _("Will be held: %(account)s is disconnected.") % {"account": account.name},
        )
    if account.health == "broken":
        return Risk(
            account.cause,
            _("Will be held: %(why)s (%(account)s).")
            % {"why": explain(account.cause).head, "account": account.name},
        )
    ends_at = credential.ends_at(account.platform)
    if ends_at and ends_at <= delivery.due_at:
        when = date_format(timezone.localtime(ends_at), "j M Y")
        return Risk(
            Cause.TOKEN_EXPIRED,
            _("Will be held: access to %(account)s ends on %(when)s, before it is due.")
            % {"account": account.name, "when": when},
        )
    found = forecasts.get(delivery.pk)
    if found and ahead.is_late(found, delivery.due_at):
        words = ahead.sentence(found, delivery.due_at, delivery.useful_until)
        return Risk("limit", words)
    return None


def at_risk(deliveries: DeliveryQuerySet) -> list[tuple[Delivery, Risk]]:
    """The scheduled ones among them that will not go out as things stand, by due time."""
    rows = list(
        deliveries.filter(status=Delivery.Status.SCHEDULED)
        .select_related("post__brand", "account__credential")
        .order_by("due_at", "pk")
    )
    active, held = stops.active(), ahead.forecasts(rows)
    return [(row, found) for row in rows if (found := risk(row, active, held))]

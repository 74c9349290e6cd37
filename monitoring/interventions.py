"""What people may take down, hide or delete, and what became of it: for the pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from accounts.models import ConnectedAccount
from accounts.roles import can_write
from platforms.base import After, is_id
from publishing.models import Delivery

from .after import Aftermath
from .asking import missing_scopes
from .figure_models import Intervention
from .intervening import ids_of

Kind, State = Intervention.Kind, Intervention.State


def why_not(account: ConnectedAccount, what: After) -> str:
    """Why it cannot be done as this account, whoever asks; "": it can."""
    credential = account.credential
    if account.disconnected_at is not None or credential is None:
        return _("The account is disconnected.")
    extra = {**credential.extra, **account.extra}
    if absent := account.spec.why_not(what, account.kind, extra):
        return _(absent)
    client = account.client()
    if not client.calls_of(what):
        return _("SocialHub cannot do that on %(platform)s.") % {
            "platform": account.spec.name
        }
    if missing := missing_scopes(account, client, what):
        return _(
            "A permission is missing: %(scopes)s. Reconnect the account and grant it."
        ) % {"scopes": missing}
    return ""


@dataclass(frozen=True)
class Removal:
    """One delivery that is out, and whether it can be taken down. step: the last try."""

    aftermath: Aftermath
    step: Intervention | None

    @property
    def delivery(self) -> Delivery:
        return self.aftermath.delivery

    @property
    def platform(self) -> str:
        return self.aftermath.platform

    @property
    def is_done(self) -> bool:
        return self.delivery.taken_down_at is not None

    @property
    def is_on_its_way(self) -> bool:
        return self.step is not None and self.step.state not in Intervention.ENDED

    @property
    def is_refused(self) -> bool:
        return (
            not self.is_done
            and self.step is not None
            and self.step.state == State.FAILED
        )

    @property
    def why_not(self) -> str:
        """Why nobody can take it down from here; "": the reader may."""
        delivery = self.delivery
        if self.aftermath.gone_at is not None:
            return _("It was deleted there already.")
        if not all(is_id(number) for number in ids_of(delivery)):
            return _(
                "SocialHub was not told the id by which %(platform)s knows it, or a part "
                "of it. Delete it on %(platform)s itself."
            ) % {"platform": self.platform}
        if reason := why_not(delivery.account, After.DELETE):
            return reason
        if not can_write(self.aftermath.reader):
            return _("People with the role Marketing or Admin can delete it.")
        return ""

    @property
    def losses(self) -> list[str]:
        """What is gone for good, in sentences."""
        delivery = self.delivery
        count = len(ids_of(delivery))
        lines = [
            ngettext(
                "The post on %(platform)s, for everybody. It cannot be brought back.",
                "All %(n)d parts on %(platform)s, for everybody. They cannot be brought "
                "back.",
                count,
            )
            % {"platform": self.platform, "n": count},
            _("Its address: links to it lead nowhere afterwards."),
        ]
        told = [f"{name}: {number}" for name, number in self.aftermath.told]
        counted = f" ({', '.join(told)})" if told else ""
        lines.append(
            _("What people did there, comments included%(counted)s.")
            % {"counted": counted}
        )
        return lines


@dataclass(frozen=True)
class Removals:
    rows: Sequence[Removal]


def removals(found: Sequence[Aftermath]) -> list[Removal]:
    """One query."""
    steps = {
        row.delivery_id: row
        for row in Intervention.objects.filter(
            delivery__in=[one.delivery for one in found], kind=Kind.DELETE_POST
        )
        .select_related("author")
        .order_by("created_at")
    }
    return [Removal(one, steps.get(one.delivery.pk)) for one in found]


def on_comments(delivery: Delivery) -> dict[str, Intervention]:
    """By comment what was tried last with it. One query."""
    rows = Intervention.objects.filter(delivery=delivery).exclude(comment_id="")
    return {
        row.comment_id: row
        for row in rows.select_related("author").order_by("created_at")
    }

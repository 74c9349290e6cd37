"""What people may take down, hide or delete, and what became of it: for the pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.causes import explain
from accounts.models import ConnectedAccount
from accounts.roles import can_write
from platforms import parts, without
from platforms.base import After, is_id
from publishing import languages
from publishing.models import Delivery

from .after import Aftermath
from .asking import missing_scopes, scopes_lacking
from .figure_models import Intervention
from .intervening import captions_left, ids_of

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
    missing = missing_scopes(account, client, what)
    return _lacking(missing) if missing else ""


@dataclass(frozen=True)
class _Offer:
    """Something that can be done to a delivery that is out. step: the last try."""

    aftermath: Aftermath
    step: Intervention | None

    @property
    def delivery(self) -> Delivery:
        return self.aftermath.delivery

    @property
    def platform(self) -> str:
        return self.aftermath.platform

    @property
    def is_on_its_way(self) -> bool:
        return self.step is not None and self.step.state not in Intervention.ENDED

    @property
    def is_refused(self) -> bool:
        return self.step is not None and self.step.state == State.FAILED


@dataclass(frozen=True)
class Removal(_Offer):
    """Whether it can be taken down."""

    @property
    def is_done(self) -> bool:
        return self.delivery.taken_down_at is not None

    @property
    def is_refused(self) -> bool:
        return not self.is_done and super().is_refused

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


#: what may be left out of a post -> what people call it
_NAMES = {
    without.CAPTIONS: gettext_lazy("Captions"),
    without.THUMBNAIL: gettext_lazy("Thumbnail"),
    without.PLAYLIST: gettext_lazy("Playlist"),
    without.LINK_PICTURE: gettext_lazy("Picture of the link"),
    without.PLACE: gettext_lazy("Place"),
    without.REPLY_CONTROL: gettext_lazy("Who may reply"),
}


@dataclass(frozen=True)
class Remainder(_Offer):
    """What did not go along with it, and whether it can be added."""

    left: Sequence[without.Left]

    @property
    def lines(self) -> list[tuple[str, str]]:
        """What, and why, in sentences."""
        return [(_name(one), _reason(one.cause)) for one in self.left]

    @property
    def can_be_added(self) -> bool:
        """The network takes some of it later as well."""
        said = any(one.what == without.CAPTIONS for one in self.left)
        client = self.delivery.account.client()
        return said and bool(client.calls_of_captions(1))

    @property
    def why_not(self) -> str:
        """Why nobody can add it from here; "": the reader may."""
        delivery, names = self.delivery, {"platform": self.platform}
        account = delivery.account
        if delivery.taken_down_at or self.aftermath.gone_at is not None:
            return _("It was deleted there already.")
        if not self.can_be_added:
            return _("SocialHub cannot add it now. Add it on %(platform)s itself.") % (
                names
            )
        if not is_id(delivery.external_id):
            return _("SocialHub was not told the id of the post.")
        if account.disconnected_at is not None or account.credential is None:
            return _("The account is disconnected.")
        client = account.client()
        rows = [client.spec.call(key) for key in client.calls_of_captions(1)]
        if missing := scopes_lacking(account, client, rows):
            return _lacking(missing)
        if not can_write(self.aftermath.reader):
            return _("People with the role Marketing or Admin can add it.")
        return ""


def _name(one: without.Left) -> str:
    name = str(_NAMES.get(one.what, one.what))
    return f"{name} ({languages.name(one.language)})" if one.language else name


def _reason(cause: str) -> str:
    known = explain(cause)
    return f"{known.head}. {known.sentence}"


def _lacking(scopes: str) -> str:
    return _(
        "A permission is missing: %(scopes)s. Reconnect the account and grant it."
    ) % {"scopes": scopes}


def remainder(one: Aftermath) -> Remainder | None:
    """None: all went along, or was added since. At most three queries, where something
    was left out."""
    found = parts.left_out(one.delivery.witness)
    if not found:
        return None
    languages_left = {file.language for file in captions_left(one.delivery)}
    left = [
        row
        for row in found
        if row.what != without.CAPTIONS or row.language in languages_left
    ]
    tries = Intervention.objects.filter(
        delivery=one.delivery, kind=Kind.ADD_CAPTIONS
    ).select_related("author")
    step = tries.order_by("-created_at").first()
    return Remainder(one, step, left) if left else None


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

"""The pages of a connection that did not come about: what happened and the way on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from platforms.base import PlatformSpec
from platforms.errors import Outcome, PlatformError

from .causes import Action, explain
from .connect import (
    AlreadyConnected,
    CannotPost,
    ChangedMeanwhile,
    ConnectRefused,
    LinkOver,
    NobodyThere,
    OtherIdentity,
    SamePerson,
    ScopesRefused,
)

#: Troubles that pass by themselves, so that trying again is the way on.
PASSING = {
    Outcome.TRANSIENT,
    Outcome.RATE_LIMITED,
    Outcome.PLATFORM_DOWN,
    Outcome.AMBIGUOUS,
}


@dataclass(frozen=True)
class Way:
    """A button: the first of a trouble's ways is the main one."""

    label: str
    url: str


@dataclass(frozen=True)
class Trouble:
    """facts: lines of the Details fold (name, value), secrets removed."""

    head: str
    sentence: str
    cure: str
    ways: Sequence[Way] = ()
    points: Sequence[str] = ()
    facts: Sequence[tuple[str, Any]] = field(default_factory=tuple)
    status: int = 400


def show(
    request: HttpRequest, trouble: Trouble, *, for_link: bool = False
) -> HttpResponse:
    """for_link: whoever came by a link has no way to our other pages."""
    template = "accounts/link_trouble.html" if for_link else "accounts/trouble.html"
    response = render(request, template, {"trouble": trouble}, status=trouble.status)
    response["Cache-Control"] = "no-store"
    return response


def again(url: str) -> Way:
    return Way(_("Start again"), url)


def to_accounts() -> Way:
    return Way(_("To the accounts"), reverse("account_list"))


def state_lost(start_url: str) -> Trouble:
    return Trouble(
        _("This sign-in is over"),
        _(
            "The way back from the platform did not fit to a sign-in that was begun "
            "here. It was used already, is older than ten minutes, or was begun in "
            "another browser. Nothing was changed."
        ),
        _("Start the connection once more, and finish it in the same browser."),
        [again(start_url), to_accounts()],
    )


def cancelled(spec: PlatformSpec, start_url: str) -> Trouble:
    words = explain("consent_refused")
    return Trouble(
        str(words.head),
        _("The sign-in at %(platform)s was cancelled, so nothing was changed.")
        % {"platform": spec.name},
        str(words.cure),
        [again(start_url), to_accounts()],
        status=200,
    )


def scopes_unknown(
    spec: PlatformSpec, start_url: str, apps_url: str, facts: Sequence[tuple[str, Any]]
) -> Trouble:
    """The platform does not let our app ask for what we asked for."""
    return Trouble(
        _("%(platform)s did not let us ask") % {"platform": spec.name},
        _(
            "%(platform)s refused a permission that SocialHub asks for: our app has "
            "not been given it there. Nothing was changed."
        )
        % {"platform": spec.name},
        _("Look at the app's permissions, at the platform and here, and start again."),
        [Way(_("Open the app's settings"), apps_url), again(start_url)],
        facts=facts,
    )


def refused_by_platform(
    spec: PlatformSpec, start_url: str, facts: Sequence[tuple[str, Any]]
) -> Trouble:
    return Trouble(
        _("%(platform)s ended the sign-in") % {"platform": spec.name},
        _(
            "%(platform)s sent you back with an error instead of a permission. "
            "Nothing was changed."
        )
        % {"platform": spec.name},
        _("Start again; if it stays so, its own words stand under Details."),
        [again(start_url), to_accounts()],
        facts=facts,
    )


def from_error(error: PlatformError, start_url: str, apps_url: str) -> Trouble:
    """What a platform's answer means for a connection in the making."""
    words = explain(error.cause)
    facts = [
        (_("Status"), error.status),
        (_("Code"), error.code),
        (_("Request id"), error.request_id),
        (_("The platform's words"), error.detail),
    ]
    ways = [again(start_url), to_accounts()]
    cure = str(words.cure)
    if error.outcome in PASSING or words.action is Action.WAIT:
        cure = _try_again(error)
    elif words.action is Action.OPERATOR:
        ways = [Way(_("Open the app's settings"), apps_url), again(start_url)]
    elif words.action not in {Action.RECONNECT, Action.OPERATOR}:
        cure = _("Look at the account at the platform, then start again.")
    return Trouble(
        str(words.head),
        str(words.sentence),
        cure,
        ways,
        facts=[(name, value) for name, value in facts if value],
        status=503 if error.outcome in PASSING else 400,
    )


def _try_again(error: PlatformError) -> str:
    if error.retry_after:
        minutes = max(1, math.ceil(error.retry_after / 60))
        return ngettext(
            "Nothing was changed. Try again in %(minutes)s minute.",
            "Nothing was changed. Try again in %(minutes)s minutes.",
            minutes,
        ) % {"minutes": minutes}
    return _("Nothing was changed. Try again in a moment.")


def from_refusal(
    refusal: ConnectRefused, spec: PlatformSpec, start_url: str
) -> Trouble:
    """The page of a refusal of ours. AsksFirst has a page of its own."""
    if isinstance(refusal, ScopesRefused):
        return Trouble(
            _("The permission to post is missing"),
            _(
                "Without it there is nothing that SocialHub could do for this account, "
                "so it was not connected and nothing was stored. Not allowed were:"
            ),
            _("Start again and allow everything that is asked for."),
            [again(start_url), to_accounts()],
            points=[f"{_(s.allows)} ({s.name})" for s in refusal.missing],
        )
    if isinstance(refusal, AlreadyConnected):
        return _already(refusal, spec)
    if isinstance(refusal, OtherIdentity):
        cure = _(
            "Sign out at %(platform)s in this browser, or use a private window, "
            "and start again as %(owner)s."
        )
        if refusal.is_page:
            cure = _(
                "Sign out at %(platform)s in this browser, or use a private window, "
                "and start again as somebody who may post for %(owner)s."
            )
        return Trouble(
            _("This is another account"),
            _(
                "You signed in as %(signed_in)s; this account belongs to %(owner)s. "
                "Nothing was changed."
            )
            % {"signed_in": refusal.signed_in_as, "owner": refusal.belongs_to},
            cure % {"platform": spec.name, "owner": refusal.belongs_to},
            [again(start_url), to_accounts()],
            status=409,
        )
    if isinstance(refusal, SamePerson):
        return Trouble(
            _("This is the same person"),
            _(
                "%(name)s gives the present access already. Standby access has to be "
                "another person's, because both would end together. Nothing was "
                "changed."
            )
            % {"name": refusal.name},
            _(
                "Let somebody else sign in who may post for this account; sign out at "
                "%(platform)s in this browser first, or use a private window."
            )
            % {"platform": spec.name},
            [again(start_url), to_accounts()],
            status=409,
        )
    if isinstance(refusal, LinkOver):
        return Trouble(
            _("This link is over"),
            _(
                "It was used, withdrawn or became too old meanwhile. Nothing was changed."
            ),
            _("Ask the person who sent it for a new one."),
            status=410,
        )
    if isinstance(refusal, ChangedMeanwhile):
        return Trouble(
            _("The account has changed meanwhile"),
            _(
                "While you signed in, somebody disconnected it or its access was "
                "replaced. Nothing was changed."
            ),
            _("Look at how it stands now, then start again if that is still wanted."),
            [again(start_url), to_accounts()],
            status=409,
        )
    if isinstance(refusal, CannotPost):
        words = explain(refusal.cause)
        return Trouble(
            str(words.head),
            _("%(why)s The new access cannot post, so nothing was changed.")
            % {"why": words.sentence},
            str(words.cure),
            [again(start_url), to_accounts()],
            facts=[(_("The platform's words"), refusal.detail)]
            if refusal.detail
            else (),
            status=409,
        )
    assert isinstance(refusal, NobodyThere), refusal
    return Trouble(
        _("No profile was found"),
        _("%(platform)s named no profile or page that this sign-in may post for.")
        % {"platform": spec.name},
        _("Start again and sign in as somebody who may."),
        [again(start_url), to_accounts()],
    )


def _already(refusal: AlreadyConnected, spec: PlatformSpec) -> Trouble:
    if refusal.account is None:
        return Trouble(
            _("This account is connected already"),
            _("%(name)s is connected in a brand that you do not belong to.")
            % {"name": refusal.name},
            _(
                "Each account can be in one brand only. Ask a colleague who has that "
                "brand, or connect another account."
            ),
            [to_accounts()],
            status=409,
        )
    account = refusal.account
    return Trouble(
        _("This account is connected already"),
        _("%(name)s is connected in the brand %(brand)s. Nothing was changed.")
        % {"name": account.name, "brand": account.brand.name},
        _("If its access has to be renewed, reconnect it: its queue stays as it is."),
        [
            Way(_("Reconnect it"), reverse("account_reconnect", args=[account.pk])),
            Way(_("Open the account"), account.get_absolute_url()),
        ],
        status=409,
    )

"""Each network in the system check: what our app there has, and what it still needs.

Read from rows alone; never the secret itself: an unreadable one has its own line.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import OuterRef, Subquery
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from accounts import budgets, data_requests, hook_addresses
from accounts.models import Network, PlatformApp
from accounts.oauth import redirect_uri
from accounts.permissions import ReviewState, effect, needs, review_of, specs_of
from monitoring.hook_models import WebhookEvent
from monitoring.platform_hooks import KEPT_FOR
from platforms import registry
from platforms.base import Call, PlatformSpec, Scope

OK, BAD, NOTE = "ok", "bad", "note"


@dataclass(frozen=True)
class Missing:
    """A permission that the platform has not given to our app, and what that costs."""

    scope: Scope
    effect: str
    review: str


@dataclass
class AppCheck:
    """One network. state, found and cure as in `system.Line`."""

    spec: PlatformSpec
    state: str
    found: str
    cure: str
    link: str
    client_id: str = ""
    has_secret: bool = False
    app_state: str = ""
    #: (label, value): what has to be entered at the network, ready to copy
    copies: list[tuple[str, str]] = field(default_factory=list)
    #: permissions that code needs today: how many our app has, of how many
    granted: int = 0
    needed: int = 0
    missing: list[Missing] = field(default_factory=list)
    #: when a signed event came last; None: none in `hook_days`
    hooked_at: datetime | None = None

    @property
    def key(self) -> str:
        return f"app_{self.spec.slug}"

    @property
    def title(self) -> str:
        return _("App at %(name)s") % {"name": self.spec.name}

    @property
    def is_set_up(self) -> bool:
        return bool(self.client_id and self.has_secret)

    @property
    def hook_days(self) -> int:
        return KEPT_FOR.days


def run() -> list[AppCheck]:
    """Those networks where somebody has to register our app. Three queries."""
    heard = WebhookEvent.objects.filter(app=OuterRef("pk")).order_by("-received_at")
    rows = (
        PlatformApp.objects.filter(network=Network.LIVE, instance_url="")
        .defer("client_secret", "hook_secret", "hook_token")
        .annotate(hooked_at=Subquery(heard.values("received_at")[:1]))
    )
    apps = {app.platform: app for app in rows}
    with_secret = set(
        PlatformApp.objects.filter(network=Network.LIVE, instance_url="")
        .exclude(client_secret="")
        .values_list("platform", flat=True)
    )
    no_budget = budgets.without(
        app for app in apps.values() if app.platform in with_secret and app.client_id
    )
    return [
        _check(spec, apps.get(spec.slug), spec.slug in with_secret, no_budget)
        for spec in registry.all_specs()
        if spec.wants_app
    ]


def _check(
    spec: PlatformSpec,
    app: PlatformApp | None,
    has_secret: bool,
    no_budget: Container[int],
) -> AppCheck:
    edit = reverse("platform_app_edit", args=[app.pk]) if app else ""
    check = AppCheck(spec, OK, "", "", edit or reverse("platform_apps"))
    check.copies = _copies(spec, app)
    if app is None or not (app.client_id or has_secret):
        check.state, check.found = NOTE, _not_set_up(spec)
        check.cure = _(
            "Register our app there and enter its id and secret under Platforms."
        )
        return check
    check.client_id, check.has_secret = app.client_id, has_secret
    check.app_state = str(app.get_state_display())
    check.found = check.app_state
    _tell_permissions(check, app)
    check.hooked_at = app.hooked_at  # type: ignore[attr-defined]
    if not check.is_set_up:
        missing = _("secret") if app.client_id else _("client id")
        check.state = BAD
        check.found = _("The %(what)s is missing.") % {"what": missing}
        check.cure = _("Enter it under Platforms.")
    elif app.state == PlatformApp.State.SUSPENDED:
        check.state, check.found = BAD, _("Suspended by the platform.")
        check.cure = _("Read the platform's message in its developer portal.")
    else:
        _note(check, app, app.pk in no_budget)
    return check


def _note(check: AppCheck, app: PlatformApp, lacks_budget: bool) -> None:
    """What works, and should be looked at."""
    found, cures = [check.found], []
    if app.state == PlatformApp.State.IN_REVIEW:
        cures.append(
            _(
                "Until the review ends, only people with a role in our app there can "
                "connect accounts. Set the state to active under Platforms then."
            )
        )
    if check.missing:
        cures.append(_("Ask the network for what is missing, or do without."))
    if lacks_budget:
        found.append(_no_budget(check.spec))
        cures.append(
            _("Set a budget for a month under Platforms, %(name)s.")
            % {"name": check.spec.name}
        )
    if cures:
        check.state = NOTE
        check.found = ". ".join(found)
        check.cure = " ".join(cures)


def _not_set_up(spec: PlatformSpec) -> str:
    if not spec.also_through:
        return _("Not set up: real accounts cannot be connected yet.")
    names = ", ".join(registry.spec(slug).name for slug in spec.also_through)
    return _("Not set up: only accounts that come with %(names)s can be connected.") % {
        "names": names
    }


def _copies(spec: PlatformSpec, app: PlatformApp | None) -> list[tuple[str, str]]:
    """What to enter in the developer portal. The same before and after the set-up."""
    row = app or PlatformApp(platform=spec.slug, network=Network.LIVE)
    found = [(_("Redirect address"), redirect_uri(spec.slug))] if spec.oauth else []
    more = [*hook_addresses.addresses(row), *data_requests.addresses(row)]
    return found + [(str(label), value) for label, value in more]


def _tell_permissions(check: AppCheck, app: PlatformApp) -> None:
    """What code needs today against what the network gave to our app."""
    for scope in app.spec.scopes:
        closed = _closed(app, scope) if scope.asked else ""
        if not closed:
            continue
        check.needed += 1
        review = review_of(app, scope)
        if not scope.needs_review or review.state == ReviewState.GRANTED:
            check.granted += 1
        else:
            check.missing.append(Missing(scope, closed, review.words))


#: What specs say does not change: the specs themselves, and the sentence.
_sentences: dict[tuple[Any, ...], tuple[Sequence[PlatformSpec], str]] = {}


def _closed(app: PlatformApp, scope: Scope) -> str:
    """What is closed without this scope, in a sentence; "": nothing that exists."""
    specs = specs_of(app)
    key = (get_language(), scope.name, *map(id, specs))
    if (known := _sentences.get(key)) is None:
        calls = _today(app, scope)
        # With the specs, so that none of them goes and leaves its number to another.
        known = _sentences[key] = (specs, effect(calls) if calls else "")
    return known[1]


def _today(app: PlatformApp, scope: Scope) -> list[Call]:
    return [
        call
        for spec in specs_of(app)
        for call in needs(spec, scope.name)
        if not call.later
    ]


def _no_budget(spec: PlatformSpec) -> str:
    post, with_link = map(budgets.dollars, budgets.prices(spec.slug))
    return _(
        "A post costs %(post)s there, one with a link %(link)s; no budget is set, so "
        "nothing stops the spending."
    ) % {"post": post, "link": with_link}

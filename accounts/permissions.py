"""The permission registry: what each permission is for, and whom it is missing from.

Everything is computed from the rows of `spec.py` and from what credentials were given,
so that it cannot disagree with what the code does.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property, lru_cache
from typing import Any

from django.db import models
from django.utils.translation import get_language, gettext_lazy, ngettext
from django.utils.translation import gettext as _

from platforms import registry
from platforms.base import Ability, Call, PlatformSpec, Scope
from platforms.errors import Cause

from .causes import broken_words, explain
from .connect import is_covered
from .models import GRANT_IS_OVER, ConnectedAccount, Credential, PlatformApp

#: So many features are named in one sentence.
NAMED = 4


# ---------------------------------------------------------------- the rules


def is_of_use(spec: PlatformSpec, scope: str, kind: str) -> bool:
    """Whether an account of that kind can do anything with the scope."""
    kinds = spec.kinds_of_scopes.get(scope)
    return kinds is None or kind in kinds or kind not in spec.account_kinds


def lacks(
    spec: PlatformSpec, call: Call, kind: str, granted: Collection[str]
) -> tuple[str, ...]:
    """What has to be granted before an account of that kind may make the call; () if
    nothing has. Of permissions that do the same, the first.
    """
    missing = [
        scope
        for scope in call.scopes
        if is_of_use(spec, scope, kind) and not is_covered(scope, granted)
    ]
    enough = [scope for scope in call.any_scopes if is_of_use(spec, scope, kind)]
    if enough and not any(is_covered(scope, granted) for scope in enough):
        missing.append(enough[0])
    return tuple(missing)


def needs(spec: PlatformSpec, scope: str, kind: str = "") -> list[Call]:
    """The calls that the scope opens, those of the roadmap too. kind "": of any."""
    if kind and not is_of_use(spec, scope, kind):
        return []
    return [
        call for call in spec.calls if scope in call.scopes or scope in call.any_scopes
    ]


def closed_without(
    spec: PlatformSpec, scope: str, kind: str, granted: Collection[str]
) -> list[Call]:
    """The calls that are closed because this scope was not granted."""
    if is_covered(scope, granted):
        return []
    return [
        call
        for call in needs(spec, scope, kind)
        if scope in call.scopes or lacks(spec, call, kind, granted)
    ]


def effect(calls: Iterable[Call]) -> str:
    """What it means that these calls are closed, in a sentence without its subject.

    "publishing off", "off: Photos; other posts unaffected", "off: Comments; publishing
    unaffected", and what the roadmap will miss.
    """
    today = [call for call in calls if not call.later]
    later = [call for call in calls if call.later]
    parts = []
    if any(call.mutates and call.ability is Ability.PUBLISH for call in today):
        parts.append(_("publishing off"))
    elif today:
        parts.append(_("off: %(what)s") % {"what": _features(today)})
        if any(call.ability is Ability.PUBLISH for call in today):
            parts.append(_("other posts unaffected"))
        else:
            parts.append(_("publishing unaffected"))
    else:
        parts.append(_("nothing that exists today is affected"))
    if later:
        parts.append(_("on our roadmap: %(what)s") % {"what": _features(later)})
    return "; ".join(parts)


def _features(calls: Iterable[Call]) -> str:
    names = list(dict.fromkeys(_feature(call) for call in calls))
    more = len(names) - NAMED
    if more > 0:
        names = [*names[:NAMED], _("%(n)s more") % {"n": more}]
    return ", ".join(names)


def _feature(call: Call) -> str:
    if call.ability is Ability.FIGURES:
        return _("figures (%(feature)s)") % {"feature": _(call.feature)}
    return _(call.feature)


# ---------------------------------------------------------------- our app's reviews


class ReviewState(models.TextChoices):
    NOT_ASKED = "", gettext_lazy("Not asked")
    ASKED = "asked", gettext_lazy("Asked")
    GRANTED = "granted", gettext_lazy("Granted")
    REFUSED = "refused", gettext_lazy("Refused")


@dataclass(frozen=True)
class Review:
    """What a platform said of one permission of our app. at: ISO date, or ""."""

    state: ReviewState = ReviewState.NOT_ASKED
    at: date | None = None
    note: str = ""
    #: the platform gives it to every app
    is_needless: bool = False

    @property
    def tone(self) -> str:
        if self.state == ReviewState.NOT_ASKED:
            return "muted" if self.is_needless else "warn"
        tones = {"asked": "info", "granted": "ok", "refused": "bad"}
        return tones[self.state]

    @property
    def icon(self) -> str:
        icons = {"asked": "hourglass_top", "granted": "check", "refused": "block"}
        return icons.get(self.state, "remove")

    @property
    def words(self) -> str:
        if self.is_needless and self.state == ReviewState.NOT_ASKED:
            return _("Needs no review")
        return str(self.state.label)


def review_of(app: PlatformApp, scope: Scope) -> Review:
    """Granted without a date where an admin ticked it with the app."""
    stored: Mapping[str, Any] = app.reviews.get(scope.name) or {}
    state = ReviewState(stored.get("state", ""))
    if state == ReviewState.NOT_ASKED and scope.name in app.granted_scopes:
        if scope.needs_review:
            state = ReviewState.GRANTED
    return Review(
        state,
        _day(stored.get("at")),
        str(stored.get("note", "")),
        is_needless=not scope.needs_review,
    )


def _day(text: Any) -> date | None:
    try:
        return date.fromisoformat(str(text))
    except ValueError:
        return None


# ---------------------------------------------------------------- the registry


@dataclass
class Line:
    """One permission of a group's apps."""

    scope: Scope
    today: list[Call]
    later: list[Call]
    review: Review | None
    lacking: int = 0
    #: accounts that it is of use to and whose grant we know
    known: int = 0
    #: the calls that are closed for any account that lacks it
    closed: list[Call] = field(default_factory=list)

    @property
    def told_by(self) -> Hashable:
        """What is said of it follows from this, and from what the program calls."""
        closed = tuple(call.key for call in self.closed)
        return self.scope.name, self.review, self.lacking, self.known, closed

    @cached_property
    def features(self) -> str:
        return _features(self.today) if self.today else ""

    @cached_property
    def roadmap(self) -> str:
        """The feature on the roadmap that alone will need it; "" where code does."""
        if self.scope.later:
            return _(self.scope.later)
        return _features(self.later) if self.later and not self.today else ""

    @cached_property
    def sentence(self) -> str:
        """ "Without pages_read_engagement: off: Figures on 38 accounts; ..." """
        calls = self.closed or [*self.today, *self.later]
        if not calls:
            return ""
        words = {"scope": self.scope.name, "effect": effect(calls), "n": self.lacking}
        if not self.lacking:
            return _("Nobody lacks it. Without it: %(effect)s.") % words
        return (
            ngettext(
                "Without %(scope)s on %(n)s account: %(effect)s.",
                "Without %(scope)s on %(n)s accounts: %(effect)s.",
                self.lacking,
            )
            % words
        )


@dataclass
class Group:
    """One registration of ours, or all servers of a platform that need none."""

    spec: PlatformSpec
    app: PlatformApp | None
    name: str
    lines: list[Line]

    @property
    def key(self) -> str:
        return f"{self.spec.slug}-{self.app.pk if self.app else 0}"

    @cached_property
    def is_lacked(self) -> bool:
        """An account lacks what code needs today: a reader should see that first."""
        return any(line.lacking and line.today for line in self.lines)

    @cached_property
    def to_ask(self) -> list[Line]:
        """What one review should ask for: all that needs one and was not asked yet."""
        return [
            line
            for line in self.lines
            if line.scope.needs_review
            and (line.today or line.roadmap)
            and line.review is not None
            and line.review.state == ReviewState.NOT_ASKED
        ]


def specs_of(app: PlatformApp) -> list[PlatformSpec]:
    """The app's platform, and those whose accounts its sign-in brings as well."""
    more = [spec for spec in registry.all_specs() if app.platform in spec.also_through]
    return [app.spec, *more]


def groups(reader: Any) -> list[Group]:
    """The whole registry, with the accounts that the reader may see. Two queries."""
    apps = [
        app
        for app in PlatformApp.objects.defer(
            "client_secret", "hook_secret", "hook_token"
        )
        if app.platform in registry.PLATFORMS
    ]
    accounts = _granted(reader)
    found = []
    for spec in registry.all_specs():
        own = [app for app in apps if app.platform == spec.slug]
        if spec.wants_app:
            for app in own:
                mine = [row for row in accounts if row[2] == app.pk]
                lines = _lines(specs_of(app), mine, app)
                found.append(Group(spec, app, str(app), lines))
        else:
            pks = {app.pk for app in own}
            mine = [row for row in accounts if row[2] in pks]
            found.append(Group(spec, None, spec.name, _lines([spec], mine, None)))
    return found


def group_of(app: PlatformApp, reader: Any) -> Group | None:
    """The lines of one app, with the accounts that the reader may see; None where the
    platform wants no app of ours. One query."""
    if app.platform not in registry.PLATFORMS or not app.spec.wants_app:
        return None
    mine = _granted(reader, credential__app=app.pk)
    return Group(app.spec, app, str(app), _lines(specs_of(app), mine, app))


def _granted(reader: Any, **which: Any) -> list[tuple[str, str, int, list[str]]]:
    """(platform, kind, app, what was granted) of each account. which: only such ones."""
    accounts = ConnectedAccount.objects.visible_to(reader).connected()
    return list(
        accounts.filter(credential__isnull=False, **which)
        .order_by()
        .values_list(
            "platform", "kind", "credential__app_id", "credential__granted_scopes"
        )
    )


def _lines(
    specs: Sequence[PlatformSpec],
    accounts: Iterable[tuple[str, str, int, list[str]]],
    app: PlatformApp | None,
) -> list[Line]:
    """specs: the one whose sign-in asks, and those that it brings accounts of."""
    lines: dict[str, Line] = {}
    for scope in specs[0].scopes:
        calls = [call for spec in specs for call in needs(spec, scope.name)]
        lines[scope.name] = Line(
            scope,
            [call for call in calls if not call.later],
            [call for call in calls if call.later],
            review_of(app, scope) if app else None,
        )
    # Many accounts were given the same: each combination is judged once.
    alike: dict[tuple[str, str, tuple[str, ...]], int] = {}
    for platform, kind, _app, granted in accounts:
        key = (platform, kind, tuple(sorted(granted)))
        alike[key] = alike.get(key, 0) + 1
    known = {spec.slug: spec for spec in specs}
    for (platform, kind, granted_names), count in alike.items():
        if platform not in known or not granted_names:
            continue
        for name, line in lines.items():
            if not is_of_use(known[platform], name, kind):
                continue
            line.known += count
            closed = closed_without(known[platform], name, kind, granted_names)
            if closed:
                line.lacking += count
                line.closed += [call for call in closed if call not in line.closed]
    return list(lines.values())


def is_lacking(account: ConnectedAccount, scope: str) -> bool:
    """As the registry counts it. Needs the account's credential."""
    credential = account.credential
    if credential is None or not credential.granted_scopes:
        return False
    spec = account.spec
    return bool(closed_without(spec, scope, account.kind, credential.granted_scopes))


# ---------------------------------------------------------------- one account


@dataclass(frozen=True)
class Right:
    """One permission of an account, and what a missing one costs.

    is_over: it was given, and ended with the access.
    """

    scope: Scope
    is_granted: bool
    effect: str = ""
    is_over: bool = False


def rights(account: ConnectedAccount) -> list[Right]:
    """What was given and what is missing; () where the platform names none.

    Needs the credential and its app.
    """
    credential = account.credential
    if credential is None:
        return []
    spec, granted = account.spec, credential.granted_scopes
    asked = registry.platform(credential.app.platform).scopes_to_ask(
        credential.app.granted_scopes, credential.app.facts
    )
    if not granted and not asked:
        return []
    known = {scope.name: scope for scope in (*spec.scopes, *credential.app.spec.scopes)}
    is_over = not credential.is_active and credential.cause in GRANT_IS_OVER
    found = []
    for name in dict.fromkeys([*asked, *granted]):
        if not is_of_use(spec, name, account.kind):
            continue
        scope = known.get(name) or Scope(name, name)
        have = is_covered(name, granted)
        closed = closed_without(spec, name, account.kind, granted)
        costs = effect(closed) if closed and not have else ""
        found.append(Right(scope, have, costs, is_over=have and is_over))
    return found


def missing_to_post(accounts: Iterable[ConnectedAccount]) -> str:
    """Of accounts that cannot post for want of a permission: which one, in a sentence.

    "" where none is known to be missing. Needs their credentials and apps.
    """
    found: dict[str, str] = {}
    for account in accounts:
        credential, spec = account.credential, account.spec
        if credential is None or account.cause != Cause.SCOPE_MISSING:
            continue
        if not credential.granted_scopes:
            continue
        # An Instagram account's access may come by either sign-in.
        allows = {scope.name: scope.allows for scope in credential.app.spec.scopes}
        for call in spec.calls:
            if call.mutates and call.ability is Ability.PUBLISH and not call.later:
                for name in lacks(spec, call, account.kind, credential.granted_scopes):
                    same = (one for one in call.any_scopes if one in allows)
                    if name not in allows:
                        name = next(same, name)
                    found[name] = _(allows[name]) if name in allows else ""
    if not found:
        return ""
    named = [f"{name} ({what})" if what else name for name, what in found.items()]
    return _("Missing: %(permissions)s.") % {"permissions": "; ".join(named)}


@dataclass(frozen=True)
class Able:
    """One thing that an account can do or not: icon and words for a cell."""

    ability: Ability
    tone: str
    icon: str
    words: str
    note: str = ""


#: ability -> its word in "Permission missing: ..."
ABILITY_WORDS = {
    Ability.PUBLISH: gettext_lazy("posting"),
    Ability.READ: gettext_lazy("comments"),
    Ability.FIGURES: gettext_lazy("figures"),
}
_YES = {
    Ability.PUBLISH: gettext_lazy("Able to post"),
    Ability.READ: gettext_lazy("Yes"),
    Ability.FIGURES: gettext_lazy("Yes"),
}
#: What is said of many accounts alike: icon, words.
_ALIKE = {
    "gone": ("power_off", gettext_lazy("Disconnected")),
    "not_offered": ("remove", gettext_lazy("Not offered there")),
    "not_yet": ("help", gettext_lazy("Not told yet")),
}


def abilities(account: ConnectedAccount) -> dict[Ability, Able]:
    """What the account can do, ability by ability. Needs its credential.

    A permission that is missing is told apart from one that nobody could tell of: a
    platform may answer a call without its permission with nothing at all, and "no
    figures" would then be a lie.
    """
    health, language = account.health, get_language()
    return {ability: _able(account, health, ability, language) for ability in Ability}


@lru_cache(maxsize=200)
def _yes(ability: Ability, _language: str | None) -> Able:
    return Able(ability, "ok", "check_circle", str(_YES[ability]))


@lru_cache(maxsize=200)
def _alike(ability: Ability, which: str, _language: str | None) -> Able:
    icon, words = _ALIKE[which]
    return Able(ability, "muted", icon, str(words))


def _able(
    account: ConnectedAccount, health: str, ability: Ability, language: str | None
) -> Able:
    credential = account.credential
    if credential is None or health == "disconnected":
        return _alike(ability, "gone", language)
    if health == "broken":
        note = str(explain(account.cause).head)
        if ability is Ability.PUBLISH:
            return Able(ability, "bad", "link_off", broken_words(account.cause), note)
        if not _was_told_apart(credential):
            return Able(ability, "muted", "help", _("Not told"), note)
    told = credential.abilities.get(ability) or {}
    if _is_missing(account, credential, ability, told):
        words = _("Permission missing: %(what)s") % {"what": ABILITY_WORDS[ability]}
        return Able(ability, "warn", "key_off", words)
    if told.get("ok") is False:
        return Able(ability, "bad", "close", str(explain(told.get("cause", "")).head))
    if told.get("ok") or ability is Ability.PUBLISH:
        # A look that could not tell of posting has found nothing against it.
        return _yes(ability, language)
    if not any(call.ability is ability for call in account.spec.calls):
        return _alike(ability, "not_offered", language)
    return _alike(ability, "not_yet", language)


def _was_told_apart(credential: Credential) -> bool:
    """The look that found posts refused told what else the access is good for."""
    lost = not credential.is_active and credential.cause == Cause.SCOPE_MISSING
    return lost and credential.ability(Ability.PUBLISH) is False


def _is_missing(
    account: ConnectedAccount,
    credential: Credential,
    ability: Ability,
    told: Mapping[str, Any],
) -> bool:
    if told.get("ok") is False and told.get("cause") == "scope_missing":
        return True
    if told.get("ok") is not None or not credential.granted_scopes:
        return False
    granted = tuple(credential.granted_scopes)
    return _lacks_all(account.spec, account.kind, granted, ability)


def _lacks_all(
    spec: PlatformSpec, kind: str, granted: tuple[str, ...], ability: Ability
) -> bool:
    """Whether the ability hangs on permissions, and no call of it has all of its own."""
    # Many accounts were given the same: each combination is judged once.
    known = _judged.get((spec.slug, kind, granted, ability))
    if known is not None and known[0] is spec:
        return known[1]
    guarded = [
        call
        for call in spec.calls
        if call.ability is ability
        and (ability is not Ability.PUBLISH or (call.mutates and not call.later))
        and any(
            is_of_use(spec, scope, kind) for scope in (*call.scopes, *call.any_scopes)
        )
    ]
    lacking = bool(guarded) and all(
        lacks(spec, call, kind, granted) for call in guarded
    )
    if len(_judged) > MOST_JUDGED:
        _judged.clear()
    _judged[spec.slug, kind, granted, ability] = spec, lacking
    return lacking


#: So many combinations are remembered, each with the facts that it was judged by.
MOST_JUDGED = 2000
_judged: dict[tuple[str, str, tuple[str, ...], Ability], tuple[PlatformSpec, bool]] = {}

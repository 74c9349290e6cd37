"""The accounts that a person sees: the list, one account, its people, its end."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from platforms import registry
from platforms.base import SignIn

from . import hooks
from .causes import explain
from .charts import ends_by_week, health_over_time
from .connect import may_have_standby
from .disconnect import disconnect
from .fixed_query import Seen
from .forms import PeopleForm
from .health_rows import (
    HEALTHS,
    all_seen_by,
    in_full,
    keys_of,
    make_rows,
    to_judge,
    tree,
    urgency,
    used_by_posts,
)
from .limit_pages import subjects_of, whose_of, windows
from .links import may_send
from .models import (
    AuditEvent,
    Brand,
    ConnectedAccount,
    Credential,
    PlatformApp,
    RefreshAttempt,
)
from .names import name_of
from .permissions import (
    ABILITY_WORDS,
    abilities,
    is_lacking,
    missing_to_post,
    rights,
)
from .refresh import LOST
from .roles import is_admin

TIMELINE_LINES = 30

#: Rows of one page of the list.
PAGE_SIZE = 25


_brands_seen = Seen(
    lambda reader: (
        Brand.objects.visible_to(reader).order_by("name").only("name", "time_zone")
    ),
    for_all=True,
)


@login_required
def account_list(request: HttpRequest) -> HttpResponse:
    """Filters stand in the address: search, brand, platform, health (a tile is one)."""
    now = timezone.now()
    brands = _brands_seen.objects(request.user)
    wanted_brand = request.GET.get("brand", "")
    wanted_platform = request.GET.get("platform", "")
    wanted_health = request.GET.get("health", "")
    accounts = ConnectedAccount.objects.visible_to(request.user)
    by_pk = {str(brand.pk): brand for brand in brands}
    if wanted_brand in by_pk:
        accounts = accounts.filter(brand=by_pk[wanted_brand])
    if wanted_platform in registry.PLATFORMS:
        accounts = accounts.filter(platform=wanted_platform)
    wanted_app = request.GET.get("app", "")
    if wanted_app.isdecimal() and len(wanted_app) <= 18:
        accounts = accounts.filter(credential__app=int(wanted_app))
    wanted_text = " ".join(request.GET.get("q", "").split())[:100]
    for word in wanted_text.split():
        accounts = accounts.filter(_says(word))
    lacked = request.GET.get("lacks", "")
    is_narrowed = (
        wanted_brand in by_pk
        or wanted_platform in registry.PLATFORMS
        or wanted_app
        or wanted_text
    )
    keys = keys_of(accounts) if is_narrowed else all_seen_by(request.user)
    found = to_judge(keys, scopes=bool(lacked))
    if lacked:
        found = [account for account in found if is_lacking(account, lacked)]
    windows_of = used_by_posts(now, found)
    full = windows_of.full(subjects_of(found))
    rows = make_rows(found, now, why=False, lines=full)
    live = [row for row in rows if row.health != "disconnected"]
    gone = [row for row in rows if row.health == "disconnected"]
    tiles = [
        {
            "health": "",
            "words": _("All"),
            "count": len(live),
            "url": _with(request, health="", page=""),
            "is_current": wanted_health not in HEALTHS,
        }
    ]
    tiles += [
        {
            "health": health,
            "words": words,
            "count": sum(health in row.healths for row in live),
            "url": _with(request, health=health, page=""),
            "is_current": health == wanted_health,
        }
        for health, words in HEALTHS.items()
    ]
    shown = live
    if wanted_health in HEALTHS:
        shown = [row for row in live if wanted_health in row.healths]
    chosen = [
        b.pk for b in brands if wanted_brand not in by_pk or str(b.pk) == wanted_brand
    ]
    page = Paginator(sorted(shown, key=urgency), PAGE_SIZE).get_page(
        request.GET.get("page")
    )
    incidents = hooks.incidents(request.user)
    context = {
        "rows": in_full(list(page.object_list), windows_of),
        "page": page,
        "zone": timezone.get_current_timezone_name(),
        "page_query": _with(request, page=""),
        "health_chart": health_over_time(hooks.history(chosen, now)),
        "ends_chart": ends_by_week(live, now),
        "incidents": incidents,
        "shows_incidents": bool(incidents),
        "gone": gone if wanted_health not in HEALTHS else [],
        "tiles": tiles,
        "any": bool(rows),
        "filtered": bool(
            wanted_brand
            or wanted_platform
            or wanted_health
            or wanted_app
            or wanted_text
            or lacked
        ),
        "lacked": lacked,
        "brands": brands,
        "specs": registry.all_specs(),
        "wanted": {
            "brand": wanted_brand,
            "platform": wanted_platform,
            "health": wanted_health,
            "app": wanted_app,
            "q": wanted_text,
        },
        "may_connect": is_admin(request.user),
    }
    return render(request, "accounts/list.html", context)


def _says(word: str) -> Q:
    """What a person would look for: the account, its brand, who owns or connected it."""
    found = Q()
    for field in (
        "name",
        "handle",
        "brand__name",
        "credential__subject_name",
        "owner__username",
        "owner__first_name",
        "owner__last_name",
    ):
        found |= Q(**{f"{field}__icontains": word})
    return found


def _with(request: HttpRequest, **changes: str) -> str:
    query = request.GET.copy()
    for name, value in changes.items():
        if value:
            query[name] = value
        else:
            query.pop(name, None)
    return f"?{query.urlencode()}"


# ---------------------------------------------------------------- one account


_whole = Seen(
    lambda reader, pk: (
        ConnectedAccount.objects.visible_to(reader)
        .with_health()
        .filter(pk=pk)
        .select_related(
            "deputy",
            "credential__parent",
            "credential__connected_by",
            "standby__parent",
        )
    ),
    -8,
    for_all=True,
    keeps_plan=True,
)


def _visible(request: HttpRequest, pk: int) -> ConnectedAccount:
    """404 for strangers."""
    found = _whole.objects(request.user, pk)
    if not found:
        raise Http404
    return found[0]


def _visible_to_admin(request: HttpRequest, pk: int) -> ConnectedAccount:
    """404 for strangers, 403 for those who may only look."""
    account = _visible(request, pk)
    if not is_admin(request.user):
        raise PermissionDenied
    return account


@login_required
def account_detail(request: HttpRequest, pk: int) -> HttpResponse:
    account = _visible(request, pk)
    now = timezone.now()
    lines = windows(now, subjects_of([account]), whose=whose_of(account))
    row = make_rows([account], now, lines=lines)[0]
    credential = account.credential
    given = rights(account)
    broken = account.health == "broken"
    context = {
        "account": account,
        "credential": credential,
        "row": row,
        "queue": row.queue,
        "why": explain(account.cause) if broken else None,
        "missing_to_post": missing_to_post([account]) if broken else "",
        "facts": _facts(account),
        "tree": tree(account, request.user, now),
        "rights": given,
        "missing": [right for right in given if not right.is_granted],
        "abilities": [
            (ABILITY_WORDS[able.ability], able) for able in abilities(account).values()
        ],
        "windows": [
            line
            for line in lines
            if line.size is not None and line.bucket.platform == account.platform
        ],
        "timeline": _timeline(account, credential),
        "sections": hooks.sections(account, request.user),
        "may_connect": is_admin(request.user),
        "may_send_link": may_send(request.user, account),
        "standby": account.standby,
        "can_stand_by": may_have_standby(account),
        "is_stale": "unproven" in row.healths,
    }
    return render(request, "accounts/detail.html", context)


def _facts(account: ConnectedAccount) -> list[tuple[str, Any]]:
    """The Details fold: the platform's own words (stored redacted) and dates."""
    credential = account.credential
    if credential is None or account.health != "broken":
        return []
    by_credential = not credential.is_active
    facts = [
        (_("Since"), credential.broken_at if by_credential else account.trouble_at),
        (
            _("The platform's words"),
            credential.detail if by_credential else account.trouble_detail,
        ),
        (_("Last looked at"), credential.looked_at),
    ]
    return [(name, value) for name, value in facts if value]


def _timeline(
    account: ConnectedAccount, credential: Credential | None
) -> list[hooks.Happening]:
    """What happened to the account and its access, newest first."""
    lines = [
        hooks.Happening(event.at, "info", "person", _audit_words(event))
        for event in AuditEvent.objects.filter(
            target_type=account._meta.label_lower, target_id=str(account.pk)
        ).select_related("actor")[:TIMELINE_LINES]
    ]
    if credential is not None:
        lines += [
            _renewal(attempt)
            for attempt in credential.refresh_attempts.all()[:TIMELINE_LINES]
        ]
    lines += hooks.timeline(account)
    return sorted(lines, key=lambda line: line.at, reverse=True)[:TIMELINE_LINES]


def _renewal(attempt: RefreshAttempt) -> hooks.Happening:
    tone, words, why = "warn", _("Access was not renewed"), ""
    if attempt.outcome == "renewed":
        tone, words = "ok", _("Access renewed")
    elif attempt.outcome == LOST:
        words = _("A renewal of access was interrupted")
        why = _("Its answer was lost, so it was tried again.")
    elif not attempt.finished_at:
        tone, words = "muted", _("Access is being renewed")
    else:
        why = str(explain(attempt.cause).head)
    return hooks.Happening(attempt.started_at, tone, "autorenew", words, why)


AUDIT_WORDS = {
    "check": gettext_lazy("%(who)s had it checked"),
    "connected": gettext_lazy("Connected by %(who)s"),
    "reconnected": gettext_lazy("Reconnected by %(who)s"),
    "disconnected": gettext_lazy("Disconnected by %(who)s"),
    "standby_took_over": gettext_lazy("Standby access took over, by %(who)s"),
    "people_changed": gettext_lazy("Owner or deputy changed by %(who)s"),
    "mended": gettext_lazy("Came back with a sign-in of %(as)s"),
    "reconnected_by_link": gettext_lazy(
        "Reconnected by %(as)s, with the link to %(to)s"
    ),
    "link_made": gettext_lazy("Reconnect link sent to %(to)s by %(who)s"),
    "link_withdrawn": gettext_lazy("Reconnect link to %(to)s withdrawn by %(who)s"),
    "standby_added": gettext_lazy("Standby access of %(as)s added"),
    "standby_removed": gettext_lazy("Standby access of %(as)s removed by %(who)s"),
    "not_told": gettext_lazy(
        "The network did not hear that access has ended; the token was deleted here. To "
        "end it there too, remove SocialHub in its settings"
    ),
    "access_withdrawn": gettext_lazy("The platform said that access was withdrawn"),
    "data_deleted": gettext_lazy(
        "The platform asked for it: data of the person who gave access were deleted"
    ),
}


def _audit_words(event: AuditEvent) -> str:
    facts = {
        "who": name_of(event.actor) if event.actor else _("SocialHub"),
        "as": event.detail.get("signed_in_as") or _("somebody"),
        "to": event.detail.get("link_to") or _("somebody"),
    }
    words = AUDIT_WORDS.get(event.verb)
    return str(words) % facts if words else f"{event.verb}: {facts['who']}"


@login_required
def account_people(request: HttpRequest, pk: int) -> HttpResponse:
    account = _visible_to_admin(request, pk)
    form = PeopleForm(
        request.POST if request.method == "POST" else None, instance=account
    )
    if request.method == "POST" and form.is_valid():
        account.save(update_fields=["owner", "deputy"])
        AuditEvent.write(
            request.user,
            "people_changed",
            account,
            owner=str(account.owner or ""),
            deputy=str(account.deputy or ""),
        )
        messages.success(request, _("Saved."))
        return redirect(account)
    context = {"account": account, "form": form}
    status = 422 if form.errors else 200
    return render(request, "accounts/people.html", context, status=status)


#: So many accounts are named that may end with another one.
NAMED = 3


def _may_end_with(user: Any, account: ConnectedAccount, app: PlatformApp) -> str:
    """Accounts whose access ends as well where one person connected them all; "": there
    are none. Who the person is the platform does not tell. Of those that the reader may
    not see only the number is said."""
    if not registry.spec(app.platform).ends_whole_consent:
        return ""
    others = ConnectedAccount.objects.connected().filter(credential__app=app)
    others = others.exclude(pk=account.pk)
    mine = others.filter(pk__in=ConnectedAccount.objects.visible_to(user).values("pk"))
    names = list(mine.order_by("name").values_list("name", flat=True)[:NAMED])
    rest = others.count() - len(names)
    if not names:
        words = ngettext("%(n)s other account", "%(n)s other accounts", rest)
        return words % {"n": rest} if rest else ""
    if not rest:
        return ", ".join(names)
    words = ngettext("%(names)s and %(n)s other", "%(names)s and %(n)s others", rest)
    return words % {"names": ", ".join(names), "n": rest}


@login_required
def account_disconnect(request: HttpRequest, pk: int) -> HttpResponse:
    """Asks first and says what will happen to what waits."""
    account = _visible_to_admin(request, pk)
    if account.health == "disconnected":
        messages.info(request, _("The account is disconnected already."))
        return redirect(account)
    if request.method == "POST":
        done = disconnect(account, request.user)
        words = _("%(name)s is disconnected. Its history stays.")
        messages.success(request, words % {"name": account.name})
        if done.told is False:
            messages.warning(
                request,
                _(
                    "The platform could not be told yet. SocialHub tries again by "
                    "itself for some days and deletes its token then; you can also "
                    "remove SocialHub in the account's settings at the platform."
                ),
            )
        return redirect(account)
    assert account.credential is not None
    root = account.credential.root
    signed_in_at = registry.platform(root.app.platform)
    context = {
        "account": account,
        "tells_platform": signed_in_at.client_class.can_revoke(),
        "has_key": signed_in_at.spec.sign_in is SignIn.KEY,
        "platform": signed_in_at.spec.name,
        "queue": hooks.queues([account])[account.pk],
        "may_end": _may_end_with(request.user, account, root.app),
        "shares": ConnectedAccount.objects.connected()
        .filter(Q(credential=root) | Q(credential__parent=root))
        .exclude(pk=account.pk)
        .exists(),
    }
    return render(request, "accounts/disconnect.html", context)

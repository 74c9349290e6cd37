"""The page of limits: what is paused, what is used, what will wait, and sizes by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from django.contrib import messages
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_list_or_404, get_object_or_404, redirect, render
from django.urls import get_script_prefix, get_urlconf, reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from accounts import breakers, budgets, paused
from accounts.fixed_query import Seen
from accounts.limit_pages import (
    WindowLine,
    line_of,
    roomy,
    subjects_of,
    unsized,
    windows,
)
from accounts.limits import BucketId, Forecast, set_size
from accounts.models import (
    Brand,
    CircuitBreaker,
    ConnectedAccount,
    Network,
    PlatformApp,
)
from accounts.roles import is_admin, roles_of
from platforms import registry
from platforms.base import MONEY

from . import ahead
from .access import role_required
from .limit_forms import SizeForm
from .long_lists import leaf
from .models import Delivery
from .wording import clock, person

#: How far ahead posts are counted that will wait.
AHEAD = timedelta(days=31)
#: A window that is used so far stands in the open; emptier ones behind a click.
SHOWN_FROM_SHARE = 50
#: Quiet windows on one page of a platform.
QUIET_SIZE = 50


class Shown(NamedTuple):
    """All that a row of the page says, so that the same is drawn once."""

    line: WindowLine
    used: str
    size: str
    tone: str
    is_full: bool
    planned: str
    by_itself: str
    source: str
    edit_url: str


class Unsized(NamedTuple):
    """A window whose size only an admin can tell."""

    line: WindowLine
    edit_url: str

    @property
    def is_money(self) -> bool:
        return self.line.unit == MONEY


@dataclass
class Entry:
    """A window with what is said beside it. will_wait: posts of the reader's brands."""

    line: WindowLine
    source: str
    by_itself: str
    edit_url: str
    will_wait: int = 0
    #: what planned posts need of a budget; "" for other windows
    planned: str = ""

    @property
    def is_money(self) -> bool:
        return self.line.unit == MONEY

    @property
    def shown(self) -> Shown:
        return Shown(
            self.line,
            self.used,
            self.size,
            self.tone,
            self.is_full,
            self.planned,
            self.by_itself,
            self.source,
            self.edit_url,
        )

    @property
    def is_full(self) -> bool:
        return is_full(self.line)

    @property
    def tone(self) -> str:
        if self.is_full:
            return "bad"
        return "warn" if self.will_wait or self.line.share >= 80 else "ok"

    @property
    def used(self) -> str:
        return amount(self.line.used, self.line.unit)

    @property
    def size(self) -> str:
        return "" if self.line.size is None else amount(self.line.size, self.line.unit)


def is_full(line: WindowLine) -> bool:
    return line.opens_at is not None or line.size == 0


def stands_out(line: WindowLine, will_wait: int) -> bool:
    """Whether it is shown at once."""
    by_hand = line.unit == MONEY or line.source == "set"
    much = line.share >= SHOWN_FROM_SHARE
    return bool(is_full(line) or will_wait or by_hand or much)


@dataclass
class Group:
    """The windows of one platform. quiet: those with much room, which are listed on a
    page of its own; roomy: how many there are besides."""

    name: str
    slug: str
    open: list[Entry] = field(default_factory=list)
    quiet: list[WindowLine] = field(default_factory=list)
    roomy: int = 0

    @property
    def quiet_count(self) -> int:
        return len(self.quiet) + self.roomy

    @property
    def show_quiet(self) -> str:
        """ "Show 12 windows with much room"."""
        count = self.quiet_count
        words = ngettext(
            "Show %(n)s window with much room",
            "Show %(n)s windows with much room",
            count,
        )
        return words % {"n": count}


def amount(units: int, unit: str) -> str:
    """ "1,234" as the reader's language groups digits, or "$12.40" for money."""
    if unit == MONEY:
        return budgets.dollars(units)
    return number_format(units, force_grouping=True) if units >= 1000 else str(units)


@role_required(lambda user: bool(roles_of(user)))
def limits_page(request: HttpRequest) -> HttpResponse:
    """Of the reader's brands' accounts; for admins also those that our apps and servers
    have for all.

    platform: a slug in the address, whose quiet windows are listed as well.
    """
    user: Any = request.user
    now = timezone.now()
    admin = is_admin(user)
    held = ahead.foresee(now + AHEAD, now)
    waits = _waits(user, held)
    first = _first(held)
    # Of the platform that is looked at closely all are listed.
    wanted = request.GET.get("platform", "")
    counted, others = roomy(
        now, _subjects(user), below=SHOWN_FROM_SHARE, besides=waits, not_of=wanted
    )
    lines = windows(now, among=others)
    needed = budgets.needed(lines, now)
    teller = _Teller(admin)
    groups: dict[str, Group] = {}
    for line in lines:
        wait = waits.get(line.bucket, 0)
        slug = line.bucket.platform
        group = groups.setdefault(slug, Group(line.platform_name, slug))
        if not stands_out(line, wait):
            group.quiet.append(line)
            continue
        entry = teller.entry(line, wait, first.get(line.bucket))
        if line.bucket in needed:
            entry.planned = amount(needed[line.bucket], line.unit)
        group.open.append(entry)
    for slug, number in counted.items():
        name = registry.spec(slug).name
        groups.setdefault(slug, Group(name, slug)).roomy = number
    only = groups.get(wanted)
    page, quiet = None, []
    if only is not None:
        page = leaf(only.quiet, len(only.quiet), QUIET_SIZE, request.GET.get("page"))
        quiet = [teller.entry(line) for line in page.rows]
    context = {
        "pauses": _pauses(user, now),
        "groups": [only]
        if only
        else sorted(groups.values(), key=lambda group: group.name),
        "only": only,
        "quiet": quiet,
        "page": page,
        "page_query": urlencode({"platform": only.slug}) if only else "",
        "unsized": [
            Unsized(line, edit_url_of(line.bucket))
            for line in (unsized() if admin else ())
        ],
        "is_admin": admin,
        "will_wait": sum(waits.values()),
        "now": now,
    }
    return render(request, "publishing/limits.html", context)


def _subjects(user: Any) -> set[str] | None:
    """Whose windows this person sees; None: everybody's."""
    admin = is_admin(user)
    if admin and Brand.all_visible_to(user):
        return None
    mine = ConnectedAccount.objects.visible_to(user).select_related("credential")
    subjects = subjects_of(mine)
    if admin:
        apps = PlatformApp.objects.values_list("pk", flat=True)
        subjects |= {f"app:{pk}" for pk in apps}
        subjects |= {f"ip:{network}" for network in Network.values}
    return subjects


def _pauses(user: Any, now: datetime) -> list[tuple[paused.Paused, int]]:
    """What is paused, each with the reader's posts that wait for it: one query more."""
    pauses = paused.not_closed(user, now)
    if not pauses:
        return []
    waiting = _held_behind.rows(user)
    return [(pause, _waiting_for(pause.breaker, waiting)) for pause in pauses]


#: by what `breakers.accounts_behind` finds accounts
_BEHIND = (
    "account__credential_id",
    "account__credential__app_id",
    "account__platform",
    "account__network",
)
_held_behind = Seen(
    lambda reader: (
        Delivery.objects.visible_to(reader)
        .filter(
            status=Delivery.Status.HELD,
            hold__in=(Delivery.Hold.LIMIT, Delivery.Hold.PLATFORM),
        )
        .order_by()
        .values_list(*_BEHIND)
        .annotate(number=Count("pk"))
    ),
    for_all=True,
)


def _waiting_for(breaker: CircuitBreaker, waiting: Sequence[Sequence[Any]]) -> int:
    """waiting: numbers of posts behind what stands in `_BEHIND`."""
    wanted = breakers.accounts_behind(breaker, "account__")
    places = [(_BEHIND.index(name), value) for name, value in wanted.items()]
    return sum(
        row[-1] for row in waiting if all(row[n] == value for n, value in places)
    )


def _bucket(found: Forecast) -> BucketId:
    return BucketId(found.denied.platform, found.denied.key, found.denied.subject)


def _waits(user: Any, held: Mapping[Hashable, Forecast]) -> Counter[BucketId]:
    if not held:
        return Counter()
    mine = _seen_of.rows(user, list(held))
    return Counter(_bucket(held[pk]) for (pk,) in mine)


_seen_of = Seen(
    lambda reader, keys: (
        Delivery.objects.visible_to(reader)
        .filter(pk__in=keys)
        .order_by()
        .values_list("pk")
    ),
    [-9],
    for_all=True,
)


def _first(held: Mapping[Hashable, Forecast]) -> dict[BucketId, Forecast]:
    """Of each window, the forecast in which it is full first."""
    found: dict[BucketId, Forecast] = {}
    for forecast in held.values():
        bucket = _bucket(forecast)
        if bucket not in found or _full(forecast) < _full(found[bucket]):
            found[bucket] = forecast
    return found


def _full(found: Forecast) -> float:
    return found.full_at.timestamp() if found.full_at else 0.0


class _Teller:
    """Says what stands beside the windows of one page; what most of them share is put
    into the reader's language once. admin: who may change their sizes."""

    def __init__(self, admin: bool) -> None:
        self._admin = admin
        self._sources: dict[tuple[str, bool], str] = {}

    def entry(
        self, line: WindowLine, wait: int = 0, first: Forecast | None = None
    ) -> Entry:
        url = edit_url_of(line.bucket) if self._admin else ""
        by_itself = _by_itself(line, wait, first) or self._in_time
        return Entry(line, self._source(line), by_itself, url, wait)

    def _source(self, line: WindowLine) -> str:
        if line.source == "set":
            return source_words(line)
        key = line.source, line.verified
        if key not in self._sources:
            self._sources[key] = source_words(line)
        return self._sources[key]

    @cached_property
    def _in_time(self) -> str:
        return _("Posts go when they are due.")


def edit_url_of(bucket: BucketId) -> str:
    return _edit_url(bucket, get_urlconf(), get_script_prefix())


@lru_cache(maxsize=2000)
def _edit_url(bucket: BucketId, _urlconf: str | None, _prefix: str) -> str:
    return f"{reverse('limit_size')}?{urlencode(bucket._asdict())}"


def source_words(line: WindowLine) -> str:
    """Where a size comes from: "set by Ana on 3 May: our plan"."""
    if line.source == "set":
        when = clock(line.set_at) if line.set_at else ""
        who = person(line.set_by) if line.set_by else _("somebody")
        words = _("set by %(who)s, %(when)s") % {"who": who, "when": when}
        return f"{words}: {line.set_reason}" if line.set_reason else words
    if line.source == "told":
        return _("told by the platform’s answers")
    if line.source == "unknown":
        return _("not known: nothing is held back for it")
    if line.verified:
        return _("published by the platform")
    return _("published by the platform, not confirmed")


def _by_itself(line: WindowLine, wait: int, first: Forecast | None) -> str:
    """What will happen without anybody doing anything; "": posts go when they are due."""
    if line.size == 0:
        return _("Nothing goes out until an admin sets another size.")
    words = []
    if line.opens_at is not None:
        words.append(
            _("Full. It opens at %(when)s; what waits then goes by itself, in order.")
            % {"when": clock(line.opens_at)}
        )
    if wait and first is not None:
        words.append(
            ngettext(
                "%(n)d planned post will wait.", "%(n)d planned posts will wait.", wait
            )
            % {"n": wait}
        )
        if first.full_at and line.opens_at is None:
            words.append(_("Used up by %(when)s.") % {"when": clock(first.full_at)})
        if first.goes_at:
            words.append(
                _("The first goes at %(when)s.") % {"when": clock(first.goes_at)}
            )
    return " ".join(words)


# ---------------------------------------------------------------- by hand


@role_required(is_admin)
def limit_size(request: HttpRequest) -> HttpResponse:
    """Set the size of one window, or take it back. The query names the window."""
    bucket = BucketId(
        *(request.GET.get(name, "")[:100] for name in ("platform", "key", "subject"))
    )
    line = line_of(bucket, timezone.now())
    seen = _subjects(request.user)
    if line is None or (seen is not None and bucket.subject not in seen):
        raise Http404("no such window")
    is_money = line.unit == MONEY
    initial = {}
    if line.source == "set" and line.size is not None:
        initial = {
            "size": Decimal(line.size) / budgets.MILLS if is_money else line.size,
            "reason": line.set_reason,
        }
    form = SizeForm(request.POST or None, is_money=is_money, initial=initial)
    if request.method == "POST":
        words = {"what": f"{line.platform_name}, {line.name}, {line.whose}"}
        if request.POST.get("action") == "take_back":
            set_size(bucket, None, request.user)
            messages.success(request, _("%(what)s: your size is taken back.") % words)
            return redirect("limits")
        if form.is_valid():
            set_size(bucket, form.units(), request.user, form.cleaned_data["reason"])
            words["size"] = amount(form.units(), line.unit)
            messages.success(request, _("%(what)s: the size is %(size)s now.") % words)
            return redirect("limits")
    context = {
        "form": form,
        "entry": _Teller(admin=True).entry(line),
        "line": line,
    }
    return render(request, "publishing/limit_size.html", context)


@require_POST
@role_required(is_admin)
def limit_try(request: HttpRequest, pk: int) -> HttpResponse:
    """Let one post through a breaker now."""
    breaker = get_object_or_404(CircuitBreaker, pk=pk)
    mine = ConnectedAccount.objects.visible_to(request.user)
    if breaker.scope == "token":
        get_list_or_404(mine, credential=breaker.subject_id)
    if breakers.try_now(breaker, request.user):
        messages.success(request, _("The next post that waits is tried now."))
    else:
        messages.info(request, _("Nothing waits for a later trial any more."))
    return redirect("limits")

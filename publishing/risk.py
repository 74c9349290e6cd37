"""Posts at risk: each scheduled delivery judged at its own due time.

Sentences are never stored: what is said here follows from the rows as they are now. Kept
is only whether a post will go (`judgements`), for to judge thousands of posts takes
seconds: each has to be read with its wording and its files.
"""

from __future__ import annotations

from collections.abc import (
    Callable,
    Collection,
    Hashable,
    Iterable,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.db.models import Model, QuerySet, prefetch_related_objects
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from accounts import paused
from accounts.breakers import Caller, Key
from accounts.causes import Action, explain, finding_sentence
from accounts.ends import End, EndKind
from accounts.fixed_query import FixedQuery
from accounts.limits import Forecast
from accounts.models import (
    ACCESS_TOLD_BY,
    APP_TOLD_BY,
    ConnectedAccount,
    Credential,
    PlatformApp,
)
from accounts.paused import Paused
from accounts.permissions import lacks
from accounts.reading import told
from platforms import parts, registry
from platforms.base import Draft, Level, PublishJob, calls_of_choices
from platforms.errors import Cause

from . import ahead, stops
from .judgements import believed
from .models import Delivery, PartMedia, Post, PostMedia, Stop, Variant

#: Causes that are none of the platforms'.
STOPPED, LIMIT, PAUSED, IN_REVIEW = "stopped", "limit", "paused", "app_in_review"
#: what a platform said when our app's review was over
REFUSED = "refused"
#: One post may be refused for many things; so many are named.
MAX_FINDINGS = 3
#: What tells of an access: from its credential on, and what of it is not read.
ACCESS = ("app", "parent__parent")
UNREAD = (
    "access_token",
    "parent__access_token",
    "parent__parent__access_token",
    *(f"app__{name}" for name in ("client_secret", "hook_secret", "hook_token")),
)


@dataclass(frozen=True)
class Risk:
    """One reason why a delivery will not go out when it is due, and the way out.

    root: what has to be mended, the same for all that hang on it; head: it in words.
    label and url: the button, "" where there is nothing to press. for_admins: others
    may not press it.
    """

    cause: str
    sentence: str
    cure: str
    root: str
    head: str
    label: str = ""
    url: str = ""
    for_admins: bool = False


@dataclass(frozen=True)
class Standing:
    """What is said of an account whatever is due when. broken: that holds all it has."""

    stop: Stop | None
    broken: Sequence[Risk]
    pauses: Sequence[Paused] = ()
    ends: Sequence[End] = ()


@dataclass(frozen=True)
class Sky:
    """What all deliveries are judged by, read once."""

    now: datetime
    active: Sequence[Stop]
    pauses: Mapping[Key, Paused]
    #: by the account's key
    standings: dict[int, Standing] = field(default_factory=dict)
    #: what was said of permissions: the same for all posts of a day that need the same
    said: dict[Hashable, list[Risk]] = field(default_factory=dict)

    @classmethod
    def now_seen(cls, now: datetime) -> Sky:
        """Three queries at most."""
        return cls(
            now,
            stops.active(),
            {
                (pause.breaker.platform, pause.breaker.subject): pause
                for pause in paused.not_closed(now=now, named=False)
            },
        )


# ---------------------------------------------------------------- many at once


def risks(
    rows: Iterable[Delivery], *, light: bool = False
) -> dict[int, tuple[Risk, ...]]:
    """Why the scheduled ones of these will not go out when they are due, gravest first.

    By the delivery's key; without those that will go. What is said of access is as the
    rows are now; that content, permissions and limits let a post go is believed where
    a judgement is kept, and else looked at as well. A fixed number of queries, however
    many rows; fewer where the rows come with what they are judged by. light: their
    accounts are those of `with_access`; of what has to be judged they are read whole.
    """
    scheduled = _scheduled(rows)
    if not scheduled:
        return {}
    now = timezone.now()
    if not light:
        read_access(scheduled)
    kept = believed(scheduled, now)
    sky = Sky.now_seen(now)
    found = {}
    for row in scheduled:
        if kept.get(row.pk) == "":
            if reasons := _access(row.account, row.due_at, sky):
                found[row.pk] = tuple(reasons)
    unsure = [row for row in scheduled if kept.get(row.pk) != ""]
    if light:
        unsure = _with_whole_accounts(unsure)
    held = ahead.forecasts(_perhaps_limited(unsure, kept))
    return found | judge(unsure, sky, held)


def _with_whole_accounts(rows: Sequence[Delivery]) -> list[Delivery]:
    """Those whose account is still there: one query."""
    if not rows:
        return []
    keys = {row.account_id for row in rows}
    accounts = {one.pk: one for one in _whole_accounts.objects(list(keys))}
    found = [row for row in rows if row.account_id in accounts]
    for row in found:
        row.account = accounts[row.account_id]
    return found


_whole_accounts = FixedQuery(
    lambda keys: (
        ConnectedAccount.objects.filter(pk__in=keys)
        .order_by()
        .select_related(*(f"credential__{name}" for name in ACCESS))
        .defer(*(f"credential__{name}" for name in UNREAD))
    ),
    [-7],
    keeps_plan=True,
)


def _whole(rows: Sequence[Delivery]) -> list[Delivery]:
    """The same with all that they are judged by: one query."""
    return _whole_ones.objects([row.pk for row in rows]) if rows else []


_whole_ones = FixedQuery(
    lambda keys: (
        Delivery.objects.filter(pk__in=keys)
        .order_by()
        .select_related("post", "account")
    ),
    [-7],
    keeps_plan=True,
)


def gravest(
    rows: Sequence[Delivery], kept: Mapping[int, str], sky: Sky, *, light: bool = False
) -> dict[int, Risk]:
    """Of each of these its first reason, and no more is read than that takes.

    kept: by key what is believed of it (`judgements.believed`). light: the rows have due
    time and account and nothing else; those that have to be judged are read whole.
    """
    if not rows:
        return {}
    if light:
        accounts = accounts_with_access({row.account_id for row in rows})
        # One may have gone since its delivery was read.
        rows = [row for row in rows if row.account_id in accounts]
        for row in rows:
            row.account = accounts[row.account_id]
    else:
        read_access(rows)
    found = {}
    unsure = []
    for row in rows:
        if reasons := _access(row.account, row.due_at, sky):
            found[row.pk] = reasons[0]
        elif kept.get(row.pk) != "":
            unsure.append(row)
    if light:
        unsure = _whole(unsure)
    judged = judge(unsure, sky, ahead.forecasts(_perhaps_limited(unsure, kept)))
    return found | {pk: reasons[0] for pk, reasons in judged.items()}


def _perhaps_limited(
    rows: Iterable[Delivery], kept: Mapping[int, str]
) -> list[Delivery]:
    """To follow all that is planned is dear, and what is kept says where it is needed."""
    return [row for row in rows if kept.get(row.pk, LIMIT).partition(":")[0] == LIMIT]


def judge(
    rows: Iterable[Delivery], sky: Sky, held: Mapping[Hashable, Forecast]
) -> dict[int, tuple[Risk, ...]]:
    """The same by nothing but the rows. held: by key, of those that a limit holds."""
    scheduled = _scheduled(rows)
    if not scheduled:
        return {}
    read_access(scheduled)
    read_files([row.post for row in scheduled])
    # Posts go to many accounts, and what a platform says of one draft it says to all
    # that are alike.
    drafts: dict[Hashable, Draft] = {}
    refusals: dict[Hashable, tuple[str, ...]] = {}
    found = {}
    for row in scheduled:
        account = row.account
        reasons = _access(account, row.due_at, sky)
        if account.health == "healthy":
            # Links may name the account.
            apart = account.pk if row.post.link_tags else None
            key = (row.post_id, account.platform, apart)
            draft = drafts.get(key)
            if draft is None:
                draft = drafts[key] = row.post.draft_for(account.platform, account)
            reasons += _permitted(account, row.due_at, _job(row, draft), sky)
            alike = (*key, account.kind, repr(account.extra), repr(_limits(account)))
            if alike not in refusals:
                refusals[alike] = _refusals(account, draft)
            reasons += [_content(row.post, text) for text in refusals[alike]]
        if not reasons and (forecast := held.get(row.pk)):
            reasons += _limit(row, forecast)
        if reasons:
            found[row.pk] = tuple(reasons)
    return found


#: What `_access` reads of an account.
_TOLD_BY = ("brand", "credential", "platform", "name", "disconnected_at", "trouble")


def with_access(*more: str) -> Any:
    """Accounts with as much of their access as `_access` reads: that one is renewed
    tells of its end. more: columns besides."""
    return ConnectedAccount.objects.select_related(
        *(f"credential__{name}" for name in ACCESS)
    ).only(
        *_TOLD_BY,
        *more,
        *(f"credential__app__{name}" for name in ("state", *APP_TOLD_BY)),
        *(f"credential__{name}" for name in (*ACCESS_TOLD_BY, "subject_name")),
        *(
            f"credential__{whose}{name}"
            for whose in ("parent__", "parent__parent__")
            for name in ("parent", "state", "cause", "subject_name")
        ),
    )


_light = FixedQuery(
    lambda keys: with_access("network").filter(pk__in=keys).order_by(),
    [-7],
    keeps_plan=True,
)


def accounts_with_access(keys: Collection[int]) -> dict[int, ConnectedAccount]:
    """Those of `with_access`, by key. One query."""
    return {account.pk: account for account in _light.objects(list(keys))}


def read_access(rows: Sequence[Delivery]) -> None:
    """What tells of access, where it was not read with the rows: two queries at most.

    Without tokens that act and without secrets; that one is renewed tells of its end.
    """
    prefetch_related_objects(rows, "account")
    without = [
        row.account
        for row in rows
        if row.account.credential_id and not _has(row.account, "credential")
    ]
    if without:
        keys = {account.credential_id for account in without}
        known = {one.pk: one for one in _credentials.objects(list(keys))}
        for account in without:
            account.credential = known.get(account.credential_id or 0)
    if any(
        not _has(credential, "app", "parent")
        for row in rows
        if (credential := row.account.credential)
    ):
        prefetch_related_objects(
            rows,
            # Of rows that came with their credentials, but without these.
            "account__credential__app",
            "account__credential__parent__parent",
        )


def _has(row: Model, *names: str) -> bool:
    """Whether the rows that it names were read with it."""
    return all(
        name in row._state.fields_cache or getattr(row, f"{name}_id") is None
        for name in names
    )


_credentials = FixedQuery(
    lambda keys: (
        Credential.objects.filter(pk__in=keys)
        .order_by()
        .select_related(*ACCESS)
        .defer(*UNREAD)
    ),
    [-7],
)


def read_variants(posts: Sequence[Post]) -> None:
    """As a prefetch does, of posts that have not had one. One query at most."""
    _read_below(posts, "variants", _variants, "post_id")


def read_files(posts: Sequence[Post]) -> None:
    """The same of variants, files, and files of what follows in threads. Three queries
    at most."""
    read_variants(posts)
    threads = [v for post in posts for v in post.variants.all() if v.parts]
    # Where files are asked for, these are even if there are none: so that a page asks
    # as much whatever it shows.
    if _read_below(posts, "media", _media, "post_id") or threads:
        _read_below(threads, "part_media", _part_media, "variant_id")


def files_of(post: Post) -> list[PostMedia]:
    """Its files as the database has them now, each with its asset. One query."""
    return _media.objects([post.pk])


def _read_below(
    rows: Sequence[Model], name: str, below: FixedQuery[Any], key: str
) -> bool:
    """Whether it had to be asked for. name: of their related manager; key: what the rows
    below have of them."""
    wanted = {row.pk: row for row in rows if name not in _kept(row)}
    if rows and not wanted:
        return False
    found: dict[int, list[Any]] = {}
    for one in below.objects(list(wanted)):
        found.setdefault(getattr(one, key), []).append(one)
    for row in rows:
        if name not in _kept(row):
            listed: QuerySet[Any] = QuerySet(below.model)
            listed._result_cache = found.get(row.pk, [])
            listed._prefetch_done = True  # type: ignore[attr-defined]
            _kept(row)[name] = listed
    return True


def _kept(row: Model) -> dict[str, Any]:
    """Where Django keeps what was prefetched."""
    kept: dict[str, Any] = row.__dict__.setdefault("_prefetched_objects_cache", {})
    return kept


_variants = FixedQuery(
    lambda posts: Variant.objects.filter(post__in=posts).order_by("pk"),
    [-7],
    keeps_plan=True,
)
_media = FixedQuery(
    lambda posts: (
        PostMedia.objects.filter(post__in=posts)
        .select_related("asset")
        .order_by(*(PostMedia._meta.ordering or ()))
    ),
    [-7],
    keeps_plan=True,
)
_part_media = FixedQuery(
    lambda variants: (
        PartMedia.objects.filter(variant__in=variants)
        .select_related("asset")
        .order_by(*(PartMedia._meta.ordering or ()))
    ),
    [-7],
    keeps_plan=True,
)


def _scheduled(rows: Iterable[Delivery]) -> list[Delivery]:
    """The scheduled ones, with one object per post, however many accounts it goes to:
    variants and files are fetched for each object."""
    scheduled = [row for row in rows if row.status == Delivery.Status.SCHEDULED]
    posts: dict[int, Post] = {}
    for row in scheduled:
        row.post = posts.setdefault(row.post_id, row.post)
    return scheduled


# ---------------------------------------------------------------- while one writes


def of_draft(
    accounts: Sequence[ConnectedAccount],
    draft_for: Callable[[str], Draft],
    due_at: datetime,
    useful_until: datetime,
    post: Post | None,
    now: datetime,
) -> dict[int, tuple[Risk, ...]]:
    """The same of a post that is being written: account's key -> reasons.

    draft_for: the draft for a platform's slug. Without what the checks say already.
    """
    prefetch_related_objects(accounts, "credential__app", "credential__parent__parent")
    sky = Sky.now_seen(now)
    held = ahead.of_draft(accounts, draft_for, due_at, useful_until, post, now)
    found = {}
    for account in accounts:
        job = PublishJob("0" * 32, now, draft_for(account.platform), account.identity())
        reasons = _access(account, due_at, sky)
        if account.health == "healthy":
            reasons += _permitted(account, due_at, job, sky)
        if not reasons and (words := held.get(account.pk)):
            reasons.append(_limit_risk(account, words))
        if reasons:
            found[account.pk] = tuple(reasons)
    return found


# ---------------------------------------------------------------- the reasons


def _access(account: ConnectedAccount, due_at: datetime, sky: Sky) -> list[Risk]:
    """All that does not depend on what the post says."""
    standing = sky.standings.get(account.pk)
    if standing is None:
        standing = sky.standings[account.pk] = _standing(account, sky)
    reasons = []
    # One may end at any hour, so it is a risk to what is due within a day only.
    if standing.stop and due_at < sky.now + stops.AHEAD:
        reasons.append(_stopped(standing.stop))
    reasons += standing.broken
    if standing.pauses:
        reasons += _paused(account, standing.pauses, due_at)
    reasons += [_ends(account, end) for end in standing.ends if end.at <= due_at]
    return reasons


def _standing(account: ConnectedAccount, sky: Sky) -> Standing:
    stop = stops.covering(account, sky.active)
    credential = account.credential
    if account.disconnected_at or credential is None:
        return Standing(stop, [_disconnected(account)])
    broken = []
    if account.health == "broken":
        broken.append(_broken(account, credential))
    broken += _app(account, credential, credential.app)
    pauses = []
    if sky.pauses:
        network = credential.app.network
        app = credential.app_id
        caller = Caller(account.platform, network, app, credential.pk)
        pauses = [sky.pauses[key] for key in caller.keys if key in sky.pauses]
    ends = []
    if account.health == "healthy":
        ends = [end for end in account.ends(sky.now) if end.stops_publishing]
    return Standing(stop, broken, pauses, ends)


def _permitted(
    account: ConnectedAccount, due_at: datetime, job: PublishJob, sky: Sky
) -> list[Risk]:
    """What the grant says of the calls that this very post needs."""
    credential = account.credential
    assert credential is not None  # a healthy account has one
    calls = (
        *registry.platform(account.platform).calls_ahead(job, looking=False),
        *calls_of_choices(account.spec, job.draft, job.account),
    )
    day = due_at.astimezone(UTC).date().isoformat()
    key = (account.pk, calls, day)
    if key not in sky.said:
        sky.said[key] = _permissions(account, credential, day, calls)
    return sky.said[key]


def _stopped(stop: Stop) -> Risk:
    return Risk(
        STOPPED,
        stops.will_be_held(stop),
        _("What is held then waits for a person once the stop has ended."),
        f"stop:{stop.pk}",
        _("Publishing is stopped"),
        _("Show the stop"),
        reverse("stop_list"),
    )


def _disconnected(account: ConnectedAccount) -> Risk:
    return Risk(
        Cause.ACCOUNT_GONE,
        _("Will be held: %(account)s is disconnected.") % {"account": account.name},
        _("Reconnect the account, or take it out of the post."),
        f"account:{account.pk}",
        _("%(account)s is disconnected") % {"account": account.name},
        _("Reconnect"),
        reverse("account_reconnect", args=[account.pk]),
        for_admins=True,
    )


def _reconnect(account: ConnectedAccount) -> dict[str, Any]:
    return {
        "label": _("Reconnect"),
        "url": reverse("account_reconnect", args=[account.pk]),
        "for_admins": True,
    }


def _root(credential: Credential) -> Credential:
    """What a person consented to: one reconnect of it mends all that hangs on it."""
    return credential.root


def _broken(account: ConnectedAccount, credential: Credential) -> Risk:
    words = explain(account.cause)
    sentence = _("Will be held: %(why)s (%(account)s).") % {
        "why": words.head,
        "account": account.name,
    }
    if credential.is_active:  # it is the account alone
        root, whose = f"account:{account.pk}", account.name
    else:
        parent = credential.parent
        deep = parent if parent is not None and not parent.is_active else credential
        root, whose = f"credential:{deep.pk}", deep.subject_name or account.name
    button = _reconnect(account)
    if words.action == Action.OPERATOR:
        button = _to_app(credential.app)
    elif words.action != Action.RECONNECT:
        button = {"label": _("Open the account"), "url": account.get_absolute_url()}
    head = f"{words.head}: {whose}"
    return Risk(account.cause, sentence, str(words.cure), root, head, **button)


def _to_app(app: PlatformApp) -> dict[str, Any]:
    return {
        "label": _("Open the app’s settings"),
        "url": reverse("platform_app_edit", args=[app.pk]),
        "for_admins": True,
    }


def _app(
    account: ConnectedAccount, credential: Credential, app: PlatformApp
) -> list[Risk]:
    """Our registration's state at the platform."""
    found = []
    name = account.spec.name
    state = PlatformApp.State
    operator = explain(Cause.APP_SUSPENDED).cure
    if app.state == state.SUSPENDED:
        head = _("Our app at %(platform)s is suspended") % {"platform": name}
        found.append(
            Risk(
                Cause.APP_SUSPENDED,
                _("Will be held: our app at %(platform)s is suspended.")
                % {"platform": name},
                str(operator),
                f"app:{app.pk}",
                head,
                **_to_app(app),
            )
        )
    elif app.state == state.IN_REVIEW and credential.proven_at is None:
        # Platforms let some accounts post before a review is over: proven is proven.
        head = _("Our app at %(platform)s is still in review") % {"platform": name}
        found.append(
            Risk(
                IN_REVIEW,
                _(
                    "Will be held: our app at %(platform)s is still in review, and it "
                    "was never proven that it may post to %(account)s."
                )
                % {"platform": name, "account": account.name},
                _("An admin enters the end of the review with the app."),
                f"app:{app.pk}",
                head,
                **_to_app(app),
            )
        )
    return found


def _paused(
    account: ConnectedAccount, pauses: Iterable[Paused], due_at: datetime
) -> list[Risk]:
    """Breakers that are open: until their end, or until an admin has acted."""
    assert account.credential is not None  # what has none has no breakers
    found = []
    for pause in pauses:
        # A token's pause names no accounts here: it is spoken of one.
        whole = pause.scope != "token"
        head = str(pause.words.head) if whole else _paused_account(account)
        root = f"breaker:{pause.breaker.pk}"
        if pause.needs_admin:
            sentence = _("Will be held: %(why)s.") % {"why": head}
            button = _to_app(account.credential.app)
            cure = str(pause.words.cure)
        elif pause.retry_at and pause.retry_at > due_at:
            sentence = _("Will be late: %(why)s, until %(when)s.") % {
                "why": head,
                "when": ahead.clock(pause.retry_at, beside=due_at),
            }
            button, cure = {}, pause.by_itself
        else:
            continue
        found.append(Risk(PAUSED, sentence, cure, root, head, **button))
    return found


def _paused_account(account: ConnectedAccount) -> str:
    return _("%(account)s is paused") % {"account": account}


def _ends(account: ConnectedAccount, end: End) -> Risk:
    credential = account.credential
    assert credential is not None  # what has none has no end
    if end.kind == EndKind.VERSION:
        return _version_ends(account, credential.app, end)
    return _access_ends(account, credential, end)


def _access_ends(account: ConnectedAccount, credential: Credential, end: End) -> Risk:
    whose = _root(credential).subject_name or account.name
    words = {
        "account": account.name,
        "who": whose,
        "when": told(end.at, _("j M Y")),
    }
    cause = Cause.TOKEN_EXPIRED
    sentence = _(
        "Will be held: access to %(account)s ends on %(when)s, before it is due."
    )
    head = _("Access of %(who)s ends on %(when)s")
    if end.kind == EndKind.DATA_ACCESS:
        cause = Cause.DATA_ACCESS_ENDED
        sentence = _(
            "Will be held: nobody has confirmed SocialHub for %(account)s lately, so "
            "the platform ends its trust on %(when)s, before it is due."
        )
        head = _("The platform’s trust in %(who)s’s access ends on %(when)s")
    return Risk(
        cause,
        sentence % words,
        _("Reconnect before that day: what is scheduled stays as it is."),
        f"credential:{_root(credential).pk}",
        head % words,
        **_reconnect(account),
    )


def _version_ends(account: ConnectedAccount, app: PlatformApp, end: End) -> Risk:
    words = {
        "platform": account.spec.name,
        "version": app.api_version or account.spec.api_version,
        "when": date_format(end.at, _("j M Y")),
    }
    return Risk(
        Cause.VERSION_ENDED,
        _(
            "Will be held: %(platform)s switches version %(version)s off on %(when)s, "
            "before it is due."
        )
        % words,
        _("An admin moves the app to a newer version before that day."),
        f"version:{app.pk}:{words['version']}",
        _("%(platform)s’s version %(version)s ends on %(when)s") % words,
        **_to_app(app),
    )


def _permissions(
    account: ConnectedAccount,
    credential: Credential,
    day: str,
    calls: Iterable[str],
) -> list[Risk]:
    """Of the calls that this very post needs; nothing where no grant is known.

    day: on which it is due, as ISO date in UTC.
    """
    granted = frozenset(credential.granted_scopes)
    if not granted:
        return []
    spec, app = account.spec, credential.app
    taken = {
        name: str(review.get("at", ""))
        for name, review in app.reviews.items()
        if review.get("state") == REFUSED and str(review.get("at", "")) <= day
    }
    missing: dict[str, None] = {}
    going: dict[str, None] = {}
    left = granted - taken.keys()
    for key in calls:
        call = spec.call(key)
        missing |= dict.fromkeys(lacks(spec, call, account.kind, granted))
        going |= dict.fromkeys(lacks(spec, call, account.kind, left))
    allows = {scope.name: _(scope.allows) for scope in spec.scopes}
    found = []
    for name in going:
        words = {
            "account": account.name,
            "platform": spec.name,
            "allows": allows.get(name, name),
            "scope": name,
            "when": taken.get(name, ""),
        }
        if name in missing:
            risk = Risk(
                Cause.SCOPE_MISSING,
                _(
                    "Will be held: the permission “%(allows)s” (%(scope)s), which this "
                    "post needs, was not given for %(account)s."
                )
                % words,
                str(explain(Cause.SCOPE_MISSING).cure),
                f"scope:{_root(credential).pk}:{name}",
                _("Permission missing for %(account)s: %(allows)s") % words,
                **_reconnect(account),
            )
        else:
            risk = Risk(
                Cause.APP_REFUSED,
                _(
                    "Will be held: %(platform)s has refused our app the permission "
                    "“%(allows)s” (%(scope)s) from %(when)s on."
                )
                % words,
                str(explain(Cause.APP_REFUSED).cure),
                f"review:{app.pk}:{name}",
                _("%(platform)s refused our app a permission: %(allows)s") % words,
                **_to_app(app),
            )
        found.append(risk)
    return found


def _limits(account: ConnectedAccount) -> Mapping[str, Any]:
    limits: Mapping[str, Any] = account.server_limits
    return limits


def _refusals(account: ConnectedAccount, draft: Draft) -> tuple[str, ...]:
    """What the platform would refuse by now: limits may have changed since it was
    scheduled, and files are judged by what they measure."""
    platform = registry.platform(account.platform)
    findings = parts.check(platform, draft, account.identity(), _limits(account))
    return tuple(
        finding_sentence(finding.cause, finding.values)
        for finding in findings
        if finding.level == Level.REFUSED
    )[:MAX_FINDINGS]


def _content(post: Post, words: str) -> Risk:
    return Risk(
        Cause.TEXT_REFUSED,
        _("Will be refused: %(why)s.") % {"why": words},
        _("Change the post."),
        f"post:{post.pk}",
        _("“%(post)s” would be refused: %(why)s") % {"post": post, "why": words},
        _("Change the post"),
        reverse("post_edit", args=[post.pk]),
    )


def _limit(row: Delivery, forecast: Forecast) -> list[Risk]:
    if not ahead.is_late(forecast, row.due_at):
        return []
    words = ahead.sentence(forecast, row.due_at, row.useful_until)
    denied = forecast.denied
    return [_limit_risk(row.account, words, f"{denied.platform}:{denied.key}")]


def _limit_risk(account: ConnectedAccount, words: str, bucket: str = "") -> Risk:
    return Risk(
        LIMIT,
        words,
        _("Choose another time, or leave it as it is."),
        f"limit:{bucket}:{account.platform}",
        _("A limit of %(platform)s will be used up") % {"platform": account.spec.name},
        _("Show the limits"),
        reverse("limits"),
    )


def _job(row: Delivery, draft: Draft) -> PublishJob:
    return PublishJob(
        marker=row.marker,
        created_at=row.created_at,
        draft=draft,
        account=row.account.identity(),
        witness=row.witness,
    )
